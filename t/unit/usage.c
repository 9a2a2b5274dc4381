
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The usage of whole answers, split at every byte: where each dialect puts
 * it, what is estimated where it is not, and events that are longer than what
 * is kept of them.  Recorded answers are read by fixtures.c.
 */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_usage_scan.h"


#define CARRY  256

#define OPENAI(delta)                                                         \
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":" delta          \
    ",\"finish_reason\":null}],\"usage\":null}\n\n"

#define ANTHROPIC(text)                                                       \
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\","    \
    "\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"" text         \
    "\"}}\n\n"

#define START                                                                 \
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{"   \
    "\"usage\":{\"input_tokens\":4,\"cache_read_input_tokens\":1167,"         \
    "\"output_tokens\":1}}}\n\n"

#define PROMPT  1000


typedef struct {
    const char                     *text;
    ngx_http_ai_usage_scan_mode_e   mode;
    ngx_int_t                       rc;        /* NGX_DECLINED: estimated */
    int64_t                         input;
    int64_t                         output;
    ngx_int_t                       end;       /* of the answer */
} ngx_http_ai_test_answer_t;


#define SSE    NGX_HTTP_AI_USAGE_SCAN_SSE
#define JSON   NGX_HTTP_AI_USAGE_SCAN_JSON
#define LINES  NGX_HTTP_AI_USAGE_SCAN_LINES


static ngx_http_ai_usage_doc_t   doc;
static ngx_http_ai_usage_scan_t  scan;
static ngx_uint_t                lone;     /* usage chunks of include_usage */
static u_char                    carry[65536];


static void
ngx_http_ai_test_feed(const u_char *p, size_t n)
{
    u_char                   *copy, *pos;
    ngx_http_ai_sse_event_t   ev;

    copy = ngx_http_ai_test_dup(p, n);
    pos = copy;

    if (scan.mode != SSE) {
        ngx_http_ai_usage_scan_feed(&scan, copy, n);
        free(copy);
        return;
    }

    if (ngx_http_ai_usage_scan_needs_doc(&scan, n)) {
        scan.doc = &doc;
    }

    while (ngx_http_ai_usage_scan_next(&scan, &pos, copy + n, &ev) == NGX_OK)
    {
        lone += ngx_http_ai_usage_scan_event(&scan, &ev, NULL)
                == NGX_DECLINED;
    }

    free(copy);
}


static void
ngx_http_ai_test_begin(ngx_http_ai_usage_scan_mode_e mode, size_t size)
{
    memset(&doc, 0xa5, sizeof(doc));
    lone = 0;

    ngx_http_ai_usage_scan_init(&scan, mode,
                                ngx_http_ai_provider_find(
                                             (u_char *) "compatible", 10),
                                carry, size, mode == SSE ? NULL : &doc);
}


static void
ngx_http_ai_test_answers(const ngx_http_ai_test_answer_t *a)
{
    size_t                 cut, n;
    ngx_http_ai_tokens_t   tokens;

    for ( /* void */ ; a->text; a++) {
        ngx_http_ai_test_note = a->text;
        n = strlen(a->text);

        for (cut = 0; cut <= n; cut++) {
            ngx_http_ai_test_begin(a->mode, sizeof(carry));
            ngx_http_ai_test_feed((const u_char *) a->text, cut);
            ngx_http_ai_test_feed((const u_char *) a->text + cut, n - cut);

            if (a->mode == JSON) {
                /* the same before its end is told */
                (void) ngx_http_ai_usage_scan_tokens(&scan, PROMPT, &tokens);
                t_eq(tokens.input, a->input);
                t_eq(tokens.output, a->output);
            }

            t_eq(ngx_http_ai_usage_scan_end(&scan), a->end);
            t_eq(ngx_http_ai_usage_scan_end(&scan), a->end);
            t_eq(ngx_http_ai_usage_scan_tokens(&scan, PROMPT, &tokens),
                 a->rc);
            t_eq(tokens.estimated, a->rc == NGX_DECLINED);
            t_eq(tokens.input, a->input);
            t_eq(tokens.output, a->output);
        }
    }
}


/* where it stands */

static void
ngx_http_ai_test_places(void)
{
    static const ngx_http_ai_test_answer_t  answers[] = {

        { "{\"choices\":[{\"message\":{\"content\":\"abcdefgh\"}}],"
          "\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}",
          JSON, NGX_OK, 5, 2, NGX_OK },
        { "{\"usage\":{\"input_tokens\":5,\"output_tokens\":2},"
          "\"content\":[{\"text\":\"abcdefghijklmnop\"}]}",
          JSON, NGX_OK, 5, 2, NGX_OK },
        { "{\"candidates\":[{}],\"usageMetadata\":{\"promptTokenCount\":5,"
          "\"candidatesTokenCount\":2}}", JSON, NGX_OK, 5, 2, NGX_OK },
        { "{\"embeddings\":{},\"meta\":{\"api_version\":{\"version\":\"2\"},"
          "\"billed_units\":{\"input_tokens\":5}}}",
          JSON, NGX_OK, 5, 0, NGX_OK },
        { "{\"message\":{\"content\":\"a\"},\"done\":true,"
          "\"prompt_eval_count\":5,\"eval_count\":2}",
          JSON, NGX_OK, 5, 2, NGX_OK },
        { "{\"message\":{\"content\":\"a\"},\"done\":true,\"eval_count\":2}",
          JSON, NGX_OK, 0, 2, NGX_OK },

        /* a real zero stays one */

        { "{\"choices\":[{\"message\":{\"content\":\"abcd\"}}],"
          "\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0}}",
          JSON, NGX_OK, 0, 0, NGX_OK },

        { OPENAI("{\"content\":\"a\"}")
          "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,"
          "\"completion_tokens\":2}}\n\ndata: [DONE]\n\n",
          SSE, NGX_OK, 5, 2, NGX_OK },
        { OPENAI("{\"content\":\"a\"}")
          "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":0,"
          "\"completion_tokens\":0}}\n\ndata: [DONE]\n\n",
          SSE, NGX_OK, 0, 0, NGX_OK },

        /* told twice, counted once */

        { "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},"
          "\"finish_reason\":\"stop\"}],\"x_groq\":{\"id\":\"r\",\"usage\":{"
          "\"prompt_tokens\":5,\"completion_tokens\":2,\"total_time\":0.1}},"
          "\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n",
          SSE, NGX_OK, 5, 2, NGX_OK },
        { "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],"
          "\"x_groq\":{\"usage\":{\"prompt_tokens\":5,"
          "\"completion_tokens\":2}}}\n\n",
          SSE, NGX_OK, 5, 2, NGX_OK },

        /* in every chunk: the last one */

        { "data: {\"choices\":[{\"delta\":{\"content\":\"abcd\"}}],\"usage\":"
          "{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\n"
          "data: {\"choices\":[{\"delta\":{\"content\":\"abcd\"}}],\"usage\":"
          "{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n",
          SSE, NGX_OK, 5, 2, NGX_DECLINED },
        { "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"abcd\""
          "}]}}],\"usageMetadata\":{\"promptTokenCount\":5}}\r\n\r\n"
          "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"abcd\""
          "}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{"
          "\"promptTokenCount\":5,\"candidatesTokenCount\":2}}\r\n\r\n",
          SSE, NGX_OK, 5, 2, NGX_OK },

        { START ANTHROPIC("abcd")
          "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{"
          "\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":256}}"
          "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
          SSE, NGX_OK, 1171, 256, NGX_OK },

        { "event: response.output_text.delta\ndata: {\"type\":"
          "\"response.output_text.delta\",\"delta\":\"abcd\"}\n\n"
          "event: response.completed\ndata: {\"type\":\"response.completed\","
          "\"response\":{\"output\":[{\"text\":\"abcd\"}],\"usage\":{"
          "\"input_tokens\":5,\"output_tokens\":2}}}\n\n",
          SSE, NGX_OK, 5, 2, NGX_OK },
        { "event: response.failed\ndata: {\"type\":\"response.failed\","
          "\"response\":{\"error\":{\"code\":\"server_error\"},\"usage\":{"
          "\"input_tokens\":5,\"output_tokens\":2}}}\n\n",
          SSE, NGX_OK, 5, 2, NGX_OK },
        { "event: response.cancelled\ndata: {\"type\":\"response.cancelled\","
          "\"response\":{\"usage\":{\"input_tokens\":5,\"output_tokens\":2}}}"
          "\n\n",
          SSE, NGX_OK, 5, 2, NGX_OK },

        { "event: content-delta\ndata: {\"type\":\"content-delta\"}\n\n"
          "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{"
          "\"finish_reason\":\"COMPLETE\",\"usage\":{\"billed_units\":{"
          "\"input_tokens\":1},\"tokens\":{\"input_tokens\":5,"
          "\"output_tokens\":2}}}}\n\n",
          SSE, NGX_OK, 5, 2, NGX_OK },

        { "event: transcript.text.done\ndata: {\"type\":"
          "\"transcript.text.done\",\"text\":\"a\",\"usage\":{\"type\":"
          "\"tokens\",\"input_tokens\":5,\"output_tokens\":2}}\n\n",
          SSE, NGX_OK, 5, 2, NGX_OK },
        { "event: image_generation.completed\ndata: {\"type\":"
          "\"image_generation.completed\",\"b64_json\":\"AAAA\",\"usage\":{"
          "\"input_tokens\":5,\"output_tokens\":2}}\n\n",
          SSE, NGX_OK, 5, 2, NGX_OK },

        /* in an event of several lines, and in one that was not ended */

        { "data: {\"choices\":[],\ndata: \"usage\":{\"prompt_tokens\":5,\r\n"
          "data:\"completion_tokens\":\ndata: 2}}\n\ndata: [DONE]\n\n",
          SSE, NGX_OK, 5, 2, NGX_OK },
        { "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,"
          "\"completion_tokens\":2}}",
          SSE, NGX_OK, 5, 2, NGX_OK },

        /* with an error */

        { "data: {\"error\":{\"code\":502,\"message\":\"x\"},\"choices\":[{"
          "\"delta\":{},\"finish_reason\":\"error\"}],\"usage\":{"
          "\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n",
          SSE, NGX_OK, 5, 2, NGX_OK },

        { "{\"message\":{\"content\":\"a\"},\"done\":false}\n"
          "{\"message\":{\"content\":\"\"},\"done\":true,"
          "\"prompt_eval_count\":5,\"eval_count\":2}\n",
          LINES, NGX_OK, 5, 2, NGX_OK },

        { NULL, 0, 0, 0, 0, 0 }
    };

    ngx_http_ai_test_answers(answers);
}


/* where it does not stand */

static void
ngx_http_ai_test_estimates(void)
{
    static const ngx_http_ai_test_answer_t  answers[] = {

        /* text / 4, at least one for each event with text */

        { OPENAI("{\"role\":\"assistant\",\"content\":\"\"}")
          OPENAI("{\"content\":\"abcdefgh\"}") OPENAI("{\"content\":\"abc\"}")
          "data: [DONE]\n\n",
          SSE, NGX_DECLINED, PROMPT, 3, NGX_OK },
        { OPENAI("{\"content\":\"a\"}") OPENAI("{\"content\":\"b\"}")
          OPENAI("{\"content\":\"c\"}"),
          SSE, NGX_DECLINED, PROMPT, 3, NGX_DECLINED },

        /* nothing came: the prompt alone */

        { ": comment\n\n", SSE, NGX_DECLINED, PROMPT, 0, NGX_DECLINED },
        { "", SSE, NGX_DECLINED, PROMPT, 0, NGX_DECLINED },

        /* the input was told, the output's figure came before it */

        { START ANTHROPIC("abcdefgh") ANTHROPIC("abcdefgh"),
          SSE, NGX_DECLINED, 1171, 1 + 4, NGX_DECLINED },
        { START, SSE, NGX_OK, 1171, 1, NGX_DECLINED },

        /* what repeats the text does not count */

        { "event: response.output_text.delta\ndata: {\"type\":"
          "\"response.output_text.delta\",\"delta\":\"abcdefgh\"}\n\n"
          "event: response.output_text.done\ndata: {\"type\":"
          "\"response.output_text.done\",\"text\":\"abcdefgh\"}\n\n"
          "event: response.content_part.done\ndata: {\"type\":"
          "\"response.content_part.done\",\"part\":{\"text\":\"abcdefgh\"}}"
          "\n\n",
          SSE, NGX_DECLINED, PROMPT, 2, NGX_DECLINED },

        /* an empty usage is none */

        { OPENAI("{\"content\":\"abcdefgh\"}")
          "data: {\"choices\":[],\"usage\":{}}\n\ndata: [DONE]\n\n",
          SSE, NGX_DECLINED, PROMPT, 2, NGX_OK },

        { "{\"id\":\"0123456789\",\"choices\":[{\"message\":{\"content\":"
          "\"abcdefgh\"}}],\"usage\":null}",
          JSON, NGX_DECLINED, PROMPT, 2, NGX_OK },
        { "{\"choices\":[{\"message\":{\"content\":\"abcdefghi",
          JSON, NGX_DECLINED, PROMPT, 3, NGX_DECLINED },
        { "{\"id\":\"0123456789\",\"content\":[{\"text\":\"abcdefgh\"}]}",
          JSON, NGX_DECLINED, PROMPT, 2, NGX_OK },
        { "{\"output\":[{\"content\":[{\"text\":\"abcdefgh\"}]}]}",
          JSON, NGX_DECLINED, PROMPT, 2, NGX_OK },
        { "{\"candidates\":[{\"parts\":[{\"text\":\"abcdefgh\"}]}],"
          "\"usageMetadata\":{\"trafficType\":\"ON_DEMAND\"}}",
          JSON, NGX_DECLINED, PROMPT, 2, NGX_OK },

        /* nobody wrote a vector or a picture in tokens */

        { "{\"data\":[{\"embedding\":\"AAAAAAAAAAAAAAAAAAAA\"}]}",
          JSON, NGX_DECLINED, PROMPT, 0, NGX_OK },
        { "{\"data\":[{\"b64_json\":\"AAAAAAAAAAAAAAAAAAAA\"}]}",
          JSON, NGX_DECLINED, PROMPT, 0, NGX_OK },

        /* the usage is cut, or no object */

        { "{\"content\":[{\"text\":\"abcdefgh\"}],\"usage\":{\"input_tokens\""
          ":5", JSON, NGX_DECLINED, PROMPT, 2, NGX_DECLINED },
        { "{\"choices\":[],\"usage\":[{\"input_tokens\":5}]}",
          JSON, NGX_DECLINED, PROMPT, 0, NGX_OK },
        { "{\"x\":{\"usage\":{\"input_tokens\":5}}}",
          JSON, NGX_DECLINED, PROMPT, 0, NGX_OK },
        { "x", JSON, NGX_DECLINED, PROMPT, 0, NGX_DECLINED },

        { "{\"message\":{\"content\":\"a\"},\"done\":false}\n"
          "{\"message\":{\"content\":\"b\"},\"done\":false}\n",
          LINES, NGX_DECLINED, PROMPT, 2, NGX_OK },
        { "{\"message\":{\"content\":\"a\"},\"done\":false}\nx{}",
          LINES, NGX_DECLINED, PROMPT, 1, NGX_DECLINED },

        { NULL, 0, 0, 0, 0, 0 }
    };

    ngx_http_ai_test_answers(answers);
}


/* a long stream is measured in samples, and told at any time */

static void
ngx_http_ai_test_running(void)
{
    ngx_uint_t             i;
    int64_t                output, last;
    ngx_http_ai_tokens_t   tokens;

    static const char  event[] = ANTHROPIC("abcdefgh");

    ngx_http_ai_test_begin(SSE, 4096);
    ngx_http_ai_test_feed((const u_char *) START, sizeof(START) - 1);

    t_eq(ngx_http_ai_usage_scan_output(&scan), 1);
    last = 1;

    for (i = 0; i < 1000; i++) {
        ngx_http_ai_test_feed((const u_char *) event, sizeof(event) - 1);
        output = ngx_http_ai_usage_scan_output(&scan);

        t_eq(output, last + 2);
        last = output;
    }

    t_eq(ngx_http_ai_usage_scan_tokens(&scan, PROMPT, &tokens), NGX_DECLINED);
    t_eq(tokens.input, 1171);
    t_eq(tokens.output, 2001);
    t_eq(tokens.cache_read, 1167);
}


/*
 * Events longer than the carry, with the usage before or behind what makes
 * them long, in pieces of every size.
 */

static void
ngx_http_ai_test_long(void)
{
    char                   *text, *pad;
    size_t                  n, piece, i, len, size;
    ngx_uint_t              k;
    ngx_http_ai_tokens_t    tokens;

    static const struct {
        const char  *head;
        const char  *tail;
    } rows[] = {
        { "event: response.completed\ndata: {\"type\":\"response.completed\","
          "\"response\":{\"usage\":{\"input_tokens\":5,\"output_tokens\":2},"
          "\"x\":\"", "\"}}\n\n" },
        { "event: response.completed\r\ndata: {\"type\":"
          "\"response.completed\",\"response\":{\"x\":\"",
          "\",\"usage\":{\"input_tokens\":5,\"output_tokens\":2}}}\r\n\r\n" },
        { "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"",
          "\"}]}}],\"usageMetadata\":{\"promptTokenCount\":5,"
          "\"candidatesTokenCount\":2}}\n\n" },
        { "data: {\"usage\":{\"prompt_tokens\":5,\ndata: \"completion_tokens\""
          ":2},\ndata: \"x\":\"", "\"}\n\n" },
        { NULL, NULL }
    };

    static const size_t  sizes[] = { 100, 200, 256, 257, 300, 1000, 0 };

    for (k = 0; rows[k].head; k++) {

        ngx_http_ai_test_note = rows[k].head;

        for (i = 0; sizes[i]; i++) {

            pad = calloc(1, sizes[i] + 1);
            memset(pad, 'x', sizes[i]);

            size = strlen(rows[k].head) + sizes[i] + strlen(rows[k].tail) + 1;
            text = malloc(size);
            n = snprintf(text, size, "%s%s%s", rows[k].head, pad,
                         rows[k].tail);

            for (piece = 1; piece <= n; piece++) {

                ngx_http_ai_test_begin(SSE, CARRY);

                for (len = 0; len < n; len += piece) {
                    ngx_http_ai_test_feed((u_char *) text + len,
                                          ngx_min(piece, n - len));
                }

                t_eq(ngx_http_ai_usage_scan_tokens(&scan, PROMPT, &tokens),
                     NGX_OK);
                t_eq(tokens.input, 5);
                t_eq(tokens.output, 2);
                t_eq(scan.longer, 0);
            }

            free(text);
            free(pad);
        }
    }
}


/* of a usage object that is too long its beginning counts */

static void
ngx_http_ai_test_huge(void)
{
    char                   *text;
    size_t                  n;
    ngx_uint_t              i;
    ngx_http_ai_tokens_t    tokens;

    text = malloc(65536);
    n = sprintf(text, "{\"usage\":{\"input_tokens\":5,\"output_tokens\":2,"
                "\"iterations\":[{}");

    for (i = 0; i < 200; i++) {
        n += sprintf(text + n, ",{\"input_tokens\":400,\"output_tokens\":1}");
    }

    n += sprintf(text + n, "]}}");

    ngx_http_ai_test_begin(JSON, 0);

    for (i = 0; i < n; i += 100) {
        ngx_http_ai_test_feed((u_char *) text + i, ngx_min(100, n - i));
    }

    t_eq(ngx_http_ai_usage_scan_end(&scan), NGX_OK);
    t_eq(ngx_http_ai_usage_scan_tokens(&scan, PROMPT, &tokens), NGX_OK);
    t_eq(tokens.input, 5);
    t_eq(tokens.output, 2);

    free(text);
}


/* the chunk that a client did not ask for, and those that look like it */

static void
ngx_http_ai_test_lone(void)
{
    ngx_uint_t  i;

    static const struct {
        const char  *text;
        ngx_uint_t   lone;
    } rows[] = {
        { "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5}}\n\n", 1 },
        { "data: {\"usage\": {\"prompt_tokens\":5} , \"choices\": [ ] }\n\n",
          1 },
        { "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5},"
          "\"obfuscation\":\"t9\"}\n\n", 1 },

        { "data: {\"choices\":[],\"usage\":null}\n\n", 0 },
        { "data: {\"choices\":[],\"prompt_filter_results\":[{}]}\n\n", 0 },
        { "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],"
          "\"usage\":{\"prompt_tokens\":5}}\n\n", 0 },
        { "data: {\"usage\":{\"prompt_tokens\":5}}\n\n", 0 },
        { "data: {\"choices\":null,\"usage\":{\"prompt_tokens\":5}}\n\n", 0 },
        { "data: {\"choices\":[],\"x_groq\":{\"usage\":{\"prompt_tokens\":5}}"
          "}\n\n", 0 },
        { "event: message_delta\ndata: {\"usage\":{\"output_tokens\":5}}\n\n",
          0 },
        { NULL, 0 }
    };

    for (i = 0; rows[i].text; i++) {
        ngx_http_ai_test_note = rows[i].text;

        ngx_http_ai_test_begin(SSE, 4096);
        ngx_http_ai_test_feed((const u_char *) rows[i].text,
                              strlen(rows[i].text));
        t_eq(lone, rows[i].lone);
    }
}


/* "service_tier" beside the usage */

static void
ngx_http_ai_test_tier(void)
{
    ngx_uint_t             i;
    ngx_http_ai_tokens_t   tokens;

    static const char  *texts[] = {
        "data: {\"service_tier\":\"flex\",\"choices\":[],\"usage\":{"
        "\"prompt_tokens\":5}}\n\n",
        "event: response.completed\ndata: {\"response\":{\"service_tier\":"
        "\"flex\",\"usage\":{\"input_tokens\":5}}}\n\n",
        "event: message_start\ndata: {\"message\":{\"usage\":{"
        "\"input_tokens\":5,\"service_tier\":\"flex\"}}}\n\n"
        "event: message_delta\ndata: {\"usage\":{\"output_tokens\":1}}\n\n",
        NULL
    };

    for (i = 0; texts[i]; i++) {
        ngx_http_ai_test_note = texts[i];

        ngx_http_ai_test_begin(SSE, 4096);
        ngx_http_ai_test_feed((const u_char *) texts[i], strlen(texts[i]));

        t_eq(ngx_http_ai_usage_scan_tokens(&scan, PROMPT, &tokens), NGX_OK);
        t_eq(tokens.tier, NGX_HTTP_AI_TIER_FLEX);
    }
}


/* who answered, in the words of several dialects */

static void
ngx_http_ai_test_model(void)
{
    size_t                     cut, n, size;
    ngx_uint_t                 i;
    ngx_http_ai_usage_model_t  model;

    static const struct {
        ngx_http_ai_usage_scan_mode_e  mode;
        const char                    *text;
        const char                    *model;
    } rows[] = {
        { JSON, "{\"id\":\"x\",\"model\":\"gpt-4o-mini-2024-07-18\","
          "\"choices\":[{\"message\":{\"model\":\"no\"}}]}",
          "gpt-4o-mini-2024-07-18" },
        { JSON, "{\"candidates\":[],\"modelVersion\":\"gemini-2.5-pro\"}",
          "gemini-2.5-pro" },
        { JSON, "{\"model\":\"a\\/\\u0062\"}", "a/b" },
        { JSON, "{\"model\":\"top\",\"message\":{\"model\":\"inner\"}}",
          "top" },
        { JSON, "{\"model\":7}", "" },
        { JSON, "{\"choices\":[]}", "" },
        { SSE, "data: {\"model\":\"\",\"choices\":[],"
          "\"prompt_filter_results\":[]}\n\n"
          "data: {\"model\":\"azure\",\"choices\":[{\"delta\":{"
          "\"content\":\"hi\"}}]}\n\n"
          "data: {\"model\":\"late\",\"choices\":[{\"delta\":{"
          "\"content\":\"hi\"}}]}\n\n",
          "azure" },
        { SSE, "event: message_start\ndata: {\"type\":\"message_start\","
          "\"message\":{\"model\":\"claude-x\",\"usage\":{"
          "\"input_tokens\":5}}}\n\n",
          "claude-x" },
        { SSE, "event: response.created\ndata: {\"type\":"
          "\"response.created\",\"response\":{\"instructions\":"
          "\"much more than the carry has room for\",\"model\":"
          "\"gpt-5\"}}\n\n",
          "gpt-5" },
        { LINES, "{\"model\":\"llama3\",\"response\":\"a\"}\n"
          "{\"model\":\"other\",\"response\":\"b\",\"done\":true}\n",
          "llama3" },
        { JSON, NULL, NULL }
    };

    for (i = 0; rows[i].text; i++) {
        ngx_http_ai_test_note = rows[i].text;

        n = strlen(rows[i].text);

        for (cut = 0; cut <= 2 * n; cut++) {

            /* events that fit the carry, and that do not */
            size = cut <= n ? 4096 : 64;

            ngx_http_ai_test_begin(rows[i].mode, size);

            model.len = 0;
            scan.model = &model;

            ngx_http_ai_test_feed((const u_char *) rows[i].text, cut % n);
            ngx_http_ai_test_feed((const u_char *) rows[i].text + cut % n,
                                  n - cut % n);
            (void) ngx_http_ai_usage_scan_end(&scan);

            t_eq(model.len, strlen(rows[i].model));
            t_ok(memcmp(model.data, rows[i].model, model.len) == 0);
        }
    }
}


static const ngx_http_ai_test_t  tests[] = {
    { "where usage stands", ngx_http_ai_test_places },
    { "estimates", ngx_http_ai_test_estimates },
    { "a running estimate", ngx_http_ai_test_running },
    { "long events", ngx_http_ai_test_long },
    { "a long usage object", ngx_http_ai_test_huge },
    { "the chunk of include_usage", ngx_http_ai_test_lone },
    { "service tiers", ngx_http_ai_test_tier },
    { "the model that answered", ngx_http_ai_test_model },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
