
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Counters of requests and attempts, for operators: sums, histograms, and the
 * steps of a history.
 *
 * The structures may live in shared memory; the caller holds the lock.
 * Zeroed memory is nothing counted yet.  Integers only.
 */


#ifndef _NGX_HTTP_AI_TALLY_H_INCLUDED_
#define _NGX_HTTP_AI_TALLY_H_INCLUDED_


#include "ngx_http_ai_base.h"
#include "ngx_http_ai_stats.h"
#include "ngx_http_ai_verdict.h"


/* by the words of usage records */

typedef enum {
    NGX_HTTP_AI_TALLY_ERROR = 0,
    NGX_HTTP_AI_TALLY_OK,
    NGX_HTTP_AI_TALLY_CUT,
    NGX_HTTP_AI_TALLY_STALLED,
    NGX_HTTP_AI_TALLY_CLIENT_GONE,
    NGX_HTTP_AI_TALLY_REJECTED,
    NGX_HTTP_AI_TALLY_OUTCOMES
} ngx_http_ai_tally_outcome_e;


typedef enum {
    NGX_HTTP_AI_TALLY_NONE = 0,
    NGX_HTTP_AI_TALLY_RETRY,
    NGX_HTTP_AI_TALLY_ACCOUNT,
    NGX_HTTP_AI_TALLY_PROVIDER,
    NGX_HTTP_AI_TALLY_BACKUP,
    NGX_HTTP_AI_TALLY_FALLBACKS
} ngx_http_ai_tally_fallback_e;


typedef enum {
    NGX_HTTP_AI_TALLY_INPUT = 0,
    NGX_HTTP_AI_TALLY_OUTPUT,
    NGX_HTTP_AI_TALLY_CACHE_READ,
    NGX_HTTP_AI_TALLY_CACHE_WRITE,
    NGX_HTTP_AI_TALLY_REASONING,
    NGX_HTTP_AI_TALLY_TOKENS
} ngx_http_ai_tally_token_e;


/* other scales than that of ngx_http_ai_stats_hist_t */

typedef enum {
    NGX_HTTP_AI_TALLY_OUTPUT_TIME = 0, /* microseconds for a token; the bounds
                                          are those of OpenTelemetry's
                                          gen_ai.server.time_per_output_token
                                        */
    NGX_HTTP_AI_TALLY_USAGE,           /* tokens; of gen_ai.client.token.usage
                                        */
    NGX_HTTP_AI_TALLY_OVERHEAD,        /* microseconds */
    NGX_HTTP_AI_TALLY_SCALES
} ngx_http_ai_tally_scale_e;

#define NGX_HTTP_AI_TALLY_BUCKETS  16      /* at most, the last without an
                                              upper bound included */


typedef struct {
    const uint64_t            *bounds;     /* each belongs to the bucket below
                                              it */
    ngx_uint_t                 n;
} ngx_http_ai_tally_scale_t;


typedef struct {
    uint64_t                   sum;
    uint32_t                   counts[NGX_HTTP_AI_TALLY_BUCKETS];
                                           /* not cumulative; stop at
                                              UINT32_MAX */
} ngx_http_ai_tally_hist_t;


/* what has ended of one thing: requests, or attempts */

typedef struct {
    uint64_t                   outcomes[NGX_HTTP_AI_TALLY_OUTCOMES];
    uint64_t                   fallbacks[NGX_HTTP_AI_TALLY_FALLBACKS];
    uint64_t                   saved;      /* of the fallbacks, those ok */
    uint64_t                   drill;
    uint64_t                   attempts;
    uint64_t                   tokens[NGX_HTTP_AI_TALLY_TOKENS];
    uint64_t                   cost_nanousd;
    ngx_http_ai_stats_hist_t   latency;    /* of those ok */
    ngx_http_ai_stats_hist_t   first_token;    /* of streams that began */
} ngx_http_ai_tally_t;


/* the same of attempts at one model of one account, and more */

typedef struct {
    ngx_http_ai_tally_t        sum;
    uint64_t                   verdicts[NGX_HTTP_AI_VERDICTS];
    ngx_http_ai_tally_hist_t   output_time;
    ngx_http_ai_tally_hist_t   usage[2];   /* input, output */
} ngx_http_ai_tally_target_t;


/* one that ended; -1 in a number: not known, or there was none */

typedef struct {
    ngx_http_ai_tally_outcome_e   outcome;
    ngx_http_ai_tally_fallback_e  fallback;
    ngx_http_ai_verdict_e         verdict;     /* of an attempt */
    ngx_uint_t                    attempts;
    int64_t                       tokens[NGX_HTTP_AI_TALLY_TOKENS];
    int64_t                       cost_nanousd;
    int64_t                       latency_ms;
    int64_t                       first_token_ms;
    int64_t                       output_us;   /* for a token */
    unsigned                      drill:1;
} ngx_http_ai_tally_sample_t;


/* one step of the history; all zero: nothing ended in it */

typedef struct {
    int64_t                    number;     /* Unix time by its length */
    uint64_t                   tokens[2];  /* input, output */
    uint64_t                   cost_nanousd;
    uint64_t                   first_token_sum_ms;
    ngx_http_ai_stats_hist_t   latency;    /* of those ok */
    uint32_t                   outcomes[NGX_HTTP_AI_TALLY_OUTCOMES];
    uint32_t                   fallbacks;
    uint32_t                   saved;
    uint32_t                   latency_max_ms;
    uint32_t                   first_token_count;
} ngx_http_ai_tally_step_t;


/* the words of usage records, and what one means; NONE and ERROR if unknown */
extern const ngx_str_t
    ngx_http_ai_tally_outcomes[NGX_HTTP_AI_TALLY_OUTCOMES];
extern const ngx_str_t
    ngx_http_ai_tally_fallback_words[NGX_HTTP_AI_TALLY_FALLBACKS];

ngx_http_ai_tally_outcome_e ngx_http_ai_tally_outcome(const ngx_str_t *word);
ngx_http_ai_tally_fallback_e ngx_http_ai_tally_fallback(
    const ngx_str_t *word);

/* a sample of which nothing is known: an error */
void ngx_http_ai_tally_init(ngx_http_ai_tally_sample_t *sample);

void ngx_http_ai_tally_add(ngx_http_ai_tally_t *t,
    const ngx_http_ai_tally_sample_t *sample);
void ngx_http_ai_tally_add_target(ngx_http_ai_tally_target_t *t,
    const ngx_http_ai_tally_sample_t *sample);

/* the step of the number takes its place in the ring, whatever was there */
void ngx_http_ai_tally_add_step(ngx_http_ai_tally_step_t *ring, ngx_uint_t n,
    int64_t number, const ngx_http_ai_tally_sample_t *sample);

/* all that ended */
uint64_t ngx_http_ai_tally_requests(const ngx_http_ai_tally_t *t);

/* all fallbacks but "none" */
uint64_t ngx_http_ai_tally_fallbacks(const ngx_http_ai_tally_t *t);

/* below 0 is 0 */
void ngx_http_ai_tally_count(ngx_http_ai_tally_hist_t *h,
    ngx_http_ai_tally_scale_e scale, int64_t value);

const ngx_http_ai_tally_scale_t *ngx_http_ai_tally_scale(
    ngx_http_ai_tally_scale_e scale);

/*
 * Microseconds for each output token after the first; -1: there are not two,
 * or no time passed.
 */
int64_t ngx_http_ai_tally_output_us(int64_t latency_ms, int64_t first_ms,
    int64_t tokens);

/* 64 bits for a kind of thing and its one or two names, never 0 */
uint64_t ngx_http_ai_tally_hash(ngx_uint_t kind, const ngx_str_t *names);


#endif /* _NGX_HTTP_AI_TALLY_H_INCLUDED_ */
