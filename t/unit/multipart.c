
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_multipart.h"


#define PART(name)  "Content-Disposition: form-data; name=\"" name "\"\r\n\r\n"
#define FILE_PART   "Content-Disposition: form-data; name=\"file\"; "         \
                    "filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n"


typedef struct {
    ngx_http_ai_multipart_t        mp;
    ngx_http_ai_multipart_field_t  fields[2];
    u_char                         model[16];
    u_char                         stream[8];
    ngx_int_t                      rc;
} ngx_http_ai_test_mp_t;


/* in pieces: up to "cut" first, then "step" bytes a time */

static void
ngx_http_ai_test_read(ngx_http_ai_test_mp_t *t, const char *body, size_t n,
    size_t cut, size_t step)
{
    size_t            i, k;
    const ngx_str_t   boundary = ngx_string("XX");

    ngx_memzero(t, sizeof(ngx_http_ai_test_mp_t));

    t->fields[0].name.data = (u_char *) "model";
    t->fields[0].name.len = 5;
    t->fields[0].buf = t->model;
    t->fields[0].size = sizeof(t->model);
    t->fields[1].name.data = (u_char *) "stream";
    t->fields[1].name.len = 6;
    t->fields[1].buf = t->stream;
    t->fields[1].size = sizeof(t->stream);

    ngx_http_ai_multipart_init(&t->mp, &boundary, t->fields, 2);

    for (i = 0; i < n; i += k) {
        k = ngx_min(i < cut ? cut - i : step, n - i);
        t->rc = ngx_http_ai_multipart_feed(&t->mp, (const u_char *) body + i,
                                           k);
        if (t->rc != NGX_OK) {
            return;
        }
    }

    t->rc = ngx_http_ai_multipart_end(&t->mp);
}


static const char  *ngx_http_ai_test_good[] = {
    "--XX\r\n" PART("model") "whisper-1\r\n--XX--\r\n",
    "--XX\r\n" PART("model") "whisper-1\r\n--XX--",
    "--XX\r\n" FILE_PART "RIFF\r\n-\r\n--\r\n--X\r\n--XY\r\r\n\r\n--XX\r\n"
        PART("model") "whisper-1\r\n--XX--\r\n",
    "--XX\r\ncontent-disposition: FORM-DATA; name=model\r\n"
        "Content-Type: text/plain\r\n\r\nwhisper-1\r\n--XX\r\n"
        FILE_PART "\r\n--XX--\r\n",
    "--XX\r\nContent-Disposition: form-data; filename=\"x; name=\\\"model\\\"\""
        "; name=\"file\"\r\n\r\nno\r\n--XX\r\n" PART("model")
        "whisper-1\r\n--XX--\r\n",
    NULL
};


static void
ngx_http_ai_test_values(void)
{
    size_t                  n, cut;
    const char            **body;
    ngx_http_ai_test_mp_t   t;

    for (body = ngx_http_ai_test_good; *body; body++) {
        ngx_http_ai_test_note = *body;
        n = strlen(*body);

        for (cut = 0; cut <= n; cut++) {
            ngx_http_ai_test_read(&t, *body, n, cut, cut % 5 + 1);

            t_eq(t.rc, NGX_OK);
            t_ok(t.fields[0].found);
            t_eq(t.fields[0].len, 9);
            t_ok(memcmp(t.model, "whisper-1", 9) == 0);
            t_eq(t.fields[0].end - t.fields[0].start, 9);
            t_ok(memcmp(*body + t.fields[0].start, "whisper-1", 9) == 0);
            t_ok(!t.fields[1].found);
        }
    }
}


static void
ngx_http_ai_test_bounds(void)
{
    const char             *body;
    ngx_http_ai_test_mp_t   t;

    body = "--XX\r\n" PART("model") "0123456789abcdefgh\r\n--XX\r\n"
           PART("stream") "\r\n--XX--\r\n";

    ngx_http_ai_test_read(&t, body, strlen(body), 0, 1);

    t_eq(t.rc, NGX_OK);
    t_eq(t.fields[0].len, 16);
    t_eq(t.fields[0].end - t.fields[0].start, 18);
    t_ok(t.fields[1].found);
    t_eq(t.fields[1].len, 0);
    t_eq(t.fields[1].end, t.fields[1].start);

    /* a value with what looks like a delimiter, cut at the buffer's end */

    body = "--XX\r\n" PART("model") "01234567890123\r\n--X\r\n--XX--";

    ngx_http_ai_test_read(&t, body, strlen(body), 0, 1);

    t_eq(t.rc, NGX_OK);
    t_eq(t.fields[0].len, 16);
    t_ok(memcmp(t.model, "01234567890123\r\n", 16) == 0);
    t_eq(t.fields[0].end - t.fields[0].start, 19);
}


static const struct {
    const char                     *body;
    ngx_http_ai_multipart_error_e   error;
} ngx_http_ai_test_bad[] = {
    { "", NGX_HTTP_AI_MULTIPART_EEND },
    { "--X", NGX_HTTP_AI_MULTIPART_EEND },
    { "hi\r\n--XX--", NGX_HTTP_AI_MULTIPART_EBEGIN },
    { "\r\n--XX--", NGX_HTTP_AI_MULTIPART_EBEGIN },
    { "--XXY\r\n", NGX_HTTP_AI_MULTIPART_EBOUNDARY },
    { "--XX \r\n", NGX_HTTP_AI_MULTIPART_EBOUNDARY },
    { "--XX-x", NGX_HTTP_AI_MULTIPART_EBOUNDARY },
    { "--XX\r\r", NGX_HTTP_AI_MULTIPART_EBOUNDARY },
    { "--XX\r\n\r\n", NGX_HTTP_AI_MULTIPART_ENAME },
    { "--XX\r\nContent-Type: a/b\r\n\r\n", NGX_HTTP_AI_MULTIPART_ENAME },
    { "--XX\r\nContent-Disposition: attachment; name=model\r\n",
      NGX_HTTP_AI_MULTIPART_ENAME },
    { "--XX\r\nContent-Disposition: form-data\r\n",
      NGX_HTTP_AI_MULTIPART_ENAME },
    { "--XX\r\nContent-Disposition: form-data; name=\"\"\r\n",
      NGX_HTTP_AI_MULTIPART_ENAME },
    { "--XX\r\nContent-Disposition: form-data; name=a; name=model\r\n",
      NGX_HTTP_AI_MULTIPART_ENAME },
    { "--XX\r\nContent-Disposition: form-data; name=a; name*=UTF-8''model\r\n",
      NGX_HTTP_AI_MULTIPART_ENAME },
    { "--XX\r\nContent-Disposition: form-data; name=\"mod\\el\"\r\n",
      NGX_HTTP_AI_MULTIPART_ENAME },
    { "--XX\r\nContent-Disposition: form-data; name=\"mod%65l\"\r\n",
      NGX_HTTP_AI_MULTIPART_ENAME },
    { "--XX\r\nContent-Disposition: form-data; name=a\r\n"
      "Content-Disposition: form-data; name=model\r\n",
      NGX_HTTP_AI_MULTIPART_ENAME },
    { "--XX\r\nContent-Disposition: form-data; name=\"model\r\n",
      NGX_HTTP_AI_MULTIPART_EHEADER },
    { "--XX\r\nContent-Disposition: form-data; name=\"a\\\r\n",
      NGX_HTTP_AI_MULTIPART_EHEADER },
    { "--XX\r\nContent-Disposition: form-data name=model\r\n",
      NGX_HTTP_AI_MULTIPART_EHEADER },
    { "--XX\r\nContent-Disposition : form-data; name=model\r\n",
      NGX_HTTP_AI_MULTIPART_EHEADER },
    { "--XX\r\nContent-Disposition: form-data;\r\n name=model\r\n",
      NGX_HTTP_AI_MULTIPART_ENAME },
    { "--XX\r\n name: a\r\n", NGX_HTTP_AI_MULTIPART_EHEADER },
    { "--XX\r\nContent-Disposition: form-data; name=model\n\nx",
      NGX_HTTP_AI_MULTIPART_EHEADER },
    { "--XX\r\nnonsense\r\n", NGX_HTTP_AI_MULTIPART_EHEADER },
    { "--XX\r\n" PART("model") "a\r\n--XX\r\n" PART("model") "b\r\n--XX--",
      NGX_HTTP_AI_MULTIPART_ETWICE },
    { "--XX\r\nContent-Disposition: form-data; name=model; filename=a\r\n\r\n",
      NGX_HTTP_AI_MULTIPART_EFILE },
    { "--XX\r\nContent-Transfer-Encoding: base64\r\n" PART("model") "bQ==",
      NGX_HTTP_AI_MULTIPART_EFILE },
    { "--XX\r\n" PART("model") "a\r\n--XX", NGX_HTTP_AI_MULTIPART_EEND },
    { "--XX\r\n" PART("model") "a\r\n--XX--\r", NGX_HTTP_AI_MULTIPART_EEND },
    { "--XX\r\n" PART("model") "a\r\n--XX--x",
      NGX_HTTP_AI_MULTIPART_ETRAILING },
    { "--XX\r\n" PART("model") "a\r\n--XX--\r\nx",
      NGX_HTTP_AI_MULTIPART_ETRAILING },
    { NULL, NGX_HTTP_AI_MULTIPART_EOK }
};


static void
ngx_http_ai_test_errors(void)
{
    size_t                 n, cut;
    ngx_uint_t             i;
    ngx_http_ai_test_mp_t  t;

    for (i = 0; ngx_http_ai_test_bad[i].body; i++) {
        ngx_http_ai_test_note = ngx_http_ai_test_bad[i].body;
        n = strlen(ngx_http_ai_test_bad[i].body);

        for (cut = 0; cut <= n; cut++) {
            ngx_http_ai_test_read(&t, ngx_http_ai_test_bad[i].body, n, cut, 3);
            t_eq(t.rc, NGX_ERROR);
            t_eq(t.mp.error, ngx_http_ai_test_bad[i].error);
        }

        t_ok(strlen(ngx_http_ai_multipart_strerror(t.mp.error)) > 8);
    }
}


static void
ngx_http_ai_test_long(void)
{
    size_t                 i, n;
    char                   body[20000];
    ngx_http_ai_test_mp_t  t;

    n = sprintf(body, "--XX\r\nX-Pad: ");
    memset(body + n, 'a', 2000);

    ngx_http_ai_test_read(&t, body, n + 2000, 0, 100);
    t_eq(t.mp.error, NGX_HTTP_AI_MULTIPART_ELONG);

    n = sprintf(body, "--XX\r\n");

    for (i = 0; i < 20; i++) {
        n += sprintf(body + n, "X-Pad: a\r\n");
    }

    ngx_http_ai_test_read(&t, body, n, 0, 100);
    t_eq(t.mp.error, NGX_HTTP_AI_MULTIPART_ELONG);
}


static const struct {
    const char   *type;
    ngx_int_t     rc;
    const char   *boundary;
} ngx_http_ai_test_types[] = {
    { "multipart/form-data; boundary=abc", NGX_OK, "abc" },
    { "Multipart/Form-Data;boundary=\"a b\"", NGX_OK, "a b" },
    { "multipart/form-data; charset=utf-8; Boundary=abc ", NGX_OK, "abc" },
    { "multipart/form-data; boundary=abc;", NGX_OK, "abc" },
    { "multipart/form-data", NGX_ERROR, "" },
    { "multipart/form-data; boundary=", NGX_ERROR, "" },
    { "multipart/form-data; boundary=\"\"", NGX_ERROR, "" },
    { "multipart/form-data; boundary=\"a", NGX_ERROR, "" },
    { "multipart/form-data; boundary=a; boundary=b", NGX_ERROR, "" },
    { "multipart/form-data; boundary=\"a\\b\"", NGX_ERROR, "" },
    { "multipart/form-data; boundary=0123456789012345678901234567890123456789"
      "0123456789012345678901234567890", NGX_ERROR, "" },
    { "multipart/mixed; boundary=abc", NGX_DECLINED, "" },
    { "multipart/form-dataX; boundary=abc", NGX_DECLINED, "" },
    { "application/json", NGX_DECLINED, "" },
    { "", NGX_DECLINED, "" },
    { NULL, 0, NULL }
};


static void
ngx_http_ai_test_boundary(void)
{
    ngx_str_t   type, boundary;
    ngx_uint_t  i;

    for (i = 0; ngx_http_ai_test_types[i].type; i++) {
        ngx_http_ai_test_note = ngx_http_ai_test_types[i].type;

        type.data = (u_char *) ngx_http_ai_test_types[i].type;
        type.len = strlen(ngx_http_ai_test_types[i].type);

        t_eq(ngx_http_ai_multipart_boundary(&type, &boundary),
             ngx_http_ai_test_types[i].rc);

        if (ngx_http_ai_test_types[i].rc == NGX_OK) {
            t_eq(boundary.len, strlen(ngx_http_ai_test_types[i].boundary));
            t_ok(memcmp(boundary.data, ngx_http_ai_test_types[i].boundary,
                        boundary.len) == 0);
        }
    }
}


static const ngx_http_ai_test_t  ngx_http_ai_tests[] = {
    { "values, split at every byte", ngx_http_ai_test_values },
    { "long and empty values", ngx_http_ai_test_bounds },
    { "what is refused, split at every byte", ngx_http_ai_test_errors },
    { "long headers", ngx_http_ai_test_long },
    { "boundaries of a Content-Type", ngx_http_ai_test_boundary },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(ngx_http_ai_tests);
}
