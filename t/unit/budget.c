
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* budgets: calendars, boundaries, clocks that are set, sums that are full */


#include <time.h>

#include "ngx_http_ai_test.h"
#include "ngx_http_ai_budget.h"


#define USD     ((int64_t) 1000000000)
#define DAY     ((int64_t) 86400)

#define DAILY   NGX_HTTP_AI_BUDGET_DAY
#define WEEKLY  NGX_HTTP_AI_BUDGET_WEEK
#define MONTHLY NGX_HTTP_AI_BUDGET_MONTH
#define TOTAL   NGX_HTTP_AI_BUDGET_TOTAL

#define NRES    64


typedef struct {
    const char  *text;
    ngx_int_t    rc;
    int64_t      nanousd;
    int          per;
} ngx_http_ai_test_spec_t;


static void
ngx_http_ai_test_parse(void)
{
    size_t                          n;
    u_char                         *p;
    ngx_int_t                       rc;
    ngx_http_ai_budget_t            bu;
    const ngx_http_ai_test_spec_t  *s;

    static const ngx_http_ai_test_spec_t  specs[] = {
        { "50usd/day", NGX_OK, 50 * USD, DAILY },
        { "100usd/month", NGX_OK, 100 * USD, MONTHLY },
        { "10.5usd/week", NGX_OK, 10500000000, WEEKLY },
        { "5USD/Total", NGX_OK, 5 * USD, TOTAL },
        { "0.000000001usd/day", NGX_OK, 1, DAILY },
        { "0.123456789usd/day", NGX_OK, 123456789, DAILY },
        { "007.50usd/day", NGX_OK, 7500000000, DAILY },
        { "1000000000usd/day", NGX_OK, NGX_HTTP_AI_BUDGET_MAX, DAILY },
        { "1000000000.000usd/day", NGX_OK, NGX_HTTP_AI_BUDGET_MAX, DAILY },
        { "1000000000.1usd/day", NGX_BUSY, 0, 0 },
        { "1000000001usd/day", NGX_BUSY, 0, 0 },
        { "99999999999999999999999usd/day", NGX_BUSY, 0, 0 },
        { "18446744073709551616usd/day", NGX_BUSY, 0, 0 },
        { "0usd/day", NGX_DECLINED, 0, 0 },
        { "0.000usd/day", NGX_DECLINED, 0, 0 },
        { "0.0000000001usd/day", NGX_ERROR, 0, 0 },
        { "", NGX_ERROR, 0, 0 }, { "50", NGX_ERROR, 0, 0 },
        { "50usd", NGX_ERROR, 0, 0 }, { "50usd/", NGX_ERROR, 0, 0 },
        { "50usd/year", NGX_ERROR, 0, 0 }, { "50/day", NGX_ERROR, 0, 0 },
        { "50eur/day", NGX_ERROR, 0, 0 }, { "usd/day", NGX_ERROR, 0, 0 },
        { "-5usd/day", NGX_ERROR, 0, 0 }, { "1.usd/day", NGX_ERROR, 0, 0 },
        { ".5usd/day", NGX_ERROR, 0, 0 }, { "1e3usd/day", NGX_ERROR, 0, 0 },
        { "1.5.5usd/day", NGX_ERROR, 0, 0 }, { "5 usd/day", NGX_ERROR, 0, 0 },
        { "5usd/days", NGX_ERROR, 0, 0 }, { "/day", NGX_ERROR, 0, 0 },
        { "5usd/day/day", NGX_ERROR, 0, 0 },
        { NULL, 0, 0, 0 }
    };

    for (s = specs; s->text; s++) {
        ngx_http_ai_test_note = s->text;

        n = strlen(s->text);
        p = ngx_http_ai_test_dup(s->text, n);
        rc = ngx_http_ai_budget_parse(p, n, &bu);
        free(p);

        t_eq(rc, s->rc);

        if (rc == NGX_OK && s->rc == NGX_OK) {
            t_eq(bu.limit_nanousd, s->nanousd);
            t_eq(bu.per, s->per);
        }
    }

    t_str(*ngx_http_ai_budget_per_name(WEEKLY), "week");
    t_str(*ngx_http_ai_budget_per_name(TOTAL), "total");
}


/* every day of 1970 to 2199 against the C library's calendar */

static void
ngx_http_ai_test_calendar(void)
{
    time_t      t;
    int64_t     now, start, end, day;
    struct tm  *tm;

    for (day = 0; day < 84000; day++) {
        now = day * DAY + ngx_http_ai_test_random() % DAY;
        t = (time_t) now;
        tm = gmtime(&t);

        t_eq(ngx_http_ai_budget_period(DAILY, now), day * DAY);
        t_eq(ngx_http_ai_budget_resets(DAILY, now), (day + 1) * DAY);

        start = (day - (tm->tm_wday + 6) % 7) * DAY;
        t_eq(ngx_http_ai_budget_period(WEEKLY, now), start);
        t_eq(ngx_http_ai_budget_resets(WEEKLY, now), start + 7 * DAY);

        start = ngx_http_ai_budget_period(MONTHLY, now);
        end = ngx_http_ai_budget_resets(MONTHLY, now);
        t_eq(start, (day - tm->tm_mday + 1) * DAY);

        t = (time_t) end;
        tm = gmtime(&t);
        t_eq(tm->tm_mday, 1);
        t_ok(end > now && end - start <= 31 * DAY && end - start >= 28 * DAY);
    }

    t_eq(ngx_http_ai_budget_period(TOTAL, now), 0);
    t_ok(ngx_http_ai_budget_resets(TOTAL, now) == INT64_MAX);

    t_ok(ngx_http_ai_budget_period(MONTHLY, INT64_MAX)
         < ngx_http_ai_budget_resets(MONTHLY, INT64_MAX));
    t_eq(ngx_http_ai_budget_period(MONTHLY, INT64_MIN), 0);
}


typedef struct {
    const char                *text;
    ngx_http_ai_budget_per_e   per;
    int64_t                    now;      /* days since 1970 */
    int64_t                    start;
    int64_t                    end;
} ngx_http_ai_test_date_t;


/* the dates that calendars get wrong; day numbers are not computed here */

static void
ngx_http_ai_test_dates(void)
{
    const ngx_http_ai_test_date_t  *d;

    static const ngx_http_ai_test_date_t  dates[] = {
        { "leap day 2024", MONTHLY, 19782, 19754, 19783 },
        { "leap day 2000", MONTHLY, 11016, 10988, 11017 },
        { "2100 has none", MONTHLY, 47540, 47513, 47541 },
        { "2100-03-01", MONTHLY, 47541, 47541, 47572 },
        { "new year 2025", MONTHLY, 20089, 20089, 20120 },
        { "2025-01-01 is of 2024-12-30's week", WEEKLY, 20089, 20087, 20094 },
        { "2027-01-01 is of 2026-12-28's week", WEEKLY, 20819, 20815, 20822 },
        { "2027-01-04 begins one", WEEKLY, 20822, 20822, 20829 },
        { "2021-01-03 ends 2020's 53rd week", WEEKLY, 18630, 18624, 18631 },
        { NULL, 0, 0, 0, 0 }
    };

    for (d = dates; d->text; d++) {
        ngx_http_ai_test_note = d->text;

        t_eq(ngx_http_ai_budget_period(d->per, d->now * DAY), d->start * DAY);
        t_eq(ngx_http_ai_budget_period(d->per, d->now * DAY + DAY - 1),
             d->start * DAY);
        t_eq(ngx_http_ai_budget_resets(d->per, d->now * DAY), d->end * DAY);
        t_eq(ngx_http_ai_budget_period(d->per, d->end * DAY), d->end * DAY);
        t_ok(ngx_http_ai_budget_period(d->per, d->start * DAY - 1)
             < d->start * DAY);
    }
}


static void
ngx_http_ai_test_count(void)
{
    int64_t                     now, left;
    ngx_http_ai_budget_t        bu = { 100, DAILY };
    ngx_http_ai_budget_state_t  s = { 0, 0, 0 };

    now = 20000 * DAY + 5;

    t_ok(sizeof(ngx_http_ai_budget_state_t) <= 32);

    t_eq(ngx_http_ai_budget_reserve(&bu, &s, now, 60, &left), NGX_OK);
    t_eq(left, 40);
    t_eq(s.period, 20000 * DAY);
    t_eq(ngx_http_ai_budget_reserve(&bu, &s, now, 41, &left), NGX_BUSY);
    t_eq(left, 40);
    t_eq(ngx_http_ai_budget_reserve(&bu, &s, now, 40, NULL), NGX_OK);

    /* all is reserved, but not spent: what costs nothing may pass */

    t_eq(ngx_http_ai_budget_reserve(&bu, &s, now, 0, &left), NGX_OK);
    t_eq(left, 0);
    t_eq(ngx_http_ai_budget_reserve(&bu, &s, now, 1, &left), NGX_BUSY);

    ngx_http_ai_budget_refund(&s, s.period, 60);
    t_eq(s.spent_nanousd, 0);
    t_eq(s.reserved_nanousd, 40);
    ngx_http_ai_budget_settle(&s, s.period, 40, 55);
    t_eq(s.spent_nanousd, 55);
    t_eq(s.reserved_nanousd, 0);

    t_eq(ngx_http_ai_budget_reserve(&bu, &s, now, 46, &left), NGX_BUSY);
    t_eq(left, 45);
    t_eq(ngx_http_ai_budget_reserve(&bu, &s, now, 45, NULL), NGX_OK);
    ngx_http_ai_budget_settle(&s, s.period, 45, 45);

    t_eq(ngx_http_ai_budget_reserve(&bu, &s, now, 0, &left), NGX_BUSY);
    t_eq(left, 0);
    t_eq(ngx_http_ai_budget_reserve(&bu, &s, now + DAY, 0, &left), NGX_OK);
    t_eq(left, 100);
}


/* nonsense does no harm, and sums stop instead of wrapping */

static void
ngx_http_ai_test_full(void)
{
    int64_t                     now, left;
    ngx_http_ai_budget_t        max = { NGX_HTTP_AI_BUDGET_MAX, TOTAL };
    ngx_http_ai_budget_t        one = { 1, TOTAL };
    ngx_http_ai_budget_state_t  s = { 0, 0, 0 };

    now = 20000 * DAY;

    ngx_http_ai_budget_settle(&s, 0, INT64_MAX, INT64_MIN);
    t_eq(s.spent_nanousd, 0);
    t_eq(s.reserved_nanousd, 0);
    ngx_http_ai_budget_settle(&s, 0, INT64_MIN, 7);
    t_eq(s.spent_nanousd, 7);
    t_eq(s.reserved_nanousd, 0);

    t_eq(ngx_http_ai_budget_reserve(&max, &s, now, INT64_MAX, &left),
         NGX_BUSY);
    t_eq(ngx_http_ai_budget_reserve(&max, &s, now, left + 1, NULL), NGX_BUSY);
    t_eq(ngx_http_ai_budget_reserve(&max, &s, now, left, &left), NGX_OK);
    t_eq(left, 0);

    /* another limit after a reload: the old reservation is above it */

    t_eq(ngx_http_ai_budget_reserve(&one, &s, now, 0, &left), NGX_BUSY);
    t_eq(left, 0);
    s.spent_nanousd = 0;
    t_eq(ngx_http_ai_budget_reserve(&one, &s, now, 1, &left), NGX_BUSY);
    t_eq(left, 0);

    ngx_http_ai_budget_settle(&s, 0, INT64_MAX, INT64_MAX - 1);
    t_ok(s.spent_nanousd == INT64_MAX - 1);
    ngx_http_ai_budget_settle(&s, 0, 0, 2);
    t_ok(s.spent_nanousd == INT64_MAX);
    ngx_http_ai_budget_settle(&s, 0, 0, INT64_MAX);
    t_ok(s.spent_nanousd == INT64_MAX);
    t_eq(ngx_http_ai_budget_reserve(&max, &s, now, 1, &left), NGX_BUSY);
    t_eq(left, 0);
}


static void
ngx_http_ai_test_boundary(void)
{
    int64_t                     d, left, period;
    ngx_http_ai_budget_t        bu = { 100, DAILY };
    ngx_http_ai_budget_state_t  s = { 0, 0, 0 };

    d = 20000 * DAY;

    /* settled after midnight, and nobody came before: the old day's */

    ngx_http_ai_budget_reserve(&bu, &s, d - 1, 80, NULL);
    period = s.period;
    ngx_http_ai_budget_settle(&s, period, 80, 70);
    t_eq(s.period, d - DAY);
    t_eq(s.spent_nanousd, 70);

    /* over midnight it is in nobody's way, nor is its cost */

    t_eq(ngx_http_ai_budget_reserve(&bu, &s, d - 1, 30, NULL), NGX_OK);
    t_eq(ngx_http_ai_budget_reserve(&bu, &s, d, 100, &left), NGX_OK);
    t_eq(left, 0);
    t_eq(s.period, d);
    ngx_http_ai_budget_settle(&s, period, 30, 30);
    t_eq(s.spent_nanousd, 0);
    t_eq(s.reserved_nanousd, 100);
    ngx_http_ai_budget_refund(&s, period, 30);
    t_eq(s.reserved_nanousd, 100);

    /* of several budgets one says no: the undo leaves no trace */

    ngx_http_ai_budget_settle(&s, d, 60, 50);
    t_eq(ngx_http_ai_budget_reserve(&bu, &s, d + 1, 10, NULL), NGX_OK);
    ngx_http_ai_budget_refund(&s, s.period, 10);
    t_eq(s.period, d);
    t_eq(s.spent_nanousd, 50);
    t_eq(s.reserved_nanousd, 40);

    /* the node was evicted while the request ran */

    ngx_memzero(&s, sizeof(s));
    ngx_http_ai_budget_settle(&s, d, 40, 35);
    t_eq(ngx_http_ai_budget_reserve(&bu, &s, d + 2, 66, &left), NGX_BUSY);
    t_eq(left, 65);
}


static void
ngx_http_ai_test_sums(void)
{
    ngx_http_ai_budget_state_t  s = { .spent_nanousd = 70,
                                      .reserved_nanousd = 30 };

    t_eq(ngx_http_ai_budget_used(&s), 100);

    s.spent_nanousd = INT64_MAX - 30;
    t_ok(ngx_http_ai_budget_used(&s) == INT64_MAX);

    s.reserved_nanousd = INT64_MAX;
    t_ok(ngx_http_ai_budget_used(&s) == INT64_MAX);
}


static void
ngx_http_ai_test_back(void)
{
    int64_t                     d, left, year;
    ngx_http_ai_budget_t        bu = { 100, DAILY };
    ngx_http_ai_budget_state_t  s = { 0, 0, 0 };

    d = 20000 * DAY;

    ngx_http_ai_budget_reserve(&bu, &s, d + 1, 65, NULL);
    ngx_http_ai_budget_settle(&s, s.period, 65, 65);

    /* back over midnight: the newer day goes on, and is not begun twice */

    t_eq(ngx_http_ai_budget_reserve(&bu, &s, d - 2, 36, &left), NGX_BUSY);
    t_eq(left, 35);
    t_eq(ngx_http_ai_budget_reserve(&bu, &s, d - DAY, 35, NULL), NGX_OK);
    t_eq(s.period, d);
    ngx_http_ai_budget_settle(&s, s.period, 35, 34);
    t_eq(ngx_http_ai_budget_reserve(&bu, &s, d, 2, NULL), NGX_BUSY);
    t_eq(ngx_http_ai_budget_reserve(&bu, &s, d + DAY, 2, NULL), NGX_OK);

    /* a year ahead by mistake, and back: what was spent is of today */

    year = d + 365 * DAY;

    t_eq(ngx_http_ai_budget_reserve(&bu, &s, year, 50, NULL), NGX_OK);
    t_eq(ngx_http_ai_budget_reserve(&bu, &s, year, 30, NULL), NGX_OK);
    ngx_http_ai_budget_settle(&s, year, 50, 50);
    t_eq(ngx_http_ai_budget_reserve(&bu, &s, d + 9, 10, &left), NGX_OK);
    t_eq(s.period, d);
    t_eq(left, 40);

    /* one that was reserved in that year pays today as well */

    ngx_http_ai_budget_settle(&s, year, 30, 20);
    t_eq(s.spent_nanousd, 70);
    t_eq(s.reserved_nanousd, 10);

    /* the next day is a new one again */

    t_eq(ngx_http_ai_budget_reserve(&bu, &s, d + DAY, 100, NULL), NGX_OK);

    /* a state whose kind of period was another one, of later begin */

    bu.per = TOTAL;
    t_eq(ngx_http_ai_budget_reserve(&bu, &s, d + DAY, 1, &left), NGX_OK);
    t_eq(s.period, 0);
}


typedef struct {
    int64_t    period;
    int64_t    reserved;
} ngx_http_ai_test_res_t;


typedef struct {
    int64_t                  period;
    int64_t                  spent;
    ngx_http_ai_test_res_t   res[NRES];
    ngx_uint_t               n;
} ngx_http_ai_test_model_t;


/* what there is of it now, by adding everything up anew */

static int64_t
ngx_http_ai_test_used(const ngx_http_ai_test_model_t *m)
{
    int64_t     sum;
    ngx_uint_t  i;

    sum = m->spent;

    for (i = 0; i < m->n; i++) {
        sum += (m->res[i].period == m->period) ? m->res[i].reserved : 0;
    }

    return sum;
}


static void
ngx_http_ai_test_enter(const ngx_http_ai_budget_t *bu,
    ngx_http_ai_budget_state_t *s, ngx_http_ai_test_model_t *m, int64_t now)
{
    int64_t    amount, left, used, period;
    ngx_int_t  want;

    /* the rule for steps back of less than a period */

    period = ngx_http_ai_budget_period(bu->per, now);

    if (period > m->period) {
        m->period = period;
        m->spent = 0;
    }

    amount = ngx_http_ai_test_random() % (bu->limit_nanousd / 4);
    used = ngx_http_ai_test_used(m);
    want = (m->spent < bu->limit_nanousd && used + amount <= bu->limit_nanousd)
           ? NGX_OK : NGX_BUSY;

    t_eq(ngx_http_ai_budget_reserve(bu, s, now, amount, &left), want);

    if (want == NGX_OK) {
        m->res[m->n].period = s->period;
        m->res[m->n].reserved = amount;
        m->n++;
    }

    t_eq(left, ngx_max(bu->limit_nanousd - ngx_http_ai_test_used(m), 0));
}


static void
ngx_http_ai_test_leave(ngx_http_ai_budget_state_t *s,
    ngx_http_ai_test_model_t *m)
{
    int64_t                 cost;
    ngx_uint_t              i;
    ngx_http_ai_test_res_t  res;

    i = ngx_http_ai_test_random() % m->n;
    res = m->res[i];
    m->res[i] = m->res[--m->n];

    if (ngx_http_ai_test_random() % 4 == 0) {
        ngx_http_ai_budget_refund(s, res.period, res.reserved);
        return;
    }

    /* an estimate may have been too low, too */

    cost = res.reserved * (ngx_http_ai_test_random() % 5) / 3;
    ngx_http_ai_budget_settle(s, res.period, res.reserved, cost);

    if (res.period == m->period) {
        m->spent += cost;
    }
}


static void
ngx_http_ai_test_random_walk(void)
{
    int64_t                     now;
    ngx_uint_t                  i, per;
    ngx_http_ai_budget_t        bu;
    ngx_http_ai_test_model_t    m;
    ngx_http_ai_budget_state_t  s;

    for (per = DAILY; per <= TOTAL; per++) {
        ngx_memzero(&s, sizeof(s));
        ngx_memzero(&m, sizeof(m));

        bu.per = (ngx_http_ai_budget_per_e) per;
        bu.limit_nanousd = 1 + ngx_http_ai_test_random();
        now = 19700 * DAY;

        for (i = 0; i < 20000; i++) {
            now += ngx_http_ai_test_random() % 7200;

            if (m.n < NRES && (m.n == 0 || ngx_http_ai_test_random() % 2)) {
                ngx_http_ai_test_enter(&bu, &s, &m,
                                now - ngx_http_ai_test_random() % DAY);
            } else {
                ngx_http_ai_test_leave(&s, &m);
            }

            t_eq(s.period, m.period);
            t_eq(s.spent_nanousd, m.spent);
            t_eq(s.spent_nanousd + s.reserved_nanousd,
                 ngx_http_ai_test_used(&m));
        }
    }
}


static const ngx_http_ai_test_t  tests[] = {
    { "specs", ngx_http_ai_test_parse },
    { "periods against the C library", ngx_http_ai_test_calendar },
    { "leap days, ends of years, weeks over them", ngx_http_ai_test_dates },
    { "reserve, settle, refund", ngx_http_ai_test_count },
    { "full sums and nonsense", ngx_http_ai_test_full },
    { "over a boundary", ngx_http_ai_test_boundary },
    { "what is used", ngx_http_ai_test_sums },
    { "clocks that step back", ngx_http_ai_test_back },
    { "random requests against a list", ngx_http_ai_test_random_walk },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
