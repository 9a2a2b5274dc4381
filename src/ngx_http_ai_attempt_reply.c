
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Reads an answer off the upstream connection: status line, headers, and the
 * body without its transfer coding.
 */


#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_compat.h"


typedef struct {
    ngx_str_t                 name;
    size_t                    offset;
} ngx_http_ai_reply_header_t;


static ngx_int_t ngx_http_ai_attempt_header(ngx_http_request_t *r);
static ngx_int_t ngx_http_ai_attempt_header_line(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
static ngx_int_t ngx_http_ai_attempt_header_done(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
static void ngx_http_ai_attempt_drop_nominated(ngx_list_t *headers);
static ngx_int_t ngx_http_ai_attempt_invalid(ngx_http_ai_attempt_t *at,
    ngx_log_t *log, const char *what);
static void ngx_http_ai_attempt_note(ngx_http_ai_reply_t *reply,
    ngx_table_elt_t *h);
static ngx_uint_t ngx_http_ai_attempt_returned(ngx_http_ai_main_conf_t *amcf,
    ngx_table_elt_t *h);
static ngx_buf_t *ngx_http_ai_attempt_out(ngx_http_request_t *r,
    ngx_chain_t ***ll);
static void ngx_http_ai_attempt_chunks(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, ngx_chain_t **ll);


/* what is kept of an answer's headers for the verdict and the record */

static ngx_http_ai_reply_header_t  ngx_http_ai_reply_headers[] = {

    { ngx_string("content-type"),
      offsetof(ngx_http_ai_reply_t, content_type) },
    { ngx_string("retry-after"),
      offsetof(ngx_http_ai_reply_t, retry_after) },
    { ngx_string("retry-after-ms"),
      offsetof(ngx_http_ai_reply_t, retry_after_ms) },
    { ngx_string("x-should-retry"),
      offsetof(ngx_http_ai_reply_t, should_retry) },
    { ngx_string("x-amzn-errortype"),
      offsetof(ngx_http_ai_reply_t, error_type) },

    /* the provider's request id, by wire.md A4 */
    { ngx_string("x-request-id"),
      offsetof(ngx_http_ai_reply_t, request_id) },
    { ngx_string("request-id"),
      offsetof(ngx_http_ai_reply_t, request_id) },
    { ngx_string("apim-request-id"),
      offsetof(ngx_http_ai_reply_t, request_id) },
    { ngx_string("x-amzn-requestid"),
      offsetof(ngx_http_ai_reply_t, request_id) },
    { ngx_string("x-kong-request-id"),
      offsetof(ngx_http_ai_reply_t, request_id) },

    { ngx_null_string, 0 }
};


/* families of answer headers that stay here, beside amcf->not_returned */

static ngx_str_t  ngx_http_ai_not_returned_prefixes[] = {
    ngx_string("x-ratelimit-"),
    ngx_string("ratelimit"),
    ngx_string("anthropic-ratelimit-"),
    ngx_string("anthropic-organization"),
    ngx_string("x-accel-"),
    ngx_string("x-ai-"),
    ngx_null_string
};


ngx_int_t
ngx_http_ai_attempt_status_line(ngx_http_request_t *r)
{
    size_t                  len;
    ngx_int_t               rc;
    ngx_http_upstream_t    *u;
    ngx_http_ai_ctx_t      *ctx;
    ngx_http_ai_attempt_t  *at;

    u = r->upstream;
    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);
    at = ctx->attempt;

    rc = ngx_http_parse_status_line(r, &u->buffer, &at->status);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (rc == NGX_ERROR) {
        return ngx_http_ai_attempt_invalid(at, r->connection->log,
                                           "no valid HTTP status line");
    }

    if (at->status.code >= 200) {
        at->reply.status = at->status.code;

        if (u->state && u->state->status == 0) {
            u->state->status = at->status.code;
        }
    }

    u->headers_in.status_n = at->status.code;

    len = at->status.end - at->status.start;
    u->headers_in.status_line.len = len;
    u->headers_in.status_line.data = ngx_pnalloc(r->pool, len);
    if (u->headers_in.status_line.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(u->headers_in.status_line.data, at->status.start, len);

    if (at->status.http_version < NGX_HTTP_VERSION_11) {
        u->headers_in.connection_close = 1;
    }

    u->process_header = ngx_http_ai_attempt_header;

    return ngx_http_ai_attempt_header(r);
}


static ngx_int_t
ngx_http_ai_attempt_header(ngx_http_request_t *r)
{
    ngx_int_t               rc;
    ngx_http_ai_ctx_t      *ctx;
    ngx_http_ai_attempt_t  *at;

    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);
    at = ctx->attempt;

    for ( ;; ) {

        rc = ngx_http_parse_header_line(r, &r->upstream->buffer, 1);

        if (rc == NGX_OK) {
            rc = ngx_http_ai_attempt_header_line(r, at);
            if (rc != NGX_OK) {
                return rc;
            }

            continue;
        }

        if (rc == NGX_HTTP_PARSE_HEADER_DONE) {
            return ngx_http_ai_attempt_header_done(r, at);
        }

        if (rc == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        return ngx_http_ai_attempt_invalid(at, r->connection->log,
                                           "an invalid header line");
    }
}


static ngx_int_t
ngx_http_ai_attempt_header_line(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at)
{
    ngx_int_t                       rc;
    ngx_str_t                       name;
    ngx_table_elt_t                *h, line;
    ngx_http_upstream_t            *u;
    ngx_http_upstream_header_t     *hh;
    ngx_http_upstream_main_conf_t  *umcf;

    u = r->upstream;

    line.hash = r->header_hash;
    ngx_http_ai_header_init(&line);

    line.key.len = r->header_name_end - r->header_name_start;
    line.value.len = r->header_end - r->header_start;

    line.key.data = ngx_pnalloc(r->pool, 2 * line.key.len + 2
                                         + line.value.len);
    if (line.key.data == NULL) {
        return NGX_ERROR;
    }

    line.value.data = line.key.data + line.key.len + 1;
    line.lowcase_key = line.value.data + line.value.len + 1;

    ngx_memcpy(line.key.data, r->header_name_start, line.key.len);
    line.key.data[line.key.len] = '\0';
    ngx_memcpy(line.value.data, r->header_start, line.value.len);
    line.value.data[line.value.len] = '\0';

    /* the parser has it already, unless the name fills its buffer */

    if (line.key.len == r->lowcase_index) {
        ngx_memcpy(line.lowcase_key, r->lowcase_header, line.key.len);

    } else {
        ngx_strlow(line.lowcase_key, line.key.data, line.key.len);
    }

    ngx_http_ai_attempt_note(&at->reply, &line);

    name.data = line.lowcase_key;
    name.len = line.key.len;
    ngx_http_ai_headroom_header(&at->headroom, &name, &line.value,
                                ngx_time());

    if (!ngx_http_ai_attempt_returned(at->ctx->conf, &line)) {
        return NGX_OK;
    }

    if (at->status.code < 300 && line.key.len >= 11
        && ngx_strncmp(line.lowcase_key, "retry-after", 11) == 0)
    {
        /* of a success it is one more rate header (wire.md A4) */
        return NGX_OK;
    }

    h = ngx_list_push(&u->headers_in.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = line;

    umcf = ngx_http_get_module_main_conf(r, ngx_http_upstream_module);
    hh = ngx_hash_find(&umcf->headers_in_hash, line.hash, line.lowcase_key,
                       line.key.len);

    if (hh) {
        rc = hh->handler(r, h, hh->offset);

        if (rc == NGX_HTTP_UPSTREAM_INVALID_HEADER) {
            return ngx_http_ai_attempt_invalid(at, r->connection->log,
                                               "a contradictory header");
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_ai_attempt_note(ngx_http_ai_reply_t *reply, ngx_table_elt_t *h)
{
    ngx_str_t                   *value;
    ngx_http_ai_reply_header_t  *rh;

    if (h->key.len == 16
        && ngx_memcmp(h->lowcase_key, "content-encoding", 16) == 0)
    {
        reply->encoded = 1;
        return;
    }

    for (rh = ngx_http_ai_reply_headers; rh->name.len; rh++) {

        if (rh->name.len == h->key.len
            && ngx_memcmp(rh->name.data, h->lowcase_key, h->key.len) == 0)
        {
            value = (ngx_str_t *) ((u_char *) reply + rh->offset);

            if (value->len == 0) {
                *value = h->value;
            }

            return;
        }
    }
}


static ngx_uint_t
ngx_http_ai_attempt_returned(ngx_http_ai_main_conf_t *amcf,
    ngx_table_elt_t *h)
{
    ngx_str_t  *prefix;

    for (prefix = ngx_http_ai_not_returned_prefixes; prefix->len; prefix++) {

        if (h->lowcase_key[0] == prefix->data[0]
            && h->key.len >= prefix->len
            && ngx_memcmp(h->lowcase_key, prefix->data, prefix->len) == 0)
        {
            return 0;
        }
    }

    return ngx_hash_find(&amcf->not_returned, h->hash, h->lowcase_key,
                         h->key.len) == NULL;
}


static ngx_int_t
ngx_http_ai_attempt_header_done(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at)
{
    ngx_str_t                       *type;
    ngx_http_upstream_t             *u;
    ngx_http_upstream_headers_in_t   empty;

    u = r->upstream;

    if (at->status.code < 200) {

        /* 100 and 103 announce; the answer follows (RFC 9110, 15.2) */

        if (at->status.code == NGX_HTTP_SWITCHING_PROTOCOLS) {
            return ngx_http_ai_attempt_invalid(at, r->connection->log,
                                               "an unasked protocol switch");
        }

        ngx_memzero(&at->status, sizeof(ngx_http_status_t));
        ngx_memzero(&at->reply, sizeof(ngx_http_ai_reply_t));

        /* nothing that they said holds for it */

        ngx_memzero(&empty, sizeof(ngx_http_upstream_headers_in_t));

        empty.headers = u->headers_in.headers;
        empty.headers.part.nelts = 0;
        empty.headers.part.next = NULL;
        empty.trailers = u->headers_in.trailers;
        empty.content_length_n = -1;
        empty.last_modified_time = -1;

        u->headers_in = empty;
        u->headers_in.headers.last = &u->headers_in.headers.part;
        u->headers_in.trailers.last = &u->headers_in.trailers.part;

        r->state = 0;
        u->process_header = ngx_http_ai_attempt_status_line;

        return ngx_http_ai_attempt_status_line(r);
    }

    if (at->status.code == NGX_HTTP_NO_CONTENT
        || at->status.code == NGX_HTTP_NOT_MODIFIED)
    {
        /* there is no body, whatever the headers say (RFC 9110, 6.4.1) */
        u->headers_in.content_length_n = 0;
        u->headers_in.chunked = 0;
    }

    if (u->headers_in.chunked) {
        u->headers_in.content_length_n = -1;
    }

    ngx_http_ai_attempt_drop_nominated(&u->headers_in.headers);

    type = &at->reply.content_type;

    at->reply.sse = type->len >= 17
                    && ngx_strncasecmp(type->data,
                                       (u_char *) "text/event-stream", 17)
                       == 0;

    at->reply.json = type->len >= 16
                     && ngx_strncasecmp(type->data,
                                        (u_char *) "application/json", 16)
                        == 0;

    if (at->ctx->facts.stream && at->ctx->facts.endpoint->stream_options
        && !at->reply.json)
    {
        /* a stream was asked for; the type is not reliable (wire.md A2) */
        at->reply.sse = 1;
    }

    at->hold.peek = u->buffer.pos - u->buffer.start;
    ngx_memzero(&at->hold.chunked, sizeof(ngx_http_chunked_t));

    u->process_header = ngx_http_ai_attempt_hold;

    return ngx_http_ai_attempt_hold(r);
}


/* what the answer's "Connection" names is for that hop only */

static void
ngx_http_ai_attempt_drop_nominated(ngx_list_t *headers)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    if (!ngx_http_ai_attempt_nominates(headers)) {
        return;
    }

    part = &headers->part;
    h = part->elts;

    for (i = 0; /* void */; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (ngx_http_ai_attempt_nominated(headers, &h[i])) {
            h[i].hash = 0;
        }
    }
}


static ngx_int_t
ngx_http_ai_attempt_invalid(ngx_http_ai_attempt_t *at, ngx_log_t *log,
    const char *what)
{
    ngx_log_error(NGX_LOG_ERR, log, 0, "ai account \"%V\" sent %s",
                  &at->target->name, what);

    ngx_http_ai_attempt_verdict(at, NGX_HTTP_AI_SERVER_ERROR);

    return NGX_HTTP_UPSTREAM_INVALID_HEADER;
}


ngx_int_t
ngx_http_ai_attempt_filter_init(void *data)
{
    ngx_http_request_t  *r = data;

    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (u->headers_in.status_n == NGX_HTTP_NO_CONTENT
        || u->headers_in.status_n == NGX_HTTP_NOT_MODIFIED)
    {
        u->length = 0;

    } else if (u->headers_in.chunked) {
        u->length = 1;      /* until the last chunk */
        return NGX_OK;

    } else {
        u->length = u->headers_in.content_length_n;
    }

    if (u->length == 0) {
        u->keepalive = !u->headers_in.connection_close;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_attempt_filter(void *data, ssize_t bytes)
{
    ngx_http_request_t  *r = data;

    ngx_buf_t              *b, *buf;
    ngx_chain_t            *cl, **ll;
    ngx_http_upstream_t    *u;
    ngx_http_ai_ctx_t      *ctx;

    u = r->upstream;
    buf = &u->buffer;
    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);

    for (cl = u->out_bufs, ll = &u->out_bufs; cl; cl = cl->next) {
        ll = &cl->next;
    }

    buf->pos = buf->last;
    buf->last += bytes;

    ngx_http_ai_attempt_progress(ctx->attempt, 0);

    if (u->headers_in.chunked) {
        ngx_http_ai_attempt_chunks(r, ctx->attempt, ll);
        return NGX_OK;
    }

    if (u->length == 0) {
        /* bytes after the answer would be taken for the next one */
        u->keepalive = 0;
        return NGX_OK;
    }

    b = ngx_http_ai_attempt_out(r, &ll);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = buf->pos;
    b->last = buf->last;

    if (u->length == -1) {
        return NGX_OK;
    }

    if (bytes > u->length) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "ai account \"%V\" sent more than its Content-Length",
                      &ctx->attempt->target->name);

        b->last = b->pos + (size_t) u->length;
        u->length = 0;
        return NGX_OK;
    }

    u->length -= bytes;

    if (u->length == 0) {
        u->keepalive = !u->headers_in.connection_close;
    }

    return NGX_OK;
}


/*
 * A broken chunk sets u->error instead of failing: the core then ends the
 * request through its 502 path, where the client still gets an honest end.
 */

static void
ngx_http_ai_attempt_chunks(ngx_http_request_t *r, ngx_http_ai_attempt_t *at,
    ngx_chain_t **ll)
{
    ngx_buf_t            *b, *buf;
    ngx_int_t             rc;
    ngx_http_upstream_t  *u;

    u = r->upstream;
    buf = &u->buffer;

    for ( ;; ) {

        rc = ngx_http_ai_parse_chunked(r, buf, &at->chunked);

        if (rc == NGX_OK) {

            b = ngx_http_ai_attempt_out(r, &ll);
            if (b == NULL) {
                u->error = 1;
                return;
            }

            b->pos = buf->pos;

            if (buf->last - buf->pos >= at->chunked.size) {
                buf->pos += (size_t) at->chunked.size;
                at->chunked.size = 0;

            } else {
                at->chunked.size -= buf->last - buf->pos;
                buf->pos = buf->last;
            }

            b->last = buf->pos;

            continue;
        }

        if (rc == NGX_DONE) {
            u->keepalive = !u->headers_in.connection_close
                           && buf->pos == buf->last;
            u->length = 0;
            return;
        }

        if (rc == NGX_AGAIN) {
            return;
        }

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "ai account \"%V\" sent an invalid chunk",
                      &at->target->name);

        u->error = 1;
        return;
    }
}


/* a buf for the core's out_bufs; reused when the client has taken it */

static ngx_buf_t *
ngx_http_ai_attempt_out(ngx_http_request_t *r, ngx_chain_t ***ll)
{
    ngx_buf_t            *b;
    ngx_chain_t          *cl;
    ngx_http_upstream_t  *u;

    u = r->upstream;

    cl = ngx_chain_get_free_buf(r->pool, &u->free_bufs);
    if (cl == NULL) {
        return NULL;
    }

    **ll = cl;
    *ll = &cl->next;

    b = cl->buf;
    b->flush = 1;
    b->memory = 1;
    b->tag = u->output.tag;

    return b;
}
