
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Faults: what an operator may ask for, and what the scripted answers are
 * judged to be, for every provider and status.
 */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_classify.h"
#include "ngx_http_ai_faultanswer.h"
#include "ngx_http_ai_json.h"


#define ACCOUNT  "\"account\":\"a\""
#define STATUS   ACCOUNT ",\"fault\":\"status\""
#define SLOW     ACCOUNT ",\"fault\":\"slow_first_token\""


typedef struct {
    const char              *json;
    const char              *field;
    const char              *text;
} ngx_http_ai_test_wrong_t;


typedef struct {
    const char              *provider;     /* NULL: all others */
    ngx_uint_t               first;
    ngx_uint_t               last;
    ngx_http_ai_verdict_e    verdict;
} ngx_http_ai_test_verdict_t;


static const char  *providers[] = {
    "openai", "azure", "anthropic", "gemini", "vertex", "bedrock", "mistral",
    "groq", "deepseek", "xai", "together", "fireworks", "openrouter",
    "cohere", "cerebras", "vllm", "ollama", "compatible"
};


static ngx_int_t
ngx_http_ai_test_parse(ngx_http_ai_faultspec_t *spec, const char *json,
    size_t n, ngx_http_ai_faultspec_error_t *error)
{
    u_char     *p;
    ngx_int_t   rc;

    ngx_http_ai_test_note = json;

    p = ngx_http_ai_test_dup(json, n);
    (void) memset(error, 0xa5, sizeof(*error));
    rc = ngx_http_ai_faultspec_parse(spec, p, n, error);
    free(p);

    return rc;
}


static void
ngx_http_ai_test_good(void)
{
    ngx_str_t                      s;
    ngx_http_ai_faultspec_t        spec;
    ngx_http_ai_faultspec_error_t  error;

    static const char  all[] =
        " {\"model\":\"gpt-*\", \"key_id\":\"k\\u00e9y\",\"class\":\"batch\","
        "\"ttl\":\"2m\",\"percent\":50,\"delay\":\"250ms\",\"account\":\"x\","
        "\"fault\":\"slow_first_token\"}\n";

    t_eq(ngx_http_ai_test_parse(&spec, "{" STATUS "}", sizeof("{" STATUS "}")
                                - 1, &error), NGX_OK);
    t_eq(spec.kind, NGX_HTTP_AI_FAULT_STATUS);
    t_eq(spec.status, 503);
    t_eq(spec.percent, 100);
    t_eq(spec.ttl_ms, 60000);
    t_eq(spec.delay_ms, 0);
    t_eq(spec.model_len + spec.key_id_len + spec.class_len, 0);
    t_mem(spec.account, spec.account_len, "a", 1);

    t_eq(ngx_http_ai_test_parse(&spec, all, sizeof(all) - 1, &error), NGX_OK);
    t_eq(spec.kind, NGX_HTTP_AI_FAULT_SLOW);
    t_eq(spec.status, 0);
    t_eq(spec.percent, 50);
    t_eq(spec.ttl_ms, 120000);
    t_eq(spec.delay_ms, 250);
    t_mem(spec.model, spec.model_len, "gpt-*", 5);
    t_mem(spec.key_id, spec.key_id_len, "k\303\251y", 4);
    t_mem(spec.class, spec.class_len, "batch", 5);

    s = *ngx_http_ai_faultspec_kind(spec.kind);
    t_str(s, "slow_first_token");

    /* every prefix of it is refused, and not read past its end */

    for (s.len = 0; s.len + 2 < sizeof(all) - 1; s.len++) {
        t_eq(ngx_http_ai_test_parse(&spec, all, s.len, &error), NGX_ERROR);
        t_ok(error.text != NULL);
    }

    t_eq(ngx_http_ai_test_parse(&spec, "{" SLOW "}", sizeof("{" SLOW "}") - 1,
                                &error), NGX_OK);
    t_eq(spec.delay_ms, 5000);
}


static void
ngx_http_ai_test_kinds(void)
{
    char                           json[128];
    ngx_uint_t                     i;
    ngx_http_ai_faultspec_t        spec;
    ngx_http_ai_faultspec_error_t  error;

    static const char  *words[] = {
        NULL, "status", "timeout", "reset", "slow_first_token", "stall",
        "cut", "bad_credential", "exhausted_quota"
    };

    for (i = 1; i < NGX_HTTP_AI_FAULT_KINDS; i++) {
        snprintf(json, sizeof(json), "{" ACCOUNT ",\"fault\":\"%s\"}",
                 words[i]);
        t_eq(ngx_http_ai_test_parse(&spec, json, strlen(json), &error),
             NGX_OK);
        t_eq(spec.kind, i);
        t_str(*ngx_http_ai_faultspec_kind(i), words[i]);
    }

    t_str(*ngx_http_ai_faultspec_kind(NGX_HTTP_AI_FAULT_KINDS), "none");
    t_eq(ngx_http_ai_faultspec_scripted(NGX_HTTP_AI_FAULT_RESET), 1);
    t_eq(ngx_http_ai_faultspec_scripted(NGX_HTTP_AI_FAULT_CUT), 0);
}


static void
ngx_http_ai_test_wrong(void)
{
    ngx_uint_t                     i;
    ngx_http_ai_faultspec_t        spec;
    ngx_http_ai_faultspec_error_t  error;

    static const char  json[] = "the body is not one valid JSON object";
    static const char  kind[] = "must be \"status\", \"timeout\", \"reset\", "
        "\"slow_first_token\", \"stall\", \"cut\", \"bad_credential\" or "
        "\"exhausted_quota\"";
    static const char  ttl[] = "must be a time from \"1s\" to \"1h\"";
    static const char  delay[] = "must be a time from \"1ms\" to \"1h\"";
    static const char  status[] = "must be an integer from 400 to 599";
    static const char  percent[] = "must be an integer from 1 to 100";

    static const ngx_http_ai_test_wrong_t  rows[] = {
        { "", "", "the body is empty, it must be a JSON object" },
        { "[]", "", json },
        { "null", "", json },
        { "\"", "", json },
        { "{}{}", "", json },
        { "{" STATUS "}x", "", json },
        { "{" STATUS ",}", "", json },
        { "{\"account\":\"\xff\",\"fault\":\"cut\"}", "", json },
        { "{}", "account", "is missing" },
        { "{" ACCOUNT "}", "fault", "is missing" },
        { "{\"fault\":\"status\"}", "account", "is missing" },
        { "{" ACCOUNT ",\"fault\":\"none\"}", "fault", kind },
        { "{" ACCOUNT ",\"fault\":\"Status\"}", "fault", kind },
        { "{" ACCOUNT ",\"fault\":\"\"}", "fault", kind },
        { "{" ACCOUNT ",\"fault\":1}", "fault", "must be a string" },
        { "{\"account\":null}", "account", "must be a string" },
        { "{\"account\":{\"fault\":1}}", "account", "must be a string" },
        { "{\"account\":[\"a\"]}", "account", "must be a string" },
        { "{\"account\":true}", "account", "must be a string" },
        { "{\"account\":\"\"}", "account", "must not be empty" },
        { "{\"account\":\"a\\u0000b\"}", "account",
          "must not have control characters" },
        { "{\"model\":\"a\\nb\"}", "model",
          "must not have control characters" },
        { "{" ACCOUNT "," ACCOUNT "}", "account", "is given twice" },
        { "{\"Account\":\"a\"}", "Account",
          "is not a member that faults have" },
        { "{\"a\\\"<b>\":\"a\"}", "a\"<b>",
          "is not a member that faults have" },
        { "{" STATUS ",\"status\":\"503\"}", "status", "must be a number" },
        { "{" STATUS ",\"status\":399}", "status", status },
        { "{" STATUS ",\"status\":600}", "status", status },
        { "{" STATUS ",\"status\":503.0}", "status", status },
        { "{" STATUS ",\"status\":5e2}", "status", status },
        { "{" STATUS ",\"status\":-503}", "status", status },
        { "{" STATUS ",\"status\":99999999999999999999999}", "status",
          status },
        { "{" STATUS ",\"percent\":0}", "percent", percent },
        { "{" STATUS ",\"percent\":101}", "percent", percent },
        { "{" STATUS ",\"percent\":\"50\"}", "percent", "must be a number" },
        { "{" STATUS ",\"ttl\":60}", "ttl", "must be a string" },
        { "{" STATUS ",\"ttl\":\"60\"}", "ttl", ttl },
        { "{" STATUS ",\"ttl\":\"\"}", "ttl", ttl },
        { "{" STATUS ",\"ttl\":\"s\"}", "ttl", ttl },
        { "{" STATUS ",\"ttl\":\"999ms\"}", "ttl", ttl },
        { "{" STATUS ",\"ttl\":\"61m\"}", "ttl", ttl },
        { "{" STATUS ",\"ttl\":\"2h\"}", "ttl", ttl },
        { "{" STATUS ",\"ttl\":\"-1s\"}", "ttl", ttl },
        { "{" STATUS ",\"ttl\":\"1s \"}", "ttl", ttl },
        { "{" STATUS ",\"ttl\":\"999999999999h\"}", "ttl", ttl },
        { "{" STATUS ",\"delay\":\"5s\"}", "delay",
          "belongs to the fault \"slow_first_token\" only" },
        { "{" SLOW ",\"delay\":\"0s\"}", "delay", delay },
        { "{" SLOW ",\"delay\":\"61m\"}", "delay", delay },
        { "{" SLOW ",\"status\":503}", "status",
          "belongs to the fault \"status\" only" },
        { NULL, NULL, NULL }
    };

    for (i = 0; rows[i].json; i++) {
        t_eq(ngx_http_ai_test_parse(&spec, rows[i].json,
                                    strlen(rows[i].json), &error), NGX_ERROR);
        t_mem(error.field, error.len, rows[i].field, strlen(rows[i].field));
        t_mem(error.text, strlen(error.text), rows[i].text,
              strlen(rows[i].text));
    }
}


/* names at their limits and beyond, and one that is no member */

static void
ngx_http_ai_test_long(void)
{
    char                           json[1024], *p;
    size_t                         n;
    ngx_uint_t                     i;
    ngx_http_ai_faultspec_t        spec;
    ngx_http_ai_faultspec_error_t  error;

    static const struct {
        const char  *name;
        size_t       max;
    } rows[] = {
        { "account", NGX_HTTP_AI_FAULT_ACCOUNT },
        { "model", NGX_HTTP_AI_FAULT_MODEL },
        { "key_id", NGX_HTTP_AI_FAULT_NAME },
        { "class", NGX_HTTP_AI_FAULT_NAME }
    };

    for (i = 0; i < 4; i++) {
        for (n = rows[i].max; n <= rows[i].max + 1; n++) {
            p = json + sprintf(json, "{\"%s\":\"", rows[i].name);
            memset(p, 'x', n);
            strcpy(p + n, i ? "\"," STATUS "}" : "\",\"fault\":\"cut\"}");

            t_eq(ngx_http_ai_test_parse(&spec, json, strlen(json), &error),
                 n > rows[i].max ? NGX_ERROR : NGX_OK);

            if (n > rows[i].max) {
                t_mem(error.text, strlen(error.text), "is too long", 11);
            }
        }
    }

    memset(json, 'y', 500);
    memcpy(json, "{\"", 2);
    strcpy(json + 500, "\":1}");

    t_eq(ngx_http_ai_test_parse(&spec, json, strlen(json), &error),
         NGX_ERROR);
    t_eq(error.len, sizeof(error.field));
}


static void
ngx_http_ai_test_model(void)
{
    ngx_uint_t               i;
    ngx_str_t                model;
    ngx_http_ai_faultspec_t  spec;

    static const struct {
        const char  *pattern;
        const char  *model;
        ngx_uint_t   match;
    } rows[] = {
        { "", "m", 1 }, { "m", "m", 1 }, { "m", "m2", 0 }, { "m2", "m", 0 },
        { "m*", "m", 1 }, { "m*", "m2", 1 }, { "m*", "n", 0 },
        { "m*", "", 0 }, { "*", "", 1 }, { "*", "m", 1 }, { "m*x", "mx", 0 },
        { "M", "m", 0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ngx_memzero(&spec, sizeof(spec));
        ngx_http_ai_test_note = rows[i].pattern;
        spec.model_len = strlen(rows[i].pattern);
        memcpy(spec.model, rows[i].pattern, spec.model_len);
        model.len = strlen(rows[i].model);
        model.data = ngx_http_ai_test_dup(rows[i].model, model.len);

        t_eq(ngx_http_ai_faultspec_model(&spec, &model), rows[i].match);
        free(model.data);
    }
}


/* the bytes are HTTP with JSON; what the gateway's reader would hand on */

static ngx_uint_t
ngx_http_ai_test_answer(const char *name, ngx_http_ai_fault_e kind,
    ngx_uint_t status, ngx_http_ai_judgement_t *out)
{
    char                          *head, *body, *type, *length;
    size_t                         n;
    ngx_uint_t                     got;
    ngx_http_ai_json_t             js;
    ngx_http_ai_answer_t           answer;
    const ngx_http_ai_provider_t  *provider;

    static char  note[64];
    static u_char  buf[NGX_HTTP_AI_FAULTANSWER_MAX + 1];

    snprintf(note, sizeof(note), "%s %d %d", name, (int) kind, (int) status);
    ngx_http_ai_test_note = note;

    provider = ngx_http_ai_provider_find((const u_char *) name, strlen(name));
    n = ngx_http_ai_faultanswer(provider, kind, status, buf);

    t_ok(n > 0 && n < NGX_HTTP_AI_FAULTANSWER_MAX);
    buf[n] = '\0';

    head = (char *) buf;
    body = strstr(head, "\r\n\r\n");
    t_ok(body != NULL && strncmp(head, "HTTP/1.1 ", 9) == 0);
    *body = '\0';
    body += 4;

    ngx_memzero(&answer, sizeof(answer));

    got = atoi(head + 9);
    answer.status = got;
    answer.body.data = (u_char *) body;
    answer.body.len = buf + n - (u_char *) body;

    length = strstr(head, "\r\nContent-Length: ");
    t_ok(length != NULL);
    t_eq(atoi(length + 18), answer.body.len);

    type = strstr(head, "\r\nx-amzn-ErrorType: ");

    if (type) {
        answer.error_type.data = (u_char *) type + 20;
        answer.error_type.len = strcspn(type + 20, "\r");
    }

    ngx_http_ai_json_init(&js, NULL, 0, 1);
    t_eq(ngx_http_ai_json_feed(&js, answer.body.data, answer.body.len),
         NGX_OK);
    t_eq(ngx_http_ai_json_end(&js), NGX_OK);

    ngx_http_ai_classify(provider, &answer, 1700000000, out);

    return got;
}


/* wire.md A6, and where providers differ from it */

static ngx_http_ai_verdict_e
ngx_http_ai_test_expected(const char *provider, ngx_uint_t status)
{
    const ngx_http_ai_test_verdict_t  *v;

    static const ngx_http_ai_test_verdict_t  verdicts[] = {
        { "fireworks", 412, 412, NGX_HTTP_AI_ACCOUNT_DISABLED },
        { "cohere", 498, 498, NGX_HTTP_AI_CONTENT_FILTER },
        { NULL, 400, 400, NGX_HTTP_AI_INVALID_REQUEST },
        { NULL, 401, 401, NGX_HTTP_AI_AUTH },
        { NULL, 402, 402, NGX_HTTP_AI_QUOTA_EXHAUSTED },
        { NULL, 403, 403, NGX_HTTP_AI_PERMISSION },
        { NULL, 404, 404, NGX_HTTP_AI_MODEL_NOT_FOUND },
        { NULL, 405, 406, NGX_HTTP_AI_INVALID_REQUEST },
        { NULL, 407, 407, NGX_HTTP_AI_AUTH },
        { NULL, 408, 408, NGX_HTTP_AI_TIMEOUT },
        { NULL, 409, 409, NGX_HTTP_AI_CONFLICT },
        { NULL, 410, 410, NGX_HTTP_AI_MODEL_NOT_FOUND },
        { NULL, 411, 412, NGX_HTTP_AI_INVALID_REQUEST },
        { NULL, 413, 413, NGX_HTTP_AI_REQUEST_TOO_LARGE },
        { NULL, 414, 415, NGX_HTTP_AI_INVALID_REQUEST },
        { NULL, 422, 422, NGX_HTTP_AI_INVALID_REQUEST },
        { NULL, 425, 425, NGX_HTTP_AI_CONFLICT },
        { NULL, 429, 429, NGX_HTTP_AI_RATE_LIMIT },
        { NULL, 431, 431, NGX_HTTP_AI_INVALID_REQUEST },
        { NULL, 498, 498, NGX_HTTP_AI_OVERLOADED },
        { NULL, 503, 503, NGX_HTTP_AI_OVERLOADED },
        { NULL, 504, 504, NGX_HTTP_AI_TIMEOUT },
        { NULL, 522, 522, NGX_HTTP_AI_TIMEOUT },
        { NULL, 524, 524, NGX_HTTP_AI_TIMEOUT },
        { NULL, 529, 529, NGX_HTTP_AI_OVERLOADED },
        { NULL, 400, 599, NGX_HTTP_AI_SERVER_ERROR }
    };

    for (v = verdicts; /* void */ ; v++) {
        if ((v->provider == NULL || strcmp(v->provider, provider) == 0)
            && v->first <= status && status <= v->last)
        {
            return v->verdict;
        }
    }
}


static void
ngx_http_ai_test_statuses(void)
{
    ngx_uint_t               i, status;
    ngx_http_ai_judgement_t  out;

    for (i = 0; i < sizeof(providers) / sizeof(providers[0]); i++) {
        for (status = 400; status <= 599; status++) {
            t_eq(ngx_http_ai_test_answer(providers[i],
                                         NGX_HTTP_AI_FAULT_STATUS, status,
                                         &out), status);
            t_eq(out.verdict, ngx_http_ai_test_expected(providers[i],
                                                        status));
            t_eq(out.wait_ms, -1);
            t_ok(out.dialect != 0);
        }
    }
}


static void
ngx_http_ai_test_credential(void)
{
    ngx_uint_t               i;
    ngx_http_ai_judgement_t  out;

    for (i = 0; i < sizeof(providers) / sizeof(providers[0]); i++) {
        t_ok(ngx_http_ai_test_answer(providers[i],
                                     NGX_HTTP_AI_FAULT_BAD_CREDENTIAL, 0,
                                     &out) >= 400);
        t_eq(out.verdict, NGX_HTTP_AI_AUTH);

        t_ok(ngx_http_ai_test_answer(providers[i],
                                     NGX_HTTP_AI_FAULT_EXHAUSTED_QUOTA, 0,
                                     &out) >= 400);
        t_eq(out.verdict, NGX_HTTP_AI_QUOTA_EXHAUSTED);
    }
}


static void
ngx_http_ai_test_none(void)
{
    u_char                         buf[NGX_HTTP_AI_FAULTANSWER_MAX];
    const ngx_http_ai_provider_t  *provider;

    provider = ngx_http_ai_provider_find((const u_char *) "openai", 6);

    t_eq(ngx_http_ai_faultanswer(provider, NGX_HTTP_AI_FAULT_TIMEOUT, 0, buf),
         0);
    t_eq(ngx_http_ai_faultanswer(provider, NGX_HTTP_AI_FAULT_RESET, 0, buf),
         0);
}


static const ngx_http_ai_test_t  tests[] = {
    { "faults as they are asked for", ngx_http_ai_test_good },
    { "kinds of faults", ngx_http_ai_test_kinds },
    { "wrong and hostile ones, and what is said of them",
      ngx_http_ai_test_wrong },
    { "long names", ngx_http_ai_test_long },
    { "models in scope", ngx_http_ai_test_model },
    { "each status of each provider, as it is judged",
      ngx_http_ai_test_statuses },
    { "bad credentials and exhausted quotas", ngx_http_ai_test_credential },
    { "faults without an answer", ngx_http_ai_test_none },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
