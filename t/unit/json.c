
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_json.h"


#define NMEMBERS  4
#define BUFSIZE   24


/* everything that a scan tells, without the pointers */

typedef struct {
    ngx_int_t                 rc;
    ngx_http_ai_json_error_e  error;
    off_t                     offset;
    off_t                     object;
    ngx_uint_t                empty;

    struct {
        off_t                    start;
        off_t                    end;
        off_t                    quote;
        off_t                    comma;
        off_t                    next;
        size_t                   len;
        ngx_http_ai_json_type_e  type;
        u_char                   buf[BUFSIZE];
    } m[NMEMBERS];
} ngx_http_ai_test_scan_t;


typedef struct {
    const char               *json;
    ngx_http_ai_json_error_e  error;
    off_t                     offset;     /* -1: at the end */
} ngx_http_ai_test_case_t;


static const char  *ngx_http_ai_test_names[NMEMBERS] = {
    "model", "stream", "max_tokens", "stream_options"
};


static void
ngx_http_ai_test_fill(ngx_http_ai_test_scan_t *scan, ngx_http_ai_json_t *js,
    ngx_http_ai_json_member_t *m)
{
    ngx_uint_t  i;

    scan->error = js->error;
    scan->offset = js->offset;
    scan->object = js->object;
    scan->empty = js->empty;

    for (i = 0; i < NMEMBERS; i++) {
        scan->m[i].start = m[i].start;
        scan->m[i].end = m[i].end;
        scan->m[i].quote = m[i].quote;
        scan->m[i].comma = m[i].comma;
        scan->m[i].next = m[i].next;
        scan->m[i].len = m[i].len;
        scan->m[i].type = m[i].type;
    }
}


/* scans p cut at "a" and "b"; each piece is memory of its own */

static void
ngx_http_ai_test_scan(ngx_http_ai_test_scan_t *scan, const u_char *p,
    size_t n, size_t a, size_t b, ngx_uint_t strict)
{
    size_t                     i, len[3];
    u_char                    *piece;
    ngx_int_t                  rc;
    ngx_http_ai_json_t         js;
    ngx_http_ai_json_member_t  m[NMEMBERS];

    memset(scan, 0, sizeof(ngx_http_ai_test_scan_t));
    memset(m, 0xa5, sizeof(m));

    for (i = 0; i < NMEMBERS; i++) {
        m[i].name.data = (u_char *) ngx_http_ai_test_names[i];
        m[i].name.len = strlen(ngx_http_ai_test_names[i]);
        m[i].buf = scan->m[i].buf;
        m[i].size = BUFSIZE;
        m[i].inner = NULL;
    }

    ngx_http_ai_json_init(&js, m, NMEMBERS, strict);

    len[0] = a;
    len[1] = b - a;
    len[2] = n - b;
    rc = NGX_OK;

    for (i = 0; i < 3; i++) {
        piece = ngx_http_ai_test_dup(p, len[i]);
        rc = ngx_http_ai_json_feed(&js, piece, len[i]);
        free(piece);

        p += len[i];

        if (rc != NGX_OK) {
            t_eq(ngx_http_ai_json_feed(&js, (u_char *) "}", 1), NGX_ERROR);
            break;
        }
    }

    if (rc == NGX_OK) {
        rc = ngx_http_ai_json_end(&js);
        t_ok((rc == NGX_OK) == (js.error == NGX_HTTP_AI_JSON_EOK));

    } else {
        t_ok(js.error != NGX_HTTP_AI_JSON_EOK);
    }

    scan->rc = rc;
    ngx_http_ai_test_fill(scan, &js, m);
}


/* one byte at a time, with empty pieces between */

static void
ngx_http_ai_test_drip(ngx_http_ai_test_scan_t *scan, const u_char *p,
    size_t n, ngx_uint_t strict)
{
    size_t                     i;
    u_char                     ch;
    ngx_http_ai_json_t         js;
    ngx_http_ai_json_member_t  m[NMEMBERS];

    memset(scan, 0, sizeof(ngx_http_ai_test_scan_t));

    for (i = 0; i < NMEMBERS; i++) {
        m[i].name.data = (u_char *) ngx_http_ai_test_names[i];
        m[i].name.len = strlen(ngx_http_ai_test_names[i]);
        m[i].buf = scan->m[i].buf;
        m[i].size = BUFSIZE;
        m[i].inner = NULL;
    }

    ngx_http_ai_json_init(&js, m, NMEMBERS, strict);
    scan->rc = NGX_OK;

    for (i = 0; i < n && scan->rc == NGX_OK; i++) {
        ch = p[i];
        (void) ngx_http_ai_json_feed(&js, NULL, 0);
        scan->rc = ngx_http_ai_json_feed(&js, &ch, 1);
    }

    if (scan->rc == NGX_OK) {
        scan->rc = ngx_http_ai_json_end(&js);
    }

    ngx_http_ai_test_fill(scan, &js, m);
}


/* the unsplit result, after every split gave the same */

static ngx_http_ai_test_scan_t
ngx_http_ai_test_all(const char *json, size_t n, ngx_uint_t strict)
{
    size_t                   a, b, i;
    const u_char            *p;
    ngx_http_ai_test_scan_t  whole, split;

    p = (const u_char *) json;
    ngx_http_ai_test_note = json;

    ngx_http_ai_test_scan(&whole, p, n, n, n, strict);

    for (a = 0; a <= n && n <= 4096; a++) {
        ngx_http_ai_test_scan(&split, p, n, a, n, strict);
        t_mem(&split, sizeof(split), &whole, sizeof(whole));
    }

    for (i = 0; i < 100 && n; i++) {
        a = ngx_http_ai_test_random() % (n + 1);
        b = a + ngx_http_ai_test_random() % (n - a + 1);
        ngx_http_ai_test_scan(&split, p, n, a, b, strict);
        t_mem(&split, sizeof(split), &whole, sizeof(whole));
    }

    ngx_http_ai_test_drip(&split, p, n, strict);
    t_mem(&split, sizeof(split), &whole, sizeof(whole));

    return whole;
}


static void
ngx_http_ai_test_cases(const ngx_http_ai_test_case_t *c)
{
    size_t                   n;
    ngx_http_ai_test_scan_t  s;

    for ( /* void */ ; c->json; c++) {
        n = strlen(c->json);
        s = ngx_http_ai_test_all(c->json, n, 1);

        t_eq(s.rc, c->error ? NGX_ERROR : NGX_OK);
        t_eq(s.error, c->error);
        t_eq(s.offset, c->offset == -1 ? (off_t) n : c->offset);
    }
}


static void
ngx_http_ai_test_valid(void)
{
    static const ngx_http_ai_test_case_t  cases[] = {
        { "{}", 0, -1 },
        { " \t\r\n{ \t\r\n} \t\r\n", 0, -1 },
        { "{\"a\":[]}", 0, -1 },
        { "{\"a\":{}}", 0, -1 },
        { "{\"\":\"\"}", 0, -1 },
        { "{ \"a\" : [ ] , \"b\" : { } , \"c\" : [ { } , [ ] , 1 ] }", 0, -1 },
        { "{\"a\":true,\"b\":false,\"c\":null}", 0, -1 },
        { "{\"a\":[true,false,null,\"\",0,-0,[[{}]]]}", 0, -1 },
        { "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\uaBcD\"}", 0, -1 },
        { "{\"a\":\"\\ud800\"}", 0, -1 },
        { "{\"a\":\"\\udc00\\ud800x\"}", 0, -1 },
        { "{\"a\":\"\\u0000\"}", 0, -1 },
        { "{\"a\":\"\x7f\xc3\xa9\xff\xfe\"}", 0, -1 },
        { "{\"a\":{\"b\\u0041\":1}}", 0, -1 },
        { "{\"other\":1,\"other\":2}", 0, -1 },
        { "{\"a\":{\"model\":1,\"model\":2}}", 0, -1 },
        { NULL, 0, 0 }
    };

    ngx_http_ai_test_cases(cases);
}


static void
ngx_http_ai_test_syntax(void)
{
    static const ngx_http_ai_test_case_t  cases[] = {
        { "\xef\xbb\xbf{}", NGX_HTTP_AI_JSON_ESYNTAX, 0 },
        { "}", NGX_HTTP_AI_JSON_ESYNTAX, 0 },
        { "x", NGX_HTTP_AI_JSON_ESYNTAX, 0 },
        { "{,}", NGX_HTTP_AI_JSON_ESYNTAX, 1 },
        { "{]", NGX_HTTP_AI_JSON_ESYNTAX, 1 },
        { "{a:1}", NGX_HTTP_AI_JSON_ESYNTAX, 1 },
        { "{'a':1}", NGX_HTTP_AI_JSON_ESYNTAX, 1 },
        { "{1:1}", NGX_HTTP_AI_JSON_ESYNTAX, 1 },
        { "{\"a\"}", NGX_HTTP_AI_JSON_ESYNTAX, 4 },
        { "{\"a\",\"b\"}", NGX_HTTP_AI_JSON_ESYNTAX, 4 },
        { "{\"a\":}", NGX_HTTP_AI_JSON_ESYNTAX, 5 },
        { "{\"a\":,}", NGX_HTTP_AI_JSON_ESYNTAX, 5 },
        { "{\"a\"::1}", NGX_HTTP_AI_JSON_ESYNTAX, 5 },
        { "{\"a\":1,}", NGX_HTTP_AI_JSON_ESYNTAX, 7 },
        { "{\"a\":1,,}", NGX_HTTP_AI_JSON_ESYNTAX, 7 },
        { "{\"a\":1]", NGX_HTTP_AI_JSON_ESYNTAX, 6 },
        { "{\"a\":1:2}", NGX_HTTP_AI_JSON_ESYNTAX, 6 },
        { "{\"a\":1 2}", NGX_HTTP_AI_JSON_ESYNTAX, 7 },
        { "{\"a\":1\"b\":2}", NGX_HTTP_AI_JSON_ESYNTAX, 6 },
        { "{\"a\":\"b\"\"c\"}", NGX_HTTP_AI_JSON_ESYNTAX, 8 },
        { "{\"a\":[1,]}", NGX_HTTP_AI_JSON_ESYNTAX, 8 },
        { "{\"a\":[,1]}", NGX_HTTP_AI_JSON_ESYNTAX, 6 },
        { "{\"a\":[1}}", NGX_HTTP_AI_JSON_ESYNTAX, 7 },
        { "{\"a\":[1:2]}", NGX_HTTP_AI_JSON_ESYNTAX, 7 },
        { "{\"a\":{\"b\":1]}", NGX_HTTP_AI_JSON_ESYNTAX, 11 },
        { "{\"a\":[{]}]}", NGX_HTTP_AI_JSON_ESYNTAX, 7 },
        { "{\"a\":tru}", NGX_HTTP_AI_JSON_ESYNTAX, 8 },
        { "{\"a\":True}", NGX_HTTP_AI_JSON_ESYNTAX, 5 },
        { "{\"a\":truee}", NGX_HTTP_AI_JSON_ESYNTAX, 9 },
        { "{\"a\":fals1}", NGX_HTTP_AI_JSON_ESYNTAX, 9 },
        { "{\"a\":nul}", NGX_HTTP_AI_JSON_ESYNTAX, 8 },
        { "{\"a\":nil}", NGX_HTTP_AI_JSON_ESYNTAX, 6 },
        { "{\"a\":NaN}", NGX_HTTP_AI_JSON_ESYNTAX, 5 },
        { "{\"a\":\"\\x\"}", NGX_HTTP_AI_JSON_ESYNTAX, 7 },
        { "{\"a\":\"\\u12G4\"}", NGX_HTTP_AI_JSON_ESYNTAX, 10 },
        { "{\"a\":\"\\u123\"}", NGX_HTTP_AI_JSON_ESYNTAX, 11 },
        { "{\"a\":\"\\u/000\"}", NGX_HTTP_AI_JSON_ESYNTAX, 8 },
        { "{\"a\":\"\\u:000\"}", NGX_HTTP_AI_JSON_ESYNTAX, 8 },
        { "{\"a\":\"\\u000`\"}", NGX_HTTP_AI_JSON_ESYNTAX, 11 },
        { "{\"a\":\"\\U0041\"}", NGX_HTTP_AI_JSON_ESYNTAX, 7 },
        { "{\"a\":1}/**/", NGX_HTTP_AI_JSON_ETRAILING, 7 },
        { "{/**/\"a\":1}", NGX_HTTP_AI_JSON_ESYNTAX, 1 },
        { "{\v\"a\":1}", NGX_HTTP_AI_JSON_ESYNTAX, 1 },
        { "{\f\"a\":1}", NGX_HTTP_AI_JSON_ESYNTAX, 1 },
        { "{\"a\":1}{}", NGX_HTTP_AI_JSON_ETRAILING, 7 },
        { "{} x", NGX_HTTP_AI_JSON_ETRAILING, 3 },
        { "{}}", NGX_HTTP_AI_JSON_ETRAILING, 2 },
        { "{}]", NGX_HTTP_AI_JSON_ETRAILING, 2 },
        { "{},", NGX_HTTP_AI_JSON_ETRAILING, 2 },
        { "", NGX_HTTP_AI_JSON_EEMPTY, 0 },
        { " \n\t\r ", NGX_HTTP_AI_JSON_EEMPTY, -1 },
        { "[]", NGX_HTTP_AI_JSON_ENOTOBJECT, 0 },
        { " 1", NGX_HTTP_AI_JSON_ENOTOBJECT, 1 },
        { "-1", NGX_HTTP_AI_JSON_ENOTOBJECT, 0 },
        { "\"a\"", NGX_HTTP_AI_JSON_ENOTOBJECT, 0 },
        { "true", NGX_HTTP_AI_JSON_ENOTOBJECT, 0 },
        { "false", NGX_HTTP_AI_JSON_ENOTOBJECT, 0 },
        { "null", NGX_HTTP_AI_JSON_ENOTOBJECT, 0 },
        { NULL, 0, 0 }
    };

    ngx_http_ai_test_cases(cases);
}


static void
ngx_http_ai_test_numbers(void)
{
    char                     json[128];
    ngx_uint_t               i;
    ngx_http_ai_test_scan_t  s;

    static const char  *good[] = {
        "0", "-0", "1", "-1", "10", "1234567890", "0.0", "0.5", "-0.25",
        "1.5e3", "1E3", "1e+3", "1e-3", "0e0", "0E+00", "1.0e-0",
        "123456789012345678901234567890", "1e999", NULL
    };

    static const char  *bad[] = {
        "-", "+1", "01", "-01", "00", "1.", ".5", "-.5", "1.e3", "1e", "1e+",
        "1e-", "1e+-1", "1e1.5", "1.5.5", "1-1", "1+1", "--1", "0x10", "1_0",
        "1e1e1", "Infinity", "-Infinity", "1f", "1.5E", "e1", NULL
    };

    static const char  *tails[] = { "}", ",\"z\":0}", " }", "\n,\"z\":0}" };

    for (i = 0; good[i / 4]; i++) {
        snprintf(json, sizeof(json), "{\"max_tokens\":%s%s", good[i / 4],
                 tails[i % 4]);
        s = ngx_http_ai_test_all(json, strlen(json), 1);
        t_eq(s.rc, NGX_OK);
        t_eq(s.m[2].type, NGX_HTTP_AI_JSON_NUMBER);
        t_eq(s.m[2].start, 14);
        t_eq(s.m[2].end, 14 + strlen(good[i / 4]));
        t_mem(s.m[2].buf, s.m[2].len, good[i / 4],
              ngx_min(strlen(good[i / 4]), BUFSIZE));

        snprintf(json, sizeof(json), "{\"a\":[%s],\"b\":{\"c\":%s}}",
                 good[i / 4], good[i / 4]);
        t_eq(ngx_http_ai_test_all(json, strlen(json), 1).rc, NGX_OK);
    }

    for (i = 0; bad[i / 4]; i++) {
        snprintf(json, sizeof(json), "{\"max_tokens\":%s%s", bad[i / 4],
                 tails[i % 4]);
        s = ngx_http_ai_test_all(json, strlen(json), 1);
        t_eq(s.error, NGX_HTTP_AI_JSON_ESYNTAX);
    }
}


static void
ngx_http_ai_test_members(void)
{
    const char              *p;
    ngx_http_ai_test_scan_t  s;

    static const char  json[] =
        "{\"messages\":[{\"role\":\"user\",\"model\":\"decoy\","
        "\"content\":\"say \\\"model\\\":\\\"x\\\" {\\\"stream\\\":1}\"}],"
        "\"model\" : \"gpt-4o\" ,\"max_tokens\":17,\"x\":{\"stream\":false},"
        "\"stream_options\":{\"include_usage\":true,\"a\":[1,2]},"
        "\"stream\":true}";

    s = ngx_http_ai_test_all(json, sizeof(json) - 1, 1);

    t_eq(s.rc, NGX_OK);
    t_eq(s.object, 1);
    t_eq(s.empty, 0);

    p = strstr(json, "\"gpt-4o\"");
    t_eq(s.m[0].type, NGX_HTTP_AI_JSON_STRING);
    t_eq(s.m[0].start, p - json);
    t_eq(s.m[0].end, p - json + 8);
    t_mem(s.m[0].buf, s.m[0].len, "\"gpt-4o\"", 8);

    p = strstr(json, "true}");
    t_ok(p != NULL);
    t_eq(s.m[1].type, NGX_HTTP_AI_JSON_TRUE);
    t_eq(s.m[1].start, sizeof(json) - 1 - 5);
    t_eq(s.m[1].end, sizeof(json) - 1 - 1);
    t_mem(s.m[1].buf, s.m[1].len, "true", 4);

    p = strstr(json, "17,");
    t_eq(s.m[2].type, NGX_HTTP_AI_JSON_NUMBER);
    t_eq(s.m[2].start, p - json);
    t_eq(s.m[2].end, p - json + 2);
    t_mem(s.m[2].buf, s.m[2].len, "17", 2);

    /* longer than its buf: cut, with the true offsets */

    p = strstr(json, "{\"include");
    t_eq(s.m[3].type, NGX_HTTP_AI_JSON_OBJECT);
    t_eq(s.m[3].start, p - json);
    t_eq(s.m[3].end, p - json + 32);
    t_mem(s.m[3].buf, s.m[3].len, p, BUFSIZE);
}


/* where a member begins and ends with its name and its commas */

static void
ngx_http_ai_test_commas(void)
{
    const char              *j;
    ngx_http_ai_test_scan_t  s;

    j = "{ \"model\" : [1,2] , \"b\":{\"x\":1,\"y\":2},\"stream\":1,"
        "\"max_tokens\":{\"a\":1,\"b\":[1,2]}\n}";
    s = ngx_http_ai_test_all(j, strlen(j), 1);

    t_eq(s.rc, NGX_OK);

    t_eq(s.m[0].quote, 2);
    t_eq(s.m[0].comma, 0);
    t_eq(s.m[0].next, strchr(j, ']') - j + 3);
    t_mem(j + s.m[0].quote, s.m[0].end - s.m[0].quote, "\"model\" : [1,2]",
          15);

    t_eq(s.m[1].quote, strstr(j, "\"stream") - j);
    t_eq(s.m[1].comma, s.m[1].quote - 1);
    t_eq(s.m[1].next, strstr(j, "\"max") - j);

    t_eq(s.m[2].quote, s.m[1].next);
    t_eq(s.m[2].comma, s.m[1].next - 1);
    t_eq(s.m[2].next, 0);
    t_eq(s.m[2].end, strlen(j) - 2);

    t_eq(s.m[3].quote, 0);

    /* the last of two counts, where that is allowed */

    j = "{\"model\":1,\"model\":2,\"a\":3}";
    s = ngx_http_ai_test_all(j, strlen(j), 0);
    t_eq(s.m[0].quote, 11);
    t_eq(s.m[0].comma, 10);
    t_eq(s.m[0].next, 21);
}


static void
ngx_http_ai_test_types(void)
{
    ngx_uint_t               i;
    char                     json[128];
    ngx_http_ai_test_scan_t  s;

    static const struct {
        const char              *text;
        ngx_http_ai_json_type_e  type;
    } values[] = {
        { "null", NGX_HTTP_AI_JSON_NULL },
        { "true", NGX_HTTP_AI_JSON_TRUE },
        { "false", NGX_HTTP_AI_JSON_FALSE },
        { "-1.5e3", NGX_HTTP_AI_JSON_NUMBER },
        { "\"\"", NGX_HTTP_AI_JSON_STRING },
        { "\"\\\"\\u0041\"", NGX_HTTP_AI_JSON_STRING },
        { "{}", NGX_HTTP_AI_JSON_OBJECT },
        { "{\"model\":{}}", NGX_HTTP_AI_JSON_OBJECT },
        { "[]", NGX_HTTP_AI_JSON_ARRAY },
        { "[[],{},\"]\"]", NGX_HTTP_AI_JSON_ARRAY },
        { NULL, NGX_HTTP_AI_JSON_NONE }
    };

    for (i = 0; values[i].text; i++) {
        snprintf(json, sizeof(json), " {\"model\":\t%s\n,\"z\":[]}",
                 values[i].text);
        s = ngx_http_ai_test_all(json, strlen(json), 1);
        t_eq(s.rc, NGX_OK);
        t_eq(s.object, 2);
        t_eq(s.m[0].type, values[i].type);
        t_eq(s.m[0].start, 11);
        t_mem(s.m[0].buf, s.m[0].len, values[i].text, strlen(values[i].text));
        t_eq(s.m[0].end - s.m[0].start, s.m[0].len);
        t_eq(s.m[1].type, NGX_HTTP_AI_JSON_NONE);
    }
}


static void
ngx_http_ai_test_empty(void)
{
    ngx_http_ai_test_scan_t  s;

    s = ngx_http_ai_test_all("  {  }", 6, 1);
    t_eq(s.empty, 1);
    t_eq(s.object, 3);

    s = ngx_http_ai_test_all("{\"a\":{}}", 8, 1);
    t_eq(s.empty, 0);

    s = ngx_http_ai_test_all("{\"a\":{}", 7, 1);
    t_eq(s.empty, 0);
    t_eq(s.object, 1);

    s = ngx_http_ai_test_all(" x", 2, 1);
    t_eq(s.object, 0);
}


static void
ngx_http_ai_test_duplicates(void)
{
    ngx_http_ai_test_scan_t  s;

    static const char  json[] = "{\"model\":\"a\",\"b\":1,\"model\":\"bc\"}";

    s = ngx_http_ai_test_all(json, sizeof(json) - 1, 1);
    t_eq(s.error, NGX_HTTP_AI_JSON_EDUPLICATE);
    t_eq(s.offset, 25);

    /* an answer: the last one wins, also over a longer one */

    s = ngx_http_ai_test_all(json, sizeof(json) - 1, 0);
    t_eq(s.rc, NGX_OK);
    t_eq(s.m[0].start, 27);
    t_eq(s.m[0].end, 31);
    t_mem(s.m[0].buf, s.m[0].len, "\"bc\"", 4);

    /* ... and a last one that is not complete is none */

    s = ngx_http_ai_test_all("{\"model\":\"a\",\"model\":\"b", 23, 0);
    t_eq(s.error, NGX_HTTP_AI_JSON_ETRUNCATED);
    t_eq(s.m[0].type, NGX_HTTP_AI_JSON_NONE);

    s = ngx_http_ai_test_all("{\"model\":null,\"model\":null}", 27, 1);
    t_eq(s.error, NGX_HTTP_AI_JSON_EDUPLICATE);
}


static void
ngx_http_ai_test_case(void)
{
    ngx_http_ai_test_scan_t  s;

    static const char  json[] = "{\"a\":{\"Model\":1},\"MODEL\":\"b\"}";

    s = ngx_http_ai_test_all(json, sizeof(json) - 1, 1);
    t_eq(s.error, NGX_HTTP_AI_JSON_ECASE);
    t_eq(s.offset, 23);

    /* an answer: it is another name */

    s = ngx_http_ai_test_all(json, sizeof(json) - 1, 0);
    t_eq(s.rc, NGX_OK);
    t_eq(s.m[0].type, NGX_HTTP_AI_JSON_NONE);
}


static void
ngx_http_ai_test_escaped(void)
{
    ngx_http_ai_test_scan_t  s;

    static const char  json[] = "{\"mod\\u0065l\":1,\"stream\":true}";

    s = ngx_http_ai_test_all(json, sizeof(json) - 1, 1);
    t_eq(s.error, NGX_HTTP_AI_JSON_EESCAPED);
    t_eq(s.offset, 5);

    s = ngx_http_ai_test_all(json, sizeof(json) - 1, 0);
    t_eq(s.rc, NGX_OK);
    t_eq(s.m[0].type, NGX_HTTP_AI_JSON_NONE);
    t_eq(s.m[1].type, NGX_HTTP_AI_JSON_TRUE);

    /* an escape after or before the name's own bytes matches nothing */

    s = ngx_http_ai_test_all("{\"model\\n\":1}", 13, 0);
    t_eq(s.rc, NGX_OK);
    t_eq(s.m[0].type, NGX_HTTP_AI_JSON_NONE);

    s = ngx_http_ai_test_all("{\"\\nmodel\":1}", 13, 0);
    t_eq(s.rc, NGX_OK);
    t_eq(s.m[0].type, NGX_HTTP_AI_JSON_NONE);
}


static void
ngx_http_ai_test_names_compared(void)
{
    char                     json[256];
    ngx_uint_t               i;
    ngx_http_ai_test_scan_t  s;

    static const char  *other[] = {
        "mode", "models", "node_", "model ", "", "xmodel", NULL
    };

    for (i = 0; other[i]; i++) {
        snprintf(json, sizeof(json), "{\"%s\":1}", other[i]);
        s = ngx_http_ai_test_all(json, strlen(json), 1);
        t_eq(s.rc, NGX_OK);
        t_eq(s.m[0].type, NGX_HTTP_AI_JSON_NONE);
    }

    /* names longer than MAX_KEY, one of them after its first 64 bytes */

    for (i = 60; i < 70; i++) {
        snprintf(json, sizeof(json),
                 "{\"%0*d\":1,\"%0*dmodel\":2,\"model\":3}",
                 (int) i, 0, (int) i, 0);
        s = ngx_http_ai_test_all(json, strlen(json), 1);
        t_eq(s.rc, NGX_OK);
        t_mem(s.m[0].buf, s.m[0].len, "3", 1);
    }
}


static void
ngx_http_ai_test_max_key(void)
{
    size_t                     i;
    char                       json[256], name[NGX_HTTP_AI_JSON_MAX_KEY + 2];
    ngx_http_ai_json_t         js;
    ngx_http_ai_json_member_t  m;

    memset(name, 'k', sizeof(name));

    for (i = 1; i <= NGX_HTTP_AI_JSON_MAX_KEY; i++) {
        memset(&m, 0, sizeof(m));
        m.name.data = (u_char *) name;
        m.name.len = i;

        snprintf(json, sizeof(json), "{\"%.*s\":1}", (int) i, name);

        ngx_http_ai_json_init(&js, &m, 1, 1);
        t_eq(ngx_http_ai_json_feed(&js, (u_char *) json, strlen(json)),
             NGX_OK);
        t_eq(m.type, NGX_HTTP_AI_JSON_NUMBER);
        t_eq(m.end - m.start, 1);
        t_eq(m.len, 0);

        /* one byte more is another name, even where only 64 are kept */

        snprintf(json, sizeof(json), "{\"%.*s\":1,\"%.*s\":2}", (int) i, name,
                 (int) i + 1, name);

        ngx_http_ai_json_init(&js, &m, 1, 1);
        t_eq(ngx_http_ai_json_feed(&js, (u_char *) json, strlen(json)),
             NGX_OK);
    }

    /* the empty name, on the top and below */

    memset(&m, 0, sizeof(m));
    m.name.data = (u_char *) "";

    ngx_http_ai_json_init(&js, &m, 1, 1);
    t_eq(ngx_http_ai_json_feed(&js, (u_char *) "{\"a\":{\"\":1,\"b\":2}}", 18),
         NGX_OK);
    t_eq(m.type, NGX_HTTP_AI_JSON_NONE);

    ngx_http_ai_json_init(&js, &m, 1, 1);
    t_eq(ngx_http_ai_json_feed(&js, (u_char *) "{\"\":1}", 6), NGX_OK);
    t_eq(m.type, NGX_HTTP_AI_JSON_NUMBER);
}


static void
ngx_http_ai_test_depth(void)
{
    u_char                  *p;
    size_t                   i, n;
    ngx_uint_t               kind;
    ngx_http_ai_test_scan_t  s;

    static const size_t  levels[] = { 1, 63, 64, 65, 127, 128, 129, 130,
                                      100000 };

    p = malloc(700000);

    /* arrays, objects, and both in turn, inside the top object */

    for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        for (kind = 0; kind < 3; kind++) {
            size_t  l, d;

            d = levels[i];
            n = 0;

            for (l = 0; l < d; l++) {
                if (l == 0 || kind == 1 || (kind == 2 && l % 2)) {
                    memcpy(p + n, "{\"a\":", 5);
                    n += 5;

                } else {
                    p[n++] = '[';
                }
            }

            p[n++] = '1';

            for (l = d; l-- > 0; /* void */ ) {
                p[n++] = (l == 0 || kind == 1 || (kind == 2 && l % 2)) ? '}'
                                                                       : ']';
            }

            p[n] = '\0';
            s = ngx_http_ai_test_all((char *) p, n, 1);

            if (d <= NGX_HTTP_AI_JSON_MAX_DEPTH) {
                t_eq(s.error, NGX_HTTP_AI_JSON_EOK);

            } else {
                t_eq(s.error, NGX_HTTP_AI_JSON_EDEPTH);
                t_ok(s.offset < 700);
            }
        }
    }

    free(p);
}


/* a close must match its own open, at every level of the bitmap */

static void
ngx_http_ai_test_bitmap(void)
{
    char                     json[600];
    size_t                   n, l, wrong;
    ngx_http_ai_test_scan_t  s;

    for (wrong = 1; wrong < NGX_HTTP_AI_JSON_MAX_DEPTH; wrong++) {
        n = sprintf(json, "{\"a\":");

        for (l = 1; l < NGX_HTTP_AI_JSON_MAX_DEPTH; l++) {
            n += sprintf(json + n, (l % 3) ? "[" : "{\"\":");
        }

        json[n++] = '0';

        for (l = NGX_HTTP_AI_JSON_MAX_DEPTH; l-- > 1; /* void */ ) {
            json[n++] = ((l % 3 != 0) == (l != wrong)) ? ']' : '}';
        }

        json[n++] = '}';
        json[n] = '\0';

        ngx_http_ai_test_note = json;
        ngx_http_ai_test_scan(&s, (u_char *) json, n, n, n, 1);
        t_eq(s.error, NGX_HTTP_AI_JSON_ESYNTAX);
        t_eq(s.offset, (off_t) (n - 1 - wrong));
    }
}


static void
ngx_http_ai_test_truncated(void)
{
    size_t                   n;
    ngx_http_ai_test_scan_t  s;

    static const char  json[] =
        "{\"model\":\"a\\u0041\\n\",\"a\":[1,-2.5e+3,true,null,{\"b\":false}],"
        "\"stream\":false}";

    for (n = 1; n < sizeof(json) - 1; n++) {
        s = ngx_http_ai_test_all(json, n, 1);
        t_eq(s.error, NGX_HTTP_AI_JSON_ETRUNCATED);
        t_eq(s.offset, (off_t) n);
        t_eq(s.m[0].type, n < 20 ? NGX_HTTP_AI_JSON_NONE
                                 : NGX_HTTP_AI_JSON_STRING);
    }

    s = ngx_http_ai_test_all(json, n, 1);
    t_eq(s.rc, NGX_OK);
}


/* each control byte, at each place of a string longer than a vector */

static void
ngx_http_ai_test_controls(void)
{
    char                      json[64];
    size_t                    at;
    ngx_uint_t                ch;
    ngx_http_ai_test_scan_t   s;
    ngx_http_ai_json_error_e  error;

    for (ch = 0; ch < 256; ch++) {

        if (ch == '"' || ch == '\\') {
            continue;
        }

        error = ch < 0x20 ? NGX_HTTP_AI_JSON_ECONTROL : NGX_HTTP_AI_JSON_EOK;

        for (at = 6; at < 6 + 40; at++) {
            memset(json, 'x', sizeof(json));
            memcpy(json, "{\"a\":\"", 6);
            memcpy(json + 46, "\"}", 2);
            json[at] = (char) ch;

            ngx_http_ai_test_scan(&s, (u_char *) json, 48, 48, 48, 1);
            t_eq(s.error, error);
            t_eq(s.offset, error ? (off_t) at : 48);

            ngx_http_ai_test_scan(&s, (u_char *) json, 48, at, at + 1, 1);
            t_eq(s.error, error);
            t_eq(s.offset, error ? (off_t) at : 48);
        }
    }

    s = ngx_http_ai_test_all("{\"a\nb\":1}", 9, 1);
    t_eq(s.error, NGX_HTTP_AI_JSON_ECONTROL);
    t_eq(s.offset, 3);

    s = ngx_http_ai_test_all("{\"a\":[\"\0\"]}", 11, 1);
    t_eq(s.error, NGX_HTTP_AI_JSON_ECONTROL);
    t_eq(s.offset, 7);

    s = ngx_http_ai_test_all("\0{}", 3, 1);
    t_eq(s.error, NGX_HTTP_AI_JSON_ESYNTAX);
}


/* a quote or a backslash at each place, with its neighbours one bit away */

static void
ngx_http_ai_test_scan_places(void)
{
    char                     json[128];
    size_t                   at, len, n;
    ngx_uint_t               i;
    ngx_http_ai_test_scan_t  s;

    static const char  fill[] = "x!#\xa2\xdc[]\x7f\x80\xff\x20\xa0";

    for (i = 0; fill[i]; i++) {
        for (len = 1; len <= 50; len++) {
            for (at = 0; at < len; at++) {
                n = sprintf(json, "{\"model\":\"");
                memset(json + n, fill[i], len);
                json[n + at] = '\\';
                json[n + at + 1] = '"';
                n += ngx_max(len, at + 2);
                memcpy(json + n, "\",\"z\":0}", 8);
                n += 8;

                ngx_http_ai_test_scan(&s, (u_char *) json, n, n, n, 1);
                t_eq(s.rc, NGX_OK);
                t_eq(s.m[0].end, n - 7);
            }
        }
    }
}


static void
ngx_http_ai_test_huge(void)
{
    u_char                  *p;
    size_t                   n, len;
    ngx_http_ai_test_scan_t  s;

    len = 4 * 1024 * 1024;
    p = malloc(len + 64);

    n = sprintf((char *) p, "{\"a\":\"");
    memset(p + n, '\\', len);                /* an even number */
    n += len;
    n += sprintf((char *) p + n, "\",\"model\":\"m\"}");

    s = ngx_http_ai_test_all((char *) p, n, 1);
    t_eq(s.rc, NGX_OK);
    t_eq(s.m[0].end, (off_t) n - 1);

    /* one backslash more escapes the closing quote */

    p[5] = '\\';
    p[4] = '"';
    p[3] = ':';
    p[2] = '"';
    p[1] = '"';
    s = ngx_http_ai_test_all((char *) p, n, 1);
    t_eq(s.error, NGX_HTTP_AI_JSON_ESYNTAX);
    t_eq(s.offset, (off_t) n - 11);

    free(p);
}


static void
ngx_http_ai_test_offsets(void)
{
    size_t                     i;
    u_char                    *p;
    ngx_http_ai_json_t         js;
    ngx_http_ai_json_member_t  m;

    /* offsets beyond 4 GB */

    memset(&m, 0, sizeof(m));
    m.name.data = (u_char *) "model";
    m.name.len = 5;

    p = malloc(1024 * 1024);
    memset(p, 'x', 1024 * 1024);

    ngx_http_ai_json_init(&js, &m, 1, 1);
    t_eq(ngx_http_ai_json_feed(&js, (u_char *) "{\"a\":\"", 6), NGX_OK);

    for (i = 0; i < 4097; i++) {
        if (ngx_http_ai_json_feed(&js, p, 1024 * 1024) != NGX_OK) {
            break;
        }
    }

    t_eq(i, 4097);
    t_eq(ngx_http_ai_json_feed(&js, (u_char *) "\",\"model\":12}", 13),
         NGX_OK);
    t_eq(ngx_http_ai_json_end(&js), NGX_OK);
    t_eq(m.start, 4097ll * 1024 * 1024 + 6 + 10);
    t_eq(m.end, m.start + 2);

    free(p);
}


static void
ngx_http_ai_test_strerror(void)
{
    ngx_uint_t   i, k;
    const char  *a, *b;

    for (i = 0; i <= NGX_HTTP_AI_JSON_ECONTROL; i++) {
        a = ngx_http_ai_json_strerror(i);
        t_ok(strcmp(a, "unknown error") != 0);

        for (k = 0; k < i; k++) {
            b = ngx_http_ai_json_strerror(k);
            t_ok(strcmp(a, b) != 0);
        }
    }
}


static void
ngx_http_ai_test_unquote(void)
{
    u_char      dst[64], *src;
    size_t      n, size;
    ngx_int_t   rc;
    ngx_uint_t  i;

    static const struct {
        const char  *raw;
        const char  *want;                /* NULL: refused */
    } cases[] = {
        { "\"\"", "" },
        { "\"gpt-4o\"", "gpt-4o" },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
        { "\"a\\u0041\\u00e9\\u20AC\\uffff\"",
          "aA\xc3\xa9\xe2\x82\xac\xef\xbf\xbf" },
        { "\"\\u007f\\u0080\\u07ff\\u0800\"",
          "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80" },
        { "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80" },
        { "\"\\ud800\\udc00\\uDBFF\\uDFFF\"",
          "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf" },
        { "\"\\ud7ff\\ue000\"", "\xed\x9f\xbf\xee\x80\x80" },
        { "\"\xc3\xa9\xff\"", "\xc3\xa9\xff" },
        { "\"\\u0000\"", NULL },
        { "\"\\ud800\"", NULL },
        { "\"\\ud800x\"", NULL },
        { "\"\\ud800\\n\"", NULL },
        { "\"\\ud800\\u\"", NULL },
        { "\"\\ud800\\u0041\"", NULL },
        { "\"\\ud800\\ud800\"", NULL },
        { "\"\\ud800\\udc0\"", NULL },
        { "\"\\ud800xudc00\"", NULL },
        { "\"\\udc00\"", NULL },
        { "\"\\udfff\\ud800\"", NULL },
        { "\"\\u123\"", NULL },
        { "\"\\u12g4\"", NULL },
        { "\"\\u\"", NULL },
        { "\"\\x41\"", NULL },
        { "\"\\\"", NULL },
        { "\"a\"b\"", NULL },
        { "\"a\nb\"", NULL },
        { "\"", NULL },
        { "", NULL },
        { "abc", NULL },
        { "\"abc", NULL },
        { "abc\"", NULL },
        { "12", NULL },
        { NULL, NULL }
    };

    for (i = 0; cases[i].raw; i++) {
        ngx_http_ai_test_note = cases[i].raw;
        n = strlen(cases[i].raw);

        src = ngx_http_ai_test_dup(cases[i].raw, n);
        rc = ngx_http_ai_json_unquote(dst, sizeof(dst), src, n);

        if (cases[i].want == NULL) {
            t_eq(rc, NGX_ERROR);
            free(src);
            continue;
        }

        t_mem(dst, (size_t) rc, cases[i].want, strlen(cases[i].want));

        /* each size that is too small, the right one, and in place */

        for (size = 0; size <= strlen(cases[i].want); size++) {
            u_char  *small;

            small = malloc(size ? size : 1);
            rc = ngx_http_ai_json_unquote(small, size, src, n);
            t_eq(rc, size < strlen(cases[i].want) ? NGX_ERROR
                                                  : (ngx_int_t) size);
            free(small);
        }

        rc = ngx_http_ai_json_unquote(src, n, src, n);
        t_mem(src, (size_t) rc, cases[i].want, strlen(cases[i].want));

        free(src);
    }

    rc = ngx_http_ai_json_unquote(dst, sizeof(dst), (u_char *) "\"\\\0\"", 4);
    t_eq(rc, NGX_ERROR);
}


static void
ngx_http_ai_test_escape(void)
{
    u_char      dst[256], back[64], *src;
    size_t      n;
    ngx_int_t   rc;
    ngx_uint_t  i;

    static const struct {
        const char  *src;
        const char  *want;
    } cases[] = {
        { "", "" },
        { "plain /", "plain /" },
        { "\"\\", "\\\"\\\\" },
        { "\b\f\n\r\t", "\\b\\f\\n\\r\\t" },
        { "\x01\x1f\x7f", "\\u0001\\u001f\x7f" },
        { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
          "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
        { "\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80",
          "\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80" },
        { "a\x80z", "a\\ufffdz" },
        { "\xc3", "\\ufffd" },
        { "\xc3z", "\\ufffdz" },
        { "\xe2\x82", "\\ufffd\\ufffd" },
        { "\xe2\x82z", "\\ufffd\\ufffdz" },
        { "\xc0\xaf", "\\ufffd\\ufffd" },
        { "\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd" },
        { "\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd" },
        { "\xf0\x8f\xbf\xbf", "\\ufffd\\ufffd\\ufffd\\ufffd" },
        { "\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd" },
        { "\xf5\xff", "\\ufffd\\ufffd" },
        { NULL, NULL }
    };

    for (i = 0; cases[i].src; i++) {
        ngx_http_ai_test_note = cases[i].want;
        n = strlen(cases[i].src);
        src = ngx_http_ai_test_dup(cases[i].src, n);

        t_eq(ngx_http_ai_json_escape_len(src, n), strlen(cases[i].want));
        t_eq(ngx_http_ai_json_wellformed(src, n),
             strstr(cases[i].want, "\\ufffd") == NULL);
        t_mem(dst, (size_t) (ngx_http_ai_json_escape(dst, src, n) - dst),
              cases[i].want, strlen(cases[i].want));
        free(src);
    }

    t_eq(ngx_http_ai_json_escape_len((u_char *) "\0", 1), 6);
    t_mem(dst, (size_t) (ngx_http_ai_json_escape(dst, (u_char *) "\0", 1)
                         - dst), "\\u0000", 6);

    /* there and back: random bytes, those that are text come back the same */

    for (i = 0; i < 20000; i++) {
        u_char  text[16];
        size_t  k;

        n = ngx_http_ai_test_random() % sizeof(text);

        for (k = 0; k < n; k++) {
            text[k] = (u_char) (ngx_http_ai_test_random() % 256);

            if (i % 2) {
                text[k] = (u_char) (1 + text[k] % 127);
            }
        }

        dst[0] = '"';
        k = ngx_http_ai_json_escape(dst + 1, text, n) - dst;
        dst[k++] = '"';

        t_eq(k, ngx_http_ai_json_escape_len(text, n) + 2);

        rc = ngx_http_ai_json_unquote(back, sizeof(back), dst, k);

        if (i % 2) {
            t_mem(back, (size_t) rc, text, n);

        } else if (memchr(text, 0, n) == NULL) {
            t_ok(rc >= 0);
        }
    }
}


/* the strings inside of a member, and members one level deeper */

static void
ngx_http_ai_test_inside(void)
{
    size_t                     n, cut;
    u_char                     buf[32], *piece[2];
    ngx_http_ai_json_t         js, inner;
    ngx_http_ai_json_member_t  m[2], in;

    static const char  json[] =
        "{\"s\":\"skipped\",\"a\":{\"k\":\"1234\",\"l\":[\"5\\n7\","
        "{\"m\":\"\\u00e9\"}],\"u\":{\"n\":1}},\"b\":\"xyz\"}";

    n = sizeof(json) - 1;

    for (cut = 0; cut <= n; cut++) {

        memset(m, 0, sizeof(m));
        memset(&in, 0, sizeof(in));

        m[0].name.data = (u_char *) "a";
        m[0].name.len = 1;
        m[0].inner = &inner;
        m[1].name.data = (u_char *) "b";
        m[1].name.len = 1;
        m[1].inner = &inner;          /* a string: it is fed nothing */

        in.name.data = (u_char *) "u";
        in.name.len = 1;
        in.buf = buf;
        in.size = sizeof(buf);

        ngx_http_ai_json_init(&inner, &in, 1, 0);
        ngx_http_ai_json_init(&js, m, 2, 0);

        piece[0] = ngx_http_ai_test_dup((const u_char *) json, cut);
        piece[1] = ngx_http_ai_test_dup((const u_char *) json + cut, n - cut);

        t_eq(ngx_http_ai_json_feed(&js, piece[0], cut), NGX_OK);

        if (cut == (size_t) (strstr(json, "\\n7") - json)) {
            /* "1234", and a byte of the next one; a second one with an escape
               that has begun */
            t_eq(ngx_http_ai_json_member_text(&js, &m[0]), 4 + 1);
        }

        t_eq(ngx_http_ai_json_feed(&js, piece[1], n - cut), NGX_OK);
        t_eq(ngx_http_ai_json_end(&js), NGX_OK);

        free(piece[0]);
        free(piece[1]);

        t_eq(ngx_http_ai_json_member_text(&js, &m[0]), 4 + 3 + 3);
        t_eq(ngx_http_ai_json_member_text(&js, &m[1]), 3);

        t_eq(ngx_http_ai_json_end(&inner), NGX_OK);
        t_eq(in.type, NGX_HTTP_AI_JSON_OBJECT);
        t_mem(buf, in.len, "{\"n\":1}", 7);
    }
}


/* of the member "input", fed in two pieces: -1 if it is refused */

static off_t
ngx_http_ai_test_count(const u_char *p, size_t n, size_t cut, off_t *items,
    off_t *numbers)
{
    u_char                    *piece[2];
    ngx_int_t                  rc;
    ngx_http_ai_json_t         js;
    ngx_http_ai_json_member_t  m;

    memset(&m, 0, sizeof(m));
    m.name.data = (u_char *) "input";
    m.name.len = 5;
    m.count = 1;

    ngx_http_ai_json_init(&js, &m, 1, 1);

    piece[0] = ngx_http_ai_test_dup(p, cut);
    piece[1] = ngx_http_ai_test_dup(p + cut, n - cut);

    rc = ngx_http_ai_json_feed(&js, piece[0], cut) == NGX_OK
         && ngx_http_ai_json_feed(&js, piece[1], n - cut) == NGX_OK
         ? ngx_http_ai_json_end(&js) : NGX_ERROR;

    free(piece[0]);
    free(piece[1]);

    *items = m.items;
    *numbers = m.numbers;

    return rc == NGX_OK ? m.chars : -1;
}


/* characters of strings, and the values of a list */

static void
ngx_http_ai_test_counts(void)
{
    off_t       items, numbers;
    char        json[256];
    size_t      n, cut;
    ngx_uint_t  i;

    static const struct {
        const char  *value;
        off_t        chars;
        off_t        items;
        off_t        numbers;
    } rows[] = {
        { "\"\"", 0, 0, 0 },
        { "\"Hello\"", 5, 0, 0 },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", 8, 0, 0 },
        { "\"a\\u00e9\\u4e16z\"", 4, 0, 0 },
        { "\"\\ud83d\\ude00\"", 1, 0, 0 },                  /* a pair */
        { "\"\\uD83D\\uDE00\\uD83D\\uDE00\"", 2, 0, 0 },
        { "\"\\ud83d\"", 1, 0, 0 },                         /* halves */
        { "\"\\ude00\\ud83d\"", 2, 0, 0 },
        { "\"\\ude00\\ude00\"", 2, 0, 0 },
        { "\"\\ud83dx\\ude00\"", 3, 0, 0 },
        { "\"\\ud83d\\n\\ude00\"", 3, 0, 0 },
        { "\"\\ud7ff\\udc00\"", 2, 0, 0 },                  /* no high one */
        { "\"\\ud83d\\ude00\\ude00\"", 2, 0, 0 },           /* one too many */
        { "\"\xc3\xa9\xe4\xb8\x96\xf0\x9f\x98\x80.\"", 4, 0, 0 },
        { "[\"ab\", \"c\xc3\xa9\"]", 4, 2, 0 },
        { "[]", 0, 0, 0 },
        { "[ ]", 0, 0, 0 },
        { "[1,2,[3,4],{\"a\":[5,6]},null]", 0, 5, 2 },
        { "[-1,2.5e3 ,\"4\", 0, true,[]]", 1, 6, 3 },
        { "[{\"b\\ud83d\":\"xy\",\"c\":\"z\"},{}]", 3, 2, 0 },
        { "{\"a\":[1,2,3]}", 0, 0, 0 },
        { "12", 0, 0, 0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        ngx_http_ai_test_note = rows[i].value;

        n = snprintf(json, sizeof(json),
                     "{\"model\":\"abc\",\"x\":[7,\"\\ud83d\"],\"input\":%s,"
                     "\"voice\":[\"\\ude00\"]}", rows[i].value);

        for (cut = 0; cut <= n; cut++) {
            t_eq(ngx_http_ai_test_count((u_char *) json, n, cut, &items,
                                        &numbers),
                 rows[i].chars);
            t_eq(items, rows[i].items);
            t_eq(numbers, rows[i].numbers);
        }
    }
}


/* any text counts the same, whatever of it is escaped, and as unquoted */

static void
ngx_http_ai_test_any_count(void)
{
    off_t       want, items, numbers;
    size_t      n;
    u_char      json[512], *p;
    uint32_t    ch;
    ngx_uint_t  i, k;

    static const uint32_t  from[] = { 0x20, 0x80, 0x800, 0xe000, 0x10000 };
    static const uint32_t  upto[] = { 0x7f, 0x7ff, 0xd7ff, 0xffff, 0x10ffff };

    for (i = 0; i < 20000; i++) {

        p = ngx_cpymem(json, "{\"input\":\"", 10);
        want = ngx_http_ai_test_random() % 30;

        for (k = 0; k < (ngx_uint_t) want; k++) {

            n = ngx_http_ai_test_random() % 5;
            ch = from[n] + ngx_http_ai_test_random() % (upto[n] - from[n] + 1);

            if (ngx_http_ai_test_random() % 2 || ch == '"' || ch == '\\') {

                if (ch >= 0x10000) {
                    p += sprintf((char *) p, "\\u%04x\\u%04X",
                                 0xd800 + ((ch - 0x10000) >> 10),
                                 0xdc00 + ((ch - 0x10000) & 0x3ff));
                } else {
                    p += sprintf((char *) p, "\\u%04x", ch);
                }

                continue;
            }

            if (ch < 0x80) {
                *p++ = (u_char) ch;

            } else if (ch < 0x800) {
                *p++ = (u_char) (0xc0 | ch >> 6);
                *p++ = (u_char) (0x80 | (ch & 0x3f));

            } else if (ch < 0x10000) {
                *p++ = (u_char) (0xe0 | ch >> 12);
                *p++ = (u_char) (0x80 | (ch >> 6 & 0x3f));
                *p++ = (u_char) (0x80 | (ch & 0x3f));

            } else {
                *p++ = (u_char) (0xf0 | ch >> 18);
                *p++ = (u_char) (0x80 | (ch >> 12 & 0x3f));
                *p++ = (u_char) (0x80 | (ch >> 6 & 0x3f));
                *p++ = (u_char) (0x80 | (ch & 0x3f));
            }
        }

        p = ngx_cpymem(p, "\"}", 2);
        n = p - json;

        t_eq(ngx_http_ai_test_count(json, n, ngx_http_ai_test_random() % n,
                                    &items, &numbers),
             want);
        t_eq(items, 0);
    }
}


static const ngx_http_ai_test_t  ngx_http_ai_tests[] = {
    { "valid documents", ngx_http_ai_test_valid },
    { "syntax errors and their offsets", ngx_http_ai_test_syntax },
    { "numbers in all forms, with their right ends",
      ngx_http_ai_test_numbers },
    { "wanted members, decoys in strings and below",
      ngx_http_ai_test_members },
    { "commas around wanted members", ngx_http_ai_test_commas },
    { "types of wanted members", ngx_http_ai_test_types },
    { "object offset and empty object", ngx_http_ai_test_empty },
    { "duplicate names", ngx_http_ai_test_duplicates },
    { "names in another case", ngx_http_ai_test_case },
    { "escaped names", ngx_http_ai_test_escaped },
    { "names are compared whole", ngx_http_ai_test_names_compared },
    { "names up to the longest", ngx_http_ai_test_max_key },
    { "depth 127, 128, 129 and 100000", ngx_http_ai_test_depth },
    { "each level of the bitmap", ngx_http_ai_test_bitmap },
    { "truncated everywhere", ngx_http_ai_test_truncated },
    { "control bytes", ngx_http_ai_test_controls },
    { "escapes at each place of a string", ngx_http_ai_test_scan_places },
    { "huge strings of backslashes", ngx_http_ai_test_huge },
    { "offsets beyond 4 GB", ngx_http_ai_test_offsets },
    { "words for each error", ngx_http_ai_test_strerror },
    { "unquote", ngx_http_ai_test_unquote },
    { "escape", ngx_http_ai_test_escape },
    { "inside of members", ngx_http_ai_test_inside },
    { "characters and items", ngx_http_ai_test_counts },
    { "characters of any text", ngx_http_ai_test_any_count },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(ngx_http_ai_tests);
}
