
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* request-level knobs: what they say, what is refused, what is cut out */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_knobs.h"


#define OPTIONS   NGX_HTTP_AI_KNOBS_OPTIONS
#define PROVIDER  NGX_HTTP_AI_KNOBS_PROVIDER
#define MODELS    NGX_HTTP_AI_KNOBS_MODELS
#define SESSION   NGX_HTTP_AI_KNOBS_SESSION


/* the bytes that the knobs point into, until the next call */

static u_char  *ngx_http_ai_test_bytes_of[NGX_HTTP_AI_KNOBS_MEMBERS];


static ngx_int_t
ngx_http_ai_test_parse(ngx_http_ai_knobs_t *k, int member, const char *json,
    ngx_http_ai_knobs_error_t *error)
{
    size_t  n;

    n = strlen(json);
    ngx_http_ai_test_note = json;

    free(ngx_http_ai_test_bytes_of[member]);
    ngx_http_ai_test_bytes_of[member] = ngx_http_ai_test_dup(json, n);

    return ngx_http_ai_knobs_parse(k, (ngx_http_ai_knobs_member_e) member,
                                   ngx_http_ai_test_bytes_of[member], n,
                                   error);
}


static void
ngx_http_ai_test_free(void)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_AI_KNOBS_MEMBERS; i++) {
        free(ngx_http_ai_test_bytes_of[i]);
        ngx_http_ai_test_bytes_of[i] = NULL;
    }
}


/* what clients of these gateways send, all of it */

static void
ngx_http_ai_test_vercel(void)
{
    ngx_http_ai_knobs_t        k;
    ngx_http_ai_knobs_error_t  e;

    ngx_http_ai_knobs_init(&k);

    t_eq(ngx_http_ai_test_parse(&k, OPTIONS,
        "{\"gateway\":{\"order\":[\"azure\",\"openai\"],\"only\":[\"azure\","
        "\"openai\"],\"sort\":\"ttft\",\"models\":[\"anthropic/claude-sonnet-"
        "4.6\"],\"providerTimeouts\":{\"byok\":{\"openai\":15000,\"azure\":"
        "2e3}},\"user\":\"u-1\",\"tags\":[\"chat\",\"v2\"],\"quotaEntityId\":"
        "\"org-123\",\"serviceTier\":\"priority\",\"has\":[\"vision\"],"
        "\"caching\":\"auto\",\"zeroDataRetention\":true,\"byok\":{\"openai\":"
        "[{\"apiKey\":\"x\"}]}}}", &e), NGX_OK);

    t_eq(k.order.n, 2);
    t_str(k.order.names[0], "azure");
    t_str(k.order.names[1], "openai");
    t_str(k.order.field, "providerOptions.gateway.order");
    t_eq(k.only.n, 2);
    t_eq(k.ignore.n, 0);
    t_eq(k.models.n, 1);
    t_str(k.models.names[0], "anthropic/claude-sonnet-4.6");
    t_eq(k.sort, NGX_HTTP_AI_KNOBS_SORT_LATENCY);
    t_eq(k.ntimeouts, 2);
    t_str(k.timeouts[0].name, "openai");
    t_eq(k.timeouts[0].ms, 15000);
    t_eq(k.timeouts[1].ms, 2000);
    t_eq(k.max_prompt, NGX_HTTP_AI_KNOBS_NO_PRICE);
    t_eq(k.no_fallbacks, 0);
    t_eq(k.cut_whole, 1);

    ngx_http_ai_test_free();
}


static void
ngx_http_ai_test_openrouter(void)
{
    ngx_http_ai_knobs_t        k;
    ngx_http_ai_knobs_error_t  e;

    ngx_http_ai_knobs_init(&k);

    t_eq(ngx_http_ai_test_parse(&k, PROVIDER,
        "{ \"order\" : [ \"az\\u0075re\" ] , \"allow_fallbacks\":false,"
        "\"require_parameters\":false,\"data_collection\":\"deny\",\"zdr\":"
        "true,\"only\":[],\"ignore\":[\"deepinfra\",\"x\",\"x\"],"
        "\"quantizations\":[\"fp8\"],\"sort\":{\"by\":\"throughput\","
        "\"partition\":\"none\"},\"preferred_max_latency\":{\"p90\":3},"
        "\"max_price\":{\"prompt\":1,\"completion\":\"2.50\",\"image\":{}}}",
        &e), NGX_OK);
    t_eq(ngx_http_ai_test_parse(&k, MODELS, "[\"a/x\",\"b/y\",\"a/x\"]", &e),
         NGX_OK);
    t_eq(ngx_http_ai_test_parse(&k, SESSION, "\"s-1\\n\"", &e), NGX_OK);

    t_eq(k.order.n, 1);
    t_str(k.order.names[0], "azure");
    t_eq(k.no_fallbacks, 1);
    t_eq(k.only.n, 0);
    t_eq(k.ignore.n, 2);
    t_str(k.ignore.names[1], "x");
    t_eq(k.sort, NGX_HTTP_AI_KNOBS_SORT_THROUGHPUT);
    t_eq(k.max_prompt, 1000000);
    t_eq(k.max_completion, 2500000);
    t_eq(k.models.n, 2);
    t_str(k.models.names[1], "b/y");
    t_str(k.session, "s-1\n");
    t_eq(k.cut_end, 0);

    ngx_http_ai_test_free();
}


typedef struct {
    int          member;
    const char  *json;
    const char  *field;
    const char  *text;       /* NULL: fine */
} ngx_http_ai_test_case_t;


static void
ngx_http_ai_test_types(void)
{
    ngx_int_t                       rc;
    ngx_http_ai_knobs_t             k;
    ngx_http_ai_knobs_error_t       e;
    const ngx_http_ai_test_case_t  *c;

#define G  "providerOptions.gateway"

    static const ngx_http_ai_test_case_t  cases[] = {

        /* nothing said */
        { OPTIONS, "null", NULL, NULL }, { OPTIONS, "{}", NULL, NULL },
        { OPTIONS, "{\"openai\":[1]}", NULL, NULL },
        { OPTIONS, "{\"gateway\":null}", NULL, NULL },
        { OPTIONS, "{\"gateway\":{}}", NULL, NULL },
        { PROVIDER, "null", NULL, NULL }, { PROVIDER, "{}", NULL, NULL },
        { PROVIDER, "{\"order\":null,\"sort\":null,\"max_price\":null,"
          "\"allow_fallbacks\":null}", NULL, NULL },
        { PROVIDER, "{\"sort\":{}}", NULL, NULL },
        { PROVIDER, "{\"sort\":{\"by\":null}}", NULL, NULL },
        { PROVIDER, "{\"max_price\":{\"prompt\":null}}", NULL, NULL },
        { MODELS, "null", NULL, NULL }, { MODELS, "[]", NULL, NULL },
        { MODELS, "[ ]", NULL, NULL }, { SESSION, "null", NULL, NULL },
        { SESSION, "\"\"", NULL, NULL },
        { OPTIONS, "{\"gateway\":{\"providerTimeouts\":{\"byok\":{\"a\":null"
          "},\"x\":null}}}", NULL, NULL },

        /* not what it must be */
        { OPTIONS, "[]", "providerOptions", "must be an object" },
        { OPTIONS, "\"x\"", "providerOptions", "must be an object" },
        { OPTIONS, "{\"g\\u0061teway\":{}}", "providerOptions",
          "has a name with a backslash in it" },
        { OPTIONS, "{\"gateway\":[]}", G, "must be an object" },
        { OPTIONS, "{\"gateway\":\"x\"}", G, "must be an object" },
        { OPTIONS, "{\"gateway\":{\"order\":\"a\"}}", G ".order",
          "must be an array of strings" },
        { OPTIONS, "{\"gateway\":{\"only\":[\"a\",1]}}", G ".only[1]",
          "must be a string" },
        { OPTIONS, "{\"gateway\":{\"models\":[null]}}", G ".models[0]",
          "must be a string" },
        { OPTIONS, "{\"gateway\":{\"models\":[[\"a\"]]}}", G ".models[0]",
          "must be a string" },
        { OPTIONS, "{\"gateway\":{\"user\":1}}", G ".user",
          "must be a string" },
        { OPTIONS, "{\"gateway\":{\"tags\":{}}}", G ".tags",
          "must be an array of strings" },
        { OPTIONS, "{\"gateway\":{\"tags\":[\"\"]}}", G ".tags[0]",
          "must not be empty" },
        { OPTIONS, "{\"gateway\":{\"sort\":{\"by\":\"cost\"}}}", G ".sort",
          "must be a string" },
        { OPTIONS, "{\"gateway\":{\"providerTimeouts\":5}}",
          G ".providerTimeouts", "must be an object" },
        { OPTIONS, "{\"gateway\":{\"providerTimeouts\":{\"byok\":5}}}",
          G ".providerTimeouts.byok", "must be an object" },
        { OPTIONS, "{\"gateway\":{\"providerTimeouts\":{\"byok\":{\"a\":1,"
          "\"b\":\"1\"}}}}", G ".providerTimeouts.byok.b",
          "must be a positive number of milliseconds" },
        { OPTIONS, "{\"gateway\":{\"providerTimeouts\":{\"byok\":{\"b\":0.9"
          "}}}}", G ".providerTimeouts.byok.b",
          "must be a positive number of milliseconds" },
        { OPTIONS, "{\"gateway\":{\"providerTimeouts\":{\"byok\":{\"b\":-5"
          "}}}}", G ".providerTimeouts.byok.b",
          "must be a positive number of milliseconds" },
        { PROVIDER, "\"openai\"", "provider", "must be an object" },
        { PROVIDER, "true", "provider", "must be an object" },
        { PROVIDER, "{\"order\":[\"a\",\"b\",3]}", "provider.order[2]",
          "must be a string" },
        { PROVIDER, "{\"ignore\":[true]}", "provider.ignore[0]",
          "must be a string" },
        { PROVIDER, "{\"ignore\":[\"\\ud800\"]}", "provider.ignore[0]",
          "must be a string" },
        { PROVIDER, "{\"allow_fallbacks\":\"false\"}",
          "provider.allow_fallbacks", "must be true or false" },
        { PROVIDER, "{\"allow_fallbacks\":0}", "provider.allow_fallbacks",
          "must be true or false" },
        { PROVIDER, "{\"sort\":1}", "provider.sort",
          "must be a string or an object" },
        { PROVIDER, "{\"sort\":{\"by\":1}}", "provider.sort.by",
          "must be a string" },
        { PROVIDER, "{\"sort\":\"best\"}", "provider.sort",
          "must be one of cost, price, ttft, latency, tps, throughput" },
        { PROVIDER, "{\"max_price\":2}", "provider.max_price",
          "must be an object" },
        { PROVIDER, "{\"max_price\":{\"prompt\":true}}",
          "provider.max_price.prompt",
          "must be a price in USD per million tokens, like 2.5" },
        { PROVIDER, "{\"max_price\":{\"completion\":-1}}",
          "provider.max_price.completion",
          "must be a price in USD per million tokens, like 2.5" },
        { PROVIDER, "{\"max_price\":{\"completion\":\"2usd\"}}",
          "provider.max_price.completion",
          "must be a price in USD per million tokens, like 2.5" },
        { PROVIDER, "{\"max_price\":{\"completion\":\"\"}}",
          "provider.max_price.completion",
          "must be a price in USD per million tokens, like 2.5" },
        { MODELS, "\"a\"", "models", "must be an array of strings" },
        { MODELS, "{}", "models", "must be an array of strings" },
        { MODELS, "[1]", "models[0]", "must be a string" },
        { SESSION, "1", "session_id", "must be a string" },
        { SESSION, "{}", "session_id", "must be a string" },

        /* twice */
        { OPTIONS, "{\"gateway\":{},\"gateway\":{}}", G, "is there twice" },
        { PROVIDER, "{\"order\":[],\"x\":1,\"order\":[]}", "provider.order",
          "is there twice" },
        { 0, NULL, NULL, NULL }
    };

    for (c = cases; c->json; c++) {
        ngx_http_ai_knobs_init(&k);
        memset(&e, 0xa5, sizeof(e));

        rc = ngx_http_ai_test_parse(&k, c->member, c->json, &e);
        t_eq(rc, c->text ? NGX_ERROR : NGX_OK);

        if (rc == NGX_ERROR && c->text) {
            t_mem(e.field, e.len, c->field, strlen(c->field));
            t_mem(e.text, strlen(e.text), c->text, strlen(c->text));

        } else {
            t_eq(k.order.n + k.only.n + k.ignore.n + k.models.n, 0);
            t_eq(k.sort + k.no_fallbacks + k.ntimeouts + k.session.len, 0);
        }
    }

    ngx_http_ai_test_free();
}


static void
ngx_http_ai_test_spellings(void)
{
    ngx_http_ai_knobs_t        k;
    ngx_http_ai_knobs_error_t  e;

    ngx_http_ai_knobs_init(&k);

    t_eq(ngx_http_ai_test_parse(&k, OPTIONS, "{\"gateway\":{\"only\":[\"a\"],"
         "\"models\":[\"m\"],\"sort\":\"cost\"}}", &e), NGX_OK);

    t_eq(ngx_http_ai_test_parse(&k, PROVIDER, "{\"only\":[]}", &e), NGX_OK);
    t_eq(ngx_http_ai_test_parse(&k, PROVIDER, "{\"only\":[\"b\"]}", &e),
         NGX_ERROR);
    t_mem(e.field, e.len, "provider.only", 13);
    t_eq(ngx_http_ai_test_parse(&k, MODELS, "[\"m\"]", &e), NGX_ERROR);
    t_mem(e.field, e.len, "models", 6);
    t_eq(ngx_http_ai_test_parse(&k, PROVIDER, "{\"sort\":\"price\"}", &e),
         NGX_ERROR);
    t_mem(e.field, e.len, "provider.sort", 13);
    t_mem(e.text, strlen(e.text), "is given in two spellings, send only one",
          40);

    ngx_http_ai_test_free();
}


static void
ngx_http_ai_test_many(void)
{
    char                       json[4096], *p;
    ngx_uint_t                 i, n;
    ngx_http_ai_knobs_t        k;
    ngx_http_ai_knobs_error_t  e;

    for (n = 31; n <= 33; n++) {
        p = json + sprintf(json, "{\"ignore\":[");

        for (i = 0; i < n; i++) {
            p += sprintf(p, "%s\"a%lu\"", i ? "," : "", (unsigned long) i);
        }

        sprintf(p, "]}");

        ngx_http_ai_knobs_init(&k);
        t_eq(ngx_http_ai_test_parse(&k, PROVIDER, json, &e),
             n > 32 ? NGX_ERROR : NGX_OK);
        t_eq(k.ignore.n, n > 32 ? 0 : n);

        p = json + sprintf(json,
                     "{\"gateway\":{\"providerTimeouts\":{\"g\":{");

        for (i = 0; i < n; i++) {
            p += sprintf(p, "%s\"a%lu\":1", i ? "," : "", (unsigned long) i);
        }

        sprintf(p, "}}}}");

        ngx_http_ai_knobs_init(&k);
        t_eq(ngx_http_ai_test_parse(&k, OPTIONS, json, &e),
             n > 32 ? NGX_ERROR : NGX_OK);
        t_eq(k.ntimeouts, ngx_min(n, 32));
    }

    /* a name of the client's in an error is cut, not trusted */

    p = json + sprintf(json, "{\"gateway\":{\"providerTimeouts\":{\"");
    memset(p, 'x', 1000);
    sprintf(p + 1000, "\":1}}}");

    ngx_http_ai_knobs_init(&k);
    t_eq(ngx_http_ai_test_parse(&k, OPTIONS, json, &e), NGX_ERROR);
    t_eq(e.len, sizeof(e.field));

    ngx_http_ai_test_free();
}


typedef struct {
    const char  *number;
    int64_t      pico;       /* -1: refused */
} ngx_http_ai_test_price_t;


static void
ngx_http_ai_test_prices(void)
{
    char                             json[256];
    ngx_int_t                        rc;
    ngx_uint_t                       i;
    ngx_http_ai_knobs_t              k;
    ngx_http_ai_knobs_error_t        e;
    const ngx_http_ai_test_price_t  *c;

    static const ngx_http_ai_test_price_t  cases[] = {
        { "0", 0 }, { "-0", 0 }, { "-0.00e5", 0 }, { "1", 1000000 },
        { "2.5", 2500000 }, { "0.15", 150000 }, { "0.000001", 1 },
        { "0.0000019", 1 }, { "0.0000009", 0 }, { "1e-6", 1 },
        { "15e-1", 1500000 }, { "1.5E+1", 15000000 },
        { "100000000000000000000e-20", 1000000 },
        { "0.00000000000000000001e20", 1000000 },
        { "9223372036854.775807", 9223372036854775800 },
        { "9300000000000", INT64_MAX }, { "1e30", INT64_MAX },
        { "1e999999999999", INT64_MAX }, { "1e-999999999999", 0 },
        { "12345678901234567890123", INT64_MAX },
        { "-1", -1 }, { "-1e-30", -1 },
        { NULL, 0 }
    };

    /* 18 digits are exact, those that follow are rounded down */

    for (c = cases; c->number; c++) {
        for (i = 0; i < 2; i++) {
            snprintf(json, sizeof(json),
                     i ? "{\"max_price\":{\"prompt\":\"%s\"}}"
                       : "{\"max_price\":{\"prompt\":%s}}", c->number);

            ngx_http_ai_knobs_init(&k);
            rc = ngx_http_ai_test_parse(&k, PROVIDER, json, &e);
            t_eq(rc, c->pico < 0 ? NGX_ERROR : NGX_OK);

            if (rc == NGX_OK) {
                t_eq(k.max_prompt, c->pico);
                t_eq(k.max_completion, NGX_HTTP_AI_KNOBS_NO_PRICE);
            }
        }
    }

    ngx_http_ai_test_free();
}


typedef struct {
    const char  *json;
    const char  *left;       /* NULL: the whole member goes */
} ngx_http_ai_test_cut_t;


static void
ngx_http_ai_test_cuts(void)
{
    char                           left[256];
    size_t                         n;
    ngx_http_ai_knobs_t            k;
    ngx_http_ai_knobs_error_t      e;
    const ngx_http_ai_test_cut_t  *c;

    static const ngx_http_ai_test_cut_t  cases[] = {
        { "{\"gateway\":{}}", NULL },
        { " { \"gateway\" : {\"only\":[\"},]\"]} } " + 1, NULL },
        { "{\"gateway\":null}", NULL },
        { "{\"gateway\":{},\"a\":1}", "{\"a\":1}" },
        { "{ \"gateway\": {} , \"a\" : 1 }", "{  \"a\" : 1 }" },
        { "{\"a\":1,\"gateway\":{}}", "{\"a\":1}" },
        { "{\"a\":1 , \"gateway\":{} }", "{\"a\":1  }" },
        { "{\"a\":1,\"gateway\":{},\"b\":[{}]}", "{\"a\":1,\"b\":[{}]}" },
        { "{\"a\":\"\\\",\",\"gateway\":{\"x\":[1,{}]},\"b\":2}",
          "{\"a\":\"\\\",\",\"b\":2}" },
        { "{\"a\":{\"gateway\":{}}}", "{\"a\":{\"gateway\":{}}}" },
        { "{}", "{}" },
        { NULL, NULL }
    };

    for (c = cases; c->json; c++) {
        ngx_http_ai_knobs_init(&k);
        t_eq(ngx_http_ai_test_parse(&k, OPTIONS, c->json, &e), NGX_OK);
        t_eq(k.cut_whole, c->left == NULL);

        if (c->left && !k.cut_whole) {
            n = k.cut_start;
            memcpy(left, c->json, n);
            strcpy(left + n, c->json + k.cut_end);
            t_mem(left, strlen(left), c->left, strlen(c->left));
        }
    }

    ngx_http_ai_test_free();
}


/* cut anywhere, or a byte changed: refused or not, never beyond its end */

static void
ngx_http_ai_test_broken(void)
{
    size_t                     i, n;
    char                       text[512];
    ngx_uint_t                 k, m;
    ngx_http_ai_knobs_t        knobs;
    ngx_http_ai_knobs_error_t  e;

    static const char *const  whole[] = {
        "{\"a\":[1,{\"b\":\"\\\\\"}],\"gateway\":{\"order\":[\"a\",\"\\u0062"
        "\"],\"sort\":\"cost\",\"providerTimeouts\":{\"byok\":{\"openai\":1e3"
        "}},\"user\":\"u\",\"tags\":[]},\"b\":{}}",
        "{\"only\":[\"x\"],\"allow_fallbacks\":false,\"sort\":{\"by\":\"tps\""
        "},\"max_price\":{\"prompt\":\"1.25e-1\",\"completion\":2.5}}",
        "[\"a\",\"b\"]", "\"s-\\n1\""
    };

    for (m = 0; m < NGX_HTTP_AI_KNOBS_MEMBERS; m++) {
        n = strlen(whole[m]);

        for (i = 0; i < n; i++) {
            memcpy(text, whole[m], i);
            text[i] = '\0';
            ngx_http_ai_knobs_init(&knobs);
            t_eq(ngx_http_ai_test_parse(&knobs, m, text, &e), NGX_ERROR);
        }

        for (i = 0; i < 20000; i++) {
            strcpy(text, whole[m]);

            for (k = 0; k < 1 + i % 3; k++) {
                text[ngx_http_ai_test_random() % n] =
                    "\"\\{}[],:0e.-nt \x01u"[ngx_http_ai_test_random() % 18];
            }

            ngx_http_ai_knobs_init(&knobs);
            (void) ngx_http_ai_test_parse(&knobs, m, text, &e);
            t_ok(knobs.cut_start <= knobs.cut_end && knobs.cut_end <= n);
        }
    }

    ngx_http_ai_test_free();
}


static void
ngx_http_ai_test_match(void)
{
    ngx_http_ai_knobs_t        k;
    ngx_http_ai_knobs_error_t  e;

    static const ngx_str_t  eu = ngx_string("azure_eu");
    static const ngx_str_t  us = ngx_string("azure_us");
    static const ngx_str_t  azure = ngx_string("azure");
    static const ngx_str_t  a = ngx_string("openai_a");
    static const ngx_str_t  openai = ngx_string("openai");

    ngx_http_ai_knobs_init(&k);
    t_ok(ngx_http_ai_knobs_refusal(&k, &eu, &azure) == NULL);

    t_eq(ngx_http_ai_test_parse(&k, PROVIDER, "{\"order\":[\"AZURE_EU\","
         "\"OpenAI\"],\"ignore\":[\"azure_us\"]}", &e), NGX_OK);

    t_eq(ngx_http_ai_knobs_rank(&k.order, &eu, &azure), 0);
    t_eq(ngx_http_ai_knobs_rank(&k.order, &a, &openai), 1);
    t_eq(ngx_http_ai_knobs_rank(&k.order, &us, &azure), 2);

    t_ok(ngx_http_ai_knobs_refusal(&k, &eu, &azure) == NULL);
    t_ok(ngx_http_ai_knobs_refusal(&k, &us, &azure) == &k.ignore);
    t_ok(ngx_http_ai_knobs_refusal(&k, &a, &openai) == NULL);

    /* without fallbacks the order is the whole of it */

    ngx_http_ai_knobs_init(&k);
    t_eq(ngx_http_ai_test_parse(&k, PROVIDER, "{\"order\":[\"azure_eu\"],"
         "\"allow_fallbacks\":false}", &e), NGX_OK);
    t_ok(ngx_http_ai_knobs_refusal(&k, &eu, &azure) == NULL);
    t_ok(ngx_http_ai_knobs_refusal(&k, &a, &openai) == &k.order);

    ngx_http_ai_knobs_init(&k);
    t_eq(ngx_http_ai_test_parse(&k, PROVIDER, "{\"only\":[\"azure\"]}", &e),
         NGX_OK);
    t_ok(ngx_http_ai_knobs_refusal(&k, &us, &azure) == NULL);
    t_ok(ngx_http_ai_knobs_refusal(&k, &a, &openai) == &k.only);

    /* the shortest of several */

    t_eq(ngx_http_ai_test_parse(&k, OPTIONS, "{\"gateway\":{"
         "\"providerTimeouts\":{\"byok\":{\"Azure\":500,\"azure_eu\":900},"
         "\"x\":{\"azure_us\":100}}}}", &e), NGX_OK);
    t_eq(ngx_http_ai_knobs_timeout(&k, &eu, &azure), 500);
    t_eq(ngx_http_ai_knobs_timeout(&k, &us, &azure), 100);
    t_eq(ngx_http_ai_knobs_timeout(&k, &a, &openai), 0);

    ngx_http_ai_test_free();
}


static const ngx_http_ai_test_t  tests[] = {
    { "all of Vercel's", ngx_http_ai_test_vercel },
    { "all of OpenRouter's", ngx_http_ai_test_openrouter },
    { "nothing, and wrong types", ngx_http_ai_test_types },
    { "one thing in two spellings", ngx_http_ai_test_spellings },
    { "32 names and no more", ngx_http_ai_test_many },
    { "prices", ngx_http_ai_test_prices },
    { "what is cut out of providerOptions", ngx_http_ai_test_cuts },
    { "broken bytes", ngx_http_ai_test_broken },
    { "matching accounts and providers", ngx_http_ai_test_match },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
