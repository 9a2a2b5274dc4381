
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* balancers: shares, ties, what moves when peers come and go, bounds */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_pick.h"


#define KEYS  20000

#define ALL(n)  ((n) == 64 ? UINT64_MAX : ((uint64_t) 1 << (n)) - 1)


static ngx_http_ai_pick_peer_t  peers[64];


static uint64_t
ngx_http_ai_test_random64(void)
{
    return ((uint64_t) ngx_http_ai_test_random() << 32)
           | ngx_http_ai_test_random();
}


static void
ngx_http_ai_test_peers(ngx_uint_t n)
{
    ngx_uint_t  i;

    memset(peers, 0, sizeof(peers));

    for (i = 0; i < n; i++) {
        peers[i].weight = 1;
        peers[i].percent = 100;
        peers[i].hash = 2654435761u * (i + 1);
    }
}


/* the contract: the exact share in each round, never a burst */

static void
ngx_http_ai_test_smooth(void)
{
    int64_t     current[3] = { 0, 0, 0 };
    ngx_uint_t  i, k, count[3];

    static const ngx_uint_t  weights[] = { 5, 1, 1 };
    static const ngx_uint_t  order[] = { 0, 0, 1, 0, 2, 0, 0 };

    for (i = 0; i < 700; i++) {
        t_eq(ngx_http_ai_pick_smooth(weights, current, 3, 7), order[i % 7]);
    }

    memset(current, 0, sizeof(current));
    memset(count, 0, sizeof(count));

    for (i = 0; i < 600; i++) {
        k = ngx_http_ai_pick_smooth(weights, current, 3, 5);
        count[k]++;
    }

    t_eq(count[0], 500);
    t_eq(count[1], 0);
    t_eq(count[2], 100);
}


static void
ngx_http_ai_test_weighted(void)
{
    int64_t     current[64];
    uint64_t    sum;
    ngx_uint_t  i, k, n, round, count[64], weights[64];

    /* with full percentages it is the smooth one */

    for (round = 0; round < 200; round++) {
        int64_t  other[64];

        n = (round % 10 == 0) ? 64 : 1 + ngx_http_ai_test_random() % 8;
        ngx_http_ai_test_peers(n);
        memset(current, 0, sizeof(current));
        memset(other, 0, sizeof(other));

        for (i = 0; i < n; i++) {
            weights[i] = 1 + ngx_http_ai_test_random() % 9;
            peers[i].weight = weights[i];
        }

        for (i = 0; i < 300; i++) {
            k = ngx_http_ai_pick_smooth(weights, other, n, ALL(n));
            t_eq(ngx_http_ai_pick_weighted(peers, current, n, ALL(n)), k);
        }
    }

    /* 3 x 50 % against 2 x 100 % against 0 x 0 %, which is 1 of 351 */

    ngx_http_ai_test_peers(3);
    memset(current, 0, sizeof(current));
    memset(count, 0, sizeof(count));
    peers[0].weight = 3;
    peers[0].percent = 50;
    peers[1].weight = 2;
    peers[2].weight = 0;
    peers[2].percent = 0;
    sum = 351;

    for (i = 0; i < 10 * sum; i++) {
        count[ngx_http_ai_pick_weighted(peers, current, 3, 7)]++;
    }

    t_eq(count[0], 1500);
    t_eq(count[1], 2000);
    t_eq(count[2], 10);
}


/* what was gathered with large weights is no burst with small ones */

static void
ngx_http_ai_test_change(void)
{
    int64_t     current[2] = { 0, 0 };
    ngx_uint_t  i, first;

    ngx_http_ai_test_peers(2);
    peers[0].weight = 10000;
    peers[1].weight = 10000;

    (void) ngx_http_ai_pick_weighted(peers, current, 2, 3);

    peers[0].weight = 1;
    peers[1].weight = 1;
    peers[0].percent = 1;
    peers[1].percent = 1;

    first = 0;

    for (i = 0; i < 10; i++) {
        first += (ngx_http_ai_pick_weighted(peers, current, 2, 3) == 0);
    }

    t_ok(first >= 4 && first <= 6);
}


static void
ngx_http_ai_test_busy(void)
{
    ngx_uint_t  i, k, count[2];

    ngx_http_ai_test_peers(2);

    for (i = 0; i < 1000; i++) {
        peers[0].inflight = ngx_http_ai_test_random() % 5;
        peers[1].inflight = ngx_http_ai_test_random() % 5;
        peers[0].weight = 1 + ngx_http_ai_test_random() % 3;
        peers[1].weight = 1 + ngx_http_ai_test_random() % 3;

        k = ngx_http_ai_pick_least_busy(peers, 2, 3, i);

        t_ok(peers[k].inflight * peers[!k].weight
             <= peers[!k].inflight * peers[k].weight);
        t_eq(ngx_http_ai_pick_least_busy(peers, 2, 1, i), 0);
        t_eq(ngx_http_ai_pick_least_busy(peers, 2, 2, i), 1);
    }

    /* a tie goes by weight */

    ngx_http_ai_test_peers(2);
    peers[0].weight = 3;
    memset(count, 0, sizeof(count));

    for (i = 0; i < 40000; i++) {
        count[ngx_http_ai_pick_least_busy(peers, 2, 3,
                                          ngx_http_ai_test_random())]++;
    }

    t_ok(count[0] > 29500 && count[0] < 30500);

    /* one that is nearly used up is not preferred for being idle */

    peers[0].weight = 1;
    peers[0].percent = 5;
    peers[1].inflight = 18;

    for (i = 0; i < 100; i++) {
        t_eq(ngx_http_ai_pick_least_busy(peers, 2, 3, i), 1);
    }

    peers[1].inflight = 20;
    t_eq(ngx_http_ai_pick_least_busy(peers, 2, 3, 1), 0);

    peers[0].inflight = UINT64_MAX;
    peers[1].inflight = 1000;
    peers[0].weight = UINT32_MAX;
    t_eq(ngx_http_ai_pick_least_busy(peers, 2, 3, 1), 1);
}


/* m balls into n bins: two choices keep the fullest close to the mean */

static void
ngx_http_ai_test_two(void)
{
    uint64_t    most;
    ngx_uint_t  i, k;

    ngx_http_ai_test_peers(50);
    peers[7].weight = 25;
    most = 0;

    for (i = 0; i < 7400; i++) {
        k = ngx_http_ai_pick_least_busy(peers, 50, ALL(50) & ~(1ull << 3),
                                        ngx_http_ai_test_random());
        peers[k].inflight++;
    }

    t_eq(peers[3].inflight, 0);

    for (i = 0; i < 50; i++) {
        most = (i != 7) ? ngx_max(most, peers[i].inflight) : most;
    }

    /* weights: 48 of 1 and one of 25, so that the mean is 101 */

    t_ok(most <= 108);
    t_ok(peers[7].inflight > 24 * 101 && peers[7].inflight < 26 * 101);

    /* the second one is drawn from the rest alike */

    ngx_http_ai_test_peers(3);
    peers[0].inflight = 9;
    most = 0;

    for (i = 0; i < 30000; i++) {
        k = ngx_http_ai_pick_least_busy(peers, 3, 7,
                                        ngx_http_ai_test_random());
        most += (k == 1);
        t_ok(k != 0);
    }

    t_ok(most > 14500 && most < 15500);
}


static void
ngx_http_ai_test_time(void)
{
    ngx_uint_t  i, k, count[3];

    ngx_http_ai_test_peers(2);

    for (i = 0; i < 1000; i++) {
        peers[0].time_us = 1000 + ngx_http_ai_test_random() % 9000;
        peers[1].time_us = 1000 + ngx_http_ai_test_random() % 9000;
        peers[0].inflight = ngx_http_ai_test_random() % 9;
        peers[1].inflight = ngx_http_ai_test_random() % 9;
        peers[0].percent = 1 + ngx_http_ai_test_random() % 100;

        k = ngx_http_ai_pick_least_time(peers, 2, 3, i);

        t_ok(peers[k].time_us * (peers[k].inflight + 1) * peers[!k].percent
             <= peers[!k].time_us * (peers[!k].inflight + 1)
                * peers[k].percent);
    }

    /* unknown is as quick as the quickest, not infinitely quick */

    ngx_http_ai_test_peers(3);
    peers[0].time_us = 4000;
    peers[1].time_us = 9000;
    memset(count, 0, sizeof(count));

    for (i = 0; i < 300; i++) {
        k = ngx_http_ai_pick_least_time(peers, 3, 7,
                                        ngx_http_ai_test_random());
        count[k]++;
        peers[k].inflight++;
    }

    t_ok(count[2] > 90 && count[2] < 150);
    t_ok(count[1] > 30);

    /* absurd figures */

    ngx_http_ai_test_peers(2);
    peers[0].time_us = UINT64_MAX;
    peers[0].inflight = UINT64_MAX;
    peers[1].time_us = 5000000;
    peers[1].weight = UINT32_MAX;
    t_eq(ngx_http_ai_pick_least_time(peers, 2, 3, 0), 1);
    peers[0].time_us = 1ull << 63;
    peers[0].inflight = 1;
    t_eq(ngx_http_ai_pick_least_time(peers, 2, 3, 0), 1);
}


static void
ngx_http_ai_test_cost(void)
{
    int64_t     current[64];
    ngx_uint_t  i, count[4];

    ngx_http_ai_test_peers(4);
    memset(current, 0, sizeof(current));
    memset(count, 0, sizeof(count));

    peers[0].price = 10;
    peers[1].price = 5;
    peers[1].weight = 3;
    peers[2].price = 5;
    peers[3].price = NGX_HTTP_AI_PICK_NO_PRICE;

    for (i = 0; i < 400; i++) {
        count[ngx_http_ai_pick_least_cost(peers, current, 4, 15)]++;
    }

    t_eq(count[1], 300);
    t_eq(count[2], 100);

    t_eq(ngx_http_ai_pick_least_cost(peers, current, 4, 9), 0);
    t_eq(ngx_http_ai_pick_least_cost(peers, current, 4, 8), 3);

    /* the cheap ones are nearly used up; then all are */

    peers[1].percent = 9;
    peers[2].percent = 9;
    t_eq(ngx_http_ai_pick_least_cost(peers, current, 4, 15), 0);
    peers[2].percent = 10;
    t_eq(ngx_http_ai_pick_least_cost(peers, current, 4, 15), 2);
    peers[0].percent = peers[2].percent = peers[3].percent = 1;
    t_ok(ngx_http_ai_pick_least_cost(peers, current, 4, 15) != 0);
}


/* shares by weight */

static void
ngx_http_ai_test_hash_shares(void)
{
    ngx_uint_t  i, k, n, sum, want, count[64];

    for (n = 1; n <= 64; n = (n < 4) ? n + 1 : n * 4) {
        ngx_http_ai_test_peers(n);
        memset(count, 0, sizeof(count));
        sum = 0;

        for (i = 0; i < n; i++) {
            peers[i].weight = 1 + i % 5;
            sum += peers[i].weight;
        }

        for (i = 0; i < 100000; i++) {
            count[ngx_http_ai_pick_hash(peers, n, ALL(n),
                                        ngx_http_ai_test_random64())]++;
        }

        for (k = 0; k < n; k++) {
            want = 100000 * peers[k].weight / sum;
            t_ok(count[k] > want - want / 8 - 30);
            t_ok(count[k] < want + want / 8 + 30);
        }
    }

    /* 1 to 9,999: the small one gets its few, too */

    ngx_http_ai_test_peers(2);
    memset(count, 0, sizeof(count));
    peers[0].weight = 9999;

    for (i = 0; i < 1000000; i++) {
        count[ngx_http_ai_pick_hash(peers, 2, 3,
                                    ngx_http_ai_test_random64())]++;
    }

    t_ok(count[1] > 60 && count[1] < 140);

    /* the logarithm is good to a percent, by far */

    memset(count, 0, sizeof(count));
    peers[0].weight = 7;

    for (i = 0; i < 1000000; i++) {
        count[ngx_http_ai_pick_hash(peers, 2, 3,
                                    ngx_http_ai_test_random64())]++;
    }

    t_ok(count[1] > 125000 - 1200 && count[1] < 125000 + 1200);
}


/* who goes, comes, changes place or gains weight moves only its own */

static void
ngx_http_ai_test_hash_moves(void)
{
    uint64_t                 key[KEYS];
    ngx_uint_t               i, k, moved, was[KEYS];
    ngx_http_ai_pick_peer_t  p;

    ngx_http_ai_test_peers(10);

    for (i = 0; i < KEYS; i++) {
        key[i] = ngx_http_ai_test_random64();
        was[i] = ngx_http_ai_pick_hash(peers, 10, ALL(10), key[i]);
        t_eq(ngx_http_ai_pick_hash(peers, 10, ALL(10), key[i]), was[i]);
    }

    moved = 0;

    for (i = 0; i < KEYS; i++) {
        k = ngx_http_ai_pick_hash(peers, 10, ALL(10) & ~(1ull << 4), key[i]);

        t_ok(was[i] == 4 ? k != 4 : k == was[i]);
        moved += (k != was[i]);
    }

    t_ok(moved > KEYS / 12 && moved < KEYS / 8);

    peers[2].weight = 2;
    moved = 0;

    for (i = 0; i < KEYS; i++) {
        k = ngx_http_ai_pick_hash(peers, 10, ALL(10), key[i]);
        t_ok(k == was[i] || k == 2);
        moved += (k != was[i]);
    }

    /* from 1/10 to 2/11 */

    t_ok(moved > KEYS / 14 && moved < KEYS / 10);

    peers[2].weight = 1;
    peers[2].percent = 40;
    p = peers[0];
    peers[0] = peers[9];
    peers[9] = p;

    for (i = 0; i < KEYS; i++) {
        k = ngx_http_ai_pick_hash(peers, 10, ALL(10), key[i]);
        t_eq(k == 0 ? 9 : k == 9 ? 0 : k, was[i]);
    }
}


/* one hot key: nobody above 5/4 of its share, overflow in the key's order */

static void
ngx_http_ai_test_hash_bound(void)
{
    uint64_t    all, total, sum, key;
    ngx_uint_t  i, k, n, round, first, second;

    for (round = 0; round < 300; round++) {
        n = 1 + ngx_http_ai_test_random() % 64;
        ngx_http_ai_test_peers(n);
        key = ngx_http_ai_test_random64();
        all = ALL(n);
        sum = 0;

        for (i = 0; i < n; i++) {
            peers[i].weight = 1 + ngx_http_ai_test_random() % 4;
            peers[i].percent = 10 + ngx_http_ai_test_random() % 91;
            sum += peers[i].weight * peers[i].percent;
        }

        for (total = 1; total <= 300; total++) {
            if (total % 3 == 0) {
                key = ngx_http_ai_test_random64();
            }

            k = ngx_http_ai_pick_hash(peers, n, all, key);
            t_ok(k < n);

            if (k >= n) {
                return;
            }

            peers[k].inflight++;

            /* at most 5/4 of the share, rounded up */

            t_ok(4 * (peers[k].inflight - 1) * sum
                 < 5 * total * peers[k].weight * peers[k].percent);
        }
    }

    ngx_http_ai_test_peers(8);
    first = ngx_http_ai_pick_hash(peers, 8, ALL(8), 77);
    second = ngx_http_ai_pick_hash(peers, 8, ALL(8) & ~(1ull << first), 77);
    peers[first].inflight = 5;
    t_eq(ngx_http_ai_pick_hash(peers, 8, ALL(8), 77), second);

    /* faint: out of the way, unless all are */

    peers[first].inflight = 0;
    t_eq(ngx_http_ai_pick_hash(peers, 8, ALL(8), 77), first);
    peers[first].percent = 9;
    t_eq(ngx_http_ai_pick_hash(peers, 8, ALL(8), 77), second);

    for (i = 0; i < 8; i++) {
        peers[i].percent = 9;
    }

    t_eq(ngx_http_ai_pick_hash(peers, 8, ALL(8), 77), first);

    /* all over any bound */

    for (i = 0; i < 8; i++) {
        peers[i].inflight = UINT64_MAX;
        peers[i].weight = UINT32_MAX;
    }

    t_ok(ngx_http_ai_pick_hash(peers, 8, ALL(8), 77) < 8);
}


/* whatever the mask: only an eligible one is chosen, by all of them */

static void
ngx_http_ai_test_eligible(void)
{
    int64_t     a[64], b[64];
    uint64_t    mask, r;
    ngx_uint_t  i, k, n;

    memset(a, 0, sizeof(a));
    memset(b, 0, sizeof(b));

    for (i = 0; i < 20000; i++) {
        n = 1 + ngx_http_ai_test_random() % 64;
        ngx_http_ai_test_peers(n);

        for (k = 0; k < n; k++) {
            peers[k].weight = ngx_http_ai_test_random() % 4;
            peers[k].percent = ngx_http_ai_test_random() % 102;
            peers[k].inflight = ngx_http_ai_test_random() % 4;
            peers[k].time_us = ngx_http_ai_test_random() % 4 * 1000;
            peers[k].price = ngx_http_ai_test_random() % 3;
        }

        r = ngx_http_ai_test_random64();
        mask = (r & ngx_http_ai_test_random64()) & ALL(n);
        mask = mask ? mask : 1ull << (r % n);

        t_ok(mask >> ngx_http_ai_pick_weighted(peers, a, n, mask) & 1);
        t_ok(mask >> ngx_http_ai_pick_least_busy(peers, n, mask, r) & 1);
        t_ok(mask >> ngx_http_ai_pick_least_time(peers, n, mask, r) & 1);
        t_ok(mask >> ngx_http_ai_pick_least_cost(peers, b, n, mask) & 1);
        t_ok(mask >> ngx_http_ai_pick_hash(peers, n, mask, r) & 1);
    }
}


static void
ngx_http_ai_test_ewma(void)
{
    ngx_http_ai_pick_ewma_t  e = { 0, 0 };

    t_eq(ngx_http_ai_pick_ewma(&e, 0, 5, 1000), 0);

    ngx_http_ai_pick_ewma_add(&e, 8000, 100, 1000);
    t_eq(ngx_http_ai_pick_ewma(&e, 0, 100, 1000), 8000);
    ngx_http_ai_pick_ewma_add(&e, 80000, 100, 1000);
    t_eq(ngx_http_ai_pick_ewma(&e, 0, 100, 1000), 80000);

    t_eq(ngx_http_ai_pick_ewma(&e, 0, 600, 1000), 60000);
    t_eq(ngx_http_ai_pick_ewma(&e, 0, 1100, 1000), 40000);
    t_eq(ngx_http_ai_pick_ewma(&e, 1, 1100, 1000), 60000);
    t_eq(ngx_http_ai_pick_ewma(&e, 0, 3100, 1000), 10000);
    t_eq(ngx_http_ai_pick_ewma(&e, 0, 8100, 1000), 312);
    t_eq(ngx_http_ai_pick_ewma(&e, 0, 9000000, 1000), 312);
    t_ok(ngx_http_ai_pick_ewma(&e, 9, 9000000, 1000) > 40000);

    /* a clock behind; one that was set back; nonsense */

    t_eq(ngx_http_ai_pick_ewma(&e, 0, 50, 1000), 80000);
    t_eq(ngx_http_ai_pick_ewma(&e, 0, (ngx_msec_t) -70000, 1000), 312);
    t_ok(ngx_http_ai_pick_ewma(&e, UINT64_MAX, 9000, UINT64_MAX) <= 80000);
    t_ok(ngx_http_ai_pick_ewma(&e, 0, 9000, 0) <= 80000);

    /* half the difference per half-life, from above only */

    ngx_http_ai_pick_ewma_add(&e, 10000, 1100, 1000);
    t_eq(e.value_us, 45000);
    ngx_http_ai_pick_ewma_add(&e, 0, 900000, 1000);
    t_eq(e.value_us, 1);
    t_eq(ngx_http_ai_pick_ewma(&e, 0, 990000, 1000), 1);
    ngx_http_ai_pick_ewma_add(&e, UINT64_MAX, 900000, 1000);
    t_eq(e.value_us, 1ull << 33);
    t_ok(ngx_http_ai_pick_ewma(&e, 0, 900001, UINT64_MAX) > 0);
}


/* drawn by weight; with their percentages as a chance, by both */

static void
ngx_http_ai_test_any(void)
{
    ngx_uint_t  i, n, count[4];

    static const ngx_uint_t  weights[] = { 1, 3, 0, 4 };
    static const ngx_uint_t  percent[] = { 100, 50, 100, 10 };

    memset(count, 0, sizeof(count));

    for (i = 0; i < 80000; i++) {
        count[ngx_http_ai_pick_any(weights, 4, 11,
                                   ngx_http_ai_test_random64())]++;
    }

    t_ok(count[0] > 9500 && count[0] < 10500);
    t_ok(count[1] > 29200 && count[1] < 30800);
    t_eq(count[2], 0);
    t_ok(count[3] > 39200 && count[3] < 40800);

    memset(count, 0, sizeof(count));

    for (n = 0; n < 29000; /* void */ ) {
        i = ngx_http_ai_pick_any(weights, 4, 11, ngx_http_ai_test_random64());

        if (ngx_http_ai_test_random() % 100 < percent[i]) {
            count[i]++;
            n++;
        }
    }

    t_ok(count[0] > 9500 && count[0] < 10500);
    t_ok(count[1] > 14500 && count[1] < 15500);
    t_ok(count[3] > 3700 && count[3] < 4300);

    t_eq(ngx_http_ai_pick_any(weights, 4, 4, 12345), 2);
    t_eq(ngx_http_ai_pick_any(weights, 4, 8, UINT64_MAX), 3);
}


/* who asks what would happen: no draw, and the scores agree with the choice */

static void
ngx_http_ai_test_look(void)
{
    int64_t     score, low;
    uint64_t    eligible, key;
    ngx_uint_t  i, k, n, best;

    for (k = 0; k < 2000; k++) {

        n = 1 + ngx_http_ai_test_random() % 6;
        ngx_http_ai_test_peers(n);

        for (i = 0; i < n; i++) {
            peers[i].weight = 1 + ngx_http_ai_test_random() % 5;
            peers[i].percent = 1 + ngx_http_ai_test_random() % 100;
            peers[i].inflight = ngx_http_ai_test_random() % 20;
            peers[i].time_us = 1000000 + ngx_http_ai_test_random() % 9000000;
        }

        eligible = 1 + ngx_http_ai_test_random() % ((1u << n) - 1);

        best = ngx_http_ai_pick_idlest(peers, n, eligible);
        low = ngx_http_ai_pick_score_busy(&peers[best]);
        t_ok(eligible & ((uint64_t) 1 << best));

        for (i = 0; i < n; i++) {
            score = ngx_http_ai_pick_score_busy(&peers[i]);
            t_ok(!(eligible & ((uint64_t) 1 << i)) || score >= low);
        }

        best = ngx_http_ai_pick_quickest(peers, n, eligible);
        low = ngx_http_ai_pick_score_delay(peers, n, eligible, best);
        t_ok(eligible & ((uint64_t) 1 << best));

        for (i = 0; i < n; i++) {
            score = ngx_http_ai_pick_score_delay(peers, n, eligible, i);
            t_ok(!(eligible & ((uint64_t) 1 << i)) || score >= low);
        }

        /* enough room for each: the draw alone decides */

        for (i = 0; i < n; i++) {
            peers[i].inflight = 0;
            peers[i].percent = 100;
        }

        key = ngx_http_ai_test_random64();
        best = ngx_http_ai_pick_hash(peers, n, eligible, key);
        low = ngx_http_ai_pick_score_draw(&peers[best], key);

        for (i = 0; i < n; i++) {
            score = ngx_http_ai_pick_score_draw(&peers[i], key);
            t_ok(!(eligible & ((uint64_t) 1 << i)) || score >= low);
        }
    }
}


static void
ngx_http_ai_test_scores(void)
{
    ngx_http_ai_test_peers(3);

    peers[0].weight = 3;
    peers[0].inflight = 6;
    peers[1].percent = 50;
    peers[2].weight = 2;
    peers[2].time_us = 300000;
    peers[2].inflight = 3;

    /* 6 / 3; (0 + 1) * 2 - 1 requests of weight 1; 3 / 2 */

    t_eq(ngx_http_ai_pick_score_busy(&peers[0]), 2000);
    t_eq(ngx_http_ai_pick_score_busy(&peers[1]), 1000);
    t_eq(ngx_http_ai_pick_score_busy(&peers[2]), 1500);

    /* 300 ms * 4 / 2; an unknown time is that of the quickest */

    t_eq(ngx_http_ai_pick_score_delay(peers, 3, 7, 2), 600000);
    t_eq(ngx_http_ai_pick_score_delay(peers, 3, 7, 1), 600000);
    t_eq(ngx_http_ai_pick_score_delay(peers, 3, 7, 0), 700000);

    /* effective weights 300, 50, 200 */

    t_eq(ngx_http_ai_pick_share(peers, 3, 7, 0), 545);
    t_eq(ngx_http_ai_pick_share(peers, 3, 7, 1), 91);
    t_eq(ngx_http_ai_pick_share(peers, 3, 7, 2), 364);
    t_eq(ngx_http_ai_pick_share(peers, 3, 4, 2), 1000);

    peers[0].price = 5;
    peers[1].price = 4;
    peers[2].price = 4;

    t_eq(ngx_http_ai_pick_cheapest(peers, 3, 7), 6);
    t_eq(ngx_http_ai_pick_cheapest(peers, 3, 3), 2);
    t_eq(ngx_http_ai_pick_cheapest(peers, 3, 1), 1);

    /* a faint one is no bargain */

    peers[1].percent = NGX_HTTP_AI_PICK_FAINT - 1;
    t_eq(ngx_http_ai_pick_cheapest(peers, 3, 7), 4);
}


static const ngx_http_ai_test_t  tests[] = {
    { "smooth: exact shares, no bursts", ngx_http_ai_test_smooth },
    { "weighted: effective weights", ngx_http_ai_test_weighted },
    { "weighted: weights that change", ngx_http_ai_test_change },
    { "least_busy: the better of two", ngx_http_ai_test_busy },
    { "least_busy: two choices of fifty", ngx_http_ai_test_two },
    { "least_time", ngx_http_ai_test_time },
    { "least_cost", ngx_http_ai_test_cost },
    { "hash: shares by weight", ngx_http_ai_test_hash_shares },
    { "hash: minimal movement", ngx_http_ai_test_hash_moves },
    { "hash: bounded load", ngx_http_ai_test_hash_bound },
    { "only eligible ones", ngx_http_ai_test_eligible },
    { "peak ewma", ngx_http_ai_test_ewma },
    { "any, by weight", ngx_http_ai_test_any },
    { "look: no draw", ngx_http_ai_test_look },
    { "scores and shares", ngx_http_ai_test_scores },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
