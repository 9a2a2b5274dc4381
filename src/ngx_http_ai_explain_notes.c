
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* what a plan's numbers mean, in sentences for people */


#include "ngx_http_ai_explain.h"


#define NGX_HTTP_AI_EXPLAIN_NOTE  512      /* bytes */
#define NGX_HTTP_AI_EXPLAIN_SPAN  (NGX_INT64_LEN + sizeof(" ms"))


static ngx_int_t ngx_http_ai_explain_left(ngx_http_ai_explain_t *ex,
    const ngx_http_ai_plan_t *plan, ngx_uint_t i,
    const ngx_http_ai_explain_candidate_t *c);
static ngx_int_t ngx_http_ai_explain_unwell(ngx_http_ai_explain_t *ex,
    const ngx_http_ai_plan_t *plan, ngx_uint_t i,
    const ngx_http_ai_explain_candidate_t *c);
static ngx_int_t ngx_http_ai_explain_breaker(ngx_http_ai_explain_t *ex,
    const ngx_http_ai_explain_candidate_t *c);
static ngx_int_t ngx_http_ai_explain_part(ngx_http_ai_explain_t *ex,
    const ngx_http_ai_plan_t *plan, const ngx_http_ai_explain_candidate_t *c);
static ngx_int_t ngx_http_ai_explain_chance(ngx_http_ai_explain_t *ex,
    const ngx_http_ai_plan_t *plan, const ngx_http_ai_explain_plan_t *ep);
static u_char *ngx_http_ai_explain_span(u_char *buf, ngx_msec_int_t ms);


ngx_int_t
ngx_http_ai_explain_note(ngx_http_ai_explain_t *ex, const char *fmt, ...)
{
    u_char       text[NGX_HTTP_AI_EXPLAIN_NOTE];
    size_t       len;
    va_list      args;
    ngx_str_t   *note;
    ngx_uint_t   i;

    va_start(args, fmt);
    len = ngx_vslprintf(text, text + sizeof(text), fmt, args) - text;
    va_end(args);

    note = ex->notes.elts;

    for (i = 0; i < ex->notes.nelts; i++) {
        if (note[i].len == len && ngx_memcmp(note[i].data, text, len) == 0) {
            /* an account of several plans */
            return NGX_OK;
        }
    }

    note = ngx_array_push(&ex->notes);
    if (note == NULL) {
        return NGX_ERROR;
    }

    note->len = len;
    note->data = ngx_pnalloc(ex->notes.pool, len);
    if (note->data == NULL) {
        note->len = 0;
        return NGX_ERROR;
    }

    ngx_memcpy(note->data, text, note->len);

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_explain_candidates(ngx_http_ai_explain_t *ex,
    const ngx_http_ai_plan_t *plan, const ngx_http_ai_explain_plan_t *ep)
{
    ngx_int_t                               rc;
    ngx_uint_t                              i, tried;
    const ngx_http_ai_explain_candidate_t  *c;

    tried = 0;

    for (i = 0; i < ep->n; i++) {

        c = &ep->candidates[i];
        tried += (c->order != 0);

        rc = c->order ? ngx_http_ai_explain_part(ex, plan, c)
                      : ngx_http_ai_explain_left(ex, plan, i, c);

        if (rc == NGX_OK && plan->prices->known
            && c->cost == NGX_HTTP_AI_PICK_NO_PRICE)
        {
            rc = ngx_http_ai_explain_note(ex, "the price of \"%V\" at %V is "
                                          "not known", c->model,
                                          &c->target->account->name);
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (tried > ex->ctx->policy->attempts
        && ngx_http_ai_explain_note(ex, "class \"%V\" makes at most %ui "
                                    "attempts: candidates after that are not "
                                    "reached",
                                    &ex->ctx->policy->name,
                                    ex->ctx->policy->attempts)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_ai_explain_chance(ex, plan, ep);
}


/* by ngx_http_ai_excluded_e, in the room's order */

static ngx_int_t
ngx_http_ai_explain_left(ngx_http_ai_explain_t *ex,
    const ngx_http_ai_plan_t *plan, ngx_uint_t i,
    const ngx_http_ai_explain_candidate_t *c)
{
    ngx_str_t  *name;

    name = &c->target->account->name;

    switch (plan->excluded[i]) {

    case NGX_HTTP_AI_EXCLUDED_ENDPOINT:
        return ngx_http_ai_explain_note(ex, "%V is not tried: its provider "
                                        "%V has no %V", name,
                                        &c->target->account->provider->name,
                                        &ex->ctx->facts.endpoint->path);

    case NGX_HTTP_AI_EXCLUDED_CLASS:
        return ngx_http_ai_explain_note(ex, "%V is not tried: it is no "
                                        "account of class \"%V\"", name,
                                        &ex->ctx->policy->name);

    case NGX_HTTP_AI_EXCLUDED_COST:

        if (c->cost == NGX_HTTP_AI_PICK_NO_PRICE) {
            return ngx_http_ai_explain_note(ex, "%V is not tried: class "
                                            "\"%V\" has a limit of prices, "
                                            "and its own is not known", name,
                                            &ex->ctx->policy->name);
        }

        return ngx_http_ai_explain_note(ex, "%V is not tried: it is too dear "
                                        "for class \"%V\"", name,
                                        &ex->ctx->policy->name);

    case NGX_HTTP_AI_EXCLUDED_HEALTH:
        return ngx_http_ai_explain_unwell(ex, plan, i, c);

    default:
        return NGX_OK;
    }
}


static ngx_int_t
ngx_http_ai_explain_unwell(ngx_http_ai_explain_t *ex,
    const ngx_http_ai_plan_t *plan, ngx_uint_t i,
    const ngx_http_ai_explain_candidate_t *c)
{
    u_char            back[NGX_HTTP_AI_EXPLAIN_SPAN], *last;
    const char       *fmt;
    ngx_str_t        *name;
    const ngx_str_t  *cause;

    name = &c->target->account->name;
    cause = &ngx_http_ai_verdict(plan->causes[i])->name;

    switch (plan->states[i]) {

    case NGX_HTTP_AI_HEALTH_STOPPED:
        return ngx_http_ai_explain_note(ex, "%V is not tried: an operator %s "
                                        "it", name,
                                        c->survey.operate
                                        == NGX_HTTP_AI_OPERATE_DRAIN
                                        ? "drained" : "disabled");

    case NGX_HTTP_AI_HEALTH_COOLING:
        fmt = "%V is not tried: it cools down after %V, for another %*s";
        break;

    case NGX_HTTP_AI_HEALTH_CLOSED:
        fmt = "%V is not tried: it is closed by %V, the next probe is due in "
              "%*s";
        break;

    case NGX_HTTP_AI_HEALTH_LIMITED:
        fmt = "%V is not tried: its limits let no more through (%V), for "
              "another %*s";
        break;

    default: /* TRIPPED, or another request has the probe */
        return ngx_http_ai_explain_breaker(ex, c);
    }

    last = ngx_http_ai_explain_span(back, (ngx_msec_int_t)
                                          (plan->until[i] - ngx_current_msec));

    return ngx_http_ai_explain_note(ex, fmt, name, cause,
                                    (size_t) (last - back), back);
}


static ngx_int_t
ngx_http_ai_explain_breaker(ngx_http_ai_explain_t *ex,
    const ngx_http_ai_explain_candidate_t *c)
{
    u_char      since[NGX_HTTP_AI_EXPLAIN_SPAN];
    u_char      due[NGX_HTTP_AI_EXPLAIN_SPAN], *s, *d;
    const char  *which;

    which = c->survey.connections ? "breaker of connections" : "breaker";

    s = ngx_http_ai_explain_span(since, (ngx_msec_int_t)
                                      (ngx_current_msec - c->survey.since));

    if (c->survey.breaker.state == NGX_HTTP_AI_BREAKER_HALF_OPEN) {
        return ngx_http_ai_explain_note(ex,
                   "%V is not tried: its %s is open since %*s, a probe is out "
                   "just now", &c->target->account->name, which,
                   (size_t) (s - since), since);
    }

    d = ngx_http_ai_explain_span(due, (ngx_msec_int_t)
                               (c->survey.breaker.until - ngx_current_msec));

    return ngx_http_ai_explain_note(ex,
               "%V is not tried: its %s is open since %*s, the next probe is "
               "due in %*s", &c->target->account->name, which,
               (size_t) (s - since), since, (size_t) (d - due), due);
}


/* of one that is tried, but not like the others */

static ngx_int_t
ngx_http_ai_explain_part(ngx_http_ai_explain_t *ex,
    const ngx_http_ai_plan_t *plan, const ngx_http_ai_explain_candidate_t *c)
{
    ngx_str_t  *name;

    name = &c->target->account->name;

    if (c->health.state == NGX_HTTP_AI_HEALTH_PROBE) {
        return ngx_http_ai_explain_note(ex, "%V gets one request, as a probe, "
                                        "whose end tells whether there are "
                                        "more", name);
    }

    if (c->health.percent >= 100) {
        return NGX_OK;
    }

    return ngx_http_ai_explain_note(ex, "%V has %ui percent of its weight: it "
               "%s", name, c->health.percent,
               c->survey.breaker.state == NGX_HTTP_AI_BREAKER_RAMPING
               && c->survey.breaker.weight <= c->health.percent
               ? "ramps up" : "is short of its provider's limits");
}


/* where an order is not what happens to each request */

static ngx_int_t
ngx_http_ai_explain_chance(ngx_http_ai_explain_t *ex,
    const ngx_http_ai_plan_t *plan, const ngx_http_ai_explain_plan_t *ep)
{
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < ep->n; i++) {
        n += (ep->candidates[i].order
              && ep->candidates[i].target->tier
                 == ep->candidates[0].target->tier);
    }

    if (plan->balance == NGX_HTTP_AI_BALANCE_HASH && n > 1 && !ex->keyed) {
        return ngx_http_ai_explain_note(ex, "the request has no session: each "
                                        "goes its own way, by weight");
    }

    if ((plan->balance == NGX_HTTP_AI_BALANCE_LEAST_BUSY
         || plan->balance == NGX_HTTP_AI_BALANCE_LEAST_TIME)
        && n > 2)
    {
        return ngx_http_ai_explain_note(ex, "two of %ui are drawn by weight "
                                        "for each request, the better one of "
                                        "them is tried", n);
    }

    return NGX_OK;
}


/* "350 ms", "12 s"; the end of what was written */

static u_char *
ngx_http_ai_explain_span(u_char *buf, ngx_msec_int_t ms)
{
    ms = ngx_max(ms, 0);

    return ms < 1000 ? ngx_sprintf(buf, "%i ms", ms)
                     : ngx_sprintf(buf, "%i s", (ms + 500) / 1000);
}
