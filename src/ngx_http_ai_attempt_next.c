
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The ladder applied to a request: gathers what is left of it, asks
 * ngx_http_ai_ladder() and carries the answer out.
 */


#include "ngx_http_ai_attempt.h"


static void ngx_http_ai_attempt_step(ngx_http_ai_attempt_t *at,
    ngx_http_ai_verdict_e verdict);
static void ngx_http_ai_attempt_rungs(ngx_http_ai_attempt_t *at,
    ngx_http_ai_verdict_e verdict, ngx_http_ai_rungs_t *rungs);
static ngx_uint_t ngx_http_ai_attempt_backup(ngx_http_ai_attempt_t *at,
    ngx_http_ai_verdict_e verdict, ngx_http_ai_plan_t *plan);
static void ngx_http_ai_attempt_enter_queue(ngx_http_ai_attempt_t *at);
static void ngx_http_ai_attempt_fail(ngx_http_ai_attempt_t *at);


void
ngx_http_ai_attempt_first(ngx_http_ai_attempt_t *at)
{
    ngx_http_ai_ctx_t  *ctx;

    ctx = at->ctx;

    ngx_http_ai_zone_count_request(ctx->conf->zone);

    if (ctx->policy->queue
        && ngx_http_ai_queue_waiting(ctx->conf->zone, ctx->route,
                                     ctx->policy))
    {
        /* nobody overtakes those who wait already */

        at->step = NGX_HTTP_AI_STEP_QUEUE;
        ngx_http_ai_attempt_enter_queue(at);
        return;
    }

    at->next = ngx_http_ai_route_next(&ctx->plan, ctx->conf->zone, NULL, 0,
                                      &at->next_pass);

    if (at->next) {
        at->step = NGX_HTTP_AI_STEP_TARGET;
        return;
    }

    ngx_http_ai_attempt_step(at, NGX_HTTP_AI_OK);
}


void
ngx_http_ai_attempt_decide(ngx_http_ai_attempt_t *at)
{
    ngx_http_ai_try_t            *try;
    const ngx_http_ai_verdict_t  *row;

    if (at->decided) {
        return;
    }

    at->decided = 1;

    /* the next try may need what this one holds of a limit */

    ngx_http_ai_attempt_report(at);
    ngx_http_ai_attempt_leave(at);

    try = &at->tries[at->ntries - 1];
    row = ngx_http_ai_verdict(try->verdict);

    if (!ngx_http_ai_verdict_has(row->moves, NGX_HTTP_AI_MOVE_SAME)
        && !ngx_http_ai_verdict_has(row->moves, NGX_HTTP_AI_MOVE_QUEUE))
    {
        /* a later wait must not bring it back: a silent target, ... */
        ngx_http_ai_route_ban(&at->ctx->plan, try->target);
    }

    if (ngx_http_ai_zone_may_retry(at->ctx->conf->zone) != NGX_OK) {

        ngx_log_error(NGX_LOG_WARN, at->ctx->request->connection->log, 0,
                      "ai retry budget is spent, not tried again");

        ngx_http_ai_attempt_fail(at);
        return;
    }

    ngx_http_ai_route_refresh(&at->ctx->plan, 0);

    ngx_http_ai_attempt_step(at, try->verdict);

    if (at->step != NGX_HTTP_AI_STEP_FAIL) {
        ngx_http_ai_zone_count_retry(at->ctx->conf->zone);
    }
}


/* what was decided cannot be done any more */

void
ngx_http_ai_attempt_reconsider(ngx_http_ai_attempt_t *at)
{
    ngx_http_ai_route_refresh(&at->ctx->plan, 0);

    ngx_http_ai_attempt_step(at, at->tries[at->ntries - 1].verdict);
}


static void
ngx_http_ai_attempt_step(ngx_http_ai_attempt_t *at,
    ngx_http_ai_verdict_e verdict)
{
    ngx_http_ai_ctx_t       *ctx;
    ngx_http_ai_plan_t       backup;
    ngx_http_ai_rungs_t      rungs;
    ngx_http_ai_decision_t   decision;

    ctx = at->ctx;

    ngx_http_ai_attempt_rungs(at, verdict, &rungs);

    rungs.backup = ngx_http_ai_attempt_backup(at, verdict, &backup);

    ngx_http_ai_ladder(verdict, &rungs, &decision);

    at->next = NULL;
    at->step = decision.step;
    at->delay = decision.delay;

    switch (decision.step) {

    case NGX_HTTP_AI_STEP_TARGET:
        at->next = ngx_http_ai_route_next(&ctx->plan, ctx->conf->zone,
                               at->ntries ? at->target : NULL,
                               decision.prefer == NGX_HTTP_AI_MOVE_ACCOUNT,
                               &at->next_pass);

        if (at->next == NULL) {
            /* none of them may: now the plan knows, so down the ladder */
            ngx_http_ai_attempt_step(at, verdict);
            return;
        }

        break;

    case NGX_HTTP_AI_STEP_SAME:
        at->same_tried = 1;
        at->waited += decision.delay;
        at->next = at->target;

        if (!ngx_http_ai_route_owns(&ctx->plan, at->target)) {
            /* it is the backup's, and wants its model's name */
            ctx->plan = at->other;
            at->on_backup = 1;
        }

        break;

    case NGX_HTTP_AI_STEP_BACKUP:
        if (!at->on_backup) {
            at->own = ctx->plan;
        }

        ctx->plan = backup;
        at->on_backup = 1;
        at->backup++;
        at->next = ngx_http_ai_route_next(&ctx->plan, ctx->conf->zone, NULL,
                                          0, &at->next_pass);

        if (at->next == NULL) {
            ngx_http_ai_attempt_step(at, verdict);
            return;
        }

        break;

    case NGX_HTTP_AI_STEP_WAIT:
        at->waited += decision.delay;
        return;

    case NGX_HTTP_AI_STEP_QUEUE:
        ngx_http_ai_attempt_enter_queue(at);
        return;

    default: /* NGX_HTTP_AI_STEP_FAIL */

        if (at->ntries == 0 && rungs.time_left > 0) {
            at->next = ngx_http_ai_route_least_bad(&ctx->plan,
                                                   ctx->conf->zone,
                                                   &at->next_pass);
        }

        if (at->next) {
            at->step = NGX_HTTP_AI_STEP_TARGET;

        } else {
            ngx_http_ai_attempt_fail(at);
        }
    }
}


static void
ngx_http_ai_attempt_rungs(ngx_http_ai_attempt_t *at,
    ngx_http_ai_verdict_e verdict, ngx_http_ai_rungs_t *rungs)
{
    ngx_msec_t                  now, end;
    ngx_http_ai_ctx_t          *ctx;
    const ngx_http_ai_class_t  *policy;

    ctx = at->ctx;
    policy = ctx->policy;
    now = ngx_current_msec;

    ngx_memzero(rungs, sizeof(ngx_http_ai_rungs_t));

    rungs->attempts_left = policy->attempts - at->ntries;
    rungs->time_left = (ngx_msec_int_t) (at->deadline - now);
    rungs->max_wait = (ngx_msec_int_t) (policy->max_wait - at->waited);
    rungs->same = policy->retry_same;
    rungs->random = (uint32_t) ngx_random();
    rungs->same_tried = at->same_tried;
    rungs->others = (ctx->plan.eligible != 0);
    rungs->pinned = ctx->facts.pinned;

    rungs->hint = -1;
    rungs->back = -1;

    if (at->classified) {
        rungs->hint = at->judgement->wait_ms;
        rungs->no_same = at->judgement->no_same;
    }

    if (at->answered) {

        /* an image may have been made: only a refusal may be sent again */

        rungs->sent_once = !ctx->facts.endpoint->inference
                           && at->reply.status != 429
                           && at->reply.status != 503;

    } else if (verdict != NGX_HTTP_AI_OK && verdict != NGX_HTTP_AI_CONNECT) {
        rungs->sent_once = !ctx->facts.endpoint->inference;
    }

    if (at->on_backup && ctx->plan.eligible == 0) {

        /* what is left, waiting too, is left of the request's own route */

        at->other = ctx->plan;
        ctx->plan = at->own;
        ctx->plan.eligible = 0;
        at->on_backup = 0;
        rungs->others = 0;
    }

    if (ctx->plan.eligible == 0) {
        (void) ngx_http_ai_route_scan(&ctx->plan, ctx->conf->zone);
    }

    if (ctx->plan.away) {
        rungs->back = ngx_max((ngx_msec_int_t) (ctx->plan.back - now), 0);
    }

    if (policy->queue) {
        end = at->queued ? at->queue_end : now + policy->queue;
        rungs->queue_left = (ngx_msec_int_t) (end - now);
    }
}


/* the next approved backup that suits the verdict and can be used now */

static ngx_uint_t
ngx_http_ai_attempt_backup(ngx_http_ai_attempt_t *at,
    ngx_http_ai_verdict_e verdict, ngx_http_ai_plan_t *plan)
{
    uint64_t               window;
    ngx_http_ai_ctx_t     *ctx;
    ngx_http_ai_backup_t  *b;

    ctx = at->ctx;

    if (!ctx->policy->allow_backup) {
        return 0;
    }

    b = ctx->route->backups.elts;
    window = ctx->plan.route->window;

    for ( /* void */ ; at->backup < ctx->route->backups.nelts; at->backup++) {

        if (ngx_http_ai_verdict(verdict)->larger_window
            && window && b[at->backup].route->window
            && b[at->backup].route->window <= window)
        {
            continue;
        }

        *plan = ctx->plan;
        plan->model = &b[at->backup].model;
        plan->model_json = &b[at->backup].model_json;

        ngx_http_ai_route_plan(plan, b[at->backup].route,
                               ctx->facts.endpoint, ctx->policy);

        if (ngx_http_ai_route_scan(plan, ctx->conf->zone)) {
            return 1;
        }
    }

    return 0;
}


static void
ngx_http_ai_attempt_enter_queue(ngx_http_ai_attempt_t *at)
{
    ngx_http_ai_ctx_t  *ctx;

    ctx = at->ctx;

    if (ngx_http_ai_queue_enter(ctx->conf->zone, ctx->plan.route, ctx->policy,
                                &at->ticket)
        != NGX_OK)
    {
        at->queue_full = 1;
        ngx_http_ai_attempt_fail(at);
        return;
    }

    if (!at->queued) {
        at->queued = 1;
        at->queue_end = ngx_current_msec + ctx->policy->queue;
    }

    at->not_before = ngx_current_msec;

    if (at->ntries) {
        /* what failed without a cooldown is not asked again at once */
        at->not_before += NGX_HTTP_AI_QUEUE_BACKOFF
                          + ngx_random() % NGX_HTTP_AI_QUEUE_BACKOFF;
    }
}


static void
ngx_http_ai_attempt_fail(ngx_http_ai_attempt_t *at)
{
    at->step = NGX_HTTP_AI_STEP_FAIL;
    at->next = NULL;

    if ((ngx_msec_int_t) (at->deadline - ngx_current_msec) <= 0) {
        at->expired = 1;
    }
}


/*
 * A pause is over.  NGX_OK: at->next is set; NGX_AGAIN: at->delay more;
 * NGX_DECLINED: the end.
 */

ngx_int_t
ngx_http_ai_attempt_resume(ngx_http_ai_attempt_t *at)
{
    ngx_uint_t           first;
    ngx_msec_t           now;
    ngx_http_ai_ctx_t   *ctx;
    ngx_http_ai_plan_t  *plan;

    ctx = at->ctx;
    plan = &ctx->plan;
    now = ngx_current_msec;

    if (at->next) {
        return NGX_OK;
    }

    if (at->step == NGX_HTTP_AI_STEP_FAIL) {
        return NGX_DECLINED;
    }

    ngx_http_ai_route_refresh(plan, 1);

    if (at->step == NGX_HTTP_AI_STEP_WAIT) {

        at->delay = 0;
        at->next = ngx_http_ai_route_next(plan, ctx->conf->zone, NULL, 0,
                                          &at->next_pass);

        if (at->next == NULL) {
            /* it is away for longer now: down the ladder */
            ngx_http_ai_attempt_step(at, at->ntries
                                         ? at->tries[at->ntries - 1].verdict
                                         : NGX_HTTP_AI_OK);
        }

        if (at->step == NGX_HTTP_AI_STEP_FAIL) {
            return NGX_DECLINED;
        }

        return at->next && at->delay == 0 ? NGX_OK : NGX_AGAIN;
    }

    first = ngx_http_ai_queue_first(ctx->conf->zone, &at->ticket);

    if (first && plan->eligible
        && (ngx_msec_int_t) (at->not_before - now) <= 0)
    {

        at->next = ngx_http_ai_route_next(plan, ctx->conf->zone, NULL, 0,
                                          &at->next_pass);

        if (at->next) {
            ngx_http_ai_attempt_leave_queue(at);
            return NGX_OK;
        }
    }

    if ((ngx_msec_int_t) (at->queue_end - now) <= 0
        || (ngx_msec_int_t) (at->deadline - now) <= 0)
    {
        ngx_http_ai_attempt_leave_queue(at);
        ngx_http_ai_attempt_fail(at);
        return NGX_DECLINED;
    }

    at->delay = ngx_min(at->queue_end - now, at->deadline - now);
    at->delay = ngx_min(at->delay, NGX_HTTP_AI_QUEUE_POLL);

    if (first && plan->away && (ngx_msec_int_t) (plan->back - now) > 0) {
        at->delay = ngx_min((ngx_msec_t) at->delay, plan->back - now);
    }

    return NGX_AGAIN;
}
