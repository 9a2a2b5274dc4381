
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_balance.h"
#include "pure/ngx_http_ai_pick.h"


#define NGX_HTTP_AI_BALANCE_DRAWS  8


/*
 * The memory of weighted choices in one route, of each balance its own: their
 * scales differ, and a request may ask for another.  The workers share it.
 */

typedef struct {
    ngx_http_ai_node_t       node;
    ngx_uint_t               n;
    int64_t                  current[NGX_HTTP_AI_MAX_TARGETS];
} ngx_http_ai_balance_node_t;


static uint64_t ngx_http_ai_balance_key(const ngx_http_ai_plan_t *plan);
static int64_t *ngx_http_ai_balance_current_locked(
    const ngx_http_ai_plan_t *plan, ngx_http_ai_zone_t *zone, int64_t *none);
static ngx_uint_t ngx_http_ai_balance_weighted(
    const ngx_http_ai_plan_t *plan, ngx_http_ai_zone_t *zone,
    uint64_t eligible);
static ngx_uint_t ngx_http_ai_balance_two(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, uint64_t eligible);
static void ngx_http_ai_balance_peers(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, uint64_t set, ngx_http_ai_pick_peer_t *peers);
static void ngx_http_ai_balance_peer_locked(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, const ngx_http_ai_target_t *t,
    ngx_http_ai_pick_peer_t *peer);
static ngx_uint_t ngx_http_ai_balance_hash(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, uint64_t eligible);
static ngx_uint_t ngx_http_ai_balance_least_cost(
    const ngx_http_ai_plan_t *plan, ngx_http_ai_zone_t *zone,
    uint64_t eligible);
static int64_t ngx_http_ai_balance_score(const ngx_http_ai_plan_t *plan,
    const ngx_http_ai_pick_peer_t *peers, uint64_t set, ngx_uint_t i);


/* by ngx_http_ai_balance_e */

static const struct {
    const char  *name;
    const char  *unit;
} ngx_http_ai_balance_words[] = {
    { "weighted", "smooth_weight" },
    { "least_busy", "inflight" },
    { "least_time", "ms" },
    { "least_cost", "nanousd" },
    { "hash", "draw" }
};


ngx_uint_t
ngx_http_ai_balance(const ngx_http_ai_plan_t *plan, ngx_http_ai_zone_t *zone,
    uint64_t eligible)
{
    if ((eligible & (eligible - 1)) == 0) {
        return __builtin_ctzll(eligible);
    }

    switch (plan->balance) {

    case NGX_HTTP_AI_BALANCE_LEAST_BUSY:
    case NGX_HTTP_AI_BALANCE_LEAST_TIME:
        return ngx_http_ai_balance_two(plan, zone, eligible);

    case NGX_HTTP_AI_BALANCE_HASH:
        return ngx_http_ai_balance_hash(plan, zone, eligible);

    case NGX_HTTP_AI_BALANCE_LEAST_COST:
        return ngx_http_ai_balance_least_cost(plan, zone, eligible);

    default: /* NGX_HTTP_AI_BALANCE_WEIGHTED */
        return ngx_http_ai_balance_weighted(plan, zone, eligible);
    }
}


void
ngx_http_ai_balance_look(ngx_http_ai_plan_t *plan, ngx_http_ai_zone_t *zone,
    int64_t *current)
{
    ngx_http_ai_balance_node_t  *bn;

    plan->look = current;
    ngx_memzero(current, NGX_HTTP_AI_MAX_TARGETS * sizeof(int64_t));

    ngx_http_ai_zone_lock(zone);

    bn = (ngx_http_ai_balance_node_t *)
         ngx_http_ai_zone_lookup_locked(zone, NGX_HTTP_AI_NODE_BALANCE,
                                        ngx_http_ai_balance_key(plan));

    if (bn && bn->n == plan->route->targets.nelts) {
        ngx_memcpy(current, bn->current, sizeof(bn->current));
    }

    ngx_http_ai_zone_unlock(zone);
}


static uint64_t
ngx_http_ai_balance_key(const ngx_http_ai_plan_t *plan)
{
    return (uint64_t) plan->balance << 32 | plan->route->hash;
}


/*
 * Where the zone has no memory left, the choice is made as if it were the
 * first: "none" is used.
 */

static int64_t *
ngx_http_ai_balance_current_locked(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, int64_t *none)
{
    ngx_uint_t                   n;
    ngx_http_ai_balance_node_t  *bn;

    if (plan->look) {
        return plan->look;
    }

    n = plan->route->targets.nelts;

    bn = (ngx_http_ai_balance_node_t *)
         ngx_http_ai_zone_make_locked(zone, NGX_HTTP_AI_NODE_BALANCE,
                                      ngx_http_ai_balance_key(plan),
                                      sizeof(ngx_http_ai_balance_node_t));
    if (bn == NULL) {
        ngx_memzero(none, n * sizeof(int64_t));
        return none;
    }

    if (bn->n != n) {
        /* a reload changed the route */
        ngx_memzero(bn->current, sizeof(bn->current));
        bn->n = n;
    }

    return bn->current;
}


static ngx_uint_t
ngx_http_ai_balance_weighted(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, uint64_t eligible)
{
    int64_t                none[NGX_HTTP_AI_MAX_TARGETS];
    ngx_uint_t             i, n, chosen;
    ngx_uint_t             weights[NGX_HTTP_AI_MAX_TARGETS];
    ngx_http_ai_target_t  *t;

    t = plan->route->targets.elts;
    n = plan->route->targets.nelts;

    for (i = 0; i < n; i++) {
        weights[i] = t[i].weight;
    }

    ngx_http_ai_zone_lock(zone);

    chosen = ngx_http_ai_pick_smooth(weights,
                     ngx_http_ai_balance_current_locked(plan, zone, none), n,
                     eligible);

    ngx_http_ai_zone_unlock(zone);

    return chosen;
}


/*
 * Looks at the two only that are compared, and not at all of them: drawn by
 * weight, each is taken with the probability of its percentage.  Where faint
 * ones make that long, all are looked at after all.
 */

static ngx_uint_t
ngx_http_ai_balance_two(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, uint64_t eligible)
{
    uint64_t                  bit, left, known, two;
    ngx_uint_t                i, n, tries;
    ngx_uint_t                weights[NGX_HTTP_AI_MAX_TARGETS];
    ngx_http_ai_target_t     *t;
    ngx_http_ai_pick_peer_t   peers[NGX_HTTP_AI_MAX_TARGETS];

    t = plan->route->targets.elts;
    n = plan->route->targets.nelts;

    if (plan->look) {
        ngx_http_ai_balance_peers(plan, zone, eligible, peers);

        return plan->balance == NGX_HTTP_AI_BALANCE_LEAST_BUSY
               ? ngx_http_ai_pick_idlest(peers, n, eligible)
               : ngx_http_ai_pick_quickest(peers, n, eligible);
    }

    for (i = 0; i < n; i++) {
        weights[i] = t[i].weight;
    }

    two = 0;
    known = 0;
    left = eligible;

    ngx_http_ai_zone_lock(zone);

    for (tries = 0; tries < NGX_HTTP_AI_BALANCE_DRAWS; tries++) {

        i = ngx_http_ai_pick_any(weights, n, left, ngx_random());
        bit = (uint64_t) 1 << i;

        if (!(known & bit)) {
            ngx_http_ai_balance_peer_locked(plan, zone, &t[i], &peers[i]);
            known |= bit;
        }

        if ((ngx_uint_t) ngx_random() % 100 >= peers[i].percent) {
            continue;
        }

        left &= ~bit;

        if (two) {
            two |= bit;
            break;
        }

        two = bit;
    }

    if ((two & (two - 1)) == 0) {

        two = eligible;

        for (i = 0, bit = 1; i < n; i++, bit <<= 1) {
            if (eligible & ~known & bit) {
                ngx_http_ai_balance_peer_locked(plan, zone, &t[i], &peers[i]);
            }
        }
    }

    ngx_http_ai_zone_unlock(zone);

    return plan->balance == NGX_HTTP_AI_BALANCE_LEAST_BUSY
           ? ngx_http_ai_pick_least_busy(peers, n, two, ngx_random())
           : ngx_http_ai_pick_least_time(peers, n, two, ngx_random());
}


/* those of the set */

static void
ngx_http_ai_balance_peers(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, uint64_t set, ngx_http_ai_pick_peer_t *peers)
{
    uint64_t               bit;
    ngx_uint_t             i;
    ngx_http_ai_target_t  *t;

    t = plan->route->targets.elts;

    ngx_http_ai_zone_lock(zone);

    for (i = 0, bit = 1; i < plan->route->targets.nelts; i++, bit <<= 1) {
        if (set & bit) {
            ngx_http_ai_balance_peer_locked(plan, zone, &t[i], &peers[i]);
        }
    }

    ngx_http_ai_zone_unlock(zone);
}


static void
ngx_http_ai_balance_peer_locked(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, const ngx_http_ai_target_t *t,
    ngx_http_ai_pick_peer_t *peer)
{
    ngx_http_ai_cell_t  cell;

    ngx_http_ai_route_cell(plan, t, &cell);
    ngx_http_ai_health_peer_locked(zone, &cell, peer);

    peer->weight = (uint32_t) t->weight;
}


/*
 * For its share a peer needs the requests in flight of all of them, but the
 * percentage of the chosen one only: a faint one is passed over then.
 */

static ngx_uint_t
ngx_http_ai_balance_hash(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, uint64_t eligible)
{
    uint64_t                  bit, known;
    ngx_uint_t                i, n;
    ngx_http_ai_cell_t        cell;
    ngx_http_ai_target_t     *t;
    ngx_http_ai_pick_peer_t   peers[NGX_HTTP_AI_MAX_TARGETS];

    t = plan->route->targets.elts;
    n = plan->route->targets.nelts;

    for (i = 0, bit = 1; i < n; i++, bit <<= 1) {

        if (!(eligible & bit)) {
            continue;
        }

        ngx_http_ai_route_cell(plan, &t[i], &cell);

        peers[i].weight = (uint32_t) t[i].weight;
        peers[i].percent = 100;
        peers[i].hash = ngx_http_ai_health_key(&cell, NGX_HTTP_AI_NODE_MODEL);
    }

    ngx_http_ai_zone_lock(zone);

    for (i = 0, bit = 1; i < n; i++, bit <<= 1) {
        if (eligible & bit) {
            peers[i].inflight = ngx_http_ai_health_inflight_locked(zone,
                                                              t[i].account);
        }
    }

    ngx_http_ai_zone_unlock(zone);

    known = 0;

    for ( ;; ) {

        i = ngx_http_ai_pick_hash(peers, n, eligible, plan->key);
        bit = (uint64_t) 1 << i;

        if (known & bit) {
            return i;
        }

        known |= bit;

        ngx_http_ai_zone_lock(zone);
        ngx_http_ai_balance_peer_locked(plan, zone, &t[i], &peers[i]);
        ngx_http_ai_zone_unlock(zone);

        if (peers[i].percent == 100) {
            return i;
        }
    }
}


static ngx_uint_t
ngx_http_ai_balance_least_cost(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, uint64_t eligible)
{
    int64_t                   none[NGX_HTTP_AI_MAX_TARGETS];
    uint64_t                  bit, cost[NGX_HTTP_AI_MAX_TARGETS];
    ngx_uint_t                i, n, chosen;
    ngx_http_ai_target_t     *t;
    ngx_http_ai_pick_peer_t   peers[NGX_HTTP_AI_MAX_TARGETS];

    t = plan->route->targets.elts;
    n = plan->route->targets.nelts;

    for (i = 0, bit = 1; i < n; i++, bit <<= 1) {
        cost[i] = eligible & bit ? ngx_http_ai_route_cost(plan, &t[i])
                                 : NGX_HTTP_AI_PICK_NO_PRICE;
    }

    ngx_http_ai_zone_lock(zone);

    for (i = 0, bit = 1; i < n; i++, bit <<= 1) {
        if (eligible & bit) {
            ngx_http_ai_balance_peer_locked(plan, zone, &t[i], &peers[i]);
            peers[i].price = cost[i];
        }
    }

    chosen = ngx_http_ai_pick_least_cost(peers,
                     ngx_http_ai_balance_current_locked(plan, zone, none), n,
                     eligible);

    ngx_http_ai_zone_unlock(zone);

    return chosen;
}


const char *
ngx_http_ai_balance_name(ngx_http_ai_balance_e balance)
{
    return ngx_http_ai_balance_words[balance].name;
}


const char *
ngx_http_ai_balance_unit(ngx_http_ai_balance_e balance)
{
    return ngx_http_ai_balance_words[balance].unit;
}


void
ngx_http_ai_balance_scores(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, uint64_t set,
    ngx_http_ai_balance_score_t *scores)
{
    uint64_t                  bit, among;
    ngx_uint_t                i, n;
    ngx_http_ai_target_t     *t;
    ngx_http_ai_pick_peer_t   peers[NGX_HTTP_AI_MAX_TARGETS];

    t = plan->route->targets.elts;
    n = plan->route->targets.nelts;

    ngx_http_ai_balance_peers(plan, zone, set, peers);

    among = set;

    if (plan->balance == NGX_HTTP_AI_BALANCE_LEAST_COST && set) {

        for (i = 0, bit = 1; i < n; i++, bit <<= 1) {
            if (set & bit) {
                peers[i].price = ngx_http_ai_route_cost(plan, &t[i]);
            }
        }

        among = ngx_http_ai_pick_cheapest(peers, n, set);
    }

    for (i = 0, bit = 1; i < n; i++, bit <<= 1) {

        scores[i].score = (set & bit)
                          ? ngx_http_ai_balance_score(plan, peers, set, i)
                          : INT64_MIN;
        scores[i].share = (among & bit)
                          ? ngx_http_ai_pick_share(peers, n, among, i) : 0;
    }
}


static int64_t
ngx_http_ai_balance_score(const ngx_http_ai_plan_t *plan,
    const ngx_http_ai_pick_peer_t *peers, uint64_t set, ngx_uint_t i)
{
    switch (plan->balance) {

    case NGX_HTTP_AI_BALANCE_LEAST_BUSY:
        return ngx_http_ai_pick_score_busy(&peers[i]);

    case NGX_HTTP_AI_BALANCE_LEAST_TIME:
        return ngx_http_ai_pick_score_delay(peers,
                                            plan->route->targets.nelts, set,
                                            i);

    case NGX_HTTP_AI_BALANCE_LEAST_COST:
        return peers[i].price == NGX_HTTP_AI_PICK_NO_PRICE
               ? INT64_MIN
               : (int64_t) ngx_min(peers[i].price, INT64_MAX / 1000) * 1000;

    case NGX_HTTP_AI_BALANCE_HASH:
        return ngx_http_ai_pick_score_draw(&peers[i], plan->key);

    default: /* NGX_HTTP_AI_BALANCE_WEIGHTED */
        return (plan->look[i] + (int64_t) peers[i].weight) * 1000;
    }
}
