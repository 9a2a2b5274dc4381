
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The scanner is a push parser.  What is open is kept in a bitmap (one bit
 * for each level: object or array), so memory is constant and the grammar is
 * checked whole: names, colons, commas, literals, numbers and escapes.
 *
 * Long strings are what large bodies are made of (images in base64), so the
 * bytes of a string are searched 16 at a time for the three things that
 * matter there: quote, backslash, control.  A search never looks at a byte
 * twice, which keeps text made of escapes linear too.
 *
 * Strings are not checked for valid UTF-8, nor escaped surrogates for being
 * paired: neither can change where a value begins or ends.
 */


#include "ngx_http_ai_json.h"

#if (defined __SSE2__ && !NGX_HTTP_AI_NO_SSE2)
#include <emmintrin.h>
#endif


/*
 * What is expected next, and the moves:
 *
 *   START       "{" FIRST_NAME
 *   FIRST_NAME  '"' STRING (name)      "}" close
 *   NEXT_NAME   '"' STRING (name)
 *   COLON       ":" VALUE
 *   VALUE       '"' STRING, "{" FIRST_NAME, "[" FIRST_ITEM, t f n LITERAL,
 *               "-" MINUS, "0" ZERO, 1-9 INT
 *   FIRST_ITEM  as VALUE               "]" close
 *   AFTER       "," NEXT_NAME in an object, VALUE in an array
 *               "}" or "]" close, if it matches the bitmap
 *   DONE        nothing but white space
 *
 *   close       AFTER, or DONE if it was the top object
 *
 *   STRING      '"' COLON for a name, AFTER for a value;   "\" ESCAPE
 *   ESCAPE      one of "\/bfnrt STRING                     "u" HEX
 *   HEX         four hexadecimal digits, then STRING
 *   LITERAL     the rest of the word, then AFTER
 *
 * The states from MINUS on are those of a number: see the table of moves
 * above ngx_http_ai_json_number().
 */

typedef enum {
    ngx_http_ai_json_st_start = 0,
    ngx_http_ai_json_st_first_name,
    ngx_http_ai_json_st_next_name,
    ngx_http_ai_json_st_colon,
    ngx_http_ai_json_st_value,
    ngx_http_ai_json_st_first_item,
    ngx_http_ai_json_st_after,
    ngx_http_ai_json_st_done,

    ngx_http_ai_json_st_string,
    ngx_http_ai_json_st_escape,
    ngx_http_ai_json_st_hex,
    ngx_http_ai_json_st_literal,

    ngx_http_ai_json_st_minus,
    ngx_http_ai_json_st_zero,
    ngx_http_ai_json_st_int,
    ngx_http_ai_json_st_dot,
    ngx_http_ai_json_st_frac,
    ngx_http_ai_json_st_e,
    ngx_http_ai_json_st_e_sign,
    ngx_http_ai_json_st_exp
} ngx_http_ai_json_state_e;


#define ngx_http_ai_json_counts(js)  ((js)->cur && (js)->cur->count)


static const u_char *ngx_http_ai_json_struct(ngx_http_ai_json_t *js,
    const u_char *p, const u_char *last);
static const u_char *ngx_http_ai_json_name(ngx_http_ai_json_t *js,
    const u_char *p, const u_char *last);
static const u_char *ngx_http_ai_json_value(ngx_http_ai_json_t *js,
    const u_char *p, const u_char *last);
static const u_char *ngx_http_ai_json_open(ngx_http_ai_json_t *js,
    const u_char *p, ngx_uint_t object);
static const u_char *ngx_http_ai_json_close(ngx_http_ai_json_t *js,
    const u_char *p);
static const u_char *ngx_http_ai_json_string(ngx_http_ai_json_t *js,
    const u_char *p, const u_char *last);
static const u_char *ngx_http_ai_json_escaped(ngx_http_ai_json_t *js,
    const u_char *p, const u_char *last);
static const u_char *ngx_http_ai_json_literal(ngx_http_ai_json_t *js,
    const u_char *p, const u_char *last);
static const u_char *ngx_http_ai_json_number(ngx_http_ai_json_t *js,
    const u_char *p, const u_char *last);
static void ngx_http_ai_json_chars(ngx_http_ai_json_t *js, const u_char *p,
    const u_char *last);
static void ngx_http_ai_json_surrogate(ngx_http_ai_json_t *js,
    const u_char *p);
static void ngx_http_ai_json_comma(ngx_http_ai_json_t *js, const u_char *p);
static void ngx_http_ai_json_name_store(ngx_http_ai_json_t *js,
    const u_char *p, size_t n);
static const u_char *ngx_http_ai_json_name_end(ngx_http_ai_json_t *js,
    const u_char *p, const u_char *name, size_t n);
static void ngx_http_ai_json_value_begin(ngx_http_ai_json_t *js,
    const u_char *p, ngx_http_ai_json_type_e type);
static void ngx_http_ai_json_value_store(ngx_http_ai_json_t *js,
    const u_char *p);
static void ngx_http_ai_json_value_end(ngx_http_ai_json_t *js,
    const u_char *p);
ngx_http_ai_cold static const u_char *ngx_http_ai_json_fail(
    ngx_http_ai_json_t *js, const u_char *p, ngx_http_ai_json_error_e error);


/*
 * ngx_http_ai_json_text(), inlined here.  The SWAR test may mark bytes that
 * follow a true hit, never a word without one, so the bytes of a marked word
 * are looked at one by one.
 */

static ngx_inline const u_char *
ngx_http_ai_json_scan(const u_char *p, const u_char *last)
{
#if (defined __SSE2__ && !NGX_HTTP_AI_NO_SSE2)

    int      mask;
    __m128i  x, hit;

    while (last - p >= 16) {
        x = _mm_loadu_si128((const __m128i *) p);

        hit = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')),
                           _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
        hit = _mm_or_si128(hit,
                           _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1f)),
                                          x));
        mask = _mm_movemask_epi8(hit);

        if (mask) {
            return p + __builtin_ctz(mask);
        }

        p += 16;
    }

#else

    uint64_t  x, q, b, hit;

    static const uint64_t  ones = 0x0101010101010101ull;

    while (last - p >= 8) {
        ngx_memcpy(&x, p, 8);

        q = x ^ (ones * '"');
        b = x ^ (ones * '\\');

        hit = ((q - ones) & ~q) | ((b - ones) & ~b) | ((x - ones * 0x20) & ~x);

        if (hit & (ones * 0x80)) {
            break;
        }

        p += 8;
    }

#endif

    while (p < last && *p != '"' && *p != '\\' && *p >= 0x20) {
        p++;
    }

    return p;
}


/* what may follow a backslash, but "u" */

static ngx_inline ngx_uint_t
ngx_http_ai_json_simple(u_char ch)
{
    static const uint64_t  set[4] = {
        (uint64_t) 1 << '"' | (uint64_t) 1 << '/',

        (uint64_t) 1 << ('\\' - 64) | (uint64_t) 1 << ('b' - 64)
        | (uint64_t) 1 << ('f' - 64) | (uint64_t) 1 << ('n' - 64)
        | (uint64_t) 1 << ('r' - 64) | (uint64_t) 1 << ('t' - 64)
    };

    return set[ch >> 6] >> (ch & 63) & 1;
}


const u_char *
ngx_http_ai_json_text(const u_char *p, const u_char *last)
{
    return ngx_http_ai_json_scan(p, last);
}


void
ngx_http_ai_json_init(ngx_http_ai_json_t *js,
    ngx_http_ai_json_member_t *members, ngx_uint_t nmembers,
    ngx_uint_t strict)
{
    ngx_uint_t  i;

    ngx_memzero(js, sizeof(ngx_http_ai_json_t));

    js->members = members;
    js->nmembers = nmembers;
    js->strict = strict ? 1 : 0;
    js->state = ngx_http_ai_json_st_start;

    for (i = 0; i < nmembers; i++) {
        members[i].len = 0;
        members[i].start = 0;
        members[i].end = 0;
        members[i].text = 0;
        members[i].chars = 0;
        members[i].items = 0;
        members[i].numbers = 0;
        members[i].type = NGX_HTTP_AI_JSON_NONE;
        members[i].quote = 0;
        members[i].comma = 0;
        members[i].next = 0;
    }
}


ngx_int_t
ngx_http_ai_json_feed(ngx_http_ai_json_t *js, const u_char *p, size_t n)
{
    const u_char  *last;

    if (js->error != NGX_HTTP_AI_JSON_EOK) {
        return NGX_ERROR;
    }

    if (n == 0) {
        return NGX_OK;
    }

    last = p + n;

    js->chunk = p;
    js->mark = p;

    while (p < last) {

        switch (js->state) {

        case ngx_http_ai_json_st_string:
            p = ngx_http_ai_json_string(js, p, last);
            break;

        case ngx_http_ai_json_st_escape:
        case ngx_http_ai_json_st_hex:
            p = ngx_http_ai_json_escaped(js, p, last);
            break;

        case ngx_http_ai_json_st_literal:
            p = ngx_http_ai_json_literal(js, p, last);
            break;

        default:
            if (js->state >= ngx_http_ai_json_st_minus) {
                p = ngx_http_ai_json_number(js, p, last);
                break;
            }

            p = ngx_http_ai_json_struct(js, p, last);
        }

        if (p == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_http_ai_json_value_store(js, last);

    js->offset += n;
    js->chunk = NULL;
    js->mark = NULL;

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_json_end(ngx_http_ai_json_t *js)
{
    if (js->error == NGX_HTTP_AI_JSON_EOK) {

        switch (js->state) {

        case ngx_http_ai_json_st_done:
            return NGX_OK;

        case ngx_http_ai_json_st_start:
            js->error = NGX_HTTP_AI_JSON_EEMPTY;
            break;

        default:
            js->error = NGX_HTTP_AI_JSON_ETRUNCATED;
        }
    }

    return NGX_ERROR;
}


off_t
ngx_http_ai_json_member_text(const ngx_http_ai_json_t *js,
    const ngx_http_ai_json_member_t *m)
{
    return (m == js->cur) ? js->text - m->text : m->text;
}


const char *
ngx_http_ai_json_strerror(ngx_http_ai_json_error_e error)
{
    switch (error) {

    case NGX_HTTP_AI_JSON_EOK:
        return "no error";

    case NGX_HTTP_AI_JSON_EEMPTY:
        return "empty document";

    case NGX_HTTP_AI_JSON_ENOTOBJECT:
        return "top-level value is not an object";

    case NGX_HTTP_AI_JSON_ESYNTAX:
        return "syntax error";

    case NGX_HTTP_AI_JSON_ETRUNCATED:
        return "document ends too early";

    case NGX_HTTP_AI_JSON_EDEPTH:
        return "nested too deeply";

    case NGX_HTTP_AI_JSON_ETRAILING:
        return "trailing characters after the document";

    case NGX_HTTP_AI_JSON_EDUPLICATE:
        return "duplicate name";

    case NGX_HTTP_AI_JSON_EESCAPED:
        return "escaped characters in a top-level name";

    case NGX_HTTP_AI_JSON_ECASE:
        return "a known top-level name in another case";

    case NGX_HTTP_AI_JSON_ECONTROL:
        return "raw control character in a string";
    }

    return "unknown error";
}


/*
 * What lies between strings, words and numbers.  The common order of things,
 * a comma, a name, its colon and the value without a space between them, is
 * gone through without a look at the state for each.
 */

static const u_char *
ngx_http_ai_json_struct(ngx_http_ai_json_t *js, const u_char *p,
    const u_char *last)
{
    u_char      ch, close;
    ngx_uint_t  level, object;

    do {
        ch = *p;

        if (ch <= ' '
            && (ch == ' ' || ch == '\n' || ch == '\r' || ch == '\t'))
        {
            p++;
            continue;
        }

        switch (js->state) {

        case ngx_http_ai_json_st_start:
            if (ch == '{') {
                return ngx_http_ai_json_open(js, p, 1);
            }

            if (ch != '\0' && strchr("[\"-0123456789tfn", ch)) {
                return ngx_http_ai_json_fail(js, p,
                                             NGX_HTTP_AI_JSON_ENOTOBJECT);
            }

            return ngx_http_ai_json_fail(js, p, NGX_HTTP_AI_JSON_ESYNTAX);

        case ngx_http_ai_json_st_first_name:
            if (ch == '}') {
                js->empty = (js->depth == 1);
                p = ngx_http_ai_json_close(js, p);
                break;
            }

            /* fall through */

        case ngx_http_ai_json_st_next_name:
            if (ch != '"') {
                return ngx_http_ai_json_fail(js, p, NGX_HTTP_AI_JSON_ESYNTAX);
            }

        name:

            p = ngx_http_ai_json_name(js, p + 1, last);

            if (p == NULL || js->state != ngx_http_ai_json_st_colon
                || last - p < 2 || p[0] != ':' || p[1] <= ' ')
            {
                break;
            }

            p++;
            goto value;

        case ngx_http_ai_json_st_colon:
            if (ch != ':') {
                return ngx_http_ai_json_fail(js, p, NGX_HTTP_AI_JSON_ESYNTAX);
            }

            js->state = ngx_http_ai_json_st_value;
            p++;
            break;

        case ngx_http_ai_json_st_first_item:
            if (ch == ']') {
                p = ngx_http_ai_json_close(js, p);
                break;
            }

            /* fall through */

        case ngx_http_ai_json_st_value:
        value:

            p = ngx_http_ai_json_value(js, p, last);
            break;

        case ngx_http_ai_json_st_after:
            level = js->depth - 1;
            object = js->nest[level / 64] >> (level % 64) & 1;

            if (ch == ',') {
                if (level == 0) {
                    ngx_http_ai_json_comma(js, p);
                }

                p++;

                if (object && p < last && *p == '"') {
                    goto name;
                }

                js->state = object ? ngx_http_ai_json_st_next_name
                                   : ngx_http_ai_json_st_value;
                break;
            }

            close = object ? '}' : ']';

            if (ch != close) {
                return ngx_http_ai_json_fail(js, p, NGX_HTTP_AI_JSON_ESYNTAX);
            }

            p = ngx_http_ai_json_close(js, p);
            break;

        default: /* done */
            return ngx_http_ai_json_fail(js, p, NGX_HTTP_AI_JSON_ETRAILING);
        }

        /* strings, words and numbers are not read here */

        if (p == NULL || js->state > ngx_http_ai_json_st_done) {
            return p;
        }

    } while (p < last);

    return p;
}


/*
 * A name, p being after its quote.  Most names end in the same piece of input
 * and have no escape: those never become a state.
 */

static const u_char *
ngx_http_ai_json_name(ngx_http_ai_json_t *js, const u_char *p,
    const u_char *last)
{
    const u_char  *start;

    start = p;
    p = ngx_http_ai_json_scan(p, last);

    if (p < last && *p == '"') {

        if (js->depth == 1) {
            return ngx_http_ai_json_name_end(js, p, start, p - start);
        }

        js->state = ngx_http_ai_json_st_colon;
        return p + 1;
    }

    js->name = 1;
    js->key_len = 0;
    js->state = ngx_http_ai_json_st_string;

    if (js->depth == 1) {
        ngx_http_ai_json_name_store(js, start, p - start);
    }

    return p;
}


/*
 * The first byte of a value, and all of it where that is cheap: a string
 * without escapes, an integer, if its end is in this piece of input.
 */

static const u_char *
ngx_http_ai_json_value(ngx_http_ai_json_t *js, const u_char *p,
    const u_char *last)
{
    const u_char             *start;
    ngx_http_ai_json_type_e   type;
    ngx_http_ai_json_state_e  state;

    switch (*p) {

    case '{':
        return ngx_http_ai_json_open(js, p, 1);

    case '[':
        return ngx_http_ai_json_open(js, p, 0);

    case '"':
        ngx_http_ai_json_value_begin(js, p, NGX_HTTP_AI_JSON_STRING);

        start = p + 1;
        p = ngx_http_ai_json_scan(start, last);
        js->text += p - start;

        if (ngx_http_ai_json_counts(js)) {
            ngx_http_ai_json_chars(js, start, p);
        }

        if (p < last && *p == '"') {
            ngx_http_ai_json_value_end(js, p + 1);
            return p + 1;
        }

        js->name = 0;
        js->state = ngx_http_ai_json_st_string;

        return p < last ? ngx_http_ai_json_string(js, p, last) : p;

    case 't':
        type = NGX_HTTP_AI_JSON_TRUE;
        state = ngx_http_ai_json_st_literal;
        break;

    case 'f':
        type = NGX_HTTP_AI_JSON_FALSE;
        state = ngx_http_ai_json_st_literal;
        break;

    case 'n':
        type = NGX_HTTP_AI_JSON_NULL;
        state = ngx_http_ai_json_st_literal;
        break;

    case '-':
        type = NGX_HTTP_AI_JSON_NUMBER;
        state = ngx_http_ai_json_st_minus;
        break;

    case '0':
        ngx_http_ai_json_value_begin(js, p, NGX_HTTP_AI_JSON_NUMBER);
        p++;
        state = ngx_http_ai_json_st_zero;
        goto integer;

    default:
        if (*p < '1' || *p > '9') {
            return ngx_http_ai_json_fail(js, p, NGX_HTTP_AI_JSON_ESYNTAX);
        }

        ngx_http_ai_json_value_begin(js, p, NGX_HTTP_AI_JSON_NUMBER);

        do {
            p++;
        } while (p < last && *p >= '0' && *p <= '9');

        state = ngx_http_ai_json_st_int;
        goto integer;
    }

    js->type = type;
    js->state = state;
    js->literal = 1;

    ngx_http_ai_json_value_begin(js, p, type);

    return p + 1;

integer:

    if (p < last && (*p == ',' || *p == '}' || *p == ']')) {
        ngx_http_ai_json_value_end(js, p);
        return p;
    }

    js->state = state;

    return p;
}


static const u_char *
ngx_http_ai_json_open(ngx_http_ai_json_t *js, const u_char *p,
    ngx_uint_t object)
{
    uint64_t   bit;
    uint64_t  *word;

    if (js->depth == NGX_HTTP_AI_JSON_MAX_DEPTH) {
        return ngx_http_ai_json_fail(js, p, NGX_HTTP_AI_JSON_EDEPTH);
    }

    if (js->depth == 0) {
        js->object = js->offset + (p - js->chunk) + 1;
    }

    word = &js->nest[js->depth / 64];
    bit = (uint64_t) 1 << (js->depth % 64);

    if (object) {
        ngx_http_ai_json_value_begin(js, p, NGX_HTTP_AI_JSON_OBJECT);
        js->state = ngx_http_ai_json_st_first_name;
        *word |= bit;

    } else {
        ngx_http_ai_json_value_begin(js, p, NGX_HTTP_AI_JSON_ARRAY);
        js->state = ngx_http_ai_json_st_first_item;
        *word &= ~bit;
    }

    js->depth++;

    return p + 1;
}


static const u_char *
ngx_http_ai_json_close(ngx_http_ai_json_t *js, const u_char *p)
{
    js->depth--;

    if (js->depth == 0) {
        js->state = ngx_http_ai_json_st_done;
        return p + 1;
    }

    ngx_http_ai_json_value_end(js, p + 1);

    return p + 1;
}


/* inside a string; escapes that lie whole in the input are passed here too */

static const u_char *
ngx_http_ai_json_string(ngx_http_ai_json_t *js, const u_char *p,
    const u_char *last)
{
    ngx_uint_t     top;
    const u_char  *run;

    top = (js->name && js->depth == 1);

    for ( ;; ) {

        run = p;
        p = ngx_http_ai_json_scan(p, last);

        if (top) {
            ngx_http_ai_json_name_store(js, run, p - run);
        }

        js->text += js->name ? 0 : p - run;

        if (ngx_http_ai_json_counts(js) && !js->name) {
            ngx_http_ai_json_chars(js, run, p);
        }

        if (p == last) {
            return p;
        }

        if (*p == '"') {

            if (js->name) {
                return ngx_http_ai_json_name_end(js, p, js->key, js->key_len);
            }

            ngx_http_ai_json_value_end(js, p + 1);
            return p + 1;
        }

        if (*p != '\\') {
            return ngx_http_ai_json_fail(js, p, NGX_HTTP_AI_JSON_ECONTROL);
        }

        /* the common ones become no state either */

        if (!top && last - p > 1 && ngx_http_ai_json_simple(p[1])) {
            js->text += !js->name;

            if (ngx_http_ai_json_counts(js)) {
                js->cur->chars += !js->name;
            }

            p += 2;
            continue;
        }

        if (top) {
            if (js->strict) {
                return ngx_http_ai_json_fail(js, p,
                                             NGX_HTTP_AI_JSON_EESCAPED);
            }

            /* such a name matches nothing */
            js->key_len = NGX_HTTP_AI_JSON_MAX_KEY + 1;
        }

        js->text += !js->name;

        if (ngx_http_ai_json_counts(js)) {
            js->cur->chars += !js->name;
        }

        js->state = ngx_http_ai_json_st_escape;

        p = ngx_http_ai_json_escaped(js, p + 1, last);

        if (p == NULL || js->state != ngx_http_ai_json_st_string) {
            return p;
        }
    }
}


/* after a backslash, or between the digits of \uXXXX */

static const u_char *
ngx_http_ai_json_escaped(ngx_http_ai_json_t *js, const u_char *p,
    const u_char *last)
{
    u_char  ch;

    for ( /* void */ ; p < last; p++) {

        ch = *p;

        if (js->state == ngx_http_ai_json_st_hex) {

            if (!((ch >= '0' && ch <= '9')
                  || ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'f')))
            {
                return ngx_http_ai_json_fail(js, p, NGX_HTTP_AI_JSON_ESYNTAX);
            }

            if (js->literal < 2) {
                js->hex[js->literal] = ch | 0x20;
            }

            if (++js->literal < 4) {
                continue;
            }

            if (js->hex[0] == 'd' && ngx_http_ai_json_counts(js)) {
                ngx_http_ai_json_surrogate(js, p + 1);
            }

            js->state = ngx_http_ai_json_st_string;
            return p + 1;
        }

        if (ngx_http_ai_json_simple(ch)) {
            js->state = ngx_http_ai_json_st_string;
            return p + 1;
        }

        if (ch != 'u') {
            return ngx_http_ai_json_fail(js, p, NGX_HTTP_AI_JSON_ESYNTAX);
        }

        js->text += js->name ? 0 : 2;
        js->state = ngx_http_ai_json_st_hex;
        js->literal = 0;
    }

    return p;
}


/* bytes of a string without escapes: what begins a code point */

static void
ngx_http_ai_json_chars(ngx_http_ai_json_t *js, const u_char *p,
    const u_char *last)
{
    off_t  n;

    for (n = 0; p < last; p++) {
        n += (*p & 0xc0) != 0x80;
    }

    js->cur->chars += n;
}


/* p is after a \uDXXX, which counted: not so the low half of a pair */

static void
ngx_http_ai_json_surrogate(ngx_http_ai_json_t *js, const u_char *p)
{
    off_t  end;

    end = js->offset + (p - js->chunk);

    if (js->hex[1] >= 'c') {
        js->cur->chars -= (end - js->high == sizeof("\\udc00") - 1
                           && !js->name);
        return;
    }

    if (js->hex[1] >= '8' && !js->name) {
        js->high = end;
    }
}


static const u_char *
ngx_http_ai_json_literal(ngx_http_ai_json_t *js, const u_char *p,
    const u_char *last)
{
    const char  *word;

    switch (js->type) {

    case NGX_HTTP_AI_JSON_TRUE:
        word = "true";
        break;

    case NGX_HTTP_AI_JSON_FALSE:
        word = "false";
        break;

    default:
        word = "null";
    }

    for ( /* void */ ; p < last; p++) {

        if (*p != (u_char) word[js->literal]) {
            return ngx_http_ai_json_fail(js, p, NGX_HTTP_AI_JSON_ESYNTAX);
        }

        if (word[++js->literal] == '\0') {
            ngx_http_ai_json_value_end(js, p + 1);
            return p + 1;
        }
    }

    return p;
}


/*
 * A number has no end of its own: the first byte that cannot belong to it
 * ends it and is left for the next state.  The table of moves; "end" is
 * written 1, "error" 0:
 *
 *             0       1-9     .      e E    +       -       other
 *   MINUS     ZERO    INT     0      0      0       0       0
 *   ZERO      0       0       DOT    E      0       0       1
 *   INT       INT     INT     DOT    E      0       0       1
 *   DOT       FRAC    FRAC    0      0      0       0       0
 *   FRAC      FRAC    FRAC    0      E      0       0       1
 *   E         EXP     EXP     0      0      E_SIGN  E_SIGN  0
 *   E_SIGN    EXP     EXP     0      0      0       0       0
 *   EXP       EXP     EXP     0      0      0       0       1
 */

static const u_char *
ngx_http_ai_json_number(ngx_http_ai_json_t *js, const u_char *p,
    const u_char *last)
{
    ngx_uint_t  class, move;

    enum {
        error = 0,
        end,
        zero = ngx_http_ai_json_st_zero,
        integer = ngx_http_ai_json_st_int,
        dot = ngx_http_ai_json_st_dot,
        frac = ngx_http_ai_json_st_frac,
        e = ngx_http_ai_json_st_e,
        e_sign = ngx_http_ai_json_st_e_sign,
        exponent = ngx_http_ai_json_st_exp
    };

    static const u_char  moves[][7] = {
        { zero,     integer,  error, error, error,  error,  error },
        { error,    error,    dot,   e,     error,  error,  end   },
        { integer,  integer,  dot,   e,     error,  error,  end   },
        { frac,     frac,     error, error, error,  error,  error },
        { frac,     frac,     error, e,     error,  error,  end   },
        { exponent, exponent, error, error, e_sign, e_sign, error },
        { exponent, exponent, error, error, error,  error,  error },
        { exponent, exponent, error, error, error,  error,  end   }
    };

    for ( /* void */ ; p < last; p++) {

        switch (*p) {
        case '0':
            class = 0;
            break;
        case '1': case '2': case '3': case '4': case '5':
        case '6': case '7': case '8': case '9':
            class = 1;
            break;
        case '.':
            class = 2;
            break;
        case 'e': case 'E':
            class = 3;
            break;
        case '+':
            class = 4;
            break;
        case '-':
            class = 5;
            break;
        default:
            class = 6;
        }

        move = moves[js->state - ngx_http_ai_json_st_minus][class];

        if (move == error) {
            return ngx_http_ai_json_fail(js, p, NGX_HTTP_AI_JSON_ESYNTAX);
        }

        if (move == end) {
            ngx_http_ai_json_value_end(js, p);
            return p;
        }

        js->state = move;
    }

    return p;
}


/* between two members of the top object */

static void
ngx_http_ai_json_comma(ngx_http_ai_json_t *js, const u_char *p)
{
    js->comma = js->offset + (p - js->chunk);

    if (js->ended) {
        js->ended->next = js->comma + 1;
        js->ended = NULL;
    }
}


static void
ngx_http_ai_json_name_store(ngx_http_ai_json_t *js, const u_char *p, size_t n)
{
    if (js->key_len > NGX_HTTP_AI_JSON_MAX_KEY) {
        return;
    }

    if (n > NGX_HTTP_AI_JSON_MAX_KEY - js->key_len) {
        js->key_len = NGX_HTTP_AI_JSON_MAX_KEY + 1;
        return;
    }

    ngx_memcpy(js->key + js->key_len, p, n);
    js->key_len += n;
}


/* p is the closing quote; the n bytes are the name, but for one too long */

static const u_char *
ngx_http_ai_json_name_end(ngx_http_ai_json_t *js, const u_char *p,
    const u_char *name, size_t n)
{
    ngx_uint_t                  i;
    ngx_http_ai_json_member_t  *m;

    js->state = ngx_http_ai_json_st_colon;

    if (js->depth != 1 || n > NGX_HTTP_AI_JSON_MAX_KEY) {
        return p + 1;
    }

    for (i = 0; i < js->nmembers; i++) {
        m = &js->members[i];

        if (m->name.len != n) {
            continue;
        }

        if (ngx_memcmp(m->name.data, name, n) != 0) {

            if (js->strict
                && strncasecmp((const char *) m->name.data,
                               (const char *) name, n)
                   == 0)
            {
                return ngx_http_ai_json_fail(js, p, NGX_HTTP_AI_JSON_ECASE);
            }

            continue;
        }

        /* values are complete here, so the type says "seen before" */

        if (m->type != NGX_HTTP_AI_JSON_NONE && js->strict) {
            return ngx_http_ai_json_fail(js, p, NGX_HTTP_AI_JSON_EDUPLICATE);
        }

        m->type = NGX_HTTP_AI_JSON_NONE;
        m->len = 0;
        m->start = 0;
        m->end = 0;
        m->quote = js->offset + (p - js->chunk) - (off_t) n - 1;
        m->comma = js->comma;
        m->next = 0;
        m->text = 0;
        m->chars = 0;
        m->items = 0;
        m->numbers = 0;

        js->named = m;
        break;
    }

    return p + 1;
}


/* p is the first byte of a value */

static void
ngx_http_ai_json_value_begin(ngx_http_ai_json_t *js, const u_char *p,
    ngx_http_ai_json_type_e type)
{
    if (js->named == NULL) {

        if (js->depth == 2 && js->cur
            && js->cur_type == NGX_HTTP_AI_JSON_ARRAY)
        {
            js->cur->items++;
            js->cur->numbers += type == NGX_HTTP_AI_JSON_NUMBER;
        }

        return;
    }

    js->cur = js->named;
    js->cur_type = type;
    js->named = NULL;

    js->cur->start = js->offset + (p - js->chunk);
    js->cur->text = js->text;
    js->mark = p;
}


/* keeps the bytes of the open wanted value from the mark up to p */

static void
ngx_http_ai_json_value_store(ngx_http_ai_json_t *js, const u_char *p)
{
    size_t                      n;
    ngx_http_ai_json_member_t  *m;

    m = js->cur;

    if (m == NULL) {
        return;
    }

    n = ngx_min((size_t) (p - js->mark), m->size - m->len);

    if (n) {
        ngx_memcpy(m->buf + m->len, js->mark, n);
        m->len += n;
    }

    if (m->inner && js->cur_type == NGX_HTTP_AI_JSON_OBJECT) {
        (void) ngx_http_ai_json_feed(m->inner, js->mark, p - js->mark);
    }
}


/* p stands after the last byte of a value */

static void
ngx_http_ai_json_value_end(ngx_http_ai_json_t *js, const u_char *p)
{
    js->state = ngx_http_ai_json_st_after;

    if (js->cur == NULL || js->depth != 1) {
        return;
    }

    ngx_http_ai_json_value_store(js, p);

    js->cur->end = js->offset + (p - js->chunk);
    js->cur->text = js->text - js->cur->text;
    js->cur->type = js->cur_type;
    js->ended = js->cur;
    js->cur = NULL;
}


static const u_char *
ngx_http_ai_json_fail(ngx_http_ai_json_t *js, const u_char *p,
    ngx_http_ai_json_error_e error)
{
    ngx_http_ai_json_value_store(js, p);

    if (js->cur) {
        js->cur->text = js->text - js->cur->text;
    }

    js->error = error;
    js->offset += p - js->chunk;
    js->cur = NULL;
    js->named = NULL;
    js->chunk = NULL;
    js->mark = NULL;

    return NULL;
}
