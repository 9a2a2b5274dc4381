
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_route.h"
#include "ngx_http_ai_balance.h"


static ngx_uint_t ngx_http_ai_route_in_class(
    const ngx_http_ai_class_t *policy, ngx_http_ai_account_t *account);
static ngx_http_ai_target_t *ngx_http_ai_route_tried(
    ngx_http_ai_plan_t *plan, ngx_http_ai_target_t *target);
static void ngx_http_ai_route_away(ngx_http_ai_plan_t *plan,
    const ngx_http_ai_health_t *health);
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
    plan->family = endpoint->bit;
    plan->away = 0;
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
            plan->excluded[i] = NGX_HTTP_AI_CANDIDATE;
            plan->allowed |= (uint64_t) 1 << i;
        }
    }

    plan->eligible = plan->allowed;
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
ngx_http_ai_route_refresh(ngx_http_ai_plan_t *plan, ngx_uint_t again)
{
    plan->away = 0;
    plan->eligible = plan->allowed & ~plan->banned;

    if (!again) {
        plan->eligible &= ~plan->tried;
    }
}


ngx_http_ai_target_t *
ngx_http_ai_route_next(ngx_http_ai_plan_t *plan, ngx_http_ai_zone_t *zone,
    const ngx_http_ai_target_t *last, ngx_uint_t same,
    ngx_http_ai_pass_t *pass)
{
    uint64_t               eligible;
    ngx_uint_t             i;
    ngx_http_ai_cell_t     cell;
    ngx_http_ai_health_t   health;
    ngx_http_ai_target_t  *t, *faint;

    faint = NULL;
    t = plan->route->targets.elts;

    for ( ;; ) {

        eligible = ngx_http_ai_route_tier(plan);

        if (eligible == 0) {
            break;
        }

        if (last) {
            eligible = ngx_http_ai_route_prefer(plan, eligible,
                                                last->account->provider,
                                                same);
        }

        i = ngx_http_ai_balance(plan, zone, eligible);
        ngx_http_ai_route_cell(plan, &t[i], &cell);

        plan->eligible &= ~((uint64_t) 1 << i);

        if (ngx_http_ai_health_enter(zone, &cell, plan->tokens, 0, pass,
                                     &health)
            != NGX_OK)
        {
            plan->excluded[i] = NGX_HTTP_AI_EXCLUDED_HEALTH;
            ngx_http_ai_route_away(plan, &health);
            continue;
        }

        if (health.percent < 100 && !pass->probe && faint == NULL
            && plan->route->balance == NGX_HTTP_AI_BALANCE_WEIGHTED
            && (ngx_uint_t) ngx_random() % 100 >= health.percent)
        {
            /*
             * It ramps up, or is short of its limit: rather another one.
             * The other balancers know the percentage themselves.
             */

            ngx_http_ai_health_leave(zone, &cell, pass, 0);
            faint = &t[i];
            continue;
        }

        return ngx_http_ai_route_tried(plan, &t[i]);
    }

    if (faint) {
        ngx_http_ai_route_cell(plan, faint, &cell);

        if (ngx_http_ai_health_enter(zone, &cell, plan->tokens, 0, pass,
                                     &health)
            == NGX_OK)
        {
            return ngx_http_ai_route_tried(plan, faint);
        }

        ngx_http_ai_route_away(plan, &health);
    }

    return NULL;
}


ngx_http_ai_target_t *
ngx_http_ai_route_least_bad(ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, ngx_http_ai_pass_t *pass)
{
    ngx_uint_t             i;
    ngx_msec_t             until;
    ngx_http_ai_cell_t     cell;
    ngx_http_ai_health_t   health;
    ngx_http_ai_target_t  *t, *best;

    best = NULL;
    until = 0;
    t = plan->route->targets.elts;

    for (i = 0; i < plan->route->targets.nelts; i++) {

        if (!(plan->allowed & ~plan->tried & ((uint64_t) 1 << i))) {
            continue;
        }

        ngx_http_ai_route_cell(plan, &t[i], &cell);
        ngx_http_ai_health_check(zone, &cell, plan->tokens, &health);

        if (health.probed) {
            /* somebody went to see already */
            return NULL;
        }

        if (health.state == NGX_HTTP_AI_HEALTH_TRIPPED
            && (best == NULL
                || (ngx_msec_int_t) (health.until - until) < 0))
        {
            best = &t[i];
            until = health.until;
        }
    }

    if (best == NULL) {
        return NULL;
    }

    ngx_http_ai_route_cell(plan, best, &cell);

    if (ngx_http_ai_health_enter(zone, &cell, plan->tokens, 1, pass, &health)
        != NGX_OK)
    {
        return NULL;
    }

    return ngx_http_ai_route_tried(plan, best);
}


static ngx_http_ai_target_t *
ngx_http_ai_route_tried(ngx_http_ai_plan_t *plan,
    ngx_http_ai_target_t *target)
{
    ngx_uint_t             i;
    ngx_http_ai_target_t  *t;

    t = plan->route->targets.elts;
    i = target - t;

    plan->tried |= (uint64_t) 1 << i;
    plan->eligible &= ~((uint64_t) 1 << i);
    plan->excluded[i] = NGX_HTTP_AI_EXCLUDED_TRIED;

    return target;
}


ngx_uint_t
ngx_http_ai_route_scan(ngx_http_ai_plan_t *plan, ngx_http_ai_zone_t *zone)
{
    ngx_uint_t             i, open;
    ngx_http_ai_cell_t     cell;
    ngx_http_ai_health_t   health;
    ngx_http_ai_target_t  *t;

    open = 0;
    plan->away = 0;
    t = plan->route->targets.elts;

    for (i = 0; i < plan->route->targets.nelts; i++) {

        if (plan->allowed & ~plan->banned & ((uint64_t) 1 << i)) {
            ngx_http_ai_route_cell(plan, &t[i], &cell);
            ngx_http_ai_health_check(zone, &cell, plan->tokens, &health);
            ngx_http_ai_route_away(plan, &health);

            open += health.state == NGX_HTTP_AI_HEALTH_OPEN
                    || health.state == NGX_HTTP_AI_HEALTH_PROBE;
        }
    }

    return open;
}


/* the operator's word has no end that could be waited for */

static void
ngx_http_ai_route_away(ngx_http_ai_plan_t *plan,
    const ngx_http_ai_health_t *health)
{
    if (health->state == NGX_HTTP_AI_HEALTH_OPEN
        || health->state == NGX_HTTP_AI_HEALTH_PROBE
        || health->state == NGX_HTTP_AI_HEALTH_STOPPED)
    {
        return;
    }

    if (!plan->away || (ngx_msec_int_t) (health->until - plan->back) < 0) {
        plan->away = 1;
        plan->back = health->until;
        plan->cause = health->cause;
    }
}


void
ngx_http_ai_route_cell(const ngx_http_ai_plan_t *plan,
    const ngx_http_ai_target_t *target, ngx_http_ai_cell_t *cell)
{
    cell->account = target->account;
    cell->model = target->model.len ? &target->model : plan->model;
    cell->family = plan->family;
    cell->stream = plan->stream;
}


ngx_uint_t
ngx_http_ai_route_owns(const ngx_http_ai_plan_t *plan,
    const ngx_http_ai_target_t *target)
{
    const ngx_http_ai_target_t  *first;

    first = plan->route->targets.elts;

    return target >= first && target < first + plan->route->targets.nelts;
}


void
ngx_http_ai_route_ban(ngx_http_ai_plan_t *plan,
    const ngx_http_ai_target_t *target)
{
    const ngx_http_ai_target_t  *first;

    first = plan->route->targets.elts;

    if (ngx_http_ai_route_owns(plan, target)) {
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
