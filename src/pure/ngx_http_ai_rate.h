
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Limits as arithmetic: rates ("600r/m") and budgets ("50usd/day").
 *
 * What is stored (bucket, counter) is plain data for shared memory: fixed
 * size, no pointer, and all zero means fresh.  The caller holds whatever lock
 * guards it, and counts concurrency itself.  Amounts are whole numbers and
 * nothing is rounded: what was reserved and given back leaves no trace.
 *
 * Rates count by the monotonic clock in milliseconds, which may wrap; budgets
 * by UTC seconds.  Either may jump back: that never grants anything.
 */


#ifndef _NGX_HTTP_AI_RATE_H_INCLUDED_
#define _NGX_HTTP_AI_RATE_H_INCLUDED_


#include "ngx_http_ai_base.h"


/* so that limit * period_ms fits into 63 bits; also the deepest debt */
#define NGX_HTTP_AI_RATE_MAX       ((int64_t) 100000000000)
#define NGX_HTTP_AI_RATE_WAIT_MAX  ((int64_t) 366 * 86400 * 1000)

#define NGX_HTTP_AI_BUDGET_MAX     ((int64_t) 1000000000 * 1000000000)
#define NGX_HTTP_AI_BUDGET_NEVER   INT64_MAX


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

/* what could be reserved at once, never negative */
int64_t ngx_http_ai_rate_remaining(const ngx_http_ai_rate_t *rate,
    const ngx_http_ai_rate_bucket_t *b, ngx_msec_t now);


typedef enum {
    NGX_HTTP_AI_BUDGET_DAY = 1,
    NGX_HTTP_AI_BUDGET_WEEK,               /* from Monday */
    NGX_HTTP_AI_BUDGET_MONTH,
    NGX_HTTP_AI_BUDGET_TOTAL
} ngx_http_ai_budget_per_e;


/*
 * Nanodollars: 63 bits of picodollars end at 9 million dollars, which a total
 * may pass.  A cost is rounded up to them once per request.
 */

typedef struct {
    int64_t                    limit_nanousd;
    ngx_http_ai_budget_per_e   per;
} ngx_http_ai_budget_t;


typedef struct {
    int64_t                    start;      /* of its window, UTC seconds */
    int64_t                    spent_nanousd;
    int64_t                    reserved_nanousd;
} ngx_http_ai_budget_counter_t;


/* "50usd/day", "10.5usd/week"; results as those of ngx_http_ai_rate_parse() */
ngx_int_t ngx_http_ai_budget_parse(const u_char *p, size_t n,
    ngx_http_ai_budget_t *budget);

/* the parts of it, for what spells them apart: "10.5", "week" */
ngx_int_t ngx_http_ai_budget_amount(const u_char *p, size_t n,
    int64_t *nanousd);
ngx_int_t ngx_http_ai_budget_per(const u_char *p, size_t n,
    ngx_http_ai_budget_per_e *per);

/*
 * The calendar window of a UTC second: start <= now < end.  The end is when
 * the budget resets; that of a total is NGX_HTTP_AI_BUDGET_NEVER.
 */
void ngx_http_ai_budget_window(ngx_http_ai_budget_per_e per, int64_t now,
    int64_t *start, int64_t *end);

/*
 * NGX_DECLINED: the window's money is spent, or does not cover the cost;
 * NGX_AGAIN: it would if the others' reservations came back.  A spent budget
 * lets nothing through, not even a cost of 0 (what is free by its price list
 * need not ask).
 *
 * A reservation outlives its window: it counts in the next one, too, and is
 * paid from the window in which it is settled.
 */
ngx_int_t ngx_http_ai_budget_reserve(const ngx_http_ai_budget_t *budget,
    ngx_http_ai_budget_counter_t *c, int64_t now, int64_t cost_nanousd);

/* a cost of 0: the refund */
void ngx_http_ai_budget_settle(const ngx_http_ai_budget_t *budget,
    ngx_http_ai_budget_counter_t *c, int64_t now, int64_t reserved_nanousd,
    int64_t cost_nanousd);

int64_t ngx_http_ai_budget_remaining(const ngx_http_ai_budget_t *budget,
    const ngx_http_ai_budget_counter_t *c, int64_t now);


#endif /* _NGX_HTTP_AI_RATE_H_INCLUDED_ */
