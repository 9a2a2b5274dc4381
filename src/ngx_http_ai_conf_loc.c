
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* the directives of locations: ai_pass, ai_status and ai_meter */


#include "ngx_http_ai_conf.h"
#include "ngx_http_ai_handler.h"
#include "ngx_http_ai_status.h"
#include "ngx_http_ai_status_page.h"

#include <openssl/sha.h>


static ngx_http_handler_pt ngx_http_ai_conf_loc_handler(
    ngx_http_ai_loc_conf_t *alcf);
static ngx_int_t ngx_http_ai_conf_loc_claim(ngx_conf_t *cf,
    ngx_command_t *cmd, ngx_http_ai_loc_conf_t *alcf, const char *example);
static const char *ngx_http_ai_conf_loc_unfit(ngx_http_core_loc_conf_t *clcf);
static ngx_int_t ngx_http_ai_conf_status_admin(ngx_conf_t *cf,
    ngx_str_t *arg, ngx_str_t *admin);


void *
ngx_http_ai_conf_create_loc(ngx_conf_t *cf)
{
    ngx_http_ai_loc_conf_t  *alcf;

    alcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_loc_conf_t));

    if (alcf) {
        alcf->meter = NGX_CONF_UNSET;
    }

    return alcf;
}


char *
ngx_http_ai_conf_merge_loc(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_ai_loc_conf_t  *prev = parent;
    ngx_http_ai_loc_conf_t  *conf = child;

    ngx_http_handler_pt        handler;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (conf->pass && conf->meter == 1) {
        ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, &conf->meter_place,
                             "\"ai_meter\" in location \"%V\" stands beside "
                             "\"ai_pass\", which meters its requests itself, "
                             "write only one of them", &conf->prefix);
        return NGX_CONF_ERROR;
    }

    ngx_conf_merge_value(conf->meter, prev->meter, 0);

    /*
     * "if" and "limit_except" inside a location of ours: the request keeps
     * its handler in the first and needs it given in the second.
     */

    handler = ngx_http_ai_conf_loc_handler(prev);

    if (clcf->noname && handler
        && (clcf->handler == NULL || clcf->handler == handler))
    {
        *conf = *prev;

        if (clcf->lmt_excpt) {
            clcf->handler = handler;
        }
    }

    handler = ngx_http_ai_conf_loc_handler(conf);

    if (handler == NULL) {
        return NGX_CONF_OK;
    }

    /* inherited, it is for the other locations */
    conf->meter = 0;

    if (!clcf->noname && clcf->handler != handler) {
        ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, &conf->place,
                             "\"%s\" in location \"%V\" stands beside "
                             "another content handler, write only one of "
                             "them", conf->pass ? "ai_pass" : "ai_status",
                             &conf->prefix);
        return NGX_CONF_ERROR;
    }

    /*
     * Clients of this location parse errors as JSON; an error_page meant for
     * browsers, inherited from the server, would replace them by a redirect.
     * The core has merged already, being the first HTTP module.
     */

    clcf->error_pages = NULL;

    return NGX_CONF_OK;
}


static ngx_http_handler_pt
ngx_http_ai_conf_loc_handler(ngx_http_ai_loc_conf_t *alcf)
{
    if (alcf->pass) {
        return ngx_http_ai_handler;
    }

    return alcf->status ? ngx_http_ai_status_handler : NULL;
}


char *
ngx_http_ai_conf_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_loc_conf_t  *alcf = conf;

    ngx_http_ai_main_conf_t   *amcf;
    ngx_http_core_loc_conf_t  *clcf;

    if (alcf->pass) {
        return "is duplicate";
    }

    if (ngx_http_ai_conf_loc_claim(cf, cmd, alcf, "location /v1/ { ai_pass; }")
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_ai_handler;

    alcf->pass = 1;

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_ai_route_module);

    if (!amcf->used) {
        amcf->used = 1;
        amcf->used_place = alcf->place;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_ai_conf_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_loc_conf_t  *alcf = conf;

    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    if (alcf->status) {
        return "is duplicate";
    }

    if (ngx_http_ai_conf_loc_claim(cf, cmd, alcf,
                                   "location /ai/ { ai_status; }")
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2
        && ngx_http_ai_conf_status_admin(cf, &value[1], &alcf->admin)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_ai_status_page_init(cf, alcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_ai_status_handler;

    /* what people type without the slash leads to the dashboard, too */

    if (clcf->name.len && clcf->name.data[clcf->name.len - 1] == '/') {
        clcf->auto_redirect = 1;
    }

    alcf->status = 1;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_ai_conf_loc_claim(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_ai_loc_conf_t *alcf, const char *example)
{
    const char                *unfit;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    unfit = ngx_http_ai_conf_loc_unfit(clcf);

    if (unfit) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" cannot be in %s, use a prefix location "
                           "such as %s", &cmd->name, unfit, example);
        return NGX_ERROR;
    }

    if (clcf->handler) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" in location \"%V\" stands beside another "
                           "content handler, write only one of them",
                           &cmd->name, &clcf->name);
        return NGX_ERROR;
    }

    alcf->prefix = clcf->name;

    ngx_http_ai_conf_place(cf, &alcf->place);

    return NGX_OK;
}


static const char *
ngx_http_ai_conf_loc_unfit(ngx_http_core_loc_conf_t *clcf)
{
    /* a block without a name has the flags of none of the others */

    if (clcf->noname) {
        return clcf->lmt_excpt ? "\"limit_except\"" : "\"if\"";
    }

    if (clcf->named) {
        return "a named location";
    }

    if (clcf->exact_match) {
        return "an exact location";
    }

#if (NGX_PCRE)
    if (clcf->regex) {
        return "a regular expression location";
    }
#endif

    return NULL;
}


/*
 * No message repeats the argument: a secret itself stands there where its
 * hash was forgotten.
 */

static ngx_int_t
ngx_http_ai_conf_status_admin(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_str_t *admin)
{
    u_char      empty[SHA256_DIGEST_LENGTH];
    ngx_int_t   n;
    ngx_uint_t  i;

    static ngx_str_t  name = ngx_string("admin=sha256:");

    if (arg->len != name.len + 2 * SHA256_DIGEST_LENGTH
        || ngx_strncmp(arg->data, name.data, name.len) != 0)
    {
        goto invalid;
    }

    admin->len = SHA256_DIGEST_LENGTH;
    admin->data = ngx_pnalloc(cf->pool, SHA256_DIGEST_LENGTH);

    if (admin->data == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < SHA256_DIGEST_LENGTH; i++) {

        n = ngx_hextoi(arg->data + name.len + 2 * i, 2);

        if (n == NGX_ERROR) {
            goto invalid;
        }

        admin->data[i] = (u_char) n;
    }

    if (SHA256((u_char *) "", 0, empty)
        && ngx_memcmp(empty, admin->data, SHA256_DIGEST_LENGTH) == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"admin=\" of \"ai_status\" is the hash of "
                           "nothing, write that of a secret");
        return NGX_ERROR;
    }

    return NGX_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter of \"ai_status\", not shown because "
                       "it may be a secret, write \"ai_status "
                       "[admin=sha256:HEX];\" with the 64 digits of \"printf "
                       "%%s SECRET | sha256sum\"");

    return NGX_ERROR;
}


char *
ngx_http_ai_conf_meter(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_loc_conf_t  *alcf = conf;

    ngx_str_t                *value;
    ngx_http_ai_main_conf_t  *amcf;

    if (alcf->meter != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "on") == 0) {
        alcf->meter = 1;

    } else if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        alcf->meter = 0;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"ai_meter\" takes one word, write "
                           "\"ai_meter on\" or \"ai_meter off\"");
        return NGX_CONF_ERROR;
    }

    ngx_http_ai_conf_place(cf, &alcf->meter_place);

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_ai_route_module);
    amcf->metered |= alcf->meter;

    return NGX_CONF_OK;
}
