
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The pieces of ai_account for each other and for the configuration's end.
 * Each function that fails has said why, with file and line.
 */


#ifndef _NGX_HTTP_AI_ACCOUNT_H_INCLUDED_
#define _NGX_HTTP_AI_ACCOUNT_H_INCLUDED_


#include "ngx_http_ai_conf.h"


/* key=: leaves the bare credential in account->credential */
ngx_int_t ngx_http_ai_account_key(ngx_conf_t *cf,
    ngx_http_ai_account_t *account, ngx_str_t *value);

/* makes the header line of the bare credential; the provider is known */
ngx_int_t ngx_http_ai_account_header(ngx_conf_t *cf,
    ngx_http_ai_account_t *account);

/* upstream configuration and TLS context; warns of oddities */
ngx_int_t ngx_http_ai_account_init(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf, ngx_http_ai_account_t *account);

#if (NGX_HTTP_SSL)
/* the system's CA certificates, NULL if there are none */
ngx_str_t *ngx_http_ai_account_bundle(void);
#endif


#endif /* _NGX_HTTP_AI_ACCOUNT_H_INCLUDED_ */
