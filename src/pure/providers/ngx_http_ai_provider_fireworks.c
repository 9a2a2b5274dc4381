
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_providers.h"


static const ngx_http_ai_rule_t  ngx_http_ai_rules_fireworks[] = {
    { 412, "PRECONDITION_FAILED", NULL, "suspended",
      NGX_HTTP_AI_ACCOUNT_DISABLED },
    { 412, "PRECONDITION_FAILED", NULL, "lora", NGX_HTTP_AI_MODEL_NOT_FOUND },
    { 412, "PRECONDITION_FAILED", NULL, "addon", NGX_HTTP_AI_MODEL_NOT_FOUND },
    { 412, NULL, NULL, NULL, NGX_HTTP_AI_ACCOUNT_DISABLED },

    ngx_http_ai_null_rule
};


const ngx_http_ai_provider_t  ngx_http_ai_provider_fireworks = {
    .name = ngx_string("fireworks"),
    .price_prefix = ngx_string("fireworks_ai/"),
    .credential = NGX_HTTP_AI_CREDENTIAL_BEARER,
    .endpoints = NGX_HTTP_AI_EP_CHAT
                 | NGX_HTTP_AI_EP_COMPLETIONS
                 | NGX_HTTP_AI_EP_RESPONSES
                 | NGX_HTTP_AI_EP_EMBEDDINGS
                 | NGX_HTTP_AI_EP_RERANK
                 | NGX_HTTP_AI_EP_MESSAGES
                 | NGX_HTTP_AI_EP_TRANSCRIBE,
    .stream_usage = 1,
    .rules = ngx_http_ai_rules_fireworks
};
