
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The tables of the classifier: what codes and types mean wherever they
 * appear, the words of messages, what a status alone means; and the one
 * function that asks them in turn.
 */


#include "ngx_http_ai_facts.h"


#define NGX_HTTP_AI_RULES_GAP  64     /* what "*" may stand for in a text */


/* statuses by what the words of a message may mean there */

#define NGX_HTTP_AI_AT_NONE     0x01  /* not known: an event of a stream */
#define NGX_HTTP_AI_AT_BAD      0x02  /* 400 and the like */
#define NGX_HTTP_AI_AT_AUTH     0x04  /* 401, 403, 407, 412 */
#define NGX_HTTP_AI_AT_PAY      0x08  /* 402 */
#define NGX_HTTP_AI_AT_PATH     0x10  /* 404, 410 */
#define NGX_HTTP_AI_AT_LIMIT    0x20  /* 429 */
#define NGX_HTTP_AI_AT_FAIL     0x40  /* 5xx */


typedef struct {
    ngx_uint_t               at;        /* NGX_HTTP_AI_AT_* */
    const char              *text;
    ngx_http_ai_verdict_e    verdict;
} ngx_http_ai_pattern_t;


typedef struct {
    unsigned short           status;
    unsigned short           verdict;
} ngx_http_ai_status_t;


enum {
    NGX_HTTP_AI_ROUND_CODE = 0,
    NGX_HTTP_AI_ROUND_TYPE,
    NGX_HTTP_AI_ROUND_STATUS,
    NGX_HTTP_AI_ROUND_TEXT,
    NGX_HTTP_AI_ROUNDS
};


/*
 * Not here, because it says nothing: "invalid_request_error", the type (and
 * at DeepSeek the code) of nearly everything; "api_error", a 401 of Ollama
 * and a 500 of Anthropic; "BadRequestError" and "INVALID_ARGUMENT", which
 * include a context that is too long.
 */

static const ngx_http_ai_rule_t  ngx_http_ai_rules_common[] = {

    /* a quota's own details come before any words about billing */

    { 0, "@oversize", NULL, NULL, NGX_HTTP_AI_REQUEST_TOO_LARGE },
    { 0, "@per_day", NULL, NULL, NGX_HTTP_AI_RATE_LIMIT_DAY },
    { 429, "@per_minute", NULL, NULL, NGX_HTTP_AI_RATE_LIMIT },
    { 429, "@retry_info", NULL, NULL, NGX_HTTP_AI_RATE_LIMIT },

    { 413, "rate_limit_exceeded", NULL, NULL, NGX_HTTP_AI_REQUEST_TOO_LARGE },
    { 0, "rate_limit_exceeded", NULL, "per day", NGX_HTTP_AI_RATE_LIMIT_DAY },
    { 0, "rate_limit_exceeded", NULL, NULL, NGX_HTTP_AI_RATE_LIMIT },
    { 0, "RateLimitReached", NULL, NULL, NGX_HTTP_AI_RATE_LIMIT },
    { 0, "rate_limited", NULL, NULL, NGX_HTTP_AI_RATE_LIMIT },
    { 0, "too_many_requests", NULL, NULL, NGX_HTTP_AI_RATE_LIMIT },

    { 0, "slow_down", NULL, NULL, NGX_HTTP_AI_SLOW_DOWN },

    { 0, "server_is_overloaded", NULL, NULL, NGX_HTTP_AI_OVERLOADED },
    { 0, "capacity_exceeded", NULL, NULL, NGX_HTTP_AI_OVERLOADED },
    { 0, "overloaded", NULL, NULL, NGX_HTTP_AI_OVERLOADED },
    { 0, "no_capacity", NULL, NULL, NGX_HTTP_AI_OVERLOADED },

    { 0, "insufficient_quota", NULL, NULL, NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, "credit_balance_exhausted", NULL, NULL, NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, "*_spend_limit_exceeded", NULL, NULL, NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, "organization_usage_limit_exceeded", NULL, NULL,
      NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, "billing_*", NULL, NULL, NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, "payment_required", NULL, NULL, NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, "insufficient_balance", NULL, NULL, NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, "insufficient_credits", NULL, NULL, NGX_HTTP_AI_QUOTA_EXHAUSTED },

    { 0, "invalid_api_key", NULL, NULL, NGX_HTTP_AI_AUTH },
    { 0, "wrong_api_key", NULL, NULL, NGX_HTTP_AI_AUTH },
    { 0, "API_KEY_INVALID", NULL, NULL, NGX_HTTP_AI_AUTH },
    { 0, "invalid_authentication", NULL, NULL, NGX_HTTP_AI_AUTH },

    { 0, "account_deactivated", NULL, NULL, NGX_HTTP_AI_ACCOUNT_DISABLED },
    { 0, "organization_on_hold", NULL, NULL, NGX_HTTP_AI_ACCOUNT_DISABLED },
    { 0, "organization_restricted", NULL, NULL, NGX_HTTP_AI_ACCOUNT_DISABLED },

    { 0, "unsupported_country_region_territory", NULL, NULL,
      NGX_HTTP_AI_PERMISSION },

    { 0, "model_not_found", NULL, NULL, NGX_HTTP_AI_MODEL_NOT_FOUND },
    { 0, "model_not_available", NULL, NULL, NGX_HTTP_AI_MODEL_NOT_FOUND },
    { 0, "model_decommissioned", NULL, NULL, NGX_HTTP_AI_MODEL_NOT_FOUND },
    { 0, "unknown_model", NULL, NULL, NGX_HTTP_AI_MODEL_NOT_FOUND },
    { 0, "invalid_model", NULL, NULL, NGX_HTTP_AI_MODEL_NOT_FOUND },
    { 0, "DeploymentNotFound", NULL, NULL, NGX_HTTP_AI_MODEL_NOT_FOUND },

    { 0, "context_length_exceeded", NULL, NULL, NGX_HTTP_AI_CONTEXT_LENGTH },
    { 0, "request_too_large", NULL, NULL, NGX_HTTP_AI_REQUEST_TOO_LARGE },

    { 0, "content_policy_violation", NULL, NULL, NGX_HTTP_AI_CONTENT_FILTER },
    { 0, "image_content_policy_violation", NULL, NULL,
      NGX_HTTP_AI_CONTENT_FILTER },
    { 0, "content_filter", NULL, NULL, NGX_HTTP_AI_CONTENT_FILTER },
    { 0, "moderation_blocked", NULL, NULL, NGX_HTTP_AI_CONTENT_FILTER },
    { 0, "ResponsibleAIPolicyViolation", NULL, NULL,
      NGX_HTTP_AI_CONTENT_FILTER },
    { 0, "invalid_prompt", NULL, NULL, NGX_HTTP_AI_CONTENT_FILTER },

    { 0, "tool_use_failed", NULL, NULL, NGX_HTTP_AI_GENERATION_FAILED },
    { 0, "json_validate_failed", NULL, NULL, NGX_HTTP_AI_GENERATION_FAILED },

    { 0, "server_error", NULL, NULL, NGX_HTTP_AI_SERVER_ERROR },
    { 0, "internal_server_error", NULL, NULL, NGX_HTTP_AI_SERVER_ERROR },

    /*
     * OpenAI's words for a request that is wrong: they keep the message, in
     * which the client's own words may be quoted, from being asked
     */

    { 400, "invalid_value", NULL, NULL, NGX_HTTP_AI_INVALID_REQUEST },
    { 400, "invalid_type", NULL, NULL, NGX_HTTP_AI_INVALID_REQUEST },
    { 400, "invalid_json", NULL, NULL, NGX_HTTP_AI_INVALID_REQUEST },
    { 400, "invalid_function_parameters", NULL, NULL,
      NGX_HTTP_AI_INVALID_REQUEST },
    { 400, "invalid_image*", NULL, NULL, NGX_HTTP_AI_INVALID_REQUEST },
    { 400, "unsupported_*", NULL, NULL, NGX_HTTP_AI_INVALID_REQUEST },
    { 400, "unknown_parameter", NULL, NULL, NGX_HTTP_AI_INVALID_REQUEST },
    { 400, "missing_required_parameter", NULL, NULL,
      NGX_HTTP_AI_INVALID_REQUEST },
    { 400, "empty_array", NULL, NULL, NGX_HTTP_AI_INVALID_REQUEST },
    { 400, "empty_string", NULL, NULL, NGX_HTTP_AI_INVALID_REQUEST },
    { 400, "string_*", NULL, NULL, NGX_HTTP_AI_INVALID_REQUEST },
    { 400, "array_*", NULL, NULL, NGX_HTTP_AI_INVALID_REQUEST },
    { 400, "integer_*", NULL, NULL, NGX_HTTP_AI_INVALID_REQUEST },
    { 400, "decimal_*", NULL, NULL, NGX_HTTP_AI_INVALID_REQUEST },

    /* types */

    { 0, NULL, "insufficient_quota", NULL, NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, NULL, "billing_*", NULL, NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 0, NULL, "rate_limit_error", "per day", NGX_HTTP_AI_RATE_LIMIT_DAY },
    { 0, NULL, "rate_limit_error", "daily rate", NGX_HTTP_AI_RATE_LIMIT_DAY },
    { 0, NULL, "rate_limit_error", NULL, NGX_HTTP_AI_RATE_LIMIT },
    { 0, NULL, "rate_limited", NULL, NGX_HTTP_AI_RATE_LIMIT },
    { 0, NULL, "rate_limit_exceeded", NULL, NGX_HTTP_AI_RATE_LIMIT },
    { 0, NULL, "too_many_requests", NULL, NGX_HTTP_AI_RATE_LIMIT },
    { 0, NULL, "overloaded_error", NULL, NGX_HTTP_AI_OVERLOADED },
    { 0, NULL, "capacity_exceeded", NULL, NGX_HTTP_AI_OVERLOADED },
    { 0, NULL, "service_unavailable_error", NULL, NGX_HTTP_AI_OVERLOADED },
    { 0, NULL, "authentication_error", NULL, NGX_HTTP_AI_AUTH },
    { 0, NULL, "permission_error", NULL, NGX_HTTP_AI_PERMISSION },
    { 404, NULL, NULL, "^Invalid URL", NGX_HTTP_AI_INVALID_REQUEST },
    { 0, NULL, "not_found_error", NULL, NGX_HTTP_AI_MODEL_NOT_FOUND },
    { 0, NULL, "NotFoundError", NULL, NGX_HTTP_AI_MODEL_NOT_FOUND },
    { 0, NULL, "request_too_large", NULL, NGX_HTTP_AI_REQUEST_TOO_LARGE },
    { 0, NULL, "conflict_error", NULL, NGX_HTTP_AI_CONFLICT },
    { 0, NULL, "timeout_error", NULL, NGX_HTTP_AI_TIMEOUT },
    { 0, NULL, "server_error", NULL, NGX_HTTP_AI_SERVER_ERROR },
    { 0, NULL, "InternalServerError", NULL, NGX_HTTP_AI_SERVER_ERROR },

    { 0, NULL, NULL, NULL, NGX_HTTP_AI_OK }
};


#define NONE   NGX_HTTP_AI_AT_NONE
#define BAD    NGX_HTTP_AI_AT_BAD
#define AUTH   NGX_HTTP_AI_AT_AUTH
#define PAY    NGX_HTTP_AI_AT_PAY
#define PATH   NGX_HTTP_AI_AT_PATH
#define LIMIT  NGX_HTTP_AI_AT_LIMIT
#define FAIL   NGX_HTTP_AI_AT_FAIL


/*
 * The last resort, wire.md A6.  Which words count depends on the status: a
 * 400 quotes the client's own words, so there whatever closes an account or
 * cools a model down must stand at the start of the message.  A context that
 * is too long is looked for first: such messages name limits and models too.
 */

static const ngx_http_ai_pattern_t  ngx_http_ai_patterns[] = {

    { NONE|BAD|FAIL, "context length", NGX_HTTP_AI_CONTEXT_LENGTH },
    { NONE|BAD|FAIL, "context_length", NGX_HTTP_AI_CONTEXT_LENGTH },
    { NONE|BAD|FAIL, "context-length", NGX_HTTP_AI_CONTEXT_LENGTH },
    { NONE|BAD|FAIL, "maximum context", NGX_HTTP_AI_CONTEXT_LENGTH },
    { NONE|BAD|FAIL, "maximum prompt length", NGX_HTTP_AI_CONTEXT_LENGTH },
    { NONE|BAD|FAIL, "context limit", NGX_HTTP_AI_CONTEXT_LENGTH },
    { NONE|BAD|FAIL, "exceeds the context window",
      NGX_HTTP_AI_CONTEXT_LENGTH },
    { NONE|BAD|FAIL, "exceeds the available context",
      NGX_HTTP_AI_CONTEXT_LENGTH },
    { NONE|BAD|FAIL, "prompt is too long", NGX_HTTP_AI_CONTEXT_LENGTH },
    { NONE|BAD|FAIL, "prompt too long", NGX_HTTP_AI_CONTEXT_LENGTH },
    { NONE|BAD|FAIL, "input is too long", NGX_HTTP_AI_CONTEXT_LENGTH },
    { NONE|BAD|FAIL, "maximum model length", NGX_HTTP_AI_CONTEXT_LENGTH },
    { NONE|BAD|FAIL, "too many tokens", NGX_HTTP_AI_CONTEXT_LENGTH },
    { NONE|BAD|FAIL, "input token*exceed", NGX_HTTP_AI_CONTEXT_LENGTH },
    { NONE|BAD|FAIL, "total length of all messages",
      NGX_HTTP_AI_CONTEXT_LENGTH },

    { LIMIT, "high demand", NGX_HTTP_AI_OVERLOADED },
    { LIMIT, "overloaded", NGX_HTTP_AI_OVERLOADED },
    { LIMIT, "capacity exceeded", NGX_HTTP_AI_OVERLOADED },

    { LIMIT, "per day", NGX_HTTP_AI_RATE_LIMIT_DAY },
    { LIMIT, "daily limit", NGX_HTTP_AI_RATE_LIMIT_DAY },

    { NONE|AUTH|PAY|LIMIT, "insufficient*quota", NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { NONE|AUTH|PAY|LIMIT, "insufficient*balance",
      NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { NONE|AUTH|PAY|LIMIT, "insufficient*credit",
      NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { NONE|AUTH|PAY|LIMIT, "credit balance", NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { NONE|AUTH|PAY|LIMIT, "credit limit", NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { NONE|AUTH|PAY|LIMIT, "credit*depleted", NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { NONE|AUTH|PAY|LIMIT, "credit*exhausted", NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { NONE|AUTH|PAY|LIMIT, "spending limit", NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { NONE|AUTH|PAY|LIMIT, "spend limit", NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { NONE|AUTH|PAY|LIMIT, "spending cap", NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { AUTH|PAY|LIMIT, "billing", NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { AUTH|PAY|LIMIT, "payment", NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { BAD, "^your credit balance", NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { BAD, "^insufficient*balance", NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { BAD, "^insufficient*credit", NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { BAD, "^insufficient*quota", NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { BAD, "^billing hard limit", NGX_HTTP_AI_QUOTA_EXHAUSTED },

    { NONE|AUTH|PAY|LIMIT, "deactivated", NGX_HTTP_AI_ACCOUNT_DISABLED },
    { NONE|AUTH|PAY|LIMIT, "suspended", NGX_HTTP_AI_ACCOUNT_DISABLED },
    { NONE|AUTH|PAY|LIMIT, "account*disabled", NGX_HTTP_AI_ACCOUNT_DISABLED },
    { NONE|AUTH|PAY|LIMIT, "organi*ation*disabled",
      NGX_HTTP_AI_ACCOUNT_DISABLED },
    { NONE|AUTH|PAY|LIMIT, "project*disabled", NGX_HTTP_AI_ACCOUNT_DISABLED },
    { NONE|AUTH|PAY|LIMIT, "key*disabled", NGX_HTTP_AI_ACCOUNT_DISABLED },
    { NONE|AUTH|PAY|LIMIT, "user*disabled", NGX_HTTP_AI_ACCOUNT_DISABLED },
    { BAD, "^this organization has been disabled",
      NGX_HTTP_AI_ACCOUNT_DISABLED },
    { BAD, "^your account*disabled", NGX_HTTP_AI_ACCOUNT_DISABLED },
    { BAD, "^your account*suspended", NGX_HTTP_AI_ACCOUNT_DISABLED },
    { BAD, "^your account*deactivated", NGX_HTTP_AI_ACCOUNT_DISABLED },

    { NONE|BAD|AUTH, "^incorrect api key", NGX_HTTP_AI_AUTH },
    { NONE|BAD|AUTH, "^invalid api key", NGX_HTTP_AI_AUTH },
    { NONE|BAD|AUTH, "^api key not valid", NGX_HTTP_AI_AUTH },
    { NONE|BAD|AUTH, "^missing or invalid authorization header",
      NGX_HTTP_AI_AUTH },
    { NONE|AUTH, "invalid api key", NGX_HTTP_AI_AUTH },
    { NONE|AUTH, "authentication failed", NGX_HTTP_AI_AUTH },

    { PATH, "^conversation with id*not found", NGX_HTTP_AI_INVALID_REQUEST },
    { PATH, "^previous response with id*not found",
      NGX_HTTP_AI_INVALID_REQUEST },
    { PATH, "^response with id*not found", NGX_HTTP_AI_INVALID_REQUEST },
    { PATH, "^item with id*not found", NGX_HTTP_AI_INVALID_REQUEST },
    { PATH, "^no such file", NGX_HTTP_AI_INVALID_REQUEST },

    { NONE|PATH, "model*not found", NGX_HTTP_AI_MODEL_NOT_FOUND },
    { NONE|PATH, "model*does not exist", NGX_HTTP_AI_MODEL_NOT_FOUND },
    { BAD, "^the model*not found", NGX_HTTP_AI_MODEL_NOT_FOUND },
    { BAD, "^the model*does not exist", NGX_HTTP_AI_MODEL_NOT_FOUND },
    { BAD, "^the requested model*does not exist",
      NGX_HTTP_AI_MODEL_NOT_FOUND },
    { BAD, "^the requested model*not found", NGX_HTTP_AI_MODEL_NOT_FOUND },
    { BAD, "^model*not found", NGX_HTTP_AI_MODEL_NOT_FOUND },
    { BAD, "^model*does not exist", NGX_HTTP_AI_MODEL_NOT_FOUND },
    { BAD, "^invalid model", NGX_HTTP_AI_MODEL_NOT_FOUND },
    { BAD, "^unknown model", NGX_HTTP_AI_MODEL_NOT_FOUND },
    { NONE|BAD|PATH, "model identifier is invalid",
      NGX_HTTP_AI_MODEL_NOT_FOUND },
    { NONE|BAD|PATH, "is not a valid model", NGX_HTTP_AI_MODEL_NOT_FOUND },

    { NONE|BAD|AUTH, "content management policy", NGX_HTTP_AI_CONTENT_FILTER },
    { NONE|BAD|AUTH, "content filter", NGX_HTTP_AI_CONTENT_FILTER },
    { NONE|BAD|AUTH, "content policy", NGX_HTTP_AI_CONTENT_FILTER },
    { NONE|BAD|AUTH, "content violates", NGX_HTTP_AI_CONTENT_FILTER },
    { NONE|BAD|AUTH, "usage polic", NGX_HTTP_AI_CONTENT_FILTER },
    { NONE|BAD|AUTH, "safety system", NGX_HTTP_AI_CONTENT_FILTER },

    { NONE|FAIL, "overloaded", NGX_HTTP_AI_OVERLOADED },
    { NONE|FAIL, "high demand", NGX_HTTP_AI_OVERLOADED },
    { NONE|FAIL, "capacity exceeded", NGX_HTTP_AI_OVERLOADED },
    { NONE|FAIL, "at capacity", NGX_HTTP_AI_OVERLOADED },
    { NONE|FAIL, "server busy", NGX_HTTP_AI_OVERLOADED },
    { NONE, "rate limit", NGX_HTTP_AI_RATE_LIMIT },
    { NONE, "too many requests", NGX_HTTP_AI_RATE_LIMIT },

    { 0, NULL, NGX_HTTP_AI_OK }
};

#undef NONE
#undef BAD
#undef AUTH
#undef PAY
#undef PATH
#undef LIMIT
#undef FAIL


/* a 404 is the model's, unless the request names no model (see the attempt) */

static const ngx_http_ai_status_t  ngx_http_ai_statuses[] = {
    { 400, NGX_HTTP_AI_INVALID_REQUEST },
    { 401, NGX_HTTP_AI_AUTH },
    { 402, NGX_HTTP_AI_QUOTA_EXHAUSTED },
    { 403, NGX_HTTP_AI_PERMISSION },
    { 404, NGX_HTTP_AI_MODEL_NOT_FOUND },
    { 405, NGX_HTTP_AI_INVALID_REQUEST },
    { 406, NGX_HTTP_AI_INVALID_REQUEST },
    { 407, NGX_HTTP_AI_AUTH },
    { 408, NGX_HTTP_AI_TIMEOUT },
    { 409, NGX_HTTP_AI_CONFLICT },
    { 410, NGX_HTTP_AI_MODEL_NOT_FOUND },
    { 411, NGX_HTTP_AI_INVALID_REQUEST },
    { 412, NGX_HTTP_AI_INVALID_REQUEST },
    { 413, NGX_HTTP_AI_REQUEST_TOO_LARGE },
    { 414, NGX_HTTP_AI_INVALID_REQUEST },
    { 415, NGX_HTTP_AI_INVALID_REQUEST },
    { 422, NGX_HTTP_AI_INVALID_REQUEST },
    { 424, NGX_HTTP_AI_SERVER_ERROR },
    { 425, NGX_HTTP_AI_CONFLICT },
    { 429, NGX_HTTP_AI_RATE_LIMIT },
    { 431, NGX_HTTP_AI_INVALID_REQUEST },
    { 498, NGX_HTTP_AI_OVERLOADED },
    { 499, NGX_HTTP_AI_SERVER_ERROR },
    { 503, NGX_HTTP_AI_OVERLOADED },
    { 504, NGX_HTTP_AI_TIMEOUT },
    { 522, NGX_HTTP_AI_TIMEOUT },
    { 524, NGX_HTTP_AI_TIMEOUT },
    { 529, NGX_HTTP_AI_OVERLOADED },
    { 0, NGX_HTTP_AI_SERVER_ERROR }       /* any other */
};


static const u_char *
ngx_http_ai_rules_word(const u_char *p, const u_char *last, const char *word,
    size_t len)
{
    u_char  c;

    if (len == 0) {
        return (p < last) ? p : NULL;
    }

    c = (u_char) *word | 0x20;

    for ( /* void */ ; (size_t) (last - p) >= len; p++) {
        if ((*p | 0x20) == c
            && strncasecmp((const char *) p, word, len) == 0)
        {
            return p;
        }
    }

    return NULL;
}


const u_char *
ngx_http_ai_classify_find(const u_char *p, const u_char *last,
    const char *word)
{
    return ngx_http_ai_rules_word(p, last, word, strlen(word));
}


/* the pattern from p on; where it ends, or NULL; "*" takes as few as it can */

static const u_char *
ngx_http_ai_rules_here(const char *pattern, const u_char *p,
    const u_char *last)
{
    size_t         n;
    const char    *star;
    const u_char  *at;

    for ( ;; ) {
        star = strchr(pattern, '*');
        n = star ? (size_t) (star - pattern) : strlen(pattern);

        if ((size_t) (last - p) < n
            || strncasecmp((const char *) p, pattern, n) != 0)
        {
            return NULL;
        }

        p += n;

        if (star == NULL) {
            return p;
        }

        pattern = star + 1;
        n = strcspn(pattern, "*");

        if (n == 0) {
            return last;
        }

        if ((size_t) (last - p) > NGX_HTTP_AI_RULES_GAP + n) {
            at = ngx_http_ai_rules_word(p, p + NGX_HTTP_AI_RULES_GAP + n,
                                        pattern, n);
        } else {
            at = ngx_http_ai_rules_word(p, last, pattern, n);
        }

        p = at;

        if (p == NULL) {
            return NULL;
        }
    }
}


ngx_uint_t
ngx_http_ai_classify_is(const char *pattern, const ngx_str_t *s)
{
    const u_char  *last;

    if (s->len == 0) {
        return 0;
    }

    last = s->data + s->len;

    return ngx_http_ai_rules_here(pattern, s->data, last) == last;
}


ngx_uint_t
ngx_http_ai_classify_has(const char *pattern, const ngx_str_t *s)
{
    size_t         n;
    const u_char  *p, *last;

    if (s->len == 0) {
        return 0;
    }

    p = s->data;
    last = p + s->len;

    if (*pattern == '^') {
        return ngx_http_ai_rules_here(pattern + 1, p, last) != NULL;
    }

    n = strcspn(pattern, "*");

    for ( ;; ) {
        p = ngx_http_ai_rules_word(p, last, pattern, n);

        if (p == NULL) {
            return 0;
        }

        if (ngx_http_ai_rules_here(pattern, p, last)) {
            return 1;
        }

        p++;
    }
}


static ngx_uint_t
ngx_http_ai_rules_any(const char *pattern, const ngx_str_t *words,
    ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        if (ngx_http_ai_classify_is(pattern, &words[i])) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_ai_rules_round(const ngx_http_ai_rule_t *rule)
{
    if (rule->code) {
        return NGX_HTTP_AI_ROUND_CODE;
    }

    if (rule->type) {
        return NGX_HTTP_AI_ROUND_TYPE;
    }

    return rule->text ? NGX_HTTP_AI_ROUND_TEXT : NGX_HTTP_AI_ROUND_STATUS;
}


static ngx_http_ai_verdict_e
ngx_http_ai_rules_ask(const ngx_http_ai_rule_t *rule, ngx_uint_t round,
    const ngx_http_ai_facts_t *facts)
{
    for ( /* void */ ; rule->verdict != NGX_HTTP_AI_OK; rule++) {

        if (ngx_http_ai_rules_round(rule) != round
            || (rule->status && rule->status != facts->status))
        {
            continue;
        }

        if (rule->code
            && !ngx_http_ai_rules_any(rule->code, facts->codes,
                                      facts->ncodes))
        {
            continue;
        }

        if (rule->type
            && !ngx_http_ai_rules_any(rule->type, facts->types,
                                      facts->ntypes))
        {
            continue;
        }

        if (rule->text == NULL
            || ngx_http_ai_classify_has(rule->text, &facts->message))
        {
            return rule->verdict;
        }
    }

    return NGX_HTTP_AI_OK;
}


static ngx_uint_t
ngx_http_ai_rules_at(ngx_uint_t status)
{
    switch (status) {

    case 0:
        return NGX_HTTP_AI_AT_NONE;

    case 401:
    case 403:
    case 407:
    case 412:
        return NGX_HTTP_AI_AT_AUTH;

    case 402:
        return NGX_HTTP_AI_AT_PAY;

    case 404:
    case 410:
        return NGX_HTTP_AI_AT_PATH;

    case 429:
        return NGX_HTTP_AI_AT_LIMIT;

    default:
        if (status >= 500) {
            return NGX_HTTP_AI_AT_FAIL;
        }

        return (status >= 400) ? NGX_HTTP_AI_AT_BAD : 0;
    }
}


/*
 * The words of the provider's provider (OpenRouter's "raw") tell about the
 * request, but never about our account.
 */

static ngx_http_ai_verdict_e
ngx_http_ai_rules_words(const ngx_http_ai_facts_t *facts)
{
    ngx_uint_t                    at;
    const ngx_http_ai_pattern_t  *pattern;

    at = ngx_http_ai_rules_at(facts->status);

    for (pattern = ngx_http_ai_patterns; pattern->text; pattern++) {

        if (!(pattern->at & at)) {
            continue;
        }

        if (ngx_http_ai_classify_has(pattern->text, &facts->message)) {
            return pattern->verdict;
        }

        if ((pattern->verdict == NGX_HTTP_AI_CONTEXT_LENGTH
             || pattern->verdict == NGX_HTTP_AI_CONTENT_FILTER)
            && ngx_http_ai_classify_has(pattern->text, &facts->inner))
        {
            return pattern->verdict;
        }
    }

    return NGX_HTTP_AI_OK;
}


static ngx_http_ai_verdict_e
ngx_http_ai_rules_status(const ngx_http_ai_facts_t *facts)
{
    const ngx_http_ai_status_t  *row;

    if (facts->status == 403 && facts->html) {
        return NGX_HTTP_AI_SERVER_ERROR;      /* an edge's, not the API's */
    }

    for (row = ngx_http_ai_statuses; row->status; row++) {
        if (row->status == facts->status) {
            break;
        }
    }

    return row->verdict;
}


ngx_http_ai_verdict_e
ngx_http_ai_facts_judge(const ngx_http_ai_provider_t *provider,
    const ngx_http_ai_facts_t *facts)
{
    ngx_uint_t             round;
    ngx_http_ai_verdict_e  v;

    for (round = 0; round < NGX_HTTP_AI_ROUNDS; round++) {

        v = ngx_http_ai_rules_ask(provider->rules, round, facts);

        if (v == NGX_HTTP_AI_OK) {
            v = ngx_http_ai_rules_ask(ngx_http_ai_rules_common, round, facts);
        }

        if (v != NGX_HTTP_AI_OK) {
            return v;
        }
    }

    v = ngx_http_ai_rules_words(facts);

    return (v != NGX_HTTP_AI_OK) ? v : ngx_http_ai_rules_status(facts);
}
