
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * A test harness in one header.  A test program is a table of functions; each
 * is one line of TAP output, so that prove(1) runs the binaries:
 *
 *     static void
 *     ngx_http_ai_test_empty(void)
 *     {
 *         t_ok(ngx_http_ai_json_end(&js) == NGX_ERROR);
 *         t_eq(js.error, NGX_HTTP_AI_JSON_EEMPTY);
 *     }
 *
 *     static const ngx_http_ai_test_t  tests[] = {
 *         { "empty document", ngx_http_ai_test_empty },
 *         { NULL, NULL }
 *     };
 *
 *     int
 *     main(void)
 *     {
 *         return ngx_http_ai_test_run(tests);
 *     }
 *
 * A failed check says where it stands and what it saw; the first 5 of a test
 * are printed, the rest are counted.  A test without any check fails.
 */


#ifndef _NGX_HTTP_AI_TEST_H_INCLUDED_
#define _NGX_HTTP_AI_TEST_H_INCLUDED_


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ngx_http_ai_base.h"


#define NGX_HTTP_AI_TEST_MAX_REPORTS  5


typedef struct {
    const char  *name;
    void       (*run)(void);
} ngx_http_ai_test_t;


static ngx_uint_t   ngx_http_ai_test_checks;
static ngx_uint_t   ngx_http_ai_test_failed;

/* what the test is about just now, for loops over inputs; NULL if nothing */
static const char  *ngx_http_ai_test_note;


static inline ngx_uint_t
ngx_http_ai_test_check(ngx_uint_t ok)
{
    ngx_http_ai_test_checks++;

    if (ok) {
        return 0;
    }

    return ngx_http_ai_test_failed++ < NGX_HTTP_AI_TEST_MAX_REPORTS;
}


static inline void
ngx_http_ai_test_where(const char *file, int line)
{
    printf("# %s:%d", file, line);

    if (ngx_http_ai_test_note) {
        printf(" [%.200s]", ngx_http_ai_test_note);
    }
}


static inline void
ngx_http_ai_test_bytes(const void *data, size_t n)
{
    size_t         i;
    const u_char  *p;

    p = data;

    printf("%zu \"", n);

    for (i = 0; i < n && i < 100; i++) {
        if (p[i] < 0x20 || p[i] > 0x7e || p[i] == '\\') {
            printf("\\x%02x", p[i]);
        } else {
            putchar(p[i]);
        }
    }

    printf(i < n ? "\"..." : "\"");
}


static inline void
ngx_http_ai_test_ok(ngx_uint_t ok, const char *text, const char *file,
    int line)
{
    if (ngx_http_ai_test_check(ok)) {
        ngx_http_ai_test_where(file, line);
        printf(": %s\n", text);
    }
}


static inline void
ngx_http_ai_test_eq(long long got, long long want, const char *text,
    const char *file, int line)
{
    if (ngx_http_ai_test_check(got == want)) {
        ngx_http_ai_test_where(file, line);
        printf(": %s is %lld, not %lld\n", text, got, want);
    }
}


static inline void
ngx_http_ai_test_mem(const void *got, size_t ngot, const void *want,
    size_t nwant, const char *text, const char *file, int line)
{
    ngx_uint_t  ok;

    ok = (ngot == nwant && (ngot == 0 || memcmp(got, want, ngot) == 0));

    if (ngx_http_ai_test_check(ok)) {
        ngx_http_ai_test_where(file, line);
        printf(": %s is ", text);
        ngx_http_ai_test_bytes(got, ngot);
        printf(", not ");
        ngx_http_ai_test_bytes(want, nwant);
        printf("\n");
    }
}


/* integers first got, then wanted; t_str wants an ngx_str_t and a literal */

#define t_ok(expr)                                                            \
    ngx_http_ai_test_ok((expr) ? 1 : 0, #expr, __FILE__, __LINE__)

#define t_eq(got, want)                                                       \
    ngx_http_ai_test_eq((long long) (got), (long long) (want), #got,          \
                        __FILE__, __LINE__)

#define t_mem(got, ngot, want, nwant)                                         \
    ngx_http_ai_test_mem(got, ngot, want, nwant, #got, __FILE__, __LINE__)

#define t_str(got, want)                                                      \
    ngx_http_ai_test_mem((got).data, (got).len, want, strlen(want), #got,     \
                         __FILE__, __LINE__)


/*
 * Memory of exactly n bytes, so that a sanitizer sees a read past the end:
 * string literals have a zero there.
 */

static inline u_char *
ngx_http_ai_test_dup(const void *p, size_t n)
{
    u_char  *d;

    d = malloc(n ? n : 1);

    if (d == NULL) {
        printf("Bail out! no memory\n");
        exit(2);
    }

    if (n) {
        memcpy(d, p, n);
    }

    return d;
}


/* a repeatable random number: tests give the same result everywhere */

static inline uint32_t
ngx_http_ai_test_random(void)
{
    static uint64_t  x = 88172645463325252ull;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;

    return (uint32_t) (x >> 16);
}


static inline int
ngx_http_ai_test_run(const ngx_http_ai_test_t *tests)
{
    ngx_uint_t  i, n, bad;

    bad = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);

    for (n = 0; tests[n].name; n++) { /* void */ }

    printf("1..%lu\n", (unsigned long) n);

    for (i = 0; i < n; i++) {
        ngx_http_ai_test_checks = 0;
        ngx_http_ai_test_failed = 0;
        ngx_http_ai_test_note = NULL;

        tests[i].run();

        if (ngx_http_ai_test_failed || ngx_http_ai_test_checks == 0) {
            bad++;
            printf("not ok %lu - %s\n# %lu of %lu checks failed\n",
                   (unsigned long) (i + 1), tests[i].name,
                   (unsigned long) ngx_http_ai_test_failed,
                   (unsigned long) ngx_http_ai_test_checks);
            continue;
        }

        printf("ok %lu - %s\n", (unsigned long) (i + 1), tests[i].name);
    }

    return bad ? 1 : 0;
}


#endif /* _NGX_HTTP_AI_TEST_H_INCLUDED_ */
