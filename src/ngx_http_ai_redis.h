
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * One non-blocking Redis connection per worker and the queue of commands that
 * it sends: hiredis inside nginx's event loop.  The only file that knows
 * hiredis.
 *
 * A command stays in the queue until Redis has confirmed it, however often
 * the connection is lost in between: at least once, in order.  Nothing here
 * blocks but ngx_http_ai_redis_stop().
 */


#ifndef _NGX_HTTP_AI_REDIS_H_INCLUDED_
#define _NGX_HTTP_AI_REDIS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


typedef struct ngx_http_ai_redis_s  ngx_http_ai_redis_t;


typedef struct {
    ngx_str_t     host;             /* literal address, zero-terminated */
    in_port_t     port;
    ngx_str_t     path;             /* unix socket instead of host, likewise */
    ngx_str_t     auth;             /* RESP commands that begin every */
    ngx_str_t     select;           /*  connection, or empty */
    size_t        queue_size;       /* bytes, for the whole queue */
} ngx_http_ai_redis_conf_t;


/* the smallest sensible queue_size */
#define NGX_HTTP_AI_REDIS_MIN_QUEUE   (128 * 1024)


/*
 * Begins to connect; NULL if there is no memory.  conf is copied, the strings
 * in it are not.  What is returned lives until the process ends.
 */
ngx_http_ai_redis_t *ngx_http_ai_redis_create(ngx_cycle_t *cycle,
    const ngx_http_ai_redis_conf_t *conf);

/*
 * Room for a command at the queue's end: at least "min" bytes, *size of them,
 * or NULL if the queue is full or memory is.  The command is queued by
 * commit(), with no other call in between, and sent at the end of the event
 * loop's turn.  The commands are XADDs: only a reply as theirs confirms one.
 */
u_char *ngx_http_ai_redis_reserve(ngx_http_ai_redis_t *redis, size_t min,
    size_t *size);
void ngx_http_ai_redis_commit(ngx_http_ai_redis_t *redis, size_t len);

/*
 * Sends what is queued, blocking for "limit" milliseconds at most, and closes
 * the connection.  Returns the number of commands that were not confirmed.
 */
ngx_uint_t ngx_http_ai_redis_stop(ngx_http_ai_redis_t *redis,
    ngx_msec_t limit);


#endif /* _NGX_HTTP_AI_REDIS_H_INCLUDED_ */
