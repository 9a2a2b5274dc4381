
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * One usage record, or one of the audit or a pin: its fields, and its two
 * encodings, a RESP command "XADD stream [MAXLEN|MINID ~ n] * field value ..."
 * and a line of JSON.
 *
 * The field names are a contract (docs/usage-stream.md): flat, decimal
 * strings, no prompt, never a key.  Absent values are left out: an empty
 * string field and an integer of NGX_HTTP_AI_RECORD_ABSENT are not written.
 */


#ifndef _NGX_HTTP_AI_RECORD_H_INCLUDED_
#define _NGX_HTTP_AI_RECORD_H_INCLUDED_


#include "ngx_http_ai_base.h"


#define NGX_HTTP_AI_RECORD_ABSENT  INT64_MIN
#define NGX_HTTP_AI_RECORD_VALUE   512      /* longest string value, bytes;
                                               longer ones are cut at a whole
                                               UTF-8 character */


typedef struct {
    ngx_str_t    event_id;          /* 32 hex digits "/" number */
    ngx_str_t    kind;              /* request | attempt */
    ngx_str_t    request_id;
    int64_t      ts_ms;             /* when the request came, Unix time */
    ngx_str_t    key_id;
    ngx_str_t    app;
    ngx_str_t    team;
    ngx_str_t    env;
    ngx_str_t    ai_class;          /* written as "class" */
    ngx_str_t    endpoint;
    int64_t      stream;            /* 0 | 1 */
    ngx_str_t    model_requested;
    ngx_str_t    model_served;
    ngx_str_t    route;
    ngx_str_t    account;
    ngx_str_t    provider;
    int64_t      status;
    ngx_str_t    outcome;
    ngx_str_t    error_class;
    int64_t      attempt;
    int64_t      attempts;
    ngx_str_t    fallback;
    ngx_str_t    trail;
    int64_t      input_tokens;
    int64_t      output_tokens;
    int64_t      cache_read_tokens;
    int64_t      cache_write_tokens;
    int64_t      reasoning_tokens;
    ngx_str_t    usage_source;
    int64_t      cost_nanousd;
    ngx_str_t    cost_owner;
    int64_t      latency_ms;
    int64_t      ttft_ms;
    int64_t      queue_ms;
    ngx_str_t    trace_id;
    int64_t      drill;             /* 0 | 1 */
} ngx_http_ai_record_t;


/* what an operator did, or was not let */

typedef struct {
    ngx_str_t    event_id;          /* 32 hex digits */
    ngx_str_t    kind;              /* audit */
    int64_t      ts_ms;             /* when it was asked for, Unix time */
    ngx_str_t    action;
    ngx_str_t    object;            /* account | class | fault */
    ngx_str_t    account;
    ngx_str_t    model;
    ngx_str_t    endpoint;
    ngx_str_t    stream;            /* as it was asked for */
    ngx_str_t    ai_class;          /* written as "class" */
    ngx_str_t    fault_id;
    ngx_str_t    result;            /* ok | denied | refused | failed */
    int64_t      status;
    ngx_str_t    remote_addr;
    ngx_str_t    request_id;
} ngx_http_ai_record_audit_t;


/* which account has what a client may name again */

typedef struct {
    ngx_str_t    kind;              /* pin */
    ngx_str_t    id;                /* what stands for it in the zone */
    ngx_str_t    account;
} ngx_http_ai_record_pin_t;


/* which fields a record has: of the types above */

typedef struct ngx_http_ai_record_form_s  ngx_http_ai_record_form_t;

extern const ngx_http_ai_record_form_t  ngx_http_ai_record_usage;
extern const ngx_http_ai_record_form_t  ngx_http_ai_record_audit;
extern const ngx_http_ai_record_form_t  ngx_http_ai_record_pin;


/*
 * The fields by name, for who does the same to each of them.  encoded is the
 * name as RESP has it; a flag is an integer, 0 or 1.
 */

typedef enum {
    ngx_http_ai_record_str = 0,
    ngx_http_ai_record_int,
    ngx_http_ai_record_flag
} ngx_http_ai_record_kind_e;

typedef struct {
    ngx_str_t                    name;
    ngx_str_t                    encoded;
    ngx_http_ai_record_kind_e    kind;
    size_t                       offset;
} ngx_http_ai_record_field_t;

#define NGX_HTTP_AI_RECORD_FIELDS  36

extern const ngx_http_ai_record_field_t
    ngx_http_ai_record_fields[NGX_HTTP_AI_RECORD_FIELDS];

/* rec: of the struct that the field belongs to */

#define ngx_http_ai_record_get_str(rec, field)                                \
    ((const ngx_str_t *) (const void *)                                       \
         ((const u_char *) (rec) + (field)->offset))

#define ngx_http_ai_record_get_int(rec, field)                                \
    (*(const int64_t *) (const void *)                                        \
         ((const u_char *) (rec) + (field)->offset))


/* sets every integer to ABSENT and every string to empty */
void ngx_http_ai_record_init(ngx_http_ai_record_t *rec);
void ngx_http_ai_record_audit_init(ngx_http_ai_record_audit_t *rec);

/*
 * Both return the number of bytes written, or 0 if they do not fit in size.
 * NGX_HTTP_AI_RECORD_MAX bytes plus the stream's name always suffice for RESP,
 * NGX_HTTP_AI_RECORD_JSON_MAX for JSON, where one byte may become six.
 *
 * Invalid UTF-8 in values becomes U+FFFD in JSON and
 * stays as it is in RESP (bytes are safe there).  The line of JSON ends with
 * a newline; integers are numbers there and decimal strings in RESP.
 */
#define NGX_HTTP_AI_RECORD_MAX       16384
#define NGX_HTTP_AI_RECORD_JSON_MAX  69632


/* what Redis removes from the stream; both 0: nothing */

typedef struct {
    uint64_t     maxlen;            /* all but the newest so many entries */
    uint64_t     minid_ms;          /* entries older than this Unix time, for
                                       an entry's id begins with one; only
                                       without maxlen */
} ngx_http_ai_record_trim_t;


size_t ngx_http_ai_record_xadd(const ngx_http_ai_record_t *rec,
    const ngx_str_t *stream, const ngx_http_ai_record_trim_t *trim,
    u_char *buf, size_t size);
size_t ngx_http_ai_record_json(const ngx_http_ai_record_t *rec, u_char *buf,
    size_t size);

/* the same of a record of any form */
size_t ngx_http_ai_record_form_xadd(const ngx_http_ai_record_form_t *form,
    const void *rec, const ngx_str_t *stream,
    const ngx_http_ai_record_trim_t *trim, u_char *buf, size_t size);
size_t ngx_http_ai_record_form_json(const ngx_http_ai_record_form_t *form,
    const void *rec, u_char *buf, size_t size);

/*
 * An audit record in words for a log: name="value", escaped as in JSON, what
 * it is about only.  Strings are cut at 128 bytes, and what does not fit in
 * size is left out.  The end of it.
 */
u_char *ngx_http_ai_record_audit_text(const ngx_http_ai_record_audit_t *rec,
    u_char *buf, size_t size);

/*
 * An XADD taken apart and put together anew, for another stream or another
 * limit.  pairs are the names and values as they stand in the command, nargs
 * of them; NGX_DECLINED: it is no XADD with an id of "*".
 */
ngx_int_t ngx_http_ai_record_pairs(const ngx_str_t *cmd, ngx_str_t *pairs,
    ngx_uint_t *nargs);
size_t ngx_http_ai_record_again(const ngx_str_t *pairs, ngx_uint_t nargs,
    const ngx_str_t *stream, const ngx_http_ai_record_trim_t *trim,
    u_char *buf, size_t size);

/* the value of a name among them, such as "event_id"; empty: none */
void ngx_http_ai_record_find(const ngx_str_t *pairs, ngx_uint_t nargs,
    const ngx_str_t *name, ngx_str_t *value);

/*
 * Which of n streams a record goes to: a request and its attempts, whose
 * event_id is the same up to "/", to the same one.
 */
ngx_uint_t ngx_http_ai_record_shard(const ngx_str_t *event_id, ngx_uint_t n);


#endif /* _NGX_HTTP_AI_RECORD_H_INCLUDED_ */
