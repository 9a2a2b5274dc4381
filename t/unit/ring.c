
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* the byte ring, against a list of all that was written to it */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_ring.h"


#define ENTRIES  600
#define MOST     97                 /* bytes of an entry */
#define COPY     256


/* exactly as many bytes as the ring has, for the sanitizer */

static ngx_http_ai_ring_t *
ngx_http_ai_test_ring(size_t size)
{
    u_char               none[1];
    size_t               bytes;
    ngx_http_ai_ring_t  *ring;

    bytes = sizeof(ngx_http_ai_ring_t) + size;
    ring = malloc(bytes);

    if (ring == NULL) {
        printf("Bail out! no memory\n");
        exit(2);
    }

    memset(ring, 0xa5, bytes);
    ngx_http_ai_ring_init(ring, bytes);
    t_eq(ngx_http_ai_ring_held(ring, none, 1), 0);

    return ring;
}


/* the n-th entry: its length and bytes follow from n */

static size_t
ngx_http_ai_test_entry(ngx_uint_t n, u_char *p)
{
    size_t  i, len;

    len = (n * 7919) % (MOST + 1);

    for (i = 0; i < len; i++) {
        p[i] = (u_char) (n + 31 * i);
    }

    return len;
}


static void
ngx_http_ai_test_append(ngx_http_ai_ring_t *ring, ngx_uint_t n)
{
    u_char  *exact, p[MOST];
    size_t   len;

    len = ngx_http_ai_test_entry(n, p);
    exact = ngx_http_ai_test_dup(p, len);

    t_eq(ngx_http_ai_ring_append(ring, exact, len), NGX_OK);
    free(exact);
}


/* how many are read, from n back, each of them what it was */

static ngx_uint_t
ngx_http_ai_test_read(const ngx_http_ai_ring_t *ring, ngx_uint_t n,
    size_t copy)
{
    size_t      got, len;
    u_char     *buf, want[MOST];
    uint64_t    pos;
    ngx_str_t   entry;
    ngx_uint_t  seen;

    seen = 0;
    pos = NGX_HTTP_AI_RING_NEWEST;

    for ( ;; ) {
        buf = malloc(copy);

        got = ngx_http_ai_ring_back(ring, &pos, buf, copy);
        t_ok(got <= copy);

        if (got == 0) {
            free(buf);
            return seen;
        }

        while (ngx_http_ai_ring_last(buf, &got, &entry) == NGX_OK) {
            len = ngx_http_ai_test_entry(n--, want);
            t_mem(entry.data, entry.len, want, len);
            seen++;
        }

        t_eq(got, 0);
        free(buf);
    }
}


/* as many of the last ones as there is room for, at every offset of the end */

static void
ngx_http_ai_test_wrap(void)
{
    size_t               size, sum, oldest;
    u_char               first[8], want[MOST];
    ngx_uint_t           i, n, held;
    ngx_http_ai_ring_t  *ring;

    for (size = 136; size < 1200; size += 56) {
        ring = ngx_http_ai_test_ring(size);

        for (n = 0; n < ENTRIES; n++) {
            ngx_http_ai_test_append(ring, n);

            sum = 0;
            held = 0;

            for (i = n + 1; i > 0; i--) {
                sum += ngx_http_ai_ring_bytes(
                                        ngx_http_ai_test_entry(i - 1, want));
                if (sum > size) {
                    break;
                }

                held++;
            }

            t_eq(ngx_http_ai_test_read(ring, n, COPY), held);
            t_eq(ngx_http_ai_ring_held(ring, first, sizeof(first)), held);

            oldest = ngx_http_ai_test_entry(n + 1 - held, want);
            t_mem(first, ngx_min(oldest, sizeof(first)), want,
                  ngx_min(oldest, sizeof(first)));
        }

        free(ring);
    }
}


static void
ngx_http_ai_test_bounds(void)
{
    u_char               p[200];
    size_t               n;
    uint64_t             pos;
    ngx_http_ai_ring_t  *ring;

    memset(p, 'x', sizeof(p));
    ring = ngx_http_ai_test_ring(128);

    t_eq(ngx_http_ai_ring_append(ring, p, 113), NGX_DECLINED);
    t_eq(ngx_http_ai_ring_append(ring, p, 200), NGX_DECLINED);
    t_eq(ngx_http_ai_ring_held(ring, p, 1), 0);
    t_eq(p[0], 0);

    /* all of it by one */

    t_eq(ngx_http_ai_ring_append(ring, p, 112), NGX_OK);
    t_eq(ngx_http_ai_ring_held(ring, p, 1), 1);
    t_eq(ngx_http_ai_ring_append(ring, p, 112), NGX_OK);
    t_eq(ngx_http_ai_ring_held(ring, p, 1), 1);

    /* larger than the copy */

    pos = NGX_HTTP_AI_RING_NEWEST;
    t_eq(ngx_http_ai_ring_back(ring, &pos, p, 127), 0);
    t_eq(pos, 256);
    t_eq(ngx_http_ai_ring_back(ring, &pos, p, 128), 128);
    t_eq(pos, 128);
    t_eq(ngx_http_ai_ring_back(ring, &pos, p, 128), 0);

    /* overwritten between two slices */

    pos = 200;
    t_eq(ngx_http_ai_ring_append(ring, p, 112), NGX_OK);
    t_eq(ngx_http_ai_ring_back(ring, &pos, p, 128), 0);

    /* nothing is read off less than an edge */

    for (n = 1; n < 8; n++) {
        size_t     left;
        ngx_str_t  entry;

        left = n;
        t_eq(ngx_http_ai_ring_last(p, &left, &entry), NGX_ERROR);
    }

    free(ring);
}


/* a worker killed between any two stores of an append */

static void
ngx_http_ai_test_killed(void)
{
    u_char               first[8];
    uint64_t             head, tail;
    ngx_uint_t           n, held;
    ngx_http_ai_ring_t  *ring;

    ring = ngx_http_ai_test_ring(712);

    for (n = 0; n < ENTRIES; n++) {
        head = ring->head;
        tail = ring->tail;

        ngx_http_ai_test_append(ring, n);

        if (n % 3 == 0) {
            continue;
        }

        /* everything was done but for the last store */

        t_ok(ring->tail >= tail && ring->tail <= head);
        ring->head = head;

        held = ngx_http_ai_ring_held(ring, first, sizeof(first));
        t_eq(ngx_http_ai_test_read(ring, n - 1, COPY), held);

        ngx_http_ai_test_append(ring, n);
        t_ok(ngx_http_ai_ring_held(ring, first, sizeof(first)) >= held);
    }

    free(ring);
}


/* whatever the bytes say, nobody leaves the ring, and it heals */

static void
ngx_http_ai_test_corrupt(void)
{
    u_char               buf[COPY], first[64];
    size_t               got;
    uint64_t             pos;
    ngx_str_t            entry;
    ngx_uint_t           i, n, round;
    ngx_http_ai_ring_t  *ring;

    ring = ngx_http_ai_test_ring(520);

    for (round = 0; round < 3000; round++) {

        for (n = 0; n < 12; n++) {
            ngx_http_ai_test_append(ring, round + n);
        }

        for (i = 0; i < round % 40; i++) {
            ring->data[ngx_http_ai_test_random() % ring->size] =
                                  round % 2 ? ngx_http_ai_test_random() : 0xff;
        }

        if (round % 10 == 9) {
            ring->tail = round % 20 == 9 ? ring->head + 1 : 5;
        }

        pos = NGX_HTTP_AI_RING_NEWEST;

        while ((got = ngx_http_ai_ring_back(ring, &pos, buf, sizeof(buf)))) {
            while (ngx_http_ai_ring_last(buf, &got, &entry) == NGX_OK) {
                t_ok(entry.data >= buf
                     && entry.data + entry.len <= buf + sizeof(buf));
            }
        }

        (void) ngx_http_ai_ring_held(ring, first, sizeof(first));
    }

    for (n = 0; n < 100; n++) {
        ngx_http_ai_test_append(ring, n);
    }

    t_ok(ngx_http_ai_test_read(ring, 99, COPY) > 4);
    free(ring);
}


/* a length gone bad must not lead into the middle of the entry behind it */

static void
ngx_http_ai_test_misled(void)
{
    u_char               p[40], first[8];
    uint32_t             len;
    ngx_uint_t           i, bad;
    ngx_http_ai_ring_t  *ring;

    for (bad = 0; bad < 200; bad++) {
        ring = ngx_http_ai_test_ring(264);
        memset(p, 0, sizeof(p));

        for (i = 0; i < 4; i++) {
            t_eq(ngx_http_ai_ring_append(ring, p, sizeof(p)), NGX_OK);
        }

        len = bad;
        memcpy(ring->data, &len, sizeof(len));

        t_eq(ngx_http_ai_ring_append(ring, p, sizeof(p)), NGX_OK);
        t_eq((ring->head - ring->tail) % 56, 0);
        t_ok(ngx_http_ai_ring_held(ring, first, sizeof(first)) >= 1);

        free(ring);
    }
}


static void
ngx_http_ai_test_move(void)
{
    size_t               size;
    u_char               first[8];
    ngx_uint_t           n, held, moved;
    ngx_http_ai_ring_t  *from, *to;

    for (size = 128; size < 1500; size += 72) {

        for (n = 0; n < 90; n++) {
            from = ngx_http_ai_test_ring(648);

            for (held = 0; held < n; held++) {
                ngx_http_ai_test_append(from, held);
            }

            held = ngx_http_ai_ring_held(from, first, sizeof(first));

            to = ngx_http_ai_test_ring(size);
            ngx_http_ai_ring_move(to, from);

            moved = ngx_http_ai_ring_held(to, first, sizeof(first));
            t_ok(moved == held || (size < 648 && moved <= held));
            t_ok(to->head - to->tail <= to->size);
            t_eq(ngx_http_ai_test_read(to, n - 1, COPY), moved);

            /* and it goes on there */

            ngx_http_ai_test_append(to, n);
            t_ok(ngx_http_ai_test_read(to, n, COPY) >= 1);

            free(from);
            free(to);
        }
    }
}


/* an oldest entry whose number cannot be */

static void
ngx_http_ai_test_numbers(void)
{
    u_char               p[8];
    uint32_t             n;
    ngx_http_ai_ring_t  *ring;

    ring = ngx_http_ai_test_ring(128);

    for (n = 0; n < 5; n++) {
        t_eq(ngx_http_ai_ring_append(ring, p, 8), NGX_OK);
    }

    t_eq(ngx_http_ai_ring_held(ring, p, 1), 5);

    for (n = 6; n < 1000000; n += 77777) {
        memcpy(ring->data + 4, &n, 4);
        memcpy(ring->data + 20, &n, 4);
        t_eq(ngx_http_ai_ring_held(ring, p, 1), 7);
    }

    free(ring);
}


static const ngx_http_ai_test_t  tests[] = {
    { "every offset of the end, against a list", ngx_http_ai_test_wrap },
    { "entries too large, slices overtaken", ngx_http_ai_test_bounds },
    { "killed before the last store", ngx_http_ai_test_killed },
    { "bytes gone bad", ngx_http_ai_test_corrupt },
    { "a length gone bad", ngx_http_ai_test_misled },
    { "a number gone bad", ngx_http_ai_test_numbers },
    { "moved to one of another size", ngx_http_ai_test_move },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
