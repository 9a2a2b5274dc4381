
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Commands in Redis' protocol (RESP): how they are written, and where they
 * wait until they are answered.
 */


#ifndef _NGX_HTTP_AI_RESP_H_INCLUDED_
#define _NGX_HTTP_AI_RESP_H_INCLUDED_


#include "ngx_http_ai_base.h"
#include "ngx_http_ai_frame.h"


/*
 * The writer: "*<count>" and then that many bulk strings.  A bulk string
 * carries any byte, so nothing is escaped.
 *
 * Errors are sticky: once something did not fit, the rest is ignored and
 * ngx_http_ai_resp_end() returns 0, so callers check only there.
 */

typedef struct {
    u_char      *start;
    u_char      *pos;               /* NULL: did not fit */
    u_char      *end;
    ngx_uint_t   left;              /* arguments announced, not yet written */
} ngx_http_ai_resp_t;


void ngx_http_ai_resp_init(ngx_http_ai_resp_t *resp, u_char *buf, size_t size);

/* begins a command of nargs arguments, its name included */
void ngx_http_ai_resp_command(ngx_http_ai_resp_t *resp, ngx_uint_t nargs);

void ngx_http_ai_resp_bulk(ngx_http_ai_resp_t *resp, const u_char *data,
    size_t len);
void ngx_http_ai_resp_int(ngx_http_ai_resp_t *resp, int64_t value);
void ngx_http_ai_resp_uint(ngx_http_ai_resp_t *resp, uint64_t value);

/* arguments that never change, their lengths and line ends written out */
void ngx_http_ai_resp_encoded(ngx_http_ai_resp_t *resp, const u_char *data,
    size_t len, ngx_uint_t nargs);

/* the length of all commands, or 0: no room, or not the count as announced */
size_t ngx_http_ai_resp_end(ngx_http_ai_resp_t *resp);

/* decimal digits, also for the other encodings; dst needs 20 bytes */
u_char *ngx_http_ai_resp_decimal(u_char *dst, int64_t value);


#define ngx_http_ai_resp_literal(resp, s)                                     \
    ngx_http_ai_resp_bulk(resp, (const u_char *) s, sizeof(s) - 1)


/*
 * A command read back: first count(), then so often next(), which puts p
 * behind what it took.  NGX_DECLINED: not as the writer would have it.
 */
ngx_int_t ngx_http_ai_resp_count(u_char **p, u_char *last, ngx_uint_t *nargs);
ngx_int_t ngx_http_ai_resp_next(u_char **p, u_char *last, ngx_str_t *arg);


/*
 * The queue: commands packed in a chain of blocks, in the order of commit().
 * Replies come in the order of the commands, so three cursors are enough to
 * know all: before "head" everything is confirmed and released, up to
 * "answered" there was a reply, up to "sent" a reply is awaited.
 *
 * A command leaves only when it is confirmed; a rewind makes all others wait
 * again, in their order, when the connection is lost or after errors.  One
 * confirmed behind another that failed is marked done and skipped from then
 * on.
 *
 * The blocks may lie in memory that others see when this process is gone: a
 * command is a frame (ngx_http_ai_frame.h), complete as soon as commit()
 * returns, and done as soon as it is confirmed.
 */

#define NGX_HTTP_AI_RESP_BLOCK    (64 * 1024)

/* the largest command that fits */
#define NGX_HTTP_AI_RESP_COMMAND  NGX_HTTP_AI_FRAME_MAX


typedef struct ngx_http_ai_resp_block_s  ngx_http_ai_resp_block_t;


struct ngx_http_ai_resp_block_s {
    ngx_http_ai_resp_block_t    *next;
    ngx_http_ai_frame_block_t   *mem;       /* NGX_HTTP_AI_RESP_BLOCK bytes */
};


typedef struct {
    ngx_http_ai_resp_block_t    *block;
    u_char                      *pos;
} ngx_http_ai_resp_cursor_t;


typedef struct {
    ngx_http_ai_resp_cursor_t    head;
    ngx_http_ai_resp_cursor_t    answered;
    ngx_http_ai_resp_cursor_t    sent;

    ngx_http_ai_resp_block_t    *tail;
    ngx_http_ai_resp_block_t    *spare;     /* of malloc(): one at most */
    ngx_uint_t                   nblocks;   /* without the spare ones */
    ngx_uint_t                   max;       /* the blocks' limit */
    uint64_t                     seq;       /* of the last block begun */

    ngx_uint_t                   n;         /* commands not confirmed */
    ngx_uint_t                   copies;    /* of these, copies */
    ngx_uint_t                   lost;      /* copies dropped unconfirmed; for
                                               who made them to set to 0 */
    ngx_uint_t                   inflight;  /* sent and not answered */

    unsigned                     mapped:1;  /* the memory is the caller's */
    unsigned                     kept:1;    /* commands may be dropped, to be
                                               kept elsewhere */
} ngx_http_ai_resp_queue_t;


/*
 * size: the most memory to use, but one block is always there.  map, unless
 * NULL, is that memory, zeroed, and stays the caller's.  kept: blocks will be
 * taken out; then commands in flight fill half of the queue at most.
 */
ngx_int_t ngx_http_ai_resp_queue_init(ngx_http_ai_resp_queue_t *queue,
    size_t size, u_char *map, ngx_uint_t kept);
void ngx_http_ai_resp_queue_free(ngx_http_ai_resp_queue_t *queue);

/*
 * Room for one command: at least "min" bytes, *size of them; NULL if the
 * queue is full or memory is.  Nothing is queued before commit().  A copy is
 * of a command that is kept elsewhere until this one is confirmed.
 */
u_char *ngx_http_ai_resp_queue_reserve(ngx_http_ai_resp_queue_t *queue,
    size_t min, size_t *size);
void ngx_http_ai_resp_queue_commit(ngx_http_ai_resp_queue_t *queue,
    size_t len, ngx_uint_t copy);

/*
 * The next command to send; NGX_DONE: none, or enough are in flight.  sent()
 * says that it was.
 */
ngx_int_t ngx_http_ai_resp_queue_next(ngx_http_ai_resp_queue_t *queue,
    ngx_str_t *cmd);
void ngx_http_ai_resp_queue_sent(ngx_http_ai_resp_queue_t *queue);

/* the oldest command in flight; NGX_DONE: there is none */
ngx_int_t ngx_http_ai_resp_queue_awaited(ngx_http_ai_resp_queue_t *queue,
    ngx_str_t *cmd);

/* the reply to it */
void ngx_http_ai_resp_queue_reply(ngx_http_ai_resp_queue_t *queue,
    ngx_uint_t confirmed);

void ngx_http_ai_resp_queue_rewind(ngx_http_ai_resp_queue_t *queue);

/* gives back the memory of what is confirmed; once per batch of replies */
void ngx_http_ai_resp_queue_release(ngx_http_ai_resp_queue_t *queue);

/*
 * The frames of the oldest block that nothing in flight is in; the one that
 * is written to only if "tail" is set.  NGX_DONE: there is none.  drop()
 * forgets that block; its commands must be elsewhere then, but for the copies
 * in it.  Returns how many others waited.
 */
ngx_int_t ngx_http_ai_resp_queue_idle(ngx_http_ai_resp_queue_t *queue,
    ngx_uint_t tail, ngx_str_t *frames);
ngx_uint_t ngx_http_ai_resp_queue_drop(ngx_http_ai_resp_queue_t *queue,
    ngx_uint_t tail);

/* the frames of all blocks in turn, from NULL on; NULL: that was the last */
ngx_http_ai_resp_block_t *ngx_http_ai_resp_queue_walk(
    ngx_http_ai_resp_queue_t *queue, ngx_http_ai_resp_block_t *block,
    ngx_str_t *frames);


#endif /* _NGX_HTTP_AI_RESP_H_INCLUDED_ */
