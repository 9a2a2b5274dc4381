
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_facts.h"

#if (defined __SSE2__ && !NGX_HTTP_AI_NO_SSE2)
#include <emmintrin.h>
#endif


/* statuses of an edge that failed to speak TLS to its origin, or with us */

static const ngx_uint_t  ngx_http_ai_classify_tls[] = {
    495, 496, 525, 526, 0
};


/*
 * The next quote with an "e" behind it, or last: few names begin so, but an
 * answer is full of quotes.
 */

static const u_char *
ngx_http_ai_classify_quoted_e(const u_char *p, const u_char *last)
{
#if (defined __SSE2__ && !NGX_HTTP_AI_NO_SSE2)

    int      mask;
    __m128i  quote, e;

    quote = _mm_set1_epi8('"');
    e = _mm_set1_epi8('e');

    while (last - p > 16) {
        mask = _mm_movemask_epi8(_mm_and_si128(
                   _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *) p), quote),
                   _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *) (p + 1)),
                                  e)));

        if (mask) {
            return p + __builtin_ctz(mask);
        }

        p += 16;
    }

#endif

    while (p < last && (p[0] != '"' || last - p < 2 || p[1] != 'e')) {
        p++;
    }

    return p;
}


/*
 * Whether a 2xx may hold an error: there is a member or value "error" that is
 * not null or false.  Cheap, because every answer that is not a stream is
 * asked, and Responses always has "error":null.
 */

static ngx_uint_t
ngx_http_ai_classify_suspect(const u_char *p, const u_char *last)
{
    for ( ;; ) {
        p = ngx_http_ai_classify_quoted_e(p, last);

        if (last - p < 8) {
            return 0;
        }

        if (ngx_memcmp(p, "\"error\"", 7) != 0) {
            p++;
            continue;
        }

        p += 7;

        while (p < last && (*p == ' ' || *p == ':' || *p == '\t'
                            || *p == '\n' || *p == '\r'))
        {
            p++;
        }

        if (last - p < 5 || (ngx_memcmp(p, "null", 4) != 0
                             && ngx_memcmp(p, "false", 5) != 0))
        {
            return 1;
        }
    }
}


/*
 * Copies what may be logged: controls become spaces, a character that was cut
 * in the middle goes.
 */

static size_t
ngx_http_ai_classify_clean(u_char *dst, size_t size, const ngx_str_t *s)
{
    size_t  i, n;

    n = ngx_min(s->len, size);

    for (i = 0; i < n; i++) {
        dst[i] = (s->data[i] < 0x20 || s->data[i] == 0x7f) ? ' ' : s->data[i];
    }

    for (i = 1; i <= 3 && i <= n; i++) {

        if (dst[n - i] < 0x80) {
            break;
        }

        if (dst[n - i] >= 0xc0) {
            if ((dst[n - i] >= 0xe0) + (dst[n - i] >= 0xf0) + 2 > (int) i) {
                n -= i;
            }

            break;
        }
    }

    return n;
}


static ngx_uint_t
ngx_http_ai_classify_keyish(u_char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
           || c == '-' || c == '_' || c == '*' || c == '.';
}


/*
 * Providers quote a refused key, masked or not: a long word with a digit or
 * an asterisk in the message of such an error is not for the log.
 */

static void
ngx_http_ai_classify_mask(u_char *p, size_t n)
{
    size_t      i, start;
    ngx_uint_t  secret;

    start = 0;
    secret = 0;

    for (i = 0; i <= n; i++) {

        if (i < n && ngx_http_ai_classify_keyish(p[i])) {
            secret |= (p[i] == '*' || (p[i] >= '0' && p[i] <= '9'));
            continue;
        }

        if (secret && i - start >= 12) {
            (void) memset(&p[start], '*', i - start);
        }

        start = i + 1;
        secret = 0;
    }
}


/* the number after a word, where one follows it; or -1 */

static int64_t
ngx_http_ai_classify_after(const ngx_str_t *s, const char *word)
{
    int64_t        v;
    const u_char  *p, *last;

    if (s->len == 0) {
        return -1;
    }

    p = s->data;
    last = p + s->len;

    do {
        p = ngx_http_ai_classify_find(p, last, word);

        if (p == NULL) {
            return -1;
        }

        p += strlen(word);

    } while (p == last || *p < '0' || *p > '9');

    for (v = 0; p < last && *p >= '0' && *p <= '9' && v < 1000000000000; p++) {
        v = v * 10 + (*p - '0');
    }

    return v;
}


/* "Limit 30000, Requested 40000": no amount of waiting will help */

static ngx_uint_t
ngx_http_ai_classify_oversize(const ngx_http_ai_facts_t *facts)
{
    int64_t  limit, requested;

    if (facts->status && facts->status != 429 && facts->status != 413) {
        return 0;
    }

    limit = ngx_http_ai_classify_after(&facts->message, "limit ");
    requested = ngx_http_ai_classify_after(&facts->message, "requested ");

    return limit != -1 && requested > limit;
}


static void
ngx_http_ai_classify_code(const ngx_http_ai_facts_t *facts,
    ngx_http_ai_judgement_t *out)
{
    ngx_uint_t        i;
    const ngx_str_t  *best, *word;

    best = NULL;

    /* a word is better than a number, a code than a type */

    for (i = 0; i < facts->ncodes + facts->ntypes; i++) {
        word = (i < facts->ncodes) ? &facts->codes[i]
                                   : &facts->types[i - facts->ncodes];

        if (word->data[0] == '@') {
            continue;
        }

        if (word->data[0] > '9') {
            best = word;
            break;
        }

        best = best ? best : word;
    }

    if (best) {
        out->code_len = ngx_http_ai_classify_clean(out->code,
                                                   sizeof(out->code), best);
    }
}


static ngx_uint_t
ngx_http_ai_classify_waits(ngx_http_ai_verdict_e v)
{
    return v == NGX_HTTP_AI_RATE_LIMIT || v == NGX_HTTP_AI_RATE_LIMIT_DAY
           || v == NGX_HTTP_AI_SLOW_DOWN || v == NGX_HTTP_AI_OVERLOADED;
}


void
ngx_http_ai_facts_conclude(const ngx_http_ai_provider_t *provider,
    ngx_http_ai_facts_t *facts, ngx_http_ai_judgement_t *out)
{
    if (facts->wait_ms != -1) {
        ngx_http_ai_facts_code(facts, (u_char *) "@wait", 5);
    }

    if (ngx_http_ai_classify_oversize(facts)) {
        ngx_http_ai_facts_code(facts, (u_char *) "@oversize", 9);
    }

    out->verdict = ngx_http_ai_facts_judge(provider, facts);
    out->dialect = facts->dialect;
    out->wait_ms = facts->wait_ms;

    if (out->wait_ms == -1 && ngx_http_ai_classify_waits(out->verdict)) {
        out->wait_ms = ngx_http_ai_classify_wait_text(facts->message.data,
                                                      facts->message.len);
    }

    ngx_http_ai_classify_code(facts, out);

    out->message_len = ngx_http_ai_classify_clean(out->message,
                           sizeof(out->message),
                           facts->message.len ? &facts->message
                                              : &facts->plain);

    if (out->verdict == NGX_HTTP_AI_AUTH
        || out->verdict == NGX_HTTP_AI_ACCOUNT_DISABLED)
    {
        ngx_http_ai_classify_mask(out->message, out->message_len);
    }
}


/*
 * The longer of two hints: Azure sends "retry-after: 1" together with
 * "retry-after-ms: 0".
 */

static int64_t
ngx_http_ai_classify_hint(const ngx_http_ai_answer_t *answer, time_t now)
{
    int64_t  s, ms;

    s = ngx_http_ai_classify_wait(answer->retry_after.data,
                                  answer->retry_after.len, now);

    ms = ngx_http_ai_classify_wait_ms(answer->retry_after_ms.data,
                                      answer->retry_after_ms.len);

    s = ngx_max(s, ms);

    return (s > 0) ? s : -1;
}


/* "ValidationException:http://internal.amazon.com/..." */

static void
ngx_http_ai_classify_errortype(ngx_http_ai_facts_t *facts,
    const ngx_str_t *type)
{
    u_char  *p;

    if (type->len == 0) {
        return;
    }

    p = memchr(type->data, ':', type->len);

    ngx_http_ai_facts_type(facts, type->data,
                           p ? (size_t) (p - type->data) : type->len);
}


void
ngx_http_ai_classify(const ngx_http_ai_provider_t *provider,
    const ngx_http_ai_answer_t *answer, time_t now,
    ngx_http_ai_judgement_t *out)
{
    size_t                n;
    int64_t               hint;
    const ngx_uint_t     *tls;
    ngx_http_ai_facts_t   facts;

    ngx_memzero(out, offsetof(ngx_http_ai_judgement_t, code));
    out->message_len = 0;
    out->wait_ms = -1;

    if (answer->status >= 200 && answer->status < 300) {

        n = ngx_min(answer->body.len, NGX_HTTP_AI_CLASSIFY_BODY);

        if (n == 0 || !ngx_http_ai_classify_suspect(answer->body.data,
                                                    answer->body.data + n))
        {
            return;
        }

        ngx_http_ai_facts_read(&facts, answer->body.data, n);

        if (facts.error) {
            ngx_http_ai_facts_conclude(provider, &facts, out);
        }

        return;
    }

    ngx_http_ai_facts_read(&facts, answer->body.data, answer->body.len);
    ngx_http_ai_classify_errortype(&facts, &answer->error_type);

    facts.status = answer->status;

    hint = ngx_http_ai_classify_hint(answer, now);

    if (hint != -1) {
        facts.wait_ms = hint;
    }

    ngx_http_ai_facts_conclude(provider, &facts, out);

    out->no_same = (answer->should_retry.len == 5
                    && strncasecmp((char *) answer->should_retry.data,
                                   "false", 5) == 0);

    for (tls = ngx_http_ai_classify_tls; *tls; tls++) {
        out->no_same |= (*tls == answer->status);
    }
}
