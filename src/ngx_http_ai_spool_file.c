
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_spool_file.h"

#include <sys/file.h>


#define NGX_HTTP_AI_SPOOL_LIST   4096   /* files looked at at once */
#define NGX_HTTP_AI_SPOOL_YOUNG  1000   /* ms; its maker may not own it yet */
#define NGX_HTTP_AI_SPOOL_TRIES  8


typedef struct {
    u_char                       name[NGX_HTTP_AI_SPOOL_NAME];
} ngx_http_ai_spool_entry_t;


typedef struct {
    ngx_http_ai_spool_entry_t   *entries;
    ngx_uint_t                   n;
    ngx_uint_t                   size;
    off_t                        total;
} ngx_http_ai_spool_list_t;


static void ngx_http_ai_spool_file_list(ngx_http_ai_spool_list_t *list,
    ngx_str_t *folder);
static ngx_int_t ngx_http_ai_spool_file_add(ngx_http_ai_spool_list_t *list,
    u_char *name, size_t len);
static ngx_int_t ngx_http_ai_spool_file_known(u_char *name, size_t len,
    ngx_http_ai_spool_kind_e *kind);
static uint64_t ngx_http_ai_spool_file_time(const u_char *name);
static uint64_t ngx_http_ai_spool_file_now(void);
static int ngx_libc_cdecl ngx_http_ai_spool_file_older(const void *one,
    const void *two);
static ngx_int_t ngx_http_ai_spool_file_take(ngx_http_ai_spool_file_t *file,
    ngx_str_t *folder, u_char *name);
static ngx_http_ai_spool_range_t *ngx_http_ai_spool_file_blocks(
    ngx_http_ai_spool_file_t *file, ngx_uint_t *n);
static int ngx_libc_cdecl ngx_http_ai_spool_file_sooner(const void *one,
    const void *two);


static const ngx_str_t  ngx_http_ai_spool_kinds[] = {
    ngx_string(".log"),
    ngx_string(".mem")
};


ngx_int_t
ngx_http_ai_spool_file_create(ngx_http_ai_spool_file_t *file,
    ngx_str_t *folder, ngx_http_ai_spool_kind_e kind)
{
    u_char                    *last;
    ngx_err_t                  err;
    ngx_uint_t                 i;
    ngx_http_ai_frame_file_t   head;

    static ngx_uint_t  number;      /* of this process's files */

    err = 0;
    file->kind = kind;
    file->size = 0;

    for (i = 0; i < NGX_HTTP_AI_SPOOL_TRIES; i++) {

        last = ngx_snprintf(file->name, NGX_MAX_PATH - 1, "%V/%016xL.%P.%ui%V",
                            folder, (int64_t) ngx_http_ai_spool_file_now(),
                            ngx_pid, ++number, &ngx_http_ai_spool_kinds[kind]);
        *last = '\0';

        file->fd = ngx_open_file(file->name, O_RDWR|O_EXCL, O_CREAT, 0600);

        if (file->fd != NGX_INVALID_FILE) {

            if (flock(file->fd, LOCK_EX|LOCK_NB) == 0) {
                break;
            }

            /* somebody looks at it this moment: let it be, with another */

            err = ngx_errno;
            ngx_http_ai_spool_file_remove(file);
            continue;
        }

        err = ngx_errno;

        if (err != NGX_EEXIST) {
            break;
        }
    }

    if (file->fd == NGX_INVALID_FILE) {
        ngx_set_errno(err);
        return NGX_ERROR;
    }

    if (kind == NGX_HTTP_AI_SPOOL_MEM) {
        return NGX_OK;
    }

    head.magic = NGX_HTTP_AI_FRAME_FILE;
    head.done = sizeof(ngx_http_ai_frame_file_t);
    head.check = ~head.done;

    if (ngx_write_fd(file->fd, &head, sizeof(head)) != sizeof(head)) {
        err = ngx_errno ? ngx_errno : NGX_ENOSPC;
        ngx_http_ai_spool_file_remove(file);
        ngx_set_errno(err);
        return NGX_ERROR;
    }

    file->size = sizeof(head);

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_spool_file_claim(ngx_http_ai_spool_file_t *file,
    ngx_str_t *folder, off_t *total)
{
    int64_t                   age;
    ngx_int_t                 rc;
    ngx_uint_t                i;
    ngx_http_ai_spool_list_t  list;

    rc = NGX_DONE;

    ngx_http_ai_spool_file_list(&list, folder);

    if (list.n) {
        ngx_qsort(list.entries, list.n, sizeof(ngx_http_ai_spool_entry_t),
                  ngx_http_ai_spool_file_older);
    }

    for (i = 0; i < list.n; i++) {

        age = (int64_t) (ngx_http_ai_spool_file_now()
                         - ngx_http_ai_spool_file_time(list.entries[i].name));

        /* of the future: the clock was set back */

        if (age >= 0 && age < NGX_HTTP_AI_SPOOL_YOUNG) {
            continue;
        }

        if (ngx_http_ai_spool_file_take(file, folder, list.entries[i].name)
            == NGX_OK)
        {
            rc = NGX_OK;
            break;
        }
    }

    *total = list.total;

    ngx_free(list.entries);

    return rc;
}


void
ngx_http_ai_spool_file_total(ngx_str_t *folder, off_t *total)
{
    ngx_http_ai_spool_list_t  list;

    ngx_http_ai_spool_file_list(&list, folder);

    *total = list.total;

    ngx_free(list.entries);
}


static void
ngx_http_ai_spool_file_list(ngx_http_ai_spool_list_t *list, ngx_str_t *folder)
{
    u_char                    path[NGX_MAX_PATH];
    ngx_dir_t                 dir;
    ngx_file_info_t           fi;
    ngx_http_ai_spool_kind_e  kind;

    ngx_memzero(list, sizeof(ngx_http_ai_spool_list_t));

    /* who writes there says what is wrong with the folder */

    if (ngx_open_dir(folder, &dir) == NGX_ERROR) {
        return;
    }

    while (ngx_read_dir(&dir) == NGX_OK) {

        if (ngx_http_ai_spool_file_known(ngx_de_name(&dir),
                                         ngx_de_namelen(&dir), &kind)
            != NGX_OK)
        {
            continue;
        }

        if (ngx_http_ai_spool_file_add(list, ngx_de_name(&dir),
                                       ngx_de_namelen(&dir))
            != NGX_OK)
        {
            break;
        }

        if (kind != NGX_HTTP_AI_SPOOL_LOG) {
            continue;
        }

        *ngx_snprintf(path, NGX_MAX_PATH - 1, "%V/%s", folder,
                      ngx_de_name(&dir)) = '\0';

        if (ngx_file_info(path, &fi) != NGX_FILE_ERROR) {
            list->total += ngx_file_size(&fi);
        }
    }

    (void) ngx_close_dir(&dir);
}


static ngx_int_t
ngx_http_ai_spool_file_add(ngx_http_ai_spool_list_t *list, u_char *name,
    size_t len)
{
    ngx_uint_t                  size;
    ngx_http_ai_spool_entry_t  *entries;

    if (list->n == list->size) {
        size = list->size ? list->size * 2 : 64;

        if (size > NGX_HTTP_AI_SPOOL_LIST) {
            return NGX_DECLINED;
        }

        entries = realloc(list->entries,
                          size * sizeof(ngx_http_ai_spool_entry_t));
        if (entries == NULL) {
            return NGX_ERROR;
        }

        list->entries = entries;
        list->size = size;
    }

    (void) ngx_cpystrn(list->entries[list->n++].name, name, len + 1);

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_spool_file_known(u_char *name, size_t len,
    ngx_http_ai_spool_kind_e *kind)
{
    ngx_uint_t        i;
    const ngx_str_t  *ext;

    if (len < sizeof("0000000000000000.1.1.log") - 1
        || len >= NGX_HTTP_AI_SPOOL_NAME || name[16] != '.')
    {
        return NGX_DECLINED;
    }

    for (i = 0; i < 16; i++) {
        if (!((name[i] >= '0' && name[i] <= '9')
              || (name[i] >= 'a' && name[i] <= 'f')))
        {
            return NGX_DECLINED;
        }
    }

    for (i = NGX_HTTP_AI_SPOOL_LOG; i <= NGX_HTTP_AI_SPOOL_MEM; i++) {
        ext = &ngx_http_ai_spool_kinds[i];

        if (ngx_memcmp(name + len - ext->len, ext->data, ext->len) == 0) {
            *kind = (ngx_http_ai_spool_kind_e) i;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static uint64_t
ngx_http_ai_spool_file_time(const u_char *name)
{
    uint64_t    ms;
    ngx_uint_t  i;

    for (ms = 0, i = 0; i < 16; i++) {
        ms = (ms << 4) | (name[i] <= '9' ? name[i] - '0' : name[i] - 'a' + 10);
    }

    return ms;
}


int64_t
ngx_http_ai_spool_file_made(const ngx_http_ai_spool_file_t *file)
{
    const char  *slash;

    slash = strrchr((const char *) file->name, '/');

    return (int64_t) ngx_http_ai_spool_file_time((const u_char *) slash + 1);
}


static uint64_t
ngx_http_ai_spool_file_now(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (uint64_t) tp->sec * 1000 + tp->msec;
}


static int ngx_libc_cdecl
ngx_http_ai_spool_file_older(const void *one, const void *two)
{
    return ngx_strcmp(((const ngx_http_ai_spool_entry_t *) one)->name,
                      ((const ngx_http_ai_spool_entry_t *) two)->name);
}


/* of two that try at the same time one gets it; it may be gone since */

static ngx_int_t
ngx_http_ai_spool_file_take(ngx_http_ai_spool_file_t *file, ngx_str_t *folder,
    u_char *name)
{
    ngx_file_info_t  fi;

    if (ngx_http_ai_spool_file_known(name, ngx_strlen(name), &file->kind)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    *ngx_snprintf(file->name, NGX_MAX_PATH - 1, "%V/%s", folder, name) = '\0';

    file->fd = ngx_open_file(file->name, NGX_FILE_RDWR, NGX_FILE_OPEN, 0);

    if (file->fd == NGX_INVALID_FILE) {
        return NGX_DECLINED;
    }

    if (flock(file->fd, LOCK_EX|LOCK_NB) == -1
        || ngx_fd_info(file->fd, &fi) == NGX_FILE_ERROR
        || fi.st_nlink == 0)
    {
        ngx_http_ai_spool_file_close(file);
        return NGX_DECLINED;
    }

    file->size = ngx_file_size(&fi);

    return NGX_OK;
}


void
ngx_http_ai_spool_file_close(ngx_http_ai_spool_file_t *file)
{
    if (file->fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(file->fd);
        file->fd = NGX_INVALID_FILE;
    }
}


void
ngx_http_ai_spool_file_remove(ngx_http_ai_spool_file_t *file)
{
    if (file->fd != NGX_INVALID_FILE) {
        (void) ngx_delete_file(file->name);
        ngx_http_ai_spool_file_close(file);
    }
}


ngx_http_ai_spool_range_t *
ngx_http_ai_spool_file_ranges(ngx_http_ai_spool_file_t *file, ngx_uint_t *n)
{
    ngx_http_ai_frame_file_t    head;
    ngx_http_ai_spool_range_t  *range;

    if (file->kind == NGX_HTTP_AI_SPOOL_MEM) {
        return ngx_http_ai_spool_file_blocks(file, n);
    }

    ngx_memzero(&head, sizeof(ngx_http_ai_frame_file_t));

    if (pread(file->fd, &head, sizeof(head), 0) == -1) {
        return NULL;
    }

    range = malloc(sizeof(ngx_http_ai_spool_range_t));

    if (range == NULL) {
        return NULL;
    }

    range->start = (off_t) ngx_http_ai_frame_done(&head, file->size);
    range->end = file->size;
    range->seq = 0;

    *n = (range->start < range->end);

    return range;
}


static ngx_http_ai_spool_range_t *
ngx_http_ai_spool_file_blocks(ngx_http_ai_spool_file_t *file, ngx_uint_t *n)
{
    off_t                       pos;
    size_t                      used;
    ngx_uint_t                  i, nblocks;
    ngx_http_ai_frame_block_t   head;
    ngx_http_ai_spool_range_t  *ranges, *range;

    *n = 0;
    nblocks = file->size / NGX_HTTP_AI_RESP_BLOCK;

    ranges = malloc((nblocks + 1) * sizeof(ngx_http_ai_spool_range_t));

    if (ranges == NULL) {
        return NULL;
    }

    for (i = 0; i < nblocks; i++) {
        pos = (off_t) i * NGX_HTTP_AI_RESP_BLOCK;

        if (pread(file->fd, &head, sizeof(head), pos) != sizeof(head)) {
            free(ranges);
            return NULL;
        }

        used = ngx_http_ai_frame_used(&head, NGX_HTTP_AI_RESP_BLOCK);

        if (used == 0) {
            continue;
        }

        range = &ranges[(*n)++];
        range->start = pos + sizeof(ngx_http_ai_frame_block_t);
        range->end = range->start + used;
        range->seq = head.seq;
    }

    ngx_qsort(ranges, *n, sizeof(ngx_http_ai_spool_range_t),
              ngx_http_ai_spool_file_sooner);

    return ranges;
}


static int ngx_libc_cdecl
ngx_http_ai_spool_file_sooner(const void *one, const void *two)
{
    const ngx_http_ai_spool_range_t  *a = one;
    const ngx_http_ai_spool_range_t  *b = two;

    return (a->seq > b->seq) - (a->seq < b->seq);
}


void
ngx_http_ai_spool_file_confirm(ngx_http_ai_spool_file_t *file,
    const ngx_http_ai_spool_range_t *range, off_t pos, ngx_uint_t range_done)
{
    ngx_http_ai_frame_file_t   head;
    ngx_http_ai_frame_block_t  block;

    if (file->kind == NGX_HTTP_AI_SPOOL_LOG) {
        head.magic = NGX_HTTP_AI_FRAME_FILE;
        head.done = (uint64_t) pos;
        head.check = ~head.done;

        (void) !pwrite(file->fd, &head, sizeof(head), 0);
        return;
    }

    if (!range_done) {
        return;
    }

    block.magic = NGX_HTTP_AI_FRAME_FREE;

    (void) !pwrite(file->fd, &block.magic, sizeof(block.magic),
                   range->start - (off_t) sizeof(ngx_http_ai_frame_block_t));
}
