
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * libFuzzer entry: the JSON scanner against yajl, and against itself fed in
 * pieces.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -DNGX_HTTP_AI_PURE=1 \
 *         -Isrc/pure -o json t/fuzz/json.c src/pure/ngx_http_ai_json.c -lyajl
 *
 * The first byte of the input chooses how the document is cut; the rest is
 * the document.  Where the two may differ: the top-level value must be an
 * object, depth is bounded, yajl takes \v and \f as white space and does not
 * notice an unfinished token after the document; in strict mode escaped and
 * duplicate names are refused.  yajl is told not to check UTF-8, as the
 * scanner does not.
 */


#include <stdio.h>
#include <stdlib.h>
#include <yajl/yajl_parse.h>

#include "ngx_http_ai_json.h"


#define NMEMBERS  3
#define BUFSIZE   16


typedef struct {
    ngx_int_t                  rc;
    ngx_http_ai_json_error_e   error;
    off_t                      offset;
    off_t                      object;
    ngx_uint_t                 empty;
    off_t                      start[NMEMBERS];
    off_t                      end[NMEMBERS];
    off_t                      quote[NMEMBERS];
    off_t                      comma[NMEMBERS];
    off_t                      next[NMEMBERS];
    size_t                     len[NMEMBERS];
    ngx_http_ai_json_type_e    type[NMEMBERS];
    u_char                     buf[NMEMBERS][BUFSIZE];
} ngx_http_ai_fuzz_scan_t;


static const char  *ngx_http_ai_fuzz_names[NMEMBERS] = { "a", "model", "" };


static void
ngx_http_ai_fuzz_check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}


/* feeds pieces of at most "piece" bytes, each of them memory of its own */

static void
ngx_http_ai_fuzz_scan(ngx_http_ai_fuzz_scan_t *scan, const uint8_t *p,
    size_t n, size_t piece, ngx_uint_t strict)
{
    size_t                     i, len;
    u_char                    *copy;
    ngx_uint_t                 k;
    ngx_http_ai_json_t         js;
    ngx_http_ai_json_member_t  m[NMEMBERS];

    memset(scan, 0, sizeof(ngx_http_ai_fuzz_scan_t));
    memset(m, 0, sizeof(m));

    for (k = 0; k < NMEMBERS; k++) {
        m[k].name.data = (u_char *) ngx_http_ai_fuzz_names[k];
        m[k].name.len = strlen(ngx_http_ai_fuzz_names[k]);
        m[k].buf = scan->buf[k];
        m[k].size = BUFSIZE;
    }

    ngx_http_ai_json_init(&js, m, NMEMBERS, strict);
    scan->rc = NGX_OK;

    for (i = 0; i < n && scan->rc == NGX_OK; i += len) {
        len = ngx_min(piece, n - i);

        copy = malloc(len);
        memcpy(copy, p + i, len);
        scan->rc = ngx_http_ai_json_feed(&js, copy, len);
        free(copy);
    }

    if (scan->rc == NGX_OK) {
        scan->rc = ngx_http_ai_json_end(&js);
    }

    scan->error = js.error;
    scan->offset = js.offset;
    scan->object = js.object;
    scan->empty = js.empty;

    for (k = 0; k < NMEMBERS; k++) {
        scan->start[k] = m[k].start;
        scan->end[k] = m[k].end;
        scan->quote[k] = m[k].quote;
        scan->comma[k] = m[k].comma;
        scan->next[k] = m[k].next;
        scan->len[k] = m[k].len;
        scan->type[k] = m[k].type;
    }
}


static int
ngx_http_ai_fuzz_yajl(const uint8_t *p, size_t n)
{
    yajl_handle  h;
    yajl_status  status;

    static const yajl_callbacks  none = {
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    };

    h = yajl_alloc(&none, NULL, NULL);
    yajl_config(h, yajl_dont_validate_strings, 1);

    status = yajl_parse(h, p, n);

    if (status == yajl_status_ok) {
        status = yajl_complete_parse(h);
    }

    yajl_free(h);

    return status == yajl_status_ok;
}


/* a wanted value must be one valid JSON value of the type told */

static void
ngx_http_ai_fuzz_values(const ngx_http_ai_fuzz_scan_t *scan, const uint8_t *p,
    size_t n)
{
    size_t       len;
    u_char      *dst;
    ngx_int_t    rc;
    ngx_uint_t   k;

    static const char  first[] = "?ntf0\"{[";

    for (k = 0; k < NMEMBERS; k++) {

        if (scan->type[k] == NGX_HTTP_AI_JSON_NONE) {
            continue;
        }

        len = scan->end[k] - scan->start[k];

        ngx_http_ai_fuzz_check(scan->start[k] >= scan->object
                               && scan->end[k] > scan->start[k]
                               && (size_t) scan->end[k] < n, "offsets");
        ngx_http_ai_fuzz_check(scan->len[k] == ngx_min(len, BUFSIZE)
                               && memcmp(scan->buf[k], p + scan->start[k],
                                         scan->len[k]) == 0, "kept bytes");
        ngx_http_ai_fuzz_check(ngx_http_ai_fuzz_yajl(p + scan->start[k], len),
                               "value");

        ngx_http_ai_fuzz_check(p[scan->quote[k]] == '"'
                               && scan->quote[k] >= scan->object
                               && scan->quote[k] < scan->start[k], "quote");
        ngx_http_ai_fuzz_check((scan->comma[k] == 0
                                || p[scan->comma[k]] == ',')
                               && (scan->next[k] == 0
                                   || p[scan->next[k] - 1] == ','), "comma");

        if (scan->type[k] != NGX_HTTP_AI_JSON_NUMBER) {
            ngx_http_ai_fuzz_check(p[scan->start[k]] == first[scan->type[k]],
                                   "type");
        }

        if (scan->type[k] == NGX_HTTP_AI_JSON_STRING) {
            dst = malloc(len);
            rc = ngx_http_ai_json_unquote(dst, len, p + scan->start[k], len);
            ngx_http_ai_fuzz_check(rc == NGX_ERROR || rc <= (ngx_int_t) len,
                                   "unquote");
            free(dst);
        }
    }
}


/* any bytes, escaped, are the inside of a valid JSON string */

static void
ngx_http_ai_fuzz_escape(const uint8_t *p, size_t n)
{
    size_t                   len;
    u_char                  *s, *end;
    ngx_http_ai_fuzz_scan_t  scan;

    len = ngx_http_ai_json_escape_len(p, n);
    s = malloc(len + 8);
    memcpy(s, "{\"\":\"", 5);
    end = ngx_http_ai_json_escape(s + 5, p, n);

    ngx_http_ai_fuzz_check(end == s + 5 + len, "escape length");

    *end++ = '"';
    *end++ = '}';

    ngx_http_ai_fuzz_scan(&scan, s, end - s, end - s, 1);
    ngx_http_ai_fuzz_check(scan.rc == NGX_OK, "escape");

    free(s);
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                   n, piece;
    const uint8_t           *p;
    ngx_http_ai_fuzz_scan_t  strict, loose, split;

    if (size == 0) {
        return 0;
    }

    p = data + 1;
    n = size - 1;
    piece = 1 + data[0] % 32;

    ngx_http_ai_fuzz_scan(&strict, p, n, n, 1);
    ngx_http_ai_fuzz_scan(&split, p, n, piece, 1);
    ngx_http_ai_fuzz_check(memcmp(&strict, &split, sizeof(split)) == 0,
                           "strict: whole and split differ");

    ngx_http_ai_fuzz_scan(&loose, p, n, n, 0);
    ngx_http_ai_fuzz_scan(&split, p, n, 1, 0);
    ngx_http_ai_fuzz_check(memcmp(&loose, &split, sizeof(split)) == 0,
                           "whole and split differ");

    switch (loose.error) {

    case NGX_HTTP_AI_JSON_EOK:
        ngx_http_ai_fuzz_check(ngx_http_ai_fuzz_yajl(p, n), "yajl refuses");
        ngx_http_ai_fuzz_values(&loose, p, n);

        ngx_http_ai_fuzz_check(strict.error == NGX_HTTP_AI_JSON_EOK
                               || strict.error == NGX_HTTP_AI_JSON_EDUPLICATE
                               || strict.error == NGX_HTTP_AI_JSON_EESCAPED
                               || strict.error == NGX_HTTP_AI_JSON_ECASE,
                               "strict refuses more");
        break;

    case NGX_HTTP_AI_JSON_ENOTOBJECT:
    case NGX_HTTP_AI_JSON_EDEPTH:
        break;

    case NGX_HTTP_AI_JSON_ETRAILING:
        ngx_http_ai_fuzz_check(ngx_http_ai_fuzz_yajl(p, loose.offset),
                               "yajl refuses what stands before the rest");
        ngx_http_ai_fuzz_check(strchr(" \t\r\n", p[loose.offset]) == NULL
                               || p[loose.offset] == 0, "trailing space");
        break;

    case NGX_HTTP_AI_JSON_EDUPLICATE:
    case NGX_HTTP_AI_JSON_EESCAPED:
        ngx_http_ai_fuzz_check(0, "a strict error in loose mode");
        break;

    default:
        if (memchr(p, '\v', n) == NULL && memchr(p, '\f', n) == NULL) {
            ngx_http_ai_fuzz_check(!ngx_http_ai_fuzz_yajl(p, n), "yajl takes");
        }
    }

    ngx_http_ai_fuzz_escape(p, n);

    return 0;
}
