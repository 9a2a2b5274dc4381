
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* active checks: which worker's turn it is, and what the outcome does */


#include "ngx_http_ai_health_nodes.h"


#define NGX_HTTP_AI_CHECK_LOOK  1000       /* ms between two looks whether
                                              one is due */


static ngx_msec_t ngx_http_ai_health_check_left(
    const ngx_http_ai_account_t *account, ngx_msec_t since);
static ngx_msec_t ngx_http_ai_health_check_due_locked(
    ngx_http_ai_nodes_t *nodes, const ngx_http_ai_cell_t *cell,
    ngx_http_ai_health_t *health);


ngx_int_t
ngx_http_ai_health_check_begin(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, ngx_http_ai_pass_t *pass,
    ngx_msec_t *wait)
{
    ngx_int_t              rc;
    ngx_msec_t             left;
    ngx_http_ai_cell_t     cell;
    ngx_http_ai_nodes_t    nodes;
    ngx_http_ai_health_t   health;

    ngx_memzero(&cell, sizeof(ngx_http_ai_cell_t));
    cell.account = account;

    ngx_memzero(pass, sizeof(ngx_http_ai_pass_t));

    pass->started = ngx_current_msec;
    pass->credential = account->credential_hash;
    pass->id = (uint64_t) ngx_pid << 32 | ((uint32_t) ngx_random() | 1);

    rc = NGX_DECLINED;
    *wait = NGX_HTTP_AI_CHECK_LOOK;

    ngx_http_ai_zone_lock(zone);

    ngx_http_ai_health_find_locked(zone, &cell, &nodes);

    if (nodes.account == NULL) {
        /* an account of a cycle before */
        goto done;
    }

    left = ngx_http_ai_health_check_due_locked(&nodes, &cell, &health);

    if (left) {
        *wait = ngx_min(left, NGX_HTTP_AI_CHECK_LOOK);
        goto done;
    }

    if (health.state == NGX_HTTP_AI_HEALTH_PROBE
        && ngx_http_ai_health_probe_locked(&nodes, 0, account->check.timeout,
                                           pass)
           != NGX_OK)
    {
        goto done;
    }

    /* 0 is never */
    nodes.account->checked = ngx_max(ngx_current_msec, 1);
    nodes.account->checker = ngx_pid;

    rc = NGX_OK;

done:

    ngx_http_ai_zone_unlock(zone);

    return rc;
}


/*
 * 0: now, else the milliseconds until it may be.  Never more than one check
 * per interval, whoever begins it; the one that died with its worker does not
 * count.
 */

static ngx_msec_t
ngx_http_ai_health_check_due_locked(ngx_http_ai_nodes_t *nodes,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_health_t *health)
{
    ngx_uint_t                       lost;
    ngx_msec_t                       left;
    const ngx_http_ai_cooling_t     *c;
    ngx_http_ai_account_node_t      *an;
    const ngx_http_ai_check_conf_t  *check;

    an = nodes->account;
    check = &cell->account->check;

    lost = an->checker && ngx_http_ai_zone_gone(an->checker);

    if (!lost) {
        left = ngx_http_ai_health_check_left(cell->account, an->checked);

        if (left) {
            return left;
        }
    }

    ngx_http_ai_health_look_locked(nodes, cell, health);

    if (health->probed && ngx_http_ai_health_lost_locked(nodes, cell)) {
        ngx_http_ai_health_look_locked(nodes, cell, health);
    }

    if (health->state == NGX_HTTP_AI_HEALTH_OPEN) {
        return check->idle
               ? ngx_http_ai_health_check_left(cell->account, an->heard) : 0;
    }

    if (health->state != NGX_HTTP_AI_HEALTH_PROBE) {
        return NGX_HTTP_AI_CHECK_LOOK;
    }

    /* whether there is money, only a request that costs some can tell */

    c = &an->cooling;

    if (c->active && c->closed && c->cause == NGX_HTTP_AI_QUOTA_EXHAUSTED
        && c->credential == cell->account->credential_hash)
    {
        return NGX_HTTP_AI_CHECK_LOOK;
    }

    return 0;
}


/*
 * What is left of the interval.  Up to a tenth of it is taken off, the same
 * for all workers, so that accounts do not stay in step.
 */

static ngx_msec_t
ngx_http_ai_health_check_left(const ngx_http_ai_account_t *account,
    ngx_msec_t since)
{
    uint32_t                         hash;
    ngx_msec_t                       interval, off, spent;
    const ngx_http_ai_check_conf_t  *check;

    if (since == 0) {
        return 0;
    }

    check = &account->check;

    hash = ((uint32_t) since + account->hash) * 0x9e3779b1;

    /* the one before must be over */
    off = ngx_min(check->interval / 10, check->interval - check->timeout);

    interval = check->interval - (hash >> 16) % (off + 1);
    spent = ngx_current_msec - since;

    return spent < interval ? interval - spent : 0;
}


ngx_http_ai_verdict_e
ngx_http_ai_health_check_end(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, ngx_http_ai_pass_t *pass,
    ngx_http_ai_verdict_e verdict, int64_t wait_ms)
{
    ngx_http_ai_cell_t           cell;
    ngx_http_ai_result_t         result;
    ngx_http_ai_verdict_e        last;
    ngx_http_ai_account_node_t  *an;

    ngx_memzero(&cell, sizeof(ngx_http_ai_cell_t));
    cell.account = account;

    result.verdict = verdict;
    result.wait_ms = wait_ms;
    result.ms = -1;
    result.total_ms = -1;
    result.tokens = -1;

    ngx_http_ai_health_record(zone, &cell, pass, &result);

    last = NGX_HTTP_AI_OK;

    ngx_http_ai_zone_lock(zone);

    an = (ngx_http_ai_account_node_t *)
         ngx_http_ai_zone_find_locked(zone, NGX_HTTP_AI_NODE_ACCOUNT,
                   ngx_http_ai_health_key(&cell, NGX_HTTP_AI_NODE_ACCOUNT));

    /* without an outcome it stays this worker's, until that is gone */

    if (an && verdict != NGX_HTTP_AI_CLIENT_CLOSED) {

        last = an->check;
        an->check = verdict;
        an->found = 1;

        if (an->checker == ngx_pid) {
            an->checker = 0;
        }
    }

    ngx_http_ai_zone_unlock(zone);

    return last;
}
