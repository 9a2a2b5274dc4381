
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What ngx_http_upstream needs of an account: its configuration, complete
 * without the merging of any proxy module, and the TLS context.
 */


#include "ngx_http_ai_account.h"
#include "ngx_http_ai_resolve.h"


#define NGX_HTTP_AI_SSL_DEPTH  5


static ngx_int_t ngx_http_ai_account_upstream(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf, ngx_http_ai_account_t *account);
#if (NGX_HTTP_SSL)
static ngx_int_t ngx_http_ai_account_tls(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf, ngx_http_ai_account_t *account);
static ngx_ssl_t *ngx_http_ai_account_tls_shared(
    ngx_http_ai_main_conf_t *amcf, ngx_http_ai_account_t *account);
static ngx_int_t ngx_http_ai_account_tls_trust(ngx_conf_t *cf,
    ngx_http_ai_account_t *account);
#endif
static void ngx_http_ai_account_warn(ngx_conf_t *cf,
    ngx_http_ai_account_t *account);


#if (NGX_HTTP_SSL)

static ngx_str_t  ngx_http_ai_account_bundles[] = {
    ngx_string("/etc/ssl/certs/ca-certificates.crt"),
    ngx_string("/etc/pki/tls/certs/ca-bundle.crt"),
    ngx_string("/etc/ssl/cert.pem"),
    ngx_null_string
};

#endif


ngx_int_t
ngx_http_ai_account_init(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf,
    ngx_http_ai_account_t *account)
{
    if (ngx_http_ai_account_upstream(cf, amcf, account) != NGX_OK) {
        return NGX_ERROR;
    }

#if (NGX_HTTP_SSL)

    if (account->tls
        && ngx_http_ai_account_tls(cf, amcf, account) != NGX_OK)
    {
        return NGX_ERROR;
    }

#endif

    ngx_http_ai_account_warn(cf, account);

    return ngx_http_ai_resolve_init(cf, account);
}


/*
 * All that ngx_http_upstream reads of its configuration while it does not
 * buffer, as merging would have set it; what is zero is left out.  The
 * timeouts are those of an attempt that nobody limits: each request has its
 * own copy with its class's values.
 */

static ngx_int_t
ngx_http_ai_account_upstream(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf,
    ngx_http_ai_account_t *account)
{
    ngx_hash_init_t            hash;
    ngx_http_upstream_conf_t  *u;

    u = &account->upstream;

    u->upstream = amcf->upstream;

    u->connect_timeout = amcf->default_class->connect;
    u->send_timeout = amcf->default_class->send;
    u->read_timeout = amcf->default_class->deadline;
    u->buffer_size = 16384;

    /* an answer is passed on as it comes, a request only when complete */

    u->buffering = 0;
    u->request_buffering = 1;
    u->pass_request_headers = 1;
    u->pass_request_body = 1;
    u->socket_keepalive = 1;

    /*
     * Without FT_NOLIVE: nothing in the core would end the attempts then.
     * Without statuses: the verdict table decides about these.
     */

    u->next_upstream = NGX_CONF_BITMASK_SET
                       |NGX_HTTP_UPSTREAM_FT_ERROR
                       |NGX_HTTP_UPSTREAM_FT_TIMEOUT
                       |NGX_HTTP_UPSTREAM_FT_INVALID_HEADER
                       |NGX_HTTP_UPSTREAM_FT_NON_IDEMPOTENT;

    /* providers are not trusted with nginx's internal redirects and pace */

    u->ignore_headers = NGX_CONF_BITMASK_SET
                        |NGX_HTTP_UPSTREAM_IGN_XA_REDIRECT
                        |NGX_HTTP_UPSTREAM_IGN_XA_EXPIRES
                        |NGX_HTTP_UPSTREAM_IGN_XA_LIMIT_RATE
                        |NGX_HTTP_UPSTREAM_IGN_XA_BUFFERING
                        |NGX_HTTP_UPSTREAM_IGN_XA_CHARSET
                        |NGX_HTTP_UPSTREAM_IGN_EXPIRES
                        |NGX_HTTP_UPSTREAM_IGN_CACHE_CONTROL
                        |NGX_HTTP_UPSTREAM_IGN_SET_COOKIE
                        |NGX_HTTP_UPSTREAM_IGN_VARY;

#if (NGX_HTTP_SSL)
    u->ssl_session_reuse = 1;
    u->ssl_server_name = 1;
    u->ssl_verify = account->verify;
#endif

    ngx_str_set(&u->module, "ai");

    u->hide_headers = NGX_CONF_UNSET_PTR;
    u->pass_headers = NGX_CONF_UNSET_PTR;

    hash.max_size = 512;
    hash.bucket_size = ngx_align(64, ngx_cacheline_size);
    hash.name = "ai_hide_headers_hash";

    /* the first account builds the hash, the others take it over */

    return ngx_http_upstream_hide_headers_hash(cf, u, &amcf->hide,
                                               ngx_http_ai_not_returned,
                                               &hash);
}


#if (NGX_HTTP_SSL)

static ngx_int_t
ngx_http_ai_account_tls(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf,
    ngx_http_ai_account_t *account)
{
    ngx_ssl_t           *ssl;
    ngx_pool_cleanup_t  *cln;

    if (account->verify && account->trusted.len == 0
        && ngx_http_ai_account_tls_trust(cf, account) != NGX_OK)
    {
        return NGX_ERROR;
    }

    account->upstream.ssl = ngx_http_ai_account_tls_shared(amcf, account);

    if (account->upstream.ssl) {
        return NGX_OK;
    }

    ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    if (ssl == NULL) {
        return NGX_ERROR;
    }

    ssl->log = cf->log;

    if (ngx_ssl_create(ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL) != NGX_OK) {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        ngx_ssl_cleanup_ctx(ssl);
        return NGX_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ssl;

    if (account->verify
        && ngx_ssl_trusted_certificate(cf, ssl, &account->trusted,
                                       NGX_HTTP_AI_SSL_DEPTH)
           != NGX_OK)
    {
        ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, &account->place,
                             "cannot use \"%V\" as the trusted CA "
                             "certificates of account \"%V\", write "
                             "trusted=FILE with a readable PEM file",
                             &account->trusted, &account->name);
        return NGX_ERROR;
    }

    if (ngx_ssl_client_session_cache(cf, ssl, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    account->upstream.ssl = ssl;

    return NGX_OK;
}


/*
 * Accounts that trust the same share a context: names and sessions belong to
 * a connection and a server, and a CA bundle parsed fifty times over costs
 * megabytes and most of a reload.
 */

static ngx_ssl_t *
ngx_http_ai_account_tls_shared(ngx_http_ai_main_conf_t *amcf,
    ngx_http_ai_account_t *account)
{
    ngx_uint_t               i;
    ngx_http_ai_account_t  **a;

    a = amcf->accounts.elts;

    for (i = 0; i < amcf->accounts.nelts && a[i] != account; i++) {

        if (a[i]->upstream.ssl
            && a[i]->verify == account->verify
            && a[i]->trusted.len == account->trusted.len
            && ngx_memcmp(a[i]->trusted.data, account->trusted.data,
                          account->trusted.len)
               == 0)
        {
            return a[i]->upstream.ssl;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_ai_account_tls_trust(ngx_conf_t *cf, ngx_http_ai_account_t *account)
{
    ngx_str_t  *bundle;

    bundle = ngx_http_ai_account_bundle();

    if (bundle) {
        account->trusted = *bundle;
        return NGX_OK;
    }

    ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, &account->place,
                         "no CA certificates found to verify account \"%V\" "
                         "with, install the package ca-certificates, or write "
                         "trusted=FILE or verify=off", &account->name);

    return NGX_ERROR;
}


ngx_str_t *
ngx_http_ai_account_bundle(void)
{
    ngx_str_t        *bundle;
    ngx_file_info_t   fi;

    for (bundle = ngx_http_ai_account_bundles; bundle->len; bundle++) {

        if (ngx_file_info(bundle->data, &fi) != NGX_FILE_ERROR
            && ngx_is_file(&fi))
        {
            return bundle;
        }
    }

    return NULL;
}

#endif


/* what works, though hardly as it was meant */

static void
ngx_http_ai_account_warn(ngx_conf_t *cf, ngx_http_ai_account_t *account)
{
    ngx_uint_t                    i;
    struct sockaddr              *sa;
    ngx_http_upstream_server_t   *us;

    if (!account->tls) {
        return;
    }

    if (!account->verify) {
        ngx_http_ai_conf_log(cf, NGX_LOG_WARN, &account->place,
                             "account \"%V\" says verify=off, its credential "
                             "goes to whoever answers", &account->name);

    } else if (account->sni.data[0] == '['
               || ngx_inet_addr(account->sni.data, account->sni.len)
                  != INADDR_NONE)
    {
        ngx_http_ai_conf_log(cf, NGX_LOG_WARN, &account->place,
                             "\"base=\" of account \"%V\" has an address "
                             "instead of a name, nginx verifies certificates "
                             "by name only", &account->name);
    }

    us = account->uscf->servers ? account->uscf->servers->elts : NULL;

    for (i = 0; us && i < account->uscf->servers->nelts; i++) {

        if (us[i].naddrs == 0) {
            continue;
        }

        sa = us[i].addrs[0].sockaddr;

        if (sa->sa_family != AF_UNIX && ngx_inet_get_port(sa) == 80) {
            ngx_http_ai_conf_log(cf, NGX_LOG_WARN, &account->place,
                                 "\"base=\" of account \"%V\" is https but "
                                 "server \"%V\" has port 80, write \"server "
                                 "%V:443\"", &account->name, &us[i].name,
                                 &account->sni);
        }
    }
}
