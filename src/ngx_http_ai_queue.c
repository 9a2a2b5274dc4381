
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_queue.h"


/* ms between two looks for dead workers, which cost a system call a place */
#define NGX_HTTP_AI_QUEUE_SWEEP  20


static ngx_uint_t ngx_http_ai_queue_lost(ngx_http_ai_slot_t *slot);
static uint32_t ngx_http_ai_queue_line(const ngx_http_ai_route_t *route,
    const ngx_http_ai_class_t *class);
static uint32_t ngx_http_ai_queue_class(const ngx_http_ai_class_t *class);


ngx_int_t
ngx_http_ai_queue_enter(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_route_t *route, const ngx_http_ai_class_t *class,
    ngx_http_ai_ticket_t *ticket)
{
    uint32_t                hash;
    ngx_uint_t              i, free, same;
    ngx_http_ai_slot_t     *slot;
    ngx_http_ai_zone_sh_t  *sh;

    sh = zone->sh;
    hash = ngx_http_ai_queue_class(class);
    free = NGX_HTTP_AI_ZONE_SLOTS;
    same = 0;

    ngx_http_ai_zone_lock(zone);

    for (i = 0; i < NGX_HTTP_AI_ZONE_SLOTS; i++) {

        slot = &sh->slots[i];

        if (slot->pid == 0) {
            free = ngx_min(free, i);

        } else if (slot->class == hash) {
            same++;
        }
    }

    if ((free == NGX_HTTP_AI_ZONE_SLOTS || same >= class->queue_max)
        && ngx_current_msec - sh->swept >= NGX_HTTP_AI_QUEUE_SWEEP)
    {
        /* places of dead workers, if there are any, come back now */

        sh->swept = ngx_current_msec;

        for (i = 0; i < NGX_HTTP_AI_ZONE_SLOTS; i++) {

            slot = &sh->slots[i];

            if (slot->pid && ngx_http_ai_queue_lost(slot)) {

                same -= (slot->class == hash);
                free = ngx_min(free, i);

                slot->pid = 0;
                sh->parked--;
            }
        }
    }

    if (free == NGX_HTTP_AI_ZONE_SLOTS || same >= class->queue_max) {
        ngx_http_ai_zone_unlock(zone);
        return NGX_BUSY;
    }

    slot = &sh->slots[free];

    slot->pid = ngx_pid;
    slot->seq = ++sh->seq;
    slot->route = ngx_http_ai_queue_line(route, class);
    slot->class = hash;
    slot->priority = class->priority;
    slot->since = ngx_current_msec;

    ticket->slot = free;
    ticket->seq = slot->seq;

    sh->parked++;

    ngx_http_ai_zone_unlock(zone);

    return NGX_OK;
}


ngx_uint_t
ngx_http_ai_queue_waiting(ngx_http_ai_zone_t *zone,
    const ngx_http_ai_route_t *route, const ngx_http_ai_class_t *class)
{
    uint32_t             line;
    ngx_uint_t           i, waiting;
    ngx_http_ai_slot_t  *slot;

    if (zone->sh->parked == 0) {
        return 0;
    }

    waiting = 0;
    line = ngx_http_ai_queue_line(route, class);

    ngx_http_ai_zone_lock(zone);

    for (i = 0; i < NGX_HTTP_AI_ZONE_SLOTS; i++) {

        slot = &zone->sh->slots[i];

        if (slot->pid && slot->route == line
            && slot->priority >= class->priority)
        {
            waiting = 1;
            break;
        }
    }

    ngx_http_ai_zone_unlock(zone);

    return waiting;
}


ngx_uint_t
ngx_http_ai_queue_first(ngx_http_ai_zone_t *zone,
    ngx_http_ai_ticket_t *ticket)
{
    ngx_uint_t              i, first;
    ngx_http_ai_slot_t     *own, *slot;
    ngx_http_ai_zone_sh_t  *sh;

    sh = zone->sh;
    own = &sh->slots[ticket->slot];
    first = 1;

    ngx_http_ai_zone_lock(zone);

    for (i = 0; i < NGX_HTTP_AI_ZONE_SLOTS; i++) {

        slot = &sh->slots[i];

        if (slot->pid == 0 || slot == own || slot->route != own->route) {
            continue;
        }

        if (slot->priority < own->priority
            || (slot->priority == own->priority && slot->seq > own->seq))
        {
            continue;
        }

        if (slot->pid != ngx_pid && ngx_http_ai_queue_lost(slot)) {
            slot->pid = 0;
            sh->parked--;
            continue;
        }

        first = 0;
        break;
    }

    ngx_http_ai_zone_unlock(zone);

    return first;
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


/*
 * Who waits for the same targets: those of a route, or of a class's share of
 * it.  A class with accounts of its own must not block the others.
 */

static uint32_t
ngx_http_ai_queue_line(const ngx_http_ai_route_t *route,
    const ngx_http_ai_class_t *class)
{
    return class->accounts ? route->hash ^ ngx_http_ai_queue_class(class)
                           : route->hash;
}


/* the worker is gone, so nobody else will take the place back */

static ngx_uint_t
ngx_http_ai_queue_lost(ngx_http_ai_slot_t *slot)
{
    return kill(slot->pid, 0) == -1 && ngx_errno == NGX_ESRCH;
}


static uint32_t
ngx_http_ai_queue_class(const ngx_http_ai_class_t *class)
{
    return ngx_murmur_hash2(class->name.data, class->name.len);
}
