
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Money in integers: a model's prices in picodollars (1e-12 USD) per unit, and
 * what a use of it costs in nanodollars (1e-9 USD).
 */


#ifndef _NGX_HTTP_AI_PURE_PRICE_H_INCLUDED_
#define _NGX_HTTP_AI_PURE_PRICE_H_INCLUDED_


#include "ngx_http_ai_base.h"


#define NGX_HTTP_AI_PRICE_UNKNOWN  (-1)

/* per unit: a million dollars; more is no price but a mistake */
#define NGX_HTTP_AI_PRICE_MAX      1000000000000000000

#define NGX_HTTP_AI_PRICE_PICO     12      /* scale of USD per unit */
#define NGX_HTTP_AI_PRICE_MILLION  6       /* ... of USD per million units */

/* bytes that ngx_http_ai_price_usd() and _unit() write at most */
#define NGX_HTTP_AI_PRICE_USD_LEN   (sizeof("9223372036.854775807") - 1)
#define NGX_HTTP_AI_PRICE_UNIT_LEN  (sizeof("9223372.036854775807") - 1)


/*
 * Tokens unless it says otherwise.  What has no price of its own has that of
 * another kind: see the table in the .c file.
 */

typedef enum {
    NGX_HTTP_AI_PRICE_INPUT = 0,
    NGX_HTTP_AI_PRICE_OUTPUT,
    NGX_HTTP_AI_PRICE_CACHE_READ,
    NGX_HTTP_AI_PRICE_CACHE_HIT,       /* another name of the last */
    NGX_HTTP_AI_PRICE_CACHE_WRITE,     /* kept for five minutes */
    NGX_HTTP_AI_PRICE_CACHE_WRITE_1H,
    NGX_HTTP_AI_PRICE_REASONING,
    NGX_HTTP_AI_PRICE_AUDIO_INPUT,
    NGX_HTTP_AI_PRICE_AUDIO_OUTPUT,
    NGX_HTTP_AI_PRICE_IMAGE_INPUT,
    NGX_HTTP_AI_PRICE_IMAGE_OUTPUT,
    NGX_HTTP_AI_PRICE_REQUEST,         /* per request */
    NGX_HTTP_AI_PRICE_CHARACTER,       /* per character of the input */
    NGX_HTTP_AI_PRICE_IMAGE,           /* per image that is made */
    NGX_HTTP_AI_PRICE_IMAGE_IN,        /* ... or so called in the map */
    NGX_HTTP_AI_PRICE_SECOND,          /* per second of audio */
    NGX_HTTP_AI_PRICE_SECOND_OUT,
    NGX_HTTP_AI_PRICE_QUERY,           /* per search unit */
    NGX_HTTP_AI_PRICE_KINDS
} ngx_http_ai_price_kind_e;


/* the provider's service tier */

typedef enum {
    NGX_HTTP_AI_PRICE_STANDARD = 0,
    NGX_HTTP_AI_PRICE_FLEX,
    NGX_HTTP_AI_PRICE_PRIORITY,
    NGX_HTTP_AI_PRICE_BATCH
} ngx_http_ai_price_tier_e;


/* one price: of a kind, in a tier, for requests with a longer input */

typedef struct {
    int64_t                        pico;       /* 0: free */
    uint32_t                       above;      /* input tokens; 0: always */
    ngx_http_ai_price_kind_e       kind:16;
    ngx_http_ai_price_tier_e       tier:16;
} ngx_http_ai_price_rate_t;


/* all prices of a model; what is not among them is unknown, not free */

typedef struct {
    ngx_http_ai_price_rate_t      *rates;      /* the caller's memory */
    ngx_uint_t                     n;
} ngx_http_ai_price_t;


/* what is no token; 0 or less: none of it, or not known */

typedef struct {
    int64_t                        characters; /* code points of the input */
    int64_t                        images;     /* made */
    int64_t                        seconds;    /* of audio */
    int64_t                        queries;    /* search units */
} ngx_http_ai_price_units_t;


/*
 * What was used, as ngx_http_ai_tokens_t counts it: input includes cache
 * reads, cache writes, audio and images, output includes reasoning, audio and
 * images.  Parts that are larger than their whole are cut to it, negative
 * numbers count as 0.  Where images were made, or characters spoken, output
 * without such parts is images, or audio.
 */

typedef struct {
    int64_t                        input;
    int64_t                        output;
    int64_t                        cache_read;
    int64_t                        cache_write;
    int64_t                        cache_write_1h;     /* of cache_write */
    int64_t                        reasoning;
    int64_t                        audio_input;
    int64_t                        audio_output;
    int64_t                        image_input;
    int64_t                        image_output;
    ngx_http_ai_price_units_t      units;
    int64_t                        reported_nanousd;   /* the provider's own
                                                          figure; -1: none */
    ngx_http_ai_price_tier_e       tier;
    unsigned                       untold:1;   /* nothing is known of tokens */
    unsigned                       estimated:1;    /* they are a guess */
} ngx_http_ai_price_usage_t;


/*
 * Reads a decimal number as JSON has it, exactly: value = number * 10^scale,
 * rounded half up.  NGX_OK; NGX_DECLINED: it is negative, or more than
 * NGX_HTTP_AI_PRICE_MAX; NGX_ERROR: it is no such number.  *exact, where it is
 * asked for, tells whether nothing had to be rounded.
 */
ngx_int_t ngx_http_ai_price_parse(const u_char *p, size_t n, ngx_uint_t scale,
    int64_t *value, ngx_uint_t *exact);

/*
 * What a member of LiteLLM's price map means: fills all of the rate but its
 * price.  NGX_DECLINED: it is no price that is counted here.
 */
ngx_int_t ngx_http_ai_price_member(const u_char *name, size_t len,
    ngx_http_ai_price_rate_t *rate);

/*
 * Picodollars per unit for a request of so many input tokens, or
 * NGX_HTTP_AI_PRICE_UNKNOWN.  Of the thresholds that the input exceeds the
 * highest wins, for the whole request; with the same threshold the tier's own
 * price before the standard one.
 */
int64_t ngx_http_ai_price_rate(const ngx_http_ai_price_t *price,
    ngx_http_ai_price_kind_e kind, ngx_http_ai_price_tier_e tier,
    int64_t input);

/*
 * Picodollars per unit as the list has it: for any request, in the standard
 * tier, and of this kind (a cache read under either name), not of another one
 * in its place; or NGX_HTTP_AI_PRICE_UNKNOWN.
 */
int64_t ngx_http_ai_price_listed(const ngx_http_ai_price_t *price,
    ngx_http_ai_price_kind_e kind);

/*
 * What a use costs, in nanodollars, rounded half up once at the end, at most
 * INT64_MAX; a figure of the provider's own is taken as it is.  NGX_DECLINED:
 * not known, since there is no price for something that was used.  price: NULL
 * where none is known.
 *
 * Tokens and units are two prices of one thing: where both are known the
 * dearer counts, but units alone if the tokens are a guess.  A price per
 * request comes on top.  Where nothing is known of the tokens they cost
 * nothing only if all that the model is priced by is free.
 */
ngx_int_t ngx_http_ai_price_cost(const ngx_http_ai_price_t *price,
    const ngx_http_ai_price_usage_t *usage, int64_t *nanousd);

/* the same ahead of sending, from two estimates; units: NULL for none */
ngx_int_t ngx_http_ai_price_estimate(const ngx_http_ai_price_t *price,
    int64_t input, int64_t output, const ngx_http_ai_price_units_t *units,
    int64_t *nanousd);

/* "0.0012" for 1200000, without zeros behind; the end of what was written */
u_char *ngx_http_ai_price_usd(u_char *buf, int64_t nanousd);

/* the same of a price: "0.0000025" for 2500000 */
u_char *ngx_http_ai_price_unit(u_char *buf, int64_t pico);


#endif /* _NGX_HTTP_AI_PURE_PRICE_H_INCLUDED_ */
