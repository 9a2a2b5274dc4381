
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* clients' keys: how many there are, and what those used last have used */


#include "ngx_http_ai_status_view.h"
#include "ngx_http_ai_quota.h"
#include "ngx_http_ai_totals.h"
#include "ngx_http_ai_zone.h"


typedef struct {
    ngx_http_ai_writer_t      *w;
    ngx_http_ai_main_conf_t   *conf;
} ngx_http_ai_status_keys_t;


static void ngx_http_ai_status_key(const ngx_http_ai_totals_view_t *view,
    void *data);
static void ngx_http_ai_status_key_limits(ngx_http_ai_status_keys_t *keys,
    const ngx_http_ai_key_t *key);


void
ngx_http_ai_status_keys(ngx_http_ai_writer_t *w,
    ngx_http_ai_main_conf_t *conf)
{
    ngx_http_ai_status_keys_t  keys;

    keys.w = w;
    keys.conf = conf;

    ngx_http_ai_writer_open(w, "keys", '{');
    ngx_http_ai_writer_int(w, "configured",
                           conf->keys ? (int64_t) conf->keys->set->ids.n
                                      : NGX_HTTP_AI_WRITER_NULL);

    ngx_http_ai_writer_open(w, "list", '[');

    ngx_http_ai_totals_keys(conf->zone, NGX_HTTP_AI_TOTALS_KEYS,
                            ngx_http_ai_status_key, &keys);

    ngx_http_ai_writer_close(w, ']');
    ngx_http_ai_writer_close(w, '}');
}


static void
ngx_http_ai_status_key(const ngx_http_ai_totals_view_t *view, void *data)
{
    ngx_http_ai_status_keys_t *keys = data;

    ngx_http_ai_writer_t     *w;
    const ngx_http_ai_key_t  *key;

    w = keys->w;

    /* it may be none of this configuration any more */

    key = keys->conf->keys
          ? ngx_http_ai_key_set_named(keys->conf->keys->set, &view->names[0])
          : NULL;

    ngx_http_ai_writer_open(w, NULL, '{');
    ngx_http_ai_writer_str(w, "id", &view->names[0]);
    ngx_http_ai_writer_word(w, "app", key ? &key->app : NULL);
    ngx_http_ai_writer_word(w, "team", key ? &key->team : NULL);
    ngx_http_ai_writer_word(w, "env", key ? &key->env : NULL);
    ngx_http_ai_writer_int(w, "last_ms", view->last_ms);
    ngx_http_ai_totals_write_tally(w, "totals", &view->tally.sum);

    if (key) {
        ngx_http_ai_status_key_limits(keys, key);

    } else {
        ngx_http_ai_writer_null(w, "inflight");
        ngx_http_ai_writer_null(w, "limits");
    }

    ngx_http_ai_writer_close(w, '}');
}


static void
ngx_http_ai_status_key_limits(ngx_http_ai_status_keys_t *keys,
    const ngx_http_ai_key_t *key)
{
    ngx_http_ai_limits_t  limits;

    ngx_http_ai_quota_view(keys->conf->zone, key, &limits);

    ngx_http_ai_writer_int(keys->w, "inflight",
                           ngx_http_ai_quota_limits(key)
                           ? (int64_t) limits.inflight
                           : NGX_HTTP_AI_WRITER_NULL);
    ngx_http_ai_status_limits(keys->w, &limits);
}
