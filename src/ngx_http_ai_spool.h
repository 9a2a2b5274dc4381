
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The folder named by "ai_usage … spool=": records outlive the worker and
 * Redis' absence there.
 *
 * The queue itself lies in a file of this folder that is mapped, so what was
 * queued is in the kernel at once.  When it is nearly full, its oldest blocks
 * are appended to a log.  Both kinds of files belong to the worker that holds
 * their lock; those of dead workers and earlier runs, and logs that are full,
 * are taken by whoever comes first, the oldest file first, and their records
 * put into its queue again, as copies: a file goes when Redis has confirmed
 * all of it.
 *
 * No fsync(): a killed nginx loses nothing, a lost machine what the system
 * had not written yet.
 */


#ifndef _NGX_HTTP_AI_SPOOL_H_INCLUDED_
#define _NGX_HTTP_AI_SPOOL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pure/ngx_http_ai_resp.h"


/* of a queue that is kept here: smaller, what is in flight would fill it */
#define NGX_HTTP_AI_SPOOL_MIN_QUEUE  (16 * NGX_HTTP_AI_RESP_BLOCK)

#define NGX_HTTP_AI_SPOOL_MIN        (1024 * 1024)     /* spool_max= */


typedef struct ngx_http_ai_spool_s  ngx_http_ai_spool_t;


/* of all workers, in the zone; written with atomic operations */

typedef struct {
    ngx_atomic_t                 dropped;   /* records given up */
    ngx_atomic_t                 spooled;   /* records moved to logs, or left
                                               in a queue's file by a worker
                                               that ended */
    ngx_atomic_t                 replayed;  /* records of files, confirmed */
    ngx_atomic_t                 earlier;   /* ... of files that were there
                                               before the zone */
    ngx_atomic_t                 damaged;   /* places in files passed over */
    ngx_atomic_t                 bytes;     /* of the logs, a second ago */
    ngx_atomic_t                 filled;    /* ngx_current_msec since when
                                               there are any; 0: none */
} ngx_http_ai_spool_counts_t;


/*
 * put: queues a record of a file as a copy; NGX_AGAIN: there is no room now;
 * NGX_DECLINED: it is no record.  ready: 1 if Redis takes records and is not
 * busy with those that are new.  moved: the queue is shorter than it was.
 */

typedef struct {
    ngx_str_t                    folder;
    off_t                        max;       /* bytes of all logs together */
    off_t                       *sum;       /* ... of all of the worker's
                                               spools, to be told as one */
    ngx_http_ai_spool_counts_t  *counts;
    int64_t                      made_ms;   /* Unix time, the counts' begin */

    ngx_int_t                  (*put)(void *data, const ngx_str_t *cmd);
    ngx_uint_t                 (*ready)(void *data);
    void                       (*moved)(void *data);
    void                        *data;
} ngx_http_ai_spool_conf_t;


/* "spool=" of ai_usage: the folder is made by the master, for the workers */
ngx_int_t ngx_http_ai_spool_folder(ngx_conf_t *cf, ngx_str_t *folder);

/* in a worker; conf is copied; NULL if there is no memory */
ngx_http_ai_spool_t *ngx_http_ai_spool_create(ngx_cycle_t *cycle,
    const ngx_http_ai_spool_conf_t *conf);

/*
 * Memory for the queue, zeroed, or NULL after a line in the log: then a queue
 * in the worker's own memory must do, and a killed worker loses it.
 */
u_char *ngx_http_ai_spool_map(ngx_http_ai_spool_t *spool, size_t size);

/* what is in files is replayed from now on, into this queue */
void ngx_http_ai_spool_start(ngx_http_ai_spool_t *spool,
    ngx_http_ai_resp_queue_t *queue);

/*
 * Moves the queue's oldest block to the log; the one that is written to only
 * if "tail" is set.  NGX_DECLINED: there is none, or the disk refuses, which
 * was logged.  A refused write is tried again a second later.
 */
ngx_int_t ngx_http_ai_spool_move(ngx_http_ai_spool_t *spool, ngx_uint_t tail);

/*
 * Worker exit, before and after what is queued is sent for the last time.
 * end() returns how many records are lost.
 */
void ngx_http_ai_spool_stop(ngx_http_ai_spool_t *spool);
ngx_uint_t ngx_http_ai_spool_end(ngx_http_ai_spool_t *spool);


#endif /* _NGX_HTTP_AI_SPOOL_H_INCLUDED_ */
