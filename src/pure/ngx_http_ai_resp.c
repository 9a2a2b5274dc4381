
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include <stdlib.h>

#include "ngx_http_ai_resp.h"


#define NGX_HTTP_AI_RESP_DIGITS  20     /* of the largest uint64_t */


#define ngx_http_ai_resp_start(block)                                         \
    ((u_char *) ((block)->mem + 1))

#define ngx_http_ai_resp_last(block)                                          \
    ((u_char *) (block)->mem + (block)->mem->used)

#define ngx_http_ai_resp_room(block)                                          \
    ((size_t) (NGX_HTTP_AI_RESP_BLOCK - (block)->mem->used))

/* keeps the compiler from moving stores to memory that others see */

#if (defined __GNUC__ || defined __clang__)
#define ngx_http_ai_resp_barrier()  __asm__ volatile ("" ::: "memory")
#else
#define ngx_http_ai_resp_barrier()
#endif


static ngx_int_t ngx_http_ai_resp_number(u_char **p, u_char *last,
    u_char type, size_t *n);
static u_char *ngx_http_ai_resp_prefix(ngx_http_ai_resp_t *resp, u_char type,
    uint64_t value, size_t payload);
static u_char *ngx_http_ai_resp_argument(ngx_http_ai_resp_t *resp,
    size_t len);
static u_char *ngx_http_ai_resp_digits(u_char *p, uint64_t value,
    ngx_uint_t n);
static ngx_uint_t ngx_http_ai_resp_ndigits(uint64_t value);
static ngx_int_t ngx_http_ai_resp_queue_grow(ngx_http_ai_resp_queue_t *queue);
static ngx_int_t ngx_http_ai_resp_queue_slots(
    ngx_http_ai_resp_queue_t *queue, u_char *map);
static ngx_http_ai_resp_block_t *ngx_http_ai_resp_queue_block(void);
static void ngx_http_ai_resp_queue_begin(ngx_http_ai_resp_queue_t *queue,
    ngx_http_ai_resp_block_t *block);
static void ngx_http_ai_resp_queue_recycle(ngx_http_ai_resp_queue_t *queue,
    ngx_http_ai_resp_block_t *block);
static ngx_http_ai_frame_t *ngx_http_ai_resp_queue_at(
    ngx_http_ai_resp_cursor_t *cursor);
static ngx_http_ai_resp_block_t *ngx_http_ai_resp_queue_victim(
    ngx_http_ai_resp_queue_t *queue, ngx_uint_t tail);


void
ngx_http_ai_resp_init(ngx_http_ai_resp_t *resp, u_char *buf, size_t size)
{
    resp->start = buf;
    resp->pos = buf;
    resp->end = buf + size;
    resp->left = 0;
}


void
ngx_http_ai_resp_command(ngx_http_ai_resp_t *resp, ngx_uint_t nargs)
{
    if (resp->left != 0) {
        resp->pos = NULL;       /* the command before is incomplete */
        return;
    }

    (void) ngx_http_ai_resp_prefix(resp, '*', nargs, 0);
    resp->left = nargs;
}


void
ngx_http_ai_resp_bulk(ngx_http_ai_resp_t *resp, const u_char *data,
    size_t len)
{
    u_char  *p;

    p = ngx_http_ai_resp_argument(resp, len);

    if (p && len) {
        ngx_memcpy(p, data, len);
    }
}


void
ngx_http_ai_resp_encoded(ngx_http_ai_resp_t *resp, const u_char *data,
    size_t len, ngx_uint_t nargs)
{
    if (resp->pos == NULL) {
        return;
    }

    if (resp->left < nargs || (size_t) (resp->end - resp->pos) < len) {
        resp->pos = NULL;
        return;
    }

    resp->pos = ngx_cpymem(resp->pos, data, len);
    resp->left -= nargs;
}


void
ngx_http_ai_resp_int(ngx_http_ai_resp_t *resp, int64_t value)
{
    u_char  buf[NGX_HTTP_AI_RESP_DIGITS];

    if (value >= 0) {
        ngx_http_ai_resp_uint(resp, value);
        return;
    }

    ngx_http_ai_resp_bulk(resp, buf,
                          ngx_http_ai_resp_decimal(buf, value) - buf);
}


void
ngx_http_ai_resp_uint(ngx_http_ai_resp_t *resp, uint64_t value)
{
    u_char      *p;
    ngx_uint_t   n;

    p = resp->pos;

    /* half of a record's numbers are of one digit */

    if (value < 10 && p && resp->left
        && (size_t) (resp->end - p) >= sizeof("$1\r\n0\r\n") - 1)
    {
        p = ngx_cpymem(p, "$1\r\n0\r\n", sizeof("$1\r\n0\r\n") - 1);
        p[-3] += (u_char) value;

        resp->pos = p;
        resp->left--;
        return;
    }

    n = ngx_http_ai_resp_ndigits(value);
    p = ngx_http_ai_resp_argument(resp, n);

    if (p) {
        (void) ngx_http_ai_resp_digits(p, value, n);
    }
}


size_t
ngx_http_ai_resp_end(ngx_http_ai_resp_t *resp)
{
    if (resp->pos == NULL || resp->left != 0) {
        return 0;
    }

    return resp->pos - resp->start;
}


u_char *
ngx_http_ai_resp_decimal(u_char *dst, int64_t value)
{
    uint64_t  n;

    n = (uint64_t) value;

    if (value < 0) {
        *dst++ = '-';
        n = 0 - n;
    }

    return ngx_http_ai_resp_digits(dst, n, ngx_http_ai_resp_ndigits(n));
}


ngx_int_t
ngx_http_ai_resp_count(u_char **p, u_char *last, ngx_uint_t *nargs)
{
    size_t  n;

    if (ngx_http_ai_resp_number(p, last, '*', &n) != NGX_OK) {
        return NGX_DECLINED;
    }

    *nargs = n;

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_resp_next(u_char **p, u_char *last, ngx_str_t *arg)
{
    size_t  n;

    if (ngx_http_ai_resp_number(p, last, '$', &n) != NGX_OK
        || (size_t) (last - *p) < 2 || (size_t) (last - *p) - 2 < n
        || (*p)[n] != '\r' || (*p)[n + 1] != '\n')
    {
        return NGX_DECLINED;
    }

    arg->data = *p;
    arg->len = n;
    *p += n + 2;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_resp_number(u_char **p, u_char *last, u_char type, size_t *n)
{
    u_char  *pos;

    pos = *p;

    if (last - pos < 4 || *pos++ != type) {
        return NGX_DECLINED;
    }

    for (*n = 0; pos < last && *pos >= '0' && *pos <= '9'; pos++) {

        if (*n > NGX_HTTP_AI_RESP_COMMAND) {
            return NGX_DECLINED;
        }

        *n = *n * 10 + (*pos - '0');
    }

    if (last - pos < 2 || pos - *p == 1 || pos[0] != '\r' || pos[1] != '\n') {
        return NGX_DECLINED;
    }

    *p = pos + 2;

    return NGX_OK;
}


/*
 * "<type><value>\r\n", only if "payload" more bytes fit behind it: a bulk
 * string is written whole or not at all.  Returns where the payload goes.
 */

static u_char *
ngx_http_ai_resp_prefix(ngx_http_ai_resp_t *resp, u_char type, uint64_t value,
    size_t payload)
{
    size_t       room;
    u_char      *p;
    ngx_uint_t   n;

    p = resp->pos;

    if (p == NULL) {
        return NULL;
    }

    n = ngx_http_ai_resp_ndigits(value);
    room = resp->end - p;

    if (room < n + 3 || room - n - 3 < payload) {
        resp->pos = NULL;
        return NULL;
    }

    *p++ = type;
    p = ngx_http_ai_resp_digits(p, value, n);
    *p++ = '\r';
    *p++ = '\n';

    resp->pos = p;

    return p;
}


/* a bulk string but for its bytes, which the caller puts where this says */

static u_char *
ngx_http_ai_resp_argument(ngx_http_ai_resp_t *resp, size_t len)
{
    u_char  *p;

    if (resp->left == 0) {
        resp->pos = NULL;
        return NULL;
    }

    p = ngx_http_ai_resp_prefix(resp, '$', len, len + 2);

    if (p == NULL) {
        return NULL;
    }

    p[len] = '\r';
    p[len + 1] = '\n';

    resp->pos = p + len + 2;
    resp->left--;

    return p;
}


/* the value's n digits; returns what is behind them */

static u_char *
ngx_http_ai_resp_digits(u_char *p, uint64_t value, ngx_uint_t n)
{
    u_char  *last;

    last = p + n;

    for (p = last - 1; value >= 10; p--) {
        *p = (u_char) ('0' + value % 10);
        value /= 10;
    }

    *p = (u_char) ('0' + value);

    return last;
}


static ngx_uint_t
ngx_http_ai_resp_ndigits(uint64_t value)
{
    uint64_t    limit;
    ngx_uint_t  n;

    /* ten to the 20th does not fit any more */

    for (n = 1, limit = 10; n < NGX_HTTP_AI_RESP_DIGITS; n++, limit *= 10) {
        if (value < limit) {
            break;
        }
    }

    return n;
}


ngx_int_t
ngx_http_ai_resp_queue_init(ngx_http_ai_resp_queue_t *queue, size_t size,
    u_char *map, ngx_uint_t kept)
{
    ngx_memzero(queue, sizeof(ngx_http_ai_resp_queue_t));

    queue->max = size / NGX_HTTP_AI_RESP_BLOCK;
    queue->mapped = (map != NULL);
    queue->kept = (kept != 0);

    if ((map && ngx_http_ai_resp_queue_slots(queue, map) != NGX_OK)
        || ngx_http_ai_resp_queue_grow(queue) != NGX_OK)
    {
        return NGX_ERROR;
    }

    queue->head.block = queue->tail;
    queue->head.pos = ngx_http_ai_resp_start(queue->tail);
    queue->answered = queue->head;
    queue->sent = queue->head;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_resp_queue_slots(ngx_http_ai_resp_queue_t *queue, u_char *map)
{
    ngx_uint_t                 i;
    ngx_http_ai_resp_block_t  *block;

    for (i = queue->max; i-- > 0; /* void */) {
        block = malloc(sizeof(ngx_http_ai_resp_block_t));

        if (block == NULL) {
            ngx_http_ai_resp_queue_free(queue);
            return NGX_ERROR;
        }

        block->mem = (ngx_http_ai_frame_block_t *)
                     (void *) (map + i * NGX_HTTP_AI_RESP_BLOCK);
        block->next = queue->spare;
        queue->spare = block;
    }

    return NGX_OK;
}


void
ngx_http_ai_resp_queue_free(ngx_http_ai_resp_queue_t *queue)
{
    ngx_uint_t                 i;
    ngx_http_ai_resp_block_t  *block, *next, *chains[2];

    chains[0] = queue->head.block;
    chains[1] = queue->spare;

    for (i = 0; i < 2; i++) {
        for (block = chains[i]; block; block = next) {
            next = block->next;

            if (!queue->mapped) {
                free(block->mem);
            }

            free(block);
        }
    }

    ngx_memzero(queue, sizeof(ngx_http_ai_resp_queue_t));
}


u_char *
ngx_http_ai_resp_queue_reserve(ngx_http_ai_resp_queue_t *queue, size_t min,
    size_t *size)
{
    if (min > NGX_HTTP_AI_RESP_COMMAND) {
        return NULL;
    }

    if (ngx_http_ai_resp_room(queue->tail) < ngx_http_ai_frame_size(min)
        && ngx_http_ai_resp_queue_grow(queue) != NGX_OK)
    {
        return NULL;
    }

    *size = ngx_min(ngx_http_ai_resp_room(queue->tail)
                    - sizeof(ngx_http_ai_frame_t),
                    (size_t) NGX_HTTP_AI_RESP_COMMAND);

    return ngx_http_ai_resp_last(queue->tail) + sizeof(ngx_http_ai_frame_t);
}


void
ngx_http_ai_resp_queue_commit(ngx_http_ai_resp_queue_t *queue, size_t len,
    ngx_uint_t copy)
{
    ngx_http_ai_frame_t  *frame;

    frame = (ngx_http_ai_frame_t *) (void *)
                                    ngx_http_ai_resp_last(queue->tail);

    ngx_http_ai_frame_seal(frame, len,
                           copy ? NGX_HTTP_AI_FRAME_COPY
                                : NGX_HTTP_AI_FRAME_WAITS,
                           queue->kept);

    ngx_http_ai_resp_barrier();

    queue->tail->mem->used += ngx_http_ai_frame_size(len);
    queue->n++;
    queue->copies += (copy != 0);
}


ngx_int_t
ngx_http_ai_resp_queue_next(ngx_http_ai_resp_queue_t *queue, ngx_str_t *cmd)
{
    ngx_http_ai_frame_t  *frame;

    frame = ngx_http_ai_resp_queue_at(&queue->sent);

    if (frame == NULL) {
        return NGX_DONE;
    }

    if (queue->kept && queue->inflight
        && queue->sent.block->mem->seq - queue->head.block->mem->seq
           >= queue->max / 2)
    {
        return NGX_DONE;
    }

    cmd->len = frame->len;
    cmd->data = (u_char *) (frame + 1);

    return NGX_OK;
}


void
ngx_http_ai_resp_queue_sent(ngx_http_ai_resp_queue_t *queue)
{
    ngx_http_ai_frame_t  *frame;

    frame = ngx_http_ai_resp_queue_at(&queue->sent);

    if (frame) {
        queue->sent.pos += ngx_http_ai_frame_size(frame->len);
        queue->inflight++;
    }
}


ngx_int_t
ngx_http_ai_resp_queue_awaited(ngx_http_ai_resp_queue_t *queue,
    ngx_str_t *cmd)
{
    ngx_http_ai_frame_t  *frame;

    frame = queue->inflight ? ngx_http_ai_resp_queue_at(&queue->answered)
                            : NULL;

    if (frame == NULL) {
        return NGX_DONE;
    }

    cmd->len = frame->len;
    cmd->data = (u_char *) (frame + 1);

    return NGX_OK;
}


void
ngx_http_ai_resp_queue_reply(ngx_http_ai_resp_queue_t *queue,
    ngx_uint_t confirmed)
{
    ngx_http_ai_frame_t  *frame;

    if (queue->inflight == 0) {
        return;
    }

    frame = ngx_http_ai_resp_queue_at(&queue->answered);

    if (frame == NULL) {
        return;
    }

    queue->answered.pos += ngx_http_ai_frame_size(frame->len);
    queue->inflight--;

    if (confirmed) {
        queue->copies -= (frame->state == NGX_HTTP_AI_FRAME_COPY);
        queue->n--;
        frame->state = NGX_HTTP_AI_FRAME_DONE;
    }
}


void
ngx_http_ai_resp_queue_rewind(ngx_http_ai_resp_queue_t *queue)
{
    ngx_http_ai_resp_queue_release(queue);

    queue->answered = queue->head;
    queue->sent = queue->head;
    queue->inflight = 0;
}


void
ngx_http_ai_resp_queue_release(ngx_http_ai_resp_queue_t *queue)
{
    ngx_http_ai_resp_block_t  *block, *next;

    block = queue->head.block;

    /* all three: none may stay in a block that goes */

    (void) ngx_http_ai_resp_queue_at(&queue->head);
    (void) ngx_http_ai_resp_queue_at(&queue->answered);
    (void) ngx_http_ai_resp_queue_at(&queue->sent);

    while (block != queue->head.block) {
        next = block->next;
        ngx_http_ai_resp_queue_recycle(queue, block);
        block = next;
    }

    if (queue->n == 0) {

        /* the last block is used again from its start, still warm */

        ngx_http_ai_resp_queue_begin(queue, block);

        queue->head.pos = ngx_http_ai_resp_start(block);
        queue->answered = queue->head;
        queue->sent = queue->head;
    }
}


static ngx_int_t
ngx_http_ai_resp_queue_grow(ngx_http_ai_resp_queue_t *queue)
{
    ngx_http_ai_resp_block_t  *block;

    if (queue->nblocks && queue->nblocks >= queue->max) {
        return NGX_DECLINED;
    }

    block = queue->spare;

    if (block) {
        queue->spare = block->next;

    } else {
        block = queue->mapped ? NULL : ngx_http_ai_resp_queue_block();

        if (block == NULL) {
            return NGX_ERROR;
        }
    }

    block->next = NULL;
    ngx_http_ai_resp_queue_begin(queue, block);

    if (queue->tail) {
        queue->tail->next = block;
    }

    queue->tail = block;
    queue->nblocks++;

    return NGX_OK;
}


/*
 * malloc(), in nginx too: ngx_alloc() logs at emerg, while memory that is
 * full means no more than a queue that is full.
 */

static ngx_http_ai_resp_block_t *
ngx_http_ai_resp_queue_block(void)
{
    ngx_http_ai_resp_block_t  *block;

    block = malloc(sizeof(ngx_http_ai_resp_block_t));

    if (block == NULL) {
        return NULL;
    }

    block->mem = malloc(NGX_HTTP_AI_RESP_BLOCK);

    if (block->mem == NULL) {
        free(block);
        return NULL;
    }

    return block;
}


/* in this order: what stood behind the old end must not come back */

static void
ngx_http_ai_resp_queue_begin(ngx_http_ai_resp_queue_t *queue,
    ngx_http_ai_resp_block_t *block)
{
    block->mem->used = sizeof(ngx_http_ai_frame_block_t);
    block->mem->seq = ++queue->seq;

    ngx_http_ai_resp_barrier();

    block->mem->magic = NGX_HTTP_AI_FRAME_BLOCK;
}


static void
ngx_http_ai_resp_queue_recycle(ngx_http_ai_resp_queue_t *queue,
    ngx_http_ai_resp_block_t *block)
{
    block->mem->magic = NGX_HTTP_AI_FRAME_FREE;
    queue->nblocks--;

    if (queue->spare && !queue->mapped) {
        free(block->mem);
        free(block);
        return;
    }

    block->next = queue->spare;
    queue->spare = block;
}


/* moves the cursor on to a command that is not done; NULL: at the end */

static ngx_http_ai_frame_t *
ngx_http_ai_resp_queue_at(ngx_http_ai_resp_cursor_t *cursor)
{
    ngx_http_ai_frame_t  *frame;

    for ( ;; ) {

        if (cursor->pos == ngx_http_ai_resp_last(cursor->block)) {

            if (cursor->block->next == NULL) {
                return NULL;
            }

            cursor->block = cursor->block->next;
            cursor->pos = ngx_http_ai_resp_start(cursor->block);
            continue;
        }

        frame = (ngx_http_ai_frame_t *) (void *) cursor->pos;

        if (frame->state != NGX_HTTP_AI_FRAME_DONE) {
            return frame;
        }

        cursor->pos += ngx_http_ai_frame_size(frame->len);
    }
}


ngx_int_t
ngx_http_ai_resp_queue_idle(ngx_http_ai_resp_queue_t *queue, ngx_uint_t tail,
    ngx_str_t *frames)
{
    ngx_http_ai_resp_block_t  *block;

    block = ngx_http_ai_resp_queue_victim(queue, tail);

    if (block == NULL) {
        return NGX_DONE;
    }

    frames->data = ngx_http_ai_resp_start(block);
    frames->len = block->mem->used - sizeof(ngx_http_ai_frame_block_t);

    return NGX_OK;
}


static ngx_http_ai_resp_block_t *
ngx_http_ai_resp_queue_victim(ngx_http_ai_resp_queue_t *queue,
    ngx_uint_t tail)
{
    ngx_http_ai_resp_block_t  *block;

    ngx_http_ai_resp_queue_release(queue);

    block = queue->inflight ? queue->sent.block->next : queue->head.block;

    if (queue->n == 0 || block == NULL || (block == queue->tail && !tail)) {
        return NULL;
    }

    return block;
}


ngx_uint_t
ngx_http_ai_resp_queue_drop(ngx_http_ai_resp_queue_t *queue, ngx_uint_t tail)
{
    u_char                    *p, *last;
    ngx_uint_t                 n;
    ngx_http_ai_frame_t       *frame;
    ngx_http_ai_resp_block_t  *block, *prev;

    block = ngx_http_ai_resp_queue_victim(queue, tail);

    if (block == NULL) {
        return 0;
    }

    n = 0;
    last = ngx_http_ai_resp_last(block);

    for (p = ngx_http_ai_resp_start(block); p < last;
         p += ngx_http_ai_frame_size(frame->len))
    {
        frame = (ngx_http_ai_frame_t *) (void *) p;

        if (frame->state == NGX_HTTP_AI_FRAME_DONE) {
            continue;
        }

        queue->n--;

        if (frame->state == NGX_HTTP_AI_FRAME_COPY) {
            queue->copies--;
            queue->lost++;
            continue;
        }

        n++;
    }

    if (block == queue->tail) {

        /* the block before it cannot take its place: it may be full */

        ngx_http_ai_resp_queue_begin(queue, block);

    } else {
        prev = queue->inflight ? queue->sent.block : NULL;

        if (prev) {
            prev->next = block->next;

        } else {
            queue->head.block = block->next;
        }

        ngx_http_ai_resp_queue_recycle(queue, block);
    }

    if (queue->inflight == 0) {
        queue->head.pos = ngx_http_ai_resp_start(queue->head.block);
        queue->answered = queue->head;
        queue->sent = queue->head;
    }

    return n;
}


ngx_http_ai_resp_block_t *
ngx_http_ai_resp_queue_walk(ngx_http_ai_resp_queue_t *queue,
    ngx_http_ai_resp_block_t *block, ngx_str_t *frames)
{
    block = block ? block->next : queue->head.block;

    if (block) {
        frames->data = ngx_http_ai_resp_start(block);
        frames->len = block->mem->used - sizeof(ngx_http_ai_frame_block_t);
    }

    return block;
}
