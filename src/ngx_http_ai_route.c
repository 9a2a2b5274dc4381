
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_route.h"
#include "ngx_http_ai_balance.h"


static ngx_http_ai_balance_e ngx_http_ai_route_balance(
    const ngx_http_ai_plan_t *plan);
static const ngx_http_ai_knobs_list_t *ngx_http_ai_route_refused(
    const ngx_http_ai_plan_t *plan, ngx_http_ai_account_t *account);
static uint64_t ngx_http_ai_route_cap(const ngx_http_ai_plan_t *plan);
static ngx_uint_t ngx_http_ai_route_dear(const ngx_http_ai_plan_t *plan,
    const ngx_http_ai_class_t *policy, const ngx_http_ai_target_t *target);
static ngx_uint_t ngx_http_ai_route_above(const ngx_http_ai_plan_t *plan,
    const ngx_http_ai_target_t *target);
static ngx_uint_t ngx_http_ai_route_exceeds(const ngx_http_ai_plan_t *plan,
    const ngx_http_ai_target_t *target, int64_t max_input,
    int64_t max_output);
static ngx_int_t ngx_http_ai_route_enter(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, const ngx_http_ai_cell_t *cell,
    ngx_http_ai_pass_t *pass, ngx_http_ai_health_t *health);
static ngx_http_ai_target_t *ngx_http_ai_route_tried(
    ngx_http_ai_plan_t *plan, ngx_http_ai_target_t *target);
static ngx_uint_t ngx_http_ai_route_unwell(const ngx_http_ai_plan_t *plan,
    ngx_uint_t i);
static void ngx_http_ai_route_away(ngx_http_ai_plan_t *plan,
    const ngx_http_ai_health_t *health);
static uint64_t ngx_http_ai_route_tier(const ngx_http_ai_plan_t *plan);
static uint64_t ngx_http_ai_route_ordered(const ngx_http_ai_plan_t *plan,
    uint64_t eligible);
static uint64_t ngx_http_ai_route_prefer(const ngx_http_ai_plan_t *plan,
    uint64_t eligible, const ngx_http_ai_provider_t *provider,
    ngx_uint_t same);


void
ngx_http_ai_route_model(ngx_http_ai_plan_t *plan, const ngx_str_t *model,
    const ngx_str_t *model_json, uint64_t model_hash)
{
    plan->model = model;
    plan->model_json = model_json;
    plan->model_hash = model_hash;
}


void
ngx_http_ai_route_plan(ngx_http_ai_plan_t *plan, ngx_http_ai_route_t *route,
    const ngx_http_ai_endpoint_t *endpoint, const ngx_http_ai_class_t *policy)
{
    ngx_uint_t             i;
    ngx_http_ai_target_t  *t;

    plan->route = route;
    plan->family = endpoint->bit;
    plan->balance = ngx_http_ai_route_balance(plan);
    plan->away = 0;
    plan->allowed = 0;
    plan->tried = 0;
    plan->banned = 0;
    plan->dear = 0;
    plan->above = 0;

    if (route == plan->asked && !policy->allow_costlier) {
        plan->cap = ngx_http_ai_route_cap(plan);
    }

    t = route->targets.elts;

    for (i = 0; i < route->targets.nelts; i++) {

        if (!(t[i].account->provider->endpoints & endpoint->bit)) {
            plan->excluded[i] = NGX_HTTP_AI_EXCLUDED_ENDPOINT;

        } else if (!ngx_http_ai_conf_class_has(policy, t[i].account)) {
            plan->excluded[i] = NGX_HTTP_AI_EXCLUDED_CLASS;

        } else if (plan->pin && plan->pin != t[i].account) {
            plan->excluded[i] = NGX_HTTP_AI_EXCLUDED_PINNED;

        } else if (ngx_http_ai_route_refused(plan, t[i].account)) {
            plan->excluded[i] = NGX_HTTP_AI_EXCLUDED_KNOBS;

        } else if (ngx_http_ai_route_above(plan, &t[i])) {
            plan->excluded[i] = NGX_HTTP_AI_EXCLUDED_COST;
            plan->above = 1;

        } else if (ngx_http_ai_route_dear(plan, policy, &t[i])) {
            plan->excluded[i] = NGX_HTTP_AI_EXCLUDED_COST;
            plan->dear = 1;

        } else {
            plan->excluded[i] = NGX_HTTP_AI_CANDIDATE;
            plan->allowed |= (uint64_t) 1 << i;
        }
    }

    plan->eligible = plan->allowed;
}


/*
 * What the request would cost in the route's first tier, where it is dearest.
 * Without any price there nothing but what is free is known to be no dearer.
 */

static uint64_t
ngx_http_ai_route_cap(const ngx_http_ai_plan_t *plan)
{
    uint64_t               cost, cap;
    ngx_uint_t             i;
    ngx_http_ai_target_t  *t;

    cap = 0;
    t = plan->route->targets.elts;

    for (i = 0; i < plan->route->targets.nelts; i++) {

        if (t[i].tier != t[0].tier) {
            break;
        }

        cost = ngx_http_ai_route_cost(plan, &t[i]);

        if (cost != NGX_HTTP_AI_PICK_NO_PRICE && cost > cap) {
            cap = cost;
        }
    }

    return cap;
}


static ngx_uint_t
ngx_http_ai_route_dear(const ngx_http_ai_plan_t *plan,
    const ngx_http_ai_class_t *policy, const ngx_http_ai_target_t *target)
{
    const ngx_http_ai_target_t  *t;

    if (ngx_http_ai_route_exceeds(plan, target, policy->max_input,
                                  policy->max_output))
    {
        return 1;
    }

    if (policy->allow_costlier) {
        return 0;
    }

    t = plan->route->targets.elts;

    if (plan->route == plan->asked && target->tier == t[0].tier) {
        return 0;
    }

    /* an unknown one is the dearest */

    return ngx_http_ai_route_cost(plan, target) > plan->cap;
}


/* without any price nothing can be said of the request's own limit */

static ngx_uint_t
ngx_http_ai_route_above(const ngx_http_ai_plan_t *plan,
    const ngx_http_ai_target_t *target)
{
    return plan->knobs && plan->prices->known
           && ngx_http_ai_route_exceeds(plan, target, plan->knobs->max_prompt,
                                        plan->knobs->max_completion);
}


/* picodollars per token, negative: any; an unknown price exceeds the rest */

static ngx_uint_t
ngx_http_ai_route_exceeds(const ngx_http_ai_plan_t *plan,
    const ngx_http_ai_target_t *target, int64_t max_input,
    int64_t max_output)
{
    int64_t                            input, pico;
    const ngx_http_ai_prices_entry_t  *e;

    if (max_input < 0 && max_output < 0) {
        return 0;
    }

    e = ngx_http_ai_prices_find(plan->prices, target, plan->model);

    if (e == NULL) {
        return 1;
    }

    input = plan->demand.tokens - plan->output;

    pico = ngx_http_ai_price_rate(&e->price, NGX_HTTP_AI_PRICE_INPUT,
                                  NGX_HTTP_AI_PRICE_STANDARD, input);

    if (max_input >= 0
        && (pico == NGX_HTTP_AI_PRICE_UNKNOWN || pico > max_input))
    {
        return 1;
    }

    pico = ngx_http_ai_price_rate(&e->price, NGX_HTTP_AI_PRICE_OUTPUT,
                                  NGX_HTTP_AI_PRICE_STANDARD, input);

    return max_output >= 0
           && (pico == NGX_HTTP_AI_PRICE_UNKNOWN || pico > max_output);
}


uint64_t
ngx_http_ai_route_cost(const ngx_http_ai_plan_t *plan,
    const ngx_http_ai_target_t *target)
{
    int64_t                            nanousd;
    const ngx_http_ai_prices_entry_t  *e;

    e = ngx_http_ai_prices_find(plan->prices, target, plan->model);

    if (e == NULL
        || ngx_http_ai_price_estimate(&e->price,
                                      plan->demand.tokens - plan->output,
                                      plan->output, plan->units, &nanousd)
           != NGX_OK)
    {
        return NGX_HTTP_AI_PICK_NO_PRICE;
    }

    return (uint64_t) nanousd;
}


int64_t
ngx_http_ai_route_dearest(const ngx_http_ai_plan_t *plan)
{
    uint64_t               cost, most;
    ngx_uint_t             i;
    ngx_http_ai_target_t  *t;

    most = 0;
    t = plan->route->targets.elts;

    for (i = 0; i < plan->route->targets.nelts; i++) {

        if (!(plan->allowed & ((uint64_t) 1 << i))) {
            continue;
        }

        cost = ngx_http_ai_route_cost(plan, &t[i]);

        if (cost != NGX_HTTP_AI_PICK_NO_PRICE && cost > most) {
            most = cost;
        }
    }

    return (int64_t) most;
}


void
ngx_http_ai_route_plan_backup(ngx_http_ai_plan_t *plan,
    const ngx_http_ai_backup_t *backup,
    const ngx_http_ai_endpoint_t *endpoint, const ngx_http_ai_class_t *policy)
{
    ngx_http_ai_route_model(plan, &backup->model, &backup->model_json,
                            backup->model_hash);

    ngx_http_ai_route_plan(plan, backup->route, endpoint, policy);
}


/*
 * Throughput has no measure of its own here: an answer's time to its first
 * byte is the nearest one.  Cost has none at all as long as there are no
 * prices, so it leaves the route's own.
 */

static ngx_http_ai_balance_e
ngx_http_ai_route_balance(const ngx_http_ai_plan_t *plan)
{
    if (plan->knobs == NULL) {
        return plan->route->balance;
    }

    switch (plan->knobs->sort) {

    case NGX_HTTP_AI_KNOBS_SORT_LATENCY:
    case NGX_HTTP_AI_KNOBS_SORT_THROUGHPUT:
        return NGX_HTTP_AI_BALANCE_LEAST_TIME;

    case NGX_HTTP_AI_KNOBS_SORT_COST:
        return plan->prices->known ? NGX_HTTP_AI_BALANCE_LEAST_COST
                                   : plan->route->balance;

    default:
        return plan->route->balance;
    }
}


static const ngx_http_ai_knobs_list_t *
ngx_http_ai_route_refused(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_account_t *account)
{
    if (plan->knobs == NULL) {
        return NULL;
    }

    return ngx_http_ai_knobs_refusal(plan->knobs, &account->name,
                                     &account->provider->name);
}


const ngx_http_ai_knobs_list_t *
ngx_http_ai_route_refusal(const ngx_http_ai_plan_t *plan)
{
    ngx_uint_t             i;
    ngx_http_ai_target_t  *t;

    t = plan->route->targets.elts;

    for (i = 0; i < plan->route->targets.nelts && plan->allowed == 0; i++) {
        if (plan->excluded[i] == NGX_HTTP_AI_EXCLUDED_KNOBS) {
            return ngx_http_ai_route_refused(plan, t[i].account);
        }
    }

    return NULL;
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

        if (plan->knobs && plan->knobs->order.n) {
            eligible = ngx_http_ai_route_ordered(plan, eligible);
        }

        if (last) {
            eligible = ngx_http_ai_route_prefer(plan, eligible,
                                                last->account->provider,
                                                same);
        }

        i = ngx_http_ai_balance(plan, zone, eligible);
        ngx_http_ai_route_cell(plan, &t[i], &cell);

        plan->eligible &= ~((uint64_t) 1 << i);

        if (ngx_http_ai_route_enter(plan, zone, &cell, pass, &health)
            != NGX_OK)
        {
            ngx_http_ai_route_left(plan, i, &health);
            ngx_http_ai_route_away(plan, &health);
            continue;
        }

        if (health.percent < 100 && plan->look == NULL
            && !pass->probe && faint == NULL
            && plan->balance == NGX_HTTP_AI_BALANCE_WEIGHTED
            && (ngx_uint_t) ngx_random() % 100 >= health.percent)
        {
            /*
             * It ramps up, or is short of its limit: rather another one.
             * The other balancers know the percentage themselves.
             */

            ngx_http_ai_health_leave(zone, &cell, pass, 0, 0);
            faint = &t[i];
            continue;
        }

        return ngx_http_ai_route_tried(plan, &t[i]);
    }

    if (faint) {
        ngx_http_ai_route_cell(plan, faint, &cell);

        if (ngx_http_ai_health_enter(zone, &cell, &plan->demand,
                                     NGX_HTTP_AI_ENTER_DUE, pass, &health)
            == NGX_OK)
        {
            return ngx_http_ai_route_tried(plan, faint);
        }

        ngx_http_ai_route_left(plan, faint - t, &health);
        ngx_http_ai_route_away(plan, &health);
    }

    return NULL;
}


static ngx_int_t
ngx_http_ai_route_enter(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, const ngx_http_ai_cell_t *cell,
    ngx_http_ai_pass_t *pass, ngx_http_ai_health_t *health)
{
    if (plan->look == NULL) {
        return ngx_http_ai_health_enter(zone, cell, &plan->demand,
                                        NGX_HTTP_AI_ENTER_DUE, pass, health);
    }

    ngx_http_ai_health_check(zone, cell, &plan->demand, health);

    return health->state == NGX_HTTP_AI_HEALTH_OPEN
           || health->state == NGX_HTTP_AI_HEALTH_PROBE ? NGX_OK : NGX_BUSY;
}


ngx_http_ai_target_t *
ngx_http_ai_route_least_bad(ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, ngx_http_ai_pass_t *pass)
{
    ngx_http_ai_cell_t     cell;
    ngx_http_ai_health_t   health;
    ngx_http_ai_target_t  *best;

    best = ngx_http_ai_route_least(plan, zone);

    if (best == NULL) {
        return NULL;
    }

    ngx_http_ai_route_cell(plan, best, &cell);

    if (ngx_http_ai_health_enter(zone, &cell, &plan->demand,
                                 NGX_HTTP_AI_ENTER_EARLY, pass, &health)
        != NGX_OK)
    {
        return NULL;
    }

    return ngx_http_ai_route_tried(plan, best);
}


ngx_http_ai_target_t *
ngx_http_ai_route_least(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone)
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
        ngx_http_ai_health_check(zone, &cell, &plan->demand, &health);

        if (health.probed) {
            /* somebody went to see already */
            return NULL;
        }

        if (health.state == NGX_HTTP_AI_HEALTH_TRIPPED && !health.barred
            && (best == NULL
                || (ngx_msec_int_t) (health.until - until) < 0))
        {
            best = &t[i];
            until = health.until;
        }
    }

    return best;
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
            ngx_http_ai_health_check(zone, &cell, &plan->demand, &health);
            ngx_http_ai_route_away(plan, &health);

            if (health.state == NGX_HTTP_AI_HEALTH_OPEN
                || health.state == NGX_HTTP_AI_HEALTH_PROBE)
            {
                open++;

            } else {
                ngx_http_ai_route_left(plan, i, &health);
            }
        }
    }

    return open;
}


void
ngx_http_ai_route_left(ngx_http_ai_plan_t *plan, ngx_uint_t i,
    const ngx_http_ai_health_t *health)
{
    if (plan->tried & ((uint64_t) 1 << i)) {
        return;
    }

    plan->excluded[i] = NGX_HTTP_AI_EXCLUDED_HEALTH;
    plan->states[i] = health->state;
    plan->causes[i] = health->cause;
    plan->until[i] = health->until;
}


const ngx_str_t *
ngx_http_ai_route_reason(const ngx_http_ai_plan_t *plan, ngx_uint_t i)
{
    /* by ngx_http_ai_excluded_e */

    static const ngx_str_t  words[] = {
        ngx_null_string,
        ngx_string("endpoint"),
        ngx_string("class"),
        ngx_string("pinned"),
        ngx_string("request"),
        ngx_string("cost"),
        ngx_null_string,
        ngx_string("tried")
    };

    ngx_http_ai_health_e  state;

    if (plan->excluded[i] == NGX_HTTP_AI_CANDIDATE) {
        return NULL;
    }

    if (plan->excluded[i] != NGX_HTTP_AI_EXCLUDED_HEALTH) {
        return &words[plan->excluded[i]];
    }

    state = plan->states[i];

    if (state == NGX_HTTP_AI_HEALTH_PROBE) {
        /* another request was faster and has the probe */
        state = NGX_HTTP_AI_HEALTH_TRIPPED;
    }

    return ngx_http_ai_health_name(state);
}


const ngx_str_t *
ngx_http_ai_route_cause(const ngx_http_ai_plan_t *plan, ngx_uint_t i)
{
    return ngx_http_ai_route_unwell(plan, i)
           ? &ngx_http_ai_verdict(plan->causes[i])->name : NULL;
}


int64_t
ngx_http_ai_route_back_ms(const ngx_http_ai_plan_t *plan, ngx_uint_t i)
{
    ngx_msec_t  until;

    until = plan->until[i];

    if (!ngx_http_ai_route_unwell(plan, i)
        || (ngx_msec_int_t) (until - ngx_current_msec)
           >= NGX_HTTP_AI_RATE_WAIT_MAX / 2)
    {
        return INT64_MIN;
    }

    return ngx_http_ai_zone_time(ngx_max(until, 1));
}


/* what an operator stopped has neither a cause nor an end */

static ngx_uint_t
ngx_http_ai_route_unwell(const ngx_http_ai_plan_t *plan, ngx_uint_t i)
{
    return plan->excluded[i] == NGX_HTTP_AI_EXCLUDED_HEALTH
           && plan->states[i] != NGX_HTTP_AI_HEALTH_STOPPED;
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
    uint64_t  cost;

    cell->account = target->account;
    cell->nanousd = 0;

    if (target->account->limit.nbudgets) {
        cost = ngx_http_ai_route_cost(plan, target);
        cell->nanousd = cost == NGX_HTTP_AI_PICK_NO_PRICE ? 0
                                                          : (int64_t) cost;
    }

    if (target->model.len) {
        cell->model = &target->model;
        cell->model_hash = target->model_hash;

    } else {
        cell->model = plan->model;
        cell->model_hash = plan->model_hash;
    }

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


/* those that come first in the request's own order */

static uint64_t
ngx_http_ai_route_ordered(const ngx_http_ai_plan_t *plan, uint64_t eligible)
{
    uint64_t               set;
    ngx_uint_t             i, rank, best;
    ngx_http_ai_target_t  *t;

    set = 0;
    best = NGX_HTTP_AI_KNOBS_NAMES;
    t = plan->route->targets.elts;

    for (i = 0; i < plan->route->targets.nelts; i++) {

        if (!(eligible & ((uint64_t) 1 << i))) {
            continue;
        }

        rank = ngx_http_ai_knobs_rank(&plan->knobs->order,
                                      &t[i].account->name,
                                      &t[i].account->provider->name);

        if (set == 0 || rank < best) {
            best = rank;
            set = 0;
        }

        if (rank == best) {
            set |= (uint64_t) 1 << i;
        }
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
