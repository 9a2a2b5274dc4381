
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Prometheus' text format 0.0.4, family by family: first begin(), then its
 * samples.  Nothing here takes the zone's lock; all of it allocates.
 */


#ifndef _NGX_HTTP_AI_STATUS_METRICS_H_INCLUDED_
#define _NGX_HTTP_AI_STATUS_METRICS_H_INCLUDED_


#include "ngx_http_ai_zone.h"


#define NGX_HTTP_AI_METRICS_LABELS  4


typedef struct {
    const char       *name;
    const ngx_str_t  *value;
} ngx_http_ai_metrics_label_t;


/* a family that is being written */

typedef struct {
    ngx_http_ai_writer_t      *w;
    const char                *name;
} ngx_http_ai_metrics_t;


/* type: counter, gauge, histogram; help is one line without backslashes */
void ngx_http_ai_metrics_begin(ngx_http_ai_metrics_t *m, const char *name,
    const char *type, const char *help);

/*
 * a="x",b="y" in the pool, empty for no labels; the names end with NULL.
 * NGX_ERROR: no memory, and the writer has failed.
 */
ngx_int_t ngx_http_ai_metrics_labels(ngx_http_ai_metrics_t *m,
    const ngx_http_ai_metrics_label_t *labels, ngx_str_t *text);

/*
 * A sample with these labels, and one more if its name is not NULL, whose
 * value needs no escapes.  The value's last digits are behind the point.
 */
void ngx_http_ai_metrics_sample(ngx_http_ai_metrics_t *m,
    const ngx_str_t *labels, const char *name, const ngx_str_t *word,
    uint64_t value, ngx_uint_t decimals);

/* a family of one sample without labels */
void ngx_http_ai_metrics_one(ngx_http_ai_metrics_t *m, const char *name,
    const char *type, const char *help, uint64_t value, ngx_uint_t decimals);

/* the bounds, one less than the counts, and the sum have the same decimals */

typedef struct {
    const uint64_t   *bounds;
    const uint32_t   *counts;
    ngx_uint_t        n;               /* bounds */
    uint64_t          sum;
    ngx_uint_t        decimals;
} ngx_http_ai_metrics_hist_t;

void ngx_http_ai_metrics_hist(ngx_http_ai_metrics_t *m,
    const ngx_str_t *labels, const char *name, const ngx_str_t *word,
    const ngx_http_ai_metrics_hist_t *h);


/* ngx_http_ai_status_metrics_totals.c: what has ended */
void ngx_http_ai_metrics_totals(ngx_http_ai_metrics_t *m,
    ngx_http_ai_main_conf_t *conf);

/* ngx_http_ai_status_metrics_state.c: how it stands */
void ngx_http_ai_metrics_state(ngx_http_ai_metrics_t *m,
    ngx_http_ai_main_conf_t *conf);


#endif /* _NGX_HTTP_AI_STATUS_METRICS_H_INCLUDED_ */
