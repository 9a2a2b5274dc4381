
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * libFuzzer entry: the classifier over bodies, events and hints to wait.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -DNGX_HTTP_AI_PURE=1 \
 *         -Isrc/pure -o classify t/fuzz/classify.c -lyajl \
 *         $(find src/pure -name "*.c")
 *
 * The first line of the input says how the rest is read: "B" a body, "S" a
 * stream, "W" a hint; then a letter for the provider and one for the status
 * or the size of the carry.  Whatever comes: verdicts exist, waits are in
 * range, what is logged is printable, kinds are bits that go together, asking
 * twice gives the same answer, and a plain event is no more than content.
 */


#include <stdio.h>
#include <stdlib.h>

#include "ngx_http_ai_classify.h"


#define NOW       1700000000
#define WAIT_MAX  ((int64_t) 366 * 86400 * 1000)


static const char *ngx_http_ai_fuzz_providers[] = {
    "openai", "azure", "anthropic", "gemini", "vertex", "bedrock", "mistral",
    "groq", "deepseek", "xai", "together", "fireworks", "openrouter",
    "cohere", "cerebras", "vllm", "ollama", "compatible"
};


static const ngx_uint_t ngx_http_ai_fuzz_statuses[] = {
    200, 400, 401, 402, 403, 404, 408, 409, 412, 413, 422, 424, 429, 498,
    499, 500, 503, 504, 525, 529, 0, 302
};


static void
ngx_http_ai_fuzz_check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}


static void
ngx_http_ai_fuzz_printable(const u_char *p, size_t n, size_t size)
{
    ngx_http_ai_fuzz_check(n <= size, "too long");

    for ( /* void */ ; n; n--, p++) {
        ngx_http_ai_fuzz_check(*p >= 0x20 && *p != 0x7f, "a control");
    }
}


static void
ngx_http_ai_fuzz_judgement(const ngx_http_ai_judgement_t *j)
{
    ngx_http_ai_fuzz_check(j->verdict < NGX_HTTP_AI_VERDICTS, "no verdict");
    ngx_http_ai_fuzz_check(j->wait_ms >= -1 && j->wait_ms <= WAIT_MAX,
                           "a wait out of range");
    ngx_http_ai_fuzz_check(j->dialect <= 11, "no dialect");

    ngx_http_ai_fuzz_printable(j->code, j->code_len, sizeof(j->code));
    ngx_http_ai_fuzz_printable(j->message, j->message_len,
                               sizeof(j->message));
}


static void
ngx_http_ai_fuzz_same(const ngx_http_ai_judgement_t *a,
    const ngx_http_ai_judgement_t *b)
{
    ngx_http_ai_fuzz_check(a->verdict == b->verdict
                           && a->wait_ms == b->wait_ms
                           && a->no_same == b->no_same
                           && a->code_len == b->code_len
                           && a->message_len == b->message_len
                           && memcmp(a->code, b->code, a->code_len) == 0
                           && memcmp(a->message, b->message,
                                     a->message_len) == 0,
                           "two answers to one question");
}


static void
ngx_http_ai_fuzz_body(const ngx_http_ai_provider_t *provider,
    ngx_uint_t status, u_char *p, size_t n)
{
    u_char                   *lf;
    ngx_http_ai_answer_t      answer;
    ngx_http_ai_judgement_t   a, b;

    memset(&answer, 0, sizeof(answer));
    memset(&a, 0xa5, sizeof(a));
    memset(&b, 0x5a, sizeof(b));

    answer.status = status;

    /* a line before the body: all of the headers */

    lf = memchr(p, '\n', n);

    if (lf && lf != p && *p != '{') {
        answer.retry_after.data = p;
        answer.retry_after.len = lf - p;
        answer.retry_after_ms = answer.retry_after;
        answer.should_retry = answer.retry_after;
        answer.error_type = answer.retry_after;

        n -= lf + 1 - p;
        p = lf + 1;
    }

    answer.body.data = p;
    answer.body.len = n;

    ngx_http_ai_classify(provider, &answer, NOW, &a);
    ngx_http_ai_classify(provider, &answer, NOW, &b);

    ngx_http_ai_fuzz_judgement(&a);
    ngx_http_ai_fuzz_same(&a, &b);

    ngx_http_ai_fuzz_check(status / 100 == 2 || a.verdict != NGX_HTTP_AI_OK,
                           "an error that is ok");
}


static void
ngx_http_ai_fuzz_event(const ngx_http_ai_provider_t *provider,
    const ngx_http_ai_sse_event_t *ev)
{
    ngx_uint_t                kind, plain;
    ngx_http_ai_judgement_t   out;

    memset(&out, 0xa5, sizeof(out));

    kind = ngx_http_ai_classify_event(provider, ev, &out);
    plain = ngx_http_ai_classify_plain(ev);

    ngx_http_ai_fuzz_check(kind == ngx_http_ai_classify_event(provider, ev,
                                                              NULL),
                           "two kinds of one event");
    ngx_http_ai_fuzz_check(kind < 0x20, "not a kind");
    ngx_http_ai_fuzz_check(!(kind & NGX_HTTP_AI_EVENT_ERROR)
                           || kind == NGX_HTTP_AI_EVENT_ERROR,
                           "an error and more");

    if (kind == NGX_HTTP_AI_EVENT_ERROR) {
        ngx_http_ai_fuzz_judgement(&out);
        ngx_http_ai_fuzz_check(out.verdict != NGX_HTTP_AI_OK,
                               "an error that is ok");
    }

    /* an escaped name is seen by the parser only */

    if (plain && memchr(ev->data.data, '\\', ev->data.len) == NULL) {
        ngx_http_ai_fuzz_check((kind & ~NGX_HTTP_AI_EVENT_CONTENT) == 0,
                               "not that plain");
    }
}


static void
ngx_http_ai_fuzz_stream(const ngx_http_ai_provider_t *provider, size_t carry,
    u_char *p, size_t n)
{
    u_char                   *pos, *last, *buf;
    ngx_http_ai_sse_t         sse;
    ngx_http_ai_sse_event_t   ev;

    buf = malloc(carry);
    ngx_http_ai_sse_init(&sse, buf, carry);

    pos = p;
    last = p + n / 2;

    for ( ;; ) {
        if (ngx_http_ai_sse_next(&sse, &pos, last, &ev) == NGX_OK) {
            ngx_http_ai_fuzz_event(provider, &ev);
            continue;
        }

        if (last == p + n) {
            break;
        }

        last = p + n;
    }

    if (ngx_http_ai_sse_end(&sse, &ev) == NGX_OK) {
        ngx_http_ai_fuzz_event(provider, &ev);
    }

    free(buf);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                         n;
    int64_t                        wait;
    u_char                        *p;
    ngx_uint_t                     status;
    const char                    *name;
    const ngx_http_ai_provider_t  *provider;

    if (size < 4) {
        return 0;
    }

    name = ngx_http_ai_fuzz_providers[data[1] % 18];
    provider = ngx_http_ai_provider_find((const u_char *) name, strlen(name));
    status = ngx_http_ai_fuzz_statuses[data[2] % 22];

    n = size - 4;
    p = malloc(n ? n : 1);
    memcpy(p, data + 4, n);

    switch (data[0]) {

    case 'B':
        ngx_http_ai_fuzz_body(provider, status, p, n);
        break;

    case 'S':
        ngx_http_ai_fuzz_stream(provider, 64 + data[2] * 32, p, n);
        break;

    default:
        wait = ngx_http_ai_classify_wait(p, n, NOW);
        ngx_http_ai_fuzz_check(wait >= -1 && wait <= WAIT_MAX,
                               "a wait out of range");
    }

    free(p);

    return 0;
}
