
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * By which names a request is known: to its client, in records, and in the
 * traces of others.
 */


#include "ngx_http_ai_request.h"

#include <openssl/rand.h>


static void ngx_http_ai_request_trace(ngx_http_ai_ctx_t *ctx);
static ngx_table_elt_t *ngx_http_ai_request_traceparent(
    ngx_http_request_t *r);


ngx_int_t
ngx_http_ai_request_ids(ngx_http_ai_ctx_t *ctx)
{
    u_char            id[16];
    ngx_table_elt_t  *h;

    if (ngx_http_ai_request_random(id, sizeof(id)) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_hex_dump(ctx->event_id, id, sizeof(id));

    h = ngx_http_ai_request_header(ctx->request, "x-request-id",
                                   sizeof("x-request-id") - 1);

    if (h && ngx_http_ai_request_sane_id(&h->value)) {
        ctx->id = h->value;

    } else {
        ctx->id.data = ctx->event_id;
        ctx->id.len = sizeof(ctx->event_id);
    }

    ngx_http_ai_request_trace(ctx);

    return NGX_OK;
}


/*
 * The trace that the client, or a module that comes before this one, has put
 * the request into.  Otherwise it begins one, whose id is that of its record:
 * as random, and one thing less to look up.  What is metered only is sent on
 * by others, who know of no trace of ours.
 *
 * A trace of our own is marked as sampled.  It is true, for there will be a
 * record, and a provider's tracer that follows its parent does as it did
 * before there was one; unsampled it would fall silent.
 */

static void
ngx_http_ai_request_trace(ngx_http_ai_ctx_t *ctx)
{
    ngx_table_elt_t         *h;
    ngx_http_ai_loc_conf_t  *alcf;

    h = ngx_http_ai_request_traceparent(ctx->request);

    if (h && ngx_http_ai_trace_parse(&ctx->trace, h->value.data, h->value.len)
             == NGX_OK)
    {
        ctx->traced = 1;

    } else {
        alcf = ngx_http_get_module_loc_conf(ctx->request,
                                            ngx_http_ai_route_module);
        if (!alcf->pass) {
            return;
        }

        ngx_memcpy(ctx->trace.id, ctx->event_id, NGX_HTTP_AI_TRACE_ID);
        ctx->trace.flags = NGX_HTTP_AI_TRACE_SAMPLED;
    }

    ctx->trace_id.data = ctx->trace.id;
    ctx->trace_id.len = NGX_HTTP_AI_TRACE_ID;
}


/* NULL: there is none, or there are several, which is as good */

static ngx_table_elt_t *
ngx_http_ai_request_traceparent(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h, *found;

    found = NULL;
    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return found;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].hash == 0
            || h[i].key.len != sizeof("traceparent") - 1
            || ngx_memcmp(h[i].lowcase_key, "traceparent",
                          sizeof("traceparent") - 1)
               != 0)
        {
            continue;
        }

        if (found) {
            return NULL;
        }

        found = &h[i];
    }
}


/* one call of the generator serves several requests */

ngx_int_t
ngx_http_ai_request_random(u_char *p, size_t n)
{
    static u_char  pool[512];
    static size_t  left;

    if (left < n) {
        if (RAND_bytes(pool, sizeof(pool)) != 1) {
            return NGX_ERROR;
        }

        left = sizeof(pool);
    }

    left -= n;
    ngx_memcpy(p, pool + left, n);

    return NGX_OK;
}


ngx_uint_t
ngx_http_ai_request_sane_id(const ngx_str_t *id)
{
    u_char  *p, *last;

    if (id->len == 0 || id->len > 128) {
        return 0;
    }

    for (p = id->data, last = p + id->len; p < last; p++) {

        if ((*p >= '0' && *p <= '9')
            || (*p >= 'A' && *p <= 'Z')
            || (*p >= 'a' && *p <= 'z')
            || *p == '.' || *p == '_' || *p == '-')
        {
            continue;
        }

        return 0;
    }

    return 1;
}
