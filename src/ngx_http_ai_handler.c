
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_handler.h"
#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_usage.h"


static void ngx_http_ai_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_ai_admit(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);
static ngx_int_t ngx_http_ai_no_candidate(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);


ngx_int_t
ngx_http_ai_handler(ngx_http_request_t *r)
{
    ngx_int_t           rc;
    ngx_http_ai_ctx_t  *ctx;

    ctx = ngx_http_ai_request_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_ai_request_endpoint(ctx) != NGX_OK) {

        rc = ngx_http_discard_request_body(r);
        if (rc != NGX_OK) {
            return rc;
        }

        return ngx_http_ai_error_send(r);
    }

    rc = ngx_http_read_client_request_body(r, ngx_http_ai_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


static void
ngx_http_ai_body_handler(ngx_http_request_t *r)
{
    ngx_int_t           rc;
    ngx_http_ai_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);

    rc = ngx_http_ai_admit(r, ctx);

    if (rc == NGX_OK) {
        rc = ngx_http_ai_attempt_start(r, ctx);

        if (rc == NGX_OK) {
            return;
        }
    }

    if (rc == NGX_ERROR) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    ngx_http_finalize_request(r, ngx_http_ai_error_send(r));
}


/* NGX_OK: there is a plan; an HTTP status: ctx->error says why not */

static ngx_int_t
ngx_http_ai_admit(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ngx_int_t  rc;
    ngx_str_t  key;

    rc = ngx_http_ai_request_class(ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_ai_request_scan(ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx->route = ngx_http_ai_conf_find_route(ctx->conf, &ctx->facts.model);

    if (ctx->route == NULL) {
        ngx_str_set(&ctx->error.param, "model");
        return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_NOT_FOUND,
                   "model_not_found", "the model \"%V\" is not served here",
                   &ctx->facts.model);
    }

    if (ctx->route->hash_key) {

        if (ngx_http_complex_value(r, ctx->route->hash_key, &key) != NGX_OK) {
            return NGX_ERROR;
        }

        ctx->facts.key = ngx_http_ai_request_hash(&key);
    }

    ctx->plan.model = &ctx->facts.model;
    ctx->plan.stream = ctx->facts.stream;
    ctx->plan.tokens = ctx->facts.tokens;
    ctx->plan.key = ctx->facts.key;

    ngx_http_ai_route_plan(&ctx->plan, ctx->route, ctx->facts.endpoint,
                           ctx->policy);

    if (ctx->plan.allowed == 0) {
        return ngx_http_ai_no_candidate(r, ctx);
    }

    return NGX_OK;
}


/* the configuration itself leaves nobody who could serve the request */

static ngx_int_t
ngx_http_ai_no_candidate(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ngx_uint_t  i;

    ngx_str_set(&ctx->error.param, "model");

    for (i = 0; i < ctx->route->targets.nelts; i++) {

        if (ctx->plan.excluded[i] == NGX_HTTP_AI_EXCLUDED_CLASS) {
            return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_FORBIDDEN,
                       "model_not_available_for_class",
                       "no account of class \"%V\" serves the model \"%V\"",
                       &ctx->policy->name, &ctx->facts.model);
        }
    }

    return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_NOT_FOUND,
               "not_found", "no account that serves the model \"%V\" has %V",
               &ctx->facts.model, &ctx->facts.endpoint->name);
}


ngx_int_t
ngx_http_ai_log_handler(ngx_http_request_t *r)
{
    ngx_http_ai_ctx_t       *ctx;
    ngx_http_ai_loc_conf_t  *alcf;

    if (r != r->main) {
        return NGX_OK;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_ai_route_module);

    if (!alcf->pass) {
        return NGX_OK;
    }

    ctx = ngx_http_ai_request_ctx(r);

    if (ctx) {
        ngx_http_ai_usage_record(r, ctx);
    }

    return NGX_OK;
}
