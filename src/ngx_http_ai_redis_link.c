
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_ai_redis_link.h"


#define NGX_HTTP_AI_REDIS_WINDOW      512      /* commands in flight */

#define NGX_HTTP_AI_REDIS_SILENCE_MS  5000     /* no reply while in flight */
#define NGX_HTTP_AI_REDIS_ASK_MS      10000    /* of a migration, then again */
#define NGX_HTTP_AI_REDIS_RELOG_MS    60000

#define NGX_HTTP_AI_REDIS_HOLD_MS     500
#define NGX_HTTP_AI_REDIS_HOLD_TICKS  60       /* at exit: 30 s in all, */
#define NGX_HTTP_AI_REDIS_IDLE_TICKS  6        /*  3 s without a success */


#define ngx_http_ai_redis_link_sends(link)                                    \
    ((link)->session.state == NGX_HTTP_AI_REDIS_OPEN && !(link)->draining)


static void ngx_http_ai_redis_link_event(ngx_http_ai_redis_link_t *link,
    ngx_event_t *ev, ngx_event_handler_pt handler);

static void ngx_http_ai_redis_link_greeted(void *data);
static void ngx_http_ai_redis_link_send(ngx_http_ai_redis_link_t *link);
static ngx_int_t ngx_http_ai_redis_link_fill(ngx_http_ai_redis_link_t *link);
static void ngx_http_ai_redis_link_reply(void *data,
    ngx_http_ai_redis_reply_t *reply);
static ngx_uint_t ngx_http_ai_redis_link_forbidden(
    ngx_http_ai_redis_link_t *link, ngx_http_ai_redis_reply_t *reply);
static ngx_uint_t ngx_http_ai_redis_link_for(const ngx_str_t *cmd,
    const ngx_str_t *key);
static void ngx_http_ai_redis_link_refused(ngx_http_ai_redis_link_t *link,
    ngx_http_ai_redis_reply_t *reply);
static void ngx_http_ai_redis_link_progress(void *data);

static void ngx_http_ai_redis_link_elsewhere(void *data);
static void ngx_http_ai_redis_link_lost(void *data, const char *why);
static void ngx_http_ai_redis_link_reset(ngx_http_ai_redis_link_t *link);
static void ngx_http_ai_redis_link_leave(void *data);
static void ngx_http_ai_redis_link_failed(ngx_http_ai_redis_link_t *link,
    const char *why);
static void ngx_http_ai_redis_link_worked(ngx_http_ai_redis_link_t *link);

static void ngx_http_ai_redis_link_silent(void *data);
static void ngx_http_ai_redis_link_hold_handler(ngx_event_t *ev);
static void ngx_http_ai_redis_link_flush_handler(ngx_event_t *ev);


static const ngx_http_ai_redis_session_handlers_t
    ngx_http_ai_redis_link_handlers =
{
    ngx_http_ai_redis_link_greeted,
    ngx_http_ai_redis_link_reply,
    ngx_http_ai_redis_link_progress,
    NULL,
    ngx_http_ai_redis_link_elsewhere,
    ngx_http_ai_redis_link_lost,
    ngx_http_ai_redis_link_silent,
    ngx_http_ai_redis_link_leave
};


ngx_int_t
ngx_http_ai_redis_link_start(ngx_http_ai_redis_link_t *link,
    ngx_cycle_t *cycle, const ngx_http_ai_redis_conf_t *conf,
    size_t queue_size, u_char *map, ngx_uint_t kept)
{
    ngx_http_ai_redis_session_t  *s;

    s = &link->session;

    s->conf = conf;
    s->log = cycle->log;
    s->handlers = &ngx_http_ai_redis_link_handlers;
    s->data = link;

    link->kept = kept;

    if (ngx_http_ai_redis_session_init(s, cycle->pool) != NGX_OK
        || ngx_http_ai_resp_queue_init(&link->queue, queue_size, map, kept)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    link->dumb.fd = (ngx_socket_t) -1;
    link->dumb.data = link;

    ngx_http_ai_redis_link_event(link, &link->hold,
                                 ngx_http_ai_redis_link_hold_handler);
    ngx_http_ai_redis_link_event(link, &link->flush,
                                 ngx_http_ai_redis_link_flush_handler);

    ngx_http_ai_redis_session_connect(s);

    return NGX_OK;
}


static void
ngx_http_ai_redis_link_event(ngx_http_ai_redis_link_t *link, ngx_event_t *ev,
    ngx_event_handler_pt handler)
{
    ev->handler = handler;
    ev->data = &link->dumb;
    ev->log = link->session.log;
}


void
ngx_http_ai_redis_link_queued(ngx_http_ai_redis_link_t *link)
{
    link->ticks = 0;
    link->idle_ticks = 0;
    link->hold.cancelable = link->session.closing;

    if (link->queue.n == 1) {
        link->waits = ngx_current_msec;
    }

    if (!link->hold.timer_set) {
        ngx_add_timer(&link->hold, NGX_HTTP_AI_REDIS_HOLD_MS);
    }

    if (ngx_http_ai_redis_link_sends(link)) {
        ngx_post_event(&link->flush, &ngx_posted_events);
    }
}


ngx_uint_t
ngx_http_ai_redis_link_takes(ngx_http_ai_redis_link_t *link)
{
    return ngx_http_ai_redis_link_sends(link)
           && (link->session.up || link->queue.n == 0);
}


/* with nothing to send there is no better proof that Redis is back */

static void
ngx_http_ai_redis_link_greeted(void *data)
{
    ngx_http_ai_redis_link_t  *link = data;

    link->asking = link->session.nodes.ask;
    link->skip = link->asking;
    link->ask_since = ngx_current_msec;

    link->changed(link->data);

    if (link->queue.n == 0) {
        ngx_http_ai_redis_link_worked(link);
        return;
    }

    ngx_post_event(&link->flush, &ngx_posted_events);
}


/*
 * All that may go goes with as few writes as there are, without a detour over
 * the event loop: a write event is asked for only if the socket is full.
 */

static void
ngx_http_ai_redis_link_send(ngx_http_ai_redis_link_t *link)
{
    ngx_int_t                     rc;
    ngx_http_ai_redis_session_t  *s;

    s = &link->session;

    if (!ngx_http_ai_redis_link_sends(link)) {
        return;
    }

    if (link->queue.inflight == 0) {
        link->last_reply = ngx_current_msec;

        if (link->asking
            && ngx_current_msec - link->ask_since >= NGX_HTTP_AI_REDIS_ASK_MS)
        {
            /* the slot has come, or it is MOVED */

            link->asking = 0;
            link->skip = 0;
        }
    }

    while (ngx_http_ai_redis_link_fill(link) == NGX_OK) {

        if (!s->timer.timer_set) {
            ngx_add_timer(&s->timer, NGX_HTTP_AI_REDIS_SILENCE_MS);
        }

        rc = ngx_http_ai_redis_conn_flush(&s->conn);

        if (rc == NGX_OK) {
            continue;
        }

        if (rc == NGX_ERROR) {
            ngx_http_ai_redis_link_lost(link, s->conn.why);
        }

        return;
    }
}


/* NGX_DONE: there is nothing more, or it may not go yet */

static ngx_int_t
ngx_http_ai_redis_link_fill(ngx_http_ai_redis_link_t *link)
{
    size_t                     size;
    ngx_str_t                  cmd;
    ngx_uint_t                 n, window;
    ngx_http_ai_redis_conn_t  *conn;

    conn = &link->session.conn;
    window = link->session.up ? NGX_HTTP_AI_REDIS_WINDOW : 1;

    for (n = 0; link->queue.inflight < window; n++) {

        if (ngx_http_ai_resp_queue_next(&link->queue, &cmd) != NGX_OK) {
            break;
        }

        size = cmd.len + (link->asking ? sizeof(NGX_HTTP_AI_REDIS_ASKING) - 1
                                       : 0);

        if (ngx_http_ai_redis_conn_room(conn) < size) {
            break;
        }

        if (link->asking) {
            ngx_http_ai_redis_conn_append(conn,
                                          (u_char *) NGX_HTTP_AI_REDIS_ASKING,
                                          sizeof(NGX_HTTP_AI_REDIS_ASKING) - 1);
        }

        ngx_http_ai_redis_conn_append(conn, cmd.data, cmd.len);
        ngx_http_ai_resp_queue_sent(&link->queue);
    }

    return n ? NGX_OK : NGX_DONE;
}


static void
ngx_http_ai_redis_link_reply(void *data, ngx_http_ai_redis_reply_t *reply)
{
    ngx_http_ai_redis_link_t  *link = data;

    if (link->queue.inflight == 0) {

        /* such as "max number of clients reached" */

        ngx_http_ai_redis_link_lost(link,
                                    reply->type == NGX_HTTP_AI_REDIS_ERROR
                                    ? (char *) reply->text
                                    : "reply without a command");
        return;
    }

    link->last_reply = ngx_current_msec;

    if (link->skip) {

        /* to ASKING; if it was refused, so will be the command */

        link->skip = 0;
        return;
    }

    link->skip = link->asking;

    /* XADD answers with the entry's id and nothing else */

    if (reply->type == NGX_HTTP_AI_REDIS_STRING) {
        ngx_http_ai_resp_queue_reply(&link->queue, 1);
        link->confirmed++;
        link->waits = ngx_current_msec;
        ngx_http_ai_redis_link_worked(link);
        return;
    }

    if (ngx_http_ai_redis_link_forbidden(link, reply)) {
        ngx_http_ai_resp_queue_reply(&link->queue, 1);
        link->refused++;
        return;
    }

    ngx_http_ai_resp_queue_reply(&link->queue, 0);

    if (!link->draining) {
        link->draining = 1;
        ngx_http_ai_redis_link_refused(link, reply);
    }
}


/*
 * A user who may write to the records' streams only must not have all records
 * wait behind an entry of another one; nor must a stream that somebody has
 * spoiled.
 */

static ngx_uint_t
ngx_http_ai_redis_link_forbidden(ngx_http_ai_redis_link_t *link,
    ngx_http_ai_redis_reply_t *reply)
{
    ngx_str_t                         cmd;
    ngx_uint_t                        i;
    const ngx_http_ai_redis_aside_t  *aside;

    static const char  *lasting[] = {
        "NOPERM", "WRONGTYPE", "ERR The ID", "ERR The stream", NULL
    };

    if (reply->type != NGX_HTTP_AI_REDIS_ERROR
        || ngx_http_ai_resp_queue_awaited(&link->queue, &cmd) != NGX_OK)
    {
        return 0;
    }

    for (i = 0; lasting[i]; i++) {
        if (ngx_strncmp(reply->text, lasting[i], ngx_strlen(lasting[i]))
            == 0)
        {
            break;
        }
    }

    if (lasting[i] == NULL) {
        return 0;
    }

    for (i = 0; i < NGX_HTTP_AI_REDIS_ASIDES; i++) {

        aside = &link->session.conf->asides[i];

        if (!ngx_http_ai_redis_link_for(&cmd, &aside->key)) {
            continue;
        }

        if (link->spared[i] == 0
            || ngx_current_msec - link->spared[i] >= aside->quiet)
        {
            link->spared[i] = ngx_max(ngx_current_msec, 1);

            ngx_log_error(NGX_LOG_ERR, link->session.log, 0,
                          "ai %s: redis %V takes no entries for \"%V\", one "
                          "is given up: %s", aside->what,
                          &link->session.nodes.name, &aside->key,
                          reply->text);
        }

        return 1;
    }

    return 0;
}


/* 1: the XADD is for this key */

static ngx_uint_t
ngx_http_ai_redis_link_for(const ngx_str_t *cmd, const ngx_str_t *key)
{
    u_char      *p, *last;
    ngx_str_t    arg;
    ngx_uint_t   nargs;

    p = cmd->data;
    last = p + cmd->len;

    return ngx_http_ai_resp_count(&p, last, &nargs) == NGX_OK
           && ngx_http_ai_resp_next(&p, last, &arg) == NGX_OK
           && ngx_http_ai_resp_next(&p, last, &arg) == NGX_OK
           && arg.len == key->len
           && ngx_memcmp(arg.data, key->data, arg.len) == 0;
}


/* the connection ends when the other replies are there */

static void
ngx_http_ai_redis_link_refused(ngx_http_ai_redis_link_t *link,
    ngx_http_ai_redis_reply_t *reply)
{
    char  *why;

    if (ngx_http_ai_redis_session_refused(&link->session, reply, &why)
        == NGX_OK)
    {
        link->moved = 1;
        return;
    }

    (void) ngx_cpystrn(link->why, (u_char *) why, NGX_HTTP_AI_REDIS_WHY);
}


/* after replies came, or what was to be sent has gone */

static void
ngx_http_ai_redis_link_progress(void *data)
{
    ngx_http_ai_redis_link_t  *link = data;

    ngx_http_ai_resp_queue_release(&link->queue);

    link->changed(link->data);

    if (link->queue.n == 0) {
        link->hold.cancelable = 1;
    }

    if (link->draining && link->queue.inflight == 0) {

        if (link->moved) {
            ngx_http_ai_redis_link_elsewhere(link);

        } else {
            ngx_http_ai_redis_link_lost(link, (char *) link->why);
        }

        return;
    }

    ngx_http_ai_redis_link_send(link);
}


static void
ngx_http_ai_redis_link_elsewhere(void *data)
{
    ngx_http_ai_redis_link_t  *link = data;

    ngx_http_ai_redis_nodes_t  *nodes;

    nodes = &link->session.nodes;

    ngx_log_error(NGX_LOG_INFO, link->session.log, 0,
                  "ai usage: redis %V sends on to %s:%d", &nodes->name,
                  nodes->host, (int) nodes->port);

    ngx_http_ai_redis_link_reset(link);
    ngx_http_ai_redis_session_wait(&link->session, 1);
}


static void
ngx_http_ai_redis_link_lost(void *data, const char *why)
{
    ngx_http_ai_redis_link_t  *link = data;

    ngx_http_ai_redis_session_t  *s;

    s = &link->session;

    if (s->up && link->queue.n == 0) {

        /* e.g. Redis' own "timeout" for idle clients: nothing is amiss yet */

        ngx_log_error(NGX_LOG_INFO, s->log, 0,
                      "ai usage: idle connection to redis %V closed: %s",
                      &s->nodes.name, why);

        ngx_http_ai_redis_nodes_ended(&s->nodes);

    } else if (ngx_http_ai_redis_nodes_next(&s->nodes) == NGX_OK && !s->up) {

        if (!link->told) {
            ngx_log_error(NGX_LOG_INFO, s->log, 0,
                          "ai usage: redis %V is passed over: %s",
                          &s->nodes.name, why);
        }

        ngx_http_ai_redis_link_reset(link);
        ngx_http_ai_redis_session_wait(s, 1);
        return;

    } else if (!s->closing) {
        ngx_http_ai_redis_link_failed(link, why);
    }

    ngx_http_ai_redis_link_reset(link);
    ngx_http_ai_redis_session_pause(s);
}


static void
ngx_http_ai_redis_link_reset(ngx_http_ai_redis_link_t *link)
{
    ngx_http_ai_redis_session_close(&link->session);

    link->draining = 0;
    link->moved = 0;
    link->asking = 0;
    link->skip = 0;

    ngx_http_ai_resp_queue_rewind(&link->queue);

    link->changed(link->data);
}


/* worker_shutdown_timeout: the rest is for the end */

static void
ngx_http_ai_redis_link_leave(void *data)
{
    ngx_http_ai_redis_link_t  *link = data;

    link->session.closing = 1;
    link->hold.cancelable = 1;

    ngx_http_ai_redis_link_lost(link, "worker shutdown timeout");
}


/*
 * A loss is logged once.  There is another line a minute later at the soonest,
 * if the reason is another one by then, or if the connection comes and goes:
 * recoveries in between are not worth a line either.
 */

static void
ngx_http_ai_redis_link_failed(ngx_http_ai_redis_link_t *link, const char *why)
{
    ngx_uint_t  recent;

    recent = link->logged
             && ngx_current_msec - link->logged < NGX_HTTP_AI_REDIS_RELOG_MS;

    if (!link->failing) {
        link->failing = 1;
        link->told = 0;
        link->flapping = link->session.up
                         && !ngx_http_ai_redis_session_stable(&link->session);
    }

    if (recent && (link->told || link->flapping)) {
        return;
    }

    if (link->told
        && ngx_strncmp(link->reason, why, NGX_HTTP_AI_REDIS_WHY - 1) == 0)
    {
        return;
    }

    link->told = 1;
    link->logged = ngx_current_msec;

    (void) ngx_cpystrn(link->reason, (u_char *) why, NGX_HTTP_AI_REDIS_WHY);

    ngx_log_error(NGX_LOG_WARN, link->session.log, 0,
                  "ai usage: redis %V does not take records: %s, "
                  "%ui waiting", &link->session.nodes.name, link->reason,
                  link->queue.n);
}


static void
ngx_http_ai_redis_link_worked(ngx_http_ai_redis_link_t *link)
{
    if (!ngx_http_ai_redis_session_worked(&link->session)) {
        return;
    }

    if (link->failing && link->told) {
        ngx_log_error(NGX_LOG_NOTICE, link->session.log, 0,
                      "ai usage: redis %V takes records again, %ui waiting",
                      &link->session.nodes.name, link->queue.n);
    }

    link->failing = 0;
    link->told = 0;
}


static void
ngx_http_ai_redis_link_silent(void *data)
{
    ngx_http_ai_redis_link_t  *link = data;

    ngx_msec_t  elapsed;

    if (link->queue.inflight == 0) {
        return;                 /* armed again by the next command */
    }

    elapsed = ngx_current_msec - link->last_reply;

    if (elapsed >= NGX_HTTP_AI_REDIS_SILENCE_MS) {
        ngx_http_ai_redis_link_lost(link, "no reply");
        return;
    }

    ngx_add_timer(&link->session.timer,
                  NGX_HTTP_AI_REDIS_SILENCE_MS - elapsed);
}


/*
 * A worker exits as soon as only cancelable timers are left, and tells nobody
 * before.  So this one runs while anything is queued, and counts its ticks
 * from when the worker wants to go: long enough for a restart of Redis, longer
 * if the queue becomes shorter.
 */

static void
ngx_http_ai_redis_link_hold_handler(ngx_event_t *ev)
{
    ngx_connection_t          *c;
    ngx_http_ai_redis_link_t  *link;

    c = ev->data;
    link = c->data;

    if (link->queue.n == 0) {
        return;
    }

    if (ngx_exiting) {

        if (link->kept && !ngx_http_ai_redis_link_takes(link)) {
            return;
        }

        link->ticks++;
        link->idle_ticks++;

        if (link->queue.n < link->held) {
            link->idle_ticks = 0;
        }

        if (link->ticks >= NGX_HTTP_AI_REDIS_HOLD_TICKS
            || link->idle_ticks >= NGX_HTTP_AI_REDIS_IDLE_TICKS)
        {
            return;
        }
    }

    link->held = link->queue.n;

    ngx_add_timer(ev, NGX_HTTP_AI_REDIS_HOLD_MS);
}


static void
ngx_http_ai_redis_link_flush_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    ngx_http_ai_redis_link_send(c->data);
}


void
ngx_http_ai_redis_link_close(ngx_http_ai_redis_link_t *link)
{
    ngx_http_ai_redis_session_t  *s;

    s = &link->session;

    s->closing = 1;
    s->backoff = 0;

    /* no answer of a name server comes any more */

    if (s->state == NGX_HTTP_AI_REDIS_RESOLVING) {
        ngx_http_ai_redis_link_reset(link);
    }

    ngx_http_ai_redis_session_wait(s, 0);
}


void
ngx_http_ai_redis_link_step(ngx_http_ai_redis_link_t *link)
{
    ngx_http_ai_redis_session_t  *s;

    s = &link->session;

    if (s->state == NGX_HTTP_AI_REDIS_WAITING) {

        if ((ngx_msec_int_t) (ngx_current_msec - s->due) >= 0) {
            ngx_http_ai_redis_session_connect(s);
        }

        return;
    }

    ngx_http_ai_redis_link_send(link);
}


void
ngx_http_ai_redis_link_end(ngx_http_ai_redis_link_t *link)
{
    ngx_http_ai_redis_link_reset(link);
    ngx_http_ai_redis_session_end(&link->session);

    if (link->hold.timer_set) {
        ngx_del_timer(&link->hold);
    }

    if (link->flush.posted) {
        ngx_delete_posted_event(&link->flush);
    }
}
