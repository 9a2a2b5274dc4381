
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_status_page.h"

#include <openssl/sha.h>


/* of SHA-256, in base64, which OpenSSL ends with a NUL */
#define NGX_HTTP_AI_PAGE_HASH  45

#define ngx_http_ai_page_extern                                               \
    extern __attribute__((visibility("hidden"))) const u_char


/* ngx_http_ai_status_page_data.S */

ngx_http_ai_page_extern  ngx_http_ai_page[];
ngx_http_ai_page_extern  ngx_http_ai_page_style[];
ngx_http_ai_page_extern  ngx_http_ai_page_style_end[];
ngx_http_ai_page_extern  ngx_http_ai_page_script[];
ngx_http_ai_page_extern  ngx_http_ai_page_script_end[];
ngx_http_ai_page_extern  ngx_http_ai_page_end[];


/* the policy allows what the module itself has brought, and nothing else */

static const char  ngx_http_ai_page_policy[] =
    "default-src 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'%Z";


static ngx_int_t
ngx_http_ai_page_hash(u_char *hash, const u_char *begin, const u_char *end)
{
    ngx_str_t  base64, sum;
    u_char     digest[SHA256_DIGEST_LENGTH];

    if (SHA256(begin, end - begin, digest) == NULL) {
        return NGX_ERROR;
    }

    sum.data = digest;
    sum.len = sizeof(digest);
    base64.data = hash;

    ngx_encode_base64(&base64, &sum);
    hash[base64.len] = '\0';

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_status_page_init(ngx_conf_t *cf, ngx_http_ai_loc_conf_t *alcf)
{
    u_char  script[NGX_HTTP_AI_PAGE_HASH], style[NGX_HTTP_AI_PAGE_HASH];

    if (ngx_http_ai_page_hash(script, ngx_http_ai_page_script,
                              ngx_http_ai_page_script_end)
        != NGX_OK
        || ngx_http_ai_page_hash(style, ngx_http_ai_page_style,
                                 ngx_http_ai_page_style_end)
           != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "OpenSSL cannot hash the dashboard");
        return NGX_ERROR;
    }

    alcf->page_policy = ngx_pnalloc(cf->pool, sizeof(ngx_http_ai_page_policy)
                                              + sizeof(script)
                                              + sizeof(style));
    if (alcf->page_policy == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(alcf->page_policy, ngx_http_ai_page_policy, script, style);

    return NGX_OK;
}


ngx_int_t
ngx_http_ai_status_page(ngx_http_request_t *r,
    const ngx_http_ai_status_call_t *call)
{
    ngx_uint_t            i;
    ngx_http_ai_writer_t  w;

    static const ngx_str_t  type = ngx_string("text/html; charset=utf-8");

    const struct {
        const char  *name;
        const char  *value;
    } headers[] = {
        { "Content-Security-Policy", (char *) call->loc->page_policy },
        { "X-Content-Type-Options",  "nosniff" },
        { "Referrer-Policy",         "no-referrer" }
    };

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        if (ngx_http_ai_status_header(r, headers[i].name, headers[i].value)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    ngx_http_ai_writer_init(&w, r->pool);
    ngx_http_ai_writer_static(&w, ngx_http_ai_page,
                              ngx_http_ai_page_end - ngx_http_ai_page);

    return ngx_http_ai_status_send(r, NGX_HTTP_OK, &w, &type);
}
