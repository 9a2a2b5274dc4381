
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The providers' rows, one file each in providers/.  Only the registry and
 * the rows themselves include this; everybody else asks for a name.
 */


#ifndef _NGX_HTTP_AI_PROVIDERS_H_INCLUDED_
#define _NGX_HTTP_AI_PROVIDERS_H_INCLUDED_


#include "ngx_http_ai_provider.h"


#define NGX_HTTP_AI_EP_ALL  0xfdff     /* but MODELS */

/* ends a table of rules */
#define ngx_http_ai_null_rule  { 0, NULL, NULL, NULL, NGX_HTTP_AI_OK }


extern const ngx_http_ai_provider_t  ngx_http_ai_provider_openai;
extern const ngx_http_ai_provider_t  ngx_http_ai_provider_azure;
extern const ngx_http_ai_provider_t  ngx_http_ai_provider_anthropic;
extern const ngx_http_ai_provider_t  ngx_http_ai_provider_gemini;
extern const ngx_http_ai_provider_t  ngx_http_ai_provider_vertex;
extern const ngx_http_ai_provider_t  ngx_http_ai_provider_bedrock;
extern const ngx_http_ai_provider_t  ngx_http_ai_provider_mistral;
extern const ngx_http_ai_provider_t  ngx_http_ai_provider_groq;
extern const ngx_http_ai_provider_t  ngx_http_ai_provider_deepseek;
extern const ngx_http_ai_provider_t  ngx_http_ai_provider_xai;
extern const ngx_http_ai_provider_t  ngx_http_ai_provider_together;
extern const ngx_http_ai_provider_t  ngx_http_ai_provider_fireworks;
extern const ngx_http_ai_provider_t  ngx_http_ai_provider_openrouter;
extern const ngx_http_ai_provider_t  ngx_http_ai_provider_cohere;
extern const ngx_http_ai_provider_t  ngx_http_ai_provider_cerebras;
extern const ngx_http_ai_provider_t  ngx_http_ai_provider_vllm;
extern const ngx_http_ai_provider_t  ngx_http_ai_provider_ollama;
extern const ngx_http_ai_provider_t  ngx_http_ai_provider_compatible;


/* tables that more than one provider uses */

extern const ngx_http_ai_rule_t  ngx_http_ai_rules_google[];
extern const ngx_http_ai_rule_t  ngx_http_ai_rules_none[];


#endif /* _NGX_HTTP_AI_PROVIDERS_H_INCLUDED_ */
