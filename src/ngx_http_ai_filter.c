
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Where the module meets nginx's filter chains: the gateway's headers on
 * every answer of an ai_pass location, JSON instead of nginx's own error
 * pages, and the stream room on passing bytes.
 */


#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_compat.h"
#include "ngx_http_ai_handler.h"
#include "ngx_http_ai_meter.h"
#include "ngx_http_ai_usage.h"


static ngx_int_t ngx_http_ai_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_ai_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_ai_filter_replace(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);
static ngx_int_t ngx_http_ai_filter_headers(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);
static ngx_int_t ngx_http_ai_filter_add(ngx_http_request_t *r,
    const char *name, size_t len, const ngx_str_t *value);
static ngx_int_t ngx_http_ai_filter_retry(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);
static ngx_int_t ngx_http_ai_filter_error(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_chain_t *in);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


ngx_int_t
ngx_http_ai_filter_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_ai_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_ai_body_filter;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_header_filter(ngx_http_request_t *r)
{
    ngx_http_ai_ctx_t       *ctx;
    ngx_http_ai_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_ai_route_module);

    if (r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    if (!alcf->pass) {

        ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);

        if (ctx && ctx->meter) {
            ngx_http_ai_meter_head(r, ctx->meter);
        }

        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_http_ai_request_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    /* nginx may have refused it before anybody looked at its key */

    if (ngx_http_ai_key_identify(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (r->err_status >= NGX_HTTP_BAD_REQUEST
        && ngx_http_ai_filter_replace(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->stream.mode == NGX_HTTP_AI_USAGE_SCAN_SSE) {
        /* an event may be dropped, or an error event come at the end */
        ngx_http_clear_content_length(r);
    }

    if (ngx_http_ai_filter_headers(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


/* nginx is about to send an error page: ours takes its place */

static ngx_int_t
ngx_http_ai_filter_replace(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    if (ctx->error.status == 0
        && ngx_http_ai_error_core(r, &ctx->error, r->err_status) == NGX_ERROR)
    {
        return NGX_ERROR;
    }

    ctx->error.body = ngx_http_ai_error_body(r, &ctx->error);
    if (ctx->error.body.len == 0 && !ctx->error.raw) {
        return NGX_ERROR;
    }

    ctx->replaced = 1;

    /* $status and the access log read the second one */
    r->headers_out.status = ctx->error.status;
    r->err_status = ctx->error.status;
    r->headers_out.status_line.len = 0;

    ngx_str_set(&r->headers_out.content_type, "application/json");

    if (ctx->error.raw) {
        r->headers_out.content_type = ctx->error.content_type;
    }

    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    ngx_str_null(&r->headers_out.charset);

    ngx_http_clear_content_length(r);
    r->headers_out.content_length_n = ctx->error.body.len;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_filter_headers(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    u_char                 *p;
    ngx_str_t               value;
    ngx_http_ai_try_t      *try;
    ngx_http_ai_attempt_t  *at;

    static ngx_str_t  bearer = ngx_string("Bearer");

    if (ngx_http_ai_filter_add(r, "x-request-id",
                               sizeof("x-request-id") - 1, &ctx->id)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* Anthropic's SDKs look for it under their own name */

    if (ctx->facts.endpoint
        && ctx->facts.endpoint->dialect == NGX_HTTP_AI_DIALECT_ANTHROPIC
        && ngx_http_ai_filter_add(r, "request-id", sizeof("request-id") - 1,
                                  &ctx->id)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->error.status == NGX_HTTP_NOT_ALLOWED) {
        value.data = (u_char *) ngx_http_ai_endpoint_methods(
                         ctx->facts.endpoint ? ctx->facts.endpoint->methods
                                             : NGX_HTTP_AI_METHOD_POST);
        value.len = ngx_strlen(value.data);

        return ngx_http_ai_filter_add(r, "Allow", sizeof("Allow") - 1,
                                      &value);
    }

    if (ctx->error.status == NGX_HTTP_UNAUTHORIZED
        && r->headers_out.www_authenticate == NULL)
    {
        return ngx_http_ai_filter_add(r, "WWW-Authenticate",
                                      sizeof("WWW-Authenticate") - 1,
                                      &bearer);
    }

    /* a budget in total has no Retry-After, and yet SDKs are told: never */

    if (ctx->error.status
        && (ctx->attempt || ctx->error.retry_after
            || ctx->error.verdict == NGX_HTTP_AI_QUOTA_EXHAUSTED)
        && ngx_http_ai_filter_retry(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_ai_quota_headers(r, &ctx->quota) != NGX_OK) {
        return NGX_ERROR;
    }

    at = ctx->attempt;

    if (at == NULL || at->ntries == 0) {
        return NGX_OK;
    }

    try = &at->tries[at->ntries - 1];

    p = ngx_pnalloc(r->pool, NGX_INT_T_LEN + NGX_HTTP_AI_TRAIL_MAX);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;
    value.len = ngx_sprintf(p, "%ui", at->ntries) - p;

    if ((try->model->len
         && ngx_http_ai_filter_add(r, "x-ai-model", sizeof("x-ai-model") - 1,
                                   try->model)
            != NGX_OK)
        || ngx_http_ai_filter_add(r, "x-ai-account",
                                  sizeof("x-ai-account") - 1,
                                  &try->target->account->name)
           != NGX_OK
        || ngx_http_ai_filter_add(r, "x-ai-attempts",
                                  sizeof("x-ai-attempts") - 1, &value)
           != NGX_OK
        || ngx_http_ai_filter_add(r, "x-ai-fallback",
                                  sizeof("x-ai-fallback") - 1,
                                  ngx_http_ai_usage_fallback(at))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!ctx->policy->expose_trail) {
        return NGX_OK;
    }

    value.data = p + NGX_INT_T_LEN;
    value.len = ngx_http_ai_usage_trail(at, value.data, NGX_HTTP_AI_TRAIL_MAX)
                - value.data;

    return ngx_http_ai_filter_add(r, "x-ai-trail", sizeof("x-ai-trail") - 1,
                                  &value);
}


/*
 * Our attempts were the retries: an SDK would multiply them, unless it is
 * told to and when.
 */

static ngx_int_t
ngx_http_ai_filter_retry(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    u_char     *p;
    ngx_str_t   value;

    static ngx_str_t  yes = ngx_string("true");
    static ngx_str_t  no = ngx_string("false");

    if (ctx->error.retry_after) {

        p = ngx_pnalloc(r->pool, NGX_TIME_T_LEN);
        if (p == NULL) {
            return NGX_ERROR;
        }

        value.data = p;
        value.len = ngx_sprintf(p, "%T", ctx->error.retry_after) - p;

        if (ngx_http_ai_filter_add(r, "Retry-After",
                                   sizeof("Retry-After") - 1, &value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_ai_filter_add(r, "x-should-retry",
                                  sizeof("x-should-retry") - 1,
                                  ctx->error.retry ? &yes : &no);
}


static ngx_int_t
ngx_http_ai_filter_add(ngx_http_request_t *r, const char *name, size_t len,
    const ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = len;
    h->value = *value;
    ngx_http_ai_header_init(h);

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_int_t           rc;
    ngx_chain_t        *out;
    ngx_http_ai_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);

    if (ctx == NULL || in == NULL || r != r->main) {
        return ngx_http_next_body_filter(r, in);
    }

    if (ctx->meter) {
        ngx_http_ai_meter_body(r, ctx->meter, in);
        return ngx_http_next_body_filter(r, in);
    }

    if (ctx->replaced) {
        return ngx_http_ai_filter_error(r, ctx, in);
    }

    if (ctx->stream.mode == NGX_HTTP_AI_USAGE_SCAN_OFF) {
        return ngx_http_next_body_filter(r, in);
    }

    ctx->stream.progress = 0;

    if (ngx_http_ai_stream_filter(r, &ctx->stream, in, &out) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->stream.progress) {
        ngx_http_ai_attempt_progress(ctx->attempt, 1);
    }

    if (out == NULL) {
        /* all of it waits for the rest of its event */
        return NGX_OK;
    }

    rc = ngx_http_next_body_filter(r, out);

    ngx_http_ai_stream_sent(r, &ctx->stream, &out);

    return rc;
}


static ngx_int_t
ngx_http_ai_filter_error(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_chain_t *in)
{
    ngx_buf_t    *b;
    ngx_chain_t   out;

    /* the page that nginx made is taken as sent */

    for ( /* void */ ; in; in = in->next) {
        in->buf->pos = in->buf->last;
        in->buf->file_pos = in->buf->file_last;
    }

    if (ctx->error_sent) {
        return NGX_OK;
    }

    ctx->error_sent = 1;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = ctx->error.body.data;
    b->last = b->pos + ctx->error.body.len;
    b->start = b->pos;
    b->end = b->last;
    b->memory = (b->pos != b->last);
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_next_body_filter(r, &out);
}
