
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * One object, whose members are texts and integers: each event of the parser
 * is looked up in a table of the members.
 */


#include "ngx_http_ai_faultspec.h"

#include <yajl/yajl_parse.h>


#define NGX_HTTP_AI_FAULTSPEC_NUMBER  9      /* digits */


typedef struct ngx_http_ai_faultspec_field_s  ngx_http_ai_faultspec_field_t;

typedef struct {
    ngx_http_ai_faultspec_t              *spec;
    ngx_http_ai_faultspec_error_t        *error;
    const ngx_http_ai_faultspec_field_t  *field;   /* just named */
    ngx_uint_t                            seen;    /* bits of fields */
    ngx_uint_t                            open;    /* inside of the object */
} ngx_http_ai_faultspec_ctx_t;


/* NULL, or what is wrong with the value */

typedef const char *(*ngx_http_ai_faultspec_set_pt)(
    ngx_http_ai_faultspec_t *spec, const ngx_http_ai_faultspec_field_t *field,
    const u_char *p, size_t n);


struct ngx_http_ai_faultspec_field_s {
    ngx_str_t                             name;
    ngx_http_ai_faultspec_set_pt          set;
    ngx_uint_t                            number;  /* unsigned  number:1 */
    size_t                                offset;
    size_t                                len;     /* offset of its length */
    size_t                                size;    /* of a text, at most */
};


static const char *ngx_http_ai_faultspec_text(ngx_http_ai_faultspec_t *spec,
    const ngx_http_ai_faultspec_field_t *field, const u_char *p, size_t n);
static const char *ngx_http_ai_faultspec_word(ngx_http_ai_faultspec_t *spec,
    const ngx_http_ai_faultspec_field_t *field, const u_char *p, size_t n);
static const char *ngx_http_ai_faultspec_status(ngx_http_ai_faultspec_t *spec,
    const ngx_http_ai_faultspec_field_t *field, const u_char *p, size_t n);
static const char *ngx_http_ai_faultspec_percent(
    ngx_http_ai_faultspec_t *spec, const ngx_http_ai_faultspec_field_t *field,
    const u_char *p, size_t n);
static const char *ngx_http_ai_faultspec_delay(ngx_http_ai_faultspec_t *spec,
    const ngx_http_ai_faultspec_field_t *field, const u_char *p, size_t n);
static const char *ngx_http_ai_faultspec_ttl(ngx_http_ai_faultspec_t *spec,
    const ngx_http_ai_faultspec_field_t *field, const u_char *p, size_t n);

static ngx_int_t ngx_http_ai_faultspec_complete(
    ngx_http_ai_faultspec_ctx_t *ctx);
static int64_t ngx_http_ai_faultspec_integer(const u_char *p, size_t n);
static int64_t ngx_http_ai_faultspec_time(const u_char *p, size_t n);
static int ngx_http_ai_faultspec_fail(ngx_http_ai_faultspec_ctx_t *ctx,
    const u_char *name, size_t len, const char *text);
static int ngx_http_ai_faultspec_value(ngx_http_ai_faultspec_ctx_t *ctx,
    ngx_uint_t number, const u_char *p, size_t n);
static int ngx_http_ai_faultspec_null(void *data);
static int ngx_http_ai_faultspec_boolean(void *data, int value);
static int ngx_http_ai_faultspec_number(void *data, const char *p, size_t n);
static int ngx_http_ai_faultspec_string(void *data, const u_char *p,
    size_t n);
static int ngx_http_ai_faultspec_map(void *data);
static int ngx_http_ai_faultspec_key(void *data, const u_char *p, size_t n);
static int ngx_http_ai_faultspec_end(void *data);
static int ngx_http_ai_faultspec_array(void *data);


static const ngx_str_t  ngx_http_ai_faultspec_kinds[] = {
    ngx_string("none"),
    ngx_string("status"),
    ngx_string("timeout"),
    ngx_string("reset"),
    ngx_string("slow_first_token"),
    ngx_string("stall"),
    ngx_string("cut"),
    ngx_string("bad_credential"),
    ngx_string("exhausted_quota")
};


#define ngx_http_ai_faultspec_place(name, size)                               \
    0, offsetof(ngx_http_ai_faultspec_t, name),                               \
    offsetof(ngx_http_ai_faultspec_t, name##_len), size


enum {
    NGX_HTTP_AI_FAULTSPEC_ACCOUNT = 0,
    NGX_HTTP_AI_FAULTSPEC_FAULT,
    NGX_HTTP_AI_FAULTSPEC_STATUS,
    NGX_HTTP_AI_FAULTSPEC_DELAY
};


static const ngx_http_ai_faultspec_field_t  ngx_http_ai_faultspec_fields[] = {

    [NGX_HTTP_AI_FAULTSPEC_ACCOUNT] = {
        ngx_string("account"), ngx_http_ai_faultspec_text,
        ngx_http_ai_faultspec_place(account, NGX_HTTP_AI_FAULT_ACCOUNT) },

    [NGX_HTTP_AI_FAULTSPEC_FAULT] = {
        ngx_string("fault"), ngx_http_ai_faultspec_word, 0, 0, 0, 0 },

    [NGX_HTTP_AI_FAULTSPEC_STATUS] = {
        ngx_string("status"), ngx_http_ai_faultspec_status, 1, 0, 0, 0 },

    [NGX_HTTP_AI_FAULTSPEC_DELAY] = {
        ngx_string("delay"), ngx_http_ai_faultspec_delay, 0, 0, 0, 0 },

    { ngx_string("percent"), ngx_http_ai_faultspec_percent, 1, 0, 0, 0 },

    { ngx_string("ttl"), ngx_http_ai_faultspec_ttl, 0, 0, 0, 0 },

    { ngx_string("model"), ngx_http_ai_faultspec_text,
      ngx_http_ai_faultspec_place(model, NGX_HTTP_AI_FAULT_MODEL) },

    { ngx_string("key_id"), ngx_http_ai_faultspec_text,
      ngx_http_ai_faultspec_place(key_id, NGX_HTTP_AI_FAULT_NAME) },

    { ngx_string("class"), ngx_http_ai_faultspec_text,
      ngx_http_ai_faultspec_place(class, NGX_HTTP_AI_FAULT_NAME) },

    { ngx_null_string, NULL, 0, 0, 0, 0 }
};


/* numbers as text: "1e2" and 10^30 are then what they look like */

static const yajl_callbacks  ngx_http_ai_faultspec_callbacks = {
    ngx_http_ai_faultspec_null,
    ngx_http_ai_faultspec_boolean,
    NULL,
    NULL,
    ngx_http_ai_faultspec_number,
    ngx_http_ai_faultspec_string,
    ngx_http_ai_faultspec_map,
    ngx_http_ai_faultspec_key,
    ngx_http_ai_faultspec_end,
    ngx_http_ai_faultspec_array,
    ngx_http_ai_faultspec_end
};


ngx_int_t
ngx_http_ai_faultspec_parse(ngx_http_ai_faultspec_t *spec, const u_char *p,
    size_t n, ngx_http_ai_faultspec_error_t *error)
{
    yajl_handle                  yajl;
    yajl_status                  status;
    ngx_http_ai_faultspec_ctx_t  ctx;

    ngx_memzero(spec, sizeof(ngx_http_ai_faultspec_t));
    ngx_memzero(error, sizeof(ngx_http_ai_faultspec_error_t));
    ngx_memzero(&ctx, sizeof(ngx_http_ai_faultspec_ctx_t));

    spec->percent = 100;
    spec->ttl_ms = NGX_HTTP_AI_FAULT_TTL;

    ctx.spec = spec;
    ctx.error = error;

    if (n == 0) {
        error->text = "the body is empty, it must be a JSON object";
        return NGX_ERROR;
    }

    yajl = yajl_alloc(&ngx_http_ai_faultspec_callbacks, NULL, &ctx);
    if (yajl == NULL) {
        error->text = "no memory";
        return NGX_ERROR;
    }

    status = yajl_parse(yajl, p, n);

    if (status == yajl_status_ok) {
        /* a lone quote at the end would go unnoticed */
        status = ctx.open ? yajl_status_error : yajl_complete_parse(yajl);
    }

    yajl_free(yajl);

    if (status != yajl_status_ok) {

        if (error->text == NULL) {
            error->text = "the body is not one valid JSON object";
        }

        return NGX_ERROR;
    }

    return ngx_http_ai_faultspec_complete(&ctx);
}


/* what only all members together tell */

static ngx_int_t
ngx_http_ai_faultspec_complete(ngx_http_ai_faultspec_ctx_t *ctx)
{
    ngx_uint_t                            i;
    ngx_http_ai_faultspec_t              *spec;
    const ngx_http_ai_faultspec_field_t  *f;

    spec = ctx->spec;
    f = ngx_http_ai_faultspec_fields;

    for (i = NGX_HTTP_AI_FAULTSPEC_ACCOUNT;
         i <= NGX_HTTP_AI_FAULTSPEC_FAULT;
         i++)
    {
        if (!(ctx->seen & ((ngx_uint_t) 1 << i))) {
            (void) ngx_http_ai_faultspec_fail(ctx, f[i].name.data,
                                              f[i].name.len, "is missing");
            return NGX_ERROR;
        }
    }

    if (spec->status && spec->kind != NGX_HTTP_AI_FAULT_STATUS) {
        (void) ngx_http_ai_faultspec_fail(ctx, (u_char *) "status", 6,
                   "belongs to the fault \"status\" only");
        return NGX_ERROR;
    }

    if (spec->delay_ms && spec->kind != NGX_HTTP_AI_FAULT_SLOW) {
        (void) ngx_http_ai_faultspec_fail(ctx, (u_char *) "delay", 5,
                   "belongs to the fault \"slow_first_token\" only");
        return NGX_ERROR;
    }

    if (spec->kind == NGX_HTTP_AI_FAULT_STATUS && spec->status == 0) {
        spec->status = 503;
    }

    if (spec->kind == NGX_HTTP_AI_FAULT_SLOW && spec->delay_ms == 0) {
        spec->delay_ms = NGX_HTTP_AI_FAULT_DELAY;
    }

    return NGX_OK;
}


static const char *
ngx_http_ai_faultspec_text(ngx_http_ai_faultspec_t *spec,
    const ngx_http_ai_faultspec_field_t *field, const u_char *p, size_t n)
{
    size_t  i;

    if (n == 0) {
        return "must not be empty";
    }

    if (n > field->size) {
        return "is too long";
    }

    for (i = 0; i < n; i++) {
        if (p[i] < 0x20 || p[i] == 0x7f) {
            return "must not have control characters";
        }
    }

    ngx_memcpy((u_char *) spec + field->offset, p, n);
    *(size_t *) ((u_char *) spec + field->len) = n;

    return NULL;
}


static const char *
ngx_http_ai_faultspec_word(ngx_http_ai_faultspec_t *spec,
    const ngx_http_ai_faultspec_field_t *field, const u_char *p, size_t n)
{
    ngx_uint_t  i;

    (void) field;

    for (i = NGX_HTTP_AI_FAULT_STATUS; i < NGX_HTTP_AI_FAULT_KINDS; i++) {

        if (ngx_http_ai_faultspec_kinds[i].len == n
            && ngx_memcmp(ngx_http_ai_faultspec_kinds[i].data, p, n) == 0)
        {
            spec->kind = (ngx_http_ai_fault_e) i;
            return NULL;
        }
    }

    return "must be \"status\", \"timeout\", \"reset\", "
           "\"slow_first_token\", \"stall\", \"cut\", \"bad_credential\" or "
           "\"exhausted_quota\"";
}


static const char *
ngx_http_ai_faultspec_status(ngx_http_ai_faultspec_t *spec,
    const ngx_http_ai_faultspec_field_t *field, const u_char *p, size_t n)
{
    int64_t  v;

    (void) field;

    v = ngx_http_ai_faultspec_integer(p, n);

    if (v < 400 || v > 599) {
        return "must be an integer from 400 to 599";
    }

    spec->status = (ngx_uint_t) v;

    return NULL;
}


static const char *
ngx_http_ai_faultspec_percent(ngx_http_ai_faultspec_t *spec,
    const ngx_http_ai_faultspec_field_t *field, const u_char *p, size_t n)
{
    int64_t  v;

    (void) field;

    v = ngx_http_ai_faultspec_integer(p, n);

    if (v < 1 || v > 100) {
        return "must be an integer from 1 to 100";
    }

    spec->percent = (ngx_uint_t) v;

    return NULL;
}


static const char *
ngx_http_ai_faultspec_delay(ngx_http_ai_faultspec_t *spec,
    const ngx_http_ai_faultspec_field_t *field, const u_char *p, size_t n)
{
    (void) field;

    spec->delay_ms = ngx_http_ai_faultspec_time(p, n);

    return spec->delay_ms >= 1 && spec->delay_ms <= 3600000
           ? NULL : "must be a time from \"1ms\" to \"1h\"";
}


static const char *
ngx_http_ai_faultspec_ttl(ngx_http_ai_faultspec_t *spec,
    const ngx_http_ai_faultspec_field_t *field, const u_char *p, size_t n)
{
    (void) field;

    spec->ttl_ms = ngx_http_ai_faultspec_time(p, n);

    return spec->ttl_ms >= 1000 && spec->ttl_ms <= 3600000
           ? NULL : "must be a time from \"1s\" to \"1h\"";
}


/* -1: not a whole number, or not a small one */

static int64_t
ngx_http_ai_faultspec_integer(const u_char *p, size_t n)
{
    size_t   i;
    int64_t  v;

    if (n == 0 || n > NGX_HTTP_AI_FAULTSPEC_NUMBER) {
        return -1;
    }

    v = 0;

    for (i = 0; i < n; i++) {

        if (p[i] < '0' || p[i] > '9') {
            return -1;
        }

        v = v * 10 + (p[i] - '0');
    }

    return v;
}


/* a number and ms, s, m or h: milliseconds, or -1 */

static int64_t
ngx_http_ai_faultspec_time(const u_char *p, size_t n)
{
    size_t      len;
    int64_t     v;
    ngx_uint_t  i;

    static const struct {
        ngx_str_t  unit;
        int64_t    ms;
    } units[] = {
        { ngx_string("ms"), 1 },
        { ngx_string("s"), 1000 },
        { ngx_string("m"), 60000 },
        { ngx_string("h"), 3600000 }
    };

    for (len = 0; len < n && p[len] >= '0' && p[len] <= '9'; len++) {
        /* void */
    }

    v = ngx_http_ai_faultspec_integer(p, len);

    for (i = 0; v >= 0 && i < sizeof(units) / sizeof(units[0]); i++) {

        if (units[i].unit.len == n - len
            && ngx_memcmp(units[i].unit.data, p + len, n - len) == 0)
        {
            return v * units[i].ms;
        }
    }

    return -1;
}


static int
ngx_http_ai_faultspec_fail(ngx_http_ai_faultspec_ctx_t *ctx,
    const u_char *name, size_t len, const char *text)
{
    ngx_http_ai_faultspec_error_t  *error;

    error = ctx->error;

    error->text = text;
    error->len = ngx_min(len, sizeof(error->field));
    ngx_memcpy(error->field, name, error->len);

    return 0;
}


static int
ngx_http_ai_faultspec_value(ngx_http_ai_faultspec_ctx_t *ctx,
    ngx_uint_t number, const u_char *p, size_t n)
{
    const char                           *wrong;
    const ngx_http_ai_faultspec_field_t  *field;

    field = ctx->field;

    if (field == NULL) {
        /* the top value */
        return 0;
    }

    wrong = field->number == number ? field->set(ctx->spec, field, p, n)
            : field->number ? "must be a number" : "must be a string";

    if (wrong) {
        return ngx_http_ai_faultspec_fail(ctx, field->name.data,
                                          field->name.len, wrong);
    }

    return 1;
}


/* 2: no field wants it */

static int
ngx_http_ai_faultspec_null(void *data)
{
    return ngx_http_ai_faultspec_value(data, 2, NULL, 0);
}


static int
ngx_http_ai_faultspec_boolean(void *data, int value)
{
    (void) value;

    return ngx_http_ai_faultspec_value(data, 2, NULL, 0);
}


static int
ngx_http_ai_faultspec_number(void *data, const char *p, size_t n)
{
    return ngx_http_ai_faultspec_value(data, 1, (const u_char *) p, n);
}


static int
ngx_http_ai_faultspec_string(void *data, const u_char *p, size_t n)
{
    return ngx_http_ai_faultspec_value(data, 0, p, n);
}


static int
ngx_http_ai_faultspec_map(void *data)
{
    ngx_http_ai_faultspec_ctx_t  *ctx = data;

    if (ctx->open) {
        return ngx_http_ai_faultspec_value(ctx, 2, NULL, 0);
    }

    ctx->open = 1;

    return 1;
}


static int
ngx_http_ai_faultspec_key(void *data, const u_char *p, size_t n)
{
    ngx_http_ai_faultspec_ctx_t  *ctx = data;

    ngx_uint_t                            bit;
    const ngx_http_ai_faultspec_field_t  *f;

    for (f = ngx_http_ai_faultspec_fields; f->name.len; f++) {
        if (f->name.len == n && ngx_memcmp(f->name.data, p, n) == 0) {
            break;
        }
    }

    if (f->name.len == 0) {
        return ngx_http_ai_faultspec_fail(ctx, p, n, "is not a member that "
                                          "faults have");
    }

    bit = (ngx_uint_t) 1 << (f - ngx_http_ai_faultspec_fields);

    if (ctx->seen & bit) {
        return ngx_http_ai_faultspec_fail(ctx, p, n, "is given twice");
    }

    ctx->seen |= bit;
    ctx->field = f;

    return 1;
}


static int
ngx_http_ai_faultspec_end(void *data)
{
    ngx_http_ai_faultspec_ctx_t  *ctx = data;

    ctx->open = 0;

    return 1;
}


static int
ngx_http_ai_faultspec_array(void *data)
{
    return ngx_http_ai_faultspec_value(data, 2, NULL, 0);
}


const ngx_str_t *
ngx_http_ai_faultspec_kind(ngx_http_ai_fault_e kind)
{
    return &ngx_http_ai_faultspec_kinds[
               (ngx_uint_t) kind < NGX_HTTP_AI_FAULT_KINDS ? kind : 0];
}


ngx_uint_t
ngx_http_ai_faultspec_model(const ngx_http_ai_faultspec_t *spec,
    const ngx_str_t *model)
{
    size_t  n;

    n = spec->model_len;

    if (n == 0) {
        return 1;
    }

    if (spec->model[n - 1] == '*') {
        n--;
        return model->len >= n && ngx_memcmp(model->data, spec->model, n) == 0;
    }

    return model->len == n && ngx_memcmp(model->data, spec->model, n) == 0;
}


ngx_uint_t
ngx_http_ai_faultspec_scripted(ngx_http_ai_fault_e kind)
{
    return kind != NGX_HTTP_AI_FAULT_SLOW && kind != NGX_HTTP_AI_FAULT_STALL
           && kind != NGX_HTTP_AI_FAULT_CUT;
}
