
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Faults of a drill, where the account's answer would come from.
 *
 *   status, bad_credential,     a pair of sockets stands in for the provider:
 *   exhausted_quota             the answer is written into its far end at once
 *   timeout                     the same, and nothing is written
 *   reset                       the same, and the far end is shut
 *   slow_first_token            what the provider sends is kept back
 *   stall, cut                  what it sends is handed on line by line until
 *                               the first content came, or half of a body
 *
 * All else, from nginx's parser to the ladder, cannot tell it from the real
 * thing.  The pair is a connection that was kept alive to nginx, so that there
 * is no connect and no TLS; only the request's head is sent there, which fits
 * any socket's buffer, for nobody reads it.
 */


#include "ngx_http_ai_attempt.h"
#include "pure/ngx_http_ai_faultanswer.h"


static ngx_connection_t *ngx_http_ai_attempt_fault_pair(
    ngx_http_ai_attempt_t *at, ngx_log_t *log);
static ngx_int_t ngx_http_ai_attempt_fault_listen(ngx_connection_t *c);
static ngx_int_t ngx_http_ai_attempt_fault_answer(ngx_http_ai_attempt_t *at,
    ngx_log_t *log);
static ngx_int_t ngx_http_ai_attempt_fault_first(ngx_http_request_t *r);
static ssize_t ngx_http_ai_attempt_fault_slow(ngx_connection_t *c,
    u_char *buf, size_t size);
static ssize_t ngx_http_ai_attempt_fault_some(ngx_connection_t *c,
    u_char *buf, size_t size);
static size_t ngx_http_ai_attempt_fault_step(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, u_char *p, size_t n);
static ssize_t ngx_http_ai_attempt_fault_break(ngx_connection_t *c,
    ngx_http_ai_attempt_t *at);
static void ngx_http_ai_attempt_fault_due(ngx_event_t *ev);


ngx_uint_t
ngx_http_ai_attempt_fault_enter(ngx_http_ai_attempt_t *at)
{
    ngx_uint_t                n;
    ngx_http_ai_try_t        *try;
    ngx_http_ai_faultspec_t   spec;

    n = at->ntries - 1;
    try = &at->tries[n];

    at->fault.kind = NGX_HTTP_AI_FAULT_NONE;

    ngx_http_ai_fault_scope(at->ctx);

    if (ngx_http_ai_fault_meet(at->ctx, try->target->account, n, &spec)
        != NGX_OK)
    {
        return 0;
    }

    try->fault = 1;

    at->fault.kind = spec.kind;
    at->fault.status = spec.status;
    at->fault.due = try->start + (ngx_msec_t) spec.delay_ms;

    ngx_log_error(NGX_LOG_INFO, at->ctx->request->connection->log, 0,
                  "ai account \"%V\" meets a fault of a drill: %V",
                  &try->target->account->name,
                  ngx_http_ai_faultspec_kind(spec.kind));

    return ngx_http_ai_attempt_scripted(at);
}


ngx_int_t
ngx_http_ai_attempt_fault_connect(ngx_peer_connection_t *pc,
    ngx_http_ai_attempt_t *at)
{
    ngx_connection_t  *c;

    static ngx_str_t        name = ngx_string("drill");
    static struct sockaddr  nowhere = { .sa_family = AF_UNIX };

    c = ngx_http_ai_attempt_fault_pair(at, pc->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_ai_attempt_fault_listen(c) != NGX_OK
        || ngx_http_ai_attempt_fault_answer(at, pc->log) != NGX_OK)
    {
        ngx_close_connection(c);
        (void) close(at->fault.far);
        at->fault.open = 0;
        return NGX_ERROR;
    }

    c->log_error = pc->log_error;

    pc->connection = c;
    pc->sockaddr = &nowhere;
    pc->socklen = sizeof(nowhere.sa_family);
    pc->name = &name;

    /* the block has no other server for this try */
    ngx_memzero(&at->peer, sizeof(ngx_http_ai_peer_t));

    return NGX_DONE;
}


static ngx_connection_t *
ngx_http_ai_attempt_fault_pair(ngx_http_ai_attempt_t *at, ngx_log_t *log)
{
    int                fds[2];
    ngx_connection_t  *c;

    if (socketpair(AF_UNIX, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0, fds)
        == -1)
    {
        ngx_log_error(NGX_LOG_ERR, log, ngx_errno, "socketpair() failed");
        return NULL;
    }

    c = ngx_get_connection(fds[0], log);

    if (c == NULL) {
        (void) close(fds[0]);
        (void) close(fds[1]);
        return NULL;
    }

    at->fault.far = fds[1];
    at->fault.open = 1;

    c->type = SOCK_STREAM;
    c->recv = ngx_recv;
    c->send = ngx_send;
    c->recv_chain = ngx_recv_chain;
    c->send_chain = ngx_send_chain;
    c->tcp_nopush = NGX_TCP_NOPUSH_DISABLED;
    c->tcp_nodelay = NGX_TCP_NODELAY_DISABLED;
    c->read->log = log;
    c->write->log = log;
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->start_time = ngx_current_msec;

    return c;
}


/* as ngx_event_connect_peer() does it for a connection that is made at once */

static ngx_int_t
ngx_http_ai_attempt_fault_listen(ngx_connection_t *c)
{
    c->write->ready = 1;

    if (ngx_add_conn) {
        return ngx_add_conn(c);
    }

    return ngx_add_event(c->read, NGX_READ_EVENT,
                         (ngx_event_flags & NGX_USE_CLEAR_EVENT)
                         ? NGX_CLEAR_EVENT : NGX_LEVEL_EVENT);
}


static ngx_int_t
ngx_http_ai_attempt_fault_answer(ngx_http_ai_attempt_t *at, ngx_log_t *log)
{
    u_char  buf[NGX_HTTP_AI_FAULTANSWER_MAX];
    size_t  n;

    if (at->fault.kind == NGX_HTTP_AI_FAULT_RESET) {

        /* what is sent goes nowhere, and does not fail */

        if (shutdown(at->fault.far, SHUT_WR) == -1) {
            ngx_log_error(NGX_LOG_ERR, log, ngx_errno, "shutdown() failed");
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    n = ngx_http_ai_faultanswer(at->target->account->provider, at->fault.kind,
                                at->fault.status, buf);

    if (n && send(at->fault.far, buf, n, MSG_NOSIGNAL) != (ssize_t) n) {
        ngx_log_error(NGX_LOG_ERR, log, ngx_errno, "send() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_http_ai_attempt_fault_prepare(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (at->fault.kind == NGX_HTTP_AI_FAULT_NONE) {
        return;
    }

    if (ngx_http_ai_attempt_scripted(at)) {
        u->request_bufs->next = NULL;
#if (NGX_HTTP_SSL)
        u->ssl = 0;
#endif
        return;
    }

    u->process_header = ngx_http_ai_attempt_fault_first;
}


void
ngx_http_ai_attempt_fault_leave(ngx_peer_connection_t *pc,
    ngx_http_ai_attempt_t *at)
{
    if (at->fault.kind == NGX_HTTP_AI_FAULT_NONE) {
        return;
    }

    if (at->fault.timer.timer_set) {
        ngx_del_timer(&at->fault.timer);
    }

    if (at->fault.recv) {

        /* it must not be kept: bytes of its answer may be missing */
        at->ctx->request->upstream->keepalive = 0;

        if (pc->connection) {
            pc->connection->recv = at->fault.recv;
        }

        at->fault.recv = NULL;
    }

    if (at->fault.open) {
        (void) close(at->fault.far);
        at->fault.open = 0;
    }

    at->fault.broken = 0;
    at->fault.nhidden = 0;
}


/*
 * The first bytes of the provider's answer: it is known now which recv() the
 * connection has, in TLS or not.  They stay where they are in the buffer, as
 * if they had not come.
 */

static ngx_int_t
ngx_http_ai_attempt_fault_first(ngx_http_request_t *r)
{
    ngx_connection_t       *c;
    ngx_http_upstream_t    *u;
    ngx_http_ai_ctx_t      *ctx;
    ngx_http_ai_attempt_t  *at;

    u = r->upstream;
    c = u->peer.connection;
    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);
    at = ctx->attempt;

    u->process_header = ngx_http_ai_attempt_status_line;

    if (at->fault.kind == NGX_HTTP_AI_FAULT_SLOW) {

        if ((ngx_msec_int_t) (at->fault.due - ngx_current_msec) <= 0) {
            return ngx_http_ai_attempt_status_line(r);
        }

        at->fault.timer.handler = ngx_http_ai_attempt_fault_due;
        at->fault.timer.data = at;
        at->fault.timer.log = r->connection->log;

        ngx_add_timer(&at->fault.timer, at->fault.due - ngx_current_msec);
    }

    at->fault.hidden = u->buffer.start;
    at->fault.nhidden = u->buffer.last - u->buffer.start;
    at->fault.recv = c->recv;

    u->state->bytes_received -= at->fault.nhidden;
    u->buffer.last = u->buffer.start;

    c->recv = (at->fault.kind == NGX_HTTP_AI_FAULT_SLOW)
              ? ngx_http_ai_attempt_fault_slow
              : ngx_http_ai_attempt_fault_some;

    return NGX_AGAIN;
}


static ssize_t
ngx_http_ai_attempt_fault_slow(ngx_connection_t *c, u_char *buf, size_t size)
{
    size_t                  n;
    ngx_http_request_t     *r;
    ngx_http_ai_ctx_t      *ctx;
    ngx_http_ai_attempt_t  *at;

    r = c->data;
    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);
    at = ctx->attempt;

    if ((ngx_msec_int_t) (at->fault.due - ngx_current_msec) > 0) {
        return NGX_AGAIN;
    }

    /* they are still where they are asked for */

    n = at->fault.nhidden;

    c->recv = at->fault.recv;
    at->fault.recv = NULL;
    at->fault.nhidden = 0;

    return n;
}


static void
ngx_http_ai_attempt_fault_due(ngx_event_t *ev)
{
    ngx_http_ai_attempt_t  *at = ev->data;

    ngx_connection_t     *c;
    ngx_http_request_t   *r;
    ngx_http_upstream_t  *u;

    r = at->ctx->request;
    c = r->connection;
    u = r->upstream;

    ngx_http_set_log_request(c->log, r);

    u->read_event_handler(r, u);

    ngx_http_run_posted_requests(c);
}


static ssize_t
ngx_http_ai_attempt_fault_some(ngx_connection_t *c, u_char *buf, size_t size)
{
    ssize_t                 n;
    ngx_http_request_t     *r;
    ngx_http_ai_ctx_t      *ctx;
    ngx_http_ai_attempt_t  *at;

    r = c->data;
    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);
    at = ctx->attempt;

    /* where the class holds streams back, content may have come unseen */

    if (at->committed || at->fault.broken || at->hold.content) {
        return ngx_http_ai_attempt_fault_break(c, at);
    }

    if (at->fault.nhidden == 0) {

        n = at->fault.recv(c, buf, size);

        if (n <= 0) {
            return n;
        }

        at->fault.nhidden = n;

    } else if (at->fault.hidden != buf) {
        ngx_memmove(buf, at->fault.hidden, at->fault.nhidden);
    }

    n = ngx_http_ai_attempt_fault_step(r, at, buf, at->fault.nhidden);

    at->fault.hidden = buf + n;
    at->fault.nhidden -= n;

    /* the core asks again, whether or not the socket has more */
    c->read->ready = 1;

    return n;
}


/* how much of it is handed on at once */

static size_t
ngx_http_ai_attempt_fault_step(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, u_char *p, size_t n)
{
    u_char  *lf;

    if (r->upstream->process_header == ngx_http_ai_attempt_hold
        && !at->reply.sse)
    {
        at->fault.broken = 1;
        return (n + 1) / 2;
    }

    lf = ngx_strlchr(p, p + n, LF);

    return lf ? (size_t) (lf + 1 - p) : n;
}


static ssize_t
ngx_http_ai_attempt_fault_break(ngx_connection_t *c,
    ngx_http_ai_attempt_t *at)
{
    c->read->ready = 0;

    if (at->fault.kind == NGX_HTTP_AI_FAULT_CUT) {
        c->read->eof = 1;
        return 0;
    }

    if (at->committed) {
        /* what the provider goes on to send is no progress */
        ngx_http_ai_attempt_progress(at, 0);
    }

    return NGX_AGAIN;
}
