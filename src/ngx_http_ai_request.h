
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
#include "ngx_http_ai_fault.h"
#include "ngx_http_ai_key.h"
#include "ngx_http_ai_quota.h"
#include "ngx_http_ai_route.h"
#include "ngx_http_ai_stream.h"
#include "pure/ngx_http_ai_endpoint.h"
#include "pure/ngx_http_ai_json.h"
#include "pure/ngx_http_ai_knobs.h"
#include "pure/ngx_http_ai_price.h"
#include "pure/ngx_http_ai_trace.h"


typedef struct ngx_http_ai_attempt_s  ngx_http_ai_attempt_t;
typedef struct ngx_http_ai_meter_s  ngx_http_ai_meter_t;


/* [start, end) of the body is for the gateway alone and not forwarded */

typedef struct {
    off_t                          start;
    off_t                          end;
} ngx_http_ai_cut_t;


/*
 * What the request asks for.  Offsets are into the request body as the
 * client sent it.
 */

typedef struct {
    const ngx_http_ai_endpoint_t  *endpoint;
    ngx_str_t                      tail;       /* after the location's
                                                  prefix, no leading "/" */
    ngx_http_ai_endpoint_parts_t   parts;      /* of the tail */
    ngx_str_t                      model;      /* decoded */
    uint64_t                       model_hash;
    int64_t                        prompt_tokens;  /* estimated */
    int64_t                        output;     /* at most, in tokens */
    int64_t                        tokens;     /* the two together */
    ngx_http_ai_price_units_t      units;      /* what it asks for besides:
                                                  none of most endpoints */
    uint64_t                       key;        /* of balance hash */

    off_t                          size;       /* of the body */
    off_t                          object;     /* just after the top "{" */
    off_t                          model_start;
    off_t                          model_end;  /* 0: not in the body */

    off_t                          options_start;  /* of stream_options */
    off_t                          options_end;    /* 0: absent or null */
    off_t                          include_start;  /* of include_usage's */
    off_t                          include_end;    /* value; 0: absent */

    ngx_http_ai_cut_t              cuts[NGX_HTTP_AI_KNOBS_MEMBERS];
    ngx_uint_t                     ncuts;      /* none overlaps another */

    unsigned                       pinned:1;   /* names the provider's state:
                                                  one account only has it */
    unsigned                       again:1;    /* may be tried again after it
                                                  was sent */
    unsigned                       empty:1;    /* the body is "{}", without
                                                  what is cut out of it */
    unsigned                       form:1;     /* the model stands in a form
                                                  field, without quotes */
    unsigned                       stream:1;
    unsigned                       options_null:1;
    unsigned                       options_empty:1;
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


struct ngx_http_ai_ctx_s {
    ngx_http_request_t            *request;
    ngx_http_event_handler_pt      read_body;  /* the core's, while ours is in
                                                  its place */
    ngx_http_ai_main_conf_t       *conf;
    const ngx_http_ai_key_t       *key;        /* whose request it is; NULL:
                                                  open to everybody, or not a
                                                  known key */
    ngx_http_ai_key_presented_e    presented;
    const ngx_http_ai_class_t     *policy;

    ngx_str_t                      id;         /* x-request-id */
    u_char                         event_id[32];   /* hex, gateway-made */
    ngx_http_ai_trace_t            trace;
    ngx_str_t                      trace_id;   /* its id; empty: none */
    ngx_msec_t                     start;      /* ngx_current_msec */
    int64_t                        start_ms;   /* Unix time */

    uint64_t                       busy_since; /* ns of the monotonic clock;
                                                  0: waits for somebody else */
    uint64_t                       overhead_ns;    /* of its own, so far */

    ngx_http_ai_facts_t            facts;
    ngx_http_ai_claim_t           *claim;      /* NULL: holds nothing */
    ngx_http_ai_quota_t            quota;      /* of the key's limits */
    ngx_http_ai_route_t           *route;
    ngx_http_ai_plan_t             plan;
    ngx_http_ai_attempt_t         *attempt;    /* NULL: nothing was tried */
    ngx_http_ai_stream_t           stream;
    ngx_http_ai_meter_t           *meter;      /* NULL: not of ai_meter */
    ngx_http_ai_drill_t           *drill;      /* NULL: in no fault's scope */

    ngx_http_ai_outcome_e          outcome;
    ngx_http_ai_error_t            error;      /* what the client is told */

    unsigned                       replaced:1; /* the answer is our error */
    unsigned                       error_sent:1;
    unsigned                       recorded:1;
    unsigned                       traced:1;   /* the trace came with it */
};


/*
 * The context of a request inside an ai_pass location, made when it is not
 * there yet (nginx refuses some requests before the content phase); NULL
 * without memory.
 */
ngx_http_ai_ctx_t *ngx_http_ai_request_ctx(ngx_http_request_t *r);

/*
 * ngx_http_ai_request_ids.c: what a request is called, and its trace; a part
 * of making the context.
 */
ngx_int_t ngx_http_ai_request_ids(ngx_http_ai_ctx_t *ctx);

/* n <= 512 random bytes; NGX_ERROR: the generator has failed */
ngx_int_t ngx_http_ai_request_random(u_char *p, size_t n);

/* 1: an X-Request-ID that may go into headers and records as it is */
ngx_uint_t ngx_http_ai_request_sane_id(const ngx_str_t *id);

/* by a lowercase name; NULL: the client did not send it */
ngx_table_elt_t *ngx_http_ai_request_header(ngx_http_request_t *r,
    const char *name, size_t len);

/*
 * X-AI-Class, or what the key or the configuration says: NGX_OK, or an HTTP
 * status with ctx->error set.
 */
ngx_int_t ngx_http_ai_request_class(ngx_http_ai_ctx_t *ctx);

/* the same for a name that no header has; NULL: none is named */
ngx_int_t ngx_http_ai_request_class_named(ngx_http_ai_ctx_t *ctx,
    const ngx_str_t *name);

/* which operation: NGX_OK, or an HTTP status with ctx->error set */
ngx_int_t ngx_http_ai_request_endpoint(ngx_http_ai_ctx_t *ctx);

/* 1: the name is not empty, is UTF-8, and has no control characters */
ngx_uint_t ngx_http_ai_request_sane_model(const ngx_str_t *model);

/*
 * The model that the request names: may it be used, and by which route is it
 * served?  NGX_OK, or an HTTP status with ctx->error set.
 */
ngx_int_t ngx_http_ai_request_named(ngx_http_ai_ctx_t *ctx,
    const ngx_str_t *model);

/*
 * The facts of a request that has no body: so many tokens, and a limit of so
 * many for the answer; -1: it has none.
 */
void ngx_http_ai_request_suppose(ngx_http_ai_ctx_t *ctx, int64_t prompt,
    int64_t max);

/* a key of balance hash as a number; an empty one is random each time */
uint64_t ngx_http_ai_request_hash(const ngx_str_t *key);

/* 1: this request may steer its routing (ngx_http_ai_request_knobs.c) */
ngx_uint_t ngx_http_ai_knobs_allowed(ngx_http_ai_ctx_t *ctx);

/*
 * Reads the members for the gateway, in the order of
 * ngx_http_ai_knobs_member_e, into ctx->plan.knobs and notes what to cut out
 * of the body: NGX_OK, an HTTP status with ctx->error set, or NGX_ERROR.
 */
ngx_int_t ngx_http_ai_request_knobs(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_json_member_t *members);

/*
 * ngx_http_ai_request_body.c: gives the body that nginx has read to feed(),
 * piece by piece; where it is in a file this reads a window at a time.  NGX_OK;
 * NGX_DECLINED: feed() did not return NGX_OK; NGX_ERROR.
 */
typedef ngx_int_t (*ngx_http_ai_request_feed_pt)(void *data, const u_char *p,
    size_t n);

ngx_int_t ngx_http_ai_request_feed(ngx_http_request_t *r,
    ngx_http_ai_request_feed_pt feed, void *data);

/* the body's bytes */
off_t ngx_http_ai_request_size(ngx_http_request_t *r);

/*
 * The model where neither body nor path names one: by X-AI-Model.  NGX_OK, or
 * NGX_DECLINED.
 */
ngx_int_t ngx_http_ai_request_model_header(ngx_http_ai_ctx_t *ctx);

/*
 * ngx_http_ai_request_pin.c: which account has what the request names, in
 * ctx->plan.pin.  NGX_OK, an HTTP status with ctx->error set, or NGX_ERROR.
 */
ngx_int_t ngx_http_ai_request_pin(ngx_http_ai_ctx_t *ctx);

/* the route of a request that names no model; results as above */
ngx_int_t ngx_http_ai_request_resources(ngx_http_ai_ctx_t *ctx);

/* ngx_http_ai_request_json.c: a JSON body's members; results as of _scan() */
ngx_int_t ngx_http_ai_request_json(ngx_http_ai_ctx_t *ctx);

/* ngx_http_ai_request_form.c: a form's fields; results as of _scan() */
ngx_int_t ngx_http_ai_request_form(ngx_http_ai_ctx_t *ctx,
    const ngx_str_t *boundary);

/* what the limits reserve where nothing of the request says more */
void ngx_http_ai_request_reserve(ngx_http_ai_ctx_t *ctx);

/*
 * Scans the body that nginx has read, in memory or in its file, and fills
 * the facts: NGX_OK, an HTTP status with ctx->error set, or NGX_ERROR.
 */
ngx_int_t ngx_http_ai_request_scan(ngx_http_ai_ctx_t *ctx);


#endif /* _NGX_HTTP_AI_REQUEST_H_INCLUDED_ */
