
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* the breaker's moves, with the clock in our own hands */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_breaker.h"


#define T0         1000000
#define WRAP       ((ngx_msec_t) -1)
#define HOUR       3600000

#define OK         NGX_HTTP_AI_BREAKER_OK
#define FAILED     NGX_HTTP_AI_BREAKER_FAILED
#define SLOW       NGX_HTTP_AI_BREAKER_SLOW
#define NEUTRAL    NGX_HTTP_AI_BREAKER_NEUTRAL

#define CLOSED     NGX_HTTP_AI_BREAKER_CLOSED
#define OPEN       NGX_HTTP_AI_BREAKER_OPEN
#define HALF_OPEN  NGX_HTTP_AI_BREAKER_HALF_OPEN
#define RAMPING    NGX_HTTP_AI_BREAKER_RAMPING

#define ALLOW      NGX_HTTP_AI_BREAKER_ALLOW
#define PROBE_DUE  NGX_HTTP_AI_BREAKER_PROBE_DUE
#define REFUSE     NGX_HTTP_AI_BREAKER_REFUSE

#define STAYED     NGX_HTTP_AI_BREAKER_STAYED
#define OPENED     NGX_HTTP_AI_BREAKER_OPENED
#define REOPENED   NGX_HTTP_AI_BREAKER_REOPENED
#define RECOVERED  NGX_HTTP_AI_BREAKER_RECOVERED

/* in the middle: no jitter */
#define EXACT      1000

#define check(state, gate, weight, until)                                     \
    ngx_http_ai_test_view(__LINE__, state, gate, weight, until)


/* all tests drive this one, with this configuration, at this time */

static ngx_http_ai_breaker_t       b;
static ngx_http_ai_breaker_conf_t  conf;
static ngx_msec_t                  now;


/* with the default open time of 10 s, EXACT of 2001 waits is no jitter */

static void
ngx_http_ai_test_fresh(ngx_msec_t at)
{
    ngx_memzero(&b, sizeof(b));

    conf.failures = NGX_HTTP_AI_BREAKER_DEF_FAILURES;
    conf.rate = NGX_HTTP_AI_BREAKER_DEF_RATE;
    conf.min = NGX_HTTP_AI_BREAKER_DEF_MIN;
    conf.window = NGX_HTTP_AI_BREAKER_DEF_WINDOW;
    conf.open = NGX_HTTP_AI_BREAKER_DEF_OPEN;
    conf.max_open = NGX_HTTP_AI_BREAKER_DEF_MAX_OPEN;
    conf.slow = 1000;
    conf.ramp = NGX_HTTP_AI_BREAKER_DEF_RAMP;

    now = at;
}


static ngx_uint_t
ngx_http_ai_test_record(ngx_http_ai_breaker_outcome_e outcome,
    ngx_msec_t started, int64_t hint, uint32_t random, uint64_t id)
{
    ngx_http_ai_breaker_event_t  ev;

    ev.started = started;
    ev.outcome = outcome;
    ev.hint_ms = hint;
    ev.random = random;
    ev.id = id;

    return ngx_http_ai_breaker_record(&b, &conf, now, &ev);
}


/* an ordinary request that began just now */

static ngx_uint_t
ngx_http_ai_test_send(ngx_http_ai_breaker_outcome_e outcome)
{
    return ngx_http_ai_test_record(outcome, now, -1, EXACT, 0);
}


static ngx_uint_t
ngx_http_ai_test_probe(ngx_http_ai_breaker_outcome_e outcome, uint64_t id)
{
    return ngx_http_ai_test_record(outcome, now, -1, EXACT, id);
}


static ngx_int_t
ngx_http_ai_test_claim(uint64_t id)
{
    return ngx_http_ai_breaker_claim(&b, now, now + 60000, id);
}


static void
ngx_http_ai_test_view(int line, ngx_uint_t state, ngx_uint_t gate,
    ngx_uint_t weight, ngx_msec_t until)
{
    ngx_http_ai_breaker_view_t  v;

    ngx_http_ai_breaker_check(&b, &conf, now, &v);

    ngx_http_ai_test_eq(v.state, state, "state", __FILE__, line);
    ngx_http_ai_test_eq(v.gate, gate, "gate", __FILE__, line);
    ngx_http_ai_test_eq(v.weight, weight, "weight", __FILE__, line);
    ngx_http_ai_test_eq(v.until - now, until - now, "until", __FILE__, line);
}


/* open now, for 10 s */

static void
ngx_http_ai_test_opened(ngx_msec_t at)
{
    ngx_uint_t  i;

    ngx_http_ai_test_fresh(at);

    for (i = 0; i < 4; i++) {
        t_eq(ngx_http_ai_test_send(FAILED), STAYED);
    }

    t_eq(ngx_http_ai_test_send(FAILED), OPENED);
}


/* opened 10 s ago, and 7 has the probe */

static void
ngx_http_ai_test_half(ngx_msec_t at)
{
    ngx_http_ai_test_opened(at - 10000);
    now = at;
    t_eq(ngx_http_ai_test_claim(7), NGX_OK);
}


/* the probe has just succeeded */

static void
ngx_http_ai_test_ramping(ngx_msec_t at)
{
    ngx_http_ai_test_half(at);
    t_eq(ngx_http_ai_test_probe(OK, 7), RECOVERED);
}


/*
 * Every state with every event, each with a hint of 99999: the move, the
 * state it leads to, and what is remembered.  An event of "other" is not the
 * probe's.
 */

typedef struct {
    ngx_uint_t  state, outcome, other, move, next;
    ngx_uint_t  run, good, bad, slow, wait;
} ngx_http_ai_test_row_t;


static void
ngx_http_ai_test_row(const ngx_http_ai_test_row_t *row, ngx_uint_t id)
{
    ngx_http_ai_window_sum_t    sum;
    ngx_http_ai_breaker_view_t  v;

    t_eq(ngx_http_ai_test_record(row->outcome, now, 99999, EXACT, id),
         row->move);

    ngx_http_ai_breaker_check(&b, &conf, now, &v);
    t_eq(v.state, row->next);
    t_eq(b.state, row->next);

    t_eq(b.consecutive, row->run);
    t_eq(b.wait, row->wait);
    t_eq(b.probe, row->next == HALF_OPEN ? 7 : 0);

    if (row->move != STAYED) {
        t_eq(b.moved, 1);
        t_eq(b.since, now);
    }

    ngx_http_ai_window_sum(&b.window, conf.window, now, &sum);
    t_eq(sum.counts[NGX_HTTP_AI_WINDOW_OK], row->good);
    t_eq(sum.counts[NGX_HTTP_AI_WINDOW_FAILED], row->bad);
    t_eq(sum.counts[NGX_HTTP_AI_WINDOW_SLOW], row->slow);
}


static void
ngx_http_ai_test_table(void)
{
    char        note[64];
    ngx_uint_t  i, n;

    static void  (*const enter[])(ngx_msec_t at) = {
        ngx_http_ai_test_fresh, ngx_http_ai_test_opened,
        ngx_http_ai_test_half, ngx_http_ai_test_ramping
    };

    static const ngx_http_ai_test_row_t  rows[] = {
        { CLOSED, OK, 1, STAYED, CLOSED, 0, 1, 0, 0, 0 },
        { CLOSED, FAILED, 1, STAYED, CLOSED, 1, 0, 1, 0, 0 },
        { CLOSED, SLOW, 1, STAYED, CLOSED, 0, 0, 0, 1, 0 },
        { CLOSED, NEUTRAL, 1, STAYED, CLOSED, 0, 0, 0, 0, 0 },
        { CLOSED, OK, 0, STAYED, CLOSED, 0, 1, 0, 0, 0 },
        { CLOSED, FAILED, 0, STAYED, CLOSED, 1, 0, 1, 0, 0 },
        { CLOSED, NEUTRAL, 0, STAYED, CLOSED, 0, 0, 0, 0, 0 },

        { OPEN, OK, 1, STAYED, OPEN, 5, 0, 5, 0, 10000 },
        { OPEN, FAILED, 1, STAYED, OPEN, 5, 0, 5, 0, 99999 },
        { OPEN, SLOW, 1, STAYED, OPEN, 5, 0, 5, 0, 10000 },
        { OPEN, NEUTRAL, 1, STAYED, OPEN, 5, 0, 5, 0, 10000 },
        { OPEN, OK, 0, STAYED, OPEN, 5, 0, 5, 0, 10000 },
        { OPEN, FAILED, 0, STAYED, OPEN, 5, 0, 5, 0, 99999 },
        { OPEN, NEUTRAL, 0, STAYED, OPEN, 5, 0, 5, 0, 10000 },

        { HALF_OPEN, OK, 1, STAYED, HALF_OPEN, 5, 0, 5, 0, 10000 },
        { HALF_OPEN, FAILED, 1, STAYED, HALF_OPEN, 5, 0, 5, 0, 99999 },
        { HALF_OPEN, SLOW, 1, STAYED, HALF_OPEN, 5, 0, 5, 0, 10000 },
        { HALF_OPEN, NEUTRAL, 1, STAYED, HALF_OPEN, 5, 0, 5, 0, 10000 },
        { HALF_OPEN, OK, 0, RECOVERED, RAMPING, 0, 1, 0, 0, 0 },
        { HALF_OPEN, FAILED, 0, REOPENED, OPEN, 5, 0, 5, 0, 99999 },
        { HALF_OPEN, SLOW, 0, REOPENED, OPEN, 5, 0, 5, 0, 99999 },
        { HALF_OPEN, NEUTRAL, 0, STAYED, OPEN, 5, 0, 5, 0, 10000 },

        { RAMPING, OK, 1, STAYED, RAMPING, 0, 2, 0, 0, 0 },
        { RAMPING, FAILED, 1, REOPENED, OPEN, 1, 1, 1, 0, 99999 },
        { RAMPING, SLOW, 1, STAYED, RAMPING, 0, 1, 0, 1, 0 },
        { RAMPING, NEUTRAL, 1, STAYED, RAMPING, 0, 1, 0, 0, 0 },
        { RAMPING, OK, 0, STAYED, RAMPING, 0, 2, 0, 0, 0 },
        { RAMPING, FAILED, 0, REOPENED, OPEN, 1, 1, 1, 0, 99999 },
        { RAMPING, NEUTRAL, 0, STAYED, RAMPING, 0, 1, 0, 0, 0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        for (n = 0; n < 3; n++) {
            snprintf(note, sizeof(note), "row %u", (unsigned) i);
            ngx_http_ai_test_note = note;

            enter[rows[i].state](n == 0 ? T0 : n == 1 ? WRAP : 0);
            ngx_http_ai_test_row(&rows[i], rows[i].other ? n : 7);
        }
    }
}


static void
ngx_http_ai_test_consecutive(void)
{
    ngx_uint_t  i;

    ngx_http_ai_test_fresh(T0);
    check(CLOSED, ALLOW, 100, T0);

    /* a success ends the run; neither slow nor neutral does */

    for (i = 0; i < 4; i++) {
        t_eq(ngx_http_ai_test_send(FAILED), STAYED);
    }

    t_eq(ngx_http_ai_test_send(OK), STAYED);
    t_eq(b.consecutive, 0);

    for (i = 0; i < 4; i++) {
        t_eq(ngx_http_ai_test_send(FAILED), STAYED);
        t_eq(ngx_http_ai_test_send(NEUTRAL), STAYED);
        t_eq(ngx_http_ai_test_send(SLOW), STAYED);
        now += HOUR;
    }

    check(CLOSED, ALLOW, 100, now);
    t_eq(b.consecutive, 4);

    t_eq(ngx_http_ai_test_send(FAILED), OPENED);
    check(OPEN, REFUSE, 0, now + 10000);
    t_eq(b.reason, NGX_HTTP_AI_BREAKER_CONSECUTIVE);
    t_eq(b.openings, 1);

    /* 0: never by number; 1: one is enough */

    ngx_http_ai_test_fresh(T0);
    conf.failures = 0;
    conf.rate = 100;

    for (i = 0; i < 1000; i++) {
        t_eq(ngx_http_ai_test_send(FAILED), STAYED);
    }

    conf.failures = 1;
    t_eq(ngx_http_ai_test_send(FAILED), OPENED);
}


static void
ngx_http_ai_test_rate(void)
{
    ngx_uint_t  i, rate;

    /* 10 of 20 is 50 %, 9 of 19 too few, and 10 of 21 not enough */

    ngx_http_ai_test_fresh(T0);
    conf.failures = 100;

    for (i = 0; i < 10; i++) {
        t_eq(ngx_http_ai_test_send(FAILED), STAYED);
    }

    for (i = 0; i < 11; i++) {
        t_eq(ngx_http_ai_test_send(OK), STAYED);
    }

    check(CLOSED, ALLOW, 100, T0);
    t_eq(ngx_http_ai_test_send(FAILED), OPENED);
    t_eq(b.reason, NGX_HTTP_AI_BREAKER_RATE);

    ngx_http_ai_test_fresh(T0);
    conf.failures = 100;

    for (i = 0; i < 19; i++) {
        t_eq(ngx_http_ai_test_send(FAILED), STAYED);
    }

    t_eq(ngx_http_ai_test_send(FAILED), OPENED);

    /* what has left the window is not part of the sample */

    ngx_http_ai_test_fresh(T0);
    conf.failures = 100;

    for (i = 0; i < 19; i++) {
        t_eq(ngx_http_ai_test_send(FAILED), STAYED);
    }

    now += 30000;
    t_eq(ngx_http_ai_test_send(FAILED), STAYED);

    /* 0, 100 or more: never */

    for (rate = 0; rate <= 200; rate += 100) {
        ngx_http_ai_test_fresh(T0);
        conf.failures = 0;
        conf.rate = rate;

        for (i = 0; i < 100; i++) {
            t_eq(ngx_http_ai_test_send(i & 1 ? SLOW : FAILED), STAYED);
        }
    }

    ngx_http_ai_test_fresh(T0);
    conf.failures = 0;
    conf.rate = 99;

    for (i = 0; i < 19; i++) {
        t_eq(ngx_http_ai_test_send(FAILED), STAYED);
    }

    t_eq(ngx_http_ai_test_send(FAILED), OPENED);
}


static void
ngx_http_ai_test_slow(void)
{
    ngx_uint_t  i;

    ngx_http_ai_test_fresh(T0);

    for (i = 0; i < 19; i++) {
        t_eq(ngx_http_ai_test_send(i < 10 ? OK : SLOW), STAYED);
    }

    t_eq(ngx_http_ai_test_send(SLOW), OPENED);
    t_eq(b.reason, NGX_HTTP_AI_BREAKER_SLOW_RATE);

    /* with failures that alone would not do */

    ngx_http_ai_test_fresh(T0);
    conf.failures = 100;

    for (i = 0; i < 19; i++) {
        t_eq(ngx_http_ai_test_send(i < 10 ? OK : i < 15 ? SLOW : FAILED),
             STAYED);
    }

    t_eq(ngx_http_ai_test_send(FAILED), OPENED);
    t_eq(b.reason, NGX_HTTP_AI_BREAKER_SLOW_RATE);

    /* off: an ok, also for a probe */

    ngx_http_ai_test_fresh(T0);
    conf.slow = 0;

    for (i = 0; i < 4; i++) {
        t_eq(ngx_http_ai_test_send(FAILED), STAYED);
    }

    for (i = 0; i < 100; i++) {
        t_eq(ngx_http_ai_test_send(SLOW), STAYED);
    }

    t_eq(b.consecutive, 0);

    ngx_http_ai_test_half(T0);
    conf.slow = 0;
    t_eq(ngx_http_ai_test_probe(SLOW, 7), RECOVERED);

    /* while ramping it takes a rate, of the time since the recovery */

    ngx_http_ai_test_ramping(T0);

    for (i = 0; i < 18; i++) {
        t_eq(ngx_http_ai_test_send(SLOW), STAYED);
    }

    t_eq(ngx_http_ai_test_send(SLOW), REOPENED);
    t_eq(b.reason, NGX_HTTP_AI_BREAKER_SLOW_RATE);
    check(OPEN, REFUSE, 0, T0 + 19000);
}


static void
ngx_http_ai_test_edges(void)
{
    ngx_uint_t  i;
    ngx_msec_t  t;

    static const ngx_msec_t  starts[] = {
        T0, 0, 1, WRAP - 25000, WRAP - 10000, WRAP - 9999, WRAP - 5000, WRAP,
        ((ngx_msec_t) -1 >> 1) - 5000
    };

    for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        t = starts[i];

        ngx_http_ai_test_opened(t);
        check(OPEN, REFUSE, 0, t + 10000);

        now = t + 9999;
        check(OPEN, REFUSE, 0, t + 10000);
        t_eq(ngx_http_ai_test_claim(7), NGX_BUSY);

        now = t + 10000;
        check(OPEN, PROBE_DUE, 0, now);

        now = t + 10001;
        check(OPEN, PROBE_DUE, 0, now);

        t_eq(ngx_http_ai_test_claim(0), NGX_ERROR);
        t_eq(ngx_http_ai_test_claim(7), NGX_OK);
        check(HALF_OPEN, REFUSE, 0, now + 60000);

        t_eq(ngx_http_ai_test_probe(OK, 7), RECOVERED);
        t += 10001;
        check(RAMPING, ALLOW, 10, now);

        now = t + 5000;
        check(RAMPING, ALLOW, 55, now);
        now = t + 9999;
        check(RAMPING, ALLOW, 99, now);
        now = t + 10000;
        check(CLOSED, ALLOW, 100, now);
        t_eq(b.level, 1);
        now = t + 10001;
        t_eq(ngx_http_ai_test_send(OK), STAYED);
        check(CLOSED, ALLOW, 100, now);
        t_eq(b.level, 0);
    }
}


/* 2 workers and more: whatever comes in, one probe is out */

static void
ngx_http_ai_test_single(void)
{
    ngx_uint_t  i, n;

    ngx_http_ai_test_opened(T0);

    n = 0;
    now = T0 + 10000;

    for (i = 1; i <= 1000; i++) {
        n += (ngx_http_ai_test_claim(i) == NGX_OK);
        n += (ngx_http_ai_breaker_claim_early(&b, now, now + 1, i) == NGX_OK);
    }

    t_eq(n, 1);
    t_eq(b.probe, 1);
    t_eq(b.probes, 1);

    /* not even with the same token, and others cannot end it */

    t_eq(ngx_http_ai_test_claim(1), NGX_BUSY);
    t_eq(ngx_http_ai_test_probe(OK, 2), STAYED);
    t_eq(ngx_http_ai_test_probe(NEUTRAL, 2), STAYED);
    t_eq(ngx_http_ai_test_probe(FAILED, 0), STAYED);
    t_eq(ngx_http_ai_test_claim(3), NGX_BUSY);

    t_eq(ngx_http_ai_test_probe(OK, 1), RECOVERED);
    t_eq(ngx_http_ai_test_claim(3), NGX_DECLINED);
    t_eq(ngx_http_ai_breaker_claim_early(&b, now, now + 9, 3), NGX_DECLINED);
}


static void
ngx_http_ai_test_lost(void)
{
    ngx_http_ai_test_half(T0);

    now = T0 + 59999;
    check(HALF_OPEN, REFUSE, 0, T0 + 60000);
    t_eq(ngx_http_ai_test_claim(8), NGX_BUSY);

    now = T0 + 60000;
    check(OPEN, PROBE_DUE, 0, now);
    t_eq(ngx_http_ai_test_claim(8), NGX_OK);
    t_eq(b.lost, 1);
    t_eq(b.probes, 2);

    /* the lost one turns up after all: it is nobody now */

    t_eq(ngx_http_ai_test_record(OK, T0, -1, EXACT, 7), STAYED);
    t_eq(ngx_http_ai_test_record(FAILED, T0, -1, EXACT, 7), STAYED);
    check(HALF_OPEN, REFUSE, 0, now + 60000);
    t_eq(ngx_http_ai_test_probe(OK, 8), RECOVERED);

    /* the first one's failure, now that the cell has recovered */

    t_eq(ngx_http_ai_test_record(FAILED, T0, -1, EXACT, 7), STAYED);
    check(RAMPING, ALLOW, 10, now);

    /* nobody took its place: it counts even though its time is over */

    ngx_http_ai_test_half(T0);
    now = T0 + 70000;
    t_eq(ngx_http_ai_test_probe(OK, 7), RECOVERED);

    /* a claim without any time is lost at once */

    ngx_http_ai_test_opened(T0);
    now = T0 + 10000;
    t_eq(ngx_http_ai_breaker_claim(&b, now, now, 7), NGX_OK);
    check(OPEN, PROBE_DUE, 0, now);
}


static void
ngx_http_ai_test_neutral(void)
{
    ngx_uint_t  i;

    ngx_http_ai_test_half(T0);

    for (i = 0; i < 10; i++) {
        t_eq(ngx_http_ai_test_probe(NEUTRAL, 7 + i), STAYED);
        check(OPEN, PROBE_DUE, 0, now);
        t_eq(b.level, 1);

        /* it is gone: its token does not serve twice */

        t_eq(ngx_http_ai_test_probe(OK, 7 + i), STAYED);
        check(OPEN, PROBE_DUE, 0, now);

        now += 5;
        t_eq(ngx_http_ai_test_claim(8 + i), NGX_OK);
    }
}


static void
ngx_http_ai_test_late(void)
{
    ngx_uint_t  i;

    /* begun before the recovery: not even a hundred of them */

    ngx_http_ai_test_ramping(T0);

    for (i = 0; i < 100; i++) {
        t_eq(ngx_http_ai_test_record(FAILED, T0 - 1 - i * 1000, 99999, 0, 0),
             STAYED);
    }

    check(RAMPING, ALLOW, 10, T0);
    t_eq(b.late, 100);

    now = T0 + 10000;

    for (i = 0; i < 100; i++) {
        t_eq(ngx_http_ai_test_record(FAILED, T0 - 1, 99999, 0, 0), STAYED);
        t_eq(ngx_http_ai_test_record(SLOW, T0 - 1, 99999, 0, 0), STAYED);
    }

    check(CLOSED, ALLOW, 100, now);
    t_eq(b.consecutive, 0);

    /* nor does a late success end a run */

    t_eq(ngx_http_ai_test_send(FAILED), STAYED);
    t_eq(ngx_http_ai_test_record(OK, T0 - 1, -1, 0, 0), STAYED);
    t_eq(b.consecutive, 1);

    /* begun at the recovery or after it: counts */

    ngx_http_ai_test_ramping(T0);
    now = T0 + 500;
    t_eq(ngx_http_ai_test_record(FAILED, T0, -1, EXACT, 0), REOPENED);
    t_eq(b.reason, NGX_HTTP_AI_BREAKER_RAMP);
    check(OPEN, REFUSE, 0, now + 19000);

    /* a cell that was made just for it knows of no recovery */

    ngx_http_ai_test_fresh(T0);
    t_eq(ngx_http_ai_test_record(FAILED, T0 - HOUR, -1, EXACT, 0), STAYED);
    t_eq(b.consecutive, 1);

    /* across the wrap */

    ngx_http_ai_test_ramping(2);
    t_eq(ngx_http_ai_test_record(FAILED, WRAP, -1, EXACT, 0), STAYED);
    t_eq(ngx_http_ai_test_record(FAILED, 1, -1, EXACT, 0), STAYED);
    t_eq(ngx_http_ai_test_record(FAILED, 2, -1, EXACT, 0), REOPENED);
}


static void
ngx_http_ai_test_growth(void)
{
    ngx_uint_t  i;

    static const ngx_msec_t  waits[] = {
        /* random 1000 of 2001, 1000 of 4001, 1000 of 3001 */
        10000, 19000, 28000, 28000, 28000
    };

    ngx_http_ai_test_opened(T0);

    for (i = 0; i < 5; i++) {
        t_eq(b.level, i + 1);
        check(OPEN, REFUSE, 0, now + waits[i]);
        now += waits[i];
        t_eq(ngx_http_ai_test_claim(7), NGX_OK);
        t_eq(ngx_http_ai_test_probe(FAILED, 7), REOPENED);
        t_eq(b.reason, NGX_HTTP_AI_BREAKER_PROBE);
    }

    t_eq(b.openings, 6);

    /* growth outlives a ramp that fails, and ends with one that does not */

    now += 30000;
    t_eq(ngx_http_ai_test_claim(8), NGX_OK);
    t_eq(ngx_http_ai_test_probe(OK, 8), RECOVERED);
    now += 9999;
    t_eq(ngx_http_ai_test_send(FAILED), REOPENED);
    t_eq(b.level, 7);
    check(OPEN, REFUSE, 0, now + 28000);

    now += 28000;
    t_eq(ngx_http_ai_test_claim(9), NGX_OK);
    t_eq(ngx_http_ai_test_probe(OK, 9), RECOVERED);
    now += 10000;

    for (i = 0; i < 4; i++) {
        t_eq(ngx_http_ai_test_send(FAILED), STAYED);
    }

    t_eq(ngx_http_ai_test_send(FAILED), OPENED);
    t_eq(b.level, 1);
    check(OPEN, REFUSE, 0, now + 10000);
}


static void
ngx_http_ai_test_jitter(void)
{
    ngx_uint_t  i, n;
    ngx_msec_t  low, high, wait;

    static const struct {
        ngx_msec_t  open, max_open;
        uint32_t    level;
        ngx_msec_t  low, high;
    } rows[] = {
        { 10000, 30000, 0, 9000, 11000 },
        { 10000, 30000, 1, 18000, 22000 },
        { 10000, 30000, 2, 27000, 30000 },
        { 10000, 30000, 3, 27000, 30000 },
        { 10000, 30000, UINT32_MAX, 27000, 30000 },
        { 10000, 10500, 0, 9000, 10500 },
        { 10000, 10000, 0, 9000, 10000 },
        { 10000, 5000, 0, 4500, 5000 },
        { 5, 30000, 0, 5, 5 },
        { 0, 30000, 9, 0, 0 },
        { 1, 0, 9, 0, 0 },
        { (ngx_msec_t) -1, (ngx_msec_t) -1, 0, 77760000, 86400000 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        low = (ngx_msec_t) -1;
        high = 0;

        for (n = 0; n < 50000; n++) {
            ngx_http_ai_test_fresh(T0);
            conf.failures = 1;
            conf.open = rows[i].open;
            conf.max_open = rows[i].max_open;
            b.level = rows[i].level;

            (void) ngx_http_ai_test_record(FAILED, now, -1,
                                     n < 2 ? n - 1
                                           : ngx_http_ai_test_random(), 0);
            wait = b.wait;
            low = ngx_min(low, wait);
            high = ngx_max(high, wait);
        }

        t_ok(low >= rows[i].low && high <= rows[i].high);

        /* and they are used to the full */

        t_ok(low - rows[i].low <= (rows[i].high - rows[i].low) / 100
             && rows[i].high - high <= (rows[i].high - rows[i].low) / 100);
    }
}


static void
ngx_http_ai_test_hint(void)
{
    ngx_uint_t  i;

    static const struct {
        int64_t     hint;
        ngx_msec_t  wait;
    } rows[] = {
        { -1, 10000 }, { 0, 10000 }, { 1, 10000 }, { 9999, 10000 },
        { 10000, 10000 }, { 10001, 10001 }, { 45000, 45000 },
        { 86400000, 86400000 }, { 86400001, 86400000 },
        { INT64_MAX, 86400000 }, { INT64_MIN, 10000 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ngx_http_ai_test_fresh(T0);
        conf.failures = 1;
        t_eq(ngx_http_ai_test_record(FAILED, now, rows[i].hint, EXACT, 0),
             OPENED);
        check(OPEN, REFUSE, 0, T0 + rows[i].wait);
    }

    /* while open: later only, also from those that began before */

    ngx_http_ai_test_opened(T0);

    now = T0 + 4000;
    t_eq(ngx_http_ai_test_record(FAILED, T0 - 1, 5999, 0, 0), STAYED);
    check(OPEN, REFUSE, 0, T0 + 10000);
    t_eq(ngx_http_ai_test_record(FAILED, T0 - 1, 6001, 0, 0), STAYED);
    check(OPEN, REFUSE, 0, T0 + 10001);
    t_eq(ngx_http_ai_test_record(FAILED, T0 - 1, 50000, 0, 0), STAYED);
    check(OPEN, REFUSE, 0, T0 + 54000);
    t_eq(ngx_http_ai_test_record(FAILED, T0 - 1, -1, 0, 0), STAYED);
    t_eq(ngx_http_ai_test_record(FAILED, T0 - 1, 1, 0, 0), STAYED);
    check(OPEN, REFUSE, 0, T0 + 54000);
    t_eq(ngx_http_ai_test_record(SLOW, T0 - 1, 90000, 0, 0), STAYED);
    t_eq(ngx_http_ai_test_record(OK, T0 - 1, 90000, 0, 0), STAYED);
    check(OPEN, REFUSE, 0, T0 + 54000);
    t_eq(b.level, 1);
    t_eq(b.openings, 1);

    /* of a failed probe */

    ngx_http_ai_test_half(T0);
    t_eq(ngx_http_ai_test_record(FAILED, T0, 120000, EXACT, 7), REOPENED);
    check(OPEN, REFUSE, 0, T0 + 120000);
}


/* everything is open: the least bad one is asked before its time */

static void
ngx_http_ai_test_early(void)
{
    ngx_http_ai_test_opened(T0);

    now = T0 + 2000;
    t_eq(ngx_http_ai_test_claim(7), NGX_BUSY);
    t_eq(ngx_http_ai_breaker_claim_early(&b, now, now + 1000, 0), NGX_ERROR);
    t_eq(ngx_http_ai_breaker_claim_early(&b, now, now + 1000, 7), NGX_OK);
    t_eq(ngx_http_ai_breaker_claim_early(&b, now, now + 1000, 8), NGX_BUSY);
    check(HALF_OPEN, REFUSE, 0, T0 + 10000);

    /* it fails: as if it had not been */

    t_eq(ngx_http_ai_test_probe(FAILED, 7), STAYED);
    check(OPEN, REFUSE, 0, T0 + 10000);
    t_eq(b.level, 1);

    /* ... but for a hint */

    t_eq(ngx_http_ai_breaker_claim_early(&b, now, now + 1000, 9), NGX_OK);
    t_eq(ngx_http_ai_test_record(FAILED, now, 40000, 0, 9), STAYED);
    check(OPEN, REFUSE, 0, T0 + 42000);

    /* lost: the deadline is still there */

    t_eq(ngx_http_ai_breaker_claim_early(&b, now, now + 1000, 10), NGX_OK);
    now = T0 + 3000;
    check(OPEN, REFUSE, 0, T0 + 42000);
    t_eq(ngx_http_ai_test_claim(11), NGX_BUSY);

    /* it succeeds: the deadline is void, also for the next opening */

    t_eq(ngx_http_ai_breaker_claim_early(&b, now, now + 1000, 12), NGX_OK);
    t_eq(ngx_http_ai_test_probe(OK, 12), RECOVERED);
    check(RAMPING, ALLOW, 10, now);
    t_eq(ngx_http_ai_test_send(FAILED), REOPENED);
    check(OPEN, REFUSE, 0, now + 19000);

    /* early when it began, due when it ended */

    ngx_http_ai_test_opened(T0);
    now = T0 + 9000;
    t_eq(ngx_http_ai_breaker_claim_early(&b, now, now + 60000, 7), NGX_OK);
    now = T0 + 10000;
    t_eq(ngx_http_ai_test_probe(FAILED, 7), REOPENED);
    t_eq(b.level, 2);
}


static void
ngx_http_ai_test_ramp(void)
{
    ngx_uint_t                  last;
    ngx_http_ai_breaker_view_t  v;

    ngx_http_ai_test_ramping(T0);
    last = 10;

    for ( /* void */ ; now < T0 + 10000; now++) {
        ngx_http_ai_breaker_check(&b, &conf, now, &v);
        t_ok(v.weight >= last && v.weight <= last + 1);
        last = v.weight;
    }

    t_eq(last, 99);
    check(CLOSED, ALLOW, 100, now);

    /* what was before the outage does not count after it */

    ngx_http_ai_test_ramping(T0);
    now = T0 + 10000;
    t_eq(ngx_http_ai_test_send(FAILED), STAYED);
    t_eq(b.consecutive, 1);

    /* without a ramp */

    ngx_http_ai_test_half(T0);
    conf.ramp = 0;
    t_eq(ngx_http_ai_test_probe(OK, 7), RECOVERED);
    check(CLOSED, ALLOW, 100, now);
    t_eq(ngx_http_ai_test_send(FAILED), STAYED);
    t_eq(b.level, 0);

    /* the longest there can be */

    ngx_http_ai_test_ramping(T0);
    conf.ramp = (ngx_msec_t) -1 >> 1;
    now = T0 + 86400000;
    check(RAMPING, ALLOW, 10, now);
}


/* a clock that is set back ends waits, and makes none longer */

static void
ngx_http_ai_test_back(void)
{
    ngx_uint_t  i;

    /* another worker's clock */

    ngx_http_ai_test_opened(T0);
    now = T0 - 5000;
    check(OPEN, REFUSE, 0, now + 10000);

    now = T0 - 5001;
    check(OPEN, PROBE_DUE, 0, now);
    t_eq(ngx_http_ai_test_claim(7), NGX_OK);
    t_eq(ngx_http_ai_test_claim(8), NGX_BUSY);
    t_eq(ngx_http_ai_test_probe(FAILED, 7), REOPENED);
    check(OPEN, REFUSE, 0, now + 19000);

    /* a probe is out */

    ngx_http_ai_test_half(T0);
    now = T0 - HOUR;
    check(OPEN, PROBE_DUE, 0, now);
    t_eq(ngx_http_ai_test_claim(8), NGX_OK);
    check(HALF_OPEN, REFUSE, 0, now + 60000);

    /* ramping, and closed: nobody is late for an hour */

    ngx_http_ai_test_ramping(T0);
    now = T0 - 4000;
    check(RAMPING, ALLOW, 10, now);
    now = T0 - HOUR;
    check(CLOSED, ALLOW, 100, now);

    for (i = 0; i < 4; i++) {
        t_eq(ngx_http_ai_test_send(FAILED), STAYED);
    }

    t_eq(ngx_http_ai_test_send(FAILED), OPENED);
    check(OPEN, REFUSE, 0, now + 10000);

    /* half of the clock's range without traffic */

    ngx_http_ai_test_opened(T0);
    now = T0 + ((ngx_msec_t) -1 >> 1) + 2;
    check(OPEN, PROBE_DUE, 0, now);
}


static void
ngx_http_ai_test_reset(void)
{
    ngx_http_ai_test_half(T0);

    now = T0 + 100;
    ngx_http_ai_breaker_reset(&b, now);
    check(CLOSED, ALLOW, 100, now);
    t_eq(b.openings, 0);
    t_eq(b.level, 0);
    t_eq(b.reason, NGX_HTTP_AI_BREAKER_NEVER);

    /* the probe that was out, and what began before, is history */

    t_eq(ngx_http_ai_test_record(FAILED, T0, 99999, 0, 7), STAYED);
    t_eq(b.consecutive, 0);
    t_eq(ngx_http_ai_test_record(OK, T0, -1, 0, 7), STAYED);
    t_eq(b.late, 2);
    t_eq(ngx_http_ai_test_claim(8), NGX_DECLINED);

    ngx_http_ai_test_fresh(now);
    conf.failures = 1;
    ngx_http_ai_breaker_reset(&b, now);
    t_eq(ngx_http_ai_test_send(FAILED), OPENED);
}


static void
ngx_http_ai_test_names(void)
{
    t_str(*ngx_http_ai_breaker_state_name(CLOSED), "closed");
    t_str(*ngx_http_ai_breaker_state_name(OPEN), "open");
    t_str(*ngx_http_ai_breaker_state_name(HALF_OPEN), "half_open");
    t_str(*ngx_http_ai_breaker_state_name(RAMPING), "ramping");
    t_str(*ngx_http_ai_breaker_state_name(4), "unknown");
    t_str(*ngx_http_ai_breaker_reason_name(0), "never");
    t_str(*ngx_http_ai_breaker_reason_name(1), "consecutive");
    t_str(*ngx_http_ai_breaker_reason_name(2), "rate");
    t_str(*ngx_http_ai_breaker_reason_name(3), "slow_rate");
    t_str(*ngx_http_ai_breaker_reason_name(4), "probe");
    t_str(*ngx_http_ai_breaker_reason_name(5), "ramp");
    t_str(*ngx_http_ai_breaker_reason_name(6), "unknown");
}


/*
 * Random events.  What must hold, whatever comes: at most one probe is out,
 * by our own books; the deadline does not come nearer while it is open, nor
 * goes beyond cap and hint; the weight is in range; every way leads back.
 */

static uint64_t    ngx_http_ai_test_out;        /* our books: 0 is none */
static ngx_msec_t  ngx_http_ai_test_out_until;
static ngx_uint_t  ngx_http_ai_test_seen[4];


static void
ngx_http_ai_test_random_claim(uint64_t id, uint32_t r)
{
    ngx_int_t   rc;
    ngx_msec_t  until;

    until = now + 1 + r % 20000;

    rc = r % 4 ? ngx_http_ai_breaker_claim(&b, now, until, id)
               : ngx_http_ai_breaker_claim_early(&b, now, until, id);

    if (rc == NGX_OK) {
        t_ok(ngx_http_ai_test_out == 0
             || (ngx_msec_int_t) (ngx_http_ai_test_out_until - now) <= 0);

        ngx_http_ai_test_out = id;
        ngx_http_ai_test_out_until = until;
        return;
    }

    t_ok(rc == NGX_DECLINED ? b.state == CLOSED || b.state == RAMPING
                            : b.state == OPEN || b.state == HALF_OPEN);
}


static void
ngx_http_ai_test_random_record(uint64_t id, uint32_t r)
{
    int64_t                        hint;
    ngx_uint_t                     state, move;
    ngx_http_ai_breaker_outcome_e  outcome;

    hint = r % 16 ? -1 : (int64_t) (r % 60000);
    outcome = r % 7 < 3 ? FAILED : r % 7 == 3 ? SLOW
              : r % 7 == 4 ? NEUTRAL : OK;
    state = b.state;

    if (r % 3 == 0) {
        id = ngx_http_ai_test_out;
    }

    move = ngx_http_ai_test_record(outcome, now - r % 30000, hint, r, id);

    if (id && id == ngx_http_ai_test_out && state == HALF_OPEN) {
        t_ok(b.state != HALF_OPEN);
        ngx_http_ai_test_out = 0;
        return;
    }

    /* only the probe's outcome leads out of these */

    t_ok((state != OPEN && state != HALF_OPEN)
         || (b.state == state && move == STAYED));
}


static void
ngx_http_ai_test_random_check(ngx_msec_t *deadline, uint32_t *openings)
{
    ngx_uint_t                  open;
    ngx_http_ai_breaker_view_t  v;

    ngx_http_ai_breaker_check(&b, &conf, now, &v);

    ngx_http_ai_test_seen[v.state]++;

    open = (v.state == OPEN || v.state == HALF_OPEN);

    t_eq(v.gate == ALLOW, !open);
    t_ok(open ? v.weight == 0 : v.weight >= 1 && v.weight <= 100);
    t_ok(v.state != CLOSED || v.weight == 100);
    t_ok((v.until - now > 0) == (v.gate == REFUSE));
    t_ok((v.reason != NGX_HTTP_AI_BREAKER_NEVER) == (b.openings > 0));
    t_ok(v.until - now <= 60000);

    if (!open) {
        *deadline = now;
        return;
    }

    t_ok((ngx_msec_int_t) (b.wait_since + b.wait - *deadline) >= 0);
    t_ok(b.openings >= *openings);

    *deadline = b.wait_since + b.wait;
    *openings = b.openings;
}


static void
ngx_http_ai_test_property(void)
{
    uint32_t    r, openings;
    uint64_t    id;
    ngx_uint_t  n, run;
    ngx_msec_t  deadline;

    ngx_memzero(ngx_http_ai_test_seen, sizeof(ngx_http_ai_test_seen));

    for (run = 0; run < 200; run++) {
        ngx_http_ai_test_fresh(WRAP - ngx_http_ai_test_random() % 500000);

        conf.failures = 1 + run % 6;
        conf.ramp = run % 5 * 2500;
        conf.slow = run % 2;

        ngx_http_ai_test_out = 0;
        deadline = now;
        openings = 0;

        for (n = 0; n < 2000; n++) {
            r = ngx_http_ai_test_random();
            now += r % 10 ? r % 100 : r % 15000;

            id = 1 + n;
            r = ngx_http_ai_test_random();

            if (r % 3 == 0) {
                ngx_http_ai_test_random_claim(id, r / 3);

            } else {
                ngx_http_ai_test_random_record(r % 2 ? id : 0, r / 3);
            }

            ngx_http_ai_test_random_check(&deadline, &openings);
        }
    }

    /* else the test has looked at nothing */

    for (n = 0; n < 4; n++) {
        t_ok(ngx_http_ai_test_seen[n] > 1000);
    }
}


static const ngx_http_ai_test_t  tests[] = {
    { "every state with every event", ngx_http_ai_test_table },
    { "consecutive failures", ngx_http_ai_test_consecutive },
    { "failure rate", ngx_http_ai_test_rate },
    { "slow answers", ngx_http_ai_test_slow },
    { "edges of time, clock about to wrap", ngx_http_ai_test_edges },
    { "one probe among many claimers", ngx_http_ai_test_single },
    { "lost probe", ngx_http_ai_test_lost },
    { "neutral probe", ngx_http_ai_test_neutral },
    { "late outcomes", ngx_http_ai_test_late },
    { "growth of the open time", ngx_http_ai_test_growth },
    { "jitter and cap", ngx_http_ai_test_jitter },
    { "hints", ngx_http_ai_test_hint },
    { "early probe", ngx_http_ai_test_early },
    { "ramp", ngx_http_ai_test_ramp },
    { "clock set back", ngx_http_ai_test_back },
    { "reset", ngx_http_ai_test_reset },
    { "names", ngx_http_ai_test_names },
    { "random events keep what must hold", ngx_http_ai_test_property },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
