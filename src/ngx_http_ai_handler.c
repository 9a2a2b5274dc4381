
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_handler.h"
#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_meter.h"
#include "ngx_http_ai_models.h"
#include "ngx_http_ai_secret.h"
#include "ngx_http_ai_usage.h"


#define NGX_HTTP_AI_H2_WINDOW  65535      /* bytes, where HTTP/2 begins */


static ngx_int_t ngx_http_ai_enter(ngx_http_ai_ctx_t *ctx);
static ngx_int_t ngx_http_ai_turn_away(ngx_http_request_t *r);
static void ngx_http_ai_turned_away(ngx_http_request_t *r);
static void ngx_http_ai_body_more(ngx_http_request_t *r);
static void ngx_http_ai_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_ai_admit(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);
static ngx_int_t ngx_http_ai_no_candidate(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);
static ngx_int_t ngx_http_ai_claim(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);
static void ngx_http_ai_unclaim(void *data);
static void ngx_http_ai_settle(ngx_http_ai_ctx_t *ctx);


ngx_int_t
ngx_http_ai_handler(ngx_http_request_t *r)
{
    ngx_int_t           rc;
    ngx_http_ai_ctx_t  *ctx;

    ctx = ngx_http_ai_request_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_ai_enter(ctx);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != NGX_OK) {
        return ngx_http_ai_turn_away(r);
    }

    if (ctx->facts.endpoint->local) {

        rc = ngx_http_discard_request_body(r);

        return rc == NGX_OK ? ngx_http_ai_models_send(r, ctx) : rc;
    }

    rc = ngx_http_read_client_request_body(r, ngx_http_ai_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    if (rc == NGX_AGAIN) {
        ctx->read_body = r->read_event_handler;
        r->read_event_handler = ngx_http_ai_body_more;
    }

    return NGX_DONE;
}


/* what is known before the body; the key first: strangers learn nothing */

static ngx_int_t
ngx_http_ai_enter(ngx_http_ai_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_ai_key_admit(ctx);

    return rc == NGX_OK ? ngx_http_ai_request_endpoint(ctx) : rc;
}


/*
 * The body is not read, and a client that waits to be told to go on is not
 * told: it keeps its body.  But over HTTP/2 nginx resets a stream that was
 * answered before its end, and some clients (curl 7.88) then lose the answer:
 * what a client may send without asking is taken in.
 */

static ngx_int_t
ngx_http_ai_turn_away(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    if (r->http_version >= NGX_HTTP_VERSION_20
        && r->headers_in.content_length_n > 0
        && r->headers_in.content_length_n <= NGX_HTTP_AI_H2_WINDOW)
    {
        rc = ngx_http_read_client_request_body(r, ngx_http_ai_turned_away);

        return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
    }

    if (r->headers_in.expect) {
        r->expect_tested = 1;
        r->keepalive = 0;
    }

    rc = ngx_http_discard_request_body(r);

    return rc == NGX_OK ? ngx_http_ai_error_send(r) : rc;
}


static void
ngx_http_ai_turned_away(ngx_http_request_t *r)
{
    ngx_http_finalize_request(r, ngx_http_ai_error_send(r));
}


/* where the core would close the connection of a slow body without a word */

static void
ngx_http_ai_body_more(ngx_http_request_t *r)
{
    ngx_http_ai_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);

    if (!r->connection->read->timedout) {
        ctx->read_body(r);
        return;
    }

    r->keepalive = 0;

    (void) ngx_http_ai_error_core(r, &ctx->error, NGX_HTTP_REQUEST_TIME_OUT);

    ngx_http_finalize_request(r, ngx_http_ai_error_send(r));
}


static void
ngx_http_ai_body_handler(ngx_http_request_t *r)
{
    ngx_int_t           rc;
    ngx_http_ai_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_ai_route_module);

    ngx_http_ai_totals_busy(ctx);

    rc = ngx_http_ai_admit(r, ctx);

    if (rc == NGX_OK) {
        rc = ngx_http_ai_attempt_start(r, ctx);

        if (rc == NGX_OK) {
            return;
        }
    }

    ngx_http_ai_settle(ctx);

    if (rc == NGX_ERROR) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    ngx_http_finalize_request(r, ngx_http_ai_error_send(r));
}


/* NGX_OK: there is a plan; an HTTP status: ctx->error says why not */

static ngx_int_t
ngx_http_ai_admit(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ngx_int_t  rc;
    ngx_str_t  key;

    rc = ngx_http_ai_request_class(ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_ai_request_scan(ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ctx->facts.endpoint->model == NGX_HTTP_AI_MODEL_NONE
         ? ngx_http_ai_request_resources(ctx)
         : ngx_http_ai_request_named(ctx, &ctx->facts.model);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_ai_request_pin(ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ctx->route->hash_key) {

        if (ngx_http_complex_value(r, ctx->route->hash_key, &key) != NGX_OK) {
            return NGX_ERROR;
        }

        ctx->facts.key = ngx_http_ai_request_hash(&key);
    }

    rc = ngx_http_ai_handler_plan(r, ctx);

    return rc == NGX_OK ? ngx_http_ai_claim(r, ctx) : rc;
}


ngx_int_t
ngx_http_ai_handler_plan(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ctx->facts.model_hash = ngx_http_ai_zone_hash(&ctx->facts.model);

    ngx_http_ai_route_model(&ctx->plan, &ctx->facts.model, NULL,
                            ctx->facts.model_hash);

    ctx->plan.stream = ctx->facts.stream;
    ctx->plan.key = ctx->facts.key;
    ctx->plan.demand.tokens = ctx->facts.tokens;
    ctx->plan.demand.life = ctx->policy->deadline;
    ctx->plan.demand.yield = ctx->policy->yield;
    ctx->plan.prices = ctx->conf->prices;
    ctx->plan.asked = ctx->route;
    ctx->plan.output = ctx->facts.output;
    ctx->plan.units = &ctx->facts.units;

    ngx_http_ai_route_plan(&ctx->plan, ctx->route, ctx->facts.endpoint,
                           ctx->policy);

    if (ctx->plan.allowed == 0 && !ngx_http_ai_attempt_affordable(ctx)) {
        return ngx_http_ai_no_candidate(r, ctx);
    }

    return NGX_OK;
}


/*
 * From here on the request may hold things that others wait for; first what
 * its key's limits grant.
 */

static ngx_int_t
ngx_http_ai_claim(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    u_char                        event_id[NGX_HTTP_AI_USAGE_EVENT_ID];
    ngx_pool_cleanup_t           *cln;
    ngx_http_ai_record_t          rec;
    ngx_http_ai_quota_refusal_t   refusal;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    /* its record may be written by another worker */
    ngx_http_ai_fault_scope(ctx);

    ngx_http_ai_usage_begin(ctx, &rec, event_id);

    ctx->claim = ngx_http_ai_claim_take(ctx->conf->zone, &rec);

    if (ctx->claim == NULL) {
        return ngx_http_ai_error_set(r, &ctx->error,
                   NGX_HTTP_SERVICE_UNAVAILABLE, "no_target",
                   "the gateway's shared memory is full, its operator must "
                   "increase the size in \"ai_zone\"");
    }

    ctx->plan.demand.claim = ctx->claim;

    cln->handler = ngx_http_ai_unclaim;
    cln->data = ctx;

    if (ctx->key == NULL || !ngx_http_ai_quota_limits(ctx->key)) {
        return NGX_OK;
    }

    if (ngx_http_ai_quota_reserve(ctx->conf->zone, ctx->key, ctx->claim,
                                  ctx->facts.tokens,
                                  ctx->key->nbudgets
                                  ? ngx_http_ai_attempt_dearest(ctx) : 0,
                                  &ctx->quota, &refusal)
        != NGX_OK)
    {
        return ngx_http_ai_quota_refuse(ctx, &refusal);
    }

    return NGX_OK;
}


static void
ngx_http_ai_unclaim(void *data)
{
    ngx_http_ai_ctx_t  *ctx = data;

    ngx_http_ai_settle(ctx);
    ngx_http_ai_claim_release(ctx->conf->zone, ctx->claim);
}


/*
 * What the key's limits hold for the request, if that is still held.  The
 * claim itself stays until the request has its record; a connection that
 * lingers must not keep more than that.
 */

static void
ngx_http_ai_settle(ngx_http_ai_ctx_t *ctx)
{
    if (ctx->attempt) {
        ngx_http_ai_attempt_settle_key(ctx->attempt);

    } else if (ctx->quota.held) {
        ngx_http_ai_quota_settle(ctx->conf->zone, ctx->key, ctx->claim,
                                 &ctx->quota, 0, 0, 0);
    }
}


/* the configuration itself leaves nobody who could serve the request */

static ngx_int_t
ngx_http_ai_no_candidate(ngx_http_request_t *r, ngx_http_ai_ctx_t *ctx)
{
    ngx_uint_t                       i;
    const ngx_http_ai_knobs_list_t  *list;

    list = ngx_http_ai_route_refusal(&ctx->plan);

    if (list) {
        ctx->error.param = list->field;
        return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_BAD_REQUEST,
                   "invalid_request_error",
                   "\"%V\" leaves no account that serves the model \"%V\"",
                   &list->field, &ctx->facts.model);
    }

    if (ctx->plan.above) {
        ngx_str_set(&ctx->error.param, "provider.max_price");
        return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_BAD_REQUEST,
                   "invalid_request_error",
                   "\"provider.max_price\" leaves no account that serves the "
                   "model \"%V\"", &ctx->facts.model);
    }

    if (ctx->plan.pin) {
        return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_BAD_REQUEST,
                   "invalid_request_error",
                   "the account that keeps what the request names may not "
                   "serve it");
    }

    ngx_str_set(&ctx->error.param, "model");

    if (ctx->plan.dear) {
        return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_FORBIDDEN,
                   "model_not_available_for_class",
                   "the model \"%V\" is too dear for class \"%V\"",
                   &ctx->facts.model, &ctx->policy->name);
    }

    for (i = 0; i < ctx->route->targets.nelts; i++) {

        if (ctx->plan.excluded[i] == NGX_HTTP_AI_EXCLUDED_CLASS) {
            return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_FORBIDDEN,
                       "model_not_available_for_class",
                       "no account of class \"%V\" serves the model \"%V\"",
                       &ctx->policy->name, &ctx->facts.model);
        }
    }

    return ngx_http_ai_error_set(r, &ctx->error, NGX_HTTP_NOT_FOUND,
               "not_found", "no account that serves the model \"%V\" has %V",
               &ctx->facts.model, &ctx->facts.endpoint->name);
}


ngx_int_t
ngx_http_ai_log_handler(ngx_http_request_t *r)
{
    ngx_http_ai_ctx_t        *ctx;
    ngx_http_ai_loc_conf_t   *alcf;
    ngx_http_ai_main_conf_t  *amcf;

    if (r != r->main) {
        return NGX_OK;
    }

    amcf = ngx_http_get_module_main_conf(r, ngx_http_ai_route_module);
    alcf = ngx_http_get_module_loc_conf(r, ngx_http_ai_route_module);

    if (alcf->pass || alcf->status) {
        (void) ngx_http_ai_secret_request(r);
    }

    if (!alcf->pass) {

        if (amcf->metered) {
            ngx_http_ai_meter_log(r);
        }

        return NGX_OK;
    }

    ctx = ngx_http_ai_request_ctx(r);

    if (ctx) {
        /* it may have ended before there was an answer */
        (void) ngx_http_ai_key_identify(ctx);

        ngx_http_ai_usage_record(r, ctx);

        if (amcf->zone) {
            ngx_http_ai_fault_settle(ctx);
        }
    }

    return NGX_OK;
}
