
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The conductor: calls each room in turn.  Nobody else knows the order.
 */


#ifndef _NGX_HTTP_AI_HANDLER_H_INCLUDED_
#define _NGX_HTTP_AI_HANDLER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_ai_request.h"


/* the content handler of ai_pass */
ngx_int_t ngx_http_ai_handler(ngx_http_request_t *r);

/*
 * From the facts, the class and the route of a request to its plan, in
 * ctx->plan.  NGX_OK, or an HTTP status with ctx->error set: nobody may serve
 * it.  Holds nothing yet.
 */
ngx_int_t ngx_http_ai_handler_plan(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);

/* the log phase: one record per request, whatever its fate */
ngx_int_t ngx_http_ai_log_handler(ngx_http_request_t *r);

/* hangs the filters into nginx's chains */
ngx_int_t ngx_http_ai_filter_init(ngx_conf_t *cf);


#endif /* _NGX_HTTP_AI_HANDLER_H_INCLUDED_ */
