
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_ladder.h"


ngx_http_ai_target_t *
ngx_http_ai_ladder_next(ngx_http_ai_plan_t *plan, ngx_http_ai_zone_t *zone,
    const ngx_http_ai_step_t *step)
{
    const ngx_http_ai_move_e  *move;

    if (step->attempts_left == 0) {
        return NULL;
    }

    move = ngx_http_ai_verdict(step->verdict)->moves;

    for ( /* void */ ; *move != NGX_HTTP_AI_MOVE_FAIL; move++) {

        if (*move == NGX_HTTP_AI_MOVE_ACCOUNT
            || *move == NGX_HTTP_AI_MOVE_PROVIDER)
        {
            /* tiers come before the row's order of account and provider */
            return ngx_http_ai_route_next(plan, zone, step->last,
                                          *move == NGX_HTTP_AI_MOVE_ACCOUNT);
        }
    }

    return NULL;
}
