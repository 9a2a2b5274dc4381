
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Attempts: one upstream lifecycle of nginx, several targets.  Only the files
 * ngx_http_ai_attempt*.c know ngx_http_upstream_t.
 *
 * Our peer.get wraps the balancer of the account's upstream block: it runs
 * before every attempt and there prepares everything that depends on the
 * target (address, TLS name, request bytes, timers), so that the core's own
 * "next upstream" becomes the ladder's move.
 */


#ifndef _NGX_HTTP_AI_ATTEMPT_H_INCLUDED_
#define _NGX_HTTP_AI_ATTEMPT_H_INCLUDED_


#include "ngx_http_ai_request.h"
#include "ngx_http_ai_claim.h"
#include "ngx_http_ai_queue.h"
#include "pure/ngx_http_ai_classify.h"
#include "pure/ngx_http_ai_ladder.h"


#define NGX_HTTP_AI_MAX_ATTEMPTS   16      /* most a class may allow */
#define NGX_HTTP_AI_ATTEMPT_HELD   NGX_HTTP_AI_CLASSIFY_BODY
#define NGX_HTTP_AI_ERROR_TIMEOUT  5000    /* ms for the body of an error */
#define NGX_HTTP_AI_QUEUE_POLL     100     /* ms between looks at the queue */
#define NGX_HTTP_AI_QUEUE_BACKOFF  500     /* ms, up to twice as many */
#define NGX_HTTP_AI_QUEUE_STEP     5       /* ms from one to the next in it */


/* one try at one target, for the trail and the record */

typedef struct {
    ngx_http_ai_target_t          *target;
    const ngx_str_t               *model;      /* sent upstream */
    const ngx_http_ai_prices_entry_t  *price;  /* NULL: not known */
    ngx_http_ai_verdict_e          verdict;
    ngx_uint_t                     status;     /* upstream's; 0: none */
    ngx_msec_t                     start;      /* ngx_current_msec */
    ngx_msec_t                     elapsed;    /* until its verdict */
    ngx_http_ai_tokens_t          *tokens;     /* what it used, once it is
                                                  over; NULL: nothing, or not
                                                  known */
    int64_t                        used_tokens;    /* ... and as numbers, -1:
                                                      not known */
    int64_t                        used_nanousd;
    ngx_http_ai_why_e              why;
    unsigned                       backup:1;   /* another model, in place of
                                                  the one asked for */
    unsigned                       closed:1;   /* used_... are set */
    unsigned                       fault:1;    /* it met one of a drill */
} ngx_http_ai_try_t;


/* the wrapped balancer of the account's block */

typedef struct {
    void                          *data;
    ngx_event_get_peer_pt          get;
    ngx_event_free_peer_pt         free;
#if (NGX_HTTP_SSL)
    ngx_event_set_peer_session_pt  set_session;
    ngx_event_save_peer_session_pt save_session;
#endif
    ngx_uint_t                     tries;
} ngx_http_ai_peer_t;


/* the answer's head, as far as the gateway reads it */

typedef struct {
    ngx_uint_t                     status;
    ngx_str_t                      content_type;
    ngx_str_t                      retry_after;
    ngx_str_t                      retry_after_ms;
    ngx_str_t                      should_retry;
    ngx_str_t                      error_type;
    ngx_str_t                      request_id;
    unsigned                       sse:1;
    unsigned                       json:1;
    unsigned                       encoded:1;  /* a Content-Encoding */
} ngx_http_ai_reply_t;


/*
 * What is held back of an answer until it is known whether it will do.  The
 * raw bytes stay in u->buffer; "peek" is the offset of the first one that was
 * not looked at, body the decoded bytes of a chunked answer.
 */

typedef struct {
    size_t                         peek;
    ngx_http_chunked_t             chunked;
    u_char                        *body;
    size_t                         body_len;
    size_t                         body_size;
    size_t                         seen;       /* decoded bytes so far */

    ngx_uint_t                     content;    /* content events so far */
    ngx_event_t                    window;     /* class's "hold" time */
    unsigned                       over:1;     /* ... is over */
    unsigned                       finish:1;   /* what the events said */
    unsigned                       done:1;
    unsigned                       error:1;
    unsigned                       learnt:1;   /* the first one's ids */
    unsigned                       complete:1;
    unsigned                       waiting:1;  /* for the rest of an error */
} ngx_http_ai_hold_t;


/* a drill's fault, as it works on the current try */

typedef struct {
    ngx_http_ai_fault_e            kind;       /* NONE: as it is */
    ngx_uint_t                     status;
    ngx_msec_t                     due;        /* of SLOW: ngx_current_msec */
    ngx_event_t                    timer;      /* ... */
    ngx_socket_t                   far;        /* of a scripted answer: the
                                                  other end, while open */
    ngx_recv_pt                    recv;       /* the connection's, while ours
                                                  is in its place */
    u_char                        *hidden;     /* in u->buffer: read, but not
                                                  handed on */
    size_t                         nhidden;
    unsigned                       open:1;     /* far is */
    unsigned                       broken:1;   /* nothing more comes */
} ngx_http_ai_try_fault_t;


struct ngx_http_ai_attempt_s {
    ngx_http_ai_ctx_t             *ctx;
    ngx_http_upstream_conf_t       conf;       /* this request's copy: its
                                                  timers change */
    ngx_http_ai_target_t          *target;     /* being tried */
    ngx_http_ai_target_t          *next;       /* to be tried; NULL: none, or
                                                  not known yet */
    ngx_http_ai_step_e             step;       /* the ladder's last word */
    int64_t                        delay;      /* ms before it */
    ngx_http_ai_peer_t             peer;
    ngx_http_ai_cell_t             cell;       /* of the current try */
    ngx_http_ai_pass_t             pass;       /* its pass through the gate */
    ngx_http_ai_pass_t             next_pass;  /* that of at->next */

    ngx_str_t                      head;       /* forwarded headers, the same
                                                  for every target */
    u_char                         parent[NGX_HTTP_AI_TRACE_PARENT];
                                               /* in hex: the last request that
                                                  was sent, in its trace */
    ngx_http_status_t              status;
    ngx_http_chunked_t             chunked;
    ngx_http_ai_reply_t            reply;
    ngx_http_ai_headroom_feed_t    headroom;   /* the head's rate headers */
    ngx_http_ai_hold_t             hold;
    ngx_http_ai_try_fault_t        fault;
    ngx_http_ai_judgement_t       *judgement;  /* of the current try, where
                                                  "classified" says so */

    ngx_uint_t                     ntries;
    int64_t                        tokens;     /* that all tries used; -1: not
                                                  known of one, */
    int64_t                        nanousd;    /* ... and what they cost */

    int64_t                        token_pico; /* price of a token that passes;
                                                  0: no cut-off */
    int64_t                        allowance;  /* tokens that are paid for */

    ngx_msec_t                     deadline;   /* ngx_current_msec */
    ngx_event_t                    alarm;      /* ... enforces it */
    ngx_msec_t                     first;      /* ms to the first content */
    ngx_uint_t                     stale;      /* dead kept connections met */
    ngx_uint_t                     backup;     /* index of the next backup */
    ngx_array_t                   *left;       /* of ngx_http_ai_trail_left_t:
                                                  out of backups' plans that
                                                  were given up; NULL: none */
    ngx_recv_pt                    recv;       /* the connection's, while
                                                  ours is in its place */
    ngx_msec_t                     progress;   /* when the last event that is
                                                  no comment came */
    ngx_msec_t                     passed;     /* when the answer began to
                                                  pass */

    ngx_event_t                    park;       /* ends a pause */
    ngx_msec_t                     park_start;
    ngx_msec_t                     paused;     /* ms in all pauses */
    ngx_msec_t                     waited;     /* ms of max_wait used */
    ngx_queue_t                    line;       /* this worker's queued ones */
    ngx_http_ai_ticket_t           ticket;
    ngx_msec_t                     queue_end;
    ngx_msec_t                     not_before;

    ngx_str_t                      saved;      /* a client error's body, in
                                                  case the backup fails too */
    ngx_str_t                      saved_type;
    ngx_uint_t                     saved_status;
    ngx_http_ai_verdict_e          saved_verdict;

    ngx_http_upstream_state_t      no_state;   /* where the core writes after
                                                  the last try */

    unsigned                       again:1;    /* next: the same target, the
                                                  block's next server */
    unsigned                       renew:1;    /* next: the same target, a
                                                  kept connection was dead */
    unsigned                       judged:1;   /* the current try has its
                                                  verdict */
    unsigned                       reported:1; /* ... which the health room
                                                  knows */
    unsigned                       decided:1;  /* ... and the ladder's step */
    unsigned                       classified:1;
    unsigned                       answered:1; /* ... from an HTTP answer */
    unsigned                       committed:1;    /* the answer passes */
    unsigned                       expired:1;  /* the deadline ended it */
    unsigned                       same_tried:1;
    unsigned                       on_backup:1;    /* own has its own plan */
    unsigned                       queued:1;   /* it was, once */
    unsigned                       queue_full:1;
    unsigned                       dear:1;     /* a backup was too dear */
    unsigned                       parked:1;
    unsigned                       unparked:1; /* the placeholder's state is
                                                  still in r->upstream_states
                                                */
    unsigned                       in_line:1;
    unsigned                       too_long:1; /* max_duration ended it */
    unsigned                       spent:1;    /* the key's money ended it */
    unsigned                       abandoned:1;    /* the client left, the
                                                  account had all of the
                                                  request */
    unsigned                       gated:1;    /* backups wait for an
                                                  operator */
    unsigned                       injected:1; /* include_usage was ours */
    unsigned                       hurried:1;  /* by the request's own timeout
                                                  for this account */

    /* zeroed when they are begun, for most requests use little of it */

    ngx_http_ai_try_t              tries[NGX_HTTP_AI_MAX_ATTEMPTS];
    ngx_http_ai_plan_t             own;        /* the request's plan, if
                                                  on_backup, ... */
    ngx_http_ai_plan_t             other;      /* ... and the backup's, while
                                                  the other is in use; without
                                                  a route: none */
};


/*
 * Starts with the first target of the plan, or with a pause; returns at once.
 * NGX_OK: from here on the request belongs to nginx's upstream, which
 * finalizes it.  Else an HTTP status with ctx->error set, or NGX_ERROR.
 */
ngx_int_t ngx_http_ai_attempt_start(ngx_http_request_t *r,
    ngx_http_ai_ctx_t *ctx);

/*
 * Tells the timers of a passing answer what came: progress is 0 for comments
 * and keep-alives only.
 */
void ngx_http_ai_attempt_progress(ngx_http_ai_attempt_t *at,
    ngx_uint_t progress);

/* peer.init of the gateway's own upstream */
ngx_int_t ngx_http_ai_attempt_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *uscf);


/* the room's own rooms */

/* ngx_http_ai_attempt_request.c: u->request_bufs for at->target */
ngx_int_t ngx_http_ai_attempt_request(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);

/*
 * 1: some "Connection" header of the list names more than keep-alive or
 * close; 1: one of them names this header (RFC 9110, 7.6.1).
 */
ngx_uint_t ngx_http_ai_attempt_nominates(ngx_list_t *headers);
ngx_uint_t ngx_http_ai_attempt_nominated(ngx_list_t *headers,
    ngx_table_elt_t *header);

/* ngx_http_ai_attempt_reply.c: u->process_header and u->input_filter */
ngx_int_t ngx_http_ai_attempt_status_line(ngx_http_request_t *r);
ngx_int_t ngx_http_ai_attempt_filter_init(void *data);
ngx_int_t ngx_http_ai_attempt_filter(void *data, ssize_t bytes);

/*
 * ngx_http_ai_attempt_hold.c: called when the head is read.  NGX_OK: the
 * answer passes; NGX_AGAIN: more bytes are needed;
 * NGX_HTTP_UPSTREAM_INVALID_HEADER: this try failed, its verdict is set.
 */
ngx_int_t ngx_http_ai_attempt_hold(ngx_http_request_t *r);

/* the decoded body bytes held so far; valid until the next try */
ngx_str_t ngx_http_ai_attempt_held(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);

/* the verdict of an error answer that ended before its body was complete */
void ngx_http_ai_attempt_judge_held(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);

/*
 * Sets the current try's verdict, once, and lets the health room know: of a
 * stream's success when it has come to its end, of a failed connection when
 * the block has no other server.
 */
void ngx_http_ai_attempt_verdict(ngx_http_ai_attempt_t *at,
    ngx_http_ai_verdict_e verdict);

/* lets the health room know of the current try's verdict, once */
void ngx_http_ai_attempt_report(ngx_http_ai_attempt_t *at);

/* how it went so far, as the health room wants it */
void ngx_http_ai_attempt_result(ngx_http_ai_attempt_t *at,
    ngx_http_ai_result_t *result);

/*
 * The current try is over: keeps what it used, in its "tokens", and says how
 * much that is; 0: nothing, -1: not known.  Adds it to at->tokens and nanousd.
 */
void ngx_http_ai_attempt_used(ngx_http_ai_attempt_t *at, int64_t *tokens,
    int64_t *nanousd);

/*
 * No more will be used: settles the key's limits, before the client knows that
 * its answer is complete and asks again.
 */
void ngx_http_ai_attempt_settle_key(ngx_http_ai_attempt_t *at);

/* gives back what the current try, or one not begun, holds in the zone */
void ngx_http_ai_attempt_leave(ngx_http_ai_attempt_t *at);

/* ngx_http_ai_attempt_next.c: the ladder's step, in at->step and at->next */
void ngx_http_ai_attempt_first(ngx_http_ai_attempt_t *at);
void ngx_http_ai_attempt_decide(ngx_http_ai_attempt_t *at);
void ngx_http_ai_attempt_reconsider(ngx_http_ai_attempt_t *at);

/*
 * The first step of a request of which no target may be used now, and the
 * backup model it goes to; nothing is done.  at has ctx and deadline, and is
 * ctx->attempt.
 */
void ngx_http_ai_attempt_outlook(ngx_http_ai_attempt_t *at,
    ngx_http_ai_decision_t *decision);

/* backup models that may answer; NULL: the n-th of them may not after all */
ngx_uint_t ngx_http_ai_attempt_backups(ngx_http_ai_ctx_t *ctx);
ngx_http_ai_backup_t *ngx_http_ai_attempt_backup_of(ngx_http_ai_ctx_t *ctx,
    ngx_uint_t n);

/* why the target that is about to be tried was chosen */
ngx_http_ai_why_e ngx_http_ai_attempt_why(const ngx_http_ai_attempt_t *at);

/* 1: what was asked for is too dear, but a backup model that may answer not */
ngx_uint_t ngx_http_ai_attempt_affordable(ngx_http_ai_ctx_t *ctx);
ngx_int_t ngx_http_ai_attempt_resume(ngx_http_ai_attempt_t *at);

/*
 * The most that the request may cost, in nanodollars, at any account that it
 * might go to, those of backup models included; 0 where no price is known.
 */
int64_t ngx_http_ai_attempt_dearest(ngx_http_ai_ctx_t *ctx);

/* ngx_http_ai_attempt_park.c: a pause of ms, as peer.get's answer */
ngx_int_t ngx_http_ai_attempt_park(ngx_peer_connection_t *pc,
    ngx_http_ai_attempt_t *at, ngx_msec_t ms);
void ngx_http_ai_attempt_wake(ngx_event_t *ev);
void ngx_http_ai_attempt_interrupted(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
void ngx_http_ai_attempt_forget_pause(ngx_http_request_t *r);
void ngx_http_ai_attempt_replace_pause(ngx_http_request_t *r);
void ngx_http_ai_attempt_unpark(ngx_http_ai_attempt_t *at);
void ngx_http_ai_attempt_leave_queue(ngx_http_ai_attempt_t *at);

/*
 * ngx_http_ai_attempt_fault.c.  Does the try that begins meet a fault?  1: it
 * does, and nobody is asked: connect() is peer.get then, NGX_DONE or
 * NGX_ERROR.
 */
ngx_uint_t ngx_http_ai_attempt_fault_enter(ngx_http_ai_attempt_t *at);
ngx_int_t ngx_http_ai_attempt_fault_connect(ngx_peer_connection_t *pc,
    ngx_http_ai_attempt_t *at);

/* 1: the current try's answer is ours */
#define ngx_http_ai_attempt_scripted(at)                                      \
    ((at)->fault.kind != NGX_HTTP_AI_FAULT_NONE                               \
     && ngx_http_ai_faultspec_scripted((at)->fault.kind))

/* the request is built; and: peer.free */
void ngx_http_ai_attempt_fault_prepare(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);
void ngx_http_ai_attempt_fault_leave(ngx_peer_connection_t *pc,
    ngx_http_ai_attempt_t *at);

/*
 * ngx_http_ai_attempt_cutoff.c: when a stream begins to pass, and whenever
 * some of it has.  NGX_BUSY: it must end now.  Takes the zone's lock, seldom.
 */
void ngx_http_ai_attempt_cutoff_start(ngx_http_ai_attempt_t *at);
ngx_int_t ngx_http_ai_attempt_cutoff(ngx_http_ai_attempt_t *at);

/* ngx_http_ai_attempt_end.c: u->finalize_request, and the last word */
void ngx_http_ai_attempt_finalize_request(ngx_http_request_t *r,
    ngx_int_t rc);
ngx_http_ai_cold void ngx_http_ai_attempt_refuse(ngx_http_request_t *r,
    ngx_http_ai_attempt_t *at);


#endif /* _NGX_HTTP_AI_ATTEMPT_H_INCLUDED_ */
