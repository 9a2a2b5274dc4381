
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Metering without routing: in a location with ai_meter, what other modules
 * send to a provider and pass back is read along, and leaves a usage record.
 *
 * Nothing here changes or fails an answer: what cannot be read is recorded as
 * unread.
 */


#ifndef _NGX_HTTP_AI_METER_H_INCLUDED_
#define _NGX_HTTP_AI_METER_H_INCLUDED_


#include "ngx_http_ai_attempt.h"

#include <zlib.h>


/* why answers were not read; a worker's log says so once of each */

#define NGX_HTTP_AI_METER_ENCODING   0x01
#define NGX_HTTP_AI_METER_BROKEN     0x02
#define NGX_HTTP_AI_METER_EXPANDS    0x04
#define NGX_HTTP_AI_METER_NO_MEMORY  0x08


/* lives as long as the request's pool; internal redirects do not forget it */

struct ngx_http_ai_meter_s {
    ngx_http_ai_ctx_t             *ctx;

    ngx_http_upstream_t           *upstream;   /* whose these are: */
    ngx_http_upstream_srv_conf_t  *chosen;
    ngx_str_t                      account;    /* name of the upstream */
    const ngx_http_ai_account_t   *known;      /* NULL: it has no ai_account */
    ngx_uint_t                     attempts;   /* servers tried */

    ngx_http_ai_usage_model_t      served;     /* as the answer names it */
    ngx_msec_t                     first;      /* ms until content passed */

    ngx_http_ai_tokens_t           tokens;
    ngx_http_ai_try_t              try;        /* its tokens and price, as
                                                  others read them */

    z_stream                       zip;
    off_t                          packed;     /* bytes of it so far, and */
    off_t                          unpacked;   /* what they were unpacked to */

    unsigned                       asked:1;    /* the request was read */
    unsigned                       head:1;     /* an answer's head passed in
                                                  this location */
    unsigned                       passed:1;   /* "first" is set */
    unsigned                       complete:1; /* the answer's end passed */
    unsigned                       zipped:1;   /* zip is at work */
    unsigned                       member:1;   /* one gzip member is whole */
    unsigned                       ended:1;    /* the request is over */
    unsigned                       closed:1;   /* ngx_http_ai_meter_look() has
                                                  put it together */
};


/*
 * The meter of a main request, NULL if it has none or never reached an
 * upstream.  What is known by now; once the request is over, all of it.
 */
ngx_http_ai_meter_t *ngx_http_ai_meter_look(ngx_http_request_t *r);

/* phase handlers */
ngx_int_t ngx_http_ai_meter_handler(ngx_http_request_t *r);
void ngx_http_ai_meter_log(ngx_http_request_t *r);

/*
 * The answer's head, and its bytes as they pass: these are not changed, and
 * nothing is allocated for them.  The copy filter has brought them to memory.
 */
void ngx_http_ai_meter_head(ngx_http_request_t *r, ngx_http_ai_meter_t *m);
void ngx_http_ai_meter_body(ngx_http_request_t *r, ngx_http_ai_meter_t *m,
    ngx_chain_t *in);

/* reads the request, as far as that is cheap, into ctx->facts; once */
void ngx_http_ai_meter_facts(ngx_http_request_t *r, ngx_http_ai_meter_t *m);

/* the answer will not be read further; frees what unpacking holds */
void ngx_http_ai_meter_unzip_end(ngx_http_ai_meter_t *m);


#endif /* _NGX_HTTP_AI_METER_H_INCLUDED_ */
