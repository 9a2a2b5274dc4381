
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What an attempt's outcome means: one row per class of failure, with the
 * moves of the ladder that may help, what closes or cools down at once, the
 * breaker's view and what the client is told (wire.md A1).
 */


#ifndef _NGX_HTTP_AI_VERDICT_H_INCLUDED_
#define _NGX_HTTP_AI_VERDICT_H_INCLUDED_


#include "ngx_http_ai_base.h"


typedef enum {
    NGX_HTTP_AI_OK = 0,
    NGX_HTTP_AI_RATE_LIMIT,
    NGX_HTTP_AI_RATE_LIMIT_DAY,
    NGX_HTTP_AI_OVERLOADED,
    NGX_HTTP_AI_SLOW_DOWN,
    NGX_HTTP_AI_QUOTA_EXHAUSTED,
    NGX_HTTP_AI_AUTH,
    NGX_HTTP_AI_ACCOUNT_DISABLED,
    NGX_HTTP_AI_PERMISSION,
    NGX_HTTP_AI_MODEL_NOT_FOUND,
    NGX_HTTP_AI_CONTEXT_LENGTH,
    NGX_HTTP_AI_REQUEST_TOO_LARGE,
    NGX_HTTP_AI_CONTENT_FILTER,
    NGX_HTTP_AI_INVALID_REQUEST,
    NGX_HTTP_AI_GENERATION_FAILED,
    NGX_HTTP_AI_OUTPUT_LIMIT,
    NGX_HTTP_AI_SERVER_ERROR,
    NGX_HTTP_AI_CONNECT,
    NGX_HTTP_AI_RESET,
    NGX_HTTP_AI_TIMEOUT,
    NGX_HTTP_AI_EMPTY,
    NGX_HTTP_AI_CONFLICT,
    NGX_HTTP_AI_CLIENT_CLOSED,
    NGX_HTTP_AI_VERDICTS               /* how many there are */
} ngx_http_ai_verdict_e;


/* moves of the ladder, in the row's own order; see design.md 4 */

typedef enum {
    NGX_HTTP_AI_MOVE_FAIL = 0,         /* ends every row: fail closed */
    NGX_HTTP_AI_MOVE_ACCOUNT,          /* other account, same provider */
    NGX_HTTP_AI_MOVE_PROVIDER,         /* other provider, same model */
    NGX_HTTP_AI_MOVE_SAME,             /* same target once more */
    NGX_HTTP_AI_MOVE_BACKUP,           /* approved backup model */
    NGX_HTTP_AI_MOVE_QUEUE
} ngx_http_ai_move_e;

#define NGX_HTTP_AI_MAX_MOVES  6


typedef enum {
    NGX_HTTP_AI_SCOPE_NONE = 0,
    NGX_HTTP_AI_SCOPE_MODEL,           /* account + upstream model */
    NGX_HTTP_AI_SCOPE_ACCOUNT
} ngx_http_ai_scope_e;


typedef struct {
    ngx_str_t              name;       /* in trails, records and metrics */
    ngx_http_ai_move_e     moves[NGX_HTTP_AI_MAX_MOVES];

    ngx_http_ai_scope_e    scope;      /* what cools down at once */
    ngx_msec_t             cooldown;   /* without a hint; 0: hint only */
    ngx_msec_t             cooldown_max;   /* doubling stops here; equal to
                                              cooldown: it does not grow */
    unsigned               close:1;    /* the account is closed and probed,
                                          not merely cooled down */
    unsigned               same_if_short:1; /* SAME only if the wait fits
                                               max_wait */
    unsigned               larger_window:1; /* BACKUP only to a larger or an
                                               unknown context window */
    unsigned               counts:1;   /* a failure for the breaker */
    unsigned               account_wide:1;  /* ... of the account, not the
                                               cell */
    unsigned               pass:1;     /* the provider's own error body may
                                          be shown to the client */
    unsigned               silent:1;   /* never the same target again */

    ngx_uint_t             status;     /* what the client gets in the end,
                                          where its own is not passed on */
    const char            *code;       /* error.code that goes with it */
} ngx_http_ai_verdict_t;


/* 1: the row of moves has this one */
ngx_uint_t ngx_http_ai_verdict_has(const ngx_http_ai_move_e *moves,
    ngx_http_ai_move_e move);

/* never NULL */
const ngx_http_ai_verdict_t *ngx_http_ai_verdict(ngx_http_ai_verdict_e v);


#endif /* _NGX_HTTP_AI_VERDICT_H_INCLUDED_ */
