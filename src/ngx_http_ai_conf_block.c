
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The blocks ai_route and ai_class.  They are parsed with cf->handler, as map
 * and geo are, since their words are no directives of nginx.
 */


#include "ngx_http_ai_conf_block.h"


static char *ngx_http_ai_conf_block_line(ngx_conf_t *cf,
    ngx_command_t *dummy, void *conf);
static char *ngx_http_ai_conf_block_word(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, const ngx_http_ai_conf_word_t *word);
static char *ngx_http_ai_conf_block_include(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block);
static char *ngx_http_ai_conf_block_unknown(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, ngx_str_t *name);


#define NGX_HTTP_AI_CONF_LISTED  8             /* names in one message */


static ngx_str_t  ngx_http_ai_conf_include = ngx_string("include");


char *
ngx_http_ai_conf_block(ngx_conf_t *cf, ngx_http_ai_conf_block_t *block)
{
    char        *rv;
    ngx_conf_t   save;

    block->seen = 0;

    save = *cf;

    cf->handler = ngx_http_ai_conf_block_line;
    cf->handler_conf = (char *) block;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    return rv;
}


static char *
ngx_http_ai_conf_block_line(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_http_ai_conf_block_t  *block = conf;

    ngx_str_t                      *value;
    const ngx_http_ai_conf_word_t  *word;

    value = cf->args->elts;

    for (word = block->words; word->name.len; word++) {

        if (word->name.len == value[0].len
            && ngx_memcmp(word->name.data, value[0].data, value[0].len) == 0)
        {
            return ngx_http_ai_conf_block_word(cf, block, word);
        }
    }

    if (value[0].len == ngx_http_ai_conf_include.len
        && ngx_memcmp(value[0].data, ngx_http_ai_conf_include.data,
                      value[0].len)
           == 0)
    {
        return ngx_http_ai_conf_block_include(cf, block);
    }

    return ngx_http_ai_conf_block_unknown(cf, block, &value[0]);
}


static char *
ngx_http_ai_conf_block_word(ngx_conf_t *cf, ngx_http_ai_conf_block_t *block,
    const ngx_http_ai_conf_word_t *word)
{
    ngx_uint_t  bit, n;

    bit = (ngx_uint_t) 1 << (word - block->words);

    if ((block->seen & bit) && !(word->flags & NGX_HTTP_AI_CONF_MANY)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate \"%V\" in %s \"%V\"",
                           &word->name, block->directive, block->name);
        return NGX_CONF_ERROR;
    }

    block->seen |= bit;

    n = cf->args->nelts - 1;

    if (n < word->least || n > word->most) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of arguments of \"%V\" in %s "
                           "\"%V\", write \"%s;\"", &word->name,
                           block->directive, block->name, word->usage);
        return NGX_CONF_ERROR;
    }

    return word->set(cf, block, word);
}


static char *
ngx_http_ai_conf_block_include(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block)
{
    if (cf->args->nelts != 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"include\" in %s \"%V\" takes one file, write "
                           "\"include FILE;\"", block->directive, block->name);
        return NGX_CONF_ERROR;
    }

    return ngx_conf_include(cf, NULL, block);
}


static char *
ngx_http_ai_conf_block_unknown(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, ngx_str_t *name)
{
    u_char                         *p, *last;
    u_char                          known[NGX_MAX_CONF_ERRSTR / 2];
    const ngx_http_ai_conf_word_t  *word;

    p = known;
    last = known + sizeof(known);

    for (word = block->words; word->name.len; word++) {

        p = ngx_slprintf(p, last, "%V, ", &word->name);
    }

    if (p - known >= 2) {
        p -= 2;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown directive \"%V\" in %s \"%V\", use %*s or "
                       "include", name, block->directive, block->name,
                       (size_t) (p - known), known);

    return NGX_CONF_ERROR;
}


char *
ngx_http_ai_conf_block_invalid(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, const ngx_http_ai_conf_word_t *word,
    ngx_str_t *value)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" of \"%V\" in %s \"%V\", write "
                       "\"%s;\"", value, &word->name, block->directive,
                       block->name, word->usage);

    return NGX_CONF_ERROR;
}


void
ngx_http_ai_conf_list(ngx_http_ai_conf_list_t *list, const char *fmt, ...)
{
    u_char   *last;
    va_list   args;

    if (list->n == 0) {
        list->last = list->text;
    }

    if (list->n++ >= NGX_HTTP_AI_CONF_LISTED) {
        return;
    }

    /* room for the end is kept */
    last = list->text + sizeof(list->text) - 32;

    if (list->n > 1) {
        list->last = ngx_slprintf(list->last, last, ", ");
    }

    va_start(args, fmt);
    list->last = ngx_vslprintf(list->last, last, fmt, args);
    va_end(args);
}


void
ngx_http_ai_conf_list_end(ngx_http_ai_conf_list_t *list)
{
    if (list->n > NGX_HTTP_AI_CONF_LISTED) {
        list->last = ngx_slprintf(list->last,
                                  list->text + sizeof(list->text) - 1,
                                  " and %ui more",
                                  list->n - NGX_HTTP_AI_CONF_LISTED);
    }

    *list->last = '\0';
}
