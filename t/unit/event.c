
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* events of streams, wire.md A5 and invariant 1 of A1 */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_classify.h"


#define NOTHING  NGX_HTTP_AI_EVENT_NOTHING
#define CONTENT  NGX_HTTP_AI_EVENT_CONTENT
#define FINISH   NGX_HTTP_AI_EVENT_FINISH
#define DONE     NGX_HTTP_AI_EVENT_DONE
#define ERROR    NGX_HTTP_AI_EVENT_ERROR
#define USAGE    NGX_HTTP_AI_EVENT_USAGE

#define CHUNK(delta)                                                          \
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":"   \
    "[{\"index\":0,\"delta\":" delta ",\"finish_reason\":null}]}\n\n"


typedef struct {
    const char              *text;          /* the whole event */
    ngx_uint_t               kind;
    ngx_http_ai_verdict_e    verdict;       /* of an ERROR */
    const char              *provider;      /* NULL: compatible */
} ngx_http_ai_test_event_t;


static ngx_http_ai_judgement_t  out;
static ngx_uint_t               plain;      /* of the last event */
static ngx_int_t                written;


static ngx_uint_t
ngx_http_ai_test_kind(const char *name, const char *text, size_t carry_size)
{
    u_char                        *p, *pos, *carry;
    size_t                         n;
    ngx_int_t                      rc;
    ngx_uint_t                     kind;
    ngx_http_ai_sse_t              sse;
    ngx_http_ai_sse_event_t        ev;
    const ngx_http_ai_provider_t  *provider;

    name = name ? name : "compatible";
    provider = ngx_http_ai_provider_find((const u_char *) name, strlen(name));

    n = strlen(text);
    p = ngx_http_ai_test_dup(text, n);
    pos = p;

    carry = malloc(carry_size ? carry_size : n);
    ngx_http_ai_sse_init(&sse, carry, carry_size ? carry_size : n);

    /* with a small carry the event must come in pieces to be cut */

    rc = carry_size ? ngx_http_ai_sse_next(&sse, &pos, p + n - 1, &ev)
                    : NGX_AGAIN;
    if (rc == NGX_AGAIN) {
        rc = ngx_http_ai_sse_next(&sse, &pos, p + n, &ev);
    }

    if (rc == NGX_AGAIN) {
        rc = ngx_http_ai_sse_end(&sse, &ev);
    }

    t_eq(rc, NGX_OK);
    t_eq(ev.truncated, carry_size ? 1 : 0);

    (void) memset(&out, 0xa5, sizeof(out));

    kind = ngx_http_ai_classify_event(provider, &ev, &out);
    plain = ngx_http_ai_classify_plain(&ev);
    written = ngx_http_ai_classify_text(&ev);

    t_eq(ngx_http_ai_classify_event(provider, &ev, NULL), kind);

    free(carry);
    free(p);

    return kind;
}


static void
ngx_http_ai_test_events(const ngx_http_ai_test_event_t *e)
{
    for ( /* void */ ; e->text; e++) {
        ngx_http_ai_test_note = e->text;

        t_eq(ngx_http_ai_test_kind(e->provider, e->text, 0), e->kind);

        if (e->kind == ERROR) {
            t_eq(out.verdict, e->verdict);
        }

        /* an event that tells more is never plain */

        if (e->kind & ~CONTENT) {
            t_eq(plain, 0);
        }
    }
}


static void
ngx_http_ai_test_chat(void)
{
    static const ngx_http_ai_test_event_t  events[] = {
        { CHUNK("{\"content\":\"a\"}"), CONTENT, 0, NULL },
        { CHUNK("{\"role\":\"assistant\"}"), NOTHING, 0, NULL },
        { CHUNK("{\"role\":\"assistant\",\"content\":\"\"}"), NOTHING, 0,
          NULL },
        { CHUNK("{\"role\":\"assistant\",\"content\":null,\"refusal\":null,"
                "\"tool_calls\":[]}"), NOTHING, 0, NULL },
        { CHUNK("{}"), NOTHING, 0, NULL },
        { CHUNK("{\"refusal\":\"no\"}"), CONTENT, 0, NULL },
        { CHUNK("{\"reasoning_content\":\"hm\",\"content\":null}"), CONTENT,
          0, NULL },
        { CHUNK("{\"reasoning\":\"hm\"}"), CONTENT, 0, NULL },
        { CHUNK("{\"reasoning_details\":[{\"type\":\"reasoning.text\"}]}"),
          CONTENT, 0, NULL },
        { CHUNK("{\"audio\":{\"data\":\"AA\"}}"), CONTENT, 0, NULL },
        { CHUNK("{\"function_call\":{\"name\":\"f\"}}"), CONTENT, 0, NULL },
        { CHUNK("{\"tool_calls\":[{\"index\":0,\"type\":\"function\"}]}"),
          CONTENT, 0, NULL },
        { CHUNK("{\"content\":[{\"type\":\"thinking\"}]}"), CONTENT, 0,
          NULL },
        { CHUNK("{\"content\":\"\\\"error\\\": {\\\"finish_reason\\\":1}\"}"),
          CONTENT, 0, NULL },

        /* the end */

        { "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}"
          "\n\n", FINISH, 0, NULL },
        { "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},"
          "\"finish_reason\":\"length\"}]}\n\n", CONTENT|FINISH, 0, NULL },
        { "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},"
          "\"finish_reason\" : \"stop\"}],\"usage\":{\"total_tokens\":1}}"
          "\n\n", CONTENT|FINISH|USAGE, 0, NULL },
        { "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"\"}]}\n\n",
          NOTHING, 0, NULL },
        { "data: {\"choices\":[],\"usage\":{\"total_tokens\":1}}\n\n",
          FINISH|USAGE, 0, NULL },
        { "data: {\"choices\":[],\"usage\":null}\n\n", NOTHING, 0, NULL },
        { "data: {\"choices\":[],\"prompt_filter_results\":[{}],"
          "\"model\":\"\"}\n\n", NOTHING, 0, "azure" },
        { "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},"
          "\"finish_reason\":null}],\"usage\":{\"total_tokens\":1}}\n\n",
          CONTENT|USAGE, 0, "vllm" },
        { "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],"
          "\"x_groq\":{\"id\":\"1\",\"usage\":{\"total_tokens\":1}}}\n\n",
          FINISH|USAGE, 0, "groq" },
        { "data: [DONE]\n\n", DONE, 0, NULL },
        { "data:[DONE]\r\n\r\n", DONE, 0, NULL },
        { "data: [DONE] \n\n", DONE, 0, NULL },

        /* completions */

        { "data: {\"object\":\"text_completion\",\"choices\":[{\"text\":"
          "\"a\",\"index\":0,\"finish_reason\":null}]}\n\n", CONTENT, 0,
          NULL },
        { "data: {\"choices\":[{\"text\":\"\",\"finish_reason\":"
          "\"length\"}]}\n\n", FINISH, 0, NULL },
        { "data: {\"choices\":[{\"text\":\"\",\"finish_reason\":null}]}\n\n",
          NOTHING, 0, NULL },

        /* what is no chunk */

        { ": keep-alive\n\n", NOTHING, 0, NULL },
        { "\n", NOTHING, 0, NULL },
        { "event: ping\n\n", NOTHING, 0, NULL },
        { "id: 1\nretry: 2\n\n", NOTHING, 0, NULL },
        { "data:\n\n", NOTHING, 0, NULL },
        { "data: hello\n\n", CONTENT, 0, NULL },
        { "data: {\"choices\":[{\"delta\":{\n\n", CONTENT, 0, NULL },
        { "data: {\"error\":{\"code\":429\n\n", CONTENT, 0, NULL },
        { "data: {\"token\":{\"text\":\"a\"}}\n\n", CONTENT, 0, NULL },
        { "data: [1]\n\n", CONTENT, 0, NULL },

        { NULL, 0, 0, NULL }
    };

    ngx_http_ai_test_events(events);
}


static void
ngx_http_ai_test_errors(void)
{
    static const ngx_http_ai_test_event_t  events[] = {
        { "data: {\"error\":{\"message\":\"no\",\"type\":"
          "\"insufficient_quota\",\"code\":\"insufficient_quota\"}}\n\n",
          ERROR, NGX_HTTP_AI_QUOTA_EXHAUSTED, "openai" },
        { "data: {\"error\":\"no\"}\n\n", ERROR, NGX_HTTP_AI_SERVER_ERROR,
          NULL },
        { "data: {\"error\":true}\n\n", ERROR, NGX_HTTP_AI_SERVER_ERROR,
          NULL },
        { "data: {\"error\":null,\"choices\":[]}\n\n", NOTHING, 0, NULL },
        { "data: {\"error\":false,\"choices\":[]}\n\n", NOTHING, 0, NULL },
        { "data: {\"error\":\"\",\"choices\":[]}\n\n", NOTHING, 0, NULL },
        { "data: {\"error\":0,\"choices\":[]}\n\n", NOTHING, 0, NULL },

        /* Responses: as it is, as the specification has it, and failed */

        { "event: error\ndata: {\"type\":\"error\",\"sequence_number\":2,"
          "\"error\":{\"type\":\"service_unavailable_error\",\"code\":"
          "\"server_is_overloaded\",\"message\":\"no\"}}\n\n", ERROR,
          NGX_HTTP_AI_OVERLOADED, "openai" },
        { "event: error\ndata: {\"type\":\"error\",\"code\":"
          "\"rate_limit_exceeded\",\"message\":\"no\",\"param\":null}\n\n",
          ERROR, NGX_HTTP_AI_RATE_LIMIT, "openai" },
        { "data: {\"type\":\"error\",\"code\":\"server_error\"}\n\n", ERROR,
          NGX_HTTP_AI_SERVER_ERROR, "openai" },
        { "event: response.failed\ndata: {\"type\":\"response.failed\","
          "\"response\":{\"status\":\"failed\",\"error\":{\"code\":"
          "\"rate_limit_exceeded\",\"message\":\"no\"}}}\n\n", ERROR,
          NGX_HTTP_AI_RATE_LIMIT, "openai" },
        { "data: {\"sequence_number\":3,\"type\":\"response.failed\","
          "\"response\":{\"error\":{\"code\":\"invalid_prompt\"}}}\n\n",
          ERROR, NGX_HTTP_AI_CONTENT_FILTER, "openai" },

        /* Anthropic */

        { "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":"
          "\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n", ERROR,
          NGX_HTTP_AI_OVERLOADED, "anthropic" },
        { "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":"
          "\"api_error\",\"message\":\"Internal server error\"}}\n\n", ERROR,
          NGX_HTTP_AI_SERVER_ERROR, "anthropic" },
        { "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":"
          "\"rate_limit_error\",\"message\":\"no\"}}\n\n", ERROR,
          NGX_HTTP_AI_RATE_LIMIT, "anthropic" },

        /* OpenRouter: with choices, too */

        { "data: {\"id\":\"g\",\"error\":{\"code\":429,\"message\":\"no\","
          "\"metadata\":{\"error_type\":\"rate_limit_exceeded\"}},"
          "\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":"
          "\"error\"}]}\n\n", ERROR, NGX_HTTP_AI_RATE_LIMIT, "openrouter" },
        { "data: {\"id\":\"g\",\"error\":{\"code\":400,\"message\":"
          "\"Token limit reached\"},\"choices\":[{\"delta\":{\"content\":"
          "\"\"},\"finish_reason\":null}],\"usage\":{\"total_tokens\":2}}"
          "\n\n", ERROR, NGX_HTTP_AI_OUTPUT_LIMIT, "openrouter" },
        { "data: {\"choices\":[{\"delta\":{\"content\":\"\"},"
          "\"finish_reason\":\"error\"}]}\n\n", ERROR,
          NGX_HTTP_AI_SERVER_ERROR, "openrouter" },

        /* vLLM, Groq */

        { "data: {\"error\":{\"message\":\"no\",\"type\":"
          "\"InternalServerError\",\"param\":null,\"code\":500}}\n\n", ERROR,
          NGX_HTTP_AI_SERVER_ERROR, "vllm" },
        { "data: {\"error\":{\"message\":\"maximum context length is 1\","
          "\"type\":\"BadRequestError\",\"code\":400}}\n\n", ERROR,
          NGX_HTTP_AI_CONTEXT_LENGTH, "vllm" },
        { "event: error\ndata: {\"error\":{\"message\":\"Tool call "
          "validation failed\",\"type\":\"invalid_request_error\",\"code\":"
          "\"tool_use_failed\",\"failed_generation\":\"x\","
          "\"status_code\":400}}\n\n", ERROR,
          NGX_HTTP_AI_GENERATION_FAILED, "groq" },

        /* Gemini: no "data:" at all, over several lines, without an end */

        { "{\n  \"error\": {\n    \"code\": 503,\n    \"message\": \"no\",\n"
          "    \"status\": \"UNAVAILABLE\"\n  }\n}\n\n", ERROR,
          NGX_HTTP_AI_OVERLOADED, "gemini" },
        { "{\n  \"error\": {\n    \"code\": 429,\n    \"status\": "
          "\"RESOURCE_EXHAUSTED\"\n  }\n}", ERROR,
          NGX_HTTP_AI_RATE_LIMIT, "gemini" },
        { "[{\"error\":{\"code\":500,\"status\":\"INTERNAL\"}}]\n\n", ERROR,
          NGX_HTTP_AI_SERVER_ERROR, "gemini" },
        { "{\"error\":{\"code\":503\n\n", CONTENT, 0, "gemini" },
        { "{\"candidates\":[]}\n\n", CONTENT, 0, "gemini" },
        { "what is this\n\n", CONTENT, 0, "gemini" },

        /* over several data lines; words that are no JSON */

        { "data: {\ndata:  \"error\": {\"code\": 503}\ndata: }\n\n", ERROR,
          NGX_HTTP_AI_OVERLOADED, NULL },
        { "event: error\ndata: something broke\n\n", ERROR,
          NGX_HTTP_AI_SERVER_ERROR, NULL },

        { NULL, 0, 0, NULL }
    };

    ngx_http_ai_test_events(events);

    ngx_http_ai_test_note = NULL;

    (void) ngx_http_ai_test_kind("gemini", "{\"error\":{\"code\":429,"
        "\"message\":\"m\",\"details\":[{\"retryDelay\":\"4s\"}]}}\n\n", 0);

    t_eq(out.wait_ms, 4000);
    t_eq(out.no_same, 0);
    t_eq(out.dialect, 2);
    t_mem(out.message, out.message_len, "m", 1);
}


static void
ngx_http_ai_test_named(void)
{
    static const ngx_http_ai_test_event_t  events[] = {

        /* Responses, by name; by "type"; by a "type" that is not the first */

        { "event: response.created\ndata: {\"type\":\"response.created\","
          "\"response\":{\"error\":null,\"usage\":null}}\n\n", NOTHING, 0,
          NULL },
        { "data: {\"type\":\"response.in_progress\"}\n\n", NOTHING, 0, NULL },
        { "data: {\"type\": \"response.queued\"}\n\n", NOTHING, 0, NULL },
        { "data: {\"n\":1,\"type\":\"response.created\",\"response\":{}}\n\n",
          NOTHING, 0, NULL },
        { "event: response.output_text.delta\ndata: {\"delta\":\"a\"}\n\n",
          CONTENT, 0, NULL },
        { "event: response.function_call_arguments.delta\ndata: {}\n\n",
          CONTENT, 0, NULL },
        { "data: {\"type\":\"response.reasoning_summary_text.delta\"}\n\n",
          CONTENT, 0, NULL },
        { "data: {\"n\":1,\"type\":\"response.output_text.delta\"}\n\n",
          CONTENT, 0, NULL },
        { "event: response.output_item.added\ndata: {\"type\":"
          "\"response.output_item.added\",\"item\":{\"type\":\"message\","
          "\"content\":[]}}\n\n", NOTHING, 0, NULL },
        { "event: response.output_item.added\ndata: {\"item\":{\"type\":"
          "\"reasoning\"}}\n\n", NOTHING, 0, NULL },
        { "event: response.output_item.added\ndata: {\"item\":{\"type\":"
          "\"web_search_call\"}}\n\n", CONTENT, 0, NULL },
        { "event: response.output_item.done\ndata: {}\n\n", CONTENT, 0,
          NULL },
        { "event: response.content_part.added\ndata: {}\n\n", NOTHING, 0,
          NULL },
        { "event: response.web_search_call.searching\ndata: {}\n\n", CONTENT,
          0, NULL },
        { "event: response.completed\ndata: {\"response\":{\"usage\":{}}}"
          "\n\n", DONE|USAGE, 0, NULL },
        { "event: response.incomplete\ndata: {}\n\n", DONE|USAGE, 0, NULL },
        { "data: {\"n\":1,\"type\":\"response.completed\"}\n\n", DONE|USAGE,
          0, NULL },

        /* Anthropic */

        { "event: message_start\ndata: {\"type\":\"message_start\","
          "\"message\":{\"usage\":{\"input_tokens\":1}}}\n\n",
          NOTHING|USAGE, 0, NULL },
        { "event: ping\ndata: {\"type\": \"ping\"}\n\n", NOTHING, 0, NULL },
        { "event: content_block_start\ndata: {\"type\":"
          "\"content_block_start\",\"content_block\":{\"type\":\"text\","
          "\"text\":\"\"}}\n\n", NOTHING, 0, NULL },
        { "event: content_block_start\ndata: {\"content_block\":{\"type\":"
          "\"thinking\",\"thinking\":\"\"}}\n\n", NOTHING, 0, NULL },
        { "event: content_block_start\ndata: {\"content_block\":{\"type\":"
          "\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}}\n\n",
          CONTENT, 0, NULL },
        { "event: content_block_start\ndata: {\"content_block\":{\"type\":"
          "\"server_tool_use\"}}\n\n", CONTENT, 0, NULL },
        { "event: content_block_start\ndata: {\"content_block\":{\"type\":"
          "\"web_search_tool_result\"}}\n\n", CONTENT, 0, NULL },
        { "event: content_block_delta\ndata: {\"delta\":{\"type\":"
          "\"text_delta\",\"text\":\"a\"}}\n\n", CONTENT, 0, NULL },
        { "data: {\"type\":\"content_block_delta\",\"delta\":{}}\n\n",
          CONTENT, 0, NULL },
        { "event: content_block_stop\ndata: {}\n\n", NOTHING, 0, NULL },
        { "event: message_delta\ndata: {\"type\":\"message_delta\","
          "\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":"
          "{\"output_tokens\":1}}\n\n", FINISH|USAGE, 0, NULL },
        { "event: message_delta\ndata: {\"type\":\"message_delta\","
          "\"delta\":{\"stop_reason\":null},\"usage\":{}}\n\n", USAGE, 0,
          NULL },
        { "event: message_delta\ndata: {\"type\":\"message_delta\"}\n\n",
          NOTHING, 0, NULL },
        { "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", DONE,
          0, NULL },

        /* Gemini, Ollama, Cohere, images, speech to text */

        { "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]"
          "}}],\"usageMetadata\":{\"x\":1}}\r\n\r\n", CONTENT|USAGE, 0,
          NULL },
        { "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}]"
          "},\"finishReason\":\"STOP\"}]}\r\n\r\n", FINISH, 0, NULL },
        { "data: {\"candidates\":[{\"content\":{\"parts\":[{"
          "\"functionCall\":{}}]},\"finishReason\":\"STOP\"}]}\r\n\r\n",
          CONTENT|FINISH, 0, NULL },
        { "data: {\"candidates\":[{\"finishReason\":\"SAFETY\"}]}\r\n\r\n",
          FINISH, 0, NULL },
        { "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\r\n\r\n",
          FINISH, 0, NULL },
        { "data: {\"message\":{\"content\":\"a\"},\"done\":false}\n\n",
          CONTENT, 0, NULL },
        { "data: {\"message\":{\"content\":\"\"},\"done\":true}\n\n",
          FINISH|DONE, 0, NULL },
        { "event: message-start\ndata: {\"type\":\"message-start\"}\n\n",
          NOTHING, 0, NULL },
        { "event: content-delta\ndata: {}\n\n", CONTENT, 0, NULL },
        { "event: tool-plan-delta\ndata: {}\n\n", CONTENT, 0, NULL },
        { "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{"
          "\"finish_reason\":\"COMPLETE\",\"usage\":{\"tokens\":{}}}}\n\n",
          FINISH|USAGE, 0, NULL },
        { "event: message-end\ndata: {\"delta\":{\"finish_reason\":"
          "\"ERROR\"}}\n\n", ERROR, NGX_HTTP_AI_SERVER_ERROR, NULL },
        { "event: image_generation.partial_image\ndata: {}\n\n", CONTENT, 0,
          NULL },
        { "event: image_generation.completed\ndata: {}\n\n",
          CONTENT|DONE|USAGE, 0, NULL },
        { "data: {\"type\":\"transcript.text.delta\",\"delta\":\"a\"}\n\n",
          CONTENT, 0, NULL },
        { "data: {\"type\":\"transcript.text.done\",\"text\":\"a\"}\n\n",
          CONTENT|DONE|USAGE, 0, NULL },

        /* a name that tells nothing */

        { "event: message\ndata: {\"choices\":[{\"delta\":{\"content\":"
          "\"a\"}}]}\n\n", CONTENT, 0, NULL },
        { "event: message\ndata: {\"choices\":[{\"delta\":{}}]}\n\n",
          NOTHING, 0, NULL },

        { NULL, 0, 0, NULL }
    };

    ngx_http_ai_test_events(events);
}


/* an event longer than the carry: its name is known, and its tail */

static void
ngx_http_ai_test_truncated(void)
{
    char        text[4096], pad[1001];
    ngx_uint_t  i;

    static const struct {
        const char  *head;
        const char  *tail;
        ngx_uint_t   kind;
    } rows[] = {
        { "event: response.completed\ndata: {\"x\":\"", "\"}\n\n",
          DONE|USAGE },
        { "event: response.created\ndata: {\"x\":\"", "\"}\n\n", NOTHING },
        { "event: content_block_delta\ndata: {\"x\":\"", "\"}\n\n", CONTENT },
        { "event: response.failed\ndata: {\"x\":\"", "\"}\n\n", ERROR },
        { "data: {\"choices\":[{\"delta\":{\"content\":\"",
          "\"},\"finish_reason\":null}],\"usage\":null}\n\n", CONTENT },
        { "data: {\"choices\":[{\"delta\":{\"content\":\"",
          "\"},\"finish_reason\":\"stop\"}]}\n\n", CONTENT|FINISH },
        { "data: {\"choices\":[{\"delta\":{\"content\":\"",
          "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1}}"
          "\n\n", CONTENT|FINISH|USAGE },
        { "data: {\"type\":\"response.completed\",\"x\":\"",
          "\",\"usage\":{\"input_tokens\":1,\"total_tokens\":2}}}\n\n",
          CONTENT|DONE|USAGE },
        { NULL, NULL, 0 }
    };

    memset(pad, 'x', 1000);
    pad[1000] = '\0';

    for (i = 0; rows[i].head; i++) {
        snprintf(text, sizeof(text), "%s%s%s", rows[i].head, pad,
                 rows[i].tail);
        ngx_http_ai_test_note = text;

        t_eq(ngx_http_ai_test_kind(NULL, text, 256), rows[i].kind);
        t_eq(plain, 0);
    }
}


static void
ngx_http_ai_test_plain(void)
{
    ngx_uint_t  i;

    static const struct {
        const char  *text;
        ngx_uint_t   plain;
    } rows[] = {
        { CHUNK("{\"content\":\"a\"}"), 2 },
        { CHUNK("{}"), 2 },
        { CHUNK("{\"content\":\" say \\\"error\\\": \\\"x\\\" : y 12:30\"}"),
          0 },
        { CHUNK("{\"content\":\" \\\"error\\\": and 12:30:59\"}"), 2 },
        { "data: {\"choices\": [{\"delta\": {\"content\": \"a\"}, "
          "\"finish_reason\": null}], \"usage\": null, \"error\": null}\n\n",
          2 },
        { "event: content_block_delta\ndata: {\"type\":1}\n\n", 2 },
        { "event: response.output_text.delta\ndata: {\"error\":1}\n\n", 2 },
        { "data: {\"type\":\"response.output_text.delta\"}\n\n", 2 },
        { "event: response.output_text.done\ndata: {\"text\":1}\n\n", 1 },
        { "event: response.audio.delta\ndata: {\"delta\":1}\n\n", 1 },
        { "event: citation-start\ndata: {}\n\n", 1 },

        { "data: {\"error\":{}}\n\n", 0 },
        { "data: {\"error\": \"x\"}\n\n", 0 },
        { "data: {\"error\" : \"x\"}\n\n", 0 },
        { "data: {\"type\"\f:\f\"response.failed\"}\n\n", 0 },
        { "data: {\"a\":1,\"error\":1}\n\n", 0 },
        { "data: {\"a\":1,\"error\":\n\n", 0 },
        { "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n", 0 },
        { "data: {\"choices\":[{\"stop_reason\":\"stop\"}]}\n\n", 0 },
        { "data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}\n\n", 0 },
        { "data: {\"usageMetadata\":{}}\n\n", 0 },
        { "data: {\"usage\":{\"a\":1}}\n\n", 0 },
        { "data: {\"done\":true}\n\n", 0 },
        { "data: {\"n\":1,\"type\":\"response.completed\"}\n\n", 0 },
        { "data: {\"n\":1,\"type\":\"error\"}\n\n", 0 },
        { "data: {\"n\":1,\"type\":\"message_stop\"}\n\n", 0 },
        { "event: error\ndata: {\"a\":1}\n\n", 0 },
        { "event: message_stop\ndata: {\"a\":1}\n\n", 0 },
        { "event: ping\ndata: {\"a\":1}\n\n", 0 },
        { "data: [DONE]\n\n", 0 },
        { "data: x\n\n", 0 },
        { "data: {\ndata: }\n\n", 0 },
        { ": comment\n\n", 0 },
        { "{\"error\":{}}\n\n", 0 },
        { NULL, 0 }
    };

    for (i = 0; rows[i].text; i++) {
        ngx_http_ai_test_note = rows[i].text;

        (void) ngx_http_ai_test_kind(NULL, rows[i].text, 0);
        t_eq(plain, rows[i].plain);
    }
}


/* the text that an event brings */

static void
ngx_http_ai_test_text(void)
{
    ngx_uint_t  i;

    static const struct {
        const char  *text;
        ngx_int_t    len;
    } rows[] = {
        { CHUNK("{\"content\":\"abc\"}"), 3 },
        { CHUNK("{\"role\":\"assistant\",\"content\":\"\"}"), 0 },
        { CHUNK("{\"content\": \"abc\"}"), 3 },
        { CHUNK("{\"reasoning_content\":\"abcd\",\"content\":null}"), 4 },
        { CHUNK("{\"refusal\":\"no\"}"), 2 },
        { CHUNK("{\"encrypted_content\":\"abc\"}"), 0 },
        { CHUNK("{\"tool_calls\":[{\"function\":{\"name\":\"weather\","
                "\"arguments\":\"{\\\"x\\\":1}\"}}]}"), 7 },

        /* told twice, once in other words: the longest counts */

        { CHUNK("{\"content\":\"\",\"reasoning\":\"abcd\","
                "\"reasoning_details\":[{\"text\":\"abcd\"}]}"), 4 },

        /* escapes are what they stand for */

        { CHUNK("{\"content\":\"a\\n\\\"b\\\\\"}"), 5 },
        { CHUNK("{\"content\":\"\\u003c\\u4e2d\\ud83d\\ude00\"}"),
          1 + 3 + 4 },
        { CHUNK("{\"content\":\"\\\"text\\\":\\\"abcdefgh\\\"\"}"),
          17 },

        { "data: {\"choices\":[{\"text\":\"abc\",\"index\":0}]}\n\n", 3 },
        { "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":"
          "\"abc\"}],\"role\":\"model\"}}]}\r\n\r\n", 3 },
        { "data: {\"message\":{\"role\":\"assistant\",\"content\":\"abc\"},"
          "\"done\":false}\n\n", 3 },
        { "data: {\"response\":\"abc\",\"done\":false}\n\n", 3 },

        /* deltas with names */

        { "event: content_block_delta\ndata: {\"type\":"
          "\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
          "\"text_delta\",\"text\":\"abc\"}}\n\n", 3 },
        { "event: content_block_delta\ndata: {\"type\":"
          "\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
          "\"thinking_delta\",\"thinking\":\"abc\"}}\n\n", 3 },
        { "event: content_block_delta\ndata: {\"type\":"
          "\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
          "\"input_json_delta\",\"partial_json\":\"{\\\"a\"}}\n\n", 3 },
        { "event: content_block_delta\ndata: {\"delta\":{\"type\":"
          "\"signature_delta\",\"signature\":\"abc\"}}\n\n", 0 },
        { "data: {\"type\":\"response.output_text.delta\",\"delta\":"
          "\"abc\",\"obfuscation\":\"0123456789\"}\n\n", 3 },
        { "event: content-delta\ndata: {\"type\":\"content-delta\","
          "\"delta\":{\"message\":{\"content\":{\"text\":\"abc\"}}}}\n\n",
          3 },
        { "event: tool-call-delta\ndata: {\"delta\":{\"message\":{"
          "\"tool_calls\":{\"function\":{\"arguments\":\"abc\"}}}}}\n\n",
          3 },

        /* what is no new text */

        { "event: response.output_text.done\ndata: {\"text\":\"abc\"}\n\n",
          -1 },
        { "event: response.audio.delta\ndata: {\"delta\":\"AAAA\"}\n\n",
          -1 },
        { "event: image_generation.partial_image\ndata: {}\n\n", -1 },
        { ": \"content\":\"abc\"\n\n", -1 },

        /* several lines; cut */

        { "data: {\"choices\":[{\"delta\":\ndata: {\"content\":\"abc\"}}]}"
          "\n\n", 3 },
        { "data: {\"choices\":[{\"delta\":{\"content\":\"ab\\\n\n", 2 },
        { NULL, 0 }
    };

    for (i = 0; rows[i].text; i++) {
        ngx_http_ai_test_note = rows[i].text;

        (void) ngx_http_ai_test_kind(NULL, rows[i].text, 0);
        t_eq(written, rows[i].len);
    }
}


/* every way to cut an event: nothing is read behind it */

static void
ngx_http_ai_test_cuts(void)
{
    char         text[512];
    size_t       i, n;
    ngx_uint_t   k;

    static const char  *texts[] = {
        "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},"
        "\"finish_reason\":\"stop\"}],\"usage\":{\"total_tokens\":1},"
        "\"error\":null,\"type\":\"x\"}",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\","
        "\"content_block\":{\"type\":\"text\"}}",
        "{\"error\":{\"code\":503,\"details\":[{\"quotaId\":\"XPerDay\"}]}}",
        "data: {\"type\":\"error\",\"error\":{\"type\":\"api_error\"}}",
        NULL
    };

    for (k = 0; texts[k]; k++) {
        n = strlen(texts[k]);

        for (i = 6; i <= n; i++) {
            snprintf(text, sizeof(text), "%.*s\n\n", (int) i, texts[k]);

            ngx_http_ai_test_note = text;
            t_ok(ngx_http_ai_test_kind(NULL, text, 0) < 0x20);
        }
    }
}


static const ngx_http_ai_test_t  tests[] = {
    { "chunks of chat and completions", ngx_http_ai_test_chat },
    { "errors inside a stream", ngx_http_ai_test_errors },
    { "events with names and types", ngx_http_ai_test_named },
    { "events that were cut", ngx_http_ai_test_truncated },
    { "plain events", ngx_http_ai_test_plain },
    { "text", ngx_http_ai_test_text },
    { "cut anywhere", ngx_http_ai_test_cuts },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
