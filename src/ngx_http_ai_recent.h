
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Recent requests: their trails in a ring of the zone, which all workers write
 * and operators read.  All of these take the zone's lock, for a copy of some
 * KB, and never yield.
 */


#ifndef _NGX_HTTP_AI_RECENT_H_INCLUDED_
#define _NGX_HTTP_AI_RECENT_H_INCLUDED_


#include "ngx_http_ai_request.h"
#include "pure/ngx_http_ai_trail.h"


/* what is copied at once; every entry fits */
#define NGX_HTTP_AI_RECENT_SLICE                                              \
    ngx_http_ai_ring_bytes(NGX_HTTP_AI_TRAIL_PACKED)


/* a record as it is: nothing is known of how it came about */
void ngx_http_ai_recent_record(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_record_t *rec);

/* the same with the request's tries, and what was left out of its plans */
void ngx_http_ai_recent_request(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_record_t *rec);

/*
 * The plan, of a backup model, is given up: what it left out is kept in the
 * request's pool for its trail.
 */
void ngx_http_ai_recent_forgo(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_plan_t *plan);

/* bytes of the ring in a zone of that size */
size_t ngx_http_ai_recent_bytes(size_t zone);

/*
 * ngx_http_ai_ring_back() into SLICE bytes, and ngx_http_ai_ring_held(), with
 * the Unix time when the oldest request began; 0: there is none.
 */
size_t ngx_http_ai_recent_back(ngx_http_ai_zone_t *zone, uint64_t *pos,
    u_char *buf);
ngx_uint_t ngx_http_ai_recent_held(ngx_http_ai_zone_t *zone,
    int64_t *oldest_ms);


#endif /* _NGX_HTTP_AI_RECENT_H_INCLUDED_ */
