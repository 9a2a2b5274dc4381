
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * How a request ends: complete, broken with an honest word to the client, or
 * with the error that tells it most.
 */


#include "ngx_http_ai_attempt.h"


#define NGX_HTTP_AI_RETRY_AFTER_MAX  60    /* s; SDKs wait no longer */


static void ngx_http_ai_attempt_settle(ngx_http_ai_attempt_t *at);
static void ngx_http_ai_attempt_end(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, ngx_int_t rc);
static void ngx_http_ai_attempt_last_word(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, ngx_int_t rc);
static ngx_http_ai_verdict_e ngx_http_ai_attempt_telling(
    ngx_http_ai_attempt_t *at);
static void ngx_http_ai_attempt_retry_after(ngx_http_ai_attempt_t *at);
static void ngx_http_ai_attempt_break(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, ngx_int_t rc);


void
ngx_http_ai_attempt_finalize_request(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_http_ai_ctx_t      *ctx;
    ngx_http_ai_attempt_t  *at;

    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);
    at = ctx->attempt;

    if (at->hold.window.timer_set) {
        ngx_del_timer(&at->hold.window);
    }

    if (at->alarm.timer_set) {
        ngx_del_timer(&at->alarm);
    }

    ngx_http_ai_attempt_unpark(at);

    if (at->parked) {
        at->parked = 0;
        ngx_http_ai_attempt_forget_pause(r);

    } else if (at->reply.status && !at->committed && r->upstream->state) {
        r->upstream->state->status = at->reply.status;
    }

    ngx_http_ai_attempt_end(r, at, rc);
    ngx_http_ai_attempt_settle(at);
}


/* what only the end tells of a try that passed, and all that is held */

static void
ngx_http_ai_attempt_settle(ngx_http_ai_attempt_t *at)
{
    ngx_http_ai_try_t      *try;
    ngx_http_ai_verdict_e   verdict;

    if (at->ntries && at->committed) {

        try = &at->tries[at->ntries - 1];
        verdict = try->verdict;

        if (at->ctx->outcome == NGX_HTTP_AI_OUTCOME_CLIENT_GONE) {
            /* it had content, so the provider did well */
            verdict = at->reply.status < 300 ? NGX_HTTP_AI_OK
                                             : NGX_HTTP_AI_CLIENT_CLOSED;
        }

        if (!at->reported
            || (verdict != NGX_HTTP_AI_OK
                && at->ctx->outcome != NGX_HTTP_AI_OUTCOME_CLIENT_GONE
                && at->reply.status < 300))
        {
            ngx_http_ai_health_record(at->ctx->conf->zone, &at->cell,
                                      &at->pass, verdict, -1,
                                      (int64_t) try->elapsed);
        }
    }

    if (at->pass.probe) {
        /* no word of it yet: an error of our own */
        ngx_http_ai_health_record(at->ctx->conf->zone, &at->cell, &at->pass,
                                  NGX_HTTP_AI_CLIENT_CLOSED, -1, -1);
    }

    ngx_http_ai_attempt_leave(at);
}


/*
 * By what the core says:
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
        ngx_http_ai_attempt_last_word(r, at, rc);
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
    ngx_http_ai_attempt_t *at, ngx_int_t rc)
{
    ngx_http_ai_try_t  *try;
    ngx_http_ai_ctx_t  *ctx;

    ctx = at->ctx;
    ctx->outcome = NGX_HTTP_AI_OUTCOME_ERROR;
    ctx->replaced = 1;

    if (rc == NGX_HTTP_INTERNAL_SERVER_ERROR) {
        /* no provider's fault: no connection, no memory */
        (void) ngx_http_ai_error_core(r, &ctx->error, rc);
        return;
    }

    if (at->ntries == 0) {
        ngx_http_ai_attempt_refuse(r, at);
        return;
    }

    try = &at->tries[at->ntries - 1];

    if (at->saved_status) {

        /* the backup could not help: the first answer is about the request */

        ctx->error.verdict = at->saved_verdict;
        ctx->error.status = at->saved_status;
        ctx->error.body = at->saved;
        ctx->error.content_type = at->saved_type;
        ctx->error.raw = 1;
        return;
    }

    if (at->reply.status >= 300 && ngx_http_ai_verdict(try->verdict)->pass) {

        /* an error whose body ended with the connection */

        ctx->error.verdict = try->verdict;
        ctx->error.status = at->reply.status;
        ctx->error.body = ngx_http_ai_attempt_held(r, at);
        ctx->error.content_type = at->reply.content_type;
        ctx->error.raw = 1;
        return;
    }

    ngx_http_ai_attempt_refuse(r, at);
}


/* the gateway's own error, for what was tried or for why nothing could be */

void
ngx_http_ai_attempt_refuse(ngx_http_request_t *r, ngx_http_ai_attempt_t *at)
{
    ngx_http_ai_ctx_t            *ctx;
    ngx_http_ai_verdict_e         verdict;
    const ngx_http_ai_verdict_t  *row;

    ctx = at->ctx;

    /* first: it finds out who is away, and why */
    ngx_http_ai_attempt_retry_after(at);

    verdict = ngx_http_ai_attempt_telling(at);
    row = ngx_http_ai_verdict(verdict);

    ctx->outcome = NGX_HTTP_AI_OUTCOME_ERROR;
    ctx->error.verdict = verdict;

    if (at->queue_full) {
        (void) ngx_http_ai_error_set(r, &ctx->error,
                      NGX_HTTP_SERVICE_UNAVAILABLE, "queue_full",
                      "no account is available for the model \"%V\" and the "
                      "queue of class \"%V\" is full",
                      &ctx->facts.model, &ctx->policy->name);

    } else if (at->expired) {
        (void) ngx_http_ai_error_set(r, &ctx->error,
                      NGX_HTTP_GATEWAY_TIME_OUT, "deadline_exceeded",
                      "no answer within the deadline of %M ms, attempts: %ui",
                      ctx->policy->deadline, at->ntries);

    } else if (at->ntries == 0) {
        (void) ngx_http_ai_error_set(r, &ctx->error,
                      row->status == NGX_HTTP_TOO_MANY_REQUESTS
                      ? NGX_HTTP_TOO_MANY_REQUESTS
                      : NGX_HTTP_SERVICE_UNAVAILABLE,
                      row->status == NGX_HTTP_TOO_MANY_REQUESTS
                      ? "rate_limit_exceeded" : "no_target",
                      "no account is available for the model \"%V\" now: %V",
                      &ctx->facts.model, &row->name);

    } else {
        (void) ngx_http_ai_error_set(r, &ctx->error, row->status, row->code,
                      "no account could answer for the model \"%V\", "
                      "attempts: %ui, cause: %V",
                      &ctx->facts.model, at->ntries, &row->name);
    }
}


/*
 * The most telling verdict of all tries: one that says when to come back
 * before one that says what is broken, and the latest among equals.
 */

static ngx_http_ai_verdict_e
ngx_http_ai_attempt_telling(ngx_http_ai_attempt_t *at)
{
    ngx_uint_t             i, n, rank;
    ngx_http_ai_verdict_e  verdict;

    static ngx_uint_t  order[] = { 502, 504, 503, 413, 429 };

    if (at->ntries == 0) {
        return at->ctx->plan.away ? at->ctx->plan.cause
                                  : NGX_HTTP_AI_OVERLOADED;
    }

    rank = 0;
    verdict = at->tries[at->ntries - 1].verdict;

    if (ngx_http_ai_verdict(verdict)->pass) {
        /* about the request itself: no other answer says more */
        return verdict;
    }

    for (i = 0; i < at->ntries; i++) {

        for (n = 0; n < sizeof(order) / sizeof(order[0]); n++) {

            if (ngx_http_ai_verdict(at->tries[i].verdict)->status == order[n]
                && n >= rank)
            {
                rank = n;
                verdict = at->tries[i].verdict;
            }
        }
    }

    return verdict;
}


/*
 * When the first candidate is expected back.  One that does not cool down
 * failed just now for reasons of its own: its time is not known, and our
 * attempts were the retries.
 */

static void
ngx_http_ai_attempt_retry_after(ngx_http_ai_attempt_t *at)
{
    ngx_msec_t          left;
    ngx_http_ai_ctx_t  *ctx;

    ctx = at->ctx;

    if (at->on_backup) {
        ctx->plan.model = &ctx->facts.model;
        ngx_http_ai_route_plan(&ctx->plan, ctx->route, ctx->facts.endpoint,
                               ctx->policy);
    }

    ctx->plan.banned = 0;
    (void) ngx_http_ai_route_scan(&ctx->plan, ctx->conf->zone);

    if (!ctx->plan.away) {

        if (at->queue_full) {
            ctx->error.retry_after = 1;
            ctx->error.retry = 1;
        }

        return;
    }

    left = ctx->plan.back - ngx_current_msec;

    if ((ngx_msec_int_t) left < 0) {
        left = 0;
    }

    ctx->error.retry_after = ngx_max((left + 999) / 1000, 1);
    ctx->error.retry = ctx->error.retry_after <= NGX_HTTP_AI_RETRY_AFTER_MAX;
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

    if (stalled && at->reply.sse && ctx->policy->max_duration
        && ngx_current_msec - at->passed >= ctx->policy->max_duration)
    {
        /* its time was over, not its patience */
        at->too_long = 1;
        stalled = 0;
    }

    try = &at->tries[at->ntries - 1];
    try->verdict = stalled || at->too_long ? NGX_HTTP_AI_TIMEOUT
                                           : NGX_HTTP_AI_SERVER_ERROR;

    ctx->outcome = stalled ? NGX_HTTP_AI_OUTCOME_STALLED
                           : NGX_HTTP_AI_OUTCOME_CUT;

    (void) ngx_http_ai_error_set(r, &ctx->error,
                  stalled || at->too_long ? NGX_HTTP_GATEWAY_TIME_OUT
                                          : NGX_HTTP_BAD_GATEWAY,
                  stalled || at->too_long ? "deadline_exceeded"
                                          : "upstream_error",
                  at->too_long
                  ? "the answer took longer than allowed and was ended"
                  : stalled
                    ? "the upstream stream stalled and was ended"
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
