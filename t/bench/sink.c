
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What a usage record costs the worker that makes it, and the one that
 * replays it, without nginx and Redis around them; queue and logs in the
 * folder given, or in memory alone:
 *
 *   cc -O2 -DNGX_HTTP_AI_PURE=1 -Isrc/pure -o sink t/bench/sink.c \
 *      $(find src/pure -name "*.c") -lyajl && ./sink [FOLDER]
 *
 * The best of several rounds is printed: it is the least disturbed one.
 */


#define _GNU_SOURCE

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "ngx_http_ai_record.h"
#include "ngx_http_ai_resp.h"


#define ROUNDS   15
#define RECORDS  20000
#define SIZE     (16 * 1024 * 1024)


static ngx_str_t  ngx_http_ai_bench_stream = ngx_string("ai:usage");

static ngx_http_ai_record_trim_t  ngx_http_ai_bench_trim = { 1000000, 0 };


static double
ngx_http_ai_bench_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    return ts.tv_sec + ts.tv_nsec / 1e9;
}


#define ngx_http_ai_bench_str(field, s)                                       \
    rec->field.data = (u_char *) s; rec->field.len = sizeof(s) - 1


/* an ordinary request: served by the second account */

static void
ngx_http_ai_bench_record(ngx_http_ai_record_t *rec)
{
    ngx_http_ai_record_init(rec);

    ngx_http_ai_bench_str(event_id, "8bb88afa232304c0012b1944d42d8adf/0");
    ngx_http_ai_bench_str(kind, "request");
    ngx_http_ai_bench_str(request_id, "0b6f2c1e9d3a4f5b8c7d6e5f4a3b2c1d");
    ngx_http_ai_bench_str(key_id, "search-ui");
    ngx_http_ai_bench_str(app, "search-ui");
    ngx_http_ai_bench_str(team, "search");
    ngx_http_ai_bench_str(env, "prod");
    ngx_http_ai_bench_str(ai_class, "interactive");
    ngx_http_ai_bench_str(endpoint, "chat");
    ngx_http_ai_bench_str(model_requested, "gpt-4o-mini");
    ngx_http_ai_bench_str(model_served, "gpt-4o-mini-2024-07-18");
    ngx_http_ai_bench_str(route, "gpt-4o-mini");
    ngx_http_ai_bench_str(account, "azure_eu");
    ngx_http_ai_bench_str(provider, "azure");
    ngx_http_ai_bench_str(outcome, "ok");
    ngx_http_ai_bench_str(fallback, "provider");
    ngx_http_ai_bench_str(trail, "openai_a=429/rate_limit,azure_eu=200/ok");
    ngx_http_ai_bench_str(usage_source, "provider");
    ngx_http_ai_bench_str(cost_owner, "search");

    rec->ts_ms = 1795417888040;
    rec->stream = 1;
    rec->status = 200;
    rec->attempts = 2;
    rec->input_tokens = 1834;
    rec->output_tokens = 412;
    rec->cache_read_tokens = 1024;
    rec->cache_write_tokens = 0;
    rec->reasoning_tokens = 0;
    rec->cost_nanousd = 522300;
    rec->latency_ms = 4811;
    rec->ttft_ms = 623;
    rec->queue_ms = 0;
    rec->drill = 0;
}


static void
ngx_http_ai_bench_die(const char *what)
{
    perror(what);
    exit(1);
}


static int
ngx_http_ai_bench_file(const char *folder)
{
    int   fd;
    char  path[4096];

    snprintf(path, sizeof(path), "%s/bench.%d", folder, (int) getpid());
    fd = open(path, O_RDWR|O_CREAT|O_TRUNC, 0600);

    if (fd == -1) {
        ngx_http_ai_bench_die(path);
    }

    unlink(path);

    return fd;
}


/* confirmed in batches as by a healthy Redis, or moved to a log */

static double
ngx_http_ai_bench_queue(const char *name, u_char *map, ngx_uint_t kept,
    int log)
{
    u_char                    *p;
    size_t                     n, room;
    double                     best, t;
    ngx_str_t                  cmd, frames;
    ngx_uint_t                 round, i, k;
    ngx_http_ai_record_t       rec;
    ngx_http_ai_resp_queue_t   q;

    best = 1e9;
    n = 0;
    ngx_http_ai_bench_record(&rec);
    ngx_http_ai_resp_queue_init(&q, SIZE, map, kept);

    for (round = 0; round < ROUNDS; round++) {
        t = ngx_http_ai_bench_now();

        for (i = 0; i < RECORDS; i++) {
            p = ngx_http_ai_resp_queue_reserve(&q, 16384, &room);

            if (p == NULL) {
                ngx_http_ai_bench_die("full");
            }

            n = ngx_http_ai_record_xadd(&rec, &ngx_http_ai_bench_stream,
                                        &ngx_http_ai_bench_trim, p, room);
            ngx_http_ai_resp_queue_commit(&q, n, 0);

            if (log == -1) {

                if (i % 8 != 7) {
                    continue;
                }

                for (k = 0; ngx_http_ai_resp_queue_next(&q, &cmd) == NGX_OK;
                     k++)
                {
                    ngx_http_ai_resp_queue_sent(&q);
                }

                while (k--) {
                    ngx_http_ai_resp_queue_reply(&q, 1);
                }

                ngx_http_ai_resp_queue_release(&q);
                continue;
            }

            if (q.nblocks > q.max / 4 * 3
                && ngx_http_ai_resp_queue_idle(&q, 0, &frames) == NGX_OK)
            {
                if (write(log, frames.data, frames.len)
                    != (ssize_t) frames.len)
                {
                    ngx_http_ai_bench_die("write");
                }

                ngx_http_ai_resp_queue_drop(&q, 0);
            }
        }

        t = ngx_http_ai_bench_now() - t;
        best = ngx_min(best, t);

        if (log != -1) {
            (void) !ftruncate(log, 0);
            lseek(log, 0, SEEK_SET);
        }
    }

    printf("%-48s %6.2f us  %zu bytes\n", name, best / RECORDS * 1e6,
           kept ? ngx_http_ai_frame_size(n) : n);

    ngx_http_ai_resp_queue_free(&q);

    return best;
}


/* read, checked, taken apart and put together anew */

static void
ngx_http_ai_bench_replay(void)
{
    u_char                      *buf, *p, out[16384];
    size_t                       n, size;
    double                       best, t;
    ngx_str_t                    cmd, pairs;
    ngx_uint_t                   round, i, nargs;
    ngx_http_ai_record_t         rec;
    ngx_http_ai_frame_reader_t   reader;

    ngx_http_ai_bench_record(&rec);

    best = 1e9;
    buf = calloc(1000, 4096);
    p = buf;

    for (i = 0; i < 1000; i++) {
        n = ngx_http_ai_record_xadd(&rec, &ngx_http_ai_bench_stream,
                                    &ngx_http_ai_bench_trim,
                                    p + sizeof(ngx_http_ai_frame_t), 4000);
        ngx_http_ai_frame_seal((ngx_http_ai_frame_t *) (void *) p, n,
                               NGX_HTTP_AI_FRAME_WAITS, 1);
        p += ngx_http_ai_frame_size(n);
    }

    size = p - buf;

    for (round = 0; round < ROUNDS; round++) {
        t = ngx_http_ai_bench_now();

        memset(&reader, 0, sizeof(reader));
        reader.pos = buf;
        reader.last = buf + size;
        reader.last_piece = 1;

        for (i = 0; ngx_http_ai_frame_next(&reader, &cmd) == NGX_OK; i++) {
            if (ngx_http_ai_record_pairs(&cmd, &pairs, &nargs) != NGX_OK
                || ngx_http_ai_record_again(&pairs, nargs,
                                            &ngx_http_ai_bench_stream,
                                            &ngx_http_ai_bench_trim, out,
                                            sizeof(out)) == 0)
            {
                ngx_http_ai_bench_die("no record");
            }
        }

        t = ngx_http_ai_bench_now() - t;
        best = ngx_min(best, t);
    }

    printf("%-48s %6.2f us\n", "replay: read, check, put together",
           best / 1000 * 1e6);

    free(buf);
}


int
main(int argc, char **argv)
{
    int      fd, log;
    u_char  *map;

    ngx_http_ai_bench_queue("record and queue, no spool", NULL, 0, -1);
    ngx_http_ai_bench_queue("with checksums, in memory", NULL, 1, -1);

    if (argc > 1) {
        fd = ngx_http_ai_bench_file(argv[1]);
        log = ngx_http_ai_bench_file(argv[1]);

        if (posix_fallocate(fd, 0, SIZE) != 0) {
            ngx_http_ai_bench_die("posix_fallocate");
        }

        map = mmap(NULL, SIZE, PROT_READ|PROT_WRITE, MAP_SHARED, fd, 0);

        if (map == MAP_FAILED) {
            ngx_http_ai_bench_die("mmap");
        }

        ngx_http_ai_bench_queue("spool: in a mapped file", map, 1, -1);
        memset(map, 0, SIZE);
        ngx_http_ai_bench_queue("spool, Redis away: and on to a log", map, 1,
                                log);
    }

    ngx_http_ai_bench_replay();

    return 0;
}
