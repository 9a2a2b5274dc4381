
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Parts of GET status, and of other answers that show the same.  They write
 * members of an object that is open; the zone's lock is taken in short
 * slices, never while something is written.
 */


#ifndef _NGX_HTTP_AI_STATUS_VIEW_H_INCLUDED_
#define _NGX_HTTP_AI_STATUS_VIEW_H_INCLUDED_


#include "ngx_http_ai_limits.h"
#include "ngx_http_ai_status_reply.h"


/* ngx_http_ai_status_accounts.c: the list "accounts" */
void ngx_http_ai_status_accounts(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);

/* ngx_http_ai_status_keys.c: the object "keys" */
void ngx_http_ai_status_keys(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);

/* ngx_http_ai_status_limits.c: the list "limits" */
void ngx_http_ai_status_limits(ngx_http_ai_writer_t *w,
    const ngx_http_ai_limits_t *limits);

/* ngx_http_ai_status_sink.c: the objects "sink" and "pins" */
void ngx_http_ai_status_sink(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);
void ngx_http_ai_status_pins(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);


#endif /* _NGX_HTTP_AI_STATUS_VIEW_H_INCLUDED_ */
