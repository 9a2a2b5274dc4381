
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Token counts from a provider's usage object, normalised: "input" includes
 * cache reads and writes, "output" includes reasoning (wire.md B).
 */


#ifndef _NGX_HTTP_AI_TOKENS_H_INCLUDED_
#define _NGX_HTTP_AI_TOKENS_H_INCLUDED_


#include "ngx_http_ai_base.h"


typedef struct {
    int64_t     input;
    int64_t     output;
    int64_t     cache_read;
    int64_t     cache_write;
    int64_t     reasoning;
    unsigned    found:1;           /* the provider reported usage */
} ngx_http_ai_tokens_t;


/*
 * Reads the raw JSON of one usage object ("usage" of OpenAI chat, legacy
 * completions, Responses, embeddings and their skins) and applies the repair
 * rules of wire.md B.  NGX_OK: all fields are set, those not reported to 0.
 * NGX_DECLINED if it is null or has no count we know; NGX_ERROR if it is not
 * JSON; "tokens" is untouched then.
 *
 * Not for usage objects whose input excludes the cache: Anthropic, Gemini and
 * Bedrock have other rules.  "reasoning" may exceed "output" where a provider
 * says so: do not subtract one from the other.
 */
ngx_int_t ngx_http_ai_tokens_usage(ngx_http_ai_tokens_t *tokens,
    const u_char *p, size_t n);


#endif /* _NGX_HTTP_AI_TOKENS_H_INCLUDED_ */
