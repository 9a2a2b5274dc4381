
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_var.h"
#include "ngx_http_ai_meter.h"
#include "ngx_http_ai_usage.h"


typedef enum {
    NGX_HTTP_AI_VAR_REQUEST_ID = 0,
    NGX_HTTP_AI_VAR_KEY_ID,
    NGX_HTTP_AI_VAR_APP,
    NGX_HTTP_AI_VAR_TEAM,
    NGX_HTTP_AI_VAR_CLASS,
    NGX_HTTP_AI_VAR_MODEL,
    NGX_HTTP_AI_VAR_ROUTE,
    NGX_HTTP_AI_VAR_ACCOUNT,
    NGX_HTTP_AI_VAR_SERVED_MODEL,
    NGX_HTTP_AI_VAR_ATTEMPTS,
    NGX_HTTP_AI_VAR_FALLBACK,
    NGX_HTTP_AI_VAR_TRAIL,
    NGX_HTTP_AI_VAR_OUTCOME,
    NGX_HTTP_AI_VAR_ERROR_CLASS,
    NGX_HTTP_AI_VAR_INPUT_TOKENS,
    NGX_HTTP_AI_VAR_OUTPUT_TOKENS,
    NGX_HTTP_AI_VAR_COST_USD,
    NGX_HTTP_AI_VAR_TTFT_MS,
    NGX_HTTP_AI_VAR_QUEUE_MS,
    NGX_HTTP_AI_VAR_TRACE_ID,
    NGX_HTTP_AI_VAR_PARENT_ID
} ngx_http_ai_var_e;


static ngx_int_t ngx_http_ai_var_get(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_ai_var_metered(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, ngx_http_ai_meter_t *m,
    ngx_http_ai_var_e var);
static ngx_int_t ngx_http_ai_var_text(ngx_http_variable_value_t *v,
    const ngx_str_t *s);
static ngx_int_t ngx_http_ai_var_number(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, int64_t number);
static ngx_int_t ngx_http_ai_var_cost(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, ngx_http_ai_try_t *try);
static ngx_int_t ngx_http_ai_var_tried(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_var_e var);
static ngx_int_t ngx_http_ai_var_trail(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, ngx_http_ai_attempt_t *at);


static ngx_http_variable_t  ngx_http_ai_vars[] = {

    { ngx_string("ai_request_id"), NULL, ngx_http_ai_var_get,
      NGX_HTTP_AI_VAR_REQUEST_ID, 0, 0 },
    { ngx_string("ai_key_id"), NULL, ngx_http_ai_var_get,
      NGX_HTTP_AI_VAR_KEY_ID, 0, 0 },
    { ngx_string("ai_app"), NULL, ngx_http_ai_var_get,
      NGX_HTTP_AI_VAR_APP, 0, 0 },
    { ngx_string("ai_team"), NULL, ngx_http_ai_var_get,
      NGX_HTTP_AI_VAR_TEAM, 0, 0 },
    { ngx_string("ai_class"), NULL, ngx_http_ai_var_get,
      NGX_HTTP_AI_VAR_CLASS, 0, 0 },
    { ngx_string("ai_model"), NULL, ngx_http_ai_var_get,
      NGX_HTTP_AI_VAR_MODEL, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("ai_route"), NULL, ngx_http_ai_var_get,
      NGX_HTTP_AI_VAR_ROUTE, 0, 0 },
    { ngx_string("ai_account"), NULL, ngx_http_ai_var_get,
      NGX_HTTP_AI_VAR_ACCOUNT, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("ai_served_model"), NULL, ngx_http_ai_var_get,
      NGX_HTTP_AI_VAR_SERVED_MODEL, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("ai_attempts"), NULL, ngx_http_ai_var_get,
      NGX_HTTP_AI_VAR_ATTEMPTS, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("ai_fallback"), NULL, ngx_http_ai_var_get,
      NGX_HTTP_AI_VAR_FALLBACK, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("ai_trail"), NULL, ngx_http_ai_var_get,
      NGX_HTTP_AI_VAR_TRAIL, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("ai_outcome"), NULL, ngx_http_ai_var_get,
      NGX_HTTP_AI_VAR_OUTCOME, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("ai_error_class"), NULL, ngx_http_ai_var_get,
      NGX_HTTP_AI_VAR_ERROR_CLASS, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("ai_input_tokens"), NULL, ngx_http_ai_var_get,
      NGX_HTTP_AI_VAR_INPUT_TOKENS, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("ai_output_tokens"), NULL, ngx_http_ai_var_get,
      NGX_HTTP_AI_VAR_OUTPUT_TOKENS, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("ai_cost_usd"), NULL, ngx_http_ai_var_get,
      NGX_HTTP_AI_VAR_COST_USD, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("ai_ttft_ms"), NULL, ngx_http_ai_var_get,
      NGX_HTTP_AI_VAR_TTFT_MS, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("ai_queue_ms"), NULL, ngx_http_ai_var_get,
      NGX_HTTP_AI_VAR_QUEUE_MS, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("ai_trace_id"), NULL, ngx_http_ai_var_get,
      NGX_HTTP_AI_VAR_TRACE_ID, 0, 0 },
    { ngx_string("ai_parent_id"), NULL, ngx_http_ai_var_get,
      NGX_HTTP_AI_VAR_PARENT_ID, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_ai_var_add(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_ai_vars; v->name.len; v++) {

        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_var_get(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_http_ai_ctx_t    *ctx;
    ngx_http_ai_meter_t  *m;

    ctx = ngx_http_get_module_ctx(r->main, ngx_http_ai_route_module);

    if (ctx == NULL || ctx->meter) {

        m = ngx_http_ai_meter_look(r->main);

        if (m) {
            return ngx_http_ai_var_metered(r, v, m, data);
        }

        v->not_found = 1;
        return NGX_OK;
    }

    switch (data) {

    case NGX_HTTP_AI_VAR_REQUEST_ID:
        return ngx_http_ai_var_text(v, &ctx->id);

    case NGX_HTTP_AI_VAR_TRACE_ID:
        return ngx_http_ai_var_text(v, &ctx->trace_id);

    case NGX_HTTP_AI_VAR_KEY_ID:
        return ngx_http_ai_var_text(v, ngx_http_ai_usage_key_id(ctx));

    case NGX_HTTP_AI_VAR_APP:
        return ngx_http_ai_var_text(v, ctx->key ? &ctx->key->app : NULL);

    case NGX_HTTP_AI_VAR_TEAM:
        return ngx_http_ai_var_text(v, ctx->key ? &ctx->key->team : NULL);

    case NGX_HTTP_AI_VAR_CLASS:
        return ngx_http_ai_var_text(v, &ctx->policy->name);

    case NGX_HTTP_AI_VAR_MODEL:
        return ngx_http_ai_var_text(v, &ctx->facts.model);

    case NGX_HTTP_AI_VAR_ROUTE:
        return ngx_http_ai_var_text(v, ctx->route ? &ctx->route->name : NULL);

    case NGX_HTTP_AI_VAR_OUTCOME:
        return ngx_http_ai_var_text(v, ngx_http_ai_usage_outcome(ctx));

    case NGX_HTTP_AI_VAR_ERROR_CLASS:
        return ngx_http_ai_var_text(v, ngx_http_ai_usage_error_class(ctx));

    case NGX_HTTP_AI_VAR_QUEUE_MS:
        return ngx_http_ai_var_number(r, v, ctx->attempt
                                            ? (int64_t) ctx->attempt->paused
                                            : 0);

    default:
        return ngx_http_ai_var_tried(r, v, ctx, data);
    }
}


/* of a location with ai_meter; how it ended is known at the end */

static ngx_int_t
ngx_http_ai_var_metered(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    ngx_http_ai_meter_t *m, ngx_http_ai_var_e var)
{
    ngx_str_t              s;
    ngx_uint_t             told;
    ngx_http_ai_ctx_t     *ctx;
    ngx_http_ai_tokens_t  *tokens;

    ctx = m->ctx;
    tokens = m->try.tokens;
    told = tokens && (tokens->found || tokens->estimated);

    switch (var) {

    case NGX_HTTP_AI_VAR_REQUEST_ID:
        return ngx_http_ai_var_text(v, &ctx->id);

    case NGX_HTTP_AI_VAR_TRACE_ID:
        return ngx_http_ai_var_text(v, &ctx->trace_id);

    case NGX_HTTP_AI_VAR_KEY_ID:
        return ngx_http_ai_var_text(v, &ngx_http_ai_usage_anonymous);

    case NGX_HTTP_AI_VAR_MODEL:
        return ngx_http_ai_var_text(v, &ctx->facts.model);

    case NGX_HTTP_AI_VAR_ACCOUNT:
        return ngx_http_ai_var_text(v, &m->account);

    case NGX_HTTP_AI_VAR_SERVED_MODEL:
        s.data = m->served.data;
        s.len = m->closed ? m->served.len : 0;
        return ngx_http_ai_var_text(v, &s);

    case NGX_HTTP_AI_VAR_ATTEMPTS:
        return ngx_http_ai_var_number(r, v, m->attempts);

    case NGX_HTTP_AI_VAR_OUTCOME:
        return ngx_http_ai_var_text(v, m->closed
                                       ? ngx_http_ai_usage_outcome(ctx)
                                       : NULL);

    case NGX_HTTP_AI_VAR_ERROR_CLASS:
        return ngx_http_ai_var_text(v, m->closed
                                       ? ngx_http_ai_usage_error_class(ctx)
                                       : NULL);

    case NGX_HTTP_AI_VAR_INPUT_TOKENS:
        return ngx_http_ai_var_number(r, v, told ? tokens->input : -1);

    case NGX_HTTP_AI_VAR_OUTPUT_TOKENS:
        return ngx_http_ai_var_number(r, v, told ? tokens->output : -1);

    case NGX_HTTP_AI_VAR_COST_USD:
        return ngx_http_ai_var_cost(r, v, &m->try);

    case NGX_HTTP_AI_VAR_TTFT_MS:
        return ngx_http_ai_var_number(r, v, m->passed ? (int64_t) m->first
                                                      : -1);

    default: /* there is no key's owner, class, route, trail or queue */
        v->not_found = 1;
        return NGX_OK;
    }
}


static ngx_int_t
ngx_http_ai_var_text(ngx_http_variable_value_t *v, const ngx_str_t *s)
{
    if (s == NULL || s->len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->len = s->len;
    v->data = s->data;

    return NGX_OK;
}


/* a negative number is one that is not known */

static ngx_int_t
ngx_http_ai_var_number(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    int64_t number)
{
    ngx_str_t  s;

    if (number < 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    s.data = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (s.data == NULL) {
        return NGX_ERROR;
    }

    s.len = ngx_sprintf(s.data, "%L", number) - s.data;

    return ngx_http_ai_var_text(v, &s);
}


static ngx_int_t
ngx_http_ai_var_cost(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    ngx_http_ai_try_t *try)
{
    int64_t    cost;
    ngx_str_t  s;

    if (ngx_http_ai_usage_cost(try, &cost) != NGX_OK) {
        v->not_found = 1;
        return NGX_OK;
    }

    s.data = ngx_pnalloc(r->pool, NGX_HTTP_AI_PRICE_USD_LEN);
    if (s.data == NULL) {
        return NGX_ERROR;
    }

    s.len = ngx_http_ai_price_usd(s.data, cost) - s.data;

    return ngx_http_ai_var_text(v, &s);
}


/* what only a request has that reached an account */

static ngx_int_t
ngx_http_ai_var_tried(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_var_e var)
{
    ngx_str_t               s;
    ngx_uint_t              told;
    ngx_http_ai_try_t      *try;
    ngx_http_ai_attempt_t  *at;

    at = ctx->attempt;

    if (at == NULL || at->ntries == 0) {

        if (var == NGX_HTTP_AI_VAR_ATTEMPTS) {
            return ngx_http_ai_var_number(r, v, 0);
        }

        v->not_found = 1;
        return NGX_OK;
    }

    try = &at->tries[at->ntries - 1];
    told = try->tokens && (try->tokens->found || try->tokens->estimated);

    switch (var) {

    case NGX_HTTP_AI_VAR_ACCOUNT:
        return ngx_http_ai_var_text(v, &try->target->account->name);

    case NGX_HTTP_AI_VAR_SERVED_MODEL:
        return ngx_http_ai_var_text(v, try->model);

    case NGX_HTTP_AI_VAR_ATTEMPTS:
        return ngx_http_ai_var_number(r, v, at->ntries);

    case NGX_HTTP_AI_VAR_FALLBACK:
        return ngx_http_ai_var_text(v, ngx_http_ai_usage_fallback(at));

    case NGX_HTTP_AI_VAR_TRAIL:
        return ngx_http_ai_var_trail(r, v, at);

    case NGX_HTTP_AI_VAR_PARENT_ID:
        s.data = at->parent;
        s.len = at->parent[0] ? NGX_HTTP_AI_TRACE_PARENT : 0;
        return ngx_http_ai_var_text(v, &s);

    case NGX_HTTP_AI_VAR_INPUT_TOKENS:
        return ngx_http_ai_var_number(r, v, told ? try->tokens->input : -1);

    case NGX_HTTP_AI_VAR_OUTPUT_TOKENS:
        return ngx_http_ai_var_number(r, v, told ? try->tokens->output : -1);

    case NGX_HTTP_AI_VAR_COST_USD:
        return ngx_http_ai_var_cost(r, v, try);

    default: /* NGX_HTTP_AI_VAR_TTFT_MS */
        return ngx_http_ai_var_number(r, v,
                                      at->committed ? (int64_t) at->first
                                                    : -1);
    }
}


static ngx_int_t
ngx_http_ai_var_trail(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    ngx_http_ai_attempt_t *at)
{
    ngx_str_t  s;

    s.data = ngx_pnalloc(r->pool, NGX_HTTP_AI_TRAIL_MAX);
    if (s.data == NULL) {
        return NGX_ERROR;
    }

    s.len = ngx_http_ai_usage_trail(at, s.data, NGX_HTTP_AI_TRAIL_MAX)
            - s.data;

    return ngx_http_ai_var_text(v, &s);
}
