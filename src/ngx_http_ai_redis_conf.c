
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What "ai_usage" says of the connection to Redis: the address, credentials,
 * TLS.  No message repeats a secret, nor an address that may hold one.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_ai_account.h"
#include "ngx_http_ai_redis.h"
#include "ngx_http_ai_secret.h"
#include "ngx_http_ai_watch.h"


#define NGX_HTTP_AI_REDIS_MAX_SECRET  4096
#define NGX_HTTP_AI_REDIS_MAX_HOST    255
#define NGX_HTTP_AI_REDIS_SSL_DEPTH   9


typedef ngx_int_t (*ngx_http_ai_redis_param_pt)(ngx_conf_t *cf, void *field,
    ngx_str_t *name, ngx_str_t *value);


typedef struct {
    ngx_str_t                    name;
    size_t                       offset;
    ngx_http_ai_redis_param_pt   handler;
} ngx_http_ai_redis_param_t;


typedef enum {
    NGX_HTTP_AI_REDIS_USER = 0,
    NGX_HTTP_AI_REDIS_PASSWORD,
    NGX_HTTP_AI_REDIS_SENTINEL_USER,
    NGX_HTTP_AI_REDIS_SENTINEL_PASSWORD,
    NGX_HTTP_AI_REDIS_TLS,
    NGX_HTTP_AI_REDIS_VERIFY,
    NGX_HTTP_AI_REDIS_TRUSTED,
    NGX_HTTP_AI_REDIS_SNI,
    NGX_HTTP_AI_REDIS_CERTIFICATE,
    NGX_HTTP_AI_REDIS_CERTIFICATE_KEY
} ngx_http_ai_redis_param_e;


#define ngx_http_ai_redis_given(conf, param)                                  \
    ((conf)->seen & ((ngx_uint_t) 1 << NGX_HTTP_AI_REDIS_##param))


static ngx_int_t ngx_http_ai_redis_conf_unix(ngx_conf_t *cf,
    ngx_http_ai_redis_conf_t *conf, ngx_str_t *path);
static ngx_int_t ngx_http_ai_redis_conf_nodes(ngx_conf_t *cf,
    ngx_http_ai_redis_conf_t *conf, ngx_http_ai_redisaddr_t *addr);
static ngx_int_t ngx_http_ai_redis_conf_copy(ngx_conf_t *cf, ngx_str_t *dst,
    const ngx_str_t *src);
static ngx_int_t ngx_http_ai_redis_conf_host(ngx_conf_t *cf,
    ngx_http_ai_redis_node_t *node);

static ngx_int_t ngx_http_ai_redis_conf_text(ngx_conf_t *cf, void *field,
    ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_http_ai_redis_conf_path(ngx_conf_t *cf, void *field,
    ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_http_ai_redis_conf_flag(ngx_conf_t *cf, void *field,
    ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_http_ai_redis_conf_secret(ngx_conf_t *cf, void *field,
    ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_http_ai_redis_conf_secret_env(ngx_conf_t *cf,
    ngx_http_ai_redis_secret_t *secret, ngx_str_t *name, ngx_str_t *variable);
static ngx_int_t ngx_http_ai_redis_conf_secret_file(ngx_conf_t *cf,
    ngx_http_ai_redis_secret_t *secret, ngx_str_t *name, ngx_str_t *path);
static const char *ngx_http_ai_redis_conf_secret_wrong(u_char *p, size_t *n);
static ngx_int_t ngx_http_ai_redis_conf_secret_watch(ngx_conf_t *cf,
    ngx_http_ai_redis_secret_t *secret, ngx_str_t *name, ngx_str_t *path,
    ngx_http_ai_watch_look_t *look);
static ngx_http_ai_watch_answer_e ngx_http_ai_redis_conf_secret_changed(
    void *data, u_char *content, size_t len, const char **wrong);

static ngx_int_t ngx_http_ai_redis_conf_users(ngx_conf_t *cf,
    ngx_http_ai_redis_conf_t *conf);
static ngx_int_t ngx_http_ai_redis_conf_plain(ngx_conf_t *cf,
    ngx_http_ai_redis_conf_t *conf);
static ngx_int_t ngx_http_ai_redis_conf_tls(ngx_conf_t *cf,
    ngx_http_ai_redis_conf_t *conf);
#if (NGX_HTTP_SSL)
static ngx_int_t ngx_http_ai_redis_conf_ssl(ngx_conf_t *cf,
    ngx_http_ai_redis_conf_t *conf);
#endif


/* in the order of ngx_http_ai_redis_param_e */

static ngx_http_ai_redis_param_t  ngx_http_ai_redis_params[] = {

    { ngx_string("user="),
      offsetof(ngx_http_ai_redis_conf_t, user),
      ngx_http_ai_redis_conf_text },

    { ngx_string("password="),
      offsetof(ngx_http_ai_redis_conf_t, password),
      ngx_http_ai_redis_conf_secret },

    { ngx_string("sentinel_user="),
      offsetof(ngx_http_ai_redis_conf_t, sentinel_user),
      ngx_http_ai_redis_conf_text },

    { ngx_string("sentinel_password="),
      offsetof(ngx_http_ai_redis_conf_t, sentinel_password),
      ngx_http_ai_redis_conf_secret },

    { ngx_string("tls="),
      offsetof(ngx_http_ai_redis_conf_t, tls),
      ngx_http_ai_redis_conf_flag },

    { ngx_string("verify="),
      offsetof(ngx_http_ai_redis_conf_t, verify),
      ngx_http_ai_redis_conf_flag },

    { ngx_string("trusted="),
      offsetof(ngx_http_ai_redis_conf_t, trusted),
      ngx_http_ai_redis_conf_path },

    { ngx_string("sni="),
      offsetof(ngx_http_ai_redis_conf_t, sni),
      ngx_http_ai_redis_conf_text },

    { ngx_string("certificate="),
      offsetof(ngx_http_ai_redis_conf_t, certificate),
      ngx_http_ai_redis_conf_path },

    { ngx_string("certificate_key="),
      offsetof(ngx_http_ai_redis_conf_t, certificate_key),
      ngx_http_ai_redis_conf_path },

    { ngx_null_string, 0, NULL }
};


ngx_int_t
ngx_http_ai_redis_conf_address(ngx_conf_t *cf, ngx_http_ai_redis_conf_t *conf,
    ngx_str_t *text)
{
    ngx_int_t                 rc;
    const char               *wrong;
    ngx_http_ai_redisaddr_t   addr;

    rc = ngx_http_ai_redisaddr_parse(&addr, text, &wrong);

    if (rc == NGX_DECLINED) {
        return NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid address in \"ai_usage\": %s", wrong);
        return NGX_ERROR;
    }

    conf->kind = addr.kind;
    conf->database = addr.database;
    conf->tls = addr.tls;
    conf->verify = NGX_CONF_UNSET;
    conf->shards = 1;
    conf->clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (addr.user.len) {
        conf->user = addr.user;
        conf->seen |= (ngx_uint_t) 1 << NGX_HTTP_AI_REDIS_USER;
    }

    if (ngx_http_ai_redis_conf_copy(cf, &conf->master, &addr.master)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (addr.kind == NGX_HTTP_AI_REDISADDR_UNIX) {
        return ngx_http_ai_redis_conf_unix(cf, conf, &addr.path);
    }

    return ngx_http_ai_redis_conf_nodes(cf, conf, &addr);
}


static ngx_int_t
ngx_http_ai_redis_conf_unix(ngx_conf_t *cf, ngx_http_ai_redis_conf_t *conf,
    ngx_str_t *path)
{
    ngx_addr_t                *addr;
    struct sockaddr_un        *saun;
    ngx_http_ai_redis_node_t  *node;

    node = ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_redis_node_t));
    addr = ngx_pcalloc(cf->pool, sizeof(ngx_addr_t));
    saun = ngx_pcalloc(cf->pool, sizeof(struct sockaddr_un));

    if (node == NULL || addr == NULL || saun == NULL) {
        return NGX_ERROR;
    }

    if (path->len >= sizeof(saun->sun_path)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "too long path in \"ai_usage unix:%V\", the "
                           "system takes less than %uz bytes", path,
                           sizeof(saun->sun_path));
        return NGX_ERROR;
    }

    saun->sun_family = AF_UNIX;
    ngx_memcpy(saun->sun_path, path->data, path->len);

    addr->sockaddr = (struct sockaddr *) saun;
    addr->socklen = sizeof(struct sockaddr_un);

    node->host = *path;
    node->addrs = addr;
    node->naddrs = 1;

    conf->nodes = node;
    conf->nnodes = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_redis_conf_nodes(ngx_conf_t *cf, ngx_http_ai_redis_conf_t *conf,
    ngx_http_ai_redisaddr_t *addr)
{
    ngx_uint_t                 i;
    ngx_http_ai_redis_node_t  *node;

    node = ngx_pcalloc(cf->pool,
                       addr->nnodes * sizeof(ngx_http_ai_redis_node_t));
    if (node == NULL) {
        return NGX_ERROR;
    }

    conf->nodes = node;
    conf->nnodes = addr->nnodes;

    for (i = 0; i < addr->nnodes; i++) {

        if (addr->nodes[i].host.len > NGX_HTTP_AI_REDIS_MAX_HOST) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "too long host name in \"ai_usage\"");
            return NGX_ERROR;
        }

        node[i].port = (in_port_t) addr->nodes[i].port;

        if (ngx_http_ai_redis_conf_copy(cf, &node[i].host,
                                        &addr->nodes[i].host)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* zero-terminated */

static ngx_int_t
ngx_http_ai_redis_conf_copy(ngx_conf_t *cf, ngx_str_t *dst,
    const ngx_str_t *src)
{
    dst->data = ngx_pnalloc(cf->pool, src->len + 1);
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_cpystrn(dst->data, src->data, src->len + 1);
    dst->len = src->len;

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_redis_conf_param(ngx_conf_t *cf, ngx_http_ai_redis_conf_t *conf,
    ngx_str_t *arg)
{
    ngx_str_t                   value;
    ngx_uint_t                  bit;
    ngx_http_ai_redis_param_t  *p;

    bit = 1;

    for (p = ngx_http_ai_redis_params; p->name.len; p++) {

        if (ngx_strncmp(arg->data, p->name.data, p->name.len) == 0) {
            break;
        }

        bit <<= 1;
    }

    if (p->name.len == 0) {
        return NGX_DECLINED;
    }

    if (conf->seen & bit) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate parameter \"%V\" in \"ai_usage\"",
                           &p->name);
        return NGX_ERROR;
    }

    conf->seen |= bit;

    value.data = arg->data + p->name.len;
    value.len = arg->len - p->name.len;

    return p->handler(cf, (u_char *) conf + p->offset, &p->name, &value);
}


static ngx_int_t
ngx_http_ai_redis_conf_text(ngx_conf_t *cf, void *field, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_str_t  *text = field;

    if (value->len == 0 || value->len > NGX_HTTP_AI_REDIS_MAX_HOST) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\" in \"ai_usage\", write \"%VNAME\"",
                           name, name);
        return NGX_ERROR;
    }

    *text = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_redis_conf_path(ngx_conf_t *cf, void *field, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_str_t  *path = field;

    if (value->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no path in \"%V\" of \"ai_usage\", write "
                           "\"%VPATH\"", name, name);
        return NGX_ERROR;
    }

    *path = *value;

    return ngx_conf_full_name(cf->cycle, path, 1);
}


static ngx_int_t
ngx_http_ai_redis_conf_flag(ngx_conf_t *cf, void *field, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_flag_t  *flag = field;

    if (ngx_strcmp(value->data, "on") == 0) {
        *flag = 1;
        return NGX_OK;
    }

    if (ngx_strcmp(value->data, "off") == 0) {
        *flag = 0;
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"%V%V\" in \"ai_usage\", write \"%Von\" or "
                       "\"%Voff\"", name, value, name, name);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_ai_redis_conf_secret(ngx_conf_t *cf, void *field, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_str_t  source;

    if (value->len > 4 && ngx_strncmp(value->data, "env:", 4) == 0) {
        source.data = value->data + 4;
        source.len = value->len - 4;

        return ngx_http_ai_redis_conf_secret_env(cf, field, name, &source);
    }

    if (value->len > 5 && ngx_strncmp(value->data, "file:", 5) == 0) {
        source.data = value->data + 5;
        source.len = value->len - 5;

        return ngx_http_ai_redis_conf_secret_file(cf, field, name, &source);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%V\" in \"ai_usage\" takes no literal password, "
                       "write \"%Venv:NAME\" or \"%Vfile:PATH\"", name, name,
                       name);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_ai_redis_conf_secret_env(ngx_conf_t *cf,
    ngx_http_ai_redis_secret_t *secret, ngx_str_t *name, ngx_str_t *variable)
{
    u_char     *p;
    ngx_str_t   value;

    p = (u_char *) getenv((char *) variable->data);

    if (p == NULL && ngx_process == NGX_PROCESS_SIGNALLER) {
        /* "nginx -s stop" from a shell needs no password */
        return NGX_OK;
    }

    if (p == NULL || *p == '\0') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%Venv:%V\" in \"ai_usage\": no such "
                           "variable in the environment of the nginx service",
                           name, variable);
        return NGX_ERROR;
    }

    value.data = p;
    value.len = ngx_strlen(p);

    return ngx_http_ai_redis_conf_copy(cf, &secret->value, &value);
}


static ngx_int_t
ngx_http_ai_redis_conf_secret_file(ngx_conf_t *cf,
    ngx_http_ai_redis_secret_t *secret, ngx_str_t *name, ngx_str_t *path)
{
    u_char                    *buf;
    size_t                     n;
    ngx_err_t                  err;
    const char                *wrong;
    ngx_http_ai_watch_e        rc;
    ngx_http_ai_watch_look_t   look;

    if (ngx_conf_full_name(cf->cycle, path, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    /* room for the line's end, which is no part of it */

    buf = ngx_pnalloc(cf->pool, NGX_HTTP_AI_REDIS_MAX_SECRET + 3);
    if (buf == NULL
        || ngx_http_ai_secret_forget(cf->pool, buf,
                                     NGX_HTTP_AI_REDIS_MAX_SECRET + 3)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_http_ai_watch_read(path->data, buf,
                                NGX_HTTP_AI_REDIS_MAX_SECRET + 2, &n, &look,
                                cf->log);

    err = 0;

    switch (rc) {

    case NGX_HTTP_AI_WATCH_OPEN:
    case NGX_HTTP_AI_WATCH_READ:
        err = ngx_errno;
        wrong = "cannot be read by the nginx service";
        break;

    case NGX_HTTP_AI_WATCH_LARGE:
        wrong = "is too long";
        break;

    default: /* NGX_HTTP_AI_WATCH_OK */
        wrong = ngx_http_ai_redis_conf_secret_wrong(buf, &n);
    }

    if (wrong) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, err,
                           "\"%Vfile:%V\" in \"ai_usage\" %s, write "
                           "the path of a file with the password alone",
                           name, path, wrong);
        return NGX_ERROR;
    }

    secret->value.data = buf;
    secret->value.len = n;

    return ngx_http_ai_redis_conf_secret_watch(cf, secret, name, path, &look);
}


/* leaves out the end of the line */

static const char *
ngx_http_ai_redis_conf_secret_wrong(u_char *p, size_t *n)
{
    if (*n && p[*n - 1] == LF) {
        (*n)--;
    }

    if (*n && p[*n - 1] == CR) {
        (*n)--;
    }

    if (*n == 0) {
        return "is empty";
    }

    return *n > NGX_HTTP_AI_REDIS_MAX_SECRET ? "is too long" : NULL;
}


/* a pipe or a device has nothing to say a second time */

static ngx_int_t
ngx_http_ai_redis_conf_secret_watch(ngx_conf_t *cf,
    ngx_http_ai_redis_secret_t *secret, ngx_str_t *name, ngx_str_t *path,
    ngx_http_ai_watch_look_t *look)
{
    u_char               *p;
    ngx_file_info_t       fi;
    ngx_http_ai_watch_t   w;

    if (ngx_file_info(path->data, &fi) == NGX_FILE_ERROR || !ngx_is_file(&fi))
    {
        return NGX_OK;
    }

    secret->spare = ngx_pnalloc(cf->pool, NGX_HTTP_AI_REDIS_MAX_SECRET + 3);
    if (secret->spare == NULL
        || ngx_http_ai_secret_forget(cf->pool, secret->spare,
                                     NGX_HTTP_AI_REDIS_MAX_SECRET + 3)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_memzero(&w, sizeof(ngx_http_ai_watch_t));

    w.path = *path;
    w.max = NGX_HTTP_AI_REDIS_MAX_SECRET + 2;
    w.look = *look;
    w.handler = ngx_http_ai_redis_conf_secret_changed;
    w.data = secret;

    w.what.len = sizeof("\"\" of \"ai_usage\"") - 1 + name->len;

    w.what.data = ngx_pnalloc(cf->pool, w.what.len);
    if (w.what.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(w.what.data, "\"%V\" of \"ai_usage\"", name);
    w.what.len = p - w.what.data;

    return ngx_http_ai_watch_add(cf, &w);
}


/*
 * It is copied into each connection's greeting, and nothing points to it
 * between events.  A connection that stands goes on.
 */

static ngx_http_ai_watch_answer_e
ngx_http_ai_redis_conf_secret_changed(void *data, u_char *content, size_t len,
    const char **wrong)
{
    ngx_http_ai_redis_secret_t  *secret = data;

    u_char  *old;

    *wrong = ngx_http_ai_redis_conf_secret_wrong(content, &len);

    if (*wrong) {
        return NGX_HTTP_AI_WATCH_REFUSED;
    }

    old = secret->value.data;

    if (secret->value.len == len && ngx_memcmp(old, content, len) == 0) {
        return NGX_HTTP_AI_WATCH_SAME;
    }

    ngx_memcpy(secret->spare, content, len);

    secret->value.data = secret->spare;
    secret->value.len = len;

    ngx_explicit_memzero(old, NGX_HTTP_AI_REDIS_MAX_SECRET + 3);
    secret->spare = old;

    return NGX_HTTP_AI_WATCH_CHANGED;
}


ngx_int_t
ngx_http_ai_redis_conf_end(ngx_conf_t *cf, ngx_http_ai_redis_conf_t *conf)
{
    ngx_uint_t  i;

    if (ngx_http_ai_redis_conf_users(cf, conf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (conf->kind != NGX_HTTP_AI_REDISADDR_UNIX) {

        for (i = 0; i < conf->nnodes; i++) {
            if (ngx_http_ai_redis_conf_host(cf, &conf->nodes[i]) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return conf->tls ? ngx_http_ai_redis_conf_tls(cf, conf)
                     : ngx_http_ai_redis_conf_plain(cf, conf);
}


static ngx_int_t
ngx_http_ai_redis_conf_users(ngx_conf_t *cf, ngx_http_ai_redis_conf_t *conf)
{
    if (ngx_http_ai_redis_given(conf, USER)
        && !ngx_http_ai_redis_given(conf, PASSWORD))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "a user in \"ai_usage\" needs a password, write "
                           "\"password=env:NAME\" or \"password=file:PATH\"");
        return NGX_ERROR;
    }

    if (conf->kind != NGX_HTTP_AI_REDISADDR_SENTINELS
        && (ngx_http_ai_redis_given(conf, SENTINEL_USER)
            || ngx_http_ai_redis_given(conf, SENTINEL_PASSWORD)))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"sentinel_user=\" and \"sentinel_password=\" in "
                           "\"ai_usage\" are for \"sentinel://\", write "
                           "\"user=\" and \"password=\"");
        return NGX_ERROR;
    }

    if (ngx_http_ai_redis_given(conf, SENTINEL_USER)
        && !ngx_http_ai_redis_given(conf, SENTINEL_PASSWORD))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"sentinel_user=\" in \"ai_usage\" needs "
                           "\"sentinel_password=\"");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* nginx looks names up itself, and may wait for that while it starts */

static ngx_int_t
ngx_http_ai_redis_conf_host(ngx_conf_t *cf, ngx_http_ai_redis_node_t *node)
{
    ngx_url_t  u;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url.data = ngx_pnalloc(cf->pool, node->host.len + sizeof("[]") - 1);
    if (u.url.data == NULL) {
        return NGX_ERROR;
    }

    u.url.len = ngx_sprintf(u.url.data, ngx_strchr(node->host.data, ':')
                                        ? "[%V]" : "%V", &node->host)
                - u.url.data;
    u.default_port = node->port;
    u.no_resolve = 1;

    if (ngx_parse_url(cf->pool, &u) == NGX_OK) {

        node->named = (u.naddrs == 0);

        if (!node->named || ngx_inet_resolve_host(cf->pool, &u) == NGX_OK) {
            node->addrs = u.addrs;
            node->naddrs = u.naddrs;

            return NGX_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "%s in \"%V\" of \"ai_usage\", write an address or a "
                       "name that can be looked up now",
                       u.err ? u.err : "invalid host", &node->host);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_ai_redis_conf_plain(ngx_conf_t *cf, ngx_http_ai_redis_conf_t *conf)
{
    ngx_uint_t  i;

    for (i = NGX_HTTP_AI_REDIS_VERIFY;
         i <= NGX_HTTP_AI_REDIS_CERTIFICATE_KEY;
         i++)
    {
        if (conf->seen & ((ngx_uint_t) 1 << i)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" in \"ai_usage\" means nothing without "
                               "TLS, write \"rediss://\" or \"tls=on\"",
                               &ngx_http_ai_redis_params[i].name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_redis_conf_tls(ngx_conf_t *cf, ngx_http_ai_redis_conf_t *conf)
{
    if (conf->kind == NGX_HTTP_AI_REDISADDR_UNIX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"tls=on\" in \"ai_usage\" does not work with "
                           "\"unix:\", remove it");
        return NGX_ERROR;
    }

    if (conf->verify == NGX_CONF_UNSET) {
        conf->verify = 1;
    }

    if (!conf->verify && conf->trusted.len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"trusted=\" in \"ai_usage\" means nothing with "
                           "\"verify=off\", remove one of them");
        return NGX_ERROR;
    }

    if (!ngx_http_ai_redis_given(conf, CERTIFICATE)
        != !ngx_http_ai_redis_given(conf, CERTIFICATE_KEY))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"certificate=\" and \"certificate_key=\" in "
                           "\"ai_usage\" belong together, write both");
        return NGX_ERROR;
    }

#if (NGX_HTTP_SSL)

    return ngx_http_ai_redis_conf_ssl(cf, conf);

#else

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "TLS to Redis in \"ai_usage\" needs nginx's SSL "
                       "module, which this nginx was built without: use an "
                       "nginx built with --with-http_ssl_module, or write "
                       "\"redis://\" and keep the connection on a trusted "
                       "network");
    return NGX_ERROR;

#endif
}


#if (NGX_HTTP_SSL)

static ngx_int_t
ngx_http_ai_redis_conf_ssl(ngx_conf_t *cf, ngx_http_ai_redis_conf_t *conf)
{
    ngx_ssl_t           *ssl;
    ngx_str_t           *bundle;
    ngx_pool_cleanup_t  *cln;

    if (conf->verify && conf->trusted.len == 0) {

        bundle = ngx_http_ai_account_bundle();

        if (bundle == NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "no CA certificates found to verify Redis in "
                               "\"ai_usage\" with, install the package "
                               "ca-certificates, or write trusted=FILE or "
                               "verify=off");
            return NGX_ERROR;
        }

        conf->trusted = *bundle;
    }

    if (!conf->verify) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"ai_usage\" says verify=off, records and the "
                           "password go to whoever answers");
    }

    ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (ssl == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    ssl->log = cf->log;

    if (ngx_ssl_create(ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL) != NGX_OK) {
        return NGX_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ssl;

    if (conf->verify
        && ngx_ssl_trusted_certificate(cf, ssl, &conf->trusted,
                                       NGX_HTTP_AI_REDIS_SSL_DEPTH)
           != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "cannot use \"%V\" as the trusted CA certificates "
                           "of \"ai_usage\", write trusted=FILE with a "
                           "readable PEM file", &conf->trusted);
        return NGX_ERROR;
    }

    if (conf->certificate.len
        && ngx_ssl_certificate(cf, ssl, &conf->certificate,
                               &conf->certificate_key, NULL)
           != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "cannot use \"%V\" and \"%V\" as the client "
                           "certificate of \"ai_usage\", write PEM files, "
                           "the key without a password",
                           &conf->certificate, &conf->certificate_key);
        return NGX_ERROR;
    }

    conf->ssl = ssl;

    return NGX_OK;
}

#endif
