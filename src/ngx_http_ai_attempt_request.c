
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The bytes of the request for one target: request line and headers in one
 * buf, then the client's body as slices around what is replaced in it.
 */


#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_secret.h"
#include "pure/ngx_http_ai_multipart.h"
#include "pure/ngx_http_ai_resp.h"


#define NGX_HTTP_AI_MAX_EDITS       (3 + NGX_HTTP_AI_KNOBS_MEMBERS)
#define NGX_HTTP_AI_MAX_CONNECTION  512    /* bytes of a "Connection" read */


/* [start, end) of the client's body becomes text; start == end inserts */

typedef struct {
    off_t                     start;
    off_t                     end;
    ngx_str_t                 text;
} ngx_http_ai_edit_t;


static ngx_int_t ngx_http_ai_attempt_head(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
static void ngx_http_ai_attempt_tracestate(ngx_http_request_t *r,
    ngx_list_t *nominating, ngx_http_ai_trace_state_t *state);
static ngx_uint_t ngx_http_ai_attempt_forwarded(ngx_http_ai_main_conf_t *amcf,
    ngx_table_elt_t *h, ngx_list_t *nominating);
static ngx_int_t ngx_http_ai_attempt_edits(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, ngx_http_ai_edit_t *edits);
static void ngx_http_ai_attempt_sort(ngx_http_ai_edit_t *edits, ngx_int_t n);
static ngx_int_t ngx_http_ai_attempt_insert(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, ngx_uint_t member, ngx_str_t *model,
    ngx_uint_t options, ngx_http_ai_edit_t *edit);
static ngx_int_t ngx_http_ai_attempt_edit_form(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, ngx_http_ai_edit_t *edits);
static ngx_uint_t ngx_http_ai_attempt_edit_options(ngx_http_ai_facts_t *facts,
    ngx_http_ai_edit_t *edit);
static ngx_chain_t *ngx_http_ai_attempt_first_buf(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, off_t length);
static ngx_int_t ngx_http_ai_attempt_tail(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, ngx_str_t *tail);
static size_t ngx_http_ai_attempt_args(ngx_str_t *args, u_char *dst);
static ngx_chain_t **ngx_http_ai_attempt_slice(ngx_http_request_t *r,
    ngx_chain_t **ll, off_t start, off_t end);
static ngx_chain_t **ngx_http_ai_attempt_text(ngx_http_request_t *r,
    ngx_chain_t **ll, ngx_str_t *text);


ngx_int_t
ngx_http_ai_attempt_request(ngx_http_request_t *r, ngx_http_ai_attempt_t *at)
{
    off_t                 length, from;
    ngx_int_t             i, n;
    ngx_chain_t          *cl, **ll;
    ngx_http_ai_facts_t  *facts;
    ngx_http_ai_edit_t    edits[NGX_HTTP_AI_MAX_EDITS];

    facts = &at->ctx->facts;

    if (at->head.data == NULL
        && ngx_http_ai_attempt_head(r, at) != NGX_OK)
    {
        return NGX_ERROR;
    }

    n = ngx_http_ai_attempt_edits(r, at, edits);
    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    length = facts->size;

    for (i = 0; i < n; i++) {
        length += (off_t) edits[i].text.len - (edits[i].end - edits[i].start);
    }

    cl = ngx_http_ai_attempt_first_buf(r, at, length);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    r->upstream->request_bufs = cl;
    ll = &cl->next;
    from = 0;

    for (i = 0; i < n; i++) {
        ll = ngx_http_ai_attempt_slice(r, ll, from, edits[i].start);
        if (ll == NULL) {
            return NGX_ERROR;
        }

        ll = ngx_http_ai_attempt_text(r, ll, &edits[i].text);
        if (ll == NULL) {
            return NGX_ERROR;
        }

        from = edits[i].end;
    }

    ll = ngx_http_ai_attempt_slice(r, ll, from, facts->size);
    if (ll == NULL) {
        return NGX_ERROR;
    }

    *ll = NULL;

    return NGX_OK;
}


/* the client's headers that may go upstream, once for all attempts */

static ngx_int_t
ngx_http_ai_attempt_head(ngx_http_request_t *r, ngx_http_ai_attempt_t *at)
{
    u_char                     *p;
    size_t                      len;
    ngx_list_t                 *nominating;
    ngx_uint_t                  i, pass;
    ngx_list_part_t            *part;
    ngx_table_elt_t            *h;
    ngx_http_ai_main_conf_t    *amcf;
    ngx_http_ai_trace_state_t   state;

    amcf = at->ctx->conf;
    len = sizeof("X-Request-ID: " CRLF CRLF) - 1 + at->ctx->id.len;
    p = NULL;

    nominating = ngx_http_ai_attempt_nominates(&r->headers_in.headers)
                 ? &r->headers_in.headers : NULL;

    for (pass = 0; pass < 2; pass++) {

        part = &r->headers_in.headers.part;
        h = part->elts;

        for (i = 0; /* void */; i++) {

            if (i >= part->nelts) {
                if (part->next == NULL) {
                    break;
                }

                part = part->next;
                h = part->elts;
                i = 0;
            }

            if (pass == 0) {
                /* room for all: it costs less than to ask twice for each */
                len += h[i].key.len + sizeof(": " CRLF) - 1 + h[i].value.len;
                continue;
            }

            if (!ngx_http_ai_attempt_forwarded(amcf, &h[i], nominating)) {
                continue;
            }

            p = ngx_cpymem(p, h[i].key.data, h[i].key.len);
            *p++ = ':'; *p++ = ' ';
            p = ngx_cpymem(p, h[i].value.data, h[i].value.len);
            *p++ = CR; *p++ = LF;
        }

        if (pass == 0) {
            at->head.data = ngx_pnalloc(r->pool, len);
            if (at->head.data == NULL) {
                return NGX_ERROR;
            }

            p = at->head.data;
        }
    }

    if (at->ctx->traced) {
        ngx_http_ai_attempt_tracestate(r, nominating, &state);

        /* not longer than what it is made of, for which there is room */

        if (state.len) {
            p = ngx_cpymem(p, "tracestate: ", sizeof("tracestate: ") - 1);
            p = ngx_cpymem(p, state.data, state.len);
            *p++ = CR; *p++ = LF;
        }
    }

    p = ngx_cpymem(p, "X-Request-ID: ", sizeof("X-Request-ID: ") - 1);
    p = ngx_cpymem(p, at->ctx->id.data, at->ctx->id.len);
    p = ngx_cpymem(p, CRLF CRLF, sizeof(CRLF CRLF) - 1);

    at->head.len = p - at->head.data;

    return NGX_OK;
}


/* all of the client's as one, or nothing where any of it is wrong */

static void
ngx_http_ai_attempt_tracestate(ngx_http_request_t *r, ngx_list_t *nominating,
    ngx_http_ai_trace_state_t *state)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    state->len = 0;
    state->members = 0;

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].hash == 0
            || h[i].key.len != sizeof("tracestate") - 1
            || ngx_memcmp(h[i].lowcase_key, "tracestate",
                          sizeof("tracestate") - 1)
               != 0)
        {
            continue;
        }

        if ((nominating && ngx_http_ai_attempt_nominated(nominating, &h[i]))
            || ngx_http_ai_trace_state_add(state, h[i].value.data,
                                           h[i].value.len)
               != NGX_OK)
        {
            state->len = 0;
            return;
        }
    }
}


static ngx_uint_t
ngx_http_ai_attempt_forwarded(ngx_http_ai_main_conf_t *amcf,
    ngx_table_elt_t *h, ngx_list_t *nominating)
{
    if (h->hash == 0) {
        return 0;
    }

    if (h->key.len >= 5
        && ngx_memcmp(h->lowcase_key, "x-ai-", 5) == 0)
    {
        return 0;
    }

    if (h->key.len >= 12
        && ngx_memcmp(h->lowcase_key, "x-forwarded-", 12) == 0)
    {
        return 0;
    }

    if (ngx_hash_find(&amcf->not_forwarded, h->hash, h->lowcase_key,
                      h->key.len))
    {
        return 0;
    }

    /* RFC 9110, 7.6.1: what "Connection" names is for this hop only */

    if (nominating && ngx_http_ai_attempt_nominated(nominating, h)) {
        return 0;
    }

    return 1;
}


ngx_uint_t
ngx_http_ai_attempt_nominates(ngx_list_t *headers)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &headers->part;
    h = part->elts;

    for (i = 0; /* void */; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return 0;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len == sizeof("connection") - 1
            && ngx_memcmp(h[i].lowcase_key, "connection",
                          sizeof("connection") - 1)
               == 0
            && !(h[i].value.len == 10
                 && ngx_strncasecmp(h[i].value.data, (u_char *) "keep-alive",
                                    10)
                    == 0)
            && !(h[i].value.len == 5
                 && ngx_strncasecmp(h[i].value.data, (u_char *) "close", 5)
                    == 0))
        {
            return 1;
        }
    }
}


ngx_uint_t
ngx_http_ai_attempt_nominated(ngx_list_t *headers, ngx_table_elt_t *header)
{
    u_char           *p, *last, *token;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &headers->part;
    h = part->elts;

    for (i = 0; /* void */; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return 0;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len != sizeof("connection") - 1
            || ngx_memcmp(h[i].lowcase_key, "connection",
                          sizeof("connection") - 1)
               != 0)
        {
            continue;
        }

        /* nobody names so much in earnest, and the search is quadratic */

        p = h[i].value.data;
        last = p + ngx_min(h[i].value.len, NGX_HTTP_AI_MAX_CONNECTION);

        while (p < last) {

            while (p < last && (*p == ' ' || *p == ',' || *p == '\t')) {
                p++;
            }

            token = p;

            while (p < last && *p != ' ' && *p != ',' && *p != '\t') {
                p++;
            }

            if ((size_t) (p - token) == header->key.len
                && ngx_strncasecmp(token, header->key.data, header->key.len)
                   == 0)
            {
                return 1;
            }
        }
    }
}


/* what the target's body differs in; the number of edits, sorted */

static ngx_int_t
ngx_http_ai_attempt_edits(ngx_http_request_t *r, ngx_http_ai_attempt_t *at,
    ngx_http_ai_edit_t *edits)
{
    ngx_int_t             n;
    ngx_str_t             model;
    ngx_uint_t            i, insert_model, insert_options;
    ngx_http_ai_facts_t  *facts;

    n = 0;
    facts = &at->ctx->facts;

    at->injected = 0;

    if (facts->endpoint->model == NGX_HTTP_AI_MODEL_NONE) {
        return 0;
    }

    if (facts->form) {
        return ngx_http_ai_attempt_edit_form(r, at, edits);
    }

    ngx_str_null(&model);

    if (facts->endpoint->model != NGX_HTTP_AI_MODEL_PATH) {
        model = at->target->model_json;

        if (model.len == 0 && at->ctx->plan.model_json) {
            /* a backup's own name */
            model = *at->ctx->plan.model_json;
        }
    }

    at->injected = facts->stream && !facts->include_usage
                   && facts->endpoint->stream_options
                   && at->target->account->provider->stream_usage;

    insert_model = facts->model_end == 0
                   && facts->endpoint->model != NGX_HTTP_AI_MODEL_PATH;
    insert_options = at->injected && facts->options_end == 0;

    if (insert_model || insert_options) {

        if (ngx_http_ai_attempt_insert(r, at, insert_model, &model,
                                       insert_options, &edits[n++])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (!insert_model && model.len) {
        edits[n].start = facts->model_start;
        edits[n].end = facts->model_end;
        edits[n].text = model;
        n++;
    }

    if (at->injected && !insert_options) {
        n += ngx_http_ai_attempt_edit_options(facts, &edits[n]);
    }

    for (i = 0; i < facts->ncuts; i++) {
        edits[n].start = facts->cuts[i].start;
        edits[n].end = facts->cuts[i].end;
        ngx_str_null(&edits[n].text);
        n++;
    }

    ngx_http_ai_attempt_sort(edits, n);

    return n;
}


/* by their places; what is inserted at the same one stays in front */

static void
ngx_http_ai_attempt_sort(ngx_http_ai_edit_t *edits, ngx_int_t n)
{
    ngx_int_t            i, j;
    ngx_http_ai_edit_t   edit;

    for (i = 1; i < n; i++) {
        edit = edits[i];

        for (j = i; j > 0 && edits[j - 1].start > edit.start; j--) {
            edits[j] = edits[j - 1];
        }

        edits[j] = edit;
    }
}


/* new members right after the body's "{" */

static ngx_int_t
ngx_http_ai_attempt_insert(ngx_http_request_t *r, ngx_http_ai_attempt_t *at,
    ngx_uint_t member, ngx_str_t *model, ngx_uint_t options,
    ngx_http_ai_edit_t *edit)
{
    u_char               *p;
    size_t                len;
    ngx_http_ai_facts_t  *facts;

    static ngx_str_t  usage =
        ngx_string("\"stream_options\":{\"include_usage\":true}");

    facts = &at->ctx->facts;

    edit->start = facts->object;
    edit->end = facts->object;

    if (member) {

        /* the model came by header: the target's name, or the client's */

        len = model->len ? model->len
                         : 2 + ngx_http_ai_json_escape_len(facts->model.data,
                                                           facts->model.len);
    } else {
        len = 0;
    }

    edit->text.data = ngx_pnalloc(r->pool,
                                  sizeof("\"model\":,,") + len + usage.len);
    if (edit->text.data == NULL) {
        return NGX_ERROR;
    }

    p = edit->text.data;

    if (member) {
        p = ngx_cpymem(p, "\"model\":", sizeof("\"model\":") - 1);

        if (model->len) {
            p = ngx_cpymem(p, model->data, model->len);

        } else {
            *p++ = '"';
            p = ngx_http_ai_json_escape(p, facts->model.data,
                                        facts->model.len);
            *p++ = '"';
        }

        *p++ = ',';
    }

    if (options) {
        p = ngx_cpymem(p, usage.data, usage.len);
        *p++ = ',';
    }

    if (facts->empty) {
        p--;
    }

    edit->text.len = p - edit->text.data;

    return NGX_OK;
}


/* a form's field has the name as it is; one that is missing comes first */

static ngx_int_t
ngx_http_ai_attempt_edit_form(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, ngx_http_ai_edit_t *edits)
{
    u_char               *p;
    ngx_str_t             boundary;
    const ngx_str_t      *model;
    ngx_http_ai_facts_t  *facts;

    static ngx_str_t  header =
        ngx_string(CRLF "Content-Disposition: form-data; name=\"model\""
                   CRLF CRLF);

    facts = &at->ctx->facts;
    model = at->cell.model;

    edits[0].start = facts->model_start;
    edits[0].end = facts->model_end;
    edits[0].text = *model;

    if (facts->model_end) {
        return 1;
    }

    /* the scan has found it */
    (void) ngx_http_ai_multipart_boundary(&r->headers_in.content_type->value,
                                          &boundary);

    p = ngx_pnalloc(r->pool, sizeof("--" CRLF) - 1 + boundary.len
                             + header.len + model->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    edits[0].text.data = p;

    *p++ = '-'; *p++ = '-';
    p = ngx_cpymem(p, boundary.data, boundary.len);
    p = ngx_cpymem(p, header.data, header.len);
    p = ngx_cpymem(p, model->data, model->len);
    *p++ = CR; *p++ = LF;

    edits[0].text.len = p - edits[0].text.data;

    return 1;
}


/* merges include_usage into the client's own stream_options */

static ngx_uint_t
ngx_http_ai_attempt_edit_options(ngx_http_ai_facts_t *facts,
    ngx_http_ai_edit_t *edit)
{
    if (facts->options_null) {
        edit->start = facts->options_start;
        edit->end = facts->options_end;
        ngx_str_set(&edit->text, "{\"include_usage\":true}");
        return 1;
    }

    if (facts->include_end) {
        edit->start = facts->include_start;
        edit->end = facts->include_end;
        ngx_str_set(&edit->text, "true");
        return 1;
    }

    edit->start = facts->options_start + 1;
    edit->end = edit->start;

    if (facts->options_empty) {
        ngx_str_set(&edit->text, "\"include_usage\":true");

    } else {
        ngx_str_set(&edit->text, "\"include_usage\":true,");
    }

    return 1;
}


static ngx_chain_t *
ngx_http_ai_attempt_first_buf(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at, off_t length)
{
    u_char                 *p, span[NGX_HTTP_AI_TRACE_PARENT / 2];
    size_t                  len;
    ngx_buf_t              *b;
    ngx_str_t               tail, args;
    ngx_chain_t            *cl;
    ngx_http_ai_account_t  *account;

    account = at->target->account;

    if (ngx_http_ai_attempt_tail(r, at, &tail) != NGX_OK) {
        return NULL;
    }

    /* each request that is sent is a span of its own */

    if (ngx_http_ai_request_random(span, sizeof(span)) != NGX_OK) {
        return NULL;
    }

    ngx_hex_dump(at->parent, span, sizeof(span));

    args.data = NULL;
    args.len = 0;

    if (r->args.len) {
        args.data = ngx_pnalloc(r->pool, r->args.len);
        if (args.data == NULL) {
            return NULL;
        }

        args.len = ngx_http_ai_attempt_args(&r->args, args.data);
    }

    len = r->method_name.len + sizeof(" / HTTP/1.1" CRLF) - 1
          + account->prefix.len + tail.len + 1 + r->args.len
          + sizeof("Host: " CRLF) - 1 + account->host.len
          + account->credential.len
          + sizeof("traceparent: " CRLF) - 1 + NGX_HTTP_AI_TRACE_LEN
          + sizeof("Accept-Encoding: identity" CRLF) - 1
          + sizeof("Content-Length: " CRLF) - 1 + NGX_OFF_T_LEN
          + at->head.len;

    b = ngx_create_temp_buf(r->pool, len);
    if (b == NULL) {
        return NULL;
    }

    cl = ngx_alloc_chain_link(r->pool);
    if (cl == NULL) {
        return NULL;
    }

    cl->buf = b;
    cl->next = NULL;

    p = ngx_cpymem(b->last, r->method_name.data, r->method_name.len);
    *p++ = ' ';
    p = ngx_cpymem(p, account->prefix.data, account->prefix.len);
    *p++ = '/';
    p = ngx_cpymem(p, tail.data, tail.len);

    if (args.len) {
        *p++ = '?';
        p = ngx_cpymem(p, args.data, args.len);
    }

    p = ngx_cpymem(p, " HTTP/1.1" CRLF "Host: ",
                   sizeof(" HTTP/1.1" CRLF "Host: ") - 1);
    p = ngx_cpymem(p, account->host.data, account->host.len);
    *p++ = CR; *p++ = LF;

    if (account->credential.len
        && ngx_http_ai_secret_forget(r->pool, p, account->credential.len)
           != NGX_OK)
    {
        return NULL;
    }

    p = ngx_cpymem(p, account->credential.data, account->credential.len);

    p = ngx_cpymem(p, "traceparent: ", sizeof("traceparent: ") - 1);
    p = ngx_http_ai_trace_write(p, &at->ctx->trace, at->parent);
    *p++ = CR; *p++ = LF;

    p = ngx_cpymem(p, "Accept-Encoding: identity" CRLF "Content-Length: ",
                   sizeof("Accept-Encoding: identity" CRLF
                          "Content-Length: ") - 1);
    p = ngx_http_ai_resp_decimal(p, length);
    *p++ = CR; *p++ = LF;

    b->last = ngx_cpymem(p, at->head.data, at->head.len);

    return cl;
}


/*
 * The path behind the base, escaped again, for the core has decoded it; with
 * the target's name in the place of the client's where it has the model.
 */

static ngx_int_t
ngx_http_ai_attempt_tail(ngx_http_request_t *r, ngx_http_ai_attempt_t *at,
    ngx_str_t *tail)
{
    u_char                        *p, *end;
    size_t                         len;
    ngx_str_t                      before, after;
    const ngx_str_t               *model;
    ngx_http_ai_facts_t           *facts;
    ngx_http_ai_endpoint_parts_t  *parts;

    facts = &at->ctx->facts;
    parts = &facts->parts;

    if (parts->model.len == 0 && parts->id.len == 0) {
        /* words of our own table */
        *tail = facts->tail;
        return NGX_OK;
    }

    model = parts->model.len ? at->cell.model : &parts->model;
    end = facts->tail.data + facts->tail.len;

    before = facts->tail;
    ngx_str_null(&after);

    if (parts->model.len) {
        before.len = parts->model.data - before.data;
        after.data = parts->model.data + parts->model.len;
        after.len = end - after.data;
    }

    len = 3 * (before.len + model->len + after.len);

    tail->data = ngx_pnalloc(r->pool, len);
    if (tail->data == NULL) {
        return NGX_ERROR;
    }

    p = (u_char *) ngx_escape_uri(tail->data, before.data, before.len,
                                  NGX_ESCAPE_URI);
    p = (u_char *) ngx_escape_uri(p, model->data, model->len,
                                  NGX_ESCAPE_URI_COMPONENT);
    p = (u_char *) ngx_escape_uri(p, after.data, after.len, NGX_ESCAPE_URI);

    tail->len = p - tail->data;

    return NGX_OK;
}


/*
 * The query string without "key", where Gemini's clients put their
 * credential; its length.
 */

static size_t
ngx_http_ai_attempt_args(ngx_str_t *args, u_char *dst)
{
    u_char  *p, *last, *arg, *d;

    d = dst;
    p = args->data;
    last = p + args->len;

    while (p < last) {

        arg = p;

        while (p < last && *p != '&') {
            p++;
        }

        if (p - arg < 4 || ngx_strncasecmp(arg, (u_char *) "key=", 4) != 0) {

            if (d != dst) {
                *d++ = '&';
            }

            d = ngx_cpymem(d, arg, p - arg);
        }

        p++;
    }

    return d - dst;
}


/* bufs for [start, end) of the client's body, without copying it */

static ngx_chain_t **
ngx_http_ai_attempt_slice(ngx_http_request_t *r, ngx_chain_t **ll,
    off_t start, off_t end)
{
    off_t         offset, size, from, to;
    ngx_buf_t    *b, *body;
    ngx_chain_t  *cl, *ln;

    if (r->request_body == NULL) {
        return ll;
    }

    offset = 0;

    for (cl = r->request_body->bufs; cl && offset < end; cl = cl->next) {

        body = cl->buf;
        size = ngx_buf_size(body);

        from = ngx_max(start - offset, 0);
        to = ngx_min(end - offset, size);
        offset += size;

        if (from >= to) {
            continue;
        }

        ln = ngx_alloc_chain_link(r->pool);
        b = ngx_calloc_buf(r->pool);

        if (ln == NULL || b == NULL) {
            return NULL;
        }

        if (ngx_buf_in_memory(body)) {
            b->pos = body->pos + (size_t) from;
            b->last = body->pos + (size_t) to;
            b->start = b->pos;
            b->end = b->last;
            b->memory = 1;

        } else {
            b->in_file = 1;
            b->file = body->file;
            b->file_pos = body->file_pos + from;
            b->file_last = body->file_pos + to;
        }

        ln->buf = b;
        *ll = ln;
        ll = &ln->next;
    }

    return ll;
}


static ngx_chain_t **
ngx_http_ai_attempt_text(ngx_http_request_t *r, ngx_chain_t **ll,
    ngx_str_t *text)
{
    ngx_buf_t    *b;
    ngx_chain_t  *ln;

    if (text->len == 0) {
        return ll;
    }

    ln = ngx_alloc_chain_link(r->pool);
    b = ngx_calloc_buf(r->pool);

    if (ln == NULL || b == NULL) {
        return NULL;
    }

    b->pos = text->data;
    b->last = text->data + text->len;
    b->start = b->pos;
    b->end = b->last;
    b->memory = 1;

    ln->buf = b;
    *ll = ln;

    return &ln->next;
}
