
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_trace.h"


#define GOOD   "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define OTHER  "0123456789abcdef"


/* the bytes are alone in their block, so that a step too far is seen */

static ngx_int_t
ngx_http_ai_test_parse(ngx_http_ai_trace_t *trace, const char *s, size_t len)
{
    u_char     *copy;
    ngx_int_t   rc;

    copy = malloc(len ? len : 1);
    ngx_memcpy(copy, s, len);

    rc = ngx_http_ai_trace_parse(trace, copy, len);

    free(copy);

    return rc;
}


/* by other means than the unit's own: what the specification says of 00 */

static ngx_uint_t
ngx_http_ai_test_valid(const char *s)
{
    size_t  i;

    for (i = 0; i < NGX_HTTP_AI_TRACE_LEN; i++) {

        if (i == 2 || i == 35 || i == 52) {
            if (s[i] != '-') {
                return 0;
            }

        } else if (s[i] == '\0' || strchr("0123456789abcdef", s[i]) == NULL) {
            return 0;
        }
    }

    return memcmp(s, "00", 2) == 0
           && strspn(s + 3, "0") < 32 && strspn(s + 36, "0") < 16;
}


static void
ngx_http_ai_test_table(void)
{
    ngx_uint_t           i;
    ngx_http_ai_trace_t  trace;

    static const struct {
        const char  *text;
        ngx_int_t    flags;         /* -1: refused */
    } table[] = {
        { GOOD, 1 },
        { "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", 0 },
        { "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03", 3 },
        { "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff", 3 },
        { "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fc", 0 },
        { GOOD "-", -1 },
        { GOOD "-00", -1 },
        { GOOD "0", -1 },
        { "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", 1 },
        { "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", 1 },
        { "fe-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-", 1 },
        { "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.x", -1 },
        { "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-012", -1 },
        { "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", -1 },
        { "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", -1 },
        { "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-001", -1 },
        { "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", -1 },
        { "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7-01", -1 },
        { "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0A", -1 },
        { "0A-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", -1 },
        { "00-00000000000000000000000000000000-00f067aa0ba902b7-01", -1 },
        { "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", -1 },
        { "cc-00000000000000000000000000000000-00f067aa0ba902b7-01", -1 },
        { "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01", -1 },
        { "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", -1 },
        { GOOD "," GOOD, -1 },
        { " " GOOD, -1 },
        { GOOD " ", -1 },
        { "", -1 }
    };

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        ngx_http_ai_test_note = table[i].text;

        memset(&trace, 'x', sizeof(ngx_http_ai_trace_t));

        if (table[i].flags < 0) {
            t_eq(ngx_http_ai_test_parse(&trace, table[i].text,
                                        strlen(table[i].text)),
                 NGX_DECLINED);
            t_eq(trace.id[0], 'x');
            continue;
        }

        t_eq(ngx_http_ai_test_parse(&trace, table[i].text,
                                    strlen(table[i].text)),
             NGX_OK);
        t_eq(memcmp(trace.id, GOOD + 3, NGX_HTTP_AI_TRACE_ID), 0);
        t_eq((ngx_int_t) trace.flags, table[i].flags);
    }

    ngx_http_ai_test_note = NULL;
}


/* every beginning of a good one, and one more byte */

static void
ngx_http_ai_test_split(void)
{
    size_t               len;
    ngx_http_ai_trace_t  trace;

    for (len = 0; len < NGX_HTTP_AI_TRACE_LEN; len++) {
        t_eq(ngx_http_ai_test_parse(&trace, GOOD, len), NGX_DECLINED);
        t_eq(ngx_http_ai_test_parse(&trace, GOOD + 1, len), NGX_DECLINED);
    }

    t_eq(ngx_http_ai_test_parse(&trace, GOOD, len), NGX_OK);
    t_eq(ngx_http_ai_test_parse(&trace, GOOD, len + 1), NGX_DECLINED);
}


/* every byte in every place of a good one */

static void
ngx_http_ai_test_mutations(void)
{
    char                 s[NGX_HTTP_AI_TRACE_LEN + 1];
    size_t               i;
    ngx_uint_t           c, good;
    ngx_http_ai_trace_t  trace;

    good = 0;

    for (i = 0; i < NGX_HTTP_AI_TRACE_LEN; i++) {
        for (c = 0; c < 256; c++) {
            ngx_memcpy(s, GOOD, sizeof(s));
            s[i] = (char) c;

            if (i < 2 && c != '0') {
                continue;       /* of another version: in the table */
            }

            if (ngx_http_ai_test_valid(s)) {
                t_eq(ngx_http_ai_test_parse(&trace, s, sizeof(s) - 1),
                     NGX_OK);
                t_eq(memcmp(trace.id, s + 3, NGX_HTTP_AI_TRACE_ID), 0);
                good++;

            } else {
                t_eq(ngx_http_ai_test_parse(&trace, s, sizeof(s) - 1),
                     NGX_DECLINED);
            }
        }
    }

    /* 16 in each of the 50 digits, the version's one, and three dashes */

    t_eq(good, 50 * 16 + 2 + 3);
}


static void
ngx_http_ai_test_write(void)
{
    u_char               buf[NGX_HTTP_AI_TRACE_LEN + 1], *p;
    ngx_uint_t           flags;
    ngx_http_ai_trace_t  trace, again;

    t_eq(ngx_http_ai_test_parse(&trace, GOOD, sizeof(GOOD) - 1), NGX_OK);

    for (flags = 0; flags < 4; flags++) {
        trace.flags = flags;
        buf[NGX_HTTP_AI_TRACE_LEN] = 'x';

        p = ngx_http_ai_trace_write(buf, &trace, (const u_char *) OTHER);

        t_eq(p - buf, (ptrdiff_t) NGX_HTTP_AI_TRACE_LEN);
        t_eq(buf[NGX_HTTP_AI_TRACE_LEN], 'x');
        t_eq(memcmp(buf, GOOD, 36), 0);
        t_eq(memcmp(buf + 36, OTHER, 16), 0);

        t_eq(ngx_http_ai_trace_parse(&again, buf, NGX_HTTP_AI_TRACE_LEN),
             NGX_OK);
        t_eq(again.flags, flags);
    }
}


/* texts are added one after the other; "" ends them */

static void
ngx_http_ai_test_state(void)
{
    u_char                      *copy;
    size_t                       len;
    ngx_int_t                    rc;
    ngx_uint_t                   i, k;
    ngx_http_ai_trace_state_t    state;

    static const struct {
        const char  *texts[4];
        const char  *want;          /* NULL: refused */
    } table[] = {
        { { "a=1", "" }, "a=1" },
        { { "a=1,b=2", "" }, "a=1,b=2" },
        { { "a=1", "b=2", "c=3", "" }, "a=1,b=2,c=3" },
        { { " a=1 ,\tb=2\t,,, ", ",", "c= 3", "" }, "a=1,b=2,c= 3" },
        { { ",", "" }, "" },
        { { " ", "" }, "" },
        { { "0a_-*/@z=~!\"#$%&'()+./:;<>?[\\]^`{|}", "" },
          "0a_-*/@z=~!\"#$%&'()+./:;<>?[\\]^`{|}" },
        { { "a@b=x", "a=1", "" }, "a@b=x,a=1" },
        { { "a", "" }, NULL },
        { { "a=", "" }, NULL },
        { { "=1", "" }, NULL },
        { { "=", "" }, NULL },
        { { "a=1=2", "" }, NULL },
        { { "A=1", "" }, NULL },
        { { "a b=1", "" }, NULL },
        { { "a =1", "" }, NULL },
        { { "_a=1", "" }, NULL },
        { { "@a=1", "" }, NULL },
        { { "a.b=1", "" }, NULL },
        { { "a=1\t2", "" }, NULL },
        { { "a=\x7f", "" }, NULL },
        { { "a=\xc3\xa4", "" }, NULL },
        { { "a=1\r\nx: y", "" }, NULL },
        { { "a=1", "b", "" }, NULL },
    };

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        ngx_http_ai_test_note = table[i].texts[0];

        ngx_memzero(&state, sizeof(ngx_http_ai_trace_state_t));
        rc = NGX_OK;

        for (k = 0; *table[i].texts[k] && rc == NGX_OK; k++) {
            len = strlen(table[i].texts[k]);
            copy = malloc(len);
            ngx_memcpy(copy, table[i].texts[k], len);

            rc = ngx_http_ai_trace_state_add(&state, copy, len);

            free(copy);
        }

        if (table[i].want == NULL) {
            t_eq(rc, NGX_DECLINED);
            continue;
        }

        t_eq(rc, NGX_OK);
        t_eq(state.len, strlen(table[i].want));
        t_eq(memcmp(state.data, table[i].want, state.len), 0);
    }

    ngx_http_ai_test_note = NULL;
}


static void
ngx_http_ai_test_limits(void)
{
    char                         text[1024];
    size_t                       n;
    ngx_uint_t                   i, step;
    ngx_http_ai_trace_state_t    state;

    /* members, in one header and in many */

    for (step = 1; step <= 2; step++) {
        ngx_memzero(&state, sizeof(ngx_http_ai_trace_state_t));

        for (i = 0; i < NGX_HTTP_AI_TRACE_MEMBERS; i++) {
            n = sprintf(text, step == 1 ? "k%02u=v" : "k%02u=v, ,",
                        (unsigned) i);
            t_eq(ngx_http_ai_trace_state_add(&state, (u_char *) text, n),
                 NGX_OK);
        }

        t_eq(state.members, NGX_HTTP_AI_TRACE_MEMBERS);
        t_eq(ngx_http_ai_trace_state_add(&state, (u_char *) " ,", 2), NGX_OK);
        t_eq(ngx_http_ai_trace_state_add(&state, (u_char *) "l=v", 3),
             NGX_DECLINED);
    }

    /* bytes: two members of 255 and 256 with their comma are 512 */

    for (n = 253; n <= 256; n++) {
        ngx_memzero(&state, sizeof(ngx_http_ai_trace_state_t));

        memset(text, 'x', sizeof(text));
        ngx_memcpy(text, "a=", 2);
        t_eq(ngx_http_ai_trace_state_add(&state, (u_char *) text, 256),
             NGX_OK);
        t_eq(ngx_http_ai_trace_state_add(&state, (u_char *) text, n),
             n <= 255 ? NGX_OK : NGX_DECLINED);
        t_ok(state.len <= NGX_HTTP_AI_TRACE_STATE);
    }

    /* a key of 256 and a value of 256 */

    for (n = 256; n <= 257; n++) {
        memset(text, 'k', sizeof(text));
        text[n] = '=';

        ngx_memzero(&state, sizeof(ngx_http_ai_trace_state_t));
        t_eq(ngx_http_ai_trace_state_add(&state, (u_char *) text, n + 2),
             n == 256 ? NGX_OK : NGX_DECLINED);

        memset(text, 'v', sizeof(text));
        text[1] = '=';

        ngx_memzero(&state, sizeof(ngx_http_ai_trace_state_t));
        t_eq(ngx_http_ai_trace_state_add(&state, (u_char *) text, n + 2),
             n == 256 ? NGX_OK : NGX_DECLINED);
    }
}


static const ngx_http_ai_test_t  tests[] = {
    { "traceparents, good and bad", ngx_http_ai_test_table },
    { "cut at every byte", ngx_http_ai_test_split },
    { "every byte in every place", ngx_http_ai_test_mutations },
    { "written and read again", ngx_http_ai_test_write },
    { "tracestates, good and bad", ngx_http_ai_test_state },
    { "limits of tracestate", ngx_http_ai_test_limits },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
