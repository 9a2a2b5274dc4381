
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <poll.h>

#include <hiredis/hiredis.h>
#include <hiredis/async.h>

#include "ngx_http_ai_redis.h"
#include "pure/ngx_http_ai_resp.h"


#define NGX_HTTP_AI_REDIS_WINDOW      512      /* commands in flight */
#define NGX_HTTP_AI_REDIS_MAX_REPLY   (64 * 1024)

#define NGX_HTTP_AI_REDIS_CONNECT_MS  3000     /* greeting included */
#define NGX_HTTP_AI_REDIS_SILENCE_MS  5000     /* no reply while in flight */
#define NGX_HTTP_AI_REDIS_BACKOFF_MS  50
#define NGX_HTTP_AI_REDIS_MAX_BACKOFF_MS  2000
#define NGX_HTTP_AI_REDIS_STABLE_MS   10000    /* back-off starts anew after */
#define NGX_HTTP_AI_REDIS_RELOG_MS    60000

#define NGX_HTTP_AI_REDIS_HOLD_MS     500
#define NGX_HTTP_AI_REDIS_HOLD_TICKS  60       /* at exit: 30 s in all, */
#define NGX_HTTP_AI_REDIS_IDLE_TICKS  6        /*  3 s without a success */

#define NGX_HTTP_AI_REDIS_TEXT        128


/*
 *              connected  greeted  bad reply  in flight 0  closed, timeout
 *
 * WAITING          -         -         -           -            -
 * CONNECTING   GREETING      -         -           -         WAITING
 * GREETING         -       READY    WAITING        -         WAITING
 * READY            -         -      DRAINING       -         WAITING
 * DRAINING         -         -         -        WAITING      WAITING
 *
 * The timer leaves WAITING for CONNECTING.  A connection without a greeting
 * passes GREETING at once.
 *
 * There is one road back for every failure, a new connection: an error reply
 * (LOADING, OOM, READONLY, NOAUTH, WRONGTYPE ...) takes it too, since it may
 * be another server that answers next time.  What a new connection may send
 * before the first success is one command, so that retries stay cheap.
 */

typedef enum {
    NGX_HTTP_AI_REDIS_WAITING = 0,
    NGX_HTTP_AI_REDIS_CONNECTING,
    NGX_HTTP_AI_REDIS_GREETING,
    NGX_HTTP_AI_REDIS_READY,
    NGX_HTTP_AI_REDIS_DRAINING
} ngx_http_ai_redis_state_e;


struct ngx_http_ai_redis_s {
    ngx_http_ai_redis_conf_t      conf;
    ngx_str_t                     name;     /* for the log */
    ngx_log_t                    *log;

    ngx_http_ai_redis_state_e     state;
    redisAsyncContext            *ac;       /* NULL only while WAITING */
    redisReply                    reply;    /* the one under the parser */
    u_char                        text[NGX_HTTP_AI_REDIS_TEXT];   /* its */
    u_char                        reason[NGX_HTTP_AI_REDIS_TEXT]; /* logged */

    ngx_http_ai_resp_queue_t      queue;
    ngx_uint_t                    greetings;  /* replies to come */

    ngx_event_t                   timer;    /* retry, timeout or silence */
    ngx_event_t                   hold;     /* keeps an exiting worker */
    ngx_event_t                   flush;    /* posted */
    ngx_connection_t              dumb;     /* the data of these events */

    ngx_msec_t                    backoff;
    ngx_msec_t                    up_since;
    ngx_msec_t                    last_reply;
    ngx_msec_t                    logged;     /* the last loss */
    ngx_uint_t                    ticks;    /* of hold, while exiting */
    ngx_uint_t                    idle_ticks;
    ngx_uint_t                    held;     /* commands at the last tick */

    unsigned                      up:1;       /* a command was confirmed */
    unsigned                      failing:1;
    unsigned                      flapping:1; /* failed soon after success */
    unsigned                      told:1;     /* the log says that it fails */
    unsigned                      corked:1;   /* we write at the end */
    unsigned                      lied:1;     /* a reply to nothing came */
    unsigned                      closing:1;  /* the worker goes */
};


static ngx_int_t ngx_http_ai_redis_name(ngx_http_ai_redis_t *redis,
    ngx_pool_t *pool);

static void ngx_http_ai_redis_connect(ngx_http_ai_redis_t *redis);
static ngx_int_t ngx_http_ai_redis_attach(ngx_http_ai_redis_t *redis,
    redisAsyncContext *ac);
static ngx_int_t ngx_http_ai_redis_greet(ngx_http_ai_redis_t *redis,
    const ngx_str_t *cmd);
static void ngx_http_ai_redis_ready(ngx_http_ai_redis_t *redis);
static void ngx_http_ai_redis_send(ngx_http_ai_redis_t *redis);
static void ngx_http_ai_redis_progress(ngx_http_ai_redis_t *redis);
static void ngx_http_ai_redis_drop(ngx_http_ai_redis_t *redis,
    const char *why);
static void ngx_http_ai_redis_lost(ngx_http_ai_redis_t *redis,
    const char *why);
static void ngx_http_ai_redis_failed(ngx_http_ai_redis_t *redis,
    const char *why);
static void ngx_http_ai_redis_worked(ngx_http_ai_redis_t *redis);
static ngx_uint_t ngx_http_ai_redis_stable(ngx_http_ai_redis_t *redis);
static void ngx_http_ai_redis_step(ngx_http_ai_redis_t *redis,
    ngx_msec_t limit);

static void ngx_http_ai_redis_read_handler(ngx_event_t *rev);
static void ngx_http_ai_redis_write_handler(ngx_event_t *wev);
static void ngx_http_ai_redis_timer_handler(ngx_event_t *ev);
static void ngx_http_ai_redis_hold_handler(ngx_event_t *ev);
static void ngx_http_ai_redis_flush_handler(ngx_event_t *ev);

static void ngx_http_ai_redis_on_connect(const redisAsyncContext *ac,
    int status);
static void ngx_http_ai_redis_on_disconnect(const redisAsyncContext *ac,
    int status);
static void ngx_http_ai_redis_on_greeting(redisAsyncContext *ac, void *reply,
    void *data);
static void ngx_http_ai_redis_on_reply(redisAsyncContext *ac, void *reply,
    void *data);

static void ngx_http_ai_redis_add_read(void *data);
static void ngx_http_ai_redis_del_read(void *data);
static void ngx_http_ai_redis_add_write(void *data);
static void ngx_http_ai_redis_del_write(void *data);
static void ngx_http_ai_redis_cleanup(void *data);

static void *ngx_http_ai_redis_parse(const redisReadTask *task);
static void *ngx_http_ai_redis_parse_string(const redisReadTask *task,
    char *str, size_t len);
static void *ngx_http_ai_redis_parse_integer(const redisReadTask *task,
    long long value);
static void *ngx_http_ai_redis_parse_nil(const redisReadTask *task);
static void ngx_http_ai_redis_parse_free(void *reply);

#if (HIREDIS_MAJOR >= 1)
static void *ngx_http_ai_redis_parse_array(const redisReadTask *task,
    size_t n);
static void *ngx_http_ai_redis_parse_double(const redisReadTask *task,
    double value, char *str, size_t len);
static void *ngx_http_ai_redis_parse_bool(const redisReadTask *task,
    int value);
#else
static void *ngx_http_ai_redis_parse_array(const redisReadTask *task, int n);
#endif


static redisReplyObjectFunctions  ngx_http_ai_redis_parser = {
    ngx_http_ai_redis_parse_string,
    ngx_http_ai_redis_parse_array,
    ngx_http_ai_redis_parse_integer,
#if (HIREDIS_MAJOR >= 1)
    ngx_http_ai_redis_parse_double,
#endif
    ngx_http_ai_redis_parse_nil,
#if (HIREDIS_MAJOR >= 1)
    ngx_http_ai_redis_parse_bool,
#endif
    ngx_http_ai_redis_parse_free
};


ngx_http_ai_redis_t *
ngx_http_ai_redis_create(ngx_cycle_t *cycle,
    const ngx_http_ai_redis_conf_t *conf)
{
    ngx_http_ai_redis_t  *redis;

    redis = ngx_pcalloc(cycle->pool, sizeof(ngx_http_ai_redis_t));
    if (redis == NULL) {
        return NULL;
    }

    redis->conf = *conf;
    redis->log = cycle->log;

    if (ngx_http_ai_redis_name(redis, cycle->pool) != NGX_OK
        || ngx_http_ai_resp_queue_init(&redis->queue, conf->queue_size)
           != NGX_OK)
    {
        return NULL;
    }

    redis->dumb.fd = (ngx_socket_t) -1;
    redis->dumb.data = redis;

    redis->timer.handler = ngx_http_ai_redis_timer_handler;
    redis->timer.data = &redis->dumb;
    redis->timer.log = cycle->log;
    redis->timer.cancelable = 1;

    redis->hold.handler = ngx_http_ai_redis_hold_handler;
    redis->hold.data = &redis->dumb;
    redis->hold.log = cycle->log;

    redis->flush.handler = ngx_http_ai_redis_flush_handler;
    redis->flush.data = &redis->dumb;
    redis->flush.log = cycle->log;

    ngx_http_ai_redis_connect(redis);

    return redis;
}


static ngx_int_t
ngx_http_ai_redis_name(ngx_http_ai_redis_t *redis, ngx_pool_t *pool)
{
    u_char                    *p, *last;
    ngx_http_ai_redis_conf_t  *conf;

    conf = &redis->conf;

    p = ngx_pnalloc(pool, conf->path.len + conf->host.len + 16);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (conf->path.len) {
        last = ngx_sprintf(p, "unix:%V", &conf->path);

    } else if (ngx_strchr(conf->host.data, ':')) {
        last = ngx_sprintf(p, "[%V]:%d", &conf->host, (int) conf->port);

    } else {
        last = ngx_sprintf(p, "%V:%d", &conf->host, (int) conf->port);
    }

    redis->name.data = p;
    redis->name.len = last - p;

    return NGX_OK;
}


u_char *
ngx_http_ai_redis_reserve(ngx_http_ai_redis_t *redis, size_t min,
    size_t *size)
{
    return ngx_http_ai_resp_queue_reserve(&redis->queue, min, size);
}


void
ngx_http_ai_redis_commit(ngx_http_ai_redis_t *redis, size_t len)
{
    ngx_http_ai_resp_queue_commit(&redis->queue, len);

    redis->ticks = 0;
    redis->idle_ticks = 0;
    redis->hold.cancelable = redis->closing;

    if (!redis->hold.timer_set) {
        ngx_add_timer(&redis->hold, NGX_HTTP_AI_REDIS_HOLD_MS);
    }

    if (redis->state == NGX_HTTP_AI_REDIS_READY) {
        ngx_post_event(&redis->flush, &ngx_posted_events);
    }
}


static void
ngx_http_ai_redis_connect(ngx_http_ai_redis_t *redis)
{
    redisAsyncContext  *ac;

    ac = redis->conf.path.len
             ? redisAsyncConnectUnix((char *) redis->conf.path.data)
             : redisAsyncConnect((char *) redis->conf.host.data,
                                 redis->conf.port);

    if (ac == NULL) {
        ngx_http_ai_redis_lost(redis, "out of memory");
        return;
    }

    if (ac->err) {
        ngx_http_ai_redis_lost(redis, ac->c.errstr);
        redisAsyncFree(ac);
        return;
    }

    if (ngx_http_ai_redis_attach(redis, ac) != NGX_OK) {
        ngx_http_ai_redis_lost(redis, "no free worker_connections");
        redisAsyncFree(ac);
        return;
    }

    redis->ac = ac;
    redis->state = NGX_HTTP_AI_REDIS_CONNECTING;

    if (redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    ngx_add_timer(&redis->timer, NGX_HTTP_AI_REDIS_CONNECT_MS);
}


static ngx_int_t
ngx_http_ai_redis_attach(ngx_http_ai_redis_t *redis, redisAsyncContext *ac)
{
    ngx_connection_t  *c;

    /* ngx_get_connection() would log an alert on each of our retries */

    if (ngx_cycle->free_connection_n == 0
        && ngx_cycle->reusable_connections_n == 0)
    {
        return NGX_DECLINED;
    }

    c = ngx_get_connection(ac->c.fd, redis->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->data = redis;
    c->log = redis->log;
    c->read->log = redis->log;
    c->write->log = redis->log;
    c->read->handler = ngx_http_ai_redis_read_handler;
    c->write->handler = ngx_http_ai_redis_write_handler;

    ac->data = redis;
    ac->ev.data = c;
    ac->ev.addRead = ngx_http_ai_redis_add_read;
    ac->ev.delRead = ngx_http_ai_redis_del_read;
    ac->ev.addWrite = ngx_http_ai_redis_add_write;
    ac->ev.delWrite = ngx_http_ai_redis_del_write;
    ac->ev.cleanup = ngx_http_ai_redis_cleanup;

    ac->c.reader->fn = &ngx_http_ai_redis_parser;
    ac->c.reader->privdata = redis;

    /* asks for the write event, so the hooks come first */

    (void) redisAsyncSetConnectCallback(ac, ngx_http_ai_redis_on_connect);
    (void) redisAsyncSetDisconnectCallback(ac,
                                           ngx_http_ai_redis_on_disconnect);

    return NGX_OK;
}


/*
 * hiredis 0.14 goes on with the context after this call, so it must not be
 * freed in here: what fails is left to the connect timeout.
 */

static void
ngx_http_ai_redis_on_connect(const redisAsyncContext *ac, int status)
{
    ngx_http_ai_redis_t  *redis;

    redis = ac->data;

    if (ac != redis->ac) {
        return;
    }

    if (status != REDIS_OK) {
        redis->ac = NULL;       /* hiredis frees it */
        ngx_http_ai_redis_lost(redis, ac->c.errstr);
        return;
    }

    redis->state = NGX_HTTP_AI_REDIS_GREETING;

    if (ngx_http_ai_redis_greet(redis, &redis->conf.auth) != NGX_OK
        || ngx_http_ai_redis_greet(redis, &redis->conf.select) != NGX_OK)
    {
        return;
    }

    if (redis->greetings == 0) {
        ngx_http_ai_redis_ready(redis);
    }
}


static ngx_int_t
ngx_http_ai_redis_greet(ngx_http_ai_redis_t *redis, const ngx_str_t *cmd)
{
    if (cmd->len == 0) {
        return NGX_OK;
    }

    if (redisAsyncFormattedCommand(redis->ac, ngx_http_ai_redis_on_greeting,
                                   redis, (char *) cmd->data, cmd->len)
        != REDIS_OK)
    {
        return NGX_ERROR;
    }

    redis->greetings++;

    return NGX_OK;
}


static void
ngx_http_ai_redis_on_greeting(redisAsyncContext *ac, void *data, void *priv)
{
    u_char               *p, why[NGX_HTTP_AI_REDIS_TEXT + 32];
    redisReply           *reply;
    ngx_http_ai_redis_t  *redis;

    reply = data;
    redis = priv;

    if (reply == NULL || ac != redis->ac) {
        return;
    }

    redis->greetings--;

    if (reply->type != REDIS_REPLY_STATUS) {

        /* the error's code only: its text may repeat the password */

        for (p = redis->text; *p > ' '; p++) { /* void */ }
        *p = '\0';

        (void) ngx_snprintf(why, sizeof(why), "AUTH or SELECT refused: %s%Z",
                            redis->text);

        ngx_http_ai_redis_drop(redis, (char *) why);
        return;
    }

    if (redis->greetings == 0) {
        ngx_http_ai_redis_ready(redis);
    }
}


/* with nothing to send there is no better proof that Redis is back */

static void
ngx_http_ai_redis_ready(ngx_http_ai_redis_t *redis)
{
    redis->state = NGX_HTTP_AI_REDIS_READY;

    if (redis->queue.n == 0) {
        ngx_http_ai_redis_worked(redis);
        return;
    }

    ngx_post_event(&redis->flush, &ngx_posted_events);
}


/*
 * All that may go goes with one write, without a detour over the event loop:
 * a write event is asked for only if the socket is full.
 */

static void
ngx_http_ai_redis_send(ngx_http_ai_redis_t *redis)
{
    ngx_str_t    cmd;
    ngx_uint_t   n, window;

    if (redis->state != NGX_HTTP_AI_REDIS_READY) {
        return;
    }

    n = 0;
    window = redis->up ? NGX_HTTP_AI_REDIS_WINDOW : 1;

    if (redis->queue.inflight == 0) {
        redis->last_reply = ngx_current_msec;
    }

    redis->corked = 1;

    while (redis->queue.inflight < window
           && ngx_http_ai_resp_queue_next(&redis->queue, &cmd) == NGX_OK
           && redisAsyncFormattedCommand(redis->ac,
                                         ngx_http_ai_redis_on_reply, redis,
                                         (char *) cmd.data, cmd.len)
              == REDIS_OK)
    {
        ngx_http_ai_resp_queue_sent(&redis->queue);
        n++;
    }

    redis->corked = 0;

    if (n == 0) {
        return;
    }

    if (!redis->timer.timer_set) {
        ngx_add_timer(&redis->timer, NGX_HTTP_AI_REDIS_SILENCE_MS);
    }

    redisAsyncHandleWrite(redis->ac);
}


static void
ngx_http_ai_redis_on_reply(redisAsyncContext *ac, void *data, void *priv)
{
    redisReply           *reply;
    ngx_http_ai_redis_t  *redis;

    reply = data;
    redis = priv;

    if (reply == NULL || ac != redis->ac) {
        return;                 /* the connection goes: see lost() */
    }

    redis->last_reply = ngx_current_msec;

    /* XADD answers with the entry's id and nothing else */

    if (reply->type == REDIS_REPLY_STRING) {
        ngx_http_ai_resp_queue_reply(&redis->queue, 1);
        ngx_http_ai_redis_worked(redis);
        return;
    }

    ngx_http_ai_resp_queue_reply(&redis->queue, 0);
    redis->state = NGX_HTTP_AI_REDIS_DRAINING;

    ngx_http_ai_redis_failed(redis, redis->text[0] ? (char *) redis->text
                                                   : "unexpected reply");
}


/* after replies came */

static void
ngx_http_ai_redis_progress(ngx_http_ai_redis_t *redis)
{
    if (redis->ac == NULL) {
        return;
    }

    if (redis->ac->c.reader->len > NGX_HTTP_AI_REDIS_MAX_REPLY) {
        ngx_http_ai_redis_drop(redis, "reply is too large");
        return;
    }

    ngx_http_ai_resp_queue_release(&redis->queue);

    if (redis->queue.n == 0) {
        redis->hold.cancelable = 1;
    }

    if (redis->state == NGX_HTTP_AI_REDIS_DRAINING
        && redis->queue.inflight == 0)
    {
        ngx_http_ai_redis_drop(redis, (char *) redis->reason);
        return;
    }

    ngx_http_ai_redis_send(redis);
}


static void
ngx_http_ai_redis_on_disconnect(const redisAsyncContext *ac, int status)
{
    ngx_http_ai_redis_t  *redis;

    redis = ac->data;

    if (ac == redis->ac) {
        redis->ac = NULL;       /* hiredis frees it */
        ngx_http_ai_redis_lost(redis, redis->lied
                                      ? "reply without a command"
                                      : ac->c.errstr);
    }
}


/* the context is gone or put off by hiredis when this returns */

static void
ngx_http_ai_redis_drop(ngx_http_ai_redis_t *redis, const char *why)
{
    redisAsyncContext  *ac;

    ac = redis->ac;
    redis->ac = NULL;

    ngx_http_ai_redis_lost(redis, why);

    redisAsyncFree(ac);
}


/*
 * The back-off goes on growing over connections that live shortly, so that a
 * server which takes one command and refuses the next is not flooded either.
 */

static void
ngx_http_ai_redis_lost(ngx_http_ai_redis_t *redis, const char *why)
{
    if (redis->queue.n == 0 && redis->up) {

        /* e.g. Redis' own "timeout" for idle clients: nothing is amiss yet */

        ngx_log_error(NGX_LOG_INFO, redis->log, 0,
                      "ai usage: idle connection to redis %V closed: %s",
                      &redis->name, why);

    } else if (!redis->closing) {
        ngx_http_ai_redis_failed(redis, why);
    }

    if (ngx_http_ai_redis_stable(redis)) {
        redis->backoff = 0;
    }

    redis->backoff = redis->backoff
                         ? ngx_min(redis->backoff * 2,
                                   NGX_HTTP_AI_REDIS_MAX_BACKOFF_MS)
                         : NGX_HTTP_AI_REDIS_BACKOFF_MS;

    redis->state = NGX_HTTP_AI_REDIS_WAITING;
    redis->up = 0;
    redis->lied = 0;
    redis->greetings = 0;
    ngx_http_ai_resp_queue_rewind(&redis->queue);

    if (redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    if (!redis->closing) {
        ngx_add_timer(&redis->timer,
                      redis->backoff
                      - (ngx_msec_t) ngx_random() % (redis->backoff / 2));
    }
}


/*
 * A loss is logged once.  There is another line a minute later at the soonest,
 * if the reason is another one by then, or if the connection comes and goes:
 * recoveries in between are not worth a line either.
 */

static void
ngx_http_ai_redis_failed(ngx_http_ai_redis_t *redis, const char *why)
{
    ngx_uint_t  recent;

    recent = redis->logged
             && ngx_current_msec - redis->logged < NGX_HTTP_AI_REDIS_RELOG_MS;

    if (!redis->failing) {
        redis->failing = 1;
        redis->told = 0;
        redis->flapping = (redis->up && !ngx_http_ai_redis_stable(redis));
    }

    if (recent && (redis->told || redis->flapping)) {
        return;
    }

    if (redis->told
        && ngx_strncmp(redis->reason, why, NGX_HTTP_AI_REDIS_TEXT - 1) == 0)
    {
        return;
    }

    redis->told = 1;
    redis->logged = ngx_current_msec;

    (void) ngx_cpystrn(redis->reason, (u_char *) why, NGX_HTTP_AI_REDIS_TEXT);

    ngx_log_error(NGX_LOG_WARN, redis->log, 0,
                  "ai usage: redis %V does not take records: %s, "
                  "%ui waiting", &redis->name, redis->reason, redis->queue.n);
}


static void
ngx_http_ai_redis_worked(ngx_http_ai_redis_t *redis)
{
    if (redis->up) {
        return;
    }

    redis->up = 1;
    redis->up_since = ngx_current_msec;

    if (redis->failing && redis->told) {
        ngx_log_error(NGX_LOG_NOTICE, redis->log, 0,
                      "ai usage: redis %V takes records again, %ui waiting",
                      &redis->name, redis->queue.n);
    }

    redis->failing = 0;
    redis->told = 0;
}


static ngx_uint_t
ngx_http_ai_redis_stable(ngx_http_ai_redis_t *redis)
{
    return redis->up
           && ngx_current_msec - redis->up_since > NGX_HTTP_AI_REDIS_STABLE_MS;
}


static void
ngx_http_ai_redis_timer_handler(ngx_event_t *ev)
{
    ngx_msec_t            elapsed;
    ngx_connection_t     *c;
    ngx_http_ai_redis_t  *redis;

    c = ev->data;
    redis = c->data;

    switch (redis->state) {

    case NGX_HTTP_AI_REDIS_WAITING:
        ngx_http_ai_redis_connect(redis);
        return;

    case NGX_HTTP_AI_REDIS_CONNECTING:
    case NGX_HTTP_AI_REDIS_GREETING:
        ngx_http_ai_redis_drop(redis, "connect timed out");
        return;

    default:
        break;
    }

    if (redis->queue.inflight == 0) {
        return;                 /* armed again by the next command */
    }

    elapsed = ngx_current_msec - redis->last_reply;

    if (elapsed >= NGX_HTTP_AI_REDIS_SILENCE_MS) {
        ngx_http_ai_redis_drop(redis, "no reply");
        return;
    }

    ngx_add_timer(ev, NGX_HTTP_AI_REDIS_SILENCE_MS - elapsed);
}


/*
 * A worker exits as soon as only cancelable timers are left, and tells nobody
 * before.  So this one runs while anything is queued, and counts its ticks
 * from when the worker wants to go: long enough for a restart of Redis, longer
 * if the queue becomes shorter.
 */

static void
ngx_http_ai_redis_hold_handler(ngx_event_t *ev)
{
    ngx_connection_t     *c;
    ngx_http_ai_redis_t  *redis;

    c = ev->data;
    redis = c->data;

    if (redis->queue.n == 0) {
        return;
    }

    if (ngx_exiting) {
        redis->ticks++;
        redis->idle_ticks++;

        if (redis->queue.n < redis->held) {
            redis->idle_ticks = 0;
        }

        if (redis->ticks >= NGX_HTTP_AI_REDIS_HOLD_TICKS
            || redis->idle_ticks >= NGX_HTTP_AI_REDIS_IDLE_TICKS)
        {
            return;
        }
    }

    redis->held = redis->queue.n;

    ngx_add_timer(ev, NGX_HTTP_AI_REDIS_HOLD_MS);
}


static void
ngx_http_ai_redis_flush_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    ngx_http_ai_redis_send(c->data);
}


static void
ngx_http_ai_redis_read_handler(ngx_event_t *rev)
{
    ngx_connection_t     *c;
    ngx_http_ai_redis_t  *redis;

    c = rev->data;
    redis = c->data;

    if (redis->ac == NULL) {
        return;
    }

    if (c->close) {

        /* worker_shutdown_timeout: the rest is for stop() */

        redis->closing = 1;
        redis->hold.cancelable = 1;
        ngx_http_ai_redis_drop(redis, "worker shutdown timeout");
        return;
    }

    redisAsyncHandleRead(redis->ac);

    ngx_http_ai_redis_progress(redis);
}


static void
ngx_http_ai_redis_write_handler(ngx_event_t *wev)
{
    ngx_connection_t     *c;
    ngx_http_ai_redis_t  *redis;

    c = wev->data;
    redis = c->data;

    if (redis->ac) {
        redisAsyncHandleWrite(redis->ac);
    }
}


/*
 * At exit the same connection goes on, only that poll() stands in for the
 * event loop: no command is sent twice for that, and the bound is exact.
 */

ngx_uint_t
ngx_http_ai_redis_stop(ngx_http_ai_redis_t *redis, ngx_msec_t limit)
{
    ngx_uint_t      n;
    ngx_msec_t      deadline;
    ngx_msec_int_t  left;

    ngx_time_update();

    redis->closing = 1;
    redis->ticks = 0;
    deadline = ngx_current_msec + limit;
    left = (ngx_msec_int_t) limit;

    while (redis->queue.n && left > 0) {
        ngx_http_ai_redis_step(redis, (ngx_msec_t) left);

        ngx_time_update();
        left = (ngx_msec_int_t) (deadline - ngx_current_msec);
    }

    n = redis->queue.n;

    if (redis->ac) {
        ngx_http_ai_redis_drop(redis, "worker exits");
    }

    if (redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    if (redis->hold.timer_set) {
        ngx_del_timer(&redis->hold);
    }

    if (redis->flush.posted) {
        ngx_delete_posted_event(&redis->flush);
    }

    ngx_http_ai_resp_queue_free(&redis->queue);

    return n;
}


static void
ngx_http_ai_redis_step(ngx_http_ai_redis_t *redis, ngx_msec_t limit)
{
    struct pollfd      pfd;
    ngx_connection_t  *c;

    if (redis->ac == NULL) {
        if (redis->ticks++) {
            (void) poll(NULL, 0, (int) ngx_min(limit,
                                               NGX_HTTP_AI_REDIS_BACKOFF_MS));
        }

        ngx_http_ai_redis_connect(redis);
        return;
    }

    ngx_http_ai_redis_send(redis);

    if (redis->ac == NULL) {
        return;
    }

    c = redis->ac->ev.data;

    pfd.fd = c->fd;
    pfd.revents = 0;
    pfd.events = (c->read->active ? POLLIN : 0)
                 | (c->write->active ? POLLOUT : 0);

    if (poll(&pfd, 1, (int) limit) <= 0) {
        return;
    }

    if (pfd.revents & (POLLIN|POLLERR|POLLHUP)) {
        ngx_http_ai_redis_read_handler(c->read);
    }

    if (redis->ac && pfd.revents & (POLLOUT|POLLERR|POLLHUP)) {
        ngx_http_ai_redis_write_handler(c->write);
    }
}


/*
 * hiredis reads 16 KB per event and never says that there is more, so its
 * events are level-triggered.
 */

static void
ngx_http_ai_redis_add_read(void *data)
{
    ngx_connection_t  *c = data;

    if (!c->read->active) {
        (void) ngx_add_event(c->read, NGX_READ_EVENT, NGX_LEVEL_EVENT);
    }
}


static void
ngx_http_ai_redis_del_read(void *data)
{
    ngx_connection_t  *c = data;

    if (c->read->active) {
        (void) ngx_del_event(c->read, NGX_READ_EVENT, 0);
    }
}


static void
ngx_http_ai_redis_add_write(void *data)
{
    ngx_connection_t     *c = data;
    ngx_http_ai_redis_t  *redis = c->data;

    if (!redis->corked && !c->write->active) {
        (void) ngx_add_event(c->write, NGX_WRITE_EVENT, NGX_LEVEL_EVENT);
    }
}


static void
ngx_http_ai_redis_del_write(void *data)
{
    ngx_connection_t  *c = data;

    if (c->write->active) {
        (void) ngx_del_event(c->write, NGX_WRITE_EVENT, 0);
    }
}


/* the descriptor is hiredis' and closed by it after this */

static void
ngx_http_ai_redis_cleanup(void *data)
{
    ngx_connection_t  *c = data;

    ngx_http_ai_redis_del_read(c);
    ngx_http_ai_redis_del_write(c);

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    c->read->closed = 1;
    c->write->closed = 1;

    ngx_free_connection(c);

    c->fd = (ngx_socket_t) -1;
}


/*
 * What hiredis calls while it parses a reply.  All that we want of one is its
 * type and an error's text, hence no memory per reply.  A reply that no
 * command awaits is refused in here, since hiredis would abort the process by
 * an assertion; only a spontaneous error has a meaning ("max number of
 * clients reached").
 */

static void *
ngx_http_ai_redis_parse(const redisReadTask *task)
{
    ngx_http_ai_redis_t  *redis;

    redis = task->privdata;

    if (task->parent) {
        return &redis->reply;   /* an element of an array */
    }

    if (redis->queue.inflight == 0 && redis->greetings == 0
        && task->type != REDIS_REPLY_ERROR)
    {
        redis->lied = 1;
        return NULL;
    }

    redis->reply.type = task->type;
    redis->text[0] = '\0';

    return &redis->reply;
}


static void *
ngx_http_ai_redis_parse_string(const redisReadTask *task, char *str,
    size_t len)
{
    size_t                i;
    u_char                ch;
    void                 *reply;
    ngx_http_ai_redis_t  *redis;

    redis = task->privdata;
    reply = ngx_http_ai_redis_parse(task);

    if (reply == NULL || task->parent || task->type != REDIS_REPLY_ERROR) {
        return reply;
    }

    len = ngx_min(len, NGX_HTTP_AI_REDIS_TEXT - 1);

    for (i = 0; i < len; i++) {
        ch = (u_char) str[i];
        redis->text[i] = (ch < 0x20 || ch > 0x7e) ? '?' : ch;
    }

    redis->text[len] = '\0';

    return reply;
}


static void *
ngx_http_ai_redis_parse_integer(const redisReadTask *task, long long value)
{
    return ngx_http_ai_redis_parse(task);
}


/* the task is of type string if "$-1" came */

static void *
ngx_http_ai_redis_parse_nil(const redisReadTask *task)
{
    redisReply  *reply;

    reply = ngx_http_ai_redis_parse(task);

    if (reply && task->parent == NULL) {
        reply->type = REDIS_REPLY_NIL;
    }

    return reply;
}


#if (HIREDIS_MAJOR >= 1)

static void *
ngx_http_ai_redis_parse_array(const redisReadTask *task, size_t n)
{
    return ngx_http_ai_redis_parse(task);
}


static void *
ngx_http_ai_redis_parse_double(const redisReadTask *task, double value,
    char *str, size_t len)
{
    return ngx_http_ai_redis_parse(task);
}


static void *
ngx_http_ai_redis_parse_bool(const redisReadTask *task, int value)
{
    return ngx_http_ai_redis_parse(task);
}

#else

static void *
ngx_http_ai_redis_parse_array(const redisReadTask *task, int n)
{
    return ngx_http_ai_redis_parse(task);
}

#endif


static void
ngx_http_ai_redis_parse_free(void *reply)
{
    /* it is a part of ngx_http_ai_redis_t */
}
