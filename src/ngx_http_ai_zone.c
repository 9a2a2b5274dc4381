
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_zone.h"
#include "pure/ngx_http_ai_pick.h"


#define NGX_HTTP_AI_ZONE_VERSION  1
#define NGX_HTTP_AI_ZONE_BUCKETS  256      /* a power of 2 */


/* the balancer's memory of one route; guarded by the zone's lock */

typedef struct {
    ngx_queue_t              bucket;
    ngx_queue_t              lru;
    uint32_t                 hash;
    ngx_uint_t               n;
    int64_t                  current[1];
} ngx_http_ai_zone_balance_t;


typedef struct {
    ngx_uint_t               version;
    ngx_queue_t              lru;
    ngx_queue_t              buckets[NGX_HTTP_AI_ZONE_BUCKETS];
} ngx_http_ai_zone_sh_t;


struct ngx_http_ai_zone_s {
    ngx_http_ai_zone_sh_t   *sh;
    ngx_slab_pool_t         *shpool;
};


static ngx_int_t ngx_http_ai_zone_init(ngx_shm_zone_t *shm_zone, void *data);
static ngx_http_ai_zone_balance_t *ngx_http_ai_zone_balance_locked(
    ngx_http_ai_zone_t *zone, uint32_t hash, ngx_uint_t n);


ngx_int_t
ngx_http_ai_zone_create(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf)
{
    ngx_shm_zone_t  *shm_zone;

    shm_zone = ngx_shared_memory_add(cf, &amcf->zone_name, amcf->zone_size,
                                     &ngx_http_ai_route_module);
    if (shm_zone == NULL) {
        return NGX_ERROR;
    }

    amcf->zone = ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_zone_t));
    if (amcf->zone == NULL) {
        return NGX_ERROR;
    }

    shm_zone->init = ngx_http_ai_zone_init;
    shm_zone->data = amcf->zone;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_ai_zone_t  *ozone = data;

    ngx_uint_t              i;
    ngx_http_ai_zone_t     *zone;
    ngx_http_ai_zone_sh_t  *sh;

    zone = shm_zone->data;

    if (ozone) {
        /* reload: same size and name, the data stays */
        zone->sh = ozone->sh;
        zone->shpool = ozone->shpool;
        return NGX_OK;
    }

    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (shm_zone->shm.exists) {
        zone->sh = zone->shpool->data;
        return NGX_OK;
    }

    sh = ngx_slab_calloc(zone->shpool, sizeof(ngx_http_ai_zone_sh_t));
    if (sh == NULL) {
        return NGX_ERROR;
    }

    sh->version = NGX_HTTP_AI_ZONE_VERSION;
    ngx_queue_init(&sh->lru);

    for (i = 0; i < NGX_HTTP_AI_ZONE_BUCKETS; i++) {
        ngx_queue_init(&sh->buckets[i]);
    }

    zone->sh = sh;
    zone->shpool->data = sh;

    /* eviction answers a full zone; the slab's own message would mislead */
    zone->shpool->log_nomem = 0;

    return NGX_OK;
}


ngx_uint_t
ngx_http_ai_zone_choose(ngx_http_ai_zone_t *zone, uint32_t hash,
    const ngx_uint_t *weights, ngx_uint_t n, uint64_t eligible)
{
    int64_t                      none[NGX_HTTP_AI_MAX_TARGETS];
    ngx_uint_t                   chosen;
    ngx_http_ai_zone_balance_t  *nb;

    ngx_shmtx_lock(&zone->shpool->mutex);

    nb = ngx_http_ai_zone_balance_locked(zone, hash, n);

    if (nb) {
        chosen = ngx_http_ai_pick_smooth(weights, nb->current, n, eligible);

    } else {
        ngx_memzero(none, sizeof(none));
        chosen = ngx_http_ai_pick_smooth(weights, none, n, eligible);
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return chosen;
}


static ngx_http_ai_zone_balance_t *
ngx_http_ai_zone_balance_locked(ngx_http_ai_zone_t *zone, uint32_t hash,
    ngx_uint_t n)
{
    size_t                       size;
    ngx_queue_t                 *q, *bucket;
    ngx_http_ai_zone_balance_t  *nb;

    bucket = &zone->sh->buckets[hash & (NGX_HTTP_AI_ZONE_BUCKETS - 1)];

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = ngx_queue_next(q))
    {
        nb = ngx_queue_data(q, ngx_http_ai_zone_balance_t, bucket);

        if (nb->hash == hash && nb->n == n) {
            ngx_queue_remove(&nb->lru);
            ngx_queue_insert_head(&zone->sh->lru, &nb->lru);
            return nb;
        }
    }

    size = offsetof(ngx_http_ai_zone_balance_t, current)
           + n * sizeof(int64_t);

    for ( ;; ) {
        nb = ngx_slab_calloc_locked(zone->shpool, size);

        if (nb || ngx_queue_empty(&zone->sh->lru)) {
            break;
        }

        q = ngx_queue_last(&zone->sh->lru);
        nb = ngx_queue_data(q, ngx_http_ai_zone_balance_t, lru);

        ngx_queue_remove(&nb->lru);
        ngx_queue_remove(&nb->bucket);
        ngx_slab_free_locked(zone->shpool, nb);
    }

    if (nb == NULL) {
        return NULL;
    }

    nb->hash = hash;
    nb->n = n;
    ngx_queue_insert_head(bucket, &nb->bucket);
    ngx_queue_insert_head(&zone->sh->lru, &nb->lru);

    return nb;
}
