
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What would happen to a request that is not sent: by the functions that
 * plan, check and order real ones, which only look here.  Nothing is reserved,
 * counted or remembered.
 */


#ifndef _NGX_HTTP_AI_EXPLAIN_H_INCLUDED_
#define _NGX_HTTP_AI_EXPLAIN_H_INCLUDED_


#include "ngx_http_ai_balance.h"
#include "ngx_http_ai_request.h"


#define NGX_HTTP_AI_EXPLAIN_PLANS  (1 + NGX_HTTP_AI_MAX_BACKUPS)


/* the request, as it would be made */

typedef struct {
    ngx_str_t                        model;
    ngx_str_t                        class;    /* data is NULL: not named */
    ngx_str_t                        key_id;   /* likewise */
    ngx_str_t                        session;  /* of balance hash; empty: it
                                                  has none */
    const ngx_http_ai_endpoint_t    *endpoint; /* of accounts */
    int64_t                          input;    /* tokens */
    int64_t                          max;      /* ... of the answer; -1: as
                                                  many as the class assumes */
    ngx_uint_t                       stream;   /* unsigned  stream:1 */
} ngx_http_ai_explain_ask_t;


typedef struct {
    const ngx_http_ai_target_t      *target;
    const ngx_str_t                 *model;    /* sent upstream */
    ngx_uint_t                       order;    /* from 1 on; 0: not tried */
    ngx_http_ai_balance_score_t      score;

    const ngx_str_t                 *reason;   /* NULL: eligible */
    const ngx_str_t                 *cause;    /* or NULL */
    int64_t                          back_ms;  /* Unix time; INT64_MIN */

    ngx_http_ai_health_t             health;
    ngx_http_ai_survey_t             survey;

    uint64_t                         cost;     /* nanodollars, or
                                                  NGX_HTTP_AI_PICK_NO_PRICE */
    int64_t                          input_pico;   /* per token, or
                                                  NGX_HTTP_AI_PRICE_UNKNOWN */
    int64_t                          output_pico;
} ngx_http_ai_explain_candidate_t;


typedef struct {
    const ngx_str_t                 *model;
    ngx_http_ai_balance_e            balance;
    ngx_http_ai_explain_candidate_t *candidates;   /* as the route has them */
    ngx_uint_t                       n;
} ngx_http_ai_explain_plan_t;


typedef struct {
    ngx_http_ai_ctx_t               *ctx;      /* of that request alone: not
                                                  the context of r.  Its error
                                                  is what the client would be
                                                  told; policy and route may
                                                  be NULL then */
    ngx_http_ai_explain_plan_t       plans[NGX_HTTP_AI_EXPLAIN_PLANS];
    ngx_uint_t                       nplans;   /* the first is the route's own,
                                                  the others are backups */
    ngx_http_ai_limits_t             limits;   /* of the key */
    ngx_uint_t                       limited;  /* unsigned  limited:1; it is
                                                  known */
    ngx_array_t                      notes;    /* of ngx_str_t */
    ngx_uint_t                       keyed;    /* unsigned  keyed:1; balance
                                                  hash has something to go
                                                  by */
} ngx_http_ai_explain_t;


/*
 * NGX_OK; NGX_DECLINED: there is no such key; NGX_ERROR without memory, which
 * is r->pool's.  Takes the zone's lock, in short slices; never yields.
 */
ngx_int_t ngx_http_ai_explain(ngx_http_request_t *r,
    const ngx_http_ai_explain_ask_t *ask, ngx_http_ai_explain_t *ex);


/* ngx_http_ai_explain_notes.c: the same in sentences; NGX_OK or NGX_ERROR */

/* fmt as of ngx_slprintf(); a longer one than 512 bytes is cut */
ngx_int_t ngx_http_ai_explain_note(ngx_http_ai_explain_t *ex, const char *fmt,
    ...);

/* about the targets of a plan */
ngx_int_t ngx_http_ai_explain_candidates(ngx_http_ai_explain_t *ex,
    const ngx_http_ai_plan_t *plan, const ngx_http_ai_explain_plan_t *ep);


#endif /* _NGX_HTTP_AI_EXPLAIN_H_INCLUDED_ */
