
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_providers.h"


/* the common rules are written in OpenAI's words: few are left for it */

static const ngx_http_ai_rule_t  ngx_http_ai_rules_openai[] = {
    { 429, NULL, NULL, "engine is currently overloaded",
      NGX_HTTP_AI_OVERLOADED },
    { 401, NULL, NULL, "has been deactivated", NGX_HTTP_AI_ACCOUNT_DISABLED },

    ngx_http_ai_null_rule
};


const ngx_http_ai_provider_t  ngx_http_ai_provider_openai = {
    .name = ngx_string("openai"),
    .price_prefix = ngx_string("openai/"),
    .credential = NGX_HTTP_AI_CREDENTIAL_BEARER,
    .endpoints = NGX_HTTP_AI_EP_CHAT
                 | NGX_HTTP_AI_EP_COMPLETIONS
                 | NGX_HTTP_AI_EP_RESPONSES
                 | NGX_HTTP_AI_EP_EMBEDDINGS
                 | NGX_HTTP_AI_EP_MODERATIONS
                 | NGX_HTTP_AI_EP_IMAGES
                 | NGX_HTTP_AI_EP_SPEECH
                 | NGX_HTTP_AI_EP_TRANSCRIBE
                 | NGX_HTTP_AI_EP_VIDEOS
                 | NGX_HTTP_AI_EP_RESOURCES,
    .stream_usage = 1,
    .rules = ngx_http_ai_rules_openai
};
