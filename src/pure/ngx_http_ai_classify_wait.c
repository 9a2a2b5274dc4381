
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * How long to wait, as providers say it: seconds, Go durations, HTTP dates,
 * RFC 3339, and words in a message.
 */


#include "ngx_http_ai_facts.h"


#define NGX_HTTP_AI_WAIT_MAX  ((int64_t) 366 * 86400 * 1000)

#define ngx_http_ai_wait_digit(c)  ((c) >= '0' && (c) <= '9')
#define ngx_http_ai_wait_alpha(c)                                             \
    (((c) | 0x20) >= 'a' && ((c) | 0x20) <= 'z')


typedef struct {
    const char  *name;
    uint64_t     ns;
} ngx_http_ai_wait_unit_t;


typedef struct {
    int64_t      day;               /* -1: not seen */
    int64_t      month;             /* 1 .. 12 */
    int64_t      year;
    int64_t      seconds;           /* of the day */
} ngx_http_ai_wait_date_t;


/* the longer name first where one begins with the other */

static const ngx_http_ai_wait_unit_t  ngx_http_ai_wait_units[] = {
    { "ms", 1000000 },
    { "us", 1000 },
    { "\xc2\xb5s", 1000 },
    { "\xce\xbcs", 1000 },
    { "ns", 1 },
    { "s", 1000000000ull },
    { "m", 60000000000ull },
    { "h", 3600000000000ull },
    { "d", 86400000000000ull },
    { NULL, 0 }
};


static const ngx_http_ai_wait_unit_t  ngx_http_ai_wait_words[] = {
    { "millisecond", 1000000 },
    { "second", 1000000000ull },
    { "sec", 1000000000ull },
    { "minute", 60000000000ull },
    { "min", 60000000000ull },
    { "hour", 3600000000000ull },
    { "day", 86400000000000ull },
    { NULL, 0 }
};


static const char *ngx_http_ai_wait_phrases[] = {
    "try again in ", "try again after ", "retry in ", "retry after ", NULL
};


/*
 * A decimal number in billionths, so that "0.0004" is not nothing.  NULL if
 * there is none or it is absurdly long (beyond that the sum would overflow).
 */

static const u_char *
ngx_http_ai_wait_number(const u_char *p, const u_char *last, uint64_t *nano)
{
    uint64_t       unit;
    const u_char  *start;

    *nano = 0;
    start = p;

    for ( /* void */ ; p < last && ngx_http_ai_wait_digit(*p); p++) {
        if (*nano > 1800000000) {
            return NULL;
        }

        *nano = *nano * 10 + (*p - '0');
    }

    *nano *= 1000000000;

    if (p == last || *p != '.') {
        return (p == start) ? NULL : p;
    }

    if (++p == last || !ngx_http_ai_wait_digit(*p)) {
        return NULL;
    }

    unit = 1000000000;

    for ( /* void */ ; p < last && ngx_http_ai_wait_digit(*p); p++) {
        unit /= 10;
        *nano += unit * (*p - '0');
    }

    return p;
}


static const ngx_http_ai_wait_unit_t *
ngx_http_ai_wait_unit(const ngx_http_ai_wait_unit_t *units, const u_char *p,
    const u_char *last)
{
    size_t  len;

    for ( /* void */ ; units->name; units++) {
        len = strlen(units->name);

        if ((size_t) (last - p) >= len
            && strncasecmp((const char *) p, units->name, len) == 0)
        {
            return units;
        }
    }

    return NULL;
}


/*
 * nano billionths of a unit of ns nanoseconds, in milliseconds, rounded up: a
 * wait that ends too early costs one more refusal.
 */

static int64_t
ngx_http_ai_wait_ms(uint64_t nano, uint64_t ns)
{
    uint64_t  ms, k;

    if (ns < 1000000) {
        k = 1000000 / ns * 1000000000;
        ms = nano / k + (nano % k != 0);

    } else {
        k = ns / 1000000;
        ms = nano / 1000000000 * k
             + (nano % 1000000000 * k + 999999999) / 1000000000;
    }

    return (ms > (uint64_t) NGX_HTTP_AI_WAIT_MAX) ? -1 : (int64_t) ms;
}


static int64_t
ngx_http_ai_wait_duration(const u_char *p, const u_char *last)
{
    int64_t                         ms, sum;
    uint64_t                        nano;
    const ngx_http_ai_wait_unit_t  *unit;

    sum = 0;

    p = ngx_http_ai_wait_number(p, last, &nano);

    if (p == last) {
        return ngx_http_ai_wait_ms(nano, 1000000000);
    }

    while (p) {
        unit = ngx_http_ai_wait_unit(ngx_http_ai_wait_units, p, last);

        if (unit == NULL) {
            return -1;
        }

        ms = ngx_http_ai_wait_ms(nano, unit->ns);

        if (ms == -1 || sum + ms > NGX_HTTP_AI_WAIT_MAX) {
            return -1;
        }

        sum += ms;
        p += strlen(unit->name);

        if (p == last) {
            return sum;
        }

        p = ngx_http_ai_wait_number(p, last, &nano);
    }

    return -1;
}


/* exactly n digits, or -1 */

static int64_t
ngx_http_ai_wait_digits(const u_char *p, const u_char *last, size_t n)
{
    int64_t  v;

    if ((size_t) (last - p) < n) {
        return -1;
    }

    for (v = 0; n; n--, p++) {
        if (!ngx_http_ai_wait_digit(*p)) {
            return -1;
        }

        v = v * 10 + (*p - '0');
    }

    return v;
}


/* "08:49:37" in seconds, or -1 */

static int64_t
ngx_http_ai_wait_clock(const u_char *p, const u_char *last)
{
    int64_t  h, m, s;

    if (last - p < 8 || p[2] != ':' || p[5] != ':') {
        return -1;
    }

    h = ngx_http_ai_wait_digits(p, last, 2);
    m = ngx_http_ai_wait_digits(p + 3, last, 2);
    s = ngx_http_ai_wait_digits(p + 6, last, 2);

    if (h < 0 || m < 0 || s < 0 || h > 23 || m > 59 || s > 60) {
        return -1;
    }

    return h * 3600 + m * 60 + s;
}


/* from the civil date to milliseconds from now (days by the Gauss formula) */

static int64_t
ngx_http_ai_wait_date(const ngx_http_ai_wait_date_t *d, time_t now)
{
    int64_t  days, y, m, ms;

    if (d->day < 1 || d->day > 31 || d->month < 1 || d->month > 12
        || d->year < 1970 || d->year > 9999 || d->seconds < 0)
    {
        return -1;
    }

    /* March is month 0: leap days come last */

    y = (d->month <= 2) ? d->year - 1 : d->year;
    m = (d->month + 9) % 12;

    days = 365 * y + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10
           + (d->day - 1) - 719468;

    ms = (days * 86400 + d->seconds - (int64_t) now) * 1000;

    if (ms > NGX_HTTP_AI_WAIT_MAX) {
        return -1;
    }

    return ngx_max(ms, 0);
}


static int64_t
ngx_http_ai_wait_month(const u_char *p)
{
    ngx_uint_t          i;
    static const char  *months = "janfebmaraprmayjunjulaugsepoctnovdec";

    for (i = 0; i < 12; i++) {
        if (strncasecmp((const char *) p, months + i * 3, 3) == 0) {
            return i + 1;
        }
    }

    return -1;
}


/*
 * The three dates of RFC 9110, told apart by nothing: a word may be a month,
 * a number is the day, then the year, what has colons is the time.
 */

static int64_t
ngx_http_ai_wait_http(const u_char *p, const u_char *last, time_t now)
{
    size_t                    n;
    int64_t                   v;
    const u_char             *word;
    ngx_http_ai_wait_date_t   d = { -1, -1, -1, -1 };

    while (p < last) {
        for (word = p;
             p < last && *p != ' ' && *p != ',' && *p != '-';
             p++)
        {
            /* void */
        }

        n = p - word;

        if (n == 8 && word[2] == ':') {
            d.seconds = ngx_http_ai_wait_clock(word, p);

        } else if (n >= 3 && ngx_http_ai_wait_alpha(*word)) {
            v = ngx_http_ai_wait_month(word);
            d.month = (v == -1) ? d.month : v;

        } else if (n) {
            v = (n <= 4) ? ngx_http_ai_wait_digits(word, p, n) : -1;

            if (v == -1) {
                return -1;
            }

            if (d.day == -1) {
                d.day = v;

            } else {
                d.year = (n == 2) ? v + (v < 70 ? 2000 : 1900) : v;
            }
        }

        p += (p < last);
    }

    return ngx_http_ai_wait_date(&d, now);
}


/* "2026-08-19T14:34:11.5Z", "...+02:00" */

static int64_t
ngx_http_ai_wait_rfc3339(const u_char *p, const u_char *last, time_t now)
{
    int64_t                   h, m, zone;
    ngx_http_ai_wait_date_t   d;

    d.year = ngx_http_ai_wait_digits(p, last, 4);
    d.month = ngx_http_ai_wait_digits(p + 5, last, 2);
    d.day = ngx_http_ai_wait_digits(p + 8, last, 2);
    d.seconds = ngx_http_ai_wait_clock(p + 11, last);

    if (d.seconds == -1) {
        return -1;
    }

    p += 19;

    if (p < last && *p == '.') {
        for (p++; p < last && ngx_http_ai_wait_digit(*p); p++) { /* void */ }
    }

    if (last - p == 1 && (*p | 0x20) == 'z') {
        return ngx_http_ai_wait_date(&d, now);
    }

    if (last - p != 6 || (*p != '+' && *p != '-') || p[3] != ':') {
        return -1;
    }

    h = ngx_http_ai_wait_digits(p + 1, last, 2);
    m = ngx_http_ai_wait_digits(p + 4, last, 2);

    if (h < 0 || m < 0) {
        return -1;
    }

    zone = h * 3600 + m * 60;

    return ngx_http_ai_wait_date(&d, (*p == '+') ? now + zone : now - zone);
}


int64_t
ngx_http_ai_classify_wait(const u_char *p, size_t n, time_t now)
{
    const u_char  *last;

    if (n == 0) {
        return -1;
    }

    last = p + n;

    while (p < last && (*p == ' ' || *p == '\t' || *p == '"')) {
        p++;
    }

    while (p < last
           && (last[-1] == ' ' || last[-1] == '\t' || last[-1] == '"'))
    {
        last--;
    }

    n = last - p;

    if (n == 0 || n > 64) {
        return -1;
    }

    if (n >= 20 && p[4] == '-' && (p[10] | 0x20) == 't') {
        return ngx_http_ai_wait_rfc3339(p, last, now);
    }

    if (n >= 20 && ngx_http_ai_wait_alpha(*p)) {
        return ngx_http_ai_wait_http(p, last, now);
    }

    return ngx_http_ai_wait_duration(p, last);
}


int64_t
ngx_http_ai_classify_wait_ms(const u_char *p, size_t n)
{
    uint64_t       nano;
    const u_char  *last;

    if (n == 0) {
        return -1;
    }

    last = p + n;

    if (ngx_http_ai_wait_number(p, last, &nano) != last) {
        return -1;
    }

    return ngx_http_ai_wait_ms(nano, 1000000);
}


/* "2s." or "20 seconds." after a phrase */

static int64_t
ngx_http_ai_wait_spoken(const u_char *p, const u_char *last)
{
    uint64_t                        nano;
    const u_char                   *end;
    const ngx_http_ai_wait_unit_t  *unit;

    end = ngx_http_ai_wait_number(p, last, &nano);

    if (end == NULL || end == last) {
        return -1;
    }

    if (*end == ' ') {
        unit = ngx_http_ai_wait_unit(ngx_http_ai_wait_words, end + 1, last);
        return unit ? ngx_http_ai_wait_ms(nano, unit->ns) : -1;
    }

    for (end = p;
         end < last && (ngx_http_ai_wait_alpha(*end) || *end == '.'
                        || ngx_http_ai_wait_digit(*end));
         end++)
    {
        /* void */
    }

    while (end > p && end[-1] == '.') {
        end--;
    }

    if (end == p || ngx_http_ai_wait_digit(end[-1])) {
        return -1;
    }

    return ngx_http_ai_wait_duration(p, end);
}


int64_t
ngx_http_ai_classify_wait_text(const u_char *p, size_t n)
{
    const char    **phrase;
    const u_char   *at, *last;

    if (n == 0) {
        return -1;
    }

    last = p + n;

    for (phrase = ngx_http_ai_wait_phrases; *phrase; phrase++) {
        at = ngx_http_ai_classify_find(p, last, *phrase);

        if (at) {
            return ngx_http_ai_wait_spoken(at + strlen(*phrase), last);
        }
    }

    return -1;
}
