
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What an account or a key is held to, and how much of it is used, at one
 * moment: copied under the zone's lock, looked at outside.
 */


#ifndef _NGX_HTTP_AI_LIMITS_H_INCLUDED_
#define _NGX_HTTP_AI_LIMITS_H_INCLUDED_


#include "ngx_http_ai_purse.h"


/* the rules are the owner's and stay; a limit of 0 is none */

typedef struct {
    const ngx_http_ai_rate_t      *requests;
    const ngx_http_ai_rate_t      *tokens;
    ngx_uint_t                     concurrent;
    const ngx_http_ai_budget_t    *budgets;
    ngx_uint_t                     nbudgets;

    ngx_http_ai_rate_bucket_t      left_requests;
    ngx_http_ai_rate_bucket_t      left_tokens;
    ngx_uint_t                     inflight;
    ngx_http_ai_budget_state_t     spent[NGX_HTTP_AI_PURSE_BUDGETS];
                                               /* by kind of period, of the
                                                  period that is now */
} ngx_http_ai_limits_t;


#endif /* _NGX_HTTP_AI_LIMITS_H_INCLUDED_ */
