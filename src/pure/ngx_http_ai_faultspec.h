
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * A fault as an operator asks for it: the body of POST /ai/faults.
 */


#ifndef _NGX_HTTP_AI_FAULTSPEC_H_INCLUDED_
#define _NGX_HTTP_AI_FAULTSPEC_H_INCLUDED_


#include "ngx_http_ai_base.h"


#define NGX_HTTP_AI_FAULT_BODY     4096      /* bytes of the body */
#define NGX_HTTP_AI_FAULT_ACCOUNT  255       /* bytes of its name */
#define NGX_HTTP_AI_FAULT_NAME     128       /* ... of others */
#define NGX_HTTP_AI_FAULT_MODEL    256
#define NGX_HTTP_AI_FAULT_TTL      60000     /* ms, by default */
#define NGX_HTTP_AI_FAULT_DELAY    5000      /* ms, by default */


/* the order is that of the words in ngx_http_ai_faultspec.c */

typedef enum {
    NGX_HTTP_AI_FAULT_NONE = 0,
    NGX_HTTP_AI_FAULT_STATUS,
    NGX_HTTP_AI_FAULT_TIMEOUT,
    NGX_HTTP_AI_FAULT_RESET,
    NGX_HTTP_AI_FAULT_SLOW,
    NGX_HTTP_AI_FAULT_STALL,
    NGX_HTTP_AI_FAULT_CUT,
    NGX_HTTP_AI_FAULT_BAD_CREDENTIAL,
    NGX_HTTP_AI_FAULT_EXHAUSTED_QUOTA,
    NGX_HTTP_AI_FAULT_KINDS
} ngx_http_ai_fault_e;


/* no pointers: it is kept in shared memory as it is */

typedef struct {
    ngx_http_ai_fault_e      kind;
    ngx_uint_t               status;       /* of STATUS; else 0 */
    ngx_uint_t               percent;      /* 1..100 */
    int64_t                  delay_ms;     /* of SLOW; else 0 */
    int64_t                  ttl_ms;

    size_t                   account_len;
    size_t                   model_len;    /* 0: any */
    size_t                   key_id_len;   /* 0: any */
    size_t                   class_len;    /* 0: any */
    u_char                   account[NGX_HTTP_AI_FAULT_ACCOUNT];
    u_char                   model[NGX_HTTP_AI_FAULT_MODEL];
    u_char                   key_id[NGX_HTTP_AI_FAULT_NAME];
    u_char                   class[NGX_HTTP_AI_FAULT_NAME];
} ngx_http_ai_faultspec_t;


typedef struct {
    size_t                   len;          /* 0: the document as a whole */
    u_char                   field[64];    /* may hold the client's bytes */
    const char              *text;         /* goes on: "must be a string" */
} ngx_http_ai_faultspec_error_t;


/*
 * NGX_OK, or NGX_ERROR: *error says which member is wrong and why.  Strict:
 * members that are not known or come twice are wrong, null is no value.
 */
ngx_int_t ngx_http_ai_faultspec_parse(ngx_http_ai_faultspec_t *spec,
    const u_char *p, size_t n, ngx_http_ai_faultspec_error_t *error);

/* the word for a kind: "slow_first_token" */
const ngx_str_t *ngx_http_ai_faultspec_kind(ngx_http_ai_fault_e kind);

/* 1: the model asked for is the one, or begins as the "prefix*" says */
ngx_uint_t ngx_http_ai_faultspec_model(const ngx_http_ai_faultspec_t *spec,
    const ngx_str_t *model);

/* 1: nobody is asked, the answer is ours (ngx_http_ai_faultanswer.h) */
ngx_uint_t ngx_http_ai_faultspec_scripted(ngx_http_ai_fault_e kind);


#endif /* _NGX_HTTP_AI_FAULTSPEC_H_INCLUDED_ */
