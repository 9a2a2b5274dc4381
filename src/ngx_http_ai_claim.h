
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Claims: what each request holds of things that all workers share, written
 * down in the zone while it holds them.  A worker that is killed cannot give
 * anything back; the others find its claims and do that in its place.
 */


#ifndef _NGX_HTTP_AI_CLAIM_H_INCLUDED_
#define _NGX_HTTP_AI_CLAIM_H_INCLUDED_


#include "ngx_http_ai_zone.h"
#include "pure/ngx_http_ai_record.h"


/*
 * A claim on nothing yet, for one request of this worker; NULL: the zone is
 * full.  rec: what is known of the request; its long words are cut.  Also
 * takes back what dead workers held, every now and then.  Takes the zone's
 * lock, never yields, as all of these do.
 */
ngx_http_ai_claim_t *ngx_http_ai_claim_take(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_record_t *rec);

/* gives back what is still held, and the claim itself */
void ngx_http_ai_claim_release(ngx_http_ai_zone_t *zone,
    ngx_http_ai_claim_t *claim);

/*
 * Takes back what dead workers held, unless that was done in the last few
 * milliseconds: it costs a system call for each worker.
 */
void ngx_http_ai_claim_sweep(ngx_http_ai_zone_t *zone);

/*
 * The record of one request that was lost with its worker, to be handed to
 * the sink; its words are in buf, of NGX_HTTP_AI_CLAIM_WORDS bytes.  The claim
 * is this worker's until it is released: NULL if there is none.
 */
#define NGX_HTTP_AI_CLAIM_WORD   255        /* bytes; a longer one is cut */
#define NGX_HTTP_AI_CLAIM_WORDS                                               \
    (NGX_HTTP_AI_CLAIM_TEXTS * NGX_HTTP_AI_CLAIM_WORD)

ngx_http_ai_claim_t *ngx_http_ai_claim_lost(ngx_http_ai_zone_t *zone,
    ngx_http_ai_record_t *rec, u_char *buf);

/*
 * Takes back what this worker's pid holds: before its first request, since the
 * pid may have been another's, and at its end, for requests that are cut off.
 */
void ngx_http_ai_claim_clear(ngx_http_ai_zone_t *zone);


#endif /* _NGX_HTTP_AI_CLAIM_H_INCLUDED_ */
