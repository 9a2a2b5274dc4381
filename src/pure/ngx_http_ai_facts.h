
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Inside the classifier: what an error says, whatever its dialect, and the
 * rules that turn it into a verdict.  For the files of "classify" only.
 */


#ifndef _NGX_HTTP_AI_FACTS_H_INCLUDED_
#define _NGX_HTTP_AI_FACTS_H_INCLUDED_


#include "ngx_http_ai_classify.h"


#define NGX_HTTP_AI_FACTS_WORDS  16     /* codes or types of one error */
#define NGX_HTTP_AI_FACTS_WORD   80     /* bytes kept of each */
#define NGX_HTTP_AI_FACTS_PATHS  24     /* short values looked for */
#define NGX_HTTP_AI_FACTS_TEXTS  10     /* long ones */


typedef struct {
    ngx_uint_t    status;         /* HTTP, or the error's own in a 2xx; 0 if
                                     neither tells */
    ngx_uint_t    dialect;        /* row of wire.md A2, 0: unusable */
    ngx_uint_t    error;          /* there is an error */
    ngx_uint_t    broken;         /* not one JSON value */
    ngx_uint_t    html;

    ngx_uint_t    ncodes;
    ngx_uint_t    ntypes;
    ngx_str_t     codes[NGX_HTTP_AI_FACTS_WORDS];
    ngx_str_t     types[NGX_HTTP_AI_FACTS_WORDS];
    ngx_str_t     message;
    ngx_str_t     inner;          /* words of the provider's provider */
    ngx_str_t     plain;          /* a body that is no JSON, for the log */
    int64_t       wait_ms;        /* the body's hint, or -1 */

    /* where the strings above are */

    u_char        words[NGX_HTTP_AI_FACTS_PATHS][NGX_HTTP_AI_FACTS_WORD];
    u_char        texts[NGX_HTTP_AI_FACTS_TEXTS][NGX_HTTP_AI_CLASSIFY_TEXT];
} ngx_http_ai_facts_t;


#define NGX_HTTP_AI_EVENT_LOOK  0x100   /* the name does not tell all: the
                                           members must be looked at */

typedef struct {
    ngx_str_t     name;           /* "*" at the end or the start: any */
    ngx_uint_t    kind;           /* NGX_HTTP_AI_EVENT_* */
    ngx_uint_t    text;           /* unsigned  text:1; new text, and not one
                                     that its pieces told before */
} ngx_http_ai_event_name_t;


/*
 * Reads a body or an event's data; facts need no initialisation and may point
 * into the bytes read.
 */
void ngx_http_ai_facts_read(ngx_http_ai_facts_t *facts, const u_char *p,
    size_t n);

/* adds a word that the rules may ask for; the string must stay */
void ngx_http_ai_facts_code(ngx_http_ai_facts_t *facts, const u_char *p,
    size_t n);
void ngx_http_ai_facts_type(ngx_http_ai_facts_t *facts, const u_char *p,
    size_t n);

/* the rules, then the patterns, then the status alone */
ngx_http_ai_verdict_e ngx_http_ai_facts_judge(
    const ngx_http_ai_provider_t *provider, const ngx_http_ai_facts_t *facts);

/* the row of an event's name, or of the "type" its data begins with; NULL */
const ngx_http_ai_event_name_t *ngx_http_ai_event_named(
    const ngx_http_ai_sse_event_t *ev);
const ngx_http_ai_event_name_t *ngx_http_ai_event_find(const u_char *p,
    size_t n);

/* fills everything of the judgement but no_same, from facts that are read */
void ngx_http_ai_facts_conclude(const ngx_http_ai_provider_t *provider,
    ngx_http_ai_facts_t *facts, ngx_http_ai_judgement_t *out);


/* a bare number of milliseconds, or -1 */
int64_t ngx_http_ai_classify_wait_ms(const u_char *p, size_t n);

/* "try again in 2s" in a message: milliseconds, or -1 */
int64_t ngx_http_ai_classify_wait_text(const u_char *p, size_t n);

/* the first place of a word, or NULL; any case */
const u_char *ngx_http_ai_classify_find(const u_char *p, const u_char *last,
    const char *word);

/* pattern as described at ngx_http_ai_rule_t: whole, or somewhere in p */
ngx_uint_t ngx_http_ai_classify_is(const char *pattern, const ngx_str_t *s);
ngx_uint_t ngx_http_ai_classify_has(const char *pattern, const ngx_str_t *s);


#endif /* _NGX_HTTP_AI_FACTS_H_INCLUDED_ */
