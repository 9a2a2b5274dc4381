
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_endpoint.h"


static ngx_uint_t ngx_http_ai_endpoint_match(const ngx_str_t *pattern,
    const u_char *path, size_t len, ngx_http_ai_endpoint_parts_t *parts);
static ngx_uint_t ngx_http_ai_endpoint_model_part(const u_char *rest,
    const u_char *end, const u_char *p, const u_char *last, ngx_str_t *model);
static size_t ngx_http_ai_endpoint_segment(const u_char *p,
    const u_char *last);


/*
 * The first that matches.  "inference" is what design.md 4 allows to be sent
 * again to another account; an image or a spoken text is slow and dear, and
 * one that was sent may have been made and billed, so these are not, nor is
 * what an account keeps.
 */

static const ngx_http_ai_endpoint_t  ngx_http_ai_endpoints[] = {

    { ngx_string("chat/completions"), ngx_string("chat"),
      NGX_HTTP_AI_EP_CHAT, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_BODY,
      .stream_options = 1, .inference = 1 },

    { ngx_string("responses"), ngx_string("responses"),
      NGX_HTTP_AI_EP_RESPONSES, NGX_HTTP_AI_DIALECT_RESPONSES,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_BODY,
      .inference = 1, .keeps = 1 },

    { ngx_string("messages"), ngx_string("messages"),
      NGX_HTTP_AI_EP_MESSAGES, NGX_HTTP_AI_DIALECT_ANTHROPIC,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_BODY,
      .inference = 1 },

    { ngx_string("embeddings"), ngx_string("embeddings"),
      NGX_HTTP_AI_EP_EMBEDDINGS, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_BODY,
      .inference = 1 },

    { ngx_string("completions"), ngx_string("completions"),
      NGX_HTTP_AI_EP_COMPLETIONS, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_BODY,
      .stream_options = 1, .inference = 1 },

    { ngx_string("moderations"), ngx_string("moderations"),
      NGX_HTTP_AI_EP_MODERATIONS, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_BODY,
      .inference = 1 },

    { ngx_string("rerank"), ngx_string("rerank"),
      NGX_HTTP_AI_EP_RERANK, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_BODY,
      .inference = 1 },

    { ngx_string("images/generations"), ngx_string("images"),
      NGX_HTTP_AI_EP_IMAGES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_BODY,
      .inference = 0 },

    { ngx_string("audio/speech"), ngx_string("speech"),
      NGX_HTTP_AI_EP_SPEECH, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_BODY,
      .inference = 0 },

    { ngx_string("images/edits"), ngx_string("image_edits"),
      NGX_HTTP_AI_EP_IMAGES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_FORM,
      .inference = 0 },

    { ngx_string("images/variations"), ngx_string("image_variations"),
      NGX_HTTP_AI_EP_IMAGES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_FORM,
      .inference = 0 },

    { ngx_string("audio/transcriptions"), ngx_string("transcriptions"),
      NGX_HTTP_AI_EP_TRANSCRIBE, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_FORM,
      .inference = 1 },

    { ngx_string("audio/translations"), ngx_string("translations"),
      NGX_HTTP_AI_EP_TRANSCRIBE, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_FORM,
      .inference = 1 },

    { ngx_string("videos"), ngx_string("videos"),
      NGX_HTTP_AI_EP_VIDEOS, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_FORM,
      .keeps = 1 },

    { ngx_string("responses/compact"), ngx_string("compact"),
      NGX_HTTP_AI_EP_RESPONSES, NGX_HTTP_AI_DIALECT_RESPONSES,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_BODY,
      .inference = 1 },

    { ngx_string("responses/input_tokens"), ngx_string("input_tokens"),
      NGX_HTTP_AI_EP_RESPONSES, NGX_HTTP_AI_DIALECT_RESPONSES,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_BODY,
      .inference = 1, .free = 1 },

    { ngx_string("messages/count_tokens"), ngx_string("count_tokens"),
      NGX_HTTP_AI_EP_MESSAGES, NGX_HTTP_AI_DIALECT_ANTHROPIC,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_BODY,
      .inference = 1, .free = 1 },


    { ngx_string("models"), ngx_string("models"),
      NGX_HTTP_AI_EP_MODELS, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET, NGX_HTTP_AI_MODEL_NONE,
      .local = 1 },

    { ngx_string("models/"), ngx_string("models"),
      NGX_HTTP_AI_EP_MODELS, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET, NGX_HTTP_AI_MODEL_NONE,
      .local = 1 },

    { ngx_string("models/{}:generateContent"), ngx_string("generate_content"),
      NGX_HTTP_AI_EP_GEMINI, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_PATH,
      .inference = 1 },

    { ngx_string("models/{}:streamGenerateContent"),
      ngx_string("generate_content"),
      NGX_HTTP_AI_EP_GEMINI, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_PATH,
      .inference = 1, .stream = 1 },

    { ngx_string("models/{}:embedContent"), ngx_string("embed_content"),
      NGX_HTTP_AI_EP_GEMINI, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_PATH,
      .inference = 1 },

    { ngx_string("models/{}:batchEmbedContents"), ngx_string("embed_content"),
      NGX_HTTP_AI_EP_GEMINI, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_PATH,
      .inference = 1 },

    { ngx_string("models/{}:countTokens"), ngx_string("count_tokens"),
      NGX_HTTP_AI_EP_GEMINI, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_PATH,
      .inference = 1, .free = 1 },

    { ngx_string("models/**"), ngx_string("models"),
      NGX_HTTP_AI_EP_MODELS, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET, NGX_HTTP_AI_MODEL_NONE,
      .local = 1 },


    { ngx_string("deployments/{}/chat/completions"), ngx_string("chat"),
      NGX_HTTP_AI_EP_DEPLOYMENTS, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_PATH,
      .stream_options = 1, .inference = 1 },

    { ngx_string("deployments/{}/completions"), ngx_string("completions"),
      NGX_HTTP_AI_EP_DEPLOYMENTS, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_PATH,
      .stream_options = 1, .inference = 1 },

    { ngx_string("deployments/{}/embeddings"), ngx_string("embeddings"),
      NGX_HTTP_AI_EP_DEPLOYMENTS, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_PATH,
      .inference = 1 },

    { ngx_string("model/{}/converse"), ngx_string("converse"),
      NGX_HTTP_AI_EP_BEDROCK, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_PATH,
      .inference = 1 },

    { ngx_string("model/{}/converse-stream"), ngx_string("converse"),
      NGX_HTTP_AI_EP_BEDROCK, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_PATH,
      .inference = 1, .stream = 1 },

    { ngx_string("model/{}/invoke"), ngx_string("invoke"),
      NGX_HTTP_AI_EP_BEDROCK, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_PATH,
      .inference = 1 },

    { ngx_string("model/{}/invoke-with-response-stream"), ngx_string("invoke"),
      NGX_HTTP_AI_EP_BEDROCK, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_PATH,
      .inference = 1, .stream = 1 },


    { ngx_string("responses/**"), ngx_string("stored_responses"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_RESPONSES,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST
      |NGX_HTTP_AI_METHOD_DELETE,
      NGX_HTTP_AI_MODEL_NONE,
      .free = 1 },

    { ngx_string("videos/**"), ngx_string("stored_videos"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST
      |NGX_HTTP_AI_METHOD_DELETE,
      NGX_HTTP_AI_MODEL_NONE,
      .free = 1 },

    { ngx_string("files"), ngx_string("files"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_NONE,
      .free = 1, .keeps = 1 },

    { ngx_string("files/**"), ngx_string("files"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_DELETE, NGX_HTTP_AI_MODEL_NONE,
      .free = 1 },

    { ngx_string("uploads"), ngx_string("uploads"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_NONE,
      .free = 1, .keeps = 1 },

    { ngx_string("uploads/**"), ngx_string("uploads"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_NONE,
      .free = 1, .keeps = 1 },

    { ngx_string("batches"), ngx_string("batches"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_NONE,
      .free = 1, .keeps = 1 },

    { ngx_string("batches/**"), ngx_string("batches"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_NONE,
      .free = 1 },

    { ngx_string("messages/batches"), ngx_string("message_batches"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_ANTHROPIC,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_NONE,
      .free = 1, .keeps = 1 },

    { ngx_string("messages/batches/**"), ngx_string("message_batches"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_ANTHROPIC,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST
      |NGX_HTTP_AI_METHOD_DELETE,
      NGX_HTTP_AI_MODEL_NONE,
      .free = 1 },

    { ngx_string("fine_tuning/jobs"), ngx_string("fine_tuning"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_NONE,
      .free = 1, .keeps = 1 },

    { ngx_string("fine_tuning/jobs/**"), ngx_string("fine_tuning"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_NONE,
      .free = 1 },

    { ngx_string("vector_stores"), ngx_string("vector_stores"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_NONE,
      .free = 1, .keeps = 1 },

    { ngx_string("vector_stores/**"), ngx_string("vector_stores"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST
      |NGX_HTTP_AI_METHOD_DELETE,
      NGX_HTTP_AI_MODEL_NONE,
      .free = 1 },

    { ngx_string("conversations"), ngx_string("conversations"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_NONE,
      .free = 1, .keeps = 1 },

    { ngx_string("conversations/**"), ngx_string("conversations"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST
      |NGX_HTTP_AI_METHOD_DELETE,
      NGX_HTTP_AI_MODEL_NONE,
      .free = 1 },

    { ngx_string("containers"), ngx_string("containers"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_NONE,
      .free = 1, .keeps = 1 },

    { ngx_string("containers/**"), ngx_string("containers"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST
      |NGX_HTTP_AI_METHOD_DELETE,
      NGX_HTTP_AI_MODEL_NONE,
      .free = 1 },

    { ngx_string("evals"), ngx_string("evals"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_NONE,
      .free = 1, .keeps = 1 },

    { ngx_string("evals/**"), ngx_string("evals"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST
      |NGX_HTTP_AI_METHOD_DELETE,
      NGX_HTTP_AI_MODEL_NONE,
      .free = 1 },

    { ngx_string("assistants"), ngx_string("assistants"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_NONE,
      .free = 1, .keeps = 1 },

    { ngx_string("assistants/**"), ngx_string("assistants"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST
      |NGX_HTTP_AI_METHOD_DELETE,
      NGX_HTTP_AI_MODEL_NONE,
      .free = 1 },

    { ngx_string("threads"), ngx_string("threads"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST, NGX_HTTP_AI_MODEL_NONE,
      .free = 1, .keeps = 1 },

    { ngx_string("threads/**"), ngx_string("threads"),
      NGX_HTTP_AI_EP_RESOURCES, NGX_HTTP_AI_DIALECT_OPENAI,
      NGX_HTTP_AI_METHOD_GET|NGX_HTTP_AI_METHOD_POST
      |NGX_HTTP_AI_METHOD_DELETE,
      NGX_HTTP_AI_MODEL_NONE,
      .free = 1, .keeps = 1 },
};

#define NGX_HTTP_AI_ENDPOINTS                                                 \
    (sizeof(ngx_http_ai_endpoints) / sizeof(ngx_http_ai_endpoints[0]))


const ngx_http_ai_endpoint_t *
ngx_http_ai_endpoint_find(const u_char *path, size_t len,
    ngx_http_ai_endpoint_parts_t *parts)
{
    ngx_uint_t                     i;
    ngx_http_ai_endpoint_parts_t   found;

    if (len && path[0] == '/') {
        path++;
        len--;
    }

    for (i = 0; i < NGX_HTTP_AI_ENDPOINTS; i++) {

        if (ngx_http_ai_endpoint_match(&ngx_http_ai_endpoints[i].path, path,
                                       len, &found))
        {
            if (parts) {
                *parts = found;
            }

            return &ngx_http_ai_endpoints[i];
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_http_ai_endpoint_match(const ngx_str_t *pattern, const u_char *path,
    size_t len, ngx_http_ai_endpoint_parts_t *parts)
{
    size_t         n;
    const u_char  *q, *end, *p, *last;

    ngx_memzero(parts, sizeof(ngx_http_ai_endpoint_parts_t));

    q = pattern->data;
    end = q + pattern->len;
    p = path;
    last = p + len;

    while (q < end) {

        if (*q == '*') {
            n = ngx_http_ai_endpoint_segment(p, last);

            if (n == 0) {
                return 0;
            }

            if (parts->id.len == 0) {
                parts->id.data = (u_char *) p;
                parts->id.len = n;
            }

            if (q + 1 < end && q[1] == '*') {
                return 1;
            }

            p += n;
            q++;
            continue;
        }

        if (*q == '{') {
            return ngx_http_ai_endpoint_model_part(q + 2, end, p, last,
                                                   &parts->model);
        }

        if (p == last || *p != *q) {
            return 0;
        }

        p++;
        q++;
    }

    return p == last;
}


/* what stands before the pattern's rest, which is a literal */

static ngx_uint_t
ngx_http_ai_endpoint_model_part(const u_char *rest, const u_char *end,
    const u_char *p, const u_char *last, ngx_str_t *model)
{
    size_t  n;

    n = end - rest;

    if ((size_t) (last - p) <= n || ngx_memcmp(last - n, rest, n) != 0) {
        return 0;
    }

    model->data = (u_char *) p;
    model->len = last - n - p;

    return 1;
}


static size_t
ngx_http_ai_endpoint_segment(const u_char *p, const u_char *last)
{
    const u_char  *slash;

    slash = memchr(p, '/', last - p);

    return (slash ? slash : last) - p;
}


const ngx_http_ai_endpoint_t *
ngx_http_ai_endpoint_tail(const u_char *path, size_t len)
{
    size_t                         head;
    ngx_uint_t                     i;
    const ngx_http_ai_endpoint_t  *ep;

    for (i = 0; i < NGX_HTTP_AI_ENDPOINTS; i++) {

        ep = &ngx_http_ai_endpoints[i];

        if (len <= ep->path.len || ep->free) {
            continue;
        }

        head = len - ep->path.len;

        if (path[head - 1] == '/'
            && ngx_memcmp(ep->path.data, path + head, ep->path.len) == 0)
        {
            return ep;
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_ai_endpoint_model(const u_char *path, size_t len, ngx_str_t *model)
{
    ngx_uint_t     i;
    const u_char  *p, *name, *last;

    static const struct {
        ngx_str_t  before;
        u_char     after;
    } places[] = {
        { ngx_string("/deployments/"), '/' },
        { ngx_string("/models/"), ':' },
        { ngx_string("/model/"), '/' }
    };

    last = path + len;

    for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {

        for (p = path; p + places[i].before.len < last; p++) {

            if (ngx_memcmp(p, places[i].before.data, places[i].before.len)
                != 0)
            {
                continue;
            }

            name = p + places[i].before.len;

            for (p = name; p < last && *p != places[i].after; p++) {
                /* void */
            }

            if (p == name || p == last) {
                break;
            }

            model->data = (u_char *) name;
            model->len = p - name;

            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


const char *
ngx_http_ai_endpoint_methods(ngx_uint_t methods)
{
    static const char  *names[] = {
        "",
        "GET, HEAD",
        "POST",
        "GET, HEAD, POST",
        "DELETE",
        "GET, HEAD, DELETE",
        "POST, DELETE",
        "GET, HEAD, POST, DELETE"
    };

    return names[methods & 7];
}


const ngx_str_t *
ngx_http_ai_endpoint_family(ngx_uint_t bit)
{
    ngx_uint_t  i;

    static const struct {
        ngx_uint_t  bit;
        ngx_str_t   name;
    } families[] = {
        { NGX_HTTP_AI_EP_CHAT, ngx_string("chat") },
        { NGX_HTTP_AI_EP_COMPLETIONS, ngx_string("completions") },
        { NGX_HTTP_AI_EP_RESPONSES, ngx_string("responses") },
        { NGX_HTTP_AI_EP_EMBEDDINGS, ngx_string("embeddings") },
        { NGX_HTTP_AI_EP_MODERATIONS, ngx_string("moderations") },
        { NGX_HTTP_AI_EP_IMAGES, ngx_string("images") },
        { NGX_HTTP_AI_EP_SPEECH, ngx_string("speech") },
        { NGX_HTTP_AI_EP_RERANK, ngx_string("rerank") },
        { NGX_HTTP_AI_EP_MESSAGES, ngx_string("messages") },
        { NGX_HTTP_AI_EP_MODELS, ngx_string("models") },
        { NGX_HTTP_AI_EP_TRANSCRIBE, ngx_string("transcriptions") },
        { NGX_HTTP_AI_EP_VIDEOS, ngx_string("videos") },
        { NGX_HTTP_AI_EP_GEMINI, ngx_string("generate_content") },
        { NGX_HTTP_AI_EP_BEDROCK, ngx_string("converse") },
        { NGX_HTTP_AI_EP_DEPLOYMENTS, ngx_string("deployments") },
        { NGX_HTTP_AI_EP_RESOURCES, ngx_string("resources") },
        { 0, ngx_null_string }
    };

    for (i = 0; families[i].bit != bit && families[i].bit; i++) { /* void */ }

    return &families[i].name;
}


const ngx_http_ai_endpoint_t *
ngx_http_ai_endpoint_named(const u_char *name, size_t len)
{
    ngx_uint_t                     i;
    const ngx_http_ai_endpoint_t  *ep;

    for (i = 0; i < NGX_HTTP_AI_ENDPOINTS; i++) {
        ep = &ngx_http_ai_endpoints[i];

        if (ep->name.len == len && ngx_memcmp(ep->name.data, name, len) == 0) {
            return ep;
        }
    }

    return NULL;
}
