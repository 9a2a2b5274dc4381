
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_providers.h"


static const ngx_http_ai_rule_t  ngx_http_ai_rules_xai[] = {

    /* a wrong key is a 400; its code, "invalid-argument", tells nothing */

    { 400, NULL, NULL, "^incorrect api key", NGX_HTTP_AI_AUTH },
    { 403, NULL, NULL, "used all available credits",
      NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 403, NULL, NULL, "monthly spending limit", NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 429, NULL, NULL, "used all available credits",
      NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 429, NULL, NULL, "monthly spending limit", NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 403, NULL, NULL, "usage guidelines", NGX_HTTP_AI_CONTENT_FILTER },
    { 403, NULL, NULL, "blocked", NGX_HTTP_AI_ACCOUNT_DISABLED },

    ngx_http_ai_null_rule
};


const ngx_http_ai_provider_t  ngx_http_ai_provider_xai = {
    .name = ngx_string("xai"),
    .price_prefix = ngx_string("xai/"),
    .credential = NGX_HTTP_AI_CREDENTIAL_BEARER,
    .endpoints = NGX_HTTP_AI_EP_CHAT
                 | NGX_HTTP_AI_EP_COMPLETIONS
                 | NGX_HTTP_AI_EP_RESPONSES
                 | NGX_HTTP_AI_EP_EMBEDDINGS
                 | NGX_HTTP_AI_EP_IMAGES
                 | NGX_HTTP_AI_EP_MESSAGES
                 | NGX_HTTP_AI_EP_RESOURCES,
    .stream_usage = 1,
    .rules = ngx_http_ai_rules_xai
};
