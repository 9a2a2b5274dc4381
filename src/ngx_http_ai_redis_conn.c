
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <poll.h>

#include <hiredis/hiredis.h>

#include "ngx_http_ai_compat.h"
#include "ngx_http_ai_redis_conn.h"
#include "pure/ngx_http_ai_resp.h"


#define NGX_HTTP_AI_REDIS_OUT        NGX_HTTP_AI_RESP_BLOCK
#define NGX_HTTP_AI_REDIS_IN         (16 * 1024)
#define NGX_HTTP_AI_REDIS_MAX_REPLY  (64 * 1024)
#define NGX_HTTP_AI_REDIS_TURN       (256 * 1024)  /* read in one turn of the
                                                      event loop */


static ngx_int_t ngx_http_ai_redis_conn_socket(ngx_http_ai_redis_conn_t *conn,
    struct sockaddr *sockaddr, socklen_t socklen);
static ngx_int_t ngx_http_ai_redis_conn_attach(ngx_http_ai_redis_conn_t *conn,
    ngx_socket_t fd);
static ngx_int_t ngx_http_ai_redis_conn_errno(ngx_http_ai_redis_conn_t *conn,
    ngx_err_t err);
static void ngx_http_ai_redis_conn_log(ngx_log_t *log, ngx_uint_t level,
    u_char *buf, size_t len);
static const char *ngx_http_ai_redis_conn_said(ngx_http_ai_redis_conn_t *conn,
    const char *otherwise);
static void ngx_http_ai_redis_conn_lost(ngx_http_ai_redis_conn_t *conn,
    const char *why);

static void ngx_http_ai_redis_conn_connect_handler(ngx_event_t *ev);
static void ngx_http_ai_redis_conn_stands(ngx_http_ai_redis_conn_t *conn);
static void ngx_http_ai_redis_conn_read_handler(ngx_event_t *rev);
static void ngx_http_ai_redis_conn_write_handler(ngx_event_t *wev);
static ngx_int_t ngx_http_ai_redis_conn_parse(ngx_http_ai_redis_conn_t *conn,
    u_char *buf, size_t n);

#if (NGX_HTTP_SSL)
static ngx_int_t ngx_http_ai_redis_conn_ssl(ngx_http_ai_redis_conn_t *conn);
static ngx_uint_t ngx_http_ai_redis_conn_is_addr(const ngx_str_t *name);
static void ngx_http_ai_redis_conn_ssl_handler(ngx_connection_t *c);
static const char *ngx_http_ai_redis_conn_verify(
    ngx_http_ai_redis_conn_t *conn);
#endif

static redisReplyObjectFunctions *ngx_http_ai_redis_parser(void);
static void *ngx_http_ai_redis_parse(const redisReadTask *task);
static void ngx_http_ai_redis_parse_text(u_char *dst, const char *str,
    size_t len);
static void *ngx_http_ai_redis_parse_string(const redisReadTask *task,
    char *str, size_t len);
static void ngx_http_ai_redis_parse_element(const redisReadTask *task,
    char *str, size_t len);
static void *ngx_http_ai_redis_parse_integer(const redisReadTask *task,
    long long value);
static void *ngx_http_ai_redis_parse_nil(const redisReadTask *task);
static void ngx_http_ai_redis_parse_free(void *reply);
static void *ngx_http_ai_redis_parse_array(const redisReadTask *task,
    ngx_http_ai_hiredis_count_t n);
static void *ngx_http_ai_redis_parse_double(const redisReadTask *task,
    double value, char *str, size_t len);
static void *ngx_http_ai_redis_parse_bool(const redisReadTask *task,
    int value);


ngx_int_t
ngx_http_ai_redis_conn_open(ngx_http_ai_redis_conn_t *conn,
    struct sockaddr *sockaddr, socklen_t socklen, const ngx_str_t *host)
{
    conn->host = *host;
    conn->connected = 0;
    conn->large = 0;
    conn->serial++;

    ngx_memzero(&conn->log, sizeof(ngx_log_t));

    conn->log.log_level = NGX_LOG_INFO;
    conn->log.writer = ngx_http_ai_redis_conn_log;
    conn->log.wdata = conn;
    conn->said[0] = '\0';

    if (conn->out == NULL) {
        conn->out = ngx_alloc(NGX_HTTP_AI_REDIS_OUT, ngx_cycle->log);
    }

    conn->pos = conn->out;
    conn->last = conn->out;

    conn->reader = redisReaderCreateWithFunctions(ngx_http_ai_redis_parser());

    if (conn->out == NULL || conn->reader == NULL) {
        conn->why = "out of memory";
        ngx_http_ai_redis_conn_close(conn);
        return NGX_ERROR;
    }

    conn->reader->privdata = conn;

    if (ngx_http_ai_redis_conn_socket(conn, sockaddr, socklen) != NGX_OK) {
        ngx_http_ai_redis_conn_close(conn);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * Not ngx_event_connect_peer(): that logs each failure, and a socket's path
 * that does not exist as critical.
 */

static ngx_int_t
ngx_http_ai_redis_conn_socket(ngx_http_ai_redis_conn_t *conn,
    struct sockaddr *sockaddr, socklen_t socklen)
{
    int           on;
    ngx_err_t     err;
    ngx_socket_t  fd;

    /* ngx_get_connection() would log an alert on each of our retries */

    if (ngx_cycle->free_connection_n == 0
        && ngx_cycle->reusable_connections_n == 0)
    {
        conn->why = "no free worker_connections";
        return NGX_ERROR;
    }

    fd = ngx_socket(sockaddr->sa_family, SOCK_STREAM, 0);

    if (fd == (ngx_socket_t) -1) {
        return ngx_http_ai_redis_conn_errno(conn, ngx_socket_errno);
    }

    on = 1;

    if (ngx_nonblocking(fd) == -1
        || (sockaddr->sa_family != AF_UNIX
            && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, (const void *) &on,
                          sizeof(int))
               == -1)
        || (connect(fd, sockaddr, socklen) == -1
            && ngx_socket_errno != NGX_EINPROGRESS))
    {
        err = ngx_socket_errno;
        (void) ngx_close_socket(fd);
        return ngx_http_ai_redis_conn_errno(conn, err);
    }

    return ngx_http_ai_redis_conn_attach(conn, fd);
}


static ngx_int_t
ngx_http_ai_redis_conn_attach(ngx_http_ai_redis_conn_t *conn, ngx_socket_t fd)
{
    ngx_connection_t  *c;

    c = ngx_get_connection(fd, &conn->log);

    if (c == NULL) {
        (void) ngx_close_socket(fd);
        conn->why = "no free worker_connections";
        return NGX_ERROR;
    }

    conn->c = c;

    c->data = conn;
    c->log = &conn->log;
    c->log_error = NGX_ERROR_INFO;
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->recv = ngx_recv;
    c->send = ngx_send;
    c->recv_chain = ngx_recv_chain;
    c->send_chain = ngx_send_chain;
    c->read->log = c->log;
    c->write->log = c->log;
    c->read->handler = ngx_http_ai_redis_conn_connect_handler;
    c->write->handler = ngx_http_ai_redis_conn_connect_handler;

#if (NGX_HTTP_SSL)

    if (conn->conf->ssl) {
        c->pool = ngx_create_pool(1024, &conn->log);
        if (c->pool == NULL) {
            conn->why = "out of memory";
            return NGX_ERROR;
        }
    }

#endif

    if (ngx_handle_read_event(c->read, 0) != NGX_OK
        || ngx_handle_write_event(c->write, 0) != NGX_OK)
    {
        conn->why = "no event";
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_redis_conn_errno(ngx_http_ai_redis_conn_t *conn, ngx_err_t err)
{
    conn->why = strerror(err);

    return NGX_ERROR;
}


/*
 * nginx and OpenSSL have something to say on each failure, at levels that are
 * meant for clients and now and then critical.  It is kept as the reason of
 * the loss, which is logged once, and not at each of our retries.
 */

static void
ngx_http_ai_redis_conn_log(ngx_log_t *log, ngx_uint_t level, u_char *buf,
    size_t len)
{
    u_char                    *p, *last;
    ngx_http_ai_redis_conn_t  *conn;

    conn = log->wdata;

    /* "2026/11/28 23:15:29 [info] 23133#23133: *1 text" */

    last = buf + len;
    p = ngx_strlchr(buf, last, ']');
    p = p ? ngx_strlchr(p, last, ':') : NULL;

    if (p == NULL || last - p < 3) {
        return;
    }

    p += 2;

    if (*p == '*' && ngx_strlchr(p, last, ' ')) {
        p = ngx_strlchr(p, last, ' ') + 1;
    }

    while (last > p && (last[-1] == LF || last[-1] == CR)) {
        last--;
    }

    (void) ngx_cpystrn(conn->said, p, ngx_min((size_t) (last - p) + 1,
                                              NGX_HTTP_AI_REDIS_TEXT));
}


static const char *
ngx_http_ai_redis_conn_said(ngx_http_ai_redis_conn_t *conn,
    const char *otherwise)
{
    return conn->said[0] ? (char *) conn->said : otherwise;
}


void
ngx_http_ai_redis_conn_close(ngx_http_ai_redis_conn_t *conn)
{
    ngx_pool_t        *pool;
    ngx_connection_t  *c;

    if (conn->reader) {
        redisReaderFree(conn->reader);
        conn->reader = NULL;
    }

    c = conn->c;

    if (c == NULL) {
        return;
    }

    conn->c = NULL;
    conn->serial++;

#if (NGX_HTTP_SSL)

    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;
        c->ssl->no_send_shutdown = 1;

        (void) ngx_ssl_shutdown(c);
    }

#endif

    pool = c->pool;

    ngx_close_connection(c);

    if (pool) {
        ngx_destroy_pool(pool);
    }
}


void
ngx_http_ai_redis_conn_free(ngx_http_ai_redis_conn_t *conn)
{
    ngx_http_ai_redis_conn_close(conn);

    if (conn->out) {

        /* there may be a password in it */

        ngx_explicit_memzero(conn->out, NGX_HTTP_AI_REDIS_OUT);
        ngx_free(conn->out);
        conn->out = NULL;
    }
}


static void
ngx_http_ai_redis_conn_lost(ngx_http_ai_redis_conn_t *conn, const char *why)
{
    ngx_http_ai_redis_conn_close(conn);

    conn->handlers->lost(conn->data, why);
}


size_t
ngx_http_ai_redis_conn_room(ngx_http_ai_redis_conn_t *conn)
{
    return conn->out + NGX_HTTP_AI_REDIS_OUT - conn->last;
}


void
ngx_http_ai_redis_conn_append(ngx_http_ai_redis_conn_t *conn,
    const u_char *data, size_t len)
{
    conn->last = ngx_cpymem(conn->last, data, len);
}


/* OpenSSL wants the same bytes at the same place again, so nothing is moved */

ngx_int_t
ngx_http_ai_redis_conn_flush(ngx_http_ai_redis_conn_t *conn)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = conn->c;

    while (conn->pos < conn->last) {

        if (!c->write->ready) {
            n = NGX_AGAIN;

        } else {
            n = c->send(c, conn->pos, conn->last - conn->pos);
        }

        if (n == NGX_ERROR) {
            conn->why = ngx_http_ai_redis_conn_said(conn, "cannot send");
            return NGX_ERROR;
        }

        if (n > 0) {
            conn->pos += n;
            continue;
        }

        if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
            conn->why = "no event";
            return NGX_ERROR;
        }

        return NGX_AGAIN;
    }

    conn->pos = conn->out;
    conn->last = conn->out;

    return NGX_OK;
}


static void
ngx_http_ai_redis_conn_connect_handler(ngx_event_t *ev)
{
    int                        err;
    socklen_t                  len;
    ngx_connection_t          *c;
    ngx_http_ai_redis_conn_t  *conn;

    c = ev->data;
    conn = c->data;

    if (c->close) {
        conn->handlers->leave(conn->data);
        return;
    }

    err = 0;
    len = sizeof(int);

    /* Linux and the BSDs return 0 and the error, Solaris -1 and errno */

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    if (err) {
        ngx_http_ai_redis_conn_lost(conn, strerror(err));
        return;
    }

#if (NGX_HTTP_SSL)

    if (conn->conf->ssl) {
        if (ngx_http_ai_redis_conn_ssl(conn) != NGX_OK) {
            ngx_http_ai_redis_conn_lost(conn,
                       ngx_http_ai_redis_conn_said(conn, "cannot begin TLS"));
        }

        return;
    }

#endif

    ngx_http_ai_redis_conn_stands(conn);
}


static void
ngx_http_ai_redis_conn_stands(ngx_http_ai_redis_conn_t *conn)
{
    ngx_uint_t         serial;
    ngx_connection_t  *c;

    c = conn->c;
    serial = conn->serial;

    c->read->handler = ngx_http_ai_redis_conn_read_handler;
    c->write->handler = ngx_http_ai_redis_conn_write_handler;
    conn->connected = 1;

    conn->handlers->ready(conn->data);

    /* what came with the connection has had its event */

    if (conn->serial == serial && c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_events);
    }
}


#if (NGX_HTTP_SSL)

static ngx_int_t
ngx_http_ai_redis_conn_ssl(ngx_http_ai_redis_conn_t *conn)
{
    u_char            *name;
    ngx_connection_t  *c;

    c = conn->c;

    if (ngx_ssl_create_connection(conn->conf->ssl, c, NGX_SSL_CLIENT)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* addresses are no server names (RFC 6066) */

    if (!ngx_http_ai_redis_conn_is_addr(&conn->host)) {

        name = ngx_pnalloc(c->pool, conn->host.len + 1);
        if (name == NULL) {
            return NGX_ERROR;
        }

        (void) ngx_cpystrn(name, conn->host.data, conn->host.len + 1);

        if (SSL_set_tlsext_host_name(c->ssl->connection, (char *) name) == 0) {
            return NGX_ERROR;
        }
    }

    if (ngx_ssl_handshake(c) == NGX_AGAIN) {
        c->ssl->handler = ngx_http_ai_redis_conn_ssl_handler;
        return NGX_OK;
    }

    ngx_http_ai_redis_conn_ssl_handler(c);

    return NGX_OK;
}


static ngx_uint_t
ngx_http_ai_redis_conn_is_addr(const ngx_str_t *name)
{
#if (NGX_HAVE_INET6)
    u_char  addr[16];

    if (ngx_inet6_addr(name->data, name->len, addr) == NGX_OK) {
        return 1;
    }
#endif

    return ngx_inet_addr(name->data, name->len) != INADDR_NONE;
}


static void
ngx_http_ai_redis_conn_ssl_handler(ngx_connection_t *c)
{
    const char                *wrong;
    ngx_http_ai_redis_conn_t  *conn;

    conn = c->data;

    wrong = c->ssl->handshaked ? ngx_http_ai_redis_conn_verify(conn)
                               : ngx_http_ai_redis_conn_said(conn,
                                              "TLS handshake failed");

    if (wrong) {
        ngx_http_ai_redis_conn_lost(conn, wrong);
        return;
    }

    ngx_http_ai_redis_conn_stands(conn);
}


/*
 * Redis' certificates are often made for addresses, which ngx_ssl_check_host()
 * does not know of.
 */

static const char *
ngx_http_ai_redis_conn_verify(ngx_http_ai_redis_conn_t *conn)
{
    int         rc;
    long        result;
    char        text[NGX_SOCKADDR_STRLEN + 1];
    X509       *cert;
    ngx_str_t  *host;

    if (!conn->conf->verify) {
        return NULL;
    }

    result = SSL_get_verify_result(conn->c->ssl->connection);

    if (result != X509_V_OK) {
        return X509_verify_cert_error_string(result);
    }

    host = &conn->host;

    if (!ngx_http_ai_redis_conn_is_addr(host)) {
        return ngx_ssl_check_host(conn->c, host) == NGX_OK
                   ? NULL : "certificate does not match the name";
    }

    cert = SSL_get_peer_certificate(conn->c->ssl->connection);

    if (cert == NULL) {
        return "no certificate";
    }

    (void) ngx_snprintf((u_char *) text, sizeof(text), "%V%Z", host);

    rc = X509_check_ip_asc(cert, text, 0);

    X509_free(cert);

    return rc == 1 ? NULL : "certificate does not match the address";
}

#endif


static void
ngx_http_ai_redis_conn_read_handler(ngx_event_t *rev)
{
    u_char                     buf[NGX_HTTP_AI_REDIS_IN];
    size_t                     all;
    ssize_t                    n;
    ngx_connection_t          *c;
    ngx_http_ai_redis_conn_t  *conn;

    c = rev->data;
    conn = c->data;

    if (c->close) {
        conn->handlers->leave(conn->data);
        return;
    }

    all = 0;

    do {
        n = c->recv(c, buf, NGX_HTTP_AI_REDIS_IN);

        if (n <= 0) {
            break;
        }

        if (ngx_http_ai_redis_conn_parse(conn, buf, n) != NGX_OK) {
            return;
        }

        all += n;

    } while (all < NGX_HTTP_AI_REDIS_TURN);

    if (n > 0) {

        /* others are to be served, too */

        ngx_post_event(rev, &ngx_posted_next_events);
        conn->handlers->progress(conn->data);
        return;
    }

    if (n == NGX_AGAIN) {
        if (ngx_handle_read_event(rev, 0) != NGX_OK) {
            ngx_http_ai_redis_conn_lost(conn, "no event");
            return;
        }

        conn->handlers->progress(conn->data);
        return;
    }

    ngx_http_ai_redis_conn_lost(conn,
                                n == 0 ? "connection closed by Redis"
                                : ngx_http_ai_redis_conn_said(conn,
                                                     "connection reset"));
}


/* NGX_DONE: the connection is not this one any more */

static ngx_int_t
ngx_http_ai_redis_conn_parse(ngx_http_ai_redis_conn_t *conn, u_char *buf,
    size_t n)
{
    void         *reply;
    char          wrong[sizeof(conn->reader->errstr)];
    ngx_uint_t    serial;
    redisReader  *reader;

    serial = conn->serial;
    reader = conn->reader;

    if (redisReaderFeed(reader, (char *) buf, n) != REDIS_OK) {
        ngx_http_ai_redis_conn_lost(conn, "out of memory");
        return NGX_DONE;
    }

    for ( ;; ) {

        if (redisReaderGetReply(reader, &reply) != REDIS_OK) {

            /* the reader goes before the text is used */

            (void) ngx_cpystrn((u_char *) wrong, (u_char *) reader->errstr,
                               sizeof(wrong));
            ngx_http_ai_redis_conn_lost(conn, wrong);
            return NGX_DONE;
        }

        if (reply == NULL) {
            break;
        }

        conn->handlers->reply(conn->data, &conn->reply);

        if (conn->serial != serial) {
            return NGX_DONE;
        }
    }

    if (reader->len - reader->pos > NGX_HTTP_AI_REDIS_MAX_REPLY) {
        conn->large = 1;
        ngx_http_ai_redis_conn_lost(conn, "reply is too large");
        return NGX_DONE;
    }

    return NGX_OK;
}


static void
ngx_http_ai_redis_conn_write_handler(ngx_event_t *wev)
{
    ngx_int_t                  rc;
    ngx_connection_t          *c;
    ngx_http_ai_redis_conn_t  *conn;

    c = wev->data;
    conn = c->data;

    if (conn->pos == conn->last) {
        return;
    }

    rc = ngx_http_ai_redis_conn_flush(conn);

    if (rc == NGX_ERROR) {
        ngx_http_ai_redis_conn_lost(conn, conn->why);

    } else if (rc == NGX_OK) {
        conn->handlers->progress(conn->data);
    }
}


short
ngx_http_ai_redis_conn_events(ngx_http_ai_redis_conn_t *conn)
{
    short  events;

    events = POLLIN;

    if (!conn->c->write->ready
        && (!conn->connected || conn->pos < conn->last))
    {
        events |= POLLOUT;
    }

    return events;
}


void
ngx_http_ai_redis_conn_polled(ngx_http_ai_redis_conn_t *conn, short revents)
{
    ngx_uint_t         serial;
    ngx_connection_t  *c;

    c = conn->c;
    serial = conn->serial;

    if (revents & (POLLOUT|POLLERR|POLLHUP)) {
        c->write->ready = 1;
        c->write->handler(c->write);
    }

    if (conn->serial == serial && revents & (POLLIN|POLLERR|POLLHUP)) {
        c->read->ready = 1;
        c->read->available = -1;    /* as epoll would: not known */
        c->read->handler(c->read);
    }
}


/*
 * What hiredis calls while it parses a reply.  What is wanted of one is its
 * type, an error's text and an array's first strings, hence no memory per
 * reply.
 */

static redisReplyObjectFunctions *
ngx_http_ai_redis_parser(void)
{
    static redisReplyObjectFunctions  fn;

    fn.createString = ngx_http_ai_redis_parse_string;
    fn.createArray = ngx_http_ai_redis_parse_array;
    fn.createInteger = ngx_http_ai_redis_parse_integer;
    fn.createNil = ngx_http_ai_redis_parse_nil;
    fn.freeObject = ngx_http_ai_redis_parse_free;

    ngx_http_ai_hiredis_resp3(&fn, ngx_http_ai_redis_parse_double,
                              ngx_http_ai_redis_parse_bool);

    return &fn;
}


static void *
ngx_http_ai_redis_parse(const redisReadTask *task)
{
    ngx_uint_t                  i;
    ngx_http_ai_redis_conn_t   *conn;
    ngx_http_ai_redis_reply_t  *reply;

    conn = task->privdata;
    reply = &conn->reply;

    if (task->parent) {
        return reply;           /* an element of an array */
    }

    reply->text[0] = '\0';

    for (i = 0; i < NGX_HTTP_AI_REDIS_ITEMS; i++) {
        reply->items[i][0] = '\0';
    }

    switch (task->type) {

    case REDIS_REPLY_STATUS:
        reply->type = NGX_HTTP_AI_REDIS_STATUS;
        break;

    case REDIS_REPLY_ERROR:
        reply->type = NGX_HTTP_AI_REDIS_ERROR;
        break;

    case REDIS_REPLY_STRING:
        reply->type = NGX_HTTP_AI_REDIS_STRING;
        break;

    case REDIS_REPLY_ARRAY:
        reply->type = NGX_HTTP_AI_REDIS_ARRAY;
        break;

    default:
        reply->type = NGX_HTTP_AI_REDIS_OTHER;
    }

    return reply;
}


static void
ngx_http_ai_redis_parse_text(u_char *dst, const char *str, size_t len)
{
    size_t  i;
    u_char  ch;

    len = ngx_min(len, NGX_HTTP_AI_REDIS_TEXT - 1);

    for (i = 0; i < len; i++) {
        ch = (u_char) str[i];
        dst[i] = (ch < 0x20 || ch > 0x7e) ? '?' : ch;
    }

    dst[len] = '\0';
}


static void *
ngx_http_ai_redis_parse_string(const redisReadTask *task, char *str,
    size_t len)
{
    ngx_http_ai_redis_reply_t  *reply;

    reply = ngx_http_ai_redis_parse(task);

    if (task->parent == NULL) {

        /* of the most frequent reply, an entry's id, nothing is wanted */

        if (task->type == REDIS_REPLY_ERROR) {
            ngx_http_ai_redis_parse_text(reply->text, str, len);
        }

    } else if (task->parent->parent == NULL
               && task->idx < NGX_HTTP_AI_REDIS_ITEMS)
    {
        ngx_http_ai_redis_parse_text(reply->items[task->idx], str, len);
    }

    if (task->parent) {
        ngx_http_ai_redis_parse_element(task, str, len);
    }

    return reply;
}


static void
ngx_http_ai_redis_parse_element(const redisReadTask *task, char *str,
    size_t len)
{
    ngx_str_t                  text;
    ngx_uint_t                 i, depth, at[NGX_HTTP_AI_REDIS_DEPTH];
    const redisReadTask       *t;
    ngx_http_ai_redis_conn_t  *conn;

    conn = task->privdata;

    for (t = task, depth = 0; t->parent; t = t->parent) {
        if (depth++ == NGX_HTTP_AI_REDIS_DEPTH) {
            return;
        }
    }

    for (t = task, i = depth; i; t = t->parent) {
        at[--i] = t->idx;
    }

    text.data = (u_char *) str;
    text.len = len;

    conn->handlers->element(conn->data, at, depth, &text);
}


static void *
ngx_http_ai_redis_parse_integer(const redisReadTask *task, long long value)
{
    return ngx_http_ai_redis_parse(task);
}


/* the task is of type string if "$-1" came, of type array if "*-1" */

static void *
ngx_http_ai_redis_parse_nil(const redisReadTask *task)
{
    ngx_http_ai_redis_reply_t  *reply;

    reply = ngx_http_ai_redis_parse(task);

    if (task->parent == NULL) {
        reply->type = NGX_HTTP_AI_REDIS_NIL;
    }

    return reply;
}


static void *
ngx_http_ai_redis_parse_array(const redisReadTask *task,
    ngx_http_ai_hiredis_count_t n)
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


static void
ngx_http_ai_redis_parse_free(void *reply)
{
    /* it is a part of ngx_http_ai_redis_conn_t */
}
