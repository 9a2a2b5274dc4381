
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * libFuzzer entry: a spool file of any bytes.  The first byte of the input
 * says in pieces of which length it is read, the rest is the file.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -DNGX_HTTP_AI_PURE=1 \
 *         -Isrc/pure -o frame t/fuzz/frame.c src/pure/ngx_http_ai_frame.c \
 *         src/pure/ngx_http_ai_record.c src/pure/ngx_http_ai_resp.c \
 *         src/pure/ngx_http_ai_json.c
 *
 * Whatever the bytes are, payloads lie within them and do not overlap, the
 * pieces make no difference, and what is made of a payload is one command.
 */


#include <stdio.h>
#include <stdlib.h>

#include "ngx_http_ai_frame.h"
#include "ngx_http_ai_record.h"
#include "ngx_http_ai_resp.h"


static void
ngx_http_ai_fuzz_check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}


static void
ngx_http_ai_fuzz_again(const ngx_str_t *payload)
{
    size_t      n;
    u_char     *buf, *p;
    ngx_str_t   pairs, arg;
    ngx_uint_t  nargs, i;

    static const ngx_str_t                  stream = ngx_string("s");
    static const ngx_http_ai_record_trim_t  trim = { .maxlen = 5 };

    if (ngx_http_ai_record_pairs(payload, &pairs, &nargs) != NGX_OK) {
        return;
    }

    buf = malloc(payload->len + 128);
    n = ngx_http_ai_record_again(&pairs, nargs, &stream, &trim, buf,
                                 payload->len + 128);
    ngx_http_ai_fuzz_check(n != 0, "again");

    p = buf;
    ngx_http_ai_fuzz_check(ngx_http_ai_resp_count(&p, buf + n, &nargs)
                           == NGX_OK, "count");

    for (i = 0; i < nargs; i++) {
        ngx_http_ai_fuzz_check(ngx_http_ai_resp_next(&p, buf + n, &arg)
                               == NGX_OK, "argument");
    }

    ngx_http_ai_fuzz_check(p == buf + n, "end");
    free(buf);
}


/* the sum of the payloads' places and lengths */

static uint64_t
ngx_http_ai_fuzz_read(const uint8_t *data, size_t size, size_t piece)
{
    size_t                       at, have;
    u_char                      *p, *behind;
    uint64_t                     sum;
    ngx_int_t                    rc;
    ngx_str_t                    payload;
    ngx_http_ai_frame_reader_t   reader;

    memset(&reader, 0, sizeof(reader));
    at = 0;
    sum = 0;
    have = 0;

    do {
        have = ngx_min(have + piece, size - at);
        p = malloc(have ? have : 1);
        memcpy(p, data + at, have);
        behind = p;

        reader.pos = p;
        reader.last = p + have;
        reader.last_piece = (at + have == size);

        while ((rc = ngx_http_ai_frame_next(&reader, &payload)) == NGX_OK) {
            ngx_http_ai_fuzz_check(payload.len
                                   && payload.data >= behind
                                   && payload.data + payload.len <= p + have
                                   && payload.data + payload.len
                                      <= reader.pos + 0,
                                   "payload");
            behind = payload.data + payload.len;
            sum = sum * 31 + at + (payload.data - p) + payload.len;
            ngx_http_ai_fuzz_again(&payload);
        }

        at += reader.pos - p;
        have -= reader.pos - p;
        free(p);

    } while (rc == NGX_AGAIN);

    ngx_http_ai_fuzz_check(rc == NGX_DONE && at == size, "end");
    ngx_http_ai_fuzz_check(reader.skipped <= size, "skipped");

    return sum * 31 + reader.skipped;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                     piece;
    ngx_http_ai_frame_file_t   head;

    if (size == 0) {
        return 0;
    }

    piece = 1 + *data++;
    size--;

    if (size >= sizeof(head)) {
        memcpy(&head, data, sizeof(head));
        ngx_http_ai_fuzz_check(ngx_http_ai_frame_done(&head, size) <= size,
                               "done");
        (void) ngx_http_ai_frame_used((ngx_http_ai_frame_block_t *)
                                      (void *) &head, 65536);
    }

    ngx_http_ai_fuzz_check(ngx_http_ai_fuzz_read(data, size, piece)
                           == ngx_http_ai_fuzz_read(data, size, size + 1),
                           "pieces");

    return 0;
}
