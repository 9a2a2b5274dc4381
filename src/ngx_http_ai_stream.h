
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

#include "pure/ngx_http_ai_json.h"
#include "pure/ngx_http_ai_provider.h"
#include "pure/ngx_http_ai_sse.h"
#include "pure/ngx_http_ai_tokens.h"
#include "pure/ngx_http_ai_verdict.h"


#define NGX_HTTP_AI_STREAM_CARRY  4096     /* longest event split between
                                              reads that is seen whole */
#define NGX_HTTP_AI_STREAM_USAGE  4096     /* longest usage object read */


typedef enum {
    NGX_HTTP_AI_STREAM_OFF = 0,
    NGX_HTTP_AI_STREAM_SSE,
    NGX_HTTP_AI_STREAM_JSON
} ngx_http_ai_stream_mode_e;


typedef struct {
    ngx_http_ai_stream_mode_e      mode;
    const ngx_http_ai_provider_t  *provider;

    ngx_http_ai_sse_t              sse;
    u_char                        *carry;      /* also used by the hold,
                                                  which ends before */

    ngx_http_ai_json_t            *json;
    ngx_http_ai_json_member_t     *members;

    ngx_http_ai_tokens_t           tokens;
    ngx_http_ai_verdict_e          verdict;    /* of an error event */

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
    unsigned                       content:1;  /* an event with content */
    unsigned                       finish:1;   /* the answer is complete */
    unsigned                       done:1;     /* the terminator was seen */
    unsigned                       error:1;    /* an error event passed */
    unsigned                       flowing:1;  /* the unfinished event was
                                                  too long to hold: its bytes
                                                  pass as they come */
} ngx_http_ai_stream_t;


/* allocates the carry, once per request: NGX_OK or NGX_ERROR */
ngx_int_t ngx_http_ai_stream_carry(ngx_http_request_t *r,
    ngx_http_ai_stream_t *st);

/*
 * Prepares for an answer that is about to pass: sse says event stream,
 * drop_usage that the gateway asked for usage in the client's place.
 */
ngx_int_t ngx_http_ai_stream_start(ngx_http_request_t *r,
    ngx_http_ai_stream_t *st, const ngx_http_ai_provider_t *provider,
    ngx_uint_t sse, ngx_uint_t drop_usage);

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


#endif /* _NGX_HTTP_AI_STREAM_H_INCLUDED_ */
