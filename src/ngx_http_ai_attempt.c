
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_compat.h"
#include "ngx_http_ai_ladder.h"


/* kept connections found dead before the target itself is blamed */
#define NGX_HTTP_AI_MAX_STALE  3


static ngx_int_t ngx_http_ai_attempt_get(ngx_peer_connection_t *pc,
    void *data);
static void ngx_http_ai_attempt_free(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state);
#if (NGX_HTTP_SSL)
static ngx_int_t ngx_http_ai_attempt_set_session(ngx_peer_connection_t *pc,
    void *data);
static void ngx_http_ai_attempt_save_session(ngx_peer_connection_t *pc,
    void *data);
#endif
static ngx_int_t ngx_http_ai_attempt_enter(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
static ngx_int_t ngx_http_ai_attempt_delegate(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
static ngx_int_t ngx_http_ai_attempt_prepare(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
static void ngx_http_ai_attempt_hold_reset(ngx_http_ai_hold_t *hold);
static void ngx_http_ai_attempt_timers(ngx_http_ai_attempt_t *at);
static void ngx_http_ai_attempt_blame(ngx_peer_connection_t *pc,
    ngx_http_request_t *r, ngx_http_ai_attempt_t *at);
static void ngx_http_ai_attempt_correct_states(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);

static ngx_int_t ngx_http_ai_attempt_create_request(ngx_http_request_t *r);
static ngx_int_t ngx_http_ai_attempt_reinit_request(ngx_http_request_t *r);
static void ngx_http_ai_attempt_abort_request(ngx_http_request_t *r);
static void ngx_http_ai_attempt_finalize_request(ngx_http_request_t *r,
    ngx_int_t rc);
static void ngx_http_ai_attempt_end(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, ngx_int_t rc);
static void ngx_http_ai_attempt_last_word(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
static void ngx_http_ai_attempt_break(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, ngx_int_t rc);


void
ngx_http_ai_attempt_start(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ngx_http_upstream_t    *u;
    ngx_http_ai_attempt_t  *at;

    at = ngx_pcalloc(r->pool, sizeof(ngx_http_ai_attempt_t));
    if (at == NULL || ngx_http_upstream_create(r) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    at->ctx = ctx;
    at->deadline = ctx->start + ctx->policy->deadline;
    at->next = ngx_http_ai_route_next(&ctx->plan, ctx->conf->zone, NULL, 0);

    ctx->attempt = at;
    ctx->started = 1;

    at->conf = at->next->account->upstream;

    u = r->upstream;

    u->conf = &at->conf;
    u->output.tag = (ngx_buf_tag_t) &ngx_http_ai_route_module;
    ngx_str_set(&u->schema, "ai://");

    u->create_request = ngx_http_ai_attempt_create_request;
    u->reinit_request = ngx_http_ai_attempt_reinit_request;
    u->process_header = ngx_http_ai_attempt_status_line;
    u->abort_request = ngx_http_ai_attempt_abort_request;
    u->finalize_request = ngx_http_ai_attempt_finalize_request;

    u->buffering = 0;
    u->input_filter_init = ngx_http_ai_attempt_filter_init;
    u->input_filter = ngx_http_ai_attempt_filter;
    u->input_filter_ctx = r;

    ngx_http_upstream_init(r);
}


ngx_int_t
ngx_http_ai_attempt_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *uscf)
{
    ngx_http_upstream_t  *u;
    ngx_http_ai_ctx_t    *ctx;

    u = r->upstream;
    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);

    u->peer.data = ctx->attempt;
    u->peer.get = ngx_http_ai_attempt_get;
    u->peer.free = ngx_http_ai_attempt_free;
#if (NGX_HTTP_SSL)
    u->peer.set_session = ngx_http_ai_attempt_set_session;
    u->peer.save_session = ngx_http_ai_attempt_save_session;
#endif
    u->peer.tries = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_attempt_get(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_ai_attempt_t  *at = data;

    ngx_int_t             rc;
    ngx_http_request_t   *r;
    ngx_http_upstream_t  *u;

    r = at->ctx->request;
    u = r->upstream;

    ngx_http_ai_attempt_correct_states(r, at);

    r->connection->log->action = "choosing ai account";

    for ( ;; ) {

        rc = ngx_http_ai_attempt_enter(r, at);
        if (rc != NGX_OK) {
            return rc;
        }

        pc->cached = 0;
        pc->connection = NULL;
        pc->tries = at->peer.tries;

        /*
         * Since 1.29.7 the keepalive cache is tagged with this address: the
         * account's lasts, the request's does not.
         */
        u->conf = &at->target->account->upstream;
        rc = at->peer.get(pc, at->peer.data);
        u->conf = &at->conf;

        at->peer.tries = pc->tries;

        if (rc == NGX_OK || rc == NGX_DONE) {
            break;
        }

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        /* no live server in this block: the ladder goes on at once */

        ngx_http_ai_attempt_verdict(at, NGX_HTTP_AI_CONNECT);
        ngx_http_ai_attempt_decide(at);

        if (at->next == NULL) {
            pc->tries = 0;
            return NGX_BUSY;
        }
    }

    pc->tries = 1;

    if (ngx_http_ai_attempt_prepare(r, at) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_log_debug4(NGX_LOG_DEBUG_HTTP, pc->log, 0,
                   "ai attempt %ui: account \"%V\" peer \"%V\" cached:%d",
                   at->ntries, &at->target->name, pc->name, pc->cached);

    return rc;
}


/* makes at->target and its balancer what the next connection goes to */

static ngx_int_t
ngx_http_ai_attempt_enter(ngx_http_request_t *r, ngx_http_ai_attempt_t *at)
{
    ngx_http_ai_try_t  *try;

    at->judged = 0;
    at->answered = 0;

    if (at->again) {
        at->again = 0;
        return NGX_OK;
    }

    if (at->renew) {
        at->renew = 0;
        return ngx_http_ai_attempt_delegate(r, at);
    }

    at->target = at->next;
    at->next = NULL;
    at->stale = 0;

    try = &at->tries[at->ntries++];
    try->target = at->target;
    try->start = ngx_current_msec;

    return ngx_http_ai_attempt_delegate(r, at);
}


/*
 * Lets the block's own balancer set itself up as if it were alone, then puts
 * our hooks back.  peer.data must be NULL: a non-NULL one is taken by the
 * round robin for its own and overwritten.
 */

static ngx_int_t
ngx_http_ai_attempt_delegate(ngx_http_request_t *r, ngx_http_ai_attempt_t *at)
{
    ngx_int_t                      rc;
    ngx_http_upstream_t           *u;
    ngx_peer_connection_t         *pc, saved;
    ngx_http_upstream_srv_conf_t  *uscf, *own;

    u = r->upstream;
    pc = &u->peer;
    uscf = at->target->account->uscf;

    saved = *pc;
    own = u->upstream;

    pc->data = NULL;
    pc->get = NULL;
    pc->free = NULL;
    pc->notify = NULL;
    u->upstream = uscf;
    u->conf = &at->target->account->upstream;

    rc = uscf->peer.init(r, uscf);

    u->conf = &at->conf;
    u->upstream = own;

    at->peer.data = pc->data;
    at->peer.get = pc->get;
    at->peer.free = pc->free;
    at->peer.tries = pc->tries;

    pc->data = saved.data;
    pc->get = saved.get;
    pc->free = saved.free;
    pc->notify = saved.notify;
    pc->tries = saved.tries;

#if (NGX_HTTP_SSL)
    at->peer.set_session = pc->set_session;
    at->peer.save_session = pc->save_session;
    pc->set_session = saved.set_session;
    pc->save_session = saved.save_session;
#endif

    return rc == NGX_OK ? NGX_OK : NGX_ERROR;
}


/*
 * All that the core's ngx_http_upstream_reinit() would do, and the fields
 * that depend on the target.  request_sent = 0 keeps the core from doing it
 * again: its version rewinds request_bufs to their starts, which is wrong for
 * slices of the client's body.
 */

static ngx_int_t
ngx_http_ai_attempt_prepare(ngx_http_request_t *r, ngx_http_ai_attempt_t *at)
{
    ngx_chain_t            *cl;
    ngx_http_upstream_t    *u;
    ngx_http_ai_account_t  *account;

    u = r->upstream;
    account = at->target->account;

    at->conf = account->upstream;
    ngx_http_ai_attempt_timers(at);

#if (NGX_HTTP_SSL)
    u->ssl = account->tls;
    u->ssl_name = account->sni;
#endif

    /* since 1.27.3 the core copies the peer's name by this pointer */
    u->upstream = account->uscf;

    if (u->buffer.start) {
        ngx_memzero(&u->headers_in, sizeof(ngx_http_upstream_headers_in_t));
        u->headers_in.content_length_n = -1;
        u->headers_in.last_modified_time = -1;

        if (ngx_list_init(&u->headers_in.headers, r->pool, 8,
                          sizeof(ngx_table_elt_t))
            != NGX_OK
            || ngx_list_init(&u->headers_in.trailers, r->pool, 2,
                             sizeof(ngx_table_elt_t))
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        u->buffer.pos = u->buffer.start;
        u->buffer.last = u->buffer.start;
    }

    u->keepalive = 0;
    u->upgrade = 0;
    u->error = 0;
    u->length = -1;
    u->request_sent = 0;
    u->output.buf = NULL;
    u->output.in = NULL;
    u->output.busy = NULL;
    ngx_http_ai_upstream_reset(u);

    u->process_header = ngx_http_ai_attempt_status_line;
    r->state = 0;

    ngx_memzero(&at->status, sizeof(ngx_http_status_t));
    ngx_memzero(&at->chunked, sizeof(ngx_http_chunked_t));
    ngx_memzero(&at->reply, sizeof(ngx_http_ai_reply_t));
    ngx_http_ai_attempt_hold_reset(&at->hold);

    if (ngx_http_ai_attempt_request(r, at) != NGX_OK) {
        return NGX_ERROR;
    }

    /* else ngx_ssl_send_chain() keeps the request's tail in its buffer */

    for (cl = u->request_bufs; cl->next; cl = cl->next) { /* void */ }

    cl->buf->flush = 1;

    return NGX_OK;
}


/* the memory for bodies stays */

static void
ngx_http_ai_attempt_hold_reset(ngx_http_ai_hold_t *hold)
{
    u_char  *body;
    size_t   size;

    body = hold->body;
    size = hold->body_size;

    ngx_memzero(hold, sizeof(ngx_http_ai_hold_t));

    hold->body = body;
    hold->body_size = size;
}


static void
ngx_http_ai_attempt_timers(ngx_http_ai_attempt_t *at)
{
    ngx_msec_t                  left, first;
    ngx_http_upstream_conf_t   *conf;
    const ngx_http_ai_class_t  *policy;

    conf = &at->conf;
    policy = at->ctx->policy;

    left = at->deadline - ngx_current_msec;

    if ((ngx_msec_int_t) left <= 0) {
        left = 1;
    }

    first = at->ctx->facts.stream ? policy->first_token : policy->first_byte;

    if (first == 0) {
        first = left;
    }

    conf->connect_timeout = ngx_min(policy->connect, left);
    conf->send_timeout = ngx_min(policy->send, left);
    conf->read_timeout = ngx_min(first, left);
}


/*
 * The core sets the state's status to 502 when it goes on to the next peer;
 * $upstream_status shall say what the provider answered.
 */

static void
ngx_http_ai_attempt_correct_states(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at)
{
    ngx_uint_t                  n;
    ngx_http_upstream_state_t  *state;

    n = r->upstream_states->nelts;
    state = r->upstream_states->elts;

    if (n >= 2 && at->reply.status) {
        state[n - 2].status = at->reply.status;
    }
}


static void
ngx_http_ai_attempt_free(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state)
{
    ngx_http_ai_attempt_t  *at = data;

    ngx_http_request_t   *r;
    ngx_http_upstream_t  *u;

    r = at->ctx->request;
    u = r->upstream;

    if (state & NGX_PEER_FAILED) {
        ngx_http_ai_attempt_blame(pc, r, at);

        /* max_fails is about servers that do not answer */

        if (at->answered) {
            state = 0;
        }
    }

    pc->tries = at->peer.tries;

    u->conf = &at->target->account->upstream;
    at->peer.free(pc, at->peer.data, state);
    u->conf = &at->conf;

    at->peer.tries = pc->tries;

    if (!(state & NGX_PEER_FAILED) && !at->judged) {
        return;
    }

    if (at->committed) {
        pc->tries = 0;
        return;
    }

    if (at->renew) {
        pc->tries = 1;
        return;
    }

    if (at->tries[at->ntries - 1].verdict == NGX_HTTP_AI_CONNECT
        && at->peer.tries
        && (ngx_msec_int_t) (at->deadline - ngx_current_msec) > 0)
    {
        /* the block's other servers belong to the same account */
        at->again = 1;
        pc->tries = 1;
        return;
    }

    if (at->next == NULL) {
        ngx_http_ai_attempt_decide(at);
    }

    pc->tries = at->next ? 1 : 0;
}


/* the verdict of a try that failed without one: what the connection tells */

static void
ngx_http_ai_attempt_blame(ngx_peer_connection_t *pc, ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at)
{
    ngx_connection_t     *c;
    ngx_http_upstream_t  *u;

    if (at->judged) {
        return;
    }

    u = r->upstream;
    c = pc->connection;

    if (u->buffer.start && u->buffer.last == u->buffer.end) {
        /* the core gave up on an endless header */
        ngx_http_ai_attempt_verdict(at, NGX_HTTP_AI_SERVER_ERROR);
        return;
    }

    if (at->reply.status) {
        ngx_http_ai_attempt_judge_held(r, at);
        return;
    }

    if (u->state->connect_time == (ngx_msec_t) -1) {
        ngx_http_ai_attempt_verdict(at, NGX_HTTP_AI_CONNECT);
        return;
    }

    if (c && (c->read->timedout || c->write->timedout)) {
        ngx_http_ai_attempt_verdict(at, NGX_HTTP_AI_TIMEOUT);
        return;
    }

    if (pc->cached && u->buffer.last == u->buffer.start
        && at->stale++ < NGX_HTTP_AI_MAX_STALE)
    {
        /* the server closed a kept connection while we were about to use it */
        at->renew = 1;
        return;
    }

    ngx_http_ai_attempt_verdict(at, NGX_HTTP_AI_RESET);
}


void
ngx_http_ai_attempt_verdict(ngx_http_ai_attempt_t *at,
    ngx_http_ai_verdict_e verdict)
{
    ngx_http_ai_try_t  *try;

    if (at->judged) {
        return;
    }

    at->judged = 1;

    try = &at->tries[at->ntries - 1];
    try->verdict = verdict;
    try->status = at->reply.status;
    try->elapsed = ngx_current_msec - try->start;

    if (verdict != NGX_HTTP_AI_OK) {
        ngx_log_error(NGX_LOG_INFO, at->ctx->request->connection->log, 0,
                      "ai account \"%V\" failed: %V, status %ui, "
                      "attempt %ui after %M ms",
                      &try->target->name, &ngx_http_ai_verdict(verdict)->name,
                      try->status, at->ntries, try->elapsed);
    }
}


void
ngx_http_ai_attempt_decide(ngx_http_ai_attempt_t *at)
{
    ngx_http_ai_step_t  step;

    if ((ngx_msec_int_t) (at->deadline - ngx_current_msec) <= 0) {
        at->expired = 1;
        at->next = NULL;
        return;
    }

    step.verdict = at->tries[at->ntries - 1].verdict;
    step.last = at->target;
    step.attempts_left = at->ctx->policy->attempts - at->ntries;

    at->next = ngx_http_ai_ladder_next(&at->ctx->plan, at->ctx->conf->zone,
                                       &step);
}


#if (NGX_HTTP_SSL)

static ngx_int_t
ngx_http_ai_attempt_set_session(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_ai_attempt_t  *at = data;

    return at->peer.set_session(pc, at->peer.data);
}


static void
ngx_http_ai_attempt_save_session(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_ai_attempt_t  *at = data;

    at->peer.save_session(pc, at->peer.data);
}

#endif


/* the request is built in peer.get, when its target is known */

static ngx_int_t
ngx_http_ai_attempt_create_request(ngx_http_request_t *r)
{
    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_attempt_reinit_request(ngx_http_request_t *r)
{
    ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                  "ai attempt: unexpected reinit by the core");
    return NGX_ERROR;
}


static void
ngx_http_ai_attempt_abort_request(ngx_http_request_t *r)
{
    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "abort ai request");
}


static void
ngx_http_ai_attempt_finalize_request(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_http_ai_ctx_t      *ctx;
    ngx_http_ai_attempt_t  *at;

    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);
    at = ctx->attempt;

    if (at->reply.status && !at->committed && r->upstream->state) {
        r->upstream->state->status = at->reply.status;
    }

    ngx_http_ai_attempt_end(r, at, rc);
}


/*
 * How the request ended, by what the core says:
 *
 *   rc             before the head was sent     after
 *   0              -                            complete, or cut
 *   502            all tries failed             cut
 *   504            all tries failed             stalled
 *   499, -1, -4    the client left              the client left
 *   others 5xx     our own trouble              cut
 */

static void
ngx_http_ai_attempt_end(ngx_http_request_t *r, ngx_http_ai_attempt_t *at,
    ngx_int_t rc)
{
    ngx_http_ai_ctx_t  *ctx;

    ctx = at->ctx;

    if (rc == NGX_HTTP_CLIENT_CLOSED_REQUEST
        || rc == NGX_HTTP_REQUEST_TIME_OUT
        || rc == NGX_ERROR
        || rc == NGX_DONE)
    {
        ctx->outcome = NGX_HTTP_AI_OUTCOME_CLIENT_GONE;

        if (at->ntries) {
            ngx_http_ai_attempt_verdict(at, NGX_HTTP_AI_CLIENT_CLOSED);
        }

        return;
    }

    if (!r->upstream->header_sent) {
        ngx_http_ai_attempt_last_word(r, at);
        return;
    }

    if (ngx_http_ai_stream_end(&ctx->stream) == NGX_OK && rc == 0) {

        ctx->outcome = NGX_HTTP_AI_OUTCOME_OK;

        if (ctx->stream.error) {
            /* the provider itself ended the stream with an error event */
            at->tries[at->ntries - 1].verdict = ctx->stream.verdict;
        }

        if (ctx->stream.error || at->reply.status >= 300) {
            ctx->outcome = NGX_HTTP_AI_OUTCOME_ERROR;
        }

        return;
    }

    ngx_http_ai_attempt_break(r, at, rc);
}


/* nothing reached the client and nothing more will be tried */

static void
ngx_http_ai_attempt_last_word(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at)
{
    ngx_http_ai_try_t            *try;
    ngx_http_ai_ctx_t            *ctx;
    const ngx_http_ai_verdict_t  *row;

    ctx = at->ctx;
    ctx->outcome = NGX_HTTP_AI_OUTCOME_ERROR;
    ctx->replaced = 1;

    if (at->ntries == 0) {
        (void) ngx_http_ai_error_core(r, &ctx->error,
                                      NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    try = &at->tries[at->ntries - 1];
    row = ngx_http_ai_verdict(try->verdict);

    ctx->error.verdict = try->verdict;

    if (at->reply.status >= 300 && row->pass) {

        /* an error whose body ended with the connection */

        ctx->error.status = at->reply.status;
        ctx->error.body = ngx_http_ai_attempt_held(r, at);
        return;
    }

    if (at->expired) {
        (void) ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_GATEWAY_TIME_OUT,
                      "deadline_exceeded",
                      "no answer within %M ms, after %ui attempts",
                      ctx->policy->deadline, at->ntries);

    } else {
        (void) ngx_http_ai_error_set(r, &ctx->error, row->status,
                      row->status == NGX_HTTP_GATEWAY_TIME_OUT
                      ? "deadline_exceeded"
                      : (try->verdict == NGX_HTTP_AI_AUTH
                         || try->verdict == NGX_HTTP_AI_ACCOUNT_DISABLED)
                        ? "upstream_auth" : "upstream_error",
                      "all %ui attempts failed, the last one with \"%V\"",
                      at->ntries, &row->name);
    }
}


/* the answer broke after its head was sent: never a fake success */

static void
ngx_http_ai_attempt_break(ngx_http_request_t *r, ngx_http_ai_attempt_t *at,
    ngx_int_t rc)
{
    ngx_buf_t          *b;
    ngx_str_t           event;
    ngx_chain_t         out;
    ngx_uint_t          stalled;
    ngx_http_ai_try_t  *try;
    ngx_http_ai_ctx_t  *ctx;

    ctx = at->ctx;
    stalled = (rc == NGX_HTTP_GATEWAY_TIME_OUT);

    try = &at->tries[at->ntries - 1];
    try->verdict = stalled ? NGX_HTTP_AI_TIMEOUT : NGX_HTTP_AI_SERVER_ERROR;

    ctx->outcome = stalled ? NGX_HTTP_AI_OUTCOME_STALLED
                           : NGX_HTTP_AI_OUTCOME_CUT;

    (void) ngx_http_ai_error_set(r, &ctx->error,
                  stalled ? NGX_HTTP_GATEWAY_TIME_OUT : NGX_HTTP_BAD_GATEWAY,
                  stalled ? "deadline_exceeded" : "upstream_error",
                  stalled ? "the upstream stream stalled and was ended"
                          : "the upstream stream was cut before its end");

    ctx->error.verdict = try->verdict;

    if (!at->reply.sse) {

        if (rc == 0) {
            /*
             * The body ended with the connection and is broken: the core
             * would end it well, a client error breaks it instead.
             */
            r->connection->error = 1;
        }

        return;
    }

    event = ngx_http_ai_error_event(r, &ctx->error);

    b = ngx_calloc_buf(r->pool);
    if (b == NULL || event.len == 0) {
        return;
    }

    b->pos = event.data;
    b->last = event.data + event.len;
    b->start = b->pos;
    b->end = b->last;
    b->memory = 1;
    b->flush = 1;

    /* for rc == 0 the core itself sends the last buf */
    b->last_buf = (rc != 0);

    out.buf = b;
    out.next = NULL;

    ctx->stream.mode = NGX_HTTP_AI_STREAM_OFF;

    (void) ngx_http_output_filter(r, &out);
}
