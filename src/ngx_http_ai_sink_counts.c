
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_sink_counts.h"

#include <signal.h>


/* of a place that somebody clears; no process has it */
#define NGX_HTTP_AI_SINK_CLEARING  ((ngx_atomic_uint_t) -1)


static void ngx_http_ai_sink_counts_bury(ngx_http_ai_sink_counts_t *counts,
    ngx_http_ai_sink_worker_t *worker, ngx_atomic_uint_t pid);
static void ngx_http_ai_sink_counts_clear(ngx_http_ai_sink_worker_t *worker);


ngx_http_ai_sink_worker_t *
ngx_http_ai_sink_counts_join(ngx_http_ai_sink_counts_t *counts)
{
    ngx_uint_t                  i;
    ngx_http_ai_sink_sum_t      sum;
    ngx_http_ai_sink_worker_t  *worker;

    for (i = 0; i < NGX_HTTP_AI_SINK_WORKERS; i++) {
        worker = &counts->workers[i];

        if (worker->pid == (ngx_atomic_uint_t) ngx_pid) {
            /* a dead one's, of the same pid */
            ngx_http_ai_sink_counts_bury(counts, worker, worker->pid);
        }
    }

    ngx_http_ai_sink_counts_sum(counts, &sum);

    for (i = 0; i < NGX_HTTP_AI_SINK_WORKERS; i++) {
        worker = &counts->workers[i];

        if (worker->pid == 0
            && ngx_atomic_cmp_set(&worker->pid, 0,
                                  (ngx_atomic_uint_t) ngx_pid))
        {
            return worker;
        }
    }

    return NULL;
}


void
ngx_http_ai_sink_counts_leave(ngx_http_ai_sink_worker_t *worker)
{
    ngx_http_ai_sink_counts_clear(worker);
}


static void
ngx_http_ai_sink_counts_clear(ngx_http_ai_sink_worker_t *worker)
{
    worker->lanes = 0;
    worker->connected = 0;
    worker->waiting = 0;
    worker->kept = 0;
    worker->since = 0;

    ngx_memory_barrier();

    worker->pid = 0;
}


/* what was in its memory is lost, what was in a file is replayed by others */

static void
ngx_http_ai_sink_counts_bury(ngx_http_ai_sink_counts_t *counts,
    ngx_http_ai_sink_worker_t *worker, ngx_atomic_uint_t pid)
{
    ngx_uint_t  kept;

    if (!ngx_atomic_cmp_set(&worker->pid, pid, NGX_HTTP_AI_SINK_CLEARING)) {
        return;
    }

    /* it may have died between writing the one and the other */
    kept = ngx_min(worker->kept, worker->waiting);

    (void) ngx_atomic_fetch_add(&counts->spool.spooled, kept);
    (void) ngx_atomic_fetch_add(&counts->spool.dropped,
                                worker->waiting - kept);

    ngx_http_ai_sink_counts_clear(worker);
}


void
ngx_http_ai_sink_counts_sum(ngx_http_ai_sink_counts_t *counts,
    ngx_http_ai_sink_sum_t *sum)
{
    ngx_int_t                   files;
    ngx_uint_t                  i;
    ngx_msec_t                  since;
    ngx_msec_int_t              ms;
    ngx_atomic_uint_t           pid;
    ngx_http_ai_sink_worker_t  *worker;

    ngx_memzero(sum, sizeof(ngx_http_ai_sink_sum_t));

    for (i = 0; i < NGX_HTTP_AI_SINK_WORKERS; i++) {

        worker = &counts->workers[i];
        pid = worker->pid;

        if (pid == 0 || pid == NGX_HTTP_AI_SINK_CLEARING) {
            continue;
        }

        if (pid != (ngx_atomic_uint_t) ngx_pid
            && kill((ngx_pid_t) pid, 0) == -1 && ngx_errno == NGX_ESRCH)
        {
            ngx_http_ai_sink_counts_bury(counts, worker, pid);
            continue;
        }

        sum->lanes += worker->lanes;
        sum->connected += worker->connected;
        sum->lag += worker->waiting;

        since = worker->since;
        ms = since ? (ngx_msec_int_t) (ngx_current_msec - since) : 0;

        if (ms > 0) {
            sum->waits = ngx_max(sum->waits, (ngx_msec_t) ms);
        }
    }

    /* what files hold since before the zone was made is nobody's here */

    files = counts->spool.spooled + counts->spool.earlier
            - counts->spool.replayed;

    sum->lag += ngx_max(files, 0);
}
