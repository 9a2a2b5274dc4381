
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The ai_account directive: turns an upstream block into one credential at
 * one provider.  Whatever is wrong is found while the configuration is read;
 * a credential never reaches a message, not even a misspelled one.
 */


#include "ngx_http_ai_account.h"


#define NGX_HTTP_AI_OWNER_MAX  64


typedef ngx_int_t (*ngx_http_ai_account_set_pt)(ngx_conf_t *cf,
    ngx_http_ai_account_t *account, ngx_str_t *value);


typedef struct {
    ngx_str_t                    name;      /* with "=" */
    ngx_http_ai_account_set_pt   set;
} ngx_http_ai_account_param_t;


static char *ngx_http_ai_account_unknown(ngx_conf_t *cf, ngx_str_t *arg);
static ngx_int_t ngx_http_ai_account_finish(ngx_conf_t *cf,
    ngx_http_ai_account_t *account);
static ngx_int_t ngx_http_ai_account_provider(ngx_conf_t *cf,
    ngx_http_ai_account_t *account, ngx_str_t *value);
static ngx_int_t ngx_http_ai_account_base(ngx_conf_t *cf,
    ngx_http_ai_account_t *account, ngx_str_t *value);
static u_char *ngx_http_ai_account_base_host(ngx_conf_t *cf,
    ngx_http_ai_account_t *account, ngx_str_t *base, u_char *p);
static u_char *ngx_http_ai_account_base_port(ngx_conf_t *cf,
    ngx_http_ai_account_t *account, ngx_str_t *base, u_char *p);
static ngx_int_t ngx_http_ai_account_base_path(ngx_conf_t *cf,
    ngx_http_ai_account_t *account, ngx_str_t *base, u_char *p);
static ngx_int_t ngx_http_ai_account_owner(ngx_conf_t *cf,
    ngx_http_ai_account_t *account, ngx_str_t *value);
static ngx_int_t ngx_http_ai_account_verify(ngx_conf_t *cf,
    ngx_http_ai_account_t *account, ngx_str_t *value);
static ngx_int_t ngx_http_ai_account_trusted(ngx_conf_t *cf,
    ngx_http_ai_account_t *account, ngx_str_t *value);
static ngx_int_t ngx_http_ai_account_resolve(ngx_conf_t *cf,
    ngx_http_ai_account_t *account, ngx_str_t *value);


static ngx_http_ai_account_param_t  ngx_http_ai_account_params[] = {
    { ngx_string("provider="), ngx_http_ai_account_provider },
    { ngx_string("base="), ngx_http_ai_account_base },
    { ngx_string("key="), ngx_http_ai_account_key },
    { ngx_string("owner="), ngx_http_ai_account_owner },
    { ngx_string("verify="), ngx_http_ai_account_verify },
    { ngx_string("trusted="), ngx_http_ai_account_trusted },
    { ngx_string("resolve="), ngx_http_ai_account_resolve },
    { ngx_null_string, NULL }
};


char *
ngx_http_ai_conf_account(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_account_t  *account = conf;

    ngx_str_t                     *arg, value;
    ngx_uint_t                     i, seen;
    ngx_http_ai_account_param_t   *param;
    ngx_http_upstream_srv_conf_t  *uscf;

    if (account->uscf) {
        return "is duplicate";
    }

    uscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_upstream_module);

    account->uscf = uscf;
    account->name = uscf->host;

    ngx_http_ai_conf_place(cf, &account->place);

    arg = cf->args->elts;
    seen = 0;

    for (i = 1; i < cf->args->nelts; i++) {

        for (param = ngx_http_ai_account_params; param->name.len; param++) {
            if (arg[i].len >= param->name.len
                && ngx_strncmp(arg[i].data, param->name.data, param->name.len)
                   == 0)
            {
                break;
            }
        }

        if (param->name.len == 0) {
            return ngx_http_ai_account_unknown(cf, &arg[i]);
        }

        if (seen & (1 << (param - ngx_http_ai_account_params))) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate parameter \"%V\" of \"ai_account\"",
                               &param->name);
            return NGX_CONF_ERROR;
        }

        seen |= 1 << (param - ngx_http_ai_account_params);

        value.len = arg[i].len - param->name.len;
        value.data = arg[i].data + param->name.len;

        if (value.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "parameter \"%V\" of \"ai_account\" has no "
                               "value", &param->name);
            return NGX_CONF_ERROR;
        }

        if (param->set(cf, account, &value) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_http_ai_account_finish(cf, account) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/*
 * Only the name is repeated, and only if it looks like one: behind "kye=", or
 * alone after a forgotten "key=", there stands a credential.
 */

static char *
ngx_http_ai_account_unknown(ngx_conf_t *cf, ngx_str_t *arg)
{
    size_t  n;

    for (n = 0; n < arg->len && arg->data[n] != '='; n++) {
        if (n == 24
            || ((arg->data[n] < 'a' || arg->data[n] > 'z')
                && arg->data[n] != '_'))
        {
            break;
        }
    }

    if (n == 0 || n == arg->len || arg->data[n] != '=') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown parameter of \"ai_account\", not shown "
                           "because it may be a credential, write name=value "
                           "with provider, base, key, owner, verify, trusted "
                           "or resolve");
        return NGX_CONF_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown parameter \"%*s=\" of \"ai_account\", use "
                       "provider=, base=, key=, owner=, verify=, trusted= or "
                       "resolve=", n, arg->data);

    return NGX_CONF_ERROR;
}


/* what no single parameter can tell, their order being free */

static ngx_int_t
ngx_http_ai_account_finish(ngx_conf_t *cf, ngx_http_ai_account_t *account)
{
    if (account->provider == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"ai_account\" has no \"provider=\", write one "
                           "of: %s", ngx_http_ai_provider_names());
        return NGX_ERROR;
    }

    if (account->host.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"ai_account\" has no \"base=\", write the "
                           "provider's address such as "
                           "base=https://api.openai.com/v1");
        return NGX_ERROR;
    }

    if (!account->tls
        && (account->verify != NGX_CONF_UNSET || account->trusted.len))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%s\" means nothing with base=http://, remove it "
                           "or write base=https://%V%V",
                           account->trusted.len ? "trusted=" : "verify=",
                           &account->host, &account->prefix);
        return NGX_ERROR;
    }

    if (account->verify == 0 && account->trusted.len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"trusted=\" means nothing with verify=off, "
                           "remove one of them");
        return NGX_ERROR;
    }

    if (account->verify == NGX_CONF_UNSET) {
        account->verify = 1;
    }

    if (account->credential.len) {
        return ngx_http_ai_account_header(cf, account);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_account_provider(ngx_conf_t *cf, ngx_http_ai_account_t *account,
    ngx_str_t *value)
{
    account->provider = ngx_http_ai_provider_find(value->data, value->len);

    if (account->provider == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown provider \"%V\" in \"provider=\", write "
                           "one of: %s", value, ngx_http_ai_provider_names());
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * scheme://host[:port][/path].  Checked before anything is repeated in a
 * message: userinfo and query strings are where people put credentials.
 */

static ngx_int_t
ngx_http_ai_account_base(ngx_conf_t *cf, ngx_http_ai_account_t *account,
    ngx_str_t *value)
{
    u_char  *p, *last, *end;

    p = value->data;
    last = value->data + value->len;

    if (ngx_strlchr(p, last, '?') || ngx_strlchr(p, last, '#')) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"base=\" has a query or a fragment, write only "
                           "base=https://HOST[:PORT][/PATH]");
        return NGX_ERROR;
    }

    if (value->len >= 8
        && ngx_strncasecmp(p, (u_char *) "https://", 8) == 0)
    {
        account->tls = 1;
        p += 8;

    } else if (value->len >= 7
               && ngx_strncasecmp(p, (u_char *) "http://", 7) == 0)
    {
        p += 7;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"base=\" does not begin with \"https://\" or "
                           "\"http://\", write base=https://HOST[:PORT]"
                           "[/PATH]");
        return NGX_ERROR;
    }

#if !(NGX_HTTP_SSL)

    if (account->tls) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"base=\" with \"https://\" requires nginx built "
                           "with the SSL module");
        return NGX_ERROR;
    }

#endif

    /* only in the authority: Vertex has "@" in paths */

    end = ngx_strlchr(p, last, '/');

    if (ngx_strlchr(p, end ? end : last, '@')) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"base=\" has a user or password, remove it and "
                           "write the credential as key=env:NAME or "
                           "key=file:PATH");
        return NGX_ERROR;
    }

    p = ngx_http_ai_account_base_host(cf, account, value, p);

    if (p == NULL) {
        return NGX_ERROR;
    }

    p = ngx_http_ai_account_base_port(cf, account, value, p);

    if (p == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_ai_account_base_path(cf, account, value, p);
}


/*
 * An IPv6 address keeps its brackets in "sni" too: the core cuts the name at
 * the first colon unless it begins with "[", and sends no SNI then, as it
 * sends none for IPv4.
 */

static u_char *
ngx_http_ai_account_base_host(ngx_conf_t *cf, ngx_http_ai_account_t *account,
    ngx_str_t *base, u_char *p)
{
    u_char  *start, *last, ch;

    start = p;
    last = base->data + base->len;

    if (p < last && *p == '[') {

        p = ngx_strlchr(p, last, ']');

#if (NGX_HAVE_INET6)
        if (p) {
            u_char  in6[16];

            if (ngx_inet6_addr(start + 1, p - start - 1, in6) == NGX_OK) {
                p++;
                goto done;
            }
        }
#endif

        goto invalid;
    }

    for ( /* void */ ; p < last && *p != ':' && *p != '/'; p++) {

        ch = *p | 0x20;

        if ((ch < 'a' || ch > 'z') && (*p < '0' || *p > '9')
            && *p != '-' && *p != '.' && *p != '_')
        {
            goto invalid;
        }
    }

    if (p == start) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no host in \"base=%V\", write "
                           "base=https://HOST[:PORT][/PATH]", base);
        return NULL;
    }

#if (NGX_HAVE_INET6)
done:
#endif

    account->sni.data = start;
    account->sni.len = p - start;

    return p;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid host in \"base=%V\", write a name or an "
                       "address (variables are not supported)", base);

    return NULL;
}


/* the Host header names the port only where it is not the scheme's own */

static u_char *
ngx_http_ai_account_base_port(ngx_conf_t *cf, ngx_http_ai_account_t *account,
    ngx_str_t *base, u_char *p)
{
    u_char     *start, *last;
    ngx_int_t   port;

    account->host = account->sni;

    last = base->data + base->len;

    if (p == last || *p == '/') {
        return p;
    }

    if (*p == ':') {
        start = ++p;

        while (p < last && *p != '/') {
            p++;
        }

        port = ngx_atoi(start, p - start);

        if (port >= 1 && port <= 65535) {

            if (port != (account->tls ? 443 : 80)) {
                account->host.len = p - account->host.data;
            }

            return p;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid port in \"base=%V\", write a number from 1 "
                       "to 65535 after the host", base);

    return NULL;
}


static ngx_int_t
ngx_http_ai_account_base_path(ngx_conf_t *cf, ngx_http_ai_account_t *account,
    ngx_str_t *base, u_char *p)
{
    u_char  *start, *last;

    start = p;
    last = base->data + base->len;

    for ( /* void */ ; p < last; p++) {

        /* these bytes go into a request line */

        if (*p <= ' ' || *p >= 0x7f || *p == '"' || *p == '\\' || *p == '$') {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid character in the path of \"base=\", "
                               "percent-encode it (variables are not "
                               "supported)");
            return NGX_ERROR;
        }
    }

    while (last > start && last[-1] == '/') {
        last--;
    }

    account->prefix.data = start;
    account->prefix.len = last - start;

    return NGX_OK;
}


/* the owner becomes a field of usage records and a label of metrics */

static ngx_int_t
ngx_http_ai_account_owner(ngx_conf_t *cf, ngx_http_ai_account_t *account,
    ngx_str_t *value)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {
        if (value->data[i] < ' ' || value->data[i] == 0x7f
            || value->data[i] == '"' || value->data[i] == '\\')
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"owner=\" has a quote, a backslash or a "
                               "control character, write a plain name");
            return NGX_ERROR;
        }
    }

    if (value->len > NGX_HTTP_AI_OWNER_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"owner=\" is longer than %d bytes",
                           NGX_HTTP_AI_OWNER_MAX);
        return NGX_ERROR;
    }

    account->owner = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_account_verify(ngx_conf_t *cf, ngx_http_ai_account_t *account,
    ngx_str_t *value)
{
    if (value->len == 2 && ngx_strncmp(value->data, "on", 2) == 0) {
        account->verify = 1;
        return NGX_OK;
    }

    if (value->len == 3 && ngx_strncmp(value->data, "off", 3) == 0) {
        account->verify = 0;
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"verify=\", write verify=on "
                       "or verify=off", value);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_ai_account_trusted(ngx_conf_t *cf, ngx_http_ai_account_t *account,
    ngx_str_t *value)
{
    account->trusted = *value;

    return ngx_conf_full_name(cf->cycle, &account->trusted, 1);
}


/* what else it takes is known when the whole configuration has been read */

static ngx_int_t
ngx_http_ai_account_resolve(ngx_conf_t *cf, ngx_http_ai_account_t *account,
    ngx_str_t *value)
{
    ngx_int_t  interval;

    interval = ngx_parse_time(value, 0);

    if (interval == NGX_ERROR || interval < 1000) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid time \"%V\" in \"resolve=\", write a "
                           "time of 1s or more such as resolve=30s", value);
        return NGX_ERROR;
    }

    account->resolve_interval = interval;

    return NGX_OK;
}
