
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_fault.h"
#include "ngx_http_ai_zone.h"


#define NGX_HTTP_AI_FAULT_TICK   500        /* ms */
#define NGX_HTTP_AI_FAULT_WATCH  3600000    /* ms after its end */


typedef struct {
    ngx_event_t                  timer;
    ngx_http_ai_main_conf_t     *conf;
} ngx_http_ai_fault_timer_t;


static ngx_http_ai_fault_t *ngx_http_ai_fault_slot_locked(
    ngx_http_ai_zone_t *zone);
static void ngx_http_ai_fault_end_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_fault_t *f, ngx_http_ai_fault_end_e by);
static void ngx_http_ai_fault_detect_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_fault_t *f);
static void ngx_http_ai_fault_tick(ngx_event_t *ev);
static ngx_http_ai_account_t *ngx_http_ai_fault_account(
    ngx_http_ai_main_conf_t *amcf, uint32_t hash);
static void ngx_http_ai_fault_event(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_account_t *account, ngx_http_ai_events_e what,
    uint64_t id);


ngx_uint_t
ngx_http_ai_fault_expired(const ngx_http_ai_fault_t *f)
{
    return (ngx_msec_int_t) (f->until - ngx_current_msec) <= 0;
}


ngx_http_ai_fault_t *
ngx_http_ai_fault_find_locked(ngx_http_ai_zone_t *zone, uint64_t id)
{
    ngx_uint_t            i;
    ngx_http_ai_fault_t  *f;

    f = zone->sh->faults.slots;

    for (i = 0; i < NGX_HTTP_AI_FAULT_SLOTS; i++) {
        if (f[i].id == id) {
            return id ? &f[i] : NULL;
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_ai_fault_add(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_account_t *account, const ngx_http_ai_faultspec_t *spec,
    uint64_t *id)
{
    ngx_int_t              rc;
    ngx_http_ai_fault_t   *f;
    ngx_http_ai_faults_t  *faults;

    rc = NGX_BUSY;
    faults = &zone->sh->faults;

    ngx_http_ai_zone_lock(zone);

    f = ngx_http_ai_fault_slot_locked(zone);

    if (f) {

        if (f->id) {
            ngx_http_ai_fault_unwatch_locked(zone, f);
        }

        ngx_memzero(f, sizeof(ngx_http_ai_fault_t));

        f->started_ms = ngx_http_ai_zone_time(ngx_max(ngx_current_msec, 1));
        f->ends_ms = f->started_ms + spec->ttl_ms;
        f->until = ngx_current_msec + (ngx_msec_t) spec->ttl_ms;
        f->account = account->hash;
        f->spec = *spec;

        /* as the time says, but no two of them the same */

        faults->last = ngx_max(faults->last + 1, (uint64_t) f->started_ms);
        *id = faults->last;

        /* a worker that is killed in between leaves too high a count */

        (void) ngx_atomic_fetch_add(&faults->active, 1);
        f->id = *id;

        rc = NGX_OK;
    }

    ngx_http_ai_zone_unlock(zone);

    if (rc == NGX_OK) {
        ngx_http_ai_fault_event(zone, account,
                                NGX_HTTP_AI_EVENTS_FAULT_STARTED, *id);
    }

    return rc;
}


/* a free one, or that of the fault that ended first; NULL: too many run */

static ngx_http_ai_fault_t *
ngx_http_ai_fault_slot_locked(ngx_http_ai_zone_t *zone)
{
    ngx_uint_t            i, running;
    ngx_http_ai_fault_t  *f, *oldest;

    running = 0;
    oldest = NULL;

    for (i = 0; i < NGX_HTTP_AI_FAULT_SLOTS; i++) {
        f = &zone->sh->faults.slots[i];

        if (f->id && !f->ended) {
            running += !ngx_http_ai_fault_expired(f);
            continue;
        }

        if (f->id && !f->told) {
            continue;
        }

        if (oldest == NULL || f->ended_ms < oldest->ended_ms) {
            oldest = f;
        }
    }

    return running < NGX_HTTP_AI_FAULT_ACTIVE ? oldest : NULL;
}


ngx_int_t
ngx_http_ai_fault_end(ngx_http_ai_zone_t *zone, uint64_t id, ngx_log_t *log)
{
    ngx_int_t                 rc;
    ngx_uint_t                n;
    ngx_http_ai_fault_t      *f;
    ngx_http_ai_fault_news_t  news[NGX_HTTP_AI_FAULT_SLOTS];

    rc = NGX_DECLINED;

    ngx_http_ai_zone_lock(zone);

    f = ngx_http_ai_fault_find_locked(zone, id);

    if (f) {
        rc = NGX_OK;

        if (!f->ended && !ngx_http_ai_fault_expired(f)) {
            ngx_http_ai_fault_end_locked(zone, f,
                                         NGX_HTTP_AI_FAULT_BY_OPERATOR);
        }
    }

    n = ngx_http_ai_fault_news_locked(zone, news);

    ngx_http_ai_zone_unlock(zone);

    ngx_http_ai_fault_tell(zone, log, news, n);

    return rc;
}


static void
ngx_http_ai_fault_end_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_fault_t *f, ngx_http_ai_fault_end_e by)
{
    (void) ngx_atomic_fetch_add(&zone->sh->faults.watched, 1);

    f->ended = by;
    f->ended_ms = f->ends_ms;
    f->watched = 1;

    if (by != NGX_HTTP_AI_FAULT_BY_TTL) {
        f->until = ngx_current_msec;
        f->ended_ms = ngx_http_ai_zone_time(ngx_max(ngx_current_msec, 1));
    }

    (void) ngx_atomic_fetch_add(&zone->sh->faults.active, -1);
}


void
ngx_http_ai_fault_unwatch_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_fault_t *f)
{
    if (f->watched) {
        f->watched = 0;
        (void) ngx_atomic_fetch_add(&zone->sh->faults.watched, -1);
    }
}


/* what the gateway did about it first, as the events tell */

static void
ngx_http_ai_fault_detect_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_fault_t *f)
{
    uint64_t                         n;
    ngx_uint_t                       i;
    const ngx_http_ai_events_one_t  *e;

    static const ngx_uint_t  telling =
        1 << NGX_HTTP_AI_EVENTS_OPENED | 1 << NGX_HTTP_AI_EVENTS_REOPENED
        | 1 << NGX_HTTP_AI_EVENTS_COOLING | 1 << NGX_HTTP_AI_EVENTS_CLOSED;

    if (f->first_hit_ms == 0 || f->detected_ms) {
        return;
    }

    n = ngx_min(zone->sh->events.n, NGX_HTTP_AI_EVENTS);

    for (i = 0; i < n; i++) {
        e = &zone->sh->events.ring[i];

        if (e->account == f->account && (telling >> e->what & 1)
            && e->at_ms >= f->first_hit_ms
            && (f->detected_ms == 0 || e->at_ms < f->detected_ms))
        {
            f->detected_ms = e->at_ms;
        }
    }
}


ngx_uint_t
ngx_http_ai_fault_list(ngx_http_ai_zone_t *zone,
    uint64_t ids[NGX_HTTP_AI_FAULT_SLOTS])
{
    uint64_t              id;
    ngx_uint_t            i, j, n;
    ngx_http_ai_fault_t  *f;

    n = 0;
    f = zone->sh->faults.slots;

    ngx_http_ai_zone_lock(zone);

    for (i = 0; i < NGX_HTTP_AI_FAULT_SLOTS; i++) {

        id = f[i].id;

        if (id == 0) {
            continue;
        }

        for (j = n++; j && ids[j - 1] < id; j--) {
            ids[j] = ids[j - 1];
        }

        ids[j] = id;
    }

    ngx_http_ai_zone_unlock(zone);

    return n;
}


ngx_int_t
ngx_http_ai_fault_get(ngx_http_ai_zone_t *zone, uint64_t id,
    ngx_http_ai_fault_t *fault)
{
    ngx_int_t             rc;
    ngx_http_ai_fault_t  *f;

    rc = NGX_DECLINED;

    ngx_http_ai_zone_lock(zone);

    f = ngx_http_ai_fault_find_locked(zone, id);

    if (f) {
        ngx_http_ai_fault_detect_locked(zone, f);
        *fault = *f;
        rc = NGX_OK;
    }

    ngx_http_ai_zone_unlock(zone);

    if (rc == NGX_OK && !fault->ended && ngx_http_ai_fault_expired(fault)) {
        /* the timer has not seen it yet */
        fault->ended = NGX_HTTP_AI_FAULT_BY_TTL;
        fault->ended_ms = fault->ends_ms;
    }

    return rc;
}


u_char *
ngx_http_ai_fault_print(u_char *buf, uint64_t id)
{
    return ngx_sprintf(buf, "%xL", (int64_t) id);
}


uint64_t
ngx_http_ai_fault_id(const ngx_str_t *text)
{
    u_char    buf[NGX_HTTP_AI_FAULT_ID];
    size_t    i;
    uint64_t  id;

    id = 0;

    if (text->len >= NGX_HTTP_AI_FAULT_ID) {
        return 0;
    }

    for (i = 0; i < text->len; i++) {

        id <<= 4;

        if (text->data[i] >= '0' && text->data[i] <= '9') {
            id |= text->data[i] - '0';

        } else if (text->data[i] >= 'a' && text->data[i] <= 'f') {
            id |= text->data[i] - 'a' + 10;

        } else {
            return 0;
        }
    }

    /* one spelling for each */

    return ngx_http_ai_fault_print(buf, id) == buf + text->len ? id : 0;
}


void
ngx_http_ai_fault_moved_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_zone_t *other)
{
    zone->sh->faults = other->sh->faults;
    zone->sh->events = other->sh->events;
}


void
ngx_http_ai_fault_prepare(ngx_http_ai_zone_t *zone, ngx_log_t *log)
{
    ngx_uint_t                i, n;
    ngx_http_ai_fault_t      *f;
    ngx_http_ai_fault_news_t  news[NGX_HTTP_AI_FAULT_SLOTS];

    if (zone->sh->faults.active == 0) {
        return;
    }

    ngx_http_ai_zone_lock(zone);

    for (i = 0; i < NGX_HTTP_AI_FAULT_SLOTS; i++) {
        f = &zone->sh->faults.slots[i];

        if (f->id && !f->ended
            && ngx_http_ai_fault_account(zone->conf, f->account) == NULL)
        {
            ngx_http_ai_fault_end_locked(zone, f, NGX_HTTP_AI_FAULT_BY_RELOAD);
        }
    }

    n = ngx_http_ai_fault_news_locked(zone, news);

    ngx_http_ai_zone_unlock(zone);

    ngx_http_ai_fault_tell(zone, log, news, n);
}


ngx_int_t
ngx_http_ai_fault_start(ngx_cycle_t *cycle, ngx_http_ai_main_conf_t *amcf)
{
    ngx_http_ai_fault_timer_t  *t;

    t = ngx_pcalloc(cycle->pool, sizeof(ngx_http_ai_fault_timer_t));
    if (t == NULL) {
        return NGX_ERROR;
    }

    t->conf = amcf;

    t->timer.handler = ngx_http_ai_fault_tick;
    t->timer.data = t;
    t->timer.log = cycle->log;
    t->timer.cancelable = 1;

    ngx_add_timer(&t->timer, NGX_HTTP_AI_FAULT_TICK);

    return NGX_OK;
}


static void
ngx_http_ai_fault_tick(ngx_event_t *ev)
{
    ngx_uint_t                  i, n;
    ngx_http_ai_zone_t         *zone;
    ngx_http_ai_fault_t        *f;
    ngx_http_ai_fault_news_t    news[NGX_HTTP_AI_FAULT_SLOTS];
    ngx_http_ai_fault_timer_t  *t;

    t = ev->data;
    zone = t->conf->zone;

    if (ngx_exiting) {
        /* the zone may have moved, and its faults with it */
        return;
    }

    ngx_add_timer(ev, NGX_HTTP_AI_FAULT_TICK);

    if (zone->sh->faults.active == 0 && zone->sh->faults.watched == 0) {
        return;
    }

    ngx_http_ai_zone_lock(zone);

    for (i = 0; i < NGX_HTTP_AI_FAULT_SLOTS; i++) {
        f = &zone->sh->faults.slots[i];

        if (f->id == 0 || (f->ended && !f->watched)) {
            continue;
        }

        ngx_http_ai_fault_detect_locked(zone, f);

        if (ngx_http_ai_zone_time(ngx_max(ngx_current_msec, 1)) - f->ends_ms
            > NGX_HTTP_AI_FAULT_WATCH)
        {
            ngx_http_ai_fault_unwatch_locked(zone, f);
        }
    }

    n = ngx_http_ai_fault_news_locked(zone, news);

    ngx_http_ai_zone_unlock(zone);

    ngx_http_ai_fault_tell(zone, ev->log, news, n);
}


/*
 * Ends what has no time left; each end is told by one worker.  Counts that a
 * killed worker left too high are set right.
 */

ngx_uint_t
ngx_http_ai_fault_news_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_fault_news_t *news)
{
    ngx_uint_t            i, n, active, watched;
    ngx_http_ai_fault_t  *f;

    n = 0;
    active = 0;
    watched = 0;

    for (i = 0; i < NGX_HTTP_AI_FAULT_SLOTS; i++) {
        f = &zone->sh->faults.slots[i];

        if (f->id && !f->ended && ngx_http_ai_fault_expired(f)) {
            ngx_http_ai_fault_end_locked(zone, f, NGX_HTTP_AI_FAULT_BY_TTL);
        }

        active += (f->id && !f->ended);
        watched += (f->id && f->watched);

        if (f->id == 0 || !f->ended || f->told) {
            continue;
        }

        f->told = 1;

        news[n].id = f->id;
        news[n].account = f->account;
        news[n].ended = f->ended;
        n++;
    }

    zone->sh->faults.active = active;
    zone->sh->faults.watched = watched;

    return n;
}


void
ngx_http_ai_fault_tell(ngx_http_ai_zone_t *zone, ngx_log_t *log,
    const ngx_http_ai_fault_news_t *news, ngx_uint_t n)
{
    u_char                  *last, id[NGX_HTTP_AI_FAULT_ID];
    ngx_uint_t               i;
    ngx_http_ai_account_t   *account;

    static ngx_str_t  why[] = {
        ngx_null_string,
        ngx_string("its time is over"),
        ngx_string("the operator's word"),
        ngx_string("its account is not configured any more")
    };

    for (i = 0; i < n; i++) {
        account = ngx_http_ai_fault_account(zone->conf, news[i].account);
        last = ngx_http_ai_fault_print(id, news[i].id);

        ngx_log_error(NGX_LOG_NOTICE, log, 0, "ai fault %*s has ended: %V",
                      (size_t) (last - id), id, &why[news[i].ended]);

        ngx_http_ai_fault_event(zone, account,
                                NGX_HTTP_AI_EVENTS_FAULT_ENDED, news[i].id);
    }
}


static ngx_http_ai_account_t *
ngx_http_ai_fault_account(ngx_http_ai_main_conf_t *amcf, uint32_t hash)
{
    ngx_uint_t               i;
    ngx_http_ai_account_t  **account;

    account = amcf->accounts.elts;

    for (i = 0; i < amcf->accounts.nelts; i++) {
        if (account[i]->hash == hash) {
            return account[i];
        }
    }

    return NULL;
}


static void
ngx_http_ai_fault_event(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_account_t *account, ngx_http_ai_events_e what,
    uint64_t id)
{
    u_char                      buf[NGX_HTTP_AI_FAULT_ID];
    ngx_str_t                   detail;
    ngx_http_ai_events_about_t  about;

    detail.data = buf;
    detail.len = ngx_http_ai_fault_print(buf, id) - buf;

    ngx_memzero(&about, sizeof(ngx_http_ai_events_about_t));

    about.what = what;
    about.account = account;
    about.detail = &detail;

    ngx_http_ai_events_add(zone, &about);
}
