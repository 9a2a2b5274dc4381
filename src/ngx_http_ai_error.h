
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Errors of the gateway's own, as the client's SDK expects them: JSON in the
 * client's dialect with the request id.
 */


#ifndef _NGX_HTTP_AI_ERROR_H_INCLUDED_
#define _NGX_HTTP_AI_ERROR_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "pure/ngx_http_ai_verdict.h"


typedef struct {
    ngx_uint_t               status;    /* HTTP; 0: no error */
    ngx_str_t                type;      /* error.type */
    ngx_str_t                code;      /* error.code */
    ngx_str_t                param;     /* error.param; empty: null */
    ngx_str_t                message;
    ngx_str_t                body;      /* the answer's body, once made */
    ngx_str_t                content_type;  /* of a raw one */
    ngx_http_ai_verdict_e    verdict;   /* for the record */
    time_t                   retry_after;   /* seconds; 0: no header */
    unsigned                 retry:1;   /* a retry can help */
    unsigned                 raw:1;     /* body is an upstream's own, as it
                                           came */
} ngx_http_ai_error_t;


/*
 * Fills an error.  The format is ngx_sprintf()'s; the text is cut at 512
 * bytes.  Returns the status, or NGX_ERROR without memory.
 */
ngx_http_ai_cold ngx_int_t ngx_http_ai_error_set(ngx_http_request_t *r,
    ngx_http_ai_error_t *error, ngx_uint_t status, const char *code,
    const char *fmt, ...);

/* an error for a status that nginx itself decided on (413, 408, ...) */
ngx_http_ai_cold ngx_int_t ngx_http_ai_error_core(ngx_http_request_t *r,
    ngx_http_ai_error_t *error, ngx_uint_t status);

/*
 * The error's body in the dialect of the request's endpoint, in the request's
 * pool; an empty string without memory.
 */
ngx_http_ai_cold ngx_str_t ngx_http_ai_error_body(ngx_http_request_t *r,
    ngx_http_ai_error_t *error);

/* the same as the last event of a broken stream */
ngx_http_ai_cold ngx_str_t ngx_http_ai_error_event(ngx_http_request_t *r,
    ngx_http_ai_error_t *error);

/*
 * Sends the error of the request's context as the whole answer; returns what
 * ngx_http_finalize_request() takes.
 */
ngx_http_ai_cold ngx_int_t ngx_http_ai_error_send(ngx_http_request_t *r);


#endif /* _NGX_HTTP_AI_ERROR_H_INCLUDED_ */
