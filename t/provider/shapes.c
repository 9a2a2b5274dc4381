
/*
 * The shapes of each API: whole bodies, and streams event by event.
 */

#include "ai-provider.h"


static void
put_model(const answer_t *a, buf_t *b)
{
    const char  *model = a->model[0] ? a->model : "gpt-sim";

    buf_json(b, model, strlen(model));
}


static const char *
service_tier(const answer_t *a, const char *standard)
{
    return a->sp.tier[0] ? a->sp.tier : standard;
}


/* ,"usage":{...} in the shape of the endpoint, or nothing */

void
shape_usage(const answer_t *a, buf_t *b)
{
    if (a->sp.usage_off) {
        return;
    }

    switch (a->ep) {

    case EP_EMBEDDINGS:
        buf_fmt(b, ",\"usage\":{\"prompt_tokens\":%lu,\"total_tokens\":%lu}",
                a->prompt, a->prompt);
        break;

    case EP_RESPONSES:
        buf_fmt(b, ",\"usage\":{\"input_tokens\":%lu,\"input_tokens_details\":"
                "{\"cached_tokens\":%lu},\"output_tokens\":%lu,"
                "\"output_tokens_details\":{\"reasoning_tokens\":%lu},"
                "\"total_tokens\":%lu}", a->prompt, a->cached, a->completion,
                a->reasoning, a->prompt + a->completion);
        break;

    case EP_MESSAGES:
        buf_fmt(b, ",\"usage\":{\"input_tokens\":%lu,"
                "\"cache_creation_input_tokens\":0,"
                "\"cache_read_input_tokens\":%lu,\"output_tokens\":%lu,"
                "\"service_tier\":\"%s\"}", a->prompt - a->cached,
                a->cached, a->completion, service_tier(a, "standard"));
        break;

    case EP_IMAGES:
        buf_fmt(b, ",\"usage\":{\"input_tokens\":%lu,"
                "\"input_tokens_details\":{\"text_tokens\":%lu,"
                "\"image_tokens\":0},\"output_tokens\":%lu,"
                "\"total_tokens\":%lu}", a->prompt, a->prompt, a->completion,
                a->prompt + a->completion);
        break;

    case EP_TRANSCRIPTIONS:
        buf_fmt(b, ",\"usage\":{\"type\":\"tokens\",\"input_tokens\":%lu,"
                "\"input_token_details\":{\"text_tokens\":0,"
                "\"audio_tokens\":%lu},\"output_tokens\":%lu,"
                "\"total_tokens\":%lu}", a->prompt, a->prompt, a->completion,
                a->prompt + a->completion);
        break;

    case EP_RERANK:
        buf_str(b, ",\"meta\":{\"api_version\":{\"version\":\"2\"},"
                   "\"billed_units\":{\"search_units\":1}}");
        break;

    default:
        buf_fmt(b, ",\"usage\":{\"prompt_tokens\":%lu,"
                "\"completion_tokens\":%lu,\"total_tokens\":%lu,"
                "\"prompt_tokens_details\":{\"cached_tokens\":%lu,"
                "\"audio_tokens\":0},\"completion_tokens_details\":"
                "{\"reasoning_tokens\":%lu,\"audio_tokens\":0,"
                "\"accepted_prediction_tokens\":0,"
                "\"rejected_prediction_tokens\":0}}", a->prompt, a->completion,
                a->prompt + a->completion, a->cached, a->reasoning);
    }
}


/* the whole text as a JSON string, filled up or cut to size= bytes */

void
shape_text(const answer_t *a, buf_t *b)
{
    int     i;
    size_t  start, size;

    buf_str(b, "\"");
    start = b->len;

    for (i = 0; i < a->words; i++) {
        buf_fmt(b, "word%d ", i);
    }

    if (a->sp.size >= 0) {
        size = (size_t) a->sp.size;

        if (b->len - start < size) {
            size -= b->len - start;
            buf_grow(b, size);
            memset(b->p + b->len, 'x', size);
            b->len += size;

        } else {
            b->len = start + size;
        }
    }

    buf_str(b, "\"");
}


static void
chat_body(const answer_t *a, buf_t *b)
{
    buf_fmt(b, "{\"id\":\"chatcmpl-sim%lu\",\"object\":\"chat.completion\","
            "\"created\":%ld,\"model\":", a->id, a->created);
    put_model(a, b);
    buf_str(b, ",\"choices\":[{\"index\":0,\"message\":"
               "{\"role\":\"assistant\",\"content\":");
    shape_text(a, b);
    buf_fmt(b, ",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,"
            "\"finish_reason\":\"%s\"}]", a->cut_short ? "length" : "stop");
    shape_usage(a, b);
    buf_fmt(b, ",\"service_tier\":\"%s\",\"system_fingerprint\":"
            "\"fp_%s\"}\n", service_tier(a, "default"), a->name);
}


static void
completions_body(const answer_t *a, buf_t *b)
{
    buf_fmt(b, "{\"id\":\"cmpl-sim%lu\",\"object\":\"text_completion\","
            "\"created\":%ld,\"model\":", a->id, a->created);
    put_model(a, b);
    buf_str(b, ",\"choices\":[{\"text\":");
    shape_text(a, b);
    buf_fmt(b, ",\"index\":0,\"logprobs\":null,\"finish_reason\":\"%s\"}]",
            a->cut_short ? "length" : "stop");
    shape_usage(a, b);
    buf_fmt(b, ",\"system_fingerprint\":\"fp_%s\"}\n", a->name);
}


static void
embeddings_body(const answer_t *a, buf_t *b)
{
    buf_str(b, "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\","
               "\"index\":0,\"embedding\":[0.0125,-0.25,0.5,0.0625,-0.75,"
               "0.125,0.375,-0.03125]}],\"model\":");
    put_model(a, b);
    shape_usage(a, b);
    buf_str(b, "}\n");
}


static void
models_body(const answer_t *a, buf_t *b)
{
    size_t              i;
    static const char  *ids[] = { "gpt-4o", "gpt-4o-mini", "gpt-sim",
                                  "claude-sim", "text-embedding-3-small" };

    buf_str(b, "{\"object\":\"list\",\"data\":[");

    for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        buf_fmt(b, "%s{\"id\":\"%s\",\"object\":\"model\","
                "\"created\":1715367049,\"owned_by\":\"%s\"}",
                i ? "," : "", ids[i], a->name);
    }

    buf_str(b, "]}\n");
}


/* the response object; state 0: just created, 1: completed */

static void
response_object(const answer_t *a, buf_t *b, int completed)
{
    int  whole = completed && !a->cut_short;

    buf_fmt(b, "{\"id\":\"resp_%s_%lu\",\"object\":\"response\","
            "\"created_at\":%ld,\"status\":\"%s\",\"error\":null,"
            "\"incomplete_details\":%s,\"instructions\":null,\"model\":",
            a->name, a->id, a->created,
            whole ? "completed" : completed ? "incomplete" : "in_progress",
            completed && !whole ? "{\"reason\":\"max_output_tokens\"}"
                                : "null");
    put_model(a, b);
    buf_str(b, ",\"output\":[");

    if (completed) {
        buf_fmt(b, "{\"id\":\"msg_sim%lu\",\"type\":\"message\","
                "\"status\":\"%s\",\"role\":\"assistant\",\"content\":"
                "[{\"type\":\"output_text\",\"annotations\":[],"
                "\"logprobs\":[],\"text\":", a->id,
                whole ? "completed" : "incomplete");
        shape_text(a, b);
        buf_str(b, "}]}");
    }

    buf_str(b, "],\"parallel_tool_calls\":true,\"previous_response_id\":");

    if (a->previous[0]) {
        buf_json(b, a->previous, strlen(a->previous));
    } else {
        buf_str(b, "null");
    }

    buf_fmt(b, ",\"store\":%s,\"tool_choice\":\"auto\",\"tools\":[],"
            "\"metadata\":{},\"service_tier\":\"%s\"",
            a->nostore ? "false" : "true",
            completed ? service_tier(a, "default") : "auto");

    if (completed) {
        shape_usage(a, b);
    } else {
        buf_str(b, ",\"usage\":null");
    }

    buf_str(b, "}");
}


static void
messages_body(const answer_t *a, buf_t *b)
{
    buf_str(b, "{\"model\":");
    put_model(a, b);
    buf_fmt(b, ",\"id\":\"msg_sim%lu\",\"type\":\"message\","
            "\"role\":\"assistant\",\"content\":[{\"type\":\"text\","
            "\"text\":", a->id);
    shape_text(a, b);
    buf_fmt(b, "}],\"stop_reason\":\"%s\",\"stop_sequence\":null",
            a->cut_short ? "max_tokens" : "end_turn");
    shape_usage(a, b);
    buf_str(b, "}\n");
}


/* what stands for an image has the length of a text */

static void
images_body(const answer_t *a, buf_t *b)
{
    long  i;

    buf_fmt(b, "{\"created\":%ld,\"data\":[", a->created);

    for (i = 0; i < a->n; i++) {
        buf_str(b, i ? ",{\"b64_json\":" : "{\"b64_json\":");
        shape_text(a, b);
        buf_str(b, "}");
    }

    buf_str(b, "]");
    shape_usage(a, b);
    form_report(a, b);
    buf_str(b, "}\n");
}


static void
moderations_body(const answer_t *a, buf_t *b)
{
    size_t              i;
    static const char  *names[] = { "harassment", "hate", "sexual",
                                    "violence" };

    buf_fmt(b, "{\"id\":\"modr-sim%lu\",\"model\":", a->id);
    put_model(a, b);
    buf_str(b, ",\"results\":[{\"flagged\":false,\"categories\":{");

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        buf_fmt(b, "%s\"%s\":false", i ? "," : "", names[i]);
    }

    buf_str(b, "},\"category_scores\":{");

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        buf_fmt(b, "%s\"%s\":0.00125", i ? "," : "", names[i]);
    }

    buf_str(b, "}}]}\n");
}


/* bytes that are no text and no JSON */

static void
speech_body(const answer_t *a, buf_t *b)
{
    size_t  size = a->sp.size >= 0 ? (size_t) a->sp.size : 2048;

    buf_grow(b, size);
    memset(b->p + b->len, 0xff, size);
    b->len += size;
}


static void
rerank_body(const answer_t *a, buf_t *b)
{
    buf_fmt(b, "{\"id\":\"rerank-sim%lu\",\"results\":[{\"index\":0,"
            "\"relevance_score\":0.99}]", a->id);
    shape_usage(a, b);
    buf_str(b, "}\n");
}


void
shape_plain_body(const answer_t *a, buf_t *b)
{
    if (a->page) {
        buf_add(b, a->page->p, a->page->len);
        return;
    }

    switch (a->ep) {

    case EP_CHAT:
        chat_body(a, b);
        break;

    case EP_COMPLETIONS:
        completions_body(a, b);
        break;

    case EP_EMBEDDINGS:
        embeddings_body(a, b);
        break;

    case EP_RESPONSES:
        response_object(a, b, 1);
        buf_str(b, "\n");
        break;

    case EP_MESSAGES:
        messages_body(a, b);
        break;

    case EP_IMAGES:
        images_body(a, b);
        break;

    case EP_SPEECH:
        speech_body(a, b);
        break;

    case EP_RERANK:
        rerank_body(a, b);
        break;

    case EP_MODERATIONS:
        moderations_body(a, b);
        break;

    case EP_TRANSCRIPTIONS:
        transcript_body(a, b);
        break;

    default:
        models_body(a, b);
    }
}


/* SSE events */

static void
chat_chunk(const answer_t *a, buf_t *b, const char *choices, int with_usage)
{
    buf_fmt(b, "data: {\"id\":\"chatcmpl-sim%lu\","
            "\"object\":\"chat.completion.chunk\",\"created\":%ld,\"model\":",
            a->id, a->created);
    put_model(a, b);
    buf_fmt(b, ",\"service_tier\":\"%s\",\"system_fingerprint\":\"fp_%s\""
            ",\"choices\":[%s]", service_tier(a, "default"), a->name, choices);

    if (with_usage) {
        shape_usage(a, b);

    } else if (a->include_usage && !a->sp.usage_off) {
        buf_str(b, ",\"usage\":null");
    }

    buf_str(b, "}\n\n");
}


static void
completions_chunk(const answer_t *a, buf_t *b, const char *text,
    const char *finish, int with_usage)
{
    buf_fmt(b, "data: {\"id\":\"cmpl-sim%lu\",\"object\":\"text_completion\","
            "\"created\":%ld,\"choices\":[", a->id, a->created);

    if (!with_usage) {
        buf_fmt(b, "{\"text\":\"%s\",\"index\":0,\"logprobs\":null,"
                "\"finish_reason\":%s}", text, finish);
    }

    buf_str(b, "],\"model\":");
    put_model(a, b);

    if (with_usage) {
        shape_usage(a, b);

    } else if (a->include_usage && !a->sp.usage_off) {
        buf_str(b, ",\"usage\":null");
    }

    buf_str(b, "}\n\n");
}


static void
named(buf_t *b, const char *type)
{
    buf_fmt(b, "event: %s\ndata: {\"type\":\"%s\"", type, type);
}


int
shape_npre(const answer_t *a)
{
    switch (a->ep) {
    case EP_CHAT:       return 1;
    case EP_RESPONSES:  return 4;
    case EP_MESSAGES:   return 3;
    default:            return 0;
    }
}


void
shape_pre_event(answer_t *a, buf_t *b)
{
    if (a->ep == EP_CHAT) {
        chat_chunk(a, b, "{\"index\":0,\"delta\":{\"role\":\"assistant\","
                   "\"content\":\"\",\"refusal\":null},\"logprobs\":null,"
                   "\"finish_reason\":null}", 0);
        return;
    }

    if (a->ep == EP_MESSAGES) {
        switch (a->idx) {

        case 0:
            named(b, "message_start");
            buf_str(b, ",\"message\":{\"model\":");
            put_model(a, b);
            buf_fmt(b, ",\"id\":\"msg_sim%lu\",\"type\":\"message\","
                    "\"role\":\"assistant\",\"content\":[],"
                    "\"stop_reason\":null,\"stop_sequence\":null", a->id);
            if (!a->sp.usage_off) {
                buf_fmt(b, ",\"usage\":{\"input_tokens\":%lu,"
                        "\"cache_creation_input_tokens\":0,"
                        "\"cache_read_input_tokens\":%lu,\"output_tokens\":1,"
                        "\"service_tier\":\"%s\"}", a->prompt - a->cached,
                        a->cached, service_tier(a, "standard"));
            }
            buf_str(b, "}}\n\n");
            return;

        case 1:
            named(b, "content_block_start");
            buf_str(b, ",\"index\":0,\"content_block\":{\"type\":\"text\","
                       "\"text\":\"\"}}\n\n");
            return;

        default:
            named(b, "ping");
            buf_str(b, "}\n\n");
            return;
        }
    }

    switch (a->idx) {

    case 0:
    case 1:
        named(b, a->idx == 0 ? "response.created" : "response.in_progress");
        buf_str(b, ",\"response\":");
        response_object(a, b, 0);
        break;

    case 2:
        named(b, "response.output_item.added");
        buf_fmt(b, ",\"item\":{\"id\":\"msg_sim%lu\",\"type\":\"message\","
                "\"status\":\"in_progress\",\"content\":[],"
                "\"role\":\"assistant\"},\"output_index\":0", a->id);
        break;

    default:
        named(b, "response.content_part.added");
        buf_fmt(b, ",\"content_index\":0,\"item_id\":\"msg_sim%lu\","
                "\"output_index\":0,\"part\":{\"type\":\"output_text\","
                "\"annotations\":[],\"logprobs\":[],\"text\":\"\"}", a->id);
    }

    buf_fmt(b, ",\"sequence_number\":%d}\n\n", a->seq++);
}


void
shape_content_event(answer_t *a, buf_t *b)
{
    char  text[160];

    switch (a->ep) {

    case EP_CHAT:
        snprintf(text, sizeof(text), "{\"index\":0,\"delta\":{\"content\":"
                 "\"word%d \"},\"logprobs\":null,\"finish_reason\":null}",
                 a->sent);
        chat_chunk(a, b, text, 0);
        break;

    case EP_COMPLETIONS:
        snprintf(text, sizeof(text), "word%d ", a->sent);
        completions_chunk(a, b, text, "null", 0);
        break;

    case EP_RESPONSES:
        named(b, "response.output_text.delta");
        buf_fmt(b, ",\"content_index\":0,\"delta\":\"word%d \","
                "\"item_id\":\"msg_sim%lu\",\"logprobs\":[],"
                "\"output_index\":0,\"sequence_number\":%d}\n\n", a->sent,
                a->id, a->seq++);
        break;

    case EP_TRANSCRIPTIONS:
        transcript_event(a, b);
        break;

    default:
        named(b, "content_block_delta");
        buf_fmt(b, ",\"index\":0,\"delta\":{\"type\":\"text_delta\","
                "\"text\":\"word%d \"}}\n\n", a->sent);
    }
}


/* the events after the content; 0 when there are no more */

static int
openai_post(answer_t *a, buf_t *b)
{
    char         text[96];
    const char  *finish = a->cut_short ? "\"length\"" : "\"stop\"";

    if (a->idx == 0) {
        if (a->ep == EP_CHAT) {
            snprintf(text, sizeof(text), "{\"index\":0,\"delta\":{},"
                     "\"logprobs\":null,\"finish_reason\":%s}", finish);
            chat_chunk(a, b, text, 0);

        } else {
            completions_chunk(a, b, "", finish, 0);
        }

        a->idx++;
        return 1;
    }

    if (a->idx == 1) {
        a->idx++;

        if (a->include_usage && !a->sp.usage_off) {
            if (a->ep == EP_CHAT) {
                chat_chunk(a, b, "", 1);
            } else {
                completions_chunk(a, b, "", "", 1);
            }
            return 1;
        }
    }

    if (a->idx == 2 && !a->sp.done_off) {
        a->idx++;
        buf_str(b, "data: [DONE]\n\n");
        return 1;
    }

    return 0;
}


static int
responses_post(answer_t *a, buf_t *b)
{
    switch (a->idx++) {

    case 0:
        named(b, "response.output_text.done");
        buf_fmt(b, ",\"content_index\":0,\"item_id\":\"msg_sim%lu\","
                "\"logprobs\":[],\"output_index\":0,\"text\":", a->id);
        shape_text(a, b);
        break;

    case 1:
        named(b, "response.content_part.done");
        buf_fmt(b, ",\"content_index\":0,\"item_id\":\"msg_sim%lu\","
                "\"output_index\":0,\"part\":{\"type\":\"output_text\","
                "\"annotations\":[],\"logprobs\":[],\"text\":", a->id);
        shape_text(a, b);
        buf_str(b, "}");
        break;

    case 2:
        named(b, "response.output_item.done");
        buf_fmt(b, ",\"item\":{\"id\":\"msg_sim%lu\",\"type\":\"message\","
                "\"status\":\"completed\",\"content\":[{\"type\":"
                "\"output_text\",\"annotations\":[],\"logprobs\":[],"
                "\"text\":", a->id);
        shape_text(a, b);
        buf_str(b, "}],\"role\":\"assistant\"},\"output_index\":0");
        break;

    case 3:
        if (a->sp.done_off) {
            return 0;
        }
        named(b, a->cut_short ? "response.incomplete" : "response.completed");
        buf_str(b, ",\"response\":");
        response_object(a, b, 1);
        break;

    default:
        return 0;
    }

    buf_fmt(b, ",\"sequence_number\":%d}\n\n", a->seq++);

    return 1;
}


static int
messages_post(answer_t *a, buf_t *b)
{
    switch (a->idx++) {

    case 0:
        named(b, "content_block_stop");
        buf_str(b, ",\"index\":0}\n\n");
        return 1;

    case 1:
        named(b, "message_delta");
        buf_fmt(b, ",\"delta\":{\"stop_reason\":\"%s\",\"stop_sequence\":"
                "null}", a->cut_short ? "max_tokens" : "end_turn");
        if (!a->sp.usage_off) {
            buf_fmt(b, ",\"usage\":{\"input_tokens\":%lu,"
                    "\"cache_creation_input_tokens\":0,"
                    "\"cache_read_input_tokens\":%lu,\"output_tokens\":%lu}",
                    a->prompt - a->cached, a->cached, a->completion);
        }
        buf_str(b, "}\n\n");
        return 1;

    case 2:
        if (!a->sp.done_off) {
            named(b, "message_stop");
            buf_str(b, "}\n\n");
            return 1;
        }
        return 0;

    default:
        return 0;
    }
}


int
shape_post_event(answer_t *a, buf_t *b)
{
    switch (a->ep) {
    case EP_RESPONSES:       return responses_post(a, b);
    case EP_MESSAGES:        return messages_post(a, b);
    case EP_TRANSCRIPTIONS:  return transcript_post(a, b);
    default:                 return openai_post(a, b);
    }
}
