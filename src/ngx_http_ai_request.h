
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The client's request: the context that follows it through the rooms, its
 * body, and the facts read from it.
 */


#ifndef _NGX_HTTP_AI_REQUEST_H_INCLUDED_
#define _NGX_HTTP_AI_REQUEST_H_INCLUDED_


#include "ngx_http_ai_conf.h"
#include "ngx_http_ai_error.h"
#include "ngx_http_ai_route.h"
#include "ngx_http_ai_stream.h"
#include "pure/ngx_http_ai_endpoint.h"
#include "pure/ngx_http_ai_json.h"


typedef struct ngx_http_ai_attempt_s  ngx_http_ai_attempt_t;


/*
 * What the request asks for.  Offsets are into the request body as the
 * client sent it.
 */

typedef struct {
    const ngx_http_ai_endpoint_t  *endpoint;
    ngx_str_t                      tail;       /* after the location's
                                                  prefix, no leading "/" */
    ngx_str_t                      model;      /* decoded */
    int64_t                        tokens;     /* what it may use: prompt,
                                                  estimated, and output */
    uint64_t                       key;        /* of balance hash */

    off_t                          size;       /* of the body */
    off_t                          object;     /* just after the top "{" */
    off_t                          model_start;
    off_t                          model_end;  /* 0: not in the body */

    off_t                          options_start;  /* of stream_options */
    off_t                          options_end;    /* 0: absent or null */
    off_t                          include_start;  /* of include_usage's */
    off_t                          include_end;    /* value; 0: absent */

    unsigned                       pinned:1;   /* names the provider's state:
                                                  one account only has it */
    unsigned                       empty:1;    /* the body is "{}" */
    unsigned                       stream:1;
    unsigned                       options_null:1;
    unsigned                       options_empty:1;
    unsigned                       options_odd:1;  /* not an object: left as
                                                      it is */
    unsigned                       include_usage:1;  /* the client wants the
                                                        usage chunk */
} ngx_http_ai_facts_t;


typedef enum {
    NGX_HTTP_AI_OUTCOME_ERROR = 0,
    NGX_HTTP_AI_OUTCOME_OK,
    NGX_HTTP_AI_OUTCOME_CUT,
    NGX_HTTP_AI_OUTCOME_STALLED,
    NGX_HTTP_AI_OUTCOME_CLIENT_GONE,
    NGX_HTTP_AI_OUTCOME_REJECTED
} ngx_http_ai_outcome_e;


typedef struct {
    ngx_http_request_t            *request;
    ngx_http_ai_main_conf_t       *conf;
    const ngx_http_ai_class_t     *policy;

    ngx_str_t                      id;         /* x-request-id */
    u_char                         event_id[32];   /* hex, gateway-made */
    ngx_msec_t                     start;      /* ngx_current_msec */
    int64_t                        start_ms;   /* Unix time */

    ngx_http_ai_facts_t            facts;
    ngx_http_ai_route_t           *route;
    ngx_http_ai_plan_t             plan;
    ngx_http_ai_attempt_t         *attempt;    /* NULL: nothing was tried */
    ngx_http_ai_stream_t           stream;

    ngx_http_ai_outcome_e          outcome;
    ngx_http_ai_error_t            error;      /* what the client is told */

    unsigned                       replaced:1; /* the answer is our error */
    unsigned                       error_sent:1;
    unsigned                       recorded:1;
} ngx_http_ai_ctx_t;


/*
 * The context of a request inside an ai_pass location, made when it is not
 * there yet (nginx refuses some requests before the content phase); NULL
 * without memory.
 */
ngx_http_ai_ctx_t *ngx_http_ai_request_ctx(ngx_http_request_t *r);

/* X-AI-Class: NGX_OK, or an HTTP status with ctx->error set */
ngx_int_t ngx_http_ai_request_class(ngx_http_ai_ctx_t *ctx);

/* which operation: NGX_OK, or an HTTP status with ctx->error set */
ngx_int_t ngx_http_ai_request_endpoint(ngx_http_ai_ctx_t *ctx);

/* a key of balance hash as a number; an empty one is random each time */
uint64_t ngx_http_ai_request_hash(const ngx_str_t *key);

/*
 * Scans the body that nginx has read, in memory or in its file, and fills
 * the facts: NGX_OK, an HTTP status with ctx->error set, or NGX_ERROR.
 */
ngx_int_t ngx_http_ai_request_scan(ngx_http_ai_ctx_t *ctx);


#endif /* _NGX_HTTP_AI_REQUEST_H_INCLUDED_ */
