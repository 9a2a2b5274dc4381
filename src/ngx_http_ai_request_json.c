
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * A body that is JSON: one pass over it for what routing, limits and prices
 * want to know, whatever its size.
 */


#include "ngx_http_ai_request.h"


#define NGX_HTTP_AI_RAW_MODEL     (6 * NGX_HTTP_AI_MAX_MODEL + 2)
#define NGX_HTTP_AI_RAW_KEY       256

#define NGX_HTTP_AI_MAX_TOKENS       1000000000    /* more is no number */

#define NGX_HTTP_AI_COUNTED                                                   \
    (NGX_HTTP_AI_EP_SPEECH|NGX_HTTP_AI_EP_EMBEDDINGS                          \
     |NGX_HTTP_AI_EP_MODERATIONS|NGX_HTTP_AI_EP_IMAGES)


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
    NGX_HTTP_AI_M_CHOICES,
    NGX_HTTP_AI_M_KNOBS,

    /* only where there are units to count */

    NGX_HTTP_AI_M_INPUT = NGX_HTTP_AI_M_KNOBS + NGX_HTTP_AI_KNOBS_MEMBERS,
    NGX_HTTP_AI_MEMBERS
};


typedef struct {
    ngx_http_ai_json_t         json;
    ngx_http_ai_json_member_t  members[NGX_HTTP_AI_MEMBERS];
    ngx_http_ai_json_t         options;    /* what is in "stream_options" */
    ngx_http_ai_json_member_t  include;
    u_char                     model[NGX_HTTP_AI_RAW_MODEL];
    u_char                     stream[8];
    u_char                     cache_key[NGX_HTTP_AI_RAW_KEY];
    u_char                     max[3][NGX_INT32_LEN];
    u_char                     choices[NGX_INT32_LEN];
    u_char                     knobs[NGX_HTTP_AI_KNOBS_MEMBERS]
                                    [NGX_HTTP_AI_KNOBS_RAW];
} ngx_http_ai_scan_t;


static void ngx_http_ai_request_scan_init(ngx_http_ai_scan_t *scan,
    const ngx_http_ai_endpoint_t *endpoint);
static ngx_int_t ngx_http_ai_request_feed_json(void *data, const u_char *p,
    size_t n);
static ngx_int_t ngx_http_ai_request_model_path(ngx_http_ai_ctx_t *ctx);
static ngx_int_t ngx_http_ai_request_refuse(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_scan_t *scan);
static ngx_int_t ngx_http_ai_request_model(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_json_member_t *m);
static ngx_int_t ngx_http_ai_request_stream(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_json_member_t *m);
static void ngx_http_ai_request_units(ngx_http_ai_facts_t *facts,
    ngx_http_ai_json_member_t *m);
static void ngx_http_ai_request_tokens(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_json_member_t *m);
static void ngx_http_ai_request_estimate(ngx_http_ai_ctx_t *ctx,
    int64_t prompt, int64_t max, const ngx_http_ai_json_member_t *choices);
static int64_t ngx_http_ai_request_choices(const ngx_http_ai_facts_t *facts,
    const ngx_http_ai_json_member_t *m);
static void ngx_http_ai_request_key(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_json_member_t *m);
static ngx_int_t ngx_http_ai_request_options(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_scan_t *scan);


ngx_int_t
ngx_http_ai_request_json(ngx_http_ai_ctx_t *ctx)
{
    ngx_int_t             rc;
    ngx_http_request_t   *r;
    ngx_http_ai_scan_t    scan;
    ngx_http_ai_facts_t  *facts;

    r = ctx->request;
    facts = &ctx->facts;

    ngx_http_ai_request_scan_init(&scan, facts->endpoint);

    rc = ngx_http_ai_request_feed(r, ngx_http_ai_request_feed_json,
                                  &scan.json);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc != NGX_OK || ngx_http_ai_json_end(&scan.json) != NGX_OK) {
        return ngx_http_ai_request_refuse(ctx, &scan);
    }

    facts->size = scan.json.offset;
    facts->object = scan.json.object;
    facts->empty = scan.json.empty;

    rc = ngx_http_ai_request_knobs(ctx, &scan.members[NGX_HTTP_AI_M_KNOBS]);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = facts->endpoint->model == NGX_HTTP_AI_MODEL_PATH
         ? ngx_http_ai_request_model_path(ctx)
         : ngx_http_ai_request_model(ctx, &scan.members[NGX_HTTP_AI_M_MODEL]);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_ai_request_stream(ctx, &scan.members[NGX_HTTP_AI_M_STREAM]);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_ai_request_options(ctx, &scan);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_http_ai_request_units(facts, scan.members);
    ngx_http_ai_request_tokens(ctx, scan.members);
    ngx_http_ai_request_key(ctx, &scan.members[NGX_HTTP_AI_M_CACHE_KEY]);

    facts->pinned = facts->endpoint->bit == NGX_HTTP_AI_EP_RESPONSES
        && (scan.members[NGX_HTTP_AI_M_PREVIOUS].type
            > NGX_HTTP_AI_JSON_NULL
            || scan.members[NGX_HTTP_AI_M_CONVERSATION].type
               > NGX_HTTP_AI_JSON_NULL);

    return NGX_OK;
}


static void
ngx_http_ai_request_scan_init(ngx_http_ai_scan_t *scan,
    const ngx_http_ai_endpoint_t *endpoint)
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
    m[NGX_HTTP_AI_M_OPTIONS].inner = &scan->options;

    ngx_memzero(&scan->include, sizeof(ngx_http_ai_json_member_t));
    ngx_str_set(&scan->include.name, "include_usage");

    ngx_http_ai_json_init(&scan->options, &scan->include, 1, 1);

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

    ngx_str_set(&m[NGX_HTTP_AI_M_INPUT].name, "input");
    m[NGX_HTTP_AI_M_INPUT].count = 1;

    ngx_str_set(&m[NGX_HTTP_AI_M_CHOICES].name, "n");
    m[NGX_HTTP_AI_M_CHOICES].buf = scan->choices;
    m[NGX_HTTP_AI_M_CHOICES].size = sizeof(scan->choices);

    m += NGX_HTTP_AI_M_KNOBS;

    for (i = 0; i < NGX_HTTP_AI_KNOBS_MEMBERS; i++) {
        m[i].name = *ngx_http_ai_knobs_name(i);
        m[i].buf = scan->knobs[i];
        m[i].size = NGX_HTTP_AI_KNOBS_RAW;
    }

    ngx_http_ai_json_init(&scan->json, scan->members,
                          endpoint->bit & NGX_HTTP_AI_COUNTED
                          ? NGX_HTTP_AI_MEMBERS : NGX_HTTP_AI_M_INPUT, 1);
}


static ngx_int_t
ngx_http_ai_request_feed_json(void *data, const u_char *p, size_t n)
{
    return ngx_http_ai_json_feed(data, p, n);
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
    ngx_int_t                   n;
    ngx_http_request_t         *r;
    ngx_http_ai_facts_t        *facts;
    const ngx_http_ai_knobs_t  *knobs;

    r = ctx->request;
    facts = &ctx->facts;

    if (m->type == NGX_HTTP_AI_JSON_NONE) {

        if (ngx_http_ai_request_model_header(ctx) == NGX_OK) {
            return NGX_OK;
        }

        knobs = ctx->plan.knobs;

        if (knobs && knobs->models.n
            && knobs->models.names[0].len <= NGX_HTTP_AI_MAX_MODEL
            && ngx_http_ai_request_sane_model(&knobs->models.names[0]))
        {
            /* a list of models alone: the first is the one that is meant */
            facts->model = knobs->models.names[0];
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

        /* nor into the record of the refusal */

        ngx_str_null(&facts->model);

        return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_BAD_REQUEST,
                   "invalid_request_error",
                   "\"model\" must be 1 to %d bytes of UTF-8 without "
                   "control characters", NGX_HTTP_AI_MAX_MODEL);
    }

    facts->model_start = m->start;
    facts->model_end = m->end;

    ngx_str_null(&ctx->error.param);

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_request_model_path(ngx_http_ai_ctx_t *ctx)
{
    ngx_str_t             alt;
    ngx_http_ai_facts_t  *facts;

    facts = &ctx->facts;
    facts->model = facts->parts.model;

    if (facts->model.len > NGX_HTTP_AI_MAX_MODEL
        || !ngx_http_ai_request_sane_model(&facts->model))
    {
        return ngx_http_ai_error_set(ctx->request, &ctx->error,
                   NGX_HTTP_BAD_REQUEST, "invalid_request_error",
                   "the model in the path must be 1 to %d bytes without "
                   "control characters", NGX_HTTP_AI_MAX_MODEL);
    }

    /*
     * Google's stream comes as one array without this.  It is not read, and
     * would be taken for broken JSON, the account's fault.
     */

    if (facts->endpoint->bit == NGX_HTTP_AI_EP_GEMINI
        && facts->endpoint->stream
        && (ngx_http_arg(ctx->request, (u_char *) "alt", 3, &alt) != NGX_OK
            || alt.len != 3 || ngx_memcmp(alt.data, "sse", 3) != 0))
    {
        return ngx_http_ai_error_set(ctx->request, &ctx->error,
                   NGX_HTTP_BAD_REQUEST, "invalid_request_error",
                   "a stream is served as events only, \"alt=sse\" is needed "
                   "in the query");
    }

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


/* what has a price of its own and is no token, where the endpoint has it */

static void
ngx_http_ai_request_units(ngx_http_ai_facts_t *facts,
    ngx_http_ai_json_member_t *m)
{
    ngx_int_t                   n;
    ngx_http_ai_json_member_t  *input;

    input = &m[NGX_HTTP_AI_M_INPUT];
    m = &m[NGX_HTTP_AI_M_CHOICES];

    switch (facts->endpoint->bit) {

    case NGX_HTTP_AI_EP_SPEECH:
    case NGX_HTTP_AI_EP_EMBEDDINGS:
    case NGX_HTTP_AI_EP_MODERATIONS:

        /* a list of objects has other texts in it, too */

        if (input->type == NGX_HTTP_AI_JSON_STRING
            || (input->type == NGX_HTTP_AI_JSON_ARRAY
                && facts->endpoint->bit == NGX_HTTP_AI_EP_EMBEDDINGS))
        {
            facts->units.characters = input->chars;
        }

        return;

    case NGX_HTTP_AI_EP_IMAGES:
        n = m->type == NGX_HTTP_AI_JSON_NUMBER ? ngx_atoi(m->buf, m->len) : 1;

        facts->units.images = ngx_min(ngx_max(n, 1), NGX_HTTP_AI_MAX_TOKENS);
        return;

    case NGX_HTTP_AI_EP_RERANK:
        facts->units.queries = 1;
        return;
    }
}


/* what limits reserve: an estimate that the true figures replace later */

static void
ngx_http_ai_request_tokens(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_json_member_t *m)
{
    ngx_int_t             n, max;
    ngx_uint_t            i;
    ngx_http_ai_facts_t  *facts;

    max = -1;
    facts = &ctx->facts;

    for (i = NGX_HTTP_AI_M_MAX_TOKENS; i <= NGX_HTTP_AI_M_MAX_OUTPUT; i++) {

        if (m[i].type == NGX_HTTP_AI_JSON_NUMBER) {
            n = ngx_atoi(m[i].buf, m[i].len);
            max = ngx_max(max, ngx_min(n, NGX_HTTP_AI_MAX_TOKENS));
        }
    }

    ngx_http_ai_request_estimate(ctx,
                         facts->size / NGX_HTTP_AI_USAGE_BYTES_PER_TOKEN, max,
                         &m[NGX_HTTP_AI_M_CHOICES]);
}


static void
ngx_http_ai_request_estimate(ngx_http_ai_ctx_t *ctx, int64_t prompt,
    int64_t max, const ngx_http_ai_json_member_t *choices)
{
    ngx_http_ai_facts_t  *facts;

    facts = &ctx->facts;

    if (facts->endpoint->free) {
        facts->tokens = 0;
        return;
    }

    facts->output = max >= 0 ? max
                    : (int64_t) ctx->policy->reserve_output
                      * ngx_max(facts->units.images, 1);
    facts->output *= ngx_http_ai_request_choices(facts, choices);
    facts->prompt_tokens = prompt;
    facts->tokens = facts->prompt_tokens + facts->output;
}


void
ngx_http_ai_request_reserve(ngx_http_ai_ctx_t *ctx)
{
    ngx_http_ai_json_member_t  none;

    ngx_memzero(&none, sizeof(ngx_http_ai_json_member_t));

    ngx_http_ai_request_estimate(ctx, 0, -1, &none);
}


void
ngx_http_ai_request_suppose(ngx_http_ai_ctx_t *ctx, int64_t prompt,
    int64_t max)
{
    ngx_http_ai_json_member_t  members[NGX_HTTP_AI_MEMBERS];

    ngx_memzero(members, sizeof(members));

    ngx_http_ai_request_units(&ctx->facts, members);
    ngx_http_ai_request_estimate(ctx, prompt, max,
                                 &members[NGX_HTTP_AI_M_CHOICES]);
}


/* each of the answers that "n" asks for may be as long as one alone */

static int64_t
ngx_http_ai_request_choices(const ngx_http_ai_facts_t *facts,
    const ngx_http_ai_json_member_t *m)
{
    ngx_int_t  n;

    if (m->type != NGX_HTTP_AI_JSON_NUMBER
        || !(facts->endpoint->bit & (NGX_HTTP_AI_EP_CHAT
                                     |NGX_HTTP_AI_EP_COMPLETIONS)))
    {
        return 1;
    }

    n = ngx_atoi(m->buf, m->len);
    n = ngx_min(n, NGX_HTTP_AI_MAX_TOKENS / ngx_max(facts->output, 1));

    return ngx_max(n, 1);
}


/*
 * What requests with the same prompt prefix have in common: the route's own
 * variable, prompt_cache_key, session_id, or the session's header.
 */

static void
ngx_http_ai_request_key(ngx_http_ai_ctx_t *ctx, ngx_http_ai_json_member_t *m)
{
    ngx_str_t         key;
    ngx_table_elt_t  *h;

    key.data = m->buf;
    key.len = m->type == NGX_HTTP_AI_JSON_STRING ? m->len : 0;

    if (key.len == 0 && ctx->plan.knobs) {
        key = ctx->plan.knobs->session;
    }

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

    return ngx_http_ai_zone_hash(key);
}


/*
 * Of a stream they must be understood, or a provider might read in them that
 * no usage is wanted: of two members most parsers take the last one.
 */

static ngx_int_t
ngx_http_ai_request_options(ngx_http_ai_ctx_t *ctx, ngx_http_ai_scan_t *scan)
{
    ngx_http_ai_facts_t        *facts;
    ngx_http_ai_json_member_t  *m;

    facts = &ctx->facts;
    m = &scan->members[NGX_HTTP_AI_M_OPTIONS];

    if (m->type == NGX_HTTP_AI_JSON_NONE
        || !facts->stream || !facts->endpoint->stream_options)
    {
        return NGX_OK;
    }

    facts->options_start = m->start;
    facts->options_end = m->end;

    if (m->type == NGX_HTTP_AI_JSON_NULL) {
        facts->options_null = 1;
        return NGX_OK;
    }

    ngx_str_set(&ctx->error.param, "stream_options");

    if (m->type != NGX_HTTP_AI_JSON_OBJECT) {
        return ngx_http_ai_error_set(ctx->request, &ctx->error,
                   NGX_HTTP_BAD_REQUEST, "invalid_request_error",
                   "\"stream_options\" must be an object");
    }

    if (ngx_http_ai_json_end(&scan->options) != NGX_OK) {
        return ngx_http_ai_error_set(ctx->request, &ctx->error,
                   NGX_HTTP_BAD_REQUEST, "invalid_request_error",
                   "\"stream_options\" is not accepted: %s",
                   ngx_http_ai_json_strerror(scan->options.error));
    }

    facts->options_empty = scan->options.empty;

    switch (scan->include.type) {

    case NGX_HTTP_AI_JSON_NONE:
        break;

    case NGX_HTTP_AI_JSON_TRUE:
        facts->include_usage = 1;
        break;

    case NGX_HTTP_AI_JSON_FALSE:
    case NGX_HTTP_AI_JSON_NULL:
        facts->include_start = m->start + scan->include.start;
        facts->include_end = m->start + scan->include.end;
        break;

    default:
        return ngx_http_ai_error_set(ctx->request, &ctx->error,
                   NGX_HTTP_BAD_REQUEST, "invalid_request_error",
                   "\"include_usage\" in \"stream_options\" must be true or "
                   "false");
    }

    ngx_str_null(&ctx->error.param);

    return NGX_OK;
}
