
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_route.h"


static uint64_t ngx_http_ai_route_tier(const ngx_http_ai_plan_t *plan);
static uint64_t ngx_http_ai_route_prefer(const ngx_http_ai_plan_t *plan,
    uint64_t eligible, const ngx_http_ai_provider_t *provider,
    ngx_uint_t same);


void
ngx_http_ai_route_plan(ngx_http_ai_plan_t *plan, ngx_http_ai_route_t *route,
    const ngx_http_ai_endpoint_t *endpoint)
{
    ngx_uint_t             i;
    ngx_http_ai_target_t  *t;

    plan->route = route;
    plan->eligible = 0;

    t = route->targets.elts;

    for (i = 0; i < route->targets.nelts; i++) {

        if (!(t[i].account->provider->endpoints & endpoint->bit)) {
            plan->excluded[i] = NGX_HTTP_AI_EXCLUDED_ENDPOINT;
            continue;
        }

        plan->excluded[i] = NGX_HTTP_AI_CANDIDATE;
        plan->eligible |= (uint64_t) 1 << i;
    }
}


ngx_http_ai_target_t *
ngx_http_ai_route_next(ngx_http_ai_plan_t *plan, ngx_http_ai_zone_t *zone,
    const ngx_http_ai_target_t *last, ngx_uint_t same)
{
    uint64_t               eligible;
    ngx_uint_t             i, n, weights[NGX_HTTP_AI_MAX_TARGETS];
    ngx_http_ai_target_t  *t;

    eligible = ngx_http_ai_route_tier(plan);

    if (eligible == 0) {
        return NULL;
    }

    if (last) {
        eligible = ngx_http_ai_route_prefer(plan, eligible,
                                            last->account->provider, same);
    }

    t = plan->route->targets.elts;
    n = plan->route->targets.nelts;

    if (n == 1) {
        i = 0;

    } else {
        for (i = 0; i < n; i++) {
            weights[i] = t[i].weight;
        }

        i = ngx_http_ai_zone_choose(zone, plan->route->hash, weights, n,
                                    eligible);
    }

    plan->eligible &= ~((uint64_t) 1 << i);
    plan->excluded[i] = NGX_HTTP_AI_EXCLUDED_TRIED;

    return &t[i];
}


/* the targets are sorted by tier, so the first eligible one names it */

static uint64_t
ngx_http_ai_route_tier(const ngx_http_ai_plan_t *plan)
{
    uint64_t               set;
    ngx_uint_t             i, tier;
    ngx_http_ai_target_t  *t;

    set = 0;
    tier = 0;
    t = plan->route->targets.elts;

    for (i = 0; i < plan->route->targets.nelts; i++) {

        if (!(plan->eligible & ((uint64_t) 1 << i))) {
            continue;
        }

        if (set && t[i].tier != tier) {
            break;
        }

        tier = t[i].tier;
        set |= (uint64_t) 1 << i;
    }

    return set;
}


static uint64_t
ngx_http_ai_route_prefer(const ngx_http_ai_plan_t *plan, uint64_t eligible,
    const ngx_http_ai_provider_t *provider, ngx_uint_t same)
{
    uint64_t               set;
    ngx_uint_t             i;
    ngx_http_ai_target_t  *t;

    set = 0;
    t = plan->route->targets.elts;

    for (i = 0; i < plan->route->targets.nelts; i++) {

        if ((eligible & ((uint64_t) 1 << i))
            && (t[i].account->provider == provider) == (same != 0))
        {
            set |= (uint64_t) 1 << i;
        }
    }

    return set ? set : eligible;
}
