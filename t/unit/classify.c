
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Answers to verdicts, row by row of wire.md A2, A3 and A6: the rows are in
 * t/data/answers.tsv (or argv[1]).  The hints of A4, the log and whatever is
 * strange about an answer are here.
 */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_facts.h"


#define NOW  1700000000


typedef struct {
    const char              *provider;
    ngx_uint_t               status;
    const char              *body;
    const char              *type;         /* x-amzn-errortype */
    const char              *after;        /* retry-after */
} ngx_http_ai_test_answer_t;


static ngx_http_ai_judgement_t   out;
static const char               *answers = "t/data/answers.tsv";


static ngx_str_t
ngx_http_ai_test_string(const char *text)
{
    ngx_str_t  s = ngx_null_string;

    if (text) {
        s.len = strlen(text);
        s.data = (u_char *) text;
    }

    return s;
}


static void
ngx_http_ai_test_judge(const ngx_http_ai_test_answer_t *a)
{
    ngx_http_ai_answer_t           answer;
    const ngx_http_ai_provider_t  *provider;

    ngx_memzero(&answer, sizeof(answer));
    (void) memset(&out, 0xa5, sizeof(out));

    provider = ngx_http_ai_provider_find((const u_char *) a->provider,
                                         strlen(a->provider));

    answer.status = a->status;
    answer.error_type = ngx_http_ai_test_string(a->type);
    answer.retry_after = ngx_http_ai_test_string(a->after);
    answer.body.len = strlen(a->body);
    answer.body.data = ngx_http_ai_test_dup(a->body, answer.body.len);

    ngx_http_ai_classify(provider, &answer, NOW, &out);

    free(answer.body.data);
}


/* the next field of a line; "-" is NULL */

static char *
ngx_http_ai_test_field(char **line)
{
    char  *field;

    field = *line;
    *line += strcspn(field, "\t");

    if (**line) {
        *(*line)++ = '\0';
    }

    return strcmp(field, "-") ? field : NULL;
}


static void
ngx_http_ai_test_row(char *line)
{
    char                         *class, *dialect;
    ngx_http_ai_test_answer_t     a;
    const ngx_http_ai_verdict_t  *got;

    ngx_memzero(&a, sizeof(a));

    a.provider = ngx_http_ai_test_field(&line);
    a.status = atoi(ngx_http_ai_test_field(&line));
    class = ngx_http_ai_test_field(&line);
    dialect = ngx_http_ai_test_field(&line);
    a.type = ngx_http_ai_test_field(&line);
    a.after = ngx_http_ai_test_field(&line);
    a.body = ngx_http_ai_test_field(&line);
    a.body = a.body ? a.body : "";

    ngx_http_ai_test_judge(&a);

    got = ngx_http_ai_verdict(out.verdict);

    t_mem(got->name.data, got->name.len, class, strlen(class));

    if (dialect) {
        t_eq(out.dialect, atoi(dialect));
    }
}


/* every class that an answer can have must have been asked for */

static void
ngx_http_ai_test_answers(void)
{
    char        line[8192], copy[8192];
    FILE       *f;
    size_t      n;
    ngx_uint_t  i, rows, seen[NGX_HTTP_AI_VERDICTS] = { 0 };

    f = fopen(answers, "r");
    t_ok(f != NULL);

    if (f == NULL) {
        return;
    }

    for (rows = 0; fgets(line, sizeof(line), f); rows++) {
        n = strcspn(line, "\n");
        line[n] = '\0';

        if (n == 0 || line[0] == '#') {
            continue;
        }

        memcpy(copy, line, n + 1);
        ngx_http_ai_test_note = copy;

        ngx_http_ai_test_row(line);
        seen[out.verdict]++;
    }

    fclose(f);

    t_ok(rows > 200);

    for (i = 0; i < NGX_HTTP_AI_VERDICTS; i++) {
        ngx_http_ai_test_note = (char *) ngx_http_ai_verdict(i)->name.data;

        t_ok(seen[i] || i == NGX_HTTP_AI_CONNECT || i == NGX_HTTP_AI_RESET
             || i == NGX_HTTP_AI_EMPTY || i == NGX_HTTP_AI_CLIENT_CLOSED);
    }
}


typedef struct {
    ngx_uint_t    status;
    const char   *after;
    const char   *after_ms;
    const char   *retry;           /* x-should-retry */
    const char   *body;
    int64_t       wait_ms;
    ngx_uint_t    no_same;
} ngx_http_ai_test_hint_t;


static void
ngx_http_ai_test_hints(void)
{
    ngx_http_ai_answer_t            answer;
    const ngx_http_ai_provider_t   *provider;
    const ngx_http_ai_test_hint_t  *h;

    static const ngx_http_ai_test_hint_t  hints[] = {
        { 429, NULL, NULL, NULL, "", -1, 0 },
        { 429, "20", NULL, NULL, "", 20000, 0 },
        { 429, "0.5", NULL, NULL, "", 500, 0 },
        { 429, "Tue, 14 Nov 2023 22:13:30 GMT", NULL, NULL, "", 10000, 0 },
        { 429, "Tue, 14 Nov 2023 22:13:10 GMT", NULL, NULL, "", -1, 0 },
        { 429, "1", "0", NULL, "", 1000, 0 },
        { 429, "2", "1500", NULL, "", 2000, 0 },
        { 429, "1", "1500.5", NULL, "", 1501, 0 },
        { 429, NULL, "250", NULL, "", 250, 0 },
        { 429, NULL, "0", NULL, "", -1, 0 },
        { 429, "0", NULL, NULL, "", -1, 0 },
        { 429, "-5", "-5", NULL, "", -1, 0 },
        { 429, "soon", "1s", NULL, "", -1, 0 },
        { 429, "99999999999", NULL, NULL, "", -1, 0 },
        { 503, "3", NULL, NULL, "", 3000, 0 },
        { 200, "12", "5", NULL, "{}", -1, 0 },
        { 200, "12", "5", "false", "{\"error\":{\"code\":429}}", -1, 0 },
        { 529, NULL, NULL, "true", "", -1, 0 },
        { 400, NULL, NULL, "false", "", -1, 1 },
        { 429, "1", NULL, "False", "", 1000, 1 },
        { 525, NULL, NULL, NULL, "", -1, 1 },
        { 526, NULL, NULL, NULL, "", -1, 1 },
        { 495, NULL, NULL, NULL, "", -1, 1 },
        { 496, NULL, NULL, NULL, "", -1, 1 },

        /* in the body */

        { 429, NULL, NULL, NULL, "{\"error\":{\"details\":[{\"retryDelay\":"
          "\"34.4s\"}],\"message\":\"x\"}}", 34400, 0 },
        { 429, "5", NULL, NULL, "{\"error\":{\"details\":[{\"retryDelay\":"
          "\"34.4s\"}]}}", 5000, 0 },
        { 429, NULL, NULL, NULL, "{\"error\":{\"availability\":"
          "{\"retry_after\":7}}}", 7000, 0 },
        { 429, NULL, NULL, NULL, "{\"error\":{\"availability\":"
          "{\"retry_after\":2.5}}}", 2500, 0 },
        { 429, NULL, NULL, NULL, "{\"error\":{\"availability\":"
          "{\"retry_after\":null}}}", -1, 0 },
        { 429, NULL, NULL, NULL, "{\"error\":{\"message\":"
          "\"Please try again in 2s. Visit\"}}", 2000, 0 },
        { 400, NULL, NULL, NULL, "{\"error\":{\"message\":"
          "\"Please try again in 2s. Visit\"}}", -1, 0 },
        { 200, NULL, NULL, NULL, "{\"error\":{\"code\":429,\"message\":"
          "\"x\",\"details\":[{\"retryDelay\":\"4s\"}]}}", 4000, 0 },
        { 0, NULL, NULL, NULL, NULL, 0, 0 }
    };

    provider = ngx_http_ai_provider_find((const u_char *) "compatible", 10);

    for (h = hints; h->body; h++) {
        ngx_http_ai_test_note = h->after ? h->after : h->body;

        ngx_memzero(&answer, sizeof(answer));

        answer.status = h->status;
        answer.retry_after = ngx_http_ai_test_string(h->after);
        answer.retry_after_ms = ngx_http_ai_test_string(h->after_ms);
        answer.should_retry = ngx_http_ai_test_string(h->retry);
        answer.body = ngx_http_ai_test_string(h->body);

        ngx_http_ai_classify(provider, &answer, NOW, &out);

        t_eq(out.wait_ms, h->wait_ms);
        t_eq(out.no_same, h->no_same);
    }
}


static void
ngx_http_ai_test_code(const char *body, ngx_uint_t status, const char *code,
    const char *message)
{
    ngx_http_ai_test_answer_t  a;

    ngx_memzero(&a, sizeof(a));

    a.provider = "compatible";
    a.status = status;
    a.body = body;

    ngx_http_ai_test_note = body;
    ngx_http_ai_test_judge(&a);

    t_mem(out.code, out.code_len, code, strlen(code));
    t_mem(out.message, out.message_len, message, strlen(message));
}


static void
ngx_http_ai_test_log(void)
{
    ngx_http_ai_test_code("", 500, "", "");
    ngx_http_ai_test_code("<html>x</html>", 502, "", "");
    ngx_http_ai_test_code("upstream connect error", 503, "",
                          "upstream connect error");

    ngx_http_ai_test_code("{\"error\":{\"message\":\"a\\nb\\u0001c\\u007f\","
                          "\"code\":\"x\\ty\"}}", 400, "x y", "a b c ");

    ngx_http_ai_test_code("{\"error\":{\"message\":\"m\",\"code\":429,"
                          "\"type\":\"tokens\"}}", 429, "tokens", "m");
    ngx_http_ai_test_code("{\"error\":{\"message\":\"m\",\"code\":429}}",
                          429, "429", "m");
    ngx_http_ai_test_code("{\"error\":{\"message\":\"m\",\"code\":\"c\","
                          "\"type\":\"t\"}}", 429, "c", "m");

    /* our own words are not the provider's */

    ngx_http_ai_test_code("{\"error\":{\"message\":\"m\",\"details\":["
                          "{\"quotaId\":\"XPerDay\"}]}}", 429, "", "m");

    /* a key is not for the log, however the provider masks it */

    ngx_http_ai_test_code("{\"error\":{\"message\":\"Incorrect API key "
                          "provided: sk-proj-0123456789abcdef. See "
                          "https://platform.openai.com/account/api-keys.\"}}",
                          401, "", "Incorrect API key provided: "
                          "************************* See "
                          "https://platform.openai.com/account/api-keys.");
    ngx_http_ai_test_code("{\"error\":{\"message\":\"key: abc********wxyz\"}}",
                          401, "", "key: ***************");
    ngx_http_ai_test_code("{\"error\":{\"message\":\"resp_0123456789abcdef "
                          "not known\"}}", 400, "",
                          "resp_0123456789abcdef not known");
}


/* longer than any buffer, cut at any byte */

static void
ngx_http_ai_test_long(void)
{
    char                       *body;
    size_t                      i, n;
    ngx_http_ai_answer_t        answer;

    static const char  *head = "{\"error\":{\"code\":\"insufficient_quota\","
                               "\"message\":\"";

    n = 200000;
    body = malloc(n + 1);
    memset(body, 'x', n);
    memcpy(body, head, strlen(head));

    for (i = strlen(head); i + 1 < n; i += 2) {
        memcpy(body + i, "\xc3\xa9", 2);
    }

    memcpy(body + n - 3, "\"}}", 3);
    body[n] = '\0';

    ngx_memzero(&answer, sizeof(answer));
    answer.body.data = (u_char *) body;
    answer.body.len = n;

    for (answer.status = 200; answer.status < 600; answer.status += 229) {
        ngx_http_ai_classify(ngx_http_ai_provider_find((u_char *) "xai", 3),
                             &answer, NOW, &out);
        t_eq(out.verdict, NGX_HTTP_AI_QUOTA_EXHAUSTED);
        t_ok(out.message_len <= NGX_HTTP_AI_CLASSIFY_TEXT);
        t_ok(out.message_len == 0 || out.message[out.message_len - 1] == 0xa9);
    }

    free(body);
}


static void
ngx_http_ai_test_cuts(void)
{
    size_t                i, n;
    ngx_http_ai_answer_t  answer;

    static const char  *body =
        "[{\"error\":{\"code\":429,\"message\":\"try again in 2s\","
        "\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"violations\":["
        "{\"quotaId\":\"RequestsPerDay\"}]},{\"retryDelay\":\"3s\"}]}}]";

    n = strlen(body);

    for (i = 0; i <= n; i++) {
        ngx_memzero(&answer, sizeof(answer));

        answer.status = (i & 1) ? 429 : 200;
        answer.body.len = i;
        answer.body.data = ngx_http_ai_test_dup(body, i);

        ngx_http_ai_classify(ngx_http_ai_provider_find((u_char *) "gemini", 6),
                             &answer, NOW, &out);

        if (answer.status == 429) {
            t_ok(out.verdict == NGX_HTTP_AI_RATE_LIMIT
                 || out.verdict == NGX_HTTP_AI_RATE_LIMIT_DAY);
        }

        t_ok(out.verdict < NGX_HTTP_AI_VERDICTS);

        free(answer.body.data);
    }
}


static void
ngx_http_ai_test_patterns(void)
{
    ngx_uint_t  i;
    char        text[200];
    ngx_str_t   s;

    static const struct {
        const char  *pattern;
        const char  *text;
        ngx_uint_t   is;
        ngx_uint_t   has;
    } rows[] = {
        { "abc", "abc", 1, 1 }, { "abc", "ABC", 1, 1 },
        { "abc", "abcd", 0, 1 }, { "abc", "xabc", 0, 1 },
        { "^abc", "xabc", 0, 0 }, { "^abc", "abcx", 0, 1 },
        { "a*c", "abbbc", 1, 1 }, { "a*c", "ac", 1, 1 },
        { "a*c", "ab", 0, 0 }, { "a*c*e", "xxaccdde", 0, 1 },
        { "billing_*", "billing_not_active", 1, 1 },
        { "billing_*", "billing", 0, 0 },
        { "*_limit", "spend_limit", 1, 1 }, { "abc", "", 0, 0 },
        { "aab", "aaab", 0, 1 }, { "^a*b", "xab", 0, 0 },
        { NULL, NULL, 0, 0 }
    };

    for (i = 0; rows[i].pattern; i++) {
        ngx_http_ai_test_note = rows[i].text;

        s = ngx_http_ai_test_string(rows[i].text);

        t_eq(ngx_http_ai_classify_is(rows[i].pattern, &s), rows[i].is);
        t_eq(ngx_http_ai_classify_has(rows[i].pattern, &s), rows[i].has);
    }

    /* "*" does not reach from one end of a message to the other */

    memset(text, ' ', sizeof(text));
    text[0] = 'a';
    text[65] = 'b';

    s.data = (u_char *) text;
    s.len = sizeof(text);

    t_eq(ngx_http_ai_classify_has("a*b", &s), 1);

    text[65] = ' ';
    text[66] = 'b';

    t_eq(ngx_http_ai_classify_has("a*b", &s), 0);
}


static const ngx_http_ai_test_t  tests[] = {
    { "answers", ngx_http_ai_test_answers },
    { "hints to wait, and not to try again", ngx_http_ai_test_hints },
    { "what is logged", ngx_http_ai_test_log },
    { "long messages", ngx_http_ai_test_long },
    { "bodies that were cut", ngx_http_ai_test_cuts },
    { "patterns", ngx_http_ai_test_patterns },
    { NULL, NULL }
};


int
main(int argc, char **argv)
{
    answers = (argc > 1) ? argv[1] : answers;

    return ngx_http_ai_test_run(tests);
}
