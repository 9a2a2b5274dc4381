
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * A walk over the members of a JSON object, or the items of an array, one after
 * the other.  The bytes are valid JSON already, so it only finds where things
 * end; whatever it is given, it stays within the bytes.
 */


#ifndef _NGX_HTTP_AI_WALK_H_INCLUDED_
#define _NGX_HTTP_AI_WALK_H_INCLUDED_


#include "ngx_http_ai_base.h"


/* zeroed, then p set behind the opening bracket, and last */

typedef struct {
    u_char                     *p;         /* what was not looked at */
    u_char                     *last;
    u_char                     *first;     /* of the value */
    u_char                     *end;
    ngx_str_t                   name;      /* still escaped */
    u_char                     *comma;     /* before it; NULL: the first */
    u_char                     *next;      /* after the comma behind it; NULL:
                                              the last */
    ngx_uint_t                  n;         /* how many so far */
} ngx_http_ai_walk_t;


/*
 * The next one, "close" being '}' of an object or ']' of an array.  NGX_OK;
 * NGX_DONE: there are no more; NGX_ERROR: no JSON.
 */
ngx_int_t ngx_http_ai_walk_next(ngx_http_ai_walk_t *w, u_char close);


#endif /* _NGX_HTTP_AI_WALK_H_INCLUDED_ */
