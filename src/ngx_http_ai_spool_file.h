
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The spool's files: their names, who owns them, and what is left of them to
 * replay.
 *
 *     0000019b3c8f21a7.4711.3.log
 *
 * is the time when it was made (milliseconds of Unix time, hexadecimal, so
 * that names sort by age), the process that made it, and its how manieth file
 * it is.  "mem" is a queue's memory: blocks of NGX_HTTP_AI_RESP_BLOCK bytes;
 * "log" is ngx_http_ai_frame_file_t and then frames.  The owner holds an
 * exclusive flock(), which the system takes back when it dies.
 */


#ifndef _NGX_HTTP_AI_SPOOL_FILE_H_INCLUDED_
#define _NGX_HTTP_AI_SPOOL_FILE_H_INCLUDED_


#include "ngx_http_ai_spool.h"


#define NGX_HTTP_AI_SPOOL_NAME  64


typedef enum {
    NGX_HTTP_AI_SPOOL_LOG = 0,
    NGX_HTTP_AI_SPOOL_MEM
} ngx_http_ai_spool_kind_e;


/* fd is NGX_INVALID_FILE: there is none */

typedef struct {
    ngx_fd_t                     fd;
    ngx_http_ai_spool_kind_e     kind;
    off_t                        size;
    u_char                       name[NGX_MAX_PATH];
} ngx_http_ai_spool_file_t;


/* bytes of a file with frames that may wait */

typedef struct {
    off_t                        start;
    off_t                        end;
    uint64_t                     seq;
} ngx_http_ai_spool_range_t;


/*
 * A new file, owned, in the folder; NGX_ERROR: ngx_errno says why.  A log has
 * its head.
 */
ngx_int_t ngx_http_ai_spool_file_create(ngx_http_ai_spool_file_t *file,
    ngx_str_t *folder, ngx_http_ai_spool_kind_e kind);

/*
 * The oldest file that nobody owns, owned from now on; NGX_DONE: there is
 * none.  *total is what the logs of the folder take.
 */
ngx_int_t ngx_http_ai_spool_file_claim(ngx_http_ai_spool_file_t *file,
    ngx_str_t *folder, off_t *total);

/* as claim(), but only *total is wanted */
void ngx_http_ai_spool_file_total(ngx_str_t *folder, off_t *total);

/* when it was, as its name says; Unix time in ms */
int64_t ngx_http_ai_spool_file_made(const ngx_http_ai_spool_file_t *file);

/* gives the file up; remove: and deletes it */
void ngx_http_ai_spool_file_close(ngx_http_ai_spool_file_t *file);
void ngx_http_ai_spool_file_remove(ngx_http_ai_spool_file_t *file);

/*
 * What is to be replayed, the oldest first; *n of them, from malloc().  NULL:
 * the file cannot be read, or there is no memory.
 */
ngx_http_ai_spool_range_t *ngx_http_ai_spool_file_ranges(
    ngx_http_ai_spool_file_t *file, ngx_uint_t *n);

/*
 * Writes down that all before pos is confirmed; range_done: and all of this
 * range.  That this may fail means records twice, hence it returns nothing.
 */
void ngx_http_ai_spool_file_confirm(ngx_http_ai_spool_file_t *file,
    const ngx_http_ai_spool_range_t *range, off_t pos, ngx_uint_t range_done);


#endif /* _NGX_HTTP_AI_SPOOL_FILE_H_INCLUDED_ */
