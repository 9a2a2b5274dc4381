
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* what became of a try: cooldowns, closures, breakers */


#include "ngx_http_ai_health_nodes.h"


#define NGX_HTTP_AI_HINT_MAX       86400000    /* ms; no provider's word
                                                  closes for longer */


static void ngx_http_ai_health_verdict_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, const ngx_http_ai_pass_t *pass,
    ngx_http_ai_verdict_e verdict, int64_t wait_ms);
static void ngx_http_ai_health_cool(ngx_http_ai_cooling_t *c,
    const ngx_http_ai_pass_t *pass, ngx_http_ai_verdict_e verdict,
    int64_t wait_ms);
static void ngx_http_ai_health_success(ngx_http_ai_cooling_t *c,
    ngx_msec_t started);
static void ngx_http_ai_health_breakers_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, const ngx_http_ai_pass_t *pass,
    ngx_http_ai_verdict_e verdict, int64_t wait_ms, int64_t ms,
    ngx_http_ai_breaker_move_e *moves);
static void ngx_http_ai_health_log(const ngx_http_ai_cell_t *cell,
    ngx_http_ai_breaker_move_e move, ngx_uint_t of_account);


void
ngx_http_ai_health_record(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_pass_t *pass,
    ngx_http_ai_verdict_e verdict, int64_t wait_ms, int64_t ms)
{
    ngx_http_ai_breaker_move_e  moves[2];

    moves[0] = NGX_HTTP_AI_BREAKER_STAYED;
    moves[1] = NGX_HTTP_AI_BREAKER_STAYED;

    ngx_http_ai_zone_lock(zone);

    ngx_http_ai_health_verdict_locked(zone, cell, pass, verdict, wait_ms);
    ngx_http_ai_health_breakers_locked(zone, cell, pass, verdict, wait_ms,
                                       ms, moves);

    ngx_http_ai_zone_unlock(zone);

    ngx_http_ai_health_log(cell, moves[0], 1);
    ngx_http_ai_health_log(cell, moves[1], 0);

    if (pass->probe && verdict == NGX_HTTP_AI_OK) {
        /* if this stream breaks later, that is news after the recovery */
        pass->started = ngx_current_msec;
    }

    pass->recorded = 1;
    pass->probe = 0;
}


static void
ngx_http_ai_health_verdict_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, const ngx_http_ai_pass_t *pass,
    ngx_http_ai_verdict_e verdict, int64_t wait_ms)
{
    ngx_http_ai_nodes_t           nodes;
    ngx_http_ai_model_node_t     *mn;
    ngx_http_ai_account_node_t   *an;
    const ngx_http_ai_verdict_t  *row;

    row = ngx_http_ai_verdict(verdict);

    if (row->scope == NGX_HTTP_AI_SCOPE_NONE
        || (row->cooldown == 0 && wait_ms < 0))
    {
        ngx_http_ai_health_find_locked(zone, cell, &nodes);

        if (nodes.account && pass->probe && nodes.account->cooling.closed) {
            /* says nothing about the closure, unless it is a success */
            nodes.account->cooling.probe = ngx_current_msec;
        }

        if (verdict == NGX_HTTP_AI_OK) {

            if (nodes.account) {
                ngx_http_ai_health_success(&nodes.account->cooling,
                                           pass->started);
            }

            if (nodes.model) {
                ngx_http_ai_health_success(&nodes.model->cooling,
                                           pass->started);
            }
        }

        return;
    }

    if (row->scope == NGX_HTTP_AI_SCOPE_MODEL) {

        mn = ngx_http_ai_health_make_locked(zone, cell,
                                            NGX_HTTP_AI_NODE_MODEL,
                                            sizeof(ngx_http_ai_model_node_t));
        if (mn) {
            ngx_http_ai_health_cool(&mn->cooling, pass, verdict, wait_ms);
        }

        return;
    }

    an = ngx_http_ai_health_make_locked(zone, cell, NGX_HTTP_AI_NODE_ACCOUNT,
                                        sizeof(ngx_http_ai_account_node_t));
    if (an) {
        ngx_http_ai_health_cool(&an->cooling, pass, verdict, wait_ms);
    }
}


static void
ngx_http_ai_health_cool(ngx_http_ai_cooling_t *c,
    const ngx_http_ai_pass_t *pass, ngx_http_ai_verdict_e verdict,
    int64_t wait_ms)
{
    ngx_uint_t                    i;
    ngx_msec_t                    now, until, wait;
    const ngx_http_ai_verdict_t  *row;

    now = ngx_current_msec;
    row = ngx_http_ai_verdict(verdict);

    if (c->active && c->closed && c->credential != pass->credential) {
        /* what an older credential earned */
        c->active = 0;
    }

    if (!c->active) {
        ngx_memzero(c, sizeof(ngx_http_ai_cooling_t));
        c->active = 1;
        c->until = now;
    }

    if (row->close) {
        c->closed = 1;
        c->since = now;
        c->credential = pass->credential;
    }

    c->cause = verdict;
    c->probe = now;

    if (wait_ms >= 0) {
        wait = ngx_min(wait_ms, NGX_HTTP_AI_HINT_MAX);

    } else {
        /* a failure while it cools down is one of the same wave */

        if (!ngx_http_ai_health_later(c->until, now)) {
            c->level++;
        }

        wait = row->cooldown;

        for (i = 1; i < c->level && wait < row->cooldown_max; i++) {
            wait *= 2;
        }

        wait = ngx_min(wait, row->cooldown_max);
    }

    until = now + wait;

    if (ngx_http_ai_health_later(until, c->until)) {
        c->until = until;
    }
}


static void
ngx_http_ai_health_success(ngx_http_ai_cooling_t *c, ngx_msec_t started)
{
    if (!c->active) {
        return;
    }

    if (c->closed) {

        /* not by an old request's late success */

        if (ngx_http_ai_health_later(started, c->since)) {
            c->active = 0;
        }

        return;
    }

    if (!ngx_http_ai_health_later(c->until, ngx_current_msec)) {
        c->active = 0;
    }
}


static void
ngx_http_ai_health_breakers_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, const ngx_http_ai_pass_t *pass,
    ngx_http_ai_verdict_e verdict, int64_t wait_ms, int64_t ms,
    ngx_http_ai_breaker_move_e *moves)
{
    ngx_http_ai_cell_node_t        *cn;
    ngx_http_ai_account_node_t     *an;
    const ngx_http_ai_verdict_t    *row;
    ngx_http_ai_breaker_outcome_e   outcome;

    row = ngx_http_ai_verdict(verdict);

    an = ngx_http_ai_health_make_locked(zone, cell, NGX_HTTP_AI_NODE_ACCOUNT,
                                        sizeof(ngx_http_ai_account_node_t));
    if (an) {
        /* any other outcome shows that connections work, or nothing */

        outcome = row->account_wide ? NGX_HTTP_AI_BREAKER_FAILED
                  : verdict == NGX_HTTP_AI_CLIENT_CLOSED
                    ? NGX_HTTP_AI_BREAKER_NEUTRAL : NGX_HTTP_AI_BREAKER_OK;

        moves[0] = ngx_http_ai_health_count(&an->breaker, cell, pass, outcome,
                                            wait_ms);
    }

    cn = ngx_http_ai_health_make_locked(zone, cell, NGX_HTTP_AI_NODE_CELL,
                                        sizeof(ngx_http_ai_cell_node_t));
    if (cn == NULL) {
        return;
    }

    outcome = NGX_HTTP_AI_BREAKER_NEUTRAL;

    if (verdict == NGX_HTTP_AI_OK) {

        outcome = NGX_HTTP_AI_BREAKER_OK;

        if (cell->account->breaker.slow && ms >= 0
            && (ngx_msec_t) ms >= cell->account->breaker.slow)
        {
            outcome = NGX_HTTP_AI_BREAKER_SLOW;
        }

        if (ms >= 0) {
            ngx_http_ai_pick_ewma_add(&cn->time, (uint64_t) ms * 1000 + 1,
                                      ngx_current_msec,
                                      NGX_HTTP_AI_EWMA_HALF);
        }

    } else if (row->counts && !row->account_wide) {
        outcome = NGX_HTTP_AI_BREAKER_FAILED;
    }

    moves[1] = ngx_http_ai_health_count(&cn->breaker, cell, pass, outcome,
                                        wait_ms);
}


ngx_http_ai_breaker_move_e
ngx_http_ai_health_count(ngx_http_ai_breaker_t *b,
    const ngx_http_ai_cell_t *cell, const ngx_http_ai_pass_t *pass,
    ngx_http_ai_breaker_outcome_e outcome, int64_t wait_ms)
{
    ngx_http_ai_breaker_event_t  ev;

    ev.started = pass->started;
    ev.outcome = outcome;
    ev.hint_ms = wait_ms;
    ev.random = (uint32_t) ngx_random();
    ev.id = pass->probe ? pass->id : 0;

    return ngx_http_ai_breaker_record(b, &cell->account->breaker,
                                      ngx_current_msec, &ev);
}


/* transitions, never repetitions; not under the lock, since it writes */

static void
ngx_http_ai_health_log(const ngx_http_ai_cell_t *cell,
    ngx_http_ai_breaker_move_e move, ngx_uint_t of_account)
{
    ngx_uint_t  level;

    static const char  *moves[] = { "", "opened", "reopened", "recovered" };

    if (move == NGX_HTTP_AI_BREAKER_STAYED) {
        return;
    }

    level = (move == NGX_HTTP_AI_BREAKER_RECOVERED) ? NGX_LOG_NOTICE
                                                    : NGX_LOG_WARN;

    if (of_account) {
        ngx_log_error(level, ngx_cycle->log, 0,
                      "ai account \"%V\": breaker of its connections %s",
                      &cell->account->name, moves[move]);
        return;
    }

    ngx_log_error(level, ngx_cycle->log, 0,
                  "ai account \"%V\" model \"%V\"%s: breaker %s",
                  &cell->account->name, cell->model,
                  cell->stream ? ", streamed" : "", moves[move]);
}
