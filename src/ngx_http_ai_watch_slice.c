
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Large files: a hundred thousand keys are some 30 MB and take a good part of
 * a second, in which a worker must not stand still.  So it reads for two
 * milliseconds, serves whoever came meanwhile, and goes on.  A file that
 * changes while it is read is begun anew.
 */


#include "ngx_http_ai_watch.h"


#define NGX_HTTP_AI_WATCH_PIECE  16384    /* bytes between looks at the clock */
#define NGX_HTTP_AI_WATCH_SLICE  2000     /* us */
#define NGX_HTTP_AI_WATCH_PAUSE  1        /* ms */


struct ngx_http_ai_watch_slice_s {
    ngx_event_t                 timer;
    ngx_http_ai_watch_t        *watch;
    ngx_fd_t                    fd;       /* NGX_INVALID_FILE: not reading */
    ngx_http_ai_watch_look_t    look;
    off_t                       offset;
    u_char                     *buf;

    const char                 *wrong;
    ngx_err_t                   err;
    unsigned                    judged:1; /* wrong is the content */
    unsigned                    news:1;

    ngx_uint_t                  slices;
    int64_t                     longest;  /* us */
};


static ngx_int_t ngx_http_ai_watch_slice_open(ngx_http_ai_watch_slice_t *s,
    ngx_log_t *log);
static ngx_int_t ngx_http_ai_watch_slice_read(ngx_http_ai_watch_slice_t *s);
static ngx_int_t ngx_http_ai_watch_slice_piece(ngx_http_ai_watch_slice_t *s);
static ngx_int_t ngx_http_ai_watch_slice_fail(ngx_http_ai_watch_slice_t *s,
    const char *wrong, ngx_err_t err);
static void ngx_http_ai_watch_slice_timer(ngx_event_t *ev);
static ngx_uint_t ngx_http_ai_watch_slice_stale(ngx_http_ai_watch_slice_t *s);
static void ngx_http_ai_watch_slice_end(ngx_http_ai_watch_slice_t *s,
    ngx_log_t *log);
static void ngx_http_ai_watch_slice_failed(ngx_http_ai_watch_slice_t *s,
    ngx_log_t *log);
static void ngx_http_ai_watch_slice_close(ngx_http_ai_watch_slice_t *s,
    ngx_log_t *log);
static int64_t ngx_http_ai_watch_slice_now(void);


ngx_int_t
ngx_http_ai_watch_slice_init(ngx_http_ai_watch_t *w, ngx_cycle_t *cycle)
{
    ngx_http_ai_watch_slice_t  *s;

    s = ngx_pcalloc(cycle->pool, sizeof(ngx_http_ai_watch_slice_t));
    if (s == NULL) {
        return NGX_ERROR;
    }

    s->buf = ngx_palloc(cycle->pool, NGX_HTTP_AI_WATCH_PIECE);
    if (s->buf == NULL) {
        return NGX_ERROR;
    }

    s->watch = w;
    s->fd = NGX_INVALID_FILE;
    s->timer.handler = ngx_http_ai_watch_slice_timer;
    s->timer.data = s;
    s->timer.log = cycle->log;
    s->timer.cancelable = 1;

    w->slice = s;

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_watch_read_large(u_char *path,
    const ngx_http_ai_watch_owner_t *owner, void *data, size_t max,
    ngx_http_ai_watch_look_t *look, const char **wrong, ngx_log_t *log)
{
    u_char                      buf[NGX_HTTP_AI_WATCH_PIECE];
    ngx_int_t                   rc;
    ngx_http_ai_watch_t         w;
    ngx_http_ai_watch_slice_t   s;

    ngx_memzero(&w, sizeof(ngx_http_ai_watch_t));
    ngx_memzero(&s, sizeof(ngx_http_ai_watch_slice_t));

    w.path.data = path;
    w.owner = owner;
    w.data = data;
    w.max = max;
    s.watch = &w;
    s.buf = buf;

    rc = ngx_http_ai_watch_slice_open(&s, log);

    while (rc == NGX_OK) {
        rc = ngx_http_ai_watch_slice_piece(&s);
    }

    if (rc == NGX_DONE
        && owner->end(data, &s.wrong) == NGX_HTTP_AI_WATCH_REFUSED)
    {
        owner->abandon(data);
        rc = NGX_ERROR;
    }

    *look = s.look;
    *wrong = s.wrong;

    ngx_http_ai_watch_slice_close(&s, log);

    ngx_set_errno(s.err);

    return rc == NGX_DONE ? NGX_OK : NGX_ERROR;
}


void
ngx_http_ai_watch_slice_start(ngx_http_ai_watch_t *w, ngx_uint_t news,
    ngx_uint_t whole, ngx_log_t *log)
{
    ngx_int_t                   rc;
    ngx_http_ai_watch_slice_t  *s;

    s = w->slice;

    if (s->fd != NGX_INVALID_FILE) {
        /* it notices by itself that the file has changed */
        return;
    }

    s->news = news;

    if (ngx_http_ai_watch_slice_open(s, log) != NGX_OK) {
        ngx_http_ai_watch_slice_failed(s, log);
        return;
    }

    if (!whole) {
        ngx_add_timer(&s->timer, 1);
        return;
    }

    do {
        rc = ngx_http_ai_watch_slice_read(s);
    } while (rc == NGX_OK);

    if (rc == NGX_DONE) {
        ngx_http_ai_watch_slice_end(s, log);

    } else {
        ngx_http_ai_watch_slice_failed(s, log);
    }
}


void
ngx_http_ai_watch_slice_stop(ngx_http_ai_watch_t *w)
{
    ngx_http_ai_watch_slice_t  *s;

    s = w->slice;

    if (s->timer.timer_set) {
        ngx_del_timer(&s->timer);
    }

    if (s->fd != NGX_INVALID_FILE) {
        w->owner->abandon(w->data);
        ngx_http_ai_watch_slice_close(s, s->timer.log);
    }
}


/* NGX_ERROR: it was not begun, so there is nothing to abandon */

static ngx_int_t
ngx_http_ai_watch_slice_open(ngx_http_ai_watch_slice_t *s, ngx_log_t *log)
{
    ngx_file_info_t       fi;
    ngx_http_ai_watch_t  *w;

    w = s->watch;

    s->offset = 0;
    s->slices = 0;
    s->longest = 0;
    s->wrong = NULL;
    s->err = 0;
    s->judged = 0;

    /* not blocking: a fifo without a writer must not hang "nginx -t" */

    s->fd = ngx_open_file(w->path.data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                          NGX_FILE_OPEN, 0);

    if (s->fd == NGX_INVALID_FILE) {
        return ngx_http_ai_watch_slice_fail(s, "cannot be opened", ngx_errno);
    }

    if (ngx_fd_info(s->fd, &fi) == NGX_FILE_ERROR) {
        (void) ngx_http_ai_watch_slice_fail(s, "cannot be read", ngx_errno);

    } else if (!ngx_is_file(&fi)) {
        (void) ngx_http_ai_watch_slice_fail(s, "is not a regular file",
                                            NGX_EINVAL);

    } else if (ngx_file_size(&fi) > (off_t) w->max) {
        (void) ngx_http_ai_watch_slice_fail(s, "is too large", 0);

    } else if (w->owner->begin(w->data) != NGX_OK) {
        (void) ngx_http_ai_watch_slice_fail(s, "cannot be read", NGX_ENOMEM);
    }

    if (s->wrong) {
        ngx_http_ai_watch_slice_close(s, log);
        return NGX_ERROR;
    }

    ngx_http_ai_watch_look(&s->look, &fi);

    /* it may be another one than that which was looked at just before */

    if (ngx_memcmp(&s->look, &w->look, sizeof(ngx_http_ai_watch_look_t)) != 0)
    {
        s->news = 1;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_watch_slice_fail(ngx_http_ai_watch_slice_t *s, const char *wrong,
    ngx_err_t err)
{
    s->wrong = wrong;
    s->err = err;

    return NGX_ERROR;
}


/*
 * NGX_OK: go on; NGX_DONE: the file's end; NGX_ERROR: it cannot be read or is
 * refused, and the owner has forgotten what was fed.
 */

static ngx_int_t
ngx_http_ai_watch_slice_piece(ngx_http_ai_watch_slice_t *s)
{
    ssize_t               n;
    ngx_http_ai_watch_t  *w;

    w = s->watch;

    n = ngx_read_fd(s->fd, s->buf, NGX_HTTP_AI_WATCH_PIECE);

    if (n == 0) {
        return NGX_DONE;
    }

    if (n == -1) {
        (void) ngx_http_ai_watch_slice_fail(s, "cannot be read", ngx_errno);
        goto failed;
    }

    s->offset += n;

    if (s->offset > (off_t) w->max) {
        (void) ngx_http_ai_watch_slice_fail(s, "is too large", 0);
        goto failed;
    }

    if (w->owner->feed(w->data, s->buf, n, &s->wrong) == NGX_OK) {
        return NGX_OK;
    }

    s->judged = 1;

failed:

    w->owner->abandon(w->data);

    return NGX_ERROR;
}


/* one slice: pieces until its time is over */

static ngx_int_t
ngx_http_ai_watch_slice_read(ngx_http_ai_watch_slice_t *s)
{
    int64_t    start, took;
    ngx_int_t  rc;

    start = ngx_http_ai_watch_slice_now();

    do {
        rc = ngx_http_ai_watch_slice_piece(s);
        took = ngx_http_ai_watch_slice_now() - start;
    } while (rc == NGX_OK && took < NGX_HTTP_AI_WATCH_SLICE);

    s->slices++;
    s->longest = ngx_max(s->longest, took);

    return rc;
}


static void
ngx_http_ai_watch_slice_timer(ngx_event_t *ev)
{
    ngx_http_ai_watch_slice_t *s = ev->data;

    if (ngx_http_ai_watch_slice_stale(s)) {

        /* the next look at it begins anew */

        ngx_memzero(&s->watch->look, sizeof(ngx_http_ai_watch_look_t));
        ngx_http_ai_watch_slice_stop(s->watch);
        return;
    }

    switch (ngx_http_ai_watch_slice_read(s)) {

    case NGX_OK:
        ngx_add_timer(ev, NGX_HTTP_AI_WATCH_PAUSE);
        return;

    case NGX_DONE:

        /* what was written during the last slice is seen in the next turn */

        if (ngx_http_ai_watch_slice_stale(s)) {
            ngx_add_timer(ev, NGX_HTTP_AI_WATCH_PAUSE);
            return;
        }

        ngx_http_ai_watch_slice_end(s, ev->log);
        return;

    default: /* NGX_ERROR */
        ngx_http_ai_watch_slice_failed(s, ev->log);
    }
}


/* it has been written to or replaced since it was opened */

static ngx_uint_t
ngx_http_ai_watch_slice_stale(ngx_http_ai_watch_slice_t *s)
{
    ngx_file_info_t            fi;
    ngx_http_ai_watch_look_t   look;

    if (ngx_file_info(s->watch->path.data, &fi) == NGX_FILE_ERROR) {
        return 1;
    }

    ngx_http_ai_watch_look(&look, &fi);

    return ngx_memcmp(&look, &s->look, sizeof(ngx_http_ai_watch_look_t)) != 0;
}


static void
ngx_http_ai_watch_slice_end(ngx_http_ai_watch_slice_t *s, ngx_log_t *log)
{
    ngx_http_ai_watch_t         *w;
    ngx_http_ai_watch_answer_e   answer;

    w = s->watch;

    answer = w->owner->end(w->data, &s->wrong);

    if (answer == NGX_HTTP_AI_WATCH_REFUSED) {
        w->owner->abandon(w->data);
        s->judged = 1;
        ngx_http_ai_watch_slice_failed(s, log);
        return;
    }

    ngx_http_ai_watch_slice_close(s, log);

    w->look = s->look;

    if (answer == NGX_HTTP_AI_WATCH_CHANGED) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "%V was read again from \"%V\", %O bytes in %ui slices "
                      "of at most %L us", &w->what, &w->path, s->offset,
                      s->slices, s->longest);

    } else if (w->wrong) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0, "\"%V\" holds %V again",
                      &w->path, &w->what);
    }

    w->wrong = NULL;
}


/* half of a file that somebody writes just now is not worth a word */

static void
ngx_http_ai_watch_slice_failed(ngx_http_ai_watch_slice_t *s, ngx_log_t *log)
{
    ngx_http_ai_watch_t  *w;

    w = s->watch;

    ngx_http_ai_watch_slice_close(s, log);

    if (s->judged) {

        if (ngx_http_ai_watch_slice_stale(s)) {
            ngx_memzero(&w->look, sizeof(ngx_http_ai_watch_look_t));
            return;
        }

        w->look = s->look;
        w->judged = 1;
    }

    ngx_http_ai_watch_refuse(w, s->wrong, s->err, s->news, log);
}


static void
ngx_http_ai_watch_slice_close(ngx_http_ai_watch_slice_t *s, ngx_log_t *log)
{
    if (s->fd != NGX_INVALID_FILE && ngx_close_file(s->fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_CRIT, log, ngx_errno,
                      ngx_close_file_n " \"%s\" failed", s->watch->path.data);
    }

    s->fd = NGX_INVALID_FILE;

    ngx_explicit_memzero(s->buf, NGX_HTTP_AI_WATCH_PIECE);
}


/* nginx's own clock stands still while an event is handled */

static int64_t
ngx_http_ai_watch_slice_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}
