
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The metrics of what has ended: a table of families, each written for all
 * copies of its kind, since the samples of a family stand together.
 */


#include "ngx_http_ai_status_metrics.h"
#include "pure/ngx_http_ai_provider.h"


typedef enum {
    NGX_HTTP_AI_METRICS_NUMBER = 0,    /* uint64_t */
    NGX_HTTP_AI_METRICS_TIMES,         /* ngx_http_ai_stats_hist_t */
    NGX_HTTP_AI_METRICS_SCALED         /* ngx_http_ai_tally_hist_t */
} ngx_http_ai_metrics_form_e;


typedef const ngx_str_t *(*ngx_http_ai_metrics_word_pt)(ngx_uint_t i);


/*
 * A family: one value of each copy, or with a "word" several in a row, each
 * with that label.  Those that are 0 are left out where there may be many, and
 * histograms without any sample always.
 */

typedef struct {
    const char                  *name;
    const char                  *help;
    ngx_http_ai_totals_kind_e    kind;
    ngx_http_ai_metrics_form_e   form;
    size_t                       offset;       /* in a target's tally */
    ngx_uint_t                   decimals;
    const char                  *label;
    ngx_http_ai_metrics_word_pt  word;
    ngx_uint_t                   first;        /* of these */
    ngx_uint_t                   n;
    ngx_http_ai_tally_scale_e    scale;
    unsigned                     sparse:1;
    unsigned                     genai:1;      /* labels by OpenTelemetry */
} ngx_http_ai_metrics_row_t;


/* a copy as it is kept until all families are written */

typedef struct {
    ngx_str_t                    labels;
    ngx_str_t                    genai;
    ngx_http_ai_tally_target_t   tally;
} ngx_http_ai_metrics_copy_t;


typedef struct {
    ngx_http_ai_metrics_t       *m;
    ngx_http_ai_main_conf_t     *conf;
    ngx_http_ai_totals_kind_e    kind;
    ngx_array_t                  copies[NGX_HTTP_AI_TOTALS_KINDS];
} ngx_http_ai_metrics_set_t;


static void ngx_http_ai_metrics_collect(ngx_http_ai_metrics_set_t *set,
    ngx_http_ai_totals_kind_e kind);
static void ngx_http_ai_metrics_keep(const ngx_http_ai_totals_view_t *view,
    void *data);
static ngx_int_t ngx_http_ai_metrics_target(ngx_http_ai_metrics_set_t *set,
    const ngx_http_ai_totals_view_t *view, ngx_http_ai_metrics_copy_t *copy);
static const ngx_str_t *ngx_http_ai_metrics_provider(const ngx_str_t *name);
static void ngx_http_ai_metrics_family(ngx_http_ai_metrics_set_t *set,
    const ngx_http_ai_metrics_row_t *row);
static void ngx_http_ai_metrics_value(ngx_http_ai_metrics_t *m,
    const ngx_http_ai_metrics_row_t *row,
    const ngx_http_ai_metrics_copy_t *copy, ngx_uint_t i);
static void ngx_http_ai_metrics_times(ngx_http_ai_metrics_t *m,
    const ngx_str_t *labels, const ngx_http_ai_stats_hist_t *hist);
static void ngx_http_ai_metrics_scaled(ngx_http_ai_metrics_t *m,
    const ngx_str_t *labels, const char *name, const ngx_str_t *word,
    const ngx_http_ai_tally_hist_t *hist, ngx_http_ai_tally_scale_e scale,
    ngx_uint_t decimals);
static const ngx_str_t *ngx_http_ai_metrics_outcome(ngx_uint_t i);
static const ngx_str_t *ngx_http_ai_metrics_fallback(ngx_uint_t i);
static const ngx_str_t *ngx_http_ai_metrics_token(ngx_uint_t i);
static const ngx_str_t *ngx_http_ai_metrics_verdict(ngx_uint_t i);


#define ngx_http_ai_metrics_sum(field)                                        \
    offsetof(ngx_http_ai_tally_target_t, sum.field)

#define ngx_http_ai_metrics_own(field)                                        \
    offsetof(ngx_http_ai_tally_target_t, field)


static const ngx_http_ai_metrics_row_t  ngx_http_ai_metrics_rows[] = {

    { .name = "ai_route_requests_total",
      .help = "Requests that ended, by how.",
      .kind = NGX_HTTP_AI_TOTALS_ROUTE_CLASS,
      .offset = ngx_http_ai_metrics_sum(outcomes),
      .label = "outcome", .word = ngx_http_ai_metrics_outcome,
      .n = NGX_HTTP_AI_TALLY_OUTCOMES },

    { .name = "ai_route_fallbacks_total",
      .help = "Requests that more than one attempt or a backup served.",
      .kind = NGX_HTTP_AI_TOTALS_ROUTE_CLASS,
      .offset = ngx_http_ai_metrics_sum(fallbacks),
      .label = "fallback", .word = ngx_http_ai_metrics_fallback,
      .first = NGX_HTTP_AI_TALLY_RETRY, .n = NGX_HTTP_AI_TALLY_FALLBACKS },

    { .name = "ai_route_saved_total",
      .help = "Of the fallbacks, those that ended well.",
      .kind = NGX_HTTP_AI_TOTALS_ROUTE_CLASS,
      .offset = ngx_http_ai_metrics_sum(saved) },

    { .name = "ai_route_drill_requests_total",
      .help = "Requests in the scope of a fault that an operator injected.",
      .kind = NGX_HTTP_AI_TOTALS_ROUTE_CLASS,
      .offset = ngx_http_ai_metrics_sum(drill) },

    { .name = "ai_route_request_duration_seconds",
      .help = "From the request to the end of the answer, of those ok.",
      .kind = NGX_HTTP_AI_TOTALS_CLASS, .form = NGX_HTTP_AI_METRICS_TIMES,
      .offset = ngx_http_ai_metrics_sum(latency) },

    { .name = "ai_route_request_first_token_seconds",
      .help = "From the request to a stream's first content.",
      .kind = NGX_HTTP_AI_TOTALS_CLASS, .form = NGX_HTTP_AI_METRICS_TIMES,
      .offset = ngx_http_ai_metrics_sum(first_token) },

    { .name = "ai_route_attempts_total",
      .help = "Attempts at accounts that ended, by verdict.",
      .kind = NGX_HTTP_AI_TOTALS_TARGET,
      .offset = ngx_http_ai_metrics_own(verdicts),
      .label = "verdict", .word = ngx_http_ai_metrics_verdict,
      .n = NGX_HTTP_AI_VERDICTS, .sparse = 1 },

    { .name = "ai_route_tokens_total",
      .help = "Tokens of attempts; cached and reasoning ones are part of "
              "input and output.",
      .kind = NGX_HTTP_AI_TOTALS_TARGET,
      .offset = ngx_http_ai_metrics_sum(tokens),
      .label = "type", .word = ngx_http_ai_metrics_token,
      .n = NGX_HTTP_AI_TALLY_TOKENS },

    { .name = "ai_route_cost_usd_total",
      .help = "Cost of attempts whose price is known, in US dollars.",
      .kind = NGX_HTTP_AI_TOTALS_TARGET,
      .offset = ngx_http_ai_metrics_sum(cost_nanousd), .decimals = 9 },

    { .name = "ai_route_team_requests_total",
      .help = "Requests of a team's keys that ended, by how.",
      .kind = NGX_HTTP_AI_TOTALS_TEAM,
      .offset = ngx_http_ai_metrics_sum(outcomes),
      .label = "outcome", .word = ngx_http_ai_metrics_outcome,
      .n = NGX_HTTP_AI_TALLY_OUTCOMES },

    { .name = "ai_route_team_tokens_total",
      .help = "Tokens of a team's requests.",
      .kind = NGX_HTTP_AI_TOTALS_TEAM,
      .offset = ngx_http_ai_metrics_sum(tokens),
      .label = "type", .word = ngx_http_ai_metrics_token,
      .n = NGX_HTTP_AI_TALLY_TOKENS },

    { .name = "ai_route_team_cost_usd_total",
      .help = "Cost of a team's requests, in US dollars.",
      .kind = NGX_HTTP_AI_TOTALS_TEAM,
      .offset = ngx_http_ai_metrics_sum(cost_nanousd), .decimals = 9 },

    { .name = "gen_ai_server_request_duration_seconds",
      .help = "Duration of attempts that ended well.",
      .kind = NGX_HTTP_AI_TOTALS_TARGET, .form = NGX_HTTP_AI_METRICS_TIMES,
      .offset = ngx_http_ai_metrics_sum(latency), .genai = 1 },

    { .name = "gen_ai_server_time_to_first_token_seconds",
      .help = "From an attempt's begin to its stream's first content.",
      .kind = NGX_HTTP_AI_TOTALS_TARGET, .form = NGX_HTTP_AI_METRICS_TIMES,
      .offset = ngx_http_ai_metrics_sum(first_token), .genai = 1 },

    { .name = "gen_ai_server_time_per_output_token_seconds",
      .help = "Time for each token of a stream after the first.",
      .kind = NGX_HTTP_AI_TOTALS_TARGET, .form = NGX_HTTP_AI_METRICS_SCALED,
      .offset = ngx_http_ai_metrics_own(output_time), .decimals = 6,
      .scale = NGX_HTTP_AI_TALLY_OUTPUT_TIME, .genai = 1 },

    { .name = "gen_ai_client_token_usage",
      .help = "Tokens of an attempt.",
      .kind = NGX_HTTP_AI_TOTALS_TARGET, .form = NGX_HTTP_AI_METRICS_SCALED,
      .offset = ngx_http_ai_metrics_own(usage),
      .label = "gen_ai_token_type", .word = ngx_http_ai_metrics_token,
      .n = 2, .scale = NGX_HTTP_AI_TALLY_USAGE, .genai = 1 },

    { .name = NULL }
};


/* ours, and OpenTelemetry's word for it; others have none, or the same */

static const struct {
    ngx_str_t  own;
    ngx_str_t  genai;
} ngx_http_ai_metrics_providers[] = {
    { ngx_string("azure"), ngx_string("azure.ai.openai") },
    { ngx_string("bedrock"), ngx_string("aws.bedrock") },
    { ngx_string("gemini"), ngx_string("gcp.gemini") },
    { ngx_string("mistral"), ngx_string("mistral_ai") },
    { ngx_string("vertex"), ngx_string("gcp.vertex_ai") },
    { ngx_string("xai"), ngx_string("x_ai") },
    { ngx_null_string, ngx_null_string }
};


void
ngx_http_ai_metrics_totals(ngx_http_ai_metrics_t *m,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_uint_t                  i;
    ngx_http_ai_tally_t         all;
    ngx_http_ai_tally_hist_t    overhead;
    ngx_http_ai_metrics_set_t   set;

    static const ngx_http_ai_totals_kind_e  kinds[] = {
        NGX_HTTP_AI_TOTALS_ROUTE_CLASS,
        NGX_HTTP_AI_TOTALS_CLASS,
        NGX_HTTP_AI_TOTALS_TARGET,
        NGX_HTTP_AI_TOTALS_TEAM
    };

    set.m = m;
    set.conf = conf;

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        ngx_http_ai_metrics_collect(&set, kinds[i]);
    }

    if (m->w->failed) {
        return;
    }

    for (i = 0; ngx_http_ai_metrics_rows[i].name; i++) {
        ngx_http_ai_metrics_family(&set, &ngx_http_ai_metrics_rows[i]);
    }

    ngx_http_ai_totals_all(conf->zone, &all, &overhead);

    ngx_http_ai_metrics_begin(m, "ai_route_overhead_seconds", "histogram",
                              "What the gateway itself adds to a request.");
    ngx_http_ai_metrics_scaled(m, NULL, NULL, NULL, &overhead,
                               NGX_HTTP_AI_TALLY_OVERHEAD, 6);
}


static void
ngx_http_ai_metrics_collect(ngx_http_ai_metrics_set_t *set,
    ngx_http_ai_totals_kind_e kind)
{
    if (ngx_array_init(&set->copies[kind], set->m->w->pool, 8,
                       sizeof(ngx_http_ai_metrics_copy_t *))
        != NGX_OK)
    {
        set->m->w->failed = 1;
        return;
    }

    set->kind = kind;

    ngx_http_ai_totals_each(set->conf->zone, kind, ngx_http_ai_metrics_keep,
                            set);
}


static void
ngx_http_ai_metrics_keep(const ngx_http_ai_totals_view_t *view, void *data)
{
    ngx_http_ai_metrics_set_t *set = data;

    size_t                         size;
    ngx_int_t                      rc;
    ngx_http_ai_metrics_copy_t    *copy, **slot;
    ngx_http_ai_metrics_label_t    labels[NGX_HTTP_AI_METRICS_LABELS];

    static const ngx_str_t  none = ngx_null_string;

    if (view->others && set->kind == NGX_HTTP_AI_TOTALS_TEAM) {
        /* the empty name is that of keys without a team */
        return;
    }

    size = set->kind == NGX_HTTP_AI_TOTALS_TARGET
           ? sizeof(ngx_http_ai_tally_target_t) : sizeof(ngx_http_ai_tally_t);

    copy = ngx_palloc(set->m->w->pool,
                      offsetof(ngx_http_ai_metrics_copy_t, tally) + size);
    slot = ngx_array_push(&set->copies[set->kind]);

    if (copy == NULL || slot == NULL) {
        set->m->w->failed = 1;
        return;
    }

    *slot = copy;
    ngx_memcpy(&copy->tally, &view->tally, size);

    ngx_memzero(labels, sizeof(labels));
    labels[0].value = view->others ? &none : &view->names[0];
    labels[1].value = view->others ? &none : &view->names[1];

    switch (set->kind) {

    case NGX_HTTP_AI_TOTALS_TARGET:
        rc = ngx_http_ai_metrics_target(set, view, copy);
        break;

    case NGX_HTTP_AI_TOTALS_ROUTE_CLASS:
        labels[0].name = "route";
        labels[1].name = "class";
        rc = ngx_http_ai_metrics_labels(set->m, labels, &copy->labels);
        break;

    case NGX_HTTP_AI_TOTALS_CLASS:
        labels[0].name = "class";
        rc = ngx_http_ai_metrics_labels(set->m, labels, &copy->labels);
        break;

    default: /* NGX_HTTP_AI_TOTALS_TEAM */
        labels[0].name = "team";
        rc = ngx_http_ai_metrics_labels(set->m, labels, &copy->labels);
    }

    if (rc != NGX_OK) {
        set->copies[set->kind].nelts--;
    }
}


static ngx_int_t
ngx_http_ai_metrics_target(ngx_http_ai_metrics_set_t *set,
    const ngx_http_ai_totals_view_t *view, ngx_http_ai_metrics_copy_t *copy)
{
    const ngx_str_t              *provider;
    ngx_http_ai_account_t        *account;
    ngx_http_ai_metrics_label_t   labels[NGX_HTTP_AI_METRICS_LABELS];

    static const ngx_str_t  none = ngx_null_string;

    account = view->others ? NULL
                           : ngx_http_ai_conf_find_account(set->conf,
                                                           &view->names[0]);
    provider = account ? &account->provider->name : &none;

    labels[0].name = "account";
    labels[0].value = view->others ? &none : &view->names[0];
    labels[1].name = "provider";
    labels[1].value = provider;
    labels[2].name = "model";
    labels[2].value = view->others ? &none : &view->names[1];
    labels[3].name = NULL;

    if (ngx_http_ai_metrics_labels(set->m, labels, &copy->labels) != NGX_OK) {
        return NGX_ERROR;
    }

    labels[1].name = "gen_ai_provider_name";
    labels[1].value = ngx_http_ai_metrics_provider(provider);
    labels[2].name = "gen_ai_request_model";

    return ngx_http_ai_metrics_labels(set->m, labels, &copy->genai);
}


static const ngx_str_t *
ngx_http_ai_metrics_provider(const ngx_str_t *name)
{
    ngx_uint_t  i;

    for (i = 0; ngx_http_ai_metrics_providers[i].own.len; i++) {

        if (ngx_http_ai_metrics_providers[i].own.len == name->len
            && ngx_memcmp(ngx_http_ai_metrics_providers[i].own.data,
                          name->data, name->len)
               == 0)
        {
            return &ngx_http_ai_metrics_providers[i].genai;
        }
    }

    return name;
}


static void
ngx_http_ai_metrics_family(ngx_http_ai_metrics_set_t *set,
    const ngx_http_ai_metrics_row_t *row)
{
    ngx_uint_t                    i, k;
    ngx_http_ai_metrics_copy_t  **copy;

    ngx_http_ai_metrics_begin(set->m, row->name,
                              row->form == NGX_HTTP_AI_METRICS_NUMBER
                              ? "counter" : "histogram", row->help);

    copy = set->copies[row->kind].elts;

    for (i = 0; i < set->copies[row->kind].nelts; i++) {

        for (k = row->first; k < ngx_max(row->n, 1); k++) {
            ngx_http_ai_metrics_value(set->m, row, copy[i], k);
        }
    }
}


static void
ngx_http_ai_metrics_value(ngx_http_ai_metrics_t *m,
    const ngx_http_ai_metrics_row_t *row,
    const ngx_http_ai_metrics_copy_t *copy, ngx_uint_t i)
{
    uint64_t          value;
    const u_char     *p;
    const ngx_str_t  *word, *labels;

    p = (const u_char *) &copy->tally + row->offset;
    word = row->word ? row->word(i) : NULL;
    labels = row->genai ? &copy->genai : &copy->labels;

    switch (row->form) {

    case NGX_HTTP_AI_METRICS_NUMBER:
        value = ((const uint64_t *) p)[i];

        if (value || !row->sparse) {
            ngx_http_ai_metrics_sample(m, labels, row->label, word, value,
                                       row->decimals);
        }

        break;

    case NGX_HTTP_AI_METRICS_TIMES:
        ngx_http_ai_metrics_times(m, labels,
                                  (const ngx_http_ai_stats_hist_t *) p);
        break;

    default: /* NGX_HTTP_AI_METRICS_SCALED */
        ngx_http_ai_metrics_scaled(m, labels, row->label, word,
                                   (const ngx_http_ai_tally_hist_t *) p + i,
                                   row->scale, row->decimals);
    }
}


static void
ngx_http_ai_metrics_times(ngx_http_ai_metrics_t *m, const ngx_str_t *labels,
    const ngx_http_ai_stats_hist_t *hist)
{
    uint64_t                    bounds[NGX_HTTP_AI_STATS_BUCKETS - 1];
    ngx_uint_t                  k;
    ngx_http_ai_metrics_hist_t  h;

    if (ngx_http_ai_stats_total(hist) == 0) {
        return;
    }

    for (k = 0; k < NGX_HTTP_AI_STATS_BUCKETS - 1; k++) {
        bounds[k] = ngx_http_ai_stats_bound(k);
    }

    h.bounds = bounds;
    h.counts = hist->counts;
    h.n = k;
    h.sum = hist->sum_ms;
    h.decimals = 3;

    ngx_http_ai_metrics_hist(m, labels, NULL, NULL, &h);
}


static void
ngx_http_ai_metrics_scaled(ngx_http_ai_metrics_t *m, const ngx_str_t *labels,
    const char *name, const ngx_str_t *word,
    const ngx_http_ai_tally_hist_t *hist, ngx_http_ai_tally_scale_e scale,
    ngx_uint_t decimals)
{
    ngx_uint_t                        k;
    ngx_http_ai_metrics_hist_t        h;
    const ngx_http_ai_tally_scale_t  *s;

    s = ngx_http_ai_tally_scale(scale);

    for (k = 0; k <= s->n && hist->counts[k] == 0; k++) { /* void */ }

    if (k > s->n && labels) {
        return;
    }

    h.bounds = s->bounds;
    h.counts = hist->counts;
    h.n = s->n;
    h.sum = hist->sum;
    h.decimals = decimals;

    ngx_http_ai_metrics_hist(m, labels, name, word, &h);
}


static const ngx_str_t *
ngx_http_ai_metrics_outcome(ngx_uint_t i)
{
    return &ngx_http_ai_tally_outcomes[i];
}


static const ngx_str_t *
ngx_http_ai_metrics_fallback(ngx_uint_t i)
{
    return &ngx_http_ai_tally_fallback_words[i];
}


static const ngx_str_t *
ngx_http_ai_metrics_token(ngx_uint_t i)
{
    static const ngx_str_t  words[NGX_HTTP_AI_TALLY_TOKENS] = {
        ngx_string("input"),
        ngx_string("output"),
        ngx_string("cache_read"),
        ngx_string("cache_write"),
        ngx_string("reasoning")
    };

    return &words[i];
}


static const ngx_str_t *
ngx_http_ai_metrics_verdict(ngx_uint_t i)
{
    return &ngx_http_ai_verdict(i)->name;
}
