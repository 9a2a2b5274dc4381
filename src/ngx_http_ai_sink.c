
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_ai_sink.h"


#define NGX_HTTP_AI_SINK_BUFFER       (128 * 1024)  /* FILE, per worker */
#define NGX_HTTP_AI_SINK_RETRY_MS     1000
#define NGX_HTTP_AI_SINK_REPORT_MS    60000
#define NGX_HTTP_AI_SINK_STOP_MS      1000

#define NGX_HTTP_AI_SINK_BUSY         256   /* new records that are waiting:
                                               no time for old ones */


typedef struct ngx_http_ai_sink_s  ngx_http_ai_sink_t;


/* a lane of ngx_http_ai_redis.h, and its spool */

typedef struct {
    ngx_http_ai_sink_t          *sink;
    ngx_uint_t                   index;
    ngx_http_ai_spool_t         *spool;     /* or NULL */
    ngx_uint_t                   mapped;    /* unsigned  mapped:1; the queue
                                               is in a file of it */
} ngx_http_ai_sink_lane_t;


/* of this worker; conf is NULL where nothing is recorded */

struct ngx_http_ai_sink_s {
    ngx_http_ai_sink_conf_t     *conf;
    ngx_log_t                   *log;

    ngx_http_ai_redis_t         *redis;
    ngx_http_ai_sink_lane_t     *lanes;
    ngx_uint_t                   nlanes;
    off_t                        spooled;   /* bytes, of all lanes */
    ngx_http_ai_sink_counts_t   *counts;
    int64_t                      made_ms;   /* of the counts */
    ngx_http_ai_redis_facts_t    told;      /* what of them is in the counts */
    ngx_http_ai_sink_worker_t   *worker;    /* in the counts, or own */
    ngx_http_ai_sink_worker_t    own;

    u_char                      *start;     /* FILE: a newline, then lines */
    u_char                      *last;
    u_char                      *end;
    ngx_event_t                  flush;     /* posted */
    ngx_event_t                  retry;
    ngx_msec_t                   logged;    /* the last write error */

    ngx_uint_t                   dropped;   /* since the last report */
    ngx_event_t                  report;
    ngx_connection_t             dumb;      /* the data of the events */

    unsigned                     torn:1;    /* the file ends inside a line */
};


static ngx_int_t ngx_http_ai_sink_start_redis(ngx_http_ai_sink_t *sink,
    ngx_cycle_t *cycle);
static ngx_int_t ngx_http_ai_sink_start_lane(ngx_http_ai_sink_lane_t *lane,
    ngx_cycle_t *cycle);
static ngx_int_t ngx_http_ai_sink_start_spool(ngx_http_ai_sink_lane_t *lane,
    ngx_cycle_t *cycle);
static ngx_uint_t ngx_http_ai_sink_ready(void *data);
static void ngx_http_ai_sink_moved(void *data);
static ngx_int_t ngx_http_ai_sink_again(void *data, const ngx_str_t *cmd);
static void ngx_http_ai_sink_changed(void *data);
static void ngx_http_ai_sink_trim(ngx_http_ai_sink_conf_t *sc,
    const ngx_str_t *key, ngx_http_ai_record_trim_t *trim);
static u_char *ngx_http_ai_sink_room(ngx_http_ai_sink_lane_t *lane,
    size_t min, size_t *size);
static ngx_uint_t ngx_http_ai_sink_stop_redis(ngx_http_ai_sink_t *sink);
static ngx_uint_t ngx_http_ai_sink_stop_file(ngx_http_ai_sink_t *sink);
static ngx_int_t ngx_http_ai_sink_start_file(ngx_http_ai_sink_t *sink,
    ngx_cycle_t *cycle);
static void ngx_http_ai_sink_push_form(const ngx_http_ai_record_form_t *form,
    const void *rec, const ngx_str_t *event_id);
static ngx_int_t ngx_http_ai_sink_push_redis(ngx_http_ai_sink_t *sink,
    const ngx_http_ai_record_form_t *form, const void *rec,
    const ngx_str_t *event_id);
static ngx_int_t ngx_http_ai_sink_push_file(ngx_http_ai_sink_t *sink,
    const ngx_http_ai_record_form_t *form, const void *rec);
static ngx_str_t *ngx_http_ai_sink_key(ngx_http_ai_sink_lane_t *lane,
    const ngx_str_t *pairs, ngx_uint_t nargs);
static void ngx_http_ai_sink_write(ngx_http_ai_sink_t *sink);
static void ngx_http_ai_sink_written(ngx_http_ai_sink_t *sink, u_char *p,
    size_t n);
static void ngx_http_ai_sink_delivered(ngx_http_ai_sink_t *sink);
static void ngx_http_ai_sink_drop(ngx_http_ai_sink_t *sink);
static void ngx_http_ai_sink_event(ngx_event_t *ev, ngx_http_ai_sink_t *sink,
    ngx_event_handler_pt handler);
static void ngx_http_ai_sink_write_handler(ngx_event_t *ev);
static void ngx_http_ai_sink_report_handler(ngx_event_t *ev);


static ngx_http_ai_sink_t  ngx_http_ai_sink;


ngx_int_t
ngx_http_ai_sink_start(ngx_cycle_t *cycle, ngx_http_ai_sink_conf_t *sc,
    ngx_http_ai_sink_counts_t *counts, int64_t made_ms)
{
    ngx_int_t            rc;
    ngx_http_ai_sink_t  *sink;

    if (sc == NULL || sc->type == NGX_HTTP_AI_SINK_OFF) {
        return NGX_OK;
    }

    sink = &ngx_http_ai_sink;

    ngx_memzero(sink, sizeof(ngx_http_ai_sink_t));

    sink->conf = sc;
    sink->counts = counts;
    sink->made_ms = made_ms;
    sink->worker = ngx_http_ai_sink_counts_join(counts);
    sink->log = cycle->log;
    sink->dumb.fd = (ngx_socket_t) -1;
    sink->dumb.data = sink;

    if (sink->worker == NULL) {
        sink->worker = &sink->own;
    }

    ngx_http_ai_sink_event(&sink->report, sink,
                           ngx_http_ai_sink_report_handler);

    rc = (sc->type == NGX_HTTP_AI_SINK_FILE)
             ? ngx_http_ai_sink_start_file(sink, cycle)
             : ngx_http_ai_sink_start_redis(sink, cycle);

    if (rc != NGX_OK) {
        ngx_http_ai_sink_counts_leave(sink->worker);
        sink->conf = NULL;
    }

    return rc;
}


void
ngx_http_ai_sink_push(const ngx_http_ai_record_t *rec)
{
    ngx_http_ai_sink_push_form(&ngx_http_ai_record_usage, rec,
                               &rec->event_id);
}


void
ngx_http_ai_sink_push_audit(const ngx_http_ai_record_audit_t *rec)
{
    ngx_http_ai_sink_push_form(&ngx_http_ai_record_audit, rec,
                               &rec->event_id);
}


void
ngx_http_ai_sink_push_pin(const ngx_http_ai_record_pin_t *rec)
{
    if (ngx_http_ai_sink.conf && ngx_http_ai_sink.conf->pins_max) {
        ngx_http_ai_sink_push_form(&ngx_http_ai_record_pin, rec, &rec->id);
    }
}


static void
ngx_http_ai_sink_push_form(const ngx_http_ai_record_form_t *form,
    const void *rec, const ngx_str_t *event_id)
{
    ngx_int_t            rc;
    ngx_http_ai_sink_t  *sink;

    sink = &ngx_http_ai_sink;

    if (sink->conf == NULL) {
        return;
    }

    (void) ngx_atomic_fetch_add(&sink->counts->accepted, 1);

    rc = (sink->conf->type == NGX_HTTP_AI_SINK_FILE)
             ? ngx_http_ai_sink_push_file(sink, form, rec)
             : ngx_http_ai_sink_push_redis(sink, form, rec, event_id);

    if (rc != NGX_OK) {
        ngx_http_ai_sink_drop(sink);
    }
}


void
ngx_http_ai_sink_stop(ngx_cycle_t *cycle)
{
    ngx_uint_t           lost;
    ngx_http_ai_sink_t  *sink;

    sink = &ngx_http_ai_sink;

    if (sink->conf == NULL) {
        return;
    }

    lost = sink->redis ? ngx_http_ai_sink_stop_redis(sink)
                       : ngx_http_ai_sink_stop_file(sink);

    if (sink->report.timer_set) {
        ngx_del_timer(&sink->report);
    }

    ngx_http_ai_sink_counts_leave(sink->worker);

    if (lost || sink->dropped) {
        (void) ngx_atomic_fetch_add(&sink->counts->spool.dropped, lost);

        ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                      "ai usage: %ui records lost as the worker exits, "
                      "%ui dropped before", lost, sink->dropped);
    }

    sink->conf = NULL;
}


/* spool first, send second */

static ngx_uint_t
ngx_http_ai_sink_stop_redis(ngx_http_ai_sink_t *sink)
{
    ngx_uint_t                i, lost;
    ngx_http_ai_sink_lane_t  *lane;

    for (i = 0; i < sink->nlanes; i++) {
        lane = &sink->lanes[i];

        if (lane->spool) {
            ngx_http_ai_spool_stop(lane->spool);
        }
    }

    ngx_http_ai_redis_stop(sink->redis, NGX_HTTP_AI_SINK_STOP_MS);

    lost = 0;

    for (i = 0; i < sink->nlanes; i++) {
        lane = &sink->lanes[i];

        lost += lane->spool ? ngx_http_ai_spool_end(lane->spool)
                            : ngx_http_ai_redis_queue(sink->redis, i)->n;
    }

    ngx_http_ai_redis_free(sink->redis);

    return lost;
}


static ngx_uint_t
ngx_http_ai_sink_stop_file(ngx_http_ai_sink_t *sink)
{
    ngx_uint_t  lost;

    ngx_http_ai_sink_write(sink);

    lost = sink->worker->waiting;

    if (sink->flush.posted) {
        ngx_delete_posted_event(&sink->flush);
    }

    if (sink->retry.timer_set) {
        ngx_del_timer(&sink->retry);
    }

    return lost;
}


static ngx_int_t
ngx_http_ai_sink_start_redis(ngx_http_ai_sink_t *sink, ngx_cycle_t *cycle)
{
    ngx_uint_t                i;
    ngx_http_ai_sink_lane_t  *lane;

    sink->redis = ngx_http_ai_redis_create(cycle, &sink->conf->redis,
                                           ngx_http_ai_sink_changed, sink);
    sink->nlanes = ngx_http_ai_redis_lanes(&sink->conf->redis);

    lane = ngx_pcalloc(cycle->pool,
                       sink->nlanes * sizeof(ngx_http_ai_sink_lane_t));

    if (sink->redis == NULL || lane == NULL) {
        return NGX_ERROR;
    }

    sink->lanes = lane;
    sink->worker->lanes = sink->nlanes;

    for (i = 0; i < sink->nlanes; i++) {
        lane[i].sink = sink;
        lane[i].index = i;

        if (ngx_http_ai_sink_start_lane(&lane[i], cycle) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_sink_start_lane(ngx_http_ai_sink_lane_t *lane, ngx_cycle_t *cycle)
{
    size_t               size, min;
    u_char              *map;
    ngx_uint_t           kept;
    ngx_http_ai_sink_t  *sink;

    sink = lane->sink;
    kept = (sink->conf->spool.len != 0);
    map = NULL;

    min = kept ? NGX_HTTP_AI_SPOOL_MIN_QUEUE : NGX_HTTP_AI_REDIS_MIN_QUEUE;
    size = ngx_max(sink->conf->queue_size / sink->nlanes, min);

    if (kept) {

        /* whole blocks: it is a file */

        size -= size % NGX_HTTP_AI_RESP_BLOCK;

        if (ngx_http_ai_sink_start_spool(lane, cycle) != NGX_OK) {
            return NGX_ERROR;
        }

        map = ngx_http_ai_spool_map(lane->spool, size);
        lane->mapped = (map != NULL);
    }

    if (ngx_http_ai_redis_start(sink->redis, lane->index, size, map, kept)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (kept) {
        ngx_http_ai_spool_start(lane->spool,
                                ngx_http_ai_redis_queue(sink->redis,
                                                        lane->index));
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_sink_start_spool(ngx_http_ai_sink_lane_t *lane,
    ngx_cycle_t *cycle)
{
    ngx_http_ai_sink_t        *sink;
    ngx_http_ai_spool_conf_t   conf;

    sink = lane->sink;

    conf.folder = sink->conf->folders[lane->index];
    conf.max = sink->conf->spool_max / sink->nlanes;
    conf.sum = &sink->spooled;
    conf.counts = &sink->counts->spool;
    conf.made_ms = sink->made_ms;
    conf.put = ngx_http_ai_sink_again;
    conf.ready = ngx_http_ai_sink_ready;
    conf.moved = ngx_http_ai_sink_moved;
    conf.data = lane;

    lane->spool = ngx_http_ai_spool_create(cycle, &conf);

    return lane->spool ? NGX_OK : NGX_ERROR;
}


/* for what is in files: new records come first */

static ngx_uint_t
ngx_http_ai_sink_ready(void *data)
{
    ngx_http_ai_sink_lane_t *lane = data;

    ngx_http_ai_redis_t       *redis;
    ngx_http_ai_resp_queue_t  *queue;

    redis = lane->sink->redis;
    queue = ngx_http_ai_redis_queue(redis, lane->index);

    return ngx_http_ai_redis_takes(redis, lane->index)
           && queue->n - queue->copies < NGX_HTTP_AI_SINK_BUSY
           && queue->nblocks < queue->max / 2;
}


static void
ngx_http_ai_sink_moved(void *data)
{
    ngx_http_ai_sink_lane_t *lane = data;

    ngx_http_ai_sink_changed(lane->sink);
}


/* a record of a file, for the stream and the limit that are in force now */

static ngx_int_t
ngx_http_ai_sink_again(void *data, const ngx_str_t *cmd)
{
    ngx_http_ai_sink_lane_t *lane = data;

    size_t                      n, size;
    u_char                     *p;
    ngx_str_t                   pairs, *key;
    ngx_uint_t                  nargs;
    ngx_http_ai_redis_t        *redis;
    ngx_http_ai_sink_conf_t    *sc;
    ngx_http_ai_resp_queue_t   *queue;
    ngx_http_ai_record_trim_t   trim;

    sc = lane->sink->conf;
    redis = lane->sink->redis;
    queue = ngx_http_ai_redis_queue(redis, lane->index);

    if (ngx_http_ai_record_pairs(cmd, &pairs, &nargs) != NGX_OK
        || pairs.len > NGX_HTTP_AI_RECORD_MAX)
    {
        return NGX_DECLINED;
    }

    if (queue->nblocks >= queue->max / 2) {
        return NGX_AGAIN;
    }

    p = ngx_http_ai_redis_reserve(redis, lane->index,
                                  NGX_HTTP_AI_RECORD_MAX + sc->key_len,
                                  &size);
    if (p == NULL) {
        return NGX_AGAIN;
    }

    key = ngx_http_ai_sink_key(lane, &pairs, nargs);

    ngx_http_ai_sink_trim(sc, key, &trim);

    n = ngx_http_ai_record_again(&pairs, nargs, key, &trim, p, size);
    if (n == 0) {
        return NGX_DECLINED;
    }

    ngx_http_ai_redis_commit(redis, lane->index, n, 1);

    return NGX_OK;
}


/* where a record of a file belongs today */

static ngx_str_t *
ngx_http_ai_sink_key(ngx_http_ai_sink_lane_t *lane, const ngx_str_t *pairs,
    ngx_uint_t nargs)
{
    ngx_str_t                 value;
    ngx_http_ai_sink_conf_t  *sc;

    static const ngx_str_t  kind = ngx_string("kind");
    static const ngx_str_t  event_id = ngx_string("event_id");

    sc = lane->sink->conf;

    ngx_http_ai_record_find(pairs, nargs, &kind, &value);

    if (value.len == sizeof("audit") - 1
        && ngx_memcmp(value.data, "audit", sizeof("audit") - 1) == 0)
    {
        return &sc->audit;
    }

    if (value.len == sizeof("pin") - 1
        && ngx_memcmp(value.data, "pin", sizeof("pin") - 1) == 0)
    {
        return &sc->pins;
    }

    if (lane->sink->nlanes > 1) {
        return &sc->keys[lane->index];
    }

    ngx_http_ai_record_find(pairs, nargs, &event_id, &value);

    return &sc->keys[ngx_http_ai_record_shard(&value, sc->redis.shards)];
}


static void
ngx_http_ai_sink_trim(ngx_http_ai_sink_conf_t *sc, const ngx_str_t *key,
    ngx_http_ai_record_trim_t *trim)
{
    if (key == &sc->pins && sc->pins_max) {
        trim->maxlen = sc->pins_max;
        trim->minid_ms = 0;
        return;
    }

    trim->maxlen = sc->maxlen;
    trim->minid_ms = sc->minid ? (uint64_t) (ngx_time() - sc->minid) * 1000
                               : 0;
}


/*
 * Encoded where it will be sent from; a second try only at a block's end.
 * Audit and pins are one stream each, in a cluster at the first shard's node.
 */

static ngx_int_t
ngx_http_ai_sink_push_redis(ngx_http_ai_sink_t *sink,
    const ngx_http_ai_record_form_t *form, const void *rec,
    const ngx_str_t *event_id)
{
    size_t                      n, size;
    u_char                     *p;
    ngx_str_t                  *key;
    ngx_uint_t                  shard;
    ngx_http_ai_sink_conf_t    *sc;
    ngx_http_ai_sink_lane_t    *lane;
    ngx_http_ai_record_trim_t   trim;

    sc = sink->conf;

    if (form != &ngx_http_ai_record_usage) {
        shard = 0;
        key = (form == &ngx_http_ai_record_pin) ? &sc->pins : &sc->audit;

    } else {
        shard = ngx_http_ai_record_shard(event_id, sc->redis.shards);
        key = &sc->keys[shard];
    }

    lane = &sink->lanes[shard % sink->nlanes];

    ngx_http_ai_sink_trim(sc, key, &trim);

    p = ngx_http_ai_sink_room(lane, 1, &size);
    if (p == NULL) {
        return NGX_DECLINED;
    }

    n = ngx_http_ai_record_form_xadd(form, rec, key, &trim, p, size);

    if (n == 0) {
        p = ngx_http_ai_sink_room(lane, NGX_HTTP_AI_RECORD_MAX + sc->key_len,
                                  &size);
        if (p == NULL) {
            return NGX_DECLINED;
        }

        n = ngx_http_ai_record_form_xadd(form, rec, key, &trim, p, size);

        if (n == 0) {
            return NGX_ERROR;
        }
    }

    ngx_http_ai_redis_commit(sink->redis, lane->index, n, 0);

    ngx_http_ai_sink_changed(sink);

    return NGX_OK;
}


/* tells the others how it stands; no more than a few additions */

static void
ngx_http_ai_sink_changed(void *data)
{
    ngx_http_ai_sink_t *sink = data;

    ngx_uint_t                  i, own, waiting, kept;
    ngx_http_ai_redis_facts_t   facts;
    ngx_http_ai_resp_queue_t   *queue;

    waiting = 0;
    kept = 0;

    for (i = 0; i < sink->nlanes; i++) {
        queue = ngx_http_ai_redis_queue(sink->redis, i);

        own = queue->n - queue->copies;
        waiting += own;
        kept += sink->lanes[i].mapped ? own : 0;
    }

    ngx_http_ai_redis_facts(sink->redis, &facts);

    if (facts.confirmed != sink->told.confirmed) {
        (void) ngx_atomic_fetch_add(&sink->counts->delivered,
                                    facts.confirmed - sink->told.confirmed);
    }

    if (facts.refused != sink->told.refused) {
        (void) ngx_atomic_fetch_add(&sink->counts->spool.dropped,
                                    facts.refused - sink->told.refused);
    }

    sink->told = facts;

    sink->worker->connected = facts.connected;
    sink->worker->waiting = waiting;
    sink->worker->kept = kept;
    sink->worker->since = facts.since;
}


/*
 * A block is moved to the spool for each that is begun when three quarters
 * are in use, so that a disk that refuses has time to change its mind.
 */

static u_char *
ngx_http_ai_sink_room(ngx_http_ai_sink_lane_t *lane, size_t min, size_t *size)
{
    u_char                    *p;
    ngx_http_ai_redis_t       *redis;
    ngx_http_ai_resp_queue_t  *queue;

    redis = lane->sink->redis;

    p = ngx_http_ai_redis_reserve(redis, lane->index, min, size);

    if (lane->spool == NULL) {
        return p;
    }

    queue = ngx_http_ai_redis_queue(redis, lane->index);

    if (queue->nblocks <= queue->max / 4 * 3) {
        return p;
    }

    /* what was reserved stands in the tail, which is not moved */

    (void) ngx_http_ai_spool_move(lane->spool, 0);

    return p ? p : ngx_http_ai_redis_reserve(redis, lane->index, min, size);
}


static ngx_int_t
ngx_http_ai_sink_start_file(ngx_http_ai_sink_t *sink, ngx_cycle_t *cycle)
{
    sink->start = ngx_pnalloc(cycle->pool, NGX_HTTP_AI_SINK_BUFFER);
    if (sink->start == NULL) {
        return NGX_ERROR;
    }

    sink->start[0] = '\n';
    sink->last = sink->start + 1;
    sink->end = sink->start + NGX_HTTP_AI_SINK_BUFFER;

    ngx_http_ai_sink_event(&sink->flush, sink, ngx_http_ai_sink_write_handler);
    ngx_http_ai_sink_event(&sink->retry, sink, ngx_http_ai_sink_write_handler);

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_sink_push_file(ngx_http_ai_sink_t *sink,
    const ngx_http_ai_record_form_t *form, const void *rec)
{
    size_t  n;

    n = ngx_http_ai_record_form_json(form, rec, sink->last,
                                     sink->end - sink->last);

    if (n == 0) {
        ngx_http_ai_sink_write(sink);

        n = ngx_http_ai_record_form_json(form, rec, sink->last,
                                         sink->end - sink->last);

        if (n == 0) {
            return NGX_DECLINED;
        }
    }

    sink->last += n;

    if (sink->worker->waiting++ == 0) {
        sink->worker->since = ngx_max(ngx_current_msec, 1);
    }

    ngx_post_event(&sink->flush, &ngx_posted_events);

    return NGX_OK;
}


/*
 * One write() of whole lines to a file opened with O_APPEND: the lines of
 * several workers do not mix.  If the disk took only a part, the torn line is
 * ended and written again whole, so that a reader loses one line at most.
 */

static void
ngx_http_ai_sink_write(ngx_http_ai_sink_t *sink)
{
    u_char   *p;
    size_t    len;
    ssize_t   n;

    if (sink->last == sink->start + 1) {
        return;
    }

    p = sink->torn ? sink->start : sink->start + 1;
    len = sink->last - p;

    n = ngx_write_fd(sink->conf->file->fd, p, len);

    if (n == (ssize_t) len) {
        sink->last = sink->start + 1;
        sink->torn = 0;
        ngx_http_ai_sink_delivered(sink);
        return;
    }

    if (sink->logged == 0
        || ngx_current_msec - sink->logged >= NGX_HTTP_AI_SINK_REPORT_MS)
    {
        sink->logged = ngx_current_msec ? ngx_current_msec : 1;

        ngx_log_error(NGX_LOG_CRIT, sink->log, n == -1 ? ngx_errno : 0,
                      "ai usage: " ngx_write_fd_n " to \"%s\" %s, "
                      "trying again", sink->conf->file->name.data,
                      n == -1 ? "failed" : "was incomplete");
    }

    if (n > 0) {
        ngx_http_ai_sink_written(sink, p, n);
    }

    if (!sink->retry.timer_set) {
        ngx_add_timer(&sink->retry, NGX_HTTP_AI_SINK_RETRY_MS);
    }
}


/* keeps what was not written, from the beginning of its first line */

static void
ngx_http_ai_sink_written(ngx_http_ai_sink_t *sink, u_char *p, size_t n)
{
    u_char  *line, *last;

    last = p + n;

    for (line = last; line > p && line[-1] != '\n'; line--) { /* void */ }

    if (line <= sink->start + 1) {
        line = sink->start + 1;
    }

    sink->torn = (line < last);

    ngx_memmove(sink->start + 1, line, sink->last - line);
    sink->last -= line - (sink->start + 1);

    ngx_http_ai_sink_delivered(sink);
}


/* FILE: what is not in the buffer any more */

static void
ngx_http_ai_sink_delivered(ngx_http_ai_sink_t *sink)
{
    u_char                     *p;
    ngx_uint_t                  left;
    ngx_http_ai_sink_worker_t  *worker;

    worker = sink->worker;

    for (p = sink->start + 1, left = 0; p < sink->last; p++) {
        left += (*p == '\n');
    }

    if (left == worker->waiting) {
        return;
    }

    (void) ngx_atomic_fetch_add(&sink->counts->delivered,
                                worker->waiting - left);

    worker->waiting = left;
    worker->since = left ? ngx_max(ngx_current_msec, 1) : 0;
}


/* the one place where a record is given up */

static void
ngx_http_ai_sink_drop(ngx_http_ai_sink_t *sink)
{
    sink->dropped++;
    (void) ngx_atomic_fetch_add(&sink->counts->spool.dropped, 1);

    if (!sink->report.timer_set) {
        ngx_http_ai_sink_report_handler(&sink->report);
    }
}


static void
ngx_http_ai_sink_report_handler(ngx_event_t *ev)
{
    ngx_connection_t    *c;
    ngx_http_ai_sink_t  *sink;

    c = ev->data;
    sink = c->data;

    if (sink->dropped == 0) {
        return;
    }

    ngx_log_error(NGX_LOG_ERR, sink->log, 0,
                  "ai usage: %ui records dropped, the queue is full",
                  sink->dropped);

    sink->dropped = 0;

    ngx_add_timer(ev, NGX_HTTP_AI_SINK_REPORT_MS);
}


static void
ngx_http_ai_sink_write_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    ngx_http_ai_sink_write(c->data);
}


static void
ngx_http_ai_sink_event(ngx_event_t *ev, ngx_http_ai_sink_t *sink,
    ngx_event_handler_pt handler)
{
    ev->handler = handler;
    ev->data = &sink->dumb;
    ev->log = sink->log;
    ev->cancelable = 1;
}
