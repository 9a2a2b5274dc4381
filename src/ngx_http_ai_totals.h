
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Totals: what has ended since the zone was made, counted by account, model,
 * team, key and so on, and the last hour in steps, for operators.
 *
 * Every request is counted once, when it is logged, with one hold of the
 * zone's lock.  The counters are nodes of the zone, but not in its queue of
 * what may be evicted: they have a share of the room, and who finds no place
 * in it is counted as one of the others of its kind.  Keys make place, the
 * longest unused first.
 *
 * Who reads takes the lock for a few nodes at a time; none of these yields.
 */


#ifndef _NGX_HTTP_AI_TOTALS_H_INCLUDED_
#define _NGX_HTTP_AI_TOTALS_H_INCLUDED_


#include "ngx_http_ai_conf.h"
#include "ngx_http_ai_writer.h"
#include "pure/ngx_http_ai_tally.h"


#define NGX_HTTP_AI_TOTALS_NAME     256    /* bytes; longer ones are cut */
#define NGX_HTTP_AI_TOTALS_STEP_MS  10000
#define NGX_HTTP_AI_TOTALS_STEPS    360
#define NGX_HTTP_AI_TOTALS_FEW      36     /* ... in a zone below 1 MB */


typedef enum {
    NGX_HTTP_AI_TOTALS_ALL = 0,        /* requests; it has no name */
    NGX_HTTP_AI_TOTALS_ACCOUNT,        /* attempts */
    NGX_HTTP_AI_TOTALS_MODEL,          /* attempts, as sent upstream */
    NGX_HTTP_AI_TOTALS_TARGET,         /* attempts, by account and model */
    NGX_HTTP_AI_TOTALS_TEAM,           /* requests */
    NGX_HTTP_AI_TOTALS_KEY,            /* requests, by key_id */
    NGX_HTTP_AI_TOTALS_CLASS,          /* requests */
    NGX_HTTP_AI_TOTALS_ROUTE,          /* requests */
    NGX_HTTP_AI_TOTALS_ROUTE_CLASS,    /* requests, by both */
    NGX_HTTP_AI_TOTALS_KINDS
} ngx_http_ai_totals_kind_e;


/* in the zone; guarded by its lock */

typedef struct {
    ngx_msec_t                  since;     /* nothing was counted, ... */
    int64_t                     since_ms;  /* ... and the Unix time of that; an
                                              other size of the zone is no new
                                              begin */
    ngx_http_ai_tally_t         all;
    ngx_http_ai_tally_hist_t    overhead;  /* of requests, microseconds */

    ngx_queue_t                 nodes[NGX_HTTP_AI_TOTALS_KINDS];
                                           /* by their link "lru"; of keys the
                                              one used last at the head */
    ngx_uint_t                  n[NGX_HTTP_AI_TOTALS_KINDS];
    size_t                      bytes;     /* of all nodes ... */
    size_t                      keys;      /* ... those of keys among them */
    size_t                      share;     /* that they may have */
    ngx_http_ai_tally_target_t  others[NGX_HTTP_AI_TOTALS_KINDS];

    ngx_http_ai_tally_step_t   *steps;
    ngx_uint_t                  nsteps;
} ngx_http_ai_totals_t;


/* a copy; the names are in it */

typedef struct {
    ngx_str_t                   names[2];  /* the second one of TARGET and
                                              ROUTE_CLASS only */
    ngx_uint_t                  others;    /* unsigned  others:1; all that have
                                              no place of their own, and no
                                              names */
    int64_t                     last_ms;   /* Unix time it ended last */
    ngx_http_ai_tally_target_t  tally;     /* of all kinds but TARGET "sum"
                                              only */
    u_char                      text[2 * NGX_HTTP_AI_TOTALS_NAME];
} ngx_http_ai_totals_view_t;


typedef void (*ngx_http_ai_totals_each_pt)(
    const ngx_http_ai_totals_view_t *view, void *data);


/* how much counters of its own are worth, for what has none yet */

typedef enum {
    NGX_HTTP_AI_TOTALS_UNKNOWN = 0,    /* it counts for the others */
    NGX_HTTP_AI_TOTALS_FORGOTTEN,      /* a key, until they are used up */
    NGX_HTTP_AI_TOTALS_SEEN,           /* it exists */
    NGX_HTTP_AI_TOTALS_CONFIGURED
} ngx_http_ai_totals_worth_e;


/* what one sample counts for, besides ALL */

typedef struct {
    ngx_http_ai_totals_kind_e          kind;
    ngx_http_ai_totals_worth_e         worth;
    ngx_str_t                          names[2];
    uint64_t                           hash;
    const ngx_http_ai_tally_sample_t  *sample;
    ngx_uint_t                         foreign;    /* unsigned  foreign:1; not
                                                      an account of ours */
} ngx_http_ai_totals_ref_t;


/* of a fresh zone of so many bytes, before it has nodes; NGX_OK or NGX_ERROR */
ngx_int_t ngx_http_ai_totals_layout(ngx_http_ai_zone_t *zone, size_t size);

/* from the zone of another size, whose lock is held; returns how many moved */
ngx_uint_t ngx_http_ai_totals_move_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_zone_t *other);

/*
 * One request with all that it counts for; an overhead of -1 is none.  The
 * samples of ALL and of its history are the first argument.
 */
void ngx_http_ai_totals_add(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_tally_sample_t *sample, int64_t overhead_us,
    const ngx_http_ai_totals_ref_t *refs, ngx_uint_t n);

/*
 * A request has ended, and this is its record: counts it and its attempts.
 * Once for each.  (ngx_http_ai_totals_record.c)
 */
void ngx_http_ai_totals_request(ngx_http_ai_ctx_t *ctx,
    const ngx_http_ai_record_t *rec);

/*
 * The same by the record alone: of a request that was not routed here, or was
 * lost with its worker.  What was the one attempt is as the request.
 */
void ngx_http_ai_totals_record(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_record_t *rec);


/*
 * What the gateway itself adds: from the complete request to its being sent,
 * and from one attempt's failure to the next one's being sent; not while it
 * waits on purpose.  Each reads the clock once; one that is busy already
 * stays so, one that is not has nothing to end.
 */
void ngx_http_ai_totals_busy(ngx_http_ai_ctx_t *ctx);
void ngx_http_ai_totals_waits(ngx_http_ai_ctx_t *ctx);


/*
 * Under the zone's lock no memory is had from the pool: the functions below
 * take the lock themselves.
 */

/* an object of docs/status.md, "Totals"; zeros for what was never counted */
void ngx_http_ai_totals_write(ngx_http_ai_zone_t *zone,
    ngx_http_ai_writer_t *w, const char *name,
    ngx_http_ai_totals_kind_e kind, const ngx_str_t *object);

/* a list of {"name":…,"totals":{…}}, in the order of their making */
void ngx_http_ai_totals_list(ngx_http_ai_zone_t *zone,
    ngx_http_ai_writer_t *w, const char *name,
    ngx_http_ai_totals_kind_e kind);

/* the object of a copy; takes no lock */
void ngx_http_ai_totals_write_tally(ngx_http_ai_writer_t *w,
    const char *name, const ngx_http_ai_tally_t *t);

/* shows all of a kind but ALL, the others last if there are any */
void ngx_http_ai_totals_each(ngx_http_ai_zone_t *zone,
    ngx_http_ai_totals_kind_e kind, ngx_http_ai_totals_each_pt each,
    void *data);

/*
 * The same of keys: the most used last, the newest first.  What a key is
 * besides its id is in the set of keys.
 */
#define NGX_HTTP_AI_TOTALS_KEYS  100

void ngx_http_ai_totals_keys(ngx_http_ai_zone_t *zone, ngx_uint_t most,
    ngx_http_ai_totals_each_pt each, void *data);

/* zeros where nothing was counted; of a kind with one name, not ALL */
void ngx_http_ai_totals_get(ngx_http_ai_zone_t *zone,
    ngx_http_ai_totals_kind_e kind, const ngx_str_t *object,
    ngx_http_ai_tally_t *tally);

/* of all requests */
void ngx_http_ai_totals_all(ngx_http_ai_zone_t *zone,
    ngx_http_ai_tally_t *all, ngx_http_ai_tally_hist_t *overhead);

/* copies step i of zone->sh->totals.nsteps */
void ngx_http_ai_totals_step(ngx_http_ai_zone_t *zone, ngx_uint_t i,
    ngx_http_ai_tally_step_t *step);


#endif /* _NGX_HTTP_AI_TOTALS_H_INCLUDED_ */
