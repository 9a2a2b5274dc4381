
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_providers.h"


static const ngx_http_ai_rule_t  ngx_http_ai_rules_together[] = {

    /* "credit_limit" also labels a plain limit of requests per minute */

    { 402, NULL, "credit_limit", NULL, NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, NULL, "credit_limit", "credit limit exceeded",
      NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, NULL, "credit_limit", NULL, NGX_HTTP_AI_RATE_LIMIT },

    /* 429 is above the rate of ours, 503 at or below it */

    { 402, NULL, NULL, NULL, NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 503, NULL, NULL, NULL, NGX_HTTP_AI_OVERLOADED },

    ngx_http_ai_null_rule
};


const ngx_http_ai_provider_t  ngx_http_ai_provider_together = {
    .name = ngx_string("together"),
    .price_prefix = ngx_string("together_ai/"),
    .credential = NGX_HTTP_AI_CREDENTIAL_BEARER,
    .endpoints = NGX_HTTP_AI_EP_CHAT
                 | NGX_HTTP_AI_EP_COMPLETIONS
                 | NGX_HTTP_AI_EP_EMBEDDINGS
                 | NGX_HTTP_AI_EP_IMAGES
                 | NGX_HTTP_AI_EP_SPEECH
                 | NGX_HTTP_AI_EP_RERANK
                 | NGX_HTTP_AI_EP_TRANSCRIBE
                 | NGX_HTTP_AI_EP_VIDEOS
                 | NGX_HTTP_AI_EP_RESOURCES,
    .stream_usage = 1,
    .rules = ngx_http_ai_rules_together
};
