
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* drills, as operators see them: docs/drill.md */


#ifndef _NGX_HTTP_AI_STATUS_FAULTS_H_INCLUDED_
#define _NGX_HTTP_AI_STATUS_FAULTS_H_INCLUDED_


#include "ngx_http_ai_fault.h"
#include "ngx_http_ai_status_reply.h"


/* GET faults; GET faults/<id>; DELETE faults/<id>; POST faults, which yields */
ngx_int_t ngx_http_ai_status_faults(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call);
ngx_int_t ngx_http_ai_status_fault(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call);
ngx_int_t ngx_http_ai_status_fault_end(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call);
ngx_int_t ngx_http_ai_status_fault_begin(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call);

/*
 * A list of the active ones, the newest first, and of those that have ended
 * where that is wanted.  Takes the zone's lock for one at a time.
 */
void ngx_http_ai_status_faults_list(ngx_http_ai_writer_t *w, const char *name,
    ngx_http_ai_zone_t *zone, ngx_uint_t ended);


#endif /* _NGX_HTTP_AI_STATUS_FAULTS_H_INCLUDED_ */
