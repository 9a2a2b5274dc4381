
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * From a route and the facts of a request to a plan: which targets may serve
 * it, why the others may not, and which one is next.
 */


#ifndef _NGX_HTTP_AI_ROUTE_H_INCLUDED_
#define _NGX_HTTP_AI_ROUTE_H_INCLUDED_


#include "ngx_http_ai_conf.h"
#include "ngx_http_ai_health.h"
#include "ngx_http_ai_prices.h"
#include "ngx_http_ai_zone.h"
#include "pure/ngx_http_ai_knobs.h"


typedef enum {
    NGX_HTTP_AI_CANDIDATE = 0,
    NGX_HTTP_AI_EXCLUDED_ENDPOINT,     /* the provider does not have it */
    NGX_HTTP_AI_EXCLUDED_CLASS,        /* not an account of the class */
    NGX_HTTP_AI_EXCLUDED_PINNED,       /* another account has what it names */
    NGX_HTTP_AI_EXCLUDED_KNOBS,        /* the request says so */
    NGX_HTTP_AI_EXCLUDED_COST,         /* too dear */
    NGX_HTTP_AI_EXCLUDED_HEALTH,       /* cooling, closed, tripped, ... */
    NGX_HTTP_AI_EXCLUDED_TRIED
} ngx_http_ai_excluded_e;


/* the masks have a bit per target of the route */

typedef struct {
    ngx_http_ai_route_t    *route;
    const ngx_str_t        *model;     /* sent where a target has none of its
                                          own */
    uint64_t                model_hash;
    const ngx_str_t        *model_json;    /* the same, quoted; NULL: as the
                                              client wrote it */
    ngx_uint_t              family;    /* NGX_HTTP_AI_EP_* */
    ngx_uint_t              stream;    /* unsigned  stream:1 */
    ngx_http_ai_demand_t    demand;
    uint64_t                key;       /* of balance hash */
    const ngx_http_ai_knobs_t  *knobs; /* the request's wishes; NULL: none */
    const ngx_http_ai_account_t  *pin; /* has what it names; NULL: any */

    ngx_http_ai_balance_e   balance;   /* the route's, or the request's */
    const ngx_http_ai_prices_t  *prices;
    const ngx_http_ai_route_t   *asked;    /* by the client */
    int64_t                 output;    /* of demand.tokens */
    const ngx_http_ai_price_units_t  *units;   /* that are no tokens */
    uint64_t                cap;       /* nanodollars that no candidate may
                                          cost more than, where the class
                                          says so */

    int64_t                *look;      /* who only asks what would happen: a
                                          copy of the balancer's memory, see
                                          ngx_http_ai_balance_look(); demand
                                          has no claim then; NULL: a request */

    uint64_t                allowed;   /* by endpoint, class, cost and
                                          request */
    uint64_t                tried;     /* in this request */
    uint64_t                banned;    /* ... and not to be tried again */
    uint64_t                eligible;  /* not refused since the refresh */
    ngx_msec_t              back;      /* ngx_current_msec when the first of
                                          those that are away is back */
    ngx_http_ai_verdict_e   cause;     /* why that one is away */
    unsigned                away:1;    /* there is one */
    unsigned                dear:1;    /* some target is: for the class, */
    unsigned                above:1;   /* for what the request says */

    u_char                  excluded[NGX_HTTP_AI_MAX_TARGETS];
                                       /* ngx_http_ai_excluded_e */

    /* of those that their health excluded, as it was then */

    u_char                  states[NGX_HTTP_AI_MAX_TARGETS];
                                       /* ngx_http_ai_health_e */
    u_char                  causes[NGX_HTTP_AI_MAX_TARGETS];
                                       /* ngx_http_ai_verdict_e, its cause */
    ngx_msec_t              until[NGX_HTTP_AI_MAX_TARGETS];
                                       /* ngx_current_msec when it is expected
                                          back */
} ngx_http_ai_plan_t;


/* the model's name as the client, or the route's backup, spells it */
void ngx_http_ai_route_model(ngx_http_ai_plan_t *plan, const ngx_str_t *model,
    const ngx_str_t *model_json, uint64_t model_hash);

/*
 * Begins a plan for a route; the caller has set what the request is: model,
 * stream, demand, output, key, knobs, prices, asked.  The route asked for
 * comes first, since the others are measured by it.
 */
void ngx_http_ai_route_plan(ngx_http_ai_plan_t *plan,
    ngx_http_ai_route_t *route, const ngx_http_ai_endpoint_t *endpoint,
    const ngx_http_ai_class_t *policy);

/* the same for a backup model; the plan is a copy of the request's own */
void ngx_http_ai_route_plan_backup(ngx_http_ai_plan_t *plan,
    const ngx_http_ai_backup_t *backup,
    const ngx_http_ai_endpoint_t *endpoint, const ngx_http_ai_class_t *policy);

/*
 * What the request will cost at a target by its estimated tokens, in
 * nanodollars; NGX_HTTP_AI_PICK_NO_PRICE: not known.  Allocates nothing.
 */
uint64_t ngx_http_ai_route_cost(const ngx_http_ai_plan_t *plan,
    const ngx_http_ai_target_t *target);

/*
 * All that may be tried is eligible again: those not tried yet, or (again)
 * all that are not banned.
 */
void ngx_http_ai_route_refresh(ngx_http_ai_plan_t *plan, ngx_uint_t again);

/*
 * The next target: of the first tier that has one which its health lets
 * through, within it of those that the request's order names first, of these
 * one of the same provider as "last" or of another one first, as "same" says
 * (last is NULL at the beginning), and among those by the plan's balance.  It
 * counts as tried, and "pass" is inside.  NULL: none is left, plan->away and
 * back tell of those refused.  Takes the zone's lock, never yields.
 *
 * With plan->look nobody enters and nothing is left to chance: "pass" is NULL.
 */
ngx_http_ai_target_t *ngx_http_ai_route_next(ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, const ngx_http_ai_target_t *last,
    ngx_uint_t same, ngx_http_ai_pass_t *pass);

/*
 * The least bad one, where every breaker is open: one request goes and sees
 * before its time.  NULL: others do already, or it is not for a breaker.
 */
ngx_http_ai_target_t *ngx_http_ai_route_least_bad(ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, ngx_http_ai_pass_t *pass);

/*
 * Which one that would be; changes nothing.  NULL: others go and see already,
 * or no breaker is the cause.
 */
ngx_http_ai_target_t *ngx_http_ai_route_least(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone);

/*
 * Looks at all that are not banned, for plan->away, back and cause; how many
 * of them could be used now.
 */
ngx_uint_t ngx_http_ai_route_scan(ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone);

/*
 * Why the i-th target of the route is none of those that may be tried: the
 * words of docs/status.md, "tried" of one that was.  NULL: it is one of them.
 */
const ngx_str_t *ngx_http_ai_route_reason(const ngx_http_ai_plan_t *plan,
    ngx_uint_t i);

/*
 * Of one that its health excludes: the verdict behind it, and the Unix time in
 * ms when it is expected back.  NULL and INT64_MIN: not known, or an operator's
 * word, or nothing of the kind.
 */
const ngx_str_t *ngx_http_ai_route_cause(const ngx_http_ai_plan_t *plan,
    ngx_uint_t i);
int64_t ngx_http_ai_route_back_ms(const ngx_http_ai_plan_t *plan,
    ngx_uint_t i);

/*
 * Remembers that its health excludes the i-th target, and how; of one that was
 * tried nothing.
 */
void ngx_http_ai_route_left(ngx_http_ai_plan_t *plan, ngx_uint_t i,
    const ngx_http_ai_health_t *health);

/* 1: the target is one of this plan's route */
ngx_uint_t ngx_http_ai_route_owns(const ngx_http_ai_plan_t *plan,
    const ngx_http_ai_target_t *target);

/* the list of the request that leaves none of the targets; NULL: none does */
const ngx_http_ai_knobs_list_t *ngx_http_ai_route_refusal(
    const ngx_http_ai_plan_t *plan);

/* the target will not be tried again in this request */
void ngx_http_ai_route_ban(ngx_http_ai_plan_t *plan,
    const ngx_http_ai_target_t *target);

/* the same at the dearest allowed one; 0 where no price is known */
int64_t ngx_http_ai_route_dearest(const ngx_http_ai_plan_t *plan);

/* names the health cell of a target in this plan */
void ngx_http_ai_route_cell(const ngx_http_ai_plan_t *plan,
    const ngx_http_ai_target_t *target, ngx_http_ai_cell_t *cell);


#endif /* _NGX_HTTP_AI_ROUTE_H_INCLUDED_ */
