
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Files that are read again when they change: every worker looks every one to
 * two seconds, so that a change is in force in all of them within five,
 * without a reload.
 *
 * What is in force stays until something better was accepted: a file that is
 * gone, unreadable, too large or refused by its owner is logged, once per
 * change.  Regular files of a few kilobytes are read in one go, which nginx
 * does of its own accord for every static file; large ones in slices, between
 * which the worker serves requests.  A pipe is never opened.
 */


#ifndef _NGX_HTTP_AI_WATCH_H_INCLUDED_
#define _NGX_HTTP_AI_WATCH_H_INCLUDED_


#include "ngx_http_ai_conf.h"


typedef enum {
    NGX_HTTP_AI_WATCH_OK = 0,
    NGX_HTTP_AI_WATCH_OPEN,            /* cannot be opened, see ngx_errno */
    NGX_HTTP_AI_WATCH_READ,            /* cannot be read, see ngx_errno */
    NGX_HTTP_AI_WATCH_LARGE
} ngx_http_ai_watch_e;


/* the file's content as the owner of the watch judges it */

typedef enum {
    NGX_HTTP_AI_WATCH_CHANGED = 0,     /* accepted, in force now */
    NGX_HTTP_AI_WATCH_SAME,            /* what is in force already */
    NGX_HTTP_AI_WATCH_REFUSED
} ngx_http_ai_watch_answer_e;


/*
 * "content" is the caller's and gone afterwards; *wrong says why it was
 * refused: a constant, a predicate whose subject is the file, such as "is
 * empty", and never a part of the content.  Runs between events, hence may
 * replace whatever no request points to.
 */
typedef ngx_http_ai_watch_answer_e (*ngx_http_ai_watch_pt)(void *data,
    u_char *content, size_t len, const char **wrong);


/*
 * How the owner takes a large file, piece by piece: after begin() either
 * end() accepts what was fed, or abandon() forgets it.  *wrong is as above,
 * but may be a text of the owner's that lives as long as "data".
 */
typedef struct {
    ngx_int_t                  (*begin)(void *data);
    ngx_int_t                  (*feed)(void *data, u_char *p, size_t n,
                                       const char **wrong);
    ngx_http_ai_watch_answer_e (*end)(void *data, const char **wrong);
    void                       (*abandon)(void *data);
} ngx_http_ai_watch_owner_t;


/* how the file looked when it was read */

typedef struct {
    time_t                       mtime;
    time_t                       ctime;      /* of the last change, whatever
                                                mtime was set to */
    long                         ctime_ns;
    off_t                        size;
    ngx_file_uniq_t              uniq;
} ngx_http_ai_watch_look_t;


typedef struct ngx_http_ai_watch_slice_s  ngx_http_ai_watch_slice_t;


typedef struct {
    ngx_str_t                    path;       /* zero-terminated */
    ngx_str_t                    what;       /* for messages: "the credential
                                                of account ..." */
    size_t                       max;        /* bytes */
    ngx_http_ai_watch_pt         handler;    /* of a small file, */
    const ngx_http_ai_watch_owner_t  *owner; /* or, if there is one, of a
                                                large one */
    void                        *data;

    ngx_http_ai_watch_look_t     look;
    const char                  *wrong;      /* what was logged last; NULL:
                                                the file is in force */
    unsigned                     judged:1;   /* the content is what is wrong */

    ngx_http_ai_watch_slice_t   *slice;      /* of a large file, per worker */
} ngx_http_ai_watch_t;


/*
 * Reads all of a file into buf, which has room for max + 1 bytes; *look is set
 * whenever the file could be opened.  Used at start as well.
 */
ngx_http_ai_watch_e ngx_http_ai_watch_read(u_char *path, u_char *buf,
    size_t max, size_t *len, ngx_http_ai_watch_look_t *look, ngx_log_t *log);

/*
 * The same for a large file, all at once: at start, when nobody waits.
 * NGX_ERROR: *wrong says why, ngx_errno is of the call that failed or 0.
 */
ngx_int_t ngx_http_ai_watch_read_large(u_char *path,
    const ngx_http_ai_watch_owner_t *owner, void *data, size_t max,
    ngx_http_ai_watch_look_t *look, const char **wrong, ngx_log_t *log);

/*
 * Has the file looked at from now on; the caller has read it already and sets
 * path, what, max, handler or owner, data and look, the rest being zero.
 * Warns if the workers' user will not be able to read it.
 */
ngx_int_t ngx_http_ai_watch_add(ngx_conf_t *cf,
    const ngx_http_ai_watch_t *from);

/* in a worker; ends with the cycle's pool */
ngx_int_t ngx_http_ai_watch_start(ngx_cycle_t *cycle,
    ngx_http_ai_main_conf_t *amcf);



/* what the two files of this room have in common */

void ngx_http_ai_watch_look(ngx_http_ai_watch_look_t *look,
    ngx_file_info_t *fi);
void ngx_http_ai_watch_refuse(ngx_http_ai_watch_t *w, const char *wrong,
    ngx_err_t err, ngx_uint_t news, ngx_log_t *log);

/* memory for a large file's slices in this worker */
ngx_int_t ngx_http_ai_watch_slice_init(ngx_http_ai_watch_t *w,
    ngx_cycle_t *cycle);

/*
 * Begins to read; "whole": at once, in a worker that serves nobody yet.
 * Whatever comes of it is logged.
 */
void ngx_http_ai_watch_slice_start(ngx_http_ai_watch_t *w, ngx_uint_t news,
    ngx_uint_t whole, ngx_log_t *log);

/* abandons what is being read */
void ngx_http_ai_watch_slice_stop(ngx_http_ai_watch_t *w);


#endif /* _NGX_HTTP_AI_WATCH_H_INCLUDED_ */
