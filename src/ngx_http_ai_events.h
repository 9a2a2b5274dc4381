
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What happened lately to accounts: breakers, closures, operators, drills.  A
 * ring in the zone that all workers write, for people to read.
 */


#ifndef _NGX_HTTP_AI_EVENTS_H_INCLUDED_
#define _NGX_HTTP_AI_EVENTS_H_INCLUDED_


#include "ngx_http_ai_conf.h"


#define NGX_HTTP_AI_EVENTS        128
#define NGX_HTTP_AI_EVENTS_WORD    48       /* bytes; longer ones are cut */


typedef enum {
    NGX_HTTP_AI_EVENTS_OPENED = 0,      /* a breaker */
    NGX_HTTP_AI_EVENTS_REOPENED,
    NGX_HTTP_AI_EVENTS_RECOVERED,
    NGX_HTTP_AI_EVENTS_COOLING,         /* by a verdict; once until it is over */
    NGX_HTTP_AI_EVENTS_CLOSED,          /* likewise */
    NGX_HTTP_AI_EVENTS_DRAIN,           /* an operator */
    NGX_HTTP_AI_EVENTS_DISABLE,
    NGX_HTTP_AI_EVENTS_ENABLE,
    NGX_HTTP_AI_EVENTS_RESET,
    NGX_HTTP_AI_EVENTS_OPEN,            /* of a class's backups */
    NGX_HTTP_AI_EVENTS_CLOSE,
    NGX_HTTP_AI_EVENTS_FAULT_STARTED,
    NGX_HTTP_AI_EVENTS_FAULT_ENDED,
    NGX_HTTP_AI_EVENTS_LOADED           /* a configuration */
} ngx_http_ai_events_e;


typedef struct {
    int64_t                  at_ms;    /* Unix time */
    uint32_t                 account;  /* its hash; 0: none */
    uint16_t                 family;   /* NGX_HTTP_AI_EP_*; 0: not of a cell */
    uint8_t                  stream;
    uint8_t                  what;     /* ngx_http_ai_events_e */
    uint8_t                  account_len;
    uint8_t                  model_len;
    uint8_t                  detail_len;
    u_char                   account_name[NGX_HTTP_AI_EVENTS_WORD];
    u_char                   model[NGX_HTTP_AI_EVENTS_WORD];
    u_char                   detail[NGX_HTTP_AI_EVENTS_WORD];
} ngx_http_ai_events_one_t;


/* in the zone; guarded by its lock */

typedef struct {
    uint64_t                 n;        /* written since the zone was made */
    ngx_http_ai_events_one_t      ring[NGX_HTTP_AI_EVENTS];
} ngx_http_ai_events_t;


/* what an event is about; all but "what" may be NULL or 0 */

typedef struct {
    ngx_http_ai_events_e            what;
    const ngx_http_ai_account_t   *account;
    const ngx_str_t               *model;
    ngx_uint_t                     family;
    ngx_uint_t                     stream;     /* unsigned  stream:1 */
    const ngx_str_t               *detail;
} ngx_http_ai_events_about_t;


void ngx_http_ai_events_add_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_events_about_t *about);
void ngx_http_ai_events_add(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_events_about_t *about);

/*
 * 1: the same of the same account, whatever its model, is still held, and not
 * older than so many ms.
 */
ngx_uint_t ngx_http_ai_events_told_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_events_about_t *about, int64_t ms);

/*
 * Copies the event before number *n, which becomes its own; UINT64_MAX: the
 * newest.  NGX_DECLINED: there is none, or it is overwritten.  Takes the lock.
 */
ngx_int_t ngx_http_ai_events_back(ngx_http_ai_zone_t *zone, uint64_t *n,
    ngx_http_ai_events_one_t *event);

/* never NULL */
const ngx_str_t *ngx_http_ai_events_name(ngx_uint_t what);


#endif /* _NGX_HTTP_AI_EVENTS_H_INCLUDED_ */
