
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Incremental splitter for server-sent events (WHATWG HTML, "Server-sent
 * events"): finds where each event begins and ends in a byte stream that may
 * be split anywhere, in constant memory and linear time.
 *
 * Lines end in LF, CRLF or CR; an event ends with an empty line, which is
 * part of it.  Each further empty line is an event of its own, of kind
 * COMMENT, and so are comments (": ...") that stand alone: every byte of the
 * stream belongs to exactly one event, and bytes can be passed on or dropped
 * by events.  A byte order mark before the first line belongs to the first
 * event and is no part of that line.
 */


#ifndef _NGX_HTTP_AI_SSE_H_INCLUDED_
#define _NGX_HTTP_AI_SSE_H_INCLUDED_


#include "ngx_http_ai_base.h"


#define NGX_HTTP_AI_SSE_MAX_NAME  64       /* kept of a truncated event */


typedef enum {
    NGX_HTTP_AI_SSE_COMMENT = 0,   /* no field at all: comments, empty lines */
    NGX_HTTP_AI_SSE_DATA,          /* at least one "data" line */
    NGX_HTTP_AI_SSE_FIELD,         /* "event", "id", "retry" without data */
    NGX_HTTP_AI_SSE_JUNK           /* a line that is no SSE field, e.g. the
                                      raw JSON error of Gemini, wire.md A5 */
} ngx_http_ai_sse_kind_e;


/*
 * One complete event.  All pointers are valid until the next call, and those
 * into the input as long as the input is: nothing is copied if the event lies
 * in it whole.  "raw" covers all of its bytes, the final empty line included.
 * "data" is the value of the first data line; an event with several data
 * lines has multi = 1 and its data lines joined by LF only after
 * ngx_http_ai_sse_join().  "name" is the value of the last "event" line.
 *
 * Where the event did not fit the carry, truncated = 1 and raw/data/multi
 * describe only the bytes still at hand: its tail, at least half as long as
 * the carry.  If the tail begins inside a data line, "data" is the rest of
 * that line.  "name" and "kind" also know the event's first carry_size bytes,
 * of the name at most MAX_NAME bytes; a line that is no SSE field and was
 * dropped whole from the middle is not noticed.
 */

typedef struct {
    ngx_str_t                 raw;
    ngx_str_t                 data;
    ngx_str_t                 name;
    size_t                    size;       /* bytes of the whole event */
    size_t                    carried;    /* of them fed by earlier calls */
    ngx_http_ai_sse_kind_e    kind;
    unsigned                  multi:1;
    unsigned                  truncated:1;
    unsigned                  open:1;     /* the stream ended before the
                                             event did: only by _end() */
} ngx_http_ai_sse_event_t;


typedef struct {
    u_char                   *carry;      /* bytes of the unfinished event */
    size_t                    carry_size;
    size_t                    carry_len;
    size_t                    pending;    /* bytes of the unfinished event,
                                             those not kept included */

    /* private */

    ngx_uint_t                state;
    ngx_uint_t                cut;        /* where in a line the carry begins,
                                             if truncated */
    ngx_uint_t                seen;       /* kinds of lines, if truncated */
    size_t                    name_len;
    u_char                    name[NGX_HTTP_AI_SSE_MAX_NAME];

    unsigned                  bom:1;      /* the event begins with a BOM */
    unsigned                  truncated:1;
} ngx_http_ai_sse_t;


/*
 * carry: caller's memory, used until the last call.  size may be 0, but a
 * carry below 3 bytes does not know a byte order mark again.
 */
void ngx_http_ai_sse_init(ngx_http_ai_sse_t *sse, u_char *carry, size_t size);

/*
 * Takes bytes from *pos up to last.  NGX_OK: ev is a complete event and *pos
 * stands after it; call again.  NGX_AGAIN: all bytes were taken, the event in
 * progress is in the carry.  A CR at the very end of the input that may be
 * half of a CRLF keeps its event open until the next byte or the end.
 */
ngx_int_t ngx_http_ai_sse_next(ngx_http_ai_sse_t *sse, u_char **pos,
    u_char *last, ngx_http_ai_sse_event_t *ev);

/*
 * The stream ended: NGX_OK if an unfinished event was left (returned in ev
 * with open = 1, although a client would discard it; open = 0 if it only
 * waited for the LF of its last CRLF), NGX_DONE if not.
 */
ngx_int_t ngx_http_ai_sse_end(ngx_http_ai_sse_t *sse,
    ngx_http_ai_sse_event_t *ev);

/* joins the data lines into dst (size ev->raw.len is enough); the length */
size_t ngx_http_ai_sse_join(const ngx_http_ai_sse_event_t *ev, u_char *dst);


#endif /* _NGX_HTTP_AI_SSE_H_INCLUDED_ */
