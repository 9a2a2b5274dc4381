
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Events told by their names or their "type" (Responses, Anthropic, Cohere,
 * images, transcriptions), plain ones by what is not in them, and the text in
 * either.
 */


#include "ngx_http_ai_facts.h"
#include "ngx_http_ai_json.h"


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
    { ngx_string("content_block_delta"), CONTENT, 1 },
    { ngx_string("*audio.delta"), CONTENT, 0 },
    { ngx_string("*.delta"), CONTENT, 1 },
    { ngx_string("content_block_start"), LOOK, 0 },
    { ngx_string("content_block_stop"), NOTHING, 0 },
    { ngx_string("ping"), NOTHING, 0 },
    { ngx_string("message_start"), NOTHING|USAGE, 0 },
    { ngx_string("message_delta"), LOOK, 0 },
    { ngx_string("message_stop"), DONE, 0 },
    { ngx_string("error"), ERROR, 0 },

    { ngx_string("response.created"), NOTHING, 0 },
    { ngx_string("response.in_progress"), NOTHING, 0 },
    { ngx_string("response.queued"), NOTHING, 0 },
    { ngx_string("response.output_item.added"), LOOK, 0 },
    { ngx_string("response.content_part.added"), NOTHING, 0 },
    { ngx_string("response.reasoning_summary_part.added"), NOTHING, 0 },
    { ngx_string("response.completed"), DONE|USAGE, 0 },
    { ngx_string("response.incomplete"), DONE|USAGE, 0 },
    { ngx_string("response.cancelled"), DONE, 0 },
    { ngx_string("response.failed"), ERROR, 0 },
    { ngx_string("response.*"), CONTENT, 0 },

    { ngx_string("image_generation.completed"), CONTENT|DONE|USAGE, 0 },
    { ngx_string("image_edit.completed"), CONTENT|DONE|USAGE, 0 },
    { ngx_string("image_*"), CONTENT, 0 },
    { ngx_string("transcript.text.done"), CONTENT|DONE|USAGE, 0 },
    { ngx_string("transcript.*"), CONTENT, 0 },
    { ngx_string("speech.audio.done"), DONE|USAGE, 0 },
    { ngx_string("keepalive"), NOTHING, 0 },

    { ngx_string("content-delta"), CONTENT, 1 },
    { ngx_string("message-start"), NOTHING, 0 },
    { ngx_string("content-start"), NOTHING, 0 },
    { ngx_string("content-end"), NOTHING, 0 },
    { ngx_string("message-end"), LOOK, 0 },
    { ngx_string("tool-*"), CONTENT, 1 },
    { ngx_string("citation-*"), CONTENT, 0 },

    { ngx_null_string, 0, 0 }
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
 * The decoded length of the string after p, its quote, is added to len; the
 * end of it.
 */

static const u_char *
ngx_http_ai_event_string(const u_char *p, const u_char *last, size_t *len)
{
    size_t         n;
    const u_char  *run;

    for ( ;; ) {

        run = p;
        p = ngx_http_ai_json_text(p, last);
        *len += p - run;

        if (p == last || *p == '"') {
            return p;
        }

        n = 1;

        if (*p == '\\' && last - p > 5 && p[1] == 'u') {

            /* ASCII, half of a pair that makes four bytes, or most others */

            *len += (p[2] == '0' && p[3] == '0') ? 1
                    : ((p[2] | 0x20) == 'd' && p[3] >= '8') ? 2 : 3;
            n = 6;

        } else if (*p == '\\' && last - p > 1) {
            *len += 1;
            n = 2;
        }

        p += n;
    }
}


#define ngx_http_ai_event_named_so(p, first, name)                            \
    ((size_t) (p - first) >= sizeof(name) - 1                                 \
     && ngx_memcmp(p - (sizeof(name) - 1), name, sizeof(name) - 1) == 0)


/*
 * Does the member name that ends just before p hold what a model wrote?  Told
 * by its end, as below.
 */

static ngx_uint_t
ngx_http_ai_event_written(const u_char *p, const u_char *first)
{
    switch (p[-2]) {

    case 't':
        return ngx_http_ai_event_named_so(p, first, "\"content\"")
               || ngx_http_ai_event_named_so(p, first, "\"text\"")
               || ngx_http_ai_event_named_so(p, first,
                                             "\"reasoning_content\"");

    case 'a':
        return ngx_http_ai_event_named_so(p, first, "\"delta\"");

    case 'g':
        return ngx_http_ai_event_named_so(p, first, "\"reasoning\"")
               || ngx_http_ai_event_named_so(p, first, "\"thinking\"");

    case 's':
        return ngx_http_ai_event_named_so(p, first, "\"arguments\"");

    case 'n':
        return ngx_http_ai_event_named_so(p, first, "\"partial_json\"");

    case 'l':
        return ngx_http_ai_event_named_so(p, first, "\"refusal\"");

    case 'e':
        return ngx_http_ai_event_named_so(p, first, "\"response\"");

    default:
        return 0;
    }
}


/*
 * p is the colon after a member's name.  If its value is text, the longest so
 * far is put to "text" (some chunks tell it twice, under two names), and where
 * it ends is returned; else p.
 */

static const u_char *
ngx_http_ai_event_measure(const u_char *p, const u_char *first,
    const u_char *last, ngx_int_t *text)
{
    size_t         len;
    const u_char  *v;

    v = p + 1;
    v += (v < last && *v == ' ');

    if (v == last || *v != '"' || !ngx_http_ai_event_written(p, first)) {
        return p;
    }

    len = 0;
    p = ngx_http_ai_event_string(v + 1, last, &len);

    *text = ngx_max(*text, (ngx_int_t) len);

    return p;
}


ngx_int_t
ngx_http_ai_classify_text(const ngx_http_ai_sse_event_t *ev)
{
    ngx_int_t                        text;
    const u_char                    *p, *first, *last;
    const ngx_http_ai_event_name_t  *name;

    if (ev->kind != NGX_HTTP_AI_SSE_DATA) {
        return -1;
    }

    name = ngx_http_ai_event_named(ev);

    if (name && !name->text) {
        return -1;
    }

    if (ev->truncated) {
        /* an envelope is small: nearly all of it is text */
        return ev->size;
    }

    text = 0;
    first = ev->data.data;
    last = ev->multi ? ev->raw.data + ev->raw.len : first + ev->data.len;

    for (p = first; (p = memchr(p, ':', last - p)) != NULL; p++) {

        if (p > first + 1 && p[-1] == '"') {
            p = ngx_http_ai_event_measure(p, first, last, &text);

            if (p == last) {
                break;
            }
        }
    }

    return text;
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

    /* what is no string here only the parser can tell */

    if (type) {
        return v == last || *v != '"' || ngx_http_ai_event_telling(v, last);
    }

    return last - v < 5 || (ngx_memcmp(v, "null", 4) != 0
                            && ngx_memcmp(v, "false", 5) != 0);
}


/*
 * Colons are rarer than quotes, and every member has one; one that stands
 * after anything but a quote is text.  A name with blanks before its colon is
 * left to the parser, whose blanks are more than JSON's: yajl takes a form feed
 * for one, too.
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
        return name->kind != CONTENT ? 0 : 1 + name->text;
    }

    first = ev->data.data;
    last = first + ev->data.len;

    for (p = first; (p = memchr(p, ':', last - p)) != NULL; p++) {

        if (p[-1] == '"') {
            if (p - first >= 7 && ngx_http_ai_event_notable(p, last)) {
                return 0;
            }

        } else if (p[-1] <= ' ') {
            return 0;
        }
    }

    return 2;
}
