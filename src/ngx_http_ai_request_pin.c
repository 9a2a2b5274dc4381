
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Which account has what a request names: a file, a batch, a stored response,
 * a conversation.  By the path's id, by X-AI-Account, or by the body.
 */


#include "ngx_http_ai_request.h"
#include "ngx_http_ai_pin.h"
#include "pure/ngx_http_ai_ids.h"


#define NGX_HTTP_AI_PIN_MAX_IDS  64    /* looked up for one request */


/* looks for ids in a body that comes in pieces */

typedef struct {
    ngx_http_ai_zone_t           *zone;
    const ngx_http_ai_account_t  *account;
    ngx_uint_t                    left;
    unsigned                      conflict:1;
    size_t                        len;
    u_char                        carry[2 * NGX_HTTP_AI_IDS_SPAN];
} ngx_http_ai_pin_search_t;


static ngx_int_t ngx_http_ai_pin_path(ngx_http_ai_ctx_t *ctx);
static ngx_int_t ngx_http_ai_pin_body(ngx_http_ai_ctx_t *ctx);
static ngx_int_t ngx_http_ai_pin_feed(void *data, const u_char *p, size_t n);
static void ngx_http_ai_pin_look(ngx_http_ai_pin_search_t *s,
    const u_char *p, const u_char *last);
static ngx_int_t ngx_http_ai_pin_account(ngx_http_ai_ctx_t *ctx,
    const ngx_str_t *name);
static ngx_uint_t ngx_http_ai_pin_choices(ngx_http_ai_ctx_t *ctx,
    u_char *list, u_char **last);


/*
 * The accounts of the model in X-AI-Model, so that what is uploaded can be
 * used with it; else any.
 */

ngx_int_t
ngx_http_ai_request_resources(ngx_http_ai_ctx_t *ctx)
{
    ngx_int_t  rc;

    static u_char  none[1];

    if (ngx_http_ai_request_model_header(ctx) == NGX_OK) {
        rc = ngx_http_ai_request_named(ctx, &ctx->facts.model);

        if (rc != NGX_OK) {
            return rc;
        }

    } else {
        ctx->facts.model.data = none;
        ctx->facts.model.len = 0;
        ctx->route = &ctx->conf->resources;
    }

    ngx_http_ai_request_reserve(ctx);

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_request_pin(ngx_http_ai_ctx_t *ctx)
{
    ngx_int_t         rc;
    ngx_table_elt_t  *h;

    if (ctx->facts.endpoint->model == NGX_HTTP_AI_MODEL_NONE) {

        h = ngx_http_ai_request_header(ctx->request, "x-ai-account",
                                       sizeof("x-ai-account") - 1);
        if (h) {
            return ngx_http_ai_pin_account(ctx, &h->value);
        }

        rc = ngx_http_ai_pin_path(ctx);

        if (rc != NGX_OK || ctx->plan.pin) {
            return rc;
        }
    }

    if (ctx->facts.form || ngx_http_ai_pin_count(ctx->conf->zone) == 0) {
        return NGX_OK;
    }

    return ngx_http_ai_pin_body(ctx);
}


static ngx_int_t
ngx_http_ai_pin_account(ngx_http_ai_ctx_t *ctx, const ngx_str_t *name)
{
    ctx->plan.pin = ngx_http_ai_conf_find_account(ctx->conf, name);

    if (ctx->plan.pin
        && ngx_http_ai_conf_class_has(ctx->policy, ctx->plan.pin))
    {
        ctx->facts.pinned = 1;
        return NGX_OK;
    }

    return ngx_http_ai_error_set(ctx->request, &ctx->error,
               NGX_HTTP_BAD_REQUEST, "invalid_request_error",
               "the account \"%V\" in X-AI-Account is not one of class \"%V\"",
               name, &ctx->policy->name);
}


/* one that nobody knows may still be of the only account there is */

static ngx_int_t
ngx_http_ai_pin_path(ngx_http_ai_ctx_t *ctx)
{
    u_char           list[512], *last;
    ngx_uint_t       n;
    const ngx_str_t *id;

    id = &ctx->facts.parts.id;

    if (id->len == 0 && ctx->request->method == NGX_HTTP_POST) {
        return NGX_OK;
    }

    ctx->facts.pinned = 1;

    if (id->len) {
        ctx->plan.pin = ngx_http_ai_pin_find(ctx->conf->zone, id);

        if (ctx->plan.pin) {
            return NGX_OK;
        }
    }

    n = ngx_http_ai_pin_choices(ctx, list, &last);

    if (n < 2) {
        return NGX_OK;
    }

    if (id->len == 0) {
        return ngx_http_ai_error_set(ctx->request, &ctx->error,
                   NGX_HTTP_BAD_REQUEST, "invalid_request_error",
                   "several accounts may have what is asked for, name one in "
                   "X-AI-Account: %*s", (size_t) (last - list), list);
    }

    return ngx_http_ai_error_set(ctx->request, &ctx->error,
               NGX_HTTP_NOT_FOUND, "not_found",
               "it is not known which account has \"%V\", it was not made by "
               "way of this gateway or long ago; name one in X-AI-Account: "
               "%*s", id, (size_t) (last - list), list);
}


/* how many the request could go to, and their names, as far as they fit */

static ngx_uint_t
ngx_http_ai_pin_choices(ngx_http_ai_ctx_t *ctx, u_char *list, u_char **last)
{
    u_char                *p;
    ngx_uint_t             i, n;
    ngx_http_ai_target_t  *t;

    n = 0;
    p = list;
    t = ctx->route->targets.elts;

    for (i = 0; i < ctx->route->targets.nelts; i++) {

        if ((t[i].account->provider->endpoints & ctx->facts.endpoint->bit)
            && ngx_http_ai_conf_class_has(ctx->policy, t[i].account))
        {
            p = ngx_slprintf(p, list + 512, n++ ? ", %V" : "%V", &t[i].name);
        }
    }

    *last = p;

    return n;
}


static ngx_int_t
ngx_http_ai_pin_body(ngx_http_ai_ctx_t *ctx)
{
    ngx_http_ai_pin_search_t  s;

    ngx_memzero(&s, offsetof(ngx_http_ai_pin_search_t, carry));

    s.zone = ctx->conf->zone;
    s.left = NGX_HTTP_AI_PIN_MAX_IDS;

    if (ngx_http_ai_request_feed(ctx->request, ngx_http_ai_pin_feed, &s)
        == NGX_ERROR)
    {
        return NGX_ERROR;
    }

    if (s.conflict) {
        return ngx_http_ai_error_set(ctx->request, &ctx->error,
                   NGX_HTTP_BAD_REQUEST, "invalid_request_error",
                   "the request names things that different accounts have");
    }

    if (s.account) {
        ctx->plan.pin = s.account;
        ctx->facts.pinned = 1;
    }

    return NGX_OK;
}


/* what lies across two pieces is looked at in a copy of their ends */

static ngx_int_t
ngx_http_ai_pin_feed(void *data, const u_char *p, size_t n)
{
    ngx_http_ai_pin_search_t  *s = data;

    size_t  head;

    if (s->len) {
        head = ngx_min(n, NGX_HTTP_AI_IDS_SPAN);
        ngx_memcpy(s->carry + s->len, p, head);
        ngx_http_ai_pin_look(s, s->carry, s->carry + s->len + head);
    }

    ngx_http_ai_pin_look(s, p, p + n);

    s->len = ngx_min(n, NGX_HTTP_AI_IDS_SPAN);
    ngx_memcpy(s->carry, p + n - s->len, s->len);

    return s->left && !s->conflict ? NGX_OK : NGX_DECLINED;
}


static void
ngx_http_ai_pin_look(ngx_http_ai_pin_search_t *s, const u_char *p,
    const u_char *last)
{
    ngx_str_t               id;
    ngx_http_ai_account_t  *account;

    while (s->left && ngx_http_ai_ids_next(&p, last, &id) == NGX_OK) {

        s->left--;
        account = ngx_http_ai_pin_find(s->zone, &id);

        if (account == NULL) {
            continue;
        }

        if (s->account && s->account != account) {
            s->conflict = 1;
            return;
        }

        s->account = account;
    }
}
