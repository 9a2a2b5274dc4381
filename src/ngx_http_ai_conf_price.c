
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Prices: ai_prices, ai_price, max_price of a class; which price and which
 * context window each target has, and whether those that need a price have
 * one.
 */


#include "ngx_http_ai_conf_block.h"
#include "ngx_http_ai_prices.h"


#define NGX_HTTP_AI_CONF_PRICE_USAGE                                          \
    "\"ai_price MODEL input=USD output=USD\", in USD per million tokens"


typedef enum {
    NGX_HTTP_AI_CONF_PRICE_MAY = 0,
    NGX_HTTP_AI_CONF_PRICE_MUST,       /* be there, unless there is one ... */
    NGX_HTTP_AI_CONF_PRICE_INSTEAD     /* ... of these */
} ngx_http_ai_conf_price_need_e;


typedef struct {
    ngx_str_t                       name;      /* with "=" */
    ngx_http_ai_price_kind_e        kind;
    ngx_uint_t                      scale;
    ngx_http_ai_conf_price_need_e   need;
    const char                     *unit;
} ngx_http_ai_conf_price_param_t;


/* a walk over targets, and what was found */

typedef struct {
    ngx_http_ai_prices_t           *prices;
    const ngx_http_ai_class_t      *class;     /* NULL: none in particular */
    ngx_http_ai_conf_list_t         missing;
    ngx_uint_t                      priced;
    ngx_uint_t                      within;    /* ... no dearer than allowed */
    ngx_uint_t                      open;      /* it depends on the client */
} ngx_http_ai_conf_price_walk_t;


static ngx_array_t **ngx_http_ai_conf_price_list(ngx_conf_t *cf,
    ngx_http_ai_account_t *account);
static ngx_int_t ngx_http_ai_conf_price_params(ngx_conf_t *cf,
    ngx_http_ai_prices_entry_t *e);
static ngx_int_t ngx_http_ai_conf_price_value(ngx_conf_t *cf,
    const ngx_http_ai_conf_price_param_t *param, ngx_str_t *arg,
    int64_t *pico);

static ngx_int_t ngx_http_ai_conf_price_blocks(ngx_conf_t *cf,
    ngx_http_ai_prices_t *prices);
static void ngx_http_ai_conf_price_targets(ngx_http_ai_prices_t *prices,
    ngx_http_ai_route_t *route);
static ngx_int_t ngx_http_ai_conf_price_route(ngx_conf_t *cf,
    ngx_http_ai_prices_t *prices, ngx_http_ai_route_t *route);
static ngx_int_t ngx_http_ai_conf_price_max(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf, ngx_http_ai_class_t *class);
static void ngx_http_ai_conf_price_costlier(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf, ngx_http_ai_class_t *class);
static void ngx_http_ai_conf_price_backups(
    ngx_http_ai_conf_price_walk_t *walk, ngx_http_ai_route_t *route);
static void ngx_http_ai_conf_price_families(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf, ngx_http_ai_class_t *class);
static void ngx_http_ai_conf_price_begin(ngx_http_ai_conf_price_walk_t *walk,
    ngx_http_ai_prices_t *prices, const ngx_http_ai_class_t *class);
static void ngx_http_ai_conf_price_walk(ngx_http_ai_conf_price_walk_t *walk,
    const ngx_http_ai_route_t *route, const ngx_str_t *model);
static void ngx_http_ai_conf_price_look(ngx_http_ai_conf_price_walk_t *walk,
    const ngx_http_ai_target_t *target, const ngx_str_t *model);
static ngx_uint_t ngx_http_ai_conf_price_within(
    const ngx_http_ai_class_t *class, const ngx_http_ai_price_t *price);


static const ngx_http_ai_conf_price_param_t
    ngx_http_ai_conf_price_table[] =
{
    { ngx_string("input="), NGX_HTTP_AI_PRICE_INPUT,
      NGX_HTTP_AI_PRICE_MILLION, NGX_HTTP_AI_CONF_PRICE_MUST,
      "million tokens" },
    { ngx_string("output="), NGX_HTTP_AI_PRICE_OUTPUT,
      NGX_HTTP_AI_PRICE_MILLION, NGX_HTTP_AI_CONF_PRICE_MUST,
      "million tokens" },
    { ngx_string("cache_read="), NGX_HTTP_AI_PRICE_CACHE_READ,
      NGX_HTTP_AI_PRICE_MILLION, NGX_HTTP_AI_CONF_PRICE_MAY,
      "million tokens" },
    { ngx_string("cache_write="), NGX_HTTP_AI_PRICE_CACHE_WRITE,
      NGX_HTTP_AI_PRICE_MILLION, NGX_HTTP_AI_CONF_PRICE_MAY,
      "million tokens" },
    { ngx_string("cache_write_1h="), NGX_HTTP_AI_PRICE_CACHE_WRITE_1H,
      NGX_HTTP_AI_PRICE_MILLION, NGX_HTTP_AI_CONF_PRICE_MAY,
      "million tokens" },
    { ngx_string("reasoning="), NGX_HTTP_AI_PRICE_REASONING,
      NGX_HTTP_AI_PRICE_MILLION, NGX_HTTP_AI_CONF_PRICE_MAY,
      "million tokens" },
    { ngx_string("request="), NGX_HTTP_AI_PRICE_REQUEST,
      NGX_HTTP_AI_PRICE_PICO, NGX_HTTP_AI_CONF_PRICE_MAY,
      "request" },
    { ngx_string("character="), NGX_HTTP_AI_PRICE_CHARACTER,
      NGX_HTTP_AI_PRICE_PICO, NGX_HTTP_AI_CONF_PRICE_INSTEAD,
      "character" },
    { ngx_string("image="), NGX_HTTP_AI_PRICE_IMAGE,
      NGX_HTTP_AI_PRICE_PICO, NGX_HTTP_AI_CONF_PRICE_INSTEAD,
      "image" },
    { ngx_string("second="), NGX_HTTP_AI_PRICE_SECOND,
      NGX_HTTP_AI_PRICE_PICO, NGX_HTTP_AI_CONF_PRICE_INSTEAD,
      "second" },
    { ngx_string("query="), NGX_HTTP_AI_PRICE_QUERY,
      NGX_HTTP_AI_PRICE_PICO, NGX_HTTP_AI_CONF_PRICE_INSTEAD,
      "query" },
    { ngx_null_string, 0, 0, 0, NULL }
};


ngx_int_t
ngx_http_ai_conf_price_init(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf)
{
    amcf->prices = ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_prices_t));
    if (amcf->prices == NULL) {
        return NGX_ERROR;
    }

    amcf->prices->named = ngx_palloc(cf->pool, NGX_HTTP_AI_PRICES_NAMED
                                               * sizeof(uint64_t));

    return amcf->prices->named ? NGX_OK : NGX_ERROR;
}


char *
ngx_http_ai_conf_prices(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_main_conf_t  *amcf = conf;

    ngx_str_t             *value;
    ngx_http_ai_prices_t  *prices;

    prices = amcf->prices;
    value = cf->args->elts;

    if (prices->file.len) {
        return "is duplicate";
    }

    if (value[1].len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "empty path in \"ai_prices\", write \"ai_prices "
                           "FILE\"");
        return NGX_CONF_ERROR;
    }

    prices->file = value[1];

    if (ngx_conf_full_name(cf->cycle, &prices->file, 1) != NGX_OK
        || ngx_http_ai_prices_read(cf, prices) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    prices->known = 1;

    return NGX_CONF_OK;
}


/* in http the account given is that of no block */

char *
ngx_http_ai_conf_price(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                    *value;
    ngx_array_t                 **list;
    ngx_http_ai_main_conf_t      *amcf;
    ngx_http_ai_prices_entry_t   *e;

    value = cf->args->elts;

    list = ngx_http_ai_conf_price_list(cf, conf);
    if (list == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_ai_conf_model_check(cf, &value[1], "of \"ai_price\"")
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (value[1].len > 1
        && ngx_strlchr(value[1].data, value[1].data + value[1].len, '*'))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"*\" in the model \"%V\" of \"ai_price\", write "
                           "a full name, or \"*\" alone for all others",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    e = ngx_http_ai_prices_listed(*list, &value[1]);

    if (e) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate \"ai_price %V\", the first is in "
                           "%s:%ui", &value[1], e->place.file, e->place.line);
        return NGX_CONF_ERROR;
    }

    e = ngx_array_push(*list);
    if (e == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(e, sizeof(ngx_http_ai_prices_entry_t));

    e->name = value[1];
    ngx_http_ai_conf_place(cf, &e->place);

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_ai_route_module);
    amcf->prices->known = 1;

    return ngx_http_ai_conf_price_params(cf, e) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


static ngx_array_t **
ngx_http_ai_conf_price_list(ngx_conf_t *cf, ngx_http_ai_account_t *account)
{
    ngx_array_t              **list;
    ngx_http_ai_main_conf_t   *amcf;

    list = &account->prices;

    if (cf->cmd_type == NGX_HTTP_MAIN_CONF) {
        amcf = ngx_http_conf_get_module_main_conf(cf,
                                                  ngx_http_ai_route_module);
        list = &amcf->prices->http;
    }

    if (*list == NULL) {
        *list = ngx_array_create(cf->pool, 4,
                                 sizeof(ngx_http_ai_prices_entry_t));
    }

    return *list ? list : NULL;
}


static ngx_int_t
ngx_http_ai_conf_price_params(ngx_conf_t *cf, ngx_http_ai_prices_entry_t *e)
{
    ngx_str_t                             *arg;
    ngx_uint_t                             i, seen, bit, instead;
    ngx_http_ai_price_rate_t              *rate;
    const ngx_http_ai_conf_price_param_t  *param;

    arg = cf->args->elts;
    seen = 0;
    instead = 0;

    e->price.rates = ngx_pcalloc(cf->pool, cf->args->nelts
                                           * sizeof(ngx_http_ai_price_rate_t));
    if (e->price.rates == NULL) {
        return NGX_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        for (param = ngx_http_ai_conf_price_table; param->name.len; param++) {
            if (arg[i].len >= param->name.len
                && ngx_strncmp(arg[i].data, param->name.data, param->name.len)
                   == 0)
            {
                break;
            }
        }

        if (param->name.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown parameter \"%V\" of \"ai_price\", use "
                               "input=, output=, cache_read=, cache_write=, "
                               "cache_write_1h=, reasoning=, request=, "
                               "character=, image=, second= or query=",
                               &arg[i]);
            return NGX_ERROR;
        }

        bit = (ngx_uint_t) 1 << (param - ngx_http_ai_conf_price_table);

        if (seen & bit) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate parameter \"%V\" of \"ai_price\"",
                               &param->name);
            return NGX_ERROR;
        }

        seen |= bit;
        instead |= param->need == NGX_HTTP_AI_CONF_PRICE_INSTEAD;

        rate = &e->price.rates[e->price.n++];
        rate->kind = param->kind;

        if (ngx_http_ai_conf_price_value(cf, param, &arg[i], &rate->pico)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    for (param = ngx_http_ai_conf_price_table; param->name.len; param++) {

        bit = (ngx_uint_t) 1 << (param - ngx_http_ai_conf_price_table);

        if (param->need == NGX_HTTP_AI_CONF_PRICE_MUST && !instead
            && !(seen & bit))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"ai_price %V\" has no \"%V\", write "
                               NGX_HTTP_AI_CONF_PRICE_USAGE "; 0 is free",
                               &e->name, &param->name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * A price that somebody wrote by hand is kept as it was written: to round it,
 * perhaps to nothing, would not be what was meant.
 */

static ngx_int_t
ngx_http_ai_conf_price_value(ngx_conf_t *cf,
    const ngx_http_ai_conf_price_param_t *param, ngx_str_t *arg,
    int64_t *pico)
{
    ngx_int_t   rc;
    ngx_str_t  *directive;
    ngx_uint_t  exact;

    directive = cf->args->elts;

    rc = ngx_http_ai_price_parse(arg->data + param->name.len,
                                 arg->len - param->name.len, param->scale,
                                 pico, &exact);

    if (rc == NGX_OK && exact) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%V\" of \"%V\" is %s, write a decimal number of USD "
                       "per %s such as %V0.15", arg, directive,
                       rc == NGX_ERROR ? "no number"
                       : rc == NGX_DECLINED ? "negative or too large"
                                            : "finer than a millionth of a "
                                              "millionth of a dollar per unit",
                       param->unit, &param->name);

    return NGX_ERROR;
}


char *
ngx_http_ai_conf_max_price(ngx_conf_t *cf, ngx_http_ai_conf_block_t *block,
    const ngx_http_ai_conf_word_t *word)
{
    int64_t                               *limit;
    ngx_str_t                             *arg;
    ngx_uint_t                             i, n;
    ngx_http_ai_class_t                   *class;
    const ngx_http_ai_conf_price_param_t  *param;

    class = block->object;
    arg = cf->args->elts;

    ngx_http_ai_conf_place(cf, &class->max_price_place);

    for (i = 1; i < cf->args->nelts; i++) {

        /* the table's first two */

        param = ngx_http_ai_conf_price_table;

        for (n = 0; n < 2; n++, param++) {

            if (arg[i].len >= param->name.len
                && ngx_strncmp(arg[i].data, param->name.data, param->name.len)
                   == 0)
            {
                break;
            }
        }

        if (n == 2) {
            return ngx_http_ai_conf_block_invalid(cf, block, word, &arg[i]);
        }

        limit = n == 0 ? &class->max_input : &class->max_output;

        if (*limit >= 0) {
            return ngx_http_ai_conf_block_invalid(cf, block, word, &arg[i]);
        }

        if (ngx_http_ai_conf_price_value(cf, param, &arg[i], limit)
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_ai_conf_price_resolve(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf)
{
    ngx_uint_t             i, j;
    ngx_http_ai_class_t  **class;
    ngx_http_ai_route_t  **route;
    ngx_http_ai_backup_t  *b;

    if (ngx_http_ai_conf_price_blocks(cf, amcf->prices) != NGX_OK) {
        return NGX_ERROR;
    }

    route = amcf->routes.elts;

    for (i = 0; i < amcf->routes.nelts; i++) {

        ngx_http_ai_conf_price_targets(amcf->prices, route[i]);

        if (ngx_http_ai_conf_price_route(cf, amcf->prices, route[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < amcf->routes.nelts; i++) {

        b = route[i]->backups.elts;

        for (j = 0; j < route[i]->backups.nelts; j++) {
            b[j].window = ngx_http_ai_prices_window(amcf->prices, b[j].route,
                                                    &b[j].model);
        }
    }

    class = amcf->classes.elts;

    for (i = 0; i < amcf->classes.nelts; i++) {

        if (ngx_http_ai_conf_price_max(cf, amcf, class[i]) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_http_ai_conf_price_costlier(cf, amcf, class[i]);
        ngx_http_ai_conf_price_families(cf, amcf, class[i]);
    }

    return NGX_OK;
}


/* what stands in a block that is no account would be ignored without a word */

static ngx_int_t
ngx_http_ai_conf_price_blocks(ngx_conf_t *cf, ngx_http_ai_prices_t *prices)
{
    ngx_uint_t                       i;
    ngx_http_ai_account_t           *account;
    ngx_http_ai_prices_entry_t      *e;
    ngx_http_upstream_srv_conf_t   **uscfp;
    ngx_http_upstream_main_conf_t   *umcf;

    umcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_module);

    uscfp = umcf->upstreams.elts;

    for (i = 0; i < umcf->upstreams.nelts; i++) {

        /* "proxy_pass http://name" makes one without a block */

        if (uscfp[i]->srv_conf == NULL) {
            continue;
        }

        account = ngx_http_conf_upstream_srv_conf(uscfp[i],
                                                  ngx_http_ai_route_module);

        if (account->uscf == NULL && account->prices) {

            e = account->prices->elts;

            ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, &e->place,
                                 "\"ai_price\" in an upstream block without "
                                 "ai_account, remove it or write \"ai_account "
                                 "provider=NAME base=URL key=env:NAME\" in "
                                 "the block");
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_ai_conf_price_targets(ngx_http_ai_prices_t *prices,
    ngx_http_ai_route_t *route)
{
    ngx_uint_t             i;
    ngx_http_ai_target_t  *t;

    t = route->targets.elts;

    for (i = 0; i < route->targets.nelts; i++) {
        if (t[i].model.len) {
            t[i].price = ngx_http_ai_prices_own(prices, t[i].account,
                                                &t[i].model);
        }
    }

    if (!route->window_set) {
        route->window = ngx_http_ai_prices_limit(prices, route,
                                                 route->patterns.elts,
                                                 route->patterns.nelts,
                                                 NGX_HTTP_AI_PRICES_WINDOW);
    }
}


/* "balance least_cost" */

static ngx_int_t
ngx_http_ai_conf_price_route(ngx_conf_t *cf, ngx_http_ai_prices_t *prices,
    ngx_http_ai_route_t *route)
{
    ngx_http_ai_conf_price_walk_t  walk;

    if (route->balance != NGX_HTTP_AI_BALANCE_LEAST_COST) {
        return NGX_OK;
    }

    ngx_http_ai_conf_price_begin(&walk, prices, NULL);
    ngx_http_ai_conf_price_walk(&walk, route, NULL);

    if (!prices->known || (walk.priced == 0 && walk.open == 0)) {
        ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, &route->place,
                             "\"balance least_cost\" in ai_route \"%V\" has "
                             "no price of any target, write \"ai_prices "
                             "FILE\", or " NGX_HTTP_AI_CONF_PRICE_USAGE,
                             &route->name);
        return NGX_ERROR;
    }

    if (walk.missing.n) {
        ngx_http_ai_conf_list_end(&walk.missing);

        ngx_http_ai_conf_log(cf, NGX_LOG_WARN, &route->place,
                             "\"balance least_cost\" in ai_route \"%V\" has "
                             "no price of %s: they come last, write "
                             NGX_HTTP_AI_CONF_PRICE_USAGE, &route->name,
                             walk.missing.text);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_conf_price_max(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf,
    ngx_http_ai_class_t *class)
{
    ngx_uint_t                      i;
    ngx_http_ai_route_t           **route;
    ngx_http_ai_conf_price_walk_t   walk;

    if (class->max_input < 0 && class->max_output < 0) {
        return NGX_OK;
    }

    ngx_http_ai_conf_price_begin(&walk, amcf->prices, class);

    route = amcf->routes.elts;

    for (i = 0; i < amcf->routes.nelts; i++) {
        ngx_http_ai_conf_price_walk(&walk, route[i], NULL);
    }

    if (!amcf->prices->known
        || (walk.within == 0 && walk.open == 0
            && walk.priced + walk.missing.n))
    {
        ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, &class->max_price_place,
                             "\"max_price\" of ai_class \"%V\" excludes every "
                             "target, since %s", &class->name,
                             walk.priced
                             ? "none that has a price is as cheap: raise it"
                             : "none has a price: write \"ai_prices FILE\", "
                               "or " NGX_HTTP_AI_CONF_PRICE_USAGE);
        return NGX_ERROR;
    }

    if (walk.missing.n) {
        ngx_http_ai_conf_list_end(&walk.missing);

        ngx_http_ai_conf_log(cf, NGX_LOG_WARN, &class->max_price_place,
                             "\"max_price\" of ai_class \"%V\" excludes what "
                             "has no price: %s, write "
                             NGX_HTTP_AI_CONF_PRICE_USAGE, &class->name,
                             walk.missing.text);
    }

    return NGX_OK;
}


/* "allow_costlier off", where a route has more than its first tier */

static void
ngx_http_ai_conf_price_costlier(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf, ngx_http_ai_class_t *class)
{
    ngx_uint_t                      i, backups;
    ngx_http_ai_route_t           **route;
    ngx_http_ai_target_t           *t;
    ngx_http_ai_conf_price_walk_t   walk;

    if (class->allow_costlier) {
        return;
    }

    ngx_http_ai_conf_price_begin(&walk, amcf->prices, class);

    route = amcf->routes.elts;

    for (i = 0; i < amcf->routes.nelts; i++) {

        t = route[i]->targets.elts;
        backups = class->allow_backup ? route[i]->backups.nelts : 0;

        if (backups || t[0].tier != t[route[i]->targets.nelts - 1].tier) {
            ngx_http_ai_conf_price_walk(&walk, route[i], NULL);
        }

        if (backups) {
            ngx_http_ai_conf_price_backups(&walk, route[i]);
        }
    }

    if (walk.missing.n == 0) {
        return;
    }

    ngx_http_ai_conf_list_end(&walk.missing);

    ngx_http_ai_conf_log(cf, NGX_LOG_WARN, &class->place,
                         "\"allow_costlier off\" of ai_class \"%V\" takes "
                         "what has no price for the dearest: %s, write "
                         NGX_HTTP_AI_CONF_PRICE_USAGE, &class->name,
                         walk.missing.text);
}


static void
ngx_http_ai_conf_price_backups(ngx_http_ai_conf_price_walk_t *walk,
    ngx_http_ai_route_t *route)
{
    ngx_uint_t             i;
    ngx_http_ai_backup_t  *b;

    b = route->backups.elts;

    for (i = 0; i < route->backups.nelts; i++) {
        if (ngx_http_ai_conf_class_takes(walk->class, route, &b[i])) {
            ngx_http_ai_conf_price_walk(walk, b[i].route, &b[i].model);
        }
    }
}


/* "allow_family_switch off": whether it can be told at all */

static void
ngx_http_ai_conf_price_families(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf,
    ngx_http_ai_class_t *class)
{
    ngx_uint_t                i, j;
    ngx_http_ai_route_t     **route;
    ngx_http_ai_backup_t     *b;
    ngx_http_ai_conf_list_t   list;

    if (class->allow_family_switch || !class->allow_backup) {
        return;
    }

    list.n = 0;
    route = amcf->routes.elts;

    for (i = 0; i < amcf->routes.nelts; i++) {

        b = route[i]->backups.elts;

        if (route[i]->backups.nelts && route[i]->family.len == 0) {
            ngx_http_ai_conf_list(&list, "\"%V\"", &route[i]->name);
        }

        for (j = 0; j < route[i]->backups.nelts; j++) {
            if (b[j].route->family.len == 0) {
                ngx_http_ai_conf_list(&list, "\"%V\"", &b[j].route->name);
            }
        }
    }

    if (list.n == 0) {
        return;
    }

    ngx_http_ai_conf_list_end(&list);

    ngx_http_ai_conf_log(cf, NGX_LOG_WARN, &class->place,
                         "\"allow_family_switch off\" of ai_class \"%V\" "
                         "cannot tell the family of the routes %s, which are "
                         "taken for another one, write \"family NAME;\" in "
                         "them", &class->name, list.text);
}


static void
ngx_http_ai_conf_price_begin(ngx_http_ai_conf_price_walk_t *walk,
    ngx_http_ai_prices_t *prices, const ngx_http_ai_class_t *class)
{
    walk->prices = prices;
    walk->class = class;
    walk->missing.n = 0;
    walk->priced = 0;
    walk->within = 0;
    walk->open = 0;
}


/* all names in front of the route, or one of them */

static void
ngx_http_ai_conf_price_walk(ngx_http_ai_conf_price_walk_t *walk,
    const ngx_http_ai_route_t *route, const ngx_str_t *model)
{
    ngx_str_t             *name;
    ngx_uint_t             i, j;
    ngx_http_ai_target_t  *t;

    t = route->targets.elts;
    name = route->patterns.elts;

    for (i = 0; i < route->targets.nelts; i++) {

        if (walk->class
            && !ngx_http_ai_conf_class_has(walk->class, t[i].account))
        {
            continue;
        }

        if (model || t[i].price) {
            ngx_http_ai_conf_price_look(walk, &t[i],
                                        model ? model : &name[0]);
            continue;
        }

        for (j = 0; j < route->patterns.nelts; j++) {
            ngx_http_ai_conf_price_look(walk, &t[i], &name[j]);
        }
    }
}


/* a pattern is no model's name, so it finds only what serves for all others */

static void
ngx_http_ai_conf_price_look(ngx_http_ai_conf_price_walk_t *walk,
    const ngx_http_ai_target_t *target, const ngx_str_t *model)
{
    const ngx_http_ai_prices_entry_t  *e;

    e = ngx_http_ai_prices_find(walk->prices, target, model);

    if (e) {
        walk->priced++;
        walk->within += walk->class
                        && ngx_http_ai_conf_price_within(walk->class,
                                                         &e->price);
        return;
    }

    if (model->data[model->len - 1] == '*') {
        walk->open++;
        return;
    }

    ngx_http_ai_conf_list(&walk->missing, "\"%V\" at \"%V\"",
                          target->model.len ? &target->model : model,
                          &target->account->name);
}


static ngx_uint_t
ngx_http_ai_conf_price_within(const ngx_http_ai_class_t *class,
    const ngx_http_ai_price_t *price)
{
    int64_t  input, output;

    input = ngx_http_ai_price_rate(price, NGX_HTTP_AI_PRICE_INPUT,
                                   NGX_HTTP_AI_PRICE_STANDARD, 0);
    output = ngx_http_ai_price_rate(price, NGX_HTTP_AI_PRICE_OUTPUT,
                                    NGX_HTTP_AI_PRICE_STANDARD, 0);

    return (class->max_input < 0
            || (input != NGX_HTTP_AI_PRICE_UNKNOWN
                && input <= class->max_input))
           && (class->max_output < 0
               || (output != NGX_HTTP_AI_PRICE_UNKNOWN
                   && output <= class->max_output));
}
