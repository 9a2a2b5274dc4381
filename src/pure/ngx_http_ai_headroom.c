
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Two spellings and some names cover the providers: x-ratelimit-FIELD-LIMIT,
 * with LIMIT left out by some, and anthropic-ratelimit-LIMIT-FIELD.
 */


#include "ngx_http_ai_classify.h"
#include "ngx_http_ai_headroom.h"


#define NGX_HTTP_AI_HEADROOM_MAX      ((int64_t) 1000000000000000)

/* a reset from here on is a moment, not a wait: seconds, then milliseconds */
#define NGX_HTTP_AI_HEADROOM_EPOCH    ((int64_t) 100000000)
#define NGX_HTTP_AI_HEADROOM_EPOCH_MS ((int64_t) 100000000000)

/* see NGX_HTTP_AI_RATE_SKEW_MS: workers' clocks differ a little */
#define NGX_HTTP_AI_HEADROOM_SKEW_MS  60000


typedef enum {
    NGX_HTTP_AI_HEADROOM_LIMIT = 1,
    NGX_HTTP_AI_HEADROOM_REMAINING,
    NGX_HTTP_AI_HEADROOM_RESET,
    NGX_HTTP_AI_HEADROOM_PERIOD
} ngx_http_ai_headroom_field_e;


typedef struct {
    ngx_str_t      name;
    ngx_uint_t     value;
    int64_t        period_ms;    /* what the name itself says, or -1 */
} ngx_http_ai_headroom_word_t;


static const ngx_http_ai_headroom_word_t  ngx_http_ai_headroom_fields[] = {
    { ngx_string("limit"), NGX_HTTP_AI_HEADROOM_LIMIT, -1 },
    { ngx_string("remaining"), NGX_HTTP_AI_HEADROOM_REMAINING, -1 },
    { ngx_string("reset"), NGX_HTTP_AI_HEADROOM_RESET, -1 },
    { ngx_string("renewalperiod"), NGX_HTTP_AI_HEADROOM_PERIOD, -1 },
    { ngx_null_string, 0, 0 }
};


/*
 * Mistral's tokens-month is not here: most of the last days of a paid month
 * would be left unused, and its end is a 429 of its own kind.
 */

static const ngx_http_ai_headroom_word_t  ngx_http_ai_headroom_openai[] = {
    { ngx_string("requests"), NGX_HTTP_AI_HEADROOM_LINE_REQUESTS, -1 },
    { ngx_string("tokens"), NGX_HTTP_AI_HEADROOM_LINE_TOKENS, -1 },
    /* Together, OpenRouter */
    { ngx_string(""), NGX_HTTP_AI_HEADROOM_LINE_REQUESTS, -1 },
    /* Mistral */
    { ngx_string("req-minute"), NGX_HTTP_AI_HEADROOM_LINE_REQUESTS, 60000 },
    { ngx_string("req-10-second"), NGX_HTTP_AI_HEADROOM_LINE_SHORT, 10000 },
    { ngx_string("tokens-minute"), NGX_HTTP_AI_HEADROOM_LINE_TOKENS, 60000 },
    /* Cerebras */
    { ngx_string("requests-day"), NGX_HTTP_AI_HEADROOM_LINE_REQUESTS, -1 },
    { ngx_null_string, 0, 0 }
};


static const ngx_http_ai_headroom_word_t  ngx_http_ai_headroom_anthropic[] = {
    { ngx_string("requests"), NGX_HTTP_AI_HEADROOM_LINE_REQUESTS, -1 },
    { ngx_string("tokens"), NGX_HTTP_AI_HEADROOM_LINE_TOKENS, -1 },
    { ngx_string("input-tokens"), NGX_HTTP_AI_HEADROOM_LINE_INPUT, -1 },
    { ngx_string("output-tokens"), NGX_HTTP_AI_HEADROOM_LINE_OUTPUT, -1 },
    { ngx_null_string, 0, 0 }
};


static const ngx_str_t  ngx_http_ai_headroom_x = ngx_string("x-ratelimit-");
static const ngx_str_t  ngx_http_ai_headroom_a =
    ngx_string("anthropic-ratelimit-");


void
ngx_http_ai_headroom_init(ngx_http_ai_headroom_feed_t *feed)
{
    ngx_uint_t  i;

    feed->seen = 0;

    for (i = 0; i < NGX_HTTP_AI_HEADROOM_LINES; i++) {
        feed->lines[i].limit = -1;
        feed->lines[i].remaining = -1;
        feed->lines[i].reset_ms = -1;
        feed->lines[i].period_ms = -1;
    }
}


/* a count, or -1 for whatever is none */

static int64_t
ngx_http_ai_headroom_count(const ngx_str_t *value)
{
    size_t   i;
    int64_t  v;

    if (value->len == 0 || value->len > 18) {
        return -1;
    }

    v = 0;

    for (i = 0; i < value->len; i++) {
        if (value->data[i] < '0' || value->data[i] > '9') {
            return -1;
        }

        v = v * 10 + (value->data[i] - '0');
    }

    return (v > NGX_HTTP_AI_HEADROOM_MAX) ? -1 : v;
}


/*
 * OpenRouter says when, in milliseconds since the epoch; the others how long,
 * or a date.  A reset that is due now says nothing: Azure sends 0 always, and
 * ngx_http_ai_classify_wait() makes 0 of a date in the past.
 */

static int64_t
ngx_http_ai_headroom_reset(const ngx_str_t *value, time_t now)
{
    int64_t  v;

    v = ngx_http_ai_headroom_count(value);

    if (v >= NGX_HTTP_AI_HEADROOM_EPOCH) {
        v = (v < NGX_HTTP_AI_HEADROOM_EPOCH_MS) ? v * 1000 : v;
        v -= (int64_t) now * 1000;

    } else {
        v = ngx_http_ai_classify_wait(value->data, value->len, now);
    }

    return (v <= 0 || v > NGX_HTTP_AI_HEADROOM_MAX_MS) ? -1 : v;
}


/*
 * The row whose name ends (at the right) or begins (at the left) what is left
 * of the header's name, with a hyphen between it and the rest.
 */

static const ngx_http_ai_headroom_word_t *
ngx_http_ai_headroom_cut(const ngx_http_ai_headroom_word_t *word,
    ngx_str_t *name, ngx_uint_t right)
{
    size_t   len, rest;
    u_char  *p;

    for ( /* void */ ; word->name.len; word++) {
        len = word->name.len;

        if (name->len < len) {
            continue;
        }

        rest = name->len - len;
        p = right ? name->data + rest : name->data;

        if (ngx_memcmp(p, word->name.data, len) != 0) {
            continue;
        }

        if (rest == 0) {
            name->len = 0;
            return word;
        }

        if (rest > 1 && *(right ? p - 1 : p + len) == '-') {
            name->data += right ? 0 : len + 1;
            name->len = rest - 1;
            return word;
        }
    }

    return NULL;
}


static const ngx_http_ai_headroom_word_t *
ngx_http_ai_headroom_line(const ngx_http_ai_headroom_word_t *word,
    const ngx_str_t *name)
{
    for ( /* void */ ; word->name.data; word++) {
        if (word->name.len == name->len
            && ngx_memcmp(word->name.data, name->data, name->len) == 0)
        {
            return word;
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_http_ai_headroom_prefix(ngx_str_t *name, const ngx_str_t *prefix)
{
    if (name->len <= prefix->len
        || ngx_memcmp(name->data, prefix->data, prefix->len) != 0)
    {
        return 0;
    }

    name->data += prefix->len;
    name->len -= prefix->len;

    return 1;
}


static void
ngx_http_ai_headroom_set(ngx_http_ai_headroom_line_t *line, ngx_uint_t field,
    const ngx_str_t *value, time_t now)
{
    int64_t  v;

    switch (field) {

    case NGX_HTTP_AI_HEADROOM_LIMIT:
        v = ngx_http_ai_headroom_count(value);
        line->limit = ngx_max(v, 0);
        break;

    case NGX_HTTP_AI_HEADROOM_REMAINING:
        line->remaining = ngx_http_ai_headroom_count(value);
        break;

    case NGX_HTTP_AI_HEADROOM_RESET:
        line->reset_ms = ngx_http_ai_headroom_reset(value, now);
        break;

    case NGX_HTTP_AI_HEADROOM_PERIOD:
        v = ngx_http_ai_headroom_count(value);

        if (v > 0 && v <= NGX_HTTP_AI_HEADROOM_MAX_MS / 1000) {
            line->period_ms = v * 1000;
        }

        break;
    }
}


void
ngx_http_ai_headroom_header(ngx_http_ai_headroom_feed_t *feed,
    const ngx_str_t *name, const ngx_str_t *value, time_t now)
{
    ngx_str_t                           rest;
    ngx_uint_t                          anthropic;
    const ngx_http_ai_headroom_word_t  *field, *line;

    rest = *name;
    anthropic = 0;

    if (!ngx_http_ai_headroom_prefix(&rest, &ngx_http_ai_headroom_x)) {
        anthropic = ngx_http_ai_headroom_prefix(&rest,
                                                &ngx_http_ai_headroom_a);
        if (!anthropic) {
            return;
        }
    }

    field = ngx_http_ai_headroom_cut(ngx_http_ai_headroom_fields, &rest,
                                     anthropic);
    if (field == NULL) {
        return;
    }

    line = ngx_http_ai_headroom_line(anthropic
                                     ? ngx_http_ai_headroom_anthropic
                                     : ngx_http_ai_headroom_openai, &rest);
    if (line == NULL) {
        return;
    }

    feed->seen = 1;

    if (line->period_ms != -1) {
        feed->lines[line->value].period_ms = line->period_ms;
    }

    ngx_http_ai_headroom_set(&feed->lines[line->value], field->value, value,
                             now);
}


static ngx_uint_t
ngx_http_ai_headroom_share(int64_t limit, int64_t remaining)
{
    int64_t  percent;

    percent = remaining * (100 * 100 / NGX_HTTP_AI_HEADROOM_FULL) / limit;

    return (ngx_uint_t) ((percent > 100) ? 100 : ngx_max(percent, 1));
}


/*
 * Older Azure answers have no limit: nothing left is nothing left of any.
 * Newer ones may say -1 and 0, which is nonsense and tells nothing.  Otherwise
 * both must be there and agree.
 */

static ngx_int_t
ngx_http_ai_headroom_read(const ngx_http_ai_headroom_line_t *line,
    ngx_http_ai_headroom_group_t *g)
{
    g->limit = line->limit;
    g->remaining = line->remaining;

    if (g->limit == -1 && g->remaining == 0) {
        g->limit = 1;
    }

    if (g->limit <= 0 || g->remaining < 0 || g->remaining > g->limit) {
        return NGX_DECLINED;
    }

    g->life_ms = (line->reset_ms != -1) ? line->reset_ms : line->period_ms;

    if (g->life_ms == -1) {
        g->life_ms = NGX_HTTP_AI_HEADROOM_LIFE_MS;
    }

    return NGX_OK;
}


void
ngx_http_ai_headroom_update(ngx_http_ai_headroom_t *h,
    const ngx_http_ai_headroom_feed_t *feed, ngx_msec_t now)
{
    ngx_uint_t                     i, group, share, best;
    ngx_http_ai_headroom_group_t   g;

    if (!feed->seen) {
        return;
    }

    best = 0;
    group = NGX_HTTP_AI_HEADROOM_REQUESTS;

    for (i = 0; i < NGX_HTTP_AI_HEADROOM_LINES; i++) {

        if (i == NGX_HTTP_AI_HEADROOM_LINE_TOKENS) {
            group = NGX_HTTP_AI_HEADROOM_TOKENS;
            best = 0;
        }

        if (ngx_http_ai_headroom_read(&feed->lines[i], &g) != NGX_OK) {
            continue;
        }

        share = ngx_http_ai_headroom_share(g.limit, g.remaining);

        if (best == 0 || share < best) {
            best = share;
            g.seen = now;
            h->groups[group] = g;
        }
    }
}


/*
 * 1: the reading is still in force.  One from the future is one from before
 * the clock was set.
 */

static ngx_uint_t
ngx_http_ai_headroom_holds(const ngx_http_ai_headroom_group_t *g,
    ngx_msec_t now, int64_t *age)
{
    *age = (ngx_msec_int_t) (now - g->seen);

    return g->limit != 0 && *age < g->life_ms
           && *age >= -NGX_HTTP_AI_HEADROOM_SKEW_MS;
}


ngx_uint_t
ngx_http_ai_headroom_percent(const ngx_http_ai_headroom_t *h, ngx_msec_t now)
{
    int64_t                              age;
    ngx_uint_t                           i, share, percent;
    const ngx_http_ai_headroom_group_t  *g;

    percent = 100;

    for (i = 0; i < NGX_HTTP_AI_HEADROOM_GROUPS; i++) {
        g = &h->groups[i];

        if (!ngx_http_ai_headroom_holds(g, now, &age)) {
            continue;
        }

        share = ngx_http_ai_headroom_share(g->limit, g->remaining);
        percent = ngx_min(percent, share);
    }

    return percent;
}


ngx_uint_t
ngx_http_ai_headroom_left(const ngx_http_ai_headroom_t *h, ngx_msec_t now,
    int64_t *reset_ms)
{
    int64_t                              age;
    ngx_uint_t                           i, left, percent;
    const ngx_http_ai_headroom_group_t  *g;

    percent = 100;
    *reset_ms = 0;

    for (i = 0; i < NGX_HTTP_AI_HEADROOM_GROUPS; i++) {
        g = &h->groups[i];

        if (!ngx_http_ai_headroom_holds(g, now, &age)) {
            continue;
        }

        left = (ngx_uint_t) (ngx_min(g->remaining, g->limit) * 100
                             / g->limit);

        if (left < percent) {
            percent = left;
            *reset_ms = g->life_ms - ngx_max(age, 0);
        }
    }

    return percent;
}


ngx_uint_t
ngx_http_ai_headroom_known(const ngx_http_ai_headroom_t *h, ngx_msec_t now)
{
    int64_t     age;
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_AI_HEADROOM_GROUPS; i++) {
        if (ngx_http_ai_headroom_holds(&h->groups[i], now, &age)) {
            return 1;
        }
    }

    return 0;
}
