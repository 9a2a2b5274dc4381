
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
#include "ngx_http_ai_events.h"
#include "pure/ngx_http_ai_ring.h"
#include "pure/ngx_http_ai_xread.h"
#include "ngx_http_ai_fault.h"
#include "ngx_http_ai_totals.h"


#define NGX_HTTP_AI_ZONE_MIN      (256 * 1024)
#define NGX_HTTP_AI_ZONE_SECONDS  10       /* of the retry budget's window */
#define NGX_HTTP_AI_ZONE_SLOTS    1024     /* parked requests at once */


typedef enum {
    NGX_HTTP_AI_NODE_BALANCE = 1,      /* a route's balancer */
    NGX_HTTP_AI_NODE_ACCOUNT,          /* an account's health */
    NGX_HTTP_AI_NODE_MODEL,            /* cooldown of an account's model */
    NGX_HTTP_AI_NODE_CELL,             /* breaker of a health cell */
    NGX_HTTP_AI_NODE_KEY,              /* what a key's limits count */
    NGX_HTTP_AI_NODE_PURSE,            /* what was spent of a budget */
    NGX_HTTP_AI_NODE_CLASS,            /* the gate of a class */
    NGX_HTTP_AI_NODE_TOTALS,           /* counters, for operators ... */
    NGX_HTTP_AI_NODE_TOTALS_KEY,       /* ... of keys */
    NGX_HTTP_AI_NODE_PIN,              /* which account keeps something */
    NGX_HTTP_AI_NODE_KINDS             /* one more than there are */
} ngx_http_ai_node_e;


/*
 * The head of everything that is found by a key.  One that is kept is never
 * evicted: an account of the configuration, an operator's word.
 */

typedef struct {
    ngx_queue_t              bucket;
    ngx_queue_t              lru;
    ngx_queue_t              kin;      /* of sh->kinds, the eldest first */
    uint64_t                 key;
    ngx_msec_t               used;     /* last, to a second */
    uint32_t                 owner;    /* an account's hash, where it is
                                          about one */
    uint32_t                 size;     /* bytes, this head included */
    uint16_t                 kind;     /* ngx_http_ai_node_e */
    uint16_t                 kept;
} ngx_http_ai_node_t;


/* money held back in a purse, see ngx_http_ai_purse.h; all zero: none */

typedef struct {
    uint64_t                 purse;    /* the node's key */
    int64_t                  nanousd;
    int64_t                  periods[4];   /* by kind of period */
    ngx_uint_t               mask;     /* of those that count */
} ngx_http_ai_reserve_t;


/* the words of a record that are known when a request is accepted */
#define NGX_HTTP_AI_CLAIM_TEXTS  11


/*
 * What one request holds of things that are shared, so that it can be taken
 * back when its worker dies, and what its record will say then.
 */

typedef struct {
    ngx_queue_t              link;     /* of its worker's */
    uint64_t                 account;  /* key of the node where it is in
                                          flight; 0: nowhere */
    uint64_t                 key;      /* of the node of its client's key, in
                                          flight there; 0: none */
    ngx_http_ai_reserve_t    account_money;
    ngx_http_ai_reserve_t    key_money;

    int64_t                  ts_ms;    /* when it came, Unix time */
    ngx_msec_t               start;    /* the same as ngx_current_msec */
    uint64_t                 last;     /* the account where it was last ... */
    int64_t                  nanousd;  /* ... and what was spent until then;
                                          lost: what was reserved, too */
    unsigned                 settled:1;    /* nanousd is all, and exact */
    unsigned                 stream:1;
    unsigned                 drill:1;
    uint16_t                 lens[NGX_HTTP_AI_CLAIM_TEXTS];
    u_char                   text[];   /* one after the other */
} ngx_http_ai_claim_t;


/* what one more try has cost; a provider's bill may be any number */

#define ngx_http_ai_claim_add(claim, n)                                       \
    (claim)->nanousd += ngx_min(n, INT64_MAX - (claim)->nanousd)


/* a worker that holds something; guarded by the lock */

typedef struct {
    ngx_queue_t              link;
    ngx_pid_t                pid;
    ngx_queue_t              claims;
} ngx_http_ai_worker_t;


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
    ngx_uint_t               yield;
    uint64_t                 targets;  /* of the route, that it waits for */
} ngx_http_ai_slot_t;


/*
 * What has been read of the other nodes' pins.  The first part is written
 * with atomic operations, the second is guarded by the lock.
 */

typedef struct {
    ngx_atomic_t             reader;   /* pid of who reads them; 0: nobody */
    ngx_atomic_t             reading;  /* 1: it does */
    ngx_atomic_t             entries;  /* read */
    ngx_atomic_t             unknown;  /* of these, of accounts not here */
    ngx_atomic_t             malformed;
    ngx_atomic_t             failures; /* connections lost or refused */

    uint64_t                 source;   /* hash of which stream, and for which
                                          accounts; another one: all anew */
    ngx_http_ai_xread_id_t   last;     /* entry */
} ngx_http_ai_pins_t;


typedef struct {
    ngx_uint_t               version;
    int64_t                  made_ms;  /* Unix time */
    ngx_queue_t              lru;      /* used last at the head */
    ngx_queue_t              kinds[NGX_HTTP_AI_NODE_KINDS];
    ngx_uint_t               counts[NGX_HTTP_AI_NODE_KINDS];   /* of nodes */
    ngx_queue_t             *buckets;  /* a power of 2 of them, by the size
                                          of the zone */
    ngx_uint_t               mask;
    ngx_msec_t               full;     /* nothing could be evicted then; 0:
                                          never */

    size_t                   room;     /* bytes that nodes may have: what is
                                          left keeps requests going */
    size_t                   nodes;    /* ... and those that they have */

    ngx_queue_t              dirty;    /* purses to be written down */
    ngx_pid_t                writer;   /* who does that; 0: nobody */
    ngx_uint_t               left;     /* to it, by a worker that has ended */
    ngx_uint_t               rewrite;  /* all of them, something was lost */

    ngx_queue_t              workers;  /* of ngx_http_ai_worker_t */
    ngx_queue_t              lost;     /* claims of dead ones, to be recorded */
    ngx_msec_t               claims_swept;

    ngx_http_ai_second_t     seconds[NGX_HTTP_AI_ZONE_SECONDS];

    ngx_atomic_t             price_missing;    /* uses without a known price;
                                                  no lock */

    ngx_http_ai_sink_counts_t  sink;   /* of usage records; no lock */

    ngx_http_ai_events_t     events;
    ngx_http_ai_ring_t      *recent;   /* requests that ended */
    ngx_http_ai_faults_t     faults;
    ngx_http_ai_totals_t     totals;

    ngx_http_ai_pins_t       pins;

    ngx_uint_t               seq;      /* of the last parked request */
    ngx_uint_t               parked;
    ngx_msec_t               swept;    /* places of dead workers looked for */
    ngx_http_ai_slot_t       slots[NGX_HTTP_AI_ZONE_SLOTS];
} ngx_http_ai_zone_sh_t;


/* where the data comes from that prepare() finds */

typedef enum {
    NGX_HTTP_AI_ZONE_FRESH = 0,        /* there is none */
    NGX_HTTP_AI_ZONE_SAME,             /* the zone of the cycle before */
    NGX_HTTP_AI_ZONE_MOVED             /* a copy, from one of another size */
} ngx_http_ai_zone_origin_e;


/*
 * Makes room for what the configuration needs, before any worker knows the
 * zone: NGX_OK; NGX_ERROR if it is too small; NGX_ABORT if something else is
 * wrong, which was said.  zone->origin tells what it finds there.
 */
typedef ngx_int_t (*ngx_http_ai_zone_prepare_pt)(ngx_http_ai_zone_t *zone,
    ngx_log_t *log);


/* 1: a node of this kind may be forgotten; the lock is held */
typedef ngx_uint_t (*ngx_http_ai_zone_idle_pt)(
    const ngx_http_ai_node_t *node);


/* one per cycle, in each process its own */

struct ngx_http_ai_zone_s {
    ngx_http_ai_zone_sh_t   *sh;
    ngx_slab_pool_t         *shpool;
    ngx_http_ai_main_conf_t *conf;
    ngx_http_ai_zone_prepare_pt  prepare;
    ngx_http_ai_zone_idle_pt idle;
    ngx_uint_t               origin;   /* ngx_http_ai_zone_origin_e */
    int64_t                  loaded_ms;    /* Unix time */
    ngx_http_ai_worker_t    *worker;   /* this process's, shared ... */
    ngx_pid_t                pid;      /* ... if this is its pid */
};


/* adds the zone to the configuration under amcf->zone_name and _size */
ngx_int_t ngx_http_ai_zone_create(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf, ngx_http_ai_zone_prepare_pt prepare,
    ngx_http_ai_zone_idle_pt idle);

#define ngx_http_ai_zone_lock(zone)    ngx_shmtx_lock(&(zone)->shpool->mutex)
#define ngx_http_ai_zone_unlock(zone)  ngx_shmtx_unlock(&(zone)->shpool->mutex)

/* NULL if there is none */
ngx_http_ai_node_t *ngx_http_ai_zone_find_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_e kind, uint64_t key);

/* the same for who only looks: it does not count as used */
ngx_http_ai_node_t *ngx_http_ai_zone_lookup_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_e kind, uint64_t key);

/*
 * Finds or makes one of size bytes, zeroed; a full zone gives up the nodes
 * longest unused, but for those that are kept or not idle.  NULL if even that
 * does not help.
 */
ngx_http_ai_node_t *ngx_http_ai_zone_make_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_e kind, uint64_t key, size_t size);

/* 64 bits for a name, never 0 */
uint64_t ngx_http_ai_zone_hash(const ngx_str_t *name);

/* what a node of this size takes of the room */
size_t ngx_http_ai_zone_bytes(size_t size);

/* zeroed memory of the zone, for which nodes may have to go as above */
void *ngx_http_ai_zone_alloc_locked(ngx_http_ai_zone_t *zone, size_t size);

void ngx_http_ai_zone_drop_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_t *node);

/*
 * Goes through all nodes of a kind, some at a time, so that nobody waits for
 * long: each call takes the lock once and shows at most "most" nodes, which
 * visit() copies; it may not yield, allocate or log.  NGX_AGAIN: there are
 * more, call again; NGX_OK: that was all, or the place is lost because it was
 * evicted meanwhile.  Zeroed memory is a walk's begin.
 */

typedef struct {
    uint64_t                 next;     /* its key */
    uint64_t                 last;     /* shown last */
    unsigned                 begun:1;
} ngx_http_ai_walk_t;

typedef void (*ngx_http_ai_zone_visit_pt)(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_t *node, void *data);

ngx_int_t ngx_http_ai_zone_walk(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_e kind, ngx_http_ai_walk_t *walk, ngx_uint_t most,
    ngx_http_ai_zone_visit_pt visit, void *data);

/* 1: there is no such process any more; a system call */
ngx_uint_t ngx_http_ai_zone_gone(ngx_pid_t pid);

/*
 * The zone-wide retry budget: every request and every further attempt is
 * counted.  may_retry: NGX_OK while the retries are within 20 % of the
 * requests of the last ten seconds, or fewer than 100; else NGX_BUSY.
 * Lockless.
 */
void ngx_http_ai_zone_count_request(ngx_http_ai_zone_t *zone);
void ngx_http_ai_zone_count_retry(ngx_http_ai_zone_t *zone);
ngx_int_t ngx_http_ai_zone_may_retry(ngx_http_ai_zone_t *zone);

#define NGX_HTTP_AI_RETRY_PERCENT  20
#define NGX_HTTP_AI_RETRY_MIN      100

/* both of the window; lockless, too */
void ngx_http_ai_zone_retries(ngx_http_ai_zone_t *zone, ngx_uint_t *requests,
    ngx_uint_t *retries);

/*
 * A moment of ngx_current_msec as Unix time in ms, and 0, which stands for
 * none, as 0.
 */
int64_t ngx_http_ai_zone_time(ngx_msec_t msec);


#endif /* _NGX_HTTP_AI_ZONE_H_INCLUDED_ */
