
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * libFuzzer entry: what a Redis may answer to XREAD.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -DNGX_HTTP_AI_PURE=1 \
 *         -Isrc/pure -o xread t/fuzz/xread.c -lyajl \
 *         $(find src/pure -name "*.c")
 *
 * The input is strings of the reply: a digit, the depth; so many digits, the
 * place in each array; and the text up to a "|".  "e" and "s" in the place of
 * the depth are the reply's end, and an entry that is passed over.
 *
 * Entries only go forward, and what is handed over is within its bounds.
 */


#include <stdio.h>
#include <stdlib.h>

#include "ngx_http_ai_xread.h"


static ngx_uint_t  ngx_http_ai_fuzz_entries;


static void
ngx_http_ai_fuzz_check(ngx_uint_t ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}


static void
ngx_http_ai_fuzz_entry(void *data, const ngx_str_t *values)
{
    ngx_uint_t            i;
    ngx_http_ai_xread_t  *x = data;

    ngx_http_ai_fuzz_entries++;

    for (i = 0; i < x->n; i++) {
        ngx_http_ai_fuzz_check(values[i].len <= NGX_HTTP_AI_XREAD_VALUE,
                               "too long");
        ngx_http_ai_fuzz_check(values[i].len == 0
                               || values[i].data == x->room[i],
                               "elsewhere");
    }
}


/* behind the string, which is copied: that of a parser is gone afterwards */

static const uint8_t *
ngx_http_ai_fuzz_text(ngx_http_ai_xread_t *x, const uint8_t *p,
    const uint8_t *last)
{
    ngx_str_t       text;
    ngx_uint_t      i, depth, at[8];
    const uint8_t  *end;

    depth = *p++ & 7;

    for (i = 0; i < depth; i++) {
        at[i] = p < last ? *p++ & 15 : 0;
    }

    for (end = p; end < last && *end != '|'; end++) { /* void */ }

    text.len = end - p;
    text.data = malloc(text.len ? text.len : 1);

    if (text.len) {
        memcpy(text.data, p, text.len);
    }

    ngx_http_ai_xread_text(x, at, depth, &text);

    free(text.data);

    return end < last ? end + 1 : last;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t           *p, *last;
    ngx_http_ai_xread_t      x;
    ngx_http_ai_xread_id_t   before;

    static const ngx_str_t  names[] = {
        ngx_string("id"),
        ngx_string("account")
    };

    ngx_http_ai_fuzz_entries = 0;

    ngx_http_ai_xread_init(&x, names, 2, ngx_http_ai_fuzz_entry, &x);

    last = data + size;

    for (p = data; p < last; ) {

        before = x.last;

        if (*p == 'e') {
            (void) ngx_http_ai_xread_end(&x);
            p++;

        } else if (*p == 's') {
            ngx_http_ai_xread_skip(&x);
            p++;

        } else {
            p = ngx_http_ai_fuzz_text(&x, p, last);
        }

        ngx_http_ai_fuzz_check(x.last.ms > before.ms
                               || (x.last.ms == before.ms
                                   && x.last.seq >= before.seq),
                               "backwards");
    }

    ngx_http_ai_fuzz_check(ngx_http_ai_fuzz_entries <= x.entries
                           && x.malformed >= x.entries
                                             - ngx_http_ai_fuzz_entries,
                           "entries do not add up");

    return 0;
}
