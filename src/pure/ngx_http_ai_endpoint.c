
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_endpoint.h"


/*
 * POST with the model in a JSON body, and nothing else: whatever keeps its
 * model in a path, a query or a multipart field is not here.  "inference" is
 * what design.md 4 allows to be sent again to another account; an image or a
 * spoken text is slow and dear, and one that was sent may have been made and
 * billed, so these two are not.
 */

static const ngx_http_ai_endpoint_t  ngx_http_ai_endpoints[] = {

    { ngx_string("chat/completions"), ngx_string("chat"),
      NGX_HTTP_AI_EP_CHAT, NGX_HTTP_AI_DIALECT_OPENAI, 1, 1 },

    { ngx_string("responses"), ngx_string("responses"),
      NGX_HTTP_AI_EP_RESPONSES, NGX_HTTP_AI_DIALECT_RESPONSES, 0, 1 },

    { ngx_string("messages"), ngx_string("messages"),
      NGX_HTTP_AI_EP_MESSAGES, NGX_HTTP_AI_DIALECT_ANTHROPIC, 0, 1 },

    { ngx_string("embeddings"), ngx_string("embeddings"),
      NGX_HTTP_AI_EP_EMBEDDINGS, NGX_HTTP_AI_DIALECT_OPENAI, 0, 1 },

    { ngx_string("completions"), ngx_string("completions"),
      NGX_HTTP_AI_EP_COMPLETIONS, NGX_HTTP_AI_DIALECT_OPENAI, 1, 1 },

    { ngx_string("moderations"), ngx_string("moderations"),
      NGX_HTTP_AI_EP_MODERATIONS, NGX_HTTP_AI_DIALECT_OPENAI, 0, 1 },

    { ngx_string("rerank"), ngx_string("rerank"),
      NGX_HTTP_AI_EP_RERANK, NGX_HTTP_AI_DIALECT_OPENAI, 0, 1 },

    { ngx_string("images/generations"), ngx_string("images"),
      NGX_HTTP_AI_EP_IMAGES, NGX_HTTP_AI_DIALECT_OPENAI, 0, 0 },

    { ngx_string("audio/speech"), ngx_string("speech"),
      NGX_HTTP_AI_EP_SPEECH, NGX_HTTP_AI_DIALECT_OPENAI, 0, 0 },
};


const ngx_http_ai_endpoint_t *
ngx_http_ai_endpoint_find(const u_char *path, size_t len)
{
    ngx_uint_t                     i;
    const ngx_http_ai_endpoint_t  *ep;

    if (len && path[0] == '/') {
        path++;
        len--;
    }

    for (i = 0;
         i < sizeof(ngx_http_ai_endpoints) / sizeof(ngx_http_ai_endpoints[0]);
         i++)
    {
        ep = &ngx_http_ai_endpoints[i];

        if (ep->path.len == len && ngx_memcmp(ep->path.data, path, len) == 0) {
            return ep;
        }
    }

    return NULL;
}
