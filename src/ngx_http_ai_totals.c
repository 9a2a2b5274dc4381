
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* the counters' places in the zone */


#include "ngx_http_ai_zone.h"
#include "pure/ngx_http_ai_json.h"


#define NGX_HTTP_AI_TOTALS_SHARE  25       /* percent of the zone's room */
#define NGX_HTTP_AI_TOTALS_LARGE  (1024 * 1024)
#define NGX_HTTP_AI_TOTALS_USED   1000     /* ms; a key used since then keeps
                                              its place in the queue */
#define NGX_HTTP_AI_TOTALS_BATCH  8        /* views copied at a time */
#define NGX_HTTP_AI_TOTALS_WALK   16       /* nodes looked at for them */


/* followed by a tally, that of a target with all of it, and the names */

typedef struct {
    ngx_http_ai_node_t          node;
    ngx_msec_t                  last;      /* one ended */
    uint16_t                    kind;      /* ngx_http_ai_totals_kind_e */
    uint16_t                    lens[2];
} ngx_http_ai_totals_node_t;

#define ngx_http_ai_totals_tally(tn)                                          \
    ((ngx_http_ai_tally_t *) ((u_char *) (tn)                                 \
                              + sizeof(ngx_http_ai_totals_node_t)))


typedef struct {
    ngx_uint_t                  most;      /* how many there may be */
    size_t                      size;      /* of the tally */
    ngx_http_ai_node_e          node;
    ngx_http_ai_totals_worth_e  moved;     /* worth of one in another zone */
} ngx_http_ai_totals_rule_t;


typedef struct {
    ngx_http_ai_totals_kind_e   kind;
    ngx_uint_t                  n;
    ngx_http_ai_totals_view_t   views[NGX_HTTP_AI_TOTALS_WALK];
} ngx_http_ai_totals_batch_t;


static void ngx_http_ai_totals_count_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_totals_ref_t *ref);
static ngx_uint_t ngx_http_ai_totals_named(const u_char *p, size_t len,
    const ngx_str_t *name);
static ngx_http_ai_totals_node_t *ngx_http_ai_totals_account_locked(
    ngx_http_ai_zone_t *zone, const ngx_http_ai_totals_ref_t *ref);
static ngx_http_ai_totals_node_t *ngx_http_ai_totals_find_locked(
    ngx_http_ai_zone_t *zone, const ngx_http_ai_totals_ref_t *ref);
static ngx_http_ai_totals_node_t *ngx_http_ai_totals_make_locked(
    ngx_http_ai_zone_t *zone, const ngx_http_ai_totals_ref_t *ref);
static ngx_int_t ngx_http_ai_totals_room_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_totals_ref_t *ref, size_t bytes);
static ngx_int_t ngx_http_ai_totals_forget_locked(ngx_http_ai_zone_t *zone);
static void ngx_http_ai_totals_ref(const ngx_http_ai_totals_node_t *tn,
    ngx_http_ai_totals_ref_t *ref);
static void ngx_http_ai_totals_visit(ngx_http_ai_zone_t *zone,
    ngx_http_ai_node_t *node, void *data);
static void ngx_http_ai_totals_copy(const ngx_http_ai_totals_node_t *tn,
    ngx_http_ai_totals_view_t *view);


/* by ngx_http_ai_totals_kind_e */

static const ngx_http_ai_totals_rule_t
    ngx_http_ai_totals_rules[NGX_HTTP_AI_TOTALS_KINDS] =
{
    { 0, sizeof(ngx_http_ai_tally_t), NGX_HTTP_AI_NODE_TOTALS,
      NGX_HTTP_AI_TOTALS_UNKNOWN },
    { 4096, sizeof(ngx_http_ai_tally_t), NGX_HTTP_AI_NODE_TOTALS,
      NGX_HTTP_AI_TOTALS_CONFIGURED },
    { 512, sizeof(ngx_http_ai_tally_t), NGX_HTTP_AI_NODE_TOTALS,
      NGX_HTTP_AI_TOTALS_SEEN },
    { 512, sizeof(ngx_http_ai_tally_target_t), NGX_HTTP_AI_NODE_TOTALS,
      NGX_HTTP_AI_TOTALS_SEEN },
    { 512, sizeof(ngx_http_ai_tally_t), NGX_HTTP_AI_NODE_TOTALS,
      NGX_HTTP_AI_TOTALS_CONFIGURED },
    { 2000, sizeof(ngx_http_ai_tally_t), NGX_HTTP_AI_NODE_TOTALS_KEY,
      NGX_HTTP_AI_TOTALS_FORGOTTEN },
    { 4096, sizeof(ngx_http_ai_tally_t), NGX_HTTP_AI_NODE_TOTALS,
      NGX_HTTP_AI_TOTALS_CONFIGURED },
    { 4096, sizeof(ngx_http_ai_tally_t), NGX_HTTP_AI_NODE_TOTALS,
      NGX_HTTP_AI_TOTALS_CONFIGURED },
    { 512, sizeof(ngx_http_ai_tally_t), NGX_HTTP_AI_NODE_TOTALS,
      NGX_HTTP_AI_TOTALS_CONFIGURED }
};


/*
 * Percent of the share that all of a worth may have at most, keys beside the
 * others: what only exists leaves a quarter of it to keys.
 */

static const ngx_uint_t  ngx_http_ai_totals_percents[] = { 0, 50, 75, 100 };


ngx_int_t
ngx_http_ai_totals_layout(ngx_http_ai_zone_t *zone, size_t size)
{
    ngx_uint_t             i;
    ngx_http_ai_totals_t  *t;

    t = &zone->sh->totals;

    t->since = ngx_current_msec;
    t->since_ms = ngx_http_ai_zone_time(ngx_max(t->since, 1));

    for (i = 0; i < NGX_HTTP_AI_TOTALS_KINDS; i++) {
        ngx_queue_init(&t->nodes[i]);
    }

    t->nsteps = size < NGX_HTTP_AI_TOTALS_LARGE ? NGX_HTTP_AI_TOTALS_FEW
                                                : NGX_HTTP_AI_TOTALS_STEPS;
    t->steps = ngx_slab_calloc(zone->shpool,
                               t->nsteps * sizeof(ngx_http_ai_tally_step_t));
    if (t->steps == NULL) {
        return NGX_ERROR;
    }

    t->share = zone->shpool->pfree * ngx_pagesize / 100
               * NGX_HTTP_AI_TOTALS_SHARE;

    return NGX_OK;
}


void
ngx_http_ai_totals_add(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_tally_sample_t *sample, int64_t overhead_us,
    const ngx_http_ai_totals_ref_t *refs, ngx_uint_t n)
{
    int64_t                number;
    ngx_uint_t             i;
    ngx_http_ai_totals_t  *t;

    t = &zone->sh->totals;
    number = (int64_t) ngx_time() * 1000 / NGX_HTTP_AI_TOTALS_STEP_MS;

    ngx_http_ai_zone_lock(zone);

    ngx_http_ai_tally_add(&t->all, sample);
    ngx_http_ai_tally_add_step(t->steps, t->nsteps, number, sample);

    if (overhead_us >= 0) {
        ngx_http_ai_tally_count(&t->overhead, NGX_HTTP_AI_TALLY_OVERHEAD,
                                overhead_us);
    }

    for (i = 0; i < n; i++) {
        ngx_http_ai_totals_count_locked(zone, &refs[i]);
    }

    ngx_http_ai_zone_unlock(zone);
}


static void
ngx_http_ai_totals_count_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_totals_ref_t *ref)
{
    ngx_http_ai_tally_t        *tally;
    ngx_http_ai_totals_node_t  *tn;

    tally = &zone->sh->totals.others[ref->kind].sum;
    tn = ngx_http_ai_totals_find_locked(zone, ref);

    if (tn == NULL && ref->worth) {
        tn = ngx_http_ai_totals_make_locked(zone, ref);
    }

    if (tn == NULL && ref->kind == NGX_HTTP_AI_TOTALS_TARGET
        && !ref->foreign)
    {
        tn = ngx_http_ai_totals_account_locked(zone, ref);
    }

    if (tn) {
        tn->last = ngx_current_msec;
        tally = ngx_http_ai_totals_tally(tn);
    }

    if (ref->kind == NGX_HTTP_AI_TOTALS_TARGET) {
        ngx_http_ai_tally_add_target((ngx_http_ai_tally_target_t *) tally,
                                     ref->sample);
        return;
    }

    ngx_http_ai_tally_add(tally, ref->sample);
}


/* of a model without a place of its own it is still known who has failed */

static ngx_http_ai_totals_node_t *
ngx_http_ai_totals_account_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_totals_ref_t *ref)
{
    ngx_http_ai_totals_ref_t    account;
    ngx_http_ai_totals_node_t  *tn;

    account = *ref;
    account.worth = NGX_HTTP_AI_TOTALS_CONFIGURED;
    ngx_str_set(&account.names[1], "");
    account.hash = ngx_http_ai_tally_hash(account.kind, account.names);

    tn = ngx_http_ai_totals_find_locked(zone, &account);

    return tn ? tn : ngx_http_ai_totals_make_locked(zone, &account);
}


static ngx_uint_t
ngx_http_ai_totals_named(const u_char *p, size_t len, const ngx_str_t *name)
{
    return len == name->len
           && (len == 0 || ngx_memcmp(p, name->data, len) == 0);
}


static ngx_http_ai_totals_node_t *
ngx_http_ai_totals_find_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_totals_ref_t *ref)
{
    u_char                           *p;
    ngx_queue_t                      *q;
    ngx_http_ai_totals_node_t        *tn;
    const ngx_http_ai_totals_rule_t  *rule;

    rule = &ngx_http_ai_totals_rules[ref->kind];

    tn = (ngx_http_ai_totals_node_t *)
         ngx_http_ai_zone_lookup_locked(zone, rule->node, ref->hash);

    if (tn == NULL) {
        return NULL;
    }

    /* the name may be a client's, who may have looked for one that collides */

    p = (u_char *) ngx_http_ai_totals_tally(tn) + rule->size;

    if (tn->kind != ref->kind
        || !ngx_http_ai_totals_named(p, tn->lens[0], &ref->names[0])
        || !ngx_http_ai_totals_named(p + tn->lens[0], tn->lens[1],
                                     &ref->names[1]))
    {
        return NULL;
    }

    if (ref->kind == NGX_HTTP_AI_TOTALS_KEY
        && ngx_current_msec - tn->node.used >= NGX_HTTP_AI_TOTALS_USED)
    {
        q = &tn->node.lru;

        tn->node.used = ngx_current_msec;
        ngx_queue_remove(q);
        ngx_queue_insert_head(&zone->sh->totals.nodes[ref->kind], q);
    }

    return tn;
}


static ngx_http_ai_totals_node_t *
ngx_http_ai_totals_make_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_totals_ref_t *ref)
{
    u_char                           *p;
    size_t                            size, bytes;
    ngx_http_ai_totals_t             *t;
    ngx_http_ai_totals_node_t        *tn;
    const ngx_http_ai_totals_rule_t  *rule;

    t = &zone->sh->totals;
    rule = &ngx_http_ai_totals_rules[ref->kind];

    size = sizeof(ngx_http_ai_totals_node_t) + rule->size
           + ref->names[0].len + ref->names[1].len;
    bytes = ngx_http_ai_zone_bytes(size);

    /* in labels of metrics two names that are no UTF-8 may look the same */

    if (!ngx_http_ai_json_wellformed(ref->names[0].data, ref->names[0].len)
        || !ngx_http_ai_json_wellformed(ref->names[1].data, ref->names[1].len)
        || ngx_http_ai_zone_lookup_locked(zone, rule->node, ref->hash)
        || ngx_http_ai_totals_room_locked(zone, ref, bytes) != NGX_OK)
    {
        return NULL;
    }

    tn = (ngx_http_ai_totals_node_t *)
         ngx_http_ai_zone_make_locked(zone, rule->node, ref->hash, size);

    if (tn == NULL) {
        return NULL;
    }

    /* out of the queue of what may be evicted, into our own */

    ngx_queue_remove(&tn->node.lru);
    ngx_queue_insert_head(&t->nodes[ref->kind], &tn->node.lru);

    t->bytes += bytes;
    t->keys += (ref->kind == NGX_HTTP_AI_TOTALS_KEY) ? bytes : 0;
    t->n[ref->kind]++;

    tn->kind = ref->kind;
    tn->lens[0] = ref->names[0].len;
    tn->lens[1] = ref->names[1].len;

    p = (u_char *) ngx_http_ai_totals_tally(tn) + rule->size;
    p = ngx_cpymem(p, ref->names[0].data, ref->names[0].len);
    ngx_memcpy(p, ref->names[1].data, ref->names[1].len);

    return tn;
}


/* NGX_OK: there is, or keys have made it; else the others get it */

static ngx_int_t
ngx_http_ai_totals_room_locked(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_totals_ref_t *ref, size_t bytes)
{
    size_t                 most;
    ngx_uint_t             key;
    ngx_http_ai_totals_t  *t;

    t = &zone->sh->totals;
    key = (ref->kind == NGX_HTTP_AI_TOTALS_KEY);
    most = t->share / 100 * ngx_http_ai_totals_percents[ref->worth];

    if (!key
        && (t->n[ref->kind] >= ngx_http_ai_totals_rules[ref->kind].most
            || t->bytes - t->keys + bytes > most))
    {
        return NGX_DECLINED;
    }

    while (t->bytes + bytes > t->share
           || (key
               && (t->n[ref->kind] >= ngx_http_ai_totals_rules[ref->kind].most
                   || t->keys + bytes > most)))
    {
        if (ngx_http_ai_totals_forget_locked(zone) != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


/* the key longest unused */

static ngx_int_t
ngx_http_ai_totals_forget_locked(ngx_http_ai_zone_t *zone)
{
    size_t                 bytes;
    ngx_queue_t           *q;
    ngx_http_ai_node_t    *node;
    ngx_http_ai_totals_t  *t;

    t = &zone->sh->totals;

    if (ngx_queue_empty(&t->nodes[NGX_HTTP_AI_TOTALS_KEY])) {
        return NGX_DECLINED;
    }

    q = ngx_queue_last(&t->nodes[NGX_HTTP_AI_TOTALS_KEY]);
    node = ngx_queue_data(q, ngx_http_ai_node_t, lru);

    bytes = ngx_http_ai_zone_bytes(node->size);

    t->bytes -= bytes;
    t->keys -= bytes;
    t->n[NGX_HTTP_AI_TOTALS_KEY]--;

    ngx_http_ai_zone_drop_locked(zone, node);

    return NGX_OK;
}


/*
 * The most important first, and of a kind the eldest: if the new zone is
 * smaller, not all of them fit.
 */

ngx_uint_t
ngx_http_ai_totals_move_locked(ngx_http_ai_zone_t *zone,
    ngx_http_ai_zone_t *other)
{
    ngx_uint_t                  i, k, n;
    ngx_queue_t                *q;
    ngx_http_ai_totals_t       *from, *to;
    ngx_http_ai_totals_ref_t    ref;
    ngx_http_ai_tally_step_t   *step;
    ngx_http_ai_totals_node_t  *tn, *copy;

    static const ngx_http_ai_totals_kind_e  order[] = {
        NGX_HTTP_AI_TOTALS_ACCOUNT,
        NGX_HTTP_AI_TOTALS_CLASS,
        NGX_HTTP_AI_TOTALS_ROUTE,
        NGX_HTTP_AI_TOTALS_TARGET,
        NGX_HTTP_AI_TOTALS_MODEL,
        NGX_HTTP_AI_TOTALS_TEAM,
        NGX_HTTP_AI_TOTALS_ROUTE_CLASS,
        NGX_HTTP_AI_TOTALS_KEY
    };

    n = 0;
    from = &other->sh->totals;
    to = &zone->sh->totals;

    to->since = from->since;
    to->since_ms = from->since_ms;
    to->all = from->all;
    to->overhead = from->overhead;
    ngx_memcpy(to->others, from->others, sizeof(to->others));

    for (i = 0; i < from->nsteps; i++) {
        step = &from->steps[i];

        if (step->number > to->steps[step->number % to->nsteps].number) {
            to->steps[step->number % to->nsteps] = *step;
        }
    }

    for (k = 0; k < sizeof(order) / sizeof(order[0]); k++) {

        /* keys make place for keys: the one used last comes last */

        for (q = ngx_queue_last(&from->nodes[order[k]]);
             q != ngx_queue_sentinel(&from->nodes[order[k]]);
             q = ngx_queue_prev(q))
        {
            tn = ngx_queue_data(q, ngx_http_ai_totals_node_t, node.lru);

            ngx_http_ai_totals_ref(tn, &ref);
            copy = ngx_http_ai_totals_make_locked(zone, &ref);

            if (copy) {
                n++;
                copy->last = tn->last;
                ngx_memcpy(ngx_http_ai_totals_tally(copy),
                           ngx_http_ai_totals_tally(tn),
                           ngx_http_ai_totals_rules[order[k]].size);
            }
        }
    }

    return n;
}


/* a node as who counts has it; of models nobody knows more than that */

static void
ngx_http_ai_totals_ref(const ngx_http_ai_totals_node_t *tn,
    ngx_http_ai_totals_ref_t *ref)
{
    ngx_memzero(ref, sizeof(ngx_http_ai_totals_ref_t));

    ref->kind = tn->kind;
    ref->worth = ngx_http_ai_totals_rules[tn->kind].moved;
    ref->hash = tn->node.key;
    ref->names[0].len = tn->lens[0];
    ref->names[0].data = (u_char *) ngx_http_ai_totals_tally(tn)
                         + ngx_http_ai_totals_rules[tn->kind].size;
    ref->names[1].len = tn->lens[1];
    ref->names[1].data = ref->names[0].data + tn->lens[0];
}


void
ngx_http_ai_totals_all(ngx_http_ai_zone_t *zone, ngx_http_ai_tally_t *all,
    ngx_http_ai_tally_hist_t *overhead)
{
    ngx_http_ai_zone_lock(zone);

    *all = zone->sh->totals.all;
    *overhead = zone->sh->totals.overhead;

    ngx_http_ai_zone_unlock(zone);
}


void
ngx_http_ai_totals_step(ngx_http_ai_zone_t *zone, ngx_uint_t i,
    ngx_http_ai_tally_step_t *step)
{
    ngx_http_ai_zone_lock(zone);
    *step = zone->sh->totals.steps[i];
    ngx_http_ai_zone_unlock(zone);
}


void
ngx_http_ai_totals_get(ngx_http_ai_zone_t *zone,
    ngx_http_ai_totals_kind_e kind, const ngx_str_t *object,
    ngx_http_ai_tally_t *tally)
{
    ngx_http_ai_totals_ref_t    ref;
    ngx_http_ai_totals_node_t  *tn;

    ngx_memzero(tally, sizeof(ngx_http_ai_tally_t));
    ngx_memzero(&ref, sizeof(ngx_http_ai_totals_ref_t));

    ref.kind = kind;
    ref.names[0] = *object;
    ref.names[0].len = ngx_min(object->len, NGX_HTTP_AI_TOTALS_NAME);
    ref.hash = ngx_http_ai_tally_hash(kind, ref.names);

    ngx_http_ai_zone_lock(zone);

    tn = ngx_http_ai_totals_find_locked(zone, &ref);

    if (tn) {
        *tally = *ngx_http_ai_totals_tally(tn);
    }

    ngx_http_ai_zone_unlock(zone);
}


void
ngx_http_ai_totals_each(ngx_http_ai_zone_t *zone,
    ngx_http_ai_totals_kind_e kind, ngx_http_ai_totals_each_pt each,
    void *data)
{
    ngx_int_t                    rc;
    ngx_uint_t                   i;
    ngx_http_ai_walk_t           walk;
    ngx_http_ai_totals_view_t   *others;
    ngx_http_ai_totals_batch_t   batch;

    batch.kind = kind;
    ngx_memzero(&walk, sizeof(ngx_http_ai_walk_t));

    do {
        batch.n = 0;

        rc = ngx_http_ai_zone_walk(zone, ngx_http_ai_totals_rules[kind].node,
                                   &walk, NGX_HTTP_AI_TOTALS_WALK,
                                   ngx_http_ai_totals_visit, &batch);

        for (i = 0; i < batch.n; i++) {
            each(&batch.views[i], data);
        }

    } while (rc == NGX_AGAIN);

    others = &batch.views[0];

    ngx_memzero(others, sizeof(ngx_http_ai_totals_view_t));
    others->others = 1;

    ngx_http_ai_zone_lock(zone);
    others->tally = zone->sh->totals.others[kind];
    ngx_http_ai_zone_unlock(zone);

    if (ngx_http_ai_tally_requests(&others->tally.sum)) {
        each(others, data);
    }
}


static void
ngx_http_ai_totals_visit(ngx_http_ai_zone_t *zone, ngx_http_ai_node_t *node,
    void *data)
{
    ngx_http_ai_totals_node_t   *tn = (ngx_http_ai_totals_node_t *) node;
    ngx_http_ai_totals_batch_t  *batch = data;

    if (tn->kind == batch->kind) {
        ngx_http_ai_totals_copy(tn, &batch->views[batch->n++]);
    }
}


static void
ngx_http_ai_totals_copy(const ngx_http_ai_totals_node_t *tn,
    ngx_http_ai_totals_view_t *view)
{
    size_t  size;

    size = ngx_http_ai_totals_rules[tn->kind].size;

    view->others = 0;
    view->last_ms = ngx_http_ai_zone_time(tn->last);

    ngx_memcpy(&view->tally, ngx_http_ai_totals_tally(tn), size);
    ngx_memcpy(view->text, (u_char *) ngx_http_ai_totals_tally(tn) + size,
               tn->lens[0] + tn->lens[1]);

    view->names[0].data = view->text;
    view->names[0].len = tn->lens[0];
    view->names[1].data = view->text + tn->lens[0];
    view->names[1].len = tn->lens[1];
}


/* first which there are, since their order changes when the lock is free */

void
ngx_http_ai_totals_keys(ngx_http_ai_zone_t *zone, ngx_uint_t most,
    ngx_http_ai_totals_each_pt each, void *data)
{
    uint64_t                     hashes[NGX_HTTP_AI_TOTALS_KEYS];
    ngx_uint_t                   i, k, n;
    ngx_queue_t                 *q, *keys;
    ngx_http_ai_node_t          *node;
    ngx_http_ai_totals_batch_t   batch;

    n = 0;
    most = ngx_min(most, NGX_HTTP_AI_TOTALS_KEYS);
    keys = &zone->sh->totals.nodes[NGX_HTTP_AI_TOTALS_KEY];

    ngx_http_ai_zone_lock(zone);

    for (q = ngx_queue_head(keys);
         n < most && q != ngx_queue_sentinel(keys);
         q = ngx_queue_next(q))
    {
        node = ngx_queue_data(q, ngx_http_ai_node_t, lru);
        hashes[n++] = node->key;
    }

    ngx_http_ai_zone_unlock(zone);

    batch.kind = NGX_HTTP_AI_TOTALS_KEY;

    for (i = 0; i < n; i += NGX_HTTP_AI_TOTALS_BATCH) {

        batch.n = 0;

        ngx_http_ai_zone_lock(zone);

        for (k = i; k < n && k < i + NGX_HTTP_AI_TOTALS_BATCH; k++) {

            node = ngx_http_ai_zone_lookup_locked(zone,
                                                  NGX_HTTP_AI_NODE_TOTALS_KEY,
                                                  hashes[k]);
            if (node) {
                ngx_http_ai_totals_visit(zone, node, &batch);
            }
        }

        ngx_http_ai_zone_unlock(zone);

        for (k = 0; k < batch.n; k++) {
            each(&batch.views[k], data);
        }
    }
}
