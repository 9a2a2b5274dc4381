
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * A bucket of N refills by N per period.  Its level is a whole number and a
 * fraction in 1/period_ms, so that a millisecond adds exactly N of these
 * parts: no rounding, hence no drift, however often it is looked at.  The
 * alternative, thousandths per millisecond as in limit_req, cannot express
 * 500 per day.
 */


#include "ngx_http_ai_rate.h"


/*
 * Workers read the clock at different moments: one that is this much behind
 * must not turn the bucket's time back, or the same milliseconds would refill
 * it twice.  What is further behind is a clock that was set.
 */
#define NGX_HTTP_AI_RATE_SKEW_MS     60000

#define NGX_HTTP_AI_RATE_SHARE       10000000

#define ngx_http_ai_rate_clamp(v, lo, hi)                                     \
    ((v) < (lo) ? (lo) : (v) > (hi) ? (hi) : (v))


typedef struct {
    u_char                     c;
    int64_t                    value;
} ngx_http_ai_rate_letter_t;


static const ngx_http_ai_rate_letter_t  ngx_http_ai_rate_suffixes[] = {
    { 'k', 1000 },
    { 'm', 1000000 },
    { 0, 1 }
};


static const ngx_http_ai_rate_letter_t  ngx_http_ai_rate_units[] = {
    { 'r', NGX_HTTP_AI_RATE_REQUESTS },
    { 't', NGX_HTTP_AI_RATE_TOKENS },
    { 0, 0 }
};


static const ngx_http_ai_rate_letter_t  ngx_http_ai_rate_periods[] = {
    { 's', 1000 },
    { 'm', 60000 },
    { 'h', 3600000 },
    { 'd', 86400000 },
    { 0, 0 }
};


/* the value of the letter at *p, which is then passed; else the last row's */

static int64_t
ngx_http_ai_rate_letter(const ngx_http_ai_rate_letter_t *row,
    const u_char **p, const u_char *last)
{
    for ( /* void */ ; row->c; row++) {
        if (*p < last && (**p | 0x20) == row->c) {
            (*p)++;
            break;
        }
    }

    return row->value;
}


/* digits; stops adding above max, so that any number of them is harmless */

static const u_char *
ngx_http_ai_rate_digits(const u_char *p, const u_char *last, int64_t max,
    int64_t *value)
{
    for (*value = 0; p < last && *p >= '0' && *p <= '9'; p++) {
        if (*value <= max) {
            *value = *value * 10 + (*p - '0');
        }
    }

    return p;
}


ngx_int_t
ngx_http_ai_rate_parse(const u_char *p, size_t n, ngx_http_ai_rate_t *rate)
{
    int64_t        limit, scale;
    const u_char  *last, *start;

    if (n == 0) {
        return NGX_ERROR;
    }

    start = p;
    last = p + n;

    p = ngx_http_ai_rate_digits(p, last, NGX_HTTP_AI_RATE_MAX, &limit);

    if (p == start) {
        return NGX_ERROR;
    }

    scale = ngx_http_ai_rate_letter(ngx_http_ai_rate_suffixes, &p, last);
    rate->unit = (ngx_http_ai_rate_unit_e)
                 ngx_http_ai_rate_letter(ngx_http_ai_rate_units, &p, last);

    if (rate->unit == 0 || p == last || *p++ != '/') {
        return NGX_ERROR;
    }

    rate->period_ms = ngx_http_ai_rate_letter(ngx_http_ai_rate_periods, &p,
                                              last);

    if (rate->period_ms == 0 || p != last) {
        return NGX_ERROR;
    }

    if (limit == 0 || limit > NGX_HTTP_AI_RATE_MAX / scale) {
        return NGX_DECLINED;
    }

    rate->limit = limit * scale;

    return NGX_OK;
}


static void
ngx_http_ai_rate_fill(ngx_http_ai_rate_bucket_t *b)
{
    b->level = b->limit;
    b->frac = 0;
}


/* by the bucket's own rule */

static void
ngx_http_ai_rate_refill(ngx_http_ai_rate_bucket_t *b, ngx_msec_t now)
{
    int64_t         periods, parts;
    ngx_msec_int_t  elapsed;

    elapsed = (ngx_msec_int_t) (now - b->last);

    if (elapsed <= 0) {
        if (elapsed < -NGX_HTTP_AI_RATE_SKEW_MS) {
            b->last = now;
        }

        return;
    }

    b->last = now;

    periods = (int64_t) elapsed / b->period_ms;

    /* also keeps the sums below from overflow */

    if (periods > (b->limit - b->level) / b->limit) {
        ngx_http_ai_rate_fill(b);
        return;
    }

    parts = (int64_t) elapsed % b->period_ms * b->limit + b->frac;

    b->level += periods * b->limit + parts / b->period_ms;
    b->frac = (uint32_t) (parts % b->period_ms);

    if (b->level >= b->limit) {
        ngx_http_ai_rate_fill(b);
    }
}


static void
ngx_http_ai_rate_touch(const ngx_http_ai_rate_t *rate,
    ngx_http_ai_rate_bucket_t *b, ngx_msec_t now)
{
    int64_t  share;

    if (b->limit == 0) {
        b->limit = rate->limit;
        b->period_ms = (uint32_t) rate->period_ms;
        b->last = now;
        ngx_http_ai_rate_fill(b);
        return;
    }

    ngx_http_ai_rate_refill(b, now);

    if (b->limit == rate->limit && b->period_ms == rate->period_ms) {
        return;
    }

    /* a reload: neither a gift nor a punishment */

    if (b->level > 0) {
        share = b->level * NGX_HTTP_AI_RATE_SHARE / b->limit;
        b->level = rate->limit * share / NGX_HTTP_AI_RATE_SHARE;
    }

    b->frac = 0;
    b->limit = rate->limit;
    b->period_ms = (uint32_t) rate->period_ms;
}


ngx_int_t
ngx_http_ai_rate_reserve(const ngx_http_ai_rate_t *rate,
    ngx_http_ai_rate_bucket_t *b, ngx_msec_t now, int64_t n)
{
    ngx_http_ai_rate_touch(rate, b, now);

    if (n > rate->limit) {
        return NGX_DECLINED;
    }

    n = ngx_max(n, 0);

    if (b->level < n) {
        return NGX_AGAIN;
    }

    b->level -= n;

    return NGX_OK;
}


void
ngx_http_ai_rate_refund(const ngx_http_ai_rate_t *rate,
    ngx_http_ai_rate_bucket_t *b, ngx_msec_t now, int64_t n)
{
    ngx_http_ai_rate_settle(rate, b, now, n, 0);
}


void
ngx_http_ai_rate_settle(const ngx_http_ai_rate_t *rate,
    ngx_http_ai_rate_bucket_t *b, ngx_msec_t now, int64_t reserved,
    int64_t used)
{
    ngx_http_ai_rate_touch(rate, b, now);

    b->level += ngx_http_ai_rate_clamp(reserved, 0, NGX_HTTP_AI_RATE_MAX);
    b->level -= ngx_http_ai_rate_clamp(used, 0, NGX_HTTP_AI_RATE_MAX);

    if (b->level < -NGX_HTTP_AI_RATE_MAX) {
        b->level = -NGX_HTTP_AI_RATE_MAX;
    }

    if (b->level >= b->limit) {
        ngx_http_ai_rate_fill(b);
    }
}


int64_t
ngx_http_ai_rate_wait(const ngx_http_ai_rate_t *rate,
    const ngx_http_ai_rate_bucket_t *b, ngx_msec_t now, int64_t n)
{
    int64_t                    need, wait, parts;
    ngx_http_ai_rate_bucket_t  copy;

    copy = *b;
    ngx_http_ai_rate_touch(rate, &copy, now);

    if (n > rate->limit) {
        return -1;
    }

    need = ngx_max(n, 0) - copy.level;

    if (need <= 0) {
        return 0;
    }

    if (need / rate->limit >= NGX_HTTP_AI_RATE_WAIT_MAX / rate->period_ms) {
        return NGX_HTTP_AI_RATE_WAIT_MAX;
    }

    wait = need / rate->limit * rate->period_ms;
    parts = need % rate->limit * rate->period_ms - copy.frac;

    /* rounded up: of a negative number that is what C's division does */

    wait += (parts > 0) ? (parts + rate->limit - 1) / rate->limit
                        : parts / rate->limit;

    /* a caller whose clock is behind must wait for the bucket's, too */

    return wait + (int64_t) (ngx_msec_int_t) (copy.last - now);
}


int64_t
ngx_http_ai_rate_remaining(const ngx_http_ai_rate_t *rate,
    const ngx_http_ai_rate_bucket_t *b, ngx_msec_t now)
{
    ngx_http_ai_rate_bucket_t  copy;

    copy = *b;
    ngx_http_ai_rate_touch(rate, &copy, now);

    return ngx_max(copy.level, 0);
}


const ngx_str_t *
ngx_http_ai_rate_period(int64_t period_ms)
{
    static const ngx_str_t  words[] = {
        ngx_string("second"),
        ngx_string("minute"),
        ngx_string("hour"),
        ngx_string("day")
    };

    switch (period_ms) {
    case 1000:
        return &words[0];
    case 60000:
        return &words[1];
    case 3600000:
        return &words[2];
    default: /* 86400000 */
        return &words[3];
    }
}
