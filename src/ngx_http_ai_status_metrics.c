
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* GET metrics, and how a family is spelled */


#include "ngx_http_ai_status_metrics.h"
#include "ngx_http_ai_status_reply.h"
#include "pure/ngx_http_ai_promtext.h"


static void ngx_http_ai_metrics_line(ngx_http_ai_metrics_t *m,
    const char *suffix, const ngx_str_t *labels, const char *name,
    const ngx_str_t *word, const ngx_str_t *le, uint64_t value,
    ngx_uint_t decimals);
static u_char *ngx_http_ai_metrics_pair(u_char *p, ngx_uint_t comma,
    const char *name, const ngx_str_t *word);


/* a name, a suffix, two labels and a value, none of them a client's */
#define NGX_HTTP_AI_METRICS_LINE  512


ngx_int_t
ngx_http_ai_status_metrics(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call)
{
    ngx_http_ai_writer_t   w;
    ngx_http_ai_metrics_t  m;

    static const ngx_str_t  type =
                      ngx_string("text/plain; version=0.0.4; charset=utf-8");

    if (call->conf->zone == NULL) {
        return ngx_http_ai_status_no_zone(r);
    }

    ngx_http_ai_writer_init(&w, r->pool);
    m.w = &w;

    ngx_http_ai_metrics_state(&m, call->conf);
    ngx_http_ai_metrics_totals(&m, call->conf);

    return ngx_http_ai_status_send(r, NGX_HTTP_OK, &w, &type);
}


void
ngx_http_ai_metrics_begin(ngx_http_ai_metrics_t *m, const char *name,
    const char *type, const char *help)
{
    m->name = name;

    ngx_http_ai_writer_print(m->w, "# HELP %s %s\n# TYPE %s %s\n", name, help,
                             name, type);
}


ngx_int_t
ngx_http_ai_metrics_labels(ngx_http_ai_metrics_t *m,
    const ngx_http_ai_metrics_label_t *labels, ngx_str_t *text)
{
    u_char      *p;
    size_t       len;
    ngx_uint_t   i;

    len = 0;

    for (i = 0; labels[i].name; i++) {
        len += ngx_strlen(labels[i].name) + sizeof(",=\"\"") - 1
               + 3 * labels[i].value->len;
    }

    p = ngx_pnalloc(m->w->pool, len + 1);

    if (p == NULL) {
        m->w->failed = 1;
        return NGX_ERROR;
    }

    text->data = p;

    for (i = 0; labels[i].name; i++) {
        p = ngx_sprintf(p, "%s%s=\"", i ? "," : "", labels[i].name);
        p = ngx_http_ai_promtext_label(p, labels[i].value->data,
                                       labels[i].value->len);
        *p++ = '"';
    }

    text->len = p - text->data;

    return NGX_OK;
}


void
ngx_http_ai_metrics_sample(ngx_http_ai_metrics_t *m, const ngx_str_t *labels,
    const char *name, const ngx_str_t *word, uint64_t value,
    ngx_uint_t decimals)
{
    ngx_http_ai_metrics_line(m, "", labels, name, word, NULL, value,
                             decimals);
}


void
ngx_http_ai_metrics_one(ngx_http_ai_metrics_t *m, const char *name,
    const char *type, const char *help, uint64_t value, ngx_uint_t decimals)
{
    ngx_http_ai_metrics_begin(m, name, type, help);
    ngx_http_ai_metrics_sample(m, NULL, NULL, NULL, value, decimals);
}


void
ngx_http_ai_metrics_hist(ngx_http_ai_metrics_t *m, const ngx_str_t *labels,
    const char *name, const ngx_str_t *word,
    const ngx_http_ai_metrics_hist_t *h)
{
    u_char      bound[NGX_HTTP_AI_PROMTEXT_VALUE];
    uint64_t    count;
    ngx_str_t   le;
    ngx_uint_t  i;

    count = 0;

    for (i = 0; i < h->n; i++) {
        count += h->counts[i];

        le.data = bound;
        le.len = ngx_http_ai_promtext_value(bound, h->bounds[i], h->decimals)
                 - bound;

        ngx_http_ai_metrics_line(m, "_bucket", labels, name, word, &le, count,
                                 0);
    }

    count += h->counts[i];
    ngx_str_set(&le, "+Inf");

    ngx_http_ai_metrics_line(m, "_bucket", labels, name, word, &le, count, 0);
    ngx_http_ai_metrics_line(m, "_sum", labels, name, word, NULL, h->sum,
                             h->decimals);
    ngx_http_ai_metrics_line(m, "_count", labels, name, word, NULL, count, 0);
}


/* there may be many thousands of these: copies, and no formats */

static void
ngx_http_ai_metrics_line(ngx_http_ai_metrics_t *m, const char *suffix,
    const ngx_str_t *labels, const char *name, const ngx_str_t *word,
    const ngx_str_t *le, uint64_t value, ngx_uint_t decimals)
{
    u_char                *p, buf[NGX_HTTP_AI_METRICS_LINE];
    ngx_uint_t             some;
    ngx_http_ai_writer_t  *w;

    w = m->w;
    some = (labels && labels->len);

    p = ngx_cpymem(buf, m->name, ngx_strlen(m->name));
    p = ngx_cpymem(p, suffix, ngx_strlen(suffix));

    if (some || name || le) {
        *p++ = '{';

        if (some) {
            ngx_http_ai_writer_raw(w, buf, p - buf);
            ngx_http_ai_writer_raw(w, labels->data, labels->len);
            p = buf;
        }

        p = ngx_http_ai_metrics_pair(p, some, name, word);
        p = ngx_http_ai_metrics_pair(p, some || name, "le", le);

        *p++ = '}';
    }

    *p++ = ' ';
    p = ngx_http_ai_promtext_value(p, value, decimals);
    *p++ = '\n';

    ngx_http_ai_writer_raw(w, buf, p - buf);
}


static u_char *
ngx_http_ai_metrics_pair(u_char *p, ngx_uint_t comma, const char *name,
    const ngx_str_t *word)
{
    if (name == NULL || word == NULL) {
        return p;
    }

    if (comma) {
        *p++ = ',';
    }

    p = ngx_cpymem(p, name, ngx_strlen(name));
    *p++ = '=';
    *p++ = '"';
    p = ngx_cpymem(p, word->data, word->len);
    *p++ = '"';

    return p;
}
