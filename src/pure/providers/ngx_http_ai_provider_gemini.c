
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_providers.h"


/*
 * INVALID_ARGUMENT is not here: it is a wrong key (by its reason), a context
 * that is too long (by its message) or else an invalid request.
 */

const ngx_http_ai_rule_t  ngx_http_ai_rules_google[] = {

    /* money first where the words leave no doubt: it was a 429 before */

    { 429, "@retry_info", NULL, "prepayment credits",
      NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, "API_KEY_*_BLOCKED", NULL, NULL, NGX_HTTP_AI_PERMISSION },
    { 0, "ACCESS_TOKEN_*", NULL, NULL, NGX_HTTP_AI_AUTH },
    { 0, "CONSUMER_SUSPENDED", NULL, NULL, NGX_HTTP_AI_ACCOUNT_DISABLED },
    { 0, "BILLING_DISABLED", NULL, NULL, NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, "SERVICE_DISABLED", NULL, NULL, NGX_HTTP_AI_PERMISSION },
    { 402, NULL, "RESOURCE_EXHAUSTED", NULL, NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, NULL, "RESOURCE_EXHAUSTED", "prepayment credits",
      NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, NULL, "RESOURCE_EXHAUSTED", "credits are depleted",
      NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, NULL, "RESOURCE_EXHAUSTED", "spending cap",
      NGX_HTTP_AI_QUOTA_EXHAUSTED },

    /* without details it is the pool of all customers that is exhausted */

    { 429, NULL, "RESOURCE_EXHAUSTED", "^resource exhausted",
      NGX_HTTP_AI_OVERLOADED },
    { 0, NULL, "RESOURCE_EXHAUSTED", "per day", NGX_HTTP_AI_RATE_LIMIT_DAY },
    { 0, NULL, "RESOURCE_EXHAUSTED", NULL, NGX_HTTP_AI_RATE_LIMIT },
    { 0, NULL, "UNAUTHENTICATED", NULL, NGX_HTTP_AI_AUTH },
    { 0, NULL, "FAILED_PRECONDITION", NULL, NGX_HTTP_AI_PERMISSION },
    { 0, NULL, "PERMISSION_DENIED", "reported as leaked", NGX_HTTP_AI_AUTH },
    { 0, NULL, "PERMISSION_DENIED", "suspended",
      NGX_HTTP_AI_ACCOUNT_DISABLED },
    { 0, NULL, "PERMISSION_DENIED", NULL, NGX_HTTP_AI_PERMISSION },
    { 0, NULL, "NOT_FOUND", NULL, NGX_HTTP_AI_MODEL_NOT_FOUND },
    { 0, NULL, "UNAVAILABLE", NULL, NGX_HTTP_AI_OVERLOADED },
    { 0, NULL, "DEADLINE_EXCEEDED", NULL, NGX_HTTP_AI_TIMEOUT },
    { 0, NULL, "INTERNAL", NULL, NGX_HTTP_AI_SERVER_ERROR },
    { 0, NULL, "CANCELLED", NULL, NGX_HTTP_AI_SERVER_ERROR },

    ngx_http_ai_null_rule
};


/*
 * The native API wants x-goog-api-key and takes a Bearer token for OAuth's.
 * The OpenAI-compatible one (.../v1beta/openai) wants the same key as a
 * Bearer token and refuses x-goog-api-key; both together are refused by both.
 */

const ngx_http_ai_provider_t  ngx_http_ai_provider_gemini = {
    .name = ngx_string("gemini"),
    .price_prefix = ngx_string("gemini/"),
    .credential = NGX_HTTP_AI_CREDENTIAL_X_GOOG_API_KEY,
    .endpoints = NGX_HTTP_AI_EP_CHAT
                 | NGX_HTTP_AI_EP_EMBEDDINGS
                 | NGX_HTTP_AI_EP_IMAGES
                 | NGX_HTTP_AI_EP_GEMINI,
    .stream_usage = 1,
    .rules = ngx_http_ai_rules_google,
    .bearer_path = "/openai"
};
