
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_recent.h"
#include "ngx_http_ai_usage.h"


#define NGX_HTTP_AI_RECENT_PART  16         /* of the zone */
#define NGX_HTTP_AI_RECENT_MIN   ((size_t) 16 * 1024)
#define NGX_HTTP_AI_RECENT_MAX   ((size_t) 8 * 1024 * 1024)


static void ngx_http_ai_recent_tries(ngx_http_ai_trail_pack_t *pack,
    ngx_http_ai_ctx_t *ctx);
static void ngx_http_ai_recent_left(ngx_http_ai_trail_pack_t *pack,
    ngx_http_ai_ctx_t *ctx);
static ngx_int_t ngx_http_ai_recent_describe(const ngx_http_ai_plan_t *plan,
    ngx_uint_t i, ngx_http_ai_trail_left_t *left);
static void ngx_http_ai_recent_plan(ngx_http_ai_trail_pack_t *pack,
    const ngx_http_ai_plan_t *plan);
static void ngx_http_ai_recent_append(ngx_http_ai_zone_t *zone,
    ngx_http_ai_trail_pack_t *pack);


void
ngx_http_ai_recent_record(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_record_t *rec)
{
    u_char                    buf[NGX_HTTP_AI_TRAIL_PACKED];
    ngx_http_ai_trail_pack_t  pack;

    ngx_http_ai_trail_begin(&pack, buf, rec);
    ngx_http_ai_recent_append(zone, &pack);
}


void
ngx_http_ai_recent_request(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_record_t *rec)
{
    u_char                    buf[NGX_HTTP_AI_TRAIL_PACKED];
    ngx_http_ai_trail_pack_t  pack;

    ngx_http_ai_trail_begin(&pack, buf, rec);

    if (ctx->attempt) {
        ngx_http_ai_recent_tries(&pack, ctx);
    }

    ngx_http_ai_recent_left(&pack, ctx);
    ngx_http_ai_recent_append(ctx->conf->zone, &pack);
}


static void
ngx_http_ai_recent_tries(ngx_http_ai_trail_pack_t *pack,
    ngx_http_ai_ctx_t *ctx)
{
    ngx_uint_t                i;
    ngx_http_ai_try_t        *try;
    ngx_http_ai_record_t      rec;
    ngx_http_ai_attempt_t    *at;
    ngx_http_ai_trail_try_t   t;

    at = ctx->attempt;

    for (i = 0; i < at->ntries; i++) {
        try = &at->tries[i];

        ngx_http_ai_usage_tokens(try, &rec);

        t.account = try->target->account->name;
        t.provider = try->target->account->provider->name;
        t.model = *try->model;
        t.status = try->status ? (int64_t) try->status
                               : NGX_HTTP_AI_RECORD_ABSENT;
        t.verdict = ngx_http_ai_verdict(try->verdict)->name;
        t.start_ms = (int64_t) (try->start - ctx->start);
        t.elapsed_ms = try->elapsed;
        t.why = *ngx_http_ai_why(try->why);
        t.fault = try->fault;
        t.input_tokens = rec.input_tokens;
        t.output_tokens = rec.output_tokens;
        t.cost_nanousd = rec.cost_nanousd;

        if (i + 1 == at->ntries && at->committed) {
            t.elapsed_ms = ngx_current_msec - try->start;
        }

        ngx_http_ai_trail_add_try(pack, &t);
    }
}


/* of the route, then of the backups that were looked at */

static void
ngx_http_ai_recent_left(ngx_http_ai_trail_pack_t *pack,
    ngx_http_ai_ctx_t *ctx)
{
    ngx_uint_t                 i;
    ngx_http_ai_attempt_t     *at;
    ngx_http_ai_trail_left_t  *left;

    at = ctx->attempt;

    if (at == NULL) {
        ngx_http_ai_recent_plan(pack, &ctx->plan);
        return;
    }

    ngx_http_ai_recent_plan(pack, at->on_backup ? &at->own : &ctx->plan);

    if (at->left) {
        left = at->left->elts;

        for (i = 0; i < at->left->nelts; i++) {
            ngx_http_ai_trail_add_left(pack, &left[i]);
        }
    }

    if (at->other.route && at->other.route != ctx->plan.route) {
        ngx_http_ai_recent_plan(pack, &at->other);
    }

    if (at->on_backup) {
        ngx_http_ai_recent_plan(pack, &ctx->plan);
    }
}


static void
ngx_http_ai_recent_plan(ngx_http_ai_trail_pack_t *pack,
    const ngx_http_ai_plan_t *plan)
{
    ngx_uint_t                i;
    ngx_http_ai_trail_left_t  left;

    if (plan->route == NULL) {
        return;
    }

    for (i = 0; i < plan->route->targets.nelts; i++) {
        if (ngx_http_ai_recent_describe(plan, i, &left) == NGX_OK) {
            ngx_http_ai_trail_add_left(pack, &left);
        }
    }
}


void
ngx_http_ai_recent_forgo(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_plan_t *plan)
{
    ngx_uint_t                 i;
    ngx_http_ai_attempt_t     *at;
    ngx_http_ai_trail_left_t  *kept, left;

    at = ctx->attempt;

    for (i = 0; i < plan->route->targets.nelts; i++) {

        if (ngx_http_ai_recent_describe(plan, i, &left) != NGX_OK) {
            continue;
        }

        if (at->left == NULL) {
            at->left = ngx_array_create(ctx->request->pool, 4,
                                        sizeof(ngx_http_ai_trail_left_t));
            if (at->left == NULL) {
                return;
            }
        }

        if (at->left->nelts == NGX_HTTP_AI_MAX_TARGETS) {
            return;
        }

        kept = ngx_array_push(at->left);
        if (kept == NULL) {
            return;
        }

        *kept = left;
    }
}


/* NGX_DECLINED: it was tried, or there was no need to */

static ngx_int_t
ngx_http_ai_recent_describe(const ngx_http_ai_plan_t *plan, ngx_uint_t i,
    ngx_http_ai_trail_left_t *left)
{
    const ngx_str_t             *word;
    const ngx_http_ai_target_t  *t;

    word = ngx_http_ai_route_reason(plan, i);

    if (word == NULL || plan->excluded[i] == NGX_HTTP_AI_EXCLUDED_TRIED) {
        return NGX_DECLINED;
    }

    t = plan->route->targets.elts;
    t += i;

    left->account = t->account->name;
    left->model = t->model.len ? t->model : *plan->model;
    left->reason = *word;
    left->back_ms = ngx_http_ai_route_back_ms(plan, i);

    word = ngx_http_ai_route_cause(plan, i);

    if (word) {
        left->cause = *word;

    } else {
        ngx_str_null(&left->cause);
    }

    return NGX_OK;
}


static void
ngx_http_ai_recent_append(ngx_http_ai_zone_t *zone,
    ngx_http_ai_trail_pack_t *pack)
{
    size_t  len;

    len = ngx_http_ai_trail_end(pack);

    ngx_http_ai_zone_lock(zone);
    (void) ngx_http_ai_ring_append(zone->sh->recent, pack->start, len);
    ngx_http_ai_zone_unlock(zone);
}


size_t
ngx_http_ai_recent_bytes(size_t zone)
{
    size_t  bytes;

    bytes = zone / NGX_HTTP_AI_RECENT_PART;
    bytes = ngx_max(bytes, NGX_HTTP_AI_RECENT_MIN);
    bytes = ngx_min(bytes, NGX_HTTP_AI_RECENT_MAX);

    return bytes - bytes % ngx_pagesize;
}


size_t
ngx_http_ai_recent_back(ngx_http_ai_zone_t *zone, uint64_t *pos, u_char *buf)
{
    size_t  n;

    ngx_http_ai_zone_lock(zone);
    n = ngx_http_ai_ring_back(zone->sh->recent, pos, buf,
                              NGX_HTTP_AI_RECENT_SLICE);
    ngx_http_ai_zone_unlock(zone);

    return n;
}


ngx_uint_t
ngx_http_ai_recent_held(ngx_http_ai_zone_t *zone, int64_t *oldest_ms)
{
    ngx_uint_t                n;
    ngx_http_ai_trail_head_t  head;

    ngx_http_ai_zone_lock(zone);
    n = ngx_http_ai_ring_held(zone->sh->recent, (u_char *) &head,
                              sizeof(head));
    ngx_http_ai_zone_unlock(zone);

    *oldest_ms = head.ts_ms;

    return n;
}
