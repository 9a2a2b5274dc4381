
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * GET models and models/<id>: what the client may ask for, in OpenAI's shape,
 * answered by the gateway itself.
 */


#ifndef _NGX_HTTP_AI_MODELS_H_INCLUDED_
#define _NGX_HTTP_AI_MODELS_H_INCLUDED_


#include "ngx_http_ai_request.h"


/* sends the answer; returns what ngx_http_finalize_request() takes */
ngx_int_t ngx_http_ai_models_send(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);


#endif /* _NGX_HTTP_AI_MODELS_H_INCLUDED_ */
