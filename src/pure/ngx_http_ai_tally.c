
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_tally.h"


static ngx_uint_t ngx_http_ai_tally_word(const ngx_str_t *words,
    ngx_uint_t n, const ngx_str_t *word);
static void ngx_http_ai_tally_sum(uint64_t *sum, int64_t value);
static uint64_t ngx_http_ai_tally_mix(uint64_t hash, uint64_t word);
static uint64_t ngx_http_ai_tally_bytes(uint64_t hash, const ngx_str_t *name);


const ngx_str_t  ngx_http_ai_tally_outcomes[NGX_HTTP_AI_TALLY_OUTCOMES] = {
    ngx_string("error"),
    ngx_string("ok"),
    ngx_string("cut"),
    ngx_string("stalled"),
    ngx_string("client_gone"),
    ngx_string("rejected")
};


const ngx_str_t
    ngx_http_ai_tally_fallback_words[NGX_HTTP_AI_TALLY_FALLBACKS] =
{
    ngx_string("none"),
    ngx_string("retry"),
    ngx_string("account"),
    ngx_string("provider"),
    ngx_string("backup")
};


static const uint64_t  ngx_http_ai_tally_output_time[] = {
    10000, 25000, 50000, 75000, 100000, 150000, 200000, 300000, 400000,
    500000, 750000, 1000000, 2500000
};

static const uint64_t  ngx_http_ai_tally_usage[] = {
    1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304,
    16777216, 67108864
};

static const uint64_t  ngx_http_ai_tally_overhead[] = {
    5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000,
    100000
};


#define ngx_http_ai_tally_row(bounds)                                         \
    { bounds, sizeof(bounds) / sizeof(bounds[0]) }

static const ngx_http_ai_tally_scale_t
    ngx_http_ai_tally_scales[NGX_HTTP_AI_TALLY_SCALES] =
{
    ngx_http_ai_tally_row(ngx_http_ai_tally_output_time),
    ngx_http_ai_tally_row(ngx_http_ai_tally_usage),
    ngx_http_ai_tally_row(ngx_http_ai_tally_overhead)
};


ngx_http_ai_tally_outcome_e
ngx_http_ai_tally_outcome(const ngx_str_t *word)
{
    return ngx_http_ai_tally_word(ngx_http_ai_tally_outcomes,
                                  NGX_HTTP_AI_TALLY_OUTCOMES, word);
}


ngx_http_ai_tally_fallback_e
ngx_http_ai_tally_fallback(const ngx_str_t *word)
{
    return ngx_http_ai_tally_word(ngx_http_ai_tally_fallback_words,
                                  NGX_HTTP_AI_TALLY_FALLBACKS, word);
}


static ngx_uint_t
ngx_http_ai_tally_word(const ngx_str_t *words, ngx_uint_t n,
    const ngx_str_t *word)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {

        if (word->len == words[i].len
            && ngx_memcmp(word->data, words[i].data, word->len) == 0)
        {
            return i;
        }
    }

    return 0;
}


void
ngx_http_ai_tally_init(ngx_http_ai_tally_sample_t *sample)
{
    ngx_uint_t  i;

    ngx_memzero(sample, sizeof(ngx_http_ai_tally_sample_t));

    for (i = 0; i < NGX_HTTP_AI_TALLY_TOKENS; i++) {
        sample->tokens[i] = -1;
    }

    sample->cost_nanousd = -1;
    sample->latency_ms = -1;
    sample->first_token_ms = -1;
    sample->output_us = -1;
}


void
ngx_http_ai_tally_add(ngx_http_ai_tally_t *t,
    const ngx_http_ai_tally_sample_t *sample)
{
    ngx_uint_t  i;

    t->outcomes[sample->outcome]++;
    t->fallbacks[sample->fallback]++;
    t->drill += sample->drill;
    t->attempts += sample->attempts;

    if (sample->fallback != NGX_HTTP_AI_TALLY_NONE
        && sample->outcome == NGX_HTTP_AI_TALLY_OK)
    {
        t->saved++;
    }

    for (i = 0; i < NGX_HTTP_AI_TALLY_TOKENS; i++) {
        ngx_http_ai_tally_sum(&t->tokens[i], sample->tokens[i]);
    }

    ngx_http_ai_tally_sum(&t->cost_nanousd, sample->cost_nanousd);

    if (sample->latency_ms >= 0 && sample->outcome == NGX_HTTP_AI_TALLY_OK) {
        ngx_http_ai_stats_count(&t->latency, sample->latency_ms);
    }

    if (sample->first_token_ms >= 0) {
        ngx_http_ai_stats_count(&t->first_token, sample->first_token_ms);
    }
}


void
ngx_http_ai_tally_add_target(ngx_http_ai_tally_target_t *t,
    const ngx_http_ai_tally_sample_t *sample)
{
    ngx_uint_t  i;

    ngx_http_ai_tally_add(&t->sum, sample);

    t->verdicts[sample->verdict]++;

    if (sample->output_us >= 0) {
        ngx_http_ai_tally_count(&t->output_time,
                                NGX_HTTP_AI_TALLY_OUTPUT_TIME,
                                sample->output_us);
    }

    for (i = 0; i < 2; i++) {

        if (sample->tokens[i] >= 0) {
            ngx_http_ai_tally_count(&t->usage[i], NGX_HTTP_AI_TALLY_USAGE,
                                    sample->tokens[i]);
        }
    }
}


void
ngx_http_ai_tally_add_step(ngx_http_ai_tally_step_t *ring, ngx_uint_t n,
    int64_t number, const ngx_http_ai_tally_sample_t *sample)
{
    ngx_uint_t                 i;
    ngx_http_ai_tally_step_t  *s;

    s = &ring[number % n];

    if (s->number != number) {
        ngx_memzero(s, sizeof(ngx_http_ai_tally_step_t));
        s->number = number;
    }

    s->outcomes[sample->outcome]++;

    if (sample->fallback != NGX_HTTP_AI_TALLY_NONE) {
        s->fallbacks++;
        s->saved += (sample->outcome == NGX_HTTP_AI_TALLY_OK);
    }

    for (i = 0; i < 2; i++) {
        ngx_http_ai_tally_sum(&s->tokens[i], sample->tokens[i]);
    }

    ngx_http_ai_tally_sum(&s->cost_nanousd, sample->cost_nanousd);

    if (sample->latency_ms >= 0 && sample->outcome == NGX_HTTP_AI_TALLY_OK) {
        ngx_http_ai_stats_count(&s->latency, sample->latency_ms);
        s->latency_max_ms = (uint32_t) ngx_max(s->latency_max_ms,
                                               ngx_min(sample->latency_ms,
                                                       UINT32_MAX));
    }

    if (sample->first_token_ms >= 0) {
        s->first_token_count++;
        s->first_token_sum_ms += sample->first_token_ms;
    }
}


uint64_t
ngx_http_ai_tally_requests(const ngx_http_ai_tally_t *t)
{
    uint64_t    n;
    ngx_uint_t  i;

    n = 0;

    for (i = 0; i < NGX_HTTP_AI_TALLY_OUTCOMES; i++) {
        n += t->outcomes[i];
    }

    return n;
}


uint64_t
ngx_http_ai_tally_fallbacks(const ngx_http_ai_tally_t *t)
{
    uint64_t    n;
    ngx_uint_t  i;

    n = 0;

    for (i = NGX_HTTP_AI_TALLY_NONE + 1; i < NGX_HTTP_AI_TALLY_FALLBACKS;
         i++)
    {
        n += t->fallbacks[i];
    }

    return n;
}


void
ngx_http_ai_tally_count(ngx_http_ai_tally_hist_t *h,
    ngx_http_ai_tally_scale_e scale, int64_t value)
{
    ngx_uint_t                        k;
    const ngx_http_ai_tally_scale_t  *s;

    s = &ngx_http_ai_tally_scales[scale];
    value = ngx_max(value, 0);

    for (k = 0; k < s->n && (uint64_t) value > s->bounds[k]; k++) {
        /* void */
    }

    if (h->counts[k] != UINT32_MAX) {
        h->counts[k]++;
        h->sum += value;
    }
}


const ngx_http_ai_tally_scale_t *
ngx_http_ai_tally_scale(ngx_http_ai_tally_scale_e scale)
{
    return &ngx_http_ai_tally_scales[scale];
}


int64_t
ngx_http_ai_tally_output_us(int64_t latency_ms, int64_t first_ms,
    int64_t tokens)
{
    if (first_ms < 0 || tokens < 2 || latency_ms <= first_ms) {
        return -1;
    }

    /* an answer takes no weeks; the product must not overflow */

    return ngx_min(latency_ms - first_ms, UINT32_MAX) * 1000 / (tokens - 1);
}


/*
 * Names come from clients, and who makes two that collide finds them counted
 * as one of them, so the owner of the memory compares.
 */

uint64_t
ngx_http_ai_tally_hash(ngx_uint_t kind, const ngx_str_t *names)
{
    uint64_t  hash;

    hash = ngx_http_ai_tally_mix(kind, names[0].len << 16 | names[1].len);
    hash = ngx_http_ai_tally_bytes(hash, &names[0]);
    hash = ngx_http_ai_tally_bytes(hash, &names[1]);

    return ngx_max(hash, 1);
}


static uint64_t
ngx_http_ai_tally_bytes(uint64_t hash, const ngx_str_t *name)
{
    size_t         n;
    uint64_t       word;
    const u_char  *p;

    p = name->data;

    for (n = name->len; n >= sizeof(word); n -= sizeof(word)) {
        ngx_memcpy(&word, p, sizeof(word));
        hash = ngx_http_ai_tally_mix(hash, word);
        p += sizeof(word);
    }

    if (n) {
        word = 0;
        ngx_memcpy(&word, p, n);
        hash = ngx_http_ai_tally_mix(hash, word);
    }

    return hash;
}


/* the constant is that of MurmurHash2's 64-bit form */

static uint64_t
ngx_http_ai_tally_mix(uint64_t hash, uint64_t word)
{
    word *= 0xc6a4a7935bd1e995u;
    word ^= word >> 47;

    hash ^= word;
    hash *= 0xc6a4a7935bd1e995u;

    return hash ^ hash >> 29;
}


/* a provider's figures may be any, and readers' numbers have a sign */

static void
ngx_http_ai_tally_sum(uint64_t *sum, int64_t value)
{
    if (value > 0) {
        *sum = ngx_min(*sum + (uint64_t) value, INT64_MAX);
    }
}
