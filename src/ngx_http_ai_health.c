
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* the gate: who may be used, and what is counted while it is */


#include "ngx_http_ai_health_nodes.h"


static ngx_int_t ngx_http_ai_health_admit_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, const ngx_http_ai_demand_t *demand,
    ngx_http_ai_enter_e how, ngx_http_ai_pass_t *pass,
    ngx_http_ai_health_t *health);
static void ngx_http_ai_health_yield_locked(const ngx_http_ai_nodes_t *nodes,
    const ngx_http_ai_demand_t *demand, ngx_http_ai_health_t *health);
static ngx_http_ai_model_node_t *ngx_http_ai_health_model_locked(
    ngx_http_ai_zone_t *zone, const ngx_http_ai_cell_t *cell);
static uint32_t ngx_http_ai_health_cells_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *model);
static void ngx_http_ai_health_name_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_node_t *node);
static void ngx_http_ai_health_cooling(const ngx_http_ai_cooling_t *c,
    const ngx_http_ai_account_t *account, ngx_http_ai_health_t *health);
static void ngx_http_ai_health_breaker(const ngx_http_ai_breaker_t *b,
    const ngx_http_ai_account_t *account, ngx_http_ai_verdict_e cause,
    ngx_http_ai_health_t *health);


/* by ngx_http_ai_health_e */

static const ngx_str_t  ngx_http_ai_health_names[] = {
    ngx_string("open"),
    ngx_string("probing"),
    ngx_string("cooling"),
    ngx_string("closed"),
    ngx_string("tripped"),
    ngx_string("limited"),
    ngx_string("stopped")
};


const ngx_str_t *
ngx_http_ai_health_name(ngx_http_ai_health_e state)
{
    return &ngx_http_ai_health_names[state];
}


void
ngx_http_ai_health_check(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, const ngx_http_ai_demand_t *demand,
    ngx_http_ai_health_t *health)
{
    ngx_http_ai_nodes_t  nodes;

    ngx_http_ai_zone_lock(zone);

    ngx_http_ai_health_find_locked(zone, cell, &nodes);
    ngx_http_ai_health_look_locked(&nodes, cell, health);
    ngx_http_ai_health_yield_locked(&nodes, demand, health);

    if (nodes.account && health->state == NGX_HTTP_AI_HEALTH_OPEN) {
        ngx_http_ai_health_limited_locked(zone, nodes.account, cell, demand,
                                          health);
    }

    ngx_http_ai_zone_unlock(zone);
}


ngx_int_t
ngx_http_ai_health_enter(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, const ngx_http_ai_demand_t *demand,
    ngx_http_ai_enter_e how, ngx_http_ai_pass_t *pass,
    ngx_http_ai_health_t *health)
{
    ngx_int_t  rc;

    ngx_memzero(pass, sizeof(ngx_http_ai_pass_t));

    pass->claim = demand->claim;
    pass->started = ngx_current_msec;
    pass->credential = cell->account->credential_hash;
    pass->id = (uint64_t) ngx_pid << 32 | ((uint32_t) ngx_random() | 1);

    ngx_http_ai_zone_lock(zone);

    rc = ngx_http_ai_health_admit_locked(zone, cell, demand, how, pass,
                                         health);
    ngx_http_ai_zone_unlock(zone);

    if (rc != NGX_OK && pass->probe) {
        /* a limit stood behind the breaker: the probe goes back */
        ngx_http_ai_health_nothing(zone, cell, pass);
    }

    return rc;
}


static ngx_int_t
ngx_http_ai_health_admit_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, const ngx_http_ai_demand_t *demand,
    ngx_http_ai_enter_e how, ngx_http_ai_pass_t *pass,
    ngx_http_ai_health_t *health)
{
    ngx_int_t                    rc;
    ngx_uint_t                   kept;
    ngx_http_ai_nodes_t          nodes;
    ngx_http_ai_account_node_t  *an;

    ngx_http_ai_health_find_locked(zone, cell, &nodes);
    an = nodes.account;

    ngx_http_ai_health_look_locked(&nodes, cell, health);

    if (health->probed && ngx_http_ai_health_lost_locked(&nodes, cell)) {
        ngx_http_ai_health_look_locked(&nodes, cell, health);
    }

    ngx_http_ai_health_yield_locked(&nodes, demand, health);

    if (health->state == NGX_HTTP_AI_HEALTH_PROBE
        || (how != NGX_HTTP_AI_ENTER_DUE && !health->barred
            && health->state == NGX_HTTP_AI_HEALTH_TRIPPED))
    {
        if (ngx_http_ai_health_probe_locked(&nodes,
                                            how != NGX_HTTP_AI_ENTER_DUE,
                                            demand->life, pass)
            != NGX_OK
            && how != NGX_HTTP_AI_ENTER_AGAIN)
        {
            return NGX_BUSY;
        }

    } else if (health->state != NGX_HTTP_AI_HEALTH_OPEN) {
        return NGX_BUSY;
    }

    if (an == NULL) {
        /* that of a cycle before: its account is not in the zone any more */
        pass->inside = 1;
        return NGX_OK;
    }

    /* one of a cycle before: making its purse must not cost this node */

    kept = an->node.kept;
    an->node.kept = 1;

    rc = ngx_http_ai_health_reserve_locked(zone, an, cell, demand, pass,
                                           health);
    an->node.kept = kept;

    if (rc != NGX_OK) {
        return NGX_BUSY;
    }

    an->inflight++;
    pass->claim->account = an->node.key;
    pass->inside = 1;

    return NGX_OK;
}


ngx_uint_t
ngx_http_ai_health_lost_locked(ngx_http_ai_nodes_t *nodes,
    const ngx_http_ai_cell_t *cell)
{
    ngx_uint_t               i, lost;
    ngx_http_ai_cooling_t   *c;
    ngx_http_ai_breaker_t   *b[2];
    ngx_http_ai_pass_t       pass;

    lost = 0;
    b[0] = nodes->account ? &nodes->account->breaker : NULL;
    b[1] = nodes->cell ? &nodes->cell->breaker : NULL;

    for (i = 0; i < 2; i++) {

        if (b[i] && b[i]->probe
            && ngx_http_ai_zone_gone((ngx_pid_t) (b[i]->probe >> 32)))
        {
            lost = 1;

            pass.started = ngx_current_msec;
            pass.id = b[i]->probe;
            pass.probe = 1;

            (void) ngx_http_ai_health_count(b[i], cell, &pass,
                                            NGX_HTTP_AI_BREAKER_NEUTRAL, -1);
        }
    }

    c = nodes->account ? &nodes->account->cooling : NULL;

    if (c && c->active && c->closed
        && ngx_http_ai_health_later(c->probe, ngx_current_msec)
        && ngx_http_ai_zone_gone(c->prober))
    {
        lost = 1;
        c->probe = ngx_current_msec;
    }

    return lost;
}


void
ngx_http_ai_health_look_locked(const ngx_http_ai_nodes_t *nodes,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_health_t *health)
{
    ngx_http_ai_account_node_t  *an;

    an = nodes->account;

    health->state = NGX_HTTP_AI_HEALTH_OPEN;
    health->cause = NGX_HTTP_AI_OK;
    health->until = ngx_current_msec;
    health->percent = 100;
    health->probed = 0;
    health->barred = 0;

    if ((an && an->operate != NGX_HTTP_AI_OPERATE_ENABLE)
        || (nodes->model
            && nodes->model->operate != NGX_HTTP_AI_OPERATE_ENABLE)
        || (nodes->cell
            && nodes->cell->operate != NGX_HTTP_AI_OPERATE_ENABLE))
    {
        health->state = NGX_HTTP_AI_HEALTH_STOPPED;
        health->cause = NGX_HTTP_AI_OVERLOADED;
        return;
    }

    if (an) {
        ngx_http_ai_health_cooling(&an->cooling, cell->account, health);
        ngx_http_ai_health_breaker(&an->breaker, cell->account,
                                   NGX_HTTP_AI_CONNECT, health);
    }

    if (nodes->model) {
        ngx_http_ai_health_cooling(&nodes->model->cooling, cell->account,
                                   health);

        health->percent = ngx_min(health->percent,
                     ngx_http_ai_headroom_percent(&nodes->model->headroom,
                                                  ngx_current_msec));
    }

    if (nodes->cell) {
        ngx_http_ai_health_breaker(&nodes->cell->breaker, cell->account,
                                   NGX_HTTP_AI_SERVER_ERROR, health);
    }
}


/* what the provider says is left belongs to those who yield less */

static void
ngx_http_ai_health_yield_locked(const ngx_http_ai_nodes_t *nodes,
    const ngx_http_ai_demand_t *demand, ngx_http_ai_health_t *health)
{
    int64_t  reset;

    if (demand->yield == 0 || nodes->model == NULL) {
        return;
    }

    if (ngx_http_ai_headroom_left(&nodes->model->headroom, ngx_current_msec,
                                  &reset)
        < demand->yield)
    {
        ngx_http_ai_health_worse(health, NGX_HTTP_AI_HEALTH_LIMITED,
                                 NGX_HTTP_AI_RATE_LIMIT,
                                 ngx_current_msec + reset);
    }
}


static void
ngx_http_ai_health_cooling(const ngx_http_ai_cooling_t *c,
    const ngx_http_ai_account_t *account, ngx_http_ai_health_t *health)
{
    ngx_msec_t  now;

    now = ngx_current_msec;

    if (!c->active) {
        return;
    }

    if (!c->closed) {
        if (ngx_http_ai_health_later(c->until, now)) {
            ngx_http_ai_health_worse(health, NGX_HTTP_AI_HEALTH_COOLING,
                                     c->cause, c->until);
        }

        return;
    }

    if (c->credential != account->credential_hash) {
        /* another credential stands there now */
        return;
    }

    if (ngx_http_ai_health_later(c->until, now)) {
        ngx_http_ai_health_worse(health, NGX_HTTP_AI_HEALTH_CLOSED, c->cause,
                                 c->until);

    } else if (ngx_http_ai_health_later(c->probe, now)) {
        health->probed = 1;
        ngx_http_ai_health_worse(health, NGX_HTTP_AI_HEALTH_CLOSED, c->cause,
                                 now + NGX_HTTP_AI_SOON);

    } else {
        ngx_http_ai_health_worse(health, NGX_HTTP_AI_HEALTH_PROBE, c->cause,
                                 now);
    }
}


static void
ngx_http_ai_health_breaker(const ngx_http_ai_breaker_t *b,
    const ngx_http_ai_account_t *account, ngx_http_ai_verdict_e cause,
    ngx_http_ai_health_t *health)
{
    ngx_http_ai_breaker_view_t  view;

    ngx_http_ai_breaker_check(b, &account->breaker, ngx_current_msec, &view);

    switch (view.gate) {

    case NGX_HTTP_AI_BREAKER_ALLOW:
        health->percent = ngx_min(health->percent, view.weight);
        return;

    case NGX_HTTP_AI_BREAKER_PROBE_DUE:
        ngx_http_ai_health_worse(health, NGX_HTTP_AI_HEALTH_PROBE, cause,
                                 ngx_current_msec);
        return;

    default: /* NGX_HTTP_AI_BREAKER_REFUSE */

        if (view.state == NGX_HTTP_AI_BREAKER_HALF_OPEN) {
            /* its end will tell, and that may be soon */
            health->probed = 1;
            view.until = ngx_current_msec + NGX_HTTP_AI_SOON;
        }

        ngx_http_ai_health_worse(health, NGX_HTTP_AI_HEALTH_TRIPPED, cause,
                                 view.until);
    }
}


void
ngx_http_ai_health_worse(ngx_http_ai_health_t *health,
    ngx_http_ai_health_e state, ngx_http_ai_verdict_e cause, ngx_msec_t until)
{
    if (state != NGX_HTTP_AI_HEALTH_PROBE
        && state != NGX_HTTP_AI_HEALTH_TRIPPED)
    {
        health->barred = 1;
    }

    if (health->state == NGX_HTTP_AI_HEALTH_OPEN
        || (state != NGX_HTTP_AI_HEALTH_PROBE
            && (health->state == NGX_HTTP_AI_HEALTH_PROBE
                || ngx_http_ai_health_later(until, health->until))))
    {
        health->state = state;
        health->cause = cause;
        health->until = until;
    }
}


ngx_int_t
ngx_http_ai_health_probe_locked(ngx_http_ai_nodes_t *nodes, ngx_uint_t early,
    ngx_msec_t life, ngx_http_ai_pass_t *pass)
{
    ngx_int_t               rc;
    ngx_uint_t              i;
    ngx_msec_t              now, until;
    ngx_http_ai_cooling_t  *c;
    ngx_http_ai_breaker_t  *b[2];

    now = ngx_current_msec;
    until = now + life + NGX_HTTP_AI_SOON;

    b[0] = nodes->account ? &nodes->account->breaker : NULL;
    b[1] = nodes->cell ? &nodes->cell->breaker : NULL;

    for (i = 0; i < 2; i++) {

        if (b[i] == NULL) {
            continue;
        }

        rc = ngx_http_ai_breaker_claim(b[i], now, until, pass->id);

        if (rc == NGX_BUSY && early && ngx_http_ai_health_early(b[i])) {
            rc = ngx_http_ai_breaker_claim_early(b[i], now, until, pass->id);
        }

        if (rc == NGX_OK) {
            pass->probe = 1;

        } else if (rc != NGX_DECLINED) {
            return NGX_BUSY;
        }
    }

    c = nodes->account ? &nodes->account->cooling : NULL;

    if (c && c->active && c->closed) {
        c->probe = until;
        c->prober = ngx_pid;
        pass->probe = 1;
    }

    return NGX_OK;
}


void
ngx_http_ai_health_leave(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_pass_t *pass, int64_t tokens,
    int64_t nanousd)
{
    ngx_http_ai_account_node_t  *an;

    if (!pass->inside) {
        return;
    }

    pass->inside = 0;

    ngx_http_ai_zone_lock(zone);

    an = (ngx_http_ai_account_node_t *)
         ngx_http_ai_zone_find_locked(zone, NGX_HTTP_AI_NODE_ACCOUNT,
                    ngx_http_ai_health_key(cell, NGX_HTTP_AI_NODE_ACCOUNT));

    if (an) {
        ngx_http_ai_health_settle_locked(zone, an, cell, pass, tokens,
                                         nanousd);
    }

    ngx_http_ai_health_return_locked(zone, pass->claim);

    ngx_http_ai_zone_unlock(zone);
}


void
ngx_http_ai_health_return_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_claim_t *claim)
{
    ngx_http_ai_account_node_t  *an;

    if (claim->account == 0) {
        return;
    }

    /* still there: the worker died while the account was at work for it */

    ngx_http_ai_purse_settle_locked(zone, &claim->account_money,
                                    claim->account_money.nanousd);

    an = (ngx_http_ai_account_node_t *)
         ngx_http_ai_zone_find_locked(zone, NGX_HTTP_AI_NODE_ACCOUNT,
                                      claim->account);

    if (an && an->inflight) {
        an->inflight--;
    }

    claim->account = 0;
}


void
ngx_http_ai_health_headroom(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, const ngx_http_ai_headroom_feed_t *feed)
{
    ngx_http_ai_model_node_t  *mn;

    ngx_http_ai_zone_lock(zone);

    mn = ngx_http_ai_health_make_locked(zone, cell, NGX_HTTP_AI_NODE_MODEL,
                                        sizeof(ngx_http_ai_model_node_t));
    if (mn) {
        ngx_http_ai_headroom_update(&mn->headroom, feed, ngx_current_msec);
    }

    ngx_http_ai_zone_unlock(zone);
}


void
ngx_http_ai_health_peer_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_pick_peer_t *peer)
{
    ngx_http_ai_nodes_t   nodes;
    ngx_http_ai_health_t  health;

    ngx_http_ai_health_find_locked(zone, cell, &nodes);
    ngx_http_ai_health_look_locked(&nodes, cell, &health);

    peer->percent = health.percent;
    peer->inflight = nodes.account ? nodes.account->inflight : 0;
    peer->hash = ngx_http_ai_health_key(cell, NGX_HTTP_AI_NODE_MODEL);
    peer->price = NGX_HTTP_AI_PICK_NO_PRICE;
    peer->time_us = nodes.cell ? ngx_http_ai_pick_ewma(&nodes.cell->time,
                                                       peer->inflight,
                                                       ngx_current_msec,
                                                       NGX_HTTP_AI_EWMA_HALF)
                               : 0;
}


ngx_uint_t
ngx_http_ai_health_inflight_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_account_t *account)
{
    ngx_http_ai_account_node_t  *an;

    /* an account's hash is its node's key */

    an = (ngx_http_ai_account_node_t *)
         ngx_http_ai_zone_find_locked(zone, NGX_HTTP_AI_NODE_ACCOUNT,
                                      account->hash);

    return an ? an->inflight : 0;
}


void
ngx_http_ai_health_find_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_nodes_t *nodes)
{
    nodes->account = (ngx_http_ai_account_node_t *)
        ngx_http_ai_zone_find_locked(zone, NGX_HTTP_AI_NODE_ACCOUNT,
                     ngx_http_ai_health_key(cell, NGX_HTTP_AI_NODE_ACCOUNT));

    nodes->model = NULL;
    nodes->cell = NULL;

    if (cell->model == NULL) {
        return;
    }

    nodes->model = (ngx_http_ai_model_node_t *)
        ngx_http_ai_zone_find_locked(zone, NGX_HTTP_AI_NODE_MODEL,
                       ngx_http_ai_health_key(cell, NGX_HTTP_AI_NODE_MODEL));

    nodes->cell = (ngx_http_ai_cell_node_t *)
        ngx_http_ai_zone_find_locked(zone, NGX_HTTP_AI_NODE_CELL,
                        ngx_http_ai_health_key(cell, NGX_HTTP_AI_NODE_CELL));
}


void *
ngx_http_ai_health_make_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_node_e kind, size_t size)
{
    ngx_http_ai_node_t  *node;

    if (kind == NGX_HTTP_AI_NODE_MODEL) {
        return ngx_http_ai_health_model_locked(zone, cell);
    }

    node = ngx_http_ai_zone_make_locked(zone, kind,
                                        ngx_http_ai_health_key(cell, kind),
                                        size);
    if (node == NULL) {
        return NULL;
    }

    if (node->owner == 0) {
        node->owner = cell->account->hash;

        if (kind == NGX_HTTP_AI_NODE_CELL) {
            ngx_http_ai_health_name_locked(zone, cell, node);
        }
    }

    return node;
}


static ngx_http_ai_model_node_t *
ngx_http_ai_health_model_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell)
{
    size_t                     len;
    ngx_http_ai_model_node_t  *mn;

    len = ngx_min(cell->model->len, NGX_HTTP_AI_MAX_MODEL);

    mn = (ngx_http_ai_model_node_t *)
         ngx_http_ai_zone_make_locked(zone, NGX_HTTP_AI_NODE_MODEL,
                        ngx_http_ai_health_key(cell, NGX_HTTP_AI_NODE_MODEL),
                        sizeof(ngx_http_ai_model_node_t) + len);

    if (mn && mn->node.owner == 0) {
        mn->node.owner = cell->account->hash;
        mn->len = len;
        ngx_memcpy(mn->name, cell->model->data, len);
        mn->cells = ngx_http_ai_health_cells_locked(zone, cell);
    }

    return mn;
}


/* a model's node may have been evicted before those of its cells */

static uint32_t
ngx_http_ai_health_cells_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *model)
{
    uint32_t            bits;
    ngx_http_ai_cell_t  cell;

    bits = 0;
    cell = *model;

    for (cell.family = 1;
         cell.family <= NGX_HTTP_AI_EP_LAST;
         cell.family <<= 1)
    {
        for (cell.stream = 0; cell.stream <= 1; cell.stream++) {

            if (ngx_http_ai_zone_lookup_locked(zone, NGX_HTTP_AI_NODE_CELL,
                       ngx_http_ai_health_key(&cell, NGX_HTTP_AI_NODE_CELL)))
            {
                bits |= ngx_http_ai_health_bit(cell.family, cell.stream);
            }
        }
    }

    return bits;
}


/* making room for the model's node must not cost the cell's */

static void
ngx_http_ai_health_name_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_node_t *node)
{
    ngx_uint_t                 kept;
    ngx_http_ai_model_node_t  *mn;

    kept = node->kept;
    node->kept = 1;

    mn = ngx_http_ai_health_model_locked(zone, cell);

    node->kept = kept;

    if (mn) {
        mn->cells |= ngx_http_ai_health_bit(cell->family, cell->stream);
    }
}


/* of the parts that make up a cell nothing is left to be seen in its key */

uint64_t
ngx_http_ai_health_key(const ngx_http_ai_cell_t *cell,
    ngx_http_ai_node_e kind)
{
    uint64_t  key;

    key = cell->account->hash;

    if (kind == NGX_HTTP_AI_NODE_ACCOUNT) {
        return key;
    }

    if (kind == NGX_HTTP_AI_NODE_CELL) {
        key |= (uint64_t) (2 * cell->family + cell->stream) << 32;
    }

    /* the finalizer of splitmix64 */

    key = (key ^ (key >> 30)) * 0xbf58476d1ce4e5b9;
    key = (key ^ (key >> 27)) * 0x94d049bb133111eb;

    return key ^ (key >> 31) ^ cell->model_hash;
}
