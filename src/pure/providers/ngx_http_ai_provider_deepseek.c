
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_providers.h"


static const ngx_http_ai_rule_t  ngx_http_ai_rules_deepseek[] = {
    { 402, NULL, NULL, NULL, NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 422, NULL, NULL, NULL, NGX_HTTP_AI_INVALID_REQUEST },

    ngx_http_ai_null_rule
};


const ngx_http_ai_provider_t  ngx_http_ai_provider_deepseek = {
    .name = ngx_string("deepseek"),
    .price_prefix = ngx_string("deepseek/"),
    .credential = NGX_HTTP_AI_CREDENTIAL_BEARER,
    .endpoints = NGX_HTTP_AI_EP_CHAT
                 | NGX_HTTP_AI_EP_COMPLETIONS
                 | NGX_HTTP_AI_EP_RESPONSES
                 | NGX_HTTP_AI_EP_MESSAGES,
    .stream_usage = 1,
    .rules = ngx_http_ai_rules_deepseek
};
