
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_ai_redis_session.h"


#define NGX_HTTP_AI_REDIS_CONNECT_MS      3000     /* greeting included */
#define NGX_HTTP_AI_REDIS_BACKOFF_MS      50
#define NGX_HTTP_AI_REDIS_MAX_BACKOFF_MS  2000
#define NGX_HTTP_AI_REDIS_STABLE_MS       10000    /* back-off starts anew */


static void ngx_http_ai_redis_session_resolved(void *data);
static void ngx_http_ai_redis_session_open(ngx_http_ai_redis_session_t *s);
static void ngx_http_ai_redis_session_ready(void *data);
static void ngx_http_ai_redis_session_greeted(ngx_http_ai_redis_session_t *s);
static void ngx_http_ai_redis_session_reply(void *data,
    ngx_http_ai_redis_reply_t *reply);
static void ngx_http_ai_redis_session_element(void *data,
    const ngx_uint_t *at, ngx_uint_t depth, const ngx_str_t *text);
static void ngx_http_ai_redis_session_progress(void *data);
static void ngx_http_ai_redis_session_lost(void *data, const char *why);
static void ngx_http_ai_redis_session_leave(void *data);
static void ngx_http_ai_redis_session_timer_handler(ngx_event_t *ev);


static const ngx_http_ai_redis_conn_handlers_t
    ngx_http_ai_redis_session_handlers =
{
    ngx_http_ai_redis_session_ready,
    ngx_http_ai_redis_session_reply,
    ngx_http_ai_redis_session_progress,
    ngx_http_ai_redis_session_lost,
    ngx_http_ai_redis_session_leave,
    ngx_http_ai_redis_session_element
};


ngx_int_t
ngx_http_ai_redis_session_init(ngx_http_ai_redis_session_t *s,
    ngx_pool_t *pool)
{
    s->conn.handlers = &ngx_http_ai_redis_session_handlers;
    s->conn.data = s;
    s->conn.conf = s->conf;

    s->dumb.fd = (ngx_socket_t) -1;
    s->dumb.data = s;

    s->timer.handler = ngx_http_ai_redis_session_timer_handler;
    s->timer.data = &s->dumb;
    s->timer.log = s->log;
    s->timer.cancelable = 1;

    return ngx_http_ai_redis_nodes_init(&s->nodes, s->conf, pool,
                                        ngx_http_ai_redis_session_resolved, s);
}


void
ngx_http_ai_redis_session_connect(ngx_http_ai_redis_session_t *s)
{
    ngx_int_t  rc;

    s->state = NGX_HTTP_AI_REDIS_RESOLVING;

    ngx_http_ai_redis_session_wait(s, NGX_HTTP_AI_REDIS_CONNECT_MS);

    rc = ngx_http_ai_redis_nodes_address(&s->nodes, s->closing);

    if (rc == NGX_OK) {
        ngx_http_ai_redis_session_open(s);

    } else if (rc == NGX_ERROR) {
        s->handlers->lost(s->data, s->nodes.why);
    }
}


/* the answer is there, or it is too late for it */

static void
ngx_http_ai_redis_session_resolved(void *data)
{
    ngx_http_ai_redis_session_t  *s = data;

    if (ngx_http_ai_redis_nodes_address(&s->nodes, 1) == NGX_OK) {
        ngx_http_ai_redis_session_open(s);
        return;
    }

    s->handlers->lost(s->data, s->nodes.why);
}


static void
ngx_http_ai_redis_session_open(ngx_http_ai_redis_session_t *s)
{
    const ngx_str_t  *host;

    host = s->conf->sni.len ? &s->conf->sni : &s->nodes.peer;

    s->state = NGX_HTTP_AI_REDIS_CONNECTING;

    ngx_http_ai_redis_session_wait(s, NGX_HTTP_AI_REDIS_CONNECT_MS);

    if (ngx_http_ai_redis_conn_open(&s->conn, s->nodes.sockaddr,
                                    s->nodes.socklen, host)
        != NGX_OK)
    {
        s->handlers->lost(s->data, s->conn.why);
    }
}


static void
ngx_http_ai_redis_session_ready(void *data)
{
    ngx_http_ai_redis_session_t  *s = data;

    s->state = NGX_HTTP_AI_REDIS_GREETING;

    ngx_http_ai_redis_greet(&s->greet, &s->conn, &s->nodes);

    if (s->greet.n == 0) {
        ngx_http_ai_redis_session_greeted(s);
        return;
    }

    if (ngx_http_ai_redis_conn_flush(&s->conn) == NGX_ERROR) {
        s->handlers->lost(s->data, s->conn.why);
    }
}


static void
ngx_http_ai_redis_session_greeted(ngx_http_ai_redis_session_t *s)
{
    s->state = NGX_HTTP_AI_REDIS_OPEN;

    s->handlers->greeted(s->data);
}


static void
ngx_http_ai_redis_session_reply(void *data, ngx_http_ai_redis_reply_t *reply)
{
    ngx_http_ai_redis_session_t  *s = data;

    u_char  why[NGX_HTTP_AI_REDIS_WHY];

    if (s->state == NGX_HTTP_AI_REDIS_OPEN) {
        s->handlers->reply(s->data, reply);
        return;
    }

    switch (ngx_http_ai_redis_greet_answer(&s->greet, reply, why)) {

    case NGX_OK:
        ngx_http_ai_redis_session_greeted(s);
        return;

    case NGX_DONE:
        s->handlers->elsewhere(s->data);
        return;

    case NGX_ERROR:
        s->handlers->lost(s->data, (char *) why);
        return;

    default: /* NGX_AGAIN */
        return;
    }
}


static void
ngx_http_ai_redis_session_element(void *data, const ngx_uint_t *at,
    ngx_uint_t depth, const ngx_str_t *text)
{
    ngx_http_ai_redis_session_t  *s = data;

    if (s->state == NGX_HTTP_AI_REDIS_OPEN && s->handlers->element) {
        s->handlers->element(s->data, at, depth, text);
    }
}


static void
ngx_http_ai_redis_session_progress(void *data)
{
    ngx_http_ai_redis_session_t  *s = data;

    s->handlers->progress(s->data);
}


static void
ngx_http_ai_redis_session_lost(void *data, const char *why)
{
    ngx_http_ai_redis_session_t  *s = data;

    s->handlers->lost(s->data, why);
}


static void
ngx_http_ai_redis_session_leave(void *data)
{
    ngx_http_ai_redis_session_t  *s = data;

    s->handlers->leave(s->data);
}


void
ngx_http_ai_redis_session_close(ngx_http_ai_redis_session_t *s)
{
    if (ngx_http_ai_redis_session_stable(s)) {
        s->backoff = 0;
    }

    ngx_http_ai_redis_conn_close(&s->conn);
    ngx_http_ai_redis_nodes_cancel(&s->nodes);

    s->state = NGX_HTTP_AI_REDIS_WAITING;
    s->up = 0;
}


void
ngx_http_ai_redis_session_end(ngx_http_ai_redis_session_t *s)
{
    ngx_http_ai_redis_session_close(s);
    ngx_http_ai_redis_conn_free(&s->conn);

    if (s->timer.timer_set) {
        ngx_del_timer(&s->timer);
    }
}


void
ngx_http_ai_redis_session_wait(ngx_http_ai_redis_session_t *s,
    ngx_msec_t delay)
{
    s->due = ngx_current_msec + delay;

    if (s->timer.timer_set) {
        ngx_del_timer(&s->timer);
    }

    if (!s->closing) {
        ngx_add_timer(&s->timer, delay);
    }
}


void
ngx_http_ai_redis_session_pause(ngx_http_ai_redis_session_t *s)
{
    s->backoff = s->backoff ? ngx_min(s->backoff * 2,
                                      NGX_HTTP_AI_REDIS_MAX_BACKOFF_MS)
                            : NGX_HTTP_AI_REDIS_BACKOFF_MS;

    ngx_http_ai_redis_session_wait(s, s->backoff - (ngx_msec_t) ngx_random()
                                                   % (s->backoff / 2));
}


ngx_uint_t
ngx_http_ai_redis_session_worked(ngx_http_ai_redis_session_t *s)
{
    if (s->up) {
        return 0;
    }

    s->up = 1;
    s->up_since = ngx_current_msec;

    ngx_http_ai_redis_nodes_worked(&s->nodes);

    return 1;
}


ngx_uint_t
ngx_http_ai_redis_session_stable(ngx_http_ai_redis_session_t *s)
{
    return s->up
           && ngx_current_msec - s->up_since > NGX_HTTP_AI_REDIS_STABLE_MS;
}


ngx_int_t
ngx_http_ai_redis_session_refused(ngx_http_ai_redis_session_t *s,
    ngx_http_ai_redis_reply_t *reply, char **why)
{
    ngx_str_t                      text;
    ngx_http_ai_redisaddr_hop_e    hop;
    ngx_http_ai_redisaddr_node_t   node;

    *why = reply->text[0] ? (char *) reply->text : "unexpected reply";

    if (reply->type != NGX_HTTP_AI_REDIS_ERROR
        || s->conf->kind != NGX_HTTP_AI_REDISADDR_CLUSTER)
    {
        return NGX_ERROR;
    }

    text.data = reply->text;
    text.len = ngx_strlen(text.data);

    hop = ngx_http_ai_redisaddr_hop(&text, &node);

    if (hop == NGX_HTTP_AI_REDISADDR_NONE) {
        return NGX_ERROR;
    }

    if (ngx_http_ai_redis_nodes_told(&s->nodes, &node.host, node.port,
                                     hop == NGX_HTTP_AI_REDISADDR_ASK)
        != NGX_OK)
    {
        *why = "too many redirections";
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_ai_redis_session_timer_handler(ngx_event_t *ev)
{
    ngx_connection_t             *c;
    ngx_http_ai_redis_session_t  *s;

    c = ev->data;
    s = c->data;

    switch (s->state) {

    case NGX_HTTP_AI_REDIS_WAITING:
        ngx_http_ai_redis_session_connect(s);
        return;

    case NGX_HTTP_AI_REDIS_RESOLVING:
        ngx_http_ai_redis_nodes_cancel(&s->nodes);
        ngx_http_ai_redis_session_resolved(s);
        return;

    case NGX_HTTP_AI_REDIS_CONNECTING:
    case NGX_HTTP_AI_REDIS_GREETING:
        s->handlers->lost(s->data, "connect timed out");
        return;

    case NGX_HTTP_AI_REDIS_OPEN:
        s->handlers->silent(s->data);
    }
}
