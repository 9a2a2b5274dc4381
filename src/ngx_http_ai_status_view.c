
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * GET status[?section=NAME,...]: all there is to know, as one object.  Each
 * of its members is a row here, in the order in which they are written.
 */


#include "ngx_http_ai_status_view.h"
#include "ngx_http_ai_gate.h"
#include "ngx_http_ai_health_view.h"
#include "ngx_http_ai_prices.h"
#include "ngx_http_ai_queue.h"
#include "ngx_http_ai_status_faults.h"
#include "ngx_http_ai_totals.h"
#include "ngx_http_ai_version.h"
#include "pure/ngx_http_ai_endpoint.h"


#define NGX_HTTP_AI_STATUS_EVENTS  64
#define NGX_HTTP_AI_STATUS_FULL    1000    /* ms; the zone was full */


typedef void (*ngx_http_ai_status_member_pt)(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);


typedef struct {
    ngx_str_t                     name;
    ngx_http_ai_status_member_pt  write;
    ngx_uint_t                    always;  /* unsigned  always:1; whatever
                                              sections are asked for */
} ngx_http_ai_status_member_t;


static ngx_int_t ngx_http_ai_status_sections(ngx_http_request_t *r,
    uint64_t *members, ngx_str_t *unknown);
static ngx_int_t ngx_http_ai_status_section(const ngx_str_t *name,
    uint64_t *members);
static void ngx_http_ai_status_version(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_status_nginx(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_status_now(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_status_started(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_status_uptime(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_status_loaded(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_status_pid(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_status_zone(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_status_inflight(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_status_totals(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_status_retries(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_status_queue(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_status_prices(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_status_routes(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_status_route(ngx_http_ai_writer_t *w,
    const ngx_http_ai_route_t *route);
static void ngx_http_ai_status_classes(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_status_gate(ngx_http_ai_writer_t *w,
    ngx_http_ai_zone_t *zone, const ngx_http_ai_class_t *class);
static void ngx_http_ai_status_teams(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_status_models(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_status_events(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);
static void ngx_http_ai_status_drills(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf);


/* at most 64 */

static const ngx_http_ai_status_member_t  ngx_http_ai_status_members[] = {
    { ngx_string("version"), ngx_http_ai_status_version, 0 },
    { ngx_string("nginx"), ngx_http_ai_status_nginx, 0 },
    { ngx_string("now_ms"), ngx_http_ai_status_now, 1 },
    { ngx_string("started_ms"), ngx_http_ai_status_started, 0 },
    { ngx_string("uptime_s"), ngx_http_ai_status_uptime, 0 },
    { ngx_string("loaded_ms"), ngx_http_ai_status_loaded, 0 },
    { ngx_string("pid"), ngx_http_ai_status_pid, 0 },
    { ngx_string("zone"), ngx_http_ai_status_zone, 0 },
    { ngx_string("inflight"), ngx_http_ai_status_inflight, 0 },
    { ngx_string("totals"), ngx_http_ai_status_totals, 0 },
    { ngx_string("retry_budget"), ngx_http_ai_status_retries, 0 },
    { ngx_string("queue"), ngx_http_ai_status_queue, 0 },
    { ngx_string("sink"), ngx_http_ai_status_sink, 0 },
    { ngx_string("pins"), ngx_http_ai_status_pins, 0 },
    { ngx_string("prices"), ngx_http_ai_status_prices, 0 },
    { ngx_string("accounts"), ngx_http_ai_status_accounts, 0 },
    { ngx_string("routes"), ngx_http_ai_status_routes, 0 },
    { ngx_string("classes"), ngx_http_ai_status_classes, 0 },
    { ngx_string("teams"), ngx_http_ai_status_teams, 0 },
    { ngx_string("models"), ngx_http_ai_status_models, 0 },
    { ngx_string("keys"), ngx_http_ai_status_keys, 0 },
    { ngx_string("faults"), ngx_http_ai_status_drills, 0 },
    { ngx_string("events"), ngx_http_ai_status_events, 0 },
    { ngx_null_string, NULL, 0 }
};


ngx_int_t
ngx_http_ai_status_view(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call)
{
    uint64_t                            members;
    ngx_int_t                           rc;
    ngx_str_t                           unknown;
    ngx_uint_t                          i;
    ngx_http_ai_writer_t                w;
    const ngx_http_ai_status_member_t  *member;

    if (call->conf->zone == NULL) {
        return ngx_http_ai_status_no_zone(r);
    }

    rc = ngx_http_ai_status_sections(r, &members, &unknown);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc == NGX_DECLINED) {
        return ngx_http_ai_status_error(r, NGX_HTTP_BAD_REQUEST,
                                        "invalid_request_error",
                                        "there is no section \"%V\"",
                                        &unknown);
    }

    ngx_http_ai_writer_init(&w, r->pool);
    ngx_http_ai_writer_open(&w, NULL, '{');

    for (i = 0; ngx_http_ai_status_members[i].write; i++) {
        member = &ngx_http_ai_status_members[i];

        if (member->always || (members & ((uint64_t) 1 << i))) {
            member->write(&w, call->conf);
        }
    }

    ngx_http_ai_writer_close(&w, '}');

    return ngx_http_ai_status_answer(r, NGX_HTTP_OK, &w);
}


/* a bit for each member; NGX_DECLINED: there is none of this name */

static ngx_int_t
ngx_http_ai_status_sections(ngx_http_request_t *r, uint64_t *members,
    ngx_str_t *unknown)
{
    u_char     *p, *comma, *last;
    ngx_int_t   rc;
    ngx_str_t   list, name;

    *members = UINT64_MAX;

    rc = ngx_http_ai_status_arg(r, "section", &list);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? NGX_OK : NGX_ERROR;
    }

    *members = 0;

    p = list.data;
    last = p + list.len;

    for ( ;; ) {
        comma = ngx_strlchr(p, last, ',');

        name.data = p;
        name.len = (comma ? comma : last) - p;

        if (ngx_http_ai_status_section(&name, members) != NGX_OK) {
            *unknown = name;
            return NGX_DECLINED;
        }

        if (comma == NULL) {
            return NGX_OK;
        }

        p = comma + 1;
    }
}


static ngx_int_t
ngx_http_ai_status_section(const ngx_str_t *name, uint64_t *members)
{
    ngx_uint_t        i;
    const ngx_str_t  *member;

    for (i = 0; ngx_http_ai_status_members[i].write; i++) {
        member = &ngx_http_ai_status_members[i].name;

        if (member->len == name->len
            && ngx_memcmp(member->data, name->data, name->len) == 0)
        {
            *members |= (uint64_t) 1 << i;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static void
ngx_http_ai_status_version(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_http_ai_writer_cstr(w, "version", NGX_HTTP_AI_VERSION);
}


static void
ngx_http_ai_status_nginx(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_http_ai_writer_cstr(w, "nginx", NGINX_VERSION);
}


static void
ngx_http_ai_status_now(ngx_http_ai_writer_t *w, ngx_http_ai_main_conf_t *conf)
{
    ngx_http_ai_writer_int(w, "now_ms",
                         ngx_http_ai_zone_time(ngx_max(ngx_current_msec, 1)));
}


static void
ngx_http_ai_status_started(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_http_ai_writer_int(w, "started_ms",
                           conf->zone->sh->totals.since_ms);
}


/* by the clock that nobody sets */

static void
ngx_http_ai_status_uptime(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_http_ai_writer_int(w, "uptime_s",
                           (ngx_current_msec - conf->zone->sh->totals.since)
                           / 1000);
}


static void
ngx_http_ai_status_loaded(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_http_ai_writer_int(w, "loaded_ms", conf->zone->loaded_ms);
}


static void
ngx_http_ai_status_pid(ngx_http_ai_writer_t *w, ngx_http_ai_main_conf_t *conf)
{
    ngx_http_ai_writer_int(w, "pid", ngx_pid);
}


static void
ngx_http_ai_status_zone(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf)
{
    size_t                  room, used;
    ngx_msec_t              full;
    ngx_http_ai_zone_sh_t  *sh;

    sh = conf->zone->sh;

    ngx_http_ai_zone_lock(conf->zone);

    room = sh->room;
    used = sh->nodes;
    full = sh->full;

    ngx_http_ai_zone_unlock(conf->zone);

    ngx_http_ai_writer_open(w, "zone", '{');
    ngx_http_ai_writer_str(w, "name", &conf->zone_name);
    ngx_http_ai_writer_int(w, "bytes", conf->zone_size);
    ngx_http_ai_writer_int(w, "room_bytes", room);
    ngx_http_ai_writer_int(w, "used_bytes", used);
    ngx_http_ai_writer_bool(w, "full",
                            full && (ngx_msec_int_t) (ngx_current_msec - full)
                                    < NGX_HTTP_AI_STATUS_FULL);
    ngx_http_ai_writer_close(w, '}');
}


static void
ngx_http_ai_status_inflight(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_http_ai_writer_int(w, "inflight",
                           ngx_http_ai_health_view_inflight(conf->zone));
}


static void
ngx_http_ai_status_totals(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_http_ai_totals_write(conf->zone, w, "totals", NGX_HTTP_AI_TOTALS_ALL,
                             NULL);
}


static void
ngx_http_ai_status_retries(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_uint_t  requests, retries;

    ngx_http_ai_zone_retries(conf->zone, &requests, &retries);

    ngx_http_ai_writer_open(w, "retry_budget", '{');
    ngx_http_ai_writer_int(w, "requests", requests);
    ngx_http_ai_writer_int(w, "retries", retries);
    ngx_http_ai_writer_int(w, "window_s", NGX_HTTP_AI_ZONE_SECONDS);
    ngx_http_ai_writer_int(w, "percent", NGX_HTTP_AI_RETRY_PERCENT);
    ngx_http_ai_writer_int(w, "min", NGX_HTTP_AI_RETRY_MIN);
    ngx_http_ai_writer_bool(w, "exhausted",
                            ngx_http_ai_zone_may_retry(conf->zone) != NGX_OK);
    ngx_http_ai_writer_close(w, '}');
}


static void
ngx_http_ai_status_queue(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_http_ai_writer_open(w, "queue", '{');
    ngx_http_ai_writer_int(w, "parked", ngx_http_ai_queue_parked(conf->zone));
    ngx_http_ai_writer_int(w, "slots", NGX_HTTP_AI_ZONE_SLOTS);
    ngx_http_ai_writer_close(w, '}');
}


static void
ngx_http_ai_status_prices(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_http_ai_writer_open(w, "prices", '{');
    ngx_http_ai_writer_bool(w, "known", conf->prices->known);
    ngx_http_ai_writer_int(w, "missing", conf->zone->sh->price_missing);
    ngx_http_ai_writer_close(w, '}');
}


static void
ngx_http_ai_status_routes(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_uint_t             i;
    ngx_http_ai_route_t  **route;

    route = conf->routes.elts;

    ngx_http_ai_writer_open(w, "routes", '[');

    for (i = 0; i < conf->routes.nelts; i++) {
        ngx_http_ai_writer_open(w, NULL, '{');
        ngx_http_ai_status_route(w, route[i]);
        ngx_http_ai_totals_write(conf->zone, w, "totals",
                                 NGX_HTTP_AI_TOTALS_ROUTE, &route[i]->name);
        ngx_http_ai_writer_close(w, '}');
    }

    ngx_http_ai_writer_close(w, ']');
}


static void
ngx_http_ai_status_route(ngx_http_ai_writer_t *w,
    const ngx_http_ai_route_t *route)
{
    ngx_str_t             *pattern;
    ngx_uint_t             i;
    ngx_http_ai_target_t  *target;
    ngx_http_ai_backup_t  *backup;

    pattern = route->patterns.elts;
    target = route->targets.elts;
    backup = route->backups.elts;

    ngx_http_ai_writer_str(w, "name", &route->name);

    ngx_http_ai_writer_open(w, "patterns", '[');

    for (i = 0; i < route->patterns.nelts; i++) {
        ngx_http_ai_writer_str(w, NULL, &pattern[i]);
    }

    ngx_http_ai_writer_close(w, ']');

    ngx_http_ai_writer_str(w, "balance",
                           ngx_http_ai_conf_balance_name(route->balance));

    ngx_http_ai_writer_open(w, "targets", '[');

    for (i = 0; i < route->targets.nelts; i++) {
        ngx_http_ai_writer_open(w, NULL, '{');
        ngx_http_ai_writer_str(w, "account", &target[i].account->name);
        ngx_http_ai_writer_word(w, "model", &target[i].model);
        ngx_http_ai_writer_int(w, "tier", target[i].tier);
        ngx_http_ai_writer_int(w, "weight", target[i].weight);
        ngx_http_ai_writer_close(w, '}');
    }

    ngx_http_ai_writer_close(w, ']');

    ngx_http_ai_writer_open(w, "backups", '[');

    for (i = 0; i < route->backups.nelts; i++) {
        ngx_http_ai_writer_str(w, NULL, &backup[i].model);
    }

    ngx_http_ai_writer_close(w, ']');

    ngx_http_ai_writer_int(w, "window",
                           route->window ? (int64_t) route->window
                                         : NGX_HTTP_AI_WRITER_NULL);
}


static void
ngx_http_ai_status_classes(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_uint_t             i;
    ngx_http_ai_class_t  **class;

    class = conf->classes.elts;

    ngx_http_ai_writer_open(w, "classes", '[');

    for (i = 0; i < conf->classes.nelts; i++) {
        ngx_http_ai_writer_open(w, NULL, '{');
        ngx_http_ai_writer_str(w, "name", &class[i]->name);
        ngx_http_ai_writer_int(w, "deadline_ms", class[i]->deadline);
        ngx_http_ai_writer_int(w, "attempts", class[i]->attempts);
        ngx_http_ai_writer_int(w, "queue_ms", class[i]->queue);
        ngx_http_ai_writer_int(w, "queue_max", class[i]->queue_max);
        ngx_http_ai_status_gate(w, conf->zone, class[i]);
        ngx_http_ai_writer_bool(w, "default",
                                class[i] == conf->default_class);
        ngx_http_ai_totals_write(conf->zone, w, "totals",
                                 NGX_HTTP_AI_TOTALS_CLASS, &class[i]->name);
        ngx_http_ai_writer_close(w, '}');
    }

    ngx_http_ai_writer_close(w, ']');
}


static void
ngx_http_ai_status_gate(ngx_http_ai_writer_t *w, ngx_http_ai_zone_t *zone,
    const ngx_http_ai_class_t *class)
{
    static const char  *words[] = { "off", "on", "manual" };

    ngx_http_ai_writer_cstr(w, "allow_backup", words[class->allow_backup]);

    if (class->allow_backup != NGX_HTTP_AI_BACKUP_MANUAL) {
        ngx_http_ai_writer_null(w, "gate");
        return;
    }

    ngx_http_ai_writer_cstr(w, "gate", ngx_http_ai_gate_is_open(zone, class)
                                       ? "open" : "closed");
}


static void
ngx_http_ai_status_teams(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_http_ai_totals_list(conf->zone, w, "teams", NGX_HTTP_AI_TOTALS_TEAM);
}


static void
ngx_http_ai_status_models(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_http_ai_totals_list(conf->zone, w, "models",
                            NGX_HTTP_AI_TOTALS_MODEL);
}


static void
ngx_http_ai_status_events(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf)
{
    uint64_t                  n;
    ngx_uint_t                i;
    ngx_http_ai_events_one_t  event;

    n = UINT64_MAX;

    ngx_http_ai_writer_open(w, "events", '[');

    for (i = 0; i < NGX_HTTP_AI_STATUS_EVENTS; i++) {

        if (ngx_http_ai_events_back(conf->zone, &n, &event) != NGX_OK) {
            break;
        }

        ngx_http_ai_status_event(w, &event);
    }

    ngx_http_ai_writer_close(w, ']');
}


/* the active ones; the others are at faults */

static void
ngx_http_ai_status_drills(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_http_ai_status_faults_list(w, "faults", conf->zone, 0);
}
