
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The tag stands beside the value, so that neither a search nor a move looks
 * at the values themselves, which are anywhere in memory.
 */


#include "ngx_http_ai_keytable.h"


uint64_t
ngx_http_ai_keytable_tag(const u_char *hash)
{
    uint64_t    tag, word;
    ngx_uint_t  i;

    tag = 0;

    for (i = 0; i < 4; i++) {
        ngx_memcpy(&word, hash + 8 * i, 8);

        tag = (tag ^ word) * 0x9e3779b97f4a7c15ull;
        tag ^= tag >> 32;
    }

    tag *= 0x9e3779b97f4a7c15ull;

    return tag ^ tag >> 29;
}


ngx_uint_t
ngx_http_ai_keytable_full(const ngx_http_ai_keytable_t *t)
{
    return t->n >= t->size / 2;
}


void
ngx_http_ai_keytable_move(ngx_http_ai_keytable_t *t,
    ngx_http_ai_keytable_slot_t *slots, size_t size)
{
    size_t                        i, old;
    ngx_http_ai_keytable_slot_t  *from;

    from = t->slots;
    old = t->size;

    t->slots = slots;
    t->size = size;
    t->n = 0;

    for (i = 0; i < old; i++) {
        if (from[i].value) {
            ngx_http_ai_keytable_add(t, from[i].tag, from[i].value);
        }
    }
}


void
ngx_http_ai_keytable_add(ngx_http_ai_keytable_t *t, uint64_t tag, void *value)
{
    size_t  i;

    for (i = tag & (t->size - 1);
         t->slots[i].value;
         i = (i + 1) & (t->size - 1))
    {
        /* void */
    }

    t->slots[i].tag = tag;
    t->slots[i].value = value;
    t->n++;
}


void *
ngx_http_ai_keytable_find(const ngx_http_ai_keytable_t *t, uint64_t tag,
    uint64_t *pos)
{
    ngx_http_ai_keytable_slot_t  *slot;

    if (t->size == 0) {
        return NULL;
    }

    for ( ;; ) {
        slot = &t->slots[(*pos)++ & (t->size - 1)];

        if (slot->value == NULL) {
            return NULL;
        }

        if (slot->tag == tag) {
            return slot->value;
        }
    }
}
