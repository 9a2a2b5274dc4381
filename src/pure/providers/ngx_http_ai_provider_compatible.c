
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_providers.h"


/* any server that speaks OpenAI's dialect; the common rules alone */

const ngx_http_ai_provider_t  ngx_http_ai_provider_compatible = {
    .name = ngx_string("compatible"),
    .price_prefix = ngx_string(""),
    .credential = NGX_HTTP_AI_CREDENTIAL_BEARER,
    .endpoints = NGX_HTTP_AI_EP_ALL,
    .stream_usage = 1,
    .rules = ngx_http_ai_rules_none
};


const ngx_http_ai_rule_t  ngx_http_ai_rules_none[] = {
    ngx_http_ai_null_rule
};
