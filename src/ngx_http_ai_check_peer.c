
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The servers that a check may try.  They are copied: a list that is resolved
 * again while the check runs may be freed.  The balancer is not asked, for it
 * wants a client's request, and a check must not count in its books.
 */


#include "ngx_http_ai_check.h"


static void ngx_http_ai_check_peers_live(ngx_http_ai_check_run_t *run,
    ngx_http_upstream_rr_peers_t *peers);
static void ngx_http_ai_check_peers_conf(ngx_http_ai_check_run_t *run,
    ngx_array_t *servers, ngx_uint_t backup);
static void ngx_http_ai_check_peer_add(ngx_http_ai_check_run_t *run,
    struct sockaddr *sockaddr, socklen_t socklen, ngx_str_t *name);


/*
 * In shared memory, or with resolve=, the list is one of round robin peers and
 * has the addresses of today; otherwise it may be any balancer's own, and the
 * server lines have them all.
 */

void
ngx_http_ai_check_peers(ngx_http_ai_check_t *check)
{
    ngx_uint_t                     live;
    ngx_http_ai_check_run_t       *run;
    ngx_http_upstream_rr_peers_t  *peers;
    ngx_http_upstream_srv_conf_t  *uscf;

    run = check->run;
    uscf = check->account->uscf;

    live = (check->account->resolve != NULL);

#if (NGX_HTTP_UPSTREAM_ZONE)
    live = live || uscf->shm_zone;
#endif

    if (live) {
        peers = uscf->peer.data;

        ngx_http_upstream_rr_peers_rlock(peers);

        ngx_http_ai_check_peers_live(run, peers);
        run->primaries = run->npeers;

        if (peers->next) {
            ngx_http_ai_check_peers_live(run, peers->next);
        }

        ngx_http_upstream_rr_peers_unlock(peers);

    } else {
        ngx_http_ai_check_peers_conf(run, uscf->servers, 0);
        run->primaries = run->npeers;

        ngx_http_ai_check_peers_conf(run, uscf->servers, 1);
    }

    if (run->primaries) {
        run->first = check->turn++ % run->primaries;
    }
}


static void
ngx_http_ai_check_peers_live(ngx_http_ai_check_run_t *run,
    ngx_http_upstream_rr_peers_t *peers)
{
    ngx_http_upstream_rr_peer_t  *peer;

    for (peer = peers->peer; peer; peer = peer->next) {
        if (!peer->down) {
            ngx_http_ai_check_peer_add(run, peer->sockaddr, peer->socklen,
                                       &peer->name);
        }
    }
}


static void
ngx_http_ai_check_peers_conf(ngx_http_ai_check_run_t *run,
    ngx_array_t *servers, ngx_uint_t backup)
{
    ngx_uint_t                   i, j;
    ngx_http_upstream_server_t  *server;

    server = servers->elts;

    for (i = 0; i < servers->nelts; i++) {

        if (server[i].down || server[i].backup != backup) {
            continue;
        }

        for (j = 0; j < server[i].naddrs; j++) {
            ngx_http_ai_check_peer_add(run, server[i].addrs[j].sockaddr,
                                       server[i].addrs[j].socklen,
                                       &server[i].addrs[j].name);
        }
    }
}


static void
ngx_http_ai_check_peer_add(ngx_http_ai_check_run_t *run,
    struct sockaddr *sockaddr, socklen_t socklen, ngx_str_t *name)
{
    ngx_http_ai_check_peer_t  *peer;

    if (run->npeers == NGX_HTTP_AI_CHECK_PEERS
        || socklen > (socklen_t) sizeof(ngx_sockaddr_t))
    {
        return;
    }

    peer = &run->peers[run->npeers++];

    ngx_memcpy(&peer->sockaddr, sockaddr, socklen);
    peer->socklen = socklen;

    peer->name.data = peer->text;
    peer->name.len = ngx_min(name->len, sizeof(peer->text));

    ngx_memcpy(peer->text, name->data, peer->name.len);
}
