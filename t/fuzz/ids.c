
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * libFuzzer entry: ids in any bytes.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -DNGX_HTTP_AI_PURE=1 \
 *         -Isrc/pure -o ids t/fuzz/ids.c src/pure/ngx_http_ai_ids.c
 *
 * The first byte of the input says where the rest is cut.  Ids lie within, one
 * behind the other, are of the length and the characters that they may have,
 * and stand in quotes; of what is cut off somewhere less is found, and nothing
 * else.
 */


#include <stdio.h>
#include <stdlib.h>

#include "ngx_http_ai_ids.h"


static void
ngx_http_ai_fuzz_check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}


static void
ngx_http_ai_fuzz_id(const ngx_str_t *id, const u_char *from, const u_char *pos)
{
    size_t  i;
    u_char  ch;

    ngx_http_ai_fuzz_check(id->len >= NGX_HTTP_AI_IDS_MIN
                           && id->len <= NGX_HTTP_AI_IDS_MAX, "a length");
    ngx_http_ai_fuzz_check(id->data > from && id->data + id->len < pos + 1,
                           "a place");
    ngx_http_ai_fuzz_check(id->data[-1] == '"' && id->data[id->len] == '"',
                           "no quotes");

    for (i = 0; i < id->len; i++) {
        ch = id->data[i];

        ngx_http_ai_fuzz_check((ch >= '0' && ch <= '9')
                               || ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'z')
                               || ch == '_' || ch == '-' || ch == '.',
                               "a character");
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char        *all, *part;
    size_t         n;
    ngx_str_t      a, b;
    const u_char  *p, *q, *from;

    if (size == 0) {
        return 0;
    }

    n = (size - 1) * data[0] / 255;
    size--;

    all = malloc(size + 1);
    part = malloc(n + 1);
    memcpy(all, data + 1, size);
    memcpy(part, all, n);

    p = all;
    q = part;

    for ( ;; ) {
        from = p;

        if (ngx_http_ai_ids_next(&p, all + size, &a) != NGX_OK) {
            break;
        }

        ngx_http_ai_fuzz_check(p > from && p <= all + size, "no step");
        ngx_http_ai_fuzz_id(&a, from, p);

        if (q == NULL) {
            continue;
        }

        if (ngx_http_ai_ids_next(&q, part + n, &b) != NGX_OK) {
            q = NULL;
            continue;
        }

        ngx_http_ai_fuzz_check(a.len == b.len && a.data - all == b.data - part,
                               "something else where it is cut off");
    }

    ngx_http_ai_fuzz_check(p == all + size, "not at the end");
    ngx_http_ai_fuzz_check(q == NULL
                           || ngx_http_ai_ids_next(&q, part + n, &b) != NGX_OK,
                           "more where it is cut off");

    free(all);
    free(part);

    return 0;
}
