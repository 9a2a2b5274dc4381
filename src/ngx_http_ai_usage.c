
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_usage.h"
#include "ngx_http_ai_recent.h"


static void ngx_http_ai_usage_request(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_record_t *rec);
static void ngx_http_ai_usage_principal(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_record_t *rec);
static void ngx_http_ai_usage_served(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_record_t *rec);
static ngx_http_ai_try_t *ngx_http_ai_usage_last(ngx_http_ai_ctx_t *ctx);
static int64_t ngx_http_ai_usage_prompt(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_try_t *try);
static void ngx_http_ai_usage_keep(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_try_t *try, const ngx_http_ai_tokens_t *tokens);
static void ngx_http_ai_usage_missing(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx, ngx_http_ai_record_t *rec);
static void ngx_http_ai_usage_target(ngx_http_ai_try_t *try,
    ngx_http_ai_record_t *rec);
static void ngx_http_ai_usage_attempt(ngx_http_ai_ctx_t *ctx, ngx_uint_t n,
    ngx_http_ai_record_t *rec);
static ngx_uint_t ngx_http_ai_usage_try_status(ngx_http_ai_try_t *try);


/* by ngx_http_ai_outcome_e */

static ngx_str_t  ngx_http_ai_outcomes[] = {
    ngx_string("error"),
    ngx_string("ok"),
    ngx_string("cut"),
    ngx_string("stalled"),
    ngx_string("client_gone"),
    ngx_string("rejected")
};


const ngx_str_t  ngx_http_ai_usage_anonymous = ngx_string("anonymous");


void
ngx_http_ai_usage_record(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    u_char                 id[NGX_HTTP_AI_USAGE_EVENT_ID];
    u_char                 trail[NGX_HTTP_AI_TRAIL_MAX];
    ngx_uint_t             i;
    ngx_http_ai_record_t   rec;

    if (ctx->recorded) {
        return;
    }

    ctx->recorded = 1;

    ngx_http_ai_usage_begin(ctx, &rec, id);
    ngx_http_ai_usage_request(r, ctx, &rec);

    if (ctx->attempt) {
        rec.trail.data = trail;
        rec.trail.len = ngx_http_ai_usage_trail(ctx->attempt, trail,
                                                sizeof(trail))
                        - trail;
    }

    ngx_http_ai_recent_request(ctx, &rec);
    ngx_http_ai_sink_push(&rec);
    ngx_http_ai_totals_request(ctx, &rec);

    if (ctx->attempt == NULL || ctx->attempt->ntries < 2) {
        return;
    }

    for (i = 0; i < ctx->attempt->ntries; i++) {
        ngx_http_ai_usage_attempt(ctx, i, &rec);
        rec.event_id = ngx_http_ai_usage_event_id(ctx, i + 1, id);
        ngx_http_ai_sink_push(&rec);
    }
}


void
ngx_http_ai_usage_begin(ngx_http_ai_ctx_t *ctx, ngx_http_ai_record_t *rec,
    u_char *event_id)
{
    ngx_http_ai_record_init(rec);

    rec->event_id = ngx_http_ai_usage_event_id(ctx, 0, event_id);

    ngx_str_set(&rec->kind, "request");
    rec->request_id = ctx->id;
    rec->ts_ms = ctx->start_ms;
    rec->trace_id = ctx->trace_id;
    ngx_http_ai_usage_principal(ctx, rec);

    rec->ai_class = ctx->policy->name;
    rec->model_requested = ctx->facts.model;
    rec->stream = ctx->facts.stream;
    rec->drill = (ctx->drill != NULL);

    if (ctx->facts.endpoint) {
        rec->endpoint = ctx->facts.endpoint->name;
    }

    if (ctx->route) {
        rec->route = ctx->route->name;
    }
}


static void
ngx_http_ai_usage_request(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_record_t *rec)
{
    rec->status = r->headers_out.status;

    if (rec->status == 0
        || (rec->status == NGX_HTTP_BAD_REQUEST && ctx->attempt == NULL
            && r->connection->error)
        || (ctx->outcome == NGX_HTTP_AI_OUTCOME_CLIENT_GONE
            && !r->header_sent))
    {
        rec->status = NGX_HTTP_CLIENT_CLOSED_REQUEST;
        ctx->outcome = NGX_HTTP_AI_OUTCOME_CLIENT_GONE;
    }

    rec->outcome = *ngx_http_ai_usage_outcome(ctx);
    rec->error_class = *ngx_http_ai_usage_error_class(ctx);
    rec->latency_ms = ngx_current_msec - ctx->start;

    ngx_http_ai_usage_served(ctx, rec);
    ngx_http_ai_usage_tokens(ngx_http_ai_usage_last(ctx), rec);
    ngx_http_ai_usage_missing(r, ctx, rec);
}


static void
ngx_http_ai_usage_principal(ngx_http_ai_ctx_t *ctx, ngx_http_ai_record_t *rec)
{
    const ngx_str_t  *id;

    id = ngx_http_ai_usage_key_id(ctx);

    if (id) {
        rec->key_id = *id;
    }

    if (ctx->key) {
        rec->app = ctx->key->app;
        rec->team = ctx->key->team;
        rec->env = ctx->key->env;
    }
}


const ngx_str_t *
ngx_http_ai_usage_key_id(ngx_http_ai_ctx_t *ctx)
{
    if (ctx->key) {
        return &ctx->key->id;
    }

    /* nobody's name for who presents no known key */

    return ctx->conf->keys ? NULL : &ngx_http_ai_usage_anonymous;
}


static void
ngx_http_ai_usage_served(ngx_http_ai_ctx_t *ctx, ngx_http_ai_record_t *rec)
{
    ngx_http_ai_attempt_t  *at;

    at = ctx->attempt;

    if (at == NULL || at->ntries == 0) {
        rec->attempts = 0;
        rec->queue_ms = at ? (int64_t) at->paused : 0;
        ngx_str_set(&rec->fallback, "none");
        return;
    }

    rec->attempts = at->ntries;
    rec->fallback = *ngx_http_ai_usage_fallback(at);

    rec->queue_ms = at->paused;

    ngx_http_ai_usage_target(&at->tries[at->ntries - 1], rec);

    if (at->committed) {
        rec->ttft_ms = at->first;
    }
}


/* the request's tokens and cost are those of its last try */

static ngx_http_ai_try_t *
ngx_http_ai_usage_last(ngx_http_ai_ctx_t *ctx)
{
    ngx_http_ai_attempt_t  *at;

    at = ctx->attempt;

    return at && at->ntries ? &at->tries[at->ntries - 1] : NULL;
}


void
ngx_http_ai_usage_tokens(ngx_http_ai_try_t *try, ngx_http_ai_record_t *rec)
{
    int64_t                cost;
    ngx_http_ai_tokens_t  *tokens;

    ngx_str_set(&rec->usage_source, "none");
    rec->input_tokens = NGX_HTTP_AI_RECORD_ABSENT;
    rec->output_tokens = NGX_HTTP_AI_RECORD_ABSENT;
    rec->cache_read_tokens = NGX_HTTP_AI_RECORD_ABSENT;
    rec->cache_write_tokens = NGX_HTTP_AI_RECORD_ABSENT;
    rec->reasoning_tokens = NGX_HTTP_AI_RECORD_ABSENT;
    rec->cost_nanousd = NGX_HTTP_AI_RECORD_ABSENT;

    if (try == NULL || try->tokens == NULL) {
        return;
    }

    tokens = try->tokens;

    if (tokens->estimated) {
        ngx_str_set(&rec->usage_source, "estimated");

    } else if (tokens->found || tokens->units) {
        ngx_str_set(&rec->usage_source, "provider");

    } else if (tokens->characters || tokens->images || tokens->search_units) {
        /* by the request: nobody said that it was done as asked for */
        ngx_str_set(&rec->usage_source, "estimated");
    }

    if (ngx_http_ai_usage_cost(try, &cost) == NGX_OK) {
        rec->cost_nanousd = cost;
    }

    if (tokens->found || tokens->estimated) {
        rec->input_tokens = tokens->input;
        rec->output_tokens = tokens->output;
        rec->cache_read_tokens = tokens->cache_read;
        rec->cache_write_tokens = tokens->cache_write;
        rec->reasoning_tokens = tokens->reasoning;
    }
}


int64_t
ngx_http_ai_usage_close(ngx_http_ai_attempt_t *at)
{
    int64_t                    used, items;
    ngx_int_t                  rc;
    ngx_uint_t                 passed;
    ngx_http_ai_try_t         *try;
    ngx_http_ai_ctx_t         *ctx;
    ngx_http_ai_tokens_t       tokens;
    ngx_http_ai_usage_scan_t  *scan;

    if (at->ntries == 0) {
        return 0;
    }

    ctx = at->ctx;

    if (ctx->facts.endpoint->free) {
        ngx_http_ai_stream_reset(&ctx->stream);
        return 0;
    }

    scan = &ctx->stream.scan;
    try = &at->tries[at->ntries - 1];
    passed = at->committed && at->reply.status < NGX_HTTP_SPECIAL_RESPONSE;

    if (scan->mode == NGX_HTTP_AI_USAGE_SCAN_OFF) {

        if (!passed) {
            return at->abandoned ? ngx_http_ai_usage_prompt(ctx, try) : 0;
        }

        /* what passes unread may have used any number of tokens */

        ngx_http_ai_tokens_init(&scan->raw);
        ngx_http_ai_tokens_sum(&scan->raw, &tokens);
        ngx_http_ai_usage_units(ctx, -1, &tokens);
        ngx_http_ai_usage_keep(ctx, try, &tokens);

        return -1;
    }

    rc = ngx_http_ai_usage_scan_tokens(scan, ctx->facts.prompt_tokens,
                                       &tokens);
    items = ngx_http_ai_usage_scan_items(scan);
    ngx_http_ai_stream_reset(&ctx->stream);

    if (rc == NGX_DECLINED && !passed && tokens.output == 0
        && !at->abandoned)
    {
        return 0;
    }

    used = tokens.found || tokens.estimated ? tokens.input + tokens.output
                                            : -1;

    ngx_http_ai_usage_units(ctx, items, &tokens);
    ngx_http_ai_usage_keep(ctx, try, &tokens);

    return used;
}


/* the account bills what it has read, whether or not anybody waits for it */

static int64_t
ngx_http_ai_usage_prompt(ngx_http_ai_ctx_t *ctx, ngx_http_ai_try_t *try)
{
    ngx_http_ai_tokens_t      tokens;
    ngx_http_ai_tokens_raw_t  raw;

    ngx_http_ai_tokens_init(&raw);
    ngx_http_ai_tokens_sum(&raw, &tokens);

    tokens.input = ctx->facts.prompt_tokens;
    tokens.reported_nanousd = -1;
    tokens.estimated = 1;

    ngx_http_ai_usage_units(ctx, -1, &tokens);
    ngx_http_ai_usage_keep(ctx, try, &tokens);

    return tokens.input;
}


static void
ngx_http_ai_usage_keep(ngx_http_ai_ctx_t *ctx, ngx_http_ai_try_t *try,
    const ngx_http_ai_tokens_t *tokens)
{
    try->tokens = ngx_palloc(ctx->request->pool,
                             sizeof(ngx_http_ai_tokens_t));
    if (try->tokens) {
        *try->tokens = *tokens;
    }
}


void
ngx_http_ai_usage_units(ngx_http_ai_ctx_t *ctx, int64_t items,
    ngx_http_ai_tokens_t *tokens)
{
    const ngx_http_ai_price_units_t  *asked;

    asked = &ctx->facts.units;

    tokens->characters = asked->characters;

    if (tokens->search_units == 0) {
        tokens->search_units = asked->queries;
    }

    if (asked->images <= 0) {
        return;
    }

    tokens->images = items < 0 ? asked->images : items;

    if (items > 0 && !tokens->found) {
        tokens->input = 0;
        tokens->output = 0;
        tokens->estimated = 0;
        tokens->units = 1;
    }
}


ngx_int_t
ngx_http_ai_usage_cost(ngx_http_ai_try_t *try, int64_t *nanousd)
{
    ngx_http_ai_tokens_t       *tokens;
    ngx_http_ai_price_usage_t   usage;

    static const ngx_http_ai_price_tier_e  tiers[] = {
        NGX_HTTP_AI_PRICE_STANDARD,        /* not told */
        NGX_HTTP_AI_PRICE_STANDARD,
        NGX_HTTP_AI_PRICE_FLEX,
        NGX_HTTP_AI_PRICE_PRIORITY,
        NGX_HTTP_AI_PRICE_BATCH
    };

    tokens = try->tokens;

    if (tokens == NULL) {
        return NGX_DECLINED;
    }

    ngx_memzero(&usage, sizeof(ngx_http_ai_price_usage_t));

    usage.reported_nanousd = tokens->reported_nanousd;
    usage.tier = tiers[tokens->tier];
    usage.untold = !tokens->found && !tokens->estimated;
    usage.estimated = tokens->estimated;

    usage.units.characters = tokens->characters;
    usage.units.images = tokens->images;
    usage.units.seconds = tokens->seconds;
    usage.units.queries = tokens->search_units;

    if (tokens->billed_input >= 0) {
        /* Cohere does not bill all that it counts */
        usage.input = tokens->billed_input;
        usage.output = ngx_max(tokens->billed_output, 0);

    } else {
        usage.input = tokens->input;
        usage.output = tokens->output;
        usage.cache_read = tokens->cache_read;
        usage.cache_write = tokens->cache_write;
        usage.cache_write_1h = tokens->cache_write_1h;
        usage.reasoning = tokens->reasoning;
        usage.audio_input = tokens->audio_input;
        usage.audio_output = tokens->audio_output;
        usage.image_input = tokens->image_input;
        usage.image_output = tokens->image_output;
    }

    return ngx_http_ai_price_cost(try->price ? &try->price->price : NULL,
                                  &usage, nanousd);
}


/* a use without a cost: somebody pays for it, and nobody knows how much */

static void
ngx_http_ai_usage_missing(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_record_t *rec)
{
    ngx_http_ai_try_t  *try;

    try = ngx_http_ai_usage_last(ctx);

    if (rec->cost_nanousd != NGX_HTTP_AI_RECORD_ABSENT
        || try == NULL || try->tokens == NULL)
    {
        return;
    }

    ngx_http_ai_prices_missing(ctx->conf->prices, ctx->conf->zone,
                               &try->target->account->name, try->model,
                               r->connection->log);
}


static void
ngx_http_ai_usage_target(ngx_http_ai_try_t *try, ngx_http_ai_record_t *rec)
{
    ngx_http_ai_usage_account(rec, try->target->account);
    rec->model_served = *try->model;
}


void
ngx_http_ai_usage_account(ngx_http_ai_record_t *rec,
    const ngx_http_ai_account_t *account)
{
    rec->account = account->name;
    rec->provider = account->provider->name;

    /* whose account it is pays; where that is not said, who asked */
    rec->cost_owner = account->owner.len ? account->owner : rec->team;
}


/* from the record of the request, with its last try's tokens, to that of a try */

static void
ngx_http_ai_usage_attempt(ngx_http_ai_ctx_t *ctx, ngx_uint_t n,
    ngx_http_ai_record_t *rec)
{
    ngx_http_ai_try_t      *try;
    ngx_http_ai_attempt_t  *at;

    at = ctx->attempt;
    try = &at->tries[n];

    ngx_str_set(&rec->kind, "attempt");
    ngx_str_null(&rec->trail);

    rec->attempt = n + 1;
    rec->status = ngx_http_ai_usage_try_status(try);
    rec->latency_ms = try->elapsed;
    rec->ts_ms = ctx->start_ms + (int64_t) (try->start - ctx->start);

    ngx_http_ai_usage_target(try, rec);
    ngx_http_ai_usage_tokens(try, rec);

    if (n + 1 == at->ntries) {
        rec->outcome = *ngx_http_ai_usage_outcome(ctx);

        ngx_str_null(&rec->error_class);

        if (try->verdict != NGX_HTTP_AI_OK) {
            rec->error_class = ngx_http_ai_verdict(try->verdict)->name;
        }

        if (at->committed) {
            rec->latency_ms = ngx_current_msec - try->start;
            rec->ttft_ms = at->first;
        }

        return;
    }

    ngx_str_set(&rec->outcome, "error");
    rec->error_class = ngx_http_ai_verdict(try->verdict)->name;
    rec->ttft_ms = NGX_HTTP_AI_RECORD_ABSENT;
}


ngx_str_t
ngx_http_ai_usage_event_id(ngx_http_ai_ctx_t *ctx, ngx_uint_t n, u_char *buf)
{
    u_char     *p;
    ngx_str_t   id;

    p = ngx_cpymem(buf, ctx->event_id, sizeof(ctx->event_id));
    p = ngx_sprintf(p, "/%ui", n);

    id.data = buf;
    id.len = p - buf;

    return id;
}


ngx_str_t *
ngx_http_ai_usage_fallback(ngx_http_ai_attempt_t *at)
{
    ngx_http_ai_try_t      *try;
    ngx_http_ai_account_t  *first, *last;

    static ngx_str_t  none = ngx_string("none");
    static ngx_str_t  retry = ngx_string("retry");
    static ngx_str_t  account = ngx_string("account");
    static ngx_str_t  provider = ngx_string("provider");
    static ngx_str_t  backup = ngx_string("backup");

    if (at->ntries == 0) {
        return &none;
    }

    try = &at->tries[at->ntries - 1];

    if (try->backup) {
        return &backup;
    }

    if (at->ntries == 1) {
        return &none;
    }

    first = at->tries[0].target->account;
    last = try->target->account;

    if (first == last) {
        return &retry;
    }

    return first->provider == last->provider ? &account : &provider;
}


ngx_str_t *
ngx_http_ai_usage_outcome(ngx_http_ai_ctx_t *ctx)
{
    return &ngx_http_ai_outcomes[ctx->outcome];
}


const ngx_str_t *
ngx_http_ai_usage_error_class(ngx_http_ai_ctx_t *ctx)
{
    ngx_http_ai_verdict_e   verdict;
    ngx_http_ai_attempt_t  *at;

    static ngx_str_t  none = ngx_null_string;

    if (ctx->outcome == NGX_HTTP_AI_OUTCOME_OK) {
        return &none;
    }

    at = ctx->attempt;
    verdict = ctx->error.verdict;

    if (verdict == NGX_HTTP_AI_OK && at && at->ntries) {
        /* the provider's own error was passed on */
        verdict = at->tries[at->ntries - 1].verdict;
    }

    if (ctx->outcome == NGX_HTTP_AI_OUTCOME_CLIENT_GONE) {
        verdict = NGX_HTTP_AI_CLIENT_CLOSED;
    }

    if (verdict == NGX_HTTP_AI_OK) {
        return &none;
    }

    return &ngx_http_ai_verdict(verdict)->name;
}


u_char *
ngx_http_ai_usage_trail(ngx_http_ai_attempt_t *at, u_char *buf, size_t size)
{
    u_char             *p, *last;
    size_t              need;
    ngx_uint_t          i;
    const ngx_str_t    *verdict;
    ngx_http_ai_try_t  *try;

    p = buf;
    last = buf + size;

    for (i = 0; i < at->ntries; i++) {

        try = &at->tries[i];
        verdict = &ngx_http_ai_verdict(try->verdict)->name;

        need = 1 + try->target->account->name.len + 1 + NGX_INT_T_LEN + 1
               + verdict->len;

        if ((size_t) (last - p) < need) {
            break;
        }

        if (i) {
            *p++ = ',';
        }

        p = ngx_sprintf(p, "%V=%ui/%V", &try->target->account->name,
                        ngx_http_ai_usage_try_status(try), verdict);
    }

    return p;
}


/* where no answer came, what nginx puts into $upstream_status */

static ngx_uint_t
ngx_http_ai_usage_try_status(ngx_http_ai_try_t *try)
{
    if (try->status) {
        return try->status;
    }

    switch (try->verdict) {

    case NGX_HTTP_AI_TIMEOUT:
        return NGX_HTTP_GATEWAY_TIME_OUT;

    case NGX_HTTP_AI_CLIENT_CLOSED:
        return NGX_HTTP_CLIENT_CLOSED_REQUEST;

    default:
        return NGX_HTTP_BAD_GATEWAY;
    }
}
