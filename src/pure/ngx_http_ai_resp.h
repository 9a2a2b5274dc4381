
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
 * The queue: commands packed in a chain of blocks, in the order of commit().
 * Replies come in the order of the commands, so three cursors are enough to
 * know all: before "head" everything is confirmed and released, up to
 * "answered" there was a reply, up to "sent" a reply is awaited.
 *
 * A command leaves only when it is confirmed; a rewind makes all others wait
 * again, in their order, when the connection is lost or after errors.  One
 * confirmed behind another that failed is marked done and skipped from then
 * on.
 */

#define NGX_HTTP_AI_RESP_BLOCK    (64 * 1024)

/* the largest command that fits */
#define NGX_HTTP_AI_RESP_COMMAND  (60 * 1024)


typedef struct ngx_http_ai_resp_block_s  ngx_http_ai_resp_block_t;


typedef struct {
    ngx_http_ai_resp_block_t    *block;
    u_char                      *pos;
} ngx_http_ai_resp_cursor_t;


typedef struct {
    ngx_http_ai_resp_cursor_t    head;
    ngx_http_ai_resp_cursor_t    answered;
    ngx_http_ai_resp_cursor_t    sent;

    ngx_http_ai_resp_block_t    *tail;
    ngx_http_ai_resp_block_t    *spare;     /* one is kept when it empties */
    ngx_uint_t                   nblocks;   /* without the spare one */
    size_t                       size;      /* the blocks' limit, bytes */

    ngx_uint_t                   n;         /* commands not confirmed */
    ngx_uint_t                   inflight;  /* sent and not answered */
} ngx_http_ai_resp_queue_t;


/* size: the most memory to use, but one block is always there */
ngx_int_t ngx_http_ai_resp_queue_init(ngx_http_ai_resp_queue_t *queue,
    size_t size);
void ngx_http_ai_resp_queue_free(ngx_http_ai_resp_queue_t *queue);

/*
 * Room for one command: at least "min" bytes, *size of them; NULL if the
 * queue is full or memory is.  Nothing is queued before commit().
 */
u_char *ngx_http_ai_resp_queue_reserve(ngx_http_ai_resp_queue_t *queue,
    size_t min, size_t *size);
void ngx_http_ai_resp_queue_commit(ngx_http_ai_resp_queue_t *queue,
    size_t len);

/* the next command to send; NGX_DONE: none.  sent() says that it was */
ngx_int_t ngx_http_ai_resp_queue_next(ngx_http_ai_resp_queue_t *queue,
    ngx_str_t *cmd);
void ngx_http_ai_resp_queue_sent(ngx_http_ai_resp_queue_t *queue);

/* the reply to the oldest command in flight */
void ngx_http_ai_resp_queue_reply(ngx_http_ai_resp_queue_t *queue,
    ngx_uint_t confirmed);

void ngx_http_ai_resp_queue_rewind(ngx_http_ai_resp_queue_t *queue);

/* gives back the memory of what is confirmed; once per batch of replies */
void ngx_http_ai_resp_queue_release(ngx_http_ai_resp_queue_t *queue);


#endif /* _NGX_HTTP_AI_RESP_H_INCLUDED_ */
