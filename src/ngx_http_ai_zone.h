
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The shared zone: what all workers know together.  Its data outlives a
 * reload; nothing in it points into a process (a reload may load the module
 * at another address), only into the zone itself.
 */


#ifndef _NGX_HTTP_AI_ZONE_H_INCLUDED_
#define _NGX_HTTP_AI_ZONE_H_INCLUDED_


#include "ngx_http_ai_conf.h"


#define NGX_HTTP_AI_ZONE_MIN  (256 * 1024)


/* adds the zone to the configuration under amcf->zone_name and _size */
ngx_int_t ngx_http_ai_zone_create(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf);

/*
 * Smooth weighted choice among the n targets of the route named by its hash,
 * of those whose bit is set in "eligible" (never 0).  The state is shared by
 * the workers; takes the zone's lock for some n steps, never yields.  Where
 * the zone has no memory left even after evicting the balancer state longest
 * unused, the eligible target of the largest weight is taken.
 */
ngx_uint_t ngx_http_ai_zone_choose(ngx_http_ai_zone_t *zone, uint32_t hash,
    const ngx_uint_t *weights, ngx_uint_t n, uint64_t eligible);


#endif /* _NGX_HTTP_AI_ZONE_H_INCLUDED_ */
