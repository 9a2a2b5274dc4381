
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * A shape is a dialect's body with places for what differs; a row says what
 * stands there for one status or kind.  A provider's own rows come before
 * those of its shape, and a status without any gets words that mean nothing
 * to the classifier, so that the status alone speaks.
 */


#include "ngx_http_ai_faultanswer.h"


#define NGX_HTTP_AI_FAULTANSWER_BODY  1536   /* bytes of a body */


typedef enum {
    NGX_HTTP_AI_SHAPE_OPENAI = 0,
    NGX_HTTP_AI_SHAPE_ANTHROPIC,
    NGX_HTTP_AI_SHAPE_GOOGLE,
    NGX_HTTP_AI_SHAPE_BEDROCK,
    NGX_HTTP_AI_SHAPE_MISTRAL,
    NGX_HTTP_AI_SHAPE_XAI,
    NGX_HTTP_AI_SHAPE_OPENROUTER,
    NGX_HTTP_AI_SHAPE_VLLM,
    NGX_HTTP_AI_SHAPE_COHERE
} ngx_http_ai_faultanswer_shape_e;


/* %s status, %t type, %c code with its quotes or null, %m message */

typedef struct {
    const char              *body;
    const char              *type4;      /* of a status without a row: 4xx */
    const char              *type5;      /* ... 5xx */
} ngx_http_ai_faultanswer_shape_t;


typedef struct {
    const char              *provider;
    ngx_uint_t               shape;
} ngx_http_ai_faultanswer_provider_t;


typedef struct {
    const char              *provider;   /* NULL: all of the shape */
    ngx_uint_t               shape;
    ngx_http_ai_fault_e      kind;
    ngx_uint_t               status;
    const char              *type;
    const char              *code;       /* NULL: null */
    const char              *message;
    const char              *body;       /* NULL: the shape's */
} ngx_http_ai_faultanswer_row_t;


static const ngx_http_ai_faultanswer_row_t *ngx_http_ai_faultanswer_find(
    const ngx_http_ai_provider_t *provider, ngx_uint_t shape,
    ngx_http_ai_fault_e kind, ngx_uint_t status);
static ngx_uint_t ngx_http_ai_faultanswer_is(const char *name,
    const ngx_http_ai_provider_t *provider);
static u_char *ngx_http_ai_faultanswer_body(u_char *p,
    const ngx_http_ai_faultanswer_row_t *row);
static u_char *ngx_http_ai_faultanswer_text(u_char *p, const char *text);
static u_char *ngx_http_ai_faultanswer_number(u_char *p, ngx_uint_t n);


static const ngx_http_ai_faultanswer_shape_t  ngx_http_ai_faultanswer_shapes[]
    =
{
    [NGX_HTTP_AI_SHAPE_OPENAI] = {
        "{\"error\":{\"message\":\"%m\",\"type\":\"%t\",\"param\":null,"
        "\"code\":%c}}",
        "invalid_request_error", "api_error" },

    [NGX_HTTP_AI_SHAPE_ANTHROPIC] = {
        "{\"type\":\"error\",\"error\":{\"type\":\"%t\",\"message\":\"%m\"},"
        "\"request_id\":\"req_drill\"}",
        "invalid_request_error", "api_error" },

    [NGX_HTTP_AI_SHAPE_GOOGLE] = {
        "{\"error\":{\"code\":%s,\"message\":\"%m\",\"status\":\"%t\"}}",
        "UNKNOWN", "UNKNOWN" },

    [NGX_HTTP_AI_SHAPE_BEDROCK] = {
        "{\"message\":\"%m\"}",
        "ValidationException", "UnknownException" },

    [NGX_HTTP_AI_SHAPE_MISTRAL] = {
        "{\"object\":\"error\",\"message\":\"%m\",\"type\":\"%t\","
        "\"param\":null,\"code\":%c}",
        "invalid_request", "service_error" },

    [NGX_HTTP_AI_SHAPE_XAI] = {
        "{\"code\":\"%t\",\"error\":\"%m\"}",
        "invalid-argument", "internal" },

    [NGX_HTTP_AI_SHAPE_OPENROUTER] = {
        "{\"error\":{\"code\":%s,\"message\":\"%m\","
        "\"metadata\":{\"error_type\":\"%t\"}}}",
        "invalid_request", "unknown" },

    [NGX_HTTP_AI_SHAPE_VLLM] = {
        "{\"error\":{\"message\":\"%m\",\"type\":\"%t\",\"param\":null,"
        "\"code\":%s}}",
        "BadRequestError", "Error" },

    [NGX_HTTP_AI_SHAPE_COHERE] = {
        "{\"id\":\"drill\",\"message\":\"%m\"}",
        "", "" }
};


/* those that are not here speak OpenAI's dialect */

static const ngx_http_ai_faultanswer_provider_t
    ngx_http_ai_faultanswer_providers[] =
{
    { "anthropic", NGX_HTTP_AI_SHAPE_ANTHROPIC },
    { "gemini", NGX_HTTP_AI_SHAPE_GOOGLE },
    { "vertex", NGX_HTTP_AI_SHAPE_GOOGLE },
    { "bedrock", NGX_HTTP_AI_SHAPE_BEDROCK },
    { "mistral", NGX_HTTP_AI_SHAPE_MISTRAL },
    { "xai", NGX_HTTP_AI_SHAPE_XAI },
    { "openrouter", NGX_HTTP_AI_SHAPE_OPENROUTER },
    { "vllm", NGX_HTTP_AI_SHAPE_VLLM },
    { "cohere", NGX_HTTP_AI_SHAPE_COHERE },
    { NULL, NGX_HTTP_AI_SHAPE_OPENAI }
};


#define OPENAI      NULL, NGX_HTTP_AI_SHAPE_OPENAI
#define ANTHROPIC   NULL, NGX_HTTP_AI_SHAPE_ANTHROPIC
#define GOOGLE      NULL, NGX_HTTP_AI_SHAPE_GOOGLE
#define BEDROCK     NULL, NGX_HTTP_AI_SHAPE_BEDROCK
#define MISTRAL     NULL, NGX_HTTP_AI_SHAPE_MISTRAL
#define XAI         NULL, NGX_HTTP_AI_SHAPE_XAI
#define OPENROUTER  NULL, NGX_HTTP_AI_SHAPE_OPENROUTER
#define VLLM        NULL, NGX_HTTP_AI_SHAPE_VLLM
#define COHERE      NULL, NGX_HTTP_AI_SHAPE_COHERE

#define OF(name)    name, NGX_HTTP_AI_SHAPE_OPENAI

#define STATUS      NGX_HTTP_AI_FAULT_STATUS
#define CREDENTIAL  NGX_HTTP_AI_FAULT_BAD_CREDENTIAL
#define QUOTA       NGX_HTTP_AI_FAULT_EXHAUSTED_QUOTA

#define INVALID     "invalid_request_error"


static const ngx_http_ai_faultanswer_row_t  ngx_http_ai_faultanswer_rows[] = {

    /* providers with words of their own in a common shape */

    { OF("azure"), CREDENTIAL, 401, INVALID, "401",
      "Access denied due to invalid subscription key or wrong API endpoint. "
      "Make sure to provide a valid key for an active subscription and use a "
      "correct regional API endpoint for your resource.",
      "{\"error\":{\"code\":%c,\"message\":\"%m\"}}" },

    { OF("azure"), STATUS, 429, INVALID, "RateLimitReached",
      "Your requests have exceeded rate limit.",
      "{\"error\":{\"code\":%c,\"message\":\"%m\"}}" },

    { OF("groq"), CREDENTIAL, 401, INVALID, "invalid_api_key",
      "Invalid API Key", NULL },
    { OF("groq"), QUOTA, 400, INVALID, "blocked_api_access",
      "API access is blocked: the spend limit of your organization is "
      "reached.", NULL },

    { OF("deepseek"), CREDENTIAL, 401, "authentication_error", INVALID,
      "Authentication Fails, Your api key is invalid", NULL },
    { OF("deepseek"), QUOTA, 402, "unknown_error", INVALID,
      "Insufficient Balance", NULL },

    { OF("together"), QUOTA, 402, "credit_limit", NULL,
      "Credit limit exceeded. Please add credits to your account.", NULL },

    { OF("fireworks"), QUOTA, 402, "error", "payment_required",
      "Your account has no credits left.", NULL },

    { OF("ollama"), CREDENTIAL, 401, "api_error", NULL, "unauthorized",
      NULL },
    { OF("ollama"), STATUS, 503, "api_error", NULL,
      "server busy, please try again.  maximum pending requests exceeded",
      NULL },

    { "vertex", NGX_HTTP_AI_SHAPE_GOOGLE, CREDENTIAL, 401, "UNAUTHENTICATED",
      NULL, "Request had invalid authentication credentials.", NULL },
    { "vertex", NGX_HTTP_AI_SHAPE_GOOGLE, QUOTA, 403, "PERMISSION_DENIED",
      NULL, "This API method requires billing to be enabled.",
      "{\"error\":{\"code\":%s,\"message\":\"%m\",\"status\":\"%t\","
      "\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\","
      "\"reason\":\"BILLING_DISABLED\",\"domain\":\"googleapis.com\"}]}}" },

    /* OpenAI and those that speak like it */

    { OPENAI, CREDENTIAL, 401, INVALID, "invalid_api_key",
      "Incorrect API key provided.", NULL },
    { OPENAI, QUOTA, 429, "insufficient_quota", "insufficient_quota",
      "You exceeded your current quota, please check your plan and billing "
      "details.", NULL },
    { OPENAI, STATUS, 401, INVALID, "invalid_api_key",
      "Incorrect API key provided.", NULL },
    { OPENAI, STATUS, 404, INVALID, "model_not_found",
      "The model does not exist or you do not have access to it.", NULL },
    { OPENAI, STATUS, 429, "requests", "rate_limit_exceeded",
      "Rate limit reached on requests per min (RPM).", NULL },
    { OPENAI, STATUS, 500, "server_error", NULL,
      "The server had an error while processing your request. Sorry about "
      "that!", NULL },
    { OPENAI, STATUS, 503, "service_unavailable_error",
      "server_is_overloaded",
      "Our servers are currently overloaded. Please try again later.", NULL },
    { OPENAI, STATUS, 529, "overloaded_error", "overloaded", "Overloaded",
      NULL },

    { ANTHROPIC, CREDENTIAL, 401, "authentication_error", NULL,
      "invalid x-api-key", NULL },
    { ANTHROPIC, QUOTA, 400, INVALID, NULL,
      "Your credit balance is too low to access the Anthropic API. Please go "
      "to Plans & Billing to upgrade or purchase credits.", NULL },
    { ANTHROPIC, STATUS, 401, "authentication_error", NULL,
      "invalid x-api-key", NULL },
    { ANTHROPIC, STATUS, 402, "billing_error", NULL,
      "There is an issue with your billing or payment information.", NULL },
    { ANTHROPIC, STATUS, 403, "permission_error", NULL,
      "Your API key does not have permission to use the specified resource.",
      NULL },
    { ANTHROPIC, STATUS, 404, "not_found_error", NULL, "model: not found",
      NULL },
    { ANTHROPIC, STATUS, 409, "conflict_error", NULL, "Conflict", NULL },
    { ANTHROPIC, STATUS, 413, "request_too_large", NULL,
      "Request exceeds the maximum size", NULL },
    { ANTHROPIC, STATUS, 429, "rate_limit_error", NULL,
      "This request would exceed your organization's rate limit of 50 "
      "requests per minute.", NULL },
    { ANTHROPIC, STATUS, 500, "api_error", NULL, "Internal server error",
      NULL },
    { ANTHROPIC, STATUS, 503, "overloaded_error", NULL, "Overloaded", NULL },
    { ANTHROPIC, STATUS, 504, "timeout_error", NULL, "Request timed out",
      NULL },
    { ANTHROPIC, STATUS, 529, "overloaded_error", NULL, "Overloaded", NULL },

    { GOOGLE, CREDENTIAL, 400, "INVALID_ARGUMENT", NULL,
      "API key not valid. Please pass a valid API key.",
      "{\"error\":{\"code\":%s,\"message\":\"%m\",\"status\":\"%t\","
      "\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\","
      "\"reason\":\"API_KEY_INVALID\",\"domain\":\"googleapis.com\"}]}}" },
    { GOOGLE, QUOTA, 402, "RESOURCE_EXHAUSTED", NULL,
      "Your prepayment credits are depleted. Please go to AI Studio to manage "
      "your project and billing.", NULL },
    { GOOGLE, STATUS, 400, "INVALID_ARGUMENT", NULL,
      "Request contains an invalid argument.", NULL },
    { GOOGLE, STATUS, 401, "UNAUTHENTICATED", NULL,
      "Request had invalid authentication credentials.", NULL },
    { GOOGLE, STATUS, 402, "RESOURCE_EXHAUSTED", NULL,
      "Your prepayment credits are depleted.", NULL },
    { GOOGLE, STATUS, 403, "PERMISSION_DENIED", NULL,
      "The caller does not have permission", NULL },
    { GOOGLE, STATUS, 404, "NOT_FOUND", NULL,
      "The model is not found for API version v1beta.", NULL },
    { GOOGLE, STATUS, 429, "RESOURCE_EXHAUSTED", NULL,
      "You exceeded your current quota, please check your plan and billing "
      "details.",
      "{\"error\":{\"code\":%s,\"message\":\"%m\",\"status\":\"%t\","
      "\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure"
      "\",\"violations\":[{\"quotaId\":"
      "\"GenerateRequestsPerMinutePerProjectPerModel\"}]}]}}" },
    { GOOGLE, STATUS, 499, "CANCELLED", NULL, "The operation was cancelled.",
      NULL },
    { GOOGLE, STATUS, 500, "INTERNAL", NULL, "An internal error has occurred.",
      NULL },
    { GOOGLE, STATUS, 503, "UNAVAILABLE", NULL,
      "The model is overloaded. Please try again later.", NULL },
    { GOOGLE, STATUS, 504, "DEADLINE_EXCEEDED", NULL,
      "Deadline expired before operation could complete.", NULL },

    /* it bills in arrears: no answer says that the money is spent */

    { BEDROCK, CREDENTIAL, 403, "UnrecognizedClientException", NULL,
      "The security token included in the request is invalid.", NULL },
    { BEDROCK, QUOTA, 402, "PaymentRequiredException", NULL,
      "Payment is required.", NULL },
    { BEDROCK, STATUS, 403, "AccessDeniedException", NULL,
      "You don't have access to the model with the specified model ID.",
      NULL },
    { BEDROCK, STATUS, 404, "ResourceNotFoundException", NULL,
      "Could not resolve the foundation model from the provided model "
      "identifier.", NULL },
    { BEDROCK, STATUS, 408, "ModelTimeoutException", NULL,
      "The model took too long to respond.", NULL },
    { BEDROCK, STATUS, 424, "ModelErrorException", NULL,
      "The system encountered an unexpected error during processing. Try your "
      "request again.", NULL },
    { BEDROCK, STATUS, 429, "ThrottlingException", NULL,
      "Too many requests, please wait before trying again.", NULL },
    { BEDROCK, STATUS, 500, "InternalServerException", NULL,
      "The system encountered an unexpected error during processing. Try your "
      "request again.", NULL },
    { BEDROCK, STATUS, 503, "ServiceUnavailableException", NULL,
      "The service isn't currently available. Try your request again.", NULL },

    { MISTRAL, CREDENTIAL, 401, "", NULL, "Invalid API Key",
      "{\"detail\":\"%m\"}" },
    { MISTRAL, QUOTA, 402, "payment_required", NULL,
      "Payment is required to use this model.", NULL },
    { MISTRAL, STATUS, 401, "", NULL, "Invalid API Key",
      "{\"detail\":\"%m\"}" },
    { MISTRAL, STATUS, 429, "rate_limited", "1300", "Rate limit exceeded",
      NULL },
    { MISTRAL, STATUS, 500, "internal_server_error", "1000",
      "Internal server error", NULL },
    { MISTRAL, STATUS, 503, "unreachable_backend", "1100",
      "Service unavailable.", NULL },

    { XAI, CREDENTIAL, 400, "invalid-argument", NULL,
      "Incorrect API key provided. You can obtain an API key from "
      "https://console.x.ai.", NULL },
    { XAI, QUOTA, 403, "The caller does not have permission to execute the "
      "specified operation", NULL,
      "Your team has either used all available credits or reached its monthly "
      "spending limit.", NULL },

    { OPENROUTER, CREDENTIAL, 401, "authentication", NULL, "User not found.",
      NULL },
    { OPENROUTER, QUOTA, 402, "payment_required", NULL,
      "Insufficient credits. Add more using the credits page.", NULL },
    { OPENROUTER, STATUS, 401, "authentication", NULL, "User not found.",
      NULL },
    { OPENROUTER, STATUS, 402, "payment_required", NULL,
      "Insufficient credits. Add more using the credits page.", NULL },
    { OPENROUTER, STATUS, 403, "permission_denied", NULL,
      "Your key does not have access to this model.", NULL },
    { OPENROUTER, STATUS, 429, "rate_limit_exceeded", NULL,
      "Rate limit exceeded", NULL },
    { OPENROUTER, STATUS, 502, "provider_unavailable", NULL,
      "Provider returned error", NULL },
    { OPENROUTER, STATUS, 503, "provider_overloaded", NULL,
      "Provider returned error", NULL },
    { OPENROUTER, STATUS, 504, "timeout", NULL, "Provider timed out", NULL },
    { OPENROUTER, STATUS, 500, "server", NULL, "Internal Server Error",
      NULL },

    /* nobody bills here: the status alone says it */

    { VLLM, CREDENTIAL, 401, "", NULL, "Unauthorized",
      "{\"error\":\"%m\"}" },
    { VLLM, QUOTA, 402, "PaymentRequired", NULL, "Payment is required.",
      NULL },
    { VLLM, STATUS, 404, "NotFoundError", NULL, "The model does not exist.",
      NULL },
    { VLLM, STATUS, 500, "InternalServerError", NULL, "Internal server error",
      NULL },

    { COHERE, CREDENTIAL, 401, "", NULL, "invalid api token", NULL },
    { COHERE, QUOTA, 402, "", NULL,
      "Please add or update your payment method.", NULL },

    { NULL, 0, NGX_HTTP_AI_FAULT_NONE, 0, NULL, NULL, NULL, NULL }
};

#undef OPENAI
#undef ANTHROPIC
#undef GOOGLE
#undef BEDROCK
#undef MISTRAL
#undef XAI
#undef OPENROUTER
#undef VLLM
#undef COHERE
#undef OF
#undef STATUS
#undef CREDENTIAL
#undef QUOTA
#undef INVALID


size_t
ngx_http_ai_faultanswer(const ngx_http_ai_provider_t *provider,
    ngx_http_ai_fault_e kind, ngx_uint_t status, u_char *buf)
{
    u_char                                    *p, *last;
    u_char                                     body
                                              [NGX_HTTP_AI_FAULTANSWER_BODY];
    ngx_uint_t                                 shape;
    ngx_http_ai_faultanswer_row_t              plain;
    const ngx_http_ai_faultanswer_row_t       *row;
    const ngx_http_ai_faultanswer_provider_t  *of;

    for (of = ngx_http_ai_faultanswer_providers; of->provider; of++) {
        if (ngx_http_ai_faultanswer_is(of->provider, provider)) {
            break;
        }
    }

    shape = of->shape;
    row = ngx_http_ai_faultanswer_find(provider, shape, kind, status);

    if (row == NULL) {

        if (kind != NGX_HTTP_AI_FAULT_STATUS) {
            return 0;
        }

        ngx_memzero(&plain, sizeof(ngx_http_ai_faultanswer_row_t));

        plain.shape = shape;
        plain.status = status;
        plain.type = status < 500
                     ? ngx_http_ai_faultanswer_shapes[shape].type4
                     : ngx_http_ai_faultanswer_shapes[shape].type5;
        plain.message = "The request was refused.";

        row = &plain;
    }

    last = ngx_http_ai_faultanswer_body(body, row);

    p = ngx_http_ai_faultanswer_text(buf, "HTTP/1.1 ");
    p = ngx_http_ai_faultanswer_number(p, row->status);
    p = ngx_http_ai_faultanswer_text(p, " Drill\r\n"
                                     "Content-Type: application/json\r\n"
                                     "Connection: close\r\n");

    if (shape == NGX_HTTP_AI_SHAPE_BEDROCK) {
        p = ngx_http_ai_faultanswer_text(p, "x-amzn-ErrorType: ");
        p = ngx_http_ai_faultanswer_text(p, row->type);
        p = ngx_http_ai_faultanswer_text(p, "\r\n");
    }

    p = ngx_http_ai_faultanswer_text(p, "Content-Length: ");
    p = ngx_http_ai_faultanswer_number(p, last - body);
    p = ngx_http_ai_faultanswer_text(p, "\r\n\r\n");
    p = ngx_cpymem(p, body, last - body);

    return p - buf;
}


static const ngx_http_ai_faultanswer_row_t *
ngx_http_ai_faultanswer_find(const ngx_http_ai_provider_t *provider,
    ngx_uint_t shape, ngx_http_ai_fault_e kind, ngx_uint_t status)
{
    const ngx_http_ai_faultanswer_row_t  *row;

    for (row = ngx_http_ai_faultanswer_rows; row->status; row++) {

        if (row->shape == shape && row->kind == kind
            && (kind != NGX_HTTP_AI_FAULT_STATUS || row->status == status)
            && (row->provider == NULL
                || ngx_http_ai_faultanswer_is(row->provider, provider)))
        {
            return row;
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_http_ai_faultanswer_is(const char *name,
    const ngx_http_ai_provider_t *provider)
{
    return strlen(name) == provider->name.len
           && ngx_memcmp(name, provider->name.data, provider->name.len) == 0;
}


/* the rows are ours and fit: a unit test writes all of them */

static u_char *
ngx_http_ai_faultanswer_body(u_char *p,
    const ngx_http_ai_faultanswer_row_t *row)
{
    const char  *s;

    s = row->body ? row->body
                  : ngx_http_ai_faultanswer_shapes[row->shape].body;

    for ( /* void */ ; *s; s++) {

        if (*s != '%') {
            *p++ = (u_char) *s;
            continue;
        }

        switch (*++s) {

        case 's':
            p = ngx_http_ai_faultanswer_number(p, row->status);
            break;

        case 't':
            p = ngx_http_ai_faultanswer_text(p, row->type);
            break;

        case 'm':
            p = ngx_http_ai_faultanswer_text(p, row->message);
            break;

        default: /* 'c' */

            if (row->code == NULL) {
                p = ngx_http_ai_faultanswer_text(p, "null");
                break;
            }

            *p++ = '"';
            p = ngx_http_ai_faultanswer_text(p, row->code);
            *p++ = '"';
        }
    }

    return p;
}


static u_char *
ngx_http_ai_faultanswer_text(u_char *p, const char *text)
{
    return ngx_cpymem(p, text, strlen(text));
}


static u_char *
ngx_http_ai_faultanswer_number(u_char *p, ngx_uint_t n)
{
    u_char  *d, digits[20];

    d = digits + sizeof(digits);

    do {
        *--d = (u_char) ('0' + n % 10);
        n /= 10;
    } while (n);

    return ngx_cpymem(p, d, digits + sizeof(digits) - d);
}
