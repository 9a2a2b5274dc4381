
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * A body that is JSON: one pass over it for what routing, limits and prices
 * want to know, whatever its size.
 */


#include "ngx_http_ai_request.h"
#include "pure/ngx_http_ai_decimal.h"


#define NGX_HTTP_AI_RAW_MODEL     (6 * NGX_HTTP_AI_MAX_MODEL + 2)
#define NGX_HTTP_AI_RAW_KEY       256
#define NGX_HTTP_AI_RAW_NUMBER    64     /* more is as good as MAX_TOKENS */

#define NGX_HTTP_AI_MAX_TOKENS       1000000000    /* more is no number */

#define NGX_HTTP_AI_COUNTED                                                   \
    (NGX_HTTP_AI_EP_SPEECH|NGX_HTTP_AI_EP_EMBEDDINGS                          \
     |NGX_HTTP_AI_EP_MODERATIONS|NGX_HTTP_AI_EP_IMAGES)

/* "n" answers may be asked for, and for each of several prompts */

#define NGX_HTTP_AI_CHOOSING                                                  \
    (NGX_HTTP_AI_EP_CHAT|NGX_HTTP_AI_EP_COMPLETIONS                           \
     |NGX_HTTP_AI_EP_DEPLOYMENTS)

/* the limits stand in an object */

#define NGX_HTTP_AI_CONFIGURED                                                \
    (NGX_HTTP_AI_EP_GEMINI|NGX_HTTP_AI_EP_BEDROCK)

#define NGX_HTTP_AI_OWN     2      /* members of one endpoint at most */
#define NGX_HTTP_AI_CONFIG  6      /* members of such an object */


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

    /* the endpoint's own, as ngx_http_ai_request_own has them */

    NGX_HTTP_AI_M_OWN = NGX_HTTP_AI_M_KNOBS + NGX_HTTP_AI_KNOBS_MEMBERS,

    NGX_HTTP_AI_M_INPUT = NGX_HTTP_AI_M_OWN,

    NGX_HTTP_AI_M_BEST_OF = NGX_HTTP_AI_M_OWN,
    NGX_HTTP_AI_M_PROMPT,

    NGX_HTTP_AI_M_CONFIG = NGX_HTTP_AI_M_OWN,

    NGX_HTTP_AI_MEMBERS = NGX_HTTP_AI_M_OWN + NGX_HTTP_AI_OWN
};


typedef struct {
    ngx_http_ai_json_t         json;
    ngx_http_ai_json_member_t  members[NGX_HTTP_AI_MEMBERS];
    ngx_http_ai_json_t         options;    /* what is in "stream_options" */
    ngx_http_ai_json_member_t  include;
    u_char                     model[NGX_HTTP_AI_RAW_MODEL];
    u_char                     stream[8];
    u_char                     cache_key[NGX_HTTP_AI_RAW_KEY];
    u_char                     numbers[4][NGX_HTTP_AI_RAW_NUMBER];
    u_char                     knobs[NGX_HTTP_AI_KNOBS_MEMBERS]
                                    [NGX_HTTP_AI_KNOBS_RAW];

    u_char                     own[NGX_HTTP_AI_OWN][NGX_HTTP_AI_RAW_NUMBER];
    ngx_http_ai_json_t         config;     /* what is in its object */
    ngx_http_ai_json_member_t  configs[NGX_HTTP_AI_CONFIG];
    u_char                     values[NGX_HTTP_AI_CONFIG]
                                     [NGX_HTTP_AI_RAW_NUMBER];
} ngx_http_ai_scan_t;


/*
 * Where they mean nothing they are not looked for, and may come twice.
 * Google takes both spellings of a name, but not both at once.
 */

static const struct {
    ngx_uint_t                 endpoints;
    ngx_str_t                  name;
} ngx_http_ai_request_own[] = {
    { NGX_HTTP_AI_COUNTED, ngx_string("input") },
    { NGX_HTTP_AI_CHOOSING, ngx_string("best_of") },
    { NGX_HTTP_AI_CHOOSING, ngx_string("prompt") },
    { NGX_HTTP_AI_EP_GEMINI, ngx_string("generationConfig") },
    { NGX_HTTP_AI_EP_GEMINI, ngx_string("generation_config") },
    { NGX_HTTP_AI_EP_BEDROCK, ngx_string("inferenceConfig") }
};


static const struct {
    ngx_uint_t                 choices;    /* or the limit of one answer */
    ngx_str_t                  name;
} ngx_http_ai_request_configs[NGX_HTTP_AI_CONFIG] = {
    { 0, ngx_string("maxOutputTokens") },
    { 0, ngx_string("max_output_tokens") },
    { 0, ngx_string("maxTokens") },
    { 0, ngx_string("max_new_tokens") },   /* Nova's, of "invoke" */
    { 1, ngx_string("candidateCount") },
    { 1, ngx_string("candidate_count") }
};


static void ngx_http_ai_request_scan_init(ngx_http_ai_scan_t *scan,
    const ngx_http_ai_endpoint_t *endpoint);
static ngx_uint_t ngx_http_ai_request_scan_own(ngx_http_ai_scan_t *scan,
    ngx_uint_t endpoint);
static void ngx_http_ai_request_scan_config(ngx_http_ai_scan_t *scan);
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
    const ngx_http_ai_scan_t *scan);
static void ngx_http_ai_request_estimate(ngx_http_ai_ctx_t *ctx,
    int64_t prompt, int64_t max, int64_t choices);
static int64_t ngx_http_ai_request_choices(ngx_uint_t endpoint,
    const ngx_http_ai_json_member_t *m);
static int64_t ngx_http_ai_request_number(const ngx_http_ai_json_member_t *m);
static ngx_int_t ngx_http_ai_request_config(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_scan_t *scan);
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

    rc = ngx_http_ai_request_config(ctx, &scan);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_http_ai_request_units(facts, scan.members);
    ngx_http_ai_request_tokens(ctx, &scan);
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

    ngx_str_set(&m[NGX_HTTP_AI_M_CHOICES].name, "n");

    for (i = 0; i < 4; i++) {
        m[NGX_HTTP_AI_M_MAX_TOKENS + i].buf = scan->numbers[i];
        m[NGX_HTTP_AI_M_MAX_TOKENS + i].size = NGX_HTTP_AI_RAW_NUMBER;
    }

    m += NGX_HTTP_AI_M_KNOBS;

    for (i = 0; i < NGX_HTTP_AI_KNOBS_MEMBERS; i++) {
        m[i].name = *ngx_http_ai_knobs_name(i);
        m[i].buf = scan->knobs[i];
        m[i].size = NGX_HTTP_AI_KNOBS_RAW;
    }

    i = ngx_http_ai_request_scan_own(scan, endpoint->bit);

    ngx_http_ai_json_init(&scan->json, scan->members, NGX_HTTP_AI_M_OWN + i,
                          1);
}


/* how many there are */

static ngx_uint_t
ngx_http_ai_request_scan_own(ngx_http_ai_scan_t *scan, ngx_uint_t endpoint)
{
    ngx_uint_t                  i, n;
    ngx_http_ai_json_member_t  *m;

    if (endpoint & NGX_HTTP_AI_CONFIGURED) {
        ngx_http_ai_request_scan_config(scan);
    }

    m = &scan->members[NGX_HTTP_AI_M_OWN];
    n = 0;

    for (i = 0; i < sizeof(ngx_http_ai_request_own)
                    / sizeof(ngx_http_ai_request_own[0]); i++)
    {
        if (!(ngx_http_ai_request_own[i].endpoints & endpoint)) {
            continue;
        }

        m[n].name = ngx_http_ai_request_own[i].name;
        m[n].buf = scan->own[n];
        m[n].size = NGX_HTTP_AI_RAW_NUMBER;
        m[n].count = (endpoint & NGX_HTTP_AI_COUNTED) != 0;
        m[n].inner = endpoint & NGX_HTTP_AI_CONFIGURED ? &scan->config : NULL;
        n++;
    }

    return n;
}


static void
ngx_http_ai_request_scan_config(ngx_http_ai_scan_t *scan)
{
    ngx_uint_t                  i;
    ngx_http_ai_json_member_t  *m;

    m = scan->configs;
    ngx_memzero(m, sizeof(scan->configs));

    for (i = 0; i < NGX_HTTP_AI_CONFIG; i++) {
        m[i].name = ngx_http_ai_request_configs[i].name;
        m[i].buf = scan->values[i];
        m[i].size = NGX_HTTP_AI_RAW_NUMBER;
    }

    ngx_http_ai_json_init(&scan->config, m, NGX_HTTP_AI_CONFIG, 1);
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
        facts->units.images = ngx_http_ai_request_number(m);
        facts->units.images = ngx_max(facts->units.images, 1);
        return;

    case NGX_HTTP_AI_EP_RERANK:
        facts->units.queries = 1;
        return;
    }
}


/* what limits reserve: an estimate that the true figures replace later */

static void
ngx_http_ai_request_tokens(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_scan_t *scan)
{
    int64_t               n, max, choices;
    ngx_uint_t            i, configs;
    ngx_http_ai_facts_t  *facts;

    max = -1;
    facts = &ctx->facts;

    for (i = NGX_HTTP_AI_M_MAX_TOKENS; i <= NGX_HTTP_AI_M_MAX_OUTPUT; i++) {
        n = ngx_http_ai_request_number(&scan->members[i]);
        max = ngx_max(max, n);
    }

    choices = ngx_http_ai_request_choices(facts->endpoint->bit, scan->members);

    configs = facts->endpoint->bit & NGX_HTTP_AI_CONFIGURED
              ? NGX_HTTP_AI_CONFIG : 0;

    for (i = 0; i < configs; i++) {
        n = ngx_http_ai_request_number(&scan->configs[i]);

        if (ngx_http_ai_request_configs[i].choices) {
            choices = ngx_max(choices, n);

        } else {
            max = ngx_max(max, n);
        }
    }

    ngx_http_ai_request_estimate(ctx,
                         facts->size / NGX_HTTP_AI_USAGE_BYTES_PER_TOKEN, max,
                         choices);
}


/* each of the answers may be as long as one alone */

static void
ngx_http_ai_request_estimate(ngx_http_ai_ctx_t *ctx, int64_t prompt,
    int64_t max, int64_t choices)
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

    if (choices > 1) {
        facts->output = ngx_min(facts->output * choices,
                                NGX_HTTP_AI_MAX_TOKENS);
    }

    facts->prompt_tokens = prompt;
    facts->tokens = facts->prompt_tokens + facts->output;
}


void
ngx_http_ai_request_reserve(ngx_http_ai_ctx_t *ctx)
{
    ngx_http_ai_request_estimate(ctx, 0, -1, 1);
}


void
ngx_http_ai_request_suppose(ngx_http_ai_ctx_t *ctx, int64_t prompt,
    int64_t max)
{
    ngx_http_ai_json_member_t  members[NGX_HTTP_AI_MEMBERS];

    ngx_memzero(members, sizeof(members));

    ngx_http_ai_request_units(&ctx->facts, members);
    ngx_http_ai_request_estimate(ctx, prompt, max, 1);
}


/*
 * How many answers are asked for: "best_of" are made where "n" of them are
 * sent, and so many for each prompt.  A list of numbers is one prompt.
 */

static int64_t
ngx_http_ai_request_choices(ngx_uint_t endpoint,
    const ngx_http_ai_json_member_t *m)
{
    int64_t  n, best, prompts;

    if (!(endpoint & NGX_HTTP_AI_CHOOSING)) {
        return 1;
    }

    n = ngx_http_ai_request_number(&m[NGX_HTTP_AI_M_CHOICES]);
    best = ngx_http_ai_request_number(&m[NGX_HTTP_AI_M_BEST_OF]);
    n = ngx_max(n, best);

    m = &m[NGX_HTTP_AI_M_PROMPT];
    prompts = m->items - m->numbers;
    prompts = ngx_min(prompts, NGX_HTTP_AI_MAX_TOKENS);

    n = ngx_max(n, 1) * ngx_max(prompts, 1);

    return ngx_min(n, NGX_HTTP_AI_MAX_TOKENS);
}


/*
 * At most MAX_TOKENS; -1: it is no number, or below zero.  Many providers read
 * one that stands in a string, too.
 */

static int64_t
ngx_http_ai_request_number(const ngx_http_ai_json_member_t *m)
{
    u_char     *p, *last;
    u_char      text[NGX_HTTP_AI_RAW_NUMBER];
    int64_t     value;
    ngx_int_t   n;

    if (m->type != NGX_HTTP_AI_JSON_NUMBER
        && m->type != NGX_HTTP_AI_JSON_STRING)
    {
        return -1;
    }

    p = m->buf;
    last = p + m->len;

    if (m->len < (size_t) (m->end - m->start)) {

        /* an exponent may be in what is missing */

        p += m->type == NGX_HTTP_AI_JSON_STRING;

        return *p >= '0' && *p <= '9' ? NGX_HTTP_AI_MAX_TOKENS : -1;
    }

    if (m->type == NGX_HTTP_AI_JSON_STRING) {

        n = ngx_http_ai_json_unquote(text, sizeof(text), p, m->len);

        p = text;
        last = p + ngx_max(n, 0);

        while (p < last && *p == ' ') {
            p++;
        }

        while (p < last && last[-1] == ' ') {
            last--;
        }

        p += p < last && *p == '+';
    }

    if (ngx_http_ai_decimal(p, last, 0, &value) != NGX_OK) {
        return -1;
    }

    return ngx_min(value, NGX_HTTP_AI_MAX_TOKENS);
}


/* read in another way than the provider does, it would limit nothing */

static ngx_int_t
ngx_http_ai_request_config(ngx_http_ai_ctx_t *ctx, ngx_http_ai_scan_t *scan)
{
    ngx_uint_t                  i;
    ngx_http_ai_json_error_e    error;
    ngx_http_ai_json_member_t  *m;

    if (!(ctx->facts.endpoint->bit & NGX_HTTP_AI_CONFIGURED)) {
        return NGX_OK;
    }

    for (i = 0; i < NGX_HTTP_AI_OWN; i++) {
        m = &scan->members[NGX_HTTP_AI_M_CONFIG + i];

        if (m->type != NGX_HTTP_AI_JSON_OBJECT
            || ngx_http_ai_json_end(&scan->config) == NGX_OK)
        {
            continue;
        }

        /* what trails the one spelling is the other */

        error = scan->config.error == NGX_HTTP_AI_JSON_ETRAILING
                ? NGX_HTTP_AI_JSON_EDUPLICATE : scan->config.error;

        ctx->error.param = m->name;

        return ngx_http_ai_error_set(ctx->request, &ctx->error,
                   NGX_HTTP_BAD_REQUEST, "invalid_request_error",
                   "\"%V\" is not accepted: %s", &m->name,
                   ngx_http_ai_json_strerror(error));
    }

    return NGX_OK;
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
