
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* the tables: verdicts, endpoints, providers */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_endpoint.h"
#include "ngx_http_ai_providers.h"


/*
 * moves: A account, P provider, S same, M backup, Q queue, F fail.
 * flags: c close, s same_if_short, l larger_window, n counts, a account_wide,
 *        p pass, x silent.
 */

typedef struct {
    ngx_http_ai_verdict_e    v;
    const char              *name;
    const char              *moves;
    char                     scope;     /* m, a or - */
    ngx_msec_t               cooldown;
    ngx_msec_t               max;
    const char              *flags;
    ngx_uint_t               status;
} ngx_http_ai_test_verdict_t;


static const ngx_http_ai_test_verdict_t  wanted[] = {
    { NGX_HTTP_AI_OK, "ok", "F", '-', 0, 0, "", 200 },
    { NGX_HTTP_AI_RATE_LIMIT, "rate_limit", "APSMQF", 'm', 5000, 60000, "s",
      429 },
    { NGX_HTTP_AI_RATE_LIMIT_DAY, "rate_limit_day", "APMF", 'm', 3600000,
      3600000, "", 429 },
    { NGX_HTTP_AI_OVERLOADED, "overloaded", "PASMQF", 'm', 0, 0, "n", 503 },
    { NGX_HTTP_AI_SLOW_DOWN, "slow_down", "APQF", 'a', 30000, 30000, "",
      429 },
    { NGX_HTTP_AI_QUOTA_EXHAUSTED, "quota_exhausted", "APMF", 'a', 600000,
      3600000, "c", 503 },
    { NGX_HTTP_AI_AUTH, "auth", "APMF", 'a', 60000, 3600000, "c", 502 },
    { NGX_HTTP_AI_ACCOUNT_DISABLED, "account_disabled", "APMF", 'a', 60000,
      3600000, "c", 502 },
    { NGX_HTTP_AI_PERMISSION, "permission", "APMF", 'm', 600000, 600000, "",
      502 },
    { NGX_HTTP_AI_MODEL_NOT_FOUND, "model_not_found", "APMF", 'm', 600000,
      600000, "p", 404 },
    { NGX_HTTP_AI_CONTEXT_LENGTH, "context_length", "MF", '-', 0, 0, "lp",
      400 },
    { NGX_HTTP_AI_REQUEST_TOO_LARGE, "request_too_large", "APMF", '-', 0, 0,
      "", 413 },
    { NGX_HTTP_AI_CONTENT_FILTER, "content_filter", "F", '-', 0, 0, "p",
      400 },
    { NGX_HTTP_AI_INVALID_REQUEST, "invalid_request", "F", '-', 0, 0, "p",
      400 },
    { NGX_HTTP_AI_GENERATION_FAILED, "generation_failed", "SMF", '-', 0, 0,
      "p", 502 },
    { NGX_HTTP_AI_OUTPUT_LIMIT, "output_limit", "F", '-', 0, 0, "p", 200 },
    { NGX_HTTP_AI_SERVER_ERROR, "server_error", "APSMF", '-', 0, 0, "n",
      502 },
    { NGX_HTTP_AI_CONNECT, "connect", "APSMF", '-', 0, 0, "na", 502 },
    { NGX_HTTP_AI_RESET, "reset", "APSMF", '-', 0, 0, "n", 502 },
    { NGX_HTTP_AI_TIMEOUT, "timeout", "APMF", '-', 0, 0, "nx", 504 },
    { NGX_HTTP_AI_EMPTY, "empty", "APSMF", '-', 0, 0, "n", 502 },
    { NGX_HTTP_AI_CONFLICT, "conflict", "SF", '-', 0, 0, "p", 409 },
    { NGX_HTTP_AI_CLIENT_CLOSED, "client_closed", "F", '-', 0, 0, "", 499 }
};


static void
ngx_http_ai_test_moves(void)
{
    ngx_uint_t                    i, k;
    char                          moves[NGX_HTTP_AI_MAX_MOVES + 1];
    const ngx_http_ai_verdict_t  *v;

    t_eq(sizeof(wanted) / sizeof(wanted[0]), NGX_HTTP_AI_VERDICTS);

    for (i = 0; i < NGX_HTTP_AI_VERDICTS; i++) {
        ngx_http_ai_test_note = wanted[i].name;
        v = ngx_http_ai_verdict(wanted[i].v);

        t_eq(wanted[i].v, i);
        t_str(v->name, wanted[i].name);

        for (k = 0; k < NGX_HTTP_AI_MAX_MOVES; k++) {
            moves[k] = "FAPSMQ"[v->moves[k]];

            if (v->moves[k] == NGX_HTTP_AI_MOVE_FAIL) {
                k++;
                break;
            }
        }

        t_mem(moves, k, wanted[i].moves, strlen(wanted[i].moves));
        t_eq(v->moves[k - 1], NGX_HTTP_AI_MOVE_FAIL);
    }
}


static void
ngx_http_ai_test_acts(void)
{
    ngx_uint_t                    i;
    const char                   *f;
    const ngx_http_ai_verdict_t  *v;

    for (i = 0; i < NGX_HTTP_AI_VERDICTS; i++) {
        ngx_http_ai_test_note = wanted[i].name;

        v = ngx_http_ai_verdict(wanted[i].v);
        f = wanted[i].flags;

        t_eq("-ma"[v->scope], wanted[i].scope);
        t_eq(v->cooldown, wanted[i].cooldown);
        t_eq(v->cooldown_max, wanted[i].max);
        t_eq(v->status, wanted[i].status);

        t_eq(v->close, strchr(f, 'c') != NULL);
        t_eq(v->same_if_short, strchr(f, 's') != NULL);
        t_eq(v->larger_window, strchr(f, 'l') != NULL);
        t_eq(v->counts, strchr(f, 'n') != NULL);
        t_eq(v->account_wide, strchr(f, 'a') != NULL);
        t_eq(v->pass, strchr(f, 'p') != NULL);
        t_eq(v->silent, strchr(f, 'x') != NULL);
    }
}


static void
ngx_http_ai_test_unknown(void)
{
    const ngx_http_ai_verdict_t  *v;

    v = ngx_http_ai_verdict(NGX_HTTP_AI_VERDICTS);
    t_eq(v->moves[0], NGX_HTTP_AI_MOVE_FAIL);

    v = ngx_http_ai_verdict((ngx_http_ai_verdict_e) -1);
    t_eq(v->moves[0], NGX_HTTP_AI_MOVE_FAIL);
}


static const ngx_http_ai_endpoint_t *
ngx_http_ai_test_endpoint(const char *path)
{
    size_t                         n;
    u_char                        *p;
    const ngx_http_ai_endpoint_t  *ep;

    n = strlen(path);
    p = ngx_http_ai_test_dup(path, n);
    ep = ngx_http_ai_endpoint_find(p, n, NULL);
    free(p);

    return ep;
}


/* paths of providers' own, where all that is known is how they end */

static void
ngx_http_ai_test_tails(void)
{
    size_t                         n;
    u_char                        *p;
    ngx_uint_t                     i;
    ngx_str_t                      model;
    const ngx_http_ai_endpoint_t  *ep;

    static const struct {
        const char                *path;
        const char                *name;
        const char                *model;
    } rows[] = {
        { "/legacy/v1/chat/completions", "chat", NULL },
        { "/v1/completions", "completions", NULL },
        { "/v1/responses", "responses", NULL },
        { "/v1/images/generations", "images", NULL },
        { "/v1/models", "models", NULL },
        { "/v1/models/gpt-4o", NULL, NULL },
        { "/v1/mychat/completions", "completions", NULL },
        { "/xresponses", NULL, NULL },
        { "responses", NULL, NULL },
        { "/", NULL, NULL },
        { "/openai/deployments/gpt-4o-eu/chat/completions", "chat",
          "gpt-4o-eu" },
        { "/openai/deployments//chat/completions", "chat", NULL },
        { "/openai/deployments/", NULL, NULL },
        { "/openai/deployments/x", NULL, NULL },
        { "/v1beta/models/gemini-2.5-pro:generateContent", NULL,
          "gemini-2.5-pro" },
        { "/v1/projects/p/locations/l/publishers/google/models/g:predict",
          NULL, "g" },
        { "/model/anthropic.claude-v1:0/converse", NULL,
          "anthropic.claude-v1:0" },
        { NULL, NULL, NULL }
    };

    for (i = 0; rows[i].path; i++) {
        ngx_http_ai_test_note = rows[i].path;

        n = strlen(rows[i].path);
        p = ngx_http_ai_test_dup(rows[i].path, n);

        ep = ngx_http_ai_endpoint_tail(p, n);

        t_ok((ep != NULL) == (rows[i].name != NULL));
        t_ok(ep == NULL || rows[i].name == NULL
             || strcmp((char *) ep->name.data, rows[i].name) == 0);

        if (ngx_http_ai_endpoint_model(p, n, &model) != NGX_OK) {
            model.len = 0;
        }

        t_eq(model.len, rows[i].model ? strlen(rows[i].model) : 0);
        t_ok(model.len == 0
             || memcmp(model.data, rows[i].model, model.len) == 0);

        free(p);
    }

    ngx_http_ai_test_note = NULL;
}


static void
ngx_http_ai_test_endpoints(void)
{
    ngx_uint_t                     i;
    const ngx_http_ai_endpoint_t  *ep;

    static const struct {
        const char                *path;
        ngx_uint_t                 bit;
        ngx_http_ai_dialect_e      dialect;
        ngx_uint_t                 options;
        ngx_uint_t                 inference;
    } eps[] = {
        { "chat/completions", NGX_HTTP_AI_EP_CHAT,
          NGX_HTTP_AI_DIALECT_OPENAI, 1, 1 },
        { "completions", NGX_HTTP_AI_EP_COMPLETIONS,
          NGX_HTTP_AI_DIALECT_OPENAI, 1, 1 },
        { "responses", NGX_HTTP_AI_EP_RESPONSES,
          NGX_HTTP_AI_DIALECT_RESPONSES, 0, 1 },
        { "embeddings", NGX_HTTP_AI_EP_EMBEDDINGS,
          NGX_HTTP_AI_DIALECT_OPENAI, 0, 1 },
        { "moderations", NGX_HTTP_AI_EP_MODERATIONS,
          NGX_HTTP_AI_DIALECT_OPENAI, 0, 1 },
        { "images/generations", NGX_HTTP_AI_EP_IMAGES,
          NGX_HTTP_AI_DIALECT_OPENAI, 0, 0 },
        { "audio/speech", NGX_HTTP_AI_EP_SPEECH,
          NGX_HTTP_AI_DIALECT_OPENAI, 0, 0 },
        { "rerank", NGX_HTTP_AI_EP_RERANK,
          NGX_HTTP_AI_DIALECT_OPENAI, 0, 1 },
        { "messages", NGX_HTTP_AI_EP_MESSAGES,
          NGX_HTTP_AI_DIALECT_ANTHROPIC, 0, 1 },
        { NULL, 0, 0, 0, 0 }
    };

    for (i = 0; eps[i].path; i++) {
        ngx_http_ai_test_note = eps[i].path;

        ep = ngx_http_ai_test_endpoint(eps[i].path);
        t_ok(ep != NULL);

        if (ep) {
            t_eq(ep->bit, eps[i].bit);
            t_eq(ep->dialect, eps[i].dialect);
            t_eq(ep->stream_options, eps[i].options);
            t_eq(ep->inference, eps[i].inference);
            t_ok(ep->name.len > 0);
        }
    }

    ngx_http_ai_test_note = NULL;

    t_ok(ngx_http_ai_test_endpoint("/chat/completions")
         == ngx_http_ai_test_endpoint("chat/completions"));

    t_ok(ngx_http_ai_test_endpoint("") == NULL);
    t_ok(ngx_http_ai_test_endpoint("/") == NULL);
    t_ok(ngx_http_ai_test_endpoint("//messages") == NULL);
    t_ok(ngx_http_ai_test_endpoint("messages/") == NULL);
    t_ok(ngx_http_ai_test_endpoint("Messages") == NULL);
    t_ok(ngx_http_ai_test_endpoint("chat/completion") == NULL);
}


/* patterns: what of a path is the model, or the id */

static void
ngx_http_ai_test_parts(void)
{
    size_t                         n;
    u_char                        *p;
    ngx_uint_t                     i;
    const ngx_http_ai_endpoint_t  *ep;
    ngx_http_ai_endpoint_parts_t   parts;

    static const struct {
        const char                *path;
        const char                *name;
        ngx_uint_t                 bit;
        const char                *model;
        const char                *id;
    } rows[] = {
        { "audio/transcriptions", "transcriptions",
          NGX_HTTP_AI_EP_TRANSCRIBE, "", "" },
        { "messages/count_tokens", "count_tokens",
          NGX_HTTP_AI_EP_MESSAGES, "", "" },
        { "models", "models", NGX_HTTP_AI_EP_MODELS, "", "" },
        { "models/a/b", "models", NGX_HTTP_AI_EP_MODELS, "", "a" },
        { "models/g-1:generateContent", "generate_content",
          NGX_HTTP_AI_EP_GEMINI, "g-1", "" },
        { "models/a/b:c:streamGenerateContent", "generate_content",
          NGX_HTTP_AI_EP_GEMINI, "a/b:c", "" },
        { "models/:generateContent", "models", NGX_HTTP_AI_EP_MODELS, "",
          ":generateContent" },
        { "deployments/d 1/chat/completions", "chat",
          NGX_HTTP_AI_EP_DEPLOYMENTS, "d 1", "" },
        { "model/us.a/b:0/converse-stream", "converse",
          NGX_HTTP_AI_EP_BEDROCK, "us.a/b:0", "" },
        { "responses", "responses", NGX_HTTP_AI_EP_RESPONSES, "", "" },
        { "responses/compact", "compact", NGX_HTTP_AI_EP_RESPONSES, "", "" },
        { "responses/resp_1", "stored_responses",
          NGX_HTTP_AI_EP_RESOURCES, "", "resp_1" },
        { "responses/resp_1/cancel", "stored_responses",
          NGX_HTTP_AI_EP_RESOURCES, "", "resp_1" },
        { "files", "files", NGX_HTTP_AI_EP_RESOURCES, "", "" },
        { "files/file-1/content", "files", NGX_HTTP_AI_EP_RESOURCES, "",
          "file-1" },
        { "messages/batches/m_1/results", "message_batches",
          NGX_HTTP_AI_EP_RESOURCES, "", "m_1" },
        { "fine_tuning/jobs/f_1", "fine_tuning",
          NGX_HTTP_AI_EP_RESOURCES, "", "f_1" },
        { "files/", NULL, 0, NULL, NULL },
        { "files//x", NULL, 0, NULL, NULL },
        { "filesx", NULL, 0, NULL, NULL },
        { "deployments//completions", NULL, 0, NULL, NULL },
        { "deployments/x", NULL, 0, NULL, NULL },
        { "responses/", NULL, 0, NULL, NULL },
        { NULL, NULL, 0, NULL, NULL }
    };

    for (i = 0; rows[i].path; i++) {
        ngx_http_ai_test_note = rows[i].path;

        n = strlen(rows[i].path);
        p = ngx_http_ai_test_dup(rows[i].path, n);
        ep = ngx_http_ai_endpoint_find(p, n, &parts);

        t_ok((ep != NULL) == (rows[i].name != NULL));

        if (ep && rows[i].name) {
            t_ok(strcmp((char *) ep->name.data, rows[i].name) == 0);
            t_eq(ep->bit, rows[i].bit);
            t_mem(parts.model.data, parts.model.len, rows[i].model,
                  strlen(rows[i].model));
            t_mem(parts.id.data, parts.id.len, rows[i].id,
                  strlen(rows[i].id));
            t_ok(ngx_http_ai_endpoint_family(ep->bit)->len > 0);
        }

        free(p);
    }

    ngx_http_ai_test_note = NULL;
}


/* the list of names is written out: it must be the table's */

static void
ngx_http_ai_test_providers(void)
{
    size_t                         n;
    const char                    *p;
    ngx_uint_t                     count;
    const ngx_http_ai_rule_t      *rule;
    const ngx_http_ai_provider_t  *pr;

    count = 0;

    for (p = ngx_http_ai_provider_names(); *p; p += n) {
        p += strspn(p, ", ");
        n = strcspn(p, ",");

        ngx_http_ai_test_note = p;
        pr = ngx_http_ai_provider_find((const u_char *) p, n);

        t_ok(pr != NULL);

        if (pr == NULL) {
            continue;
        }

        count++;
        t_mem(pr->name.data, pr->name.len, p, n);
        t_ok(pr->endpoints & NGX_HTTP_AI_EP_CHAT);
        t_ok((pr->endpoints & ~NGX_HTTP_AI_EP_ALL) == 0);
        t_ok(pr->rules != NULL);

        for (rule = pr->rules; rule->verdict != NGX_HTTP_AI_OK; rule++) {
            t_ok(rule->status || rule->code || rule->type || rule->text);
            t_ok(rule->verdict < NGX_HTTP_AI_VERDICTS);
        }
    }

    t_eq(count, 18);

    t_ok(ngx_http_ai_provider_find((const u_char *) "OpenAI", 6) == NULL);
    t_ok(ngx_http_ai_provider_find((const u_char *) "open", 4) == NULL);
    t_ok(ngx_http_ai_provider_find((const u_char *) "", 0) == NULL);
}


static void
ngx_http_ai_test_credentials(void)
{
    ngx_uint_t                     i;
    const ngx_http_ai_provider_t  *pr;

    static const struct {
        const char                *name;
        const char                *path;
        ngx_http_ai_credential_e   credential;
        ngx_uint_t                 usage;
    } rows[] = {
        { "openai", "/v1/chat/completions",
          NGX_HTTP_AI_CREDENTIAL_BEARER, 1 },
        { "openai", "/openai/v1", NGX_HTTP_AI_CREDENTIAL_BEARER, 1 },
        { "azure", "/openai/v1/chat/completions",
          NGX_HTTP_AI_CREDENTIAL_API_KEY, 1 },
        { "anthropic", "/v1/messages", NGX_HTTP_AI_CREDENTIAL_X_API_KEY, 1 },
        { "gemini", "/v1beta/models/x:generateContent",
          NGX_HTTP_AI_CREDENTIAL_X_GOOG_API_KEY, 1 },
        { "gemini", "/v1beta/openai/chat/completions",
          NGX_HTTP_AI_CREDENTIAL_BEARER, 1 },
        { "gemini", "/opena", NGX_HTTP_AI_CREDENTIAL_X_GOOG_API_KEY, 1 },
        { "gemini", "", NGX_HTTP_AI_CREDENTIAL_X_GOOG_API_KEY, 1 },
        { "vertex", "/v1", NGX_HTTP_AI_CREDENTIAL_BEARER, 1 },
        { "bedrock", "/openai/v1", NGX_HTTP_AI_CREDENTIAL_BEARER, 0 },
        { "mistral", "/v1", NGX_HTTP_AI_CREDENTIAL_BEARER, 0 },
        { "cohere", "/v1", NGX_HTTP_AI_CREDENTIAL_BEARER, 0 },
        { "vllm", "/v1", NGX_HTTP_AI_CREDENTIAL_BEARER, 1 },
        { "compatible", "/v1", NGX_HTTP_AI_CREDENTIAL_BEARER, 1 },
        { NULL, NULL, 0, 0 }
    };

    for (i = 0; rows[i].name; i++) {
        ngx_http_ai_test_note = rows[i].name;

        pr = ngx_http_ai_provider_find((const u_char *) rows[i].name,
                                       strlen(rows[i].name));
        t_ok(pr != NULL);

        if (pr) {
            t_eq(ngx_http_ai_provider_credential(pr,
                     (const u_char *) rows[i].path, strlen(rows[i].path)),
                 rows[i].credential);
            t_eq(pr->stream_usage, rows[i].usage);
        }
    }
}


static const ngx_http_ai_test_t  tests[] = {
    { "every class's moves", ngx_http_ai_test_moves },
    { "every class's cooldown, scope and flags", ngx_http_ai_test_acts },
    { "a class that does not exist", ngx_http_ai_test_unknown },
    { "endpoints", ngx_http_ai_test_endpoints },
    { "parts of their paths", ngx_http_ai_test_parts },
    { "ends of paths, models in paths", ngx_http_ai_test_tails },
    { "providers", ngx_http_ai_test_providers },
    { "credentials", ngx_http_ai_test_credentials },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
