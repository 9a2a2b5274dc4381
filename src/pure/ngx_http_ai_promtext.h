
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* the parts of Prometheus' text format that are not plain text */


#ifndef _NGX_HTTP_AI_PROMTEXT_H_INCLUDED_
#define _NGX_HTTP_AI_PROMTEXT_H_INCLUDED_


#include "ngx_http_ai_base.h"


/*
 * The inside of a label's value: backslashes, quotes and newlines are escaped,
 * each byte that is no UTF-8 becomes U+FFFD.  Returns the end of what it wrote,
 * at most three times as much as it read.
 */
u_char *ngx_http_ai_promtext_label(u_char *dst, const u_char *p, size_t n);

/*
 * An integer with its last "decimals" digits, at most 18, behind the point;
 * zeros at the end are left out.  Returns the end of at most VALUE bytes.
 */
#define NGX_HTTP_AI_PROMTEXT_VALUE  24

u_char *ngx_http_ai_promtext_value(u_char *dst, uint64_t value,
    ngx_uint_t decimals);


#endif /* _NGX_HTTP_AI_PROMTEXT_H_INCLUDED_ */
