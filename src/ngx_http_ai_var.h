
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* the $ai_... variables, for logs and headers */


#ifndef _NGX_HTTP_AI_VAR_H_INCLUDED_
#define _NGX_HTTP_AI_VAR_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


ngx_int_t ngx_http_ai_var_add(ngx_conf_t *cf);


#endif /* _NGX_HTTP_AI_VAR_H_INCLUDED_ */
