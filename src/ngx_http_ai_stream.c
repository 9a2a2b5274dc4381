
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_stream.h"
#include "ngx_http_ai_conf.h"


static ngx_int_t ngx_http_ai_stream_doc(ngx_http_request_t *r,
    ngx_http_ai_stream_t *st);
static ngx_int_t ngx_http_ai_stream_watch(ngx_http_request_t *r,
    ngx_http_ai_stream_t *st, ngx_chain_t *in);
static void ngx_http_ai_stream_pending(ngx_http_ai_stream_t *st, u_char *p,
    u_char *last);
static ngx_int_t ngx_http_ai_stream_event(ngx_http_ai_stream_t *st,
    ngx_http_ai_sse_event_t *ev);
static ngx_int_t ngx_http_ai_stream_rewrite(ngx_http_request_t *r,
    ngx_http_ai_stream_t *st, ngx_chain_t *in, ngx_chain_t **out);
static ngx_int_t ngx_http_ai_stream_cut(ngx_http_request_t *r,
    ngx_http_ai_stream_t *st, ngx_buf_t *b, ngx_chain_t ***ll);
static ngx_int_t ngx_http_ai_stream_rest(ngx_http_request_t *r,
    ngx_http_ai_stream_t *st, u_char *p, size_t n, ngx_chain_t ***ll);
static ngx_int_t ngx_http_ai_stream_link(ngx_http_request_t *r, ngx_buf_t *b,
    ngx_chain_t ***ll);
static void ngx_http_ai_stream_release(ngx_http_ai_stream_t *st,
    ngx_chain_t ***ll);


void
ngx_http_ai_stream_reset(ngx_http_ai_stream_t *st)
{
    ngx_memzero(&st->scan, sizeof(ngx_http_ai_usage_scan_t));
}


static ngx_int_t
ngx_http_ai_stream_doc(ngx_http_request_t *r, ngx_http_ai_stream_t *st)
{
    if (st->doc == NULL) {
        st->doc = ngx_palloc(r->pool, sizeof(ngx_http_ai_usage_doc_t));
    }

    return st->doc ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_ai_stream_peek(ngx_http_request_t *r, ngx_http_ai_stream_t *st,
    const ngx_http_ai_provider_t *provider)
{
    if (st->carry == NULL) {
        st->carry = ngx_palloc(r->pool, NGX_HTTP_AI_STREAM_CARRY);
        if (st->carry == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_http_ai_usage_scan_init(&st->scan, NGX_HTTP_AI_USAGE_SCAN_SSE,
                                provider, st->carry,
                                NGX_HTTP_AI_STREAM_CARRY, st->doc);
    return NGX_OK;
}


/* most streams never have an event so long that memory is needed for it */

ngx_int_t
ngx_http_ai_stream_next(ngx_http_request_t *r, ngx_http_ai_stream_t *st,
    u_char **pos, u_char *last, ngx_http_ai_sse_event_t *ev)
{
    if (ngx_http_ai_usage_scan_needs_doc(&st->scan, (size_t) (last - *pos))) {

        if (ngx_http_ai_stream_doc(r, st) != NGX_OK) {
            return NGX_ERROR;
        }

        st->scan.doc = st->doc;
    }

    return ngx_http_ai_usage_scan_next(&st->scan, pos, last, ev);
}


ngx_int_t
ngx_http_ai_stream_start(ngx_http_request_t *r, ngx_http_ai_stream_t *st,
    ngx_http_ai_usage_scan_mode_e mode,
    const ngx_http_ai_provider_t *provider, ngx_uint_t drop_usage)
{
    st->mode = mode;

    if (mode == NGX_HTTP_AI_USAGE_SCAN_SSE) {
        st->drop_usage = drop_usage;
        return ngx_http_ai_stream_peek(r, st, provider);
    }

    if (ngx_http_ai_stream_doc(r, st) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_ai_usage_scan_init(&st->scan, mode, provider, NULL, 0, st->doc);

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_stream_filter(ngx_http_request_t *r, ngx_http_ai_stream_t *st,
    ngx_chain_t *in, ngx_chain_t **out)
{
    if (st->mode == NGX_HTTP_AI_USAGE_SCAN_SSE && st->drop_usage) {
        return ngx_http_ai_stream_rewrite(r, st, in, out);
    }

    *out = in;

    return ngx_http_ai_stream_watch(r, st, in);
}


/* reads what passes, changes nothing */

static ngx_int_t
ngx_http_ai_stream_watch(ngx_http_request_t *r, ngx_http_ai_stream_t *st,
    ngx_chain_t *in)
{
    ngx_buf_t  *b;

    for ( /* void */ ; in; in = in->next) {

        b = in->buf;

        if (!ngx_buf_in_memory(b) || b->pos == b->last) {
            continue;
        }

        if (ngx_http_ai_stream_read(r, st, b->pos, b->last) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_stream_read(ngx_http_request_t *r, ngx_http_ai_stream_t *st,
    u_char *p, u_char *last)
{
    u_char                   *event;
    ngx_int_t                 rc;
    ngx_http_ai_sse_event_t   ev;

    if (st->mode != NGX_HTTP_AI_USAGE_SCAN_SSE) {
        ngx_http_ai_usage_scan_feed(&st->scan, p, last - p);
        return NGX_OK;
    }

    for ( ;; ) {

        event = p;
        rc = ngx_http_ai_stream_next(r, st, &p, last, &ev);

        if (rc != NGX_OK) {
            break;
        }

        (void) ngx_http_ai_stream_event(st, &ev);
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    ngx_http_ai_stream_pending(st, event, last);

    return NGX_OK;
}


/* bytes of an unfinished event are progress too, unless it is a comment */

static void
ngx_http_ai_stream_pending(ngx_http_ai_stream_t *st, u_char *p, u_char *last)
{
    if (p == last) {
        return;
    }

    if (!st->open) {
        st->open = 1;
        st->comment = (*p == ':');
    }

    st->progress |= !st->comment;
}


/* notes what an event says; NGX_DECLINED: the client shall not get it */

static ngx_int_t
ngx_http_ai_stream_event(ngx_http_ai_stream_t *st,
    ngx_http_ai_sse_event_t *ev)
{
    st->open = 0;

    /* Anthropic's pings are comments in other words */

    st->progress |= ev->kind != NGX_HTTP_AI_SSE_COMMENT
                    && !(ev->name.len == 4
                         && ngx_memcmp(ev->name.data, "ping", 4) == 0);

    if (ngx_http_ai_usage_scan_event(&st->scan, ev, NULL) == NGX_DECLINED
        && st->drop_usage && !st->dropped)
    {
        st->dropped = 1;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/*
 * Passes whole events only, so that one can be left out byte-exactly: the
 * bytes of an unfinished event wait in a buf of ours, unless it grows too
 * long to be the usage chunk.  The chain's links belong to others, hence a
 * chain of our own; within a buf the kept events close the gap.
 */

static ngx_int_t
ngx_http_ai_stream_rewrite(ngx_http_request_t *r, ngx_http_ai_stream_t *st,
    ngx_chain_t *in, ngx_chain_t **out)
{
    ngx_buf_t     *b;
    ngx_chain_t  **ll;

    *out = NULL;
    ll = out;

    for ( /* void */ ; in; in = in->next) {

        b = in->buf;

        if (ngx_buf_in_memory(b) && b->pos != b->last) {

            if (ngx_http_ai_stream_cut(r, st, b, &ll) != NGX_OK) {
                return NGX_ERROR;
            }

            if (b->pos == b->last && !b->last_buf && !b->last_in_chain) {
                continue;
            }
        }

        if (b->last_buf || b->last_in_chain) {
            /* the stream is over: an unfinished event passes as it is */
            ngx_http_ai_stream_release(st, &ll);
        }

        if (ngx_http_ai_stream_link(r, b, &ll) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_stream_cut(ngx_http_request_t *r, ngx_http_ai_stream_t *st,
    ngx_buf_t *b, ngx_chain_t ***ll)
{
    u_char                   *p, *event, *keep;
    ngx_int_t                 rc;
    ngx_uint_t                flowing;
    ngx_http_ai_sse_event_t   ev;

    p = b->pos;
    keep = b->pos;

    for ( ;; ) {

        event = p;

        rc = ngx_http_ai_stream_next(r, st, &p, b->last, &ev);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc != NGX_OK) {
            break;
        }

        flowing = st->flowing;
        st->flowing = 0;

        if (ngx_http_ai_stream_event(st, &ev) == NGX_DECLINED && !flowing) {

            if (st->hold) {
                st->hold->buf->last = st->hold->buf->pos;
            }

            continue;
        }

        ngx_http_ai_stream_release(st, ll);

        if (keep != event) {
            ngx_memmove(keep, event, p - event);
        }

        keep += p - event;
    }

    ngx_http_ai_stream_pending(st, event, b->last);

    if (event != b->last && !st->flowing) {

        if (ngx_http_ai_stream_rest(r, st, event, b->last - event, ll)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (st->flowing && event != b->last) {

        if (keep != event) {
            ngx_memmove(keep, event, b->last - event);
        }

        keep += b->last - event;
    }

    b->last = keep;

    return NGX_OK;
}


/* keeps the bytes of an unfinished event back, or lets it flow */

static ngx_int_t
ngx_http_ai_stream_rest(ngx_http_request_t *r, ngx_http_ai_stream_t *st,
    u_char *p, size_t n, ngx_chain_t ***ll)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (st->hold == NULL) {

        cl = ngx_chain_get_free_buf(r->pool, &st->free);
        if (cl == NULL) {
            return NGX_ERROR;
        }

        b = cl->buf;

        if (b->start == NULL) {
            b->start = ngx_palloc(r->pool, NGX_HTTP_AI_STREAM_CARRY);
            if (b->start == NULL) {
                return NGX_ERROR;
            }

            b->end = b->start + NGX_HTTP_AI_STREAM_CARRY;
            b->memory = 1;
            b->flush = 1;
            b->tag = (ngx_buf_tag_t) &ngx_http_ai_stream_filter;
        }

        b->pos = b->start;
        b->last = b->start;

        st->hold = cl;
    }

    b = st->hold->buf;

    if ((size_t) (b->end - b->last) >= n) {
        b->last = ngx_cpymem(b->last, p, n);
        return NGX_OK;
    }

    ngx_http_ai_stream_release(st, ll);
    st->flowing = 1;

    return NGX_OK;
}


/* what was held goes out before what follows it */

static void
ngx_http_ai_stream_release(ngx_http_ai_stream_t *st, ngx_chain_t ***ll)
{
    if (st->hold == NULL || st->hold->buf->pos == st->hold->buf->last) {
        return;
    }

    **ll = st->hold;
    st->hold->next = NULL;
    *ll = &st->hold->next;

    st->hold = NULL;
}


static ngx_int_t
ngx_http_ai_stream_link(ngx_http_request_t *r, ngx_buf_t *b,
    ngx_chain_t ***ll)
{
    ngx_chain_t  *cl;

    cl = ngx_alloc_chain_link(r->pool);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    cl->buf = b;
    cl->next = NULL;

    **ll = cl;
    *ll = &cl->next;

    return NGX_OK;
}


void
ngx_http_ai_stream_sent(ngx_http_request_t *r, ngx_http_ai_stream_t *st,
    ngx_chain_t **out)
{
    ngx_chain_t  *cl, *next, **ll;

    if (!st->drop_usage) {
        return;
    }

    for (ll = &st->busy; *ll; ll = &(*ll)->next) { /* void */ }

    for (cl = *out; cl; cl = next) {

        next = cl->next;

        if (cl->buf->tag != (ngx_buf_tag_t) &ngx_http_ai_stream_filter) {
            ngx_free_chain(r->pool, cl);
            continue;
        }

        cl->next = NULL;
        *ll = cl;
        ll = &cl->next;
    }

    *out = NULL;

    while (st->busy && st->busy->buf->pos == st->busy->buf->last) {
        cl = st->busy;
        st->busy = cl->next;
        cl->next = st->free;
        st->free = cl;
    }
}


ngx_int_t
ngx_http_ai_stream_whole(ngx_http_request_t *r, ngx_http_ai_stream_t *st,
    ngx_str_t *body)
{
    if (ngx_http_ai_stream_doc(r, st) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_ai_usage_scan_init(&st->scan, NGX_HTTP_AI_USAGE_SCAN_JSON, NULL,
                                NULL, 0, st->doc);

    ngx_http_ai_usage_scan_feed(&st->scan, body->data, body->len);

    return ngx_http_ai_usage_scan_end(&st->scan);
}


ngx_int_t
ngx_http_ai_stream_end(ngx_http_ai_stream_t *st)
{
    if (st->mode == NGX_HTTP_AI_USAGE_SCAN_OFF) {
        return NGX_OK;
    }

    if (st->mode != NGX_HTTP_AI_USAGE_SCAN_SSE) {
        st->mode = NGX_HTTP_AI_USAGE_SCAN_OFF;
    }

    return ngx_http_ai_usage_scan_end(&st->scan);
}
