
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What one request costs the zone: a claim, the choice of one of 50 targets
 * by each balancer, its outcome, its end, with 1,000 cells that are known; and
 * the limits of its key, reserved and settled, with 10,000 keys; in one
 * process and in two that contend for the lock.  The code is the module's
 * own, linked into nginx's objects; t/tools/bench-choose does that.
 *
 * CPU time, so that other work on the machine counts for little: the median
 * of many slices.
 */


#include "ngx_http_ai_balance.h"
#include "ngx_http_ai_claim.h"
#include "ngx_http_ai_health.h"
#include "ngx_http_ai_health_nodes.h"
#include "ngx_http_ai_purse.h"
#include "ngx_http_ai_quota.h"
#include "ngx_http_ai_route.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>


#define TARGETS   50
#define MODELS    20         /* of each account: 1,000 cells */
#define SLICES    41
#define SLICE     20000      /* requests */
#define KEYS      10000
#define ZONE      (32 * 1024 * 1024)


static ngx_http_ai_main_conf_t  conf;
static ngx_http_ai_zone_t       zone;
static ngx_http_ai_account_t    accounts[TARGETS];
static ngx_http_ai_target_t     targets[TARGETS];
static ngx_http_ai_class_t      policy;
static ngx_http_ai_route_t      route;
static ngx_str_t                models[MODELS];
static char                     names[TARGETS + MODELS][16];
static ngx_http_ai_key_t        keys[KEYS];
static ngx_http_ai_budget_t     budgets[2];
static char                     ids[KEYS][16];
static ngx_http_ai_record_t     record;

static const struct {
    const char             *name;
    ngx_http_ai_balance_e   balance;
} balancers[] = {
    { "weighted", NGX_HTTP_AI_BALANCE_WEIGHTED },
    { "least_busy", NGX_HTTP_AI_BALANCE_LEAST_BUSY },
    { "least_time", NGX_HTTP_AI_BALANCE_LEAST_TIME },
    { "hash", NGX_HTTP_AI_BALANCE_HASH }
};


static double
now_us(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

    return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}


static void
fail(const char *what)
{
    fprintf(stderr, "choose: %s\n", what);
    exit(1);
}


static void
configure(void)
{
    ngx_uint_t               i;
    ngx_http_ai_account_t  **ap;

    static ngx_http_ai_account_t  *list[TARGETS];
    static ngx_http_ai_provider_t  provider;

    provider.endpoints = NGX_HTTP_AI_EP_CHAT;

    for (i = 0; i < MODELS; i++) {
        models[i].data = (u_char *) names[TARGETS + i];
        models[i].len = sprintf(names[TARGETS + i], "model-%d", (int) i);
    }

    ap = list;

    for (i = 0; i < TARGETS; i++) {
        accounts[i].name.data = (u_char *) names[i];
        accounts[i].name.len = sprintf(names[i], "account-%d", (int) i);
        accounts[i].hash = ngx_murmur_hash2(accounts[i].name.data,
                                            accounts[i].name.len);
        accounts[i].provider = &provider;
        accounts[i].breaker.failures = NGX_HTTP_AI_BREAKER_DEF_FAILURES;
        accounts[i].breaker.rate = NGX_HTTP_AI_BREAKER_DEF_RATE;
        accounts[i].breaker.min = NGX_HTTP_AI_BREAKER_DEF_MIN;
        accounts[i].breaker.window = NGX_HTTP_AI_BREAKER_DEF_WINDOW;
        accounts[i].breaker.open = NGX_HTTP_AI_BREAKER_DEF_OPEN;
        accounts[i].breaker.max_open = NGX_HTTP_AI_BREAKER_DEF_MAX_OPEN;
        accounts[i].breaker.ramp = NGX_HTTP_AI_BREAKER_DEF_RAMP;
        accounts[i].limit.concurrent = 100000;
        accounts[i].limit.requests.limit = 100000000;
        accounts[i].limit.requests.period_ms = 1000;
        accounts[i].limit.tokens.limit = 10000000000;
        accounts[i].limit.tokens.period_ms = 1000;

        targets[i].account = &accounts[i];
        targets[i].weight = 1 + i % 4;
        targets[i].tier = 1;

        ap[i] = &accounts[i];
    }

    conf.accounts.elts = list;
    conf.accounts.nelts = TARGETS;

    route.targets.elts = targets;
    route.targets.nelts = TARGETS;
    route.hash = 42;

    policy.deadline = 60000;
    policy.allow_costlier = 1;
    policy.max_input = -1;
    policy.max_output = -1;

    budgets[0].limit_nanousd = NGX_HTTP_AI_BUDGET_MAX;
    budgets[0].per = NGX_HTTP_AI_BUDGET_DAY;
    budgets[1].limit_nanousd = NGX_HTTP_AI_BUDGET_MAX;
    budgets[1].per = NGX_HTTP_AI_BUDGET_MONTH;

    for (i = 0; i < KEYS; i++) {
        keys[i].id.data = (u_char *) ids[i];
        keys[i].id.len = sprintf(ids[i], "key-%d", (int) i);
        keys[i].state = ngx_http_ai_keyentry_state(&keys[i].id);
        keys[i].requests.limit = 100000000;
        keys[i].requests.period_ms = 60000;
        keys[i].tokens.limit = 10000000000;
        keys[i].tokens.period_ms = 60000;
        keys[i].concurrent = 1000;
        keys[i].budgets = budgets;
        keys[i].nbudgets = 2;
    }
}


static void
share(void)
{
    u_char                 *p;
    ngx_slab_pool_t        *sp;
    ngx_http_ai_zone_sh_t  *sh;
    ngx_uint_t              i;

    p = mmap(NULL, ZONE, PROT_READ|PROT_WRITE, MAP_ANON|MAP_SHARED, -1, 0);
    if (p == MAP_FAILED) {
        fail("no memory");
    }

    ngx_slab_sizes_init();

    sp = (ngx_slab_pool_t *) p;
    sp->end = p + ZONE;
    sp->min_shift = 3;
    sp->addr = p;

    if (ngx_shmtx_create(&sp->mutex, &sp->lock, NULL) != NGX_OK) {
        fail("no mutex");
    }

    ngx_slab_init(sp);
    sp->log_nomem = 0;

    sh = ngx_slab_calloc(sp, sizeof(ngx_http_ai_zone_sh_t));
    sh->mask = ZONE / 1024 - 1;
    sh->room = ZONE / 2;
    sh->buckets = ngx_slab_alloc(sp, ZONE / 1024 * sizeof(ngx_queue_t));

    for (i = 0; i < NGX_HTTP_AI_NODE_KINDS; i++) {
        ngx_queue_init(&sh->kinds[i]);
    }

    ngx_queue_init(&sh->lru);
    ngx_queue_init(&sh->workers);
    ngx_queue_init(&sh->dirty);
    ngx_queue_init(&sh->lost);

    for (i = 0; i <= sh->mask; i++) {
        ngx_queue_init(&sh->buckets[i]);
    }

    zone.sh = sh;
    zone.shpool = sp;
    zone.conf = &conf;

    if (ngx_http_ai_health_prepare(&zone, ngx_cycle->log) != NGX_OK) {
        fail("the zone is too small");
    }
}


/* one request from its choice to its end, of the model m */

static void
serve(ngx_uint_t m, uint64_t key, ngx_http_ai_target_t *only)
{
    ngx_http_ai_plan_t    plan;
    ngx_http_ai_cell_t    cell;
    ngx_http_ai_pass_t    pass;
    ngx_http_ai_claim_t  *claim;
    ngx_http_ai_target_t *t;
    ngx_http_ai_result_t  result = { NGX_HTTP_AI_OK, -1, 200, 900, 100 };

    static ngx_http_ai_endpoint_t  endpoint = {
        .bit = NGX_HTTP_AI_EP_CHAT
    };

    ngx_memzero(&plan, sizeof(plan));

    claim = ngx_http_ai_claim_take(&zone, &record);
    if (claim == NULL) {
        fail("the zone is full");
    }

    plan.demand.claim = claim;
    plan.demand.tokens = 1000;
    plan.demand.life = 60000;
    plan.stream = 1;
    plan.key = key;

    ngx_http_ai_route_model(&plan, &models[m], NULL,
                            ngx_http_ai_zone_hash(&models[m]));

    ngx_http_ai_route_plan(&plan, &route, &endpoint, &policy);

    if (only) {
        plan.eligible = (uint64_t) 1 << (only - targets);
    }

    t = ngx_http_ai_route_next(&plan, &zone, NULL, 0, &pass);
    if (t == NULL) {
        fail("no target");
    }

    ngx_http_ai_route_cell(&plan, t, &cell);
    ngx_http_ai_health_record(&zone, &cell, &pass, &result);
    ngx_http_ai_health_leave(&zone, &cell, &pass, 900, -1);

    ngx_http_ai_claim_release(&zone, claim);
}


/* the limits of the key k, all kinds of them, for one request */

static void
limit(ngx_uint_t k)
{
    ngx_http_ai_claim_t          *claim;
    ngx_http_ai_quota_t           quota;
    ngx_http_ai_quota_refusal_t   refusal;

    ngx_memzero(&quota, sizeof(quota));

    claim = ngx_http_ai_claim_take(&zone, &record);
    if (claim == NULL
        || ngx_http_ai_quota_reserve(&zone, &keys[k], claim, 1000, 5000000,
                                     &quota, &refusal)
           != NGX_OK)
    {
        fail("a key is refused");
    }

    ngx_http_ai_quota_settle(&zone, &keys[k], claim, &quota, 1, 900, 4000000);
    ngx_http_ai_claim_release(&zone, claim);
}


static int
compare(const void *one, const void *two)
{
    double  a = *(const double *) one, b = *(const double *) two;

    return (a > b) - (a < b);
}


static double
measure(ngx_uint_t limits)
{
    double      us[SLICES], start;
    ngx_uint_t  i, n;

    for (n = 0; n < SLICES; n++) {

        start = now_us();

        for (i = 0; i < SLICE; i++) {
            if (limits) {
                limit(i * 7919 % KEYS);

            } else {
                serve(i % MODELS, (uint64_t) i * 0x9e3779b97f4a7c15, NULL);
            }

            if (i % 100 == 0) {
                ngx_current_msec++;
            }
        }

        us[n] = (now_us() - start) / SLICE;
    }

    qsort(us, SLICES, sizeof(double), compare);

    return us[SLICES / 2];
}


static double
contend(ngx_uint_t limits)
{
    int     fd[2], status;
    double  other;
    pid_t   pid;

    if (pipe(fd) == -1) {
        fail("no pipe");
    }

    pid = fork();

    if (pid == 0) {
        ngx_pid = getpid();
        other = measure(limits);
        _exit(write(fd[1], &other, sizeof(other)) != sizeof(other));
    }

    (void) measure(limits);

    if (read(fd[0], &other, sizeof(other)) != sizeof(other)
        || waitpid(pid, &status, 0) != pid || status != 0)
    {
        fail("the second process failed");
    }

    close(fd[0]);
    close(fd[1]);

    return other;
}


int
main(void)
{
    double      alone, both;
    ngx_uint_t  i, m;

    static ngx_log_t    log;
    static ngx_cycle_t  cycle;

    ngx_time_init();

    cycle.log = &log;
    ngx_cycle = &cycle;
    ngx_pid = getpid();
    ngx_ncpu = sysconf(_SC_NPROCESSORS_ONLN);
    ngx_pagesize = getpagesize();
    ngx_cacheline_size = 64;
    ngx_current_msec = 1000000;

    for (i = ngx_pagesize; i >>= 1; ngx_pagesize_shift++) { /* void */ }

    (void) ngx_crc32_table_init();

    ngx_http_ai_record_init(&record);
    ngx_str_set(&record.event_id, "0123456789abcdef0123456789abcdef/0");
    ngx_str_set(&record.request_id, "0123456789abcdef0123456789abcdef");
    ngx_str_set(&record.key_id, "search-ui");
    ngx_str_set(&record.team, "search");
    ngx_str_set(&record.ai_class, "interactive");
    ngx_str_set(&record.endpoint, "chat");
    ngx_str_set(&record.model_requested, "gpt-4o");
    ngx_str_set(&record.route, "gpt-4o");

    configure();
    share();

    for (m = 0; m < MODELS; m++) {
        for (i = 0; i < TARGETS; i++) {
            serve(m, 0, &targets[i]);
        }
    }

    printf("%d targets, %d cells; us of CPU per request: claim, choice, "
           "outcome, end\n\n"
           "              one process   each of two\n",
           TARGETS, TARGETS * MODELS);

    for (i = 0; i < sizeof(balancers) / sizeof(balancers[0]); i++) {

        route.balance = balancers[i].balance;

        alone = measure(0);
        both = contend(0);

        printf("  %-11s %11.2f %13.2f\n", balancers[i].name, alone, both);
    }

    alone = measure(1);
    both = contend(1);

    printf("\n  %-11s %11.2f %13.2f   of %d keys: claim, requests, tokens,\n"
           "%43s requests at once, two budgets\n", "key limits", alone, both,
           KEYS, "");

    printf("\nbytes in the zone: account %zu, model %zu, cell %zu, "
           "claim %zu, key %u, budgets %zu and the name (the slab rounds up "
           "to a power of 2)\n",
           sizeof(ngx_http_ai_account_node_t),
           sizeof(ngx_http_ai_model_node_t), sizeof(ngx_http_ai_cell_node_t),
           sizeof(ngx_http_ai_claim_t),
           ngx_http_ai_zone_find_locked(&zone, NGX_HTTP_AI_NODE_KEY,
                                        keys[0].state)->size,
           sizeof(ngx_http_ai_purse_t));

    return 0;
}
