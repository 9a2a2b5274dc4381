
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The ladder: one function decides what comes after a failed try.
 */


#ifndef _NGX_HTTP_AI_LADDER_H_INCLUDED_
#define _NGX_HTTP_AI_LADDER_H_INCLUDED_


#include "ngx_http_ai_route.h"
#include "pure/ngx_http_ai_verdict.h"


typedef struct {
    ngx_http_ai_verdict_e         verdict;
    const ngx_http_ai_target_t   *last;
    ngx_uint_t                    attempts_left;
} ngx_http_ai_step_t;


/* the next target, or NULL to fail closed */
ngx_http_ai_target_t *ngx_http_ai_ladder_next(ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, const ngx_http_ai_step_t *step);


#endif /* _NGX_HTTP_AI_LADDER_H_INCLUDED_ */
