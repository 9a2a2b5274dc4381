
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The ladder: its order for every verdict, each rung's conditions, and what
 * bounds it.
 */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_ladder.h"


/*
 * Steps as letters: a another target, accounts first; p another target, other
 * providers first; s the same one; w short wait; m backup; q queue; f fail.
 */

static char
ngx_http_ai_test_step(ngx_http_ai_verdict_e v, const ngx_http_ai_rungs_t *r,
    ngx_http_ai_decision_t *d)
{
    memset(d, 0x5a, sizeof(ngx_http_ai_decision_t));

    ngx_http_ai_ladder(v, r, d);

    switch (d->step) {

    case NGX_HTTP_AI_STEP_TARGET:
        return d->prefer == NGX_HTTP_AI_MOVE_ACCOUNT ? 'a'
               : d->prefer == NGX_HTTP_AI_MOVE_PROVIDER ? 'p' : '?';

    case NGX_HTTP_AI_STEP_SAME:
        return 's';

    case NGX_HTTP_AI_STEP_WAIT:
        return 'w';

    case NGX_HTTP_AI_STEP_BACKUP:
        return 'm';

    case NGX_HTTP_AI_STEP_QUEUE:
        return 'q';

    case NGX_HTTP_AI_STEP_FAIL:
        return 'f';

    default:
        return '?';
    }
}


/* everything is possible */

static ngx_http_ai_rungs_t
ngx_http_ai_test_all(void)
{
    ngx_http_ai_rungs_t  r;

    memset(&r, 0, sizeof(r));

    r.attempts_left = 3;
    r.time_left = 60000;
    r.hint = 500;
    r.back = 700;
    r.max_wait = 2000;
    r.queue_left = 30000;
    r.random = 0;
    r.same = NGX_HTTP_AI_RETRY_SAME_LAST;
    r.others = 1;
    r.backup = 1;

    return r;
}


/* takes the rungs away one by one, in the order in which they are taken */

static void
ngx_http_ai_test_walk(ngx_http_ai_verdict_e v, ngx_http_ai_rungs_t *r,
    char *way)
{
    ngx_uint_t              i;
    ngx_http_ai_decision_t  d;

    for (i = 0; i < 8; i++) {

        way[i] = ngx_http_ai_test_step(v, r, &d);
        way[i + 1] = '\0';

        switch (way[i]) {
        case 'a':
        case 'p':
            r->others = 0;
            break;
        case 's':
            r->same_tried = 1;
            break;
        case 'w':
            r->back = -1;
            break;
        case 'm':
            r->backup = 0;
            break;
        case 'q':
            r->queue_left = 0;
            break;
        default:
            return;
        }
    }
}


/*
 * The way of each verdict when everything is possible, for retry_same last,
 * first and off.
 */

typedef struct {
    ngx_http_ai_verdict_e  v;
    const char            *name;
    const char            *last;
    const char            *first;
    const char            *off;
} ngx_http_ai_test_way_t;


static const ngx_http_ai_test_way_t  ways[] = {
    /* nothing was tried yet */
    { NGX_HTTP_AI_OK, "ok", "awmqf", "awmqf", "awmqf" },

    { NGX_HTTP_AI_RATE_LIMIT, "rate_limit", "aswmqf", "sawmqf", "awmqf" },
    { NGX_HTTP_AI_RATE_LIMIT_DAY, "rate_limit_day", "awmf", "awmf", "awmf" },
    { NGX_HTTP_AI_OVERLOADED, "overloaded", "pswmqf", "spwmqf", "pwmqf" },
    { NGX_HTTP_AI_SLOW_DOWN, "slow_down", "awqf", "awqf", "awqf" },
    { NGX_HTTP_AI_QUOTA_EXHAUSTED, "quota_exhausted", "awmf", "awmf",
      "awmf" },
    { NGX_HTTP_AI_AUTH, "auth", "awmf", "awmf", "awmf" },
    { NGX_HTTP_AI_ACCOUNT_DISABLED, "account_disabled", "awmf", "awmf",
      "awmf" },
    { NGX_HTTP_AI_PERMISSION, "permission", "awmf", "awmf", "awmf" },
    { NGX_HTTP_AI_MODEL_NOT_FOUND, "model_not_found", "awmf", "awmf",
      "awmf" },
    { NGX_HTTP_AI_CONTEXT_LENGTH, "context_length", "mf", "mf", "mf" },
    { NGX_HTTP_AI_REQUEST_TOO_LARGE, "request_too_large", "awmf", "awmf",
      "awmf" },
    { NGX_HTTP_AI_CONTENT_FILTER, "content_filter", "f", "f", "f" },
    { NGX_HTTP_AI_INVALID_REQUEST, "invalid_request", "f", "f", "f" },
    { NGX_HTTP_AI_GENERATION_FAILED, "generation_failed", "smf", "smf",
      "mf" },
    { NGX_HTTP_AI_OUTPUT_LIMIT, "output_limit", "f", "f", "f" },
    { NGX_HTTP_AI_SERVER_ERROR, "server_error", "aswmf", "sawmf", "awmf" },
    { NGX_HTTP_AI_CONNECT, "connect", "aswmf", "sawmf", "awmf" },
    { NGX_HTTP_AI_RESET, "reset", "aswmf", "sawmf", "awmf" },
    { NGX_HTTP_AI_TIMEOUT, "timeout", "awmf", "awmf", "awmf" },
    { NGX_HTTP_AI_EMPTY, "empty", "aswmf", "sawmf", "awmf" },
    { NGX_HTTP_AI_CONFLICT, "conflict", "sf", "sf", "f" },
    { NGX_HTTP_AI_CLIENT_CLOSED, "client_closed", "f", "f", "f" }
};


static void
ngx_http_ai_test_ways(void)
{
    char                 way[16];
    ngx_uint_t           i;
    ngx_http_ai_rungs_t  r;

    t_eq(sizeof(ways) / sizeof(ways[0]), NGX_HTTP_AI_VERDICTS);

    for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        ngx_http_ai_test_note = ways[i].name;

        t_eq(ways[i].v, i);
        t_str(ngx_http_ai_verdict(ways[i].v)->name, ways[i].name);

        r = ngx_http_ai_test_all();
        ngx_http_ai_test_walk(ways[i].v, &r, way);
        t_mem(way, strlen(way), ways[i].last, strlen(ways[i].last));

        r = ngx_http_ai_test_all();
        r.same = NGX_HTTP_AI_RETRY_SAME_FIRST;
        ngx_http_ai_test_walk(ways[i].v, &r, way);
        t_mem(way, strlen(way), ways[i].first, strlen(ways[i].first));

        r = ngx_http_ai_test_all();
        r.same = NGX_HTTP_AI_RETRY_SAME_OFF;
        ngx_http_ai_test_walk(ways[i].v, &r, way);
        t_mem(way, strlen(way), ways[i].off, strlen(ways[i].off));
    }
}


/* the same with one condition changed; "-" leaves steps out of the way */

static void
ngx_http_ai_test_without(void (*change)(ngx_http_ai_rungs_t *r),
    const char *lost)
{
    char                 way[16], want[16];
    char                *p;
    ngx_uint_t           i;
    const char          *s;
    ngx_http_ai_rungs_t  r;

    for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        ngx_http_ai_test_note = ways[i].name;

        for (p = want, s = ways[i].last; *s; s++) {
            if (strchr(lost, *s) == NULL) {
                *p++ = *s;
            }
        }

        r = ngx_http_ai_test_all();
        change(&r);
        ngx_http_ai_test_walk(ways[i].v, &r, way);
        t_mem(way, strlen(way), want, p - want);
    }
}


static void
ngx_http_ai_test_set_no_others(ngx_http_ai_rungs_t *r)
{
    r->others = 0;
}


static void
ngx_http_ai_test_set_no_backup(ngx_http_ai_rungs_t *r)
{
    r->backup = 0;
}


static void
ngx_http_ai_test_set_no_queue(ngx_http_ai_rungs_t *r)
{
    r->queue_left = 0;
}


static void
ngx_http_ai_test_set_late_queue(ngx_http_ai_rungs_t *r)
{
    r->queue_left = -100;
}


static void
ngx_http_ai_test_set_not_back(ngx_http_ai_rungs_t *r)
{
    r->back = -1;
}


static void
ngx_http_ai_test_set_back_late(ngx_http_ai_rungs_t *r)
{
    r->back = 2001;
}


static void
ngx_http_ai_test_set_no_attempts(ngx_http_ai_rungs_t *r)
{
    r->attempts_left = 0;
}


static void
ngx_http_ai_test_set_no_time(ngx_http_ai_rungs_t *r)
{
    r->time_left = 0;
}


static void
ngx_http_ai_test_set_past(ngx_http_ai_rungs_t *r)
{
    r->time_left = -5;
}


static void
ngx_http_ai_test_set_tried(ngx_http_ai_rungs_t *r)
{
    r->same_tried = 1;
}


static void
ngx_http_ai_test_set_no_same(ngx_http_ai_rungs_t *r)
{
    r->no_same = 1;
}


static void
ngx_http_ai_test_set_pinned(ngx_http_ai_rungs_t *r)
{
    r->pinned = 1;
}


static void
ngx_http_ai_test_set_sent_once(ngx_http_ai_rungs_t *r)
{
    r->sent_once = 1;
}


static void
ngx_http_ai_test_conditions(void)
{
    ngx_http_ai_test_without(ngx_http_ai_test_set_no_others, "ap");
    ngx_http_ai_test_without(ngx_http_ai_test_set_no_backup, "m");
    ngx_http_ai_test_without(ngx_http_ai_test_set_no_queue, "q");
    ngx_http_ai_test_without(ngx_http_ai_test_set_late_queue, "q");
    ngx_http_ai_test_without(ngx_http_ai_test_set_not_back, "w");
    ngx_http_ai_test_without(ngx_http_ai_test_set_back_late, "w");
    ngx_http_ai_test_without(ngx_http_ai_test_set_no_attempts, "apswmq");
    ngx_http_ai_test_without(ngx_http_ai_test_set_no_time, "apswmq");
    ngx_http_ai_test_without(ngx_http_ai_test_set_past, "apswmq");
    ngx_http_ai_test_without(ngx_http_ai_test_set_tried, "s");
    ngx_http_ai_test_without(ngx_http_ai_test_set_no_same, "s");

    /* state stays with its account: the same one, or nobody */
    ngx_http_ai_test_without(ngx_http_ai_test_set_pinned, "apwmq");

    /* what was done once is not done again, wherever */
    ngx_http_ai_test_without(ngx_http_ai_test_set_sent_once, "apswmq");
}


/* "first" puts no rung where the row has none */

static void
ngx_http_ai_test_never_same(void)
{
    ngx_uint_t              i, k;
    ngx_http_ai_rungs_t     r;
    ngx_http_ai_decision_t  d;

    static const ngx_http_ai_verdict_e  never[] = {
        NGX_HTTP_AI_TIMEOUT, NGX_HTTP_AI_AUTH, NGX_HTTP_AI_QUOTA_EXHAUSTED,
        NGX_HTTP_AI_ACCOUNT_DISABLED, NGX_HTTP_AI_PERMISSION,
        NGX_HTTP_AI_MODEL_NOT_FOUND, NGX_HTTP_AI_REQUEST_TOO_LARGE,
        NGX_HTTP_AI_RATE_LIMIT_DAY, NGX_HTTP_AI_SLOW_DOWN,
        NGX_HTTP_AI_CONTEXT_LENGTH, NGX_HTTP_AI_CONTENT_FILTER,
        NGX_HTTP_AI_INVALID_REQUEST, NGX_HTTP_AI_OUTPUT_LIMIT,
        NGX_HTTP_AI_CLIENT_CLOSED
    };

    for (i = 0; i < sizeof(never) / sizeof(never[0]); i++) {

        /* every combination of what may be possible */

        for (k = 0; k < 64; k++) {
            r = ngx_http_ai_test_all();
            r.same = k & 1 ? NGX_HTTP_AI_RETRY_SAME_FIRST
                           : NGX_HTTP_AI_RETRY_SAME_LAST;
            r.others = (k >> 1) & 1;
            r.backup = (k >> 2) & 1;
            r.queue_left = k & 8 ? 1000 : 0;
            r.back = k & 16 ? 100 : -1;
            r.hint = k & 32 ? 0 : -1;

            t_ok(ngx_http_ai_test_step(never[i], &r, &d) != 's');
        }
    }
}


/* delays of the same target: jitter, hints, limits */

static void
ngx_http_ai_test_same_delay(void)
{
    ngx_uint_t              i;
    ngx_http_ai_rungs_t     r;
    ngx_http_ai_decision_t  d;
    int64_t                 least, most;

    least = 100000;
    most = 0;

    for (i = 0; i < 20000; i++) {
        r = ngx_http_ai_test_all();
        r.others = 0;
        r.hint = -1;
        r.random = ngx_http_ai_test_random();

        t_eq(ngx_http_ai_test_step(NGX_HTTP_AI_SERVER_ERROR, &r, &d), 's');
        t_ok(d.delay >= 300 && d.delay <= 1000);

        least = ngx_min(least, d.delay);
        most = ngx_max(most, d.delay);
    }

    t_eq(least, 300);
    t_eq(most, 1000);

    /* the largest random number there is */

    r.random = UINT32_MAX;
    t_eq(ngx_http_ai_test_step(NGX_HTTP_AI_EMPTY, &r, &d), 's');
    t_ok(d.delay >= 300 && d.delay <= 1000);

    /* nothing was done there, so there is nothing to recover from */

    t_eq(ngx_http_ai_test_step(NGX_HTTP_AI_RESET, &r, &d), 's');
    t_eq(d.delay, 0);
    t_eq(ngx_http_ai_test_step(NGX_HTTP_AI_CONNECT, &r, &d), 's');
    t_eq(d.delay, 0);
}


typedef struct {
    ngx_http_ai_verdict_e  v;
    int64_t                hint;
    int64_t                max_wait;
    int64_t                time_left;
    int64_t                delay;      /* -1: not the same target */
} ngx_http_ai_test_hint_t;


static const ngx_http_ai_test_hint_t  hints[] = {

    /* random is 0: the jitter is 300 */

    { NGX_HTTP_AI_SERVER_ERROR, -1, 2000, 60000, 300 },
    { NGX_HTTP_AI_SERVER_ERROR, 0, 2000, 60000, 300 },
    { NGX_HTTP_AI_SERVER_ERROR, 299, 2000, 60000, 300 },
    { NGX_HTTP_AI_SERVER_ERROR, 301, 2000, 60000, 301 },
    { NGX_HTTP_AI_SERVER_ERROR, 2000, 2000, 60000, 2000 },
    { NGX_HTTP_AI_SERVER_ERROR, 2001, 2000, 60000, -1 },
    { NGX_HTTP_AI_SERVER_ERROR, -1, 0, 60000, 300 },
    { NGX_HTTP_AI_SERVER_ERROR, 500, 0, 60000, -1 },
    { NGX_HTTP_AI_SERVER_ERROR, -1, 2000, 301, 300 },
    { NGX_HTTP_AI_SERVER_ERROR, -1, 2000, 300, -1 },
    { NGX_HTTP_AI_OVERLOADED, 1500, 2000, 60000, 1500 },
    { NGX_HTTP_AI_OVERLOADED, -1, 2000, 60000, 300 },
    { NGX_HTTP_AI_OVERLOADED, 2001, 2000, 60000, -1 },
    { NGX_HTTP_AI_CONFLICT, -1, 2000, 60000, 300 },
    { NGX_HTTP_AI_GENERATION_FAILED, -1, 2000, 60000, 300 },

    /* a rate limit only with a hint, and only within max_wait */

    { NGX_HTTP_AI_RATE_LIMIT, -1, 2000, 60000, -1 },
    { NGX_HTTP_AI_RATE_LIMIT, 0, 2000, 60000, 0 },
    { NGX_HTTP_AI_RATE_LIMIT, 1, 2000, 60000, 1 },
    { NGX_HTTP_AI_RATE_LIMIT, 2000, 2000, 60000, 2000 },
    { NGX_HTTP_AI_RATE_LIMIT, 2001, 2000, 60000, -1 },
    { NGX_HTTP_AI_RATE_LIMIT, 0, 0, 60000, 0 },
    { NGX_HTTP_AI_RATE_LIMIT, 1, 0, 60000, -1 },
    { NGX_HTTP_AI_RATE_LIMIT, 500, 2000, 501, 500 },
    { NGX_HTTP_AI_RATE_LIMIT, 500, 2000, 500, -1 },
    { NGX_HTTP_AI_RATE_LIMIT, INT64_MAX, 2000, 60000, -1 },

    /* what was waited may use more than max_wait up */

    { NGX_HTTP_AI_RATE_LIMIT, 0, -300, 60000, -1 },

    { NGX_HTTP_AI_RESET, -1, 0, 1, 0 },
    { NGX_HTTP_AI_CONNECT, -1, 0, 1, 0 }
};


static void
ngx_http_ai_test_hints(void)
{
    char                    note[64];
    ngx_uint_t              i;
    ngx_http_ai_rungs_t     r;
    ngx_http_ai_decision_t  d;

    for (i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {

        snprintf(note, sizeof(note), "row %u", (unsigned) i);
        ngx_http_ai_test_note = note;

        r = ngx_http_ai_test_all();
        r.others = 0;
        r.backup = 0;
        r.queue_left = 0;
        r.back = -1;
        r.hint = hints[i].hint;
        r.max_wait = hints[i].max_wait;
        r.time_left = hints[i].time_left;

        if (hints[i].delay == -1) {
            t_eq(ngx_http_ai_test_step(hints[i].v, &r, &d), 'f');
            continue;
        }

        t_eq(ngx_http_ai_test_step(hints[i].v, &r, &d), 's');
        t_eq(d.delay, hints[i].delay);
    }
}


/* the short wait is measured against the target that is back first */

static void
ngx_http_ai_test_wait(void)
{
    ngx_uint_t              i;
    ngx_http_ai_rungs_t     r;
    ngx_http_ai_decision_t  d;

    static const struct {
        int64_t   back;
        int64_t   max_wait;
        int64_t   time_left;
        char      step;
    } waits[] = {
        { -1, 2000, 60000, 'm' },
        { 0, 2000, 60000, 'w' },
        { 0, 0, 60000, 'w' },
        { 1, 0, 60000, 'm' },
        { 2000, 2000, 60000, 'w' },
        { 2001, 2000, 60000, 'm' },
        { 1000, 2000, 1001, 'w' },
        { 1000, 2000, 1000, 'm' },
        { 1000, -1, 60000, 'm' },
        { INT64_MAX, 2000, 60000, 'm' }
    };

    for (i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {

        r = ngx_http_ai_test_all();
        r.others = 0;
        r.same = NGX_HTTP_AI_RETRY_SAME_OFF;
        r.back = waits[i].back;
        r.max_wait = waits[i].max_wait;
        r.time_left = waits[i].time_left;

        t_eq(ngx_http_ai_test_step(NGX_HTTP_AI_RATE_LIMIT, &r, &d),
             waits[i].step);

        if (waits[i].step == 'w') {
            t_eq(d.delay, waits[i].back);
        }

        /* and for a request that found nobody */

        t_eq(ngx_http_ai_test_step(NGX_HTTP_AI_OK, &r, &d), waits[i].step);
    }
}


/* before a degraded answer, and before none; not where no answer differs */

static void
ngx_http_ai_test_wait_place(void)
{
    ngx_http_ai_rungs_t     r;
    ngx_http_ai_decision_t  d;

    r = ngx_http_ai_test_all();
    t_eq(ngx_http_ai_test_step(NGX_HTTP_AI_TIMEOUT, &r, &d), 'a');

    r.others = 0;
    t_eq(ngx_http_ai_test_step(NGX_HTTP_AI_TIMEOUT, &r, &d), 'w');

    r.backup = 0;
    t_eq(ngx_http_ai_test_step(NGX_HTTP_AI_TIMEOUT, &r, &d), 'w');

    t_eq(ngx_http_ai_test_step(NGX_HTTP_AI_SLOW_DOWN, &r, &d), 'w');
    r.queue_left = 0;
    t_eq(ngx_http_ai_test_step(NGX_HTTP_AI_SLOW_DOWN, &r, &d), 'w');

    /* the request itself is wrong: nobody to wait for */

    t_eq(ngx_http_ai_test_step(NGX_HTTP_AI_INVALID_REQUEST, &r, &d), 'f');
    t_eq(ngx_http_ai_test_step(NGX_HTTP_AI_CONTENT_FILTER, &r, &d), 'f');
    t_eq(ngx_http_ai_test_step(NGX_HTTP_AI_CONTEXT_LENGTH, &r, &d), 'f');
    t_eq(ngx_http_ai_test_step(NGX_HTTP_AI_CLIENT_CLOSED, &r, &d), 'f');
}


/* whatever is said of a request, a step is always allowed by what is left */

static void
ngx_http_ai_test_bounds(void)
{
    char                    step;
    ngx_uint_t              i;
    ngx_http_ai_rungs_t     r;
    ngx_http_ai_verdict_e   v;
    ngx_http_ai_decision_t  d;

    for (i = 0; i < 200000; i++) {

        v = (ngx_http_ai_verdict_e) (ngx_http_ai_test_random()
                                     % (NGX_HTTP_AI_VERDICTS + 2));

        memset(&r, 0, sizeof(r));
        r.attempts_left = ngx_http_ai_test_random() % 3;
        r.time_left = (int64_t) (ngx_http_ai_test_random() % 4000) - 500;
        r.hint = (int64_t) (ngx_http_ai_test_random() % 3000) - 1;
        r.back = (int64_t) (ngx_http_ai_test_random() % 3000) - 1;
        r.max_wait = (int64_t) (ngx_http_ai_test_random() % 3000) - 500;
        r.queue_left = (int64_t) (ngx_http_ai_test_random() % 3000) - 1000;
        r.random = ngx_http_ai_test_random();
        r.same = (ngx_http_ai_retry_same_e) (ngx_http_ai_test_random() % 3);
        r.others = ngx_http_ai_test_random() & 1;
        r.same_tried = ngx_http_ai_test_random() & 1;
        r.no_same = ngx_http_ai_test_random() & 1;
        r.backup = ngx_http_ai_test_random() & 1;
        r.pinned = (ngx_http_ai_test_random() % 4) == 0;
        r.sent_once = (ngx_http_ai_test_random() % 4) == 0;

        step = ngx_http_ai_test_step(v, &r, &d);

        t_ok(step != '?');

        if (step != 'f') {
            t_ok(r.attempts_left > 0);
            t_ok(r.time_left > 0);
            t_ok(!r.sent_once);
        }

        if (r.pinned) {
            t_ok(step == 'f' || step == 's');
        }

        switch (step) {

        case 'a':
        case 'p':
            t_ok(r.others);
            t_eq(d.delay, 0);
            break;

        case 's':
            t_ok(!r.same_tried && !r.no_same);
            t_ok(r.same != NGX_HTTP_AI_RETRY_SAME_OFF);
            t_ok(!ngx_http_ai_verdict(v)->silent);
            t_ok(d.delay >= 0 && d.delay < r.time_left);
            t_ok(d.delay <= ngx_max(r.max_wait, 1000));
            break;

        case 'w':
            t_eq(d.delay, r.back);
            t_ok(d.delay >= 0 && d.delay <= r.max_wait);
            t_ok(d.delay < r.time_left);
            break;

        case 'm':
            t_ok(r.backup);
            t_eq(d.delay, 0);
            break;

        case 'q':
            t_ok(r.queue_left > 0);
            break;

        default:
            break;
        }
    }
}


static const ngx_http_ai_test_t  tests[] = {
    { "the way of every verdict", ngx_http_ai_test_ways },
    { "each condition takes its rungs away", ngx_http_ai_test_conditions },
    { "rows without the same target never get it",
      ngx_http_ai_test_never_same },
    { "the pause before the same target", ngx_http_ai_test_same_delay },
    { "hints and max_wait for the same target", ngx_http_ai_test_hints },
    { "the short wait", ngx_http_ai_test_wait },
    { "the place of the short wait", ngx_http_ai_test_wait_place },
    { "any input: bounds hold", ngx_http_ai_test_bounds },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
