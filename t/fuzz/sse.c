
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * libFuzzer entry: the SSE splitter fed whole and in pieces.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -DNGX_HTTP_AI_PURE=1 \
 *         -Isrc/pure -o sse t/fuzz/sse.c src/pure/ngx_http_ai_sse.c
 *
 * The first two bytes of the input choose the size of the pieces and of the
 * carry; the rest is the stream.  The raw events in a row must be the stream;
 * without truncation the pieces must not matter; with it the events must have
 * the same sizes, and what is left of them must be their tail.
 */


#include <stdio.h>
#include <stdlib.h>

#include "ngx_http_ai_sse.h"


typedef struct {
    size_t                  size;
    ngx_http_ai_sse_kind_e  kind;
    ssize_t                 data;         /* from the event's start */
    size_t                  data_len;
    ssize_t                 name;
    size_t                  name_len;
    ngx_uint_t              multi;
    ngx_uint_t              open;
    uint32_t                joined;
} ngx_http_ai_fuzz_event_t;


typedef struct {
    const uint8_t             *p;
    size_t                     n;
    size_t                     done;
    ngx_uint_t                 events;
    ngx_http_ai_fuzz_event_t  *ev;        /* of the whole run, at least n */
    ngx_uint_t                 compare;   /* with ev, instead of filling it */
    size_t                     carry_size;
} ngx_http_ai_fuzz_ctx_t;


static void
ngx_http_ai_fuzz_check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}


static uint32_t
ngx_http_ai_fuzz_join(const ngx_http_ai_sse_event_t *ev)
{
    u_char    *dst;
    size_t     i, n;
    uint32_t   h;

    dst = malloc(ev->raw.len ? ev->raw.len : 1);
    n = ngx_http_ai_sse_join(ev, dst);

    ngx_http_ai_fuzz_check(n <= ev->raw.len, "join length");
    ngx_http_ai_fuzz_check(ev->multi || n == ev->data.len, "join of one");

    for (h = 2166136261u, i = 0; i < n; i++) {
        h = (h ^ dst[i]) * 16777619u;
    }

    free(dst);

    return h;
}


static void
ngx_http_ai_fuzz_event(ngx_http_ai_fuzz_ctx_t *ctx,
    const ngx_http_ai_sse_event_t *ev)
{
    ngx_http_ai_fuzz_event_t  e, *want;

    ngx_http_ai_fuzz_check(ev->size && ev->size <= ctx->n - ctx->done, "size");
    ngx_http_ai_fuzz_check(ev->raw.len <= ev->size
                           && ev->carried <= ev->size, "raw length");

    ctx->done += ev->size;

    ngx_http_ai_fuzz_check(ev->raw.len == 0
                           || memcmp(ev->raw.data,
                                     ctx->p + ctx->done - ev->raw.len,
                                     ev->raw.len) == 0, "raw bytes");

    memset(&e, 0, sizeof(e));
    e.size = ev->size;
    e.kind = ev->kind;
    e.data = ev->data.data ? ev->data.data - ev->raw.data : -1;
    e.data_len = ev->data.len;
    e.name = ev->name.data ? ev->name.data - ev->raw.data : -1;
    e.name_len = ev->name.len;
    e.multi = ev->multi;
    e.open = ev->open;
    e.joined = ngx_http_ai_fuzz_join(ev);

    want = &ctx->ev[ctx->events++];

    if (!ctx->compare) {
        ngx_http_ai_fuzz_check(!ev->truncated && ev->raw.len == ev->size,
                               "truncated for nothing");
        *want = e;
        return;
    }

    if (!ev->truncated) {
        ngx_http_ai_fuzz_check(ev->raw.len == ev->size, "not whole");
        ngx_http_ai_fuzz_check(memcmp(&e, want, sizeof(e)) == 0, "split");
        return;
    }

    ngx_http_ai_fuzz_check(ev->size > ctx->carry_size
                           && ev->raw.len >= ctx->carry_size / 2,
                           "truncated too much");
    ngx_http_ai_fuzz_check(e.size == want->size && e.open == want->open,
                           "truncated: size");

    if (ctx->carry_size >= 3) {
        ngx_http_ai_fuzz_check((e.kind == NGX_HTTP_AI_SSE_DATA)
                               == (want->kind == NGX_HTTP_AI_SSE_DATA),
                               "truncated: kind");
    }

    if (e.data >= 0) {
        ngx_http_ai_fuzz_check(ctx->carry_size < 3 || want->data >= 0,
                               "truncated: data");
    }
}


static void
ngx_http_ai_fuzz_run(ngx_http_ai_fuzz_ctx_t *ctx, size_t piece)
{
    size_t                    i, len;
    u_char                   *copy, *pos, *carry;
    ngx_int_t                 rc;
    ngx_http_ai_sse_t         sse;
    ngx_http_ai_sse_event_t   ev;

    carry = malloc(ctx->carry_size ? ctx->carry_size : 1);
    ngx_http_ai_sse_init(&sse, carry, ctx->carry_size);

    ctx->done = 0;
    ctx->events = 0;

    for (i = 0; i < ctx->n; i += len) {
        len = ngx_min(piece, ctx->n - i);

        copy = malloc(len);
        memcpy(copy, ctx->p + i, len);
        pos = copy;

        while (ngx_http_ai_sse_next(&sse, &pos, copy + len, &ev) == NGX_OK) {
            ngx_http_ai_fuzz_check(!ev.open, "open");
            ngx_http_ai_fuzz_event(ctx, &ev);
        }

        ngx_http_ai_fuzz_check(pos == copy + len, "bytes left");
        free(copy);
    }

    rc = ngx_http_ai_sse_end(&sse, &ev);

    if (rc == NGX_OK) {
        ngx_http_ai_fuzz_event(ctx, &ev);
    }

    ngx_http_ai_fuzz_check(ctx->done == ctx->n, "bytes lost");

    free(carry);
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_uint_t              events;
    ngx_http_ai_fuzz_ctx_t  ctx;

    if (size < 3) {
        return 0;
    }

    ctx.p = data + 2;
    ctx.n = size - 2;
    ctx.ev = malloc(ctx.n * sizeof(ngx_http_ai_fuzz_event_t));

    ctx.compare = 0;
    ctx.carry_size = ctx.n;
    ngx_http_ai_fuzz_run(&ctx, ctx.n);
    events = ctx.events;

    ctx.compare = 1;
    ngx_http_ai_fuzz_run(&ctx, 1);
    ngx_http_ai_fuzz_check(ctx.events == events, "number of events");

    ngx_http_ai_fuzz_run(&ctx, 1 + data[0] % 32);
    ngx_http_ai_fuzz_check(ctx.events == events, "number of events");

    ctx.carry_size = data[1] % 64;
    ngx_http_ai_fuzz_run(&ctx, 1 + data[0] % 32);
    ngx_http_ai_fuzz_check(ctx.events == events, "number of events");

    free(ctx.ev);

    return 0;
}
