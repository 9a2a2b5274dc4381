
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The replay: one file at a time, in slices that are small beside what the
 * worker does anyway; the next one is read when Redis has confirmed the last
 * and has then had a rest.
 */


#ifndef _NGX_HTTP_AI_SPOOL_REPLAY_H_INCLUDED_
#define _NGX_HTTP_AI_SPOOL_REPLAY_H_INCLUDED_


#include "ngx_http_ai_spool_file.h"


typedef struct {
    ngx_http_ai_spool_conf_t    *conf;
    ngx_http_ai_resp_queue_t    *queue;
    ngx_log_t                   *log;

    ngx_http_ai_spool_file_t     file;      /* the one under replay */
    ngx_http_ai_spool_range_t   *ranges;
    ngx_uint_t                   nranges;
    ngx_uint_t                   range;     /* the current one */
    off_t                        pos;       /* all before it is confirmed */
    off_t                        next;      /* where the slice ends */
    ngx_uint_t                   n;         /* records in the slice */
    ngx_uint_t                   aliens;    /* frames that are no records */
    ngx_http_ai_frame_reader_t   reader;
    ngx_http_ai_frame_reader_t   before;    /* the reader at pos */
    u_char                      *buf;

    ngx_msec_t                   since;     /* when the slice was read */
    ngx_msec_t                   rest;      /* no slice before this */
    ngx_uint_t                   total;     /* replayed since the log's word */

    unsigned                     busy:1;    /* a slice is not confirmed */
    unsigned                     ended:1;   /* it is the range's last */
} ngx_http_ai_spool_replay_t;


/* NGX_ERROR: no memory */
ngx_int_t ngx_http_ai_spool_replay_init(ngx_http_ai_spool_replay_t *rp,
    ngx_pool_t *pool);

/*
 * A step: returns the milliseconds until the next one is worth it.  *total is
 * what all logs take, if it was looked at.
 */
ngx_msec_t ngx_http_ai_spool_replay_step(ngx_http_ai_spool_replay_t *rp,
    off_t *total);

/* the file is another's from now on; what was confirmed is written down */
void ngx_http_ai_spool_replay_stop(ngx_http_ai_spool_replay_t *rp);


#endif /* _NGX_HTTP_AI_SPOOL_REPLAY_H_INCLUDED_ */
