
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The module as nginx sees it: directives, phases, worker start and stop.
 * No logic here.
 */


#include "ngx_http_ai_conf.h"
#include "ngx_http_ai_check.h"
#include "ngx_http_ai_claim.h"
#include "ngx_http_ai_handler.h"
#include "ngx_http_ai_key.h"
#include "ngx_http_ai_lost.h"
#include "ngx_http_ai_meter.h"
#include "ngx_http_ai_persist.h"
#include "ngx_http_ai_pin_stream.h"
#include "ngx_http_ai_resolve.h"
#include "ngx_http_ai_sink.h"
#include "ngx_http_ai_var.h"
#include "ngx_http_ai_watch.h"


static ngx_int_t ngx_http_ai_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_ai_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_ai_phase(ngx_conf_t *cf, ngx_uint_t phase,
    ngx_http_handler_pt handler);
static ngx_int_t ngx_http_ai_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_ai_init_process(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_ai_start(ngx_cycle_t *cycle,
    ngx_http_ai_main_conf_t *amcf);
static void ngx_http_ai_exit_process(ngx_cycle_t *cycle);


static ngx_command_t  ngx_http_ai_commands[] = {

    { ngx_string("ai_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_ai_conf_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("ai_usage"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_ai_conf_usage,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("ai_prices"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_ai_conf_prices,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("ai_price"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_UPS_CONF|NGX_CONF_1MORE,
      ngx_http_ai_conf_price,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("ai_keys"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_ai_conf_keys,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("ai_key"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_ai_conf_key,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("ai_account"),
      NGX_HTTP_UPS_CONF|NGX_CONF_1MORE,
      ngx_http_ai_conf_account,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("ai_breaker"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_UPS_CONF|NGX_CONF_1MORE,
      ngx_http_ai_conf_breaker,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("ai_limit"),
      NGX_HTTP_UPS_CONF|NGX_CONF_1MORE,
      ngx_http_ai_conf_limit,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("ai_health_check"),
      NGX_HTTP_UPS_CONF|NGX_CONF_ANY,
      ngx_http_ai_conf_check,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("ai_route"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_1MORE,
      ngx_http_ai_conf_route,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("ai_class"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_ai_conf_class,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("ai_default_class"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_ai_conf_default_class,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("ai_pass"),
      /* the setter refuses the last two with advice, the core without */
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_HTTP_LMT_CONF|NGX_CONF_NOARGS,
      ngx_http_ai_conf_pass,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("ai_status"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_HTTP_LMT_CONF
                       |NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_ai_conf_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("ai_meter"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_ANY,
      ngx_http_ai_conf_meter,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_ai_route_module_ctx = {
    ngx_http_ai_preconfiguration,          /* preconfiguration */
    ngx_http_ai_postconfiguration,         /* postconfiguration */

    ngx_http_ai_conf_create_main,          /* create main configuration */
    NULL,                                  /* init main configuration */

    ngx_http_ai_conf_create_account,       /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_ai_conf_create_loc,           /* create location configuration */
    ngx_http_ai_conf_merge_loc             /* merge location configuration */
};


ngx_module_t  ngx_http_ai_route_module = {
    NGX_MODULE_V1,
    &ngx_http_ai_route_module_ctx,         /* module context */
    ngx_http_ai_commands,                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_ai_init_module,               /* init module */
    ngx_http_ai_init_process,              /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_ai_exit_process,              /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_ai_preconfiguration(ngx_conf_t *cf)
{
    return ngx_http_ai_var_add(cf);
}


static ngx_int_t
ngx_http_ai_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_ai_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_ai_route_module);

    if (ngx_http_ai_conf_resolve(cf, amcf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!amcf->used && !amcf->metered) {
        return NGX_OK;
    }

    if (ngx_http_ai_phase(cf, NGX_HTTP_LOG_PHASE, ngx_http_ai_log_handler)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (amcf->metered
        && ngx_http_ai_phase(cf, NGX_HTTP_PRECONTENT_PHASE,
                             ngx_http_ai_meter_handler)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_ai_filter_init(cf);
}


static ngx_int_t
ngx_http_ai_phase(ngx_conf_t *cf, ngx_uint_t phase,
    ngx_http_handler_pt handler)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[phase].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = handler;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_init_module(ngx_cycle_t *cycle)
{
    ngx_http_ai_main_conf_t  *amcf;

    amcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_ai_route_module);

    if (amcf && amcf->used && amcf->keys == NULL && !ngx_test_config) {
        ngx_log_error(NGX_LOG_NOTICE, cycle->log, 0,
                      "ai_pass is open to every client: there is no "
                      "\"ai_keys\" and no \"ai_key\"");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_init_process(ngx_cycle_t *cycle)
{
    ngx_http_ai_main_conf_t  *amcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    amcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_ai_route_module);

    if (amcf == NULL || (!amcf->used && !amcf->metered)) {
        return NGX_OK;
    }

    if (amcf->used && ngx_http_ai_start(cycle, amcf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_ai_sink_start(cycle, &amcf->sink, &amcf->zone->sh->sink,
                                  amcf->zone->sh->made_ms);
}


/* what routing needs; metering only needs the sink */

static ngx_int_t
ngx_http_ai_start(ngx_cycle_t *cycle, ngx_http_ai_main_conf_t *amcf)
{
    if (ngx_process == NGX_PROCESS_WORKER) {
        ngx_http_ai_claim_clear(amcf->zone);
    }

    if (amcf->keys) {
        ngx_http_ai_key_start(amcf->keys);
    }

    if (ngx_http_ai_watch_start(cycle, amcf) != NGX_OK
        || ngx_http_ai_resolve_start(cycle, amcf) != NGX_OK
        || ngx_http_ai_lost_start(cycle, amcf) != NGX_OK
        || ngx_http_ai_fault_start(cycle, amcf) != NGX_OK
        || ngx_http_ai_persist_start(cycle, amcf) != NGX_OK
        || ngx_http_ai_check_start(cycle, amcf) != NGX_OK
        || ngx_http_ai_pin_stream_start(cycle, amcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_ai_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_ai_main_conf_t  *amcf;

    amcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_ai_route_module);

    if (amcf && amcf->used) {
        ngx_http_ai_pin_stream_stop();
        ngx_http_ai_check_stop(amcf);
        ngx_http_ai_claim_clear(amcf->zone);
        ngx_http_ai_lost_stop(amcf, cycle->log);
        ngx_http_ai_persist_stop(amcf);
    }

    if (amcf && (amcf->used || amcf->metered)) {
        ngx_http_ai_sink_stop(cycle);
    }
}
