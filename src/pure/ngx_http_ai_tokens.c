
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Providers agree on little but the idea, so the counts are looked up by a
 * table of paths, several for each, and then repaired by arithmetic that
 * holds for every recorded answer.
 */


#include "ngx_http_ai_tokens.h"
#include "ngx_http_ai_json.h"
#include "ngx_http_ai_pluck.h"


/*
 * Beyond any real count, and small enough for sums of a few not to overflow:
 * what is above is cut to it.
 */

#define NGX_HTTP_AI_TOKENS_MAX  1000000000000000


typedef enum {
    NGX_HTTP_AI_TOKENS_INPUT = 0,
    NGX_HTTP_AI_TOKENS_OUTPUT,
    NGX_HTTP_AI_TOKENS_TOTAL,
    NGX_HTTP_AI_TOKENS_READ,
    NGX_HTTP_AI_TOKENS_WRITE,
    NGX_HTTP_AI_TOKENS_REASONING,
    NGX_HTTP_AI_TOKENS_COUNTS
} ngx_http_ai_tokens_count_e;


/* a path, and its parts: the object in the top one, if any, and the member */

typedef struct {
    ngx_http_ai_tokens_count_e  count;
    const char                 *path;
    ngx_str_t                   group;
    ngx_str_t                   name;
} ngx_http_ai_tokens_path_t;


#define ngx_http_ai_tokens_top(count, name)                                   \
    { NGX_HTTP_AI_TOKENS_##count, name, ngx_null_string, ngx_string(name) }

#define ngx_http_ai_tokens_in(count, group, name)                             \
    { NGX_HTTP_AI_TOKENS_##count, group "." name,                             \
      ngx_string(group), ngx_string(name) }


/*
 * Of several paths of one count the largest value is taken: the same figure
 * told twice (DeepSeek tells the cached tokens in both ways), or a zero beside
 * it.
 */

static const ngx_http_ai_tokens_path_t  ngx_http_ai_tokens_paths[] = {

    /* chat, completions, embeddings */

    ngx_http_ai_tokens_top(INPUT, "prompt_tokens"),
    ngx_http_ai_tokens_top(OUTPUT, "completion_tokens"),
    ngx_http_ai_tokens_top(TOTAL, "total_tokens"),
    ngx_http_ai_tokens_in(READ, "prompt_tokens_details", "cached_tokens"),
    ngx_http_ai_tokens_in(WRITE, "prompt_tokens_details",
                          "cache_write_tokens"),
    ngx_http_ai_tokens_in(REASONING, "completion_tokens_details",
                          "reasoning_tokens"),

    /* Responses, images */

    ngx_http_ai_tokens_top(INPUT, "input_tokens"),
    ngx_http_ai_tokens_top(OUTPUT, "output_tokens"),
    ngx_http_ai_tokens_in(READ, "input_tokens_details", "cached_tokens"),
    ngx_http_ai_tokens_in(WRITE, "input_tokens_details",
                          "cache_write_tokens"),
    ngx_http_ai_tokens_in(REASONING, "output_tokens_details",
                          "reasoning_tokens"),

    /* realtime, transcriptions: "token" */

    ngx_http_ai_tokens_in(READ, "input_token_details", "cached_tokens"),

    /* DeepSeek; Together; skins that put details on the top */

    ngx_http_ai_tokens_top(READ, "prompt_cache_hit_tokens"),
    ngx_http_ai_tokens_top(READ, "cached_tokens"),
    ngx_http_ai_tokens_top(WRITE, "cache_write_tokens"),
    ngx_http_ai_tokens_top(REASONING, "reasoning_tokens")
};

#define NGX_HTTP_AI_TOKENS_NPATHS                                             \
    (sizeof(ngx_http_ai_tokens_paths) / sizeof(ngx_http_ai_tokens_paths[0]))


typedef struct {
    int64_t     value[NGX_HTTP_AI_TOKENS_COUNTS];
    unsigned    known[NGX_HTTP_AI_TOKENS_COUNTS];
} ngx_http_ai_tokens_counts_t;


static ngx_int_t ngx_http_ai_tokens_plain(ngx_http_ai_tokens_counts_t *c,
    const u_char *p, size_t n);
static const u_char *ngx_http_ai_tokens_value(ngx_http_ai_tokens_counts_t *c,
    uint32_t found, const u_char *p, const u_char *last);
static uint32_t ngx_http_ai_tokens_group(const u_char *name, size_t len);
static uint32_t ngx_http_ai_tokens_find(uint32_t set, const u_char *name,
    size_t len);
static ngx_int_t ngx_http_ai_tokens_collect(ngx_http_ai_tokens_counts_t *c,
    const u_char *p, size_t n);
static void ngx_http_ai_tokens_repair(ngx_http_ai_tokens_counts_t *c);


static ngx_inline const u_char *
ngx_http_ai_tokens_skip(const u_char *p)
{
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') {
        p++;
    }

    return p;
}


ngx_int_t
ngx_http_ai_tokens_usage(ngx_http_ai_tokens_t *tokens, const u_char *p,
    size_t n)
{
    ngx_http_ai_tokens_counts_t  c;

    if (ngx_http_ai_tokens_plain(&c, p, n) != NGX_OK
        && ngx_http_ai_tokens_collect(&c, p, n) != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* details alone are no usage */

    if (!c.known[NGX_HTTP_AI_TOKENS_INPUT]
        && !c.known[NGX_HTTP_AI_TOKENS_OUTPUT]
        && !c.known[NGX_HTTP_AI_TOKENS_TOTAL])
    {
        return NGX_DECLINED;
    }

    ngx_http_ai_tokens_repair(&c);

    tokens->input = c.value[NGX_HTTP_AI_TOKENS_INPUT];
    tokens->output = c.value[NGX_HTTP_AI_TOKENS_OUTPUT];
    tokens->cache_read = c.value[NGX_HTTP_AI_TOKENS_READ];
    tokens->cache_write = c.value[NGX_HTTP_AI_TOKENS_WRITE];
    tokens->reasoning = c.value[NGX_HTTP_AI_TOKENS_REASONING];
    tokens->found = 1;

    return NGX_OK;
}


/*
 * What most answers have: an object of whole numbers and nulls, and objects
 * of the same in it.  Here it costs a tenth of what a parser takes.  Anything
 * else is NGX_DECLINED and left to collect(), also a count told twice under
 * one name; what is taken here is counted as collect() would.
 *
 * The last byte is a brace.  It ends each search below and is never stepped
 * over, so p needs no other limit.
 */

static ngx_int_t
ngx_http_ai_tokens_plain(ngx_http_ai_tokens_counts_t *c, const u_char *p,
    size_t n)
{
    uint32_t       top, set, found, seen;
    ngx_uint_t     nested;
    const u_char  *last, *name;

    if (n < 2 || p[0] != '{' || p[n - 1] != '}') {
        return NGX_DECLINED;
    }

    ngx_memzero(c, sizeof(ngx_http_ai_tokens_counts_t));

    last = p + n - 1;
    top = ngx_http_ai_tokens_group(NULL, 0);
    set = top;
    seen = 0;
    nested = 0;

    for ( ;; ) {

        /* p stands before a member: "{" or "," */

        p = ngx_http_ai_tokens_skip(p + 1);

        if (*p != '"') {
            return NGX_DECLINED;
        }

        name = p + 1;
        p = ngx_http_ai_json_text(name, last);

        if (*p != '"') {
            return NGX_DECLINED;
        }

        n = p - name;
        p = ngx_http_ai_tokens_skip(p + 1);

        if (*p != ':') {
            return NGX_DECLINED;
        }

        p = ngx_http_ai_tokens_skip(p + 1);

        found = ngx_http_ai_tokens_find(set, name, n);

        if (found & seen) {
            return NGX_DECLINED;
        }

        seen |= found;

        /* no name is what the top has here */

        if (*p == '{' && !nested && found == 0 && n) {
            set = ngx_http_ai_tokens_group(name, n);
            nested = 1;
            continue;
        }

        p = ngx_http_ai_tokens_value(c, found, p, last);

        if (p == NULL) {
            return NGX_DECLINED;
        }

        p = ngx_http_ai_tokens_skip(p);

        if (nested && *p == '}' && p != last) {
            set = top;
            nested = 0;
            p = ngx_http_ai_tokens_skip(p + 1);
        }

        if (*p != ',') {
            return (p == last && !nested) ? NGX_OK : NGX_DECLINED;
        }
    }
}


/* a number of up to 15 digits, which is below the limit, or null */

static const u_char *
ngx_http_ai_tokens_value(ngx_http_ai_tokens_counts_t *c, uint32_t found,
    const u_char *p, const u_char *last)
{
    int64_t        value;
    ngx_uint_t     k;
    const u_char  *start;

    if (*p == 'n') {
        return (last - p >= 4 && ngx_memcmp(p, "null", 4) == 0) ? p + 4 : NULL;
    }

    value = 0;

    for (start = p; *p >= '0' && *p <= '9'; p++) {

        if (p - start == 15) {
            return NULL;
        }

        value = value * 10 + (*p - '0');
    }

    if (p == start || (*start == '0' && p - start > 1)) {
        return NULL;
    }

    if (found) {
        k = ngx_http_ai_tokens_paths[__builtin_ctz(found)].count;
        c->value[k] = ngx_max(c->value[k], value);
        c->known[k] = 1;
    }

    return p;
}


/* the paths, one bit each, that lead into this object; no name: the top one */

static uint32_t
ngx_http_ai_tokens_group(const u_char *name, size_t len)
{
    uint32_t          set;
    ngx_uint_t        i;
    const ngx_str_t  *group;

    set = 0;

    for (i = 0; i < NGX_HTTP_AI_TOKENS_NPATHS; i++) {
        group = &ngx_http_ai_tokens_paths[i].group;

        if (group->len == len
            && (len == 0 || ngx_memcmp(group->data, name, len) == 0))
        {
            set |= (uint32_t) 1 << i;
        }
    }

    return set;
}


/* that of the set which ends with this name, or 0 */

static uint32_t
ngx_http_ai_tokens_find(uint32_t set, const u_char *name, size_t len)
{
    ngx_uint_t        i;
    const ngx_str_t  *member;

    for ( /* void */ ; set; set &= set - 1) {
        i = __builtin_ctz(set);
        member = &ngx_http_ai_tokens_paths[i].name;

        if (member->len == len && ngx_memcmp(member->data, name, len) == 0) {
            return (uint32_t) 1 << i;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_ai_tokens_collect(ngx_http_ai_tokens_counts_t *c, const u_char *p,
    size_t n)
{
    int64_t               value;
    ngx_uint_t            i, k;
    ngx_http_ai_pluck_t   items[NGX_HTTP_AI_TOKENS_NPATHS];

    ngx_memzero(items, sizeof(items));
    ngx_memzero(c, sizeof(ngx_http_ai_tokens_counts_t));

    for (i = 0; i < NGX_HTTP_AI_TOKENS_NPATHS; i++) {
        items[i].path = ngx_http_ai_tokens_paths[i].path;
    }

    if (ngx_http_ai_pluck(p, n, items, NGX_HTTP_AI_TOKENS_NPATHS) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_HTTP_AI_TOKENS_NPATHS; i++) {

        if (items[i].type != NGX_HTTP_AI_PLUCK_INT
            && items[i].type != NGX_HTTP_AI_PLUCK_DOUBLE)
        {
            continue;
        }

        value = ngx_min(items[i].integer, NGX_HTTP_AI_TOKENS_MAX);

        k = ngx_http_ai_tokens_paths[i].count;

        /* value[] began with zeroes: this drops what is negative, too */

        c->value[k] = ngx_max(c->value[k], value);
        c->known[k] = 1;
    }

    return NGX_OK;
}


/*
 * In this order: a prompt without its cached part would else look like a
 * total that is too large.
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
ngx_http_ai_tokens_repair(ngx_http_ai_tokens_counts_t *c)
{
    int64_t  *value, rest;

    value = c->value;

    if (value[NGX_HTTP_AI_TOKENS_READ] > value[NGX_HTTP_AI_TOKENS_INPUT]
        && c->known[NGX_HTTP_AI_TOKENS_INPUT])
    {
        value[NGX_HTTP_AI_TOKENS_INPUT] += value[NGX_HTTP_AI_TOKENS_READ];
    }

    rest = value[NGX_HTTP_AI_TOKENS_TOTAL] - value[NGX_HTTP_AI_TOKENS_INPUT]
           - value[NGX_HTTP_AI_TOKENS_OUTPUT];

    if (rest <= 0) {
        return;
    }

    if (!c->known[NGX_HTTP_AI_TOKENS_INPUT]) {
        value[NGX_HTTP_AI_TOKENS_INPUT] = rest;
        return;
    }

    value[NGX_HTTP_AI_TOKENS_OUTPUT] += rest;

    if (c->known[NGX_HTTP_AI_TOKENS_OUTPUT]) {
        value[NGX_HTTP_AI_TOKENS_REASONING] =
                            ngx_max(value[NGX_HTTP_AI_TOKENS_REASONING], rest);
    }
}
