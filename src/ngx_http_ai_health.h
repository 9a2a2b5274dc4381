
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What is known of accounts and of their models, in the zone: which of them
 * cool down or are closed, and until when.  Verdicts write it, the plan reads
 * it, an operator resets it.
 *
 * All functions take the zone's lock and never yield.
 */


#ifndef _NGX_HTTP_AI_HEALTH_H_INCLUDED_
#define _NGX_HTTP_AI_HEALTH_H_INCLUDED_


#include "ngx_http_ai_zone.h"
#include "pure/ngx_http_ai_verdict.h"


typedef enum {
    NGX_HTTP_AI_HEALTH_OPEN = 0,       /* may be used */
    NGX_HTTP_AI_HEALTH_PROBE,          /* closed, but a probe is due */
    NGX_HTTP_AI_HEALTH_COOLING,
    NGX_HTTP_AI_HEALTH_CLOSED
} ngx_http_ai_health_e;


/* one target's state at one moment */

typedef struct {
    ngx_http_ai_health_e           state;
    ngx_http_ai_verdict_e          cause;      /* of all but OPEN */
    ngx_msec_t                     until;      /* ngx_current_msec when it is
                                                  expected back */
} ngx_http_ai_health_t;


/*
 * 1: nothing cools down and nothing is closed, so that nobody needs to be
 * asked about; takes no lock.
 */
ngx_uint_t ngx_http_ai_health_calm(ngx_http_ai_zone_t *zone);

/* looks an account and its upstream model up; changes nothing */
void ngx_http_ai_health_check(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, const ngx_str_t *model,
    ngx_http_ai_health_t *health);

/*
 * Takes the probe of a closed account, for "until" at most: NGX_DONE to one
 * caller in all workers, NGX_BUSY to the others.  NGX_OK for an account that
 * is not closed.
 */
ngx_int_t ngx_http_ai_health_claim(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, ngx_msec_t until);

/* gives a probe back whose outcome says nothing about the closure */
void ngx_http_ai_health_release(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account);

/*
 * Applies a verdict: cooldowns and closures of wire.md A1.  started is when
 * the try began, wait_ms the provider's hint, -1 without.  The success of a
 * try that began after a closure ends it.  A later cooldown never shortens
 * one that runs.
 */
void ngx_http_ai_health_apply(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, const ngx_str_t *model,
    ngx_http_ai_verdict_e verdict, ngx_msec_t started, int64_t wait_ms);

/* clears all that is remembered of an account and of its models */
void ngx_http_ai_health_reset(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account);


#endif /* _NGX_HTTP_AI_HEALTH_H_INCLUDED_ */
