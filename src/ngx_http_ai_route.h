
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
#include "ngx_http_ai_zone.h"


typedef enum {
    NGX_HTTP_AI_CANDIDATE = 0,
    NGX_HTTP_AI_EXCLUDED_ENDPOINT,     /* the provider does not have it */
    NGX_HTTP_AI_EXCLUDED_CLASS,        /* not an account of the class */
    NGX_HTTP_AI_EXCLUDED_HEALTH,       /* cooling, closed, tripped, ... */
    NGX_HTTP_AI_EXCLUDED_TRIED
} ngx_http_ai_excluded_e;


/* the masks have a bit per target of the route */

typedef struct {
    ngx_http_ai_route_t    *route;
    const ngx_str_t        *model;     /* sent where a target has none of its
                                          own */
    const ngx_str_t        *model_json;    /* the same, quoted; NULL: as the
                                              client wrote it */
    ngx_uint_t              family;    /* NGX_HTTP_AI_EP_* */
    ngx_uint_t              stream;    /* unsigned  stream:1 */
    int64_t                 tokens;    /* what the request may use */
    uint64_t                key;       /* of balance hash */

    uint64_t                allowed;   /* by endpoint and class */
    uint64_t                tried;     /* in this request */
    uint64_t                banned;    /* ... and not to be tried again */
    uint64_t                eligible;  /* not refused since the refresh */
    ngx_msec_t              back;      /* ngx_current_msec when the first of
                                          those that are away is back */
    ngx_http_ai_verdict_e   cause;     /* why that one is away */
    unsigned                away:1;    /* there is one */

    u_char                  excluded[NGX_HTTP_AI_MAX_TARGETS];
                                       /* ngx_http_ai_excluded_e */
} ngx_http_ai_plan_t;


/*
 * Begins a plan for a route; the caller has set what the request is: model,
 * stream, tokens, key.
 */
void ngx_http_ai_route_plan(ngx_http_ai_plan_t *plan,
    ngx_http_ai_route_t *route, const ngx_http_ai_endpoint_t *endpoint,
    const ngx_http_ai_class_t *policy);

/*
 * All that may be tried is eligible again: those not tried yet, or (again)
 * all that are not banned.
 */
void ngx_http_ai_route_refresh(ngx_http_ai_plan_t *plan, ngx_uint_t again);

/*
 * The next target: of the first tier that has one which its health lets
 * through, within it of the same provider as "last" or of another one first,
 * as "same" says (last is NULL at the beginning), and among those by the
 * route's balance.  It counts as tried, and "pass" is inside.  NULL: none is
 * left, plan->away and back tell of those refused.  Takes the zone's lock,
 * never yields.
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
 * Looks at all that are not banned, for plan->away, back and cause; how many
 * of them could be used now.
 */
ngx_uint_t ngx_http_ai_route_scan(ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone);

/* 1: the target is one of this plan's route */
ngx_uint_t ngx_http_ai_route_owns(const ngx_http_ai_plan_t *plan,
    const ngx_http_ai_target_t *target);

/* the target will not be tried again in this request */
void ngx_http_ai_route_ban(ngx_http_ai_plan_t *plan,
    const ngx_http_ai_target_t *target);

/* names the health cell of a target in this plan */
void ngx_http_ai_route_cell(const ngx_http_ai_plan_t *plan,
    const ngx_http_ai_target_t *target, ngx_http_ai_cell_t *cell);


#endif /* _NGX_HTTP_AI_ROUTE_H_INCLUDED_ */
