
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What the client's key is held to: requests, tokens, concurrency and money
 * are reserved in the zone before anything is sent, and settled with the true
 * figures at the end.  So no number of requests at once gets past a limit.
 */


#ifndef _NGX_HTTP_AI_QUOTA_H_INCLUDED_
#define _NGX_HTTP_AI_QUOTA_H_INCLUDED_


#include "ngx_http_ai_zone.h"
#include "ngx_http_ai_key.h"
#include "ngx_http_ai_limits.h"


/* one rate as the client is told of it, right after its own request */

typedef struct {
    int64_t          limit;            /* 0: there is none */
    int64_t          remaining;
    int64_t          reset_ms;         /* until all of it is there again */
} ngx_http_ai_quota_rate_t;


/* what one request has of its key's limits; lives in its context */

typedef struct {
    ngx_http_ai_quota_rate_t   requests;
    ngx_http_ai_quota_rate_t   tokens;
    int64_t                    reserved_tokens;
    unsigned                   held:1; /* to be settled */
} ngx_http_ai_quota_t;


typedef enum {
    NGX_HTTP_AI_QUOTA_NONE = 0,
    NGX_HTTP_AI_QUOTA_CONCURRENT,
    NGX_HTTP_AI_QUOTA_REQUESTS,
    NGX_HTTP_AI_QUOTA_TOKENS,
    NGX_HTTP_AI_QUOTA_BUDGET,
    NGX_HTTP_AI_QUOTA_FULL             /* the zone is */
} ngx_http_ai_quota_e;


/* the limit that refuses */

typedef struct {
    ngx_http_ai_quota_e             limit;
    int64_t                         wait_ms;   /* until it may not any more;
                                                  -1: never */
    int64_t                         left;      /* nanodollars of the budget, */
    int64_t                         nanousd;   /* and what is wanted of it */
    const ngx_http_ai_budget_t     *budget;
} ngx_http_ai_quota_refusal_t;


#define ngx_http_ai_quota_limits(key)                                         \
    ((key)->requests.limit || (key)->tokens.limit || (key)->concurrent        \
     || (key)->nbudgets)


/*
 * All of the key's limits at once, or none: NGX_OK, or NGX_BUSY with the
 * refusal.  tokens and nanousd are what the request may use.  quota->requests
 * and tokens are filled in either way.  Takes the zone's lock, never yields.
 */
ngx_int_t ngx_http_ai_quota_reserve(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_key_t *key, ngx_http_ai_claim_t *claim, int64_t tokens,
    int64_t nanousd, ngx_http_ai_quota_t *quota,
    ngx_http_ai_quota_refusal_t *refusal);

/*
 * Would they be granted?  Results as above; reserves, makes and changes
 * nothing.
 */
ngx_int_t ngx_http_ai_quota_look(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_key_t *key, int64_t tokens, int64_t nanousd,
    ngx_http_ai_quota_refusal_t *refusal);

/*
 * More money for a request that runs, as it was reserved before: NGX_OK, or
 * NGX_BUSY with the budget that refuses.
 */
ngx_int_t ngx_http_ai_quota_extend(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_key_t *key, ngx_http_ai_claim_t *claim, int64_t nanousd,
    ngx_http_ai_quota_refusal_t *refusal);

/*
 * The request's end.  tokens and nanousd: what was used, 0 if nothing was
 * served; -1: not known, then as much as was reserved.  A request that was
 * not even sent to an account does not count as one.  Once per reserve.
 */
void ngx_http_ai_quota_settle(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_key_t *key, ngx_http_ai_claim_t *claim,
    ngx_http_ai_quota_t *quota, ngx_uint_t sent, int64_t tokens,
    int64_t nanousd);

/*
 * A dead worker's claim: its place comes back, and of what was reserved so
 * much counts as spent.
 */
void ngx_http_ai_quota_return_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_claim_t *claim, int64_t nanousd);

/* ngx_http_ai_quota_refuse.c: an HTTP status with ctx->error set */
ngx_http_ai_cold ngx_int_t ngx_http_ai_quota_refuse(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_quota_refusal_t *refusal);

/* ... and the x-ratelimit-* headers of any answer: NGX_OK or NGX_ERROR */
ngx_int_t ngx_http_ai_quota_headers(ngx_http_request_t *r,
    const ngx_http_ai_quota_t *quota);

/*
 * What the key is held to, and what is used of it; looking does not count as
 * use.  Requests in flight are known only of a key that has limits.  Takes the
 * zone's lock, never yields.
 */
void ngx_http_ai_quota_view(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_key_t *key, ngx_http_ai_limits_t *limits);

/* after the zone's data moved: what is in flight stays behind */
void ngx_http_ai_quota_moved_locked(ngx_http_ai_zone_t *zone);

/* 1: nothing is lost with this node, since a new one would be the same */
ngx_uint_t ngx_http_ai_quota_idle(const ngx_http_ai_node_t *node);


#endif /* _NGX_HTTP_AI_QUOTA_H_INCLUDED_ */
