
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* the content of JSON strings: escapes undone, and made */


#include "ngx_http_ai_json.h"


static ngx_int_t ngx_http_ai_json_decode(const u_char **pos,
    const u_char *last, u_char *dst);
static ngx_int_t ngx_http_ai_json_hex4(const u_char *p, const u_char *last);
static const u_char *ngx_http_ai_json_plain(const u_char *p,
    const u_char *last);


ngx_int_t
ngx_http_ai_json_unquote(u_char *dst, size_t size, const u_char *p, size_t n)
{
    u_char         ch[4], *d, *end;
    size_t         len;
    ngx_int_t      rc;
    const u_char  *last, *run;

    if (n < 2 || p[0] != '"' || p[n - 1] != '"') {
        return NGX_ERROR;
    }

    last = p + n - 1;
    p++;

    d = dst;
    end = dst + size;

    while (p < last) {

        run = p;
        p = ngx_http_ai_json_text(p, last);
        len = p - run;

        if (len > (size_t) (end - d)) {
            return NGX_ERROR;
        }

        if (len) {
            ngx_memmove(d, run, len);
            d += len;
        }

        if (p == last) {
            break;
        }

        if (*p != '\\') {
            return NGX_ERROR;
        }

        p++;

        rc = ngx_http_ai_json_decode(&p, last, ch);

        if (rc == NGX_ERROR || rc > end - d) {
            return NGX_ERROR;
        }

        d = ngx_cpymem(d, ch, rc);
    }

    return d - dst;
}


/*
 * Decodes one escape, *pos being after its backslash: the number of bytes
 * put to dst (1 to 4), or NGX_ERROR.
 */

static ngx_int_t
ngx_http_ai_json_decode(const u_char **pos, const u_char *last, u_char *dst)
{
    ngx_int_t      n, low;
    const u_char  *p;

    static const char  from[] = "\"\\/bfnrt";
    static const char  to[] = "\"\\/\b\f\n\r\t";

    p = *pos;

    if (p == last) {
        return NGX_ERROR;
    }

    if (*p != 'u') {
        const char  *f;

        f = *p ? strchr(from, *p) : NULL;

        if (f == NULL) {
            return NGX_ERROR;
        }

        dst[0] = (u_char) to[f - from];
        *pos = p + 1;
        return 1;
    }

    n = ngx_http_ai_json_hex4(p + 1, last);
    p += 5;

    if (n <= 0 || (n >= 0xdc00 && n <= 0xdfff)) {
        return NGX_ERROR;
    }

    if (n >= 0xd800 && n <= 0xdbff) {

        if (last - p < 6 || p[0] != '\\' || p[1] != 'u') {
            return NGX_ERROR;
        }

        low = ngx_http_ai_json_hex4(p + 2, last);

        if (low < 0xdc00 || low > 0xdfff) {
            return NGX_ERROR;
        }

        n = 0x10000 + ((n - 0xd800) << 10) + (low - 0xdc00);
        p += 6;
    }

    *pos = p;

    if (n < 0x80) {
        dst[0] = (u_char) n;
        return 1;
    }

    if (n < 0x800) {
        dst[0] = (u_char) (0xc0 | (n >> 6));
        dst[1] = (u_char) (0x80 | (n & 0x3f));
        return 2;
    }

    if (n < 0x10000) {
        dst[0] = (u_char) (0xe0 | (n >> 12));
        dst[1] = (u_char) (0x80 | ((n >> 6) & 0x3f));
        dst[2] = (u_char) (0x80 | (n & 0x3f));
        return 3;
    }

    dst[0] = (u_char) (0xf0 | (n >> 18));
    dst[1] = (u_char) (0x80 | ((n >> 12) & 0x3f));
    dst[2] = (u_char) (0x80 | ((n >> 6) & 0x3f));
    dst[3] = (u_char) (0x80 | (n & 0x3f));
    return 4;
}


static ngx_int_t
ngx_http_ai_json_hex4(const u_char *p, const u_char *last)
{
    u_char      ch;
    ngx_int_t   n;
    ngx_uint_t  i;

    if (last - p < 4) {
        return NGX_ERROR;
    }

    n = 0;

    for (i = 0; i < 4; i++) {
        ch = p[i];

        if (ch >= '0' && ch <= '9') {
            n = n * 16 + (ch - '0');
            continue;
        }

        ch |= 0x20;

        if (ch < 'a' || ch > 'f') {
            return NGX_ERROR;
        }

        n = n * 16 + (ch - 'a' + 10);
    }

    return n;
}


/* the end of what stands for itself, which most strings are made of */

static const u_char *
ngx_http_ai_json_plain(const u_char *p, const u_char *last)
{
    while (p < last && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\') {
        p++;
    }

    return p;
}


size_t
ngx_http_ai_json_escape_len(const u_char *p, size_t n)
{
    size_t         len, seq;
    const u_char  *last, *run;

    len = 0;
    last = p + n;

    for ( ;; ) {

        run = p;
        p = ngx_http_ai_json_plain(p, last);
        len += p - run;

        if (p == last) {
            return len;
        }

        if (*p == '"' || *p == '\\' || *p == '\b' || *p == '\f'
            || *p == '\n' || *p == '\r' || *p == '\t')
        {
            len += 2;
            p++;
            continue;
        }

        seq = (*p < 0x20) ? 0 : ngx_http_ai_json_utf8(p, last);

        len += seq ? seq : 6;
        p += seq ? seq : 1;
    }
}


u_char *
ngx_http_ai_json_escape(u_char *dst, const u_char *p, size_t n)
{
    size_t         seq;
    const char    *short_form;
    const u_char  *last, *run;

    static const char    shorts[] = "\"\\\b\f\n\r\t";
    static const u_char  letters[] = "\"\\bfnrt";
    static const u_char  hex[] = "0123456789abcdef";

    last = p + n;

    for ( ;; ) {

        run = p;
        p = ngx_http_ai_json_plain(p, last);
        dst = ngx_cpymem(dst, run, p - run);

        if (p == last) {
            return dst;
        }

        short_form = *p ? strchr(shorts, *p) : NULL;

        if (short_form) {
            *dst++ = '\\';
            *dst++ = letters[short_form - shorts];
            p++;
            continue;
        }

        if (*p < 0x20) {
            dst = ngx_cpymem(dst, "\\u00", 4);
            *dst++ = hex[*p >> 4];
            *dst++ = hex[*p & 0xf];
            p++;
            continue;
        }

        seq = ngx_http_ai_json_utf8(p, last);

        if (seq == 0) {
            dst = ngx_cpymem(dst, "\\ufffd", 6);
            p++;
            continue;
        }

        dst = ngx_cpymem(dst, p, seq);
        p += seq;
    }
}


ngx_uint_t
ngx_http_ai_json_wellformed(const u_char *p, size_t n)
{
    size_t         seq;
    const u_char  *last;

    for (last = p + n; p < last; p += seq) {
        seq = ngx_http_ai_json_utf8(p, last);

        if (seq == 0) {
            return 0;
        }
    }

    return 1;
}


/* Unicode, table 3-7 */

size_t
ngx_http_ai_json_utf8(const u_char *p, const u_char *last)
{
    u_char  lo, hi;
    size_t  i, n;

    if (*p < 0x80) {
        return 1;
    }

    lo = 0x80;
    hi = 0xbf;

    if (*p >= 0xc2 && *p <= 0xdf) {
        n = 2;

    } else if (*p >= 0xe0 && *p <= 0xef) {
        n = 3;
        lo = (*p == 0xe0) ? 0xa0 : 0x80;
        hi = (*p == 0xed) ? 0x9f : 0xbf;

    } else if (*p >= 0xf0 && *p <= 0xf4) {
        n = 4;
        lo = (*p == 0xf0) ? 0x90 : 0x80;
        hi = (*p == 0xf4) ? 0x8f : 0xbf;

    } else {
        return 0;
    }

    if ((size_t) (last - p) < n || p[1] < lo || p[1] > hi) {
        return 0;
    }

    for (i = 2; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }

    return n;
}
