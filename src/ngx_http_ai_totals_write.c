
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* totals as JSON */


#include "ngx_http_ai_zone.h"


#define ngx_http_ai_totals_offset(field)                                      \
    offsetof(ngx_http_ai_tally_t, field)


static void ngx_http_ai_totals_element(const ngx_http_ai_totals_view_t *view,
    void *data);
static void ngx_http_ai_totals_hist(ngx_http_ai_writer_t *w,
    const char *name, const ngx_http_ai_stats_hist_t *h);


/* in the order of docs/status.md */

static const struct {
    const char  *name;
    size_t       offset;
} ngx_http_ai_totals_counters[] = {
    { "saved", ngx_http_ai_totals_offset(saved) },
    { "drill", ngx_http_ai_totals_offset(drill) },
    { "attempts", ngx_http_ai_totals_offset(attempts) },
    { "input_tokens",
      ngx_http_ai_totals_offset(tokens[NGX_HTTP_AI_TALLY_INPUT]) },
    { "output_tokens",
      ngx_http_ai_totals_offset(tokens[NGX_HTTP_AI_TALLY_OUTPUT]) },
    { "cache_read_tokens",
      ngx_http_ai_totals_offset(tokens[NGX_HTTP_AI_TALLY_CACHE_READ]) },
    { "cache_write_tokens",
      ngx_http_ai_totals_offset(tokens[NGX_HTTP_AI_TALLY_CACHE_WRITE]) },
    { "reasoning_tokens",
      ngx_http_ai_totals_offset(tokens[NGX_HTTP_AI_TALLY_REASONING]) },
    { "cost_nanousd", ngx_http_ai_totals_offset(cost_nanousd) },
    { NULL, 0 }
};


static const ngx_http_ai_tally_outcome_e  ngx_http_ai_totals_outcomes[] = {
    NGX_HTTP_AI_TALLY_OK,
    NGX_HTTP_AI_TALLY_ERROR,
    NGX_HTTP_AI_TALLY_CUT,
    NGX_HTTP_AI_TALLY_STALLED,
    NGX_HTTP_AI_TALLY_CLIENT_GONE,
    NGX_HTTP_AI_TALLY_REJECTED
};


void
ngx_http_ai_totals_write(ngx_http_ai_zone_t *zone, ngx_http_ai_writer_t *w,
    const char *name, ngx_http_ai_totals_kind_e kind, const ngx_str_t *object)
{
    ngx_http_ai_tally_t       tally;
    ngx_http_ai_tally_hist_t  overhead;

    if (kind == NGX_HTTP_AI_TOTALS_ALL) {
        ngx_http_ai_totals_all(zone, &tally, &overhead);

    } else {
        ngx_http_ai_totals_get(zone, kind, object, &tally);
    }

    ngx_http_ai_totals_write_tally(w, name, &tally);
}


void
ngx_http_ai_totals_list(ngx_http_ai_zone_t *zone, ngx_http_ai_writer_t *w,
    const char *name, ngx_http_ai_totals_kind_e kind)
{
    ngx_http_ai_writer_open(w, name, '[');
    ngx_http_ai_totals_each(zone, kind, ngx_http_ai_totals_element, w);
    ngx_http_ai_writer_close(w, ']');
}


static void
ngx_http_ai_totals_element(const ngx_http_ai_totals_view_t *view, void *data)
{
    ngx_http_ai_writer_t  *w = data;

    ngx_http_ai_writer_open(w, NULL, '{');
    ngx_http_ai_writer_str(w, "name", view->others ? NULL : &view->names[0]);
    ngx_http_ai_totals_write_tally(w, "totals", &view->tally.sum);
    ngx_http_ai_writer_close(w, '}');
}


void
ngx_http_ai_totals_write_tally(ngx_http_ai_writer_t *w, const char *name,
    const ngx_http_ai_tally_t *t)
{
    ngx_uint_t                   i;
    ngx_http_ai_tally_outcome_e  outcome;

    ngx_http_ai_writer_open(w, name, '{');
    ngx_http_ai_writer_int(w, "requests", ngx_http_ai_tally_requests(t));

    for (i = 0; i < NGX_HTTP_AI_TALLY_OUTCOMES; i++) {
        outcome = ngx_http_ai_totals_outcomes[i];
        ngx_http_ai_writer_int(w,
                  (const char *) ngx_http_ai_tally_outcomes[outcome].data,
                  t->outcomes[outcome]);
    }

    ngx_http_ai_writer_int(w, "fallbacks", ngx_http_ai_tally_fallbacks(t));

    for (i = 0; ngx_http_ai_totals_counters[i].name; i++) {
        ngx_http_ai_writer_int(w, ngx_http_ai_totals_counters[i].name,
                  *(const uint64_t *) ((const u_char *) t
                                + ngx_http_ai_totals_counters[i].offset));
    }

    ngx_http_ai_totals_hist(w, "latency_ms", &t->latency);
    ngx_http_ai_totals_hist(w, "first_token_ms", &t->first_token);

    ngx_http_ai_writer_close(w, '}');
}


static void
ngx_http_ai_totals_hist(ngx_http_ai_writer_t *w, const char *name,
    const ngx_http_ai_stats_hist_t *h)
{
    int64_t     ms;
    ngx_uint_t  i;

    static const struct {
        const char  *name;
        ngx_uint_t   permille;
    } percentiles[] = {
        { "p50", 500 },
        { "p90", 900 },
        { "p99", 990 }
    };

    ngx_http_ai_writer_open(w, name, '{');

    ngx_http_ai_writer_int(w, "count", ngx_http_ai_stats_total(h));
    ngx_http_ai_writer_int(w, "sum", h->sum_ms);

    for (i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++) {
        ms = ngx_http_ai_stats_percentile(h, percentiles[i].permille);
        ngx_http_ai_writer_int(w, percentiles[i].name,
                               ms < 0 ? NGX_HTTP_AI_WRITER_NULL : ms);
    }

    ngx_http_ai_writer_close(w, '}');
}
