
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What happened, in the words of records, headers and variables: one record
 * per request, and one per attempt when there was more than one.
 */


#ifndef _NGX_HTTP_AI_USAGE_H_INCLUDED_
#define _NGX_HTTP_AI_USAGE_H_INCLUDED_


#include "ngx_http_ai_attempt.h"


/* hands the request's records to the sink, once */
void ngx_http_ai_usage_record(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx);

/* none | retry | account | provider | backup */
ngx_str_t *ngx_http_ai_usage_fallback(ngx_http_ai_attempt_t *at);

ngx_str_t *ngx_http_ai_usage_outcome(ngx_http_ai_ctx_t *ctx);

/* the verdict that failed the request; an empty string for a success */
const ngx_str_t *ngx_http_ai_usage_error_class(ngx_http_ai_ctx_t *ctx);

/*
 * "openai_a=429/rate_limit,azure_eu=200/ok" in buf; its end.  Tries that do
 * not fit are left out.
 */
#define NGX_HTTP_AI_TRAIL_MAX  1024

u_char *ngx_http_ai_usage_trail(ngx_http_ai_attempt_t *at, u_char *buf,
    size_t size);


#endif /* _NGX_HTTP_AI_USAGE_H_INCLUDED_ */
