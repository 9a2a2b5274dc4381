
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* what a request that has ended counts for */


#include "ngx_http_ai_usage.h"


#define NGX_HTTP_AI_TOTALS_REFS  (5 + 3 * NGX_HTTP_AI_MAX_ATTEMPTS)


static void ngx_http_ai_totals_sample(const ngx_http_ai_record_t *rec,
    ngx_http_ai_tally_sample_t *sample);
static ngx_uint_t ngx_http_ai_totals_who(const ngx_http_ai_record_t *rec,
    const ngx_http_ai_tally_sample_t *sample,
    ngx_http_ai_totals_ref_t *refs);
static ngx_uint_t ngx_http_ai_totals_where(const ngx_str_t *account,
    const ngx_str_t *model, ngx_http_ai_totals_worth_e worth,
    const ngx_http_ai_tally_sample_t *sample, ngx_http_ai_totals_ref_t *refs);
static void ngx_http_ai_totals_try(ngx_http_ai_try_t *try,
    ngx_http_ai_tally_sample_t *sample);
static void ngx_http_ai_totals_last(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_record_t *rec, ngx_http_ai_tally_sample_t *sample);
static void ngx_http_ai_totals_merge(ngx_http_ai_tally_sample_t *sum,
    const ngx_http_ai_tally_sample_t *sample);
static ngx_http_ai_totals_worth_e ngx_http_ai_totals_worth(
    ngx_http_ai_ctx_t *ctx, const ngx_str_t *model,
    const ngx_http_ai_tally_sample_t *sample);
static void ngx_http_ai_totals_refer(ngx_http_ai_totals_ref_t *ref,
    ngx_http_ai_totals_kind_e kind, const ngx_str_t *first,
    const ngx_str_t *second);
static uint64_t ngx_http_ai_totals_ns(void);


void
ngx_http_ai_totals_request(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_record_t *rec)
{
    ngx_uint_t                   i, n, ntries;
    ngx_http_ai_try_t           *try;
    ngx_http_ai_tally_sample_t   sample, tries[NGX_HTTP_AI_MAX_ATTEMPTS];
    ngx_http_ai_totals_ref_t     refs[NGX_HTTP_AI_TOTALS_REFS];

    ngx_http_ai_totals_sample(rec, &sample);

    n = ngx_http_ai_totals_who(rec, &sample, refs);
    ntries = ctx->attempt ? ctx->attempt->ntries : 0;

    for (i = 0; i < ntries; i++) {
        try = &ctx->attempt->tries[i];

        if (i + 1 < ntries) {
            ngx_http_ai_totals_try(try, &tries[i]);

        } else {
            ngx_http_ai_totals_last(ctx, rec, &tries[i]);
        }

        n += ngx_http_ai_totals_where(&try->target->account->name, try->model,
                                       ngx_http_ai_totals_worth(ctx, try->model,
                                                                &tries[i]),
                                       &tries[i], &refs[n]);

        if (i + 1 < ntries) {
            /* the record has the last one's */
            ngx_http_ai_totals_merge(&sample, &tries[i]);
        }
    }

    ngx_http_ai_totals_add(ctx->conf->zone, &sample,
                           ntries ? (int64_t) (ctx->overhead_ns / 1000) : -1,
                           refs, n);
}


void
ngx_http_ai_totals_record(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_record_t *rec)
{
    ngx_uint_t                   n;
    const ngx_str_t             *model;
    ngx_http_ai_tally_sample_t   sample;
    ngx_http_ai_totals_ref_t     refs[NGX_HTTP_AI_TOTALS_REFS];

    ngx_http_ai_totals_sample(rec, &sample);

    n = ngx_http_ai_totals_who(rec, &sample, refs);

    if (rec->account.len) {

        model = rec->model_served.len ? &rec->model_served
                                      : &rec->model_requested;

        n += ngx_http_ai_totals_where(&rec->account, model,
                                      sample.outcome == NGX_HTTP_AI_TALLY_OK
                                      ? NGX_HTTP_AI_TOTALS_SEEN
                                      : NGX_HTTP_AI_TOTALS_UNKNOWN,
                                      &sample, &refs[n]);

        if (rec->provider.len == 0) {
            /* a host of proxy_pass, which a client may have named */
            refs[n - 3].worth = NGX_HTTP_AI_TOTALS_UNKNOWN;
            refs[n - 1].foreign = 1;
        }
    }

    ngx_http_ai_totals_add(zone, &sample, -1, refs, n);
}


static void
ngx_http_ai_totals_sample(const ngx_http_ai_record_t *rec,
    ngx_http_ai_tally_sample_t *sample)
{
    ngx_uint_t  i;
    int64_t     tokens[NGX_HTTP_AI_TALLY_TOKENS];

    ngx_http_ai_tally_init(sample);

    sample->outcome = ngx_http_ai_tally_outcome(&rec->outcome);
    sample->fallback = ngx_http_ai_tally_fallback(&rec->fallback);
    sample->attempts = ngx_max(rec->attempts, 0);
    sample->drill = (rec->drill == 1);
    sample->latency_ms = rec->latency_ms;

    if (rec->stream == 1) {
        sample->first_token_ms = rec->ttft_ms;
    }

    if (sample->outcome != NGX_HTTP_AI_TALLY_OK) {
        /* of what was not routed here nobody has found out why */
        sample->verdict = NGX_HTTP_AI_SERVER_ERROR;
    }

    tokens[NGX_HTTP_AI_TALLY_INPUT] = rec->input_tokens;
    tokens[NGX_HTTP_AI_TALLY_OUTPUT] = rec->output_tokens;
    tokens[NGX_HTTP_AI_TALLY_CACHE_READ] = rec->cache_read_tokens;
    tokens[NGX_HTTP_AI_TALLY_CACHE_WRITE] = rec->cache_write_tokens;
    tokens[NGX_HTTP_AI_TALLY_REASONING] = rec->reasoning_tokens;

    /* what is absent is less than -1 */

    for (i = 0; i < NGX_HTTP_AI_TALLY_TOKENS; i++) {
        sample->tokens[i] = ngx_max(tokens[i], -1);
    }

    sample->cost_nanousd = ngx_max(rec->cost_nanousd, -1);
}


static ngx_uint_t
ngx_http_ai_totals_who(const ngx_http_ai_record_t *rec,
    const ngx_http_ai_tally_sample_t *sample, ngx_http_ai_totals_ref_t *refs)
{
    ngx_uint_t  i, n;

    n = 0;

    /* who has no valid key is nobody */

    if (rec->key_id.len) {
        ngx_http_ai_totals_refer(&refs[n++], NGX_HTTP_AI_TOTALS_KEY,
                                 &rec->key_id, NULL);
        ngx_http_ai_totals_refer(&refs[n++], NGX_HTTP_AI_TOTALS_TEAM,
                                 &rec->team, NULL);
    }

    if (rec->ai_class.len) {
        ngx_http_ai_totals_refer(&refs[n++], NGX_HTTP_AI_TOTALS_CLASS,
                                 &rec->ai_class, NULL);
        ngx_http_ai_totals_refer(&refs[n++], NGX_HTTP_AI_TOTALS_ROUTE_CLASS,
                                 &rec->route, &rec->ai_class);
    }

    if (rec->route.len) {
        ngx_http_ai_totals_refer(&refs[n++], NGX_HTTP_AI_TOTALS_ROUTE,
                                 &rec->route, NULL);
    }

    for (i = 0; i < n; i++) {
        refs[i].sample = sample;
        refs[i].worth = refs[i].kind == NGX_HTTP_AI_TOTALS_KEY
                        ? NGX_HTTP_AI_TOTALS_FORGOTTEN
                        : NGX_HTTP_AI_TOTALS_CONFIGURED;
    }

    return n;
}


/* "worth" is the model's; the account, which is the first of the three, is of
   the configuration */

static ngx_uint_t
ngx_http_ai_totals_where(const ngx_str_t *account, const ngx_str_t *model,
    ngx_http_ai_totals_worth_e worth, const ngx_http_ai_tally_sample_t *sample,
    ngx_http_ai_totals_ref_t *refs)
{
    ngx_uint_t  i;

    ngx_http_ai_totals_refer(&refs[0], NGX_HTTP_AI_TOTALS_ACCOUNT, account,
                             NULL);
    ngx_http_ai_totals_refer(&refs[1], NGX_HTTP_AI_TOTALS_MODEL, model, NULL);
    ngx_http_ai_totals_refer(&refs[2], NGX_HTTP_AI_TOTALS_TARGET, account,
                             model);

    for (i = 0; i < 3; i++) {
        refs[i].sample = sample;
        refs[i].worth = model->len ? worth : NGX_HTTP_AI_TOTALS_UNKNOWN;
    }

    refs[0].worth = NGX_HTTP_AI_TOTALS_CONFIGURED;

    return 3;
}


/* as the records of attempts have it; another one came after it */

static void
ngx_http_ai_totals_try(ngx_http_ai_try_t *try,
    ngx_http_ai_tally_sample_t *sample)
{
    int64_t                cost;
    ngx_http_ai_tokens_t  *tokens;

    tokens = try->tokens;

    ngx_http_ai_tally_init(sample);

    sample->attempts = 1;
    sample->verdict = try->verdict;
    sample->latency_ms = try->elapsed;

    if (tokens && (tokens->found || tokens->estimated)) {
        sample->tokens[NGX_HTTP_AI_TALLY_INPUT] = tokens->input;
        sample->tokens[NGX_HTTP_AI_TALLY_OUTPUT] = tokens->output;
        sample->tokens[NGX_HTTP_AI_TALLY_CACHE_READ] = tokens->cache_read;
        sample->tokens[NGX_HTTP_AI_TALLY_CACHE_WRITE] = tokens->cache_write;
        sample->tokens[NGX_HTTP_AI_TALLY_REASONING] = tokens->reasoning;
    }

    if (ngx_http_ai_usage_cost(try, &cost) == NGX_OK) {
        sample->cost_nanousd = cost;
    }
}


/* the last one's outcome, tokens and cost are the record's */

static void
ngx_http_ai_totals_last(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_record_t *rec, ngx_http_ai_tally_sample_t *sample)
{
    ngx_http_ai_try_t      *try;
    ngx_http_ai_attempt_t  *at;

    at = ctx->attempt;
    try = &at->tries[at->ntries - 1];

    ngx_http_ai_totals_sample(rec, sample);

    sample->fallback = NGX_HTTP_AI_TALLY_NONE;
    sample->attempts = 1;
    sample->verdict = try->verdict;
    sample->latency_ms = at->committed ? ngx_current_msec - try->start
                                       : try->elapsed;

    if (sample->first_token_ms < 0) {
        return;
    }

    /* the record's is from the request's begin */

    sample->first_token_ms = ngx_max(sample->first_token_ms
                                     - (int64_t) (try->start - ctx->start), 0);

    if (sample->outcome == NGX_HTTP_AI_TALLY_OK && try->tokens
        && try->tokens->found)
    {
        sample->output_us = ngx_http_ai_tally_output_us(sample->latency_ms,
                                  sample->first_token_ms,
                                  sample->tokens[NGX_HTTP_AI_TALLY_OUTPUT]);
    }
}


static void
ngx_http_ai_totals_merge(ngx_http_ai_tally_sample_t *sum,
    const ngx_http_ai_tally_sample_t *sample)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_AI_TALLY_TOKENS; i++) {

        if (sample->tokens[i] > 0) {
            sum->tokens[i] = ngx_max(sum->tokens[i], 0) + sample->tokens[i];
        }
    }

    if (sample->cost_nanousd > 0) {
        sum->cost_nanousd = ngx_max(sum->cost_nanousd, 0);
        sum->cost_nanousd += ngx_min(sample->cost_nanousd,
                                     INT64_MAX - sum->cost_nanousd);
    }
}


/*
 * A model exists if the configuration names it, and not only as what begins
 * like it, or if it has answered.  Any other name is a client's, and must not
 * take the place of a model.
 */

static ngx_http_ai_totals_worth_e
ngx_http_ai_totals_worth(ngx_http_ai_ctx_t *ctx, const ngx_str_t *model,
    const ngx_http_ai_tally_sample_t *sample)
{
    ngx_str_t   *pattern, *asked;
    ngx_uint_t   i;

    asked = &ctx->facts.model;

    if (model->len != asked->len
        || ngx_memcmp(model->data, asked->data, asked->len) != 0)
    {
        /* of a target or of a backup */
        return NGX_HTTP_AI_TOTALS_CONFIGURED;
    }

    pattern = ctx->route->patterns.elts;

    for (i = 0; i < ctx->route->patterns.nelts; i++) {

        if (pattern[i].len == model->len
            && ngx_memcmp(pattern[i].data, model->data, model->len) == 0)
        {
            return NGX_HTTP_AI_TOTALS_CONFIGURED;
        }
    }

    return sample->outcome == NGX_HTTP_AI_TALLY_OK
           ? NGX_HTTP_AI_TOTALS_SEEN : NGX_HTTP_AI_TOTALS_UNKNOWN;
}


static void
ngx_http_ai_totals_refer(ngx_http_ai_totals_ref_t *ref,
    ngx_http_ai_totals_kind_e kind, const ngx_str_t *first,
    const ngx_str_t *second)
{
    /* not a null pointer, for memcmp() and its like */
    static const ngx_str_t  none = ngx_string("");

    ref->kind = kind;
    ref->foreign = 0;
    ref->names[0] = *first;
    ref->names[1] = second ? *second : none;

    if (first->len == 0) {
        ref->names[0] = none;
    }

    if (ref->names[1].len == 0) {
        ref->names[1] = none;
    }

    ref->names[0].len = ngx_min(ref->names[0].len, NGX_HTTP_AI_TOTALS_NAME);
    ref->names[1].len = ngx_min(ref->names[1].len, NGX_HTTP_AI_TOTALS_NAME);

    ref->hash = ngx_http_ai_tally_hash(kind, ref->names);
}


void
ngx_http_ai_totals_busy(ngx_http_ai_ctx_t *ctx)
{
    if (ctx->busy_since == 0) {
        ctx->busy_since = ngx_http_ai_totals_ns();
    }
}


void
ngx_http_ai_totals_waits(ngx_http_ai_ctx_t *ctx)
{
    if (ctx->busy_since) {
        ctx->overhead_ns += ngx_http_ai_totals_ns() - ctx->busy_since;
        ctx->busy_since = 0;
    }
}


static uint64_t
ngx_http_ai_totals_ns(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}
