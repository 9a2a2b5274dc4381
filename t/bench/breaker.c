
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What a cell's breaker and statistics cost per request, without nginx, locks
 * or look-ups around them:
 *
 *   cc -O2 -DNGX_HTTP_AI_PURE=1 -Isrc/pure -o breaker t/bench/breaker.c \
 *      src/pure/ngx_http_ai_breaker.c src/pure/ngx_http_ai_window.c \
 *      src/pure/ngx_http_ai_stats.c
 *
 * Cells are visited in a random order, 1,000 of them unless the line says
 * otherwise.  The best of several rounds is printed: it is the least
 * disturbed one.
 */


#define _POSIX_C_SOURCE  200809L

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ngx_http_ai_breaker.h"
#include "ngx_http_ai_stats.h"


#define ROUNDS  15
#define CALLS   1000000


typedef struct {
    ngx_http_ai_breaker_t  breaker;
    ngx_http_ai_stats_t    stats;
} ngx_http_ai_bench_cell_t;


typedef struct {
    const char    *name;
    ngx_uint_t     cells;
    ngx_uint_t     failed;         /* percent */
    ngx_uint_t     failures;       /* the breaker's; 0: never opens */
    ngx_uint_t     stats;
} ngx_http_ai_bench_case_t;


static ngx_uint_t  ngx_http_ai_bench_sink;


static double
ngx_http_ai_bench_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec + ts.tv_nsec / 1e9;
}


static uint32_t
ngx_http_ai_bench_random(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;

    return *x;
}


static void
ngx_http_ai_bench_one(ngx_http_ai_bench_cell_t *cell,
    const ngx_http_ai_breaker_conf_t *conf,
    const ngx_http_ai_bench_case_t *c, ngx_msec_t now, uint32_t r)
{
    ngx_http_ai_breaker_view_t   view;
    ngx_http_ai_stats_sample_t   sample;
    ngx_http_ai_breaker_event_t  ev;

    ev.id = 0;
    ngx_http_ai_breaker_check(&cell->breaker, conf, now, &view);

    if (view.gate == NGX_HTTP_AI_BREAKER_PROBE_DUE) {
        ev.id = r | 1;
        (void) ngx_http_ai_breaker_claim(&cell->breaker, now, now + 1000,
                                         ev.id);
    }

    ev.started = now;
    ev.outcome = r % 100 < c->failed ? NGX_HTTP_AI_BREAKER_FAILED
                                     : NGX_HTTP_AI_BREAKER_OK;
    ev.hint_ms = -1;
    ev.random = r;

    ngx_http_ai_bench_sink += view.weight
                  + ngx_http_ai_breaker_record(&cell->breaker, conf, now, &ev);

    if (c->stats) {
        sample.latency_ms = 500 + r % 4000;
        sample.first_token_ms = 100 + r % 500;
        sample.tokens = 300;
        sample.tokens_ms = sample.latency_ms;

        ngx_http_ai_stats_add(&cell->stats, 10000, now, &sample);
    }
}


static void
ngx_http_ai_bench_case(const ngx_http_ai_bench_case_t *c)
{
    double                       best, t;
    uint32_t                     x, r;
    ngx_uint_t                   i, round;
    ngx_http_ai_bench_cell_t    *cells;
    ngx_http_ai_breaker_conf_t   conf = {
        .failures = c->failures,
        .rate = c->failures ? NGX_HTTP_AI_BREAKER_DEF_RATE : 99,
        .min = NGX_HTTP_AI_BREAKER_DEF_MIN,
        .window = NGX_HTTP_AI_BREAKER_DEF_WINDOW,
        .open = NGX_HTTP_AI_BREAKER_DEF_OPEN,
        .max_open = NGX_HTTP_AI_BREAKER_DEF_MAX_OPEN,
        .ramp = NGX_HTTP_AI_BREAKER_DEF_RAMP
    };

    cells = calloc(c->cells, sizeof(ngx_http_ai_bench_cell_t));

    if (cells == NULL) {
        exit(1);
    }

    best = 1e9;
    x = 2463534242u;

    for (round = 0; round < ROUNDS; round++) {
        t = ngx_http_ai_bench_now();

        for (i = 0; i < CALLS; i++) {
            r = ngx_http_ai_bench_random(&x);
            ngx_http_ai_bench_one(&cells[(r >> 8) % c->cells], &conf, c,
                                  (round * CALLS + i) / 16, r);
        }

        t = ngx_http_ai_bench_now() - t;
        best = ngx_min(best, t);
    }

    printf("%-52s %7.1f ns\n", c->name, best * 1e9 / CALLS);

    free(cells);
}


int
main(void)
{
    ngx_uint_t  i;

    static const ngx_http_ai_bench_case_t  cases[] = {
        { "check + record, all good", 1000, 0, 5, 0 },
        { "check + record, half fail, never open", 1000, 50, 0, 0 },
        { "check (+ claim) + record, half fail", 1000, 50, 5, 0 },
        { "check + record, all good, 1 cell", 1, 0, 5, 0 },
        { "check + record, all good, 100,000 cells", 100000, 0, 5, 0 },
        { "check + record + stats, all good", 1000, 0, 5, 1 },
        { "check (+ claim) + record + stats, half fail", 1000, 50, 5, 1 }
    };

    printf("window %zu bytes, breaker %zu, stats %zu\n",
           sizeof(ngx_http_ai_window_t), sizeof(ngx_http_ai_breaker_t),
           sizeof(ngx_http_ai_stats_t));

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ngx_http_ai_bench_case(&cases[i]);
    }

    return ngx_http_ai_bench_sink == 42;
}
