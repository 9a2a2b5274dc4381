
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What became of usage records, of all workers together, in the zone.  No
 * lock: sums are written with atomic operations, and of a worker's place
 * there is one writer.  What a killed worker leaves behind there is found by
 * its pid, and booked by whoever looks next.
 */


#ifndef _NGX_HTTP_AI_SINK_COUNTS_H_INCLUDED_
#define _NGX_HTTP_AI_SINK_COUNTS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_ai_spool.h"


#define NGX_HTTP_AI_SINK_WORKERS  256      /* old ones that still run, too;
                                              more are not counted */


/* one worker's records and connections */

typedef struct {
    ngx_atomic_t                pid;       /* 0: free */
    uint16_t                    lanes;     /* connections it should have */
    uint16_t                    connected;
    uint32_t                    waiting;   /* records, in its memory or in a
                                              file of the spool that is */
    uint32_t                    kept;      /* of these, in such a file */
    ngx_msec_t                  since;     /* nothing was delivered since then
                                              although something waits; 0:
                                              nothing does */
} ngx_http_ai_sink_worker_t;


typedef struct {
    ngx_atomic_t                accepted;
    ngx_atomic_t                delivered;
    ngx_http_ai_spool_counts_t  spool;     /* "dropped" is everybody's */
    ngx_http_ai_sink_worker_t   workers[NGX_HTTP_AI_SINK_WORKERS];
} ngx_http_ai_sink_counts_t;


/* of those that live */

typedef struct {
    ngx_uint_t                  lanes;
    ngx_uint_t                  connected;
    ngx_uint_t                  lag;       /* neither delivered nor dropped */
    ngx_msec_t                  waits;     /* ms; the longest "since" */
} ngx_http_ai_sink_sum_t;


/* a place for this process, zeroed; NULL: there is none */
ngx_http_ai_sink_worker_t *ngx_http_ai_sink_counts_join(
    ngx_http_ai_sink_counts_t *counts);

/* its worker ends: what waits is booked by then, nothing is left to be */
void ngx_http_ai_sink_counts_leave(ngx_http_ai_sink_worker_t *worker);

/* books what dead workers left, and adds up the others; system calls, one
   for each worker */
void ngx_http_ai_sink_counts_sum(ngx_http_ai_sink_counts_t *counts,
    ngx_http_ai_sink_sum_t *sum);


#endif /* _NGX_HTTP_AI_SINK_COUNTS_H_INCLUDED_ */
