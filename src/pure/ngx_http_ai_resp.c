
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include <stdlib.h>

#include "ngx_http_ai_resp.h"


#define NGX_HTTP_AI_RESP_DIGITS  20     /* of the largest uint64_t */


struct ngx_http_ai_resp_block_s {
    ngx_http_ai_resp_block_t    *next;
    u_char                      *last;      /* end of the commands */
    uint64_t                     data[NGX_HTTP_AI_RESP_BLOCK / 8 - 2];
};


/* stands before each queued command */

typedef struct {
    uint32_t                     len;
    uint32_t                     done;
} ngx_http_ai_resp_head_t;


#define ngx_http_ai_resp_start(block)  ((u_char *) (block)->data)

#define ngx_http_ai_resp_room(block)                                          \
    ((size_t) ((u_char *) ((block) + 1) - (block)->last))

#define ngx_http_ai_resp_size(len)                                            \
    ((sizeof(ngx_http_ai_resp_head_t) + (len) + 7) & ~(size_t) 7)


static u_char *ngx_http_ai_resp_prefix(ngx_http_ai_resp_t *resp, u_char type,
    uint64_t value, size_t payload);
static u_char *ngx_http_ai_resp_argument(ngx_http_ai_resp_t *resp,
    size_t len);
static u_char *ngx_http_ai_resp_digits(u_char *p, uint64_t value,
    ngx_uint_t n);
static ngx_uint_t ngx_http_ai_resp_ndigits(uint64_t value);
static ngx_int_t ngx_http_ai_resp_queue_grow(ngx_http_ai_resp_queue_t *queue);
static ngx_http_ai_resp_head_t *ngx_http_ai_resp_queue_at(
    ngx_http_ai_resp_cursor_t *cursor);


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
ngx_http_ai_resp_queue_init(ngx_http_ai_resp_queue_t *queue, size_t size)
{
    ngx_memzero(queue, sizeof(ngx_http_ai_resp_queue_t));

    queue->size = size;

    if (ngx_http_ai_resp_queue_grow(queue) != NGX_OK) {
        return NGX_ERROR;
    }

    queue->head.block = queue->tail;
    queue->head.pos = queue->tail->last;
    queue->answered = queue->head;
    queue->sent = queue->head;

    return NGX_OK;
}


void
ngx_http_ai_resp_queue_free(ngx_http_ai_resp_queue_t *queue)
{
    ngx_http_ai_resp_block_t  *block, *next;

    for (block = queue->head.block; block; block = next) {
        next = block->next;
        free(block);
    }

    free(queue->spare);

    ngx_memzero(queue, sizeof(ngx_http_ai_resp_queue_t));
}


u_char *
ngx_http_ai_resp_queue_reserve(ngx_http_ai_resp_queue_t *queue, size_t min,
    size_t *size)
{
    if (min > NGX_HTTP_AI_RESP_COMMAND) {
        return NULL;
    }

    if (ngx_http_ai_resp_room(queue->tail) < ngx_http_ai_resp_size(min)
        && ngx_http_ai_resp_queue_grow(queue) != NGX_OK)
    {
        return NULL;
    }

    *size = ngx_http_ai_resp_room(queue->tail)
            - sizeof(ngx_http_ai_resp_head_t);

    return queue->tail->last + sizeof(ngx_http_ai_resp_head_t);
}


void
ngx_http_ai_resp_queue_commit(ngx_http_ai_resp_queue_t *queue, size_t len)
{
    ngx_http_ai_resp_head_t  *head;

    head = (ngx_http_ai_resp_head_t *) (void *) queue->tail->last;
    head->len = (uint32_t) len;
    head->done = 0;

    queue->tail->last += ngx_http_ai_resp_size(len);
    queue->n++;
}


ngx_int_t
ngx_http_ai_resp_queue_next(ngx_http_ai_resp_queue_t *queue, ngx_str_t *cmd)
{
    ngx_http_ai_resp_head_t  *head;

    head = ngx_http_ai_resp_queue_at(&queue->sent);

    if (head == NULL) {
        return NGX_DONE;
    }

    cmd->len = head->len;
    cmd->data = (u_char *) (head + 1);

    return NGX_OK;
}


void
ngx_http_ai_resp_queue_sent(ngx_http_ai_resp_queue_t *queue)
{
    ngx_http_ai_resp_head_t  *head;

    head = ngx_http_ai_resp_queue_at(&queue->sent);

    if (head) {
        queue->sent.pos += ngx_http_ai_resp_size(head->len);
        queue->inflight++;
    }
}


void
ngx_http_ai_resp_queue_reply(ngx_http_ai_resp_queue_t *queue,
    ngx_uint_t confirmed)
{
    ngx_http_ai_resp_head_t  *head;

    if (queue->inflight == 0) {
        return;
    }

    head = ngx_http_ai_resp_queue_at(&queue->answered);

    if (head == NULL) {
        return;
    }

    queue->answered.pos += ngx_http_ai_resp_size(head->len);
    queue->inflight--;

    if (confirmed) {
        head->done = 1;
        queue->n--;
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

        if (queue->spare == NULL) {
            queue->spare = block;

        } else {
            free(block);
        }

        queue->nblocks--;
        block = next;
    }

    if (queue->n == 0) {

        /* the last block is used again from its start, still warm */

        block->last = ngx_http_ai_resp_start(block);
        queue->head.pos = block->last;
        queue->answered = queue->head;
        queue->sent = queue->head;
    }
}


/*
 * malloc(), in nginx too: ngx_alloc() logs at emerg, while memory that is
 * full means no more than a queue that is full.
 */

static ngx_int_t
ngx_http_ai_resp_queue_grow(ngx_http_ai_resp_queue_t *queue)
{
    ngx_http_ai_resp_block_t  *block;

    if (queue->nblocks
        && queue->nblocks + 1 > queue->size / sizeof(ngx_http_ai_resp_block_t))
    {
        return NGX_DECLINED;
    }

    block = queue->spare;
    queue->spare = NULL;

    if (block == NULL) {
        block = malloc(sizeof(ngx_http_ai_resp_block_t));
        if (block == NULL) {
            return NGX_ERROR;
        }
    }

    block->next = NULL;
    block->last = ngx_http_ai_resp_start(block);

    if (queue->tail) {
        queue->tail->next = block;
    }

    queue->tail = block;
    queue->nblocks++;

    return NGX_OK;
}


/* moves the cursor on to a command that is not done; NULL: at the end */

static ngx_http_ai_resp_head_t *
ngx_http_ai_resp_queue_at(ngx_http_ai_resp_cursor_t *cursor)
{
    ngx_http_ai_resp_head_t  *head;

    for ( ;; ) {

        if (cursor->pos == cursor->block->last) {

            if (cursor->block->next == NULL) {
                return NULL;
            }

            cursor->block = cursor->block->next;
            cursor->pos = ngx_http_ai_resp_start(cursor->block);
            continue;
        }

        head = (ngx_http_ai_resp_head_t *) (void *) cursor->pos;

        if (!head->done) {
            return head;
        }

        cursor->pos += ngx_http_ai_resp_size(head->len);
    }
}
