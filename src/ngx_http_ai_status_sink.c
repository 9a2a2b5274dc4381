
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* where usage records go, and whether they get there; what is known of pins */


#include "ngx_http_ai_status_view.h"
#include "ngx_http_ai_pin.h"
#include "ngx_http_ai_pin_stream.h"
#include "ngx_http_ai_zone.h"


#define NGX_HTTP_AI_STATUS_WAITS  5000     /* ms that records may wait */


static ngx_uint_t ngx_http_ai_status_sink_healthy(
    const ngx_http_ai_sink_conf_t *sc,
    const ngx_http_ai_sink_counts_t *counts,
    const ngx_http_ai_sink_sum_t *sum);


/* by ngx_http_ai_sink_type_e */

static const char  *ngx_http_ai_status_sinks[] = { "off", "file", "redis" };


void
ngx_http_ai_status_sink(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf)
{
    int64_t                            none;
    ngx_uint_t                         redis;
    ngx_http_ai_sink_sum_t             sum;
    ngx_http_ai_sink_counts_t         *counts;
    const ngx_http_ai_sink_conf_t     *sc;
    const ngx_http_ai_spool_counts_t  *spool;

    sc = &conf->sink;
    counts = &conf->zone->sh->sink;
    spool = &counts->spool;
    none = NGX_HTTP_AI_WRITER_NULL;
    redis = (sc->type == NGX_HTTP_AI_SINK_REDIS);

    ngx_http_ai_sink_counts_sum(counts, &sum);

    ngx_http_ai_writer_open(w, "sink", '{');
    ngx_http_ai_writer_cstr(w, "type", ngx_http_ai_status_sinks[sc->type]);
    ngx_http_ai_writer_str(w, "stream", redis ? &sc->stream : NULL);
    ngx_http_ai_writer_bool(w, "healthy",
                            ngx_http_ai_status_sink_healthy(sc, counts,
                                                            &sum));
    ngx_http_ai_writer_int(w, "connected",
                           redis ? (int64_t) sum.connected : none);
    ngx_http_ai_writer_int(w, "connections",
                           redis ? (int64_t) sum.lanes : none);
    ngx_http_ai_writer_int(w, "accepted", counts->accepted);
    ngx_http_ai_writer_int(w, "delivered", counts->delivered);
    ngx_http_ai_writer_int(w, "lag", sum.lag);
    ngx_http_ai_writer_int(w, "dropped", spool->dropped);
    ngx_http_ai_writer_int(w, "spooled", spool->spooled);
    ngx_http_ai_writer_int(w, "replayed", spool->replayed);
    ngx_http_ai_writer_int(w, "damaged", spool->damaged);
    ngx_http_ai_writer_int(w, "spool_bytes",
                           sc->spool.len ? (int64_t) spool->bytes : none);
    ngx_http_ai_writer_int(w, "spool_max_bytes",
                           sc->spool.len ? (int64_t) sc->spool_max : none);
    ngx_http_ai_writer_close(w, '}');
}


static ngx_uint_t
ngx_http_ai_status_sink_healthy(const ngx_http_ai_sink_conf_t *sc,
    const ngx_http_ai_sink_counts_t *counts,
    const ngx_http_ai_sink_sum_t *sum)
{
    ngx_msec_t      filled;
    ngx_msec_int_t  ms;

    if (sum->waits > NGX_HTTP_AI_STATUS_WAITS) {
        return 0;
    }

    if (sc->type != NGX_HTTP_AI_SINK_REDIS) {
        return 1;
    }

    filled = counts->spool.filled;
    ms = (ngx_msec_int_t) (ngx_current_msec - filled);

    if (sc->spool.len && filled && ms > NGX_HTTP_AI_STATUS_WAITS) {
        return 0;
    }

    return sum->connected != 0;
}


/* what is about Redis is null where they are not there */

void
ngx_http_ai_status_pins(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf)
{
    u_char                           id[NGX_HTTP_AI_XREAD_ID];
    int64_t                          none;
    ngx_str_t                        last;
    ngx_uint_t                       redis;
    ngx_http_ai_pins_t              *pins;
    ngx_http_ai_pin_stream_facts_t   facts;

    pins = &conf->zone->sh->pins;
    redis = (conf->sink.pins_max != 0);
    none = NGX_HTTP_AI_WRITER_NULL;

    ngx_http_ai_pin_stream_facts(conf->zone, &facts);

    last.data = id;
    last.len = ngx_http_ai_xread_print_id(id, &facts.last) - id;

    ngx_http_ai_writer_open(w, "pins", '{');
    ngx_http_ai_writer_int(w, "known", ngx_http_ai_pin_count(conf->zone));
    ngx_http_ai_writer_str(w, "stream", redis ? &conf->sink.pins : NULL);
    ngx_http_ai_writer_bool(w, "reading", redis && facts.reading);
    ngx_http_ai_writer_str(w, "last_id",
                           redis && facts.last.ms ? &last : NULL);
    ngx_http_ai_writer_int(w, "entries",
                           redis ? (int64_t) pins->entries : none);
    ngx_http_ai_writer_int(w, "unknown",
                           redis ? (int64_t) pins->unknown : none);
    ngx_http_ai_writer_int(w, "malformed",
                           redis ? (int64_t) pins->malformed : none);
    ngx_http_ai_writer_int(w, "failures",
                           redis ? (int64_t) pins->failures : none);
    ngx_http_ai_writer_close(w, '}');
}
