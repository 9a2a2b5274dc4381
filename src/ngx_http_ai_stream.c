
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_stream.h"
#include "ngx_http_ai_conf.h"
#include "pure/ngx_http_ai_classify.h"


/* the members of a JSON answer that are read */

enum {
    NGX_HTTP_AI_STREAM_M_USAGE = 0,
    NGX_HTTP_AI_STREAM_MEMBERS
};


static ngx_int_t ngx_http_ai_stream_start_json(ngx_http_request_t *r,
    ngx_http_ai_stream_t *st);
static void ngx_http_ai_stream_watch(ngx_http_ai_stream_t *st,
    ngx_chain_t *in);
static void ngx_http_ai_stream_pending(ngx_http_ai_stream_t *st, u_char *p,
    u_char *last);
static ngx_int_t ngx_http_ai_stream_events(ngx_http_ai_stream_t *st,
    ngx_http_ai_sse_event_t *ev);
static ngx_uint_t ngx_http_ai_stream_usage(ngx_http_ai_stream_t *st,
    ngx_str_t *data);
static ngx_uint_t ngx_http_ai_stream_is_empty(u_char *p, size_t n);
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


ngx_int_t
ngx_http_ai_stream_carry(ngx_http_request_t *r, ngx_http_ai_stream_t *st)
{
    if (st->carry) {
        return NGX_OK;
    }

    st->carry = ngx_palloc(r->pool, NGX_HTTP_AI_STREAM_CARRY);

    return st->carry ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_ai_stream_start(ngx_http_request_t *r, ngx_http_ai_stream_t *st,
    const ngx_http_ai_provider_t *provider, ngx_uint_t sse,
    ngx_uint_t drop_usage)
{
    st->provider = provider;

    if (!sse) {
        return ngx_http_ai_stream_start_json(r, st);
    }

    if (ngx_http_ai_stream_carry(r, st) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_ai_sse_init(&st->sse, st->carry, NGX_HTTP_AI_STREAM_CARRY);

    st->mode = NGX_HTTP_AI_STREAM_SSE;
    st->drop_usage = drop_usage;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_stream_start_json(ngx_http_request_t *r, ngx_http_ai_stream_t *st)
{
    u_char                     *p;
    ngx_http_ai_json_member_t  *m;

    st->mode = NGX_HTTP_AI_STREAM_JSON;

    if (st->json) {
        ngx_http_ai_json_init(st->json, st->members,
                              NGX_HTTP_AI_STREAM_MEMBERS, 0);
        return NGX_OK;
    }

    p = ngx_palloc(r->pool,
                   sizeof(ngx_http_ai_json_t)
                   + NGX_HTTP_AI_STREAM_MEMBERS
                     * sizeof(ngx_http_ai_json_member_t)
                   + NGX_HTTP_AI_STREAM_USAGE);
    if (p == NULL) {
        return NGX_ERROR;
    }

    st->json = (ngx_http_ai_json_t *) p;
    p += sizeof(ngx_http_ai_json_t);

    m = (ngx_http_ai_json_member_t *) p;
    p += NGX_HTTP_AI_STREAM_MEMBERS * sizeof(ngx_http_ai_json_member_t);

    ngx_memzero(m, NGX_HTTP_AI_STREAM_MEMBERS
                   * sizeof(ngx_http_ai_json_member_t));

    ngx_str_set(&m[NGX_HTTP_AI_STREAM_M_USAGE].name, "usage");
    m[NGX_HTTP_AI_STREAM_M_USAGE].buf = p;
    m[NGX_HTTP_AI_STREAM_M_USAGE].size = NGX_HTTP_AI_STREAM_USAGE;

    ngx_http_ai_json_init(st->json, m, NGX_HTTP_AI_STREAM_MEMBERS, 0);

    st->members = m;

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_stream_filter(ngx_http_request_t *r, ngx_http_ai_stream_t *st,
    ngx_chain_t *in, ngx_chain_t **out)
{
    if (st->mode == NGX_HTTP_AI_STREAM_SSE && st->drop_usage) {
        return ngx_http_ai_stream_rewrite(r, st, in, out);
    }

    ngx_http_ai_stream_watch(st, in);

    *out = in;

    return NGX_OK;
}


/* reads what passes, changes nothing */

static void
ngx_http_ai_stream_watch(ngx_http_ai_stream_t *st, ngx_chain_t *in)
{
    u_char                   *p, *event;
    ngx_buf_t                *b;
    ngx_http_ai_sse_event_t   ev;

    for ( /* void */ ; in; in = in->next) {

        b = in->buf;

        if (!ngx_buf_in_memory(b) || b->pos == b->last) {
            continue;
        }

        if (st->mode == NGX_HTTP_AI_STREAM_JSON) {
            (void) ngx_http_ai_json_feed(st->json, b->pos, b->last - b->pos);
            continue;
        }

        p = b->pos;
        event = p;

        while (ngx_http_ai_sse_next(&st->sse, &p, b->last, &ev) == NGX_OK) {
            (void) ngx_http_ai_stream_events(st, &ev);
            event = p;
        }

        ngx_http_ai_stream_pending(st, event, b->last);
    }
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
ngx_http_ai_stream_events(ngx_http_ai_stream_t *st,
    ngx_http_ai_sse_event_t *ev)
{
    ngx_uint_t               kind;
    ngx_http_ai_judgement_t  judgement;

    st->open = 0;

    /* Anthropic's pings are comments in other words */

    st->progress |= ev->kind != NGX_HTTP_AI_SSE_COMMENT
                    && !(ev->name.len == 4
                         && ngx_memcmp(ev->name.data, "ping", 4) == 0);

    if (st->content && ngx_http_ai_classify_plain(ev)) {
        return NGX_OK;
    }

    kind = ngx_http_ai_classify_event(st->provider, ev, NULL);

    st->content |= (kind & NGX_HTTP_AI_EVENT_CONTENT) != 0;
    st->finish |= (kind & NGX_HTTP_AI_EVENT_FINISH) != 0;
    st->done |= (kind & NGX_HTTP_AI_EVENT_DONE) != 0;

    if (kind & NGX_HTTP_AI_EVENT_ERROR) {
        (void) ngx_http_ai_classify_event(st->provider, ev, &judgement);
        st->error = 1;
        st->verdict = judgement.verdict;
    }

    if (!(kind & NGX_HTTP_AI_EVENT_USAGE) || ev->truncated) {
        return NGX_OK;
    }

    if (ngx_http_ai_stream_usage(st, &ev->data)
        && st->drop_usage && !st->dropped)
    {
        st->dropped = 1;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/*
 * Counts an event's usage.  1: the event is the chunk that "include_usage"
 * adds, usage and an empty "choices".  Azure's first chunk has empty choices
 * too, but no usage (wire.md B).
 */

static ngx_uint_t
ngx_http_ai_stream_usage(ngx_http_ai_stream_t *st, ngx_str_t *data)
{
    u_char                     *p;
    ngx_str_t                   inner;
    ngx_http_ai_json_t          js;
    ngx_http_ai_json_member_t   m[3], *usage, *choices, *response;

    ngx_memzero(m, sizeof(m));

    usage = &m[0];
    choices = &m[1];
    response = &m[2];

    ngx_str_set(&usage->name, "usage");
    ngx_str_set(&choices->name, "choices");
    ngx_str_set(&response->name, "response");

    ngx_http_ai_json_init(&js, m, 3, 0);

    (void) ngx_http_ai_json_feed(&js, data->data, data->len);

    if (usage->type == NGX_HTTP_AI_JSON_OBJECT) {

        p = data->data + usage->start;
        (void) ngx_http_ai_tokens_usage(&st->tokens, p,
                                        usage->end - usage->start);

        return choices->type == NGX_HTTP_AI_JSON_ARRAY
               && ngx_http_ai_stream_is_empty(data->data + choices->start,
                                              choices->end - choices->start);
    }

    if (response->type == NGX_HTTP_AI_JSON_OBJECT) {

        /* the last event of the Responses API carries the whole answer */

        inner.data = data->data + response->start;
        inner.len = response->end - response->start;
        (void) ngx_http_ai_stream_usage(st, &inner);
    }

    return 0;
}


static ngx_uint_t
ngx_http_ai_stream_is_empty(u_char *p, size_t n)
{
    size_t  i;

    for (i = 1; i + 1 < n; i++) {
        if (p[i] != ' ' && p[i] != LF && p[i] != CR && p[i] != '\t') {
            return 0;
        }
    }

    return 1;
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
    ngx_uint_t                flowing;
    ngx_http_ai_sse_event_t   ev;

    p = b->pos;
    keep = b->pos;

    for ( ;; ) {

        event = p;

        if (ngx_http_ai_sse_next(&st->sse, &p, b->last, &ev) != NGX_OK) {
            break;
        }

        flowing = st->flowing;
        st->flowing = 0;

        if (ngx_http_ai_stream_events(st, &ev) == NGX_DECLINED && !flowing) {

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
    ngx_int_t  rc;

    if (ngx_http_ai_stream_start_json(r, st) != NGX_OK) {
        return NGX_ERROR;
    }

    (void) ngx_http_ai_json_feed(st->json, body->data, body->len);

    rc = ngx_http_ai_stream_end(st);

    if (rc != NGX_OK) {
        /* what is rejected is not counted for the one who serves */
        ngx_memzero(&st->tokens, sizeof(ngx_http_ai_tokens_t));
    }

    return rc;
}


ngx_int_t
ngx_http_ai_stream_end(ngx_http_ai_stream_t *st)
{
    ngx_int_t                   rc;
    ngx_http_ai_sse_event_t     ev;
    ngx_http_ai_json_member_t  *m;

    if (st->mode == NGX_HTTP_AI_STREAM_OFF) {
        return NGX_OK;
    }

    if (st->mode == NGX_HTTP_AI_STREAM_SSE) {

        if (ngx_http_ai_sse_end(&st->sse, &ev) == NGX_OK) {
            /* Gemini's raw JSON error ends with the stream, wire.md A5 */
            (void) ngx_http_ai_stream_events(st, &ev);
        }

        return st->finish || st->done || st->error ? NGX_OK : NGX_DECLINED;
    }

    st->mode = NGX_HTTP_AI_STREAM_OFF;

    rc = ngx_http_ai_json_end(st->json) == NGX_OK ? NGX_OK : NGX_DECLINED;

    m = &st->members[NGX_HTTP_AI_STREAM_M_USAGE];

    if (m->type == NGX_HTTP_AI_JSON_OBJECT
        && m->len == (size_t) (m->end - m->start))
    {
        (void) ngx_http_ai_tokens_usage(&st->tokens, m->buf, m->len);
    }

    return rc;
}
