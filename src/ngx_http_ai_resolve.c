
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_resolve.h"
#include "ngx_http_ai_compat.h"


#define NGX_HTTP_AI_RESOLVE_POOL  1024


/*
 * The peers of one moment.  The block's own servers and their peers, which
 * the configuration made, are no generation: they last as long as the cycle.
 */

typedef struct {
    ngx_queue_t                    queue;
    ngx_pool_t                    *pool;      /* holds this too */
    ngx_http_upstream_srv_conf_t   uscf;      /* the block's, with servers
                                                 and peers of its own */
    ngx_uint_t                     refs;      /* requests that entered */
    ngx_http_ai_resolve_t         *resolve;
} ngx_http_ai_generation_t;


/* a server line with a name in it */

typedef struct {
    ngx_event_t                    timer;
    ngx_resolver_ctx_t            *ctx;       /* while an answer is awaited */
    ngx_str_t                      host;      /* a copy: the resolver writes
                                                 to it */
    in_port_t                      port;
    in_port_t                      last_port; /* "host:8000-8003" is four */
    ngx_uint_t                     server;    /* index in uscf->servers */
    ngx_http_ai_resolve_t         *resolve;
    unsigned                       failed:1;
} ngx_http_ai_resolve_name_t;


struct ngx_http_ai_resolve_s {
    ngx_http_ai_account_t         *account;
    ngx_resolver_t                *resolver;
    ngx_msec_t                     timeout;
    ngx_http_upstream_init_peer_pt init_peer; /* the balancer's own */
    ngx_array_t                    names;     /* of .._resolve_name_t */

    ngx_queue_t                    generations;
    ngx_http_ai_generation_t      *current;   /* NULL: the configuration's */
};


static ngx_int_t ngx_http_ai_resolve_resolver(ngx_conf_t *cf,
    ngx_http_ai_resolve_t *resolve);
static ngx_int_t ngx_http_ai_resolve_names(ngx_conf_t *cf,
    ngx_http_ai_resolve_t *resolve);
static ngx_int_t ngx_http_ai_resolve_balancer(ngx_conf_t *cf,
    ngx_http_ai_account_t *account);
static ngx_int_t ngx_http_ai_resolve_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *uscf);
static void ngx_http_ai_resolve_leave(void *data);

static void ngx_http_ai_resolve_stop(void *data);
static void ngx_http_ai_resolve_timer(ngx_event_t *ev);
static void ngx_http_ai_resolve_again(ngx_http_ai_resolve_name_t *name);
static void ngx_http_ai_resolve_done(ngx_resolver_ctx_t *ctx);

static void ngx_http_ai_resolve_update(ngx_http_ai_resolve_name_t *name,
    ngx_resolver_ctx_t *ctx);
static ngx_http_ai_generation_t *ngx_http_ai_resolve_create(
    ngx_http_ai_resolve_t *resolve);
static void ngx_http_ai_resolve_destroy(ngx_http_ai_generation_t *gen);
static ngx_int_t ngx_http_ai_resolve_addrs(ngx_http_ai_generation_t *gen,
    ngx_http_ai_resolve_name_t *name, ngx_resolver_ctx_t *ctx);
static ngx_int_t ngx_http_ai_resolve_addr(ngx_pool_t *pool, ngx_addr_t *addr,
    struct sockaddr *sa, socklen_t socklen, in_port_t port);
static int ngx_libc_cdecl ngx_http_ai_resolve_cmp(const void *one,
    const void *two);
static ngx_uint_t ngx_http_ai_resolve_same(ngx_http_upstream_server_t *a,
    ngx_http_upstream_server_t *b);
static ngx_int_t ngx_http_ai_resolve_keep(ngx_http_ai_generation_t *gen,
    ngx_http_ai_resolve_name_t *changed);
static ngx_int_t ngx_http_ai_resolve_swap(ngx_http_ai_generation_t *gen);
static void ngx_http_ai_resolve_inherit(ngx_http_upstream_rr_peers_t *peers,
    ngx_http_upstream_rr_peers_t *old);


ngx_int_t
ngx_http_ai_resolve_init(ngx_conf_t *cf, ngx_http_ai_account_t *account)
{
    ngx_http_ai_resolve_t  *resolve;

    if (account->resolve_interval == 0) {
        return NGX_OK;
    }

    resolve = ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_resolve_t));
    if (resolve == NULL) {
        return NGX_ERROR;
    }

    resolve->account = account;
    ngx_queue_init(&resolve->generations);

    if (ngx_http_ai_resolve_balancer(cf, account) != NGX_OK
        || ngx_http_ai_resolve_names(cf, resolve) != NGX_OK
        || ngx_http_ai_resolve_resolver(cf, resolve) != NGX_OK)
    {
        return NGX_ERROR;
    }

    resolve->init_peer = account->uscf->peer.init;
    account->uscf->peer.init = ngx_http_ai_resolve_init_peer;
    account->resolve = resolve;

    return NGX_OK;
}


/*
 * A list in shared memory belongs to all workers, and nginx itself keeps it
 * up to date since 1.27.3.
 *
 * Of nginx's balancers, round robin, least_conn, ip_hash and hash look at
 * nothing but the list that the request entered with; "hash consistent" has
 * points besides, but those are of server lines as they are written, not of
 * addresses.  "random" keeps a table of the first list's peers and would read
 * beyond its end.  It says so nowhere, so its configuration is looked at: that
 * is all zeros unless the block has "random".
 */

static ngx_int_t
ngx_http_ai_resolve_balancer(ngx_conf_t *cf, ngx_http_ai_account_t *account)
{
    uintptr_t                     *words;
    ngx_uint_t                     i, j;
    ngx_module_t                 **modules;
    ngx_http_upstream_srv_conf_t  *uscf;

    uscf = account->uscf;

#if (NGX_HTTP_UPSTREAM_ZONE)

    if (uscf->shm_zone) {
        ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, &account->place,
                             "\"resolve=\" of account \"%V\" does not work "
                             "with \"zone\", remove \"zone\" or, since nginx "
                             "1.27.3, write \"server NAME resolve\" instead "
                             "of \"resolve=\"", &account->name);
        return NGX_ERROR;
    }

#endif

    modules = cf->cycle->modules;

    for (i = 0; modules[i]; i++) {

        if (ngx_strcmp(modules[i]->name, "ngx_http_upstream_random_module")
            != 0)
        {
            continue;
        }

        words = uscf->srv_conf[modules[i]->ctx_index];

        for (j = 0; j < NGX_HTTP_AI_RANDOM_WORDS; j++) {

            if (words[j]) {
                ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, &account->place,
                                     "\"resolve=\" of account \"%V\" does not "
                                     "work with \"random\", use another "
                                     "balancing method", &account->name);
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


/* nginx parses the lines once more, only for what it did not keep */

static ngx_int_t
ngx_http_ai_resolve_names(ngx_conf_t *cf, ngx_http_ai_resolve_t *resolve)
{
    ngx_url_t                      u;
    ngx_uint_t                     i;
    ngx_http_ai_account_t         *account;
    ngx_http_upstream_server_t    *server;
    ngx_http_upstream_srv_conf_t  *uscf;
    ngx_http_ai_resolve_name_t    *name;

    account = resolve->account;
    uscf = account->uscf;
    server = uscf->servers->elts;

    if (ngx_array_init(&resolve->names, cf->pool, uscf->servers->nelts,
                       sizeof(ngx_http_ai_resolve_name_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < uscf->servers->nelts; i++) {

        ngx_memzero(&u, sizeof(ngx_url_t));

        u.url = server[i].name;
        u.default_port = 80;
        u.no_resolve = 1;

        if (ngx_parse_url(cf->temp_pool, &u) != NGX_OK) {
            return NGX_ERROR;
        }

        if (u.naddrs || u.family == AF_UNIX) {
            continue;
        }

        /* the array never grows: timers do not move */

        name = ngx_array_push(&resolve->names);

        ngx_memzero(name, sizeof(ngx_http_ai_resolve_name_t));

        name->host.len = u.host.len;
        name->host.data = ngx_pstrdup(cf->pool, &u.host);
        if (name->host.data == NULL) {
            return NGX_ERROR;
        }

        name->port = u.port;
        name->last_port = u.last_port ? u.last_port : u.port;
        name->server = i;
        name->resolve = resolve;
    }

    if (resolve->names.nelts == 0) {
        ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, &account->place,
                             "\"resolve=\" of account \"%V\" is useless, its "
                             "servers are addresses, remove it or write "
                             "\"server NAME:PORT\"", &account->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_resolve_resolver(ngx_conf_t *cf, ngx_http_ai_resolve_t *resolve)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    resolve->resolver = clcf->resolver;
    resolve->timeout = clcf->resolver_timeout;

    ngx_http_ai_upstream_resolver(resolve->account->uscf, &resolve->resolver,
                                  &resolve->timeout);

    if (resolve->timeout == NGX_CONF_UNSET_MSEC) {
        resolve->timeout = 30000;
    }

    /* without "resolver" the core makes one without servers */

    if (resolve->resolver == NULL
        || resolve->resolver->connections.nelts == 0)
    {
        ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, &resolve->account->place,
                             "\"resolve=\" of account \"%V\" needs name "
                             "servers, write \"resolver ADDRESS;\" in http {}",
                             &resolve->account->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * The list that the balancer is about to take lives as long as the request,
 * whose log still names the peer.
 */

static ngx_int_t
ngx_http_ai_resolve_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *uscf)
{
    ngx_pool_cleanup_t        *cln;
    ngx_http_ai_account_t     *account;
    ngx_http_ai_resolve_t     *resolve;
    ngx_http_ai_generation_t  *gen;

    account = ngx_http_conf_upstream_srv_conf(uscf, ngx_http_ai_route_module);

    resolve = account->resolve;
    gen = resolve->current;

    if (gen) {
        cln = ngx_pool_cleanup_add(r->pool, 0);
        if (cln == NULL) {
            return NGX_ERROR;
        }

        cln->handler = ngx_http_ai_resolve_leave;
        cln->data = gen;

        gen->refs++;
    }

    return resolve->init_peer(r, uscf);
}


static void
ngx_http_ai_resolve_leave(void *data)
{
    ngx_http_ai_generation_t  *gen = data;

    gen->refs--;

    if (gen->refs == 0 && gen != gen->resolve->current) {
        ngx_http_ai_resolve_destroy(gen);
    }
}


ngx_int_t
ngx_http_ai_resolve_start(ngx_cycle_t *cycle, ngx_http_ai_main_conf_t *amcf)
{
    ngx_uint_t                    i, j;
    ngx_pool_cleanup_t           *cln;
    ngx_http_ai_account_t       **account;
    ngx_http_ai_resolve_t        *resolve;
    ngx_http_ai_resolve_name_t   *name;

    account = amcf->accounts.elts;

    for (i = 0; i < amcf->accounts.nelts; i++) {

        resolve = account[i]->resolve;

        if (resolve == NULL) {
            continue;
        }

        cln = ngx_pool_cleanup_add(cycle->pool, 0);
        if (cln == NULL) {
            return NGX_ERROR;
        }

        cln->handler = ngx_http_ai_resolve_stop;
        cln->data = resolve;

        name = resolve->names.elts;

        for (j = 0; j < resolve->names.nelts; j++) {
            name[j].timer.handler = ngx_http_ai_resolve_timer;
            name[j].timer.data = &name[j];
            name[j].timer.log = cycle->log;
            name[j].timer.cancelable = 1;

            ngx_add_timer(&name[j].timer, 1);
        }
    }

    return NGX_OK;
}


/* added later than the resolver's own cleanup, hence called before it */

static void
ngx_http_ai_resolve_stop(void *data)
{
    ngx_http_ai_resolve_t  *resolve = data;

    ngx_uint_t                   i;
    ngx_queue_t                 *q;
    ngx_http_ai_resolve_name_t  *name;

    name = resolve->names.elts;

    for (i = 0; i < resolve->names.nelts; i++) {

        if (name[i].timer.timer_set) {
            ngx_del_timer(&name[i].timer);
        }

        if (name[i].ctx) {
            ngx_resolve_name_done(name[i].ctx);
            name[i].ctx = NULL;
        }
    }

    while (!ngx_queue_empty(&resolve->generations)) {
        q = ngx_queue_head(&resolve->generations);
        ngx_http_ai_resolve_destroy(ngx_queue_data(q, ngx_http_ai_generation_t,
                                                   queue));
    }
}


static void
ngx_http_ai_resolve_timer(ngx_event_t *ev)
{
    ngx_http_ai_resolve_name_t  *name = ev->data;

    ngx_resolver_ctx_t  *ctx;

    ctx = ngx_resolve_start(name->resolve->resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        ngx_http_ai_resolve_again(name);
        return;
    }

    ctx->name = name->host;
    ctx->handler = ngx_http_ai_resolve_done;
    ctx->data = name;
    ctx->timeout = name->resolve->timeout;
    ctx->cancelable = 1;

    name->ctx = ctx;

    /* the handler may be called before it returns */

    if (ngx_resolve_name(ctx) != NGX_OK) {
        name->ctx = NULL;
        ngx_http_ai_resolve_again(name);
    }
}


/* up to a tenth less, so that the workers do not ask in one breath */

static void
ngx_http_ai_resolve_again(ngx_http_ai_resolve_name_t *name)
{
    ngx_msec_t  interval;

    interval = name->resolve->account->resolve_interval;
    interval -= ngx_random() % (interval / 10);

    ngx_add_timer(&name->timer, interval);
}


static void
ngx_http_ai_resolve_done(ngx_resolver_ctx_t *ctx)
{
    ngx_http_ai_resolve_name_t  *name = ctx->data;

    ngx_str_t  *account;

    account = &name->resolve->account->name;

    if (ctx->state || ctx->naddrs == 0) {

        if (!name->failed) {
            ngx_log_error(NGX_LOG_WARN, name->timer.log, 0,
                          "\"%V\" of account \"%V\" cannot be resolved "
                          "(%i: %s), its last addresses stay",
                          &name->host, account, ctx->state,
                          ngx_resolver_strerror(ctx->state));
        }

        name->failed = 1;

    } else {

        if (name->failed) {
            ngx_log_error(NGX_LOG_NOTICE, name->timer.log, 0,
                          "\"%V\" of account \"%V\" is resolved again",
                          &name->host, account);
        }

        name->failed = 0;

        ngx_http_ai_resolve_update(name, ctx);
    }

    name->ctx = NULL;
    ngx_resolve_name_done(ctx);

    ngx_http_ai_resolve_again(name);
}


/* without memory everything stays as it was; the next round tries again */

static void
ngx_http_ai_resolve_update(ngx_http_ai_resolve_name_t *name,
    ngx_resolver_ctx_t *ctx)
{
    ngx_array_t                 *servers;
    ngx_http_ai_resolve_t       *resolve;
    ngx_http_ai_generation_t    *gen;
    ngx_http_upstream_server_t  *now, *next;

    resolve = name->resolve;

    gen = ngx_http_ai_resolve_create(resolve);
    if (gen == NULL) {
        return;
    }

    if (ngx_http_ai_resolve_addrs(gen, name, ctx) != NGX_OK) {
        goto failed;
    }

    servers = resolve->current ? resolve->current->uscf.servers
                               : resolve->account->uscf->servers;

    now = servers->elts;
    now += name->server;

    next = gen->uscf.servers->elts;
    next += name->server;

    if (ngx_http_ai_resolve_same(now, next)) {
        /* as nearly always */
        goto failed;
    }

    if (ngx_http_ai_resolve_keep(gen, name) != NGX_OK
        || ngx_http_ai_resolve_swap(gen) != NGX_OK)
    {
        goto failed;
    }

    ngx_log_error(NGX_LOG_INFO, name->timer.log, 0,
                  "\"%V\" of account \"%V\" has new addresses, %ui now, "
                  "the first is %V", &name->host, &resolve->account->name,
                  next->naddrs, &next->addrs[0].name);

    return;

failed:

    ngx_http_ai_resolve_destroy(gen);
}


/* a generation whose servers are still those of the configuration */

static ngx_http_ai_generation_t *
ngx_http_ai_resolve_create(ngx_http_ai_resolve_t *resolve)
{
    ngx_pool_t                    *pool;
    ngx_array_t                   *servers;
    ngx_http_ai_generation_t      *gen;
    ngx_http_upstream_srv_conf_t  *uscf;

    pool = ngx_create_pool(NGX_HTTP_AI_RESOLVE_POOL, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    uscf = resolve->account->uscf;

    gen = ngx_pcalloc(pool, sizeof(ngx_http_ai_generation_t));
    servers = ngx_array_create(pool, uscf->servers->nelts,
                               sizeof(ngx_http_upstream_server_t));

    if (gen == NULL || servers == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    gen->pool = pool;
    gen->resolve = resolve;
    gen->uscf = *uscf;
    gen->uscf.servers = servers;
    gen->uscf.peer.data = NULL;

    servers->nelts = uscf->servers->nelts;
    ngx_memcpy(servers->elts, uscf->servers->elts,
               servers->nelts * sizeof(ngx_http_upstream_server_t));

    ngx_queue_insert_tail(&resolve->generations, &gen->queue);

    return gen;
}


static void
ngx_http_ai_resolve_destroy(ngx_http_ai_generation_t *gen)
{
#if (NGX_HTTP_SSL)
    ngx_http_upstream_rr_peer_t   *peer;
    ngx_http_upstream_rr_peers_t  *peers;

    for (peers = gen->uscf.peer.data; peers; peers = peers->next) {
        for (peer = peers->peer; peer; peer = peer->next) {
            if (peer->ssl_session) {
                ngx_ssl_free_session(peer->ssl_session);
            }
        }
    }
#endif

    ngx_queue_remove(&gen->queue);
    ngx_destroy_pool(gen->pool);
}


/*
 * The name's new addresses, each with each of its ports, sorted: the resolver
 * turns them, and hash and ip_hash count positions, which are to be the same
 * in all workers.
 */

static ngx_int_t
ngx_http_ai_resolve_addrs(ngx_http_ai_generation_t *gen,
    ngx_http_ai_resolve_name_t *name, ngx_resolver_ctx_t *ctx)
{
    ngx_uint_t                   i, n, port;
    ngx_addr_t                  *addrs;
    ngx_http_upstream_server_t  *server;

    n = ctx->naddrs * (name->last_port - name->port + 1);

    addrs = ngx_pcalloc(gen->pool, n * sizeof(ngx_addr_t));
    if (addrs == NULL) {
        return NGX_ERROR;
    }

    n = 0;

    for (i = 0; i < ctx->naddrs; i++) {
        for (port = name->port; port <= name->last_port; port++) {

            if (ngx_http_ai_resolve_addr(gen->pool, &addrs[n++],
                                         ctx->addrs[i].sockaddr,
                                         ctx->addrs[i].socklen, port)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    ngx_qsort(addrs, n, sizeof(ngx_addr_t), ngx_http_ai_resolve_cmp);

    server = gen->uscf.servers->elts;
    server += name->server;

    server->addrs = addrs;
    server->naddrs = 1;

    for (i = 1; i < n; i++) {
        if (ngx_http_ai_resolve_cmp(&addrs[i], &addrs[server->naddrs - 1])) {
            addrs[server->naddrs++] = addrs[i];
        }
    }

    return NGX_OK;
}


/* a copy of the address, with a port where one is given */

static ngx_int_t
ngx_http_ai_resolve_addr(ngx_pool_t *pool, ngx_addr_t *addr,
    struct sockaddr *sa, socklen_t socklen, in_port_t port)
{
    addr->sockaddr = ngx_palloc(pool, socklen);
    addr->name.data = ngx_pnalloc(pool, NGX_SOCKADDR_STRLEN);

    if (addr->sockaddr == NULL || addr->name.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(addr->sockaddr, sa, socklen);
    addr->socklen = socklen;

    if (port) {
        ngx_inet_set_port(addr->sockaddr, port);
    }

    addr->name.len = ngx_sock_ntop(addr->sockaddr, socklen, addr->name.data,
                                   NGX_SOCKADDR_STRLEN, 1);

    return NGX_OK;
}


/* IPv4 first, then by address, then by port */

static int ngx_libc_cdecl
ngx_http_ai_resolve_cmp(const void *one, const void *two)
{
    const ngx_addr_t *a = one;
    const ngx_addr_t *b = two;

    int                   rc, family;
    struct sockaddr_in   *sin, *sin2;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6, *sin62;
#endif

    family = a->sockaddr->sa_family;

    if (family != b->sockaddr->sa_family) {
        return family == AF_INET ? -1 : 1;
    }

    rc = 0;

    if (family == AF_INET) {
        sin = (struct sockaddr_in *) a->sockaddr;
        sin2 = (struct sockaddr_in *) b->sockaddr;
        rc = ngx_memcmp(&sin->sin_addr, &sin2->sin_addr, 4);
    }

#if (NGX_HAVE_INET6)
    if (family == AF_INET6) {
        sin6 = (struct sockaddr_in6 *) a->sockaddr;
        sin62 = (struct sockaddr_in6 *) b->sockaddr;
        rc = ngx_memcmp(&sin6->sin6_addr, &sin62->sin6_addr, 16);
    }
#endif

    return rc ? rc : ngx_inet_get_port(a->sockaddr)
                     - ngx_inet_get_port(b->sockaddr);
}


/* the same addresses, in whatever order */

static ngx_uint_t
ngx_http_ai_resolve_same(ngx_http_upstream_server_t *a,
    ngx_http_upstream_server_t *b)
{
    ngx_uint_t  i, j;

    if (a->naddrs != b->naddrs) {
        return 0;
    }

    for (i = 0; i < a->naddrs; i++) {

        for (j = 0; j < b->naddrs; j++) {
            if (ngx_http_ai_resolve_cmp(&a->addrs[i], &b->addrs[j]) == 0) {
                break;
            }
        }

        if (j == b->naddrs) {
            return 0;
        }
    }

    return 1;
}


/* the block's other names keep the addresses that they have now */

static ngx_int_t
ngx_http_ai_resolve_keep(ngx_http_ai_generation_t *gen,
    ngx_http_ai_resolve_name_t *changed)
{
    ngx_uint_t                   i, j;
    ngx_http_ai_generation_t    *current;
    ngx_http_upstream_server_t  *now, *next;
    ngx_http_ai_resolve_name_t  *name;

    current = gen->resolve->current;

    if (current == NULL) {
        return NGX_OK;
    }

    name = gen->resolve->names.elts;

    for (i = 0; i < gen->resolve->names.nelts; i++) {

        if (&name[i] == changed) {
            continue;
        }

        now = current->uscf.servers->elts;
        now += name[i].server;

        next = gen->uscf.servers->elts;
        next += name[i].server;

        next->naddrs = now->naddrs;
        next->addrs = ngx_pcalloc(gen->pool,
                                  now->naddrs * sizeof(ngx_addr_t));
        if (next->addrs == NULL) {
            return NGX_ERROR;
        }

        for (j = 0; j < now->naddrs; j++) {
            if (ngx_http_ai_resolve_addr(gen->pool, &next->addrs[j],
                                         now->addrs[j].sockaddr,
                                         now->addrs[j].socklen, 0)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


/*
 * nginx's own function makes the peers, as it did at start, so that there is
 * no second opinion about weights, backups and whatever versions add.  Of the
 * configuration it uses the pool and the log only, the block having no zone.
 */

static ngx_int_t
ngx_http_ai_resolve_swap(ngx_http_ai_generation_t *gen)
{
    ngx_conf_t                     cf;
    ngx_http_ai_resolve_t         *resolve;
    ngx_http_ai_generation_t      *old;
    ngx_http_upstream_srv_conf_t  *uscf;

    resolve = gen->resolve;
    uscf = resolve->account->uscf;

    ngx_memzero(&cf, sizeof(ngx_conf_t));

    cf.pool = gen->pool;
    cf.temp_pool = gen->pool;
    cf.cycle = (ngx_cycle_t *) ngx_cycle;
    cf.log = ngx_cycle->log;

    if (ngx_http_upstream_init_round_robin(&cf, &gen->uscf) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_ai_resolve_inherit(gen->uscf.peer.data, uscf->peer.data);

    uscf->peer.data = gen->uscf.peer.data;

    old = resolve->current;
    resolve->current = gen;

    if (old && old->refs == 0) {
        ngx_http_ai_resolve_destroy(old);
    }

    return NGX_OK;
}


/*
 * A server that stays keeps what is known of it: its turn, its failures, its
 * TLS session.  Not its connections: those that are open now will be counted
 * off where they were counted.
 */

static void
ngx_http_ai_resolve_inherit(ngx_http_upstream_rr_peers_t *peers,
    ngx_http_upstream_rr_peers_t *old)
{
    ngx_http_upstream_rr_peer_t  *p, *o;

    for ( /* void */ ; peers && old; peers = peers->next, old = old->next) {

        for (p = peers->peer; p; p = p->next) {

            for (o = old->peer; o; o = o->next) {
                if (p->server.data == o->server.data
                    && ngx_cmp_sockaddr(p->sockaddr, p->socklen, o->sockaddr,
                                        o->socklen, 1)
                       == NGX_OK)
                {
                    break;
                }
            }

            if (o == NULL) {
                continue;
            }

            p->current_weight = o->current_weight;
            p->effective_weight = o->effective_weight;
            p->fails = o->fails;
            p->accessed = o->accessed;
            p->checked = o->checked;

#if (NGX_HTTP_SSL)
            if (o->ssl_session && SSL_SESSION_up_ref(o->ssl_session)) {
                p->ssl_session = o->ssl_session;
            }
#endif
        }
    }
}
