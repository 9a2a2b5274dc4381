
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_spool_replay.h"


#define NGX_HTTP_AI_SPOOL_SLICE   100            /* records */
#define NGX_HTTP_AI_SPOOL_BUFFER  (128 * 1024)   /* two of the largest frames
                                                    and more */
#define NGX_HTTP_AI_SPOOL_AHEAD   (1024 * 1024)  /* the system is asked to
                                                    have in memory */
#define NGX_HTTP_AI_SPOOL_MS      2              /* between two looks */
#define NGX_HTTP_AI_SPOOL_REST    2              /* times as long as the slice
                                                    had taken */
#define NGX_HTTP_AI_SPOOL_IDLE    1000


static ngx_int_t ngx_http_ai_spool_replay_open(ngx_http_ai_spool_replay_t *rp,
    off_t *total);
static void ngx_http_ai_spool_replay_range(ngx_http_ai_spool_replay_t *rp);
static void ngx_http_ai_spool_replay_slice(ngx_http_ai_spool_replay_t *rp);
static void ngx_http_ai_spool_replay_frames(ngx_http_ai_spool_replay_t *rp);
static void ngx_http_ai_spool_replay_ahead(ngx_http_ai_spool_replay_t *rp);
static void ngx_http_ai_spool_replay_confirm(ngx_http_ai_spool_replay_t *rp);
static void ngx_http_ai_spool_replay_finish(ngx_http_ai_spool_replay_t *rp);
static void ngx_http_ai_spool_replay_bad(ngx_http_ai_spool_replay_t *rp);
static void ngx_http_ai_spool_replay_close(ngx_http_ai_spool_replay_t *rp);


ngx_int_t
ngx_http_ai_spool_replay_init(ngx_http_ai_spool_replay_t *rp,
    ngx_pool_t *pool)
{
    rp->file.fd = NGX_INVALID_FILE;

    rp->buf = ngx_palloc(pool, NGX_HTTP_AI_SPOOL_BUFFER);

    return rp->buf ? NGX_OK : NGX_ERROR;
}


ngx_msec_t
ngx_http_ai_spool_replay_step(ngx_http_ai_spool_replay_t *rp, off_t *total)
{
    ngx_msec_t      took;
    ngx_msec_int_t  rest;

    if (rp->busy) {
        took = ngx_current_msec - rp->since;

        if (rp->queue->copies) {
            return ngx_min(ngx_max(took, NGX_HTTP_AI_SPOOL_MS),
                           NGX_HTTP_AI_SPOOL_IDLE);
        }

        ngx_http_ai_spool_replay_confirm(rp);

        /* what took long has kept Redis busy for so long: others wait, too */

        rp->rest = ngx_current_msec
                   + ngx_min(took * NGX_HTTP_AI_SPOOL_REST,
                             NGX_HTTP_AI_SPOOL_IDLE);
    }

    rest = (ngx_msec_int_t) (rp->rest - ngx_current_msec);

    if (rest > 0 && rest <= NGX_HTTP_AI_SPOOL_IDLE) {
        return rest;
    }

    if (!rp->conf->ready(rp->conf->data)) {
        return rp->file.fd == NGX_INVALID_FILE ? NGX_HTTP_AI_SPOOL_IDLE
                                               : NGX_HTTP_AI_SPOOL_IDLE / 10;
    }

    if (rp->file.fd == NGX_INVALID_FILE
        && ngx_http_ai_spool_replay_open(rp, total) != NGX_OK)
    {
        return NGX_HTTP_AI_SPOOL_IDLE;
    }

    ngx_http_ai_spool_replay_slice(rp);

    return NGX_HTTP_AI_SPOOL_MS;
}


static ngx_int_t
ngx_http_ai_spool_replay_open(ngx_http_ai_spool_replay_t *rp, off_t *total)
{
    if (ngx_http_ai_spool_file_claim(&rp->file, &rp->conf->folder, total)
        != NGX_OK)
    {
        if (rp->total) {
            ngx_log_error(NGX_LOG_NOTICE, rp->log, 0,
                          "ai usage: %ui records of the spool replayed",
                          rp->total);
            rp->total = 0;
        }

        return NGX_DONE;
    }

    rp->ranges = ngx_http_ai_spool_file_ranges(&rp->file, &rp->nranges);

    if (rp->ranges == NULL) {
        ngx_http_ai_spool_replay_bad(rp);
        return NGX_ERROR;
    }

    rp->range = 0;
    rp->aliens = 0;
    ngx_memzero(&rp->reader, sizeof(ngx_http_ai_frame_reader_t));

    ngx_http_ai_spool_replay_range(rp);

    return NGX_OK;
}


static void
ngx_http_ai_spool_replay_range(ngx_http_ai_spool_replay_t *rp)
{
    if (rp->range < rp->nranges) {
        rp->pos = rp->ranges[rp->range].start;
        rp->reader.in_gap = 0;
    }
}


static void
ngx_http_ai_spool_replay_slice(ngx_http_ai_spool_replay_t *rp)
{
    off_t    end;
    size_t   size;
    ssize_t  n;

    if (rp->range == rp->nranges) {
        ngx_http_ai_spool_replay_finish(rp);
        return;
    }

    end = rp->ranges[rp->range].end;
    size = (size_t) ngx_min(end - rp->pos, NGX_HTTP_AI_SPOOL_BUFFER);

    n = pread(rp->file.fd, rp->buf, size, rp->pos);

    if (n != (ssize_t) size) {

        if (n >= 0) {
            ngx_set_errno(0);       /* somebody has cut it */
        }

        ngx_http_ai_spool_replay_bad(rp);
        return;
    }

    rp->before = rp->reader;
    rp->reader.pos = rp->buf;
    rp->reader.last = rp->buf + size;
    rp->reader.last_piece = (rp->pos + n == end);

    rp->n = 0;
    rp->ended = 0;
    rp->busy = 1;
    rp->since = ngx_current_msec;

    ngx_http_ai_spool_replay_frames(rp);

    rp->next = rp->pos + (rp->reader.pos - rp->buf);

    ngx_http_ai_spool_replay_ahead(rp);
}


static void
ngx_http_ai_spool_replay_frames(ngx_http_ai_spool_replay_t *rp)
{
    ngx_int_t                    rc;
    ngx_str_t                    cmd;
    ngx_http_ai_frame_reader_t   before;

    while (rp->n < NGX_HTTP_AI_SPOOL_SLICE) {

        before = rp->reader;
        rc = ngx_http_ai_frame_next(&rp->reader, &cmd);

        if (rc != NGX_OK) {
            rp->ended = (rc == NGX_DONE);
            return;
        }

        if (rp->reader.state == NGX_HTTP_AI_FRAME_DONE
            || rp->reader.state == NGX_HTTP_AI_FRAME_COPY)
        {
            continue;
        }

        rc = rp->conf->put(rp->conf->data, &cmd);

        if (rc == NGX_AGAIN) {
            rp->reader = before;
            return;
        }

        if (rc == NGX_OK) {
            rp->n++;

        } else {
            rp->aliens++;
        }
    }
}


/* so that the next slices need not wait for the disk */

static void
ngx_http_ai_spool_replay_ahead(ngx_http_ai_spool_replay_t *rp)
{
#if (NGX_HAVE_POSIX_FADVISE)

    (void) posix_fadvise(rp->file.fd, rp->next, NGX_HTTP_AI_SPOOL_AHEAD,
                         POSIX_FADV_WILLNEED);

#endif
}


static void
ngx_http_ai_spool_replay_confirm(ngx_http_ai_spool_replay_t *rp)
{
    rp->busy = 0;

    if (rp->queue->lost) {

        /* the queue had to be emptied meanwhile: once more from where it was */

        rp->queue->lost = 0;
        rp->reader = rp->before;
        return;
    }

    (void) ngx_atomic_fetch_add(&rp->conf->counts->replayed, rp->n);

    if (ngx_http_ai_spool_file_made(&rp->file) < rp->conf->made_ms) {
        (void) ngx_atomic_fetch_add(&rp->conf->counts->earlier, rp->n);
    }

    rp->total += rp->n;
    rp->pos = rp->next;

    ngx_http_ai_spool_file_confirm(&rp->file, &rp->ranges[rp->range], rp->pos,
                                   rp->ended);

    if (rp->ended) {
        rp->range++;
        ngx_http_ai_spool_replay_range(rp);
    }
}


static void
ngx_http_ai_spool_replay_finish(ngx_http_ai_spool_replay_t *rp)
{
    ngx_uint_t  damaged;

    damaged = rp->reader.gaps + rp->aliens;

    if (damaged) {
        (void) ngx_atomic_fetch_add(&rp->conf->counts->damaged, damaged);

        ngx_log_error(NGX_LOG_WARN, rp->log, 0,
                      "ai usage: \"%s\" is damaged in %ui places, %uL bytes "
                      "of it were passed over",
                      rp->file.name, damaged, rp->reader.skipped);
    }

    ngx_http_ai_spool_file_remove(&rp->file);
    ngx_http_ai_spool_replay_close(rp);
}


/* not deleted: the disk may be better another day */

static void
ngx_http_ai_spool_replay_bad(ngx_http_ai_spool_replay_t *rp)
{
    u_char     name[NGX_MAX_PATH + 4];
    ngx_err_t  err;

    err = ngx_errno;

    *ngx_snprintf(name, NGX_MAX_PATH + 3, "%s.bad", rp->file.name) = '\0';

    (void) ngx_rename_file(rp->file.name, name);

    ngx_log_error(NGX_LOG_ERR, rp->log, err,
                  "ai usage: \"%s\" cannot be read, what was not replayed of "
                  "it is kept as \"%s\"; remove \".bad\" to try again",
                  rp->file.name, name);

    (void) ngx_atomic_fetch_add(&rp->conf->counts->damaged, 1);

    ngx_http_ai_spool_replay_close(rp);
}


static void
ngx_http_ai_spool_replay_close(ngx_http_ai_spool_replay_t *rp)
{
    free(rp->ranges);
    rp->ranges = NULL;

    ngx_http_ai_spool_file_close(&rp->file);
}


void
ngx_http_ai_spool_replay_stop(ngx_http_ai_spool_replay_t *rp)
{
    if (rp->busy && rp->queue->copies == 0) {
        ngx_http_ai_spool_replay_confirm(rp);
    }

    rp->busy = 0;

    if (rp->file.fd != NGX_INVALID_FILE) {
        ngx_http_ai_spool_replay_close(rp);
    }
}
