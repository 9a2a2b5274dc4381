
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Active checks (ai_health_check): a small request to an account that no
 * client asks, by one worker at a time, over a connection of its own.  What
 * comes of it goes to the health room like the outcome of a try.
 */


#ifndef _NGX_HTTP_AI_CHECK_H_INCLUDED_
#define _NGX_HTTP_AI_CHECK_H_INCLUDED_


#include "ngx_http_ai_health.h"
#include "pure/ngx_http_ai_classify.h"


#define NGX_HTTP_AI_CHECK_PEERS  32        /* addresses of a block */
#define NGX_HTTP_AI_CHECK_HEAD   16384     /* bytes of an answer's head, with
                                              what 1xx came before */


typedef struct {
    ngx_sockaddr_t               sockaddr;
    socklen_t                    socklen;
    ngx_str_t                    name;
    u_char                       text[NGX_SOCKADDR_STRLEN];
} ngx_http_ai_check_peer_t;


/* the answer as far as it is read */

typedef struct {
    ngx_buf_t                    buf;
    ngx_http_request_t          *parser;    /* no request: what nginx's
                                               parsers keep their state in */
    ngx_http_status_t            status;
    ngx_http_chunked_t           chunks;
    ngx_http_ai_answer_t         answer;    /* its strings are copies */
    off_t                        length;    /* of the body; -1: not known */
    unsigned                     status_done:1;
    unsigned                     head_done:1;
    unsigned                     chunked:1;
    unsigned                     bodiless:1;
} ngx_http_ai_check_reply_t;


/* one check under way, in a pool of its own */

typedef struct {
    ngx_pool_t                  *pool;
    ngx_log_t                    log;       /* for alerts only: the outcome is
                                               logged where it is known */
    ngx_http_ai_pass_t           pass;
    ngx_msec_t                   start;     /* ngx_current_msec */
    ngx_msec_t                   end;

    ngx_http_ai_check_peer_t     peers[NGX_HTTP_AI_CHECK_PEERS];
    ngx_uint_t                   npeers;
    ngx_uint_t                   primaries; /* of these; the rest are backup
                                               servers */
    ngx_uint_t                   first;     /* primary that is tried first */
    ngx_uint_t                   tried;
    ngx_peer_connection_t        peer;

    ngx_buf_t                   *request;
    ngx_http_ai_check_reply_t    reply;
    u_char                       note[128]; /* for the log, with a zero */
    unsigned                     sending:1; /* a connection stands */
} ngx_http_ai_check_run_t;


/* an account's checks in this worker */

struct ngx_http_ai_check_s {
    ngx_http_ai_account_t       *account;
    ngx_http_ai_zone_t          *zone;
    ngx_event_t                  timer;     /* the next look, or the end of
                                               what the run waits for */
    ngx_uint_t                   turn;      /* of the block's servers */
    ngx_http_ai_check_run_t     *run;       /* NULL: none */
};


/* in a worker: goes on in the background, ends with the cycle's pool */
ngx_int_t ngx_http_ai_check_start(ngx_cycle_t *cycle,
    ngx_http_ai_main_conf_t *amcf);

/* before a worker exits: no connection stays, a probe is given back */
void ngx_http_ai_check_stop(ngx_http_ai_main_conf_t *amcf);


/* the room's own rooms */

/* ngx_http_ai_check_peer.c: fills in run->peers, in the order of trying */
void ngx_http_ai_check_peers(ngx_http_ai_check_t *check);

/* ngx_http_ai_check_reply.c: run->request */
ngx_int_t ngx_http_ai_check_request(ngx_http_ai_check_t *check);

/* room for the answer */
ngx_int_t ngx_http_ai_check_reply_init(ngx_http_ai_check_run_t *run);

/*
 * Looks at what has come into reply->buf.  NGX_AGAIN: more is needed, and the
 * buffer has room; NGX_OK: it tells enough; NGX_ERROR: it is no answer.
 */
ngx_int_t ngx_http_ai_check_reply(ngx_http_ai_check_t *check);

/* the verdict about an answer whose head is read; wait_ms: the hint, or -1 */
ngx_http_ai_verdict_e ngx_http_ai_check_judge(ngx_http_ai_check_t *check,
    int64_t *wait_ms);


#endif /* _NGX_HTTP_AI_CHECK_H_INCLUDED_ */
