
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What comes first on a connection to a Redis: credentials, the database, and
 * whether it is the right one.
 */


#ifndef _NGX_HTTP_AI_REDIS_GREET_H_INCLUDED_
#define _NGX_HTTP_AI_REDIS_GREET_H_INCLUDED_


#include "ngx_http_ai_redis_nodes.h"


#define NGX_HTTP_AI_REDIS_GREETINGS  4
#define NGX_HTTP_AI_REDIS_WHY        128


typedef enum {
    NGX_HTTP_AI_REDIS_AUTH = 0,
    NGX_HTTP_AI_REDIS_SELECT,
    NGX_HTTP_AI_REDIS_ROLE,
    NGX_HTTP_AI_REDIS_MASTER
} ngx_http_ai_redis_greeting_e;


typedef struct {
    ngx_http_ai_redis_conn_t     *conn;
    ngx_http_ai_redis_nodes_t    *nodes;
    ngx_http_ai_redis_greeting_e  said[NGX_HTTP_AI_REDIS_GREETINGS];
    ngx_uint_t                    n;        /* of these */
    ngx_uint_t                    answered;
} ngx_http_ai_redis_greet_t;


/* appends it to conn, which stands, and notes what it was; n 0: nothing */
void ngx_http_ai_redis_greet(ngx_http_ai_redis_greet_t *greet,
    ngx_http_ai_redis_conn_t *conn, ngx_http_ai_redis_nodes_t *nodes);

/*
 * The next answer.  NGX_OK: it was the last one, and all is well; NGX_AGAIN:
 * there are more; NGX_DONE: a sentinel told where to go; NGX_ERROR: this is
 * not the right one, "why" of NGX_HTTP_AI_REDIS_WHY bytes says so.
 */
ngx_int_t ngx_http_ai_redis_greet_answer(ngx_http_ai_redis_greet_t *greet,
    ngx_http_ai_redis_reply_t *reply, u_char *why);


#endif /* _NGX_HTTP_AI_REDIS_GREET_H_INCLUDED_ */
