
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_providers.h"


static const ngx_http_ai_rule_t  ngx_http_ai_rules_mistral[] = {
    { 0, "3505", NULL, NULL, NGX_HTTP_AI_OVERLOADED },
    { 0, "1500", NULL, NULL, NGX_HTTP_AI_MODEL_NOT_FOUND },
    { 0, NULL, "service_tier_capacity_exceeded", NULL,
      NGX_HTTP_AI_OVERLOADED },
    { 0, NULL, "invalid_model", NULL, NGX_HTTP_AI_MODEL_NOT_FOUND },
    { 429, NULL, "rate_limited", "capacity exceeded", NGX_HTTP_AI_OVERLOADED },
    { 429, NULL, NULL, "capacity exceeded", NGX_HTTP_AI_OVERLOADED },
    { 422, NULL, NULL, NULL, NGX_HTTP_AI_INVALID_REQUEST },

    ngx_http_ai_null_rule
};


/* refuses include_usage ("extra inputs are not permitted"): sends it always */

const ngx_http_ai_provider_t  ngx_http_ai_provider_mistral = {
    .name = ngx_string("mistral"),
    .price_prefix = ngx_string("mistral/"),
    .credential = NGX_HTTP_AI_CREDENTIAL_BEARER,
    .endpoints = NGX_HTTP_AI_EP_CHAT
                 | NGX_HTTP_AI_EP_EMBEDDINGS
                 | NGX_HTTP_AI_EP_MODERATIONS
                 | NGX_HTTP_AI_EP_SPEECH
                 | NGX_HTTP_AI_EP_TRANSCRIBE
                 | NGX_HTTP_AI_EP_RESOURCES,
    .stream_usage = 0,
    .rules = ngx_http_ai_rules_mistral
};
