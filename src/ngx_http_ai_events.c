
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_zone.h"


static uint8_t ngx_http_ai_events_word(u_char *dst, const ngx_str_t *word);


/* by ngx_http_ai_events_e */

static const ngx_str_t  ngx_http_ai_events_names[] = {
    ngx_string("opened"),
    ngx_string("reopened"),
    ngx_string("recovered"),
    ngx_string("cooling"),
    ngx_string("closed"),
    ngx_string("drain"),
    ngx_string("disable"),
    ngx_string("enable"),
    ngx_string("reset"),
    ngx_string("open"),
    ngx_string("close"),
    ngx_string("fault_started"),
    ngx_string("fault_ended"),
    ngx_string("loaded")
};


void
ngx_http_ai_events_add(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_events_about_t *about)
{
    ngx_http_ai_zone_lock(zone);
    ngx_http_ai_events_add_locked(zone, about);
    ngx_http_ai_zone_unlock(zone);
}


void
ngx_http_ai_events_add_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_events_about_t *about)
{
    ngx_http_ai_events_one_t   *e;
    ngx_http_ai_events_t  *events;

    events = &zone->sh->events;
    e = &events->ring[events->n++ % NGX_HTTP_AI_EVENTS];

    ngx_memzero(e, sizeof(ngx_http_ai_events_one_t));

    e->at_ms = ngx_http_ai_zone_time(ngx_max(ngx_current_msec, 1));
    e->what = about->what;
    e->family = about->family;
    e->stream = about->stream;

    if (about->account) {
        e->account = about->account->hash;
        e->account_len = ngx_http_ai_events_word(e->account_name,
                                                 &about->account->name);
    }

    e->model_len = ngx_http_ai_events_word(e->model, about->model);
    e->detail_len = ngx_http_ai_events_word(e->detail, about->detail);
}


static uint8_t
ngx_http_ai_events_word(u_char *dst, const ngx_str_t *word)
{
    size_t  len;

    if (word == NULL) {
        return 0;
    }

    len = ngx_min(word->len, NGX_HTTP_AI_EVENTS_WORD);

    /* not in the middle of a character */

    while (len < word->len && len && (word->data[len] & 0xc0) == 0x80) {
        len--;
    }

    ngx_memcpy(dst, word->data, len);

    return (uint8_t) len;
}


ngx_uint_t
ngx_http_ai_events_told_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_events_about_t *about, int64_t ms)
{
    size_t                     len;
    u_char                     detail[NGX_HTTP_AI_EVENTS_WORD];
    int64_t                    from;
    ngx_uint_t                 i, n;
    ngx_http_ai_events_one_t  *e;

    n = ngx_min(zone->sh->events.n, NGX_HTTP_AI_EVENTS);
    len = ngx_http_ai_events_word(detail, about->detail);
    from = ngx_http_ai_zone_time(ngx_max(ngx_current_msec, 1)) - ms;

    for (i = 0; i < n; i++) {
        e = &zone->sh->events.ring[i];

        if (e->what == about->what && e->account == about->account->hash
            && e->at_ms >= from && e->detail_len == len
            && ngx_memcmp(e->detail, detail, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_ai_events_back(ngx_http_ai_zone_t *zone, uint64_t *n,
    ngx_http_ai_events_one_t *event)
{
    ngx_int_t              rc;
    ngx_http_ai_events_t  *events;

    rc = NGX_DECLINED;
    events = &zone->sh->events;

    ngx_http_ai_zone_lock(zone);

    if (*n > events->n) {
        *n = events->n;
    }

    if (*n && events->n - *n < NGX_HTTP_AI_EVENTS) {
        (*n)--;
        *event = events->ring[*n % NGX_HTTP_AI_EVENTS];
        rc = NGX_OK;
    }

    ngx_http_ai_zone_unlock(zone);

    return rc;
}


const ngx_str_t *
ngx_http_ai_events_name(ngx_uint_t what)
{
    return &ngx_http_ai_events_names[what];
}
