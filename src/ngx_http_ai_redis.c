
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <poll.h>

#include "ngx_http_ai_redis_link.h"


#define NGX_HTTP_AI_REDIS_STEP_MS  10
#define NGX_HTTP_AI_REDIS_KEPT_MS  300    /* at exit, without a success, for
                                             who is kept elsewhere */


struct ngx_http_ai_redis_s {
    ngx_cycle_t                  *cycle;
    const ngx_http_ai_redis_conf_t  *conf;
    ngx_http_ai_redis_link_t     *links;
    ngx_uint_t                    nlinks;
};


static void ngx_http_ai_redis_step(ngx_http_ai_redis_t *redis,
    ngx_msec_t limit);
static ngx_uint_t ngx_http_ai_redis_left(ngx_http_ai_redis_t *redis,
    ngx_msec_t waited);


/*
 * A cluster's shards have a lane each, so that one node that is away holds up
 * its own shards alone, and the order of a key is kept.
 */

ngx_http_ai_redis_t *
ngx_http_ai_redis_create(ngx_cycle_t *cycle,
    const ngx_http_ai_redis_conf_t *conf, void (*changed)(void *data),
    void *data)
{
    ngx_uint_t            i;
    ngx_http_ai_redis_t  *redis;

    redis = ngx_pcalloc(cycle->pool, sizeof(ngx_http_ai_redis_t));
    if (redis == NULL) {
        return NULL;
    }

    redis->cycle = cycle;
    redis->conf = conf;
    redis->nlinks = ngx_http_ai_redis_lanes(conf);

    redis->links = ngx_pcalloc(cycle->pool, redis->nlinks
                                       * sizeof(ngx_http_ai_redis_link_t));

    if (redis->links == NULL) {
        return NULL;
    }

    for (i = 0; i < redis->nlinks; i++) {
        redis->links[i].changed = changed;
        redis->links[i].data = data;
    }

    return redis;
}


void
ngx_http_ai_redis_facts(ngx_http_ai_redis_t *redis,
    ngx_http_ai_redis_facts_t *facts)
{
    ngx_uint_t                 i;
    ngx_http_ai_redis_link_t  *link;

    ngx_memzero(facts, sizeof(ngx_http_ai_redis_facts_t));

    for (i = 0; i < redis->nlinks; i++) {
        link = &redis->links[i];

        facts->connected += ngx_http_ai_redis_link_connected(link);
        facts->confirmed += link->confirmed;
        facts->refused += link->refused;

        if (link->queue.n
            && (facts->since == 0
                || (ngx_msec_int_t) (link->waits - facts->since) < 0))
        {
            facts->since = ngx_max(link->waits, 1);
        }
    }
}


ngx_int_t
ngx_http_ai_redis_start(ngx_http_ai_redis_t *redis, ngx_uint_t lane,
    size_t queue_size, u_char *map, ngx_uint_t kept)
{
    return ngx_http_ai_redis_link_start(&redis->links[lane], redis->cycle,
                                        redis->conf, queue_size, map, kept);
}


u_char *
ngx_http_ai_redis_reserve(ngx_http_ai_redis_t *redis, ngx_uint_t lane,
    size_t min, size_t *size)
{
    return ngx_http_ai_resp_queue_reserve(&redis->links[lane].queue, min,
                                          size);
}


void
ngx_http_ai_redis_commit(ngx_http_ai_redis_t *redis, ngx_uint_t lane,
    size_t len, ngx_uint_t copy)
{
    ngx_http_ai_resp_queue_commit(&redis->links[lane].queue, len, copy);

    ngx_http_ai_redis_link_queued(&redis->links[lane]);
}


ngx_uint_t
ngx_http_ai_redis_takes(ngx_http_ai_redis_t *redis, ngx_uint_t lane)
{
    return ngx_http_ai_redis_link_takes(&redis->links[lane]);
}


ngx_http_ai_resp_queue_t *
ngx_http_ai_redis_queue(ngx_http_ai_redis_t *redis, ngx_uint_t lane)
{
    return &redis->links[lane].queue;
}


/*
 * At exit the same connections go on, only that poll() stands in for the
 * event loop: no command is sent twice for that, and the bound is exact.
 */

void
ngx_http_ai_redis_stop(ngx_http_ai_redis_t *redis, ngx_msec_t limit)
{
    ngx_uint_t      i;
    ngx_msec_t      deadline;
    ngx_msec_int_t  left;

    ngx_time_update();

    deadline = ngx_current_msec + limit;
    left = (ngx_msec_int_t) limit;

    for (i = 0; i < redis->nlinks; i++) {
        ngx_http_ai_redis_link_close(&redis->links[i]);
    }

    while (left > 0
           && ngx_http_ai_redis_left(redis, limit - (ngx_msec_t) left))
    {
        ngx_http_ai_redis_step(redis, (ngx_msec_t) left);

        ngx_time_update();
        left = (ngx_msec_int_t) (deadline - ngx_current_msec);
    }

    for (i = 0; i < redis->nlinks; i++) {
        ngx_http_ai_redis_link_end(&redis->links[i]);
    }
}


void
ngx_http_ai_redis_free(ngx_http_ai_redis_t *redis)
{
    ngx_uint_t  i;

    for (i = 0; i < redis->nlinks; i++) {
        ngx_http_ai_resp_queue_free(&redis->links[i].queue);
    }
}


static void
ngx_http_ai_redis_step(ngx_http_ai_redis_t *redis, ngx_msec_t limit)
{
    ngx_uint_t                 i, n, waits;
    struct pollfd              pfd[NGX_HTTP_AI_REDIS_MAX_SHARDS];
    ngx_http_ai_redis_link_t  *link, *links[NGX_HTTP_AI_REDIS_MAX_SHARDS];

    n = 0;
    waits = 0;

    for (i = 0; i < redis->nlinks; i++) {
        link = &redis->links[i];

        if (link->queue.n == 0) {
            continue;
        }

        ngx_http_ai_redis_link_step(link);

        if (link->session.conn.c == NULL) {
            waits = 1;
            continue;
        }

        pfd[n].fd = link->session.conn.c->fd;
        pfd[n].events = ngx_http_ai_redis_conn_events(&link->session.conn);
        pfd[n].revents = 0;
        links[n++] = link;
    }

    if (waits) {
        limit = ngx_min(limit, NGX_HTTP_AI_REDIS_STEP_MS);
    }

    limit = ngx_min(limit, NGX_HTTP_AI_REDIS_KEPT_MS);

    if (poll(pfd, n, (int) limit) <= 0) {
        return;
    }

    for (i = 0; i < n; i++) {
        if (pfd[i].revents) {
            ngx_http_ai_redis_conn_polled(&links[i]->session.conn,
                                          pfd[i].revents);
        }
    }
}


/* commands that are worth to wait for after so many ms */

static ngx_uint_t
ngx_http_ai_redis_left(ngx_http_ai_redis_t *redis, ngx_msec_t waited)
{
    ngx_uint_t                 i, n;
    ngx_http_ai_redis_link_t  *link;

    n = 0;

    for (i = 0; i < redis->nlinks; i++) {
        link = &redis->links[i];

        if (link->kept && !link->session.up
            && waited >= NGX_HTTP_AI_REDIS_KEPT_MS)
        {
            continue;
        }

        n += link->queue.n;
    }

    return n;
}
