
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* the ai_route block: model names in front, targets inside */


#include "ngx_http_ai_conf_block.h"
#include "pure/ngx_http_ai_json.h"


#define NGX_HTTP_AI_MAX_WEIGHT  1000
#define NGX_HTTP_AI_MAX_TIER    16
#define NGX_HTTP_AI_MAX_WINDOW  1000000000    /* tokens */


typedef struct {
    ngx_str_t             name;      /* with "=" */
    ngx_int_t           (*set)(ngx_conf_t *cf, ngx_http_ai_target_t *t,
                              ngx_str_t *value);
} ngx_http_ai_route_param_t;


typedef struct {
    ngx_str_t                name;
    ngx_http_ai_balance_e    balance;
} ngx_http_ai_route_balance_t;


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
static char *ngx_http_ai_conf_route_target(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, const ngx_http_ai_conf_word_t *word);
static char *ngx_http_ai_conf_route_balance(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, const ngx_http_ai_conf_word_t *word);
static char *ngx_http_ai_conf_route_hash_key(ngx_conf_t *cf,
    ngx_http_ai_route_t *route, ngx_str_t *key);
static char *ngx_http_ai_conf_route_window(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, const ngx_http_ai_conf_word_t *word);
static char *ngx_http_ai_conf_route_family(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, const ngx_http_ai_conf_word_t *word);
static void ngx_http_ai_conf_route_default_family(
    ngx_http_ai_route_t *route);
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


static const ngx_http_ai_conf_word_t  ngx_http_ai_conf_route_words[] = {

    { ngx_string("target"), ngx_http_ai_conf_route_target,
      "target ACCOUNT [weight=N] [tier=N] [model=NAME]",
      1, NGX_MAX_INT32_VALUE, NGX_HTTP_AI_CONF_MANY, 0, 0, 0 },

    { ngx_string("balance"), ngx_http_ai_conf_route_balance,
      "balance weighted|least_busy|least_time|least_cost|hash [VARIABLE]",
      1, 2, 0, 0, 0, 0 },

    { ngx_string("backup"), ngx_http_ai_conf_backup,
      "backup MODEL",
      1, NGX_MAX_INT32_VALUE, NGX_HTTP_AI_CONF_MANY, 0, 0, 0 },

    { ngx_string("window"), ngx_http_ai_conf_route_window,
      "window TOKENS",
      1, 1, 0, 0, 0, 0 },

    { ngx_string("family"), ngx_http_ai_conf_route_family,
      "family NAME",
      1, 1, 0, 0, 0, 0 },

    { ngx_null_string, NULL, NULL, 0, 0, 0, 0, 0, 0 }
};


static const ngx_http_ai_route_balance_t  ngx_http_ai_conf_balance_table[] = {
    { ngx_string("weighted"), NGX_HTTP_AI_BALANCE_WEIGHTED },
    { ngx_string("least_busy"), NGX_HTTP_AI_BALANCE_LEAST_BUSY },
    { ngx_string("least_time"), NGX_HTTP_AI_BALANCE_LEAST_TIME },
    { ngx_string("least_cost"), NGX_HTTP_AI_BALANCE_LEAST_COST },
    { ngx_string("hash"), NGX_HTTP_AI_BALANCE_HASH },
    { ngx_null_string, NGX_HTTP_AI_BALANCE_WEIGHTED }
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

    char                      *rv;
    ngx_http_ai_route_t       *route;
    ngx_http_ai_conf_block_t   block;

    route = ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_route_t));
    if (route == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_ai_conf_route_add(cf, amcf, route) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    block.directive = "ai_route";
    block.name = &route->name;
    block.words = ngx_http_ai_conf_route_words;
    block.object = route;

    rv = ngx_http_ai_conf_block(cf, &block);

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

    if (ngx_array_init(&route->backups, cf->pool, 1,
                       sizeof(ngx_http_ai_backup_t))
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

    if (route->family.len == 0) {
        ngx_http_ai_conf_route_default_family(route);
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
ngx_http_ai_conf_route_target(ngx_conf_t *cf, ngx_http_ai_conf_block_t *block,
    const ngx_http_ai_conf_word_t *word)
{
    ngx_str_t             *value;
    ngx_http_ai_route_t   *route;
    ngx_http_ai_target_t   t, *tp;

    route = block->object;
    value = cf->args->elts;

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
    ngx_http_ai_conf_block_t *block, const ngx_http_ai_conf_word_t *word)
{
    ngx_str_t                          *value, *name;
    ngx_http_ai_route_t                *route;
    const ngx_http_ai_route_balance_t  *balance;

    route = block->object;
    value = cf->args->elts;

    for (balance = ngx_http_ai_conf_balance_table; balance->name.len;
         balance++)
    {
        name = (ngx_str_t *) &balance->name;

        if (name->len == value[1].len
            && ngx_memcmp(name->data, value[1].data, name->len) == 0)
        {
            break;
        }
    }

    if (balance->name.len == 0) {
        return ngx_http_ai_conf_block_invalid(cf, block, word, &value[1]);
    }

    route->balance = balance->balance;

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    return ngx_http_ai_conf_route_hash_key(cf, route, &value[2]);
}


const ngx_str_t *
ngx_http_ai_conf_balance_name(ngx_http_ai_balance_e balance)
{
    const ngx_http_ai_route_balance_t  *row;

    for (row = ngx_http_ai_conf_balance_table; row->balance != balance; row++)
    {
        /* void */
    }

    return &row->name;
}


/* a key without a variable is the same for all: they would share a target */

static char *
ngx_http_ai_conf_route_hash_key(ngx_conf_t *cf, ngx_http_ai_route_t *route,
    ngx_str_t *key)
{
    ngx_http_compile_complex_value_t  ccv;

    if (route->balance != NGX_HTTP_AI_BALANCE_HASH) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" after \"balance\" in ai_route \"%V\" "
                           "means nothing, only \"balance hash\" takes a "
                           "variable, remove it", key, &route->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_script_variables_count(key) == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"balance hash %V\" in ai_route \"%V\" has no "
                           "variable, write one such as "
                           "$http_x_session_id", key, &route->name);
        return NGX_CONF_ERROR;
    }

    route->hash_key = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (route->hash_key == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = key;
    ccv.complex_value = route->hash_key;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* tokens are counted in thousands, not in units of 1024 */

static char *
ngx_http_ai_conf_route_window(ngx_conf_t *cf, ngx_http_ai_conf_block_t *block,
    const ngx_http_ai_conf_word_t *word)
{
    ngx_int_t             n, scale;
    ngx_str_t            *value, number;
    ngx_http_ai_route_t  *route;

    route = block->object;
    value = cf->args->elts;

    number = value[1];
    scale = 1;

    if (number.len) {

        switch (number.data[number.len - 1]) {

        case 'k':
        case 'K':
            scale = 1000;
            number.len--;
            break;

        case 'm':
        case 'M':
            scale = 1000000;
            number.len--;
            break;
        }
    }

    n = ngx_atoi(number.data, number.len);

    if (n < 1 || n > NGX_HTTP_AI_MAX_WINDOW / scale) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"window %V\" in ai_route \"%V\", write "
                           "a number of tokens up to %dm such as 128k or "
                           "200000", &value[1], &route->name,
                           NGX_HTTP_AI_MAX_WINDOW / 1000000);
        return NGX_CONF_ERROR;
    }

    route->window = n * scale;
    route->window_set = 1;

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_conf_route_family(ngx_conf_t *cf, ngx_http_ai_conf_block_t *block,
    const ngx_http_ai_conf_word_t *word)
{
    ngx_str_t            *value;
    ngx_http_ai_route_t  *route;

    route = block->object;
    value = cf->args->elts;

    if (ngx_http_ai_conf_model_check(cf, &value[1], "in \"family\"")
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    route->family = value[1];

    return NGX_CONF_OK;
}


/*
 * The letters that the first name begins with, behind an organisation's name:
 * "gpt" of gpt-4o, "llama" of meta-llama/llama-3.3-70b.
 */

static void
ngx_http_ai_conf_route_default_family(ngx_http_ai_route_t *route)
{
    u_char  *p, *start, *last;

    last = route->name.data + route->name.len;
    start = route->name.data;

    for (p = start; p < last; p++) {
        if (*p == '/') {
            start = p + 1;
        }
    }

    p = start;

    while (p < last && (*p | 0x20) >= 'a' && (*p | 0x20) <= 'z') {
        p++;
    }

    route->family.data = start;
    route->family.len = p - start;
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

    return ngx_http_ai_conf_model_json(cf, &t->model, &t->model_json);
}


ngx_int_t
ngx_http_ai_conf_model_json(ngx_conf_t *cf, ngx_str_t *name, ngx_str_t *json)
{
    u_char  *p;
    size_t   len;

    len = ngx_http_ai_json_escape_len(name->data, name->len);

    p = ngx_pnalloc(cf->pool, len + 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    json->data = p;

    *p++ = '"';
    p = ngx_http_ai_json_escape(p, name->data, name->len);
    *p++ = '"';

    json->len = p - json->data;

    return NGX_OK;
}


/*
 * Model names travel in JSON, headers, records and paths; what needs quoting
 * in none of them is what providers use.
 */

ngx_int_t
ngx_http_ai_conf_model_check(ngx_conf_t *cf, ngx_str_t *name,
    const char *where)
{
    size_t  i;

    if (name->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "empty model name %s, write the model's name",
                           where);
        return NGX_ERROR;
    }

    if (name->len > NGX_HTTP_AI_MAX_MODEL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "model name %s is longer than %d bytes", where,
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
                               where);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
