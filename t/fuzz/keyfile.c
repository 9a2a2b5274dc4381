
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * libFuzzer entry: keys.json.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -DNGX_HTTP_AI_PURE=1 \
 *         -Isrc/pure -o keyfile t/fuzz/keyfile.c -lyajl \
 *         $(find src/pure -name "*.c")
 *
 * The input is read twice, as a whole and in pieces (of the size that its
 * first byte says): the same keys, the same message at the same line, which
 * is printable, names a line of the file, and has in it no text that stands
 * where a hash does.
 */


#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>

#include "ngx_http_ai_keyfile.h"


typedef struct {
    uint64_t     sum;
    ngx_uint_t   n;
    ngx_uint_t   line;
} ngx_http_ai_fuzz_keys_t;


static void
ngx_http_ai_fuzz_check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}


static void
ngx_http_ai_fuzz_sum(uint64_t *sum, const void *p, size_t n)
{
    size_t         i;
    const u_char  *c = p;

    for (i = 0; i < n; i++) {
        *sum = (*sum ^ c[i]) * 1099511628211ull;
    }
}


static void
ngx_http_ai_fuzz_text(uint64_t *sum, const ngx_str_t *s, size_t max)
{
    size_t  i;

    ngx_http_ai_fuzz_check(s->len <= max, "too long");

    for (i = 0; i < s->len; i++) {
        ngx_http_ai_fuzz_check(s->data[i] >= 0x20 && s->data[i] != 0x7f,
                               "a control");
    }

    ngx_http_ai_fuzz_sum(sum, &s->len, sizeof(s->len));
    ngx_http_ai_fuzz_sum(sum, s->data, s->len);
}


static ngx_int_t
ngx_http_ai_fuzz_key(void *data, ngx_http_ai_keyfile_t *kf,
    const ngx_http_ai_keyentry_t *e)
{
    ngx_http_ai_fuzz_keys_t *keys = data;

    ngx_uint_t  i;

    ngx_http_ai_fuzz_check(kf->line >= keys->line, "lines go back");
    ngx_http_ai_fuzz_check(e->id.len && e->hashed, "half a key");
    ngx_http_ai_fuzz_check(e->nclasses <= NGX_HTTP_AI_KEY_MAX_CLASSES
                           && e->nmodels <= NGX_HTTP_AI_KEY_MAX_MODELS
                           && e->nbudgets <= NGX_HTTP_AI_KEY_MAX_BUDGETS
                           && e->concurrent <= NGX_HTTP_AI_KEY_MAX_CONCURRENT
                           && e->requests.limit >= 0
                           && e->tokens.limit >= 0 && e->expires >= 0,
                           "absurd limits");

    keys->n++;
    keys->line = kf->line;

    ngx_http_ai_fuzz_text(&keys->sum, &e->id, NGX_HTTP_AI_KEY_MAX_NAME);
    ngx_http_ai_fuzz_text(&keys->sum, &e->app, NGX_HTTP_AI_KEY_MAX_NAME);
    ngx_http_ai_fuzz_text(&keys->sum, &e->team, NGX_HTTP_AI_KEY_MAX_NAME);
    ngx_http_ai_fuzz_text(&keys->sum, &e->env, NGX_HTTP_AI_KEY_MAX_NAME);
    ngx_http_ai_fuzz_text(&keys->sum, &e->default_class,
                          NGX_HTTP_AI_KEY_MAX_NAME);

    for (i = 0; i < e->nclasses; i++) {
        ngx_http_ai_fuzz_text(&keys->sum, &e->classes[i],
                              NGX_HTTP_AI_KEY_MAX_NAME);
    }

    for (i = 0; i < e->nmodels; i++) {
        ngx_http_ai_fuzz_text(&keys->sum, &e->models[i],
                              NGX_HTTP_AI_KEY_MAX_PATTERN);
    }

    for (i = 0; i < e->nbudgets; i++) {
        ngx_http_ai_fuzz_check(e->budgets[i].limit_nanousd > 0
                               && e->budgets[i].limit_nanousd
                                  <= NGX_HTTP_AI_BUDGET_MAX,
                               "an absurd budget");
        ngx_http_ai_fuzz_sum(&keys->sum, &e->budgets[i].limit_nanousd,
                             sizeof(int64_t));
    }

    ngx_http_ai_fuzz_sum(&keys->sum, e->hash, sizeof(e->hash));
    ngx_http_ai_fuzz_sum(&keys->sum, &e->requests.limit, sizeof(int64_t));
    ngx_http_ai_fuzz_sum(&keys->sum, &e->tokens.limit, sizeof(int64_t));
    ngx_http_ai_fuzz_sum(&keys->sum, &e->expires, sizeof(int64_t));

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_fuzz_parse(ngx_http_ai_keyfile_t *kf,
    ngx_http_ai_fuzz_keys_t *keys, const u_char *p, size_t n, size_t step)
{
    size_t     len;
    ngx_int_t  rc;

    memset(keys, 0, sizeof(ngx_http_ai_fuzz_keys_t));
    memset(kf, 0xa5, sizeof(ngx_http_ai_keyfile_t));

    ngx_http_ai_fuzz_check(ngx_http_ai_keyfile_init(kf, ngx_http_ai_fuzz_key,
                                                    keys)
                           == NGX_OK, "no memory");

    for (rc = NGX_OK; n && rc == NGX_OK; p += len, n -= len) {
        len = ngx_min(step, n);
        rc = ngx_http_ai_keyfile_feed(kf, p, len);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_ai_keyfile_end(kf);
    }

    ngx_http_ai_keyfile_free(kf);

    return rc;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                          i, lines, step;
    ngx_int_t                       rc;
    ngx_http_ai_fuzz_keys_t         a, b;

    static ngx_http_ai_keyfile_t    whole, pieces;

    if (size < 1 || size > 100000) {
        return 0;
    }

    step = data[0] ? data[0] : 1;
    data++;
    size--;

    rc = ngx_http_ai_fuzz_parse(&whole, &a, data, size, size);

    ngx_http_ai_fuzz_check(ngx_http_ai_fuzz_parse(&pieces, &b, data, size,
                                                  step)
                           == rc, "pieces have another result");
    ngx_http_ai_fuzz_check(a.n == b.n && a.sum == b.sum && a.line == b.line,
                           "pieces have other keys");

    if (rc == NGX_OK) {
        ngx_http_ai_fuzz_check(whole.wrong_len == 0, "wrong and right");
        return 0;
    }

    ngx_http_ai_fuzz_check(whole.wrong_len
                           && whole.wrong_len < sizeof(whole.wrong)
                           && whole.wrong_len == pieces.wrong_len
                           && memcmp(whole.wrong, pieces.wrong,
                                     whole.wrong_len)
                              == 0, "pieces have another message");

    for (i = 0; i < whole.wrong_len; i++) {
        ngx_http_ai_fuzz_check(whole.wrong[i] >= 0x20
                               && whole.wrong[i] != 0x7f, "a control");
    }

    ngx_http_ai_fuzz_check(memmem(whole.wrong, whole.wrong_len, "s3cr3t", 6)
                           == NULL || memmem(data, size, "\"id\"", 4),
                           "a secret is told");

    for (i = 0, lines = 1; i < size; i++) {
        lines += (data[i] == '\n');
    }

    ngx_http_ai_fuzz_check(whole.line >= 1 && whole.line <= lines
                           && whole.line == pieces.line, "no such line");

    return 0;
}
