
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_request.h"

#include <openssl/rand.h>


#define NGX_HTTP_AI_SCAN_WINDOW   65536
#define NGX_HTTP_AI_RAW_MODEL     (6 * NGX_HTTP_AI_MAX_MODEL + 2)
#define NGX_HTTP_AI_RAW_OPTIONS   1024
#define NGX_HTTP_AI_RAW_KEY       256

#define NGX_HTTP_AI_BYTES_PER_TOKEN  4
#define NGX_HTTP_AI_OUTPUT_TOKENS    1024      /* without max_tokens */
#define NGX_HTTP_AI_MAX_TOKENS       1000000000    /* more is no number */


enum {
    NGX_HTTP_AI_M_MODEL = 0,
    NGX_HTTP_AI_M_STREAM,
    NGX_HTTP_AI_M_OPTIONS,
    NGX_HTTP_AI_M_PREVIOUS,
    NGX_HTTP_AI_M_CONVERSATION,
    NGX_HTTP_AI_M_CACHE_KEY,
    NGX_HTTP_AI_M_MAX_TOKENS,
    NGX_HTTP_AI_M_MAX_COMPLETION,
    NGX_HTTP_AI_M_MAX_OUTPUT,
    NGX_HTTP_AI_MEMBERS
};


typedef struct {
    ngx_http_ai_json_t         json;
    ngx_http_ai_json_member_t  members[NGX_HTTP_AI_MEMBERS];
    u_char                     model[NGX_HTTP_AI_RAW_MODEL];
    u_char                     stream[8];
    u_char                     options[NGX_HTTP_AI_RAW_OPTIONS];
    u_char                     cache_key[NGX_HTTP_AI_RAW_KEY];
    u_char                     max[3][NGX_INT32_LEN];
} ngx_http_ai_scan_t;


static ngx_int_t ngx_http_ai_request_ids(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);
static ngx_int_t ngx_http_ai_request_random(u_char *p, size_t n);
static ngx_table_elt_t *ngx_http_ai_request_header(ngx_http_request_t *r,
    const char *name, size_t len);
static ngx_uint_t ngx_http_ai_request_sane_id(ngx_str_t *id);
static ngx_uint_t ngx_http_ai_request_sane_model(ngx_str_t *model);
static void ngx_http_ai_request_locate(ngx_http_ai_ctx_t *ctx);
static void ngx_http_ai_request_tail(ngx_http_request_t *r,
    ngx_str_t *prefix, ngx_str_t *tail);
static void ngx_http_ai_request_scan_init(ngx_http_ai_scan_t *scan);
static ngx_int_t ngx_http_ai_request_feed(ngx_http_request_t *r,
    ngx_http_ai_scan_t *scan);
static ngx_int_t ngx_http_ai_request_feed_file(ngx_http_request_t *r,
    ngx_http_ai_scan_t *scan, ngx_buf_t *b);
static ngx_int_t ngx_http_ai_request_refuse(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_scan_t *scan);
static ngx_int_t ngx_http_ai_request_model(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_json_member_t *m);
static ngx_int_t ngx_http_ai_request_stream(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_json_member_t *m);
static void ngx_http_ai_request_tokens(ngx_http_ai_facts_t *facts,
    ngx_http_ai_json_member_t *m);
static void ngx_http_ai_request_key(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_json_member_t *m);
static void ngx_http_ai_request_options(ngx_http_ai_facts_t *facts,
    ngx_http_ai_json_member_t *m);


ngx_http_ai_ctx_t *
ngx_http_ai_request_ctx(ngx_http_request_t *r)
{
    ngx_http_ai_ctx_t        *ctx;
    ngx_http_ai_main_conf_t  *amcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);
    if (ctx) {
        return ctx;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_ai_ctx_t));
    if (ctx == NULL) {
        return NULL;
    }

    amcf = ngx_http_get_module_main_conf(r, ngx_http_ai_route_module);

    ctx->request = r;
    ctx->conf = amcf;
    ctx->policy = amcf->default_class;
    ctx->outcome = NGX_HTTP_AI_OUTCOME_REJECTED;
    ctx->start = ngx_current_msec;
    ctx->start_ms = (int64_t) r->start_sec * 1000 + r->start_msec;

    if (ngx_http_ai_request_ids(r, ctx) != NGX_OK) {
        return NULL;
    }

    ngx_http_ai_request_locate(ctx);

    ngx_http_set_ctx(r, ctx, ngx_http_ai_route_module);

    return ctx;
}


static ngx_int_t
ngx_http_ai_request_ids(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    u_char            id[16];
    ngx_table_elt_t  *h;

    if (ngx_http_ai_request_random(id, sizeof(id)) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_hex_dump(ctx->event_id, id, sizeof(id));

    h = ngx_http_ai_request_header(r, "x-request-id",
                                   sizeof("x-request-id") - 1);

    if (h && ngx_http_ai_request_sane_id(&h->value)) {
        ctx->id = h->value;

    } else {
        ctx->id.data = ctx->event_id;
        ctx->id.len = sizeof(ctx->event_id);
    }

    return NGX_OK;
}


/* one call of the generator serves several requests */

static ngx_int_t
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


static ngx_table_elt_t *
ngx_http_ai_request_header(ngx_http_request_t *r, const char *name,
    size_t len)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return NULL;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len == len
            && ngx_memcmp(h[i].lowcase_key, name, len) == 0)
        {
            return &h[i];
        }
    }
}


static ngx_uint_t
ngx_http_ai_request_sane_id(ngx_str_t *id)
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


/* the name goes into headers and logs, so a line feed in it is an attack */

static ngx_uint_t
ngx_http_ai_request_sane_model(ngx_str_t *model)
{
    u_char  *p, *last;

    for (p = model->data, last = p + model->len; p < last; p++) {
        if (*p < 0x20 || *p == 0x7f) {
            return 0;
        }
    }

    return model->len != 0;
}


/*
 * What follows the location's prefix, without a slash between.  Empty, which
 * is no endpoint, where a rewrite led elsewhere or the prefix ends inside of
 * a word.
 */

static void
ngx_http_ai_request_tail(ngx_http_request_t *r, ngx_str_t *prefix,
    ngx_str_t *tail)
{
    u_char  *p, *last;

    ngx_str_null(tail);

    if (r->uri.len <= prefix->len
        || ngx_strncmp(r->uri.data, prefix->data, prefix->len) != 0)
    {
        return;
    }

    p = r->uri.data + prefix->len;
    last = r->uri.data + r->uri.len;

    if (*p == '/') {
        p++;

    } else if (prefix->len == 0 || p[-1] != '/') {
        return;
    }

    tail->data = p;
    tail->len = last - p;
}


static void
ngx_http_ai_request_locate(ngx_http_ai_ctx_t *ctx)
{
    ngx_http_ai_facts_t     *facts;
    ngx_http_ai_loc_conf_t  *alcf;

    facts = &ctx->facts;
    alcf = ngx_http_get_module_loc_conf(ctx->request,
                                        ngx_http_ai_route_module);

    ngx_http_ai_request_tail(ctx->request, &alcf->prefix, &facts->tail);

    facts->endpoint = ngx_http_ai_endpoint_find(facts->tail.data,
                                                facts->tail.len);
}


ngx_int_t
ngx_http_ai_request_class(ngx_http_ai_ctx_t *ctx)
{
    u_char                    list[512], *p, *last;
    ngx_uint_t                i;
    ngx_table_elt_t          *h;
    ngx_http_ai_class_t      *class, **classes;

    h = ngx_http_ai_request_header(ctx->request, "x-ai-class",
                                   sizeof("x-ai-class") - 1);
    if (h == NULL) {
        return NGX_OK;
    }

    class = ngx_http_ai_conf_find_class(ctx->conf, &h->value);

    if (class) {
        ctx->policy = class;
        return NGX_OK;
    }

    p = list;
    last = list + sizeof(list);
    classes = ctx->conf->classes.elts;

    for (i = 0; i < ctx->conf->classes.nelts; i++) {
        p = ngx_slprintf(p, last, i ? ", %V" : "%V", &classes[i]->name);
    }

    return ngx_http_ai_error_set(ctx->request, &ctx->error,
               NGX_HTTP_BAD_REQUEST, "invalid_request_error",
               "unknown class \"%V\" in X-AI-Class, known are: %*s",
               &h->value, (size_t) (p - list), list);
}


ngx_int_t
ngx_http_ai_request_endpoint(ngx_http_ai_ctx_t *ctx)
{
    ngx_http_request_t      *r;
    ngx_http_ai_loc_conf_t  *alcf;

    r = ctx->request;
    alcf = ngx_http_get_module_loc_conf(r, ngx_http_ai_route_module);

    if (ctx->facts.endpoint == NULL) {
        ctx->error.verdict = NGX_HTTP_AI_INVALID_REQUEST;
        return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_NOT_FOUND,
                   "not_found",
                   "unknown path %V, below %V this gateway serves POST "
                   "requests to chat/completions, completions, responses, "
                   "embeddings, messages, moderations, rerank, "
                   "images/generations and audio/speech",
                   &r->uri, &alcf->prefix);
    }

    if (r->method != NGX_HTTP_POST) {
        return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_NOT_ALLOWED,
                   "method_not_allowed", "%V takes POST requests, not %V",
                   &r->uri, &r->method_name);
    }

    if (ngx_http_ai_request_header(r, "content-encoding",
                                   sizeof("content-encoding") - 1))
    {
        return ngx_http_ai_error_set(r, &ctx->error,
                   NGX_HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type",
                   "compressed request bodies are not supported, send it "
                   "without Content-Encoding");
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_request_scan(ngx_http_ai_ctx_t *ctx)
{
    ngx_int_t             rc;
    ngx_http_request_t   *r;
    ngx_http_ai_scan_t    scan;
    ngx_http_ai_facts_t  *facts;

    r = ctx->request;
    facts = &ctx->facts;

    ngx_http_ai_request_scan_init(&scan);

    rc = ngx_http_ai_request_feed(r, &scan);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc != NGX_OK || ngx_http_ai_json_end(&scan.json) != NGX_OK) {
        return ngx_http_ai_request_refuse(ctx, &scan);
    }

    facts->size = scan.json.offset;
    facts->object = scan.json.object;
    facts->empty = scan.json.empty;

    rc = ngx_http_ai_request_model(ctx, &scan.members[NGX_HTTP_AI_M_MODEL]);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_ai_request_stream(ctx, &scan.members[NGX_HTTP_AI_M_STREAM]);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_http_ai_request_options(facts, &scan.members[NGX_HTTP_AI_M_OPTIONS]);

    ngx_http_ai_request_tokens(facts, scan.members);
    ngx_http_ai_request_key(ctx, &scan.members[NGX_HTTP_AI_M_CACHE_KEY]);

    facts->pinned = facts->endpoint->bit == NGX_HTTP_AI_EP_RESPONSES
        && (scan.members[NGX_HTTP_AI_M_PREVIOUS].type
            > NGX_HTTP_AI_JSON_NULL
            || scan.members[NGX_HTTP_AI_M_CONVERSATION].type
               > NGX_HTTP_AI_JSON_NULL);

    return NGX_OK;
}


static void
ngx_http_ai_request_scan_init(ngx_http_ai_scan_t *scan)
{
    ngx_uint_t                  i;
    ngx_http_ai_json_member_t  *m;

    m = scan->members;
    ngx_memzero(m, sizeof(scan->members));

    ngx_str_set(&m[NGX_HTTP_AI_M_MODEL].name, "model");
    m[NGX_HTTP_AI_M_MODEL].buf = scan->model;
    m[NGX_HTTP_AI_M_MODEL].size = sizeof(scan->model);

    ngx_str_set(&m[NGX_HTTP_AI_M_STREAM].name, "stream");
    m[NGX_HTTP_AI_M_STREAM].buf = scan->stream;
    m[NGX_HTTP_AI_M_STREAM].size = sizeof(scan->stream);

    ngx_str_set(&m[NGX_HTTP_AI_M_OPTIONS].name, "stream_options");
    m[NGX_HTTP_AI_M_OPTIONS].buf = scan->options;
    m[NGX_HTTP_AI_M_OPTIONS].size = sizeof(scan->options);

    /* state that a provider keeps, wire.md A1, invariant 2 */
    ngx_str_set(&m[NGX_HTTP_AI_M_PREVIOUS].name, "previous_response_id");
    ngx_str_set(&m[NGX_HTTP_AI_M_CONVERSATION].name, "conversation");

    ngx_str_set(&m[NGX_HTTP_AI_M_CACHE_KEY].name, "prompt_cache_key");
    m[NGX_HTTP_AI_M_CACHE_KEY].buf = scan->cache_key;
    m[NGX_HTTP_AI_M_CACHE_KEY].size = sizeof(scan->cache_key);

    /* one thing with three names: chat, its reasoning models, Responses */

    ngx_str_set(&m[NGX_HTTP_AI_M_MAX_TOKENS].name, "max_tokens");
    ngx_str_set(&m[NGX_HTTP_AI_M_MAX_COMPLETION].name,
                "max_completion_tokens");
    ngx_str_set(&m[NGX_HTTP_AI_M_MAX_OUTPUT].name, "max_output_tokens");

    for (i = 0; i < 3; i++) {
        m[NGX_HTTP_AI_M_MAX_TOKENS + i].buf = scan->max[i];
        m[NGX_HTTP_AI_M_MAX_TOKENS + i].size = sizeof(scan->max[i]);
    }

    ngx_http_ai_json_init(&scan->json, m, NGX_HTTP_AI_MEMBERS, 1);
}


/* NGX_DECLINED: the scanner refused it */

static ngx_int_t
ngx_http_ai_request_feed(ngx_http_request_t *r, ngx_http_ai_scan_t *scan)
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
            rc = ngx_http_ai_json_feed(&scan->json, b->pos, b->last - b->pos)
                 == NGX_OK ? NGX_OK : NGX_DECLINED;

        } else if (b->in_file) {
            rc = ngx_http_ai_request_feed_file(r, scan, b);

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
ngx_http_ai_request_feed_file(ngx_http_request_t *r, ngx_http_ai_scan_t *scan,
    ngx_buf_t *b)
{
    off_t      offset;
    u_char    *window;
    ssize_t    n;
    ngx_int_t  rc;

    window = ngx_palloc(r->pool, NGX_HTTP_AI_SCAN_WINDOW);
    if (window == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_OK;

    for (offset = b->file_pos; offset < b->file_last; offset += n) {

        n = ngx_read_file(b->file, window,
                          (size_t) ngx_min(NGX_HTTP_AI_SCAN_WINDOW,
                                           b->file_last - offset),
                          offset);

        if (n <= 0) {
            rc = NGX_ERROR;
            break;
        }

        if (ngx_http_ai_json_feed(&scan->json, window, n) != NGX_OK) {
            rc = NGX_DECLINED;
            break;
        }
    }

    (void) ngx_pfree(r->pool, window);

    return rc;
}


static ngx_int_t
ngx_http_ai_request_refuse(ngx_http_ai_ctx_t *ctx, ngx_http_ai_scan_t *scan)
{
    if (scan->json.error == NGX_HTTP_AI_JSON_EEMPTY) {
        return ngx_http_ai_error_set(ctx->request, &ctx->error,
                   NGX_HTTP_BAD_REQUEST, "invalid_request_error",
                   "the request body is empty, a JSON object is needed");
    }

    return ngx_http_ai_error_set(ctx->request, &ctx->error,
               NGX_HTTP_BAD_REQUEST, "invalid_request_error",
               "the request body is not accepted: %s, at byte %O",
               ngx_http_ai_json_strerror(scan->json.error),
               scan->json.offset);
}


static ngx_int_t
ngx_http_ai_request_model(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_json_member_t *m)
{
    ngx_int_t             n;
    ngx_table_elt_t      *h;
    ngx_http_request_t   *r;
    ngx_http_ai_facts_t  *facts;

    r = ctx->request;
    facts = &ctx->facts;

    if (m->type == NGX_HTTP_AI_JSON_NONE) {

        h = ngx_http_ai_request_header(r, "x-ai-model",
                                       sizeof("x-ai-model") - 1);

        if (h && h->value.len <= NGX_HTTP_AI_MAX_MODEL
            && ngx_http_ai_request_sane_model(&h->value))
        {
            facts->model = h->value;
            return NGX_OK;
        }

        ngx_str_set(&ctx->error.param, "model");
        return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_BAD_REQUEST,
                   "invalid_request_error",
                   "the request names no model, \"model\" is needed");
    }

    ngx_str_set(&ctx->error.param, "model");

    if (m->type != NGX_HTTP_AI_JSON_STRING) {
        return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_BAD_REQUEST,
                   "invalid_request_error", "\"model\" must be a string");
    }

    facts->model.data = ngx_pnalloc(r->pool, NGX_HTTP_AI_MAX_MODEL);
    if (facts->model.data == NULL) {
        return NGX_ERROR;
    }

    n = m->len == (size_t) (m->end - m->start)
        ? ngx_http_ai_json_unquote(facts->model.data, NGX_HTTP_AI_MAX_MODEL,
                                   m->buf, m->len)
        : NGX_ERROR;

    facts->model.len = ngx_max(n, 0);

    if (!ngx_http_ai_request_sane_model(&facts->model)) {
        return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_BAD_REQUEST,
                   "invalid_request_error",
                   "\"model\" must be 1 to %d bytes without control "
                   "characters", NGX_HTTP_AI_MAX_MODEL);
    }

    facts->model_start = m->start;
    facts->model_end = m->end;

    ngx_str_null(&ctx->error.param);

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_request_stream(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_json_member_t *m)
{
    switch (m->type) {

    case NGX_HTTP_AI_JSON_TRUE:
        ctx->facts.stream = 1;
        return NGX_OK;

    case NGX_HTTP_AI_JSON_NONE:
    case NGX_HTTP_AI_JSON_NULL:
    case NGX_HTTP_AI_JSON_FALSE:
        return NGX_OK;

    default:
        ngx_str_set(&ctx->error.param, "stream");
        return ngx_http_ai_error_set(ctx->request, &ctx->error,
                   NGX_HTTP_BAD_REQUEST, "invalid_request_error",
                   "\"stream\" must be true or false");
    }
}


/* what limits reserve: an estimate that the true figures replace later */

static void
ngx_http_ai_request_tokens(ngx_http_ai_facts_t *facts,
    ngx_http_ai_json_member_t *m)
{
    ngx_int_t   n, max;
    ngx_uint_t  i;

    max = -1;

    for (i = NGX_HTTP_AI_M_MAX_TOKENS; i <= NGX_HTTP_AI_M_MAX_OUTPUT; i++) {

        if (m[i].type == NGX_HTTP_AI_JSON_NUMBER) {
            n = ngx_atoi(m[i].buf, m[i].len);
            max = ngx_max(max, ngx_min(n, NGX_HTTP_AI_MAX_TOKENS));
        }
    }

    facts->tokens = facts->size / NGX_HTTP_AI_BYTES_PER_TOKEN
                    + (max >= 0 ? max : NGX_HTTP_AI_OUTPUT_TOKENS);
}


/*
 * What requests with the same prompt prefix have in common: the route's own
 * variable, prompt_cache_key, or the session's header.
 */

static void
ngx_http_ai_request_key(ngx_http_ai_ctx_t *ctx, ngx_http_ai_json_member_t *m)
{
    ngx_str_t         key;
    ngx_table_elt_t  *h;

    key.data = m->buf;
    key.len = m->type == NGX_HTTP_AI_JSON_STRING ? m->len : 0;

    if (key.len == 0) {
        h = ngx_http_ai_request_header(ctx->request, "x-session-id",
                                       sizeof("x-session-id") - 1);
        if (h) {
            key = h->value;
        }
    }

    ctx->facts.key = ngx_http_ai_request_hash(&key);
}


/* without any key each request goes its own way */

uint64_t
ngx_http_ai_request_hash(const ngx_str_t *key)
{
    if (key->len == 0) {
        return (uint64_t) ngx_random() << 32 | ngx_random();
    }

    return (uint64_t) ngx_murmur_hash2(key->data, key->len) << 32
           | ngx_crc32_long(key->data, key->len);
}


static void
ngx_http_ai_request_options(ngx_http_ai_facts_t *facts,
    ngx_http_ai_json_member_t *m)
{
    ngx_http_ai_json_t         js;
    ngx_http_ai_json_member_t  include;

    if (m->type == NGX_HTTP_AI_JSON_NONE) {
        return;
    }

    facts->options_start = m->start;
    facts->options_end = m->end;

    if (m->type == NGX_HTTP_AI_JSON_NULL) {
        facts->options_null = 1;
        return;
    }

    ngx_memzero(&include, sizeof(ngx_http_ai_json_member_t));
    ngx_str_set(&include.name, "include_usage");

    ngx_http_ai_json_init(&js, &include, 1, 1);

    if (m->type != NGX_HTTP_AI_JSON_OBJECT
        || m->len != (size_t) (m->end - m->start)
        || ngx_http_ai_json_feed(&js, m->buf, m->len) != NGX_OK
        || ngx_http_ai_json_end(&js) != NGX_OK)
    {
        facts->options_odd = 1;
        return;
    }

    facts->options_empty = js.empty;

    switch (include.type) {

    case NGX_HTTP_AI_JSON_NONE:
        return;

    case NGX_HTTP_AI_JSON_TRUE:
        facts->include_usage = 1;
        return;

    case NGX_HTTP_AI_JSON_FALSE:
    case NGX_HTTP_AI_JSON_NULL:
        facts->include_start = m->start + include.start;
        facts->include_end = m->start + include.end;
        return;

    default:
        facts->options_odd = 1;
    }
}
