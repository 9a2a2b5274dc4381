
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_status_reply.h"
#include "ngx_http_ai_compat.h"
#include "pure/ngx_http_ai_json.h"


#define NGX_HTTP_AI_STATUS_MESSAGE  512


static ngx_int_t ngx_http_ai_status_head(ngx_http_request_t *r,
    ngx_uint_t status, off_t size, const ngx_str_t *type);


ngx_int_t
ngx_http_ai_status_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *code, const char *fmt, ...)
{
    u_char                 message[NGX_HTTP_AI_STATUS_MESSAGE];
    va_list                args;
    ngx_str_t              text;
    ngx_http_ai_writer_t   w;

    va_start(args, fmt);
    text.data = message;
    text.len = ngx_vslprintf(message, message + sizeof(message), fmt, args)
               - message;
    va_end(args);

    ngx_http_ai_writer_init(&w, r->pool);

    ngx_http_ai_writer_open(&w, NULL, '{');
    ngx_http_ai_writer_open(&w, "error", '{');
    ngx_http_ai_writer_str(&w, "message", &text);
    ngx_http_ai_writer_cstr(&w, "type", "invalid_request_error");
    ngx_http_ai_writer_null(&w, "param");
    ngx_http_ai_writer_cstr(&w, "code", code);
    ngx_http_ai_writer_close(&w, '}');
    ngx_http_ai_writer_close(&w, '}');

    return ngx_http_ai_status_answer(r, status, &w);
}


ngx_int_t
ngx_http_ai_status_full(ngx_http_request_t *r)
{
    return ngx_http_ai_status_error(r, NGX_HTTP_INSUFFICIENT_STORAGE,
               "zone_full", "the shared zone has no room to remember this, "
               "increase the size in \"ai_zone\"");
}


ngx_int_t
ngx_http_ai_status_no_zone(ngx_http_request_t *r)
{
    return ngx_http_ai_status_error(r, NGX_HTTP_NOT_FOUND, "no_zone",
               "there is nothing to be seen: no location has \"ai_pass\"");
}


ngx_int_t
ngx_http_ai_status_answer(ngx_http_request_t *r, ngx_uint_t status,
    ngx_http_ai_writer_t *w)
{
    static const ngx_str_t  json = ngx_string("application/json");

    return ngx_http_ai_status_send(r, status, w, &json);
}


ngx_int_t
ngx_http_ai_status_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_http_ai_writer_t *w, const ngx_str_t *type)
{
    ngx_int_t  rc;

    if (w->failed || w->buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_ai_status_head(r, status, w->size, type);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    w->buf->last_buf = (r == r->main);
    w->buf->last_in_chain = 1;

    return ngx_http_output_filter(r, w->out);
}


static ngx_int_t
ngx_http_ai_status_head(ngx_http_request_t *r, ngx_uint_t status, off_t size,
    const ngx_str_t *type)
{
    u_char  *p;

    p = ngx_strlchr(type->data, type->data + type->len, ';');

    r->headers_out.status = status;
    r->headers_out.content_length_n = size;
    r->headers_out.content_type = *type;

    /* without parameters: it is looked for in gzip_types */
    r->headers_out.content_type_len = p ? (size_t) (p - type->data)
                                        : type->len;

    if (ngx_http_ai_status_header(r, "Cache-Control", "no-store") != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_send_header(r);
}


ngx_int_t
ngx_http_ai_status_header(ngx_http_request_t *r, const char *name,
    const char *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.data = (u_char *) value;
    h->value.len = ngx_strlen(value);
    ngx_http_ai_header_init(h);

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_status_arg(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    u_char  *src, *dst;

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), value) != NGX_OK) {
        ngx_str_null(value);
        return NGX_DECLINED;
    }

    if (value->len == 0) {
        return NGX_OK;
    }

    dst = ngx_pnalloc(r->pool, value->len);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    src = value->data;
    value->data = dst;
    ngx_unescape_uri(&dst, &src, value->len, 0);
    value->len = dst - value->data;

    return NGX_OK;
}
