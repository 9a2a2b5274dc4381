
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The waiting line of parked requests, shared by the workers: who may go on
 * first when an account comes back.  By class priority, then by age, per
 * route.  A worker's death frees its places.
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
 * NGX_OK with a ticket; NGX_BUSY if the line, or the class's share of it, is
 * full.  Takes the zone's lock, never yields, as all of these do.
 */
ngx_int_t ngx_http_ai_queue_enter(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_route_t *route, const ngx_http_ai_class_t *class,
    ngx_http_ai_ticket_t *ticket);

/*
 * 1: somebody waits whom a new request of this class must not overtake.
 * Takes no lock where nobody waits at all.
 */
ngx_uint_t ngx_http_ai_queue_waiting(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_route_t *route, const ngx_http_ai_class_t *class);

/* 1: nobody parked for the same route comes before */
ngx_uint_t ngx_http_ai_queue_first(ngx_http_ai_zone_t *zone,
    ngx_http_ai_ticket_t *ticket);

void ngx_http_ai_queue_leave(ngx_http_ai_zone_t *zone,
    ngx_http_ai_ticket_t *ticket);


#endif /* _NGX_HTTP_AI_QUEUE_H_INCLUDED_ */
