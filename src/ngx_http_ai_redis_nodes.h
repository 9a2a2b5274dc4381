
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Which node a connection goes to next: the list as it is written, one round
 * after another, or the place that a sentinel or a cluster has told.
 *
 * Names are looked up when the configuration is read and, where nginx has a
 * "resolver", again after a connection was lost; what was found last stays in
 * force until something else is found.  Nothing here blocks.
 */


#ifndef _NGX_HTTP_AI_REDIS_NODES_H_INCLUDED_
#define _NGX_HTTP_AI_REDIS_NODES_H_INCLUDED_


#include "ngx_http_ai_redis_conn.h"


#define NGX_HTTP_AI_REDIS_ADDRS  8       /* used of a name */


typedef struct {
    ngx_sockaddr_t                addrs[NGX_HTTP_AI_REDIS_ADDRS];
    socklen_t                     lens[NGX_HTTP_AI_REDIS_ADDRS];
    ngx_uint_t                    naddrs;
} ngx_http_ai_redis_addrs_t;


typedef struct {
    const ngx_http_ai_redis_conf_t  *conf;

    ngx_http_ai_redis_addrs_t    *known;     /* of conf->nodes */
    ngx_uint_t                    node;      /* whose turn it is, and of */
    ngx_uint_t                    addr;      /*  which address */
    ngx_uint_t                    tried;     /* of this round */

    /* told by a sentinel or a cluster */

    u_char                        host[NGX_HTTP_AI_REDIS_TEXT];
    in_port_t                     port;
    ngx_http_ai_redis_addrs_t     told;
    ngx_uint_t                    hops;      /* since the last success */

    ngx_resolver_ctx_t           *ctx;       /* while an answer is awaited */
    void                        (*handler)(void *data);
    void                         *data;

    /* what address() has found */

    struct sockaddr              *sockaddr;
    socklen_t                     socklen;
    ngx_str_t                     peer;      /* its host */
    ngx_str_t                     name;      /* for the log */
    u_char                        text[NGX_HTTP_AI_REDIS_TEXT
                                       + NGX_SOCKADDR_STRLEN + 16];

    const char                   *why;       /* of NGX_ERROR */

    unsigned                      have:1;    /* a place was told */
    unsigned                      ask:1;     /*  by ASK: for this time only */
    unsigned                      again:1;   /* look names up again */
} ngx_http_ai_redis_nodes_t;


/* handler: what is called when a name's answer is there */
ngx_int_t ngx_http_ai_redis_nodes_init(ngx_http_ai_redis_nodes_t *nodes,
    const ngx_http_ai_redis_conf_t *conf, ngx_pool_t *pool,
    void (*handler)(void *data), void *data);

/*
 * The address to connect to.  NGX_AGAIN: the handler is called, which asks
 * again; with "now" it never is.  NGX_ERROR: nodes->why.
 */
ngx_int_t ngx_http_ai_redis_nodes_address(ngx_http_ai_redis_nodes_t *nodes,
    ngx_uint_t now);

/* gives up waiting for an answer: the last addresses are used */
void ngx_http_ai_redis_nodes_cancel(ngx_http_ai_redis_nodes_t *nodes);

/* what is connected to is a sentinel, to be asked for the master */
#define ngx_http_ai_redis_nodes_sentinel(nodes)                               \
    ((nodes)->conf->kind == NGX_HTTP_AI_REDISADDR_SENTINELS && !(nodes)->have)

/* where to go next; NGX_DECLINED: that was told too often, or is nonsense */
ngx_int_t ngx_http_ai_redis_nodes_told(ngx_http_ai_redis_nodes_t *nodes,
    const ngx_str_t *host, ngx_uint_t port, ngx_uint_t ask);

/*
 * The node is no good.  NGX_OK: the next one may be tried at once; NGX_DONE:
 * that was all of them, it is time for a pause.
 */
ngx_int_t ngx_http_ai_redis_nodes_next(ngx_http_ai_redis_nodes_t *nodes);

/* the node has taken a command */
void ngx_http_ai_redis_nodes_worked(ngx_http_ai_redis_nodes_t *nodes);

/* a connection that was of use has ended: names may have changed since */
void ngx_http_ai_redis_nodes_ended(ngx_http_ai_redis_nodes_t *nodes);


#endif /* _NGX_HTTP_AI_REDIS_NODES_H_INCLUDED_ */
