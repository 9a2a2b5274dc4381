
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_providers.h"


/*
 * Its types are among the common ones; "BadRequestError" includes a context
 * that is too long, so there the message is asked.
 */

const ngx_http_ai_provider_t  ngx_http_ai_provider_vllm = {
    .name = ngx_string("vllm"),
    .price_prefix = ngx_string("hosted_vllm/"),
    .credential = NGX_HTTP_AI_CREDENTIAL_BEARER,
    .endpoints = NGX_HTTP_AI_EP_CHAT
                 | NGX_HTTP_AI_EP_COMPLETIONS
                 | NGX_HTTP_AI_EP_RESPONSES
                 | NGX_HTTP_AI_EP_EMBEDDINGS
                 | NGX_HTTP_AI_EP_RERANK
                 | NGX_HTTP_AI_EP_MESSAGES
                 | NGX_HTTP_AI_EP_TRANSCRIBE,
    .stream_usage = 1,
    .rules = ngx_http_ai_rules_none
};
