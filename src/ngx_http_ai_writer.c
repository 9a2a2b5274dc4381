
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_writer.h"
#include "pure/ngx_http_ai_json.h"


#define NGX_HTTP_AI_WRITER_BUFFER  8192
#define NGX_HTTP_AI_WRITER_PRINT   1024


static void ngx_http_ai_writer_add(ngx_http_ai_writer_t *w, ngx_buf_t *b);
static u_char *ngx_http_ai_writer_room(ngx_http_ai_writer_t *w, size_t len);
static void ngx_http_ai_writer_name(ngx_http_ai_writer_t *w,
    const char *name);


void
ngx_http_ai_writer_init(ngx_http_ai_writer_t *w, ngx_pool_t *pool)
{
    ngx_memzero(w, sizeof(ngx_http_ai_writer_t));

    w->pool = pool;
    w->last = &w->out;
}


/* b is NULL where there was no memory for it */

static void
ngx_http_ai_writer_add(ngx_http_ai_writer_t *w, ngx_buf_t *b)
{
    ngx_chain_t  *cl;

    cl = b ? ngx_alloc_chain_link(w->pool) : NULL;

    if (cl == NULL) {
        w->failed = 1;
        return;
    }

    cl->buf = b;
    cl->next = NULL;

    *w->last = cl;
    w->last = &cl->next;
    w->buf = b;
}


/* len bytes in a row; NULL: no memory */

static u_char *
ngx_http_ai_writer_room(ngx_http_ai_writer_t *w, size_t len)
{
    if (w->failed) {
        return NULL;
    }

    if (w->buf && (size_t) (w->buf->end - w->buf->last) >= len) {
        return w->buf->last;
    }

    ngx_http_ai_writer_add(w, ngx_create_temp_buf(w->pool,
                                  ngx_max(len, NGX_HTTP_AI_WRITER_BUFFER)));

    return w->failed ? NULL : w->buf->last;
}


void
ngx_http_ai_writer_static(ngx_http_ai_writer_t *w, const u_char *p,
    size_t len)
{
    ngx_buf_t  *b;

    if (w->failed) {
        return;
    }

    b = ngx_calloc_buf(w->pool);

    if (b) {
        b->start = (u_char *) p;
        b->pos = b->start;
        b->last = b->start + len;
        b->end = b->last;
        b->memory = 1;
    }

    ngx_http_ai_writer_add(w, b);

    w->size += len;
}


void
ngx_http_ai_writer_raw(ngx_http_ai_writer_t *w, const u_char *data,
    size_t len)
{
    u_char  *p;

    p = ngx_http_ai_writer_room(w, len);

    if (p) {
        w->buf->last = ngx_cpymem(p, data, len);
        w->size += len;
    }
}


void
ngx_http_ai_writer_print(ngx_http_ai_writer_t *w, const char *fmt, ...)
{
    u_char   *p;
    va_list   args;

    p = ngx_http_ai_writer_room(w, NGX_HTTP_AI_WRITER_PRINT);

    if (p == NULL) {
        return;
    }

    va_start(args, fmt);
    w->buf->last = ngx_vslprintf(p, p + NGX_HTTP_AI_WRITER_PRINT, fmt, args);
    va_end(args);

    w->size += w->buf->last - p;
}


void
ngx_http_ai_writer_open(ngx_http_ai_writer_t *w, const char *name,
    u_char bracket)
{
    ngx_http_ai_writer_name(w, name);
    ngx_http_ai_writer_raw(w, &bracket, 1);

    w->comma = 0;
}


void
ngx_http_ai_writer_close(ngx_http_ai_writer_t *w, u_char bracket)
{
    ngx_http_ai_writer_raw(w, &bracket, 1);

    w->comma = 1;
}


static void
ngx_http_ai_writer_name(ngx_http_ai_writer_t *w, const char *name)
{
    if (w->comma) {
        ngx_http_ai_writer_text(w, ",");
    }

    if (name) {
        ngx_http_ai_writer_text(w, "\"");
        ngx_http_ai_writer_raw(w, (const u_char *) name, ngx_strlen(name));
        ngx_http_ai_writer_text(w, "\":");
    }

    w->comma = 1;
}


void
ngx_http_ai_writer_str(ngx_http_ai_writer_t *w, const char *name,
    const ngx_str_t *value)
{
    u_char  *p;
    size_t   len;

    if (value == NULL) {
        ngx_http_ai_writer_null(w, name);
        return;
    }

    ngx_http_ai_writer_name(w, name);
    ngx_http_ai_writer_text(w, "\"");

    len = ngx_http_ai_json_escape_len(value->data, value->len);
    p = ngx_http_ai_writer_room(w, len);

    if (p) {
        w->buf->last = ngx_http_ai_json_escape(p, value->data, value->len);
        w->size += w->buf->last - p;
    }

    ngx_http_ai_writer_text(w, "\"");
}


void
ngx_http_ai_writer_word(ngx_http_ai_writer_t *w, const char *name,
    const ngx_str_t *value)
{
    ngx_http_ai_writer_str(w, name, value && value->len ? value : NULL);
}


void
ngx_http_ai_writer_cstr(ngx_http_ai_writer_t *w, const char *name,
    const char *value)
{
    ngx_str_t  s;

    s.data = (u_char *) value;
    s.len = ngx_strlen(value);

    ngx_http_ai_writer_str(w, name, &s);
}


void
ngx_http_ai_writer_int(ngx_http_ai_writer_t *w, const char *name,
    int64_t value)
{
    if (value == NGX_HTTP_AI_WRITER_NULL) {
        ngx_http_ai_writer_null(w, name);
        return;
    }

    ngx_http_ai_writer_name(w, name);
    ngx_http_ai_writer_print(w, "%L", value);
}


void
ngx_http_ai_writer_milli(ngx_http_ai_writer_t *w, const char *name,
    int64_t value)
{
    uint64_t  milli;

    if (value == NGX_HTTP_AI_WRITER_NULL) {
        ngx_http_ai_writer_null(w, name);
        return;
    }

    milli = value < 0 ? -(uint64_t) value : (uint64_t) value;

    ngx_http_ai_writer_name(w, name);
    ngx_http_ai_writer_print(w, "%s%uL.%03uL", value < 0 ? "-" : "",
                             milli / 1000, milli % 1000);
}


void
ngx_http_ai_writer_bool(ngx_http_ai_writer_t *w, const char *name,
    ngx_uint_t value)
{
    ngx_http_ai_writer_name(w, name);

    if (value) {
        ngx_http_ai_writer_text(w, "true");

    } else {
        ngx_http_ai_writer_text(w, "false");
    }
}


void
ngx_http_ai_writer_null(ngx_http_ai_writer_t *w, const char *name)
{
    ngx_http_ai_writer_name(w, name);
    ngx_http_ai_writer_text(w, "null");
}
