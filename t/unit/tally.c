
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* counters, histograms and the steps of a history */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_tally.h"


static void
ngx_http_ai_test_words(void)
{
    ngx_str_t   word = ngx_string("okay");
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_AI_TALLY_OUTCOMES; i++) {
        t_eq(ngx_http_ai_tally_outcome(&ngx_http_ai_tally_outcomes[i]), i);
    }

    for (i = 0; i < NGX_HTTP_AI_TALLY_FALLBACKS; i++) {
        t_eq(ngx_http_ai_tally_fallback(&ngx_http_ai_tally_fallback_words[i]),
             i);
    }

    t_eq(ngx_http_ai_tally_outcome(&word), NGX_HTTP_AI_TALLY_ERROR);
    word.len = 0;
    t_eq(ngx_http_ai_tally_fallback(&word), NGX_HTTP_AI_TALLY_NONE);
}


static void
ngx_http_ai_test_unknown(void)
{
    ngx_uint_t                  i;
    ngx_http_ai_tally_sample_t  s;
    ngx_http_ai_tally_target_t  t;

    ngx_memzero(&t, sizeof(t));
    ngx_http_ai_tally_init(&s);

    ngx_http_ai_tally_add_target(&t, &s);

    t_eq(ngx_http_ai_tally_requests(&t.sum), 1);
    t_eq(t.sum.outcomes[NGX_HTTP_AI_TALLY_ERROR], 1);
    t_eq(ngx_http_ai_tally_fallbacks(&t.sum), 0);
    t_eq(t.sum.saved, 0);
    t_eq(t.sum.attempts, 0);
    t_eq(t.sum.drill, 0);
    t_eq(t.sum.cost_nanousd, 0);
    t_eq(ngx_http_ai_stats_total(&t.sum.latency), 0);
    t_eq(ngx_http_ai_stats_total(&t.sum.first_token), 0);
    t_eq(t.output_time.sum, 0);

    for (i = 0; i < NGX_HTTP_AI_TALLY_TOKENS; i++) {
        t_eq(t.sum.tokens[i], 0);
    }

    for (i = 0; i < NGX_HTTP_AI_TALLY_BUCKETS; i++) {
        t_eq(t.output_time.counts[i], 0);
        t_eq(t.usage[0].counts[i], 0);
        t_eq(t.usage[1].counts[i], 0);
    }
}


static void
ngx_http_ai_test_sums(void)
{
    ngx_uint_t                  i;
    ngx_http_ai_tally_sample_t  s;
    ngx_http_ai_tally_target_t  t;

    ngx_memzero(&t, sizeof(t));
    ngx_http_ai_tally_init(&s);

    s.outcome = NGX_HTTP_AI_TALLY_OK;
    s.fallback = NGX_HTTP_AI_TALLY_BACKUP;
    s.attempts = 3;
    s.drill = 1;
    s.cost_nanousd = 5000000000;
    s.latency_ms = 40;
    s.first_token_ms = 0;
    s.output_us = 10000;

    for (i = 0; i < NGX_HTTP_AI_TALLY_TOKENS; i++) {
        s.tokens[i] = i * 1000;
    }

    ngx_http_ai_tally_add_target(&t, &s);

    s.outcome = NGX_HTTP_AI_TALLY_CUT;
    s.verdict = NGX_HTTP_AI_RESET;
    s.drill = 0;
    ngx_http_ai_tally_add_target(&t, &s);

    t_eq(ngx_http_ai_tally_requests(&t.sum), 2);
    t_eq(ngx_http_ai_tally_fallbacks(&t.sum), 2);
    t_eq(t.sum.fallbacks[NGX_HTTP_AI_TALLY_BACKUP], 2);
    t_eq(t.sum.saved, 1);
    t_eq(t.sum.drill, 1);
    t_eq(t.sum.attempts, 6);
    t_eq(t.sum.cost_nanousd, 10000000000);
    t_eq(t.sum.tokens[NGX_HTTP_AI_TALLY_INPUT], 0);
    t_eq(t.sum.tokens[NGX_HTTP_AI_TALLY_OUTPUT], 2000);
    t_eq(t.sum.tokens[NGX_HTTP_AI_TALLY_REASONING], 8000);
    t_eq(t.verdicts[NGX_HTTP_AI_OK], 1);
    t_eq(t.verdicts[NGX_HTTP_AI_RESET], 1);

    /* how long it took until it broke says nothing of how fast it is */

    t_eq(ngx_http_ai_stats_total(&t.sum.latency), 1);
    t_eq(t.sum.latency.sum_ms, 40);
    t_eq(ngx_http_ai_stats_total(&t.sum.first_token), 2);

    t_eq(t.output_time.counts[0], 2);
    t_eq(t.usage[0].counts[0], 2);
    t_eq(t.usage[1].counts[5], 2);         /* 256 < 1000 <= 1024 */
    t_eq(t.usage[1].sum, 2000);

    /* it stays a positive number, whatever a provider says */

    s.cost_nanousd = INT64_MAX;
    ngx_http_ai_tally_add_target(&t, &s);
    t_eq(t.sum.cost_nanousd, INT64_MAX);
    ngx_http_ai_tally_add_target(&t, &s);
    t_eq(t.sum.cost_nanousd, INT64_MAX);
}


/* a bound belongs to the bucket below it; the last bucket has none */

static void
ngx_http_ai_test_scales(void)
{
    ngx_uint_t                        i, k;
    ngx_http_ai_tally_hist_t          h;
    const ngx_http_ai_tally_scale_t  *s;

    for (i = 0; i < NGX_HTTP_AI_TALLY_SCALES; i++) {
        s = ngx_http_ai_tally_scale(i);

        t_ok(s->n < NGX_HTTP_AI_TALLY_BUCKETS);

        for (k = 0; k < s->n; k++) {
            ngx_memzero(&h, sizeof(h));

            ngx_http_ai_tally_count(&h, i, s->bounds[k]);
            ngx_http_ai_tally_count(&h, i, s->bounds[k] + 1);

            t_ok(k == 0 || s->bounds[k] > s->bounds[k - 1]);
            t_eq(h.counts[k], 1);
            t_eq(h.counts[k + 1], 1);
            t_eq(h.sum, 2 * s->bounds[k] + 1);
        }
    }

    ngx_memzero(&h, sizeof(h));
    ngx_http_ai_tally_count(&h, NGX_HTTP_AI_TALLY_OVERHEAD, -7);
    t_eq(h.counts[0], 1);
    t_eq(h.sum, 0);

    /* full: it stands still, its sum too */

    h.counts[0] = UINT32_MAX;
    ngx_http_ai_tally_count(&h, NGX_HTTP_AI_TALLY_OVERHEAD, 1);
    t_eq(h.counts[0], UINT32_MAX);
    t_eq(h.sum, 0);
}


static void
ngx_http_ai_test_output(void)
{
    t_eq(ngx_http_ai_tally_output_us(1100, 100, 11), 100000);
    t_eq(ngx_http_ai_tally_output_us(1100, 100, 2), 1000000);
    t_eq(ngx_http_ai_tally_output_us(1100, 100, 1), -1);
    t_eq(ngx_http_ai_tally_output_us(1100, 100, 0), -1);
    t_eq(ngx_http_ai_tally_output_us(1100, 100, -1), -1);
    t_eq(ngx_http_ai_tally_output_us(1100, -1, 11), -1);
    t_eq(ngx_http_ai_tally_output_us(100, 100, 11), -1);
    t_eq(ngx_http_ai_tally_output_us(INT64_MAX, 0, 2),
         (int64_t) UINT32_MAX * 1000);
}


static void
ngx_http_ai_test_steps(void)
{
    ngx_http_ai_tally_step_t    ring[4];
    ngx_http_ai_tally_sample_t  s;

    ngx_memzero(ring, sizeof(ring));
    ngx_http_ai_tally_init(&s);

    s.outcome = NGX_HTTP_AI_TALLY_OK;
    s.fallback = NGX_HTTP_AI_TALLY_RETRY;
    s.latency_ms = 300;
    s.first_token_ms = 20;
    s.tokens[NGX_HTTP_AI_TALLY_OUTPUT] = 7;
    s.cost_nanousd = 9;

    ngx_http_ai_tally_add_step(ring, 4, 1001, &s);
    s.latency_ms = 100;
    s.first_token_ms = -1;
    ngx_http_ai_tally_add_step(ring, 4, 1001, &s);
    s.outcome = NGX_HTTP_AI_TALLY_STALLED;
    s.latency_ms = 60000;
    ngx_http_ai_tally_add_step(ring, 4, 1001, &s);

    t_eq(ring[1].number, 1001);
    t_eq(ring[1].outcomes[NGX_HTTP_AI_TALLY_OK], 2);
    t_eq(ring[1].outcomes[NGX_HTTP_AI_TALLY_STALLED], 1);
    t_eq(ring[1].fallbacks, 3);
    t_eq(ring[1].saved, 2);
    t_eq(ring[1].tokens[0], 0);
    t_eq(ring[1].tokens[1], 21);
    t_eq(ring[1].cost_nanousd, 27);
    t_eq(ring[1].latency_max_ms, 300);
    t_eq(ring[1].latency.sum_ms, 400);
    t_eq(ngx_http_ai_stats_total(&ring[1].latency), 2);
    t_eq(ring[1].first_token_count, 1);
    t_eq(ring[1].first_token_sum_ms, 20);

    /* others do not touch it; the one that takes its place begins anew */

    ngx_http_ai_tally_add_step(ring, 4, 1004, &s);
    t_eq(ring[0].number, 1004);
    t_eq(ring[1].number, 1001);

    ngx_http_ai_tally_add_step(ring, 4, 1005, &s);
    t_eq(ring[1].number, 1005);
    t_eq(ring[1].outcomes[NGX_HTTP_AI_TALLY_OK], 0);
    t_eq(ring[1].outcomes[NGX_HTTP_AI_TALLY_STALLED], 1);
    t_eq(ring[1].latency_max_ms, 0);

    /* the clock was set back */

    ngx_http_ai_tally_add_step(ring, 4, 1001, &s);
    t_eq(ring[1].number, 1001);
    t_eq(ring[1].outcomes[NGX_HTTP_AI_TALLY_STALLED], 1);
}


static void
ngx_http_ai_test_hash(void)
{
    uint64_t    hashes[200];
    u_char      text[64];
    ngx_str_t   names[2];
    ngx_uint_t  i, k, n;

    n = 0;

    /* every length, and every way to cut one text in two */

    for (i = 0; i < sizeof(text); i++) {
        text[i] = 'a' + i % 3;
    }

    for (k = 0; k < 3; k++) {

        for (i = 0; i <= 40; i++) {
            names[0].data = ngx_http_ai_test_dup(text, i);
            names[0].len = i;
            names[1].data = ngx_http_ai_test_dup(text + i, 40 - i);
            names[1].len = 40 - i;

            hashes[n++] = ngx_http_ai_tally_hash(k, names);
            t_ok(hashes[n - 1] != 0);
            t_eq(ngx_http_ai_tally_hash(k, names), hashes[n - 1]);

            free(names[0].data);
            free(names[1].data);
        }
    }

    ngx_memzero(names, sizeof(names));
    hashes[n++] = ngx_http_ai_tally_hash(0, names);

    for (i = 0; i < n; i++) {
        for (k = 0; k < i; k++) {
            t_ok(hashes[i] != hashes[k]);
        }
    }
}


static const ngx_http_ai_test_t  tests[] = {
    { "words of the records", ngx_http_ai_test_words },
    { "a sample of which nothing is known", ngx_http_ai_test_unknown },
    { "sums", ngx_http_ai_test_sums },
    { "scales", ngx_http_ai_test_scales },
    { "time for an output token", ngx_http_ai_test_output },
    { "steps of the history", ngx_http_ai_test_steps },
    { "hashes", ngx_http_ai_test_hash },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
