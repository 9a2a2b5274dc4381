
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * No tree is built.  For each open container a set of items (one bit each) is
 * kept whose paths lead through it, so that a name is compared only with the
 * paths that can still match, and most of a document is passed without any
 * comparison.
 */


#include "ngx_http_ai_pluck.h"

#include <yajl/yajl_parse.h>


typedef struct {
    uint64_t                   inside;    /* items whose paths lead here */
    uint64_t                   ended;     /* items whose path this is */
    int64_t                    count;     /* elements, for arrays */
    unsigned                   array:1;
} ngx_http_ai_pluck_level_t;


typedef struct {
    ngx_http_ai_pluck_t       *items;
    ngx_uint_t                 nitems;
    ngx_uint_t                 depth;

    uint64_t                   named;     /* of an object: items whose paths
                                             go on with the name just read */

    /* level 0 is outside of the top value */
    ngx_http_ai_pluck_level_t  level[NGX_HTTP_AI_PLUCK_MAX_DEPTH + 1];
} ngx_http_ai_pluck_ctx_t;


static int ngx_http_ai_pluck_null(void *data);
static int ngx_http_ai_pluck_boolean(void *data, int value);
static int ngx_http_ai_pluck_number(void *data, const char *p, size_t n);
static int ngx_http_ai_pluck_string(void *data, const u_char *p, size_t n);
static int ngx_http_ai_pluck_start_map(void *data);
static int ngx_http_ai_pluck_map_key(void *data, const u_char *p, size_t n);
static int ngx_http_ai_pluck_start_array(void *data);
static int ngx_http_ai_pluck_end(void *data);

static uint64_t ngx_http_ai_pluck_next(ngx_http_ai_pluck_ctx_t *ctx,
    uint64_t *ended);
static uint64_t ngx_http_ai_pluck_match(ngx_http_ai_pluck_ctx_t *ctx,
    uint64_t set, const u_char *p, size_t n);
static const char *ngx_http_ai_pluck_component(const char *path,
    ngx_uint_t i, size_t *len);
static int ngx_http_ai_pluck_start(ngx_http_ai_pluck_ctx_t *ctx,
    ngx_http_ai_pluck_type_e type);
static ngx_http_ai_pluck_t *ngx_http_ai_pluck_take(
    ngx_http_ai_pluck_ctx_t *ctx, uint64_t *set);
static void ngx_http_ai_pluck_reset(ngx_http_ai_pluck_t *item,
    ngx_http_ai_pluck_type_e type);
static void ngx_http_ai_pluck_text(ngx_http_ai_pluck_t *item,
    const u_char *p, size_t n);
static ngx_http_ai_pluck_type_e ngx_http_ai_pluck_convert(const char *p,
    size_t n, int64_t *integer, double *number);


/*
 * Numbers come as text: yajl itself would refuse a document for an integer
 * that does not fit, and convert doubles by the locale's rules.
 */

static const yajl_callbacks  ngx_http_ai_pluck_callbacks = {
    ngx_http_ai_pluck_null,
    ngx_http_ai_pluck_boolean,
    NULL,
    NULL,
    ngx_http_ai_pluck_number,
    ngx_http_ai_pluck_string,
    ngx_http_ai_pluck_start_map,
    ngx_http_ai_pluck_map_key,
    ngx_http_ai_pluck_end,
    ngx_http_ai_pluck_start_array,
    ngx_http_ai_pluck_end
};


ngx_int_t
ngx_http_ai_pluck(const u_char *p, size_t n, ngx_http_ai_pluck_t *items,
    ngx_uint_t nitems)
{
    ngx_uint_t               i;
    yajl_handle              yajl;
    yajl_status              status;
    ngx_http_ai_pluck_ctx_t  ctx;

    for (i = 0; i < nitems; i++) {
        ngx_http_ai_pluck_reset(&items[i], NGX_HTTP_AI_PLUCK_NONE);
    }

    if (nitems > NGX_HTTP_AI_PLUCK_MAX_ITEMS || n == 0) {
        return NGX_ERROR;
    }

    ctx.items = items;
    ctx.nitems = nitems;
    ctx.depth = 0;
    ctx.named = (nitems < 64) ? ((uint64_t) 1 << nitems) - 1 : ~(uint64_t) 0;

    /* before the top value all paths are open, as after a name in all */

    ctx.level[0].inside = ctx.named;
    ctx.level[0].ended = 0;
    ctx.level[0].count = 0;
    ctx.level[0].array = 0;

    yajl = yajl_alloc(&ngx_http_ai_pluck_callbacks, NULL, &ctx);
    if (yajl == NULL) {
        return NGX_ERROR;
    }

    (void) yajl_config(yajl, yajl_dont_validate_strings, 1);

    status = yajl_parse(yajl, p, n);

    /* a number that was cut would be taken for a whole one */

    if (status == yajl_status_ok && ctx.depth) {
        status = yajl_status_error;
    }

    if (status == yajl_status_ok) {
        status = yajl_complete_parse(yajl);
    }

    yajl_free(yajl);

    return (status == yajl_status_ok) ? NGX_OK : NGX_ERROR;
}


static int
ngx_http_ai_pluck_null(void *data)
{
    ngx_http_ai_pluck_ctx_t *ctx = data;

    uint64_t              ended;
    ngx_http_ai_pluck_t  *item;

    (void) ngx_http_ai_pluck_next(ctx, &ended);

    while (ended) {
        item = ngx_http_ai_pluck_take(ctx, &ended);

        if (item->type == NGX_HTTP_AI_PLUCK_NONE) {
            item->type = NGX_HTTP_AI_PLUCK_NULL;
        }
    }

    return 1;
}


static int
ngx_http_ai_pluck_boolean(void *data, int value)
{
    ngx_http_ai_pluck_ctx_t *ctx = data;

    uint64_t              ended;
    ngx_http_ai_pluck_t  *item;

    (void) ngx_http_ai_pluck_next(ctx, &ended);

    while (ended) {
        item = ngx_http_ai_pluck_take(ctx, &ended);

        ngx_http_ai_pluck_reset(item, NGX_HTTP_AI_PLUCK_BOOL);
        item->integer = value ? 1 : 0;
        item->number = value ? 1 : 0;
    }

    return 1;
}


static int
ngx_http_ai_pluck_number(void *data, const char *p, size_t n)
{
    ngx_http_ai_pluck_ctx_t *ctx = data;

    double                     number;
    int64_t                    integer;
    uint64_t                   ended;
    ngx_http_ai_pluck_t       *item;
    ngx_http_ai_pluck_type_e   type;

    (void) ngx_http_ai_pluck_next(ctx, &ended);

    if (ended == 0) {
        return 1;
    }

    type = ngx_http_ai_pluck_convert(p, n, &integer, &number);

    while (ended) {
        item = ngx_http_ai_pluck_take(ctx, &ended);

        ngx_http_ai_pluck_reset(item, type);
        item->integer = integer;
        item->number = number;
        ngx_http_ai_pluck_text(item, (const u_char *) p, n);
    }

    return 1;
}


static int
ngx_http_ai_pluck_string(void *data, const u_char *p, size_t n)
{
    ngx_http_ai_pluck_ctx_t *ctx = data;

    uint64_t              ended;
    ngx_http_ai_pluck_t  *item;

    (void) ngx_http_ai_pluck_next(ctx, &ended);

    while (ended) {
        item = ngx_http_ai_pluck_take(ctx, &ended);

        ngx_http_ai_pluck_reset(item, NGX_HTTP_AI_PLUCK_STRING);
        ngx_http_ai_pluck_text(item, p, n);
    }

    return 1;
}


static int
ngx_http_ai_pluck_start_map(void *data)
{
    return ngx_http_ai_pluck_start(data, NGX_HTTP_AI_PLUCK_OBJECT);
}


static int
ngx_http_ai_pluck_start_array(void *data)
{
    return ngx_http_ai_pluck_start(data, NGX_HTTP_AI_PLUCK_ARRAY);
}


static int
ngx_http_ai_pluck_start(ngx_http_ai_pluck_ctx_t *ctx,
    ngx_http_ai_pluck_type_e type)
{
    uint64_t                    inside, ended, set;
    ngx_http_ai_pluck_level_t  *level;

    inside = ngx_http_ai_pluck_next(ctx, &ended);

    for (set = ended; set; /* void */ ) {
        ngx_http_ai_pluck_reset(ngx_http_ai_pluck_take(ctx, &set), type);
    }

    if (ctx->depth == NGX_HTTP_AI_PLUCK_MAX_DEPTH) {
        return 0;
    }

    level = &ctx->level[++ctx->depth];

    level->inside = inside;
    level->ended = ended;
    level->count = 0;
    level->array = (type == NGX_HTTP_AI_PLUCK_ARRAY);

    return 1;
}


static int
ngx_http_ai_pluck_map_key(void *data, const u_char *p, size_t n)
{
    ngx_http_ai_pluck_ctx_t *ctx = data;

    /* "[]" as a member's name is not what a path means by it */

    if (n == 2 && p[0] == '[' && p[1] == ']') {
        ctx->named = 0;
        return 1;
    }

    ctx->named = ngx_http_ai_pluck_match(ctx, ctx->level[ctx->depth].inside,
                                         p, n);
    return 1;
}


static int
ngx_http_ai_pluck_end(void *data)
{
    ngx_http_ai_pluck_ctx_t *ctx = data;

    uint64_t                    set;
    ngx_http_ai_pluck_level_t  *level;

    level = &ctx->level[ctx->depth--];

    if (level->array) {
        for (set = level->ended; set; /* void */ ) {
            ngx_http_ai_pluck_take(ctx, &set)->integer = level->count;
        }
    }

    return 1;
}


/*
 * A value begins: the items whose paths lead to it or through it.  Those that
 * end with it are put to "ended" and are not in the returned set.
 */

static uint64_t
ngx_http_ai_pluck_next(ngx_http_ai_pluck_ctx_t *ctx, uint64_t *ended)
{
    size_t                      len;
    uint64_t                    set, rest, bit;
    ngx_uint_t                  i;
    ngx_http_ai_pluck_level_t  *level;

    level = &ctx->level[ctx->depth];

    if (level->array) {
        level->count++;
        set = ngx_http_ai_pluck_match(ctx, level->inside,
                                      (const u_char *) "[]", 2);

    } else {
        set = ctx->named;
    }

    rest = 0;

    for (i = 0; set >> i; i++) {
        bit = (uint64_t) 1 << i;

        if ((set & bit)
            && ngx_http_ai_pluck_component(ctx->items[i].path, ctx->depth,
                                           &len))
        {
            rest |= bit;
        }

        if (i == 63) {
            break;
        }
    }

    *ended = set & ~rest;

    return rest;
}


/* those items of the set whose path goes on with this name at this depth */

static uint64_t
ngx_http_ai_pluck_match(ngx_http_ai_pluck_ctx_t *ctx, uint64_t set,
    const u_char *p, size_t n)
{
    size_t       len;
    uint64_t     found, bit;
    const char  *name;
    ngx_uint_t   i;

    found = 0;

    for (i = 0; i < ctx->nitems && set >> i; i++) {
        bit = (uint64_t) 1 << i;

        if (!(set & bit)) {
            continue;
        }

        name = ngx_http_ai_pluck_component(ctx->items[i].path,
                                           ctx->depth - 1, &len);

        if (name && len == n && ngx_memcmp(name, p, n) == 0) {
            found |= bit;
        }
    }

    return found;
}


/* the path's component number i, or NULL if there are not so many */

static const char *
ngx_http_ai_pluck_component(const char *path, ngx_uint_t i, size_t *len)
{
    if (*path == '\0') {
        return NULL;
    }

    while (i--) {
        path = strchr(path, '.');

        if (path == NULL) {
            return NULL;
        }

        path++;
    }

    *len = strcspn(path, ".");

    return path;
}


/* takes one item out of a set that is not empty */

static ngx_http_ai_pluck_t *
ngx_http_ai_pluck_take(ngx_http_ai_pluck_ctx_t *ctx, uint64_t *set)
{
    ngx_uint_t  i;

    for (i = 0; !(*set >> i & 1); i++) { /* void */ }

    *set &= *set - 1;

    return &ctx->items[i];
}


static void
ngx_http_ai_pluck_reset(ngx_http_ai_pluck_t *item,
    ngx_http_ai_pluck_type_e type)
{
    item->len = 0;
    item->integer = 0;
    item->number = 0;
    item->type = type;
}


static void
ngx_http_ai_pluck_text(ngx_http_ai_pluck_t *item, const u_char *p, size_t n)
{
    size_t  len, back;

    len = ngx_min(n, item->size);

    if (len < n) {

        /* not inside a character; but text that is no UTF-8 is cut anyhow */

        for (back = 0; back < 3 && back < len; back++) {
            if ((p[len - back] & 0xc0) != 0x80) {
                break;
            }
        }

        if ((p[len - back] & 0xc0) == 0xc0) {
            len -= back;
        }
    }

    if (len) {
        ngx_memcpy(item->buf, p, len);
    }

    item->len = len;
}


/*
 * The text is a JSON number.  Up to 19 significant digits are kept in an
 * integer and scaled by a power of ten: exact for token counts, and for money
 * right to about 15 digits, which is more than prices have.
 */

static ngx_http_ai_pluck_type_e
ngx_http_ai_pluck_convert(const char *p, size_t n, int64_t *integer,
    double *number)
{
    int64_t                    exp, e, esign;
    uint64_t                   mant;
    ngx_uint_t                 minus, frac, digits;
    const char                *last;
    long double                value, power;
    ngx_http_ai_pluck_type_e   type;

    last = p + n;
    minus = (p < last && *p == '-');
    p += minus;

    type = NGX_HTTP_AI_PLUCK_INT;
    mant = 0;
    exp = 0;
    frac = 0;
    digits = 0;

    for ( /* void */ ; p < last && *p != 'e' && *p != 'E'; p++) {

        if (*p == '.') {
            type = NGX_HTTP_AI_PLUCK_DOUBLE;
            frac = 1;
            continue;
        }

        if (digits < 19) {
            mant = mant * 10 + (*p - '0');
            digits += (mant != 0);
            exp -= frac;

        } else {
            exp += !frac;
        }
    }

    if (p < last) {
        type = NGX_HTTP_AI_PLUCK_DOUBLE;
        p++;

        esign = (p < last && *p == '-') ? -1 : 1;
        p += (p < last && (*p == '-' || *p == '+'));

        for (e = 0; p < last; p++) {
            e = ngx_min(e * 10 + (*p - '0'), 100000);
        }

        exp += esign * e;
    }

    value = mant;
    power = 10;

    if (mant) {
        e = (exp < 0) ? -exp : exp;

        for (e = ngx_min(e, 4900); e; e >>= 1) {
            if (e & 1) {
                value = exp < 0 ? value / power : value * power;
            }

            power *= power;
        }
    }

    *number = (double) (minus ? -value : value);

    if (exp == 0 && mant <= INT64_MAX) {
        *integer = minus ? -(int64_t) mant : (int64_t) mant;

    } else if (value >= 9223372036854775807.0L) {
        *integer = minus ? INT64_MIN : INT64_MAX;

    } else {
        *integer = (int64_t) (minus ? -value : value);
    }

    return type;
}
