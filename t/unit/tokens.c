
/*
 * Copyright (C) nginx-ai-route contributors
 */


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

        /* Anthropic: the input leaves out the cache */
        { "{\"input_tokens\":4,\"cache_creation_input_tokens\":379,"
          "\"cache_read_input_tokens\":14714,\"output_tokens\":290,"
          "\"output_tokens_details\":{\"thinking_tokens\":19}}",
          { 15097, 290, 14714, 379, 19 } },
        { "{\"input_tokens\":412,\"output_tokens\":264,\"iterations\":[{"
          "\"input_tokens\":408,\"output_tokens\":1},{\"input_tokens\":412,"
          "\"output_tokens\":263,\"cache_read_input_tokens\":9}]}",
          { 412, 264, 0, 0, 0 } },

        /* a skin of chat over Anthropic: the prompt has it */
        { "{\"prompt_tokens\":15097,\"completion_tokens\":290,"
          "\"total_tokens\":15387,\"cache_creation_input_tokens\":379,"
          "\"cache_read_input_tokens\":14714,\"prompt_tokens_details\":"
          "{\"cached_tokens\":14714}}",
          { 15097, 290, 14714, 379, 0 } },

        /* Gemini */
        { "{\"promptTokenCount\":9613,\"candidatesTokenCount\":33,"
          "\"totalTokenCount\":9685,\"cachedContentTokenCount\":9602,"
          "\"thoughtsTokenCount\":39,\"trafficType\":\"ON_DEMAND\"}",
          { 9613, 72, 9602, 0, 39 } },
        { "{\"promptTokenCount\":10,\"candidatesTokenCount\":5,"
          "\"toolUsePromptTokenCount\":7,\"thoughtsTokenCount\":3,"
          "\"totalTokenCount\":25}",
          { 17, 8, 0, 0, 3 } },
        { "{\"promptTokenCount\":2304,\"totalTokenCount\":2304}",
          { 2304, 0, 0, 0, 0 } },

        /* Bedrock's Converse */
        { "{\"inputTokens\":3,\"outputTokens\":61,\"totalTokens\":2435,"
          "\"cacheReadInputTokens\":2074,\"cacheWriteInputTokens\":297}",
          { 2374, 61, 2074, 297, 0 } },

        /* Cohere: usage, and "meta" of its embeddings */
        { "{\"billed_units\":{\"input_tokens\":8,\"output_tokens\":9},"
          "\"tokens\":{\"input_tokens\":503,\"output_tokens\":11},"
          "\"cached_tokens\":448}",
          { 503, 11, 448, 0, 0 } },
        { "{\"billed_units\":{\"input_tokens\":8}}", { 8, 0, 0, 0, 0 } },

        { "{\"completion_tokens\":4}", { 0, 4, 0, 0, 0 } },

        /* a zero that was told */
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


/* what is not among the five */

static void
ngx_http_ai_test_more(void)
{
    ngx_http_ai_tokens_t  tokens;

    #define t_read(json)                                                      \
        (void) memset(&tokens, 0xa5, sizeof(tokens));                         \
        t_eq(ngx_http_ai_test_usage(&tokens, json, strlen(json)), NGX_OK)

    t_read("{\"input_tokens\":1,\"output_tokens\":2}");
    t_eq(tokens.cache_write_1h, 0);
    t_eq(tokens.audio_input, 0);
    t_eq(tokens.billed_input, -1);
    t_eq(tokens.billed_output, -1);
    t_eq(tokens.reported_nanousd, -1);
    t_eq(tokens.tier, NGX_HTTP_AI_TIER_NONE);
    t_eq(tokens.units, 0);
    t_eq(tokens.estimated, 0);
    t_eq(tokens.fast, 0);

    t_read("{\"input_tokens\":4,\"cache_creation_input_tokens\":30,"
           "\"cache_creation\":{\"ephemeral_1h_input_tokens\":20,"
           "\"ephemeral_5m_input_tokens\":10},\"output_tokens\":1,"
           "\"server_tool_use\":{\"web_search_requests\":3},"
           "\"service_tier\":\"batch\",\"speed\":\"fast\"}");
    t_eq(tokens.input, 34);
    t_eq(tokens.cache_write, 30);
    t_eq(tokens.cache_write_1h, 20);
    t_eq(tokens.web_searches, 3);
    t_eq(tokens.tier, NGX_HTTP_AI_TIER_BATCH);
    t_eq(tokens.fast, 1);

    t_read("{\"inputTokens\":3,\"outputTokens\":1,\"cacheWriteInputTokens\":"
           "300,\"cacheDetails\":[{\"inputTokens\":200,\"ttl\":\"5m\"},"
           "{\"ttl\":\"1h\",\"inputTokens\":100}]}");
    t_eq(tokens.cache_write, 300);
    t_eq(tokens.cache_write_1h, 100);

    t_read("{\"prompt_tokens\":9,\"completion_tokens\":8,"
           "\"prompt_tokens_details\":{\"audio_tokens\":7,\"image_tokens\":"
           "1},\"completion_tokens_details\":{\"audio_tokens\":6,"
           "\"image_tokens\":2}}");
    t_eq(tokens.audio_input, 7);
    t_eq(tokens.image_input, 1);
    t_eq(tokens.audio_output, 6);
    t_eq(tokens.image_output, 2);

    t_read("{\"promptTokenCount\":9,\"promptTokensDetails\":[{\"modality\":"
           "\"TEXT\",\"tokenCount\":2},{\"modality\":\"AUDIO\","
           "\"tokenCount\":7}],\"candidatesTokensDetails\":[{\"tokenCount\":"
           "5,\"modality\":\"IMAGE\"}],\"serviceTier\":\"priority\"}");
    t_eq(tokens.audio_input, 7);
    t_eq(tokens.image_input, 0);
    t_eq(tokens.image_output, 5);
    t_eq(tokens.tier, NGX_HTTP_AI_TIER_PRIORITY);

    t_read("{\"billed_units\":{\"input_tokens\":8,\"output_tokens\":9},"
           "\"tokens\":{\"input_tokens\":503,\"output_tokens\":11}}");
    t_eq(tokens.billed_input, 8);
    t_eq(tokens.billed_output, 9);

    /* no tokens, but units that are billed; what is begun counts whole */

    t_read("{\"type\":\"duration\",\"seconds\":37}");
    t_eq(tokens.found, 0);
    t_eq(tokens.units, 1);
    t_eq(tokens.seconds, 37);

    t_read("{\"type\":\"duration\",\"seconds\":36.01}");
    t_eq(tokens.seconds, 37);

    t_read("{\"billed_units\":{\"search_units\":2}}");
    t_eq(tokens.found, 0);
    t_eq(tokens.units, 1);
    t_eq(tokens.search_units, 2);
}


static void
ngx_http_ai_test_money(void)
{
    ngx_uint_t            i;
    ngx_http_ai_tokens_t  tokens;

    static const struct {
        const char  *json;
        int64_t      want;
    } rows[] = {

        /* OpenRouter; "cost_details" are parts of it */

        { "{\"prompt_tokens\":1,\"cost\":0.00219855,\"cost_details\":{"
          "\"upstream_inference_cost\":0.00219855},\"is_byok\":false}",
          2198550 },
        { "{\"prompt_tokens\":1,\"cost\":6e-05}", 60000 },
        { "{\"prompt_tokens\":1,\"cost\":0,\"cost_details\":{"
          "\"upstream_inference_cost\":null}}", 0 },
        { "{\"prompt_tokens\":1,\"cost\":null}", -1 },
        { "{\"prompt_tokens\":1,\"cost\":\"0.1\"}", -1 },
        { "{\"prompt_tokens\":1,\"cost\":-1}", -1 },

        /* one's own key: what the provider takes comes on top */

        { "{\"prompt_tokens\":1,\"cost\":0.001,\"cost_details\":{"
          "\"upstream_inference_cost\":0.02},\"is_byok\":true}",
          21000000 },
        { "{\"prompt_tokens\":1,\"cost\":9e8,\"cost_details\":{"
          "\"upstream_inference_cost\":9e8},\"is_byok\":true}",
          1800000000000000000 },

        /* Perplexity */

        { "{\"prompt_tokens\":1,\"cost\":{\"input_tokens_cost\":0.0,"
          "\"request_cost\":0.005,\"total_cost\":0.006}}", 6000000 },

        /* xAI, 10^10 to a dollar; 0 is what Azure says of its Grok */

        { "{\"prompt_tokens\":12,\"cost_in_usd_ticks\":1176500}", 117650 },
        { "{\"prompt_tokens\":12,\"cost_in_usd_ticks\":0}", -1 },
        { NULL, 0 }
    };

    static const struct {
        const char  *text;
        int64_t      want;
    } numbers[] = {
        { "0", 0 }, { "1", 1000000000 }, { "0.1", 100000000 },
        { "3.4e-07", 340 }, { "1E+2", 100000000000 }, { "1e2", 100000000000 },
        { "0.0000000014", 1 }, { "0.0000000015", 2 }, { "0.00000000049", 0 },
        { "0.000000000499999999999999999999999999", 0 },
        { "0.123456789123456789123456789", 123456789 },
        { "900000000", 900000000000000000 },
        { "0.1e-400", 0 }, { "0e99999999999999999999", 0 },
        { "0.00e5", 0 },
        { "1000000000", -1 }, { "1e400", -1 },
        { "99999999999999999999999", -1 },
        { "", -1 }, { "-1", -1 }, { "x", -1 }, { ".", -1 }, { "1e", -1 },
        { "1e-", -1 }, { "1.1.1", -1 }, { "1e5x", -1 }, { NULL, 0 }
    };

    for (i = 0; rows[i].json; i++) {
        ngx_http_ai_test_note = rows[i].json;
        t_read(rows[i].json);
        t_eq(tokens.reported_nanousd, rows[i].want);
    }

    for (i = 0; numbers[i].text; i++) {
        ngx_http_ai_test_note = numbers[i].text;
        t_eq(ngx_http_ai_tokens_nanousd((const u_char *) numbers[i].text,
                                        strlen(numbers[i].text)),
             numbers[i].want);
    }
}


/* several objects of one answer */

static void
ngx_http_ai_test_several(void)
{
    ngx_uint_t                 i, k;
    ngx_http_ai_tokens_t       tokens;
    ngx_http_ai_tokens_raw_t   raw, before;

    static const struct {
        const char  *objects[4];
        int64_t      want[5];
    } rows[] = {

        /* Anthropic: the end leaves out the input, or lets it grow */

        { { "{\"input_tokens\":4,\"cache_read_input_tokens\":1167,"
            "\"output_tokens\":1}",
            "{\"output_tokens\":256}", NULL },
          { 1171, 256, 1167, 0, 0 } },
        { { "{\"input_tokens\":43,\"output_tokens\":1}",
            "{\"input_tokens\":61,\"cache_read_input_tokens\":null,"
            "\"output_tokens\":2}", NULL },
          { 61, 2, 0, 0, 0 } },

        /* a skin that repeats them as zeros */

        { { "{\"input_tokens\":43,\"cache_read_input_tokens\":5,"
            "\"output_tokens\":0}",
            "{\"input_tokens\":0,\"cache_read_input_tokens\":0,"
            "\"output_tokens\":2}", NULL },
          { 48, 2, 5, 0, 0 } },
        { { "{\"input_tokens\":0,\"output_tokens\":0}",
            "{\"input_tokens\":43,\"output_tokens\":2}", NULL },
          { 43, 2, 0, 0, 0 } },

        /* Gemini, vLLM: cumulative, not added */

        { { "{\"promptTokenCount\":8,\"totalTokenCount\":8}",
            "{\"promptTokenCount\":8,\"candidatesTokenCount\":3,"
            "\"totalTokenCount\":32,\"thoughtsTokenCount\":21}",
            "{\"promptTokenCount\":8,\"candidatesTokenCount\":7,"
            "\"totalTokenCount\":36,\"thoughtsTokenCount\":21}", NULL },
          { 8, 28, 0, 0, 21 } },
        { { "{\"prompt_tokens\":9,\"completion_tokens\":1,"
            "\"total_tokens\":10}",
            "{\"prompt_tokens\":9,\"completion_tokens\":2,"
            "\"total_tokens\":11}", NULL },
          { 9, 2, 0, 0, 0 } },

        /* what is no usage changes nothing */

        { { "{\"prompt_tokens\":9,\"completion_tokens\":1}",
            "null", "{\"a\":1}", NULL },
          { 9, 1, 0, 0, 0 } }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        ngx_http_ai_tokens_init(&raw);

        for (k = 0; rows[i].objects[k]; k++) {
            ngx_http_ai_test_note = rows[i].objects[k];

            before = raw;

            if (ngx_http_ai_tokens_add(&raw,
                                       (const u_char *) rows[i].objects[k],
                                       strlen(rows[i].objects[k]), 0)
                != NGX_OK)
            {
                t_mem(&raw, sizeof(raw), &before, sizeof(before));
            }
        }

        ngx_http_ai_tokens_sum(&raw, &tokens);
        ngx_http_ai_test_counts(&tokens, rows[i].want);
    }
}


/* the first bytes of an object that is too long */

static void
ngx_http_ai_test_cut(void)
{
    size_t                     n;
    ngx_http_ai_tokens_t       tokens;
    ngx_http_ai_tokens_raw_t   raw;

    static const char  json[] =
        "{\"input_tokens\":412,\"output_tokens\":264,\"iterations\":[{"
        "\"input_tokens\":408,\"output_tokens\":1";

    for (n = 0; n < sizeof(json); n++) {
        ngx_http_ai_tokens_init(&raw);

        (void) ngx_http_ai_tokens_add(&raw, (const u_char *) json, n, 1);
        ngx_http_ai_tokens_sum(&raw, &tokens);

        /* a number that was cut is no number */

        t_eq(tokens.input, n > 19 ? 412 : 0);
        t_eq(tokens.output, n > 39 ? 264 : 0);
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


static const ngx_http_ai_test_t  ngx_http_ai_tests[] = {
    { "shapes", ngx_http_ai_test_shapes },
    { "repair rules", ngx_http_ai_test_repair },
    { "plain objects", ngx_http_ai_test_plain },
    { "no usage, no JSON", ngx_http_ai_test_declined },
    { "other units, tiers", ngx_http_ai_test_more },
    { "money", ngx_http_ai_test_money },
    { "several objects", ngx_http_ai_test_several },
    { "cut objects", ngx_http_ai_test_cut },
    { "truncated everywhere", ngx_http_ai_test_truncated },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(ngx_http_ai_tests);
}
