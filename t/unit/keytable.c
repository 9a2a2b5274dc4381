
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_keytable.h"


static void
ngx_http_ai_test_grow(ngx_http_ai_keytable_t *t)
{
    size_t                        size;
    ngx_http_ai_keytable_slot_t  *old;

    if (!ngx_http_ai_keytable_full(t)) {
        return;
    }

    old = t->slots;
    size = t->size ? t->size * 2 : 4;

    ngx_http_ai_keytable_move(t, calloc(size,
                                        sizeof(ngx_http_ai_keytable_slot_t)),
                              size);
    free(old);
}


static void
ngx_http_ai_test_none(void)
{
    uint64_t                pos;
    ngx_http_ai_keytable_t  t;

    memset(&t, 0, sizeof(t));

    pos = 17;
    t_ok(ngx_http_ai_keytable_find(&t, 17, &pos) == NULL);
    t_ok(ngx_http_ai_keytable_full(&t));
}


/* every value is found, and nothing else, while the table grows */

static void
ngx_http_ai_test_many(void)
{
    char                    *value;
    uint64_t                *tags, pos;
    ngx_uint_t               i, n;
    ngx_http_ai_keytable_t   t;

    n = 5000;
    tags = malloc(n * sizeof(uint64_t));
    value = malloc(n);
    memset(&t, 0, sizeof(t));

    for (i = 0; i < n; i++) {
        tags[i] = (uint64_t) ngx_http_ai_test_random() << 32
                  | ngx_http_ai_test_random();

        ngx_http_ai_test_grow(&t);
        ngx_http_ai_keytable_add(&t, tags[i], &value[i]);

        pos = tags[i];
        t_ok(ngx_http_ai_keytable_find(&t, tags[i], &pos) == &value[i]);
        t_ok(ngx_http_ai_keytable_find(&t, tags[i], &pos) == NULL);

        t_ok(t.n == i + 1);
        t_ok(t.n <= t.size / 2);
    }

    for (i = 0; i < n; i++) {
        pos = tags[i];
        t_ok(ngx_http_ai_keytable_find(&t, tags[i], &pos) == &value[i]);

        pos = tags[i] + 1;
        t_ok(ngx_http_ai_keytable_find(&t, tags[i] + 1, &pos) == NULL);
    }

    free(t.slots);
    free(tags);
    free(value);
}


/* one tag for several, and a row of slots that goes around the end */

static void
ngx_http_ai_test_same(void)
{
    char                    value[3], *v;
    uint64_t                pos;
    ngx_uint_t              seen;
    ngx_http_ai_keytable_t  t;

    memset(&t, 0, sizeof(t));

    ngx_http_ai_test_grow(&t);
    ngx_http_ai_test_grow(&t);
    ngx_http_ai_keytable_add(&t, UINT64_MAX, &value[0]);
    ngx_http_ai_test_grow(&t);
    ngx_http_ai_keytable_add(&t, UINT64_MAX, &value[1]);
    ngx_http_ai_test_grow(&t);
    ngx_http_ai_keytable_add(&t, UINT64_MAX - t.size, &value[2]);

    seen = 0;
    pos = UINT64_MAX;

    while ((v = ngx_http_ai_keytable_find(&t, UINT64_MAX, &pos)) != NULL) {
        seen |= (ngx_uint_t) 1 << (v - value);
    }

    t_eq(seen, 3);

    free(t.slots);
}


/* numbers instead of hashes, written from either end: no crowd anywhere */

static void
ngx_http_ai_test_tag(void)
{
    u_char        hash[32];
    uint64_t      tag;
    ngx_uint_t    i, byte, end, most;

    static ngx_uint_t  seen[4096];

    for (end = 0; end < 8; end++) {

        memset(seen, 0, sizeof(seen));
        most = 0;

        for (i = 0; i < 4096 * 4; i++) {

            memset(hash, 0, sizeof(hash));

            for (byte = 0; byte < 2; byte++) {
                hash[end * 4 + (end & 1 ? byte : 3 - byte)] = i >> (8 * byte);
            }

            tag = ngx_http_ai_keytable_tag(hash);
            most = ngx_max(most, ++seen[tag & 4095]);
        }

        t_ok(most < 32);
    }
}


static const ngx_http_ai_test_t  tests[] = {
    { "tags", ngx_http_ai_test_tag },
    { "an empty table", ngx_http_ai_test_none },
    { "many values", ngx_http_ai_test_many },
    { "values of one tag", ngx_http_ai_test_same },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
