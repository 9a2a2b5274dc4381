
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * libFuzzer entry: a member's value as the knobs read it.  The first byte of
 * the input chooses the member, the rest is its value.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -DNGX_HTTP_AI_PURE=1 \
 *         -Isrc/pure -o knobs t/fuzz/knobs.c src/pure/ngx_http_ai_knobs.c \
 *         src/pure/ngx_http_ai_walk.c src/pure/ngx_http_ai_decimal.c \
 *         src/pure/ngx_http_ai_json.c
 *
 * Whatever the bytes are, spans lie within them.  Where they are valid JSON,
 * they still are when what is the gateway's own was cut out, and nothing of
 * the gateway's is left.
 */


#include <stdio.h>
#include <stdlib.h>

#include "ngx_http_ai_json.h"
#include "ngx_http_ai_knobs.h"


static void
ngx_http_ai_fuzz_check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}


static void
ngx_http_ai_fuzz_span(const ngx_str_t *s, const u_char *p, size_t n)
{
    ngx_http_ai_fuzz_check(s->data >= p && s->data + s->len <= p + n, "span");
}


static void
ngx_http_ai_fuzz_list(const ngx_http_ai_knobs_list_t *list, const u_char *p,
    size_t n)
{
    ngx_uint_t  i;

    ngx_http_ai_fuzz_check(list->n <= NGX_HTTP_AI_KNOBS_NAMES, "list");

    for (i = 0; i < list->n; i++) {
        ngx_http_ai_fuzz_span(&list->names[i], p, n);
        ngx_http_ai_fuzz_check(list->names[i].len, "empty name");
    }
}


/* 1: an object; *gateway tells whether it has such a member */

static int
ngx_http_ai_fuzz_object(const u_char *p, size_t n, int *gateway)
{
    ngx_http_ai_json_t         js;
    ngx_http_ai_json_member_t  m;

    memset(&m, 0, sizeof(m));
    m.name.data = (u_char *) "gateway";
    m.name.len = 7;

    ngx_http_ai_json_init(&js, &m, 1, 0);

    if (ngx_http_ai_json_feed(&js, p, n) != NGX_OK
        || ngx_http_ai_json_end(&js) != NGX_OK)
    {
        return 0;
    }

    *gateway = (m.type != NGX_HTTP_AI_JSON_NONE);

    return 1;
}


static void
ngx_http_ai_fuzz_cut(const ngx_http_ai_knobs_t *k, const uint8_t *p,
    size_t n)
{
    int      gateway;
    u_char  *left;

    if (!ngx_http_ai_fuzz_object(p, n, &gateway)) {
        return;
    }

    ngx_http_ai_fuzz_check(gateway == (k->cut_end != 0), "cut or not");

    if (!gateway || k->cut_whole) {
        return;
    }

    left = malloc(n);
    memcpy(left, p, k->cut_start);
    memcpy(left + k->cut_start, p + k->cut_end, n - k->cut_end);

    ngx_http_ai_fuzz_check(
        ngx_http_ai_fuzz_object(left, n - (k->cut_end - k->cut_start),
                                &gateway)
        && !gateway, "what is left");

    free(left);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char                     *p;
    ngx_int_t                   rc;
    ngx_uint_t                  i, member;
    ngx_http_ai_knobs_t         k;
    ngx_http_ai_knobs_error_t   e;

    if (size == 0) {
        return 0;
    }

    member = *data++ % NGX_HTTP_AI_KNOBS_MEMBERS;
    size--;

    p = malloc(size ? size : 1);
    memcpy(p, data, size);

    memset(&e, 0, sizeof(e));
    ngx_http_ai_knobs_init(&k);

    rc = ngx_http_ai_knobs_parse(&k, (ngx_http_ai_knobs_member_e) member, p,
                                 size, &e);

    if (rc != NGX_OK) {
        ngx_http_ai_fuzz_check(e.text != NULL && e.len != 0
                               && e.len <= sizeof(e.field), "error");
        free(p);
        return 0;
    }

    ngx_http_ai_fuzz_list(&k.order, p, size);
    ngx_http_ai_fuzz_list(&k.only, p, size);
    ngx_http_ai_fuzz_list(&k.ignore, p, size);
    ngx_http_ai_fuzz_list(&k.models, p, size);

    for (i = 0; i < k.ntimeouts; i++) {
        ngx_http_ai_fuzz_span(&k.timeouts[i].name, p, size);
        ngx_http_ai_fuzz_check(k.timeouts[i].ms > 0, "timeout");
    }

    if (k.session.len) {
        ngx_http_ai_fuzz_span(&k.session, p, size);
    }

    ngx_http_ai_fuzz_check(k.max_prompt >= -1 && k.max_completion >= -1,
                           "price");
    ngx_http_ai_fuzz_check(k.cut_start <= k.cut_end && k.cut_end <= size,
                           "cut");

    if (member == NGX_HTTP_AI_KNOBS_OPTIONS) {
        ngx_http_ai_fuzz_cut(&k, data, size);
    }

    free(p);

    return 0;
}
