
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_ids.h"


static ngx_uint_t ngx_http_ai_ids_named(const u_char *start,
    const u_char *quote);
static const u_char *ngx_http_ai_ids_value(const u_char *p,
    const u_char *last, ngx_str_t *id);
static const u_char *ngx_http_ai_ids_space(const u_char *p,
    const u_char *last);
static ngx_uint_t ngx_http_ai_ids_sane(u_char ch);


ngx_int_t
ngx_http_ai_ids_next(const u_char **pos, const u_char *last, ngx_str_t *id)
{
    const u_char  *p, *start, *next;

    start = *pos;

    for (p = start; p < last; p++) {

        p = memchr(p, '"', last - p);

        if (p == NULL) {
            break;
        }

        if (!ngx_http_ai_ids_named(start, p)) {
            continue;
        }

        next = ngx_http_ai_ids_value(p + 1, last, id);

        if (next) {
            *pos = next;
            return NGX_OK;
        }
    }

    *pos = last;

    return NGX_DONE;
}


/* what ends at this quote */

static ngx_uint_t
ngx_http_ai_ids_named(const u_char *start, const u_char *quote)
{
    ngx_uint_t  i;

    static const ngx_str_t  ends[] = {
        ngx_string("id"),
        ngx_string("ids"),
        ngx_string("conversation")
    };

    for (i = 0; i < sizeof(ends) / sizeof(ngx_str_t); i++) {

        if ((size_t) (quote - start) >= ends[i].len
            && ngx_memcmp(quote - ends[i].len, ends[i].data, ends[i].len)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* ": "value"", or ": ["value""; where it ends, or NULL */

static const u_char *
ngx_http_ai_ids_value(const u_char *p, const u_char *last, ngx_str_t *id)
{
    p = ngx_http_ai_ids_space(p, last);

    if (p == last || *p++ != ':') {
        return NULL;
    }

    p = ngx_http_ai_ids_space(p, last);

    if (p < last && *p == '[') {
        p = ngx_http_ai_ids_space(p + 1, last);
    }

    if (p == last || *p++ != '"') {
        return NULL;
    }

    id->data = (u_char *) p;

    while (p < last && ngx_http_ai_ids_sane(*p)) {
        p++;
    }

    id->len = p - id->data;

    if (p == last || *p != '"' || id->len < NGX_HTTP_AI_IDS_MIN
        || id->len > NGX_HTTP_AI_IDS_MAX)
    {
        return NULL;
    }

    return p + 1;
}


static const u_char *
ngx_http_ai_ids_space(const u_char *p, const u_char *last)
{
    while (p < last && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')) {
        p++;
    }

    return p;
}


static ngx_uint_t
ngx_http_ai_ids_sane(u_char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
           || (ch >= '0' && ch <= '9') || ch == '_' || ch == '-' || ch == '.';
}
