
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_ai_redis.h"
#include "ngx_http_ai_sink.h"
#include "pure/ngx_http_ai_resp.h"


#define NGX_HTTP_AI_SINK_PORT         6379
#define NGX_HTTP_AI_SINK_STREAM       "ai:usage"
#define NGX_HTTP_AI_SINK_MAX_STREAM   512
#define NGX_HTTP_AI_SINK_MAXLEN       1000000
#define NGX_HTTP_AI_SINK_QUEUE        (64 * 1024 * 1024)
#define NGX_HTTP_AI_SINK_MAX_SECRET   4096

#define NGX_HTTP_AI_SINK_BUFFER       (128 * 1024)  /* FILE, per worker */
#define NGX_HTTP_AI_SINK_RETRY_MS     1000
#define NGX_HTTP_AI_SINK_REPORT_MS    60000
#define NGX_HTTP_AI_SINK_STOP_MS      1000


typedef char *(*ngx_http_ai_sink_param_pt)(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *value);


typedef struct {
    ngx_str_t                    name;
    ngx_http_ai_sink_param_pt    handler;
} ngx_http_ai_sink_param_t;


/* of this worker; conf is NULL where nothing is recorded */

typedef struct {
    ngx_http_ai_sink_conf_t     *conf;
    ngx_log_t                   *log;

    ngx_http_ai_redis_t         *redis;

    u_char                      *start;     /* FILE: a newline, then lines */
    u_char                      *last;
    u_char                      *end;
    ngx_event_t                  flush;     /* posted */
    ngx_event_t                  retry;
    ngx_msec_t                   logged;    /* the last write error */

    ngx_uint_t                   dropped;   /* since the last report */
    ngx_event_t                  report;
    ngx_connection_t             dumb;      /* the data of the events */

    unsigned                     torn:1;    /* the file ends inside a line */
} ngx_http_ai_sink_t;


static char *ngx_http_ai_sink_parse_redis(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *addr);
static char *ngx_http_ai_sink_parse_addr(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *addr);
static char *ngx_http_ai_sink_parse_unix(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *path);
static char *ngx_http_ai_sink_parse_file(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *path);
static char *ngx_http_ai_sink_parse_params(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc);

static char *ngx_http_ai_sink_param_stream(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *value);
static char *ngx_http_ai_sink_param_maxlen(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *value);
static char *ngx_http_ai_sink_param_queue(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *value);
static char *ngx_http_ai_sink_param_user(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *value);
static char *ngx_http_ai_sink_param_password(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *value);
static char *ngx_http_ai_sink_param_spool(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *value);
static char *ngx_http_ai_sink_read_secret(ngx_conf_t *cf, ngx_str_t *path,
    ngx_str_t *secret);

static ngx_int_t ngx_http_ai_sink_start_redis(ngx_http_ai_sink_t *sink,
    ngx_cycle_t *cycle);
static ngx_int_t ngx_http_ai_sink_greeting(ngx_pool_t *pool, ngx_str_t *cmd,
    const char *verb, const ngx_str_t *user, const ngx_str_t *arg);
static ngx_int_t ngx_http_ai_sink_start_file(ngx_http_ai_sink_t *sink,
    ngx_cycle_t *cycle);
static ngx_int_t ngx_http_ai_sink_push_redis(ngx_http_ai_sink_t *sink,
    const ngx_http_ai_record_t *rec);
static ngx_int_t ngx_http_ai_sink_push_file(ngx_http_ai_sink_t *sink,
    const ngx_http_ai_record_t *rec);
static void ngx_http_ai_sink_write(ngx_http_ai_sink_t *sink);
static void ngx_http_ai_sink_written(ngx_http_ai_sink_t *sink, u_char *p,
    size_t n);
static void ngx_http_ai_sink_drop(ngx_http_ai_sink_t *sink,
    const ngx_http_ai_record_t *rec);
static void ngx_http_ai_sink_event(ngx_event_t *ev, ngx_http_ai_sink_t *sink,
    ngx_event_handler_pt handler);
static void ngx_http_ai_sink_write_handler(ngx_event_t *ev);
static void ngx_http_ai_sink_report_handler(ngx_event_t *ev);


static ngx_http_ai_sink_t  ngx_http_ai_sink;


static ngx_http_ai_sink_param_t  ngx_http_ai_sink_params[] = {

    { ngx_string("stream="), ngx_http_ai_sink_param_stream },
    { ngx_string("maxlen="), ngx_http_ai_sink_param_maxlen },
    { ngx_string("queue="), ngx_http_ai_sink_param_queue },
    { ngx_string("user="), ngx_http_ai_sink_param_user },
    { ngx_string("password="), ngx_http_ai_sink_param_password },
    { ngx_string("spool="), ngx_http_ai_sink_param_spool },

    { ngx_null_string, NULL }
};


char *
ngx_http_ai_sink_parse(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc)
{
    char       *rv;
    ngx_str_t  *value, *dest;

    ngx_memzero(sc, sizeof(ngx_http_ai_sink_conf_t));

    value = cf->args->elts;
    dest = &value[1];

    if (ngx_strcmp(dest->data, "off") == 0) {
        rv = NGX_CONF_OK;

    } else if (ngx_strncmp(dest->data, "file:", 5) == 0) {
        rv = ngx_http_ai_sink_parse_file(cf, sc, dest);

    } else if (ngx_strncmp(dest->data, "redis://", 8) == 0
               || ngx_strncmp(dest->data, "unix:", 5) == 0)
    {
        return ngx_http_ai_sink_parse_redis(cf, sc, dest);

    } else if (ngx_strncmp(dest->data, "rediss://", 9) == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"rediss://\" in \"ai_usage\" needs TLS to Redis, "
                           "which is not built yet, write \"redis://\" and "
                           "keep the connection on a trusted network");
        return NGX_CONF_ERROR;

    } else {

        /* not repeated: it may have a password in it */

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid destination in \"ai_usage\", write "
                           "\"redis://ADDRESS[:PORT][/DB]\", "
                           "\"unix:/PATH\", \"file:PATH\" or \"off\"");
        return NGX_CONF_ERROR;
    }

    if (rv == NGX_CONF_OK && cf->args->nelts > 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"ai_usage %V\" takes no parameters, they are for "
                           "\"redis://\" and \"unix:\"", dest);
        return NGX_CONF_ERROR;
    }

    return rv;
}


static char *
ngx_http_ai_sink_parse_file(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc,
    ngx_str_t *dest)
{
    ngx_str_t  path;

    path.data = dest->data + sizeof("file:") - 1;
    path.len = dest->len - (sizeof("file:") - 1);

    if (path.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no path in \"ai_usage file:\", write "
                           "\"file:PATH\"");
        return NGX_CONF_ERROR;
    }

    sc->type = NGX_HTTP_AI_SINK_FILE;

    sc->file = ngx_conf_open_file(cf->cycle, &path);

    return sc->file ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_ai_sink_parse_redis(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc,
    ngx_str_t *dest)
{
    char       *rv;
    ngx_str_t   addr;

    sc->type = NGX_HTTP_AI_SINK_REDIS;
    sc->maxlen = NGX_HTTP_AI_SINK_MAXLEN;
    sc->queue_size = NGX_HTTP_AI_SINK_QUEUE;
    ngx_str_set(&sc->stream, NGX_HTTP_AI_SINK_STREAM);

    if (dest->data[0] == 'u') {
        addr.data = dest->data + sizeof("unix:") - 1;
        addr.len = dest->len - (sizeof("unix:") - 1);
        rv = ngx_http_ai_sink_parse_unix(cf, sc, &addr);

    } else {
        addr.data = dest->data + sizeof("redis://") - 1;
        addr.len = dest->len - (sizeof("redis://") - 1);
        rv = ngx_http_ai_sink_parse_addr(cf, sc, &addr);
    }

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_http_ai_sink_parse_params(cf, sc);
}


static char *
ngx_http_ai_sink_parse_unix(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc,
    ngx_str_t *path)
{
    if (path->len == 0 || path->data[0] != '/') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid path in \"ai_usage unix:%V\", write "
                           "\"unix:/PATH\"", path);
        return NGX_CONF_ERROR;
    }

    if (path->len >= sizeof(((struct sockaddr_un *) NULL)->sun_path)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "too long path in \"ai_usage unix:%V\", the "
                           "system takes less than %uz bytes", path,
                           sizeof(((struct sockaddr_un *) NULL)->sun_path));
        return NGX_CONF_ERROR;
    }

    sc->path = *path;

    return NGX_CONF_OK;
}


/*
 * A name is resolved now, as in "server" of an upstream, since a worker must
 * never wait for a resolver.
 */

static char *
ngx_http_ai_sink_parse_addr(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc,
    ngx_str_t *addr)
{
    u_char     *p, *last;
    ngx_int_t   db;
    ngx_url_t   u;

    last = addr->data + addr->len;

    if (ngx_strlchr(addr->data, last, '@')) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"ai_usage\" takes no user and no password in "
                           "the address, write \"user=NAME\" and "
                           "\"password=env:NAME\" or \"password=file:PATH\"");
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *addr;
    u.default_port = NGX_HTTP_AI_SINK_PORT;

    p = ngx_strlchr(addr->data, last, '/');

    if (p) {
        u.url.len = p++ - addr->data;

        db = (p == last) ? 0 : ngx_atoi(p, last - p);

        if (db == NGX_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid database in \"ai_usage redis://%V\", "
                               "write a number: \"redis://ADDRESS:PORT/0\"",
                               addr);
            return NGX_CONF_ERROR;
        }

        sc->database = db;
    }

    if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.family == AF_UNIX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s in \"ai_usage redis://%V\", write "
                           "\"redis://ADDRESS[:PORT][/DB]\"",
                           u.err ? u.err : "invalid address", addr);
        return NGX_CONF_ERROR;
    }

    p = ngx_pnalloc(cf->pool, NGX_SOCKADDR_STRLEN + 1);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    sc->host.data = p;
    sc->host.len = ngx_sock_ntop(u.addrs[0].sockaddr, u.addrs[0].socklen, p,
                                 NGX_SOCKADDR_STRLEN, 0);
    p[sc->host.len] = '\0';

    sc->port = ngx_inet_get_port(u.addrs[0].sockaddr);

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_sink_parse_params(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc)
{
    u_char                    *p;
    ngx_str_t                 *value, param;
    ngx_uint_t                 i, k, seen;
    ngx_http_ai_sink_param_t  *params;

    seen = 0;
    value = cf->args->elts;
    params = ngx_http_ai_sink_params;

    for (i = 2; i < cf->args->nelts; i++) {

        for (k = 0; params[k].name.len; k++) {
            if (ngx_strncmp(value[i].data, params[k].name.data,
                            params[k].name.len)
                == 0)
            {
                break;
            }
        }

        if (params[k].name.len == 0) {

            /* up to "=" only: a misspelt password= is one too */

            param = value[i];
            p = ngx_strlchr(param.data, param.data + param.len, '=');

            if (p) {
                param.len = p + 1 - param.data;
            }

            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" in \"ai_usage\", "
                               "write stream=, maxlen=, queue=, user= or "
                               "password=", &param);
            return NGX_CONF_ERROR;
        }

        if (seen & (1 << k)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate parameter \"%V\" in \"ai_usage\"",
                               &params[k].name);
            return NGX_CONF_ERROR;
        }

        seen |= 1 << k;

        param.data = value[i].data + params[k].name.len;
        param.len = value[i].len - params[k].name.len;

        if (params[k].handler(cf, sc, &param) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (sc->user.len && sc->password.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"user=\" in \"ai_usage\" needs a password, write "
                           "\"password=env:NAME\" or \"password=file:PATH\"");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_sink_param_stream(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc,
    ngx_str_t *value)
{
    if (value->len == 0 || value->len > NGX_HTTP_AI_SINK_MAX_STREAM) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"stream=%V\" in \"ai_usage\", write the "
                           "key of a Redis stream, 1 to %ui bytes", value,
                           (ngx_uint_t) NGX_HTTP_AI_SINK_MAX_STREAM);
        return NGX_CONF_ERROR;
    }

    sc->stream = *value;

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_sink_param_maxlen(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc,
    ngx_str_t *value)
{
    off_t  n;

    n = ngx_atoof(value->data, value->len);

    if (n == (off_t) NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"maxlen=%V\" in \"ai_usage\", write a "
                           "number of entries, or 0 for no limit", value);
        return NGX_CONF_ERROR;
    }

    sc->maxlen = (uint64_t) n;

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_sink_param_queue(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc,
    ngx_str_t *value)
{
    ssize_t  n;

    n = ngx_parse_size(value);

    if (n < NGX_HTTP_AI_REDIS_MIN_QUEUE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"queue=%V\" in \"ai_usage\", write the "
                           "memory for one worker's records, \"%uzk\" or more",
                           value, (size_t) NGX_HTTP_AI_REDIS_MIN_QUEUE / 1024);
        return NGX_CONF_ERROR;
    }

    sc->queue_size = (size_t) n;

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_sink_param_user(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc,
    ngx_str_t *value)
{
    if (value->len == 0 || value->len > NGX_HTTP_AI_SINK_MAX_SECRET) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"user=\" in \"ai_usage\", write the name "
                           "of a Redis user");
        return NGX_CONF_ERROR;
    }

    sc->user = *value;

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_sink_param_password(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc,
    ngx_str_t *value)
{
    char       *secret;
    ngx_str_t   name;

    name.data = (u_char *) ngx_strchr(value->data, ':');

    if (name.data) {
        name.data++;
        name.len = value->data + value->len - name.data;
    }

    if (ngx_strncmp(value->data, "file:", 5) == 0 && name.len) {
        return ngx_http_ai_sink_read_secret(cf, &name, &sc->password);
    }

    if (ngx_strncmp(value->data, "env:", 4) != 0 || name.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"password=\" in \"ai_usage\" takes no literal "
                           "password, write \"password=env:NAME\" or "
                           "\"password=file:PATH\"");
        return NGX_CONF_ERROR;
    }

    secret = getenv((char *) name.data);

    if (secret == NULL && ngx_process == NGX_PROCESS_SIGNALLER) {
        /* "nginx -s stop" from a shell needs no password */
        return NGX_CONF_OK;
    }

    if (secret == NULL || *secret == '\0') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"password=env:%V\" in \"ai_usage\": no such "
                           "variable in the environment of the nginx service",
                           &name);
        return NGX_CONF_ERROR;
    }

    name.data = (u_char *) secret;
    name.len = ngx_strlen(secret);

    sc->password.len = name.len;
    sc->password.data = ngx_pstrdup(cf->pool, &name);

    return sc->password.data ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* the file's bytes without a newline at their end */

static char *
ngx_http_ai_sink_read_secret(ngx_conf_t *cf, ngx_str_t *path,
    ngx_str_t *secret)
{
    char      *failed;
    u_char    *buf;
    ssize_t    n;
    ngx_fd_t   fd;
    ngx_err_t  err;

    if (ngx_conf_full_name(cf->cycle, path, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    buf = ngx_pnalloc(cf->pool, NGX_HTTP_AI_SINK_MAX_SECRET + 3);
    if (buf == NULL) {
        return NGX_CONF_ERROR;
    }

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        n = NGX_ERROR;
        err = ngx_errno;

    } else {
        n = ngx_read_fd(fd, buf, NGX_HTTP_AI_SINK_MAX_SECRET + 3);
        err = ngx_errno;
        (void) ngx_close_file(fd);
    }

    if (n == NGX_ERROR) {
        failed = "cannot be read by the nginx service";

    } else {
        err = 0;

        if (n && buf[n - 1] == LF) {
            n--;
        }

        if (n && buf[n - 1] == CR) {
            n--;
        }

        failed = (n == 0) ? "is empty"
                 : (n > NGX_HTTP_AI_SINK_MAX_SECRET) ? "is too long" : NULL;
    }

    if (failed) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, err,
                           "\"password=file:%V\" in \"ai_usage\" %s, write "
                           "the path of a file with the password alone",
                           path, failed);
        return NGX_CONF_ERROR;
    }

    secret->data = buf;
    secret->len = n;

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_sink_param_spool(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc,
    ngx_str_t *value)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"spool=\" in \"ai_usage\" comes with a later "
                       "version, write \"queue=SIZE\" to keep more "
                       "records in memory");
    return NGX_CONF_ERROR;
}


ngx_int_t
ngx_http_ai_sink_start(ngx_cycle_t *cycle, ngx_http_ai_sink_conf_t *sc)
{
    ngx_int_t            rc;
    ngx_http_ai_sink_t  *sink;

    if (sc == NULL || sc->type == NGX_HTTP_AI_SINK_OFF) {
        return NGX_OK;
    }

    sink = &ngx_http_ai_sink;

    ngx_memzero(sink, sizeof(ngx_http_ai_sink_t));

    sink->conf = sc;
    sink->log = cycle->log;
    sink->dumb.fd = (ngx_socket_t) -1;
    sink->dumb.data = sink;

    ngx_http_ai_sink_event(&sink->report, sink,
                           ngx_http_ai_sink_report_handler);

    rc = (sc->type == NGX_HTTP_AI_SINK_FILE)
             ? ngx_http_ai_sink_start_file(sink, cycle)
             : ngx_http_ai_sink_start_redis(sink, cycle);

    if (rc != NGX_OK) {
        sink->conf = NULL;
    }

    return rc;
}


void
ngx_http_ai_sink_push(const ngx_http_ai_record_t *rec)
{
    ngx_int_t            rc;
    ngx_http_ai_sink_t  *sink;

    sink = &ngx_http_ai_sink;

    if (sink->conf == NULL) {
        return;
    }

    rc = (sink->conf->type == NGX_HTTP_AI_SINK_FILE)
             ? ngx_http_ai_sink_push_file(sink, rec)
             : ngx_http_ai_sink_push_redis(sink, rec);

    if (rc != NGX_OK) {
        ngx_http_ai_sink_drop(sink, rec);
    }
}


void
ngx_http_ai_sink_stop(ngx_cycle_t *cycle)
{
    u_char              *p;
    ngx_uint_t           lost;
    ngx_http_ai_sink_t  *sink;

    sink = &ngx_http_ai_sink;

    if (sink->conf == NULL) {
        return;
    }

    lost = 0;

    if (sink->redis) {
        lost = ngx_http_ai_redis_stop(sink->redis, NGX_HTTP_AI_SINK_STOP_MS);

    } else {
        ngx_http_ai_sink_write(sink);

        for (p = sink->start + 1; p < sink->last; p++) {
            lost += (*p == '\n');
        }

        if (sink->flush.posted) {
            ngx_delete_posted_event(&sink->flush);
        }

        if (sink->retry.timer_set) {
            ngx_del_timer(&sink->retry);
        }
    }

    if (sink->report.timer_set) {
        ngx_del_timer(&sink->report);
    }

    if (lost || sink->dropped) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "ai usage: %ui records lost as the worker exits, "
                      "%ui dropped before", lost, sink->dropped);
    }

    sink->conf = NULL;
}


static ngx_int_t
ngx_http_ai_sink_start_redis(ngx_http_ai_sink_t *sink, ngx_cycle_t *cycle)
{
    u_char                     number[NGX_INT_T_LEN];
    ngx_str_t                  db;
    ngx_http_ai_sink_conf_t   *sc;
    ngx_http_ai_redis_conf_t   conf;

    sc = sink->conf;

    ngx_memzero(&conf, sizeof(ngx_http_ai_redis_conf_t));

    conf.host = sc->host;
    conf.port = sc->port;
    conf.path = sc->path;
    conf.queue_size = sc->queue_size;

    db.data = number;
    db.len = ngx_sprintf(number, "%ui", sc->database) - number;

    if (sc->password.len
        && ngx_http_ai_sink_greeting(cycle->pool, &conf.auth, "AUTH",
                                     &sc->user, &sc->password)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (sc->database
        && ngx_http_ai_sink_greeting(cycle->pool, &conf.select, "SELECT",
                                     NULL, &db)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    sink->redis = ngx_http_ai_redis_create(cycle, &conf);

    return sink->redis ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_ai_sink_greeting(ngx_pool_t *pool, ngx_str_t *cmd, const char *verb,
    const ngx_str_t *user, const ngx_str_t *arg)
{
    size_t              size;
    ngx_uint_t          named;
    ngx_http_ai_resp_t  resp;

    named = (user && user->len);
    size = 128 + arg->len + (named ? user->len : 0);

    cmd->data = ngx_pnalloc(pool, size);
    if (cmd->data == NULL) {
        return NGX_ERROR;
    }

    ngx_http_ai_resp_init(&resp, cmd->data, size);
    ngx_http_ai_resp_command(&resp, named ? 3 : 2);
    ngx_http_ai_resp_bulk(&resp, (const u_char *) verb, ngx_strlen(verb));

    if (named) {
        ngx_http_ai_resp_bulk(&resp, user->data, user->len);
    }

    ngx_http_ai_resp_bulk(&resp, arg->data, arg->len);

    cmd->len = ngx_http_ai_resp_end(&resp);

    return cmd->len ? NGX_OK : NGX_ERROR;
}


/* encoded where it will be sent from; a second try only at a block's end */

static ngx_int_t
ngx_http_ai_sink_push_redis(ngx_http_ai_sink_t *sink,
    const ngx_http_ai_record_t *rec)
{
    size_t                    n, size;
    u_char                   *p;
    ngx_http_ai_sink_conf_t  *sc;

    sc = sink->conf;

    p = ngx_http_ai_redis_reserve(sink->redis, 1, &size);
    if (p == NULL) {
        return NGX_DECLINED;
    }

    n = ngx_http_ai_record_xadd(rec, &sc->stream, sc->maxlen, p, size);

    if (n == 0) {
        p = ngx_http_ai_redis_reserve(sink->redis,
                                  NGX_HTTP_AI_RECORD_MAX + sc->stream.len,
                                  &size);
        if (p == NULL) {
            return NGX_DECLINED;
        }

        n = ngx_http_ai_record_xadd(rec, &sc->stream, sc->maxlen, p, size);

        if (n == 0) {
            return NGX_ERROR;
        }
    }

    ngx_http_ai_redis_commit(sink->redis, n);

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_sink_start_file(ngx_http_ai_sink_t *sink, ngx_cycle_t *cycle)
{
    sink->start = ngx_pnalloc(cycle->pool, NGX_HTTP_AI_SINK_BUFFER);
    if (sink->start == NULL) {
        return NGX_ERROR;
    }

    sink->start[0] = '\n';
    sink->last = sink->start + 1;
    sink->end = sink->start + NGX_HTTP_AI_SINK_BUFFER;

    ngx_http_ai_sink_event(&sink->flush, sink, ngx_http_ai_sink_write_handler);
    ngx_http_ai_sink_event(&sink->retry, sink, ngx_http_ai_sink_write_handler);

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_sink_push_file(ngx_http_ai_sink_t *sink,
    const ngx_http_ai_record_t *rec)
{
    size_t  n;

    n = ngx_http_ai_record_json(rec, sink->last, sink->end - sink->last);

    if (n == 0) {
        ngx_http_ai_sink_write(sink);

        n = ngx_http_ai_record_json(rec, sink->last, sink->end - sink->last);

        if (n == 0) {
            return NGX_DECLINED;
        }
    }

    sink->last += n;

    ngx_post_event(&sink->flush, &ngx_posted_events);

    return NGX_OK;
}


/*
 * One write() of whole lines to a file opened with O_APPEND: the lines of
 * several workers do not mix.  If the disk took only a part, the torn line is
 * ended and written again whole, so that a reader loses one line at most.
 */

static void
ngx_http_ai_sink_write(ngx_http_ai_sink_t *sink)
{
    u_char   *p;
    size_t    len;
    ssize_t   n;

    if (sink->last == sink->start + 1) {
        return;
    }

    p = sink->torn ? sink->start : sink->start + 1;
    len = sink->last - p;

    n = ngx_write_fd(sink->conf->file->fd, p, len);

    if (n == (ssize_t) len) {
        sink->last = sink->start + 1;
        sink->torn = 0;
        return;
    }

    if (sink->logged == 0
        || ngx_current_msec - sink->logged >= NGX_HTTP_AI_SINK_REPORT_MS)
    {
        sink->logged = ngx_current_msec ? ngx_current_msec : 1;

        ngx_log_error(NGX_LOG_CRIT, sink->log, n == -1 ? ngx_errno : 0,
                      "ai usage: " ngx_write_fd_n " to \"%s\" %s, "
                      "trying again", sink->conf->file->name.data,
                      n == -1 ? "failed" : "was incomplete");
    }

    if (n > 0) {
        ngx_http_ai_sink_written(sink, p, n);
    }

    if (!sink->retry.timer_set) {
        ngx_add_timer(&sink->retry, NGX_HTTP_AI_SINK_RETRY_MS);
    }
}


/* keeps what was not written, from the beginning of its first line */

static void
ngx_http_ai_sink_written(ngx_http_ai_sink_t *sink, u_char *p, size_t n)
{
    u_char  *line, *last;

    last = p + n;

    for (line = last; line > p && line[-1] != '\n'; line--) { /* void */ }

    if (line <= sink->start + 1) {
        line = sink->start + 1;
    }

    sink->torn = (line < last);

    ngx_memmove(sink->start + 1, line, sink->last - line);
    sink->last -= line - (sink->start + 1);
}


/* the one place where a record is given up: a spool would go in here */

static void
ngx_http_ai_sink_drop(ngx_http_ai_sink_t *sink,
    const ngx_http_ai_record_t *rec)
{
    sink->dropped++;

    if (!sink->report.timer_set) {
        ngx_http_ai_sink_report_handler(&sink->report);
    }
}


static void
ngx_http_ai_sink_report_handler(ngx_event_t *ev)
{
    ngx_connection_t    *c;
    ngx_http_ai_sink_t  *sink;

    c = ev->data;
    sink = c->data;

    if (sink->dropped == 0) {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, sink->log, 0,
                  "ai usage: %ui records dropped, the queue is full",
                  sink->dropped);

    sink->dropped = 0;

    ngx_add_timer(ev, NGX_HTTP_AI_SINK_REPORT_MS);
}


static void
ngx_http_ai_sink_write_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    ngx_http_ai_sink_write(c->data);
}


static void
ngx_http_ai_sink_event(ngx_event_t *ev, ngx_http_ai_sink_t *sink,
    ngx_event_handler_pt handler)
{
    ev->handler = handler;
    ev->data = &sink->dumb;
    ev->log = sink->log;
    ev->cancelable = 1;
}
