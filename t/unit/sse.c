
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_sse.h"


#define NEVENTS  64
#define CARRY    4096


/* one event, by offsets into the stream, so that runs can be compared */

typedef struct {
    size_t                  start;
    size_t                  size;
    ngx_http_ai_sse_kind_e  kind;
    ngx_uint_t              multi;
    ngx_uint_t              truncated;
    ngx_uint_t              open;
    ssize_t                 data;         /* offset in raw, -1: none */
    size_t                  data_len;
    ssize_t                 name;
    size_t                  name_len;
    uint32_t                joined;       /* hash of the joined data */
} ngx_http_ai_test_event_t;


typedef struct {
    ngx_uint_t                n;
    ngx_http_ai_test_event_t  ev[NEVENTS];
} ngx_http_ai_test_stream_t;


typedef struct {
    const u_char               *input;
    size_t                      len;
    size_t                      done;     /* bytes given out as events */
    ngx_http_ai_test_stream_t  *out;
} ngx_http_ai_test_ctx_t;


static uint32_t
ngx_http_ai_test_hash(const u_char *p, size_t n)
{
    uint32_t  h;

    for (h = 2166136261u; n; n--) {
        h = (h ^ *p++) * 16777619u;
    }

    return h;
}


/* records an event; checks what must hold for any event not truncated */

static void
ngx_http_ai_test_got(ngx_http_ai_test_ctx_t *ctx,
    ngx_http_ai_sse_event_t *ev, size_t fed)
{
    u_char                    *joined;
    size_t                     n;
    ngx_http_ai_test_event_t  *e;

    t_ok(ctx->out->n < NEVENTS);

    e = &ctx->out->ev[ctx->out->n++ % NEVENTS];
    memset(e, 0, sizeof(ngx_http_ai_test_event_t));

    t_eq(ev->truncated, 0);
    t_eq(ev->size, ev->raw.len);
    t_ok(ev->size > 0 && ctx->done + ev->size <= ctx->len);
    t_mem(ev->raw.data, ev->raw.len, ctx->input + ctx->done, ev->size);
    t_eq(ev->carried, fed > ctx->done ? fed - ctx->done : 0);

    e->start = ctx->done;
    e->size = ev->size;
    e->kind = ev->kind;
    e->multi = ev->multi;
    e->open = ev->open;
    e->data = ev->data.data ? ev->data.data - ev->raw.data : -1;
    e->data_len = ev->data.len;
    e->name = ev->name.data ? ev->name.data - ev->raw.data : -1;
    e->name_len = ev->name.len;

    joined = malloc(ev->raw.len);
    n = ngx_http_ai_sse_join(ev, joined);
    e->joined = ngx_http_ai_test_hash(joined, n);

    if (!ev->multi) {
        t_mem(joined, n, ev->data.data, ev->data.len);
    }

    free(joined);

    ctx->done += ev->size;
}


/* feeds the stream in pieces that end at the given places */

static void
ngx_http_ai_test_feed(ngx_http_ai_test_stream_t *out, const char *s,
    size_t n, const size_t *cuts, size_t ncuts)
{
    size_t                    i, from, to;
    u_char                   *piece, *pos, *last, *carry;
    ngx_int_t                 rc;
    ngx_http_ai_sse_t         sse;
    ngx_http_ai_test_ctx_t    ctx;
    ngx_http_ai_sse_event_t   ev;

    memset(out, 0, sizeof(ngx_http_ai_test_stream_t));

    ctx.input = (const u_char *) s;
    ctx.len = n;
    ctx.done = 0;
    ctx.out = out;

    carry = malloc(CARRY);
    ngx_http_ai_sse_init(&sse, carry, CARRY);

    from = 0;

    for (i = 0; i <= ncuts; i++) {
        to = (i == ncuts) ? n : cuts[i];
        piece = ngx_http_ai_test_dup(s + from, to - from);

        pos = piece;
        last = piece + (to - from);

        for ( ;; ) {
            rc = ngx_http_ai_sse_next(&sse, &pos, last, &ev);

            if (rc != NGX_OK) {
                break;
            }

            t_eq(ev.open, 0);
            ngx_http_ai_test_got(&ctx, &ev, from);
        }

        t_eq(rc, NGX_AGAIN);
        t_ok(pos == last);
        t_eq(sse.pending, to - ctx.done);

        free(piece);
        from = to;
    }

    rc = ngx_http_ai_sse_end(&sse, &ev);
    t_eq(rc, ctx.done < n ? NGX_OK : NGX_DONE);

    if (rc == NGX_OK) {
        ngx_http_ai_test_got(&ctx, &ev, n);
    }

    t_eq(ctx.done, n);
    t_eq(ngx_http_ai_sse_end(&sse, &ev), NGX_DONE);

    free(carry);
}


/* the result for the whole, after each split gave the same */

static ngx_http_ai_test_stream_t
ngx_http_ai_test_split(const char *s, size_t n)
{
    size_t                     a, i, *cuts;
    ngx_http_ai_test_stream_t  whole, split;

    ngx_http_ai_test_note = s;
    ngx_http_ai_test_feed(&whole, s, n, NULL, 0);

    for (a = 0; a <= n; a++) {
        ngx_http_ai_test_feed(&split, s, n, &a, 1);
        t_mem(&split, sizeof(split), &whole, sizeof(whole));
    }

    for (i = 0; i < 200; i++) {
        size_t  pair[2];

        pair[0] = ngx_http_ai_test_random() % (n + 1);
        pair[1] = pair[0] + ngx_http_ai_test_random() % (n - pair[0] + 1);
        ngx_http_ai_test_feed(&split, s, n, pair, 2);
        t_mem(&split, sizeof(split), &whole, sizeof(whole));
    }

    cuts = malloc((n + 1) * sizeof(size_t));

    for (a = 0; a < n; a++) {
        cuts[a] = a;
    }

    ngx_http_ai_test_feed(&split, s, n, cuts, n);
    t_mem(&split, sizeof(split), &whole, sizeof(whole));

    free(cuts);

    return whole;
}


typedef struct {
    const char  *raw;
    int          kind;
    const char  *data;                    /* joined */
    const char  *name;
} ngx_http_ai_test_want_t;


static void
ngx_http_ai_test_want(const ngx_http_ai_test_want_t *want)
{
    char                       s[1024];
    size_t                     n;
    ngx_uint_t                 i;
    ngx_http_ai_test_stream_t  got;

    s[0] = '\0';

    for (i = 0; want[i].raw; i++) {
        strcat(s, want[i].raw);
    }

    got = ngx_http_ai_test_split(s, strlen(s));
    t_eq(got.n, i);

    for (n = 0, i = 0; want[i].raw && i < got.n; i++) {
        t_eq(got.ev[i].start, n);
        t_eq(got.ev[i].size, strlen(want[i].raw));
        t_eq(got.ev[i].kind, want[i].kind);

        if (want[i].data) {
            t_ok(got.ev[i].data >= 0);
            t_eq(got.ev[i].joined,
                 ngx_http_ai_test_hash((const u_char *) want[i].data,
                                       strlen(want[i].data)));

            if (!got.ev[i].multi) {
                t_mem(s + n + got.ev[i].data, got.ev[i].data_len,
                      want[i].data, strlen(want[i].data));
            }

        } else {
            t_eq(got.ev[i].data, -1);
        }

        if (want[i].name) {
            t_ok(got.ev[i].name >= 0);
            t_mem(s + n + got.ev[i].name, got.ev[i].name_len,
                  want[i].name, strlen(want[i].name));

        } else {
            t_eq(got.ev[i].name, -1);
        }

        n += got.ev[i].size;
    }
}


static void
ngx_http_ai_test_plain(void)
{
    static const ngx_http_ai_test_want_t  want[] = {
        { "data: {\"a\":1}\n\n", NGX_HTTP_AI_SSE_DATA, "{\"a\":1}", NULL },
        { "data:x\n\n", NGX_HTTP_AI_SSE_DATA, "x", NULL },
        { "data:  y \n\n", NGX_HTTP_AI_SSE_DATA, " y ", NULL },
        { "event: ping\ndata: {}\n\n", NGX_HTTP_AI_SSE_DATA, "{}", "ping" },
        { "data: {}\nevent:late\n\n", NGX_HTTP_AI_SSE_DATA, "{}", "late" },
        { "event: a\nevent: b\ndata: z\n\n", NGX_HTTP_AI_SSE_DATA, "z", "b" },
        { "id: 1\nretry: 10\ndata: q\n\n", NGX_HTTP_AI_SSE_DATA, "q", NULL },
        { "data: [DONE]\n\n", NGX_HTTP_AI_SSE_DATA, "[DONE]", NULL },
        { NULL, 0, NULL, NULL }
    };

    ngx_http_ai_test_want(want);
}


static void
ngx_http_ai_test_line_ends(void)
{
    static const ngx_http_ai_test_want_t  crlf[] = {
        { "data: a\r\n\r\n", NGX_HTTP_AI_SSE_DATA, "a", NULL },
        { "event: e\r\ndata: b\r\n\r\n", NGX_HTTP_AI_SSE_DATA, "b", "e" },
        { "data: c\r\n\r\n", NGX_HTTP_AI_SSE_DATA, "c", NULL },
        { NULL, 0, NULL, NULL }
    };

    static const ngx_http_ai_test_want_t  cr[] = {
        { "data: a\r\r", NGX_HTTP_AI_SSE_DATA, "a", NULL },
        { "event: e\rdata: b\r\r", NGX_HTTP_AI_SSE_DATA, "b", "e" },
        { "data: c\r\r", NGX_HTTP_AI_SSE_DATA, "c", NULL },
        { NULL, 0, NULL, NULL }
    };

    static const ngx_http_ai_test_want_t  mixed[] = {
        { "data: a\n\r\n", NGX_HTTP_AI_SSE_DATA, "a", NULL },
        { "data: b\r\n\n", NGX_HTTP_AI_SSE_DATA, "b", NULL },
        { "data: c\r\n\r", NGX_HTTP_AI_SSE_DATA, "c", NULL },
        { "data: d\n\r", NGX_HTTP_AI_SSE_DATA, "d", NULL },
        { "data: e\r\r\n", NGX_HTTP_AI_SSE_DATA, "e", NULL },
        { "data: f\rdata: g\ndata: h\r\ndata\r\r", NGX_HTTP_AI_SSE_DATA,
          "f\ng\nh\n", NULL },
        { NULL, 0, NULL, NULL }
    };

    ngx_http_ai_test_want(crlf);
    ngx_http_ai_test_want(cr);
    ngx_http_ai_test_want(mixed);
}


static void
ngx_http_ai_test_empty_lines(void)
{
    static const ngx_http_ai_test_want_t  lf[] = {
        { "\n", NGX_HTTP_AI_SSE_COMMENT, NULL, NULL },
        { "data: a\n\n", NGX_HTTP_AI_SSE_DATA, "a", NULL },
        { "\n", NGX_HTTP_AI_SSE_COMMENT, NULL, NULL },
        { "\n", NGX_HTTP_AI_SSE_COMMENT, NULL, NULL },
        { "data: b\n\n", NGX_HTTP_AI_SSE_DATA, "b", NULL },
        { "\n", NGX_HTTP_AI_SSE_COMMENT, NULL, NULL },
        { NULL, 0, NULL, NULL }
    };

    static const ngx_http_ai_test_want_t  crlf[] = {
        { "\r\n", NGX_HTTP_AI_SSE_COMMENT, NULL, NULL },
        { "data: a\r\n\r\n", NGX_HTTP_AI_SSE_DATA, "a", NULL },
        { "\r\n", NGX_HTTP_AI_SSE_COMMENT, NULL, NULL },
        { "\r", NGX_HTTP_AI_SSE_COMMENT, NULL, NULL },
        { "\r\n", NGX_HTTP_AI_SSE_COMMENT, NULL, NULL },
        { "\n", NGX_HTTP_AI_SSE_COMMENT, NULL, NULL },
        { "\r", NGX_HTTP_AI_SSE_COMMENT, NULL, NULL },
        { NULL, 0, NULL, NULL }
    };

    ngx_http_ai_test_want(lf);
    ngx_http_ai_test_want(crlf);
}


static void
ngx_http_ai_test_kinds(void)
{
    static const ngx_http_ai_test_want_t  want[] = {
        { ": OPENROUTER PROCESSING\n\n", NGX_HTTP_AI_SSE_COMMENT, NULL, NULL },
        { ":\n\n", NGX_HTTP_AI_SSE_COMMENT, NULL, NULL },
        { ":data: x\n\n", NGX_HTTP_AI_SSE_COMMENT, NULL, NULL },
        { ": c\ndata: a\n\n", NGX_HTTP_AI_SSE_DATA, "a", NULL },
        { "event: e\n\n", NGX_HTTP_AI_SSE_FIELD, NULL, "e" },
        { "event\n\n", NGX_HTTP_AI_SSE_FIELD, NULL, "" },
        { "id: 7\n: x\n\n", NGX_HTTP_AI_SSE_FIELD, NULL, NULL },
        { "retry:1\n\n", NGX_HTTP_AI_SSE_FIELD, NULL, NULL },
        { "retry\n\n", NGX_HTTP_AI_SSE_FIELD, NULL, NULL },
        { "data\n\n", NGX_HTTP_AI_SSE_DATA, "", NULL },
        { "data:\n\n", NGX_HTTP_AI_SSE_DATA, "", NULL },
        { "data: \n\n", NGX_HTTP_AI_SSE_DATA, "", NULL },
        { "datax: a\n\n", NGX_HTTP_AI_SSE_JUNK, NULL, NULL },
        { "dat\n\n", NGX_HTTP_AI_SSE_JUNK, NULL, NULL },
        { "Data: a\n\n", NGX_HTTP_AI_SSE_JUNK, NULL, NULL },
        { " data: a\n\n", NGX_HTTP_AI_SSE_JUNK, NULL, NULL },
        { "data : a\n\n", NGX_HTTP_AI_SSE_JUNK, NULL, NULL },
        { "ids: a\n\n", NGX_HTTP_AI_SSE_JUNK, NULL, NULL },
        { "event: e\njunk\n\n", NGX_HTTP_AI_SSE_JUNK, NULL, "e" },
        { "junk\ndata: a\n\n", NGX_HTTP_AI_SSE_DATA, "a", NULL },
        { NULL, 0, NULL, NULL }
    };

    ngx_http_ai_test_want(want);
}


/* Gemini ends a broken stream with a JSON error that is no event */

static void
ngx_http_ai_test_raw_json(void)
{
    ngx_http_ai_test_stream_t  got;

    static const char  s[] =
        "data: {\"candidates\":[]}\r\n\r\n"
        "{\n  \"error\": {\n    \"code\": 503\n  }\n}\n";

    got = ngx_http_ai_test_split(s, sizeof(s) - 1);
    t_eq(got.n, 2);
    t_eq(got.ev[0].kind, NGX_HTTP_AI_SSE_DATA);
    t_eq(got.ev[0].open, 0);
    t_eq(got.ev[1].kind, NGX_HTTP_AI_SSE_JUNK);
    t_eq(got.ev[1].open, 1);
    t_eq(got.ev[1].start, 27);
}


static void
ngx_http_ai_test_multi(void)
{
    static const ngx_http_ai_test_want_t  want[] = {
        { "data: a\ndata: b\n\n", NGX_HTTP_AI_SSE_DATA, "a\nb", NULL },
        { "data\ndata\n\n", NGX_HTTP_AI_SSE_DATA, "\n", NULL },
        { "data: {\n: c\ndata:  \"a\": 1\nid: 3\ndata: }\nevent: e\n\n",
          NGX_HTTP_AI_SSE_DATA, "{\n \"a\": 1\n}", "e" },
        { "data: a\r\ndata:\r\ndata: c\r\n\r\n", NGX_HTTP_AI_SSE_DATA,
          "a\n\nc", NULL },
        { "data: a\rdata: b\r\r", NGX_HTTP_AI_SSE_DATA, "a\nb", NULL },
        { NULL, 0, NULL, NULL }
    };

    ngx_http_ai_test_want(want);
}


static void
ngx_http_ai_test_bom(void)
{
    static const ngx_http_ai_test_want_t  data[] = {
        { "\xef\xbb\xbf" "data: a\n\n", NGX_HTTP_AI_SSE_DATA, "a", NULL },
        { "\xef\xbb\xbf" "data: b\n\n", NGX_HTTP_AI_SSE_JUNK, NULL, NULL },
        { NULL, 0, NULL, NULL }
    };

    static const ngx_http_ai_test_want_t  empty[] = {
        { "\xef\xbb\xbf\n", NGX_HTTP_AI_SSE_COMMENT, NULL, NULL },
        { "data: a\n\n", NGX_HTTP_AI_SSE_DATA, "a", NULL },
        { NULL, 0, NULL, NULL }
    };

    static const ngx_http_ai_test_want_t  crlf[] = {
        { "\xef\xbb\xbf\r\n", NGX_HTTP_AI_SSE_COMMENT, NULL, NULL },
        { "data: a\n\n", NGX_HTTP_AI_SSE_DATA, "a", NULL },
        { NULL, 0, NULL, NULL }
    };

    static const ngx_http_ai_test_want_t  twice[] = {
        { "\xef\xbb\xbf\xef\xbb\xbf" "data: a\n\n", NGX_HTTP_AI_SSE_JUNK, NULL,
          NULL },
        { NULL, 0, NULL, NULL }
    };

    static const ngx_http_ai_test_want_t  half[] = {
        { "\xef\xbb\n\n", NGX_HTTP_AI_SSE_JUNK, NULL, NULL },
        { "data: a\n\n", NGX_HTTP_AI_SSE_DATA, "a", NULL },
        { NULL, 0, NULL, NULL }
    };

    static const ngx_http_ai_test_want_t  third[] = {
        { "\xef\n\n", NGX_HTTP_AI_SSE_JUNK, NULL, NULL },
        { "data: a\n\n", NGX_HTTP_AI_SSE_DATA, "a", NULL },
        { NULL, 0, NULL, NULL }
    };

    ngx_http_ai_test_want(data);
    ngx_http_ai_test_want(empty);
    ngx_http_ai_test_want(crlf);
    ngx_http_ai_test_want(twice);
    ngx_http_ai_test_want(half);
    ngx_http_ai_test_want(third);
}


static void
ngx_http_ai_test_open(void)
{
    ngx_uint_t                 i;
    ngx_http_ai_test_stream_t  got;

    static const struct {
        const char  *s;
        ngx_uint_t   n;
        ngx_uint_t   open;
        int          kind;
    } cases[] = {
        { "", 0, 0, 0 },
        { "data: a", 1, 1, NGX_HTTP_AI_SSE_DATA },
        { "data: a\n", 1, 1, NGX_HTTP_AI_SSE_DATA },
        { "data: a\r", 1, 1, NGX_HTTP_AI_SSE_DATA },
        { "data: a\r\n", 1, 1, NGX_HTTP_AI_SSE_DATA },
        { "data: a\r\n\r", 1, 0, NGX_HTTP_AI_SSE_DATA },
        { "data: a\r\r", 1, 0, NGX_HTTP_AI_SSE_DATA },
        { "data: a\n\nd", 2, 1, NGX_HTTP_AI_SSE_JUNK },
        { ":", 1, 1, NGX_HTTP_AI_SSE_COMMENT },
        { "\xef\xbb\xbf", 1, 1, NGX_HTTP_AI_SSE_COMMENT },
        { "\xef\xbb", 1, 1, NGX_HTTP_AI_SSE_JUNK },
        { NULL, 0, 0, 0 }
    };

    for (i = 0; cases[i].s; i++) {
        got = ngx_http_ai_test_split(cases[i].s, strlen(cases[i].s));
        t_eq(got.n, cases[i].n);

        if (got.n && got.n == cases[i].n) {
            t_eq(got.ev[got.n - 1].open, cases[i].open);
            t_eq(got.ev[got.n - 1].kind, cases[i].kind);
        }
    }
}


/* the hot path copies nothing: without a carry, pointers into the input */

static void
ngx_http_ai_test_zero_copy(void)
{
    u_char                   *p, *pos, *last;
    ngx_http_ai_sse_t         sse;
    ngx_http_ai_sse_event_t   ev;

    static const char  s[] = "data: a\n\nevent: b\r\ndata: c\r\n\r\n";

    p = ngx_http_ai_test_dup(s, sizeof(s) - 1);
    pos = p;
    last = p + sizeof(s) - 1;

    ngx_http_ai_sse_init(&sse, NULL, 0);

    t_eq(ngx_http_ai_sse_next(&sse, &pos, last, &ev), NGX_OK);
    t_ok(ev.raw.data == p);
    t_ok(ev.data.data == p + 6);
    t_eq(ev.carried, 0);
    t_eq(ev.truncated, 0);
    t_ok(pos == p + 9);

    t_eq(ngx_http_ai_sse_next(&sse, &pos, last, &ev), NGX_OK);
    t_ok(ev.raw.data == p + 9);
    t_str(ev.name, "b");
    t_str(ev.data, "c");
    t_ok(pos == last);

    t_eq(ngx_http_ai_sse_next(&sse, &pos, last, &ev), NGX_AGAIN);
    t_eq(ngx_http_ai_sse_end(&sse, &ev), NGX_DONE);

    /* split without a carry: only the sizes and the kind of line are known */

    ngx_http_ai_sse_init(&sse, NULL, 0);

    pos = p;
    t_eq(ngx_http_ai_sse_next(&sse, &pos, p + 8, &ev), NGX_AGAIN);
    t_eq(ngx_http_ai_sse_next(&sse, &pos, last, &ev), NGX_OK);
    t_eq(ev.size, 9);
    t_eq(ev.carried, 8);
    t_eq(ev.raw.len, 0);
    t_eq(ev.truncated, 1);
    t_eq(ev.kind, NGX_HTTP_AI_SSE_DATA);

    free(p);
}


/*
 * A line longer than the carry, in pieces of each size and for carries of
 * each size: the tail is right, the following event is not harmed.
 */

static void
ngx_http_ai_test_truncated(void)
{
    u_char                    s[512], *carry, *pos, *last;
    size_t                    n, i, len, size, piece, carried;
    ngx_uint_t                events;
    ngx_http_ai_sse_t         sse;
    ngx_http_ai_sse_event_t   ev;

    n = sprintf((char *) s, "event: response.completed\ndata: {");

    for (i = 0; i < 40; i++) {
        n += sprintf((char *) s + n, "\"%zu\":%zu,", i, i * i);
    }

    n += sprintf((char *) s + n, "\"usage\":{}}\n\n");
    len = n;
    n += sprintf((char *) s + n, "data: b\n\n");

    for (size = 0; size < 200; size++) {
        for (piece = 1; piece < 60; piece++) {

            carry = malloc(size ? size : 1);
            ngx_http_ai_sse_init(&sse, carry, size);
            events = 0;

            for (i = 0; i < n; i += piece) {
                carried = sse.pending;
                pos = s + i;
                last = s + ngx_min(i + piece, n);

                while (ngx_http_ai_sse_next(&sse, &pos, last, &ev) == NGX_OK) {
                    events++;
                    t_eq(ev.kind, NGX_HTTP_AI_SSE_DATA);

                    if (events == 2) {
                        t_eq(ev.size, 9);
                        t_eq(ev.truncated, ev.carried != 0 && size < 9);

                        if (!ev.truncated) {
                            t_str(ev.data, "b");
                            t_eq(ev.name.len, 0);
                        }

                        continue;
                    }

                    t_eq(ev.truncated, 1);
                    t_eq(ev.size, len);
                    t_eq(ev.carried, carried);
                    t_ok(ev.raw.len >= size / 2 && ev.raw.len <= size);
                    t_mem(ev.raw.data, ev.raw.len, s + len - ev.raw.len,
                          ev.raw.len);

                    if (ev.raw.len >= 2) {
                        t_ok(ev.data.data == ev.raw.data);
                        t_eq(ev.data.len, ev.raw.len - 2);
                        t_eq(ev.multi, 0);
                    }

                    /* a name that is not whole in the head is none */

                    t_str(ev.name, size >= 26 ? "response.completed" : "");
                }
            }

            t_eq(events, 2);
            t_eq(ngx_http_ai_sse_end(&sse, &ev), NGX_DONE);

            free(carry);
        }
    }
}


/* the cut at each place of "data", and in lines that only look like it */

static void
ngx_http_ai_test_cut(void)
{
    size_t                    i, size, n, piece;
    ngx_uint_t                k;
    u_char                   *carry, *pos, *last;
    ngx_http_ai_sse_t         sse;
    ngx_http_ai_sse_event_t   ev;

    static const struct {
        const char  *s;
        ngx_uint_t   kind;
        ngx_uint_t   all;                 /* known for any size of carry */
    } cases[] = {
        { ": ccccccccccc\ndata: xyz\n: ccccccccccc\n: cccccccccccc\n\n",
          NGX_HTTP_AI_SSE_DATA, 1 },
        { ": ccccccccccc\ndata\n: ccccccccccc\n: cccccccccccc\n\n",
          NGX_HTTP_AI_SSE_DATA, 1 },
        { ": ccccccccccc\r\ndata\r\n: ccccccccccc\r\n: cccccccccccc\r\n\r\n",
          NGX_HTTP_AI_SSE_DATA, 1 },
        { ": ccccccccccc\n: data: xyz\n: ccccccccccc\n: cccccccccccc\n\n",
          NGX_HTTP_AI_SSE_COMMENT, 1 },
        { ": ccccccccccc\ndatum\n: ccccccccccc\n: cccccccccccc\n\n",
          NGX_HTTP_AI_SSE_JUNK, 0 },
        { "{\"error\":{\"message\":\"ccccccccccccccccccccccccc\"}}\n\n",
          NGX_HTTP_AI_SSE_JUNK, 0 },
        { "event: response.failed\n: ccccccccccccccccccccccc\n\n",
          NGX_HTTP_AI_SSE_FIELD, 0 },
        { ": ccccccccc\nevent: e\n: ccccccccccccccccccccccccc\n\n",
          NGX_HTTP_AI_SSE_FIELD, 0 },
        { NULL, 0, 0 }
    };

    for (k = 0; cases[k].s; k++) {
        n = strlen(cases[k].s);
        ngx_http_ai_test_note = cases[k].s;

        for (size = 1; size < n; size++) {
            for (piece = 1; piece < n; piece++) {

                carry = malloc(size);
                ngx_http_ai_sse_init(&sse, carry, size);

                for (i = 0; i < n; i += piece) {
                    pos = (u_char *) cases[k].s + i;
                    last = (u_char *) cases[k].s + ngx_min(i + piece, n);

                    if (ngx_http_ai_sse_next(&sse, &pos, last, &ev)
                        == NGX_OK)
                    {
                        break;
                    }
                }

                t_ok(i < n);
                t_eq(ev.size, n);
                t_eq(ev.truncated, 1);

                if (cases[k].all || size >= 26) {
                    t_eq(ev.kind, cases[k].kind);

                } else {
                    t_ok(ev.kind == cases[k].kind
                         || ev.kind == NGX_HTTP_AI_SSE_COMMENT);
                }

                free(carry);
            }
        }
    }
}


/* a BOM before an event that is truncated, or whole in the carry */

static void
ngx_http_ai_test_bom_truncated(void)
{
    size_t                    i, size, n;
    u_char                   *carry, *pos;
    ngx_http_ai_sse_t         sse;
    ngx_http_ai_sse_event_t   ev;

    static const char  s[] = "\xef\xbb\xbf" "data: abcdefghijklmnop\n\n";

    n = sizeof(s) - 1;

    for (size = 3; size <= n; size++) {
        carry = malloc(size);
        ngx_http_ai_sse_init(&sse, carry, size);

        for (i = 0; i < n; i++) {
            pos = (u_char *) s + i;

            if (ngx_http_ai_sse_next(&sse, &pos, pos + 1, &ev) == NGX_OK) {
                break;
            }
        }

        t_eq(i, n - 1);
        t_eq(ev.kind, NGX_HTTP_AI_SSE_DATA);
        t_eq(ev.size, n);
        t_eq(ev.truncated, size < n);
        t_ok(size < n || ev.data.len == 16);

        free(carry);
    }
}


/* random streams against a splitter written as plainly as possible */

static size_t
ngx_http_ai_test_reference(const u_char *p, size_t n, size_t from)
{
    size_t  i, line;

    i = from;

    if (from == 0 && n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) {
        i = 3;
    }

    for ( ;; ) {
        for (line = i; i < n && p[i] != '\n' && p[i] != '\r'; i++) { /**/ }

        if (i == n) {
            return n;
        }

        i += (p[i] == '\r' && i + 1 < n && p[i + 1] == '\n') ? 2 : 1;

        if (p[line] == '\n' || p[line] == '\r') {
            return i;
        }
    }
}


static void
ngx_http_ai_test_random_streams(void)
{
    size_t                     i, k, n, at, cuts[8];
    u_char                     s[48];
    ngx_uint_t                 ncuts;
    ngx_http_ai_test_stream_t  whole, split;

    static const char  *parts[] = {
        "\n", "\r", "\r\n", "\n\n", "\r\n\r\n", "data", "data:", "data: x",
        ":", "event: e", "x", "id", "\xef\xbb\xbf"
    };

    for (i = 0; i < 20000; i++) {

        for (n = 0; n < 32; /* void */ ) {
            const char  *part;

            part = parts[ngx_http_ai_test_random()
                         % (sizeof(parts) / sizeof(parts[0]))];
            memcpy(s + n, part, strlen(part));
            n += strlen(part);

            if (ngx_http_ai_test_random() % 12 == 0) {
                break;
            }
        }

        s[n] = '\0';
        ngx_http_ai_test_note = (char *) s;

        ngx_http_ai_test_feed(&whole, (char *) s, n, NULL, 0);

        for (k = 0, at = 0; k < whole.n; k++) {
            t_eq(whole.ev[k].start, at);
            at = ngx_http_ai_test_reference(s, n, at);
            t_eq(whole.ev[k].start + whole.ev[k].size, at);
        }

        t_eq(at, n);

        ncuts = 1 + ngx_http_ai_test_random() % 8;
        at = 0;

        for (k = 0; k < ncuts; k++) {
            at += ngx_http_ai_test_random() % (n - at + 1);
            cuts[k] = at;
        }

        ngx_http_ai_test_feed(&split, (char *) s, n, cuts, ncuts);
        t_mem(&split, sizeof(split), &whole, sizeof(whole));
    }
}


/* a search that met CR late, or a move for each byte, would take minutes */

static void
ngx_http_ai_test_linear(void)
{
    u_char                   *p, *pos, *carry;
    size_t                    i, n;
    ngx_uint_t                events;
    ngx_http_ai_sse_t         sse;
    ngx_http_ai_sse_event_t   ev;

    n = 8 * 1024 * 1024;
    p = malloc(n);
    carry = malloc(1024 * 1024);

    memset(p, '\r', n);

    ngx_http_ai_sse_init(&sse, carry, 1024 * 1024);
    pos = p;
    events = 0;

    while (ngx_http_ai_sse_next(&sse, &pos, p + n, &ev) == NGX_OK) {
        events++;
    }

    t_eq(events, n - 1);

    memset(p, 'x', n);
    ngx_http_ai_sse_init(&sse, carry, 1024 * 1024);

    for (i = 0; i < n; i++) {
        pos = p + i;

        if (ngx_http_ai_sse_next(&sse, &pos, pos + 1, &ev) != NGX_AGAIN) {
            break;
        }
    }

    t_eq(i, n);
    t_eq(ngx_http_ai_sse_end(&sse, &ev), NGX_OK);
    t_eq(ev.size, n);
    t_eq(ev.truncated, 1);
    t_eq(ev.kind, NGX_HTTP_AI_SSE_JUNK);

    free(carry);
    free(p);
}


static const ngx_http_ai_test_t  ngx_http_ai_tests[] = {
    { "plain events", ngx_http_ai_test_plain },
    { "LF, CRLF, CR and all mixtures", ngx_http_ai_test_line_ends },
    { "further empty lines", ngx_http_ai_test_empty_lines },
    { "kinds of events", ngx_http_ai_test_kinds },
    { "raw JSON in a stream", ngx_http_ai_test_raw_json },
    { "several data lines", ngx_http_ai_test_multi },
    { "byte order mark", ngx_http_ai_test_bom },
    { "end of the stream", ngx_http_ai_test_open },
    { "nothing is copied on the hot path", ngx_http_ai_test_zero_copy },
    { "events larger than the carry", ngx_http_ai_test_truncated },
    { "kinds of truncated events", ngx_http_ai_test_cut },
    { "byte order mark and truncation", ngx_http_ai_test_bom_truncated },
    { "random streams against a plain splitter",
      ngx_http_ai_test_random_streams },
    { "linear time", ngx_http_ai_test_linear },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(ngx_http_ai_tests);
}
