
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Choosing among equals: balancers as functions of numbers.
 */


#ifndef _NGX_HTTP_AI_PICK_H_INCLUDED_
#define _NGX_HTTP_AI_PICK_H_INCLUDED_


#include "ngx_http_ai_base.h"


/*
 * Smooth weighted round robin over n <= 64 peers.  current[] is the
 * balancer's memory, zeroed at first.  Only peers whose bit is set in
 * "eligible" take part; it must not be 0.  Returns the chosen index.
 *
 * Among peers that stay eligible each gets its exact share in every
 * sum(weights) choices, and never in a burst.
 */
ngx_uint_t ngx_http_ai_pick_smooth(const ngx_uint_t *weights,
    int64_t *current, ngx_uint_t n, uint64_t eligible);


#endif /* _NGX_HTTP_AI_PICK_H_INCLUDED_ */
