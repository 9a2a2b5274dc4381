
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Providers as rows: how a credential is sent, which endpoints exist, and
 * the table that turns an error into a verdict.  A new provider is one file
 * in providers/, one line in ngx_http_ai_providers.h and one in
 * ngx_http_ai_provider.c.
 */


#ifndef _NGX_HTTP_AI_PROVIDER_H_INCLUDED_
#define _NGX_HTTP_AI_PROVIDER_H_INCLUDED_


#include "ngx_http_ai_base.h"
#include "ngx_http_ai_endpoint.h"
#include "ngx_http_ai_verdict.h"


typedef enum {
    NGX_HTTP_AI_CREDENTIAL_BEARER = 0,     /* Authorization: Bearer ... */
    NGX_HTTP_AI_CREDENTIAL_X_API_KEY,
    NGX_HTTP_AI_CREDENTIAL_API_KEY,
    NGX_HTTP_AI_CREDENTIAL_X_GOOG_API_KEY
} ngx_http_ai_credential_e;


/*
 * One rule: all conditions that are set must hold; the first rule that
 * matches decides.  Rules with a code are tried first, then those with a
 * type, then those with a status only, then the rest, whatever their order in
 * the table (wire.md A1, invariant 4); in each round the provider's own rules
 * come before the common ones.
 *
 * Words are compared without case.  "*" stands for any bytes (in a text: at
 * most 64); code and type are compared whole; text is looked for anywhere, or
 * at the start of the message if it begins with "^".  A text that closes an
 * account or cools a model down on a 400 should begin with "^": a client can
 * make a provider quote its words, but not begin with them.
 *
 * An answer may have several codes and types (error.code, error.details.
 * error_code, error.innererror.code ...): any of them will do.  Some facts
 * that are no words of the provider's are given to the rules as codes too:
 *
 *   "@per_day", "@per_minute"  a quota of Google's QuotaFailure
 *   "@retry_info"              Google's RetryInfo
 *   "@wait"                    any hint to wait was given
 *   "@oversize"                "Limit L, ... Requested N" where N > L
 */

typedef struct {
    ngx_uint_t               status;    /* 0: any */
    const char              *code;      /* error.code, or its like */
    const char              *type;      /* error.type / status / errortype */
    const char              *text;      /* in the message */
    ngx_http_ai_verdict_e    verdict;
} ngx_http_ai_rule_t;


typedef struct {
    ngx_str_t                  name;
    ngx_str_t                  price_prefix;   /* before its models in
                                                  LiteLLM's price map, with
                                                  "/"; empty: none */
    ngx_http_ai_credential_e   credential;
    ngx_uint_t                 endpoints;      /* NGX_HTTP_AI_EP_* */
    unsigned                   stream_usage:1; /* takes include_usage */
    const ngx_http_ai_rule_t  *rules;          /* ends with verdict OK */
    const char                *bearer_path;    /* NULL, or: below this path
                                                  the key is a Bearer token */
    ngx_str_t                  check_head;     /* header line that a check
                                                  needs besides, with CRLF */
} ngx_http_ai_provider_t;


/* NULL if there is no such provider */
const ngx_http_ai_provider_t *ngx_http_ai_provider_find(const u_char *name,
    size_t len);

/*
 * How the key is sent with a request to this path (of the provider, its base
 * included): the row's own way, but below bearer_path a Bearer token.
 */
ngx_http_ai_credential_e ngx_http_ai_provider_credential(
    const ngx_http_ai_provider_t *provider, const u_char *path, size_t len);

/* the names, for messages: "openai, azure, ..."; a static string */
const char *ngx_http_ai_provider_names(void);


#endif /* _NGX_HTTP_AI_PROVIDER_H_INCLUDED_ */
