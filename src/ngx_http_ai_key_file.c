
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * keys.json becomes a set of keys: as a whole or not at all, at start and
 * whenever it changes.
 */


#include "ngx_http_ai_key.h"
#include "ngx_http_ai_watch.h"


#define NGX_HTTP_AI_KEY_FILE_MAX  ((size_t) 256 * 1024 * 1024)


static ngx_int_t ngx_http_ai_key_load_inlines(ngx_conf_t *cf,
    ngx_http_ai_keys_t *keys);
static ngx_int_t ngx_http_ai_key_load_watch(ngx_conf_t *cf,
    ngx_http_ai_keys_t *keys, ngx_http_ai_watch_look_t *look);
static ngx_int_t ngx_http_ai_key_file_begin(void *data);
static ngx_int_t ngx_http_ai_key_file_feed(void *data, u_char *p, size_t n,
    const char **wrong);
static ngx_http_ai_watch_answer_e ngx_http_ai_key_file_end(void *data,
    const char **wrong);
static void ngx_http_ai_key_file_abandon(void *data);
static ngx_int_t ngx_http_ai_key_file_key(void *data,
    ngx_http_ai_keyfile_t *kf, const ngx_http_ai_keyentry_t *entry);
static const char *ngx_http_ai_key_file_wrong(ngx_http_ai_keys_t *keys);


static const ngx_http_ai_watch_owner_t  ngx_http_ai_key_file_owner = {
    ngx_http_ai_key_file_begin,
    ngx_http_ai_key_file_feed,
    ngx_http_ai_key_file_end,
    ngx_http_ai_key_file_abandon
};


ngx_int_t
ngx_http_ai_key_load(ngx_conf_t *cf, ngx_http_ai_keys_t *keys)
{
    const char                *wrong;
    ngx_http_ai_watch_look_t   look;

    if (ngx_http_ai_key_load_inlines(cf, keys) != NGX_OK) {
        return NGX_ERROR;
    }

    if (keys->file.len == 0 || ngx_process == NGX_PROCESS_SIGNALLER) {
        /* "nginx -s stop" needs no keys */
        return NGX_OK;
    }

    if (ngx_http_ai_watch_read_large(keys->file.data,
                                     &ngx_http_ai_key_file_owner, keys,
                                     NGX_HTTP_AI_KEY_FILE_MAX, &look, &wrong,
                                     cf->log)
        != NGX_OK)
    {
        if (ngx_errno) {
            ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, &keys->file_place,
                                 "\"%V\" of \"ai_keys\" %s: %s (it must be a "
                                 "regular file, readable with the permissions "
                                 "of the nginx service)", &keys->file, wrong,
                                 strerror(ngx_errno));
            return NGX_ERROR;
        }

        ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, &keys->file_place,
                             "\"%V\" of \"ai_keys\" %s", &keys->file, wrong);
        return NGX_ERROR;
    }

    if (keys->set->ids.n == 0) {
        ngx_http_ai_conf_log(cf, NGX_LOG_WARN, &keys->file_place,
                             "\"%V\" of \"ai_keys\" holds no key, every "
                             "request will be refused", &keys->file);
    }

    return ngx_http_ai_key_load_watch(cf, keys, &look);
}


/* the first set has no key of the file: so they are found to be right */

static ngx_int_t
ngx_http_ai_key_load_inlines(ngx_conf_t *cf, ngx_http_ai_keys_t *keys)
{
    u_char                     wrong[NGX_HTTP_AI_KEY_WRONG];
    size_t                     len;
    ngx_uint_t                 i;
    ngx_http_ai_key_set_t     *set;
    ngx_http_ai_key_inline_t  *key;

    set = ngx_http_ai_key_set_create(keys, keys->inlines.nelts);
    if (set == NULL) {
        return NGX_ERROR;
    }

    ngx_http_ai_key_set_use(set);

    key = keys->inlines.elts;

    for (i = 0; i < keys->inlines.nelts; i++) {

        len = sizeof(wrong);

        switch (ngx_http_ai_key_set_add(set, &key[i].entry, 0, wrong, &len)) {

        case NGX_OK:
            break;

        case NGX_DECLINED:
            ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, &key[i].place, "%*s", len,
                                 wrong);
            /* fall through */

        default:
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_key_load_watch(ngx_conf_t *cf, ngx_http_ai_keys_t *keys,
    ngx_http_ai_watch_look_t *look)
{
    ngx_http_ai_watch_t  w;

    ngx_memzero(&w, sizeof(ngx_http_ai_watch_t));

    ngx_str_set(&w.what, "the list of client keys");
    w.path = keys->file;
    w.max = NGX_HTTP_AI_KEY_FILE_MAX;
    w.owner = &ngx_http_ai_key_file_owner;
    w.data = keys;
    w.look = *look;

    return ngx_http_ai_watch_add(cf, &w);
}


static ngx_int_t
ngx_http_ai_key_file_begin(void *data)
{
    ngx_http_ai_keys_t *keys = data;

    size_t                     len;
    ngx_uint_t                 i;
    ngx_http_ai_key_inline_t  *key;

    keys->next = ngx_http_ai_key_set_create(keys, keys->set->ids.n);
    keys->parser = ngx_alloc(sizeof(ngx_http_ai_keyfile_t), keys->log);

    if (keys->next == NULL || keys->parser == NULL
        || EVP_DigestInit_ex(keys->sum, NULL, NULL) != 1
        || ngx_http_ai_keyfile_init(keys->parser, ngx_http_ai_key_file_key,
                                    keys)
           != NGX_OK)
    {
        goto failed;
    }

    key = keys->inlines.elts;

    for (i = 0; i < keys->inlines.nelts; i++) {

        len = sizeof(keys->wrong);

        if (ngx_http_ai_key_set_add(keys->next, &key[i].entry, 0, keys->wrong,
                                    &len)
            != NGX_OK)
        {
            ngx_http_ai_keyfile_free(keys->parser);
            goto failed;
        }
    }

    return NGX_OK;

failed:

    if (keys->next) {
        ngx_http_ai_key_set_destroy(keys->next);
        keys->next = NULL;
    }

    if (keys->parser) {
        ngx_free(keys->parser);
        keys->parser = NULL;
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_ai_key_file_feed(void *data, u_char *p, size_t n, const char **wrong)
{
    ngx_http_ai_keys_t *keys = data;

    if (EVP_DigestUpdate(keys->sum, p, n) != 1) {
        *wrong = "cannot be read";
        return NGX_ERROR;
    }

    if (ngx_http_ai_keyfile_feed(keys->parser, p, n) != NGX_OK) {
        *wrong = ngx_http_ai_key_file_wrong(keys);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* a constant text for the log, since it may be compared with the last one */

static const char *
ngx_http_ai_key_file_wrong(ngx_http_ai_keys_t *keys)
{
    (void) ngx_snprintf(keys->wrong, sizeof(keys->wrong),
                        "is wrong at line %ui: %*s%Z", keys->parser->line,
                        keys->parser->wrong_len, keys->parser->wrong);

    keys->wrong[sizeof(keys->wrong) - 1] = '\0';

    return (const char *) keys->wrong;
}


static ngx_int_t
ngx_http_ai_key_file_key(void *data, ngx_http_ai_keyfile_t *kf,
    const ngx_http_ai_keyentry_t *entry)
{
    ngx_http_ai_keys_t *keys = data;

    size_t     len;
    ngx_int_t  rc;

    len = sizeof(kf->wrong);

    rc = ngx_http_ai_key_set_add(keys->next, entry, kf->line, kf->wrong, &len);

    if (rc == NGX_DECLINED) {
        kf->wrong_len = len;

    } else if (rc == NGX_ERROR) {
        kf->wrong_len = ngx_sprintf(kf->wrong, "there is no memory for all of "
                                    "its keys")
                        - kf->wrong;
    }

    return rc == NGX_OK ? NGX_OK : NGX_ERROR;
}


static ngx_http_ai_watch_answer_e
ngx_http_ai_key_file_end(void *data, const char **wrong)
{
    ngx_http_ai_keys_t *keys = data;

    ngx_http_ai_key_set_t  *set;

    if (ngx_http_ai_keyfile_end(keys->parser) != NGX_OK) {
        *wrong = ngx_http_ai_key_file_wrong(keys);
        return NGX_HTTP_AI_WATCH_REFUSED;
    }

    if (EVP_DigestFinal_ex(keys->sum, keys->next_sum, NULL) != 1) {
        *wrong = "cannot be read";
        return NGX_HTTP_AI_WATCH_REFUSED;
    }

    if (ngx_memcmp(keys->next_sum, keys->set_sum, sizeof(keys->set_sum)) == 0)
    {
        ngx_http_ai_key_file_abandon(keys);
        return NGX_HTTP_AI_WATCH_SAME;
    }

    set = keys->next;
    keys->next = NULL;

    ngx_http_ai_key_file_abandon(keys);

    ngx_memcpy(keys->set_sum, keys->next_sum, sizeof(keys->set_sum));
    ngx_http_ai_key_set_use(set);

    return NGX_HTTP_AI_WATCH_CHANGED;
}


static void
ngx_http_ai_key_file_abandon(void *data)
{
    ngx_http_ai_keys_t *keys = data;

    if (keys->next) {

        /* it may be large, and is freed as one that was in force */

        keys->next->refs = 1;
        ngx_http_ai_key_set_release(keys->next);
        keys->next = NULL;
    }

    ngx_http_ai_keyfile_free(keys->parser);

    ngx_explicit_memzero(keys->parser, sizeof(ngx_http_ai_keyfile_t));
    ngx_free(keys->parser);
    keys->parser = NULL;
}
