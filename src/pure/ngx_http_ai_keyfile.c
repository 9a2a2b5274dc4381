
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * No tree is built: the levels that keys.json may have are few and fixed, and
 * at each of them everything that is not expected is an error.  Hence nesting
 * is bounded, too.  One key is gathered in the parser's own memory, so that
 * reading a file takes none but yajl's.
 */


#include "ngx_http_ai_keyfile.h"

#include <stdarg.h>
#include <stdio.h>
#include <yajl/yajl_parse.h>


enum {
    NGX_HTTP_AI_KEYFILE_OUTSIDE = 0,
    NGX_HTTP_AI_KEYFILE_ROOT,              /* {"keys":... */
    NGX_HTTP_AI_KEYFILE_KEYS,              /* [... */
    NGX_HTTP_AI_KEYFILE_ENTRY,             /* {"id":... */
    NGX_HTTP_AI_KEYFILE_LIST,              /* "classes":[... */
    NGX_HTTP_AI_KEYFILE_BUDGETS,           /* "budget":[... */
    NGX_HTTP_AI_KEYFILE_BUDGET,            /* {"usd":... */
    NGX_HTTP_AI_KEYFILE_DONE
};


static int ngx_http_ai_keyfile_null(void *data);
static int ngx_http_ai_keyfile_boolean(void *data, int value);
static int ngx_http_ai_keyfile_number(void *data, const char *p, size_t n);
static int ngx_http_ai_keyfile_string(void *data, const u_char *p, size_t n);
static int ngx_http_ai_keyfile_start_map(void *data);
static int ngx_http_ai_keyfile_map_key(void *data, const u_char *p, size_t n);
static int ngx_http_ai_keyfile_end_map(void *data);
static int ngx_http_ai_keyfile_start_array(void *data);
static int ngx_http_ai_keyfile_end_array(void *data);

static int ngx_http_ai_keyfile_root_member(ngx_http_ai_keyfile_t *kf,
    const u_char *p, size_t n);
static int ngx_http_ai_keyfile_entry_member(ngx_http_ai_keyfile_t *kf,
    const u_char *p, size_t n);
static int ngx_http_ai_keyfile_budget_member(ngx_http_ai_keyfile_t *kf,
    const u_char *p, size_t n);
static int ngx_http_ai_keyfile_value(ngx_http_ai_keyfile_t *kf,
    const u_char *p, size_t n);
static int ngx_http_ai_keyfile_budget_value(ngx_http_ai_keyfile_t *kf,
    const u_char *p, size_t n, const char *type);
static int ngx_http_ai_keyfile_entry_end(ngx_http_ai_keyfile_t *kf);
static int ngx_http_ai_keyfile_budget_end(ngx_http_ai_keyfile_t *kf);
static int ngx_http_ai_keyfile_twice(ngx_http_ai_keyfile_t *kf,
    const char *name, size_t len);
static int ngx_http_ai_keyfile_unknown(ngx_http_ai_keyfile_t *kf,
    const char *where, const u_char *p, size_t n, const char *known);
static int ngx_http_ai_keyfile_type(ngx_http_ai_keyfile_t *kf,
    const char *type);
static int ngx_http_ai_keyfile_field(ngx_http_ai_keyfile_t *kf,
    const char *wrong);
static int ngx_http_ai_keyfile_whose(ngx_http_ai_keyfile_t *kf);
static int ngx_http_ai_keyfile_say(ngx_http_ai_keyfile_t *kf,
    const char *fmt, ...)
    __attribute__ ((format(printf, 2, 3)));
static ngx_uint_t ngx_http_ai_keyfile_line(ngx_http_ai_keyfile_t *kf,
    size_t upto);
static void ngx_http_ai_keyfile_invalid(ngx_http_ai_keyfile_t *kf);


static const char  ngx_http_ai_keyfile_form[] =
    "{\"keys\":[{\"id\":\"NAME\",\"hash\":\"sha256:HEX\"}]}";


/* numbers come as text: money is exact */

static const yajl_callbacks  ngx_http_ai_keyfile_callbacks = {
    ngx_http_ai_keyfile_null,
    ngx_http_ai_keyfile_boolean,
    NULL,
    NULL,
    ngx_http_ai_keyfile_number,
    ngx_http_ai_keyfile_string,
    ngx_http_ai_keyfile_start_map,
    ngx_http_ai_keyfile_map_key,
    ngx_http_ai_keyfile_end_map,
    ngx_http_ai_keyfile_start_array,
    ngx_http_ai_keyfile_end_array
};


ngx_int_t
ngx_http_ai_keyfile_init(ngx_http_ai_keyfile_t *kf,
    ngx_http_ai_keyfile_pt handler, void *data)
{
    ngx_memzero(kf, offsetof(ngx_http_ai_keyfile_t, text));

    kf->handler = handler;
    kf->data = data;
    kf->lines = 1;

    kf->yajl = yajl_alloc(&ngx_http_ai_keyfile_callbacks, NULL, kf);

    return kf->yajl ? NGX_OK : NGX_ERROR;
}


void
ngx_http_ai_keyfile_free(ngx_http_ai_keyfile_t *kf)
{
    if (kf->yajl) {
        yajl_free(kf->yajl);
        kf->yajl = NULL;
    }
}


ngx_int_t
ngx_http_ai_keyfile_feed(ngx_http_ai_keyfile_t *kf, const u_char *p, size_t n)
{
    yajl_status  status;

    if (kf->wrong_len) {
        return NGX_ERROR;
    }

    if (n == 0) {
        return NGX_OK;
    }

    kf->chunk = p;
    kf->counted = 0;
    kf->heard = 0;

    status = yajl_parse(kf->yajl, p, n);

    if (status != yajl_status_ok) {
        ngx_http_ai_keyfile_invalid(kf);
        return NGX_ERROR;
    }

    kf->quiet = kf->heard ? 0 : kf->quiet + n;

    if (kf->quiet > NGX_HTTP_AI_KEYFILE_QUIET) {
        (void) ngx_http_ai_keyfile_say(kf, "there is no value within %u "
                                       "bytes", NGX_HTTP_AI_KEYFILE_QUIET);
        return NGX_ERROR;
    }

    (void) ngx_http_ai_keyfile_line(kf, n);

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_keyfile_end(ngx_http_ai_keyfile_t *kf)
{
    if (kf->wrong_len) {
        return NGX_ERROR;
    }

    kf->chunk = NULL;
    kf->counted = 0;

    if (yajl_complete_parse(kf->yajl) != yajl_status_ok) {
        ngx_http_ai_keyfile_invalid(kf);
        return NGX_ERROR;
    }

    if (kf->level != NGX_HTTP_AI_KEYFILE_DONE) {
        (void) ngx_http_ai_keyfile_say(kf, "there is nothing, write %s",
                                       ngx_http_ai_keyfile_form);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* yajl's own message, which has no piece of the file in it */

static void
ngx_http_ai_keyfile_invalid(ngx_http_ai_keyfile_t *kf)
{
    char        *text;
    const char  *end;

    if (kf->wrong_len) {
        /* a callback has said so */
        return;
    }

    text = (char *) yajl_get_error(kf->yajl, 0, NULL, 0);
    end = text ? strchr(text, '\n') : NULL;

    (void) ngx_http_ai_keyfile_say(kf, "it is no valid JSON (%.*s)",
                                   end ? (int) (end - text) : 0,
                                   end ? text : "");
    if (text) {
        yajl_free_error(kf->yajl, (u_char *) text);
    }
}


/* counts the lines of the running piece up to an offset */

static ngx_uint_t
ngx_http_ai_keyfile_line(ngx_http_ai_keyfile_t *kf, size_t upto)
{
    const u_char  *p, *last;

    if (kf->chunk == NULL || upto <= kf->counted) {
        return kf->lines;
    }

    p = kf->chunk + kf->counted;
    last = kf->chunk + upto;

    while (p < last) {
        p = memchr(p, '\n', last - p);

        if (p == NULL) {
            break;
        }

        p++;
        kf->lines++;
    }

    kf->counted = upto;

    return kf->lines;
}


/* always 0: what a callback returns to end the parsing */

static int
ngx_http_ai_keyfile_say(ngx_http_ai_keyfile_t *kf, const char *fmt, ...)
{
    int      n;
    va_list  args;

    kf->line = ngx_http_ai_keyfile_line(kf, yajl_get_bytes_consumed(kf->yajl));

    va_start(args, fmt);
    n = vsnprintf((char *) kf->wrong + kf->wrong_len,
                  sizeof(kf->wrong) - kf->wrong_len, fmt, args);
    va_end(args);

    if (n > 0) {
        kf->wrong_len += ngx_min((size_t) n,
                                 sizeof(kf->wrong) - 1 - kf->wrong_len);
    }

    return 0;
}


/* ends a message: the key by its id or by where it begins */

static int
ngx_http_ai_keyfile_whose(ngx_http_ai_keyfile_t *kf)
{
    if (kf->entry.id.len) {
        return ngx_http_ai_keyfile_say(kf, " of key \"%.*s\"",
                                       (int) kf->entry.id.len,
                                       kf->entry.id.data);
    }

    return ngx_http_ai_keyfile_say(kf, " of the key that begins at line %lu",
                                   (unsigned long) kf->begin);
}


static int
ngx_http_ai_keyfile_field(ngx_http_ai_keyfile_t *kf, const char *wrong)
{
    (void) ngx_http_ai_keyfile_say(kf, "\"%s\"",
                                   (char *) kf->field->name.data);
    (void) ngx_http_ai_keyfile_whose(kf);

    return ngx_http_ai_keyfile_say(kf, " %s, write %s", wrong,
                                   kf->field->usage);
}


/* "type": what stands where something else is expected */

static int
ngx_http_ai_keyfile_type(ngx_http_ai_keyfile_t *kf, const char *type)
{
    static const char *const  is[] = {
        "a text", "a list of texts", "a number",
        "a list such as [{\"usd\":100,\"per\":\"month\"}]", "true or false"
    };

    switch (kf->level) {

    case NGX_HTTP_AI_KEYFILE_OUTSIDE:
        return ngx_http_ai_keyfile_say(kf, "there is %s, write %s", type,
                                       ngx_http_ai_keyfile_form);

    case NGX_HTTP_AI_KEYFILE_ROOT:
        return ngx_http_ai_keyfile_say(kf, "\"keys\" is %s, write a list of "
                                       "objects, one for each key", type);

    case NGX_HTTP_AI_KEYFILE_KEYS:
        return ngx_http_ai_keyfile_say(kf, "\"keys\" holds %s, write one "
                                       "object for each key", type);

    case NGX_HTTP_AI_KEYFILE_LIST:
        (void) ngx_http_ai_keyfile_say(kf, "\"%s\"",
                                       (char *) kf->field->name.data);
        (void) ngx_http_ai_keyfile_whose(kf);

        return ngx_http_ai_keyfile_say(kf, " holds %s, write texts only",
                                       type);

    case NGX_HTTP_AI_KEYFILE_BUDGETS:
        (void) ngx_http_ai_keyfile_say(kf, "\"budget\"");
        (void) ngx_http_ai_keyfile_whose(kf);

        return ngx_http_ai_keyfile_say(kf, " holds %s, write objects such as "
                                       "{\"usd\":100,\"per\":\"month\"}",
                                       type);

    default: /* NGX_HTTP_AI_KEYFILE_ENTRY */
        (void) ngx_http_ai_keyfile_say(kf, "\"%s\"",
                                       (char *) kf->field->name.data);
        (void) ngx_http_ai_keyfile_whose(kf);

        return ngx_http_ai_keyfile_say(kf, " is %s, write %s", type,
                                       is[kf->field->type]);
    }
}


static int
ngx_http_ai_keyfile_twice(ngx_http_ai_keyfile_t *kf, const char *name,
    size_t len)
{
    (void) ngx_http_ai_keyfile_say(kf, "\"%.*s\"", (int) len, name);

    if (kf->level != NGX_HTTP_AI_KEYFILE_ROOT) {
        (void) ngx_http_ai_keyfile_whose(kf);
    }

    return ngx_http_ai_keyfile_say(kf, " stands twice, write it once");
}


/* a name is repeated if it cannot be a key that got there by mistake */

static int
ngx_http_ai_keyfile_unknown(ngx_http_ai_keyfile_t *kf, const char *where,
    const u_char *p, size_t n, const char *known)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (p[i] != '_' && ((p[i] | 0x20) < 'a' || (p[i] | 0x20) > 'z')) {
            break;
        }
    }

    if (n && i == n && n <= 32) {
        (void) ngx_http_ai_keyfile_say(kf, "unknown member \"%.*s\"", (int) n,
                                       p);
    } else {
        (void) ngx_http_ai_keyfile_say(kf, "unknown member (not shown)");
    }

    if (kf->level == NGX_HTTP_AI_KEYFILE_ROOT) {
        return ngx_http_ai_keyfile_say(kf, "%s, write %s", where, known);
    }

    (void) ngx_http_ai_keyfile_say(kf, "%s", where);
    (void) ngx_http_ai_keyfile_whose(kf);

    return ngx_http_ai_keyfile_say(kf, ", use %s", known);
}


static int
ngx_http_ai_keyfile_null(void *data)
{
    ngx_http_ai_keyfile_t *kf = data;

    kf->heard = 1;

    if (kf->level == NGX_HTTP_AI_KEYFILE_ENTRY) {
        /* as if it were not there */
        return 1;
    }

    if (kf->level == NGX_HTTP_AI_KEYFILE_BUDGET) {
        return ngx_http_ai_keyfile_budget_value(kf, NULL, 0, "null");
    }

    return ngx_http_ai_keyfile_type(kf, "null");
}


static int
ngx_http_ai_keyfile_boolean(void *data, int value)
{
    ngx_http_ai_keyfile_t *kf = data;

    kf->heard = 1;

    if (kf->level == NGX_HTTP_AI_KEYFILE_BUDGET) {
        return ngx_http_ai_keyfile_budget_value(kf, NULL, 0, "a boolean");
    }

    if (kf->level != NGX_HTTP_AI_KEYFILE_ENTRY
        || kf->field->type != NGX_HTTP_AI_KEY_FLAG)
    {
        return ngx_http_ai_keyfile_type(kf, value ? "true" : "false");
    }

    ngx_http_ai_keyentry_flag(&kf->entry, kf->field, value);

    return 1;
}


static int
ngx_http_ai_keyfile_number(void *data, const char *p, size_t n)
{
    ngx_http_ai_keyfile_t *kf = data;

    kf->heard = 1;

    if (kf->level == NGX_HTTP_AI_KEYFILE_BUDGET) {
        return ngx_http_ai_keyfile_budget_value(kf, (const u_char *) p, n,
                                                kf->named_usd ? NULL
                                                              : "a number");
    }

    if (kf->level != NGX_HTTP_AI_KEYFILE_ENTRY
        || kf->field->type != NGX_HTTP_AI_KEY_NUMBER)
    {
        return ngx_http_ai_keyfile_type(kf, "a number");
    }

    return ngx_http_ai_keyfile_value(kf, (const u_char *) p, n);
}


static int
ngx_http_ai_keyfile_string(void *data, const u_char *p, size_t n)
{
    ngx_http_ai_keyfile_t *kf = data;

    kf->heard = 1;

    switch (kf->level) {

    case NGX_HTTP_AI_KEYFILE_BUDGET:
        return ngx_http_ai_keyfile_budget_value(kf, p, n, NULL);

    case NGX_HTTP_AI_KEYFILE_LIST:
        return ngx_http_ai_keyfile_value(kf, p, n);

    case NGX_HTTP_AI_KEYFILE_ENTRY:

        if (kf->field->type == NGX_HTTP_AI_KEY_TEXT) {
            return ngx_http_ai_keyfile_value(kf, p, n);
        }

        /* fall through */

    default:
        return ngx_http_ai_keyfile_type(kf, "a text");
    }
}


/* a text, one of a list, or a number */

static int
ngx_http_ai_keyfile_value(ngx_http_ai_keyfile_t *kf, const u_char *p,
    size_t n)
{
    u_char      *text;
    const char  *wrong;

    if (n > sizeof(kf->text) - kf->used) {
        return ngx_http_ai_keyfile_field(kf, "is too long");
    }

    text = kf->text + kf->used;

    if (n) {
        ngx_memcpy(text, p, n);
        kf->used += n;
    }

    wrong = ngx_http_ai_keyentry_set(&kf->entry, kf->field, text, n);

    return wrong ? ngx_http_ai_keyfile_field(kf, wrong) : 1;
}


/* "type": what is in the place of an amount or of a period */

static int
ngx_http_ai_keyfile_budget_value(ngx_http_ai_keyfile_t *kf, const u_char *p,
    size_t n, const char *type)
{
    if (type == NULL && kf->named_usd
        && ngx_http_ai_budget_amount(p, n, &kf->budget.limit_nanousd)
           == NGX_OK)
    {
        return 1;
    }

    if (type == NULL && !kf->named_usd
        && ngx_http_ai_budget_per(p, n, &kf->budget.per) == NGX_OK)
    {
        return 1;
    }

    (void) ngx_http_ai_keyfile_say(kf, "\"%s\" in \"budget\"",
                                   kf->named_usd ? "usd" : "per");
    (void) ngx_http_ai_keyfile_whose(kf);

    return ngx_http_ai_keyfile_say(kf, kf->named_usd
               ? " is no amount, write dollars above zero such as 100 or "
                 "\"0.50\", with at most 9 decimals"
               : " is no period, write day, week, month or total");
}


static int
ngx_http_ai_keyfile_start_map(void *data)
{
    ngx_http_ai_keyfile_t *kf = data;

    kf->heard = 1;

    switch (kf->level) {

    case NGX_HTTP_AI_KEYFILE_OUTSIDE:
        kf->level = NGX_HTTP_AI_KEYFILE_ROOT;
        return 1;

    case NGX_HTTP_AI_KEYFILE_KEYS:
        kf->level = NGX_HTTP_AI_KEYFILE_ENTRY;
        kf->begin = ngx_http_ai_keyfile_line(kf,
                                         yajl_get_bytes_consumed(kf->yajl));
        kf->seen = 0;
        kf->used = 0;
        ngx_memzero(&kf->entry, sizeof(ngx_http_ai_keyentry_t));
        return 1;

    case NGX_HTTP_AI_KEYFILE_BUDGETS:
        kf->level = NGX_HTTP_AI_KEYFILE_BUDGET;
        kf->seen_usd = 0;
        kf->seen_per = 0;
        return 1;

    case NGX_HTTP_AI_KEYFILE_BUDGET:
        return ngx_http_ai_keyfile_budget_value(kf, NULL, 0, "an object");

    default:
        return ngx_http_ai_keyfile_type(kf, "an object");
    }
}


static int
ngx_http_ai_keyfile_map_key(void *data, const u_char *p, size_t n)
{
    ngx_http_ai_keyfile_t *kf = data;

    kf->heard = 1;

    switch (kf->level) {

    case NGX_HTTP_AI_KEYFILE_ROOT:
        return ngx_http_ai_keyfile_root_member(kf, p, n);

    case NGX_HTTP_AI_KEYFILE_ENTRY:
        return ngx_http_ai_keyfile_entry_member(kf, p, n);

    default: /* NGX_HTTP_AI_KEYFILE_BUDGET */
        return ngx_http_ai_keyfile_budget_member(kf, p, n);
    }
}


static int
ngx_http_ai_keyfile_root_member(ngx_http_ai_keyfile_t *kf, const u_char *p,
    size_t n)
{
    if (n != 4 || ngx_memcmp(p, "keys", 4) != 0) {
        return ngx_http_ai_keyfile_unknown(kf, "", p, n,
                                           ngx_http_ai_keyfile_form);
    }

    if (kf->seen_keys) {
        return ngx_http_ai_keyfile_twice(kf, "keys", 4);
    }

    kf->seen_keys = 1;

    return 1;
}


static int
ngx_http_ai_keyfile_entry_member(ngx_http_ai_keyfile_t *kf, const u_char *p,
    size_t n)
{
    size_t                          len;
    char                            known[NGX_HTTP_AI_KEYFILE_WRONG / 2];
    ngx_uint_t                      i;
    const ngx_str_t                *name;
    const ngx_http_ai_key_field_t  *field;

    field = ngx_http_ai_keyentry_field(p, n);

    if (field) {

        if (kf->seen & ((uint32_t) 1 << field->index)) {
            return ngx_http_ai_keyfile_twice(kf, (const char *) p, n);
        }

        kf->seen |= (uint32_t) 1 << field->index;
        kf->field = field;

        return 1;
    }

    len = 0;

    for (i = 0; (name = ngx_http_ai_keyentry_field_name(i)) != NULL; i++) {
        len += snprintf(known + len, sizeof(known) - len, "%s%s",
                        i ? ", " : "", (char *) name->data);
    }

    return ngx_http_ai_keyfile_unknown(kf, "", p, n, known);
}


static int
ngx_http_ai_keyfile_budget_member(ngx_http_ai_keyfile_t *kf, const u_char *p,
    size_t n)
{
    if (n == 3 && ngx_memcmp(p, "usd", 3) == 0) {

        if (kf->seen_usd) {
            return ngx_http_ai_keyfile_twice(kf, "usd", 3);
        }

        kf->seen_usd = 1;
        kf->named_usd = 1;
        return 1;
    }

    if (n == 3 && ngx_memcmp(p, "per", 3) == 0) {

        if (kf->seen_per) {
            return ngx_http_ai_keyfile_twice(kf, "per", 3);
        }

        kf->seen_per = 1;
        kf->named_usd = 0;
        return 1;
    }

    return ngx_http_ai_keyfile_unknown(kf, " in \"budget\"", p, n, "usd, per");
}


static int
ngx_http_ai_keyfile_end_map(void *data)
{
    ngx_http_ai_keyfile_t *kf = data;

    kf->heard = 1;

    switch (kf->level) {

    case NGX_HTTP_AI_KEYFILE_ENTRY:
        kf->level = NGX_HTTP_AI_KEYFILE_KEYS;
        return ngx_http_ai_keyfile_entry_end(kf);

    case NGX_HTTP_AI_KEYFILE_BUDGET:
        kf->level = NGX_HTTP_AI_KEYFILE_BUDGETS;
        return ngx_http_ai_keyfile_budget_end(kf);

    default: /* NGX_HTTP_AI_KEYFILE_ROOT */
        break;
    }

    if (!kf->seen_keys) {
        return ngx_http_ai_keyfile_say(kf, "there is no \"keys\", write %s",
                                       ngx_http_ai_keyfile_form);
    }

    kf->level = NGX_HTTP_AI_KEYFILE_DONE;

    return 1;
}


static int
ngx_http_ai_keyfile_entry_end(ngx_http_ai_keyfile_t *kf)
{
    const char  *wrong;

    wrong = ngx_http_ai_keyentry_complete(&kf->entry);

    if (wrong) {

        if (kf->entry.id.len) {
            return ngx_http_ai_keyfile_say(kf, "key \"%.*s\" %s",
                                           (int) kf->entry.id.len,
                                           kf->entry.id.data, wrong);
        }

        return ngx_http_ai_keyfile_say(kf, "the key that begins at line %lu "
                                       "%s", (unsigned long) kf->begin, wrong);
    }

    kf->line = kf->begin;

    return kf->handler(kf->data, kf, &kf->entry) == NGX_OK;
}


static int
ngx_http_ai_keyfile_budget_end(ngx_http_ai_keyfile_t *kf)
{
    const char  *wrong;

    if (!kf->seen_usd || !kf->seen_per) {
        (void) ngx_http_ai_keyfile_say(kf, "\"budget\"");
        (void) ngx_http_ai_keyfile_whose(kf);

        return ngx_http_ai_keyfile_say(kf, " lacks \"%s\", write objects such "
                                       "as {\"usd\":100,\"per\":\"month\"}",
                                       kf->seen_usd ? "per" : "usd");
    }

    wrong = ngx_http_ai_keyentry_budget(&kf->entry, &kf->budget);

    return wrong ? ngx_http_ai_keyfile_field(kf, wrong) : 1;
}


static int
ngx_http_ai_keyfile_start_array(void *data)
{
    ngx_http_ai_keyfile_t *kf = data;

    kf->heard = 1;

    switch (kf->level) {

    case NGX_HTTP_AI_KEYFILE_ROOT:
        kf->level = NGX_HTTP_AI_KEYFILE_KEYS;
        return 1;

    case NGX_HTTP_AI_KEYFILE_BUDGET:
        return ngx_http_ai_keyfile_budget_value(kf, NULL, 0, "a list");

    case NGX_HTTP_AI_KEYFILE_ENTRY:

        if (kf->field->type == NGX_HTTP_AI_KEY_LIST) {
            kf->level = NGX_HTTP_AI_KEYFILE_LIST;
            return 1;
        }

        if (kf->field->type == NGX_HTTP_AI_KEY_BUDGET) {
            kf->level = NGX_HTTP_AI_KEYFILE_BUDGETS;
            return 1;
        }

        /* fall through */

    default:
        return ngx_http_ai_keyfile_type(kf, "a list");
    }
}


/* an empty list could mean all or nothing */

static int
ngx_http_ai_keyfile_end_array(void *data)
{
    ngx_http_ai_keyfile_t *kf = data;

    ngx_uint_t  level, n;

    kf->heard = 1;

    level = kf->level;

    if (level == NGX_HTTP_AI_KEYFILE_KEYS) {
        kf->level = NGX_HTTP_AI_KEYFILE_ROOT;
        return 1;
    }

    kf->level = NGX_HTTP_AI_KEYFILE_ENTRY;

    n = (level == NGX_HTTP_AI_KEYFILE_BUDGETS)
        ? kf->entry.nbudgets
        : ngx_http_ai_keyentry_count(&kf->entry, kf->field);

    if (n) {
        return 1;
    }

    return ngx_http_ai_keyfile_field(kf, "is an empty list");
}
