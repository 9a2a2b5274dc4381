
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The waiting line of parked requests, shared by the workers: who may go on
 * first when an account comes back.  By class priority, then by age, and for
 * each target of a route apart: nobody waits behind one who waits for others.
 * A worker's death frees its places.
 */


#ifndef _NGX_HTTP_AI_QUEUE_H_INCLUDED_
#define _NGX_HTTP_AI_QUEUE_H_INCLUDED_


#include "ngx_http_ai_zone.h"


/* a place in the line */

typedef struct {
    ngx_uint_t               slot;
    ngx_uint_t               seq;      /* 0: none */
} ngx_http_ai_ticket_t;


/*
 * Waits for any of these targets of the route, a bit each.  NGX_OK with a
 * ticket; NGX_BUSY if the line, or the class's share of it, is full.  Takes
 * the zone's lock, never yields, as all of these do.
 */
ngx_int_t ngx_http_ai_queue_enter(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_route_t *route, const ngx_http_ai_class_t *class,
    uint64_t targets, ngx_http_ai_ticket_t *ticket);

/*
 * Of these targets, those that others come first for: of higher priority, or
 * of the same one and older; one without a place in the line is younger than
 * all.  Who leaves more of an account's limits to others than this class does
 * holds nobody up: he may wait for room that only this one may take.
 * Takes no lock where nobody waits at all.
 */
uint64_t ngx_http_ai_queue_ahead(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_route_t *route, const ngx_http_ai_class_t *class,
    uint64_t targets, const ngx_http_ai_ticket_t *ticket);

/* requests that wait, without those of dead workers; takes the lock shortly,
   several times */
ngx_uint_t ngx_http_ai_queue_parked(ngx_http_ai_zone_t *zone);

void ngx_http_ai_queue_leave(ngx_http_ai_zone_t *zone,
    ngx_http_ai_ticket_t *ticket);


#endif /* _NGX_HTTP_AI_QUEUE_H_INCLUDED_ */
