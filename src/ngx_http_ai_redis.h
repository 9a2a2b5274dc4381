
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Commands for Redis, per worker: lanes, each a queue with a connection that
 * takes them to wherever Redis is at the time.
 *
 *     redis       the lanes together; the end of a worker
 *     redis_link  a lane: one road back for all
 *                 failures, a new connection
 *     redis_nodes which node is next: a list, Sentinel, a cluster
 *     redis_tail  one that reads a stream instead, with the same nodes
 *     redis_greet credentials, database, role
 *     redis_conn  a connection: sockets, TLS, replies
 *     redis_conf  addresses and parameters of the configuration
 *
 * A command stays in its queue until Redis has confirmed it, however often
 * the connection is lost in between: at least once, in order.  Nothing here
 * blocks but ngx_http_ai_redis_stop().
 */


#ifndef _NGX_HTTP_AI_REDIS_H_INCLUDED_
#define _NGX_HTTP_AI_REDIS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "pure/ngx_http_ai_redisaddr.h"
#include "pure/ngx_http_ai_resp.h"


#define NGX_HTTP_AI_REDIS_MAX_SHARDS  64
#define NGX_HTTP_AI_REDIS_ASIDES      2

/* the smallest sensible queue_size */
#define NGX_HTTP_AI_REDIS_MIN_QUEUE   (128 * 1024)


typedef struct ngx_http_ai_redis_s  ngx_http_ai_redis_t;


/* of all lanes */

typedef struct {
    ngx_uint_t                    connected;
    ngx_uint_t                    confirmed;    /* commands, since create() */
    ngx_uint_t                    refused;      /* ... and given up */
    ngx_msec_t                    since;        /* ngx_current_msec */
} ngx_http_ai_redis_facts_t;


typedef struct {
    ngx_str_t                     host;     /* as written, zero-terminated;
                                               or the socket's path */
    in_port_t                     port;
    ngx_addr_t                   *addrs;    /* when it was read */
    ngx_uint_t                    naddrs;
    unsigned                      named:1;  /* host is no address */
} ngx_http_ai_redis_node_t;


/* a stream beside those of the records: if Redis takes nothing for it, these
   must go on */

typedef struct {
    ngx_str_t                     key;
    const char                   *what;     /* for the log */
    ngx_msec_t                    quiet;    /* after a line of it */
} ngx_http_ai_redis_aside_t;


/* from a file it changes while nginx runs, see ngx_http_ai_watch.h */

typedef struct {
    ngx_str_t                     value;
    u_char                       *spare;    /* where the next one goes */
} ngx_http_ai_redis_secret_t;


typedef struct {
    ngx_http_ai_redisaddr_e       kind;
    ngx_http_ai_redis_node_t     *nodes;
    ngx_uint_t                    nnodes;
    ngx_str_t                     master;   /* its name among the sentinels */
    ngx_uint_t                    database;

    ngx_str_t                     user;
    ngx_http_ai_redis_secret_t    password;
    ngx_str_t                     sentinel_user;
    ngx_http_ai_redis_secret_t    sentinel_password;

    ngx_flag_t                    tls;
    ngx_flag_t                    verify;
    ngx_str_t                     trusted;
    ngx_str_t                     sni;      /* empty: the node's host */
    ngx_str_t                     certificate;
    ngx_str_t                     certificate_key;
    void                         *ssl;      /* ngx_ssl_t; NULL: no TLS */

    void                         *clcf;     /* of http {}: its "resolver" is
                                               known when all is read */

    ngx_uint_t                    shards;   /* how many keys there are */
    ngx_http_ai_redis_aside_t     asides[NGX_HTTP_AI_REDIS_ASIDES];

    ngx_uint_t                    seen;     /* bits: parameters given */
} ngx_http_ai_redis_conf_t;


/*
 * The address and, one by one, the parameters that belong to the connection;
 * end() checks them together and looks up the hosts.  NGX_DECLINED: not an
 * address of a Redis, not such a parameter.  NGX_ERROR: logged, a secret is
 * never repeated.  conf is zeroed by the caller, and keeps its place.
 */
ngx_int_t ngx_http_ai_redis_conf_address(ngx_conf_t *cf,
    ngx_http_ai_redis_conf_t *conf, ngx_str_t *text);
ngx_int_t ngx_http_ai_redis_conf_param(ngx_conf_t *cf,
    ngx_http_ai_redis_conf_t *conf, ngx_str_t *arg);
ngx_int_t ngx_http_ai_redis_conf_end(ngx_conf_t *cf,
    ngx_http_ai_redis_conf_t *conf);


/*
 * How many lanes there are: in a cluster, whose shards may be at different
 * nodes, one for each shard, otherwise one for all.  A shard's lane is that
 * of its number modulo this.
 */
#define ngx_http_ai_redis_lanes(conf)                                         \
    ((conf)->kind == NGX_HTTP_AI_REDISADDR_CLUSTER ? (conf)->shards : 1)


/*
 * A lane of this number begins to connect.  conf must stay; map is the
 * queue's memory, zeroed, or NULL; kept: who waits may be kept elsewhere, so
 * the worker need not stay for them.
 */
ngx_int_t ngx_http_ai_redis_start(ngx_http_ai_redis_t *redis, ngx_uint_t lane,
    size_t queue_size, u_char *map, ngx_uint_t kept);

/*
 * NULL if there is no memory; what is returned lives as long as the process.
 * changed() is called when a connection came or went, or something was
 * confirmed.
 */
ngx_http_ai_redis_t *ngx_http_ai_redis_create(ngx_cycle_t *cycle,
    const ngx_http_ai_redis_conf_t *conf, void (*changed)(void *data),
    void *data);

/* connections that are up, and since when nothing was confirmed although
   something waits; 0: nothing does */
void ngx_http_ai_redis_facts(ngx_http_ai_redis_t *redis,
    ngx_http_ai_redis_facts_t *facts);

/*
 * Room for a command at the end of the lane's queue: at least "min" bytes,
 * *size of them, or NULL if the queue is full or memory is.  The command is
 * queued by commit(), with no other call in between, and sent at the end of
 * the event loop's turn.  The commands are XADDs: only a reply as theirs
 * confirms one.
 */
u_char *ngx_http_ai_redis_reserve(ngx_http_ai_redis_t *redis,
    ngx_uint_t lane, size_t min, size_t *size);
void ngx_http_ai_redis_commit(ngx_http_ai_redis_t *redis, ngx_uint_t lane,
    size_t len, ngx_uint_t copy);

/* 1: commands are being confirmed, or nothing speaks against it */
ngx_uint_t ngx_http_ai_redis_takes(ngx_http_ai_redis_t *redis,
    ngx_uint_t lane);

/* the queue itself, for whoever moves commands out of it */
ngx_http_ai_resp_queue_t *ngx_http_ai_redis_queue(ngx_http_ai_redis_t *redis,
    ngx_uint_t lane);

/*
 * Sends what is queued, blocking for "limit" milliseconds at most, and closes
 * the connections.  What was not confirmed is still in the queues, until
 * free().
 */
void ngx_http_ai_redis_stop(ngx_http_ai_redis_t *redis, ngx_msec_t limit);
void ngx_http_ai_redis_free(ngx_http_ai_redis_t *redis);


#endif /* _NGX_HTTP_AI_REDIS_H_INCLUDED_ */
