
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* lines of the state file: round trips, damage of every kind */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_state.h"


#define KEY      NGX_HTTP_AI_STATE_KEY
#define ACCOUNT  NGX_HTTP_AI_STATE_ACCOUNT


static size_t
ngx_http_ai_test_format(u_char *buf, int kind, int per, int64_t period,
    int64_t spent, const char *name, size_t len)
{
    ngx_http_ai_state_line_t  line;

    line.kind = (ngx_http_ai_state_kind_e) kind;
    line.per = (ngx_http_ai_budget_per_e) per;
    line.period = period;
    line.spent_nanousd = spent;
    line.name.data = (u_char *) name;
    line.name.len = len;

    return ngx_http_ai_state_format(buf, &line) - buf;
}


static ngx_int_t
ngx_http_ai_test_parse(const void *data, size_t n)
{
    u_char                    *p;
    ngx_int_t                  rc;
    ngx_http_ai_state_line_t   line;

    p = ngx_http_ai_test_dup(data, n);
    rc = ngx_http_ai_state_parse(p, n, &line);
    free(p);

    return rc;
}


/* the CRCs are zlib's; a file of today must be read by what comes later */

static void
ngx_http_ai_test_golden(void)
{
    size_t  n;
    u_char  buf[256];

    n = ngx_http_ai_test_format(buf, KEY, NGX_HTTP_AI_BUDGET_MONTH,
                                1793491200, 1250000000, "search-ui", 9);
    t_mem(buf, n, "v1 b009dec0 key month 1793491200 1250000000 search-ui\n",
          sizeof("v1 b009dec0 key month 1793491200 1250000000 search-ui\n")
          - 1);

    n = ngx_http_ai_test_format(buf, ACCOUNT, NGX_HTTP_AI_BUDGET_TOTAL, 0, 0,
                                "a b%\n\xff", 6);
    t_mem(buf, n, "v1 3864464e account total 0 0 a%20b%25%0a%ff\n",
          sizeof("v1 3864464e account total 0 0 a%20b%25%0a%ff\n") - 1);
}


static void
ngx_http_ai_test_round(void)
{
    char                       name[300];
    size_t                     i, n, len;
    u_char                    *p;
    ngx_uint_t                 k, per;
    ngx_http_ai_state_line_t   line;

    static const int64_t  spent[] = { 0, 1, 999999999, INT64_MAX };

    for (i = 0; i < sizeof(name); i++) {
        name[i] = (char) i;
    }

    for (k = 0; k < 200; k++) {
        len = 1 + ngx_http_ai_test_random() % 299;
        per = 1 + k % 4;

        /* as much as is promised to be enough, and no more */

        p = malloc(ngx_http_ai_state_room(len));
        n = ngx_http_ai_test_format(p, 1 + k % 2, per, INT64_MAX - k,
                                    spent[k % 4], name + 300 - len, len);

        t_ok(n <= ngx_http_ai_state_room(len));
        t_ok(memchr(p, '\n', n) == p + n - 1);

        n -= k % 3 == 0;          /* the newline may be missing */

        t_eq(ngx_http_ai_state_parse(p, n, &line), NGX_OK);
        t_eq(line.kind, 1 + k % 2);
        t_eq(line.per, per);
        t_eq(line.period, INT64_MAX - k);
        t_eq(line.spent_nanousd, spent[k % 4]);
        t_mem(line.name.data, line.name.len, name + 300 - len, len);

        free(p);
    }
}


static void
ngx_http_ai_test_damage(void)
{
    size_t      i, n;
    u_char      buf[512];
    ngx_uint_t  bit;

    n = ngx_http_ai_test_format(buf, ACCOUNT, NGX_HTTP_AI_BUDGET_WEEK,
                                1793577600, 123456789, "azure eu", 8);

    t_eq(ngx_http_ai_test_parse(buf, n), NGX_OK);

    /* the disk was full, or the machine went down: any part of it */

    for (i = 0; i < n - 1; i++) {
        t_eq(ngx_http_ai_test_parse(buf, i), NGX_DECLINED);
    }

    for (i = 1; i < n; i++) {
        t_eq(ngx_http_ai_test_parse(buf + i, n - i), NGX_DECLINED);
    }

    /* any bit, but those of the newline, which is not of the line */

    for (bit = 0; bit < 8 * (n - 1); bit++) {
        buf[bit / 8] ^= 1 << bit % 8;
        t_eq(ngx_http_ai_test_parse(buf, n), NGX_DECLINED);
        buf[bit / 8] ^= 1 << bit % 8;
    }

    /* a torn line with the next one glued to it */

    for (i = 1; i < n - 1; i++) {
        memmove(buf + i + 128, buf, n);
        memcpy(buf + 128, buf, i);
        t_eq(ngx_http_ai_test_parse(buf + 128, i + n), NGX_DECLINED);
    }

    t_eq(ngx_http_ai_test_parse("\n", 1), NGX_DECLINED);
    t_eq(ngx_http_ai_test_parse("v1 00000000 \n", 13), NGX_DECLINED);
}


/* what has a right CRC, yet is no line: other versions, mistakes of hands */

static void
ngx_http_ai_test_wrong(void)
{
    ngx_uint_t    i;
    const char  **l;

    static const char  *lines[] = {
        "v1 51de9d3f key day 86400 5 a%2fb",
        "v1 5546583b route day 86400 5 a",
        "v1 7f0a5a16 key year 86400 5 a",
        "v1 db9b68c1 key day -1 5 a",
        "v1 9c66f5ef key day 86400 -5 a",
        "v1 32147fd6 key day  5 a",
        "v1 0b5c2098 key day 86400 9223372036854775808 a",
        "v1 77603a2f key day 86400 99999999999999999999 a",
        "v1 c9145a2b key day 86400 5 ",
        "v1 1710dd75 key day 86400 5",
        "v1 eefa94b8 key day 86400 5 a b",
        "v1 f8e63109 key day 86400 5 a%2",
        "v1 2356ec37 key day 86400 5 a%zz",
        "v1 8bf510c9 key day 86400 5 a%",
        "v1 264c221e key day 86400.5 5 a",
        "v1 da1feb53 key day 86400 0x5 a",
        "v1 b770d599  key day 86400 5 a",
        "v2 44c25359 key day 86400 5 a",
        "v1 44C25359 key day 86400 5 a",
        NULL
    };

    for (l = lines, i = 0; *l; l++, i++) {
        ngx_http_ai_test_note = *l;
        t_eq(ngx_http_ai_test_parse(*l, strlen(*l)),
             i == 0 ? NGX_OK : NGX_DECLINED);
    }
}


/* a file with all of it: the last whole line of a name counts */

static void
ngx_http_ai_test_file(void)
{
    u_char                    *p, *last, *end, buf[1024];
    int64_t                    spent;
    ngx_uint_t                 lines, bad;
    ngx_http_ai_state_line_t   line;

    p = buf;
    p += ngx_http_ai_test_format(p, KEY, NGX_HTTP_AI_BUDGET_DAY, 86400, 1,
                                 "a", 1);
    p += ngx_http_ai_test_format(p, KEY, NGX_HTTP_AI_BUDGET_DAY, 86400, 2,
                                 "b", 1);
    p = ngx_cpymem(p, "garbage\n\n", 9);
    p += ngx_http_ai_test_format(p, KEY, NGX_HTTP_AI_BUDGET_DAY, 86400, 3,
                                 "a", 1);
    p += ngx_http_ai_test_format(p, KEY, NGX_HTTP_AI_BUDGET_DAY, 86400, 4,
                                 "a", 1);
    last = p - 2;                 /* of the last one the name is missing */

    lines = 0;
    bad = 0;
    spent = 0;

    for (p = buf; p < last; p = end) {
        end = memchr(p, '\n', last - p);
        end = end ? end + 1 : last;

        if (ngx_http_ai_state_parse(p, end - p, &line) != NGX_OK) {
            bad++;
            continue;
        }

        lines++;

        if (line.name.data[0] == 'a') {
            spent = line.spent_nanousd;
        }
    }

    t_eq(lines, 3);
    t_eq(bad, 3);
    t_eq(spent, 3);
}


static const ngx_http_ai_test_t  tests[] = {
    { "the format", ngx_http_ai_test_golden },
    { "round trips, names of any bytes", ngx_http_ai_test_round },
    { "torn, flipped, glued", ngx_http_ai_test_damage },
    { "right sums over wrong fields", ngx_http_ai_test_wrong },
    { "a file", ngx_http_ai_test_file },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
