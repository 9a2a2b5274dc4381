
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The body as nginx has read it, in memory, in its file, or in both.
 */


#include "ngx_http_ai_request.h"


#define NGX_HTTP_AI_BODY_WINDOW  65536


static ngx_int_t ngx_http_ai_request_feed_file(ngx_http_request_t *r,
    ngx_http_ai_request_feed_pt feed, void *data, ngx_buf_t *b);


ngx_int_t
ngx_http_ai_request_feed(ngx_http_request_t *r,
    ngx_http_ai_request_feed_pt feed, void *data)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (r->request_body == NULL) {
        return NGX_OK;
    }

    for (cl = r->request_body->bufs; cl; cl = cl->next) {

        b = cl->buf;

        if (ngx_buf_in_memory(b)) {
            rc = feed(data, b->pos, b->last - b->pos) == NGX_OK
                 ? NGX_OK : NGX_DECLINED;

        } else if (b->in_file) {
            rc = ngx_http_ai_request_feed_file(r, feed, data, b);

        } else {
            rc = NGX_OK;
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_request_feed_file(ngx_http_request_t *r,
    ngx_http_ai_request_feed_pt feed, void *data, ngx_buf_t *b)
{
    off_t      offset;
    u_char    *window;
    ssize_t    n;
    ngx_int_t  rc;

    window = ngx_palloc(r->pool, NGX_HTTP_AI_BODY_WINDOW);
    if (window == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_OK;

    for (offset = b->file_pos; offset < b->file_last; offset += n) {

        n = ngx_read_file(b->file, window,
                          (size_t) ngx_min(NGX_HTTP_AI_BODY_WINDOW,
                                           b->file_last - offset),
                          offset);

        if (n <= 0) {
            rc = NGX_ERROR;
            break;
        }

        if (feed(data, window, n) != NGX_OK) {
            rc = NGX_DECLINED;
            break;
        }
    }

    (void) ngx_pfree(r->pool, window);

    return rc;
}


off_t
ngx_http_ai_request_size(ngx_http_request_t *r)
{
    off_t         size;
    ngx_chain_t  *cl;

    size = 0;

    if (r->request_body) {
        for (cl = r->request_body->bufs; cl; cl = cl->next) {
            size += ngx_buf_size(cl->buf);
        }
    }

    return size;
}
