
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * How a request ends: complete, broken with an honest word to the client, or
 * with the error that tells it most.
 */


#include "ngx_http_ai_attempt.h"


#define NGX_HTTP_AI_RETRY_AFTER_MAX  60    /* s; SDKs wait no longer */


typedef enum {
    NGX_HTTP_AI_CUT_BROKEN = 0,
    NGX_HTTP_AI_CUT_STALLED,
    NGX_HTTP_AI_CUT_TOO_LONG,
    NGX_HTTP_AI_CUT_SPENT
} ngx_http_ai_attempt_cut_e;


typedef struct {
    ngx_uint_t                     status;
    const char                    *code;
    const char                    *message;
    ngx_http_ai_verdict_e          verdict;    /* of the try */
    ngx_http_ai_outcome_e          outcome;
} ngx_http_ai_attempt_cut_t;


static void ngx_http_ai_attempt_settle(ngx_http_ai_attempt_t *at);
static void ngx_http_ai_attempt_end(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, ngx_int_t rc);
static void ngx_http_ai_attempt_last_word(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, ngx_int_t rc);
static const ngx_str_t *ngx_http_ai_attempt_unavailable(
    const ngx_http_ai_plan_t *plan, const ngx_http_ai_verdict_t *row);
static ngx_http_ai_verdict_e ngx_http_ai_attempt_telling(
    ngx_http_ai_attempt_t *at);
static void ngx_http_ai_attempt_retry_after(ngx_http_ai_attempt_t *at);
static void ngx_http_ai_attempt_break(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, ngx_int_t rc);


/*
 * Why an answer that passed had to end.  The money of a key says nothing of
 * the account: its try did well.
 */

static const ngx_http_ai_attempt_cut_t  ngx_http_ai_attempt_cuts[] = {

    [NGX_HTTP_AI_CUT_BROKEN] = {
        NGX_HTTP_BAD_GATEWAY, "upstream_error",
        "the upstream stream was cut before its end",
        NGX_HTTP_AI_SERVER_ERROR, NGX_HTTP_AI_OUTCOME_CUT
    },

    [NGX_HTTP_AI_CUT_STALLED] = {
        NGX_HTTP_GATEWAY_TIME_OUT, "deadline_exceeded",
        "the upstream stream stalled and was ended",
        NGX_HTTP_AI_TIMEOUT, NGX_HTTP_AI_OUTCOME_STALLED
    },

    [NGX_HTTP_AI_CUT_TOO_LONG] = {
        NGX_HTTP_GATEWAY_TIME_OUT, "deadline_exceeded",
        "the answer took longer than allowed and was ended",
        NGX_HTTP_AI_TIMEOUT, NGX_HTTP_AI_OUTCOME_CUT
    },

    [NGX_HTTP_AI_CUT_SPENT] = {
        NGX_HTTP_TOO_MANY_REQUESTS, "insufficient_quota",
        "the budget of the key is spent, the answer was ended",
        NGX_HTTP_AI_OK, NGX_HTTP_AI_OUTCOME_CUT
    }
};


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
    ngx_http_ai_result_t    result;
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
            ngx_http_ai_attempt_result(at, &result);
            result.verdict = verdict;
            result.wait_ms = -1;

            ngx_http_ai_health_record(at->ctx->conf->zone, &at->cell,
                                      &at->pass, &result);
        }
    }

    if (at->pass.probe) {
        /* no word of it yet: an error of our own */
        ngx_http_ai_health_nothing(at->ctx->conf->zone, &at->cell, &at->pass);
    }

    ngx_http_ai_attempt_leave(at);
    ngx_http_ai_attempt_settle_key(at);
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
            at->abandoned = !at->judged && !at->committed
                            && !ngx_http_ai_attempt_scripted(at)
                            && r->upstream->request_body_sent
                            && at->reply.status < NGX_HTTP_SPECIAL_RESPONSE;

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

        if (ctx->stream.scan.error) {
            /* the provider itself ended the stream with an error event */
            at->tries[at->ntries - 1].verdict = ctx->stream.scan.verdict;
        }

        if (ctx->stream.scan.error || at->reply.status >= 300) {
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
    const char                   *more;
    ngx_http_ai_ctx_t            *ctx;
    ngx_http_ai_verdict_e         verdict;
    const ngx_http_ai_verdict_t  *row;

    ctx = at->ctx;

    /* first: it finds out who is away, and why */
    ngx_http_ai_attempt_retry_after(at);

    more = at->gated ? ", backups of its class wait for an operator"
           : at->dear || ctx->plan.dear ? ", others are too dear for its class"
                                        : "";

    verdict = ngx_http_ai_attempt_telling(at);
    row = ngx_http_ai_verdict(verdict);

    ctx->outcome = NGX_HTTP_AI_OUTCOME_ERROR;
    ctx->error.verdict = verdict;

    if (at->queue_full) {
        (void) ngx_http_ai_error_set(r, &ctx->error,
                      NGX_HTTP_SERVICE_UNAVAILABLE, "queue_full",
                      "no account is available for the model \"%V\" and the "
                      "queue of class \"%V\" is full%s",
                      &ctx->facts.model, &ctx->policy->name, more);

    } else if (at->expired) {
        (void) ngx_http_ai_error_set(r, &ctx->error,
                      NGX_HTTP_GATEWAY_TIME_OUT, "deadline_exceeded",
                      "no answer within the deadline of %M ms, attempts: "
                      "%ui%s", ctx->policy->deadline, at->ntries, more);

    } else if (at->ntries == 0) {
        (void) ngx_http_ai_error_set(r, &ctx->error,
                      row->status == NGX_HTTP_TOO_MANY_REQUESTS
                      ? NGX_HTTP_TOO_MANY_REQUESTS
                      : NGX_HTTP_SERVICE_UNAVAILABLE,
                      row->status == NGX_HTTP_TOO_MANY_REQUESTS
                      ? "rate_limit_exceeded" : "no_target",
                      "no account is available for the model \"%V\" now: %V%s",
                      &ctx->facts.model,
                      ngx_http_ai_attempt_unavailable(&ctx->plan, row), more);

    } else {
        (void) ngx_http_ai_error_set(r, &ctx->error, row->status, row->code,
                      "no account could answer for the model \"%V\", "
                      "attempts: %ui, cause: %V%s",
                      &ctx->facts.model, at->ntries, &row->name, more);
    }
}


/* why nothing was tried: the verdict, or what no verdict says */

static const ngx_str_t *
ngx_http_ai_attempt_unavailable(const ngx_http_ai_plan_t *plan,
    const ngx_http_ai_verdict_t *row)
{
    ngx_uint_t  i;

    static const ngx_str_t  stopped = ngx_string("stopped by an operator");

    for (i = 0; !plan->away && i < plan->route->targets.nelts; i++) {

        if (plan->excluded[i] == NGX_HTTP_AI_EXCLUDED_HEALTH
            && plan->states[i] == NGX_HTTP_AI_HEALTH_STOPPED)
        {
            return &stopped;
        }
    }

    return &row->name;
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
        ngx_http_ai_route_model(&ctx->plan, &ctx->facts.model, NULL,
                                ctx->facts.model_hash);
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
    ngx_buf_t                        *b;
    ngx_str_t                         event;
    ngx_chain_t                       out;
    ngx_http_ai_try_t                *try;
    ngx_http_ai_ctx_t                *ctx;
    const ngx_http_ai_attempt_cut_t  *cut;

    ctx = at->ctx;

    if (rc == NGX_HTTP_GATEWAY_TIME_OUT && at->reply.sse
        && ctx->policy->max_duration
        && ngx_current_msec - at->passed >= ctx->policy->max_duration)
    {
        /* its time was over, not its patience */
        at->too_long = 1;
    }

    cut = &ngx_http_ai_attempt_cuts[
              at->spent ? NGX_HTTP_AI_CUT_SPENT
              : at->too_long ? NGX_HTTP_AI_CUT_TOO_LONG
              : rc == NGX_HTTP_GATEWAY_TIME_OUT ? NGX_HTTP_AI_CUT_STALLED
                                                : NGX_HTTP_AI_CUT_BROKEN];

    try = &at->tries[at->ntries - 1];
    try->verdict = cut->verdict;

    ctx->outcome = cut->outcome;

    (void) ngx_http_ai_error_set(r, &ctx->error, cut->status, cut->code, "%s",
                                 cut->message);

    ctx->error.verdict = cut->verdict;

    if (at->spent) {
        ctx->error.verdict = NGX_HTTP_AI_QUOTA_EXHAUSTED;
        ngx_str_set(&ctx->error.type, "insufficient_quota");
    }

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

    ctx->stream.mode = NGX_HTTP_AI_USAGE_SCAN_OFF;

    (void) ngx_http_output_filter(r, &out);
}
