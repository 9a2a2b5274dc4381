
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What is known of accounts, as people see it.  Looking changes nothing and
 * does not count as use.  Each call takes the zone's lock once, for one
 * account, or one model with its cells, and copies; none yields.
 */


#ifndef _NGX_HTTP_AI_HEALTH_VIEW_H_INCLUDED_
#define _NGX_HTTP_AI_HEALTH_VIEW_H_INCLUDED_


#include "ngx_http_ai_health.h"
#include "ngx_http_ai_limits.h"
#include "pure/ngx_http_ai_stats.h"


/* all endpoints, streamed and not */
#define NGX_HTTP_AI_HEALTH_CELLS  18


typedef struct {
    ngx_http_ai_operate_e       operate;
    ngx_http_ai_health_t        health;    /* of the account as a whole, its
                                              limits included */
    ngx_http_ai_breaker_t       breaker;   /* of its connections */
    ngx_http_ai_limits_t        limits;
    ngx_msec_t                  checked;   /* ngx_current_msec; 0: never */
    ngx_http_ai_verdict_e       check;     /* of one that has ended, */
    ngx_uint_t                  found;     /* unsigned  found:1; if any has */
} ngx_http_ai_health_account_t;


typedef struct {
    ngx_uint_t                  family;    /* NGX_HTTP_AI_EP_* */
    ngx_uint_t                  stream;    /* unsigned  stream:1 */
    ngx_http_ai_operate_e       operate;
    ngx_http_ai_health_t        health;    /* as a request would find it */
    ngx_http_ai_breaker_t       breaker;
    ngx_http_ai_stats_t         stats;
} ngx_http_ai_health_cell_t;


typedef struct {
    ngx_http_ai_operate_e       operate;
    ngx_http_ai_health_t        health;
    ngx_http_ai_headroom_t      headroom;
    ngx_uint_t                  ncells;
    ngx_http_ai_health_cell_t   cells[NGX_HTTP_AI_HEALTH_CELLS];
    ngx_str_t                   name;      /* in "text" */
    u_char                      text[NGX_HTTP_AI_MAX_MODEL];
} ngx_http_ai_health_model_t;


/* where a model is to be found */

typedef struct {
    uint64_t                    key;
    uint32_t                    owner;     /* the account's hash */
} ngx_http_ai_health_ref_t;


void ngx_http_ai_health_view_account(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, ngx_http_ai_health_account_t *view);

/*
 * Models of all accounts, those known longest first, "most" of them; returns
 * how many there are.  The one call that takes the lock several times.
 */
ngx_uint_t ngx_http_ai_health_view_models(ngx_http_ai_zone_t *zone,
    ngx_http_ai_health_ref_t *refs, ngx_uint_t most);

/* NGX_DECLINED: it is there no more */
ngx_int_t ngx_http_ai_health_view_model(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, const ngx_http_ai_health_ref_t *ref,
    ngx_http_ai_health_model_t *view);

/* in flight at all accounts, those of earlier configurations included */
ngx_uint_t ngx_http_ai_health_view_inflight(ngx_http_ai_zone_t *zone);


#endif /* _NGX_HTTP_AI_HEALTH_VIEW_H_INCLUDED_ */
