
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_gate.h"


typedef struct {
    ngx_http_ai_node_t   node;
    ngx_uint_t           open;
} ngx_http_ai_gate_node_t;


ngx_uint_t
ngx_http_ai_gate_is_open(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_class_t *class)
{
    ngx_uint_t                open;
    ngx_http_ai_gate_node_t  *gn;

    if (class->allow_backup != NGX_HTTP_AI_BACKUP_MANUAL) {
        return class->allow_backup;
    }

    ngx_http_ai_zone_lock(zone);

    /* an open one is kept, and a closed one is not missed: no use counts */

    gn = (ngx_http_ai_gate_node_t *)
         ngx_http_ai_zone_lookup_locked(zone, NGX_HTTP_AI_NODE_CLASS,
                                        ngx_http_ai_zone_hash(&class->name));

    open = gn ? gn->open : 0;

    ngx_http_ai_zone_unlock(zone);

    return open;
}


ngx_int_t
ngx_http_ai_gate_set(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_class_t *class, ngx_uint_t open)
{
    ngx_http_ai_gate_node_t  *gn;

    ngx_http_ai_zone_lock(zone);

    gn = (ngx_http_ai_gate_node_t *)
         ngx_http_ai_zone_make_locked(zone, NGX_HTTP_AI_NODE_CLASS,
                                      ngx_http_ai_zone_hash(&class->name),
                                      sizeof(ngx_http_ai_gate_node_t));
    if (gn) {
        gn->open = open;
        gn->node.kept = open;
    }

    ngx_http_ai_zone_unlock(zone);

    return gn ? NGX_OK : NGX_ERROR;
}
