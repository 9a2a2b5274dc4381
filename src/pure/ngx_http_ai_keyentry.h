
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What is said of one client key, in keys.json or in "ai_key": its fields,
 * and the check of each, the same for both.
 */


#ifndef _NGX_HTTP_AI_KEYENTRY_H_INCLUDED_
#define _NGX_HTTP_AI_KEYENTRY_H_INCLUDED_


#include "ngx_http_ai_base.h"
#include "ngx_http_ai_budget.h"
#include "ngx_http_ai_rate.h"


#define NGX_HTTP_AI_KEY_HASH            32       /* bytes of a SHA-256 */
#define NGX_HTTP_AI_KEY_MAX_NAME        128      /* bytes */
#define NGX_HTTP_AI_KEY_MAX_PATTERN     256      /* bytes of a model's name */
#define NGX_HTTP_AI_KEY_MAX_CLASSES     32
#define NGX_HTTP_AI_KEY_MAX_MODELS      64
#define NGX_HTTP_AI_KEY_MAX_BUDGETS     4        /* one of each period */
#define NGX_HTTP_AI_KEY_MAX_CONCURRENT  1000000


/* how a field is written */

typedef enum {
    NGX_HTTP_AI_KEY_TEXT = 0,
    NGX_HTTP_AI_KEY_LIST,                  /* of texts */
    NGX_HTTP_AI_KEY_NUMBER,
    NGX_HTTP_AI_KEY_BUDGET,                /* a list of budgets */
    NGX_HTTP_AI_KEY_FLAG
} ngx_http_ai_key_type_e;


typedef struct {
    ngx_str_t                  id;         /* the texts are the caller's */
    ngx_str_t                  app;
    ngx_str_t                  team;
    ngx_str_t                  env;
    u_char                     hash[NGX_HTTP_AI_KEY_HASH];

    ngx_str_t                  classes[NGX_HTTP_AI_KEY_MAX_CLASSES];
    ngx_uint_t                 nclasses;   /* 0: all */
    ngx_str_t                  default_class;
    ngx_str_t                  models[NGX_HTTP_AI_KEY_MAX_MODELS];
                                           /* names and "prefix*" */
    ngx_uint_t                 nmodels;    /* 0: all */

    ngx_http_ai_rate_t         requests;   /* limit 0: none */
    ngx_http_ai_rate_t         tokens;
    ngx_uint_t                 concurrent; /* 0: no limit */
    ngx_http_ai_budget_t       budgets[NGX_HTTP_AI_KEY_MAX_BUDGETS];
    ngx_uint_t                 nbudgets;

    int64_t                    expires;    /* UTC seconds; 0: never */

    unsigned                   hashed:1;   /* hash is set */
    unsigned                   disabled:1;
    unsigned                   knobs:1;    /* may use a request's routing
                                              knobs */
    unsigned                   cut_off:1;  /* streams end at once when the
                                              money does */
} ngx_http_ai_keyentry_t;


typedef struct ngx_http_ai_key_field_s  ngx_http_ai_key_field_t;

struct ngx_http_ai_key_field_s {
    ngx_str_t                  name;
    ngx_http_ai_key_type_e     type;
    const char                *usage;      /* "write ..." */
    const char              *(*set)(ngx_http_ai_keyentry_t *entry,
                                   const u_char *p, size_t n);
    ngx_uint_t                 index;      /* below 32 */
};


/* NULL: there is no such field */
const ngx_http_ai_key_field_t *ngx_http_ai_keyentry_field(const u_char *name,
    size_t len);

/* the nth field's name, for messages; NULL behind the last */
const ngx_str_t *ngx_http_ai_keyentry_field_name(ngx_uint_t n);

/*
 * Sets a TEXT or a NUMBER, or adds to a LIST; p must stay where it is.  NULL,
 * or what is wrong with it: a predicate of the field, such as "is empty",
 * that repeats nothing of the value.
 */
const char *ngx_http_ai_keyentry_set(ngx_http_ai_keyentry_t *entry,
    const ngx_http_ai_key_field_t *field, const u_char *p, size_t n);

/* the length of a LIST */
ngx_uint_t ngx_http_ai_keyentry_count(const ngx_http_ai_keyentry_t *entry,
    const ngx_http_ai_key_field_t *field);

void ngx_http_ai_keyentry_flag(ngx_http_ai_keyentry_t *entry,
    const ngx_http_ai_key_field_t *field, ngx_uint_t value);

const char *ngx_http_ai_keyentry_budget(ngx_http_ai_keyentry_t *entry,
    const ngx_http_ai_budget_t *budget);

/* all fields are set: NULL, or what is wrong with the key as a whole */
const char *ngx_http_ai_keyentry_complete(const ngx_http_ai_keyentry_t *entry);

/*
 * "2027-01-01T00:00:00Z", or with an offset, by RFC 3339: UTC seconds, at
 * least 1.  NGX_ERROR if it is no such date.
 */
ngx_int_t ngx_http_ai_keyentry_date(const u_char *p, size_t n,
    int64_t *seconds);

/* names a key's counters in the shared zone, never 0 */
uint64_t ngx_http_ai_keyentry_state(const ngx_str_t *id);

/* 1: the model is one of the names, or begins as a "prefix*" among them */
ngx_uint_t ngx_http_ai_keyentry_model(const ngx_str_t *models,
    ngx_uint_t nmodels, const ngx_str_t *model);


#endif /* _NGX_HTTP_AI_KEYENTRY_H_INCLUDED_ */
