
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Drills: which faults are active, whom they concern, and what became of
 * those requests.  A table of fixed size in the zone; while no fault is
 * active a request costs one look at a counter.  A fault ends by its time
 * whether or not anybody looks: all who read compare it.
 */


#ifndef _NGX_HTTP_AI_FAULT_H_INCLUDED_
#define _NGX_HTTP_AI_FAULT_H_INCLUDED_


#include "ngx_http_ai_events.h"
#include "pure/ngx_http_ai_faultspec.h"


#define NGX_HTTP_AI_FAULT_ACTIVE  16       /* at once */
#define NGX_HTTP_AI_FAULT_SLOTS   32       /* ... and the last ended ones */
#define NGX_HTTP_AI_FAULT_ID      17       /* bytes of it in hex, at most */


typedef enum {
    NGX_HTTP_AI_FAULT_RUNS = 0,
    NGX_HTTP_AI_FAULT_BY_TTL,
    NGX_HTTP_AI_FAULT_BY_OPERATOR,
    NGX_HTTP_AI_FAULT_BY_RELOAD            /* its account is gone */
} ngx_http_ai_fault_end_e;


/* in the zone, guarded by its lock */

typedef struct {
    uint64_t                   id;         /* 0: the slot is free */
    uint32_t                   account;    /* its hash */
    uint32_t                   ended;      /* ngx_http_ai_fault_end_e */
    ngx_msec_t                 until;      /* ngx_current_msec of its end */
    unsigned                   watched:1;  /* its account is awaited back */
    unsigned                   told:1;     /* its end is known to the log */

    int64_t                    started_ms; /* Unix time; 0: not (yet) */
    int64_t                    ends_ms;
    int64_t                    ended_ms;
    int64_t                    first_hit_ms;
    int64_t                    detected_ms;
    int64_t                    returned_ms;

    uint64_t                   requests;   /* all of requests that ended */
    uint64_t                   hit;
    uint64_t                   ok;
    uint64_t                   saved;
    uint64_t                   lost;
    uint64_t                   attempts;
    int64_t                    added_ms;
    int64_t                    moved_nanousd;

    ngx_http_ai_faultspec_t    spec;
} ngx_http_ai_fault_t;


typedef struct {
    ngx_atomic_t               active;     /* not ended; read without lock */
    ngx_atomic_t               watched;    /* accounts awaited back */
    uint64_t                   last;       /* id */
    ngx_http_ai_fault_t        slots[NGX_HTTP_AI_FAULT_SLOTS];
} ngx_http_ai_faults_t;


/* a fault in whose scope a request is, and what it met of it */

typedef struct {
    uint64_t                   id;
    uint32_t                   account;
    ngx_uint_t                 attempts;   /* that met it */
    ngx_uint_t                 first;      /* of these: index of the try */
    ngx_uint_t                 last;
} ngx_http_ai_fault_mark_t;


/* in the request's pool; ctx->drill is NULL for one that is in no scope */

typedef struct {
    ngx_uint_t                 n;
    ngx_http_ai_fault_mark_t   marks[NGX_HTTP_AI_FAULT_ACTIVE];
} ngx_http_ai_drill_t;


/*
 * The request's plan has changed, or a try begins: marks it for all active
 * faults in whose scope it is now, and its claim.  All of these functions
 * take the lock, if there is anything to see, and none yields.
 */
void ngx_http_ai_fault_scope(ngx_http_ai_ctx_t *ctx);

/*
 * The request's n-th try (from 0) goes to the account: the fault that it
 * meets is copied to "spec", NGX_OK; NGX_DECLINED: none.
 */
ngx_int_t ngx_http_ai_fault_meet(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_account_t *account, ngx_uint_t n,
    ngx_http_ai_faultspec_t *spec);

/* the request has ended and its tries have their cost, once */
void ngx_http_ai_fault_settle(ngx_http_ai_ctx_t *ctx);


/* NGX_OK and its id; NGX_BUSY: there are as many as there may be */
ngx_int_t ngx_http_ai_fault_add(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_account_t *account, const ngx_http_ai_faultspec_t *spec,
    uint64_t *id);

/*
 * The operator's word.  NGX_OK, also for one that has ended already;
 * NGX_DECLINED: there is none.
 */
ngx_int_t ngx_http_ai_fault_end(ngx_http_ai_zone_t *zone, uint64_t id,
    ngx_log_t *log);

/* the ids of all, the newest first; returns how many */
ngx_uint_t ngx_http_ai_fault_list(ngx_http_ai_zone_t *zone,
    uint64_t ids[NGX_HTTP_AI_FAULT_SLOTS]);

/* a copy, as of now; NGX_DECLINED: there is none */
ngx_int_t ngx_http_ai_fault_get(ngx_http_ai_zone_t *zone, uint64_t id,
    ngx_http_ai_fault_t *fault);

/* an id in hex; NGX_HTTP_AI_FAULT_ID bytes; and back, 0: it is none */
u_char *ngx_http_ai_fault_print(u_char *buf, uint64_t id);
uint64_t ngx_http_ai_fault_id(const ngx_str_t *text);


/* a new configuration: ends those whose account is not in it */
void ngx_http_ai_fault_prepare(ngx_http_ai_zone_t *zone, ngx_log_t *log);

/* of a zone of another size; both locks are held, or nobody knows "zone" */
void ngx_http_ai_fault_moved_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_zone_t *other);

/* this worker's timer: what ends by time is told to the log */
ngx_int_t ngx_http_ai_fault_start(ngx_cycle_t *cycle,
    ngx_http_ai_main_conf_t *amcf);


/* the room's own: ngx_http_ai_fault.c for ngx_http_ai_fault_request.c */

/* an end that is to be told, when the lock is not held any more */

typedef struct {
    uint64_t                     id;
    uint32_t                     account;
    uint32_t                     ended;
} ngx_http_ai_fault_news_t;


ngx_http_ai_fault_t *ngx_http_ai_fault_find_locked(ngx_http_ai_zone_t *zone,
    uint64_t id);

/* 1: its time is over, whether or not it is marked as ended */
ngx_uint_t ngx_http_ai_fault_expired(const ngx_http_ai_fault_t *f);

/* its account is back, or not awaited any longer */
void ngx_http_ai_fault_unwatch_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_fault_t *f);

/*
 * Ends what has no time left.  The ends that nobody has told yet, at most
 * SLOTS; they are the caller's to tell when it does not hold the lock.
 */
ngx_uint_t ngx_http_ai_fault_news_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_fault_news_t *news);
void ngx_http_ai_fault_tell(ngx_http_ai_zone_t *zone, ngx_log_t *log,
    const ngx_http_ai_fault_news_t *news, ngx_uint_t n);


#endif /* _NGX_HTTP_AI_FAULT_H_INCLUDED_ */
