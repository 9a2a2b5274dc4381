
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* what an account is held to by ai_limit: checked, reserved, settled */


#include "ngx_http_ai_health_nodes.h"


/* the limit that holds a request back longest */

typedef struct {
    int64_t                   ms;          /* 0: none does */
    ngx_http_ai_verdict_e     cause;
    ngx_uint_t                look;        /* unsigned  look:1; nobody comes,
                                              no purse is made for him */
} ngx_http_ai_wait_t;


static void ngx_http_ai_health_limit_wait(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_account_node_t *an, const ngx_http_ai_cell_t *cell,
    const ngx_http_ai_demand_t *demand, ngx_http_ai_wait_t *wait);
static int64_t ngx_http_ai_health_limit_left(
    const ngx_http_ai_demand_t *demand, int64_t limit);
static int64_t ngx_http_ai_health_limit_rate(const ngx_http_ai_rate_t *rate,
    const ngx_http_ai_rate_bucket_t *b, int64_t n,
    const ngx_http_ai_demand_t *demand);
static void ngx_http_ai_health_limit_budget(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_wait_t *wait);
static void ngx_http_ai_health_limit_longer(ngx_http_ai_wait_t *wait,
    int64_t ms, ngx_http_ai_verdict_e cause);
static int64_t ngx_http_ai_health_limit_tokens(
    const ngx_http_ai_cell_t *cell, const ngx_http_ai_demand_t *demand);
static void ngx_http_ai_health_limit_purse(
    const ngx_http_ai_account_t *account, ngx_http_ai_purse_conf_t *conf);


void
ngx_http_ai_health_limited_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_account_node_t *an, const ngx_http_ai_cell_t *cell,
    const ngx_http_ai_demand_t *demand, ngx_http_ai_health_t *health)
{
    ngx_http_ai_wait_t  wait;

    ngx_http_ai_health_limit_wait(zone, an, cell, demand, &wait);

    if (wait.ms > 0) {
        ngx_http_ai_health_worse(health, NGX_HTTP_AI_HEALTH_LIMITED,
                                 wait.cause, ngx_current_msec + wait.ms);
    }
}


ngx_int_t
ngx_http_ai_health_reserve_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_node_t *an, const ngx_http_ai_cell_t *cell,
    const ngx_http_ai_demand_t *demand, ngx_http_ai_pass_t *pass,
    ngx_http_ai_health_t *health)
{
    int64_t                          left;
    ngx_uint_t                       which;
    ngx_msec_t                       now;
    ngx_http_ai_wait_t               wait;
    ngx_http_ai_purse_conf_t         purse;
    const ngx_http_ai_limit_conf_t  *limit;

    now = ngx_current_msec;
    limit = &cell->account->limit;

    ngx_http_ai_health_limit_wait(zone, an, cell, demand, &wait);

    if (wait.ms > 0) {
        health->state = NGX_HTTP_AI_HEALTH_LIMITED;
        health->cause = wait.cause;
        health->until = now + wait.ms;
        return NGX_BUSY;
    }

    /* none of them waits, so all of them grant it */

    if (limit->requests.limit) {
        (void) ngx_http_ai_rate_reserve(&limit->requests, &an->requests, now,
                                        1);
    }

    if (limit->tokens.limit) {
        pass->tokens = ngx_http_ai_health_limit_tokens(cell, demand);

        (void) ngx_http_ai_rate_reserve(&limit->tokens, &an->tokens, now,
                                        pass->tokens);
    }

    if (limit->nbudgets) {
        ngx_http_ai_health_limit_purse(cell->account, &purse);

        (void) ngx_http_ai_purse_reserve_locked(zone, &purse, cell->nanousd,
                                                &pass->claim->account_money,
                                                &which, &left);
    }

    return NGX_OK;
}


static void
ngx_http_ai_health_limit_wait(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_account_node_t *an, const ngx_http_ai_cell_t *cell,
    const ngx_http_ai_demand_t *demand, ngx_http_ai_wait_t *wait)
{
    const ngx_http_ai_limit_conf_t  *limit;

    limit = &cell->account->limit;

    wait->ms = 0;
    wait->cause = NGX_HTTP_AI_RATE_LIMIT;
    wait->look = (demand->claim == NULL);

    if (limit->concurrent
        && an->inflight + ngx_http_ai_health_limit_left(demand,
                                                        limit->concurrent)
           >= limit->concurrent)
    {
        ngx_http_ai_health_limit_longer(wait, NGX_HTTP_AI_SOON,
                                        NGX_HTTP_AI_RATE_LIMIT);
    }

    if (limit->requests.limit) {
        ngx_http_ai_health_limit_longer(wait,
                  ngx_http_ai_health_limit_rate(&limit->requests,
                                                &an->requests, 1, demand),
                  NGX_HTTP_AI_RATE_LIMIT);
    }

    if (limit->tokens.limit) {
        ngx_http_ai_health_limit_longer(wait,
                  ngx_http_ai_health_limit_rate(&limit->tokens, &an->tokens,
                              ngx_http_ai_health_limit_tokens(cell, demand),
                              demand),
                  NGX_HTTP_AI_RATE_LIMIT);
    }

    if (limit->nbudgets) {
        ngx_http_ai_health_limit_budget(zone, cell, wait);
    }
}


/* what a class that yields leaves of a limit to the others */

static int64_t
ngx_http_ai_health_limit_left(const ngx_http_ai_demand_t *demand,
    int64_t limit)
{
    return limit * (int64_t) demand->yield / 100;
}


static int64_t
ngx_http_ai_health_limit_rate(const ngx_http_ai_rate_t *rate,
    const ngx_http_ai_rate_bucket_t *b, int64_t n,
    const ngx_http_ai_demand_t *demand)
{
    n += ngx_http_ai_health_limit_left(demand, rate->limit);

    return ngx_http_ai_rate_wait(rate, b, ngx_current_msec,
                                 ngx_min(n, rate->limit));
}


/* a budget is spent until its period ends; that of a total never does */

static void
ngx_http_ai_health_limit_budget(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_wait_t *wait)
{
    int64_t                   left, resets;
    ngx_int_t                 rc;
    ngx_uint_t                which;
    ngx_http_ai_purse_conf_t  purse;

    ngx_http_ai_health_limit_purse(cell->account, &purse);

    rc = wait->look
         ? ngx_http_ai_purse_would_locked(zone, &purse, cell->nanousd, &which,
                                         &left)
         : ngx_http_ai_purse_check_locked(zone, &purse, cell->nanousd, &which,
                                          &left);
    if (rc == NGX_OK) {
        return;
    }

    if (rc == NGX_ERROR) {
        ngx_http_ai_health_limit_longer(wait, NGX_HTTP_AI_SOON,
                                        NGX_HTTP_AI_QUOTA_EXHAUSTED);
        return;
    }

    resets = ngx_http_ai_budget_resets(purse.budgets[which].per, ngx_time());

    resets = resets == NGX_HTTP_AI_BUDGET_NEVER
             ? NGX_HTTP_AI_RATE_WAIT_MAX : (resets - ngx_time()) * 1000;

    ngx_http_ai_health_limit_longer(wait, resets,
                                    NGX_HTTP_AI_QUOTA_EXHAUSTED);
}


static void
ngx_http_ai_health_limit_longer(ngx_http_ai_wait_t *wait, int64_t ms,
    ngx_http_ai_verdict_e cause)
{
    if (ms > wait->ms) {
        wait->ms = ms;
        wait->cause = cause;
    }
}


/* a request larger than the bucket may go when it is full */

static int64_t
ngx_http_ai_health_limit_tokens(const ngx_http_ai_cell_t *cell,
    const ngx_http_ai_demand_t *demand)
{
    return ngx_min(demand->tokens, cell->account->limit.tokens.limit);
}


static void
ngx_http_ai_health_limit_purse(const ngx_http_ai_account_t *account,
    ngx_http_ai_purse_conf_t *conf)
{
    conf->owner = NGX_HTTP_AI_STATE_ACCOUNT;
    conf->name = &account->name;
    conf->hash = account->purse;
    conf->budgets = account->limit.budgets;
    conf->n = account->limit.nbudgets;
}


void
ngx_http_ai_health_limits_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_account_node_t *an,
    const ngx_http_ai_account_t *account, ngx_http_ai_limits_t *limits)
{
    const ngx_http_ai_limit_conf_t  *conf;

    conf = &account->limit;

    ngx_memzero(limits, sizeof(ngx_http_ai_limits_t));

    limits->requests = &conf->requests;
    limits->tokens = &conf->tokens;
    limits->concurrent = conf->concurrent;
    limits->budgets = conf->budgets;
    limits->nbudgets = conf->nbudgets;

    if (an) {
        limits->left_requests = an->requests;
        limits->left_tokens = an->tokens;
        limits->inflight = an->inflight;
    }

    ngx_http_ai_purse_look_locked(zone, NGX_HTTP_AI_STATE_ACCOUNT,
                                  account->purse, limits->spent);
}


void
ngx_http_ai_health_settle_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_node_t *an, const ngx_http_ai_cell_t *cell,
    ngx_http_ai_pass_t *pass, int64_t tokens, int64_t nanousd)
{
    ngx_msec_t                       now;
    ngx_http_ai_reserve_t           *money;
    const ngx_http_ai_limit_conf_t  *limit;

    now = ngx_current_msec;
    limit = &cell->account->limit;
    money = &pass->claim->account_money;

    if (limit->requests.limit && !pass->recorded) {
        /* it was never sent */
        ngx_http_ai_rate_refund(&limit->requests, &an->requests, now, 1);
    }

    if (limit->tokens.limit && tokens >= 0) {
        ngx_http_ai_rate_settle(&limit->tokens, &an->tokens, now,
                                pass->tokens, tokens);
    }

    if (nanousd < 0) {
        nanousd = money->nanousd;
    }

    /* should the worker die before the request is recorded */

    pass->claim->last = an->node.key;

    if (!pass->claim->settled) {
        ngx_http_ai_claim_add(pass->claim, nanousd);
    }

    ngx_http_ai_purse_settle_locked(zone, money, nanousd);
}
