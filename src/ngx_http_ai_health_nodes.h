
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* the health room's own: what its nodes in the zone look like */


#ifndef _NGX_HTTP_AI_HEALTH_NODES_H_INCLUDED_
#define _NGX_HTTP_AI_HEALTH_NODES_H_INCLUDED_


#include "ngx_http_ai_health.h"
#include "ngx_http_ai_purse.h"
#include "pure/ngx_http_ai_stats.h"


#define NGX_HTTP_AI_EWMA_HALF    10000     /* ms */
#define NGX_HTTP_AI_SOON         1000      /* ms; when what is in flight may
                                              have ended */


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


typedef struct {
    ngx_http_ai_node_t             node;
    ngx_http_ai_operate_e          operate;
    ngx_uint_t                     inflight;
    ngx_http_ai_cooling_t          cooling;
    ngx_http_ai_breaker_t          breaker;    /* of connections */
    ngx_http_ai_rate_bucket_t      requests;
    ngx_http_ai_rate_bucket_t      tokens;

    ngx_msec_t                     heard;      /* a client's request told
                                                  something; 0: never */
    ngx_msec_t                     checked;    /* a check began; 0: never */
    ngx_pid_t                      checker;    /* its worker; 0: it is over */
    ngx_http_ai_verdict_e          check;      /* what it found */
    unsigned                       found:1;    /* ... if there was an outcome
                                                  yet */
} ngx_http_ai_account_node_t;


typedef struct {
    ngx_http_ai_node_t             node;
    ngx_http_ai_operate_e          operate;
    ngx_http_ai_cooling_t          cooling;
    ngx_http_ai_headroom_t         headroom;   /* providers' limits are per
                                                  model */
    uint32_t                       cells;      /* bits: that there were, by
                                                  ngx_http_ai_health_bit() */
    uint16_t                       len;
    u_char                         name[];     /* sent upstream */
} ngx_http_ai_model_node_t;

#define ngx_http_ai_health_bit(family, stream)                                \
    ((uint32_t) (family) << ((stream) ? 16 : 0))


typedef struct {
    ngx_http_ai_node_t             node;
    ngx_http_ai_operate_e          operate;
    ngx_http_ai_breaker_t          breaker;
    ngx_http_ai_pick_ewma_t        time;       /* for the balancers */
    ngx_http_ai_stats_t            stats;      /* for people */
} ngx_http_ai_cell_node_t;


/* the three nodes of a cell; each may be missing */

typedef struct {
    ngx_http_ai_account_node_t    *account;
    ngx_http_ai_model_node_t      *model;
    ngx_http_ai_cell_node_t       *cell;
} ngx_http_ai_nodes_t;


#define ngx_http_ai_health_later(a, b)                                        \
    ((ngx_msec_int_t) ((a) - (b)) > 0)


/* one probe a second goes before its time, after the first */
#define ngx_http_ai_health_early(b)                                           \
    ((b)->probes == 0                                                         \
     || ngx_http_ai_health_later(ngx_current_msec,                            \
                                 (b)->probe_since + NGX_HTTP_AI_SOON))


/* the zone's lock is held; nodes that are not there are NULL */
void ngx_http_ai_health_find_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_nodes_t *nodes);

/*
 * Finds or makes one of them; NULL if the zone is full.  With a cell comes the
 * node of its model, by whose name the cell can be found.
 */
void *ngx_http_ai_health_make_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_node_e kind, size_t size);

/* state of a cell whose nodes are these */
void ngx_http_ai_health_look_locked(const ngx_http_ai_nodes_t *nodes,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_health_t *health);

/* 1: a probe was out whose worker is no more, and is given back */
ngx_uint_t ngx_http_ai_health_lost_locked(ngx_http_ai_nodes_t *nodes,
    const ngx_http_ai_cell_t *cell);

/*
 * Every breaker or closure that waits for a probe gives it to this pass, for
 * life ms at most.
 */
ngx_int_t ngx_http_ai_health_probe_locked(ngx_http_ai_nodes_t *nodes,
    ngx_uint_t early, ngx_msec_t life, ngx_http_ai_pass_t *pass);

/*
 * What keeps a cell away longest decides; a probe may be due only where
 * nothing else keeps it away.
 */
void ngx_http_ai_health_worse(ngx_http_ai_health_t *health,
    ngx_http_ai_health_e state, ngx_http_ai_verdict_e cause,
    ngx_msec_t until);


/* ngx_http_ai_health_limit.c: an account's own limits; the lock is held */

/* would one of them hold one more request back? */
void ngx_http_ai_health_limited_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_account_node_t *an, const ngx_http_ai_cell_t *cell,
    const ngx_http_ai_demand_t *demand, ngx_http_ai_health_t *health);

/* takes what the request may use of all of them, or nothing: NGX_BUSY */
ngx_int_t ngx_http_ai_health_reserve_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_node_t *an, const ngx_http_ai_cell_t *cell,
    const ngx_http_ai_demand_t *demand, ngx_http_ai_pass_t *pass,
    ngx_http_ai_health_t *health);

/* what they are, and what is used of them; an may be NULL */
void ngx_http_ai_health_limits_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_account_node_t *an,
    const ngx_http_ai_account_t *account, ngx_http_ai_limits_t *limits);

/* what was used; -1: not known */
void ngx_http_ai_health_settle_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_node_t *an, const ngx_http_ai_cell_t *cell,
    ngx_http_ai_pass_t *pass, int64_t tokens, int64_t nanousd);


/* ngx_http_ai_health_record.c: what an outcome does to a breaker */
ngx_http_ai_breaker_move_e ngx_http_ai_health_count(
    ngx_http_ai_breaker_t *b, const ngx_http_ai_cell_t *cell,
    const ngx_http_ai_pass_t *pass, ngx_http_ai_breaker_outcome_e outcome,
    int64_t wait_ms);


#endif /* _NGX_HTTP_AI_HEALTH_NODES_H_INCLUDED_ */
