
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_request.h"
#include "pure/ngx_http_ai_multipart.h"


static ngx_uint_t ngx_http_ai_request_twice(ngx_http_request_t *r,
    const char *name, size_t len);
static void ngx_http_ai_request_locate(ngx_http_ai_ctx_t *ctx);
static const ngx_http_ai_class_t *ngx_http_ai_request_default_class(
    ngx_http_ai_ctx_t *ctx);
static u_char *ngx_http_ai_request_classes(ngx_http_ai_ctx_t *ctx, u_char *p,
    u_char *last);
static void ngx_http_ai_request_tail(ngx_http_request_t *r,
    ngx_str_t *prefix, ngx_str_t *tail);
static ngx_uint_t ngx_http_ai_request_method(ngx_http_request_t *r);


ngx_http_ai_ctx_t *
ngx_http_ai_request_ctx(ngx_http_request_t *r)
{
    ngx_http_ai_ctx_t        *ctx;
    ngx_http_ai_main_conf_t  *amcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);
    if (ctx) {
        return ctx;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_ai_ctx_t));
    if (ctx == NULL) {
        return NULL;
    }

    amcf = ngx_http_get_module_main_conf(r, ngx_http_ai_route_module);

    ctx->request = r;
    ctx->conf = amcf;
    ctx->policy = amcf->default_class;
    ctx->outcome = NGX_HTTP_AI_OUTCOME_REJECTED;
    ctx->start = ngx_current_msec;
    ctx->start_ms = (int64_t) r->start_sec * 1000 + r->start_msec;

    if (ngx_http_ai_request_ids(ctx) != NGX_OK) {
        return NULL;
    }

    ngx_http_ai_request_locate(ctx);

    ngx_http_set_ctx(r, ctx, ngx_http_ai_route_module);

    return ctx;
}


ngx_table_elt_t *
ngx_http_ai_request_header(ngx_http_request_t *r, const char *name,
    size_t len)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return NULL;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len == len
            && ngx_memcmp(h[i].lowcase_key, name, len) == 0)
        {
            return &h[i];
        }
    }
}


/* one reader might take the first of them, the next one the other */

static ngx_uint_t
ngx_http_ai_request_twice(ngx_http_request_t *r, const char *name, size_t len)
{
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    n = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            n += h[i].key.len == len
                 && ngx_memcmp(h[i].lowcase_key, name, len) == 0;
        }
    }

    return n > 1;
}


/*
 * The name goes into headers and logs, so a line feed in it is an attack; and
 * nginx's own escape=json lets through what is no UTF-8.
 */

ngx_uint_t
ngx_http_ai_request_sane_model(const ngx_str_t *model)
{
    u_char  *p, *last;

    for (p = model->data, last = p + model->len; p < last; p++) {
        if (*p < 0x20 || *p == 0x7f) {
            return 0;
        }

        /* U+0080 to U+009F: to a terminal that shows a log U+009B is ESC [ */

        if (*p == 0xc2 && p + 1 < last && p[1] < 0xa0) {
            return 0;
        }
    }

    return model->len != 0
           && ngx_http_ai_json_wellformed(model->data, model->len);
}


/*
 * What follows the location's prefix, without a slash between.  Empty, which
 * is no endpoint, where a rewrite led elsewhere or the prefix ends inside of
 * a word.
 */

static void
ngx_http_ai_request_tail(ngx_http_request_t *r, ngx_str_t *prefix,
    ngx_str_t *tail)
{
    u_char  *p, *last;

    ngx_str_null(tail);

    if (r->uri.len <= prefix->len
        || ngx_strncmp(r->uri.data, prefix->data, prefix->len) != 0)
    {
        return;
    }

    p = r->uri.data + prefix->len;
    last = r->uri.data + r->uri.len;

    if (*p == '/') {
        p++;

    } else if (prefix->len == 0 || p[-1] != '/') {
        return;
    }

    tail->data = p;
    tail->len = last - p;
}


static void
ngx_http_ai_request_locate(ngx_http_ai_ctx_t *ctx)
{
    ngx_http_ai_facts_t     *facts;
    ngx_http_ai_loc_conf_t  *alcf;

    facts = &ctx->facts;
    alcf = ngx_http_get_module_loc_conf(ctx->request,
                                        ngx_http_ai_route_module);

    if (!alcf->pass) {
        /* metered: any location, in front of any base path */
        facts->endpoint = ngx_http_ai_endpoint_tail(ctx->request->uri.data,
                                                    ctx->request->uri.len);
        return;
    }

    ngx_http_ai_request_tail(ctx->request, &alcf->prefix, &facts->tail);

    facts->endpoint = ngx_http_ai_endpoint_find(facts->tail.data,
                                                facts->tail.len,
                                                &facts->parts);
}


ngx_int_t
ngx_http_ai_request_class(ngx_http_ai_ctx_t *ctx)
{
    ngx_table_elt_t  *h;

    h = ngx_http_ai_request_header(ctx->request, "x-ai-class",
                                   sizeof("x-ai-class") - 1);

    return ngx_http_ai_request_class_named(ctx, h ? &h->value : NULL);
}


ngx_int_t
ngx_http_ai_request_class_named(ngx_http_ai_ctx_t *ctx, const ngx_str_t *name)
{
    u_char                list[512], *last;
    ngx_http_ai_class_t  *class;

    if (name == NULL) {
        ctx->policy = ngx_http_ai_request_default_class(ctx);
        return NGX_OK;
    }

    class = ngx_http_ai_conf_find_class(ctx->conf, name);

    if (class && ngx_http_ai_key_may_class(ctx->key, class)) {
        ctx->policy = class;
        return NGX_OK;
    }

    last = ngx_http_ai_request_classes(ctx, list, list + sizeof(list));

    if (class) {
        return ngx_http_ai_error_set(ctx->request, &ctx->error,
                   NGX_HTTP_FORBIDDEN, "class_not_allowed",
                   "the class \"%V\" in X-AI-Class is not allowed for this "
                   "API key, allowed are: %*s",
                   name, (size_t) (last - list), list);
    }

    return ngx_http_ai_error_set(ctx->request, &ctx->error,
               NGX_HTTP_BAD_REQUEST, "invalid_request_error",
               "unknown class \"%V\" in X-AI-Class, known are: %*s",
               name, (size_t) (last - list), list);
}


static const ngx_http_ai_class_t *
ngx_http_ai_request_default_class(ngx_http_ai_ctx_t *ctx)
{
    const ngx_http_ai_key_t  *key;

    key = ctx->key;

    if (key && key->default_class) {
        return key->default_class;
    }

    if (key == NULL
        || ngx_http_ai_key_may_class(key, ctx->conf->default_class))
    {
        return ctx->conf->default_class;
    }

    return key->classes[0];
}


/* those that the client may use; the end of what was written */

static u_char *
ngx_http_ai_request_classes(ngx_http_ai_ctx_t *ctx, u_char *p, u_char *last)
{
    u_char                *start;
    ngx_uint_t             i;
    ngx_http_ai_class_t  **classes;

    start = p;
    classes = ctx->conf->classes.elts;

    for (i = 0; i < ctx->conf->classes.nelts; i++) {
        if (ngx_http_ai_key_may_class(ctx->key, classes[i])) {
            p = ngx_slprintf(p, last, p == start ? "%V" : ", %V",
                             &classes[i]->name);
        }
    }

    return p;
}


/* 403 before 404: a key with a list learns nothing of what else there is */

ngx_int_t
ngx_http_ai_request_named(ngx_http_ai_ctx_t *ctx, const ngx_str_t *model)
{
    ctx->facts.model = *model;

    if (!ngx_http_ai_key_may_model(ctx->key, model)) {
        ngx_str_set(&ctx->error.param, "model");
        return ngx_http_ai_error_set(ctx->request, &ctx->error,
                   NGX_HTTP_FORBIDDEN, "model_not_allowed",
                   "the model \"%V\" is not allowed for this API key", model);
    }

    ctx->route = ngx_http_ai_conf_find_route(ctx->conf, model);

    if (ctx->route == NULL) {
        ngx_str_set(&ctx->error.param, "model");
        return ngx_http_ai_error_set(ctx->request, &ctx->error,
                   NGX_HTTP_NOT_FOUND, "model_not_found",
                   "the model \"%V\" is not served here", model);
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_ai_request_method(ngx_http_request_t *r)
{
    switch (r->method) {

    case NGX_HTTP_GET:
    case NGX_HTTP_HEAD:
        return NGX_HTTP_AI_METHOD_GET;

    case NGX_HTTP_POST:
        return NGX_HTTP_AI_METHOD_POST;

    case NGX_HTTP_DELETE:
        return NGX_HTTP_AI_METHOD_DELETE;

    default:
        return 0;
    }
}


ngx_int_t
ngx_http_ai_request_endpoint(ngx_http_ai_ctx_t *ctx)
{
    ngx_table_elt_t         *h;
    ngx_http_request_t      *r;
    ngx_http_ai_loc_conf_t  *alcf;

    r = ctx->request;
    alcf = ngx_http_get_module_loc_conf(r, ngx_http_ai_route_module);

    h = ngx_http_ai_request_header(r, "upgrade", sizeof("upgrade") - 1);

    if (h && r->method == NGX_HTTP_GET && h->value.len == 9
        && ngx_strncasecmp(h->value.data, (u_char *) "websocket", 9) == 0)
    {
        return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_BAD_REQUEST,
                   "websocket_not_supported",
                   "this gateway does not speak WebSocket, use a streamed "
                   "HTTP request");
    }

    if (ctx->facts.endpoint == NULL) {
        ctx->error.verdict = NGX_HTTP_AI_INVALID_REQUEST;
        return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_NOT_FOUND,
                   "not_found",
                   "unknown path %V, below %V this gateway serves "
                   "chat/completions, completions, responses, embeddings, "
                   "messages, moderations, rerank, images, audio, videos, "
                   "files, uploads, batches, models and what else accounts "
                   "keep; see its documentation",
                   &r->uri, &alcf->prefix);
    }

    if (!(ctx->facts.endpoint->methods & ngx_http_ai_request_method(r))
        || (r->method == NGX_HTTP_HEAD && !ctx->facts.endpoint->local))
    {
        return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_NOT_ALLOWED,
                   "method_not_allowed", "%V takes %s requests, not %V",
                   &r->uri,
                   ngx_http_ai_endpoint_methods(ctx->facts.endpoint->methods),
                   &r->method_name);
    }

    h = ngx_http_ai_request_header(r, "content-encoding",
                                   sizeof("content-encoding") - 1);

    if (h && (h->value.len != 8
              || ngx_strncasecmp(h->value.data, (u_char *) "identity", 8)
                 != 0))
    {
        return ngx_http_ai_error_set(r, &ctx->error,
                   NGX_HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type",
                   "compressed request bodies are not supported, send it "
                   "without Content-Encoding");
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_request_scan(ngx_http_ai_ctx_t *ctx)
{
    ngx_str_t            boundary;
    ngx_table_elt_t     *type;

    ctx->facts.stream = ctx->facts.endpoint->stream;
    ctx->facts.again = ctx->facts.endpoint->inference
                       || ctx->request->method == NGX_HTTP_GET;

    if (ctx->facts.endpoint->model == NGX_HTTP_AI_MODEL_NONE) {
        ctx->facts.size = ngx_http_ai_request_size(ctx->request);
        return NGX_OK;
    }

    if (ctx->facts.endpoint->model == NGX_HTTP_AI_MODEL_FORM) {

        if (ngx_http_ai_request_twice(ctx->request, "content-type",
                                      sizeof("content-type") - 1))
        {
            return ngx_http_ai_error_set(ctx->request, &ctx->error,
                       NGX_HTTP_BAD_REQUEST, "invalid_request_error",
                       "the header Content-Type comes twice");
        }

        type = ctx->request->headers_in.content_type;
        ngx_str_null(&boundary);

        switch (type ? ngx_http_ai_multipart_boundary(&type->value, &boundary)
                     : NGX_DECLINED)
        {
        case NGX_OK:
            return ngx_http_ai_request_form(ctx, &boundary);

        case NGX_ERROR:
            return ngx_http_ai_error_set(ctx->request, &ctx->error,
                       NGX_HTTP_BAD_REQUEST, "invalid_request_error",
                       "the Content-Type multipart/form-data names no usable "
                       "boundary");
        }
    }

    return ngx_http_ai_request_json(ctx);
}


ngx_int_t
ngx_http_ai_request_model_header(ngx_http_ai_ctx_t *ctx)
{
    ngx_table_elt_t  *h;

    h = ngx_http_ai_request_header(ctx->request, "x-ai-model",
                                   sizeof("x-ai-model") - 1);

    if (h == NULL || h->value.len > NGX_HTTP_AI_MAX_MODEL
        || !ngx_http_ai_request_sane_model(&h->value))
    {
        return NGX_DECLINED;
    }

    ctx->facts.model = h->value;

    return NGX_OK;
}
