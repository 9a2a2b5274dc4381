
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* rates: exactness, refunds, debts, clocks that are set */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_rate.h"


#define MAX   NGX_HTTP_AI_RATE_MAX


typedef struct {
    const char  *text;
    ngx_int_t    rc;
    int64_t      limit;
    int64_t      period;
    int          unit;
} ngx_http_ai_test_spec_t;


static void
ngx_http_ai_test_parse(void)
{
    size_t                          n;
    u_char                         *p;
    ngx_int_t                       rc;
    ngx_http_ai_rate_t              rate;
    const ngx_http_ai_test_spec_t  *s;

    static const ngx_http_ai_test_spec_t  specs[] = {
        { "600r/m", NGX_OK, 600, 60000, NGX_HTTP_AI_RATE_REQUESTS },
        { "1000000t/m", NGX_OK, 1000000, 60000, NGX_HTTP_AI_RATE_TOKENS },
        { "200kt/m", NGX_OK, 200000, 60000, NGX_HTTP_AI_RATE_TOKENS },
        { "2mt/d", NGX_OK, 2000000, 86400000, NGX_HTTP_AI_RATE_TOKENS },
        { "1r/s", NGX_OK, 1, 1000, NGX_HTTP_AI_RATE_REQUESTS },
        { "5R/H", NGX_OK, 5, 3600000, NGX_HTTP_AI_RATE_REQUESTS },
        { "1Kr/h", NGX_OK, 1000, 3600000, NGX_HTTP_AI_RATE_REQUESTS },
        { "0010r/m", NGX_OK, 10, 60000, NGX_HTTP_AI_RATE_REQUESTS },
        { "100000000000t/d", NGX_OK, MAX, 86400000, NGX_HTTP_AI_RATE_TOKENS },
        { "100000mt/d", NGX_OK, MAX, 86400000, NGX_HTTP_AI_RATE_TOKENS },
        { "100000000001t/d", NGX_DECLINED, 0, 0, 0 },
        { "100001mt/d", NGX_DECLINED, 0, 0, 0 },
        { "18446744073709551617r/m", NGX_DECLINED, 0, 0, 0 },
        { "99999999999999999999999999999999999kt/s", NGX_DECLINED, 0, 0, 0 },
        { "0r/m", NGX_DECLINED, 0, 0, 0 },
        { "0kt/m", NGX_DECLINED, 0, 0, 0 },
        { "", NGX_ERROR, 0, 0, 0 }, { "600", NGX_ERROR, 0, 0, 0 },
        { "600/m", NGX_ERROR, 0, 0, 0 }, { "600m/m", NGX_ERROR, 0, 0, 0 },
        { "600r", NGX_ERROR, 0, 0, 0 }, { "600r/", NGX_ERROR, 0, 0, 0 },
        { "600r/mm", NGX_ERROR, 0, 0, 0 }, { "600r/w", NGX_ERROR, 0, 0, 0 },
        { "-1r/m", NGX_ERROR, 0, 0, 0 }, { "+1r/m", NGX_ERROR, 0, 0, 0 },
        { "1.5kr/m", NGX_ERROR, 0, 0, 0 }, { "r/m", NGX_ERROR, 0, 0, 0 },
        { "1kkr/m", NGX_ERROR, 0, 0, 0 }, { " 1r/m", NGX_ERROR, 0, 0, 0 },
        { "1r/m ", NGX_ERROR, 0, 0, 0 }, { "1r m", NGX_ERROR, 0, 0, 0 },
        { NULL, 0, 0, 0, 0 }
    };

    for (s = specs; s->text; s++) {
        ngx_http_ai_test_note = s->text;

        n = strlen(s->text);
        p = ngx_http_ai_test_dup(s->text, n);
        rc = ngx_http_ai_rate_parse(p, n, &rate);
        free(p);

        t_eq(rc, s->rc);

        if (rc == NGX_OK && s->rc == NGX_OK) {
            t_eq(rate.limit, s->limit);
            t_eq(rate.period_ms, s->period);
            t_eq(rate.unit, s->unit);
        }
    }
}


static void
ngx_http_ai_test_burst(void)
{
    ngx_uint_t                 i;
    ngx_http_ai_rate_t         rate = { 600, 60000, 0 };
    ngx_http_ai_rate_bucket_t  b = { 0, 0, 0, 0, 0 };

    t_eq(ngx_http_ai_rate_remaining(&rate, &b, 5), 600);
    t_eq(b.limit, 0);

    for (i = 0; i < 600; i++) {
        t_eq(ngx_http_ai_rate_reserve(&rate, &b, 5, 1), NGX_OK);
    }

    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 5, 1), NGX_AGAIN);
    t_eq(ngx_http_ai_rate_wait(&rate, &b, 5, 1), 100);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 104, 1), NGX_AGAIN);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 105, 1), NGX_OK);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 105, 1), NGX_AGAIN);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 105, 601), NGX_DECLINED);
    t_eq(ngx_http_ai_rate_wait(&rate, &b, 105, 601), -1);
    t_eq(ngx_http_ai_rate_wait(&rate, &b, 105, 600), 60000);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 105, INT64_MAX), NGX_DECLINED);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 60104, 600), NGX_AGAIN);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 60105, 600), NGX_OK);

    /* all or nothing, and never more than the limit after a long pause */

    t_eq(ngx_http_ai_rate_remaining(&rate, &b, 60105), 0);
    t_eq(ngx_http_ai_rate_remaining(&rate, &b, 1000000000), 600);
}


/*
 * Random rules, requests, refunds and pauses against the plain statement: what
 * was granted since any moment, less what came back, is at most N plus the
 * refill.  It suffices to watch (granted - refill) against its least value.
 */

static void
ngx_http_ai_test_bound(void)
{
    int64_t                    granted, n, least, now, slack, want;
    ngx_uint_t                 i, k;
    ngx_http_ai_rate_t         rate;
    ngx_http_ai_rate_bucket_t  b;

    static const int64_t  periods[] = { 1000, 60000, 3600000, 86400000 };

    for (k = 0; k < 400; k++) {
        rate.limit = 1 + ngx_http_ai_test_random() % 5000;
        rate.period_ms = periods[k % 4];
        rate.unit = NGX_HTTP_AI_RATE_TOKENS;
        memset(&b, 0, sizeof(b));

        granted = 0;
        least = 0;
        now = 0;

        for (i = 0; i < 2000; i++) {
            now += ngx_http_ai_test_random() % 3
                   * (ngx_http_ai_test_random()
                      % (2 * rate.period_ms / rate.limit + 2));

            n = ngx_http_ai_test_random() % (rate.limit + 2);
            n = (i % 3) ? n / 50 : n;

            /* in parts of 1/period: granted - refill so far */

            slack = granted * rate.period_ms - now * rate.limit;
            least = (i == 0 || slack < least) ? slack : least;
            want = ngx_http_ai_rate_wait(&rate, &b, now, n);

            if (ngx_http_ai_rate_reserve(&rate, &b, now, n) != NGX_OK) {
                t_ok(want != 0);
                continue;
            }

            t_eq(want, 0);
            granted += n;
            t_ok(granted * rate.period_ms - now * rate.limit - least
                 <= rate.limit * rate.period_ms);

            if (i % 5 == 0) {
                ngx_http_ai_rate_refund(&rate, &b, now, n / 2);
                granted -= n / 2;
            }
        }

        t_ok(granted > 0);
    }
}


/* the answer of wait() is exact: one millisecond before it is refused */

static void
ngx_http_ai_test_wait(void)
{
    int64_t                    wait, n;
    ngx_uint_t                 i;
    ngx_msec_t                 now;
    ngx_http_ai_rate_t         rate;
    ngx_http_ai_rate_bucket_t  b, c;

    static const int64_t  limits[] = { 1, 7, 500, 86400000, 99999999977, MAX };
    static const int64_t  periods[] = { 1000, 60000, 3600000, 86400000 };

    for (i = 0; i < 20000; i++) {
        rate.limit = limits[i % 6];
        rate.period_ms = periods[i / 6 % 4];
        rate.unit = NGX_HTTP_AI_RATE_REQUESTS;
        memset(&b, 0, sizeof(b));
        now = ngx_http_ai_test_random();

        n = rate.limit - ngx_http_ai_test_random() % rate.limit;
        t_eq(ngx_http_ai_rate_reserve(&rate, &b, now, n), NGX_OK);

        if (i % 3 == 0) {
            ngx_http_ai_rate_settle(&rate, &b, now, 0,
                                    ngx_http_ai_test_random());
        }

        now += ngx_http_ai_test_random() % 977;
        n = rate.limit - ngx_http_ai_test_random() % rate.limit;
        wait = ngx_http_ai_rate_wait(&rate, &b, now, n);
        t_ok(wait >= 0);

        if (wait == NGX_HTTP_AI_RATE_WAIT_MAX) {
            continue;
        }

        if (wait > 0) {
            c = b;
            t_eq(ngx_http_ai_rate_reserve(&rate, &c, now + wait - 1, n),
                 NGX_AGAIN);
        }

        c = b;
        t_eq(ngx_http_ai_rate_reserve(&rate, &c, now + wait, n), NGX_OK);
    }
}


/* 500 a day, asked each 7 ms or once: the same to the last one */

static void
ngx_http_ai_test_drift(void)
{
    int64_t                    granted;
    ngx_msec_t                 now;
    ngx_http_ai_rate_t         rate = { 500, 86400000, 0 };
    ngx_http_ai_rate_bucket_t  b = { 0, 0, 0, 0, 0 };

    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 0, 500), NGX_OK);
    granted = 0;

    for (now = 7; now <= 4 * 86400000ull; now += 7) {
        granted += (ngx_http_ai_rate_reserve(&rate, &b, now, 1) == NGX_OK);
    }

    /* 4 days are not a multiple of 7 ms: the last one is not due yet */

    t_eq(granted, 1999);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 4 * 86400000ull, 1), NGX_OK);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 4 * 86400000ull, 1), NGX_AGAIN);
    t_eq(b.frac, 0);
}


static void
ngx_http_ai_test_settle(void)
{
    ngx_http_ai_rate_t         rate = { 1000, 60000, 0 };
    ngx_http_ai_rate_bucket_t  b = { 0, 0, 0, 0, 0 };
    ngx_http_ai_rate_bucket_t  before;

    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 0, 100), NGX_OK);
    t_eq(ngx_http_ai_rate_remaining(&rate, &b, 7), 900);

    /* a refund leaves no trace, the fraction included */

    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 7, 0), NGX_OK);
    before = b;
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 7, 333), NGX_OK);
    ngx_http_ai_rate_refund(&rate, &b, 7, 333);
    t_ok(memcmp(&b, &before, sizeof(b)) == 0);

    /* less, more, far more than reserved */

    ngx_http_ai_rate_settle(&rate, &b, 7, 100, 40);
    t_eq(ngx_http_ai_rate_remaining(&rate, &b, 7), 960);
    ngx_http_ai_rate_settle(&rate, &b, 7, 0, 960 + 500);
    t_eq(ngx_http_ai_rate_remaining(&rate, &b, 7), 0);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 7, 0), NGX_AGAIN);
    t_eq(b.level, -500);
    t_eq(ngx_http_ai_rate_wait(&rate, &b, 7, 1), 501 * 60 - 7);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 7 + 501 * 60 - 8, 1), NGX_AGAIN);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 7 + 501 * 60 - 7, 1), NGX_OK);

    /* a refund never makes it more than full; nonsense does no harm */

    ngx_http_ai_rate_refund(&rate, &b, 90000, INT64_MAX);
    t_eq(b.level, 1000);
    t_eq(b.frac, 0);
    ngx_http_ai_rate_refund(&rate, &b, 90000, -5);
    t_eq(b.level, 1000);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 90000, -5), NGX_OK);
    t_eq(b.level, 1000);
    ngx_http_ai_rate_settle(&rate, &b, 90000, INT64_MIN, INT64_MAX);
    ngx_http_ai_rate_settle(&rate, &b, 90000, INT64_MIN, INT64_MAX);
    t_eq(b.level, -MAX);
    t_eq(ngx_http_ai_rate_wait(&rate, &b, 90000, 1),
         NGX_HTTP_AI_RATE_WAIT_MAX);

    rate.limit = 1;
    rate.period_ms = 86400000;
    t_eq(ngx_http_ai_rate_wait(&rate, &b, 90000, 1),
         NGX_HTTP_AI_RATE_WAIT_MAX);

    /* all time that fits into the clock */

    t_eq(ngx_http_ai_rate_remaining(&rate, &b, (ngx_msec_t) INT64_MAX), 1);
}


static void
ngx_http_ai_test_clock(void)
{
    ngx_http_ai_rate_t         rate = { 60, 60000, 0 };
    ngx_http_ai_rate_bucket_t  b = { 0, 0, 0, 0, 0 };

    /* two workers, one 500 ms behind: no second refill of the same time */

    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 100000, 60), NGX_OK);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 101000, 1), NGX_OK);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 100500, 1), NGX_AGAIN);
    t_eq(ngx_http_ai_rate_wait(&rate, &b, 100500, 1), 1500);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 101999, 1), NGX_AGAIN);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 102000, 1), NGX_OK);

    /* set back by more: nothing is granted, and time goes on from there */

    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 2000, 1), NGX_AGAIN);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 2999, 1), NGX_AGAIN);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 3000, 1), NGX_OK);

    /* over the wrap of the counter */

    memset(&b, 0, sizeof(b));
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, (ngx_msec_t) -400, 60), NGX_OK);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 599, 1), NGX_AGAIN);
    t_eq(ngx_http_ai_rate_wait(&rate, &b, 599, 1), 1);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 600, 1), NGX_OK);
    t_eq(ngx_http_ai_rate_reserve(&rate, &b, 600, 1), NGX_AGAIN);
}


static void
ngx_http_ai_test_reload(void)
{
    ngx_http_ai_rate_t         a = { 1000, 60000, 0 };
    ngx_http_ai_rate_t         c = { 100, 3600000, 0 };
    ngx_http_ai_rate_t         m = { MAX, 86400000, 0 };
    ngx_http_ai_rate_bucket_t  b = { 0, 0, 0, 0, 0 };

    t_eq(ngx_http_ai_rate_reserve(&a, &b, 0, 750), NGX_OK);
    t_eq(ngx_http_ai_rate_remaining(&c, &b, 0), 25);
    t_eq(ngx_http_ai_rate_remaining(&m, &b, 0), MAX / 4);
    t_eq(ngx_http_ai_rate_remaining(&a, &b, 0), 250);

    /* the time until the reload counts by the old rule */

    t_eq(ngx_http_ai_rate_remaining(&c, &b, 15000), 50);

    ngx_http_ai_rate_settle(&a, &b, 0, 0, 300);
    t_eq(ngx_http_ai_rate_reserve(&c, &b, 0, 1), NGX_AGAIN);
    t_eq(b.level, -50);
    t_eq(ngx_http_ai_rate_wait(&c, &b, 0, 1), 51 * 36000);
}


static const ngx_http_ai_test_t  tests[] = {
    { "rate specs", ngx_http_ai_test_parse },
    { "N at once, then the refill", ngx_http_ai_test_burst },
    { "never more than N and the refill", ngx_http_ai_test_bound },
    { "the wait is exact to the millisecond", ngx_http_ai_test_wait },
    { "no drift over days", ngx_http_ai_test_drift },
    { "refunds and debts", ngx_http_ai_test_settle },
    { "clocks behind, set back, wrapped", ngx_http_ai_test_clock },
    { "another rule after a reload", ngx_http_ai_test_reload },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
