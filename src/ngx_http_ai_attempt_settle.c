
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* what a try has used, and what its account and its key get back for that */


#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_usage.h"


void
ngx_http_ai_attempt_used(ngx_http_ai_attempt_t *at, int64_t *tokens,
    int64_t *nanousd)
{
    ngx_http_ai_try_t  *try;

    *tokens = 0;
    *nanousd = 0;

    if (at->ntries == 0) {
        return;
    }

    try = &at->tries[at->ntries - 1];

    if (try->closed) {
        *tokens = try->used_tokens;
        *nanousd = try->used_nanousd;
        return;
    }

    *tokens = ngx_http_ai_usage_close(at);

    if ((*tokens || try->tokens)
        && ngx_http_ai_usage_cost(try, nanousd) != NGX_OK)
    {
        *nanousd = -1;
    }

    try->closed = 1;
    try->used_tokens = *tokens;
    try->used_nanousd = *nanousd;

    at->tokens = at->tokens < 0 || *tokens < 0 ? -1 : at->tokens + *tokens;

    /* a provider's bill may be any number */

    at->nanousd = at->nanousd < 0 || *nanousd < 0
                  ? -1 : at->nanousd + ngx_min(*nanousd,
                                               INT64_MAX - at->nanousd);
}


void
ngx_http_ai_attempt_settle_key(ngx_http_ai_attempt_t *at)
{
    int64_t             tokens, nanousd;
    ngx_http_ai_ctx_t  *ctx;

    ctx = at->ctx;

    if (!ctx->quota.held) {
        return;
    }

    ngx_http_ai_attempt_used(at, &tokens, &nanousd);

    ngx_http_ai_quota_settle(ctx->conf->zone, ctx->key, ctx->claim,
                             &ctx->quota, at->ntries, at->tokens,
                             at->nanousd);
}


void
ngx_http_ai_attempt_leave(ngx_http_ai_attempt_t *at)
{
    int64_t              tokens, nanousd;
    ngx_http_ai_ctx_t   *ctx;
    ngx_http_ai_cell_t   cell;

    ctx = at->ctx;

    ngx_http_ai_attempt_used(at, &tokens, &nanousd);
    ngx_http_ai_health_leave(ctx->conf->zone, &at->cell, &at->pass, tokens,
                             nanousd);

    if (at->next_pass.inside && at->next) {

        /* chosen, but never sent */

        ngx_http_ai_route_cell(&ctx->plan, at->next, &cell);

        if (at->next_pass.probe) {
            ngx_http_ai_health_nothing(ctx->conf->zone, &cell,
                                       &at->next_pass);
        }

        ngx_http_ai_health_leave(ctx->conf->zone, &cell, &at->next_pass, 0,
                                 0);
    }
}
