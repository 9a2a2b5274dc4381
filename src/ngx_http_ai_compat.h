
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Differences between the supported versions of nginx and of hiredis, here and
 * nowhere else.  Those of hiredis are for files that have included it before.
 */


#ifndef _NGX_HTTP_AI_COMPAT_H_INCLUDED_
#define _NGX_HTTP_AI_COMPAT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* 1.27.2: a fourth argument says whether trailers are kept */

#if (nginx_version >= 1027002)
#define ngx_http_ai_parse_chunked(r, b, ctx)                                  \
    ngx_http_parse_chunked(r, b, ctx, 0)
#else
#define ngx_http_ai_parse_chunked(r, b, ctx)                                  \
    ngx_http_parse_chunked(r, b, ctx)
#endif


/* 1.23.0: headers of one name are linked */

#if (nginx_version >= 1023000)
#define ngx_http_ai_header_init(h)  (h)->next = NULL
#else
#define ngx_http_ai_header_init(h)
#endif


/* fields of ngx_http_upstream_t that the core's own reinit would reset */

#if (nginx_version >= 1029005)
#define ngx_http_ai_upstream_reset(u)                                         \
    (u)->response_received = 0;                                               \
    (u)->early_hints_length = 0

#elif (nginx_version >= 1029000)
#define ngx_http_ai_upstream_reset(u)  (u)->early_hints_length = 0

#else
#define ngx_http_ai_upstream_reset(u)
#endif


/* 1.27.3: an upstream block may have a resolver of its own */

#if (nginx_version >= 1027003 && NGX_HTTP_UPSTREAM_ZONE)
#define ngx_http_ai_upstream_resolver(uscf, r, t)                             \
    if ((uscf)->resolver) {                                                   \
        *(r) = (uscf)->resolver;                                              \
    }                                                                         \
    if ((uscf)->resolver_timeout != NGX_CONF_UNSET_MSEC) {                    \
        *(t) = (uscf)->resolver_timeout;                                      \
    }
#else
#define ngx_http_ai_upstream_resolver(uscf, r, t)
#endif


/* words of the configuration of "random"; 1.27.3 has added one */

#if (nginx_version >= 1027003 && NGX_HTTP_UPSTREAM_ZONE)
#define NGX_HTTP_AI_RANDOM_WORDS  3
#else
#define NGX_HTTP_AI_RANDOM_WORDS  2
#endif


/* hiredis 1.0 counts an array's elements in size_t, and parses RESP3 */

#ifdef HIREDIS_MAJOR

#if (HIREDIS_MAJOR >= 1)

typedef size_t  ngx_http_ai_hiredis_count_t;

#define ngx_http_ai_hiredis_resp3(fn, parse_double, parse_bool)               \
    (fn)->createDouble = parse_double;                                        \
    (fn)->createBool = parse_bool

#else

typedef int  ngx_http_ai_hiredis_count_t;

#define ngx_http_ai_hiredis_resp3(fn, parse_double, parse_bool)               \
    (void) parse_double;                                                      \
    (void) parse_bool

#endif

#endif


#endif /* _NGX_HTTP_AI_COMPAT_H_INCLUDED_ */
