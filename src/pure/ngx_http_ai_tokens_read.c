
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Reads one usage object.  Providers agree on little but the idea, so the
 * counts are looked up by a table of paths, several for each.  No provider is
 * asked for by name: a path says whether its count is part of another or
 * stands beside it.
 */


#include "ngx_http_ai_tokens.h"
#include "ngx_http_ai_json.h"
#include "ngx_http_ai_pluck.h"


#define NGX_HTTP_AI_TOKENS_NUMBER  64      /* longest number of money read */
#define NGX_HTTP_AI_TOKENS_WORD    16      /* longest name of a tier */


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

    ngx_http_ai_tokens_top(PROMPT, "prompt_tokens"),
    ngx_http_ai_tokens_top(OUTPUT, "completion_tokens"),
    ngx_http_ai_tokens_top(TOTAL, "total_tokens"),
    ngx_http_ai_tokens_in(READ, "prompt_tokens_details", "cached_tokens"),
    ngx_http_ai_tokens_in(WRITE, "prompt_tokens_details",
                          "cache_write_tokens"),
    ngx_http_ai_tokens_in(AUDIO_IN, "prompt_tokens_details", "audio_tokens"),
    ngx_http_ai_tokens_in(IMAGE_IN, "prompt_tokens_details", "image_tokens"),
    ngx_http_ai_tokens_in(REASONING, "completion_tokens_details",
                          "reasoning_tokens"),
    ngx_http_ai_tokens_in(AUDIO_OUT, "completion_tokens_details",
                          "audio_tokens"),
    ngx_http_ai_tokens_in(IMAGE_OUT, "completion_tokens_details",
                          "image_tokens"),

    /* Responses, images; Anthropic, whose input leaves out the cache */

    ngx_http_ai_tokens_top(INPUT, "input_tokens"),
    ngx_http_ai_tokens_top(OUTPUT, "output_tokens"),
    ngx_http_ai_tokens_in(READ, "input_tokens_details", "cached_tokens"),
    ngx_http_ai_tokens_in(WRITE, "input_tokens_details",
                          "cache_write_tokens"),
    ngx_http_ai_tokens_in(AUDIO_IN, "input_tokens_details", "audio_tokens"),
    ngx_http_ai_tokens_in(IMAGE_IN, "input_tokens_details", "image_tokens"),
    ngx_http_ai_tokens_in(REASONING, "output_tokens_details",
                          "reasoning_tokens"),
    ngx_http_ai_tokens_in(REASONING, "output_tokens_details",
                          "thinking_tokens"),
    ngx_http_ai_tokens_in(AUDIO_OUT, "output_tokens_details",
                          "audio_tokens"),
    ngx_http_ai_tokens_in(IMAGE_OUT, "output_tokens_details",
                          "image_tokens"),

    ngx_http_ai_tokens_top(READ_BESIDE, "cache_read_input_tokens"),
    ngx_http_ai_tokens_top(WRITE_BESIDE, "cache_creation_input_tokens"),
    ngx_http_ai_tokens_in(WRITE_1H, "cache_creation",
                          "ephemeral_1h_input_tokens"),
    ngx_http_ai_tokens_in(WEB, "server_tool_use", "web_search_requests"),

    /* transcriptions, realtime: "token" */

    ngx_http_ai_tokens_in(READ, "input_token_details", "cached_tokens"),
    ngx_http_ai_tokens_in(AUDIO_IN, "input_token_details", "audio_tokens"),
    ngx_http_ai_tokens_in(IMAGE_IN, "input_token_details", "image_tokens"),
    ngx_http_ai_tokens_in(AUDIO_OUT, "output_token_details", "audio_tokens"),
    ngx_http_ai_tokens_top(SECONDS, "seconds"),
    ngx_http_ai_tokens_top(SECONDS, "prompt_audio_seconds"),

    /* Gemini */

    ngx_http_ai_tokens_top(PROMPT, "promptTokenCount"),
    ngx_http_ai_tokens_top(TOOL, "toolUsePromptTokenCount"),
    ngx_http_ai_tokens_top(OUTPUT, "candidatesTokenCount"),
    ngx_http_ai_tokens_top(THOUGHTS, "thoughtsTokenCount"),
    ngx_http_ai_tokens_top(TOTAL, "totalTokenCount"),
    ngx_http_ai_tokens_top(READ, "cachedContentTokenCount"),

    /* Bedrock's Converse, whose input leaves out the cache, too */

    ngx_http_ai_tokens_top(INPUT, "inputTokens"),
    ngx_http_ai_tokens_top(OUTPUT, "outputTokens"),
    ngx_http_ai_tokens_top(TOTAL, "totalTokens"),
    ngx_http_ai_tokens_top(READ_BESIDE, "cacheReadInputTokens"),
    ngx_http_ai_tokens_top(WRITE_BESIDE, "cacheWriteInputTokens"),

    /* Cohere */

    ngx_http_ai_tokens_in(PROMPT, "tokens", "input_tokens"),
    ngx_http_ai_tokens_in(OUTPUT, "tokens", "output_tokens"),
    ngx_http_ai_tokens_in(BILLED_IN, "billed_units", "input_tokens"),
    ngx_http_ai_tokens_in(BILLED_OUT, "billed_units", "output_tokens"),
    ngx_http_ai_tokens_in(SEARCH, "billed_units", "search_units"),

    /* DeepSeek; Together and Cohere; skins that put details on the top */

    ngx_http_ai_tokens_top(READ, "prompt_cache_hit_tokens"),
    ngx_http_ai_tokens_top(READ, "cached_tokens"),
    ngx_http_ai_tokens_top(WRITE, "cache_write_tokens"),
    ngx_http_ai_tokens_top(REASONING, "reasoning_tokens"),

    /* xAI; Perplexity */

    ngx_http_ai_tokens_top(TICKS, "cost_in_usd_ticks"),
    ngx_http_ai_tokens_top(WEB, "num_search_queries")
};

#define NGX_HTTP_AI_TOKENS_NPATHS                                             \
    (sizeof(ngx_http_ai_tokens_paths) / sizeof(ngx_http_ai_tokens_paths[0]))


/* members that are no counts: beyond the paths in collect()'s items */

enum {
    NGX_HTTP_AI_TOKENS_COST = NGX_HTTP_AI_TOKENS_NPATHS,
    NGX_HTTP_AI_TOKENS_COST_TOTAL,
    NGX_HTTP_AI_TOKENS_COST_UPSTREAM,
    NGX_HTTP_AI_TOKENS_BYOK,
    NGX_HTTP_AI_TOKENS_TIER,
    NGX_HTTP_AI_TOKENS_TIER_GEMINI,
    NGX_HTTP_AI_TOKENS_SPEED,
    NGX_HTTP_AI_TOKENS_ITEMS
};


static const char  *ngx_http_ai_tokens_others[] = {
    "cost",                                    /* OpenRouter */
    "cost.total_cost",                         /* Perplexity */
    "cost_details.upstream_inference_cost",
    "is_byok",
    "service_tier",
    "serviceTier",
    "speed"
};


static ngx_int_t ngx_http_ai_tokens_plain(ngx_http_ai_tokens_raw_t *raw,
    const u_char *p, size_t n);
static const u_char *ngx_http_ai_tokens_value(ngx_http_ai_tokens_raw_t *raw,
    uint64_t found, const u_char *p, const u_char *last);
static uint64_t ngx_http_ai_tokens_group(const u_char *name, size_t len);
static uint64_t ngx_http_ai_tokens_find(uint64_t set, const u_char *name,
    size_t len);
static ngx_int_t ngx_http_ai_tokens_collect(ngx_http_ai_tokens_raw_t *raw,
    const u_char *p, size_t n, ngx_uint_t cut);
static void ngx_http_ai_tokens_words(ngx_http_ai_tokens_raw_t *raw,
    const ngx_http_ai_pluck_t *items);
static int64_t ngx_http_ai_tokens_money(const ngx_http_ai_pluck_t *item);
static void ngx_http_ai_tokens_cost(ngx_http_ai_tokens_raw_t *raw,
    const ngx_http_ai_pluck_t *items);
static void ngx_http_ai_tokens_lists(ngx_http_ai_tokens_raw_t *raw,
    const u_char *p, size_t n);
static void ngx_http_ai_tokens_list(ngx_http_ai_tokens_raw_t *raw,
    ngx_uint_t list, const u_char *p, size_t n);


static ngx_inline const u_char *
ngx_http_ai_tokens_skip(const u_char *p)
{
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') {
        p++;
    }

    return p;
}


ngx_int_t
ngx_http_ai_tokens_read(ngx_http_ai_tokens_raw_t *raw, const u_char *p,
    size_t n, ngx_uint_t cut)
{
    if (ngx_http_ai_tokens_plain(raw, p, n) == NGX_OK) {
        return NGX_OK;
    }

    return ngx_http_ai_tokens_collect(raw, p, n, cut);
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
ngx_http_ai_tokens_plain(ngx_http_ai_tokens_raw_t *raw, const u_char *p,
    size_t n)
{
    uint64_t       top, set, inner, found, seen;
    ngx_uint_t     nested;
    const u_char  *last, *name;

    if (n < 2 || p[0] != '{' || p[n - 1] != '}') {
        return NGX_DECLINED;
    }

    ngx_http_ai_tokens_init(raw);

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

        if (n == 4 && ngx_memcmp(name, "cost", 4) == 0) {
            /* money, or an object with money in it */
            return NGX_DECLINED;
        }

        p = ngx_http_ai_tokens_skip(p + 1);

        if (*p != ':') {
            return NGX_DECLINED;
        }

        p = ngx_http_ai_tokens_skip(p + 1);

        /* no name of an object with counts is a count, too */

        if (*p == '{' && !nested && n) {
            inner = ngx_http_ai_tokens_group(name, n);

            if (inner) {
                set = inner;
                nested = 1;
                continue;
            }
        }

        found = ngx_http_ai_tokens_find(set, name, n);

        if (found & seen) {
            return NGX_DECLINED;
        }

        seen |= found;

        /* an object that nobody knows: of its names none is a count */

        if (*p == '{' && !nested && found == 0 && n) {
            set = 0;
            nested = 1;
            continue;
        }

        p = ngx_http_ai_tokens_value(raw, found, p, last);

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
ngx_http_ai_tokens_value(ngx_http_ai_tokens_raw_t *raw, uint64_t found,
    const u_char *p, const u_char *last)
{
    int64_t        value;
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
        ngx_http_ai_tokens_put(raw,
                  ngx_http_ai_tokens_paths[__builtin_ctzll(found)].count,
                  value);
    }

    return p;
}


/* the paths, one bit each, that lead into this object; no name: the top one */

static uint64_t
ngx_http_ai_tokens_group(const u_char *name, size_t len)
{
    uint64_t          set;
    ngx_uint_t        i;
    const ngx_str_t  *group;

    set = 0;

    for (i = 0; i < NGX_HTTP_AI_TOKENS_NPATHS; i++) {
        group = &ngx_http_ai_tokens_paths[i].group;

        if (group->len == len
            && (len == 0 || ngx_memcmp(group->data, name, len) == 0))
        {
            set |= (uint64_t) 1 << i;
        }
    }

    return set;
}


/* that of the set which ends with this name, or 0 */

static uint64_t
ngx_http_ai_tokens_find(uint64_t set, const u_char *name, size_t len)
{
    ngx_uint_t        i;
    const ngx_str_t  *member;

    for ( /* void */ ; set; set &= set - 1) {
        i = __builtin_ctzll(set);
        member = &ngx_http_ai_tokens_paths[i].name;

        if (member->len == len && ngx_memcmp(member->data, name, len) == 0) {
            return (uint64_t) 1 << i;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_ai_tokens_collect(ngx_http_ai_tokens_raw_t *raw, const u_char *p,
    size_t n, ngx_uint_t cut)
{
    u_char                money[3][NGX_HTTP_AI_TOKENS_NUMBER];
    u_char                words[3][NGX_HTTP_AI_TOKENS_WORD];
    ngx_uint_t            i, seconds;
    ngx_http_ai_pluck_t   items[NGX_HTTP_AI_TOKENS_ITEMS];

    ngx_memzero(items, sizeof(items));
    ngx_http_ai_tokens_init(raw);

    for (i = 0; i < NGX_HTTP_AI_TOKENS_ITEMS; i++) {
        items[i].path = i < NGX_HTTP_AI_TOKENS_NPATHS
                  ? ngx_http_ai_tokens_paths[i].path
                  : ngx_http_ai_tokens_others[i - NGX_HTTP_AI_TOKENS_NPATHS];
    }

    for (i = 0; i < 3; i++) {
        items[NGX_HTTP_AI_TOKENS_COST + i].buf = money[i];
        items[NGX_HTTP_AI_TOKENS_COST + i].size = sizeof(money[i]);
        items[NGX_HTTP_AI_TOKENS_TIER + i].buf = words[i];
        items[NGX_HTTP_AI_TOKENS_TIER + i].size = sizeof(words[i]);
    }

    if (ngx_http_ai_pluck(p, n, items, NGX_HTTP_AI_TOKENS_ITEMS) != NGX_OK
        && !cut)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_HTTP_AI_TOKENS_NPATHS; i++) {

        if (items[i].type == NGX_HTTP_AI_PLUCK_INT
            || items[i].type == NGX_HTTP_AI_PLUCK_DOUBLE)
        {
            /* a second begun is a second; nothing else comes in parts */

            seconds = ngx_http_ai_tokens_paths[i].count
                      == NGX_HTTP_AI_TOKENS_SECONDS
                      && items[i].integer < NGX_HTTP_AI_TOKENS_MAX
                      && items[i].number > (double) items[i].integer;

            ngx_http_ai_tokens_put(raw, ngx_http_ai_tokens_paths[i].count,
                                   items[i].integer + (int64_t) seconds);
        }
    }

    ngx_http_ai_tokens_words(raw, items);
    ngx_http_ai_tokens_cost(raw, items);
    ngx_http_ai_tokens_lists(raw, p, n);

    return NGX_OK;
}


static void
ngx_http_ai_tokens_words(ngx_http_ai_tokens_raw_t *raw,
    const ngx_http_ai_pluck_t *items)
{
    ngx_uint_t                  i;
    const ngx_http_ai_pluck_t  *item;

    for (i = NGX_HTTP_AI_TOKENS_TIER; i < NGX_HTTP_AI_TOKENS_SPEED; i++) {
        item = &items[i];

        if (item->type == NGX_HTTP_AI_PLUCK_STRING) {
            ngx_http_ai_tokens_tier(raw, item->buf, item->len);
        }
    }

    item = &items[NGX_HTTP_AI_TOKENS_SPEED];

    raw->fast = item->type == NGX_HTTP_AI_PLUCK_STRING && item->len == 4
                && ngx_memcmp(item->buf, "fast", 4) == 0;
}


/* nanodollars; -1: there is no such number */

static int64_t
ngx_http_ai_tokens_money(const ngx_http_ai_pluck_t *item)
{
    if ((item->type != NGX_HTTP_AI_PLUCK_INT
         && item->type != NGX_HTTP_AI_PLUCK_DOUBLE)
        || item->len >= item->size)
    {
        return -1;
    }

    return ngx_http_ai_tokens_nanousd(item->buf, item->len);
}


/*
 * OpenRouter's cost is what it takes itself; with a key of one's own the
 * provider's bill comes on top (is_byok), else it is included.
 */

static void
ngx_http_ai_tokens_cost(ngx_http_ai_tokens_raw_t *raw,
    const ngx_http_ai_pluck_t *items)
{
    int64_t  cost, total, upstream;

    cost = ngx_http_ai_tokens_money(&items[NGX_HTTP_AI_TOKENS_COST]);
    total = ngx_http_ai_tokens_money(&items[NGX_HTTP_AI_TOKENS_COST_TOTAL]);
    upstream = ngx_http_ai_tokens_money(
                                   &items[NGX_HTTP_AI_TOKENS_COST_UPSTREAM]);

    raw->cost = ngx_max(cost, total);
    raw->priced = raw->cost >= 0;

    if (raw->priced && upstream > 0
        && items[NGX_HTTP_AI_TOKENS_BYOK].type == NGX_HTTP_AI_PLUCK_BOOL
        && items[NGX_HTTP_AI_TOKENS_BYOK].integer)
    {
        raw->cost += upstream;
    }
}


/*
 * Counts by kind, in lists of objects: {"modality":"AUDIO","tokenCount":9},
 * {"ttl":"1h","inputTokens":297}.
 */

static const struct {
    ngx_str_t                   list;
    const char                 *key;
    const char                 *word;
    const char                 *number;
    ngx_http_ai_tokens_count_e  count;

} ngx_http_ai_tokens_kinds[] = {

    { ngx_string("promptTokensDetails"), "modality", "AUDIO", "tokenCount",
      NGX_HTTP_AI_TOKENS_AUDIO_IN },
    { ngx_string("promptTokensDetails"), "modality", "IMAGE", "tokenCount",
      NGX_HTTP_AI_TOKENS_IMAGE_IN },
    { ngx_string("candidatesTokensDetails"), "modality", "AUDIO",
      "tokenCount", NGX_HTTP_AI_TOKENS_AUDIO_OUT },
    { ngx_string("candidatesTokensDetails"), "modality", "IMAGE",
      "tokenCount", NGX_HTTP_AI_TOKENS_IMAGE_OUT },
    { ngx_string("cacheDetails"), "ttl", "1h", "inputTokens",
      NGX_HTTP_AI_TOKENS_WRITE_1H }
};

#define NGX_HTTP_AI_TOKENS_NKINDS                                             \
    (sizeof(ngx_http_ai_tokens_kinds) / sizeof(ngx_http_ai_tokens_kinds[0]))


static void
ngx_http_ai_tokens_lists(ngx_http_ai_tokens_raw_t *raw, const u_char *p,
    size_t n)
{
    ngx_uint_t                 i;
    ngx_http_ai_json_t         js;
    ngx_http_ai_json_member_t  m;

    for (i = 0; i < NGX_HTTP_AI_TOKENS_NKINDS; i++) {

        ngx_memzero(&m, sizeof(ngx_http_ai_json_member_t));
        m.name = ngx_http_ai_tokens_kinds[i].list;

        ngx_http_ai_json_init(&js, &m, 1, 0);
        (void) ngx_http_ai_json_feed(&js, p, n);

        if (m.type == NGX_HTTP_AI_JSON_ARRAY) {
            ngx_http_ai_tokens_list(raw, i, p + m.start, m.end - m.start);
        }
    }
}


static void
ngx_http_ai_tokens_list(ngx_http_ai_tokens_raw_t *raw, ngx_uint_t kind,
    const u_char *p, size_t n)
{
    u_char                     word[8], number[NGX_HTTP_AI_TOKENS_WORD];
    size_t                     len;
    const u_char              *last;
    ngx_http_ai_json_t         js;
    ngx_http_ai_json_member_t  m[2];

    last = p + n;
    len = strlen(ngx_http_ai_tokens_kinds[kind].word);

    ngx_memzero(m, sizeof(m));

    m[0].name.data = (u_char *) ngx_http_ai_tokens_kinds[kind].key;
    m[0].name.len = strlen(ngx_http_ai_tokens_kinds[kind].key);
    m[0].buf = word;
    m[0].size = sizeof(word);

    m[1].name.data = (u_char *) ngx_http_ai_tokens_kinds[kind].number;
    m[1].name.len = strlen(ngx_http_ai_tokens_kinds[kind].number);
    m[1].buf = number;
    m[1].size = sizeof(number);

    while ((p = memchr(p, '{', last - p)) != NULL) {

        /* the scanner stops after the object, at the comma or the bracket */

        ngx_http_ai_json_init(&js, m, 2, 0);
        (void) ngx_http_ai_json_feed(&js, p, last - p);

        if (js.error != NGX_HTTP_AI_JSON_ETRAILING) {
            return;
        }

        p += js.offset;

        if (m[0].type == NGX_HTTP_AI_JSON_STRING && m[0].len == len + 2
            && ngx_memcmp(word + 1, ngx_http_ai_tokens_kinds[kind].word, len)
               == 0
            && m[1].type == NGX_HTTP_AI_JSON_NUMBER)
        {
            ngx_http_ai_tokens_number(raw,
                                      ngx_http_ai_tokens_kinds[kind].count,
                                      number, m[1].len);
        }
    }
}
