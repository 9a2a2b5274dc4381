
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_route.h"


/* ms after which a probe without a verdict is taken for lost */
#define NGX_HTTP_AI_PROBE_TIME  120000


static ngx_uint_t ngx_http_ai_route_in_class(
    const ngx_http_ai_class_t *policy, ngx_http_ai_account_t *account);
static uint64_t ngx_http_ai_route_tier(const ngx_http_ai_plan_t *plan);
static uint64_t ngx_http_ai_route_prefer(const ngx_http_ai_plan_t *plan,
    uint64_t eligible, const ngx_http_ai_provider_t *provider,
    ngx_uint_t same);


void
ngx_http_ai_route_plan(ngx_http_ai_plan_t *plan, ngx_http_ai_route_t *route,
    const ngx_http_ai_endpoint_t *endpoint, const ngx_http_ai_class_t *policy)
{
    ngx_uint_t             i;
    ngx_http_ai_target_t  *t;

    plan->route = route;
    plan->allowed = 0;
    plan->tried = 0;
    plan->banned = 0;

    t = route->targets.elts;

    for (i = 0; i < route->targets.nelts; i++) {

        if (!(t[i].account->provider->endpoints & endpoint->bit)) {
            plan->excluded[i] = NGX_HTTP_AI_EXCLUDED_ENDPOINT;

        } else if (!ngx_http_ai_route_in_class(policy, t[i].account)) {
            plan->excluded[i] = NGX_HTTP_AI_EXCLUDED_CLASS;

        } else {
            plan->allowed |= (uint64_t) 1 << i;
        }
    }
}


static ngx_uint_t
ngx_http_ai_route_in_class(const ngx_http_ai_class_t *policy,
    ngx_http_ai_account_t *account)
{
    ngx_uint_t               i;
    ngx_http_ai_account_t  **a;

    if (policy->accounts == NULL) {
        return 1;
    }

    a = policy->accounts->elts;

    for (i = 0; i < policy->accounts->nelts; i++) {
        if (a[i] == account) {
            return 1;
        }
    }

    return 0;
}


void
ngx_http_ai_route_refresh(ngx_http_ai_plan_t *plan, ngx_http_ai_zone_t *zone,
    ngx_uint_t again)
{
    uint64_t               bit, set;
    ngx_uint_t             i;
    ngx_http_ai_target_t  *t;
    ngx_http_ai_health_t   health;

    plan->away = 0;
    plan->eligible = 0;

    set = plan->allowed & ~plan->banned;

    if (ngx_http_ai_health_calm(zone)) {
        plan->eligible = again ? set : (set & ~plan->tried);
        return;
    }

    t = plan->route->targets.elts;

    for (i = 0; i < plan->route->targets.nelts; i++) {

        bit = (uint64_t) 1 << i;

        if (!(set & bit)) {
            continue;
        }

        ngx_http_ai_health_check(zone, t[i].account,
                                 t[i].model.len ? &t[i].model : plan->model,
                                 &health);

        if (health.state == NGX_HTTP_AI_HEALTH_OPEN
            || health.state == NGX_HTTP_AI_HEALTH_PROBE)
        {
            if (again || !(plan->tried & bit)) {
                plan->excluded[i] = NGX_HTTP_AI_CANDIDATE;
                plan->eligible |= bit;
            }

            continue;
        }

        plan->excluded[i] = health.state == NGX_HTTP_AI_HEALTH_CLOSED
                            ? NGX_HTTP_AI_EXCLUDED_CLOSED
                            : NGX_HTTP_AI_EXCLUDED_COOLING;

        if (!plan->away
            || (ngx_msec_int_t) (health.until - plan->back) < 0)
        {
            plan->away = 1;
            plan->back = health.until;
            plan->cause = health.cause;
        }
    }
}


ngx_http_ai_target_t *
ngx_http_ai_route_next(ngx_http_ai_plan_t *plan, ngx_http_ai_zone_t *zone,
    const ngx_http_ai_target_t *last, ngx_uint_t same)
{
    uint64_t               eligible;
    ngx_int_t              rc;
    ngx_uint_t             i, n, weights[NGX_HTTP_AI_MAX_TARGETS];
    ngx_http_ai_target_t  *t;

    t = plan->route->targets.elts;
    n = plan->route->targets.nelts;

    for (i = 0; i < n; i++) {
        weights[i] = t[i].weight;
    }

    for ( ;; ) {

        eligible = ngx_http_ai_route_tier(plan);

        if (eligible == 0) {
            return NULL;
        }

        if (last) {
            eligible = ngx_http_ai_route_prefer(plan, eligible,
                                                last->account->provider,
                                                same);
        }

        i = 0;

        if (n > 1) {
            i = ngx_http_ai_zone_choose(zone, plan->route->hash, weights, n,
                                        eligible);
        }

        plan->eligible &= ~((uint64_t) 1 << i);

        plan->probing = 0;

        if (ngx_http_ai_health_calm(zone)) {
            break;
        }

        rc = ngx_http_ai_health_claim(zone, t[i].account,
                                  ngx_current_msec + NGX_HTTP_AI_PROBE_TIME);

        if (rc != NGX_BUSY) {
            plan->probing = (rc == NGX_DONE);
            break;
        }

        /* another request is the account's probe */

        plan->excluded[i] = NGX_HTTP_AI_EXCLUDED_CLOSED;
    }

    plan->tried |= (uint64_t) 1 << i;
    plan->excluded[i] = NGX_HTTP_AI_EXCLUDED_TRIED;

    return &t[i];
}


void
ngx_http_ai_route_ban(ngx_http_ai_plan_t *plan,
    const ngx_http_ai_target_t *target)
{
    const ngx_http_ai_target_t  *first;

    first = plan->route->targets.elts;

    if (target >= first && target < first + plan->route->targets.nelts) {
        plan->banned |= (uint64_t) 1 << (target - first);
        plan->eligible &= ~plan->banned;
    }
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
