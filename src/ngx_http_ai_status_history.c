
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * GET history: what ended lately, in steps, for charts.  The ring is copied
 * one step at a time: nobody waits for the lock longer than for a request.
 */


#include "ngx_http_ai_status_reply.h"
#include "ngx_http_ai_zone.h"


static void ngx_http_ai_status_history_step(ngx_http_ai_writer_t *w,
    const ngx_http_ai_tally_step_t *step);
static void ngx_http_ai_status_history_percentile(ngx_http_ai_writer_t *w,
    const ngx_http_ai_tally_step_t *step, ngx_uint_t permille);


/* in the order of a point; NULL ends them */

static const char  *ngx_http_ai_status_history_fields[] = {
    "at_ms", "requests", "ok", "error", "cut", "stalled", "client_gone",
    "rejected", "fallbacks", "saved", "input_tokens", "output_tokens",
    "cost_nanousd", "latency_sum_ms", "latency_max_ms",
    "first_token_sum_ms", "first_token_count", "latency_p50_ms",
    "latency_p99_ms", NULL
};


ngx_int_t
ngx_http_ai_status_history(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call)
{
    int64_t                    number, last;
    ngx_uint_t                 i, n;
    ngx_http_ai_zone_t        *zone;
    ngx_http_ai_writer_t       w;
    ngx_http_ai_tally_step_t   step;

    zone = call->conf->zone;

    if (zone == NULL) {
        return ngx_http_ai_status_no_zone(r);
    }

    ngx_http_ai_writer_init(&w, r->pool);

    ngx_http_ai_writer_open(&w, NULL, '{');
    ngx_http_ai_writer_int(&w, "step_ms", NGX_HTTP_AI_TOTALS_STEP_MS);
    ngx_http_ai_writer_open(&w, "fields", '[');

    for (i = 0; ngx_http_ai_status_history_fields[i]; i++) {
        ngx_http_ai_writer_cstr(&w, NULL,
                                ngx_http_ai_status_history_fields[i]);
    }

    ngx_http_ai_writer_close(&w, ']');
    ngx_http_ai_writer_open(&w, "points", '[');

    n = zone->sh->totals.nsteps;
    last = (int64_t) ngx_time() * 1000 / NGX_HTTP_AI_TOTALS_STEP_MS;

    for (number = last - n + 1; number <= last; number++) {

        ngx_http_ai_totals_step(zone, number % n, &step);

        /* else it is of an earlier round, or from before the clock was set */

        if (step.number == number) {
            ngx_http_ai_status_history_step(&w, &step);
        }
    }

    ngx_http_ai_writer_close(&w, ']');
    ngx_http_ai_writer_close(&w, '}');

    return ngx_http_ai_status_answer(r, NGX_HTTP_OK, &w);
}


static void
ngx_http_ai_status_history_step(ngx_http_ai_writer_t *w,
    const ngx_http_ai_tally_step_t *step)
{
    uint64_t    requests;
    ngx_uint_t  i;

    requests = 0;

    for (i = 0; i < NGX_HTTP_AI_TALLY_OUTCOMES; i++) {
        requests += step->outcomes[i];
    }

    ngx_http_ai_writer_open(w, NULL, '[');

    ngx_http_ai_writer_int(w, NULL,
                           step->number * NGX_HTTP_AI_TOTALS_STEP_MS);
    ngx_http_ai_writer_int(w, NULL, requests);
    ngx_http_ai_writer_int(w, NULL, step->outcomes[NGX_HTTP_AI_TALLY_OK]);
    ngx_http_ai_writer_int(w, NULL, step->outcomes[NGX_HTTP_AI_TALLY_ERROR]);
    ngx_http_ai_writer_int(w, NULL, step->outcomes[NGX_HTTP_AI_TALLY_CUT]);
    ngx_http_ai_writer_int(w, NULL,
                           step->outcomes[NGX_HTTP_AI_TALLY_STALLED]);
    ngx_http_ai_writer_int(w, NULL,
                           step->outcomes[NGX_HTTP_AI_TALLY_CLIENT_GONE]);
    ngx_http_ai_writer_int(w, NULL,
                           step->outcomes[NGX_HTTP_AI_TALLY_REJECTED]);
    ngx_http_ai_writer_int(w, NULL, step->fallbacks);
    ngx_http_ai_writer_int(w, NULL, step->saved);
    ngx_http_ai_writer_int(w, NULL, step->tokens[NGX_HTTP_AI_TALLY_INPUT]);
    ngx_http_ai_writer_int(w, NULL, step->tokens[NGX_HTTP_AI_TALLY_OUTPUT]);
    ngx_http_ai_writer_int(w, NULL, step->cost_nanousd);
    ngx_http_ai_writer_int(w, NULL, step->latency.sum_ms);
    ngx_http_ai_writer_int(w, NULL, step->latency_max_ms);
    ngx_http_ai_writer_int(w, NULL, step->first_token_sum_ms);
    ngx_http_ai_writer_int(w, NULL, step->first_token_count);
    ngx_http_ai_status_history_percentile(w, step, 500);
    ngx_http_ai_status_history_percentile(w, step, 990);

    ngx_http_ai_writer_close(w, ']');
}


/* a bucket is twice as wide as the one before, but no answer took longer than
   the longest */

static void
ngx_http_ai_status_history_percentile(ngx_http_ai_writer_t *w,
    const ngx_http_ai_tally_step_t *step, ngx_uint_t permille)
{
    int64_t  ms;

    ms = ngx_http_ai_stats_percentile(&step->latency, permille);

    ngx_http_ai_writer_int(w, NULL,
                           ms < 0 ? NGX_HTTP_AI_WRITER_NULL
                                  : ngx_min(ms, step->latency_max_ms));
}
