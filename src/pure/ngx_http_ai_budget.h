
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Spending limits per calendar day, week, month (UTC) or in total, as
 * arithmetic: "50usd/day".
 *
 * The state is plain data for shared memory: no pointer, and all zero means
 * that nothing was spent.  The caller holds the lock that guards it.  Amounts
 * are whole nanodollars (63 bits of picodollars end at 9 million dollars,
 * which a total may pass) and stop at INT64_MAX instead of wrapping; a cost is
 * rounded up to them once per request.
 *
 * A period is known by its first second in UTC, which is 0 for a total.  So a
 * period that was written down still says of what day it is, and periods of
 * different kinds compare.
 *
 * Whose money is it?  A request counts in the period in which it was
 * reserved.  If that has ended when the request does, its reservation and its
 * cost are gone from the sums together with that period: the new one knows
 * nothing of it, neither while it runs nor when it is settled.
 *
 * The clock may step back.  Over one boundary: the later period goes on until
 * time has passed it again, so a spent budget is not filled twice.  By more
 * than a whole period, the clock must have been wrong before: what was spent
 * is taken along into the period of the clock, or else a budget that was
 * spent in the year 2040 by mistake would stay shut until then.
 */


#ifndef _NGX_HTTP_AI_BUDGET_H_INCLUDED_
#define _NGX_HTTP_AI_BUDGET_H_INCLUDED_


#include "ngx_http_ai_base.h"


#define NGX_HTTP_AI_BUDGET_MAX     ((int64_t) 1000000000 * 1000000000)
#define NGX_HTTP_AI_BUDGET_NEVER   INT64_MAX


typedef enum {
    NGX_HTTP_AI_BUDGET_DAY = 1,
    NGX_HTTP_AI_BUDGET_WEEK,               /* from Monday */
    NGX_HTTP_AI_BUDGET_MONTH,
    NGX_HTTP_AI_BUDGET_TOTAL
} ngx_http_ai_budget_per_e;


typedef struct {
    int64_t                    limit_nanousd;  /* 1 .. BUDGET_MAX */
    ngx_http_ai_budget_per_e   per;
} ngx_http_ai_budget_t;


typedef struct {
    int64_t                    period;     /* that the sums are of */
    int64_t                    spent_nanousd;
    int64_t                    reserved_nanousd;
} ngx_http_ai_budget_state_t;


/*
 * "50usd/day", "10.5usd/week"; any case.  NGX_ERROR if it is not of this
 * form, NGX_DECLINED if the amount is zero, NGX_BUSY if it is above
 * NGX_HTTP_AI_BUDGET_MAX.
 */
ngx_int_t ngx_http_ai_budget_parse(const u_char *p, size_t n,
    ngx_http_ai_budget_t *budget);

/* the parts of it, for what spells them apart: "10.5", "week" */
ngx_int_t ngx_http_ai_budget_amount(const u_char *p, size_t n,
    int64_t *nanousd);
ngx_int_t ngx_http_ai_budget_per(const u_char *p, size_t n,
    ngx_http_ai_budget_per_e *per);

/* the word for it: "week" */
const ngx_str_t *ngx_http_ai_budget_per_name(ngx_http_ai_budget_per_e per);

/* the period that a UTC second is in, and the second in which the next begins,
   which is NGX_HTTP_AI_BUDGET_NEVER for a total */
int64_t ngx_http_ai_budget_period(ngx_http_ai_budget_per_e per, int64_t now);
int64_t ngx_http_ai_budget_resets(ngx_http_ai_budget_per_e per, int64_t now);

/* brings the state to the period of "now": after it the sums may be shown */
void ngx_http_ai_budget_roll(ngx_http_ai_budget_per_e per,
    ngx_http_ai_budget_state_t *s, int64_t now);

/* spent and reserved; it stops where an int64_t ends, as each of them does */
int64_t ngx_http_ai_budget_used(const ngx_http_ai_budget_state_t *s);

/*
 * NGX_OK: spent + reserved + amount is within the limit, and the amount is
 * reserved now in s->period, which the caller keeps with it.  NGX_BUSY: it is
 * not, and nothing was reserved.  *left is what could be reserved after the
 * call, never negative; it may be NULL.
 *
 * A spent budget lets nothing through, not even an amount of 0, which is also
 * what a request of unknown price reserves; what is free need not ask.
 */
ngx_int_t ngx_http_ai_budget_reserve(const ngx_http_ai_budget_t *budget,
    ngx_http_ai_budget_state_t *s, int64_t now, int64_t amount_nanousd,
    int64_t *left_nanousd);

/*
 * The cost takes the place of the reservation, unless its period is over.
 * Neither takes "now": no boundary matters here that the next reservation
 * will not find.
 */
void ngx_http_ai_budget_settle(ngx_http_ai_budget_state_t *s, int64_t period,
    int64_t reserved_nanousd, int64_t cost_nanousd);

/* as if it had not been reserved: exactly what the undo of several needs */
void ngx_http_ai_budget_refund(ngx_http_ai_budget_state_t *s, int64_t period,
    int64_t reserved_nanousd);


#endif /* _NGX_HTTP_AI_BUDGET_H_INCLUDED_ */
