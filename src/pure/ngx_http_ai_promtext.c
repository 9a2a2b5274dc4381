
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_promtext.h"
#include "ngx_http_ai_json.h"


u_char *
ngx_http_ai_promtext_label(u_char *dst, const u_char *p, size_t n)
{
    size_t         seq;
    const u_char  *last;

    last = p + n;

    while (p < last) {

        if (*p == '\\' || *p == '"' || *p == '\n') {
            *dst++ = '\\';
            *dst++ = (*p == '\n') ? 'n' : *p;
            p++;
            continue;
        }

        seq = ngx_http_ai_json_utf8(p, last);

        if (seq == 0) {
            *dst++ = 0xef;
            *dst++ = 0xbf;
            *dst++ = 0xbd;
            p++;
            continue;
        }

        dst = ngx_cpymem(dst, p, seq);
        p += seq;
    }

    return dst;
}


u_char *
ngx_http_ai_promtext_value(u_char *dst, uint64_t value, ngx_uint_t decimals)
{
    u_char      digits[NGX_HTTP_AI_PROMTEXT_VALUE];
    ngx_uint_t  n;

    while (decimals && value % 10 == 0) {
        value /= 10;
        decimals--;
    }

    /* from the end; a digit before the point there is always */

    for (n = 0; value || n <= decimals; n++) {
        digits[n] = (u_char) ('0' + value % 10);
        value /= 10;
    }

    while (n) {

        *dst++ = digits[--n];

        if (n == decimals && n) {
            *dst++ = '.';
        }
    }

    return dst;
}
