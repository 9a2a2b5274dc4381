
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Reads keys.json in pieces of any size and hands out its keys one by one;
 * the parser below is yajl's.
 */


#ifndef _NGX_HTTP_AI_KEYFILE_H_INCLUDED_
#define _NGX_HTTP_AI_KEYFILE_H_INCLUDED_


#include "ngx_http_ai_base.h"
#include "ngx_http_ai_keyentry.h"


#define NGX_HTTP_AI_KEYFILE_WRONG  512       /* bytes of a message */
#define NGX_HTTP_AI_KEYFILE_TEXT   16384     /* of all texts of one key */
#define NGX_HTTP_AI_KEYFILE_QUIET  262144    /* of one value and the blanks
                                                around it: yajl reads a value
                                                anew with each piece */


typedef struct ngx_http_ai_keyfile_s  ngx_http_ai_keyfile_t;


/*
 * A key is complete; the entry and its texts are gone afterwards.  NGX_OK, or
 * NGX_ERROR to refuse the file: the handler has then written the reason into
 * kf->wrong and its length into kf->wrong_len.
 */
typedef ngx_int_t (*ngx_http_ai_keyfile_pt)(void *data,
    ngx_http_ai_keyfile_t *kf, const ngx_http_ai_keyentry_t *entry);


struct ngx_http_ai_keyfile_s {
    ngx_uint_t                      line;       /* of "wrong"; inside of the
                                                   handler: where the key
                                                   begins */
    size_t                          wrong_len;  /* 0: nothing is */
    u_char                          wrong[NGX_HTTP_AI_KEYFILE_WRONG];

    /* private */

    ngx_http_ai_keyfile_pt          handler;
    void                           *data;
    void                           *yajl;

    const u_char                   *chunk;      /* input of the running call */
    size_t                          counted;    /* its lines are in "lines" */
    ngx_uint_t                      lines;
    ngx_uint_t                      begin;      /* line of the key's "{" */
    size_t                          quiet;      /* bytes since the last value */
    unsigned                        heard:1;

    ngx_uint_t                      level;
    unsigned                        seen_keys:1;
    unsigned                        seen_usd:1;
    unsigned                        seen_per:1;
    unsigned                        named_usd:1;    /* else "per" */
    uint32_t                        seen;       /* a bit per field */
    const ngx_http_ai_key_field_t  *field;

    ngx_http_ai_budget_t            budget;
    ngx_http_ai_keyentry_t          entry;
    size_t                          used;       /* of text */
    u_char                          text[NGX_HTTP_AI_KEYFILE_TEXT];
};


/* NGX_ERROR without memory; else ngx_http_ai_keyfile_free() is due */
ngx_int_t ngx_http_ai_keyfile_init(ngx_http_ai_keyfile_t *kf,
    ngx_http_ai_keyfile_pt handler, void *data);

/*
 * NGX_OK, or NGX_ERROR: "wrong" says why, at "line"; it repeats names of
 * members and of keys, never another value.  Nothing is fed after an error.
 */
ngx_int_t ngx_http_ai_keyfile_feed(ngx_http_ai_keyfile_t *kf,
    const u_char *p, size_t n);

/* the file has ended: results as above */
ngx_int_t ngx_http_ai_keyfile_end(ngx_http_ai_keyfile_t *kf);

/* may be called twice */
void ngx_http_ai_keyfile_free(ngx_http_ai_keyfile_t *kf);


#endif /* _NGX_HTTP_AI_KEYFILE_H_INCLUDED_ */
