
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_providers.h"


static const ngx_http_ai_rule_t  ngx_http_ai_rules_groq[] = {
    { 0, "blocked_api_access", NULL, "spend", NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, "blocked_api_access", NULL, NULL, NGX_HTTP_AI_ACCOUNT_DISABLED },
    { 422, NULL, NULL, "hallucinat", NGX_HTTP_AI_GENERATION_FAILED },

    /* a 413 is counted with max_tokens against the tokens of a minute */

    { 413, NULL, "tokens", NULL, NGX_HTTP_AI_REQUEST_TOO_LARGE },
    { 498, NULL, NULL, NULL, NGX_HTTP_AI_OVERLOADED },
    { 499, NULL, NULL, NULL, NGX_HTTP_AI_SERVER_ERROR },

    ngx_http_ai_null_rule
};


const ngx_http_ai_provider_t  ngx_http_ai_provider_groq = {
    .name = ngx_string("groq"),
    .price_prefix = ngx_string("groq/"),
    .credential = NGX_HTTP_AI_CREDENTIAL_BEARER,
    .endpoints = NGX_HTTP_AI_EP_CHAT
                 | NGX_HTTP_AI_EP_RESPONSES
                 | NGX_HTTP_AI_EP_SPEECH
                 | NGX_HTTP_AI_EP_TRANSCRIBE
                 | NGX_HTTP_AI_EP_RESOURCES,
    .stream_usage = 1,
    .rules = ngx_http_ai_rules_groq
};
