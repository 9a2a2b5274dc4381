
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Limits as arithmetic: rates ("600r/m").
 *
 * What is stored (the bucket) is plain data for shared memory: fixed size, no
 * pointer, and all zero means fresh.  The caller holds whatever lock guards
 * it, and counts concurrency itself.  Amounts are whole numbers and nothing
 * is rounded: what was reserved and given back leaves no trace.
 *
 * Time is the monotonic clock in milliseconds, which may wrap.  It may jump
 * back: that never grants anything.
 */


#ifndef _NGX_HTTP_AI_RATE_H_INCLUDED_
#define _NGX_HTTP_AI_RATE_H_INCLUDED_


#include "ngx_http_ai_base.h"


/* so that limit * period_ms fits into 63 bits; also the deepest debt */
#define NGX_HTTP_AI_RATE_MAX       ((int64_t) 100000000000)
#define NGX_HTTP_AI_RATE_WAIT_MAX  ((int64_t) 366 * 86400 * 1000)


typedef enum {
    NGX_HTTP_AI_RATE_REQUESTS = 1,
    NGX_HTTP_AI_RATE_TOKENS
} ngx_http_ai_rate_unit_e;


typedef struct {
    int64_t                    limit;      /* 1 .. NGX_HTTP_AI_RATE_MAX */
    int64_t                    period_ms;  /* at most a day */
    ngx_http_ai_rate_unit_e    unit;
} ngx_http_ai_rate_t;


/*
 * A bucket knows by which rule it was filled: after a reload with another
 * rule the same share of the new limit is left, and a debt stays as it is.
 */

typedef struct {
    int64_t                    level;      /* what is left; negative: debt */
    int64_t                    limit;      /* of its rule; 0: fresh */
    ngx_msec_t                 last;       /* refilled up to this moment */
    uint32_t                   frac;       /* of one more, in 1/period_ms */
    uint32_t                   period_ms;  /* of its rule */
} ngx_http_ai_rate_bucket_t;


/*
 * "600r/m", "200kt/m", "2mt/d": a number, k (thousand) or m (million), r or
 * t, and /s /m /h /d; any case.  NGX_ERROR if it is not of this form,
 * NGX_DECLINED if it is, but zero or above NGX_HTTP_AI_RATE_MAX.
 */
ngx_int_t ngx_http_ai_rate_parse(const u_char *p, size_t n,
    ngx_http_ai_rate_t *rate);

/*
 * All or nothing.  NGX_AGAIN: not now, ngx_http_ai_rate_wait() says when;
 * NGX_DECLINED: never, n is more than the limit.  A debt lets nothing
 * through, not even n = 0.
 *
 * In any interval no more is granted, less what is given back, than the limit
 * plus what refills in that interval.
 */
ngx_int_t ngx_http_ai_rate_reserve(const ngx_http_ai_rate_t *rate,
    ngx_http_ai_rate_bucket_t *b, ngx_msec_t now, int64_t n);

/* reserved and not used; the bucket never holds more than its limit */
void ngx_http_ai_rate_refund(const ngx_http_ai_rate_t *rate,
    ngx_http_ai_rate_bucket_t *b, ngx_msec_t now, int64_t n);

/*
 * The true figure instead of the reserved one: gives the difference back, or
 * takes it, below zero if need be; that debt refills before anything is
 * granted again.
 */
void ngx_http_ai_rate_settle(const ngx_http_ai_rate_t *rate,
    ngx_http_ai_rate_bucket_t *b, ngx_msec_t now, int64_t reserved,
    int64_t used);

/*
 * Milliseconds until n could be reserved if nobody else came: 0 is now, -1 is
 * never.  Exact up to NGX_HTTP_AI_RATE_WAIT_MAX, which is also the most it
 * says.  With n = rate->limit: until the bucket is full.
 */
int64_t ngx_http_ai_rate_wait(const ngx_http_ai_rate_t *rate,
    const ngx_http_ai_rate_bucket_t *b, ngx_msec_t now, int64_t n);

/* the word for a period that a rate may be written with: "minute" */
const ngx_str_t *ngx_http_ai_rate_period(int64_t period_ms);

/* what could be reserved at once, never negative */
int64_t ngx_http_ai_rate_remaining(const ngx_http_ai_rate_t *rate,
    const ngx_http_ai_rate_bucket_t *b, ngx_msec_t now);


#endif /* _NGX_HTTP_AI_RATE_H_INCLUDED_ */
