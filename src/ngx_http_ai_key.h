
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Client keys: from the secret that a request presents to a principal, with
 * what it may use and what it is held to.
 *
 * The keys in force are a set, which is never changed, only replaced.  It has
 * memory of its own, which a request holds until its end: what points into a
 * key is good for as long.
 */


#ifndef _NGX_HTTP_AI_KEY_H_INCLUDED_
#define _NGX_HTTP_AI_KEY_H_INCLUDED_


#include "ngx_http_ai_conf.h"
#include "pure/ngx_http_ai_keyentry.h"
#include "pure/ngx_http_ai_keyfile.h"
#include "pure/ngx_http_ai_keytable.h"

#include <openssl/evp.h>


#define NGX_HTTP_AI_KEY_WRONG  (NGX_HTTP_AI_KEYFILE_WRONG + 64)


typedef struct {
    ngx_str_t                   id;
    ngx_str_t                   app;       /* these three may be empty */
    ngx_str_t                   team;
    ngx_str_t                   env;
    u_char                      hash[NGX_HTTP_AI_KEY_HASH];

    ngx_http_ai_class_t       **classes;
    ngx_uint_t                  nclasses;  /* 0: all */
    ngx_http_ai_class_t        *default_class;  /* NULL: that of others */
    ngx_str_t                  *models;    /* names and "prefix*" */
    ngx_uint_t                  nmodels;   /* 0: all */

    ngx_http_ai_rate_t          requests;  /* limit 0: none */
    ngx_http_ai_rate_t          tokens;
    ngx_uint_t                  concurrent;  /* 0: no limit */
    ngx_http_ai_budget_t       *budgets;
    ngx_uint_t                  nbudgets;

    time_t                      expires;   /* 0: never */
    uint64_t                    state;     /* names its counters in the zone;
                                              of one key only in a set */
    ngx_uint_t                  line;      /* of the file; 0: of an ai_key */

    unsigned                    disabled:1;
    unsigned                    knobs:1;   /* may use a request's routing
                                              knobs */
    unsigned                    cut_off:1; /* streams end when the money does,
                                              not after */
} ngx_http_ai_key_t;


typedef struct ngx_http_ai_key_pool_s  ngx_http_ai_key_pool_t;

typedef struct {
    ngx_queue_t                 queue;     /* of those to be freed */
    ngx_http_ai_keys_t         *keys;
    ngx_uint_t                  refs;      /* one for being in force */

    ngx_http_ai_keytable_t      hashes;    /* by their tags */
    ngx_http_ai_keytable_t      ids;       /* by "state" */
    ngx_http_ai_key_pool_t     *pools;     /* a new one every so many keys, so
                                              that freeing takes slices, too */
    ngx_http_ai_key_t          *last;      /* added */
    const ngx_http_ai_key_t    *budgeted;  /* the first that has a budget;
                                              NULL: none has */
} ngx_http_ai_key_set_t;


/* what became of the secret that a request presents */

typedef enum {
    NGX_HTTP_AI_KEY_UNREAD = 0,            /* nobody has looked, or there are
                                              no keys */
    NGX_HTTP_AI_KEY_MISSING,
    NGX_HTTP_AI_KEY_UNKNOWN,
    NGX_HTTP_AI_KEY_DISABLED,
    NGX_HTTP_AI_KEY_EXPIRED,
    NGX_HTTP_AI_KEY_VALID
} ngx_http_ai_key_presented_e;


/* an "ai_key" of the configuration */

typedef struct {
    ngx_http_ai_keyentry_t      entry;
    ngx_http_ai_place_t         place;
} ngx_http_ai_key_inline_t;


/* one per cycle; since workers are forked, each has its own */

struct ngx_http_ai_keys_s {
    ngx_http_ai_main_conf_t    *conf;
    ngx_http_ai_key_set_t      *set;       /* in force */
    ngx_array_t                 inlines;   /* of ngx_http_ai_key_inline_t */
    ngx_str_t                   file;      /* of ai_keys; empty: none */
    ngx_http_ai_place_t         file_place;
    ngx_log_t                  *log;       /* the cycle's */
    EVP_MD_CTX                 *md;        /* SHA-256, of what is presented */

    /* of the file being read */

    ngx_http_ai_key_set_t      *next;      /* NULL: none is */
    ngx_http_ai_keyfile_t      *parser;
    EVP_MD_CTX                 *sum;       /* of its bytes */
    u_char                      next_sum[NGX_HTTP_AI_KEY_HASH];
    u_char                      set_sum[NGX_HTTP_AI_KEY_HASH];  /* of that in
                                                                   force */
    u_char                      wrong[NGX_HTTP_AI_KEY_WRONG];

    ngx_queue_t                 freeing;   /* sets that nobody holds */
    ngx_event_t                 free_event;
    ngx_uint_t                  running;   /* unsigned  running:1; there are
                                              timers */
};


/* in a worker, before its first request */
void ngx_http_ai_key_start(ngx_http_ai_keys_t *keys);

/*
 * Who the request is from: ctx->presented, and ctx->key, which is also that
 * of a disabled or expired one.  Holds the set until the request's end.  Only
 * the first call looks.  NGX_ERROR without memory.
 */
ngx_int_t ngx_http_ai_key_identify(ngx_http_ai_ctx_t *ctx);

/*
 * The same for a key that nobody presents, by its id.  NGX_DECLINED: there is
 * none.
 */
ngx_int_t ngx_http_ai_key_suppose(ngx_http_ai_ctx_t *ctx,
    const ngx_str_t *id);

/* may it come in: NGX_OK, 401 with ctx->error set, or NGX_ERROR */
ngx_int_t ngx_http_ai_key_admit(ngx_http_ai_ctx_t *ctx);

/* the same once it is identified, without a line in the log */
ngx_int_t ngx_http_ai_key_judge(ngx_http_ai_ctx_t *ctx);

/* the key may be NULL: everything is allowed */

ngx_uint_t ngx_http_ai_key_may_class(const ngx_http_ai_key_t *key,
    const ngx_http_ai_class_t *class);
ngx_uint_t ngx_http_ai_key_may_model(const ngx_http_ai_key_t *key,
    const ngx_str_t *model);


/* the sets: ngx_http_ai_key_set.c */

/* made when the first directive is read, ends with the cycle */
ngx_http_ai_keys_t *ngx_http_ai_keys_create(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf);

/*
 * An empty set that nobody holds, with tables for n keys, so that they need
 * not grow, which takes the longest of all steps; NULL without memory.
 */
ngx_http_ai_key_set_t *ngx_http_ai_key_set_create(ngx_http_ai_keys_t *keys,
    size_t n);

/*
 * Adds a copy.  NGX_DECLINED: it cannot be one of this set, and "wrong", of
 * *len bytes and then of what was written there, says why; NGX_ERROR without
 * memory.
 */
ngx_int_t ngx_http_ai_key_set_add(ngx_http_ai_key_set_t *set,
    const ngx_http_ai_keyentry_t *entry, ngx_uint_t line, u_char *wrong,
    size_t *len);

/* the key of a secret's hash, in the same time for every one; or NULL */
const ngx_http_ai_key_t *ngx_http_ai_key_set_find(
    const ngx_http_ai_key_set_t *set, const u_char *hash);

/* the key of this id, or NULL */
const ngx_http_ai_key_t *ngx_http_ai_key_set_named(
    const ngx_http_ai_key_set_t *set, const ngx_str_t *id);

/* the set takes the place of the one in force */
void ngx_http_ai_key_set_use(ngx_http_ai_key_set_t *set);

/* freed when nobody else holds it, in a worker between events */
void ngx_http_ai_key_set_release(ngx_http_ai_key_set_t *set);

/* freed at once: it was never in force */
void ngx_http_ai_key_set_destroy(ngx_http_ai_key_set_t *set);


/* the file: ngx_http_ai_key_file.c */

/*
 * Puts the keys of the configuration in force, and those of the file, which
 * is watched from then on; says why where it fails.  Classes are resolved.
 */
ngx_int_t ngx_http_ai_key_load(ngx_conf_t *cf, ngx_http_ai_keys_t *keys);


#endif /* _NGX_HTTP_AI_KEY_H_INCLUDED_ */
