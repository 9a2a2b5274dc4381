
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_usage_doc.h"


static void ngx_http_ai_usage_doc_inner(ngx_http_ai_usage_doc_t *doc,
    ngx_uint_t i);
static ngx_int_t ngx_http_ai_usage_doc_object(
    const ngx_http_ai_json_member_t *m, ngx_http_ai_tokens_raw_t *raw);
static size_t ngx_http_ai_usage_doc_name(const ngx_http_ai_json_member_t *m,
    u_char *dst);
static void ngx_http_ai_usage_doc_tier(const ngx_http_ai_json_member_t *m,
    ngx_http_ai_tokens_raw_t *raw);
static ngx_int_t ngx_http_ai_usage_doc_number(
    const ngx_http_ai_json_member_t *m, ngx_http_ai_tokens_raw_t *raw,
    ngx_http_ai_tokens_count_e count);


static const ngx_str_t  ngx_http_ai_usage_doc_names[] = {
    ngx_string("usage"),
    ngx_string("usageMetadata"),
    ngx_string("meta"),
    ngx_string("service_tier"),
    ngx_string("model"),
    ngx_string("modelVersion"),
    ngx_string("prompt_eval_count"),
    ngx_string("eval_count"),
    ngx_string("duration"),
    ngx_string("data"),
    ngx_string("response"),
    ngx_string("message"),
    ngx_string("delta"),
    ngx_string("x_groq"),
    ngx_string("choices"),
    ngx_string("content"),
    ngx_string("output"),
    ngx_string("candidates"),
    ngx_string("text")
};


void
ngx_http_ai_usage_doc_init(ngx_http_ai_usage_doc_t *doc)
{
    ngx_uint_t                  i;
    ngx_http_ai_json_member_t  *m;

    m = doc->members;
    ngx_memzero(m, sizeof(doc->members));

    for (i = 0; i < NGX_HTTP_AI_USAGE_DOC_MEMBERS; i++) {
        m[i].name = ngx_http_ai_usage_doc_names[i];
    }

    m[NGX_HTTP_AI_USAGE_DOC_M_USAGE].buf = doc->usage;
    m[NGX_HTTP_AI_USAGE_DOC_M_USAGE].size = sizeof(doc->usage);

    m[NGX_HTTP_AI_USAGE_DOC_M_METADATA].buf = doc->usage;
    m[NGX_HTTP_AI_USAGE_DOC_M_METADATA].size = sizeof(doc->usage);

    /* never beside usage inside of another member */

    m[NGX_HTTP_AI_USAGE_DOC_M_META].buf = doc->inner_usage;
    m[NGX_HTTP_AI_USAGE_DOC_M_META].size = sizeof(doc->inner_usage);

    m[NGX_HTTP_AI_USAGE_DOC_M_TIER].buf = doc->tier;
    m[NGX_HTTP_AI_USAGE_DOC_M_TIER].size = sizeof(doc->tier);

    /* one document names it in one way */

    m[NGX_HTTP_AI_USAGE_DOC_M_MODEL].buf = doc->model;
    m[NGX_HTTP_AI_USAGE_DOC_M_MODEL].size = sizeof(doc->model);

    m[NGX_HTTP_AI_USAGE_DOC_M_VERSION].buf = doc->model;
    m[NGX_HTTP_AI_USAGE_DOC_M_VERSION].size = sizeof(doc->model);

    for (i = 0; i < 3; i++) {
        m[NGX_HTTP_AI_USAGE_DOC_M_PROMPT_EVAL + i].buf = doc->numbers[i];
        m[NGX_HTTP_AI_USAGE_DOC_M_PROMPT_EVAL + i].size =
                                                    sizeof(doc->numbers[i]);
    }

    for (i = 0; i < NGX_HTTP_AI_USAGE_DOC_INNERS; i++) {
        ngx_http_ai_usage_doc_inner(doc, i);
        m[NGX_HTTP_AI_USAGE_DOC_M_RESPONSE + i].inner = &doc->inner[i];
    }

    ngx_http_ai_json_init(&doc->json, m, NGX_HTTP_AI_USAGE_DOC_MEMBERS, 0);
}


/* one document has usage in one of them only: they share their memory */

static void
ngx_http_ai_usage_doc_inner(ngx_http_ai_usage_doc_t *doc, ngx_uint_t i)
{
    ngx_http_ai_json_member_t  *m;

    m = doc->inner_members[i];
    ngx_memzero(m, sizeof(doc->inner_members[i]));

    m[0].name = ngx_http_ai_usage_doc_names[NGX_HTTP_AI_USAGE_DOC_M_USAGE];
    m[0].buf = doc->inner_usage;
    m[0].size = sizeof(doc->inner_usage);

    m[1].name = ngx_http_ai_usage_doc_names[NGX_HTTP_AI_USAGE_DOC_M_TIER];
    m[1].buf = doc->inner_tier;
    m[1].size = sizeof(doc->inner_tier);

    m[2].name = ngx_http_ai_usage_doc_names[NGX_HTTP_AI_USAGE_DOC_M_MODEL];
    m[2].buf = doc->inner_model;
    m[2].size = sizeof(doc->inner_model);

    ngx_http_ai_json_init(&doc->inner[i], m, 3, 0);
}


ngx_int_t
ngx_http_ai_usage_doc_feed(ngx_http_ai_usage_doc_t *doc, const u_char *p,
    size_t n)
{
    return ngx_http_ai_json_feed(&doc->json, p, n);
}


ngx_int_t
ngx_http_ai_usage_doc_read(const ngx_http_ai_usage_doc_t *doc,
    ngx_http_ai_tokens_raw_t *raw)
{
    ngx_int_t                         rc;
    ngx_uint_t                        i;
    const ngx_http_ai_json_member_t  *m;

    rc = NGX_DECLINED;

    for (i = 0; i < NGX_HTTP_AI_USAGE_DOC_INNERS; i++) {
        m = doc->inner_members[i];

        if (ngx_http_ai_usage_doc_object(&m[0], raw) == NGX_OK) {
            ngx_http_ai_usage_doc_tier(&m[1], raw);
            rc = NGX_OK;
        }
    }

    m = doc->members;

    for (i = NGX_HTTP_AI_USAGE_DOC_M_USAGE;
         i <= NGX_HTTP_AI_USAGE_DOC_M_META;
         i++)
    {
        if (ngx_http_ai_usage_doc_object(&m[i], raw) == NGX_OK) {
            rc = NGX_OK;
        }
    }

    if (ngx_http_ai_usage_doc_number(&m[NGX_HTTP_AI_USAGE_DOC_M_PROMPT_EVAL],
                                     raw, NGX_HTTP_AI_TOKENS_PROMPT)
        == NGX_OK)
    {
        rc = NGX_OK;
    }

    if (ngx_http_ai_usage_doc_number(&m[NGX_HTTP_AI_USAGE_DOC_M_EVAL], raw,
                                     NGX_HTTP_AI_TOKENS_OUTPUT)
        == NGX_OK)
    {
        rc = NGX_OK;
    }

    if (rc == NGX_OK) {
        ngx_http_ai_usage_doc_tier(&m[NGX_HTTP_AI_USAGE_DOC_M_TIER], raw);
        return NGX_OK;
    }

    return m[NGX_HTTP_AI_USAGE_DOC_M_TEXT].type == NGX_HTTP_AI_JSON_STRING
           ? ngx_http_ai_usage_doc_number(
                                  &m[NGX_HTTP_AI_USAGE_DOC_M_DURATION], raw,
                                  NGX_HTTP_AI_TOKENS_SECONDS)
           : NGX_DECLINED;
}


size_t
ngx_http_ai_usage_doc_model(const ngx_http_ai_usage_doc_t *doc, u_char *dst)
{
    size_t      n;
    ngx_uint_t  i;

    n = ngx_http_ai_usage_doc_name(
                         &doc->members[NGX_HTTP_AI_USAGE_DOC_M_MODEL], dst);

    if (n == 0) {
        n = ngx_http_ai_usage_doc_name(
                       &doc->members[NGX_HTTP_AI_USAGE_DOC_M_VERSION], dst);
    }

    for (i = 0; n == 0 && i < NGX_HTTP_AI_USAGE_DOC_INNERS; i++) {
        n = ngx_http_ai_usage_doc_name(&doc->inner_members[i][2], dst);
    }

    return n;
}


/* a longer name is none that anybody would know */

static size_t
ngx_http_ai_usage_doc_name(const ngx_http_ai_json_member_t *m, u_char *dst)
{
    ngx_int_t  n;

    if (m->type != NGX_HTTP_AI_JSON_STRING
        || m->len != (size_t) (m->end - m->start))
    {
        return 0;
    }

    n = ngx_http_ai_json_unquote(dst, NGX_HTTP_AI_USAGE_DOC_MODEL, m->buf,
                                 m->len);

    return n > 0 ? (size_t) n : 0;
}


static ngx_int_t
ngx_http_ai_usage_doc_object(const ngx_http_ai_json_member_t *m,
    ngx_http_ai_tokens_raw_t *raw)
{
    if (m->type != NGX_HTTP_AI_JSON_OBJECT) {
        return NGX_DECLINED;
    }

    return ngx_http_ai_tokens_add(raw, m->buf, m->len,
                                  m->len < (size_t) (m->end - m->start));
}


static void
ngx_http_ai_usage_doc_tier(const ngx_http_ai_json_member_t *m,
    ngx_http_ai_tokens_raw_t *raw)
{
    if (m->type == NGX_HTTP_AI_JSON_STRING
        && m->len == (size_t) (m->end - m->start))
    {
        ngx_http_ai_tokens_tier(raw, m->buf + 1, m->len - 2);
    }
}


static ngx_int_t
ngx_http_ai_usage_doc_number(const ngx_http_ai_json_member_t *m,
    ngx_http_ai_tokens_raw_t *raw, ngx_http_ai_tokens_count_e count)
{
    if (m->type != NGX_HTTP_AI_JSON_NUMBER) {
        return NGX_DECLINED;
    }

    ngx_http_ai_tokens_number(raw, count, m->buf, m->len);

    return NGX_OK;
}


ngx_uint_t
ngx_http_ai_usage_doc_lone(const ngx_http_ai_usage_doc_t *doc,
    const u_char *p)
{
    const u_char                     *last;
    const ngx_http_ai_json_member_t  *choices;

    choices = &doc->members[NGX_HTTP_AI_USAGE_DOC_M_CHOICES];

    if (choices->type != NGX_HTTP_AI_JSON_ARRAY
        || doc->members[NGX_HTTP_AI_USAGE_DOC_M_USAGE].type
           != NGX_HTTP_AI_JSON_OBJECT)
    {
        return 0;
    }

    last = p + choices->end - 1;

    for (p += choices->start + 1; p < last; p++) {
        if (*p != ' ' && *p != '\n' && *p != '\r' && *p != '\t') {
            return 0;
        }
    }

    return 1;
}


off_t
ngx_http_ai_usage_doc_text(const ngx_http_ai_usage_doc_t *doc)
{
    off_t       text;
    ngx_uint_t  i;

    text = 0;

    for (i = NGX_HTTP_AI_USAGE_DOC_M_RESPONSE;
         i < NGX_HTTP_AI_USAGE_DOC_MEMBERS;
         i++)
    {
        text += ngx_http_ai_json_member_text(&doc->json, &doc->members[i]);
    }

    return text;
}
