
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * A queue of commands and the connection that takes them to Redis, again and
 * again until they are confirmed.
 */


#ifndef _NGX_HTTP_AI_REDIS_LINK_H_INCLUDED_
#define _NGX_HTTP_AI_REDIS_LINK_H_INCLUDED_


#include "ngx_http_ai_redis_session.h"
#include "pure/ngx_http_ai_resp.h"


/*
 * There is one road back for every failure, a new connection: an error reply
 * (LOADING, OOM, READONLY, NOAUTH, WRONGTYPE ...) takes it too, since it may
 * be another server that answers next time.  Nothing more is sent then, and
 * the connection ends when the replies to what is in flight are there
 * (draining).  What a new connection may send before the first success is one
 * command, so that retries stay cheap.
 */

typedef struct {
    ngx_http_ai_redis_session_t   session;
    ngx_http_ai_resp_queue_t      queue;

    u_char                        why[NGX_HTTP_AI_REDIS_WHY];    /* draining */
    u_char                        reason[NGX_HTTP_AI_REDIS_WHY]; /* logged */

    ngx_event_t                   hold;     /* keeps an exiting worker */
    ngx_event_t                   flush;    /* posted */
    ngx_connection_t              dumb;     /* the data of these events */

    void                        (*changed)(void *data);
    void                         *data;

    ngx_uint_t                    confirmed;  /* commands */
    ngx_uint_t                    refused;  /* given up for that */
    ngx_msec_t                    waits;    /* the last of them, or the first
                                               one in an empty queue */
    ngx_msec_t                    ask_since;
    ngx_msec_t                    last_reply;
    ngx_msec_t                    logged;     /* the last loss */
    ngx_msec_t                    spared[NGX_HTTP_AI_REDIS_ASIDES];
                                              /* what was refused aside */
    ngx_uint_t                    ticks;    /* of hold, while exiting */
    ngx_uint_t                    idle_ticks;
    ngx_uint_t                    held;     /* commands at the last tick */

    unsigned                      failing:1;
    unsigned                      flapping:1; /* failed soon after success */
    unsigned                      told:1;     /* the log says that it fails */
    unsigned                      asking:1;   /* ASKING before each command, */
    unsigned                      skip:1;     /*  and its reply comes next */
    unsigned                      draining:1;
    unsigned                      moved:1;    /*  for another node */
    unsigned                      kept:1;     /* who waits is not lost then */
} ngx_http_ai_redis_link_t;


/* it was greeted; what it is worth, the next command tells */
#define ngx_http_ai_redis_link_connected(link)                                \
    ((link)->session.state == NGX_HTTP_AI_REDIS_OPEN)


/* begins to connect; link is zeroed, but for changed; conf must stay */
ngx_int_t ngx_http_ai_redis_link_start(ngx_http_ai_redis_link_t *link,
    ngx_cycle_t *cycle, const ngx_http_ai_redis_conf_t *conf,
    size_t queue_size, u_char *map, ngx_uint_t kept);

/* a command was added to link->queue */
void ngx_http_ai_redis_link_queued(ngx_http_ai_redis_link_t *link);

/* 1: commands are being confirmed, or nothing speaks against it */
ngx_uint_t ngx_http_ai_redis_link_takes(ngx_http_ai_redis_link_t *link);

/*
 * The end of the worker: after close() there is no event loop any more, and
 * step() does what is due and may be done at once.  end() closes the
 * connection; the queue stays.
 */
void ngx_http_ai_redis_link_close(ngx_http_ai_redis_link_t *link);
void ngx_http_ai_redis_link_step(ngx_http_ai_redis_link_t *link);
void ngx_http_ai_redis_link_end(ngx_http_ai_redis_link_t *link);


#endif /* _NGX_HTTP_AI_REDIS_LINK_H_INCLUDED_ */
