
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Memory with a secret, overwritten before it is freed: nginx frees without,
 * and what is freed is in the next core file.
 */


#ifndef _NGX_HTTP_AI_SECRET_H_INCLUDED_
#define _NGX_HTTP_AI_SECRET_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * The len bytes at p are zeroes when the pool is destroyed; until then they
 * must not be freed.
 */
ngx_int_t ngx_http_ai_secret_forget(ngx_pool_t *pool, u_char *p, size_t len);

/*
 * Likewise the values of a request's headers that are credentials, at its
 * end.  Copies that others made stay: of HTTP/2's table, OpenSSL's buffers.
 */
ngx_int_t ngx_http_ai_secret_request(ngx_http_request_t *r);


#endif /* _NGX_HTTP_AI_SECRET_H_INCLUDED_ */
