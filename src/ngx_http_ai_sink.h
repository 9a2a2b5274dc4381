
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Where usage records go: a bounded queue per worker and one driver, Redis
 * or a file.  Nothing here blocks a worker while it serves.
 */


#ifndef _NGX_HTTP_AI_SINK_H_INCLUDED_
#define _NGX_HTTP_AI_SINK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pure/ngx_http_ai_record.h"


typedef enum {
    NGX_HTTP_AI_SINK_OFF = 0,
    NGX_HTTP_AI_SINK_FILE,
    NGX_HTTP_AI_SINK_REDIS
} ngx_http_ai_sink_type_e;


/* the ai_usage directive; immutable after the configuration is read */

typedef struct {
    ngx_http_ai_sink_type_e    type;

    ngx_open_file_t           *file;        /* FILE; reopened on USR1 */

    ngx_str_t                  host;        /* REDIS: literal IPv4/IPv6
                                               address, zero-terminated */
    in_port_t                  port;
    ngx_str_t                  path;        /* unix: socket instead of host */
    ngx_uint_t                 database;
    ngx_str_t                  user;
    ngx_str_t                  password;
    ngx_str_t                  stream;
    uint64_t                   maxlen;
    size_t                     queue_size;  /* bytes of records kept in memory
                                               while Redis is away */
} ngx_http_ai_sink_conf_t;


/*
 * Parses the arguments of "ai_usage" (cf->args) into sc.  NGX_CONF_OK, or
 * NGX_CONF_ERROR after an EMERG message that names the parameter and says
 * what to write, never a password.
 */
char *ngx_http_ai_sink_parse(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc);

/* worker start: NGX_OK also when Redis is away (it is retried for ever) */
ngx_int_t ngx_http_ai_sink_start(ngx_cycle_t *cycle,
    ngx_http_ai_sink_conf_t *sc);

/*
 * Takes a copy of the record; never yields, never blocks.  The cost is the
 * encoding and one copy: the bytes go out at the end of the event loop's
 * turn.  A full queue drops the record, counts it and warns once per minute.
 */
void ngx_http_ai_sink_push(const ngx_http_ai_record_t *rec);

/* worker exit: sends what is queued, at most for one second in all */
void ngx_http_ai_sink_stop(ngx_cycle_t *cycle);


#endif /* _NGX_HTTP_AI_SINK_H_INCLUDED_ */
