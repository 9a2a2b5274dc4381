
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * One usage record: its fields, and its two encodings, a RESP command
 * "XADD stream [MAXLEN ~ n] * field value ..." and a line of JSON.
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


/* sets every integer to ABSENT and every string to empty */
void ngx_http_ai_record_init(ngx_http_ai_record_t *rec);

/*
 * Both return the number of bytes written, or 0 if they do not fit in size.
 * NGX_HTTP_AI_RECORD_MAX bytes plus the stream's name always suffice for RESP,
 * NGX_HTTP_AI_RECORD_JSON_MAX for JSON, where one byte may become six.
 *
 * maxlen 0: no trimming.  Invalid UTF-8 in values becomes U+FFFD in JSON and
 * stays as it is in RESP (bytes are safe there).  The line of JSON ends with
 * a newline; integers are numbers there and decimal strings in RESP.
 */
#define NGX_HTTP_AI_RECORD_MAX       16384
#define NGX_HTTP_AI_RECORD_JSON_MAX  69632

size_t ngx_http_ai_record_xadd(const ngx_http_ai_record_t *rec,
    const ngx_str_t *stream, uint64_t maxlen, u_char *buf, size_t size);
size_t ngx_http_ai_record_json(const ngx_http_ai_record_t *rec, u_char *buf,
    size_t size);


#endif /* _NGX_HTTP_AI_RECORD_H_INCLUDED_ */
