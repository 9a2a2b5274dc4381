
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * "ai_usage": where records go and what waits for whom.  What belongs to the
 * connection to Redis is read by ngx_http_ai_redis_conf.c.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_ai_sink.h"


#define NGX_HTTP_AI_SINK_STREAM       "ai:usage"
#define NGX_HTTP_AI_SINK_MAX_STREAM   512
#define NGX_HTTP_AI_SINK_MAXLEN       1000000
#define NGX_HTTP_AI_SINK_UNSET        UINT64_MAX
#define NGX_HTTP_AI_SINK_MAX_MINID    (10 * 366 * 86400)
#define NGX_HTTP_AI_SINK_QUEUE        (64 * 1024 * 1024)
#define NGX_HTTP_AI_SINK_SPOOL_QUEUE  (16 * 1024 * 1024)
#define NGX_HTTP_AI_SINK_SPOOL_MAX    (1024 * 1024 * 1024)
#define NGX_HTTP_AI_SINK_PINS         100000
#define NGX_HTTP_AI_SINK_MAX_PINS     100000000
#define NGX_HTTP_AI_SINK_PINS_QUIET   60000    /* ms; they may be many */


typedef char *(*ngx_http_ai_sink_param_pt)(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *value);


typedef struct {
    ngx_str_t                    name;
    ngx_http_ai_sink_param_pt    handler;
} ngx_http_ai_sink_param_t;


static char *ngx_http_ai_sink_parse_redis(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc);
static char *ngx_http_ai_sink_parse_file(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *path);
static char *ngx_http_ai_sink_parse_params(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc);
static char *ngx_http_ai_sink_parse_param(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *arg);
static char *ngx_http_ai_sink_parse_keys(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc);
static char *ngx_http_ai_sink_parse_asides(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc);
static ngx_int_t ngx_http_ai_sink_aside(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *name, const ngx_str_t *key,
    const char *what, ngx_uint_t braces);

static char *ngx_http_ai_sink_param_stream(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *value);
static char *ngx_http_ai_sink_param_maxlen(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *value);
static char *ngx_http_ai_sink_param_minid(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *value);
static char *ngx_http_ai_sink_param_shards(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *value);
static char *ngx_http_ai_sink_param_queue(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *value);
static char *ngx_http_ai_sink_param_spool(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *value);
static char *ngx_http_ai_sink_param_spool_max(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *value);
static char *ngx_http_ai_sink_param_pins(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc, ngx_str_t *value);
static char *ngx_http_ai_sink_check_spool(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc);
static char *ngx_http_ai_sink_spool_folders(ngx_conf_t *cf,
    ngx_http_ai_sink_conf_t *sc);


static ngx_http_ai_sink_param_t  ngx_http_ai_sink_params[] = {

    { ngx_string("stream="), ngx_http_ai_sink_param_stream },
    { ngx_string("maxlen="), ngx_http_ai_sink_param_maxlen },
    { ngx_string("minid="), ngx_http_ai_sink_param_minid },
    { ngx_string("shards="), ngx_http_ai_sink_param_shards },
    { ngx_string("queue="), ngx_http_ai_sink_param_queue },
    { ngx_string("spool="), ngx_http_ai_sink_param_spool },
    { ngx_string("spool_max="), ngx_http_ai_sink_param_spool_max },
    { ngx_string("pins="), ngx_http_ai_sink_param_pins },

    { ngx_null_string, NULL }
};


char *
ngx_http_ai_sink_parse(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc)
{
    char       *rv;
    ngx_int_t   rc;
    ngx_str_t  *value, *dest;

    ngx_memzero(sc, sizeof(ngx_http_ai_sink_conf_t));

    value = cf->args->elts;
    dest = &value[1];

    rc = ngx_http_ai_redis_conf_address(cf, &sc->redis, dest);

    if (rc == NGX_OK) {
        return ngx_http_ai_sink_parse_redis(cf, sc);
    }

    if (rc == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    if (ngx_strcmp(dest->data, "off") == 0) {
        rv = NGX_CONF_OK;

    } else if (ngx_strncmp(dest->data, "file:", 5) == 0) {
        rv = ngx_http_ai_sink_parse_file(cf, sc, dest);

    } else {

        /* not repeated: it may have a password in it */

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid destination in \"ai_usage\", write "
                           "\"redis://HOST[:PORT][/DB]\", \"rediss://...\", "
                           "\"unix:/PATH\", \"sentinel://...\", "
                           "\"cluster://...\", \"file:PATH\" or \"off\"");
        return NGX_CONF_ERROR;
    }

    if (rv == NGX_CONF_OK && cf->args->nelts > 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"ai_usage %V\" takes no parameters, they are for "
                           "Redis", dest);
        return NGX_CONF_ERROR;
    }

    return rv;
}


static char *
ngx_http_ai_sink_parse_file(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc,
    ngx_str_t *dest)
{
    ngx_str_t  path;

    path.data = dest->data + sizeof("file:") - 1;
    path.len = dest->len - (sizeof("file:") - 1);

    if (path.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no path in \"ai_usage file:\", write "
                           "\"file:PATH\"");
        return NGX_CONF_ERROR;
    }

    sc->type = NGX_HTTP_AI_SINK_FILE;

    sc->file = ngx_conf_open_file(cf->cycle, &path);

    return sc->file ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_ai_sink_parse_redis(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc)
{
    sc->type = NGX_HTTP_AI_SINK_REDIS;
    sc->maxlen = NGX_HTTP_AI_SINK_UNSET;
    ngx_str_set(&sc->stream, NGX_HTTP_AI_SINK_STREAM);

    if (ngx_http_ai_sink_parse_params(cf, sc) != NGX_CONF_OK
        || ngx_http_ai_redis_conf_end(cf, &sc->redis) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (sc->maxlen == NGX_HTTP_AI_SINK_UNSET) {
        sc->maxlen = sc->minid ? 0 : NGX_HTTP_AI_SINK_MAXLEN;

    } else if (sc->minid) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"maxlen=\" and \"minid=\" in \"ai_usage\" "
                           "exclude each other, write one of them");
        return NGX_CONF_ERROR;
    }

    if (ngx_http_ai_sink_parse_keys(cf, sc) != NGX_CONF_OK
        || ngx_http_ai_sink_parse_asides(cf, sc) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_ai_sink_check_spool(cf, sc);
}


static char *
ngx_http_ai_sink_parse_params(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc)
{
    ngx_int_t    rc;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 2; i < cf->args->nelts; i++) {

        rc = ngx_http_ai_redis_conf_param(cf, &sc->redis, &value[i]);

        if (rc == NGX_ERROR) {
            return NGX_CONF_ERROR;
        }

        if (rc == NGX_DECLINED
            && ngx_http_ai_sink_parse_param(cf, sc, &value[i]) != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_sink_parse_param(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc,
    ngx_str_t *arg)
{
    u_char                    *p;
    ngx_str_t                  value;
    ngx_uint_t                 k;
    ngx_http_ai_sink_param_t  *params;

    params = ngx_http_ai_sink_params;

    for (k = 0; params[k].name.len; k++) {
        if (ngx_strncmp(arg->data, params[k].name.data, params[k].name.len)
            == 0)
        {
            break;
        }
    }

    if (params[k].name.len == 0) {

        /* up to "=" only: a misspelt password= is one too */

        value = *arg;
        p = ngx_strlchr(value.data, value.data + value.len, '=');

        if (p) {
            value.len = p + 1 - value.data;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" in \"ai_usage\", "
                           "write stream=, maxlen=, minid=, shards=, queue=, "
                           "spool=, pins=, user=, password=, tls= or one that "
                           "goes with them", &value);
        return NGX_CONF_ERROR;
    }

    if (sc->seen & ((ngx_uint_t) 1 << k)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate parameter \"%V\" in \"ai_usage\"",
                           &params[k].name);
        return NGX_CONF_ERROR;
    }

    sc->seen |= (ngx_uint_t) 1 << k;

    value.data = arg->data + params[k].name.len;
    value.len = arg->len - params[k].name.len;

    return params[k].handler(cf, sc, &value);
}


/* a single one has the stream's own name */

static char *
ngx_http_ai_sink_parse_keys(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc)
{
    ngx_str_t   *key;
    ngx_uint_t   i;

    key = ngx_palloc(cf->pool, sc->redis.shards * sizeof(ngx_str_t));
    if (key == NULL) {
        return NGX_CONF_ERROR;
    }

    sc->keys = key;
    sc->key_len = sc->stream.len;

    if (sc->redis.shards == 1) {
        key[0] = sc->stream;
        return NGX_CONF_OK;
    }

    sc->key_len += 1 + NGX_INT_T_LEN;

    for (i = 0; i < sc->redis.shards; i++) {
        key[i].data = ngx_pnalloc(cf->pool, sc->key_len);
        if (key[i].data == NULL) {
            return NGX_CONF_ERROR;
        }

        key[i].len = ngx_sprintf(key[i].data, "%V:%ui", &sc->stream, i)
                     - key[i].data;
    }

    return NGX_CONF_OK;
}


/*
 * The other streams share a lane with the first one, hence in a cluster they
 * must be in the same slot: their names have that of the first one in braces,
 * unless there are braces already.
 */

static char *
ngx_http_ai_sink_parse_asides(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc)
{
    u_char      *open, *close, *last;
    ngx_str_t   *key;
    ngx_uint_t   braces;

    key = &sc->stream;
    braces = 0;

    if (sc->redis.kind == NGX_HTTP_AI_REDISADDR_CLUSTER) {

        key = &sc->keys[0];
        last = key->data + key->len;

        open = ngx_strlchr(key->data, last, '{');
        close = ngx_strlchr(open ? open : key->data, last, '}');

        braces = (open == NULL || close == NULL || close == open + 1);

        if (braces && (open || close)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "braces in \"stream=%V\" of a cluster must "
                               "have something between them", &sc->stream);
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_http_ai_sink_aside(cf, sc, &sc->audit, key, "audit", braces)
        != NGX_OK
        || ngx_http_ai_sink_aside(cf, sc, &sc->pins, key, "pins", braces)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    sc->redis.asides[0].key = sc->audit;
    sc->redis.asides[0].what = "audit";

    sc->redis.asides[1].key = sc->pins;
    sc->redis.asides[1].what = "pins";
    sc->redis.asides[1].quiet = NGX_HTTP_AI_SINK_PINS_QUIET;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_ai_sink_aside(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc,
    ngx_str_t *name, const ngx_str_t *key, const char *what,
    ngx_uint_t braces)
{
    size_t  size;

    size = key->len + 1 + ngx_strlen(what) + 2 * braces;

    name->data = ngx_pnalloc(cf->pool, size);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    name->len = ngx_sprintf(name->data, braces ? "{%V}:%s" : "%V:%s", key,
                            what)
                - name->data;

    sc->key_len = ngx_max(sc->key_len, name->len);

    return NGX_OK;
}


/* what depends on whether there is a spool, wherever that stands */

static char *
ngx_http_ai_sink_check_spool(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc)
{
    off_t  min;

    if (sc->spool.len == 0) {

        if (sc->spool_max) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"spool_max=\" in \"ai_usage\" needs a "
                               "folder, write \"spool=FOLDER\"");
            return NGX_CONF_ERROR;
        }

        if (sc->queue_size == 0) {
            sc->queue_size = NGX_HTTP_AI_SINK_QUEUE;
        }

        return NGX_CONF_OK;
    }

    if (sc->queue_size == 0) {
        sc->queue_size = NGX_HTTP_AI_SINK_SPOOL_QUEUE;
    }

    if (sc->queue_size < NGX_HTTP_AI_SPOOL_MIN_QUEUE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"queue=\" in \"ai_usage\" is too small with "
                           "\"spool=\", write \"queue=%uzk\" or more",
                           (size_t) NGX_HTTP_AI_SPOOL_MIN_QUEUE / 1024);
        return NGX_CONF_ERROR;
    }

    if (sc->spool_max == 0) {
        sc->spool_max = NGX_HTTP_AI_SINK_SPOOL_MAX;
    }

    min = (off_t) ngx_http_ai_redis_lanes(&sc->redis) * NGX_HTTP_AI_SPOOL_MIN;

    if (sc->spool_max < min) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"spool_max=\" in \"ai_usage\" is too small for "
                           "the shards of a cluster, write \"spool_max=%Om\" "
                           "or more", min / 1024 / 1024);
        return NGX_CONF_ERROR;
    }

    return ngx_http_ai_sink_spool_folders(cf, sc);
}


/*
 * A file's records go back to the lane that they came from: several lanes
 * have a folder each, inside of the one that is named.
 */

static char *
ngx_http_ai_sink_spool_folders(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc)
{
    u_char      *p;
    ngx_str_t   *folder;
    ngx_uint_t   i, n;

    n = ngx_http_ai_redis_lanes(&sc->redis);

    folder = ngx_palloc(cf->pool, n * sizeof(ngx_str_t));
    if (folder == NULL) {
        return NGX_CONF_ERROR;
    }

    sc->folders = folder;

    if (n == 1) {
        folder[0] = sc->spool;
        return NGX_CONF_OK;
    }

    for (i = 0; i < n; i++) {
        p = ngx_pnalloc(cf->pool, sc->spool.len + 1 + NGX_INT_T_LEN + 1);
        if (p == NULL) {
            return NGX_CONF_ERROR;
        }

        folder[i].data = p;
        folder[i].len = ngx_sprintf(p, "%V/%ui%Z", &sc->spool, i) - 1 - p;

        if (ngx_http_ai_spool_folder(cf, &folder[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_sink_param_stream(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc,
    ngx_str_t *value)
{
    if (value->len == 0 || value->len > NGX_HTTP_AI_SINK_MAX_STREAM) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"stream=%V\" in \"ai_usage\", write the "
                           "key of a Redis stream, 1 to %ui bytes", value,
                           (ngx_uint_t) NGX_HTTP_AI_SINK_MAX_STREAM);
        return NGX_CONF_ERROR;
    }

    sc->stream = *value;

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_sink_param_maxlen(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc,
    ngx_str_t *value)
{
    off_t  n;

    n = ngx_atoof(value->data, value->len);

    if (n == (off_t) NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"maxlen=%V\" in \"ai_usage\", write a "
                           "number of entries, or 0 for no limit", value);
        return NGX_CONF_ERROR;
    }

    sc->maxlen = (uint64_t) n;

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_sink_param_minid(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc,
    ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_parse_time(value, 1);

    if (n <= 0 || n > NGX_HTTP_AI_SINK_MAX_MINID) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"minid=%V\" in \"ai_usage\", write how "
                           "long entries are kept, such as \"minid=7d\"",
                           value);
        return NGX_CONF_ERROR;
    }

    sc->minid = (time_t) n;

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_sink_param_shards(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc,
    ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || n == 0 || n > NGX_HTTP_AI_REDIS_MAX_SHARDS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"shards=%V\" in \"ai_usage\", write a "
                           "number of streams from 1 to %d", value,
                           NGX_HTTP_AI_REDIS_MAX_SHARDS);
        return NGX_CONF_ERROR;
    }

    sc->redis.shards = n;

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_sink_param_queue(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc,
    ngx_str_t *value)
{
    ssize_t  n;

    n = ngx_parse_size(value);

    if (n < NGX_HTTP_AI_REDIS_MIN_QUEUE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"queue=%V\" in \"ai_usage\", write the "
                           "memory for one worker's records, \"%uzk\" or more",
                           value, (size_t) NGX_HTTP_AI_REDIS_MIN_QUEUE / 1024);
        return NGX_CONF_ERROR;
    }

    sc->queue_size = (size_t) n;

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_sink_param_spool(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc,
    ngx_str_t *value)
{
    if (value->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no folder in \"spool=\" of \"ai_usage\", write "
                           "\"spool=FOLDER\"");
        return NGX_CONF_ERROR;
    }

    sc->spool = *value;

    return ngx_http_ai_spool_folder(cf, &sc->spool) == NGX_OK
               ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_ai_sink_param_spool_max(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc,
    ngx_str_t *value)
{
    sc->spool_max = ngx_parse_offset(value);

    if (sc->spool_max < NGX_HTTP_AI_SPOOL_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"spool_max=%V\" in \"ai_usage\", write "
                           "how much the folder may take on the disk, "
                           "\"%uzm\" or more", value,
                           (size_t) NGX_HTTP_AI_SPOOL_MIN / 1024 / 1024);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_ai_sink_param_pins(ngx_conf_t *cf, ngx_http_ai_sink_conf_t *sc,
    ngx_str_t *value)
{
    ngx_int_t  n;

    if (ngx_strcmp(value->data, "off") == 0) {
        sc->pins_max = 0;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value->data, "on") == 0) {
        sc->pins_max = NGX_HTTP_AI_SINK_PINS;
        return NGX_CONF_OK;
    }

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || n == 0 || n > NGX_HTTP_AI_SINK_MAX_PINS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"pins=%V\" in \"ai_usage\", write "
                           "\"pins=on\", \"pins=off\" or how many of them "
                           "Redis keeps, up to %d", value,
                           NGX_HTTP_AI_SINK_MAX_PINS);
        return NGX_CONF_ERROR;
    }

    sc->pins_max = n;

    return NGX_CONF_OK;
}
