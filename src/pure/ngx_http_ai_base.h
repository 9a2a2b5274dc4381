
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The few nginx types that the pure units use, or their plain C stand-ins.
 *
 * A pure unit takes bytes, numbers and "now" and returns a value: no pool,
 * log, clock, lock or global.  With NGX_HTTP_AI_PURE defined it needs only a
 * C compiler, which is how the unit tests and fuzzers build it, and how CI
 * proves that no nginx header is needed.
 */


#ifndef _NGX_HTTP_AI_BASE_H_INCLUDED_
#define _NGX_HTTP_AI_BASE_H_INCLUDED_


/* of a function that is called when something is wrong, or at a start */

#if (defined __GNUC__)
#define ngx_http_ai_cold  __attribute__ ((cold))
#else
#define ngx_http_ai_cold
#endif


#if (NGX_HTTP_AI_PURE)

#include <sys/types.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

typedef unsigned char  u_char;
typedef intptr_t       ngx_int_t;
typedef uintptr_t      ngx_uint_t;
typedef uintptr_t      ngx_msec_t;
typedef intptr_t       ngx_msec_int_t;

typedef struct {
    size_t     len;
    u_char    *data;
} ngx_str_t;

#define NGX_OK        0
#define NGX_ERROR    -1
#define NGX_AGAIN    -2
#define NGX_BUSY     -3
#define NGX_DONE     -4
#define NGX_DECLINED -5

#define ngx_inline               inline
#define ngx_string(str)          { sizeof(str) - 1, (u_char *) str }
#define ngx_null_string          { 0, NULL }
#define ngx_str_null(str)        (str)->len = 0; (str)->data = NULL

#define ngx_memzero(buf, n)      (void) memset(buf, 0, n)
#define ngx_memcpy(dst, src, n)  (void) memcpy(dst, src, n)
#define ngx_memmove(dst, src, n) (void) memmove(dst, src, n)
#define ngx_memcmp(s1, s2, n)    memcmp((const char *) s1, (const char *) s2, n)
#define ngx_cpymem(dst, src, n)  (((u_char *) memcpy(dst, src, n)) + (n))

/* as nginx has them, for better or worse: an argument may need parentheses */

#define ngx_min(a, b)            ((a > b) ? (b) : (a))
#define ngx_max(a, b)            ((a < b) ? (b) : (a))

#else

#include <ngx_config.h>
#include <ngx_core.h>

/*
 * Few requests log anything: what prepares a line need not stand among the
 * code that all of them run through.
 */

#if (NGX_HAVE_VARIADIC_MACROS)
ngx_http_ai_cold void ngx_cdecl ngx_log_error_core(ngx_uint_t level,
    ngx_log_t *log, ngx_err_t err, const char *fmt, ...);
#endif

#endif


#endif /* _NGX_HTTP_AI_BASE_H_INCLUDED_ */
