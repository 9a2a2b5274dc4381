
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Prices and costs.  The reference is exact: decimal digits in arrays, added
 * and multiplied as on paper, so that it shares nothing with the unit's 128
 * bits.  Random inputs come from a fixed seed.
 */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_price.h"


#define DIGITS  64


/* a whole number, the lowest digit first */

typedef struct {
    u_char  d[DIGITS];
} ngx_http_ai_test_big_t;


static ngx_http_ai_test_big_t
ngx_http_ai_test_big(int64_t n)
{
    size_t                  i;
    ngx_http_ai_test_big_t  b;

    memset(&b, 0, sizeof(b));

    for (i = 0; n; i++, n /= 10) {
        b.d[i] = (u_char) (n % 10);
    }

    return b;
}


static ngx_http_ai_test_big_t
ngx_http_ai_test_add(ngx_http_ai_test_big_t a, ngx_http_ai_test_big_t b)
{
    size_t  i, carry;

    carry = 0;

    for (i = 0; i < DIGITS; i++) {
        carry += a.d[i] + b.d[i];
        a.d[i] = (u_char) (carry % 10);
        carry /= 10;
    }

    return a;
}


static ngx_http_ai_test_big_t
ngx_http_ai_test_mul(int64_t x, int64_t y)
{
    size_t                  i, j, carry;
    ngx_http_ai_test_big_t  a, b, c;

    a = ngx_http_ai_test_big(x);
    b = ngx_http_ai_test_big(y);
    c = ngx_http_ai_test_big(0);

    for (i = 0; i < 20; i++) {
        carry = 0;

        for (j = 0; i + j < DIGITS; j++) {
            carry += c.d[i + j] + (j < 20 ? a.d[i] * b.d[j] : 0);
            c.d[i + j] = (u_char) (carry % 10);
            carry /= 10;
        }
    }

    return c;
}


/* picodollars to nanodollars: three digits less, the first of them rounds */

static int64_t
ngx_http_ai_test_nano(ngx_http_ai_test_big_t pico)
{
    size_t                  i;
    int64_t                 n;
    ngx_http_ai_test_big_t  up;

    up = ngx_http_ai_test_big(500);
    pico = ngx_http_ai_test_add(pico, up);

    n = 0;

    for (i = DIGITS; i-- > 3; /* void */) {
        if (n > (INT64_MAX - pico.d[i]) / 10) {
            return INT64_MAX;
        }

        n = n * 10 + pico.d[i];
    }

    return n;
}


static ngx_uint_t
ngx_http_ai_test_less(ngx_http_ai_test_big_t a, ngx_http_ai_test_big_t b)
{
    size_t  i;

    for (i = DIGITS; i-- > 0; /* void */) {
        if (a.d[i] != b.d[i]) {
            return a.d[i] < b.d[i];
        }
    }

    return 0;
}


static uint64_t
ngx_http_ai_test_random64(void)
{
    return (uint64_t) ngx_http_ai_test_random() << 32
           | ngx_http_ai_test_random();
}


/* of any size: as many small numbers as large ones, and zeros */

static int64_t
ngx_http_ai_test_number(int64_t max)
{
    uint64_t  n;

    n = ngx_http_ai_test_random64() >> (ngx_http_ai_test_random() % 65 & 63);

    if (ngx_http_ai_test_random() % 8 == 0) {
        return 0;
    }

    return (int64_t) (n % ((uint64_t) max + 1));
}


static ngx_int_t
ngx_http_ai_test_parse(const char *s, ngx_uint_t scale, int64_t *value,
    ngx_uint_t *exact)
{
    size_t     n;
    u_char    *p;
    ngx_int_t  rc;

    n = strlen(s);
    p = ngx_http_ai_test_dup(s, n);

    rc = ngx_http_ai_price_parse(p, n, scale, value, exact);

    free(p);

    return rc;
}


static void
ngx_http_ai_test_decimals(void)
{
    int64_t     v;
    ngx_uint_t  i, exact;

    static const struct {
        const char  *text;
        int64_t      pico;
        ngx_uint_t   exact;
    } good[] = {
        { "0", 0, 1 },
        { "0.0", 0, 1 },
        { "0e5", 0, 1 },
        { "0.000", 0, 1 },
        { "1e-12", 1, 1 },
        { "0.000000000001", 1, 1 },
        { "1E-12", 1, 1 },
        { "10e-13", 1, 1 },
        { "0.1e-11", 1, 1 },
        { "2.5e-06", 2500000, 1 },
        { "0.0000025", 2500000, 1 },
        { "2.5e-6", 2500000, 1 },
        { "25e-7", 2500000, 1 },
        { "2.50e-006", 2500000, 1 },
        { "1e-05", 10000000, 1 },
        { "1.45e-08", 14500, 1 },
        { "0.06", 60000000000, 1 },
        { "1", 1000000000000, 1 },
        { "1e0", 1000000000000, 1 },
        { "1e+0", 1000000000000, 1 },
        { "1e6", NGX_HTTP_AI_PRICE_MAX, 1 },
        { "1000000", NGX_HTTP_AI_PRICE_MAX, 1 },
        { "1000000.000000000000", NGX_HTTP_AI_PRICE_MAX, 1 },
        { "999999.999999999999", NGX_HTTP_AI_PRICE_MAX - 1, 1 },

        /* floats have tails */

        { "3.3333333333333335e-05", 33333333, 0 },
        { "2.1250000000000004e-06", 2125000, 0 },
        { "9.999999999999999e-07", 1000000, 0 },

        /* half up, by the first digit that is left out */

        { "5e-13", 1, 0 },
        { "4.9999999999999999999999999e-13", 0, 0 },
        { "1.4999e-12", 1, 0 },
        { "1.5e-12", 2, 0 },
        { "0.0000000000025", 3, 0 },
        { "1e-13", 0, 0 },
        { "1e-20", 0, 0 },
        { "9e-13", 1, 0 },
        { "1e-99999999999999999999999999", 0, 0 },
        { "999999.9999999999995", NGX_HTTP_AI_PRICE_MAX, 0 },
        { NULL, 0, 0 }
    };

    for (i = 0; good[i].text; i++) {
        ngx_http_ai_test_note = good[i].text;
        v = -7;
        exact = 7;

        t_eq(ngx_http_ai_test_parse(good[i].text, NGX_HTTP_AI_PRICE_PICO, &v,
                                    &exact), NGX_OK);
        t_eq(v, good[i].pico);
        t_eq(exact, good[i].exact);
    }
}


static void
ngx_http_ai_test_refused(void)
{
    int64_t     v;
    ngx_uint_t  i;

    static const char  *wrong[] = {
        "", "-", "+1", "e5", ".5", "5.", "1e", "1e+", "1e-", "1.e5", "00",
        "01", "1.2.3", "1,5", "1 ", " 1", "1e5.0", "0x10", "NaN", "nan",
        "Infinity", "inf", "-inf", "1_000", "$1", "1e5e5", "free", "--1",
        "1-", "1e--5", NULL
    };

    static const char  *large[] = {
        "-1", "-0", "-1e-12", "-0.0", "1000001", "1000000.000000000001",
        "999999.9999999999999e1", "1e7", "1e18", "1e19", "1e308", "1e309",
        "1e99999999999999999999999999", "123456789012345678901234567890",
        "1000000.0000000000005", "-1e99", NULL
    };

    for (i = 0; wrong[i]; i++) {
        ngx_http_ai_test_note = wrong[i];
        v = 7;

        t_eq(ngx_http_ai_test_parse(wrong[i], 12, &v, NULL), NGX_ERROR);
        t_eq(v, 7);
    }

    for (i = 0; large[i]; i++) {
        ngx_http_ai_test_note = large[i];
        v = 7;

        t_eq(ngx_http_ai_test_parse(large[i], 12, &v, NULL), NGX_DECLINED);
        t_eq(v, 7);
    }
}


static void
ngx_http_ai_test_scale(void)
{
    int64_t     v;
    ngx_uint_t  exact;

    /* USD per million tokens: the same price in both ways of writing */

    t_eq(ngx_http_ai_test_parse("2.5", NGX_HTTP_AI_PRICE_MILLION, &v, &exact),
         NGX_OK);
    t_eq(v, 2500000);
    t_eq(exact, 1);

    t_eq(ngx_http_ai_test_parse("0.000001", NGX_HTTP_AI_PRICE_MILLION, &v,
                                &exact), NGX_OK);
    t_eq(v, 1);
    t_eq(exact, 1);

    t_eq(ngx_http_ai_test_parse("0.0000005", NGX_HTTP_AI_PRICE_MILLION, &v,
                                &exact), NGX_OK);
    t_eq(v, 1);
    t_eq(exact, 0);

    t_eq(ngx_http_ai_test_parse("131072.0", 0, &v, &exact), NGX_OK);
    t_eq(v, 131072);
    t_eq(exact, 1);
}


/*
 * The same number, written with the point and the exponent anywhere, with
 * zeros around it, and with digits behind it that round it up or not.
 */

static void
ngx_http_ai_test_any_decimal(void)
{
    char        text[256], digits[64], *p;
    int64_t     m, v, exponent;
    size_t      n, point, zeros;
    ngx_uint_t  i, exact, tail;

    for (i = 0; i < 100000; i++) {

        m = ngx_http_ai_test_number(NGX_HTTP_AI_PRICE_MAX - 1);

        tail = ngx_http_ai_test_random() % 3;      /* none, down, up */
        zeros = ngx_http_ai_test_random() % 4;

        n = (size_t) snprintf(digits, sizeof(digits), "%lld%s",
                              (long long) m,
                              tail == 0 ? "" : tail == 1 ? "4999" : "5000");
        exponent = tail == 0 ? -12 : -16;

        /* digits . digits e exponent */

        point = ngx_http_ai_test_random() % n + 1;

        if (digits[0] == '0') {
            point = 1;
        }

        p = text;
        p += snprintf(p, 64, "%.*s", (int) point, digits);

        if (point < n || zeros) {
            p += snprintf(p, 64, ".%s%.*s", digits + point, (int) zeros,
                          "000");
        }

        exponent += (int64_t) (n - point);

        if (exponent || zeros & 1) {
            p += snprintf(p, 64, "%c%s%lld", zeros & 2 ? 'e' : 'E',
                          exponent >= 0 && zeros & 1 ? "+" : "",
                          (long long) exponent);
        }

        ngx_http_ai_test_note = text;
        v = -7;

        t_eq(ngx_http_ai_test_parse(text, NGX_HTTP_AI_PRICE_PICO, &v, &exact),
             NGX_OK);
        t_eq(v, m + (tail == 2));
        t_eq(exact, tail == 0);
    }
}


static void
ngx_http_ai_test_members(void)
{
    u_char                    *p;
    size_t                     n;
    ngx_int_t                  rc;
    ngx_uint_t                 i;
    ngx_http_ai_price_rate_t   r;

    static const struct {
        const char                *name;
        ngx_http_ai_price_kind_e   kind;
        ngx_http_ai_price_tier_e   tier;
        uint32_t                   above;
    } good[] = {
        { "input_cost_per_token", NGX_HTTP_AI_PRICE_INPUT,
          NGX_HTTP_AI_PRICE_STANDARD, 0 },
        { "output_cost_per_token_flex", NGX_HTTP_AI_PRICE_OUTPUT,
          NGX_HTTP_AI_PRICE_FLEX, 0 },
        { "input_cost_per_token_batches", NGX_HTTP_AI_PRICE_INPUT,
          NGX_HTTP_AI_PRICE_BATCH, 0 },
        { "input_cost_per_token_cache_hit", NGX_HTTP_AI_PRICE_CACHE_HIT,
          NGX_HTTP_AI_PRICE_STANDARD, 0 },
        { "cache_read_input_token_cost_priority",
          NGX_HTTP_AI_PRICE_CACHE_READ, NGX_HTTP_AI_PRICE_PRIORITY, 0 },
        { "input_cost_per_token_above_200k_tokens", NGX_HTTP_AI_PRICE_INPUT,
          NGX_HTTP_AI_PRICE_STANDARD, 200000 },
        { "output_cost_per_token_above_272k_tokens_priority",
          NGX_HTTP_AI_PRICE_OUTPUT, NGX_HTTP_AI_PRICE_PRIORITY, 272000 },
        { "cache_creation_input_token_cost", NGX_HTTP_AI_PRICE_CACHE_WRITE,
          NGX_HTTP_AI_PRICE_STANDARD, 0 },
        { "cache_creation_input_token_cost_above_1hr",
          NGX_HTTP_AI_PRICE_CACHE_WRITE_1H, NGX_HTTP_AI_PRICE_STANDARD, 0 },
        { "cache_creation_input_token_cost_above_200k_tokens",
          NGX_HTTP_AI_PRICE_CACHE_WRITE, NGX_HTTP_AI_PRICE_STANDARD, 200000 },
        { "cache_creation_input_token_cost_above_1hr_above_200k_tokens",
          NGX_HTTP_AI_PRICE_CACHE_WRITE_1H, NGX_HTTP_AI_PRICE_STANDARD,
          200000 },
        { "output_cost_per_reasoning_token", NGX_HTTP_AI_PRICE_REASONING,
          NGX_HTTP_AI_PRICE_STANDARD, 0 },
        { "input_cost_per_audio_token_priority",
          NGX_HTTP_AI_PRICE_AUDIO_INPUT, NGX_HTTP_AI_PRICE_PRIORITY, 0 },
        { "output_cost_per_image_token", NGX_HTTP_AI_PRICE_IMAGE_OUTPUT,
          NGX_HTTP_AI_PRICE_STANDARD, 0 },
        { "output_cost_per_image", NGX_HTTP_AI_PRICE_IMAGE,
          NGX_HTTP_AI_PRICE_STANDARD, 0 },
        { "input_cost_per_request", NGX_HTTP_AI_PRICE_REQUEST,
          NGX_HTTP_AI_PRICE_STANDARD, 0 },
        { "input_cost_per_character", NGX_HTTP_AI_PRICE_CHARACTER,
          NGX_HTTP_AI_PRICE_STANDARD, 0 },
        { "input_cost_per_image", NGX_HTTP_AI_PRICE_IMAGE_IN,
          NGX_HTTP_AI_PRICE_STANDARD, 0 },
        { "input_cost_per_image_token", NGX_HTTP_AI_PRICE_IMAGE_INPUT,
          NGX_HTTP_AI_PRICE_STANDARD, 0 },
        { "input_cost_per_second", NGX_HTTP_AI_PRICE_SECOND,
          NGX_HTTP_AI_PRICE_STANDARD, 0 },
        { "output_cost_per_second", NGX_HTTP_AI_PRICE_SECOND_OUT,
          NGX_HTTP_AI_PRICE_STANDARD, 0 },
        { "input_cost_per_query", NGX_HTTP_AI_PRICE_QUERY,
          NGX_HTTP_AI_PRICE_STANDARD, 0 },
        { NULL, 0, 0, 0 }
    };

    static const char  *other[] = {
        "", "input_cost_per_token_", "input_cost_per_toke",
        "input_cost_per_tokens", "input_cost_per_token_above_tokens",
        "input_cost_per_token_above_k_tokens",
        "input_cost_per_token_above_200k", "input_cost_per_token_flex_flex",
        "input_cost_per_token_flex_above_200k_tokens",
        "input_cost_per_token_above_99999999999999999999k_tokens",
        "input_cost_per_pixel", "output_cost_per_second_1080p",
        "search_context_cost_per_query", "litellm_provider", "mode",
        "max_input_tokens", "input_dbu_cost_per_token",
        "input_cost_per_token_above_200k_tokens_turbo", NULL
    };

    for (i = 0; good[i].name; i++) {
        ngx_http_ai_test_note = good[i].name;

        n = strlen(good[i].name);
        p = ngx_http_ai_test_dup(good[i].name, n);

        t_eq(ngx_http_ai_price_member(p, n, &r), NGX_OK);
        t_eq(r.kind, good[i].kind);
        t_eq(r.tier, good[i].tier);
        t_eq(r.above, good[i].above);

        free(p);
    }

    for (i = 0; other[i]; i++) {
        ngx_http_ai_test_note = other[i];

        n = strlen(other[i]);
        p = ngx_http_ai_test_dup(other[i], n);
        rc = ngx_http_ai_price_member(p, n, &r);
        t_eq(rc, NGX_DECLINED);
        free(p);
    }
}


/* a set of prices from the map's own names */

static ngx_http_ai_price_rate_t  rates[64];
static ngx_http_ai_price_t       set = { rates, 0 };


static void
ngx_http_ai_test_set(const char *name, int64_t pico)
{
    rates[set.n].pico = pico;

    if (ngx_http_ai_price_member((u_char *) name, strlen(name), &rates[set.n])
        != NGX_OK)
    {
        printf("Bail out! no price: %s\n", name);
        exit(2);
    }

    set.n++;
}


static void
ngx_http_ai_test_rates(void)
{
    set.n = 0;

    /* order must not matter */

    ngx_http_ai_test_set("input_cost_per_token_above_200k_tokens", 6);
    ngx_http_ai_test_set("input_cost_per_token_flex", 1);
    ngx_http_ai_test_set("input_cost_per_token", 3);
    ngx_http_ai_test_set("input_cost_per_token_above_500k_tokens", 9);
    ngx_http_ai_test_set("input_cost_per_token_above_200k_tokens_flex", 2);
    ngx_http_ai_test_set("output_cost_per_token", 15);
    ngx_http_ai_test_set("cache_creation_input_token_cost", 4);

#define t_rate(kind, tier, input)                                             \
    ngx_http_ai_price_rate(&set, NGX_HTTP_AI_PRICE_##kind,                    \
                           NGX_HTTP_AI_PRICE_##tier, input)

    t_eq(t_rate(INPUT, STANDARD, 0), 3);
    t_eq(t_rate(INPUT, STANDARD, 200000), 3);
    t_eq(t_rate(INPUT, STANDARD, 200001), 6);
    t_eq(t_rate(INPUT, STANDARD, 500001), 9);
    t_eq(t_rate(INPUT, STANDARD, INT64_MAX), 9);
    t_eq(t_rate(INPUT, FLEX, 0), 1);
    t_eq(t_rate(INPUT, FLEX, 200001), 2);

    /* a threshold counts for more than a tier */
    t_eq(t_rate(INPUT, FLEX, 500001), 9);
    t_eq(t_rate(INPUT, PRIORITY, 0), 3);
    t_eq(t_rate(INPUT, BATCH, 200001), 6);

    /* what has none has another's */
    t_eq(t_rate(CACHE_READ, STANDARD, 0), 3);
    t_eq(t_rate(CACHE_READ, STANDARD, 200001), 6);
    t_eq(t_rate(CACHE_READ, FLEX, 0), 1);
    t_eq(t_rate(CACHE_WRITE_1H, STANDARD, 200001), 4);
    t_eq(t_rate(REASONING, FLEX, 0), 15);
    t_eq(t_rate(AUDIO_INPUT, STANDARD, 0), 3);
    t_eq(t_rate(IMAGE_OUTPUT, STANDARD, 0), 15);
    t_eq(t_rate(REQUEST, STANDARD, 0), NGX_HTTP_AI_PRICE_UNKNOWN);
    t_eq(t_rate(IMAGE, STANDARD, 0), NGX_HTTP_AI_PRICE_UNKNOWN);

    /* the other name of cache reads, and which of both wins */
    ngx_http_ai_test_set("input_cost_per_token_cache_hit", 2);
    t_eq(t_rate(CACHE_READ, STANDARD, 0), 2);
    ngx_http_ai_test_set("cache_read_input_token_cost", 0);
    t_eq(t_rate(CACHE_READ, STANDARD, 0), 0);
}


static void
ngx_http_ai_test_usage(ngx_http_ai_price_usage_t *u)
{
    memset(u, 0, sizeof(*u));
    u->reported_nanousd = -1;
}


static void
ngx_http_ai_test_costs(void)
{
    int64_t                    c;
    ngx_http_ai_price_usage_t  u;

    /* claude-sonnet-4-5 */

    set.n = 0;
    ngx_http_ai_test_set("input_cost_per_token", 3000000);
    ngx_http_ai_test_set("output_cost_per_token", 15000000);
    ngx_http_ai_test_set("cache_read_input_token_cost", 300000);
    ngx_http_ai_test_set("cache_creation_input_token_cost", 3750000);
    ngx_http_ai_test_set("cache_creation_input_token_cost_above_1hr", 6000000);
    ngx_http_ai_test_set("input_cost_per_token_above_200k_tokens", 6000000);
    ngx_http_ai_test_set("output_cost_per_token_above_200k_tokens", 22500000);

    ngx_http_ai_test_usage(&u);
    u.input = 1000;
    u.output = 500;

    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, 3000000 + 7500000);

    /* wire.md B: input 15097 with 14714 read and 379 written */

    u.input = 15097;
    u.cache_read = 14714;
    u.cache_write = 379;
    u.output = 290;
    u.reasoning = 19;

    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, (4 * 3000000ll + 14714 * 300000ll + 379 * 3750000ll
             + 290 * 15000000ll) / 1000 + 0);

    u.cache_write_1h = 79;

    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, (4 * 3000000ll + 14714 * 300000ll + 300 * 3750000ll
             + 79 * 6000000ll + 290 * 15000000ll) / 1000);

    /* the whole request is dearer above the threshold */

    ngx_http_ai_test_usage(&u);
    u.input = 200001;
    u.output = 1;

    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, (200001 * 6000000ll + 22500000) / 1000);

    /* the provider's own figure, whatever else is there */

    u.reported_nanousd = 12;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, 12);
    t_eq(ngx_http_ai_price_cost(NULL, &u, &c), NGX_OK);
    t_eq(c, 12);
    u.reported_nanousd = 0;
    t_eq(ngx_http_ai_price_cost(NULL, &u, &c), NGX_OK);
    t_eq(c, 0);

    t_eq(ngx_http_ai_price_estimate(&set, 1000, 500, NULL, &c), NGX_OK);
    t_eq(c, 10500000);
}


/* what is no token, by the names that the map has for it */

static void
ngx_http_ai_test_units(void)
{
    int64_t                    c;
    ngx_uint_t                 i;
    ngx_http_ai_price_usage_t  u;

    static const struct {
        const char  *member[2];
        int64_t      pico[2];
        size_t       unit;
        int64_t      n;
        int64_t      nanousd;
    } rows[] = {
        /* tts-1, dall-e-3, imagen, whisper-1, Groq's, Soniox', rerank-v3.5 */
        { { "input_cost_per_character", NULL }, { 15000000, 0 },
          offsetof(ngx_http_ai_price_units_t, characters), 21, 315000 },
        { { "input_cost_per_image", NULL }, { 40000000000, 0 },
          offsetof(ngx_http_ai_price_units_t, images), 2, 80000000 },
        { { "output_cost_per_image", NULL }, { 60000000000, 0 },
          offsetof(ngx_http_ai_price_units_t, images), 1, 60000000 },
        { { "input_cost_per_image", "output_cost_per_image" },
          { 1100000000, 134000000000 },
          offsetof(ngx_http_ai_price_units_t, images), 1, 134000000 },
        { { "input_cost_per_second", "output_cost_per_second" },
          { 100000000, 100000000 },
          offsetof(ngx_http_ai_price_units_t, seconds), 61, 6100000 },
        { { "input_cost_per_second", "output_cost_per_second" },
          { 30830000, 0 },
          offsetof(ngx_http_ai_price_units_t, seconds), 10, 308300 },
        { { "input_cost_per_second", "output_cost_per_second" },
          { 0, 27777800 },
          offsetof(ngx_http_ai_price_units_t, seconds), 10, 277778 },
        { { "input_cost_per_query", "input_cost_per_token" },
          { 2000000000, 0 },
          offsetof(ngx_http_ai_price_units_t, queries), 3, 6000000 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        ngx_http_ai_test_note = rows[i].member[0];

        set.n = 0;
        ngx_http_ai_test_set(rows[i].member[0], rows[i].pico[0]);

        if (rows[i].member[1]) {
            ngx_http_ai_test_set(rows[i].member[1], rows[i].pico[1]);
        }

        ngx_http_ai_test_usage(&u);
        u.untold = 1;
        t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_DECLINED);

        *(int64_t *) ((char *) &u.units + rows[i].unit) = rows[i].n;
        t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
        t_eq(c, rows[i].nanousd);

        c = -1;
        t_eq(ngx_http_ai_price_estimate(&set, 100, 1024, &u.units, &c),
             NGX_OK);
        t_eq(c, rows[i].nanousd);

        ngx_http_ai_test_set("input_cost_per_request", 1000);
        t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
        t_eq(c, rows[i].nanousd + 1);
    }
}


/* one thing with two prices, and tokens that nobody told */

static void
ngx_http_ai_test_twice(void)
{
    int64_t                    c;
    ngx_http_ai_price_usage_t  u;

    /* gemini-3-pro-image: an image, and its 1120 tokens */

    set.n = 0;
    ngx_http_ai_test_set("input_cost_per_token", 2000000);
    ngx_http_ai_test_set("output_cost_per_token", 12000000);
    ngx_http_ai_test_set("output_cost_per_image_token", 120000000);
    ngx_http_ai_test_set("output_cost_per_image", 134000000000);

    ngx_http_ai_test_usage(&u);
    u.input = 10;
    u.output = 1120;
    u.units.images = 1;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, 10 * 2000 + 1120 * 120000);
    u.image_output = 1000;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, 134000000);

    /* no image was made: text */
    u.image_output = 0;
    u.units.images = 0;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, 10 * 2000 + 1120 * 12000);

    /* a guess gives way to what is counted, dearer or not */
    u.output = 100000;
    u.units.images = 1;
    u.estimated = 1;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, 134000000);

    /* gpt-image-1 has no price of text that it writes */
    set.n = 0;
    ngx_http_ai_test_set("input_cost_per_token", 5000000);
    ngx_http_ai_test_set("output_cost_per_image_token", 40000000);
    ngx_http_ai_test_usage(&u);
    u.input = 10;
    u.output = 1056;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_DECLINED);
    u.units.images = 1;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, 50000 + 1056 * 40000);

    /* a speech, as a stream that told its tokens */
    set.n = 0;
    ngx_http_ai_test_set("input_cost_per_token", 2500000);
    ngx_http_ai_test_set("output_cost_per_token", 10000000);
    ngx_http_ai_test_set("output_cost_per_audio_token", 12000000);
    u.output = 100;
    u.units.images = 0;
    u.units.characters = 40;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, 10 * 2500 + 100 * 12000);

    /* ... and one that told nothing: not free, and not for nothing */
    ngx_http_ai_test_usage(&u);
    u.untold = 1;
    u.units.characters = 40;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_DECLINED);

    /* azure's dall-e-3, priced by the pixel: nor is that */
    set.n = 0;
    ngx_http_ai_test_set("output_cost_per_token", 0);
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_DECLINED);

    /* free is free, whatever was used; a request is not */
    ngx_http_ai_test_set("input_cost_per_token", 0);
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, 0);
    ngx_http_ai_test_set("input_cost_per_request", 7000);
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, 7);
    ngx_http_ai_test_set("input_cost_per_second", 1);
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_DECLINED);
}


static void
ngx_http_ai_test_unknown(void)
{
    int64_t                    c;
    ngx_http_ai_price_usage_t  u;

    c = 7;
    ngx_http_ai_test_usage(&u);

    t_eq(ngx_http_ai_price_cost(NULL, &u, &c), NGX_DECLINED);

    set.n = 0;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_DECLINED);
    u.input = 1;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_DECLINED);
    t_eq(c, 7);

    /* an output without a price, until none is used */

    ngx_http_ai_test_set("input_cost_per_token", 1000);
    u.output = 1;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_DECLINED);
    t_eq(ngx_http_ai_price_estimate(&set, 1, 1, NULL, &c), NGX_DECLINED);
    t_eq(c, 7);
    u.output = 0;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, 1);

    /* free is not unknown */

    ngx_http_ai_test_set("output_cost_per_token", 0);
    u.output = 1000000;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, 1);

    /* by the character: tokens tell nothing, characters do */

    set.n = 0;
    ngx_http_ai_test_set("input_cost_per_character", 15000000);
    ngx_http_ai_test_usage(&u);
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_DECLINED);
    u.units.characters = 100;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, 1500000);
    u.units.images = 1;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_DECLINED);

    /* per request, beside the tokens */

    set.n = 0;
    ngx_http_ai_test_set("input_cost_per_request", 5000000000);
    ngx_http_ai_test_set("input_cost_per_token", 0);
    ngx_http_ai_test_set("output_cost_per_token", 280000);
    ngx_http_ai_test_usage(&u);
    u.input = 100;
    u.output = 10;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, 5002800);
}


static void
ngx_http_ai_test_odd(void)
{
    int64_t                    c;
    ngx_http_ai_price_usage_t  u;

    set.n = 0;
    ngx_http_ai_test_set("input_cost_per_token", 1000);
    ngx_http_ai_test_set("output_cost_per_token", 2000);
    ngx_http_ai_test_set("output_cost_per_reasoning_token", 3000);
    ngx_http_ai_test_set("cache_read_input_token_cost", 100);

    /* reasoning above output (OpenRouter: 11 of 10): ten are paid */

    ngx_http_ai_test_usage(&u);
    u.output = 10;
    u.reasoning = 11;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, 30);

    /* cached above input: never less than nothing */

    ngx_http_ai_test_usage(&u);
    u.input = 10;
    u.cache_read = 1000;
    u.cache_write = 1000;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, 1);

    ngx_http_ai_test_usage(&u);
    u.input = -5;
    u.output = -5;
    u.cache_read = -1000;
    u.reasoning = INT64_MIN;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, 0);

    /* half up, once: three times a third of a nanodollar and a bit */

    set.n = 0;
    ngx_http_ai_test_set("input_cost_per_token", 499);
    u.input = 1;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, 0);
    u.input = 2;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, 1);
    rates[0].pico = 500;
    u.input = 1;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, 1);

    /* the most of everything */

    rates[0].pico = NGX_HTTP_AI_PRICE_MAX;
    u.input = INT64_MAX;
    t_eq(ngx_http_ai_price_cost(&set, &u, &c), NGX_OK);
    t_eq(c, INT64_MAX);
}


/*
 * Any prices, any counts: the cost is the sum of the parts, exactly, and each
 * token is paid for once, or as the unit that it was.  Where a kind has no
 * price the reference asks the next one by itself.
 */

static int64_t  price[NGX_HTTP_AI_PRICE_KINDS];


typedef struct {
    int64_t                 n;
    int64_t                 price;
} ngx_http_ai_test_part_t;


static int64_t
ngx_http_ai_test_or(int64_t a, int64_t b)
{
    return a >= 0 ? a : b;
}


/* NGX_DECLINED: something has no price; *some: anything was there at all */

static ngx_int_t
ngx_http_ai_test_sum(const ngx_http_ai_test_part_t *part, size_t n,
    ngx_http_ai_test_big_t *sum, ngx_uint_t *some)
{
    size_t  i;

    *sum = ngx_http_ai_test_big(0);
    *some = 0;

    for (i = 0; i < n; i++) {

        if (part[i].n == 0) {
            continue;
        }

        if (part[i].price < 0) {
            return NGX_DECLINED;
        }

        *some = 1;
        *sum = ngx_http_ai_test_add(*sum, ngx_http_ai_test_mul(part[i].n,
                                                          part[i].price));
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_test_ref_tokens(const ngx_http_ai_price_usage_t *u,
    ngx_http_ai_test_big_t *sum)
{
    ngx_int_t   rc;
    ngx_uint_t  some;

    int64_t  in = price[NGX_HTTP_AI_PRICE_INPUT];
    int64_t  out = price[NGX_HTTP_AI_PRICE_OUTPUT];
    int64_t  cw = ngx_http_ai_test_or(price[NGX_HTTP_AI_PRICE_CACHE_WRITE],
                                      in);
    int64_t  cw1h = ngx_http_ai_test_or(
                                price[NGX_HTTP_AI_PRICE_CACHE_WRITE_1H], cw);
    int64_t  cr = ngx_http_ai_test_or(price[NGX_HTTP_AI_PRICE_CACHE_READ],
                                      in);
    int64_t  rsn = ngx_http_ai_test_or(price[NGX_HTTP_AI_PRICE_REASONING],
                                       out);
    int64_t  ain = ngx_http_ai_test_or(price[NGX_HTTP_AI_PRICE_AUDIO_INPUT],
                                       in);
    int64_t  aout = ngx_http_ai_test_or(price[NGX_HTTP_AI_PRICE_AUDIO_OUTPUT],
                                        out);
    int64_t  iin = ngx_http_ai_test_or(price[NGX_HTTP_AI_PRICE_IMAGE_INPUT],
                                       in);
    int64_t  iout = ngx_http_ai_test_or(price[NGX_HTTP_AI_PRICE_IMAGE_OUTPUT],
                                        out);
    int64_t  rest = u->output - u->reasoning - u->audio_output
                    - u->image_output;

    ngx_http_ai_test_part_t  part[] = {
        { u->input - u->cache_read - u->cache_write - u->audio_input
          - u->image_input, in },
        { u->cache_read, cr },
        { u->cache_write - u->cache_write_1h, cw },
        { u->cache_write_1h, cw1h },
        { rest, u->units.images && u->image_output == 0 ? iout
                : u->units.characters && u->audio_output == 0 ? aout : out },
        { u->reasoning, rsn },
        { u->audio_input, ain },
        { u->audio_output, aout },
        { u->image_input, iin },
        { u->image_output, iout }
    };

    rc = ngx_http_ai_test_sum(part, sizeof(part) / sizeof(part[0]), sum,
                              &some);

    return some || in >= 0 || out >= 0 || price[NGX_HTTP_AI_PRICE_REQUEST] >= 0
           ? rc : NGX_DECLINED;
}


static ngx_int_t
ngx_http_ai_test_ref_units(const ngx_http_ai_price_usage_t *u,
    ngx_http_ai_test_big_t *sum)
{
    ngx_int_t   rc;
    ngx_uint_t  some;

    ngx_http_ai_test_part_t  part[] = {
        { u->units.characters, price[NGX_HTTP_AI_PRICE_CHARACTER] },
        { u->units.images, ngx_max(price[NGX_HTTP_AI_PRICE_IMAGE],
                                   price[NGX_HTTP_AI_PRICE_IMAGE_IN]) },
        { u->units.seconds, ngx_max(price[NGX_HTTP_AI_PRICE_SECOND],
                                    price[NGX_HTTP_AI_PRICE_SECOND_OUT]) },
        { u->units.queries, price[NGX_HTTP_AI_PRICE_QUERY] }
    };

    rc = ngx_http_ai_test_sum(part, sizeof(part) / sizeof(part[0]), sum,
                              &some);

    return some ? rc : NGX_DECLINED;
}


static ngx_int_t
ngx_http_ai_test_reference(const ngx_http_ai_price_usage_t *u, int64_t *cost)
{
    ngx_int_t               tokens, units;
    ngx_http_ai_test_big_t  sum, other;

    tokens = ngx_http_ai_test_ref_tokens(u, &sum);
    units = ngx_http_ai_test_ref_units(u, &other);

    if (tokens != NGX_OK && units != NGX_OK) {
        return NGX_DECLINED;
    }

    if (units == NGX_OK
        && (tokens != NGX_OK || u->estimated
            || ngx_http_ai_test_less(sum, other)))
    {
        sum = other;
    }

    sum = ngx_http_ai_test_add(sum, ngx_http_ai_test_big(
                              ngx_max(price[NGX_HTTP_AI_PRICE_REQUEST], 0)));

    *cost = ngx_http_ai_test_nano(sum);

    return NGX_OK;
}


static void
ngx_http_ai_test_draw_prices(int64_t max)
{
    ngx_uint_t  k;

    set.n = 0;

    for (k = 0; k < NGX_HTTP_AI_PRICE_KINDS; k++) {

        price[k] = -1;

        if (k == NGX_HTTP_AI_PRICE_CACHE_HIT
            || ngx_http_ai_test_random() % 8 == 0)
        {
            continue;
        }

        price[k] = ngx_http_ai_test_number(max);

        rates[set.n].kind = k;
        rates[set.n].tier = NGX_HTTP_AI_PRICE_STANDARD;
        rates[set.n].above = 0;
        rates[set.n].pico = price[k];
        set.n++;
    }
}


static void
ngx_http_ai_test_draw_usage(ngx_http_ai_price_usage_t *u, int64_t max)
{
    int64_t   left;
    uint64_t  which;

    ngx_http_ai_test_usage(u);

    left = u->input = ngx_http_ai_test_number(max);
    left -= u->cache_read = ngx_http_ai_test_number(left);
    left -= u->cache_write = ngx_http_ai_test_number(left);
    u->cache_write_1h = ngx_http_ai_test_number(u->cache_write);
    left -= u->audio_input = ngx_http_ai_test_number(left);
    u->image_input = ngx_http_ai_test_number(left);

    left = u->output = ngx_http_ai_test_number(max);
    left -= u->reasoning = ngx_http_ai_test_number(left);
    left -= u->audio_output = ngx_http_ai_test_number(left);
    u->image_output = ngx_http_ai_test_number(left);

    which = ngx_http_ai_test_random();

    if (which & 1) {
        u->audio_output = u->image_output = 0;
    }

    if (which & 2) {
        u->units.characters = which & 8 ? ngx_http_ai_test_number(max) : 0;
        u->units.images = which & 16 ? ngx_http_ai_test_number(max) : 0;
        u->units.seconds = which & 32 ? ngx_http_ai_test_number(max) : 0;
        u->units.queries = which & 64 ? ngx_http_ai_test_number(max) : 0;
        u->estimated = which >> 7 & 1;
    }
}


static void
ngx_http_ai_test_exact(void)
{
    int64_t                    c, want;
    ngx_int_t                  rc;
    ngx_uint_t                 i, n[2], units;
    ngx_http_ai_price_usage_t  u;

    n[0] = n[1] = units = 0;

    for (i = 0; i < 200000; i++) {

        ngx_http_ai_test_draw_prices(i & 1 ? NGX_HTTP_AI_PRICE_MAX
                                           : 100000000);
        ngx_http_ai_test_draw_usage(&u, i & 2 ? INT64_MAX / 4 : 10000000);

        c = want = -7;
        rc = ngx_http_ai_test_reference(&u, &want);

        t_eq(ngx_http_ai_price_cost(&set, &u, &c), rc);
        t_eq(c, want);

        n[rc == NGX_OK]++;

        memset(&u.units, 0, sizeof(u.units));
        units += ngx_http_ai_test_reference(&u, &c) != rc || c != want;
    }

    /* all happened often enough for this to be a test */
    t_ok(n[0] > 10000);
    t_ok(n[1] > 100000);
    t_ok(units > 20000);
}


static void
ngx_http_ai_test_usd(void)
{
    u_char     *p, *end;
    ngx_uint_t  i;

    static const struct {
        int64_t      nano;
        const char  *text;
    } rows[] = {
        { 0, "0" },
        { 1, "0.000000001" },
        { 10, "0.00000001" },
        { 1200000, "0.0012" },
        { 999999999, "0.999999999" },
        { 1000000000, "1" },
        { 1000000001, "1.000000001" },
        { 1500000000, "1.5" },
        { 120000000000, "120" },
        { 120000000010, "120.00000001" },
        { INT64_MAX, "9223372036.854775807" },
        { 0, NULL }
    };

    for (i = 0; rows[i].text; i++) {
        ngx_http_ai_test_note = rows[i].text;

        p = malloc(NGX_HTTP_AI_PRICE_USD_LEN);
        end = ngx_http_ai_price_usd(p, rows[i].nano);
        t_mem(p, (size_t) (end - p), rows[i].text, strlen(rows[i].text));
        free(p);
    }
}


static void
ngx_http_ai_test_unit(void)
{
    u_char     *p, *end;
    ngx_uint_t  i;

    static const struct {
        int64_t      pico;
        const char  *text;
    } rows[] = {
        { 0, "0" },
        { 1, "0.000000000001" },
        { 2500000, "0.0000025" },
        { 33333333, "0.000033333333" },
        { 1000000000000, "1" },
        { NGX_HTTP_AI_PRICE_MAX, "1000000" },
        { INT64_MAX, "9223372.036854775807" },
        { 0, NULL }
    };

    for (i = 0; rows[i].text; i++) {
        ngx_http_ai_test_note = rows[i].text;

        p = malloc(NGX_HTTP_AI_PRICE_UNIT_LEN);
        end = ngx_http_ai_price_unit(p, rows[i].pico);
        t_mem(p, (size_t) (end - p), rows[i].text, strlen(rows[i].text));
        free(p);
    }
}


/* what a kind has of its own, and what any request pays */

static void
ngx_http_ai_test_listed(void)
{
    ngx_http_ai_price_t  price;

    static ngx_http_ai_price_rate_t  rates[] = {
        { 9, 200000, NGX_HTTP_AI_PRICE_INPUT, NGX_HTTP_AI_PRICE_STANDARD },
        { 7, 0, NGX_HTTP_AI_PRICE_INPUT, NGX_HTTP_AI_PRICE_BATCH },
        { 5, 0, NGX_HTTP_AI_PRICE_INPUT, NGX_HTTP_AI_PRICE_STANDARD },
        { 0, 0, NGX_HTTP_AI_PRICE_CACHE_HIT, NGX_HTTP_AI_PRICE_STANDARD },
        { 8, 0, NGX_HTTP_AI_PRICE_OUTPUT, NGX_HTTP_AI_PRICE_FLEX },
        { 3, 0, NGX_HTTP_AI_PRICE_CACHE_READ, NGX_HTTP_AI_PRICE_STANDARD },
    };

    price.rates = rates;
    price.n = 5;

    t_eq(ngx_http_ai_price_listed(&price, NGX_HTTP_AI_PRICE_INPUT), 5);
    t_eq(ngx_http_ai_price_listed(&price, NGX_HTTP_AI_PRICE_OUTPUT),
          NGX_HTTP_AI_PRICE_UNKNOWN);
    t_eq(ngx_http_ai_price_listed(&price, NGX_HTTP_AI_PRICE_CACHE_WRITE),
          NGX_HTTP_AI_PRICE_UNKNOWN);
    t_eq(ngx_http_ai_price_listed(&price, NGX_HTTP_AI_PRICE_CACHE_READ), 0);

    price.n = 6;

    t_eq(ngx_http_ai_price_listed(&price, NGX_HTTP_AI_PRICE_CACHE_READ), 3);
}


static const ngx_http_ai_test_t  tests[] = {
    { "decimal numbers are read exactly", ngx_http_ai_test_decimals },
    { "what is no price is refused", ngx_http_ai_test_refused },
    { "per million tokens", ngx_http_ai_test_scale },
    { "any number however it is written", ngx_http_ai_test_any_decimal },
    { "members of the price map", ngx_http_ai_test_members },
    { "thresholds, tiers, kinds without a price", ngx_http_ai_test_rates },
    { "costs", ngx_http_ai_test_costs },
    { "units that are no tokens", ngx_http_ai_test_units },
    { "two prices of one thing, tokens untold", ngx_http_ai_test_twice },
    { "unknown is not free", ngx_http_ai_test_unknown },
    { "odd counts, rounding, saturation", ngx_http_ai_test_odd },
    { "any cost is exact", ngx_http_ai_test_exact },
    { "dollars in words", ngx_http_ai_test_usd },
    { "prices in words", ngx_http_ai_test_unit },
    { "prices as they are listed", ngx_http_ai_test_listed },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
