
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Events told by their names or their "type" (Responses, Anthropic, Cohere,
 * images, transcriptions), and plain ones by what is not in them.
 */


#include "ngx_http_ai_facts.h"


#define NOTHING  NGX_HTTP_AI_EVENT_NOTHING
#define CONTENT  NGX_HTTP_AI_EVENT_CONTENT
#define DONE     NGX_HTTP_AI_EVENT_DONE
#define ERROR    NGX_HTTP_AI_EVENT_ERROR
#define USAGE    NGX_HTTP_AI_EVENT_USAGE
#define LOOK     NGX_HTTP_AI_EVENT_LOOK


/*
 * Names of events, the frequent first; the first that fits counts.  A name
 * that is not here tells nothing ("message", "chunk", ...).
 *
 * An output_item or content_block that begins is empty, and its first delta
 * follows at once; but where it is a tool that the provider runs itself,
 * nothing may follow for long, and the model has answered.
 */

static const ngx_http_ai_event_name_t  ngx_http_ai_event_names[] = {
    { ngx_string("content_block_delta"), CONTENT },
    { ngx_string("*.delta"), CONTENT },
    { ngx_string("content_block_start"), LOOK },
    { ngx_string("content_block_stop"), NOTHING },
    { ngx_string("ping"), NOTHING },
    { ngx_string("message_start"), NOTHING|USAGE },
    { ngx_string("message_delta"), LOOK },
    { ngx_string("message_stop"), DONE },
    { ngx_string("error"), ERROR },

    { ngx_string("response.created"), NOTHING },
    { ngx_string("response.in_progress"), NOTHING },
    { ngx_string("response.queued"), NOTHING },
    { ngx_string("response.output_item.added"), LOOK },
    { ngx_string("response.content_part.added"), NOTHING },
    { ngx_string("response.reasoning_summary_part.added"), NOTHING },
    { ngx_string("response.completed"), DONE|USAGE },
    { ngx_string("response.incomplete"), DONE|USAGE },
    { ngx_string("response.cancelled"), DONE },
    { ngx_string("response.failed"), ERROR },
    { ngx_string("response.*"), CONTENT },

    { ngx_string("image_generation.completed"), CONTENT|DONE|USAGE },
    { ngx_string("image_edit.completed"), CONTENT|DONE|USAGE },
    { ngx_string("image_*"), CONTENT },
    { ngx_string("transcript.text.done"), CONTENT|DONE|USAGE },
    { ngx_string("transcript.*"), CONTENT },
    { ngx_string("speech.audio.done"), DONE|USAGE },
    { ngx_string("keepalive"), NOTHING },

    { ngx_string("content-delta"), CONTENT },
    { ngx_string("message-start"), NOTHING },
    { ngx_string("content-start"), NOTHING },
    { ngx_string("content-end"), NOTHING },
    { ngx_string("message-end"), LOOK },
    { ngx_string("tool-*"), CONTENT },
    { ngx_string("citation-*"), CONTENT },

    { ngx_null_string, 0 }
};


const ngx_http_ai_event_name_t *
ngx_http_ai_event_find(const u_char *p, size_t n)
{
    size_t                           len;
    const u_char                    *s;
    const ngx_http_ai_event_name_t  *name;

    for (name = ngx_http_ai_event_names; name->name.len; name++) {
        len = name->name.len;
        s = name->name.data;

        if (s[0] == '*') {
            if (n >= len && ngx_memcmp(p + n - len + 1, s + 1, len - 1) == 0) {
                return name;
            }

        } else if (s[len - 1] == '*') {
            if (n >= len && ngx_memcmp(p, s, len - 1) == 0) {
                return name;
            }

        } else if (n == len && ngx_memcmp(p, s, len) == 0) {
            return name;
        }
    }

    return NULL;
}


/* the event's name, or the "type" its data begins with */

const ngx_http_ai_event_name_t *
ngx_http_ai_event_named(const ngx_http_ai_sse_event_t *ev)
{
    const u_char                    *p, *end;
    const ngx_http_ai_event_name_t  *name;

    if (ev->name.len) {
        name = ngx_http_ai_event_find(ev->name.data, ev->name.len);

        if (name) {
            return name;
        }
    }

    if (ev->data.len < 12 || ngx_memcmp(ev->data.data, "{\"type\":", 8) != 0) {
        return NULL;
    }

    p = ev->data.data + 8;
    p += (*p == ' ');

    if (*p++ != '"') {
        return NULL;
    }

    end = memchr(p, '"', ev->data.data + ev->data.len - p);

    return end ? ngx_http_ai_event_find(p, end - p) : NULL;
}


/* the value of "type": does it name an event that is more than content? */

static ngx_uint_t
ngx_http_ai_event_telling(const u_char *v, const u_char *last)
{
    const u_char                    *end;
    const ngx_http_ai_event_name_t  *name;

    if (v == last || *v++ != '"') {
        return 0;
    }

    end = memchr(v, '"', last - v);
    name = end ? ngx_http_ai_event_find(v, end - v) : NULL;

    return name && name->kind != CONTENT;
}


/*
 * A member name that ends just before p, at least 7 bytes from the start of
 * the data: does its value make the event worth a parser?  Names are told by
 * their ends, the last letter first: "error", "...reason", "...Reason",
 * "usage", "done", "type", "usageMetadata".
 */

static ngx_uint_t
ngx_http_ai_event_notable(const u_char *p, const u_char *last)
{
    ngx_uint_t     type;
    const u_char  *v;

    type = 0;

    switch (p[-2]) {

    case 'r':
        if (ngx_memcmp(p - 7, "\"error\"", 7) != 0) {
            return 0;
        }

        break;

    case 'n':
        if (ngx_memcmp(p - 6, "eason\"", 6) != 0) {
            return 0;
        }

        break;

    case 'e':
        type = (ngx_memcmp(p - 6, "\"type\"", 6) == 0);

        if (!type && ngx_memcmp(p - 7, "\"usage\"", 7) != 0
            && ngx_memcmp(p - 6, "\"done\"", 6) != 0)
        {
            return 0;
        }

        break;

    case 'a':
        return ngx_memcmp(p - 5, "data\"", 5) == 0;

    default:
        return 0;
    }

    for (v = p + 1; v < last && (*v == ' ' || *v == '\t'); v++) { /* void */ }

    if (type) {
        return ngx_http_ai_event_telling(v, last);
    }

    return last - v < 5 || (ngx_memcmp(v, "null", 4) != 0
                            && ngx_memcmp(v, "false", 5) != 0);
}


/*
 * Colons are rarer than quotes, and every member has one; one that stands
 * after anything but a quote is text.  A name with blanks before its colon is
 * left to the parser.
 */

ngx_uint_t
ngx_http_ai_classify_plain(const ngx_http_ai_sse_event_t *ev)
{
    const u_char                    *p, *last, *first;
    const ngx_http_ai_event_name_t  *name;

    if (ev->kind != NGX_HTTP_AI_SSE_DATA || ev->multi || ev->truncated
        || ev->data.len < 2 || ev->data.data[0] != '{')
    {
        return 0;
    }

    name = ngx_http_ai_event_named(ev);

    if (name) {
        return name->kind == CONTENT;
    }

    first = ev->data.data;
    last = first + ev->data.len;

    for (p = first; (p = memchr(p, ':', last - p)) != NULL; p++) {

        if (p[-1] == '"') {
            if (p - first >= 7 && ngx_http_ai_event_notable(p, last)) {
                return 0;
            }

        } else if (p[-1] == ' ' || p[-1] == '\t') {
            return 0;
        }
    }

    return 1;
}
