
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_providers.h"


static const ngx_http_ai_rule_t  ngx_http_ai_rules_ollama[] = {
    { 401, NULL, "api_error", NULL, NGX_HTTP_AI_AUTH },
    { 503, NULL, NULL, "server busy", NGX_HTTP_AI_OVERLOADED },

    ngx_http_ai_null_rule
};


const ngx_http_ai_provider_t  ngx_http_ai_provider_ollama = {
    .name = ngx_string("ollama"),
    .price_prefix = ngx_string("ollama/"),
    .credential = NGX_HTTP_AI_CREDENTIAL_BEARER,
    .endpoints = NGX_HTTP_AI_EP_CHAT
                 | NGX_HTTP_AI_EP_COMPLETIONS
                 | NGX_HTTP_AI_EP_RESPONSES
                 | NGX_HTTP_AI_EP_EMBEDDINGS
                 | NGX_HTTP_AI_EP_MESSAGES,
    .stream_usage = 1,
    .rules = ngx_http_ai_rules_ollama
};
