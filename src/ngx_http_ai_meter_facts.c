
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What a metered request asked for.  Others have read its body and sent it: a
 * look at what is still at hand has to do, and no worker waits for a disk.
 */


#include "ngx_http_ai_meter.h"


#define NGX_HTTP_AI_METER_MEMORY  (1024 * 1024)    /* bytes looked at */
#define NGX_HTTP_AI_METER_FILE    65536            /* ... of a file */
#define NGX_HTTP_AI_METER_WINDOW  16384
#define NGX_HTTP_AI_METER_STEP    4096
#define NGX_HTTP_AI_METER_MODEL   (6 * NGX_HTTP_AI_MAX_MODEL + 2)


typedef struct {
    ngx_http_ai_json_t         json;
    ngx_http_ai_json_member_t  members[2];     /* model, stream */
    u_char                     model[NGX_HTTP_AI_METER_MODEL];
    size_t                     left;           /* to be looked at */
    ngx_uint_t                 known;          /* unsigned  known:1; model */
} ngx_http_ai_meter_scan_t;


static void ngx_http_ai_meter_scan(ngx_http_request_t *r,
    ngx_http_ai_meter_scan_t *scan);
static ngx_int_t ngx_http_ai_meter_scan_buf(ngx_http_ai_meter_scan_t *scan,
    u_char *p, size_t n);
static ngx_int_t ngx_http_ai_meter_scan_file(ngx_http_ai_meter_scan_t *scan,
    ngx_buf_t *b);
static void ngx_http_ai_meter_model(ngx_http_request_t *r,
    ngx_http_ai_facts_t *facts, ngx_http_ai_json_member_t *m);


void
ngx_http_ai_meter_facts(ngx_http_request_t *r, ngx_http_ai_meter_t *m)
{
    ngx_http_ai_facts_t       *facts;
    ngx_http_ai_meter_scan_t   scan;

    if (m->asked) {
        return;
    }

    m->asked = 1;

    facts = &m->ctx->facts;

    /* of a chunked body nginx has kept the sum here */

    facts->size = ngx_max(r->headers_in.content_length_n, 0);
    facts->prompt_tokens = facts->size / NGX_HTTP_AI_USAGE_BYTES_PER_TOKEN;

    ngx_http_ai_meter_scan(r, &scan);

    ngx_http_ai_meter_model(r, facts, &scan.members[0]);

    facts->stream = (scan.members[1].type == NGX_HTTP_AI_JSON_TRUE);
}


static void
ngx_http_ai_meter_scan(ngx_http_request_t *r, ngx_http_ai_meter_scan_t *scan)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    ngx_memzero(scan->members, sizeof(scan->members));

    ngx_str_set(&scan->members[0].name, "model");
    scan->members[0].buf = scan->model;
    scan->members[0].size = sizeof(scan->model);

    ngx_str_set(&scan->members[1].name, "stream");

    ngx_http_ai_json_init(&scan->json, scan->members, 2, 0);

    scan->left = NGX_HTTP_AI_METER_MEMORY;
    scan->known = 0;

    if (r->request_body == NULL || r->request_body_no_buffering) {
        /* none, or passed on as it came: the pieces are gone */
        return;
    }

    for (cl = r->request_body->bufs; cl; cl = cl->next) {

        b = cl->buf;

        if (ngx_buf_in_memory(b)) {
            rc = ngx_http_ai_meter_scan_buf(scan, b->pos, b->last - b->pos);

        } else if (b->in_file) {
            rc = ngx_http_ai_meter_scan_file(scan, b);

        } else {
            rc = NGX_OK;
        }

        if (rc != NGX_OK) {
            return;
        }
    }
}


/*
 * In steps, and where the model is known at most one more: "stream" follows
 * closely, or the answer's type tells.
 */

static ngx_int_t
ngx_http_ai_meter_scan_buf(ngx_http_ai_meter_scan_t *scan, u_char *p,
    size_t n)
{
    size_t  step;

    for ( /* void */ ; n; p += step, n -= step) {

        if (scan->left == 0) {
            return NGX_DONE;
        }

        step = ngx_min(ngx_min(n, scan->left), NGX_HTTP_AI_METER_STEP);

        if (ngx_http_ai_json_feed(&scan->json, p, step) != NGX_OK) {
            return NGX_DECLINED;
        }

        scan->left -= step;

        if (scan->members[0].type && !scan->known) {
            scan->known = 1;
            scan->left = scan->members[1].type
                         ? 0 : ngx_min(scan->left, NGX_HTTP_AI_METER_STEP);
        }
    }

    return NGX_OK;
}


/* written a moment ago, so its first bytes are in the system's memory */

static ngx_int_t
ngx_http_ai_meter_scan_file(ngx_http_ai_meter_scan_t *scan, ngx_buf_t *b)
{
    off_t      offset;
    u_char     window[NGX_HTTP_AI_METER_WINDOW];
    ssize_t    n;
    ngx_int_t  rc;

    scan->left = ngx_min(scan->left, NGX_HTTP_AI_METER_FILE);

    if (b->file->fd == NGX_INVALID_FILE) {
        /* nginx closes it when the answer begins */
        return NGX_DONE;
    }

    for (offset = b->file_pos; offset < b->file_last; offset += n) {

        n = ngx_read_file(b->file, window,
                          (size_t) ngx_min((off_t) sizeof(window),
                                           b->file_last - offset),
                          offset);

        if (n <= 0) {
            return NGX_ERROR;
        }

        rc = ngx_http_ai_meter_scan_buf(scan, window, n);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


/* where the body does not name it, some providers have it in the path */

static void
ngx_http_ai_meter_model(ngx_http_request_t *r, ngx_http_ai_facts_t *facts,
    ngx_http_ai_json_member_t *m)
{
    u_char     name[NGX_HTTP_AI_MAX_MODEL];
    ngx_int_t  n;
    ngx_str_t  model;

    n = m->type == NGX_HTTP_AI_JSON_STRING
        && m->len == (size_t) (m->end - m->start)
        ? ngx_http_ai_json_unquote(name, sizeof(name), m->buf, m->len)
        : NGX_ERROR;

    model.data = name;
    model.len = ngx_max(n, 0);

    if (model.len == 0
        && (ngx_http_ai_endpoint_model(r->uri.data, r->uri.len, &model)
            != NGX_OK
            || model.len > NGX_HTTP_AI_MAX_MODEL))
    {
        return;
    }

    if (!ngx_http_ai_request_sane_model(&model)) {
        return;
    }

    facts->model.data = ngx_pnalloc(r->pool, model.len);

    if (facts->model.data) {
        facts->model.len = model.len;
        ngx_memcpy(facts->model.data, model.data, model.len);
    }
}
