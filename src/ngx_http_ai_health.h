
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What is known of accounts, in the zone: cooldowns and closures by verdict,
 * the breakers, requests in flight and limits, the operator's word.  Every
 * try enters here before it is sent and leaves exactly once.
 *
 *   node      key                                 holds
 *   ACCOUNT   account                             closure, breaker of its
 *                                                 connections, in flight,
 *                                                 limits, operator's word
 *   MODEL     account, upstream model             cooldown by rate limits,
 *                                                 headroom
 *   CELL      account, model, endpoint, stream    breaker, times
 *
 * All functions take the zone's lock once and never yield.
 */


#ifndef _NGX_HTTP_AI_HEALTH_H_INCLUDED_
#define _NGX_HTTP_AI_HEALTH_H_INCLUDED_


#include "ngx_http_ai_zone.h"
#include "pure/ngx_http_ai_headroom.h"
#include "pure/ngx_http_ai_pick.h"
#include "pure/ngx_http_ai_verdict.h"


typedef enum {
    NGX_HTTP_AI_OPERATE_ENABLE = 0,
    NGX_HTTP_AI_OPERATE_DRAIN,
    NGX_HTTP_AI_OPERATE_DISABLE
} ngx_http_ai_operate_e;


typedef enum {
    NGX_HTTP_AI_HEALTH_OPEN = 0,       /* may be used */
    NGX_HTTP_AI_HEALTH_PROBE,          /* not, but a probe is due */
    NGX_HTTP_AI_HEALTH_COOLING,        /* by a verdict */
    NGX_HTTP_AI_HEALTH_CLOSED,         /* until somebody mends it */
    NGX_HTTP_AI_HEALTH_TRIPPED,        /* a breaker is open */
    NGX_HTTP_AI_HEALTH_LIMITED,        /* our own limit */
    NGX_HTTP_AI_HEALTH_STOPPED         /* the operator's word */
} ngx_http_ai_health_e;


/* names a cell, and with it its account and model */

typedef struct {
    ngx_http_ai_account_t         *account;
    const ngx_str_t               *model;      /* sent upstream */
    ngx_uint_t                     family;     /* NGX_HTTP_AI_EP_* */
    ngx_uint_t                     stream;     /* unsigned  stream:1 */
} ngx_http_ai_cell_t;


/* its state at one moment */

typedef struct {
    ngx_http_ai_health_e           state;
    ngx_http_ai_verdict_e          cause;      /* of all but OPEN */
    ngx_msec_t                     until;      /* ngx_current_msec when it is
                                                  expected back */
    ngx_uint_t                     percent;    /* of its weight, 1..100 */
    unsigned                       probed:1;   /* a probe is out just now */
} ngx_http_ai_health_t;


/* one try's pass through the gate; lives in the request */

typedef struct {
    uint64_t                       id;         /* of its probes; never 0 */
    ngx_msec_t                     started;    /* ngx_current_msec */
    int64_t                        tokens;     /* reserved */
    uint32_t                       credential; /* hash of the one it is sent
                                                  with */
    unsigned                       inside:1;   /* must leave */
    unsigned                       probe:1;    /* of a breaker or a closure */
    unsigned                       recorded:1; /* its outcome is known */
} ngx_http_ai_pass_t;


/* looks a cell up, for a request of so many tokens; changes nothing */
void ngx_http_ai_health_check(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, int64_t tokens,
    ngx_http_ai_health_t *health);

/*
 * The gate, at the moment of choice: takes a due probe, reserves the limits,
 * counts the request as in flight.  NGX_OK: go; NGX_BUSY: not this one, and
 * "health" says why.  early: take the probe of an open breaker before it is
 * due, since there is nobody else.  tokens: what the request may use.
 */
ngx_int_t ngx_http_ai_health_enter(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, int64_t tokens, ngx_uint_t early,
    ngx_http_ai_pass_t *pass, ngx_http_ai_health_t *health);

/*
 * The try's outcome: cooldowns and closures of wire.md A1, the breakers'
 * counts.  wait_ms is the provider's hint, -1 without; ms how long it took to
 * the first content, or to the whole answer if not streamed, -1: no answer.
 * A success may be followed by one more call with the verdict of a stream
 * that broke later.
 */
void ngx_http_ai_health_record(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_pass_t *pass,
    ngx_http_ai_verdict_e verdict, int64_t wait_ms, int64_t ms);

/*
 * The end of what enter() began; tokens: what was used, -1 if that is not
 * known.  A pass that is not inside is ignored.
 */
void ngx_http_ai_health_leave(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_pass_t *pass,
    int64_t tokens);

/* what an answer's headers say of the limits of this account's model */
void ngx_http_ai_health_headroom(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, const ngx_http_ai_headroom_feed_t *feed);

/* fills in what the balancers ask of n cells; weights are the caller's */
void ngx_http_ai_health_peers(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cells, ngx_http_ai_pick_peer_t *peers,
    ngx_uint_t n);

/* clears all that is remembered of an account, but the operator's word */
void ngx_http_ai_health_reset(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account);

void ngx_http_ai_health_operate(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, ngx_http_ai_operate_e what);


#endif /* _NGX_HTTP_AI_HEALTH_H_INCLUDED_ */
