
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The lines of the file that keeps budgets over a restart, one for each:
 *
 *     v1 5f3a09c1 key month 1793491200 1250000000 search-ui
 *
 * version, CRC-32 (hexadecimal, of all that follows its blank, without the
 * newline), kind, per, first second of the period, nanodollars spent, name.
 * In the name a %, a blank and every byte that is no visible ASCII is written
 * as % and two hexadecimal digits, so a line has no other newline than its
 * last byte.
 *
 * What is reserved is not kept: nothing runs after a restart.
 *
 * The caller splits the file at newlines and takes the lines in their order:
 * of several for the same kind, per and name the last one counts.  A line
 * that was torn, glued to the next one or damaged is told by its CRC.
 */


#ifndef _NGX_HTTP_AI_STATE_H_INCLUDED_
#define _NGX_HTTP_AI_STATE_H_INCLUDED_


#include "ngx_http_ai_base.h"
#include "ngx_http_ai_budget.h"


/* the room for a line whose name has n bytes, newline included */
#define ngx_http_ai_state_room(n)                                             \
    (sizeof("v1 ffffffff account month 9223372036854775807"                   \
            " 9223372036854775807 \n") - 1 + 3 * (n))


typedef enum {
    NGX_HTTP_AI_STATE_KEY = 1,
    NGX_HTTP_AI_STATE_ACCOUNT
} ngx_http_ai_state_kind_e;


typedef struct {
    ngx_http_ai_state_kind_e   kind;
    ngx_http_ai_budget_per_e   per;
    int64_t                    period;         /* as in the budget's state */
    int64_t                    spent_nanousd;
    ngx_str_t                  name;           /* never empty */
} ngx_http_ai_state_line_t;


/* to memory of ngx_http_ai_state_room(line->name.len); returns the end */
u_char *ngx_http_ai_state_format(u_char *p,
    const ngx_http_ai_state_line_t *line);

/*
 * A line with or without its newline.  The name is decoded in place and stays
 * in these bytes.  NGX_DECLINED: not a line, or not a whole one; leave it out
 * and go on with the next.
 */
ngx_int_t ngx_http_ai_state_parse(u_char *p, size_t n,
    ngx_http_ai_state_line_t *line);


#endif /* _NGX_HTTP_AI_STATE_H_INCLUDED_ */
