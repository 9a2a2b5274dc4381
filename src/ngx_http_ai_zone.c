
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_zone.h"
#include "ngx_http_ai_recent.h"


#define NGX_HTTP_AI_ZONE_VERSION   11
#define NGX_HTTP_AI_ZONE_BUCKETS   256         /* at least */
#define NGX_HTTP_AI_ZONE_PER       1024        /* bytes of the zone for each
                                                  bucket */
#define NGX_HTTP_AI_ZONE_NODES     85          /* percent of it for nodes */
#define NGX_HTTP_AI_ZONE_RECENT    1000        /* ms; a node used since then
                                                  keeps its place */
#define NGX_HTTP_AI_ZONE_FULL      100         /* ms between two searches for
                                                  what could be evicted */


static ngx_int_t ngx_http_ai_zone_init(ngx_shm_zone_t *shm_zone, void *data);
static void ngx_http_ai_zone_loaded(ngx_http_ai_zone_t *zone);
static ngx_int_t ngx_http_ai_zone_layout(ngx_http_ai_zone_t *zone,
    size_t size);
static void ngx_http_ai_zone_carry_over(ngx_http_ai_zone_t *zone,
    ngx_shm_zone_t *shm_zone);
static ngx_http_ai_zone_t *ngx_http_ai_zone_other_size(
    ngx_shm_zone_t *shm_zone);
static ngx_int_t ngx_http_ai_zone_evict_locked(ngx_http_ai_zone_t *zone);
static ngx_queue_t *ngx_http_ai_zone_resume_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_e kind, ngx_http_ai_walk_t *walk);
static ngx_http_ai_second_t *ngx_http_ai_zone_second(
    ngx_http_ai_zone_t *zone);


/* both halves of a key are hashes already */

#define ngx_http_ai_zone_bucket(zone, kind, key)                              \
    &(zone)->sh->buckets[((key) + ((key) >> 32) + (kind)) & (zone)->sh->mask]


ngx_int_t
ngx_http_ai_zone_create(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf,
    ngx_http_ai_zone_prepare_pt prepare, ngx_http_ai_zone_idle_pt idle)
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

    amcf->zone->conf = amcf;
    amcf->zone->prepare = prepare;
    amcf->zone->idle = idle;

    shm_zone->init = ngx_http_ai_zone_init;
    shm_zone->data = amcf->zone;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_ai_zone_t  *ozone = data;

    ngx_int_t            rc;
    ngx_http_ai_zone_t  *zone;

    zone = shm_zone->data;

    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (ozone || shm_zone->shm.exists) {

        /* reload: same size and name, the data stays */
        zone->sh = ozone ? ozone->sh : zone->shpool->data;
        zone->origin = NGX_HTTP_AI_ZONE_SAME;

        if (zone->sh->version != NGX_HTTP_AI_ZONE_VERSION) {
            ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                          "zone \"%V\" was laid out by another version of "
                          "the module, restart nginx or rename the zone",
                          &shm_zone->shm.name);
            return NGX_ERROR;
        }

    } else {

        if (ngx_http_ai_zone_layout(zone, shm_zone->shm.size) != NGX_OK) {
            goto small;
        }

        ngx_http_ai_zone_carry_over(zone, shm_zone);
    }

    rc = zone->prepare(zone, shm_zone->shm.log);

    if (rc == NGX_OK) {
        ngx_http_ai_zone_loaded(zone);
        return NGX_OK;
    }

    if (rc != NGX_ERROR) {
        return NGX_ERROR;
    }

small:

    ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                  "zone \"%V\" is too small for %ui accounts and the budgets "
                  "that were spent from, increase its size in \"ai_zone\"",
                  &shm_zone->shm.name, zone->conf->accounts.nelts);

    return NGX_ERROR;
}


static void
ngx_http_ai_zone_loaded(ngx_http_ai_zone_t *zone)
{
    ngx_http_ai_events_about_t  about;

    zone->loaded_ms = ngx_http_ai_zone_time(ngx_max(ngx_current_msec, 1));

    ngx_memzero(&about, sizeof(ngx_http_ai_events_about_t));
    about.what = NGX_HTTP_AI_EVENTS_LOADED;

    ngx_http_ai_events_add(zone, &about);
}


static ngx_int_t
ngx_http_ai_zone_layout(ngx_http_ai_zone_t *zone, size_t size)
{
    size_t                  recent;
    ngx_uint_t              i, n;
    ngx_http_ai_zone_sh_t  *sh;

    sh = ngx_slab_calloc(zone->shpool, sizeof(ngx_http_ai_zone_sh_t));
    if (sh == NULL) {
        return NGX_ERROR;
    }

    for (n = NGX_HTTP_AI_ZONE_BUCKETS; n < size / NGX_HTTP_AI_ZONE_PER; ) {
        n *= 2;
    }

    sh->buckets = ngx_slab_alloc(zone->shpool, n * sizeof(ngx_queue_t));
    if (sh->buckets == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        ngx_queue_init(&sh->buckets[i]);
    }

    recent = ngx_http_ai_recent_bytes(size);

    sh->recent = ngx_slab_alloc(zone->shpool, recent);
    if (sh->recent == NULL) {
        return NGX_ERROR;
    }

    ngx_http_ai_ring_init(sh->recent, recent);

    zone->sh = sh;

    if (ngx_http_ai_totals_layout(zone, size) != NGX_OK) {
        return NGX_ERROR;
    }

    sh->version = NGX_HTTP_AI_ZONE_VERSION;
    sh->mask = n - 1;
    sh->room = zone->shpool->pfree * ngx_pagesize / 100
               * NGX_HTTP_AI_ZONE_NODES;
    sh->made_ms = ngx_http_ai_zone_time(ngx_max(ngx_current_msec, 1));

    for (i = 0; i < NGX_HTTP_AI_NODE_KINDS; i++) {
        ngx_queue_init(&sh->kinds[i]);
    }

    ngx_queue_init(&sh->lru);
    ngx_queue_init(&sh->workers);
    ngx_queue_init(&sh->lost);
    ngx_queue_init(&sh->dirty);

    zone->shpool->data = sh;

    /* eviction answers a full zone; the slab's own message would mislead */
    zone->shpool->log_nomem = 0;

    return NGX_OK;
}


/*
 * A reload that changes the zone's size makes a new one.  What is known moves
 * there, the least used first, so that the most used stay if it is smaller.
 * Requests under way end in the old zone, with the workers they belong to.
 */

static void
ngx_http_ai_zone_carry_over(ngx_http_ai_zone_t *zone,
    ngx_shm_zone_t *shm_zone)
{
    ngx_uint_t           n;
    ngx_queue_t         *q;
    ngx_http_ai_node_t  *node, *copy;
    ngx_http_ai_zone_t  *other;

    other = ngx_http_ai_zone_other_size(shm_zone);

    if (other == NULL) {
        return;
    }

    n = 0;
    zone->origin = NGX_HTTP_AI_ZONE_MOVED;

    ngx_http_ai_zone_lock(other);

    ngx_http_ai_ring_move(zone->sh->recent, other->sh->recent);

    for (q = ngx_queue_last(&other->sh->lru);
         q != ngx_queue_sentinel(&other->sh->lru);
         q = ngx_queue_prev(q))
    {
        node = ngx_queue_data(q, ngx_http_ai_node_t, lru);

        /* nobody else knows the new zone yet */

        copy = ngx_http_ai_zone_make_locked(zone, node->kind, node->key,
                                            node->size);
        if (copy == NULL) {
            continue;
        }

        n++;
        copy->kept = node->kept;
        copy->owner = node->owner;
        ngx_memcpy((u_char *) copy + sizeof(ngx_http_ai_node_t),
                   (u_char *) node + sizeof(ngx_http_ai_node_t),
                   node->size - sizeof(ngx_http_ai_node_t));
    }

    zone->sh->pins = other->sh->pins;
    zone->sh->pins.reader = 0;
    zone->sh->pins.reading = 0;

    ngx_http_ai_fault_moved_locked(zone, other);
    n += ngx_http_ai_totals_move_locked(zone, other);

    ngx_http_ai_zone_unlock(other);

    ngx_log_error(NGX_LOG_NOTICE, shm_zone->shm.log, 0,
                  "zone \"%V\" has another size, %ui entries of what is known "
                  "moved to the new one", &shm_zone->shm.name, n);
}


static ngx_http_ai_zone_t *
ngx_http_ai_zone_other_size(ngx_shm_zone_t *shm_zone)
{
    ngx_uint_t           i;
    ngx_shm_zone_t      *old;
    ngx_list_part_t     *part;
    ngx_http_ai_zone_t  *zone;

    if (ngx_cycle == NULL) {
        return NULL;
    }

    part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part;
    old = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return NULL;
            }

            part = part->next;
            old = part->elts;
            i = 0;
        }

        zone = old[i].data;

        if (old[i].tag == shm_zone->tag
            && old[i].shm.addr != shm_zone->shm.addr
            && old[i].shm.name.len == shm_zone->shm.name.len
            && ngx_strncmp(old[i].shm.name.data, shm_zone->shm.name.data,
                           shm_zone->shm.name.len)
               == 0
            && zone && zone->sh
            && zone->sh->version == NGX_HTTP_AI_ZONE_VERSION)
        {
            return zone;
        }
    }
}


ngx_http_ai_node_t *
ngx_http_ai_zone_find_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_e kind, uint64_t key)
{
    ngx_http_ai_node_t  *node;

    node = ngx_http_ai_zone_lookup_locked(zone, kind, key);

    if (node && ngx_current_msec - node->used >= NGX_HTTP_AI_ZONE_RECENT) {
        node->used = ngx_current_msec;
        ngx_queue_remove(&node->lru);
        ngx_queue_insert_head(&zone->sh->lru, &node->lru);
    }

    return node;
}


ngx_http_ai_node_t *
ngx_http_ai_zone_lookup_locked(ngx_http_ai_zone_t *zone,
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
            return node;
        }
    }

    return NULL;
}


ngx_http_ai_node_t *
ngx_http_ai_zone_make_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_e kind, uint64_t key, size_t size)
{
    size_t               bytes;
    ngx_http_ai_node_t  *node;

    node = ngx_http_ai_zone_find_locked(zone, kind, key);
    if (node) {
        return node;
    }

    bytes = ngx_http_ai_zone_bytes(size);

    while (zone->sh->nodes + bytes > zone->sh->room) {
        if (ngx_http_ai_zone_evict_locked(zone) != NGX_OK) {
            return NULL;
        }
    }

    node = ngx_http_ai_zone_alloc_locked(zone, size);
    if (node == NULL) {
        return NULL;
    }

    zone->sh->nodes += bytes;
    zone->sh->counts[kind]++;

    node->key = key;
    node->kind = kind;
    node->size = size;
    node->used = ngx_current_msec;

    ngx_queue_insert_head(ngx_http_ai_zone_bucket(zone, kind, key),
                          &node->bucket);
    ngx_queue_insert_head(&zone->sh->lru, &node->lru);
    ngx_queue_insert_tail(&zone->sh->kinds[kind], &node->kin);

    return node;
}


uint64_t
ngx_http_ai_zone_hash(const ngx_str_t *name)
{
    uint64_t  hash;

    hash = (uint64_t) ngx_murmur_hash2(name->data, name->len) << 32
           | ngx_crc32_long(name->data, name->len);

    return ngx_max(hash, 1);
}


void *
ngx_http_ai_zone_alloc_locked(ngx_http_ai_zone_t *zone, size_t size)
{
    void  *p;

    for ( ;; ) {
        p = ngx_slab_calloc_locked(zone->shpool, size);

        if (p || ngx_http_ai_zone_evict_locked(zone) != NGX_OK) {
            return p;
        }
    }
}


/*
 * Gives up the node longest unused.  Those that must stay go to the head
 * instead, so that they are not passed over each time.
 */

static ngx_int_t
ngx_http_ai_zone_evict_locked(ngx_http_ai_zone_t *zone)
{
    ngx_queue_t            *q, *first;
    ngx_http_ai_node_t     *node;
    ngx_http_ai_zone_sh_t  *sh;

    first = NULL;
    sh = zone->sh;

    if (sh->full && ngx_current_msec - sh->full < NGX_HTTP_AI_ZONE_FULL) {
        return NGX_DECLINED;
    }

    while (!ngx_queue_empty(&sh->lru)) {

        q = ngx_queue_last(&sh->lru);
        node = ngx_queue_data(q, ngx_http_ai_node_t, lru);

        if (!node->kept && zone->idle(node)) {
            ngx_http_ai_zone_drop_locked(zone, node);
            return NGX_OK;
        }

        if (q == first) {
            /* once around: all of them are kept, and will be for a while */
            sh->full = ngx_max(ngx_current_msec, 1);
            break;
        }

        if (first == NULL) {
            first = q;
        }

        ngx_queue_remove(&node->lru);
        ngx_queue_insert_head(&sh->lru, &node->lru);
    }

    return NGX_DECLINED;
}


/* the slab gives powers of two, and whole pages from half of one on */

size_t
ngx_http_ai_zone_bytes(size_t size)
{
    size_t  bytes;

    if (size > ngx_pagesize / 2) {
        return ngx_align(size, ngx_pagesize);
    }

    for (bytes = 8; bytes < size; bytes *= 2) { /* void */ }

    return bytes;
}


void
ngx_http_ai_zone_drop_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_t *node)
{
    zone->sh->nodes -= ngx_http_ai_zone_bytes(node->size);
    zone->sh->counts[node->kind]--;

    ngx_queue_remove(&node->lru);
    ngx_queue_remove(&node->kin);
    ngx_queue_remove(&node->bucket);
    ngx_slab_free_locked(zone->shpool, node);
}


ngx_int_t
ngx_http_ai_zone_walk(ngx_http_ai_zone_t *zone, ngx_http_ai_node_e kind,
    ngx_http_ai_walk_t *walk, ngx_uint_t most,
    ngx_http_ai_zone_visit_pt visit, void *data)
{
    ngx_uint_t           n;
    ngx_queue_t         *q, *kinds;
    ngx_http_ai_node_t  *node;

    kinds = &zone->sh->kinds[kind];

    ngx_http_ai_zone_lock(zone);

    q = walk->begun ? ngx_http_ai_zone_resume_locked(zone, kind, walk)
                    : ngx_queue_head(kinds);

    for (n = 0; n < most && q != ngx_queue_sentinel(kinds); n++) {
        node = ngx_queue_data(q, ngx_http_ai_node_t, kin);
        visit(zone, node, data);

        walk->last = node->key;
        q = ngx_queue_next(q);
    }

    walk->begun = 1;

    if (q != ngx_queue_sentinel(kinds)) {
        node = ngx_queue_data(q, ngx_http_ai_node_t, kin);
        walk->next = node->key;
        ngx_http_ai_zone_unlock(zone);
        return NGX_AGAIN;
    }

    ngx_http_ai_zone_unlock(zone);

    return NGX_OK;
}


/* either of two neighbours may be gone; both at once is rare */

static ngx_queue_t *
ngx_http_ai_zone_resume_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_e kind, ngx_http_ai_walk_t *walk)
{
    ngx_http_ai_node_t  *node;

    node = ngx_http_ai_zone_lookup_locked(zone, kind, walk->next);

    if (node) {
        return &node->kin;
    }

    node = ngx_http_ai_zone_lookup_locked(zone, kind, walk->last);

    return node ? ngx_queue_next(&node->kin)
                : ngx_queue_sentinel(&zone->sh->kinds[kind]);
}


ngx_uint_t
ngx_http_ai_zone_gone(ngx_pid_t pid)
{
    return pid != ngx_pid && kill(pid, 0) == -1 && ngx_errno == NGX_ESRCH;
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


void
ngx_http_ai_zone_retries(ngx_http_ai_zone_t *zone, ngx_uint_t *requests,
    ngx_uint_t *retries)
{
    ngx_uint_t  i, now;

    now = ngx_http_ai_zone_second(zone)->second;

    *requests = 0;
    *retries = 0;

    for (i = 0; i < NGX_HTTP_AI_ZONE_SECONDS; i++) {

        if (now - zone->sh->seconds[i].second < NGX_HTTP_AI_ZONE_SECONDS) {
            *requests += zone->sh->seconds[i].requests;
            *retries += zone->sh->seconds[i].retries;
        }
    }
}


int64_t
ngx_http_ai_zone_time(ngx_msec_t msec)
{
    ngx_time_t  *tp;

    if (msec == 0) {
        return 0;
    }

    tp = ngx_timeofday();

    return (int64_t) tp->sec * 1000 + tp->msec
           + (ngx_msec_int_t) (msec - ngx_current_msec);
}


ngx_int_t
ngx_http_ai_zone_may_retry(ngx_http_ai_zone_t *zone)
{
    ngx_uint_t  requests, retries;

    ngx_http_ai_zone_retries(zone, &requests, &retries);

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
