
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_watch.h"

#include <grp.h>
#include <pwd.h>


#define NGX_HTTP_AI_WATCH_PERIOD  1000     /* ms, and up to as much again */
#define NGX_HTTP_AI_WATCH_RACE    2        /* s in which a file may change
                                              without looking different */
#define NGX_HTTP_AI_WATCH_GROUPS  64


/* one per worker */

typedef struct {
    ngx_event_t                  timer;
    ngx_array_t                 *watches;    /* of ngx_http_ai_watch_t * */
    u_char                      *buf;        /* the largest file's max + 1 */
    size_t                       size;
    ngx_uint_t                   starting;   /* unsigned  starting:1; nobody
                                                is served yet */
} ngx_http_ai_watcher_t;


/* whose permissions count */

typedef struct {
    uid_t                        uid;
    gid_t                        groups[NGX_HTTP_AI_WATCH_GROUPS];
    int                          ngroups;
    const char                  *name;
} ngx_http_ai_watch_user_t;


static void ngx_http_ai_watch_timer(ngx_event_t *ev);
static void ngx_http_ai_watch_stop(void *data);
static void ngx_http_ai_watch_check(ngx_http_ai_watch_t *w,
    ngx_http_ai_watcher_t *watcher, ngx_log_t *log);
static void ngx_http_ai_watch_warn(ngx_conf_t *cf, ngx_http_ai_watch_t *w);
static ngx_int_t ngx_http_ai_watch_user(ngx_conf_t *cf,
    ngx_http_ai_watch_user_t *user);
static ngx_uint_t ngx_http_ai_watch_may(ngx_http_ai_watch_user_t *user,
    char *path, mode_t bit);


static const char  ngx_http_ai_watch_gone[] = "cannot be found";
static const char  ngx_http_ai_watch_irregular[] = "is not a regular file";
static const char  ngx_http_ai_watch_large[] = "is too large";


ngx_http_ai_watch_e
ngx_http_ai_watch_read(u_char *path, u_char *buf, size_t max, size_t *len,
    ngx_http_ai_watch_look_t *look, ngx_log_t *log)
{
    ssize_t              n;
    ngx_fd_t             fd;
    ngx_err_t            err;
    ngx_file_info_t      fi;
    ngx_http_ai_watch_e  rc;

    ngx_memzero(look, sizeof(ngx_http_ai_watch_look_t));

    /* not blocking: a fifo without a writer must not hang "nginx -t" */

    fd = ngx_open_file(path, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        return NGX_HTTP_AI_WATCH_OPEN;
    }

    err = 0;
    rc = NGX_HTTP_AI_WATCH_LARGE;

    /* before the reading: what is written meanwhile shows as a change */

    if (ngx_fd_info(fd, &fi) != NGX_FILE_ERROR) {
        ngx_http_ai_watch_look(look, &fi);
    }

    for (*len = 0; *len <= max; *len += n) {

        n = ngx_read_fd(fd, buf + *len, max + 1 - *len);

        if (n == 0) {
            rc = NGX_HTTP_AI_WATCH_OK;
            break;
        }

        if (n == -1) {
            err = ngx_errno;
            rc = NGX_HTTP_AI_WATCH_READ;
            break;
        }
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_CRIT, log, ngx_errno,
                      ngx_close_file_n " \"%s\" failed", path);
    }

    ngx_set_errno(err);

    return rc;
}


void
ngx_http_ai_watch_look(ngx_http_ai_watch_look_t *look, ngx_file_info_t *fi)
{
    /* it may be compared as bytes */
    ngx_memzero(look, sizeof(ngx_http_ai_watch_look_t));

    look->mtime = ngx_file_mtime(fi);
    look->ctime = fi->st_ctime;
    look->ctime_ns = fi->st_ctim.tv_nsec;
    look->size = ngx_file_size(fi);
    look->uniq = ngx_file_uniq(fi);
}


ngx_int_t
ngx_http_ai_watch_add(ngx_conf_t *cf, const ngx_http_ai_watch_t *from)
{
    ngx_http_ai_watch_t      *w, **wp;
    ngx_http_ai_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_ai_route_module);

    if (amcf->watches == NULL) {
        amcf->watches = ngx_array_create(cf->pool, 4,
                                         sizeof(ngx_http_ai_watch_t *));
        if (amcf->watches == NULL) {
            return NGX_ERROR;
        }
    }

    wp = ngx_array_push(amcf->watches);
    w = ngx_palloc(cf->pool, sizeof(ngx_http_ai_watch_t));

    if (wp == NULL || w == NULL) {
        return NGX_ERROR;
    }

    *wp = w;
    *w = *from;

    ngx_http_ai_watch_warn(cf, w);

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_watch_start(ngx_cycle_t *cycle, ngx_http_ai_main_conf_t *amcf)
{
    ngx_uint_t               i;
    ngx_pool_cleanup_t      *cln;
    ngx_http_ai_watch_t    **w;
    ngx_http_ai_watcher_t   *watcher;

    if (amcf->watches == NULL) {
        return NGX_OK;
    }

    watcher = ngx_pcalloc(cycle->pool, sizeof(ngx_http_ai_watcher_t));
    if (watcher == NULL) {
        return NGX_ERROR;
    }

    w = amcf->watches->elts;

    for (i = 0; i < amcf->watches->nelts; i++) {

        if (w[i]->owner == NULL) {
            watcher->size = ngx_max(watcher->size, w[i]->max + 1);
            continue;
        }

        if (ngx_http_ai_watch_slice_init(w[i], cycle) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    watcher->buf = ngx_palloc(cycle->pool, watcher->size);
    cln = ngx_pool_cleanup_add(cycle->pool, 0);

    if (watcher->buf == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_ai_watch_stop;
    cln->data = watcher;

    watcher->watches = amcf->watches;
    watcher->timer.handler = ngx_http_ai_watch_timer;
    watcher->timer.data = watcher;
    watcher->timer.log = cycle->log;
    watcher->timer.cancelable = 1;

    /*
     * At once: a worker that takes the place of a dead one begins with what
     * the master read, perhaps long ago.
     */

    watcher->starting = 1;
    ngx_http_ai_watch_timer(&watcher->timer);
    watcher->starting = 0;

    return NGX_OK;
}


static void
ngx_http_ai_watch_timer(ngx_event_t *ev)
{
    ngx_http_ai_watcher_t  *watcher = ev->data;

    ngx_uint_t             i;
    ngx_http_ai_watch_t  **w;

    w = watcher->watches->elts;

    for (i = 0; i < watcher->watches->nelts; i++) {
        ngx_http_ai_watch_check(w[i], watcher, ev->log);
    }

    /* not all workers in the same moment */

    ngx_add_timer(ev, NGX_HTTP_AI_WATCH_PERIOD
                      + ngx_random() % NGX_HTTP_AI_WATCH_PERIOD);
}


static void
ngx_http_ai_watch_stop(void *data)
{
    ngx_http_ai_watcher_t  *watcher = data;

    ngx_uint_t             i;
    ngx_http_ai_watch_t  **w;

    if (watcher->timer.timer_set) {
        ngx_del_timer(&watcher->timer);
    }

    w = watcher->watches->elts;

    for (i = 0; i < watcher->watches->nelts; i++) {
        if (w[i]->slice) {
            ngx_http_ai_watch_slice_stop(w[i]);
        }
    }
}


/*
 * Times of files have a coarse grain, on some systems that of a second: a file
 * that changed just before it was read may have changed right after it, too,
 * with the same size.  So a young file is read again until it is older than
 * that.  And so is one that could not be read: a folder's mended permissions
 * do not show.
 */

static void
ngx_http_ai_watch_check(ngx_http_ai_watch_t *w,
    ngx_http_ai_watcher_t *watcher, ngx_log_t *log)
{
    size_t                       len;
    ngx_uint_t                   news;
    const char                  *wrong;
    ngx_file_info_t              fi;
    ngx_http_ai_watch_look_t     look;
    ngx_http_ai_watch_answer_e   answer;

    if (ngx_file_info(w->path.data, &fi) == NGX_FILE_ERROR) {
        ngx_http_ai_watch_refuse(w, ngx_http_ai_watch_gone, ngx_errno, 0, log);
        return;
    }

    ngx_http_ai_watch_look(&look, &fi);

    news = ngx_memcmp(&look, &w->look, sizeof(ngx_http_ai_watch_look_t)) != 0;

    if (!news && (w->wrong == NULL || w->judged)
        && ngx_time() - look.ctime > NGX_HTTP_AI_WATCH_RACE)
    {
        return;
    }

    w->look = look;
    w->judged = 0;

    if (!ngx_is_file(&fi)) {
        ngx_http_ai_watch_refuse(w, ngx_http_ai_watch_irregular, 0, news, log);
        return;
    }

    if (w->owner) {
        ngx_http_ai_watch_slice_start(w, news, watcher->starting && news, log);
        return;
    }

    switch (ngx_http_ai_watch_read(w->path.data, watcher->buf, w->max, &len,
                                   &look, log))
    {
    case NGX_HTTP_AI_WATCH_OPEN:
        ngx_http_ai_watch_refuse(w, "cannot be opened", ngx_errno, news, log);
        return;

    case NGX_HTTP_AI_WATCH_READ:
        ngx_http_ai_watch_refuse(w, "cannot be read", ngx_errno, news, log);
        goto done;

    case NGX_HTTP_AI_WATCH_LARGE:
        ngx_http_ai_watch_refuse(w, ngx_http_ai_watch_large, 0, news, log);
        goto done;

    default: /* NGX_HTTP_AI_WATCH_OK */
        break;
    }

    w->look = look;

    wrong = "is not valid";
    answer = w->handler(w->data, watcher->buf, len, &wrong);

    if (answer == NGX_HTTP_AI_WATCH_REFUSED) {
        ngx_http_ai_watch_refuse(w, wrong, 0, news, log);
        w->judged = 1;
        goto done;
    }

    if (answer == NGX_HTTP_AI_WATCH_CHANGED) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "%V was read again from \"%V\"", &w->what, &w->path);

    } else if (w->wrong) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "\"%V\" holds %V again", &w->path, &w->what);
    }

    w->wrong = NULL;

done:

    ngx_explicit_memzero(watcher->buf, watcher->size);
}


/* "news": the file looks different from when it was refused the last time */

void
ngx_http_ai_watch_refuse(ngx_http_ai_watch_t *w, const char *wrong,
    ngx_err_t err, ngx_uint_t news, ngx_log_t *log)
{
    if (wrong == w->wrong && !news) {
        return;
    }

    w->wrong = wrong;

    ngx_log_error(NGX_LOG_ERR, log, err, "%V stays as it was, \"%V\" %s",
                  &w->what, &w->path, wrong);
}


/*
 * The master reads the file as root, the workers as somebody else.  What
 * modes, owners and groups tell is enough for a warning; access lists are not
 * looked at.
 */

static void
ngx_http_ai_watch_warn(ngx_conf_t *cf, ngx_http_ai_watch_t *w)
{
    char                      *real, *p;
    ngx_uint_t                 may;
    ngx_http_ai_watch_user_t   user;

    if (ngx_http_ai_watch_user(cf, &user) != NGX_OK) {
        return;
    }

    real = realpath((char *) w->path.data, NULL);
    if (real == NULL) {
        return;
    }

    may = ngx_http_ai_watch_may(&user, real, S_IROTH);

    for (p = strrchr(real, '/'); may && p && p != real; p = strrchr(real, '/'))
    {
        *p = '\0';
        may = ngx_http_ai_watch_may(&user, real, S_IXOTH);
    }

    free(real);

    if (!may) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%V\" is not readable by user \"%s\" of the "
                           "workers, it will be read at start and at a reload "
                           "only, mend its or its folders' permissions",
                           &w->path, user.name);
    }
}


/* NGX_DECLINED: it may read everything, or nobody knows */

static ngx_int_t
ngx_http_ai_watch_user(ngx_conf_t *cf, ngx_http_ai_watch_user_t *user)
{
    gid_t             gid;
    struct group     *gr;
    struct passwd    *pw;
    ngx_core_conf_t  *ccf;

    if (geteuid() != 0) {
        /* the workers are what we are, and we have just read it */
        return NGX_DECLINED;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                           ngx_core_module);

    /* without "user" the core sets its default only after http {} */

    user->name = ccf->username ? ccf->username : NGX_USER;

    pw = getpwnam(user->name);
    if (pw == NULL || pw->pw_uid == 0) {
        return NGX_DECLINED;
    }

    user->uid = pw->pw_uid;
    gid = pw->pw_gid;

    if (ccf->username) {
        gid = ccf->group;

    } else {
        gr = getgrnam(NGX_GROUP);
        gid = gr ? gr->gr_gid : gid;
    }

    user->ngroups = NGX_HTTP_AI_WATCH_GROUPS;

    return getgrouplist(user->name, gid, user->groups, &user->ngroups) == -1
           ? NGX_DECLINED : NGX_OK;
}


/* "bit" is that of the others */

static ngx_uint_t
ngx_http_ai_watch_may(ngx_http_ai_watch_user_t *user, char *path, mode_t bit)
{
    int          i;
    struct stat  st;

    if (stat(path, &st) == -1) {
        return 0;
    }

    if (st.st_uid == user->uid) {
        return (st.st_mode & (bit << 6)) != 0;
    }

    for (i = 0; i < user->ngroups; i++) {
        if (st.st_gid == user->groups[i]) {
            return (st.st_mode & (bit << 3)) != 0;
        }
    }

    return (st.st_mode & bit) != 0;
}
