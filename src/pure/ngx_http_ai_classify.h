
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * From what a provider answered to a verdict: status, headers and the error
 * body, or one event of a stream (wire.md A2 to A6).
 */


#ifndef _NGX_HTTP_AI_CLASSIFY_H_INCLUDED_
#define _NGX_HTTP_AI_CLASSIFY_H_INCLUDED_


#include "ngx_http_ai_provider.h"
#include "ngx_http_ai_sse.h"


#define NGX_HTTP_AI_CLASSIFY_BODY  65536    /* more of a body is not read */
#define NGX_HTTP_AI_CLASSIFY_TEXT  512


/* the answer's headers that matter; absent ones are empty strings */

typedef struct {
    ngx_uint_t               status;
    ngx_str_t                retry_after;
    ngx_str_t                retry_after_ms;
    ngx_str_t                should_retry;     /* x-should-retry */
    ngx_str_t                error_type;       /* x-amzn-errortype */
    ngx_str_t                body;
} ngx_http_ai_answer_t;


typedef struct {
    ngx_http_ai_verdict_e    verdict;
    int64_t                  wait_ms;   /* the provider's hint; -1: none */
    unsigned                 no_same:1; /* x-should-retry: false */
    ngx_uint_t               dialect;   /* row of wire.md A2, 0: unusable */

    size_t                   code_len;  /* for the log: the provider's code
                                           or type, cleaned to printable */
    u_char                   code[64];
    size_t                   message_len;
    u_char                   message[NGX_HTTP_AI_CLASSIFY_TEXT];
} ngx_http_ai_judgement_t;


/*
 * now: seconds since the epoch (an HTTP date in Retry-After counts from it).
 *
 * For a 2xx the body is looked at for an error object only: the verdict is OK
 * if there is none.  A 2xx's headers give no hint to wait; the error object
 * may.  retry-after-ms and retry-after may come together and disagree: the
 * longer one counts.  A hint of zero tells nothing and is none.
 *
 * no_same: x-should-retry says false, or the fault is one of TLS at an edge.
 */
void ngx_http_ai_classify(const ngx_http_ai_provider_t *provider,
    const ngx_http_ai_answer_t *answer, time_t now,
    ngx_http_ai_judgement_t *out);


/*
 * What one event of a stream is: a bit mask, since one chunk may carry the
 * last text, finish_reason and usage.  ERROR never comes with another bit.
 * For the hold CONTENT is what counts, for the end FINISH and DONE.
 */

typedef enum {
    NGX_HTTP_AI_EVENT_NOTHING = 0,      /* comment, ping, role-only delta,
                                           response.created, message_start */
    NGX_HTTP_AI_EVENT_CONTENT = 0x01,   /* text, tool call, reasoning,
                                           refusal, audio: what a user would
                                           see */
    NGX_HTTP_AI_EVENT_FINISH = 0x02,    /* finish_reason, message_delta with
                                           a stop reason, usage-only chunk:
                                           the answer is complete */
    NGX_HTTP_AI_EVENT_DONE = 0x04,      /* the terminator: [DONE],
                                           message_stop, response.completed
                                           or .incomplete */
    NGX_HTTP_AI_EVENT_ERROR = 0x08,     /* "out" says which */
    NGX_HTTP_AI_EVENT_USAGE = 0x10      /* has a usage object that is not
                                           null: worth a look for tokens */
} ngx_http_ai_event_e;

/*
 * out may be NULL (the caller only wants the kind); it is written only for an
 * ERROR.  An event with broken JSON is CONTENT: it is passed on, never
 * judged.  An event that was cut (truncated) is judged by what its tail
 * shows: the usage of a Responses object ends its stream.
 */
ngx_uint_t ngx_http_ai_classify_event(const ngx_http_ai_provider_t *provider,
    const ngx_http_ai_sse_event_t *ev, ngx_http_ai_judgement_t *out);

/*
 * The same for the hot path, after the first content: not 0 if the event is
 * plainly one more piece of an answer, without finish, usage or error, so
 * that ngx_http_ai_classify_event() need not be asked; 2 if it may bring new
 * text, 1 if its name says that it does not.  Looks at the event's name, or at
 * member names only, and parses nothing; may say 0 where a parser would say
 * CONTENT, and 1 or 2 for a piece that is empty.
 */
ngx_uint_t ngx_http_ai_classify_plain(const ngx_http_ai_sse_event_t *ev);

/*
 * How many bytes of text, decoded, an event with CONTENT brings: answer,
 * reasoning, refusal or the arguments of a tool call, the longest string of
 * them.  -1 if it brings none that is new: its name says that it is an image,
 * or repeats what came in pieces.
 */
ngx_int_t ngx_http_ai_classify_text(const ngx_http_ai_sse_event_t *ev);

/*
 * A duration or date as providers spell waits: "20", "0.5", "1m30s", "6m0s",
 * "17.4s", "4ms", "34.4s", HTTP dates, RFC 3339.  Milliseconds from now
 * (never negative), or -1 if it is none of these or longer than 366 days.
 */
int64_t ngx_http_ai_classify_wait(const u_char *p, size_t n, time_t now);


#endif /* _NGX_HTTP_AI_CLASSIFY_H_INCLUDED_ */
