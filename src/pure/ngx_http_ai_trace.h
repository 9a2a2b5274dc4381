
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * W3C trace context: "traceparent" read and written, "tracestate" joined and
 * checked.  Strict: what is not exactly as the specification has it does not
 * exist, and a trace begins anew instead of being joined to a wrong one.
 */


#ifndef _NGX_HTTP_AI_TRACE_H_INCLUDED_
#define _NGX_HTTP_AI_TRACE_H_INCLUDED_


#include "ngx_http_ai_base.h"


#define NGX_HTTP_AI_TRACE_ID       32       /* hex digits */
#define NGX_HTTP_AI_TRACE_PARENT   16
#define NGX_HTTP_AI_TRACE_LEN                                                 \
    (sizeof("00-") - 1 + NGX_HTTP_AI_TRACE_ID + 1 + NGX_HTTP_AI_TRACE_PARENT  \
     + sizeof("-01") - 1)

#define NGX_HTTP_AI_TRACE_SAMPLED  0x01
#define NGX_HTTP_AI_TRACE_RANDOM   0x02

#define NGX_HTTP_AI_TRACE_STATE    512      /* bytes of all members */
#define NGX_HTTP_AI_TRACE_MEMBERS  32


typedef struct {
    u_char       id[NGX_HTTP_AI_TRACE_ID];
    ngx_uint_t   flags;             /* the two above; others are nobody's */
} ngx_http_ai_trace_t;


/* zeroed before the first add() */

typedef struct {
    size_t       len;
    ngx_uint_t   members;
    u_char       data[NGX_HTTP_AI_TRACE_STATE];
} ngx_http_ai_trace_state_t;


/*
 * A "traceparent": NGX_OK, or NGX_DECLINED, with trace untouched.  Of a later
 * version than 00 the fields that 00 has are read, whatever follows them.
 */
ngx_int_t ngx_http_ai_trace_parse(ngx_http_ai_trace_t *trace,
    const u_char *p, size_t len);

/*
 * TRACE_LEN bytes of version 00 to p, its end; parent: as many hex digits as
 * TRACE_PARENT says, the sender's.
 */
u_char *ngx_http_ai_trace_write(u_char *p, const ngx_http_ai_trace_t *trace,
    const u_char *parent);

/*
 * One more "tracestate" header: its members go behind those that are there,
 * without what is empty.  NGX_DECLINED: none of them may be used.
 */
ngx_int_t ngx_http_ai_trace_state_add(ngx_http_ai_trace_state_t *state,
    const u_char *p, size_t len);


#endif /* _NGX_HTTP_AI_TRACE_H_INCLUDED_ */
