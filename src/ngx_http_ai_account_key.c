
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * key=: reads a credential where it may stand, the environment or a file, and
 * makes the provider's header line of it.  No message repeats it.
 */


#include "ngx_http_ai_account.h"
#include "ngx_http_ai_secret.h"
#include "ngx_http_ai_watch.h"

#include <openssl/evp.h>


#define NGX_HTTP_AI_KEY_FILE_MAX  16384


static ngx_int_t ngx_http_ai_account_key_env(ngx_conf_t *cf,
    ngx_http_ai_account_t *account, ngx_str_t *name);
static ngx_int_t ngx_http_ai_account_key_file(ngx_conf_t *cf,
    ngx_http_ai_account_t *account, ngx_str_t *path);
static ngx_int_t ngx_http_ai_account_key_accept(ngx_conf_t *cf,
    ngx_http_ai_account_t *account, ngx_str_t *source, u_char *p, size_t n);
static const char *ngx_http_ai_account_key_wrong(u_char *p, size_t *n);
static ngx_int_t ngx_http_ai_account_key_watch(ngx_conf_t *cf,
    ngx_http_ai_account_t *account, ngx_str_t *path,
    ngx_http_ai_watch_look_t *look);
static ngx_http_ai_watch_answer_e ngx_http_ai_account_key_changed(void *data,
    u_char *content, size_t len, const char **wrong);
static uint32_t ngx_http_ai_account_key_hash(ngx_str_t *credential);
static ngx_str_t *ngx_http_ai_account_header_name(
    ngx_http_ai_account_t *account);
static void ngx_http_ai_account_header_line(ngx_http_ai_account_t *account,
    u_char *line, ngx_str_t *credential);


/* the lines' beginnings, in the order of ngx_http_ai_credential_e */

static ngx_str_t  ngx_http_ai_account_headers[] = {
    ngx_string("Authorization: Bearer "),
    ngx_string("x-api-key: "),
    ngx_string("api-key: "),
    ngx_string("x-goog-api-key: ")
};


ngx_int_t
ngx_http_ai_account_key(ngx_conf_t *cf, ngx_http_ai_account_t *account,
    ngx_str_t *value)
{
    ngx_str_t  source;

    if (value->len > 4 && ngx_strncmp(value->data, "env:", 4) == 0) {
        source.data = value->data + 4;
        source.len = value->len - 4;

        return ngx_http_ai_account_key_env(cf, account, &source);
    }

    if (value->len > 5 && ngx_strncmp(value->data, "file:", 5) == 0) {
        source.data = value->data + 5;
        source.len = value->len - 5;

        return ngx_http_ai_account_key_file(cf, account, &source);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "a literal credential is refused in \"key=\", write "
                       "key=env:NAME or key=file:PATH");

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_ai_account_key_env(ngx_conf_t *cf, ngx_http_ai_account_t *account,
    ngx_str_t *name)
{
    u_char      ch, *p;
    ngx_str_t   source;
    ngx_uint_t  i;

    for (i = 0; i < name->len; i++) {
        ch = name->data[i] | 0x20;

        if ((ch < 'a' || ch > 'z') && name->data[i] != '_'
            && (i == 0 || name->data[i] < '0' || name->data[i] > '9'))
        {
            /* "env:sk-..." happens: not shown */

            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"key=env:\" is not followed by the name of "
                               "an environment variable, write key=env:NAME");
            return NGX_ERROR;
        }
    }

    /* arguments of directives end with a zero */

    p = (u_char *) getenv((char *) name->data);

    if (p == NULL && ngx_process == NGX_PROCESS_SIGNALLER) {
        /* "nginx -s stop" from a shell needs no credentials */
        return NGX_OK;
    }

    if (p == NULL || *p == '\0') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "environment variable \"%V\" of \"key=\" is %s "
                           "where nginx was started (a service does not have "
                           "the environment of your shell), set it there or "
                           "write key=file:PATH", name,
                           p ? "empty" : "not set");
        return NGX_ERROR;
    }

    source.data = name->data - 4;
    source.len = name->len + 4;

    return ngx_http_ai_account_key_accept(cf, account, &source, p,
                                          ngx_strlen(p));
}


static ngx_int_t
ngx_http_ai_account_key_file(ngx_conf_t *cf, ngx_http_ai_account_t *account,
    ngx_str_t *path)
{
    u_char                    *buf;
    size_t                     len;
    ngx_int_t                  rc;
    ngx_str_t                  source;
    ngx_http_ai_watch_look_t   look;

    source.data = path->data - 5;
    source.len = path->len + 5;

    if (ngx_conf_full_name(cf->cycle, path, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    buf = ngx_pnalloc(cf->temp_pool, NGX_HTTP_AI_KEY_FILE_MAX + 1);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_ERROR;

    switch (ngx_http_ai_watch_read(path->data, buf, NGX_HTTP_AI_KEY_FILE_MAX,
                                   &len, &look, cf->log))
    {
    case NGX_HTTP_AI_WATCH_OPEN:
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "cannot open \"%V\" of \"key=\", it must be "
                           "readable with the permissions of the nginx "
                           "service", path);
        break;

    case NGX_HTTP_AI_WATCH_READ:
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "cannot read \"%V\" of \"key=\", it must be a "
                           "regular file", path);
        break;

    case NGX_HTTP_AI_WATCH_LARGE:
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" of \"key=\" is larger than %d bytes, it "
                           "must hold the credential alone", path,
                           NGX_HTTP_AI_KEY_FILE_MAX);
        break;

    default: /* NGX_HTTP_AI_WATCH_OK */
        rc = ngx_http_ai_account_key_accept(cf, account, &source, buf, len);
    }

    ngx_explicit_memzero(buf, NGX_HTTP_AI_KEY_FILE_MAX + 1);

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_ai_account_key_watch(cf, account, path, &look);
}


/* a pipe or a device has nothing to say a second time */

static ngx_int_t
ngx_http_ai_account_key_watch(ngx_conf_t *cf, ngx_http_ai_account_t *account,
    ngx_str_t *path, ngx_http_ai_watch_look_t *look)
{
    u_char               *p;
    ngx_file_info_t       fi;
    ngx_http_ai_watch_t   w;

    if (ngx_file_info(path->data, &fi) == NGX_FILE_ERROR || !ngx_is_file(&fi))
    {
        return NGX_OK;
    }

    ngx_memzero(&w, sizeof(ngx_http_ai_watch_t));

    w.path = *path;
    w.max = NGX_HTTP_AI_KEY_FILE_MAX;
    w.look = *look;
    w.handler = ngx_http_ai_account_key_changed;
    w.data = account;

    w.what.len = sizeof("the credential of account \"\"") - 1
                 + account->name.len;

    w.what.data = ngx_pnalloc(cf->pool, w.what.len);
    if (w.what.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(w.what.data, "the credential of account \"%V\"",
                    &account->name);
    w.what.len = p - w.what.data;

    account->watched = 1;

    return ngx_http_ai_watch_add(cf, &w);
}


/* keeps the bare credential */

static ngx_int_t
ngx_http_ai_account_key_accept(ngx_conf_t *cf, ngx_http_ai_account_t *account,
    ngx_str_t *source, u_char *p, size_t n)
{
    const char  *wrong;

    wrong = ngx_http_ai_account_key_wrong(p, &n);

    if (wrong) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"key=%V\" %s", source,
                           wrong);
        return NGX_ERROR;
    }

    account->credential.data = ngx_pnalloc(cf->pool, n);
    if (account->credential.data == NULL) {
        return NGX_ERROR;
    }

    account->credential.len = n;
    ngx_memcpy(account->credential.data, p, n);

    return NGX_OK;
}


/*
 * Leaves out what ends the credential; NULL, or why it is none.  A byte that
 * could end the header line would let a file's content inject headers; blanks
 * inside and non-ASCII bytes are refused with them, since they come from a
 * wrong file ("Bearer ..." with its scheme, JSON, a byte order mark) and would
 * only fail at the provider.
 */

static const char *
ngx_http_ai_account_key_wrong(u_char *p, size_t *n)
{
    size_t  i;

    while (*n && (p[*n - 1] == LF || p[*n - 1] == CR || p[*n - 1] == ' '
                  || p[*n - 1] == '\t'))
    {
        (*n)--;
    }

    if (*n == 0) {
        return "is empty, put the credential there or remove \"key=\"";
    }

    for (i = 0; i < *n; i++) {
        if (p[i] <= ' ' || p[i] >= 0x7f) {
            return "holds a blank, a control or a non-ASCII character, it "
                   "must be the credential alone on one line";
        }
    }

    return NULL;
}


/*
 * The line is copied into each request that is sent, and nothing points to it
 * between events: the new one takes its place at once.  It has a buffer of
 * its own, so that there is never half a line, and so that the thousandth
 * change needs no more memory than the first.
 */

static ngx_http_ai_watch_answer_e
ngx_http_ai_account_key_changed(void *data, u_char *content, size_t len,
    const char **wrong)
{
    ngx_http_ai_account_t  *account = data;

    u_char     *old;
    ngx_str_t   credential, *name;

    *wrong = ngx_http_ai_account_key_wrong(content, &len);

    if (*wrong) {
        return NGX_HTTP_AI_WATCH_REFUSED;
    }

    credential.data = content;
    credential.len = len;

    name = ngx_http_ai_account_header_name(account);
    old = account->credential.data;

    if (account->credential.len == name->len + len + sizeof(CRLF) - 1
        && ngx_memcmp(old + name->len, content, len) == 0)
    {
        return NGX_HTTP_AI_WATCH_SAME;
    }

    ngx_http_ai_account_header_line(account, account->spare, &credential);

    ngx_explicit_memzero(old, name->len + NGX_HTTP_AI_KEY_FILE_MAX
                              + sizeof(CRLF) - 1);
    account->spare = old;

    return NGX_HTTP_AI_WATCH_CHANGED;
}


/*
 * Tells a changed credential from the one before, in the zone and across
 * reloads: hence no random salt, and no more bits than that takes.
 */

static uint32_t
ngx_http_ai_account_key_hash(ngx_str_t *credential)
{
    u_char        hash[EVP_MAX_MD_SIZE];
    uint32_t      value;
    EVP_MD_CTX   *ctx;
    unsigned int  len;

    static const char  salt[] = "nginx-ai-route: credential";

    value = 0;

    ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        return value;
    }

    if (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1
        && EVP_DigestUpdate(ctx, salt, sizeof(salt)) == 1
        && EVP_DigestUpdate(ctx, credential->data, credential->len) == 1
        && EVP_DigestFinal_ex(ctx, hash, &len) == 1)
    {
        value = (uint32_t) hash[0] << 24 | hash[1] << 16 | hash[2] << 8
                | hash[3];
    }

    EVP_MD_CTX_free(ctx);

    return value;
}


/* the bare credential becomes the provider's header line */

ngx_int_t
ngx_http_ai_account_header(ngx_conf_t *cf, ngx_http_ai_account_t *account)
{
    u_char     *line;
    size_t      size;
    ngx_str_t   credential;

    credential = account->credential;

    size = account->watched ? NGX_HTTP_AI_KEY_FILE_MAX : credential.len;
    size += ngx_http_ai_account_header_name(account)->len + sizeof(CRLF) - 1;

    line = ngx_pnalloc(cf->pool, size);
    if (line == NULL
        || ngx_http_ai_secret_forget(cf->pool, line, size) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (account->watched) {
        account->spare = ngx_pnalloc(cf->pool, size);
        if (account->spare == NULL
            || ngx_http_ai_secret_forget(cf->pool, account->spare, size)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_http_ai_account_header_line(account, line, &credential);

    ngx_explicit_memzero(credential.data, credential.len);

    return NGX_OK;
}


static ngx_str_t *
ngx_http_ai_account_header_name(ngx_http_ai_account_t *account)
{
    return &ngx_http_ai_account_headers[
               ngx_http_ai_provider_credential(account->provider,
                                               account->prefix.data,
                                               account->prefix.len)];
}


/* writes the line and puts it in force; there is room */

static void
ngx_http_ai_account_header_line(ngx_http_ai_account_t *account, u_char *line,
    ngx_str_t *credential)
{
    u_char     *p;
    ngx_str_t  *name;

    name = ngx_http_ai_account_header_name(account);

    p = ngx_cpymem(line, name->data, name->len);
    p = ngx_cpymem(p, credential->data, credential->len);
    p = ngx_cpymem(p, CRLF, sizeof(CRLF) - 1);

    account->credential_hash = ngx_http_ai_account_key_hash(credential);
    account->credential.data = line;
    account->credential.len = p - line;
}
