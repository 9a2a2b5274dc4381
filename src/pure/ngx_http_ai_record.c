
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_record.h"
#include "ngx_http_ai_json.h"
#include "ngx_http_ai_resp.h"


#define NGX_HTTP_AI_RECORD_VERSION  1
#define NGX_HTTP_AI_RECORD_WORD     128     /* bytes of a value in a log */


struct ngx_http_ai_record_form_s {
    const ngx_http_ai_record_field_t  *fields;
    ngx_uint_t                         n;          /* 64 at most */
    size_t                             size;
};


/* len: that of the name, as a plain number, for RESP puts it into the text */

#define ngx_http_ai_record_field(len, name, kind, member)                     \
    { ngx_string(name), ngx_string("$" #len "\r\n" name "\r\n"),              \
      ngx_http_ai_record_##kind, offsetof(ngx_http_ai_record_t, member) }

#define ngx_http_ai_record_audited(len, name, kind, member)                   \
    { ngx_string(name), ngx_string("$" #len "\r\n" name "\r\n"),              \
      ngx_http_ai_record_##kind, offsetof(ngx_http_ai_record_audit_t, member) }

#define ngx_http_ai_record_pinned(len, name, member)                          \
    { ngx_string(name), ngx_string("$" #len "\r\n" name "\r\n"),              \
      ngx_http_ai_record_str, offsetof(ngx_http_ai_record_pin_t, member) }

#define ngx_http_ai_record_encoded(resp, s, nargs)                            \
    ngx_http_ai_resp_encoded(resp, (const u_char *) s, sizeof(s) - 1, nargs)


static void ngx_http_ai_record_clear(const ngx_http_ai_record_form_t *form,
    void *rec);
static void ngx_http_ai_record_head(ngx_http_ai_resp_t *resp,
    const ngx_str_t *stream, const ngx_http_ai_record_trim_t *trim,
    ngx_uint_t nargs);
static ngx_uint_t ngx_http_ai_record_present(const void *rec,
    const ngx_http_ai_record_field_t *field);
static size_t ngx_http_ai_record_cut(const ngx_str_t *value, size_t most);
static u_char *ngx_http_ai_record_json_field(u_char *p, u_char *end,
    const void *rec, const ngx_http_ai_record_field_t *field);


/* names and order are a contract; "v" comes before them */

const ngx_http_ai_record_field_t
    ngx_http_ai_record_fields[NGX_HTTP_AI_RECORD_FIELDS] = {

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
    ngx_http_ai_record_field(6, "stream", flag, stream),
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
    ngx_http_ai_record_field(5, "drill", flag, drill)
};


static const ngx_http_ai_record_field_t  ngx_http_ai_record_audit_fields[] = {

    ngx_http_ai_record_audited(8, "event_id", str, event_id),
    ngx_http_ai_record_audited(4, "kind", str, kind),
    ngx_http_ai_record_audited(5, "ts_ms", int, ts_ms),
    ngx_http_ai_record_audited(6, "action", str, action),
    ngx_http_ai_record_audited(6, "object", str, object),
    ngx_http_ai_record_audited(7, "account", str, account),
    ngx_http_ai_record_audited(5, "model", str, model),
    ngx_http_ai_record_audited(8, "endpoint", str, endpoint),
    ngx_http_ai_record_audited(6, "stream", str, stream),
    ngx_http_ai_record_audited(5, "class", str, ai_class),
    ngx_http_ai_record_audited(8, "fault_id", str, fault_id),
    ngx_http_ai_record_audited(6, "result", str, result),
    ngx_http_ai_record_audited(6, "status", int, status),
    ngx_http_ai_record_audited(11, "remote_addr", str, remote_addr),
    ngx_http_ai_record_audited(10, "request_id", str, request_id)
};


static const ngx_http_ai_record_field_t  ngx_http_ai_record_pin_fields[] = {

    ngx_http_ai_record_pinned(4, "kind", kind),
    ngx_http_ai_record_pinned(2, "id", id),
    ngx_http_ai_record_pinned(7, "account", account)
};


const ngx_http_ai_record_form_t  ngx_http_ai_record_usage = {
    ngx_http_ai_record_fields,
    sizeof(ngx_http_ai_record_fields) / sizeof(ngx_http_ai_record_fields[0]),
    sizeof(ngx_http_ai_record_t)
};


const ngx_http_ai_record_form_t  ngx_http_ai_record_audit = {
    ngx_http_ai_record_audit_fields,
    sizeof(ngx_http_ai_record_audit_fields)
    / sizeof(ngx_http_ai_record_audit_fields[0]),
    sizeof(ngx_http_ai_record_audit_t)
};


const ngx_http_ai_record_form_t  ngx_http_ai_record_pin = {
    ngx_http_ai_record_pin_fields,
    sizeof(ngx_http_ai_record_pin_fields)
    / sizeof(ngx_http_ai_record_pin_fields[0]),
    sizeof(ngx_http_ai_record_pin_t)
};


void
ngx_http_ai_record_init(ngx_http_ai_record_t *rec)
{
    ngx_http_ai_record_clear(&ngx_http_ai_record_usage, rec);
}


void
ngx_http_ai_record_audit_init(ngx_http_ai_record_audit_t *rec)
{
    ngx_http_ai_record_clear(&ngx_http_ai_record_audit, rec);
}


static void
ngx_http_ai_record_clear(const ngx_http_ai_record_form_t *form, void *rec)
{
    ngx_uint_t                         i;
    const ngx_http_ai_record_field_t  *field;

    ngx_memzero(rec, form->size);

    for (i = 0; i < form->n; i++) {
        field = &form->fields[i];

        if (field->kind != ngx_http_ai_record_str) {
            *(int64_t *) (void *) ((u_char *) rec + field->offset) =
                                                     NGX_HTTP_AI_RECORD_ABSENT;
        }
    }
}


size_t
ngx_http_ai_record_xadd(const ngx_http_ai_record_t *rec,
    const ngx_str_t *stream, const ngx_http_ai_record_trim_t *trim,
    u_char *buf, size_t size)
{
    return ngx_http_ai_record_form_xadd(&ngx_http_ai_record_usage, rec,
                                        stream, trim, buf, size);
}


size_t
ngx_http_ai_record_json(const ngx_http_ai_record_t *rec, u_char *buf,
    size_t size)
{
    return ngx_http_ai_record_form_json(&ngx_http_ai_record_usage, rec, buf,
                                        size);
}


/*
 * RESP announces the number of arguments first, so the present fields are
 * counted before they are written: cheaper than moving the bytes afterwards.
 */

size_t
ngx_http_ai_record_form_xadd(const ngx_http_ai_record_form_t *form,
    const void *rec, const ngx_str_t *stream,
    const ngx_http_ai_record_trim_t *trim, u_char *buf, size_t size)
{
    uint64_t                           present;
    ngx_uint_t                         i, n;
    const ngx_str_t                   *value;
    ngx_http_ai_resp_t                 resp;
    const ngx_http_ai_record_field_t  *field;

    n = 1;
    present = 0;

    for (i = 0; i < form->n; i++) {
        if (ngx_http_ai_record_present(rec, &form->fields[i])) {
            present |= (uint64_t) 1 << i;
            n++;
        }
    }

    ngx_http_ai_resp_init(&resp, buf, size);
    ngx_http_ai_record_head(&resp, stream, trim, 2 * n);

    ngx_http_ai_record_encoded(&resp, "$1\r\nv\r\n", 1);
    ngx_http_ai_resp_int(&resp, NGX_HTTP_AI_RECORD_VERSION);

    for (field = form->fields; present; field++, present >>= 1) {

        if ((present & 1) == 0) {
            continue;
        }

        ngx_http_ai_resp_encoded(&resp, field->encoded.data,
                                 field->encoded.len, 1);

        if (field->kind != ngx_http_ai_record_str) {
            ngx_http_ai_resp_int(&resp,
                                 ngx_http_ai_record_get_int(rec, field));
            continue;
        }

        value = ngx_http_ai_record_get_str(rec, field);
        ngx_http_ai_resp_bulk(&resp, value->data,
                              ngx_http_ai_record_cut(value,
                                                  NGX_HTTP_AI_RECORD_VALUE));
    }

    return ngx_http_ai_resp_end(&resp);
}


/* an XADD, but for its names and values */

static void
ngx_http_ai_record_head(ngx_http_ai_resp_t *resp, const ngx_str_t *stream,
    const ngx_http_ai_record_trim_t *trim, ngx_uint_t nargs)
{
    ngx_http_ai_resp_command(resp, (trim->maxlen || trim->minid_ms ? 6 : 3)
                                   + nargs);

    ngx_http_ai_record_encoded(resp, "$4\r\nXADD\r\n", 1);
    ngx_http_ai_resp_bulk(resp, stream->data, stream->len);

    if (trim->maxlen) {
        ngx_http_ai_record_encoded(resp, "$6\r\nMAXLEN\r\n$1\r\n~\r\n", 2);
        ngx_http_ai_resp_uint(resp, trim->maxlen);

    } else if (trim->minid_ms) {
        ngx_http_ai_record_encoded(resp, "$5\r\nMINID\r\n$1\r\n~\r\n", 2);
        ngx_http_ai_resp_uint(resp, trim->minid_ms);
    }

    ngx_http_ai_record_encoded(resp, "$1\r\n*\r\n", 1);
}


ngx_int_t
ngx_http_ai_record_pairs(const ngx_str_t *cmd, ngx_str_t *pairs,
    ngx_uint_t *nargs)
{
    u_char      *p, *last;
    ngx_str_t    arg;
    ngx_uint_t   i, n;

    p = cmd->data;
    last = p + cmd->len;

    if (ngx_http_ai_resp_count(&p, last, &n) != NGX_OK) {
        return NGX_DECLINED;
    }

    for (i = 0; i < n; i++) {
        if (ngx_http_ai_resp_next(&p, last, &arg) != NGX_OK
            || (i == 0 && (arg.len != 4
                           || ngx_memcmp(arg.data, "XADD", 4) != 0)))
        {
            return NGX_DECLINED;
        }

        /* the second one is the stream's name, which may be anything */

        if (i > 1 && arg.len == 1 && arg.data[0] == '*') {
            break;
        }
    }

    if (i >= n) {
        return NGX_DECLINED;
    }

    pairs->data = p;
    pairs->len = last - p;
    *nargs = n - i - 1;

    for (i = 0; i < *nargs; i++) {
        if (ngx_http_ai_resp_next(&p, last, &arg) != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    return (p == last && *nargs && *nargs % 2 == 0) ? NGX_OK : NGX_DECLINED;
}


size_t
ngx_http_ai_record_again(const ngx_str_t *pairs, ngx_uint_t nargs,
    const ngx_str_t *stream, const ngx_http_ai_record_trim_t *trim,
    u_char *buf, size_t size)
{
    ngx_http_ai_resp_t  resp;

    ngx_http_ai_resp_init(&resp, buf, size);
    ngx_http_ai_record_head(&resp, stream, trim, nargs);
    ngx_http_ai_resp_encoded(&resp, pairs->data, pairs->len, nargs);

    return ngx_http_ai_resp_end(&resp);
}


void
ngx_http_ai_record_find(const ngx_str_t *pairs, ngx_uint_t nargs,
    const ngx_str_t *name, ngx_str_t *value)
{
    u_char      *p, *last;
    ngx_str_t    arg;
    ngx_uint_t   i;

    p = pairs->data;
    last = p + pairs->len;

    for (i = 0; i + 1 < nargs; i += 2) {

        if (ngx_http_ai_resp_next(&p, last, &arg) != NGX_OK
            || ngx_http_ai_resp_next(&p, last, value) != NGX_OK)
        {
            break;
        }

        if (arg.len == name->len
            && ngx_memcmp(arg.data, name->data, arg.len) == 0)
        {
            return;
        }
    }

    ngx_str_null(value);
}


/* FNV-1a: the same in every worker and version */

ngx_uint_t
ngx_http_ai_record_shard(const ngx_str_t *event_id, ngx_uint_t n)
{
    size_t    i;
    uint32_t  hash;

    if (n == 1) {
        return 0;
    }

    hash = 2166136261u;

    for (i = 0; i < event_id->len && event_id->data[i] != '/'; i++) {
        hash = (hash ^ event_id->data[i]) * 16777619u;
    }

    /* the lowest bits of the product are the weakest */

    return (hash ^ hash >> 16) % n;
}


size_t
ngx_http_ai_record_form_json(const ngx_http_ai_record_form_t *form,
    const void *rec, u_char *buf, size_t size)
{
    u_char      *p, *end;
    ngx_uint_t   i;

    if (size < sizeof("{\"v\":1") - 1) {
        return 0;
    }

    end = buf + size;
    p = ngx_cpymem(buf, "{\"v\":", sizeof("{\"v\":") - 1);
    *p++ = '0' + NGX_HTTP_AI_RECORD_VERSION;

    for (i = 0; i < form->n; i++) {

        if (!ngx_http_ai_record_present(rec, &form->fields[i])) {
            continue;
        }

        p = ngx_http_ai_record_json_field(p, end, rec, &form->fields[i]);
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
    const void *rec, const ngx_http_ai_record_field_t *field)
{
    size_t            n, len;
    u_char            digits[20];
    const ngx_str_t  *value;

    value = NULL;
    n = 0;

    if (field->kind != ngx_http_ai_record_str) {
        len = ngx_http_ai_resp_decimal(digits,
                                       ngx_http_ai_record_get_int(rec, field))
              - digits;

    } else {
        value = ngx_http_ai_record_get_str(rec, field);
        n = ngx_http_ai_record_cut(value, NGX_HTTP_AI_RECORD_VALUE);
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


u_char *
ngx_http_ai_record_audit_text(const ngx_http_ai_record_audit_t *rec,
    u_char *buf, size_t size)
{
    u_char           *p;
    size_t            n, len;
    ngx_uint_t        i;
    const ngx_str_t  *value;

    static const struct {
        const char  *name;
        size_t       offset;
    } words[] = {
        { "action", offsetof(ngx_http_ai_record_audit_t, action) },
        { "object", offsetof(ngx_http_ai_record_audit_t, object) },
        { "account", offsetof(ngx_http_ai_record_audit_t, account) },
        { "class", offsetof(ngx_http_ai_record_audit_t, ai_class) },
        { "fault_id", offsetof(ngx_http_ai_record_audit_t, fault_id) },
        { "model", offsetof(ngx_http_ai_record_audit_t, model) },
        { "endpoint", offsetof(ngx_http_ai_record_audit_t, endpoint) },
        { "stream", offsetof(ngx_http_ai_record_audit_t, stream) }
    };

    p = buf;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {

        value = (const ngx_str_t *) (const void *)
                                 ((const u_char *) rec + words[i].offset);

        n = ngx_http_ai_record_cut(value, NGX_HTTP_AI_RECORD_WORD);
        len = strlen(words[i].name);

        if (n == 0
            || (size_t) (buf + size - p)
               < len + 4 + ngx_http_ai_json_escape_len(value->data, n))
        {
            continue;
        }

        if (p > buf) {
            *p++ = ' ';
        }

        p = ngx_cpymem(p, words[i].name, len);
        *p++ = '=';
        *p++ = '"';
        p = ngx_http_ai_json_escape(p, value->data, n);
        *p++ = '"';
    }

    return p;
}


static ngx_uint_t
ngx_http_ai_record_present(const void *rec,
    const ngx_http_ai_record_field_t *field)
{
    if (field->kind != ngx_http_ai_record_str) {
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
ngx_http_ai_record_cut(const ngx_str_t *value, size_t most)
{
    size_t      len;
    ngx_uint_t  i;

    if (value->len <= most) {
        return value->len;
    }

    len = most;

    for (i = 0; i < 4; i++) {
        if ((value->data[len - i] & 0xc0) != 0x80) {
            return len - i;
        }
    }

    return len;
}
