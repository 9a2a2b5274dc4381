
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* models without a price, and the budgets that cannot see what they cost */


#include "ngx_http_ai_conf_block.h"
#include "ngx_http_ai_key.h"
#include "ngx_http_ai_prices.h"


static void ngx_http_ai_conf_budget_unpriced(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf);
static const ngx_http_ai_place_t *ngx_http_ai_conf_budget_place(
    ngx_http_ai_keys_t *keys, const ngx_http_ai_key_t *key);
static void ngx_http_ai_conf_budget_account(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf, ngx_http_ai_account_t *account);
static void ngx_http_ai_conf_budget_route(ngx_http_ai_prices_t *prices,
    const ngx_http_ai_route_t *route, const ngx_http_ai_account_t *account,
    ngx_http_ai_conf_list_t *list);
static void ngx_http_ai_conf_budget_models(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf);
static ngx_uint_t ngx_http_ai_conf_budget_blind(ngx_http_ai_prices_t *prices,
    const ngx_http_ai_route_t *route, ngx_str_t *name);


void
ngx_http_ai_conf_budget_check(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf)
{
    ngx_uint_t               i;
    ngx_http_ai_account_t  **ap;

    if (!amcf->prices->known) {
        ngx_http_ai_conf_budget_unpriced(cf, amcf);
        return;
    }

    ap = amcf->accounts.elts;

    for (i = 0; i < amcf->accounts.nelts; i++) {
        if (ap[i]->limit.nbudgets) {
            ngx_http_ai_conf_budget_account(cf, amcf, ap[i]);
        }
    }

    ngx_http_ai_conf_budget_models(cf, amcf);
}


/* once: the same line mends all of them */

static void
ngx_http_ai_conf_budget_unpriced(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf)
{
    const char                 *what;
    ngx_uint_t                  i;
    const ngx_str_t            *name;
    ngx_http_ai_account_t     **ap;
    const ngx_http_ai_key_t    *key;
    const ngx_http_ai_place_t  *place;

    ap = amcf->accounts.elts;
    key = amcf->keys ? amcf->keys->set->budgeted : NULL;

    for (i = 0; i < amcf->accounts.nelts; i++) {
        if (ap[i]->limit.nbudgets) {
            break;
        }
    }

    if (i < amcf->accounts.nelts) {
        what = "account";
        name = &ap[i]->name;
        place = &ap[i]->limit_place;

    } else if (key) {
        what = "key";
        name = &key->id;
        place = ngx_http_ai_conf_budget_place(amcf->keys, key);

    } else {
        return;
    }

    ngx_http_ai_conf_log(cf, NGX_LOG_WARN, place,
                         "the budget of %s \"%V\" limits nothing, since no "
                         "price is known, write \"ai_prices FILE\", or "
                         "\"ai_price MODEL input=USD output=USD\", in USD per "
                         "million tokens", what, name);
}


static const ngx_http_ai_place_t *
ngx_http_ai_conf_budget_place(ngx_http_ai_keys_t *keys,
    const ngx_http_ai_key_t *key)
{
    ngx_uint_t                 i;
    ngx_http_ai_key_inline_t  *ki;

    ki = keys->inlines.elts;

    for (i = 0; i < keys->inlines.nelts; i++) {

        if (ki[i].entry.id.len == key->id.len
            && ngx_memcmp(ki[i].entry.id.data, key->id.data, key->id.len) == 0)
        {
            return &ki[i].place;
        }
    }

    return &keys->file_place;
}


static void
ngx_http_ai_conf_budget_account(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf,
    ngx_http_ai_account_t *account)
{
    ngx_uint_t                i;
    ngx_http_ai_route_t     **route;
    ngx_http_ai_conf_list_t   list;

    list.n = 0;
    route = amcf->routes.elts;

    for (i = 0; i < amcf->routes.nelts; i++) {
        ngx_http_ai_conf_budget_route(amcf->prices, route[i], account, &list);
    }

    if (list.n == 0) {
        return;
    }

    ngx_http_ai_conf_list_end(&list);

    ngx_http_ai_conf_log(cf, NGX_LOG_WARN, &account->limit_place,
                         "the budget of account \"%V\" does not see what has "
                         "no price: %s, write \"ai_price MODEL input=USD "
                         "output=USD\", in USD per million tokens",
                         &account->name, list.text);
}


/* what a "prefix*" stands for is known with the request only */

static void
ngx_http_ai_conf_budget_route(ngx_http_ai_prices_t *prices,
    const ngx_http_ai_route_t *route, const ngx_http_ai_account_t *account,
    ngx_http_ai_conf_list_t *list)
{
    ngx_str_t             *name;
    ngx_uint_t             i, j;
    ngx_http_ai_target_t  *t;

    t = route->targets.elts;
    name = route->patterns.elts;

    for (i = 0; i < route->targets.nelts; i++) {

        if (t[i].account != account) {
            continue;
        }

        for (j = 0; j < route->patterns.nelts; j++) {

            if (name[j].data[name[j].len - 1] == '*' && t[i].model.len == 0) {
                continue;
            }

            if (ngx_http_ai_prices_find(prices, &t[i], &name[j])) {
                continue;
            }

            if (t[i].model.len) {
                ngx_http_ai_conf_list(list, "\"%V\"", &t[i].model);
                break;
            }

            ngx_http_ai_conf_list(list, "\"%V\"", &name[j]);
        }
    }
}


/* what accounts without a budget serve: a key may have one at any time */

static void
ngx_http_ai_conf_budget_models(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf)
{
    ngx_str_t                  *name;
    ngx_uint_t                  i, j;
    ngx_http_ai_route_t       **route;
    ngx_http_ai_conf_list_t     list;
    const ngx_http_ai_place_t  *place;

    list.n = 0;
    place = NULL;
    route = amcf->routes.elts;

    for (i = 0; i < amcf->routes.nelts; i++) {
        name = route[i]->patterns.elts;

        for (j = 0; j < route[i]->patterns.nelts; j++) {

            if (ngx_http_ai_conf_budget_blind(amcf->prices, route[i],
                                              &name[j]))
            {
                ngx_http_ai_conf_list(&list, "\"%V\"", &name[j]);
                place = place ? place : &route[i]->place;
            }
        }
    }

    if (list.n == 0) {
        return;
    }

    ngx_http_ai_conf_list_end(&list);

    ngx_http_ai_conf_log(cf, NGX_LOG_WARN, place,
                         "what has no price costs nothing in records and "
                         "under budgets: %s, write \"ai_price MODEL input=USD "
                         "output=USD\", in USD per million tokens", list.text);
}


static ngx_uint_t
ngx_http_ai_conf_budget_blind(ngx_http_ai_prices_t *prices,
    const ngx_http_ai_route_t *route, ngx_str_t *name)
{
    ngx_uint_t             i;
    ngx_http_ai_target_t  *t;

    t = route->targets.elts;

    for (i = 0; i < route->targets.nelts; i++) {

        if (t[i].account->limit.nbudgets
            || (name->data[name->len - 1] == '*' && t[i].model.len == 0))
        {
            continue;
        }

        if (ngx_http_ai_prices_find(prices, &t[i], name) == NULL) {
            return 1;
        }
    }

    return 0;
}
