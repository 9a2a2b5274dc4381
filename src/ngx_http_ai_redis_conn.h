
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * One connection to one Redis, in nginx's event loop: commands go out as
 * bytes, replies come in parsed.  The only file that knows sockets, TLS and
 * hiredis, of which it uses the parser of replies.
 *
 * Nothing here blocks, has a timer or tries again.
 */


#ifndef _NGX_HTTP_AI_REDIS_CONN_H_INCLUDED_
#define _NGX_HTTP_AI_REDIS_CONN_H_INCLUDED_


#include "ngx_http_ai_redis.h"


#define NGX_HTTP_AI_REDIS_TEXT   300     /* a host name in a redirection */
#define NGX_HTTP_AI_REDIS_ITEMS  2
#define NGX_HTTP_AI_REDIS_DEPTH  6       /* arrays in one another */


typedef enum {
    NGX_HTTP_AI_REDIS_STATUS = 0,
    NGX_HTTP_AI_REDIS_ERROR,
    NGX_HTTP_AI_REDIS_STRING,
    NGX_HTTP_AI_REDIS_ARRAY,
    NGX_HTTP_AI_REDIS_NIL,
    NGX_HTTP_AI_REDIS_OTHER
} ngx_http_ai_redis_reply_e;


/*
 * Zero-terminated texts, cut where they are too long, of printable ASCII.  Of
 * an array only the first elements are kept, and of these only strings.
 */

typedef struct {
    ngx_http_ai_redis_reply_e     type;
    u_char                        text[NGX_HTTP_AI_REDIS_TEXT];
    u_char                        items[NGX_HTTP_AI_REDIS_ITEMS]
                                       [NGX_HTTP_AI_REDIS_TEXT];
} ngx_http_ai_redis_reply_t;


/* each but element() may close the connection */

typedef struct {
    void    (*ready)(void *data);          /* it stands, TLS included */
    void    (*reply)(void *data, ngx_http_ai_redis_reply_t *reply);
    void    (*progress)(void *data);       /* after replies, and when what
                                              was appended has gone */
    void    (*lost)(void *data, const char *why);
    void    (*leave)(void *data);          /* worker_shutdown_timeout */

    /* for each string in an array as soon as it is there: its place in each
       of "depth" arrays, the outermost first */
    void    (*element)(void *data, const ngx_uint_t *at, ngx_uint_t depth,
                       const ngx_str_t *text);
} ngx_http_ai_redis_conn_handlers_t;


struct redisReader;


typedef struct {
    const ngx_http_ai_redis_conn_handlers_t  *handlers;
    void                         *data;

    ngx_connection_t             *c;        /* NULL: closed */
    ngx_uint_t                    serial;   /* of the connection */
    ngx_log_t                     log;      /* c's, which goes to: */
    u_char                        said[NGX_HTTP_AI_REDIS_TEXT];
    const ngx_http_ai_redis_conf_t  *conf;
    ngx_str_t                     host;     /* whose certificate it must be */

    struct redisReader           *reader;
    ngx_http_ai_redis_reply_t     reply;    /* the one under the parser */

    u_char                       *out;      /* what is to be sent */
    u_char                       *pos;
    u_char                       *last;

    const char                   *why;      /* of NGX_ERROR */

    unsigned                      connected:1;
    unsigned                      large:1;  /* lost: a string was too large */
} ngx_http_ai_redis_conn_t;


/*
 * Begins to connect: ready() or lost() is called later.  NGX_ERROR: conn->why.
 * "host" lives until the connection is closed.
 */
ngx_int_t ngx_http_ai_redis_conn_open(ngx_http_ai_redis_conn_t *conn,
    struct sockaddr *sockaddr, socklen_t socklen, const ngx_str_t *host);

/* may be called at any time; no handler is called after it */
void ngx_http_ai_redis_conn_close(ngx_http_ai_redis_conn_t *conn);

/* gives back what outlives a connection */
void ngx_http_ai_redis_conn_free(ngx_http_ai_redis_conn_t *conn);

/* bytes that may be appended now; the largest command fits if nothing waits */
size_t ngx_http_ai_redis_conn_room(ngx_http_ai_redis_conn_t *conn);
void ngx_http_ai_redis_conn_append(ngx_http_ai_redis_conn_t *conn,
    const u_char *data, size_t len);

/* NGX_OK: all gone; NGX_AGAIN: progress() will tell; NGX_ERROR: conn->why */
ngx_int_t ngx_http_ai_redis_conn_flush(ngx_http_ai_redis_conn_t *conn);

/*
 * For a loop of one's own instead of nginx's: the events to poll for, and
 * what to do when they have come.
 */
short ngx_http_ai_redis_conn_events(ngx_http_ai_redis_conn_t *conn);
void ngx_http_ai_redis_conn_polled(ngx_http_ai_redis_conn_t *conn,
    short revents);


#endif /* _NGX_HTTP_AI_REDIS_CONN_H_INCLUDED_ */
