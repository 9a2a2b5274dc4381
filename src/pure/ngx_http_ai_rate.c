
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

#define NGX_HTTP_AI_BUDGET_DAY_SEC   ((int64_t) 86400)
#define NGX_HTTP_AI_BUDGET_LAST      ((int64_t) 253402300799) /* year 9999 */

#define ngx_http_ai_rate_clamp(v, lo, hi)                                     \
    ((v) < (lo) ? (lo) : (v) > (hi) ? (hi) : (v))


typedef struct {
    u_char                     c;
    int64_t                    value;
} ngx_http_ai_rate_letter_t;


typedef struct {
    ngx_str_t                  name;
    ngx_http_ai_budget_per_e   per;
} ngx_http_ai_budget_name_t;


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


static const ngx_http_ai_budget_name_t  ngx_http_ai_budget_names[] = {
    { ngx_string("day"), NGX_HTTP_AI_BUDGET_DAY },
    { ngx_string("week"), NGX_HTTP_AI_BUDGET_WEEK },
    { ngx_string("month"), NGX_HTTP_AI_BUDGET_MONTH },
    { ngx_string("total"), NGX_HTTP_AI_BUDGET_TOTAL }
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


ngx_int_t
ngx_http_ai_budget_amount(const u_char *p, size_t n, int64_t *nanousd)
{
    int64_t        whole, part, unit;
    const u_char  *start, *last;

    if (n == 0) {
        return NGX_ERROR;
    }

    start = p;
    last = p + n;

    p = ngx_http_ai_rate_digits(p, last, NGX_HTTP_AI_BUDGET_MAX / 1000000000,
                                &whole);

    if (p == start) {
        return NGX_ERROR;
    }

    part = 0;

    if (p < last) {
        if (*p++ != '.' || p == last) {
            return NGX_ERROR;
        }

        for (unit = 100000000;
             p < last && *p >= '0' && *p <= '9' && unit;
             p++, unit /= 10)
        {
            part += unit * (*p - '0');
        }

        /* finer than a nanodollar is a mistake, too */

        if (p != last) {
            return NGX_ERROR;
        }
    }

    if ((whole == 0 && part == 0)
        || whole > NGX_HTTP_AI_BUDGET_MAX / 1000000000
        || (whole == NGX_HTTP_AI_BUDGET_MAX / 1000000000 && part))
    {
        return NGX_DECLINED;
    }

    *nanousd = whole * 1000000000 + part;

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_budget_per(const u_char *p, size_t n,
    ngx_http_ai_budget_per_e *per)
{
    ngx_uint_t                        i;
    const ngx_http_ai_budget_name_t  *name;

    for (i = 0; i < 4; i++) {
        name = &ngx_http_ai_budget_names[i];

        if (n == name->name.len
            && strncasecmp((const char *) p, (const char *) name->name.data,
                           n) == 0)
        {
            *per = name->per;
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


ngx_int_t
ngx_http_ai_budget_parse(const u_char *p, size_t n,
    ngx_http_ai_budget_t *budget)
{
    size_t         len;
    const u_char  *slash;

    slash = n ? memchr(p, '/', n) : NULL;

    if (slash == NULL || slash - p < 4) {
        return NGX_ERROR;
    }

    len = slash - p - 3;

    if (strncasecmp((const char *) p + len, "usd", 3) != 0
        || ngx_http_ai_budget_per(slash + 1, n - (slash + 1 - p),
                                  &budget->per)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_ai_budget_amount(p, len, &budget->limit_nanousd);
}


/*
 * The day of the month (0 is the first) and the length of that month, for
 * days since 1970-01-01.  Years begin in March here, so that a leap day comes
 * last, and eras of 400 years are all alike.
 */

static int64_t
ngx_http_ai_budget_month_day(int64_t days, int64_t *len)
{
    int64_t  doe, yoe, doy, m, y;

    days += 719468;

    doe = days % 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    m = (5 * doy + 2) / 153;

    if (m == 11) {
        y = yoe + 1;
        *len = (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0)) ? 29 : 28;

    } else {
        *len = (153 * (m + 1) + 2) / 5 - (153 * m + 2) / 5;
    }

    return doy - (153 * m + 2) / 5;
}


void
ngx_http_ai_budget_window(ngx_http_ai_budget_per_e per, int64_t now,
    int64_t *start, int64_t *end)
{
    int64_t  day, len;

    now = ngx_http_ai_rate_clamp(now, 0, NGX_HTTP_AI_BUDGET_LAST);
    day = now / NGX_HTTP_AI_BUDGET_DAY_SEC;
    len = 1;

    switch (per) {

    case NGX_HTTP_AI_BUDGET_WEEK:
        /* 1970 began on a Thursday */
        day -= (day + 3) % 7;
        len = 7;
        break;

    case NGX_HTTP_AI_BUDGET_MONTH:
        day -= ngx_http_ai_budget_month_day(day, &len);
        break;

    case NGX_HTTP_AI_BUDGET_TOTAL:
        *start = 0;
        *end = NGX_HTTP_AI_BUDGET_NEVER;
        return;

    case NGX_HTTP_AI_BUDGET_DAY:
        break;
    }

    *start = day * NGX_HTTP_AI_BUDGET_DAY_SEC;
    *end = (day + len) * NGX_HTTP_AI_BUDGET_DAY_SEC;
}


/*
 * Only a later window forgives what was spent.  A clock that steps back over
 * the boundary goes on counting in the newer window; one that was far ahead,
 * or another kind of window after a reload, takes what was spent along, for
 * otherwise the budget would stay shut until the false date comes.
 */

static void
ngx_http_ai_budget_touch(const ngx_http_ai_budget_t *budget,
    ngx_http_ai_budget_counter_t *c, int64_t now)
{
    int64_t  start, end;

    ngx_http_ai_budget_window(budget->per, now, &start, &end);

    if (c->start < start) {
        c->start = start;
        c->spent_nanousd = 0;

    } else if (c->start != end) {
        c->start = start;
    }
}


ngx_int_t
ngx_http_ai_budget_reserve(const ngx_http_ai_budget_t *budget,
    ngx_http_ai_budget_counter_t *c, int64_t now, int64_t cost_nanousd)
{
    int64_t  left;

    ngx_http_ai_budget_touch(budget, c, now);

    cost_nanousd = ngx_max(cost_nanousd, 0);
    left = budget->limit_nanousd - c->spent_nanousd;

    if (left <= 0 || cost_nanousd > left) {
        return NGX_DECLINED;
    }

    if (cost_nanousd > left - c->reserved_nanousd) {
        return NGX_AGAIN;
    }

    c->reserved_nanousd += cost_nanousd;

    return NGX_OK;
}


void
ngx_http_ai_budget_settle(const ngx_http_ai_budget_t *budget,
    ngx_http_ai_budget_counter_t *c, int64_t now, int64_t reserved_nanousd,
    int64_t cost_nanousd)
{
    int64_t  max;

    ngx_http_ai_budget_touch(budget, c, now);

    /* both are at most MAX before the sums, so nothing overflows */

    max = NGX_HTTP_AI_BUDGET_MAX;

    c->reserved_nanousd -= ngx_http_ai_rate_clamp(reserved_nanousd, 0, max);
    c->reserved_nanousd = ngx_max(c->reserved_nanousd, 0);

    c->spent_nanousd += ngx_http_ai_rate_clamp(cost_nanousd, 0, max);
    c->spent_nanousd = ngx_min(c->spent_nanousd, 4 * max);
}


int64_t
ngx_http_ai_budget_remaining(const ngx_http_ai_budget_t *budget,
    const ngx_http_ai_budget_counter_t *c, int64_t now)
{
    int64_t                       left;
    ngx_http_ai_budget_counter_t  copy;

    copy = *c;
    ngx_http_ai_budget_touch(budget, &copy, now);

    left = budget->limit_nanousd - copy.spent_nanousd - copy.reserved_nanousd;

    return ngx_max(left, 0);
}
