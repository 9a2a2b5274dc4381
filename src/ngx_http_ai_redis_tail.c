
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_ai_redis_tail.h"


#define NGX_HTTP_AI_REDIS_TAIL_COUNT       256     /* entries of one reply */
#define NGX_HTTP_AI_REDIS_TAIL_BLOCK_MS    5000    /* a reply at least so
                                                      often */
#define NGX_HTTP_AI_REDIS_TAIL_SILENCE_MS  10000
#define NGX_HTTP_AI_REDIS_TAIL_CONNECT_MS  3000    /* greeting included */
#define NGX_HTTP_AI_REDIS_TAIL_BACKOFF_MS  50
#define NGX_HTTP_AI_REDIS_TAIL_MAX_BACKOFF_MS  2000
#define NGX_HTTP_AI_REDIS_TAIL_STABLE_MS   10000   /* back-off starts anew */
#define NGX_HTTP_AI_REDIS_TAIL_RELOG_MS    60000
#define NGX_HTTP_AI_REDIS_TAIL_AGAIN_MS    60000   /* of the stream, read again
                                                      by a new connection */

#define NGX_HTTP_AI_REDIS_TAIL_ASKING      "*1\r\n$6\r\nASKING\r\n"


static void ngx_http_ai_redis_tail_connect(ngx_http_ai_redis_tail_t *tail);
static void ngx_http_ai_redis_tail_resolved(void *data);
static void ngx_http_ai_redis_tail_open(ngx_http_ai_redis_tail_t *tail);
static void ngx_http_ai_redis_tail_ready(void *data);
static void ngx_http_ai_redis_tail_greeted(ngx_http_ai_redis_tail_t *tail);
static void ngx_http_ai_redis_tail_answer(ngx_http_ai_redis_tail_t *tail,
    ngx_http_ai_redis_reply_t *reply);
static void ngx_http_ai_redis_tail_ask(ngx_http_ai_redis_tail_t *tail);
static void ngx_http_ai_redis_tail_element(void *data, const ngx_uint_t *at,
    ngx_uint_t depth, const ngx_str_t *text);
static void ngx_http_ai_redis_tail_reply(void *data,
    ngx_http_ai_redis_reply_t *reply);
static void ngx_http_ai_redis_tail_refused(ngx_http_ai_redis_tail_t *tail,
    ngx_http_ai_redis_reply_t *reply);
static void ngx_http_ai_redis_tail_worked(ngx_http_ai_redis_tail_t *tail);
static void ngx_http_ai_redis_tail_progress(void *data);
static void ngx_http_ai_redis_tail_elsewhere(ngx_http_ai_redis_tail_t *tail);
static void ngx_http_ai_redis_tail_lost(void *data, const char *why);
static void ngx_http_ai_redis_tail_leave(void *data);
static void ngx_http_ai_redis_tail_failed(ngx_http_ai_redis_tail_t *tail,
    const char *why);
static void ngx_http_ai_redis_tail_reset(ngx_http_ai_redis_tail_t *tail);
static void ngx_http_ai_redis_tail_wait(ngx_http_ai_redis_tail_t *tail,
    ngx_msec_t delay);
static void ngx_http_ai_redis_tail_timer_handler(ngx_event_t *ev);


static const ngx_http_ai_redis_conn_handlers_t
    ngx_http_ai_redis_tail_handlers =
{
    ngx_http_ai_redis_tail_ready,
    ngx_http_ai_redis_tail_reply,
    ngx_http_ai_redis_tail_progress,
    ngx_http_ai_redis_tail_lost,
    ngx_http_ai_redis_tail_leave,
    ngx_http_ai_redis_tail_element
};


ngx_int_t
ngx_http_ai_redis_tail_init(ngx_http_ai_redis_tail_t *tail, ngx_pool_t *pool)
{
    tail->conn.handlers = &ngx_http_ai_redis_tail_handlers;
    tail->conn.data = tail;
    tail->conn.conf = tail->conf;

    tail->dumb.fd = (ngx_socket_t) -1;
    tail->dumb.data = tail;

    tail->timer.handler = ngx_http_ai_redis_tail_timer_handler;
    tail->timer.data = &tail->dumb;
    tail->timer.log = tail->log;
    tail->timer.cancelable = 1;

    return ngx_http_ai_redis_nodes_init(&tail->nodes, tail->conf, pool,
                                        ngx_http_ai_redis_tail_resolved, tail);
}


void
ngx_http_ai_redis_tail_start(ngx_http_ai_redis_tail_t *tail)
{
    tail->backoff = 0;
    tail->told = 0;

    ngx_http_ai_redis_tail_connect(tail);
}


void
ngx_http_ai_redis_tail_stop(ngx_http_ai_redis_tail_t *tail)
{
    ngx_http_ai_redis_tail_reset(tail);
    ngx_http_ai_redis_conn_free(&tail->conn);

    if (tail->timer.timer_set) {
        ngx_del_timer(&tail->timer);
    }

    tail->state = NGX_HTTP_AI_REDIS_TAIL_OFF;
}


static void
ngx_http_ai_redis_tail_connect(ngx_http_ai_redis_tail_t *tail)
{
    ngx_int_t  rc;

    tail->state = NGX_HTTP_AI_REDIS_TAIL_RESOLVING;

    ngx_http_ai_redis_tail_wait(tail, NGX_HTTP_AI_REDIS_TAIL_CONNECT_MS);

    rc = ngx_http_ai_redis_nodes_address(&tail->nodes, 0);

    if (rc == NGX_OK) {
        ngx_http_ai_redis_tail_open(tail);

    } else if (rc == NGX_ERROR) {
        ngx_http_ai_redis_tail_lost(tail, tail->nodes.why);
    }
}


/* the answer is there, or it is too late for it */

static void
ngx_http_ai_redis_tail_resolved(void *data)
{
    ngx_http_ai_redis_tail_t  *tail = data;

    if (ngx_http_ai_redis_nodes_address(&tail->nodes, 1) == NGX_OK) {
        ngx_http_ai_redis_tail_open(tail);
        return;
    }

    ngx_http_ai_redis_tail_lost(tail, tail->nodes.why);
}


static void
ngx_http_ai_redis_tail_open(ngx_http_ai_redis_tail_t *tail)
{
    const ngx_str_t  *host;

    host = tail->conf->sni.len ? &tail->conf->sni : &tail->nodes.peer;

    tail->state = NGX_HTTP_AI_REDIS_TAIL_CONNECTING;

    ngx_http_ai_redis_tail_wait(tail, NGX_HTTP_AI_REDIS_TAIL_CONNECT_MS);

    if (ngx_http_ai_redis_conn_open(&tail->conn, tail->nodes.sockaddr,
                                    tail->nodes.socklen, host)
        != NGX_OK)
    {
        ngx_http_ai_redis_tail_lost(tail, tail->conn.why);
    }
}


static void
ngx_http_ai_redis_tail_ready(void *data)
{
    ngx_http_ai_redis_tail_t  *tail = data;

    tail->state = NGX_HTTP_AI_REDIS_TAIL_GREETING;

    ngx_http_ai_redis_greet(&tail->greet, &tail->conn, &tail->nodes);

    if (tail->greet.n == 0) {
        ngx_http_ai_redis_tail_greeted(tail);
        return;
    }

    if (ngx_http_ai_redis_conn_flush(&tail->conn) == NGX_ERROR) {
        ngx_http_ai_redis_tail_lost(tail, tail->conn.why);
    }
}


static void
ngx_http_ai_redis_tail_answer(ngx_http_ai_redis_tail_t *tail,
    ngx_http_ai_redis_reply_t *reply)
{
    u_char  why[NGX_HTTP_AI_REDIS_WHY];

    switch (ngx_http_ai_redis_greet_answer(&tail->greet, reply, why)) {

    case NGX_OK:
        ngx_http_ai_redis_tail_greeted(tail);
        return;

    case NGX_DONE:
        ngx_http_ai_redis_tail_elsewhere(tail);
        return;

    case NGX_ERROR:
        ngx_http_ai_redis_tail_lost(tail, (char *) why);
        return;

    default: /* NGX_AGAIN */
        return;
    }
}


/*
 * It may be another server, whose clock is another, and that has not got the
 * last entries of the one before: the ids to come may be less than the last.
 */

static void
ngx_http_ai_redis_tail_greeted(ngx_http_ai_redis_tail_t *tail)
{
    ngx_http_ai_xread_id_t  *last;

    last = &tail->x.last;

    if (!tail->exact) {
        last->ms -= ngx_min(last->ms, NGX_HTTP_AI_REDIS_TAIL_AGAIN_MS);
        last->seq = 0;
    }

    tail->exact = 0;
    tail->state = NGX_HTTP_AI_REDIS_TAIL_READING;

    ngx_http_ai_redis_tail_ask(tail);
}


/*
 * Nothing else is on its way, so there is room for it.  The first one does not
 * wait: it shows that the stream may be read.
 */

static void
ngx_http_ai_redis_tail_ask(ngx_http_ai_redis_tail_t *tail)
{
    ngx_http_ai_redis_conn_t  *conn;

    conn = &tail->conn;

    tail->due = 0;
    tail->skip = tail->nodes.ask;

    if (tail->nodes.ask) {
        ngx_http_ai_redis_conn_append(conn,
                              (u_char *) NGX_HTTP_AI_REDIS_TAIL_ASKING,
                              sizeof(NGX_HTTP_AI_REDIS_TAIL_ASKING) - 1);
    }

    conn->last += ngx_http_ai_xread_command(&tail->x, tail->key,
                                            NGX_HTTP_AI_REDIS_TAIL_COUNT,
                                            tail->up
                                            ? NGX_HTTP_AI_REDIS_TAIL_BLOCK_MS
                                            : 1,
                                            conn->last,
                                            ngx_http_ai_redis_conn_room(conn));

    ngx_http_ai_xread_begin(&tail->x, &tail->x.last);

    ngx_http_ai_redis_tail_wait(tail, NGX_HTTP_AI_REDIS_TAIL_SILENCE_MS);

    if (ngx_http_ai_redis_conn_flush(conn) == NGX_ERROR) {
        ngx_http_ai_redis_tail_lost(tail, conn->why);
    }
}


static void
ngx_http_ai_redis_tail_element(void *data, const ngx_uint_t *at,
    ngx_uint_t depth, const ngx_str_t *text)
{
    ngx_http_ai_redis_tail_t  *tail = data;

    if (tail->state == NGX_HTTP_AI_REDIS_TAIL_READING) {
        ngx_http_ai_xread_text(&tail->x, at, depth, text);
    }
}


/* there was no entry for some time, or there are some */

static void
ngx_http_ai_redis_tail_reply(void *data, ngx_http_ai_redis_reply_t *reply)
{
    ngx_http_ai_redis_tail_t  *tail = data;

    if (tail->state == NGX_HTTP_AI_REDIS_TAIL_GREETING) {
        ngx_http_ai_redis_tail_answer(tail, reply);
        return;
    }

    if (tail->skip) {
        tail->skip = 0;
        return;
    }

    if (tail->due) {
        ngx_http_ai_redis_tail_lost(tail, "reply without a command");
        return;
    }

    if (reply->type == NGX_HTTP_AI_REDIS_NIL
        || (reply->type == NGX_HTTP_AI_REDIS_ARRAY
            && ngx_http_ai_xread_end(&tail->x) == NGX_OK))
    {
        tail->due = 1;
        ngx_http_ai_redis_tail_worked(tail);
        tail->read(tail->data);
        return;
    }

    ngx_http_ai_redis_tail_refused(tail, reply);
}


static void
ngx_http_ai_redis_tail_refused(ngx_http_ai_redis_tail_t *tail,
    ngx_http_ai_redis_reply_t *reply)
{
    char                          *why;
    ngx_str_t                      text;
    ngx_http_ai_redisaddr_hop_e    hop;
    ngx_http_ai_redisaddr_node_t   node;

    why = reply->text[0] ? (char *) reply->text : "unexpected reply";

    if (reply->type == NGX_HTTP_AI_REDIS_ERROR
        && tail->conf->kind == NGX_HTTP_AI_REDISADDR_CLUSTER)
    {
        text.data = reply->text;
        text.len = ngx_strlen(text.data);

        hop = ngx_http_ai_redisaddr_hop(&text, &node);

        if (hop != NGX_HTTP_AI_REDISADDR_NONE) {

            if (ngx_http_ai_redis_nodes_told(&tail->nodes, &node.host,
                                             node.port,
                                             hop == NGX_HTTP_AI_REDISADDR_ASK)
                == NGX_OK)
            {
                ngx_http_ai_redis_tail_elsewhere(tail);
                return;
            }

            why = "too many redirections";
        }
    }

    ngx_http_ai_redis_tail_lost(tail, why);
}


static void
ngx_http_ai_redis_tail_worked(ngx_http_ai_redis_tail_t *tail)
{
    if (tail->up) {
        return;
    }

    tail->up = 1;
    tail->up_since = ngx_current_msec;

    ngx_http_ai_redis_nodes_worked(&tail->nodes);

    if (tail->told) {
        tail->told = 0;

        ngx_log_error(NGX_LOG_NOTICE, tail->log, 0,
                      "ai %s: redis %V is read again", tail->what,
                      &tail->nodes.name);
    }

    tail->changed(tail->data);
}


/* after replies came */

static void
ngx_http_ai_redis_tail_progress(void *data)
{
    ngx_http_ai_redis_tail_t  *tail = data;

    if (tail->state == NGX_HTTP_AI_REDIS_TAIL_READING && tail->due) {
        ngx_http_ai_redis_tail_ask(tail);
    }
}


/* nodes know where to */

static void
ngx_http_ai_redis_tail_elsewhere(ngx_http_ai_redis_tail_t *tail)
{
    ngx_http_ai_redis_tail_reset(tail);
    ngx_http_ai_redis_tail_wait(tail, 1);
}


static void
ngx_http_ai_redis_tail_lost(void *data, const char *why)
{
    ngx_http_ai_redis_tail_t  *tail = data;

    ngx_int_t   rc;
    ngx_uint_t  up, stable;

    up = tail->up;
    stable = up && ngx_current_msec - tail->up_since
                   > NGX_HTTP_AI_REDIS_TAIL_STABLE_MS;

    if (tail->conn.large) {

        /* what is too large is passed over, or it would be read for ever */

        tail->conn.large = 0;
        tail->exact = 1;
        ngx_http_ai_xread_skip(&tail->x);
        tail->read(tail->data);
    }

    rc = ngx_http_ai_redis_nodes_next(&tail->nodes);

    if (rc == NGX_OK && !up) {
        ngx_http_ai_redis_tail_elsewhere(tail);
        return;
    }

    ngx_http_ai_redis_tail_failed(tail, why);
    ngx_http_ai_redis_tail_reset(tail);

    tail->failures++;
    tail->changed(tail->data);

    tail->backoff = (stable || tail->backoff == 0)
                        ? NGX_HTTP_AI_REDIS_TAIL_BACKOFF_MS
                        : ngx_min(tail->backoff * 2,
                                  NGX_HTTP_AI_REDIS_TAIL_MAX_BACKOFF_MS);

    ngx_http_ai_redis_tail_wait(tail, tail->backoff - (ngx_msec_t) ngx_random()
                                                      % (tail->backoff / 2));
}


/* worker_shutdown_timeout */

static void
ngx_http_ai_redis_tail_leave(void *data)
{
    ngx_http_ai_redis_tail_stop(data);
}


/* a loss is logged once, and another reason a minute later at the soonest */

static void
ngx_http_ai_redis_tail_failed(ngx_http_ai_redis_tail_t *tail, const char *why)
{
    if (tail->logged
        && ngx_current_msec - tail->logged < NGX_HTTP_AI_REDIS_TAIL_RELOG_MS)
    {
        return;
    }

    if (tail->told
        && ngx_strncmp(tail->reason, why, NGX_HTTP_AI_REDIS_WHY - 1) == 0)
    {
        return;
    }

    tail->told = 1;
    tail->logged = ngx_max(ngx_current_msec, 1);

    (void) ngx_cpystrn(tail->reason, (u_char *) why, NGX_HTTP_AI_REDIS_WHY);

    ngx_log_error(NGX_LOG_WARN, tail->log, 0,
                  "ai %s: redis %V cannot be read: %s", tail->what,
                  &tail->nodes.name, tail->reason);
}


/* why may be a text of the connection's, hence after the last use of it */

static void
ngx_http_ai_redis_tail_reset(ngx_http_ai_redis_tail_t *tail)
{
    ngx_http_ai_redis_conn_close(&tail->conn);
    ngx_http_ai_redis_nodes_cancel(&tail->nodes);

    tail->state = NGX_HTTP_AI_REDIS_TAIL_WAITING;
    tail->up = 0;
    tail->due = 0;
    tail->skip = 0;
}


static void
ngx_http_ai_redis_tail_wait(ngx_http_ai_redis_tail_t *tail, ngx_msec_t delay)
{
    if (tail->timer.timer_set) {
        ngx_del_timer(&tail->timer);
    }

    ngx_add_timer(&tail->timer, delay);
}


static void
ngx_http_ai_redis_tail_timer_handler(ngx_event_t *ev)
{
    ngx_connection_t          *c;
    ngx_http_ai_redis_tail_t  *tail;

    c = ev->data;
    tail = c->data;

    switch (tail->state) {

    case NGX_HTTP_AI_REDIS_TAIL_OFF:
        return;

    case NGX_HTTP_AI_REDIS_TAIL_WAITING:
        ngx_http_ai_redis_tail_connect(tail);
        return;

    case NGX_HTTP_AI_REDIS_TAIL_RESOLVING:
        ngx_http_ai_redis_nodes_cancel(&tail->nodes);
        ngx_http_ai_redis_tail_resolved(tail);
        return;

    case NGX_HTTP_AI_REDIS_TAIL_CONNECTING:
    case NGX_HTTP_AI_REDIS_TAIL_GREETING:
        ngx_http_ai_redis_tail_lost(tail, "connect timed out");
        return;

    case NGX_HTTP_AI_REDIS_TAIL_READING:
        ngx_http_ai_redis_tail_lost(tail, "no reply");
    }
}
