
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The folder named by "ai_zone … state=": what was spent of budgets outlives
 * a restart there, in a file of lines (pure/ngx_http_ai_state.h) that one
 * worker at a time appends to, at most a second after the fact, and writes
 * anew when it begins and when the file has grown.  Another worker goes on
 * when that one dies.
 */


#ifndef _NGX_HTTP_AI_PERSIST_H_INCLUDED_
#define _NGX_HTTP_AI_PERSIST_H_INCLUDED_


#include "ngx_http_ai_zone.h"


/* "state=" of ai_zone: the folder is made by the master, for the workers */
ngx_int_t ngx_http_ai_persist_conf(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf, ngx_str_t *path);

/*
 * Puts what the file says into a fresh zone, before there are workers.
 * NGX_ERROR: the zone is too small; NGX_ABORT: the file cannot be read, which
 * was said.  A line that is damaged is left out, and said to be.
 */
ngx_int_t ngx_http_ai_persist_load(ngx_http_ai_zone_t *zone, ngx_log_t *log);

/* in a worker; without state= both do nothing */
ngx_int_t ngx_http_ai_persist_start(ngx_cycle_t *cycle,
    ngx_http_ai_main_conf_t *amcf);
void ngx_http_ai_persist_stop(ngx_http_ai_main_conf_t *amcf);


#endif /* _NGX_HTTP_AI_PERSIST_H_INCLUDED_ */
