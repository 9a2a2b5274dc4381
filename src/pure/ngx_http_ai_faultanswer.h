
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What a provider would answer: the HTTP bytes of the faults "status",
 * "bad_credential" and "exhausted_quota", in the provider's own dialect, so
 * that the classifier judges them as it judges the provider (wire.md A2, A3,
 * A7).
 */


#ifndef _NGX_HTTP_AI_FAULTANSWER_H_INCLUDED_
#define _NGX_HTTP_AI_FAULTANSWER_H_INCLUDED_


#include "ngx_http_ai_faultspec.h"
#include "ngx_http_ai_provider.h"


#define NGX_HTTP_AI_FAULTANSWER_MAX  2048    /* bytes, head and body */


/*
 * Writes the whole answer to buf, of MAX bytes, and returns its length; 0 for
 * the kinds that have none.  status is that of the kind STATUS; the others
 * know their own.  No hint to wait is given: the gateway's own times apply.
 */
size_t ngx_http_ai_faultanswer(const ngx_http_ai_provider_t *provider,
    ngx_http_ai_fault_e kind, ngx_uint_t status, u_char *buf);


#endif /* _NGX_HTTP_AI_FAULTANSWER_H_INCLUDED_ */
