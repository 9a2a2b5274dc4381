
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* frames and the queue made of them, found by another process: any damage */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_frame.h"
#include "ngx_http_ai_resp.h"


#define HEAD   sizeof(ngx_http_ai_frame_t)
#define BLOCK  NGX_HTTP_AI_RESP_BLOCK


/* a frame whose payload is the number i, so long; returns its size */

static size_t
ngx_http_ai_test_frame(u_char *p, uint32_t i, size_t len, uint32_t state)
{
    size_t               size;
    ngx_http_ai_frame_t  frame[16];

    size = ngx_http_ai_frame_size(len);

    memset(frame, 0, sizeof(frame));
    memset(frame + 1, 'x', len);
    memcpy(frame + 1, &i, 4);

    ngx_http_ai_frame_seal(frame, len, state, 1);

    memcpy(p, frame, size);

    return size;
}


static uint32_t
ngx_http_ai_test_number(const ngx_str_t *payload)
{
    uint32_t  i;

    memcpy(&i, payload->data, 4);

    return i;
}


static void
ngx_http_ai_test_reader(ngx_http_ai_frame_reader_t *reader, const u_char *p,
    size_t n)
{
    memset(reader, 0, sizeof(ngx_http_ai_frame_reader_t));
    reader->pos = p;
    reader->last = p + n;
    reader->last_piece = 1;
}


/* so many frames of growing sizes; returns the end */

static size_t
ngx_http_ai_test_file(u_char *p, ngx_uint_t nframes)
{
    size_t      n;
    ngx_uint_t  i;

    for (n = 0, i = 0; i < nframes; i++) {
        n += ngx_http_ai_test_frame(p + n, i, 4 + i,
                                    NGX_HTTP_AI_FRAME_WAITS);
    }

    return n;
}


static void
ngx_http_ai_test_crc(void)
{
    size_t   i, n;
    u_char   buf[300];

    static const u_char  zeros[32];

    /* the values of RFC 3720 and of everybody else */

    t_eq(ngx_http_ai_frame_crc(0, (u_char *) "123456789", 9), 0xe3069283);
    t_eq(ngx_http_ai_frame_crc(0, zeros, 32), 0x8a9136aa);
    t_eq(ngx_http_ai_frame_crc_soft(0, (u_char *) "123456789", 9), 0xe3069283);
    t_eq(ngx_http_ai_frame_crc_soft(0, zeros, 32), 0x8a9136aa);

    for (i = 0; i < sizeof(buf); i++) {
        buf[i] = (u_char) ngx_http_ai_test_random();
    }

    for (n = 0; n < sizeof(buf); n++) {
        i = ngx_http_ai_test_random() % (n + 1);

        t_eq(ngx_http_ai_frame_crc(0, buf, n),
             ngx_http_ai_frame_crc_soft(0, buf, n));
        t_eq(ngx_http_ai_frame_crc(ngx_http_ai_frame_crc(0, buf, i), buf + i,
                                   n - i),
             ngx_http_ai_frame_crc_soft(0, buf, n));
    }
}


/* files of today must be read by what comes later */

static void
ngx_http_ai_test_golden(void)
{
    ngx_http_ai_frame_t  frame[3];

    if (*(const u_char *) &(const uint16_t) { 1 } != 1) {
        t_ok(1);                /* another byte order, other files */
        return;
    }

    memset(frame, 0, sizeof(frame));
    memcpy(frame + 1, "hello", 5);
    ngx_http_ai_frame_seal(frame, 5, NGX_HTTP_AI_FRAME_WAITS, 1);

    t_mem(frame, ngx_http_ai_frame_size(5),
          "\xa1\x5fz1\5\0\0\0\xa1\xb1\x17NWAIThello\0\0\0", 24);
}


/* pieces of any length, however the frames lie in them */

static void
ngx_http_ai_test_split(void)
{
    size_t                       n, at, have, piece;
    u_char                      *p, buf[4096];
    ngx_str_t                    payload;
    ngx_int_t                    rc;
    ngx_uint_t                   i, frames;
    ngx_http_ai_frame_reader_t   reader;

    frames = 12;
    n = ngx_http_ai_test_file(buf, frames);

    for (piece = 1; piece <= n; piece++) {
        memset(&reader, 0, sizeof(reader));
        at = 0;
        have = 0;
        i = 0;

        /* as who reads a file does: from where it was not used up, more */

        for ( ;; ) {
            have = ngx_min(have + piece, n - at);
            p = ngx_http_ai_test_dup(buf + at, have);

            reader.pos = p;
            reader.last = p + have;
            reader.last_piece = (at + have == n);

            while ((rc = ngx_http_ai_frame_next(&reader, &payload)) == NGX_OK)
            {
                t_eq(ngx_http_ai_test_number(&payload), i);
                t_eq(payload.len, 4 + i);
                t_eq(reader.state, NGX_HTTP_AI_FRAME_WAITS);
                i++;
            }

            at += reader.pos - p;
            have -= reader.pos - p;
            free(p);

            if (rc == NGX_DONE) {
                break;
            }

            t_eq(rc, NGX_AGAIN);
        }

        t_eq(i, frames);
        t_eq(reader.gaps, 0);
        t_eq(reader.skipped, 0);
    }
}


/* written up to any byte, and then goes on or not */

static void
ngx_http_ai_test_torn(void)
{
    size_t                       n, cut, ends[13], tail, pad;
    u_char                      *p, buf[4096], more[8192];
    ngx_str_t                    payload;
    ngx_uint_t                   i, whole;
    ngx_http_ai_frame_reader_t   reader;

    for (n = 0, i = 0; i < 12; i++) {
        n += ngx_http_ai_test_frame(buf + n, i, 4 + i,
                                    NGX_HTTP_AI_FRAME_WAITS);
        /* a frame is whole without its padding */
        ends[i] = n - (ngx_http_ai_frame_size(4 + i) - HEAD - 4 - i);
    }

    for (cut = 0; cut <= n; cut++) {

        for (whole = 0; whole < 12 && ends[whole] <= cut; whole++) {
            /* void */
        }

        p = ngx_http_ai_test_dup(buf, cut);
        ngx_http_ai_test_reader(&reader, p, cut);

        for (i = 0; ngx_http_ai_frame_next(&reader, &payload) == NGX_OK; i++) {
            t_eq(ngx_http_ai_test_number(&payload), i);
        }

        t_eq(i, whole);
        t_ok(reader.gaps <= 1);
        free(p);

        /* another writer has gone on right behind the torn one */

        memcpy(more, buf, cut);
        tail = cut + ngx_http_ai_test_file(more + cut, 3);

        p = ngx_http_ai_test_dup(more, tail);
        ngx_http_ai_test_reader(&reader, p, tail);

        /* where only padding was torn, the next frame lies within it */

        pad = (whole && cut < ((ends[whole - 1] + 7) & ~(size_t) 7));

        for (i = 0; ngx_http_ai_frame_next(&reader, &payload) == NGX_OK; i++) {
            t_eq(ngx_http_ai_test_number(&payload),
                 i < whole ? i : i - whole + pad);
        }

        t_eq(i, whole + 3 - pad);
        t_ok(reader.gaps <= 1);
        free(p);
    }
}


/* any bit: at most its own frame is lost, and no other bytes are taken */

static void
ngx_http_ai_test_flipped(void)
{
    size_t                       n, len, bit, at;
    u_char                      *p, buf[2048];
    ngx_str_t                    payload;
    ngx_uint_t                   i, got, hit;
    ngx_http_ai_frame_reader_t   reader;

    n = ngx_http_ai_test_file(buf, 10);

    for (bit = 0; bit < 8 * n; bit++) {
        p = ngx_http_ai_test_dup(buf, n);
        p[bit / 8] ^= 1 << bit % 8;

        for (hit = 0, at = 0; hit < 10; hit++) {
            at += ngx_http_ai_frame_size(4 + hit);
            if (bit / 8 < at) {
                break;
            }
        }

        ngx_http_ai_test_reader(&reader, p, n);

        for (i = 0, got = 0;
             ngx_http_ai_frame_next(&reader, &payload) == NGX_OK;
             i++, got++)
        {
            if (i == hit && ngx_http_ai_test_number(&payload) != hit) {
                i++;
            }

            t_eq(ngx_http_ai_test_number(&payload), i);
            t_eq(payload.len, 4 + i);
            t_ok(reader.state != NGX_HTTP_AI_FRAME_DONE
                 && reader.state != NGX_HTTP_AI_FRAME_COPY);

            len = payload.len;
            t_ok(payload.data >= p && payload.data + len <= p + n);
        }

        t_ok(got >= 9);
        t_eq(reader.gaps, got == 10 ? 0 : 1);
        free(p);
    }
}


/* lengths that lead astray, a magic in the middle of a payload */

static void
ngx_http_ai_test_wrong(void)
{
    size_t                       n, m;
    u_char                       buf[2048];
    uint32_t                     len, magic;
    ngx_str_t                    payload;
    ngx_uint_t                   i;
    ngx_http_ai_frame_reader_t   reader;

    static const uint32_t  lens[] = {
        0, 1, 16, 64, NGX_HTTP_AI_FRAME_MAX, NGX_HTTP_AI_FRAME_MAX + 1,
        0x7fffffff, 0xfffffff0, 0xffffffff
    };

    for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        n = ngx_http_ai_test_frame(buf, 1, 100, NGX_HTTP_AI_FRAME_WAITS);
        m = n + ngx_http_ai_test_frame(buf + n, 2, 100,
                                       NGX_HTTP_AI_FRAME_WAITS);
        memcpy(buf + 4, &lens[i], 4);

        magic = NGX_HTTP_AI_FRAME_MAGIC;
        memcpy(buf + 40, &magic, 4);
        len = 32;
        memcpy(buf + 44, &len, 4);

        ngx_http_ai_test_reader(&reader, buf, m);
        t_eq(ngx_http_ai_frame_next(&reader, &payload), NGX_OK);
        t_eq(ngx_http_ai_test_number(&payload), 2);
        t_eq(ngx_http_ai_frame_next(&reader, &payload), NGX_DONE);
        t_eq(reader.gaps, 1);
        t_eq(reader.skipped, n);
    }

    /* nothing but zeros, as some systems leave it after a loss of power */

    memset(buf, 0, sizeof(buf));
    ngx_http_ai_test_reader(&reader, buf, sizeof(buf));
    t_eq(ngx_http_ai_frame_next(&reader, &payload), NGX_DONE);
    t_eq(reader.gaps, 1);
    t_eq(reader.skipped, sizeof(buf));
}


static void
ngx_http_ai_test_heads(void)
{
    size_t                     bit;
    ngx_http_ai_frame_file_t   file, f;
    ngx_http_ai_frame_block_t  block, b;

    file.magic = NGX_HTTP_AI_FRAME_FILE;
    file.done = 5000;
    file.check = ~file.done;

    t_eq(ngx_http_ai_frame_done(&file, 6000), 5000);
    t_eq(ngx_http_ai_frame_done(&file, 5000), 5000);
    t_eq(ngx_http_ai_frame_done(&file, 4999), sizeof(file));
    t_eq(ngx_http_ai_frame_done(&file, 10), 10);

    for (bit = 0; bit < 8 * sizeof(file); bit++) {
        f = file;
        ((u_char *) &f)[bit / 8] ^= 1 << bit % 8;
        t_eq(ngx_http_ai_frame_done(&f, 6000), sizeof(file));
    }

    block.magic = NGX_HTTP_AI_FRAME_BLOCK;
    block.used = 1000;
    block.seq = 7;

    t_eq(ngx_http_ai_frame_used(&block, BLOCK), 1000 - sizeof(block));

    block.magic = NGX_HTTP_AI_FRAME_FREE;
    t_eq(ngx_http_ai_frame_used(&block, BLOCK), 0);

    memset(&b, 0, sizeof(b));
    t_eq(ngx_http_ai_frame_used(&b, BLOCK), 0);

    for (bit = 0; bit < 32; bit++) {
        b = block;
        b.magic = NGX_HTTP_AI_FRAME_BLOCK ^ (1u << bit);
        t_eq(ngx_http_ai_frame_used(&b, BLOCK), BLOCK - sizeof(b));
    }

    block.magic = NGX_HTTP_AI_FRAME_BLOCK;
    block.used = 8;
    t_eq(ngx_http_ai_frame_used(&block, BLOCK), BLOCK - sizeof(b));
    block.used = BLOCK + 8;
    t_eq(ngx_http_ai_frame_used(&block, BLOCK), BLOCK - sizeof(b));
}


/* counts what a stranger finds waiting in the frames, for each number */

static void
ngx_http_ai_test_count(const u_char *p, size_t n, u_char *seen)
{
    ngx_str_t                   payload;
    ngx_http_ai_frame_reader_t  reader;

    ngx_http_ai_test_reader(&reader, p, n);

    while (ngx_http_ai_frame_next(&reader, &payload) == NGX_OK) {
        if (reader.state == NGX_HTTP_AI_FRAME_WAITS) {
            seen[ngx_http_ai_test_number(&payload)]++;
        }
    }

    t_eq(reader.gaps, 0);
}


static void
ngx_http_ai_test_stranger(const u_char *map, size_t size, u_char *seen)
{
    size_t                            i;
    const ngx_http_ai_frame_block_t  *head;

    for (i = 0; i < size; i += BLOCK) {
        head = (const ngx_http_ai_frame_block_t *) (const void *) (map + i);
        ngx_http_ai_test_count((const u_char *) (head + 1),
                               ngx_http_ai_frame_used(head, BLOCK), seen);
    }
}


/*
 * A queue in memory that is not its own, its blocks moved to a file when it
 * is full: at every moment the memory and the file together have what is not
 * confirmed, once, and nothing else.
 */

#define NRECORDS  30000

static void
ngx_http_ai_test_life(void)
{
    u_char                    *map, *p, *file;
    size_t                     size, room, nfile, len;
    uint32_t                   put;
    ngx_str_t                  cmd, frames;
    ngx_uint_t                 step, i, moved, nsent, flight, bad, tail, ncopy;
    static u_char              done[NRECORDS], copy[NRECORDS], seen[NRECORDS];
    static uint32_t            sent[NRECORDS];
    ngx_http_ai_resp_queue_t   q;

    size = 16 * BLOCK;
    map = calloc(1, size);
    file = malloc(64 * 1024 * 1024);
    nfile = moved = nsent = flight = ncopy = 0;
    put = 0;

    t_eq(ngx_http_ai_resp_queue_init(&q, size, map, 1), NGX_OK);

    for (step = 0; step < 150000 && put < NRECORDS; step++) {

        switch (ngx_http_ai_test_random() % 12) {

        case 0: case 1: case 2: case 3:
            len = 4 + ngx_http_ai_test_random() % 5000;
            p = ngx_http_ai_resp_queue_reserve(&q, len, &room);

            if (p == NULL) {
                tail = ngx_http_ai_test_random() % 2;

                if (ngx_http_ai_resp_queue_idle(&q, tail, &frames) == NGX_OK) {
                    memcpy(file + nfile, frames.data, frames.len);
                    nfile += frames.len;
                    moved += ngx_http_ai_resp_queue_drop(&q, tail);
                    break;
                }

                /* room is always made by a block that is not in flight */
                t_ok(0);
                break;
            }

            t_ok(room >= len);
            memset(p, 'x', len);
            memcpy(p, &put, 4);
            copy[put] = ngx_http_ai_test_random() % 10 == 0;
            ngx_http_ai_resp_queue_commit(&q, len, copy[put]);
            put++;
            break;

        case 4: case 5: case 6:
            if (ngx_http_ai_resp_queue_next(&q, &cmd) == NGX_OK) {
                sent[nsent++ % NRECORDS] = ngx_http_ai_test_number(&cmd);
                ngx_http_ai_resp_queue_sent(&q);
            }
            break;

        case 7: case 8:
            if (flight < nsent && ngx_http_ai_test_random() % 3 == 0) {
                ngx_http_ai_resp_queue_reply(&q, 1);
                i = sent[flight++ % NRECORDS];
                t_eq(done[i], 0);
                done[i] = 1;
            }
            break;

        case 9:
            ngx_http_ai_resp_queue_release(&q);
            break;

        default:
            if (ngx_http_ai_test_random() % 300 == 0) {
                ngx_http_ai_resp_queue_rewind(&q);
                nsent = flight;
            }
        }

        t_eq(q.inflight, nsent - flight);

        if (step % 500) {
            continue;
        }

        memset(seen, 0, sizeof(seen));
        ngx_http_ai_test_stranger(map, size, seen);
        ngx_http_ai_test_count(file, nfile, seen);

        for (i = 0, bad = 0; i < put; i++) {
            bad += (seen[i] != (!done[i] && !copy[i]));
        }

        for ( /* void */ ; i < NRECORDS; i++) {
            bad += seen[i];
        }

        t_eq(bad, 0);
    }

    t_ok(put > 20000 && moved > 1000);

    /* what was given up of copies is told, and nothing else */

    for (i = 0; i < put; i++) {
        ncopy += copy[i] && !done[i];
    }

    t_eq(q.lost + q.copies, ncopy);

    for (i = 0, bad = 0; i < put; i++) {
        bad += !copy[i] && !done[i];
    }

    t_eq(q.n - q.copies + moved, bad);

    ngx_http_ai_resp_queue_free(&q);
    free(map);
    free(file);
}


/* commands in flight leave room for those that come */

static void
ngx_http_ai_test_window(void)
{
    u_char                    *p;
    size_t                     room;
    ngx_str_t                  cmd, frames;
    ngx_uint_t                 i, n;
    ngx_http_ai_resp_queue_t   q;

    t_eq(ngx_http_ai_resp_queue_init(&q, 16 * BLOCK, NULL, 1), NGX_OK);

    for (n = 0; (p = ngx_http_ai_resp_queue_reserve(&q, 10000, &room)); n++) {
        memset(p, 0, 10000);
        ngx_http_ai_resp_queue_commit(&q, 10000, 0);
    }

    for (i = 0; ngx_http_ai_resp_queue_next(&q, &cmd) == NGX_OK; i++) {
        ngx_http_ai_resp_queue_sent(&q);
    }

    t_ok(i >= n / 3 && i <= n / 2);

    for (i = 0; ngx_http_ai_resp_queue_idle(&q, 0, &frames) == NGX_OK; i++) {
        t_eq(ngx_http_ai_resp_queue_drop(&q, 0), 6);
    }

    /* eight in flight, the next to be sent, the one that is written to */

    t_eq(i, 6);
    t_eq(q.nblocks, 10);
    t_eq(q.n, 60);

    /* the rest goes on as if nothing had been */

    while (q.inflight) {
        ngx_http_ai_resp_queue_reply(&q, 1);
    }

    for (i = 0; ngx_http_ai_resp_queue_next(&q, &cmd) == NGX_OK; i++) {
        ngx_http_ai_resp_queue_sent(&q);
        ngx_http_ai_resp_queue_reply(&q, 1);
    }

    ngx_http_ai_resp_queue_release(&q);
    t_eq(i, 12);
    t_eq(q.n, 0);
    t_eq(q.nblocks, 1);

    ngx_http_ai_resp_queue_free(&q);
}


static const ngx_http_ai_test_t  tests[] = {
    { "crc", ngx_http_ai_test_crc },
    { "the format", ngx_http_ai_test_golden },
    { "pieces of every length", ngx_http_ai_test_split },
    { "torn at every byte", ngx_http_ai_test_torn },
    { "every bit flipped", ngx_http_ai_test_flipped },
    { "wrong lengths, zeros", ngx_http_ai_test_wrong },
    { "heads", ngx_http_ai_test_heads },
    { "queue: found by a stranger at any time", ngx_http_ai_test_life },
    { "queue: bounded flight, blocks taken out", ngx_http_ai_test_window },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
