
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_ai_spool_replay.h"

#include <signal.h>

#if (NGX_LINUX)
#include <sys/mman.h>
#include <sys/vfs.h>
#endif


#define NGX_HTTP_AI_SPOOL_LOG_SIZE  (16 * 1024 * 1024)  /* of one file */
#define NGX_HTTP_AI_SPOOL_LOGS      8       /* spool_max= is so many at least */
#define NGX_HTTP_AI_SPOOL_RETRY     1000    /* ms */
#define NGX_HTTP_AI_SPOOL_BATCH     64      /* blocks in one turn */


struct ngx_http_ai_spool_s {
    ngx_http_ai_spool_conf_t     conf;
    ngx_log_t                   *log;
    ngx_http_ai_resp_queue_t    *queue;

    u_char                      *map;       /* the queue's memory, or NULL */
    ngx_http_ai_spool_file_t     mem;       /* ... lies in this file */
    ngx_http_ai_spool_file_t     out;       /* the log that is written to */
    ngx_http_ai_spool_file_t     saved;     /* at exit, if there is no map */
    off_t                        total;     /* of all logs */
    off_t                        told;      /* ... as it is in conf.sum */
    ngx_msec_t                   looked;    /* when that was seen */

    ngx_http_ai_spool_replay_t   replay;

    ngx_event_t                  timer;
    ngx_connection_t             dumb;      /* the data of the timer */

    ngx_msec_t                   failed;    /* when a write was refused */
    unsigned                     failing:1;
};


static ngx_uint_t ngx_http_ai_spool_solid(ngx_fd_t fd);
static void ngx_http_ai_spool_timer_handler(ngx_event_t *ev);
static void ngx_http_ai_spool_tell(const ngx_http_ai_spool_conf_t *conf);
static ngx_int_t ngx_http_ai_spool_append(ngx_http_ai_spool_t *spool,
    ngx_str_t *frames);
static ngx_int_t ngx_http_ai_spool_open(ngx_http_ai_spool_t *spool,
    size_t len);
static ngx_int_t ngx_http_ai_spool_write(ngx_http_ai_spool_file_t *file,
    ngx_str_t *bytes);
static void ngx_http_ai_spool_fail(ngx_http_ai_spool_t *spool, ngx_err_t err,
    const char *what);
static ngx_int_t ngx_http_ai_spool_save(ngx_http_ai_spool_t *spool,
    ngx_http_ai_spool_file_t *file);


ngx_int_t
ngx_http_ai_spool_folder(ngx_conf_t *cf, ngx_str_t *folder)
{
    ngx_path_t  *path;

    path = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));
    if (path == NULL) {
        return NGX_ERROR;
    }

    path->name = *folder;

    if (path->name.len > 1 && path->name.data[path->name.len - 1] == '/') {
        path->name.len--;
    }

    if (ngx_conf_full_name(cf->cycle, &path->name, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    path->conf_file = cf->conf_file->file.name.data;
    path->line = cf->conf_file->line;

    /* the path may be one that another directive has named, too */

    if (ngx_add_path(cf, &path) != NGX_OK) {
        return NGX_ERROR;
    }

    *folder = path->name;

    return NGX_OK;
}


ngx_http_ai_spool_t *
ngx_http_ai_spool_create(ngx_cycle_t *cycle,
    const ngx_http_ai_spool_conf_t *conf)
{
    ngx_http_ai_spool_t  *spool;

    spool = ngx_pcalloc(cycle->pool, sizeof(ngx_http_ai_spool_t));
    if (spool == NULL) {
        return NULL;
    }

    spool->conf = *conf;
    spool->log = cycle->log;
    spool->mem.fd = NGX_INVALID_FILE;
    spool->out.fd = NGX_INVALID_FILE;
    spool->saved.fd = NGX_INVALID_FILE;

    spool->replay.conf = &spool->conf;
    spool->replay.log = cycle->log;

    if (ngx_http_ai_spool_replay_init(&spool->replay, cycle->pool) != NGX_OK) {
        return NULL;
    }

    spool->dumb.fd = (ngx_socket_t) -1;
    spool->dumb.data = spool;

    spool->timer.handler = ngx_http_ai_spool_timer_handler;
    spool->timer.data = &spool->dumb;
    spool->timer.log = cycle->log;
    spool->timer.cancelable = 1;

    /* a file too large for "ulimit -f" is an error as any other */

    (void) signal(SIGXFSZ, SIG_IGN);

    return spool;
}


#if (NGX_LINUX)

u_char *
ngx_http_ai_spool_map(ngx_http_ai_spool_t *spool, size_t size)
{
    char       *what;
    u_char     *p;
    ngx_err_t   err;

    what = "the file cannot be made";
    err = 0;

    if (ngx_http_ai_spool_file_create(&spool->mem, &spool->conf.folder,
                                      NGX_HTTP_AI_SPOOL_MEM)
        != NGX_OK)
    {
        err = ngx_errno;
        goto failed;
    }

    if (!ngx_http_ai_spool_solid(spool->mem.fd)) {
        what = "the file system may refuse a page of a file later";
        goto failed;
    }

    /* a page that has no place on the disk would end the worker by SIGBUS */

    what = "there is no room for it";
    err = posix_fallocate(spool->mem.fd, 0, size);

    if (err) {
        goto failed;
    }

    p = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_SHARED, spool->mem.fd, 0);

    if (p == MAP_FAILED) {
        what = "mmap() failed";
        err = ngx_errno;
        goto failed;
    }

    spool->map = p;
    spool->mem.size = size;

    return p;

failed:

    ngx_log_error(NGX_LOG_WARN, spool->log, err,
                  "ai usage: the queue is not in \"%V\": %s; a worker that is "
                  "killed loses what waits in its memory",
                  &spool->conf.folder, what);

    ngx_http_ai_spool_file_remove(&spool->mem);

    return NULL;
}


/* what is written to allocated space needs no other: not so if it copies */

static ngx_uint_t
ngx_http_ai_spool_solid(ngx_fd_t fd)
{
    ngx_uint_t     i;
    struct statfs  fs;

    static const unsigned long  types[] = {
        0xef53,             /* ext2, ext3, ext4 */
        0x58465342,         /* xfs */
        0x01021994,         /* tmpfs */
        0x794c7630,         /* overlayfs */
        0xf2f52010          /* f2fs */
    };

    if (fstatfs(fd, &fs) == -1) {
        return 0;
    }

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if ((unsigned long) fs.f_type == types[i]) {
            return 1;
        }
    }

    return 0;
}

#else

u_char *
ngx_http_ai_spool_map(ngx_http_ai_spool_t *spool, size_t size)
{
    ngx_log_error(NGX_LOG_WARN, spool->log, 0,
                  "ai usage: the queue is in \"%V\" on Linux only; a worker "
                  "that is killed loses what waits in its memory",
                  &spool->conf.folder);

    return NULL;
}

#endif


void
ngx_http_ai_spool_start(ngx_http_ai_spool_t *spool,
    ngx_http_ai_resp_queue_t *queue)
{
    spool->queue = queue;
    spool->replay.queue = queue;

    ngx_http_ai_spool_file_total(&spool->conf.folder, &spool->total);
    spool->looked = ngx_current_msec;

    /* workers that start together do not look together */

    ngx_add_timer(&spool->timer, 1 + ngx_random() % 100);
}


static void
ngx_http_ai_spool_timer_handler(ngx_event_t *ev)
{
    ngx_uint_t            i;
    ngx_msec_t            ms;
    ngx_connection_t     *c;
    ngx_http_ai_spool_t  *spool;

    c = ev->data;
    spool = c->data;

    if (ngx_current_msec - spool->looked >= NGX_HTTP_AI_SPOOL_RETRY) {
        spool->looked = ngx_current_msec;

        ngx_http_ai_spool_file_total(&spool->conf.folder, &spool->total);

        *spool->conf.sum += spool->total - spool->told;
        spool->told = spool->total;
        ngx_http_ai_spool_tell(&spool->conf);
    }

    if (spool->conf.ready(spool->conf.data)) {

        /* it is full or not, but it can be replayed */

        ngx_http_ai_spool_file_close(&spool->out);

    } else if (spool->map == NULL) {

        for (i = 0; i < NGX_HTTP_AI_SPOOL_BATCH; i++) {
            if (ngx_http_ai_spool_move(spool, 1) != NGX_OK) {
                break;
            }
        }
    }

    if (ngx_exiting && (!spool->replay.busy || spool->queue->copies == 0)) {

        /* what is left is for others; the queue goes on being moved */

        ngx_http_ai_spool_replay_stop(&spool->replay);
        ms = NGX_HTTP_AI_SPOOL_RETRY;

    } else {
        ms = ngx_http_ai_spool_replay_step(&spool->replay, &spool->total);
    }

    ngx_add_timer(ev, ms);
}


static void
ngx_http_ai_spool_tell(const ngx_http_ai_spool_conf_t *conf)
{
    ngx_http_ai_spool_counts_t  *counts;

    counts = conf->counts;
    counts->bytes = (ngx_atomic_uint_t) *conf->sum;

    if (counts->bytes == 0) {
        counts->filled = 0;

    } else {
        (void) ngx_atomic_cmp_set(&counts->filled, 0,
                                  ngx_max(ngx_current_msec, 1));
    }
}


ngx_int_t
ngx_http_ai_spool_move(ngx_http_ai_spool_t *spool, ngx_uint_t tail)
{
    ngx_str_t   frames;
    ngx_uint_t  n;

    if (spool->failing
        && ngx_current_msec - spool->failed < NGX_HTTP_AI_SPOOL_RETRY)
    {
        return NGX_DECLINED;
    }

    if (ngx_http_ai_resp_queue_idle(spool->queue, tail, &frames) != NGX_OK
        || ngx_http_ai_spool_append(spool, &frames) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (spool->failing) {
        spool->failing = 0;
        ngx_log_error(NGX_LOG_NOTICE, spool->log, 0,
                      "ai usage: \"%V\" takes records again",
                      &spool->conf.folder);
    }

    n = ngx_http_ai_resp_queue_drop(spool->queue, tail);

    (void) ngx_atomic_fetch_add(&spool->conf.counts->spooled, n);

    spool->conf.moved(spool->conf.data);

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_spool_append(ngx_http_ai_spool_t *spool, ngx_str_t *frames)
{
    off_t  full;

    full = ngx_min(NGX_HTTP_AI_SPOOL_LOG_SIZE,
                   spool->conf.max / NGX_HTTP_AI_SPOOL_LOGS);

    for ( ;; ) {

        if (ngx_http_ai_spool_open(spool, frames->len) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ngx_http_ai_spool_write(&spool->out, frames) == NGX_OK) {
            break;
        }

        if (spool->out.size == (off_t) sizeof(ngx_http_ai_frame_file_t)) {
            ngx_http_ai_spool_fail(spool, ngx_errno, ngx_write_fd_n);
            ngx_http_ai_spool_file_remove(&spool->out);
            return NGX_ERROR;
        }

        /* this one may be what is too large: another one, now */

        ngx_http_ai_spool_file_close(&spool->out);
    }

    spool->total += frames->len;

    if (spool->out.size >= full) {
        ngx_http_ai_spool_file_close(&spool->out);
    }

    return NGX_OK;
}


/* a log with room for so many bytes more */

static ngx_int_t
ngx_http_ai_spool_open(ngx_http_ai_spool_t *spool, size_t len)
{
    if (spool->total + (off_t) len > spool->conf.max) {
        ngx_http_ai_spool_fail(spool, 0, "write beyond spool_max=");
        return NGX_DECLINED;
    }

    if (spool->out.fd != NGX_INVALID_FILE) {
        return NGX_OK;
    }

    if (ngx_http_ai_spool_file_create(&spool->out, &spool->conf.folder,
                                      NGX_HTTP_AI_SPOOL_LOG)
        != NGX_OK)
    {
        ngx_http_ai_spool_fail(spool, ngx_errno, ngx_open_file_n);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_spool_write(ngx_http_ai_spool_file_t *file, ngx_str_t *bytes)
{
    ssize_t    n;
    ngx_err_t  err;

    n = pwrite(file->fd, bytes->data, bytes->len, file->size);

    if (n == (ssize_t) bytes->len) {
        file->size += n;
        return NGX_OK;
    }

    err = (n == -1) ? ngx_errno : NGX_ENOSPC;

    /* if this is refused, too: who reads it passes over a torn frame */

    (void) !ftruncate(file->fd, file->size);

    ngx_set_errno(err);

    return NGX_ERROR;
}


static void
ngx_http_ai_spool_fail(ngx_http_ai_spool_t *spool, ngx_err_t err,
    const char *what)
{
    spool->failed = ngx_current_msec;

    if (spool->failing) {
        return;
    }

    spool->failing = 1;

    ngx_log_error(NGX_LOG_ERR, spool->log, err,
                  "ai usage: %s in \"%V\" failed, records are dropped when "
                  "the memory is full; trying again", what,
                  &spool->conf.folder);
}


void
ngx_http_ai_spool_stop(ngx_http_ai_spool_t *spool)
{
    if (spool->timer.timer_set) {
        ngx_del_timer(&spool->timer);
    }

    ngx_http_ai_spool_file_close(&spool->out);

    if (spool->map == NULL && spool->queue->n != spool->queue->copies) {
        (void) ngx_http_ai_spool_save(spool, &spool->saved);
    }
}


ngx_uint_t
ngx_http_ai_spool_end(ngx_http_ai_spool_t *spool)
{
    ngx_uint_t                own, lost;
    ngx_http_ai_spool_file_t  last;

    lost = 0;
    last.fd = NGX_INVALID_FILE;
    own = spool->queue->n - spool->queue->copies;

    ngx_http_ai_spool_replay_stop(&spool->replay);

    if (own == 0) {
        ngx_http_ai_spool_file_remove(&spool->mem);
        ngx_http_ai_spool_file_remove(&spool->saved);

    } else if (spool->map == NULL) {

        if (ngx_http_ai_spool_save(spool, &last) == NGX_OK) {
            ngx_http_ai_spool_file_remove(&spool->saved);

        } else if (spool->saved.fd == NGX_INVALID_FILE) {
            lost = own;
        }
    }

    if (own != lost) {
        (void) ngx_atomic_fetch_add(&spool->conf.counts->spooled, own - lost);

        ngx_log_error(NGX_LOG_NOTICE, spool->log, 0,
                      "ai usage: %ui records stay in \"%V\"", own - lost,
                      &spool->conf.folder);
    }

#if (NGX_LINUX)

    if (spool->map) {
        (void) munmap(spool->map, spool->mem.size);
    }

#endif

    ngx_http_ai_spool_file_close(&spool->mem);
    ngx_http_ai_spool_file_close(&spool->saved);
    ngx_http_ai_spool_file_close(&last);

    return lost;
}


/* all of the queue, into a log of its own */

static ngx_int_t
ngx_http_ai_spool_save(ngx_http_ai_spool_t *spool,
    ngx_http_ai_spool_file_t *file)
{
    ngx_str_t                  frames;
    ngx_http_ai_resp_block_t  *block;

    if (ngx_http_ai_spool_file_create(file, &spool->conf.folder,
                                      NGX_HTTP_AI_SPOOL_LOG)
        != NGX_OK)
    {
        ngx_http_ai_spool_fail(spool, ngx_errno, ngx_open_file_n);
        return NGX_ERROR;
    }

    block = NULL;

    while ((block = ngx_http_ai_resp_queue_walk(spool->queue, block, &frames)))
    {
        if (ngx_http_ai_spool_write(file, &frames) != NGX_OK) {
            ngx_http_ai_spool_fail(spool, ngx_errno, ngx_write_fd_n);
            ngx_http_ai_spool_file_remove(file);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
