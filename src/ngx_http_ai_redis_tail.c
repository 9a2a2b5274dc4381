
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
#define NGX_HTTP_AI_REDIS_TAIL_RELOG_MS    60000
#define NGX_HTTP_AI_REDIS_TAIL_AGAIN_MS    60000   /* of the stream, read again
                                                      by a new connection */


static void ngx_http_ai_redis_tail_greeted(void *data);
static void ngx_http_ai_redis_tail_ask(ngx_http_ai_redis_tail_t *tail);
static void ngx_http_ai_redis_tail_element(void *data, const ngx_uint_t *at,
    ngx_uint_t depth, const ngx_str_t *text);
static void ngx_http_ai_redis_tail_reply(void *data,
    ngx_http_ai_redis_reply_t *reply);
static void ngx_http_ai_redis_tail_worked(ngx_http_ai_redis_tail_t *tail);
static void ngx_http_ai_redis_tail_progress(void *data);
static void ngx_http_ai_redis_tail_elsewhere(void *data);
static void ngx_http_ai_redis_tail_lost(void *data, const char *why);
static void ngx_http_ai_redis_tail_silent(void *data);
static void ngx_http_ai_redis_tail_leave(void *data);
static void ngx_http_ai_redis_tail_failed(ngx_http_ai_redis_tail_t *tail,
    const char *why);
static void ngx_http_ai_redis_tail_reset(ngx_http_ai_redis_tail_t *tail);


static const ngx_http_ai_redis_session_handlers_t
    ngx_http_ai_redis_tail_handlers =
{
    ngx_http_ai_redis_tail_greeted,
    ngx_http_ai_redis_tail_reply,
    ngx_http_ai_redis_tail_progress,
    ngx_http_ai_redis_tail_element,
    ngx_http_ai_redis_tail_elsewhere,
    ngx_http_ai_redis_tail_lost,
    ngx_http_ai_redis_tail_silent,
    ngx_http_ai_redis_tail_leave
};


ngx_int_t
ngx_http_ai_redis_tail_init(ngx_http_ai_redis_tail_t *tail, ngx_pool_t *pool)
{
    ngx_http_ai_redis_session_t  *s;

    s = &tail->session;

    s->conf = tail->conf;
    s->log = tail->log;
    s->handlers = &ngx_http_ai_redis_tail_handlers;
    s->data = tail;

    return ngx_http_ai_redis_session_init(s, pool);
}


void
ngx_http_ai_redis_tail_start(ngx_http_ai_redis_tail_t *tail)
{
    tail->session.backoff = 0;
    tail->told = 0;

    ngx_http_ai_redis_session_connect(&tail->session);
}


void
ngx_http_ai_redis_tail_stop(ngx_http_ai_redis_tail_t *tail)
{
    ngx_http_ai_redis_tail_reset(tail);
    ngx_http_ai_redis_session_end(&tail->session);
}


/*
 * It may be another server, whose clock is another, and that has not got the
 * last entries of the one before: the ids to come may be less than the last.
 * However many connections fail, that is one step back.
 */

static void
ngx_http_ai_redis_tail_greeted(void *data)
{
    ngx_http_ai_redis_tail_t  *tail = data;

    ngx_http_ai_xread_id_t  *last;

    last = &tail->x.last;

    if (!tail->exact && !tail->back) {
        tail->back = 1;
        last->ms -= ngx_min(last->ms, NGX_HTTP_AI_REDIS_TAIL_AGAIN_MS);
        last->seq = 0;
    }

    tail->exact = 0;

    ngx_http_ai_redis_tail_ask(tail);
}


/*
 * Nothing else is on its way, so there is room for it.  The first one does not
 * wait: it shows that the stream may be read.
 */

static void
ngx_http_ai_redis_tail_ask(ngx_http_ai_redis_tail_t *tail)
{
    ngx_http_ai_redis_conn_t     *conn;
    ngx_http_ai_redis_session_t  *s;

    s = &tail->session;
    conn = &s->conn;

    tail->due = 0;
    tail->skip = s->nodes.ask;

    if (s->nodes.ask) {
        ngx_http_ai_redis_conn_append(conn,
                                      (u_char *) NGX_HTTP_AI_REDIS_ASKING,
                                      sizeof(NGX_HTTP_AI_REDIS_ASKING) - 1);
    }

    conn->last += ngx_http_ai_xread_command(&tail->x, tail->key,
                                            NGX_HTTP_AI_REDIS_TAIL_COUNT,
                                            s->up
                                            ? NGX_HTTP_AI_REDIS_TAIL_BLOCK_MS
                                            : 1,
                                            conn->last,
                                            ngx_http_ai_redis_conn_room(conn));

    ngx_http_ai_xread_begin(&tail->x, &tail->x.last);

    ngx_http_ai_redis_session_wait(s, NGX_HTTP_AI_REDIS_TAIL_SILENCE_MS);

    if (ngx_http_ai_redis_conn_flush(conn) == NGX_ERROR) {
        ngx_http_ai_redis_tail_lost(tail, conn->why);
    }
}


static void
ngx_http_ai_redis_tail_element(void *data, const ngx_uint_t *at,
    ngx_uint_t depth, const ngx_str_t *text)
{
    ngx_http_ai_redis_tail_t  *tail = data;

    ngx_http_ai_xread_text(&tail->x, at, depth, text);
}


/* there was no entry for some time, or there are some */

static void
ngx_http_ai_redis_tail_reply(void *data, ngx_http_ai_redis_reply_t *reply)
{
    ngx_http_ai_redis_tail_t  *tail = data;

    char  *why;

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
        tail->back = 0;
        ngx_http_ai_redis_tail_worked(tail);
        tail->read(tail->data);
        return;
    }

    if (ngx_http_ai_redis_session_refused(&tail->session, reply, &why)
        == NGX_OK)
    {
        ngx_http_ai_redis_tail_elsewhere(tail);
        return;
    }

    ngx_http_ai_redis_tail_lost(tail, why);
}


static void
ngx_http_ai_redis_tail_worked(ngx_http_ai_redis_tail_t *tail)
{
    if (!ngx_http_ai_redis_session_worked(&tail->session)) {
        return;
    }

    if (tail->told) {
        tail->told = 0;

        ngx_log_error(NGX_LOG_NOTICE, tail->log, 0,
                      "ai %s: redis %V is read again", tail->what,
                      &tail->session.nodes.name);
    }

    tail->changed(tail->data);
}


/* after replies came */

static void
ngx_http_ai_redis_tail_progress(void *data)
{
    ngx_http_ai_redis_tail_t  *tail = data;

    if (tail->due) {
        ngx_http_ai_redis_tail_ask(tail);
    }
}


static void
ngx_http_ai_redis_tail_elsewhere(void *data)
{
    ngx_http_ai_redis_tail_t  *tail = data;

    ngx_http_ai_redis_tail_reset(tail);
    ngx_http_ai_redis_session_wait(&tail->session, 1);
}


static void
ngx_http_ai_redis_tail_lost(void *data, const char *why)
{
    ngx_http_ai_redis_tail_t  *tail = data;

    ngx_http_ai_redis_session_t  *s;

    s = &tail->session;

    if (s->conn.large) {

        /* what is too large is passed over, or it would be read for ever */

        s->conn.large = 0;
        tail->exact = 1;
        ngx_http_ai_xread_skip(&tail->x);
        tail->read(tail->data);
    }

    if (ngx_http_ai_redis_nodes_next(&s->nodes) == NGX_OK && !s->up) {
        ngx_http_ai_redis_tail_elsewhere(tail);
        return;
    }

    ngx_http_ai_redis_tail_failed(tail, why);
    ngx_http_ai_redis_tail_reset(tail);
    ngx_http_ai_redis_session_pause(s);

    tail->failures++;
    tail->changed(tail->data);
}


static void
ngx_http_ai_redis_tail_silent(void *data)
{
    ngx_http_ai_redis_tail_lost(data, "no reply");
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
                  &tail->session.nodes.name, tail->reason);
}


static void
ngx_http_ai_redis_tail_reset(ngx_http_ai_redis_tail_t *tail)
{
    ngx_http_ai_redis_session_close(&tail->session);

    if (tail->x.entries) {
        /* of a reply that broke off */
        tail->back = 0;
    }

    tail->due = 0;
    tail->skip = 0;
}
