
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* what became of a try: cooldowns, closures, breakers */


#include "ngx_http_ai_health_nodes.h"


#define NGX_HTTP_AI_HINT_MAX       86400000    /* ms; no provider's word
                                                  closes for longer */
#define NGX_HTTP_AI_SPEED_TOKENS   32          /* fewer tell no speed */


static void ngx_http_ai_health_verdict_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, const ngx_http_ai_pass_t *pass,
    ngx_http_ai_verdict_e verdict, int64_t wait_ms);
static ngx_uint_t ngx_http_ai_health_cool(ngx_http_ai_cooling_t *c,
    const ngx_http_ai_pass_t *pass, ngx_http_ai_verdict_e verdict,
    int64_t wait_ms);
static void ngx_http_ai_health_success(ngx_http_ai_cooling_t *c,
    ngx_msec_t started);
static void ngx_http_ai_health_breakers_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, const ngx_http_ai_pass_t *pass,
    const ngx_http_ai_result_t *result, ngx_http_ai_breaker_move_e *moves);
static ngx_http_ai_breaker_outcome_e ngx_http_ai_health_outcome(
    const ngx_http_ai_cell_t *cell, const ngx_http_ai_result_t *result);
static void ngx_http_ai_health_times(ngx_http_ai_cell_node_t *cn,
    const ngx_http_ai_cell_t *cell, const ngx_http_ai_result_t *result);
static void ngx_http_ai_health_away_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_verdict_e verdict,
    ngx_uint_t once);
static void ngx_http_ai_health_moved_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_breaker_move_e move,
    ngx_uint_t of_account, ngx_http_ai_verdict_e verdict);
static void ngx_http_ai_health_log(const ngx_http_ai_cell_t *cell,
    ngx_http_ai_breaker_move_e move, ngx_uint_t of_account);


void
ngx_http_ai_health_nothing(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_pass_t *pass)
{
    static const ngx_http_ai_result_t  nothing = {
        NGX_HTTP_AI_CLIENT_CLOSED, -1, -1, -1, -1
    };

    ngx_http_ai_health_record(zone, cell, pass, &nothing);
}


void
ngx_http_ai_health_record(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_pass_t *pass,
    const ngx_http_ai_result_t *result)
{
    ngx_http_ai_breaker_move_e  moves[2];

    moves[0] = NGX_HTTP_AI_BREAKER_STAYED;
    moves[1] = NGX_HTTP_AI_BREAKER_STAYED;

    ngx_http_ai_zone_lock(zone);

    ngx_http_ai_health_verdict_locked(zone, cell, pass, result->verdict,
                                      result->wait_ms);
    ngx_http_ai_health_breakers_locked(zone, cell, pass, result, moves);

    ngx_http_ai_health_moved_locked(zone, cell, moves[0], 1, result->verdict);
    ngx_http_ai_health_moved_locked(zone, cell, moves[1], 0, result->verdict);

    ngx_http_ai_zone_unlock(zone);

    ngx_http_ai_health_log(cell, moves[0], 1);
    ngx_http_ai_health_log(cell, moves[1], 0);

    if (pass->probe && result->verdict == NGX_HTTP_AI_OK) {
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
    ngx_uint_t                    unheard;
    ngx_http_ai_nodes_t           nodes;
    ngx_http_ai_model_node_t     *mn;
    ngx_http_ai_account_node_t   *an;
    const ngx_http_ai_verdict_t  *row;

    row = ngx_http_ai_verdict(verdict);

    ngx_http_ai_health_find_locked(zone, cell, &nodes);

    if (nodes.account && pass->probe && nodes.account->cooling.closed) {
        /* says nothing about the closure, unless one of the cases below */
        nodes.account->cooling.probe = ngx_current_msec;
    }

    if (row->scope == NGX_HTTP_AI_SCOPE_NONE
        || (row->scope == NGX_HTTP_AI_SCOPE_MODEL && cell->model == NULL)
        || (row->cooldown == 0 && wait_ms < 0))
    {
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

        /* a name that never answered may be a client's, who has many */

        unheard = (verdict == NGX_HTTP_AI_MODEL_NOT_FOUND
                   && (nodes.cell == NULL
                       || ngx_http_ai_stats_total(
                                    &nodes.cell->stats.latency_hist) == 0));

        mn = ngx_http_ai_health_make_locked(zone, cell,
                                            NGX_HTTP_AI_NODE_MODEL,
                                            sizeof(ngx_http_ai_model_node_t));
        if (mn && ngx_http_ai_health_cool(&mn->cooling, pass, verdict,
                                          wait_ms))
        {
            ngx_http_ai_health_away_locked(zone, cell, verdict, unheard);
        }

        return;
    }

    an = ngx_http_ai_health_make_locked(zone, cell, NGX_HTTP_AI_NODE_ACCOUNT,
                                        sizeof(ngx_http_ai_account_node_t));
    if (an && ngx_http_ai_health_cool(&an->cooling, pass, verdict, wait_ms)) {
        ngx_http_ai_health_away_locked(zone, cell, verdict, 0);
    }
}


/* once: it is no news when the same was told of another model */

static void
ngx_http_ai_health_away_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_verdict_e verdict,
    ngx_uint_t once)
{
    ngx_http_ai_events_about_t     about;
    const ngx_http_ai_verdict_t  *row;

    row = ngx_http_ai_verdict(verdict);

    ngx_memzero(&about, sizeof(ngx_http_ai_events_about_t));

    about.what = row->close ? NGX_HTTP_AI_EVENTS_CLOSED
                            : NGX_HTTP_AI_EVENTS_COOLING;
    about.account = cell->account;
    about.detail = &row->name;

    if (row->scope == NGX_HTTP_AI_SCOPE_MODEL) {
        about.model = cell->model;
    }

    if (once
        && ngx_http_ai_events_told_locked(zone, &about, row->cooldown))
    {
        return;
    }

    ngx_http_ai_events_add_locked(zone, &about);
}


/* 1: that is news, it was not away before */

static ngx_uint_t
ngx_http_ai_health_cool(ngx_http_ai_cooling_t *c,
    const ngx_http_ai_pass_t *pass, ngx_http_ai_verdict_e verdict,
    int64_t wait_ms)
{
    ngx_uint_t                    i, news;
    ngx_msec_t                    now, until, wait, hint;
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

    news = row->close ? !c->closed
                      : !c->closed && !ngx_http_ai_health_later(c->until, now);

    if (row->close) {
        c->closed = 1;
        c->since = now;
        c->credential = pass->credential;
    }

    c->cause = verdict;
    c->probe = now;

    wait = 0;

    if (wait_ms < 0 || row->close) {

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

    if (wait_ms >= 0) {
        hint = ngx_min(wait_ms, NGX_HTTP_AI_HINT_MAX);

        /* who refuses once more after its own hint is no longer believed */

        wait = (row->close && c->level > 1) ? ngx_max(wait, hint) : hint;
    }

    until = now + wait;

    if (ngx_http_ai_health_later(until, c->until)) {
        c->until = until;
    }

    return news;
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
    const ngx_http_ai_result_t *result, ngx_http_ai_breaker_move_e *moves)
{
    ngx_http_ai_cell_node_t        *cn;
    ngx_http_ai_account_node_t     *an;
    const ngx_http_ai_verdict_t    *row;
    ngx_http_ai_breaker_outcome_e   outcome;

    row = ngx_http_ai_verdict(result->verdict);

    an = ngx_http_ai_health_make_locked(zone, cell, NGX_HTTP_AI_NODE_ACCOUNT,
                                        sizeof(ngx_http_ai_account_node_t));
    if (an) {
        /* any other outcome shows that connections work, or nothing */

        outcome = row->account_wide || (row->counts && cell->model == NULL)
                  ? NGX_HTTP_AI_BREAKER_FAILED
                  : result->verdict == NGX_HTTP_AI_CLIENT_CLOSED
                    ? NGX_HTTP_AI_BREAKER_NEUTRAL : NGX_HTTP_AI_BREAKER_OK;

        moves[0] = ngx_http_ai_health_count(&an->breaker, cell, pass, outcome,
                                            result->wait_ms);

        if (cell->model && outcome != NGX_HTTP_AI_BREAKER_NEUTRAL) {
            an->heard = ngx_current_msec;
        }
    }

    if (cell->model == NULL) {
        return;
    }

    cn = ngx_http_ai_health_make_locked(zone, cell, NGX_HTTP_AI_NODE_CELL,
                                        sizeof(ngx_http_ai_cell_node_t));
    if (cn == NULL) {
        return;
    }

    if (result->verdict == NGX_HTTP_AI_OK && result->ms >= 0) {
        ngx_http_ai_health_times(cn, cell, result);
    }

    outcome = ngx_http_ai_health_outcome(cell, result);

    moves[1] = ngx_http_ai_health_count(&cn->breaker, cell, pass, outcome,
                                        result->wait_ms);
}


static ngx_http_ai_breaker_outcome_e
ngx_http_ai_health_outcome(const ngx_http_ai_cell_t *cell,
    const ngx_http_ai_result_t *result)
{
    int64_t                            passing;
    const ngx_http_ai_verdict_t       *row;
    const ngx_http_ai_breaker_conf_t  *conf;

    row = ngx_http_ai_verdict(result->verdict);
    conf = &cell->account->breaker;

    if (result->verdict != NGX_HTTP_AI_OK) {
        return row->counts && !row->account_wide ? NGX_HTTP_AI_BREAKER_FAILED
                                                 : NGX_HTTP_AI_BREAKER_NEUTRAL;
    }

    if (conf->slow && result->ms >= 0
        && (ngx_msec_t) result->ms >= conf->slow)
    {
        return NGX_HTTP_AI_BREAKER_SLOW;
    }

    passing = result->total_ms - result->ms;

    if (conf->min_speed && result->total_ms >= 0 && passing > 0
        && result->tokens >= NGX_HTTP_AI_SPEED_TOKENS
        && (ngx_uint_t) (result->tokens * 1000 / passing) < conf->min_speed)
    {
        return NGX_HTTP_AI_BREAKER_SLOW;
    }

    return NGX_HTTP_AI_BREAKER_OK;
}


/* of a probe's stream its end is not waited for, so it has no total time */

static void
ngx_http_ai_health_times(ngx_http_ai_cell_node_t *cn,
    const ngx_http_ai_cell_t *cell, const ngx_http_ai_result_t *result)
{
    ngx_http_ai_stats_sample_t  sample;

    ngx_http_ai_pick_ewma_add(&cn->time, (uint64_t) result->ms * 1000 + 1,
                              ngx_current_msec, NGX_HTTP_AI_EWMA_HALF);

    if (cell->stream) {
        sample.first_token_ms = result->ms;
        sample.latency_ms = result->total_ms;

    } else {
        sample.first_token_ms = -1;
        sample.latency_ms = result->ms;
    }

    sample.tokens = -1;
    sample.tokens_ms = -1;

    if (result->tokens >= NGX_HTTP_AI_SPEED_TOKENS && result->total_ms >= 0) {
        sample.tokens = result->tokens;
        sample.tokens_ms = result->total_ms - result->ms;
    }

    ngx_http_ai_stats_add(&cn->stats, NGX_HTTP_AI_STATS_DEF_TAU,
                          ngx_current_msec, &sample);
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


/* the same as the log says */

static void
ngx_http_ai_health_moved_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_breaker_move_e move,
    ngx_uint_t of_account, ngx_http_ai_verdict_e verdict)
{
    ngx_http_ai_events_about_t  about;

    static const ngx_http_ai_events_e  events[] = {
        0,
        NGX_HTTP_AI_EVENTS_OPENED,
        NGX_HTTP_AI_EVENTS_REOPENED,
        NGX_HTTP_AI_EVENTS_RECOVERED
    };

    if (move == NGX_HTTP_AI_BREAKER_STAYED) {
        return;
    }

    ngx_memzero(&about, sizeof(ngx_http_ai_events_about_t));

    about.what = events[move];
    about.account = cell->account;
    about.detail = &ngx_http_ai_verdict(verdict)->name;

    if (!of_account) {
        about.model = cell->model;
        about.family = cell->family;
        about.stream = cell->stream;
    }

    ngx_http_ai_events_add_locked(zone, &about);
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
