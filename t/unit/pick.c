
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* balancers: exact shares, no bursts, only the eligible ones */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_pick.h"


#define NGX_HTTP_AI_TEST_PEERS  64


static ngx_uint_t  counts[NGX_HTTP_AI_TEST_PEERS];
static int64_t     current[NGX_HTTP_AI_TEST_PEERS];


static void
ngx_http_ai_test_rounds(const ngx_uint_t *weights, ngx_uint_t n,
    uint64_t eligible, ngx_uint_t rounds)
{
    ngx_uint_t  i, k;

    memset(counts, 0, sizeof(counts));

    for (i = 0; i < rounds; i++) {
        k = ngx_http_ai_pick_smooth(weights, current, n, eligible);

        t_ok(k < n && (eligible & ((uint64_t) 1 << k)));

        if (k < n) {
            counts[k]++;
        }
    }
}


static void
ngx_http_ai_test_order(void)
{
    char        got[8];
    ngx_uint_t  i;

    static const ngx_uint_t  three[] = { 3, 1 };
    static const ngx_uint_t  five[] = { 5, 1, 1 };
    static const ngx_uint_t  same[] = { 7, 7, 7 };

    memset(current, 0, sizeof(current));

    for (i = 0; i < 8; i++) {
        got[i] = "ab"[ngx_http_ai_pick_smooth(three, current, 2, 3)];
    }

    t_mem(got, 8, "aabaaaba", 8);

    memset(current, 0, sizeof(current));

    for (i = 0; i < 7; i++) {
        got[i] = "abc"[ngx_http_ai_pick_smooth(five, current, 3, 7)];
    }

    t_mem(got, 7, "aabacaa", 7);

    memset(current, 0, sizeof(current));

    for (i = 0; i < 6; i++) {
        got[i] = "abc"[ngx_http_ai_pick_smooth(same, current, 3, 7)];
    }

    t_mem(got, 6, "abcabc", 6);
}


/* in every sum(weights) choices, from the first on */

static void
ngx_http_ai_test_shares(void)
{
    ngx_uint_t  i, k, n, total, weights[NGX_HTTP_AI_TEST_PEERS];
    uint64_t    all;

    for (i = 0; i < 200; i++) {

        n = 1 + ngx_http_ai_test_random() % NGX_HTTP_AI_TEST_PEERS;
        all = n == 64 ? ~(uint64_t) 0 : ((uint64_t) 1 << n) - 1;
        total = 0;

        for (k = 0; k < n; k++) {
            weights[k] = 1 + ngx_http_ai_test_random() % (i % 2 ? 20 : 3);
            total += weights[k];
        }

        memset(current, 0, sizeof(current));

        ngx_http_ai_test_rounds(weights, n, all, total);

        for (k = 0; k < n; k++) {
            t_eq(counts[k], weights[k]);
            t_eq(current[k], 0);
        }

        ngx_http_ai_test_rounds(weights, n, all, 3 * total);

        for (k = 0; k < n; k++) {
            t_eq(counts[k], 3 * weights[k]);
        }
    }
}


/* no peer is ever further from its share than a whole turn */

static void
ngx_http_ai_test_smooth(void)
{
    ngx_uint_t  i, k, p, total, weights[8];
    int64_t     off;

    for (i = 0; i < 50; i++) {

        total = 0;

        for (k = 0; k < 8; k++) {
            weights[k] = 1 + ngx_http_ai_test_random() % 50;
            total += weights[k];
        }

        memset(current, 0, sizeof(current));
        memset(counts, 0, sizeof(counts));

        for (p = 1; p <= total; p++) {
            counts[ngx_http_ai_pick_smooth(weights, current, 8, 0xff)]++;

            for (k = 0; k < 8; k++) {
                off = (int64_t) (counts[k] * total)
                      - (int64_t) (p * weights[k]);
                t_ok(off < (int64_t) (2 * total)
                     && off > -(int64_t) (2 * total));
            }
        }
    }
}


static void
ngx_http_ai_test_masks(void)
{
    ngx_uint_t  k, total, weights[6];
    uint64_t    mask;

    for (mask = 1; mask < 64; mask++) {

        total = 0;

        for (k = 0; k < 6; k++) {
            weights[k] = k + 1;

            if (mask & ((uint64_t) 1 << k)) {
                total += weights[k];
            }
        }

        memset(current, 0, sizeof(current));

        ngx_http_ai_test_rounds(weights, 6, mask, 2 * total);

        for (k = 0; k < 6; k++) {
            t_eq(counts[k], mask & ((uint64_t) 1 << k) ? 2 * weights[k] : 0);
        }
    }
}


static void
ngx_http_ai_test_last_peer(void)
{
    ngx_uint_t  i, weights[NGX_HTTP_AI_TEST_PEERS];

    for (i = 0; i < NGX_HTTP_AI_TEST_PEERS; i++) {
        weights[i] = 1000;
    }

    memset(current, 0, sizeof(current));

    t_eq(ngx_http_ai_pick_smooth(weights, current, 64,
                                 (uint64_t) 1 << 63), 63);

    ngx_http_ai_test_rounds(weights, 64, ((uint64_t) 1 << 63) | 1, 10);

    t_eq(counts[0], 5);
    t_eq(counts[63], 5);
}


/*
 * A peer that is away does not save its turns up: when it is back it gets its
 * share, no burst.
 */

static void
ngx_http_ai_test_return(void)
{
    ngx_uint_t  i, k, run, worst;

    static const ngx_uint_t  weights[] = { 1, 1, 1 };

    memset(current, 0, sizeof(current));

    ngx_http_ai_test_rounds(weights, 3, 7, 4);
    ngx_http_ai_test_rounds(weights, 3, 3, 1000);

    t_ok(counts[0] >= 499 && counts[0] <= 501);
    t_ok(counts[1] >= 499 && counts[1] <= 501);

    run = 0;
    worst = 0;

    for (i = 0; i < 30; i++) {
        k = ngx_http_ai_pick_smooth(weights, current, 3, 7);
        run = (k == 2) ? run + 1 : 0;
        worst = ngx_max(worst, run);
    }

    t_ok(worst <= 2);
}


static const ngx_http_ai_test_t  tests[] = {
    { "the order of small weights", ngx_http_ai_test_order },
    { "exact shares in each turn", ngx_http_ai_test_shares },
    { "no bursts", ngx_http_ai_test_smooth },
    { "only eligible peers, every mask", ngx_http_ai_test_masks },
    { "64 peers", ngx_http_ai_test_last_peer },
    { "a peer that comes back", ngx_http_ai_test_return },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
