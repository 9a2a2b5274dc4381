
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The pieces of the configuration for each other: how a block is read whose
 * words are no directives of nginx, and what the blocks have in common.  Each
 * function that fails has said why, with file and line.
 */


#ifndef _NGX_HTTP_AI_CONF_BLOCK_H_INCLUDED_
#define _NGX_HTTP_AI_CONF_BLOCK_H_INCLUDED_


#include "ngx_http_ai_conf.h"


#define NGX_HTTP_AI_CONF_MANY     1      /* may stand more than once */
#define NGX_HTTP_AI_CONF_BOUNDED  2      /* a time that the deadline bounds */


typedef struct ngx_http_ai_conf_block_s  ngx_http_ai_conf_block_t;
typedef struct ngx_http_ai_conf_word_s   ngx_http_ai_conf_word_t;


/* one statement that a block knows */

struct ngx_http_ai_conf_word_s {
    ngx_str_t                       name;
    char                         *(*set)(ngx_conf_t *cf,
                                        ngx_http_ai_conf_block_t *block,
                                        const ngx_http_ai_conf_word_t *word);
    const char                     *usage;     /* what to write instead */
    ngx_uint_t                      least;     /* arguments */
    ngx_uint_t                      most;
    ngx_uint_t                      flags;
    size_t                          offset;    /* in block->object, and the */
    ngx_int_t                       min;       /* value's limits, for setters
                                                  that serve several words */
    ngx_int_t                       max;
};


/* the block being read; cf->handler_conf inside */

struct ngx_http_ai_conf_block_s {
    const char                     *directive;
    const ngx_str_t                *name;
    const ngx_http_ai_conf_word_t  *words;     /* fewer than 32, the last has
                                                  no name */
    void                           *object;
    ngx_uint_t                      seen;      /* a bit per word */
};


/* names for a message, of which there may be too many; n is 0 at first */

typedef struct {
    u_char                         *last;
    ngx_uint_t                      n;
    u_char                          text[NGX_MAX_CONF_ERRSTR / 2];
} ngx_http_ai_conf_list_t;


/*
 * Reads up to the closing brace.  "include" works inside; unknown words, a
 * word twice and a wrong number of arguments are refused.
 */
char *ngx_http_ai_conf_block(ngx_conf_t *cf, ngx_http_ai_conf_block_t *block);

/* says that a statement's value is invalid, and what to write */
char *ngx_http_ai_conf_block_invalid(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, const ngx_http_ai_conf_word_t *word,
    ngx_str_t *value);


/* adds a name; ends the text after the last one */
void ngx_http_ai_conf_list(ngx_http_ai_conf_list_t *list, const char *fmt,
    ...);
void ngx_http_ai_conf_list_end(ngx_http_ai_conf_list_t *list);


/* "where": how the message goes on after "model name" */
ngx_int_t ngx_http_ai_conf_model_check(ngx_conf_t *cf, ngx_str_t *name,
    const char *where);

/* the name in quotes, escaped */
ngx_int_t ngx_http_ai_conf_model_json(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *json);

/* "where" and "owner" say who names the account, as in: route "m" */
ngx_http_ai_account_t *ngx_http_ai_conf_link_account(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf, const ngx_str_t *name,
    const ngx_http_ai_place_t *place, const char *where,
    const ngx_str_t *owner);


/* the setter of "backup" in ai_route */
char *ngx_http_ai_conf_backup(ngx_conf_t *cf, ngx_http_ai_conf_block_t *block,
    const ngx_http_ai_conf_word_t *word);

/* finds the routes of backup models, refuses cycles; routes are indexed */
ngx_int_t ngx_http_ai_conf_backup_resolve(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf);


/* the setter of "max_price" in ai_class */
char *ngx_http_ai_conf_max_price(ngx_conf_t *cf,
    ngx_http_ai_conf_block_t *block, const ngx_http_ai_conf_word_t *word);

/* NGX_OK or NGX_ERROR */
ngx_int_t ngx_http_ai_conf_price_init(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf);

/*
 * Prices and windows of targets; what needs a price and has none.  Accounts,
 * routes, backups and classes are resolved.
 */
ngx_int_t ngx_http_ai_conf_price_resolve(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf);


/* warns of budgets that no price tells about; prices and keys are known */
void ngx_http_ai_conf_budget_check(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf);


/* ai_breaker and ai_limit: what is inherited, and what stands in no account */
ngx_int_t ngx_http_ai_conf_health_resolve(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf);


/* adds the built-in class */
ngx_int_t ngx_http_ai_conf_class_init(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf);

/* accounts and the default by name; accounts, routes, backups are resolved */
ngx_int_t ngx_http_ai_conf_class_resolve(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf);


#endif /* _NGX_HTTP_AI_CONF_BLOCK_H_INCLUDED_ */
