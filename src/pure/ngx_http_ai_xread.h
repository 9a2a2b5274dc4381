
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * XREAD of one Redis stream: the command, and its reply as it comes, string by
 * string:
 *
 *     [ [ key, [ [ id, [ name, value, name, value ... ] ], ... ] ] ]
 *
 * Whoever may write to the stream may have put anything there.  An entry that
 * is not as it should be is counted and passed over; nothing grows.
 */


#ifndef _NGX_HTTP_AI_XREAD_H_INCLUDED_
#define _NGX_HTTP_AI_XREAD_H_INCLUDED_


#include "ngx_http_ai_base.h"


#define NGX_HTTP_AI_XREAD_FIELDS   4       /* wanted of an entry, at most */
#define NGX_HTTP_AI_XREAD_VALUE    256     /* bytes of a wanted value */
#define NGX_HTTP_AI_XREAD_DEPTH    5       /* arrays that a value is in */
#define NGX_HTTP_AI_XREAD_ID       41      /* bytes: "ms-seq" */

/* besides the key */
#define NGX_HTTP_AI_XREAD_COMMAND  192


/* an entry's id; 0-0 is before all of them */

typedef struct {
    uint64_t                   ms;          /* Unix time, as Redis has it */
    uint64_t                   seq;
} ngx_http_ai_xread_id_t;


/* values as wanted, empty for what an entry does not have */

typedef void (*ngx_http_ai_xread_pt)(void *data, const ngx_str_t *values);


typedef struct {
    const ngx_str_t           *names;       /* of the fields that are wanted */
    ngx_uint_t                 n;
    ngx_http_ai_xread_pt       handler;     /* for each good entry, in order */
    void                      *data;

    ngx_http_ai_xread_id_t     last;        /* of the last entry that is over,
                                               good or not */
    ngx_uint_t                 entries;     /* that are over */
    ngx_uint_t                 malformed;   /* of these */

    /* the entry that is being read */

    ngx_http_ai_xread_id_t     id;
    ngx_str_t                  values[NGX_HTTP_AI_XREAD_FIELDS];
    u_char                     room[NGX_HTTP_AI_XREAD_FIELDS]
                                   [NGX_HTTP_AI_XREAD_VALUE];
    ngx_uint_t                 field;       /* whose value comes next; n: of
                                               one that is not wanted */
    unsigned                   open:1;      /* there is one */
    unsigned                   bad:1;       /* it is malformed */
} ngx_http_ai_xread_t;


/* names and what they point to must stay; at most FIELDS of them */
void ngx_http_ai_xread_init(ngx_http_ai_xread_t *x, const ngx_str_t *names,
    ngx_uint_t n, ngx_http_ai_xread_pt handler, void *data);

/*
 * "XREAD COUNT count BLOCK block_ms STREAMS key last"; 0: no room.  COMMAND
 * bytes and the key's suffice.
 */
size_t ngx_http_ai_xread_command(const ngx_http_ai_xread_t *x,
    const ngx_str_t *key, ngx_uint_t count, ngx_uint_t block_ms, u_char *buf,
    size_t size);

/* a reply begins: the next entry must be one after "from" */
void ngx_http_ai_xread_begin(ngx_http_ai_xread_t *x,
    const ngx_http_ai_xread_id_t *from);

/* a string of it: its place in each of "depth" arrays, the outermost first */
void ngx_http_ai_xread_text(ngx_http_ai_xread_t *x, const ngx_uint_t *at,
    ngx_uint_t depth, const ngx_str_t *text);

/* the reply is complete, or what is left of its open entry is not wanted;
   NGX_DECLINED: there was no entry in it */
ngx_int_t ngx_http_ai_xread_end(ngx_http_ai_xread_t *x);
void ngx_http_ai_xread_skip(ngx_http_ai_xread_t *x);

/* an id's two numbers; NGX_DECLINED: it is none */
ngx_int_t ngx_http_ai_xread_parse_id(const ngx_str_t *text,
    ngx_http_ai_xread_id_t *id);

/* the other way round; dst has XREAD_ID bytes */
u_char *ngx_http_ai_xread_print_id(u_char *dst,
    const ngx_http_ai_xread_id_t *id);


#endif /* _NGX_HTTP_AI_XREAD_H_INCLUDED_ */
