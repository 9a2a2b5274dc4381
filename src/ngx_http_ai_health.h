
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
 *                                                 limits
 *   MODEL     account, upstream model             cooldown by rate limits,
 *                                                 headroom
 *   CELL      account, model, endpoint, stream    breaker, times, speed
 *
 * and each of them the operator's word.  A cell without a model stands for the
 * account as a whole: that is what an active check tells of.  All functions
 * but those named _locked take the zone's lock once; none yields.
 */


#ifndef _NGX_HTTP_AI_HEALTH_H_INCLUDED_
#define _NGX_HTTP_AI_HEALTH_H_INCLUDED_


#include "ngx_http_ai_limits.h"
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

/* "open", "probing", "cooling" ...; never NULL */
const ngx_str_t *ngx_http_ai_health_name(ngx_http_ai_health_e state);


/* names a cell, and with it its account and model */

typedef struct {
    ngx_http_ai_account_t         *account;
    const ngx_str_t               *model;      /* sent upstream; NULL: of an
                                                  operator's action, all; of
                                                  a check, none */
    uint64_t                       model_hash;
    ngx_uint_t                     family;     /* NGX_HTTP_AI_EP_*; 0: of an
                                                  operator's action, all */
    ngx_uint_t                     stream;     /* unsigned  stream:1 */
    int64_t                        nanousd;    /* what the request may cost
                                                  there; 0: not known */
} ngx_http_ai_cell_t;


/* what a request asks of the gate, whatever the target */

typedef struct {
    ngx_http_ai_claim_t           *claim;      /* where it is written down;
                                                  NULL: who only asks */
    int64_t                        tokens;     /* that it may use */
    ngx_msec_t                     life;       /* ms; it has ended by then */
    ngx_uint_t                     yield;      /* percent of each limit that
                                                  it leaves to others */
} ngx_http_ai_demand_t;


/* its state at one moment */

typedef struct {
    ngx_http_ai_health_e           state;
    ngx_http_ai_verdict_e          cause;      /* of all but OPEN */
    ngx_msec_t                     until;      /* ngx_current_msec when it is
                                                  expected back */
    ngx_uint_t                     percent;    /* of its weight, 1..100 */
    unsigned                       probed:1;   /* a probe is out just now */
    unsigned                       barred:1;   /* not by breakers only */
} ngx_http_ai_health_t;


/* how much an open breaker is worth to who wants to enter */

typedef enum {
    NGX_HTTP_AI_ENTER_DUE = 0,         /* in, if its probe is due */
    NGX_HTTP_AI_ENTER_EARLY,           /* takes the probe before it is due,
                                          since there is nobody else */
    NGX_HTTP_AI_ENTER_AGAIN            /* the same, and goes on without the
                                          probe if another one has it */
} ngx_http_ai_enter_e;


/* one try's pass through the gate; lives in the request */

typedef struct {
    ngx_http_ai_claim_t           *claim;
    uint64_t                       id;         /* of its probes; never 0 */
    ngx_msec_t                     started;    /* ngx_current_msec */
    int64_t                        tokens;     /* reserved */
    uint32_t                       credential; /* hash of the one it is sent
                                                  with */
    unsigned                       inside:1;   /* must leave */
    unsigned                       probe:1;    /* of a breaker or a closure */
    unsigned                       recorded:1; /* its outcome is known */
} ngx_http_ai_pass_t;


/* what became of a try */

typedef struct {
    ngx_http_ai_verdict_e          verdict;
    int64_t                        wait_ms;    /* the provider's hint; -1 */
    int64_t                        ms;         /* to the first content of a
                                                  stream, or to the whole
                                                  answer; -1: no answer */
    int64_t                        total_ms;   /* to a stream's end; -1: it
                                                  has not ended */
    int64_t                        tokens;     /* of a stream's output, by
                                                  the provider; -1 */
} ngx_http_ai_result_t;


/* looks a cell up; changes nothing */
void ngx_http_ai_health_check(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, const ngx_http_ai_demand_t *demand,
    ngx_http_ai_health_t *health);

/*
 * The gate, at the moment of choice: takes a due probe, reserves the limits,
 * counts the request as in flight.  NGX_OK: go; NGX_BUSY: not this one, and
 * "health" says why.  No "how" gets past a cooldown, a closure, a limit or the
 * operator's word.  A claim is in flight at one account.
 */
ngx_int_t ngx_http_ai_health_enter(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, const ngx_http_ai_demand_t *demand,
    ngx_http_ai_enter_e how, ngx_http_ai_pass_t *pass,
    ngx_http_ai_health_t *health);

/*
 * The try's outcome: cooldowns and closures of wire.md A1, the breakers'
 * counts, times.  A success may be followed by one more call with the verdict
 * of a stream that broke later.
 */
void ngx_http_ai_health_record(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_pass_t *pass,
    const ngx_http_ai_result_t *result);

/* the outcome of a try that says nothing: a probe goes back */
void ngx_http_ai_health_nothing(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_pass_t *pass);

/*
 * The end of what enter() began, and what was used; -1 if that is not known:
 * then it was as much as was reserved.  A pass that is not inside is ignored.
 */
void ngx_http_ai_health_leave(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_pass_t *pass,
    int64_t tokens, int64_t nanousd);

/*
 * ai_health_check: is one due, and is it this worker's?  NGX_OK: it is, and
 * end() must follow; the account's due probes are with it, but its limits and
 * what it has in flight are not touched.  NGX_DECLINED: look again in wait ms.
 */
ngx_int_t ngx_http_ai_health_check_begin(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, ngx_http_ai_pass_t *pass,
    ngx_msec_t *wait);

/*
 * The check's outcome, for the account's closure and for the breaker of its
 * connections, where all that counts for a breaker is a failure; CLIENT_CLOSED
 * if there was none.  Returns the outcome of the check before.
 */
ngx_http_ai_verdict_e ngx_http_ai_health_check_end(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, ngx_http_ai_pass_t *pass,
    ngx_http_ai_verdict_e verdict, int64_t wait_ms);

/* what a claim is written down with, after its worker died */
void ngx_http_ai_health_return_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_claim_t *claim);

/* what an answer's headers say of the limits of this account's model */
void ngx_http_ai_health_headroom(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, const ngx_http_ai_headroom_feed_t *feed);

/* fills in what the balancers ask of a cell; the weight is the caller's */
void ngx_http_ai_health_peer_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_pick_peer_t *peer);

/* requests in flight of an account */
ngx_uint_t ngx_http_ai_health_inflight_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_account_t *account);

/* a node's key in the zone; that of MODEL tells targets of a route apart */
uint64_t ngx_http_ai_health_key(const ngx_http_ai_cell_t *cell,
    ngx_http_ai_node_e kind);


/* ngx_http_ai_health_survey.c: what a cell's state comes from, for people */

typedef struct {
    ngx_http_ai_breaker_view_t     breaker;    /* the cell's, or that of the
                                                  account's connections if it
                                                  is not closed */
    ngx_msec_t                     since;      /* ngx_current_msec of the
                                                  breaker's last move; valid
                                                  if it is not closed */
    ngx_uint_t                     inflight;   /* at the account */
    ngx_http_ai_operate_e          operate;    /* whoever said it */
    ngx_http_ai_limits_t           limits;     /* of the account */
    unsigned                       connections:1;  /* the account's breaker */
    unsigned                       early:1;    /* a probe may go before it is
                                                  due */
} ngx_http_ai_survey_t;

/* changes nothing */
void ngx_http_ai_health_survey(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *cell, ngx_http_ai_survey_t *survey);


/* ngx_http_ai_health_operate.c */

/*
 * Clears all that is remembered of an account, of one of its models or of one
 * cell, but the operator's word.
 */
void ngx_http_ai_health_reset(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *scope);

/* NGX_OK, or NGX_ERROR if the zone is full */
ngx_int_t ngx_http_ai_health_operate(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_cell_t *scope, ngx_http_ai_operate_e what);

/* of an account that the configuration does not name any more */
ngx_uint_t ngx_http_ai_health_idle(const ngx_http_ai_node_t *node);

/* ngx_http_ai_zone_prepare_pt */
ngx_int_t ngx_http_ai_health_prepare(ngx_http_ai_zone_t *zone,
    ngx_log_t *log);


#endif /* _NGX_HTTP_AI_HEALTH_H_INCLUDED_ */
