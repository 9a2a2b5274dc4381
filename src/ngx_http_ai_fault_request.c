
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* what a request has to do with faults */


#include "ngx_http_ai_attempt.h"
#include "ngx_http_ai_usage.h"


static ngx_uint_t ngx_http_ai_fault_concerns(const ngx_http_ai_fault_t *f,
    ngx_http_ai_ctx_t *ctx);
static ngx_uint_t ngx_http_ai_fault_named(const u_char *p, size_t len,
    const ngx_str_t *name);
static ngx_http_ai_fault_mark_t *ngx_http_ai_fault_marked(
    ngx_http_ai_drill_t *drill, uint64_t id);
static void ngx_http_ai_fault_count_locked(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_fault_mark_t *mark, ngx_http_ai_fault_t *f);
static void ngx_http_ai_fault_back_locked(ngx_http_ai_ctx_t *ctx,
    ngx_http_ai_fault_t *f);


void
ngx_http_ai_fault_scope(ngx_http_ai_ctx_t *ctx)
{
    ngx_uint_t                 i, n;
    ngx_http_ai_zone_t        *zone;
    ngx_http_ai_drill_t       *drill;
    ngx_http_ai_fault_t       *f;
    ngx_http_ai_fault_mark_t  *mark;
    ngx_http_ai_fault_news_t   news[NGX_HTTP_AI_FAULT_SLOTS];

    zone = ctx->conf->zone;

    if (zone->sh->faults.active == 0) {
        return;
    }

    drill = ctx->drill;

    if (drill == NULL) {
        drill = ngx_pcalloc(ctx->request->pool, sizeof(ngx_http_ai_drill_t));
        if (drill == NULL) {
            return;
        }
    }

    ngx_http_ai_zone_lock(zone);

    /* its end comes before what is seen of the account after it */
    n = ngx_http_ai_fault_news_locked(zone, news);

    for (i = 0; i < NGX_HTTP_AI_FAULT_SLOTS; i++) {
        f = &zone->sh->faults.slots[i];

        if (f->id == 0 || f->ended
            || drill->n == NGX_HTTP_AI_FAULT_ACTIVE
            || ngx_http_ai_fault_marked(drill, f->id)
            || !ngx_http_ai_fault_concerns(f, ctx))
        {
            continue;
        }

        mark = &drill->marks[drill->n++];
        mark->id = f->id;
        mark->account = f->account;
    }

    if (drill->n) {
        ctx->drill = drill;

        if (ctx->claim) {
            ctx->claim->drill = 1;
        }
    }

    ngx_http_ai_zone_unlock(zone);

    ngx_http_ai_fault_tell(zone, ngx_cycle->log, news, n);
}


static ngx_uint_t
ngx_http_ai_fault_concerns(const ngx_http_ai_fault_t *f,
    ngx_http_ai_ctx_t *ctx)
{
    ngx_uint_t                      i;
    const ngx_http_ai_target_t     *t;
    const ngx_http_ai_faultspec_t  *spec;

    spec = &f->spec;

    if (!ngx_http_ai_fault_named(spec->class, spec->class_len,
                                 &ctx->policy->name)
        || !ngx_http_ai_fault_named(spec->key_id, spec->key_id_len,
                                    ngx_http_ai_usage_key_id(ctx))
        || !ngx_http_ai_faultspec_model(spec, &ctx->facts.model))
    {
        return 0;
    }

    t = ctx->plan.route->targets.elts;

    for (i = 0; i < ctx->plan.route->targets.nelts; i++) {

        if ((ctx->plan.allowed & ((uint64_t) 1 << i))
            && t[i].account->hash == f->account)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_ai_fault_named(const u_char *p, size_t len, const ngx_str_t *name)
{
    return len == 0
           || (name && name->len == len
               && ngx_memcmp(name->data, p, len) == 0);
}


static ngx_http_ai_fault_mark_t *
ngx_http_ai_fault_marked(ngx_http_ai_drill_t *drill, uint64_t id)
{
    ngx_uint_t  i;

    for (i = 0; i < drill->n; i++) {
        if (drill->marks[i].id == id) {
            return &drill->marks[i];
        }
    }

    return NULL;
}


/* the oldest of those that it meets; each rolls its own dice */

ngx_int_t
ngx_http_ai_fault_meet(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_account_t *account, ngx_uint_t n,
    ngx_http_ai_faultspec_t *spec)
{
    ngx_int_t                  rc;
    ngx_uint_t                 i;
    ngx_http_ai_zone_t        *zone;
    ngx_http_ai_drill_t       *drill;
    ngx_http_ai_fault_t       *f;
    ngx_http_ai_fault_mark_t  *mark;

    zone = ctx->conf->zone;
    drill = ctx->drill;
    rc = NGX_DECLINED;

    if (drill == NULL || zone->sh->faults.active == 0) {
        return NGX_DECLINED;
    }

    ngx_http_ai_zone_lock(zone);

    for (i = 0; i < drill->n && rc == NGX_DECLINED; i++) {
        mark = &drill->marks[i];

        if (mark->account != account->hash) {
            continue;
        }

        f = ngx_http_ai_fault_find_locked(zone, mark->id);

        if (f == NULL || f->ended || ngx_http_ai_fault_expired(f)
            || (ngx_uint_t) ngx_random() % 100 >= f->spec.percent)
        {
            continue;
        }

        if (mark->attempts++ == 0) {
            mark->first = n;
        }

        mark->last = n;

        if (f->first_hit_ms == 0) {
            f->first_hit_ms = ngx_http_ai_zone_time(ngx_current_msec);
        }

        *spec = f->spec;
        rc = NGX_OK;
    }

    ngx_http_ai_zone_unlock(zone);

    return rc;
}


void
ngx_http_ai_fault_settle(ngx_http_ai_ctx_t *ctx)
{
    ngx_uint_t                 i, n;
    ngx_http_ai_zone_t        *zone;
    ngx_http_ai_drill_t       *drill;
    ngx_http_ai_fault_t       *f;
    ngx_http_ai_fault_news_t   news[NGX_HTTP_AI_FAULT_SLOTS];

    zone = ctx->conf->zone;
    drill = ctx->drill;

    if (drill == NULL && zone->sh->faults.watched == 0) {
        return;
    }

    ngx_http_ai_zone_lock(zone);

    n = ngx_http_ai_fault_news_locked(zone, news);

    for (i = 0; drill && i < drill->n; i++) {
        f = ngx_http_ai_fault_find_locked(zone, drill->marks[i].id);

        if (f) {
            ngx_http_ai_fault_count_locked(ctx, &drill->marks[i], f);
        }
    }

    for (i = 0; i < NGX_HTTP_AI_FAULT_SLOTS; i++) {
        f = &zone->sh->faults.slots[i];

        if (f->id && f->watched) {
            ngx_http_ai_fault_back_locked(ctx, f);
        }
    }

    ngx_http_ai_zone_unlock(zone);

    ngx_http_ai_fault_tell(zone, ngx_cycle->log, news, n);
}


static void
ngx_http_ai_fault_count_locked(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_fault_mark_t *mark, ngx_http_ai_fault_t *f)
{
    ngx_uint_t                i;
    const ngx_http_ai_try_t  *try;

    f->requests++;

    if (ctx->outcome == NGX_HTTP_AI_OUTCOME_OK) {
        f->ok++;
    }

    if (mark->attempts == 0) {
        return;
    }

    f->hit++;
    f->attempts += mark->attempts;

    if (ctx->outcome != NGX_HTTP_AI_OUTCOME_OK) {
        f->lost += (ctx->outcome != NGX_HTTP_AI_OUTCOME_CLIENT_GONE);
        return;
    }

    f->saved++;

    try = ctx->attempt->tries;

    f->added_ms += (ngx_msec_int_t) (try[mark->last].start
                                     + try[mark->last].elapsed
                                     - try[mark->first].start);

    for (i = 0; i < ctx->attempt->ntries; i++) {

        /* a provider's bill may be any number */

        if (try[i].target->account->hash != f->account
            && try[i].used_nanousd > 0
            && try[i].used_nanousd < INT64_MAX - f->moved_nanousd)
        {
            f->moved_nanousd += try[i].used_nanousd;
        }
    }
}


/* a try that began after the fault's end and went well */

static void
ngx_http_ai_fault_back_locked(ngx_http_ai_ctx_t *ctx, ngx_http_ai_fault_t *f)
{
    ngx_uint_t                i;
    const ngx_http_ai_try_t  *try;

    if (ctx->attempt == NULL) {
        return;
    }

    try = ctx->attempt->tries;

    for (i = 0; i < ctx->attempt->ntries; i++) {

        if (try[i].verdict == NGX_HTTP_AI_OK
            && try[i].target->account->hash == f->account
            && (ngx_msec_int_t) (try[i].start - f->until) >= 0)
        {
            f->returned_ms = ngx_http_ai_zone_time(
                                 ngx_max(try[i].start + try[i].elapsed, 1));
            f->returned_ms = ngx_max(f->returned_ms, f->ended_ms);
            ngx_http_ai_fault_unwatch_locked(ctx->conf->zone, f);
            return;
        }
    }
}
