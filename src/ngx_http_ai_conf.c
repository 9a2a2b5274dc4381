
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_conf_block.h"
#include "ngx_http_ai_account.h"
#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_health.h"
#include "ngx_http_ai_key.h"
#include "ngx_http_ai_persist.h"
#include "ngx_http_ai_purse.h"
#include "ngx_http_ai_quota.h"


#define NGX_HTTP_AI_ZONE_DEFAULT  (4 * 1024 * 1024)


static ngx_int_t ngx_http_ai_conf_prepare(ngx_http_ai_zone_t *zone,
    ngx_log_t *log);
static ngx_uint_t ngx_http_ai_conf_idle(const ngx_http_ai_node_t *node);
static ngx_int_t ngx_http_ai_conf_collect(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf);
static void ngx_http_ai_conf_account_hash(
    ngx_http_ai_main_conf_t *amcf, ngx_http_ai_account_t *account);
static ngx_int_t ngx_http_ai_conf_link(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf, ngx_http_ai_route_t *route);
static ngx_int_t ngx_http_ai_conf_accounts(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf);
static ngx_int_t ngx_http_ai_conf_resources(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf);
static ngx_uint_t ngx_http_ai_conf_account_used(
    ngx_http_ai_main_conf_t *amcf, ngx_http_ai_account_t *account);
static ngx_uint_t ngx_http_ai_conf_plain_upstream(ngx_conf_t *cf,
    const ngx_str_t *name);
static ngx_int_t ngx_http_ai_conf_index(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf);
static int ngx_libc_cdecl ngx_http_ai_conf_cmp_exact(const void *one,
    const void *two);
static int ngx_libc_cdecl ngx_http_ai_conf_cmp_length(const void *one,
    const void *two);
static ngx_int_t ngx_http_ai_conf_header_hash(ngx_conf_t *cf,
    ngx_hash_t *hash, ngx_str_t *names, char *name);


/*
 * Request headers that never reach a provider: the client's credentials and
 * identity, what belongs to one connection, and what the attempt writes
 * itself.  Prefixes (X-AI-, X-Forwarded-) are the attempt's business.
 */

static ngx_str_t  ngx_http_ai_not_forwarded[] = {
    ngx_string("authorization"),
    ngx_string("x-api-key"),
    ngx_string("api-key"),
    ngx_string("x-goog-api-key"),
    ngx_string("cookie"),
    ngx_string("openai-organization"),
    ngx_string("openai-project"),
    ngx_string("host"),
    ngx_string("content-length"),
    ngx_string("transfer-encoding"),
    ngx_string("connection"),
    ngx_string("keep-alive"),
    ngx_string("proxy-connection"),
    ngx_string("proxy-authorization"),
    ngx_string("proxy-authenticate"),
    ngx_string("te"),
    ngx_string("trailer"),
    ngx_string("upgrade"),
    ngx_string("expect"),
    ngx_string("accept-encoding"),
    ngx_string("x-request-id"),
    ngx_string("forwarded"),
    ngx_string("via"),
    ngx_string("x-real-ip"),
    ngx_string("http2-settings"),
    ngx_string("traceparent"),
    ngx_string("tracestate"),
    ngx_null_string
};


/*
 * Answer headers that never reach a client: the provider's cookies, limits
 * and names of requests and organisations, what belongs to one connection,
 * and what could steer nginx.  "retry-after" and "openai-version" stay.
 */

ngx_str_t  ngx_http_ai_not_returned[] = {
    ngx_string("set-cookie"),
    ngx_string("set-cookie2"),
    ngx_string("openai-organization"),
    ngx_string("openai-project"),
    ngx_string("x-request-id"),
    ngx_string("request-id"),
    ngx_string("apim-request-id"),
    ngx_string("x-amzn-requestid"),
    ngx_string("x-kong-request-id"),
    ngx_string("cf-ray"),
    ngx_string("alt-svc"),
    ngx_string("strict-transport-security"),
    ngx_string("server"),
    ngx_string("date"),
    ngx_string("x-accel-expires"),
    ngx_string("x-accel-redirect"),
    ngx_string("x-accel-limit-rate"),
    ngx_string("x-accel-buffering"),
    ngx_string("x-accel-charset"),
    ngx_string("upgrade"),
    ngx_string("proxy-connection"),
    ngx_string("proxy-authenticate"),
    ngx_string("trailer"),
    ngx_string("te"),
    ngx_string("nel"),
    ngx_string("report-to"),
    ngx_string("via"),
    ngx_string("x-envoy-upstream-service-time"),
    ngx_string("x-should-retry"),
    ngx_null_string
};


void *
ngx_http_ai_conf_create_main(ngx_conf_t *cf)
{
    ngx_http_ai_main_conf_t       *amcf;
    ngx_http_upstream_srv_conf_t  *uscf;

    amcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_main_conf_t));
    if (amcf == NULL) {
        return NULL;
    }

    uscf = ngx_pcalloc(cf->pool, sizeof(ngx_http_upstream_srv_conf_t));
    if (uscf == NULL) {
        return NULL;
    }

    ngx_str_set(&uscf->host, "ai");
    uscf->peer.init = ngx_http_ai_attempt_init_peer;

    amcf->upstream = uscf;

    amcf->hide.hide_headers = NGX_CONF_UNSET_PTR;
    amcf->hide.pass_headers = NGX_CONF_UNSET_PTR;

    if (ngx_array_init(&amcf->accounts, cf->pool, 8,
                       sizeof(ngx_http_ai_account_t *))
        != NGX_OK
        || ngx_array_init(&amcf->routes, cf->pool, 8,
                          sizeof(ngx_http_ai_route_t *))
           != NGX_OK
        || ngx_array_init(&amcf->exact, cf->pool, 8,
                          sizeof(ngx_http_ai_pattern_t))
           != NGX_OK
        || ngx_array_init(&amcf->patterns, cf->pool, 8,
                          sizeof(ngx_http_ai_pattern_t))
           != NGX_OK
        || ngx_array_init(&amcf->classes, cf->pool, 8,
                          sizeof(ngx_http_ai_class_t *))
           != NGX_OK)
    {
        return NULL;
    }

    if (ngx_http_ai_conf_class_init(cf, amcf) != NGX_OK
        || ngx_http_ai_conf_price_init(cf, amcf) != NGX_OK)
    {
        return NULL;
    }

    return amcf;
}


void *
ngx_http_ai_conf_create_account(ngx_conf_t *cf)
{
    ngx_http_ai_account_t  *account;

    /* made for each server block too, where it stays without uscf */

    account = ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_account_t));
    if (account == NULL) {
        return NULL;
    }

    account->verify = NGX_CONF_UNSET;

    /* copied or compared even where they are empty: never a null pointer */
    ngx_str_set(&account->prefix, "");
    ngx_str_set(&account->trusted, "");
    ngx_str_set(&account->credential, "");

    return account;
}


void
ngx_http_ai_conf_place(ngx_conf_t *cf, ngx_http_ai_place_t *place)
{
    place->file = cf->conf_file->file.name.data;
    place->line = cf->conf_file->line;
}


void
ngx_http_ai_conf_log(ngx_conf_t *cf, ngx_uint_t level,
    const ngx_http_ai_place_t *place, const char *fmt, ...)
{
    u_char   errstr[NGX_MAX_CONF_ERRSTR], *p;
    va_list  args;

    va_start(args, fmt);
    p = ngx_vslprintf(errstr, errstr + NGX_MAX_CONF_ERRSTR, fmt, args);
    va_end(args);

    ngx_log_error(level, cf->log, 0, "%*s in %s:%ui",
                  (size_t) (p - errstr), errstr, place->file, place->line);
}


char *
ngx_http_ai_conf_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_main_conf_t  *amcf = conf;

    ssize_t      size;
    ngx_str_t   *value, path;
    ngx_uint_t   i;

    if (amcf->zone_name.len) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts < 3 || value[1].len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"ai_zone\" needs a name and a size, write "
                           "\"ai_zone ai 4m\"");
        return NGX_CONF_ERROR;
    }

    size = ngx_parse_size(&value[2]);

    if (size < (ssize_t) NGX_HTTP_AI_ZONE_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s size \"%V\" of \"ai_zone\", write at least "
                           "%dk", size == NGX_ERROR ? "invalid" : "too small",
                           &value[2], NGX_HTTP_AI_ZONE_MIN / 1024);
        return NGX_CONF_ERROR;
    }

    for (i = 3; i < cf->args->nelts; i++) {

        if (value[i].len > 6 && amcf->persist == NULL
            && ngx_strncmp(value[i].data, "state=", 6) == 0)
        {
            path.data = value[i].data + 6;
            path.len = value[i].len - 6;

            if (ngx_http_ai_persist_conf(cf, amcf, &path) != NGX_OK) {
                return NGX_CONF_ERROR;
            }

            continue;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s parameter \"%V\" of \"ai_zone\", write "
                           "\"ai_zone NAME SIZE [state=FOLDER]\"",
                           ngx_strncmp(value[i].data, "state=", 6) == 0
                           ? "duplicate or empty" : "unknown", &value[i]);
        return NGX_CONF_ERROR;
    }

    amcf->zone_name = value[1];
    amcf->zone_size = size;

    return NGX_CONF_OK;
}


char *
ngx_http_ai_conf_usage(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_main_conf_t  *amcf = conf;

    if (amcf->sink_set) {
        return "is duplicate";
    }

    amcf->sink_set = 1;

    return ngx_http_ai_sink_parse(cf, &amcf->sink);
}


ngx_int_t
ngx_http_ai_conf_resolve(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf)
{
    ngx_uint_t             i;
    ngx_http_ai_route_t  **route;

    if (amcf->used && amcf->routes.nelts == 0) {
        ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, &amcf->used_place,
                             "\"ai_pass\" has no route, write \"ai_route "
                             "MODEL { target ACCOUNT; }\" in http");
        return NGX_ERROR;
    }

    if (ngx_http_ai_conf_collect(cf, amcf) != NGX_OK
        || ngx_http_ai_conf_health_resolve(cf, amcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    route = amcf->routes.elts;

    for (i = 0; i < amcf->routes.nelts; i++) {
        if (ngx_http_ai_conf_link(cf, amcf, route[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ngx_http_ai_conf_index(cf, amcf) != NGX_OK
        || ngx_http_ai_conf_backup_resolve(cf, amcf) != NGX_OK
        || ngx_http_ai_conf_class_resolve(cf, amcf) != NGX_OK
        || ngx_http_ai_conf_price_resolve(cf, amcf) != NGX_OK
        || ngx_http_ai_conf_accounts(cf, amcf) != NGX_OK
        || ngx_http_ai_conf_resources(cf, amcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (amcf->keys && ngx_http_ai_key_load(cf, amcf->keys) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_ai_conf_budget_check(cf, amcf);

    if (ngx_http_ai_conf_header_hash(cf, &amcf->not_forwarded,
                                     ngx_http_ai_not_forwarded,
                                     "ai_not_forwarded_hash")
        != NGX_OK
        || ngx_http_ai_conf_header_hash(cf, &amcf->not_returned,
                                        ngx_http_ai_not_returned,
                                        "ai_not_returned_hash")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (amcf->zone_name.len == 0) {

        if (!amcf->used && !amcf->metered) {
            return NGX_OK;
        }

        ngx_str_set(&amcf->zone_name, "ai");
        amcf->zone_size = NGX_HTTP_AI_ZONE_DEFAULT;
    }

    return ngx_http_ai_zone_create(cf, amcf, ngx_http_ai_conf_prepare,
                                   ngx_http_ai_conf_idle);
}


static ngx_uint_t
ngx_http_ai_conf_idle(const ngx_http_ai_node_t *node)
{
    switch (node->kind) {

    case NGX_HTTP_AI_NODE_ACCOUNT:
        return ngx_http_ai_health_idle(node);

    case NGX_HTTP_AI_NODE_KEY:
        return ngx_http_ai_quota_idle(node);

    case NGX_HTTP_AI_NODE_PURSE:
        return ngx_http_ai_purse_idle(node);

    default:
        return 1;
    }
}


static ngx_int_t
ngx_http_ai_conf_prepare(ngx_http_ai_zone_t *zone, ngx_log_t *log)
{
    if (ngx_http_ai_health_prepare(zone, log) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_ai_fault_prepare(zone, log);

    switch (zone->origin) {

    case NGX_HTTP_AI_ZONE_FRESH:
        return ngx_http_ai_persist_load(zone, log);

    case NGX_HTTP_AI_ZONE_MOVED:
        ngx_http_ai_zone_lock(zone);
        ngx_http_ai_purse_moved_locked(zone);
        ngx_http_ai_quota_moved_locked(zone);
        ngx_http_ai_zone_unlock(zone);
        return NGX_OK;

    default: /* NGX_HTTP_AI_ZONE_SAME */
        return NGX_OK;
    }
}


static ngx_int_t
ngx_http_ai_conf_collect(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf)
{
    ngx_uint_t                       i;
    ngx_http_ai_account_t           *account, **ap;
    ngx_http_upstream_srv_conf_t   **uscfp;
    ngx_http_upstream_main_conf_t   *umcf;

    umcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_module);

    uscfp = umcf->upstreams.elts;

    for (i = 0; i < umcf->upstreams.nelts; i++) {

        /* "proxy_pass http://name" makes one without a block */

        if (uscfp[i]->srv_conf == NULL) {
            continue;
        }

        account = ngx_http_conf_upstream_srv_conf(uscfp[i],
                                                  ngx_http_ai_route_module);

        if (account->uscf == NULL) {
            continue;
        }

        ap = ngx_array_push(&amcf->accounts);
        if (ap == NULL) {
            return NGX_ERROR;
        }

        ngx_http_ai_conf_account_hash(amcf, account);

        *ap = account;
    }

    return NGX_OK;
}


/*
 * Two accounts of one hash would share what is known of them; the next free
 * number is as good.  The account itself is the array's last, not yet set.
 */

static void
ngx_http_ai_conf_account_hash(ngx_http_ai_main_conf_t *amcf,
    ngx_http_ai_account_t *account)
{
    ngx_uint_t               i;
    ngx_http_ai_account_t  **ap;

    account->hash = ngx_murmur_hash2(account->name.data, account->name.len);
    account->hash += (account->hash == 0);
    account->purse = ngx_http_ai_zone_hash(&account->name);

    ap = amcf->accounts.elts;
    i = 0;

    while (i < amcf->accounts.nelts - 1) {

        if (ap[i]->hash == account->hash) {
            account->hash = ngx_max(account->hash + 1, 1);
            i = 0;
            continue;
        }

        i++;
    }
}


static ngx_int_t
ngx_http_ai_conf_link(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf,
    ngx_http_ai_route_t *route)
{
    ngx_uint_t             i;
    ngx_http_ai_target_t  *t;

    t = route->targets.elts;

    for (i = 0; i < route->targets.nelts; i++) {

        t[i].account = ngx_http_ai_conf_link_account(cf, amcf, &t[i].name,
                                                     &t[i].place, "route",
                                                     &route->name);
        if (t[i].account == NULL) {
            return NGX_ERROR;
        }

        t[i].model_hash = ngx_http_ai_zone_hash(&t[i].model);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_conf_accounts(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf)
{
    ngx_uint_t               i;
    ngx_http_ai_account_t  **account;

    account = amcf->accounts.elts;

    for (i = 0; i < amcf->accounts.nelts; i++) {

        /* one that is metered only is named by proxy_pass, who tells nobody */

        if (!amcf->metered
            && !ngx_http_ai_conf_account_used(amcf, account[i]))
        {
            ngx_http_ai_conf_log(cf, NGX_LOG_WARN, &account[i]->place,
                                 "account \"%V\" is not used by any ai_route",
                                 &account[i]->name);
        }

        if (ngx_http_ai_account_init(cf, amcf, account[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* what an account keeps has no model; any of them that routes use may do */

static ngx_int_t
ngx_http_ai_conf_resources(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf)
{
    ngx_uint_t               i;
    ngx_http_ai_route_t     *route;
    ngx_http_ai_target_t    *t;
    ngx_http_ai_account_t  **account;

    route = &amcf->resources;

    ngx_str_set(&route->name, "(resources)");
    route->hash = ngx_crc32_short(route->name.data, route->name.len);

    if (ngx_array_init(&route->targets, cf->pool, amcf->accounts.nelts + 1,
                       sizeof(ngx_http_ai_target_t))
        != NGX_OK
        || ngx_array_init(&route->backups, cf->pool, 1,
                          sizeof(ngx_http_ai_backup_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    account = amcf->accounts.elts;

    for (i = 0; i < amcf->accounts.nelts; i++) {

        if (!(account[i]->provider->endpoints & NGX_HTTP_AI_EP_RESOURCES)
            || !ngx_http_ai_conf_account_used(amcf, account[i])
            || route->targets.nelts == NGX_HTTP_AI_MAX_TARGETS)
        {
            continue;
        }

        t = ngx_array_push(&route->targets);
        if (t == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(t, sizeof(ngx_http_ai_target_t));

        t->name = account[i]->name;
        t->account = account[i];
        t->weight = 1;
        t->tier = 1;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_ai_conf_account_used(ngx_http_ai_main_conf_t *amcf,
    ngx_http_ai_account_t *account)
{
    ngx_uint_t             i, j;
    ngx_http_ai_route_t  **route;
    ngx_http_ai_target_t  *t;

    route = amcf->routes.elts;

    for (i = 0; i < amcf->routes.nelts; i++) {

        t = route[i]->targets.elts;

        for (j = 0; j < route[i]->targets.nelts; j++) {
            if (t[j].account == account) {
                return 1;
            }
        }
    }

    return 0;
}


ngx_http_ai_account_t *
ngx_http_ai_conf_find_account(ngx_http_ai_main_conf_t *amcf,
    const ngx_str_t *name)
{
    ngx_uint_t               i;
    ngx_http_ai_account_t  **account;

    account = amcf->accounts.elts;

    for (i = 0; i < amcf->accounts.nelts; i++) {

        /* the core compares names of upstreams without case, too */

        if (account[i]->name.len == name->len
            && ngx_strncasecmp(account[i]->name.data, name->data, name->len)
               == 0)
        {
            return account[i];
        }
    }

    return NULL;
}


ngx_http_ai_account_t *
ngx_http_ai_conf_link_account(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf,
    const ngx_str_t *name, const ngx_http_ai_place_t *place,
    const char *where, const ngx_str_t *owner)
{
    ngx_http_ai_account_t  *account;

    account = ngx_http_ai_conf_find_account(amcf, name);

    if (account) {
        return account;
    }

    if (ngx_http_ai_conf_plain_upstream(cf, name)) {
        ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, place,
                             "upstream \"%V\" in %s \"%V\" is no account, "
                             "write \"ai_account provider=NAME base=URL "
                             "key=env:NAME\" in its block",
                             name, where, owner);
        return NULL;
    }

    ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, place,
                         "unknown account \"%V\" in %s \"%V\", write an "
                         "upstream block of that name with ai_account",
                         name, where, owner);

    return NULL;
}


static ngx_uint_t
ngx_http_ai_conf_plain_upstream(ngx_conf_t *cf, const ngx_str_t *name)
{
    ngx_uint_t                       i;
    ngx_http_upstream_srv_conf_t   **uscfp;
    ngx_http_upstream_main_conf_t   *umcf;

    umcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_module);

    uscfp = umcf->upstreams.elts;

    for (i = 0; i < umcf->upstreams.nelts; i++) {

        if (uscfp[i]->srv_conf
            && uscfp[i]->host.len == name->len
            && ngx_strncasecmp(uscfp[i]->host.data, name->data, name->len)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}


/*
 * Models are looked up in two sorted arrays and not in ngx_hash, which
 * lowercases its keys: the names are case-sensitive.
 */

static ngx_int_t
ngx_http_ai_conf_index(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf)
{
    ngx_str_t               *name;
    ngx_uint_t               i, j;
    ngx_array_t             *to;
    ngx_http_ai_route_t    **route;
    ngx_http_ai_pattern_t   *p;

    route = amcf->routes.elts;

    for (i = 0; i < amcf->routes.nelts; i++) {

        name = route[i]->patterns.elts;

        for (j = 0; j < route[i]->patterns.nelts; j++) {

            to = (name[j].data[name[j].len - 1] == '*') ? &amcf->patterns
                                                        : &amcf->exact;
            p = ngx_array_push(to);
            if (p == NULL) {
                return NGX_ERROR;
            }

            p->prefix = name[j];
            p->route = route[i];

            if (to == &amcf->patterns) {
                p->prefix.len--;
            }
        }
    }

    ngx_qsort(amcf->exact.elts, amcf->exact.nelts,
              sizeof(ngx_http_ai_pattern_t), ngx_http_ai_conf_cmp_exact);

    ngx_qsort(amcf->patterns.elts, amcf->patterns.nelts,
              sizeof(ngx_http_ai_pattern_t), ngx_http_ai_conf_cmp_length);

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_http_ai_conf_cmp_exact(const void *one, const void *two)
{
    const ngx_http_ai_pattern_t  *first = one;
    const ngx_http_ai_pattern_t  *second = two;

    return (int) ngx_memn2cmp(first->prefix.data, second->prefix.data,
                              first->prefix.len, second->prefix.len);
}


/* longest first; two that match one model never have the same length */

static int ngx_libc_cdecl
ngx_http_ai_conf_cmp_length(const void *one, const void *two)
{
    const ngx_http_ai_pattern_t  *first = one;
    const ngx_http_ai_pattern_t  *second = two;

    return (int) second->prefix.len - (int) first->prefix.len;
}


static ngx_int_t
ngx_http_ai_conf_header_hash(ngx_conf_t *cf, ngx_hash_t *hash,
    ngx_str_t *names, char *name)
{
    ngx_str_t        *h;
    ngx_array_t       keys;
    ngx_hash_key_t   *key;
    ngx_hash_init_t   init;

    if (ngx_array_init(&keys, cf->temp_pool, 32, sizeof(ngx_hash_key_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (h = names; h->len; h++) {

        key = ngx_array_push(&keys);
        if (key == NULL) {
            return NGX_ERROR;
        }

        key->key = *h;
        key->key_hash = ngx_hash_key_lc(h->data, h->len);
        key->value = (void *) 1;
    }

    init.hash = hash;
    init.key = ngx_hash_key_lc;
    init.max_size = 512;
    init.bucket_size = ngx_align(64, ngx_cacheline_size);
    init.name = name;
    init.pool = cf->pool;
    init.temp_pool = NULL;

    return ngx_hash_init(&init, keys.elts, keys.nelts);
}


ngx_http_ai_route_t *
ngx_http_ai_conf_find_route(ngx_http_ai_main_conf_t *amcf,
    const ngx_str_t *model)
{
    ngx_int_t               rc;
    ngx_uint_t              i, low, high;
    ngx_http_ai_pattern_t  *p;

    p = amcf->exact.elts;
    low = 0;
    high = amcf->exact.nelts;

    while (low < high) {
        i = (low + high) / 2;

        rc = ngx_memn2cmp(model->data, p[i].prefix.data, model->len,
                          p[i].prefix.len);

        if (rc == 0) {
            return p[i].route;
        }

        if (rc < 0) {
            high = i;

        } else {
            low = i + 1;
        }
    }

    p = amcf->patterns.elts;

    for (i = 0; i < amcf->patterns.nelts; i++) {

        if (p[i].prefix.len <= model->len
            && ngx_memcmp(p[i].prefix.data, model->data, p[i].prefix.len)
               == 0)
        {
            return p[i].route;
        }
    }

    return NULL;
}
