
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * libFuzzer entry: the reader of usage over answers, and over usage objects.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -DNGX_HTTP_AI_PURE=1 \
 *         -Isrc/pure -o usage t/fuzz/usage.c -lyajl \
 *         $(find src/pure -name "*.c")
 *
 * The first line of the input says how the rest is read: "J" a JSON answer,
 * "L" lines, "S" a stream, "O" a usage object, "N" a number of money; then a
 * letter for the size of the pieces.  Whatever comes: counts are in range, an
 * answer in pieces has used what it has used as a whole, the end told twice is
 * the same, and with a small carry nothing is read outside of it.
 */


#include <stdio.h>
#include <stdlib.h>

#include "ngx_http_ai_usage_scan.h"


#define PROMPT  7
#define MAX     ((int64_t) 10 * 1000000000000000)


static void
ngx_http_ai_fuzz_check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}


static void
ngx_http_ai_fuzz_range(const ngx_http_ai_tokens_t *t)
{
    ngx_uint_t  i;

    const int64_t  counts[] = {
        t->input, t->output, t->cache_read, t->cache_write,
        t->cache_write_1h, t->reasoning, t->audio_input, t->audio_output,
        t->image_input, t->image_output, t->billed_input + 1,
        t->billed_output + 1, t->seconds, t->search_units, t->web_searches
    };

    for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        ngx_http_ai_fuzz_check(counts[i] >= 0 && counts[i] <= MAX,
                               "a count out of range");
    }

    ngx_http_ai_fuzz_check(t->reported_nanousd >= -1, "a negative bill");
    ngx_http_ai_fuzz_check(t->tier <= NGX_HTTP_AI_TIER_BATCH, "no tier");
}


static ngx_int_t
ngx_http_ai_fuzz_read(ngx_http_ai_usage_scan_mode_e mode, const u_char *p,
    size_t n, size_t piece, size_t size, ngx_http_ai_tokens_t *tokens)
{
    u_char                    *copy, *pos, *carry;
    size_t                     i, len;
    ngx_int_t                  rc, end;
    ngx_http_ai_sse_event_t    ev;
    ngx_http_ai_usage_doc_t    doc;
    ngx_http_ai_usage_scan_t   scan;

    carry = malloc(size + 1);
    memset(&doc, 0xa5, sizeof(doc));

    ngx_http_ai_usage_scan_init(&scan, mode, NULL, carry, size,
                                mode == NGX_HTTP_AI_USAGE_SCAN_SSE ? NULL
                                                                   : &doc);
    scan.provider = ngx_http_ai_provider_find((u_char *) "compatible", 10);

    for (i = 0; i < n; i += len) {
        len = ngx_min(piece, n - i);

        copy = malloc(len);
        memcpy(copy, p + i, len);
        pos = copy;

        if (mode != NGX_HTTP_AI_USAGE_SCAN_SSE) {
            ngx_http_ai_usage_scan_feed(&scan, copy, len);
            free(copy);
            continue;
        }

        if (ngx_http_ai_usage_scan_needs_doc(&scan, len)) {
            scan.doc = &doc;
        }

        while (ngx_http_ai_usage_scan_next(&scan, &pos, copy + len, &ev)
               == NGX_OK)
        {
            (void) ngx_http_ai_usage_scan_event(&scan, &ev, NULL);
            ngx_http_ai_fuzz_check(ngx_http_ai_usage_scan_output(&scan) >= 0,
                                   "a negative output");
        }

        free(copy);
    }

    end = ngx_http_ai_usage_scan_end(&scan);
    ngx_http_ai_fuzz_check(ngx_http_ai_usage_scan_end(&scan) == end,
                           "two ends");

    rc = ngx_http_ai_usage_scan_tokens(&scan, PROMPT, tokens);
    ngx_http_ai_fuzz_check((rc == NGX_DECLINED) == tokens->estimated,
                           "not what was estimated");
    ngx_http_ai_fuzz_range(tokens);

    free(carry);

    return rc;
}


static void
ngx_http_ai_fuzz_answer(ngx_http_ai_usage_scan_mode_e mode, const u_char *p,
    size_t n, size_t piece)
{
    ngx_int_t             rc;
    ngx_http_ai_tokens_t  whole, split;

    rc = ngx_http_ai_fuzz_read(mode, p, n, n, n + 1, &whole);

    ngx_http_ai_fuzz_check(ngx_http_ai_fuzz_read(mode, p, n, piece, n + 1,
                                                 &split)
                           == rc, "other in pieces");
    ngx_http_ai_fuzz_check(memcmp(&whole, &split, sizeof(whole)) == 0,
                           "other counts in pieces");

    if (mode == NGX_HTTP_AI_USAGE_SCAN_SSE) {
        (void) ngx_http_ai_fuzz_read(mode, p, n, piece, piece % 3 * 31,
                                     &split);
    }
}


static void
ngx_http_ai_fuzz_object(const u_char *p, size_t n)
{
    u_char                    *copy;
    ngx_int_t                  rc;
    ngx_http_ai_tokens_t       tokens;
    ngx_http_ai_tokens_raw_t   raw, twice;

    copy = malloc(n + 1);
    memcpy(copy, p, n);

    ngx_http_ai_tokens_init(&raw);
    rc = ngx_http_ai_tokens_add(&raw, copy, n, 0);

    ngx_http_ai_tokens_sum(&raw, &tokens);
    ngx_http_ai_fuzz_range(&tokens);

    /* the same once more changes nothing */

    twice = raw;
    ngx_http_ai_fuzz_check(ngx_http_ai_tokens_add(&twice, copy, n, 0) == rc
                           && memcmp(&raw, &twice, sizeof(raw)) == 0,
                           "counted twice");

    (void) ngx_http_ai_tokens_add(&raw, copy, n, 1);
    ngx_http_ai_tokens_sum(&raw, &tokens);
    ngx_http_ai_fuzz_range(&tokens);

    ngx_http_ai_fuzz_check(ngx_http_ai_tokens_nanousd(copy, n) >= -1,
                           "a negative sum");
    free(copy);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t         n, piece;
    const u_char  *p;

    p = memchr(data, '\n', ngx_min(size, 8));

    if (p == NULL || p - data < 1) {
        return 0;
    }

    p++;
    n = data + size - p;
    piece = 1 + (p - data > 2 ? data[1] : 0);

    if (n == 0) {
        return 0;
    }

    switch (data[0]) {

    case 'J':
        ngx_http_ai_fuzz_answer(NGX_HTTP_AI_USAGE_SCAN_JSON, p, n, piece);
        break;

    case 'L':
        ngx_http_ai_fuzz_answer(NGX_HTTP_AI_USAGE_SCAN_LINES, p, n, piece);
        break;

    case 'S':
        ngx_http_ai_fuzz_answer(NGX_HTTP_AI_USAGE_SCAN_SSE, p, n, piece);
        break;

    default:
        ngx_http_ai_fuzz_object(p, n);
    }

    return 0;
}
