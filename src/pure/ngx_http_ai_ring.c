
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_ring.h"


/* stands before and behind each entry */

typedef struct {
    uint32_t         len;           /* of the entry */
    uint32_t         n;             /* one more than that of the one before */
} ngx_http_ai_ring_edge_t;


static void ngx_http_ai_ring_read(const ngx_http_ai_ring_t *ring,
    uint64_t pos, void *dst, size_t n);
static void ngx_http_ai_ring_write(ngx_http_ai_ring_t *ring, uint64_t pos,
    const void *src, size_t n);
static uint64_t ngx_http_ai_ring_tail(const ngx_http_ai_ring_t *ring);
static size_t ngx_http_ai_ring_forth(const ngx_http_ai_ring_t *ring,
    uint64_t pos);


/* stores stay in the order of the program, for a process may be killed */
#define ngx_http_ai_ring_barrier()  __atomic_signal_fence(__ATOMIC_SEQ_CST)


void
ngx_http_ai_ring_init(ngx_http_ai_ring_t *ring, size_t bytes)
{
    ring->tail = 0;
    ring->head = 0;
    ring->size = (bytes - sizeof(ngx_http_ai_ring_t)) & ~(size_t) 7;
}


/* n is at most the ring's size */

static void
ngx_http_ai_ring_read(const ngx_http_ai_ring_t *ring, uint64_t pos, void *dst,
    size_t n)
{
    size_t   at, first;
    u_char  *p;

    at = (size_t) (pos % ring->size);
    first = (size_t) ngx_min(n, ring->size - at);

    p = ngx_cpymem(dst, ring->data + at, first);
    ngx_memcpy(p, ring->data, n - first);
}


static void
ngx_http_ai_ring_write(ngx_http_ai_ring_t *ring, uint64_t pos,
    const void *src, size_t n)
{
    size_t  at, first;

    at = (size_t) (pos % ring->size);
    first = (size_t) ngx_min(n, ring->size - at);

    ngx_memcpy(ring->data + at, src, first);
    ngx_memcpy(ring->data, (const u_char *) src + first, n - first);
}


/* an end that cannot be is one of an empty ring */

static uint64_t
ngx_http_ai_ring_tail(const ngx_http_ai_ring_t *ring)
{
    return ring->head - ring->tail > ring->size ? ring->head : ring->tail;
}


/* bytes of the entry that begins at pos; 0: there is no whole one */

static size_t
ngx_http_ai_ring_forth(const ngx_http_ai_ring_t *ring, uint64_t pos)
{
    size_t                   bytes;
    ngx_http_ai_ring_edge_t  edge, rear;

    ngx_http_ai_ring_read(ring, pos, &edge, sizeof(edge));
    bytes = ngx_http_ai_ring_bytes((size_t) edge.len);

    if (bytes > ring->head - pos) {
        return 0;
    }

    /* what has gone bad must not lead into the middle of a good one */

    ngx_http_ai_ring_read(ring, pos + bytes - sizeof(rear), &rear,
                          sizeof(rear));

    return ngx_memcmp(&edge, &rear, sizeof(edge)) == 0 ? bytes : 0;
}


ngx_int_t
ngx_http_ai_ring_append(ngx_http_ai_ring_t *ring, const u_char *p, size_t len)
{
    size_t                   bytes, old;
    uint64_t                 head, tail;
    ngx_http_ai_ring_edge_t  edge;

    bytes = ngx_http_ai_ring_bytes(len);

    if (bytes > ring->size) {
        return NGX_DECLINED;
    }

    head = ring->head;
    tail = ngx_http_ai_ring_tail(ring);
    edge.n = 0;

    if (head != tail) {
        ngx_http_ai_ring_read(ring, head - sizeof(edge), &edge, sizeof(edge));
    }

    edge.n++;
    edge.len = (uint32_t) len;

    while (head + bytes - tail > ring->size) {

        old = ngx_http_ai_ring_forth(ring, tail);

        if (old == 0) {
            tail = head;
            break;
        }

        tail += old;
    }

    ring->tail = tail;
    ngx_http_ai_ring_barrier();

    ngx_http_ai_ring_write(ring, head, &edge, sizeof(edge));
    ngx_http_ai_ring_write(ring, head + sizeof(edge), p, len);
    ngx_http_ai_ring_write(ring, head + bytes - sizeof(edge), &edge,
                           sizeof(edge));

    ngx_http_ai_ring_barrier();
    ring->head = head + bytes;

    return NGX_OK;
}


size_t
ngx_http_ai_ring_back(const ngx_http_ai_ring_t *ring, uint64_t *pos,
    u_char *buf, size_t size)
{
    size_t                   bytes, n;
    uint64_t                 start, tail;
    ngx_http_ai_ring_edge_t  edge;

    tail = ngx_http_ai_ring_tail(ring);

    *pos = ngx_min(*pos, ring->head);
    start = *pos;

    while (start > tail) {

        ngx_http_ai_ring_read(ring, start - sizeof(edge), &edge,
                              sizeof(edge));
        bytes = ngx_http_ai_ring_bytes((size_t) edge.len);

        if (bytes > start - tail || *pos - start + bytes > size) {
            break;
        }

        start -= bytes;
    }

    n = (size_t) (*pos - start);

    if (n) {
        ngx_http_ai_ring_read(ring, start, buf, n);
    }

    *pos = start;

    return n;
}


ngx_int_t
ngx_http_ai_ring_last(u_char *buf, size_t *n, ngx_str_t *entry)
{
    size_t                   bytes;
    ngx_http_ai_ring_edge_t  edge;

    if (*n == 0) {
        return NGX_DONE;
    }

    if (*n < sizeof(edge)) {
        return NGX_ERROR;
    }

    ngx_memcpy(&edge, buf + *n - sizeof(edge), sizeof(edge));
    bytes = ngx_http_ai_ring_bytes((size_t) edge.len);

    if (bytes > *n || ngx_memcmp(buf + *n - bytes, &edge, sizeof(edge)) != 0) {
        return NGX_ERROR;
    }

    *n -= bytes;

    entry->data = buf + *n + sizeof(edge);
    entry->len = edge.len;

    return NGX_OK;
}


ngx_uint_t
ngx_http_ai_ring_held(const ngx_http_ai_ring_t *ring, u_char *oldest,
    size_t size)
{
    uint64_t                 tail, most;
    ngx_http_ai_ring_edge_t  first, last;

    tail = ngx_http_ai_ring_tail(ring);

    ngx_memzero(oldest, size);

    if (ring->head == tail || ngx_http_ai_ring_forth(ring, tail) == 0) {
        return 0;
    }

    ngx_http_ai_ring_read(ring, tail, &first, sizeof(first));
    ngx_http_ai_ring_read(ring, ring->head - sizeof(last), &last,
                          sizeof(last));
    ngx_http_ai_ring_read(ring, tail + sizeof(first), oldest,
                          ngx_min(size, first.len));

    /* what has gone bad must not tell of more than there is room for */
    most = (ring->head - tail) / ngx_http_ai_ring_bytes(0);

    return 1 + (ngx_uint_t) ngx_min((uint32_t) (last.n - first.n), most - 1);
}


/* bytes go where their positions tell, hence all at once */

void
ngx_http_ai_ring_move(ngx_http_ai_ring_t *ring,
    const ngx_http_ai_ring_t *from)
{
    size_t    bytes;
    uint64_t  pos, n;

    for (pos = ngx_http_ai_ring_tail(from);
         from->head - pos > ring->size;
         pos += bytes)
    {

        bytes = ngx_http_ai_ring_forth(from, pos);

        if (bytes == 0) {
            return;
        }
    }

    ring->tail = pos;
    ring->head = from->head;

    for ( /* void */ ; pos < from->head; pos += n) {

        n = ngx_min(from->head - pos, from->size - pos % from->size);

        ngx_http_ai_ring_write(ring, pos, from->data + pos % from->size,
                               (size_t) n);
    }
}
