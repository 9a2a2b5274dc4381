
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* what accounts and keys are held to, and how much of it is used */


#include "ngx_http_ai_status_view.h"


static void ngx_http_ai_status_rate(ngx_http_ai_writer_t *w,
    const char *what, const ngx_http_ai_rate_t *rate,
    const ngx_http_ai_rate_bucket_t *left);
static void ngx_http_ai_status_concurrent(ngx_http_ai_writer_t *w,
    const ngx_http_ai_limits_t *limits);
static void ngx_http_ai_status_budget(ngx_http_ai_writer_t *w,
    const ngx_http_ai_budget_t *budget, const ngx_http_ai_budget_state_t *s);


void
ngx_http_ai_status_limits(ngx_http_ai_writer_t *w,
    const ngx_http_ai_limits_t *limits)
{
    ngx_uint_t                   i;
    const ngx_http_ai_budget_t  *budget;

    ngx_http_ai_writer_open(w, "limits", '[');

    ngx_http_ai_status_rate(w, "requests", limits->requests,
                            &limits->left_requests);
    ngx_http_ai_status_rate(w, "tokens", limits->tokens,
                            &limits->left_tokens);
    ngx_http_ai_status_concurrent(w, limits);

    for (i = 0; i < limits->nbudgets; i++) {
        budget = &limits->budgets[i];

        ngx_http_ai_status_budget(w, budget, &limits->spent[budget->per - 1]);
    }

    ngx_http_ai_writer_close(w, ']');
}


static void
ngx_http_ai_status_rate(ngx_http_ai_writer_t *w, const char *what,
    const ngx_http_ai_rate_t *rate, const ngx_http_ai_rate_bucket_t *left)
{
    if (rate->limit == 0) {
        return;
    }

    ngx_http_ai_writer_open(w, NULL, '{');
    ngx_http_ai_writer_cstr(w, "what", what);
    ngx_http_ai_writer_str(w, "per", ngx_http_ai_rate_period(rate->period_ms));
    ngx_http_ai_writer_int(w, "limit", rate->limit);
    ngx_http_ai_writer_int(w, "used", rate->limit
                     - ngx_http_ai_rate_remaining(rate, left,
                                                  ngx_current_msec));
    ngx_http_ai_writer_null(w, "resets_ms");
    ngx_http_ai_writer_close(w, '}');
}


static void
ngx_http_ai_status_concurrent(ngx_http_ai_writer_t *w,
    const ngx_http_ai_limits_t *limits)
{
    if (limits->concurrent == 0) {
        return;
    }

    ngx_http_ai_writer_open(w, NULL, '{');
    ngx_http_ai_writer_cstr(w, "what", "concurrent");
    ngx_http_ai_writer_null(w, "per");
    ngx_http_ai_writer_int(w, "limit", limits->concurrent);
    ngx_http_ai_writer_int(w, "used", limits->inflight);
    ngx_http_ai_writer_null(w, "resets_ms");
    ngx_http_ai_writer_close(w, '}');
}


static void
ngx_http_ai_status_budget(ngx_http_ai_writer_t *w,
    const ngx_http_ai_budget_t *budget, const ngx_http_ai_budget_state_t *s)
{
    int64_t  resets;

    resets = ngx_http_ai_budget_resets(budget->per, ngx_time());

    ngx_http_ai_writer_open(w, NULL, '{');
    ngx_http_ai_writer_cstr(w, "what", "budget");
    ngx_http_ai_writer_str(w, "per",
                           ngx_http_ai_budget_per_name(budget->per));
    ngx_http_ai_writer_int(w, "limit", budget->limit_nanousd);
    ngx_http_ai_writer_int(w, "used", ngx_http_ai_budget_used(s));
    ngx_http_ai_writer_int(w, "resets_ms",
                           resets == NGX_HTTP_AI_BUDGET_NEVER
                           ? NGX_HTTP_AI_WRITER_NULL : resets * 1000);
    ngx_http_ai_writer_close(w, '}');
}
