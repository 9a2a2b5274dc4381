
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_quota.h"
#include "ngx_http_ai_purse.h"


#define NGX_HTTP_AI_QUOTA_SOON  1000     /* ms; when a request in flight may
                                            have ended */


/* the rates count by the key's id: a new secret has the old one's debts */

typedef struct {
    ngx_http_ai_node_t          node;
    ngx_uint_t                  inflight;
    ngx_http_ai_rate_bucket_t   requests;
    ngx_http_ai_rate_bucket_t   tokens;
} ngx_http_ai_quota_node_t;


static void ngx_http_ai_quota_copy_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_key_t *key, ngx_http_ai_quota_node_t *copy);
static void ngx_http_ai_quota_look_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_key_t *key, const ngx_http_ai_quota_node_t *kn,
    int64_t tokens, int64_t nanousd, ngx_http_ai_quota_refusal_t *refusal);
static void ngx_http_ai_quota_money_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_key_t *key, int64_t nanousd,
    ngx_http_ai_quota_refusal_t *refusal);
static void ngx_http_ai_quota_worse(ngx_http_ai_quota_refusal_t *refusal,
    ngx_http_ai_quota_e limit, int64_t wait_ms);
static ngx_int_t ngx_http_ai_quota_take_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_key_t *key, ngx_http_ai_quota_node_t *kn,
    ngx_http_ai_claim_t *claim, int64_t nanousd, ngx_http_ai_quota_t *quota);
static void ngx_http_ai_quota_show(const ngx_http_ai_rate_t *rate,
    const ngx_http_ai_rate_bucket_t *b, ngx_http_ai_quota_rate_t *shown);
static void ngx_http_ai_quota_purse(const ngx_http_ai_key_t *key,
    ngx_http_ai_purse_conf_t *conf);
static ngx_uint_t ngx_http_ai_quota_full(const ngx_http_ai_rate_bucket_t *b);


ngx_int_t
ngx_http_ai_quota_reserve(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_key_t *key, ngx_http_ai_claim_t *claim, int64_t tokens,
    int64_t nanousd, ngx_http_ai_quota_t *quota,
    ngx_http_ai_quota_refusal_t *refusal)
{
    ngx_http_ai_quota_node_t  *kn;

    ngx_memzero(refusal, sizeof(ngx_http_ai_quota_refusal_t));

    if (key->tokens.limit) {
        /* one larger than the bucket may go when it is full */
        quota->reserved_tokens = ngx_min(tokens, key->tokens.limit);
    }

    ngx_http_ai_zone_lock(zone);

    kn = (ngx_http_ai_quota_node_t *)
         ngx_http_ai_zone_make_locked(zone, NGX_HTTP_AI_NODE_KEY, key->state,
                                      sizeof(ngx_http_ai_quota_node_t));
    if (kn == NULL) {
        refusal->limit = NGX_HTTP_AI_QUOTA_FULL;

    } else {
        /* where there is no purse yet, making one must not cost this node */
        kn->node.kept = 1;

        ngx_http_ai_quota_look_locked(zone, key, kn, quota->reserved_tokens,
                                      nanousd, refusal);
    }

    if (refusal->limit == NGX_HTTP_AI_QUOTA_NONE
        && ngx_http_ai_quota_take_locked(zone, key, kn, claim, nanousd, quota)
           != NGX_OK)
    {
        refusal->limit = NGX_HTTP_AI_QUOTA_FULL;
    }

    if (kn) {
        kn->node.kept = 0;

        ngx_http_ai_quota_show(&key->requests, &kn->requests,
                               &quota->requests);
        ngx_http_ai_quota_show(&key->tokens, &kn->tokens, &quota->tokens);
    }

    ngx_http_ai_zone_unlock(zone);

    return refusal->limit == NGX_HTTP_AI_QUOTA_NONE ? NGX_OK : NGX_BUSY;
}


ngx_int_t
ngx_http_ai_quota_look(ngx_http_ai_zone_t *zone, const ngx_http_ai_key_t *key,
    int64_t tokens, int64_t nanousd, ngx_http_ai_quota_refusal_t *refusal)
{
    ngx_http_ai_quota_node_t  kn;

    ngx_memzero(refusal, sizeof(ngx_http_ai_quota_refusal_t));

    ngx_http_ai_zone_lock(zone);

    ngx_http_ai_quota_copy_locked(zone, key, &kn);

    ngx_http_ai_quota_look_locked(zone, key, &kn,
                                  ngx_min(tokens, key->tokens.limit), nanousd,
                                  refusal);
    ngx_http_ai_zone_unlock(zone);

    return refusal->limit == NGX_HTTP_AI_QUOTA_NONE ? NGX_OK : NGX_BUSY;
}


/* a key that nobody has used has used nothing */

static void
ngx_http_ai_quota_copy_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_key_t *key, ngx_http_ai_quota_node_t *copy)
{
    ngx_http_ai_quota_node_t  *kn;

    kn = (ngx_http_ai_quota_node_t *)
         ngx_http_ai_zone_lookup_locked(zone, NGX_HTTP_AI_NODE_KEY,
                                        key->state);
    if (kn) {
        *copy = *kn;

    } else {
        ngx_memzero(copy, sizeof(ngx_http_ai_quota_node_t));
    }
}


static void
ngx_http_ai_quota_look_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_key_t *key, const ngx_http_ai_quota_node_t *kn,
    int64_t tokens, int64_t nanousd, ngx_http_ai_quota_refusal_t *refusal)
{
    ngx_msec_t  now;

    now = ngx_current_msec;

    if (key->concurrent && kn->inflight >= key->concurrent) {
        ngx_http_ai_quota_worse(refusal, NGX_HTTP_AI_QUOTA_CONCURRENT,
                                NGX_HTTP_AI_QUOTA_SOON);
    }

    if (key->requests.limit) {
        ngx_http_ai_quota_worse(refusal, NGX_HTTP_AI_QUOTA_REQUESTS,
                                ngx_http_ai_rate_wait(&key->requests,
                                                      &kn->requests, now, 1));
    }

    if (key->tokens.limit) {
        ngx_http_ai_quota_worse(refusal, NGX_HTTP_AI_QUOTA_TOKENS,
                                ngx_http_ai_rate_wait(&key->tokens,
                                                      &kn->tokens, now,
                                                      tokens));
    }

    if (key->nbudgets) {
        ngx_http_ai_quota_money_locked(zone, key, nanousd, refusal);
    }
}


/* of several limits the one that lasts longest is what the client is told */

static void
ngx_http_ai_quota_worse(ngx_http_ai_quota_refusal_t *refusal,
    ngx_http_ai_quota_e limit, int64_t wait_ms)
{
    if (wait_ms > refusal->wait_ms) {
        refusal->limit = limit;
        refusal->wait_ms = wait_ms;
    }
}


static void
ngx_http_ai_quota_money_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_key_t *key, int64_t nanousd,
    ngx_http_ai_quota_refusal_t *refusal)
{
    int64_t                   left, resets;
    ngx_uint_t                which;
    ngx_http_ai_purse_conf_t  purse;

    ngx_http_ai_quota_purse(key, &purse);

    if (ngx_http_ai_purse_would_locked(zone, &purse, nanousd, &which, &left)
        == NGX_OK)
    {
        return;
    }

    /* money is not a matter of waiting: said before any rate */

    resets = ngx_http_ai_budget_resets(key->budgets[which].per, ngx_time());

    refusal->limit = NGX_HTTP_AI_QUOTA_BUDGET;
    refusal->budget = &key->budgets[which];
    refusal->left = left;
    refusal->nanousd = nanousd;
    refusal->wait_ms = resets == NGX_HTTP_AI_BUDGET_NEVER
                       ? -1 : (resets - ngx_time()) * 1000;
}


/* nothing of this can be refused, but for a zone without room for a purse */

static ngx_int_t
ngx_http_ai_quota_take_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_key_t *key, ngx_http_ai_quota_node_t *kn,
    ngx_http_ai_claim_t *claim, int64_t nanousd, ngx_http_ai_quota_t *quota)
{
    int64_t                   left;
    ngx_uint_t                which;
    ngx_http_ai_purse_conf_t  purse;

    if (key->nbudgets) {
        ngx_http_ai_quota_purse(key, &purse);

        if (ngx_http_ai_purse_reserve_locked(zone, &purse, nanousd,
                                             &claim->key_money, &which, &left)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (key->requests.limit) {
        (void) ngx_http_ai_rate_reserve(&key->requests, &kn->requests,
                                        ngx_current_msec, 1);
    }

    if (key->tokens.limit) {
        (void) ngx_http_ai_rate_reserve(&key->tokens, &kn->tokens,
                                        ngx_current_msec,
                                        quota->reserved_tokens);
    }

    kn->inflight++;
    claim->key = key->state;
    quota->held = 1;

    return NGX_OK;
}


static void
ngx_http_ai_quota_show(const ngx_http_ai_rate_t *rate,
    const ngx_http_ai_rate_bucket_t *b, ngx_http_ai_quota_rate_t *shown)
{
    if (rate->limit == 0) {
        return;
    }

    shown->limit = rate->limit;
    shown->remaining = ngx_http_ai_rate_remaining(rate, b, ngx_current_msec);
    shown->reset_ms = ngx_http_ai_rate_wait(rate, b, ngx_current_msec,
                                            rate->limit);
}


ngx_int_t
ngx_http_ai_quota_extend(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_key_t *key, ngx_http_ai_claim_t *claim, int64_t nanousd,
    ngx_http_ai_quota_refusal_t *refusal)
{
    ngx_int_t                 rc;
    ngx_uint_t                which;
    ngx_http_ai_purse_conf_t  purse;

    ngx_memzero(refusal, sizeof(ngx_http_ai_quota_refusal_t));

    ngx_http_ai_quota_purse(key, &purse);

    ngx_http_ai_zone_lock(zone);

    rc = ngx_http_ai_purse_extend_locked(zone, &purse, nanousd,
                                         &claim->key_money, &which,
                                         &refusal->left);
    ngx_http_ai_zone_unlock(zone);

    if (rc == NGX_BUSY) {
        refusal->limit = NGX_HTTP_AI_QUOTA_BUDGET;
        refusal->budget = &key->budgets[which];
    }

    return rc;
}


void
ngx_http_ai_quota_settle(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_key_t *key, ngx_http_ai_claim_t *claim,
    ngx_http_ai_quota_t *quota, ngx_uint_t sent, int64_t tokens,
    int64_t nanousd)
{
    ngx_msec_t                 now;
    ngx_http_ai_quota_node_t  *kn;

    if (!quota->held) {
        return;
    }

    quota->held = 0;
    now = ngx_current_msec;

    ngx_http_ai_zone_lock(zone);

    kn = (ngx_http_ai_quota_node_t *)
         ngx_http_ai_zone_find_locked(zone, NGX_HTTP_AI_NODE_KEY, key->state);

    if (kn && key->requests.limit && !sent) {
        ngx_http_ai_rate_refund(&key->requests, &kn->requests, now, 1);
    }

    if (kn && key->tokens.limit && tokens >= 0) {
        ngx_http_ai_rate_settle(&key->tokens, &kn->tokens, now,
                                quota->reserved_tokens, tokens);
    }

    if (nanousd < 0) {
        nanousd = claim->key_money.nanousd;
    }

    /* should the worker die before the request is recorded */

    claim->nanousd = nanousd;
    claim->settled = 1;

    ngx_http_ai_purse_settle_locked(zone, &claim->key_money, nanousd);

    ngx_http_ai_quota_return_locked(zone, claim, 0);

    ngx_http_ai_zone_unlock(zone);
}


void
ngx_http_ai_quota_return_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_claim_t *claim, int64_t nanousd)
{
    ngx_http_ai_quota_node_t  *kn;

    ngx_http_ai_purse_settle_locked(zone, &claim->key_money, nanousd);

    if (claim->key == 0) {
        return;
    }

    kn = (ngx_http_ai_quota_node_t *)
         ngx_http_ai_zone_find_locked(zone, NGX_HTTP_AI_NODE_KEY, claim->key);

    if (kn && kn->inflight) {
        kn->inflight--;
    }

    claim->key = 0;
}


void
ngx_http_ai_quota_view(ngx_http_ai_zone_t *zone, const ngx_http_ai_key_t *key,
    ngx_http_ai_limits_t *limits)
{
    ngx_http_ai_quota_node_t  *kn;

    ngx_memzero(limits, sizeof(ngx_http_ai_limits_t));

    limits->requests = &key->requests;
    limits->tokens = &key->tokens;
    limits->concurrent = key->concurrent;
    limits->budgets = key->budgets;
    limits->nbudgets = key->nbudgets;

    ngx_http_ai_zone_lock(zone);

    kn = (ngx_http_ai_quota_node_t *)
         ngx_http_ai_zone_lookup_locked(zone, NGX_HTTP_AI_NODE_KEY,
                                        key->state);

    if (kn) {
        limits->left_requests = kn->requests;
        limits->left_tokens = kn->tokens;
        limits->inflight = kn->inflight;
    }

    ngx_http_ai_purse_look_locked(zone, NGX_HTTP_AI_STATE_KEY, key->state,
                                  limits->spent);

    ngx_http_ai_zone_unlock(zone);
}


void
ngx_http_ai_quota_moved_locked(ngx_http_ai_zone_t *zone)
{
    ngx_queue_t         *q;
    ngx_http_ai_node_t  *node;

    for (q = ngx_queue_head(&zone->sh->lru);
         q != ngx_queue_sentinel(&zone->sh->lru);
         q = ngx_queue_next(q))
    {
        node = ngx_queue_data(q, ngx_http_ai_node_t, lru);

        if (node->kind == NGX_HTTP_AI_NODE_KEY) {
            ((ngx_http_ai_quota_node_t *) node)->inflight = 0;
        }
    }
}


static void
ngx_http_ai_quota_purse(const ngx_http_ai_key_t *key,
    ngx_http_ai_purse_conf_t *conf)
{
    conf->owner = NGX_HTTP_AI_STATE_KEY;
    conf->name = &key->id;
    conf->hash = key->state;
    conf->budgets = key->budgets;
    conf->n = key->nbudgets;
}


ngx_uint_t
ngx_http_ai_quota_idle(const ngx_http_ai_node_t *node)
{
    const ngx_http_ai_quota_node_t  *kn;

    kn = (const ngx_http_ai_quota_node_t *) node;

    return kn->inflight == 0
           && ngx_http_ai_quota_full(&kn->requests)
           && ngx_http_ai_quota_full(&kn->tokens);
}


/* by the rule that it was filled with, which is a part of it */

static ngx_uint_t
ngx_http_ai_quota_full(const ngx_http_ai_rate_bucket_t *b)
{
    ngx_http_ai_rate_t  rate;

    if (b->limit == 0) {
        return 1;
    }

    rate.limit = b->limit;
    rate.period_ms = b->period_ms;
    rate.unit = 0;

    return ngx_http_ai_rate_remaining(&rate, b, ngx_current_msec) == b->limit;
}
