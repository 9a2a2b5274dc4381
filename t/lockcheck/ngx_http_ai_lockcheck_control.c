
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The lock check's control: linked into a second build, it does one wrong
 * thing, named by AI_LOCKCHECK_FAULT, when nginx starts, and ends the process.
 * It needs no hook in the module: "ld --wrap" puts it in the place of
 * ngx_http_ai_sink_start().
 */


#include "ngx_http_ai_zone.h"
#include "ngx_http_ai_sink.h"


ngx_int_t
__wrap_ngx_http_ai_sink_start(ngx_cycle_t *cycle,
    ngx_http_ai_sink_conf_t *sc)
{
    char                     *fault;
    ngx_http_ai_zone_t       *zone;
    ngx_http_ai_main_conf_t  *amcf;

    amcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_ai_route_module);
    zone = amcf->zone;
    fault = getenv("AI_LOCKCHECK_FAULT");

    if (fault == NULL) {
        exit(1);
    }

    if (ngx_strcmp(fault, "unlock") == 0) {
        ngx_http_ai_zone_unlock(zone);
    }

    ngx_http_ai_zone_lock(zone);

    if (ngx_strcmp(fault, "log") == 0) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, 0, "written while locked");

    } else if (ngx_strcmp(fault, "pool") == 0) {
        (void) ngx_palloc(cycle->pool, 1);

    } else if (ngx_strcmp(fault, "slab") == 0) {
        (void) ngx_slab_calloc(zone->shpool, 1);

    } else if (ngx_strcmp(fault, "twice") == 0) {
        ngx_http_ai_zone_lock(zone);

    } else if (ngx_strcmp(fault, "slow") == 0) {
        ngx_msleep(20);

    } else if (ngx_strcmp(fault, "forgotten") == 0) {
        exit(0);
    }

    ngx_http_ai_zone_unlock(zone);

    exit(0);
}
