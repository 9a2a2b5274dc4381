
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* a request's trail, packed and unpacked, and what is looked for in it */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_trail.h"


static u_char  ngx_http_ai_test_text[1024];


/* any length, often none, sometimes too long */

static ngx_str_t
ngx_http_ai_test_word(void)
{
    ngx_str_t   s;
    ngx_uint_t  what;

    what = ngx_http_ai_test_random() % 10;

    s.len = what < 2 ? 0
            : what < 9 ? ngx_http_ai_test_random() % 40
            : ngx_http_ai_test_random() % 600;

    s.data = ngx_http_ai_test_text
             + ngx_http_ai_test_random() % (sizeof(ngx_http_ai_test_text)
                                            - 600);
    return s;
}


static int64_t
ngx_http_ai_test_number(void)
{
    int64_t  value;

    switch (ngx_http_ai_test_random() % 6) {

    case 0:
        return NGX_HTTP_AI_RECORD_ABSENT;

    case 1:
        return INT64_MAX;

    case 2:
        return -(int64_t) (ngx_http_ai_test_random() % 1000);

    default:
        value = (int64_t) ngx_http_ai_test_random() << 31
                | ngx_http_ai_test_random();
        return value >> ngx_http_ai_test_random() % 60;
    }
}


static void
ngx_http_ai_test_fill(void *to, const ngx_http_ai_record_field_t *fields,
    ngx_uint_t n)
{
    u_char      *p;
    int64_t      value;
    ngx_str_t    s;
    ngx_uint_t   i;

    for (i = 0; i < n; i++) {
        p = (u_char *) to + fields[i].offset;

        if (fields[i].kind == ngx_http_ai_record_str) {
            s = ngx_http_ai_test_word();
            memcpy(p, &s, sizeof(s));

        } else {
            value = ngx_http_ai_test_number();
            memcpy(p, &value, sizeof(value));
        }
    }
}


static void
ngx_http_ai_test_same(const void *got, const void *want,
    const ngx_http_ai_record_field_t *fields, ngx_uint_t n)
{
    size_t            len, most;
    ngx_uint_t        i;
    const ngx_str_t  *g, *w;

    for (i = 0; i < n; i++) {
        ngx_http_ai_test_note = (const char *) fields[i].name.data;

        if (fields[i].kind != ngx_http_ai_record_str) {
            t_eq(ngx_http_ai_record_get_int(got, &fields[i]),
                 ngx_http_ai_record_get_int(want, &fields[i]));
            continue;
        }

        g = ngx_http_ai_record_get_str(got, &fields[i]);
        w = ngx_http_ai_record_get_str(want, &fields[i]);

        most = strcmp(ngx_http_ai_test_note, "trail") == 0 ? 512 : 255;
        len = ngx_min(w->len, most);

        t_ok(g->len == len || (w->len > most && g->len + 3 >= len));
        t_mem(g->data, g->len, w->data, g->len);
    }

    ngx_http_ai_test_note = NULL;
}


static void
ngx_http_ai_test_texts(void)
{
    size_t  i;

    for (i = 0; i < sizeof(ngx_http_ai_test_text); i++) {
        ngx_http_ai_test_text[i] = ngx_http_ai_test_random();

        if (ngx_http_ai_test_text[i] == '/') {
            ngx_http_ai_test_text[i] = '.';
        }
    }
}


static void
ngx_http_ai_test_random_ones(void)
{
    size_t                      len;
    u_char                      buf[NGX_HTTP_AI_TRAIL_PACKED], *exact;
    ngx_str_t                   packed;
    ngx_uint_t                  i, n, round;
    ngx_http_ai_record_t        rec, got;
    ngx_http_ai_trail_item_t    items[12], item;
    ngx_http_ai_trail_pack_t    pack;
    ngx_http_ai_trail_reader_t  reader;

    ngx_http_ai_test_texts();

    for (round = 0; round < 3000; round++) {

        ngx_http_ai_test_fill(&rec, ngx_http_ai_record_fields,
                              NGX_HTTP_AI_RECORD_FIELDS);
        ngx_http_ai_trail_begin(&pack, buf, &rec);

        n = ngx_http_ai_test_random() % 12;

        for (i = 0; i < n; i++) {

            if (i % 2) {
                ngx_http_ai_test_fill(&items[i].try,
                                      ngx_http_ai_trail_try_fields,
                                      NGX_HTTP_AI_TRAIL_TRY_FIELDS);
                ngx_http_ai_trail_add_try(&pack, &items[i].try);

            } else {
                ngx_http_ai_test_fill(&items[i].left,
                                      ngx_http_ai_trail_left_fields,
                                      NGX_HTTP_AI_TRAIL_LEFT_FIELDS);
                ngx_http_ai_trail_add_left(&pack, &items[i].left);
            }
        }

        len = ngx_http_ai_trail_end(&pack);
        t_ok(len <= sizeof(buf));

        exact = ngx_http_ai_test_dup(buf, len);
        packed.data = exact;
        packed.len = len;

        t_eq(ngx_http_ai_trail_open(&reader, &packed, &got), NGX_OK);
        ngx_http_ai_test_same(&got, &rec, ngx_http_ai_record_fields,
                              NGX_HTTP_AI_RECORD_FIELDS);

        for (i = 0; i < n; i++) {

            if (len > 6000) {
                /* the last ones may be left out */
                break;
            }

            t_eq(ngx_http_ai_trail_next(&reader, &item),
                 i % 2 ? NGX_HTTP_AI_TRAIL_TRY : NGX_HTTP_AI_TRAIL_LEFT);

            if (i % 2) {
                ngx_http_ai_test_same(&item.try, &items[i].try,
                                      ngx_http_ai_trail_try_fields,
                                      NGX_HTTP_AI_TRAIL_TRY_FIELDS);
            } else {
                ngx_http_ai_test_same(&item.left, &items[i].left,
                                      ngx_http_ai_trail_left_fields,
                                      NGX_HTTP_AI_TRAIL_LEFT_FIELDS);
            }
        }

        if (len <= 6000) {
            t_eq(ngx_http_ai_trail_next(&reader, &item), NGX_DONE);
        }

        free(exact);
    }
}


/* the longest of everything: the record fits, of the lists as much as can */

static void
ngx_http_ai_test_largest(void)
{
    u_char                      buf[NGX_HTTP_AI_TRAIL_PACKED];
    int64_t                     least;
    ngx_int_t                   rc;
    ngx_str_t                   packed, s;
    ngx_uint_t                  i, n;
    ngx_http_ai_record_t        rec, got;
    ngx_http_ai_trail_try_t     try;
    ngx_http_ai_trail_item_t    item;
    ngx_http_ai_trail_pack_t    pack;
    ngx_http_ai_trail_reader_t  reader;

    memset(ngx_http_ai_test_text, 0xbf, sizeof(ngx_http_ai_test_text));
    memset(&try, 0, sizeof(try));

    s.data = ngx_http_ai_test_text;
    s.len = sizeof(ngx_http_ai_test_text);
    least = INT64_MIN + 1;

    for (i = 0; i < NGX_HTTP_AI_RECORD_FIELDS; i++) {
        t_ok(ngx_http_ai_record_fields[i].name.len != 0);

        if (ngx_http_ai_record_fields[i].kind == ngx_http_ai_record_str) {
            memcpy((u_char *) &rec + ngx_http_ai_record_fields[i].offset, &s,
                   sizeof(s));
        } else {
            memcpy((u_char *) &rec + ngx_http_ai_record_fields[i].offset,
                   &least, sizeof(least));
        }
    }

    try.account = s;
    try.model = s;

    ngx_http_ai_trail_begin(&pack, buf, &rec);

    for (i = 0; i < 100; i++) {
        try.start_ms = i;
        ngx_http_ai_trail_add_try(&pack, &try);
    }

    packed.data = buf;
    packed.len = ngx_http_ai_trail_end(&pack);
    t_ok(packed.len > 7000 && packed.len <= sizeof(buf));

    t_eq(ngx_http_ai_trail_open(&reader, &packed, &got), NGX_OK);
    t_eq(got.trail.len, 512);
    t_eq(got.outcome.len, 255);
    t_ok(got.drill == least);

    n = 0;

    while ((rc = ngx_http_ai_trail_next(&reader, &item)) > 0) {
        t_eq(item.try.start_ms, n);
        n++;
    }

    t_eq(rc, NGX_DONE);
    t_ok(n > 0 && n < 100);
}


static void
ngx_http_ai_test_example(u_char *buf, ngx_str_t *packed)
{
    ngx_http_ai_record_t      rec;
    ngx_http_ai_trail_try_t   try;
    ngx_http_ai_trail_left_t  left;
    ngx_http_ai_trail_pack_t  pack;

    static const ngx_str_t  id = ngx_string("0123456789abcdef/0");

#define set(member, text)                                                     \
    member.data = (u_char *) text; member.len = sizeof(text) - 1

    ngx_http_ai_record_init(&rec);
    memset(&try, 0, sizeof(try));
    memset(&left, 0, sizeof(left));

    rec.event_id = id;
    rec.ts_ms = 1000000;
    set(rec.request_id, "mine");
    set(rec.key_id, "search-ui");
    set(rec.team, "search");
    set(rec.model_requested, "gpt");
    set(rec.model_served, "gpt-2024");
    set(rec.outcome, "ok");
    set(rec.fallback, "account");
    set(rec.account, "openai_b");

    ngx_http_ai_trail_begin(&pack, buf, &rec);

    set(try.account, "openai_a");
    ngx_http_ai_trail_add_try(&pack, &try);
    set(try.account, "openai_b");
    ngx_http_ai_trail_add_try(&pack, &try);
    set(left.account, "azure");
    ngx_http_ai_trail_add_left(&pack, &left);

    packed->data = buf;
    packed->len = ngx_http_ai_trail_end(&pack);

    t_eq(ngx_http_ai_trail_ts(packed->data), 1000000);
}


static ngx_uint_t
ngx_http_ai_test_found(ngx_http_ai_trail_filter_t *filter,
    const ngx_str_t *packed)
{
    ngx_http_ai_record_t        rec;
    ngx_http_ai_trail_reader_t  reader;

    ngx_http_ai_trail_filter(filter);

    if (!ngx_http_ai_trail_maybe(filter, packed)) {
        return 0;
    }

    return ngx_http_ai_trail_open(&reader, packed, &rec) == NGX_OK
           && ngx_http_ai_trail_matches(filter, packed, &rec);
}


static void
ngx_http_ai_test_filters(void)
{
    u_char                      buf[NGX_HTTP_AI_TRAIL_PACKED];
    ngx_str_t                   packed;
    ngx_uint_t                  i;
    ngx_http_ai_trail_filter_t  filter;

    static const struct {
        size_t       offset;
        const char  *value;
        ngx_uint_t   found;
    } cases[] = {
#define of(member)  offsetof(ngx_http_ai_trail_filter_t, member)
        { of(key), "search-ui", 1 }, { of(key), "search-u", 0 },
        { of(key), "search", 0 },
        { of(team), "search", 1 }, { of(team), "Search", 0 },
        { of(model), "gpt", 1 }, { of(model), "gpt-2024", 1 },
        { of(model), "gpt-4", 0 },
        { of(account), "openai_a", 1 }, { of(account), "openai_b", 1 },
        { of(account), "azure", 0 }, { of(account), "openai_c", 0 },
        { of(outcome), "ok", 1 }, { of(outcome), "error", 0 },
        { of(fallback), "account", 1 }, { of(fallback), "provider", 0 },
        { of(fallback), "any", 1 }, { of(fallback), "none", 0 },
        { of(event_id), "0123456789abcdef", 1 },
        { of(event_id), "0123456789abcdef/0", 0 },
        { of(request_id), "mine", 1 }, { of(request_id), "yours", 0 }
    };

    ngx_http_ai_test_example(buf, &packed);

    memset(&filter, 0, sizeof(filter));
    t_eq(ngx_http_ai_test_found(&filter, &packed), 1);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ngx_str_t  s;

        ngx_http_ai_test_note = cases[i].value;

        s.data = (u_char *) cases[i].value;
        s.len = strlen(cases[i].value);

        memset(&filter, 0, sizeof(filter));
        memcpy((u_char *) &filter + cases[i].offset, &s, sizeof(s));
        t_eq(ngx_http_ai_test_found(&filter, &packed), cases[i].found);
    }

    ngx_http_ai_test_note = NULL;

    /* either of two ids */

    memset(&filter, 0, sizeof(filter));
    set(filter.event_id, "mine");
    set(filter.request_id, "mine");
    t_eq(ngx_http_ai_test_found(&filter, &packed), 1);
    set(filter.event_id, "0123456789abcdef");
    set(filter.request_id, "0123456789abcdef");
    t_eq(ngx_http_ai_test_found(&filter, &packed), 1);
    set(filter.event_id, "x");
    set(filter.request_id, "0123456789abcdef");
    t_eq(ngx_http_ai_test_found(&filter, &packed), 0);

    /* all of several */

    memset(&filter, 0, sizeof(filter));
    set(filter.team, "search");
    set(filter.fallback, "any");
    filter.since_ms = 1000000;
    t_eq(ngx_http_ai_test_found(&filter, &packed), 1);
    filter.since_ms++;
    set(filter.fallback, "any");
    t_eq(ngx_http_ai_test_found(&filter, &packed), 0);
    filter.since_ms = 0;
    set(filter.fallback, "none");
    t_eq(ngx_http_ai_test_found(&filter, &packed), 0);
}


/* each byte and each length of a packed one spoiled in turn */

static void
ngx_http_ai_test_spoiled(void)
{
    u_char                      buf[NGX_HTTP_AI_TRAIL_PACKED], *exact;
    size_t                      n;
    ngx_int_t                   rc;
    ngx_str_t                   packed, part;
    ngx_uint_t                  i, bad;
    ngx_http_ai_record_t        rec;
    ngx_http_ai_trail_item_t    item;
    ngx_http_ai_trail_filter_t  filter;
    ngx_http_ai_trail_reader_t  reader;

    ngx_http_ai_test_example(buf, &packed);
    bad = 0;

    for (i = 0; i < 8 * packed.len; i++) {

        n = i % 2 ? packed.len : i / 8;
        exact = ngx_http_ai_test_dup(buf, n);

        if (n > i / 8) {
            exact[i / 8] ^= (u_char) (1 << i % 8);
        }

        part.data = exact;
        part.len = n;

        memset(&filter, 0, sizeof(filter));
        set(filter.account, "azure");
        (void) ngx_http_ai_test_found(&filter, &part);

        rc = ngx_http_ai_trail_open(&reader, &part, &rec);

        while (rc == NGX_OK || rc > 0) {
            rc = ngx_http_ai_trail_next(&reader, &item);
        }

        bad += (rc == NGX_ERROR);
        free(exact);
    }

    t_ok(bad > packed.len);
}


static const ngx_http_ai_test_t  tests[] = {
    { "random ones come back as they were", ngx_http_ai_test_random_ones },
    { "the longest of everything", ngx_http_ai_test_largest },
    { "filters", ngx_http_ai_test_filters },
    { "spoiled bytes", ngx_http_ai_test_spoiled },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
