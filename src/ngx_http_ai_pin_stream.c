
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_pin_stream.h"
#include "ngx_http_ai_pin.h"
#include "ngx_http_ai_redis_tail.h"


#define NGX_HTTP_AI_PIN_STREAM_MS  500     /* between two looks at who reads */


/* in the order of ngx_http_ai_pin_stream_fields */

typedef enum {
    NGX_HTTP_AI_PIN_STREAM_V = 0,
    NGX_HTTP_AI_PIN_STREAM_KIND,
    NGX_HTTP_AI_PIN_STREAM_ID,
    NGX_HTTP_AI_PIN_STREAM_ACCOUNT,
    NGX_HTTP_AI_PIN_STREAM_FIELDS
} ngx_http_ai_pin_stream_field_e;


/* of this worker; zone is NULL where nothing is read */

typedef struct {
    ngx_http_ai_zone_t          *zone;
    uint64_t                     source;
    ngx_http_ai_redis_tail_t     tail;
    ngx_event_t                  timer;
    ngx_connection_t             dumb;      /* its data */
    ngx_uint_t                   failures;  /* of the tail's, told */
    unsigned                     reader:1;
    unsigned                     said:1;    /* of an entry that is no pin */
} ngx_http_ai_pin_stream_t;


static uint64_t ngx_http_ai_pin_stream_source(ngx_http_ai_main_conf_t *amcf);
static uint64_t ngx_http_ai_pin_stream_mix(uint64_t hash, const void *data,
    size_t len);
static void ngx_http_ai_pin_stream_tick(ngx_event_t *ev);
static ngx_uint_t ngx_http_ai_pin_stream_elected(ngx_http_ai_zone_t *zone);
static void ngx_http_ai_pin_stream_begin(ngx_http_ai_pin_stream_t *ps);
static void ngx_http_ai_pin_stream_leave(ngx_http_ai_pin_stream_t *ps);
static void ngx_http_ai_pin_stream_entry(void *data, const ngx_str_t *values);
static ngx_int_t ngx_http_ai_pin_stream_hash(const ngx_str_t *hex,
    u_char *hash);
static void ngx_http_ai_pin_stream_read(void *data);
static void ngx_http_ai_pin_stream_malformed(ngx_http_ai_pin_stream_t *ps,
    ngx_uint_t n);
static void ngx_http_ai_pin_stream_changed(void *data);


static const ngx_str_t
    ngx_http_ai_pin_stream_fields[NGX_HTTP_AI_PIN_STREAM_FIELDS] = {

    ngx_string("v"),
    ngx_string("kind"),
    ngx_string("id"),
    ngx_string("account")
};


static ngx_http_ai_pin_stream_t  ngx_http_ai_pin_stream;


ngx_int_t
ngx_http_ai_pin_stream_start(ngx_cycle_t *cycle,
    ngx_http_ai_main_conf_t *amcf)
{
    ngx_http_ai_redis_tail_t  *tail;
    ngx_http_ai_pin_stream_t  *ps;

    ps = &ngx_http_ai_pin_stream;

    /* without a master the process is the same after a reload */

    ngx_http_ai_pin_stream_stop();

    ngx_memzero(ps, sizeof(ngx_http_ai_pin_stream_t));

    if (amcf->sink.pins_max == 0) {
        return NGX_OK;
    }

    ps->zone = amcf->zone;
    ps->source = ngx_http_ai_pin_stream_source(amcf);

    tail = &ps->tail;

    tail->conf = &amcf->sink.redis;
    tail->key = &amcf->sink.pins;
    tail->what = "pins";
    tail->log = cycle->log;
    tail->read = ngx_http_ai_pin_stream_read;
    tail->changed = ngx_http_ai_pin_stream_changed;
    tail->data = ps;

    ngx_http_ai_xread_init(&tail->x, ngx_http_ai_pin_stream_fields,
                           NGX_HTTP_AI_PIN_STREAM_FIELDS,
                           ngx_http_ai_pin_stream_entry, ps);

    if (ngx_http_ai_redis_tail_init(tail, cycle->pool) != NGX_OK) {
        return NGX_ERROR;
    }

    ps->dumb.fd = (ngx_socket_t) -1;
    ps->dumb.data = ps;

    ps->timer.handler = ngx_http_ai_pin_stream_tick;
    ps->timer.data = &ps->dumb;
    ps->timer.log = cycle->log;
    ps->timer.cancelable = 1;

    ngx_http_ai_pin_stream_tick(&ps->timer);

    return NGX_OK;
}


/*
 * Entries of accounts that are not here are passed over; when there are others
 * after a reload, or it is another stream, all of it is read again.
 */

static uint64_t
ngx_http_ai_pin_stream_source(ngx_http_ai_main_conf_t *amcf)
{
    uint64_t                         hash;
    ngx_uint_t                       i;
    ngx_http_ai_account_t          **account;
    const ngx_http_ai_redis_conf_t  *conf;

    conf = &amcf->sink.redis;

    hash = ngx_http_ai_pin_stream_mix(14695981039346656037u,
                                      amcf->sink.pins.data,
                                      amcf->sink.pins.len);
    hash = ngx_http_ai_pin_stream_mix(hash, &conf->database,
                                      sizeof(ngx_uint_t));
    hash = ngx_http_ai_pin_stream_mix(hash, conf->master.data,
                                      conf->master.len);

    for (i = 0; i < conf->nnodes; i++) {
        hash = ngx_http_ai_pin_stream_mix(hash, conf->nodes[i].host.data,
                                          conf->nodes[i].host.len);
        hash = ngx_http_ai_pin_stream_mix(hash, &conf->nodes[i].port,
                                          sizeof(in_port_t));
    }

    account = amcf->accounts.elts;

    for (i = 0; i < amcf->accounts.nelts; i++) {
        hash = ngx_http_ai_pin_stream_mix(hash, &account[i]->hash,
                                          sizeof(uint32_t));
    }

    return hash;
}


/* FNV-1a */

static uint64_t
ngx_http_ai_pin_stream_mix(uint64_t hash, const void *data, size_t len)
{
    size_t         i;
    const u_char  *p = data;

    for (i = 0; i < len; i++) {
        hash = (hash ^ p[i]) * 1099511628211u;
    }

    return hash;
}


static void
ngx_http_ai_pin_stream_tick(ngx_event_t *ev)
{
    ngx_uint_t                 elected;
    ngx_connection_t          *c;
    ngx_http_ai_pin_stream_t  *ps;

    c = ev->data;
    ps = c->data;

    /* whoever exits may have old streams for long, and old accounts */

    if (ngx_exiting) {
        ngx_http_ai_pin_stream_leave(ps);
        return;
    }

    elected = ngx_http_ai_pin_stream_elected(ps->zone);

    if (elected && !ps->reader) {
        ngx_http_ai_pin_stream_begin(ps);
    }

    ngx_add_timer(ev, NGX_HTTP_AI_PIN_STREAM_MS);
}


/* 1: this worker is the one that reads */

static ngx_uint_t
ngx_http_ai_pin_stream_elected(ngx_http_ai_zone_t *zone)
{
    ngx_atomic_t       *reader;
    ngx_atomic_uint_t   pid;

    reader = &zone->sh->pins.reader;
    pid = *reader;

    if (pid == (ngx_atomic_uint_t) ngx_pid) {
        return 1;
    }

    if (pid && !ngx_http_ai_zone_gone((ngx_pid_t) pid)) {
        return 0;
    }

    return ngx_atomic_cmp_set(reader, pid, (ngx_atomic_uint_t) ngx_pid);
}


static void
ngx_http_ai_pin_stream_begin(ngx_http_ai_pin_stream_t *ps)
{
    ngx_http_ai_pins_t  *pins;

    pins = &ps->zone->sh->pins;

    ps->reader = 1;
    pins->reading = 0;

    ngx_http_ai_zone_lock(ps->zone);

    if (pins->source != ps->source) {
        pins->source = ps->source;
        pins->last.ms = 0;
        pins->last.seq = 0;
    }

    ps->tail.x.last = pins->last;

    ngx_http_ai_zone_unlock(ps->zone);

    ngx_http_ai_redis_tail_start(&ps->tail);
}


static void
ngx_http_ai_pin_stream_leave(ngx_http_ai_pin_stream_t *ps)
{
    ngx_http_ai_pins_t  *pins;

    pins = &ps->zone->sh->pins;

    if (!ps->reader) {
        return;
    }

    ps->reader = 0;

    ngx_http_ai_redis_tail_stop(&ps->tail);

    pins->reading = 0;

    (void) ngx_atomic_cmp_set(&pins->reader, (ngx_atomic_uint_t) ngx_pid, 0);
}


void
ngx_http_ai_pin_stream_stop(void)
{
    ngx_http_ai_pin_stream_t  *ps;

    ps = &ngx_http_ai_pin_stream;

    if (ps->zone == NULL) {
        return;
    }

    ngx_http_ai_pin_stream_leave(ps);

    if (ps->timer.timer_set) {
        ngx_del_timer(&ps->timer);
    }

    ps->zone = NULL;
}


static void
ngx_http_ai_pin_stream_entry(void *data, const ngx_str_t *values)
{
    ngx_http_ai_pin_stream_t  *ps = data;

    u_char                  hash[NGX_HTTP_AI_PIN_HASH];
    const ngx_str_t        *kind, *v;
    ngx_http_ai_account_t  *account;

    v = &values[NGX_HTTP_AI_PIN_STREAM_V];
    kind = &values[NGX_HTTP_AI_PIN_STREAM_KIND];

    if (v->len != 1 || v->data[0] != '1'
        || kind->len != 3 || ngx_memcmp(kind->data, "pin", 3) != 0
        || values[NGX_HTTP_AI_PIN_STREAM_ACCOUNT].len == 0
        || ngx_http_ai_pin_stream_hash(&values[NGX_HTTP_AI_PIN_STREAM_ID],
                                       hash)
           != NGX_OK)
    {
        ngx_http_ai_pin_stream_malformed(ps, 1);
        return;
    }

    account = ngx_http_ai_conf_find_account(ps->zone->conf,
                                      &values[NGX_HTTP_AI_PIN_STREAM_ACCOUNT]);

    if (account == NULL) {
        (void) ngx_atomic_fetch_add(&ps->zone->sh->pins.unknown, 1);
        return;
    }

    (void) ngx_http_ai_pin_put(ps->zone, account, hash);
}


static ngx_int_t
ngx_http_ai_pin_stream_hash(const ngx_str_t *hex, u_char *hash)
{
    ngx_int_t   n;
    ngx_uint_t  i;

    if (hex->len != 2 * NGX_HTTP_AI_PIN_HASH) {
        return NGX_DECLINED;
    }

    for (i = 0; i < NGX_HTTP_AI_PIN_HASH; i++) {

        n = ngx_hextoi(hex->data + 2 * i, 2);

        if (n == NGX_ERROR) {
            return NGX_DECLINED;
        }

        hash[i] = (u_char) n;
    }

    return NGX_OK;
}


/* a reply is done with: what was in it need not be read again */

static void
ngx_http_ai_pin_stream_read(void *data)
{
    ngx_http_ai_pin_stream_t  *ps = data;

    ngx_http_ai_xread_t  *x;

    x = &ps->tail.x;

    if (x->malformed) {
        ngx_http_ai_pin_stream_malformed(ps, x->malformed);
    }

    if (x->entries == 0) {
        return;
    }

    (void) ngx_atomic_fetch_add(&ps->zone->sh->pins.entries, x->entries);

    ngx_http_ai_zone_lock(ps->zone);

    ps->zone->sh->pins.last = x->last;

    ngx_http_ai_zone_unlock(ps->zone);
}


static void
ngx_http_ai_pin_stream_malformed(ngx_http_ai_pin_stream_t *ps, ngx_uint_t n)
{
    (void) ngx_atomic_fetch_add(&ps->zone->sh->pins.malformed, n);

    if (ps->said) {
        return;
    }

    ps->said = 1;

    ngx_log_error(NGX_LOG_WARN, ps->tail.log, 0,
                  "ai pins: \"%V\" has entries that are no pins, they are "
                  "passed over", ps->tail.key);
}


static void
ngx_http_ai_pin_stream_changed(void *data)
{
    ngx_http_ai_pin_stream_t  *ps = data;

    ngx_http_ai_pins_t  *pins;

    pins = &ps->zone->sh->pins;
    pins->reading = ps->tail.session.up;

    if (ps->tail.failures != ps->failures) {
        (void) ngx_atomic_fetch_add(&pins->failures,
                                    ps->tail.failures - ps->failures);
        ps->failures = ps->tail.failures;
    }
}


void
ngx_http_ai_pin_stream_facts(ngx_http_ai_zone_t *zone,
    ngx_http_ai_pin_stream_facts_t *facts)
{
    ngx_http_ai_pins_t  *pins;

    pins = &zone->sh->pins;

    facts->reading = pins->reading && pins->reader
                     && !ngx_http_ai_zone_gone((ngx_pid_t) pins->reader);

    ngx_http_ai_zone_lock(zone);

    facts->last = pins->last;

    ngx_http_ai_zone_unlock(zone);
}
