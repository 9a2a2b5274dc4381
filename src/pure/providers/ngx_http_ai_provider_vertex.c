
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_providers.h"


const ngx_http_ai_provider_t  ngx_http_ai_provider_vertex = {
    .name = ngx_string("vertex"),
    .price_prefix = ngx_string("vertex_ai/"),
    .credential = NGX_HTTP_AI_CREDENTIAL_BEARER,
    .endpoints = NGX_HTTP_AI_EP_CHAT
                 | NGX_HTTP_AI_EP_EMBEDDINGS
                 | NGX_HTTP_AI_EP_GEMINI,
    .stream_usage = 1,
    .rules = ngx_http_ai_rules_google
};
