
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Reads a stream to its end and then what is added to it, entry by entry, over
 * a connection of its own, for as long as it is wanted: whatever fails, there
 * is another connection after a while.
 *
 * Nobody waits for it, and it waits in Redis (XREAD BLOCK).
 */


#ifndef _NGX_HTTP_AI_REDIS_TAIL_H_INCLUDED_
#define _NGX_HTTP_AI_REDIS_TAIL_H_INCLUDED_


#include "ngx_http_ai_redis_session.h"
#include "pure/ngx_http_ai_xread.h"


/* what is set by who uses it; the rest is zeroed */

typedef struct {
    const ngx_http_ai_redis_conf_t  *conf;
    const ngx_str_t              *key;
    const char                   *what;     /* for the log */
    ngx_log_t                    *log;
    void                        (*read)(void *data);    /* a reply was; "x"
                                               tells the place and counts */
    void                        (*changed)(void *data); /* session.up did, or
                                               a connection has failed */
    void                         *data;

    /* names and handler by xread_init(); last: where to begin */
    ngx_http_ai_xread_t           x;

    ngx_http_ai_redis_session_t   session;  /* up: it has read */

    ngx_uint_t                    failures; /* connections lost or refused */
    ngx_msec_t                    logged;
    u_char                        reason[NGX_HTTP_AI_REDIS_WHY];

    unsigned                      told:1;   /* the log says that it fails */
    unsigned                      due:1;    /* the next XREAD */
    unsigned                      skip:1;   /* the reply to ASKING comes next */
    unsigned                      exact:1;  /* the next connection begins just
                                               behind the last entry */
    unsigned                      back:1;   /* x.last is a step back, and
                                               nothing was read since */
} ngx_http_ai_redis_tail_t;


/* once; memory of the pool, conf must stay */
ngx_int_t ngx_http_ai_redis_tail_init(ngx_http_ai_redis_tail_t *tail,
    ngx_pool_t *pool);

/* begins behind tail->x.last; stop() may be called at any time but in read() */
void ngx_http_ai_redis_tail_start(ngx_http_ai_redis_tail_t *tail);
void ngx_http_ai_redis_tail_stop(ngx_http_ai_redis_tail_t *tail);


#endif /* _NGX_HTTP_AI_REDIS_TAIL_H_INCLUDED_ */
