
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_verdict.h"


#define A  NGX_HTTP_AI_MOVE_ACCOUNT
#define P  NGX_HTTP_AI_MOVE_PROVIDER
#define S  NGX_HTTP_AI_MOVE_SAME
#define M  NGX_HTTP_AI_MOVE_BACKUP
#define Q  NGX_HTTP_AI_MOVE_QUEUE
#define F  NGX_HTTP_AI_MOVE_FAIL

#define MODEL    NGX_HTTP_AI_SCOPE_MODEL
#define ACCOUNT  NGX_HTTP_AI_SCOPE_ACCOUNT


/*
 * The table of wire.md A1, in the order of the enum (each row also names its
 * index, so a row that is moved does not become another class's row).
 *
 * "pass" belongs to errors about the client's own request.  A rate limit's,
 * an account's or a 413's own words name our organisation, plan or credential
 * and stay here.
 *
 * A permission error is about our account, like "auth", so the client gets
 * the same 502: with a 403 it would look for the fault in its own key.
 *
 * rate_limit_day: providers without a hint differ in when their day ends, so
 * the cell is simply looked at again each hour.
 */

static const ngx_http_ai_verdict_t
    ngx_http_ai_verdicts[NGX_HTTP_AI_VERDICTS] =
{
    [NGX_HTTP_AI_OK] = {
        .name = ngx_string("ok"),
        .moves = { F },
        .status = 200, .code = "ok"
    },

    [NGX_HTTP_AI_RATE_LIMIT] = {
        .name = ngx_string("rate_limit"),
        .moves = { A, P, S, M, Q, F },
        .scope = MODEL, .cooldown = 5000, .cooldown_max = 60000,
        .same_if_short = 1,
        .status = 429, .code = "rate_limit_exceeded"
    },

    [NGX_HTTP_AI_RATE_LIMIT_DAY] = {
        .name = ngx_string("rate_limit_day"),
        .moves = { A, P, M, F },
        .scope = MODEL, .cooldown = 3600000, .cooldown_max = 3600000,
        .status = 429, .code = "rate_limit_exceeded"
    },

    [NGX_HTTP_AI_OVERLOADED] = {
        .name = ngx_string("overloaded"),
        .moves = { P, A, S, M, Q, F },
        .scope = MODEL,
        .counts = 1,
        .status = 503, .code = "no_target"
    },

    [NGX_HTTP_AI_SLOW_DOWN] = {
        .name = ngx_string("slow_down"),
        .moves = { A, P, Q, F },
        .scope = ACCOUNT, .cooldown = 30000, .cooldown_max = 30000,
        .status = 429, .code = "rate_limit_exceeded"
    },

    [NGX_HTTP_AI_QUOTA_EXHAUSTED] = {
        .name = ngx_string("quota_exhausted"),
        .moves = { A, P, M, F },
        .scope = ACCOUNT, .cooldown = 600000, .cooldown_max = 3600000,
        .close = 1,
        .status = 503, .code = "no_target"
    },

    [NGX_HTTP_AI_AUTH] = {
        .name = ngx_string("auth"),
        .moves = { A, P, M, F },
        .scope = ACCOUNT, .cooldown = 60000, .cooldown_max = 3600000,
        .close = 1,
        .status = 502, .code = "upstream_auth"
    },

    [NGX_HTTP_AI_ACCOUNT_DISABLED] = {
        .name = ngx_string("account_disabled"),
        .moves = { A, P, M, F },
        .scope = ACCOUNT, .cooldown = 60000, .cooldown_max = 3600000,
        .close = 1,
        .status = 502, .code = "upstream_auth"
    },

    [NGX_HTTP_AI_PERMISSION] = {
        .name = ngx_string("permission"),
        .moves = { A, P, M, F },
        .scope = MODEL, .cooldown = 600000, .cooldown_max = 600000,
        .status = 502, .code = "upstream_auth"
    },

    [NGX_HTTP_AI_MODEL_NOT_FOUND] = {
        .name = ngx_string("model_not_found"),
        .moves = { A, P, M, F },
        .scope = MODEL, .cooldown = 600000, .cooldown_max = 600000,
        .pass = 1,
        .status = 404, .code = "model_not_found"
    },

    [NGX_HTTP_AI_CONTEXT_LENGTH] = {
        .name = ngx_string("context_length"),
        .moves = { M, F },
        .larger_window = 1,
        .pass = 1,
        .status = 400, .code = "context_length_exceeded"
    },

    [NGX_HTTP_AI_REQUEST_TOO_LARGE] = {
        .name = ngx_string("request_too_large"),
        .moves = { A, P, M, F },
        .status = 413, .code = "request_too_large"
    },

    [NGX_HTTP_AI_CONTENT_FILTER] = {
        .name = ngx_string("content_filter"),
        .moves = { F },
        .pass = 1,
        .status = 400, .code = "content_filter"
    },

    [NGX_HTTP_AI_INVALID_REQUEST] = {
        .name = ngx_string("invalid_request"),
        .moves = { F },
        .pass = 1,
        .status = 400, .code = "invalid_request_error"
    },

    [NGX_HTTP_AI_GENERATION_FAILED] = {
        .name = ngx_string("generation_failed"),
        .moves = { S, M, F },
        .pass = 1,
        .status = 502, .code = "upstream_error"
    },

    [NGX_HTTP_AI_OUTPUT_LIMIT] = {
        .name = ngx_string("output_limit"),
        .moves = { F },
        .pass = 1,
        .status = 200, .code = "upstream_error"
    },

    [NGX_HTTP_AI_SERVER_ERROR] = {
        .name = ngx_string("server_error"),
        .moves = { A, P, S, M, F },
        .counts = 1,
        .status = 502, .code = "upstream_error"
    },

    [NGX_HTTP_AI_CONNECT] = {
        .name = ngx_string("connect"),
        .moves = { A, P, S, M, F },
        .counts = 1, .account_wide = 1,
        .status = 502, .code = "upstream_error"
    },

    [NGX_HTTP_AI_RESET] = {
        .name = ngx_string("reset"),
        .moves = { A, P, S, M, F },
        .counts = 1,
        .status = 502, .code = "upstream_error"
    },

    [NGX_HTTP_AI_TIMEOUT] = {
        .name = ngx_string("timeout"),
        .moves = { A, P, M, F },
        .counts = 1, .silent = 1,
        .status = 504, .code = "deadline_exceeded"
    },

    [NGX_HTTP_AI_EMPTY] = {
        .name = ngx_string("empty"),
        .moves = { A, P, S, M, F },
        .counts = 1,
        .status = 502, .code = "upstream_error"
    },

    [NGX_HTTP_AI_CONFLICT] = {
        .name = ngx_string("conflict"),
        .moves = { S, F },
        .pass = 1,
        .status = 409, .code = "upstream_error"
    },

    [NGX_HTTP_AI_CLIENT_CLOSED] = {
        .name = ngx_string("client_closed"),
        .moves = { F },
        .status = 499, .code = "upstream_error"
    }
};

#undef A
#undef P
#undef S
#undef M
#undef Q
#undef F
#undef MODEL
#undef ACCOUNT


/* a number that is no class is our bug; it must not become a retry */

const ngx_http_ai_verdict_t *
ngx_http_ai_verdict(ngx_http_ai_verdict_e v)
{
    if ((ngx_uint_t) v >= NGX_HTTP_AI_VERDICTS) {
        v = NGX_HTTP_AI_INVALID_REQUEST;
    }

    return &ngx_http_ai_verdicts[v];
}


ngx_uint_t
ngx_http_ai_verdict_has(const ngx_http_ai_move_e *moves,
    ngx_http_ai_move_e move)
{
    for ( /* void */ ; *moves != NGX_HTTP_AI_MOVE_FAIL; moves++) {
        if (*moves == move) {
            return 1;
        }
    }

    return 0;
}
