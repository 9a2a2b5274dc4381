
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_ids.h"


/* what is found, with a blank after each */

static void
ngx_http_ai_test_found(const char *text, size_t n, char *out)
{
    u_char        *copy;
    ngx_str_t      id;
    const u_char  *p;

    copy = malloc(n + 1);
    memcpy(copy, text, n);
    p = copy;

    *out = '\0';

    while (ngx_http_ai_ids_next(&p, copy + n, &id) == NGX_OK) {
        out += sprintf(out, "%.*s ", (int) id.len, id.data);
    }

    t_ok(p == copy + n);

    free(copy);
}


static const struct {
    const char  *text;
    const char  *ids;
} ngx_http_ai_test_rows[] = {
    { "{\"id\":\"resp_1\",\"x\":1}", "resp_1 " },
    { "{\"input_file_id\" : \n\"file-1\"}", "file-1 " },
    { "{\"vector_store_ids\": [ \"vs_1\", \"vs_2\"]}", "vs_1 " },
    { "{\"conversation\":\"conv_1\"}", "conv_1 " },
    { "{\"conversation\":{\"id\":\"conv_1\"}}", "conv_1 " },
    { "data: {\"response\":{\"id\":\"resp_1\"}}\n\ndata: {\"item_id\":\"m-1.x\"}",
      "resp_1 m-1.x " },
    { "{\"text\":\"\\\"file_id\\\":\\\"file-1\\\"\"}", "" },
    { "{\"id\":null,\"file_id\":12,\"ids\":[],\"id\":{}}", "" },
    { "{\"id\":\"abc\"}", "" },
    { "{\"id\":\"a b c d\"}", "" },
    { "{\"id\":\"file\\u002d1\"}", "" },
    { "{\"identity\":\"file-1\"}", "" },
    { "{\"a\":\"id\",\"b\":\"file-1\"}", "" },
    { "", "" },
    { "\"", "" },
    { "id\"", "" },
    { NULL, NULL }
};


static void
ngx_http_ai_test_rows_all(void)
{
    char         out[512];
    size_t       n;
    ngx_uint_t   i;

    for (i = 0; ngx_http_ai_test_rows[i].text; i++) {
        ngx_http_ai_test_note = ngx_http_ai_test_rows[i].text;

        ngx_http_ai_test_found(ngx_http_ai_test_rows[i].text,
                               strlen(ngx_http_ai_test_rows[i].text), out);
        t_ok(strcmp(out, ngx_http_ai_test_rows[i].ids) == 0);

        /* cut anywhere: less, never something else */

        for (n = 0; n < strlen(ngx_http_ai_test_rows[i].text); n++) {
            ngx_http_ai_test_found(ngx_http_ai_test_rows[i].text, n, out);
            t_ok(strncmp(out, ngx_http_ai_test_rows[i].ids, strlen(out))
                 == 0);
        }
    }
}


static void
ngx_http_ai_test_lengths(void)
{
    char  text[400], out[512];

    memset(text, 'x', sizeof(text));
    memcpy(text, "\"id\":\"", 6);

    text[6 + 128] = '"';
    ngx_http_ai_test_found(text, 6 + 129, out);
    t_eq(strlen(out), 129);

    text[6 + 128] = 'x';
    text[6 + 129] = '"';
    ngx_http_ai_test_found(text, 6 + 130, out);
    t_eq(strlen(out), 0);
}


static const ngx_http_ai_test_t  ngx_http_ai_tests[] = {
    { "what is found", ngx_http_ai_test_rows_all },
    { "lengths", ngx_http_ai_test_lengths },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(ngx_http_ai_tests);
}
