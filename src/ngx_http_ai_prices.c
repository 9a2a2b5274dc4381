
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_prices.h"


#define NGX_HTTP_AI_PRICES_PREFIX  64          /* longest of a provider */


static const ngx_http_ai_prices_entry_t *ngx_http_ai_prices_named(
    const ngx_http_ai_prices_t *prices, const ngx_http_ai_account_t *account,
    const ngx_str_t *model);
static const ngx_http_ai_prices_entry_t *ngx_http_ai_prices_look(
    const ngx_http_ai_prices_t *prices, const u_char *name, size_t len);


static ngx_str_t  ngx_http_ai_prices_any = ngx_string("*");


const ngx_http_ai_prices_entry_t *
ngx_http_ai_prices_find(const ngx_http_ai_prices_t *prices,
    const ngx_http_ai_target_t *target, const ngx_str_t *model)
{
    const ngx_http_ai_prices_entry_t  *e;

    if (!prices->known) {
        return NULL;
    }

    if (target->price) {
        return target->price;
    }

    /* the target's own name was looked up when the configuration was read */

    e = target->model.len
        ? ngx_http_ai_prices_named(prices, target->account, model)
        : ngx_http_ai_prices_own(prices, target->account, model);

    return e ? e : ngx_http_ai_prices_listed(prices->http,
                                             &ngx_http_ai_prices_any);
}


const ngx_http_ai_prices_entry_t *
ngx_http_ai_prices_unplanned(const ngx_http_ai_prices_t *prices,
    const ngx_http_ai_account_t *account, const ngx_str_t *served,
    const ngx_str_t *requested)
{
    ngx_uint_t                         i;
    const ngx_str_t                   *names[2];
    const ngx_array_t                 *list;
    const ngx_http_ai_prices_entry_t  *e;

    if (!prices->known) {
        return NULL;
    }

    names[0] = served;
    names[1] = requested;

    list = account ? account->prices : NULL;

    for (i = 0; i < 2; i++) {
        e = ngx_http_ai_prices_listed(list, names[i]);
        if (e) {
            return e;
        }
    }

    e = ngx_http_ai_prices_listed(list, &ngx_http_ai_prices_any);
    if (e) {
        return e;
    }

    for (i = 0; i < 2; i++) {
        e = ngx_http_ai_prices_listed(prices->http, names[i]);
        if (e) {
            return e;
        }
    }

    for (i = 0; i < 2; i++) {
        e = ngx_http_ai_prices_mapped(prices, account, names[i]);
        if (e && e->price.n) {
            return e;
        }
    }

    return ngx_http_ai_prices_listed(prices->http, &ngx_http_ai_prices_any);
}


const ngx_http_ai_prices_entry_t *
ngx_http_ai_prices_own(const ngx_http_ai_prices_t *prices,
    const ngx_http_ai_account_t *account, const ngx_str_t *model)
{
    const ngx_http_ai_prices_entry_t  *e;

    e = ngx_http_ai_prices_listed(account->prices, model);

    if (e == NULL) {
        e = ngx_http_ai_prices_listed(account->prices,
                                      &ngx_http_ai_prices_any);
    }

    return e ? e : ngx_http_ai_prices_named(prices, account, model);
}


static const ngx_http_ai_prices_entry_t *
ngx_http_ai_prices_named(const ngx_http_ai_prices_t *prices,
    const ngx_http_ai_account_t *account, const ngx_str_t *model)
{
    const ngx_http_ai_prices_entry_t  *e;

    e = ngx_http_ai_prices_listed(account->prices, model);

    if (e == NULL) {
        e = ngx_http_ai_prices_listed(prices->http, model);
    }

    if (e) {
        return e;
    }

    /* an entry without any price tells nothing: others are asked */

    e = ngx_http_ai_prices_mapped(prices, account, model);

    return e && e->price.n ? e : NULL;
}


const ngx_http_ai_prices_entry_t *
ngx_http_ai_prices_mapped(const ngx_http_ai_prices_t *prices,
    const ngx_http_ai_account_t *account, const ngx_str_t *model)
{
    u_char                            *p;
    u_char                             name[NGX_HTTP_AI_PRICES_PREFIX
                                            + NGX_HTTP_AI_MAX_MODEL];
    const ngx_str_t                   *prefix;
    const ngx_http_ai_prices_entry_t  *e, *other;

    if (prices->n == 0) {
        return NULL;
    }

    e = ngx_http_ai_prices_look(prices, model->data, model->len);

    if (account == NULL) {
        return e;
    }

    prefix = &account->provider->price_prefix;

    if ((e && e->price.n) || prefix->len == 0
        || prefix->len + model->len > sizeof(name))
    {
        return e;
    }

    p = ngx_cpymem(name, prefix->data, prefix->len);
    p = ngx_cpymem(p, model->data, model->len);

    other = ngx_http_ai_prices_look(prices, name, p - name);

    return other ? other : e;
}


uint64_t
ngx_http_ai_prices_limit(const ngx_http_ai_prices_t *prices,
    const ngx_http_ai_route_t *route, const ngx_str_t *model, ngx_uint_t n,
    ngx_http_ai_prices_limit_e which)
{
    int64_t                            limit, found;
    ngx_uint_t                         i, j;
    ngx_http_ai_target_t              *t;
    const ngx_http_ai_prices_entry_t  *e;

    found = 0;
    t = route->targets.elts;

    for (i = 0; i < route->targets.nelts; i++) {
        for (j = 0; j < n; j++) {

            e = NULL;

            if (t[i].model.len) {
                e = ngx_http_ai_prices_mapped(prices, t[i].account,
                                              &t[i].model);
            }

            if (e == NULL) {
                e = ngx_http_ai_prices_mapped(prices, t[i].account, &model[j]);
            }

            if (e == NULL) {
                continue;
            }

            limit = which == NGX_HTTP_AI_PRICES_WINDOW ? e->max_input
                                                       : e->max_output;

            if (limit == 0) {
                continue;
            }

            if (found && found != limit) {
                return 0;
            }

            found = limit;
        }
    }

    return (uint64_t) found;
}


uint64_t
ngx_http_ai_prices_window(const ngx_http_ai_prices_t *prices,
    const ngx_http_ai_route_t *route, const ngx_str_t *model)
{
    return route->window_set ? route->window
                             : ngx_http_ai_prices_limit(prices, route, model,
                                   1, NGX_HTTP_AI_PRICES_WINDOW);
}


static const ngx_http_ai_prices_entry_t *
ngx_http_ai_prices_look(const ngx_http_ai_prices_t *prices,
    const u_char *name, size_t len)
{
    uint32_t                           hash;
    const ngx_http_ai_prices_entry_t  *e;

    hash = ngx_murmur_hash2((u_char *) name, len);

    for (e = prices->buckets[hash & prices->mask]; e; e = e->next) {
        if (e->name.len == len && ngx_memcmp(e->name.data, name, len) == 0) {
            return e;
        }
    }

    return NULL;
}


ngx_http_ai_prices_entry_t *
ngx_http_ai_prices_listed(const ngx_array_t *list, const ngx_str_t *name)
{
    ngx_uint_t                   i;
    ngx_http_ai_prices_entry_t  *e;

    if (list == NULL) {
        return NULL;
    }

    e = list->elts;

    for (i = 0; i < list->nelts; i++) {
        if (e[i].name.len == name->len
            && ngx_memcmp(e[i].name.data, name->data, name->len) == 0)
        {
            return &e[i];
        }
    }

    return NULL;
}


/*
 * Each worker has a copy of its own of the hashes, since it was forked with
 * them.  Where clients name models there may be any number of them: the last
 * one that is named says that no more will be.
 */

void
ngx_http_ai_prices_missing(ngx_http_ai_prices_t *prices,
    ngx_http_ai_zone_t *zone, const ngx_str_t *account,
    const ngx_str_t *model, ngx_log_t *log)
{
    uint64_t           hash;
    ngx_uint_t         i;
    ngx_atomic_uint_t  n;

    n = ngx_atomic_fetch_add(&zone->sh->price_missing, 1) + 1;

    if (!prices->known || prices->nnamed == NGX_HTTP_AI_PRICES_NAMED) {
        return;
    }

    hash = (uint64_t) ngx_murmur_hash2(account->data, account->len) << 32
           | ngx_murmur_hash2(model->data, model->len);

    for (i = 0; i < prices->nnamed; i++) {
        if (prices->named[i] == hash) {
            return;
        }
    }

    prices->named[prices->nnamed++] = hash;

    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "ai price of model \"%V\" at account \"%V\" is not known, "
                  "no cost is recorded (%uA uses without one so far)%s",
                  model, account, n,
                  prices->nnamed == NGX_HTTP_AI_PRICES_NAMED
                  ? "; further models are not named" : "");
}
