
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The hot path is an event that lies in the input whole: its end is found
 * with one search for line ends, its lines are then read in place, nothing is
 * copied.  Only the tail of the input, an event in progress, goes into the
 * carry, and such an event is read from there when its end has come.
 *
 * An event larger than the carry keeps its tail: usage and finish reasons
 * stand at the end.  When the carry overflows, its first half at least is
 * dropped in one move, so that a byte is moved about once however small the
 * pieces are.  What was dropped is looked through only for "data" lines, to
 * know what the first kept bytes belong to.
 */


#include "ngx_http_ai_sse.h"

#if (defined __SSE2__ && !NGX_HTTP_AI_NO_SSE2)
#include <emmintrin.h>
#endif


/*
 * The moves; "end" completes the event, "*" leaves the byte for the next
 * state or event:
 *
 *            LF        CR         EF BB BF   any other
 *   START    as BOL    as BOL     BOM_1      as BOL
 *   BOM_1    as LINE   as LINE    BOM_2      as LINE
 *   BOM_2    as LINE   as LINE    BOL        as LINE
 *   BOL      end       END_CR                LINE
 *   LINE     BOL       CR                    LINE
 *   CR       BOL       *BOL                  *BOL
 *   END_CR   end       *end                  *end
 */

typedef enum {
    ngx_http_ai_sse_st_start = 0,          /* of the stream */
    ngx_http_ai_sse_st_bom_1,
    ngx_http_ai_sse_st_bom_2,
    ngx_http_ai_sse_st_bol,                /* the line has no byte yet */
    ngx_http_ai_sse_st_line,
    ngx_http_ai_sse_st_cr,                 /* after a line, LF may follow */
    ngx_http_ai_sse_st_end_cr              /* the same, for an empty line */
} ngx_http_ai_sse_state_e;


/* kinds of lines, or'ed in "seen" */

#define NGX_HTTP_AI_SSE_LINE_COMMENT  0x00
#define NGX_HTTP_AI_SSE_LINE_DATA     0x01
#define NGX_HTTP_AI_SSE_LINE_EVENT    0x02
#define NGX_HTTP_AI_SSE_LINE_FIELD    0x04
#define NGX_HTTP_AI_SSE_LINE_JUNK     0x08

/* the shortest piece of a line that tells its kind: "event:" */

#define NGX_HTTP_AI_SSE_LINE_KNOWN    6

/*
 * "cut": where the bytes still kept of a truncated event begin.  0 to 5 is
 * after so many bytes of a line, all of them equal to "data:".
 */

#define NGX_HTTP_AI_SSE_CUT_BOL       0
#define NGX_HTTP_AI_SSE_CUT_NAME      4    /* "data" */
#define NGX_HTTP_AI_SSE_CUT_COLON     5    /* "data:" */
#define NGX_HTTP_AI_SSE_CUT_VALUE     6
#define NGX_HTTP_AI_SSE_CUT_OTHER     7    /* in any other line */


static u_char *ngx_http_ai_sse_scan(ngx_http_ai_sse_t *sse, u_char *p,
    u_char *last, ngx_uint_t *done);
static void ngx_http_ai_sse_keep(ngx_http_ai_sse_t *sse, u_char *p, size_t n);
static void ngx_http_ai_sse_overflow(ngx_http_ai_sse_t *sse);
static void ngx_http_ai_sse_drop(ngx_http_ai_sse_t *sse, u_char *p, size_t n);
static void ngx_http_ai_sse_event(ngx_http_ai_sse_t *sse,
    ngx_http_ai_sse_event_t *ev, u_char *p, size_t n, size_t carried);
static ngx_uint_t ngx_http_ai_sse_lines(ngx_http_ai_sse_event_t *ev,
    u_char *p, ngx_uint_t cut, ngx_uint_t head);
static ngx_uint_t ngx_http_ai_sse_line(u_char *p, u_char *end,
    ngx_uint_t cut, ngx_str_t *value);


/* the first CR or LF of [p, last), or last */

static ngx_inline u_char *
ngx_http_ai_sse_eol(u_char *p, u_char *last)
{
#if (defined __SSE2__ && !NGX_HTTP_AI_NO_SSE2)

    int      mask;
    __m128i  x, hit;

    while (last - p >= 16) {
        x = _mm_loadu_si128((const __m128i *) p);

        hit = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('\n')),
                           _mm_cmpeq_epi8(x, _mm_set1_epi8('\r')));
        mask = _mm_movemask_epi8(hit);

        if (mask) {
            return p + __builtin_ctz(mask);
        }

        p += 16;
    }

#else

    uint64_t  x, lf, cr, hit;

    static const uint64_t  ones = 0x0101010101010101ull;

    while (last - p >= 8) {
        ngx_memcpy(&x, p, 8);

        lf = x ^ (ones * '\n');
        cr = x ^ (ones * '\r');

        hit = ((lf - ones) & ~lf) | ((cr - ones) & ~cr);

        if (hit & (ones * 0x80)) {
            break;
        }

        p += 8;
    }

#endif

    while (p < last && *p != '\n' && *p != '\r') {
        p++;
    }

    return p;
}


void
ngx_http_ai_sse_init(ngx_http_ai_sse_t *sse, u_char *carry, size_t size)
{
    ngx_memzero(sse, sizeof(ngx_http_ai_sse_t));

    sse->carry = carry;
    sse->carry_size = size;
    sse->state = ngx_http_ai_sse_st_start;
}


ngx_int_t
ngx_http_ai_sse_next(ngx_http_ai_sse_t *sse, u_char **pos, u_char *last,
    ngx_http_ai_sse_event_t *ev)
{
    u_char      *p, *end;
    size_t       carried;
    ngx_uint_t   done;

    p = *pos;

    if (p == last) {
        return NGX_AGAIN;
    }

    end = ngx_http_ai_sse_scan(sse, p, last, &done);

    *pos = end;

    carried = sse->pending;
    sse->pending += end - p;

    if (done && carried == 0) {
        ngx_http_ai_sse_event(sse, ev, p, end - p, 0);
        return NGX_OK;
    }

    ngx_http_ai_sse_keep(sse, p, end - p);

    if (!done) {
        return NGX_AGAIN;
    }

    ngx_http_ai_sse_event(sse, ev, sse->carry, sse->carry_len, carried);

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_sse_end(ngx_http_ai_sse_t *sse, ngx_http_ai_sse_event_t *ev)
{
    ngx_uint_t  open;

    if (sse->pending == 0) {
        return NGX_DONE;
    }

    open = (sse->state != ngx_http_ai_sse_st_end_cr);

    ngx_http_ai_sse_event(sse, ev, sse->carry, sse->carry_len, sse->pending);

    ev->open = open;
    sse->state = ngx_http_ai_sse_st_bol;

    return NGX_OK;
}


/* returns where the taken bytes end; done: an event ends there */

static u_char *
ngx_http_ai_sse_scan(ngx_http_ai_sse_t *sse, u_char *p, u_char *last,
    ngx_uint_t *done)
{
    *done = 0;

    while (p < last) {

        switch (sse->state) {

        case ngx_http_ai_sse_st_line:
            p = ngx_http_ai_sse_eol(p, last);

            if (p == last) {
                return p;
            }

            sse->state = (*p++ == '\n') ? ngx_http_ai_sse_st_bol
                                        : ngx_http_ai_sse_st_cr;
            break;

        case ngx_http_ai_sse_st_bol:
            if (*p == '\n') {
                *done = 1;
                return p + 1;
            }

            if (*p == '\r') {
                p++;
                sse->state = ngx_http_ai_sse_st_end_cr;
                break;
            }

            sse->state = ngx_http_ai_sse_st_line;
            break;

        case ngx_http_ai_sse_st_cr:
            if (*p == '\n') {
                p++;
            }

            sse->state = ngx_http_ai_sse_st_bol;
            break;

        case ngx_http_ai_sse_st_end_cr:
            if (*p == '\n') {
                p++;
            }

            sse->state = ngx_http_ai_sse_st_bol;
            *done = 1;
            return p;

        case ngx_http_ai_sse_st_start:
            if (*p != 0xef) {
                sse->state = ngx_http_ai_sse_st_bol;
                break;
            }

            p++;
            sse->state = ngx_http_ai_sse_st_bom_1;
            break;

        case ngx_http_ai_sse_st_bom_1:
            if (*p != 0xbb) {
                sse->state = ngx_http_ai_sse_st_line;
                break;
            }

            p++;
            sse->state = ngx_http_ai_sse_st_bom_2;
            break;

        default: /* bom_2 */
            if (*p != 0xbf) {
                sse->state = ngx_http_ai_sse_st_line;
                break;
            }

            p++;
            sse->bom = 1;
            sse->state = ngx_http_ai_sse_st_bol;
        }
    }

    return p;
}


/* puts bytes of the event in progress into the carry */

static void
ngx_http_ai_sse_keep(ngx_http_ai_sse_t *sse, u_char *p, size_t n)
{
    size_t  room, stay;

    if (n == 0) {
        return;
    }

    room = sse->carry_size - sse->carry_len;

    if (n > room) {

        if (!sse->truncated) {

            if (room) {
                ngx_memcpy(sse->carry + sse->carry_len, p, room);
                sse->carry_len += room;
                p += room;
                n -= room;
            }

            ngx_http_ai_sse_overflow(sse);
        }

        stay = sse->carry_size - ngx_min(n, sse->carry_size);
        stay = ngx_min(stay, sse->carry_size / 2);
        stay = ngx_min(stay, sse->carry_len);

        ngx_http_ai_sse_drop(sse, sse->carry, sse->carry_len - stay);

        if (stay) {
            ngx_memmove(sse->carry, sse->carry + sse->carry_len - stay, stay);
        }

        sse->carry_len = stay;

        if (n > sse->carry_size) {
            ngx_http_ai_sse_drop(sse, p, n - sse->carry_size);
            p += n - sse->carry_size;
            n = sse->carry_size;
        }
    }

    if (n) {
        ngx_memcpy(sse->carry + sse->carry_len, p, n);
        sse->carry_len += n;
    }
}


/* the carry is full for the first time: remembers what its lines tell */

static void
ngx_http_ai_sse_overflow(ngx_http_ai_sse_t *sse)
{
    u_char                   *p;
    ngx_http_ai_sse_event_t   head;

    sse->truncated = 1;
    sse->cut = NGX_HTTP_AI_SSE_CUT_BOL;

    ngx_memzero(&head, sizeof(ngx_http_ai_sse_event_t));

    head.raw.data = sse->carry;
    head.raw.len = sse->carry_len;

    p = sse->carry;

    if (sse->bom && sse->carry_len >= 3) {

        /* the mark's bytes are no part of the line: see them dropped first */

        p += 3;
        sse->carry_len -= 3;
        ngx_memmove(sse->carry, p, sse->carry_len);

        head.raw.len -= 3;
        p = sse->carry;
    }

    sse->seen = ngx_http_ai_sse_lines(&head, p, NGX_HTTP_AI_SSE_CUT_BOL, 1);

    sse->name_len = ngx_min(head.name.len, NGX_HTTP_AI_SSE_MAX_NAME);

    if (sse->name_len) {
        ngx_memcpy(sse->name, head.name.data, sse->name_len);
    }
}


/* follows the lines through bytes of a truncated event that are not kept */

static void
ngx_http_ai_sse_drop(ngx_http_ai_sse_t *sse, u_char *p, size_t n)
{
    u_char  *last;

    static const u_char  field[] = "data:";

    if (n == 0) {
        return;
    }

    last = p + n;

    while (p < last) {

        if (*p == '\n' || *p == '\r') {

            if (sse->cut == NGX_HTTP_AI_SSE_CUT_NAME) {
                sse->seen |= NGX_HTTP_AI_SSE_LINE_DATA;
            }

            sse->cut = NGX_HTTP_AI_SSE_CUT_BOL;
            p++;
            continue;
        }

        if (sse->cut < NGX_HTTP_AI_SSE_CUT_COLON) {

            if (*p != field[sse->cut]) {
                sse->cut = NGX_HTTP_AI_SSE_CUT_OTHER;
                continue;
            }

            p++;
            sse->cut++;

            if (sse->cut == NGX_HTTP_AI_SSE_CUT_COLON) {
                sse->seen |= NGX_HTTP_AI_SSE_LINE_DATA;
            }

            continue;
        }

        if (sse->cut == NGX_HTTP_AI_SSE_CUT_COLON) {
            sse->cut = NGX_HTTP_AI_SSE_CUT_VALUE;
        }

        p = ngx_http_ai_sse_eol(p, last);
    }
}


/* describes the complete event [p, p + n) and makes ready for the next one */

static void
ngx_http_ai_sse_event(ngx_http_ai_sse_t *sse, ngx_http_ai_sse_event_t *ev,
    u_char *p, size_t n, size_t carried)
{
    ngx_uint_t  seen, cut;

    ev->raw.data = p;
    ev->raw.len = n;
    ev->size = sse->pending;
    ev->carried = carried;
    ev->multi = 0;
    ev->truncated = sse->truncated;
    ev->open = 0;

    ngx_str_null(&ev->data);
    ngx_str_null(&ev->name);

    seen = 0;
    cut = NGX_HTTP_AI_SSE_CUT_BOL;

    if (sse->truncated) {
        seen = sse->seen;
        cut = sse->cut;

        if (sse->name_len) {
            ev->name.data = sse->name;
            ev->name.len = sse->name_len;
        }

    } else if (sse->bom) {
        p += 3;
    }

    seen |= ngx_http_ai_sse_lines(ev, p, cut, 0);

    if (seen & NGX_HTTP_AI_SSE_LINE_DATA) {
        ev->kind = NGX_HTTP_AI_SSE_DATA;

    } else if (seen & NGX_HTTP_AI_SSE_LINE_JUNK) {
        ev->kind = NGX_HTTP_AI_SSE_JUNK;

    } else if (seen) {
        ev->kind = NGX_HTTP_AI_SSE_FIELD;

    } else {
        ev->kind = NGX_HTTP_AI_SSE_COMMENT;
    }

    sse->carry_len = 0;
    sse->pending = 0;
    sse->bom = 0;
    sse->truncated = 0;
}


/*
 * Reads the lines from p to the end of ev->raw; "cut" is where the first one
 * begins.  Between CR and LF of a CRLF an empty line is seen, which tells
 * nothing.  head: the bytes go on elsewhere, so the last line may be cut too.
 */

static ngx_uint_t
ngx_http_ai_sse_lines(ngx_http_ai_sse_event_t *ev, u_char *p, ngx_uint_t cut,
    ngx_uint_t head)
{
    u_char      *end, *last;
    ngx_str_t    value;
    ngx_uint_t   kind, seen;

    if (ev->raw.len == 0) {
        return 0;
    }

    seen = 0;
    last = ev->raw.data + ev->raw.len;

    while (p < last) {

        if (cut == NGX_HTTP_AI_SSE_CUT_BOL && (*p == '\n' || *p == '\r')) {
            p++;
            continue;
        }

        end = ngx_http_ai_sse_eol(p, last);

        if (head && end == last && end - p < NGX_HTTP_AI_SSE_LINE_KNOWN) {
            break;
        }

        kind = ngx_http_ai_sse_line(p, end, cut, &value);
        seen |= kind;

        if (kind == NGX_HTTP_AI_SSE_LINE_DATA) {

            if (ev->data.data) {
                ev->multi = 1;

            } else {
                ev->data = value;
            }

        } else if (kind == NGX_HTTP_AI_SSE_LINE_EVENT) {

            if (!head || end < last) {
                ev->name = value;
            }
        }

        p = end;
        cut = NGX_HTTP_AI_SSE_CUT_BOL;
    }

    return seen;
}


/* the kind of the line [p, end), and its value if it is data or event */

static ngx_uint_t
ngx_http_ai_sse_line(u_char *p, u_char *end, ngx_uint_t cut, ngx_str_t *value)
{
    size_t       n;
    ngx_uint_t   i, kind;

    static const struct {
        ngx_str_t   name;
        ngx_uint_t  kind;
    } fields[] = {
        { ngx_string("data"), NGX_HTTP_AI_SSE_LINE_DATA },
        { ngx_string("event"), NGX_HTTP_AI_SSE_LINE_EVENT },
        { ngx_string("id"), NGX_HTTP_AI_SSE_LINE_FIELD },
        { ngx_string("retry"), NGX_HTTP_AI_SSE_LINE_FIELD }
    };

    if (cut == NGX_HTTP_AI_SSE_CUT_OTHER) {
        return NGX_HTTP_AI_SSE_LINE_COMMENT;
    }

    if (cut >= NGX_HTTP_AI_SSE_CUT_COLON) {
        kind = NGX_HTTP_AI_SSE_LINE_DATA;
        goto value;
    }

    if (cut == NGX_HTTP_AI_SSE_CUT_BOL && *p == ':') {
        return NGX_HTTP_AI_SSE_LINE_COMMENT;
    }

    for (i = 0; i < (cut ? 1 : sizeof(fields) / sizeof(fields[0])); i++) {

        n = fields[i].name.len - cut;

        if ((size_t) (end - p) < n
            || ngx_memcmp(p, fields[i].name.data + cut, n) != 0)
        {
            continue;
        }

        if (p + n == end) {
            p = end;

        } else if (p[n] == ':') {
            p += n + 1;

        } else {
            continue;
        }

        kind = fields[i].kind;
        cut = NGX_HTTP_AI_SSE_CUT_COLON;
        goto value;
    }

    return NGX_HTTP_AI_SSE_LINE_JUNK;

value:

    if (cut == NGX_HTTP_AI_SSE_CUT_COLON && p < end && *p == ' ') {
        p++;
    }

    value->data = p;
    value->len = end - p;

    return kind;
}


size_t
ngx_http_ai_sse_join(const ngx_http_ai_sse_event_t *ev, u_char *dst)
{
    u_char      *p, *d, *end, *last;
    ngx_str_t    value;

    if (ev->data.data == NULL) {
        return 0;
    }

    d = dst;

    if (ev->data.len) {
        d = ngx_cpymem(d, ev->data.data, ev->data.len);
    }

    p = ev->data.data + ev->data.len;
    last = ev->raw.data + ev->raw.len;

    while (p < last) {

        if (*p == '\n' || *p == '\r') {
            p++;
            continue;
        }

        end = ngx_http_ai_sse_eol(p, last);

        if (ngx_http_ai_sse_line(p, end, NGX_HTTP_AI_SSE_CUT_BOL, &value)
            == NGX_HTTP_AI_SSE_LINE_DATA)
        {
            *d++ = '\n';

            if (value.len) {
                d = ngx_cpymem(d, value.data, value.len);
            }
        }

        p = end;
    }

    return d - dst;
}
