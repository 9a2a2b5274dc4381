
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Purses: what was spent, and is reserved, of the budgets of a key or of an
 * account, in the zone.  They are not evicted as long as they hold money; what
 * changes is queued for the state= folder (ngx_http_ai_persist.h).
 *
 * The zone's lock is held in all of these, and none yields.
 */


#ifndef _NGX_HTTP_AI_PURSE_H_INCLUDED_
#define _NGX_HTTP_AI_PURSE_H_INCLUDED_


#include "ngx_http_ai_zone.h"
#include "pure/ngx_http_ai_budget.h"
#include "pure/ngx_http_ai_state.h"


/* one for each kind of period; the index is its number less one */
#define NGX_HTTP_AI_PURSE_BUDGETS  NGX_HTTP_AI_BUDGET_TOTAL


typedef struct {
    ngx_http_ai_node_t           node;
    ngx_queue_t                  dirty;    /* of sh->dirty, if "queued" */
    ngx_http_ai_budget_state_t   states[NGX_HTTP_AI_PURSE_BUDGETS];
    uint16_t                     owner;    /* ngx_http_ai_state_kind_e */
    uint16_t                     queued;
    uint32_t                     held;     /* reservations to be settled */
    uint32_t                     len;
    u_char                       name[];
} ngx_http_ai_purse_t;


/* whose purse it is, and what it is held to */

typedef struct {
    ngx_http_ai_state_kind_e     owner;
    const ngx_str_t             *name;
    uint64_t                     hash;     /* 64 bits for the name */
    const ngx_http_ai_budget_t  *budgets;
    ngx_uint_t                   n;
} ngx_http_ai_purse_conf_t;


/*
 * Reserves in all budgets or in none.  NGX_OK: "reserve" says what, for
 * settle().  NGX_BUSY: *which is the budget that refuses, *left what it would
 * grant.  NGX_ERROR: the zone is full.
 */
ngx_int_t ngx_http_ai_purse_reserve_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_purse_conf_t *conf, int64_t nanousd,
    ngx_http_ai_reserve_t *reserve, ngx_uint_t *which, int64_t *left);

/*
 * Reserves so much more for what is reserved already; results as above.  What
 * was reserved in a period that is over moves to the new one, for all of it is
 * settled there.
 */
ngx_int_t ngx_http_ai_purse_extend_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_purse_conf_t *conf, int64_t nanousd,
    ngx_http_ai_reserve_t *reserve, ngx_uint_t *which, int64_t *left);

/* NGX_OK if so much could be reserved now, else as above; changes nothing */
ngx_int_t ngx_http_ai_purse_check_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_purse_conf_t *conf, int64_t nanousd, ngx_uint_t *which,
    int64_t *left);

/* the same for who does not come: one that is not there is not made either */
ngx_int_t ngx_http_ai_purse_would_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_purse_conf_t *conf, int64_t nanousd, ngx_uint_t *which,
    int64_t *left);

/*
 * The cost instead of what was reserved; 0: nothing was used.  A reservation
 * is settled once; of one that was never made nothing happens.
 */
void ngx_http_ai_purse_settle_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_reserve_t *reserve, int64_t nanousd);

/* from a line of the state file; one whose period is over is left out */
ngx_int_t ngx_http_ai_purse_restore_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_state_line_t *line);

/* it is to be written down again */
void ngx_http_ai_purse_queue_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_purse_t *purse);

/*
 * What was spent and is reserved in the periods of now, by kind of period; all
 * zero without a purse.  Makes none, and does not count as use.
 */
void ngx_http_ai_purse_look_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_state_kind_e owner, uint64_t hash,
    ngx_http_ai_budget_state_t states[NGX_HTTP_AI_PURSE_BUDGETS]);

/* 1: nothing is lost with it: its periods are over, nothing is reserved */
ngx_uint_t ngx_http_ai_purse_idle(const ngx_http_ai_node_t *node);

/* after the zone's data moved: queues all of them, what was reserved is spent */
void ngx_http_ai_purse_moved_locked(ngx_http_ai_zone_t *zone);


#endif /* _NGX_HTTP_AI_PURSE_H_INCLUDED_ */
