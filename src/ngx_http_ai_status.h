
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What operators see and do: the content handler of locations with ai_status.
 * These requests have no ngx_http_ai_ctx_t.
 */


#ifndef _NGX_HTTP_AI_STATUS_H_INCLUDED_
#define _NGX_HTTP_AI_STATUS_H_INCLUDED_


#include "ngx_http_ai_conf.h"


ngx_int_t ngx_http_ai_status_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_AI_STATUS_H_INCLUDED_ */
