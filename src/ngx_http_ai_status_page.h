
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The dashboard: one document, the same for everybody, with which a browser
 * asks the other paths.  It is in the module itself, see
 * ngx_http_ai_status_page_data.S.
 */


#ifndef _NGX_HTTP_AI_STATUS_PAGE_H_INCLUDED_
#define _NGX_HTTP_AI_STATUS_PAGE_H_INCLUDED_


#include "ngx_http_ai_status_reply.h"


/*
 * Writes the location's page_policy, which names the hashes of the document's
 * script and style: computed with the configuration, in its pool.  NGX_OK or
 * NGX_ERROR, which is logged.
 */
ngx_int_t ngx_http_ai_status_page_init(ngx_conf_t *cf,
    ngx_http_ai_loc_conf_t *alcf);

/* the answer; neither copies the document nor yields */
ngx_int_t ngx_http_ai_status_page(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call);


#endif /* _NGX_HTTP_AI_STATUS_PAGE_H_INCLUDED_ */
