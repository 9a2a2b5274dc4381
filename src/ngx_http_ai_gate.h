
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The manual gate of a class: its backup models are closed until an operator
 * opens them, in the zone, for all workers and over reloads.
 */


#ifndef _NGX_HTTP_AI_GATE_H_INCLUDED_
#define _NGX_HTTP_AI_GATE_H_INCLUDED_


#include "ngx_http_ai_zone.h"


/* 1: the class's backups may be used; takes the lock if it has a gate */
ngx_uint_t ngx_http_ai_gate_is_open(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_class_t *class);

/* NGX_OK; NGX_ERROR: the zone is full.  Takes the lock. */
ngx_int_t ngx_http_ai_gate_set(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_class_t *class, ngx_uint_t open);


#endif /* _NGX_HTTP_AI_GATE_H_INCLUDED_ */
