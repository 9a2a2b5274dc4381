
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* the metered answer: what it is, and its bytes, unpacked where they are not */


#include "ngx_http_ai_meter.h"
#include "pure/ngx_http_ai_providers.h"


#define NGX_HTTP_AI_METER_OUT     8192     /* bytes unpacked at once */

/*
 * Text of models packs to a third or a tenth, the envelopes of its events to
 * less.  Beyond these it is nobody's answer and would keep the worker busy.
 */

#define NGX_HTTP_AI_METER_FREE    (1024 * 1024)    /* bytes, without question */
#define NGX_HTTP_AI_METER_RATIO   200


typedef struct {
    ngx_str_t                      type;
    ngx_http_ai_usage_scan_mode_e  mode;
} ngx_http_ai_meter_type_t;


static ngx_http_ai_usage_scan_mode_e ngx_http_ai_meter_mode(
    ngx_http_request_t *r, ngx_http_ai_facts_t *facts);
static ngx_uint_t ngx_http_ai_meter_is(const ngx_str_t *type,
    const ngx_str_t *what);
static ngx_int_t ngx_http_ai_meter_decode(ngx_http_request_t *r,
    ngx_http_ai_meter_t *m);
static ngx_int_t ngx_http_ai_meter_read(ngx_http_request_t *r,
    ngx_http_ai_meter_t *m, u_char *p, u_char *last);
static ngx_int_t ngx_http_ai_meter_unzip(ngx_http_request_t *r,
    ngx_http_ai_meter_t *m, u_char *p, size_t n);
static void ngx_http_ai_meter_unread(ngx_http_request_t *r,
    ngx_http_ai_meter_t *m, ngx_uint_t why, const ngx_str_t *what);


static const ngx_http_ai_meter_type_t  ngx_http_ai_meter_types[] = {
    { ngx_string("text/event-stream"), NGX_HTTP_AI_USAGE_SCAN_SSE },
    { ngx_string("application/json"), NGX_HTTP_AI_USAGE_SCAN_JSON },
    { ngx_string("application/x-ndjson"), NGX_HTTP_AI_USAGE_SCAN_LINES },
    { ngx_string("application/ndjson"), NGX_HTTP_AI_USAGE_SCAN_LINES },
    { ngx_string("application/jsonl"), NGX_HTTP_AI_USAGE_SCAN_LINES },
    { ngx_string("application/stream+json"), NGX_HTTP_AI_USAGE_SCAN_LINES },
    { ngx_null_string, NGX_HTTP_AI_USAGE_SCAN_OFF }
};


void
ngx_http_ai_meter_head(ngx_http_request_t *r, ngx_http_ai_meter_t *m)
{
    ngx_http_ai_ctx_t              *ctx;
    ngx_http_ai_usage_scan_mode_e   mode;

    ctx = m->ctx;

    (void) ngx_http_ai_meter_look(r);

    m->head = 1;
    m->served.len = 0;

    ngx_http_ai_meter_unzip_end(m);

    ctx->stream.mode = NGX_HTTP_AI_USAGE_SCAN_OFF;
    ngx_http_ai_stream_reset(&ctx->stream);

    if (r->upstream == NULL
        || r->headers_out.status < NGX_HTTP_OK
        || r->headers_out.status >= NGX_HTTP_SPECIAL_RESPONSE
        || r->header_only || r->method == NGX_HTTP_HEAD)
    {
        return;
    }

#if (NGX_HTTP_CACHE)

    if (r->cached) {
        /* the provider has not made it again */
        return;
    }

#endif

    mode = ngx_http_ai_meter_mode(r, &ctx->facts);

    if (mode == NGX_HTTP_AI_USAGE_SCAN_OFF
        || ngx_http_ai_meter_decode(r, m) != NGX_OK)
    {
        return;
    }

    if (ngx_http_ai_stream_start(r, &ctx->stream, mode,
                                 m->known ? m->known->provider
                                          : &ngx_http_ai_provider_compatible,
                                 0)
        != NGX_OK)
    {
        ngx_http_ai_meter_unread(r, m, NGX_HTTP_AI_METER_NO_MEMORY, NULL);
        ngx_http_ai_meter_unzip_end(m);
        ctx->stream.mode = NGX_HTTP_AI_USAGE_SCAN_OFF;
        return;
    }

    ctx->stream.scan.model = &m->served;

    /* what is in files, of the cache or of a long answer, is read for us */

    r->filter_need_in_memory = 1;
}


static ngx_http_ai_usage_scan_mode_e
ngx_http_ai_meter_mode(ngx_http_request_t *r, ngx_http_ai_facts_t *facts)
{
    size_t                           n;
    ngx_str_t                       *type;
    const ngx_http_ai_meter_type_t  *t;

    type = &r->headers_out.content_type;

    for (t = ngx_http_ai_meter_types; t->type.len; t++) {
        if (ngx_http_ai_meter_is(type, &t->type)) {
            return t->mode;
        }
    }

    if (facts->stream && facts->endpoint && facts->endpoint->stream_options) {
        /* the type of a stream is not reliable (wire.md A2) */
        return NGX_HTTP_AI_USAGE_SCAN_SSE;
    }

    for (n = 0; n < type->len && type->data[n] != ';'; n++) { /* void */ }

    return n > 5 && ngx_strncasecmp(type->data + n - 5, (u_char *) "+json", 5)
                    == 0
           ? NGX_HTTP_AI_USAGE_SCAN_JSON : NGX_HTTP_AI_USAGE_SCAN_OFF;
}


static ngx_uint_t
ngx_http_ai_meter_is(const ngx_str_t *type, const ngx_str_t *what)
{
    return type->len >= what->len
           && ngx_strncasecmp(type->data, what->data, what->len) == 0
           && (type->len == what->len || type->data[what->len] == ';'
               || type->data[what->len] == ' ');
}


/* NGX_DECLINED: it is packed in a way that is not known here */

static ngx_int_t
ngx_http_ai_meter_decode(ngx_http_request_t *r, ngx_http_ai_meter_t *m)
{
    ngx_uint_t        i;
    ngx_table_elt_t  *h;

    static ngx_str_t  known[] = {
        ngx_string("gzip"),
        ngx_string("x-gzip"),
        ngx_string("deflate"),
        ngx_null_string
    };

    h = r->headers_out.content_encoding;

    if (h == NULL || h->value.len == 0
        || (h->value.len == 8
            && ngx_strncasecmp(h->value.data, (u_char *) "identity", 8) == 0))
    {
        return NGX_OK;
    }

    for (i = 0; known[i].len; i++) {

        if (h->value.len != known[i].len
            || ngx_strncasecmp(h->value.data, known[i].data, known[i].len)
               != 0)
        {
            continue;
        }

        ngx_memzero(&m->zip, sizeof(z_stream));

        /* 32: the head tells gzip from zlib, which "deflate" means */

        if (inflateInit2(&m->zip, MAX_WBITS + 32) != Z_OK) {
            ngx_http_ai_meter_unread(r, m, NGX_HTTP_AI_METER_NO_MEMORY, NULL);
            return NGX_ERROR;
        }

        m->zipped = 1;
        m->member = 0;
        m->packed = 0;
        m->unpacked = 0;

        return NGX_OK;
    }

    ngx_http_ai_meter_unread(r, m, NGX_HTTP_AI_METER_ENCODING, &h->value);

    return NGX_DECLINED;
}


void
ngx_http_ai_meter_body(ngx_http_request_t *r, ngx_http_ai_meter_t *m,
    ngx_chain_t *in)
{
    ngx_buf_t             *b;
    ngx_http_ai_stream_t  *st;

    st = &m->ctx->stream;

    for ( /* void */ ; in; in = in->next) {

        b = in->buf;

        if (st->mode != NGX_HTTP_AI_USAGE_SCAN_OFF
            && ngx_buf_in_memory(b) && b->pos != b->last
            && ngx_http_ai_meter_read(r, m, b->pos, b->last) != NGX_OK)
        {
            ngx_http_ai_meter_unzip_end(m);
            st->mode = NGX_HTTP_AI_USAGE_SCAN_OFF;
            ngx_http_ai_stream_reset(st);
        }

        if (!m->passed && !ngx_buf_special(b)
            && (st->mode != NGX_HTTP_AI_USAGE_SCAN_SSE || st->scan.content))
        {
            m->passed = 1;
            m->first = ngx_current_msec - m->ctx->start;
        }

        m->complete |= b->last_buf;
    }
}


/* not NGX_OK: what was read so far tells nothing */

static ngx_int_t
ngx_http_ai_meter_read(ngx_http_request_t *r, ngx_http_ai_meter_t *m,
    u_char *p, u_char *last)
{
    if (m->zipped) {
        return ngx_http_ai_meter_unzip(r, m, p, last - p);
    }

    if (ngx_http_ai_stream_read(r, &m->ctx->stream, p, last) == NGX_OK) {
        return NGX_OK;
    }

    ngx_http_ai_meter_unread(r, m, NGX_HTTP_AI_METER_NO_MEMORY, NULL);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_ai_meter_unzip(ngx_http_request_t *r, ngx_http_ai_meter_t *m,
    u_char *p, size_t n)
{
    int     rc;
    u_char  out[NGX_HTTP_AI_METER_OUT];

    m->zip.next_in = p;
    m->zip.avail_in = n;
    m->packed += n;

    for ( ;; ) {

        m->zip.next_out = out;
        m->zip.avail_out = sizeof(out);

        rc = inflate(&m->zip, Z_SYNC_FLUSH);

        if (m->zip.next_out != out
            && ngx_http_ai_stream_read(r, &m->ctx->stream, out,
                                       m->zip.next_out)
               != NGX_OK)
        {
            ngx_http_ai_meter_unread(r, m, NGX_HTTP_AI_METER_NO_MEMORY, NULL);
            return NGX_ERROR;
        }

        m->unpacked += m->zip.next_out - out;

        if (m->unpacked > NGX_HTTP_AI_METER_FREE
            && m->unpacked / NGX_HTTP_AI_METER_RATIO > m->packed)
        {
            ngx_http_ai_meter_unread(r, m, NGX_HTTP_AI_METER_EXPANDS, NULL);
            return NGX_DECLINED;
        }

        if (rc == Z_STREAM_END) {
            /* another member may follow */
            m->member = 1;
            (void) inflateReset(&m->zip);

        } else if (rc != Z_OK && rc != Z_BUF_ERROR) {

            if (m->member) {
                /* what follows the last one is nobody's */
                return NGX_OK;
            }

            ngx_http_ai_meter_unread(r, m, NGX_HTTP_AI_METER_BROKEN, NULL);
            return NGX_DECLINED;
        }

        if (rc == Z_BUF_ERROR
            || (m->zip.avail_in == 0 && m->zip.avail_out != 0))
        {
            return NGX_OK;
        }
    }
}


void
ngx_http_ai_meter_unzip_end(ngx_http_ai_meter_t *m)
{
    if (m->zipped) {
        (void) inflateEnd(&m->zip);
        m->zipped = 0;
    }
}


/* once per worker: what it takes to be read is the operator's to know */

static void
ngx_http_ai_meter_unread(ngx_http_request_t *r, ngx_http_ai_meter_t *m,
    ngx_uint_t why, const ngx_str_t *what)
{
    ngx_http_ai_main_conf_t  *amcf;

    amcf = m->ctx->conf;

    if (amcf->unread & why) {
        return;
    }

    amcf->unread |= why;

    switch (why) {

    case NGX_HTTP_AI_METER_ENCODING:
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "ai meter does not read an answer in the encoding "
                      "\"%V\", its record has no usage, \"proxy_set_header "
                      "Accept-Encoding \"\"\" keeps clients from asking for "
                      "it; further ones are not named", what);
        break;

    case NGX_HTTP_AI_METER_BROKEN:
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "ai meter cannot unpack an answer, its record has no "
                      "usage; further ones are not named");
        break;

    case NGX_HTTP_AI_METER_EXPANDS:
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "ai meter has stopped to unpack an answer, %O bytes of "
                      "it are more than %O already, its record has no usage; "
                      "further ones are not named", m->packed, m->unpacked);
        break;

    default: /* NGX_HTTP_AI_METER_NO_MEMORY */
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "ai meter has no memory to read an answer, its record "
                      "has no usage; further ones are not named");
    }
}
