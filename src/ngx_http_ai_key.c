
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_request.h"


static ngx_int_t ngx_http_ai_key_hold(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_key_t *key);
static ngx_int_t ngx_http_ai_key_presented(ngx_http_request_t *r,
    ngx_str_t *secret);
static void ngx_http_ai_key_release(void *data);


void
ngx_http_ai_key_start(ngx_http_ai_keys_t *keys)
{
    keys->running = 1;
}


/*
 * Nothing of the secret stays: it is hashed where nginx has read it.  Unknown
 * and disabled keys are told apart here only, not by the answer.
 */

ngx_int_t
ngx_http_ai_key_identify(ngx_http_ai_ctx_t *ctx)
{
    u_char                    hash[EVP_MAX_MD_SIZE];
    ngx_str_t                 secret;
    ngx_http_ai_keys_t       *keys;
    const ngx_http_ai_key_t  *key;

    keys = ctx->conf->keys;

    if (keys == NULL || ctx->presented != NGX_HTTP_AI_KEY_UNREAD) {
        return NGX_OK;
    }

    if (ngx_http_ai_key_presented(ctx->request, &secret) != NGX_OK) {
        ctx->presented = NGX_HTTP_AI_KEY_MISSING;
        return NGX_OK;
    }

    if (EVP_DigestInit_ex(keys->md, NULL, NULL) != 1
        || EVP_DigestUpdate(keys->md, secret.data, secret.len) != 1
        || EVP_DigestFinal_ex(keys->md, hash, NULL) != 1)
    {
        return NGX_ERROR;
    }

    key = ngx_http_ai_key_set_find(keys->set, hash);

    if (key == NULL) {
        ctx->presented = NGX_HTTP_AI_KEY_UNKNOWN;
        return NGX_OK;
    }

    return ngx_http_ai_key_hold(ctx, key);
}


ngx_int_t
ngx_http_ai_key_suppose(ngx_http_ai_ctx_t *ctx, const ngx_str_t *id)
{
    const ngx_http_ai_key_t  *key;

    if (ctx->conf->keys == NULL) {
        return NGX_DECLINED;
    }

    key = ngx_http_ai_key_set_named(ctx->conf->keys->set, id);

    return key ? ngx_http_ai_key_hold(ctx, key) : NGX_DECLINED;
}


/* a key of the set in force is the request's until its end */

static ngx_int_t
ngx_http_ai_key_hold(ngx_http_ai_ctx_t *ctx, const ngx_http_ai_key_t *key)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(ctx->request->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_ai_key_release;
    cln->data = ctx->conf->keys->set;
    ctx->conf->keys->set->refs++;

    ctx->key = key;

    if (ctx->key->disabled) {
        ctx->presented = NGX_HTTP_AI_KEY_DISABLED;

    } else if (ctx->key->expires && ctx->key->expires <= ngx_time()) {
        ctx->presented = NGX_HTTP_AI_KEY_EXPIRED;

    } else {
        ctx->presented = NGX_HTTP_AI_KEY_VALID;
    }

    return NGX_OK;
}


static void
ngx_http_ai_key_release(void *data)
{
    ngx_http_ai_key_set_release(data);
}


/* an Authorization of another scheme is somebody else's, as of auth_basic */

static ngx_int_t
ngx_http_ai_key_presented(ngx_http_request_t *r, ngx_str_t *secret)
{
    ngx_uint_t        i;
    ngx_table_elt_t  *h;

    static const ngx_str_t  names[] = {
        ngx_string("x-api-key"),
        ngx_string("api-key")
    };

    h = r->headers_in.authorization;

    if (h && h->value.len >= sizeof("Bearer ") - 1
        && ngx_strncasecmp(h->value.data, (u_char *) "Bearer ",
                           sizeof("Bearer ") - 1)
           == 0)
    {
        secret->data = h->value.data + sizeof("Bearer ") - 1;
        secret->len = h->value.len - (sizeof("Bearer ") - 1);

        while (secret->len && *secret->data == ' ') {
            secret->data++;
            secret->len--;
        }

        return secret->len ? NGX_OK : NGX_DECLINED;
    }

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {

        h = ngx_http_ai_request_header(r, (char *) names[i].data,
                                       names[i].len);

        if (h && h->value.len) {
            *secret = h->value;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_ai_key_admit(ngx_http_ai_ctx_t *ctx)
{
    ngx_log_t  *log;

    if (ngx_http_ai_key_identify(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->presented == NGX_HTTP_AI_KEY_VALID
        || ctx->presented == NGX_HTTP_AI_KEY_UNREAD)
    {
        return NGX_OK;
    }

    log = ctx->request->connection->log;

    if (ctx->key) {
        ngx_log_error(NGX_LOG_INFO, log, 0, "ai key \"%V\" is %s",
                      &ctx->key->id,
                      ctx->key->disabled ? "disabled" : "expired");
    } else {
        ngx_log_error(NGX_LOG_INFO, log, 0, "ai key is %s",
                      ctx->presented == NGX_HTTP_AI_KEY_MISSING ? "missing"
                                                                : "unknown");
    }

    return ngx_http_ai_key_judge(ctx);
}


ngx_int_t
ngx_http_ai_key_judge(ngx_http_ai_ctx_t *ctx)
{
    const char  *message;

    switch (ctx->presented) {

    case NGX_HTTP_AI_KEY_MISSING:
        message = "the API key is missing, send it as \"Authorization: Bearer "
                  "KEY\", x-api-key or api-key";
        break;

    case NGX_HTTP_AI_KEY_UNKNOWN:
    case NGX_HTTP_AI_KEY_DISABLED:
        message = "the API key is not valid";
        break;

    case NGX_HTTP_AI_KEY_EXPIRED:
        message = "the API key has expired";
        break;

    default: /* NGX_HTTP_AI_KEY_VALID, or open to everybody */
        return NGX_OK;
    }

    return ngx_http_ai_error_set(ctx->request, &ctx->error,
                                 NGX_HTTP_UNAUTHORIZED,
                                 "invalid_api_key", "%s", message);
}


ngx_uint_t
ngx_http_ai_key_may_class(const ngx_http_ai_key_t *key,
    const ngx_http_ai_class_t *class)
{
    ngx_uint_t  i;

    if (key == NULL || key->nclasses == 0) {
        return 1;
    }

    for (i = 0; i < key->nclasses; i++) {
        if (key->classes[i] == class) {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_http_ai_key_may_model(const ngx_http_ai_key_t *key,
    const ngx_str_t *model)
{
    if (key == NULL || key->nmodels == 0) {
        return 1;
    }

    return ngx_http_ai_keyentry_model(key->models, key->nmodels, model);
}
