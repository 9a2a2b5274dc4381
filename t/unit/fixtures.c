
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The classifier and the reader of usage against answers that providers
 * really gave, the latter also with the answers split anywhere.  They are
 * third-party data and not part of this project: the folder is argv[1], or
 * AI_FIXTURES in the environment, or ../shared/fixtures; without it the test
 * is skipped.
 */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_usage_scan.h"


#define FIXTURE_COLUMNS  20
#define FIXTURE_MAX      (4 * 1024 * 1024)
#define FIXTURE_SPLITS   60
#define FIXTURE_CARRY    4096


enum {
    COL_FILE = 0,
    COL_PROVIDER,
    COL_ENDPOINT,
    COL_STATUS,
    COL_STREAM,
    COL_PROMPT = 6,
    COL_COMPLETION,
    COL_CACHED,
    COL_REASONING,
    COL_CLASS,
    COL_WRITE = 13,
    COL_FINISH = 15,
    COL_DONE,
    COL_USAGE,
    COL_HEADERS = 18
};


typedef struct {
    ngx_uint_t    content;
    ngx_uint_t    finish;
    ngx_uint_t    done;
    ngx_uint_t    errors;
    ngx_uint_t    usage;
    ngx_uint_t    plain_wrong;      /* plain, but with more than content */
    ngx_uint_t    plain;
    ngx_uint_t    wanted;           /* an error of the wanted class */
} ngx_http_ai_fixture_seen_t;


static const char                *dir;
static char                      *row[FIXTURE_COLUMNS];
static u_char                    *body;
static size_t                     body_len;


static u_char *
ngx_http_ai_fixture_load(const char *name, size_t *len)
{
    char     path[4096];
    FILE    *f;
    u_char  *p;

    snprintf(path, sizeof(path), "%s/%s", dir, name);

    f = fopen(path, "rb");
    if (f == NULL) {
        return NULL;
    }

    p = malloc(FIXTURE_MAX + 1);

    *len = p ? fread(p, 1, FIXTURE_MAX, f) : 0;
    fclose(f);

    if (p) {
        p[*len] = '\0';
    }

    return p;
}


/* "name=value; name=value" */

static ngx_str_t
ngx_http_ai_fixture_header(const char *name)
{
    char       *p, *end;
    size_t      len;
    ngx_str_t   value = ngx_null_string;

    len = strlen(name);

    for (p = row[COL_HEADERS]; p && *p; p = end) {
        end = strstr(p, "; ");
        end = end ? end : p + strlen(p);

        if (strncmp(p, name, len) == 0 && p[len] == '=') {
            value.data = (u_char *) p + len + 1;
            value.len = end - p - len - 1;
        }

        end += (*end == ';') ? 2 : 0;
    }

    return value;
}


static const char *
ngx_http_ai_fixture_name(ngx_http_ai_verdict_e v)
{
    return (const char *) ngx_http_ai_verdict(v)->name.data;
}


static void
ngx_http_ai_fixture_body(const ngx_http_ai_provider_t *provider)
{
    const char               *want;
    ngx_http_ai_answer_t      answer;
    ngx_http_ai_judgement_t   out;

    ngx_memzero(&answer, sizeof(answer));

    answer.status = atoi(row[COL_STATUS]);
    answer.retry_after = ngx_http_ai_fixture_header("retry-after");
    answer.retry_after_ms = ngx_http_ai_fixture_header("retry-after-ms");
    answer.should_retry = ngx_http_ai_fixture_header("x-should-retry");
    answer.error_type = ngx_http_ai_fixture_header("x-amzn-errortype");
    answer.body.data = body;
    answer.body.len = body_len;

    ngx_http_ai_classify(provider, &answer, 1700000000, &out);

    want = row[COL_CLASS];
    want = (*want == '\0' || *want == '-') ? "ok" : want;

    if (strcmp(ngx_http_ai_fixture_name(out.verdict), want) != 0) {
        printf("# %s is %s\n", want, ngx_http_ai_fixture_name(out.verdict));
    }

    t_ok(strcmp(ngx_http_ai_fixture_name(out.verdict), want) == 0);

    if (answer.status == 200) {
        t_eq(out.wait_ms, -1);
    }
}


static void
ngx_http_ai_fixture_event(const ngx_http_ai_provider_t *provider,
    const ngx_http_ai_sse_event_t *ev, ngx_http_ai_fixture_seen_t *seen)
{
    ngx_uint_t                kind, plain;
    ngx_http_ai_judgement_t   out;

    plain = ngx_http_ai_classify_plain(ev);
    kind = ngx_http_ai_classify_event(provider, ev, &out);

    t_eq(ngx_http_ai_classify_event(provider, ev, NULL), kind);

    seen->plain += (plain != 0);
    seen->plain_wrong += (plain && (kind & ~NGX_HTTP_AI_EVENT_CONTENT));

    seen->content += ((kind & NGX_HTTP_AI_EVENT_CONTENT) != 0);
    seen->finish += ((kind & NGX_HTTP_AI_EVENT_FINISH) != 0);
    seen->done += ((kind & NGX_HTTP_AI_EVENT_DONE) != 0);
    seen->usage += ((kind & NGX_HTTP_AI_EVENT_USAGE) != 0);

    if (kind & NGX_HTTP_AI_EVENT_ERROR) {
        seen->errors++;
        seen->wanted += strcmp(ngx_http_ai_fixture_name(out.verdict),
                               row[COL_CLASS]) == 0;

        if (strcmp(ngx_http_ai_fixture_name(out.verdict), row[COL_CLASS])) {
            printf("# error event is %s: %.*s\n",
                   ngx_http_ai_fixture_name(out.verdict),
                   (int) ngx_min(ev->raw.len, 300), ev->raw.data);
        }
    }
}


static void
ngx_http_ai_fixture_events(const ngx_http_ai_provider_t *provider,
    ngx_http_ai_fixture_seen_t *seen)
{
    u_char                    *pos;
    static u_char              carry[65536];
    ngx_http_ai_sse_t          sse;
    ngx_http_ai_sse_event_t    ev;

    ngx_memzero(seen, sizeof(ngx_http_ai_fixture_seen_t));

    ngx_http_ai_sse_init(&sse, carry, sizeof(carry));

    pos = body;

    while (ngx_http_ai_sse_next(&sse, &pos, body + body_len, &ev) == NGX_OK) {
        ngx_http_ai_fixture_event(provider, &ev, seen);
    }

    if (ngx_http_ai_sse_end(&sse, &ev) == NGX_OK) {
        ngx_http_ai_fixture_event(provider, &ev, seen);
    }
}


/* refused, or all tokens spent on reasoning that is not shown */

static ngx_uint_t
ngx_http_ai_fixture_silent(void)
{
    return strcmp(row[COL_FINISH], "refusal") == 0
           || (row[COL_COMPLETION][0]
               && strcmp(row[COL_COMPLETION], row[COL_REASONING]) == 0);
}


static void
ngx_http_ai_fixture_stream(const ngx_http_ai_provider_t *provider)
{
    ngx_http_ai_fixture_seen_t  seen;

    ngx_http_ai_fixture_events(provider, &seen);

    t_eq(seen.plain_wrong, 0);

    if (row[COL_CLASS][0] && row[COL_CLASS][0] != '-') {
        t_ok(seen.wanted > 0);

    } else {
        t_eq(seen.errors, 0);
        t_ok(seen.content > 0 || ngx_http_ai_fixture_silent());
        t_ok(seen.finish + seen.done > 0);
    }

    if (row[COL_DONE][0] == '1') {
        t_eq(seen.done, 1);

    } else if (row[COL_CLASS][0] == '-'
               && strcmp(row[COL_PROVIDER], "gemini") != 0
               && strcmp(row[COL_PROVIDER], "vertex") != 0)
    {
        t_eq(seen.done, 1);      /* message_stop, response.completed */
    }
}


/* the same numbers each time, on every machine */

static uint32_t
ngx_http_ai_fixture_random(void)
{
    static uint32_t  x = 2463534242u;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;

    return x;
}


/*
 * Through the reader that the stream room uses, in pieces of up to "piece"
 * bytes; 0: all at once.  Each piece is copied, so that a look beyond it is
 * seen.
 */

static ngx_int_t
ngx_http_ai_fixture_read(const ngx_http_ai_provider_t *provider,
    ngx_http_ai_usage_scan_mode_e mode, size_t piece, size_t carry_size,
    ngx_http_ai_tokens_t *tokens)
{
    u_char                    *p, *pos, *copy, carry[FIXTURE_CARRY];
    size_t                     n;
    ngx_int_t                  rc;
    ngx_http_ai_sse_event_t    ev;
    ngx_http_ai_usage_doc_t    doc;
    ngx_http_ai_usage_scan_t   scan;

    ngx_http_ai_usage_scan_init(&scan, mode, provider, carry, carry_size,
                                &doc);

    for (p = body; p < body + body_len; p += n) {

        n = piece ? 1 + ngx_http_ai_fixture_random() % piece : body_len;
        n = ngx_min(n, (size_t) (body + body_len - p));

        copy = malloc(n);
        (void) memcpy(copy, p, n);
        pos = copy;

        if (mode != NGX_HTTP_AI_USAGE_SCAN_SSE) {
            ngx_http_ai_usage_scan_feed(&scan, copy, n);

        } else {
            while (ngx_http_ai_usage_scan_next(&scan, &pos, copy + n, &ev)
                   == NGX_OK)
            {
                (void) ngx_http_ai_usage_scan_event(&scan, &ev, NULL);
            }
        }

        free(copy);
    }

    rc = ngx_http_ai_usage_scan_end(&scan);

    /* the end of a long event is judged by what the carry keeps of it */

    if (row[COL_CLASS][0] == '-' && carry_size == FIXTURE_CARRY) {
        t_eq(rc, NGX_OK);
    }

    return ngx_http_ai_usage_scan_tokens(&scan, 7, tokens);
}


static void
ngx_http_ai_fixture_expect(ngx_int_t rc, const ngx_http_ai_tokens_t *tokens)
{
    if (row[COL_PROMPT][0] == '\0') {

        /* nothing told, but for seconds and searches */

        t_eq(tokens->found, 0);
        t_eq(rc, tokens->units ? NGX_OK : NGX_DECLINED);
        t_eq(tokens->input, tokens->units ? 0 : 7);
        return;
    }

    t_eq(rc, NGX_OK);
    t_eq(tokens->found, 1);
    t_eq(tokens->estimated, 0);
    t_eq(tokens->input, atoll(row[COL_PROMPT]));
    t_eq(tokens->output, atoll(row[COL_COMPLETION]));
    t_eq(tokens->cache_read, atoll(row[COL_CACHED]));
    t_eq(tokens->cache_write, atoll(row[COL_WRITE]));
    t_eq(tokens->reasoning, atoll(row[COL_REASONING]));
}


static void
ngx_http_ai_fixture_tokens(const ngx_http_ai_provider_t *provider)
{
    size_t                          n, piece, carry;
    ngx_int_t                       rc;
    ngx_uint_t                      i;
    ngx_http_ai_tokens_t            whole, split;
    ngx_http_ai_usage_scan_mode_e   mode;

    if (atoi(row[COL_STATUS]) >= 300) {
        return;
    }

    n = strlen(row[COL_FILE]);

    mode = (strcmp(row[COL_FILE] + n - 4, ".sse") == 0)
           ? NGX_HTTP_AI_USAGE_SCAN_SSE
           : strstr(row[COL_FILE], "ndjson") ? NGX_HTTP_AI_USAGE_SCAN_LINES
                                             : NGX_HTTP_AI_USAGE_SCAN_JSON;

    rc = ngx_http_ai_fixture_read(provider, mode, 0, FIXTURE_CARRY, &whole);
    ngx_http_ai_fixture_expect(rc, &whole);

    if (strstr(row[COL_USAGE], "\"duration\"")) {
        t_eq(whole.seconds, 37);
    }

    if (strstr(row[COL_FILE], "rerank.json") && !whole.found) {
        t_eq(whole.search_units, 1);
    }

    for (i = 0; i < FIXTURE_SPLITS; i++) {

        piece = (i == 0) ? 1 : (size_t) 1 << ngx_http_ai_fixture_random() % 14;
        carry = (i % 3 == 0) ? 128 + ngx_http_ai_fixture_random() % 512
                             : FIXTURE_CARRY;

        rc = ngx_http_ai_fixture_read(provider, mode, piece, carry, &split);
        ngx_http_ai_fixture_expect(rc, &split);

        if (whole.found || whole.units) {
            t_mem(&split, sizeof(split), &whole, sizeof(whole));
        }
    }
}


static void
ngx_http_ai_fixture_row(void)
{
    size_t                         n;
    const ngx_http_ai_provider_t  *provider;

    provider = ngx_http_ai_provider_find((u_char *) row[COL_PROVIDER],
                                         strlen(row[COL_PROVIDER]));
    if (provider == NULL) {
        provider = ngx_http_ai_provider_find((u_char *) "compatible", 10);
    }

    body = ngx_http_ai_fixture_load(row[COL_FILE], &body_len);

    t_ok(body != NULL);

    if (body == NULL) {
        return;
    }

    n = strlen(row[COL_FILE]);

    if (n > 4 && strcmp(row[COL_FILE] + n - 4, ".sse") == 0) {
        ngx_http_ai_fixture_stream(provider);

    } else if (strstr(row[COL_FILE], "ndjson") == NULL) {
        ngx_http_ai_fixture_body(provider);
    }

    ngx_http_ai_fixture_tokens(provider);

    free(body);
}


static void
ngx_http_ai_fixture_split(char *line)
{
    ngx_uint_t   i;
    static char  empty[1];

    for (i = 0; i < FIXTURE_COLUMNS; i++) {
        row[i] = line ? line : empty;
        line = line ? strchr(line, '\t') : NULL;

        if (line) {
            *line++ = '\0';
        }
    }
}


int
main(int argc, char **argv)
{
    char        *line, *next, *index;
    size_t       len;
    ngx_uint_t   n, bad;

    dir = (argc > 1) ? argv[1] : getenv("AI_FIXTURES");
    dir = dir ? dir : "../shared/fixtures";

    index = (char *) ngx_http_ai_fixture_load("INDEX.tsv", &len);

    if (index == NULL) {
        printf("1..0 # SKIP no fixtures folder\n");
        return 0;
    }

    n = 0;
    bad = 0;

    line = strchr(index, '\n');

    for (line = line ? line + 1 : NULL; line && *line; line = next) {
        next = strchr(line, '\n');

        if (next) {
            *next++ = '\0';
        }

        ngx_http_ai_fixture_split(line);

        ngx_http_ai_test_checks = 0;
        ngx_http_ai_test_failed = 0;
        ngx_http_ai_test_note = row[COL_FILE];

        ngx_http_ai_fixture_row();

        bad += (ngx_http_ai_test_failed != 0);

        printf("%s %lu - %s\n", ngx_http_ai_test_failed ? "not ok" : "ok",
               (unsigned long) ++n, row[COL_FILE]);
    }

    printf("1..%lu\n", (unsigned long) n);
    free(index);

    return bad ? 1 : 0;
}
