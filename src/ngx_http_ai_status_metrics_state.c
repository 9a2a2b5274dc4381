
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* the metrics of how it stands: accounts, breakers, queue, sink, zone */


#include "ngx_http_ai_status_metrics.h"
#include "ngx_http_ai_health_nodes.h"
#include "ngx_http_ai_health_view.h"
#include "ngx_http_ai_pin.h"
#include "ngx_http_ai_pin_stream.h"
#include "ngx_http_ai_queue.h"
#include "ngx_http_ai_version.h"


#define NGX_HTTP_AI_METRICS_RATIO  ((int64_t) 1000000)     /* six decimals */


/* what is known of an account while its families are written */

typedef struct {
    ngx_str_t                      labels;
    ngx_http_ai_health_account_t   view;
} ngx_http_ai_metrics_account_t;


typedef struct {
    ngx_http_ai_metrics_t         *m;
    ngx_http_ai_main_conf_t       *conf;
    ngx_http_ai_metrics_account_t *accounts;   /* as in conf->accounts */
} ngx_http_ai_metrics_accounts_t;


static void ngx_http_ai_metrics_process(ngx_http_ai_metrics_t *m,
    ngx_http_ai_zone_t *zone);
static void ngx_http_ai_metrics_zone(ngx_http_ai_metrics_t *m,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_metrics_load(ngx_http_ai_metrics_t *m,
    ngx_http_ai_zone_t *zone);
static void ngx_http_ai_metrics_sink(ngx_http_ai_metrics_t *m,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_metrics_pins(ngx_http_ai_metrics_t *m,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_metrics_accounts(ngx_http_ai_metrics_t *m,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_metrics_account_state(
    ngx_http_ai_metrics_accounts_t *as);
static void ngx_http_ai_metrics_budgets(ngx_http_ai_metrics_accounts_t *as);
static uint64_t ngx_http_ai_metrics_ratio(int64_t used, int64_t limit);
static void ngx_http_ai_metrics_breakers(ngx_http_ai_metrics_accounts_t *as);
static void ngx_http_ai_metrics_model(const ngx_http_ai_totals_view_t *view,
    void *data);
static void ngx_http_ai_metrics_states(ngx_http_ai_metrics_t *m,
    const ngx_str_t *labels, const ngx_uint_t *n);
static ngx_uint_t ngx_http_ai_metrics_state_of(
    const ngx_http_ai_breaker_t *b, const ngx_http_ai_account_t *account);


void
ngx_http_ai_metrics_state(ngx_http_ai_metrics_t *m,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_http_ai_metrics_process(m, conf->zone);
    ngx_http_ai_metrics_zone(m, conf);
    ngx_http_ai_metrics_load(m, conf->zone);
    ngx_http_ai_metrics_sink(m, conf);
    ngx_http_ai_metrics_pins(m, conf);
    ngx_http_ai_metrics_accounts(m, conf);
}


static void
ngx_http_ai_metrics_process(ngx_http_ai_metrics_t *m,
    ngx_http_ai_zone_t *zone)
{
    ngx_str_t  labels;

    ngx_str_set(&labels, "version=\"" NGX_HTTP_AI_VERSION "\",nginx=\""
                         NGINX_VERSION "\"");

    ngx_http_ai_metrics_begin(m, "ai_route_build_info", "gauge",
                              "The module's version, and nginx's.");
    ngx_http_ai_metrics_sample(m, &labels, NULL, NULL, 1, 0);

    ngx_http_ai_metrics_one(m, "ai_route_uptime_seconds", "gauge",
                            "Since the counters were zero.",
                            ngx_current_msec - zone->sh->totals.since, 3);
    ngx_http_ai_metrics_one(m, "ai_route_config_loaded_timestamp_seconds",
                            "gauge", "When this configuration was loaded.",
                            zone->loaded_ms, 3);
}


static void
ngx_http_ai_metrics_zone(ngx_http_ai_metrics_t *m,
    ngx_http_ai_main_conf_t *conf)
{
    size_t               room, used;
    ngx_http_ai_zone_t  *zone;

    zone = conf->zone;

    ngx_http_ai_zone_lock(zone);
    room = zone->sh->room;
    used = zone->sh->nodes;
    ngx_http_ai_zone_unlock(zone);

    ngx_http_ai_metrics_one(m, "ai_route_zone_size_bytes", "gauge",
                            "Of the shared zone.", conf->zone_size, 0);
    ngx_http_ai_metrics_one(m, "ai_route_zone_room_bytes", "gauge",
                            "What its entries may have of it.", room, 0);
    ngx_http_ai_metrics_one(m, "ai_route_zone_used_bytes", "gauge",
                            "What its entries have.", used, 0);
    ngx_http_ai_metrics_one(m, "ai_route_price_missing_total", "counter",
                            "Uses without a known price.",
                            zone->sh->price_missing, 0);
}


static void
ngx_http_ai_metrics_load(ngx_http_ai_metrics_t *m, ngx_http_ai_zone_t *zone)
{
    ngx_uint_t  requests, retries;

    ngx_http_ai_metrics_one(m, "ai_route_inflight", "gauge",
                            "Requests at accounts.",
                            ngx_http_ai_health_view_inflight(zone), 0);
    ngx_http_ai_metrics_one(m, "ai_route_queue_parked", "gauge",
                            "Requests that wait for an account.",
                            ngx_http_ai_queue_parked(zone), 0);
    ngx_http_ai_metrics_one(m, "ai_route_queue_slots", "gauge",
                            "Requests that may wait.",
                            NGX_HTTP_AI_ZONE_SLOTS, 0);
    ngx_http_ai_metrics_one(m, "ai_route_faults_active", "gauge",
                            "Faults of drills that are active.",
                            zone->sh->faults.active, 0);

    ngx_http_ai_zone_retries(zone, &requests, &retries);

    ngx_http_ai_metrics_one(m, "ai_route_retry_budget_requests", "gauge",
                            "Requests of the last ten seconds.", requests, 0);
    ngx_http_ai_metrics_one(m, "ai_route_retry_budget_retries", "gauge",
                            "Further attempts of the last ten seconds.",
                            retries, 0);
    ngx_http_ai_metrics_one(m, "ai_route_retry_budget_exhausted", "gauge",
                            "1: there will be no further attempts now.",
                            ngx_http_ai_zone_may_retry(zone) != NGX_OK, 0);
}


static void
ngx_http_ai_metrics_sink(ngx_http_ai_metrics_t *m,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_http_ai_sink_sum_t       sum;
    ngx_http_ai_sink_counts_t   *counts;
    ngx_http_ai_spool_counts_t  *spool;

    counts = &conf->zone->sh->sink;
    spool = &counts->spool;

    ngx_http_ai_sink_counts_sum(counts, &sum);

    ngx_http_ai_metrics_one(m, "ai_route_sink_accepted_total", "counter",
                            "Usage records handed to the sink.",
                            counts->accepted, 0);
    ngx_http_ai_metrics_one(m, "ai_route_sink_delivered_total", "counter",
                            "Usage records that it confirmed.",
                            counts->delivered, 0);
    ngx_http_ai_metrics_one(m, "ai_route_sink_dropped_total", "counter",
                            "Usage records that were given up.",
                            spool->dropped, 0);
    ngx_http_ai_metrics_one(m, "ai_route_sink_lag", "gauge",
                            "Usage records neither delivered nor dropped.",
                            sum.lag, 0);
    ngx_http_ai_metrics_one(m, "ai_route_sink_wait_seconds", "gauge",
                            "Since when nothing is delivered, although "
                            "something waits.", sum.waits, 3);
    ngx_http_ai_metrics_one(m, "ai_route_sink_spooled_total", "counter",
                            "Usage records moved to the disk.",
                            spool->spooled, 0);
    ngx_http_ai_metrics_one(m, "ai_route_sink_replayed_total", "counter",
                            "Usage records delivered from the disk.",
                            spool->replayed, 0);
    ngx_http_ai_metrics_one(m, "ai_route_sink_damaged_total", "counter",
                            "Places passed over in files of the spool.",
                            spool->damaged, 0);
    ngx_http_ai_metrics_one(m, "ai_route_sink_spool_bytes", "gauge",
                            "Usage records on the disk.", spool->bytes, 0);

    if (conf->sink.type == NGX_HTTP_AI_SINK_REDIS) {
        ngx_http_ai_metrics_one(m, "ai_route_sink_connected", "gauge",
                                "Connections to Redis that are up.",
                                sum.connected, 0);
        ngx_http_ai_metrics_one(m, "ai_route_sink_connections", "gauge",
                                "Connections to Redis that there should be.",
                                sum.lanes, 0);
    }
}


static void
ngx_http_ai_metrics_pins(ngx_http_ai_metrics_t *m,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_http_ai_pins_t              *pins;
    ngx_http_ai_pin_stream_facts_t   facts;

    pins = &conf->zone->sh->pins;

    ngx_http_ai_metrics_one(m, "ai_route_pins", "gauge",
                            "Things whose account is known.",
                            ngx_http_ai_pin_count(conf->zone), 0);

    if (conf->sink.pins_max == 0) {
        return;
    }

    ngx_http_ai_pin_stream_facts(conf->zone, &facts);

    ngx_http_ai_metrics_one(m, "ai_route_pins_reading", "gauge",
                            "1: those of other nodes are read from Redis.",
                            facts.reading, 0);
    ngx_http_ai_metrics_one(m, "ai_route_pins_entries_total", "counter",
                            "Entries read from Redis.", pins->entries, 0);
    ngx_http_ai_metrics_one(m, "ai_route_pins_malformed_total", "counter",
                            "Entries that are no pins.", pins->malformed, 0);
    ngx_http_ai_metrics_one(m, "ai_route_pins_failures_total", "counter",
                            "Connections for them that failed.",
                            pins->failures, 0);
}


static void
ngx_http_ai_metrics_accounts(ngx_http_ai_metrics_t *m,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_uint_t                       i;
    ngx_http_ai_account_t          **account;
    ngx_http_ai_metrics_label_t      labels[2];
    ngx_http_ai_metrics_account_t   *seen;
    ngx_http_ai_metrics_accounts_t   as;

    as.m = m;
    as.conf = conf;
    as.accounts = ngx_palloc(m->w->pool,
                             conf->accounts.nelts
                             * sizeof(ngx_http_ai_metrics_account_t));
    if (as.accounts == NULL) {
        m->w->failed = 1;
        return;
    }

    account = conf->accounts.elts;

    for (i = 0; i < conf->accounts.nelts; i++) {
        seen = &as.accounts[i];

        ngx_http_ai_health_view_account(conf->zone, account[i], &seen->view);

        labels[0].name = "account";
        labels[0].value = &account[i]->name;
        labels[1].name = NULL;

        if (ngx_http_ai_metrics_labels(m, labels, &seen->labels) != NGX_OK) {
            return;
        }
    }

    ngx_http_ai_metrics_account_state(&as);
    ngx_http_ai_metrics_budgets(&as);
    ngx_http_ai_metrics_breakers(&as);
}


static void
ngx_http_ai_metrics_account_state(ngx_http_ai_metrics_accounts_t *as)
{
    ngx_uint_t                      i;
    ngx_http_ai_health_e            state;
    ngx_http_ai_metrics_account_t  *seen;

    ngx_http_ai_metrics_begin(as->m, "ai_route_account_inflight", "gauge",
                              "Requests at the account.");

    for (i = 0; i < as->conf->accounts.nelts; i++) {
        seen = &as->accounts[i];
        ngx_http_ai_metrics_sample(as->m, &seen->labels, NULL, NULL,
                                   seen->view.limits.inflight, 0);
    }

    ngx_http_ai_metrics_begin(as->m, "ai_route_account_state", "gauge",
                              "1: the account is in this state.");

    for (i = 0; i < as->conf->accounts.nelts; i++) {
        seen = &as->accounts[i];

        for (state = NGX_HTTP_AI_HEALTH_OPEN;
             state <= NGX_HTTP_AI_HEALTH_STOPPED;
             state++)
        {
            ngx_http_ai_metrics_sample(as->m, &seen->labels, "state",
                                       ngx_http_ai_health_name(state),
                                       seen->view.health.state == state, 0);
        }
    }
}


/* spent and reserved, as the gate sees it; what was spent may exceed it */

static void
ngx_http_ai_metrics_budgets(ngx_http_ai_metrics_accounts_t *as)
{
    ngx_uint_t                         i, k;
    ngx_http_ai_limits_t              *limits;
    const ngx_http_ai_budget_t        *budget;
    const ngx_http_ai_budget_state_t  *spent;

    ngx_http_ai_metrics_begin(as->m, "ai_route_account_budget_used_ratio",
                              "gauge", "Spent and reserved of a budget; 1 is "
                              "all of it.");

    for (i = 0; i < as->conf->accounts.nelts; i++) {
        limits = &as->accounts[i].view.limits;

        for (k = 0; k < limits->nbudgets; k++) {
            budget = &limits->budgets[k];
            spent = &limits->spent[budget->per - 1];

            ngx_http_ai_metrics_sample(as->m, &as->accounts[i].labels, "per",
                       ngx_http_ai_budget_per_name(budget->per),
                       ngx_http_ai_metrics_ratio(
                                       ngx_http_ai_budget_used(spent),
                                       budget->limit_nanousd), 6);
        }
    }
}


/* in millionths; the product must not overflow */

static uint64_t
ngx_http_ai_metrics_ratio(int64_t used, int64_t limit)
{
    if (limit < NGX_HTTP_AI_METRICS_RATIO * NGX_HTTP_AI_METRICS_RATIO) {
        used = ngx_min(used, INT64_MAX / NGX_HTTP_AI_METRICS_RATIO);
        return used * NGX_HTTP_AI_METRICS_RATIO / limit;
    }

    return used / (limit / NGX_HTTP_AI_METRICS_RATIO);
}


/* an account's breaker is that of its connections, without a model */

static void
ngx_http_ai_metrics_breakers(ngx_http_ai_metrics_accounts_t *as)
{
    ngx_uint_t                i, n[NGX_HTTP_AI_BREAKER_STATES];
    ngx_http_ai_account_t   **account;

    account = as->conf->accounts.elts;

    ngx_http_ai_metrics_begin(as->m, "ai_route_breakers", "gauge",
                              "Breakers of a model at an account in this "
                              "state; without a model: of connections.");

    for (i = 0; i < as->conf->accounts.nelts; i++) {
        ngx_memzero(n, sizeof(n));

        n[ngx_http_ai_metrics_state_of(&as->accounts[i].view.breaker,
                                       account[i])] = 1;
        ngx_http_ai_metrics_states(as->m, &as->accounts[i].labels, n);
    }

    ngx_http_ai_totals_each(as->conf->zone, NGX_HTTP_AI_TOTALS_TARGET,
                            ngx_http_ai_metrics_model, as);
}


/* of those that have totals: so many there are, whatever clients ask for */

static void
ngx_http_ai_metrics_model(const ngx_http_ai_totals_view_t *view, void *data)
{
    ngx_http_ai_metrics_accounts_t *as = data;

    ngx_str_t                     text;
    ngx_uint_t                    i, n[NGX_HTTP_AI_BREAKER_STATES];
    ngx_http_ai_cell_t            cell;
    ngx_http_ai_account_t        *account;
    ngx_http_ai_health_ref_t      ref;
    ngx_http_ai_health_model_t    model;
    ngx_http_ai_metrics_label_t   labels[3];

    if (view->others) {
        return;
    }

    account = ngx_http_ai_conf_find_account(as->conf, &view->names[0]);

    if (account == NULL) {
        return;
    }

    ngx_memzero(&cell, sizeof(ngx_http_ai_cell_t));

    cell.account = account;
    cell.model = &view->names[1];
    cell.model_hash = ngx_http_ai_zone_hash(&view->names[1]);

    ref.key = ngx_http_ai_health_key(&cell, NGX_HTTP_AI_NODE_MODEL);
    ref.owner = account->hash;

    if (ngx_http_ai_health_view_model(as->conf->zone, account, &ref, &model)
        != NGX_OK)
    {
        return;
    }

    ngx_memzero(n, sizeof(n));

    for (i = 0; i < model.ncells; i++) {
        n[ngx_http_ai_metrics_state_of(&model.cells[i].breaker, account)]++;
    }

    labels[0].name = "account";
    labels[0].value = &account->name;
    labels[1].name = "model";
    labels[1].value = &view->names[1];
    labels[2].name = NULL;

    if (ngx_http_ai_metrics_labels(as->m, labels, &text) == NGX_OK) {
        ngx_http_ai_metrics_states(as->m, &text, n);
    }
}


static void
ngx_http_ai_metrics_states(ngx_http_ai_metrics_t *m, const ngx_str_t *labels,
    const ngx_uint_t *n)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_AI_BREAKER_STATES; i++) {
        ngx_http_ai_metrics_sample(m, labels, "state",
                                   ngx_http_ai_breaker_state_name(i), n[i],
                                   0);
    }
}


static ngx_uint_t
ngx_http_ai_metrics_state_of(const ngx_http_ai_breaker_t *b,
    const ngx_http_ai_account_t *account)
{
    ngx_http_ai_breaker_view_t  view;

    ngx_http_ai_breaker_check(b, &account->breaker, ngx_current_msec, &view);

    return view.state;
}
