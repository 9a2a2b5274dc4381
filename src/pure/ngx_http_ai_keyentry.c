
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_keyentry.h"


static const char *ngx_http_ai_keyentry_name(ngx_str_t *name, const u_char *p,
    size_t n);
static const char *ngx_http_ai_keyentry_id(ngx_http_ai_keyentry_t *entry,
    const u_char *p, size_t n);
static const char *ngx_http_ai_keyentry_hash(ngx_http_ai_keyentry_t *entry,
    const u_char *p, size_t n);
static const char *ngx_http_ai_keyentry_app(ngx_http_ai_keyentry_t *entry,
    const u_char *p, size_t n);
static const char *ngx_http_ai_keyentry_team(ngx_http_ai_keyentry_t *entry,
    const u_char *p, size_t n);
static const char *ngx_http_ai_keyentry_env(ngx_http_ai_keyentry_t *entry,
    const u_char *p, size_t n);
static const char *ngx_http_ai_keyentry_class(ngx_http_ai_keyentry_t *entry,
    const u_char *p, size_t n);
static const char *ngx_http_ai_keyentry_default_class(
    ngx_http_ai_keyentry_t *entry, const u_char *p, size_t n);
static const char *ngx_http_ai_keyentry_pattern(ngx_http_ai_keyentry_t *entry,
    const u_char *p, size_t n);
static const char *ngx_http_ai_keyentry_requests(ngx_http_ai_keyentry_t *entry,
    const u_char *p, size_t n);
static const char *ngx_http_ai_keyentry_tokens(ngx_http_ai_keyentry_t *entry,
    const u_char *p, size_t n);
static const char *ngx_http_ai_keyentry_rate(ngx_http_ai_rate_t *rate,
    ngx_http_ai_rate_unit_e unit, const u_char *p, size_t n);
static const char *ngx_http_ai_keyentry_concurrent(
    ngx_http_ai_keyentry_t *entry, const u_char *p, size_t n);
static const char *ngx_http_ai_keyentry_expires(ngx_http_ai_keyentry_t *entry,
    const u_char *p, size_t n);
static ngx_int_t ngx_http_ai_keyentry_digits(const u_char **p,
    const u_char *last, ngx_uint_t n, ngx_int_t min, ngx_int_t max);
static ngx_int_t ngx_http_ai_keyentry_offset(const u_char *p,
    const u_char *last, int64_t *offset);
static int64_t ngx_http_ai_keyentry_days(ngx_int_t y, ngx_int_t m,
    ngx_int_t d);


enum {
    NGX_HTTP_AI_KEY_F_DISABLED = 13,
    NGX_HTTP_AI_KEY_F_KNOBS,
    NGX_HTTP_AI_KEY_F_CUT_OFF,
    NGX_HTTP_AI_KEY_FIELDS
};


static const ngx_http_ai_key_field_t  ngx_http_ai_key_fields[] = {

    { ngx_string("id"), NGX_HTTP_AI_KEY_TEXT,
      "a name of 1 to 128 bytes", ngx_http_ai_keyentry_id, 0 },

    { ngx_string("hash"), NGX_HTTP_AI_KEY_TEXT,
      "sha256: and the 64 hex digits of the key's SHA-256",
      ngx_http_ai_keyentry_hash, 1 },

    { ngx_string("app"), NGX_HTTP_AI_KEY_TEXT,
      "a name of at most 128 bytes", ngx_http_ai_keyentry_app, 2 },

    { ngx_string("team"), NGX_HTTP_AI_KEY_TEXT,
      "a name of at most 128 bytes", ngx_http_ai_keyentry_team, 3 },

    { ngx_string("env"), NGX_HTTP_AI_KEY_TEXT,
      "a name of at most 128 bytes", ngx_http_ai_keyentry_env, 4 },

    { ngx_string("classes"), NGX_HTTP_AI_KEY_LIST,
      "a list of 1 to 32 names of classes", ngx_http_ai_keyentry_class, 5 },

    { ngx_string("default_class"), NGX_HTTP_AI_KEY_TEXT,
      "the name of a class", ngx_http_ai_keyentry_default_class, 6 },

    { ngx_string("models"), NGX_HTTP_AI_KEY_LIST,
      "a list of 1 to 64 names of models, or beginnings such as gpt-4o*",
      ngx_http_ai_keyentry_pattern, 7 },

    { ngx_string("requests"), NGX_HTTP_AI_KEY_TEXT,
      "a rate of requests per s, m, h or d such as 600r/m",
      ngx_http_ai_keyentry_requests, 8 },

    { ngx_string("tokens"), NGX_HTTP_AI_KEY_TEXT,
      "a rate of tokens per s, m, h or d such as 1000000t/m",
      ngx_http_ai_keyentry_tokens, 9 },

    { ngx_string("concurrent"), NGX_HTTP_AI_KEY_NUMBER,
      "a whole number from 1 to 1000000", ngx_http_ai_keyentry_concurrent,
      10 },

    { ngx_string("budget"), NGX_HTTP_AI_KEY_BUDGET,
      "amounts of dollars per day, week, month or in total, at most one of "
      "each", NULL, 11 },

    { ngx_string("expires"), NGX_HTTP_AI_KEY_TEXT,
      "a date and time such as 2027-01-01T00:00:00Z",
      ngx_http_ai_keyentry_expires, 12 },

    { ngx_string("disabled"), NGX_HTTP_AI_KEY_FLAG, "true or false", NULL,
      NGX_HTTP_AI_KEY_F_DISABLED },

    { ngx_string("knobs"), NGX_HTTP_AI_KEY_FLAG, "true or false", NULL,
      NGX_HTTP_AI_KEY_F_KNOBS },

    { ngx_string("cut_off"), NGX_HTTP_AI_KEY_FLAG, "true or false", NULL,
      NGX_HTTP_AI_KEY_F_CUT_OFF }
};


const ngx_http_ai_key_field_t *
ngx_http_ai_keyentry_field(const u_char *name, size_t len)
{
    ngx_uint_t                      i;
    const ngx_http_ai_key_field_t  *field;

    for (i = 0; i < NGX_HTTP_AI_KEY_FIELDS; i++) {
        field = &ngx_http_ai_key_fields[i];

        if (field->name.len == len
            && ngx_memcmp(field->name.data, name, len) == 0)
        {
            return field;
        }
    }

    return NULL;
}


const ngx_str_t *
ngx_http_ai_keyentry_field_name(ngx_uint_t n)
{
    return n < NGX_HTTP_AI_KEY_FIELDS ? &ngx_http_ai_key_fields[n].name : NULL;
}


const char *
ngx_http_ai_keyentry_set(ngx_http_ai_keyentry_t *entry,
    const ngx_http_ai_key_field_t *field, const u_char *p, size_t n)
{
    return field->set(entry, p, n);
}


ngx_uint_t
ngx_http_ai_keyentry_count(const ngx_http_ai_keyentry_t *entry,
    const ngx_http_ai_key_field_t *field)
{
    return field->set == ngx_http_ai_keyentry_class ? entry->nclasses
                                                    : entry->nmodels;
}


void
ngx_http_ai_keyentry_flag(ngx_http_ai_keyentry_t *entry,
    const ngx_http_ai_key_field_t *field, ngx_uint_t value)
{
    switch (field->index) {

    case NGX_HTTP_AI_KEY_F_DISABLED:
        entry->disabled = value;
        break;

    case NGX_HTTP_AI_KEY_F_KNOBS:
        entry->knobs = value;
        break;

    default: /* NGX_HTTP_AI_KEY_F_CUT_OFF */
        entry->cut_off = value;
    }
}


/* the names go into logs, records and headers */

static const char *
ngx_http_ai_keyentry_name(ngx_str_t *name, const u_char *p, size_t n)
{
    size_t  i;

    if (n > NGX_HTTP_AI_KEY_MAX_NAME) {
        return "is too long";
    }

    for (i = 0; i < n; i++) {
        if (p[i] < 0x20 || p[i] == 0x7f) {
            return "holds a control character";
        }
    }

    name->data = (u_char *) p;
    name->len = n;

    return NULL;
}


static const char *
ngx_http_ai_keyentry_id(ngx_http_ai_keyentry_t *entry, const u_char *p,
    size_t n)
{
    if (n == 0) {
        return "is empty";
    }

    return ngx_http_ai_keyentry_name(&entry->id, p, n);
}


static const char *
ngx_http_ai_keyentry_hash(ngx_http_ai_keyentry_t *entry, const u_char *p,
    size_t n)
{
    u_char      c, digit;
    ngx_uint_t  i;

    static const char  wrong[] = "is not of this form, and not shown because "
                                 "it may be the key itself";

    if (n != 7 + 2 * NGX_HTTP_AI_KEY_HASH || ngx_memcmp(p, "sha256:", 7) != 0)
    {
        return wrong;
    }

    for (i = 0; i < 2 * NGX_HTTP_AI_KEY_HASH; i++) {
        c = p[7 + i] | 0x20;

        if (p[7 + i] >= '0' && p[7 + i] <= '9') {
            digit = p[7 + i] - '0';

        } else if (c >= 'a' && c <= 'f') {
            digit = c - 'a' + 10;

        } else {
            return wrong;
        }

        if (i & 1) {
            entry->hash[i / 2] |= digit;

        } else {
            entry->hash[i / 2] = (u_char) (digit << 4);
        }
    }

    entry->hashed = 1;

    return NULL;
}


static const char *
ngx_http_ai_keyentry_app(ngx_http_ai_keyentry_t *entry, const u_char *p,
    size_t n)
{
    return ngx_http_ai_keyentry_name(&entry->app, p, n);
}


static const char *
ngx_http_ai_keyentry_team(ngx_http_ai_keyentry_t *entry, const u_char *p,
    size_t n)
{
    return ngx_http_ai_keyentry_name(&entry->team, p, n);
}


static const char *
ngx_http_ai_keyentry_env(ngx_http_ai_keyentry_t *entry, const u_char *p,
    size_t n)
{
    return ngx_http_ai_keyentry_name(&entry->env, p, n);
}


static const char *
ngx_http_ai_keyentry_class(ngx_http_ai_keyentry_t *entry, const u_char *p,
    size_t n)
{
    ngx_uint_t   i;
    ngx_str_t   *class;
    const char  *wrong;

    if (entry->nclasses == NGX_HTTP_AI_KEY_MAX_CLASSES) {
        return "are too many";
    }

    if (n == 0) {
        return "have an empty name";
    }

    class = &entry->classes[entry->nclasses];

    wrong = ngx_http_ai_keyentry_name(class, p, n);

    if (wrong) {
        return wrong;
    }

    for (i = 0; i < entry->nclasses; i++) {
        if (entry->classes[i].len == n
            && ngx_memcmp(entry->classes[i].data, p, n) == 0)
        {
            return "have a name twice";
        }
    }

    entry->nclasses++;

    return NULL;
}


static const char *
ngx_http_ai_keyentry_default_class(ngx_http_ai_keyentry_t *entry,
    const u_char *p, size_t n)
{
    if (n == 0) {
        return "is empty";
    }

    return ngx_http_ai_keyentry_name(&entry->default_class, p, n);
}


static const char *
ngx_http_ai_keyentry_pattern(ngx_http_ai_keyentry_t *entry, const u_char *p,
    size_t n)
{
    size_t      i;
    ngx_str_t  *model;

    if (entry->nmodels == NGX_HTTP_AI_KEY_MAX_MODELS) {
        return "are too many";
    }

    if (n == 0) {
        return "have an empty name";
    }

    if (n > NGX_HTTP_AI_KEY_MAX_PATTERN) {
        return "have a name of more than 256 bytes";
    }

    for (i = 0; i < n; i++) {

        if (p[i] < 0x20 || p[i] == 0x7f) {
            return "have a name with a control character";
        }

        if (p[i] == '*' && i + 1 != n) {
            return "have a \"*\" that is not at a name's end";
        }
    }

    model = &entry->models[entry->nmodels++];

    model->data = (u_char *) p;
    model->len = n;

    return NULL;
}


static const char *
ngx_http_ai_keyentry_requests(ngx_http_ai_keyentry_t *entry, const u_char *p,
    size_t n)
{
    return ngx_http_ai_keyentry_rate(&entry->requests,
                                     NGX_HTTP_AI_RATE_REQUESTS, p, n);
}


static const char *
ngx_http_ai_keyentry_tokens(ngx_http_ai_keyentry_t *entry, const u_char *p,
    size_t n)
{
    return ngx_http_ai_keyentry_rate(&entry->tokens, NGX_HTTP_AI_RATE_TOKENS,
                                     p, n);
}


static const char *
ngx_http_ai_keyentry_rate(ngx_http_ai_rate_t *rate,
    ngx_http_ai_rate_unit_e unit, const u_char *p, size_t n)
{
    ngx_http_ai_rate_t  parsed;

    switch (ngx_http_ai_rate_parse(p, n, &parsed)) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        return "is zero or too large";

    default:
        return "is not a rate";
    }

    if (parsed.unit != unit) {
        return unit == NGX_HTTP_AI_RATE_REQUESTS ? "counts tokens"
                                                 : "counts requests";
    }

    *rate = parsed;

    return NULL;
}


static const char *
ngx_http_ai_keyentry_concurrent(ngx_http_ai_keyentry_t *entry,
    const u_char *p, size_t n)
{
    size_t      i;
    ngx_uint_t  value;

    value = 0;

    for (i = 0; i < n; i++) {

        if (p[i] < '0' || p[i] > '9') {
            return "is not a whole number above zero";
        }

        value = value * 10 + (p[i] - '0');

        if (value > NGX_HTTP_AI_KEY_MAX_CONCURRENT) {
            return "is too large";
        }
    }

    if (value == 0) {
        return "is not a whole number above zero";
    }

    entry->concurrent = value;

    return NULL;
}


const char *
ngx_http_ai_keyentry_budget(ngx_http_ai_keyentry_t *entry,
    const ngx_http_ai_budget_t *budget)
{
    ngx_uint_t  i;

    for (i = 0; i < entry->nbudgets; i++) {
        if (entry->budgets[i].per == budget->per) {
            return "has two amounts for one period";
        }
    }

    /* there are no more periods than places */

    entry->budgets[entry->nbudgets++] = *budget;

    return NULL;
}


static const char *
ngx_http_ai_keyentry_expires(ngx_http_ai_keyentry_t *entry, const u_char *p,
    size_t n)
{
    if (ngx_http_ai_keyentry_date(p, n, &entry->expires) != NGX_OK) {
        return "is not a date and time with its zone";
    }

    return NULL;
}


const char *
ngx_http_ai_keyentry_complete(const ngx_http_ai_keyentry_t *entry)
{
    ngx_uint_t        i;
    const ngx_str_t  *class;

    if (entry->id.len == 0) {
        return "has no \"id\", write a name";
    }

    if (!entry->hashed) {
        return "has no \"hash\", write sha256: and the 64 hex digits of the "
               "key's SHA-256";
    }

    if (entry->default_class.len == 0 || entry->nclasses == 0) {
        return NULL;
    }

    for (i = 0; i < entry->nclasses; i++) {
        class = &entry->classes[i];

        if (class->len == entry->default_class.len
            && ngx_memcmp(class->data, entry->default_class.data, class->len)
               == 0)
        {
            return NULL;
        }
    }

    return "has a \"default_class\" that is not among its \"classes\", add it "
           "there or write another one";
}


/* n digits of a value between min and max, or -1 */

static ngx_int_t
ngx_http_ai_keyentry_digits(const u_char **p, const u_char *last,
    ngx_uint_t n, ngx_int_t min, ngx_int_t max)
{
    ngx_int_t  value;

    value = 0;

    for ( /* void */ ; n; n--) {

        if (*p == last || **p < '0' || **p > '9') {
            return -1;
        }

        value = value * 10 + (*(*p)++ - '0');
    }

    return (value < min || value > max) ? -1 : value;
}


ngx_int_t
ngx_http_ai_keyentry_date(const u_char *p, size_t n, int64_t *seconds)
{
    int64_t        offset;
    ngx_int_t      part[6];
    ngx_uint_t     i;
    const u_char  *last;

    static const struct {
        ngx_uint_t  digits;
        ngx_int_t   min;
        ngx_int_t   max;
        u_char      after;
    } parts[] = {
        { 4, 1970, 9999, '-' }, { 2, 1, 12, '-' }, { 2, 1, 31, 'T' },
        { 2, 0, 23, ':' }, { 2, 0, 59, ':' }, { 2, 0, 59, 0 }
    };

    last = p + n;

    for (i = 0; i < 6; i++) {

        part[i] = ngx_http_ai_keyentry_digits(&p, last, parts[i].digits,
                                              parts[i].min, parts[i].max);

        if (part[i] == -1) {
            return NGX_ERROR;
        }

        if (parts[i].after == 0) {
            break;
        }

        if (p == last
            || (*p != parts[i].after && (i != 2 || *p != 't')))
        {
            return NGX_ERROR;
        }

        p++;
    }

    /* the day must be one of its month */

    if (ngx_http_ai_keyentry_days(part[0], part[1], part[2])
        >= ngx_http_ai_keyentry_days(part[0] + part[1] / 12,
                                     part[1] % 12 + 1, 1))
    {
        return NGX_ERROR;
    }

    if (ngx_http_ai_keyentry_offset(p, last, &offset) != NGX_OK) {
        return NGX_ERROR;
    }

    *seconds = ngx_http_ai_keyentry_days(part[0], part[1], part[2]) * 86400
               + part[3] * 3600 + part[4] * 60 + part[5] - offset;

    /* 0 would mean never */

    if (*seconds < 1) {
        *seconds = 1;
    }

    return NGX_OK;
}


/* what follows the seconds: a fraction, which is left out, and the zone */

static ngx_int_t
ngx_http_ai_keyentry_offset(const u_char *p, const u_char *last,
    int64_t *offset)
{
    u_char         sign;
    ngx_int_t      hours, minutes;
    const u_char  *start;

    *offset = 0;

    if (p < last && *p == '.') {

        for (start = ++p; p < last && *p >= '0' && *p <= '9'; p++) {
            /* void */
        }

        if (p == start) {
            return NGX_ERROR;
        }
    }

    if (p == last) {
        return NGX_ERROR;
    }

    sign = *p++;

    if (sign == 'Z' || sign == 'z') {
        return p == last ? NGX_OK : NGX_ERROR;
    }

    if (sign != '+' && sign != '-') {
        return NGX_ERROR;
    }

    hours = ngx_http_ai_keyentry_digits(&p, last, 2, 0, 23);

    if (hours == -1 || p == last || *p++ != ':') {
        return NGX_ERROR;
    }

    minutes = ngx_http_ai_keyentry_digits(&p, last, 2, 0, 59);

    if (minutes == -1 || p != last) {
        return NGX_ERROR;
    }

    *offset = hours * 3600 + minutes * 60;

    if (sign == '-') {
        *offset = -*offset;
    }

    return NGX_OK;
}


/* since 1970-01-01; years begin in March here, so that a leap day comes last */

static int64_t
ngx_http_ai_keyentry_days(ngx_int_t y, ngx_int_t m, ngx_int_t d)
{
    int64_t  yoe, doy;

    y -= (m < 3);
    yoe = y % 400;
    doy = (153 * (m + (m < 3 ? 9 : -3)) + 2) / 5 + d - 1;

    return (int64_t) (y / 400) * 146097 + yoe * 365 + yoe / 4 - yoe / 100
           + doy - 719468;
}


/* FNV-1a of 64 bits: what is stored under it outlives the process */

uint64_t
ngx_http_ai_keyentry_state(const ngx_str_t *id)
{
    size_t    i;
    uint64_t  hash;

    hash = 14695981039346656037ull;

    for (i = 0; i < id->len; i++) {
        hash = (hash ^ id->data[i]) * 1099511628211ull;
    }

    return hash ? hash : 1;
}


ngx_uint_t
ngx_http_ai_keyentry_model(const ngx_str_t *models, ngx_uint_t nmodels,
    const ngx_str_t *model)
{
    size_t      len;
    ngx_uint_t  i;

    for (i = 0; i < nmodels; i++) {

        len = models[i].len;

        if (models[i].data[len - 1] == '*') {

            if (model->len >= len - 1
                && ngx_memcmp(models[i].data, model->data, len - 1) == 0)
            {
                return 1;
            }

            continue;
        }

        if (model->len == len
            && ngx_memcmp(models[i].data, model->data, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}
