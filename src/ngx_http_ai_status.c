
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The paths below an ai_status location: which there are, with which methods,
 * and who may use them.  What they do is in the files
 * ngx_http_ai_status_*.c.
 */


#include "ngx_http_ai_status.h"
#include "ngx_http_ai_compat.h"
#include "ngx_http_ai_health.h"
#include "ngx_http_ai_status_faults.h"
#include "ngx_http_ai_status_page.h"
#include "ngx_http_ai_status_reply.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>


/* the forms of a path */

typedef enum {
    NGX_HTTP_AI_STATUS_WORD = 0,       /* first */
    NGX_HTTP_AI_STATUS_NAME,           /* first/<name> */
    NGX_HTTP_AI_STATUS_ACTION          /* first/<name>/last */
} ngx_http_ai_status_form_e;


/* a row that changes something needs the operator's bearer */

typedef struct {
    ngx_http_ai_status_form_e  form;
    ngx_str_t                  first;
    ngx_str_t                  last;
    ngx_uint_t                 method;     /* NGX_HTTP_GET, POST, DELETE */
    ngx_http_ai_status_pt      handler;
    ngx_uint_t                 what;
    ngx_uint_t                 body;       /* unsigned  body:1; the handler
                                              reads it */
} ngx_http_ai_status_row_t;


static ngx_uint_t ngx_http_ai_status_path(ngx_http_request_t *r,
    ngx_http_ai_loc_conf_t *alcf, ngx_str_t *path);
static ngx_uint_t ngx_http_ai_status_match(
    const ngx_http_ai_status_row_t *row, const ngx_str_t *path,
    ngx_http_ai_status_call_t *call);
static ngx_int_t ngx_http_ai_status_call(ngx_http_request_t *r,
    const ngx_http_ai_status_row_t *row, ngx_http_ai_status_call_t *call);
static ngx_int_t ngx_http_ai_status_audit(ngx_http_request_t *r,
    const ngx_http_ai_status_row_t *row, ngx_http_ai_status_call_t *call);
static ngx_int_t ngx_http_ai_status_method(ngx_http_request_t *r,
    const ngx_http_ai_status_row_t *row, ngx_uint_t allowed);
static ngx_int_t ngx_http_ai_status_refuse(ngx_http_request_t *r);
static ngx_uint_t ngx_http_ai_status_bearer(ngx_http_request_t *r,
    ngx_str_t *admin);


static const ngx_http_ai_status_row_t  ngx_http_ai_status_rows[] = {

    /* the prefix itself */

    { NGX_HTTP_AI_STATUS_WORD, ngx_string(""), ngx_null_string,
      NGX_HTTP_GET, ngx_http_ai_status_page, 0, 0 },

    { NGX_HTTP_AI_STATUS_ACTION, ngx_string("accounts"), ngx_string("drain"),
      NGX_HTTP_POST, ngx_http_ai_status_account,
      NGX_HTTP_AI_OPERATE_DRAIN, 0 },

    { NGX_HTTP_AI_STATUS_ACTION, ngx_string("accounts"),
      ngx_string("disable"),
      NGX_HTTP_POST, ngx_http_ai_status_account,
      NGX_HTTP_AI_OPERATE_DISABLE, 0 },

    { NGX_HTTP_AI_STATUS_ACTION, ngx_string("accounts"), ngx_string("enable"),
      NGX_HTTP_POST, ngx_http_ai_status_account,
      NGX_HTTP_AI_OPERATE_ENABLE, 0 },

    { NGX_HTTP_AI_STATUS_ACTION, ngx_string("accounts"), ngx_string("reset"),
      NGX_HTTP_POST, ngx_http_ai_status_account_reset, 0, 0 },

    { NGX_HTTP_AI_STATUS_ACTION, ngx_string("classes"), ngx_string("open"),
      NGX_HTTP_POST, ngx_http_ai_status_class, 1, 0 },

    { NGX_HTTP_AI_STATUS_ACTION, ngx_string("classes"), ngx_string("close"),
      NGX_HTTP_POST, ngx_http_ai_status_class, 0, 0 },

    { NGX_HTTP_AI_STATUS_WORD, ngx_string("status"), ngx_null_string,
      NGX_HTTP_GET, ngx_http_ai_status_view, 0, 0 },

    { NGX_HTTP_AI_STATUS_WORD, ngx_string("metrics"), ngx_null_string,
      NGX_HTTP_GET, ngx_http_ai_status_metrics, 0, 0 },

    { NGX_HTTP_AI_STATUS_WORD, ngx_string("history"), ngx_null_string,
      NGX_HTTP_GET, ngx_http_ai_status_history, 0, 0 },

    { NGX_HTTP_AI_STATUS_WORD, ngx_string("explain"), ngx_null_string,
      NGX_HTTP_GET, ngx_http_ai_status_explain, 0, 0 },

    { NGX_HTTP_AI_STATUS_WORD, ngx_string("requests"), ngx_null_string,
      NGX_HTTP_GET, ngx_http_ai_status_requests, 0, 0 },

    { NGX_HTTP_AI_STATUS_NAME, ngx_string("requests"), ngx_null_string,
      NGX_HTTP_GET, ngx_http_ai_status_request, 0, 0 },

    { NGX_HTTP_AI_STATUS_WORD, ngx_string("faults"), ngx_null_string,
      NGX_HTTP_GET, ngx_http_ai_status_faults, 0, 0 },

    { NGX_HTTP_AI_STATUS_WORD, ngx_string("faults"), ngx_null_string,
      NGX_HTTP_POST, ngx_http_ai_status_fault_begin, 0, 1 },

    { NGX_HTTP_AI_STATUS_NAME, ngx_string("faults"), ngx_null_string,
      NGX_HTTP_GET, ngx_http_ai_status_fault, 0, 0 },

    { NGX_HTTP_AI_STATUS_NAME, ngx_string("faults"), ngx_null_string,
      NGX_HTTP_DELETE, ngx_http_ai_status_fault_end, 0, 0 },

    { 0, ngx_null_string, ngx_null_string, 0, NULL, 0, 0 }
};


/* for "Allow"; every set of methods that some path has */

static const struct {
    ngx_uint_t    bits;
    const char   *names;
} ngx_http_ai_status_methods[] = {
    { NGX_HTTP_GET,                    "GET, HEAD" },
    { NGX_HTTP_POST,                   "POST" },
    { NGX_HTTP_GET|NGX_HTTP_POST,      "GET, HEAD, POST" },
    { NGX_HTTP_GET|NGX_HTTP_DELETE,    "GET, HEAD, DELETE" }
};


ngx_int_t
ngx_http_ai_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                        rc;
    ngx_str_t                        path;
    ngx_uint_t                       method, allowed;
    ngx_http_ai_status_call_t        call;
    const ngx_http_ai_status_row_t  *row, *found, *other;

    call.conf = ngx_http_get_module_main_conf(r, ngx_http_ai_route_module);
    call.loc = ngx_http_get_module_loc_conf(r, ngx_http_ai_route_module);

    method = (r->method == NGX_HTTP_HEAD) ? NGX_HTTP_GET : r->method;
    allowed = 0;
    found = NULL;
    other = NULL;

    if (ngx_http_ai_status_path(r, call.loc, &path)) {

        for (row = ngx_http_ai_status_rows; row->handler; row++) {

            if (ngx_http_ai_status_match(row, &path, &call)) {
                allowed |= row->method;
                other = row;

                if (row->method == method) {
                    found = row;
                    break;
                }
            }
        }
    }

    if (found == NULL || !found->body) {

        /* the core bounds what it throws away */

        rc = ngx_http_discard_request_body(r);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (found) {
        return ngx_http_ai_status_call(r, found, &call);
    }

    if (allowed) {
        return ngx_http_ai_status_method(r, other, allowed);
    }

    return ngx_http_ai_status_error(r, NGX_HTTP_NOT_FOUND, "not_found",
                                    "there is nothing at \"%V\"", &r->uri);
}


static ngx_int_t
ngx_http_ai_status_call(ngx_http_request_t *r,
    const ngx_http_ai_status_row_t *row, ngx_http_ai_status_call_t *call)
{
    ngx_int_t  rc;

    call->audit = NULL;

    if (row->method == NGX_HTTP_GET) {
        return row->handler(r, call);
    }

    /* no change without its record */

    if (ngx_http_ai_status_audit(r, row, call) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (call->loc->admin.len
        && ngx_http_ai_status_bearer(r, &call->loc->admin))
    {
        return row->handler(r, call);
    }

    /* whatever becomes of its body */
    ngx_str_set(&call->audit->result, "denied");

    if (row->body) {

        /* nobody reads it */

        rc = ngx_http_discard_request_body(r);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (call->loc->admin.len == 0) {
        return ngx_http_ai_status_error(r, NGX_HTTP_FORBIDDEN,
                   "admin_not_configured",
                   "actions are off, write \"ai_status admin=sha256:HEX;\" in "
                   "the location to allow them");
    }

    return ngx_http_ai_status_refuse(r);
}


/* of any row: object and name by the path's first word, the rest as it is */

static ngx_int_t
ngx_http_ai_status_audit(ngx_http_request_t *r,
    const ngx_http_ai_status_row_t *row, ngx_http_ai_status_call_t *call)
{
    ngx_uint_t            i;
    ngx_http_ai_audit_t  *a;

    static const struct {
        ngx_str_t   first;
        ngx_str_t   object;
        size_t      name;
    } objects[] = {
        { ngx_string("accounts"), ngx_string("account"),
          offsetof(ngx_http_ai_audit_t, account) },
        { ngx_string("classes"), ngx_string("class"),
          offsetof(ngx_http_ai_audit_t, ai_class) },
        { ngx_string("faults"), ngx_string("fault"),
          offsetof(ngx_http_ai_audit_t, fault_id) }
    };

    a = ngx_http_ai_audit_start(r);
    if (a == NULL) {
        return NGX_ERROR;
    }

    call->audit = a;
    a->object = row->first;

    if (row->form == NGX_HTTP_AI_STATUS_ACTION) {
        a->action = call->action;

    } else if (row->method == NGX_HTTP_DELETE) {
        ngx_str_set(&a->action, "end");

    } else {
        ngx_str_set(&a->action, "start");
    }

    for (i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {

        if (row->first.len == objects[i].first.len
            && ngx_memcmp(row->first.data, objects[i].first.data,
                          row->first.len)
               == 0)
        {
            a->object = objects[i].object;
            *(ngx_str_t *) ((u_char *) a + objects[i].name) = call->name;
        }
    }

    if (ngx_http_ai_status_arg(r, "model", &a->model) == NGX_ERROR
        || ngx_http_ai_status_arg(r, "endpoint", &a->endpoint) == NGX_ERROR
        || ngx_http_ai_status_arg(r, "stream", &a->stream) == NGX_ERROR)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* a location without a final slash also gets the URIs of longer words */

static ngx_uint_t
ngx_http_ai_status_path(ngx_http_request_t *r, ngx_http_ai_loc_conf_t *alcf,
    ngx_str_t *path)
{
    path->data = r->uri.data + alcf->prefix.len;
    path->len = r->uri.len - alcf->prefix.len;

    if (r->uri.len < alcf->prefix.len) {
        return 0;
    }

    if (path->len && alcf->prefix.data[alcf->prefix.len - 1] != '/') {

        if (path->data[0] != '/') {
            return 0;
        }

        path->data++;
        path->len--;
    }

    return 1;
}


/*
 * The core has decoded the URI, hence a name may have any byte, a slash too:
 * it is what stands between the first word and the last one.
 */

static ngx_uint_t
ngx_http_ai_status_match(const ngx_http_ai_status_row_t *row,
    const ngx_str_t *path, ngx_http_ai_status_call_t *call)
{
    u_char           *p, *last;
    const ngx_str_t  *end;

    p = path->data;
    last = p + path->len;

    if (path->len < row->first.len
        || ngx_memcmp(p, row->first.data, row->first.len) != 0)
    {
        return 0;
    }

    p += row->first.len;

    ngx_str_null(&call->name);
    call->action = row->first;
    call->what = row->what;

    if (row->form == NGX_HTTP_AI_STATUS_WORD) {
        return p == last;
    }

    if (p == last || *p++ != '/') {
        return 0;
    }

    if (row->form == NGX_HTTP_AI_STATUS_ACTION) {

        end = &row->last;

        if ((size_t) (last - p) <= end->len
            || last[-1 - (ssize_t) end->len] != '/'
            || ngx_memcmp(last - end->len, end->data, end->len) != 0)
        {
            return 0;
        }

        call->action = *end;
        last -= end->len + 1;
    }

    call->name.data = p;
    call->name.len = last - p;

    return call->name.len != 0;
}


static ngx_int_t
ngx_http_ai_status_method(ngx_http_request_t *r,
    const ngx_http_ai_status_row_t *row, ngx_uint_t allowed)
{
    ngx_uint_t        i;
    const char       *names;
    const ngx_str_t  *word;

    for (i = 0; ngx_http_ai_status_methods[i].bits != allowed; i++) {
        /* void */
    }

    names = ngx_http_ai_status_methods[i].names;

    if (ngx_http_ai_status_header(r, "Allow", names) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    word = row->last.len ? &row->last
           : row->first.len ? &row->first : &r->uri;

    return ngx_http_ai_status_error(r, NGX_HTTP_NOT_ALLOWED,
                                    "method_not_allowed", "\"%V\" needs %s",
                                    word, names);
}


/* says nothing of the path: who may not act learns no names of accounts */

static ngx_int_t
ngx_http_ai_status_refuse(ngx_http_request_t *r)
{
    if (ngx_http_ai_status_header(r, "WWW-Authenticate", "Bearer")
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_ai_status_error(r, NGX_HTTP_UNAUTHORIZED,
                                    "invalid_api_key",
                                    "the operator's bearer is missing or "
                                    "wrong");
}


static ngx_uint_t
ngx_http_ai_status_bearer(ngx_http_request_t *r, ngx_str_t *admin)
{
    u_char     *p, *last, hash[SHA256_DIGEST_LENGTH];
    ngx_str_t  *value;

    if (r->headers_in.authorization == NULL) {
        return 0;
    }

    value = &r->headers_in.authorization->value;

    if (value->len < sizeof("Bearer ") - 1
        || ngx_strncasecmp(value->data, (u_char *) "Bearer ",
                           sizeof("Bearer ") - 1)
           != 0)
    {
        return 0;
    }

    p = value->data + sizeof("Bearer ") - 1;
    last = value->data + value->len;

    while (p < last && *p == ' ') {
        p++;
    }

    if (p == last || SHA256(p, last - p, hash) == NULL) {
        return 0;
    }

    return CRYPTO_memcmp(hash, admin->data, sizeof(hash)) == 0;
}
