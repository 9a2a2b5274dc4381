
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_providers.h"


static const ngx_http_ai_rule_t  ngx_http_ai_rules_cohere[] = {
    { 0, NULL, "TOO_MANY_TOKENS", NULL, NGX_HTTP_AI_CONTEXT_LENGTH },

    /* 498 is a word that is not allowed, in the input or the output */

    { 498, NULL, NULL, NULL, NGX_HTTP_AI_CONTENT_FILTER },
    { 429, NULL, NULL, "trial key*month", NGX_HTTP_AI_QUOTA_EXHAUSTED },

    ngx_http_ai_null_rule
};


/* refuses stream_options, reports usage always */

const ngx_http_ai_provider_t  ngx_http_ai_provider_cohere = {
    .name = ngx_string("cohere"),
    .price_prefix = ngx_string("cohere/"),
    .credential = NGX_HTTP_AI_CREDENTIAL_BEARER,
    .endpoints = NGX_HTTP_AI_EP_CHAT
                 | NGX_HTTP_AI_EP_EMBEDDINGS
                 | NGX_HTTP_AI_EP_RERANK,
    .stream_usage = 0,
    .rules = ngx_http_ai_rules_cohere
};
