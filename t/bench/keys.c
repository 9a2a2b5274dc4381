
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What a request's key costs, and how fast keys.json is read:
 *
 *   cc -O2 -DNGX_HTTP_AI_PURE=1 -Isrc/pure -o keys t/bench/keys.c \
 *      src/pure/ngx_http_ai_key*.c src/pure/ngx_http_ai_rate.c \
 *      -lcrypto -lyajl
 *   ./keys [NUMBER OF KEYS]
 *
 * A look-up is what ngx_http_ai_key_identify() does: the secret's SHA-256, the
 * table, and the comparison of the whole hash, here of a random key each time,
 * so that the memory caches help as little as they do in life.  The best of
 * several rounds is printed: it is the least disturbed one.
 */


#define _POSIX_C_SOURCE  200809L

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "ngx_http_ai_keyfile.h"
#include "ngx_http_ai_keytable.h"


#define ROUNDS   15
#define LOOKUPS  100000
#define SECRET   48


typedef struct {
    u_char                    hash[NGX_HTTP_AI_KEY_HASH];
    ngx_http_ai_keyentry_t    entry;        /* as far away as a key's fields */
} ngx_http_ai_bench_key_t;


static double
ngx_http_ai_bench_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec + ts.tv_nsec / 1e9;
}


static uint32_t
ngx_http_ai_bench_random(void)
{
    static uint64_t  x = 88172645463325252ull;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;

    return (uint32_t) (x >> 16);
}


static void
ngx_http_ai_bench_secret(char *p, size_t n)
{
    (void) snprintf(p, SECRET + 1, "sk-ai-%042zu", n);
}


static void
ngx_http_ai_bench_hash(EVP_MD_CTX *md, const void *p, size_t n, u_char *hash)
{
    if (EVP_DigestInit_ex(md, NULL, NULL) != 1
        || EVP_DigestUpdate(md, p, n) != 1
        || EVP_DigestFinal_ex(md, hash, NULL) != 1)
    {
        abort();
    }
}


static ngx_http_ai_bench_key_t *
ngx_http_ai_bench_find(const ngx_http_ai_keytable_t *t, const u_char *hash)
{
    uint64_t                  tag, pos;
    ngx_http_ai_bench_key_t  *key;

    tag = ngx_http_ai_keytable_tag(hash);
    pos = tag;

    do {
        key = ngx_http_ai_keytable_find(t, tag, &pos);
    } while (key && CRYPTO_memcmp(key->hash, hash, sizeof(key->hash)) != 0);

    return key;
}


static void
ngx_http_ai_bench_lookup(EVP_MD_CTX *md, size_t n)
{
    char                     *secrets, one[SECRET + 1];
    u_char                    hash[EVP_MAX_MD_SIZE];
    double                    start, took, best;
    size_t                    i, round, size, found;
    uint64_t                  tag;
    ngx_http_ai_keytable_t    t;
    ngx_http_ai_bench_key_t  *keys;

    memset(&t, 0, sizeof(t));

    for (size = 64; n >= size / 2; size *= 2) { /* void */ }

    ngx_http_ai_keytable_move(&t, calloc(size,
                                         sizeof(ngx_http_ai_keytable_slot_t)),
                              size);

    keys = calloc(n, sizeof(ngx_http_ai_bench_key_t));
    secrets = malloc(LOOKUPS * (SECRET + 1));

    for (i = 0; i < n; i++) {
        ngx_http_ai_bench_secret(one, i);
        ngx_http_ai_bench_hash(md, one, SECRET, keys[i].hash);
        tag = ngx_http_ai_keytable_tag(keys[i].hash);
        ngx_http_ai_keytable_add(&t, tag, &keys[i]);
    }

    best = 1e9;
    found = 0;

    for (round = 0; round < ROUNDS; round++) {

        for (i = 0; i < LOOKUPS; i++) {
            ngx_http_ai_bench_secret(secrets + i * (SECRET + 1),
                                     ngx_http_ai_bench_random() % n);
        }

        start = ngx_http_ai_bench_now();

        for (i = 0; i < LOOKUPS; i++) {
            ngx_http_ai_bench_hash(md, secrets + i * (SECRET + 1), SECRET,
                                   hash);
            found += (ngx_http_ai_bench_find(&t, hash) != NULL);
        }

        took = ngx_http_ai_bench_now() - start;
        best = ngx_min(best, took);
    }

    if (found != (size_t) ROUNDS * LOOKUPS) {
        printf("keys got lost\n");
        exit(1);
    }

    printf("%-10zu keys: %4.0f ns for a look-up, its SHA-256 included\n", n,
           best * 1e9 / LOOKUPS);

    free(t.slots);
    free(keys);
    free(secrets);
}


static ngx_int_t
ngx_http_ai_bench_key(void *data, ngx_http_ai_keyfile_t *kf,
    const ngx_http_ai_keyentry_t *entry)
{
    size_t *n = data;

    (void) kf;

    *n += (entry->id.len != 0);

    return NGX_OK;
}


static void
ngx_http_ai_bench_read(size_t n)
{
    char                          *p;
    double                         start, took, best;
    size_t                         i, len, pos, piece, round, seen;

    static ngx_http_ai_keyfile_t   kf;

    p = malloc(n * 400 + 100);
    len = sprintf(p, "{\"keys\":[\n");

    for (i = 0; i < n; i++) {
        len += sprintf(p + len, "{\"id\":\"client-%zu\",\"hash\":\"sha256:"
                       "%064zx\",\"app\":\"app-%zu\",\"team\":\"search\","
                       "\"env\":\"prod\",\"classes\":[\"interactive\"],"
                       "\"models\":[\"gpt-4o*\"],\"requests\":\"600r/m\","
                       "\"tokens\":\"1000000t/m\",\"concurrent\":20,"
                       "\"budget\":[{\"usd\":100,\"per\":\"month\"}],"
                       "\"expires\":\"2027-01-01T00:00:00Z\","
                       "\"disabled\":false}%s\n", i, i, i,
                       i + 1 < n ? "," : "");
    }

    len += sprintf(p + len, "]}\n");

    best = 1e9;

    for (round = 0; round < 5; round++) {

        seen = 0;
        start = ngx_http_ai_bench_now();

        if (ngx_http_ai_keyfile_init(&kf, ngx_http_ai_bench_key, &seen)
            != NGX_OK)
        {
            abort();
        }

        for (pos = 0; pos < len; pos += piece) {
            piece = ngx_min(len - pos, (size_t) 16384);

            if (ngx_http_ai_keyfile_feed(&kf, (u_char *) p + pos, piece)
                != NGX_OK)
            {
                printf("line %zu: %.*s\n", (size_t) kf.line,
                       (int) kf.wrong_len, kf.wrong);
                exit(1);
            }
        }

        if (ngx_http_ai_keyfile_end(&kf) != NGX_OK || seen != n) {
            abort();
        }

        ngx_http_ai_keyfile_free(&kf);

        took = ngx_http_ai_bench_now() - start;
        best = ngx_min(best, took);
    }

    printf("%-10zu keys: %4.0f ms for the reading of %.1f MB, %.0f MB/s\n", n,
           best * 1e3, len / 1e6, len / 1e6 / best);

    free(p);
}


int
main(int argc, char **argv)
{
    size_t       n;
    EVP_MD_CTX  *md;

    n = (argc > 1) ? (size_t) atol(argv[1]) : 10000;

    if (n == 0) {
        printf("usage: keys [NUMBER OF KEYS]\n");
        return 2;
    }

    md = EVP_MD_CTX_new();

    if (md == NULL || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1) {
        return 1;
    }

    ngx_http_ai_bench_lookup(md, n);
    ngx_http_ai_bench_read(n);

    EVP_MD_CTX_free(md);

    return 0;
}
