
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_providers.h"


static const ngx_http_ai_rule_t  ngx_http_ai_rules_anthropic[] = {
    { 0, "linked_organization_*", NULL, NULL, NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, "*_spend_limit_reached", NULL, NULL, NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, "ramp_limit_exceeded", NULL, NULL, NGX_HTTP_AI_SLOW_DOWN },
    { 0, "cmek_*", NULL, NULL, NGX_HTTP_AI_SERVER_ERROR },

    /*
     * The type of nearly every 400; the words it begins with are its own, what
     * follows may be the client's.
     */

    { 0, NULL, "invalid_request_error", "^prompt is too long",
      NGX_HTTP_AI_CONTEXT_LENGTH },
    { 0, NULL, "invalid_request_error", "exceed context limit",
      NGX_HTTP_AI_CONTEXT_LENGTH },
    { 0, NULL, "invalid_request_error", "^your credit balance",
      NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, NULL, "invalid_request_error", "^you have reached your specified",
      NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, NULL, "invalid_request_error", "^this organization has been disabled",
      NGX_HTTP_AI_ACCOUNT_DISABLED },
    { 0, NULL, "invalid_request_error", "^output blocked by content filter",
      NGX_HTTP_AI_CONTENT_FILTER },
    { 0, NULL, "api_error", "overloaded", NGX_HTTP_AI_OVERLOADED },
    { 529, NULL, NULL, NULL, NGX_HTTP_AI_OVERLOADED },

    ngx_http_ai_null_rule
};


/*
 * The OpenAI-compatible chat takes stream_options and needs it for usage;
 * /v1/messages has no such member and always reports.
 */

const ngx_http_ai_provider_t  ngx_http_ai_provider_anthropic = {
    .name = ngx_string("anthropic"),
    .price_prefix = ngx_string("anthropic/"),
    .credential = NGX_HTTP_AI_CREDENTIAL_X_API_KEY,
    .endpoints = NGX_HTTP_AI_EP_MESSAGES
                 | NGX_HTTP_AI_EP_CHAT
                 | NGX_HTTP_AI_EP_RESOURCES,
    .stream_usage = 1,
    .rules = ngx_http_ai_rules_anthropic,
    .check_head = ngx_string("anthropic-version: 2023-06-01\r\n")
};
