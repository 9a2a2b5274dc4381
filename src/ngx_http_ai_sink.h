
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

#include "ngx_http_ai_redis.h"
#include "ngx_http_ai_sink_counts.h"
#include "ngx_http_ai_spool.h"
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

    ngx_http_ai_redis_conf_t   redis;       /* REDIS */
    ngx_str_t                  stream;
    ngx_str_t                 *keys;        /* redis.shards of them */
    ngx_str_t                  audit;       /* the one of the audit */
    ngx_str_t                  pins;        /* ... and of pins */
    uint64_t                   pins_max;    /* entries of that, 0: off */
    size_t                     key_len;     /* the longest one's */
    uint64_t                   maxlen;      /* entries, 0: no limit */
    time_t                     minid;       /* seconds, 0: no limit */
    size_t                     queue_size;  /* bytes of records kept in memory
                                               while Redis is away */
    ngx_str_t                  spool;       /* a folder, or empty */
    ngx_str_t                 *folders;     /* of each lane, in it or itself */
    off_t                      spool_max;   /* bytes in it */
    ngx_uint_t                 seen;        /* bits: parameters given */
} ngx_http_ai_sink_conf_t;


/*
 * Parses the arguments of "ai_usage" (cf->args) into sc.  NGX_CONF_OK, or
 * NGX_CONF_ERROR after an EMERG message that names the parameter and says
 * what to write, never a password.
 */
char *ngx_http_ai_sink_parse(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc);

/*
 * Worker start: NGX_OK also when Redis is away (it is retried for ever).
 * made_ms: Unix time when the counts were all zero.
 */
ngx_int_t ngx_http_ai_sink_start(ngx_cycle_t *cycle,
    ngx_http_ai_sink_conf_t *sc, ngx_http_ai_sink_counts_t *counts,
    int64_t made_ms);

/*
 * Takes a copy of the record; never yields, never blocks.  The cost is the
 * encoding and one copy: the bytes go out at the end of the event loop's
 * turn.  A full queue makes room in the spool; without one, or where the disk
 * refuses, the record is dropped, counted, and said so once per minute.
 */
void ngx_http_ai_sink_push(const ngx_http_ai_record_t *rec);

/* the same of an audit record, for a stream of its own or the same file */
void ngx_http_ai_sink_push_audit(const ngx_http_ai_record_audit_t *rec);

/* the same of a pin, if these go to Redis */
void ngx_http_ai_sink_push_pin(const ngx_http_ai_record_pin_t *rec);

/*
 * Worker exit: what is queued is in the spool, and sent for one second more
 * at most; without Redis a part of it.
 */
void ngx_http_ai_sink_stop(ngx_cycle_t *cycle);


#endif /* _NGX_HTTP_AI_SINK_H_INCLUDED_ */
