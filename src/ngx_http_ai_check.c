
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * A check's life: its turn, the block's servers one after another, the
 * request, the outcome.  Each worker looks at every account's clock in the
 * zone, and the one that finds the time over does the check.
 *
 *   look -> connecting -> handshaking -> sending -> reading -> over -> look
 *               ^--- next server ---|
 *
 * One timer per account serves all of it.  It is cancelable, and the
 * connection has no timer of its own: a worker that exits does not wait.
 */


#include "ngx_http_ai_check.h"
#include <ngx_event_connect.h>


#define NGX_HTTP_AI_CHECK_POOL   4096
#define NGX_HTTP_AI_CHECK_ERROR  5000      /* ms for the body of an error */


static void ngx_http_ai_check_cleanup(void *data);
static void ngx_http_ai_check_timer(ngx_event_t *ev);
static void ngx_http_ai_check_begin(ngx_http_ai_check_t *check,
    ngx_http_ai_pass_t *pass);
static ngx_http_ai_check_run_t *ngx_http_ai_check_create(
    ngx_http_ai_pass_t *pass);
static void ngx_http_ai_check_expire(ngx_http_ai_check_t *check);

static void ngx_http_ai_check_connect(ngx_http_ai_check_t *check);
static void ngx_http_ai_check_connect_handler(ngx_event_t *ev);
static ngx_int_t ngx_http_ai_check_connected(ngx_connection_t *c,
    ngx_http_ai_check_run_t *run);
static void ngx_http_ai_check_next(ngx_http_ai_check_t *check);
#if (NGX_HTTP_SSL)
static void ngx_http_ai_check_ssl(ngx_http_ai_check_t *check,
    ngx_connection_t *c);
static ngx_int_t ngx_http_ai_check_ssl_name(ngx_http_ai_check_t *check,
    ngx_connection_t *c);
static void ngx_http_ai_check_ssl_handler(ngx_connection_t *c);
static ngx_int_t ngx_http_ai_check_ssl_verify(ngx_http_ai_check_t *check,
    ngx_connection_t *c);
#endif

static void ngx_http_ai_check_stand(ngx_http_ai_check_t *check,
    ngx_connection_t *c);
static void ngx_http_ai_check_write_handler(ngx_event_t *wev);
static void ngx_http_ai_check_read_handler(ngx_event_t *rev);
static void ngx_http_ai_check_read(ngx_http_ai_check_t *check,
    ngx_connection_t *c);
static void ngx_http_ai_check_wait_body(ngx_http_ai_check_t *check);
static void ngx_http_ai_check_nothing(ngx_event_t *ev);

static void ngx_http_ai_check_answered(ngx_http_ai_check_t *check);
static void ngx_http_ai_check_finish(ngx_http_ai_check_t *check,
    ngx_http_ai_verdict_e verdict, int64_t wait_ms);
static void ngx_http_ai_check_close(ngx_http_ai_check_run_t *run);
static void ngx_http_ai_check_log(ngx_http_ai_check_t *check,
    ngx_http_ai_verdict_e verdict, ngx_http_ai_verdict_e last);
static void ngx_http_ai_check_note(ngx_http_ai_check_run_t *run,
    const char *text);
static void ngx_http_ai_check_note_errno(ngx_http_ai_check_run_t *run,
    ngx_err_t err);


ngx_int_t
ngx_http_ai_check_start(ngx_cycle_t *cycle, ngx_http_ai_main_conf_t *amcf)
{
    ngx_uint_t               i;
    ngx_pool_cleanup_t      *cln;
    ngx_http_ai_check_t     *check;
    ngx_http_ai_account_t  **account;

    amcf->checks = ngx_array_create(cycle->pool,
                                    ngx_max(amcf->accounts.nelts, 1),
                                    sizeof(ngx_http_ai_check_t));
    cln = ngx_pool_cleanup_add(cycle->pool, 0);

    if (amcf->checks == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_ai_check_cleanup;
    cln->data = amcf;

    account = amcf->accounts.elts;

    for (i = 0; i < amcf->accounts.nelts; i++) {

        if (account[i]->check.interval == 0) {
            continue;
        }

        /* the array never grows: timers do not move */

        check = ngx_array_push(amcf->checks);

        ngx_memzero(check, sizeof(ngx_http_ai_check_t));

        check->account = account[i];
        check->zone = amcf->zone;
        check->timer.handler = ngx_http_ai_check_timer;
        check->timer.data = check;
        check->timer.log = cycle->log;
        check->timer.cancelable = 1;

        /* many accounts are not asked in one breath */

        ngx_add_timer(&check->timer,
                      ngx_random() % ngx_min(account[i]->check.interval / 2,
                                             1000));
    }

    return NGX_OK;
}


void
ngx_http_ai_check_stop(ngx_http_ai_main_conf_t *amcf)
{
    ngx_uint_t            i;
    ngx_http_ai_check_t  *check;

    if (amcf->checks == NULL) {
        return;
    }

    check = amcf->checks->elts;

    for (i = 0; i < amcf->checks->nelts; i++) {
        if (check[i].run) {
            (void) ngx_http_ai_health_check_end(check[i].zone,
                                      check[i].account, &check[i].run->pass,
                                      NGX_HTTP_AI_CLIENT_CLOSED, -1);
        }
    }

    ngx_http_ai_check_cleanup(amcf);
}


/* the zone may be gone by now */

static void
ngx_http_ai_check_cleanup(void *data)
{
    ngx_http_ai_main_conf_t  *amcf = data;

    ngx_uint_t            i;
    ngx_http_ai_check_t  *check;

    check = amcf->checks->elts;

    for (i = 0; i < amcf->checks->nelts; i++) {

        if (check[i].timer.timer_set) {
            ngx_del_timer(&check[i].timer);
        }

        if (check[i].run) {
            ngx_http_ai_check_close(check[i].run);
            ngx_destroy_pool(check[i].run->pool);
            check[i].run = NULL;
        }
    }
}


static void
ngx_http_ai_check_timer(ngx_event_t *ev)
{
    ngx_http_ai_check_t  *check = ev->data;

    ngx_msec_t          wait;
    ngx_http_ai_pass_t  pass;

    if (check->run) {
        ngx_http_ai_check_expire(check);
        return;
    }

    if (ngx_exiting || ngx_quit || ngx_terminate) {
        /* those who stay do it */
        return;
    }

    if (ngx_http_ai_health_check_begin(check->zone, check->account, &pass,
                                       &wait)
        == NGX_OK)
    {
        ngx_http_ai_check_begin(check, &pass);
        return;
    }

    ngx_add_timer(&check->timer, wait);
}


static void
ngx_http_ai_check_begin(ngx_http_ai_check_t *check, ngx_http_ai_pass_t *pass)
{
    check->run = ngx_http_ai_check_create(pass);

    if (check->run == NULL) {
        (void) ngx_http_ai_health_check_end(check->zone, check->account, pass,
                                            NGX_HTTP_AI_CLIENT_CLOSED, -1);
        ngx_add_timer(&check->timer, check->account->check.timeout);
        return;
    }

    check->run->end = check->run->start + check->account->check.timeout;

    if (ngx_http_ai_check_request(check) != NGX_OK
        || ngx_http_ai_check_reply_init(check->run) != NGX_OK)
    {
        ngx_http_ai_check_finish(check, NGX_HTTP_AI_CLIENT_CLOSED, -1);
        return;
    }

    ngx_http_ai_check_peers(check);
    ngx_http_ai_check_connect(check);
}


static ngx_http_ai_check_run_t *
ngx_http_ai_check_create(ngx_http_ai_pass_t *pass)
{
    ngx_pool_t               *pool;
    ngx_http_ai_check_run_t  *run;

    pool = ngx_create_pool(NGX_HTTP_AI_CHECK_POOL, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    run = ngx_pcalloc(pool, sizeof(ngx_http_ai_check_run_t));
    if (run == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    run->pool = pool;
    run->pass = *pass;
    run->start = ngx_current_msec;
    run->log = *ngx_cycle->log;
    run->log.action = "checking ai account";

    if (!(run->log.log_level & NGX_LOG_DEBUG_ALL)) {
        /* the core would repeat itself with each check that fails */
        run->log.log_level = ngx_min(run->log.log_level, NGX_LOG_ALERT);
    }

    return run;
}


/* what the run waited for did not come in time */

static void
ngx_http_ai_check_expire(ngx_http_ai_check_t *check)
{
    ngx_http_ai_check_run_t  *run;

    run = check->run;

    if (!run->sending) {
        ngx_http_ai_check_note_errno(run, NGX_ETIMEDOUT);
        ngx_http_ai_check_next(check);
        return;
    }

    if (run->reply.head_done) {
        ngx_http_ai_check_answered(check);
        return;
    }

    ngx_http_ai_check_finish(check, NGX_HTTP_AI_TIMEOUT, -1);
}


/*
 * To the next of the block's servers; each has its share of the time that is
 * left.  Only when none of them can be reached, connections have failed.
 */

static void
ngx_http_ai_check_connect(ngx_http_ai_check_t *check)
{
    ngx_int_t                  rc;
    ngx_msec_t                 left;
    ngx_uint_t                 i;
    ngx_connection_t          *c;
    ngx_http_ai_check_run_t   *run;
    ngx_http_ai_check_peer_t  *peer;

    run = check->run;

    for ( /* void */ ; run->tried < run->npeers; run->tried++) {

        left = run->end - ngx_current_msec;

        if ((ngx_msec_int_t) left <= 0) {
            break;
        }

        i = run->tried;

        if (i < run->primaries) {
            i = (i + run->first) % run->primaries;
        }

        peer = &run->peers[i];

        ngx_memzero(&run->peer, sizeof(ngx_peer_connection_t));

        run->peer.sockaddr = &peer->sockaddr.sockaddr;
        run->peer.socklen = peer->socklen;
        run->peer.name = &peer->name;
        run->peer.get = ngx_event_get_peer;
        run->peer.log = &run->log;
        run->peer.log_error = NGX_ERROR_ERR;

        rc = ngx_event_connect_peer(&run->peer);

        if (rc == NGX_DECLINED) {
            ngx_http_ai_check_note_errno(run, ngx_socket_errno);
            continue;
        }

        if (rc != NGX_OK && rc != NGX_AGAIN) {
            /* no socket, no free connection: not the account's fault */
            ngx_http_ai_check_finish(check, NGX_HTTP_AI_CLIENT_CLOSED, -1);
            return;
        }

        c = run->peer.connection;

        c->data = check;
        c->pool = run->pool;
        c->read->handler = ngx_http_ai_check_connect_handler;
        c->write->handler = ngx_http_ai_check_connect_handler;

        ngx_add_timer(&check->timer,
                      ngx_max(left / (run->npeers - run->tried), 1));

        if (rc == NGX_OK) {
            ngx_http_ai_check_connect_handler(c->write);
        }

        return;
    }

    ngx_http_ai_check_finish(check, NGX_HTTP_AI_CONNECT, -1);
}


static void
ngx_http_ai_check_connect_handler(ngx_event_t *ev)
{
    ngx_connection_t     *c;
    ngx_http_ai_check_t  *check;

    c = ev->data;
    check = c->data;

    if (c->close) {
        /* worker_shutdown_timeout */
        ngx_http_ai_check_finish(check, NGX_HTTP_AI_CLIENT_CLOSED, -1);
        return;
    }

    if (ngx_http_ai_check_connected(c, check->run) != NGX_OK) {
        ngx_http_ai_check_next(check);
        return;
    }

#if (NGX_HTTP_SSL)

    if (check->account->tls) {
        ngx_http_ai_check_ssl(check, c);
        return;
    }

#endif

    ngx_http_ai_check_stand(check, c);
}


static ngx_int_t
ngx_http_ai_check_connected(ngx_connection_t *c, ngx_http_ai_check_run_t *run)
{
    int        err;
    socklen_t  len;

    err = 0;
    len = sizeof(int);

    /* Linux and the BSDs return 0 and the error, Solaris -1 and errno */

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    if (err) {
        ngx_http_ai_check_note_errno(run, err);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_ai_check_next(ngx_http_ai_check_t *check)
{
    ngx_http_ai_check_close(check->run);

    check->run->tried++;

    ngx_http_ai_check_connect(check);
}


#if (NGX_HTTP_SSL)

/* as nginx's upstream does it, with the account's own context and name */

static void
ngx_http_ai_check_ssl(ngx_http_ai_check_t *check, ngx_connection_t *c)
{
    if (ngx_ssl_create_connection(check->account->upstream.ssl, c,
                                  NGX_SSL_BUFFER|NGX_SSL_CLIENT)
        != NGX_OK
        || ngx_http_ai_check_ssl_name(check, c) != NGX_OK)
    {
        ngx_http_ai_check_finish(check, NGX_HTTP_AI_CLIENT_CLOSED, -1);
        return;
    }

    if (ngx_ssl_handshake(c) == NGX_AGAIN) {
        c->ssl->handler = ngx_http_ai_check_ssl_handler;
        return;
    }

    ngx_http_ai_check_ssl_handler(c);
}


/* addresses are no server names (RFC 6066) */

static ngx_int_t
ngx_http_ai_check_ssl_name(ngx_http_ai_check_t *check, ngx_connection_t *c)
{
    u_char     *name;
    ngx_str_t  *sni;

    sni = &check->account->sni;

    if (sni->data[0] == '['
        || ngx_inet_addr(sni->data, sni->len) != INADDR_NONE)
    {
        return NGX_OK;
    }

    name = ngx_pnalloc(check->run->pool, sni->len + 1);
    if (name == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_cpystrn(name, sni->data, sni->len + 1);

    if (SSL_set_tlsext_host_name(c->ssl->connection, (char *) name) == 0) {
        ngx_ssl_error(NGX_LOG_ERR, c->log, 0,
                      "SSL_set_tlsext_host_name(\"%s\") failed", name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_ai_check_ssl_handler(ngx_connection_t *c)
{
    ngx_http_ai_check_t  *check;

    check = c->data;

    if (!c->ssl->handshaked) {
        ngx_http_ai_check_note(check->run, "TLS handshake failed");
        ngx_http_ai_check_next(check);
        return;
    }

    if (ngx_http_ai_check_ssl_verify(check, c) != NGX_OK) {
        ngx_http_ai_check_next(check);
        return;
    }

    ngx_http_ai_check_stand(check, c);
}


static ngx_int_t
ngx_http_ai_check_ssl_verify(ngx_http_ai_check_t *check, ngx_connection_t *c)
{
    long  rc;

    if (!check->account->verify) {
        return NGX_OK;
    }

    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc != X509_V_OK) {
        ngx_http_ai_check_note(check->run, X509_verify_cert_error_string(rc));
        return NGX_ERROR;
    }

    if (ngx_ssl_check_host(c, &check->account->sni) != NGX_OK) {
        ngx_http_ai_check_note(check->run,
                               "certificate does not match the name");
        return NGX_ERROR;
    }

    return NGX_OK;
}

#endif


/* a connection stands: from here on the time is for the answer */

static void
ngx_http_ai_check_stand(ngx_http_ai_check_t *check, ngx_connection_t *c)
{
    ngx_msec_t                left;
    ngx_http_ai_check_run_t  *run;

    run = check->run;

    run->sending = 1;
    run->note[0] = '\0';

    left = run->end - ngx_current_msec;

    ngx_add_timer(&check->timer, (ngx_msec_int_t) left > 0 ? left : 1);

    c->read->handler = ngx_http_ai_check_nothing;
    c->write->handler = ngx_http_ai_check_write_handler;

    ngx_http_ai_check_write_handler(c->write);
}


static void
ngx_http_ai_check_write_handler(ngx_event_t *wev)
{
    ssize_t               n;
    ngx_buf_t            *b;
    ngx_connection_t     *c;
    ngx_http_ai_check_t  *check;

    c = wev->data;
    check = c->data;
    b = check->run->request;

    while (b->pos < b->last) {

        n = c->send(c, b->pos, b->last - b->pos);

        if (n == NGX_AGAIN) {

            if (ngx_handle_write_event(wev, 0) != NGX_OK) {
                ngx_http_ai_check_finish(check, NGX_HTTP_AI_CLIENT_CLOSED, -1);
            }

            return;
        }

        if (n == NGX_ERROR) {
            ngx_http_ai_check_finish(check, NGX_HTTP_AI_RESET, -1);
            return;
        }

        b->pos += n;
    }

    wev->handler = ngx_http_ai_check_nothing;
    c->read->handler = ngx_http_ai_check_read_handler;

    if (ngx_handle_write_event(wev, 0) != NGX_OK) {
        ngx_http_ai_check_finish(check, NGX_HTTP_AI_CLIENT_CLOSED, -1);
        return;
    }

    ngx_http_ai_check_read(check, c);
}


static void
ngx_http_ai_check_read_handler(ngx_event_t *rev)
{
    ngx_connection_t  *c;

    c = rev->data;

    if (c->close) {
        ngx_http_ai_check_finish(c->data, NGX_HTTP_AI_CLIENT_CLOSED, -1);
        return;
    }

    ngx_http_ai_check_read(c->data, c);
}


static void
ngx_http_ai_check_read(ngx_http_ai_check_t *check, ngx_connection_t *c)
{
    ssize_t                   n;
    ngx_int_t                 rc;
    ngx_buf_t                *b;
    ngx_uint_t                head;
    ngx_http_ai_check_run_t  *run;

    run = check->run;
    b = &run->reply.buf;

    for ( ;; ) {

        n = c->recv(c, b->last, b->end - b->last);

        if (n == NGX_AGAIN) {

            if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
                ngx_http_ai_check_finish(check, NGX_HTTP_AI_CLIENT_CLOSED, -1);
            }

            return;
        }

        if (n <= 0) {

            if (run->reply.head_done) {
                /* an error without its end is one all the same */
                ngx_http_ai_check_answered(check);
                return;
            }

            ngx_http_ai_check_finish(check, NGX_HTTP_AI_RESET, -1);
            return;
        }

        b->last += n;
        head = run->reply.head_done;

        rc = ngx_http_ai_check_reply(check);

        if (rc == NGX_ERROR) {
            ngx_http_ai_check_note(run, "no valid HTTP answer");
            ngx_http_ai_check_finish(check, NGX_HTTP_AI_SERVER_ERROR, -1);
            return;
        }

        if (rc == NGX_OK) {
            ngx_http_ai_check_answered(check);
            return;
        }

        if (run->reply.head_done && !head) {
            ngx_http_ai_check_wait_body(check);
        }
    }
}


/* the head is here, so the rest is not worth a long wait */

static void
ngx_http_ai_check_wait_body(ngx_http_ai_check_t *check)
{
    ngx_msec_t  left;

    left = check->run->end - ngx_current_msec;

    if ((ngx_msec_int_t) left > NGX_HTTP_AI_CHECK_ERROR) {
        ngx_add_timer(&check->timer, NGX_HTTP_AI_CHECK_ERROR);
    }
}


static void
ngx_http_ai_check_nothing(ngx_event_t *ev)
{
    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, ev->log, 0, "ai check idle event");
}


static void
ngx_http_ai_check_answered(ngx_http_ai_check_t *check)
{
    int64_t                wait_ms;
    ngx_http_ai_verdict_e  verdict;

    verdict = ngx_http_ai_check_judge(check, &wait_ms);

    if (verdict == NGX_HTTP_AI_INVALID_REQUEST
        || verdict == NGX_HTTP_AI_MODEL_NOT_FOUND)
    {
        ngx_http_ai_check_note(check->run, "tells nothing of the account, "
                               "change \"uri=\" or \"expect=\" of "
                               "\"ai_health_check\"");
    }

    ngx_http_ai_check_finish(check, verdict, wait_ms);
}


/* the run is gone afterwards */

static void
ngx_http_ai_check_finish(ngx_http_ai_check_t *check,
    ngx_http_ai_verdict_e verdict, int64_t wait_ms)
{
    ngx_http_ai_verdict_e     last;
    ngx_http_ai_check_run_t  *run;

    run = check->run;

    ngx_http_ai_check_close(run);

    last = ngx_http_ai_health_check_end(check->zone, check->account,
                                        &run->pass, verdict, wait_ms);

    ngx_http_ai_check_log(check, verdict, last);

    check->run = NULL;
    ngx_destroy_pool(run->pool);

    /* the clock in the zone tells how long it is to the next one */

    ngx_add_timer(&check->timer, 1);
}


static void
ngx_http_ai_check_close(ngx_http_ai_check_run_t *run)
{
    ngx_connection_t  *c;

    c = run->peer.connection;

    if (c == NULL) {
        return;
    }

    run->peer.connection = NULL;

#if (NGX_HTTP_SSL)

    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;
        c->ssl->no_send_shutdown = 1;

        (void) ngx_ssl_shutdown(c);
    }

#endif

    ngx_close_connection(c);
}


/* what changes is worth a line; what goes on, one of level info */

static void
ngx_http_ai_check_log(ngx_http_ai_check_t *check,
    ngx_http_ai_verdict_e verdict, ngx_http_ai_verdict_e last)
{
    u_char                       *p, status[NGX_INT_T_LEN + 10];
    ngx_uint_t                    level;
    ngx_http_ai_check_run_t      *run;
    const ngx_http_ai_verdict_t  *row;

    run = check->run;
    row = ngx_http_ai_verdict(verdict);

    if (verdict == NGX_HTTP_AI_CLIENT_CLOSED) {

        if (!ngx_exiting) {
            ngx_log_error(NGX_LOG_ERR, check->timer.log, 0,
                          "ai account \"%V\" cannot be checked now",
                          &check->account->name);
        }

        return;
    }

    if (verdict == NGX_HTTP_AI_OK) {

        if (last != NGX_HTTP_AI_OK) {
            ngx_log_error(NGX_LOG_NOTICE, check->timer.log, 0,
                          "ai account \"%V\": check succeeds again",
                          &check->account->name);
        }

        return;
    }

    /* a closed account waits for somebody to mend it */

    level = verdict == last ? NGX_LOG_INFO
            : row->close ? NGX_LOG_ERR : NGX_LOG_WARN;

    p = status;

    if (run->reply.answer.status) {
        p = ngx_sprintf(status, ", status %ui", run->reply.answer.status);
    }

    ngx_log_error(level, check->timer.log, 0,
                  "ai account \"%V\": check failed: %V%*s%s%s after %M ms",
                  &check->account->name, &row->name, (size_t) (p - status),
                  status, run->note[0] ? ", " : "", run->note,
                  ngx_current_msec - run->start);
}


static void
ngx_http_ai_check_note(ngx_http_ai_check_run_t *run, const char *text)
{
    (void) ngx_cpystrn(run->note, (u_char *) text, sizeof(run->note));
}


static void
ngx_http_ai_check_note_errno(ngx_http_ai_check_run_t *run, ngx_err_t err)
{
    u_char  *p;

    p = ngx_strerror(err, run->note, sizeof(run->note) - 1);
    *p = '\0';
}
