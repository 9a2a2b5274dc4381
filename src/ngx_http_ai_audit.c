
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_audit.h"
#include "ngx_http_ai_request.h"
#include "ngx_http_ai_sink.h"


#define NGX_HTTP_AI_AUDIT_LINE    1024      /* bytes; the log's own are 2048 */
#define NGX_HTTP_AI_AUDIT_DENIED  10        /* per second and worker */


typedef struct {
    ngx_http_request_t   *request;
    ngx_http_ai_audit_t   audit;
} ngx_http_ai_audit_ctx_t;


static void ngx_http_ai_audit_over(void *data);
static int64_t ngx_http_ai_audit_status(ngx_http_request_t *r);
static void ngx_http_ai_audit_result(ngx_http_ai_audit_t *a);
static void ngx_http_ai_audit_request_id(ngx_http_request_t *r,
    ngx_str_t *id);
static ngx_int_t ngx_http_ai_audit_bounded(ngx_http_request_t *r);


ngx_http_ai_audit_t *
ngx_http_ai_audit_start(ngx_http_request_t *r)
{
    ngx_time_t               *tp;
    ngx_http_cleanup_t       *cln;
    ngx_http_ai_audit_ctx_t  *ctx;

    cln = ngx_http_cleanup_add(r, sizeof(ngx_http_ai_audit_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ctx->request = r;
    ngx_http_ai_record_audit_init(&ctx->audit);

    tp = ngx_timeofday();
    ctx->audit.ts_ms = (int64_t) tp->sec * 1000 + tp->msec;

    cln->handler = ngx_http_ai_audit_over;

    return &ctx->audit;
}


ngx_http_ai_audit_t *
ngx_http_ai_audit_of(ngx_http_request_t *r)
{
    ngx_http_cleanup_t       *cln;
    ngx_http_ai_audit_ctx_t  *ctx;

    for (cln = r->main->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_ai_audit_over) {
            ctx = cln->data;
            return &ctx->audit;
        }
    }

    return NULL;
}


/* before the log phase: the answer's status is known, the names still there */

static void
ngx_http_ai_audit_over(void *data)
{
    ngx_http_ai_audit_ctx_t *ctx = data;

    ctx->audit.status = ngx_http_ai_audit_status(ctx->request);

    ngx_http_ai_audit(ctx->request, &ctx->audit);
}


/* as $status has it; who left without an answer may have got none */

static int64_t
ngx_http_ai_audit_status(ngx_http_request_t *r)
{
    if (r->err_status) {
        return r->err_status;
    }

    return r->headers_out.status ? r->headers_out.status
                                 : NGX_HTTP_CLIENT_CLOSED_REQUEST;
}


void
ngx_http_ai_audit(ngx_http_request_t *r, const ngx_http_ai_audit_t *a)
{
    u_char                line[NGX_HTTP_AI_AUDIT_LINE], hex[32], id[16];
    char                 *action;
    ngx_str_t             text;
    ngx_log_t            *log;
    ngx_time_t           *tp;
    ngx_http_ai_audit_t   audit;

    audit = *a;

    ngx_http_ai_audit_result(&audit);

    if (audit.result.len == sizeof("denied") - 1
        && ngx_memcmp(audit.result.data, "denied", sizeof("denied") - 1) == 0
        && ngx_http_ai_audit_bounded(r) != NGX_OK)
    {
        return;
    }

    text.data = line;
    text.len = ngx_http_ai_record_audit_text(&audit, line, sizeof(line))
               - line;

    /* not "while closing request": that is only when it is written */

    log = r->connection->log;
    action = log->action;
    log->action = NULL;

    ngx_log_error(NGX_LOG_NOTICE, log, 0, "ai audit: %V %L %V",
                  &audit.result, audit.status, &text);

    log->action = action;

    if (ngx_http_ai_request_random(id, sizeof(id)) != NGX_OK) {
        return;
    }

    ngx_hex_dump(hex, id, sizeof(id));

    audit.event_id.data = hex;
    audit.event_id.len = sizeof(hex);
    ngx_str_set(&audit.kind, "audit");

    if (audit.ts_ms == NGX_HTTP_AI_RECORD_ABSENT) {
        tp = ngx_timeofday();
        audit.ts_ms = (int64_t) tp->sec * 1000 + tp->msec;
    }

    if (audit.remote_addr.len == 0) {
        audit.remote_addr = r->connection->addr_text;
    }

    if (audit.request_id.len == 0) {
        ngx_http_ai_audit_request_id(r, &audit.request_id);
    }

    ngx_http_ai_sink_push_audit(&audit);
}


static void
ngx_http_ai_audit_result(ngx_http_ai_audit_t *a)
{
    if (a->result.len) {
        return;
    }

    if (a->status == NGX_HTTP_UNAUTHORIZED
        || a->status == NGX_HTTP_FORBIDDEN)
    {
        ngx_str_set(&a->result, "denied");

    } else if (a->status < NGX_HTTP_SPECIAL_RESPONSE) {
        ngx_str_set(&a->result, "ok");

    } else if (a->status < NGX_HTTP_CLIENT_CLOSED_REQUEST) {
        ngx_str_set(&a->result, "refused");

    } else {
        ngx_str_set(&a->result, "failed");
    }
}


/* the client's, else the one that an access log may have as $request_id */

static void
ngx_http_ai_audit_request_id(ngx_http_request_t *r, ngx_str_t *id)
{
    ngx_table_elt_t            *h;
    ngx_http_variable_value_t  *v;

    static ngx_str_t  name = ngx_string("request_id");

    h = ngx_http_ai_request_header(r, "x-request-id",
                                   sizeof("x-request-id") - 1);

    if (h && ngx_http_ai_request_sane_id(&h->value)) {
        *id = h->value;
        return;
    }

    v = ngx_http_get_variable(r, &name, ngx_hash_key(name.data, name.len));

    if (v && !v->not_found) {
        id->data = v->data;
        id->len = v->len;
    }
}


/*
 * Anybody who reaches the location may be denied as often as they like; true
 * entries must not be pushed out of a bounded stream by that.
 */

static ngx_int_t
ngx_http_ai_audit_bounded(ngx_http_request_t *r)
{
    static time_t      second;
    static ngx_uint_t  n;

    if (second != ngx_time()) {
        second = ngx_time();
        n = 0;
    }

    if (n++ < NGX_HTTP_AI_AUDIT_DENIED) {
        return NGX_OK;
    }

    if (n == NGX_HTTP_AI_AUDIT_DENIED + 1) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "ai audit: more than %d were denied within a second, "
                      "the others of them are not recorded",
                      NGX_HTTP_AI_AUDIT_DENIED);
    }

    return NGX_DECLINED;
}
