
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* the facts of a request whose body is a form: uploads of audio and images */


#include "ngx_http_ai_request.h"
#include "pure/ngx_http_ai_decimal.h"
#include "pure/ngx_http_ai_multipart.h"


#define NGX_HTTP_AI_FORM_MAX_IMAGES  1000


enum {
    NGX_HTTP_AI_F_MODEL = 0,
    NGX_HTTP_AI_F_STREAM,
    NGX_HTTP_AI_F_CHOICES,
    NGX_HTTP_AI_FIELDS
};


typedef struct {
    ngx_http_ai_multipart_t        multipart;
    ngx_http_ai_multipart_field_t  fields[NGX_HTTP_AI_FIELDS];
    u_char                         stream[8];
    u_char                         choices[32];
} ngx_http_ai_form_t;


static ngx_int_t ngx_http_ai_form_feed(void *data, const u_char *p,
    size_t n);
static ngx_int_t ngx_http_ai_form_model(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_multipart_field_t *f);
static ngx_int_t ngx_http_ai_form_stream(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_multipart_field_t *f);
static void ngx_http_ai_form_units(ngx_http_ai_facts_t *facts,
    const ngx_http_ai_multipart_field_t *f);
static ngx_uint_t ngx_http_ai_form_is(const ngx_http_ai_multipart_field_t *f,
    const char *word);


ngx_int_t
ngx_http_ai_request_form(ngx_http_ai_ctx_t *ctx, const ngx_str_t *boundary)
{
    u_char                         *model;
    ngx_int_t                       rc;
    ngx_http_ai_form_t              form;
    ngx_http_ai_multipart_field_t  *f;

    model = ngx_pnalloc(ctx->request->pool, NGX_HTTP_AI_MAX_MODEL);
    if (model == NULL) {
        return NGX_ERROR;
    }

    f = form.fields;

    ngx_str_set(&f[NGX_HTTP_AI_F_MODEL].name, "model");
    f[NGX_HTTP_AI_F_MODEL].buf = model;
    f[NGX_HTTP_AI_F_MODEL].size = NGX_HTTP_AI_MAX_MODEL;

    ngx_str_set(&f[NGX_HTTP_AI_F_STREAM].name, "stream");
    f[NGX_HTTP_AI_F_STREAM].buf = form.stream;
    f[NGX_HTTP_AI_F_STREAM].size = sizeof(form.stream);

    ngx_str_set(&f[NGX_HTTP_AI_F_CHOICES].name, "n");
    f[NGX_HTTP_AI_F_CHOICES].buf = form.choices;
    f[NGX_HTTP_AI_F_CHOICES].size = sizeof(form.choices);

    ngx_http_ai_multipart_init(&form.multipart, boundary, f,
                               NGX_HTTP_AI_FIELDS);

    rc = ngx_http_ai_request_feed(ctx->request, ngx_http_ai_form_feed,
                                  &form.multipart);
    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc != NGX_OK || ngx_http_ai_multipart_end(&form.multipart) != NGX_OK) {
        return ngx_http_ai_error_set(ctx->request, &ctx->error,
                   NGX_HTTP_BAD_REQUEST, "invalid_request_error",
                   "the form in the request body is not accepted: %s, at byte "
                   "%O", ngx_http_ai_multipart_strerror(form.multipart.error),
                   form.multipart.offset);
    }

    ctx->facts.form = 1;
    ctx->facts.size = form.multipart.offset;

    rc = ngx_http_ai_form_model(ctx, &f[NGX_HTTP_AI_F_MODEL]);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_ai_form_stream(ctx, &f[NGX_HTTP_AI_F_STREAM]);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_http_ai_form_units(&ctx->facts, &f[NGX_HTTP_AI_F_CHOICES]);

    /* a file's bytes tell nothing of its tokens */
    ngx_http_ai_request_reserve(ctx);

    ctx->facts.key = ngx_http_ai_request_hash(&ctx->facts.tail);

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_form_feed(void *data, const u_char *p, size_t n)
{
    return ngx_http_ai_multipart_feed(data, p, n);
}


static ngx_int_t
ngx_http_ai_form_model(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_multipart_field_t *f)
{
    ngx_http_ai_facts_t  *facts;

    facts = &ctx->facts;

    ngx_str_set(&ctx->error.param, "model");

    if (!f->found) {

        if (ngx_http_ai_request_model_header(ctx) == NGX_OK) {
            ngx_str_null(&ctx->error.param);
            return NGX_OK;
        }

        return ngx_http_ai_error_set(ctx->request, &ctx->error,
                   NGX_HTTP_BAD_REQUEST, "invalid_request_error",
                   "the form names no model, a field \"model\" is needed");
    }

    facts->model.data = f->buf;
    facts->model.len = f->len;

    if (f->end - f->start > NGX_HTTP_AI_MAX_MODEL
        || !ngx_http_ai_request_sane_model(&facts->model))
    {
        ngx_str_null(&facts->model);

        return ngx_http_ai_error_set(ctx->request, &ctx->error,
                   NGX_HTTP_BAD_REQUEST, "invalid_request_error",
                   "the field \"model\" must be 1 to %d bytes without control "
                   "characters", NGX_HTTP_AI_MAX_MODEL);
    }

    facts->model_start = f->start;
    facts->model_end = f->end;

    ngx_str_null(&ctx->error.param);

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_form_stream(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_multipart_field_t *f)
{
    if (!f->found || ngx_http_ai_form_is(f, "false")
        || ngx_http_ai_form_is(f, "0") || f->len == 0)
    {
        return NGX_OK;
    }

    if (ngx_http_ai_form_is(f, "true") || ngx_http_ai_form_is(f, "1")) {
        ctx->facts.stream = 1;
        return NGX_OK;
    }

    ngx_str_set(&ctx->error.param, "stream");

    return ngx_http_ai_error_set(ctx->request, &ctx->error,
               NGX_HTTP_BAD_REQUEST, "invalid_request_error",
               "the field \"stream\" must be true or false");
}


static void
ngx_http_ai_form_units(ngx_http_ai_facts_t *facts,
    const ngx_http_ai_multipart_field_t *f)
{
    int64_t  n;

    if (facts->endpoint->bit != NGX_HTTP_AI_EP_IMAGES) {
        return;
    }

    if (f->len < (size_t) (f->end - f->start)) {

        /* an exponent may be in what is missing */

        n = f->buf[0] >= '0' && f->buf[0] <= '9' ? NGX_HTTP_AI_FORM_MAX_IMAGES
                                                 : 1;

    } else if (ngx_http_ai_decimal(f->buf, f->buf + f->len, 0, &n) != NGX_OK) {
        n = 1;
    }

    facts->units.images = ngx_min(ngx_max(n, 1), NGX_HTTP_AI_FORM_MAX_IMAGES);
}


/* Python's clients write "True" */

static ngx_uint_t
ngx_http_ai_form_is(const ngx_http_ai_multipart_field_t *f, const char *word)
{
    return f->len == ngx_strlen(word)
           && ngx_strncasecmp(f->buf, (u_char *) word, f->len) == 0;
}
