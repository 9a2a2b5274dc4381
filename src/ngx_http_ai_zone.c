
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_zone.h"


#define NGX_HTTP_AI_ZONE_VERSION   2
#define NGX_HTTP_AI_RETRY_PERCENT  20
#define NGX_HTTP_AI_RETRY_MIN      100


static ngx_int_t ngx_http_ai_zone_init(ngx_shm_zone_t *shm_zone, void *data);
static ngx_int_t ngx_http_ai_zone_evict_locked(ngx_http_ai_zone_t *zone);
static ngx_http_ai_second_t *ngx_http_ai_zone_second(
    ngx_http_ai_zone_t *zone);


/* both halves of a key are hashes already */

#define ngx_http_ai_zone_bucket(zone, kind, key)                              \
    &(zone)->sh->buckets[((key) + ((key) >> 32) + (kind))                     \
                         & (NGX_HTTP_AI_ZONE_BUCKETS - 1)]


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

    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (ozone || shm_zone->shm.exists) {

        /* reload: same size and name, the data stays */
        zone->sh = ozone ? ozone->sh : zone->shpool->data;

        if (zone->sh->version != NGX_HTTP_AI_ZONE_VERSION) {
            ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                          "zone \"%V\" was laid out by another version of "
                          "the module, restart nginx or rename the zone",
                          &shm_zone->shm.name);
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    sh = ngx_slab_calloc(zone->shpool, sizeof(ngx_http_ai_zone_sh_t));
    if (sh == NULL) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "zone \"%V\" is too small, increase its size in "
                      "\"ai_zone\"", &shm_zone->shm.name);
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


ngx_http_ai_node_t *
ngx_http_ai_zone_find_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_e kind, uint64_t key)
{
    ngx_queue_t         *q, *bucket;
    ngx_http_ai_node_t  *node;

    bucket = ngx_http_ai_zone_bucket(zone, kind, key);

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = ngx_queue_next(q))
    {
        node = ngx_queue_data(q, ngx_http_ai_node_t, bucket);

        if (node->key == key && node->kind == kind) {
            ngx_queue_remove(&node->lru);
            ngx_queue_insert_head(&zone->sh->lru, &node->lru);
            return node;
        }
    }

    return NULL;
}


ngx_http_ai_node_t *
ngx_http_ai_zone_make_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_e kind, uint64_t key, size_t size)
{
    ngx_http_ai_node_t  *node;

    node = ngx_http_ai_zone_find_locked(zone, kind, key);
    if (node) {
        return node;
    }

    for ( ;; ) {
        node = ngx_slab_calloc_locked(zone->shpool, size);

        if (node || ngx_http_ai_zone_evict_locked(zone) != NGX_OK) {
            break;
        }
    }

    if (node == NULL) {
        return NULL;
    }

    node->key = key;
    node->kind = kind;

    ngx_queue_insert_head(ngx_http_ai_zone_bucket(zone, kind, key),
                          &node->bucket);
    ngx_queue_insert_head(&zone->sh->lru, &node->lru);

    return node;
}


/*
 * Gives up the node longest unused.  Accounts stay: they are as many as the
 * configuration names, and hold what must not be forgotten.
 */

static ngx_int_t
ngx_http_ai_zone_evict_locked(ngx_http_ai_zone_t *zone)
{
    ngx_queue_t         *q;
    ngx_http_ai_node_t  *node;

    for (q = ngx_queue_last(&zone->sh->lru);
         q != ngx_queue_sentinel(&zone->sh->lru);
         q = ngx_queue_prev(q))
    {
        node = ngx_queue_data(q, ngx_http_ai_node_t, lru);

        if (node->kind != NGX_HTTP_AI_NODE_ACCOUNT) {
            ngx_http_ai_zone_drop_locked(zone, node);
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


void
ngx_http_ai_zone_drop_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_t *node)
{
    ngx_queue_remove(&node->lru);
    ngx_queue_remove(&node->bucket);
    ngx_slab_free_locked(zone->shpool, node);
}


void
ngx_http_ai_zone_count_request(ngx_http_ai_zone_t *zone)
{
    (void) ngx_atomic_fetch_add(&ngx_http_ai_zone_second(zone)->requests, 1);
}


void
ngx_http_ai_zone_count_retry(ngx_http_ai_zone_t *zone)
{
    (void) ngx_atomic_fetch_add(&ngx_http_ai_zone_second(zone)->retries, 1);
}


ngx_int_t
ngx_http_ai_zone_may_retry(ngx_http_ai_zone_t *zone)
{
    ngx_uint_t  i, now, requests, retries;

    now = ngx_http_ai_zone_second(zone)->second;

    requests = 0;
    retries = 0;

    for (i = 0; i < NGX_HTTP_AI_ZONE_SECONDS; i++) {

        if (now - zone->sh->seconds[i].second < NGX_HTTP_AI_ZONE_SECONDS) {
            requests += zone->sh->seconds[i].requests;
            retries += zone->sh->seconds[i].retries;
        }
    }

    if (retries >= NGX_HTTP_AI_RETRY_MIN
        && retries * 100 >= requests * NGX_HTTP_AI_RETRY_PERCENT)
    {
        return NGX_BUSY;
    }

    return NGX_OK;
}


/*
 * The slot of the current second.  Two workers may meet a stale slot at once:
 * only one resets it, and a count that falls between is lost, which a budget
 * can bear.
 */

static ngx_http_ai_second_t *
ngx_http_ai_zone_second(ngx_http_ai_zone_t *zone)
{
    ngx_atomic_uint_t      now, then;
    ngx_http_ai_second_t  *s;

    now = ngx_current_msec / 1000;
    s = &zone->sh->seconds[now % NGX_HTTP_AI_ZONE_SECONDS];

    then = s->second;

    if (then != now && ngx_atomic_cmp_set(&s->second, then, now)) {
        s->requests = 0;
        s->retries = 0;
    }

    return s;
}
