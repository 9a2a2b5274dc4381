
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What one event of a stream is (wire.md A5), without being told whose it is:
 * by its name where the dialect has names (ngx_http_ai_classify_name.c), else
 * by the members of a chunk (OpenAI chat and completions, Gemini, Ollama).
 */


#include "ngx_http_ai_facts.h"
#include "ngx_http_ai_pluck.h"


#define NGX_HTTP_AI_EVENT_JOIN   8192    /* data lines joined up to here */
#define NGX_HTTP_AI_EVENT_TAIL   1024    /* of a cut event, looked at */
#define NGX_HTTP_AI_EVENT_WORD   40      /* bytes kept of a value */

#define NOTHING  NGX_HTTP_AI_EVENT_NOTHING
#define CONTENT  NGX_HTTP_AI_EVENT_CONTENT
#define FINISH   NGX_HTTP_AI_EVENT_FINISH
#define DONE     NGX_HTTP_AI_EVENT_DONE
#define ERROR    NGX_HTTP_AI_EVENT_ERROR
#define USAGE    NGX_HTTP_AI_EVENT_USAGE
#define LOOK     NGX_HTTP_AI_EVENT_LOOK


enum {
    NGX_HTTP_AI_E_ERROR = 0,
    NGX_HTTP_AI_E_TYPE,
    NGX_HTTP_AI_E_CHOICES,
    NGX_HTTP_AI_E_FINISH,
    NGX_HTTP_AI_E_CONTENT,
    NGX_HTTP_AI_E_TOOLS,
    NGX_HTTP_AI_E_REFUSAL,
    NGX_HTTP_AI_E_REASONING_CONTENT,
    NGX_HTTP_AI_E_REASONING,
    NGX_HTTP_AI_E_REASONING_DETAILS,
    NGX_HTTP_AI_E_AUDIO,
    NGX_HTTP_AI_E_IMAGES,
    NGX_HTTP_AI_E_FUNCTION,
    NGX_HTTP_AI_E_TEXT,
    NGX_HTTP_AI_E_MESSAGE_CONTENT,
    NGX_HTTP_AI_E_USAGE,
    NGX_HTTP_AI_E_GROQ_USAGE,

    NGX_HTTP_AI_E_STOP_REASON,
    NGX_HTTP_AI_E_BLOCK_TYPE,
    NGX_HTTP_AI_E_ITEM_TYPE,
    NGX_HTTP_AI_E_DELTA_FINISH,
    NGX_HTTP_AI_E_DELTA_USAGE,

    NGX_HTTP_AI_E_CANDIDATES,
    NGX_HTTP_AI_E_PARTS,
    NGX_HTTP_AI_E_PART_TEXT,
    NGX_HTTP_AI_E_GEMINI_FINISH,
    NGX_HTTP_AI_E_GEMINI_USAGE,
    NGX_HTTP_AI_E_BLOCK_REASON,

    NGX_HTTP_AI_E_OLLAMA_DONE,
    NGX_HTTP_AI_E_OLLAMA_CONTENT,
    NGX_HTTP_AI_E_OLLAMA_RESPONSE,
    NGX_HTTP_AI_E_OLLAMA_TOOLS,
    NGX_HTTP_AI_EVENTS
};


static const char *ngx_http_ai_event_paths[] = {
    "error",
    "type",
    "choices",
    "choices.[].finish_reason",
    "choices.[].delta.content",
    "choices.[].delta.tool_calls",
    "choices.[].delta.refusal",
    "choices.[].delta.reasoning_content",
    "choices.[].delta.reasoning",
    "choices.[].delta.reasoning_details",
    "choices.[].delta.audio",
    "choices.[].delta.images",
    "choices.[].delta.function_call",
    "choices.[].text",
    "choices.[].message.content",
    "usage",
    "x_groq.usage",

    "delta.stop_reason",
    "content_block.type",
    "item.type",
    "delta.finish_reason",
    "delta.usage",

    "candidates",
    "candidates.[].content.parts",
    "candidates.[].content.parts.[].text",
    "candidates.[].finishReason",
    "usageMetadata",
    "promptFeedback.blockReason",

    "done",
    "message.content",
    "response",
    "message.tool_calls"
};


/* any of these, not empty, is something a user would see */

static const ngx_uint_t  ngx_http_ai_event_content[] = {
    NGX_HTTP_AI_E_CONTENT, NGX_HTTP_AI_E_TOOLS, NGX_HTTP_AI_E_REFUSAL,
    NGX_HTTP_AI_E_REASONING_CONTENT, NGX_HTTP_AI_E_REASONING,
    NGX_HTTP_AI_E_REASONING_DETAILS, NGX_HTTP_AI_E_AUDIO,
    NGX_HTTP_AI_E_IMAGES, NGX_HTTP_AI_E_FUNCTION, NGX_HTTP_AI_E_TEXT,
    NGX_HTTP_AI_E_MESSAGE_CONTENT, NGX_HTTP_AI_E_OLLAMA_CONTENT,
    NGX_HTTP_AI_E_OLLAMA_RESPONSE, NGX_HTTP_AI_E_OLLAMA_TOOLS,
    NGX_HTTP_AI_EVENTS
};


/* these, if they are there, say that the shape of the chunk is known */

static const ngx_uint_t  ngx_http_ai_event_known[] = {
    NGX_HTTP_AI_E_CHOICES, NGX_HTTP_AI_E_CANDIDATES, NGX_HTTP_AI_E_USAGE,
    NGX_HTTP_AI_E_GEMINI_USAGE, NGX_HTTP_AI_E_OLLAMA_DONE,
    NGX_HTTP_AI_E_BLOCK_TYPE, NGX_HTTP_AI_E_ITEM_TYPE,
    NGX_HTTP_AI_EVENTS
};


/* not empty: there is text, an element, an object */

static ngx_uint_t
ngx_http_ai_event_full(const ngx_http_ai_pluck_t *item)
{
    switch (item->type) {

    case NGX_HTTP_AI_PLUCK_STRING:
        return item->len != 0;

    case NGX_HTTP_AI_PLUCK_ARRAY:
        return item->integer != 0;

    case NGX_HTTP_AI_PLUCK_OBJECT:
        return 1;

    default:
        return 0;
    }
}


static ngx_uint_t
ngx_http_ai_event_any(const ngx_http_ai_pluck_t *items,
    const ngx_uint_t *which, ngx_uint_t full)
{
    for ( /* void */ ; *which != NGX_HTTP_AI_EVENTS; which++) {
        if (full ? ngx_http_ai_event_full(&items[*which])
                 : items[*which].type != NGX_HTTP_AI_PLUCK_NONE)
        {
            return 1;
        }
    }

    return 0;
}


/* Gemini's last chunk may have one part with an empty text */

static ngx_uint_t
ngx_http_ai_event_parts(const ngx_http_ai_pluck_t *items)
{
    const ngx_http_ai_pluck_t  *parts, *text;

    parts = &items[NGX_HTTP_AI_E_PARTS];
    text = &items[NGX_HTTP_AI_E_PART_TEXT];

    if (parts->type != NGX_HTTP_AI_PLUCK_ARRAY || parts->integer == 0) {
        return 0;
    }

    return parts->integer > 1 || text->type != NGX_HTTP_AI_PLUCK_STRING
           || text->len;
}


static ngx_uint_t
ngx_http_ai_event_is(const ngx_http_ai_pluck_t *item, const char *word)
{
    ngx_str_t  s;

    s.data = item->buf;
    s.len = item->len;

    return item->type == NGX_HTTP_AI_PLUCK_STRING
           && ngx_http_ai_classify_is(word, &s);
}


/* a block or item that begins: of text, or of something made already */

static ngx_uint_t
ngx_http_ai_event_begins(const ngx_http_ai_pluck_t *item)
{
    if (item->type != NGX_HTTP_AI_PLUCK_STRING
        || ngx_http_ai_event_is(item, "text")
        || ngx_http_ai_event_is(item, "thinking")
        || ngx_http_ai_event_is(item, "message")
        || ngx_http_ai_event_is(item, "reasoning"))
    {
        return NOTHING;
    }

    return CONTENT;
}


static ngx_uint_t
ngx_http_ai_event_failed(const ngx_http_ai_pluck_t *items)
{
    const ngx_http_ai_pluck_t  *error;

    error = &items[NGX_HTTP_AI_E_ERROR];

    switch (error->type) {

    case NGX_HTTP_AI_PLUCK_BOOL:
    case NGX_HTTP_AI_PLUCK_INT:
        if (error->integer) {
            return 1;
        }

        break;

    default:
        if (ngx_http_ai_event_full(error)) {
            return 1;
        }
    }

    return ngx_http_ai_event_is(&items[NGX_HTTP_AI_E_FINISH], "error")
        || ngx_http_ai_event_is(&items[NGX_HTTP_AI_E_DELTA_FINISH], "error");
}


/* the end: reasons, and the chunk that brings nothing but usage */

static ngx_uint_t
ngx_http_ai_event_ends(const ngx_http_ai_pluck_t *items)
{
    ngx_uint_t                  kind;
    const ngx_http_ai_pluck_t  *choices;

    kind = NOTHING;

    if (ngx_http_ai_event_full(&items[NGX_HTTP_AI_E_FINISH])
        || ngx_http_ai_event_full(&items[NGX_HTTP_AI_E_STOP_REASON])
        || ngx_http_ai_event_full(&items[NGX_HTTP_AI_E_DELTA_FINISH])
        || ngx_http_ai_event_full(&items[NGX_HTTP_AI_E_GEMINI_FINISH])
        || ngx_http_ai_event_full(&items[NGX_HTTP_AI_E_BLOCK_REASON]))
    {
        kind |= FINISH;
    }

    if (items[NGX_HTTP_AI_E_OLLAMA_DONE].type == NGX_HTTP_AI_PLUCK_BOOL
        && items[NGX_HTTP_AI_E_OLLAMA_DONE].integer)
    {
        kind |= FINISH|DONE;
    }

    if (ngx_http_ai_event_full(&items[NGX_HTTP_AI_E_GEMINI_USAGE])
        || ngx_http_ai_event_full(&items[NGX_HTTP_AI_E_GROQ_USAGE])
        || ngx_http_ai_event_full(&items[NGX_HTTP_AI_E_DELTA_USAGE]))
    {
        kind |= USAGE;
    }

    if (ngx_http_ai_event_full(&items[NGX_HTTP_AI_E_USAGE])) {
        choices = &items[NGX_HTTP_AI_E_CHOICES];
        kind |= USAGE;

        if ((choices->type == NGX_HTTP_AI_PLUCK_ARRAY && choices->integer == 0)
            || (choices->type == NGX_HTTP_AI_PLUCK_NONE
                && items[NGX_HTTP_AI_E_TYPE].type == NGX_HTTP_AI_PLUCK_NONE))
        {
            kind |= FINISH;
        }
    }

    return kind;
}


/*
 * "type" need not come first in the data.  A shape that is known and holds
 * nothing is NOTHING; one that is not known is CONTENT, for a stream of it
 * must not pass for empty.
 */

static ngx_uint_t
ngx_http_ai_event_members(const ngx_http_ai_pluck_t *items)
{
    ngx_uint_t                       kind;
    const ngx_http_ai_pluck_t       *type;
    const ngx_http_ai_event_name_t  *name;

    if (ngx_http_ai_event_failed(items)) {
        return ERROR;
    }

    type = &items[NGX_HTTP_AI_E_TYPE];

    name = (type->type == NGX_HTTP_AI_PLUCK_STRING)
           ? ngx_http_ai_event_find(type->buf, type->len) : NULL;

    if (name && name->kind != LOOK) {
        return name->kind;
    }

    kind = ngx_http_ai_event_ends(items)
           | ngx_http_ai_event_begins(&items[NGX_HTTP_AI_E_BLOCK_TYPE])
           | ngx_http_ai_event_begins(&items[NGX_HTTP_AI_E_ITEM_TYPE]);

    if (ngx_http_ai_event_parts(items)
        || ngx_http_ai_event_any(items, ngx_http_ai_event_content, 1))
    {
        kind |= CONTENT;
    }

    if (kind || name
        || ngx_http_ai_event_any(items, ngx_http_ai_event_known, 0))
    {
        return kind;
    }

    return CONTENT;
}


static ngx_uint_t
ngx_http_ai_event_parse(const u_char *p, size_t n)
{
    ngx_uint_t            i;
    u_char                bufs[NGX_HTTP_AI_EVENTS][NGX_HTTP_AI_EVENT_WORD];
    ngx_http_ai_pluck_t   items[NGX_HTTP_AI_EVENTS];

    ngx_memzero(items, sizeof(items));

    for (i = 0; i < NGX_HTTP_AI_EVENTS; i++) {
        items[i].path = ngx_http_ai_event_paths[i];
        items[i].buf = bufs[i];
        items[i].size = NGX_HTTP_AI_EVENT_WORD;
    }

    if (ngx_http_ai_pluck(p, n, items, NGX_HTTP_AI_EVENTS) != NGX_OK) {
        return CONTENT;
    }

    return ngx_http_ai_event_members(items);
}


/* the status of the answer was 200, so only the error's own counts */

static ngx_uint_t
ngx_http_ai_event_error(const ngx_http_ai_provider_t *provider,
    const u_char *p, size_t n, ngx_http_ai_judgement_t *out)
{
    ngx_http_ai_facts_t  facts;

    if (out) {
        ngx_memzero(out, offsetof(ngx_http_ai_judgement_t, code));

        ngx_http_ai_facts_read(&facts, p, n);
        ngx_http_ai_facts_conclude(provider, &facts, out);
    }

    return ERROR;
}


/* the raw JSON that Gemini puts into its streams, or something strange */

static ngx_uint_t
ngx_http_ai_event_junk(const ngx_http_ai_provider_t *provider,
    const ngx_str_t *raw, ngx_http_ai_judgement_t *out)
{
    ngx_http_ai_facts_t  facts;

    ngx_http_ai_facts_read(&facts, raw->data, raw->len);

    if (!facts.error || facts.broken) {
        return CONTENT;
    }

    return ngx_http_ai_event_error(provider, raw->data, raw->len, out);
}


/* what follows a member's name: the first byte of its value, or 0 */

static u_char
ngx_http_ai_event_value(const u_char *p, const u_char *last,
    const char *name)
{
    p = ngx_http_ai_classify_find(p, last, name);

    if (p == NULL) {
        return 0;
    }

    p += strlen(name);

    while (p < last && (*p == ' ' || *p == ':')) {
        p++;
    }

    return (p < last) ? *p : 0;
}


/* an event that was cut, and whose name tells nothing */

static ngx_uint_t
ngx_http_ai_event_tail(const ngx_str_t *data)
{
    ngx_uint_t     kind;
    const u_char  *p, *last;

    kind = CONTENT;

    if (data->len == 0) {
        return kind;
    }

    last = data->data + data->len;
    p = last - ngx_min(data->len, NGX_HTTP_AI_EVENT_TAIL);

    if (ngx_http_ai_event_value(p, last, "\"finish_reason\"") == '"'
        || ngx_http_ai_event_value(p, last, "\"finishReason\"") == '"')
    {
        kind |= FINISH;
    }

    if (ngx_http_ai_event_value(p, last, "\"usageMetadata\"") == '{') {
        kind |= USAGE;
    }

    if (ngx_http_ai_event_value(p, last, "\"usage\"") == '{') {
        kind |= USAGE;

        if (ngx_http_ai_classify_find(p, last, "\"input_tokens\"")) {
            kind |= DONE;
        }
    }

    return kind;
}


static ngx_uint_t
ngx_http_ai_event_data(const ngx_http_ai_provider_t *provider,
    const ngx_http_ai_sse_event_t *ev, ngx_http_ai_judgement_t *out)
{
    size_t                           n;
    ngx_uint_t                       kind;
    const u_char                    *p;
    const ngx_http_ai_event_name_t  *name;

    p = ev->data.data;
    n = ev->data.len;

    while (n && (p[n - 1] == ' ' || p[n - 1] == '\t')) { n--; }
    while (n && (*p == ' ' || *p == '\t')) { p++; n--; }

    if (n == 6 && ngx_memcmp(p, "[DONE]", 6) == 0) {
        return DONE;
    }

    name = ngx_http_ai_event_named(ev);

    if (name && name->kind != LOOK) {
        return (name->kind != ERROR)
               ? name->kind : ngx_http_ai_event_error(provider, p, n, out);
    }

    if (ev->truncated) {
        return ngx_http_ai_event_tail(&ev->data);
    }

    if (n == 0) {
        return NOTHING;
    }

    kind = ngx_http_ai_event_parse(p, n);

    if (kind & ERROR) {
        return ngx_http_ai_event_error(provider, p, n, out);
    }

    return kind;
}


/* several data lines: joined if they are short, as an error's are */

static ngx_uint_t
ngx_http_ai_event_multi(const ngx_http_ai_provider_t *provider,
    const ngx_http_ai_sse_event_t *ev, ngx_http_ai_judgement_t *out)
{
    u_char                    joined[NGX_HTTP_AI_EVENT_JOIN];
    ngx_http_ai_sse_event_t   one;

    if (ev->truncated || ev->raw.len > sizeof(joined)) {
        return CONTENT;
    }

    one = *ev;
    one.multi = 0;
    one.data.data = joined;
    one.data.len = ngx_http_ai_sse_join(ev, joined);

    return ngx_http_ai_event_data(provider, &one, out);
}


ngx_uint_t
ngx_http_ai_classify_event(const ngx_http_ai_provider_t *provider,
    const ngx_http_ai_sse_event_t *ev, ngx_http_ai_judgement_t *out)
{
    switch (ev->kind) {

    case NGX_HTTP_AI_SSE_DATA:
        return ev->multi ? ngx_http_ai_event_multi(provider, ev, out)
                         : ngx_http_ai_event_data(provider, ev, out);

    case NGX_HTTP_AI_SSE_JUNK:
        return ngx_http_ai_event_junk(provider, &ev->raw, out);

    default:
        return NOTHING;
    }
}
