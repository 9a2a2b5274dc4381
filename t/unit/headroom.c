
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* the providers' own limits in answers' headers, wire.md A4; and lies */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_headroom.h"


#define NOW  784111777            /* Sun, 06 Nov 1994 08:49:37 GMT */
#define MS   5000000              /* the monotonic clock at that time */

#define REQUESTS  NGX_HTTP_AI_HEADROOM_REQUESTS
#define TOKENS    NGX_HTTP_AI_HEADROOM_TOKENS


/* "name: value\n" for each header, in memory of their own */

static void
ngx_http_ai_test_answer(ngx_http_ai_headroom_t *h, const char *text,
    ngx_msec_t now)
{
    ngx_str_t                    name, value;
    const char                  *colon, *end;
    ngx_http_ai_headroom_feed_t  feed;

    ngx_http_ai_headroom_init(&feed);

    for ( /* void */ ; *text; text = end + 1) {
        colon = strchr(text, ':');
        end = strchr(text, '\n');

        name.len = colon - text;
        name.data = ngx_http_ai_test_dup(text, name.len);
        value.len = end - colon - 2;
        value.data = ngx_http_ai_test_dup(colon + 2, value.len);

        ngx_http_ai_headroom_header(&feed, &name, &value, NOW);

        free(name.data);
        free(value.data);
    }

    ngx_http_ai_headroom_update(h, &feed, now);
}


typedef struct {
    const char  *text;
    int64_t      limit[2];
    int64_t      remaining[2];
    int64_t      life[2];
    ngx_uint_t   percent;
} ngx_http_ai_test_headroom_t;


static void
ngx_http_ai_test_table(const ngx_http_ai_test_headroom_t *t)
{
    ngx_uint_t              i;
    ngx_http_ai_headroom_t  h;

    for ( /* void */ ; t->text; t++) {
        ngx_http_ai_test_note = t->text;

        memset(&h, 0, sizeof(h));
        ngx_http_ai_test_answer(&h, t->text, MS);

        for (i = 0; i < 2; i++) {
            t_eq(h.groups[i].limit, t->limit[i]);
            t_eq(h.groups[i].remaining, t->remaining[i]);
            t_eq(h.groups[i].life_ms, t->life[i]);
        }

        t_eq(ngx_http_ai_headroom_percent(&h, MS), t->percent);
    }
}


static void
ngx_http_ai_test_providers(void)
{
    static const ngx_http_ai_test_headroom_t  t[] = {
        /* OpenAI, Groq */
        { "x-ratelimit-limit-requests: 500\n"
          "x-ratelimit-limit-tokens: 30000\n"
          "x-ratelimit-remaining-requests: 499\n"
          "x-ratelimit-remaining-tokens: 3000\n"
          "x-ratelimit-reset-requests: 120ms\n"
          "x-ratelimit-reset-tokens: 6m0s\n",
          { 500, 30000 }, { 499, 3000 }, { 120, 360000 }, 50 },
        { "x-ratelimit-limit-input-images: 5\n"
          "x-ratelimit-remaining-input-images: 0\n"
          "x-ratelimit-limit-tokens_usage_based: 5\n"
          "x-ratelimit-remaining-tokens_usage_based: 0\n"
          "x-ratelimit-over-limit: no\n",
          { 0, 0 }, { 0, 0 }, { 0, 0 }, 100 },
        /* xAI: no reset */
        { "x-ratelimit-limit-requests: 1800\n"
          "x-ratelimit-limit-tokens: 10000000\n"
          "x-ratelimit-remaining-requests: 180\n"
          "x-ratelimit-remaining-tokens: 10000000\n",
          { 1800, 10000000 }, { 180, 10000000 }, { 60000, 60000 }, 50 },
        /* Azure, the older kind, too */
        { "x-ratelimit-abusepenalty-active: False\n"
          "x-ratelimit-key: gpt-5-nano\n"
          "x-ratelimit-limit-requests: 250\n"
          "x-ratelimit-limit-tokens: 250000\n"
          "x-ratelimit-remaining-requests: 25\n"
          "x-ratelimit-remaining-tokens: 249993\n"
          "x-ratelimit-renewalperiod-requests: 10\n"
          "x-ratelimit-renewalperiod-tokens: 60\n"
          "x-ratelimit-reset-requests: 0\n"
          "x-ratelimit-reset-tokens: 0\n",
          { 250, 250000 }, { 25, 249993 }, { 10000, 60000 }, 50 },
        { "x-ratelimit-remaining-requests: 119\n"
          "x-ratelimit-remaining-tokens: 119984\n",
          { 0, 0 }, { 0, 0 }, { 0, 0 }, 100 },
        { "x-ratelimit-remaining-requests: 119\n"
          "x-ratelimit-remaining-tokens: 0\n",
          { 0, 1 }, { 0, 0 }, { 0, 60000 }, 1 },
        /* Anthropic: the scarcest of the three kinds of tokens */
        { "anthropic-ratelimit-requests-limit: 4000\n"
          "anthropic-ratelimit-requests-remaining: 3999\n"
          "anthropic-ratelimit-requests-reset: 1994-11-06T08:49:38Z\n"
          "anthropic-ratelimit-tokens-limit: 480000\n"
          "anthropic-ratelimit-tokens-remaining: 478000\n"
          "anthropic-ratelimit-tokens-reset: 1994-11-06T08:49:38Z\n"
          "anthropic-ratelimit-input-tokens-limit: 400000\n"
          "anthropic-ratelimit-input-tokens-remaining: 399000\n"
          "anthropic-ratelimit-input-tokens-reset: 1994-11-06T08:49:38Z\n"
          "anthropic-ratelimit-output-tokens-limit: 80000\n"
          "anthropic-ratelimit-output-tokens-remaining: 4000\n"
          "anthropic-ratelimit-output-tokens-reset: 1994-11-06T08:50:07Z\n",
          { 4000, 80000 }, { 3999, 4000 }, { 1000, 30000 }, 25 },
        /* Mistral */
        { "x-ratelimit-limit-req-minute: 100\n"
          "x-ratelimit-limit-tokens-minute: 100000\n"
          "x-ratelimit-remaining-req-minute: 92\n"
          "x-ratelimit-remaining-tokens-minute: 10000\n"
          "x-ratelimit-limit-req-10-second: 10\n"
          "x-ratelimit-remaining-req-10-second: 1\n"
          "x-ratelimit-limit-tokens-month: 100\n"
          "x-ratelimit-remaining-tokens-month: 1\n"
          "x-ratelimit-tokens-query-cost: 106\n",
          { 10, 100000 }, { 1, 10000 }, { 10000, 60000 }, 50 },
        /* Together; OpenRouter */
        { "x-ratelimit-limit: 10\n" "x-ratelimit-remaining: 1\n"
          "x-ratelimit-reset: 7\n",
          { 10, 0 }, { 1, 0 }, { 7000, 0 }, 50 },
        { "x-ratelimit-limit: 20\n" "x-ratelimit-remaining: 0\n"
          "x-ratelimit-reset: 784111781500\n",
          { 20, 0 }, { 0, 0 }, { 4500, 0 }, 1 },
        { "x-ratelimit-limit: 20\n" "x-ratelimit-remaining: 0\n"
          "x-ratelimit-reset: 784111776999\n",
          { 20, 0 }, { 0, 0 }, { 60000, 0 }, 1 },
        { "x-ratelimit-limit: 20\n" "x-ratelimit-remaining: 0\n"
          "x-ratelimit-reset: 784111780\n",
          { 20, 0 }, { 0, 0 }, { 3000, 0 }, 1 },
        /* Cerebras */
        { "x-ratelimit-limit-requests-day: 1000\n"
          "x-ratelimit-remaining-requests-day: 100\n"
          "x-ratelimit-reset-requests-day: 33011.382867\n"
          "x-ratelimit-limit-tokens-minute: 60000\n"
          "x-ratelimit-remaining-tokens-minute: 60000\n"
          "x-ratelimit-reset-tokens-minute: 11.38\n",
          { 1000, 60000 }, { 100, 60000 }, { 33011383, 11380 }, 50 },
        { NULL, { 0, 0 }, { 0, 0 }, { 0, 0 }, 0 }
    };

    ngx_http_ai_test_table(t);
}


#define L  "x-ratelimit-limit-requests: "
#define R  "x-ratelimit-remaining-requests: "
#define T  "x-ratelimit-reset-requests: "
#define A  "anthropic-ratelimit-requests-"

#define NOTHING  { 0, 0 }, { 0, 0 }, { 0, 0 }, 100

static void
ngx_http_ai_test_lies(void)
{
    static const ngx_http_ai_test_headroom_t  t[] = {
        { L "-1\n" R "0\n", NOTHING },
        { R "0\n" L "-1\n", NOTHING },
        { L "0\n" R "-1\n", NOTHING },
        { L "-1\n" R "-1\n", NOTHING },
        { L "100\n" R "-1\n", NOTHING },
        { L "0\n" R "0\n", NOTHING },
        { L "100\n" R "101\n", NOTHING },
        { L "100\n", NOTHING },
        { L "many\n" R "5\n", NOTHING },
        { L "100\n" R "1e1\n", NOTHING },
        { L "100\n" R "5, 5\n", NOTHING },
        { L "100\n" R " 5\n", NOTHING },
        { L "100\n" R "0x5\n", NOTHING },
        { L "100\n" R "5.0\n", NOTHING },
        { L "100\n" R "\n", NOTHING },
        { L "100\n" R "18446744073709551621\n", NOTHING },
        { L "1000000000000001\n" R "1\n", NOTHING },
        { L "99999999999999999999999999\n" R "1\n", NOTHING },
        { L "1000000000000000\n" R "1000000000000000\n",
          { 1000000000000000, 0 }, { 1000000000000000, 0 }, { 60000, 0 },
          100 },
        /* resets: the figures stand, the reset is unknown */
        { L "100\n" R "10\n" T "-5s\n", { 100, 0 }, { 10, 0 }, { 60000, 0 },
          50 },
        { L "100\n" R "10\n" T "0s\n", { 100, 0 }, { 10, 0 }, { 60000, 0 },
          50 },
        { L "100\n" R "10\n" "x-ratelimit-renewalperiod-requests: 0\n",
          { 100, 0 }, { 10, 0 }, { 60000, 0 }, 50 },
        { L "100\n" R "10\n" "x-ratelimit-renewalperiod-requests: 99999\n",
          { 100, 0 }, { 10, 0 }, { 60000, 0 }, 50 },
        { L "100\n" R "10\n" T "soon\n", { 100, 0 }, { 10, 0 },
          { 60000, 0 }, 50 },
        { L "100\n" R "10\n" T "\n", { 100, 0 }, { 10, 0 },
          { 60000, 0 }, 50 },
        { L "100\n" R "10\n" T "24h\n", { 100, 0 }, { 10, 0 },
          { 86400000, 0 }, 50 },
        { L "100\n" R "10\n" T "24h1ms\n", { 100, 0 }, { 10, 0 },
          { 60000, 0 }, 50 },
        { L "100\n" R "10\n" T "999999999\n", { 100, 0 }, { 10, 0 },
          { 60000, 0 }, 50 },
        { L "100\n" R "10\n" T "99999999999999999999\n", { 100, 0 },
          { 10, 0 }, { 60000, 0 }, 50 },
        { L "100\n" R "10\n" T "1000000000000000\n", { 100, 0 },
          { 10, 0 }, { 60000, 0 }, 50 },
        { A "limit: 100\n" A "remaining: 10\n"
          A "reset: 1994-11-06T08:49:36Z\n", { 100, 0 }, { 10, 0 },
          { 60000, 0 }, 50 },
        { A "limit: 100\n" A "remaining: 10\n"
          A "reset: 2094-11-06T08:49:36Z\n", { 100, 0 }, { 10, 0 },
          { 60000, 0 }, 50 },
        { A "limit: 100\n" A "remaining: 10\n"
          A "reset: 1994-13-06T08:49:36Z\n", { 100, 0 }, { 10, 0 },
          { 60000, 0 }, 50 },
        /* names that only look like it */
        { "x-ratelimit-: 1\n" "x-ratelimit-limit-: 1\n"
          "x-ratelimit-remaining-: 0\n" "x-ratelimit-remainingrequests: 0\n"
          "anthropic-ratelimit-limit: 1\n" "anthropic-ratelimit-: 1\n"
          "anthropic-ratelimit-remaining: 0\n" "x-ratelimit: 0\n"
          "xx-ratelimit-remaining: 0\n" "anthropic-ratelimit--remaining: 0\n"
          "x-ratelimit-remaining-token: 0\n" "retry-after: 5\n", NOTHING },
        { NULL, NOTHING }
    };

    ngx_http_ai_test_table(t);
}


static void
ngx_http_ai_test_curve(void)
{
    int64_t                 i;
    ngx_uint_t              p, last;
    ngx_http_ai_headroom_t  h;

    memset(&h, 0, sizeof(h));
    last = 0;

    for (i = 0; i <= 1000; i++) {
        h.groups[TOKENS].limit = 1000;
        h.groups[TOKENS].remaining = i;
        h.groups[TOKENS].seen = MS;
        h.groups[TOKENS].life_ms = 1000;

        p = ngx_http_ai_headroom_percent(&h, MS);

        t_ok(p >= 1 && p <= 100 && p >= last);
        t_eq(p, i >= 200 ? 100 : i < 2 ? 1 : i / 2);
        last = p;
    }
}


static void
ngx_http_ai_test_time(void)
{
    ngx_http_ai_headroom_t  h;

    memset(&h, 0, sizeof(h));
    t_eq(ngx_http_ai_headroom_percent(&h, MS), 100);

    ngx_http_ai_test_answer(&h, L "100\n" R "0\n" T "10s\n", MS);
    t_eq(ngx_http_ai_headroom_percent(&h, MS), 1);
    t_eq(ngx_http_ai_headroom_percent(&h, MS + 9999), 1);
    t_eq(ngx_http_ai_headroom_percent(&h, MS + 10000), 100);

    /* another worker's clock, a little behind; a clock that was set back */

    t_eq(ngx_http_ai_headroom_percent(&h, MS - 500), 1);
    t_eq(ngx_http_ai_headroom_percent(&h, MS - 60001), 100);

    /* an answer without them, or with tokens only, leaves the requests */

    ngx_http_ai_test_answer(&h, "content-type: text/plain\n", MS + 1);
    ngx_http_ai_test_answer(&h, "x-ratelimit-limit-tokens: 100\n"
                            "x-ratelimit-remaining-tokens: 4\n", MS + 1);
    t_eq(ngx_http_ai_headroom_percent(&h, MS + 2), 1);
    t_eq(ngx_http_ai_headroom_percent(&h, MS + 10000), 20);
    t_eq(ngx_http_ai_headroom_percent(&h, MS + 60001), 100);

    /* a newer answer replaces what an older one said */

    ngx_http_ai_test_answer(&h, L "100\n" R "90\n" T "1s\n", MS + 3);
    t_eq(ngx_http_ai_headroom_percent(&h, MS + 4), 20);

    /* over the wrap of the counter */

    memset(&h, 0, sizeof(h));
    ngx_http_ai_test_answer(&h, L "100\n" R "0\n" T "10s\n",
                            (ngx_msec_t) -5000);
    t_eq(ngx_http_ai_headroom_percent(&h, 4999), 1);
    t_eq(ngx_http_ai_headroom_percent(&h, 5000), 100);
}


/* any bytes: nothing but a percentage comes out */

static void
ngx_http_ai_test_noise(void)
{
    size_t                       n;
    u_char                      *p;
    ngx_str_t                    name, value;
    ngx_uint_t                   i, k, percent;
    ngx_http_ai_headroom_t       h;
    ngx_http_ai_headroom_feed_t  feed;

    static const char   chars[] = "0123456789-.:TZsmhd,\xc2 ";
    static const char  *names[] = {
        "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset",
        "anthropic-ratelimit-tokens-limit", "x-ratelimit-reset-tokens",
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
        "x-ratelimit-renewalperiod-requests"
    };

    memset(&h, 0, sizeof(h));

    for (i = 0; i < 50000; i++) {
        ngx_http_ai_headroom_init(&feed);

        for (k = 0; k < 8; k++) {
            n = ngx_http_ai_test_random() % 28;
            p = ngx_http_ai_test_dup("0123456789012345678901234567", n);

            for (value.len = 0; value.len < n; value.len++) {
                if (n > 3 && k % 3) {
                    p[value.len] = chars[ngx_http_ai_test_random()
                                         % (sizeof(chars) - 1)];
                }
            }

            name.data = (u_char *) names[k];
            name.len = strlen(names[k]) - (ngx_http_ai_test_random() % 9 == 0);
            value.data = p;

            ngx_http_ai_headroom_header(&feed, &name, &value, NOW);
            free(p);
        }

        ngx_http_ai_headroom_update(&h, &feed, i);
        percent = ngx_http_ai_headroom_percent(&h, i);
        t_ok(percent >= 1 && percent <= 100);
        t_ok(h.groups[0].life_ms <= NGX_HTTP_AI_HEADROOM_MAX_MS);
    }
}


static void
ngx_http_ai_test_left(void)
{
    int64_t                 reset;
    ngx_http_ai_headroom_t  h;

    memset(&h, 0, sizeof(h));
    t_eq(ngx_http_ai_headroom_left(&h, MS, &reset), 100);
    t_eq(ngx_http_ai_headroom_known(&h, MS), 0);
    t_eq(reset, 0);

    ngx_http_ai_test_answer(&h, "x-ratelimit-limit-requests: 200\n"
                                "x-ratelimit-remaining-requests: 130\n"
                                "x-ratelimit-reset-requests: 20s\n"
                                "x-ratelimit-limit-tokens: 1000\n"
                                "x-ratelimit-remaining-tokens: 399\n"
                                "x-ratelimit-reset-tokens: 10s\n", MS);

    /* the scarcest one, and when that is whole again */

    t_eq(ngx_http_ai_headroom_left(&h, MS, &reset), 39);
    t_eq(reset, 10000);
    t_eq(ngx_http_ai_headroom_left(&h, MS + 4000, &reset), 39);
    t_eq(reset, 6000);

    /* then the other */

    t_eq(ngx_http_ai_headroom_left(&h, MS + 10000, &reset), 65);
    t_eq(reset, 10000);
    t_eq(ngx_http_ai_headroom_known(&h, MS + 10000), 1);
    t_eq(ngx_http_ai_headroom_known(&h, MS + 20000), 0);
    t_eq(ngx_http_ai_headroom_left(&h, MS + 20000, &reset), 100);
    t_eq(reset, 0);

    /* a clock that was set back */

    t_eq(ngx_http_ai_headroom_left(&h, MS - 1000, &reset), 39);
    t_eq(reset, 10000);
    t_eq(ngx_http_ai_headroom_left(&h, MS - 100000, &reset), 100);
}


static const ngx_http_ai_test_t  tests[] = {
    { "every provider's spelling", ngx_http_ai_test_providers },
    { "lies are unknown", ngx_http_ai_test_lies },
    { "full above 20 percent, then linear to 1", ngx_http_ai_test_curve },
    { "resets, expiry and clocks", ngx_http_ai_test_time },
    { "what is left", ngx_http_ai_test_left },
    { "any bytes", ngx_http_ai_test_noise },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
