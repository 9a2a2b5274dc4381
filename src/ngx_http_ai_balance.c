
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_balance.h"
#include "pure/ngx_http_ai_pick.h"


/* the memory of weighted choices in one route; the workers share it */

typedef struct {
    ngx_http_ai_node_t       node;
    ngx_uint_t               n;
    int64_t                  current[NGX_HTTP_AI_MAX_TARGETS];
} ngx_http_ai_balance_node_t;


static ngx_uint_t ngx_http_ai_balance_weighted(
    const ngx_http_ai_plan_t *plan, ngx_http_ai_zone_t *zone,
    uint64_t eligible);
static ngx_uint_t ngx_http_ai_balance_by_peers(
    const ngx_http_ai_plan_t *plan, ngx_http_ai_zone_t *zone,
    uint64_t eligible);


ngx_uint_t
ngx_http_ai_balance(const ngx_http_ai_plan_t *plan, ngx_http_ai_zone_t *zone,
    uint64_t eligible)
{
    if ((eligible & (eligible - 1)) == 0) {
        return __builtin_ctzll(eligible);
    }

    if (plan->route->balance == NGX_HTTP_AI_BALANCE_WEIGHTED) {
        return ngx_http_ai_balance_weighted(plan, zone, eligible);
    }

    return ngx_http_ai_balance_by_peers(plan, zone, eligible);
}


/*
 * Where the zone has no memory left, the eligible target of the largest
 * weight is taken.
 */

static ngx_uint_t
ngx_http_ai_balance_weighted(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, uint64_t eligible)
{
    int64_t                      none[NGX_HTTP_AI_MAX_TARGETS];
    ngx_uint_t                   i, n, chosen;
    ngx_uint_t                   weights[NGX_HTTP_AI_MAX_TARGETS];
    ngx_http_ai_target_t        *t;
    ngx_http_ai_balance_node_t  *bn;

    t = plan->route->targets.elts;
    n = plan->route->targets.nelts;

    for (i = 0; i < n; i++) {
        weights[i] = t[i].weight;
    }

    ngx_http_ai_zone_lock(zone);

    bn = (ngx_http_ai_balance_node_t *)
         ngx_http_ai_zone_make_locked(zone, NGX_HTTP_AI_NODE_BALANCE,
                                      plan->route->hash,
                                      sizeof(ngx_http_ai_balance_node_t));

    if (bn && bn->n != n) {
        /* a reload changed the route */
        ngx_memzero(bn->current, sizeof(bn->current));
        bn->n = n;
    }

    if (bn) {
        chosen = ngx_http_ai_pick_smooth(weights, bn->current, n, eligible);

    } else {
        ngx_memzero(none, sizeof(none));
        chosen = ngx_http_ai_pick_smooth(weights, none, n, eligible);
    }

    ngx_http_ai_zone_unlock(zone);

    return chosen;
}


static ngx_uint_t
ngx_http_ai_balance_by_peers(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, uint64_t eligible)
{
    ngx_uint_t                i, n;
    ngx_http_ai_cell_t        cells[NGX_HTTP_AI_MAX_TARGETS];
    ngx_http_ai_target_t     *t;
    ngx_http_ai_pick_peer_t   peers[NGX_HTTP_AI_MAX_TARGETS];

    t = plan->route->targets.elts;
    n = plan->route->targets.nelts;

    for (i = 0; i < n; i++) {
        ngx_http_ai_route_cell(plan, &t[i], &cells[i]);
        peers[i].weight = (uint32_t) t[i].weight;
    }

    ngx_http_ai_health_peers(zone, cells, peers, n);

    switch (plan->route->balance) {

    case NGX_HTTP_AI_BALANCE_LEAST_BUSY:
        return ngx_http_ai_pick_least_busy(peers, n, eligible, ngx_random());

    case NGX_HTTP_AI_BALANCE_LEAST_TIME:
        return ngx_http_ai_pick_least_time(peers, n, eligible, ngx_random());

    default: /* NGX_HTTP_AI_BALANCE_HASH */
        return ngx_http_ai_pick_hash(peers, n, eligible, plan->key);
    }
}
