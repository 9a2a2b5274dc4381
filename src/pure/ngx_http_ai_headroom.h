
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What is left of a provider's own limits, as the headers of its answers say
 * (wire.md A4), and how far that should turn traffic away before the 429.
 *
 * The headers of one answer are collected first, since limit, remaining and
 * reset make sense together only; then they update what is stored.
 */


#ifndef _NGX_HTTP_AI_HEADROOM_H_INCLUDED_
#define _NGX_HTTP_AI_HEADROOM_H_INCLUDED_


#include "ngx_http_ai_base.h"


/* how long a reading counts whose reset is absent, over or absurd */
#define NGX_HTTP_AI_HEADROOM_LIFE_MS  60000

/* providers' longest window is the day; later resets are not believed */
#define NGX_HTTP_AI_HEADROOM_MAX_MS   ((int64_t) 86400 * 1000)

/* above this percentage of the limit an account gets its full weight */
#define NGX_HTTP_AI_HEADROOM_FULL     20


typedef enum {
    NGX_HTTP_AI_HEADROOM_REQUESTS = 0,
    NGX_HTTP_AI_HEADROOM_TOKENS,
    NGX_HTTP_AI_HEADROOM_GROUPS
} ngx_http_ai_headroom_group_e;


/* limits that one answer may state side by side; requests come first */

typedef enum {
    NGX_HTTP_AI_HEADROOM_LINE_REQUESTS = 0,
    NGX_HTTP_AI_HEADROOM_LINE_SHORT,       /* Mistral's 10 seconds */
    NGX_HTTP_AI_HEADROOM_LINE_TOKENS,
    NGX_HTTP_AI_HEADROOM_LINE_INPUT,
    NGX_HTTP_AI_HEADROOM_LINE_OUTPUT,
    NGX_HTTP_AI_HEADROOM_LINES
} ngx_http_ai_headroom_line_e;


/* one answer; lives on the stack while its headers are read */

typedef struct {
    int64_t       limit;                   /* -1: not said, 0: nonsense */
    int64_t       remaining;               /* -1: unknown */
    int64_t       reset_ms;                /* from now; -1: unknown */
    int64_t       period_ms;               /* -1: unknown */
} ngx_http_ai_headroom_line_t;

typedef struct {
    ngx_uint_t                   seen;     /* 0: no header was of use */
    ngx_http_ai_headroom_line_t  lines[NGX_HTTP_AI_HEADROOM_LINES];
} ngx_http_ai_headroom_feed_t;


/* what is stored, in shared memory; all zero: nothing is known */

typedef struct {
    int64_t       limit;                   /* 0: unknown */
    int64_t       remaining;
    ngx_msec_t    seen;                    /* when it was said */
    int64_t       life_ms;                 /* from then on; 0: unknown */
} ngx_http_ai_headroom_group_t;

typedef struct {
    ngx_http_ai_headroom_group_t  groups[NGX_HTTP_AI_HEADROOM_GROUPS];
} ngx_http_ai_headroom_t;


void ngx_http_ai_headroom_init(ngx_http_ai_headroom_feed_t *feed);

/*
 * One header, its name in lower case; others than those of limits are passed
 * over, cheaply.  now: UTC seconds, for dates.  What cannot be true (negative,
 * huge, not a number, in the past) is unknown.
 */
void ngx_http_ai_headroom_header(ngx_http_ai_headroom_feed_t *feed,
    const ngx_str_t *name, const ngx_str_t *value, time_t now);

/*
 * Of requests and of tokens the scarcest limit is kept.  An answer without
 * such headers changes nothing.  now: the monotonic clock.
 */
void ngx_http_ai_headroom_update(ngx_http_ai_headroom_t *h,
    const ngx_http_ai_headroom_feed_t *feed, ngx_msec_t now);

/*
 * How much of its weight the account should get, in percent: 100 with more
 * than NGX_HTTP_AI_HEADROOM_FULL percent left of every limit, or with nothing
 * known, then linearly down to 1, never 0: there must be an answer to say
 * that it is over.  100 again at the reset.
 */
ngx_uint_t ngx_http_ai_headroom_percent(const ngx_http_ai_headroom_t *h,
    ngx_msec_t now);


/*
 * How much is left of the scarcest limit, in percent; 100 with nothing known.
 * *reset_ms: until that limit is whole again, 0 with nothing known.
 */
ngx_uint_t ngx_http_ai_headroom_left(const ngx_http_ai_headroom_t *h,
    ngx_msec_t now, int64_t *reset_ms);

/* 1: something is, which may be that all is left */
ngx_uint_t ngx_http_ai_headroom_known(const ngx_http_ai_headroom_t *h,
    ngx_msec_t now);


#endif /* _NGX_HTTP_AI_HEADROOM_H_INCLUDED_ */
