
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * One parser for all dialects of errors (wire.md A2): a table of the paths at
 * which codes, types and messages are found, whoever puts them there.  No
 * two dialects give a different meaning to the same path but for error.code
 * and error.status, where the value's type tells (a number is a status).
 */


#include "ngx_http_ai_facts.h"
#include "ngx_http_ai_pluck.h"


typedef enum {
    NGX_HTTP_AI_FACT_CODE = 0,
    NGX_HTTP_AI_FACT_TYPE,
    NGX_HTTP_AI_FACT_MESSAGE,
    NGX_HTTP_AI_FACT_OTHER,            /* short, looked at by its index */
    NGX_HTTP_AI_FACT_PRESENT           /* only whether it is there */
} ngx_http_ai_fact_e;


typedef struct {
    const char            *path;
    ngx_http_ai_fact_e     role;
} ngx_http_ai_fact_t;


enum {
    NGX_HTTP_AI_F_ERROR_CODE = 0,
    NGX_HTTP_AI_F_ERROR_TYPE,
    NGX_HTTP_AI_F_ERROR_STATUS,
    NGX_HTTP_AI_F_ERROR_STATUS_CODE,
    NGX_HTTP_AI_F_DETAILS_CODE,
    NGX_HTTP_AI_F_DETAILS_REASON,
    NGX_HTTP_AI_F_RETRY_DELAY,
    NGX_HTTP_AI_F_METADATA_TYPE,
    NGX_HTTP_AI_F_AVAILABILITY_CODE,
    NGX_HTTP_AI_F_AVAILABILITY_RETRY,
    NGX_HTTP_AI_F_INNER_CODE,
    NGX_HTTP_AI_F_CODE,
    NGX_HTTP_AI_F_TYPE,
    NGX_HTTP_AI_F_STATUS,
    NGX_HTTP_AI_F_OBJECT,
    NGX_HTTP_AI_F_ERROR_TYPE_TOP,
    NGX_HTTP_AI_F_AMAZON_TYPE,
    NGX_HTTP_AI_F_RESPONSE_CODE,

    NGX_HTTP_AI_F_ERROR_MESSAGE,
    NGX_HTTP_AI_F_RESPONSE_MESSAGE,
    NGX_HTTP_AI_F_MESSAGE,
    NGX_HTTP_AI_F_AMAZON_MESSAGE,
    NGX_HTTP_AI_F_ERROR,
    NGX_HTTP_AI_F_DETAIL,
    NGX_HTTP_AI_F_DETAIL_MSG,
    NGX_HTTP_AI_F_MESSAGE_MSG,
    NGX_HTTP_AI_F_RAW,

    NGX_HTTP_AI_F_METADATA,
    NGX_HTTP_AI_F_AVAILABILITY,
    NGX_HTTP_AI_F_DETAILS,
    NGX_HTTP_AI_F_RESPONSE_ERROR,
    NGX_HTTP_AI_F_USER_ID,
    NGX_HTTP_AI_FACTS
};


/* messages in the order in which they are believed */

static const ngx_http_ai_fact_t  ngx_http_ai_fact_table[] = {
    { "error.code", NGX_HTTP_AI_FACT_CODE },
    { "error.type", NGX_HTTP_AI_FACT_TYPE },
    { "error.status", NGX_HTTP_AI_FACT_TYPE },
    { "error.status_code", NGX_HTTP_AI_FACT_OTHER },
    { "error.details.error_code", NGX_HTTP_AI_FACT_CODE },
    { "error.details.[].reason", NGX_HTTP_AI_FACT_CODE },
    { "error.details.[].retryDelay", NGX_HTTP_AI_FACT_OTHER },
    { "error.metadata.error_type", NGX_HTTP_AI_FACT_TYPE },
    { "error.availability.code", NGX_HTTP_AI_FACT_CODE },
    { "error.availability.retry_after", NGX_HTTP_AI_FACT_OTHER },
    { "error.innererror.code", NGX_HTTP_AI_FACT_CODE },
    { "code", NGX_HTTP_AI_FACT_CODE },
    { "type", NGX_HTTP_AI_FACT_TYPE },
    { "status", NGX_HTTP_AI_FACT_OTHER },
    { "object", NGX_HTTP_AI_FACT_OTHER },
    { "error_type", NGX_HTTP_AI_FACT_TYPE },
    { "__type", NGX_HTTP_AI_FACT_OTHER },
    { "response.error.code", NGX_HTTP_AI_FACT_CODE },

    { "error.message", NGX_HTTP_AI_FACT_MESSAGE },
    { "response.error.message", NGX_HTTP_AI_FACT_MESSAGE },
    { "message", NGX_HTTP_AI_FACT_MESSAGE },
    { "Message", NGX_HTTP_AI_FACT_MESSAGE },
    { "error", NGX_HTTP_AI_FACT_MESSAGE },
    { "detail", NGX_HTTP_AI_FACT_MESSAGE },
    { "detail.[].msg", NGX_HTTP_AI_FACT_MESSAGE },
    { "message.detail.[].msg", NGX_HTTP_AI_FACT_MESSAGE },
    { "error.metadata.raw", NGX_HTTP_AI_FACT_MESSAGE },

    { "error.metadata", NGX_HTTP_AI_FACT_PRESENT },
    { "error.availability", NGX_HTTP_AI_FACT_PRESENT },
    { "error.details", NGX_HTTP_AI_FACT_PRESENT },
    { "response.error", NGX_HTTP_AI_FACT_PRESENT },
    { "user_id", NGX_HTTP_AI_FACT_PRESENT }
};


#define ngx_http_ai_fact_space(c)                                             \
    ((c) == ' ' || (c) == '\t' || (c) == '\r' || (c) == '\n')


static void
ngx_http_ai_facts_add(ngx_str_t *words, ngx_uint_t *nwords, const u_char *p,
    size_t n)
{
    if (n && *nwords < NGX_HTTP_AI_FACTS_WORDS) {
        words[*nwords].data = (u_char *) p;
        words[*nwords].len = n;
        (*nwords)++;
    }
}


void
ngx_http_ai_facts_code(ngx_http_ai_facts_t *facts, const u_char *p, size_t n)
{
    ngx_http_ai_facts_add(facts->codes, &facts->ncodes, p, n);
}


void
ngx_http_ai_facts_type(ngx_http_ai_facts_t *facts, const u_char *p, size_t n)
{
    ngx_http_ai_facts_add(facts->types, &facts->ntypes, p, n);
}


static void
ngx_http_ai_facts_prepare(ngx_http_ai_facts_t *facts,
    ngx_http_ai_pluck_t *items)
{
    ngx_uint_t                 i, words, texts;
    const ngx_http_ai_fact_t  *fact;

    ngx_memzero(items, NGX_HTTP_AI_FACTS * sizeof(ngx_http_ai_pluck_t));

    words = 0;
    texts = 0;

    for (i = 0; i < NGX_HTTP_AI_FACTS; i++) {
        fact = &ngx_http_ai_fact_table[i];
        items[i].path = fact->path;

        if (fact->role == NGX_HTTP_AI_FACT_PRESENT) {
            continue;
        }

        if (fact->role == NGX_HTTP_AI_FACT_MESSAGE) {
            items[i].buf = facts->texts[texts++];
            items[i].size = NGX_HTTP_AI_CLASSIFY_TEXT;
            continue;
        }

        items[i].buf = facts->words[words++];
        items[i].size = NGX_HTTP_AI_FACTS_WORD;
    }
}


static ngx_uint_t
ngx_http_ai_facts_string(const ngx_http_ai_pluck_t *item)
{
    return item->type == NGX_HTTP_AI_PLUCK_STRING && item->len;
}


static ngx_uint_t
ngx_http_ai_facts_equal(const ngx_http_ai_pluck_t *item, const char *s)
{
    return item->type == NGX_HTTP_AI_PLUCK_STRING
           && item->len == strlen(s)
           && ngx_memcmp(item->buf, s, item->len) == 0;
}


/* as JavaScript has it: SDKs say "if (chunk.error)" */

static ngx_uint_t
ngx_http_ai_facts_truthy(const ngx_http_ai_pluck_t *item)
{
    switch (item->type) {

    case NGX_HTTP_AI_PLUCK_OBJECT:
    case NGX_HTTP_AI_PLUCK_ARRAY:
        return 1;

    case NGX_HTTP_AI_PLUCK_STRING:
        return item->len != 0;

    case NGX_HTTP_AI_PLUCK_BOOL:
    case NGX_HTTP_AI_PLUCK_INT:
        return item->integer != 0;

    case NGX_HTTP_AI_PLUCK_DOUBLE:
        return 1;

    default:
        return 0;
    }
}


static ngx_uint_t
ngx_http_ai_facts_http(const ngx_http_ai_pluck_t *item)
{
    ngx_uint_t  v;

    v = 0;

    if (item->type == NGX_HTTP_AI_PLUCK_INT) {
        v = (item->integer > 0 && item->integer < 600) ? item->integer : 0;

    } else if (item->type == NGX_HTTP_AI_PLUCK_STRING && item->len == 3) {
        v = (item->buf[0] - '0') * 100 + (item->buf[1] - '0') * 10
            + (item->buf[2] - '0');
    }

    return (v >= 400 && v < 600) ? v : 0;
}


/* the status that an error in a 200 names itself */

static ngx_uint_t
ngx_http_ai_facts_status(const ngx_http_ai_pluck_t *items)
{
    ngx_uint_t               i, v;
    static const ngx_uint_t  where[] = {
        NGX_HTTP_AI_F_ERROR_STATUS_CODE, NGX_HTTP_AI_F_ERROR_STATUS,
        NGX_HTTP_AI_F_ERROR_CODE, NGX_HTTP_AI_F_STATUS, NGX_HTTP_AI_F_CODE
    };

    for (i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
        v = ngx_http_ai_facts_http(&items[where[i]]);

        if (v) {
            return v;
        }
    }

    return 0;
}


/* which row of wire.md A2; an array's error object looks as Gemini's */

static ngx_uint_t
ngx_http_ai_facts_dialect(const ngx_http_ai_pluck_t *items)
{
    const ngx_http_ai_pluck_t  *error, *code;

    error = &items[NGX_HTTP_AI_F_ERROR];
    code = &items[NGX_HTTP_AI_F_ERROR_CODE];

    if (error->type == NGX_HTTP_AI_PLUCK_STRING) {
        return 8;
    }

    if (error->type == NGX_HTTP_AI_PLUCK_OBJECT) {

        if (ngx_http_ai_facts_equal(&items[NGX_HTTP_AI_F_TYPE], "error")) {
            return 3;
        }

        if (code->type != NGX_HTTP_AI_PLUCK_INT) {
            return 1;
        }

        if (ngx_http_ai_facts_string(&items[NGX_HTTP_AI_F_ERROR_STATUS])) {
            return 4;
        }

        if (items[NGX_HTTP_AI_F_METADATA].type
            || items[NGX_HTTP_AI_F_AVAILABILITY].type
            || items[NGX_HTTP_AI_F_USER_ID].type)
        {
            return 6;
        }

        return 2;
    }

    if (ngx_http_ai_facts_equal(&items[NGX_HTTP_AI_F_OBJECT], "error")) {
        return 9;
    }

    if (items[NGX_HTTP_AI_F_DETAIL].type) {
        return 10;
    }

    if (items[NGX_HTTP_AI_F_MESSAGE].type
        || items[NGX_HTTP_AI_F_AMAZON_MESSAGE].type)
    {
        return 7;
    }

    return 0;
}


/* codes, types and the message to their places */

static void
ngx_http_ai_facts_collect(ngx_http_ai_facts_t *facts,
    ngx_http_ai_pluck_t *items)
{
    u_char               *p;
    ngx_uint_t            i;
    ngx_http_ai_pluck_t  *item;

    for (i = 0; i < NGX_HTTP_AI_FACTS; i++) {
        item = &items[i];

        switch (ngx_http_ai_fact_table[i].role) {

        case NGX_HTTP_AI_FACT_CODE:
            if (item->type == NGX_HTTP_AI_PLUCK_STRING
                || item->type == NGX_HTTP_AI_PLUCK_INT)
            {
                ngx_http_ai_facts_code(facts, item->buf, item->len);
            }

            break;

        case NGX_HTTP_AI_FACT_TYPE:
            if (item->type == NGX_HTTP_AI_PLUCK_STRING) {
                ngx_http_ai_facts_type(facts, item->buf, item->len);
            }

            break;

        case NGX_HTTP_AI_FACT_MESSAGE:
            if (ngx_http_ai_facts_string(item) && facts->message.len == 0
                && i != NGX_HTTP_AI_F_RAW)
            {
                facts->message.data = item->buf;
                facts->message.len = item->len;
            }

            break;

        default:
            break;
        }
    }

    item = &items[NGX_HTTP_AI_F_RAW];

    if (ngx_http_ai_facts_string(item)) {
        facts->inner.data = item->buf;
        facts->inner.len = item->len;
    }

    /* "com.amazon.coral.service#UnrecognizedClientException" */

    item = &items[NGX_HTTP_AI_F_AMAZON_TYPE];

    if (ngx_http_ai_facts_string(item)) {
        p = memchr(item->buf, '#', item->len);
        p = p ? p + 1 : item->buf;

        ngx_http_ai_facts_type(facts, p, item->buf + item->len - p);
    }
}


static void
ngx_http_ai_facts_hint(ngx_http_ai_facts_t *facts,
    const ngx_http_ai_pluck_t *item)
{
    int64_t  ms;

    if (item->type == NGX_HTTP_AI_PLUCK_NONE || item->len == 0) {
        return;
    }

    ms = ngx_http_ai_classify_wait(item->buf, item->len, 0);

    if (ms > facts->wait_ms && ms > 0) {
        facts->wait_ms = ms;
    }
}


/*
 * QuotaFailure may list several violations, so the names are looked for in
 * the raw bytes: "quotaId": "GenerateRequestsPerDayPerProjectPerModel".
 */

static void
ngx_http_ai_facts_quota(ngx_http_ai_facts_t *facts, const u_char *p,
    const u_char *last)
{
    ngx_uint_t     day, minute;
    const u_char  *end;

    day = 0;
    minute = 0;

    while ((p = ngx_http_ai_classify_find(p, last, "\"quotaId\"")) != NULL) {

        p += sizeof("\"quotaId\"") - 1;
        p = memchr(p, '"', last - p);
        end = p ? memchr(p + 1, '"', last - p - 1) : NULL;

        if (end == NULL) {
            break;
        }

        day |= (ngx_http_ai_classify_find(p, end, "PerDay") != NULL);
        minute |= (ngx_http_ai_classify_find(p, end, "PerMinute") != NULL);

        p = end;
    }

    if (day) {
        ngx_http_ai_facts_code(facts, (u_char *) "@per_day", 8);
    }

    if (minute) {
        ngx_http_ai_facts_code(facts, (u_char *) "@per_minute", 11);
    }
}


static void
ngx_http_ai_facts_google(ngx_http_ai_facts_t *facts,
    const ngx_http_ai_pluck_t *items, const u_char *p, const u_char *last)
{
    if (items[NGX_HTTP_AI_F_DETAILS].type == NGX_HTTP_AI_PLUCK_ARRAY) {
        ngx_http_ai_facts_quota(facts, p, last);
    }

    if (ngx_http_ai_facts_string(&items[NGX_HTTP_AI_F_RETRY_DELAY])) {
        ngx_http_ai_facts_code(facts, (u_char *) "@retry_info", 11);
    }
}


void
ngx_http_ai_facts_read(ngx_http_ai_facts_t *facts, const u_char *p, size_t n)
{
    ngx_uint_t            array;
    const u_char         *last;
    ngx_http_ai_pluck_t   items[NGX_HTTP_AI_FACTS];

    /* all but the bytes of the strings */

    ngx_memzero(facts, offsetof(ngx_http_ai_facts_t, words));

    facts->wait_ms = -1;

    if (n == 0) {
        facts->dialect = 11;
        return;
    }

    last = p + ngx_min(n, NGX_HTTP_AI_CLASSIFY_BODY);

    while (p < last && ngx_http_ai_fact_space(*p)) { p++; }
    while (p < last && ngx_http_ai_fact_space(last[-1])) { last--; }

    if (p == last || *p == '<') {
        facts->html = (p != last);
        facts->dialect = 11;
        return;
    }

    /* a list of one error is read as that; of more, as the first */

    array = (*p == '[' && last[-1] == ']');
    p += array;
    last -= array;

    ngx_http_ai_facts_prepare(facts, items);

    facts->broken = ngx_http_ai_pluck(p, last - p, items, NGX_HTTP_AI_FACTS)
                    != NGX_OK;

    facts->dialect = ngx_http_ai_facts_dialect(items);

    if (facts->dialect && array) {
        facts->dialect = 5;
    }

    if (facts->dialect == 0 && facts->broken) {
        facts->plain.data = (u_char *) p;
        facts->plain.len = last - p;
    }

    facts->status = ngx_http_ai_facts_status(items);

    facts->error = ngx_http_ai_facts_truthy(&items[NGX_HTTP_AI_F_ERROR])
         || ngx_http_ai_facts_truthy(&items[NGX_HTTP_AI_F_RESPONSE_ERROR])
         || ngx_http_ai_facts_equal(&items[NGX_HTTP_AI_F_TYPE], "error")
         || ngx_http_ai_facts_equal(&items[NGX_HTTP_AI_F_OBJECT], "error");

    ngx_http_ai_facts_collect(facts, items);
    ngx_http_ai_facts_google(facts, items, p, last);

    ngx_http_ai_facts_hint(facts, &items[NGX_HTTP_AI_F_RETRY_DELAY]);
    ngx_http_ai_facts_hint(facts, &items[NGX_HTTP_AI_F_AVAILABILITY_RETRY]);
}
