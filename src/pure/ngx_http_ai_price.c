
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Prices reach 1e-8 USD per token and have digits behind that, so they are
 * kept in picodollars.  Sums are taken in 128 bits, where a dozen products of
 * a count (63 bits) and a price (60 bits) fit, and are rounded once.
 */


#include "ngx_http_ai_price.h"


#define NGX_HTTP_AI_PRICE_EXPONENT   ((int64_t) 1 << 40)
#define NGX_HTTP_AI_PRICE_THRESHOLD  4000000   /* thousands of tokens */


/* a member's name, and the kind to ask where this one has no price */

typedef struct {
    ngx_str_t                      name;
    ngx_http_ai_price_kind_e       instead;    /* itself: none */
} ngx_http_ai_price_row_t;


typedef struct {
    ngx_str_t                      suffix;
    ngx_http_ai_price_tier_e       tier;
} ngx_http_ai_price_suffix_t;


/* the parts of a decimal number */

typedef struct {
    const u_char                  *digits;
    const u_char                  *last;       /* of the digits and point */
    int64_t                        power;      /* of the first digit */
    unsigned                       negative:1;
} ngx_http_ai_price_decimal_t;


/* by ngx_http_ai_price_kind_e */

static const ngx_http_ai_price_row_t  ngx_http_ai_price_rows[] = {

    { ngx_string("input_cost_per_token"), NGX_HTTP_AI_PRICE_INPUT },

    { ngx_string("output_cost_per_token"), NGX_HTTP_AI_PRICE_OUTPUT },

    { ngx_string("cache_read_input_token_cost"),
      NGX_HTTP_AI_PRICE_CACHE_HIT },

    { ngx_string("input_cost_per_token_cache_hit"),
      NGX_HTTP_AI_PRICE_INPUT },

    { ngx_string("cache_creation_input_token_cost"),
      NGX_HTTP_AI_PRICE_INPUT },

    { ngx_string("cache_creation_input_token_cost_above_1hr"),
      NGX_HTTP_AI_PRICE_CACHE_WRITE },

    { ngx_string("output_cost_per_reasoning_token"),
      NGX_HTTP_AI_PRICE_OUTPUT },

    { ngx_string("input_cost_per_audio_token"), NGX_HTTP_AI_PRICE_INPUT },

    { ngx_string("output_cost_per_audio_token"), NGX_HTTP_AI_PRICE_OUTPUT },

    { ngx_string("input_cost_per_image_token"), NGX_HTTP_AI_PRICE_INPUT },

    { ngx_string("output_cost_per_image_token"), NGX_HTTP_AI_PRICE_OUTPUT },

    { ngx_string("input_cost_per_request"), NGX_HTTP_AI_PRICE_REQUEST },

    { ngx_string("input_cost_per_character"), NGX_HTTP_AI_PRICE_CHARACTER },

    { ngx_string("output_cost_per_image"), NGX_HTTP_AI_PRICE_IMAGE },

    { ngx_string("input_cost_per_image"), NGX_HTTP_AI_PRICE_IMAGE_IN },

    { ngx_string("input_cost_per_second"), NGX_HTTP_AI_PRICE_SECOND },

    { ngx_string("output_cost_per_second"), NGX_HTTP_AI_PRICE_SECOND_OUT },

    { ngx_string("input_cost_per_query"), NGX_HTTP_AI_PRICE_QUERY }
};


static const ngx_http_ai_price_suffix_t  ngx_http_ai_price_suffixes[] = {
    { ngx_string(""), NGX_HTTP_AI_PRICE_STANDARD },
    { ngx_string("_flex"), NGX_HTTP_AI_PRICE_FLEX },
    { ngx_string("_priority"), NGX_HTTP_AI_PRICE_PRIORITY },
    { ngx_string("_batches"), NGX_HTTP_AI_PRICE_BATCH }
};


static ngx_int_t ngx_http_ai_price_decimal(const u_char *p, size_t n,
    ngx_http_ai_price_decimal_t *d);
static const u_char *ngx_http_ai_price_digits(const u_char *p,
    const u_char *last);
static ngx_int_t ngx_http_ai_price_exponent(const u_char *p,
    const u_char *last, int64_t *exponent);
static ngx_int_t ngx_http_ai_price_suffix(const u_char *p, const u_char *last,
    ngx_http_ai_price_rate_t *rate);
static int64_t ngx_http_ai_price_best(const ngx_http_ai_price_t *price,
    ngx_http_ai_price_kind_e kind, ngx_http_ai_price_tier_e tier,
    int64_t input);
static ngx_int_t ngx_http_ai_price_tokens(const ngx_http_ai_price_t *price,
    const ngx_http_ai_price_usage_t *usage, unsigned __int128 *sum);
static ngx_int_t ngx_http_ai_price_free(const ngx_http_ai_price_t *price);
static ngx_int_t ngx_http_ai_price_units(const ngx_http_ai_price_t *price,
    const ngx_http_ai_price_usage_t *usage, unsigned __int128 *sum);
static void ngx_http_ai_price_parts(const ngx_http_ai_price_usage_t *usage,
    int64_t *parts);
static int64_t ngx_http_ai_price_take(int64_t *left, int64_t n);
static int64_t ngx_http_ai_price_nano(unsigned __int128 pico);
static u_char *ngx_http_ai_price_write(u_char *buf, int64_t value,
    ngx_uint_t decimals);


ngx_int_t
ngx_http_ai_price_parse(const u_char *p, size_t n, ngx_uint_t scale,
    int64_t *value, ngx_uint_t *exact)
{
    int64_t                      v, power;
    ngx_int_t                    rc;
    ngx_uint_t                   digit, rest, up;
    ngx_http_ai_price_decimal_t  d;

    rc = ngx_http_ai_price_decimal(p, n, &d);

    if (rc != NGX_OK) {
        return rc;
    }

    v = 0;
    up = 0;
    rest = 0;
    power = d.power + (int64_t) scale;

    for (p = d.digits; p < d.last; p++) {

        if (*p == '.') {
            continue;
        }

        digit = *p - '0';

        if (power >= 0) {

            if (v > NGX_HTTP_AI_PRICE_MAX / 10) {
                return NGX_DECLINED;
            }

            v = v * 10 + (int64_t) digit;

        } else {
            up |= (power == -1 && digit >= 5);
            rest |= digit;
        }

        power--;
    }

    /* the zeros that an exponent stands for */

    for ( /* void */ ; v && power >= 0; power--) {

        if (v > NGX_HTTP_AI_PRICE_MAX / 10) {
            return NGX_DECLINED;
        }

        v *= 10;
    }

    v += (int64_t) up;

    if (d.negative || v > NGX_HTTP_AI_PRICE_MAX) {
        return NGX_DECLINED;
    }

    *value = v;

    if (exact) {
        *exact = (rest == 0);
    }

    return NGX_OK;
}


/* -?digits[.digits][e[+-]digits]; power is that of ten of the first digit */

static ngx_int_t
ngx_http_ai_price_decimal(const u_char *p, size_t n,
    ngx_http_ai_price_decimal_t *d)
{
    int64_t        exponent;
    const u_char  *last, *whole;

    last = p + n;
    exponent = 0;

    d->negative = (p < last && *p == '-');
    p += d->negative;

    d->digits = p;
    p = ngx_http_ai_price_digits(p, last);
    whole = p;

    /* as in JSON: "00" and ".5" are no numbers */

    if (whole == d->digits || (whole - d->digits > 1 && *d->digits == '0')) {
        return NGX_ERROR;
    }

    if (p < last && *p == '.') {
        p = ngx_http_ai_price_digits(p + 1, last);

        if (p == whole + 1) {
            return NGX_ERROR;
        }
    }

    d->last = p;

    if (p < last && ngx_http_ai_price_exponent(p, last, &exponent) != NGX_OK) {
        return NGX_ERROR;
    }

    d->power = (whole - d->digits) - 1 + exponent;

    return NGX_OK;
}


static const u_char *
ngx_http_ai_price_digits(const u_char *p, const u_char *last)
{
    while (p < last && *p >= '0' && *p <= '9') {
        p++;
    }

    return p;
}


/*
 * A very large one is cut off, so that any number of digits is harmless, but
 * far above what the digits of a number in memory could make up for.
 */

static ngx_int_t
ngx_http_ai_price_exponent(const u_char *p, const u_char *last,
    int64_t *exponent)
{
    int64_t        e;
    ngx_uint_t     negative;
    const u_char  *start;

    if (*p != 'e' && *p != 'E') {
        return NGX_ERROR;
    }

    p++;

    negative = (p < last && *p == '-');

    if (p < last && (*p == '-' || *p == '+')) {
        p++;
    }

    start = p;
    e = 0;

    for ( /* void */ ; p < last && *p >= '0' && *p <= '9'; p++) {
        if (e < NGX_HTTP_AI_PRICE_EXPONENT) {
            e = e * 10 + (*p - '0');
        }
    }

    if (p == start || p != last) {
        return NGX_ERROR;
    }

    *exponent = negative ? -e : e;

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_price_member(const u_char *name, size_t len,
    ngx_http_ai_price_rate_t *rate)
{
    ngx_uint_t        i;
    const ngx_str_t  *row;

    for (i = 0; i < NGX_HTTP_AI_PRICE_KINDS; i++) {

        row = &ngx_http_ai_price_rows[i].name;

        /* one name may be another's beginning: the rest must fit, too */

        if (len >= row->len && ngx_memcmp(name, row->data, row->len) == 0
            && ngx_http_ai_price_suffix(name + row->len, name + len, rate)
               == NGX_OK)
        {
            rate->kind = i;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


/* [_above_<n>k_tokens][_<tier>] */

static ngx_int_t
ngx_http_ai_price_suffix(const u_char *p, const u_char *last,
    ngx_http_ai_price_rate_t *rate)
{
    uint32_t       above;
    ngx_uint_t     i;
    const u_char  *start;

    static const ngx_str_t  begin = ngx_string("_above_");
    static const ngx_str_t  end = ngx_string("k_tokens");

    above = 0;

    if ((size_t) (last - p) >= begin.len
        && ngx_memcmp(p, begin.data, begin.len) == 0)
    {
        p += begin.len;
        start = p;

        for ( /* void */ ; p < last && *p >= '0' && *p <= '9'; p++) {

            above = above * 10 + (*p - '0');

            if (above > NGX_HTTP_AI_PRICE_THRESHOLD) {
                return NGX_DECLINED;
            }
        }

        if (p == start || (size_t) (last - p) < end.len
            || ngx_memcmp(p, end.data, end.len) != 0)
        {
            return NGX_DECLINED;
        }

        p += end.len;
    }

    rate->above = above * 1000;

    for (i = 0;
         i < sizeof(ngx_http_ai_price_suffixes)
             / sizeof(ngx_http_ai_price_suffixes[0]);
         i++)
    {
        if (ngx_http_ai_price_suffixes[i].suffix.len == (size_t) (last - p)
            && ngx_memcmp(p, ngx_http_ai_price_suffixes[i].suffix.data,
                          last - p)
               == 0)
        {
            rate->tier = ngx_http_ai_price_suffixes[i].tier;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


int64_t
ngx_http_ai_price_rate(const ngx_http_ai_price_t *price,
    ngx_http_ai_price_kind_e kind, ngx_http_ai_price_tier_e tier,
    int64_t input)
{
    int64_t                   pico;
    ngx_http_ai_price_kind_e  instead;

    for ( ;; ) {

        pico = ngx_http_ai_price_best(price, kind, tier, input);

        instead = ngx_http_ai_price_rows[kind].instead;

        if (pico != NGX_HTTP_AI_PRICE_UNKNOWN || instead == kind) {
            return pico;
        }

        kind = instead;
    }
}


static int64_t
ngx_http_ai_price_best(const ngx_http_ai_price_t *price,
    ngx_http_ai_price_kind_e kind, ngx_http_ai_price_tier_e tier,
    int64_t input)
{
    int64_t                          pico;
    uint64_t                         rank, best;
    ngx_uint_t                       i;
    const ngx_http_ai_price_rate_t  *r;

    pico = NGX_HTTP_AI_PRICE_UNKNOWN;
    best = 0;

    for (i = 0; i < price->n; i++) {

        r = &price->rates[i];

        if (r->kind != kind
            || (r->tier != tier && r->tier != NGX_HTTP_AI_PRICE_STANDARD)
            || (r->above && input <= (int64_t) r->above))
        {
            continue;
        }

        rank = 2 * (uint64_t) r->above + (r->tier == tier) + 1;

        if (rank > best) {
            best = rank;
            pico = r->pico;
        }
    }

    return pico;
}


int64_t
ngx_http_ai_price_listed(const ngx_http_ai_price_t *price,
    ngx_http_ai_price_kind_e kind)
{
    int64_t  pico;

    pico = ngx_http_ai_price_best(price, kind, NGX_HTTP_AI_PRICE_STANDARD, 0);

    if (pico == NGX_HTTP_AI_PRICE_UNKNOWN
        && kind == NGX_HTTP_AI_PRICE_CACHE_READ)
    {
        pico = ngx_http_ai_price_best(price, NGX_HTTP_AI_PRICE_CACHE_HIT,
                                      NGX_HTTP_AI_PRICE_STANDARD, 0);
    }

    return pico;
}


ngx_int_t
ngx_http_ai_price_cost(const ngx_http_ai_price_t *price,
    const ngx_http_ai_price_usage_t *usage, int64_t *nanousd)
{
    int64_t            request;
    ngx_int_t          rc;
    unsigned __int128  sum, units;

    if (usage->reported_nanousd >= 0) {
        *nanousd = usage->reported_nanousd;
        return NGX_OK;
    }

    if (price == NULL) {
        return NGX_DECLINED;
    }

    rc = ngx_http_ai_price_tokens(price, usage, &sum);

    if (ngx_http_ai_price_units(price, usage, &units) == NGX_OK
        && (rc != NGX_OK || usage->estimated || units > sum))
    {
        sum = units;
        rc = NGX_OK;
    }

    if (rc != NGX_OK) {
        return NGX_DECLINED;
    }

    /* most models have none, which is none to miss */

    request = ngx_http_ai_price_rate(price, NGX_HTTP_AI_PRICE_REQUEST,
                                     usage->tier, usage->input);

    sum += (uint64_t) ngx_max(request, 0);

    *nanousd = ngx_http_ai_price_nano(sum);

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_price_tokens(const ngx_http_ai_price_t *price,
    const ngx_http_ai_price_usage_t *usage, unsigned __int128 *sum)
{
    int64_t     pico, parts[NGX_HTTP_AI_PRICE_REQUEST];
    ngx_uint_t  i, known;

    *sum = 0;

    if (usage->untold) {
        return ngx_http_ai_price_free(price);
    }

    ngx_http_ai_price_parts(usage, parts);

    known = 0;

    for (i = 0; i < NGX_HTTP_AI_PRICE_REQUEST; i++) {

        if (parts[i] == 0 && i != NGX_HTTP_AI_PRICE_INPUT
            && i != NGX_HTTP_AI_PRICE_OUTPUT)
        {
            continue;
        }

        pico = ngx_http_ai_price_rate(price, i, usage->tier, usage->input);

        if (pico != NGX_HTTP_AI_PRICE_UNKNOWN) {
            *sum += (unsigned __int128) parts[i] * (uint64_t) pico;
            known = 1;
            continue;
        }

        if (parts[i]) {
            return NGX_DECLINED;
        }
    }

    /* nothing was used of what it is priced by: that says nothing */

    return known
           || ngx_http_ai_price_rate(price, i, usage->tier, usage->input)
              != NGX_HTTP_AI_PRICE_UNKNOWN
           ? NGX_OK : NGX_DECLINED;
}


/* input and output have a price, and nothing has one but zero */

static ngx_int_t
ngx_http_ai_price_free(const ngx_http_ai_price_t *price)
{
    uint32_t                         seen;
    ngx_uint_t                       i;
    const ngx_http_ai_price_rate_t  *r;

    const uint32_t  both = 1 << NGX_HTTP_AI_PRICE_INPUT
                           | 1 << NGX_HTTP_AI_PRICE_OUTPUT;

    seen = 0;

    for (i = 0; i < price->n; i++) {

        r = &price->rates[i];

        if (r->pico && r->kind != NGX_HTTP_AI_PRICE_REQUEST) {
            return NGX_DECLINED;
        }

        seen |= (uint32_t) 1 << r->kind;
    }

    return (seen & both) == both ? NGX_OK : NGX_DECLINED;
}


/*
 * The map prices a second of audio, or an image, by the one name or by the
 * other; by both it is one price told twice, or a zero beside it.
 */

static ngx_int_t
ngx_http_ai_price_units(const ngx_http_ai_price_t *price,
    const ngx_http_ai_price_usage_t *usage, unsigned __int128 *sum)
{
    int64_t                           n, pico;
    ngx_int_t                         rc;
    ngx_uint_t                        i;
    const ngx_http_ai_price_units_t  *units;

    static const struct {
        size_t                        offset;
        ngx_http_ai_price_kind_e      kind;
        ngx_http_ai_price_kind_e      other;
    } rows[] = {
        { offsetof(ngx_http_ai_price_units_t, characters),
          NGX_HTTP_AI_PRICE_CHARACTER, NGX_HTTP_AI_PRICE_CHARACTER },
        { offsetof(ngx_http_ai_price_units_t, images),
          NGX_HTTP_AI_PRICE_IMAGE, NGX_HTTP_AI_PRICE_IMAGE_IN },
        { offsetof(ngx_http_ai_price_units_t, seconds),
          NGX_HTTP_AI_PRICE_SECOND, NGX_HTTP_AI_PRICE_SECOND_OUT },
        { offsetof(ngx_http_ai_price_units_t, queries),
          NGX_HTTP_AI_PRICE_QUERY, NGX_HTTP_AI_PRICE_QUERY }
    };

    *sum = 0;
    rc = NGX_DECLINED;
    units = &usage->units;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        n = *(const int64_t *) ((const char *) units + rows[i].offset);

        if (n <= 0) {
            continue;
        }

        pico = ngx_max(ngx_http_ai_price_rate(price, rows[i].kind,
                                              usage->tier, usage->input),
                       ngx_http_ai_price_rate(price, rows[i].other,
                                              usage->tier, usage->input));

        if (pico == NGX_HTTP_AI_PRICE_UNKNOWN) {
            return NGX_DECLINED;
        }

        *sum += (unsigned __int128) n * (uint64_t) pico;
        rc = NGX_OK;
    }

    return rc;
}


/* every token in one part only */

static void
ngx_http_ai_price_parts(const ngx_http_ai_price_usage_t *usage, int64_t *parts)
{
    int64_t  input, output, write;

    ngx_memzero(parts, NGX_HTTP_AI_PRICE_REQUEST * sizeof(int64_t));

    input = ngx_max(usage->input, 0);
    output = ngx_max(usage->output, 0);

    parts[NGX_HTTP_AI_PRICE_CACHE_READ] =
                           ngx_http_ai_price_take(&input, usage->cache_read);

    write = ngx_http_ai_price_take(&input, usage->cache_write);

    parts[NGX_HTTP_AI_PRICE_CACHE_WRITE_1H] =
                       ngx_http_ai_price_take(&write, usage->cache_write_1h);

    parts[NGX_HTTP_AI_PRICE_CACHE_WRITE] = write;

    parts[NGX_HTTP_AI_PRICE_AUDIO_INPUT] =
                          ngx_http_ai_price_take(&input, usage->audio_input);

    parts[NGX_HTTP_AI_PRICE_IMAGE_INPUT] =
                          ngx_http_ai_price_take(&input, usage->image_input);

    parts[NGX_HTTP_AI_PRICE_INPUT] = input;

    parts[NGX_HTTP_AI_PRICE_REASONING] =
                           ngx_http_ai_price_take(&output, usage->reasoning);

    parts[NGX_HTTP_AI_PRICE_AUDIO_OUTPUT] =
                        ngx_http_ai_price_take(&output, usage->audio_output);

    parts[NGX_HTTP_AI_PRICE_IMAGE_OUTPUT] =
                        ngx_http_ai_price_take(&output, usage->image_output);

    /* a provider that tells no parts makes one thing */

    if (usage->units.images > 0 && usage->image_output <= 0) {
        parts[NGX_HTTP_AI_PRICE_IMAGE_OUTPUT] = output;
        output = 0;

    } else if (usage->units.characters > 0 && usage->audio_output <= 0) {
        parts[NGX_HTTP_AI_PRICE_AUDIO_OUTPUT] = output;
        output = 0;
    }

    parts[NGX_HTTP_AI_PRICE_OUTPUT] = output;
}


static int64_t
ngx_http_ai_price_take(int64_t *left, int64_t n)
{
    n = ngx_max(n, 0);
    n = ngx_min(n, *left);

    *left -= n;

    return n;
}


static int64_t
ngx_http_ai_price_nano(unsigned __int128 pico)
{
    unsigned __int128  nano;

    nano = (pico + 500) / 1000;

    return nano > INT64_MAX ? INT64_MAX : (int64_t) nano;
}


ngx_int_t
ngx_http_ai_price_estimate(const ngx_http_ai_price_t *price, int64_t input,
    int64_t output, const ngx_http_ai_price_units_t *units, int64_t *nanousd)
{
    ngx_http_ai_price_usage_t  usage;

    ngx_memzero(&usage, sizeof(ngx_http_ai_price_usage_t));

    usage.input = input;
    usage.output = output;
    usage.estimated = 1;
    usage.reported_nanousd = -1;

    if (units) {
        usage.units = *units;
    }

    return ngx_http_ai_price_cost(price, &usage, nanousd);
}


u_char *
ngx_http_ai_price_usd(u_char *buf, int64_t nanousd)
{
    return ngx_http_ai_price_write(buf, nanousd, 9);
}


u_char *
ngx_http_ai_price_unit(u_char *buf, int64_t pico)
{
    return ngx_http_ai_price_write(buf, pico, NGX_HTTP_AI_PRICE_PICO);
}


static u_char *
ngx_http_ai_price_write(u_char *buf, int64_t value, ngx_uint_t decimals)
{
    u_char    *p, *point, digits[NGX_HTTP_AI_PRICE_UNIT_LEN];
    uint64_t   n;

    n = (uint64_t) ngx_max(value, 0);

    /* from behind: the decimals, the point, the rest */

    p = digits + sizeof(digits);

    for (point = p - decimals; p > point; n /= 10) {
        *--p = (u_char) ('0' + n % 10);
    }

    *--p = '.';
    point = p;

    do {
        *--p = (u_char) ('0' + n % 10);
        n /= 10;
    } while (n);

    n = (digits + sizeof(digits)) - p;

    while (p[n - 1] == '0' && p + n - 1 > point) {
        n--;
    }

    if (p + n - 1 == point) {
        n--;
    }

    return ngx_cpymem(buf, p, n);
}
