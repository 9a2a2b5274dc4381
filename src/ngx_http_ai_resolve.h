
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * resolve=: the names in an account's server lines are resolved again while
 * nginx runs, in each worker for itself, and the block's balancer goes on with
 * the addresses found.
 *
 * The balancer reads its list of peers from uscf->peer.data when a request
 * enters the block.  A changed address makes a new list, which takes the old
 * one's place for the requests to come; the old one lives until the last
 * request that entered with it has ended.  This holds for whoever enters by
 * uscf->peer.init(), proxy_pass included, because that is where requests are
 * counted.  Nobody else may keep a pointer into uscf->peer.data across events.
 */


#ifndef _NGX_HTTP_AI_RESOLVE_H_INCLUDED_
#define _NGX_HTTP_AI_RESOLVE_H_INCLUDED_


#include "ngx_http_ai_conf.h"


/* when the balancers are initialised; refuses what cannot work */
ngx_int_t ngx_http_ai_resolve_init(ngx_conf_t *cf,
    ngx_http_ai_account_t *account);

/* in a worker: begins at once, in the background; ends with the cycle's pool */
ngx_int_t ngx_http_ai_resolve_start(ngx_cycle_t *cycle,
    ngx_http_ai_main_conf_t *amcf);


#endif /* _NGX_HTTP_AI_RESOLVE_H_INCLUDED_ */
