
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Approved backup models of routes.  A backup leads to another route, which
 * may have backups of its own: a chain must end somewhere, hence cycles are
 * refused when all routes are known.
 */


#include "ngx_http_ai_conf_block.h"
#include "ngx_http_ai_health.h"


typedef enum {
    NGX_HTTP_AI_BACKUP_NEW = 0,
    NGX_HTTP_AI_BACKUP_OPEN,           /* on the path being walked */
    NGX_HTTP_AI_BACKUP_DONE            /* leads into no cycle */
} ngx_http_ai_backup_state_e;


typedef struct {
    ngx_http_ai_main_conf_t       *amcf;
    ngx_http_ai_backup_state_e    *state;      /* by the route's number */
    ngx_http_ai_backup_t         **path;
    ngx_uint_t                     depth;
} ngx_http_ai_backup_walk_t;


static ngx_int_t ngx_http_ai_conf_backup_add(ngx_conf_t *cf,
    ngx_http_ai_route_t *route, ngx_str_t *model);
static ngx_int_t ngx_http_ai_conf_backup_link(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf, ngx_http_ai_route_t *route);
static ngx_int_t ngx_http_ai_conf_backup_cycles(ngx_conf_t *cf,
    ngx_http_ai_main_conf_t *amcf);
static ngx_int_t ngx_http_ai_conf_backup_visit(ngx_conf_t *cf,
    ngx_http_ai_backup_walk_t *walk, ngx_uint_t n);
static void ngx_http_ai_conf_backup_cycle(ngx_conf_t *cf,
    ngx_http_ai_backup_walk_t *walk);


char *
ngx_http_ai_conf_backup(ngx_conf_t *cf, ngx_http_ai_conf_block_t *block,
    const ngx_http_ai_conf_word_t *word)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_http_ai_conf_backup_add(cf, block->object, &value[i])
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_ai_conf_backup_add(ngx_conf_t *cf, ngx_http_ai_route_t *route,
    ngx_str_t *model)
{
    ngx_uint_t             i;
    ngx_http_ai_backup_t  *b;

    if (ngx_http_ai_conf_model_check(cf, model, "in \"backup\"") != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_strlchr(model->data, model->data + model->len, '*')) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"*\" in \"backup %V\" of ai_route \"%V\", write "
                           "the full name of one model", model, &route->name);
        return NGX_ERROR;
    }

    b = route->backups.elts;

    for (i = 0; i < route->backups.nelts; i++) {

        if (b[i].model.len == model->len
            && ngx_memcmp(b[i].model.data, model->data, model->len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate \"backup %V\" in ai_route \"%V\"",
                               model, &route->name);
            return NGX_ERROR;
        }
    }

    if (route->backups.nelts == NGX_HTTP_AI_MAX_BACKUPS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "more than %d backup models in ai_route \"%V\"",
                           NGX_HTTP_AI_MAX_BACKUPS, &route->name);
        return NGX_ERROR;
    }

    b = ngx_array_push(&route->backups);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->model = *model;
    b->route = NULL;
    b->window = 0;

    ngx_http_ai_conf_place(cf, &b->place);

    b->model_hash = ngx_http_ai_zone_hash(&b->model);

    return ngx_http_ai_conf_model_json(cf, &b->model, &b->model_json);
}


ngx_int_t
ngx_http_ai_conf_backup_resolve(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf)
{
    ngx_uint_t             i;
    ngx_http_ai_route_t  **route;

    route = amcf->routes.elts;

    for (i = 0; i < amcf->routes.nelts; i++) {
        if (ngx_http_ai_conf_backup_link(cf, amcf, route[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_ai_conf_backup_cycles(cf, amcf);
}


static ngx_int_t
ngx_http_ai_conf_backup_link(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf,
    ngx_http_ai_route_t *route)
{
    ngx_uint_t             i;
    ngx_http_ai_backup_t  *b;

    b = route->backups.elts;

    for (i = 0; i < route->backups.nelts; i++) {

        b[i].route = ngx_http_ai_conf_find_route(amcf, &b[i].model);

        if (b[i].route == NULL) {
            ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, &b[i].place,
                                 "no route serves the backup model \"%V\" of "
                                 "ai_route \"%V\", write \"ai_route %V { "
                                 "target ACCOUNT; }\"", &b[i].model,
                                 &route->name, &b[i].model);
            return NGX_ERROR;
        }

        if (b[i].route == route) {
            ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, &b[i].place,
                                 "the backup model \"%V\" of ai_route \"%V\" "
                                 "is served by the same route, write a model "
                                 "of another ai_route", &b[i].model,
                                 &route->name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* depth first, each route once, however many ways lead to it */

static ngx_int_t
ngx_http_ai_conf_backup_cycles(ngx_conf_t *cf, ngx_http_ai_main_conf_t *amcf)
{
    ngx_uint_t                 i, n;
    ngx_http_ai_backup_walk_t  walk;

    n = amcf->routes.nelts;

    walk.amcf = amcf;
    walk.depth = 0;

    walk.state = ngx_pcalloc(cf->temp_pool,
                             (n + 1) * sizeof(ngx_http_ai_backup_state_e));
    walk.path = ngx_palloc(cf->temp_pool,
                           (n + 1) * sizeof(ngx_http_ai_backup_t *));

    if (walk.state == NULL || walk.path == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        if (walk.state[i] == NGX_HTTP_AI_BACKUP_NEW
            && ngx_http_ai_conf_backup_visit(cf, &walk, i) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_ai_conf_backup_visit(ngx_conf_t *cf, ngx_http_ai_backup_walk_t *walk,
    ngx_uint_t n)
{
    ngx_uint_t              i, next;
    ngx_http_ai_route_t   **route;
    ngx_http_ai_backup_t   *b;

    route = walk->amcf->routes.elts;

    walk->state[n] = NGX_HTTP_AI_BACKUP_OPEN;

    b = route[n]->backups.elts;

    for (i = 0; i < route[n]->backups.nelts; i++) {

        for (next = 0; route[next] != b[i].route; next++) { /* void */ }

        walk->path[walk->depth] = &b[i];

        if (walk->state[next] == NGX_HTTP_AI_BACKUP_OPEN) {
            ngx_http_ai_conf_backup_cycle(cf, walk);
            return NGX_ERROR;
        }

        if (walk->state[next] == NGX_HTTP_AI_BACKUP_DONE) {
            continue;
        }

        walk->depth++;

        if (ngx_http_ai_conf_backup_visit(cf, walk, next) != NGX_OK) {
            return NGX_ERROR;
        }

        walk->depth--;
    }

    walk->state[n] = NGX_HTTP_AI_BACKUP_DONE;

    return NGX_OK;
}


/*
 * The path's last step leads back into a route on it.  Models are named, not
 * routes, since these are what stands in the file; the name that closes the
 * cycle begins it.
 */

static void
ngx_http_ai_conf_backup_cycle(ngx_conf_t *cf, ngx_http_ai_backup_walk_t *walk)
{
    u_char                *p, *last, text[NGX_MAX_CONF_ERRSTR / 2];
    ngx_uint_t             i;
    ngx_http_ai_backup_t  *back;

    back = walk->path[walk->depth];

    i = walk->depth;

    while (i > 0 && walk->path[i - 1]->route != back->route) {
        i--;
    }

    last = text + sizeof(text);
    p = ngx_slprintf(text, last, "%V", &back->model);

    for ( /* void */ ; i <= walk->depth; i++) {
        p = ngx_slprintf(p, last, " -> %V", &walk->path[i]->model);
    }

    ngx_http_ai_conf_log(cf, NGX_LOG_EMERG, &back->place,
                         "backup cycle: %*s, remove one of these backups",
                         (size_t) (p - text), text);
}
