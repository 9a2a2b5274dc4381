
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_models.h"
#include "ngx_http_ai_prices.h"


/*
 * Beyond OpenAI's four members those of Vercel's AI gateway.  What is not
 * known is left out, never 0.
 */
#define NGX_HTTP_AI_MODELS_ONE                                                \
    (sizeof("{\"id\":\"\",\"object\":\"model\",\"created\":0,"                \
            "\"owned_by\":\"\",\"context_window\":,\"max_tokens\":,"           \
            "\"pricing\":{}},")                                               \
     + 2 * NGX_INT64_LEN                                                      \
     + NGX_HTTP_AI_MODELS_NPRICES                                             \
       * (sizeof(",\"input_cache_write\":\"\"") + NGX_HTTP_AI_PRICE_UNIT_LEN))

#define NGX_HTTP_AI_MODELS_NPRICES                                            \
    (sizeof(ngx_http_ai_models_prices) / sizeof(ngx_http_ai_models_price_t))


typedef struct {
    ngx_str_t                  name;       /* none longer than in _ONE */
    ngx_http_ai_price_kind_e   kind;
} ngx_http_ai_models_price_t;


static ngx_int_t ngx_http_ai_models_list(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_str_t *body);
static ngx_int_t ngx_http_ai_models_one(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_str_t *body);
static ngx_uint_t ngx_http_ai_models_served(const ngx_http_ai_key_t *key,
    const ngx_http_ai_route_t *route);
static size_t ngx_http_ai_models_size(const ngx_str_t *id,
    const ngx_http_ai_route_t *route);
static u_char *ngx_http_ai_models_write(u_char *p,
    const ngx_http_ai_prices_t *prices, const ngx_str_t *id,
    const ngx_http_ai_route_t *route);
static u_char *ngx_http_ai_models_pricing(u_char *p,
    const ngx_http_ai_price_t *price);
static const ngx_http_ai_target_t *ngx_http_ai_models_target(
    const ngx_http_ai_route_t *route);


static const ngx_http_ai_models_price_t  ngx_http_ai_models_prices[] = {
    { ngx_string("input"), NGX_HTTP_AI_PRICE_INPUT },
    { ngx_string("output"), NGX_HTTP_AI_PRICE_OUTPUT },
    { ngx_string("input_cache_read"), NGX_HTTP_AI_PRICE_CACHE_READ },
    { ngx_string("input_cache_write"), NGX_HTTP_AI_PRICE_CACHE_WRITE }
};


ngx_int_t
ngx_http_ai_models_send(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_str_t     body;
    ngx_chain_t   out;

    ngx_str_null(&body);

    rc = ctx->facts.parts.id.len
         ? ngx_http_ai_models_one(r, ctx, &body)
         : ngx_http_ai_models_list(r, ctx, &body);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != NGX_OK) {
        return ngx_http_ai_error_send(r);
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->outcome = NGX_HTTP_AI_OUTCOME_OK;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = body.len;
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b->pos = body.data;
    b->last = body.data + body.len;
    b->memory = 1;
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


/* names that stand in a route as they are; a "prefix*" is no model */

static ngx_int_t
ngx_http_ai_models_list(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_str_t *body)
{
    u_char                 *p;
    size_t                  len;
    ngx_uint_t              i, n;
    ngx_http_ai_pattern_t  *model;

    model = ctx->conf->exact.elts;
    n = ctx->conf->exact.nelts;

    len = sizeof("{\"object\":\"list\",\"data\":[]}");

    for (i = 0; i < n; i++) {
        len += ngx_http_ai_models_size(&model[i].prefix, model[i].route);
    }

    body->data = ngx_pnalloc(r->pool, len);
    if (body->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(body->data, "{\"object\":\"list\",\"data\":[");

    for (i = 0; i < n; i++) {

        if (!ngx_http_ai_key_may_model(ctx->key, &model[i].prefix)
            || !ngx_http_ai_models_served(ctx->key, model[i].route))
        {
            continue;
        }

        if (p[-1] == '}') {
            *p++ = ',';
        }

        p = ngx_http_ai_models_write(p, ctx->conf->prices, &model[i].prefix,
                                     model[i].route);
    }

    p = ngx_sprintf(p, "]}");

    body->len = p - body->data;

    return NGX_OK;
}


/* any that is served, also one that only a "prefix*" stands for */

static ngx_int_t
ngx_http_ai_models_one(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_str_t *body)
{
    u_char     *p;
    ngx_int_t   rc;
    ngx_str_t   id;

    /* it may have slashes */

    id.data = ctx->facts.parts.id.data;
    id.len = ctx->facts.tail.data + ctx->facts.tail.len - id.data;

    if (id.len > NGX_HTTP_AI_MAX_MODEL || !ngx_http_ai_request_sane_model(&id))
    {
        return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_NOT_FOUND,
                                     "model_not_found",
                                     "no model has such a name");
    }

    rc = ngx_http_ai_request_named(ctx, &id);
    if (rc != NGX_OK) {
        return rc;
    }

    if (!ngx_http_ai_models_served(ctx->key, ctx->route)) {
        ngx_str_set(&ctx->error.param, "model");
        return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_FORBIDDEN,
                                     "model_not_available_for_class",
                                     "no class of this API key has an account "
                                     "that serves the model \"%V\"", &id);
    }

    body->data = ngx_pnalloc(r->pool,
                             ngx_http_ai_models_size(&id, ctx->route));
    if (body->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_http_ai_models_write(body->data, ctx->conf->prices, &id,
                                 ctx->route);

    body->len = p - body->data;

    return NGX_OK;
}


/* where its classes have no account it may not use the model, nor a backup */

static ngx_uint_t
ngx_http_ai_models_served(const ngx_http_ai_key_t *key,
    const ngx_http_ai_route_t *route)
{
    ngx_uint_t  i;

    if (key == NULL || key->nclasses == 0) {
        return 1;
    }

    for (i = 0; i < key->nclasses; i++) {
        if (ngx_http_ai_conf_class_serves(key->classes[i], route)) {
            return 1;
        }
    }

    return 0;
}


static size_t
ngx_http_ai_models_size(const ngx_str_t *id, const ngx_http_ai_route_t *route)
{
    return NGX_HTTP_AI_MODELS_ONE
           + ngx_http_ai_json_escape_len(id->data, id->len)
           + ngx_http_ai_models_target(route)->account->provider->name.len;
}


static u_char *
ngx_http_ai_models_write(u_char *p, const ngx_http_ai_prices_t *prices,
    const ngx_str_t *id, const ngx_http_ai_route_t *route)
{
    uint64_t                           n;
    const ngx_http_ai_target_t        *target;
    const ngx_http_ai_prices_entry_t  *e;

    target = ngx_http_ai_models_target(route);

    p = ngx_sprintf(p, "{\"id\":\"");
    p = ngx_http_ai_json_escape(p, id->data, id->len);
    p = ngx_sprintf(p, "\",\"object\":\"model\",\"created\":0,"
                    "\"owned_by\":\"%V\"", &target->account->provider->name);

    n = ngx_http_ai_prices_window(prices, route, id);

    if (n) {
        p = ngx_sprintf(p, ",\"context_window\":%uL", n);
    }

    n = ngx_http_ai_prices_limit(prices, route, id, 1,
                                 NGX_HTTP_AI_PRICES_ANSWER);
    if (n) {
        p = ngx_sprintf(p, ",\"max_tokens\":%uL", n);
    }

    e = ngx_http_ai_prices_find(prices, target, id);

    if (e) {
        p = ngx_http_ai_models_pricing(p, &e->price);
    }

    *p++ = '}';

    return p;
}


static u_char *
ngx_http_ai_models_pricing(u_char *p, const ngx_http_ai_price_t *price)
{
    int64_t      pico;
    ngx_uint_t   i;
    const char  *before;

    static const char  first[] = ",\"pricing\":{";

    before = first;

    for (i = 0; i < NGX_HTTP_AI_MODELS_NPRICES; i++) {

        pico = ngx_http_ai_price_listed(price,
                                        ngx_http_ai_models_prices[i].kind);

        if (pico == NGX_HTTP_AI_PRICE_UNKNOWN) {
            continue;
        }

        p = ngx_sprintf(p, "%s\"%V\":\"", before,
                        &ngx_http_ai_models_prices[i].name);
        p = ngx_http_ai_price_unit(p, pico);
        *p++ = '"';

        before = ",";
    }

    if (before != first) {
        *p++ = '}';
    }

    return p;
}


/*
 * The one that is asked first while all is well.  The cheapest would promise
 * what the others do not keep, and several prices have no place in the list.
 */

static const ngx_http_ai_target_t *
ngx_http_ai_models_target(const ngx_http_ai_route_t *route)
{
    return route->targets.elts;
}
