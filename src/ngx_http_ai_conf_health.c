
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What accounts are held to: ai_breaker, in http for all of them and in an
 * upstream block for one, ai_limit and ai_health_check in an upstream block.
 */


#include "ngx_http_ai_conf_block.h"


#define NGX_HTTP_AI_BREAKER_COUNT  1000000     /* failures=, min= */
#define NGX_HTTP_AI_LIMIT_COUNT    1000000     /* concurrent= */
#define NGX_HTTP_AI_CHECK_URI      512         /* bytes */
#define NGX_HTTP_AI_CHECK_INTERVAL 30000       /* ms */
#define NGX_HTTP_AI_CHECK_TIMEOUT  5000


typedef struct ngx_http_ai_conf_param_s  ngx_http_ai_conf_param_t;


struct ngx_http_ai_conf_param_s {
    ngx_str_t                  name;      /* with "=" */
    ngx_int_t                (*set)(ngx_conf_t *cf,
                                   const ngx_http_ai_conf_param_t *param,
                                   void *field, ngx_str_t *value);
    const char                *usage;     /* what to write; NULL: refused,
                                             hence not recommended */
    size_t                     offset;
    ngx_int_t                  min;       /* of a rate: its unit */
    ngx_int_t                  max;
};


static ngx_int_t ngx_http_ai_conf_params(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *params, void *object);
static ngx_int_t ngx_http_ai_conf_param_unknown(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *params, ngx_str_t *arg);
static ngx_int_t ngx_http_ai_conf_param_invalid(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *param, ngx_str_t *value);
static ngx_int_t ngx_http_ai_conf_param_number(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *param, void *field, ngx_str_t *value);
static ngx_int_t ngx_http_ai_conf_param_time(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *param, void *field, ngx_str_t *value);
static ngx_int_t ngx_http_ai_conf_param_rate(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *param, void *field, ngx_str_t *value);
static ngx_int_t ngx_http_ai_conf_param_budget(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *param, void *field, ngx_str_t *value);
static ngx_int_t ngx_http_ai_conf_param_flag(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *param, void *field, ngx_str_t *value);
static ngx_int_t ngx_http_ai_conf_param_method(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *param, void *field, ngx_str_t *value);
static ngx_int_t ngx_http_ai_conf_param_uri(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *param, void *field, ngx_str_t *value);
static ngx_int_t ngx_http_ai_conf_param_expect(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *param, void *field, ngx_str_t *value);

static ngx_int_t ngx_http_ai_conf_check_finish(ngx_conf_t *cf,
    ngx_http_ai_account_t *account);
static ngx_int_t ngx_http_ai_conf_health_stray(ngx_conf_t *cf,
    ngx_http_ai_account_t *account);
static ngx_int_t ngx_http_ai_conf_health_account(ngx_conf_t *cf,
    ngx_http_ai_account_t *account, const ngx_http_ai_breaker_conf_t *http);
static void ngx_http_ai_conf_breaker_unset(ngx_http_ai_breaker_conf_t *conf);
static void ngx_http_ai_conf_breaker_inherit(ngx_http_ai_breaker_conf_t *conf,
    const ngx_http_ai_breaker_conf_t *from);
static ngx_int_t ngx_http_ai_conf_breaker_finish(ngx_conf_t *cf,
    ngx_http_ai_breaker_conf_t *conf, const ngx_http_ai_place_t *place);


/* every field is a machine word, and unset while it is -1 */

static const ngx_http_ai_conf_param_t  ngx_http_ai_conf_breaker_params[] = {

    { ngx_string("failures="), ngx_http_ai_conf_param_number,
      "a number up to 1000000, or failures=0 for never by their number",
      offsetof(ngx_http_ai_breaker_conf_t, failures),
      0, NGX_HTTP_AI_BREAKER_COUNT },

    /* 0 is refused: it may be meant as "any failure" or as "never" */

    { ngx_string("rate="), ngx_http_ai_conf_param_number,
      "a percentage from 1 to 99, or rate=100 for never by rate",
      offsetof(ngx_http_ai_breaker_conf_t, rate),
      1, NGX_MAX_INT32_VALUE },

    { ngx_string("min="), ngx_http_ai_conf_param_number,
      "a number from 1 to 1000000",
      offsetof(ngx_http_ai_breaker_conf_t, min),
      1, NGX_HTTP_AI_BREAKER_COUNT },

    { ngx_string("window="), ngx_http_ai_conf_param_time,
      "a time from 10ms to 1d",
      offsetof(ngx_http_ai_breaker_conf_t, window),
      NGX_HTTP_AI_WINDOW_SLOTS, NGX_HTTP_AI_BREAKER_MAX_WAIT },

    { ngx_string("open="), ngx_http_ai_conf_param_time,
      "a time from 1ms to 1d",
      offsetof(ngx_http_ai_breaker_conf_t, open),
      1, NGX_HTTP_AI_BREAKER_MAX_WAIT },

    { ngx_string("max_open="), ngx_http_ai_conf_param_time,
      "a time from 1ms to 1d",
      offsetof(ngx_http_ai_breaker_conf_t, max_open),
      1, NGX_HTTP_AI_BREAKER_MAX_WAIT },

    { ngx_string("slow="), ngx_http_ai_conf_param_time,
      "a time up to 1d, or slow=off",
      offsetof(ngx_http_ai_breaker_conf_t, slow),
      0, NGX_HTTP_AI_BREAKER_MAX_WAIT },

    { ngx_string("min_speed="), ngx_http_ai_conf_param_number,
      "tokens per second up to 1000000, or min_speed=0 for any",
      offsetof(ngx_http_ai_breaker_conf_t, min_speed),
      0, NGX_HTTP_AI_BREAKER_COUNT },

    { ngx_string("ramp="), ngx_http_ai_conf_param_time,
      "a time up to 1d, or ramp=off",
      offsetof(ngx_http_ai_breaker_conf_t, ramp),
      0, NGX_HTTP_AI_BREAKER_MAX_WAIT },

    { ngx_null_string, NULL, NULL, 0, 0, 0 }
};


static const ngx_http_ai_conf_param_t  ngx_http_ai_conf_limit_params[] = {

    { ngx_string("requests="), ngx_http_ai_conf_param_rate,
      "a rate of requests per s, m, h or d such as requests=500r/m",
      offsetof(ngx_http_ai_limit_conf_t, requests),
      NGX_HTTP_AI_RATE_REQUESTS, 0 },

    { ngx_string("tokens="), ngx_http_ai_conf_param_rate,
      "a rate of tokens per s, m, h or d such as tokens=200kt/m",
      offsetof(ngx_http_ai_limit_conf_t, tokens),
      NGX_HTTP_AI_RATE_TOKENS, 0 },

    { ngx_string("concurrent="), ngx_http_ai_conf_param_number,
      "a number from 1 to 1000000",
      offsetof(ngx_http_ai_limit_conf_t, concurrent),
      1, NGX_HTTP_AI_LIMIT_COUNT },

    { ngx_string("budget="), ngx_http_ai_conf_param_budget,
      "budget=AMOUNTusd/PERIOD with day, week, month or total, several with "
      "commas between them, such as budget=50usd/day,1000usd/month", 0, 0, 0 },

    { ngx_null_string, NULL, NULL, 0, 0, 0 }
};


static const ngx_http_ai_conf_param_t  ngx_http_ai_conf_check_params[] = {

    { ngx_string("interval="), ngx_http_ai_conf_param_time,
      "a time from 1s to 1d",
      offsetof(ngx_http_ai_check_conf_t, interval),
      1000, NGX_HTTP_AI_BREAKER_MAX_WAIT },

    { ngx_string("timeout="), ngx_http_ai_conf_param_time,
      "a time from 10ms that is shorter than \"interval=\"",
      offsetof(ngx_http_ai_check_conf_t, timeout),
      10, NGX_HTTP_AI_BREAKER_MAX_WAIT },

    { ngx_string("uri="), ngx_http_ai_conf_param_uri,
      "what follows the path of \"base=\", such as uri=/models",
      offsetof(ngx_http_ai_check_conf_t, uri), 0, 0 },

    { ngx_string("method="), ngx_http_ai_conf_param_method,
      "method=GET or method=HEAD",
      offsetof(ngx_http_ai_check_conf_t, head), 0, 0 },

    { ngx_string("expect="), ngx_http_ai_conf_param_expect,
      "up to 8 statuses from 200 to 499 such as expect=200,204, but none of "
      "401, 402, 403, 408 and 429, which say that the account cannot be used",
      offsetof(ngx_http_ai_check_conf_t, expect), 0, 0 },

    { ngx_string("idle="), ngx_http_ai_conf_param_flag,
      "idle=on or idle=off",
      offsetof(ngx_http_ai_check_conf_t, idle), 0, 0 },

    { ngx_null_string, NULL, NULL, 0, 0, 0 }
};


/* in http the account given is that of no block */

char *
ngx_http_ai_conf_breaker(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_account_t  *account = conf;

    ngx_flag_t                  *set;
    ngx_http_ai_place_t         *place;
    ngx_http_ai_main_conf_t     *amcf;
    ngx_http_ai_breaker_conf_t  *breaker;

    if (cf->cmd_type == NGX_HTTP_MAIN_CONF) {
        amcf = ngx_http_conf_get_module_main_conf(cf,
                                                  ngx_http_ai_route_module);
        breaker = &amcf->breaker;
        set = &amcf->breaker_set;
        place = &amcf->breaker_place;

    } else {
        breaker = &account->breaker;
        set = &account->breaker_set;
        place = &account->breaker_place;
    }

    if (*set) {
        return "is duplicate";
    }

    *set = 1;

    ngx_http_ai_conf_place(cf, place);
    ngx_http_ai_conf_breaker_unset(breaker);

    if (ngx_http_ai_conf_params(cf, ngx_http_ai_conf_breaker_params, breaker)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_ai_conf_limit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_account_t  *account = conf;

    if (account->limit_set) {
        return "is duplicate";
    }

    account->limit_set = 1;

    ngx_http_ai_conf_place(cf, &account->limit_place);

    if (ngx_http_ai_conf_params(cf, ngx_http_ai_conf_limit_params,
                                &account->limit)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_ai_conf_check(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_ai_account_t  *account = conf;

    ngx_http_ai_check_conf_t  *check;

    if (account->check_set) {
        return "is duplicate";
    }

    account->check_set = 1;

    ngx_http_ai_conf_place(cf, &account->check_place);

    check = &account->check;

    check->interval = NGX_HTTP_AI_CHECK_INTERVAL;
    check->timeout = NGX_CONF_UNSET_MSEC;
    ngx_str_set(&check->uri, "/models");
    check->idle = 1;
    check->expect[0] = NGX_HTTP_OK;

    if (ngx_http_ai_conf_params(cf, ngx_http_ai_conf_check_params, check)
        != NGX_OK
        || ngx_http_ai_conf_check_finish(cf, account) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* the default timeout gives way to a short interval */

static ngx_int_t
ngx_http_ai_conf_check_finish(ngx_conf_t *cf, ngx_http_ai_account_t *account)
{
    ngx_http_ai_check_conf_t  *check;

    check = &account->check;

    if (check->timeout == NGX_CONF_UNSET_MSEC) {
        check->timeout = ngx_min(NGX_HTTP_AI_CHECK_TIMEOUT,
                                 check->interval / 2);
    }

    if (check->timeout >= check->interval) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "timeout=%Mms of \"ai_health_check\" is not "
                           "shorter than interval=%Mms, lower it or raise "
                           "\"interval=\"", check->timeout, check->interval);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_conf_params(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *params, void *object)
{
    ngx_str_t                       *arg, value;
    ngx_uint_t                       i, seen, bit;
    const ngx_http_ai_conf_param_t  *param;

    arg = cf->args->elts;
    seen = 0;

    for (i = 1; i < cf->args->nelts; i++) {

        for (param = params; param->name.len; param++) {
            if (arg[i].len >= param->name.len
                && ngx_strncmp(arg[i].data, param->name.data, param->name.len)
                   == 0)
            {
                break;
            }
        }

        if (param->name.len == 0) {
            return ngx_http_ai_conf_param_unknown(cf, params, &arg[i]);
        }

        bit = (ngx_uint_t) 1 << (param - params);

        if (seen & bit) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate parameter \"%V\" of \"%V\"",
                               &param->name, &arg[0]);
            return NGX_ERROR;
        }

        seen |= bit;

        value.len = arg[i].len - param->name.len;
        value.data = arg[i].data + param->name.len;

        if (param->set(cf, param, (char *) object + param->offset, &value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_conf_param_unknown(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *params, ngx_str_t *arg)
{
    u_char                          *p, *last, known[NGX_MAX_CONF_ERRSTR / 4];
    ngx_str_t                       *directive;
    const ngx_http_ai_conf_param_t  *param;

    directive = cf->args->elts;

    last = known + sizeof(known);
    p = known;

    for (param = params; param->name.len; param++) {

        if (param->usage == NULL) {
            continue;
        }

        p = ngx_slprintf(p, last, "%s%V", p == known ? "" : ", ",
                         &param->name);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown parameter \"%V\" of \"%V\", use %*s", arg,
                       directive, (size_t) (p - known), known);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_ai_conf_param_invalid(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *param, ngx_str_t *value)
{
    ngx_str_t  *directive;

    directive = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"%V%V\" of \"%V\", write %s", &param->name,
                       value, directive, param->usage);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_ai_conf_param_number(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *param, void *field, ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || n < param->min || n > param->max) {
        return ngx_http_ai_conf_param_invalid(cf, param, value);
    }

    *(ngx_uint_t *) field = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_conf_param_time(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *param, void *field, ngx_str_t *value)
{
    ngx_int_t  n;

    if (param->min == 0 && value->len == 3
        && ngx_strncmp(value->data, "off", 3) == 0)
    {
        n = 0;

    } else {
        n = ngx_parse_time(value, 0);
    }

    if (n == NGX_ERROR || n < param->min || n > param->max) {
        return ngx_http_ai_conf_param_invalid(cf, param, value);
    }

    *(ngx_msec_t *) field = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_conf_param_rate(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *param, void *field, ngx_str_t *value)
{
    ngx_str_t           *directive;
    ngx_http_ai_rate_t   rate;

    directive = cf->args->elts;

    switch (ngx_http_ai_rate_parse(value->data, value->len, &rate)) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V%V\" of \"%V\" is zero or too large, write %s",
                           &param->name, value, directive, param->usage);
        return NGX_ERROR;

    default:
        return ngx_http_ai_conf_param_invalid(cf, param, value);
    }

    if ((ngx_int_t) rate.unit != param->min) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V%V\" of \"%V\" counts %s, write %s",
                           &param->name, value, directive,
                           rate.unit == NGX_HTTP_AI_RATE_TOKENS ? "tokens"
                                                                : "requests",
                           param->usage);
        return NGX_ERROR;
    }

    *(ngx_http_ai_rate_t *) field = rate;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_conf_param_flag(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *param, void *field, ngx_str_t *value)
{
    if (value->len == 2 && ngx_strncmp(value->data, "on", 2) == 0) {
        *(ngx_flag_t *) field = 1;
        return NGX_OK;
    }

    if (value->len == 3 && ngx_strncmp(value->data, "off", 3) == 0) {
        *(ngx_flag_t *) field = 0;
        return NGX_OK;
    }

    return ngx_http_ai_conf_param_invalid(cf, param, value);
}


static ngx_int_t
ngx_http_ai_conf_param_method(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *param, void *field, ngx_str_t *value)
{
    if (value->len == 3 && ngx_strncmp(value->data, "GET", 3) == 0) {
        *(ngx_flag_t *) field = 0;
        return NGX_OK;
    }

    if (value->len == 4 && ngx_strncmp(value->data, "HEAD", 4) == 0) {
        *(ngx_flag_t *) field = 1;
        return NGX_OK;
    }

    return ngx_http_ai_conf_param_invalid(cf, param, value);
}


/* these bytes go into a request line */

static ngx_int_t
ngx_http_ai_conf_param_uri(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *param, void *field, ngx_str_t *value)
{
    size_t  i;

    if (value->len == 0 || value->len > NGX_HTTP_AI_CHECK_URI
        || value->data[0] != '/')
    {
        return ngx_http_ai_conf_param_invalid(cf, param, value);
    }

    for (i = 0; i < value->len; i++) {
        if (value->data[i] <= ' ' || value->data[i] >= 0x7f
            || value->data[i] == '"' || value->data[i] == '#'
            || value->data[i] == '\\' || value->data[i] == '$')
        {
            return ngx_http_ai_conf_param_invalid(cf, param, value);
        }
    }

    *(ngx_str_t *) field = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_conf_param_expect(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *param, void *field, ngx_str_t *value)
{
    u_char      *p, *last, *comma;
    ngx_int_t    status;
    ngx_uint_t   n, *expect;

    expect = field;
    p = value->data;
    last = value->data + value->len;

    for (n = 0; n < NGX_HTTP_AI_MAX_EXPECT; n++) {

        comma = ngx_strlchr(p, last, ',');

        status = ngx_atoi(p, (comma ? comma : last) - p);

        if (status < 200 || status > 499
            || (status >= 401 && status <= 403)
            || status == NGX_HTTP_REQUEST_TIME_OUT
            || status == NGX_HTTP_TOO_MANY_REQUESTS)
        {
            break;
        }

        expect[n] = status;

        if (comma == NULL) {
            return NGX_OK;
        }

        p = comma + 1;
    }

    return ngx_http_ai_conf_param_invalid(cf, param, value);
}


/* the field is the whole object: a list and its length */

static ngx_int_t
ngx_http_ai_conf_param_budget(ngx_conf_t *cf,
    const ngx_http_ai_conf_param_t *param, void *field, ngx_str_t *value)
{
    ngx_http_ai_limit_conf_t  *limit = field;

    u_char                *p, *last, *end;
    ngx_uint_t             i;
    ngx_http_ai_budget_t   budget;

    p = value->data;
    last = p + value->len;

    for ( ;; ) {

        end = ngx_strlchr(p, last, ',');
        end = end ? end : last;

        if (ngx_http_ai_budget_parse(p, end - p, &budget) != NGX_OK) {
            return ngx_http_ai_conf_param_invalid(cf, param, value);
        }

        for (i = 0; i < limit->nbudgets; i++) {
            if (limit->budgets[i].per == budget.per) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "\"%V%V\" of \"ai_limit\" has two budgets "
                                   "per %V, write the lower one only",
                                   &param->name, value,
                                   ngx_http_ai_budget_per_name(budget.per));
                return NGX_ERROR;
            }
        }

        limit->budgets[limit->nbudgets++] = budget;

        if (end == last) {
            return NGX_OK;
        }

        p = end + 1;
    }
}


/*
 * All upstream blocks and not only the accounts: what stands in a block that
 * is none would be ignored without a word.
 */

ngx_int_t
ngx_http_ai_conf_health_resolve(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf)
{
    ngx_uint_t                       i;
    ngx_http_ai_account_t           *account;
    ngx_http_ai_breaker_conf_t       http;
    ngx_http_upstream_srv_conf_t   **uscfp;
    ngx_http_upstream_main_conf_t   *umcf;

    if (!amcf->breaker_set) {
        ngx_http_ai_conf_breaker_unset(&amcf->breaker);
    }

    /* as written: a default is not what a block inherits, see finish() */

    http = amcf->breaker;

    if (ngx_http_ai_conf_breaker_finish(cf, &amcf->breaker,
                                        &amcf->breaker_place)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    umcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_module);

    uscfp = umcf->upstreams.elts;

    for (i = 0; i < umcf->upstreams.nelts; i++) {

        /* "proxy_pass http://name" makes one without a block */

        if (uscfp[i]->srv_conf == NULL) {
            continue;
        }

        account = ngx_http_conf_upstream_srv_conf(uscfp[i],
                                                  ngx_http_ai_route_module);

        if (ngx_http_ai_conf_health_account(cf, account, &http) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* an upstream block that is no account */

static ngx_int_t
ngx_http_ai_conf_health_stray(ngx_conf_t *cf, ngx_http_ai_account_t *account)
{
    const char           *name;
    ngx_http_ai_place_t  *place;

    if (account->limit_set) {
        name = "ai_limit";
        place = &account->limit_place;

    } else if (account->check_set) {
        name = "ai_health_check";
        place = &account->check_place;

    } else if (account->breaker_set) {
        name = "ai_breaker";
        place = &account->breaker_place;

    } else {
        return NGX_OK;
    }

    ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, place,
                         "\"%s\" in an upstream block without ai_account, "
                         "remove it or write \"ai_account provider=NAME "
                         "base=URL key=env:NAME\" in the block", name);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_ai_conf_health_account(ngx_conf_t *cf,
    ngx_http_ai_account_t *account, const ngx_http_ai_breaker_conf_t *http)
{
    if (account->uscf == NULL) {
        return ngx_http_ai_conf_health_stray(cf, account);
    }

    if (!account->breaker_set) {
        ngx_http_ai_conf_breaker_unset(&account->breaker);
    }

    ngx_http_ai_conf_breaker_inherit(&account->breaker, http);

    return ngx_http_ai_conf_breaker_finish(cf, &account->breaker,
                                           &account->breaker_place);
}


static void
ngx_http_ai_conf_breaker_unset(ngx_http_ai_breaker_conf_t *conf)
{
    conf->failures = NGX_CONF_UNSET_UINT;
    conf->rate = NGX_CONF_UNSET_UINT;
    conf->min = NGX_CONF_UNSET_UINT;
    conf->window = NGX_CONF_UNSET_MSEC;
    conf->open = NGX_CONF_UNSET_MSEC;
    conf->max_open = NGX_CONF_UNSET_MSEC;
    conf->slow = NGX_CONF_UNSET_MSEC;
    conf->min_speed = NGX_CONF_UNSET_UINT;
    conf->ramp = NGX_CONF_UNSET_MSEC;
}


static void
ngx_http_ai_conf_breaker_inherit(ngx_http_ai_breaker_conf_t *conf,
    const ngx_http_ai_breaker_conf_t *from)
{
    ngx_conf_merge_uint_value(conf->failures, from->failures,
                              NGX_CONF_UNSET_UINT);
    ngx_conf_merge_uint_value(conf->rate, from->rate, NGX_CONF_UNSET_UINT);
    ngx_conf_merge_uint_value(conf->min, from->min, NGX_CONF_UNSET_UINT);
    ngx_conf_merge_msec_value(conf->window, from->window, NGX_CONF_UNSET_MSEC);
    ngx_conf_merge_msec_value(conf->open, from->open, NGX_CONF_UNSET_MSEC);
    ngx_conf_merge_msec_value(conf->max_open, from->max_open,
                              NGX_CONF_UNSET_MSEC);
    ngx_conf_merge_msec_value(conf->slow, from->slow, NGX_CONF_UNSET_MSEC);
    ngx_conf_merge_uint_value(conf->min_speed, from->min_speed,
                              NGX_CONF_UNSET_UINT);
    ngx_conf_merge_msec_value(conf->ramp, from->ramp, NGX_CONF_UNSET_MSEC);
}


/*
 * Of open= and max_open= only two that were written can contradict each other:
 * the default of the one gives way to the other, or "open=1m" alone would be
 * refused because of a number that stands nowhere.
 */

static ngx_int_t
ngx_http_ai_conf_breaker_finish(ngx_conf_t *cf,
    ngx_http_ai_breaker_conf_t *conf, const ngx_http_ai_place_t *place)
{
    ngx_conf_init_uint_value(conf->failures, NGX_HTTP_AI_BREAKER_DEF_FAILURES);
    ngx_conf_init_uint_value(conf->rate, NGX_HTTP_AI_BREAKER_DEF_RATE);
    ngx_conf_init_uint_value(conf->min, NGX_HTTP_AI_BREAKER_DEF_MIN);
    ngx_conf_init_msec_value(conf->window, NGX_HTTP_AI_BREAKER_DEF_WINDOW);
    ngx_conf_init_msec_value(conf->slow, 0);
    ngx_conf_init_uint_value(conf->min_speed, 0);
    ngx_conf_init_msec_value(conf->ramp, NGX_HTTP_AI_BREAKER_DEF_RAMP);

    if (conf->open == NGX_CONF_UNSET_MSEC) {
        ngx_conf_init_msec_value(conf->max_open,
                                 NGX_HTTP_AI_BREAKER_DEF_MAX_OPEN);
        conf->open = ngx_min(NGX_HTTP_AI_BREAKER_DEF_OPEN, conf->max_open);
        return NGX_OK;
    }

    if (conf->max_open == NGX_CONF_UNSET_MSEC) {
        conf->max_open = ngx_max(NGX_HTTP_AI_BREAKER_DEF_MAX_OPEN, conf->open);
        return NGX_OK;
    }

    if (conf->max_open < conf->open) {
        ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, place,
                             "max_open=%Mms of \"ai_breaker\" is less than "
                             "open=%Mms, raise it or lower \"open=\"",
                             conf->max_open, conf->open);
        return NGX_ERROR;
    }

    return NGX_OK;
}
