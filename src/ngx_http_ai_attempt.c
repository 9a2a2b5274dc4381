
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_compat.h"
#include "ngx_http_ai_usage.h"


/* kept connections found dead before the target itself is blamed */
#define NGX_HTTP_AI_MAX_STALE  3


static void ngx_http_ai_attempt_alarm(ngx_event_t *ev);
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
static ngx_int_t ngx_http_ai_attempt_pause(ngx_http_ai_attempt_t *at);
static ngx_int_t ngx_http_ai_attempt_enter(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
static ngx_int_t ngx_http_ai_attempt_admit(ngx_http_ai_attempt_t *at);
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


ngx_int_t
ngx_http_ai_attempt_start(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ngx_http_upstream_t    *u;
    ngx_http_ai_target_t   *t;
    ngx_http_ai_attempt_t  *at;

    at = ngx_palloc(r->pool, sizeof(ngx_http_ai_attempt_t));
    if (at == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(at, offsetof(ngx_http_ai_attempt_t, tries));
    at->other.route = NULL;

    at->ctx = ctx;
    at->deadline = ctx->start + ctx->policy->deadline;

    ctx->attempt = at;

    ngx_http_ai_attempt_first(at);

    if (at->step == NGX_HTTP_AI_STEP_FAIL) {
        ngx_http_ai_attempt_refuse(r, at);
        return ctx->error.status;
    }

    if (ngx_http_upstream_create(r) != NGX_OK) {
        ngx_http_ai_attempt_unpark(at);
        ngx_http_ai_attempt_leave(at);
        return NGX_ERROR;
    }

    /* until peer.get knows the account, any one's will do */
    t = ctx->plan.route->targets.elts;
    at->conf = t[0].account->upstream;

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

    at->alarm.handler = ngx_http_ai_attempt_alarm;
    at->alarm.data = at;
    at->alarm.log = r->connection->log;

    ngx_add_timer(&at->alarm, ctx->policy->deadline);

    ngx_http_upstream_init(r);

    return NGX_OK;
}


/*
 * The deadline is over and no content came.  The core's timers cannot do
 * this: they begin anew with every phase and every block that is sent.
 */

static void
ngx_http_ai_attempt_alarm(ngx_event_t *ev)
{
    ngx_http_ai_attempt_t  *at = ev->data;

    ngx_connection_t     *c;
    ngx_http_request_t   *r;
    ngx_http_upstream_t  *u;

    r = at->ctx->request;
    c = r->connection;
    u = r->upstream;

    if (at->parked) {
        ngx_del_timer(&at->park);
        ngx_http_ai_attempt_wake(&at->park);
        return;
    }

    ngx_http_set_log_request(c->log, r);

    if (at->committed) {
        /* the rest of an answer that is not streamed comes too late */
        at->too_long = 1;
        u->error = 1;
    }

    u->peer.connection->read->timedout = 1;
    u->read_event_handler(r, u);

    ngx_http_run_posted_requests(c);
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

    r->connection->log->action = "choosing ai account";

    if (at->parked) {
        ngx_http_ai_attempt_interrupted(r, at);

    } else if (at->unparked) {
        ngx_http_ai_attempt_replace_pause(r);

    } else {
        ngx_http_ai_attempt_correct_states(r, at);
    }

    for ( ;; ) {

        rc = ngx_http_ai_attempt_pause(at);

        if (rc == NGX_AGAIN) {
            ngx_http_ai_totals_waits(at->ctx);
            return ngx_http_ai_attempt_park(pc, at, at->delay);
        }

        if (rc == NGX_DECLINED) {

            /* not a try: nothing of it in $upstream_addr and the like */

            r->upstream_states->nelts--;
            u->state = &at->no_state;

            pc->tries = 0;
            return NGX_BUSY;
        }

        rc = ngx_http_ai_attempt_enter(r, at);

        if (rc == NGX_DECLINED) {
            ngx_http_ai_attempt_reconsider(at);
            continue;
        }

        if (rc != NGX_OK) {
            return rc;
        }

        pc->cached = 0;
        pc->connection = NULL;
        if (ngx_http_ai_attempt_scripted(at)) {
            rc = ngx_http_ai_attempt_fault_connect(pc, at);
            break;
        }

        pc->tries = at->peer.tries;

        /*
         * Since 1.29.7 the keepalive cache is tagged with this address: the
         * account's lasts, the request's does not.
         */
        u->conf = &at->target->account->upstream;
        rc = at->peer.get(pc, at->peer.data);
        u->conf = &at->conf;

        at->peer.tries = pc->tries;

        if (rc == NGX_OK || rc == NGX_DONE || rc == NGX_ERROR) {
            break;
        }

        /* no live server in this block: the ladder goes on at once */

        ngx_http_ai_attempt_verdict(at, NGX_HTTP_AI_CONNECT);
        ngx_http_ai_attempt_decide(at);
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    pc->tries = 1;

    if (ngx_http_ai_attempt_prepare(r, at) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_ai_totals_waits(at->ctx);

    ngx_log_debug4(NGX_LOG_DEBUG_HTTP, pc->log, 0,
                   "ai attempt %ui: account \"%V\" peer \"%V\" cached:%d",
                   at->ntries, &at->target->name, pc->name, pc->cached);

    return rc;
}


/*
 * NGX_OK: at->next, or the current target, is to be tried now; NGX_AGAIN: a
 * pause of at->delay comes first; NGX_DECLINED: nothing is left.
 */

static ngx_int_t
ngx_http_ai_attempt_pause(ngx_http_ai_attempt_t *at)
{
    if (at->again || at->renew) {
        return NGX_OK;
    }

    if (at->unparked) {
        at->unparked = 0;
        return ngx_http_ai_attempt_resume(at);
    }

    switch (at->step) {

    case NGX_HTTP_AI_STEP_FAIL:
        return NGX_DECLINED;

    case NGX_HTTP_AI_STEP_WAIT:
        return NGX_AGAIN;

    case NGX_HTTP_AI_STEP_QUEUE:
        return ngx_http_ai_attempt_resume(at);

    default: /* there is a target */
        return at->delay ? NGX_AGAIN : NGX_OK;
    }
}


/* makes at->target and its balancer what the next connection goes to */

static ngx_int_t
ngx_http_ai_attempt_enter(ngx_http_request_t *r, ngx_http_ai_attempt_t *at)
{
    ngx_http_ai_try_t  *try;

    if (!at->again && !at->renew
        && ngx_http_ai_attempt_admit(at) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    at->judged = 0;
    at->decided = 0;
    at->reported = 0;
    at->answered = 0;
    at->classified = 0;

    ngx_http_ai_headroom_init(&at->headroom);
    ngx_memzero(&at->reply, sizeof(ngx_http_ai_reply_t));
    ngx_http_ai_attempt_hold_reset(&at->hold);

    if (at->again) {
        at->again = 0;
        return NGX_OK;
    }

    if (at->renew) {
        at->renew = 0;
        return ngx_http_ai_attempt_delegate(r, at);
    }

    try = &at->tries[at->ntries];
    ngx_memzero(try, sizeof(ngx_http_ai_try_t));
    try->why = ngx_http_ai_attempt_why(at);

    at->target = at->next;
    at->next = NULL;
    at->stale = 0;
    at->ntries++;

    try->target = at->target;
    try->model = at->cell.model;
    try->price = ngx_http_ai_prices_find(at->ctx->conf->prices, at->target,
                                         at->ctx->plan.model);
    try->start = ngx_current_msec;
    try->backup = at->on_backup;

    if (ngx_http_ai_attempt_fault_enter(at)) {
        return NGX_OK;
    }

    return ngx_http_ai_attempt_delegate(r, at);
}


/*
 * The next target's pass becomes the current one.  The same target once more
 * asks for a pass of its own; it is tried even if its breaker has opened just
 * now, for the ladder has decided so, but not against a limit, a closure or
 * the operator's word: NGX_DECLINED.
 */

static ngx_int_t
ngx_http_ai_attempt_admit(ngx_http_ai_attempt_t *at)
{
    int64_t                tokens, nanousd;
    ngx_http_ai_ctx_t     *ctx;
    ngx_http_ai_health_t   health;

    ctx = at->ctx;

    ngx_http_ai_attempt_used(at, &tokens, &nanousd);
    ngx_http_ai_health_leave(ctx->conf->zone, &at->cell, &at->pass, tokens,
                             nanousd);
    ngx_http_ai_route_cell(&ctx->plan, at->next, &at->cell);

    if (at->next_pass.inside) {
        at->pass = at->next_pass;
        at->next_pass.inside = 0;
        return NGX_OK;
    }

    if (ngx_http_ai_health_enter(ctx->conf->zone, &at->cell,
                                 &ctx->plan.demand, NGX_HTTP_AI_ENTER_AGAIN,
                                 &at->pass, &health)
        == NGX_OK)
    {
        return NGX_OK;
    }

    at->next = NULL;

    return NGX_DECLINED;
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
#if (NGX_HTTP_SSL)
    pc->set_session = NULL;
    pc->save_session = NULL;
#endif
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

    return rc == NGX_OK && at->peer.get ? NGX_OK : NGX_ERROR;
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
    u->output.free = NULL;
    u->output.allocated = 0;
    ngx_http_ai_upstream_reset(u);

    u->process_header = ngx_http_ai_attempt_status_line;
    r->state = 0;

    ngx_memzero(&at->status, sizeof(ngx_http_status_t));
    ngx_memzero(&at->chunked, sizeof(ngx_http_chunked_t));

    if (ngx_http_ai_attempt_request(r, at) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_ai_attempt_fault_prepare(r, at);

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
    int64_t                     own;
    ngx_msec_t                  left, first;
    ngx_http_upstream_conf_t   *conf;
    ngx_http_ai_account_t      *account;
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

    at->hurried = 0;

    if (at->ctx->plan.knobs) {
        account = at->target->account;
        own = ngx_http_ai_knobs_timeout(at->ctx->plan.knobs, &account->name,
                                        &account->provider->name);

        if (own && own < (int64_t) ngx_min(first, left)) {
            first = (ngx_msec_t) own;
            at->hurried = 1;
        }
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

    if (at->hold.window.timer_set) {
        ngx_del_timer(&at->hold.window);
    }

    if (state & NGX_PEER_FAILED) {
        ngx_http_ai_attempt_blame(pc, r, at);

        /* max_fails is about servers that do not answer */

        if (at->answered) {
            state = 0;
        }
    }

    ngx_http_ai_attempt_fault_leave(pc, at);

    if (!ngx_http_ai_attempt_scripted(at)) {
        pc->tries = at->peer.tries;

        u->conf = &at->target->account->upstream;
        at->peer.free(pc, at->peer.data, state);
        u->conf = &at->conf;

        at->peer.tries = pc->tries;
    }

    /* the core would add a try of its own for a kept connection */
    pc->cached = 0;

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

    ngx_http_ai_attempt_decide(at);

    pc->tries = (at->step != NGX_HTTP_AI_STEP_FAIL);
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
        && at->ctx->facts.again
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
    ngx_uint_t                    level;
    ngx_http_ai_try_t            *try;
    const ngx_http_ai_verdict_t  *row;

    if (at->judged) {
        return;
    }

    at->judged = 1;
    row = ngx_http_ai_verdict(verdict);

    try = &at->tries[at->ntries - 1];
    try->verdict = verdict;
    try->status = at->reply.status;
    try->elapsed = ngx_current_msec - try->start;

    if (verdict != NGX_HTTP_AI_OK) {
        ngx_http_ai_totals_busy(at->ctx);
    }

    if (verdict != NGX_HTTP_AI_CONNECT
        && (verdict != NGX_HTTP_AI_OK || !at->reply.sse || at->pass.probe))
    {
        ngx_http_ai_attempt_report(at);
    }

    if (at->headroom.seen) {
        ngx_http_ai_health_headroom(at->ctx->conf->zone, &at->cell,
                                    &at->headroom);
    }

    if (verdict != NGX_HTTP_AI_OK) {
        /* a closed account waits for somebody to mend it */
        level = row->close ? NGX_LOG_ERR : NGX_LOG_INFO;

        ngx_log_error(level, at->ctx->request->connection->log, 0,
                      "ai account \"%V\" failed: %V, status %ui, "
                      "attempt %ui after %M ms",
                      &try->target->account->name, &row->name,
                      try->status, at->ntries, try->elapsed);
    }
}


void
ngx_http_ai_attempt_report(ngx_http_ai_attempt_t *at)
{
    ngx_http_ai_result_t  result;

    if (at->reported) {
        return;
    }

    at->reported = 1;

    ngx_http_ai_attempt_result(at, &result);

    if (at->hurried && result.verdict == NGX_HTTP_AI_TIMEOUT) {
        /* its impatience says nothing of the account to the others */
        result.verdict = NGX_HTTP_AI_CLIENT_CLOSED;
    }

    ngx_http_ai_health_record(at->ctx->conf->zone, &at->cell, &at->pass,
                              &result);
}


void
ngx_http_ai_attempt_result(ngx_http_ai_attempt_t *at,
    ngx_http_ai_result_t *result)
{
    ngx_http_ai_try_t     *try;
    ngx_http_ai_tokens_t   tokens;

    try = &at->tries[at->ntries - 1];

    result->verdict = try->verdict;
    result->wait_ms = at->classified ? at->judgement->wait_ms : -1;
    result->ms = at->reply.status ? (int64_t) try->elapsed : -1;
    result->total_ms = -1;
    result->tokens = -1;

    if (at->committed && at->reply.sse) {
        result->total_ms = ngx_current_msec - try->start;

        if (ngx_http_ai_usage_scan_tokens(&at->ctx->stream.scan, 0, &tokens)
            == NGX_OK)
        {
            result->tokens = tokens.output;
        }
    }
}


void
ngx_http_ai_attempt_progress(ngx_http_ai_attempt_t *at, ngx_uint_t progress)
{
    ngx_msec_t                  now, limit, end;
    const ngx_http_ai_class_t  *policy;

    now = ngx_current_msec;
    policy = at->ctx->policy;

    if (progress) {
        at->progress = now;
    }

    /* the core arms its read timer with this after every read */

    limit = policy->stall;

    if (at->reply.sse) {
        limit -= ngx_min(limit, now - at->progress);
    }

    end = at->reply.sse ? at->passed + policy->max_duration : at->deadline;

    if (!at->reply.sse || policy->max_duration) {

        if ((ngx_msec_int_t) (end - now) <= 0) {
            at->too_long = 1;
            at->ctx->request->upstream->error = 1;
            limit = 0;

        } else {
            limit = ngx_min(limit, end - now);
        }
    }

    if (ngx_http_ai_attempt_cutoff(at) != NGX_OK) {
        at->spent = 1;
        at->ctx->request->upstream->error = 1;
        limit = 0;
    }

    at->conf.read_timeout = ngx_max(limit, 1);
}


#if (NGX_HTTP_SSL)

static ngx_int_t
ngx_http_ai_attempt_set_session(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_ai_attempt_t  *at = data;

    return at->peer.set_session ? at->peer.set_session(pc, at->peer.data)
                                : NGX_OK;
}


static void
ngx_http_ai_attempt_save_session(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_ai_attempt_t  *at = data;

    if (at->peer.save_session) {
        at->peer.save_session(pc, at->peer.data);
    }
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
