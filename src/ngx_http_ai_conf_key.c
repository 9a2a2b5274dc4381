
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * ai_keys and ai_key: who may send requests.  No message repeats a value,
 * since the key itself may stand there by mistake.
 */


#include "ngx_http_ai_conf_block.h"
#include "ngx_http_ai_key.h"


static ngx_http_ai_keys_t *ngx_http_ai_conf_key_all(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf);
static ngx_int_t ngx_http_ai_conf_key_param(ngx_conf_t *cf,
    ngx_http_ai_keyentry_t *entry, ngx_uint_t *seen, ngx_str_t *arg);
static ngx_int_t ngx_http_ai_conf_key_unknown(ngx_conf_t *cf,
    ngx_http_ai_keyentry_t *entry);
static const char *ngx_http_ai_conf_key_value(ngx_http_ai_keyentry_t *entry,
    const ngx_http_ai_key_field_t *field, u_char *p, size_t n);
static const char *ngx_http_ai_conf_key_budget(ngx_http_ai_keyentry_t *entry,
    u_char *p, size_t n);


char *
ngx_http_ai_conf_keys(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_main_conf_t  *amcf = conf;

    ngx_str_t           *value;
    ngx_http_ai_keys_t  *keys;

    keys = ngx_http_ai_conf_key_all(cf, amcf);
    if (keys == NULL) {
        return NGX_CONF_ERROR;
    }

    if (keys->file.len) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts != 2 || value[1].len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"ai_keys\" needs one file, write \"ai_keys "
                           "keys.json\"");
        return NGX_CONF_ERROR;
    }

    keys->file = value[1];

    if (ngx_conf_full_name(cf->cycle, &keys->file, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_http_ai_conf_place(cf, &keys->file_place);

    return NGX_CONF_OK;
}


char *
ngx_http_ai_conf_key(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_main_conf_t  *amcf = conf;

    ngx_str_t                  *value;
    ngx_uint_t                  i, seen;
    const char                 *wrong;
    ngx_http_ai_keys_t         *keys;
    ngx_http_ai_key_inline_t   *key;

    keys = ngx_http_ai_conf_key_all(cf, amcf);
    if (keys == NULL) {
        return NGX_CONF_ERROR;
    }

    key = ngx_array_push(&keys->inlines);
    if (key == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(key, sizeof(ngx_http_ai_key_inline_t));
    ngx_http_ai_conf_place(cf, &key->place);

    value = cf->args->elts;

    wrong = ngx_http_ai_keyentry_set(&key->entry,
                                     ngx_http_ai_keyentry_field((u_char *)
                                                                "id", 2),
                                     value[1].data, value[1].len);

    if (wrong) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the name in \"ai_key\" %s, write \"ai_key NAME "
                           "hash=sha256:HEX\"", wrong);
        return NGX_CONF_ERROR;
    }

    seen = 1;

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_ai_conf_key_param(cf, &key->entry, &seen, &value[i])
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    wrong = ngx_http_ai_keyentry_complete(&key->entry);

    if (wrong) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "key \"%V\" of \"ai_key\" "
                           "%s", &key->entry.id, wrong);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_http_ai_keys_t *
ngx_http_ai_conf_key_all(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf)
{
    if (amcf->keys == NULL) {
        amcf->keys = ngx_http_ai_keys_create(cf, amcf);
    }

    return amcf->keys;
}


/* name=value, or the bare name of a flag */

static ngx_int_t
ngx_http_ai_conf_key_param(ngx_conf_t *cf, ngx_http_ai_keyentry_t *entry,
    ngx_uint_t *seen, ngx_str_t *arg)
{
    u_char                         *eq;
    size_t                          len;
    const char                     *wrong, *form;
    const ngx_http_ai_key_field_t  *field;

    eq = (u_char *) ngx_strchr(arg->data, '=');
    len = eq ? (size_t) (eq - arg->data) : arg->len;
    form = eq ? "=" : "";

    field = ngx_http_ai_keyentry_field(arg->data, len);

    if (field == NULL || field->index == 0
        || (field->type == NGX_HTTP_AI_KEY_FLAG) != (eq == NULL))
    {
        return ngx_http_ai_conf_key_unknown(cf, entry);
    }

    if (*seen & ((ngx_uint_t) 1 << field->index)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate parameter \"%V%s\" of key \"%V\" in "
                           "\"ai_key\"", &field->name, form, &entry->id);
        return NGX_ERROR;
    }

    *seen |= (ngx_uint_t) 1 << field->index;

    if (eq == NULL) {
        ngx_http_ai_keyentry_flag(entry, field, 1);
        return NGX_OK;
    }

    wrong = ngx_http_ai_conf_key_value(entry, field, eq + 1,
                                       arg->len - len - 1);

    if (wrong) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V=\" of key \"%V\" in \"ai_key\" %s, write %s",
                           &field->name, &entry->id, wrong,
                           field->type == NGX_HTTP_AI_KEY_BUDGET
                           ? "amounts of dollars per day, week, month or in "
                             "total such as 5usd/day,100usd/month"
                           : field->usage);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_conf_key_unknown(ngx_conf_t *cf, ngx_http_ai_keyentry_t *entry)
{
    u_char                         *p, *last;
    u_char                          known[NGX_MAX_CONF_ERRSTR / 4];
    ngx_uint_t                      i;
    const ngx_str_t                *name;
    const ngx_http_ai_key_field_t  *field;

    last = known + sizeof(known);
    p = known;

    for (i = 1; (name = ngx_http_ai_keyentry_field_name(i)) != NULL; i++) {
        field = ngx_http_ai_keyentry_field(name->data, name->len);

        p = ngx_slprintf(p, last, "%s%V%s", i == 1 ? "" : ", ", name,
                         field->type == NGX_HTTP_AI_KEY_FLAG ? "" : "=");
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown parameter (not shown, it may be a secret) of "
                       "key \"%V\" in \"ai_key\", use %*s", &entry->id,
                       (size_t) (p - known), known);

    return NGX_ERROR;
}


/* NULL, or what is wrong with it; lists have commas between */

static const char *
ngx_http_ai_conf_key_value(ngx_http_ai_keyentry_t *entry,
    const ngx_http_ai_key_field_t *field, u_char *p, size_t n)
{
    u_char      *last, *comma;
    const char  *wrong;

    if (field->type != NGX_HTTP_AI_KEY_LIST
        && field->type != NGX_HTTP_AI_KEY_BUDGET)
    {
        return n ? ngx_http_ai_keyentry_set(entry, field, p, n) : "is empty";
    }

    last = p + n;

    for ( ;; ) {
        comma = ngx_strlchr(p, last, ',');
        n = (comma ? comma : last) - p;

        wrong = field->type == NGX_HTTP_AI_KEY_BUDGET
                ? ngx_http_ai_conf_key_budget(entry, p, n)
                : ngx_http_ai_keyentry_set(entry, field, p, n);

        if (wrong || comma == NULL) {
            return wrong;
        }

        p = comma + 1;
    }
}


static const char *
ngx_http_ai_conf_key_budget(ngx_http_ai_keyentry_t *entry, u_char *p, size_t n)
{
    ngx_http_ai_budget_t  budget;

    switch (ngx_http_ai_budget_parse(p, n, &budget)) {

    case NGX_OK:
        return ngx_http_ai_keyentry_budget(entry, &budget);

    case NGX_DECLINED:
        return "is zero or too large";

    default:
        return "is not an amount per period";
    }
}
