
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Plucks named scalars out of one small JSON value (a usage object, an error
 * body, a chunk of a stream) by a table of paths; the parser is yajl's.
 *
 * Not for request bodies or large answers: see ngx_http_ai_json.h.
 */


#ifndef _NGX_HTTP_AI_PLUCK_H_INCLUDED_
#define _NGX_HTTP_AI_PLUCK_H_INCLUDED_


#include "ngx_http_ai_base.h"


#define NGX_HTTP_AI_PLUCK_MAX_ITEMS  64
#define NGX_HTTP_AI_PLUCK_MAX_DEPTH  64


typedef enum {
    NGX_HTTP_AI_PLUCK_NONE = 0,    /* the path is not there */
    NGX_HTTP_AI_PLUCK_NULL,
    NGX_HTTP_AI_PLUCK_BOOL,
    NGX_HTTP_AI_PLUCK_INT,
    NGX_HTTP_AI_PLUCK_DOUBLE,
    NGX_HTTP_AI_PLUCK_STRING,
    NGX_HTTP_AI_PLUCK_OBJECT,      /* present; its members are other paths */
    NGX_HTTP_AI_PLUCK_ARRAY
} ngx_http_ai_pluck_type_e;


/*
 * path: member names joined by dots from the value's top, "[]" for any
 * element of an array: "error.code", "error.details.[].retryDelay",
 * "choices.[].finish_reason"; "" is the top value itself.  Names are compared
 * decoded; one that contains a dot cannot be named.  The last occurrence
 * wins, but a null never replaces a value found before.
 *
 * The caller sets path, buf and size (may be 0); the rest is zeroed.  A string
 * is stored decoded in buf, cut at size but not inside a character; "len" is
 * what was stored.  Numbers are in "integer" and "number", doubles rounded
 * toward zero in the former, which saturates; their text is in buf as well
 * where one was given.  For a bool "integer" is 0 or 1, for an array the
 * number of its elements.
 */

typedef struct {
    const char                *path;
    u_char                    *buf;
    size_t                     size;

    size_t                     len;
    int64_t                    integer;
    double                     number;
    ngx_http_ai_pluck_type_e   type;
} ngx_http_ai_pluck_t;


/*
 * NGX_OK, or NGX_ERROR if the bytes are not one JSON value (what was found
 * before the error stays), nest deeper than MAX_DEPTH, memory is short, or
 * nitems is above MAX_ITEMS.  UTF-8 is not checked: an answer that was cut
 * inside a character still tells its usage.  After the value yajl does not
 * notice an unfinished token, such as a lone quote.
 */
ngx_int_t ngx_http_ai_pluck(const u_char *p, size_t n,
    ngx_http_ai_pluck_t *items, ngx_uint_t nitems);


#endif /* _NGX_HTTP_AI_PLUCK_H_INCLUDED_ */
