
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_pick.h"


#define NGX_HTTP_AI_PICK_SKEW_MS  60000
#define NGX_HTTP_AI_PICK_HALVES   8       /* 1/256 */


ngx_uint_t
ngx_http_ai_pick_smooth(const ngx_uint_t *weights, int64_t *current,
    ngx_uint_t n, uint64_t eligible)
{
    int64_t     total;
    ngx_uint_t  i, best;

    total = 0;
    best = n;

    for (i = 0; i < n; i++) {

        if (!(eligible & ((uint64_t) 1 << i))) {
            continue;
        }

        current[i] += (int64_t) weights[i];
        total += (int64_t) weights[i];

        if (best == n || current[i] > current[best]) {
            best = i;
        }
    }

    current[best] -= total;

    return best;
}


static uint64_t
ngx_http_ai_pick_weight(const ngx_http_ai_pick_peer_t *p)
{
    uint32_t  w;

    w = ngx_max(p->weight, 1);

    return ngx_min(w, NGX_HTTP_AI_PICK_MAX_WEIGHT);
}


static uint64_t
ngx_http_ai_pick_percent(const ngx_http_ai_pick_peer_t *p)
{
    uint32_t  percent;

    percent = ngx_max(p->percent, 1);

    return ngx_min(percent, 100);
}


static uint64_t
ngx_http_ai_pick_effective(const ngx_http_ai_pick_peer_t *p)
{
    return ngx_http_ai_pick_weight(p) * ngx_http_ai_pick_percent(p);
}


/* a finaliser of MurmurHash3: every bit of the sum depends on every bit */

static uint64_t
ngx_http_ai_pick_mix(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdull;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ull;
    x ^= x >> 33;

    return x;
}


/* the peers that are not faint, or all */

static uint64_t
ngx_http_ai_pick_sound(const ngx_http_ai_pick_peer_t *peers, ngx_uint_t n,
    uint64_t eligible)
{
    uint64_t    bit, sound;
    ngx_uint_t  i;

    sound = 0;

    for (i = 0, bit = 1; i < n; i++, bit <<= 1) {
        if ((eligible & bit) && peers[i].percent >= NGX_HTTP_AI_PICK_FAINT) {
            sound |= bit;
        }
    }

    return sound ? sound : eligible;
}


ngx_uint_t
ngx_http_ai_pick_weighted(const ngx_http_ai_pick_peer_t *peers,
    int64_t *current, ngx_uint_t n, uint64_t eligible)
{
    int64_t     total;
    uint64_t    bit;
    ngx_uint_t  i, best;

    total = 0;
    best = n;

    for (i = 0, bit = 1; i < n; i++, bit <<= 1) {
        if (eligible & bit) {
            total += (int64_t) ngx_http_ai_pick_effective(&peers[i]);
        }
    }

    for (i = 0, bit = 1; i < n; i++, bit <<= 1) {

        if (!(eligible & bit)) {
            continue;
        }

        /* with weights that stay nobody is ever further out than this */

        current[i] = ngx_min(ngx_max(current[i], -total), total);
        current[i] += (int64_t) ngx_http_ai_pick_effective(&peers[i]);

        if (best == n || current[i] > current[best]) {
            best = i;
        }
    }

    current[best] -= total;

    return best;
}


/* one of the eligible, by effective weight */

static ngx_uint_t
ngx_http_ai_pick_draw(const ngx_http_ai_pick_peer_t *peers, ngx_uint_t n,
    uint64_t eligible, uint64_t total, uint64_t random)
{
    uint64_t    bit, w;
    ngx_uint_t  i, last;

    if (total == 0) {
        return n;
    }

    random %= total;
    last = n;

    for (i = 0, bit = 1; i < n; i++, bit <<= 1) {

        if (!(eligible & bit)) {
            continue;
        }

        last = i;
        w = ngx_http_ai_pick_effective(&peers[i]);

        if (random < w) {
            break;
        }

        random -= w;
    }

    return last;
}


ngx_uint_t
ngx_http_ai_pick_any(const ngx_uint_t *weights, ngx_uint_t n,
    uint64_t eligible, uint64_t random)
{
    uint64_t    bit, total, w;
    ngx_uint_t  i, last;

    total = 0;
    last = n;

    for (i = 0, bit = 1; i < n; i++, bit <<= 1) {
        if (eligible & bit) {
            total += ngx_max(weights[i], 1);
        }
    }

    if (total == 0) {
        return n;
    }

    random = ngx_http_ai_pick_mix(random + 0x9e3779b97f4a7c15ull) % total;

    for (i = 0, bit = 1; i < n; i++, bit <<= 1) {

        if (!(eligible & bit)) {
            continue;
        }

        last = i;
        w = ngx_max(weights[i], 1);

        if (random < w) {
            break;
        }

        random -= w;
    }

    return last;
}


/*
 * Two different ones; the same one twice if there is no other.  Draws by
 * weight, not evenly: of many small peers and a large one the large one would
 * hardly ever be among the two.
 */

static void
ngx_http_ai_pick_two(const ngx_http_ai_pick_peer_t *peers, ngx_uint_t n,
    uint64_t eligible, uint64_t random, ngx_uint_t *two)
{
    uint64_t    bit, total;
    ngx_uint_t  i;

    total = 0;

    for (i = 0, bit = 1; i < n; i++, bit <<= 1) {
        if (eligible & bit) {
            total += ngx_http_ai_pick_effective(&peers[i]);
        }
    }

    random = ngx_http_ai_pick_mix(random + 0x9e3779b97f4a7c15ull);
    two[0] = ngx_http_ai_pick_draw(peers, n, eligible, total, random);
    two[1] = two[0];

    eligible &= ~((uint64_t) 1 << two[0]);

    if (eligible) {
        total -= ngx_http_ai_pick_effective(&peers[two[0]]);
        random = ngx_http_ai_pick_mix(random);
        two[1] = ngx_http_ai_pick_draw(peers, n, eligible, total, random);
    }
}


/*
 * inflight / weight, where a percentage p counts as (inflight + 1) * 100 / p
 * - 1 requests; times p, so that it stays whole.
 */

static uint64_t
ngx_http_ai_pick_busy(const ngx_http_ai_pick_peer_t *p)
{
    uint64_t  inflight;

    inflight = ngx_min(p->inflight, 1000000);

    return (inflight + 1) * 100 - ngx_http_ai_pick_percent(p);
}


/* 1: b is less busy than a */

static ngx_uint_t
ngx_http_ai_pick_idler(const ngx_http_ai_pick_peer_t *a,
    const ngx_http_ai_pick_peer_t *b)
{
    return ngx_http_ai_pick_busy(b) * ngx_http_ai_pick_effective(a)
           < ngx_http_ai_pick_busy(a) * ngx_http_ai_pick_effective(b);
}


ngx_uint_t
ngx_http_ai_pick_least_busy(const ngx_http_ai_pick_peer_t *peers,
    ngx_uint_t n, uint64_t eligible, uint64_t random)
{
    ngx_uint_t  two[2];

    ngx_http_ai_pick_two(peers, n, eligible, random, two);

    return two[ngx_http_ai_pick_idler(&peers[two[0]], &peers[two[1]])];
}


ngx_uint_t
ngx_http_ai_pick_idlest(const ngx_http_ai_pick_peer_t *peers, ngx_uint_t n,
    uint64_t eligible)
{
    uint64_t    bit;
    ngx_uint_t  i, best;

    best = n;

    for (i = 0, bit = 1; i < n; i++, bit <<= 1) {
        if ((eligible & bit)
            && (best == n || ngx_http_ai_pick_idler(&peers[best], &peers[i])))
        {
            best = i;
        }
    }

    return best;
}


/* stands for a time that is not known */

static uint64_t
ngx_http_ai_pick_time(const ngx_http_ai_pick_peer_t *peers, ngx_uint_t n,
    uint64_t eligible)
{
    uint64_t    bit, best;
    ngx_uint_t  i;

    best = UINT64_MAX;

    for (i = 0, bit = 1; i < n; i++, bit <<= 1) {
        if ((eligible & bit) && peers[i].time_us && peers[i].time_us < best) {
            best = peers[i].time_us;
        }
    }

    return (best == UINT64_MAX) ? 1000 : best;
}


/* kept below 2^43, so that it can be multiplied by an effective weight */

static uint64_t
ngx_http_ai_pick_delay(const ngx_http_ai_pick_peer_t *p, uint64_t quickest)
{
    uint64_t  time, inflight;

    time = p->time_us ? p->time_us : quickest;
    time = ngx_min(time, (uint64_t) 1 << 33);
    inflight = ngx_min(p->inflight, 1000000);

    time *= inflight + 1;

    return ngx_min(time, (uint64_t) 1 << 43);
}


/* 1: b is quicker than a */

static ngx_uint_t
ngx_http_ai_pick_quicker(const ngx_http_ai_pick_peer_t *a,
    const ngx_http_ai_pick_peer_t *b, uint64_t quickest)
{
    return ngx_http_ai_pick_delay(b, quickest) * ngx_http_ai_pick_effective(a)
           < ngx_http_ai_pick_delay(a, quickest)
             * ngx_http_ai_pick_effective(b);
}


ngx_uint_t
ngx_http_ai_pick_least_time(const ngx_http_ai_pick_peer_t *peers,
    ngx_uint_t n, uint64_t eligible, uint64_t random)
{
    uint64_t                        quickest;
    ngx_uint_t                      two[2];
    const ngx_http_ai_pick_peer_t  *a, *b;

    ngx_http_ai_pick_two(peers, n, eligible, random, two);

    a = &peers[two[0]];
    b = &peers[two[1]];

    quickest = 0;

    if (a->time_us == 0 || b->time_us == 0) {
        quickest = ngx_http_ai_pick_time(peers, n, eligible);
    }

    return two[ngx_http_ai_pick_quicker(a, b, quickest)];
}


ngx_uint_t
ngx_http_ai_pick_quickest(const ngx_http_ai_pick_peer_t *peers, ngx_uint_t n,
    uint64_t eligible)
{
    uint64_t    bit, time;
    ngx_uint_t  i, best;

    best = n;
    time = ngx_http_ai_pick_time(peers, n, eligible);

    for (i = 0, bit = 1; i < n; i++, bit <<= 1) {
        if ((eligible & bit)
            && (best == n || ngx_http_ai_pick_quicker(&peers[best], &peers[i],
                                                      time)))
        {
            best = i;
        }
    }

    return best;
}


uint64_t
ngx_http_ai_pick_cheapest(const ngx_http_ai_pick_peer_t *peers, ngx_uint_t n,
    uint64_t eligible)
{
    uint64_t    bit, best, cheap;
    ngx_uint_t  i;

    eligible = ngx_http_ai_pick_sound(peers, n, eligible);

    best = UINT64_MAX;
    cheap = 0;

    for (i = 0, bit = 1; i < n; i++, bit <<= 1) {

        if (!(eligible & bit) || peers[i].price > best) {
            continue;
        }

        if (peers[i].price < best) {
            best = peers[i].price;
            cheap = 0;
        }

        cheap |= bit;
    }

    return cheap;
}


ngx_uint_t
ngx_http_ai_pick_least_cost(const ngx_http_ai_pick_peer_t *peers,
    int64_t *current, ngx_uint_t n, uint64_t eligible)
{
    return ngx_http_ai_pick_weighted(peers, current, n,
                             ngx_http_ai_pick_cheapest(peers, n, eligible));
}


/*
 * -ln(u) for u = x / 2^64, in 1/2^32: an exponential number, of which the
 * smallest after division by weights falls to each peer by its weight.
 *
 * Powers of two are taken out; then -ln(1 - y) = 2 atanh(y / (2 - y)), whose
 * series has a relative error of 2e-5 where it is worst, at y = 1/2.  It is
 * the relative one that counts: the winner's number is a small one.
 */

static uint64_t
ngx_http_ai_pick_ln(uint64_t x)
{
    uint64_t  y, z, zz, sum, whole;

    whole = 0;
    x |= 1;

    while (!(x >> 63)) {
        x <<= 1;
        whole += 2977044472u;              /* ln 2 */
    }

    y = (~x) >> 32;
    z = (y << 32) / (((uint64_t) 1 << 33) - y);
    zz = (z * z) >> 32;

    sum = zz / 7 + 858993459u;             /* 1/5 */
    sum = ((sum * zz) >> 32) + 1431655765u;
    sum = ((sum * zz) >> 32) + ((uint64_t) 1 << 32);

    return whole + ((2 * z * sum) >> 32) + 1;
}


/*
 * Room for one more: inflight < 5/4 * (total + 1) * effective / sum.  The
 * right sides add up to more than the left ones, hence somebody has room.
 */

static uint64_t
ngx_http_ai_pick_roomy(const ngx_http_ai_pick_peer_t *peers, ngx_uint_t n,
    uint64_t eligible)
{
    uint64_t    bit, room, sum, total;
    ngx_uint_t  i;

    sum = 0;
    total = 1;

    for (i = 0, bit = 1; i < n; i++, bit <<= 1) {
        if (eligible & bit) {
            sum += ngx_http_ai_pick_effective(&peers[i]);
            total += ngx_min(peers[i].inflight, 1000000);
        }
    }

    room = 0;

    for (i = 0, bit = 1; i < n; i++, bit <<= 1) {
        if ((eligible & bit)
            && 4 * ngx_min(peers[i].inflight, 1000000) * sum
               < 5 * total * ngx_http_ai_pick_effective(&peers[i]))
        {
            room |= bit;
        }
    }

    return room;
}


ngx_uint_t
ngx_http_ai_pick_hash(const ngx_http_ai_pick_peer_t *peers, ngx_uint_t n,
    uint64_t eligible, uint64_t key)
{
    uint64_t    bit, ln, best_ln, w, best_w;
    ngx_uint_t  i, best;

    eligible = ngx_http_ai_pick_sound(peers, n, eligible);
    eligible = ngx_http_ai_pick_roomy(peers, n, eligible);

    best = n;
    best_ln = 0;
    best_w = 0;

    /* the weight alone: a percentage that moves must not move the keys */

    for (i = 0, bit = 1; i < n; i++, bit <<= 1) {

        if (!(eligible & bit)) {
            continue;
        }

        w = ngx_http_ai_pick_weight(&peers[i]);
        ln = ngx_http_ai_pick_mix(key ^ (peers[i].hash
                                         * 0x9e3779b97f4a7c15ull));

        /* -ln(u) is at least 1 - u, which most cannot win with */

        if (best != n && (~ln >> 32) * best_w >= best_ln * w) {
            continue;
        }

        ln = ngx_http_ai_pick_ln(ln);

        if (best == n || ln * best_w < best_ln * w) {
            best = i;
            best_ln = ln;
            best_w = w;
        }
    }

    return best;
}


int64_t
ngx_http_ai_pick_score_busy(const ngx_http_ai_pick_peer_t *peer)
{
    return (int64_t) (ngx_http_ai_pick_busy(peer) * 1000
                      / ngx_http_ai_pick_effective(peer));
}


int64_t
ngx_http_ai_pick_score_delay(const ngx_http_ai_pick_peer_t *peers,
    ngx_uint_t n, uint64_t eligible, ngx_uint_t i)
{
    uint64_t  delay;

    delay = ngx_http_ai_pick_delay(&peers[i],
                                   ngx_http_ai_pick_time(peers, n, eligible));

    /* in us, which are thousandths already; 100 percent count as 1 */

    return (int64_t) (delay * 100 / ngx_http_ai_pick_effective(&peers[i]));
}


int64_t
ngx_http_ai_pick_score_draw(const ngx_http_ai_pick_peer_t *peer, uint64_t key)
{
    uint64_t  ln;

    ln = ngx_http_ai_pick_ln(ngx_http_ai_pick_mix(key ^ (peer->hash
                                                  * 0x9e3779b97f4a7c15ull)));

    return (int64_t) ((ln * 1000 / ngx_http_ai_pick_weight(peer)) >> 32);
}


ngx_uint_t
ngx_http_ai_pick_share(const ngx_http_ai_pick_peer_t *peers, ngx_uint_t n,
    uint64_t eligible, ngx_uint_t i)
{
    uint64_t    bit, total;
    ngx_uint_t  p;

    total = 0;

    for (p = 0, bit = 1; p < n; p++, bit <<= 1) {
        if (eligible & bit) {
            total += ngx_http_ai_pick_effective(&peers[p]);
        }
    }

    if (total == 0) {
        return 0;
    }

    return (ngx_uint_t) ((ngx_http_ai_pick_effective(&peers[i]) * 1000
                          + total / 2) / total);
}


/*
 * v less what it loses in "elapsed": a half per half_ms, by a straight line in
 * between, which is as good as the curve and needs no table.
 */

static uint64_t
ngx_http_ai_pick_fade(uint64_t v, uint64_t elapsed, uint64_t half_ms)
{
    uint64_t  halves;

    half_ms = ngx_min(ngx_max(half_ms, 1), (uint64_t) 1 << 24);
    halves = elapsed / half_ms;

    if (halves > 40) {
        return 0;
    }

    v >>= halves;

    return v - v * (elapsed % half_ms) / (2 * half_ms);
}


void
ngx_http_ai_pick_ewma_add(ngx_http_ai_pick_ewma_t *e, uint64_t sample_us,
    ngx_msec_t now, uint64_t half_ms)
{
    ngx_msec_int_t  elapsed;

    elapsed = (ngx_msec_int_t) (now - e->last);
    sample_us = ngx_min(ngx_max(sample_us, 1), (uint64_t) 1 << 33);

    if (e->value_us > sample_us) {
        sample_us += ngx_http_ai_pick_fade(e->value_us - sample_us,
                                           (uint64_t) ngx_max(elapsed, 0),
                                           half_ms);
    }

    e->value_us = sample_us;
    e->last = now;
}


uint64_t
ngx_http_ai_pick_ewma(const ngx_http_ai_pick_ewma_t *e, uint64_t inflight,
    ngx_msec_t now, uint64_t half_ms)
{
    uint64_t        v, limit;
    ngx_msec_int_t  elapsed;

    if (e->value_us == 0) {
        return 0;
    }

    elapsed = (ngx_msec_int_t) (now - e->last);
    limit = NGX_HTTP_AI_PICK_HALVES * ngx_min(half_ms, (uint64_t) 1 << 24);

    /* a little behind: another worker's clock; far behind: it was set */

    if (elapsed < -NGX_HTTP_AI_PICK_SKEW_MS) {
        elapsed = (ngx_msec_int_t) limit;
    }

    v = ngx_min((uint64_t) ngx_max(elapsed, 0), limit);
    v = ngx_http_ai_pick_fade(e->value_us,
                              v / (ngx_min(inflight, 1000000) + 1), half_ms);

    return ngx_max(v, 1);
}
