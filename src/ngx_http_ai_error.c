
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_error.h"
#include "ngx_http_ai_request.h"
#include "pure/ngx_http_ai_json.h"


#define NGX_HTTP_AI_ERROR_MESSAGE  512


/* error.type by status: what the SDKs and the providers use */

typedef struct {
    ngx_uint_t                status;
    ngx_str_t                 type;
    ngx_str_t                 anthropic;
    const char               *code;
    const char               *message;
    ngx_http_ai_verdict_e     verdict;      /* for the record */
} ngx_http_ai_error_kind_t;


static ngx_http_ai_error_kind_t  ngx_http_ai_error_kinds[] = {

    { 400, ngx_string("invalid_request_error"),
      ngx_string("invalid_request_error"), "invalid_request_error",
      "the request is malformed",
      NGX_HTTP_AI_INVALID_REQUEST },

    { 401, ngx_string("invalid_request_error"),
      ngx_string("authentication_error"), "invalid_api_key",
      "the API key is missing or unknown",
      NGX_HTTP_AI_AUTH },

    { 403, ngx_string("invalid_request_error"),
      ngx_string("permission_error"), "model_not_allowed",
      "the request is not allowed",
      NGX_HTTP_AI_PERMISSION },

    { 404, ngx_string("invalid_request_error"),
      ngx_string("not_found_error"), "not_found",
      "there is no such resource",
      NGX_HTTP_AI_MODEL_NOT_FOUND },

    { 405, ngx_string("invalid_request_error"),
      ngx_string("invalid_request_error"), "method_not_allowed",
      "the method is not allowed here",
      NGX_HTTP_AI_INVALID_REQUEST },

    { 408, ngx_string("invalid_request_error"),
      ngx_string("invalid_request_error"), "request_timeout",
      "the request did not arrive in time",
      NGX_HTTP_AI_INVALID_REQUEST },

    { 411, ngx_string("invalid_request_error"),
      ngx_string("invalid_request_error"), "length_required",
      "the request needs a Content-Length",
      NGX_HTTP_AI_INVALID_REQUEST },

    { 413, ngx_string("invalid_request_error"),
      ngx_string("request_too_large"), "request_too_large",
      "the request body is larger than client_max_body_size",
      NGX_HTTP_AI_REQUEST_TOO_LARGE },

    { 415, ngx_string("invalid_request_error"),
      ngx_string("invalid_request_error"), "unsupported_media_type",
      "the media type is not supported",
      NGX_HTTP_AI_INVALID_REQUEST },

    { 429, ngx_string("requests"),
      ngx_string("rate_limit_error"), "rate_limit_exceeded",
      "too many requests",
      NGX_HTTP_AI_RATE_LIMIT },

    { 502, ngx_string("server_error"),
      ngx_string("api_error"), "upstream_error",
      "the upstream failed",
      NGX_HTTP_AI_SERVER_ERROR },

    { 503, ngx_string("server_error"),
      ngx_string("overloaded_error"), "no_target",
      "no target is available",
      NGX_HTTP_AI_OVERLOADED },

    { 504, ngx_string("server_error"),
      ngx_string("timeout_error"), "deadline_exceeded",
      "no answer in time",
      NGX_HTTP_AI_TIMEOUT },

    /* the last row serves every other status */

    { 500, ngx_string("server_error"),
      ngx_string("api_error"), "internal_error",
      "the gateway failed",
      NGX_HTTP_AI_SERVER_ERROR }
};


static ngx_http_ai_error_kind_t *ngx_http_ai_error_kind(ngx_uint_t status);
static ngx_http_ai_dialect_e ngx_http_ai_error_dialect(
    ngx_http_request_t *r);
static ngx_str_t ngx_http_ai_error_build(ngx_http_request_t *r,
    ngx_http_ai_error_t *error, const char *before, const char *after);


ngx_int_t
ngx_http_ai_error_set(ngx_http_request_t *r, ngx_http_ai_error_t *error,
    ngx_uint_t status, const char *code, const char *fmt, ...)
{
    u_char   *p, *last;
    va_list   args;

    p = ngx_pnalloc(r->pool, NGX_HTTP_AI_ERROR_MESSAGE);
    if (p == NULL) {
        return NGX_ERROR;
    }

    va_start(args, fmt);
    last = ngx_vslprintf(p, p + NGX_HTTP_AI_ERROR_MESSAGE, fmt, args);
    va_end(args);

    error->status = status;
    error->type = ngx_http_ai_error_kind(status)->type;
    error->code.data = (u_char *) code;
    error->code.len = ngx_strlen(code);
    error->message.data = p;
    error->message.len = last - p;

    if (error->verdict == NGX_HTTP_AI_OK) {
        error->verdict = ngx_http_ai_error_kind(status)->verdict;
    }

    return (ngx_int_t) status;
}


ngx_int_t
ngx_http_ai_error_core(ngx_http_request_t *r, ngx_http_ai_error_t *error,
    ngx_uint_t status)
{
    ngx_http_ai_error_kind_t  *kind;

    kind = ngx_http_ai_error_kind(status);

    return ngx_http_ai_error_set(r, error, status, kind->code, "%s",
                                 kind->message);
}


static ngx_http_ai_error_kind_t *
ngx_http_ai_error_kind(ngx_uint_t status)
{
    ngx_uint_t  i, n;

    n = sizeof(ngx_http_ai_error_kinds) / sizeof(ngx_http_ai_error_kind_t);

    for (i = 0; i < n - 1; i++) {
        if (ngx_http_ai_error_kinds[i].status == status) {
            break;
        }
    }

    if (i == n - 1 && status >= 400 && status < 500) {
        return &ngx_http_ai_error_kinds[0];
    }

    return &ngx_http_ai_error_kinds[i];
}


static ngx_http_ai_dialect_e
ngx_http_ai_error_dialect(ngx_http_request_t *r)
{
    ngx_http_ai_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);

    if (ctx == NULL || ctx->facts.endpoint == NULL) {
        return NGX_HTTP_AI_DIALECT_OPENAI;
    }

    return ctx->facts.endpoint->dialect;
}


ngx_str_t
ngx_http_ai_error_body(ngx_http_request_t *r, ngx_http_ai_error_t *error)
{
    if (error->raw) {
        return error->body;
    }

    if (ngx_http_ai_error_dialect(r) == NGX_HTTP_AI_DIALECT_ANTHROPIC) {
        return ngx_http_ai_error_build(r, error, "{\"type\":\"error\",", "}");
    }

    return ngx_http_ai_error_build(r, error, "{", "}");
}


ngx_str_t
ngx_http_ai_error_event(ngx_http_request_t *r, ngx_http_ai_error_t *error)
{
    /* the empty line first: the last event may have been cut in the middle */

    switch (ngx_http_ai_error_dialect(r)) {

    case NGX_HTTP_AI_DIALECT_ANTHROPIC:
        return ngx_http_ai_error_build(r, error,
                   "\n\nevent: error\ndata: {\"type\":\"error\",", "}\n\n");

    case NGX_HTTP_AI_DIALECT_RESPONSES:
        return ngx_http_ai_error_build(r, error,
                   "\n\nevent: error\ndata: {\"type\":\"error\",", "}\n\n");

    default: /* NGX_HTTP_AI_DIALECT_OPENAI */
        return ngx_http_ai_error_build(r, error, "\n\ndata: {", "}\n\n");
    }
}


/*
 * OpenAI:     {"error":{"message","type","param","code"},"request_id"}
 * Anthropic:  {"type":"error","error":{"type","message"},"request_id"}
 */

static ngx_str_t
ngx_http_ai_error_build(ngx_http_request_t *r, ngx_http_ai_error_t *error,
    const char *before, const char *after)
{
    u_char             *p;
    size_t              len;
    ngx_str_t           body, *type;
    ngx_uint_t          anthropic;
    ngx_http_ai_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);

    anthropic = ngx_http_ai_error_dialect(r)
                == NGX_HTTP_AI_DIALECT_ANTHROPIC;

    type = anthropic ? &ngx_http_ai_error_kind(error->status)->anthropic
                     : &error->type;

    len = ngx_strlen(before) + ngx_strlen(after)
          + sizeof("\"error\":{\"message\":\"\",\"type\":\"\",\"param\":\"\","
                   "\"code\":\"\"},\"request_id\":\"\"")
          + ngx_http_ai_json_escape_len(error->message.data,
                                        error->message.len)
          + ngx_http_ai_json_escape_len(error->param.data, error->param.len)
          + type->len + error->code.len + ctx->id.len + sizeof("null");

    ngx_str_null(&body);

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return body;
    }

    body.data = p;

    p = ngx_cpymem(p, before, ngx_strlen(before));
    p = ngx_sprintf(p, "\"error\":{\"message\":\"");
    p = ngx_http_ai_json_escape(p, error->message.data, error->message.len);
    p = ngx_sprintf(p, "\",\"type\":\"%V\"", type);

    if (!anthropic) {

        if (error->param.len) {
            p = ngx_sprintf(p, ",\"param\":\"");
            p = ngx_http_ai_json_escape(p, error->param.data,
                                        error->param.len);
            *p++ = '"';

        } else {
            p = ngx_sprintf(p, ",\"param\":null");
        }

        p = ngx_sprintf(p, ",\"code\":\"%V\"", &error->code);
    }

    p = ngx_sprintf(p, "},\"request_id\":\"%V\"", &ctx->id);
    p = ngx_cpymem(p, after, ngx_strlen(after));

    body.len = p - body.data;

    return body;
}


ngx_int_t
ngx_http_ai_error_send(ngx_http_request_t *r)
{
    ngx_int_t           rc;
    ngx_buf_t          *b;
    ngx_str_t           body;
    ngx_chain_t         out;
    ngx_http_ai_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);

    body = ngx_http_ai_error_body(r, &ctx->error);

    b = ngx_calloc_buf(r->pool);
    if (b == NULL || body.len == 0) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = ctx->error.status;
    r->headers_out.content_length_n = body.len;
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b->pos = body.data;
    b->last = body.data + body.len;
    b->start = b->pos;
    b->end = b->last;
    b->memory = 1;
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
