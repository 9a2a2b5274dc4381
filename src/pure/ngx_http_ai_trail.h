
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The whole trail of one request in few bytes, for the ring of recent ones:
 * its usage record, its tries, and the candidates that were left out; before
 * them a head by which most of those that nobody looks for are told apart
 * without unpacking them.
 *
 * A set of fields is a bit for each that is there, and then their values:
 * integers by seven bits, strings with their length before them.
 */


#ifndef _NGX_HTTP_AI_TRAIL_H_INCLUDED_
#define _NGX_HTTP_AI_TRAIL_H_INCLUDED_


#include "ngx_http_ai_base.h"
#include "ngx_http_ai_record.h"


/* the largest packed one; what does not fit of the lists is left out */
#define NGX_HTTP_AI_TRAIL_PACKED  8192

/* longer strings are cut at a whole character; the record's trail at 512 */
#define NGX_HTTP_AI_TRAIL_WORD    255


typedef enum {
    NGX_HTTP_AI_TRAIL_TRY = 1,
    NGX_HTTP_AI_TRAIL_LEFT
} ngx_http_ai_trail_item_e;


/* integers are NGX_HTTP_AI_RECORD_ABSENT and strings empty, if not known */

typedef struct {
    ngx_str_t    account;
    ngx_str_t    provider;
    ngx_str_t    model;             /* sent upstream */
    int64_t      status;
    ngx_str_t    verdict;
    int64_t      start_ms;          /* after the request's begin */
    int64_t      elapsed_ms;
    ngx_str_t    why;               /* it was chosen */
    int64_t      fault;             /* 0 | 1 */
    int64_t      input_tokens;
    int64_t      output_tokens;
    int64_t      cost_nanousd;
} ngx_http_ai_trail_try_t;

typedef struct {
    ngx_str_t    account;
    ngx_str_t    model;
    ngx_str_t    reason;
    ngx_str_t    cause;
    int64_t      back_ms;           /* Unix time */
} ngx_http_ai_trail_left_t;

typedef union {
    ngx_http_ai_trail_try_t   try;
    ngx_http_ai_trail_left_t  left;
} ngx_http_ai_trail_item_t;


#define NGX_HTTP_AI_TRAIL_TRY_FIELDS   12
#define NGX_HTTP_AI_TRAIL_LEFT_FIELDS  5

extern const ngx_http_ai_record_field_t
    ngx_http_ai_trail_try_fields[NGX_HTTP_AI_TRAIL_TRY_FIELDS];
extern const ngx_http_ai_record_field_t
    ngx_http_ai_trail_left_fields[NGX_HTTP_AI_TRAIL_LEFT_FIELDS];


/* of the strings that are looked for, hashes; 0: empty */

typedef struct {
    int64_t      ts_ms;
    uint32_t     event_id;
    uint32_t     request_id;
    uint32_t     key;
    uint32_t     team;
    uint32_t     requested;
    uint32_t     served;
    uint32_t     outcome;
    uint32_t     fallback;
    uint32_t     accounts;          /* a bit each */
    uint32_t     none;
} ngx_http_ai_trail_head_t;


typedef struct {
    u_char                   *start;
    u_char                   *pos;
    u_char                   *end;
    ngx_http_ai_trail_head_t  head;
} ngx_http_ai_trail_pack_t;

/*
 * buf is of NGX_HTTP_AI_TRAIL_PACKED bytes, in which every record fits.  Of the
 * event_id what stands before "/" is kept.
 */
void ngx_http_ai_trail_begin(ngx_http_ai_trail_pack_t *pack, u_char *buf,
    const ngx_http_ai_record_t *rec);
void ngx_http_ai_trail_add_try(ngx_http_ai_trail_pack_t *pack,
    const ngx_http_ai_trail_try_t *try);
void ngx_http_ai_trail_add_left(ngx_http_ai_trail_pack_t *pack,
    const ngx_http_ai_trail_left_t *left);

/* bytes of the packed one */
size_t ngx_http_ai_trail_end(ngx_http_ai_trail_pack_t *pack);


typedef struct {
    u_char       *pos;
    u_char       *end;
} ngx_http_ai_trail_reader_t;

/*
 * Of any bytes: strings point into them.  NGX_ERROR: that is no packed trail.
 */
ngx_int_t ngx_http_ai_trail_open(ngx_http_ai_trail_reader_t *reader,
    const ngx_str_t *packed, ngx_http_ai_record_t *rec);

/* ngx_http_ai_trail_item_e; NGX_DONE: there are no more; NGX_ERROR */
ngx_int_t ngx_http_ai_trail_next(ngx_http_ai_trail_reader_t *reader,
    ngx_http_ai_trail_item_t *item);


/* what is looked for; empty strings: whatever it is */

typedef struct {
    ngx_str_t    event_id;          /* this one ... */
    ngx_str_t    request_id;        /* ... or that one */
    ngx_str_t    key;
    ngx_str_t    team;
    ngx_str_t    model;             /* asked for or served */
    ngx_str_t    account;           /* any that was tried */
    ngx_str_t    outcome;
    ngx_str_t    fallback;          /* "any": all but "none" */
    int64_t      since_ms;

    ngx_http_ai_trail_head_t  head; /* made of these */
    uint32_t     no_fallback;
} ngx_http_ai_trail_filter_t;

/* completes a filter whose words are set, and cuts them as packing does */
void ngx_http_ai_trail_filter(ngx_http_ai_trail_filter_t *filter);

/* 0: it is none of those, as the head tells */
ngx_uint_t ngx_http_ai_trail_maybe(const ngx_http_ai_trail_filter_t *filter,
    const ngx_str_t *packed);

/* of one that may be, unpacked: 1: it is */
ngx_uint_t ngx_http_ai_trail_matches(const ngx_http_ai_trail_filter_t *filter,
    const ngx_str_t *packed, const ngx_http_ai_record_t *rec);

/* Unix time of its begin, by the head alone */
int64_t ngx_http_ai_trail_ts(const u_char *head);


#endif /* _NGX_HTTP_AI_TRAIL_H_INCLUDED_ */
