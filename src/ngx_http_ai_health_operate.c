
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* what is done to health from outside: by operators, and by a reload */


#include "ngx_http_ai_health_nodes.h"


/* what a reload found out of an account, said when the lock is free */

typedef enum {
    NGX_HTTP_AI_PREPARED = 0,
    NGX_HTTP_AI_PREPARED_OTHER_LIMIT,
    NGX_HTTP_AI_PREPARED_FULL
} ngx_http_ai_prepared_e;


static ngx_uint_t ngx_http_ai_health_in_scope(const ngx_http_ai_node_t *node,
    const ngx_http_ai_cell_t *scope);
static void ngx_http_ai_health_reset_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_t *node);
static ngx_http_ai_prepared_e ngx_http_ai_health_prepare_locked(
    ngx_http_ai_zone_t *zone, ngx_http_ai_account_t *account);
static ngx_uint_t ngx_http_ai_health_other_rate(
    const ngx_http_ai_rate_t *rate, const ngx_http_ai_rate_bucket_t *b);


void
ngx_http_ai_health_reset(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *scope)
{
    ngx_queue_t         *q, *next;
    ngx_http_ai_node_t  *node;

    ngx_http_ai_zone_lock(zone);

    for (q = ngx_queue_head(&zone->sh->lru);
         q != ngx_queue_sentinel(&zone->sh->lru);
         q = next)
    {
        next = ngx_queue_next(q);
        node = ngx_queue_data(q, ngx_http_ai_node_t, lru);

        if (ngx_http_ai_health_in_scope(node, scope)) {
            ngx_http_ai_health_reset_locked(zone, node);
        }
    }

    ngx_http_ai_zone_unlock(zone);
}


/* the keys are hashes and do not tell their parts, so they are made again */

static ngx_uint_t
ngx_http_ai_health_in_scope(const ngx_http_ai_node_t *node,
    const ngx_http_ai_cell_t *scope)
{
    ngx_uint_t          bit;
    ngx_http_ai_cell_t  cell;

    if ((node->kind != NGX_HTTP_AI_NODE_ACCOUNT
         && node->kind != NGX_HTTP_AI_NODE_MODEL
         && node->kind != NGX_HTTP_AI_NODE_CELL)
        || node->owner != scope->account->hash)
    {
        return 0;
    }

    if (scope->model == NULL) {
        return 1;
    }

    if (scope->family) {
        return node->kind == NGX_HTTP_AI_NODE_CELL
               && node->key == ngx_http_ai_health_key(scope,
                                                      NGX_HTTP_AI_NODE_CELL);
    }

    if (node->kind == NGX_HTTP_AI_NODE_MODEL) {
        return node->key == ngx_http_ai_health_key(scope,
                                                   NGX_HTTP_AI_NODE_MODEL);
    }

    if (node->kind != NGX_HTTP_AI_NODE_CELL) {
        return 0;
    }

    cell = *scope;

    for (bit = 1; bit && bit <= NGX_HTTP_AI_EP_LAST; bit <<= 1) {

        cell.family = bit;

        for (cell.stream = 0; cell.stream <= 1; cell.stream++) {
            if (node->key == ngx_http_ai_health_key(&cell,
                                                    NGX_HTTP_AI_NODE_CELL))
            {
                return 1;
            }
        }
    }

    return 0;
}


static void
ngx_http_ai_health_reset_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_t *node)
{
    ngx_http_ai_cell_node_t     *cn;
    ngx_http_ai_model_node_t    *mn;
    ngx_http_ai_account_node_t  *an;

    switch (node->kind) {

    case NGX_HTTP_AI_NODE_MODEL:
        mn = (ngx_http_ai_model_node_t *) node;
        ngx_memzero(&mn->cooling, sizeof(ngx_http_ai_cooling_t));
        ngx_memzero(&mn->headroom, sizeof(ngx_http_ai_headroom_t));
        break;

    case NGX_HTTP_AI_NODE_CELL:
        /* kept: requests that are under way must not count any more */
        cn = (ngx_http_ai_cell_node_t *) node;
        ngx_http_ai_breaker_reset(&cn->breaker, ngx_current_msec);
        ngx_memzero(&cn->time, sizeof(ngx_http_ai_pick_ewma_t));
        ngx_http_ai_stats_reset(&cn->stats);
        break;

    default: /* NGX_HTTP_AI_NODE_ACCOUNT */
        an = (ngx_http_ai_account_node_t *) node;
        an->cooling.active = 0;
        ngx_http_ai_breaker_reset(&an->breaker, ngx_current_msec);
    }
}


ngx_int_t
ngx_http_ai_health_operate(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *scope, ngx_http_ai_operate_e what)
{
    ngx_http_ai_cell_node_t     *cn;
    ngx_http_ai_model_node_t    *mn;
    ngx_http_ai_account_node_t  *an;

    an = NULL;
    mn = NULL;
    cn = NULL;

    ngx_http_ai_zone_lock(zone);

    if (scope->model == NULL) {
        an = ngx_http_ai_health_make_locked(zone, scope,
                                            NGX_HTTP_AI_NODE_ACCOUNT,
                                            sizeof(*an));
        if (an) {
            an->operate = what;
        }

    } else if (scope->family == 0) {
        mn = ngx_http_ai_health_make_locked(zone, scope,
                                            NGX_HTTP_AI_NODE_MODEL,
                                            sizeof(*mn));
        if (mn) {
            mn->operate = what;
            mn->node.kept = (what != NGX_HTTP_AI_OPERATE_ENABLE);
        }

    } else {
        cn = ngx_http_ai_health_make_locked(zone, scope,
                                            NGX_HTTP_AI_NODE_CELL,
                                            sizeof(*cn));
        if (cn) {
            cn->operate = what;
            cn->node.kept = (what != NGX_HTTP_AI_OPERATE_ENABLE);
        }
    }

    ngx_http_ai_zone_unlock(zone);

    return an || mn || cn ? NGX_OK : NGX_ERROR;
}


/*
 * The accounts of the configuration are in the zone before any request comes,
 * and stay: limits and requests in flight must not be forgotten.  Those of an
 * earlier configuration are evicted when their memory is needed, unless an
 * operator has stopped them.
 */

ngx_int_t
ngx_http_ai_health_prepare(ngx_http_ai_zone_t *zone, ngx_log_t *log)
{
    ngx_uint_t                   i;
    ngx_queue_t                 *q;
    ngx_http_ai_node_t          *node;
    ngx_http_ai_account_t      **account;
    ngx_http_ai_prepared_e       prepared;
    ngx_http_ai_account_node_t  *an;

    ngx_http_ai_zone_lock(zone);

    for (q = ngx_queue_head(&zone->sh->lru);
         q != ngx_queue_sentinel(&zone->sh->lru);
         q = ngx_queue_next(q))
    {
        node = ngx_queue_data(q, ngx_http_ai_node_t, lru);

        if (node->kind != NGX_HTTP_AI_NODE_ACCOUNT) {
            continue;
        }

        an = (ngx_http_ai_account_node_t *) node;
        node->kept = (an->operate != NGX_HTTP_AI_OPERATE_ENABLE);

        if (zone->origin == NGX_HTTP_AI_ZONE_MOVED) {
            /* what moved here from another zone runs on in that one */
            an->inflight = 0;
        }
    }

    ngx_http_ai_zone_unlock(zone);

    account = zone->conf->accounts.elts;

    for (i = 0; i < zone->conf->accounts.nelts; i++) {

        ngx_http_ai_zone_lock(zone);
        prepared = ngx_http_ai_health_prepare_locked(zone, account[i]);
        ngx_http_ai_zone_unlock(zone);

        switch (prepared) {

        case NGX_HTTP_AI_PREPARED:
            break;

        case NGX_HTTP_AI_PREPARED_OTHER_LIMIT:
            ngx_log_error(NGX_LOG_NOTICE, log, 0,
                          "ai account \"%V\" has other limits than before, "
                          "the same share of them is left",
                          &account[i]->name);
            break;

        default: /* NGX_HTTP_AI_PREPARED_FULL */
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_http_ai_prepared_e
ngx_http_ai_health_prepare_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account)
{
    ngx_http_ai_cell_t           scope;
    ngx_http_ai_account_node_t  *an;

    ngx_memzero(&scope, sizeof(ngx_http_ai_cell_t));
    scope.account = account;

    an = ngx_http_ai_health_make_locked(zone, &scope,
                                        NGX_HTTP_AI_NODE_ACCOUNT,
                                        sizeof(*an));
    if (an == NULL) {
        return NGX_HTTP_AI_PREPARED_FULL;
    }

    an->node.kept = 1;

    if (ngx_http_ai_health_other_rate(&account->limit.requests,
                                      &an->requests)
        || ngx_http_ai_health_other_rate(&account->limit.tokens,
                                         &an->tokens))
    {
        return NGX_HTTP_AI_PREPARED_OTHER_LIMIT;
    }

    return NGX_HTTP_AI_PREPARED;
}


static ngx_uint_t
ngx_http_ai_health_other_rate(const ngx_http_ai_rate_t *rate,
    const ngx_http_ai_rate_bucket_t *b)
{
    return rate->limit && b->limit
           && (rate->limit != b->limit || rate->period_ms != b->period_ms);
}


ngx_uint_t
ngx_http_ai_health_idle(const ngx_http_ai_node_t *node)
{
    return ((const ngx_http_ai_account_node_t *) node)->inflight == 0;
}
