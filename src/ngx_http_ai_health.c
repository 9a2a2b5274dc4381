
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_health.h"


#define NGX_HTTP_AI_HINT_MAX  86400000     /* ms; no provider's word closes
                                              for longer than a day */


/* an account, or one model of it */

typedef struct {
    ngx_http_ai_node_t       node;
    uint32_t                 account;      /* its hash */
    uint32_t                 credential;   /* that was closed */
    ngx_msec_t               until;        /* cooling or closed; a probe of a
                                              closed one is due then */
    ngx_msec_t               probe;        /* a probe is out until then */
    ngx_msec_t               since;        /* when it was closed last */
    ngx_uint_t               level;        /* failures in a row, for growth */
    ngx_http_ai_verdict_e    cause;
    unsigned                 closed:1;
} ngx_http_ai_health_node_t;


static ngx_http_ai_health_node_t *ngx_http_ai_health_find_locked(
    ngx_http_ai_zone_t *zone, ngx_http_ai_account_t *account,
    const ngx_str_t *model);
static ngx_http_ai_health_node_t *ngx_http_ai_health_make_locked(
    ngx_http_ai_zone_t *zone, ngx_http_ai_account_t *account,
    const ngx_str_t *model);
static uint64_t ngx_http_ai_health_key(ngx_http_ai_account_t *account,
    const ngx_str_t *model);
static void ngx_http_ai_health_cool_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_health_node_t *hn, const ngx_http_ai_verdict_t *row,
    int64_t wait_ms);
static void ngx_http_ai_health_open_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, const ngx_str_t *model,
    ngx_msec_t started);


#define ngx_http_ai_health_later(a, b)                                        \
    ((ngx_msec_int_t) ((a) - (b)) > 0)


ngx_uint_t
ngx_http_ai_health_calm(ngx_http_ai_zone_t *zone)
{
    return !ngx_http_ai_health_later(zone->sh->until, ngx_current_msec);
}


void
ngx_http_ai_health_check(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, const ngx_str_t *model,
    ngx_http_ai_health_t *health)
{
    ngx_uint_t                  i;
    ngx_msec_t                  now;
    ngx_http_ai_health_node_t  *hn;

    now = ngx_current_msec;

    health->state = NGX_HTTP_AI_HEALTH_OPEN;
    health->cause = NGX_HTTP_AI_OK;
    health->until = now;

    ngx_http_ai_zone_lock(zone);

    for (i = 0; i < 2; i++) {

        hn = ngx_http_ai_health_find_locked(zone, account, i ? model : NULL);

        if (hn == NULL) {
            continue;
        }

        if (hn->closed && hn->credential == account->credential_hash) {

            health->cause = hn->cause;

            if (ngx_http_ai_health_later(hn->until, now)) {
                health->state = NGX_HTTP_AI_HEALTH_CLOSED;
                health->until = hn->until;

            } else if (ngx_http_ai_health_later(hn->probe, now)) {
                health->state = NGX_HTTP_AI_HEALTH_CLOSED;
                health->until = hn->probe;

            } else {
                health->state = NGX_HTTP_AI_HEALTH_PROBE;
            }

        } else if (!hn->closed && ngx_http_ai_health_later(hn->until, now)) {

            if (health->state != NGX_HTTP_AI_HEALTH_CLOSED
                && ngx_http_ai_health_later(hn->until, health->until))
            {
                health->state = NGX_HTTP_AI_HEALTH_COOLING;
                health->cause = hn->cause;
                health->until = hn->until;
            }
        }
    }

    ngx_http_ai_zone_unlock(zone);
}


ngx_int_t
ngx_http_ai_health_claim(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, ngx_msec_t until)
{
    ngx_int_t                   rc;
    ngx_http_ai_health_node_t  *hn;

    rc = NGX_OK;

    ngx_http_ai_zone_lock(zone);

    hn = ngx_http_ai_health_find_locked(zone, account, NULL);

    if (hn && hn->closed && hn->credential == account->credential_hash) {

        if (ngx_http_ai_health_later(hn->probe, ngx_current_msec)
            || ngx_http_ai_health_later(hn->until, ngx_current_msec))
        {
            rc = NGX_BUSY;

        } else {
            hn->probe = until;
            rc = NGX_DONE;
        }
    }

    ngx_http_ai_zone_unlock(zone);

    return rc;
}


void
ngx_http_ai_health_release(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account)
{
    ngx_http_ai_health_node_t  *hn;

    ngx_http_ai_zone_lock(zone);

    hn = ngx_http_ai_health_find_locked(zone, account, NULL);

    if (hn) {
        hn->probe = ngx_current_msec;
    }

    ngx_http_ai_zone_unlock(zone);
}


void
ngx_http_ai_health_apply(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, const ngx_str_t *model,
    ngx_http_ai_verdict_e verdict, ngx_msec_t started, int64_t wait_ms)
{
    ngx_http_ai_health_node_t    *hn;
    const ngx_http_ai_verdict_t  *row;

    row = ngx_http_ai_verdict(verdict);

    if (row->scope == NGX_HTTP_AI_SCOPE_NONE
        && verdict != NGX_HTTP_AI_OK)
    {
        return;
    }

    if (verdict == NGX_HTTP_AI_OK) {

        if (ngx_http_ai_health_calm(zone)) {
            return;
        }

        ngx_http_ai_zone_lock(zone);
        ngx_http_ai_health_open_locked(zone, account, model, started);
        ngx_http_ai_zone_unlock(zone);
        return;
    }

    if (row->cooldown == 0 && wait_ms < 0) {
        /* such a row acts on a hint only */
        return;
    }

    ngx_http_ai_zone_lock(zone);

    hn = ngx_http_ai_health_make_locked(zone, account,
                      row->scope == NGX_HTTP_AI_SCOPE_MODEL ? model : NULL);

    if (hn) {
        if (row->close) {
            hn->credential = account->credential_hash;
            hn->closed = 1;
            hn->since = ngx_current_msec;
        }

        hn->cause = verdict;
        hn->probe = ngx_current_msec;
        ngx_http_ai_health_cool_locked(zone, hn, row, wait_ms);
    }

    ngx_http_ai_zone_unlock(zone);
}


static void
ngx_http_ai_health_cool_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_health_node_t *hn, const ngx_http_ai_verdict_t *row,
    int64_t wait_ms)
{
    ngx_msec_t  now, until, wait;
    ngx_uint_t  i;

    now = ngx_current_msec;

    if (wait_ms >= 0) {
        wait = ngx_min(wait_ms, NGX_HTTP_AI_HINT_MAX);

    } else {
        wait = row->cooldown;

        for (i = 0; i < hn->level && wait < row->cooldown_max; i++) {
            wait *= 2;
        }

        wait = ngx_min(wait, row->cooldown_max);

        /* a failure while it cools down is one of the same wave */

        if (!ngx_http_ai_health_later(hn->until, now)) {
            hn->level++;
        }
    }

    until = now + wait;

    if (ngx_http_ai_health_later(until, hn->until)) {
        hn->until = until;
    }

    /* a closed account stays one until a probe succeeds, so ask for it */

    if (hn->closed) {
        until = now + NGX_HTTP_AI_HINT_MAX;
    }

    if (ngx_http_ai_health_later(until, zone->sh->until)) {
        zone->sh->until = until;
    }
}


void
ngx_http_ai_health_reset(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account)
{
    ngx_queue_t                *q, *next;
    ngx_http_ai_health_node_t  *hn;

    ngx_http_ai_zone_lock(zone);

    for (q = ngx_queue_head(&zone->sh->lru);
         q != ngx_queue_sentinel(&zone->sh->lru);
         q = next)
    {
        next = ngx_queue_next(q);

        hn = (ngx_http_ai_health_node_t *)
             ngx_queue_data(q, ngx_http_ai_node_t, lru);

        if ((hn->node.kind == NGX_HTTP_AI_NODE_ACCOUNT
             || hn->node.kind == NGX_HTTP_AI_NODE_MODEL)
            && hn->account == account->hash)
        {
            ngx_http_ai_zone_drop_locked(zone, &hn->node);
        }
    }

    ngx_http_ai_zone_unlock(zone);
}


/* a success: the account is open again, and growth starts anew */

static void
ngx_http_ai_health_open_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, const ngx_str_t *model,
    ngx_msec_t started)
{
    ngx_http_ai_health_node_t  *hn;

    hn = ngx_http_ai_health_find_locked(zone, account, NULL);

    if (hn && hn->closed) {

        if (!ngx_http_ai_health_later(started, hn->since)) {
            /* an old request's late success */
            return;
        }

        ngx_http_ai_zone_drop_locked(zone, &hn->node);
        hn = NULL;
    }

    if (hn && !ngx_http_ai_health_later(hn->until, ngx_current_msec)) {
        hn->level = 0;
    }

    hn = ngx_http_ai_health_find_locked(zone, account, model);

    if (hn && !ngx_http_ai_health_later(hn->until, ngx_current_msec)) {
        hn->level = 0;
    }
}


static ngx_http_ai_health_node_t *
ngx_http_ai_health_find_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, const ngx_str_t *model)
{
    return (ngx_http_ai_health_node_t *)
           ngx_http_ai_zone_find_locked(zone,
                          model ? NGX_HTTP_AI_NODE_MODEL
                                : NGX_HTTP_AI_NODE_ACCOUNT,
                          ngx_http_ai_health_key(account, model));
}


static ngx_http_ai_health_node_t *
ngx_http_ai_health_make_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, const ngx_str_t *model)
{
    ngx_http_ai_health_node_t  *hn;

    hn = (ngx_http_ai_health_node_t *)
         ngx_http_ai_zone_make_locked(zone,
                          model ? NGX_HTTP_AI_NODE_MODEL
                                : NGX_HTTP_AI_NODE_ACCOUNT,
                          ngx_http_ai_health_key(account, model),
                          sizeof(ngx_http_ai_health_node_t));

    if (hn && hn->account != account->hash) {
        hn->account = account->hash;
        hn->until = ngx_current_msec;
        hn->probe = ngx_current_msec;
    }

    return hn;
}


static uint64_t
ngx_http_ai_health_key(ngx_http_ai_account_t *account, const ngx_str_t *model)
{
    return (uint64_t) account->hash << 32
           | (model ? ngx_murmur_hash2(model->data, model->len) : 0);
}
