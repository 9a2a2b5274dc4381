
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* the sliding window, with the clock in our own hands */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_window.h"


#define WINDOW  10000               /* slots of 1 s */
#define WRAP    ((ngx_msec_t) -1)   /* the last ms before the clock wraps */

#define OK      NGX_HTTP_AI_WINDOW_OK
#define FAILED  NGX_HTTP_AI_WINDOW_FAILED
#define SLOW    NGX_HTTP_AI_WINDOW_SLOW


static uint64_t
ngx_http_ai_test_total(const ngx_http_ai_window_t *w, ngx_msec_t now)
{
    ngx_http_ai_window_sum_t  sum;

    ngx_http_ai_window_sum(w, WINDOW, now, &sum);

    return sum.total;
}


static void
ngx_http_ai_test_kinds(void)
{
    ngx_uint_t                i;
    ngx_http_ai_window_t      w;
    ngx_http_ai_window_sum_t  sum;

    ngx_http_ai_window_reset(&w);

    t_eq(ngx_http_ai_test_total(&w, 0), 0);
    t_eq(ngx_http_ai_test_total(&w, 5), 0);
    t_eq(ngx_http_ai_test_total(&w, WRAP), 0);

    for (i = 0; i < 6; i++) {
        ngx_http_ai_window_add(&w, WINDOW, 1000 * i,
                               i < 1 ? OK : i < 3 ? FAILED : SLOW);
    }

    ngx_http_ai_window_sum(&w, WINDOW, 5000, &sum);

    t_eq(sum.counts[OK], 1);
    t_eq(sum.counts[FAILED], 2);
    t_eq(sum.counts[SLOW], 3);
    t_eq(sum.total, 6);

    ngx_http_ai_window_reset(&w);
    t_eq(ngx_http_ai_test_total(&w, 5000), 0);
}


/* an event leaves with its slot, after a whole window at the latest */

static void
ngx_http_ai_test_edges(void)
{
    ngx_uint_t            i;
    ngx_msec_t            t;
    ngx_http_ai_window_t  w;

    static const ngx_msec_t  starts[] = {
        0, 1, 77777, WRAP - 20000, WRAP - 10000, WRAP - 9999, WRAP - 5000,
        WRAP - 1, WRAP, ((ngx_msec_t) -1 >> 1) - 5000
    };

    for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        t = starts[i];

        ngx_http_ai_window_reset(&w);
        w.start = t - 100000;      /* else 0 may be a slot in the future */

        ngx_http_ai_window_add(&w, WINDOW, t, FAILED);
        ngx_http_ai_window_add(&w, WINDOW, t + 999, FAILED);
        ngx_http_ai_window_add(&w, WINDOW, t + 1000, FAILED);

        t_eq(ngx_http_ai_test_total(&w, t + 1000), 3);
        t_eq(ngx_http_ai_test_total(&w, t + 9999), 3);
        t_eq(ngx_http_ai_test_total(&w, t + 10000), 1);
        t_eq(ngx_http_ai_test_total(&w, t + 10001), 1);
        t_eq(ngx_http_ai_test_total(&w, t + 10999), 1);
        t_eq(ngx_http_ai_test_total(&w, t + 11000), 0);
        t_eq(ngx_http_ai_test_total(&w, t + 1000000), 0);

        /* the same when an event moves the window on */

        ngx_http_ai_window_add(&w, WINDOW, t + 10000, OK);
        t_eq(ngx_http_ai_test_total(&w, t + 10000), 2);
        t_eq(ngx_http_ai_test_total(&w, t + 11000), 1);
        t_eq(ngx_http_ai_test_total(&w, t + 19999), 1);
        t_eq(ngx_http_ai_test_total(&w, t + 20000), 0);
    }
}


/* against a list of all events: in for 9 tenths at least, out after a whole */

static void
ngx_http_ai_test_model(void)
{
    uint64_t              total;
    ngx_msec_t            now, at[4000];
    ngx_uint_t            i, n, least, most;
    ngx_http_ai_window_t  w;

    ngx_http_ai_window_reset(&w);

    now = WRAP - 300000;
    w.start = now - 100000;

    for (n = 0; n < 4000; n++) {
        now += ngx_http_ai_test_random() % 100 == 0
               ? ngx_http_ai_test_random() % 25000
               : ngx_http_ai_test_random() % 700;

        ngx_http_ai_window_add(&w, WINDOW, now, n % 3);
        at[n] = now;

        least = 0;
        most = 0;

        for (i = 0; i <= n; i++) {
            least += now - at[i] <= WINDOW / 10 * 9;
            most += now - at[i] < WINDOW;
        }

        total = ngx_http_ai_test_total(&w, now);
        t_ok(total >= least && total <= most);
    }
}


static void
ngx_http_ai_test_back(void)
{
    ngx_http_ai_window_t  w;

    ngx_http_ai_window_reset(&w);

    ngx_http_ai_window_add(&w, WINDOW, 900000, FAILED);

    /* another worker's clock: the same slot */

    ngx_http_ai_window_add(&w, WINDOW, 895000, FAILED);
    t_eq(ngx_http_ai_test_total(&w, 895000), 2);
    t_eq(ngx_http_ai_test_total(&w, 909999), 2);
    t_eq(ngx_http_ai_test_total(&w, 910000), 0);

    /* set back: nothing is known of when the counts were made */

    t_eq(ngx_http_ai_test_total(&w, 894999), 0);
    ngx_http_ai_window_add(&w, WINDOW, 500000, OK);
    t_eq(ngx_http_ai_test_total(&w, 500000), 1);
    t_eq(ngx_http_ai_test_total(&w, 509999), 1);
    t_eq(ngx_http_ai_test_total(&w, 510000), 0);
}


static void
ngx_http_ai_test_odd(void)
{
    ngx_uint_t                i;
    ngx_http_ai_window_t      w;
    ngx_http_ai_window_sum_t  sum;

    /* not a multiple of 10: slots are rounded up, 7 ms here */

    ngx_http_ai_window_reset(&w);
    ngx_http_ai_window_add(&w, 64, 1000, OK);
    ngx_http_ai_window_sum(&w, 64, 1069, &sum);
    t_eq(sum.total, 1);

    ngx_http_ai_window_reset(&w);
    ngx_http_ai_window_add(&w, 61, 1000, OK);
    ngx_http_ai_window_sum(&w, 61, 1069, &sum);
    t_eq(sum.total, 1);
    ngx_http_ai_window_sum(&w, 61, 1070, &sum);
    t_eq(sum.total, 0);

    /* no window at all must not divide by 0 */

    for (i = 0; i < 2; i++) {
        ngx_http_ai_window_reset(&w);
        ngx_http_ai_window_add(&w, i, 1000, OK);
        ngx_http_ai_window_sum(&w, i, 1000, &sum);
        t_eq(sum.total, 1);
        ngx_http_ai_window_sum(&w, i, 1010, &sum);
        t_eq(sum.total, 0);
    }

    /* another length after a reload: the counts are only aged anew */

    ngx_http_ai_window_reset(&w);
    ngx_http_ai_window_add(&w, 10000, 50000, OK);
    ngx_http_ai_window_add(&w, 100000, 59000, OK);
    ngx_http_ai_window_sum(&w, 100000, 149999, &sum);
    t_eq(sum.total, 2);
    ngx_http_ai_window_sum(&w, 10000, 69000, &sum);
    t_eq(sum.total, 0);
}


static void
ngx_http_ai_test_full(void)
{
    ngx_uint_t                i;
    ngx_http_ai_window_t      w;
    ngx_http_ai_window_sum_t  sum;

    ngx_http_ai_window_reset(&w);

    for (i = 0; i < 10; i++) {
        ngx_http_ai_window_add(&w, WINDOW, 100000 + 1000 * i, OK);
        w.counts[w.head][OK] = UINT32_MAX - 1;
        ngx_http_ai_window_add(&w, WINDOW, 100000 + 1000 * i, OK);
        ngx_http_ai_window_add(&w, WINDOW, 100000 + 1000 * i, OK);
    }

    ngx_http_ai_window_sum(&w, WINDOW, 109000, &sum);
    t_ok(sum.total == 10 * (uint64_t) UINT32_MAX);

    /* a head out of bounds, from memory gone bad, must not reach further */

    w.head = UINT32_MAX;
    ngx_http_ai_window_add(&w, WINDOW, 109000, FAILED);
    ngx_http_ai_window_sum(&w, WINDOW, 109000, &sum);
    t_eq(sum.counts[FAILED], 1);
}


static void
ngx_http_ai_test_elapsed(void)
{
    t_eq(ngx_http_ai_window_elapsed(5, 5), 0);
    t_eq(ngx_http_ai_window_elapsed(5, 9), 4);
    t_eq(ngx_http_ai_window_elapsed(WRAP, 4), 5);
    t_eq(ngx_http_ai_window_elapsed(5, 4), 0);
    t_eq(ngx_http_ai_window_elapsed(5000, 0), 0);
    t_ok(ngx_http_ai_window_elapsed(5001, 0) == NGX_HTTP_AI_WINDOW_AGES);
    t_ok(ngx_http_ai_window_elapsed(4, WRAP) == 0);
    t_ok(ngx_http_ai_window_elapsed(6000, WRAP) == NGX_HTTP_AI_WINDOW_AGES);
}


static const ngx_http_ai_test_t  tests[] = {
    { "kinds of events, and reset", ngx_http_ai_test_kinds },
    { "edges of slots and window, clock about to wrap",
      ngx_http_ai_test_edges },
    { "random events against a list", ngx_http_ai_test_model },
    { "clock set back", ngx_http_ai_test_back },
    { "odd windows", ngx_http_ai_test_odd },
    { "full counters", ngx_http_ai_test_full },
    { "elapsed time", ngx_http_ai_test_elapsed },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
