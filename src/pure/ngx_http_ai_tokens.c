
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Providers agree on little but the idea, so the counts are looked up by a
 * table of paths, several for each, and then repaired by arithmetic that
 * holds for every recorded answer.
 */


#include "ngx_http_ai_tokens.h"
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


/*
 * Of several paths of one count the largest value is taken: the same figure
 * told twice (DeepSeek tells the cached tokens in both ways), or a zero beside
 * it.
 */

static const struct {
    ngx_http_ai_tokens_count_e  count;
    const char                 *path;
} ngx_http_ai_tokens_paths[] = {

    /* chat, completions, embeddings */

    { NGX_HTTP_AI_TOKENS_INPUT, "prompt_tokens" },
    { NGX_HTTP_AI_TOKENS_OUTPUT, "completion_tokens" },
    { NGX_HTTP_AI_TOKENS_TOTAL, "total_tokens" },
    { NGX_HTTP_AI_TOKENS_READ, "prompt_tokens_details.cached_tokens" },
    { NGX_HTTP_AI_TOKENS_WRITE, "prompt_tokens_details.cache_write_tokens" },
    { NGX_HTTP_AI_TOKENS_REASONING,
      "completion_tokens_details.reasoning_tokens" },

    /* Responses, images */

    { NGX_HTTP_AI_TOKENS_INPUT, "input_tokens" },
    { NGX_HTTP_AI_TOKENS_OUTPUT, "output_tokens" },
    { NGX_HTTP_AI_TOKENS_READ, "input_tokens_details.cached_tokens" },
    { NGX_HTTP_AI_TOKENS_WRITE, "input_tokens_details.cache_write_tokens" },
    { NGX_HTTP_AI_TOKENS_REASONING, "output_tokens_details.reasoning_tokens" },

    /* realtime, transcriptions: "token" */

    { NGX_HTTP_AI_TOKENS_READ, "input_token_details.cached_tokens" },

    /* DeepSeek; Together; skins that put details on the top */

    { NGX_HTTP_AI_TOKENS_READ, "prompt_cache_hit_tokens" },
    { NGX_HTTP_AI_TOKENS_READ, "cached_tokens" },
    { NGX_HTTP_AI_TOKENS_WRITE, "cache_write_tokens" },
    { NGX_HTTP_AI_TOKENS_REASONING, "reasoning_tokens" }
};

#define NGX_HTTP_AI_TOKENS_NPATHS                                             \
    (sizeof(ngx_http_ai_tokens_paths) / sizeof(ngx_http_ai_tokens_paths[0]))


typedef struct {
    int64_t     value[NGX_HTTP_AI_TOKENS_COUNTS];
    unsigned    known[NGX_HTTP_AI_TOKENS_COUNTS];
} ngx_http_ai_tokens_counts_t;


static ngx_int_t ngx_http_ai_tokens_collect(ngx_http_ai_tokens_counts_t *c,
    const u_char *p, size_t n);
static void ngx_http_ai_tokens_repair(ngx_http_ai_tokens_counts_t *c);


ngx_int_t
ngx_http_ai_tokens_usage(ngx_http_ai_tokens_t *tokens, const u_char *p,
    size_t n)
{
    ngx_int_t                    rc;
    ngx_http_ai_tokens_counts_t  c;

    rc = ngx_http_ai_tokens_collect(&c, p, n);

    if (rc != NGX_OK) {
        return rc;
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


static ngx_int_t
ngx_http_ai_tokens_collect(ngx_http_ai_tokens_counts_t *c, const u_char *p,
    size_t n)
{
    int64_t               value;
    ngx_uint_t            i, k, found;
    ngx_http_ai_pluck_t   items[NGX_HTTP_AI_TOKENS_NPATHS];

    ngx_memzero(items, sizeof(items));
    ngx_memzero(c, sizeof(ngx_http_ai_tokens_counts_t));

    for (i = 0; i < NGX_HTTP_AI_TOKENS_NPATHS; i++) {
        items[i].path = ngx_http_ai_tokens_paths[i].path;
    }

    if (ngx_http_ai_pluck(p, n, items, NGX_HTTP_AI_TOKENS_NPATHS) != NGX_OK) {
        return NGX_ERROR;
    }

    found = 0;

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

        /* details alone are no usage */

        found |= (k <= NGX_HTTP_AI_TOKENS_TOTAL);
    }

    return found ? NGX_OK : NGX_DECLINED;
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
