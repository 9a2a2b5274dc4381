
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_providers.h"


static const ngx_http_ai_rule_t  ngx_http_ai_rules_cerebras[] = {
    { 0, "queue_exceeded", NULL, NULL, NGX_HTTP_AI_OVERLOADED },
    { 0, "token_quota_exceeded", NULL, "per day", NGX_HTTP_AI_RATE_LIMIT_DAY },
    { 0, "token_quota_exceeded", NULL, NULL, NGX_HTTP_AI_RATE_LIMIT },
    { 0, "request_quota_exceeded", NULL, "per day",
      NGX_HTTP_AI_RATE_LIMIT_DAY },
    { 0, "request_quota_exceeded", NULL, NULL, NGX_HTTP_AI_RATE_LIMIT },

    ngx_http_ai_null_rule
};


const ngx_http_ai_provider_t  ngx_http_ai_provider_cerebras = {
    .name = ngx_string("cerebras"),
    .price_prefix = ngx_string("cerebras/"),
    .credential = NGX_HTTP_AI_CREDENTIAL_BEARER,
    .endpoints = NGX_HTTP_AI_EP_CHAT
                 | NGX_HTTP_AI_EP_COMPLETIONS,
    .stream_usage = 1,
    .rules = ngx_http_ai_rules_cerebras
};
