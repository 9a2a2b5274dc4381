
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_stats.h"
#include "ngx_http_ai_window.h"


static uint64_t ngx_http_ai_stats_weight(ngx_msec_t elapsed, ngx_msec_t tau);
static uint32_t ngx_http_ai_stats_micro(int64_t ms);
static void ngx_http_ai_stats_store(ngx_http_ai_stats_ewma_t *e,
    ngx_msec_t now, uint32_t value);


void
ngx_http_ai_stats_add(ngx_http_ai_stats_t *st, ngx_msec_t tau,
    ngx_msec_t now, const ngx_http_ai_stats_sample_t *sample)
{
    if (sample->latency_ms >= 0) {
        ngx_http_ai_stats_peak(&st->latency, tau, now,
                               ngx_http_ai_stats_micro(sample->latency_ms));
        ngx_http_ai_stats_count(&st->latency_hist, sample->latency_ms);
    }

    if (sample->first_token_ms >= 0) {
        ngx_http_ai_stats_peak(&st->first_token, tau, now,
                            ngx_http_ai_stats_micro(sample->first_token_ms));
        ngx_http_ai_stats_count(&st->first_token_hist,
                                sample->first_token_ms);
    }

    /* without a time that passed there is no speed, and not a speed of 0 */

    if (sample->tokens >= 0 && sample->tokens_ms > 0) {
        ngx_http_ai_stats_mean(&st->speed, tau, now,
                               ngx_http_ai_stats_speed(sample->tokens,
                                                       sample->tokens_ms));
    }
}


void
ngx_http_ai_stats_peak(ngx_http_ai_stats_ewma_t *e, ngx_msec_t tau,
    ngx_msec_t now, uint32_t value)
{
    if (value < e->value) {
        ngx_http_ai_stats_mean(e, tau, now, value);
        return;
    }

    ngx_http_ai_stats_store(e, now, value);
}


/*
 * Products are rounded towards the sample, or a steady stream of samples a
 * millisecond apart would never take a value the last few units.
 */

void
ngx_http_ai_stats_mean(ngx_http_ai_stats_ewma_t *e, ngx_msec_t tau,
    ngx_msec_t now, uint32_t value)
{
    uint64_t  weight;

    if (e->samples) {
        weight = ngx_http_ai_stats_weight(
                                ngx_http_ai_window_elapsed(e->at, now), tau);

        if (value < e->value) {
            value += (e->value - value) * weight >> 32;

        } else {
            value -= (value - e->value) * weight >> 32;
        }
    }

    ngx_http_ai_stats_store(e, now, value);
}


uint32_t
ngx_http_ai_stats_decayed(const ngx_http_ai_stats_ewma_t *e, ngx_msec_t tau,
    ngx_msec_t now)
{
    return e->value * ngx_http_ai_stats_weight(
                            ngx_http_ai_window_elapsed(e->at, now), tau) >> 32;
}


uint32_t
ngx_http_ai_stats_speed(int64_t tokens, int64_t ms)
{
    if (tokens <= 0 || ms <= 0) {
        return 0;
    }

    /* no answer has so many; the product must not overflow */

    tokens = ngx_min(tokens, UINT32_MAX);

    return (uint32_t) ngx_min((uint64_t) tokens * 1000000 / ms, UINT32_MAX);
}


void
ngx_http_ai_stats_count(ngx_http_ai_stats_hist_t *h, uint64_t ms)
{
    ngx_uint_t  k;

    for (k = 0; k < NGX_HTTP_AI_STATS_BUCKETS - 1; k++) {
        if (ms <= ngx_http_ai_stats_bound(k)) {
            break;
        }
    }

    if (h->counts[k] != UINT32_MAX) {
        h->counts[k]++;
        h->sum_ms += ms;
    }
}


uint64_t
ngx_http_ai_stats_total(const ngx_http_ai_stats_hist_t *h)
{
    uint64_t    total;
    ngx_uint_t  k;

    total = 0;

    for (k = 0; k < NGX_HTTP_AI_STATS_BUCKETS; k++) {
        total += h->counts[k];
    }

    return total;
}


int64_t
ngx_http_ai_stats_percentile(const ngx_http_ai_stats_hist_t *h,
    ngx_uint_t permille)
{
    uint64_t    low, rank, total, width;
    ngx_uint_t  k;

    total = ngx_http_ai_stats_total(h);

    if (total == 0) {
        return -1;
    }

    /* the sample's number, from 1, rounded up */

    rank = (total * ngx_min(permille, 1000) + 999) / 1000;
    rank = ngx_max(rank, 1);

    for (k = 0; rank > h->counts[k]; k++) {
        rank -= h->counts[k];
    }

    low = k ? ngx_http_ai_stats_bound(k - 1) : 0;

    if (k == NGX_HTTP_AI_STATS_BUCKETS - 1) {
        return (int64_t) low;
    }

    width = ngx_http_ai_stats_bound(k) - low;

    return (int64_t) (low + width * rank / h->counts[k]);
}


void
ngx_http_ai_stats_reset(ngx_http_ai_stats_t *st)
{
    ngx_memzero(st, sizeof(ngx_http_ai_stats_t));
}


/*
 * How much is left of an old value: e^(-elapsed/tau), in units of 2^-32 (so
 * 2^32 for an elapsed time of 0).
 *
 * e^-x is 2^-y with y = x / ln 2.  The whole part of y is a shift; for its
 * fraction f a cubic is used,
 *
 *     2^-f = 1 - 0.6931472 f + 0.2402265 f^2 - 0.0470793 f^3,
 *
 * whose first two coefficients are those of Taylor's series, so that samples
 * which follow closely decay by the right rate, and whose third one makes it
 * exactly 1/2 at f = 1, so that there is no step.  It is off by 0.14 % of the
 * value at most.
 */

static uint64_t
ngx_http_ai_stats_weight(ngx_msec_t elapsed, ngx_msec_t tau)
{
    uint64_t  f, f2, f3, x, y;

    /* beyond 22 time constants nothing is left of 32 bits */

    if (tau == 0 || elapsed / tau >= 22) {
        return elapsed ? 0 : (uint64_t) 1 << 32;
    }

    x = ((uint64_t) elapsed << 32) / tau;
    y = x * 94548 >> 16;                   /* 94548 = 2^16 / ln 2 */

    f = y & 0xffffffff;
    f2 = f * f >> 32;
    f3 = f2 * f >> 32;

    x = ((uint64_t) 1 << 32)
        - (f * 2977044472u >> 32)
        + (f2 * 1031764991u >> 32)
        - (f3 * 202204167u >> 32);

    return x >> (y >> 32);
}


/* milliseconds as a count of microseconds; 71 minutes are enough */

static uint32_t
ngx_http_ai_stats_micro(int64_t ms)
{
    return (uint32_t) (ngx_min(ms, UINT32_MAX / 1000) * 1000);
}


static void
ngx_http_ai_stats_store(ngx_http_ai_stats_ewma_t *e, ngx_msec_t now,
    uint32_t value)
{
    e->value = value;
    e->at = now;

    if (e->samples != UINT32_MAX) {
        e->samples++;
    }
}
