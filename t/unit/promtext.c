
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* labels and numbers of Prometheus' text format */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_promtext.h"


#define label(text, want)  ngx_http_ai_test_one(text, sizeof(text) - 1, want)


static void
ngx_http_ai_test_one(const char *text, size_t n, const char *want)
{
    u_char  *src, *dst, *end;

    /* not one byte more than is promised */

    src = ngx_http_ai_test_dup(text, n);
    dst = malloc(n ? n * 3 : 1);
    end = ngx_http_ai_promtext_label(dst, src, n);

    t_mem(dst, end - dst, want, strlen(want));

    free(src);
    free(dst);
}


static void
ngx_http_ai_test_labels(void)
{
    label("", "");
    label("gpt-4o", "gpt-4o");
    label("a\"b", "a\\\"b");
    label("a\\n", "a\\\\n");
    label("\n\n", "\\n\\n");
    label("\"} 1\nx 2", "\\\"} 1\\nx 2");
    label("\\\"\n", "\\\\\\\"\\n");
    label("\xc3\xa9\xf0\x9f\x98\x80", "\xc3\xa9\xf0\x9f\x98\x80");
    label("<b>\t\r", "<b>\t\r");
}


static void
ngx_http_ai_test_broken(void)
{
    label("\xff", "\xef\xbf\xbd");
    label("a\xff\xfe" "b", "a\xef\xbf\xbd\xef\xbf\xbd" "b");
    label("\xc3", "\xef\xbf\xbd");
    label("\xc3\"", "\xef\xbf\xbd\\\"");
    label("\xe2\x82\n", "\xef\xbf\xbd\xef\xbf\xbd\\n");
    label("\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd");
    label("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}


static void
ngx_http_ai_test_values(void)
{
    ngx_uint_t  i;
    u_char      buf[NGX_HTTP_AI_PROMTEXT_VALUE], *end;

    static const struct {
        uint64_t     value;
        ngx_uint_t   decimals;
        const char  *want;
    } cases[] = {
        { 0, 0, "0" },
        { 0, 9, "0" },
        { 7, 0, "7" },
        { 10, 0, "10" },
        { 1000, 3, "1" },
        { 1, 3, "0.001" },
        { 10, 3, "0.01" },
        { 163840, 3, "163.84" },
        { 12345, 3, "12.345" },
        { 2500000, 9, "0.0025" },
        { 1, 9, "0.000000001" },
        { 1000000001, 9, "1.000000001" },
        { UINT64_MAX, 0, "18446744073709551615" },
        { UINT64_MAX, 9, "18446744073.709551615" },
        { UINT64_MAX, 18, "18.446744073709551615" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ngx_http_ai_test_note = cases[i].want;

        end = ngx_http_ai_promtext_value(buf, cases[i].value,
                                         cases[i].decimals);
        t_mem(buf, end - buf, cases[i].want, strlen(cases[i].want));
    }
}


static const ngx_http_ai_test_t  tests[] = {
    { "labels", ngx_http_ai_test_labels },
    { "labels that are no UTF-8", ngx_http_ai_test_broken },
    { "values", ngx_http_ai_test_values },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
