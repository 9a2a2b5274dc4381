
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The ai_route block: model names in front, targets inside.  It is parsed
 * with cf->handler, as map and geo are, since its words are no directives of
 * nginx; "include" works inside, anything unknown is refused.
 */


#include "ngx_http_ai_conf.h"
#include "pure/ngx_http_ai_json.h"


#define NGX_HTTP_AI_MAX_WEIGHT  1000
#define NGX_HTTP_AI_MAX_TIER    16


/* the route being read; cf->handler_conf inside the block */

typedef struct {
    ngx_http_ai_route_t  *route;
    ngx_uint_t            balance;   /* unsigned  balance:1; */
} ngx_http_ai_route_block_t;


typedef struct {
    ngx_str_t             name;
    char               *(*set)(ngx_conf_t *cf,
                              ngx_http_ai_route_block_t *block);
} ngx_http_ai_route_word_t;


typedef struct {
    ngx_str_t             name;      /* with "=" */
    ngx_int_t           (*set)(ngx_conf_t *cf, ngx_http_ai_target_t *t,
                              ngx_str_t *value);
} ngx_http_ai_route_param_t;


static ngx_int_t ngx_http_ai_conf_route_add(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf, ngx_http_ai_route_t *route);
static ngx_int_t ngx_http_ai_conf_route_pattern(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf, ngx_http_ai_route_t *route,
    ngx_str_t *pattern);
static ngx_int_t ngx_http_ai_conf_route_unique(ngx_conf_t *cf,
    ngx_http_ai_route_t *route, ngx_str_t *pattern);
static void ngx_http_ai_conf_route_hash(ngx_http_ai_main_conf_t *amcf,
    ngx_http_ai_route_t *route);
static ngx_int_t ngx_http_ai_conf_route_close(ngx_conf_t *cf,
    ngx_http_ai_route_t *route);
static ngx_int_t ngx_http_ai_conf_route_cmp_targets(const void *one,
    const void *two);
static char *ngx_http_ai_conf_route_line(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);
static char *ngx_http_ai_conf_route_target(ngx_conf_t *cf,
    ngx_http_ai_route_block_t *block);
static char *ngx_http_ai_conf_route_balance(ngx_conf_t *cf,
    ngx_http_ai_route_block_t *block);
static char *ngx_http_ai_conf_route_backup(ngx_conf_t *cf,
    ngx_http_ai_route_block_t *block);
static char *ngx_http_ai_conf_route_include(ngx_conf_t *cf,
    ngx_http_ai_route_block_t *block);
static ngx_int_t ngx_http_ai_conf_target_params(ngx_conf_t *cf,
    ngx_http_ai_target_t *t);
static ngx_int_t ngx_http_ai_conf_target_unique(ngx_conf_t *cf,
    ngx_http_ai_route_t *route, ngx_http_ai_target_t *t);
static ngx_int_t ngx_http_ai_conf_target_weight(ngx_conf_t *cf,
    ngx_http_ai_target_t *t, ngx_str_t *value);
static ngx_int_t ngx_http_ai_conf_target_tier(ngx_conf_t *cf,
    ngx_http_ai_target_t *t, ngx_str_t *value);
static ngx_int_t ngx_http_ai_conf_target_model(ngx_conf_t *cf,
    ngx_http_ai_target_t *t, ngx_str_t *value);
static ngx_int_t ngx_http_ai_conf_model_check(ngx_conf_t *cf, ngx_str_t *name,
    const char *what);


static ngx_http_ai_route_word_t  ngx_http_ai_conf_route_words[] = {
    { ngx_string("target"), ngx_http_ai_conf_route_target },
    { ngx_string("balance"), ngx_http_ai_conf_route_balance },
    { ngx_string("backup"), ngx_http_ai_conf_route_backup },
    { ngx_string("include"), ngx_http_ai_conf_route_include },
    { ngx_null_string, NULL }
};


static ngx_http_ai_route_param_t  ngx_http_ai_conf_target_table[] = {
    { ngx_string("weight="), ngx_http_ai_conf_target_weight },
    { ngx_string("tier="), ngx_http_ai_conf_target_tier },
    { ngx_string("model="), ngx_http_ai_conf_target_model },
    { ngx_null_string, NULL }
};


char *
ngx_http_ai_conf_route(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_main_conf_t  *amcf = conf;

    char                       *rv;
    ngx_conf_t                  save;
    ngx_http_ai_route_t        *route;
    ngx_http_ai_route_block_t   block;

    route = ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_route_t));
    if (route == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_ai_conf_route_add(cf, amcf, route) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    block.route = route;
    block.balance = 0;

    save = *cf;

    cf->handler = ngx_http_ai_conf_route_line;
    cf->handler_conf = (char *) &block;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (ngx_http_ai_conf_route_close(cf, route) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* what stands before the brace */

static ngx_int_t
ngx_http_ai_conf_route_add(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf,
    ngx_http_ai_route_t *route)
{
    ngx_str_t            *value;
    ngx_uint_t            i;
    ngx_http_ai_route_t **rp;

    value = cf->args->elts;

    route->name = value[1];

    ngx_http_ai_conf_place(cf, &route->place);

    if (ngx_array_init(&route->patterns, cf->pool, cf->args->nelts - 1,
                       sizeof(ngx_str_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_array_init(&route->targets, cf->pool, 4,
                       sizeof(ngx_http_ai_target_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_http_ai_conf_route_pattern(cf, amcf, route, &value[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_http_ai_conf_route_hash(amcf, route);

    rp = ngx_array_push(&amcf->routes);
    if (rp == NULL) {
        return NGX_ERROR;
    }

    *rp = route;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_conf_route_pattern(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf,
    ngx_http_ai_route_t *route, ngx_str_t *pattern)
{
    u_char                *star, *last;
    ngx_str_t             *p;
    ngx_uint_t             i;
    ngx_http_ai_route_t  **rp;

    if (ngx_http_ai_conf_model_check(cf, pattern, "of \"ai_route\"")
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    last = pattern->data + pattern->len;
    star = ngx_strlchr(pattern->data, last, '*');

    if (star && star != last - 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"*\" inside the model pattern \"%V\" of "
                           "\"ai_route\", write it only at the end",
                           pattern);
        return NGX_ERROR;
    }

    rp = amcf->routes.elts;

    for (i = 0; i < amcf->routes.nelts; i++) {
        if (ngx_http_ai_conf_route_unique(cf, rp[i], pattern) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ngx_http_ai_conf_route_unique(cf, route, pattern) != NGX_OK) {
        return NGX_ERROR;
    }

    p = ngx_array_push(&route->patterns);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *p = *pattern;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_conf_route_unique(ngx_conf_t *cf, ngx_http_ai_route_t *route,
    ngx_str_t *pattern)
{
    ngx_str_t   *p;
    ngx_uint_t   i;

    p = route->patterns.elts;

    for (i = 0; i < route->patterns.nelts; i++) {

        if (p[i].len == pattern->len
            && ngx_memcmp(p[i].data, pattern->data, p[i].len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "model \"%V\" of \"ai_route\" already has a "
                               "route (%s:%ui), keep one of them",
                               pattern, route->place.file, route->place.line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * Two routes of one hash would share a balancer's state; the next free number
 * is as good, and names what it should for as long as the order stays.
 */

static void
ngx_http_ai_conf_route_hash(ngx_http_ai_main_conf_t *amcf,
    ngx_http_ai_route_t *route)
{
    ngx_uint_t             i;
    ngx_http_ai_route_t  **rp;

    route->hash = ngx_murmur_hash2(route->name.data, route->name.len);

    rp = amcf->routes.elts;
    i = 0;

    while (i < amcf->routes.nelts) {

        if (rp[i]->hash == route->hash) {
            route->hash++;
            i = 0;
            continue;
        }

        i++;
    }
}


static ngx_int_t
ngx_http_ai_conf_route_close(ngx_conf_t *cf, ngx_http_ai_route_t *route)
{
    if (route->targets.nelts == 0) {
        ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, &route->place,
                             "route \"%V\" is empty, write \"target "
                             "ACCOUNT;\" in it", &route->name);
        return NGX_ERROR;
    }

    /* stable: within a tier the order is that of the file */

    ngx_sort(route->targets.elts, route->targets.nelts,
             sizeof(ngx_http_ai_target_t), ngx_http_ai_conf_route_cmp_targets);

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_conf_route_cmp_targets(const void *one, const void *two)
{
    const ngx_http_ai_target_t  *first = one;
    const ngx_http_ai_target_t  *second = two;

    return (ngx_int_t) first->tier - (ngx_int_t) second->tier;
}


static char *
ngx_http_ai_conf_route_line(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_http_ai_route_block_t  *block = conf;

    ngx_str_t                 *value;
    ngx_http_ai_route_word_t  *word;

    value = cf->args->elts;

    for (word = ngx_http_ai_conf_route_words; word->name.len; word++) {

        if (word->name.len == value[0].len
            && ngx_memcmp(word->name.data, value[0].data, value[0].len) == 0)
        {
            return word->set(cf, block);
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown directive \"%V\" in ai_route \"%V\", use "
                       "target or balance", &value[0], &block->route->name);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_ai_conf_route_target(ngx_conf_t *cf, ngx_http_ai_route_block_t *block)
{
    ngx_str_t             *value;
    ngx_http_ai_route_t   *route;
    ngx_http_ai_target_t   t, *tp;

    route = block->route;
    value = cf->args->elts;

    if (cf->args->nelts < 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no account in \"target\" of ai_route \"%V\", "
                           "write \"target ACCOUNT [weight=N] [tier=N] "
                           "[model=NAME];\"", &route->name);
        return NGX_CONF_ERROR;
    }

    if (route->targets.nelts == NGX_HTTP_AI_MAX_TARGETS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "more than %d targets in ai_route \"%V\", put "
                           "several servers into one upstream block instead",
                           NGX_HTTP_AI_MAX_TARGETS, &route->name);
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&t, sizeof(ngx_http_ai_target_t));

    t.name = value[1];
    t.weight = 1;
    t.tier = 1;

    ngx_http_ai_conf_place(cf, &t.place);

    if (ngx_http_ai_conf_target_params(cf, &t) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_ai_conf_target_unique(cf, route, &t) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    tp = ngx_array_push(&route->targets);
    if (tp == NULL) {
        return NGX_CONF_ERROR;
    }

    *tp = t;

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_conf_route_balance(ngx_conf_t *cf,
    ngx_http_ai_route_block_t *block)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (block->balance) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate \"balance\" in ai_route \"%V\"",
                           &block->route->name);
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts != 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"balance\" in ai_route \"%V\" takes one word, "
                           "write \"balance weighted;\"",
                           &block->route->name);
        return NGX_CONF_ERROR;
    }

    if (value[1].len != sizeof("weighted") - 1
        || ngx_strncmp(value[1].data, "weighted", value[1].len) != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"balance %V\" in ai_route \"%V\" is not "
                           "available in this version, write \"balance "
                           "weighted\"", &value[1], &block->route->name);
        return NGX_CONF_ERROR;
    }

    block->balance = 1;

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_conf_route_backup(ngx_conf_t *cf, ngx_http_ai_route_block_t *block)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"backup\" in ai_route \"%V\" is not available in "
                       "this version, write \"target ACCOUNT tier=2 "
                       "model=NAME\"", &block->route->name);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_ai_conf_route_include(ngx_conf_t *cf,
    ngx_http_ai_route_block_t *block)
{
    if (cf->args->nelts != 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"include\" in ai_route \"%V\" takes one file, "
                           "write \"include FILE;\"", &block->route->name);
        return NGX_CONF_ERROR;
    }

    return ngx_conf_include(cf, NULL, block);
}


static ngx_int_t
ngx_http_ai_conf_target_params(ngx_conf_t *cf, ngx_http_ai_target_t *t)
{
    ngx_str_t                  *arg, value;
    ngx_uint_t                  i, seen;
    ngx_http_ai_route_param_t  *param;

    arg = cf->args->elts;
    seen = 0;

    for (i = 2; i < cf->args->nelts; i++) {

        for (param = ngx_http_ai_conf_target_table; param->name.len; param++)
        {
            if (arg[i].len >= param->name.len
                && ngx_strncmp(arg[i].data, param->name.data, param->name.len)
                   == 0)
            {
                break;
            }
        }

        if (param->name.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown parameter \"%V\" of target \"%V\", "
                               "use weight=, tier= or model=",
                               &arg[i], &t->name);
            return NGX_ERROR;
        }

        if (seen & (1 << (param - ngx_http_ai_conf_target_table))) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate parameter \"%V\" of target \"%V\"",
                               &param->name, &t->name);
            return NGX_ERROR;
        }

        seen |= 1 << (param - ngx_http_ai_conf_target_table);

        value.len = arg[i].len - param->name.len;
        value.data = arg[i].data + param->name.len;

        if (param->set(cf, t, &value) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * Twice the same would be tried twice by a failover that means to move on.
 * Names of upstreams have no case.
 */

static ngx_int_t
ngx_http_ai_conf_target_unique(ngx_conf_t *cf, ngx_http_ai_route_t *route,
    ngx_http_ai_target_t *t)
{
    ngx_uint_t             i;
    ngx_http_ai_target_t  *tp;

    tp = route->targets.elts;

    for (i = 0; i < route->targets.nelts; i++) {

        if (tp[i].name.len == t->name.len
            && ngx_strncasecmp(tp[i].name.data, t->name.data, t->name.len) == 0
            && tp[i].model.len == t->model.len
            && ngx_memcmp(tp[i].model.data, t->model.data, t->model.len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "target \"%V\" with the same model stands "
                               "already in ai_route \"%V\" (%s:%ui), raise "
                               "its weight= instead", &t->name, &route->name,
                               tp[i].place.file, tp[i].place.line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_conf_target_weight(ngx_conf_t *cf, ngx_http_ai_target_t *t,
    ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n < 1 || n > NGX_HTTP_AI_MAX_WEIGHT) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"weight=%V\" of target \"%V\", write a "
                           "number from 1 to %d", value, &t->name,
                           NGX_HTTP_AI_MAX_WEIGHT);
        return NGX_ERROR;
    }

    t->weight = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_conf_target_tier(ngx_conf_t *cf, ngx_http_ai_target_t *t,
    ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n < 1 || n > NGX_HTTP_AI_MAX_TIER) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"tier=%V\" of target \"%V\", write a "
                           "number from 1 to %d", value, &t->name,
                           NGX_HTTP_AI_MAX_TIER);
        return NGX_ERROR;
    }

    t->tier = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_conf_target_model(ngx_conf_t *cf, ngx_http_ai_target_t *t,
    ngx_str_t *value)
{
    u_char  *p;
    size_t   len;

    if (ngx_http_ai_conf_model_check(cf, value, "in \"model=\"") != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_strlchr(value->data, value->data + value->len, '*')) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"*\" in \"model=%V\" of target \"%V\", write the "
                           "provider's full name of the model, or nothing to "
                           "send the client's own", value, &t->name);
        return NGX_ERROR;
    }

    t->model = *value;

    len = ngx_http_ai_json_escape_len(value->data, value->len);

    p = ngx_pnalloc(cf->pool, len + 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    t->model_json.data = p;

    *p++ = '"';
    p = ngx_http_ai_json_escape(p, value->data, value->len);
    *p++ = '"';

    t->model_json.len = p - t->model_json.data;

    return NGX_OK;
}


/*
 * Model names travel in JSON, headers, records and paths; what needs quoting
 * in none of them is what providers use.
 */

static ngx_int_t
ngx_http_ai_conf_model_check(ngx_conf_t *cf, ngx_str_t *name,
    const char *what)
{
    size_t  i;

    if (name->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "empty model name %s, write the model's name",
                           what);
        return NGX_ERROR;
    }

    if (name->len > NGX_HTTP_AI_MAX_MODEL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "model name %s is longer than %d bytes", what,
                           NGX_HTTP_AI_MAX_MODEL);
        return NGX_ERROR;
    }

    for (i = 0; i < name->len; i++) {

        if (name->data[i] <= ' ' || name->data[i] >= 0x7f
            || name->data[i] == '"' || name->data[i] == '\\')
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "model name %s has a blank, a quote, a "
                               "backslash, a control or a non-ASCII character",
                               what);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
