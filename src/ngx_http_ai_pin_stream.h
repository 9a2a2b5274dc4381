
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Pins of other nodes, and of this one before a restart: one worker reads the
 * stream that all nodes write theirs to ("pins=" of "ai_usage"), from its
 * beginning when the zone is new, and puts them into the zone.
 */


#ifndef _NGX_HTTP_AI_PIN_STREAM_H_INCLUDED_
#define _NGX_HTTP_AI_PIN_STREAM_H_INCLUDED_


#include "ngx_http_ai_zone.h"


/* in a worker: goes on in the background until it wants to exit */
ngx_int_t ngx_http_ai_pin_stream_start(ngx_cycle_t *cycle,
    ngx_http_ai_main_conf_t *amcf);

/* before a worker exits: no connection stays, another worker may read */
void ngx_http_ai_pin_stream_stop(void);

/* how it stands; takes the lock, and makes a system call */

typedef struct {
    ngx_uint_t               reading;      /* unsigned  reading:1; somebody
                                              does, and it works */
    ngx_http_ai_xread_id_t   last;         /* entry; 0-0: none yet */
} ngx_http_ai_pin_stream_facts_t;

void ngx_http_ai_pin_stream_facts(ngx_http_ai_zone_t *zone,
    ngx_http_ai_pin_stream_facts_t *facts);


#endif /* _NGX_HTTP_AI_PIN_STREAM_H_INCLUDED_ */
