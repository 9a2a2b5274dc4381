
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_lost.h"
#include "ngx_http_ai_claim.h"
#include "ngx_http_ai_recent.h"
#include "ngx_http_ai_usage.h"


#define NGX_HTTP_AI_LOST_MS     1000
#define NGX_HTTP_AI_LOST_AGAIN  10       /* while there are more */
#define NGX_HTTP_AI_LOST_BATCH  100


typedef struct {
    ngx_event_t                  timer;
    ngx_http_ai_main_conf_t     *conf;
} ngx_http_ai_lost_t;


static void ngx_http_ai_lost_look(ngx_event_t *ev);
static ngx_uint_t ngx_http_ai_lost_record(ngx_http_ai_main_conf_t *amcf,
    ngx_log_t *log, ngx_uint_t most);
static void ngx_http_ai_lost_account(ngx_http_ai_main_conf_t *amcf,
    const ngx_http_ai_claim_t *claim, ngx_http_ai_record_t *rec);


ngx_int_t
ngx_http_ai_lost_start(ngx_cycle_t *cycle, ngx_http_ai_main_conf_t *amcf)
{
    ngx_http_ai_lost_t  *lost;

    lost = ngx_pcalloc(cycle->pool, sizeof(ngx_http_ai_lost_t));
    if (lost == NULL) {
        return NGX_ERROR;
    }

    lost->conf = amcf;

    lost->timer.handler = ngx_http_ai_lost_look;
    lost->timer.data = lost;
    lost->timer.log = cycle->log;
    lost->timer.cancelable = 1;

    ngx_add_timer(&lost->timer, NGX_HTTP_AI_LOST_MS);

    return NGX_OK;
}


static void
ngx_http_ai_lost_look(ngx_event_t *ev)
{
    ngx_uint_t           n;
    ngx_http_ai_lost_t  *lost;

    lost = ev->data;

    n = ngx_http_ai_lost_record(lost->conf, ev->log, NGX_HTTP_AI_LOST_BATCH);

    ngx_add_timer(ev, n == NGX_HTTP_AI_LOST_BATCH ? NGX_HTTP_AI_LOST_AGAIN
                                                  : NGX_HTTP_AI_LOST_MS);
}


void
ngx_http_ai_lost_stop(ngx_http_ai_main_conf_t *amcf, ngx_log_t *log)
{
    (void) ngx_http_ai_lost_record(amcf, log, NGX_MAX_INT32_VALUE);
}


/* a claim goes when its record is with the sink */

static ngx_uint_t
ngx_http_ai_lost_record(ngx_http_ai_main_conf_t *amcf, ngx_log_t *log,
    ngx_uint_t most)
{
    u_char                 words[NGX_HTTP_AI_CLAIM_WORDS];
    ngx_uint_t             n;
    ngx_http_ai_claim_t   *claim;
    ngx_http_ai_record_t   rec;

    for (n = 0; n < most; n++) {

        claim = ngx_http_ai_claim_lost(amcf->zone, &rec, words);

        if (claim == NULL) {
            break;
        }

        ngx_str_set(&rec.kind, "request");
        ngx_str_set(&rec.outcome, "error");
        ngx_str_set(&rec.error_class, "worker_lost");
        ngx_str_set(&rec.fallback, "none");
        ngx_str_set(&rec.usage_source, "none");

        rec.latency_ms = ngx_current_msec - claim->start;

        ngx_http_ai_lost_account(amcf, claim, &rec);

        ngx_http_ai_recent_record(amcf->zone, &rec);
        ngx_http_ai_sink_push(&rec);
        ngx_http_ai_totals_record(amcf->zone, &rec);
        ngx_http_ai_claim_release(amcf->zone, claim);
    }

    if (n) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "ai requests that were lost with their worker: %ui", n);
    }

    return n;
}


/*
 * Where it was when its worker died.  What its last try used nobody knows;
 * what was reserved for it counts as spent, and so does what earlier tries
 * cost, which is what the record says, too.
 */

static void
ngx_http_ai_lost_account(ngx_http_ai_main_conf_t *amcf,
    const ngx_http_ai_claim_t *claim, ngx_http_ai_record_t *rec)
{
    ngx_uint_t               i;
    ngx_http_ai_account_t  **account;

    rec->attempts = 0;

    account = amcf->accounts.elts;

    for (i = 0; claim->last && i < amcf->accounts.nelts; i++) {

        if (account[i]->hash == claim->last) {

            /* of two the records of both would be expected, and billed */

            rec->attempts = 1;
            ngx_http_ai_usage_account(rec, account[i]);
            break;
        }
    }

    if (claim->nanousd) {
        ngx_str_set(&rec->usage_source, "estimated");
        rec->cost_nanousd = claim->nanousd;
    }
}
