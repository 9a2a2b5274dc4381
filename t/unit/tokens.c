
/*
 * Copyright (C) nginx-ai-route contributors
 */


#define _POSIX_C_SOURCE  200809L

#include "ngx_http_ai_test.h"
#include "ngx_http_ai_tokens.h"


/* input, output, cache_read, cache_write, reasoning */

typedef struct {
    const char  *json;
    int64_t      want[5];
} ngx_http_ai_test_case_t;


static ngx_int_t
ngx_http_ai_test_read(ngx_http_ai_tokens_t *tokens, const char *json,
    size_t n)
{
    u_char     *p;
    ngx_int_t   rc;

    p = calloc(1, n ? n : 1);

    if (p == NULL) {
        abort();
    }

    memcpy(p, json, n);
    rc = ngx_http_ai_tokens_usage(tokens, p, n);
    free(p);

    return rc;
}


/*
 * Plain objects are read without the parser, others with it: both must say
 * the same.  White space in front is enough to make an object "other".
 */

static ngx_int_t
ngx_http_ai_test_usage(ngx_http_ai_tokens_t *tokens, const char *json,
    size_t n)
{
    char                  *spaced;
    ngx_int_t              rc;
    ngx_http_ai_tokens_t   parsed;

    parsed = *tokens;
    rc = ngx_http_ai_test_read(tokens, json, n);

    spaced = calloc(1, n + 1);

    if (spaced == NULL) {
        abort();
    }

    spaced[0] = ' ';
    memcpy(spaced + 1, json, n);

    t_eq(ngx_http_ai_test_read(&parsed, spaced, n + 1), rc);
    t_mem(tokens, sizeof(*tokens), &parsed, sizeof(parsed));

    free(spaced);

    return rc;
}


static void
ngx_http_ai_test_counts(const ngx_http_ai_tokens_t *tokens,
    const int64_t *want)
{
    t_eq(tokens->found, 1);
    t_eq(tokens->input, want[0]);
    t_eq(tokens->output, want[1]);
    t_eq(tokens->cache_read, want[2]);
    t_eq(tokens->cache_write, want[3]);
    t_eq(tokens->reasoning, want[4]);
}


static void
ngx_http_ai_test_cases(const ngx_http_ai_test_case_t *c)
{
    ngx_http_ai_tokens_t  tokens;

    for ( /* void */ ; c->json; c++) {
        ngx_http_ai_test_note = c->json;

        memset(&tokens, 0xa5, sizeof(tokens));
        t_eq(ngx_http_ai_test_usage(&tokens, c->json, strlen(c->json)),
             NGX_OK);
        ngx_http_ai_test_counts(&tokens, c->want);
    }
}


static void
ngx_http_ai_test_shapes(void)
{
    static const ngx_http_ai_test_case_t  cases[] = {

        /* chat */
        { "{\"prompt_tokens\":12,\"completion_tokens\":100,"
          "\"total_tokens\":112,"
          "\"prompt_tokens_details\":{\"cached_tokens\":5},"
          "\"completion_tokens_details\":{\"reasoning_tokens\":90}}",
          { 12, 100, 5, 0, 90 } },

        /* cache write */
        { "{\"prompt_tokens\":1220,\"completion_tokens\":100,"
          "\"total_tokens\":1320,\"prompt_tokens_details\":"
          "{\"cached_tokens\":0,\"cache_write_tokens\":1217}}",
          { 1220, 100, 0, 1217, 0 } },

        /* legacy completions, vLLM */
        { "{\"prompt_tokens\":43,\"total_tokens\":75,"
          "\"completion_tokens\":32,\"prompt_tokens_details\":null}",
          { 43, 32, 0, 0, 0 } },

        /* embeddings */
        { "{\"prompt_tokens\":5,\"total_tokens\":5}", { 5, 0, 0, 0, 0 } },

        /* rerank */
        { "{\"total_tokens\":17,\"cost\":3.4e-07}", { 17, 0, 0, 0, 0 } },

        /* Responses */
        { "{\"input_tokens\":1586,\"input_tokens_details\":"
          "{\"cache_write_tokens\":7,\"cached_tokens\":1536},"
          "\"output_tokens\":393,\"output_tokens_details\":"
          "{\"reasoning_tokens\":320},\"total_tokens\":1979}",
          { 1586, 393, 1536, 7, 320 } },

        /* transcription, realtime */
        { "{\"type\":\"tokens\",\"input_tokens\":14,\"input_token_details\":"
          "{\"audio_tokens\":14,\"cached_tokens\":3},\"output_tokens\":2,"
          "\"total_tokens\":16}",
          { 14, 2, 3, 0, 0 } },

        /* DeepSeek, with and without the common spelling */
        { "{\"prompt_tokens\":976,\"completion_tokens\":61,"
          "\"prompt_cache_hit_tokens\":896,\"prompt_cache_miss_tokens\":80,"
          "\"completion_tokens_details\":{\"reasoning_tokens\":25}}",
          { 976, 61, 896, 0, 25 } },
        { "{\"prompt_tokens\":976,\"completion_tokens\":61,"
          "\"total_tokens\":1037,\"prompt_cache_hit_tokens\":896,"
          "\"prompt_tokens_details\":{\"cached_tokens\":896}}",
          { 976, 61, 896, 0, 0 } },

        /* Together */
        { "{\"cached_tokens\":3,\"completion_tokens\":197,"
          "\"prompt_tokens\":4,\"total_tokens\":201}",
          { 4, 197, 3, 0, 0 } },

        /* both spellings, one of them zero */
        { "{\"prompt_tokens\":0,\"input_tokens\":9,\"completion_tokens\":0,"
          "\"output_tokens\":4,\"total_tokens\":13}",
          { 9, 4, 0, 0, 0 } },

        { "{\"completion_tokens\":4}", { 0, 4, 0, 0, 0 } },
        { "{\"prompt_tokens\":0}", { 0, 0, 0, 0, 0 } },
        { NULL, { 0, 0, 0, 0, 0 } }
    };

    ngx_http_ai_test_cases(cases);
}


static void
ngx_http_ai_test_repair(void)
{
    static const ngx_http_ai_test_case_t  cases[] = {

        /* (a) xAI leaves reasoning out of the output */
        { "{\"prompt_tokens\":12,\"completion_tokens\":1,"
          "\"total_tokens\":241,"
          "\"prompt_tokens_details\":{\"cached_tokens\":2},"
          "\"completion_tokens_details\":{\"reasoning_tokens\":228}}",
          { 12, 229, 2, 0, 228 } },

        /* (a) Gemini's compatible endpoint does not tell it at all */
        { "{\"completion_tokens\":6,\"prompt_tokens\":66,"
          "\"total_tokens\":100}",
          { 66, 34, 0, 0, 28 } },

        /* (a) not without a figure for the output: nothing says reasoning */
        { "{\"prompt_tokens\":66,\"total_tokens\":100}",
          { 66, 34, 0, 0, 0 } },
        { "{\"completion_tokens\":34,\"total_tokens\":100}",
          { 66, 34, 0, 0, 0 } },

        /* (a) a total that is too small changes nothing */
        { "{\"prompt_tokens\":66,\"completion_tokens\":34,"
          "\"total_tokens\":10}",
          { 66, 34, 0, 0, 0 } },

        /* (b) Grok on Azure: the prompt is without its cached part */
        { "{\"prompt_tokens\":7,\"completion_tokens\":1,\"total_tokens\":8,"
          "\"prompt_tokens_details\":{\"cached_tokens\":163}}",
          { 170, 1, 163, 0, 0 } },

        /* (b) and the same where the total has it */
        { "{\"prompt_tokens\":7,\"completion_tokens\":1,"
          "\"total_tokens\":171,"
          "\"prompt_tokens_details\":{\"cached_tokens\":163}}",
          { 170, 1, 163, 0, 0 } },

        /* (b) as many cached as there are is no fault */
        { "{\"prompt_tokens\":163,\"completion_tokens\":1,"
          "\"prompt_tokens_details\":{\"cached_tokens\":163}}",
          { 163, 1, 163, 0, 0 } },

        /* (c) more reasoning than output stays */
        { "{\"prompt_tokens\":43,\"completion_tokens\":10,"
          "\"total_tokens\":53,"
          "\"completion_tokens_details\":{\"reasoning_tokens\":11}}",
          { 43, 10, 0, 0, 11 } },

        /* (d) nulls, floats, negatives, other types, too large */
        { "{\"prompt_tokens\":12.0,\"completion_tokens\":3.9,"
          "\"total_tokens\":null,\"prompt_tokens_details\":null,"
          "\"completion_tokens_details\":[]}",
          { 12, 3, 0, 0, 0 } },
        { "{\"prompt_tokens\":-5,\"completion_tokens\":3}",
          { 0, 3, 0, 0, 0 } },
        { "{\"prompt_tokens\":\"5\",\"completion_tokens\":3}",
          { 0, 3, 0, 0, 0 } },
        { "{\"prompt_tokens\":1e300,\"completion_tokens\":"
          "99999999999999999999999,\"total_tokens\":1e18,"
          "\"cached_tokens\":1e300}",
          { 1000000000000000, 1000000000000000, 1000000000000000, 0, 0 } },
        { NULL, { 0, 0, 0, 0, 0 } }
    };

    ngx_http_ai_test_cases(cases);
}


/* where the reader of plain objects begins, ends, and gives up */

static void
ngx_http_ai_test_plain(void)
{
    static const ngx_http_ai_test_case_t  cases[] = {

        { "{ \"prompt_tokens\" :\n5 ,\t\"completion_tokens\": 3\r}",
          { 5, 3, 0, 0, 0 } },
        { "{\"prompt_tokens\":999999999999999}",
          { 999999999999999, 0, 0, 0, 0 } },
        { "{\"prompt_tokens\":1000000000000000}",
          { 1000000000000000, 0, 0, 0, 0 } },

        /* the last one wins, but not a null */
        { "{\"prompt_tokens\":9,\"prompt_tokens\":5}", { 5, 0, 0, 0, 0 } },
        { "{\"prompt_tokens\":5,\"prompt_tokens\":null}",
          { 5, 0, 0, 0, 0 } },
        { "{\"prompt_tokens\":5,\"total_tokens\":9,\"total_tokens\":{}}",
          { 5, 0, 0, 0, 0 } },

        /* names that are not those of the top */
        { "{\"total_tokens\":5,\"\":{\"prompt_tokens\":9}}",
          { 5, 0, 0, 0, 0 } },
        { "{\"total_tokens\":5,\"x\":{\"prompt_tokens\":9}}",
          { 5, 0, 0, 0, 0 } },
        { "{\"total_tokens\":5,\"prompt_tokens_details\":7}",
          { 5, 0, 0, 0, 0 } },
        { "{\"prompt_tokens_details\":{\"total_tokens\":9},"
          "\"total_tokens\":5}",
          { 5, 0, 0, 0, 0 } },

        /* an escape in a name, a string, and one with a brace at its end */
        { "{\"prompt\\u005ftokens\":5,\"s\":\"}\"}", { 5, 0, 0, 0, 0 } },
        { "{\"prompt_tokens\":5,\"x\":{\"y\":{\"z\":1}}}",
          { 5, 0, 0, 0, 0 } },
        { NULL, { 0, 0, 0, 0, 0 } }
    };

    ngx_http_ai_test_cases(cases);
}


static void
ngx_http_ai_test_declined(void)
{
    ngx_uint_t            i;
    ngx_http_ai_tokens_t  tokens, before;

    static const char  *none[] = {
        "null", "{}", "[]", "1", "\"x\"", "true",
        "{\"prompt_tokens\":null,\"completion_tokens\":null}",
        "{\"type\":\"duration\",\"seconds\":37}",
        "{\"prompt_tokens_details\":{\"cached_tokens\":5}}",
        "{\"usage\":{\"prompt_tokens\":5}}",
        "[{\"prompt_tokens\":5}]",
        "{\"x\":{\"prompt_tokens\":5}}",
        NULL
    };

    static const char  *bad[] = {
        "", "{", "nul", "{\"prompt_tokens\":5", "{\"prompt_tokens\":5}}",
        "{\"prompt_tokens\":05}", "{\"prompt_tokens\":5,}",
        "{\"prompt_tokens\":5 6}", "{\"prompt_tokens\"5}",
        "{\"prompt_tokens\":nul}", "{\"prompt_tokens\":}",
        "{\"x\":{\"prompt_tokens\":5}", "{\"x\":5}}", "{\"}", "{,}",
        "{\"prompt\ttokens\":5}", NULL
    };

    memset(&before, 0x5a, sizeof(before));

    for (i = 0; none[i]; i++) {
        ngx_http_ai_test_note = none[i];
        tokens = before;
        t_eq(ngx_http_ai_test_usage(&tokens, none[i], strlen(none[i])),
             NGX_DECLINED);
        t_mem(&tokens, sizeof(tokens), &before, sizeof(before));
    }

    for (i = 0; bad[i]; i++) {
        ngx_http_ai_test_note = bad[i];
        tokens = before;
        t_eq(ngx_http_ai_test_usage(&tokens, bad[i], strlen(bad[i])),
             NGX_ERROR);
        t_mem(&tokens, sizeof(tokens), &before, sizeof(before));
    }
}


static void
ngx_http_ai_test_truncated(void)
{
    size_t                n;
    ngx_http_ai_tokens_t  tokens;

    static const char  json[] =
        "{\"prompt_tokens\":12,\"completion_tokens\":100,"
        "\"prompt_tokens_details\":{\"cached_tokens\":5}}";

    memset(&tokens, 0xa5, sizeof(tokens));

    for (n = 0; n < sizeof(json) - 1; n++) {
        t_eq(ngx_http_ai_test_usage(&tokens, json, n), NGX_ERROR);
    }

    t_eq(ngx_http_ai_test_usage(&tokens, json, n), NGX_OK);
}


/* column "name" of a table with tabs, the i-th field of the line */

static char *
ngx_http_ai_test_field(char *line, int i)
{
    while (i-- > 0 && line) {
        line = strchr(line, '\t');
        line = line ? line + 1 : NULL;
    }

    return line;
}


/*
 * Recorded answers, where NGX_HTTP_AI_FIXTURES names their folder: the rows of
 * INDEX.tsv that have a usage object of OpenAI's shapes.
 */

static void
ngx_http_ai_test_fixtures(void)
{
    int                    col[8], i;
    char                   path[1024], *line, *field, *copy, *f[8];
    FILE                  *fp;
    size_t                 size;
    int64_t                want[5];
    ngx_uint_t             rows;
    const char            *dir;
    ngx_http_ai_tokens_t   tokens;

    static const char  *names[8] = {
        "expected_prompt_tokens", "expected_completion_tokens",
        "expected_cached_tokens", "expected_cache_write_tokens",
        "expected_reasoning_tokens", "raw_usage", "provider", "endpoint"
    };

    t_ok(1);

    dir = getenv("NGX_HTTP_AI_FIXTURES");
    if (dir == NULL) {
        printf("# NGX_HTTP_AI_FIXTURES is not set: nothing read\n");
        return;
    }

    snprintf(path, sizeof(path), "%s/INDEX.tsv", dir);

    fp = fopen(path, "r");
    t_ok(fp != NULL);

    if (fp == NULL) {
        return;
    }

    line = NULL;
    size = 0;
    rows = 0;

    t_ok(getline(&line, &size, fp) > 0);

    for (i = 0; i < 8; i++) {
        for (col[i] = 0; /* void */ ; col[i]++) {
            field = ngx_http_ai_test_field(line, col[i]);

            if (field == NULL
                || strncmp(field, names[i], strlen(names[i])) == 0)
            {
                break;
            }
        }
    }

    while (getline(&line, &size, fp) > 0) {

        for (i = 0; i < 8; i++) {
            field = ngx_http_ai_test_field(line, col[i]);
            f[i] = field ? strndup(field, strcspn(field, "\t\n")) : NULL;
        }

        copy = f[5];

        if (copy && copy[0] == '{' && f[0][0] != '\0'
            && strstr(copy, "cache_read_input_tokens") == NULL
            && (strstr(copy, "\"prompt_tokens\"")
                || strstr(copy, "\"input_tokens\"")
                || strstr(copy, "\"total_tokens\""))
            && strcmp(f[6], "cohere") != 0 && strcmp(f[6], "anthropic") != 0)
        {
            rows++;
            ngx_http_ai_test_note = copy;

            for (i = 0; i < 5; i++) {
                want[i] = strtoll(f[i], NULL, 10);
            }

            memset(&tokens, 0xa5, sizeof(tokens));
            t_eq(ngx_http_ai_test_usage(&tokens, copy, strlen(copy)), NGX_OK);
            ngx_http_ai_test_counts(&tokens, want);
        }

        for (i = 0; i < 8; i++) {
            free(f[i]);
        }

        ngx_http_ai_test_note = NULL;
    }

    printf("# %lu recorded usage objects\n", (unsigned long) rows);
    t_ok(rows > 0);

    free(line);
    fclose(fp);
}


static const ngx_http_ai_test_t  ngx_http_ai_tests[] = {
    { "shapes", ngx_http_ai_test_shapes },
    { "repair rules", ngx_http_ai_test_repair },
    { "plain objects", ngx_http_ai_test_plain },
    { "no usage, no JSON", ngx_http_ai_test_declined },
    { "truncated everywhere", ngx_http_ai_test_truncated },
    { "recorded usage objects", ngx_http_ai_test_fixtures },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(ngx_http_ai_tests);
}
