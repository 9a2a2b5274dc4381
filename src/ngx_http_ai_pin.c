
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_pin.h"
#include "ngx_http_ai_sink.h"
#include "pure/ngx_http_ai_ids.h"

#include <openssl/sha.h>


/* its key is the first half of the hash, its owner the account's hash */

typedef struct {
    ngx_http_ai_node_t    node;
    u_char                hash[NGX_HTTP_AI_PIN_HASH];
} ngx_http_ai_pin_node_t;


static ngx_int_t ngx_http_ai_pin_hash(const ngx_str_t *id, u_char *hash);
static uint64_t ngx_http_ai_pin_key(const u_char *hash);
static ngx_http_ai_pin_node_t *ngx_http_ai_pin_find_locked(
    ngx_http_ai_zone_t *zone, const u_char *hash);
static void ngx_http_ai_pin_tell(const ngx_http_ai_account_t *account,
    const u_char *hash);


void
ngx_http_ai_pin_learn(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_account_t *account, const ngx_str_t *body,
    ngx_uint_t most)
{
    u_char         hash[SHA256_DIGEST_LENGTH];
    ngx_str_t      id;
    ngx_uint_t     n;
    const u_char  *p, *last;

    p = body->data;
    last = p + body->len;

    for (n = 0; n < most; n++) {

        if (ngx_http_ai_ids_next(&p, last, &id) != NGX_OK) {
            return;
        }

        if (ngx_http_ai_pin_hash(&id, hash) == NGX_OK
            && ngx_http_ai_pin_put(zone, account, hash))
        {
            ngx_http_ai_pin_tell(account, hash);
        }
    }
}


/* hash has room for the whole of it */

static ngx_int_t
ngx_http_ai_pin_hash(const ngx_str_t *id, u_char *hash)
{
    return SHA256(id->data, id->len, hash) ? NGX_OK : NGX_ERROR;
}


static uint64_t
ngx_http_ai_pin_key(const u_char *hash)
{
    uint64_t  key;

    ngx_memcpy(&key, hash, sizeof(uint64_t));

    return key;
}


static ngx_http_ai_pin_node_t *
ngx_http_ai_pin_find_locked(ngx_http_ai_zone_t *zone, const u_char *hash)
{
    ngx_queue_t             *kin;
    ngx_http_ai_pin_node_t  *pn;

    pn = (ngx_http_ai_pin_node_t *)
         ngx_http_ai_zone_find_locked(zone, NGX_HTTP_AI_NODE_PIN,
                                      ngx_http_ai_pin_key(hash));

    if (pn == NULL || ngx_memcmp(pn->hash, hash, NGX_HTTP_AI_PIN_HASH) != 0) {
        return NULL;
    }

    /* the eldest of them is the one longest unused */

    kin = &zone->sh->kinds[NGX_HTTP_AI_NODE_PIN];

    ngx_queue_remove(&pn->node.kin);
    ngx_queue_insert_tail(kin, &pn->node.kin);

    return pn;
}


/*
 * Pins may be many, of all nodes together; health, limits and counters keep
 * half of the room.  Two of one key: the later one counts.
 */

ngx_uint_t
ngx_http_ai_pin_put(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_account_t *account, const u_char *hash)
{
    size_t                   bytes;
    ngx_uint_t               news;
    ngx_queue_t             *kin;
    ngx_http_ai_node_t      *eldest;
    ngx_http_ai_pin_node_t  *pn;

    bytes = ngx_http_ai_zone_bytes(sizeof(ngx_http_ai_pin_node_t));

    ngx_http_ai_zone_lock(zone);

    pn = ngx_http_ai_pin_find_locked(zone, hash);

    if (pn == NULL) {
        kin = &zone->sh->kinds[NGX_HTTP_AI_NODE_PIN];

        if (ngx_http_ai_pin_count(zone) * bytes >= zone->sh->room / 2
            && !ngx_queue_empty(kin))
        {
            eldest = ngx_queue_data(ngx_queue_head(kin), ngx_http_ai_node_t,
                                    kin);
            ngx_http_ai_zone_drop_locked(zone, eldest);
        }

        pn = (ngx_http_ai_pin_node_t *)
             ngx_http_ai_zone_make_locked(zone, NGX_HTTP_AI_NODE_PIN,
                                          ngx_http_ai_pin_key(hash),
                                          sizeof(ngx_http_ai_pin_node_t));
    }

    news = (pn && pn->node.owner != account->hash);

    if (pn) {
        pn->node.owner = account->hash;
        ngx_memcpy(pn->hash, hash, NGX_HTTP_AI_PIN_HASH);
    }

    ngx_http_ai_zone_unlock(zone);

    return news;
}


static void
ngx_http_ai_pin_tell(const ngx_http_ai_account_t *account, const u_char *hash)
{
    u_char                    hex[2 * NGX_HTTP_AI_PIN_HASH];
    ngx_http_ai_record_pin_t  rec;

    ngx_str_set(&rec.kind, "pin");
    rec.id.data = hex;
    rec.id.len = ngx_hex_dump(hex, (u_char *) hash, NGX_HTTP_AI_PIN_HASH)
                 - hex;
    rec.account = account->name;

    ngx_http_ai_sink_push_pin(&rec);
}


ngx_http_ai_account_t *
ngx_http_ai_pin_find(ngx_http_ai_zone_t *zone, const ngx_str_t *id)
{
    u_char                    hash[SHA256_DIGEST_LENGTH];
    uint32_t                  owner;
    ngx_uint_t                i;
    ngx_http_ai_account_t   **account;
    ngx_http_ai_pin_node_t   *pn;

    if (ngx_http_ai_pin_hash(id, hash) != NGX_OK) {
        return NULL;
    }

    ngx_http_ai_zone_lock(zone);

    pn = ngx_http_ai_pin_find_locked(zone, hash);
    owner = pn ? pn->node.owner : 0;

    ngx_http_ai_zone_unlock(zone);

    account = zone->conf->accounts.elts;

    for (i = 0; i < zone->conf->accounts.nelts && owner; i++) {
        if (account[i]->hash == owner) {
            return account[i];
        }
    }

    return NULL;
}
