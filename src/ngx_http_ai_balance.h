
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* which of several equals: the balancers over what the zone knows */


#ifndef _NGX_HTTP_AI_BALANCE_H_INCLUDED_
#define _NGX_HTTP_AI_BALANCE_H_INCLUDED_


#include "ngx_http_ai_route.h"


/*
 * The index of one target of plan->route, of those whose bit is set in
 * "eligible" (never 0), by the route's balance.  Takes the zone's lock where
 * there is a choice, never yields.
 */
ngx_uint_t ngx_http_ai_balance(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, uint64_t eligible);


#endif /* _NGX_HTTP_AI_BALANCE_H_INCLUDED_ */
