
/*
 * The error bodies of the providers, alone and inside a stream.
 */

#include "ai-provider.h"


/*
 * Error bodies.  A row is found by dialect and status, and among those by
 * code=; without code= the first row of the status counts.  Texts are those
 * the providers send; "%m" stands for the model.  In the gemini and bedrock
 * rows the type is the status word and the exception's name.
 */

typedef struct {
    dialect_e    dialect;
    int          status;
    const char  *variant;
    const char  *type;
    const char  *code;                  /* NULL: JSON null, or not sent */
    const char  *message;
    const char  *extra;                 /* raw JSON, by dialect */
} failure_t;

#define INVREQ  "invalid_request_error"
#define QUOTA   "You exceeded your current quota, please check your plan and "\
    "billing details. For more information on this error, read the docs: "    \
    "https://platform.openai.com/docs/guides/error-codes/api-errors."
#define GQUOTA  "You exceeded your current quota, please check your plan and "\
    "billing details. For more information on this error, head to: "          \
    "https://ai.google.dev/gemini-api/docs/rate-limits."

static const failure_t  failures[] = {

    { D_OPENAI, 400, "invalid_value", INVREQ, "invalid_value",
      "Invalid value: 'sim'. Supported values are: 'system', 'assistant', "
      "'user', 'function', 'tool', and 'developer'.",
      "\"messages[0].role\"" },
    { D_OPENAI, 400, "context_length_exceeded", INVREQ,
      "context_length_exceeded",
      "This model's maximum context length is 128000 tokens. However, your "
      "messages resulted in 130012 tokens. Please reduce the length of the "
      "messages.", "\"messages\"" },
    { D_OPENAI, 400, "content_filter", INVREQ, "content_policy_violation",
      "Your request was rejected as a result of our safety system. Your "
      "prompt may contain text that is not allowed by our safety system.",
      NULL },
    { D_OPENAI, 400, "billing_hard_limit_reached", INVREQ,
      "billing_hard_limit_reached", "Billing hard limit has been reached",
      NULL },
    { D_OPENAI, 400, "model_not_found", INVREQ, "model_not_found",
      "The requested model '%m' does not exist.", "\"model\"" },
    { D_OPENAI, 401, "invalid_api_key", INVREQ, "invalid_api_key",
      "Incorrect API key provided: sk-sim**************************************"
      "0000. You can find your API key at "
      "https://platform.openai.com/account/api-keys.", NULL },
    { D_OPENAI, 401, "account_deactivated", INVREQ, "account_deactivated",
      "Your OpenAI account has been deactivated, please check your email for "
      "more information. If you feel this is an error, contact us through our "
      "help center at help.openai.com.", NULL },
    { D_OPENAI, 402, "billing", "billing_error", "billing",
      "Insufficient balance. Please check your plan and billing details.",
      NULL },
    { D_OPENAI, 403, "unsupported_country_region_territory",
      "request_forbidden", "unsupported_country_region_territory",
      "Country, region, or territory not supported", NULL },
    { D_OPENAI, 404, "model_not_found", INVREQ, "model_not_found",
      "The model `%m` does not exist or you do not have access to it.", NULL },
    { D_OPENAI, 409, "conflict", INVREQ, "conflict",
      "The resource was updated by another request.", NULL },
    { D_OPENAI, 413, "request_too_large", INVREQ, "request_too_large",
      "Request body is too large. Maximum size is 67108864 bytes.", NULL },
    { D_OPENAI, 429, "rate_limit_exceeded", "requests", "rate_limit_exceeded",
      "Rate limit reached for %m in organization sim-org on requests per min "
      "(RPM): Limit 500, Used 500, Requested 1. Please try again in 120ms. "
      "Visit https://platform.openai.com/account/rate-limits to learn more.",
      NULL },
    { D_OPENAI, 429, "tokens", "tokens", "rate_limit_exceeded",
      "Rate limit reached for %m in organization sim-org on tokens per min "
      "(TPM): Limit 30000, Used 29000, Requested 2000. Please try again in 2s. "
      "Visit https://platform.openai.com/account/rate-limits to learn more.",
      NULL },
    { D_OPENAI, 429, "request_too_large", "tokens", "rate_limit_exceeded",
      "Request too large for %m in organization sim-org on tokens per min "
      "(TPM): Limit 30000, Requested 41000. The input or output tokens must "
      "be reduced in order to run successfully. Visit "
      "https://platform.openai.com/account/rate-limits to learn more.", NULL },
    { D_OPENAI, 429, "insufficient_quota", "insufficient_quota",
      "insufficient_quota", QUOTA, NULL },
    { D_OPENAI, 429, "slow_down", "rate_limit_error", "slow_down",
      "Your request rate increased too quickly. Slow down.", NULL },
    { D_OPENAI, 429, "billing_not_active", "billing_not_active",
      "billing_not_active", "Your account is not active, please check your "
      "billing details on our website.", NULL },
    { D_OPENAI, 500, "server_error", "server_error", NULL,
      "The server had an error while processing your request. Sorry about "
      "that!", NULL },
    { D_OPENAI, 503, "server_is_overloaded", "service_unavailable_error",
      "server_is_overloaded",
      "Our servers are currently overloaded. Please try again later.", NULL },
    { D_OPENAI, 529, "overloaded", "overloaded_error", "overloaded",
      "Overloaded", NULL },

    { D_AZURE, 400, "invalid_value", INVREQ, "invalid_value",
      "Invalid value: 'sim'.", NULL },
    { D_AZURE, 400, "context_length_exceeded", INVREQ,
      "context_length_exceeded",
      "This model's maximum context length is 128000 tokens. However, your "
      "messages resulted in 130012 tokens.", NULL },
    { D_AZURE, 400, "content_filter", NULL, "content_filter",
      "The response was filtered due to the prompt triggering Azure OpenAI's "
      "content management policy. Please modify your prompt and retry.",
      "\"status\":400,\"innererror\":{\"code\":"
      "\"ResponsibleAIPolicyViolation\",\"content_filter_result\":{\"hate\":"
      "{\"filtered\":true,\"severity\":\"high\"}}}" },
    { D_AZURE, 401, "401", NULL, "401",
      "Access denied due to invalid subscription key or wrong API endpoint. "
      "Make sure to provide a valid key for an active subscription and use a "
      "correct regional API endpoint for your resource.", NULL },
    { D_AZURE, 403, "blocked", NULL, "403",
      "Your resource has been temporarily blocked because we detected "
      "behavior that may violate our content policy.", NULL },
    { D_AZURE, 404, "DeploymentNotFound", INVREQ, "DeploymentNotFound",
      "The API deployment for this resource does not exist. If you created "
      "the deployment within the last 5 minutes, please wait a moment and try "
      "again.", NULL },
    { D_AZURE, 429, "RateLimitReached", NULL, "RateLimitReached",
      "Your requests to %m for %m in westeurope have exceeded rate limit.",
      "\"details\":\"Your requests to %m for %m in westeurope have exceeded "
      "rate limit.\"" },
    { D_AZURE, 429, "overloaded", NULL, "429",
      "The system is currently experiencing high demand and cannot process "
      "your request. Your request exceeds the maximum usage size allowed "
      "during peak load.", NULL },
    { D_AZURE, 429, "insufficient_quota", "insufficient_quota",
      "insufficient_quota", "You exceeded your current quota, please check "
      "your plan and billing details.", NULL },

    { D_ANTHROPIC, 400, "invalid_value", INVREQ, NULL,
      "messages.0.role: Input should be 'user' or 'assistant'", NULL },
    { D_ANTHROPIC, 400, "context_length_exceeded", INVREQ, NULL,
      "prompt is too long: 250012 tokens > 200000 maximum", NULL },
    { D_ANTHROPIC, 400, "content_filter", INVREQ, NULL,
      "Output blocked by content filtering policy", NULL },
    { D_ANTHROPIC, 400, "insufficient_quota", INVREQ, NULL,
      "Your credit balance is too low to access the Anthropic API. Please go "
      "to Plans & Billing to upgrade or purchase credits.", NULL },
    { D_ANTHROPIC, 401, "invalid_api_key", "authentication_error", NULL,
      "invalid x-api-key", NULL },
    { D_ANTHROPIC, 402, "billing", "billing_error", NULL,
      "There is an issue with your billing or payment information.", NULL },
    { D_ANTHROPIC, 403, "permission", "permission_error", NULL,
      "Your API key does not have permission to use the specified resource.",
      NULL },
    { D_ANTHROPIC, 404, "model_not_found", "not_found_error", NULL,
      "model: %m", NULL },
    { D_ANTHROPIC, 409, "conflict", "conflict_error", NULL, "Conflict", NULL },
    { D_ANTHROPIC, 413, "request_too_large", "request_too_large", NULL,
      "Request exceeds the maximum size", NULL },
    { D_ANTHROPIC, 429, "rate_limit_exceeded", "rate_limit_error", NULL,
      "This request would exceed your organization's rate limit of 50 "
      "requests per minute. For details, refer to: "
      "https://docs.claude.com/en/api/rate-limits.", NULL },
    { D_ANTHROPIC, 429, "slow_down", "rate_limit_error",
      "ramp_limit_exceeded", "This request would exceed your organization's "
      "acceleration limit.", NULL },
    { D_ANTHROPIC, 429, "insufficient_quota", "rate_limit_error",
      "enforced_spend_limit_reached",
      "You have reached your usage tier's monthly spend limit.", NULL },
    { D_ANTHROPIC, 500, "server_error", "api_error", NULL,
      "Internal server error", NULL },
    { D_ANTHROPIC, 504, "timeout", "timeout_error", NULL,
      "Request timed out", NULL },
    { D_ANTHROPIC, 503, "overloaded", "overloaded_error", NULL,
      "Overloaded", NULL },
    { D_ANTHROPIC, 529, "overloaded", "overloaded_error", NULL,
      "Overloaded", NULL },

    { D_GEMINI, 400, "invalid_value", "INVALID_ARGUMENT", NULL,
      "Request contains an invalid argument.", NULL },
    { D_GEMINI, 400, "invalid_api_key", "INVALID_ARGUMENT", NULL,
      "API key not valid. Please pass a valid API key.",
      "{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":"
      "\"API_KEY_INVALID\",\"domain\":\"googleapis.com\",\"metadata\":"
      "{\"service\":\"generativelanguage.googleapis.com\"}}" },
    { D_GEMINI, 400, "context_length_exceeded", "INVALID_ARGUMENT", NULL,
      "The input token count (1200012) exceeds the maximum number of tokens "
      "allowed (1048576).", NULL },
    { D_GEMINI, 401, "invalid_api_key", "UNAUTHENTICATED", NULL,
      "Request had invalid authentication credentials.", NULL },
    { D_GEMINI, 402, "billing", "RESOURCE_EXHAUSTED", NULL,
      "Your prepayment credits are depleted. Please go to AI Studio to manage "
      "your project and billing.", NULL },
    { D_GEMINI, 403, "permission", "PERMISSION_DENIED", NULL,
      "The caller does not have permission", NULL },
    { D_GEMINI, 404, "model_not_found", "NOT_FOUND", NULL,
      "models/%m is not found for API version v1beta, or is not supported for "
      "generateContent. Call ModelService.ListModels to see the list of "
      "available models and their supported methods.", NULL },
    { D_GEMINI, 429, "rate_limit_exceeded", "RESOURCE_EXHAUSTED", NULL, GQUOTA,
      "{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\","
      "\"violations\":[{\"quotaId\":"
      "\"GenerateRequestsPerMinutePerProjectPerModel-FreeTier\"}]}" },
    { D_GEMINI, 429, "rate_limit_day", "RESOURCE_EXHAUSTED", NULL, GQUOTA,
      "{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\","
      "\"violations\":[{\"quotaId\":"
      "\"GenerateRequestsPerDayPerProjectPerModel-FreeTier\"}]}" },
    { D_GEMINI, 429, "insufficient_quota", "RESOURCE_EXHAUSTED", NULL,
      "Your prepayment credits are depleted. Please go to AI Studio to manage "
      "your project and billing.", NULL },
    { D_GEMINI, 429, "overloaded", "RESOURCE_EXHAUSTED", NULL,
      "Resource exhausted. Please try again later.", NULL },
    { D_GEMINI, 500, "server_error", "INTERNAL", NULL,
      "An internal error has occurred. Please retry or report in "
      "https://developers.generativeai.google/guide/troubleshooting", NULL },
    { D_GEMINI, 503, "overloaded", "UNAVAILABLE", NULL,
      "The model is overloaded. Please try again later.", NULL },
    { D_GEMINI, 504, "timeout", "DEADLINE_EXCEEDED", NULL,
      "Deadline expired before operation could complete.", NULL },

    { D_BEDROCK, 400, "invalid_value", "ValidationException", NULL,
      "Malformed input request, please reformat your input and try again.",
      NULL },
    { D_BEDROCK, 400, "context_length_exceeded", "ValidationException", NULL,
      "The model returned the following errors: Input Tokens Exceeded: Number "
      "of input tokens exceeds maximum length. Please update the input to try "
      "again.", NULL },
    { D_BEDROCK, 400, "model_not_found", "ValidationException", NULL,
      "The provided model identifier is invalid.", NULL },
    { D_BEDROCK, 400, "quota", "ServiceQuotaExceededException", NULL,
      "Your request exceeds the service quota for your account.", NULL },
    { D_BEDROCK, 403, "permission", "AccessDeniedException", NULL,
      "You don't have access to the model with the specified model ID.",
      NULL },
    { D_BEDROCK, 403, "invalid_api_key", "UnrecognizedClientException", NULL,
      "The security token included in the request is invalid.", NULL },
    { D_BEDROCK, 403, "expired", "ExpiredTokenException", NULL,
      "The security token included in the request is expired", NULL },
    { D_BEDROCK, 404, "model_not_found", "ResourceNotFoundException", NULL,
      "Could not resolve the foundation model from the provided model "
      "identifier.", NULL },
    { D_BEDROCK, 408, "timeout", "ModelTimeoutException", NULL,
      "The model took too long to respond.", NULL },
    { D_BEDROCK, 424, "model_error", "ModelErrorException", NULL,
      "The system encountered an unexpected error during processing. Try your "
      "request again.", NULL },
    { D_BEDROCK, 429, "rate_limit_exceeded", "ThrottlingException", NULL,
      "Too many requests, please wait before trying again.", NULL },
    { D_BEDROCK, 429, "overloaded", "ModelNotReadyException", NULL,
      "The model is not ready for inference. Wait and try your request "
      "again.", NULL },
    { D_BEDROCK, 500, "server_error", "InternalServerException", NULL,
      "The system encountered an unexpected error during processing. Try your "
      "request again.", NULL },
    { D_BEDROCK, 503, "overloaded", "ServiceUnavailableException", NULL,
      "The service isn't currently available. Try your request again.", NULL },

    { D_MISTRAL, 400, "model_not_found", "invalid_model", "1500",
      "Invalid model: %m", NULL },
    { D_MISTRAL, 422, "invalid_value", "invalid_request_message_order", "3230",
      "Expected last role User or Tool (or Assistant with prefix True) for "
      "serving but got assistant", NULL },
    { D_MISTRAL, 429, "rate_limit_exceeded", "rate_limited", "1300",
      "Rate limit exceeded", NULL },
    { D_MISTRAL, 429, "overloaded", "service_tier_capacity_exceeded", "3505",
      "Service tier capacity exceeded for this model.", NULL },
    { D_MISTRAL, 500, "server_error", "internal_server_error", "1000",
      "Internal server error", NULL },
    { D_MISTRAL, 503, "overloaded", "unreachable_backend", "1100",
      "Service unavailable.", NULL },

    { D_GROQ, 400, "tool_use_failed", INVREQ, "tool_use_failed",
      "Tool call validation failed: tool call validation failed: parameters "
      "for tool get_something did not match schema",
      "\"failed_generation\":\"{\\\"name\\\": \\\"get_something\\\"}\"" },
    { D_GROQ, 400, "context_length_exceeded", INVREQ,
      "context_length_exceeded",
      "Please reduce the length of the messages or completion.", NULL },
    { D_GROQ, 401, "invalid_api_key", INVREQ, "invalid_api_key",
      "Invalid API Key", NULL },
    { D_GROQ, 413, "request_too_large", "tokens", "rate_limit_exceeded",
      "Request too large for model `%m` in organization `sim-org` service "
      "tier `on_demand` on tokens per minute (TPM): Limit 6000, Requested "
      "9012, please reduce your message size and try again.", NULL },
    { D_GROQ, 429, "rate_limit_exceeded", "tokens", "rate_limit_exceeded",
      "Rate limit reached for model `%m` in organization `sim-org` service "
      "tier `on_demand` on tokens per minute (TPM): Limit 6000, Used 5800, "
      "Requested 900. Please try again in 7s.", NULL },
    { D_GROQ, 498, "capacity_exceeded", "capacity_exceeded",
      "capacity_exceeded", "Flex tier capacity exceeded", NULL },
    { D_GROQ, 503, "overloaded", "internal_server_error",
      "service_unavailable", "Service Unavailable", NULL },

    { D_DEEPSEEK, 400, "context_length_exceeded", INVREQ, INVREQ,
      "This model's maximum context length is 1048565 tokens. However, you "
      "requested 1250025 tokens (1250025 in the messages, 0 in the "
      "completion). Please reduce the length of the messages or completion.",
      NULL },
    { D_DEEPSEEK, 401, "invalid_api_key", "authentication_error", INVREQ,
      "Authentication Fails, Your api key: ****-key is invalid", NULL },
    { D_DEEPSEEK, 402, "billing", "unknown_error", INVREQ,
      "Insufficient Balance", NULL },
    { D_DEEPSEEK, 404, "model_not_found", INVREQ, INVREQ,
      "Model Not Exist", NULL },
    { D_DEEPSEEK, 429, "rate_limit_exceeded", "rate_limit_error", INVREQ,
      "Rate Limit Reached", NULL },
    { D_DEEPSEEK, 503, "overloaded", "service_unavailable_error",
      "service_unavailable_error",
      "Service is too busy. We advise users to temporarily switch to "
      "alternative LLM API service providers.", NULL },

    { D_XAI, 400, "invalid_api_key", NULL, "invalid-argument",
      "Incorrect API key provided. You can obtain an API key from "
      "https://console.x.ai.", NULL },
    { D_XAI, 400, "context_length_exceeded", NULL,
      "Client specified an invalid argument",
      "This model's maximum prompt length is 131072 but the request contains "
      "140012 tokens.", NULL },
    { D_XAI, 401, "missing", NULL, "unauthenticated:no-credentials",
      "No credentials provided in the Authorization header.", NULL },
    { D_XAI, 403, "insufficient_quota", NULL,
      "The caller does not have permission to execute the specified "
      "operation",
      "Your team has either used all available credits or reached its monthly "
      "spending limit. To continue making API requests, please purchase more "
      "credits or raise your spending limit.", NULL },
    { D_XAI, 403, "blocked", NULL, "permission-denied",
      "Your API key is blocked.", NULL },
    { D_XAI, 404, "model_not_found", NULL,
      "Some requested entity was not found",
      "The model %m does not exist or your team does not have access to it.",
      NULL },
    { D_XAI, 429, "rate_limit_exceeded", NULL,
      "Some resource has been exhausted",
      "Too many requests for team. Your team's rate limit is 60 requests per "
      "minute for %m.", NULL },
    { D_XAI, 429, "insufficient_quota", NULL,
      "Some resource has been exhausted",
      "Your team has either used all available credits or reached its monthly "
      "spending limit.", NULL },
    { D_XAI, 503, "overloaded", NULL, "The service is currently unavailable",
      "Service temporarily unavailable. The model is at capacity and currently "
      "cannot serve this request. Please try again later.", NULL },

    { D_OPENROUTER, 400, "context_length_exceeded", "context_length_exceeded",
      NULL, "This endpoint's maximum context length is 200000 tokens. However, "
      "you requested about 250021 tokens (250021 of text input). Please reduce "
      "the length of either one.", NULL },
    { D_OPENROUTER, 401, "invalid_api_key", "authentication", NULL,
      "No auth credentials found", NULL },
    { D_OPENROUTER, 402, "billing", "payment_required", NULL,
      "Insufficient credits. Add more using "
      "https://openrouter.ai/settings/credits", NULL },
    { D_OPENROUTER, 403, "content_filter", "content_policy_violation", NULL,
      "Your chosen model requires moderation and your input was flagged",
      NULL },
    { D_OPENROUTER, 404, "model_not_found", "not_found", NULL,
      "No endpoints found for %m.", NULL },
    { D_OPENROUTER, 429, "rate_limit_exceeded", "rate_limit_exceeded", NULL,
      "Provider returned error",
      "\"provider_name\":\"Google\",\"raw\":\"%m is temporarily rate-limited "
      "upstream. Please retry shortly.\"" },
    { D_OPENROUTER, 500, "server_error", "server", NULL,
      "Internal Server Error", NULL },
    { D_OPENROUTER, 502, "unavailable", "provider_unavailable", NULL,
      "Provider returned error", "\"provider_name\":\"SimProvider\"" },
    { D_OPENROUTER, 503, "overloaded", "provider_overloaded", NULL,
      "Provider returned error", "\"provider_name\":\"SimProvider\"" },
    { D_OPENROUTER, 504, "timeout", "timeout", NULL,
      "The operation was aborted due to timeout", NULL },

    { D_VLLM, 400, "context_length_exceeded", "BadRequestError", NULL,
      "This model's maximum context length is 4096 tokens. However, you "
      "requested 5012 tokens in the messages. Please reduce the length of the "
      "messages.", NULL },
    { D_VLLM, 401, "invalid_api_key", "AuthenticationError", NULL,
      "Unauthorized", NULL },
    { D_VLLM, 404, "model_not_found", "NotFoundError", NULL,
      "The model `%m` does not exist.", NULL },
    { D_VLLM, 500, "server_error", "InternalServerError", NULL,
      "Internal server error", NULL },
    { D_VLLM, 503, "overloaded", "ServiceUnavailableError", NULL,
      "The server is overloaded.", NULL },

    { D_DEFAULT, 0, NULL, NULL, NULL, NULL, NULL }
};


dialect_e
answer_dialect(const answer_t *a)
{
    if (a->sp.dialect != D_DEFAULT) {
        return (dialect_e) a->sp.dialect;
    }

    return a->ep == EP_MESSAGES ? D_ANTHROPIC : D_OPENAI;
}


/* the status an error stands for; inside a 200 it is not the HTTP status */

static int
error_status(const answer_t *a)
{
    if (a->special) {
        return a->status;
    }

    if (a->sp.status >= 300) {
        return a->sp.status;
    }

    return answer_dialect(a) == D_ANTHROPIC ? 529 : 500;
}


/* what a provider says of its own accord, without a fault being asked for */

static int
special_row(const answer_t *a, failure_t *row, char *text, size_t size)
{
    row->type = INVREQ;
    row->message = text;

    switch (a->special) {

    case SP_NO_KEY:
        row->message = "You didn't provide an API key. You need to provide "
            "your API key in an Authorization header using Bearer auth (i.e. "
            "Authorization: Bearer YOUR_KEY). You can obtain an API key from "
            "https://platform.openai.com/account/api-keys.";
        return 1;

    case SP_NOT_FOUND:
        snprintf(text, size, "Invalid URL (%s %s)", a->method, a->uri);
        return 1;

    case SP_METHOD:
        snprintf(text, size, "Not allowed to %s on %s. (HINT: Perhaps you "
                 "meant to use a different HTTP method?)", a->method, a->uri);
        row->code = "method_not_supported";
        return 1;

    case SP_SIM:
        snprintf(text, size, "X-Sim: %s", a->sp.code);
        row->type = row->code = "sim_error";
        return 1;

    case SP_BAD_REQUEST:
        row->message = "The request could not be parsed";
        return 1;

    default:
        return 0;
    }
}


/* a code= picks a row by its name or by what the row sends */

static int
row_matches(const failure_t *e, const char *want)
{
    return strcmp(e->variant, want) == 0
           || (e->code && strcmp(e->code, want) == 0)
           || (e->type && strcmp(e->type, want) == 0);
}


/* exact: only this status; else the code alone decides */

static const failure_t *
search(dialect_e dialect, int status, const char *want, int exact)
{
    const failure_t  *e;

    for (e = failures; e->status; e++) {
        if (e->dialect == dialect
            && (e->status == status || !exact)
            && (*want == '\0' || row_matches(e, want)))
        {
            return e;
        }
    }

    return NULL;
}


static const char *
generic_type(dialect_e dialect, int status)
{
    switch (dialect) {

    case D_GEMINI:
        return status < 500 ? "FAILED_PRECONDITION" : "INTERNAL";

    case D_BEDROCK:
        return status < 500 ? "ValidationException"
                            : "InternalServerException";

    case D_ANTHROPIC:
        return status < 500 ? INVREQ : "api_error";

    case D_OPENROUTER:
        return status < 500 ? "unmapped" : "server";

    default:
        return status == 429 ? "rate_limit_error"
               : status < 500 ? INVREQ : "server_error";
    }
}


static void
find_row(const answer_t *a, failure_t *row, char *text, size_t size)
{
    int               status;
    dialect_e         dialect;
    const char       *want = a->special ? "" : a->sp.code;
    const failure_t  *e;

    status = error_status(a);
    dialect = answer_dialect(a);

    memset(row, 0, sizeof(failure_t));
    row->dialect = dialect;
    row->status = status;

    if (special_row(a, row, text, size)) {
        return;
    }

    e = search(dialect, status, want, 1);

    /* inside a 200 the code alone may decide */

    if (e == NULL && *want && a->sp.status < 300) {
        e = search(dialect, status, want, 0);
    }

    /* these speak openai where no row of theirs differs */

    if (e == NULL && (dialect == D_AZURE || dialect == D_GROQ
                      || dialect == D_DEEPSEEK))
    {
        e = search(D_OPENAI, status, want, 1);
    }

    if (e) {
        *row = *e;

        /* openai's extra is the param, the others' is something else */

        row->extra = e->dialect == dialect ? e->extra : NULL;
        row->dialect = dialect;
        return;
    }

    row->type = generic_type(dialect, status);

    if (*want && dialect == D_OPENROUTER) {
        row->type = want;
    }

    row->code = *want ? want : NULL;
    row->message = http_reason(status);
}


/* a template with the model filled in, not escaped */

static void
expand(const answer_t *a, const char *s, buf_t *b, int escape)
{
    buf_t        m = { NULL, 0, 0 };
    const char  *model = a->model[0] ? a->model : "gpt-sim";

    for ( ; *s; s++) {
        if (s[0] != '%' || s[1] != 'm') {
            buf_add(b, s, 1);
            continue;
        }

        s++;

        if (escape) {
            m.len = 0;
            buf_json(&m, model, strlen(model));
            buf_add(b, m.p + 1, m.len - 2);

        } else {
            buf_str(b, model);
        }
    }

    buf_free(&m);
}


static void
put_string(buf_t *b, const char *name, const char *s)
{
    buf_fmt(b, "\"%s\":", name);

    if (s) {
        buf_json(b, s, strlen(s));
    } else {
        buf_str(b, "null");
    }
}


static void
put_message(const answer_t *a, const failure_t *e, const char *name, buf_t *b)
{
    buf_t  m = { NULL, 0, 0 };

    expand(a, e->message, &m, 0);
    buf_fmt(b, "\"%s\":", name);
    buf_json(b, m.p, m.len);
    buf_free(&m);
}


static void
put_gemini(const answer_t *a, const failure_t *e, buf_t *b)
{
    int          info;
    const char  *delay = a->sp.retry_delay;

    buf_fmt(b, "{\n  \"error\": {\n    \"code\": %d,\n    ", e->status);
    put_message(a, e, "message", b);
    buf_fmt(b, ",\n    \"status\": \"%s\"", e->type);

    info = delay[0] && strcmp(delay, "none") != 0;

    if (e->extra || info) {
        buf_str(b, ",\n    \"details\": [\n      ");
        if (e->extra) {
            buf_str(b, e->extra);
        }
        if (info) {
            buf_fmt(b, "%s{\"@type\": "
                    "\"type.googleapis.com/google.rpc.RetryInfo\", ",
                    e->extra ? ",\n      " : "");
            put_string(b, "retryDelay", delay);
            buf_str(b, "}");
        }
        buf_str(b, "\n    ]");
    }

    buf_str(b, "\n  }\n}\n");
}


static void
put_openrouter(const answer_t *a, const failure_t *e, buf_t *b)
{
    buf_str(b, "\"error\":{");
    put_message(a, e, "message", b);
    buf_fmt(b, ",\"code\":%d,\"metadata\":{", e->status);
    put_string(b, "error_type", e->type);

    if (e->extra) {
        buf_str(b, ",");
        expand(a, e->extra, b, 1);
    }

    buf_str(b, "}}");
}


/* the inside of the openai family's "error" object */

static void
put_openai(const answer_t *a, const failure_t *e, buf_t *b)
{
    put_message(a, e, "message", b);

    switch (e->dialect) {

    case D_AZURE:
        if (e->type) {
            buf_str(b, ",");
            put_string(b, "type", e->type);
        }
        buf_str(b, ",");
        put_string(b, "code", e->code);
        break;

    case D_GROQ:
        buf_str(b, ",");
        put_string(b, "type", e->type);
        if (e->code) {
            buf_str(b, ",");
            put_string(b, "code", e->code);
        }
        break;

    case D_VLLM:
        buf_str(b, ",");
        put_string(b, "type", e->type);
        buf_fmt(b, ",\"param\":null,\"code\":%d", e->status);
        return;

    default:
        buf_str(b, ",");
        put_string(b, "type", e->type);
        buf_fmt(b, ",\"param\":%s,", e->extra ? e->extra : "null");
        put_string(b, "code", e->code);
        return;
    }

    if (e->extra) {
        buf_str(b, ",");
        expand(a, e->extra, b, 1);
    }
}


static void
put_error(const answer_t *a, const failure_t *e, buf_t *b)
{
    switch (e->dialect) {

    case D_ANTHROPIC:
        buf_str(b, "{\"type\":\"error\",\"error\":{");
        if (e->code) {
            buf_str(b, "\"details\":{");
            put_string(b, "error_code", e->code);
            buf_str(b, "},");
        }
        put_string(b, "type", e->type);
        buf_str(b, ",");
        put_message(a, e, "message", b);
        buf_fmt(b, "},\"request_id\":\"req_sim_%lu\"}", a->id);
        return;

    case D_GEMINI:
        put_gemini(a, e, b);
        return;

    case D_BEDROCK:
        buf_str(b, "{");
        put_message(a, e, "message", b);
        buf_str(b, "}");
        return;

    case D_MISTRAL:
        if (e->status == 401) {
            buf_str(b, "{\"detail\":\"Invalid API Key\"}");
            return;
        }
        buf_str(b, "{\"object\":\"error\",");
        put_message(a, e, "message", b);
        buf_str(b, ",");
        put_string(b, "type", e->type);
        buf_str(b, ",\"param\":null,");
        put_string(b, "code", e->code);
        buf_str(b, "}");
        return;

    case D_XAI:
        buf_str(b, "{");
        put_string(b, "code", e->code ? e->code : e->type);
        buf_str(b, ",");
        put_message(a, e, "error", b);
        buf_str(b, "}");
        return;

    case D_OPENROUTER:
        buf_str(b, "{");
        put_openrouter(a, e, b);
        buf_str(b, ",\"user_id\":\"user_sim\"}");
        return;

    case D_HTML:
        buf_fmt(b, "<html>\r\n<head><title>%d %s</title></head>\r\n<body>\r\n"
                "<center><h1>%d %s</h1></center>\r\n<hr><center>cloudflare"
                "</center>\r\n</body>\r\n</html>\r\n", e->status,
                http_reason(e->status), e->status, http_reason(e->status));
        return;

    case D_EMPTY:
        return;

    default:
        buf_str(b, "{\"error\":{");
        put_openai(a, e, b);
        buf_str(b, "}}");
        return;
    }
}


void
error_body(const answer_t *a, buf_t *b)
{
    char     text[400];
    failure_t  row;

    find_row(a, &row, text, sizeof(text));
    put_error(a, &row, b);
}


static void
error_in_chunk(const answer_t *a, const failure_t *e, buf_t *b)
{
    buf_fmt(b, "data: {\"id\":\"gen-sim%lu\",\"provider\":\"SimProvider\",",
            a->id);
    put_string(b, "model", a->model);
    buf_fmt(b, ",\"object\":\"chat.completion.chunk\",\"created\":%ld,",
            a->created);
    put_openrouter(a, e, b);
    buf_str(b, ",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
               "\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\n");
}


static void
error_in_responses(answer_t *a, const failure_t *e, buf_t *b)
{
    buf_fmt(b, "event: error\ndata: {\"type\":\"error\","
            "\"sequence_number\":%d,\"error\":{", a->seq++);
    put_string(b, "type", e->type);
    buf_str(b, ",");
    put_string(b, "code", e->code ? e->code : e->type);
    buf_str(b, ",");
    put_message(a, e, "message", b);
    buf_str(b, ",\"param\":null}}\n\n");
}


/*
 * An error inside a 200 stream.  It ends the stream; vLLM and OpenRouter
 * send [DONE] nevertheless.
 */

void
error_event(answer_t *a, buf_t *b)
{
    char     text[400];
    failure_t  row;

    find_row(a, &row, text, sizeof(text));
    a->phase = PH_END;

    switch (row.dialect) {

    case D_ANTHROPIC:
        buf_str(b, "event: error\ndata: ");
        put_error(a, &row, b);
        buf_str(b, "\n\n");
        return;

    case D_GEMINI:                      /* pretty-printed, no "data:" */
        put_gemini(a, &row, b);
        return;

    case D_OPENROUTER:
        error_in_chunk(a, &row, b);
        a->phase = a->sp.done_off ? PH_END : PH_DONE_EVENT;
        return;

    case D_VLLM:
        buf_str(b, "data: ");
        put_error(a, &row, b);
        buf_str(b, "\n\n");
        a->phase = a->sp.done_off ? PH_END : PH_DONE_EVENT;
        return;

    case D_GROQ:
        buf_str(b, "event: error\ndata: {\"error\":{");
        put_openai(a, &row, b);
        buf_fmt(b, ",\"status_code\":%d}}\n\n", row.status);
        return;

    case D_HTML:
        put_error(a, &row, b);
        return;

    case D_EMPTY:
        buf_str(b, "data: {\"error\":{}}\n\n");
        return;

    default:
        if (a->ep == EP_RESPONSES) {
            error_in_responses(a, &row, b);
            return;
        }
        buf_str(b, "data: ");
        put_error(a, &row, b);
        buf_str(b, "\n\n");
    }
}


void
error_headers(const answer_t *a, buf_t *b)
{
    int        error = a->special || a->simulated_error;
    char       text[400];
    failure_t    row;
    dialect_e  dialect = answer_dialect(a);

    switch (dialect) {

    case D_ANTHROPIC:
        buf_fmt(b, "request-id: req_sim_%lu\r\n", a->id);
        if (a->status == 400 || a->status == 401) {
            buf_str(b, "x-should-retry: false\r\n");
        }
        return;

    case D_AZURE:
        buf_fmt(b, "apim-request-id: sim-%lu\r\n", a->id);
        return;

    case D_BEDROCK:
        buf_fmt(b, "x-amzn-RequestId: sim-%lu\r\n", a->id);
        if (error) {
            find_row(a, &row, text, sizeof(text));
            buf_fmt(b, "x-amzn-ErrorType: %s:http://internal.amazon.com/coral/"
                    "com.amazon.bedrock/\r\n", row.type);
        }
        return;

    default:
        return;
    }
}


const char *
error_content_type(const answer_t *a)
{
    switch (answer_dialect(a)) {

    case D_HTML:
        return "text/html; charset=UTF-8";

    case D_DEEPSEEK:
        return a->status == 400 ? "application/octet-stream"
                                : "application/json";

    default:
        return "application/json";
    }
}
