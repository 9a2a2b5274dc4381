
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_explain.h"
#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_gate.h"
#include "ngx_http_ai_handler.h"


static ngx_http_ai_ctx_t *ngx_http_ai_explain_ctx(ngx_http_request_t *r,
    const ngx_http_ai_explain_ask_t *ask);
static ngx_int_t ngx_http_ai_explain_admit(ngx_http_request_t *r,
    const ngx_http_ai_explain_ask_t *ask, ngx_http_ai_explain_t *ex);
static ngx_int_t ngx_http_ai_explain_quota(ngx_http_ai_explain_t *ex);
static ngx_int_t ngx_http_ai_explain_plan(ngx_http_ai_explain_t *ex,
    ngx_http_ai_plan_t *plan);
static void ngx_http_ai_explain_order(ngx_http_ai_zone_t *zone,
    ngx_http_ai_plan_t *plan, ngx_http_ai_explain_plan_t *ep);
static void ngx_http_ai_explain_scores(ngx_http_ai_zone_t *zone,
    ngx_http_ai_plan_t *plan, ngx_http_ai_explain_plan_t *ep);
static void ngx_http_ai_explain_candidate(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_plan_t *plan, ngx_uint_t i,
    ngx_http_ai_explain_candidate_t *c);
static ngx_uint_t ngx_http_ai_explain_tried(
    const ngx_http_ai_explain_plan_t *ep);
static ngx_int_t ngx_http_ai_explain_outlook(ngx_http_request_t *r,
    ngx_http_ai_explain_t *ex);
static ngx_int_t ngx_http_ai_explain_last(ngx_http_request_t *r,
    ngx_http_ai_explain_t *ex, ngx_http_ai_attempt_t *at);
static ngx_int_t ngx_http_ai_explain_backups(ngx_http_ai_explain_t *ex);


ngx_int_t
ngx_http_ai_explain(ngx_http_request_t *r,
    const ngx_http_ai_explain_ask_t *ask, ngx_http_ai_explain_t *ex)
{
    ngx_int_t           rc;
    ngx_http_ai_ctx_t  *ctx;

    ex->nplans = 0;
    ex->limited = 0;
    ex->keyed = (ask->session.len != 0);

    if (ngx_array_init(&ex->notes, r->pool, 8, sizeof(ngx_str_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx = ngx_http_ai_explain_ctx(r, ask);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ex->ctx = ctx;

    rc = ngx_http_ai_explain_admit(r, ask, ex);

    if (rc == NGX_ERROR || rc == NGX_DECLINED) {
        return rc;
    }

    if (ctx->plan.route == NULL) {
        /* refused before it came to a plan */
        return NGX_OK;
    }

    if (ngx_http_ai_explain_plan(ex, &ctx->plan) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->plan.allowed == 0 && ctx->error.status) {
        return NGX_OK;
    }

    if (ngx_http_ai_explain_tried(&ex->plans[0]) == 0
        && ngx_http_ai_explain_outlook(r, ex) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_ai_explain_backups(ex);
}


static ngx_http_ai_ctx_t *
ngx_http_ai_explain_ctx(ngx_http_request_t *r,
    const ngx_http_ai_explain_ask_t *ask)
{
    ngx_http_ai_ctx_t  *ctx;

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_ai_ctx_t));
    if (ctx == NULL) {
        return NULL;
    }

    ctx->request = r;
    ctx->conf = ngx_http_get_module_main_conf(r, ngx_http_ai_route_module);
    ctx->start = ngx_current_msec;
    ctx->facts.endpoint = ask->endpoint;
    ctx->facts.model = ask->model;
    ctx->facts.stream = ask->stream;
    ctx->facts.key = ngx_http_ai_request_hash(&ask->session);

    return ctx;
}


/*
 * The same checks in the same order as those of a real request.  Without a key
 * it is anybody's who may come in.
 */

static ngx_int_t
ngx_http_ai_explain_admit(ngx_http_request_t *r,
    const ngx_http_ai_explain_ask_t *ask, ngx_http_ai_explain_t *ex)
{
    ngx_int_t           rc;
    ngx_http_ai_ctx_t  *ctx;

    ctx = ex->ctx;

    if (ask->key_id.data) {

        rc = ngx_http_ai_key_suppose(ctx, &ask->key_id);
        if (rc != NGX_OK) {
            return rc;
        }

        ngx_http_ai_quota_view(ctx->conf->zone, ctx->key, &ex->limits);
        ex->limited = 1;

        rc = ngx_http_ai_key_judge(ctx);
        if (rc != NGX_OK) {
            return rc;
        }

    } else if (ctx->conf->keys
               && ngx_http_ai_explain_note(ex, "no key is named: what a key "
                                           "may use, and its limits, are left "
                                           "out of account")
                  != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_http_ai_request_class_named(ctx, ask->class.data ? &ask->class
                                                              : NULL);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_http_ai_request_suppose(ctx, ask->input, ask->max);

    rc = ngx_http_ai_request_named(ctx, &ask->model);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_ai_handler_plan(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_ai_explain_quota(ex);
}


static ngx_int_t
ngx_http_ai_explain_quota(ngx_http_ai_explain_t *ex)
{
    int64_t                       nanousd;
    ngx_http_ai_ctx_t            *ctx;
    ngx_http_ai_quota_refusal_t   refusal;

    ctx = ex->ctx;

    if (ctx->key == NULL || !ngx_http_ai_quota_limits(ctx->key)) {
        return NGX_OK;
    }

    nanousd = ctx->key->nbudgets ? ngx_http_ai_attempt_dearest(ctx) : 0;

    if (ngx_http_ai_quota_look(ctx->conf->zone, ctx->key, ctx->facts.tokens,
                               nanousd, &refusal)
        == NGX_OK)
    {
        return NGX_OK;
    }

    return ngx_http_ai_quota_refuse(ctx, &refusal);
}


static ngx_int_t
ngx_http_ai_explain_plan(ngx_http_ai_explain_t *ex, ngx_http_ai_plan_t *plan)
{
    ngx_uint_t                    i;
    ngx_http_ai_zone_t           *zone;
    ngx_http_ai_explain_plan_t   *ep;

    zone = ex->ctx->conf->zone;
    ep = &ex->plans[ex->nplans++];

    ep->model = plan->model;
    ep->balance = plan->balance;
    ep->n = plan->route->targets.nelts;
    ep->candidates = ngx_pcalloc(ex->ctx->request->pool,
                         ep->n * sizeof(ngx_http_ai_explain_candidate_t));

    if (ep->candidates == NULL) {
        return NGX_ERROR;
    }

    ngx_http_ai_explain_order(zone, plan, ep);

    for (i = 0; i < ep->n; i++) {
        ngx_http_ai_explain_candidate(zone, plan, i, &ep->candidates[i]);
    }

    ngx_http_ai_explain_scores(zone, plan, ep);

    return ngx_http_ai_explain_candidates(ex, plan, ep);
}


/* as if one after the other failed */

static void
ngx_http_ai_explain_order(ngx_http_ai_zone_t *zone, ngx_http_ai_plan_t *plan,
    ngx_http_ai_explain_plan_t *ep)
{
    int64_t                      current[NGX_HTTP_AI_MAX_TARGETS];
    ngx_uint_t                   order;
    const ngx_http_ai_target_t  *t, *first;

    first = plan->route->targets.elts;
    order = 0;

    ngx_http_ai_balance_look(plan, zone, current);

    for ( ;; ) {

        t = ngx_http_ai_route_next(plan, zone, NULL, 0, NULL);

        if (t == NULL) {
            break;
        }

        ep->candidates[t - first].order = ++order;
    }

    plan->look = NULL;
}


static void
ngx_http_ai_explain_candidate(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_plan_t *plan, ngx_uint_t i,
    ngx_http_ai_explain_candidate_t *c)
{
    int64_t                            input;
    ngx_http_ai_cell_t                 cell;
    const ngx_http_ai_target_t        *t;
    const ngx_http_ai_prices_entry_t  *e;

    t = plan->route->targets.elts;
    t += i;

    ngx_http_ai_route_cell(plan, t, &cell);
    ngx_http_ai_health_check(zone, &cell, &plan->demand, &c->health);
    ngx_http_ai_health_survey(zone, &cell, &c->survey);

    c->target = t;
    c->model = cell.model;
    c->back_ms = INT64_MIN;

    if (c->order == 0) {
        c->reason = ngx_http_ai_route_reason(plan, i);
        c->cause = ngx_http_ai_route_cause(plan, i);
        c->back_ms = ngx_http_ai_route_back_ms(plan, i);
    }

    c->cost = ngx_http_ai_route_cost(plan, t);
    c->input_pico = NGX_HTTP_AI_PRICE_UNKNOWN;
    c->output_pico = NGX_HTTP_AI_PRICE_UNKNOWN;

    e = ngx_http_ai_prices_find(plan->prices, t, plan->model);

    if (e) {
        input = plan->demand.tokens - plan->output;

        c->input_pico = ngx_http_ai_price_rate(&e->price,
                                   NGX_HTTP_AI_PRICE_INPUT,
                                   NGX_HTTP_AI_PRICE_STANDARD, input);
        c->output_pico = ngx_http_ai_price_rate(&e->price,
                                   NGX_HTTP_AI_PRICE_OUTPUT,
                                   NGX_HTTP_AI_PRICE_STANDARD, input);
    }
}


/* tier by tier; one that is only probed has no share of the requests */

static void
ngx_http_ai_explain_scores(ngx_http_ai_zone_t *zone, ngx_http_ai_plan_t *plan,
    ngx_http_ai_explain_plan_t *ep)
{
    int64_t                       current[NGX_HTTP_AI_MAX_TARGETS];
    uint64_t                      set;
    ngx_uint_t                    i, n, end;
    ngx_http_ai_target_t         *t;
    ngx_http_ai_balance_score_t   scores[NGX_HTTP_AI_MAX_TARGETS];

    t = plan->route->targets.elts;

    ngx_http_ai_balance_look(plan, zone, current);

    for (i = 0; i < ep->n; i = end) {

        set = 0;

        for (end = i; end < ep->n && t[end].tier == t[i].tier; end++) {
            if (ep->candidates[end].order
                && ep->candidates[end].health.state
                   == NGX_HTTP_AI_HEALTH_OPEN)
            {
                set |= (uint64_t) 1 << end;
            }
        }

        ngx_http_ai_balance_scores(plan, zone, set, scores);

        for (n = i; n < end; n++) {
            ep->candidates[n].score = scores[n];
        }
    }

    plan->look = NULL;
}


static ngx_uint_t
ngx_http_ai_explain_tried(const ngx_http_ai_explain_plan_t *ep)
{
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < ep->n; i++) {
        n += (ep->candidates[i].order != 0);
    }

    return n;
}


/* nobody may be used now: what the ladder says before any try */

static ngx_int_t
ngx_http_ai_explain_outlook(ngx_http_request_t *r, ngx_http_ai_explain_t *ex)
{
    ngx_http_ai_ctx_t       *ctx;
    ngx_http_ai_backup_t    *b;
    ngx_http_ai_attempt_t   *at;
    ngx_http_ai_decision_t   decision;

    ctx = ex->ctx;

    if (ctx->error.status) {
        /* it does not get so far */
        return NGX_OK;
    }

    at = ngx_pcalloc(r->pool, sizeof(ngx_http_ai_attempt_t));
    if (at == NULL) {
        return NGX_ERROR;
    }

    at->ctx = ctx;
    at->deadline = ngx_current_msec + ctx->policy->deadline;

    /* what is given up on the way is noted there */
    ctx->attempt = at;

    ngx_http_ai_attempt_outlook(at, &decision);

    switch (decision.step) {

    case NGX_HTTP_AI_STEP_WAIT:
        return ngx_http_ai_explain_note(ex,
                   "no account may be used now: the request waits %L ms for "
                   "the first that is back", decision.delay);

    case NGX_HTTP_AI_STEP_QUEUE:
        return ngx_http_ai_explain_note(ex,
                   "no account may be used now: the request waits in the queue "
                   "of class \"%V\", for up to %M ms",
                   &ctx->policy->name, ctx->policy->queue);

    case NGX_HTTP_AI_STEP_BACKUP:
        b = ngx_http_ai_attempt_backup_of(ctx, at->backup);

        return ngx_http_ai_explain_note(ex,
                   "no account of the route may be used now: the backup model "
                   "\"%V\" answers", &b->model);

    default: /* NGX_HTTP_AI_STEP_FAIL */
        return ngx_http_ai_explain_last(r, ex, at);
    }
}


/* where every breaker is open one request goes and sees */

static ngx_int_t
ngx_http_ai_explain_last(ngx_http_request_t *r, ngx_http_ai_explain_t *ex,
    ngx_http_ai_attempt_t *at)
{
    ngx_http_ai_ctx_t                *ctx;
    const ngx_http_ai_target_t       *t;
    ngx_http_ai_explain_candidate_t  *c;

    ctx = ex->ctx;
    t = ngx_http_ai_route_least(&ctx->plan, ctx->conf->zone);

    c = ex->plans[0].candidates;

    if (t) {
        c += t - c->target;
    }

    if (t == NULL || !c->survey.early) {
        ngx_http_ai_attempt_refuse(r, at);
        return ctx->error.status ? NGX_OK : NGX_ERROR;
    }

    c->order = 1;

    return ngx_http_ai_explain_note(ex,
               "every breaker is open: one request goes to %V before its "
               "probe is due, to see", &t->account->name);
}


static ngx_int_t
ngx_http_ai_explain_backups(ngx_http_ai_explain_t *ex)
{
    ngx_uint_t             i, n;
    ngx_http_ai_ctx_t     *ctx;
    ngx_http_ai_plan_t     plan;
    ngx_http_ai_backup_t  *b;

    ctx = ex->ctx;
    n = ngx_http_ai_attempt_backups(ctx);

    if (ctx->route->backups.nelts && n == 0) {
        return ngx_http_ai_explain_note(ex, "class \"%V\" uses no backup "
                                        "models", &ctx->policy->name);
    }

    if (n && !ngx_http_ai_gate_is_open(ctx->conf->zone, ctx->policy)) {
        return ngx_http_ai_explain_note(ex,
                   "the backup models of class \"%V\" wait for an operator: "
                   "its gate is closed", &ctx->policy->name);
    }

    for (i = 0; i < n; i++) {

        b = ngx_http_ai_attempt_backup_of(ctx, i);

        if (b == NULL) {

            b = ctx->route->backups.elts;

            if (ngx_http_ai_explain_note(ex, "the backup model \"%V\" does "
                                         "not answer for this class or key",
                                         &b[i].model)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            continue;
        }

        plan = ctx->plan;
        ngx_http_ai_route_plan_backup(&plan, b, ctx->facts.endpoint,
                                      ctx->policy);

        if (ngx_http_ai_explain_plan(ex, &plan) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
