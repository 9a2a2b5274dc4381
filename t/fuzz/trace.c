
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * libFuzzer entry: "traceparent" and "tracestate".
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -DNGX_HTTP_AI_PURE=1 \
 *         -Isrc/pure -o trace t/fuzz/trace.c src/pure/ngx_http_ai_trace.c
 *
 * The first line of the input is a traceparent, each of the others one header
 * more of tracestate.  What was parsed is hex digits, and is read again as it
 * was written; a state has no more bytes and members than it may, no control
 * and nothing empty, and is itself a state of as many members.
 */


#include <stdio.h>
#include <stdlib.h>

#include "ngx_http_ai_trace.h"


static void
ngx_http_ai_fuzz_check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}


static void
ngx_http_ai_fuzz_parent(const u_char *p, size_t len)
{
    size_t                i;
    u_char                line[NGX_HTTP_AI_TRACE_LEN];
    ngx_http_ai_trace_t   a, b;

    static const u_char  parent[] = "0123456789abcdef";

    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));

    if (ngx_http_ai_trace_parse(&a, p, len) != NGX_OK) {
        ngx_http_ai_fuzz_check(memcmp(&a, &b, sizeof(a)) == 0, "touched");
        return;
    }

    for (i = 0; i < NGX_HTTP_AI_TRACE_ID; i++) {
        ngx_http_ai_fuzz_check(memchr(parent, a.id[i], 16) != NULL,
                               "no hex digit");
    }

    ngx_http_ai_fuzz_check(!(a.flags & ~(NGX_HTTP_AI_TRACE_SAMPLED
                                         | NGX_HTTP_AI_TRACE_RANDOM)),
                           "nobody's flags");

    ngx_http_ai_fuzz_check(ngx_http_ai_trace_write(line, &a, parent)
                           == line + sizeof(line), "a length");
    ngx_http_ai_fuzz_check(ngx_http_ai_trace_parse(&b, line, sizeof(line))
                           == NGX_OK, "not read again");
    ngx_http_ai_fuzz_check(memcmp(a.id, b.id, sizeof(a.id)) == 0
                           && a.flags == b.flags, "read as another one");
}


static void
ngx_http_ai_fuzz_state(const ngx_http_ai_trace_state_t *state)
{
    size_t                      i;
    ngx_http_ai_trace_state_t   again;

    ngx_http_ai_fuzz_check(state->len <= NGX_HTTP_AI_TRACE_STATE
                           && state->members <= NGX_HTTP_AI_TRACE_MEMBERS
                           && !state->len == !state->members, "too much");

    for (i = 0; i < state->len; i++) {
        ngx_http_ai_fuzz_check(state->data[i] >= 0x20 && state->data[i] < 0x7f,
                               "a control");
        ngx_http_ai_fuzz_check(state->data[i] != ','
                               || (i && i + 1 < state->len
                                   && state->data[i - 1] != ','), "empty");
    }

    memset(&again, 0, sizeof(again));

    ngx_http_ai_fuzz_check(ngx_http_ai_trace_state_add(&again, state->data,
                                                       state->len)
                           == NGX_OK, "not a state");
    ngx_http_ai_fuzz_check(again.members == state->members
                           && again.len == state->len
                           && memcmp(again.data, state->data, state->len) == 0,
                           "another state");
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char                     *line;
    size_t                      n;
    ngx_uint_t                  first;
    const uint8_t              *lf, *last;
    ngx_http_ai_trace_state_t   state;

    memset(&state, 0, sizeof(state));

    last = data + size;

    for (first = 1; data < last; first = 0) {
        lf = memchr(data, '\n', last - data);
        n = (lf ? lf : last) - data;

        line = malloc(n + 1);
        memcpy(line, data, n);

        if (first) {
            ngx_http_ai_fuzz_parent(line, n);

        } else if (ngx_http_ai_trace_state_add(&state, line, n) == NGX_OK) {
            ngx_http_ai_fuzz_state(&state);

        } else {
            free(line);
            return 0;
        }

        free(line);
        data += n + 1;
    }

    return 0;
}
