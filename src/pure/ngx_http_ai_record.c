
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_record.h"
#include "ngx_http_ai_json.h"
#include "ngx_http_ai_resp.h"


#define NGX_HTTP_AI_RECORD_VERSION  1


typedef enum {
    ngx_http_ai_record_str = 0,
    ngx_http_ai_record_int
} ngx_http_ai_record_kind_e;


typedef struct {
    ngx_str_t                    name;
    ngx_str_t                    encoded;   /* the name as RESP has it */
    ngx_http_ai_record_kind_e    kind;
    size_t                       offset;
} ngx_http_ai_record_field_t;


/* len: that of the name, as a plain number, for RESP puts it into the text */

#define ngx_http_ai_record_field(len, name, kind, member)                     \
    { ngx_string(name), ngx_string("$" #len "\r\n" name "\r\n"),              \
      ngx_http_ai_record_##kind, offsetof(ngx_http_ai_record_t, member) }

#define ngx_http_ai_record_encoded(resp, s, nargs)                            \
    ngx_http_ai_resp_encoded(resp, (const u_char *) s, sizeof(s) - 1, nargs)

#define ngx_http_ai_record_get_str(rec, field)                                \
    ((const ngx_str_t *) (const void *)                                       \
         ((const u_char *) (rec) + (field)->offset))

#define ngx_http_ai_record_get_int(rec, field)                                \
    (*(const int64_t *) (const void *)                                        \
         ((const u_char *) (rec) + (field)->offset))


static ngx_uint_t ngx_http_ai_record_present(const ngx_http_ai_record_t *rec,
    const ngx_http_ai_record_field_t *field);
static size_t ngx_http_ai_record_cut(const ngx_str_t *value);
static u_char *ngx_http_ai_record_json_field(u_char *p, u_char *end,
    const ngx_http_ai_record_t *rec, const ngx_http_ai_record_field_t *field);


/* names and order are a contract; "v" comes before them */

static const ngx_http_ai_record_field_t  ngx_http_ai_record_fields[] = {

    ngx_http_ai_record_field(8, "event_id", str, event_id),
    ngx_http_ai_record_field(4, "kind", str, kind),
    ngx_http_ai_record_field(10, "request_id", str, request_id),
    ngx_http_ai_record_field(5, "ts_ms", int, ts_ms),
    ngx_http_ai_record_field(6, "key_id", str, key_id),
    ngx_http_ai_record_field(3, "app", str, app),
    ngx_http_ai_record_field(4, "team", str, team),
    ngx_http_ai_record_field(3, "env", str, env),
    ngx_http_ai_record_field(5, "class", str, ai_class),
    ngx_http_ai_record_field(8, "endpoint", str, endpoint),
    ngx_http_ai_record_field(6, "stream", int, stream),
    ngx_http_ai_record_field(15, "model_requested", str, model_requested),
    ngx_http_ai_record_field(12, "model_served", str, model_served),
    ngx_http_ai_record_field(5, "route", str, route),
    ngx_http_ai_record_field(7, "account", str, account),
    ngx_http_ai_record_field(8, "provider", str, provider),
    ngx_http_ai_record_field(6, "status", int, status),
    ngx_http_ai_record_field(7, "outcome", str, outcome),
    ngx_http_ai_record_field(11, "error_class", str, error_class),
    ngx_http_ai_record_field(7, "attempt", int, attempt),
    ngx_http_ai_record_field(8, "attempts", int, attempts),
    ngx_http_ai_record_field(8, "fallback", str, fallback),
    ngx_http_ai_record_field(5, "trail", str, trail),
    ngx_http_ai_record_field(12, "input_tokens", int, input_tokens),
    ngx_http_ai_record_field(13, "output_tokens", int, output_tokens),
    ngx_http_ai_record_field(17, "cache_read_tokens", int, cache_read_tokens),
    ngx_http_ai_record_field(18, "cache_write_tokens", int, cache_write_tokens),
    ngx_http_ai_record_field(16, "reasoning_tokens", int, reasoning_tokens),
    ngx_http_ai_record_field(12, "usage_source", str, usage_source),
    ngx_http_ai_record_field(12, "cost_nanousd", int, cost_nanousd),
    ngx_http_ai_record_field(10, "cost_owner", str, cost_owner),
    ngx_http_ai_record_field(10, "latency_ms", int, latency_ms),
    ngx_http_ai_record_field(7, "ttft_ms", int, ttft_ms),
    ngx_http_ai_record_field(8, "queue_ms", int, queue_ms),
    ngx_http_ai_record_field(8, "trace_id", str, trace_id),
    ngx_http_ai_record_field(5, "drill", int, drill)
};

#define NGX_HTTP_AI_RECORD_NFIELDS                                            \
    (sizeof(ngx_http_ai_record_fields) / sizeof(ngx_http_ai_record_fields[0]))


void
ngx_http_ai_record_init(ngx_http_ai_record_t *rec)
{
    ngx_uint_t                         i;
    const ngx_http_ai_record_field_t  *field;

    ngx_memzero(rec, sizeof(ngx_http_ai_record_t));

    for (i = 0; i < NGX_HTTP_AI_RECORD_NFIELDS; i++) {
        field = &ngx_http_ai_record_fields[i];

        if (field->kind == ngx_http_ai_record_int) {
            *(int64_t *) (void *) ((u_char *) rec + field->offset) =
                                                     NGX_HTTP_AI_RECORD_ABSENT;
        }
    }
}


/*
 * RESP announces the number of arguments first, so the present fields are
 * counted before they are written: cheaper than moving the bytes afterwards.
 */

size_t
ngx_http_ai_record_xadd(const ngx_http_ai_record_t *rec,
    const ngx_str_t *stream, uint64_t maxlen, u_char *buf, size_t size)
{
    uint64_t                           present;
    ngx_uint_t                         i, n;
    const ngx_str_t                   *value;
    ngx_http_ai_resp_t                 resp;
    const ngx_http_ai_record_field_t  *field;

    n = 1;
    present = 0;

    for (i = 0; i < NGX_HTTP_AI_RECORD_NFIELDS; i++) {
        if (ngx_http_ai_record_present(rec, &ngx_http_ai_record_fields[i])) {
            present |= (uint64_t) 1 << i;
            n++;
        }
    }

    ngx_http_ai_resp_init(&resp, buf, size);
    ngx_http_ai_resp_command(&resp, (maxlen ? 6 : 3) + 2 * n);

    ngx_http_ai_record_encoded(&resp, "$4\r\nXADD\r\n", 1);
    ngx_http_ai_resp_bulk(&resp, stream->data, stream->len);

    if (maxlen) {
        ngx_http_ai_record_encoded(&resp, "$6\r\nMAXLEN\r\n$1\r\n~\r\n", 2);
        ngx_http_ai_resp_uint(&resp, maxlen);
    }

    ngx_http_ai_record_encoded(&resp, "$1\r\n*\r\n$1\r\nv\r\n", 2);
    ngx_http_ai_resp_int(&resp, NGX_HTTP_AI_RECORD_VERSION);

    for (field = ngx_http_ai_record_fields; present; field++, present >>= 1) {

        if ((present & 1) == 0) {
            continue;
        }

        ngx_http_ai_resp_encoded(&resp, field->encoded.data,
                                 field->encoded.len, 1);

        if (field->kind == ngx_http_ai_record_int) {
            ngx_http_ai_resp_int(&resp,
                                 ngx_http_ai_record_get_int(rec, field));
            continue;
        }

        value = ngx_http_ai_record_get_str(rec, field);
        ngx_http_ai_resp_bulk(&resp, value->data,
                              ngx_http_ai_record_cut(value));
    }

    return ngx_http_ai_resp_end(&resp);
}


size_t
ngx_http_ai_record_json(const ngx_http_ai_record_t *rec, u_char *buf,
    size_t size)
{
    u_char      *p, *end;
    ngx_uint_t   i;

    if (size < sizeof("{\"v\":1") - 1) {
        return 0;
    }

    end = buf + size;
    p = ngx_cpymem(buf, "{\"v\":", sizeof("{\"v\":") - 1);
    *p++ = '0' + NGX_HTTP_AI_RECORD_VERSION;

    for (i = 0; i < NGX_HTTP_AI_RECORD_NFIELDS; i++) {

        if (!ngx_http_ai_record_present(rec, &ngx_http_ai_record_fields[i])) {
            continue;
        }

        p = ngx_http_ai_record_json_field(p, end, rec,
                                          &ngx_http_ai_record_fields[i]);
        if (p == NULL) {
            return 0;
        }
    }

    if (end - p < 2) {
        return 0;
    }

    *p++ = '}';
    *p++ = '\n';

    return p - buf;
}


/* ',"name":value', or NULL if it does not fit */

static u_char *
ngx_http_ai_record_json_field(u_char *p, u_char *end,
    const ngx_http_ai_record_t *rec, const ngx_http_ai_record_field_t *field)
{
    size_t            n, len;
    u_char            digits[20];
    const ngx_str_t  *value;

    value = NULL;
    n = 0;

    if (field->kind == ngx_http_ai_record_int) {
        len = ngx_http_ai_resp_decimal(digits,
                                       ngx_http_ai_record_get_int(rec, field))
              - digits;

    } else {
        value = ngx_http_ai_record_get_str(rec, field);
        n = ngx_http_ai_record_cut(value);
        len = 2 + ngx_http_ai_json_escape_len(value->data, n);
    }

    if ((size_t) (end - p) < sizeof(",\"\":") - 1 + field->name.len + len) {
        return NULL;
    }

    *p++ = ',';
    *p++ = '"';
    p = ngx_cpymem(p, field->name.data, field->name.len);
    *p++ = '"';
    *p++ = ':';

    if (value == NULL) {
        return ngx_cpymem(p, digits, len);
    }

    *p++ = '"';
    p = ngx_http_ai_json_escape(p, value->data, n);
    *p++ = '"';

    return p;
}


static ngx_uint_t
ngx_http_ai_record_present(const ngx_http_ai_record_t *rec,
    const ngx_http_ai_record_field_t *field)
{
    if (field->kind == ngx_http_ai_record_int) {
        return ngx_http_ai_record_get_int(rec, field)
               != NGX_HTTP_AI_RECORD_ABSENT;
    }

    return ngx_http_ai_record_get_str(rec, field)->len != 0;
}


/*
 * The length of a value after the cut.  A character has at most three
 * continuation bytes; more of them in a row are no UTF-8 and are cut as bytes.
 */

static size_t
ngx_http_ai_record_cut(const ngx_str_t *value)
{
    size_t      len;
    ngx_uint_t  i;

    if (value->len <= NGX_HTTP_AI_RECORD_VALUE) {
        return value->len;
    }

    len = NGX_HTTP_AI_RECORD_VALUE;

    for (i = 0; i < 4; i++) {
        if ((value->data[len - i] & 0xc0) != 0x80) {
            return len - i;
        }
    }

    return len;
}
