
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_usage.h"


static void ngx_http_ai_usage_request(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_record_t *rec);
static void ngx_http_ai_usage_served(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_record_t *rec);
static void ngx_http_ai_usage_tokens(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_record_t *rec);
static void ngx_http_ai_usage_target(ngx_http_ai_try_t *try,
    ngx_http_ai_record_t *rec);
static void ngx_http_ai_usage_attempt(ngx_http_ai_ctx_t *ctx, ngx_uint_t n,
    ngx_http_ai_record_t *rec);
static ngx_uint_t ngx_http_ai_usage_try_status(ngx_http_ai_try_t *try);
static ngx_str_t ngx_http_ai_usage_event_id(ngx_http_ai_ctx_t *ctx,
    ngx_uint_t n, u_char *buf);


/* by ngx_http_ai_outcome_e */

static ngx_str_t  ngx_http_ai_outcomes[] = {
    ngx_string("error"),
    ngx_string("ok"),
    ngx_string("cut"),
    ngx_string("stalled"),
    ngx_string("client_gone"),
    ngx_string("rejected")
};


static ngx_str_t  ngx_http_ai_anonymous = ngx_string("anonymous");


void
ngx_http_ai_usage_record(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    u_char                 id[sizeof(ctx->event_id) + 1 + NGX_INT_T_LEN];
    u_char                 trail[NGX_HTTP_AI_TRAIL_MAX];
    ngx_uint_t             i;
    ngx_http_ai_record_t   rec;

    if (ctx->recorded) {
        return;
    }

    ctx->recorded = 1;

    ngx_http_ai_record_init(&rec);
    ngx_http_ai_usage_request(r, ctx, &rec);
    rec.event_id = ngx_http_ai_usage_event_id(ctx, 0, id);

    if (ctx->attempt) {
        rec.trail.data = trail;
        rec.trail.len = ngx_http_ai_usage_trail(ctx->attempt, trail,
                                                sizeof(trail))
                        - trail;
    }

    ngx_http_ai_sink_push(&rec);

    if (ctx->attempt == NULL || ctx->attempt->ntries < 2) {
        return;
    }

    for (i = 0; i < ctx->attempt->ntries; i++) {
        ngx_http_ai_usage_attempt(ctx, i, &rec);
        rec.event_id = ngx_http_ai_usage_event_id(ctx, i + 1, id);
        ngx_http_ai_sink_push(&rec);
    }
}


static void
ngx_http_ai_usage_request(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_record_t *rec)
{
    ngx_str_set(&rec->kind, "request");
    rec->request_id = ctx->id;
    rec->ts_ms = ctx->start_ms;
    rec->key_id = ngx_http_ai_anonymous;
    rec->ai_class = ctx->policy->name;
    rec->model_requested = ctx->facts.model;
    rec->stream = ctx->facts.stream;
    rec->drill = 0;

    if (ctx->facts.endpoint) {
        rec->endpoint = ctx->facts.endpoint->name;
    }

    if (ctx->route) {
        rec->route = ctx->route->name;
    }

    rec->status = r->headers_out.status;

    if (rec->status == 0
        || (rec->status == NGX_HTTP_BAD_REQUEST && ctx->attempt == NULL
            && r->connection->error)
        || (ctx->outcome == NGX_HTTP_AI_OUTCOME_CLIENT_GONE
            && !r->header_sent))
    {
        rec->status = NGX_HTTP_CLIENT_CLOSED_REQUEST;
        ctx->outcome = NGX_HTTP_AI_OUTCOME_CLIENT_GONE;
    }

    rec->outcome = *ngx_http_ai_usage_outcome(ctx);
    rec->error_class = *ngx_http_ai_usage_error_class(ctx);
    rec->latency_ms = ngx_current_msec - ctx->start;

    ngx_http_ai_usage_served(ctx, rec);
    ngx_http_ai_usage_tokens(ctx, rec);
}


static void
ngx_http_ai_usage_served(ngx_http_ai_ctx_t *ctx, ngx_http_ai_record_t *rec)
{
    ngx_http_ai_attempt_t  *at;

    at = ctx->attempt;

    if (at == NULL || at->ntries == 0) {
        rec->attempts = 0;
        rec->queue_ms = at ? (int64_t) at->paused : 0;
        ngx_str_set(&rec->fallback, "none");
        return;
    }

    rec->attempts = at->ntries;
    rec->fallback = *ngx_http_ai_usage_fallback(at);

    rec->queue_ms = at->paused;

    ngx_http_ai_usage_target(&at->tries[at->ntries - 1], rec);

    if (at->committed) {
        rec->ttft_ms = at->first;
    }
}


static void
ngx_http_ai_usage_tokens(ngx_http_ai_ctx_t *ctx, ngx_http_ai_record_t *rec)
{
    ngx_http_ai_tokens_t  *tokens;

    tokens = &ctx->stream.tokens;

    if (!tokens->found) {
        ngx_str_set(&rec->usage_source, "none");
        return;
    }

    ngx_str_set(&rec->usage_source, "provider");
    rec->input_tokens = tokens->input;
    rec->output_tokens = tokens->output;
    rec->cache_read_tokens = tokens->cache_read;
    rec->cache_write_tokens = tokens->cache_write;
    rec->reasoning_tokens = tokens->reasoning;
}


static void
ngx_http_ai_usage_target(ngx_http_ai_try_t *try, ngx_http_ai_record_t *rec)
{
    rec->account = try->target->account->name;
    rec->provider = try->target->account->provider->name;
    rec->model_served = *try->model;
    rec->cost_owner = try->target->account->owner;
}


/*
 * From the request's record to one of its attempts'.  Only the last attempt
 * may have served, so the tokens are the request's there and unknown before.
 */

static void
ngx_http_ai_usage_attempt(ngx_http_ai_ctx_t *ctx, ngx_uint_t n,
    ngx_http_ai_record_t *rec)
{
    ngx_http_ai_try_t      *try;
    ngx_http_ai_attempt_t  *at;

    at = ctx->attempt;
    try = &at->tries[n];

    ngx_str_set(&rec->kind, "attempt");
    ngx_str_null(&rec->trail);

    rec->attempt = n + 1;
    rec->status = ngx_http_ai_usage_try_status(try);
    rec->latency_ms = try->elapsed;
    rec->ts_ms = ctx->start_ms + (int64_t) (try->start - ctx->start);

    ngx_http_ai_usage_target(try, rec);

    if (n + 1 == at->ntries) {
        rec->outcome = *ngx_http_ai_usage_outcome(ctx);
        ngx_http_ai_usage_tokens(ctx, rec);

        ngx_str_null(&rec->error_class);

        if (try->verdict != NGX_HTTP_AI_OK) {
            rec->error_class = ngx_http_ai_verdict(try->verdict)->name;
        }

        if (at->committed) {
            rec->latency_ms = ngx_current_msec - try->start;
            rec->ttft_ms = at->first;
        }

        return;
    }

    ngx_str_set(&rec->outcome, "error");
    rec->error_class = ngx_http_ai_verdict(try->verdict)->name;

    ngx_str_set(&rec->usage_source, "none");
    rec->input_tokens = NGX_HTTP_AI_RECORD_ABSENT;
    rec->output_tokens = NGX_HTTP_AI_RECORD_ABSENT;
    rec->cache_read_tokens = NGX_HTTP_AI_RECORD_ABSENT;
    rec->cache_write_tokens = NGX_HTTP_AI_RECORD_ABSENT;
    rec->reasoning_tokens = NGX_HTTP_AI_RECORD_ABSENT;
    rec->ttft_ms = NGX_HTTP_AI_RECORD_ABSENT;
}


static ngx_str_t
ngx_http_ai_usage_event_id(ngx_http_ai_ctx_t *ctx, ngx_uint_t n, u_char *buf)
{
    u_char     *p;
    ngx_str_t   id;

    p = ngx_cpymem(buf, ctx->event_id, sizeof(ctx->event_id));
    p = ngx_sprintf(p, "/%ui", n);

    id.data = buf;
    id.len = p - buf;

    return id;
}


ngx_str_t *
ngx_http_ai_usage_fallback(ngx_http_ai_attempt_t *at)
{
    ngx_http_ai_account_t  *first, *last;

    static ngx_str_t  none = ngx_string("none");
    static ngx_str_t  retry = ngx_string("retry");
    static ngx_str_t  account = ngx_string("account");
    static ngx_str_t  provider = ngx_string("provider");
    static ngx_str_t  backup = ngx_string("backup");

    if (at->on_backup) {
        return &backup;
    }

    if (at->ntries < 2) {
        return &none;
    }

    first = at->tries[0].target->account;
    last = at->tries[at->ntries - 1].target->account;

    if (first == last) {
        return &retry;
    }

    return first->provider == last->provider ? &account : &provider;
}


ngx_str_t *
ngx_http_ai_usage_outcome(ngx_http_ai_ctx_t *ctx)
{
    return &ngx_http_ai_outcomes[ctx->outcome];
}


const ngx_str_t *
ngx_http_ai_usage_error_class(ngx_http_ai_ctx_t *ctx)
{
    ngx_http_ai_verdict_e   verdict;
    ngx_http_ai_attempt_t  *at;

    static ngx_str_t  none = ngx_null_string;

    if (ctx->outcome == NGX_HTTP_AI_OUTCOME_OK) {
        return &none;
    }

    at = ctx->attempt;
    verdict = ctx->error.verdict;

    if (verdict == NGX_HTTP_AI_OK && at && at->ntries) {
        /* the provider's own error was passed on */
        verdict = at->tries[at->ntries - 1].verdict;
    }

    if (ctx->outcome == NGX_HTTP_AI_OUTCOME_CLIENT_GONE) {
        verdict = NGX_HTTP_AI_CLIENT_CLOSED;
    }

    if (verdict == NGX_HTTP_AI_OK) {
        return &none;
    }

    return &ngx_http_ai_verdict(verdict)->name;
}


u_char *
ngx_http_ai_usage_trail(ngx_http_ai_attempt_t *at, u_char *buf, size_t size)
{
    u_char             *p, *last;
    size_t              need;
    ngx_uint_t          i;
    const ngx_str_t    *verdict;
    ngx_http_ai_try_t  *try;

    p = buf;
    last = buf + size;

    for (i = 0; i < at->ntries; i++) {

        try = &at->tries[i];
        verdict = &ngx_http_ai_verdict(try->verdict)->name;

        need = 1 + try->target->account->name.len + 1 + NGX_INT_T_LEN + 1
               + verdict->len;

        if ((size_t) (last - p) < need) {
            break;
        }

        if (i) {
            *p++ = ',';
        }

        p = ngx_sprintf(p, "%V=%ui/%V", &try->target->account->name,
                        ngx_http_ai_usage_try_status(try), verdict);
    }

    return p;
}


/* where no answer came, what nginx puts into $upstream_status */

static ngx_uint_t
ngx_http_ai_usage_try_status(ngx_http_ai_try_t *try)
{
    if (try->status) {
        return try->status;
    }

    switch (try->verdict) {

    case NGX_HTTP_AI_TIMEOUT:
        return NGX_HTTP_GATEWAY_TIME_OUT;

    case NGX_HTTP_AI_CLIENT_CLOSED:
        return NGX_HTTP_CLIENT_CLOSED_REQUEST;

    default:
        return NGX_HTTP_BAD_GATEWAY;
    }
}
