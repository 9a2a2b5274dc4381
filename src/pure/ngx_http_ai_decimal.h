
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* numbers with a point or an exponent, as integers of a smaller unit */


#ifndef _NGX_HTTP_AI_DECIMAL_H_INCLUDED_
#define _NGX_HTTP_AI_DECIMAL_H_INCLUDED_


#include "ngx_http_ai_base.h"


/*
 * A number of JSON's grammar, from p to last, times 10 to the power of
 * "places", rounded down and at most INT64_MAX.  NGX_OK, or NGX_ERROR: it is
 * none, or negative.
 */
ngx_int_t ngx_http_ai_decimal(const u_char *p, const u_char *last,
    ngx_int_t places, int64_t *value);


#endif /* _NGX_HTTP_AI_DECIMAL_H_INCLUDED_ */
