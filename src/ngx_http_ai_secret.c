
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_secret.h"


static void ngx_http_ai_secret_cleanup(void *data);
static ngx_uint_t ngx_http_ai_secret_header(const ngx_table_elt_t *h);


ngx_int_t
ngx_http_ai_secret_forget(ngx_pool_t *pool, u_char *p, size_t len)
{
    ngx_str_t           *secret;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(pool, sizeof(ngx_str_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    secret = cln->data;
    secret->data = p;
    secret->len = len;

    cln->handler = ngx_http_ai_secret_cleanup;

    return NGX_OK;
}


static void
ngx_http_ai_secret_cleanup(void *data)
{
    ngx_str_t  *secret = data;

    ngx_explicit_memzero(secret->data, secret->len);
}


ngx_int_t
ngx_http_ai_secret_request(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return NGX_OK;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].value.len && ngx_http_ai_secret_header(&h[i])
            && ngx_http_ai_secret_forget(r->pool, h[i].value.data,
                                         h[i].value.len)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }
}


static ngx_uint_t
ngx_http_ai_secret_header(const ngx_table_elt_t *h)
{
    ngx_uint_t  i;

    static const ngx_str_t  names[] = {
        ngx_string("authorization"),
        ngx_string("x-api-key"),
        ngx_string("api-key"),
        ngx_string("x-goog-api-key"),
        ngx_string("cookie"),
        ngx_string("proxy-authorization")
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (h->key.len == names[i].len
            && ngx_memcmp(h->lowcase_key, names[i].data, names[i].len) == 0)
        {
            return 1;
        }
    }

    return 0;
}
