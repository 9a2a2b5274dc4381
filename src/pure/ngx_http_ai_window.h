
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * A sliding window: how many answers were good, failed or slow in the last
 * "window" ms.
 *
 * Time is cut into slots of a tenth of the window.  An event leaves with the
 * slot that it fell into, so it is counted for at least 9 tenths of the
 * window, and never any more once a whole window has passed.
 *
 * The structure may live in shared memory; the caller holds the lock.  Zeroed
 * memory is an empty window.
 */


#ifndef _NGX_HTTP_AI_WINDOW_H_INCLUDED_
#define _NGX_HTTP_AI_WINDOW_H_INCLUDED_


#include "ngx_http_ai_base.h"


#define NGX_HTTP_AI_WINDOW_SLOTS  10

/*
 * Workers look at a clock that each of them keeps for an event loop's turn,
 * so "now" may be older than what another one has just stored.  Up to here
 * that is no surprise; beyond it the clock itself was set back.
 */
#define NGX_HTTP_AI_WINDOW_SKEW   5000     /* ms */

/* longer ago than anything that is measured here may last */
#define NGX_HTTP_AI_WINDOW_AGES   ((ngx_msec_t) -1 >> 1)


typedef enum {
    NGX_HTTP_AI_WINDOW_OK = 0,
    NGX_HTTP_AI_WINDOW_FAILED,
    NGX_HTTP_AI_WINDOW_SLOW,
    NGX_HTTP_AI_WINDOW_KINDS               /* how many there are */
} ngx_http_ai_window_e;


typedef struct {
    ngx_msec_t    start;                   /* of the slot at "head" */
    uint32_t      head;                    /* the slot in use */
    uint32_t      counts[NGX_HTTP_AI_WINDOW_SLOTS][NGX_HTTP_AI_WINDOW_KINDS];
} ngx_http_ai_window_t;


typedef struct {
    uint64_t      counts[NGX_HTTP_AI_WINDOW_KINDS];
    uint64_t      total;
} ngx_http_ai_window_sum_t;


/*
 * How many ms ago "since" was: 0 if it is ahead of "now" by no more than the
 * workers' clocks may differ, AGES if by more.  A clock that was set back
 * thus ends every wait, instead of making it longer by as much; so does a
 * time that is more than half of ngx_msec_t's range ago.
 */
static ngx_inline ngx_msec_t
ngx_http_ai_window_elapsed(ngx_msec_t since, ngx_msec_t now)
{
    ngx_msec_int_t  ms;

    ms = (ngx_msec_int_t) (now - since);

    if (ms >= 0) {
        return (ngx_msec_t) ms;
    }

    return ms < -NGX_HTTP_AI_WINDOW_SKEW ? NGX_HTTP_AI_WINDOW_AGES : 0;
}


/* counts one event; counts stop at UINT32_MAX instead of starting anew */
void ngx_http_ai_window_add(ngx_http_ai_window_t *w, ngx_msec_t window,
    ngx_msec_t now, ngx_http_ai_window_e kind);

/* what is in the window at "now"; changes nothing */
void ngx_http_ai_window_sum(const ngx_http_ai_window_t *w, ngx_msec_t window,
    ngx_msec_t now, ngx_http_ai_window_sum_t *sum);

void ngx_http_ai_window_reset(ngx_http_ai_window_t *w);


#endif /* _NGX_HTTP_AI_WINDOW_H_INCLUDED_ */
