
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The API operations the gateway knows, by the end of the request path
 * (wire.md C).
 */


#ifndef _NGX_HTTP_AI_ENDPOINT_H_INCLUDED_
#define _NGX_HTTP_AI_ENDPOINT_H_INCLUDED_


#include "ngx_http_ai_base.h"


/* bits, so that a provider's row can say which ones exist there */

#define NGX_HTTP_AI_EP_CHAT         0x0001
#define NGX_HTTP_AI_EP_COMPLETIONS  0x0002
#define NGX_HTTP_AI_EP_RESPONSES    0x0004
#define NGX_HTTP_AI_EP_EMBEDDINGS   0x0008
#define NGX_HTTP_AI_EP_MODERATIONS  0x0010
#define NGX_HTTP_AI_EP_IMAGES       0x0020
#define NGX_HTTP_AI_EP_SPEECH       0x0040
#define NGX_HTTP_AI_EP_RERANK       0x0080
#define NGX_HTTP_AI_EP_MESSAGES     0x0100
#define NGX_HTTP_AI_EP_MODELS       0x0200     /* no provider's, but ours */
#define NGX_HTTP_AI_EP_TRANSCRIBE   0x0400     /* speech to text */
#define NGX_HTTP_AI_EP_VIDEOS       0x0800
#define NGX_HTTP_AI_EP_GEMINI       0x1000     /* Google's own dialect */
#define NGX_HTTP_AI_EP_BEDROCK      0x2000     /* Amazon's */
#define NGX_HTTP_AI_EP_DEPLOYMENTS  0x4000     /* Azure's paths */
#define NGX_HTTP_AI_EP_RESOURCES    0x8000     /* what an account keeps: files,
                                                  batches, responses ... */
#define NGX_HTTP_AI_EP_LAST         NGX_HTTP_AI_EP_RESOURCES


/* the client's dialect: how errors and the ends of streams are spelled */

typedef enum {
    NGX_HTTP_AI_DIALECT_OPENAI = 0,
    NGX_HTTP_AI_DIALECT_RESPONSES,
    NGX_HTTP_AI_DIALECT_ANTHROPIC
} ngx_http_ai_dialect_e;


/* where the model's name is */

typedef enum {
    NGX_HTTP_AI_MODEL_BODY = 0,        /* a member of the JSON body */
    NGX_HTTP_AI_MODEL_FORM,            /* a field of a form, or as above */
    NGX_HTTP_AI_MODEL_PATH,            /* a part of the path; a JSON body */
    NGX_HTTP_AI_MODEL_NONE             /* nowhere: the account counts */
} ngx_http_ai_endpoint_model_e;


#define NGX_HTTP_AI_METHOD_GET      0x01       /* and HEAD */
#define NGX_HTTP_AI_METHOD_POST     0x02
#define NGX_HTTP_AI_METHOD_DELETE   0x04


/*
 * path: what follows the location's prefix, without a leading slash.  "*" is
 * one segment, the first of them the id of what is asked for; "{}" the model,
 * which may have slashes; a final "**" the rest, one segment or more.
 */

typedef struct {
    ngx_str_t                      path;
    ngx_str_t                      name;       /* in records and metrics */
    ngx_uint_t                     bit;
    ngx_http_ai_dialect_e          dialect;
    ngx_uint_t                     methods;
    ngx_http_ai_endpoint_model_e   model;
    unsigned                       stream_options:1;  /* include_usage
                                                         exists */
    unsigned                       inference:1;    /* may be tried again
                                                      after it was sent */
    unsigned                       local:1;    /* the gateway answers */
    unsigned                       free:1;     /* uses no tokens: none are
                                                  estimated */
    unsigned                       keeps:1;    /* a POST makes something that
                                                  only this account has */
    unsigned                       stream:1;   /* always */
} ngx_http_ai_endpoint_t;


/* parts of a path, in it; empty where it has none */

typedef struct {
    ngx_str_t                      model;
    ngx_str_t                      id;
} ngx_http_ai_endpoint_parts_t;


/*
 * NULL if the path is not known; one leading slash of path is skipped.  parts
 * may be NULL.
 */
const ngx_http_ai_endpoint_t *ngx_http_ai_endpoint_find(const u_char *path,
    size_t len, ngx_http_ai_endpoint_parts_t *parts);

/*
 * The operation of a whole path, whatever comes before its end; NULL if the
 * end is not known.  Of "models" the list alone.
 */
const ngx_http_ai_endpoint_t *ngx_http_ai_endpoint_tail(const u_char *path,
    size_t len);

/*
 * The model that a path names, in the path: ".../deployments/NAME/..." (Azure),
 * ".../models/NAME:..." (Gemini, Vertex), ".../model/NAME/..." (Bedrock).
 * NGX_OK, or NGX_DECLINED.
 */
ngx_int_t ngx_http_ai_endpoint_model(const u_char *path, size_t len,
    ngx_str_t *model);

/* "GET", "GET, POST", ...: for people, and for "Allow"; a static string */
const char *ngx_http_ai_endpoint_methods(ngx_uint_t methods);

/* the name of what a bit stands for; empty if it stands for nothing */
const ngx_str_t *ngx_http_ai_endpoint_family(ngx_uint_t bit);

/* by its name in records; NULL if there is none */
const ngx_http_ai_endpoint_t *ngx_http_ai_endpoint_named(const u_char *name,
    size_t len);


#endif /* _NGX_HTTP_AI_ENDPOINT_H_INCLUDED_ */
