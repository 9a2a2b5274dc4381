
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * A hash table with open addressing for values that have a number of 64 well
 * mixed bits; the memory is the caller's.
 */


#ifndef _NGX_HTTP_AI_KEYTABLE_H_INCLUDED_
#define _NGX_HTTP_AI_KEYTABLE_H_INCLUDED_


#include "ngx_http_ai_base.h"


typedef struct {
    uint64_t                       tag;
    void                          *value;      /* NULL: free */
} ngx_http_ai_keytable_slot_t;


typedef struct {
    ngx_http_ai_keytable_slot_t   *slots;
    size_t                         size;       /* a power of two */
    size_t                         n;          /* never above half of it */
} ngx_http_ai_keytable_t;


/*
 * Of all 32 bytes: a hash that somebody has made up, with most digits alike,
 * must not be one that all others are behind.
 */
uint64_t ngx_http_ai_keytable_tag(const u_char *hash);

/* 1: the next value needs more slots, see ngx_http_ai_keytable_move() */
ngx_uint_t ngx_http_ai_keytable_full(const ngx_http_ai_keytable_t *t);

/* "size" zeroed slots take the place of the others, which are free then */
void ngx_http_ai_keytable_move(ngx_http_ai_keytable_t *t,
    ngx_http_ai_keytable_slot_t *slots, size_t size);

/* the table is not full; several values may have one tag */
void ngx_http_ai_keytable_add(ngx_http_ai_keytable_t *t, uint64_t tag,
    void *value);

/*
 * The first value of this tag at or after *pos, which begins with the tag and
 * is moved on; NULL: none is left.
 */
void *ngx_http_ai_keytable_find(const ngx_http_ai_keytable_t *t, uint64_t tag,
    uint64_t *pos);


#endif /* _NGX_HTTP_AI_KEYTABLE_H_INCLUDED_ */
