
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_budget.h"


#define NGX_HTTP_AI_BUDGET_DAY_SEC   ((int64_t) 86400)
#define NGX_HTTP_AI_BUDGET_LAST      ((int64_t) 253402300799) /* year 9999 */
#define NGX_HTTP_AI_BUDGET_USD       ((int64_t) 1000000000)


static int64_t ngx_http_ai_budget_month_day(int64_t days, int64_t *len);
static void ngx_http_ai_budget_window(ngx_http_ai_budget_per_e per,
    int64_t now, int64_t *start, int64_t *end);


static const ngx_str_t  ngx_http_ai_budget_names[] = {
    ngx_null_string,
    ngx_string("day"),
    ngx_string("week"),
    ngx_string("month"),
    ngx_string("total")
};


ngx_int_t
ngx_http_ai_budget_amount(const u_char *p, size_t n, int64_t *nanousd)
{
    int64_t        whole, part, unit;
    const u_char  *start, *last;

    start = p;
    last = p + n;
    whole = 0;
    part = 0;

    /* stops adding above the maximum: any number of digits is harmless */

    for ( /* void */ ; p < last && *p >= '0' && *p <= '9'; p++) {
        if (whole <= NGX_HTTP_AI_BUDGET_MAX / NGX_HTTP_AI_BUDGET_USD) {
            whole = whole * 10 + (*p - '0');
        }
    }

    if (p == start) {
        return NGX_ERROR;
    }

    if (p < last) {
        if (*p++ != '.' || p == last) {
            return NGX_ERROR;
        }

        for (unit = NGX_HTTP_AI_BUDGET_USD / 10;
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

    if (whole == 0 && part == 0) {
        return NGX_DECLINED;
    }

    if (whole > NGX_HTTP_AI_BUDGET_MAX / NGX_HTTP_AI_BUDGET_USD
        || (whole == NGX_HTTP_AI_BUDGET_MAX / NGX_HTTP_AI_BUDGET_USD && part))
    {
        return NGX_BUSY;
    }

    *nanousd = whole * NGX_HTTP_AI_BUDGET_USD + part;

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_budget_per(const u_char *p, size_t n,
    ngx_http_ai_budget_per_e *per)
{
    ngx_uint_t        i;
    const ngx_str_t  *name;

    for (i = NGX_HTTP_AI_BUDGET_DAY; i <= NGX_HTTP_AI_BUDGET_TOTAL; i++) {
        name = &ngx_http_ai_budget_names[i];

        if (n == name->len
            && strncasecmp((const char *) p, (const char *) name->data, n)
               == 0)
        {
            *per = (ngx_http_ai_budget_per_e) i;
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


const ngx_str_t *
ngx_http_ai_budget_per_name(ngx_http_ai_budget_per_e per)
{
    return &ngx_http_ai_budget_names[per];
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


/* start <= now < end */

static void
ngx_http_ai_budget_window(ngx_http_ai_budget_per_e per, int64_t now,
    int64_t *start, int64_t *end)
{
    int64_t  day, len;

    now = ngx_max(now, 0);
    now = ngx_min(now, NGX_HTTP_AI_BUDGET_LAST);

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


int64_t
ngx_http_ai_budget_period(ngx_http_ai_budget_per_e per, int64_t now)
{
    int64_t  start, end;

    ngx_http_ai_budget_window(per, now, &start, &end);

    return start;
}


int64_t
ngx_http_ai_budget_resets(ngx_http_ai_budget_per_e per, int64_t now)
{
    int64_t  start, end;

    ngx_http_ai_budget_window(per, now, &start, &end);

    return end;
}


int64_t
ngx_http_ai_budget_used(const ngx_http_ai_budget_state_t *s)
{
    return s->reserved_nanousd < INT64_MAX - s->spent_nanousd
           ? s->spent_nanousd + s->reserved_nanousd : INT64_MAX;
}


void
ngx_http_ai_budget_roll(ngx_http_ai_budget_per_e per,
    ngx_http_ai_budget_state_t *s, int64_t now)
{
    int64_t  start, end;

    ngx_http_ai_budget_window(per, now, &start, &end);

    if (s->period == start || s->period == end) {
        return;
    }

    if (s->period < start) {
        s->spent_nanousd = 0;
    }

    /* who reserved in another period will settle there */

    s->period = start;
    s->reserved_nanousd = 0;
}


ngx_int_t
ngx_http_ai_budget_reserve(const ngx_http_ai_budget_t *budget,
    ngx_http_ai_budget_state_t *s, int64_t now, int64_t amount_nanousd,
    int64_t *left_nanousd)
{
    int64_t    left, unspent;
    ngx_int_t  rc;

    ngx_http_ai_budget_roll(budget->per, s, now);

    /* reservations are below BUDGET_MAX, also those by an older limit */

    amount_nanousd = ngx_max(amount_nanousd, 0);
    unspent = budget->limit_nanousd
              - ngx_min(s->spent_nanousd, budget->limit_nanousd);
    left = unspent - s->reserved_nanousd;

    rc = NGX_BUSY;

    if (unspent > 0 && amount_nanousd <= left) {
        s->reserved_nanousd += amount_nanousd;
        left -= amount_nanousd;
        rc = NGX_OK;
    }

    if (left_nanousd) {
        *left_nanousd = ngx_max(left, 0);
    }

    return rc;
}


void
ngx_http_ai_budget_settle(ngx_http_ai_budget_state_t *s, int64_t period,
    int64_t reserved_nanousd, int64_t cost_nanousd)
{
    if (s->period == 0) {
        /* forgotten meanwhile, or a total */
        s->period = period;
    }

    if (period < s->period) {
        return;
    }

    /* a later one is that of a clock which was ahead: the cost is real */

    if (period == s->period) {
        s->reserved_nanousd -= ngx_max(reserved_nanousd, 0);
        s->reserved_nanousd = ngx_max(s->reserved_nanousd, 0);
    }

    cost_nanousd = ngx_max(cost_nanousd, 0);

    s->spent_nanousd = (cost_nanousd > INT64_MAX - s->spent_nanousd)
                       ? INT64_MAX : s->spent_nanousd + cost_nanousd;
}


void
ngx_http_ai_budget_refund(ngx_http_ai_budget_state_t *s, int64_t period,
    int64_t reserved_nanousd)
{
    ngx_http_ai_budget_settle(s, period, reserved_nanousd, 0);
}
