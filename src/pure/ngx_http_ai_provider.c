
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_providers.h"


static const ngx_http_ai_provider_t  *ngx_http_ai_providers[] = {
    &ngx_http_ai_provider_openai,
    &ngx_http_ai_provider_azure,
    &ngx_http_ai_provider_anthropic,
    &ngx_http_ai_provider_gemini,
    &ngx_http_ai_provider_vertex,
    &ngx_http_ai_provider_bedrock,
    &ngx_http_ai_provider_mistral,
    &ngx_http_ai_provider_groq,
    &ngx_http_ai_provider_deepseek,
    &ngx_http_ai_provider_xai,
    &ngx_http_ai_provider_together,
    &ngx_http_ai_provider_fireworks,
    &ngx_http_ai_provider_openrouter,
    &ngx_http_ai_provider_cohere,
    &ngx_http_ai_provider_cerebras,
    &ngx_http_ai_provider_vllm,
    &ngx_http_ai_provider_ollama,
    &ngx_http_ai_provider_compatible
};


const ngx_http_ai_provider_t *
ngx_http_ai_provider_find(const u_char *name, size_t len)
{
    ngx_uint_t                     i;
    const ngx_http_ai_provider_t  *pr;

    for (i = 0;
         i < sizeof(ngx_http_ai_providers) / sizeof(ngx_http_ai_providers[0]);
         i++)
    {
        pr = ngx_http_ai_providers[i];

        if (pr->name.len == len && ngx_memcmp(pr->name.data, name, len) == 0) {
            return pr;
        }
    }

    return NULL;
}


ngx_http_ai_credential_e
ngx_http_ai_provider_credential(const ngx_http_ai_provider_t *provider,
    const u_char *path, size_t len)
{
    size_t         n;
    const u_char  *p;

    if (provider->bearer_path == NULL) {
        return provider->credential;
    }

    n = strlen(provider->bearer_path);

    for (p = path; (size_t) (path + len - p) >= n; p++) {
        if (ngx_memcmp(p, provider->bearer_path, n) == 0) {
            return NGX_HTTP_AI_CREDENTIAL_BEARER;
        }
    }

    return provider->credential;
}


/* written out: a unit test keeps it equal to the table */

const char *
ngx_http_ai_provider_names(void)
{
    return "openai, azure, anthropic, gemini, vertex, bedrock, mistral, "
           "groq, deepseek, xai, together, fireworks, openrouter, cohere, "
           "cerebras, vllm, ollama, compatible";
}
