
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Which price a model has: the price map and what ai_price says, found by the
 * names of the account's model and of the client's.  Built while the
 * configuration is read, immutable afterwards.
 */


#ifndef _NGX_HTTP_AI_PRICES_H_INCLUDED_
#define _NGX_HTTP_AI_PRICES_H_INCLUDED_


#include "ngx_http_ai_conf.h"
#include "ngx_http_ai_zone.h"
#include "pure/ngx_http_ai_price.h"


/* models without a price that one worker names in its log */
#define NGX_HTTP_AI_PRICES_NAMED  256


/* one model of the map, or one ai_price */

struct ngx_http_ai_prices_entry_s {
    ngx_str_t                       name;      /* "*": ai_price for the rest */
    ngx_http_ai_price_t             price;
    int64_t                         max_input; /* tokens; 0: not known, as
                                                  always in ai_price */
    int64_t                         max_output;
    ngx_http_ai_prices_entry_t     *next;      /* in the bucket */
    ngx_http_ai_place_t             place;     /* of an ai_price */
};


typedef enum {
    NGX_HTTP_AI_PRICES_WINDOW = 0,     /* max_input of an entry */
    NGX_HTTP_AI_PRICES_ANSWER          /* max_output */
} ngx_http_ai_prices_limit_e;


struct ngx_http_ai_prices_s {
    ngx_str_t                       file;      /* empty: no map */
    ngx_http_ai_prices_entry_t    **buckets;
    ngx_uint_t                      mask;
    ngx_uint_t                      n;         /* models in the map */

    ngx_array_t                    *http;      /* ai_price in http, of
                                                  ngx_http_ai_prices_entry_t;
                                                  NULL: none */
    ngx_uint_t                      known;     /* unsigned  known:1; there is
                                                  a map or some ai_price */

    uint64_t                       *named;     /* by this worker, as hashes */
    ngx_uint_t                      nnamed;
};


/*
 * Reads prices->file into the table; says what is wrong with it, and where.
 * NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_ai_prices_read(ngx_conf_t *cf,
    ngx_http_ai_prices_t *prices);

/* the entry of a list of ai_price, or NULL, which the list may be, too */
ngx_http_ai_prices_entry_t *ngx_http_ai_prices_listed(
    const ngx_array_t *list, const ngx_str_t *name);

/*
 * By the name that the account knows: ai_price in its block, for the name and
 * then "*", ai_price in http, the map by the name, the map by the provider's
 * prefix and the name.  NULL: not known.  Allocates nothing.
 */
const ngx_http_ai_prices_entry_t *ngx_http_ai_prices_own(
    const ngx_http_ai_prices_t *prices, const ngx_http_ai_account_t *account,
    const ngx_str_t *model);

/*
 * The price of a request for "model", the client's name, at a target: by the
 * account's own name, then by the client's, then "*" of http.  NULL: not
 * known.  Allocates nothing.
 */
const ngx_http_ai_prices_entry_t *ngx_http_ai_prices_find(
    const ngx_http_ai_prices_t *prices, const ngx_http_ai_target_t *target,
    const ngx_str_t *model);

/*
 * The price of an answer that no route has planned.  Each place is asked for
 * the model that the answer names, then for that of the request; either may be
 * empty.  account: NULL where the upstream has none.
 */
const ngx_http_ai_prices_entry_t *ngx_http_ai_prices_unplanned(
    const ngx_http_ai_prices_t *prices, const ngx_http_ai_account_t *account,
    const ngx_str_t *served, const ngx_str_t *requested);

/*
 * The map's entry alone, for limits; NULL: none.  One without any price gives
 * way to that with the provider's prefix.  account: NULL is no provider.
 */
const ngx_http_ai_prices_entry_t *ngx_http_ai_prices_mapped(
    const ngx_http_ai_prices_t *prices, const ngx_http_ai_account_t *account,
    const ngx_str_t *model);

/*
 * Tokens that the map allows the route's models of these n names (patterns
 * among them are passed over), where all its targets that the map knows have
 * the same; 0: not known.
 */
uint64_t ngx_http_ai_prices_limit(const ngx_http_ai_prices_t *prices,
    const ngx_http_ai_route_t *route, const ngx_str_t *model, ngx_uint_t n,
    ngx_http_ai_prices_limit_e which);

/* the route's own "window", else one model's by the map; 0: not known */
uint64_t ngx_http_ai_prices_window(const ngx_http_ai_prices_t *prices,
    const ngx_http_ai_route_t *route, const ngx_str_t *model);

/*
 * A use whose price is not known: it is counted in the zone, and named in the
 * log, once per worker and model.  account: its name; model: as the account
 * knows it.
 */
void ngx_http_ai_prices_missing(ngx_http_ai_prices_t *prices,
    ngx_http_ai_zone_t *zone, const ngx_str_t *account,
    const ngx_str_t *model, ngx_log_t *log);


#endif /* _NGX_HTTP_AI_PRICES_H_INCLUDED_ */
