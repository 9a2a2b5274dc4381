
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_state.h"


#define NGX_HTTP_AI_STATE_HEAD  (sizeof("v1 ffffffff ") - 1)


static uint32_t ngx_http_ai_state_crc(const u_char *p, size_t n);
static u_char *ngx_http_ai_state_number(u_char *p, int64_t value);
static ngx_int_t ngx_http_ai_state_hex(const u_char *p, ngx_uint_t n,
    uint32_t *value);
static ngx_int_t ngx_http_ai_state_word(u_char **p, u_char *last,
    ngx_str_t *word);
static ngx_int_t ngx_http_ai_state_int(u_char **p, u_char *last,
    int64_t *value);
static ngx_int_t ngx_http_ai_state_kind(u_char **p, u_char *last,
    ngx_http_ai_state_kind_e *kind);
static ngx_int_t ngx_http_ai_state_per(u_char **p, u_char *last,
    ngx_http_ai_budget_per_e *per);
static ngx_int_t ngx_http_ai_state_name(u_char *p, u_char *last,
    ngx_str_t *name);


static const u_char  ngx_http_ai_state_digits[] = "0123456789abcdef";

static const ngx_str_t  ngx_http_ai_state_kinds[] = {
    ngx_null_string,
    ngx_string("key"),
    ngx_string("account")
};


/* bit by bit: a table is not worth its cache for some lines a minute */

static uint32_t
ngx_http_ai_state_crc(const u_char *p, size_t n)
{
    uint32_t    crc;
    ngx_uint_t  i;

    crc = 0xffffffff;

    while (n--) {
        crc ^= *p++;

        for (i = 0; i < 8; i++) {
            crc = (crc >> 1) ^ (0xedb88320 & (0 - (crc & 1)));
        }
    }

    return ~crc;
}


static u_char *
ngx_http_ai_state_number(u_char *p, int64_t value)
{
    u_char    buf[20], *d;
    uint64_t  n;

    n = (value > 0) ? (uint64_t) value : 0;
    d = buf + sizeof(buf);

    do {
        *--d = '0' + n % 10;
        n /= 10;
    } while (n);

    *p++ = ' ';

    return ngx_cpymem(p, d, buf + sizeof(buf) - d);
}


u_char *
ngx_http_ai_state_format(u_char *p, const ngx_http_ai_state_line_t *line)
{
    size_t            i;
    u_char           *start, c;
    uint32_t          crc;
    ngx_uint_t        shift;
    const ngx_str_t  *word;

    start = p;
    p += NGX_HTTP_AI_STATE_HEAD;

    word = &ngx_http_ai_state_kinds[line->kind];
    p = ngx_cpymem(p, word->data, word->len);
    *p++ = ' ';

    word = ngx_http_ai_budget_per_name(line->per);
    p = ngx_cpymem(p, word->data, word->len);

    p = ngx_http_ai_state_number(p, line->period);
    p = ngx_http_ai_state_number(p, line->spent_nanousd);
    *p++ = ' ';

    for (i = 0; i < line->name.len; i++) {
        c = line->name.data[i];

        if (c > 0x20 && c < 0x7f && c != '%') {
            *p++ = c;
            continue;
        }

        *p++ = '%';
        *p++ = ngx_http_ai_state_digits[c >> 4];
        *p++ = ngx_http_ai_state_digits[c & 15];
    }

    crc = ngx_http_ai_state_crc(start + NGX_HTTP_AI_STATE_HEAD,
                                p - start - NGX_HTTP_AI_STATE_HEAD);

    start = ngx_cpymem(start, "v1 ", 3);

    for (shift = 32; shift; shift -= 4) {
        *start++ = ngx_http_ai_state_digits[(crc >> (shift - 4)) & 15];
    }

    *start = ' ';
    *p++ = '\n';

    return p;
}


static ngx_int_t
ngx_http_ai_state_hex(const u_char *p, ngx_uint_t n, uint32_t *value)
{
    const u_char  *digit;

    for (*value = 0; n; n--, p++) {
        digit = memchr(ngx_http_ai_state_digits, *p, 16);

        if (digit == NULL) {
            return NGX_DECLINED;
        }

        *value = (*value << 4) | (uint32_t) (digit - ngx_http_ai_state_digits);
    }

    return NGX_OK;
}


/* up to a blank, which must be there and is passed */

static ngx_int_t
ngx_http_ai_state_word(u_char **p, u_char *last, ngx_str_t *word)
{
    u_char  *blank;

    blank = (*p < last) ? memchr(*p, ' ', last - *p) : NULL;

    if (blank == NULL) {
        return NGX_DECLINED;
    }

    word->data = *p;
    word->len = blank - *p;
    *p = blank + 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_state_int(u_char **p, u_char *last, int64_t *value)
{
    size_t     i;
    int64_t    n;
    ngx_str_t  word;

    if (ngx_http_ai_state_word(p, last, &word) != NGX_OK || word.len == 0) {
        return NGX_DECLINED;
    }

    n = 0;

    for (i = 0; i < word.len; i++) {
        if (word.data[i] < '0' || word.data[i] > '9'
            || n > (INT64_MAX - (word.data[i] - '0')) / 10)
        {
            return NGX_DECLINED;
        }

        n = n * 10 + (word.data[i] - '0');
    }

    *value = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_state_kind(u_char **p, u_char *last,
    ngx_http_ai_state_kind_e *kind)
{
    ngx_str_t         word;
    ngx_uint_t        i;
    const ngx_str_t  *row;

    if (ngx_http_ai_state_word(p, last, &word) != NGX_OK) {
        return NGX_DECLINED;
    }

    for (i = NGX_HTTP_AI_STATE_KEY; i <= NGX_HTTP_AI_STATE_ACCOUNT; i++) {
        row = &ngx_http_ai_state_kinds[i];

        if (word.len == row->len
            && ngx_memcmp(word.data, row->data, row->len) == 0)
        {
            *kind = (ngx_http_ai_state_kind_e) i;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_ai_state_per(u_char **p, u_char *last, ngx_http_ai_budget_per_e *per)
{
    ngx_str_t  word;

    if (ngx_http_ai_state_word(p, last, &word) != NGX_OK
        || ngx_http_ai_budget_per(word.data, word.len, per) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_state_name(u_char *p, u_char *last, ngx_str_t *name)
{
    u_char    *d;
    uint32_t   byte;

    name->data = p;

    for (d = p; p < last; p++) {
        if (*p <= 0x20 || *p >= 0x7f) {
            return NGX_DECLINED;
        }

        if (*p != '%') {
            *d++ = *p;
            continue;
        }

        if (last - p < 3
            || ngx_http_ai_state_hex(p + 1, 2, &byte) != NGX_OK)
        {
            return NGX_DECLINED;
        }

        *d++ = (u_char) byte;
        p += 2;
    }

    name->len = d - name->data;

    return name->len ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_http_ai_state_parse(u_char *p, size_t n, ngx_http_ai_state_line_t *line)
{
    u_char    *last;
    uint32_t   crc;

    if (n && p[n - 1] == '\n') {
        n--;
    }

    if (n <= NGX_HTTP_AI_STATE_HEAD
        || ngx_memcmp(p, "v1 ", 3) != 0
        || ngx_http_ai_state_hex(p + 3, 8, &crc) != NGX_OK
        || p[11] != ' ')
    {
        return NGX_DECLINED;
    }

    last = p + n;
    p += NGX_HTTP_AI_STATE_HEAD;

    if (ngx_http_ai_state_crc(p, last - p) != crc
        || ngx_http_ai_state_kind(&p, last, &line->kind) != NGX_OK
        || ngx_http_ai_state_per(&p, last, &line->per) != NGX_OK
        || ngx_http_ai_state_int(&p, last, &line->period) != NGX_OK
        || ngx_http_ai_state_int(&p, last, &line->spent_nanousd) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    return ngx_http_ai_state_name(p, last, &line->name);
}
