
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The answers of ai_status locations.  All of these return what a content
 * handler returns; none yields.
 */


#ifndef _NGX_HTTP_AI_STATUS_REPLY_H_INCLUDED_
#define _NGX_HTTP_AI_STATUS_REPLY_H_INCLUDED_


#include "ngx_http_ai_audit.h"
#include "ngx_http_ai_events.h"
#include "ngx_http_ai_writer.h"


/* what was asked for, of which object: "name" of accounts/<name>/... */

typedef struct {
    ngx_http_ai_main_conf_t  *conf;    /* its zone may be NULL: no ai_pass */
    ngx_http_ai_loc_conf_t   *loc;
    ngx_str_t                 name;    /* empty, where the path has none */
    ngx_str_t                 action;  /* the path's last word */
    ngx_uint_t                what;    /* the row's own */
    ngx_http_ai_audit_t      *audit;   /* of what changes something: has what
                                          the path and the query say; what a
                                          body says is the handler's to add.
                                          NULL: of GET */
} ngx_http_ai_status_call_t;

typedef ngx_int_t (*ngx_http_ai_status_pt)(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call);


/* JSON; the writer is used up */
ngx_int_t ngx_http_ai_status_answer(ngx_http_request_t *r, ngx_uint_t status,
    ngx_http_ai_writer_t *w);

/* the same of another type */
ngx_int_t ngx_http_ai_status_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_http_ai_writer_t *w, const ngx_str_t *type);

/* fmt as of ngx_slprintf(); the message is cut at 512 bytes */
ngx_int_t ngx_http_ai_status_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *code, const char *fmt, ...);

/* 507: the zone is full */
ngx_int_t ngx_http_ai_status_full(ngx_http_request_t *r);

/* 404: there is no zone */
ngx_int_t ngx_http_ai_status_no_zone(ngx_http_request_t *r);

/* name and value must last as long as the request; NGX_OK or NGX_ERROR */
ngx_int_t ngx_http_ai_status_header(ngx_http_request_t *r, const char *name,
    const char *value);

/*
 * An argument of the query, decoded.  NGX_OK; NGX_DECLINED: it is not there,
 * and the value empty; NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_ai_status_arg(ngx_http_request_t *r, const char *name,
    ngx_str_t *value);

/* an event as an object, an element of a list (ngx_http_ai_status_event.c) */
void ngx_http_ai_status_event(ngx_http_ai_writer_t *w,
    const ngx_http_ai_events_one_t *event);


/* the rooms behind the paths */

/* ngx_http_ai_status_view.c: status */
ngx_int_t ngx_http_ai_status_view(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call);

/* ngx_http_ai_status_explain.c: explain */
ngx_int_t ngx_http_ai_status_explain(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call);

/* ngx_http_ai_status_operate.c: accounts/<name>/..., classes/<name>/... */
ngx_int_t ngx_http_ai_status_account(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call);
ngx_int_t ngx_http_ai_status_account_reset(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call);
ngx_int_t ngx_http_ai_status_class(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call);

/* ngx_http_ai_status_requests.c: requests, requests/<id> */
ngx_int_t ngx_http_ai_status_requests(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call);
ngx_int_t ngx_http_ai_status_request(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call);

/* ngx_http_ai_status_metrics.c, ngx_http_ai_status_history.c */
ngx_int_t ngx_http_ai_status_metrics(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call);
ngx_int_t ngx_http_ai_status_history(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call);


#endif /* _NGX_HTTP_AI_STATUS_REPLY_H_INCLUDED_ */
