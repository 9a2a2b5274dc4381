
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_purse.h"
#include "pure/ngx_http_ai_keyentry.h"


static ngx_http_ai_purse_t *ngx_http_ai_purse_make_locked(
    ngx_http_ai_zone_t *zone, ngx_http_ai_state_kind_e owner,
    const ngx_str_t *name, uint64_t hash);
static void ngx_http_ai_purse_state_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_purse_conf_t *conf, ngx_uint_t which,
    ngx_http_ai_budget_state_t *s);
static uint64_t ngx_http_ai_purse_key(ngx_http_ai_state_kind_e owner,
    uint64_t hash);


ngx_int_t
ngx_http_ai_purse_reserve_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_purse_conf_t *conf, int64_t nanousd,
    ngx_http_ai_reserve_t *reserve, ngx_uint_t *which, int64_t *left)
{
    ngx_uint_t                   i, per;
    ngx_http_ai_purse_t         *purse;
    ngx_http_ai_budget_state_t  *s;

    purse = ngx_http_ai_purse_make_locked(zone, conf->owner, conf->name,
                                          conf->hash);
    if (purse == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < conf->n; i++) {

        per = conf->budgets[i].per - 1;
        s = &purse->states[per];

        if (ngx_http_ai_budget_reserve(&conf->budgets[i], s, ngx_time(),
                                       nanousd, left)
            != NGX_OK)
        {
            *which = i;
            break;
        }

        reserve->periods[per] = s->period;
    }

    if (i == conf->n) {
        purse->held++;

        reserve->purse = purse->node.key;
        reserve->nanousd = nanousd;

        for (i = 0; i < conf->n; i++) {
            reserve->mask |= 1u << (conf->budgets[i].per - 1);
        }

        return NGX_OK;
    }

    while (i) {
        per = conf->budgets[--i].per - 1;
        ngx_http_ai_budget_refund(&purse->states[per],
                                  reserve->periods[per], nanousd);
    }

    return NGX_BUSY;
}


ngx_int_t
ngx_http_ai_purse_extend_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_purse_conf_t *conf, int64_t nanousd,
    ngx_http_ai_reserve_t *reserve, ngx_uint_t *which, int64_t *left)
{
    int64_t                      before;
    ngx_int_t                    rc;
    ngx_uint_t                   i, per;
    ngx_http_ai_purse_t         *purse;
    ngx_http_ai_reserve_t        more;
    ngx_http_ai_budget_state_t  *s;

    ngx_memzero(&more, sizeof(ngx_http_ai_reserve_t));

    rc = ngx_http_ai_purse_reserve_locked(zone, conf, nanousd, &more, which,
                                          left);
    if (rc != NGX_OK) {
        return rc;
    }

    purse = (ngx_http_ai_purse_t *)
            ngx_http_ai_zone_find_locked(zone, NGX_HTTP_AI_NODE_PURSE,
                                         more.purse);

    /*
     * A period is over: both cannot be settled as one, unless what was
     * reserved in it moves to the new one, or to none.
     */

    for (i = 0; purse && i < conf->n; i++) {

        per = conf->budgets[i].per - 1;
        s = &purse->states[per];

        if (more.periods[per] == reserve->periods[per]) {
            continue;
        }

        if (ngx_http_ai_budget_reserve(&conf->budgets[i], s, ngx_time(),
                                       reserve->nanousd, left)
            == NGX_OK)
        {
            continue;
        }

        /* what it would grant beside that, if n is fewer */

        before = *left + nanousd - reserve->nanousd;
        *left = ngx_max(before, 0);
        *which = i;

        while (i) {
            per = conf->budgets[--i].per - 1;

            if (more.periods[per] != reserve->periods[per]) {
                ngx_http_ai_budget_refund(&purse->states[per],
                                          more.periods[per],
                                          reserve->nanousd);
            }
        }

        ngx_http_ai_purse_settle_locked(zone, &more, 0);

        return NGX_BUSY;
    }

    /* the two are settled as one */

    if (purse) {
        purse->held--;
    }

    for (i = 0; i < conf->n; i++) {
        per = conf->budgets[i].per - 1;
        reserve->periods[per] = more.periods[per];
    }

    reserve->nanousd += nanousd;

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_purse_check_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_purse_conf_t *conf, int64_t nanousd, ngx_uint_t *which,
    int64_t *left)
{
    ngx_int_t               rc;
    ngx_http_ai_reserve_t   reserve;

    ngx_memzero(&reserve, sizeof(ngx_http_ai_reserve_t));

    rc = ngx_http_ai_purse_reserve_locked(zone, conf, nanousd, &reserve,
                                          which, left);
    if (rc == NGX_OK) {
        ngx_http_ai_purse_settle_locked(zone, &reserve, 0);
    }

    return rc;
}


ngx_int_t
ngx_http_ai_purse_would_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_purse_conf_t *conf, int64_t nanousd, ngx_uint_t *which,
    int64_t *left)
{
    ngx_uint_t                  i;
    ngx_http_ai_budget_state_t  s;

    for (i = 0; i < conf->n; i++) {

        ngx_http_ai_purse_state_locked(zone, conf, i, &s);

        if (ngx_http_ai_budget_reserve(&conf->budgets[i], &s, ngx_time(),
                                       nanousd, left)
            != NGX_OK)
        {
            *which = i;
            return NGX_BUSY;
        }
    }

    return NGX_OK;
}


/* a copy */

static void
ngx_http_ai_purse_state_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_purse_conf_t *conf, ngx_uint_t which,
    ngx_http_ai_budget_state_t *s)
{
    const ngx_http_ai_purse_t  *purse;

    purse = (const ngx_http_ai_purse_t *)
            ngx_http_ai_zone_lookup_locked(zone, NGX_HTTP_AI_NODE_PURSE,
                         ngx_http_ai_purse_key(conf->owner, conf->hash));

    if (purse) {
        *s = purse->states[conf->budgets[which].per - 1];

    } else {
        ngx_memzero(s, sizeof(ngx_http_ai_budget_state_t));
    }
}


void
ngx_http_ai_purse_settle_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_reserve_t *reserve, int64_t nanousd)
{
    ngx_uint_t            per;
    ngx_http_ai_purse_t  *purse;

    if (reserve->purse == 0) {
        return;
    }

    purse = (ngx_http_ai_purse_t *)
            ngx_http_ai_zone_find_locked(zone, NGX_HTTP_AI_NODE_PURSE,
                                         reserve->purse);

    for (per = 0; purse && per < NGX_HTTP_AI_PURSE_BUDGETS; per++) {

        if (!(reserve->mask & (1u << per))) {
            continue;
        }

        if (nanousd) {
            ngx_http_ai_budget_settle(&purse->states[per],
                                      reserve->periods[per],
                                      reserve->nanousd, nanousd);
            ngx_http_ai_purse_queue_locked(zone, purse);

        } else {
            ngx_http_ai_budget_refund(&purse->states[per],
                                      reserve->periods[per],
                                      reserve->nanousd);
        }
    }

    if (purse && purse->held) {
        purse->held--;
    }

    ngx_memzero(reserve, sizeof(ngx_http_ai_reserve_t));
}


void
ngx_http_ai_purse_look_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_state_kind_e owner, uint64_t hash,
    ngx_http_ai_budget_state_t states[NGX_HTTP_AI_PURSE_BUDGETS])
{
    ngx_uint_t            per;
    ngx_http_ai_purse_t  *purse;

    ngx_memzero(states, NGX_HTTP_AI_PURSE_BUDGETS
                        * sizeof(ngx_http_ai_budget_state_t));

    purse = (ngx_http_ai_purse_t *)
            ngx_http_ai_zone_lookup_locked(zone, NGX_HTTP_AI_NODE_PURSE,
                                       ngx_http_ai_purse_key(owner, hash));

    for (per = 0; purse && per < NGX_HTTP_AI_PURSE_BUDGETS; per++) {
        states[per] = purse->states[per];
        ngx_http_ai_budget_roll(per + 1, &states[per], ngx_time());
    }
}


ngx_uint_t
ngx_http_ai_purse_idle(const ngx_http_ai_node_t *node)
{
    ngx_uint_t                         per;
    const ngx_http_ai_purse_t         *purse;
    const ngx_http_ai_budget_state_t  *s;

    purse = (const ngx_http_ai_purse_t *) node;

    if (purse->held || purse->queued) {
        return 0;
    }

    for (per = 0; per < NGX_HTTP_AI_PURSE_BUDGETS; per++) {
        s = &purse->states[per];

        if (s->spent_nanousd
            && s->period >= ngx_http_ai_budget_period(per + 1, ngx_time()))
        {
            return 0;
        }
    }

    return 1;
}


ngx_int_t
ngx_http_ai_purse_restore_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_state_line_t *line)
{
    ngx_http_ai_purse_t         *purse;
    ngx_http_ai_budget_state_t  *s;

    if (line->period < ngx_http_ai_budget_period(line->per, ngx_time())) {
        return NGX_DECLINED;
    }

    purse = ngx_http_ai_purse_make_locked(zone, line->kind, &line->name,
                               line->kind == NGX_HTTP_AI_STATE_KEY
                               ? ngx_http_ai_keyentry_state(&line->name)
                               : ngx_http_ai_zone_hash(&line->name));
    if (purse == NULL) {
        return NGX_ERROR;
    }

    s = &purse->states[line->per - 1];

    s->period = line->period;
    s->spent_nanousd = line->spent_nanousd;
    s->reserved_nanousd = 0;

    return NGX_OK;
}


void
ngx_http_ai_purse_moved_locked(ngx_http_ai_zone_t *zone)
{
    ngx_uint_t                   per;
    ngx_queue_t                 *q;
    ngx_http_ai_node_t          *node;
    ngx_http_ai_purse_t         *purse;
    ngx_http_ai_budget_state_t  *s;

    for (q = ngx_queue_head(&zone->sh->lru);
         q != ngx_queue_sentinel(&zone->sh->lru);
         q = ngx_queue_next(q))
    {
        node = ngx_queue_data(q, ngx_http_ai_node_t, lru);

        if (node->kind != NGX_HTTP_AI_NODE_PURSE) {
            continue;
        }

        purse = (ngx_http_ai_purse_t *) node;

        /* who reserved settles in the other zone, so here it is spent */

        for (per = 0; per < NGX_HTTP_AI_PURSE_BUDGETS; per++) {
            s = &purse->states[per];
            ngx_http_ai_budget_settle(s, s->period, s->reserved_nanousd,
                                      s->reserved_nanousd);
        }

        purse->held = 0;
        purse->queued = 0;
        ngx_http_ai_purse_queue_locked(zone, purse);
    }
}


static ngx_http_ai_purse_t *
ngx_http_ai_purse_make_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_state_kind_e owner, const ngx_str_t *name, uint64_t hash)
{
    ngx_http_ai_purse_t  *purse;

    purse = (ngx_http_ai_purse_t *)
            ngx_http_ai_zone_make_locked(zone, NGX_HTTP_AI_NODE_PURSE,
                                         ngx_http_ai_purse_key(owner, hash),
                                         sizeof(ngx_http_ai_purse_t)
                                         + name->len);

    if (purse == NULL || purse->owner) {
        return purse;
    }

    purse->owner = owner;
    purse->len = name->len;
    ngx_memcpy(purse->name, name->data, name->len);

    return purse;
}


/* a key and an account may have the same name; 0 means none */

static uint64_t
ngx_http_ai_purse_key(ngx_http_ai_state_kind_e owner, uint64_t hash)
{
    uint64_t  key;

    key = hash ^ ((uint64_t) owner << 60);

    return ngx_max(key, 1);
}


void
ngx_http_ai_purse_queue_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_purse_t *purse)
{
    if (!purse->queued) {
        purse->queued = 1;
        ngx_queue_insert_tail(&zone->sh->dirty, &purse->dirty);
    }
}
