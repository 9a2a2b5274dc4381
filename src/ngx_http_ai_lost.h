
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Requests that were lost with their worker: the others write their records.
 */


#ifndef _NGX_HTTP_AI_LOST_H_INCLUDED_
#define _NGX_HTTP_AI_LOST_H_INCLUDED_


#include "ngx_http_ai_conf.h"


/* in a worker: looks every second from now on */
ngx_int_t ngx_http_ai_lost_start(ngx_cycle_t *cycle,
    ngx_http_ai_main_conf_t *amcf);

/*
 * At a worker's end, before the sink's: those that it was at itself, which a
 * fast shutdown cuts off without a word.
 */
void ngx_http_ai_lost_stop(ngx_http_ai_main_conf_t *amcf, ngx_log_t *log);


#endif /* _NGX_HTTP_AI_LOST_H_INCLUDED_ */
