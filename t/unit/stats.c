
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* averages and histograms, with the clock in our own hands */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_stats.h"


#define TAU   10000
#define T0    5000000
#define WRAP  ((ngx_msec_t) -1)

#define near(got, want, off)                                                  \
    t_ok((int64_t) (got) >= (int64_t) (want) - (off)                          \
         && (int64_t) (got) <= (int64_t) (want) + (off))


static void
ngx_http_ai_test_peak(void)
{
    ngx_http_ai_stats_ewma_t  e;

    ngx_memzero(&e, sizeof(e));
    t_eq(ngx_http_ai_stats_decayed(&e, TAU, T0), 0);

    /* slower: at once */

    ngx_http_ai_stats_peak(&e, TAU, T0, 100000);
    t_eq(e.value, 100000);
    ngx_http_ai_stats_peak(&e, TAU, T0 + 1, 1000000);
    t_eq(e.value, 1000000);
    ngx_http_ai_stats_peak(&e, TAU, T0 + 1, 1000000);
    t_eq(e.value, 1000000);

    /* faster: not at all in the same ms, 1/e is left after tau */

    ngx_http_ai_stats_peak(&e, TAU, T0 + 1, 100000);
    t_eq(e.value, 1000000);
    ngx_http_ai_stats_peak(&e, TAU, T0 + 10001, 100000);
    near(e.value, 100000 + 331091, 600);
    t_eq(e.samples, 5);

    /* ... all of it after a long time, and never less than the sample */

    ngx_http_ai_stats_peak(&e, TAU, T0 + 500000, 100000);
    t_eq(e.value, 100000);
}


static void
ngx_http_ai_test_decay(void)
{
    ngx_uint_t                i;
    ngx_http_ai_stats_ewma_t  e;

    static const struct {
        ngx_msec_t  ms;
        uint32_t    left;          /* of a million, by e^(-ms/tau) */
    } points[] = {
        { 0, 1000000 }, { 1, 999900 }, { 10, 999000 }, { 100, 990050 },
        { 1000, 904837 }, { 3466, 707092 }, { 6931, 500024 },
        { 6932, 499974 }, { 9999, 367916 }, { 10000, 367879 },
        { 10001, 367843 }, { 13863, 249997 }, { 30000, 49787 },
        { 100000, 45 }, { 219999, 0 }, { 220000, 0 }, { 4000000000u, 0 }
    };

    for (i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        ngx_memzero(&e, sizeof(e));

        ngx_http_ai_stats_peak(&e, TAU, WRAP - 5, 1000000);

        near(ngx_http_ai_stats_decayed(&e, TAU, WRAP - 5 + points[i].ms),
             points[i].left, points[i].left / 500 + 1);
        t_eq(e.value, 1000000);
    }
}


/* it may not rise while time passes, nor step where the shift does */

static void
ngx_http_ai_test_monotone(void)
{
    uint32_t                  last, v;
    ngx_msec_t                t;
    ngx_http_ai_stats_ewma_t  e;

    ngx_memzero(&e, sizeof(e));
    ngx_http_ai_stats_peak(&e, TAU, T0, UINT32_MAX);

    last = UINT32_MAX;

    for (t = 0; t < 250000; t++) {
        v = ngx_http_ai_stats_decayed(&e, TAU, T0 + t);
        t_ok(v <= last && last - v <= last / 9000 + 1);
        last = v;
    }

    t_eq(last, 0);
}


/* many samples close together decay as fast as few */

static void
ngx_http_ai_test_dense(void)
{
    ngx_uint_t                i;
    ngx_http_ai_stats_ewma_t  e;

    ngx_memzero(&e, sizeof(e));
    ngx_http_ai_stats_peak(&e, TAU, T0, 1000000);

    for (i = 1; i <= 10000; i++) {
        ngx_http_ai_stats_peak(&e, TAU, T0 + i, 0);
    }

    near(e.value, 367879, 6000);

    for ( /* void */ ; i <= 200000; i++) {
        ngx_http_ai_stats_peak(&e, TAU, T0 + i, 500);
    }

    t_eq(e.value, 500);
}


static void
ngx_http_ai_test_mean(void)
{
    ngx_http_ai_stats_ewma_t  e;

    ngx_memzero(&e, sizeof(e));

    /* the first sample is all there is to go by */

    ngx_http_ai_stats_mean(&e, TAU, T0, 50000);
    t_eq(e.value, 50000);

    ngx_http_ai_stats_mean(&e, TAU, T0 + 10000, 100000);
    near(e.value, 81606, 100);

    ngx_http_ai_stats_mean(&e, TAU, T0 + 20000, 0);
    near(e.value, 30021, 100);

    ngx_http_ai_stats_mean(&e, TAU, T0 + 20000, 900000);
    near(e.value, 30021, 100);

    /* no memory at all must not divide by 0 */

    ngx_http_ai_stats_mean(&e, 0, T0 + 20001, 700);
    t_eq(e.value, 700);
    ngx_http_ai_stats_mean(&e, 0, T0 + 20001, 900);
    t_eq(e.value, 700);
}


static void
ngx_http_ai_test_back(void)
{
    ngx_http_ai_stats_ewma_t  e;

    ngx_memzero(&e, sizeof(e));
    ngx_http_ai_stats_peak(&e, TAU, T0, 1000000);

    /* a little: another worker's clock */

    t_eq(ngx_http_ai_stats_decayed(&e, TAU, T0 - 5000), 1000000);

    /* by more: else a slow target would not be tried until it catches up */

    t_eq(ngx_http_ai_stats_decayed(&e, TAU, T0 - 5001), 0);
    ngx_http_ai_stats_peak(&e, TAU, T0 - 100000, 1000);
    t_eq(e.value, 1000);
    t_eq(ngx_http_ai_stats_decayed(&e, TAU, T0 - 100000), 1000);
}


static void
ngx_http_ai_test_add(void)
{
    ngx_http_ai_stats_t         st, zero;
    ngx_http_ai_stats_sample_t  s;

    ngx_http_ai_stats_reset(&st);
    ngx_http_ai_stats_reset(&zero);

    s.latency_ms = -1;
    s.first_token_ms = -1;
    s.tokens = -1;
    s.tokens_ms = -1;

    ngx_http_ai_stats_add(&st, TAU, T0, &s);
    t_mem(&st, sizeof(st), &zero, sizeof(zero));

    s.tokens = 100;
    s.tokens_ms = 0;
    ngx_http_ai_stats_add(&st, TAU, T0, &s);
    t_mem(&st, sizeof(st), &zero, sizeof(zero));

    s.latency_ms = 2000;
    s.first_token_ms = 300;
    s.tokens_ms = 1700;
    ngx_http_ai_stats_add(&st, TAU, T0, &s);

    t_eq(st.latency.value, 2000000);
    t_eq(st.first_token.value, 300000);
    t_eq(st.speed.value, 58823);
    t_eq(st.latency_hist.sum_ms, 2000);
    t_eq(st.first_token_hist.sum_ms, 300);
    t_eq(ngx_http_ai_stats_total(&st.latency_hist), 1);
    t_eq(ngx_http_ai_stats_total(&st.first_token_hist), 1);

    /* 0 ms, and no token, are answers too */

    s.latency_ms = 0;
    s.first_token_ms = 0;
    s.tokens = 0;
    s.tokens_ms = 1;
    ngx_http_ai_stats_add(&st, TAU, T0, &s);
    t_eq(st.latency_hist.counts[0], 1);
    t_eq(st.first_token_hist.counts[0], 1);
    t_eq(st.speed.samples, 2);

    s.latency_ms = INT64_MAX;
    s.tokens = INT64_MAX;
    s.tokens_ms = 1;
    ngx_http_ai_stats_add(&st, TAU, T0, &s);
    t_eq(st.latency.value, 4294967000u);
    t_eq(st.latency_hist.counts[15], 1);
    t_eq(ngx_http_ai_stats_speed(INT64_MAX, 1), UINT32_MAX);
    t_eq(ngx_http_ai_stats_speed(INT64_MAX, INT64_MAX), 0);
    t_eq(ngx_http_ai_stats_speed(1, 0), 0);
    t_eq(ngx_http_ai_stats_speed(-1, 5), 0);
    t_eq(ngx_http_ai_stats_speed(1, 1000), 1000);

    ngx_http_ai_stats_reset(&st);
    t_mem(&st, sizeof(st), &zero, sizeof(zero));
}


static void
ngx_http_ai_test_buckets(void)
{
    uint64_t                  bound;
    ngx_uint_t                k;
    ngx_http_ai_stats_hist_t  h;

    t_eq(ngx_http_ai_stats_bound(0), 10);
    t_eq(ngx_http_ai_stats_bound(13), 81920);
    t_eq(ngx_http_ai_stats_bound(14), 163840);

    ngx_memzero(&h, sizeof(h));

    ngx_http_ai_stats_count(&h, 0);
    t_eq(h.counts[0], 1);

    for (k = 0; k < 15; k++) {
        bound = ngx_http_ai_stats_bound(k);
        ngx_memzero(&h, sizeof(h));

        ngx_http_ai_stats_count(&h, bound - 1);
        ngx_http_ai_stats_count(&h, bound);
        ngx_http_ai_stats_count(&h, bound + 1);

        t_eq(h.counts[k], 2);
        t_eq(h.counts[k + 1], 1);
        t_eq(h.sum_ms, 3 * bound);
    }

    h.counts[0] = UINT32_MAX;
    ngx_http_ai_stats_count(&h, 1);
    t_eq(h.counts[0], UINT32_MAX);
}


static void
ngx_http_ai_test_percentile(void)
{
    ngx_uint_t                i;
    ngx_http_ai_stats_hist_t  h;

    ngx_memzero(&h, sizeof(h));
    t_eq(ngx_http_ai_stats_percentile(&h, 500), -1);

    ngx_http_ai_stats_count(&h, 15);
    t_eq(ngx_http_ai_stats_percentile(&h, 0), 20);
    t_eq(ngx_http_ai_stats_percentile(&h, 1), 20);
    t_eq(ngx_http_ai_stats_percentile(&h, 1000), 20);

    /* 100 samples spread evenly over (0, 10], 10 over (320, 640] */

    ngx_memzero(&h, sizeof(h));

    for (i = 0; i < 100; i++) {
        ngx_http_ai_stats_count(&h, i / 10);
    }

    for (i = 0; i < 10; i++) {
        ngx_http_ai_stats_count(&h, 352 + 32 * i);
    }

    t_eq(ngx_http_ai_stats_percentile(&h, 0), 0);
    t_eq(ngx_http_ai_stats_percentile(&h, 455), 5);
    t_eq(ngx_http_ai_stats_percentile(&h, 909), 10);
    t_eq(ngx_http_ai_stats_percentile(&h, 910), 352);
    t_eq(ngx_http_ai_stats_percentile(&h, 990), 608);
    t_eq(ngx_http_ai_stats_percentile(&h, 1000), 640);
    t_eq(ngx_http_ai_stats_percentile(&h, 5000), 640);

    for (i = 0; i < 1000; i++) {
        ngx_http_ai_stats_count(&h, 1000000);
    }

    t_eq(ngx_http_ai_stats_percentile(&h, 500), 163840);

    for (i = 0; i < 16; i++) {
        h.counts[i] = UINT32_MAX;
    }

    t_eq(ngx_http_ai_stats_percentile(&h, 500), 1280);
}


static const ngx_http_ai_test_t  tests[] = {
    { "peak average", ngx_http_ai_test_peak },
    { "decay is exponential", ngx_http_ai_test_decay },
    { "decay is smooth", ngx_http_ai_test_monotone },
    { "dense samples", ngx_http_ai_test_dense },
    { "mean average", ngx_http_ai_test_mean },
    { "clock set back", ngx_http_ai_test_back },
    { "one answer's sample", ngx_http_ai_test_add },
    { "edges of buckets", ngx_http_ai_test_buckets },
    { "percentiles", ngx_http_ai_test_percentile },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
