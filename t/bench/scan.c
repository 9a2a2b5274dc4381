
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * How fast the scanners are, without nginx around them:
 *
 *   cc -O2 -DNGX_HTTP_AI_PURE=1 -Isrc/pure -o scan t/bench/scan.c \
 *      $(find src/pure -name "*.c") -lyajl
 *
 * The best of several rounds is printed: it is the least disturbed one.
 */


#define _POSIX_C_SOURCE  200809L

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ngx_http_ai_usage_scan.h"


#define ROUNDS  15


static double
ngx_http_ai_bench_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec + ts.tv_nsec / 1e9;
}


static void
ngx_http_ai_bench_json(const char *name, const u_char *p, size_t n,
    size_t piece)
{
    u_char                     buf[2][64];
    double                     best, t;
    size_t                     i, len;
    ngx_uint_t                 round;
    ngx_http_ai_json_t         js;
    ngx_http_ai_json_member_t  m[] = {
        { ngx_string("model"), buf[0], 64, 0, 0, 0, 0 },
        { ngx_string("stream"), buf[1], 64, 0, 0, 0, 0 }
    };

    best = 1e9;

    for (round = 0; round < ROUNDS; round++) {
        t = ngx_http_ai_bench_now();

        ngx_http_ai_json_init(&js, m, 2, 1);

        for (i = 0; i < n; i += len) {
            len = ngx_min(piece, n - i);

            if (ngx_http_ai_json_feed(&js, p + i, len) != NGX_OK) {
                break;
            }
        }

        if (ngx_http_ai_json_end(&js) != NGX_OK
            || m[0].type != NGX_HTTP_AI_JSON_STRING)
        {
            printf("%s: %s at %lld\n", name,
                   ngx_http_ai_json_strerror(js.error),
                   (long long) js.offset);
            exit(1);
        }

        t = ngx_http_ai_bench_now() - t;
        best = ngx_min(best, t);
    }

    printf("json  %-42s %7.2f GB/s  %8.3f ms\n", name, n / best / 1e9,
           best * 1e3);
}


static void
ngx_http_ai_bench_sse(const char *name, u_char *p, size_t n, size_t piece)
{
    double                    best, t;
    size_t                    i, len, events;
    u_char                   *pos, *last, *carry;
    ngx_uint_t                round;
    ngx_http_ai_sse_t         sse;
    ngx_http_ai_sse_event_t   ev;

    best = 1e9;
    events = 0;
    carry = malloc(65536);

    for (round = 0; round < ROUNDS; round++) {
        t = ngx_http_ai_bench_now();

        ngx_http_ai_sse_init(&sse, carry, 65536);
        events = 0;

        for (i = 0; i < n; i += len) {
            len = ngx_min(piece, n - i);
            pos = p + i;
            last = pos + len;

            while (ngx_http_ai_sse_next(&sse, &pos, last, &ev) == NGX_OK) {
                events += (ev.kind == NGX_HTTP_AI_SSE_DATA);
            }
        }

        t = ngx_http_ai_bench_now() - t;
        best = ngx_min(best, t);
    }

    free(carry);

    printf("sse   %-42s %7.2f GB/s  %8.1f ns/event\n", name, n / best / 1e9,
           best * 1e9 / events);
}


/* splitting and judging, as a stream passes after its first content */

static void
ngx_http_ai_bench_judge(const char *name, u_char *p, size_t n)
{
    double                    best, t;
    u_char                   *pos, *carry;
    ngx_uint_t                round, events, plain;
    ngx_http_ai_sse_t         sse;
    ngx_http_ai_sse_event_t   ev;

    best = 1e9;
    events = 0;
    carry = malloc(4096);

    for (round = 0; round < ROUNDS; round++) {
        t = ngx_http_ai_bench_now();

        ngx_http_ai_sse_init(&sse, carry, 4096);
        events = 0;
        plain = 0;
        pos = p;

        while (ngx_http_ai_sse_next(&sse, &pos, p + n, &ev) == NGX_OK) {
            plain += (ngx_http_ai_classify_plain(&ev) == 2);
            events++;
        }

        if (plain != events) {
            printf("%s: %u of %u events are plain\n", name,
                   (unsigned) plain, (unsigned) events);
            exit(1);
        }

        t = ngx_http_ai_bench_now() - t;
        best = ngx_min(best, t);
    }

    free(carry);

    printf("judge %-42s %7.2f GB/s  %8.1f ns/event\n", name, n / best / 1e9,
           best * 1e9 / events);
}


/* all that the stream room does with one: the same, and counting its text */

static void
ngx_http_ai_bench_usage(const char *name, u_char *p, size_t n)
{
    double                     best, t;
    u_char                    *pos, *carry;
    ngx_uint_t                 round, events;
    ngx_http_ai_sse_event_t    ev;
    ngx_http_ai_usage_scan_t   scan;

    best = 1e9;
    events = 0;
    carry = malloc(4096);

    for (round = 0; round < ROUNDS; round++) {
        t = ngx_http_ai_bench_now();

        ngx_http_ai_usage_scan_init(&scan, NGX_HTTP_AI_USAGE_SCAN_SSE,
                                    ngx_http_ai_provider_find(
                                                    (u_char *) "openai", 6),
                                    carry, 4096, NULL);
        events = 0;
        pos = p;

        while (ngx_http_ai_usage_scan_next(&scan, &pos, p + n, &ev)
               == NGX_OK)
        {
            (void) ngx_http_ai_usage_scan_event(&scan, &ev, NULL);
            events++;
        }

        if (ngx_http_ai_usage_scan_output(&scan) != (int64_t) events * 2) {
            printf("%s: %lld tokens of %u events\n", name,
                   (long long) ngx_http_ai_usage_scan_output(&scan),
                   (unsigned) events);
            exit(1);
        }

        t = ngx_http_ai_bench_now() - t;
        best = ngx_min(best, t);
    }

    free(carry);

    printf("usage %-42s %7.2f GB/s  %8.1f ns/event\n", name, n / best / 1e9,
           best * 1e9 / events);
}


static u_char *
ngx_http_ai_bench_string(size_t size, const char *unit, size_t *n)
{
    u_char  *p;
    size_t   unit_len;

    p = malloc(size + 128);
    unit_len = strlen(unit);

    *n = sprintf((char *) p, "{\"image\":\"");

    while (*n + unit_len < size) {
        memcpy(p + *n, unit, unit_len);
        *n += unit_len;
    }

    *n += sprintf((char *) p + *n, "\",\"stream\":true,\"model\":\"gpt-4o\"}");

    return p;
}


static u_char *
ngx_http_ai_bench_chat(size_t size, size_t *n)
{
    u_char      *p;
    ngx_uint_t   i;

    static const char  *text[] = {
        "{\"role\":\"user\",\"content\":\"What does \\\"reliable\\\" mean "
        "here?\\nExplain it.\"}",
        "{\"role\":\"assistant\",\"content\":\"It means that a request is "
        "answered \\u2014 or refused \\u2014 with a reason.\\n\\n1. first"
        "\\n2. second\\n\",\"n\":12,\"ok\":true}",
        "{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": "
        "\"ok\"}, {\"type\": \"text\", \"text\": \"go on\"}]}"
    };

    p = malloc(size + 1024);
    *n = sprintf((char *) p, "{\"messages\":[");

    for (i = 0; *n < size; i++) {
        *n += sprintf((char *) p + *n, "%s%s", i ? "," : "", text[i % 3]);
    }

    *n += sprintf((char *) p + *n, "],\"model\":\"gpt-4o\"}");

    return p;
}


/* what one token looks like: chat, Anthropic Messages, Responses */

static const char  ngx_http_ai_bench_chunk[] =
    "data: {\"id\":\"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz01\",\"object\":"
    "\"chat.completion.chunk\",\"created\":1700000000,\"model\":"
    "\"gpt-4o-2024-08-06\",\"service_tier\":\"default\","
    "\"system_fingerprint\":\"fp_0123456789\",\"choices\":[{\"index\":0,"
    "\"delta\":{\"content\":\" word%03u\"},\"logprobs\":null,"
    "\"finish_reason\":null}],\"usage\":null}\n\n";

static const char  ngx_http_ai_bench_message[] =
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\","
    "\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":"
    "\" word%03u\"}}\n\n";

static const char  ngx_http_ai_bench_response[] =
    "event: response.output_text.delta\ndata: {\"type\":"
    "\"response.output_text.delta\",\"content_index\":0,\"delta\":"
    "\" word%03u\",\"item_id\":\"msg_0123456789abcdef0123456789abcdef\","
    "\"logprobs\":[],\"obfuscation\":\"AbCdEfGhIj\",\"output_index\":0,"
    "\"sequence_number\":12}\n\n";


static u_char *
ngx_http_ai_bench_stream(const char *event, size_t size, size_t *n)
{
    u_char      *p;
    ngx_uint_t   i;

    p = malloc(size + 1024);
    *n = 0;

    for (i = 0; *n < size; i++) {
        *n += sprintf((char *) p + *n, event, (unsigned) (i % 1000));
    }

    return p;
}


int
main(void)
{
    u_char  *p;
    size_t   n;

    p = ngx_http_ai_bench_string(20 * 1024 * 1024,
                                 "iVBORw0KGgoAAAANSUhEUgAABAAAAAQACAYA", &n);
    ngx_http_ai_bench_json("20 MB, one string, whole", p, n, n);
    ngx_http_ai_bench_json("20 MB, one string, pieces of 64 KB", p, n, 65536);
    ngx_http_ai_bench_json("20 MB, one string, pieces of 4 KB", p, n, 4096);
    free(p);

    p = ngx_http_ai_bench_string(20 * 1024 * 1024, "\\\\", &n);
    ngx_http_ai_bench_json("20 MB, one string of backslashes", p, n, 65536);
    free(p);

    p = ngx_http_ai_bench_string(20 * 1024 * 1024, "\\u4e2d\\u6587", &n);
    ngx_http_ai_bench_json("20 MB, one string of \\uXXXX", p, n, 65536);
    free(p);

    p = ngx_http_ai_bench_chat(1024 * 1024, &n);
    ngx_http_ai_bench_json("1 MB, chat text, whole", p, n, n);
    ngx_http_ai_bench_json("1 MB, chat text, pieces of 4 KB", p, n, 4096);
    ngx_http_ai_bench_json("1 MB, chat text, pieces of 1 byte", p, n, 1);
    free(p);

    p = ngx_http_ai_bench_stream(ngx_http_ai_bench_chunk, 8 * 1024 * 1024, &n);
    ngx_http_ai_bench_sse("8 MB, events of 303 bytes, whole", p, n, n);
    ngx_http_ai_bench_sse("8 MB, events of 303 bytes, pieces of 16 KB", p, n,
                          16384);
    ngx_http_ai_bench_sse("8 MB, events of 303 bytes, pieces of 1400 B", p, n,
                          1400);
    ngx_http_ai_bench_sse("8 MB, events of 303 bytes, pieces of 100 B", p, n,
                          100);
    ngx_http_ai_bench_judge("8 MB, chat, events of 303 bytes", p, n);
    ngx_http_ai_bench_usage("8 MB, chat, events of 303 bytes", p, n);
    free(p);

    p = ngx_http_ai_bench_stream(ngx_http_ai_bench_message, 8 * 1024 * 1024,
                                 &n);
    ngx_http_ai_bench_judge("8 MB, Messages, events of 135 bytes", p, n);
    ngx_http_ai_bench_usage("8 MB, Messages, events of 135 bytes", p, n);
    free(p);

    p = ngx_http_ai_bench_stream(ngx_http_ai_bench_response, 8 * 1024 * 1024,
                                 &n);
    ngx_http_ai_bench_judge("8 MB, Responses, events of 262 bytes", p, n);
    ngx_http_ai_bench_usage("8 MB, Responses, events of 262 bytes", p, n);
    free(p);

    return 0;
}
