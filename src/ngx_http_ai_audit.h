
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What operators did, or were not let: a line in the log and an entry for the
 * sink.  Who it was is the client's address.  No part of the credential's hash
 * is told: there is one credential for a location, so it would tell nothing,
 * and whoever reads logs could try words against it.
 */


#ifndef _NGX_HTTP_AI_AUDIT_H_INCLUDED_
#define _NGX_HTTP_AI_AUDIT_H_INCLUDED_


#include "ngx_http_ai_conf.h"
#include "pure/ngx_http_ai_record.h"


/* strings may hold any bytes */
typedef ngx_http_ai_record_audit_t  ngx_http_ai_audit_t;


/*
 * The request asks for a change: when it is over, whatever has become of it,
 * that is recorded with the status of its answer.  What is known of the change
 * by then belongs into the result, which lives as long as the request; its
 * words must, too.  NULL: no memory.  Never yields, takes no lock.
 */
ngx_http_ai_audit_t *ngx_http_ai_audit_start(ngx_http_request_t *r);

/* that of a request that goes on in another handler; NULL: there is none */
ngx_http_ai_audit_t *ngx_http_ai_audit_of(ngx_http_request_t *r);

/*
 * Records it now.  What "a" leaves out of when, who, which request and result
 * is filled in, the last by its status.  Never yields, takes no lock.
 */
void ngx_http_ai_audit(ngx_http_request_t *r, const ngx_http_ai_audit_t *a);


#endif /* _NGX_HTTP_AI_AUDIT_H_INCLUDED_ */
