
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Finds the usage in one JSON document, an answer or the data of an event,
 * that comes in pieces: in constant memory, whatever its size (wire.md B).
 */


#ifndef _NGX_HTTP_AI_USAGE_DOC_H_INCLUDED_
#define _NGX_HTTP_AI_USAGE_DOC_H_INCLUDED_


#include "ngx_http_ai_json.h"
#include "ngx_http_ai_tokens.h"


/*
 * Of a longer usage object its first bytes count: what follows there are
 * Anthropic's "iterations", which its own figures include.
 */

#define NGX_HTTP_AI_USAGE_DOC_OBJECT  4096
#define NGX_HTTP_AI_USAGE_DOC_INNER   2048     /* the same, one level deeper */

#define NGX_HTTP_AI_USAGE_DOC_NUMBER  24
#define NGX_HTTP_AI_USAGE_DOC_WORD    16
#define NGX_HTTP_AI_USAGE_DOC_MODEL   256      /* as it stands there, quotes
                                                  included */


/* top-level members */

enum {
    NGX_HTTP_AI_USAGE_DOC_M_USAGE = 0,
    NGX_HTTP_AI_USAGE_DOC_M_METADATA,      /* Gemini */
    NGX_HTTP_AI_USAGE_DOC_M_META,          /* Cohere */
    NGX_HTTP_AI_USAGE_DOC_M_TIER,
    NGX_HTTP_AI_USAGE_DOC_M_MODEL,
    NGX_HTTP_AI_USAGE_DOC_M_VERSION,       /* Gemini's name of it */

    NGX_HTTP_AI_USAGE_DOC_M_PROMPT_EVAL,   /* Ollama */
    NGX_HTTP_AI_USAGE_DOC_M_EVAL,
    NGX_HTTP_AI_USAGE_DOC_M_DURATION,      /* of a transcription */
    NGX_HTTP_AI_USAGE_DOC_M_DATA,          /* images */

    /* usage may be inside of these */

    NGX_HTTP_AI_USAGE_DOC_M_RESPONSE,      /* Responses' events */
    NGX_HTTP_AI_USAGE_DOC_M_MESSAGE,       /* Anthropic's message_start */
    NGX_HTTP_AI_USAGE_DOC_M_DELTA,         /* Cohere's message-end */
    NGX_HTTP_AI_USAGE_DOC_M_X_GROQ,

    /* what a model wrote is in RESPONSE, MESSAGE and these */

    NGX_HTTP_AI_USAGE_DOC_M_CHOICES,
    NGX_HTTP_AI_USAGE_DOC_M_CONTENT,
    NGX_HTTP_AI_USAGE_DOC_M_OUTPUT,
    NGX_HTTP_AI_USAGE_DOC_M_CANDIDATES,
    NGX_HTTP_AI_USAGE_DOC_M_TEXT,
    NGX_HTTP_AI_USAGE_DOC_MEMBERS
};

#define NGX_HTTP_AI_USAGE_DOC_INNERS                                          \
    (NGX_HTTP_AI_USAGE_DOC_M_X_GROQ - NGX_HTTP_AI_USAGE_DOC_M_RESPONSE + 1)


typedef struct {
    ngx_http_ai_json_t         json;
    ngx_http_ai_json_member_t  members[NGX_HTTP_AI_USAGE_DOC_MEMBERS];

    ngx_http_ai_json_t         inner[NGX_HTTP_AI_USAGE_DOC_INNERS];
    ngx_http_ai_json_member_t  inner_members[NGX_HTTP_AI_USAGE_DOC_INNERS][3];

    u_char                     numbers[3][NGX_HTTP_AI_USAGE_DOC_NUMBER];
    u_char                     tier[NGX_HTTP_AI_USAGE_DOC_WORD];
    u_char                     inner_tier[NGX_HTTP_AI_USAGE_DOC_WORD];
    u_char                     model[NGX_HTTP_AI_USAGE_DOC_MODEL];
    u_char                     inner_model[NGX_HTTP_AI_USAGE_DOC_MODEL];
    u_char                     usage[NGX_HTTP_AI_USAGE_DOC_OBJECT];
    u_char                     inner_usage[NGX_HTTP_AI_USAGE_DOC_INNER];
} ngx_http_ai_usage_doc_t;


void ngx_http_ai_usage_doc_init(ngx_http_ai_usage_doc_t *doc);

/* NGX_OK, or NGX_ERROR if it is no JSON object; see doc->json */
ngx_int_t ngx_http_ai_usage_doc_feed(ngx_http_ai_usage_doc_t *doc,
    const u_char *p, size_t n);

/*
 * What is known so far, also of a document that broke off, is added to raw:
 * NGX_OK, or NGX_DECLINED if there is no usage.
 */
ngx_int_t ngx_http_ai_usage_doc_read(const ngx_http_ai_usage_doc_t *doc,
    ngx_http_ai_tokens_raw_t *raw);

/*
 * The model that answered, decoded, into dst of USAGE_DOC_MODEL bytes: its
 * length, or 0 if the document does not name it.
 */
size_t ngx_http_ai_usage_doc_model(const ngx_http_ai_usage_doc_t *doc,
    u_char *dst);

/*
 * For a document at hand whole, at p: 1 if it is the chunk that OpenAI's
 * "include_usage" adds, with usage and empty "choices".  Azure's first chunk
 * has empty choices too, but no usage.
 */
ngx_uint_t ngx_http_ai_usage_doc_lone(const ngx_http_ai_usage_doc_t *doc,
    const u_char *p);

/* the objects in the list "data", so far: images, where these were asked for */
#define ngx_http_ai_usage_doc_items(doc)                                      \
    ((int64_t) (doc)->members[NGX_HTTP_AI_USAGE_DOC_M_DATA].items)

/* the bytes of what a model wrote, so far; an image is text here */
off_t ngx_http_ai_usage_doc_text(const ngx_http_ai_usage_doc_t *doc);


#endif /* _NGX_HTTP_AI_USAGE_DOC_H_INCLUDED_ */
