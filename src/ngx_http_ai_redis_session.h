
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * A greeted connection to the Redis that is in charge, and another one
 * whenever that is lost: what a link and a tail have in common.  What is said
 * over it is theirs, and so is what they make of a loss.
 */


#ifndef _NGX_HTTP_AI_REDIS_SESSION_H_INCLUDED_
#define _NGX_HTTP_AI_REDIS_SESSION_H_INCLUDED_


#include "ngx_http_ai_redis_greet.h"


#define NGX_HTTP_AI_REDIS_ASKING  "*1\r\n$6\r\nASKING\r\n"


/*
 *             connected  greeted  closed, timeout
 *
 * WAITING         -         -           -
 * RESOLVING       -         -      CONNECTING (1)
 * CONNECTING  GREETING      -         lost()
 * GREETING        -       OPEN        lost()
 * OPEN            -         -         lost(), a timeout: silent()
 *
 * (1) to the last address; the answer of a name server leads there, too
 *
 * The timer leaves WAITING for RESOLVING, which is passed at once where there
 * is nothing to look up.  A connection to a sentinel ends in GREETING, with
 * the master's address: elsewhere().  The way back to WAITING is close(), and
 * wait() or pause(), which the owner calls.
 */

typedef enum {
    NGX_HTTP_AI_REDIS_WAITING = 0,
    NGX_HTTP_AI_REDIS_RESOLVING,
    NGX_HTTP_AI_REDIS_CONNECTING,
    NGX_HTTP_AI_REDIS_GREETING,
    NGX_HTTP_AI_REDIS_OPEN
} ngx_http_ai_redis_state_e;


/* those of a connection (redis_conn.h), once it is greeted, and more */

typedef struct {
    void    (*greeted)(void *data);
    void    (*reply)(void *data, ngx_http_ai_redis_reply_t *reply);
    void    (*progress)(void *data);
    void    (*element)(void *data, const ngx_uint_t *at, ngx_uint_t depth,
                       const ngx_str_t *text);
    void    (*elsewhere)(void *data);      /* nodes know where to */
    void    (*lost)(void *data, const char *why);   /* in any state */
    void    (*silent)(void *data);
    void    (*leave)(void *data);
} ngx_http_ai_redis_session_handlers_t;


/* what is set by who uses it comes first; the rest is zeroed */

typedef struct {
    const ngx_http_ai_redis_conf_t  *conf;
    ngx_log_t                    *log;
    const ngx_http_ai_redis_session_handlers_t  *handlers;
    void                         *data;

    ngx_http_ai_redis_state_e     state;
    ngx_http_ai_redis_conn_t      conn;
    ngx_http_ai_redis_nodes_t     nodes;
    ngx_http_ai_redis_greet_t     greet;

    ngx_event_t                   timer;    /* retry, timeout or silence */
    ngx_connection_t              dumb;     /* its data */

    ngx_msec_t                    backoff;
    ngx_msec_t                    due;      /* WAITING: the next try */
    ngx_msec_t                    up_since;

    unsigned                      up:1;     /* this connection is of use */
    unsigned                      closing:1;    /* no event loop any more */
} ngx_http_ai_redis_session_t;


/* once; memory of the pool, conf must stay */
ngx_int_t ngx_http_ai_redis_session_init(ngx_http_ai_redis_session_t *s,
    ngx_pool_t *pool);

void ngx_http_ai_redis_session_connect(ngx_http_ai_redis_session_t *s);

/*
 * Leads to WAITING without a timer, no handler is called.  A text that lost()
 * has got may be the connection's: close() comes after its last use.
 */
void ngx_http_ai_redis_session_close(ngx_http_ai_redis_session_t *s);

/* close() for good, or until connect() */
void ngx_http_ai_redis_session_end(ngx_http_ai_redis_session_t *s);

/* (re)sets the timer, milliseconds */
void ngx_http_ai_redis_session_wait(ngx_http_ai_redis_session_t *s,
    ngx_msec_t delay);

/*
 * The same, longer from one time to the next, also over connections that live
 * shortly, so that a server which takes one command and refuses the next is
 * not flooded either.
 */
void ngx_http_ai_redis_session_pause(ngx_http_ai_redis_session_t *s);

/* a command has succeeded; 1: the first one of this connection */
ngx_uint_t ngx_http_ai_redis_session_worked(ngx_http_ai_redis_session_t *s);

/* 1: it has been of use for some time */
ngx_uint_t ngx_http_ai_redis_session_stable(ngx_http_ai_redis_session_t *s);

/*
 * What an unwanted reply means.  NGX_OK: a cluster sends on to another node,
 * nodes know where to; NGX_ERROR: "why", which lives as long as the reply.
 */
ngx_int_t ngx_http_ai_redis_session_refused(ngx_http_ai_redis_session_t *s,
    ngx_http_ai_redis_reply_t *reply, char **why);


#endif /* _NGX_HTTP_AI_REDIS_SESSION_H_INCLUDED_ */
