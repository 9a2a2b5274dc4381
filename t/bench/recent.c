
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What the ring of recent requests costs a request that ends, and who reads
 * all of it, without nginx and the lock around it:
 *
 *   cc -O2 -DNGX_HTTP_AI_PURE=1 -Isrc/pure -o recent t/bench/recent.c \
 *      $(find src/pure -name "*.c") -lyajl && ./recent
 *
 * The best of several rounds is printed: it is the least disturbed one.
 */


#define _POSIX_C_SOURCE  200809L

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ngx_http_ai_ring.h"
#include "ngx_http_ai_trail.h"


#define ROUNDS  15
#define CALLS   100000


static ngx_http_ai_record_t      ngx_http_ai_bench_rec;
static ngx_http_ai_trail_try_t   ngx_http_ai_bench_tries[2];
static ngx_http_ai_trail_left_t  ngx_http_ai_bench_left;


static double
ngx_http_ai_bench_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    return ts.tv_sec + ts.tv_nsec / 1e9;
}


#define ngx_http_ai_bench_set(member, s)                                      \
    member.data = (u_char *) s; member.len = sizeof(s) - 1


/* an ordinary request: the second of three accounts has served it */

static void
ngx_http_ai_bench_fill(void)
{
    ngx_uint_t                i;
    ngx_http_ai_record_t     *rec;
    ngx_http_ai_trail_try_t  *try;

    rec = &ngx_http_ai_bench_rec;
    ngx_http_ai_record_init(rec);

    ngx_http_ai_bench_set(rec->event_id, "8bb88afa232304c0012b1944d42d8adf/0");
    ngx_http_ai_bench_set(rec->kind, "request");
    ngx_http_ai_bench_set(rec->request_id, "0b6f2c1e9d3a4f5b8c7d6e5f4a3b2c1d");
    ngx_http_ai_bench_set(rec->key_id, "search-ui");
    ngx_http_ai_bench_set(rec->app, "search-ui");
    ngx_http_ai_bench_set(rec->team, "search");
    ngx_http_ai_bench_set(rec->env, "prod");
    ngx_http_ai_bench_set(rec->ai_class, "interactive");
    ngx_http_ai_bench_set(rec->endpoint, "chat");
    ngx_http_ai_bench_set(rec->model_requested, "gpt-4o-mini");
    ngx_http_ai_bench_set(rec->model_served, "gpt-4o-mini-2024-07-18");
    ngx_http_ai_bench_set(rec->route, "gpt-4o-mini");
    ngx_http_ai_bench_set(rec->account, "azure_eu");
    ngx_http_ai_bench_set(rec->provider, "azure");
    ngx_http_ai_bench_set(rec->outcome, "ok");
    ngx_http_ai_bench_set(rec->fallback, "provider");
    ngx_http_ai_bench_set(rec->usage_source, "provider");
    ngx_http_ai_bench_set(rec->cost_owner, "search");
    ngx_http_ai_bench_set(rec->trail,
                          "openai_a=429/rate_limit,azure_eu=200/ok");

    rec->ts_ms = 1760000000000;
    rec->stream = 1;
    rec->status = 200;
    rec->attempts = 2;
    rec->input_tokens = 812;
    rec->output_tokens = 141;
    rec->cache_read_tokens = 0;
    rec->cache_write_tokens = 0;
    rec->reasoning_tokens = 0;
    rec->cost_nanousd = 206400;
    rec->latency_ms = 1934;
    rec->ttft_ms = 411;
    rec->queue_ms = 0;
    rec->drill = 0;

    for (i = 0; i < 2; i++) {
        try = &ngx_http_ai_bench_tries[i];

        ngx_http_ai_bench_set(try->account, "openai_a");
        ngx_http_ai_bench_set(try->provider, "openai");
        ngx_http_ai_bench_set(try->model, "gpt-4o-mini-2024-07-18");
        ngx_http_ai_bench_set(try->verdict, "rate_limit");
        ngx_http_ai_bench_set(try->why, "provider");
        try->status = 429;
        try->start_ms = 120;
        try->elapsed_ms = 1700;
        try->fault = 0;
        try->input_tokens = 812;
        try->output_tokens = 141;
        try->cost_nanousd = 206400;
    }

    ngx_http_ai_bench_set(ngx_http_ai_bench_left.account, "openai_b");
    ngx_http_ai_bench_set(ngx_http_ai_bench_left.model, "gpt-4o-mini");
    ngx_http_ai_bench_set(ngx_http_ai_bench_left.reason, "cooling");
    ngx_http_ai_bench_set(ngx_http_ai_bench_left.cause, "rate_limit");
    ngx_http_ai_bench_left.back_ms = 1760000030000;
}


static size_t
ngx_http_ai_bench_pack(u_char *buf, ngx_uint_t tries, ngx_uint_t left)
{
    ngx_uint_t                i;
    ngx_http_ai_trail_pack_t  pack;

    ngx_http_ai_trail_begin(&pack, buf, &ngx_http_ai_bench_rec);

    for (i = 0; i < tries; i++) {
        ngx_http_ai_trail_add_try(&pack, &ngx_http_ai_bench_tries[i]);
    }

    for (i = 0; i < left; i++) {
        ngx_http_ai_trail_add_left(&pack, &ngx_http_ai_bench_left);
    }

    return ngx_http_ai_trail_end(&pack);
}


static void
ngx_http_ai_bench_write(const char *name, ngx_http_ai_ring_t *ring,
    ngx_uint_t tries, ngx_uint_t left)
{
    u_char      buf[NGX_HTTP_AI_TRAIL_PACKED];
    double      start, pack, both, best_pack, best;
    size_t      len;
    ngx_uint_t  i, round;

    best = 1;
    best_pack = 1;
    len = 0;

    for (round = 0; round < ROUNDS; round++) {

        start = ngx_http_ai_bench_now();

        for (i = 0; i < CALLS; i++) {
            len = ngx_http_ai_bench_pack(buf, tries, left);
        }

        pack = ngx_http_ai_bench_now() - start;
        best_pack = ngx_min(best_pack, pack);

        start = ngx_http_ai_bench_now();

        for (i = 0; i < CALLS; i++) {
            (void) ngx_http_ai_ring_append(ring, buf, len);
        }

        both = ngx_http_ai_bench_now() - start;
        best = ngx_min(best, both);
    }

    printf("%-28s %4zu bytes  packed in %4.0f ns, appended in %4.0f ns\n",
           name, len, best_pack / CALLS * 1e9, best / CALLS * 1e9);
}


/* all of the ring, for something that nothing in it is */

static void
ngx_http_ai_bench_search(const ngx_http_ai_ring_t *ring)
{
    u_char                      slice[8208];
    double                      start, took, best;
    size_t                      n;
    uint64_t                    pos;
    ngx_str_t                   packed;
    ngx_uint_t                  round, seen, found, slices;
    ngx_http_ai_trail_filter_t  filter;

    memset(&filter, 0, sizeof(filter));
    ngx_http_ai_bench_set(filter.key, "nobody");
    ngx_http_ai_trail_filter(&filter);

    best = 1;
    seen = 0;
    found = 0;
    slices = 0;

    for (round = 0; round < ROUNDS; round++) {
        seen = 0;
        slices = 0;
        pos = NGX_HTTP_AI_RING_NEWEST;
        start = ngx_http_ai_bench_now();

        while ((n = ngx_http_ai_ring_back(ring, &pos, slice, sizeof(slice)))) {
            slices++;

            while (ngx_http_ai_ring_last(slice, &n, &packed) == NGX_OK) {
                seen++;
                found += ngx_http_ai_trail_maybe(&filter, &packed);
            }
        }

        took = ngx_http_ai_bench_now() - start;
        best = ngx_min(best, took);
    }

    printf("a search through %lu entries: %.0f us, %lu slices of %.0f ns, "
           "%lu found\n", (unsigned long) seen, best * 1e6,
           (unsigned long) slices, best / slices * 1e9,
           (unsigned long) found);
}


int
main(void)
{
    size_t               bytes;
    ngx_http_ai_ring_t  *ring;

    ngx_http_ai_bench_fill();

    for (bytes = 1024 * 1024; bytes <= 8 * 1024 * 1024; bytes *= 8) {
        ring = malloc(bytes);

        if (ring == NULL) {
            return 1;
        }

        ngx_http_ai_ring_init(ring, bytes);
        printf("a ring of %zu KB\n", bytes / 1024);

        ngx_http_ai_bench_write("refused", ring, 0, 0);
        ngx_http_ai_bench_write("one try", ring, 1, 0);
        ngx_http_ai_bench_write("two tries, one left out", ring, 2, 1);
        ngx_http_ai_bench_search(ring);

        free(ring);
    }

    return 0;
}
