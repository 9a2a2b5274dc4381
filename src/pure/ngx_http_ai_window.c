
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_window.h"


static ngx_msec_t ngx_http_ai_window_slot(ngx_msec_t window);
static ngx_uint_t ngx_http_ai_window_gone(const ngx_http_ai_window_t *w,
    ngx_msec_t window, ngx_msec_t now);
static void ngx_http_ai_window_advance(ngx_http_ai_window_t *w,
    ngx_msec_t window, ngx_msec_t now);


void
ngx_http_ai_window_add(ngx_http_ai_window_t *w, ngx_msec_t window,
    ngx_msec_t now, ngx_http_ai_window_e kind)
{
    uint32_t  *count;

    ngx_http_ai_window_advance(w, window, now);

    count = &w->counts[w->head % NGX_HTTP_AI_WINDOW_SLOTS][kind];

    if (*count != UINT32_MAX) {
        (*count)++;
    }
}


void
ngx_http_ai_window_sum(const ngx_http_ai_window_t *w, ngx_msec_t window,
    ngx_msec_t now, ngx_http_ai_window_sum_t *sum)
{
    ngx_uint_t  i, k, n, slot;

    ngx_memzero(sum, sizeof(ngx_http_ai_window_sum_t));

    /* the oldest slots come next after the head */

    n = ngx_http_ai_window_gone(w, window, now);

    for (i = n + 1; i <= NGX_HTTP_AI_WINDOW_SLOTS; i++) {
        slot = (w->head + i) % NGX_HTTP_AI_WINDOW_SLOTS;

        for (k = 0; k < NGX_HTTP_AI_WINDOW_KINDS; k++) {
            sum->counts[k] += w->counts[slot][k];
            sum->total += w->counts[slot][k];
        }
    }
}


void
ngx_http_ai_window_reset(ngx_http_ai_window_t *w)
{
    ngx_memzero(w, sizeof(ngx_http_ai_window_t));
}


/* rounded up, so that an event is never counted for too short a time */

static ngx_msec_t
ngx_http_ai_window_slot(ngx_msec_t window)
{
    ngx_msec_t  slot;

    slot = window / NGX_HTTP_AI_WINDOW_SLOTS
           + (window % NGX_HTTP_AI_WINDOW_SLOTS != 0);

    return ngx_max(slot, 1);
}


/* how many slots have left the window since its head was begun */

static ngx_uint_t
ngx_http_ai_window_gone(const ngx_http_ai_window_t *w, ngx_msec_t window,
    ngx_msec_t now)
{
    ngx_msec_t  n;

    n = ngx_http_ai_window_elapsed(w->start, now)
        / ngx_http_ai_window_slot(window);

    return ngx_min(n, NGX_HTTP_AI_WINDOW_SLOTS);
}


/*
 * Slots keep to their own raster while they are in use, whenever the events
 * come; only a window that has nothing left starts at "now".
 */

static void
ngx_http_ai_window_advance(ngx_http_ai_window_t *w, ngx_msec_t window,
    ngx_msec_t now)
{
    ngx_uint_t  i, n;

    n = ngx_http_ai_window_gone(w, window, now);

    if (n == NGX_HTTP_AI_WINDOW_SLOTS) {
        ngx_http_ai_window_reset(w);
        w->start = now;
        return;
    }

    for (i = 0; i < n; i++) {
        w->head = (w->head + 1) % NGX_HTTP_AI_WINDOW_SLOTS;
        ngx_memzero(w->counts[w->head], sizeof(w->counts[w->head]));
        w->start += ngx_http_ai_window_slot(window);
    }
}
