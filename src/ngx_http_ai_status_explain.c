
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * GET explain?model=M[&class=&key_id=&stream=&endpoint=&input_tokens=
 * &max_tokens=&session=]: the plan for a request that is not sent.
 */


#include "ngx_http_ai_explain.h"
#include "ngx_http_ai_status_view.h"
#include "pure/ngx_http_ai_endpoint.h"


#define NGX_HTTP_AI_EXPLAIN_TOKENS  1000000000     /* more is no number */


static const char *ngx_http_ai_status_explain_args(ngx_http_request_t *r,
    ngx_http_ai_explain_ask_t *ask);
static const char *ngx_http_ai_status_explain_names(ngx_http_request_t *r,
    ngx_http_ai_explain_ask_t *ask);
static const char *ngx_http_ai_status_explain_endpoint(ngx_http_request_t *r,
    ngx_http_ai_explain_ask_t *ask);
static const char *ngx_http_ai_status_explain_stream(ngx_http_request_t *r,
    ngx_http_ai_explain_ask_t *ask);
static ngx_int_t ngx_http_ai_status_explain_tokens(ngx_http_request_t *r,
    const char *name, int64_t *tokens);
static void ngx_http_ai_status_explain_head(ngx_http_ai_writer_t *w,
    const ngx_http_ai_explain_ask_t *ask, const ngx_http_ai_explain_t *ex);
static void ngx_http_ai_status_explain_plan(ngx_http_ai_writer_t *w,
    const ngx_http_ai_explain_plan_t *ep, ngx_uint_t backup);
static void ngx_http_ai_status_explain_candidate(ngx_http_ai_writer_t *w,
    const ngx_http_ai_explain_candidate_t *c, ngx_http_ai_balance_e balance);
static void ngx_http_ai_status_explain_price(ngx_http_ai_writer_t *w,
    const char *name, int64_t pico);


ngx_int_t
ngx_http_ai_status_explain(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call)
{
    ngx_int_t                   rc;
    ngx_str_t                  *note;
    ngx_uint_t                  i;
    const char                 *wrong;
    ngx_http_ai_writer_t        w;
    ngx_http_ai_explain_t       ex;
    ngx_http_ai_explain_ask_t   ask;

    if (call->conf->zone == NULL) {
        return ngx_http_ai_status_no_zone(r);
    }

    wrong = ngx_http_ai_status_explain_args(r, &ask);

    if (wrong) {
        return ngx_http_ai_status_error(r, NGX_HTTP_BAD_REQUEST,
                                        "invalid_request_error", wrong);
    }

    rc = ngx_http_ai_explain(r, &ask, &ex);

    if (rc == NGX_DECLINED) {
        return ngx_http_ai_status_error(r, NGX_HTTP_NOT_FOUND,
                                        "key_not_found",
                                        "there is no key \"%V\"",
                                        &ask.key_id);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_ai_writer_init(&w, r->pool);
    ngx_http_ai_writer_open(&w, NULL, '{');

    ngx_http_ai_status_explain_head(&w, &ask, &ex);

    ngx_http_ai_writer_open(&w, "plan", '[');

    for (i = 0; i < ex.nplans; i++) {
        ngx_http_ai_status_explain_plan(&w, &ex.plans[i], i != 0);
    }

    ngx_http_ai_writer_close(&w, ']');

    ngx_http_ai_writer_open(&w, "notes", '[');

    note = ex.notes.elts;

    for (i = 0; i < ex.notes.nelts; i++) {
        ngx_http_ai_writer_str(&w, NULL, &note[i]);
    }

    ngx_http_ai_writer_close(&w, ']');
    ngx_http_ai_writer_close(&w, '}');

    return ngx_http_ai_status_answer(r, NGX_HTTP_OK, &w);
}


/* not NULL: what is wrong with them */

static const char *
ngx_http_ai_status_explain_args(ngx_http_request_t *r,
    ngx_http_ai_explain_ask_t *ask)
{
    const char  *wrong;

    ngx_memzero(ask, sizeof(ngx_http_ai_explain_ask_t));

    ask->max = -1;

    wrong = ngx_http_ai_status_explain_names(r, ask);

    if (wrong == NULL) {
        wrong = ngx_http_ai_status_explain_endpoint(r, ask);
    }

    if (wrong == NULL) {
        wrong = ngx_http_ai_status_explain_stream(r, ask);
    }

    if (wrong) {
        return wrong;
    }

    if (ngx_http_ai_status_explain_tokens(r, "input_tokens", &ask->input)
        != NGX_OK)
    {
        return "\"input_tokens\" must be a number of tokens, at most "
               "1000000000";
    }

    if (ngx_http_ai_status_explain_tokens(r, "max_tokens", &ask->max)
        != NGX_OK)
    {
        return "\"max_tokens\" must be a number of tokens, at most "
               "1000000000";
    }

    return NULL;
}


static const char *
ngx_http_ai_status_explain_names(ngx_http_request_t *r,
    ngx_http_ai_explain_ask_t *ask)
{
    if (ngx_http_ai_status_arg(r, "model", &ask->model) == NGX_ERROR
        || ngx_http_ai_status_arg(r, "class", &ask->class) == NGX_ERROR
        || ngx_http_ai_status_arg(r, "key_id", &ask->key_id) == NGX_ERROR
        || ngx_http_ai_status_arg(r, "session", &ask->session) == NGX_ERROR)
    {
        return "no memory";
    }

    if (ask->model.data == NULL) {
        return "\"model\" is missing";
    }

    if (ask->model.len > NGX_HTTP_AI_MAX_MODEL
        || !ngx_http_ai_request_sane_model(&ask->model))
    {
        return "\"model\" must be 1 to 256 bytes of UTF-8 without control "
               "characters";
    }

    if (ask->class.data && ask->class.len == 0) {
        return "\"class\" must be the name of a class";
    }

    if (ask->key_id.data && ask->key_id.len == 0) {
        return "\"key_id\" must be the id of a key";
    }

    return NULL;
}


/* as in records, or as in a path */

static const char *
ngx_http_ai_status_explain_endpoint(ngx_http_request_t *r,
    ngx_http_ai_explain_ask_t *ask)
{
    ngx_int_t                      rc;
    ngx_str_t                      name;
    const ngx_http_ai_endpoint_t  *ep;

    rc = ngx_http_ai_status_arg(r, "endpoint", &name);

    if (rc == NGX_ERROR) {
        return "no memory";
    }

    if (rc == NGX_DECLINED) {
        ask->endpoint = ngx_http_ai_endpoint_named((u_char *) "chat", 4);
        return NULL;
    }

    ep = ngx_http_ai_endpoint_named(name.data, name.len);

    if (ep == NULL) {
        ep = ngx_http_ai_endpoint_find(name.data, name.len, NULL);
    }

    if (ep == NULL || ep->model == NGX_HTTP_AI_MODEL_NONE) {
        return "\"endpoint\" must be one with a model, such as "
               "chat/completions, or its name in the usage records";
    }

    ask->endpoint = ep;

    return NULL;
}


static const char *
ngx_http_ai_status_explain_stream(ngx_http_request_t *r,
    ngx_http_ai_explain_ask_t *ask)
{
    ngx_int_t   rc;
    ngx_str_t   value;
    ngx_uint_t  i;

    static const struct {
        ngx_str_t   word;
        ngx_uint_t  stream;
    } words[] = {
        { ngx_string("0"), 0 },
        { ngx_string("1"), 1 },
        { ngx_string("false"), 0 },
        { ngx_string("true"), 1 }
    };

    rc = ngx_http_ai_status_arg(r, "stream", &value);

    if (rc == NGX_ERROR) {
        return "no memory";
    }

    if (rc == NGX_DECLINED) {
        return NULL;
    }

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (value.len == words[i].word.len
            && ngx_memcmp(value.data, words[i].word.data, value.len) == 0)
        {
            ask->stream = words[i].stream;
            return NULL;
        }
    }

    return "\"stream\" must be 0 or 1, or true or false";
}


/* NGX_OK also where it is not said */

static ngx_int_t
ngx_http_ai_status_explain_tokens(ngx_http_request_t *r, const char *name,
    int64_t *tokens)
{
    ngx_int_t  rc, n;
    ngx_str_t  value;

    rc = ngx_http_ai_status_arg(r, name, &value);

    if (rc == NGX_DECLINED) {
        return NGX_OK;
    }

    n = (rc == NGX_OK) ? ngx_atoi(value.data, value.len) : NGX_ERROR;

    if (n == NGX_ERROR || n > NGX_HTTP_AI_EXPLAIN_TOKENS) {
        return NGX_ERROR;
    }

    *tokens = n;

    return NGX_OK;
}


static void
ngx_http_ai_status_explain_head(ngx_http_ai_writer_t *w,
    const ngx_http_ai_explain_ask_t *ask, const ngx_http_ai_explain_t *ex)
{
    const ngx_http_ai_ctx_t    *ctx;
    const ngx_http_ai_error_t  *error;

    ctx = ex->ctx;
    error = &ctx->error;

    ngx_http_ai_writer_str(w, "model", &ask->model);
    ngx_http_ai_writer_str(w, "route", ctx->route ? &ctx->route->name : NULL);
    ngx_http_ai_writer_str(w, "class", ctx->policy ? &ctx->policy->name
                                                   : NULL);
    ngx_http_ai_writer_word(w, "key_id", &ask->key_id);
    ngx_http_ai_writer_bool(w, "stream", ask->stream);
    ngx_http_ai_writer_str(w, "endpoint", &ask->endpoint->path);
    ngx_http_ai_writer_int(w, "input_tokens", ask->input);
    ngx_http_ai_writer_int(w, "output_tokens", ctx->plan.route
                                               ? ctx->facts.output
                                               : NGX_HTTP_AI_WRITER_NULL);
    if (ex->limited) {
        ngx_http_ai_status_limits(w, &ex->limits);

    } else {
        ngx_http_ai_writer_open(w, "limits", '[');
        ngx_http_ai_writer_close(w, ']');
    }
    ngx_http_ai_writer_bool(w, "allowed", error->status == 0);

    if (error->status) {
        ngx_http_ai_writer_open(w, "refusal", '{');
        ngx_http_ai_writer_int(w, "status", error->status);
        ngx_http_ai_writer_str(w, "code", &error->code);
        ngx_http_ai_writer_str(w, "message", &error->message);
        ngx_http_ai_writer_close(w, '}');

    } else {
        ngx_http_ai_writer_null(w, "refusal");
    }

    if (ex->nplans) {
        ngx_http_ai_writer_cstr(w, "balance",
                           ngx_http_ai_balance_name(ex->plans[0].balance));
    } else {
        ngx_http_ai_writer_null(w, "balance");
    }
}


/* in the order in which they would be tried, and then the others */

static void
ngx_http_ai_status_explain_plan(ngx_http_ai_writer_t *w,
    const ngx_http_ai_explain_plan_t *ep, ngx_uint_t backup)
{
    ngx_uint_t                              i, order;
    const ngx_http_ai_explain_candidate_t  *c;

    ngx_http_ai_writer_open(w, NULL, '{');
    ngx_http_ai_writer_str(w, "model", ep->model);
    ngx_http_ai_writer_bool(w, "backup", backup);
    ngx_http_ai_writer_open(w, "candidates", '[');

    for (order = 1; order <= ep->n; order++) {
        for (i = 0; i < ep->n; i++) {

            c = &ep->candidates[i];

            if (c->order == order) {
                ngx_http_ai_status_explain_candidate(w, c, ep->balance);
            }
        }
    }

    for (i = 0; i < ep->n; i++) {

        c = &ep->candidates[i];

        if (c->order == 0) {
            ngx_http_ai_status_explain_candidate(w, c, ep->balance);
        }
    }

    ngx_http_ai_writer_close(w, ']');
    ngx_http_ai_writer_close(w, '}');
}


static void
ngx_http_ai_status_explain_candidate(ngx_http_ai_writer_t *w,
    const ngx_http_ai_explain_candidate_t *c, ngx_http_ai_balance_e balance)
{
    const ngx_http_ai_account_t  *account;

    account = c->target->account;

    ngx_http_ai_writer_open(w, NULL, '{');

    ngx_http_ai_writer_int(w, "order", c->order ? (int64_t) c->order
                                                : NGX_HTTP_AI_WRITER_NULL);
    ngx_http_ai_writer_str(w, "account", &account->name);
    ngx_http_ai_writer_str(w, "provider", &account->provider->name);
    ngx_http_ai_writer_str(w, "model", c->model);
    ngx_http_ai_writer_int(w, "tier", c->target->tier);
    ngx_http_ai_writer_int(w, "weight", c->target->weight);

    ngx_http_ai_writer_milli(w, "share", (int64_t) c->score.share * 100);
    ngx_http_ai_writer_milli(w, "score", c->score.score);
    ngx_http_ai_writer_cstr(w, "score_unit",
                            ngx_http_ai_balance_unit(balance));

    ngx_http_ai_writer_bool(w, "eligible", c->reason == NULL);
    ngx_http_ai_writer_str(w, "reason", c->reason);
    ngx_http_ai_writer_str(w, "cause", c->cause);
    ngx_http_ai_writer_int(w, "back_ms", c->back_ms);
    ngx_http_ai_writer_str(w, "state",
                           ngx_http_ai_health_name(c->health.state));
    ngx_http_ai_writer_str(w, "breaker",
                   ngx_http_ai_breaker_state_name(c->survey.breaker.state));
    ngx_http_ai_writer_int(w, "percent", c->health.percent);
    ngx_http_ai_writer_int(w, "inflight", c->survey.inflight);

    ngx_http_ai_writer_int(w, "cost_nanousd",
                           c->cost == NGX_HTTP_AI_PICK_NO_PRICE
                           ? NGX_HTTP_AI_WRITER_NULL : (int64_t) c->cost);
    ngx_http_ai_status_explain_price(w, "input_usd_per_mtok", c->input_pico);
    ngx_http_ai_status_explain_price(w, "output_usd_per_mtok",
                                     c->output_pico);

    ngx_http_ai_status_limits(w, &c->survey.limits);
    ngx_http_ai_writer_close(w, '}');
}


/* picodollars for one are microdollars for a million */

static void
ngx_http_ai_status_explain_price(ngx_http_ai_writer_t *w, const char *name,
    int64_t pico)
{
    u_char     text[NGX_INT64_LEN + sizeof(".000000")], *last;
    ngx_str_t  value;

    if (pico == NGX_HTTP_AI_PRICE_UNKNOWN) {
        ngx_http_ai_writer_null(w, name);
        return;
    }

    last = ngx_sprintf(text, "%L.%06L", pico / 1000000, pico % 1000000);

    while (last[-1] == '0') {
        last--;
    }

    if (last[-1] == '.') {
        last--;
    }

    value.data = text;
    value.len = last - text;

    ngx_http_ai_writer_str(w, name, &value);
}
