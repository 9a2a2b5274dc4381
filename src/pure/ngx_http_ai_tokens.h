
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Token counts from providers' usage objects, normalised: "input" includes
 * cache reads and writes, "output" includes reasoning (wire.md B).
 */


#ifndef _NGX_HTTP_AI_TOKENS_H_INCLUDED_
#define _NGX_HTTP_AI_TOKENS_H_INCLUDED_


#include "ngx_http_ai_base.h"


/*
 * Beyond any real count, and small enough for sums of a few not to overflow:
 * what is above is cut to it.
 */

#define NGX_HTTP_AI_TOKENS_MAX  1000000000000000


/* "service_tier" of the answer: other prices */

typedef enum {
    NGX_HTTP_AI_TIER_NONE = 0,     /* not told, or a word we do not know */
    NGX_HTTP_AI_TIER_STANDARD,
    NGX_HTTP_AI_TIER_FLEX,
    NGX_HTTP_AI_TIER_PRIORITY,
    NGX_HTTP_AI_TIER_BATCH
} ngx_http_ai_tier_e;


/*
 * What an answer used.  Counts that were not told are 0; billed_input,
 * billed_output and reported_nanousd are -1 then.  "reasoning" may exceed
 * "output" where a provider says so: do not subtract one from the other.
 */

typedef struct {
    int64_t               input;
    int64_t               output;
    int64_t               cache_read;      /* of the input */
    int64_t               cache_write;     /* of the input */
    int64_t               cache_write_1h;  /* of cache_write: kept an hour */
    int64_t               reasoning;       /* of the output */
    int64_t               audio_input;     /* of the input */
    int64_t               audio_output;    /* of the output */
    int64_t               image_input;
    int64_t               image_output;
    int64_t               billed_input;    /* Cohere: what it bills instead */
    int64_t               billed_output;
    int64_t               seconds;         /* of audio, begun ones whole */
    int64_t               search_units;    /* rerank */
    int64_t               images;          /* made; these two by the caller, */
    int64_t               characters;      /* providers do not tell them */
    int64_t               web_searches;
    int64_t               reported_nanousd;    /* the provider's own bill */
    ngx_http_ai_tier_e    tier;
    unsigned              found:1;         /* the provider told tokens */
    unsigned              units:1;         /* ... or other units it bills */
    unsigned              estimated:1;     /* input or output is a guess */
    unsigned              fast:1;          /* Anthropic's "speed":"fast" */
} ngx_http_ai_tokens_t;


/* what is counted, before it is put together */

typedef enum {
    NGX_HTTP_AI_TOKENS_PROMPT = 0,     /* includes the cache */
    NGX_HTTP_AI_TOKENS_INPUT,          /* without what is "beside" it */
    NGX_HTTP_AI_TOKENS_TOOL,           /* always beside the prompt */
    NGX_HTTP_AI_TOKENS_OUTPUT,
    NGX_HTTP_AI_TOKENS_THOUGHTS,       /* beside the output */
    NGX_HTTP_AI_TOKENS_TOTAL,
    NGX_HTTP_AI_TOKENS_READ,
    NGX_HTTP_AI_TOKENS_READ_BESIDE,
    NGX_HTTP_AI_TOKENS_WRITE,
    NGX_HTTP_AI_TOKENS_WRITE_BESIDE,
    NGX_HTTP_AI_TOKENS_WRITE_1H,
    NGX_HTTP_AI_TOKENS_REASONING,
    NGX_HTTP_AI_TOKENS_AUDIO_IN,
    NGX_HTTP_AI_TOKENS_AUDIO_OUT,
    NGX_HTTP_AI_TOKENS_IMAGE_IN,
    NGX_HTTP_AI_TOKENS_IMAGE_OUT,
    NGX_HTTP_AI_TOKENS_BILLED_IN,
    NGX_HTTP_AI_TOKENS_BILLED_OUT,
    NGX_HTTP_AI_TOKENS_SECONDS,
    NGX_HTTP_AI_TOKENS_SEARCH,
    NGX_HTTP_AI_TOKENS_WEB,
    NGX_HTTP_AI_TOKENS_TICKS,          /* xAI's: 10^10 are one USD */
    NGX_HTTP_AI_TOKENS_COUNTS
} ngx_http_ai_tokens_count_e;


/* all that the usage objects of one answer said so far */

typedef struct {
    int64_t               value[NGX_HTTP_AI_TOKENS_COUNTS];
    uint32_t              known;           /* a bit for each count */
    int64_t               cost;            /* nanodollars; valid if "priced" */
    ngx_http_ai_tier_e    tier;
    unsigned              priced:1;
    unsigned              fast:1;
} ngx_http_ai_tokens_raw_t;


void ngx_http_ai_tokens_init(ngx_http_ai_tokens_raw_t *raw);

/*
 * Adds the raw JSON of one usage object (or Cohere's "meta"), of any dialect:
 * it is known by its members.  NGX_OK; NGX_DECLINED if it is null or has
 * nothing we count; NGX_ERROR if it is not JSON; "raw" is untouched then.
 * cut: these are the first bytes of a longer object, and what they tell
 * counts.
 *
 * Of several objects the later counts, member by member: those of a stream
 * are cumulative (Gemini, vLLM), or the last one leaves out what the first
 * had (Anthropic).  A zero or a null never replaces a count.
 */
ngx_int_t ngx_http_ai_tokens_add(ngx_http_ai_tokens_raw_t *raw,
    const u_char *p, size_t n, ngx_uint_t cut);

/*
 * The reader of tokens_add(), for one object: NGX_OK with raw begun anew, all
 * zeroes where nothing is told, or NGX_ERROR if it is not JSON.
 */
ngx_int_t ngx_http_ai_tokens_read(ngx_http_ai_tokens_raw_t *raw,
    const u_char *p, size_t n, ngx_uint_t cut);

/* the larger one of a count and what is there counts, up to TOKENS_MAX */
void ngx_http_ai_tokens_put(ngx_http_ai_tokens_raw_t *raw,
    ngx_http_ai_tokens_count_e count, int64_t value);

/* adds one number that stands elsewhere (Ollama); a fraction is rounded up */
void ngx_http_ai_tokens_number(ngx_http_ai_tokens_raw_t *raw,
    ngx_http_ai_tokens_count_e count, const u_char *p, size_t n);

/* adds the name of a service tier, without quotes */
void ngx_http_ai_tokens_tier(ngx_http_ai_tokens_raw_t *raw, const u_char *p,
    size_t n);

/* normalises, by the repair rules of wire.md B; sets all fields */
void ngx_http_ai_tokens_sum(const ngx_http_ai_tokens_raw_t *raw,
    ngx_http_ai_tokens_t *tokens);

/* the three in one, for a single object: as _add(), and then _sum() */
ngx_int_t ngx_http_ai_tokens_usage(ngx_http_ai_tokens_t *tokens,
    const u_char *p, size_t n);

/*
 * A JSON number of dollars in nanodollars, exactly, what is smaller rounded
 * half up; -1 if it is none, negative, or above 900 million dollars.
 */
int64_t ngx_http_ai_tokens_nanousd(const u_char *p, size_t n);


#endif /* _NGX_HTTP_AI_TOKENS_H_INCLUDED_ */
