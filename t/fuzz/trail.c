
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * libFuzzer entry: what the ring of recent requests may hold when its memory
 * has gone bad, and the trails in it.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -DNGX_HTTP_AI_PURE=1 \
 *         -Isrc/pure -o trail t/fuzz/trail.c src/pure/ngx_http_ai_ring.c \
 *         src/pure/ngx_http_ai_trail.c src/pure/ngx_http_ai_frame.c \
 *         src/pure/ngx_http_ai_record.c src/pure/ngx_http_ai_resp.c \
 *         src/pure/ngx_http_ai_json.c src/pure/ngx_http_ai_json_string.c
 *
 * The input is a ring's bytes, after two bytes that say where it ends and how
 * much of it is full; and all of it once more as a trail.  Whatever it is:
 * nothing outside is read, entries lie within what was copied, what is packed
 * anew reads the same, and a ring that is written to is whole again.
 */


#include <stdio.h>
#include <stdlib.h>

#include "ngx_http_ai_ring.h"
#include "ngx_http_ai_trail.h"


#define COPY  512


static void
ngx_http_ai_fuzz_check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}


/* how many items there are; packs them into "again" */

static ngx_uint_t
ngx_http_ai_fuzz_read(const ngx_str_t *packed, u_char *buf, ngx_str_t *again)
{
    ngx_int_t                   rc;
    ngx_uint_t                  n;
    ngx_http_ai_record_t        rec;
    ngx_http_ai_trail_item_t    item;
    ngx_http_ai_trail_pack_t    pack;
    ngx_http_ai_trail_reader_t  reader;

    n = 0;
    again->len = 0;

    if (ngx_http_ai_trail_open(&reader, packed, &rec) != NGX_OK) {
        return 0;
    }

    ngx_http_ai_trail_begin(&pack, buf, &rec);

    while ((rc = ngx_http_ai_trail_next(&reader, &item)) > 0) {
        n++;

        if (rc == NGX_HTTP_AI_TRAIL_TRY) {
            ngx_http_ai_trail_add_try(&pack, &item.try);

        } else {
            ngx_http_ai_trail_add_left(&pack, &item.left);
        }
    }

    again->data = buf;
    again->len = ngx_http_ai_trail_end(&pack);

    return n;
}


static void
ngx_http_ai_fuzz_trail(const uint8_t *data, size_t size)
{
    u_char                     *own, *buf, *other;
    ngx_str_t                   packed, again, more;
    ngx_uint_t                  n;
    ngx_http_ai_record_t        rec;
    ngx_http_ai_trail_filter_t  filter;
    ngx_http_ai_trail_reader_t  reader;

    static const ngx_str_t  any = ngx_string("any");

    own = malloc(size ? size : 1);
    buf = malloc(NGX_HTTP_AI_TRAIL_PACKED);
    other = malloc(NGX_HTTP_AI_TRAIL_PACKED);

    memcpy(own, data, size);
    packed.data = own;
    packed.len = size;

    n = ngx_http_ai_fuzz_read(&packed, buf, &again);

    if (again.len && again.len < NGX_HTTP_AI_TRAIL_PACKED / 2) {
        ngx_http_ai_fuzz_check(ngx_http_ai_fuzz_read(&again, other, &more)
                               == n, "items");
        ngx_http_ai_fuzz_check(more.len == again.len
                               && memcmp(more.data, again.data, more.len)
                                  == 0, "packed anew");
    }

    memset(&filter, 0, sizeof(filter));

    filter.account.data = own;
    filter.account.len = size;
    filter.fallback = any;
    filter.since_ms = INT64_MIN;
    ngx_http_ai_trail_filter(&filter);

    (void) ngx_http_ai_trail_maybe(&filter, &packed);

    if (ngx_http_ai_trail_open(&reader, &packed, &rec) == NGX_OK) {
        (void) ngx_http_ai_trail_matches(&filter, &packed, &rec);
    }

    free(own);
    free(buf);
    free(other);
}


static void
ngx_http_ai_fuzz_ring(uint8_t end, uint8_t full, const uint8_t *data,
    size_t size)
{
    size_t               n;
    u_char              *buf, *to;
    uint64_t             pos, before;
    ngx_str_t            entry;
    ngx_http_ai_ring_t  *ring, *moved;

    size &= ~(size_t) 7;

    if (size < 64) {
        return;
    }

    buf = malloc(COPY);
    ring = malloc(sizeof(ngx_http_ai_ring_t) + size);
    moved = malloc(sizeof(ngx_http_ai_ring_t) + 128);

    ngx_http_ai_ring_init(ring, sizeof(ngx_http_ai_ring_t) + size);
    ngx_http_ai_ring_init(moved, sizeof(ngx_http_ai_ring_t) + 128);
    memcpy(ring->data, data, size);

    ring->head = 8 * (uint64_t) end + 4096;
    ring->tail = ring->head - 8 * (uint64_t) full;

    pos = NGX_HTTP_AI_RING_NEWEST;

    do {
        before = pos;
        n = ngx_http_ai_ring_back(ring, &pos, buf, ngx_min(COPY, size));
        ngx_http_ai_fuzz_check(n <= COPY && pos <= before, "slice");

        to = buf + n;

        while (n && ngx_http_ai_ring_last(buf, &n, &entry) == NGX_OK) {
            ngx_http_ai_fuzz_check(entry.data >= buf
                                   && entry.data + entry.len <= to, "entry");
            to = entry.data;
        }

    } while (pos != before && n == 0);

    (void) ngx_http_ai_ring_held(ring, buf, 48);
    ngx_http_ai_ring_move(moved, ring);

    /*
     * What had gone bad may have led into the middle of an entry that looks
     * like the end of one: its turn to go sets that right.
     */

    for (n = 0; n < size / 8; n++) {
        ngx_http_ai_fuzz_check(ngx_http_ai_ring_append(ring, data, n % 48)
                               == NGX_OK, "append");
    }

    n = ngx_http_ai_ring_held(ring, buf, 48);
    ngx_http_ai_fuzz_check(n >= 1 && n <= size / 16, "held");

    pos = NGX_HTTP_AI_RING_NEWEST;
    n = ngx_http_ai_ring_back(ring, &pos, buf, ngx_min(COPY, size));

    ngx_http_ai_fuzz_check(ngx_http_ai_ring_last(buf, &n, &entry) == NGX_OK
                           && entry.len == (size / 8 - 1) % 48
                           && memcmp(entry.data, data, entry.len) == 0,
                           "whole again");
    free(buf);
    free(ring);
    free(moved);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }

    ngx_http_ai_fuzz_ring(data[0], data[1], data + 2, size - 2);
    ngx_http_ai_fuzz_trail(data + 2, size - 2);

    return 0;
}
