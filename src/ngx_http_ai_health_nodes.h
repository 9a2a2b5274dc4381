
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* the health room's own: what its nodes in the zone look like */


#ifndef _NGX_HTTP_AI_HEALTH_NODES_H_INCLUDED_
#define _NGX_HTTP_AI_HEALTH_NODES_H_INCLUDED_


#include "ngx_http_ai_health.h"


#define NGX_HTTP_AI_EWMA_HALF    10000     /* ms */
#define NGX_HTTP_AI_MAX_WORKERS  64        /* old ones of reloads too */


/* cooldown or closure by verdict: of an account, or of one of its models */

typedef struct {
    ngx_msec_t                     until;      /* a probe of a closed one is
                                                  due then */
    ngx_msec_t                     probe;      /* one is out until then */
    ngx_pid_t                      prober;     /* the worker that sent it */
    ngx_msec_t                     since;      /* closed last */
    ngx_uint_t                     level;      /* failures in a row */
    uint32_t                       credential; /* that was closed */
    ngx_http_ai_verdict_e          cause;
    unsigned                       active:1;
    unsigned                       closed:1;
} ngx_http_ai_cooling_t;


/* requests in flight of one worker, so that a dead one's can be taken back */

typedef struct {
    ngx_pid_t                      pid;
    ngx_uint_t                     n;
} ngx_http_ai_inflight_t;


typedef struct {
    ngx_http_ai_node_t             node;
    uint32_t                       account;    /* its hash, as in all nodes */
    ngx_http_ai_cooling_t          cooling;
    ngx_http_ai_breaker_t          breaker;    /* of connections */
    ngx_http_ai_rate_bucket_t      requests;
    ngx_http_ai_rate_bucket_t      tokens;
    ngx_http_ai_operate_e          operate;
    ngx_uint_t                     inflight;   /* sum of the workers' */
    ngx_msec_t                     swept;      /* dead workers looked for */
    ngx_http_ai_inflight_t         workers[NGX_HTTP_AI_MAX_WORKERS];
} ngx_http_ai_account_node_t;


typedef struct {
    ngx_http_ai_node_t             node;
    uint32_t                       account;
    ngx_http_ai_cooling_t          cooling;
    ngx_http_ai_headroom_t         headroom;   /* providers' limits are per
                                                  model */
} ngx_http_ai_model_node_t;


typedef struct {
    ngx_http_ai_node_t             node;
    uint32_t                       account;
    ngx_http_ai_breaker_t          breaker;
    ngx_http_ai_pick_ewma_t        time;
} ngx_http_ai_cell_node_t;


/* the three nodes of a cell; each may be missing */

typedef struct {
    ngx_http_ai_account_node_t    *account;
    ngx_http_ai_model_node_t      *model;
    ngx_http_ai_cell_node_t       *cell;
} ngx_http_ai_nodes_t;


#define ngx_http_ai_health_later(a, b)                                        \
    ((ngx_msec_int_t) ((a) - (b)) > 0)


/* the zone's lock is held; nodes that are not there are NULL */
void ngx_http_ai_health_find_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_nodes_t *nodes);

/* finds or makes one of them; NULL if the zone is full */
void *ngx_http_ai_health_make_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_node_e kind, size_t size);

uint64_t ngx_http_ai_health_key(const ngx_http_ai_cell_t *cell,
    ngx_http_ai_node_e kind);

/* ngx_http_ai_health_record.c: what an outcome does to a breaker */
ngx_http_ai_breaker_move_e ngx_http_ai_health_count(
    ngx_http_ai_breaker_t *b, const ngx_http_ai_cell_t *cell,
    const ngx_http_ai_pass_t *pass, ngx_http_ai_breaker_outcome_e outcome,
    int64_t wait_ms);


#endif /* _NGX_HTTP_AI_HEALTH_NODES_H_INCLUDED_ */
