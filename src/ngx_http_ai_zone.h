
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The shared zone: what all workers know together.  Its data outlives a
 * reload; nothing in it points into a process (a reload may load the module
 * at another address), only into the zone itself.
 *
 * One lock, the slab's own, which the master frees when a worker dies with
 * it; every function named _locked wants it held, and nothing that yields may
 * happen under it.
 */


#ifndef _NGX_HTTP_AI_ZONE_H_INCLUDED_
#define _NGX_HTTP_AI_ZONE_H_INCLUDED_


#include "ngx_http_ai_conf.h"


#define NGX_HTTP_AI_ZONE_MIN      (256 * 1024)
#define NGX_HTTP_AI_ZONE_BUCKETS  1024     /* a power of 2 */
#define NGX_HTTP_AI_ZONE_SECONDS  10       /* of the retry budget's window */
#define NGX_HTTP_AI_ZONE_SLOTS    1024     /* parked requests at once */


typedef enum {
    NGX_HTTP_AI_NODE_BALANCE = 1,      /* a route's balancer */
    NGX_HTTP_AI_NODE_ACCOUNT,          /* an account's health */
    NGX_HTTP_AI_NODE_MODEL,            /* cooldown of an account's model */
    NGX_HTTP_AI_NODE_CELL              /* breaker of a health cell */
} ngx_http_ai_node_e;


/* the head of everything that is found by a key and may be evicted */

typedef struct {
    ngx_queue_t              bucket;
    ngx_queue_t              lru;
    uint64_t                 key;
    ngx_uint_t               kind;     /* ngx_http_ai_node_e */
} ngx_http_ai_node_t;


/* a second of the retry budget's window; written with atomic operations */

typedef struct {
    ngx_atomic_t             second;
    ngx_atomic_t             requests;
    ngx_atomic_t             retries;
} ngx_http_ai_second_t;


/* a parked request; guarded by the lock */

typedef struct {
    ngx_pid_t                pid;      /* its worker; 0: the slot is free */
    ngx_uint_t               seq;
    uint32_t                 route;
    uint32_t                 class;
    ngx_uint_t               priority;
    ngx_msec_t               since;
} ngx_http_ai_slot_t;


typedef struct {
    ngx_uint_t               version;
    ngx_queue_t              lru;
    ngx_queue_t              buckets[NGX_HTTP_AI_ZONE_BUCKETS];

    ngx_http_ai_second_t     seconds[NGX_HTTP_AI_ZONE_SECONDS];

    ngx_uint_t               seq;      /* of the last parked request */
    ngx_uint_t               parked;
    ngx_msec_t               swept;    /* places of dead workers looked for */
    ngx_http_ai_slot_t       slots[NGX_HTTP_AI_ZONE_SLOTS];
} ngx_http_ai_zone_sh_t;


struct ngx_http_ai_zone_s {
    ngx_http_ai_zone_sh_t   *sh;
    ngx_slab_pool_t         *shpool;
};


/* adds the zone to the configuration under amcf->zone_name and _size */
ngx_int_t ngx_http_ai_zone_create(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf);

#define ngx_http_ai_zone_lock(zone)    ngx_shmtx_lock(&(zone)->shpool->mutex)
#define ngx_http_ai_zone_unlock(zone)  ngx_shmtx_unlock(&(zone)->shpool->mutex)

/* NULL if there is none */
ngx_http_ai_node_t *ngx_http_ai_zone_find_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_e kind, uint64_t key);

/*
 * Finds or makes one of size bytes, zeroed; a full zone gives up the nodes
 * longest unused, but for accounts.  NULL if even that does not help.
 */
ngx_http_ai_node_t *ngx_http_ai_zone_make_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_e kind, uint64_t key, size_t size);

void ngx_http_ai_zone_drop_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_t *node);

/*
 * The zone-wide retry budget: every request and every further attempt is
 * counted.  may_retry: NGX_OK while the retries are within 20 % of the
 * requests of the last ten seconds, or fewer than 100; else NGX_BUSY.
 * Lockless.
 */
void ngx_http_ai_zone_count_request(ngx_http_ai_zone_t *zone);
void ngx_http_ai_zone_count_retry(ngx_http_ai_zone_t *zone);
ngx_int_t ngx_http_ai_zone_may_retry(ngx_http_ai_zone_t *zone);


#endif /* _NGX_HTTP_AI_ZONE_H_INCLUDED_ */
