
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Names of things that an account keeps, in JSON: the string values of members
 * whose name is "conversation" or ends in "id" or "ids" ("file_id",
 * "previous_response_id", the first of "vector_store_ids"), at any depth.
 *
 * No parser: it only looks for quotes, for it may get a part of a document.  A
 * client's text that contains JSON has its quotes escaped, and is not found.
 */


#ifndef _NGX_HTTP_AI_IDS_H_INCLUDED_
#define _NGX_HTTP_AI_IDS_H_INCLUDED_


#include "ngx_http_ai_base.h"


#define NGX_HTTP_AI_IDS_MIN   4        /* bytes */
#define NGX_HTTP_AI_IDS_MAX   128
#define NGX_HTTP_AI_IDS_SPAN  256      /* of a name and its value; longer ones
                                          are not found at pieces' borders */


/*
 * The next one from *pos on, which moves behind it: NGX_OK, or NGX_DONE.  It
 * has only letters, digits, "_", "-" and ".".
 */
ngx_int_t ngx_http_ai_ids_next(const u_char **pos, const u_char *last,
    ngx_str_t *id);


#endif /* _NGX_HTTP_AI_IDS_H_INCLUDED_ */
