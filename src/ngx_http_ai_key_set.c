
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Sets of keys.  Building one and freeing one are work for many events, so
 * each step of either is small: a key is added in a microsecond, the tables
 * grow by moving slots without looking at the keys, and memory is given back
 * pool by pool.
 */


#include "ngx_http_ai_key.h"

#include <openssl/crypto.h>


#define NGX_HTTP_AI_KEY_POOL   16384      /* bytes, its blocks */
#define NGX_HTTP_AI_KEY_BATCH  500        /* keys in one pool */
#define NGX_HTTP_AI_KEY_SLOTS  64         /* of a new table */
#define NGX_HTTP_AI_KEY_FREED  4          /* pools, in one event */


struct ngx_http_ai_key_pool_s {
    ngx_http_ai_key_pool_t  *next;
    ngx_pool_t              *pool;        /* the struct is inside */
    ngx_uint_t               n;           /* keys */
};


static void ngx_http_ai_keys_cleanup(void *data);
static ngx_pool_t *ngx_http_ai_key_set_pool(ngx_http_ai_key_set_t *set);
static ngx_int_t ngx_http_ai_key_set_check(ngx_http_ai_key_set_t *set,
    const ngx_http_ai_keyentry_t *entry, uint64_t state, u_char *wrong,
    size_t *len);
static ngx_http_ai_key_t *ngx_http_ai_key_set_by_state(
    const ngx_http_ai_key_set_t *set, uint64_t state);
static ngx_int_t ngx_http_ai_key_set_copy(ngx_http_ai_key_t *key,
    const ngx_http_ai_keyentry_t *entry, const ngx_http_ai_key_t *last,
    ngx_pool_t *pool);
static ngx_int_t ngx_http_ai_key_set_text(ngx_str_t *to, const ngx_str_t *from,
    const ngx_str_t *last, ngx_pool_t *pool);
static ngx_int_t ngx_http_ai_key_set_models(ngx_http_ai_key_t *key,
    const ngx_http_ai_keyentry_t *entry, const ngx_http_ai_key_t *last,
    ngx_pool_t *pool);
static ngx_int_t ngx_http_ai_key_set_classes(ngx_http_ai_key_set_t *set,
    ngx_http_ai_key_t *key, const ngx_http_ai_keyentry_t *entry,
    ngx_pool_t *pool, u_char *wrong, size_t *len);
static u_char *ngx_http_ai_key_set_known(ngx_http_ai_main_conf_t *amcf,
    u_char *p, u_char *last);
static ngx_int_t ngx_http_ai_key_set_grow(ngx_http_ai_keytable_t *t,
    size_t n, ngx_log_t *log);
static ngx_uint_t ngx_http_ai_key_set_free(ngx_http_ai_key_set_t *set);
static void ngx_http_ai_key_set_free_event(ngx_event_t *ev);


ngx_http_ai_keys_t *
ngx_http_ai_keys_create(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf)
{
    ngx_http_ai_keys_t  *keys;
    ngx_pool_cleanup_t  *cln;

    keys = ngx_pcalloc(cf->pool, sizeof(ngx_http_ai_keys_t));
    if (keys == NULL) {
        return NULL;
    }

    if (ngx_array_init(&keys->inlines, cf->pool, 4,
                       sizeof(ngx_http_ai_key_inline_t))
        != NGX_OK)
    {
        return NULL;
    }

    keys->conf = amcf;

    /* sets outlive the reading of the configuration, and cf->log does not */
    keys->log = &cf->cycle->new_log;

    ngx_queue_init(&keys->freeing);

    keys->free_event.handler = ngx_http_ai_key_set_free_event;
    keys->free_event.data = keys;
    keys->free_event.log = keys->log;
    keys->free_event.cancelable = 1;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_ai_keys_cleanup;
    cln->data = keys;

    keys->md = EVP_MD_CTX_new();
    keys->sum = EVP_MD_CTX_new();

    if (keys->md == NULL || keys->sum == NULL
        || EVP_DigestInit_ex(keys->md, EVP_sha256(), NULL) != 1
        || EVP_DigestInit_ex(keys->sum, EVP_sha256(), NULL) != 1)
    {
        return NULL;
    }

    return keys;
}


/* the cycle's end: no request is left that could hold a set */

static void
ngx_http_ai_keys_cleanup(void *data)
{
    ngx_http_ai_keys_t *keys = data;

    ngx_queue_t  *q;

    if (keys->free_event.timer_set) {
        ngx_del_timer(&keys->free_event);
    }

    while (!ngx_queue_empty(&keys->freeing)) {
        q = ngx_queue_head(&keys->freeing);
        ngx_queue_remove(q);
        ngx_http_ai_key_set_destroy(ngx_queue_data(q, ngx_http_ai_key_set_t,
                                                   queue));
    }

    if (keys->set) {
        ngx_http_ai_key_set_destroy(keys->set);
    }

    EVP_MD_CTX_free(keys->md);
    EVP_MD_CTX_free(keys->sum);
}


ngx_http_ai_key_set_t *
ngx_http_ai_key_set_create(ngx_http_ai_keys_t *keys, size_t n)
{
    ngx_http_ai_key_set_t  *set;

    set = ngx_calloc(sizeof(ngx_http_ai_key_set_t), keys->log);
    if (set == NULL) {
        return NULL;
    }

    set->keys = keys;

    if (ngx_http_ai_key_set_grow(&set->hashes, n, keys->log) != NGX_OK
        || ngx_http_ai_key_set_grow(&set->ids, n, keys->log) != NGX_OK)
    {
        ngx_http_ai_key_set_destroy(set);
        return NULL;
    }

    return set;
}


ngx_int_t
ngx_http_ai_key_set_add(ngx_http_ai_key_set_t *set,
    const ngx_http_ai_keyentry_t *entry, ngx_uint_t line, u_char *wrong,
    size_t *len)
{
    uint64_t            state;
    ngx_int_t           rc;
    ngx_pool_t         *pool;
    ngx_http_ai_key_t  *key;

    state = ngx_http_ai_keyentry_state(&entry->id);

    if (ngx_http_ai_key_set_check(set, entry, state, wrong, len) != NGX_OK) {
        return NGX_DECLINED;
    }

    pool = ngx_http_ai_key_set_pool(set);

    if (pool == NULL
        || ngx_http_ai_key_set_grow(&set->hashes, set->hashes.n,
                                    set->keys->log)
           != NGX_OK
        || ngx_http_ai_key_set_grow(&set->ids, set->ids.n, set->keys->log)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    key = ngx_pcalloc(pool, sizeof(ngx_http_ai_key_t));
    if (key == NULL) {
        return NGX_ERROR;
    }

    key->state = state;
    key->line = line;

    rc = ngx_http_ai_key_set_classes(set, key, entry, pool, wrong, len);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_ai_key_set_copy(key, entry, set->last, pool) != NGX_OK
        || ngx_http_ai_key_set_models(key, entry, set->last, pool) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_ai_keytable_add(&set->hashes, ngx_http_ai_keytable_tag(key->hash),
                             key);
    ngx_http_ai_keytable_add(&set->ids, state, key);

    set->last = key;

    if (set->budgeted == NULL && key->nbudgets) {
        set->budgeted = key;
    }

    return NGX_OK;
}


static ngx_pool_t *
ngx_http_ai_key_set_pool(ngx_http_ai_key_set_t *set)
{
    ngx_pool_t              *pool;
    ngx_http_ai_key_pool_t  *kp;

    kp = set->pools;

    if (kp && kp->n < NGX_HTTP_AI_KEY_BATCH) {
        kp->n++;
        return kp->pool;
    }

    pool = ngx_create_pool(NGX_HTTP_AI_KEY_POOL, set->keys->log);
    if (pool == NULL) {
        return NULL;
    }

    kp = ngx_palloc(pool, sizeof(ngx_http_ai_key_pool_t));
    if (kp == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    kp->pool = pool;
    kp->n = 1;
    kp->next = set->pools;
    set->pools = kp;

    return pool;
}


/* what two keys of one set must not share */

static ngx_int_t
ngx_http_ai_key_set_check(ngx_http_ai_key_set_t *set,
    const ngx_http_ai_keyentry_t *entry, uint64_t state, u_char *wrong,
    size_t *len)
{
    u_char                   *p, *last;
    const ngx_http_ai_key_t  *other;

    p = wrong;
    last = wrong + *len;

    other = ngx_http_ai_key_set_by_state(set, state);

    if (other && other->id.len == entry->id.len
        && ngx_memcmp(other->id.data, entry->id.data, entry->id.len) == 0)
    {
        p = ngx_slprintf(p, last, "key \"%V\" is duplicate, the first ",
                         &entry->id);

        if (other->line) {
            p = ngx_slprintf(p, last, "begins at line %ui, ", other->line);

        } else {
            p = ngx_slprintf(p, last, "is an \"ai_key\", ");
        }

        p = ngx_slprintf(p, last, "rename or remove one of them");

    } else if (other) {
        p = ngx_slprintf(p, last, "the counters of keys \"%V\" and \"%V\" "
                         "could not be told apart, rename one of them",
                         &other->id, &entry->id);
    } else {
        other = ngx_http_ai_key_set_find(set, entry->hash);

        if (other == NULL) {
            return NGX_OK;
        }

        p = ngx_slprintf(p, last, "keys \"%V\" and \"%V\" have the same hash, "
                         "make another key for one of them", &other->id,
                         &entry->id);
    }

    *len = p - wrong;

    return NGX_DECLINED;
}


static ngx_http_ai_key_t *
ngx_http_ai_key_set_by_state(const ngx_http_ai_key_set_t *set, uint64_t state)
{
    uint64_t  pos;

    pos = state;

    return ngx_http_ai_keytable_find(&set->ids, state, &pos);
}


const ngx_http_ai_key_t *
ngx_http_ai_key_set_named(const ngx_http_ai_key_set_t *set,
    const ngx_str_t *id)
{
    const ngx_http_ai_key_t  *key;

    key = ngx_http_ai_key_set_by_state(set, ngx_http_ai_keyentry_state(id));

    return key && key->id.len == id->len
           && ngx_memcmp(key->id.data, id->data, id->len) == 0 ? key : NULL;
}


const ngx_http_ai_key_t *
ngx_http_ai_key_set_find(const ngx_http_ai_key_set_t *set, const u_char *hash)
{
    uint64_t            pos, tag;
    ngx_http_ai_key_t  *key;

    tag = ngx_http_ai_keytable_tag(hash);
    pos = tag;

    do {
        key = ngx_http_ai_keytable_find(&set->hashes, tag, &pos);
    } while (key && CRYPTO_memcmp(key->hash, hash, NGX_HTTP_AI_KEY_HASH) != 0);

    return key;
}


/* room for the next of n keys */

static ngx_int_t
ngx_http_ai_key_set_grow(ngx_http_ai_keytable_t *t, size_t n, ngx_log_t *log)
{
    size_t                        size;
    ngx_http_ai_keytable_slot_t  *slots, *old;

    if (!ngx_http_ai_keytable_full(t)) {
        return NGX_OK;
    }

    old = t->slots;

    for (size = NGX_HTTP_AI_KEY_SLOTS; n >= size / 2; size *= 2) {
        /* void */
    }

    slots = ngx_calloc(size * sizeof(ngx_http_ai_keytable_slot_t), log);
    if (slots == NULL) {
        return NGX_ERROR;
    }

    ngx_http_ai_keytable_move(t, slots, size);

    if (old) {
        ngx_free(old);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_key_set_classes(ngx_http_ai_key_set_t *set,
    ngx_http_ai_key_t *key, const ngx_http_ai_keyentry_t *entry,
    ngx_pool_t *pool, u_char *wrong, size_t *len)
{
    u_char                   *p, *last;
    ngx_uint_t                i;
    const ngx_str_t          *name;
    ngx_http_ai_class_t      *class;
    ngx_http_ai_main_conf_t  *amcf;

    amcf = set->keys->conf;

    if (entry->nclasses) {
        key->classes = ngx_palloc(pool, entry->nclasses
                                        * sizeof(ngx_http_ai_class_t *));
        if (key->classes == NULL) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i <= entry->nclasses; i++) {

        /* the default class comes last, and need not be */

        name = (i < entry->nclasses) ? &entry->classes[i]
                                     : &entry->default_class;

        if (name->len == 0) {
            break;
        }

        class = ngx_http_ai_conf_find_class(amcf, name);

        if (class == NULL) {
            last = wrong + *len;
            p = ngx_slprintf(wrong, last, "unknown class \"%V\" of key "
                             "\"%V\", known are: ", name, &entry->id);
            *len = ngx_http_ai_key_set_known(amcf, p, last) - wrong;

            return NGX_DECLINED;
        }

        if (i == entry->nclasses) {
            key->default_class = class;
            break;
        }

        key->classes[key->nclasses++] = class;
    }

    return NGX_OK;
}


static u_char *
ngx_http_ai_key_set_known(ngx_http_ai_main_conf_t *amcf, u_char *p,
    u_char *last)
{
    ngx_uint_t             i;
    ngx_http_ai_class_t  **class;

    class = amcf->classes.elts;

    for (i = 0; i < amcf->classes.nelts; i++) {
        p = ngx_slprintf(p, last, i ? ", %V" : "%V", &class[i]->name);
    }

    return p;
}


static ngx_int_t
ngx_http_ai_key_set_copy(ngx_http_ai_key_t *key,
    const ngx_http_ai_keyentry_t *entry, const ngx_http_ai_key_t *last,
    ngx_pool_t *pool)
{
    if (ngx_http_ai_key_set_text(&key->id, &entry->id, NULL, pool) != NGX_OK
        || ngx_http_ai_key_set_text(&key->app, &entry->app,
                                    last ? &last->app : NULL, pool)
           != NGX_OK
        || ngx_http_ai_key_set_text(&key->team, &entry->team,
                                    last ? &last->team : NULL, pool)
           != NGX_OK
        || ngx_http_ai_key_set_text(&key->env, &entry->env,
                                    last ? &last->env : NULL, pool)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (entry->nbudgets) {
        key->budgets = ngx_palloc(pool, entry->nbudgets
                                        * sizeof(ngx_http_ai_budget_t));
        if (key->budgets == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(key->budgets, entry->budgets,
                   entry->nbudgets * sizeof(ngx_http_ai_budget_t));
        key->nbudgets = entry->nbudgets;
    }

    ngx_memcpy(key->hash, entry->hash, NGX_HTTP_AI_KEY_HASH);

    key->requests = entry->requests;
    key->tokens = entry->tokens;
    key->concurrent = entry->concurrent;
    key->expires = entry->expires;
    key->disabled = entry->disabled;
    key->knobs = entry->knobs;
    key->cut_off = entry->cut_off;

    return NGX_OK;
}


/* keys that stand together are often of one team: they share the text */

static ngx_int_t
ngx_http_ai_key_set_text(ngx_str_t *to, const ngx_str_t *from,
    const ngx_str_t *last, ngx_pool_t *pool)
{
    if (from->len == 0) {
        return NGX_OK;
    }

    if (last && last->len == from->len
        && ngx_memcmp(last->data, from->data, from->len) == 0)
    {
        *to = *last;
        return NGX_OK;
    }

    to->data = ngx_pnalloc(pool, from->len);
    if (to->data == NULL) {
        return NGX_ERROR;
    }

    to->len = from->len;
    ngx_memcpy(to->data, from->data, from->len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_key_set_models(ngx_http_ai_key_t *key,
    const ngx_http_ai_keyentry_t *entry, const ngx_http_ai_key_t *last,
    ngx_pool_t *pool)
{
    ngx_uint_t        i;
    const ngx_str_t  *shared;

    if (entry->nmodels == 0) {
        return NGX_OK;
    }

    key->models = ngx_pcalloc(pool, entry->nmodels * sizeof(ngx_str_t));
    if (key->models == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < entry->nmodels; i++) {
        shared = (last && i < last->nmodels) ? &last->models[i] : NULL;

        if (ngx_http_ai_key_set_text(&key->models[i], &entry->models[i],
                                     shared, pool)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    key->nmodels = entry->nmodels;

    return NGX_OK;
}


void
ngx_http_ai_key_set_use(ngx_http_ai_key_set_t *set)
{
    ngx_http_ai_keys_t     *keys;
    ngx_http_ai_key_set_t  *old;

    keys = set->keys;
    old = keys->set;

    set->refs++;
    keys->set = set;

    if (old) {
        ngx_http_ai_key_set_release(old);
    }
}


void
ngx_http_ai_key_set_release(ngx_http_ai_key_set_t *set)
{
    ngx_http_ai_keys_t  *keys;

    if (--set->refs) {
        return;
    }

    keys = set->keys;

    if (!keys->running) {
        ngx_http_ai_key_set_destroy(set);
        return;
    }

    ngx_queue_insert_tail(&keys->freeing, &set->queue);

    if (!keys->free_event.timer_set) {
        ngx_add_timer(&keys->free_event, 1);
    }
}


static void
ngx_http_ai_key_set_free_event(ngx_event_t *ev)
{
    ngx_http_ai_keys_t *keys = ev->data;

    ngx_uint_t              n;
    ngx_queue_t            *q;
    ngx_http_ai_key_set_t  *set;

    for (n = 0; n < NGX_HTTP_AI_KEY_FREED; n++) {

        if (ngx_queue_empty(&keys->freeing)) {
            return;
        }

        q = ngx_queue_head(&keys->freeing);
        set = ngx_queue_data(q, ngx_http_ai_key_set_t, queue);

        if (set->pools == NULL) {
            ngx_queue_remove(q);
        }

        if (!ngx_http_ai_key_set_free(set)) {
            break;
        }
    }

    ngx_add_timer(ev, 1);
}


/* frees a piece of it: a pool, or in the end itself; 0: it is gone */

static ngx_uint_t
ngx_http_ai_key_set_free(ngx_http_ai_key_set_t *set)
{
    ngx_http_ai_key_pool_t  *kp;

    kp = set->pools;

    if (kp) {
        set->pools = kp->next;
        ngx_destroy_pool(kp->pool);
        return 1;
    }

    if (set->hashes.slots) {
        ngx_free(set->hashes.slots);
    }

    if (set->ids.slots) {
        ngx_free(set->ids.slots);
    }

    ngx_free(set);

    return 0;
}


void
ngx_http_ai_key_set_destroy(ngx_http_ai_key_set_t *set)
{
    while (ngx_http_ai_key_set_free(set)) { /* void */ }
}
