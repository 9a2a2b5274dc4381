
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The ladder: what comes after a failed try, as a function of the verdict's
 * row and of what is left (design: docs/failover.md).
 */


#ifndef _NGX_HTTP_AI_PURE_LADDER_H_INCLUDED_
#define _NGX_HTTP_AI_PURE_LADDER_H_INCLUDED_


#include "ngx_http_ai_base.h"
#include "ngx_http_ai_verdict.h"


typedef enum {
    NGX_HTTP_AI_RETRY_SAME_LAST = 0,         /* when no other target is left */
    NGX_HTTP_AI_RETRY_SAME_FIRST,
    NGX_HTTP_AI_RETRY_SAME_OFF
} ngx_http_ai_retry_same_e;


/* waits are in ms; -1: never, not known, or none */

typedef struct {
    ngx_uint_t               attempts_left;
    int64_t                  time_left;    /* until the deadline */

    int64_t                  hint;         /* the provider's, for this
                                              target */
    int64_t                  back;         /* until any target of this model
                                              is expected back */
    int64_t                  max_wait;     /* the class's short wait */
    int64_t                  queue_left;   /* time the request may queue */

    uint32_t                 random;       /* for jitter */
    ngx_http_ai_retry_same_e       same;

    unsigned                 others:1;     /* another target is eligible */
    unsigned                 same_tried:1; /* S was used in this request */
    unsigned                 no_same:1;    /* the provider forbade S */
    unsigned                 backup:1;     /* an approved backup is left that
                                              suits the verdict */
    unsigned                 pinned:1;     /* the request names state of this
                                              account */
    unsigned                 sent_once:1;  /* it must not be replayed after
                                              it was sent */
} ngx_http_ai_rungs_t;


typedef enum {
    NGX_HTTP_AI_STEP_FAIL = 0,
    NGX_HTTP_AI_STEP_TARGET,           /* another one, as "prefer" says */
    NGX_HTTP_AI_STEP_SAME,             /* this one, after "delay" */
    NGX_HTTP_AI_STEP_WAIT,             /* "delay", then look again */
    NGX_HTTP_AI_STEP_BACKUP,
    NGX_HTTP_AI_STEP_QUEUE
} ngx_http_ai_step_e;


typedef struct {
    ngx_http_ai_step_e       step;
    ngx_http_ai_move_e       prefer;   /* ACCOUNT or PROVIDER, for TARGET */
    int64_t                  delay;    /* ms, for SAME and WAIT */
} ngx_http_ai_decision_t;


/* why a target was chosen, as the trail of a request says it */

typedef enum {
    NGX_HTTP_AI_WHY_FIRST = 0,
    NGX_HTTP_AI_WHY_ACCOUNT,           /* another one, same provider */
    NGX_HTTP_AI_WHY_PROVIDER,          /* another provider */
    NGX_HTTP_AI_WHY_SAME,              /* once more */
    NGX_HTTP_AI_WHY_BACKUP,            /* another model */
    NGX_HTTP_AI_WHY_PROBE              /* to see whether it is back */
} ngx_http_ai_why_e;

/* never NULL */
const ngx_str_t *ngx_http_ai_why(ngx_http_ai_why_e why);


/* verdict OK: nothing was tried yet, since no target was eligible */
void ngx_http_ai_ladder(ngx_http_ai_verdict_e verdict,
    const ngx_http_ai_rungs_t *rungs, ngx_http_ai_decision_t *decision);


#endif /* _NGX_HTTP_AI_PURE_LADDER_H_INCLUDED_ */
