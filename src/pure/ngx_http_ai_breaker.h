
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The circuit breaker of one health cell, as a state machine over numbers:
 * the moves are listed above the code in ngx_http_ai_breaker.c.
 *
 * The structure lives in shared memory and the caller holds the lock.  Zeroed
 * memory is a closed breaker that has not seen anything.  No call needs to be
 * made for time to pass: what is over is found to be over by the next call.
 *
 * For each request, in this order:
 *
 *     check    may this cell be used, and with how much of its weight?
 *     claim    only for PROBE_DUE: takes the one probe
 *     record   what became of it, exactly once, with the token of the claim
 *              if there was one
 *
 * Who claimed and does not send must still record NEUTRAL, which gives the
 * probe back.  A claimer that was killed cannot: its probe expires.
 */


#ifndef _NGX_HTTP_AI_BREAKER_H_INCLUDED_
#define _NGX_HTTP_AI_BREAKER_H_INCLUDED_


#include "ngx_http_ai_base.h"
#include "ngx_http_ai_window.h"


/* defaults of the ai_breaker directive; times are in ms */

#define NGX_HTTP_AI_BREAKER_DEF_FAILURES  5
#define NGX_HTTP_AI_BREAKER_DEF_RATE      50
#define NGX_HTTP_AI_BREAKER_DEF_MIN       20
#define NGX_HTTP_AI_BREAKER_DEF_WINDOW    30000
#define NGX_HTTP_AI_BREAKER_DEF_OPEN      10000
#define NGX_HTTP_AI_BREAKER_DEF_MAX_OPEN  30000
#define NGX_HTTP_AI_BREAKER_DEF_RAMP      10000

#define NGX_HTTP_AI_BREAKER_JITTER        10        /* percent, both ways */
#define NGX_HTTP_AI_BREAKER_RAMP_WEIGHT   10        /* percent, at first */

/* no wait is longer, whatever the configuration or a provider says */
#define NGX_HTTP_AI_BREAKER_MAX_WAIT      86400000  /* ms */


typedef struct {
    ngx_uint_t    failures;    /* in a row; 0: never by their number */
    ngx_uint_t    rate;        /* percent; 0, 100 or more: never by rate */
    ngx_uint_t    min;         /* answers in the window before a rate is one */
    ngx_msec_t    window;
    ngx_msec_t    open;        /* at first; doubles with each opening */
    ngx_msec_t    max_open;    /* but for a provider's hint */
    ngx_msec_t    slow;        /* 0: a slow answer is a good one; else the
                                  caller's limit, which is not used here */
    ngx_uint_t    min_speed;   /* tokens per second; likewise */
    ngx_msec_t    ramp;        /* 0: full weight at once */
} ngx_http_ai_breaker_conf_t;


typedef enum {
    NGX_HTTP_AI_BREAKER_CLOSED = 0,
    NGX_HTTP_AI_BREAKER_OPEN,
    NGX_HTTP_AI_BREAKER_HALF_OPEN,         /* open, and a probe is out */
    NGX_HTTP_AI_BREAKER_RAMPING,
    NGX_HTTP_AI_BREAKER_STATES             /* how many there are */
} ngx_http_ai_breaker_state_e;


/* why it was opened last */

typedef enum {
    NGX_HTTP_AI_BREAKER_NEVER = 0,
    NGX_HTTP_AI_BREAKER_CONSECUTIVE,
    NGX_HTTP_AI_BREAKER_RATE,              /* failures alone reached it */
    NGX_HTTP_AI_BREAKER_SLOW_RATE,         /* failures and slow answers did */
    NGX_HTTP_AI_BREAKER_PROBE,             /* a probe failed */
    NGX_HTTP_AI_BREAKER_RAMP,              /* a failure while ramping */
    NGX_HTTP_AI_BREAKER_REASONS            /* how many there are */
} ngx_http_ai_breaker_reason_e;


typedef enum {
    NGX_HTTP_AI_BREAKER_OK = 0,
    NGX_HTTP_AI_BREAKER_FAILED,
    NGX_HTTP_AI_BREAKER_SLOW,
    NGX_HTTP_AI_BREAKER_NEUTRAL,           /* says nothing of health: client
                                              errors, rate limits, client
                                              gone, never sent */
    NGX_HTTP_AI_BREAKER_OUTCOMES           /* how many there are */
} ngx_http_ai_breaker_outcome_e;


typedef enum {
    NGX_HTTP_AI_BREAKER_ALLOW = 0,
    NGX_HTTP_AI_BREAKER_PROBE_DUE,         /* to whom claims it */
    NGX_HTTP_AI_BREAKER_REFUSE
} ngx_http_ai_breaker_gate_e;


/* what record() did, for the log: moves, never repetitions */

typedef enum {
    NGX_HTTP_AI_BREAKER_STAYED = 0,
    NGX_HTTP_AI_BREAKER_OPENED,            /* was closed */
    NGX_HTTP_AI_BREAKER_REOPENED,          /* after a probe, or ramping */
    NGX_HTTP_AI_BREAKER_RECOVERED          /* a probe succeeded */
} ngx_http_ai_breaker_move_e;


typedef struct {
    ngx_http_ai_window_t  window;

    uint64_t      probe;         /* token of the one that is out; 0: none */
    ngx_msec_t    probe_since;
    ngx_msec_t    probe_wait;    /* then it is lost */

    ngx_msec_t    since;         /* last opening, recovery or reset; valid
                                    only if "moved" */
    ngx_msec_t    wait_since;    /* open for "wait" ms from here on */
    ngx_msec_t    wait;

    uint32_t      consecutive;   /* failures */
    uint32_t      level;         /* openings without a full recovery */

    /* since the cell was made or reset */

    uint32_t      openings;
    uint32_t      probes;
    uint32_t      lost;          /* probes that nobody reported on */
    uint32_t      late;          /* outcomes that came too late to count */

    uint8_t       state;         /* as stored; see check() */
    uint8_t       reason;
    uint8_t       moved;
} ngx_http_ai_breaker_t;


/* the breaker at one moment */

typedef struct {
    ngx_http_ai_breaker_gate_e    gate;
    ngx_http_ai_breaker_state_e   state;     /* what time has made of it */
    ngx_http_ai_breaker_reason_e  reason;
    ngx_uint_t                    weight;    /* percent: 1..100 for ALLOW,
                                                else 0 */
    ngx_msec_t                    until;     /* REFUSE: when a probe is due,
                                                or the one that is out is
                                                lost; else "now" */
} ngx_http_ai_breaker_view_t;


typedef struct {
    ngx_msec_t                     started;  /* when the request began */
    ngx_http_ai_breaker_outcome_e  outcome;
    int64_t                        hint_ms;  /* the provider's; -1: none */
    uint32_t                       random;   /* for jitter */
    uint64_t                       id;       /* of the claim; 0: no probe */
} ngx_http_ai_breaker_event_t;


/* changes nothing */
void ngx_http_ai_breaker_check(const ngx_http_ai_breaker_t *b,
    const ngx_http_ai_breaker_conf_t *conf, ngx_msec_t now,
    ngx_http_ai_breaker_view_t *view);

/*
 * Takes the probe until "until" at most, which should be later than the
 * request may last: NGX_OK to one caller.  NGX_BUSY: not due yet, or out.
 * NGX_DECLINED: none is needed any more, use the cell.  NGX_ERROR: "id" is 0.
 */
ngx_int_t ngx_http_ai_breaker_claim(ngx_http_ai_breaker_t *b, ngx_msec_t now,
    ngx_msec_t until, uint64_t id);

/*
 * The same before a probe is due, for the least bad of targets that are all
 * open.  If it fails, the deadline stays and does not grow.
 */
ngx_int_t ngx_http_ai_breaker_claim_early(ngx_http_ai_breaker_t *b,
    ngx_msec_t now, ngx_msec_t until, uint64_t id);

ngx_http_ai_breaker_move_e ngx_http_ai_breaker_record(
    ngx_http_ai_breaker_t *b, const ngx_http_ai_breaker_conf_t *conf,
    ngx_msec_t now, const ngx_http_ai_breaker_event_t *ev);

/*
 * Closed, with nothing remembered but the moment: a request that began before
 * it does not count any more, nor does a probe that was out.
 */
void ngx_http_ai_breaker_reset(ngx_http_ai_breaker_t *b, ngx_msec_t now);

/* for status pages and logs; never NULL */
const ngx_str_t *ngx_http_ai_breaker_state_name(ngx_uint_t state);
const ngx_str_t *ngx_http_ai_breaker_reason_name(ngx_uint_t reason);


#endif /* _NGX_HTTP_AI_BREAKER_H_INCLUDED_ */
