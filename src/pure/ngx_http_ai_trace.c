
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_trace.h"


#define NGX_HTTP_AI_TRACE_KEY    256
#define NGX_HTTP_AI_TRACE_VALUE  256


static ngx_int_t ngx_http_ai_trace_hex(const u_char *p, size_t n);
static ngx_int_t ngx_http_ai_trace_digit(u_char c);
static ngx_uint_t ngx_http_ai_trace_zero(const u_char *p, size_t n);
static ngx_uint_t ngx_http_ai_trace_member(const u_char *p,
    const u_char *last);
static ngx_uint_t ngx_http_ai_trace_key(const u_char *p, const u_char *last);
static ngx_uint_t ngx_http_ai_trace_value(const u_char *p,
    const u_char *last);


/* 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 */

ngx_int_t
ngx_http_ai_trace_parse(ngx_http_ai_trace_t *trace, const u_char *p,
    size_t len)
{
    ngx_int_t      version, flags;
    const u_char  *id, *parent;

    if (len < NGX_HTTP_AI_TRACE_LEN) {
        return NGX_DECLINED;
    }

    id = p + 3;
    parent = id + NGX_HTTP_AI_TRACE_ID + 1;

    version = ngx_http_ai_trace_hex(p, 2);
    flags = ngx_http_ai_trace_hex(parent + NGX_HTTP_AI_TRACE_PARENT + 1, 2);

    if (version < 0 || version == 0xff || flags < 0
        || p[2] != '-' || id[NGX_HTTP_AI_TRACE_ID] != '-'
        || parent[NGX_HTTP_AI_TRACE_PARENT] != '-')
    {
        return NGX_DECLINED;
    }

    if (len > NGX_HTTP_AI_TRACE_LEN
        && (version == 0 || p[NGX_HTTP_AI_TRACE_LEN] != '-'))
    {
        return NGX_DECLINED;
    }

    if (ngx_http_ai_trace_hex(id, NGX_HTTP_AI_TRACE_ID) < 0
        || ngx_http_ai_trace_hex(parent, NGX_HTTP_AI_TRACE_PARENT) < 0
        || ngx_http_ai_trace_zero(id, NGX_HTTP_AI_TRACE_ID)
        || ngx_http_ai_trace_zero(parent, NGX_HTTP_AI_TRACE_PARENT))
    {
        return NGX_DECLINED;
    }

    ngx_memcpy(trace->id, id, NGX_HTTP_AI_TRACE_ID);
    trace->flags = flags & (NGX_HTTP_AI_TRACE_SAMPLED
                            |NGX_HTTP_AI_TRACE_RANDOM);

    return NGX_OK;
}


/* the last two digits as a number; -1: not all are lowercase hex digits */

static ngx_int_t
ngx_http_ai_trace_hex(const u_char *p, size_t n)
{
    size_t     i;
    ngx_int_t  digit, value;

    value = 0;

    for (i = 0; i < n; i++) {
        digit = ngx_http_ai_trace_digit(p[i]);

        if (digit < 0) {
            return -1;
        }

        value = (value << 4 | digit) & 0xff;
    }

    return value;
}


static ngx_int_t
ngx_http_ai_trace_digit(u_char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


static ngx_uint_t
ngx_http_ai_trace_zero(const u_char *p, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (p[i] != '0') {
            return 0;
        }
    }

    return 1;
}


u_char *
ngx_http_ai_trace_write(u_char *p, const ngx_http_ai_trace_t *trace,
    const u_char *parent)
{
    p = ngx_cpymem(p, "00-", sizeof("00-") - 1);
    p = ngx_cpymem(p, trace->id, NGX_HTTP_AI_TRACE_ID);
    *p++ = '-';
    p = ngx_cpymem(p, parent, NGX_HTTP_AI_TRACE_PARENT);
    *p++ = '-';
    *p++ = '0';
    *p++ = '0' + trace->flags;

    return p;
}


ngx_int_t
ngx_http_ai_trace_state_add(ngx_http_ai_trace_state_t *state,
    const u_char *p, size_t len)
{
    size_t         n;
    const u_char  *last, *start, *end;

    for (last = p + len; p < last; p++) {

        for (start = p; p < last && *p != ','; p++) { /* void */ }

        end = p;

        while (start < end && (*start == ' ' || *start == '\t')) {
            start++;
        }

        while (start < end && (end[-1] == ' ' || end[-1] == '\t')) {
            end--;
        }

        n = end - start;

        if (n == 0) {
            continue;
        }

        if (state->members == NGX_HTTP_AI_TRACE_MEMBERS
            || n + (state->len != 0) > NGX_HTTP_AI_TRACE_STATE - state->len
            || !ngx_http_ai_trace_member(start, end))
        {
            return NGX_DECLINED;
        }

        if (state->len) {
            state->data[state->len++] = ',';
        }

        ngx_memcpy(state->data + state->len, start, n);
        state->len += n;
        state->members++;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_ai_trace_member(const u_char *p, const u_char *last)
{
    const u_char  *equal;

    for (equal = p; equal < last && *equal != '='; equal++) { /* void */ }

    return equal < last
           && ngx_http_ai_trace_key(p, equal)
           && ngx_http_ai_trace_value(equal + 1, last);
}


static ngx_uint_t
ngx_http_ai_trace_key(const u_char *p, const u_char *last)
{
    const u_char  *start;

    if (p == last || last - p > NGX_HTTP_AI_TRACE_KEY) {
        return 0;
    }

    for (start = p; p < last; p++) {

        if ((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9')) {
            continue;
        }

        if (p == start || *p == '\0' || strchr("_-*/@", *p) == NULL) {
            return 0;
        }
    }

    return 1;
}


/* printable, without a comma or another "=" */

static ngx_uint_t
ngx_http_ai_trace_value(const u_char *p, const u_char *last)
{
    if (p == last || last - p > NGX_HTTP_AI_TRACE_VALUE) {
        return 0;
    }

    for ( /* void */ ; p < last; p++) {
        if (*p < 0x20 || *p > 0x7e || *p == '=') {
            return 0;
        }
    }

    return 1;
}
