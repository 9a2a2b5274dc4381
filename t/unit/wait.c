
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* hints to wait, wire.md A4 */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_facts.h"


#define NOW  784111777            /* Sun, 06 Nov 1994 08:49:37 GMT */
#define DAY  ((int64_t) 86400000)


typedef struct {
    const char  *text;
    int64_t      ms;
} ngx_http_ai_test_wait_t;


static void
ngx_http_ai_test_waits(const ngx_http_ai_test_wait_t *w)
{
    size_t   n;
    u_char  *p;

    for ( /* void */ ; w->text; w++) {
        ngx_http_ai_test_note = w->text;

        n = strlen(w->text);
        p = ngx_http_ai_test_dup(w->text, n);

        t_eq(ngx_http_ai_classify_wait(p, n, NOW), w->ms);

        free(p);
    }
}


static void
ngx_http_ai_test_numbers(void)
{
    static const ngx_http_ai_test_wait_t  waits[] = {
        { "20", 20000 }, { "0", 0 }, { "0.5", 500 }, { "1.25", 1250 },
        { " 7 ", 7000 }, { "\"7\"", 7000 }, { "0.0004", 1 },
        { "31622400", 366 * DAY }, { "31622401", -1 },
        { "99999999999999999999", -1 }, { "18446744073709551616", -1 },
        { "-1", -1 }, { "", -1 }, { " ", -1 }, { "soon", -1 },
        { "1e3", -1 }, { "0x10", -1 }, { "1,5", -1 }, { "1.", -1 },
        { ".5", 500 }, { ".", -1 }, { "+5", -1 }, { "1 2", -1 },
        { "NaN", -1 }, { "1.5.5", -1 },
        { "0.00000000000000000000000000001", 0 },
        { NULL, 0 }
    };

    ngx_http_ai_test_waits(waits);
}


static void
ngx_http_ai_test_durations(void)
{
    static const ngx_http_ai_test_wait_t  waits[] = {
        { "1m30s", 90000 }, { "6m0s", 360000 }, { "17.4s", 17400 },
        { "17.399999999s", 17400 }, { "4ms", 4 }, { "34.4s", 34400 },
        { "0s", 0 }, { "48s", 48000 }, { "48.939935699s", 48940 },
        { "1h2m3s", 3723000 }, { "2d", 2 * DAY }, { "120ms", 120 },
        { "1m0.5s", 60500 }, { "500us", 1 }, { "3\xc2\xb5s", 1 },
        { "10ns", 1 }, { "366d", 366 * DAY }, { "366d1s", -1 },
        { "9000h", -1 }, { "1m30", -1 }, { "m", -1 }, { "1x", -1 },
        { "-5s", -1 }, { "1m-5s", -1 }, { "5 s", -1 }, { "1s1", -1 },
        { "99999999999d", -1 },
        { NULL, 0 }
    };

    ngx_http_ai_test_waits(waits);
}


static void
ngx_http_ai_test_dates(void)
{
    static const ngx_http_ai_test_wait_t  waits[] = {
        { "Sun, 06 Nov 1994 08:49:37 GMT", 0 },
        { "Sun, 06 Nov 1994 08:49:47 GMT", 10000 },
        { "Sun, 06 Nov 1994 08:49:27 GMT", 0 },
        { "Sunday, 06-Nov-94 08:50:37 GMT", 60000 },
        { "Sun Nov  6 08:49:38 1994", 1000 },
        { "Mon, 07 Nov 1994 08:49:37 GMT", DAY },
        { "Tue, 28 Feb 1995 08:49:37 GMT", 114 * DAY },
        { "Wed, 01 Mar 1995 08:49:37 GMT", 115 * DAY },
        { "Tue, 07 Nov 1995 08:49:37 GMT", 366 * DAY },
        { "Wed, 08 Nov 1995 08:49:37 GMT", -1 },
        { "Thu, 31 Dec 2099 23:59:59 GMT", -1 },
        { "Sun, 06 Foo 1994 08:49:37 GMT", -1 },
        { "Sun, 66 Nov 1994 08:49:37 GMT", -1 },
        { "Sun, 06 Nov 1994 28:49:37 GMT", -1 },
        { "Sun, 06 Nov 1994 08:49 GMT    ", -1 },
        { "Sun, 06 Nov 99999 08:49:37 GMT", -1 },
        { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", -1 },

        { "1994-11-06T08:49:47Z", 10000 },
        { "1994-11-06T08:49:47.123Z", 10000 },
        { "1994-11-06t08:49:47z", 10000 },
        { "1994-11-06T09:49:47+01:00", 10000 },
        { "1994-11-06T08:19:47-00:30", 10000 },
        { "1993-11-06T08:49:47Z", 0 },
        { "1996-11-06T08:49:47Z", -1 },
        { "1994-13-06T08:49:47Z", -1 },
        { "1994-11-06T08:49:47", -1 },
        { "1994-11-06T08:49:47+1:00", -1 },
        { "1994-11-06T08:49:47+0x:00", -1 },
        { "1994-11-06T0:849:47Zxxx", -1 },
        { NULL, 0 }
    };

    ngx_http_ai_test_waits(waits);

    /* leap years: a day late in February 2024 */

    t_eq(ngx_http_ai_classify_wait((u_char *) "2024-02-29T00:00:00Z", 20,
                                   1709078400), DAY);
    t_eq(ngx_http_ai_classify_wait((u_char *) "2024-03-01T00:00:00Z", 20,
                                   1709078400), 2 * DAY);
}


/* whatever a date is cut to, nothing is read behind it */

static void
ngx_http_ai_test_cuts(void)
{
    size_t       n, i;
    u_char      *p;
    const char **t;

    static const char *texts[] = {
        "Sun, 06 Nov 1994 08:49:47 GMT", "Sun Nov  6 08:49:38 1994",
        "1994-11-06T09:49:47.5+01:00", "1h2m3.5s", NULL
    };

    for (t = texts; *t; t++) {
        n = strlen(*t);

        for (i = 0; i <= n; i++) {
            p = ngx_http_ai_test_dup(*t, i);
            t_ok(ngx_http_ai_classify_wait(p, i, NOW) >= -1);
            free(p);

            p = ngx_http_ai_test_dup(*t + i, n - i);
            t_ok(ngx_http_ai_classify_wait(p, n - i, NOW) >= -1);
            free(p);
        }
    }
}


static void
ngx_http_ai_test_texts(void)
{
    size_t                          n;
    u_char                         *p;
    const ngx_http_ai_test_wait_t  *w;

    static const ngx_http_ai_test_wait_t  waits[] = {
        { "Rate limit reached. Please try again in 2s. Visit x", 2000 },
        { "Please try again in 7m12s.", 432000 },
        { "Please try again in 120ms.", 120 },
        { "Please retry in 48.939935699s.", 48940 },
        { "Please retry after 20 seconds.", 20000 },
        { "Try again in 1 minute", 60000 },
        { "Please try again in 5 requests", -1 },
        { "Please try again in 5.", -1 },
        { "Please try again in a few minutes", -1 },
        { "Please try again in ", -1 },
        { "Please try again later", -1 },
        { "", -1 },
        { NULL, 0 }
    };

    for (w = waits; w->text; w++) {
        ngx_http_ai_test_note = w->text;

        n = strlen(w->text);
        p = ngx_http_ai_test_dup(w->text, n);

        t_eq(ngx_http_ai_classify_wait_text(p, n), w->ms);

        free(p);
    }
}


static const ngx_http_ai_test_t  tests[] = {
    { "seconds", ngx_http_ai_test_numbers },
    { "durations", ngx_http_ai_test_durations },
    { "dates", ngx_http_ai_test_dates },
    { "cut anywhere", ngx_http_ai_test_cuts },
    { "words of messages", ngx_http_ai_test_texts },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
