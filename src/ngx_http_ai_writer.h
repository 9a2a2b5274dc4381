
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Text of any length, and JSON, written piece by piece into buffers of a
 * request's pool.  What memory is missing for is remembered, so that only the
 * end is to be checked.
 *
 *     ngx_http_ai_writer_init(&w, r->pool);
 *     ngx_http_ai_writer_open(&w, NULL, '{');
 *     ngx_http_ai_writer_str(&w, "name", &account->name);
 *     ngx_http_ai_writer_open(&w, "models", '[');
 *     ...
 *     ngx_http_ai_writer_close(&w, ']');
 *     ngx_http_ai_writer_close(&w, '}');
 *     return ngx_http_ai_status_answer(r, NGX_HTTP_OK, &w);
 *
 * Names are literals and need no escapes; NULL for an element of a list.  It
 * allocates, hence never under the zone's lock.
 */


#ifndef _NGX_HTTP_AI_WRITER_H_INCLUDED_
#define _NGX_HTTP_AI_WRITER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* stands for null */
#define NGX_HTTP_AI_WRITER_NULL  INT64_MIN


typedef struct {
    ngx_pool_t     *pool;
    ngx_chain_t    *out;
    ngx_chain_t   **last;
    ngx_buf_t      *buf;               /* being filled; NULL: none */
    off_t           size;              /* of all */
    unsigned        comma:1;           /* is due before the next value */
    unsigned        failed:1;          /* there was no memory */
} ngx_http_ai_writer_t;


void ngx_http_ai_writer_init(ngx_http_ai_writer_t *w, ngx_pool_t *pool);

/* bytes as they are, without a comma */
void ngx_http_ai_writer_raw(ngx_http_ai_writer_t *w, const u_char *p,
    size_t len);

/* bytes that outlast the request: they are not copied */
void ngx_http_ai_writer_static(ngx_http_ai_writer_t *w, const u_char *p,
    size_t len);

#define ngx_http_ai_writer_text(w, s)                                         \
    ngx_http_ai_writer_raw(w, (const u_char *) s, sizeof(s) - 1)

/* the same by ngx_slprintf(); more than 1024 bytes are cut */
void ngx_http_ai_writer_print(ngx_http_ai_writer_t *w, const char *fmt, ...);

/* bracket is { or [ */
void ngx_http_ai_writer_open(ngx_http_ai_writer_t *w, const char *name,
    u_char bracket);

/* bracket is } or ] */
void ngx_http_ai_writer_close(ngx_http_ai_writer_t *w, u_char bracket);

/* NULL: null; invalid UTF-8 becomes U+FFFD */
void ngx_http_ai_writer_str(ngx_http_ai_writer_t *w, const char *name,
    const ngx_str_t *value);

/* an empty string is null, too */
void ngx_http_ai_writer_word(ngx_http_ai_writer_t *w, const char *name,
    const ngx_str_t *value);

void ngx_http_ai_writer_cstr(ngx_http_ai_writer_t *w, const char *name,
    const char *value);

/* NGX_HTTP_AI_WRITER_NULL: null */
void ngx_http_ai_writer_int(ngx_http_ai_writer_t *w, const char *name,
    int64_t value);

/* the same of thousandths: 12.5 for 12500 */
void ngx_http_ai_writer_milli(ngx_http_ai_writer_t *w, const char *name,
    int64_t value);

void ngx_http_ai_writer_bool(ngx_http_ai_writer_t *w, const char *name,
    ngx_uint_t value);

void ngx_http_ai_writer_null(ngx_http_ai_writer_t *w, const char *name);


#endif /* _NGX_HTTP_AI_WRITER_H_INCLUDED_ */
