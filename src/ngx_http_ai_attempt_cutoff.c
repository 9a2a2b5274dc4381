
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * A running stream ends when its key's money does, where the key says
 * "cut_off": what was reserved pays for so many tokens of output, and when
 * those have passed more is reserved, a little at a time, or the stream ends.
 */


#include "ngx_http_ai_attempt.h"


#define NGX_HTTP_AI_CUTOFF_TOKENS  256             /* reserved at a time */
#define NGX_HTTP_AI_CUTOFF_MAX     (INT64_MAX / 1000)


static int64_t ngx_http_ai_attempt_nanousd(const ngx_http_ai_attempt_t *at,
    int64_t n);


void
ngx_http_ai_attempt_cutoff_start(ngx_http_ai_attempt_t *at)
{
    int64_t                            left, input;
    ngx_http_ai_ctx_t                 *ctx;
    const ngx_http_ai_prices_entry_t  *e;

    ctx = at->ctx;
    e = at->tries[at->ntries - 1].price;

    at->token_pico = 0;

    if (ctx->key == NULL || !ctx->key->cut_off || ctx->key->nbudgets == 0
        || !ctx->quota.held || e == NULL
        || ngx_http_ai_price_estimate(&e->price, ctx->facts.prompt_tokens, 0,
                                      NULL, &input)
           != NGX_OK)
    {
        /* of what has no price nobody knows when it is spent */
        return;
    }

    at->token_pico = ngx_http_ai_price_rate(&e->price,
                                            NGX_HTTP_AI_PRICE_OUTPUT,
                                            NGX_HTTP_AI_PRICE_STANDARD,
                                            ctx->facts.prompt_tokens);
    if (at->token_pico <= 0) {
        at->token_pico = 0;
        return;
    }

    /* tries that failed may have cost something, too */

    left = ctx->claim->key_money.nanousd - ngx_max(at->nanousd, 0) - input;
    left = ngx_min(ngx_max(left, 0), NGX_HTTP_AI_CUTOFF_MAX);

    at->allowance = left * 1000 / at->token_pico;
}


ngx_int_t
ngx_http_ai_attempt_cutoff(ngx_http_ai_attempt_t *at)
{
    int64_t                       output, n;
    ngx_http_ai_ctx_t            *ctx;
    ngx_http_ai_quota_refusal_t   refusal;

    ctx = at->ctx;

    if (at->token_pico == 0) {
        return NGX_OK;
    }

    output = ngx_http_ai_stream_output(&ctx->stream);

    /* at once, also where a provider says that it was any number */

    n = ngx_max(output - at->allowance, NGX_HTTP_AI_CUTOFF_TOKENS);
    n = ngx_min(n, NGX_HTTP_AI_CUTOFF_MAX / (at->token_pico / 1000 + 1));

    while (output > at->allowance) {

        if (ngx_http_ai_quota_extend(ctx->conf->zone, ctx->key, ctx->claim,
                                     ngx_http_ai_attempt_nanousd(at, n),
                                     &refusal)
            == NGX_OK)
        {
            at->allowance += n;
            continue;
        }

        /* the last few */

        refusal.left = ngx_min(refusal.left, NGX_HTTP_AI_CUTOFF_MAX);
        n = ngx_min(n - 1, refusal.left * 1000 / at->token_pico);

        if (n <= 0) {
            return NGX_BUSY;
        }
    }

    return NGX_OK;
}


/* what n tokens cost, rounded up */

static int64_t
ngx_http_ai_attempt_nanousd(const ngx_http_ai_attempt_t *at, int64_t n)
{
    return at->token_pico / 1000 * n + (at->token_pico % 1000 * n + 999) / 1000;
}
