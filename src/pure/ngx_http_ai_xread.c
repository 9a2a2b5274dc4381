
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_xread.h"
#include "ngx_http_ai_resp.h"


static void ngx_http_ai_xread_id(ngx_http_ai_xread_t *x,
    const ngx_str_t *text);
static void ngx_http_ai_xread_name(ngx_http_ai_xread_t *x,
    const ngx_str_t *text);
static void ngx_http_ai_xread_value(ngx_http_ai_xread_t *x,
    const ngx_str_t *text);
static void ngx_http_ai_xread_over(ngx_http_ai_xread_t *x);
static const u_char *ngx_http_ai_xread_number(const u_char *p,
    const u_char *last, uint64_t *value);
static u_char *ngx_http_ai_xread_decimal(u_char *dst, uint64_t value);


void
ngx_http_ai_xread_init(ngx_http_ai_xread_t *x, const ngx_str_t *names,
    ngx_uint_t n, ngx_http_ai_xread_pt handler, void *data)
{
    ngx_memzero(x, sizeof(ngx_http_ai_xread_t));

    x->names = names;
    x->n = n;
    x->handler = handler;
    x->data = data;
}


size_t
ngx_http_ai_xread_command(const ngx_http_ai_xread_t *x, const ngx_str_t *key,
    ngx_uint_t count, ngx_uint_t block_ms, u_char *buf, size_t size)
{
    u_char              id[NGX_HTTP_AI_XREAD_ID];
    ngx_http_ai_resp_t  resp;

    ngx_http_ai_resp_init(&resp, buf, size);
    ngx_http_ai_resp_command(&resp, 8);

    ngx_http_ai_resp_literal(&resp, "XREAD");
    ngx_http_ai_resp_literal(&resp, "COUNT");
    ngx_http_ai_resp_uint(&resp, count);
    ngx_http_ai_resp_literal(&resp, "BLOCK");
    ngx_http_ai_resp_uint(&resp, block_ms);
    ngx_http_ai_resp_literal(&resp, "STREAMS");
    ngx_http_ai_resp_bulk(&resp, key->data, key->len);
    ngx_http_ai_resp_bulk(&resp, id,
                          ngx_http_ai_xread_print_id(id, &x->last) - id);

    return ngx_http_ai_resp_end(&resp);
}


void
ngx_http_ai_xread_begin(ngx_http_ai_xread_t *x,
    const ngx_http_ai_xread_id_t *from)
{
    x->last = *from;
    x->entries = 0;
    x->malformed = 0;
    x->open = 0;
}


void
ngx_http_ai_xread_text(ngx_http_ai_xread_t *x, const ngx_uint_t *at,
    ngx_uint_t depth, const ngx_str_t *text)
{
    /* of the one stream that was asked for, among its entries */

    if (depth < 4 || at[0] != 0 || at[1] != 1) {
        return;
    }

    if (depth == 4 && at[3] == 0) {
        ngx_http_ai_xread_id(x, text);
        return;
    }

    if (!x->open || depth != 5 || at[3] != 1) {
        return;
    }

    if (at[4] % 2 == 0) {
        ngx_http_ai_xread_name(x, text);

    } else {
        ngx_http_ai_xread_value(x, text);
    }
}


/* ids only grow, so a reply that does not get on is noticed at its end */

static void
ngx_http_ai_xread_id(ngx_http_ai_xread_t *x, const ngx_str_t *text)
{
    ngx_uint_t              i;
    ngx_http_ai_xread_id_t  id;

    ngx_http_ai_xread_over(x);

    if (ngx_http_ai_xread_parse_id(text, &id) != NGX_OK
        || id.ms < x->last.ms
        || (id.ms == x->last.ms && id.seq <= x->last.seq))
    {
        x->malformed++;
        return;
    }

    x->id = id;
    x->open = 1;
    x->bad = 0;
    x->field = x->n;

    for (i = 0; i < x->n; i++) {
        ngx_str_null(&x->values[i]);
    }
}


static void
ngx_http_ai_xread_name(ngx_http_ai_xread_t *x, const ngx_str_t *text)
{
    for (x->field = 0; x->field < x->n; x->field++) {
        if (x->names[x->field].len == text->len
            && ngx_memcmp(x->names[x->field].data, text->data, text->len) == 0)
        {
            return;
        }
    }
}


static void
ngx_http_ai_xread_value(ngx_http_ai_xread_t *x, const ngx_str_t *text)
{
    ngx_str_t  *value;

    if (x->field == x->n) {
        return;
    }

    value = &x->values[x->field];

    if (value->data || text->len > NGX_HTTP_AI_XREAD_VALUE) {
        x->bad = 1;
        return;
    }

    value->data = x->room[x->field];
    value->len = text->len;
    ngx_memcpy(value->data, text->data, text->len);

    x->field = x->n;
}


static void
ngx_http_ai_xread_over(ngx_http_ai_xread_t *x)
{
    if (!x->open) {
        return;
    }

    x->open = 0;
    x->last = x->id;
    x->entries++;

    if (x->bad) {
        x->malformed++;
        return;
    }

    x->handler(x->data, x->values);
}


ngx_int_t
ngx_http_ai_xread_end(ngx_http_ai_xread_t *x)
{
    ngx_http_ai_xread_over(x);

    return x->entries ? NGX_OK : NGX_DECLINED;
}


void
ngx_http_ai_xread_skip(ngx_http_ai_xread_t *x)
{
    x->bad = 1;

    ngx_http_ai_xread_over(x);
}


ngx_int_t
ngx_http_ai_xread_parse_id(const ngx_str_t *text, ngx_http_ai_xread_id_t *id)
{
    const u_char  *p, *last;

    p = text->data;
    last = p + text->len;

    p = ngx_http_ai_xread_number(p, last, &id->ms);

    if (p == NULL || p == last || *p++ != '-') {
        return NGX_DECLINED;
    }

    p = ngx_http_ai_xread_number(p, last, &id->seq);

    return p && p == last ? NGX_OK : NGX_DECLINED;
}


/* what is behind its digits; NULL: there are none, or too many */

static const u_char *
ngx_http_ai_xread_number(const u_char *p, const u_char *last, uint64_t *value)
{
    uint64_t       n;
    ngx_uint_t     digit;
    const u_char  *start;

    n = 0;

    for (start = p; p < last && *p >= '0' && *p <= '9'; p++) {

        digit = *p - '0';

        if (n > UINT64_MAX / 10
            || (n == UINT64_MAX / 10 && digit > UINT64_MAX % 10))
        {
            return NULL;
        }

        n = n * 10 + digit;
    }

    *value = n;

    return p > start ? p : NULL;
}


u_char *
ngx_http_ai_xread_print_id(u_char *dst, const ngx_http_ai_xread_id_t *id)
{
    dst = ngx_http_ai_xread_decimal(dst, id->ms);
    *dst++ = '-';

    return ngx_http_ai_xread_decimal(dst, id->seq);
}


static u_char *
ngx_http_ai_xread_decimal(u_char *dst, uint64_t value)
{
    u_char      digits[20];
    ngx_uint_t  n;

    n = sizeof(digits);

    do {
        digits[--n] = (u_char) ('0' + value % 10);
        value /= 10;
    } while (value);

    return ngx_cpymem(dst, digits + n, sizeof(digits) - n);
}
