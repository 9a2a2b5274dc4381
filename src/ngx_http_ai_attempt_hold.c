
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Holds an answer back until it is known whether it will do: an error's body
 * until it is complete, a stream until its first content event, a small JSON
 * answer until its end.  The raw bytes stay in u->buffer and pass as they
 * came once the answer is let through.
 *
 *   answer                 passes at             fails at
 *   error status           never, or when it is  its end, or 64 KB of it
 *                          the last word
 *   2xx event stream       first content, and    error event, end without
 *                          the class's "hold"    content or finish
 *                          after it; finish
 *                          event; 64 KB
 *   2xx JSON               its end, or a full    error object, empty body
 *                          buffer
 *   2xx other              its head              -
 */


#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_compat.h"
#include "ngx_http_ai_pin.h"


#define NGX_HTTP_AI_ATTEMPT_PINS  16   /* ids of one answer that are kept */


static ngx_int_t ngx_http_ai_attempt_peek(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
static ngx_int_t ngx_http_ai_attempt_piece(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, u_char *p, size_t n);
static ngx_int_t ngx_http_ai_attempt_keep(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, u_char *p, size_t n);
static ngx_int_t ngx_http_ai_attempt_events(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, u_char *p, size_t n);
static ngx_int_t ngx_http_ai_attempt_hold_stream(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
static ngx_int_t ngx_http_ai_attempt_last_event(ngx_http_ai_attempt_t *at);
static void ngx_http_ai_attempt_window(ngx_event_t *ev);
static ssize_t ngx_http_ai_attempt_reread(ngx_connection_t *c, u_char *buf,
    size_t size);
static ngx_int_t ngx_http_ai_attempt_hold_json(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
static ngx_int_t ngx_http_ai_attempt_json_ends(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
static ngx_int_t ngx_http_ai_attempt_hold_error(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
static ngx_int_t ngx_http_ai_attempt_save(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
static ngx_int_t ngx_http_ai_attempt_classify(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
static ngx_int_t ngx_http_ai_attempt_more(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
static ngx_int_t ngx_http_ai_attempt_pass(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
static void ngx_http_ai_attempt_learn(ngx_http_ai_attempt_t *at,
    const ngx_str_t *text);
static ngx_int_t ngx_http_ai_attempt_reject(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, ngx_http_ai_verdict_e verdict);


/*
 * Such a body ends with the connection, which process_header never sees; JSON
 * tells itself when it is complete.
 */

#define ngx_http_ai_attempt_until_close(r)                                    \
    (!(r)->upstream->headers_in.chunked                                       \
     && (r)->upstream->headers_in.content_length_n == -1)


ngx_int_t
ngx_http_ai_attempt_hold(ngx_http_request_t *r)
{
    ngx_int_t               rc;
    ngx_http_ai_ctx_t      *ctx;
    ngx_http_ai_reply_t    *reply;
    ngx_http_ai_attempt_t  *at;

    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);
    at = ctx->attempt;
    reply = &at->reply;

    if (at->judgement == NULL) {
        at->judgement = ngx_palloc(r->pool, sizeof(ngx_http_ai_judgement_t));
        if (at->judgement == NULL) {
            return NGX_ERROR;
        }
    }

    if (reply->status == NGX_HTTP_NO_CONTENT) {
        return ngx_http_ai_attempt_pass(r, at);
    }

    if (reply->status < 300
        && (reply->encoded || (!reply->sse && !reply->json)))
    {
        return r->upstream->headers_in.content_length_n == 0
               ? ngx_http_ai_attempt_reject(r, at, NGX_HTTP_AI_EMPTY)
               : ngx_http_ai_attempt_pass(r, at);
    }

    rc = ngx_http_ai_attempt_peek(r, at);

    if (rc == NGX_ERROR || rc == NGX_HTTP_UPSTREAM_INVALID_HEADER) {
        return rc;
    }

    if (reply->status >= 300) {
        return ngx_http_ai_attempt_hold_error(r, at);
    }

    if (reply->sse) {
        return ngx_http_ai_attempt_hold_stream(r, at);
    }

    return ngx_http_ai_attempt_hold_json(r, at);
}


/*
 * Looks at the bytes that came since the last time without consuming them:
 * NGX_AGAIN, or NGX_DECLINED where an event is an error.
 */

static ngx_int_t
ngx_http_ai_attempt_peek(ngx_http_request_t *r, ngx_http_ai_attempt_t *at)
{
    size_t                n;
    ngx_int_t             rc, found;
    ngx_buf_t             b;
    ngx_http_upstream_t  *u;
    ngx_http_ai_hold_t   *hold;

    u = r->upstream;
    hold = &at->hold;
    found = NGX_AGAIN;

    ngx_memzero(&b, sizeof(ngx_buf_t));
    b.pos = u->buffer.start + hold->peek;
    b.last = u->buffer.last;

    while (b.pos < b.last && found == NGX_AGAIN) {

        n = b.last - b.pos;

        if (u->headers_in.chunked) {

            rc = ngx_http_ai_parse_chunked(r, &b, &hold->chunked);

            if (rc == NGX_DONE) {
                hold->complete = 1;
                break;
            }

            if (rc == NGX_AGAIN) {
                break;
            }

            if (rc != NGX_OK) {
                ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                              "ai account \"%V\" sent an invalid chunk",
                              &at->target->name);

                return ngx_http_ai_attempt_reject(r, at,
                                                  NGX_HTTP_AI_SERVER_ERROR);
            }

            n = ngx_min((size_t) (b.last - b.pos),
                        (size_t) hold->chunked.size);
            hold->chunked.size -= n;
        }

        found = ngx_http_ai_attempt_piece(r, at, b.pos, n);
        b.pos += n;
    }

    hold->peek = b.pos - u->buffer.start;

    if (u->headers_in.content_length_n != -1
        && (off_t) hold->seen >= u->headers_in.content_length_n)
    {
        hold->complete = 1;
    }

    return found;
}


static ngx_int_t
ngx_http_ai_attempt_piece(ngx_http_request_t *r, ngx_http_ai_attempt_t *at,
    u_char *p, size_t n)
{
    if (at->reply.status < 300 && at->reply.sse) {

        if (at->hold.seen == 0
            && ngx_http_ai_stream_peek(r, &at->ctx->stream,
                                       at->target->account->provider)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        at->hold.seen += n;

        return ngx_http_ai_attempt_events(r, at, p, n);
    }

    at->hold.seen += n;

    if (r->upstream->headers_in.chunked) {
        return ngx_http_ai_attempt_keep(r, at, p, n);
    }

    return NGX_AGAIN;
}


/* the body of a chunked answer, put together */

static ngx_int_t
ngx_http_ai_attempt_keep(ngx_http_request_t *r, ngx_http_ai_attempt_t *at,
    u_char *p, size_t n)
{
    u_char              *body;
    size_t               size;
    ngx_http_ai_hold_t  *hold;

    hold = &at->hold;

    if (hold->body_len + n > hold->body_size) {

        size = ngx_max(2 * hold->body_size, 2048);

        while (size < hold->body_len + n) {
            size *= 2;
        }

        body = ngx_pnalloc(r->pool, size);
        if (body == NULL) {
            return NGX_ERROR;
        }

        if (hold->body_len) {
            ngx_memcpy(body, hold->body, hold->body_len);
        }

        hold->body = body;
        hold->body_size = size;
    }

    ngx_memcpy(hold->body + hold->body_len, p, n);
    hold->body_len += n;

    return NGX_AGAIN;
}


/* notes what the events say; NGX_DECLINED: an error, no need to look on */

static ngx_int_t
ngx_http_ai_attempt_events(ngx_http_request_t *r, ngx_http_ai_attempt_t *at,
    u_char *p, size_t n)
{
    u_char                   *last;
    ngx_int_t                 rc;
    ngx_uint_t                kind;
    ngx_http_ai_hold_t       *hold;
    ngx_http_ai_stream_t     *st;
    ngx_http_ai_sse_event_t   ev;

    last = p + n;
    hold = &at->hold;
    st = &at->ctx->stream;

    while ((rc = ngx_http_ai_stream_next(r, st, &p, last, &ev)) == NGX_OK) {

        (void) ngx_http_ai_usage_scan_event(&st->scan, &ev, at->judgement);
        kind = st->scan.kind;

        /* the first event names it; bytes of a chunked body are not kept */

        if (!hold->learnt && ev.data.len) {
            hold->learnt = 1;
            ngx_http_ai_attempt_learn(at, &ev.data);
        }

        if (kind & NGX_HTTP_AI_EVENT_ERROR) {
            hold->error = 1;
            at->classified = 1;
            return NGX_DECLINED;
        }

        hold->content += (kind & NGX_HTTP_AI_EVENT_CONTENT) != 0;
        hold->finish |= (kind & NGX_HTTP_AI_EVENT_FINISH) != 0;

        if (kind & NGX_HTTP_AI_EVENT_DONE) {
            hold->done = 1;

            /* response.completed carries an answer, [DONE] does not */

            hold->finish |= (ev.data.len && ev.data.data[0] == '{');
        }
    }

    return rc;
}


static ngx_int_t
ngx_http_ai_attempt_hold_stream(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at)
{
    ngx_msec_t                  left;
    ngx_http_ai_hold_t         *hold;
    const ngx_http_ai_class_t  *policy;

    hold = &at->hold;
    policy = at->ctx->policy;

    if (hold->error) {
        return ngx_http_ai_attempt_reject(r, at, at->judgement->verdict);
    }

    /* where the end came later, after the content had passed, it is one, too */

    if (hold->finish || (hold->done && hold->content)) {
        return ngx_http_ai_attempt_pass(r, at);
    }

    if (hold->complete
        && ngx_http_ai_attempt_last_event(at) == NGX_DECLINED)
    {
        return ngx_http_ai_attempt_reject(r, at, at->judgement->verdict);
    }

    if (hold->done || (hold->complete && hold->content == 0)) {
        return ngx_http_ai_attempt_reject(r, at, NGX_HTTP_AI_EMPTY);
    }

    if (hold->complete) {
        /* it ended well as HTTP, but not as an answer */
        return ngx_http_ai_attempt_reject(r, at, NGX_HTTP_AI_RESET);
    }

    if (hold->seen >= NGX_HTTP_AI_ATTEMPT_HELD || hold->over) {
        return ngx_http_ai_attempt_pass(r, at);
    }

    if (hold->content == 0) {
        return ngx_http_ai_attempt_more(r, at);
    }

    /* the first token is here: its limit is met, now a stall would be one */

    ngx_add_timer(r->upstream->peer.connection->read, policy->stall);

    if ((policy->hold == 0 && policy->hold_tokens == 0)
        || (policy->hold_tokens && hold->content >= policy->hold_tokens))
    {
        return ngx_http_ai_attempt_pass(r, at);
    }

    if (policy->hold && !hold->window.timer_set) {
        hold->window.handler = ngx_http_ai_attempt_window;
        hold->window.data = at;
        hold->window.log = r->connection->log;

        left = at->deadline - ngx_current_msec;
        ngx_add_timer(&hold->window,
                      (ngx_msec_int_t) left > 0 ? ngx_min(policy->hold, left)
                                                : 1);
    }

    return ngx_http_ai_attempt_more(r, at);
}


/*
 * What the stream ended in the middle of; NGX_DECLINED: an error, such as
 * Gemini's raw JSON without an empty line after it (wire.md A5).
 */

static ngx_int_t
ngx_http_ai_attempt_last_event(ngx_http_ai_attempt_t *at)
{
    ngx_http_ai_sse_event_t    ev;
    ngx_http_ai_usage_scan_t  *scan;

    scan = &at->ctx->stream.scan;

    if (scan->ended || ngx_http_ai_sse_end(&scan->sse, &ev) != NGX_OK) {
        return NGX_OK;
    }

    scan->ended = 1;

    (void) ngx_http_ai_usage_scan_event(scan, &ev, at->judgement);

    if (!(scan->kind & NGX_HTTP_AI_EVENT_ERROR)) {
        return NGX_OK;
    }

    at->classified = 1;

    return NGX_DECLINED;
}


/*
 * The class's "hold" time is over while no byte comes.  Only process_header
 * may let the answer pass, and it is called for new bytes only: so the last
 * byte is taken back and read once more.
 */

static void
ngx_http_ai_attempt_window(ngx_event_t *ev)
{
    ngx_http_ai_attempt_t  *at = ev->data;

    ngx_connection_t     *c, *pc;
    ngx_http_request_t   *r;
    ngx_http_upstream_t  *u;

    r = at->ctx->request;
    c = r->connection;
    u = r->upstream;
    pc = u->peer.connection;

    ngx_http_set_log_request(c->log, r);

    at->hold.over = 1;
    at->recv = pc->recv;

    u->buffer.last--;
    u->state->bytes_received--;
    pc->recv = ngx_http_ai_attempt_reread;

    u->read_event_handler(r, u);

    ngx_http_run_posted_requests(c);
}


static ssize_t
ngx_http_ai_attempt_reread(ngx_connection_t *c, u_char *buf, size_t size)
{
    ngx_http_request_t     *r;
    ngx_http_ai_ctx_t      *ctx;

    r = c->data;
    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);

    /* the byte is still where it was */
    c->recv = ctx->attempt->recv;

    return 1;
}


static ngx_int_t
ngx_http_ai_attempt_hold_json(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at)
{
    ngx_int_t   rc;
    ngx_buf_t  *b;
    ngx_str_t   body;

    if (!at->hold.complete && ngx_http_ai_attempt_until_close(r)) {

        rc = ngx_http_ai_attempt_json_ends(r, at);
        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        at->hold.complete = (rc == NGX_OK);
    }

    if (!at->hold.complete) {

        b = &r->upstream->buffer;

        if (b->last == b->end) {
            return ngx_http_ai_attempt_pass(r, at);
        }

        return NGX_AGAIN;
    }

    if (at->hold.seen == 0) {
        return ngx_http_ai_attempt_reject(r, at, NGX_HTTP_AI_EMPTY);
    }

    body = ngx_http_ai_attempt_held(r, at);

    rc = ngx_http_ai_stream_whole(r, &at->ctx->stream, &body);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (ngx_http_ai_attempt_classify(r, at) != NGX_OK) {

        if (!at->ctx->stream.scan.told) {
            /* the words of an error are no answer */
            ngx_http_ai_stream_reset(&at->ctx->stream);
        }

        if (ngx_http_ai_attempt_save(r, at) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_http_ai_attempt_reject(r, at, at->judgement->verdict);
    }

    if (rc == NGX_DECLINED) {

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "ai account \"%V\" sent broken JSON",
                      &at->target->name);

        return ngx_http_ai_attempt_reject(r, at, NGX_HTTP_AI_SERVER_ERROR);
    }

    return ngx_http_ai_attempt_pass(r, at);
}


/* NGX_OK: what is here is a whole document; NGX_DECLINED: not yet */

static ngx_int_t
ngx_http_ai_attempt_json_ends(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at)
{
    size_t     n;
    ngx_str_t  body;

    body = ngx_http_ai_attempt_held(r, at);

    for (n = body.len; n && body.data[n - 1] <= ' '; n--) { /* void */ }

    if (n == 0 || body.data[n - 1] != '}') {
        return NGX_DECLINED;
    }

    return ngx_http_ai_stream_whole(r, &at->ctx->stream, &body);
}


static ngx_int_t
ngx_http_ai_attempt_hold_error(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at)
{
    ngx_http_upstream_t          *u;
    const ngx_http_ai_verdict_t  *row;

    u = r->upstream;

    if (!at->hold.complete && at->hold.seen < NGX_HTTP_AI_ATTEMPT_HELD) {

        if (!at->hold.waiting) {
            at->hold.waiting = 1;

            /* the head is here, so the rest is not worth a long wait */
            ngx_add_timer(u->peer.connection->read,
                          ngx_min(at->conf.read_timeout,
                                  NGX_HTTP_AI_ERROR_TIMEOUT));
        }

        return ngx_http_ai_attempt_more(r, at);
    }

    (void) ngx_http_ai_attempt_classify(r, at);

    at->answered = 1;

    ngx_http_ai_attempt_verdict(at, at->judgement->verdict);
    ngx_http_ai_attempt_decide(at);

    row = ngx_http_ai_verdict(at->judgement->verdict);

    /* after a backup the first answer counts: it is about the request */

    if (row->pass && at->step == NGX_HTTP_AI_STEP_FAIL && !at->saved_status) {
        return ngx_http_ai_attempt_pass(r, at);
    }

    if (ngx_http_ai_attempt_save(r, at) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_ai_attempt_reject(r, at, at->judgement->verdict);
}


/* what the provider said about the request, if nobody else can do better */

static ngx_int_t
ngx_http_ai_attempt_save(ngx_http_request_t *r, ngx_http_ai_attempt_t *at)
{
    ngx_str_t                     body;
    const ngx_http_ai_verdict_t  *row;

    row = ngx_http_ai_verdict(at->judgement->verdict);

    /* under a 200 the status is the verdict's: 5xx is not about the request */

    if (!row->pass || at->saved_status
        || (at->reply.status < 300 && row->status >= 500)
        || ngx_http_ai_verdict_has(row->moves, NGX_HTTP_AI_MOVE_ACCOUNT))
    {
        return NGX_OK;
    }

    body = ngx_http_ai_attempt_held(r, at);

    if (body.len == 0) {
        return NGX_OK;
    }

    at->saved.data = ngx_pstrdup(r->pool, &body);
    if (at->saved.data == NULL) {
        return NGX_ERROR;
    }

    at->saved.len = body.len;
    at->saved_type = at->reply.content_type;
    at->saved_status = at->reply.status >= 300 ? at->reply.status
                                               : row->status;
    at->saved_verdict = at->judgement->verdict;

    return NGX_OK;
}


/* NGX_OK: it is no error; NGX_DECLINED: at->judgement says which */

static ngx_int_t
ngx_http_ai_attempt_classify(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at)
{
    ngx_http_ai_answer_t  answer;

    answer.status = at->reply.status;
    answer.retry_after = at->reply.retry_after;
    answer.retry_after_ms = at->reply.retry_after_ms;
    answer.should_retry = at->reply.should_retry;
    answer.error_type = at->reply.error_type;
    answer.body = ngx_http_ai_attempt_held(r, at);

    ngx_http_ai_classify(at->target->account->provider, &answer, ngx_time(),
                         at->judgement);

    /* no model was asked for: it is what the request names that is not there */

    if (at->judgement->verdict == NGX_HTTP_AI_MODEL_NOT_FOUND
        && at->ctx->facts.pinned
        && at->ctx->facts.endpoint->model == NGX_HTTP_AI_MODEL_NONE)
    {
        at->judgement->verdict = NGX_HTTP_AI_INVALID_REQUEST;
    }

    at->classified = 1;

    return at->judgement->verdict == NGX_HTTP_AI_OK ? NGX_OK : NGX_DECLINED;
}


ngx_str_t
ngx_http_ai_attempt_held(ngx_http_request_t *r, ngx_http_ai_attempt_t *at)
{
    ngx_str_t             body;
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (u->headers_in.chunked) {
        body.data = at->hold.body;
        body.len = at->hold.body_len;

    } else {
        /* the bytes after the head, where buffer.pos still stands */
        body.data = u->buffer.pos;
        body.len = u->buffer.last - u->buffer.pos;

        if (u->headers_in.content_length_n >= 0
            && (off_t) body.len > u->headers_in.content_length_n)
        {
            body.len = (size_t) u->headers_in.content_length_n;
        }
    }

    return body;
}


void
ngx_http_ai_attempt_judge_held(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at)
{
    ngx_str_t               body;
    ngx_connection_t       *c;
    ngx_http_ai_verdict_e   verdict;

    c = r->upstream->peer.connection;

    if (at->reply.status < 300 || at->judgement == NULL) {

        if (at->reply.json && at->hold.seen) {
            /* for what it has used: nothing of it will pass */
            body = ngx_http_ai_attempt_held(r, at);
            (void) ngx_http_ai_stream_whole(r, &at->ctx->stream, &body);
        }

        /* a success that broke off or fell silent before its content */

        if (c && c->read->timedout) {
            verdict = NGX_HTTP_AI_TIMEOUT;

        } else if (at->hold.seen == 0 && ngx_http_ai_attempt_until_close(r)) {
            verdict = NGX_HTTP_AI_EMPTY;

        } else if (at->judgement && at->reply.sse && at->hold.seen
                   && ngx_http_ai_attempt_last_event(at) == NGX_DECLINED)
        {
            verdict = at->judgement->verdict;

        } else {
            verdict = NGX_HTTP_AI_RESET;
        }

        ngx_http_ai_attempt_verdict(at, verdict);
        return;
    }

    (void) ngx_http_ai_attempt_classify(r, at);

    at->answered = 1;

    ngx_http_ai_attempt_verdict(at, at->judgement->verdict);
}


/* room for more; the core takes a full buffer for an endless header */

static ngx_int_t
ngx_http_ai_attempt_more(ngx_http_request_t *r, ngx_http_ai_attempt_t *at)
{
    u_char     *p;
    size_t      size, pos;
    ngx_buf_t  *b;

    b = &r->upstream->buffer;

    if (b->last != b->end) {
        return NGX_AGAIN;
    }

    size = b->end - b->start;
    pos = b->pos - b->start;

    if (size > 2 * NGX_HTTP_AI_ATTEMPT_HELD) {
        return ngx_http_ai_attempt_reject(r, at, NGX_HTTP_AI_SERVER_ERROR);
    }

    p = ngx_palloc(r->pool, 2 * size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, b->start, size);
    ngx_pfree(r->pool, b->start);

    b->start = p;
    b->pos = p + pos;
    b->last = p + size;
    b->end = p + 2 * size;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_http_ai_attempt_pass(ngx_http_request_t *r, ngx_http_ai_attempt_t *at)
{
    ngx_str_t           body;
    ngx_http_ai_ctx_t  *ctx;

    ctx = at->ctx;

    ngx_http_ai_attempt_verdict(at, NGX_HTTP_AI_OK);

    if (at->reply.status < 300 && at->reply.json && !at->reply.encoded) {
        body = ngx_http_ai_attempt_held(r, at);
        ngx_http_ai_attempt_learn(at, &body);
    }

    at->committed = 1;
    at->first = ngx_current_msec - ctx->start;
    at->passed = ngx_current_msec;
    at->progress = at->passed;

    if (at->hold.window.timer_set) {
        ngx_del_timer(&at->hold.window);
    }

    if (at->reply.sse) {
        ngx_http_ai_attempt_cutoff_start(at);
    }

    ngx_http_ai_attempt_progress(at, 1);

    if (at->reply.sse && at->alarm.timer_set) {
        /* a running stream has limits of its own */
        ngx_del_timer(&at->alarm);
    }

    if (at->reply.json && at->hold.complete && at->reply.status < 300) {
        ngx_http_ai_attempt_settle_key(at);
    }

    if (at->reply.status >= 300 || at->reply.encoded
        || (at->reply.json && at->hold.complete)
        || (!at->reply.json && !at->reply.sse))
    {
        return NGX_OK;
    }

    return ngx_http_ai_stream_start(r, &ctx->stream,
                                    at->reply.sse
                                    ? NGX_HTTP_AI_USAGE_SCAN_SSE
                                    : NGX_HTTP_AI_USAGE_SCAN_JSON,
                                    at->target->account->provider,
                                    at->injected);
}


/* of what an account keeps the answer to its maker tells the name */

static void
ngx_http_ai_attempt_learn(ngx_http_ai_attempt_t *at, const ngx_str_t *text)
{
    const ngx_http_ai_endpoint_t  *ep;

    ep = at->ctx->facts.endpoint;

    if (ep->bit == NGX_HTTP_AI_EP_RESOURCES) {
        ngx_http_ai_pin_learn(at->ctx->conf->zone, at->target->account, text,
                              NGX_HTTP_AI_ATTEMPT_PINS);

    } else if (ep->keeps) {
        ngx_http_ai_pin_learn(at->ctx->conf->zone, at->target->account, text,
                              1);
    }
}


static ngx_int_t
ngx_http_ai_attempt_reject(ngx_http_request_t *r, ngx_http_ai_attempt_t *at,
    ngx_http_ai_verdict_e verdict)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    /* bytes after the answer would be taken for the next one */

    if (at->hold.complete && !ngx_http_ai_attempt_until_close(r)
        && u->buffer.start + at->hold.peek == u->buffer.last
        && (u->headers_in.chunked
            || (off_t) at->hold.seen == u->headers_in.content_length_n))
    {
        u->keepalive = !u->headers_in.connection_close;
    }

    at->answered = 1;

    ngx_http_ai_attempt_verdict(at, verdict);

    return NGX_HTTP_UPSTREAM_INVALID_HEADER;
}
