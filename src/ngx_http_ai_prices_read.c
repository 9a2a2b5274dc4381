
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Reads LiteLLM's price map: an object of models, each an object of members,
 * most of which are no prices.  The parser is yajl's, fed block by block, so
 * the file is never in memory as a whole, nor is its tree; one member that
 * makes no sense and the whole file is refused, for a price that is silently
 * left out would be a wrong bill.
 */


#include "ngx_http_ai_prices.h"

#include <yajl/yajl_parse.h>


#define NGX_HTTP_AI_PRICES_BLOCK  65536
#define NGX_HTTP_AI_PRICES_MAX    (64 * 1024 * 1024)
#define NGX_HTTP_AI_PRICES_DEPTH  64
#define NGX_HTTP_AI_PRICES_QUOTE  64           /* bytes of a wrong value */


/* levels of the file, as the number of brackets that are open */

#define NGX_HTTP_AI_PRICES_TOP      1          /* between models */
#define NGX_HTTP_AI_PRICES_MODEL    2          /* inside of one */
#define NGX_HTTP_AI_PRICES_TIERS    3          /* of tiered_pricing */
#define NGX_HTTP_AI_PRICES_TIER     4
#define NGX_HTTP_AI_PRICES_RANGE    5          /* of tiered_pricing */


/* what the member just named is */

typedef enum {
    NGX_HTTP_AI_PRICES_OTHER = 0,
    NGX_HTTP_AI_PRICES_PRICE,
    NGX_HTTP_AI_PRICES_MAX_INPUT,
    NGX_HTTP_AI_PRICES_MAX_OUTPUT,
    NGX_HTTP_AI_PRICES_IS_TIERS,
    NGX_HTTP_AI_PRICES_IS_RANGE
} ngx_http_ai_prices_member_e;


typedef struct {
    ngx_str_t                       name;
    ngx_http_ai_prices_member_e     member;
} ngx_http_ai_prices_name_t;


typedef struct {
    ngx_conf_t                     *cf;
    ngx_http_ai_prices_t           *prices;
    ngx_http_ai_prices_entry_t     *first;     /* all, newest first */
    ngx_http_ai_prices_entry_t     *entry;     /* NULL: none of them */
    ngx_array_t                     rates;     /* of the entry, for now */
    ngx_uint_t                      depth;

    ngx_http_ai_prices_member_e     member;
    ngx_http_ai_price_rate_t        rate;      /* of the member */
    u_char                          named[NGX_HTTP_AI_MAX_MODEL];
    size_t                          named_len;

    ngx_uint_t                      tier;      /* its first rate */
    int64_t                         above;     /* of it; -1: not known yet */
    unsigned                        skip:1;    /* no model */
    unsigned                        tiers:1;   /* in tiered_pricing */

    ngx_uint_t                      line;      /* before the block */
    u_char                         *last;      /* of the error, or NULL */
    u_char                          error[NGX_MAX_CONF_ERRSTR / 2];
} ngx_http_ai_prices_read_t;


static ngx_int_t ngx_http_ai_prices_open(ngx_conf_t *cf, ngx_str_t *file,
    ngx_fd_t *fd);
static ngx_int_t ngx_http_ai_prices_parse(ngx_http_ai_prices_read_t *ctx,
    ngx_fd_t fd);
static ngx_int_t ngx_http_ai_prices_block(ngx_http_ai_prices_read_t *ctx,
    yajl_handle yajl, u_char *buf, size_t n);
static ngx_uint_t ngx_http_ai_prices_lines(const u_char *p, size_t n);
static void ngx_http_ai_prices_refuse(ngx_http_ai_prices_read_t *ctx,
    yajl_handle yajl);
static ngx_int_t ngx_http_ai_prices_index(ngx_http_ai_prices_read_t *ctx);

static int ngx_http_ai_prices_null(void *data);
static int ngx_http_ai_prices_boolean(void *data, int value);
static int ngx_http_ai_prices_number(void *data, const char *p, size_t n);
static int ngx_http_ai_prices_string(void *data, const unsigned char *p,
    size_t n);
static int ngx_http_ai_prices_start_map(void *data);
static int ngx_http_ai_prices_key(void *data, const unsigned char *p,
    size_t n);
static int ngx_http_ai_prices_end_map(void *data);
static int ngx_http_ai_prices_start_array(void *data);
static int ngx_http_ai_prices_end_array(void *data);

static int ngx_http_ai_prices_begin(ngx_http_ai_prices_read_t *ctx,
    const u_char *p, size_t n);
static void ngx_http_ai_prices_member(ngx_http_ai_prices_read_t *ctx,
    const u_char *p, size_t n);
static int ngx_http_ai_prices_decimal(ngx_http_ai_prices_read_t *ctx,
    const u_char *p, size_t n);
static int ngx_http_ai_prices_rate(ngx_http_ai_prices_read_t *ctx,
    int64_t pico);
static int ngx_http_ai_prices_end_tier(ngx_http_ai_prices_read_t *ctx);
static ngx_uint_t ngx_http_ai_prices_differs(ngx_http_ai_prices_read_t *ctx,
    ngx_uint_t n, const ngx_http_ai_price_rate_t *rate);
static int ngx_http_ai_prices_end_model(ngx_http_ai_prices_read_t *ctx);
static int ngx_http_ai_prices_no_number(ngx_http_ai_prices_read_t *ctx,
    const char *what);
static int ngx_http_ai_prices_error(ngx_http_ai_prices_read_t *ctx,
    const char *fmt, ...);


/* beside the models */

static const ngx_str_t  ngx_http_ai_prices_no_models[] = {
    ngx_string("sample_spec"),
    ngx_string("fallback_generalizations")
};


/* which are no prices */

static const ngx_http_ai_prices_name_t  ngx_http_ai_prices_names[] = {
    { ngx_string("max_input_tokens"), NGX_HTTP_AI_PRICES_MAX_INPUT },
    { ngx_string("max_output_tokens"), NGX_HTTP_AI_PRICES_MAX_OUTPUT },
    { ngx_string("tiered_pricing"), NGX_HTTP_AI_PRICES_IS_TIERS }
};


/* numbers come as text: nothing of money goes through a float */

static const yajl_callbacks  ngx_http_ai_prices_callbacks = {
    ngx_http_ai_prices_null,
    ngx_http_ai_prices_boolean,
    NULL,
    NULL,
    ngx_http_ai_prices_number,
    ngx_http_ai_prices_string,
    ngx_http_ai_prices_start_map,
    ngx_http_ai_prices_key,
    ngx_http_ai_prices_end_map,
    ngx_http_ai_prices_start_array,
    ngx_http_ai_prices_end_array
};


ngx_int_t
ngx_http_ai_prices_read(ngx_conf_t *cf, ngx_http_ai_prices_t *prices)
{
    ngx_fd_t                    fd;
    ngx_int_t                   rc;
    ngx_http_ai_prices_read_t  *ctx;

    ctx = ngx_pcalloc(cf->temp_pool, sizeof(ngx_http_ai_prices_read_t));
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ctx->cf = cf;
    ctx->prices = prices;
    ctx->line = 1;

    if (ngx_array_init(&ctx->rates, cf->temp_pool, 32,
                       sizeof(ngx_http_ai_price_rate_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_ai_prices_open(cf, &prices->file, &fd) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_ai_prices_parse(ctx, fd);

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_CRIT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", &prices->file);
    }

    return rc == NGX_OK ? ngx_http_ai_prices_index(ctx) : rc;
}


static ngx_int_t
ngx_http_ai_prices_open(ngx_conf_t *cf, ngx_str_t *file, ngx_fd_t *fd)
{
    ngx_err_t        err;
    const char      *why;
    ngx_file_info_t  fi;

    err = 0;
    why = NULL;

    /* not blocking: a fifo without a writer must not hang "nginx -t" */

    *fd = ngx_open_file(file->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                        NGX_FILE_OPEN, 0);

    if (*fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "price map \"%V\" of \"ai_prices\" cannot be "
                           "opened, write the path of a file that nginx may "
                           "read", file);
        return NGX_ERROR;
    }

    if (ngx_fd_info(*fd, &fi) == NGX_FILE_ERROR) {
        err = ngx_errno;
        why = "cannot be read";

    } else if (!ngx_is_file(&fi)) {
        why = "is no regular file";

    } else if (ngx_file_size(&fi) > NGX_HTTP_AI_PRICES_MAX) {
        why = "is larger than 64 MB";
    }

    if (why == NULL) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, err,
                       "price map \"%V\" of \"ai_prices\" %s", file, why);

    (void) ngx_close_file(*fd);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_ai_prices_parse(ngx_http_ai_prices_read_t *ctx, ngx_fd_t fd)
{
    u_char       *buf;
    ssize_t       n;
    ngx_int_t     rc;
    yajl_handle   yajl;

    buf = ngx_palloc(ctx->cf->temp_pool, NGX_HTTP_AI_PRICES_BLOCK);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    yajl = yajl_alloc(&ngx_http_ai_prices_callbacks, NULL, ctx);
    if (yajl == NULL) {
        return NGX_ERROR;
    }

    do {
        n = ngx_read_fd(fd, buf, NGX_HTTP_AI_PRICES_BLOCK);

        if (n == -1) {
            ngx_conf_log_error(NGX_LOG_EMERG, ctx->cf, ngx_errno,
                               "price map \"%V\" of \"ai_prices\" cannot be "
                               "read", &ctx->prices->file);
            rc = NGX_ERROR;
            break;
        }

        rc = ngx_http_ai_prices_block(ctx, yajl, buf, n);

    } while (rc == NGX_OK && n > 0);

    yajl_free(yajl);

    return rc;
}


/* n = 0: the file's end */

static ngx_int_t
ngx_http_ai_prices_block(ngx_http_ai_prices_read_t *ctx, yajl_handle yajl,
    u_char *buf, size_t n)
{
    size_t       done;
    yajl_status  status;

    status = n ? yajl_parse(yajl, buf, n) : yajl_complete_parse(yajl);

    if (status == yajl_status_ok) {
        ctx->line += ngx_http_ai_prices_lines(buf, n);
        return NGX_OK;
    }

    /* where it was given up, an error of the grammar at its first byte */

    done = n ? ngx_min(yajl_get_bytes_consumed(yajl), n) : 0;

    ctx->line += ngx_http_ai_prices_lines(buf, done);

    ngx_http_ai_prices_refuse(ctx, yajl);

    return NGX_ERROR;
}


static ngx_uint_t
ngx_http_ai_prices_lines(const u_char *p, size_t n)
{
    ngx_uint_t  lines;

    for (lines = 0; n; n--) {
        lines += (*p++ == LF);
    }

    return lines;
}


static void
ngx_http_ai_prices_refuse(ngx_http_ai_prices_read_t *ctx, yajl_handle yajl)
{
    size_t   n;
    u_char  *text;

    if (ctx->last == NULL) {

        text = yajl_get_error(yajl, 0, NULL, 0);

        if (text) {
            n = ngx_strlen(text);

            while (n && text[n - 1] <= ' ') {
                n--;
            }

            (void) ngx_http_ai_prices_error(ctx, "%*s", n, text);

            yajl_free_error(yajl, text);
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, ctx->cf, 0,
                       "price map \"%V\" of \"ai_prices\", line %ui: %*s",
                       &ctx->prices->file, ctx->line,
                       ctx->last ? (size_t) (ctx->last - ctx->error) : 0,
                       ctx->error);
}


static ngx_int_t
ngx_http_ai_prices_index(ngx_http_ai_prices_read_t *ctx)
{
    ngx_uint_t                    size;
    ngx_http_ai_prices_t         *prices;
    ngx_http_ai_prices_entry_t   *e, *next, *same, **bucket;

    prices = ctx->prices;

    if (prices->n == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, ctx->cf, 0,
                           "price map \"%V\" of \"ai_prices\" has no model",
                           &prices->file);
        return NGX_ERROR;
    }

    for (size = 64; size < 2 * prices->n; size *= 2) { /* void */ }

    prices->mask = size - 1;
    prices->buckets = ngx_pcalloc(ctx->cf->pool, size
                                        * sizeof(ngx_http_ai_prices_entry_t *));
    if (prices->buckets == NULL) {
        return NGX_ERROR;
    }

    for (e = ctx->first; e; e = next) {

        next = e->next;
        bucket = &prices->buckets[ngx_murmur_hash2(e->name.data, e->name.len)
                                  & prices->mask];

        for (same = *bucket; same; same = same->next) {

            if (same->name.len == e->name.len
                && ngx_memcmp(same->name.data, e->name.data, e->name.len) == 0)
            {
                ngx_conf_log_error(NGX_LOG_EMERG, ctx->cf, 0,
                                   "price map \"%V\" of \"ai_prices\" has the "
                                   "model \"%V\" twice, keep one of them",
                                   &prices->file, &e->name);
                return NGX_ERROR;
            }
        }

        e->next = *bucket;
        *bucket = e;
    }

    return NGX_OK;
}


static int
ngx_http_ai_prices_null(void *data)
{
    ngx_http_ai_prices_read_t  *ctx = data;

    /* as if the member were not there */

    return ctx->depth > NGX_HTTP_AI_PRICES_TOP || ctx->skip
           ? 1 : ngx_http_ai_prices_no_number(ctx, "null");
}


static int
ngx_http_ai_prices_boolean(void *data, int value)
{
    return ngx_http_ai_prices_no_number(data, value ? "true" : "false");
}


static int
ngx_http_ai_prices_number(void *data, const char *p, size_t n)
{
    return ngx_http_ai_prices_decimal(data, (const u_char *) p, n);
}


/* some maps have their prices in quotes */

static int
ngx_http_ai_prices_string(void *data, const unsigned char *p, size_t n)
{
    return ngx_http_ai_prices_decimal(data, p, n);
}


static int
ngx_http_ai_prices_start_map(void *data)
{
    ngx_http_ai_prices_read_t  *ctx = data;

    if (ctx->depth > NGX_HTTP_AI_PRICES_TOP
        && !(ctx->tiers && ctx->depth == NGX_HTTP_AI_PRICES_TIERS)
        && !ngx_http_ai_prices_no_number(ctx, "an object"))
    {
        return 0;
    }

    ctx->member = NGX_HTTP_AI_PRICES_OTHER;

    if (++ctx->depth > NGX_HTTP_AI_PRICES_DEPTH) {
        return ngx_http_ai_prices_error(ctx, "nested too deep");
    }

    if (ctx->tiers && ctx->depth == NGX_HTTP_AI_PRICES_TIER) {
        ctx->tier = ctx->rates.nelts;
        ctx->above = -1;
    }

    return 1;
}


static int
ngx_http_ai_prices_key(void *data, const unsigned char *p, size_t n)
{
    ngx_http_ai_prices_read_t  *ctx = data;

    if (ctx->depth == NGX_HTTP_AI_PRICES_TOP) {
        return ngx_http_ai_prices_begin(ctx, p, n);
    }

    ngx_http_ai_prices_member(ctx, p, n);

    return 1;
}


static int
ngx_http_ai_prices_end_map(void *data)
{
    ngx_http_ai_prices_read_t  *ctx = data;

    ctx->depth--;
    ctx->member = NGX_HTTP_AI_PRICES_OTHER;

    if (ctx->depth == NGX_HTTP_AI_PRICES_TOP) {
        return ngx_http_ai_prices_end_model(ctx);
    }

    if (ctx->tiers && ctx->depth == NGX_HTTP_AI_PRICES_TIERS) {
        return ngx_http_ai_prices_end_tier(ctx);
    }

    return 1;
}


static int
ngx_http_ai_prices_start_array(void *data)
{
    ngx_http_ai_prices_read_t  *ctx = data;

    if (ctx->member == NGX_HTTP_AI_PRICES_IS_TIERS) {
        ctx->tiers = 1;

    } else if (ctx->member != NGX_HTTP_AI_PRICES_IS_RANGE
               && !ngx_http_ai_prices_no_number(ctx, "an array"))
    {
        return 0;
    }

    if (++ctx->depth > NGX_HTTP_AI_PRICES_DEPTH) {
        return ngx_http_ai_prices_error(ctx, "nested too deep");
    }

    return 1;
}


static int
ngx_http_ai_prices_end_array(void *data)
{
    ngx_http_ai_prices_read_t  *ctx = data;

    ctx->depth--;
    ctx->member = NGX_HTTP_AI_PRICES_OTHER;

    if (ctx->depth == NGX_HTTP_AI_PRICES_MODEL) {
        ctx->tiers = 0;
    }

    return 1;
}


/* a model's name */

static int
ngx_http_ai_prices_begin(ngx_http_ai_prices_read_t *ctx, const u_char *p,
    size_t n)
{
    ngx_uint_t                   i;
    ngx_http_ai_prices_entry_t  *e;

    ctx->member = NGX_HTTP_AI_PRICES_OTHER;
    ctx->named_len = 0;
    ctx->rates.nelts = 0;
    ctx->entry = NULL;

    for (i = 0;
         i < sizeof(ngx_http_ai_prices_no_models)
             / sizeof(ngx_http_ai_prices_no_models[0]);
         i++)
    {
        if (ngx_http_ai_prices_no_models[i].len == n
            && ngx_memcmp(ngx_http_ai_prices_no_models[i].data, p, n) == 0)
        {
            ctx->skip = 1;
            return 1;
        }
    }

    ctx->skip = 0;

    e = ngx_pcalloc(ctx->cf->pool, sizeof(ngx_http_ai_prices_entry_t));
    if (e == NULL) {
        return ngx_http_ai_prices_error(ctx, "no memory");
    }

    e->name.len = n;
    e->name.data = ngx_pnalloc(ctx->cf->pool, n + 1);
    if (e->name.data == NULL) {
        return ngx_http_ai_prices_error(ctx, "no memory");
    }

    ngx_memcpy(e->name.data, p, n);

    e->next = ctx->first;
    ctx->first = e;
    ctx->entry = e;
    ctx->prices->n++;

    return 1;
}


static void
ngx_http_ai_prices_member(ngx_http_ai_prices_read_t *ctx, const u_char *p,
    size_t n)
{
    ngx_uint_t                        i;
    const ngx_http_ai_prices_name_t  *name;

    ctx->member = NGX_HTTP_AI_PRICES_OTHER;
    ctx->named_len = ngx_min(n, sizeof(ctx->named));
    ngx_memcpy(ctx->named, p, ctx->named_len);

    if (ctx->entry == NULL
        || (ctx->depth != NGX_HTTP_AI_PRICES_MODEL
            && !(ctx->tiers && ctx->depth == NGX_HTTP_AI_PRICES_TIER)))
    {
        return;
    }

    if (ngx_http_ai_price_member(p, n, &ctx->rate) == NGX_OK) {

        /* a tier of anything else is by results, not by tokens */

        if (!ctx->tiers || ctx->rate.kind <= NGX_HTTP_AI_PRICE_REQUEST) {
            ctx->member = NGX_HTTP_AI_PRICES_PRICE;
        }

        return;
    }

    if (ctx->tiers) {

        if (n == sizeof("range") - 1 && ngx_memcmp(p, "range", n) == 0) {
            ctx->member = NGX_HTTP_AI_PRICES_IS_RANGE;
        }

        return;
    }

    for (i = 0;
         i < sizeof(ngx_http_ai_prices_names)
             / sizeof(ngx_http_ai_prices_names[0]);
         i++)
    {
        name = &ngx_http_ai_prices_names[i];

        if (name->name.len == n && ngx_memcmp(name->name.data, p, n) == 0) {
            ctx->member = name->member;
        }
    }
}


/* a scalar; "above" has the range's first number, its second is the next's */

static int
ngx_http_ai_prices_decimal(ngx_http_ai_prices_read_t *ctx, const u_char *p,
    size_t n)
{
    int64_t     value;
    ngx_int_t   rc;
    ngx_uint_t  price;

    if (ctx->depth <= NGX_HTTP_AI_PRICES_TOP) {
        return ngx_http_ai_prices_no_number(ctx, ctx->depth ? "no object"
                                                        : "a scalar");
    }

    if (ctx->member == NGX_HTTP_AI_PRICES_OTHER
        || (ctx->member == NGX_HTTP_AI_PRICES_IS_RANGE && ctx->above >= 0))
    {
        return 1;
    }

    if (ctx->member == NGX_HTTP_AI_PRICES_IS_TIERS) {
        return ngx_http_ai_prices_no_number(ctx, "no array");
    }

    price = (ctx->member == NGX_HTTP_AI_PRICES_PRICE);

    rc = ngx_http_ai_price_parse(p, n, price ? NGX_HTTP_AI_PRICE_PICO : 0,
                                 &value, NULL);

    if (rc != NGX_OK) {
        return ngx_http_ai_prices_error(ctx,
                    "\"%*s\" of model \"%V\" is \"%*s%s\", which is %s",
                    ctx->named_len, ctx->named, &ctx->entry->name,
                    ngx_min(n, NGX_HTTP_AI_PRICES_QUOTE), p,
                    n > NGX_HTTP_AI_PRICES_QUOTE ? "..." : "",
                    rc == NGX_ERROR ? "no decimal number"
                                    : "negative or too large");
    }

    switch (ctx->member) {

    case NGX_HTTP_AI_PRICES_PRICE:
        return ngx_http_ai_prices_rate(ctx, value);

    case NGX_HTTP_AI_PRICES_MAX_INPUT:
        ctx->entry->max_input = value;
        return 1;

    case NGX_HTTP_AI_PRICES_MAX_OUTPUT:
        ctx->entry->max_output = value;
        return 1;

    default: /* NGX_HTTP_AI_PRICES_IS_RANGE */
        ctx->above = value;
        return 1;
    }
}


static int
ngx_http_ai_prices_rate(ngx_http_ai_prices_read_t *ctx, int64_t pico)
{
    ngx_http_ai_price_rate_t  *r;

    ctx->rate.pico = pico;

    /* what a tier's are compared to is known when its range is */

    if (!ctx->tiers
        && ngx_http_ai_prices_differs(ctx, ctx->rates.nelts, &ctx->rate))
    {
        return 0;
    }

    r = ngx_array_push(&ctx->rates);
    if (r == NULL) {
        return ngx_http_ai_prices_error(ctx, "no memory");
    }

    *r = ctx->rate;

    return 1;
}


static int
ngx_http_ai_prices_end_tier(ngx_http_ai_prices_read_t *ctx)
{
    ngx_uint_t                 i;
    ngx_http_ai_price_rate_t  *r;

    r = ctx->rates.elts;

    if (ctx->tier < ctx->rates.nelts
        && (ctx->above < 0 || ctx->above > NGX_MAX_UINT32_VALUE))
    {
        return ngx_http_ai_prices_error(ctx,
                    "\"tiered_pricing\" of model \"%V\" has prices without a "
                    "\"range\" of tokens", &ctx->entry->name);
    }

    for (i = ctx->tier; i < ctx->rates.nelts; i++) {

        r[i].above = (uint32_t) ctx->above;

        if (ngx_http_ai_prices_differs(ctx, i, &r[i])) {
            return 0;
        }
    }

    return 1;
}


/* the same price twice may stand; two for the same thing are none */

static ngx_uint_t
ngx_http_ai_prices_differs(ngx_http_ai_prices_read_t *ctx, ngx_uint_t n,
    const ngx_http_ai_price_rate_t *rate)
{
    ngx_uint_t                 i;
    ngx_http_ai_price_rate_t  *r;

    r = ctx->rates.elts;

    for (i = 0; i < n; i++) {

        if (r[i].kind == rate->kind && r[i].tier == rate->tier
            && r[i].above == rate->above && r[i].pico != rate->pico)
        {
            (void) ngx_http_ai_prices_error(ctx,
                        "model \"%V\" has two prices of one kind, the second "
                        "is near \"%*s\"", &ctx->entry->name,
                        ctx->named_len, ctx->named);
            return 1;
        }
    }

    return 0;
}


static int
ngx_http_ai_prices_end_model(ngx_http_ai_prices_read_t *ctx)
{
    size_t                size;
    ngx_http_ai_price_t  *price;

    if (ctx->entry == NULL || ctx->rates.nelts == 0) {
        return 1;
    }

    price = &ctx->entry->price;
    size = ctx->rates.nelts * sizeof(ngx_http_ai_price_rate_t);

    price->rates = ngx_palloc(ctx->cf->pool, size);
    if (price->rates == NULL) {
        return ngx_http_ai_prices_error(ctx, "no memory");
    }

    ngx_memcpy(price->rates, ctx->rates.elts, size);
    price->n = ctx->rates.nelts;

    return 1;
}


/* a value that is none: an error only where a number has to be */

static int
ngx_http_ai_prices_no_number(ngx_http_ai_prices_read_t *ctx, const char *what)
{
    if (ctx->skip) {
        return 1;
    }

    if (ctx->depth == 0) {
        return ngx_http_ai_prices_error(ctx, "%s is no price map, which is "
                                        "an object of models", what);
    }

    if (ctx->depth == NGX_HTTP_AI_PRICES_TOP) {
        return ngx_http_ai_prices_error(ctx, "model \"%V\" is %s, write an "
                                        "object with its prices",
                                        &ctx->entry->name, what);
    }

    if (ctx->member == NGX_HTTP_AI_PRICES_OTHER) {
        return 1;
    }

    return ngx_http_ai_prices_error(ctx, "\"%*s\" of model \"%V\" is %s",
                                    ctx->named_len, ctx->named,
                                    &ctx->entry->name, what);
}


static int
ngx_http_ai_prices_error(ngx_http_ai_prices_read_t *ctx, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    ctx->last = ngx_vslprintf(ctx->error, ctx->error + sizeof(ctx->error),
                              fmt, args);
    va_end(args);

    return 0;
}
