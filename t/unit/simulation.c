
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What the balancers do with accounts that are not alike, as a simulation of
 * discrete events: build/unit/simulation prints shares and times.
 *
 * An account serves SLOTS requests at a time and queues the rest.  Requests
 * come at random moments; how long one takes varies by an exponential part.
 * All have the same weight: the point is what each balancer finds out itself.
 * An equal share is more than the slow account can serve, so that "weighted"
 * fills its queue without end.
 */


#include <math.h>

#include "ngx_http_ai_test.h"
#include "ngx_http_ai_pick.h"


#define ACCOUNTS  3
#define SLOTS     64
#define SECONDS   1200.0
#define WARM_UP   60.0
#define RATE      40.0             /* requests per second */
#define BASE      1.0              /* mean seconds of a normal account */
#define SESSIONS  500              /* of hash */
#define HALF_MS   10000
#define MAX       100000           /* requests, more than ever come */


typedef enum {
    WEIGHTED = 0,
    LEAST_BUSY,
    LEAST_TIME,
    LEAST_COST,
    HASH,
    BALANCERS
} ngx_http_ai_sim_balancer_e;


typedef struct {
    const char  *name;
    ngx_uint_t   n;
    double       slow[ACCOUNTS];    /* times BASE */
    double       flap[ACCOUNTS];    /* while it flaps: 30 of 60 seconds */
} ngx_http_ai_sim_case_t;


typedef struct {
    double       at;
    double       took;
    ngx_uint_t   account;
} ngx_http_ai_sim_event_t;


typedef struct {
    double                    slots[SLOTS];     /* busy until */
    uint64_t                  inflight;
    uint64_t                  served;
    ngx_http_ai_pick_ewma_t   ewma;
} ngx_http_ai_sim_account_t;


/* what came out of one run */

typedef struct {
    double       share[ACCOUNTS];   /* percent */
    double       p50;
    double       p95;
    double       p99;
} ngx_http_ai_sim_result_t;


static const char  *balancers[] = {
    "weighted", "least_busy", "least_time", "least_cost", "hash"
};


static const ngx_http_ai_sim_case_t  cases[] = {
    { "one account 5 times slower", 2, { 1, 5, 0 }, { 1, 5, 0 } },
    { "one account flapping: 10 times slower for 30 s of 60", 2,
      { 1, 1, 0 }, { 1, 10, 0 } },
    { "one normal, one 5 times slower, one flapping", 3,
      { 1, 5, 1 }, { 1, 5, 10 } },
    { NULL, 0, { 0, 0, 0 }, { 0, 0, 0 } }
};


static ngx_http_ai_sim_account_t  accounts[ACCOUNTS];
static ngx_http_ai_sim_event_t    heap[MAX];
static ngx_uint_t                 events;
static double                     took[MAX];
static uint64_t                   seed;


static uint64_t
ngx_http_ai_sim_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;

    return seed;
}


static double
ngx_http_ai_sim_exp(double mean)
{
    return -mean * log(((ngx_http_ai_sim_random() >> 11) + 0.5)
                       / 9007199254740992.0);
}


/* a heap of what ends next */

static void
ngx_http_ai_sim_push(ngx_http_ai_sim_event_t ev)
{
    ngx_uint_t  i;

    for (i = events++; i && heap[(i - 1) / 2].at > ev.at; i = (i - 1) / 2) {
        heap[i] = heap[(i - 1) / 2];
    }

    heap[i] = ev;
}


static ngx_http_ai_sim_event_t
ngx_http_ai_sim_pop(void)
{
    ngx_uint_t               i, k;
    ngx_http_ai_sim_event_t  first, last;

    first = heap[0];
    last = heap[--events];

    for (i = 0; (k = 2 * i + 1) < events; i = k) {
        k += (k + 1 < events && heap[k + 1].at < heap[k].at);

        if (last.at <= heap[k].at) {
            break;
        }

        heap[i] = heap[k];
    }

    heap[i] = last;

    return first;
}


static void
ngx_http_ai_sim_end(double now)
{
    ngx_http_ai_sim_event_t     ev;
    ngx_http_ai_sim_account_t  *a;

    while (events && heap[0].at <= now) {
        ev = ngx_http_ai_sim_pop();
        a = &accounts[ev.account];

        a->inflight--;
        ngx_http_ai_pick_ewma_add(&a->ewma, (uint64_t) (ev.took * 1e6),
                                  (ngx_msec_t) (ev.at * 1000), HALF_MS);
    }
}


static ngx_uint_t
ngx_http_ai_sim_choose(ngx_uint_t balancer, ngx_uint_t n, int64_t *current,
    double now)
{
    uint64_t                 all;
    ngx_uint_t               i;
    ngx_http_ai_pick_peer_t  peers[ACCOUNTS];

    all = (1u << n) - 1;

    for (i = 0; i < n; i++) {
        peers[i].weight = 1;
        peers[i].percent = 100;
        peers[i].inflight = accounts[i].inflight;
        peers[i].hash = i + 1;
        peers[i].price = n - i;     /* who is slow is cheap */
        peers[i].time_us = ngx_http_ai_pick_ewma(&accounts[i].ewma,
                                                 accounts[i].inflight,
                                                 (ngx_msec_t) (now * 1000),
                                                 HALF_MS);
    }

    switch (balancer) {

    case LEAST_BUSY:
        return ngx_http_ai_pick_least_busy(peers, n, all,
                                           ngx_http_ai_sim_random());

    case LEAST_TIME:
        return ngx_http_ai_pick_least_time(peers, n, all,
                                           ngx_http_ai_sim_random());

    case LEAST_COST:
        return ngx_http_ai_pick_least_cost(peers, current, n, all);

    case HASH:
        return ngx_http_ai_pick_hash(peers, n, all,
                                     ngx_http_ai_sim_random() % SESSIONS
                                     * 0x9e3779b97f4a7c15ull);

    default:
        return ngx_http_ai_pick_weighted(peers, current, n, all);
    }
}


/* the end of a request that comes now: the first slot that is free takes it */

static double
ngx_http_ai_sim_serve(const ngx_http_ai_sim_case_t *c, ngx_uint_t account,
    double now)
{
    double      start, mean, *slot;
    ngx_uint_t  i;

    slot = &accounts[account].slots[0];

    for (i = 1; i < SLOTS; i++) {
        if (accounts[account].slots[i] < *slot) {
            slot = &accounts[account].slots[i];
        }
    }

    start = (*slot > now) ? *slot : now;

    mean = BASE * (fmod(start, 60) < 30 ? c->slow[account]
                                        : c->flap[account]);

    *slot = start + mean / 2 + ngx_http_ai_sim_exp(mean / 2);

    return *slot;
}


static int
ngx_http_ai_sim_order(const void *one, const void *two)
{
    double  a = *(const double *) one, b = *(const double *) two;

    return (a > b) - (a < b);
}


static void
ngx_http_ai_sim_run(const ngx_http_ai_sim_case_t *c, ngx_uint_t balancer,
    ngx_http_ai_sim_result_t *result)
{
    double                   now;
    int64_t                  current[ACCOUNTS] = { 0, 0, 0 };
    ngx_uint_t               i, n;
    ngx_http_ai_sim_event_t  ev;

    memset(accounts, 0, sizeof(accounts));
    events = 0;
    seed = 88172645463325252ull;
    n = 0;

    for (now = 0; now < SECONDS; now += ngx_http_ai_sim_exp(1 / RATE)) {
        ngx_http_ai_sim_end(now);

        ev.account = ngx_http_ai_sim_choose(balancer, c->n, current, now);
        ev.at = ngx_http_ai_sim_serve(c, ev.account, now);
        ev.took = ev.at - now;

        accounts[ev.account].inflight++;
        ngx_http_ai_sim_push(ev);

        if (now > WARM_UP) {
            accounts[ev.account].served++;
            took[n++] = ev.took;
        }
    }

    qsort(took, n, sizeof(double), ngx_http_ai_sim_order);

    printf("#   %-10s ", balancers[balancer]);

    for (i = 0; i < ACCOUNTS; i++) {

        result->share[i] = 100.0 * accounts[i].served / n;

        if (i < c->n) {
            printf(" %5.1f %%", result->share[i]);

        } else {
            printf("        ");
        }
    }

    result->p50 = took[n / 2];
    result->p95 = took[n * 95 / 100];
    result->p99 = took[n * 99 / 100];

    printf("  %8.2f %8.2f %8.2f\n", result->p50, result->p95, result->p99);
}


static void
ngx_http_ai_sim_all(const ngx_http_ai_sim_case_t *c,
    ngx_http_ai_sim_result_t *results)
{
    ngx_uint_t  b;

    printf("# %.0f requests/s, %.0f s each, %d at once per account: %s\n"
           "#   %-10s  shares                         "
           "p50 s    p95 s    p99 s\n", RATE, BASE, SLOTS, c->name, "");

    for (b = 0; b < BALANCERS; b++) {
        ngx_http_ai_sim_run(c, b, &results[b]);
    }
}


static void
ngx_http_ai_test_slow(void)
{
    ngx_http_ai_sim_result_t  r[BALANCERS];

    ngx_http_ai_sim_all(&cases[0], r);

    t_ok(r[WEIGHTED].share[1] > 49 && r[WEIGHTED].share[1] < 51);

    /* the slow one can serve a quarter of all */

    t_ok(r[LEAST_BUSY].share[1] < 25);
    t_ok(r[LEAST_TIME].share[1] < 10);
    t_ok(r[HASH].share[1] < 30);

    /* what is cheap gets all, how slow it may be */

    t_ok(r[LEAST_COST].share[1] == 100);

    t_ok(r[WEIGHTED].p99 > 100);
    t_ok(r[LEAST_BUSY].p99 < 15);
    t_ok(r[LEAST_TIME].p99 < 10);
    t_ok(r[HASH].p99 < 15);
    t_ok(r[LEAST_TIME].p95 < r[LEAST_BUSY].p95);
}


static void
ngx_http_ai_test_flapping(void)
{
    ngx_http_ai_sim_result_t  r[BALANCERS];

    ngx_http_ai_sim_all(&cases[1], r);

    t_ok(r[LEAST_BUSY].share[1] < r[WEIGHTED].share[1] - 10);
    t_ok(r[LEAST_TIME].share[1] < r[LEAST_BUSY].share[1]);

    t_ok(r[LEAST_BUSY].p95 * 2 < r[WEIGHTED].p95);
    t_ok(r[LEAST_TIME].p95 * 4 < r[WEIGHTED].p95);
    t_ok(r[LEAST_TIME].p99 < r[LEAST_BUSY].p99);
    t_ok(r[HASH].p95 < r[WEIGHTED].p95);
}


static void
ngx_http_ai_test_three(void)
{
    ngx_http_ai_sim_result_t  r[BALANCERS];

    ngx_http_ai_sim_all(&cases[2], r);

    /* the normal one carries most, the others are not left out */

    t_ok(r[LEAST_BUSY].share[0] > 50);
    t_ok(r[LEAST_TIME].share[0] > 50);
    t_ok(r[LEAST_TIME].share[1] > 5);
    t_ok(r[LEAST_TIME].share[2] > 5);
    t_ok(r[LEAST_COST].share[2] == 100);

    t_ok(r[LEAST_BUSY].p99 * 2 < r[WEIGHTED].p99);
    t_ok(r[LEAST_TIME].p99 * 2 < r[WEIGHTED].p99);
    t_ok(r[HASH].p99 * 2 < r[WEIGHTED].p99);
}


static const ngx_http_ai_test_t  tests[] = {
    { "one account 5 times slower", ngx_http_ai_test_slow },
    { "one account flapping", ngx_http_ai_test_flapping },
    { "a normal one, a slow one, a flapping one", ngx_http_ai_test_three },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
