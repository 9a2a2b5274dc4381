
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_meter.h"
#include "ngx_http_ai_recent.h"
#include "ngx_http_ai_usage.h"
#include "pure/ngx_http_ai_providers.h"


static ngx_http_ai_meter_t *ngx_http_ai_meter_find(ngx_http_request_t *r);
static ngx_http_ai_meter_t *ngx_http_ai_meter_start(ngx_http_request_t *r);
static void ngx_http_ai_meter_ended(void *data);
static void ngx_http_ai_meter_free(void *data);
static void ngx_http_ai_meter_upstream(ngx_http_request_t *r,
    ngx_http_ai_meter_t *m);
static ngx_str_t ngx_http_ai_meter_account(ngx_http_request_t *r,
    ngx_str_t *host, ngx_uint_t port);
static ngx_uint_t ngx_http_ai_meter_status(ngx_http_request_t *r);
static void ngx_http_ai_meter_outcome(ngx_http_request_t *r,
    ngx_http_ai_meter_t *m);
static ngx_uint_t ngx_http_ai_meter_gone(ngx_http_request_t *r,
    ngx_http_ai_meter_t *m);
static ngx_uint_t ngx_http_ai_meter_cut(ngx_http_request_t *r,
    ngx_http_ai_meter_t *m, ngx_int_t end);
static ngx_http_ai_verdict_e ngx_http_ai_meter_verdict(ngx_http_request_t *r,
    ngx_http_ai_meter_t *m);
static void ngx_http_ai_meter_tokens(ngx_http_ai_meter_t *m);
static void ngx_http_ai_meter_record(ngx_http_request_t *r,
    ngx_http_ai_meter_t *m, ngx_http_ai_record_t *rec);


/*
 * Before the content phase, so that the record survives what becomes of the
 * request: an error_page, for one, makes another location's request of it.
 */

ngx_int_t
ngx_http_ai_meter_handler(ngx_http_request_t *r)
{
    ngx_http_ai_meter_t     *m;
    ngx_http_ai_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_ai_route_module);

    if (!alcf->meter || r != r->main || r->content_handler == NULL) {
        return NGX_DECLINED;
    }

    m = ngx_http_ai_meter_find(r);

    if (m == NULL) {
        m = ngx_http_ai_meter_start(r);
    }

    if (m) {
        ngx_http_set_ctx(r, m->ctx, ngx_http_ai_route_module);
    }

    return NGX_DECLINED;
}


/* contexts are cleared by an internal redirect, cleanups are not */

static ngx_http_ai_meter_t *
ngx_http_ai_meter_find(ngx_http_request_t *r)
{
    ngx_http_ai_ctx_t   *ctx;
    ngx_pool_cleanup_t  *cln;

    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);

    if (ctx) {
        return ctx->meter;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_ai_meter_free) {
            return cln->data;
        }
    }

    return NULL;
}


static ngx_http_ai_meter_t *
ngx_http_ai_meter_start(ngx_http_request_t *r)
{
    ngx_http_cleanup_t   *end;
    ngx_pool_cleanup_t   *cln;
    ngx_http_ai_ctx_t    *ctx;
    ngx_http_ai_meter_t  *m;

    ctx = ngx_http_ai_request_ctx(r);
    if (ctx == NULL) {
        return NULL;
    }

    end = ngx_http_cleanup_add(r, 0);
    if (end == NULL) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_ai_meter_t));
    if (cln == NULL) {
        return NULL;
    }

    m = cln->data;
    ngx_memzero(m, sizeof(ngx_http_ai_meter_t));

    cln->handler = ngx_http_ai_meter_free;

    end->handler = ngx_http_ai_meter_ended;
    end->data = m;

    m->ctx = ctx;
    ctx->meter = m;

    return m;
}


/* nginx calls these two before the log phase, and after it */

static void
ngx_http_ai_meter_ended(void *data)
{
    ngx_http_ai_meter_t  *m = data;

    m->ended = 1;
}


static void
ngx_http_ai_meter_free(void *data)
{
    ngx_http_ai_meter_unzip_end(data);
}


ngx_http_ai_meter_t *
ngx_http_ai_meter_look(ngx_http_request_t *r)
{
    ngx_http_ai_meter_t  *m;

    m = ngx_http_ai_meter_find(r);

    if (m == NULL || r->upstream == NULL) {
        return NULL;
    }

    if (m->closed) {
        return m;
    }

    ngx_http_ai_meter_upstream(r, m);
    ngx_http_ai_meter_facts(r, m);

    if (!m->ended) {
        return m;
    }

    m->closed = 1;

    ngx_http_ai_meter_outcome(r, m);
    ngx_http_ai_meter_tokens(m);
    ngx_http_ai_meter_unzip_end(m);

    return m;
}


/* which upstream it is, and how many of its servers were tried */

static void
ngx_http_ai_meter_upstream(ngx_http_request_t *r, ngx_http_ai_meter_t *m)
{
    ngx_uint_t                     i;
    ngx_http_upstream_t           *u;
    ngx_http_ai_account_t         *account;
    ngx_http_upstream_state_t     *state;
    ngx_http_upstream_srv_conf_t  *uscf;

    u = r->upstream;

    m->attempts = 0;

    if (r->upstream_states) {

        state = r->upstream_states->elts;

        for (i = 0; i < r->upstream_states->nelts; i++) {
            /* one without a name only tells one upstream from the next */
            m->attempts += (state[i].peer != NULL);
        }
    }

    /* an answer from the cache never chooses it */

    uscf = u->upstream ? u->upstream : u->conf ? u->conf->upstream : NULL;

    if (m->upstream == u && m->chosen == uscf) {
        return;
    }

    m->upstream = u;
    m->chosen = uscf;
    m->known = NULL;
    ngx_str_null(&m->account);

    if (uscf == NULL) {

        if (u->resolved) {
            m->account = ngx_http_ai_meter_account(r, &u->resolved->host,
                             u->resolved->no_port ? 0 : u->resolved->port);
        }

        return;
    }

    m->account = uscf->host;

    if (uscf->srv_conf) {

        account = ngx_http_conf_upstream_srv_conf(uscf,
                                                  ngx_http_ai_route_module);
        if (account->uscf) {
            m->known = account;
        }

    } else if (!uscf->no_port) {
        m->account = ngx_http_ai_meter_account(r, &uscf->host, uscf->port);
    }
}


/* proxy_pass names no block but a host */

static ngx_str_t
ngx_http_ai_meter_account(ngx_http_request_t *r, ngx_str_t *host,
    ngx_uint_t port)
{
    ngx_str_t  name;

    if (port == 0) {
        return *host;
    }

    name.data = ngx_pnalloc(r->pool, host->len + 1 + NGX_INT_T_LEN);

    if (name.data == NULL) {
        return *host;
    }

    name.len = ngx_sprintf(name.data, "%V:%ui", host, port) - name.data;

    return name;
}


/* as $status has it */

static ngx_uint_t
ngx_http_ai_meter_status(ngx_http_request_t *r)
{
    if (r->err_status) {
        return r->err_status;
    }

    return r->headers_out.status ? r->headers_out.status
                                 : NGX_HTTP_CLIENT_CLOSED_REQUEST;
}


static void
ngx_http_ai_meter_outcome(ngx_http_request_t *r, ngx_http_ai_meter_t *m)
{
    ngx_int_t           end;
    ngx_uint_t          status;
    ngx_http_ai_ctx_t  *ctx;

    ctx = m->ctx;
    status = ngx_http_ai_meter_status(r);
    end = ngx_http_ai_stream_end(&ctx->stream);

    ctx->outcome = NGX_HTTP_AI_OUTCOME_ERROR;

    if (ngx_http_ai_meter_gone(r, m)) {
        ctx->outcome = NGX_HTTP_AI_OUTCOME_CLIENT_GONE;

    } else if (status >= NGX_HTTP_BAD_REQUEST) {

        if (m->attempts == 0 && status < NGX_HTTP_INTERNAL_SERVER_ERROR) {
            ctx->outcome = NGX_HTTP_AI_OUTCOME_REJECTED;
            return;
        }

        ctx->error.verdict = ngx_http_ai_meter_verdict(r, m);

    } else if (ctx->stream.scan.error) {
        ctx->error.verdict = ctx->stream.scan.verdict;

    } else if (ngx_http_ai_meter_cut(r, m, end)) {
        ctx->outcome = NGX_HTTP_AI_OUTCOME_CUT;
        ctx->error.verdict = NGX_HTTP_AI_SERVER_ERROR;

    } else {
        ctx->outcome = NGX_HTTP_AI_OUTCOME_OK;
    }
}


static ngx_uint_t
ngx_http_ai_meter_gone(ngx_http_request_t *r, ngx_http_ai_meter_t *m)
{
    ngx_connection_t  *c;

    c = r->connection;

    if (ngx_http_ai_meter_status(r) == NGX_HTTP_CLIENT_CLOSED_REQUEST) {
        return 1;
    }

    return !m->complete && !r->header_only && (c->error || c->timedout);
}


/* the end that is not there: of the message, or of what it says */

static ngx_uint_t
ngx_http_ai_meter_cut(ngx_http_request_t *r, ngx_http_ai_meter_t *m,
    ngx_int_t end)
{
    ngx_http_ai_usage_scan_t  *scan;

    if (!m->head || r->header_only || r->upstream->upgrade) {
        return 0;
    }

    if (!m->complete) {
        return 1;
    }

    if (end == NGX_OK || r->headers_out.status == NGX_HTTP_PARTIAL_CONTENT) {
        return 0;
    }

    scan = &m->ctx->stream.scan;

    return scan->mode == NGX_HTTP_AI_USAGE_SCAN_SSE
           || scan->doc->json.error == NGX_HTTP_AI_JSON_ETRUNCATED;
}


/* by the status alone: the body of an error has passed unread */

static ngx_http_ai_verdict_e
ngx_http_ai_meter_verdict(ngx_http_request_t *r, ngx_http_ai_meter_t *m)
{
    ngx_http_upstream_t      *u;
    ngx_http_ai_answer_t      answer;
    ngx_http_ai_judgement_t   judgement;

    u = r->upstream;

    if (u->headers_in.status_n == 0 && u->state) {

        if (ngx_http_ai_meter_status(r) == NGX_HTTP_GATEWAY_TIME_OUT) {
            return NGX_HTTP_AI_TIMEOUT;
        }

        return u->state->connect_time == (ngx_msec_t) -1
               ? NGX_HTTP_AI_CONNECT : NGX_HTTP_AI_RESET;
    }

    ngx_memzero(&answer, sizeof(ngx_http_ai_answer_t));
    answer.status = ngx_http_ai_meter_status(r);

    ngx_http_ai_classify(m->known ? m->known->provider
                                  : &ngx_http_ai_provider_compatible,
                         &answer, ngx_time(), &judgement);

    return judgement.verdict;
}


static void
ngx_http_ai_meter_tokens(ngx_http_ai_meter_t *m)
{
    ngx_int_t                  rc;
    ngx_str_t                  served;
    ngx_http_ai_ctx_t         *ctx;
    ngx_http_ai_usage_scan_t  *scan;

    ctx = m->ctx;
    scan = &ctx->stream.scan;

    served.data = m->served.data;
    served.len = m->served.len;

    if (!ngx_http_ai_request_sane_model(&served)) {
        m->served.len = 0;
        served.len = 0;
    }

    if (scan->mode == NGX_HTTP_AI_USAGE_SCAN_OFF) {
        return;
    }

    rc = ngx_http_ai_usage_scan_tokens(scan, ctx->facts.prompt_tokens,
                                       &m->tokens);

    if (ctx->facts.endpoint
        && ctx->facts.endpoint->bit == NGX_HTTP_AI_EP_IMAGES)
    {
        /* as many as there are: what was asked for nobody has read */

        ctx->facts.units.images = ngx_http_ai_usage_scan_items(scan);
        ngx_http_ai_usage_units(ctx, ctx->facts.units.images, &m->tokens);

        rc = m->tokens.units ? NGX_OK : rc;
    }

    if (rc == NGX_DECLINED && m->tokens.output == 0
        && (scan->mode == NGX_HTTP_AI_USAGE_SCAN_SSE
            || m->tokens.input == 0
            || (scan->broken
                && scan->doc->json.error != NGX_HTTP_AI_JSON_ETRUNCATED)))
    {
        /* no answer of a model, or none that could be read */
        return;
    }

    m->try.tokens = &m->tokens;
    m->try.price = ngx_http_ai_prices_unplanned(ctx->conf->prices, m->known,
                                                &served, &ctx->facts.model);
}


void
ngx_http_ai_meter_log(ngx_http_request_t *r)
{
    u_char                 id[NGX_HTTP_AI_USAGE_EVENT_ID];
    ngx_str_t             *model;
    ngx_http_ai_meter_t   *m;
    ngx_http_ai_record_t   rec;

    m = ngx_http_ai_meter_look(r);

    if (m == NULL || m->ctx->recorded) {
        return;
    }

    m->ctx->recorded = 1;

    ngx_http_ai_record_init(&rec);
    ngx_http_ai_meter_record(r, m, &rec);
    rec.event_id = ngx_http_ai_usage_event_id(m->ctx, 0, id);

    ngx_http_ai_recent_record(m->ctx->conf->zone, &rec);
    ngx_http_ai_sink_push(&rec);
    ngx_http_ai_totals_record(m->ctx->conf->zone, &rec);

    if (m->try.tokens && rec.cost_nanousd == NGX_HTTP_AI_RECORD_ABSENT) {

        model = rec.model_served.len ? &rec.model_served
                                     : &rec.model_requested;

        ngx_http_ai_prices_missing(m->ctx->conf->prices, m->ctx->conf->zone,
                                   &rec.account, model, r->connection->log);
    }
}


static void
ngx_http_ai_meter_record(ngx_http_request_t *r, ngx_http_ai_meter_t *m,
    ngx_http_ai_record_t *rec)
{
    ngx_http_ai_ctx_t  *ctx;

    ctx = m->ctx;

    ngx_str_set(&rec->kind, "request");
    rec->request_id = ctx->id;
    rec->ts_ms = ctx->start_ms;
    rec->trace_id = ctx->trace_id;
    rec->key_id = ngx_http_ai_usage_anonymous;

    if (ctx->facts.endpoint) {
        rec->endpoint = ctx->facts.endpoint->name;
    }

    rec->stream = ctx->facts.stream
                  || ctx->stream.scan.mode == NGX_HTTP_AI_USAGE_SCAN_SSE;

    rec->model_requested = ctx->facts.model;
    rec->model_served.data = m->served.data;
    rec->model_served.len = m->served.len;

    rec->account = m->account;

    if (m->known) {
        rec->provider = m->known->provider->name;
        rec->cost_owner = m->known->owner;
    }

    rec->status = ctx->outcome == NGX_HTTP_AI_OUTCOME_CLIENT_GONE
                  && !r->header_sent
                  ? NGX_HTTP_CLIENT_CLOSED_REQUEST
                  : ngx_http_ai_meter_status(r);

    rec->outcome = *ngx_http_ai_usage_outcome(ctx);
    rec->error_class = *ngx_http_ai_usage_error_class(ctx);
    rec->attempts = m->attempts;
    ngx_str_set(&rec->fallback, "none");

    ngx_http_ai_usage_tokens(&m->try, rec);

    rec->latency_ms = ngx_current_msec - ctx->start;

    if (m->passed && rec->status < NGX_HTTP_SPECIAL_RESPONSE) {
        rec->ttft_ms = m->first;
    }

    rec->queue_ms = 0;
    rec->drill = 0;
}
