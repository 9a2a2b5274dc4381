
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Reads an answer as its bytes pass, split anywhere, and knows at any time
 * what it has used: the provider's figures, or an estimate.  An event stream
 * is judged by the way (what was content, how it ended).
 *
 * The estimate of the output is the text that came since the provider's last
 * figures, in bytes / 4, but at least one token for each event that brought
 * some.  The text of an event is measured in the first 16 of an answer and in
 * each 16th after that; what the others brought follows from their size.  Of a
 * JSON answer it is all strings in the members that hold what a model wrote.
 */


#ifndef _NGX_HTTP_AI_USAGE_SCAN_H_INCLUDED_
#define _NGX_HTTP_AI_USAGE_SCAN_H_INCLUDED_


#include "ngx_http_ai_classify.h"
#include "ngx_http_ai_usage_doc.h"


#define NGX_HTTP_AI_USAGE_BYTES_PER_TOKEN  4


typedef enum {
    NGX_HTTP_AI_USAGE_SCAN_OFF = 0,
    NGX_HTTP_AI_USAGE_SCAN_SSE,
    NGX_HTTP_AI_USAGE_SCAN_JSON,
    NGX_HTTP_AI_USAGE_SCAN_LINES       /* one JSON object after another */
} ngx_http_ai_usage_scan_mode_e;


/* the name of the model that answered */

typedef struct {
    size_t                         len;        /* 0: not known */
    u_char                         data[NGX_HTTP_AI_USAGE_DOC_MODEL];
} ngx_http_ai_usage_model_t;


typedef struct {
    ngx_http_ai_usage_scan_mode_e  mode;
    const ngx_http_ai_provider_t  *provider;

    ngx_http_ai_sse_t              sse;
    ngx_http_ai_usage_doc_t       *doc;        /* the caller's; may be NULL in
                                                  the mode SSE */
    ngx_http_ai_tokens_raw_t       raw;
    ngx_http_ai_usage_model_t     *model;      /* the caller's, to be filled;
                                                  NULL: nobody asks */

    ngx_uint_t                     kind;       /* of the last event */
    ngx_http_ai_verdict_e          verdict;    /* of an error event */

    uint64_t                       pieces;     /* events with text ... */
    uint64_t                       bytes;      /* ... and their sizes, since
                                                  the last figures */
    uint64_t                       seen;       /* all events with text */
    uint64_t                       told_text;  /* of those measured */
    uint64_t                       told_bytes;

    ngx_uint_t                     line;       /* where in a line of a long
                                                  event */
    unsigned                       longer:1;   /* the event in progress does
                                                  not fit the carry: doc reads
                                                  it */
    unsigned                       content:1;  /* an event with content */
    unsigned                       finish:1;   /* the answer is complete */
    unsigned                       done:1;     /* the terminator was seen */
    unsigned                       error:1;    /* an error event passed */
    unsigned                       told:1;     /* the provider told figures */
    unsigned                       ended:1;
    unsigned                       broken:1;   /* JSON that is none */
} ngx_http_ai_usage_scan_t;


/*
 * Begins an answer; "model" may be set after it.  SSE: carry as for
 * ngx_http_ai_sse_init(), doc may be NULL until it is needed (below).  Others:
 * doc is needed, carry is not.
 */
void ngx_http_ai_usage_scan_init(ngx_http_ai_usage_scan_t *scan,
    ngx_http_ai_usage_scan_mode_e mode,
    const ngx_http_ai_provider_t *provider, u_char *carry, size_t size,
    ngx_http_ai_usage_doc_t *doc);

/*
 * SSE, before n bytes are given to _next(): 1 if an event may come to an end
 * that does not fit the carry.  Without doc its usage is not read then.
 */
#define ngx_http_ai_usage_scan_needs_doc(scan, n)                             \
    ((scan)->doc == NULL                                                      \
     && (scan)->sse.pending + (n) > (scan)->sse.carry_size)

/* SSE: as ngx_http_ai_sse_next(); each event must go to _event() at once */
ngx_int_t ngx_http_ai_usage_scan_next(ngx_http_ai_usage_scan_t *scan,
    u_char **pos, u_char *last, ngx_http_ai_sse_event_t *ev);

/*
 * Notes what an event says; scan->kind is its NGX_HTTP_AI_EVENT_*.  out, if
 * not NULL, is set for an error.  NGX_OK; NGX_DECLINED: it is the chunk that
 * "include_usage" adds.
 */
ngx_int_t ngx_http_ai_usage_scan_event(ngx_http_ai_usage_scan_t *scan,
    const ngx_http_ai_sse_event_t *ev, ngx_http_ai_judgement_t *out);

/* JSON, LINES: the next bytes */
void ngx_http_ai_usage_scan_feed(ngx_http_ai_usage_scan_t *scan,
    const u_char *p, size_t n);

/*
 * The answer ended; once, further calls only tell the same.  NGX_OK: it was
 * complete; NGX_DECLINED: it broke off.  SSE: a last event without its empty
 * line is read too.
 */
ngx_int_t ngx_http_ai_usage_scan_end(ngx_http_ai_usage_scan_t *scan);

/*
 * What the answer has used so far.  NGX_OK: the provider's own figures;
 * NGX_DECLINED: "estimated" is set, the input being "prompt" unless the
 * provider has told it.
 */
ngx_int_t ngx_http_ai_usage_scan_tokens(const ngx_http_ai_usage_scan_t *scan,
    int64_t prompt, ngx_http_ai_tokens_t *tokens);

/* JSON: the objects in its list "data" so far; else -1 */
int64_t ngx_http_ai_usage_scan_items(const ngx_http_ai_usage_scan_t *scan);

/* the output so far in tokens, told and estimated: cheap, for each event */
int64_t ngx_http_ai_usage_scan_output(const ngx_http_ai_usage_scan_t *scan);


#endif /* _NGX_HTTP_AI_USAGE_SCAN_H_INCLUDED_ */
