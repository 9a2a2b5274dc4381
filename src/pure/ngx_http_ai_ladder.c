
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_ladder.h"


#define NGX_HTTP_AI_BACKOFF_MIN  300       /* ms before S, with jitter */
#define NGX_HTTP_AI_BACKOFF_MAX  1000


static ngx_uint_t ngx_http_ai_ladder_same(ngx_http_ai_verdict_e verdict,
    const ngx_http_ai_verdict_t *row, const ngx_http_ai_rungs_t *rungs,
    ngx_http_ai_decision_t *decision);
static ngx_uint_t ngx_http_ai_ladder_wait(const ngx_http_ai_rungs_t *rungs,
    ngx_http_ai_decision_t *decision);
static ngx_uint_t ngx_http_ai_ladder_move(ngx_http_ai_verdict_e verdict,
    ngx_http_ai_move_e move, const ngx_http_ai_rungs_t *rungs,
    ngx_http_ai_decision_t *decision);


/* for a request that finds every target of its route cooling down */

static const ngx_http_ai_move_e  ngx_http_ai_ladder_start[] = {
    NGX_HTTP_AI_MOVE_ACCOUNT,
    NGX_HTTP_AI_MOVE_BACKUP,
    NGX_HTTP_AI_MOVE_QUEUE,
    NGX_HTTP_AI_MOVE_FAIL
};


/*
 * The moves are the row's, in its order, with two rungs around them:
 *
 *   retry_same first       S moves to the front of the rows that have it
 *   short wait             before the first move that gives a worse answer:
 *                          a backup model, the queue, or none
 */

void
ngx_http_ai_ladder(ngx_http_ai_verdict_e verdict,
    const ngx_http_ai_rungs_t *rungs, ngx_http_ai_decision_t *decision)
{
    ngx_uint_t                    waited, retryable;
    const ngx_http_ai_move_e     *moves, *m;
    const ngx_http_ai_verdict_t  *row;

    ngx_memzero(decision, sizeof(ngx_http_ai_decision_t));

    if (rungs->attempts_left == 0 || rungs->time_left <= 0) {
        return;
    }

    row = ngx_http_ai_verdict(verdict);
    moves = verdict == NGX_HTTP_AI_OK ? ngx_http_ai_ladder_start : row->moves;

    if (rungs->same == NGX_HTTP_AI_RETRY_SAME_FIRST
        && ngx_http_ai_verdict_has(moves, NGX_HTTP_AI_MOVE_SAME)
        && ngx_http_ai_ladder_same(verdict, row, rungs, decision))
    {
        return;
    }

    waited = 0;
    retryable = ngx_http_ai_verdict_has(moves, NGX_HTTP_AI_MOVE_ACCOUNT)
                && !rungs->pinned && !rungs->sent_once;

    for (m = moves; /* void */; m++) {

        if (!waited && retryable
            && (*m == NGX_HTTP_AI_MOVE_BACKUP
                || *m == NGX_HTTP_AI_MOVE_QUEUE
                || *m == NGX_HTTP_AI_MOVE_FAIL))
        {
            waited = 1;

            if (ngx_http_ai_ladder_wait(rungs, decision)) {
                return;
            }
        }

        if (*m == NGX_HTTP_AI_MOVE_FAIL) {
            return;
        }

        if (ngx_http_ai_ladder_move(verdict, *m, rungs, decision)) {
            return;
        }
    }
}


static ngx_uint_t
ngx_http_ai_ladder_move(ngx_http_ai_verdict_e verdict,
    ngx_http_ai_move_e move, const ngx_http_ai_rungs_t *rungs,
    ngx_http_ai_decision_t *decision)
{
    switch (move) {

    case NGX_HTTP_AI_MOVE_ACCOUNT:
    case NGX_HTTP_AI_MOVE_PROVIDER:

        if (!rungs->others || rungs->pinned || rungs->sent_once) {
            return 0;
        }

        decision->step = NGX_HTTP_AI_STEP_TARGET;
        decision->prefer = move;
        return 1;

    case NGX_HTTP_AI_MOVE_SAME:
        return ngx_http_ai_ladder_same(verdict, ngx_http_ai_verdict(verdict),
                                       rungs, decision);

    case NGX_HTTP_AI_MOVE_BACKUP:

        if (!rungs->backup || rungs->pinned || rungs->sent_once) {
            return 0;
        }

        decision->step = NGX_HTTP_AI_STEP_BACKUP;
        return 1;

    case NGX_HTTP_AI_MOVE_QUEUE:

        if (rungs->queue_left <= 0 || rungs->pinned || rungs->sent_once) {
            return 0;
        }

        decision->step = NGX_HTTP_AI_STEP_QUEUE;
        return 1;

    default: /* NGX_HTTP_AI_MOVE_FAIL */
        return 0;
    }
}


static ngx_uint_t
ngx_http_ai_ladder_same(ngx_http_ai_verdict_e verdict,
    const ngx_http_ai_verdict_t *row, const ngx_http_ai_rungs_t *rungs,
    ngx_http_ai_decision_t *decision)
{
    int64_t  delay;

    if (rungs->same == NGX_HTTP_AI_RETRY_SAME_OFF
        || rungs->same_tried || rungs->no_same || rungs->sent_once
        || row->silent)
    {
        return 0;
    }

    if (row->same_if_short) {

        /* without a hint the wait is the row's cooldown: not short */

        delay = rungs->hint;

        if (delay < 0 || delay > rungs->max_wait) {
            return 0;
        }

    } else if (verdict == NGX_HTTP_AI_CONNECT
               || verdict == NGX_HTTP_AI_RESET)
    {
        delay = 0;

    } else {
        delay = NGX_HTTP_AI_BACKOFF_MIN
                + rungs->random % (NGX_HTTP_AI_BACKOFF_MAX
                                   - NGX_HTTP_AI_BACKOFF_MIN + 1);

        if (rungs->hint > delay) {
            delay = rungs->hint;

            if (delay > rungs->max_wait) {
                return 0;
            }
        }
    }

    if (delay >= rungs->time_left) {
        return 0;
    }

    decision->step = NGX_HTTP_AI_STEP_SAME;
    decision->delay = delay;

    return 1;
}


static ngx_uint_t
ngx_http_ai_ladder_wait(const ngx_http_ai_rungs_t *rungs,
    ngx_http_ai_decision_t *decision)
{
    if (rungs->back < 0
        || rungs->back > rungs->max_wait
        || rungs->back >= rungs->time_left)
    {
        return 0;
    }

    decision->step = NGX_HTTP_AI_STEP_WAIT;
    decision->delay = rungs->back;

    return 1;
}


const ngx_str_t *
ngx_http_ai_why(ngx_http_ai_why_e why)
{
    /* by ngx_http_ai_why_e */

    static const ngx_str_t  names[] = {
        ngx_string("first"),
        ngx_string("account"),
        ngx_string("provider"),
        ngx_string("same"),
        ngx_string("backup"),
        ngx_string("probe")
    };

    return &names[why];
}
