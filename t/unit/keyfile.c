
/*
 * Copyright (C) nginx-ai-route contributors
 */


#define _GNU_SOURCE

#include "ngx_http_ai_test.h"
#include "ngx_http_ai_keyfile.h"


#define HASH  "sha256:00112233445566778899aabbccddeeff" \
              "00112233445566778899AABBCCDDEEFF"
#define KEY   "\"id\":\"k\",\"hash\":\"" HASH "\""


/* what the parser handed out, in words, so that two runs can be compared */

typedef struct {
    char                   text[8192];
    size_t                 len;
    ngx_uint_t             n;
    ngx_uint_t             refuse;       /* the nth is refused; 0: none */
    u_char                 hash[NGX_HTTP_AI_KEY_HASH];
} ngx_http_ai_test_seen_t;


static ngx_http_ai_keyfile_t    kf;
static ngx_http_ai_test_seen_t  seen;


static void
ngx_http_ai_test_add(const char *fmt, const ngx_str_t *s, long long n)
{
    size_t  room;

    room = sizeof(seen.text) - seen.len;

    if (s) {
        seen.len += snprintf(seen.text + seen.len, room, fmt, (int) s->len,
                             (char *) s->data);
    } else {
        seen.len += snprintf(seen.text + seen.len, room, fmt, n);
    }
}


static ngx_int_t
ngx_http_ai_test_key(void *data, ngx_http_ai_keyfile_t *k,
    const ngx_http_ai_keyentry_t *e)
{
    ngx_uint_t  i;

    t_ok(data == &seen);
    t_ok(k == &kf);

    if (++seen.n == seen.refuse) {
        k->wrong_len = snprintf((char *) k->wrong, sizeof(k->wrong),
                                "no more");
        return NGX_ERROR;
    }

    memcpy(seen.hash, e->hash, sizeof(seen.hash));

    ngx_http_ai_test_add("%.*s:", &e->id, 0);
    ngx_http_ai_test_add("line=%lld", NULL, k->line);
    ngx_http_ai_test_add(" app=%.*s", &e->app, 0);
    ngx_http_ai_test_add(" team=%.*s", &e->team, 0);
    ngx_http_ai_test_add(" env=%.*s", &e->env, 0);

    for (i = 0; i < e->nclasses; i++) {
        ngx_http_ai_test_add(" class=%.*s", &e->classes[i], 0);
    }

    ngx_http_ai_test_add(" default=%.*s", &e->default_class, 0);

    for (i = 0; i < e->nmodels; i++) {
        ngx_http_ai_test_add(" model=%.*s", &e->models[i], 0);
    }

    ngx_http_ai_test_add(" requests=%lld", NULL, e->requests.limit);
    ngx_http_ai_test_add("/%lld", NULL, e->requests.period_ms);
    ngx_http_ai_test_add(" tokens=%lld", NULL, e->tokens.limit);
    ngx_http_ai_test_add("/%lld", NULL, e->tokens.period_ms);
    ngx_http_ai_test_add(" concurrent=%lld", NULL, e->concurrent);

    for (i = 0; i < e->nbudgets; i++) {
        ngx_http_ai_test_add(" budget=%lld", NULL,
                             e->budgets[i].limit_nanousd);
        ngx_http_ai_test_add("/%lld", NULL, e->budgets[i].per);
    }

    ngx_http_ai_test_add(" expires=%lld", NULL, e->expires);
    ngx_http_ai_test_add(" disabled=%lld", NULL, e->disabled);
    ngx_http_ai_test_add(" knobs=%lld", NULL, e->knobs);
    ngx_http_ai_test_add(" cut_off=%lld\n", NULL, e->cut_off);

    return NGX_OK;
}


/*
 * In pieces that end at "first" and, from there on, after "step" bytes each;
 * each piece is a copy of its own, gone when the next one is fed.
 */

static ngx_int_t
ngx_http_ai_test_parse(const char *json, size_t n, size_t first, size_t step)
{
    u_char     *p;
    size_t      pos, len;
    ngx_int_t   rc;
    ngx_uint_t  refuse;

    refuse = seen.refuse;
    memset(&seen, 0, sizeof(seen));
    seen.refuse = refuse;

    memset(&kf, 0xa5, sizeof(kf));

    t_eq(ngx_http_ai_keyfile_init(&kf, ngx_http_ai_test_key, &seen), NGX_OK);

    rc = NGX_OK;

    for (pos = 0; pos < n && rc == NGX_OK; pos += len) {
        len = (pos == 0) ? first : step;
        len = ngx_min(len, n - pos);

        p = ngx_http_ai_test_dup(json + pos, len);
        rc = ngx_http_ai_keyfile_feed(&kf, p, len);
        free(p);

        if (len == 0) {
            len = ngx_min(step, n - pos);
            p = ngx_http_ai_test_dup(json + pos, len);
            rc = ngx_http_ai_keyfile_feed(&kf, p, len);
            free(p);
        }
    }

    if (rc == NGX_OK) {
        rc = ngx_http_ai_keyfile_end(&kf);
    }

    ngx_http_ai_keyfile_free(&kf);
    ngx_http_ai_keyfile_free(&kf);

    return rc;
}


static const char  full[] =
    "{\"keys\": [\n"
    "  {\"id\":\"search-ui\",\"hash\":\"" HASH "\",\n"
    "   \"app\":\"search-ui\",\"team\":\"se\\u0061rch\",\"env\":\"prod\",\n"
    "   \"classes\":[\"interactive\",\"background\"],\n"
    "   \"default_class\":\"interactive\",\"models\":[\"gpt-4o*\",\"*\"],\n"
    "   \"requests\":\"600r/m\",\"tokens\":\"1000000t/m\",\n"
    "   \"concurrent\":20,\"budget\":[{\"usd\":100,\"per\":\"month\"},\n"
    "     {\"per\":\"day\",\"usd\":\"0.000000001\"},\n"
    "     {\"per\":\"week\",\"usd\":12.5},{\"usd\":1000,\"per\":\"total\"}],\n"
    "   \"expires\":\"2027-01-01T00:00:00Z\",\"disabled\":false,\n"
    "   \"knobs\":true,\"cut_off\":true},\n"
    "\n"
    "  {" KEY ",\"app\":null,\"classes\":null,\"budget\":null,\n"
    "   \"expires\":null,\"disabled\":true,\"team\":\"\"}]\n"
    "}\n\n";

static const char  full_seen[] =
    "search-ui:line=2 app=search-ui team=search env=prod class=interactive "
    "class=background default=interactive model=gpt-4o* model=* "
    "requests=600/60000 tokens=1000000/60000 concurrent=20 "
    "budget=100000000000/3 budget=1/1 budget=12500000000/2 "
    "budget=1000000000000/4 expires=1798761600 disabled=0 knobs=1 cut_off=1\n"
    "k:line=13 app= team= env= default= requests=0/0 tokens=0/0 "
    "concurrent=0 expires=0 disabled=1 knobs=0 cut_off=0\n";


static void
ngx_http_ai_test_full(void)
{
    size_t  i, n;

    static const u_char  hash[] = {
        0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
        0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
        0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
        0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff
    };

    n = sizeof(full) - 1;

    for (i = 0; i <= n; i++) {
        t_eq(ngx_http_ai_test_parse(full, n, i, n), NGX_OK);
        t_mem(seen.text, seen.len, full_seen, sizeof(full_seen) - 1);
        t_mem(seen.hash, sizeof(seen.hash), hash, sizeof(hash));
    }

    for (i = 1; i <= 16; i++) {
        t_eq(ngx_http_ai_test_parse(full, n, i, i), NGX_OK);
        t_mem(seen.text, seen.len, full_seen, sizeof(full_seen) - 1);
    }
}


static void
ngx_http_ai_test_empty(void)
{
    t_eq(ngx_http_ai_test_parse("{\"keys\":[]}", 11, 11, 1), NGX_OK);
    t_eq(seen.n, 0);
}


/* whatever is cut off is an error, and no key is invented */

static void
ngx_http_ai_test_cut(void)
{
    size_t  i;

    for (i = 0; i < sizeof(full) - 4; i++) {
        t_eq(ngx_http_ai_test_parse(full, i, i, 1), NGX_ERROR);
        t_ok(kf.wrong_len != 0);
        t_ok(seen.n <= 2);
    }
}


typedef struct {
    const char  *json;
    ngx_uint_t   line;
    const char  *wrong;
} ngx_http_ai_test_wrong_t;


#define FORM  "{\"keys\":[{\"id\":\"NAME\",\"hash\":\"sha256:HEX\"}]}"
#define ALL   "id, hash, app, team, env, classes, default_class, models, "    \
              "requests, tokens, concurrent, budget, expires, disabled, "     \
              "knobs, cut_off"
#define ONE(more)  "{\"keys\":[\n{" KEY ",\n" more "}]}"
#define BUDGET(b)  ONE("\"budget\":" b)


static const ngx_http_ai_test_wrong_t  wrongs[] = {

    /* the outside */

    { "", 1, "it is no valid JSON (parse error: premature EOF)" },
    { " \n ", 2, "it is no valid JSON (parse error: premature EOF)" },
    { "nonsense", 1, "it is no valid JSON (lexical error: invalid string in "
      "json text.)" },
    { "\xef\xbb\xbf{}", 1,
      "it is no valid JSON (lexical error: invalid char in json text.)" },
    { "\n[]", 2, "there is a list, write " FORM },
    { "17 ", 1, "there is a number, write " FORM },
    { "\"s3cr3t\"", 1, "there is a text, write " FORM },
    { "null", 1, "there is null, write " FORM },
    { "true", 1, "there is true, write " FORM },
    { "{}", 1, "there is no \"keys\", write " FORM },
    { "{\n\"kys\":[]}", 2, "unknown member \"kys\", write " FORM },
    { "{\"sk-s3cr3t\":[]}", 1, "unknown member (not shown), write " FORM },
    { "{\"keys\":[],\n\"keys\":[]}", 2,
      "\"keys\" stands twice, write it once" },
    { "{\"keys\":{}}", 1,
      "\"keys\" is an object, write a list of objects, one for each key" },
    { "{\"keys\":\"s3cr3t\"}", 1,
      "\"keys\" is a text, write a list of objects, one for each key" },
    { "{\"keys\":null}", 1,
      "\"keys\" is null, write a list of objects, one for each key" },
    { "{\"keys\":[\n\n\"s3cr3t\"]}", 3,
      "\"keys\" holds a text, write one object for each key" },
    { "{\"keys\":[[]]}", 1,
      "\"keys\" holds a list, write one object for each key" },
    { "{\"keys\":[]}\n}", 2,
      "it is no valid JSON (parse error: trailing garbage)" },
    { "{\"keys\":[],}", 1, "it is no valid JSON (parse error: invalid object "
      "key (must be a string))" },
    { "{\"keys\":[{" KEY "}\n{" KEY "}]}", 2, "it is no valid JSON (parse "
      "error: after array element, I expect ',' or ']')" },

    /* a key */

    { "{\"keys\":[\n{}]}", 2,
      "the key that begins at line 2 has no \"id\", write a name" },
    { "{\"keys\":[\n{\"hash\":\"" HASH "\"\n}]}", 3,
      "the key that begins at line 2 has no \"id\", write a name" },
    { "{\"keys\":[{\"id\":null,\"hash\":\"" HASH "\"}]}", 1,
      "the key that begins at line 1 has no \"id\", write a name" },
    { "{\"keys\":[{\"id\":\"x\"}]}", 1,
      "key \"x\" has no \"hash\", write sha256: and the 64 hex digits of the "
      "key's SHA-256" },
    { ONE("\"owner\":\"x\""), 3,
      "unknown member \"owner\" of key \"k\", use " ALL },
    { "{\"keys\":[\n{\"key\":\"s3cr3t\"}]}", 2,
      "unknown member \"key\" of the key that begins at line 2, use " ALL },
    { ONE("\"s3cr3t\":1"), 3,
      "unknown member (not shown) of key \"k\", use " ALL },
    { ONE("\"\":1"), 3, "unknown member (not shown) of key \"k\", use " ALL },
    { ONE("\"abcdefghijklmnopqrstuvwxyzabcdefg\":1"), 3,
      "unknown member (not shown) of key \"k\", use " ALL },
    { ONE("\"id\":\"l\""), 3,
      "\"id\" of key \"k\" stands twice, write it once" },
    { ONE("\"env\":null,\"env\":\"x\""), 3,
      "\"env\" of key \"k\" stands twice, write it once" },

    /* its fields, by type */

    { "{\"keys\":[{\"id\":17}]}", 1,
      "\"id\" of the key that begins at line 1 is a number, write a text" },
    { ONE("\"app\":{}"), 3,
      "\"app\" of key \"k\" is an object, write a text" },
    { ONE("\"team\":[\"x\"]"), 3,
      "\"team\" of key \"k\" is a list, write a text" },
    { ONE("\"expires\":1798761600"), 3,
      "\"expires\" of key \"k\" is a number, write a text" },
    { ONE("\"requests\":600"), 3,
      "\"requests\" of key \"k\" is a number, write a text" },
    { ONE("\"classes\":\"x\""), 3,
      "\"classes\" of key \"k\" is a text, write a list of texts" },
    { ONE("\"classes\":[\"x\",17]"), 3,
      "\"classes\" of key \"k\" holds a number, write texts only" },
    { ONE("\"models\":[null]"), 3,
      "\"models\" of key \"k\" holds null, write texts only" },
    { ONE("\"models\":[{}]"), 3,
      "\"models\" of key \"k\" holds an object, write texts only" },
    { ONE("\"models\":[[]]"), 3,
      "\"models\" of key \"k\" holds a list, write texts only" },
    { ONE("\"concurrent\":\"20\""), 3,
      "\"concurrent\" of key \"k\" is a text, write a number" },
    { ONE("\"concurrent\":false"), 3,
      "\"concurrent\" of key \"k\" is false, write a number" },
    { ONE("\"disabled\":\"true\""), 3,
      "\"disabled\" of key \"k\" is a text, write true or false" },
    { ONE("\"disabled\":0"), 3,
      "\"disabled\" of key \"k\" is a number, write true or false" },
    { BUDGET("{\"usd\":1,\"per\":\"day\"}"), 3,
      "\"budget\" of key \"k\" is an object, write a list such as "
      "[{\"usd\":100,\"per\":\"month\"}]" },
    { BUDGET("\"100usd/month\""), 3,
      "\"budget\" of key \"k\" is a text, write a list such as "
      "[{\"usd\":100,\"per\":\"month\"}]" },
    { BUDGET("[100]"), 3,
      "\"budget\" of key \"k\" holds a number, write objects such as "
      "{\"usd\":100,\"per\":\"month\"}" },

    /* ... and by value */

    { "{\"keys\":[{\"id\":\"\"}]}", 1,
      "\"id\" of the key that begins at line 1 is empty, write a name of 1 "
      "to 128 bytes" },
    { "{\"keys\":[{\"id\":\"a\\nb\"}]}", 1,
      "\"id\" of the key that begins at line 1 holds a control character, "
      "write a name of 1 to 128 bytes" },
    { "{\"keys\":[{\"id\":\"x\",\"hash\":\"s3cr3t\"}]}", 1,
      "\"hash\" of key \"x\" is not of this form, and not shown because it "
      "may be the key itself, write sha256: and the 64 hex digits of the "
      "key's SHA-256" },
    { "{\"keys\":[{\"id\":\"x\",\"hash\":\"sha256:0011223344556677889900\"}]}",
      1, "\"hash\" of key \"x\" is not of this form, and not shown because "
      "it may be the key itself, write sha256: and the 64 hex digits of the "
      "key's SHA-256" },
    { "{\"keys\":[{\"id\":\"x\",\"hash\":\"sha256:"
      "g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"}]}",
      1, "\"hash\" of key \"x\" is not of this form, and not shown because "
      "it may be the key itself, write sha256: and the 64 hex digits of the "
      "key's SHA-256" },
    { ONE("\"classes\":[]"), 3, "\"classes\" of key \"k\" is an empty list, "
      "write a list of 1 to 32 names of classes" },
    { ONE("\"classes\":[\"a\",\"a\"]"), 3, "\"classes\" of key \"k\" have a "
      "name twice, write a list of 1 to 32 names of classes" },
    { ONE("\"classes\":[\"\"]"), 3, "\"classes\" of key \"k\" have an empty "
      "name, write a list of 1 to 32 names of classes" },
    { ONE("\"default_class\":\"\""), 3,
      "\"default_class\" of key \"k\" is empty, write the name of a class" },
    { ONE("\"default_class\":\"b\",\"classes\":[\"a\"]"), 3,
      "key \"k\" has a \"default_class\" that is not among its \"classes\", "
      "add it there or write another one" },
    { ONE("\"models\":[]"), 3, "\"models\" of key \"k\" is an empty list, "
      "write a list of 1 to 64 names of models, or beginnings such as "
      "gpt-4o*" },
    { ONE("\"models\":[\"gpt*4\"]"), 3, "\"models\" of key \"k\" have a \"*\" "
      "that is not at a name's end, write a list of 1 to 64 names of models, "
      "or beginnings such as gpt-4o*" },
    { ONE("\"requests\":\"-5r/m\""), 3, "\"requests\" of key \"k\" is not a "
      "rate, write a rate of requests per s, m, h or d such as 600r/m" },
    { ONE("\"requests\":\"0r/m\""), 3, "\"requests\" of key \"k\" is zero or "
      "too large, write a rate of requests per s, m, h or d such as 600r/m" },
    { ONE("\"requests\":\"99999999999999999999r/m\""), 3, "\"requests\" of "
      "key \"k\" is zero or too large, write a rate of requests per s, m, h "
      "or d such as 600r/m" },
    { ONE("\"requests\":\"5t/m\""), 3, "\"requests\" of key \"k\" counts "
      "tokens, write a rate of requests per s, m, h or d such as 600r/m" },
    { ONE("\"tokens\":\"5r/m\""), 3, "\"tokens\" of key \"k\" counts "
      "requests, write a rate of tokens per s, m, h or d such as "
      "1000000t/m" },
    { ONE("\"concurrent\":0"), 3, "\"concurrent\" of key \"k\" is not a "
      "whole number above zero, write a whole number from 1 to 1000000" },
    { ONE("\"concurrent\":-1"), 3, "\"concurrent\" of key \"k\" is not a "
      "whole number above zero, write a whole number from 1 to 1000000" },
    { ONE("\"concurrent\":2.5"), 3, "\"concurrent\" of key \"k\" is not a "
      "whole number above zero, write a whole number from 1 to 1000000" },
    { ONE("\"concurrent\":1000001"), 3, "\"concurrent\" of key \"k\" is too "
      "large, write a whole number from 1 to 1000000" },
    { ONE("\"concurrent\":99999999999999999999999999"), 3, "\"concurrent\" "
      "of key \"k\" is too large, write a whole number from 1 to 1000000" },
    { ONE("\"expires\":\"tomorrow\""), 3, "\"expires\" of key \"k\" is not a "
      "date and time with its zone, write a date and time such as "
      "2027-01-01T00:00:00Z" },

    /* budgets */

    { BUDGET("[]"), 3, "\"budget\" of key \"k\" is an empty list, write "
      "amounts of dollars per day, week, month or in total, at most one of "
      "each" },
    { BUDGET("[{}]"), 3, "\"budget\" of key \"k\" lacks \"usd\", write "
      "objects such as {\"usd\":100,\"per\":\"month\"}" },
    { BUDGET("[{\"usd\":1}]"), 3, "\"budget\" of key \"k\" lacks \"per\", "
      "write objects such as {\"usd\":100,\"per\":\"month\"}" },
    { BUDGET("[{\"eur\":1}]"), 3, "unknown member \"eur\" in \"budget\" of "
      "key \"k\", use usd, per" },
    { BUDGET("[{\"usd\":1,\"usd\":1}]"), 3,
      "\"usd\" of key \"k\" stands twice, write it once" },
    { BUDGET("[{\"per\":\"day\",\"per\":\"day\"}]"), 3,
      "\"per\" of key \"k\" stands twice, write it once" },
    { BUDGET("[{\"usd\":-1}]"), 3, "\"usd\" in \"budget\" of key \"k\" is no "
      "amount, write dollars above zero such as 100 or \"0.50\", with at "
      "most 9 decimals" },
    { BUDGET("[{\"usd\":1e3}]"), 3, "\"usd\" in \"budget\" of key \"k\" is "
      "no amount, write dollars above zero such as 100 or \"0.50\", with at "
      "most 9 decimals" },
    { BUDGET("[{\"usd\":[]}]"), 3, "\"usd\" in \"budget\" of key \"k\" is no "
      "amount, write dollars above zero such as 100 or \"0.50\", with at "
      "most 9 decimals" },
    { BUDGET("[{\"usd\":null}]"), 3, "\"usd\" in \"budget\" of key \"k\" is "
      "no amount, write dollars above zero such as 100 or \"0.50\", with at "
      "most 9 decimals" },
    { BUDGET("[{\"usd\":true}]"), 3, "\"usd\" in \"budget\" of key \"k\" is "
      "no amount, write dollars above zero such as 100 or \"0.50\", with at "
      "most 9 decimals" },
    { BUDGET("[{\"per\":{}}]"), 3, "\"per\" in \"budget\" of key \"k\" is no "
      "period, write day, week, month or total" },
    { BUDGET("[{\"per\":1}]"), 3, "\"per\" in \"budget\" of key \"k\" is no "
      "period, write day, week, month or total" },
    { BUDGET("[{\"per\":\"year\"}]"), 3, "\"per\" in \"budget\" of key \"k\" "
      "is no period, write day, week, month or total" },
    { BUDGET("[{\"usd\":1,\"per\":\"day\"},{\"usd\":2,\"per\":\"day\"}]"), 3,
      "\"budget\" of key \"k\" has two amounts for one period, write amounts "
      "of dollars per day, week, month or in total, at most one of each" },

    { NULL, 0, NULL }
};


/* the same line and words wherever the input is split; no secret in them */

static void
ngx_http_ai_test_wrong(void)
{
    size_t                           i, n;
    const ngx_http_ai_test_wrong_t  *w;

    for (w = wrongs; w->json; w++) {

        n = strlen(w->json);
        ngx_http_ai_test_note = w->json;

        for (i = 0; i <= n; i++) {
            t_eq(ngx_http_ai_test_parse(w->json, n, i, n ? n : 1), NGX_ERROR);
            t_mem(kf.wrong, kf.wrong_len, w->wrong, strlen(w->wrong));
            t_eq(kf.line, w->line);
        }

        t_eq(ngx_http_ai_test_parse(w->json, n, 1, 1), NGX_ERROR);
        t_mem(kf.wrong, kf.wrong_len, w->wrong, strlen(w->wrong));
        t_eq(kf.line, w->line);

        t_ok(memmem(kf.wrong, kf.wrong_len, "s3cr3t", 6) == NULL);
    }
}


/* nothing more is read after an error */

static void
ngx_http_ai_test_refused(void)
{
    static const char  two[] = "{\"keys\":[\n{" KEY "},\n{" KEY "}]}";

    seen.refuse = 2;
    t_eq(ngx_http_ai_test_parse(two, sizeof(two) - 1, 1, 1), NGX_ERROR);
    t_eq(kf.line, 3);
    t_mem(kf.wrong, kf.wrong_len, "no more", 7);
    t_eq(ngx_http_ai_keyfile_feed(&kf, (u_char *) "x", 1), NGX_ERROR);
    t_eq(ngx_http_ai_keyfile_end(&kf), NGX_ERROR);
    t_mem(kf.wrong, kf.wrong_len, "no more", 7);

    seen.refuse = 0;
}


static void
ngx_http_ai_test_bounds(void)
{
    char    *p;
    size_t   i, n;

    static const char  head[] = "{\"keys\":[{\"id\":\"";

    n = sizeof(head) - 1;

    /* an id of as many bytes as there may be, and of one more */

    p = malloc(n + 1024 * 1024);

    memcpy(p, head, n);
    memset(p + n, 'x', 1024 * 1024);
    memcpy(p + n + 128, "\",\"hash\":\"" HASH "\"}]}", 85);

    t_eq(ngx_http_ai_test_parse(p, n + 128 + 85, 7, 64), NGX_OK);
    t_eq(seen.n, 1);

    memset(p + n, 'x', 1024 * 1024);
    memcpy(p + n + 129, "\",\"hash\":\"" HASH "\"}]}", 85);

    t_eq(ngx_http_ai_test_parse(p, n + 129 + 85, 7, 64), NGX_ERROR);
    t_ok(memmem(kf.wrong, kf.wrong_len, "is too long", 11) != NULL);

    /* a text without an end: not read to its end */

    memset(p + n, 'x', 1024 * 1024);

    t_eq(ngx_http_ai_test_parse(p, n + 1024 * 1024, 65536, 65536), NGX_ERROR);
    t_ok(memmem(kf.wrong, kf.wrong_len, "no value within 262144 bytes", 28)
         != NULL);

    /* blanks are values to nobody, either */

    memset(p, '\n', 1024 * 1024);

    t_eq(ngx_http_ai_test_parse(p, 1024 * 1024, 65536, 65536), NGX_ERROR);
    t_ok(memmem(kf.wrong, kf.wrong_len, "no value within 262144 bytes", 28)
         != NULL);

    /* more names than there is room for */

    n = snprintf(p, 1024, "{\"keys\":[{\"models\":[");

    for (i = 0; i < 65; i++) {
        n += snprintf(p + n, 1024, "%s\"m%zu\"", i ? "," : "", i);
    }

    t_eq(ngx_http_ai_test_parse(p, n, 1, 7), NGX_ERROR);
    t_ok(memmem(kf.wrong, kf.wrong_len, "are too many", 12) != NULL);

    n = snprintf(p, 1024, "{\"keys\":[{\"classes\":[");

    for (i = 0; i < 33; i++) {
        n += snprintf(p + n, 1024, "%s\"c%zu\"", i ? "," : "", i);
    }

    t_eq(ngx_http_ai_test_parse(p, n, 1, 7), NGX_ERROR);
    t_ok(memmem(kf.wrong, kf.wrong_len, "are too many", 12) != NULL);

    free(p);
}


static void
ngx_http_ai_test_date(void)
{
    u_char      *p;
    size_t       n;
    int64_t      seconds;
    ngx_uint_t   i;

    static const struct {
        const char  *text;
        int64_t      seconds;          /* -1: refused */
    } dates[] = {
        { "2027-01-01T00:00:00Z", 1798761600 },
        { "2027-01-01t00:00:00z", 1798761600 },
        { "2027-01-01T00:00:00.123456789Z", 1798761600 },
        { "2027-01-01T01:30:00+01:30", 1798761600 },
        { "2026-12-31T18:30:00-05:30", 1798761600 },
        { "2000-02-29T23:59:59Z", 951868799 },
        { "2024-02-29T00:00:00Z", 1709164800 },
        { "2000-03-01T00:00:00Z", 951868800 },
        { "9999-12-31T23:59:59Z", 253402300799 },
        { "1970-01-01T00:00:00Z", 1 },
        { "1970-01-01T00:00:00+23:59", 1 },
        { "1970-01-01T00:00:02Z", 2 },
        { "2026-12-31T00:00:00Z", 1798675200 },
        { "", -1 }, { "2027", -1 }, { "2027-01-01", -1 },
        { "2027-01-01T00:00:00", -1 }, { "2027-01-01 00:00:00Z", -1 },
        { "2027-13-01T00:00:00Z", -1 }, { "2027-00-01T00:00:00Z", -1 },
        { "2027-02-29T00:00:00Z", -1 }, { "1900-02-29T00:00:00Z", -1 },
        { "2100-02-29T00:00:00Z", -1 }, { "2027-04-31T00:00:00Z", -1 },
        { "2027-12-32T00:00:00Z", -1 }, { "2027-01-00T00:00:00Z", -1 },
        { "2027-01-01T24:00:00Z", -1 }, { "2027-01-01T00:60:00Z", -1 },
        { "2027-01-01T00:00:60Z", -1 }, { "2027-01-01T00:00:00.Z", -1 },
        { "2027-01-01T00:00:00Z ", -1 }, { "2027-01-01T00:00:00+1:00", -1 },
        { "2027-01-01T00:00:00+01", -1 }, { "2027-01-01T00:00:00+0100", -1 },
        { "2027-01-01T00:00:00+24:00", -1 },
        { "2027-01-01T00:00:00+01:60", -1 },
        { "1969-12-31T23:59:59Z", -1 }, { "+2027-01-01T00:00:00Z", -1 },
        { "2027\r01-01T00:00:00Z", -1 }, { "2027-1-1T00:00:00Z", -1 }
    };

    for (i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {

        ngx_http_ai_test_note = dates[i].text;

        n = strlen(dates[i].text);
        p = ngx_http_ai_test_dup(dates[i].text, n);

        if (dates[i].seconds == -1) {
            t_eq(ngx_http_ai_keyentry_date(p, n, &seconds), NGX_ERROR);

        } else {
            t_eq(ngx_http_ai_keyentry_date(p, n, &seconds), NGX_OK);
            t_eq(seconds, dates[i].seconds);
        }

        free(p);
    }
}


static void
ngx_http_ai_test_model(void)
{
    ngx_uint_t  i;

    static const ngx_str_t  models[] = {
        ngx_string("gpt-4o*"), ngx_string("o3"), ngx_string("a/b")
    };

    static const ngx_str_t  all[] = { ngx_string("*") };

    static const struct {
        ngx_str_t   name;
        ngx_uint_t  may;
    } cases[] = {
        { ngx_string("gpt-4o"), 1 }, { ngx_string("gpt-4o-mini"), 1 },
        { ngx_string("gpt-4"), 0 }, { ngx_string("GPT-4o"), 0 },
        { ngx_string("o3"), 1 }, { ngx_string("o3-mini"), 0 },
        { ngx_string("o"), 0 }, { ngx_string("a/b"), 1 },
        { ngx_string(""), 0 }, { ngx_string("*"), 0 }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ngx_http_ai_test_note = (char *) cases[i].name.data;

        t_eq(ngx_http_ai_keyentry_model(models, 3, &cases[i].name),
             cases[i].may);
        t_eq(ngx_http_ai_keyentry_model(all, 1, &cases[i].name), 1);
    }
}


/* stored in shared memory, which outlives a reload with a newer module */

static void
ngx_http_ai_test_state(void)
{
    ngx_str_t  id = ngx_string("foobar"), none = ngx_null_string;

    t_ok(ngx_http_ai_keyentry_state(&id) == 0x85944171f73967e8ull);
    t_ok(ngx_http_ai_keyentry_state(&none) == 14695981039346656037ull);
}


static const ngx_http_ai_test_t  tests[] = {
    { "every field, split everywhere", ngx_http_ai_test_full },
    { "no key at all", ngx_http_ai_test_empty },
    { "cut off at every byte", ngx_http_ai_test_cut },
    { "errors, split everywhere", ngx_http_ai_test_wrong },
    { "a key refused by its receiver", ngx_http_ai_test_refused },
    { "bounds", ngx_http_ai_test_bounds },
    { "dates", ngx_http_ai_test_date },
    { "models", ngx_http_ai_test_model },
    { "names of counters", ngx_http_ai_test_state },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
