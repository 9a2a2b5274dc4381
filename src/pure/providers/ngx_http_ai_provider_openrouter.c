
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_providers.h"


static const ngx_http_ai_rule_t  ngx_http_ai_rules_openrouter[] = {

    /* with a hint it is a budget in flight, not one that is spent */

    { 402, "@wait", NULL, NULL, NGX_HTTP_AI_RATE_LIMIT },
    { 0, NULL, "authentication", NULL, NGX_HTTP_AI_AUTH },
    { 0, NULL, "payment_required", NULL, NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, NULL, "permission_denied", NULL, NGX_HTTP_AI_PERMISSION },
    { 0, NULL, "provider_overloaded", NULL, NGX_HTTP_AI_OVERLOADED },
    { 0, NULL, "provider_unavailable", NULL, NGX_HTTP_AI_SERVER_ERROR },
    { 0, NULL, "timeout", NULL, NGX_HTTP_AI_TIMEOUT },
    { 0, NULL, "context_length_exceeded", NULL, NGX_HTTP_AI_CONTEXT_LENGTH },
    { 0, NULL, "max_tokens_exceeded", NULL, NGX_HTTP_AI_OUTPUT_LIMIT },
    { 0, NULL, "content_policy_violation", NULL, NGX_HTTP_AI_CONTENT_FILTER },
    { 0, NULL, "refusal", NULL, NGX_HTTP_AI_CONTENT_FILTER },
    { 0, NULL, "server", NULL, NGX_HTTP_AI_SERVER_ERROR },
    { 0, NULL, "unmapped", NULL, NGX_HTTP_AI_SERVER_ERROR },
    { 400, NULL, NULL, "^token limit reached", NGX_HTTP_AI_OUTPUT_LIMIT },
    { 403, NULL, NULL, "flagged", NGX_HTTP_AI_CONTENT_FILTER },
    { 403, NULL, NULL, "requires moderation", NGX_HTTP_AI_CONTENT_FILTER },

    ngx_http_ai_null_rule
};


const ngx_http_ai_provider_t  ngx_http_ai_provider_openrouter = {
    .name = ngx_string("openrouter"),
    .price_prefix = ngx_string("openrouter/"),
    .credential = NGX_HTTP_AI_CREDENTIAL_BEARER,
    .endpoints = NGX_HTTP_AI_EP_CHAT
                 | NGX_HTTP_AI_EP_COMPLETIONS
                 | NGX_HTTP_AI_EP_RESPONSES
                 | NGX_HTTP_AI_EP_EMBEDDINGS
                 | NGX_HTTP_AI_EP_RERANK
                 | NGX_HTTP_AI_EP_MESSAGES,
    .stream_usage = 1,
    .rules = ngx_http_ai_rules_openrouter
};
