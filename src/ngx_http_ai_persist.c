
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Small appends to the page cache, some times a second at most, without
 * fsync(): a killed nginx loses nothing that was written, a lost machine may
 * lose the last seconds.
 *
 * The file is written anew into another one, some purses per turn of the
 * event loop, while changes go on being appended to both; then it takes the
 * old one's name.  So there is a whole file at any moment.
 */


#include "ngx_http_ai_persist.h"
#include "ngx_http_ai_purse.h"

#include <sys/file.h>


#define NGX_HTTP_AI_PERSIST_MS      1000   /* between two looks */
#define NGX_HTTP_AI_PERSIST_AGAIN   10     /* ... while there is more to do */
#define NGX_HTTP_AI_PERSIST_BATCH   64     /* purses under one lock */
#define NGX_HTTP_AI_PERSIST_BUCKETS 1024   /* looked at under one lock */
#define NGX_HTTP_AI_PERSIST_SIZE    (1024 * 1024)   /* bytes; a smaller file
                                              is not worth writing anew */
#define NGX_HTTP_AI_PERSIST_GROWTH  4      /* ... nor one that is less than so
                                              many times larger than then */
#define NGX_HTTP_AI_PERSIST_NAME    255    /* a longer one has no budget */
#define NGX_HTTP_AI_PERSIST_READ    65536

#define NGX_HTTP_AI_PERSIST_ROOM                                              \
    (NGX_HTTP_AI_PERSIST_BATCH * NGX_HTTP_AI_PURSE_BUDGETS                    \
     * ngx_http_ai_state_room(NGX_HTTP_AI_PERSIST_NAME))


struct ngx_http_ai_persist_s {
    ngx_path_t               *path;
    ngx_str_t                 file;        /* zero-terminated, as the next */
    ngx_str_t                 anew;

    /* below: of one worker */

    ngx_event_t               timer;
    ngx_http_ai_zone_t       *zone;
    ngx_fd_t                  fd;          /* NGX_INVALID_FILE: not open */
    ngx_fd_t                  anew_fd;
    off_t                     size;        /* of the file */
    off_t                     base;        /* ... when it was written anew */
    ngx_uint_t                bucket;      /* next to be written anew */
    u_char                   *buf;         /* NGX_HTTP_AI_PERSIST_ROOM */
    const char               *wrong;       /* what was logged last */
};


static ngx_int_t ngx_http_ai_persist_lines(ngx_http_ai_zone_t *zone,
    u_char *p, u_char *last, ngx_uint_t *counts, u_char **rest);
static void ngx_http_ai_persist_tick(ngx_event_t *ev);
static ngx_uint_t ngx_http_ai_persist_writer(ngx_http_ai_persist_t *pst);
static ngx_int_t ngx_http_ai_persist_rest(ngx_http_ai_persist_t *pst);
static ngx_uint_t ngx_http_ai_persist_leave(ngx_http_ai_persist_t *pst,
    ngx_uint_t failed);
static ngx_int_t ngx_http_ai_persist_open(ngx_http_ai_persist_t *pst);
static void ngx_http_ai_persist_close(ngx_http_ai_persist_t *pst);
static ngx_int_t ngx_http_ai_persist_changes(ngx_http_ai_persist_t *pst);
static ngx_int_t ngx_http_ai_persist_anew(ngx_http_ai_persist_t *pst);
static u_char *ngx_http_ai_persist_some_locked(ngx_http_ai_persist_t *pst);
static u_char *ngx_http_ai_persist_format(u_char *p,
    const ngx_http_ai_purse_t *purse);
static ngx_int_t ngx_http_ai_persist_write(ngx_http_ai_persist_t *pst,
    ngx_fd_t fd, u_char *p, size_t len);
static void ngx_http_ai_persist_fail(ngx_http_ai_persist_t *pst,
    const char *what, ngx_str_t *name);


ngx_int_t
ngx_http_ai_persist_conf(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf,
    ngx_str_t *path)
{
    ngx_http_ai_persist_t  *pst;

    pst = ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_persist_t));
    if (pst == NULL) {
        return NGX_ERROR;
    }

    pst->path = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));
    if (pst->path == NULL) {
        return NGX_ERROR;
    }

    pst->path->name = *path;

    if (pst->path->name.data[pst->path->name.len - 1] == '/') {
        pst->path->name.len--;
    }

    if (ngx_conf_full_name(cf->cycle, &pst->path->name, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    pst->path->conf_file = cf->conf_file->file.name.data;
    pst->path->line = cf->conf_file->line;

    if (ngx_add_path(cf, &pst->path) != NGX_OK) {
        return NGX_ERROR;
    }

    pst->file.len = pst->path->name.len + sizeof("/budgets") - 1;
    pst->file.data = ngx_pnalloc(cf->pool, pst->file.len + 1);
    pst->anew.len = pst->path->name.len + sizeof("/budgets.new") - 1;
    pst->anew.data = ngx_pnalloc(cf->pool, pst->anew.len + 1);

    if (pst->file.data == NULL || pst->anew.data == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(pst->file.data, "%V/budgets%Z", &pst->path->name);
    ngx_sprintf(pst->anew.data, "%V/budgets.new%Z", &pst->path->name);

    pst->fd = NGX_INVALID_FILE;
    pst->anew_fd = NGX_INVALID_FILE;

    amcf->persist = pst;

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_persist_load(ngx_http_ai_zone_t *zone, ngx_log_t *log)
{
    u_char                 *buf, *rest;
    size_t                  left;
    ngx_uint_t              level;
    ssize_t                 n;
    ngx_fd_t                fd;
    ngx_int_t               rc;
    ngx_uint_t              counts[2];
    ngx_http_ai_persist_t  *pst;

    pst = zone->conf->persist;

    if (pst == NULL) {
        return NGX_OK;
    }

    fd = ngx_open_file(pst->file.data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {

        if (ngx_errno == NGX_ENOENT) {
            return NGX_OK;
        }

        /* to begin with full budgets would be to spend them twice */

        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                      ngx_open_file_n " \"%V\" failed, budgets cannot be "
                      "restored, make the file readable or remove it",
                      &pst->file);
        return NGX_ABORT;
    }

    buf = ngx_alloc(NGX_HTTP_AI_PERSIST_READ, log);

    if (buf == NULL) {
        (void) ngx_close_file(fd);
        return NGX_ABORT;
    }

    rc = NGX_OK;
    left = 0;
    counts[0] = 0;
    counts[1] = 0;

    while (rc == NGX_OK) {

        n = ngx_read_fd(fd, buf + left, NGX_HTTP_AI_PERSIST_READ - left);

        if (n == -1) {
            ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                          ngx_read_fd_n " \"%V\" failed, budgets cannot be "
                          "restored", &pst->file);
            rc = NGX_ABORT;
            break;
        }

        if (n == 0) {
            /* a line without its end was being written when nginx died */
            counts[1] += (left != 0);
            break;
        }

        rc = ngx_http_ai_persist_lines(zone, buf, buf + left + n, counts,
                                       &rest);

        left = buf + left + n - rest;
        ngx_memmove(buf, rest, left);
    }

    ngx_free(buf);
    (void) ngx_close_file(fd);

    if (counts[0] || counts[1]) {
        level = counts[1] ? NGX_LOG_WARN : NGX_LOG_NOTICE;

        ngx_log_error(level, log, 0,
                      "ai budgets restored from \"%V\": %ui, lines that are "
                      "damaged: %ui", &pst->file, counts[0], counts[1]);
    }

    return rc;
}


/* whole lines only; one that fills the buffer cannot be one of ours */

static ngx_int_t
ngx_http_ai_persist_lines(ngx_http_ai_zone_t *zone, u_char *p, u_char *last,
    ngx_uint_t *counts, u_char **rest)
{
    u_char                    *end;
    ngx_int_t                  rc;
    ngx_http_ai_state_line_t   line;

    rc = NGX_OK;

    while (p < last) {

        end = ngx_strlchr(p, last, '\n');

        if (end == NULL) {

            if (last - p == NGX_HTTP_AI_PERSIST_READ) {
                counts[1]++;
                p = last;
            }

            break;
        }

        if (ngx_http_ai_state_parse(p, end - p, &line) != NGX_OK) {
            counts[1] += (end != p);

        } else {
            ngx_http_ai_zone_lock(zone);
            rc = ngx_http_ai_purse_restore_locked(zone, &line);
            ngx_http_ai_zone_unlock(zone);

            if (rc == NGX_ERROR) {
                break;
            }

            counts[0] += (rc == NGX_OK);
            rc = NGX_OK;
        }

        p = end + 1;
    }

    *rest = p;

    return rc;
}


ngx_int_t
ngx_http_ai_persist_start(ngx_cycle_t *cycle, ngx_http_ai_main_conf_t *amcf)
{
    ngx_http_ai_persist_t  *pst;

    pst = amcf->persist;

    if (pst == NULL) {
        return NGX_OK;
    }

    pst->buf = ngx_palloc(cycle->pool, NGX_HTTP_AI_PERSIST_ROOM);
    if (pst->buf == NULL) {
        return NGX_ERROR;
    }

    pst->zone = amcf->zone;

    pst->timer.handler = ngx_http_ai_persist_tick;
    pst->timer.data = pst;
    pst->timer.log = cycle->log;
    pst->timer.cancelable = 1;

    ngx_add_timer(&pst->timer, NGX_HTTP_AI_PERSIST_MS);

    return NGX_OK;
}


void
ngx_http_ai_persist_stop(ngx_http_ai_main_conf_t *amcf)
{
    ngx_int_t               rc;
    ngx_http_ai_persist_t  *pst;

    pst = amcf->persist;

    if (pst == NULL || pst->zone == NULL) {
        return;
    }

    if (pst->timer.timer_set) {
        ngx_del_timer(&pst->timer);
    }

    do {
        rc = NGX_OK;

        if (ngx_http_ai_persist_writer(pst)) {
            rc = ngx_http_ai_persist_rest(pst);
        }

        /* the next writer needs the lock of the file */

        ngx_http_ai_persist_close(pst);

    } while (!ngx_http_ai_persist_leave(pst, rc == NGX_ERROR));
}


/* all there is, at once */

static ngx_int_t
ngx_http_ai_persist_rest(ngx_http_ai_persist_t *pst)
{
    ngx_int_t               rc;
    ngx_http_ai_zone_sh_t  *sh;

    sh = pst->zone->sh;

    if (!sh->rewrite && ngx_queue_empty(&sh->dirty)) {
        return NGX_OK;
    }

    if (ngx_http_ai_persist_open(pst) != NGX_OK) {
        return NGX_ERROR;
    }

    do {
        rc = ngx_http_ai_persist_changes(pst);

        if (rc == NGX_OK) {
            rc = ngx_http_ai_persist_anew(pst);
        }
    } while (rc == NGX_AGAIN);

    return rc;
}


/*
 * Who ends and is not the writer leaves its last changes to that one, which
 * may be about to end, too.  0: there is more to do for this worker.
 */

static ngx_uint_t
ngx_http_ai_persist_leave(ngx_http_ai_persist_t *pst, ngx_uint_t failed)
{
    ngx_uint_t              done;
    ngx_http_ai_zone_sh_t  *sh;

    sh = pst->zone->sh;
    done = 1;

    ngx_http_ai_zone_lock(pst->zone);

    if (sh->writer == ngx_pid) {
        done = (failed || !sh->left);

        if (done) {
            sh->writer = 0;
        }

    } else if (sh->writer) {
        sh->left = 1;

    } else {
        /* it has left meanwhile */
        done = 0;
    }

    ngx_http_ai_zone_unlock(pst->zone);

    return done;
}


static void
ngx_http_ai_persist_tick(ngx_event_t *ev)
{
    ngx_int_t               rc;
    ngx_http_ai_persist_t  *pst;

    pst = ev->data;
    rc = NGX_OK;

    if (ngx_http_ai_persist_writer(pst)
        && ngx_http_ai_persist_open(pst) == NGX_OK)
    {
        rc = ngx_http_ai_persist_changes(pst);

        if (rc == NGX_OK) {
            rc = ngx_http_ai_persist_anew(pst);
        }
    }

    ngx_add_timer(ev, rc == NGX_AGAIN ? NGX_HTTP_AI_PERSIST_AGAIN
                                      : NGX_HTTP_AI_PERSIST_MS);
}


/* 1: this worker is the one that writes */

static ngx_uint_t
ngx_http_ai_persist_writer(ngx_http_ai_persist_t *pst)
{
    ngx_uint_t              own;
    ngx_http_ai_zone_sh_t  *sh;

    sh = pst->zone->sh;

    ngx_http_ai_zone_lock(pst->zone);

    if (sh->writer == 0 || ngx_http_ai_zone_gone(sh->writer)) {
        sh->writer = ngx_pid;
    }

    own = (sh->writer == ngx_pid);

    if (own) {
        sh->left = 0;
    }

    ngx_http_ai_zone_unlock(pst->zone);

    return own;
}


/* the lock tells another nginx, which a pid in this one's zone cannot */

static ngx_int_t
ngx_http_ai_persist_open(ngx_http_ai_persist_t *pst)
{
    ngx_file_info_t  fi;

    if (pst->fd != NGX_INVALID_FILE) {
        return NGX_OK;
    }

    pst->fd = ngx_open_file(pst->file.data, O_RDWR|O_APPEND,
                            NGX_FILE_CREATE_OR_OPEN, 0600);

    if (pst->fd == NGX_INVALID_FILE) {
        ngx_http_ai_persist_fail(pst, ngx_open_file_n, &pst->file);
        return NGX_ERROR;
    }

    if (flock(pst->fd, LOCK_EX|LOCK_NB) == -1) {
        ngx_http_ai_persist_fail(pst, "another process writes it: flock()",
                                 &pst->file);
        ngx_http_ai_persist_close(pst);
        return NGX_ERROR;
    }

    if (ngx_fd_info(pst->fd, &fi) == NGX_FILE_ERROR) {
        ngx_http_ai_persist_fail(pst, ngx_fd_info_n, &pst->file);
        ngx_http_ai_persist_close(pst);
        return NGX_ERROR;
    }

    if (fi.st_nlink == 0) {
        /* another process has just written it anew: the next time */
        ngx_http_ai_persist_close(pst);
        return NGX_ERROR;
    }

    pst->size = ngx_file_size(&fi);

    /*
     * Another one's last changes may not be in it, or all of them: it may be
     * of another zone, or its folder may be new.
     */

    pst->zone->sh->rewrite = 1;

    /* ends what may have been torn; an empty line is none */

    if (pst->size) {
        return ngx_http_ai_persist_write(pst, pst->fd, (u_char *) "\n", 1);
    }

    return NGX_OK;
}


static void
ngx_http_ai_persist_close(ngx_http_ai_persist_t *pst)
{
    if (pst->fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(pst->fd);
        pst->fd = NGX_INVALID_FILE;
    }

    if (pst->anew_fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(pst->anew_fd);
        (void) ngx_delete_file(pst->anew.data);
        pst->anew_fd = NGX_INVALID_FILE;
    }
}


/* appends some of what has changed; NGX_AGAIN: there is more */

static ngx_int_t
ngx_http_ai_persist_changes(ngx_http_ai_persist_t *pst)
{
    u_char                 *p;
    ngx_uint_t              n;
    ngx_queue_t            *q;
    ngx_http_ai_purse_t    *purse;
    ngx_http_ai_zone_sh_t  *sh;

    p = pst->buf;
    sh = pst->zone->sh;

    ngx_http_ai_zone_lock(pst->zone);

    for (n = 0; n < NGX_HTTP_AI_PERSIST_BATCH; n++) {

        if (ngx_queue_empty(&sh->dirty)) {
            break;
        }

        q = ngx_queue_head(&sh->dirty);
        ngx_queue_remove(q);

        purse = ngx_queue_data(q, ngx_http_ai_purse_t, dirty);
        purse->queued = 0;

        p = ngx_http_ai_persist_format(p, purse);
    }

    ngx_http_ai_zone_unlock(pst->zone);

    if (p == pst->buf) {
        return NGX_OK;
    }

    if (ngx_http_ai_persist_write(pst, pst->fd, pst->buf, p - pst->buf)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    pst->size += p - pst->buf;

    if (pst->anew_fd != NGX_INVALID_FILE
        && ngx_http_ai_persist_write(pst, pst->anew_fd, pst->buf,
                                     p - pst->buf)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return n == NGX_HTTP_AI_PERSIST_BATCH ? NGX_AGAIN : NGX_OK;
}


/* writes some of the file anew, if it is time for that; NGX_AGAIN: more */

static ngx_int_t
ngx_http_ai_persist_anew(ngx_http_ai_persist_t *pst)
{
    u_char                 *last;
    ngx_file_info_t         fi;
    ngx_http_ai_zone_sh_t  *sh;

    sh = pst->zone->sh;

    if (pst->anew_fd == NGX_INVALID_FILE) {

        if (!sh->rewrite
            && (pst->size < NGX_HTTP_AI_PERSIST_SIZE
                || pst->size / NGX_HTTP_AI_PERSIST_GROWTH < pst->base))
        {
            return NGX_OK;
        }

        pst->anew_fd = ngx_open_file(pst->anew.data, O_RDWR|O_APPEND,
                                     NGX_FILE_TRUNCATE, 0600);

        if (pst->anew_fd == NGX_INVALID_FILE
            || flock(pst->anew_fd, LOCK_EX|LOCK_NB) == -1)
        {
            ngx_http_ai_persist_fail(pst, ngx_open_file_n, &pst->anew);
            return NGX_ERROR;
        }

        pst->bucket = 0;
    }

    ngx_http_ai_zone_lock(pst->zone);
    last = ngx_http_ai_persist_some_locked(pst);
    ngx_http_ai_zone_unlock(pst->zone);

    if (ngx_http_ai_persist_write(pst, pst->anew_fd, pst->buf,
                                  last - pst->buf)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (pst->bucket <= sh->mask) {
        return NGX_AGAIN;
    }

    if (ngx_rename_file(pst->anew.data, pst->file.data) == NGX_FILE_ERROR
        || ngx_fd_info(pst->anew_fd, &fi) == NGX_FILE_ERROR)
    {
        ngx_http_ai_persist_fail(pst, ngx_rename_file_n, &pst->file);
        return NGX_ERROR;
    }

    (void) ngx_close_file(pst->fd);

    pst->fd = pst->anew_fd;
    pst->anew_fd = NGX_INVALID_FILE;
    pst->size = ngx_file_size(&fi);
    pst->base = ngx_max(pst->size, 1);

    sh->rewrite = 0;

    return NGX_OK;
}


/* bucket after bucket, until some purses are together */

static u_char *
ngx_http_ai_persist_some_locked(ngx_http_ai_persist_t *pst)
{
    u_char                 *p;
    ngx_uint_t              n, purses;
    ngx_queue_t            *q, *bucket;
    ngx_http_ai_node_t     *node;
    ngx_http_ai_purse_t    *purse;
    ngx_http_ai_zone_sh_t  *sh;

    p = pst->buf;
    sh = pst->zone->sh;
    purses = 0;

    for (n = 0; n < NGX_HTTP_AI_PERSIST_BUCKETS; n++) {

        if (pst->bucket > sh->mask) {
            break;
        }

        bucket = &sh->buckets[pst->bucket++];

        for (q = ngx_queue_head(bucket);
             q != ngx_queue_sentinel(bucket);
             q = ngx_queue_next(q))
        {
            node = ngx_queue_data(q, ngx_http_ai_node_t, bucket);

            if (node->kind != NGX_HTTP_AI_NODE_PURSE) {
                continue;
            }

            purse = (ngx_http_ai_purse_t *) node;

            if (purses++ < NGX_HTTP_AI_PERSIST_BATCH) {
                p = ngx_http_ai_persist_format(p, purse);

            } else {
                /* no room left for a crowded bucket's: as if it changed */
                ngx_http_ai_purse_queue_locked(pst->zone, purse);
            }
        }

        if (purses >= NGX_HTTP_AI_PERSIST_BATCH / 2) {
            break;
        }
    }

    return p;
}


static u_char *
ngx_http_ai_persist_format(u_char *p, const ngx_http_ai_purse_t *purse)
{
    ngx_uint_t                per;
    ngx_http_ai_state_line_t  line;

    line.kind = purse->owner;
    line.name.data = (u_char *) purse->name;
    line.name.len = ngx_min(purse->len, NGX_HTTP_AI_PERSIST_NAME);

    for (per = 0; per < NGX_HTTP_AI_PURSE_BUDGETS; per++) {

        if (purse->states[per].spent_nanousd == 0) {
            continue;
        }

        line.per = per + 1;
        line.period = purse->states[per].period;
        line.spent_nanousd = purse->states[per].spent_nanousd;

        p = ngx_http_ai_state_format(p, &line);
    }

    return p;
}


static ngx_int_t
ngx_http_ai_persist_write(ngx_http_ai_persist_t *pst, ngx_fd_t fd, u_char *p,
    size_t len)
{
    ssize_t  n;

    if (len == 0) {
        return NGX_OK;
    }

    n = ngx_write_fd(fd, p, len);

    if (n != (ssize_t) len) {

        if (n >= 0) {
            ngx_set_errno(NGX_ENOSPC);
        }

        ngx_http_ai_persist_fail(pst, ngx_write_fd_n, &pst->file);
        return NGX_ERROR;
    }

    pst->wrong = NULL;

    return NGX_OK;
}


/* what was to be written is in the zone still: all of it will be, anew */

static void
ngx_http_ai_persist_fail(ngx_http_ai_persist_t *pst, const char *what,
    ngx_str_t *name)
{
    if (pst->wrong != what) {
        ngx_log_error(NGX_LOG_ERR, pst->timer.log, ngx_errno,
                      "%s \"%V\" failed, budgets would begin anew after a "
                      "restart; trying again", what, name);
        pst->wrong = what;
    }

    pst->zone->sh->rewrite = 1;

    ngx_http_ai_persist_close(pst);
}
