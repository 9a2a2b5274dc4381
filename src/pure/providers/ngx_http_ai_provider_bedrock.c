
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_providers.h"


/* the types come in the x-amzn-errortype header */

static const ngx_http_ai_rule_t  ngx_http_ai_rules_bedrock[] = {
    { 0, NULL, "ValidationException", "input tokens exceeded",
      NGX_HTTP_AI_CONTEXT_LENGTH },
    { 0, NULL, "ValidationException", "input is too long",
      NGX_HTTP_AI_CONTEXT_LENGTH },
    { 0, NULL, "ValidationException", "model identifier is invalid",
      NGX_HTTP_AI_MODEL_NOT_FOUND },
    { 0, NULL, "ThrottlingException", "per day", NGX_HTTP_AI_RATE_LIMIT_DAY },
    { 0, NULL, "ThrottlingException", NULL, NGX_HTTP_AI_RATE_LIMIT },
    { 0, NULL, "ServiceQuotaExceededException", NULL, NGX_HTTP_AI_RATE_LIMIT },
    { 0, NULL, "ModelNotReadyException", NULL, NGX_HTTP_AI_OVERLOADED },
    { 0, NULL, "ServiceUnavailableException", NULL, NGX_HTTP_AI_OVERLOADED },
    { 0, NULL, "UnrecognizedClientException", NULL, NGX_HTTP_AI_AUTH },
    { 0, NULL, "ExpiredTokenException", NULL, NGX_HTTP_AI_AUTH },
    { 0, NULL, "InvalidClientTokenId", NULL, NGX_HTTP_AI_AUTH },
    { 0, NULL, "InvalidSignatureException", NULL, NGX_HTTP_AI_AUTH },
    { 0, NULL, "IncompleteSignature*", NULL, NGX_HTTP_AI_AUTH },
    { 0, NULL, "MissingAuthenticationToken*", NULL, NGX_HTTP_AI_AUTH },
    { 0, NULL, "AccessDeniedException", "authentication failed",
      NGX_HTTP_AI_AUTH },
    { 0, NULL, "AccessDeniedException", "bearer token has expired",
      NGX_HTTP_AI_AUTH },
    { 0, NULL, "AccessDeniedException", NULL, NGX_HTTP_AI_PERMISSION },
    { 0, NULL, "ResourceNotFoundException", NULL,
      NGX_HTTP_AI_MODEL_NOT_FOUND },
    { 0, NULL, "ModelTimeoutException", NULL, NGX_HTTP_AI_TIMEOUT },
    { 0, NULL, "ModelErrorException", NULL, NGX_HTTP_AI_SERVER_ERROR },
    { 0, NULL, "ModelStreamErrorException", NULL, NGX_HTTP_AI_SERVER_ERROR },
    { 0, NULL, "InternalServerException", NULL, NGX_HTTP_AI_SERVER_ERROR },

    ngx_http_ai_null_rule
};


/*
 * Requests are not signed: a Bedrock API key is a Bearer token.  Parameters
 * that a model does not know are refused there, so none is added.
 */

const ngx_http_ai_provider_t  ngx_http_ai_provider_bedrock = {
    .name = ngx_string("bedrock"),
    .price_prefix = ngx_string("bedrock/"),
    .credential = NGX_HTTP_AI_CREDENTIAL_BEARER,
    .endpoints = NGX_HTTP_AI_EP_CHAT
                 | NGX_HTTP_AI_EP_RESPONSES
                 | NGX_HTTP_AI_EP_MESSAGES
                 | NGX_HTTP_AI_EP_BEDROCK,
    .stream_usage = 0,
    .rules = ngx_http_ai_rules_bedrock
};
