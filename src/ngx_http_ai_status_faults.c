
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * GET and POST faults, GET and DELETE faults/<id>: drills.  What is begun and
 * ended leaves a line in the log, which names the client as all lines of a
 * request do.
 */


#include "ngx_http_ai_status_faults.h"
#include "ngx_http_ai_audit.h"
#include "ngx_http_ai_zone.h"


#define NGX_HTTP_AI_STATUS_TIMELINE  64


static void ngx_http_ai_status_faults_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_ai_status_faults_read(ngx_http_request_t *r,
    u_char *buf, size_t *len);
static ngx_int_t ngx_http_ai_status_faults_add(ngx_http_request_t *r,
    const ngx_http_ai_faultspec_t *spec);
static ngx_int_t ngx_http_ai_status_faults_too_large(ngx_http_request_t *r);
static ngx_int_t ngx_http_ai_status_faults_missing(ngx_http_request_t *r,
    const ngx_str_t *id);
static ngx_int_t ngx_http_ai_status_faults_answer(ngx_http_request_t *r,
    ngx_http_ai_main_conf_t *amcf, ngx_uint_t status, uint64_t id,
    const ngx_str_t *text);
static void ngx_http_ai_status_faults_write(ngx_http_ai_writer_t *w,
    ngx_http_ai_zone_t *zone, const ngx_http_ai_fault_t *f);
static void ngx_http_ai_status_faults_asked(ngx_http_ai_writer_t *w,
    const ngx_http_ai_faultspec_t *spec);
static void ngx_http_ai_status_faults_timeline(ngx_http_ai_writer_t *w,
    ngx_http_ai_zone_t *zone, const ngx_http_ai_fault_t *f);


#define ngx_http_ai_status_faults_known(v)                                    \
    ((v) ? (int64_t) (v) : NGX_HTTP_AI_WRITER_NULL)


ngx_int_t
ngx_http_ai_status_faults(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call)
{
    ngx_http_ai_writer_t  w;

    if (call->conf->zone == NULL) {
        return ngx_http_ai_status_no_zone(r);
    }

    ngx_http_ai_writer_init(&w, r->pool);

    ngx_http_ai_writer_open(&w, NULL, '{');
    ngx_http_ai_writer_int(&w, "now_ms", ngx_http_ai_zone_time(
                                             ngx_max(ngx_current_msec, 1)));
    ngx_http_ai_status_faults_list(&w, "faults", call->conf->zone, 1);
    ngx_http_ai_writer_close(&w, '}');

    return ngx_http_ai_status_answer(r, NGX_HTTP_OK, &w);
}


ngx_int_t
ngx_http_ai_status_fault(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call)
{
    if (call->conf->zone == NULL) {
        return ngx_http_ai_status_no_zone(r);
    }

    return ngx_http_ai_status_faults_answer(r, call->conf, NGX_HTTP_OK,
                                            ngx_http_ai_fault_id(&call->name),
                                            &call->name);
}


ngx_int_t
ngx_http_ai_status_fault_end(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call)
{
    uint64_t  id;

    if (call->conf->zone == NULL) {
        return ngx_http_ai_status_no_zone(r);
    }

    id = ngx_http_ai_fault_id(&call->name);

    if (ngx_http_ai_fault_end(call->conf->zone, id, r->connection->log)
        != NGX_OK)
    {
        return ngx_http_ai_status_faults_missing(r, &call->name);
    }

    ngx_log_error(NGX_LOG_NOTICE, r->connection->log, 0,
                  "ai fault %V: operator's delete", &call->name);

    return ngx_http_ai_status_faults_answer(r, call->conf, NGX_HTTP_OK, id,
                                            &call->name);
}


/* the body is small, or not wanted */

ngx_int_t
ngx_http_ai_status_fault_begin(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call)
{
    ngx_int_t  rc;

    if (call->conf->zone == NULL
        || r->headers_in.content_length_n > NGX_HTTP_AI_FAULT_BODY)
    {
        rc = ngx_http_discard_request_body(r);

        if (rc != NGX_OK) {
            return rc;
        }

        return call->conf->zone ? ngx_http_ai_status_faults_too_large(r)
                                : ngx_http_ai_status_no_zone(r);
    }

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_ai_status_faults_body);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


static void
ngx_http_ai_status_faults_body(ngx_http_request_t *r)
{
    size_t                          n;
    u_char                          buf[NGX_HTTP_AI_FAULT_BODY];
    ngx_int_t                       rc;
    ngx_str_t                       field;
    ngx_http_ai_faultspec_t         spec;
    ngx_http_ai_faultspec_error_t   error;

    rc = ngx_http_ai_status_faults_read(r, buf, &n);

    if (rc == NGX_DECLINED) {
        rc = ngx_http_ai_status_faults_too_large(r);

    } else if (rc == NGX_ERROR) {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    } else if (ngx_http_ai_faultspec_parse(&spec, buf, n, &error) == NGX_OK) {
        rc = ngx_http_ai_status_faults_add(r, &spec);

    } else if (error.len == 0) {
        rc = ngx_http_ai_status_error(r, NGX_HTTP_BAD_REQUEST,
                                      "invalid_request_error", "%s",
                                      error.text);

    } else {
        field.data = error.field;
        field.len = error.len;

        rc = ngx_http_ai_status_error(r, NGX_HTTP_BAD_REQUEST,
                                      "invalid_request_error", "\"%V\" %s",
                                      &field, error.text);
    }

    ngx_http_finalize_request(r, rc);
}


/* NGX_DECLINED: too many bytes; a chunked body has no length before */

static ngx_int_t
ngx_http_ai_status_faults_read(ngx_http_request_t *r, u_char *buf, size_t *len)
{
    off_t         size;
    ssize_t       n;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    *len = 0;

    if (r->request_body == NULL) {
        return NGX_OK;
    }

    for (cl = r->request_body->bufs; cl; cl = cl->next) {

        b = cl->buf;
        size = ngx_buf_size(b);

        if (size > (off_t) (NGX_HTTP_AI_FAULT_BODY - *len)) {
            return NGX_DECLINED;
        }

        if (ngx_buf_in_memory(b)) {
            ngx_memcpy(buf + *len, b->pos, (size_t) size);

        } else if (size) {
            n = ngx_read_file(b->file, buf + *len, (size_t) size,
                              b->file_pos);

            if (n != (ssize_t) size) {
                return NGX_ERROR;
            }
        }

        *len += (size_t) size;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_status_faults_add(ngx_http_request_t *r,
    const ngx_http_ai_faultspec_t *spec)
{
    u_char                   *last, text[NGX_HTTP_AI_FAULT_ID];
    uint64_t                  id;
    ngx_str_t                 name, class;
    ngx_http_ai_audit_t      *audit;
    ngx_http_ai_account_t    *account;
    ngx_http_ai_main_conf_t  *amcf;

    amcf = ngx_http_get_module_main_conf(r, ngx_http_ai_route_module);

    name.data = (u_char *) spec->account;
    name.len = spec->account_len;
    account = ngx_http_ai_conf_find_account(amcf, &name);

    if (account == NULL) {
        return ngx_http_ai_status_error(r, NGX_HTTP_NOT_FOUND,
                                        "account_not_found",
                                        "there is no account \"%V\"", &name);
    }

    class.data = (u_char *) spec->class;
    class.len = spec->class_len;

    if (class.len && ngx_http_ai_conf_find_class(amcf, &class) == NULL) {
        return ngx_http_ai_status_error(r, NGX_HTTP_NOT_FOUND,
                                        "class_not_found",
                                        "there is no class \"%V\"", &class);
    }

    if (ngx_http_ai_fault_add(amcf->zone, account, spec, &id) != NGX_OK) {
        return ngx_http_ai_status_error(r, NGX_HTTP_CONFLICT,
                   "too_many_faults", "%d faults are active, end one first",
                   NGX_HTTP_AI_FAULT_ACTIVE);
    }

    last = ngx_http_ai_fault_print(text, id);

    audit = ngx_http_ai_audit_of(r);

    if (audit) {
        audit->account = account->name;
        audit->fault_id.len = last - text;
        audit->fault_id.data = ngx_pnalloc(r->pool, audit->fault_id.len);

        if (audit->fault_id.data == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_memcpy(audit->fault_id.data, text, audit->fault_id.len);
    }

    ngx_log_error(NGX_LOG_NOTICE, r->connection->log, 0,
                  "ai account \"%V\": operator's fault %*s, %V, %ui percent, "
                  "for %L ms", &account->name, (size_t) (last - text), text,
                  ngx_http_ai_faultspec_kind(spec->kind), spec->percent,
                  spec->ttl_ms);

    return ngx_http_ai_status_faults_answer(r, amcf, NGX_HTTP_CREATED, id,
                                            NULL);
}


static ngx_int_t
ngx_http_ai_status_faults_too_large(ngx_http_request_t *r)
{
    return ngx_http_ai_status_error(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
               "request_too_large", "the body must have at most %d bytes",
               NGX_HTTP_AI_FAULT_BODY);
}


static ngx_int_t
ngx_http_ai_status_faults_missing(ngx_http_request_t *r, const ngx_str_t *id)
{
    return ngx_http_ai_status_error(r, NGX_HTTP_NOT_FOUND, "not_found",
                                    "there is no fault \"%V\"", id);
}


/* text: the id as it was asked for; NULL: it was not */

static ngx_int_t
ngx_http_ai_status_faults_answer(ngx_http_request_t *r,
    ngx_http_ai_main_conf_t *amcf, ngx_uint_t status, uint64_t id,
    const ngx_str_t *text)
{
    ngx_http_ai_fault_t   fault;
    ngx_http_ai_writer_t  w;

    if (ngx_http_ai_fault_get(amcf->zone, id, &fault) != NGX_OK) {
        return text ? ngx_http_ai_status_faults_missing(r, text)
                    : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_ai_writer_init(&w, r->pool);
    ngx_http_ai_status_faults_write(&w, amcf->zone, &fault);

    return ngx_http_ai_status_answer(r, status, &w);
}


void
ngx_http_ai_status_faults_list(ngx_http_ai_writer_t *w, const char *name,
    ngx_http_ai_zone_t *zone, ngx_uint_t ended)
{
    uint64_t             ids[NGX_HTTP_AI_FAULT_SLOTS];
    ngx_uint_t           i, n;
    ngx_http_ai_fault_t  fault;

    ngx_http_ai_writer_open(w, name, '[');

    n = ngx_http_ai_fault_list(zone, ids);

    for (i = 0; i < n; i++) {

        if (ngx_http_ai_fault_get(zone, ids[i], &fault) == NGX_OK
            && (ended || !fault.ended))
        {
            ngx_http_ai_status_faults_write(w, zone, &fault);
        }
    }

    ngx_http_ai_writer_close(w, ']');
}


static void
ngx_http_ai_status_faults_write(ngx_http_ai_writer_t *w,
    ngx_http_ai_zone_t *zone, const ngx_http_ai_fault_t *f)
{
    u_char     id[NGX_HTTP_AI_FAULT_ID];
    ngx_str_t  text;

    /* by ngx_http_ai_fault_end_e */

    static const ngx_str_t  by[] = {
        ngx_null_string,
        ngx_string("ttl"),
        ngx_string("operator"),
        ngx_string("reload")
    };

    text.data = id;
    text.len = ngx_http_ai_fault_print(id, f->id) - id;

    ngx_http_ai_writer_open(w, NULL, '{');

    ngx_http_ai_writer_str(w, "id", &text);
    ngx_http_ai_status_faults_asked(w, &f->spec);

    ngx_http_ai_writer_bool(w, "active", !f->ended);
    ngx_http_ai_writer_int(w, "started_ms", f->started_ms);
    ngx_http_ai_writer_int(w, "ends_ms", f->ends_ms);
    ngx_http_ai_writer_int(w, "ended_ms",
                           ngx_http_ai_status_faults_known(f->ended_ms));
    ngx_http_ai_writer_word(w, "ended_by", &by[f->ended]);

    ngx_http_ai_writer_int(w, "requests", f->requests);
    ngx_http_ai_writer_int(w, "hit", f->hit);
    ngx_http_ai_writer_int(w, "ok", f->ok);
    ngx_http_ai_writer_int(w, "saved", f->saved);
    ngx_http_ai_writer_int(w, "lost", f->lost);
    ngx_http_ai_writer_int(w, "attempts", f->attempts);
    ngx_http_ai_writer_int(w, "added_ms", f->added_ms);
    ngx_http_ai_writer_int(w, "moved_nanousd", f->moved_nanousd);

    ngx_http_ai_writer_int(w, "first_hit_ms",
                           ngx_http_ai_status_faults_known(f->first_hit_ms));
    ngx_http_ai_writer_int(w, "detected_ms",
                           ngx_http_ai_status_faults_known(f->detected_ms));
    ngx_http_ai_writer_int(w, "returned_ms",
                           ngx_http_ai_status_faults_known(f->returned_ms));

    ngx_http_ai_status_faults_timeline(w, zone, f);

    ngx_http_ai_writer_close(w, '}');
}


static void
ngx_http_ai_status_faults_asked(ngx_http_ai_writer_t *w,
    const ngx_http_ai_faultspec_t *spec)
{
    ngx_str_t   text;
    ngx_uint_t  i;

    struct {
        const char    *name;
        const u_char  *data;
        size_t         len;
    } words[] = {
        { "model", spec->model, spec->model_len },
        { "key_id", spec->key_id, spec->key_id_len },
        { "class", spec->class, spec->class_len }
    };

    text.data = (u_char *) spec->account;
    text.len = spec->account_len;

    ngx_http_ai_writer_str(w, "account", &text);
    ngx_http_ai_writer_str(w, "fault", ngx_http_ai_faultspec_kind(spec->kind));
    ngx_http_ai_writer_int(w, "status",
                           ngx_http_ai_status_faults_known(spec->status));
    ngx_http_ai_writer_int(w, "delay_ms",
                           ngx_http_ai_status_faults_known(spec->delay_ms));
    ngx_http_ai_writer_int(w, "percent", spec->percent);

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        text.data = (u_char *) words[i].data;
        text.len = words[i].len;

        ngx_http_ai_writer_word(w, words[i].name, &text);
    }
}


/* the ring is read from its newest event back */

static void
ngx_http_ai_status_faults_timeline(ngx_http_ai_writer_t *w,
    ngx_http_ai_zone_t *zone, const ngx_http_ai_fault_t *f)
{
    uint64_t                   at;
    ngx_uint_t                 i, n;
    ngx_http_ai_events_one_t  *e;

    ngx_http_ai_writer_open(w, "timeline", '[');

    e = ngx_palloc(w->pool, NGX_HTTP_AI_EVENTS
                            * sizeof(ngx_http_ai_events_one_t));
    if (e == NULL) {
        w->failed = 1;
        return;
    }

    n = 0;
    at = UINT64_MAX;

    while (n < NGX_HTTP_AI_EVENTS
           && ngx_http_ai_events_back(zone, &at, &e[n]) == NGX_OK
           && e[n].at_ms >= f->started_ms)
    {
        n += (e[n].account == f->account);
    }

    for (i = 0; i < ngx_min(n, NGX_HTTP_AI_STATUS_TIMELINE); i++) {
        ngx_http_ai_status_event(w, &e[n - 1 - i]);
    }

    ngx_http_ai_writer_close(w, ']');

    (void) ngx_pfree(w->pool, e);
}
