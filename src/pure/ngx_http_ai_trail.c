
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_trail.h"
#include "ngx_http_ai_frame.h"


#define NGX_HTTP_AI_TRAIL_INT  10       /* longest integer, bytes */


/* bytes for as many bits, at most 64 */
#define ngx_http_ai_trail_bits(n)  (((n) + 7) / 8)


#define ngx_http_ai_trail_field(type, kind, member)                           \
    { ngx_string(#member), ngx_null_string, ngx_http_ai_record_##kind,        \
      offsetof(ngx_http_ai_trail_##type##_t, member) }


static size_t ngx_http_ai_trail_cut(const ngx_str_t *s, size_t most);
static uint32_t ngx_http_ai_trail_hash(const ngx_str_t *s);
static uint32_t ngx_http_ai_trail_bit(const ngx_str_t *account);
static size_t ngx_http_ai_trail_most(const ngx_http_ai_record_field_t *field);
static ngx_int_t ngx_http_ai_trail_put(ngx_http_ai_trail_pack_t *pack,
    const void *from, const ngx_http_ai_record_field_t *fields, ngx_uint_t n);
static void ngx_http_ai_trail_put_int(ngx_http_ai_trail_pack_t *pack,
    uint64_t value);
static void ngx_http_ai_trail_add(ngx_http_ai_trail_pack_t *pack,
    ngx_http_ai_trail_item_e what, const void *item,
    const ngx_http_ai_record_field_t *fields, ngx_uint_t n);
static ngx_int_t ngx_http_ai_trail_get(ngx_http_ai_trail_reader_t *reader,
    void *to, const ngx_http_ai_record_field_t *fields, ngx_uint_t n);
static ngx_int_t ngx_http_ai_trail_get_int(ngx_http_ai_trail_reader_t *reader,
    uint64_t *value);
static ngx_uint_t ngx_http_ai_trail_differs(uint32_t want, uint32_t is);
static ngx_uint_t ngx_http_ai_trail_is(const ngx_str_t *want,
    const ngx_str_t *is);
static ngx_uint_t ngx_http_ai_trail_tried(const ngx_str_t *account,
    const ngx_str_t *packed, const ngx_http_ai_record_t *rec);


const ngx_http_ai_record_field_t
    ngx_http_ai_trail_try_fields[NGX_HTTP_AI_TRAIL_TRY_FIELDS] = {

    ngx_http_ai_trail_field(try, str, account),
    ngx_http_ai_trail_field(try, str, provider),
    ngx_http_ai_trail_field(try, str, model),
    ngx_http_ai_trail_field(try, int, status),
    ngx_http_ai_trail_field(try, str, verdict),
    ngx_http_ai_trail_field(try, int, start_ms),
    ngx_http_ai_trail_field(try, int, elapsed_ms),
    ngx_http_ai_trail_field(try, str, why),
    ngx_http_ai_trail_field(try, flag, fault),
    ngx_http_ai_trail_field(try, int, input_tokens),
    ngx_http_ai_trail_field(try, int, output_tokens),
    ngx_http_ai_trail_field(try, int, cost_nanousd)
};


const ngx_http_ai_record_field_t
    ngx_http_ai_trail_left_fields[NGX_HTTP_AI_TRAIL_LEFT_FIELDS] = {

    ngx_http_ai_trail_field(left, str, account),
    ngx_http_ai_trail_field(left, str, model),
    ngx_http_ai_trail_field(left, str, reason),
    ngx_http_ai_trail_field(left, str, cause),
    ngx_http_ai_trail_field(left, int, back_ms)
};


static size_t
ngx_http_ai_trail_cut(const ngx_str_t *s, size_t most)
{
    ngx_uint_t  i;

    if (s->len <= most) {
        return s->len;
    }

    for (i = 0; i < 4; i++) {
        if ((s->data[most - i] & 0xc0) != 0x80) {
            return most - i;
        }
    }

    return most;
}


static uint32_t
ngx_http_ai_trail_hash(const ngx_str_t *s)
{
    uint32_t  hash;

    if (s->len == 0) {
        return 0;
    }

    hash = ngx_http_ai_frame_crc(0, s->data,
                                 ngx_http_ai_trail_cut(s,
                                                  NGX_HTTP_AI_TRAIL_WORD));
    return ngx_max(hash, 1);
}


static uint32_t
ngx_http_ai_trail_bit(const ngx_str_t *account)
{
    return account->len ? (uint32_t) 1 << (ngx_http_ai_trail_hash(account)
                                           & 31)
                        : 0;
}


void
ngx_http_ai_trail_begin(ngx_http_ai_trail_pack_t *pack, u_char *buf,
    const ngx_http_ai_record_t *rec)
{
    u_char                    *slash;
    ngx_http_ai_record_t       own;
    ngx_http_ai_trail_head_t  *head;

    own = *rec;

    if (own.event_id.len) {
        slash = memchr(own.event_id.data, '/', own.event_id.len);

        if (slash) {
            own.event_id.len = slash - own.event_id.data;
        }
    }

    pack->start = buf;
    pack->pos = buf + sizeof(ngx_http_ai_trail_head_t);
    pack->end = buf + NGX_HTTP_AI_TRAIL_PACKED;

    head = &pack->head;

    head->ts_ms = own.ts_ms;
    head->event_id = ngx_http_ai_trail_hash(&own.event_id);
    head->request_id = ngx_http_ai_trail_hash(&own.request_id);
    head->key = ngx_http_ai_trail_hash(&own.key_id);
    head->team = ngx_http_ai_trail_hash(&own.team);
    head->requested = ngx_http_ai_trail_hash(&own.model_requested);
    head->served = ngx_http_ai_trail_hash(&own.model_served);
    head->outcome = ngx_http_ai_trail_hash(&own.outcome);
    head->fallback = ngx_http_ai_trail_hash(&own.fallback);
    head->accounts = ngx_http_ai_trail_bit(&own.account);
    head->none = 0;

    (void) ngx_http_ai_trail_put(pack, &own, ngx_http_ai_record_fields,
                                 NGX_HTTP_AI_RECORD_FIELDS);
}


void
ngx_http_ai_trail_add_try(ngx_http_ai_trail_pack_t *pack,
    const ngx_http_ai_trail_try_t *try)
{
    pack->head.accounts |= ngx_http_ai_trail_bit(&try->account);

    ngx_http_ai_trail_add(pack, NGX_HTTP_AI_TRAIL_TRY, try,
                          ngx_http_ai_trail_try_fields,
                          NGX_HTTP_AI_TRAIL_TRY_FIELDS);
}


void
ngx_http_ai_trail_add_left(ngx_http_ai_trail_pack_t *pack,
    const ngx_http_ai_trail_left_t *left)
{
    ngx_http_ai_trail_add(pack, NGX_HTTP_AI_TRAIL_LEFT, left,
                          ngx_http_ai_trail_left_fields,
                          NGX_HTTP_AI_TRAIL_LEFT_FIELDS);
}


static void
ngx_http_ai_trail_add(ngx_http_ai_trail_pack_t *pack,
    ngx_http_ai_trail_item_e what, const void *item,
    const ngx_http_ai_record_field_t *fields, ngx_uint_t n)
{
    u_char  *start;

    start = pack->pos;

    if (start == pack->end) {
        return;
    }

    *pack->pos++ = (u_char) what;

    if (ngx_http_ai_trail_put(pack, item, fields, n) != NGX_OK) {
        pack->pos = start;
    }
}


size_t
ngx_http_ai_trail_end(ngx_http_ai_trail_pack_t *pack)
{
    ngx_memcpy(pack->start, &pack->head, sizeof(ngx_http_ai_trail_head_t));

    return pack->pos - pack->start;
}


static size_t
ngx_http_ai_trail_most(const ngx_http_ai_record_field_t *field)
{
    return field->name.len == sizeof("trail") - 1
           && ngx_memcmp(field->name.data, "trail", sizeof("trail") - 1) == 0
           ? NGX_HTTP_AI_RECORD_VALUE : NGX_HTTP_AI_TRAIL_WORD;
}


static ngx_int_t
ngx_http_ai_trail_put(ngx_http_ai_trail_pack_t *pack, const void *from,
    const ngx_http_ai_record_field_t *fields, ngx_uint_t n)
{
    u_char           *bits;
    size_t            len;
    int64_t           value;
    uint64_t          mask;
    ngx_uint_t        i;
    const ngx_str_t  *s;

    if ((size_t) (pack->end - pack->pos) < sizeof(mask)) {
        return NGX_ERROR;
    }

    mask = 0;
    bits = pack->pos;
    pack->pos += ngx_http_ai_trail_bits(n);

    for (i = 0; i < n; i++) {

        if (fields[i].kind != ngx_http_ai_record_str) {
            value = ngx_http_ai_record_get_int(from, &fields[i]);

            if (value == NGX_HTTP_AI_RECORD_ABSENT) {
                continue;
            }

            if (pack->end - pack->pos < NGX_HTTP_AI_TRAIL_INT) {
                return NGX_ERROR;
            }

            /* the sign goes to the end, small numbers remain small */
            ngx_http_ai_trail_put_int(pack, ((uint64_t) value << 1)
                                            ^ (value < 0 ? UINT64_MAX : 0));

        } else {
            s = ngx_http_ai_record_get_str(from, &fields[i]);

            if (s->len == 0) {
                continue;
            }

            len = ngx_http_ai_trail_cut(s, ngx_http_ai_trail_most(&fields[i]));

            if ((size_t) (pack->end - pack->pos)
                < len + NGX_HTTP_AI_TRAIL_INT)
            {
                return NGX_ERROR;
            }

            ngx_http_ai_trail_put_int(pack, len);
            pack->pos = ngx_cpymem(pack->pos, s->data, len);
        }

        mask |= (uint64_t) 1 << i;
    }

    for (i = 0; i < ngx_http_ai_trail_bits(n); i++) {
        bits[i] = (u_char) (mask >> 8 * i);
    }

    return NGX_OK;
}


static void
ngx_http_ai_trail_put_int(ngx_http_ai_trail_pack_t *pack, uint64_t value)
{
    while (value >= 0x80) {
        *pack->pos++ = (u_char) (value | 0x80);
        value >>= 7;
    }

    *pack->pos++ = (u_char) value;
}


ngx_int_t
ngx_http_ai_trail_open(ngx_http_ai_trail_reader_t *reader,
    const ngx_str_t *packed, ngx_http_ai_record_t *rec)
{
    if (packed->len < sizeof(ngx_http_ai_trail_head_t)) {
        return NGX_ERROR;
    }

    reader->pos = packed->data + sizeof(ngx_http_ai_trail_head_t);
    reader->end = packed->data + packed->len;

    return ngx_http_ai_trail_get(reader, rec, ngx_http_ai_record_fields,
                                 NGX_HTTP_AI_RECORD_FIELDS);
}


ngx_int_t
ngx_http_ai_trail_next(ngx_http_ai_trail_reader_t *reader,
    ngx_http_ai_trail_item_t *item)
{
    ngx_int_t  what, rc;

    if (reader->pos == reader->end) {
        return NGX_DONE;
    }

    what = *reader->pos++;

    switch (what) {

    case NGX_HTTP_AI_TRAIL_TRY:
        rc = ngx_http_ai_trail_get(reader, &item->try,
                                   ngx_http_ai_trail_try_fields,
                                   NGX_HTTP_AI_TRAIL_TRY_FIELDS);
        break;

    case NGX_HTTP_AI_TRAIL_LEFT:
        rc = ngx_http_ai_trail_get(reader, &item->left,
                                   ngx_http_ai_trail_left_fields,
                                   NGX_HTTP_AI_TRAIL_LEFT_FIELDS);
        break;

    default:
        rc = NGX_ERROR;
    }

    return rc == NGX_OK ? what : NGX_ERROR;
}


static ngx_int_t
ngx_http_ai_trail_get(ngx_http_ai_trail_reader_t *reader, void *to,
    const ngx_http_ai_record_field_t *fields, ngx_uint_t n)
{
    u_char      *p;
    int64_t      number;
    uint64_t     mask, value;
    ngx_str_t    s;
    ngx_uint_t   i;

    if ((size_t) (reader->end - reader->pos) < ngx_http_ai_trail_bits(n)) {
        return NGX_ERROR;
    }

    mask = 0;

    for (i = 0; i < ngx_http_ai_trail_bits(n); i++) {
        mask |= (uint64_t) *reader->pos++ << 8 * i;
    }

    if (mask >> n) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {

        p = (u_char *) to + fields[i].offset;
        value = 0;
        ngx_str_null(&s);
        number = NGX_HTTP_AI_RECORD_ABSENT;

        if ((mask & ((uint64_t) 1 << i))) {

            if (ngx_http_ai_trail_get_int(reader, &value) != NGX_OK) {
                return NGX_ERROR;
            }

            number = (int64_t) ((value >> 1) ^ (0 - (value & 1)));
        }

        if (fields[i].kind != ngx_http_ai_record_str) {
            ngx_memcpy(p, &number, sizeof(number));
            continue;
        }

        if (value > (uint64_t) (reader->end - reader->pos)) {
            return NGX_ERROR;
        }

        s.data = reader->pos;
        s.len = (size_t) value;
        reader->pos += s.len;

        ngx_memcpy(p, &s, sizeof(s));
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_trail_get_int(ngx_http_ai_trail_reader_t *reader, uint64_t *value)
{
    u_char      c;
    ngx_uint_t  shift;

    *value = 0;

    for (shift = 0; shift < 7 * NGX_HTTP_AI_TRAIL_INT; shift += 7) {

        if (reader->pos == reader->end) {
            return NGX_ERROR;
        }

        c = *reader->pos++;
        *value |= (uint64_t) (c & 0x7f) << shift;

        if (c < 0x80) {
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


void
ngx_http_ai_trail_filter(ngx_http_ai_trail_filter_t *filter)
{
    ngx_uint_t                 i;
    ngx_str_t                 *words[] = {
        &filter->event_id, &filter->request_id, &filter->key, &filter->team,
        &filter->model, &filter->account, &filter->outcome, &filter->fallback
    };
    ngx_http_ai_trail_head_t  *head;

    static const ngx_str_t  none = ngx_string("none");
    static const ngx_str_t  any = ngx_string("any");

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        words[i]->len = ngx_http_ai_trail_cut(words[i],
                                              NGX_HTTP_AI_TRAIL_WORD);
    }

    filter->no_fallback = 0;

    if (ngx_http_ai_trail_is(&any, &filter->fallback)) {
        filter->no_fallback = ngx_http_ai_trail_hash(&none);
        ngx_str_null(&filter->fallback);
    }

    head = &filter->head;

    head->ts_ms = filter->since_ms;
    head->event_id = ngx_http_ai_trail_hash(&filter->event_id);
    head->request_id = ngx_http_ai_trail_hash(&filter->request_id);
    head->key = ngx_http_ai_trail_hash(&filter->key);
    head->team = ngx_http_ai_trail_hash(&filter->team);
    head->requested = ngx_http_ai_trail_hash(&filter->model);
    head->served = head->requested;
    head->outcome = ngx_http_ai_trail_hash(&filter->outcome);
    head->fallback = ngx_http_ai_trail_hash(&filter->fallback);
    head->accounts = ngx_http_ai_trail_bit(&filter->account);
    head->none = 0;
}


ngx_uint_t
ngx_http_ai_trail_maybe(const ngx_http_ai_trail_filter_t *filter,
    const ngx_str_t *packed)
{
    ngx_http_ai_trail_head_t         is;
    const ngx_http_ai_trail_head_t  *want;

    if (packed->len < sizeof(is)) {
        return 0;
    }

    ngx_memcpy(&is, packed->data, sizeof(is));
    want = &filter->head;

    if ((want->event_id || want->request_id)
        && (want->event_id == 0 || want->event_id != is.event_id)
        && (want->request_id == 0 || want->request_id != is.request_id))
    {
        return 0;
    }

    if (ngx_http_ai_trail_differs(want->requested, is.requested)
        && ngx_http_ai_trail_differs(want->served, is.served))
    {
        return 0;
    }

    return is.ts_ms >= want->ts_ms
           && !ngx_http_ai_trail_differs(want->key, is.key)
           && !ngx_http_ai_trail_differs(want->team, is.team)
           && !ngx_http_ai_trail_differs(want->outcome, is.outcome)
           && !ngx_http_ai_trail_differs(want->fallback, is.fallback)
           && (filter->no_fallback == 0 || filter->no_fallback != is.fallback)
           && (want->accounts & ~is.accounts) == 0;
}


static ngx_uint_t
ngx_http_ai_trail_differs(uint32_t want, uint32_t is)
{
    return want && want != is;
}


ngx_uint_t
ngx_http_ai_trail_matches(const ngx_http_ai_trail_filter_t *filter,
    const ngx_str_t *packed, const ngx_http_ai_record_t *rec)
{
    if ((filter->event_id.len || filter->request_id.len)
        && (filter->event_id.len == 0
            || !ngx_http_ai_trail_is(&filter->event_id, &rec->event_id))
        && (filter->request_id.len == 0
            || !ngx_http_ai_trail_is(&filter->request_id, &rec->request_id)))
    {
        return 0;
    }

    return ngx_http_ai_trail_is(&filter->key, &rec->key_id)
           && ngx_http_ai_trail_is(&filter->team, &rec->team)
           && ngx_http_ai_trail_is(&filter->outcome, &rec->outcome)
           && ngx_http_ai_trail_is(&filter->fallback, &rec->fallback)
           && (ngx_http_ai_trail_is(&filter->model, &rec->model_requested)
               || ngx_http_ai_trail_is(&filter->model, &rec->model_served))
           && ngx_http_ai_trail_tried(&filter->account, packed, rec);
}


static ngx_uint_t
ngx_http_ai_trail_is(const ngx_str_t *want, const ngx_str_t *is)
{
    return want->len == 0
           || (want->len == is->len
               && ngx_memcmp(want->data, is->data, is->len) == 0);
}


static ngx_uint_t
ngx_http_ai_trail_tried(const ngx_str_t *account, const ngx_str_t *packed,
    const ngx_http_ai_record_t *rec)
{
    ngx_int_t                   rc;
    ngx_http_ai_record_t        skipped;
    ngx_http_ai_trail_item_t    item;
    ngx_http_ai_trail_reader_t  reader;

    if (ngx_http_ai_trail_is(account, &rec->account)) {
        return 1;
    }

    if (ngx_http_ai_trail_open(&reader, packed, &skipped) != NGX_OK) {
        return 0;
    }

    do {
        rc = ngx_http_ai_trail_next(&reader, &item);

        if (rc == NGX_HTTP_AI_TRAIL_TRY
            && ngx_http_ai_trail_is(account, &item.try.account))
        {
            return 1;
        }

    } while (rc > 0);

    return 0;
}


int64_t
ngx_http_ai_trail_ts(const u_char *head)
{
    int64_t  ts_ms;

    ngx_memcpy(&ts_ms, head, sizeof(ts_ms));

    return ts_ms;
}
