
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_multipart.h"


static ngx_int_t ngx_http_ai_multipart_fail(ngx_http_ai_multipart_t *mp,
    ngx_http_ai_multipart_error_e error);
static const u_char *ngx_http_ai_multipart_value(ngx_http_ai_multipart_t *mp,
    const u_char *p, const u_char *last);
static const u_char *ngx_http_ai_multipart_match(ngx_http_ai_multipart_t *mp,
    const u_char *p, const u_char *last);
static void ngx_http_ai_multipart_keep(ngx_http_ai_multipart_t *mp,
    const u_char *p, size_t n);
static ngx_int_t ngx_http_ai_multipart_byte(ngx_http_ai_multipart_t *mp,
    u_char ch);
static ngx_int_t ngx_http_ai_multipart_header(ngx_http_ai_multipart_t *mp,
    u_char ch);
static ngx_int_t ngx_http_ai_multipart_line(ngx_http_ai_multipart_t *mp);
static ngx_int_t ngx_http_ai_multipart_begin(ngx_http_ai_multipart_t *mp);
static ngx_int_t ngx_http_ai_multipart_disposition(
    ngx_http_ai_multipart_t *mp, const u_char *p, const u_char *last);
static const u_char *ngx_http_ai_multipart_param(const u_char *p,
    const u_char *last, ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_http_ai_multipart_wanted(ngx_http_ai_multipart_t *mp,
    const ngx_str_t *name);
static ngx_uint_t ngx_http_ai_multipart_is(const ngx_str_t *s,
    const char *word);


#define ngx_http_ai_multipart_space(ch)  ((ch) == ' ' || (ch) == '\t')


ngx_int_t
ngx_http_ai_multipart_boundary(const ngx_str_t *type, ngx_str_t *boundary)
{
    ngx_str_t      name, value;
    const u_char  *p, *last;

    static const ngx_str_t  form = ngx_string("multipart/form-data");

    p = type->data;
    last = p + type->len;

    if (type->len < form.len
        || strncasecmp((const char *) p, (const char *) form.data, form.len)
           != 0
        || (type->len > form.len && p[form.len] != ';'
            && !ngx_http_ai_multipart_space(p[form.len])))
    {
        return NGX_DECLINED;
    }

    ngx_str_null(boundary);

    for (p += form.len; p < last; /* void */) {

        p = ngx_http_ai_multipart_param(p, last, &name, &value);
        if (p == NULL) {
            return NGX_ERROR;
        }

        if (ngx_http_ai_multipart_is(&name, "boundary")) {

            if (boundary->len) {
                return NGX_ERROR;
            }

            *boundary = value;
        }
    }

    if (boundary->len == 0 || boundary->len > NGX_HTTP_AI_MULTIPART_BOUNDARY
        || memchr(boundary->data, '\\', boundary->len))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_http_ai_multipart_init(ngx_http_ai_multipart_t *mp,
    const ngx_str_t *boundary, ngx_http_ai_multipart_field_t *fields,
    ngx_uint_t nfields)
{
    u_char      *p;
    ngx_uint_t   i;

    ngx_memzero(mp, offsetof(ngx_http_ai_multipart_t, line));

    mp->fields = fields;
    mp->nfields = nfields;

    for (i = 0; i < nfields; i++) {
        fields[i].len = 0;
        fields[i].start = 0;
        fields[i].end = 0;
        fields[i].found = 0;
    }

    p = ngx_cpymem(mp->delim, "\r\n--", 4);
    p = ngx_cpymem(p, boundary->data, boundary->len);
    mp->delim_len = p - mp->delim;

    /* the first one has no line before it */
    mp->matched = 2;
}


ngx_int_t
ngx_http_ai_multipart_feed(ngx_http_ai_multipart_t *mp, const u_char *p,
    size_t n)
{
    const u_char  *last, *next;

    if (mp->error) {
        return NGX_ERROR;
    }

    for (last = p + n; p < last; p = next) {

        if (mp->state == NGX_HTTP_AI_MULTIPART_VALUE) {
            next = ngx_http_ai_multipart_value(mp, p, last);

        } else {
            next = p + 1;

            if (ngx_http_ai_multipart_byte(mp, *p) != NGX_OK) {
                return NGX_ERROR;
            }
        }

        mp->offset += next - p;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_multipart_end(ngx_http_ai_multipart_t *mp)
{
    if (mp->error) {
        return NGX_ERROR;
    }

    switch (mp->state) {

    case NGX_HTTP_AI_MULTIPART_LAST:
    case NGX_HTTP_AI_MULTIPART_OVER:
        return NGX_OK;

    default:
        return ngx_http_ai_multipart_fail(mp, NGX_HTTP_AI_MULTIPART_EEND);
    }
}


static ngx_int_t
ngx_http_ai_multipart_fail(ngx_http_ai_multipart_t *mp,
    ngx_http_ai_multipart_error_e error)
{
    mp->error = error;

    return NGX_ERROR;
}


/* as far as the value goes in these bytes, or a boundary is complete */

static const u_char *
ngx_http_ai_multipart_value(ngx_http_ai_multipart_t *mp, const u_char *p,
    const u_char *last)
{
    const u_char  *cr;

    if (mp->matched) {
        return ngx_http_ai_multipart_match(mp, p, last);
    }

    cr = memchr(p, '\r', last - p);

    if (cr == NULL) {
        cr = last;
    }

    ngx_http_ai_multipart_keep(mp, p, cr - p);

    if (cr == last) {
        return last;
    }

    mp->matched = 1;

    return cr + 1;
}


/*
 * A CR stands only at the delimiter's beginning, so that what did not match in
 * the end cannot have hidden another beginning.
 */

static const u_char *
ngx_http_ai_multipart_match(ngx_http_ai_multipart_t *mp, const u_char *p,
    const u_char *last)
{
    size_t  n;

    n = mp->delim_len;

    while (p < last && mp->matched < n && *p == mp->delim[mp->matched]) {
        mp->matched++;
        p++;
    }

    if (mp->matched == n) {
        mp->matched = 0;
        mp->state = NGX_HTTP_AI_MULTIPART_BEHIND;
        mp->field = NULL;
        return p;
    }

    if (p < last) {
        n = mp->matched;
        mp->matched = 0;
        ngx_http_ai_multipart_keep(mp, mp->delim, n);
    }

    return p;
}


static void
ngx_http_ai_multipart_keep(ngx_http_ai_multipart_t *mp, const u_char *p,
    size_t n)
{
    ngx_http_ai_multipart_field_t  *f;

    f = mp->field;

    if (f == NULL) {
        return;
    }

    f->end += n;

    n = ngx_min(n, f->size - f->len);
    ngx_memcpy(f->buf + f->len, p, n);
    f->len += n;
}


static ngx_int_t
ngx_http_ai_multipart_byte(ngx_http_ai_multipart_t *mp, u_char ch)
{
    switch (mp->state) {

    case NGX_HTTP_AI_MULTIPART_BEGIN:

        if (ch != mp->delim[mp->matched]) {
            return ngx_http_ai_multipart_fail(mp,
                                              NGX_HTTP_AI_MULTIPART_EBEGIN);
        }

        if (++mp->matched == mp->delim_len) {
            mp->matched = 0;
            mp->state = NGX_HTTP_AI_MULTIPART_BEHIND;
        }

        return NGX_OK;

    case NGX_HTTP_AI_MULTIPART_BEHIND:

        if (ch == '-') {
            mp->state = NGX_HTTP_AI_MULTIPART_BEHIND_DASH;
            return NGX_OK;
        }

        if (ch == '\r') {
            mp->state = NGX_HTTP_AI_MULTIPART_BEHIND_CR;
            return NGX_OK;
        }

        break;

    case NGX_HTTP_AI_MULTIPART_BEHIND_DASH:

        if (ch == '-') {
            mp->state = NGX_HTTP_AI_MULTIPART_LAST;
            return NGX_OK;
        }

        break;

    case NGX_HTTP_AI_MULTIPART_BEHIND_CR:

        if (ch == '\n') {
            return ngx_http_ai_multipart_begin(mp);
        }

        break;

    case NGX_HTTP_AI_MULTIPART_HEADER:
    case NGX_HTTP_AI_MULTIPART_HEADER_CR:
        return ngx_http_ai_multipart_header(mp, ch);

    case NGX_HTTP_AI_MULTIPART_LAST:

        if (ch == '\r') {
            mp->state = NGX_HTTP_AI_MULTIPART_LAST_CR;
            return NGX_OK;
        }

        return ngx_http_ai_multipart_fail(mp,
                                          NGX_HTTP_AI_MULTIPART_ETRAILING);

    case NGX_HTTP_AI_MULTIPART_LAST_CR:

        if (ch == '\n') {
            mp->state = NGX_HTTP_AI_MULTIPART_OVER;
            return NGX_OK;
        }

        return ngx_http_ai_multipart_fail(mp,
                                          NGX_HTTP_AI_MULTIPART_ETRAILING);

    default: /* NGX_HTTP_AI_MULTIPART_OVER */
        return ngx_http_ai_multipart_fail(mp,
                                          NGX_HTTP_AI_MULTIPART_ETRAILING);
    }

    return ngx_http_ai_multipart_fail(mp, NGX_HTTP_AI_MULTIPART_EBOUNDARY);
}


/* a part */

static ngx_int_t
ngx_http_ai_multipart_begin(ngx_http_ai_multipart_t *mp)
{
    mp->state = NGX_HTTP_AI_MULTIPART_HEADER;
    mp->field = NULL;
    mp->lines = 0;
    mp->line_len = 0;
    mp->named = 0;
    mp->file = 0;
    mp->encoded = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_multipart_header(ngx_http_ai_multipart_t *mp, u_char ch)
{
    if (mp->state == NGX_HTTP_AI_MULTIPART_HEADER_CR) {

        if (ch != '\n') {
            return ngx_http_ai_multipart_fail(mp,
                                              NGX_HTTP_AI_MULTIPART_EHEADER);
        }

        mp->state = NGX_HTTP_AI_MULTIPART_HEADER;

        return ngx_http_ai_multipart_line(mp);
    }

    if (ch == '\r') {
        mp->state = NGX_HTTP_AI_MULTIPART_HEADER_CR;
        return NGX_OK;
    }

    if (ch == '\n' || ch == '\0') {
        return ngx_http_ai_multipart_fail(mp, NGX_HTTP_AI_MULTIPART_EHEADER);
    }

    if (mp->line_len == NGX_HTTP_AI_MULTIPART_LINE) {
        return ngx_http_ai_multipart_fail(mp, NGX_HTTP_AI_MULTIPART_ELONG);
    }

    mp->line[mp->line_len++] = ch;

    return NGX_OK;
}


/* a line of a part's header is complete; an empty one ends it */

static ngx_int_t
ngx_http_ai_multipart_line(ngx_http_ai_multipart_t *mp)
{
    ngx_str_t      name;
    const u_char  *p, *last;

    if (mp->line_len == 0) {

        if (!mp->named) {
            return ngx_http_ai_multipart_fail(mp,
                                              NGX_HTTP_AI_MULTIPART_ENAME);
        }

        if (mp->field) {

            if (mp->file || mp->encoded) {
                return ngx_http_ai_multipart_fail(mp,
                                                NGX_HTTP_AI_MULTIPART_EFILE);
            }

            mp->field->start = mp->offset + 1;
            mp->field->end = mp->offset + 1;
        }

        mp->state = NGX_HTTP_AI_MULTIPART_VALUE;

        return NGX_OK;
    }

    if (++mp->lines > NGX_HTTP_AI_MULTIPART_LINES) {
        return ngx_http_ai_multipart_fail(mp, NGX_HTTP_AI_MULTIPART_ELONG);
    }

    p = mp->line;
    last = p + mp->line_len;
    mp->line_len = 0;

    name.data = mp->line;

    while (p < last && *p != ':' && !ngx_http_ai_multipart_space(*p)) {
        p++;
    }

    name.len = p - name.data;

    /* neither a folded line, nor a space before the colon */

    if (p == last || *p++ != ':' || name.len == 0) {
        return ngx_http_ai_multipart_fail(mp, NGX_HTTP_AI_MULTIPART_EHEADER);
    }

    if (ngx_http_ai_multipart_is(&name, "content-transfer-encoding")) {
        mp->encoded = 1;
        return NGX_OK;
    }

    if (ngx_http_ai_multipart_is(&name, "content-disposition")) {

        if (mp->named) {
            return ngx_http_ai_multipart_fail(mp,
                                              NGX_HTTP_AI_MULTIPART_ENAME);
        }

        return ngx_http_ai_multipart_disposition(mp, p, last);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_multipart_disposition(ngx_http_ai_multipart_t *mp,
    const u_char *p, const u_char *last)
{
    ngx_str_t  kind, name, param, value;

    ngx_str_null(&name);

    while (p < last && ngx_http_ai_multipart_space(*p)) {
        p++;
    }

    kind.data = (u_char *) p;

    while (p < last && *p != ';' && !ngx_http_ai_multipart_space(*p)) {
        p++;
    }

    kind.len = p - kind.data;

    if (!ngx_http_ai_multipart_is(&kind, "form-data")) {
        return ngx_http_ai_multipart_fail(mp, NGX_HTTP_AI_MULTIPART_ENAME);
    }

    while (p < last) {

        p = ngx_http_ai_multipart_param(p, last, &param, &value);
        if (p == NULL) {
            return ngx_http_ai_multipart_fail(mp,
                                              NGX_HTTP_AI_MULTIPART_EHEADER);
        }

        if (ngx_http_ai_multipart_is(&param, "filename")
            || ngx_http_ai_multipart_is(&param, "filename*"))
        {
            mp->file = 1;

        } else if (ngx_http_ai_multipart_is(&param, "name")) {

            if (mp->named) {
                return ngx_http_ai_multipart_fail(mp,
                                                NGX_HTTP_AI_MULTIPART_ENAME);
            }

            mp->named = 1;
            name = value;

        } else if (ngx_http_ai_multipart_is(&param, "name*")) {
            return ngx_http_ai_multipart_fail(mp,
                                              NGX_HTTP_AI_MULTIPART_ENAME);
        }
    }

    if (name.len == 0) {
        return ngx_http_ai_multipart_fail(mp, NGX_HTTP_AI_MULTIPART_ENAME);
    }

    return ngx_http_ai_multipart_wanted(mp, &name);
}


/*
 * "; name=value" or "; name="value"" from p on; where it ends, or NULL.  An
 * empty one, at the end, has no name.  The quotes are not part of the value,
 * backslashes are.
 */

static const u_char *
ngx_http_ai_multipart_param(const u_char *p, const u_char *last,
    ngx_str_t *name, ngx_str_t *value)
{
    ngx_str_null(name);
    ngx_str_null(value);

    while (p < last && ngx_http_ai_multipart_space(*p)) {
        p++;
    }

    if (p == last) {
        return p;
    }

    if (*p++ != ';') {
        return NULL;
    }

    while (p < last && ngx_http_ai_multipart_space(*p)) {
        p++;
    }

    if (p == last) {
        return p;
    }

    name->data = (u_char *) p;

    while (p < last && *p != '=' && *p != ';' && *p != '"'
           && !ngx_http_ai_multipart_space(*p))
    {
        p++;
    }

    name->len = p - name->data;

    if (p == last || *p++ != '=' || name->len == 0) {
        return NULL;
    }

    if (p < last && *p == '"') {

        value->data = (u_char *) ++p;

        while (p < last && *p != '"') {

            if (*p == '\\') {
                p++;
            }

            p++;
        }

        if (p >= last) {
            return NULL;
        }

        value->len = p - value->data;

        return p + 1;
    }

    value->data = (u_char *) p;

    while (p < last && *p != ';' && *p != '"'
           && !ngx_http_ai_multipart_space(*p))
    {
        p++;
    }

    value->len = p - value->data;

    return value->len ? p : NULL;
}


/* a name with escapes could be a wanted one in disguise */

static ngx_int_t
ngx_http_ai_multipart_wanted(ngx_http_ai_multipart_t *mp,
    const ngx_str_t *name)
{
    ngx_uint_t                      i;
    ngx_http_ai_multipart_field_t  *f;

    if (memchr(name->data, '\\', name->len)
        || memchr(name->data, '%', name->len))
    {
        return ngx_http_ai_multipart_fail(mp, NGX_HTTP_AI_MULTIPART_ENAME);
    }

    for (i = 0; i < mp->nfields; i++) {
        f = &mp->fields[i];

        if (f->name.len != name->len
            || ngx_memcmp(f->name.data, name->data, name->len) != 0)
        {
            continue;
        }

        if (f->found) {
            return ngx_http_ai_multipart_fail(mp,
                                              NGX_HTTP_AI_MULTIPART_ETWICE);
        }

        f->found = 1;
        mp->field = f;
        break;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_ai_multipart_is(const ngx_str_t *s, const char *word)
{
    return s->len == strlen(word)
           && strncasecmp((const char *) s->data, word, s->len) == 0;
}


const char *
ngx_http_ai_multipart_strerror(ngx_http_ai_multipart_error_e error)
{
    static const char  *errors[] = {
        "no error",
        "it does not begin with its boundary",
        "there is something behind a boundary",
        "the header of a part is malformed",
        "the header of a part is too long",
        "a part has no name, or one that is spelled oddly",
        "a field that the gateway reads comes twice",
        "a field that the gateway reads is a file, or encoded",
        "there is something behind the last boundary",
        "it ends before its last boundary"
    };

    return errors[error];
}
