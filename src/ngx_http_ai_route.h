
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
#include "ngx_http_ai_zone.h"


typedef enum {
    NGX_HTTP_AI_CANDIDATE = 0,
    NGX_HTTP_AI_EXCLUDED_ENDPOINT,     /* the provider does not have it */
    NGX_HTTP_AI_EXCLUDED_TRIED
} ngx_http_ai_excluded_e;


typedef struct {
    ngx_http_ai_route_t   *route;
    uint64_t               eligible;   /* a bit per target of the route */
    u_char                 excluded[NGX_HTTP_AI_MAX_TARGETS];
                                       /* ngx_http_ai_excluded_e */
} ngx_http_ai_plan_t;


void ngx_http_ai_route_plan(ngx_http_ai_plan_t *plan,
    ngx_http_ai_route_t *route, const ngx_http_ai_endpoint_t *endpoint);

/*
 * The next target: of the first tier that has an eligible one, and within it
 * of the same provider as "last" or of another one first, as "same" says
 * (last is NULL at the beginning).  It is taken out of the plan.  NULL if
 * none is left.  Takes the zone's lock, never yields.
 */
ngx_http_ai_target_t *ngx_http_ai_route_next(ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, const ngx_http_ai_target_t *last,
    ngx_uint_t same);


#endif /* _NGX_HTTP_AI_ROUTE_H_INCLUDED_ */
