
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_claim.h"
#include "ngx_http_ai_health.h"
#include "ngx_http_ai_quota.h"


#define NGX_HTTP_AI_CLAIM_SWEEP  20     /* ms */


static ngx_int_t ngx_http_ai_claim_worker_locked(ngx_http_ai_zone_t *zone);
static void ngx_http_ai_claim_sweep_locked(ngx_http_ai_zone_t *zone);
static void ngx_http_ai_claim_write(ngx_http_ai_claim_t *claim,
    const ngx_http_ai_record_t *rec);
static void ngx_http_ai_claim_bury_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_worker_t *worker);
static void ngx_http_ai_claim_release_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_claim_t *claim);
static void ngx_http_ai_claim_return_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_claim_t *claim);


/* in the order of claim->text */

static const size_t  ngx_http_ai_claim_texts[NGX_HTTP_AI_CLAIM_TEXTS] = {
    offsetof(ngx_http_ai_record_t, event_id),
    offsetof(ngx_http_ai_record_t, request_id),
    offsetof(ngx_http_ai_record_t, key_id),
    offsetof(ngx_http_ai_record_t, app),
    offsetof(ngx_http_ai_record_t, team),
    offsetof(ngx_http_ai_record_t, env),
    offsetof(ngx_http_ai_record_t, ai_class),
    offsetof(ngx_http_ai_record_t, endpoint),
    offsetof(ngx_http_ai_record_t, model_requested),
    offsetof(ngx_http_ai_record_t, route),
    offsetof(ngx_http_ai_record_t, trace_id)
};


#define ngx_http_ai_claim_word(rec, i)                                        \
    ((ngx_str_t *) ((u_char *) (rec) + ngx_http_ai_claim_texts[i]))


ngx_http_ai_claim_t *
ngx_http_ai_claim_take(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_record_t *rec)
{
    size_t                len;
    ngx_uint_t            i;
    ngx_http_ai_claim_t  *claim;

    len = 0;
    claim = NULL;

    for (i = 0; i < NGX_HTTP_AI_CLAIM_TEXTS; i++) {
        len += ngx_min(ngx_http_ai_claim_word(rec, i)->len,
                       NGX_HTTP_AI_CLAIM_WORD);
    }

    ngx_http_ai_zone_lock(zone);

    ngx_http_ai_claim_sweep_locked(zone);

    if (ngx_http_ai_claim_worker_locked(zone) == NGX_OK) {

        claim = ngx_http_ai_zone_alloc_locked(zone,
                                              sizeof(ngx_http_ai_claim_t)
                                              + len);
        if (claim) {
            ngx_http_ai_claim_write(claim, rec);
            ngx_queue_insert_head(&zone->worker->claims, &claim->link);
        }
    }

    ngx_http_ai_zone_unlock(zone);

    return claim;
}


static void
ngx_http_ai_claim_write(ngx_http_ai_claim_t *claim,
    const ngx_http_ai_record_t *rec)
{
    u_char           *p;
    ngx_uint_t        i;
    const ngx_str_t  *word;

    p = claim->text;

    claim->start = ngx_current_msec;
    claim->ts_ms = rec->ts_ms;
    claim->stream = (rec->stream == 1);
    claim->drill = (rec->drill == 1);

    for (i = 0; i < NGX_HTTP_AI_CLAIM_TEXTS; i++) {
        word = ngx_http_ai_claim_word(rec, i);

        claim->lens[i] = ngx_min(word->len, NGX_HTTP_AI_CLAIM_WORD);

        if (claim->lens[i]) {
            p = ngx_cpymem(p, word->data, claim->lens[i]);
        }
    }
}


ngx_http_ai_claim_t *
ngx_http_ai_claim_lost(ngx_http_ai_zone_t *zone, ngx_http_ai_record_t *rec,
    u_char *buf)
{
    u_char               *p;
    ngx_str_t            *word;
    ngx_uint_t            i;
    ngx_queue_t          *q;
    ngx_http_ai_claim_t  *claim;

    claim = NULL;

    ngx_http_ai_zone_lock(zone);

    ngx_http_ai_claim_sweep_locked(zone);

    if (!ngx_queue_empty(&zone->sh->lost)
        && ngx_http_ai_claim_worker_locked(zone) == NGX_OK)
    {
        /* if this worker dies, too, it is lost once more */

        q = ngx_queue_head(&zone->sh->lost);
        ngx_queue_remove(q);
        ngx_queue_insert_head(&zone->worker->claims, q);

        claim = ngx_queue_data(q, ngx_http_ai_claim_t, link);
    }

    ngx_http_ai_zone_unlock(zone);

    if (claim == NULL) {
        return NULL;
    }

    ngx_http_ai_record_init(rec);

    rec->ts_ms = claim->ts_ms;
    rec->stream = claim->stream;
    rec->drill = claim->drill;

    p = claim->text;

    for (i = 0; i < NGX_HTTP_AI_CLAIM_TEXTS; i++) {
        word = ngx_http_ai_claim_word(rec, i);

        word->data = buf;
        word->len = claim->lens[i];
        buf = ngx_cpymem(buf, p, word->len);
        p += word->len;
    }

    return claim;
}


void
ngx_http_ai_claim_release(ngx_http_ai_zone_t *zone,
    ngx_http_ai_claim_t *claim)
{
    ngx_http_ai_zone_lock(zone);
    ngx_http_ai_claim_release_locked(zone, claim);
    ngx_http_ai_zone_unlock(zone);
}


static void
ngx_http_ai_claim_release_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_claim_t *claim)
{
    ngx_http_ai_claim_return_locked(zone, claim);

    ngx_queue_remove(&claim->link);
    ngx_slab_free_locked(zone->shpool, claim);
}


static void
ngx_http_ai_claim_return_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_claim_t *claim)
{
    if (claim->account) {
        claim->last = claim->account;

        if (claim->key_money.purse) {
            /* reserved for all of its tries */
            claim->nanousd = claim->key_money.nanousd;

        } else if (!claim->settled) {
            ngx_http_ai_claim_add(claim, claim->account_money.nanousd);
        }
    }

    ngx_http_ai_health_return_locked(zone, claim);
    ngx_http_ai_quota_return_locked(zone, claim, claim->nanousd);
}


void
ngx_http_ai_claim_sweep(ngx_http_ai_zone_t *zone)
{
    ngx_http_ai_zone_lock(zone);
    ngx_http_ai_claim_sweep_locked(zone);
    ngx_http_ai_zone_unlock(zone);
}


void
ngx_http_ai_claim_clear(ngx_http_ai_zone_t *zone)
{
    ngx_queue_t           *q, *next;
    ngx_http_ai_worker_t  *worker;

    ngx_http_ai_zone_lock(zone);

    for (q = ngx_queue_head(&zone->sh->workers);
         q != ngx_queue_sentinel(&zone->sh->workers);
         q = next)
    {
        next = ngx_queue_next(q);
        worker = ngx_queue_data(q, ngx_http_ai_worker_t, link);

        if (worker->pid == ngx_pid) {
            ngx_http_ai_claim_bury_locked(zone, worker);
        }
    }

    zone->worker = NULL;
    zone->pid = 0;

    ngx_http_ai_zone_unlock(zone);
}


/* this process's entry, made with its first claim */

static ngx_int_t
ngx_http_ai_claim_worker_locked(ngx_http_ai_zone_t *zone)
{
    ngx_http_ai_worker_t  *worker;

    if (zone->pid == ngx_pid) {
        return NGX_OK;
    }

    worker = ngx_http_ai_zone_alloc_locked(zone,
                                           sizeof(ngx_http_ai_worker_t));
    if (worker == NULL) {
        return NGX_ERROR;
    }

    worker->pid = ngx_pid;
    ngx_queue_init(&worker->claims);
    ngx_queue_insert_tail(&zone->sh->workers, &worker->link);

    zone->worker = worker;
    zone->pid = ngx_pid;

    return NGX_OK;
}


static void
ngx_http_ai_claim_sweep_locked(ngx_http_ai_zone_t *zone)
{
    ngx_queue_t            *q, *next;
    ngx_http_ai_worker_t   *worker;
    ngx_http_ai_zone_sh_t  *sh;

    sh = zone->sh;

    if (ngx_current_msec - sh->claims_swept < NGX_HTTP_AI_CLAIM_SWEEP) {
        return;
    }

    sh->claims_swept = ngx_current_msec;

    for (q = ngx_queue_head(&sh->workers);
         q != ngx_queue_sentinel(&sh->workers);
         q = next)
    {
        next = ngx_queue_next(q);
        worker = ngx_queue_data(q, ngx_http_ai_worker_t, link);

        if (ngx_http_ai_zone_gone(worker->pid)) {
            ngx_http_ai_claim_bury_locked(zone, worker);
        }
    }
}


static void
ngx_http_ai_claim_bury_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_worker_t *worker)
{
    ngx_queue_t          *q;
    ngx_http_ai_claim_t  *claim;

    while (!ngx_queue_empty(&worker->claims)) {

        q = ngx_queue_last(&worker->claims);
        claim = ngx_queue_data(q, ngx_http_ai_claim_t, link);

        ngx_http_ai_claim_return_locked(zone, claim);

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&zone->sh->lost, q);
    }

    ngx_queue_remove(&worker->link);
    ngx_slab_free_locked(zone->shpool, worker);
}
