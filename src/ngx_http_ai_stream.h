
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The answer's bytes on their way to the client: a body filter that finds
 * usage and the end of streams, and drops the usage chunk the client had not
 * asked for.
 */


#ifndef _NGX_HTTP_AI_STREAM_H_INCLUDED_
#define _NGX_HTTP_AI_STREAM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "pure/ngx_http_ai_usage_scan.h"


#define NGX_HTTP_AI_STREAM_CARRY  4096     /* longest event split between
                                              reads that is judged whole */


typedef struct {
    ngx_http_ai_usage_scan_mode_e  mode;       /* what the filter does */

    ngx_http_ai_usage_scan_t       scan;       /* what the answer said; in
                                                  mode OFF too, if it was read
                                                  before it passed */

    u_char                        *carry;      /* these two last as long as */
    ngx_http_ai_usage_doc_t       *doc;        /* the request */

    ngx_chain_t                   *free;       /* bufs with the bytes of a */
    ngx_chain_t                   *busy;       /* held event, reused */

    ngx_chain_t                   *hold;       /* the unfinished event's
                                                  bytes, not passed on yet */

    unsigned                       drop_usage:1;   /* the client had not
                                                      asked for the chunk */
    unsigned                       dropped:1;
    unsigned                       progress:1; /* the last bytes had an event
                                                  that is no comment */
    unsigned                       open:1;     /* an unfinished event ... */
    unsigned                       comment:1;  /* ... which is a comment */
    unsigned                       flowing:1;  /* the unfinished event was
                                                  too long to hold: its bytes
                                                  pass as they come */
} ngx_http_ai_stream_t;


/*
 * A try begins: what was read of the one before is forgotten, the memory for
 * reading stays.
 */
void ngx_http_ai_stream_reset(ngx_http_ai_stream_t *st);

/*
 * For an event stream that is looked at before it passes, then for each piece
 * of it: as ngx_http_ai_usage_scan_init() and _next(), or NGX_ERROR without
 * memory.
 */
ngx_int_t ngx_http_ai_stream_peek(ngx_http_request_t *r,
    ngx_http_ai_stream_t *st, const ngx_http_ai_provider_t *provider);
ngx_int_t ngx_http_ai_stream_next(ngx_http_request_t *r,
    ngx_http_ai_stream_t *st, u_char **pos, u_char *last,
    ngx_http_ai_sse_event_t *ev);

/*
 * The next bytes of an answer that passes as it is; after _start().  NGX_OK,
 * or NGX_ERROR without memory.
 */
ngx_int_t ngx_http_ai_stream_read(ngx_http_request_t *r,
    ngx_http_ai_stream_t *st, u_char *p, u_char *last);

/*
 * Prepares for an answer that is about to pass, from its first byte;
 * drop_usage: the gateway asked for usage in the client's place.
 */
ngx_int_t ngx_http_ai_stream_start(ngx_http_request_t *r,
    ngx_http_ai_stream_t *st, ngx_http_ai_usage_scan_mode_e mode,
    const ngx_http_ai_provider_t *provider, ngx_uint_t drop_usage);

/*
 * For a JSON answer that is at hand as a whole, before it passes: reads its
 * usage, so that the filter has nothing left to do.  NGX_OK; NGX_DECLINED if
 * it is no JSON object; NGX_ERROR without memory.
 */
ngx_int_t ngx_http_ai_stream_whole(ngx_http_request_t *r,
    ngx_http_ai_stream_t *st, ngx_str_t *body);

/*
 * Takes the chain as nginx's body filters do and rewrites it in place into
 * what the client gets; *out may be NULL for "nothing this time".
 */
ngx_int_t ngx_http_ai_stream_filter(ngx_http_request_t *r,
    ngx_http_ai_stream_t *st, ngx_chain_t *in, ngx_chain_t **out);

/* after the chain was passed on: recycles the bufs of held events */
void ngx_http_ai_stream_sent(ngx_http_request_t *r, ngx_http_ai_stream_t *st,
    ngx_chain_t **out);

/*
 * The answer ended: reads what only its end tells.  NGX_OK: it was complete;
 * NGX_DECLINED: it broke off.
 */
ngx_int_t ngx_http_ai_stream_end(ngx_http_ai_stream_t *st);

/* the output of a running answer so far, in tokens, told and estimated */
#define ngx_http_ai_stream_output(st)                                         \
    ngx_http_ai_usage_scan_output(&(st)->scan)


#endif /* _NGX_HTTP_AI_STREAM_H_INCLUDED_ */
