
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* which of several equals: the balancers over what the zone knows */


#ifndef _NGX_HTTP_AI_BALANCE_H_INCLUDED_
#define _NGX_HTTP_AI_BALANCE_H_INCLUDED_


#include "ngx_http_ai_route.h"


/*
 * The index of one target of plan->route, of those whose bit is set in
 * "eligible" (never 0), by the plan's balance.  Takes the zone's lock where
 * there is a choice, never yields.
 */
ngx_uint_t ngx_http_ai_balance(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, uint64_t eligible);

/*
 * From now on the plan only looks: choices are made as above but without
 * chance, and remembered in "current", which begins as a copy of the zone's
 * memory and has NGX_HTTP_AI_MAX_TARGETS places.
 */
void ngx_http_ai_balance_look(ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, int64_t *current);


/* what decides about one target */

typedef struct {
    int64_t                  score;    /* thousandths; INT64_MIN: none */
    ngx_uint_t               share;    /* tenths of a percent of requests */
} ngx_http_ai_balance_score_t;

/*
 * Of those of one tier whose bit is set; the others have no score and a share
 * of 0.  The plan looks, and nothing was chosen yet.
 */
void ngx_http_ai_balance_scores(const ngx_http_ai_plan_t *plan,
    ngx_http_ai_zone_t *zone, uint64_t set,
    ngx_http_ai_balance_score_t *scores);

/* never NULL: "least_busy" */
const char *ngx_http_ai_balance_name(ngx_http_ai_balance_e balance);

/* ... and what its scores are: "inflight" */
const char *ngx_http_ai_balance_unit(ngx_http_ai_balance_e balance);


#endif /* _NGX_HTTP_AI_BALANCE_H_INCLUDED_ */
