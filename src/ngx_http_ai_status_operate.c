
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * POST accounts/<name>/<action>[?model=M[&endpoint=E&stream=0|1]]: what
 * operators do, to an account, to a model of it, or to one health cell;
 * POST classes/<name>/{open,close}: the gate of a class's backups.  Each action
 * leaves an event.
 */


#include "ngx_http_ai_gate.h"
#include "ngx_http_ai_health.h"
#include "ngx_http_ai_request.h"
#include "ngx_http_ai_status_reply.h"
#include "pure/ngx_http_ai_endpoint.h"


/* what an action is about, as it was asked for */

typedef struct {
    ngx_http_ai_cell_t   cell;
    ngx_str_t            model;
    ngx_str_t            endpoint;
} ngx_http_ai_status_scope_t;


static ngx_int_t ngx_http_ai_status_scope(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call, ngx_http_ai_status_scope_t *scope);
static const char *ngx_http_ai_status_scope_args(ngx_http_request_t *r,
    ngx_http_ai_status_scope_t *scope);
static ngx_int_t ngx_http_ai_status_done(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call, ngx_http_ai_events_e what,
    const ngx_http_ai_status_scope_t *scope);


/* by ngx_http_ai_operate_e */

static const ngx_http_ai_events_e  ngx_http_ai_status_events[] = {
    NGX_HTTP_AI_EVENTS_ENABLE,
    NGX_HTTP_AI_EVENTS_DRAIN,
    NGX_HTTP_AI_EVENTS_DISABLE
};


ngx_int_t
ngx_http_ai_status_account(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call)
{
    ngx_int_t                   rc;
    ngx_http_ai_status_scope_t  scope;

    rc = ngx_http_ai_status_scope(r, call, &scope);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    /*
     * Without ai_pass there need not be a zone: there is no request to keep
     * away.
     */

    if (call->conf->zone
        && ngx_http_ai_health_operate(call->conf->zone, &scope.cell,
                                      call->what)
           != NGX_OK)
    {
        return ngx_http_ai_status_full(r);
    }

    return ngx_http_ai_status_done(r, call,
                                   ngx_http_ai_status_events[call->what],
                                   &scope);
}


/* what an operator decided stays until the operator says "enable" */

ngx_int_t
ngx_http_ai_status_account_reset(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call)
{
    ngx_int_t                   rc;
    ngx_http_ai_status_scope_t  scope;

    rc = ngx_http_ai_status_scope(r, call, &scope);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (call->conf->zone) {
        ngx_http_ai_health_reset(call->conf->zone, &scope.cell);
    }

    return ngx_http_ai_status_done(r, call, NGX_HTTP_AI_EVENTS_RESET, &scope);
}


static ngx_int_t
ngx_http_ai_status_done(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call, ngx_http_ai_events_e what,
    const ngx_http_ai_status_scope_t *scope)
{
    ngx_http_ai_writer_t        w;
    const ngx_http_ai_cell_t   *cell;
    ngx_http_ai_events_about_t  about;

    cell = &scope->cell;

    if (call->conf->zone) {
        ngx_memzero(&about, sizeof(ngx_http_ai_events_about_t));

        about.what = what;
        about.account = cell->account;
        about.model = cell->model;
        about.family = cell->family;
        about.stream = cell->stream;

        ngx_http_ai_events_add(call->conf->zone, &about);
    }

    ngx_http_ai_writer_init(&w, r->pool);

    ngx_http_ai_writer_open(&w, NULL, '{');
    ngx_http_ai_writer_str(&w, "account", &cell->account->name);

    if (cell->model) {
        ngx_http_ai_writer_str(&w, "model", cell->model);
    }

    if (cell->family) {
        ngx_http_ai_writer_str(&w, "endpoint", &scope->endpoint);
        ngx_http_ai_writer_int(&w, "stream", cell->stream);
    }

    ngx_http_ai_writer_str(&w, "action", &call->action);
    ngx_http_ai_writer_close(&w, '}');

    return ngx_http_ai_status_answer(r, NGX_HTTP_OK, &w);
}


/* the gate of a class's backup models */

ngx_int_t
ngx_http_ai_status_class(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call)
{
    ngx_http_ai_class_t        *class;
    ngx_http_ai_writer_t        w;
    ngx_http_ai_events_about_t  about;

    class = ngx_http_ai_conf_find_class(call->conf, &call->name);

    if (class == NULL) {
        return ngx_http_ai_status_error(r, NGX_HTTP_NOT_FOUND,
                                        "class_not_found",
                                        "there is no class \"%V\"",
                                        &call->name);
    }

    call->audit->ai_class = class->name;

    if (class->allow_backup != NGX_HTTP_AI_BACKUP_MANUAL) {
        return ngx_http_ai_status_error(r, NGX_HTTP_CONFLICT, "no_gate",
                   "class \"%V\" has no gate, write \"allow_backup manual;\" "
                   "in it to give it one", &class->name);
    }

    if (call->conf->zone) {

        if (ngx_http_ai_gate_set(call->conf->zone, class, call->what)
            != NGX_OK)
        {
            return ngx_http_ai_status_full(r);
        }

        ngx_memzero(&about, sizeof(ngx_http_ai_events_about_t));

        about.what = call->what ? NGX_HTTP_AI_EVENTS_OPEN
                                : NGX_HTTP_AI_EVENTS_CLOSE;
        about.detail = &class->name;

        ngx_http_ai_events_add(call->conf->zone, &about);
    }

    ngx_http_ai_writer_init(&w, r->pool);

    ngx_http_ai_writer_open(&w, NULL, '{');
    ngx_http_ai_writer_str(&w, "class", &class->name);
    ngx_http_ai_writer_str(&w, "action", &call->action);
    ngx_http_ai_writer_close(&w, '}');

    return ngx_http_ai_status_answer(r, NGX_HTTP_OK, &w);
}


/* NGX_DECLINED: it is clear what is meant; else it was answered */

static ngx_int_t
ngx_http_ai_status_scope(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call, ngx_http_ai_status_scope_t *scope)
{
    const char  *wrong;

    ngx_memzero(scope, sizeof(ngx_http_ai_status_scope_t));

    scope->cell.account = ngx_http_ai_conf_find_account(call->conf,
                                                        &call->name);
    if (scope->cell.account == NULL) {
        return ngx_http_ai_status_error(r, NGX_HTTP_NOT_FOUND,
                                        "account_not_found",
                                        "there is no account \"%V\"",
                                        &call->name);
    }

    /* the name has no case */

    call->audit->account = scope->cell.account->name;

    wrong = ngx_http_ai_status_scope_args(r, scope);

    if (wrong) {
        return ngx_http_ai_status_error(r, NGX_HTTP_BAD_REQUEST,
                                        "invalid_request_error", wrong);
    }

    return NGX_DECLINED;
}


/* what of the account is meant; not NULL: what is wrong with it */

static const char *
ngx_http_ai_status_scope_args(ngx_http_request_t *r,
    ngx_http_ai_status_scope_t *scope)
{
    ngx_int_t                      named;
    ngx_str_t                      stream, *model, *endpoint;
    const ngx_http_ai_endpoint_t  *ep;

    model = &scope->model;
    endpoint = &scope->endpoint;

    named = ngx_http_ai_status_arg(r, "model", model);

    if (named == NGX_ERROR
        || ngx_http_ai_status_arg(r, "endpoint", endpoint) == NGX_ERROR
        || ngx_http_ai_status_arg(r, "stream", &stream) == NGX_ERROR)
    {
        return "no memory";
    }

    if ((endpoint->len != 0) != (stream.len != 0)
        || (endpoint->len && model->len == 0))
    {
        return "one cell has \"model\", \"endpoint\" and \"stream\", name "
               "all of them";
    }

    if (named == NGX_OK) {

        /* none at all is not the account as a whole */

        if (model->len > NGX_HTTP_AI_MAX_MODEL
            || !ngx_http_ai_request_sane_model(model))
        {
            return "\"model\" must be 1 to 256 bytes of UTF-8 without "
                   "control characters";
        }

        scope->cell.model = model;
        scope->cell.model_hash = ngx_http_ai_zone_hash(model);
    }

    if (endpoint->len == 0) {
        return NULL;
    }

    ep = ngx_http_ai_endpoint_named(endpoint->data, endpoint->len);

    if (ep == NULL) {
        return "there is no such endpoint, name one as it is in the usage "
               "records";
    }

    if (stream.len != 1 || (stream.data[0] != '0' && stream.data[0] != '1')) {
        return "\"stream\" must be 0 or 1";
    }

    scope->cell.family = ep->bit;
    scope->cell.stream = stream.data[0] - '0';

    return NULL;
}
