
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What a request asks of the routing, in the spellings of other gateways:
 * Vercel's providerOptions.gateway, OpenRouter's provider, models and
 * session_id.
 *
 * Nothing is allocated: all strings are spans of the given bytes, in which
 * they are decoded in place.  Members that are not known are skipped, null is
 * as good as absent, and so is an empty list.
 */


#ifndef _NGX_HTTP_AI_KNOBS_H_INCLUDED_
#define _NGX_HTTP_AI_KNOBS_H_INCLUDED_


#include "ngx_http_ai_base.h"


#define NGX_HTTP_AI_KNOBS_NAMES     32     /* in a list */
#define NGX_HTTP_AI_KNOBS_RAW       8192   /* bytes of a member's value */
#define NGX_HTTP_AI_KNOBS_NO_PRICE  -1


/* the members of the request that are read here */

typedef enum {
    NGX_HTTP_AI_KNOBS_OPTIONS = 0,         /* providerOptions */
    NGX_HTTP_AI_KNOBS_PROVIDER,
    NGX_HTTP_AI_KNOBS_MODELS,
    NGX_HTTP_AI_KNOBS_SESSION,             /* session_id */
    NGX_HTTP_AI_KNOBS_MEMBERS              /* how many there are */
} ngx_http_ai_knobs_member_e;


typedef enum {
    NGX_HTTP_AI_KNOBS_SORT_NONE = 0,
    NGX_HTTP_AI_KNOBS_SORT_COST,
    NGX_HTTP_AI_KNOBS_SORT_LATENCY,
    NGX_HTTP_AI_KNOBS_SORT_THROUGHPUT
} ngx_http_ai_knobs_sort_e;


typedef struct {
    ngx_str_t                    field;    /* as the client spelled it:
                                              "provider.only" */
    ngx_uint_t                   n;        /* 0: not given */
    ngx_str_t                    names[NGX_HTTP_AI_KNOBS_NAMES];
                                           /* none of them twice */
} ngx_http_ai_knobs_list_t;


typedef struct {
    ngx_str_t                    name;     /* of an account or provider */
    int64_t                      ms;
} ngx_http_ai_knobs_timeout_t;


typedef struct {
    ngx_http_ai_knobs_list_t     order;
    ngx_http_ai_knobs_list_t     only;
    ngx_http_ai_knobs_list_t     ignore;
    ngx_http_ai_knobs_list_t     models;

    ngx_http_ai_knobs_sort_e     sort;
    ngx_str_t                    session;

    /* picodollars per token, rounded down; NGX_HTTP_AI_KNOBS_NO_PRICE: any */
    int64_t                      max_prompt;
    int64_t                      max_completion;

    ngx_http_ai_knobs_timeout_t  timeouts[NGX_HTTP_AI_KNOBS_NAMES];
    ngx_uint_t                   ntimeouts;

    /*
     * What of providerOptions is not for a provider, relative to the first
     * byte of its value: [cut_start, cut_end), all of the member if
     * "cut_whole", nothing if both are 0.
     */
    size_t                       cut_start;
    size_t                       cut_end;
    unsigned                     cut_whole:1;

    unsigned                     no_fallbacks:1;
    unsigned                     unread:1; /* the caller's: providerOptions
                                              are looked at for the cut only
                                              */
} ngx_http_ai_knobs_t;


typedef struct {
    size_t                       len;
    u_char                       field[160];   /* "provider.order[2]"; may
                                                  hold the client's bytes */
    const char                  *text;     /* goes on: "must be a string" */
} ngx_http_ai_knobs_error_t;


/* the name of a member: "providerOptions" */
const ngx_str_t *ngx_http_ai_knobs_name(ngx_http_ai_knobs_member_e member);

void ngx_http_ai_knobs_init(ngx_http_ai_knobs_t *knobs);

/*
 * Adds what a member's value says.  The n bytes are one JSON value that the
 * scanner has accepted; they change, and must last as long as the knobs.
 * NGX_ERROR: not acceptable, *error says what.
 */
ngx_int_t ngx_http_ai_knobs_parse(ngx_http_ai_knobs_t *knobs,
    ngx_http_ai_knobs_member_e member, u_char *p, size_t n,
    ngx_http_ai_knobs_error_t *error);


/* lists name accounts or providers, in any case */

/* the place in the list, list->n if it is not there */
ngx_uint_t ngx_http_ai_knobs_rank(const ngx_http_ai_knobs_list_t *list,
    const ngx_str_t *account, const ngx_str_t *provider);

/* the list that forbids the account, NULL if there is none */
const ngx_http_ai_knobs_list_t *ngx_http_ai_knobs_refusal(
    const ngx_http_ai_knobs_t *knobs, const ngx_str_t *account,
    const ngx_str_t *provider);

/* ms that the account has for its first byte or token; 0: not said */
int64_t ngx_http_ai_knobs_timeout(const ngx_http_ai_knobs_t *knobs,
    const ngx_str_t *account, const ngx_str_t *provider);


#endif /* _NGX_HTTP_AI_KNOBS_H_INCLUDED_ */
