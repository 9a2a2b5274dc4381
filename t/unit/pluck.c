
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_pluck.h"

#include <math.h>


#define T(type)  NGX_HTTP_AI_PLUCK_ ## type


/* one path of one document, kept apart so that a read past the end is seen */

static ngx_http_ai_pluck_t
ngx_http_ai_test_one(const char *json, const char *path, u_char *buf,
    size_t size, ngx_int_t want)
{
    u_char               *p;
    size_t                n;
    ngx_http_ai_pluck_t   item;

    memset(&item, 0xa5, sizeof(item));
    item.path = path;
    item.buf = buf;
    item.size = size;

    ngx_http_ai_test_note = json;

    n = strlen(json);
    p = ngx_http_ai_test_dup(json, n);
    t_eq(ngx_http_ai_pluck(p, n, &item, 1), want);
    free(p);

    return item;
}


static void
ngx_http_ai_test_paths(void)
{
    ngx_uint_t           i;
    ngx_http_ai_pluck_t  item;

    static const char  json[] =
        "{\"a\":1,\"ab\":2,\"b\":{\"a\":3,\"b\":{\"c\":4}},"
        "\"l\":[5,[6,7],{\"a\":8},{\"a\":9,\"z\":[]},\"x\"],"
        "\"[]\":{\"a\":10},\"\":11,\"d.e\":12,\"us\\u0061ge\":13}";

    static const struct {
        const char                *path;
        ngx_http_ai_pluck_type_e   type;
        int64_t                    integer;
    } cases[] = {
        { "", T(OBJECT), 0 },
        { "a", T(INT), 1 },
        { "ab", T(INT), 2 },
        { "abc", T(NONE), 0 },
        { "b", T(OBJECT), 0 },
        { "b.a", T(INT), 3 },
        { "b.b", T(OBJECT), 0 },
        { "b.b.c", T(INT), 4 },
        { "b.c", T(NONE), 0 },
        { "a.b", T(NONE), 0 },
        { "l", T(ARRAY), 5 },
        { "l.[]", T(STRING), 0 },
        { "l.[].[]", T(INT), 7 },
        { "l.[].a", T(INT), 9 },
        { "l.[].z", T(ARRAY), 0 },
        { "l.a", T(NONE), 0 },
        { "[]", T(NONE), 0 },
        { "[].a", T(NONE), 0 },
        { "d", T(NONE), 0 },
        { "d.e", T(NONE), 0 },
        { "usage", T(INT), 13 },
        { NULL, T(NONE), 0 }
    };

    for (i = 0; cases[i].path; i++) {
        item = ngx_http_ai_test_one(json, cases[i].path, NULL, 0, NGX_OK);
        ngx_http_ai_test_note = cases[i].path;
        t_eq(item.type, cases[i].type);
        t_eq(item.integer, cases[i].integer);
    }
}


static void
ngx_http_ai_test_top(void)
{
    u_char               buf[16];
    ngx_http_ai_pluck_t  item;

    item = ngx_http_ai_test_one(" 17 ", "", NULL, 0, NGX_OK);
    t_eq(item.type, T(INT));
    t_eq(item.integer, 17);

    item = ngx_http_ai_test_one("\"x\"", "", buf, sizeof(buf), NGX_OK);
    t_mem(buf, item.len, "x", 1);

    item = ngx_http_ai_test_one("null", "", NULL, 0, NGX_OK);
    t_eq(item.type, T(NULL));

    item = ngx_http_ai_test_one("null", "a", NULL, 0, NGX_OK);
    t_eq(item.type, T(NONE));

    item = ngx_http_ai_test_one("[{\"error\":{\"code\":429}}]",
                                "[].error.code", NULL, 0, NGX_OK);
    t_eq(item.integer, 429);

    item = ngx_http_ai_test_one("[1,2,[3,4,5]]", "", NULL, 0, NGX_OK);
    t_eq(item.type, T(ARRAY));
    t_eq(item.integer, 3);
}


static void
ngx_http_ai_test_last_wins(void)
{
    u_char               buf[16];
    ngx_uint_t           i;
    ngx_http_ai_pluck_t  item;

    static const struct {
        const char                *json;
        ngx_http_ai_pluck_type_e   type;
        int64_t                    integer;
        size_t                     len;
    } cases[] = {
        { "{\"a\":1,\"a\":2}", T(INT), 2, 1 },
        { "{\"a\":1,\"a\":null}", T(INT), 1, 1 },
        { "{\"a\":null,\"a\":1}", T(INT), 1, 1 },
        { "{\"a\":null}", T(NULL), 0, 0 },
        { "{\"a\":\"long\",\"a\":7}", T(INT), 7, 1 },
        { "{\"a\":7,\"a\":\"long\"}", T(STRING), 0, 4 },
        { "{\"a\":\"x\",\"a\":{}}", T(OBJECT), 0, 0 },
        { "{\"a\":\"x\",\"a\":[1,2]}", T(ARRAY), 2, 0 },
        { "{\"a\":true,\"a\":false}", T(BOOL), 0, 0 },
        { "{\"a\":false,\"a\":true}", T(BOOL), 1, 0 },
        { NULL, T(NONE), 0, 0 }
    };

    for (i = 0; cases[i].json; i++) {
        item = ngx_http_ai_test_one(cases[i].json, "a", buf, sizeof(buf),
                                    NGX_OK);
        t_eq(item.type, cases[i].type);
        t_eq(item.integer, cases[i].integer);
        t_eq(item.len, cases[i].len);
    }

    item = ngx_http_ai_test_one(
        "{\"choices\":[{\"finish_reason\":\"stop\"},"
        "{\"finish_reason\":null}]}",
        "choices.[].finish_reason", buf, sizeof(buf), NGX_OK);
    t_mem(buf, item.len, "stop", 4);
}


static void
ngx_http_ai_test_numbers(void)
{
    u_char               buf[64];
    ngx_uint_t           i;
    ngx_http_ai_pluck_t  item;

    static const struct {
        const char                *json;
        ngx_http_ai_pluck_type_e   type;
        int64_t                    integer;
        double                     number;
    } cases[] = {
        { "0", T(INT), 0, 0 },
        { "-0", T(INT), 0, 0 },
        { "-17", T(INT), -17, -17 },
        { "123456789012345678", T(INT), 123456789012345678,
          123456789012345678. },
        { "9223372036854775807", T(INT), INT64_MAX, 9223372036854775807. },
        { "-9223372036854775807", T(INT), -INT64_MAX, -9223372036854775807. },
        { "9999999999999999999", T(INT), INT64_MAX, 1e19 },
        { "99999999999999999999", T(INT), INT64_MAX, 1e20 },
        { "999999999999999999", T(INT), 999999999999999999, 1e18 },
        { "9223372036854775808", T(INT), INT64_MAX, 9223372036854775808. },
        { "-9223372036854775809", T(INT), INT64_MIN, -9223372036854775808. },
        { "123456789012345678901234567890", T(INT), INT64_MAX,
          123456789012345678901234567890. },
        { "1.5", T(DOUBLE), 1, 1.5 },
        { "-1.5", T(DOUBLE), -1, -1.5 },
        { "12.0", T(DOUBLE), 12, 12 },
        { "0.00219855", T(DOUBLE), 0, 0.00219855 },
        { "6e-05", T(DOUBLE), 0, 6e-05 },
        { "3.4e-07", T(DOUBLE), 0, 3.4e-07 },
        { "1e3", T(DOUBLE), 1000, 1000 },
        { "1.25E+2", T(DOUBLE), 125, 125 },
        { "100e-2", T(DOUBLE), 1, 1 },
        { "0.0", T(DOUBLE), 0, 0 },
        { "0e999999999999999999999", T(DOUBLE), 0, 0 },
        { "1e-999999999999999999999", T(DOUBLE), 0, 0 },
        { "1e400", T(DOUBLE), INT64_MAX, HUGE_VAL },
        { "-1e9999999", T(DOUBLE), INT64_MIN, -HUGE_VAL },
        { "0.000000000000000000000000000001", T(DOUBLE), 0, 1e-30 },
        { "1.7976931348623157e308", T(DOUBLE), INT64_MAX,
          1.7976931348623157e308 },
        { NULL, T(NONE), 0, 0 }
    };

    for (i = 0; cases[i].json; i++) {
        item = ngx_http_ai_test_one(cases[i].json, "", buf, sizeof(buf),
                                    NGX_OK);
        t_eq(item.type, cases[i].type);
        t_eq(item.integer, cases[i].integer);
        t_mem(buf, item.len, cases[i].json, strlen(cases[i].json));

        if (cases[i].number == 0 || cases[i].number - cases[i].number != 0) {
            t_ok(item.number == cases[i].number);

        } else {
            t_ok(item.number / cases[i].number > 1 - 1e-15
                 && item.number / cases[i].number < 1 + 1e-15);
        }
    }

    /* the text is cut as a string is, the values are not */

    item = ngx_http_ai_test_one("12345", "", buf, 3, NGX_OK);
    t_mem(buf, item.len, "123", 3);
    t_eq(item.integer, 12345);
}


static void
ngx_http_ai_test_strings(void)
{
    u_char              *buf;
    size_t               size;
    ngx_uint_t           i;
    ngx_http_ai_pluck_t  item;

    static const struct {
        const char  *json;
        size_t       size;
        const char  *want;
    } cases[] = {
        { "{\"a\":\"\"}", 4, "" },
        { "{\"a\":\"abc\"}", 4, "abc" },
        { "{\"a\":\"abcd\"}", 4, "abcd" },
        { "{\"a\":\"abcde\"}", 4, "abcd" },
        { "{\"a\":\"a\\n\\\"\\u0041\\u00e9\"}", 16, "a\n\"A\xc3\xa9" },
        { "{\"a\":\"\\ud83d\\ude00\"}", 4, "\xf0\x9f\x98\x80" },
        { "{\"a\":\"abc\xc3\xa9\"}", 5, "abc\xc3\xa9" },
        { "{\"a\":\"abc\xc3\xa9\"}", 4, "abc" },
        { "{\"a\":\"ab\xe2\x82\xac\"}", 4, "ab" },
        { "{\"a\":\"\xf0\x9f\x98\x80\"}", 3, "" },
        { "{\"a\":\"\xf0\x9f\x98\x80z\"}", 4, "\xf0\x9f\x98\x80" },
        { "{\"a\":\"\x80\x80\x80\x80\x80\"}", 4, "\x80\x80\x80\x80" },
        { "{\"a\":\"ab\xff\xff\"}", 3, "ab\xff" },
        { NULL, 0, NULL }
    };

    for (i = 0; cases[i].json; i++) {
        size = cases[i].size;
        buf = malloc(size);
        item = ngx_http_ai_test_one(cases[i].json, "a", buf, size, NGX_OK);
        t_eq(item.type, T(STRING));
        t_mem(buf, item.len, cases[i].want, strlen(cases[i].want));
        free(buf);

        item = ngx_http_ai_test_one(cases[i].json, "a", NULL, 0, NGX_OK);
        t_eq(item.type, T(STRING));
        t_eq(item.len, 0);
    }
}


static void
ngx_http_ai_test_errors(void)
{
    ngx_uint_t           i;
    ngx_http_ai_pluck_t  item;

    static const char  *bad[] = {
        "", " ", "{", "{\"a\":1", "{\"a\":}", "{\"a\":1,}", "[1,]", "nul",
        "{\"a\":1}x", "{\"a\":1}{}", "{\"a\":01}", "\"", "<html>",
        "data: {}", "{\"a\":\"\n\"}", NULL
    };

    for (i = 0; bad[i]; i++) {
        (void) ngx_http_ai_test_one(bad[i], "a", NULL, 0, NGX_ERROR);
    }

    /* what stood before the error stays */

    item = ngx_http_ai_test_one("{\"a\":5,\"b\":[1,2", "a", NULL, 0,
                                NGX_ERROR);
    t_eq(item.type, T(INT));
    t_eq(item.integer, 5);

    item = ngx_http_ai_test_one("{\"a\":5", "b", NULL, 0, NGX_ERROR);
    t_eq(item.type, T(NONE));

    /* bytes that are no UTF-8 do not hide the rest */

    item = ngx_http_ai_test_one("{\"m\":\"\xff\xc3\",\"a\":5}", "a", NULL, 0,
                                NGX_OK);
    t_eq(item.integer, 5);
}


static void
ngx_http_ai_test_depth(void)
{
    char                 *json, path[300];
    size_t                d, i, n;
    ngx_http_ai_pluck_t   item;

    static const size_t  levels[] = { 1, 2, 63, 64, 65, 100000 };

    json = malloc(700000);

    for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        n = 0;

        for (d = 0; d < levels[i]; d++) {
            n += sprintf(json + n, (d % 2) ? "[" : "{\"a\":");
        }

        json[n++] = '7';

        while (d-- > 0) {
            json[n++] = (d % 2) ? ']' : '}';
        }

        json[n] = '\0';

        if (levels[i] > NGX_HTTP_AI_PLUCK_MAX_DEPTH) {
            (void) ngx_http_ai_test_one(json, "a", NULL, 0, NGX_ERROR);
            continue;
        }

        n = 0;
        path[0] = '\0';

        for (d = 0; d < levels[i]; d++) {
            n += sprintf(path + n, "%s%s", d ? "." : "", (d % 2) ? "[]" : "a");
        }

        item = ngx_http_ai_test_one(json, path, NULL, 0, NGX_OK);
        t_eq(item.integer, 7);
    }

    ngx_http_ai_test_note = NULL;
    free(json);
}


/* the whole set: each of 64 items finds its own, one more is refused */

static void
ngx_http_ai_test_many(void)
{
    char                  json[2048], names[65][8];
    size_t                n;
    ngx_uint_t            i;
    ngx_http_ai_pluck_t   items[65];

    n = sprintf(json, "{");

    for (i = 0; i < 65; i++) {
        n += sprintf(json + n, "%s\"n%u\":%u", i ? "," : "", (unsigned) i,
                     (unsigned) i * 3);
        sprintf(names[i], "n%u", (unsigned) i);
    }

    n += sprintf(json + n, "}");

    memset(items, 0, sizeof(items));

    for (i = 0; i < 65; i++) {
        items[i].path = names[i];
    }

    t_eq(ngx_http_ai_pluck((u_char *) json, n, items, 64), NGX_OK);

    for (i = 0; i < 64; i++) {
        t_eq(items[i].type, T(INT));
        t_eq(items[i].integer, i * 3);
    }

    t_eq(ngx_http_ai_pluck((u_char *) json, n, items, 65), NGX_ERROR);
    t_eq(ngx_http_ai_pluck((u_char *) json, n, NULL, 0), NGX_OK);

    /* the same path twice, and paths through one another */

    items[0].path = "n7";
    items[1].path = "n7";
    items[2].path = "";
    items[3].path = "n7.x";

    t_eq(ngx_http_ai_pluck((u_char *) json, n, items, 4), NGX_OK);
    t_eq(items[0].integer, 21);
    t_eq(items[1].integer, 21);
    t_eq(items[2].type, T(OBJECT));
    t_eq(items[3].type, T(NONE));
}


/* truncated everywhere: never more than the whole, never a wrong value */

static void
ngx_http_ai_test_truncated(void)
{
    u_char               *p, buf[8];
    size_t                n;
    ngx_int_t             rc;
    ngx_http_ai_pluck_t   items[3];

    static const char  json[] =
        "{\"error\":{\"code\":429,\"type\":\"rate\\u005flimit\"},\"z\":[1]}";

    for (n = 0; n < sizeof(json); n++) {
        memset(items, 0, sizeof(items));
        items[0].path = "error.code";
        items[1].path = "error.type";
        items[1].buf = buf;
        items[1].size = sizeof(buf);
        items[2].path = "z";

        p = ngx_http_ai_test_dup(json, n);
        rc = ngx_http_ai_pluck(p, n, items, 3);
        free(p);

        t_eq(rc, n == sizeof(json) - 1 ? NGX_OK : NGX_ERROR);

        if (n < sizeof(json) - 1) {
            t_ok(items[0].type == T(NONE)
                 || (items[0].type == T(INT) && items[0].integer == 429));
            t_ok(items[1].type == T(NONE)
                 || (items[1].len == 8
                     && memcmp(buf, "rate_lim", 8) == 0));
        }

        if (n == sizeof(json) - 1) {
            t_eq(items[0].integer, 429);
            t_mem(buf, items[1].len, "rate_lim", 8);
            t_eq(items[2].integer, 1);
            break;
        }
    }
}


static const ngx_http_ai_test_t  ngx_http_ai_tests[] = {
    { "paths", ngx_http_ai_test_paths },
    { "the top value", ngx_http_ai_test_top },
    { "the last one wins, a null does not", ngx_http_ai_test_last_wins },
    { "numbers", ngx_http_ai_test_numbers },
    { "strings", ngx_http_ai_test_strings },
    { "errors", ngx_http_ai_test_errors },
    { "depth", ngx_http_ai_test_depth },
    { "many items", ngx_http_ai_test_many },
    { "truncated everywhere", ngx_http_ai_test_truncated },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(ngx_http_ai_tests);
}
