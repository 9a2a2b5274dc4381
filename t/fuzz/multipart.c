
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * libFuzzer entry: a form, read whole and in pieces.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -DNGX_HTTP_AI_PURE=1 \
 *         -Isrc/pure -o multipart t/fuzz/multipart.c \
 *         src/pure/ngx_http_ai_multipart.c
 *
 * The first byte of the input is the size of the pieces; up to the first LF
 * there is a Content-Type, whose boundary is used if it has one; the rest is
 * the body.  Pieces make no difference; a value lies within the body, what was
 * kept is its beginning, no delimiter is in it, and one stands behind it.
 */


#define _GNU_SOURCE               /* memmem() */

#include <stdio.h>
#include <stdlib.h>

#include "ngx_http_ai_multipart.h"


#define FIELDS  2
#define ROOM    16


typedef struct {
    ngx_http_ai_multipart_t         mp;
    ngx_http_ai_multipart_field_t   fields[FIELDS];
    u_char                          room[FIELDS][ROOM];
    ngx_int_t                       rc;
} ngx_http_ai_fuzz_form_t;


static void
ngx_http_ai_fuzz_check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}


/* each piece in memory of its own, so that one byte too many is found */

static void
ngx_http_ai_fuzz_read(ngx_http_ai_fuzz_form_t *form, const ngx_str_t *boundary,
    const uint8_t *p, size_t n, size_t step)
{
    size_t   i, k;
    u_char  *piece;

    memset(form, 0, sizeof(ngx_http_ai_fuzz_form_t));

    form->fields[0].name = (ngx_str_t) ngx_string("model");
    form->fields[1].name = (ngx_str_t) ngx_string("stream");

    for (i = 0; i < FIELDS; i++) {
        form->fields[i].buf = form->room[i];
        form->fields[i].size = ROOM;
    }

    ngx_http_ai_multipart_init(&form->mp, boundary, form->fields, FIELDS);

    for (i = 0; i < n; i += k) {
        k = ngx_min(step, n - i);

        piece = malloc(k);
        memcpy(piece, p + i, k);
        form->rc = ngx_http_ai_multipart_feed(&form->mp, piece, k);
        free(piece);

        if (form->rc != NGX_OK) {
            return;
        }
    }

    form->rc = ngx_http_ai_multipart_end(&form->mp);
}


static void
ngx_http_ai_fuzz_field(const ngx_http_ai_fuzz_form_t *form,
    const ngx_http_ai_multipart_field_t *field, const uint8_t *p, size_t n)
{
    size_t         len, delim;
    const u_char  *value;

    ngx_http_ai_fuzz_check(field->start >= 0 && field->start <= field->end
                           && field->end <= (off_t) n, "a value outside");

    len = field->end - field->start;
    delim = form->mp.delim_len;
    value = p + field->start;

    ngx_http_ai_fuzz_check(field->len == ngx_min(len, ROOM), "a length");
    ngx_http_ai_fuzz_check(memcmp(field->buf, value, field->len) == 0,
                           "not its beginning");
    ngx_http_ai_fuzz_check(memmem(value, len, form->mp.delim, delim) == NULL,
                           "a delimiter in a value");
    ngx_http_ai_fuzz_check(n - field->end >= delim
                           && memcmp(value + len, form->mp.delim, delim) == 0,
                           "no delimiter behind it");
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                           step;
    ngx_str_t                        type, boundary;
    ngx_uint_t                       i;
    const uint8_t                   *lf;
    ngx_http_ai_fuzz_form_t          whole, pieces;
    ngx_http_ai_multipart_field_t   *a, *b;

    if (size < 2) {
        return 0;
    }

    step = 1 + *data++;
    size--;

    type.len = 0;
    lf = memchr(data, '\n', size);

    if (lf) {
        type.len = lf - data;
        size -= type.len + 1;
    }

    type.data = malloc(type.len + 1);
    memcpy(type.data, data, type.len);
    data += lf ? type.len + 1 : 0;

    if (ngx_http_ai_multipart_boundary(&type, &boundary) == NGX_OK) {
        ngx_http_ai_fuzz_check(boundary.len
                               && boundary.len
                                  <= NGX_HTTP_AI_MULTIPART_BOUNDARY
                               && boundary.data >= type.data
                               && boundary.data + boundary.len
                                  <= type.data + type.len, "a boundary");

    } else {
        boundary = (ngx_str_t) ngx_string("XX");
    }

    ngx_http_ai_fuzz_read(&whole, &boundary, data, size, size + 1);
    ngx_http_ai_fuzz_read(&pieces, &boundary, data, size, step);

    ngx_http_ai_fuzz_check(whole.rc == pieces.rc
                           && whole.mp.error == pieces.mp.error
                           && whole.mp.offset == pieces.mp.offset, "pieces");
    ngx_http_ai_fuzz_check((whole.rc == NGX_OK)
                           == (whole.mp.error == NGX_HTTP_AI_MULTIPART_EOK),
                           "an error without its name");
    ngx_http_ai_fuzz_check(ngx_http_ai_multipart_strerror(whole.mp.error)
                           != NULL, "an error without words");

    for (i = 0; i < FIELDS && whole.rc == NGX_OK; i++) {
        a = &whole.fields[i];
        b = &pieces.fields[i];

        ngx_http_ai_fuzz_check(a->found == b->found && a->start == b->start
                               && a->end == b->end && a->len == b->len
                               && memcmp(a->buf, b->buf, a->len) == 0,
                               "pieces of a field");

        if (a->found) {
            ngx_http_ai_fuzz_field(&whole, a, data, size);
        }
    }

    free(type.data);

    return 0;
}
