
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_xread.h"


static const ngx_str_t  ngx_http_ai_test_names[] = {
    ngx_string("id"),
    ngx_string("account")
};

#define t_out(want)                                                           \
    t_mem((u_char *) ngx_http_ai_test_out, strlen(ngx_http_ai_test_out),      \
          want, strlen(want))


static ngx_http_ai_xread_t  ngx_http_ai_test_x;
static char                 ngx_http_ai_test_out[1024];


/* "id=account " for each entry */

static void
ngx_http_ai_test_entry(void *data, const ngx_str_t *values)
{
    size_t  len;

    t_ok(data == &ngx_http_ai_test_x);

    len = strlen(ngx_http_ai_test_out);

    snprintf(ngx_http_ai_test_out + len, sizeof(ngx_http_ai_test_out) - len,
             "%.*s=%.*s ", (int) values[0].len, (char *) values[0].data,
             (int) values[1].len, (char *) values[1].data);
}


static void
ngx_http_ai_test_begin(uint64_t ms, uint64_t seq)
{
    ngx_http_ai_xread_id_t  from;

    from.ms = ms;
    from.seq = seq;

    ngx_http_ai_test_out[0] = '\0';

    ngx_http_ai_xread_init(&ngx_http_ai_test_x, ngx_http_ai_test_names, 2,
                           ngx_http_ai_test_entry, &ngx_http_ai_test_x);
    ngx_http_ai_xread_begin(&ngx_http_ai_test_x, &from);
}


/* the strings are gone after each call, as those of a parser are */

static void
ngx_http_ai_test_say(const char *text, size_t len, ngx_uint_t depth,
    ngx_uint_t a, ngx_uint_t b, ngx_uint_t c, ngx_uint_t d, ngx_uint_t e)
{
    ngx_str_t   s;
    ngx_uint_t  at[5];

    at[0] = a;
    at[1] = b;
    at[2] = c;
    at[3] = d;
    at[4] = e;

    s.len = len;
    s.data = malloc(len + 1);
    memcpy(s.data, text, len);

    ngx_http_ai_xread_text(&ngx_http_ai_test_x, at, depth, &s);

    memset(s.data, 'X', len + 1);
    free(s.data);
}


/* the n-th entry, "id name value name value ..." */

static void
ngx_http_ai_test_say_entry(ngx_uint_t n, const char *words)
{
    size_t       len;
    ngx_uint_t   i;

    for (i = 0; *words; i++) {
        len = strcspn(words, " ");

        if (i == 0) {
            ngx_http_ai_test_say(words, len, 4, 0, 1, n, 0, 0);

        } else {
            ngx_http_ai_test_say(words, len, 5, 0, 1, n, 1, i - 1);
        }

        words += len + (words[len] == ' ');
    }
}


static void
ngx_http_ai_test_good(void)
{
    ngx_http_ai_xread_t  *x;

    x = &ngx_http_ai_test_x;

    ngx_http_ai_test_begin(5, 1);
    ngx_http_ai_test_say("key", 3, 2, 0, 0, 0, 0, 0);
    ngx_http_ai_test_say_entry(0, "5-2 v 1 id abc account one");
    t_out("");
    ngx_http_ai_test_say_entry(1, "6-0 account two other x id def");
    t_out("abc=one ");
    t_eq(x->last.ms, 5);
    t_eq(x->last.seq, 2);

    t_eq(ngx_http_ai_xread_end(x), NGX_OK);
    t_out("abc=one def=two ");
    t_eq(x->last.ms, 6);
    t_eq(x->last.seq, 0);
    t_eq(x->entries, 2);
    t_eq(x->malformed, 0);

    /* the same again is no progress */

    ngx_http_ai_xread_begin(x, &x->last);
    ngx_http_ai_test_say_entry(0, "6-0 id abc account one");
    t_eq(ngx_http_ai_xread_end(x), NGX_DECLINED);
    t_eq(x->malformed, 1);
    t_out("abc=one def=two ");
}


static const struct {
    const char  *words;
    const char  *out;
    ngx_uint_t   entries;
    ngx_uint_t   malformed;
} ngx_http_ai_test_rows[] = {

    /* fields that are not there are empty: whoever wants them will see */
    { "9-9", "= ", 1, 0 },
    { "9-9 id", "= ", 1, 0 },
    { "9-9 id abc", "abc= ", 1, 0 },
    { "9-9 idx abc account a", "=a ", 1, 0 },
    { "9-9 x id account a", "=a ", 1, 0 },

    /* twice */
    { "9-9 id abc id abd account a", "", 1, 1 },
    { "9-9 account a account a", "", 1, 1 },

    /* ids that are none, or not behind the last one */
    { "5-1 id abc", "", 0, 1 },
    { "5-0 id abc", "", 0, 1 },
    { "4-9 id abc", "", 0, 1 },
    { "9 id abc", "", 0, 1 },
    { "9- id abc", "", 0, 1 },
    { "-9 id abc", "", 0, 1 },
    { "9-9- id abc", "", 0, 1 },
    { "9-9x id abc", "", 0, 1 },
    { "+9-9 id abc", "", 0, 1 },
    { "18446744073709551616-0 id abc", "", 0, 1 },
    { "9-18446744073709551616 id abc", "", 0, 1 },
    { "18446744073709551615-18446744073709551615 id abc", "abc= ", 1, 0 },
    { NULL, NULL, 0, 0 }
};


static void
ngx_http_ai_test_hostile(void)
{
    ngx_uint_t            i;
    ngx_http_ai_xread_t  *x;

    x = &ngx_http_ai_test_x;

    for (i = 0; ngx_http_ai_test_rows[i].words; i++) {
        ngx_http_ai_test_note = ngx_http_ai_test_rows[i].words;

        ngx_http_ai_test_begin(5, 1);
        ngx_http_ai_test_say_entry(0, ngx_http_ai_test_rows[i].words);

        t_eq(ngx_http_ai_xread_end(x),
             ngx_http_ai_test_rows[i].entries ? NGX_OK : NGX_DECLINED);
        t_out(ngx_http_ai_test_rows[i].out);
        t_eq(x->entries, ngx_http_ai_test_rows[i].entries);
        t_eq(x->malformed, ngx_http_ai_test_rows[i].malformed);
    }

    ngx_http_ai_test_note = NULL;
}


/* arrays where strings belong, other places, strings too long */

static void
ngx_http_ai_test_shapes(void)
{
    char                  text[NGX_HTTP_AI_XREAD_VALUE + 1];
    ngx_http_ai_xread_t  *x;

    x = &ngx_http_ai_test_x;

    ngx_http_ai_test_begin(0, 0);
    ngx_http_ai_test_say("9-9", 3, 4, 1, 1, 0, 0, 0);   /* another stream */
    ngx_http_ai_test_say("9-9", 3, 4, 0, 2, 0, 0, 0);
    ngx_http_ai_test_say("9-9", 3, 4, 0, 1, 0, 2, 0);
    ngx_http_ai_test_say("9-9", 3, 3, 0, 1, 0, 0, 0);
    ngx_http_ai_test_say("9-9", 3, 1, 0, 1, 0, 0, 0);
    ngx_http_ai_test_say("id", 2, 5, 0, 1, 0, 1, 0);    /* of no entry */
    ngx_http_ai_test_say("abc", 3, 5, 0, 1, 0, 1, 1);
    t_eq(ngx_http_ai_xread_end(x), NGX_DECLINED);
    t_out("");

    memset(text, 'a', sizeof(text));

    ngx_http_ai_test_begin(0, 0);
    ngx_http_ai_test_say("9-9", 3, 4, 0, 1, 0, 0, 0);
    ngx_http_ai_test_say("id", 2, 5, 0, 1, 0, 1, 0);
    ngx_http_ai_test_say(text, sizeof(text) - 1, 5, 0, 1, 0, 1, 1);
    t_eq(ngx_http_ai_xread_end(x), NGX_OK);
    t_eq(strlen(ngx_http_ai_test_out), NGX_HTTP_AI_XREAD_VALUE + 2);
    t_eq(x->malformed, 0);

    ngx_http_ai_test_begin(0, 0);
    ngx_http_ai_test_say("9-9", 3, 4, 0, 1, 0, 0, 0);
    ngx_http_ai_test_say("id", 2, 5, 0, 1, 0, 1, 0);
    ngx_http_ai_test_say(text, sizeof(text), 5, 0, 1, 0, 1, 1);
    ngx_http_ai_test_say_entry(1, "9-10 id abc");
    t_eq(ngx_http_ai_xread_end(x), NGX_OK);
    t_out("abc= ");
    t_eq(x->entries, 2);
    t_eq(x->malformed, 1);
}


static void
ngx_http_ai_test_skip(void)
{
    ngx_http_ai_xread_t  *x;

    x = &ngx_http_ai_test_x;

    ngx_http_ai_test_begin(0, 0);
    ngx_http_ai_test_say_entry(0, "7-1 id abc");
    ngx_http_ai_xread_skip(x);
    t_out("");
    t_eq(x->last.ms, 7);
    t_eq(x->last.seq, 1);
    t_eq(x->malformed, 1);

    /* there is none */

    ngx_http_ai_xread_skip(x);
    t_eq(x->malformed, 1);
    t_eq(x->last.ms, 7);
}


static void
ngx_http_ai_test_command(void)
{
    size_t     n, k;
    u_char     buf[NGX_HTTP_AI_XREAD_COMMAND + 3];
    ngx_str_t  key;

    static const char  want[] =
        "*8\r\n$5\r\nXREAD\r\n$5\r\nCOUNT\r\n$3\r\n256\r\n$5\r\nBLOCK\r\n"
        "$4\r\n5000\r\n$7\r\nSTREAMS\r\n$3\r\na:b\r\n$6\r\n12-345\r\n";

    key.data = (u_char *) "a:b";
    key.len = 3;

    ngx_http_ai_test_begin(12, 345);

    n = ngx_http_ai_xread_command(&ngx_http_ai_test_x, &key, 256, 5000, buf,
                                  sizeof(buf));
    t_mem(buf, n, want, sizeof(want) - 1);

    for (k = 0; k < n; k++) {
        t_eq(ngx_http_ai_xread_command(&ngx_http_ai_test_x, &key, 256, 5000,
                                       buf, k), 0);
    }

    /* the longest fits where it is said to */

    ngx_http_ai_test_begin(UINT64_MAX, UINT64_MAX);

    n = ngx_http_ai_xread_command(&ngx_http_ai_test_x, &key,
                                  (ngx_uint_t) -1, (ngx_uint_t) -1, buf,
                                  sizeof(buf));
    t_ok(n > 0);
}


static void
ngx_http_ai_test_print(void)
{
    u_char                  buf[NGX_HTTP_AI_XREAD_ID];
    ngx_str_t               text;
    ngx_http_ai_xread_id_t  id, back;

    id.ms = UINT64_MAX;
    id.seq = UINT64_MAX;

    text.data = buf;
    text.len = ngx_http_ai_xread_print_id(buf, &id) - buf;

    t_mem(text.data, text.len, "18446744073709551615-18446744073709551615",
          41);
    t_eq(ngx_http_ai_xread_parse_id(&text, &back), NGX_OK);
    t_ok(back.ms == id.ms && back.seq == id.seq);

    id.ms = 0;
    id.seq = 0;

    text.len = ngx_http_ai_xread_print_id(buf, &id) - buf;
    t_mem(text.data, text.len, "0-0", 3);

    text.len = 0;
    t_eq(ngx_http_ai_xread_parse_id(&text, &back), NGX_DECLINED);
}


static const ngx_http_ai_test_t  ngx_http_ai_tests[] = {
    { "entries", ngx_http_ai_test_good },
    { "hostile entries", ngx_http_ai_test_hostile },
    { "other shapes", ngx_http_ai_test_shapes },
    { "one is skipped", ngx_http_ai_test_skip },
    { "the command", ngx_http_ai_test_command },
    { "ids written", ngx_http_ai_test_print },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(ngx_http_ai_tests);
}
