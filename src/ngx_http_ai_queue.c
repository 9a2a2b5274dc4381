
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_queue.h"


/* ms between two looks for dead workers, which cost a system call a place */
#define NGX_HTTP_AI_QUEUE_SWEEP  20

#define NGX_HTTP_AI_QUEUE_SLICE  128     /* places looked at under one lock;
                                            divides their number */


static void ngx_http_ai_queue_sweep_locked(ngx_http_ai_zone_t *zone);
static uint32_t ngx_http_ai_queue_class(const ngx_http_ai_class_t *class);


ngx_int_t
ngx_http_ai_queue_enter(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_route_t *route, const ngx_http_ai_class_t *class,
    uint64_t targets, ngx_http_ai_ticket_t *ticket)
{
    uint32_t                hash;
    ngx_uint_t              i, free, same;
    ngx_http_ai_slot_t     *slot;
    ngx_http_ai_zone_sh_t  *sh;

    sh = zone->sh;
    hash = ngx_http_ai_queue_class(class);

    ngx_http_ai_zone_lock(zone);

    ngx_http_ai_queue_sweep_locked(zone);

    free = NGX_HTTP_AI_ZONE_SLOTS;
    same = 0;

    for (i = 0; i < NGX_HTTP_AI_ZONE_SLOTS; i++) {

        slot = &sh->slots[i];

        if (slot->pid == 0) {
            free = ngx_min(free, i);

        } else if (slot->class == hash) {
            same++;
        }
    }

    if (free == NGX_HTTP_AI_ZONE_SLOTS || same >= class->queue_max) {
        ngx_http_ai_zone_unlock(zone);
        return NGX_BUSY;
    }

    slot = &sh->slots[free];

    slot->pid = ngx_pid;
    slot->seq = ++sh->seq;
    slot->route = route->hash;
    slot->class = hash;
    slot->priority = class->priority;
    slot->yield = class->yield;
    slot->targets = targets;

    ticket->slot = free;
    ticket->seq = slot->seq;

    sh->parked++;

    ngx_http_ai_zone_unlock(zone);

    return NGX_OK;
}


uint64_t
ngx_http_ai_queue_ahead(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_route_t *route, const ngx_http_ai_class_t *class,
    uint64_t targets, const ngx_http_ai_ticket_t *ticket)
{
    uint64_t             ahead;
    ngx_uint_t           i, seq;
    ngx_http_ai_slot_t  *slot;

    if (zone->sh->parked == 0) {
        return 0;
    }

    ahead = 0;
    seq = ticket->seq;         /* 0: no place */

    ngx_http_ai_zone_lock(zone);

    ngx_http_ai_queue_sweep_locked(zone);

    for (i = 0; i < NGX_HTTP_AI_ZONE_SLOTS && ahead != targets; i++) {

        slot = &zone->sh->slots[i];

        if (slot->pid == 0 || slot->route != route->hash
            || slot->priority < class->priority
            || (slot->priority == class->priority && seq && slot->seq >= seq)
            || slot->yield > class->yield)
        {
            continue;
        }

        ahead |= slot->targets & targets;
    }

    ngx_http_ai_zone_unlock(zone);

    return ahead;
}


ngx_uint_t
ngx_http_ai_queue_parked(ngx_http_ai_zone_t *zone)
{
    ngx_pid_t   pids[NGX_HTTP_AI_QUEUE_SLICE], alive, gone;
    ngx_uint_t  i, first, n;

    if (zone->sh->parked == 0) {
        return 0;
    }

    n = 0;
    alive = ngx_pid;
    gone = 0;

    for (first = 0;
         first < NGX_HTTP_AI_ZONE_SLOTS;
         first += NGX_HTTP_AI_QUEUE_SLICE)
    {
        ngx_http_ai_zone_lock(zone);

        for (i = 0; i < NGX_HTTP_AI_QUEUE_SLICE; i++) {
            pids[i] = zone->sh->slots[first + i].pid;
        }

        ngx_http_ai_zone_unlock(zone);

        for (i = 0; i < NGX_HTTP_AI_QUEUE_SLICE; i++) {

            if (pids[i] == 0 || pids[i] == gone) {
                continue;
            }

            if (pids[i] != alive && ngx_http_ai_zone_gone(pids[i])) {
                gone = pids[i];
                continue;
            }

            alive = pids[i];
            n++;
        }
    }

    return n;
}


/* places of dead workers come back */

static void
ngx_http_ai_queue_sweep_locked(ngx_http_ai_zone_t *zone)
{
    ngx_uint_t              i;
    ngx_http_ai_slot_t     *slot;
    ngx_http_ai_zone_sh_t  *sh;

    sh = zone->sh;

    if (sh->parked == 0
        || ngx_current_msec - sh->swept < NGX_HTTP_AI_QUEUE_SWEEP)
    {
        return;
    }

    sh->swept = ngx_current_msec;

    for (i = 0; i < NGX_HTTP_AI_ZONE_SLOTS; i++) {

        slot = &sh->slots[i];

        if (slot->pid && ngx_http_ai_zone_gone(slot->pid)) {
            slot->pid = 0;
            sh->parked--;
        }
    }
}


void
ngx_http_ai_queue_leave(ngx_http_ai_zone_t *zone,
    ngx_http_ai_ticket_t *ticket)
{
    ngx_http_ai_slot_t  *slot;

    if (ticket->seq == 0) {
        return;
    }

    slot = &zone->sh->slots[ticket->slot];

    ngx_http_ai_zone_lock(zone);

    if (slot->pid == ngx_pid && slot->seq == ticket->seq) {
        slot->pid = 0;
        zone->sh->parked--;
    }

    ngx_http_ai_zone_unlock(zone);

    ticket->seq = 0;
}


static uint32_t
ngx_http_ai_queue_class(const ngx_http_ai_class_t *class)
{
    return ngx_murmur_hash2(class->name.data, class->name.len);
}
