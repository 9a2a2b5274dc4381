
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * A ring of bytes with entries of any length, in memory that several processes
 * share: a new one takes the place of the oldest.  The caller holds the lock.
 *
 * A process that is killed in the middle of an append leaves what was whole;
 * what has gone bad is given up, nothing beyond the ring is ever touched.
 */


#ifndef _NGX_HTTP_AI_RING_H_INCLUDED_
#define _NGX_HTTP_AI_RING_H_INCLUDED_


#include "ngx_http_ai_base.h"


/*
 * Positions count the bytes ever written, so an entry keeps its own for good;
 * it stands at its position modulo size.
 */

typedef struct {
    uint64_t         tail;          /* of the oldest entry */
    uint64_t         head;          /* of the next one */
    uint64_t         size;          /* of data; a multiple of 8 */
    u_char           data[];
} ngx_http_ai_ring_t;


/* the newest of all */
#define NGX_HTTP_AI_RING_NEWEST  UINT64_MAX

/* what an entry of len bytes takes in the ring */
#define ngx_http_ai_ring_bytes(len)                                           \
    (2 * sizeof(uint64_t) + (((len) + 7) & ~(size_t) 7))


/* an empty one in so many bytes, its own head included */
void ngx_http_ai_ring_init(ngx_http_ai_ring_t *ring, size_t bytes);

/* NGX_DECLINED: it is larger than the ring */
ngx_int_t ngx_http_ai_ring_append(ngx_http_ai_ring_t *ring, const u_char *p,
    size_t len);

/*
 * Copies the entries before *pos, as many as fit in whole, and moves *pos
 * before them; 0: there are none, or they are overwritten by now.  An entry
 * larger than buf ends it, too.
 */
size_t ngx_http_ai_ring_back(const ngx_http_ai_ring_t *ring, uint64_t *pos,
    u_char *buf, size_t size);

/*
 * Takes the last entry off such a copy of *n bytes.  NGX_DONE: there is none
 * left; NGX_ERROR: nor a whole one.
 */
ngx_int_t ngx_http_ai_ring_last(u_char *buf, size_t *n, ngx_str_t *entry);

/*
 * How many entries there are; copies the oldest one's first bytes, zeroes if
 * it has fewer or there is none.
 */
ngx_uint_t ngx_http_ai_ring_held(const ngx_http_ai_ring_t *ring,
    u_char *oldest, size_t size);

/* the newest entries of another one into an empty one, as many as fit */
void ngx_http_ai_ring_move(ngx_http_ai_ring_t *ring,
    const ngx_http_ai_ring_t *from);


#endif /* _NGX_HTTP_AI_RING_H_INCLUDED_ */
