
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_breaker.h"


/*
 * The moves.  A column is what record() is told; claims and time stand below.
 *
 *               ok           failed         slow           neutral
 *   ---------   ----------   ------------   ------------   ---------------
 *   closed      counts,      counts; opens  counts; opens  nothing
 *               ends a run   by run, rate   by rate
 *   open        nothing      extends        nothing        nothing
 *   half-open   -> ramping   -> open        -> open        -> open, as it
 *    (probe)                                                was
 *   half-open   nothing      extends        nothing        nothing
 *    (others)
 *   ramping     counts       -> open        counts; opens  nothing
 *                                           by rate
 *
 *   open        claim, the deadline is over      -> half-open
 *   open        early claim                      -> half-open
 *   half-open   claim, the probe is lost         -> half-open, another's
 *   ramping     "ramp" is over                   -> closed
 *   any         reset                            -> closed
 *
 * "extends": only a hint can, and only to a later deadline.  Other failures
 * while open are of the wave that opened it, and say nothing new.
 *
 * Late outcomes, of requests that began before the last recovery or reset,
 * are left out in "closed" and "ramping", the good ones too: they tell of a
 * time that is over.
 *
 * A slow answer leaves a run of failures as it is.  It is an answer, so it is
 * no failure in a row; but it is no proof of health either, and to end the
 * run would hide a cell that is dying slowly under little traffic.
 *
 * With "slow" off a slow answer is an "ok".
 */


typedef ngx_http_ai_breaker_move_e (*ngx_http_ai_breaker_move_pt)(
    ngx_http_ai_breaker_t *b, const ngx_http_ai_breaker_conf_t *conf,
    ngx_msec_t now, const ngx_http_ai_breaker_event_t *ev);


static ngx_int_t ngx_http_ai_breaker_take(ngx_http_ai_breaker_t *b,
    ngx_msec_t now, ngx_msec_t until, uint64_t id);
static ngx_http_ai_breaker_state_e ngx_http_ai_breaker_state(
    const ngx_http_ai_breaker_t *b, const ngx_http_ai_breaker_conf_t *conf,
    ngx_msec_t now);
static void ngx_http_ai_breaker_settle(ngx_http_ai_breaker_t *b,
    const ngx_http_ai_breaker_conf_t *conf, ngx_msec_t now);
static ngx_uint_t ngx_http_ai_breaker_late(const ngx_http_ai_breaker_t *b,
    ngx_msec_t now, ngx_msec_t started);
static ngx_http_ai_breaker_move_e ngx_http_ai_breaker_none(
    ngx_http_ai_breaker_t *b, const ngx_http_ai_breaker_conf_t *conf,
    ngx_msec_t now, const ngx_http_ai_breaker_event_t *ev);
static ngx_http_ai_breaker_move_e ngx_http_ai_breaker_ok(
    ngx_http_ai_breaker_t *b, const ngx_http_ai_breaker_conf_t *conf,
    ngx_msec_t now, const ngx_http_ai_breaker_event_t *ev);
static ngx_http_ai_breaker_move_e ngx_http_ai_breaker_failed(
    ngx_http_ai_breaker_t *b, const ngx_http_ai_breaker_conf_t *conf,
    ngx_msec_t now, const ngx_http_ai_breaker_event_t *ev);
static ngx_http_ai_breaker_move_e ngx_http_ai_breaker_slow(
    ngx_http_ai_breaker_t *b, const ngx_http_ai_breaker_conf_t *conf,
    ngx_msec_t now, const ngx_http_ai_breaker_event_t *ev);
static ngx_http_ai_breaker_move_e ngx_http_ai_breaker_extend(
    ngx_http_ai_breaker_t *b, const ngx_http_ai_breaker_conf_t *conf,
    ngx_msec_t now, const ngx_http_ai_breaker_event_t *ev);
static ngx_http_ai_breaker_move_e ngx_http_ai_breaker_probe_ok(
    ngx_http_ai_breaker_t *b, const ngx_http_ai_breaker_conf_t *conf,
    ngx_msec_t now, const ngx_http_ai_breaker_event_t *ev);
static ngx_http_ai_breaker_move_e ngx_http_ai_breaker_probe_failed(
    ngx_http_ai_breaker_t *b, const ngx_http_ai_breaker_conf_t *conf,
    ngx_msec_t now, const ngx_http_ai_breaker_event_t *ev);
static ngx_http_ai_breaker_move_e ngx_http_ai_breaker_probe_back(
    ngx_http_ai_breaker_t *b, const ngx_http_ai_breaker_conf_t *conf,
    ngx_msec_t now, const ngx_http_ai_breaker_event_t *ev);
static ngx_http_ai_breaker_move_e ngx_http_ai_breaker_ramp_failed(
    ngx_http_ai_breaker_t *b, const ngx_http_ai_breaker_conf_t *conf,
    ngx_msec_t now, const ngx_http_ai_breaker_event_t *ev);
static ngx_http_ai_breaker_reason_e ngx_http_ai_breaker_rate(
    const ngx_http_ai_breaker_t *b, const ngx_http_ai_breaker_conf_t *conf,
    ngx_msec_t now);
static void ngx_http_ai_breaker_open(ngx_http_ai_breaker_t *b,
    const ngx_http_ai_breaker_conf_t *conf, ngx_msec_t now,
    const ngx_http_ai_breaker_event_t *ev,
    ngx_http_ai_breaker_reason_e reason);
static void ngx_http_ai_breaker_defer(ngx_http_ai_breaker_t *b,
    ngx_msec_t now, ngx_msec_t wait);
static ngx_msec_t ngx_http_ai_breaker_grown(
    const ngx_http_ai_breaker_conf_t *conf, ngx_uint_t level,
    uint32_t random);
static ngx_msec_t ngx_http_ai_breaker_hint(int64_t hint_ms);
static ngx_msec_t ngx_http_ai_breaker_left(ngx_msec_t since, ngx_msec_t wait,
    ngx_msec_t now);
static void ngx_http_ai_breaker_count(uint32_t *counter);


/* the table above; "half-open" is the probe's own outcome */

static const ngx_http_ai_breaker_move_pt
    ngx_http_ai_breaker_moves[NGX_HTTP_AI_BREAKER_STATES]
                             [NGX_HTTP_AI_BREAKER_OUTCOMES] =
{
    [NGX_HTTP_AI_BREAKER_CLOSED] = {
        [NGX_HTTP_AI_BREAKER_OK] = ngx_http_ai_breaker_ok,
        [NGX_HTTP_AI_BREAKER_FAILED] = ngx_http_ai_breaker_failed,
        [NGX_HTTP_AI_BREAKER_SLOW] = ngx_http_ai_breaker_slow,
        [NGX_HTTP_AI_BREAKER_NEUTRAL] = ngx_http_ai_breaker_none
    },

    [NGX_HTTP_AI_BREAKER_OPEN] = {
        [NGX_HTTP_AI_BREAKER_OK] = ngx_http_ai_breaker_none,
        [NGX_HTTP_AI_BREAKER_FAILED] = ngx_http_ai_breaker_extend,
        [NGX_HTTP_AI_BREAKER_SLOW] = ngx_http_ai_breaker_none,
        [NGX_HTTP_AI_BREAKER_NEUTRAL] = ngx_http_ai_breaker_none
    },

    [NGX_HTTP_AI_BREAKER_HALF_OPEN] = {
        [NGX_HTTP_AI_BREAKER_OK] = ngx_http_ai_breaker_probe_ok,
        [NGX_HTTP_AI_BREAKER_FAILED] = ngx_http_ai_breaker_probe_failed,
        [NGX_HTTP_AI_BREAKER_SLOW] = ngx_http_ai_breaker_probe_failed,
        [NGX_HTTP_AI_BREAKER_NEUTRAL] = ngx_http_ai_breaker_probe_back
    },

    [NGX_HTTP_AI_BREAKER_RAMPING] = {
        [NGX_HTTP_AI_BREAKER_OK] = ngx_http_ai_breaker_ok,
        [NGX_HTTP_AI_BREAKER_FAILED] = ngx_http_ai_breaker_ramp_failed,
        [NGX_HTTP_AI_BREAKER_SLOW] = ngx_http_ai_breaker_slow,
        [NGX_HTTP_AI_BREAKER_NEUTRAL] = ngx_http_ai_breaker_none
    }
};


static const ngx_str_t
    ngx_http_ai_breaker_state_names[NGX_HTTP_AI_BREAKER_STATES] =
{
    [NGX_HTTP_AI_BREAKER_CLOSED] = ngx_string("closed"),
    [NGX_HTTP_AI_BREAKER_OPEN] = ngx_string("open"),
    [NGX_HTTP_AI_BREAKER_HALF_OPEN] = ngx_string("half_open"),
    [NGX_HTTP_AI_BREAKER_RAMPING] = ngx_string("ramping")
};


static const ngx_str_t
    ngx_http_ai_breaker_reason_names[NGX_HTTP_AI_BREAKER_REASONS] =
{
    [NGX_HTTP_AI_BREAKER_NEVER] = ngx_string("never"),
    [NGX_HTTP_AI_BREAKER_CONSECUTIVE] = ngx_string("consecutive"),
    [NGX_HTTP_AI_BREAKER_RATE] = ngx_string("rate"),
    [NGX_HTTP_AI_BREAKER_SLOW_RATE] = ngx_string("slow_rate"),
    [NGX_HTTP_AI_BREAKER_PROBE] = ngx_string("probe"),
    [NGX_HTTP_AI_BREAKER_RAMP] = ngx_string("ramp")
};


static const ngx_str_t  ngx_http_ai_breaker_unknown = ngx_string("unknown");


void
ngx_http_ai_breaker_check(const ngx_http_ai_breaker_t *b,
    const ngx_http_ai_breaker_conf_t *conf, ngx_msec_t now,
    ngx_http_ai_breaker_view_t *view)
{
    ngx_msec_t  left, probe;

    view->state = ngx_http_ai_breaker_state(b, conf, now);
    view->reason = b->reason;
    view->gate = NGX_HTTP_AI_BREAKER_ALLOW;
    view->weight = 100;
    view->until = now;

    if (view->state == NGX_HTTP_AI_BREAKER_CLOSED) {
        return;
    }

    if (view->state == NGX_HTTP_AI_BREAKER_RAMPING) {
        view->weight = NGX_HTTP_AI_BREAKER_RAMP_WEIGHT
                       + (100 - NGX_HTTP_AI_BREAKER_RAMP_WEIGHT)
                         * (uint64_t) ngx_http_ai_window_elapsed(b->since, now)
                         / conf->ramp;
        return;
    }

    left = ngx_http_ai_breaker_left(b->wait_since, b->wait, now);

    if (view->state == NGX_HTTP_AI_BREAKER_HALF_OPEN) {
        probe = ngx_http_ai_breaker_left(b->probe_since, b->probe_wait, now);
        left = ngx_max(left, probe);
    }

    view->gate = left ? NGX_HTTP_AI_BREAKER_REFUSE
                      : NGX_HTTP_AI_BREAKER_PROBE_DUE;
    view->weight = 0;
    view->until = now + left;
}


ngx_int_t
ngx_http_ai_breaker_claim(ngx_http_ai_breaker_t *b, ngx_msec_t now,
    ngx_msec_t until, uint64_t id)
{
    if ((b->state == NGX_HTTP_AI_BREAKER_OPEN
         || b->state == NGX_HTTP_AI_BREAKER_HALF_OPEN)
        && ngx_http_ai_breaker_left(b->wait_since, b->wait, now))
    {
        return NGX_BUSY;
    }

    return ngx_http_ai_breaker_take(b, now, until, id);
}


ngx_int_t
ngx_http_ai_breaker_claim_early(ngx_http_ai_breaker_t *b, ngx_msec_t now,
    ngx_msec_t until, uint64_t id)
{
    return ngx_http_ai_breaker_take(b, now, until, id);
}


ngx_http_ai_breaker_move_e
ngx_http_ai_breaker_record(ngx_http_ai_breaker_t *b,
    const ngx_http_ai_breaker_conf_t *conf, ngx_msec_t now,
    const ngx_http_ai_breaker_event_t *ev)
{
    ngx_http_ai_breaker_state_e    row;
    ngx_http_ai_breaker_outcome_e  outcome;

    outcome = ev->outcome;

    if (outcome == NGX_HTTP_AI_BREAKER_SLOW && conf->slow == 0
        && conf->min_speed == 0)
    {
        /* it was so under the configuration before a reload */
        outcome = NGX_HTTP_AI_BREAKER_OK;
    }

    ngx_http_ai_breaker_settle(b, conf, now);

    row = b->state;

    if (row == NGX_HTTP_AI_BREAKER_HALF_OPEN) {

        /* one that is past its time stays the probe until another is */

        if (ev->id == 0 || ev->id != b->probe) {
            row = NGX_HTTP_AI_BREAKER_OPEN;
        }

    } else if (row != NGX_HTTP_AI_BREAKER_OPEN
               && ngx_http_ai_breaker_late(b, now, ev->started))
    {
        ngx_http_ai_breaker_count(&b->late);
        return NGX_HTTP_AI_BREAKER_STAYED;
    }

    return ngx_http_ai_breaker_moves[row][outcome](b, conf, now, ev);
}


void
ngx_http_ai_breaker_reset(ngx_http_ai_breaker_t *b, ngx_msec_t now)
{
    ngx_memzero(b, sizeof(ngx_http_ai_breaker_t));

    b->since = now;
    b->moved = 1;
}


const ngx_str_t *
ngx_http_ai_breaker_state_name(ngx_uint_t state)
{
    return state < NGX_HTTP_AI_BREAKER_STATES
           ? &ngx_http_ai_breaker_state_names[state]
           : &ngx_http_ai_breaker_unknown;
}


const ngx_str_t *
ngx_http_ai_breaker_reason_name(ngx_uint_t reason)
{
    return reason < NGX_HTTP_AI_BREAKER_REASONS
           ? &ngx_http_ai_breaker_reason_names[reason]
           : &ngx_http_ai_breaker_unknown;
}


/*
 * The state is stored last: a worker that is killed in between leaves a
 * breaker that is open as before.
 */

static ngx_int_t
ngx_http_ai_breaker_take(ngx_http_ai_breaker_t *b, ngx_msec_t now,
    ngx_msec_t until, uint64_t id)
{
    if (id == 0) {
        return NGX_ERROR;
    }

    if (b->state == NGX_HTTP_AI_BREAKER_HALF_OPEN) {

        if (ngx_http_ai_breaker_left(b->probe_since, b->probe_wait, now)) {
            return NGX_BUSY;
        }

        ngx_http_ai_breaker_count(&b->lost);

    } else if (b->state != NGX_HTTP_AI_BREAKER_OPEN) {
        return NGX_DECLINED;
    }

    b->probe_since = now;
    b->probe_wait = ngx_http_ai_breaker_hint((ngx_msec_int_t) (until - now));
    b->probe = id;
    b->state = NGX_HTTP_AI_BREAKER_HALF_OPEN;

    ngx_http_ai_breaker_count(&b->probes);

    return NGX_OK;
}


/* the state that time has made of the one that is stored */

static ngx_http_ai_breaker_state_e
ngx_http_ai_breaker_state(const ngx_http_ai_breaker_t *b,
    const ngx_http_ai_breaker_conf_t *conf, ngx_msec_t now)
{
    if (b->state == NGX_HTTP_AI_BREAKER_RAMPING
        && ngx_http_ai_breaker_left(b->since, conf->ramp, now) == 0)
    {
        return NGX_HTTP_AI_BREAKER_CLOSED;
    }

    if (b->state == NGX_HTTP_AI_BREAKER_HALF_OPEN
        && ngx_http_ai_breaker_left(b->probe_since, b->probe_wait, now) == 0)
    {
        return NGX_HTTP_AI_BREAKER_OPEN;
    }

    return b->state;
}


/* a ramp that is over was a full recovery: growth starts anew */

static void
ngx_http_ai_breaker_settle(ngx_http_ai_breaker_t *b,
    const ngx_http_ai_breaker_conf_t *conf, ngx_msec_t now)
{
    if (b->state == NGX_HTTP_AI_BREAKER_RAMPING
        && ngx_http_ai_breaker_left(b->since, conf->ramp, now) == 0)
    {
        b->level = 0;
        b->state = NGX_HTTP_AI_BREAKER_CLOSED;
    }
}


/* 1: it began before the last recovery or reset */

static ngx_uint_t
ngx_http_ai_breaker_late(const ngx_http_ai_breaker_t *b, ngx_msec_t now,
    ngx_msec_t started)
{
    return b->moved
           && (ngx_msec_int_t) (b->since - started) > 0
           && ngx_http_ai_window_elapsed(b->since, now)
              != NGX_HTTP_AI_WINDOW_AGES;
}


static ngx_http_ai_breaker_move_e
ngx_http_ai_breaker_none(ngx_http_ai_breaker_t *b,
    const ngx_http_ai_breaker_conf_t *conf, ngx_msec_t now,
    const ngx_http_ai_breaker_event_t *ev)
{
    (void) b;
    (void) conf;
    (void) now;
    (void) ev;

    return NGX_HTTP_AI_BREAKER_STAYED;
}


static ngx_http_ai_breaker_move_e
ngx_http_ai_breaker_ok(ngx_http_ai_breaker_t *b,
    const ngx_http_ai_breaker_conf_t *conf, ngx_msec_t now,
    const ngx_http_ai_breaker_event_t *ev)
{
    (void) ev;

    b->consecutive = 0;
    ngx_http_ai_window_add(&b->window, conf->window, now,
                           NGX_HTTP_AI_WINDOW_OK);

    return NGX_HTTP_AI_BREAKER_STAYED;
}


static ngx_http_ai_breaker_move_e
ngx_http_ai_breaker_failed(ngx_http_ai_breaker_t *b,
    const ngx_http_ai_breaker_conf_t *conf, ngx_msec_t now,
    const ngx_http_ai_breaker_event_t *ev)
{
    ngx_http_ai_breaker_reason_e  reason;

    ngx_http_ai_breaker_count(&b->consecutive);
    ngx_http_ai_window_add(&b->window, conf->window, now,
                           NGX_HTTP_AI_WINDOW_FAILED);

    reason = ngx_http_ai_breaker_rate(b, conf, now);

    if (conf->failures && b->consecutive >= conf->failures) {
        reason = NGX_HTTP_AI_BREAKER_CONSECUTIVE;
    }

    if (reason == NGX_HTTP_AI_BREAKER_NEVER) {
        return NGX_HTTP_AI_BREAKER_STAYED;
    }

    ngx_http_ai_breaker_open(b, conf, now, ev, reason);

    return NGX_HTTP_AI_BREAKER_OPENED;
}


static ngx_http_ai_breaker_move_e
ngx_http_ai_breaker_slow(ngx_http_ai_breaker_t *b,
    const ngx_http_ai_breaker_conf_t *conf, ngx_msec_t now,
    const ngx_http_ai_breaker_event_t *ev)
{
    ngx_uint_t                    ramping;
    ngx_http_ai_breaker_reason_e  reason;

    ngx_http_ai_window_add(&b->window, conf->window, now,
                           NGX_HTTP_AI_WINDOW_SLOW);

    reason = ngx_http_ai_breaker_rate(b, conf, now);

    if (reason == NGX_HTTP_AI_BREAKER_NEVER) {
        return NGX_HTTP_AI_BREAKER_STAYED;
    }

    ramping = (b->state == NGX_HTTP_AI_BREAKER_RAMPING);

    ngx_http_ai_breaker_open(b, conf, now, ev, reason);

    return ramping ? NGX_HTTP_AI_BREAKER_REOPENED : NGX_HTTP_AI_BREAKER_OPENED;
}


static ngx_http_ai_breaker_move_e
ngx_http_ai_breaker_extend(ngx_http_ai_breaker_t *b,
    const ngx_http_ai_breaker_conf_t *conf, ngx_msec_t now,
    const ngx_http_ai_breaker_event_t *ev)
{
    (void) conf;

    ngx_http_ai_breaker_defer(b, now, ngx_http_ai_breaker_hint(ev->hint_ms));

    return NGX_HTTP_AI_BREAKER_STAYED;
}


/*
 * What was counted before the outage says nothing of the time after it, or
 * the first slow answer would open the cell by a rate that is not its own.
 * Likewise a hint is void, if an early probe has shown it to be wrong.
 */

static ngx_http_ai_breaker_move_e
ngx_http_ai_breaker_probe_ok(ngx_http_ai_breaker_t *b,
    const ngx_http_ai_breaker_conf_t *conf, ngx_msec_t now,
    const ngx_http_ai_breaker_event_t *ev)
{
    (void) ev;

    ngx_http_ai_window_reset(&b->window);
    ngx_http_ai_window_add(&b->window, conf->window, now,
                           NGX_HTTP_AI_WINDOW_OK);

    b->consecutive = 0;
    b->since = now;
    b->moved = 1;
    b->state = NGX_HTTP_AI_BREAKER_RAMPING;
    b->probe = 0;
    b->wait = 0;

    return NGX_HTTP_AI_BREAKER_RECOVERED;
}


static ngx_http_ai_breaker_move_e
ngx_http_ai_breaker_probe_failed(ngx_http_ai_breaker_t *b,
    const ngx_http_ai_breaker_conf_t *conf, ngx_msec_t now,
    const ngx_http_ai_breaker_event_t *ev)
{
    if (ngx_http_ai_breaker_left(b->wait_since, b->wait, now)) {
        /* an early one: to grow would punish for our own impatience */
        ngx_http_ai_breaker_extend(b, conf, now, ev);
        return ngx_http_ai_breaker_probe_back(b, conf, now, ev);
    }

    ngx_http_ai_breaker_open(b, conf, now, ev, NGX_HTTP_AI_BREAKER_PROBE);

    return NGX_HTTP_AI_BREAKER_REOPENED;
}


static ngx_http_ai_breaker_move_e
ngx_http_ai_breaker_probe_back(ngx_http_ai_breaker_t *b,
    const ngx_http_ai_breaker_conf_t *conf, ngx_msec_t now,
    const ngx_http_ai_breaker_event_t *ev)
{
    (void) conf;
    (void) now;
    (void) ev;

    b->state = NGX_HTTP_AI_BREAKER_OPEN;
    b->probe = 0;

    return NGX_HTTP_AI_BREAKER_STAYED;
}


static ngx_http_ai_breaker_move_e
ngx_http_ai_breaker_ramp_failed(ngx_http_ai_breaker_t *b,
    const ngx_http_ai_breaker_conf_t *conf, ngx_msec_t now,
    const ngx_http_ai_breaker_event_t *ev)
{
    ngx_http_ai_breaker_count(&b->consecutive);
    ngx_http_ai_window_add(&b->window, conf->window, now,
                           NGX_HTTP_AI_WINDOW_FAILED);

    ngx_http_ai_breaker_open(b, conf, now, ev, NGX_HTTP_AI_BREAKER_RAMP);

    return NGX_HTTP_AI_BREAKER_REOPENED;
}


/* NEVER: the share of failures and slow answers is no reason to open */

static ngx_http_ai_breaker_reason_e
ngx_http_ai_breaker_rate(const ngx_http_ai_breaker_t *b,
    const ngx_http_ai_breaker_conf_t *conf, ngx_msec_t now)
{
    uint64_t                  failed, limit, slow;
    ngx_http_ai_window_sum_t  sum;

    if (conf->rate == 0 || conf->rate >= 100) {
        return NGX_HTTP_AI_BREAKER_NEVER;
    }

    ngx_http_ai_window_sum(&b->window, conf->window, now, &sum);

    if (sum.total < conf->min) {
        return NGX_HTTP_AI_BREAKER_NEVER;
    }

    limit = sum.total * conf->rate;
    failed = sum.counts[NGX_HTTP_AI_WINDOW_FAILED] * 100;
    slow = sum.counts[NGX_HTTP_AI_WINDOW_SLOW] * 100;

    if (failed >= limit) {
        return NGX_HTTP_AI_BREAKER_RATE;
    }

    return failed + slow >= limit ? NGX_HTTP_AI_BREAKER_SLOW_RATE
                                  : NGX_HTTP_AI_BREAKER_NEVER;
}


/* the deadline first, the state last: nobody sees an opening without one */

static void
ngx_http_ai_breaker_open(ngx_http_ai_breaker_t *b,
    const ngx_http_ai_breaker_conf_t *conf, ngx_msec_t now,
    const ngx_http_ai_breaker_event_t *ev,
    ngx_http_ai_breaker_reason_e reason)
{
    ngx_msec_t  hint, wait;

    wait = ngx_http_ai_breaker_grown(conf, b->level, ev->random);
    hint = ngx_http_ai_breaker_hint(ev->hint_ms);

    ngx_http_ai_breaker_defer(b, now, ngx_max(wait, hint));

    b->reason = reason;
    b->since = now;
    b->moved = 1;
    b->state = NGX_HTTP_AI_BREAKER_OPEN;
    b->probe = 0;

    ngx_http_ai_breaker_count(&b->level);
    ngx_http_ai_breaker_count(&b->openings);
}


/* the only place that sets the deadline, and never to an earlier one */

static void
ngx_http_ai_breaker_defer(ngx_http_ai_breaker_t *b, ngx_msec_t now,
    ngx_msec_t wait)
{
    if (wait > ngx_http_ai_breaker_left(b->wait_since, b->wait, now)) {
        b->wait = wait;
        b->wait_since = now;
    }
}


/*
 * The time to stay open: doubled per level up to the cap, then anything from
 * 10 % less to 10 % more, evenly, but for what would exceed the cap.  Were it
 * cut to the cap instead, half of all cells would wait equally long.
 */

static ngx_msec_t
ngx_http_ai_breaker_grown(const ngx_http_ai_breaker_conf_t *conf,
    ngx_uint_t level, uint32_t random)
{
    ngx_uint_t  i;
    ngx_msec_t  cap, jitter, high, low, wait;

    cap = ngx_min(conf->max_open, NGX_HTTP_AI_BREAKER_MAX_WAIT);
    wait = ngx_min(conf->open, cap);

    for (i = 0; i < level && wait && wait < cap; i++) {
        wait = ngx_min(wait * 2, cap);
    }

    jitter = wait / (100 / NGX_HTTP_AI_BREAKER_JITTER);

    low = wait - jitter;
    high = ngx_min(wait + jitter, cap);

    return low + random % (high - low + 1);
}


/* a wait of somebody else's choice, made sane */

static ngx_msec_t
ngx_http_ai_breaker_hint(int64_t hint_ms)
{
    if (hint_ms <= 0) {
        return 0;
    }

    return (ngx_msec_t) ngx_min(hint_ms, NGX_HTTP_AI_BREAKER_MAX_WAIT);
}


static ngx_msec_t
ngx_http_ai_breaker_left(ngx_msec_t since, ngx_msec_t wait, ngx_msec_t now)
{
    ngx_msec_t  elapsed;

    elapsed = ngx_http_ai_window_elapsed(since, now);

    return elapsed < wait ? wait - elapsed : 0;
}


static void
ngx_http_ai_breaker_count(uint32_t *counter)
{
    if (*counter != UINT32_MAX) {
        (*counter)++;
    }
}
