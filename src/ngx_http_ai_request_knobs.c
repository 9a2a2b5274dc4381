
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The members of a request that are for the gateway alone: read where the
 * request may steer its routing, and cut out of what is forwarded.  Cut out
 * also where it may not: an account that is a gateway, too, would obey them.
 */


#include "ngx_http_ai_request.h"


static ngx_int_t ngx_http_ai_request_knob(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_knobs_t *knobs, ngx_http_ai_knobs_member_e member,
    ngx_http_ai_json_member_t *m);
static void ngx_http_ai_request_cut(ngx_http_ai_facts_t *facts, off_t start,
    off_t end);
static void ngx_http_ai_request_cut_members(ngx_http_ai_facts_t *facts,
    ngx_http_ai_json_member_t **members, ngx_uint_t n);


/* the caller of open mode is one whom nothing forbids it */

ngx_uint_t
ngx_http_ai_knobs_allowed(ngx_http_ai_ctx_t *ctx)
{
    return ctx->key == NULL || ctx->key->knobs;
}


ngx_int_t
ngx_http_ai_request_knobs(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_json_member_t *members)
{
    ngx_int_t                   rc;
    ngx_uint_t                  i, n, present;
    ngx_http_ai_facts_t        *facts;
    ngx_http_ai_knobs_t        *knobs;
    ngx_http_ai_json_member_t  *m, *whole[NGX_HTTP_AI_KNOBS_MEMBERS];

    present = 0;

    for (i = 0; i < NGX_HTTP_AI_KNOBS_MEMBERS; i++) {
        present |= (members[i].type != NGX_HTTP_AI_JSON_NONE);
    }

    if (!present) {
        return NGX_OK;
    }

    knobs = ngx_palloc(ctx->request->pool, sizeof(ngx_http_ai_knobs_t));
    if (knobs == NULL) {
        return NGX_ERROR;
    }

    ngx_http_ai_knobs_init(knobs);
    knobs->unread = !ngx_http_ai_knobs_allowed(ctx);

    facts = &ctx->facts;
    n = 0;

    for (i = 0; i < NGX_HTTP_AI_KNOBS_MEMBERS; i++) {
        m = &members[i];

        if (m->type == NGX_HTTP_AI_JSON_NONE) {
            continue;
        }

        rc = ngx_http_ai_request_knob(ctx, knobs, i, m);
        if (rc != NGX_OK) {
            return rc;
        }

        if (i != NGX_HTTP_AI_KNOBS_OPTIONS || knobs->cut_whole) {
            whole[n++] = m;

        } else if (knobs->cut_end) {
            ngx_http_ai_request_cut(facts,
                                    m->start + (off_t) knobs->cut_start,
                                    m->start + (off_t) knobs->cut_end);
        }
    }

    ngx_http_ai_request_cut_members(facts, whole, n);

    if (!knobs->unread) {
        ctx->plan.knobs = knobs;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_request_knob(ngx_http_ai_ctx_t *ctx, ngx_http_ai_knobs_t *knobs,
    ngx_http_ai_knobs_member_e member, ngx_http_ai_json_member_t *m)
{
    u_char                     *p;
    ngx_http_request_t         *r;
    ngx_http_ai_knobs_error_t   error;

    r = ctx->request;

    if (knobs->unread && member != NGX_HTTP_AI_KNOBS_OPTIONS) {
        /* it goes as a whole, whatever it is */
        return NGX_OK;
    }

    if (m->len != (size_t) (m->end - m->start)) {
        ctx->error.param = m->name;
        return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_BAD_REQUEST,
                   "invalid_request_error",
                   "\"%V\" must not be longer than %d bytes", &m->name,
                   NGX_HTTP_AI_KNOBS_RAW);
    }

    p = ngx_pnalloc(r->pool, m->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, m->buf, m->len);

    if (ngx_http_ai_knobs_parse(knobs, member, p, m->len, &error) == NGX_OK) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, error.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, error.field, error.len);

    ctx->error.param.data = p;
    ctx->error.param.len = error.len;

    return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_BAD_REQUEST,
               "invalid_request_error", "\"%V\" %s", &ctx->error.param,
               error.text);
}


static void
ngx_http_ai_request_cut(ngx_http_ai_facts_t *facts, off_t start, off_t end)
{
    facts->cuts[facts->ncuts].start = start;
    facts->cuts[facts->ncuts].end = end;
    facts->ncuts++;
}


/*
 * Each member goes with one of its commas.  Those that the body begins with
 * take the one that follows them, all others the one in front, so no comma
 * belongs to two, and none is left over.
 */

static void
ngx_http_ai_request_cut_members(ngx_http_ai_facts_t *facts,
    ngx_http_ai_json_member_t **members, ngx_uint_t n)
{
    off_t                       next;
    ngx_uint_t                  i, j;
    ngx_http_ai_json_member_t  *m;

    for (i = 1; i < n; i++) {
        m = members[i];

        for (j = i; j > 0 && members[j - 1]->quote > m->quote; j--) {
            members[j] = members[j - 1];
        }

        members[j] = m;
    }

    /* just after the comma that would follow the last one of the beginning */

    next = 1;

    for (i = 0; i < n; i++) {
        m = members[i];

        if (next && next == m->comma + 1) {

            ngx_http_ai_request_cut(facts, m->quote,
                                    m->next ? m->next : m->end);
            next = m->next;
            facts->empty = (next == 0);
            continue;
        }

        next = 0;
        ngx_http_ai_request_cut(facts, m->comma, m->end);
    }
}
