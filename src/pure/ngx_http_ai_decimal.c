
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_decimal.h"


#define NGX_HTTP_AI_DECIMAL_DIGITS    18     /* that are kept */
#define NGX_HTTP_AI_DECIMAL_EXPONENT  1000   /* as good as any larger one */


static const u_char *ngx_http_ai_decimal_exponent(const u_char *p,
    const u_char *last, ngx_int_t *exp);
static ngx_int_t ngx_http_ai_decimal_scale(int64_t n, ngx_int_t exp,
    int64_t *value);


ngx_int_t
ngx_http_ai_decimal(const u_char *p, const u_char *last,
    ngx_int_t places, int64_t *value)
{
    int64_t     n;
    ngx_int_t   exp;
    ngx_uint_t  digits, kept, dot, minus;

    minus = (p < last && *p == '-');
    p += minus;

    n = 0;
    exp = places;
    digits = 0;
    kept = 0;
    dot = 0;

    for ( /* void */ ; p < last; p++) {

        if (*p == '.' && !dot && digits) {
            dot = 1;
            digits = 0;
            continue;
        }

        if (*p < '0' || *p > '9') {
            break;
        }

        digits++;

        if (kept == NGX_HTTP_AI_DECIMAL_DIGITS) {
            exp += !dot;
            continue;
        }

        n = n * 10 + (*p - '0');
        kept += (n != 0);
        exp -= dot;
    }

    if (digits == 0) {
        return NGX_ERROR;
    }

    p = ngx_http_ai_decimal_exponent(p, last, &exp);

    if (p != last || (minus && n)) {
        return NGX_ERROR;
    }

    return ngx_http_ai_decimal_scale(n, exp, value);
}


static const u_char *
ngx_http_ai_decimal_exponent(const u_char *p, const u_char *last,
    ngx_int_t *exp)
{
    ngx_int_t   n;
    ngx_uint_t  minus;

    if (last - p < 2 || (*p != 'e' && *p != 'E')) {
        return p;
    }

    p++;
    minus = (*p == '-');

    if ((*p == '-' || *p == '+') && last - p > 1) {
        p++;
    }

    for (n = 0; p < last && *p >= '0' && *p <= '9'; p++) {
        if (n < NGX_HTTP_AI_DECIMAL_EXPONENT) {
            n = n * 10 + (*p - '0');
        }
    }

    *exp += minus ? -n : n;

    return p;
}


static ngx_int_t
ngx_http_ai_decimal_scale(int64_t n, ngx_int_t exp, int64_t *value)
{
    for ( /* void */ ; exp < 0 && n; exp++) {
        n /= 10;
    }

    for ( /* void */ ; exp > 0 && n; exp--) {

        if (n > INT64_MAX / 10) {
            n = INT64_MAX;
            break;
        }

        n *= 10;
    }

    *value = n;

    return NGX_OK;
}
