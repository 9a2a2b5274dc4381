
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * How fast a health cell answers: moving averages for the balancers, and
 * histograms for metrics and for people.
 *
 * The structures may live in shared memory; the caller holds the lock.
 * Zeroed memory is a cell without any sample.  Integers only: neither the
 * hot path nor the tests depend on a floating point unit's rounding.
 */


#ifndef _NGX_HTTP_AI_STATS_H_INCLUDED_
#define _NGX_HTTP_AI_STATS_H_INCLUDED_


#include "ngx_http_ai_base.h"


#define NGX_HTTP_AI_STATS_DEF_TAU  10000   /* ms, time constant of decay */

/*
 * Upper bounds of 10 * 2^k ms, k = 0 .. 14 (10 ms to 163.84 s), and one bucket
 * for what is above.  The first 14 bounds are those of OpenTelemetry's
 * gen_ai.server.request.duration (0.01 s to 81.92 s); the 15th is one more
 * doubling, since reasoning models take longer.  A bound belongs to the
 * bucket below it, as "le" does in Prometheus.
 */
#define NGX_HTTP_AI_STATS_BUCKETS  16
#define NGX_HTTP_AI_STATS_FIRST    10      /* ms */

#define ngx_http_ai_stats_bound(k)                                            \
    ((uint64_t) NGX_HTTP_AI_STATS_FIRST << (k))


typedef struct {
    ngx_msec_t                at;          /* of the last sample */
    uint32_t                  value;       /* at that time */
    uint32_t                  samples;     /* stops at UINT32_MAX */
} ngx_http_ai_stats_ewma_t;


typedef struct {
    uint64_t                  sum_ms;
    uint32_t                  counts[NGX_HTTP_AI_STATS_BUCKETS];
                                           /* not cumulative; stop at
                                              UINT32_MAX */
} ngx_http_ai_stats_hist_t;


typedef struct {
    ngx_http_ai_stats_ewma_t  latency;     /* microseconds, peak */
    ngx_http_ai_stats_ewma_t  first_token; /* microseconds, peak */
    ngx_http_ai_stats_ewma_t  speed;       /* tokens per 1000 s, mean */

    ngx_http_ai_stats_hist_t  latency_hist;
    ngx_http_ai_stats_hist_t  first_token_hist;
} ngx_http_ai_stats_t;


/* one answer; -1: not known, or there was none */

typedef struct {
    int64_t                   latency_ms;
    int64_t                   first_token_ms;
    int64_t                   tokens;      /* of output, */
    int64_t                   tokens_ms;   /* ... and the time they took */
} ngx_http_ai_stats_sample_t;


void ngx_http_ai_stats_add(ngx_http_ai_stats_t *st, ngx_msec_t tau,
    ngx_msec_t now, const ngx_http_ai_stats_sample_t *sample);

/*
 * A sample above the average takes effect at once, one below it decays in.
 * "value" is in the average's own unit.
 */
void ngx_http_ai_stats_peak(ngx_http_ai_stats_ewma_t *e, ngx_msec_t tau,
    ngx_msec_t now, uint32_t value);

/* the same without the peaks: both ways decay in */
void ngx_http_ai_stats_mean(ngx_http_ai_stats_ewma_t *e, ngx_msec_t tau,
    ngx_msec_t now, uint32_t value);

/*
 * A peak average at "now": it sinks towards 0 as long as no sample comes, so
 * that a target which was slow once, and hence is not chosen any more, is
 * tried again some time.  Changes nothing.
 */
uint32_t ngx_http_ai_stats_decayed(const ngx_http_ai_stats_ewma_t *e,
    ngx_msec_t tau, ngx_msec_t now);

/* milli-tokens per second, 0 for a time of 0 */
uint32_t ngx_http_ai_stats_speed(int64_t tokens, int64_t ms);

void ngx_http_ai_stats_count(ngx_http_ai_stats_hist_t *h, uint64_t ms);

uint64_t ngx_http_ai_stats_total(const ngx_http_ai_stats_hist_t *h);

/*
 * The time in ms that "permille" (1..1000) of the samples do not exceed, as if
 * they lay evenly in their bucket; never below the bucket of the true one nor
 * above it.  -1: no samples.  In the last bucket, which has no upper bound,
 * its lower one.
 */
int64_t ngx_http_ai_stats_percentile(const ngx_http_ai_stats_hist_t *h,
    ngx_uint_t permille);

void ngx_http_ai_stats_reset(ngx_http_ai_stats_t *st);


#endif /* _NGX_HTTP_AI_STATS_H_INCLUDED_ */
