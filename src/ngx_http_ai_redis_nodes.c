
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_http_ai_redis_nodes.h"


#define NGX_HTTP_AI_REDIS_HOPS        5
#define NGX_HTTP_AI_REDIS_RESOLVE_MS  3000


static ngx_int_t ngx_http_ai_redis_nodes_look_up(
    ngx_http_ai_redis_nodes_t *nodes);
static ngx_resolver_t *ngx_http_ai_redis_nodes_resolver(
    ngx_http_ai_redis_nodes_t *nodes, ngx_msec_t *timeout);
static void ngx_http_ai_redis_nodes_handler(ngx_resolver_ctx_t *ctx);
static ngx_http_ai_redis_addrs_t *ngx_http_ai_redis_nodes_addrs(
    ngx_http_ai_redis_nodes_t *nodes);
static void ngx_http_ai_redis_nodes_set(ngx_http_ai_redis_addrs_t *addrs,
    struct sockaddr *sockaddr, socklen_t socklen);
static void ngx_http_ai_redis_nodes_found(ngx_http_ai_redis_nodes_t *nodes);
static void ngx_http_ai_redis_nodes_step(ngx_http_ai_redis_nodes_t *nodes);


ngx_int_t
ngx_http_ai_redis_nodes_init(ngx_http_ai_redis_nodes_t *nodes,
    const ngx_http_ai_redis_conf_t *conf, ngx_pool_t *pool,
    void (*handler)(void *data), void *data)
{
    ngx_uint_t                  i, j;
    ngx_http_ai_redis_addrs_t  *known;
    ngx_http_ai_redis_node_t   *node;

    nodes->conf = conf;
    nodes->handler = handler;
    nodes->data = data;

    known = ngx_pcalloc(pool, conf->nnodes
                              * sizeof(ngx_http_ai_redis_addrs_t));
    if (known == NULL) {
        return NGX_ERROR;
    }

    nodes->known = known;

    for (i = 0; i < conf->nnodes; i++) {
        node = &conf->nodes[i];

        for (j = 0; j < node->naddrs; j++) {
            ngx_http_ai_redis_nodes_set(&known[i], node->addrs[j].sockaddr,
                                        node->addrs[j].socklen);
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_redis_nodes_address(ngx_http_ai_redis_nodes_t *nodes,
    ngx_uint_t now)
{
    ngx_int_t  rc;

    if (nodes->have) {

        if (nodes->told.naddrs == 0 && !now) {

            rc = ngx_http_ai_redis_nodes_look_up(nodes);

            if (rc == NGX_DECLINED) {
                nodes->why = "a name was told, but without \"resolver\" in "
                             "http {} none can be looked up";
                return NGX_ERROR;
            }

            if (rc == NGX_AGAIN) {
                return NGX_AGAIN;
            }
        }

    } else if (!now && nodes->again && nodes->addr == 0
               && nodes->conf->nodes[nodes->node].named)
    {
        nodes->again = 0;

        if (ngx_http_ai_redis_nodes_look_up(nodes) == NGX_AGAIN) {
            return NGX_AGAIN;
        }
    }

    if (ngx_http_ai_redis_nodes_addrs(nodes)->naddrs == 0) {
        nodes->why = "a name cannot be resolved";
        return NGX_ERROR;
    }

    ngx_http_ai_redis_nodes_found(nodes);

    return NGX_OK;
}


/* NGX_DECLINED: there are no name servers */

static ngx_int_t
ngx_http_ai_redis_nodes_look_up(ngx_http_ai_redis_nodes_t *nodes)
{
    ngx_msec_t           timeout;
    ngx_resolver_t      *resolver;
    ngx_resolver_ctx_t  *ctx;

    resolver = ngx_http_ai_redis_nodes_resolver(nodes, &timeout);

    if (resolver == NULL) {
        return NGX_DECLINED;
    }

    ctx = ngx_resolve_start(resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        return NGX_ERROR;
    }

    if (nodes->have) {
        ctx->name.data = nodes->host;
        ctx->name.len = ngx_strlen(nodes->host);

    } else {
        ctx->name = nodes->conf->nodes[nodes->node].host;
    }

    ctx->handler = ngx_http_ai_redis_nodes_handler;
    ctx->data = nodes;
    ctx->timeout = ngx_min(timeout, NGX_HTTP_AI_REDIS_RESOLVE_MS);
    ctx->cancelable = 1;

    /* the handler may be called before it returns */

    nodes->ctx = ctx;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        nodes->ctx = NULL;
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_resolver_t *
ngx_http_ai_redis_nodes_resolver(ngx_http_ai_redis_nodes_t *nodes,
    ngx_msec_t *timeout)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = nodes->conf->clcf;

    /* without "resolver" the core makes one without servers */

    if (clcf->resolver == NULL || clcf->resolver->connections.nelts == 0) {
        return NULL;
    }

    *timeout = clcf->resolver_timeout;

    if (*timeout == NGX_CONF_UNSET_MSEC) {
        *timeout = NGX_HTTP_AI_REDIS_RESOLVE_MS;
    }

    return clcf->resolver;
}


static void
ngx_http_ai_redis_nodes_handler(ngx_resolver_ctx_t *ctx)
{
    ngx_uint_t                  i;
    ngx_http_ai_redis_addrs_t  *addrs;
    ngx_http_ai_redis_nodes_t  *nodes;

    nodes = ctx->data;
    addrs = ngx_http_ai_redis_nodes_addrs(nodes);

    if (ctx->state == NGX_OK && ctx->naddrs) {

        addrs->naddrs = 0;

        for (i = 0; i < ctx->naddrs; i++) {
            ngx_http_ai_redis_nodes_set(addrs, ctx->addrs[i].sockaddr,
                                        ctx->addrs[i].socklen);
        }

        for (i = 0; i < addrs->naddrs; i++) {
            ngx_inet_set_port(&addrs->addrs[i].sockaddr,
                              nodes->have ? nodes->port
                                     : nodes->conf->nodes[nodes->node].port);
        }
    }

    nodes->ctx = NULL;
    ngx_resolve_name_done(ctx);

    nodes->handler(nodes->data);
}


void
ngx_http_ai_redis_nodes_cancel(ngx_http_ai_redis_nodes_t *nodes)
{
    if (nodes->ctx) {
        ngx_resolve_name_done(nodes->ctx);
        nodes->ctx = NULL;
    }
}


static ngx_http_ai_redis_addrs_t *
ngx_http_ai_redis_nodes_addrs(ngx_http_ai_redis_nodes_t *nodes)
{
    return nodes->have ? &nodes->told : &nodes->known[nodes->node];
}


static void
ngx_http_ai_redis_nodes_set(ngx_http_ai_redis_addrs_t *addrs,
    struct sockaddr *sockaddr, socklen_t socklen)
{
    ngx_uint_t  n;

    n = addrs->naddrs;

    if (n == NGX_HTTP_AI_REDIS_ADDRS
        || socklen > (socklen_t) sizeof(ngx_sockaddr_t))
    {
        return;
    }

    ngx_memcpy(&addrs->addrs[n], sockaddr, socklen);
    addrs->lens[n] = socklen;
    addrs->naddrs++;
}


static void
ngx_http_ai_redis_nodes_found(ngx_http_ai_redis_nodes_t *nodes)
{
    u_char                     *p, *last;
    ngx_uint_t                  i;
    ngx_http_ai_redis_node_t   *node;
    ngx_http_ai_redis_addrs_t  *addrs;

    addrs = ngx_http_ai_redis_nodes_addrs(nodes);
    i = nodes->have ? 0 : ngx_min(nodes->addr, addrs->naddrs - 1);

    nodes->sockaddr = &addrs->addrs[i].sockaddr;
    nodes->socklen = addrs->lens[i];

    node = &nodes->conf->nodes[nodes->node];

    if (nodes->have) {
        nodes->peer.data = nodes->host;
        nodes->peer.len = ngx_strlen(nodes->host);

    } else {
        nodes->peer = node->host;
    }

    p = nodes->text;
    last = p + sizeof(nodes->text) - NGX_SOCKADDR_STRLEN - 1;

    if (!nodes->have && node->named) {
        p = ngx_slprintf(p, last, "%V ", &node->host);
    }

    p += ngx_sock_ntop(nodes->sockaddr, nodes->socklen, p,
                       NGX_SOCKADDR_STRLEN, 1);

    nodes->name.data = nodes->text;
    nodes->name.len = p - nodes->text;
}


/* an empty host is the one that is connected to */

ngx_int_t
ngx_http_ai_redis_nodes_told(ngx_http_ai_redis_nodes_t *nodes,
    const ngx_str_t *host, ngx_uint_t port, ngx_uint_t ask)
{
    ngx_str_t       name;
    ngx_addr_t      addr;
    ngx_pool_t     *pool;
    ngx_sockaddr_t  sa;

    if (nodes->hops++ == NGX_HTTP_AI_REDIS_HOPS) {
        return NGX_DECLINED;
    }

    nodes->ask = ask;
    nodes->port = (in_port_t) port;

    if (host->len == 0) {
        ngx_memcpy(&sa, nodes->sockaddr, nodes->socklen);

        name = nodes->peer;
        ngx_memmove(nodes->host, name.data, name.len);
        nodes->host[name.len] = '\0';

        nodes->told.naddrs = 0;
        ngx_http_ai_redis_nodes_set(&nodes->told, &sa.sockaddr,
                                    nodes->socklen);
        ngx_inet_set_port(&nodes->told.addrs[0].sockaddr, nodes->port);

        nodes->have = 1;
        return NGX_OK;
    }

    if (host->len >= NGX_HTTP_AI_REDIS_TEXT) {
        return NGX_DECLINED;
    }

    (void) ngx_cpystrn(nodes->host, host->data, host->len + 1);
    name.data = nodes->host;
    name.len = host->len;

    nodes->told.naddrs = 0;
    nodes->have = 1;

    pool = ngx_create_pool(256, ngx_cycle->log);
    if (pool == NULL) {
        return NGX_DECLINED;
    }

    if (ngx_parse_addr(pool, &addr, name.data, name.len) == NGX_OK) {
        ngx_inet_set_port(addr.sockaddr, nodes->port);
        ngx_http_ai_redis_nodes_set(&nodes->told, addr.sockaddr,
                                    addr.socklen);
    }

    ngx_destroy_pool(pool);

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_redis_nodes_next(ngx_http_ai_redis_nodes_t *nodes)
{
    ngx_uint_t  i, n;

    nodes->again = 1;
    nodes->hops = 0;

    if (nodes->have) {
        nodes->have = 0;
        nodes->ask = 0;

        if (nodes->conf->kind == NGX_HTTP_AI_REDISADDR_SENTINELS) {

            /* the sentinel would say the same again just now */

            nodes->tried = 0;
            return NGX_DONE;
        }

        /* the seed did what it could: another one may know better */

        nodes->addr = nodes->known[nodes->node].naddrs;
    }

    ngx_http_ai_redis_nodes_step(nodes);
    nodes->tried++;

    for (n = 0, i = 0; i < nodes->conf->nnodes; i++) {
        n += nodes->known[i].naddrs;
    }

    if (nodes->tried < n) {
        return NGX_OK;
    }

    nodes->tried = 0;

    return NGX_DONE;
}


static void
ngx_http_ai_redis_nodes_step(ngx_http_ai_redis_nodes_t *nodes)
{
    nodes->addr++;

    if (nodes->addr >= nodes->known[nodes->node].naddrs) {
        nodes->addr = 0;
        nodes->node = (nodes->node + 1) % nodes->conf->nnodes;
    }
}


void
ngx_http_ai_redis_nodes_worked(ngx_http_ai_redis_nodes_t *nodes)
{
    nodes->tried = 0;
    nodes->hops = 0;
}


void
ngx_http_ai_redis_nodes_ended(ngx_http_ai_redis_nodes_t *nodes)
{
    nodes->again = 1;

    if (nodes->conf->kind == NGX_HTTP_AI_REDISADDR_SENTINELS) {
        nodes->have = 0;
    }
}
