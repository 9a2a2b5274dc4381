
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Each object has a table of the fields that are read of it; a walk over its
 * members looks them up.  The bytes are valid JSON already, so the walk only
 * finds where things end; whatever it is given, it stays within the bytes.
 */


#include "ngx_http_ai_knobs.h"
#include "ngx_http_ai_decimal.h"
#include "ngx_http_ai_json.h"
#include "ngx_http_ai_walk.h"


#define NGX_HTTP_AI_KNOBS_MICRO     6      /* USD per million tokens have so
                                              many places in picodollars per
                                              token */


typedef struct {
    ngx_http_ai_knobs_t        *knobs;
    ngx_http_ai_knobs_error_t  *error;
} ngx_http_ai_knobs_parse_t;


typedef struct ngx_http_ai_knobs_field_s  ngx_http_ai_knobs_field_t;

typedef ngx_int_t (*ngx_http_ai_knobs_read_pt)(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last);

struct ngx_http_ai_knobs_field_s {
    ngx_str_t                   name;
    ngx_str_t                   path;      /* the whole of it, for messages */
    ngx_http_ai_knobs_read_pt   read;
    size_t                      offset;    /* where it goes in the knobs */
};


typedef struct {
    ngx_str_t                   word;
    ngx_http_ai_knobs_sort_e    sort;
} ngx_http_ai_knobs_word_t;


static ngx_int_t ngx_http_ai_knobs_options(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last);
static ngx_int_t ngx_http_ai_knobs_provider(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last);
static ngx_int_t ngx_http_ai_knobs_list(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last);
static ngx_int_t ngx_http_ai_knobs_tags(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last);
static ngx_int_t ngx_http_ai_knobs_user(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last);
static ngx_int_t ngx_http_ai_knobs_session(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last);
static ngx_int_t ngx_http_ai_knobs_fallbacks(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last);
static ngx_int_t ngx_http_ai_knobs_sort(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last);
static ngx_int_t ngx_http_ai_knobs_sort_by(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last);
static ngx_int_t ngx_http_ai_knobs_max_price(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last);
static ngx_int_t ngx_http_ai_knobs_price(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last);
static ngx_int_t ngx_http_ai_knobs_timeouts(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last);
static ngx_int_t ngx_http_ai_knobs_timeouts_of(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, const ngx_str_t *group, u_char *p,
    u_char *last);

static ngx_int_t ngx_http_ai_knobs_object(ngx_http_ai_knobs_parse_t *ps,
    const ngx_str_t *path, const ngx_http_ai_knobs_field_t *fields,
    u_char *p, u_char *last);
static ngx_int_t ngx_http_ai_knobs_names(ngx_http_ai_knobs_parse_t *ps,
    const ngx_str_t *path, ngx_http_ai_knobs_list_t *list, u_char *p,
    u_char *last);
static void ngx_http_ai_knobs_add(ngx_http_ai_knobs_list_t *list,
    u_char *p, size_t n);
static ngx_int_t ngx_http_ai_knobs_fail(ngx_http_ai_knobs_parse_t *ps,
    const ngx_str_t *path, const char *text);
static void ngx_http_ai_knobs_say(ngx_http_ai_knobs_parse_t *ps,
    const u_char *p, size_t n);
static ngx_uint_t ngx_http_ai_knobs_same(const ngx_str_t *a,
    const ngx_str_t *b);


#define ngx_http_ai_knobs_to(member)  offsetof(ngx_http_ai_knobs_t, member)


/* in the order of ngx_http_ai_knobs_member_e */

static const ngx_http_ai_knobs_field_t  ngx_http_ai_knobs_members[] = {

    { ngx_string("providerOptions"), ngx_string("providerOptions"),
      ngx_http_ai_knobs_options, 0 },

    { ngx_string("provider"), ngx_string("provider"),
      ngx_http_ai_knobs_provider, 0 },

    { ngx_string("models"), ngx_string("models"),
      ngx_http_ai_knobs_list, ngx_http_ai_knobs_to(models) },

    { ngx_string("session_id"), ngx_string("session_id"),
      ngx_http_ai_knobs_session, 0 }
};


static const ngx_http_ai_knobs_field_t  ngx_http_ai_knobs_gateway_fields[] = {

    { ngx_string("order"), ngx_string("providerOptions.gateway.order"),
      ngx_http_ai_knobs_list, ngx_http_ai_knobs_to(order) },

    { ngx_string("only"), ngx_string("providerOptions.gateway.only"),
      ngx_http_ai_knobs_list, ngx_http_ai_knobs_to(only) },

    { ngx_string("models"), ngx_string("providerOptions.gateway.models"),
      ngx_http_ai_knobs_list, ngx_http_ai_knobs_to(models) },

    { ngx_string("sort"), ngx_string("providerOptions.gateway.sort"),
      ngx_http_ai_knobs_sort_by, 0 },

    { ngx_string("providerTimeouts"),
      ngx_string("providerOptions.gateway.providerTimeouts"),
      ngx_http_ai_knobs_timeouts, 0 },

    { ngx_string("user"), ngx_string("providerOptions.gateway.user"),
      ngx_http_ai_knobs_user, 0 },

    { ngx_string("tags"), ngx_string("providerOptions.gateway.tags"),
      ngx_http_ai_knobs_tags, 0 },

    { ngx_null_string, ngx_null_string, NULL, 0 }
};


static const ngx_http_ai_knobs_field_t  ngx_http_ai_knobs_provider_fields[] = {

    { ngx_string("order"), ngx_string("provider.order"),
      ngx_http_ai_knobs_list, ngx_http_ai_knobs_to(order) },

    { ngx_string("only"), ngx_string("provider.only"),
      ngx_http_ai_knobs_list, ngx_http_ai_knobs_to(only) },

    { ngx_string("ignore"), ngx_string("provider.ignore"),
      ngx_http_ai_knobs_list, ngx_http_ai_knobs_to(ignore) },

    { ngx_string("allow_fallbacks"), ngx_string("provider.allow_fallbacks"),
      ngx_http_ai_knobs_fallbacks, 0 },

    { ngx_string("sort"), ngx_string("provider.sort"),
      ngx_http_ai_knobs_sort, 0 },

    { ngx_string("max_price"), ngx_string("provider.max_price"),
      ngx_http_ai_knobs_max_price, 0 },

    { ngx_null_string, ngx_null_string, NULL, 0 }
};


static const ngx_http_ai_knobs_field_t  ngx_http_ai_knobs_sort_fields[] = {

    { ngx_string("by"), ngx_string("provider.sort.by"),
      ngx_http_ai_knobs_sort_by, 0 },

    { ngx_null_string, ngx_null_string, NULL, 0 }
};


static const ngx_http_ai_knobs_field_t  ngx_http_ai_knobs_price_fields[] = {

    { ngx_string("prompt"), ngx_string("provider.max_price.prompt"),
      ngx_http_ai_knobs_price, ngx_http_ai_knobs_to(max_prompt) },

    { ngx_string("completion"), ngx_string("provider.max_price.completion"),
      ngx_http_ai_knobs_price, ngx_http_ai_knobs_to(max_completion) },

    { ngx_null_string, ngx_null_string, NULL, 0 }
};


static const ngx_http_ai_knobs_word_t  ngx_http_ai_knobs_words[] = {
    { ngx_string("cost"), NGX_HTTP_AI_KNOBS_SORT_COST },
    { ngx_string("price"), NGX_HTTP_AI_KNOBS_SORT_COST },
    { ngx_string("ttft"), NGX_HTTP_AI_KNOBS_SORT_LATENCY },
    { ngx_string("latency"), NGX_HTTP_AI_KNOBS_SORT_LATENCY },
    { ngx_string("tps"), NGX_HTTP_AI_KNOBS_SORT_THROUGHPUT },
    { ngx_string("throughput"), NGX_HTTP_AI_KNOBS_SORT_THROUGHPUT },
    { ngx_null_string, NGX_HTTP_AI_KNOBS_SORT_NONE }
};


const ngx_str_t *
ngx_http_ai_knobs_name(ngx_http_ai_knobs_member_e member)
{
    return &ngx_http_ai_knobs_members[member].name;
}


void
ngx_http_ai_knobs_init(ngx_http_ai_knobs_t *knobs)
{
    ngx_memzero(knobs, sizeof(ngx_http_ai_knobs_t));

    knobs->max_prompt = NGX_HTTP_AI_KNOBS_NO_PRICE;
    knobs->max_completion = NGX_HTTP_AI_KNOBS_NO_PRICE;
}


ngx_int_t
ngx_http_ai_knobs_parse(ngx_http_ai_knobs_t *knobs,
    ngx_http_ai_knobs_member_e member, u_char *p, size_t n,
    ngx_http_ai_knobs_error_t *error)
{
    ngx_http_ai_knobs_parse_t         ps;
    const ngx_http_ai_knobs_field_t  *field;

    ps.knobs = knobs;
    ps.error = error;
    field = &ngx_http_ai_knobs_members[member];

    if (n == 0) {
        return ngx_http_ai_knobs_fail(&ps, &field->path, "is empty");
    }

    if (*p == 'n') {
        return NGX_OK;
    }

    return field->read(&ps, field, p, p + n);
}


/* of the options only the gateway's own are read, and cut out */

static ngx_int_t
ngx_http_ai_knobs_options(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last)
{
    u_char                    *quote;
    ngx_int_t                  rc;
    ngx_uint_t                 seen;
    ngx_http_ai_knobs_t       *knobs;
    ngx_http_ai_walk_t   w;

    static const ngx_str_t  gateway = ngx_string("gateway");
    static const ngx_str_t  path = ngx_string("providerOptions.gateway");

    knobs = ps->knobs;

    if (*p != '{') {
        return knobs->unread ? NGX_OK
                             : ngx_http_ai_knobs_fail(ps, &field->path,
                                                      "must be an object");
    }

    seen = 0;

    ngx_memzero(&w, sizeof(ngx_http_ai_walk_t));
    w.p = p + 1;
    w.last = last;

    for ( ;; ) {
        rc = ngx_http_ai_walk_next(&w, '}');

        if (rc == NGX_DONE) {
            break;
        }

        if (rc != NGX_OK) {
            return ngx_http_ai_knobs_fail(ps, &field->path,
                                          "is not valid JSON");
        }

        if (w.name.len && memchr(w.name.data, '\\', w.name.len)) {
            /* it may be the one below for whoever reads it next */
            return ngx_http_ai_knobs_fail(ps, &field->path,
                                     "has a name with a backslash in it");
        }

        if (w.name.len != gateway.len
            || ngx_memcmp(w.name.data, gateway.data, gateway.len) != 0)
        {
            continue;
        }

        if (seen) {
            return ngx_http_ai_knobs_fail(ps, &path, "is there twice");
        }

        seen = 1;
        quote = w.name.data - 1;

        knobs->cut_start = (w.comma ? w.comma : quote) - p;
        knobs->cut_end = (w.comma || w.next == NULL ? w.end : w.next) - p;

        if (*w.first == 'n' || knobs->unread) {
            continue;
        }

        if (ngx_http_ai_knobs_object(ps, &path,
                                     ngx_http_ai_knobs_gateway_fields,
                                     w.first, w.end)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    knobs->cut_whole = (seen && w.n == 1);

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_knobs_provider(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last)
{
    return ngx_http_ai_knobs_object(ps, &field->path,
                                    ngx_http_ai_knobs_provider_fields, p,
                                    last);
}


static ngx_int_t
ngx_http_ai_knobs_list(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last)
{
    ngx_http_ai_knobs_list_t  *list, given;

    given.n = 0;
    given.field = field->path;

    if (ngx_http_ai_knobs_names(ps, &field->path, &given, p, last)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (given.n == 0) {
        return NGX_OK;
    }

    list = (ngx_http_ai_knobs_list_t *) ((u_char *) ps->knobs
                                         + field->offset);

    if (list->n) {
        return ngx_http_ai_knobs_fail(ps, &field->path,
                           "is given in two spellings, send only one");
    }

    *list = given;

    return NGX_OK;
}


/* not used, but a client that gets it wrong should know */

static ngx_int_t
ngx_http_ai_knobs_tags(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last)
{
    ngx_http_ai_knobs_list_t  list;

    list.n = 0;

    return ngx_http_ai_knobs_names(ps, &field->path, &list, p, last);
}


static ngx_int_t
ngx_http_ai_knobs_user(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last)
{
    if (ngx_http_ai_json_unquote(p, last - p, p, last - p) < 0) {
        return ngx_http_ai_knobs_fail(ps, &field->path, "must be a string");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_knobs_session(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last)
{
    ngx_int_t  n;

    n = ngx_http_ai_json_unquote(p, last - p, p, last - p);

    if (n < 0) {
        return ngx_http_ai_knobs_fail(ps, &field->path, "must be a string");
    }

    ps->knobs->session.data = p;
    ps->knobs->session.len = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_knobs_fallbacks(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last)
{
    if (last - p == 4 && ngx_memcmp(p, "true", 4) == 0) {
        ps->knobs->no_fallbacks = 0;
        return NGX_OK;
    }

    if (last - p == 5 && ngx_memcmp(p, "false", 5) == 0) {
        ps->knobs->no_fallbacks = 1;
        return NGX_OK;
    }

    return ngx_http_ai_knobs_fail(ps, &field->path, "must be true or false");
}


static ngx_int_t
ngx_http_ai_knobs_sort(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last)
{
    if (*p == '{') {
        return ngx_http_ai_knobs_object(ps, &field->path,
                                        ngx_http_ai_knobs_sort_fields, p,
                                        last);
    }

    if (*p != '"') {
        return ngx_http_ai_knobs_fail(ps, &field->path,
                                      "must be a string or an object");
    }

    return ngx_http_ai_knobs_sort_by(ps, field, p, last);
}


static ngx_int_t
ngx_http_ai_knobs_sort_by(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last)
{
    ngx_int_t                        n;
    const ngx_http_ai_knobs_word_t  *w;

    if (*p != '"') {
        return ngx_http_ai_knobs_fail(ps, &field->path, "must be a string");
    }

    if (ps->knobs->sort) {
        return ngx_http_ai_knobs_fail(ps, &field->path,
                           "is given in two spellings, send only one");
    }

    n = ngx_http_ai_json_unquote(p, last - p, p, last - p);

    for (w = ngx_http_ai_knobs_words; w->word.len; w++) {
        if (n == (ngx_int_t) w->word.len
            && ngx_memcmp(p, w->word.data, w->word.len) == 0)
        {
            ps->knobs->sort = w->sort;
            return NGX_OK;
        }
    }

    return ngx_http_ai_knobs_fail(ps, &field->path,
               "must be one of cost, price, ttft, latency, tps, throughput");
}


static ngx_int_t
ngx_http_ai_knobs_max_price(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last)
{
    return ngx_http_ai_knobs_object(ps, &field->path,
                                    ngx_http_ai_knobs_price_fields, p, last);
}


static ngx_int_t
ngx_http_ai_knobs_price(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last)
{
    int64_t    *price;
    ngx_int_t   n;

    price = (int64_t *) ((u_char *) ps->knobs + field->offset);

    if (*p == '"') {
        n = ngx_http_ai_json_unquote(p, last - p, p, last - p);
        last = p + ngx_max(n, 0);
    }

    if (ngx_http_ai_decimal(p, last, NGX_HTTP_AI_KNOBS_MICRO, price)
        != NGX_OK)
    {
        return ngx_http_ai_knobs_fail(ps, &field->path,
                   "must be a price in USD per million tokens, like 2.5");
    }

    return NGX_OK;
}


/* {"byok":{"openai":15000}}: the groups make no difference here */

static ngx_int_t
ngx_http_ai_knobs_timeouts(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, u_char *p, u_char *last)
{
    ngx_int_t                  rc;
    ngx_http_ai_walk_t   w;

    if (*p != '{') {
        return ngx_http_ai_knobs_fail(ps, &field->path, "must be an object");
    }

    ngx_memzero(&w, sizeof(ngx_http_ai_walk_t));
    w.p = p + 1;
    w.last = last;

    for ( ;; ) {
        rc = ngx_http_ai_walk_next(&w, '}');

        if (rc == NGX_DONE) {
            return NGX_OK;
        }

        if (rc != NGX_OK) {
            return ngx_http_ai_knobs_fail(ps, &field->path,
                                          "is not valid JSON");
        }

        if (*w.first == 'n') {
            continue;
        }

        if (ngx_http_ai_knobs_timeouts_of(ps, field, &w.name, w.first, w.end)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }
}


static ngx_int_t
ngx_http_ai_knobs_timeouts_of(ngx_http_ai_knobs_parse_t *ps,
    const ngx_http_ai_knobs_field_t *field, const ngx_str_t *group, u_char *p,
    u_char *last)
{
    int64_t                       ms;
    ngx_int_t                     rc;
    const char                   *text;
    ngx_http_ai_knobs_t          *knobs;
    ngx_http_ai_walk_t      w;
    ngx_http_ai_knobs_timeout_t  *timeout;

    knobs = ps->knobs;

    ngx_memzero(&w, sizeof(ngx_http_ai_walk_t));
    w.p = p + 1;
    w.last = last;

    if (*p != '{') {
        text = "must be an object";
        goto failed;
    }

    for ( ;; ) {
        rc = ngx_http_ai_walk_next(&w, '}');

        if (rc == NGX_DONE) {
            return NGX_OK;
        }

        if (rc != NGX_OK) {
            text = "is not valid JSON";
            break;
        }

        if (*w.first == 'n') {
            continue;
        }

        if (ngx_http_ai_decimal(w.first, w.end, 0, &ms) != NGX_OK
            || ms == 0)
        {
            text = "must be a positive number of milliseconds";
            break;
        }

        if (knobs->ntimeouts == NGX_HTTP_AI_KNOBS_NAMES) {
            text = "is one timeout too many, 32 may be given";
            break;
        }

        timeout = &knobs->timeouts[knobs->ntimeouts++];
        timeout->name = w.name;
        timeout->ms = ms;
    }

failed:

    (void) ngx_http_ai_knobs_fail(ps, &field->path, text);

    ngx_http_ai_knobs_say(ps, (u_char *) ".", 1);
    ngx_http_ai_knobs_say(ps, group->data, group->len);

    if (w.n) {
        ngx_http_ai_knobs_say(ps, (u_char *) ".", 1);
        ngx_http_ai_knobs_say(ps, w.name.data, w.name.len);
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_ai_knobs_object(ngx_http_ai_knobs_parse_t *ps,
    const ngx_str_t *path, const ngx_http_ai_knobs_field_t *fields,
    u_char *p, u_char *last)
{
    ngx_int_t                         rc;
    ngx_uint_t                        seen, bit;
    ngx_http_ai_walk_t          w;
    const ngx_http_ai_knobs_field_t  *f;

    if (*p != '{') {
        return ngx_http_ai_knobs_fail(ps, path, "must be an object");
    }

    seen = 0;

    ngx_memzero(&w, sizeof(ngx_http_ai_walk_t));
    w.p = p + 1;
    w.last = last;

    for ( ;; ) {
        rc = ngx_http_ai_walk_next(&w, '}');

        if (rc == NGX_DONE) {
            return NGX_OK;
        }

        if (rc != NGX_OK) {
            return ngx_http_ai_knobs_fail(ps, path, "is not valid JSON");
        }

        for (f = fields, bit = 1; f->read; f++, bit <<= 1) {

            if (f->name.len != w.name.len
                || ngx_memcmp(f->name.data, w.name.data, w.name.len) != 0)
            {
                continue;
            }

            if (seen & bit) {
                return ngx_http_ai_knobs_fail(ps, &f->path, "is there twice");
            }

            seen |= bit;

            if (*w.first != 'n' && f->read(ps, f, w.first, w.end) != NGX_OK) {
                return NGX_ERROR;
            }

            break;
        }
    }
}


static ngx_int_t
ngx_http_ai_knobs_names(ngx_http_ai_knobs_parse_t *ps, const ngx_str_t *path,
    ngx_http_ai_knobs_list_t *list, u_char *p, u_char *last)
{
    u_char                     digits[24], *d;
    ngx_int_t                  rc, n;
    ngx_uint_t                 i;
    ngx_http_ai_walk_t   w;

    if (*p != '[') {
        return ngx_http_ai_knobs_fail(ps, path,
                                      "must be an array of strings");
    }

    ngx_memzero(&w, sizeof(ngx_http_ai_walk_t));
    w.p = p + 1;
    w.last = last;

    for ( ;; ) {
        rc = ngx_http_ai_walk_next(&w, ']');

        if (rc == NGX_DONE) {
            return NGX_OK;
        }

        if (rc != NGX_OK) {
            return ngx_http_ai_knobs_fail(ps, path, "is not valid JSON");
        }

        if (w.n > NGX_HTTP_AI_KNOBS_NAMES) {
            return ngx_http_ai_knobs_fail(ps, path,
                                          "must have at most 32 names");
        }

        n = ngx_http_ai_json_unquote(w.first, w.end - w.first, w.first,
                                     w.end - w.first);
        if (n <= 0) {
            break;
        }

        ngx_http_ai_knobs_add(list, w.first, n);
    }

    (void) ngx_http_ai_knobs_fail(ps, path, n == 0 ? "must not be empty"
                                                   : "must be a string");

    d = digits + sizeof(digits);
    *--d = ']';
    i = w.n - 1;

    do {
        *--d = '0' + i % 10;
        i /= 10;
    } while (i);

    *--d = '[';
    ngx_http_ai_knobs_say(ps, d, digits + sizeof(digits) - d);

    return NGX_ERROR;
}


static void
ngx_http_ai_knobs_add(ngx_http_ai_knobs_list_t *list, u_char *p, size_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < list->n; i++) {
        if (list->names[i].len == n
            && ngx_memcmp(list->names[i].data, p, n) == 0)
        {
            return;
        }
    }

    list->names[list->n].data = p;
    list->names[list->n].len = n;
    list->n++;
}


static ngx_int_t
ngx_http_ai_knobs_fail(ngx_http_ai_knobs_parse_t *ps, const ngx_str_t *path,
    const char *text)
{
    ps->error->len = 0;
    ps->error->text = text;

    ngx_http_ai_knobs_say(ps, path->data, path->len);

    return NGX_ERROR;
}


static void
ngx_http_ai_knobs_say(ngx_http_ai_knobs_parse_t *ps, const u_char *p,
    size_t n)
{
    ngx_http_ai_knobs_error_t  *error;

    error = ps->error;

    n = ngx_min(n, sizeof(error->field) - error->len);

    if (n) {
        ngx_memcpy(error->field + error->len, p, n);
        error->len += n;
    }
}


static ngx_uint_t
ngx_http_ai_knobs_same(const ngx_str_t *a, const ngx_str_t *b)
{
    return a->len == b->len
           && strncasecmp((const char *) a->data, (const char *) b->data,
                          a->len)
              == 0;
}


ngx_uint_t
ngx_http_ai_knobs_rank(const ngx_http_ai_knobs_list_t *list,
    const ngx_str_t *account, const ngx_str_t *provider)
{
    ngx_uint_t  i;

    for (i = 0; i < list->n; i++) {
        if (ngx_http_ai_knobs_same(&list->names[i], account)
            || ngx_http_ai_knobs_same(&list->names[i], provider))
        {
            break;
        }
    }

    return i;
}


const ngx_http_ai_knobs_list_t *
ngx_http_ai_knobs_refusal(const ngx_http_ai_knobs_t *knobs,
    const ngx_str_t *account, const ngx_str_t *provider)
{
    const ngx_http_ai_knobs_list_t  *list;

    list = &knobs->only;

    if (list->n
        && ngx_http_ai_knobs_rank(list, account, provider) == list->n)
    {
        return list;
    }

    list = &knobs->ignore;

    if (ngx_http_ai_knobs_rank(list, account, provider) < list->n) {
        return list;
    }

    list = &knobs->order;

    if (knobs->no_fallbacks && list->n
        && ngx_http_ai_knobs_rank(list, account, provider) == list->n)
    {
        return list;
    }

    return NULL;
}


int64_t
ngx_http_ai_knobs_timeout(const ngx_http_ai_knobs_t *knobs,
    const ngx_str_t *account, const ngx_str_t *provider)
{
    int64_t                             ms;
    ngx_uint_t                          i;
    const ngx_http_ai_knobs_timeout_t  *t;

    ms = 0;

    for (i = 0; i < knobs->ntimeouts; i++) {
        t = &knobs->timeouts[i];

        if ((ms == 0 || t->ms < ms)
            && (ngx_http_ai_knobs_same(&t->name, account)
                || ngx_http_ai_knobs_same(&t->name, provider)))
        {
            ms = t->ms;
        }
    }

    return ms;
}
