
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Pins: which account has what it keeps for a client, a file, a batch, a
 * stored response.  Whatever names it later can only be served there.
 *
 * Learned from answers, and from other nodes (ngx_http_ai_pin_stream.h); kept
 * in the zone as long as there is room, half of it at most: the pins longest
 * unused go.  What is kept is a hash of the id, since whoever has an id may
 * use it.  All of these take the zone's lock and never yield.
 */


#ifndef _NGX_HTTP_AI_PIN_H_INCLUDED_
#define _NGX_HTTP_AI_PIN_H_INCLUDED_


#include "ngx_http_ai_zone.h"


/* bytes of an id's SHA-256 that stand for it */
#define NGX_HTTP_AI_PIN_HASH  16


/* the ids that an answer of the account's, or its beginning, names: the first
 * "most" of them; what is new goes to the sink, too */
void ngx_http_ai_pin_learn(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_account_t *account, const ngx_str_t *body,
    ngx_uint_t most);

/* NULL: it is not known, or of an account that is not configured any more */
ngx_http_ai_account_t *ngx_http_ai_pin_find(ngx_http_ai_zone_t *zone,
    const ngx_str_t *id);

/* one by its id's hash; 1: that was news */
ngx_uint_t ngx_http_ai_pin_put(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_account_t *account, const u_char *hash);

/* how many there are; lockless */
#define ngx_http_ai_pin_count(zone)                                           \
    (*(volatile ngx_uint_t *) &(zone)->sh->counts[NGX_HTTP_AI_NODE_PIN])


#endif /* _NGX_HTTP_AI_PIN_H_INCLUDED_ */
