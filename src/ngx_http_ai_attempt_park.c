
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Pauses between attempts without blocking a worker.
 *
 * peer.get may only say "again" with a connection, so a parked request gets a
 * placeholder: a socket without another end, whose recv() fails.  nginx keeps
 * watching the client meanwhile.  When the pause is over we call the upstream's
 * own read handler; its recv() fails, and the core goes to the next peer, which
 * is peer.get again.
 */


#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_compat.h"


/* the placeholder's connect timer must not fire before ours */
#define NGX_HTTP_AI_PARK_SLACK  60000


static ssize_t ngx_http_ai_attempt_no_recv(ngx_connection_t *c, u_char *buf,
    size_t size);


/* this worker's queued requests; not touched outside of the event loop */

static ngx_queue_t  ngx_http_ai_attempt_parked;


ngx_int_t
ngx_http_ai_attempt_park(ngx_peer_connection_t *pc,
    ngx_http_ai_attempt_t *at, ngx_msec_t ms)
{
    int                   fd;
    ngx_connection_t     *c;
    ngx_http_upstream_t  *u;

    static ngx_str_t  name = ngx_string("pause");

    /* the core may ask it how its connect() went */

    fd = socket(AF_UNIX, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0);

    if (fd == -1) {
        ngx_log_error(NGX_LOG_ERR, pc->log, ngx_errno, "socket() failed");
        return NGX_ERROR;
    }

    c = ngx_get_connection(fd, pc->log);

    if (c == NULL) {
        (void) close(fd);
        return NGX_ERROR;
    }

    c->recv = ngx_http_ai_attempt_no_recv;
    c->log = pc->log;
    c->read->log = pc->log;
    c->write->log = pc->log;
    c->log_error = pc->log_error;

    pc->connection = c;
    pc->cached = 0;
    pc->sockaddr = NULL;
    pc->name = &name;
    pc->tries = 1;

    u = at->ctx->request->upstream;

    /* else the core would rewind the last request's bufs */
    u->request_sent = 0;
    ngx_http_ai_upstream_reset(u);

    at->conf.connect_timeout = ms + NGX_HTTP_AI_PARK_SLACK;

    at->parked = 1;
    at->park_start = ngx_current_msec;

    at->park.handler = ngx_http_ai_attempt_wake;
    at->park.data = at;
    at->park.log = pc->log;

    ngx_add_timer(&at->park, ms);

    if (at->ticket.seq && !at->in_line) {

        if (ngx_http_ai_attempt_parked.next == NULL) {
            ngx_queue_init(&ngx_http_ai_attempt_parked);
        }

        ngx_queue_insert_tail(&ngx_http_ai_attempt_parked, &at->line);
        at->in_line = 1;
    }

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, pc->log, 0, "ai parked for %M ms", ms);

    return NGX_AGAIN;
}


void
ngx_http_ai_attempt_wake(ngx_event_t *ev)
{
    ngx_http_ai_attempt_t  *at = ev->data;

    ngx_connection_t     *c;
    ngx_http_request_t   *r;
    ngx_http_upstream_t  *u;

    r = at->ctx->request;
    c = r->connection;
    u = r->upstream;

    ngx_http_set_log_request(c->log, r);

    at->parked = 0;
    at->unparked = 1;
    at->paused += ngx_current_msec - at->park_start;

    ngx_http_ai_totals_busy(at->ctx);

    u->request_sent = 1;       /* there is no connect to test */

    u->read_event_handler(r, u);

    ngx_http_run_posted_requests(c);
}


static ssize_t
ngx_http_ai_attempt_no_recv(ngx_connection_t *c, u_char *buf, size_t size)
{
    return NGX_ERROR;
}


/*
 * nginx ends each connection of a worker whose worker_shutdown_timeout is
 * over.  The client's is one of them, but the placeholder's may come first:
 * there is another one then, for as long as that takes.
 */

void
ngx_http_ai_attempt_interrupted(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at)
{
    ngx_del_timer(&at->park);

    at->parked = 0;
    at->paused += ngx_current_msec - at->park_start;

    ngx_http_ai_attempt_replace_pause(r);
}


/* the placeholder is no attempt: it goes out of $upstream_addr and the like */

void
ngx_http_ai_attempt_forget_pause(ngx_http_request_t *r)
{
    ngx_uint_t                  n;
    ngx_http_upstream_t        *u;
    ngx_http_upstream_state_t  *state;

    u = r->upstream;
    n = --r->upstream_states->nelts;

    state = r->upstream_states->elts;
    u->state = n ? &state[n - 1] : NULL;
}


/* in peer.get the core has pushed the next state already: it moves down */

void
ngx_http_ai_attempt_replace_pause(ngx_http_request_t *r)
{
    ngx_http_upstream_state_t  *state;

    state = r->upstream_states->elts;
    state += --r->upstream_states->nelts - 1;

    ngx_memzero(state, sizeof(ngx_http_upstream_state_t));
    state->response_time = (ngx_msec_t) -1;
    state->connect_time = (ngx_msec_t) -1;
    state->header_time = (ngx_msec_t) -1;

    r->upstream->state = state;
}


void
ngx_http_ai_attempt_unpark(ngx_http_ai_attempt_t *at)
{
    if (at->park.timer_set) {
        ngx_del_timer(&at->park);
        at->paused += ngx_current_msec - at->park_start;
    }

    ngx_http_ai_attempt_leave_queue(at);
}


/* the next one in this worker need not wait for its own poll */

void
ngx_http_ai_attempt_leave_queue(ngx_http_ai_attempt_t *at)
{
    ngx_queue_t            *q;
    ngx_http_ai_attempt_t  *other, *best;

    ngx_http_ai_queue_leave(at->ctx->conf->zone, &at->ticket);

    if (!at->in_line) {
        return;
    }

    ngx_queue_remove(&at->line);
    at->in_line = 0;

    best = NULL;

    for (q = ngx_queue_head(&ngx_http_ai_attempt_parked);
         q != ngx_queue_sentinel(&ngx_http_ai_attempt_parked);
         q = ngx_queue_next(q))
    {
        other = ngx_queue_data(q, ngx_http_ai_attempt_t, line);

        if (other->parked
            && other->ctx->plan.route == at->ctx->plan.route
            && (best == NULL
                || other->ctx->policy->priority > best->ctx->policy->priority))
        {
            best = other;
        }
    }

    if (best) {
        /* a timer that is merely moved a little would keep its old time */
        ngx_del_timer(&best->park);
        ngx_add_timer(&best->park, NGX_HTTP_AI_QUEUE_STEP);
    }
}
