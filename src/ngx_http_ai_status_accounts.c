
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Accounts, their models and the models' cells.  An account is copied under
 * one lock, a model with its cells under another one, and written outside.
 */


#include "ngx_http_ai_status_view.h"
#include "ngx_http_ai_health_view.h"
#include "ngx_http_ai_totals.h"
#include "pure/ngx_http_ai_endpoint.h"


/* of all accounts: the worker does nothing else while it writes them */
#define NGX_HTTP_AI_STATUS_MODELS  1000


typedef struct {
    ngx_http_ai_zone_t          *zone;
    ngx_http_ai_health_ref_t    *refs;
    ngx_uint_t                   nrefs;
} ngx_http_ai_status_models_t;


static void ngx_http_ai_status_one_account(ngx_http_ai_writer_t *w,
    ngx_http_ai_account_t *account,
    const ngx_http_ai_status_models_t *models);
static void ngx_http_ai_status_check(ngx_http_ai_writer_t *w,
    const ngx_http_ai_account_t *account,
    const ngx_http_ai_health_account_t *view);
static void ngx_http_ai_status_model(ngx_http_ai_writer_t *w,
    ngx_http_ai_account_t *account, const ngx_http_ai_health_model_t *view);
static void ngx_http_ai_status_headroom(ngx_http_ai_writer_t *w,
    const ngx_http_ai_headroom_t *headroom);
static void ngx_http_ai_status_cell(ngx_http_ai_writer_t *w,
    ngx_http_ai_account_t *account, const ngx_http_ai_health_cell_t *cell);
static void ngx_http_ai_status_health(ngx_http_ai_writer_t *w,
    ngx_http_ai_operate_e operate, const ngx_http_ai_health_t *health);
static void ngx_http_ai_status_breaker(ngx_http_ai_writer_t *w,
    const ngx_http_ai_breaker_t *b, const ngx_http_ai_breaker_conf_t *conf);
static int64_t ngx_http_ai_status_breaker_since(
    const ngx_http_ai_breaker_t *b, const ngx_http_ai_breaker_conf_t *conf,
    ngx_http_ai_breaker_state_e state);
static void ngx_http_ai_status_window(ngx_http_ai_writer_t *w,
    const ngx_http_ai_breaker_t *b, const ngx_http_ai_breaker_conf_t *conf);
static void ngx_http_ai_status_times(ngx_http_ai_writer_t *w,
    const char *name, const ngx_http_ai_stats_ewma_t *average,
    const ngx_http_ai_stats_hist_t *hist);
static int64_t ngx_http_ai_status_percentile(
    const ngx_http_ai_stats_hist_t *hist, ngx_uint_t permille);
static int64_t ngx_http_ai_status_moment(ngx_msec_t msec);


/* by ngx_http_ai_operate_e */

static const char  *ngx_http_ai_status_words[] = {
    "enabled", "draining", "disabled"
};


void
ngx_http_ai_status_accounts(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_uint_t                    i;
    ngx_http_ai_account_t       **account;
    ngx_http_ai_status_models_t   models;

    models.zone = conf->zone;
    models.nrefs = 0;
    models.refs = ngx_palloc(w->pool, NGX_HTTP_AI_STATUS_MODELS
                                      * sizeof(ngx_http_ai_health_ref_t));
    if (models.refs == NULL) {
        w->failed = 1;
        return;
    }

    models.nrefs = ngx_http_ai_health_view_models(conf->zone, models.refs,
                                                  NGX_HTTP_AI_STATUS_MODELS);

    ngx_http_ai_writer_open(w, "accounts", '[');

    account = conf->accounts.elts;

    for (i = 0; i < conf->accounts.nelts; i++) {
        ngx_http_ai_status_one_account(w, account[i], &models);
    }

    ngx_http_ai_writer_close(w, ']');
}


static void
ngx_http_ai_status_one_account(ngx_http_ai_writer_t *w,
    ngx_http_ai_account_t *account,
    const ngx_http_ai_status_models_t *models)
{
    ngx_uint_t                    i;
    ngx_http_ai_health_model_t    model;
    ngx_http_ai_health_account_t  view;

    ngx_http_ai_health_view_account(models->zone, account, &view);

    ngx_http_ai_writer_open(w, NULL, '{');
    ngx_http_ai_writer_str(w, "name", &account->name);
    ngx_http_ai_writer_str(w, "provider", &account->provider->name);
    ngx_http_ai_writer_str(w, "host", &account->host);
    ngx_http_ai_writer_word(w, "owner", &account->owner);

    ngx_http_ai_status_health(w, view.operate, &view.health);
    ngx_http_ai_writer_int(w, "inflight", view.limits.inflight);
    ngx_http_ai_status_breaker(w, &view.breaker, &account->breaker);
    ngx_http_ai_status_limits(w, &view.limits);
    ngx_http_ai_status_check(w, account, &view);

    ngx_http_ai_writer_open(w, "models", '[');

    for (i = 0; i < models->nrefs; i++) {

        if (models->refs[i].owner == account->hash
            && ngx_http_ai_health_view_model(models->zone, account,
                                             &models->refs[i], &model)
               == NGX_OK)
        {
            ngx_http_ai_status_model(w, account, &model);
        }
    }

    ngx_http_ai_writer_close(w, ']');

    ngx_http_ai_totals_write(models->zone, w, "totals",
                             NGX_HTTP_AI_TOTALS_ACCOUNT, &account->name);

    ngx_http_ai_writer_close(w, '}');
}


static void
ngx_http_ai_status_check(ngx_http_ai_writer_t *w,
    const ngx_http_ai_account_t *account,
    const ngx_http_ai_health_account_t *view)
{
    if (account->check.interval == 0) {
        ngx_http_ai_writer_null(w, "check");
        return;
    }

    ngx_http_ai_writer_open(w, "check", '{');
    ngx_http_ai_writer_int(w, "interval_ms", account->check.interval);
    ngx_http_ai_writer_int(w, "last_ms",
                           ngx_http_ai_status_moment(view->checked));
    ngx_http_ai_writer_str(w, "verdict",
                           view->found
                           ? &ngx_http_ai_verdict(view->check)->name : NULL);
    ngx_http_ai_writer_close(w, '}');
}


static void
ngx_http_ai_status_model(ngx_http_ai_writer_t *w,
    ngx_http_ai_account_t *account, const ngx_http_ai_health_model_t *view)
{
    ngx_uint_t  i;

    ngx_http_ai_writer_open(w, NULL, '{');
    ngx_http_ai_writer_str(w, "model", &view->name);
    ngx_http_ai_status_health(w, view->operate, &view->health);
    ngx_http_ai_status_headroom(w, &view->headroom);

    ngx_http_ai_writer_open(w, "cells", '[');

    for (i = 0; i < view->ncells; i++) {
        ngx_http_ai_status_cell(w, account, &view->cells[i]);
    }

    ngx_http_ai_writer_close(w, ']');
    ngx_http_ai_writer_close(w, '}');
}


static void
ngx_http_ai_status_headroom(ngx_http_ai_writer_t *w,
    const ngx_http_ai_headroom_t *headroom)
{
    int64_t     reset;
    ngx_uint_t  left;

    if (!ngx_http_ai_headroom_known(headroom, ngx_current_msec)) {
        ngx_http_ai_writer_null(w, "headroom");
        return;
    }

    left = ngx_http_ai_headroom_left(headroom, ngx_current_msec, &reset);

    ngx_http_ai_writer_int(w, "headroom", left);
}


static void
ngx_http_ai_status_cell(ngx_http_ai_writer_t *w,
    ngx_http_ai_account_t *account, const ngx_http_ai_health_cell_t *cell)
{
    const ngx_http_ai_stats_t  *st;

    st = &cell->stats;

    ngx_http_ai_writer_open(w, NULL, '{');
    ngx_http_ai_writer_str(w, "endpoint",
                           ngx_http_ai_endpoint_family(cell->family));
    ngx_http_ai_writer_bool(w, "stream", cell->stream);
    ngx_http_ai_status_health(w, cell->operate, &cell->health);
    ngx_http_ai_status_breaker(w, &cell->breaker, &account->breaker);
    ngx_http_ai_status_times(w, "latency_ms", &st->latency,
                             &st->latency_hist);
    ngx_http_ai_status_times(w, "first_token_ms", &st->first_token,
                             &st->first_token_hist);
    ngx_http_ai_writer_int(w, "tokens_per_s",
                           st->speed.samples
                           ? ((int64_t) st->speed.value + 500) / 1000
                           : NGX_HTTP_AI_WRITER_NULL);
    ngx_http_ai_writer_close(w, '}');
}


/* an operator's word has no verdict behind it, and no end that is known */

static void
ngx_http_ai_status_health(ngx_http_ai_writer_t *w,
    ngx_http_ai_operate_e operate, const ngx_http_ai_health_t *health)
{
    ngx_uint_t  away;

    away = (health->state != NGX_HTTP_AI_HEALTH_OPEN
            && health->state != NGX_HTTP_AI_HEALTH_STOPPED);

    ngx_http_ai_writer_cstr(w, "operate", ngx_http_ai_status_words[operate]);
    ngx_http_ai_writer_str(w, "state",
                           ngx_http_ai_health_name(health->state));
    ngx_http_ai_writer_str(w, "cause",
                           away ? &ngx_http_ai_verdict(health->cause)->name
                                : NULL);
    ngx_http_ai_writer_int(w, "back_ms",
                           away ? ngx_http_ai_status_moment(health->until)
                                : NGX_HTTP_AI_WRITER_NULL);
    ngx_http_ai_writer_int(w, "percent", health->percent);
}


static void
ngx_http_ai_status_breaker(ngx_http_ai_writer_t *w,
    const ngx_http_ai_breaker_t *b, const ngx_http_ai_breaker_conf_t *conf)
{
    const ngx_str_t              *reason;
    ngx_http_ai_breaker_view_t    view;

    ngx_http_ai_breaker_check(b, conf, ngx_current_msec, &view);

    reason = view.reason == NGX_HTTP_AI_BREAKER_NEVER
             ? NULL : ngx_http_ai_breaker_reason_name(view.reason);

    ngx_http_ai_writer_open(w, "breaker", '{');
    ngx_http_ai_writer_str(w, "state",
                           ngx_http_ai_breaker_state_name(view.state));
    ngx_http_ai_writer_str(w, "reason", reason);
    ngx_http_ai_writer_int(w, "since_ms",
                           ngx_http_ai_status_breaker_since(b, conf,
                                                            view.state));
    ngx_http_ai_writer_int(w, "next_probe_ms",
                           view.state == NGX_HTTP_AI_BREAKER_OPEN
                           ? ngx_http_ai_status_moment(view.until)
                           : NGX_HTTP_AI_WRITER_NULL);
    ngx_http_ai_writer_int(w, "consecutive", b->consecutive);
    ngx_http_ai_status_window(w, b, conf);
    ngx_http_ai_writer_int(w, "openings", b->openings);
    ngx_http_ai_writer_int(w, "probes", b->probes);
    ngx_http_ai_writer_close(w, '}');
}


/* that a ramp has ended, only the clock tells */

static int64_t
ngx_http_ai_status_breaker_since(const ngx_http_ai_breaker_t *b,
    const ngx_http_ai_breaker_conf_t *conf, ngx_http_ai_breaker_state_e state)
{
    if (state == NGX_HTTP_AI_BREAKER_HALF_OPEN) {
        return ngx_http_ai_status_moment(b->probe_since);
    }

    if (!b->moved) {
        return NGX_HTTP_AI_WRITER_NULL;
    }

    if (state == NGX_HTTP_AI_BREAKER_CLOSED
        && b->state == NGX_HTTP_AI_BREAKER_RAMPING)
    {
        return ngx_http_ai_status_moment(b->since + conf->ramp);
    }

    return ngx_http_ai_status_moment(b->since);
}


static void
ngx_http_ai_status_window(ngx_http_ai_writer_t *w,
    const ngx_http_ai_breaker_t *b, const ngx_http_ai_breaker_conf_t *conf)
{
    ngx_http_ai_window_sum_t  sum;

    ngx_http_ai_window_sum(&b->window, conf->window, ngx_current_msec, &sum);

    ngx_http_ai_writer_open(w, "window", '{');
    ngx_http_ai_writer_int(w, "ok", sum.counts[NGX_HTTP_AI_WINDOW_OK]);
    ngx_http_ai_writer_int(w, "failed", sum.counts[NGX_HTTP_AI_WINDOW_FAILED]);
    ngx_http_ai_writer_int(w, "slow", sum.counts[NGX_HTTP_AI_WINDOW_SLOW]);
    ngx_http_ai_writer_close(w, '}');
}


/* the average as it was at the last answer; it is in microseconds */

static void
ngx_http_ai_status_times(ngx_http_ai_writer_t *w, const char *name,
    const ngx_http_ai_stats_ewma_t *average,
    const ngx_http_ai_stats_hist_t *hist)
{
    ngx_http_ai_writer_open(w, name, '{');
    ngx_http_ai_writer_int(w, "average",
                           average->samples
                           ? ((int64_t) average->value + 500) / 1000
                           : NGX_HTTP_AI_WRITER_NULL);
    ngx_http_ai_writer_int(w, "count", ngx_http_ai_stats_total(hist));
    ngx_http_ai_writer_int(w, "sum", hist->sum_ms);
    ngx_http_ai_writer_int(w, "p50", ngx_http_ai_status_percentile(hist, 500));
    ngx_http_ai_writer_int(w, "p90", ngx_http_ai_status_percentile(hist, 900));
    ngx_http_ai_writer_int(w, "p99", ngx_http_ai_status_percentile(hist, 990));
    ngx_http_ai_writer_close(w, '}');
}


static int64_t
ngx_http_ai_status_percentile(const ngx_http_ai_stats_hist_t *hist,
    ngx_uint_t permille)
{
    int64_t  ms;

    ms = ngx_http_ai_stats_percentile(hist, permille);

    return ms == -1 ? NGX_HTTP_AI_WRITER_NULL : ms;
}


static int64_t
ngx_http_ai_status_moment(ngx_msec_t msec)
{
    return msec ? ngx_http_ai_zone_time(msec) : NGX_HTTP_AI_WRITER_NULL;
}
