
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_providers.h"


static const ngx_http_ai_rule_t  ngx_http_ai_rules_azure[] = {

    /* one code for a limit of ours and for a system that is full */

    { 429, "RateLimitReached", NULL, "high demand", NGX_HTTP_AI_OVERLOADED },
    { 429, "429", NULL, "high demand", NGX_HTTP_AI_OVERLOADED },
    { 0, "PermissionDenied", NULL, NULL, NGX_HTTP_AI_PERMISSION },
    { 403, NULL, NULL, "temporarily blocked", NGX_HTTP_AI_ACCOUNT_DISABLED },

    ngx_http_ai_null_rule
};


const ngx_http_ai_provider_t  ngx_http_ai_provider_azure = {
    .name = ngx_string("azure"),
    .price_prefix = ngx_string("azure/"),
    .credential = NGX_HTTP_AI_CREDENTIAL_API_KEY,
    .endpoints = NGX_HTTP_AI_EP_CHAT
                 | NGX_HTTP_AI_EP_COMPLETIONS
                 | NGX_HTTP_AI_EP_RESPONSES
                 | NGX_HTTP_AI_EP_EMBEDDINGS
                 | NGX_HTTP_AI_EP_IMAGES
                 | NGX_HTTP_AI_EP_SPEECH
                 | NGX_HTTP_AI_EP_TRANSCRIBE
                 | NGX_HTTP_AI_EP_VIDEOS
                 | NGX_HTTP_AI_EP_DEPLOYMENTS
                 | NGX_HTTP_AI_EP_RESOURCES,
    .stream_usage = 1,
    .rules = ngx_http_ai_rules_azure
};
