
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_health_view.h"
#include "ngx_http_ai_health_nodes.h"
#include "pure/ngx_http_ai_endpoint.h"


#define NGX_HTTP_AI_HEALTH_SLICE  64       /* nodes looked at under one lock,
                                              a few bytes copied of each */


typedef struct {
    ngx_http_ai_health_ref_t   *refs;
    ngx_uint_t                  n;
} ngx_http_ai_health_refs_t;


static void ngx_http_ai_health_view_limits(
    ngx_http_ai_health_account_t *view);
static void ngx_http_ai_health_view_limited(
    ngx_http_ai_health_account_t *view, int64_t wait_ms,
    ngx_http_ai_verdict_e cause);
static void ngx_http_ai_health_view_cells_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_cell_t *cell, ngx_http_ai_nodes_t *nodes,
    ngx_http_ai_health_model_t *view);
static void ngx_http_ai_health_view_ref(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_t *node, void *data);
static void ngx_http_ai_health_view_count(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_t *node, void *data);


void
ngx_http_ai_health_view_account(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, ngx_http_ai_health_account_t *view)
{
    ngx_http_ai_cell_t               cell;
    ngx_http_ai_nodes_t              nodes;
    ngx_http_ai_account_node_t      *an;

    ngx_memzero(view, sizeof(ngx_http_ai_health_account_t));
    ngx_memzero(&nodes, sizeof(ngx_http_ai_nodes_t));
    ngx_memzero(&cell, sizeof(ngx_http_ai_cell_t));

    cell.account = account;

    ngx_http_ai_zone_lock(zone);

    an = (ngx_http_ai_account_node_t *)
         ngx_http_ai_zone_lookup_locked(zone, NGX_HTTP_AI_NODE_ACCOUNT,
                                        account->hash);
    nodes.account = an;

    ngx_http_ai_health_look_locked(&nodes, &cell, &view->health);

    if (an) {
        view->operate = an->operate;
        view->breaker = an->breaker;
        view->checked = an->checked;
        view->check = an->check;
        view->found = an->found;
    }

    ngx_http_ai_health_limits_locked(zone, an, account, &view->limits);

    ngx_http_ai_zone_unlock(zone);

    ngx_http_ai_health_view_limits(view);
}


/* would they hold back the smallest request there is? */

static void
ngx_http_ai_health_view_limits(ngx_http_ai_health_account_t *view)
{
    int64_t                      resets, now_ms;
    ngx_uint_t                   i;
    ngx_http_ai_limits_t        *l;
    ngx_http_ai_health_t        *health;
    ngx_http_ai_budget_state_t  *s;

    l = &view->limits;
    health = &view->health;

    if (health->state != NGX_HTTP_AI_HEALTH_OPEN) {
        return;
    }

    if (l->concurrent && l->inflight >= l->concurrent) {
        ngx_http_ai_health_view_limited(view, NGX_HTTP_AI_SOON,
                                        NGX_HTTP_AI_RATE_LIMIT);
    }

    if (l->requests->limit) {
        ngx_http_ai_health_view_limited(view,
                        ngx_http_ai_rate_wait(l->requests, &l->left_requests,
                                              ngx_current_msec, 1),
                        NGX_HTTP_AI_RATE_LIMIT);
    }

    if (l->tokens->limit) {
        ngx_http_ai_health_view_limited(view,
                        ngx_http_ai_rate_wait(l->tokens, &l->left_tokens,
                                              ngx_current_msec, 1),
                        NGX_HTTP_AI_RATE_LIMIT);
    }

    for (i = 0; i < l->nbudgets; i++) {

        s = &l->spent[l->budgets[i].per - 1];

        if (s->reserved_nanousd < l->budgets[i].limit_nanousd
                                  - s->spent_nanousd)
        {
            continue;
        }

        resets = ngx_http_ai_budget_resets(l->budgets[i].per, ngx_time());

        now_ms = ngx_http_ai_zone_time(ngx_max(ngx_current_msec, 1));

        ngx_http_ai_health_view_limited(view,
                                        resets == NGX_HTTP_AI_BUDGET_NEVER
                                        ? NGX_HTTP_AI_RATE_WAIT_MAX
                                        : resets * 1000 - now_ms,
                                        NGX_HTTP_AI_QUOTA_EXHAUSTED);
    }
}


static void
ngx_http_ai_health_view_limited(ngx_http_ai_health_account_t *view,
    int64_t wait_ms, ngx_http_ai_verdict_e cause)
{
    if (wait_ms > 0) {
        ngx_http_ai_health_worse(&view->health, NGX_HTTP_AI_HEALTH_LIMITED,
                                 cause, ngx_current_msec + wait_ms);
    }
}


ngx_int_t
ngx_http_ai_health_view_model(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, const ngx_http_ai_health_ref_t *ref,
    ngx_http_ai_health_model_t *view)
{
    ngx_http_ai_cell_t         cell;
    ngx_http_ai_nodes_t        nodes;
    ngx_http_ai_model_node_t  *mn;

    ngx_memzero(&cell, sizeof(ngx_http_ai_cell_t));

    cell.account = account;
    cell.model = &view->name;

    view->ncells = 0;
    view->name.data = view->text;

    ngx_http_ai_zone_lock(zone);

    mn = (ngx_http_ai_model_node_t *)
         ngx_http_ai_zone_lookup_locked(zone, NGX_HTTP_AI_NODE_MODEL,
                                        ref->key);
    if (mn == NULL) {
        ngx_http_ai_zone_unlock(zone);
        return NGX_DECLINED;
    }

    nodes.account = (ngx_http_ai_account_node_t *)
                    ngx_http_ai_zone_lookup_locked(zone,
                                                   NGX_HTTP_AI_NODE_ACCOUNT,
                                                   account->hash);
    nodes.model = mn;
    nodes.cell = NULL;

    view->operate = mn->operate;
    view->headroom = mn->headroom;
    view->name.len = mn->len;
    ngx_memcpy(view->text, mn->name, mn->len);

    ngx_http_ai_health_look_locked(&nodes, &cell, &view->health);

    cell.model_hash = ngx_http_ai_zone_hash(&view->name);

    ngx_http_ai_health_view_cells_locked(zone, &cell, &nodes, view);

    ngx_http_ai_zone_unlock(zone);

    return NGX_OK;
}


static void
ngx_http_ai_health_view_cells_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_cell_t *cell, ngx_http_ai_nodes_t *nodes,
    ngx_http_ai_health_model_t *view)
{
    ngx_http_ai_cell_node_t    *cn;
    ngx_http_ai_health_cell_t  *seen;

    for (cell->family = 1;
         cell->family <= NGX_HTTP_AI_EP_LAST;
         cell->family <<= 1)
    {
        for (cell->stream = 0; cell->stream <= 1; cell->stream++) {

            if (!(nodes->model->cells
                  & ngx_http_ai_health_bit(cell->family, cell->stream)))
            {
                continue;
            }

            cn = (ngx_http_ai_cell_node_t *)
                 ngx_http_ai_zone_lookup_locked(zone, NGX_HTTP_AI_NODE_CELL,
                        ngx_http_ai_health_key(cell, NGX_HTTP_AI_NODE_CELL));

            if (cn == NULL) {
                continue;
            }

            nodes->cell = cn;
            seen = &view->cells[view->ncells++];

            seen->family = cell->family;
            seen->stream = cell->stream;
            seen->operate = cn->operate;
            seen->breaker = cn->breaker;
            seen->stats = cn->stats;

            ngx_http_ai_health_look_locked(nodes, cell, &seen->health);
        }
    }
}


ngx_uint_t
ngx_http_ai_health_view_models(ngx_http_ai_zone_t *zone,
    ngx_http_ai_health_ref_t *refs, ngx_uint_t most)
{
    ngx_int_t                  rc;
    ngx_http_ai_walk_t         walk;
    ngx_http_ai_health_refs_t  found;

    ngx_memzero(&walk, sizeof(ngx_http_ai_walk_t));

    found.refs = refs;
    found.n = 0;

    do {
        rc = ngx_http_ai_zone_walk(zone, NGX_HTTP_AI_NODE_MODEL, &walk,
                                   ngx_min(most - found.n,
                                           NGX_HTTP_AI_HEALTH_SLICE),
                                   ngx_http_ai_health_view_ref, &found);

    } while (rc == NGX_AGAIN && found.n < most);

    return found.n;
}


static void
ngx_http_ai_health_view_ref(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_t *node, void *data)
{
    ngx_http_ai_health_refs_t *found = data;

    ngx_http_ai_health_ref_t  *ref;

    ref = &found->refs[found->n++];

    ref->key = node->key;
    ref->owner = node->owner;
}


ngx_uint_t
ngx_http_ai_health_view_inflight(ngx_http_ai_zone_t *zone)
{
    ngx_int_t           rc;
    ngx_uint_t          n;
    ngx_http_ai_walk_t  walk;

    ngx_memzero(&walk, sizeof(ngx_http_ai_walk_t));

    n = 0;

    do {
        rc = ngx_http_ai_zone_walk(zone, NGX_HTTP_AI_NODE_ACCOUNT, &walk,
                                   NGX_HTTP_AI_HEALTH_SLICE,
                                   ngx_http_ai_health_view_count, &n);

    } while (rc == NGX_AGAIN);

    return n;
}


static void
ngx_http_ai_health_view_count(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_t *node, void *data)
{
    ngx_uint_t *n = data;

    *n += ((ngx_http_ai_account_node_t *) node)->inflight;
}
