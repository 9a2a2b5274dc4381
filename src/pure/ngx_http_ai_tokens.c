
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What usage objects said is put together, and repaired by arithmetic that
 * holds for every recorded answer.
 */


#include "ngx_http_ai_tokens.h"
#include "ngx_http_ai_decimal.h"


#define NGX_HTTP_AI_TOKENS_NANO            9      /* 10^-9 of a dollar */
#define NGX_HTTP_AI_TOKENS_TICKS_PER_NANO  10


#define ngx_http_ai_tokens_bit(count)                                         \
    ((uint32_t) 1 << NGX_HTTP_AI_TOKENS_##count)

#define ngx_http_ai_tokens_known(raw, count)                                  \
    ((raw)->known & ngx_http_ai_tokens_bit(count))


/* the counts that make an object a usage object: details alone do not */

#define NGX_HTTP_AI_TOKENS_TOLD                                               \
    (ngx_http_ai_tokens_bit(PROMPT) | ngx_http_ai_tokens_bit(INPUT)           \
     | ngx_http_ai_tokens_bit(OUTPUT) | ngx_http_ai_tokens_bit(TOTAL)         \
     | ngx_http_ai_tokens_bit(BILLED_IN) | ngx_http_ai_tokens_bit(BILLED_OUT))

#define NGX_HTTP_AI_TOKENS_UNITS                                              \
    (ngx_http_ai_tokens_bit(SECONDS) | ngx_http_ai_tokens_bit(SEARCH))


static void ngx_http_ai_tokens_merge(ngx_http_ai_tokens_raw_t *raw,
    const ngx_http_ai_tokens_raw_t *more);
static void ngx_http_ai_tokens_repair(ngx_http_ai_tokens_t *tokens,
    const ngx_http_ai_tokens_raw_t *raw);


void
ngx_http_ai_tokens_init(ngx_http_ai_tokens_raw_t *raw)
{
    ngx_memzero(raw, sizeof(ngx_http_ai_tokens_raw_t));
}


ngx_int_t
ngx_http_ai_tokens_usage(ngx_http_ai_tokens_t *tokens, const u_char *p,
    size_t n)
{
    ngx_int_t                 rc;
    ngx_http_ai_tokens_raw_t  raw;

    ngx_http_ai_tokens_init(&raw);

    rc = ngx_http_ai_tokens_add(&raw, p, n, 0);

    if (rc == NGX_OK) {
        ngx_http_ai_tokens_sum(&raw, tokens);
    }

    return rc;
}


ngx_int_t
ngx_http_ai_tokens_add(ngx_http_ai_tokens_raw_t *raw, const u_char *p,
    size_t n, ngx_uint_t cut)
{
    ngx_http_ai_tokens_raw_t  more;

    if (ngx_http_ai_tokens_read(&more, p, n, cut) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!(more.known & (NGX_HTTP_AI_TOKENS_TOLD|NGX_HTTP_AI_TOKENS_UNITS))) {
        return NGX_DECLINED;
    }

    ngx_http_ai_tokens_merge(raw, &more);

    return NGX_OK;
}


static void
ngx_http_ai_tokens_merge(ngx_http_ai_tokens_raw_t *raw,
    const ngx_http_ai_tokens_raw_t *more)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_AI_TOKENS_COUNTS; i++) {
        if (more->value[i]) {
            raw->value[i] = more->value[i];
        }
    }

    raw->known |= more->known;
    raw->fast |= more->fast;

    if (more->priced) {
        raw->cost = more->cost;
        raw->priced = 1;
    }

    if (more->tier) {
        raw->tier = more->tier;
    }
}


void
ngx_http_ai_tokens_put(ngx_http_ai_tokens_raw_t *raw,
    ngx_http_ai_tokens_count_e count, int64_t value)
{
    value = ngx_min(value, NGX_HTTP_AI_TOKENS_MAX);

    /* value[] began with zeroes: this drops what is negative, too */

    raw->value[count] = ngx_max(raw->value[count], value);
    raw->known |= (uint32_t) 1 << count;
}


void
ngx_http_ai_tokens_number(ngx_http_ai_tokens_raw_t *raw,
    ngx_http_ai_tokens_count_e count, const u_char *p, size_t n)
{
    int64_t        value;
    ngx_uint_t     begun;
    const u_char  *last;

    value = 0;
    begun = 0;

    for (last = p + n; p < last && *p >= '0' && *p <= '9'; p++) {
        value = ngx_min(value * 10 + (*p - '0'), NGX_HTTP_AI_TOKENS_MAX);
    }

    if (p < last && *p == '.') {
        for (p++; p < last && *p >= '0' && *p <= '9'; p++) {
            begun |= (*p != '0');
        }
    }

    /* negative, or with an exponent: no such count was ever seen */

    if (p == last && n) {
        ngx_http_ai_tokens_put(raw, count, value + (int64_t) begun);
    }
}


void
ngx_http_ai_tokens_tier(ngx_http_ai_tokens_raw_t *raw, const u_char *p,
    size_t n)
{
    ngx_uint_t  i;

    static const struct {
        ngx_str_t           name;
        ngx_http_ai_tier_e  tier;
    } tiers[] = {
        { ngx_string("default"), NGX_HTTP_AI_TIER_STANDARD },
        { ngx_string("standard"), NGX_HTTP_AI_TIER_STANDARD },
        { ngx_string("on_demand"), NGX_HTTP_AI_TIER_STANDARD },
        { ngx_string("flex"), NGX_HTTP_AI_TIER_FLEX },
        { ngx_string("priority"), NGX_HTTP_AI_TIER_PRIORITY },
        { ngx_string("batch"), NGX_HTTP_AI_TIER_BATCH }
    };

    for (i = 0; i < sizeof(tiers) / sizeof(tiers[0]); i++) {
        if (tiers[i].name.len == n
            && strncasecmp((const char *) p, (char *) tiers[i].name.data, n)
               == 0)
        {
            raw->tier = tiers[i].tier;
        }
    }
}


int64_t
ngx_http_ai_tokens_nanousd(const u_char *p, size_t n)
{
    int64_t  value;

    /* one place more, for the rounding */

    if (ngx_http_ai_decimal(p, p + n, NGX_HTTP_AI_TOKENS_NANO + 1, &value)
        != NGX_OK
        || value == INT64_MAX)
    {
        return -1;
    }

    return (value + 5) / 10;
}


void
ngx_http_ai_tokens_sum(const ngx_http_ai_tokens_raw_t *raw,
    ngx_http_ai_tokens_t *tokens)
{
    const int64_t  *value;

    value = raw->value;

    ngx_memzero(tokens, sizeof(ngx_http_ai_tokens_t));

    tokens->found = (raw->known & NGX_HTTP_AI_TOKENS_TOLD) != 0;
    tokens->units = (raw->known & NGX_HTTP_AI_TOKENS_UNITS) != 0;

    ngx_http_ai_tokens_repair(tokens, raw);

    tokens->cache_write_1h = value[NGX_HTTP_AI_TOKENS_WRITE_1H];
    tokens->audio_input = value[NGX_HTTP_AI_TOKENS_AUDIO_IN];
    tokens->audio_output = value[NGX_HTTP_AI_TOKENS_AUDIO_OUT];
    tokens->image_input = value[NGX_HTTP_AI_TOKENS_IMAGE_IN];
    tokens->image_output = value[NGX_HTTP_AI_TOKENS_IMAGE_OUT];
    tokens->seconds = value[NGX_HTTP_AI_TOKENS_SECONDS];
    tokens->search_units = value[NGX_HTTP_AI_TOKENS_SEARCH];
    tokens->web_searches = value[NGX_HTTP_AI_TOKENS_WEB];

    tokens->billed_input = ngx_http_ai_tokens_known(raw, BILLED_IN)
                           ? value[NGX_HTTP_AI_TOKENS_BILLED_IN] : -1;
    tokens->billed_output = ngx_http_ai_tokens_known(raw, BILLED_OUT)
                            ? value[NGX_HTTP_AI_TOKENS_BILLED_OUT] : -1;

    tokens->reported_nanousd = -1;

    if (raw->priced) {
        tokens->reported_nanousd = raw->cost;

    } else if (value[NGX_HTTP_AI_TOKENS_TICKS]) {

        /* a zero is what Azure puts there for a Grok that it bills itself */

        tokens->reported_nanousd = (value[NGX_HTTP_AI_TOKENS_TICKS]
                                    + NGX_HTTP_AI_TOKENS_TICKS_PER_NANO / 2)
                                   / NGX_HTTP_AI_TOKENS_TICKS_PER_NANO;
    }

    tokens->tier = raw->tier;
    tokens->fast = raw->fast;
}


/*
 * First what stands beside its count is added to it, then, in this order, for
 * a prompt without its cached part would else look like a total that is too
 * large:
 *
 *   what is seen                      what is done
 *
 *   more cached than prompt           the prompt does not include the cache:
 *                                     input is their sum
 *   no input and no output, total     embeddings, rerank: input is the total
 *   no input, total above output      input is the difference
 *   no output, total above input      output is the difference
 *   total above input and output      output without reasoning (xAI, Gemini):
 *                                     the difference is reasoning, and output
 *
 * Reasoning above output stays as it is told: it is a count of the provider's
 * own, and nothing may be subtracted from it blindly.
 */

static void
ngx_http_ai_tokens_repair(ngx_http_ai_tokens_t *tokens,
    const ngx_http_ai_tokens_raw_t *raw)
{
    int64_t         input, output, rest;
    ngx_uint_t      beside;
    const int64_t  *value;

    value = raw->value;

    /* a skin that tells both means the prompt with its cache */

    beside = value[NGX_HTTP_AI_TOKENS_INPUT]
             > value[NGX_HTTP_AI_TOKENS_PROMPT]
             || !ngx_http_ai_tokens_known(raw, PROMPT);

    input = value[NGX_HTTP_AI_TOKENS_TOOL];
    input += beside ? value[NGX_HTTP_AI_TOKENS_INPUT]
                      + value[NGX_HTTP_AI_TOKENS_READ_BESIDE]
                      + value[NGX_HTTP_AI_TOKENS_WRITE_BESIDE]
                    : value[NGX_HTTP_AI_TOKENS_PROMPT];

    output = value[NGX_HTTP_AI_TOKENS_OUTPUT]
             + value[NGX_HTTP_AI_TOKENS_THOUGHTS];

    tokens->cache_read = ngx_max(value[NGX_HTTP_AI_TOKENS_READ],
                                 value[NGX_HTTP_AI_TOKENS_READ_BESIDE]);
    tokens->cache_write = ngx_max(value[NGX_HTTP_AI_TOKENS_WRITE],
                                  value[NGX_HTTP_AI_TOKENS_WRITE_BESIDE]);
    tokens->reasoning = ngx_max(value[NGX_HTTP_AI_TOKENS_REASONING],
                                value[NGX_HTTP_AI_TOKENS_THOUGHTS]);

    if (raw->known & (ngx_http_ai_tokens_bit(PROMPT)
                      | ngx_http_ai_tokens_bit(INPUT)))
    {
        input += (tokens->cache_read > input) ? tokens->cache_read : 0;
    }

    rest = value[NGX_HTTP_AI_TOKENS_TOTAL] - input - output;

    if (rest > 0) {

        if (!(raw->known & (ngx_http_ai_tokens_bit(PROMPT)
                            | ngx_http_ai_tokens_bit(INPUT))))
        {
            input = rest;

        } else {
            output += rest;

            if (raw->known & (ngx_http_ai_tokens_bit(OUTPUT)
                              | ngx_http_ai_tokens_bit(THOUGHTS)))
            {
                tokens->reasoning = ngx_max(tokens->reasoning, rest);
            }
        }
    }

    /* Cohere's embeddings tell nothing else */

    tokens->input = input ? input : value[NGX_HTTP_AI_TOKENS_BILLED_IN];
    tokens->output = output ? output : value[NGX_HTTP_AI_TOKENS_BILLED_OUT];
}
