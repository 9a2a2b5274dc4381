
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
    NGX_HTTP_AI_EXCLUDED_COOLING,
    NGX_HTTP_AI_EXCLUDED_CLOSED,
    NGX_HTTP_AI_EXCLUDED_TRIED
} ngx_http_ai_excluded_e;


/* the masks have a bit per target of the route */

typedef struct {
    ngx_http_ai_route_t    *route;
    const ngx_str_t        *model;     /* sent where a target has none of its
                                          own */
    const ngx_str_t        *model_json;    /* the same, quoted; NULL: as the
                                              client wrote it */

    uint64_t                allowed;   /* by endpoint and class */
    uint64_t                tried;     /* in this request */
    uint64_t                banned;    /* ... and not to be tried again */
    uint64_t                eligible;
    ngx_msec_t              back;      /* ngx_current_msec when the first of
                                          those that cool down is back */
    ngx_http_ai_verdict_e   cause;     /* why that one is away */
    unsigned                away:1;    /* there is one */
    unsigned                probing:1; /* the last target chosen is a closed
                                          account's probe */

    u_char                  excluded[NGX_HTTP_AI_MAX_TARGETS];
                                       /* ngx_http_ai_excluded_e */
} ngx_http_ai_plan_t;


/* begins a plan for a route; ngx_http_ai_route_refresh() makes it current */
void ngx_http_ai_route_plan(ngx_http_ai_plan_t *plan,
    ngx_http_ai_route_t *route, const ngx_http_ai_endpoint_t *endpoint,
    const ngx_http_ai_class_t *policy);

/*
 * Looks up who cools down or is closed.  again: targets tried before, but not
 * banned, take part once more (after a wait).  May take the zone's lock,
 * never yields.
 */
void ngx_http_ai_route_refresh(ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, ngx_uint_t again);

/*
 * The next target: of the first tier that has an eligible one, and within it
 * of the same provider as "last" or of another one first, as "same" says
 * (last is NULL at the beginning).  It counts as tried.  NULL if none is
 * left.  May take the zone's lock, never yields.
 */
ngx_http_ai_target_t *ngx_http_ai_route_next(ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, const ngx_http_ai_target_t *last,
    ngx_uint_t same);

/* the target will not be tried again in this request */
void ngx_http_ai_route_ban(ngx_http_ai_plan_t *plan,
    const ngx_http_ai_target_t *target);


#endif /* _NGX_HTTP_AI_ROUTE_H_INCLUDED_ */
