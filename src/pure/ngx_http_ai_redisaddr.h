
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Where Redis is: the address that a configuration names, and the one that a
 * node of a Redis Cluster names in a redirection.
 */


#ifndef _NGX_HTTP_AI_REDISADDR_H_INCLUDED_
#define _NGX_HTTP_AI_REDISADDR_H_INCLUDED_


#include "ngx_http_ai_base.h"


#define NGX_HTTP_AI_REDISADDR_NODES     16
#define NGX_HTTP_AI_REDISADDR_PORT      6379
#define NGX_HTTP_AI_REDISADDR_SENTINEL  26379


typedef enum {
    NGX_HTTP_AI_REDISADDR_LIST = 0,    /* redis://, one node or a list */
    NGX_HTTP_AI_REDISADDR_UNIX,
    NGX_HTTP_AI_REDISADDR_SENTINELS,
    NGX_HTTP_AI_REDISADDR_CLUSTER
} ngx_http_ai_redisaddr_e;


typedef struct {
    ngx_str_t                        host;     /* IPv6 without brackets */
    ngx_uint_t                       port;
} ngx_http_ai_redisaddr_node_t;


/* all strings are parts of the text that was parsed */

typedef struct {
    ngx_http_ai_redisaddr_e          kind;
    ngx_uint_t                       tls;      /* rediss:// */
    ngx_str_t                        user;
    ngx_str_t                        path;     /* UNIX: the socket */
    ngx_str_t                        master;   /* SENTINELS: its name */
    ngx_uint_t                       database;
    ngx_uint_t                       nnodes;
    ngx_http_ai_redisaddr_node_t     nodes[NGX_HTTP_AI_REDISADDR_NODES];
} ngx_http_ai_redisaddr_t;


/*
 * NGX_DECLINED: no address of a Redis at all.  NGX_ERROR: *wrong says what to
 * write, a constant; the text may hold a password and is not to be shown.
 *
 *     redis://[user@]host[:port][,host[:port]...][/db], rediss:// likewise
 *     unix:/path[:db]
 *     sentinel://host[:port][,...]/master[/db]
 *     cluster://host[:port][,...]
 */
ngx_int_t ngx_http_ai_redisaddr_parse(ngx_http_ai_redisaddr_t *addr,
    const ngx_str_t *text, const char **wrong);


typedef enum {
    NGX_HTTP_AI_REDISADDR_NONE = 0,
    NGX_HTTP_AI_REDISADDR_MOVED,
    NGX_HTTP_AI_REDISADDR_ASK
} ngx_http_ai_redisaddr_hop_e;


/*
 * An error reply, "MOVED 3999 127.0.0.1:6381" or "ASK ...".  An empty host
 * means the one that said so ("?", the host of a node that does not know its
 * own, becomes empty, too).
 */
ngx_http_ai_redisaddr_hop_e ngx_http_ai_redisaddr_hop(const ngx_str_t *error,
    ngx_http_ai_redisaddr_node_t *node);


#endif /* _NGX_HTTP_AI_REDISADDR_H_INCLUDED_ */
