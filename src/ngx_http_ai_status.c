
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * POST <prefix>accounts/<name>/<action>: what operators do.  Each action needs
 * the bearer of "ai_status admin=" and leaves a line in the log, which names
 * the client as all lines of a request do.
 */


#include "ngx_http_ai_status.h"
#include "ngx_http_ai_compat.h"
#include "ngx_http_ai_health.h"
#include "pure/ngx_http_ai_json.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>


#define NGX_HTTP_AI_STATUS_MESSAGE  512


typedef struct {
    ngx_str_t                 name;
    void                    (*act)(ngx_http_ai_zone_t *zone,
                                  ngx_http_ai_account_t *account,
                                  ngx_http_ai_operate_e what);
    ngx_http_ai_operate_e     what;
} ngx_http_ai_status_action_t;


typedef struct {
    ngx_str_t                           account;   /* as asked for */
    const ngx_http_ai_status_action_t  *action;
} ngx_http_ai_status_path_t;


static ngx_int_t ngx_http_ai_status_path(ngx_http_request_t *r,
    ngx_http_ai_loc_conf_t *alcf, ngx_http_ai_status_path_t *path);
static ngx_int_t ngx_http_ai_status_refuse(ngx_http_request_t *r);
static ngx_uint_t ngx_http_ai_status_bearer(ngx_http_request_t *r,
    ngx_str_t *admin);
static ngx_int_t ngx_http_ai_status_act(ngx_http_request_t *r,
    ngx_http_ai_status_path_t *path);
static void ngx_http_ai_status_reset(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, ngx_http_ai_operate_e what);
static ngx_int_t ngx_http_ai_status_error(ngx_http_request_t *r,
    ngx_uint_t status, const char *code, const char *fmt, ...);
static ngx_int_t ngx_http_ai_status_header(ngx_http_request_t *r,
    const char *name, const char *value);
static ngx_int_t ngx_http_ai_status_send(ngx_http_request_t *r,
    ngx_uint_t status, u_char *body, size_t len);


static const ngx_http_ai_status_action_t  ngx_http_ai_status_actions[] = {
    { ngx_string("drain"), ngx_http_ai_health_operate,
      NGX_HTTP_AI_OPERATE_DRAIN },
    { ngx_string("disable"), ngx_http_ai_health_operate,
      NGX_HTTP_AI_OPERATE_DISABLE },
    { ngx_string("enable"), ngx_http_ai_health_operate,
      NGX_HTTP_AI_OPERATE_ENABLE },
    { ngx_string("reset"), ngx_http_ai_status_reset, 0 },
    { ngx_null_string, NULL, 0 }
};


ngx_int_t
ngx_http_ai_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_ai_loc_conf_t     *alcf;
    ngx_http_ai_status_path_t   path;

    /* nothing here takes a body; the core bounds what it throws away */

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_ai_route_module);

    if (ngx_http_ai_status_path(r, alcf, &path) != NGX_OK) {
        return ngx_http_ai_status_error(r, NGX_HTTP_NOT_FOUND, "not_found",
                                        "there is nothing at \"%V\"", &r->uri);
    }

    if (r->method != NGX_HTTP_POST) {

        if (ngx_http_ai_status_header(r, "Allow", "POST") != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_ai_status_error(r, NGX_HTTP_NOT_ALLOWED,
                                        "method_not_allowed",
                                        "\"%V\" needs POST",
                                        &path.action->name);
    }

    if (alcf->admin.len == 0) {
        return ngx_http_ai_status_error(r, NGX_HTTP_FORBIDDEN,
                   "admin_not_configured",
                   "actions are off, write \"ai_status admin=sha256:HEX;\" in "
                   "the location to allow them");
    }

    if (!ngx_http_ai_status_bearer(r, &alcf->admin)) {
        return ngx_http_ai_status_refuse(r);
    }

    return ngx_http_ai_status_act(r, &path);
}


/*
 * The core has decoded the URI, hence a name may have any byte, a slash too:
 * it is what stands between the first word and the last one.  A location
 * without a final slash also gets the URIs of longer words.
 */

static ngx_int_t
ngx_http_ai_status_path(ngx_http_request_t *r, ngx_http_ai_loc_conf_t *alcf,
    ngx_http_ai_status_path_t *path)
{
    u_char                             *p, *last, *slash;
    ngx_str_t                          *name;
    const ngx_http_ai_status_action_t  *action;

    static ngx_str_t  accounts = ngx_string("accounts/");

    if (r->uri.len <= alcf->prefix.len) {
        return NGX_DECLINED;
    }

    p = r->uri.data + alcf->prefix.len;
    last = r->uri.data + r->uri.len;

    if (alcf->prefix.data[alcf->prefix.len - 1] != '/' && *p++ != '/') {
        return NGX_DECLINED;
    }

    if ((size_t) (last - p) <= accounts.len
        || ngx_memcmp(p, accounts.data, accounts.len) != 0)
    {
        return NGX_DECLINED;
    }

    p += accounts.len;

    for (slash = last; slash > p && slash[-1] != '/'; slash--) { /* void */ }

    if (slash - p < 2) {
        return NGX_DECLINED;
    }

    path->account.data = p;
    path->account.len = slash - 1 - p;

    for (action = ngx_http_ai_status_actions; action->act; action++) {

        name = (ngx_str_t *) &action->name;

        if (name->len == (size_t) (last - slash)
            && ngx_memcmp(name->data, slash, name->len) == 0)
        {
            path->action = action;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


/* says nothing of the path: who may not act learns no names of accounts */

static ngx_int_t
ngx_http_ai_status_refuse(ngx_http_request_t *r)
{
    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "ai operator's bearer is missing or wrong");

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


static ngx_int_t
ngx_http_ai_status_act(ngx_http_request_t *r, ngx_http_ai_status_path_t *path)
{
    u_char                   *p, *body;
    size_t                    len;
    ngx_http_ai_account_t    *account;
    ngx_http_ai_main_conf_t  *amcf;

    amcf = ngx_http_get_module_main_conf(r, ngx_http_ai_route_module);

    account = ngx_http_ai_conf_find_account(amcf, &path->account);

    if (account == NULL) {
        return ngx_http_ai_status_error(r, NGX_HTTP_NOT_FOUND,
                                        "account_not_found",
                                        "there is no account \"%V\"",
                                        &path->account);
    }

    /*
     * Without ai_pass there need not be a zone: there is nothing to forget,
     * and no request to keep away.
     */

    if (amcf->zone) {
        path->action->act(amcf->zone, account, path->action->what);
    }

    ngx_log_error(NGX_LOG_NOTICE, r->connection->log, 0,
                  "ai account \"%V\": operator's %V", &account->name,
                  &path->action->name);

    len = sizeof("{\"account\":\"\",\"action\":\"\"}") + path->action->name.len
          + ngx_http_ai_json_escape_len(account->name.data, account->name.len);

    body = ngx_pnalloc(r->pool, len);
    if (body == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_sprintf(body, "{\"account\":\"");
    p = ngx_http_ai_json_escape(p, account->name.data, account->name.len);
    p = ngx_sprintf(p, "\",\"action\":\"%V\"}", &path->action->name);

    return ngx_http_ai_status_send(r, NGX_HTTP_OK, body, p - body);
}


static void
ngx_http_ai_status_reset(ngx_http_ai_zone_t *zone,
    ngx_http_ai_account_t *account, ngx_http_ai_operate_e what)
{
    /* what an operator decided stays until the operator says "enable" */

    ngx_http_ai_health_reset(zone, account);
}


static ngx_int_t
ngx_http_ai_status_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *code, const char *fmt, ...)
{
    u_char   *p, *last, *body, message[NGX_HTTP_AI_STATUS_MESSAGE];
    size_t    len;
    va_list   args;

    va_start(args, fmt);
    last = ngx_vslprintf(message, message + sizeof(message), fmt, args);
    va_end(args);

    len = sizeof("{\"error\":{\"message\":\"\",\"type\":"
                 "\"invalid_request_error\",\"param\":null,\"code\":\"\"}}")
          + ngx_http_ai_json_escape_len(message, last - message)
          + ngx_strlen(code);

    body = ngx_pnalloc(r->pool, len);
    if (body == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_sprintf(body, "{\"error\":{\"message\":\"");
    p = ngx_http_ai_json_escape(p, message, last - message);
    p = ngx_sprintf(p, "\",\"type\":\"invalid_request_error\",\"param\":null,"
                    "\"code\":\"%s\"}}", code);

    return ngx_http_ai_status_send(r, status, body, p - body);
}


static ngx_int_t
ngx_http_ai_status_header(ngx_http_request_t *r, const char *name,
    const char *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.data = (u_char *) value;
    h->value.len = ngx_strlen(value);
    ngx_http_ai_header_init(h);

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_status_send(ngx_http_request_t *r, ngx_uint_t status,
    u_char *body, size_t len)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = len;
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    if (ngx_http_ai_status_header(r, "Cache-Control", "no-store") != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b->pos = body;
    b->last = body + len;
    b->start = b->pos;
    b->end = b->last;
    b->memory = 1;
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
