
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Finds form fields in a multipart/form-data body (RFC 7578, RFC 2046) and
 * where their values stand in it, so that one can be replaced: the model of a
 * request with files may come before them or after.
 *
 * Bytes may arrive in pieces of any size; nothing is copied but the first
 * bytes of wanted values and a line of a part's header.  Time is linear,
 * memory constant.
 *
 * What two readers might understand differently is an error: a preamble, lines
 * that end without CR, a wanted field that comes twice, as a file, or encoded,
 * a name that is given twice or as "name*".
 */


#ifndef _NGX_HTTP_AI_MULTIPART_H_INCLUDED_
#define _NGX_HTTP_AI_MULTIPART_H_INCLUDED_


#include "ngx_http_ai_base.h"


#define NGX_HTTP_AI_MULTIPART_BOUNDARY  70     /* bytes, RFC 2046, 5.1.1 */
#define NGX_HTTP_AI_MULTIPART_LINE      1024   /* of a part's header */
#define NGX_HTTP_AI_MULTIPART_LINES     16


typedef enum {
    NGX_HTTP_AI_MULTIPART_EOK = 0,
    NGX_HTTP_AI_MULTIPART_EBEGIN,      /* does not begin with its boundary */
    NGX_HTTP_AI_MULTIPART_EBOUNDARY,   /* bytes behind one */
    NGX_HTTP_AI_MULTIPART_EHEADER,     /* a part's header is malformed */
    NGX_HTTP_AI_MULTIPART_ELONG,       /* ... or too long */
    NGX_HTTP_AI_MULTIPART_ENAME,       /* a part without a usable name */
    NGX_HTTP_AI_MULTIPART_ETWICE,      /* a wanted field comes twice */
    NGX_HTTP_AI_MULTIPART_EFILE,       /* ... is a file, or encoded */
    NGX_HTTP_AI_MULTIPART_ETRAILING,   /* bytes behind the last boundary */
    NGX_HTTP_AI_MULTIPART_EEND         /* it ends too early */
} ngx_http_ai_multipart_error_e;


/* the caller sets name, buf and size; init() zeroes the rest */

typedef struct {
    ngx_str_t                        name;
    u_char                          *buf;
    size_t                           size;

    size_t                           len;      /* stored in buf */
    off_t                            start;    /* the value is [start, end) */
    off_t                            end;
    unsigned                         found:1;
} ngx_http_ai_multipart_field_t;


typedef enum {
    NGX_HTTP_AI_MULTIPART_BEGIN = 0,
    NGX_HTTP_AI_MULTIPART_BEHIND,      /* a boundary */
    NGX_HTTP_AI_MULTIPART_BEHIND_DASH,
    NGX_HTTP_AI_MULTIPART_BEHIND_CR,
    NGX_HTTP_AI_MULTIPART_HEADER,
    NGX_HTTP_AI_MULTIPART_HEADER_CR,
    NGX_HTTP_AI_MULTIPART_VALUE,
    NGX_HTTP_AI_MULTIPART_LAST,        /* behind the last boundary */
    NGX_HTTP_AI_MULTIPART_LAST_CR,
    NGX_HTTP_AI_MULTIPART_OVER
} ngx_http_ai_multipart_state_e;


typedef struct {
    ngx_http_ai_multipart_field_t   *fields;
    ngx_uint_t                       nfields;

    ngx_http_ai_multipart_error_e    error;
    ngx_http_ai_multipart_state_e    state;
    off_t                            offset;   /* bytes fed; of an error: its
                                                  place */

    ngx_http_ai_multipart_field_t   *field;    /* being read; NULL: another */
    size_t                           matched;  /* bytes of the delimiter */
    ngx_uint_t                       lines;    /* of this part's header */
    size_t                           line_len;
    unsigned                         named:1;
    unsigned                         file:1;
    unsigned                         encoded:1;

    size_t                           delim_len;
    u_char                           delim[NGX_HTTP_AI_MULTIPART_BOUNDARY
                                           + sizeof("\r\n--")];
    u_char                           line[NGX_HTTP_AI_MULTIPART_LINE];
} ngx_http_ai_multipart_t;


/*
 * The boundary that a Content-Type names: NGX_OK; NGX_DECLINED: it is no
 * multipart/form-data; NGX_ERROR: it names none that is usable.  It points
 * into the type.
 */
ngx_int_t ngx_http_ai_multipart_boundary(const ngx_str_t *type,
    ngx_str_t *boundary);

/* the boundary is one of the above, and copied */
void ngx_http_ai_multipart_init(ngx_http_ai_multipart_t *mp,
    const ngx_str_t *boundary, ngx_http_ai_multipart_field_t *fields,
    ngx_uint_t nfields);

/* NGX_OK, or NGX_ERROR with mp->error */
ngx_int_t ngx_http_ai_multipart_feed(ngx_http_ai_multipart_t *mp,
    const u_char *p, size_t n);

/* tells that the body is complete: NGX_OK, or NGX_ERROR with mp->error */
ngx_int_t ngx_http_ai_multipart_end(ngx_http_ai_multipart_t *mp);

/* in words, for the client; a static string */
const char *ngx_http_ai_multipart_strerror(
    ngx_http_ai_multipart_error_e error);


#endif /* _NGX_HTTP_AI_MULTIPART_H_INCLUDED_ */
