
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* a key's limits in words: refusals, and headers in OpenAI's spelling */


#include "ngx_http_ai_compat.h"
#include "ngx_http_ai_request.h"
#include "pure/ngx_http_ai_price.h"


#define NGX_HTTP_AI_QUOTA_RETRY  60      /* s; SDKs wait no longer */


typedef struct {
    ngx_str_t    limit;
    ngx_str_t    remaining;
    ngx_str_t    reset;
} ngx_http_ai_quota_names_t;


static ngx_int_t ngx_http_ai_quota_refuse_rate(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_rate_t *rate, const char *what);
static ngx_int_t ngx_http_ai_quota_refuse_budget(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_quota_refusal_t *refusal);
static ngx_int_t ngx_http_ai_quota_header(ngx_http_request_t *r,
    const ngx_str_t *name, const char *fmt, ...);
static u_char *ngx_http_ai_quota_duration(u_char *p, int64_t ms);


static const ngx_http_ai_quota_names_t  ngx_http_ai_quota_requests = {
    ngx_string("x-ratelimit-limit-requests"),
    ngx_string("x-ratelimit-remaining-requests"),
    ngx_string("x-ratelimit-reset-requests")
};


static const ngx_http_ai_quota_names_t  ngx_http_ai_quota_tokens = {
    ngx_string("x-ratelimit-limit-tokens"),
    ngx_string("x-ratelimit-remaining-tokens"),
    ngx_string("x-ratelimit-reset-tokens")
};


ngx_int_t
ngx_http_ai_quota_refuse(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_quota_refusal_t *refusal)
{
    int64_t  seconds;

    seconds = (refusal->wait_ms + 999) / 1000;

    if (refusal->wait_ms >= 0) {
        ctx->error.retry_after = (time_t) ngx_max(seconds, 1);
        ctx->error.retry = seconds <= NGX_HTTP_AI_QUOTA_RETRY;
    }

    switch (refusal->limit) {

    case NGX_HTTP_AI_QUOTA_CONCURRENT:
        return ngx_http_ai_error_set(ctx->request, &ctx->error,
                   NGX_HTTP_TOO_MANY_REQUESTS, "rate_limit_exceeded",
                   "key \"%V\" has its limit of %ui requests at once running, "
                   "try again when one of them has ended",
                   &ctx->key->id, ctx->key->concurrent);

    case NGX_HTTP_AI_QUOTA_REQUESTS:
        return ngx_http_ai_quota_refuse_rate(ctx, &ctx->key->requests,
                                             "requests");

    case NGX_HTTP_AI_QUOTA_TOKENS:
        return ngx_http_ai_quota_refuse_rate(ctx, &ctx->key->tokens,
                                             "tokens");

    case NGX_HTTP_AI_QUOTA_BUDGET:
        return ngx_http_ai_quota_refuse_budget(ctx, refusal);

    default: /* NGX_HTTP_AI_QUOTA_FULL */
        ctx->error.retry_after = 1;
        return ngx_http_ai_error_set(ctx->request, &ctx->error,
                   NGX_HTTP_SERVICE_UNAVAILABLE, "no_target",
                   "the gateway's shared memory is full, its operator must "
                   "increase the size in \"ai_zone\"");
    }
}


static ngx_int_t
ngx_http_ai_quota_refuse_rate(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_rate_t *rate, const char *what)
{
    ngx_int_t  rc;

    rc = ngx_http_ai_error_set(ctx->request, &ctx->error,
             NGX_HTTP_TOO_MANY_REQUESTS, "rate_limit_exceeded",
             "key \"%V\" has used its limit of %L %s per %V, try again in "
             "%T s", &ctx->key->id, rate->limit, what,
             ngx_http_ai_rate_period(rate->period_ms),
             ctx->error.retry_after);

    ctx->error.type.data = (u_char *) what;
    ctx->error.type.len = ngx_strlen(what);

    return rc;
}


static ngx_int_t
ngx_http_ai_quota_refuse_budget(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_quota_refusal_t *refusal)
{
    u_char      limit[NGX_HTTP_AI_PRICE_USD_LEN];
    u_char      left[NGX_HTTP_AI_PRICE_USD_LEN];
    u_char      want[NGX_HTTP_AI_PRICE_USD_LEN];
    u_char      more[sizeof(" and the request may cost  usd")
                     + NGX_HTTP_AI_PRICE_USD_LEN], *last;
    u_char      anew[sizeof(", it begins anew at 9999-12-31T00:00:00Z")], *p;
    ngx_tm_t    tm;
    ngx_int_t   rc;
    ngx_uint_t  per;

    ctx->error.verdict = NGX_HTTP_AI_QUOTA_EXHAUSTED;

    /* hours or weeks: a client that waits for that waits in vain */
    ctx->error.retry = 0;

    p = anew;
    per = refusal->budget->per;

    if (refusal->wait_ms >= 0) {
        ngx_gmtime((time_t) ngx_http_ai_budget_resets(per, ngx_time()), &tm);

        p = ngx_sprintf(p, ", it begins anew at %4d-%02d-%02dT%02d:%02d:%02dZ",
                        tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                        tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec);
    }

    last = more;

    if (refusal->left > 0) {
        last = ngx_sprintf(more, " and the request may cost %*s usd",
                           (size_t) (ngx_http_ai_price_usd(want,
                                                           refusal->nanousd)
                                     - want), want);
    }

    rc = ngx_http_ai_error_set(ctx->request, &ctx->error,
             NGX_HTTP_TOO_MANY_REQUESTS, "insufficient_quota",
             "key \"%V\" %s its budget of %*s usd%s%V, %*s usd are left of it"
             "%*s%*s", &ctx->key->id,
             refusal->left > 0 ? "would exceed" : "has spent",
             (size_t) (ngx_http_ai_price_usd(limit,
                                             refusal->budget->limit_nanousd)
                       - limit), limit,
             per == NGX_HTTP_AI_BUDGET_TOTAL ? " in " : " per ",
             ngx_http_ai_budget_per_name(per),
             (size_t) (ngx_http_ai_price_usd(left, refusal->left) - left),
             left, (size_t) (last - more), more, (size_t) (p - anew), anew);

    ngx_str_set(&ctx->error.type, "insufficient_quota");

    return rc;
}


ngx_int_t
ngx_http_ai_quota_headers(ngx_http_request_t *r,
    const ngx_http_ai_quota_t *quota)
{
    u_char                            reset[64];
    ngx_uint_t                        i;
    const ngx_http_ai_quota_rate_t   *rate[2];
    const ngx_http_ai_quota_names_t  *names[2];

    rate[0] = &quota->requests;
    names[0] = &ngx_http_ai_quota_requests;
    rate[1] = &quota->tokens;
    names[1] = &ngx_http_ai_quota_tokens;

    for (i = 0; i < 2; i++) {

        if (rate[i]->limit == 0) {
            continue;
        }

        if (ngx_http_ai_quota_header(r, &names[i]->limit, "%L",
                                     rate[i]->limit)
            != NGX_OK
            || ngx_http_ai_quota_header(r, &names[i]->remaining, "%L",
                                        rate[i]->remaining)
               != NGX_OK
            || ngx_http_ai_quota_header(r, &names[i]->reset, "%*s",
                   (size_t) (ngx_http_ai_quota_duration(reset,
                                                        rate[i]->reset_ms)
                             - reset), reset)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_quota_header(ngx_http_request_t *r, const ngx_str_t *name,
    const char *fmt, ...)
{
    u_char            buf[64], *last;
    va_list           args;
    ngx_table_elt_t  *h;

    va_start(args, fmt);
    last = ngx_vslprintf(buf, buf + sizeof(buf), fmt, args);
    va_end(args);

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->value.len = last - buf;
    h->value.data = ngx_pnalloc(r->pool, h->value.len);

    if (h->value.data == NULL) {
        h->hash = 0;
        return NGX_ERROR;
    }

    ngx_memcpy(h->value.data, buf, h->value.len);

    h->hash = 1;
    h->key = *name;
    ngx_http_ai_header_init(h);

    return NGX_OK;
}


/* "20ms", "3s", "6m0s", "1h0m0s", as OpenAI has it; rounded up */

static u_char *
ngx_http_ai_quota_duration(u_char *p, int64_t ms)
{
    int64_t  s;

    if (ms < 1000) {
        return ngx_sprintf(p, "%Lms", ngx_max(ms, 0));
    }

    s = (ms + 999) / 1000;

    if (s >= 3600) {
        p = ngx_sprintf(p, "%Lh", s / 3600);
    }

    if (s >= 60) {
        p = ngx_sprintf(p, "%Lm", s / 60 % 60);
    }

    return ngx_sprintf(p, "%Ls", s % 60);
}
