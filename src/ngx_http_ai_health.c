
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* the gate: who may be used, and what is counted while it is */


#include "ngx_http_ai_health_nodes.h"


#define NGX_HTTP_AI_PROBE_TIME     120000      /* ms; then a probe is lost */
#define NGX_HTTP_AI_SWEEP          20          /* ms between two looks for
                                                  dead workers */
#define NGX_HTTP_AI_SOON           1000        /* ms; when what is in flight
                                                  may have ended */


static void ngx_http_ai_health_limited_locked(
    ngx_http_ai_account_node_t *an, const ngx_http_ai_cell_t *cell,
    int64_t tokens, ngx_http_ai_health_t *health);
static ngx_uint_t ngx_http_ai_health_lost_locked(ngx_http_ai_nodes_t *nodes,
    const ngx_http_ai_cell_t *cell);
static ngx_uint_t ngx_http_ai_health_gone(ngx_pid_t pid);
static void ngx_http_ai_health_look_locked(const ngx_http_ai_nodes_t *nodes,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_health_t *health);
static void ngx_http_ai_health_cooling(const ngx_http_ai_cooling_t *c,
    const ngx_http_ai_account_t *account, ngx_http_ai_health_t *health);
static void ngx_http_ai_health_breaker(const ngx_http_ai_breaker_t *b,
    const ngx_http_ai_account_t *account, ngx_http_ai_verdict_e cause,
    ngx_http_ai_health_t *health);
static void ngx_http_ai_health_worse(ngx_http_ai_health_t *health,
    ngx_http_ai_health_e state, ngx_http_ai_verdict_e cause,
    ngx_msec_t until);
static ngx_int_t ngx_http_ai_health_probe_locked(ngx_http_ai_nodes_t *nodes,
    ngx_uint_t early, ngx_http_ai_pass_t *pass);
static ngx_int_t ngx_http_ai_health_limits_locked(
    ngx_http_ai_account_node_t *an, const ngx_http_ai_cell_t *cell,
    int64_t tokens, ngx_http_ai_pass_t *pass, ngx_http_ai_health_t *health);
static void ngx_http_ai_health_inflight_locked(
    ngx_http_ai_account_node_t *an, ngx_int_t n);
static void ngx_http_ai_health_sweep_locked(ngx_http_ai_account_node_t *an);


void
ngx_http_ai_health_check(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, int64_t tokens,
    ngx_http_ai_health_t *health)
{
    ngx_http_ai_nodes_t  nodes;

    ngx_http_ai_zone_lock(zone);

    ngx_http_ai_health_find_locked(zone, cell, &nodes);
    ngx_http_ai_health_look_locked(&nodes, cell, health);

    if (nodes.account && health->state == NGX_HTTP_AI_HEALTH_OPEN) {
        ngx_http_ai_health_limited_locked(nodes.account, cell, tokens,
                                          health);
    }

    ngx_http_ai_zone_unlock(zone);
}


/* would the account's own limit hold one more request back? */

static void
ngx_http_ai_health_limited_locked(ngx_http_ai_account_node_t *an,
    const ngx_http_ai_cell_t *cell, int64_t tokens,
    ngx_http_ai_health_t *health)
{
    int64_t                          wait;
    ngx_msec_t                       now;
    const ngx_http_ai_limit_conf_t  *limit;

    wait = 0;
    now = ngx_current_msec;
    limit = &cell->account->limit;

    if (limit->concurrent && an->inflight >= limit->concurrent) {
        wait = NGX_HTTP_AI_SOON;
    }

    if (limit->requests.limit) {
        wait = ngx_max(wait, ngx_http_ai_rate_wait(&limit->requests,
                                                   &an->requests, now, 1));
    }

    if (limit->tokens.limit) {
        tokens = ngx_min(tokens, limit->tokens.limit);
        wait = ngx_max(wait, ngx_http_ai_rate_wait(&limit->tokens,
                                                   &an->tokens, now,
                                                   tokens));
    }

    if (wait > 0) {
        ngx_http_ai_health_worse(health, NGX_HTTP_AI_HEALTH_LIMITED,
                                 NGX_HTTP_AI_RATE_LIMIT, now + wait);
    }
}


ngx_int_t
ngx_http_ai_health_enter(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, int64_t tokens, ngx_uint_t early,
    ngx_http_ai_pass_t *pass, ngx_http_ai_health_t *health)
{
    ngx_int_t                    rc;
    ngx_http_ai_nodes_t          nodes;
    ngx_http_ai_account_node_t  *an;

    ngx_memzero(pass, sizeof(ngx_http_ai_pass_t));

    pass->started = ngx_current_msec;
    pass->credential = cell->account->credential_hash;
    pass->id = (uint64_t) ngx_pid << 32 | ((uint32_t) ngx_random() | 1);

    ngx_http_ai_zone_lock(zone);

    /* in flight and limits live in it, so it is made at the first request */

    an = ngx_http_ai_health_make_locked(zone, cell, NGX_HTTP_AI_NODE_ACCOUNT,
                                        sizeof(ngx_http_ai_account_node_t));

    ngx_http_ai_health_find_locked(zone, cell, &nodes);
    ngx_http_ai_health_look_locked(&nodes, cell, health);

    if (health->probed && ngx_http_ai_health_lost_locked(&nodes, cell)) {
        ngx_http_ai_health_look_locked(&nodes, cell, health);
    }

    if (an) {
        ngx_http_ai_health_sweep_locked(an);
    }

    rc = NGX_OK;

    if (health->state == NGX_HTTP_AI_HEALTH_PROBE
        || (early && health->state == NGX_HTTP_AI_HEALTH_TRIPPED))
    {
        rc = ngx_http_ai_health_probe_locked(&nodes, early, pass);

    } else if (health->state != NGX_HTTP_AI_HEALTH_OPEN) {
        rc = NGX_BUSY;
    }

    if (rc == NGX_OK && an) {
        rc = ngx_http_ai_health_limits_locked(an, cell, tokens, pass, health);
    }

    if (rc == NGX_OK) {
        pass->inside = 1;

        if (an) {
            ngx_http_ai_health_inflight_locked(an, 1);
        }
    }

    ngx_http_ai_zone_unlock(zone);

    if (rc != NGX_OK && pass->probe) {
        /* a limit stood behind the breaker: the probe goes back */
        ngx_http_ai_health_record(zone, cell, pass,
                                  NGX_HTTP_AI_CLIENT_CLOSED, -1, -1);
    }

    return rc;
}


/* 1: a probe was out whose worker is no more, and is given back */

static ngx_uint_t
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
            && ngx_http_ai_health_gone((ngx_pid_t) (b[i]->probe >> 32)))
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
        && ngx_http_ai_health_gone(c->prober))
    {
        lost = 1;
        c->probe = ngx_current_msec;
    }

    return lost;
}


static ngx_uint_t
ngx_http_ai_health_gone(ngx_pid_t pid)
{
    return pid != ngx_pid && kill(pid, 0) == -1 && ngx_errno == NGX_ESRCH;
}


static void
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

    if (an) {
        if (an->operate != NGX_HTTP_AI_OPERATE_ENABLE) {
            health->state = NGX_HTTP_AI_HEALTH_STOPPED;
            health->cause = NGX_HTTP_AI_OVERLOADED;
            return;
        }

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


/*
 * What keeps a cell away longest decides; a probe may be due only where
 * nothing else keeps it away.
 */

static void
ngx_http_ai_health_worse(ngx_http_ai_health_t *health,
    ngx_http_ai_health_e state, ngx_http_ai_verdict_e cause, ngx_msec_t until)
{
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


/* every breaker or closure that waits for a probe gives it to this pass */

static ngx_int_t
ngx_http_ai_health_probe_locked(ngx_http_ai_nodes_t *nodes, ngx_uint_t early,
    ngx_http_ai_pass_t *pass)
{
    ngx_int_t               rc;
    ngx_uint_t              i;
    ngx_msec_t              now, until;
    ngx_http_ai_cooling_t  *c;
    ngx_http_ai_breaker_t  *b[2];

    now = ngx_current_msec;
    until = now + NGX_HTTP_AI_PROBE_TIME;

    b[0] = nodes->account ? &nodes->account->breaker : NULL;
    b[1] = nodes->cell ? &nodes->cell->breaker : NULL;

    for (i = 0; i < 2; i++) {

        if (b[i] == NULL) {
            continue;
        }

        rc = ngx_http_ai_breaker_claim(b[i], now, until, pass->id);

        if (rc == NGX_BUSY && early
            && (b[i]->probes == 0
                || ngx_http_ai_health_later(now, b[i]->probe_since
                                                 + NGX_HTTP_AI_SOON)))
        {
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


static ngx_int_t
ngx_http_ai_health_limits_locked(ngx_http_ai_account_node_t *an,
    const ngx_http_ai_cell_t *cell, int64_t tokens, ngx_http_ai_pass_t *pass,
    ngx_http_ai_health_t *health)
{
    int64_t                          wait;
    ngx_msec_t                       now;
    const ngx_http_ai_limit_conf_t  *limit;

    now = ngx_current_msec;
    limit = &cell->account->limit;
    wait = -1;

    if (limit->concurrent && an->inflight >= limit->concurrent) {
        wait = NGX_HTTP_AI_SOON;
    }

    if (wait == -1 && limit->requests.limit
        && ngx_http_ai_rate_reserve(&limit->requests, &an->requests, now, 1)
           != NGX_OK)
    {
        wait = ngx_http_ai_rate_wait(&limit->requests, &an->requests, now, 1);
    }

    if (wait == -1 && limit->tokens.limit) {

        /* a request larger than the bucket may go when it is full */

        tokens = ngx_min(tokens, limit->tokens.limit);

        if (ngx_http_ai_rate_reserve(&limit->tokens, &an->tokens, now, tokens)
            == NGX_OK)
        {
            pass->tokens = tokens;

        } else {
            wait = ngx_http_ai_rate_wait(&limit->tokens, &an->tokens, now,
                                         tokens);

            if (limit->requests.limit) {
                ngx_http_ai_rate_refund(&limit->requests, &an->requests, now,
                                        1);
            }
        }
    }

    if (wait == -1) {
        return NGX_OK;
    }

    health->state = NGX_HTTP_AI_HEALTH_LIMITED;
    health->cause = NGX_HTTP_AI_RATE_LIMIT;
    health->until = now + ngx_max(wait, 1);

    return NGX_BUSY;
}


/* counts one more, or one less, request of this worker in flight */

static void
ngx_http_ai_health_inflight_locked(ngx_http_ai_account_node_t *an,
    ngx_int_t n)
{
    ngx_uint_t               i;
    ngx_http_ai_inflight_t  *w, *own;

    own = NULL;

    for (i = 0; i < NGX_HTTP_AI_MAX_WORKERS; i++) {

        w = &an->workers[i];

        if (w->pid == ngx_pid) {
            own = w;
            break;
        }

        if (w->pid == 0 && own == NULL) {
            own = w;
        }
    }

    if (own == NULL || (n < 0 && own->n == 0)) {
        return;
    }

    own->n += n;
    own->pid = own->n ? ngx_pid : 0;
    an->inflight += n;
}


/*
 * Takes back what workers had that are no more.  A system call for each
 * worker with requests in flight, so not for every request.
 */

static void
ngx_http_ai_health_sweep_locked(ngx_http_ai_account_node_t *an)
{
    ngx_uint_t               i;
    ngx_http_ai_inflight_t  *w;

    if (an->inflight == 0
        || ngx_current_msec - an->swept < NGX_HTTP_AI_SWEEP)
    {
        return;
    }

    an->swept = ngx_current_msec;

    for (i = 0; i < NGX_HTTP_AI_MAX_WORKERS; i++) {

        w = &an->workers[i];

        if (w->pid && ngx_http_ai_health_gone(w->pid)) {
            an->inflight -= ngx_min(w->n, an->inflight);
            w->pid = 0;
            w->n = 0;
        }
    }
}


void
ngx_http_ai_health_leave(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_pass_t *pass, int64_t tokens)
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
        ngx_http_ai_health_inflight_locked(an, -1);

        if (cell->account->limit.requests.limit && !pass->recorded) {
            /* it was never sent */
            ngx_http_ai_rate_refund(&cell->account->limit.requests,
                                    &an->requests, ngx_current_msec, 1);
        }

        if (cell->account->limit.tokens.limit && tokens >= 0) {
            ngx_http_ai_rate_settle(&cell->account->limit.tokens, &an->tokens,
                                    ngx_current_msec, pass->tokens, tokens);
        }
    }

    ngx_http_ai_zone_unlock(zone);
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
ngx_http_ai_health_peers(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cells, ngx_http_ai_pick_peer_t *peers,
    ngx_uint_t n)
{
    ngx_uint_t            i;
    ngx_http_ai_nodes_t   nodes;
    ngx_http_ai_health_t  health;

    ngx_http_ai_zone_lock(zone);

    for (i = 0; i < n; i++) {

        ngx_http_ai_health_find_locked(zone, &cells[i], &nodes);
        ngx_http_ai_health_look_locked(&nodes, &cells[i], &health);

        if (nodes.account) {
            ngx_http_ai_health_sweep_locked(nodes.account);
        }

        peers[i].percent = health.percent;
        peers[i].inflight = nodes.account ? nodes.account->inflight : 0;
        peers[i].hash = ngx_http_ai_health_key(&cells[i],
                                               NGX_HTTP_AI_NODE_MODEL);
        peers[i].price = NGX_HTTP_AI_PICK_NO_PRICE;
        peers[i].time_us = nodes.cell
                           ? ngx_http_ai_pick_ewma(&nodes.cell->time,
                                                   peers[i].inflight,
                                                   ngx_current_msec,
                                                   NGX_HTTP_AI_EWMA_HALF)
                           : 0;
    }

    ngx_http_ai_zone_unlock(zone);
}


void
ngx_http_ai_health_reset(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account)
{
    ngx_queue_t                 *q, *next;
    ngx_http_ai_node_t          *node;
    ngx_http_ai_cell_node_t     *cn;
    ngx_http_ai_account_node_t  *an;

    ngx_http_ai_zone_lock(zone);

    for (q = ngx_queue_head(&zone->sh->lru);
         q != ngx_queue_sentinel(&zone->sh->lru);
         q = next)
    {
        next = ngx_queue_next(q);
        node = ngx_queue_data(q, ngx_http_ai_node_t, lru);

        if (node->kind == NGX_HTTP_AI_NODE_BALANCE
            || node->key >> 32 != account->hash)
        {
            continue;
        }

        switch (node->kind) {

        case NGX_HTTP_AI_NODE_MODEL:
            ngx_http_ai_zone_drop_locked(zone, node);
            break;

        case NGX_HTTP_AI_NODE_CELL:
            /* kept: requests that are under way must not count any more */
            cn = (ngx_http_ai_cell_node_t *) node;
            ngx_http_ai_breaker_reset(&cn->breaker, ngx_current_msec);
            ngx_memzero(&cn->time, sizeof(ngx_http_ai_pick_ewma_t));
            break;

        default: /* NGX_HTTP_AI_NODE_ACCOUNT */
            an = (ngx_http_ai_account_node_t *) node;
            an->cooling.active = 0;
            ngx_http_ai_breaker_reset(&an->breaker, ngx_current_msec);
        }
    }

    ngx_http_ai_zone_unlock(zone);
}


void
ngx_http_ai_health_operate(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, ngx_http_ai_operate_e what)
{
    ngx_http_ai_cell_t           cell;
    ngx_http_ai_account_node_t  *an;

    ngx_memzero(&cell, sizeof(ngx_http_ai_cell_t));
    cell.account = account;

    ngx_http_ai_zone_lock(zone);

    an = ngx_http_ai_health_make_locked(zone, &cell, NGX_HTTP_AI_NODE_ACCOUNT,
                                        sizeof(ngx_http_ai_account_node_t));
    if (an) {
        an->operate = what;
    }

    ngx_http_ai_zone_unlock(zone);
}


void
ngx_http_ai_health_find_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_nodes_t *nodes)
{
    nodes->account = (ngx_http_ai_account_node_t *)
        ngx_http_ai_zone_find_locked(zone, NGX_HTTP_AI_NODE_ACCOUNT,
                     ngx_http_ai_health_key(cell, NGX_HTTP_AI_NODE_ACCOUNT));

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
    return ngx_http_ai_zone_make_locked(zone, kind,
                                        ngx_http_ai_health_key(cell, kind),
                                        size);
}


uint64_t
ngx_http_ai_health_key(const ngx_http_ai_cell_t *cell,
    ngx_http_ai_node_e kind)
{
    uint64_t  key;

    key = (uint64_t) cell->account->hash << 32;

    if (kind == NGX_HTTP_AI_NODE_ACCOUNT) {
        return key;
    }

    key |= ngx_murmur_hash2(cell->model->data, cell->model->len);

    if (kind == NGX_HTTP_AI_NODE_CELL) {
        key ^= (uint32_t) (2 * cell->family + cell->stream) * 0x9e3779b1;
    }

    return key;
}
