
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The API operations the gateway knows, by the end of the request path
 * (wire.md C).
 */


#ifndef _NGX_HTTP_AI_ENDPOINT_H_INCLUDED_
#define _NGX_HTTP_AI_ENDPOINT_H_INCLUDED_


#include "ngx_http_ai_base.h"


/* bits, so that a provider's row can say which ones exist there */

#define NGX_HTTP_AI_EP_CHAT         0x0001
#define NGX_HTTP_AI_EP_COMPLETIONS  0x0002
#define NGX_HTTP_AI_EP_RESPONSES    0x0004
#define NGX_HTTP_AI_EP_EMBEDDINGS   0x0008
#define NGX_HTTP_AI_EP_MODERATIONS  0x0010
#define NGX_HTTP_AI_EP_IMAGES       0x0020
#define NGX_HTTP_AI_EP_SPEECH       0x0040
#define NGX_HTTP_AI_EP_RERANK       0x0080
#define NGX_HTTP_AI_EP_MESSAGES     0x0100


/* the client's dialect: how errors and the ends of streams are spelled */

typedef enum {
    NGX_HTTP_AI_DIALECT_OPENAI = 0,
    NGX_HTTP_AI_DIALECT_RESPONSES,
    NGX_HTTP_AI_DIALECT_ANTHROPIC
} ngx_http_ai_dialect_e;


typedef struct {
    ngx_str_t                path;      /* after the location's prefix,
                                           without a leading slash */
    ngx_str_t                name;      /* in records and metrics */
    ngx_uint_t               bit;
    ngx_http_ai_dialect_e    dialect;
    unsigned                 stream_options:1;  /* include_usage exists */
    unsigned                 inference:1;       /* a POST that may be tried
                                                   again after it was sent */
} ngx_http_ai_endpoint_t;


/* NULL if the path is not known; one leading slash of path is skipped */
const ngx_http_ai_endpoint_t *ngx_http_ai_endpoint_find(const u_char *path,
    size_t len);


#endif /* _NGX_HTTP_AI_ENDPOINT_H_INCLUDED_ */
