
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Choosing among equals: balancers as functions of numbers.
 */


#ifndef _NGX_HTTP_AI_PICK_H_INCLUDED_
#define _NGX_HTTP_AI_PICK_H_INCLUDED_


#include "ngx_http_ai_base.h"


/*
 * Smooth weighted round robin over n <= 64 peers.  current[] is the
 * balancer's memory, zeroed at first.  Only peers whose bit is set in
 * "eligible" take part; it must not be 0.  Returns the chosen index.
 *
 * Among peers that stay eligible each gets its exact share in every
 * sum(weights) choices, and never in a burst.
 */
ngx_uint_t ngx_http_ai_pick_smooth(const ngx_uint_t *weights,
    int64_t *current, ngx_uint_t n, uint64_t eligible);


#define NGX_HTTP_AI_PICK_MAX_WEIGHT  10000
#define NGX_HTTP_AI_PICK_NO_PRICE    UINT64_MAX

/*
 * Affinity and order yield to health: for least_cost and hash a peer with a
 * percentage below this counts only if all have one.
 */
#define NGX_HTTP_AI_PICK_FAINT       10


/*
 * What the other balancers know of a peer.  Its effective weight is weight *
 * percent, each taken as 1 if it is 0; a weight above
 * NGX_HTTP_AI_PICK_MAX_WEIGHT is taken as that.
 */

typedef struct {
    uint32_t      weight;
    uint32_t      percent;       /* 1 .. 100: ramp, headroom */
    uint64_t      inflight;
    uint64_t      time_us;       /* ngx_http_ai_pick_ewma(); 0: unknown */
    uint64_t      price;         /* or NGX_HTTP_AI_PICK_NO_PRICE, dearest */
    uint64_t      hash;          /* of its name, not of its place */
} ngx_http_ai_pick_peer_t;


/*
 * All of them: n <= 64 peers, those of the bits in "eligible" take part, there
 * must be at least one.  random: any number; the caller brings a new one each
 * time (31 bits suffice).
 */


/*
 * ngx_http_ai_pick_smooth() by effective weights, which may change from one
 * choice to the next: what was gathered under other weights counts for one
 * round at most.  current[] is in its own scale, not to be shared with
 * ngx_http_ai_pick_smooth().
 */
ngx_uint_t ngx_http_ai_pick_weighted(const ngx_http_ai_pick_peer_t *peers,
    int64_t *current, ngx_uint_t n, uint64_t eligible);

/*
 * One by weight alone.  Who knows the percentages only of those that are drawn
 * takes one with the probability of its percentage, else draws again: that
 * gives each its share by effective weight.
 */
ngx_uint_t ngx_http_ai_pick_any(const ngx_uint_t *weights, ngx_uint_t n,
    uint64_t eligible, uint64_t random);

/*
 * Fewest requests in flight per weight, of two that are drawn by effective
 * weight: all workers choosing the very best at once would make it the worst.
 * Of two peers it is the better one, exactly.  A low percentage counts like
 * requests in flight, so that an idle peer is not fully loaded for being idle.
 */
ngx_uint_t ngx_http_ai_pick_least_busy(const ngx_http_ai_pick_peer_t *peers,
    ngx_uint_t n, uint64_t eligible, uint64_t random);

/*
 * The same with time * (inflight + 1) per effective weight.  A peer whose
 * time is unknown is taken to be as quick as the quickest.
 */
ngx_uint_t ngx_http_ai_pick_least_time(const ngx_http_ai_pick_peer_t *peers,
    ngx_uint_t n, uint64_t eligible, uint64_t random);

/* the lowest price; among those, weighted, with its current[] */
ngx_uint_t ngx_http_ai_pick_least_cost(const ngx_http_ai_pick_peer_t *peers,
    int64_t *current, ngx_uint_t n, uint64_t eligible);

/*
 * Rendezvous: each peer draws a number from (key, its hash), the best by
 * weight wins.  A peer that comes or goes moves only its own keys.  One whose
 * inflight would be over 5/4 of its share by effective weight is passed over
 * for the next in the key's own order; somebody always has room.
 */
ngx_uint_t ngx_http_ai_pick_hash(const ngx_http_ai_pick_peer_t *peers,
    ngx_uint_t n, uint64_t eligible, uint64_t key);


/*
 * The same without a draw, for who asks what would happen: the best of all
 * the eligible, of equals the first.
 */
ngx_uint_t ngx_http_ai_pick_idlest(const ngx_http_ai_pick_peer_t *peers,
    ngx_uint_t n, uint64_t eligible);
ngx_uint_t ngx_http_ai_pick_quickest(const ngx_http_ai_pick_peer_t *peers,
    ngx_uint_t n, uint64_t eligible);

/* those among which least_cost has no preference */
uint64_t ngx_http_ai_pick_cheapest(const ngx_http_ai_pick_peer_t *peers,
    ngx_uint_t n, uint64_t eligible);

/*
 * What they compare, in thousandths; the lowest wins.  busy: requests in
 * flight per weight; delay: milliseconds per weight; draw: no unit.
 */
int64_t ngx_http_ai_pick_score_busy(const ngx_http_ai_pick_peer_t *peer);
int64_t ngx_http_ai_pick_score_delay(const ngx_http_ai_pick_peer_t *peers,
    ngx_uint_t n, uint64_t eligible, ngx_uint_t i);
int64_t ngx_http_ai_pick_score_draw(const ngx_http_ai_pick_peer_t *peer,
    uint64_t key);

/* tenths of a percent of the requests, by effective weight */
ngx_uint_t ngx_http_ai_pick_share(const ngx_http_ai_pick_peer_t *peers,
    ngx_uint_t n, uint64_t eligible, ngx_uint_t i);


/*
 * Peak EWMA: jumps up to a slower sample at once, comes down by half the
 * difference in half_ms.  Plain data; all zero: no sample.
 */

typedef struct {
    uint64_t      value_us;
    ngx_msec_t    last;
} ngx_http_ai_pick_ewma_t;


void ngx_http_ai_pick_ewma_add(ngx_http_ai_pick_ewma_t *e, uint64_t sample_us,
    ngx_msec_t now, uint64_t half_ms);

/*
 * The value now: it fades without samples, too, so that a peer which was slow
 * and is avoided therefore is asked again some day.  With requests in flight
 * it fades (inflight + 1) times slower, and never below 1/256: one or two go
 * and see, the rest wait for what they find.  0 only if there was no sample.
 */
uint64_t ngx_http_ai_pick_ewma(const ngx_http_ai_pick_ewma_t *e,
    uint64_t inflight, ngx_msec_t now, uint64_t half_ms);


#endif /* _NGX_HTTP_AI_PICK_H_INCLUDED_ */
