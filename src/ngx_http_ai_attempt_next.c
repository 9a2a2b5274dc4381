
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The ladder applied to a request: gathers what is left of it, asks
 * ngx_http_ai_ladder() and carries the answer out.
 */


#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_gate.h"
#include "ngx_http_ai_recent.h"


static void ngx_http_ai_attempt_step(ngx_http_ai_attempt_t *at,
    ngx_http_ai_verdict_e verdict);
static void ngx_http_ai_attempt_ask(ngx_http_ai_attempt_t *at,
    ngx_http_ai_verdict_e verdict, ngx_http_ai_plan_t *backup,
    ngx_http_ai_decision_t *decision);
static void ngx_http_ai_attempt_rungs(ngx_http_ai_attempt_t *at,
    ngx_http_ai_verdict_e verdict, ngx_http_ai_rungs_t *rungs);
static ngx_uint_t ngx_http_ai_attempt_backup(ngx_http_ai_attempt_t *at,
    ngx_http_ai_verdict_e verdict, ngx_http_ai_plan_t *plan);
static ngx_uint_t ngx_http_ai_attempt_may_back(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_backup_t *b);
static uint64_t ngx_http_ai_attempt_ahead(ngx_http_ai_attempt_t *at);
static ngx_uint_t ngx_http_ai_attempt_alone(ngx_http_ai_attempt_t *at);
static void ngx_http_ai_attempt_enter_queue(ngx_http_ai_attempt_t *at);
static void ngx_http_ai_attempt_fail(ngx_http_ai_attempt_t *at);


void
ngx_http_ai_attempt_first(ngx_http_ai_attempt_t *at)
{
    uint64_t            ahead;
    ngx_http_ai_ctx_t  *ctx;

    ctx = at->ctx;

    ngx_http_ai_zone_count_request(ctx->conf->zone);

    ahead = ngx_http_ai_attempt_ahead(at);

    at->next = ngx_http_ai_route_next(&ctx->plan, ctx->conf->zone, NULL, 0,
                                      &at->next_pass);

    if (at->next) {
        at->step = NGX_HTTP_AI_STEP_TARGET;
        return;
    }

    if (ahead) {
        at->step = NGX_HTTP_AI_STEP_QUEUE;
        ngx_http_ai_attempt_enter_queue(at);
        return;
    }

    ngx_http_ai_attempt_step(at, NGX_HTTP_AI_OK);
}


/*
 * Nobody who could queue overtakes those who do: what they come first for is
 * not eligible now.
 */

static uint64_t
ngx_http_ai_attempt_ahead(ngx_http_ai_attempt_t *at)
{
    uint64_t             ahead;
    ngx_http_ai_ctx_t   *ctx;
    ngx_http_ai_plan_t  *plan;

    ctx = at->ctx;
    plan = &ctx->plan;

    if (ctx->policy->queue == 0) {
        return 0;
    }

    ahead = ngx_http_ai_queue_ahead(ctx->conf->zone, plan->route, ctx->policy,
                                    plan->eligible, &at->ticket);
    plan->eligible &= ~ahead;

    return ahead;
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

    if (row->moves[0] == NGX_HTTP_AI_MOVE_FAIL) {
        /* the client has left, or it is about the request itself */
        ngx_http_ai_attempt_fail(at);
        return;
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
    ngx_http_ai_decision_t   decision;

    ctx = at->ctx;

    ngx_http_ai_attempt_ask(at, verdict, &backup, &decision);

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
        if (at->on_backup) {
            ngx_http_ai_recent_forgo(ctx, &ctx->plan);

        } else {
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

        if (at->ntries == 0
            && (ngx_msec_int_t) (at->deadline - ngx_current_msec) > 0)
        {
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
ngx_http_ai_attempt_ask(ngx_http_ai_attempt_t *at,
    ngx_http_ai_verdict_e verdict, ngx_http_ai_plan_t *backup,
    ngx_http_ai_decision_t *decision)
{
    ngx_http_ai_rungs_t  rungs;

    ngx_http_ai_attempt_rungs(at, verdict, &rungs);

    rungs.backup = ngx_http_ai_attempt_backup(at, verdict, backup);

    ngx_http_ai_ladder(verdict, &rungs, decision);
}


void
ngx_http_ai_attempt_outlook(ngx_http_ai_attempt_t *at,
    ngx_http_ai_decision_t *decision)
{
    ngx_http_ai_plan_t  backup;

    ngx_http_ai_attempt_ask(at, NGX_HTTP_AI_OK, &backup, decision);
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
    rungs->pinned = ctx->facts.pinned
                    || (at->ntries && ngx_http_ai_attempt_alone(at));

    rungs->hint = -1;
    rungs->back = -1;

    if (at->classified) {
        rungs->hint = at->judgement->wait_ms;
        rungs->no_same = at->judgement->no_same;
    }

    if (at->answered) {

        /* an image may have been made: only a refusal may be sent again */

        rungs->sent_once = !ctx->facts.again
                           && at->reply.status != 429
                           && at->reply.status != 503;

    } else if (verdict != NGX_HTTP_AI_OK && verdict != NGX_HTTP_AI_CONNECT) {
        rungs->sent_once = !ctx->facts.again;
    }

    if (at->on_backup && ctx->plan.eligible == 0) {

        /* what is left, waiting too, is left of the request's own route */

        if (at->other.route && at->other.route != ctx->plan.route) {
            ngx_http_ai_recent_forgo(ctx, &at->other);
        }

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

    if (policy->queue && ctx->plan.allowed) {
        end = at->queued ? at->queue_end : now + policy->queue;
        rungs->queue_left = (ngx_msec_int_t) (end - now);
    }
}


/*
 * The next approved backup that the key may use, that suits the verdict and
 * can be used now.
 */

static ngx_uint_t
ngx_http_ai_attempt_backup(ngx_http_ai_attempt_t *at,
    ngx_http_ai_verdict_e verdict, ngx_http_ai_plan_t *plan)
{
    uint64_t               window;
    ngx_uint_t             n;
    ngx_http_ai_ctx_t     *ctx;
    ngx_http_ai_backup_t  *b;

    ctx = at->ctx;

    n = ngx_http_ai_attempt_backups(ctx);

    if (n && !ngx_http_ai_gate_is_open(ctx->conf->zone, ctx->policy)) {
        at->gated = 1;
        return 0;
    }

    window = ctx->plan.route->window;

    for ( /* void */ ; at->backup < n; at->backup++) {

        b = ngx_http_ai_attempt_backup_of(ctx, at->backup);

        if (b == NULL) {
            continue;
        }

        if (ngx_http_ai_verdict(verdict)->larger_window
            && window && b->window && b->window <= window)
        {
            continue;
        }

        *plan = ctx->plan;
        ngx_http_ai_route_plan_backup(plan, b, ctx->facts.endpoint,
                                      ctx->policy);
        at->dear |= plan->dear;

        if (ngx_http_ai_route_scan(plan, ctx->conf->zone)) {
            return 1;
        }

        ngx_http_ai_recent_forgo(ctx, plan);
    }

    return 0;
}


/*
 * A target that is asked again after a wait is the same, however it was
 * chosen; one that has a probe is tried for that.
 */

ngx_http_ai_why_e
ngx_http_ai_attempt_why(const ngx_http_ai_attempt_t *at)
{
    const ngx_http_ai_account_t  *last, *next;

    if (at->pass.probe) {
        return NGX_HTTP_AI_WHY_PROBE;
    }

    if (at->step == NGX_HTTP_AI_STEP_BACKUP) {
        return NGX_HTTP_AI_WHY_BACKUP;
    }

    if (at->ntries == 0) {
        return NGX_HTTP_AI_WHY_FIRST;
    }

    last = at->target->account;
    next = at->next->account;

    if (last == next) {
        return NGX_HTTP_AI_WHY_SAME;
    }

    return last->provider == next->provider ? NGX_HTTP_AI_WHY_ACCOUNT
                                            : NGX_HTTP_AI_WHY_PROVIDER;
}


ngx_uint_t
ngx_http_ai_attempt_affordable(ngx_http_ai_ctx_t *ctx)
{
    ngx_uint_t             i, n;
    ngx_http_ai_plan_t     plan;
    ngx_http_ai_backup_t  *b;

    if ((!ctx->plan.dear && !ctx->plan.above) || ctx->facts.pinned) {
        return 0;
    }

    n = ngx_http_ai_attempt_backups(ctx);

    for (i = 0; i < n; i++) {

        b = ngx_http_ai_attempt_backup_of(ctx, i);

        if (b == NULL) {
            continue;
        }

        plan = ctx->plan;
        ngx_http_ai_route_plan_backup(&plan, b, ctx->facts.endpoint,
                                      ctx->policy);
        if (plan.allowed) {
            return 1;
        }
    }

    return 0;
}


int64_t
ngx_http_ai_attempt_dearest(ngx_http_ai_ctx_t *ctx)
{
    int64_t                cost;
    ngx_uint_t             i, n;
    ngx_http_ai_plan_t     plan;
    ngx_http_ai_backup_t  *b;

    cost = ngx_http_ai_route_dearest(&ctx->plan);

    if (ctx->facts.pinned) {
        return cost;
    }

    n = ngx_http_ai_attempt_backups(ctx);

    for (i = 0; i < n; i++) {

        b = ngx_http_ai_attempt_backup_of(ctx, i);

        if (b == NULL) {
            continue;
        }

        plan = ctx->plan;
        ngx_http_ai_route_plan_backup(&plan, b, ctx->facts.endpoint,
                                      ctx->policy);

        cost = ngx_max(cost, ngx_http_ai_route_dearest(&plan));
    }

    return cost;
}


/*
 * The n-th of them, of as many as ngx_http_ai_attempt_backups() says.  A
 * request that names models has its own order; NULL: that name is not an
 * approved one, or the class does not take it, or the key may not use it.
 */

ngx_http_ai_backup_t *
ngx_http_ai_attempt_backup_of(ngx_http_ai_ctx_t *ctx, ngx_uint_t n)
{
    ngx_uint_t                       i;
    ngx_http_ai_backup_t            *b;
    const ngx_http_ai_knobs_list_t  *models;

    b = ctx->route->backups.elts;

    if (ctx->plan.knobs == NULL || ctx->plan.knobs->models.n == 0) {
        return ngx_http_ai_attempt_may_back(ctx, &b[n]) ? &b[n] : NULL;
    }

    models = &ctx->plan.knobs->models;

    for (i = 0; i < ctx->route->backups.nelts; i++) {
        if (b[i].model.len == models->names[n].len
            && ngx_memcmp(b[i].model.data, models->names[n].data,
                          b[i].model.len)
               == 0)
        {
            return ngx_http_ai_attempt_may_back(ctx, &b[i]) ? &b[i] : NULL;
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_http_ai_attempt_may_back(ngx_http_ai_ctx_t *ctx, ngx_http_ai_backup_t *b)
{
    return ngx_http_ai_conf_class_takes(ctx->policy, ctx->route, b)
           && ngx_http_ai_key_may_model(ctx->key, &b->model);
}


ngx_uint_t
ngx_http_ai_attempt_backups(ngx_http_ai_ctx_t *ctx)
{
    if (!ctx->policy->allow_backup
        || (ctx->plan.knobs && ctx->plan.knobs->no_fallbacks))
    {
        return 0;
    }

    if (ctx->plan.knobs && ctx->plan.knobs->models.n) {
        return ctx->plan.knobs->models.n;
    }

    return ctx->route->backups.nelts;
}


/*
 * The request wants what it was given at first and nothing else.  Where it
 * names an order, the others are excluded already, and those that it names
 * may follow each other.
 */

static ngx_uint_t
ngx_http_ai_attempt_alone(ngx_http_ai_attempt_t *at)
{
    const ngx_http_ai_knobs_t  *knobs;

    knobs = at->ctx->plan.knobs;

    return knobs && knobs->no_fallbacks && knobs->order.n == 0;
}


static void
ngx_http_ai_attempt_enter_queue(ngx_http_ai_attempt_t *at)
{
    ngx_http_ai_ctx_t  *ctx;

    ctx = at->ctx;

    if (ngx_http_ai_queue_enter(ctx->conf->zone, ctx->plan.route, ctx->policy,
                                ctx->plan.allowed & ~ctx->plan.banned,
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
    uint64_t             ahead;
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

    /* what dead workers held may be what is waited for */
    ngx_http_ai_claim_sweep(ctx->conf->zone);

    ngx_http_ai_route_refresh(plan, 1);

    ahead = ngx_http_ai_attempt_ahead(at);

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

    first = (plan->eligible || ahead == 0);

    if (plan->eligible && (ngx_msec_int_t) (at->not_before - now) <= 0) {

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
