
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * GET requests?<filters> and requests/<id>: what the ring of recent requests
 * holds.  It is copied slice by slice, the newest first, until there is enough;
 * a request that is overwritten meanwhile was the oldest and is left out.
 */


#include "ngx_http_ai_recent.h"
#include "ngx_http_ai_status_reply.h"


#define NGX_HTTP_AI_STATUS_LIMIT    100
#define NGX_HTTP_AI_STATUS_MOST     1000
#define NGX_HTTP_AI_STATUS_EVENT    32     /* hex digits of an event_id */


typedef struct {
    ngx_http_ai_trail_filter_t  filter;
    ngx_str_t                   since;
    ngx_str_t                   limit;
    ngx_uint_t                  most;
} ngx_http_ai_status_query_t;


static ngx_int_t ngx_http_ai_status_query(ngx_http_request_t *r,
    ngx_http_ai_status_query_t *query);
static const char *ngx_http_ai_status_words(const char *words,
    const ngx_str_t *value);
static ngx_int_t ngx_http_ai_status_since(ngx_http_ai_status_query_t *query);
static ngx_int_t ngx_http_ai_status_event_id(const ngx_str_t *name,
    ngx_str_t *event);
static ngx_uint_t ngx_http_ai_status_trails(ngx_http_ai_writer_t *w,
    ngx_http_ai_zone_t *zone, const ngx_http_ai_status_query_t *query,
    u_char *slice);
static ngx_uint_t ngx_http_ai_status_trail(ngx_http_ai_writer_t *w,
    const ngx_http_ai_trail_filter_t *filter, const ngx_str_t *packed);
static void ngx_http_ai_status_items(ngx_http_ai_writer_t *w,
    const ngx_http_ai_trail_reader_t *reader, ngx_int_t what);
static void ngx_http_ai_status_fields(ngx_http_ai_writer_t *w,
    const void *from, const ngx_http_ai_record_field_t *fields, ngx_uint_t n,
    ngx_uint_t absent);


/* the filters by name, and the words that one may have; NULL: any */

static const struct {
    const char  *name;
    size_t       offset;
    const char  *words;
} ngx_http_ai_status_filters[] = {

#define ngx_http_ai_status_filter(name, member, words)                        \
    { name, offsetof(ngx_http_ai_status_query_t, member), words }

    ngx_http_ai_status_filter("key", filter.key, NULL),
    ngx_http_ai_status_filter("team", filter.team, NULL),
    ngx_http_ai_status_filter("model", filter.model, NULL),
    ngx_http_ai_status_filter("account", filter.account, NULL),
    ngx_http_ai_status_filter("outcome", filter.outcome,
                    "ok, error, cut, stalled, client_gone, rejected"),
    ngx_http_ai_status_filter("fallback", filter.fallback,
                    "none, retry, account, provider, backup, any"),
    ngx_http_ai_status_filter("since", since, NULL),
    ngx_http_ai_status_filter("limit", limit, NULL),
    ngx_http_ai_status_filter(NULL, filter, NULL)
};


ngx_int_t
ngx_http_ai_status_requests(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call)
{
    u_char                      *slice;
    int64_t                      oldest;
    ngx_int_t                    rc;
    ngx_uint_t                   held;
    ngx_http_ai_writer_t         w;
    ngx_http_ai_status_query_t   query;

    if (call->conf->zone == NULL) {
        return ngx_http_ai_status_no_zone(r);
    }

    rc = ngx_http_ai_status_query(r, &query);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    slice = ngx_palloc(r->pool, NGX_HTTP_AI_RECENT_SLICE);
    if (slice == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    held = ngx_http_ai_recent_held(call->conf->zone, &oldest);

    ngx_http_ai_writer_init(&w, r->pool);

    ngx_http_ai_writer_open(&w, NULL, '{');
    ngx_http_ai_writer_int(&w, "now_ms",
                           ngx_http_ai_zone_time(ngx_current_msec));
    ngx_http_ai_writer_int(&w, "held", held);
    ngx_http_ai_writer_int(&w, "oldest_ms",
                           held ? oldest : NGX_HTTP_AI_WRITER_NULL);
    ngx_http_ai_writer_open(&w, "requests", '[');

    (void) ngx_http_ai_status_trails(&w, call->conf->zone, &query, slice);

    ngx_http_ai_writer_close(&w, ']');
    ngx_http_ai_writer_close(&w, '}');

    return ngx_http_ai_status_answer(r, NGX_HTTP_OK, &w);
}


/* the id may be the client's own, hence more than one request's */

ngx_int_t
ngx_http_ai_status_request(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call)
{
    u_char                      *slice;
    ngx_uint_t                   n;
    ngx_http_ai_writer_t         w;
    ngx_http_ai_status_query_t   query;

    if (call->conf->zone == NULL) {
        return ngx_http_ai_status_no_zone(r);
    }

    slice = ngx_palloc(r->pool, NGX_HTTP_AI_RECENT_SLICE);
    if (slice == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&query, sizeof(ngx_http_ai_status_query_t));

    query.most = NGX_HTTP_AI_STATUS_MOST;
    query.filter.since_ms = INT64_MIN;
    query.filter.request_id = call->name;
    (void) ngx_http_ai_status_event_id(&call->name, &query.filter.event_id);

    ngx_http_ai_trail_filter(&query.filter);

    ngx_http_ai_writer_init(&w, r->pool);

    ngx_http_ai_writer_open(&w, NULL, '{');
    ngx_http_ai_writer_int(&w, "now_ms",
                           ngx_http_ai_zone_time(ngx_current_msec));
    ngx_http_ai_writer_open(&w, "requests", '[');

    n = ngx_http_ai_status_trails(&w, call->conf->zone, &query, slice);

    ngx_http_ai_writer_close(&w, ']');
    ngx_http_ai_writer_close(&w, '}');

    if (n == 0) {
        return ngx_http_ai_status_error(r, NGX_HTTP_NOT_FOUND,
                                        "request_not_found",
                                        "no recent request has the id \"%V\"",
                                        &call->name);
    }

    return ngx_http_ai_status_answer(r, NGX_HTTP_OK, &w);
}


/* NGX_DECLINED: the query is complete; else it was answered */

static ngx_int_t
ngx_http_ai_status_query(ngx_http_request_t *r,
    ngx_http_ai_status_query_t *query)
{
    ngx_str_t   *value;
    ngx_int_t    most;
    ngx_uint_t   i;
    const char  *words, *name;

    ngx_memzero(query, sizeof(ngx_http_ai_status_query_t));

    for (i = 0; ngx_http_ai_status_filters[i].name; i++) {

        name = ngx_http_ai_status_filters[i].name;
        words = ngx_http_ai_status_filters[i].words;
        value = (ngx_str_t *) ((u_char *) query
                               + ngx_http_ai_status_filters[i].offset);

        if (ngx_http_ai_status_arg(r, name, value) == NGX_ERROR) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (value->len && words
            && ngx_http_ai_status_words(words, value) == NULL)
        {
            return ngx_http_ai_status_error(r, NGX_HTTP_BAD_REQUEST,
                                            "invalid_request_error",
                                            "\"%s\" must be one of %s",
                                            name, words);
        }
    }

    if (ngx_http_ai_status_since(query) != NGX_OK) {
        return ngx_http_ai_status_error(r, NGX_HTTP_BAD_REQUEST,
                   "invalid_request_error", "\"since\" must be Unix time in "
                   "ms, or a time back from now such as \"10m\"");
    }

    most = query->limit.len ? ngx_atoi(query->limit.data, query->limit.len)
                            : NGX_HTTP_AI_STATUS_LIMIT;

    if (most < 1 || most > NGX_HTTP_AI_STATUS_MOST) {
        return ngx_http_ai_status_error(r, NGX_HTTP_BAD_REQUEST,
                   "invalid_request_error", "\"limit\" must be 1 to %d",
                   NGX_HTTP_AI_STATUS_MOST);
    }

    query->most = most;

    ngx_http_ai_trail_filter(&query->filter);

    return NGX_DECLINED;
}


/* where the value stands in a list with ", " between its words; or NULL */

static const char *
ngx_http_ai_status_words(const char *words, const ngx_str_t *value)
{
    size_t       len;
    const char  *p;

    for (p = words; *p; p += len) {

        p += strspn(p, ", ");
        len = strcspn(p, ",");

        if (len == value->len && ngx_memcmp(p, value->data, len) == 0) {
            return p;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_ai_status_since(ngx_http_ai_status_query_t *query)
{
    off_t       ms;
    ngx_int_t   back;
    ngx_uint_t  i;
    ngx_str_t  *since;

    since = &query->since;
    query->filter.since_ms = INT64_MIN;

    if (since->len == 0) {
        return NGX_OK;
    }

    for (i = 0; i < since->len; i++) {

        if (since->data[i] < '0' || since->data[i] > '9') {

            back = ngx_parse_time(since, 0);

            if (back == NGX_ERROR) {
                return NGX_ERROR;
            }

            query->filter.since_ms = ngx_http_ai_zone_time(ngx_current_msec)
                                     - back;
            return NGX_OK;
        }
    }

    ms = ngx_atoof(since->data, since->len);

    if (ms == NGX_ERROR) {
        return NGX_ERROR;
    }

    query->filter.since_ms = ms;

    return NGX_OK;
}


/* an event_id of a request or of an attempt: the number does not matter */

static ngx_int_t
ngx_http_ai_status_event_id(const ngx_str_t *name, ngx_str_t *event)
{
    ngx_uint_t  i;

    if (name->len > NGX_HTTP_AI_STATUS_EVENT
        && (name->data[NGX_HTTP_AI_STATUS_EVENT] != '/'
            || ngx_atoi(name->data + NGX_HTTP_AI_STATUS_EVENT + 1,
                        name->len - NGX_HTTP_AI_STATUS_EVENT - 1)
               == NGX_ERROR))
    {
        return NGX_DECLINED;
    }

    if (name->len < NGX_HTTP_AI_STATUS_EVENT) {
        return NGX_DECLINED;
    }

    for (i = 0; i < NGX_HTTP_AI_STATUS_EVENT; i++) {
        if (ngx_hextoi(name->data + i, 1) == NGX_ERROR) {
            return NGX_DECLINED;
        }
    }

    event->data = name->data;
    event->len = NGX_HTTP_AI_STATUS_EVENT;

    return NGX_OK;
}


/* how many were written */

static ngx_uint_t
ngx_http_ai_status_trails(ngx_http_ai_writer_t *w, ngx_http_ai_zone_t *zone,
    const ngx_http_ai_status_query_t *query, u_char *slice)
{
    size_t      n;
    uint64_t    pos;
    ngx_str_t   packed;
    ngx_uint_t  found;

    found = 0;
    pos = NGX_HTTP_AI_RING_NEWEST;

    while ((n = ngx_http_ai_recent_back(zone, &pos, slice)) != 0) {

        while (ngx_http_ai_ring_last(slice, &n, &packed) == NGX_OK) {

            if (!ngx_http_ai_trail_maybe(&query->filter, &packed)) {
                continue;
            }

            found += ngx_http_ai_status_trail(w, &query->filter, &packed);

            if (found == query->most) {
                return found;
            }
        }
    }

    return found;
}


static ngx_uint_t
ngx_http_ai_status_trail(ngx_http_ai_writer_t *w,
    const ngx_http_ai_trail_filter_t *filter, const ngx_str_t *packed)
{
    ngx_http_ai_record_t        rec;
    ngx_http_ai_trail_reader_t  reader;

    if (ngx_http_ai_trail_open(&reader, packed, &rec) != NGX_OK
        || !ngx_http_ai_trail_matches(filter, packed, &rec))
    {
        return 0;
    }

    ngx_http_ai_writer_open(w, NULL, '{');

    ngx_http_ai_status_fields(w, &rec, ngx_http_ai_record_fields,
                              NGX_HTTP_AI_RECORD_FIELDS, 0);

    ngx_http_ai_writer_open(w, "tries", '[');
    ngx_http_ai_status_items(w, &reader, NGX_HTTP_AI_TRAIL_TRY);
    ngx_http_ai_writer_close(w, ']');

    ngx_http_ai_writer_open(w, "excluded", '[');
    ngx_http_ai_status_items(w, &reader, NGX_HTTP_AI_TRAIL_LEFT);
    ngx_http_ai_writer_close(w, ']');

    ngx_http_ai_writer_close(w, '}');

    return 1;
}


/* those of one kind; what cannot be read ends the list */

static void
ngx_http_ai_status_items(ngx_http_ai_writer_t *w,
    const ngx_http_ai_trail_reader_t *reader, ngx_int_t what)
{
    ngx_int_t                   rc;
    ngx_uint_t                  try;
    ngx_http_ai_trail_item_t    item;
    ngx_http_ai_trail_reader_t  own;

    own = *reader;
    try = (what == NGX_HTTP_AI_TRAIL_TRY);

    while ((rc = ngx_http_ai_trail_next(&own, &item)) > 0) {

        if (rc != what) {
            continue;
        }

        ngx_http_ai_writer_open(w, NULL, '{');
        ngx_http_ai_status_fields(w, &item,
                                  try ? ngx_http_ai_trail_try_fields
                                      : ngx_http_ai_trail_left_fields,
                                  try ? NGX_HTTP_AI_TRAIL_TRY_FIELDS
                                      : NGX_HTTP_AI_TRAIL_LEFT_FIELDS,
                                  1);
        ngx_http_ai_writer_close(w, '}');
    }
}


/* the names are literals; absent: what is not there is null */

static void
ngx_http_ai_status_fields(ngx_http_ai_writer_t *w, const void *from,
    const ngx_http_ai_record_field_t *fields, ngx_uint_t n, ngx_uint_t absent)
{
    int64_t           number;
    ngx_uint_t        i;
    const char       *name;
    const ngx_str_t  *s;

    for (i = 0; i < n; i++) {
        name = (const char *) fields[i].name.data;

        if (fields[i].kind == ngx_http_ai_record_str) {
            s = ngx_http_ai_record_get_str(from, &fields[i]);

            if (s->len || absent) {
                ngx_http_ai_writer_word(w, name, s);
            }

            continue;
        }

        number = ngx_http_ai_record_get_int(from, &fields[i]);

        if (number == NGX_HTTP_AI_RECORD_ABSENT) {

            if (absent) {
                ngx_http_ai_writer_null(w, name);
            }

        } else if (fields[i].kind == ngx_http_ai_record_flag) {
            ngx_http_ai_writer_bool(w, name, number != 0);

        } else {
            ngx_http_ai_writer_int(w, name, number);
        }
    }
}
