
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_redisaddr.h"


typedef struct {
    ngx_str_t                scheme;
    ngx_http_ai_redisaddr_e  kind;
    ngx_uint_t               tls;
    ngx_uint_t               port;
} ngx_http_ai_redisaddr_scheme_t;


static ngx_int_t ngx_http_ai_redisaddr_unix(ngx_http_ai_redisaddr_t *addr,
    ngx_str_t *rest, const char **wrong);
static ngx_int_t ngx_http_ai_redisaddr_net(ngx_http_ai_redisaddr_t *addr,
    ngx_str_t *rest, ngx_uint_t port, const char **wrong);
static ngx_int_t ngx_http_ai_redisaddr_user(ngx_http_ai_redisaddr_t *addr,
    ngx_str_t *rest, const char **wrong);
static ngx_int_t ngx_http_ai_redisaddr_path(ngx_http_ai_redisaddr_t *addr,
    ngx_str_t *path, const char **wrong);
static ngx_int_t ngx_http_ai_redisaddr_node(
    ngx_http_ai_redisaddr_node_t *node, const ngx_str_t *text,
    ngx_uint_t port);
static ngx_uint_t ngx_http_ai_redisaddr_cut(ngx_str_t *rest, u_char ch,
    ngx_str_t *word);
static ngx_int_t ngx_http_ai_redisaddr_number(const ngx_str_t *text,
    ngx_uint_t max);


static const ngx_http_ai_redisaddr_scheme_t  ngx_http_ai_redisaddr_schemes[] =
{
    { ngx_string("redis://"), NGX_HTTP_AI_REDISADDR_LIST, 0,
      NGX_HTTP_AI_REDISADDR_PORT },

    { ngx_string("rediss://"), NGX_HTTP_AI_REDISADDR_LIST, 1,
      NGX_HTTP_AI_REDISADDR_PORT },

    { ngx_string("sentinel://"), NGX_HTTP_AI_REDISADDR_SENTINELS, 0,
      NGX_HTTP_AI_REDISADDR_SENTINEL },

    { ngx_string("cluster://"), NGX_HTTP_AI_REDISADDR_CLUSTER, 0,
      NGX_HTTP_AI_REDISADDR_PORT },

    { ngx_string("unix:"), NGX_HTTP_AI_REDISADDR_UNIX, 0, 0 },

    { ngx_null_string, NGX_HTTP_AI_REDISADDR_LIST, 0, 0 }
};


ngx_int_t
ngx_http_ai_redisaddr_parse(ngx_http_ai_redisaddr_t *addr,
    const ngx_str_t *text, const char **wrong)
{
    ngx_str_t                              rest;
    const ngx_http_ai_redisaddr_scheme_t  *s;

    ngx_memzero(addr, sizeof(ngx_http_ai_redisaddr_t));

    for (s = ngx_http_ai_redisaddr_schemes; s->scheme.len; s++) {
        if (text->len >= s->scheme.len
            && ngx_memcmp(text->data, s->scheme.data, s->scheme.len) == 0)
        {
            break;
        }
    }

    if (s->scheme.len == 0) {
        return NGX_DECLINED;
    }

    addr->kind = s->kind;
    addr->tls = s->tls;

    rest.data = text->data + s->scheme.len;
    rest.len = text->len - s->scheme.len;

    if (addr->kind == NGX_HTTP_AI_REDISADDR_UNIX) {
        return ngx_http_ai_redisaddr_unix(addr, &rest, wrong);
    }

    return ngx_http_ai_redisaddr_net(addr, &rest, s->port, wrong);
}


/* the database is what follows the last ":", if that is a number */

static ngx_int_t
ngx_http_ai_redisaddr_unix(ngx_http_ai_redisaddr_t *addr, ngx_str_t *rest,
    const char **wrong)
{
    size_t     i;
    ngx_int_t  db;
    ngx_str_t  number;

    if (rest->len < 2 || rest->data[0] != '/') {
        *wrong = "write \"unix:/PATH\" or \"unix:/PATH:DB\"";
        return NGX_ERROR;
    }

    addr->path = *rest;

    for (i = rest->len; i > 1 && rest->data[i - 1] != ':'; i--) { /* void */ }

    if (i == 1) {
        return NGX_OK;
    }

    number.data = rest->data + i;
    number.len = rest->len - i;

    db = ngx_http_ai_redisaddr_number(&number, INT32_MAX);

    if (db >= 0) {
        addr->database = db;
        addr->path.len = i - 1;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_redisaddr_net(ngx_http_ai_redisaddr_t *addr, ngx_str_t *rest,
    ngx_uint_t port, const char **wrong)
{
    ngx_str_t   hosts, node;
    ngx_uint_t  more;

    if (ngx_http_ai_redisaddr_user(addr, rest, wrong) != NGX_OK) {
        return NGX_ERROR;
    }

    (void) ngx_http_ai_redisaddr_cut(rest, '/', &hosts);

    do {
        more = ngx_http_ai_redisaddr_cut(&hosts, ',', &node);

        if (addr->nnodes == NGX_HTTP_AI_REDISADDR_NODES) {
            *wrong = "name 16 nodes at most";
            return NGX_ERROR;
        }

        if (ngx_http_ai_redisaddr_node(&addr->nodes[addr->nnodes++], &node,
                                       port)
            != NGX_OK)
        {
            *wrong = "write each node as HOST or HOST:PORT, an IPv6 address "
                     "as [ADDRESS]:PORT, with commas between";
            return NGX_ERROR;
        }

    } while (more);

    return ngx_http_ai_redisaddr_path(addr, rest, wrong);
}


static ngx_int_t
ngx_http_ai_redisaddr_user(ngx_http_ai_redisaddr_t *addr, ngx_str_t *rest,
    const char **wrong)
{
    size_t     i;
    ngx_str_t  all, user;

    all = *rest;

    if (!ngx_http_ai_redisaddr_cut(rest, '@', &user)) {
        *rest = all;
        return NGX_OK;
    }

    for (i = 0; i < rest->len; i++) {
        if (rest->data[i] == '@') {
            user.len = 0;       /* a password with "@" in it */
        }
    }

    for (i = 0; i < user.len; i++) {
        if (user.data[i] == ':' || user.data[i] == '/') {
            user.len = 0;
        }
    }

    if (user.len == 0) {
        *wrong = "it takes no password in the address, write \"user=NAME\" "
                 "and \"password=env:NAME\" or \"password=file:PATH\"";
        return NGX_ERROR;
    }

    addr->user = user;

    return NGX_OK;
}


/* "rest" is what follows the first slash */

static ngx_int_t
ngx_http_ai_redisaddr_path(ngx_http_ai_redisaddr_t *addr, ngx_str_t *rest,
    const char **wrong)
{
    ngx_int_t  db;

    if (addr->kind == NGX_HTTP_AI_REDISADDR_SENTINELS) {
        (void) ngx_http_ai_redisaddr_cut(rest, '/', &addr->master);

        if (addr->master.len == 0) {
            *wrong = "write the master's name behind the sentinels, "
                     "\"sentinel://HOST:26379,HOST:26379/NAME\"";
            return NGX_ERROR;
        }
    }

    if (rest->len == 0) {
        return NGX_OK;
    }

    if (addr->kind == NGX_HTTP_AI_REDISADDR_CLUSTER) {
        *wrong = "a cluster has database 0 alone, write "
                 "\"cluster://HOST:PORT,HOST:PORT\"";
        return NGX_ERROR;
    }

    db = ngx_http_ai_redisaddr_number(rest, INT32_MAX);

    if (db < 0) {
        *wrong = "the database behind the last slash must be a number";
        return NGX_ERROR;
    }

    addr->database = db;

    return NGX_OK;
}


/* port 0: one must be given */

static ngx_int_t
ngx_http_ai_redisaddr_node(ngx_http_ai_redisaddr_node_t *node,
    const ngx_str_t *text, ngx_uint_t port)
{
    u_char     *p, *last;
    ngx_int_t   n;
    ngx_str_t   number;

    last = text->data + text->len;

    if (text->len && text->data[0] == '[') {

        for (p = text->data; p < last && *p != ']'; p++) { /* void */ }

        if (p == last) {
            return NGX_ERROR;
        }

        node->host.data = text->data + 1;
        node->host.len = p++ - node->host.data;

    } else {

        for (p = text->data; p < last && *p != ':'; p++) { /* void */ }

        node->host.data = text->data;
        node->host.len = p - text->data;
    }

    node->port = port;

    if (p < last) {

        if (*p++ != ':') {
            return NGX_ERROR;
        }

        number.data = p;
        number.len = last - p;

        n = ngx_http_ai_redisaddr_number(&number, 65535);

        if (n <= 0) {
            return NGX_ERROR;
        }

        node->port = n;
    }

    return (node->host.len && node->port) ? NGX_OK : NGX_ERROR;
}


/*
 * The port is behind the last colon: Redis puts no brackets around an IPv6
 * address.
 */

ngx_http_ai_redisaddr_hop_e
ngx_http_ai_redisaddr_hop(const ngx_str_t *error,
    ngx_http_ai_redisaddr_node_t *node)
{
    size_t                       i;
    ngx_int_t                    port;
    ngx_str_t                    rest, word, number;
    ngx_http_ai_redisaddr_hop_e  hop;

    rest = *error;

    (void) ngx_http_ai_redisaddr_cut(&rest, ' ', &word);

    if (word.len == 5 && ngx_memcmp(word.data, "MOVED", 5) == 0) {
        hop = NGX_HTTP_AI_REDISADDR_MOVED;

    } else if (word.len == 3 && ngx_memcmp(word.data, "ASK", 3) == 0) {
        hop = NGX_HTTP_AI_REDISADDR_ASK;

    } else {
        return NGX_HTTP_AI_REDISADDR_NONE;
    }

    (void) ngx_http_ai_redisaddr_cut(&rest, ' ', &word);

    if (ngx_http_ai_redisaddr_number(&word, 16383) < 0) {
        return NGX_HTTP_AI_REDISADDR_NONE;
    }

    for (i = rest.len; i && rest.data[i - 1] != ':'; i--) { /* void */ }

    if (i == 0) {
        return NGX_HTTP_AI_REDISADDR_NONE;
    }

    number.data = rest.data + i;
    number.len = rest.len - i;

    port = ngx_http_ai_redisaddr_number(&number, 65535);

    if (port <= 0) {
        return NGX_HTTP_AI_REDISADDR_NONE;
    }

    node->host.data = rest.data;
    node->host.len = i - 1;
    node->port = port;

    if (node->host.len == 1 && node->host.data[0] == '?') {
        node->host.len = 0;
    }

    return hop;
}


/* the word before the first ch, or all; 1: there was one, rest is behind it */

static ngx_uint_t
ngx_http_ai_redisaddr_cut(ngx_str_t *rest, u_char ch, ngx_str_t *word)
{
    size_t  i;

    for (i = 0; i < rest->len && rest->data[i] != ch; i++) { /* void */ }

    word->data = rest->data;
    word->len = i;

    if (i == rest->len) {
        rest->data += i;
        rest->len = 0;
        return 0;
    }

    rest->data += i + 1;
    rest->len -= i + 1;

    return 1;
}


static ngx_int_t
ngx_http_ai_redisaddr_number(const ngx_str_t *text, ngx_uint_t max)
{
    size_t      i;
    ngx_uint_t  n;

    n = 0;

    for (i = 0; i < text->len; i++) {

        if (text->data[i] < '0' || text->data[i] > '9') {
            return NGX_ERROR;
        }

        n = n * 10 + (text->data[i] - '0');

        if (n > max) {
            return NGX_ERROR;
        }
    }

    return text->len ? (ngx_int_t) n : NGX_ERROR;
}
