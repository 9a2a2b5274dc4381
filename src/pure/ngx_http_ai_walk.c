
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_walk.h"
#include "ngx_http_ai_json.h"


static u_char *ngx_http_ai_walk_space(u_char *p, u_char *last);
static u_char *ngx_http_ai_walk_skip(u_char *p, u_char *last);
static u_char *ngx_http_ai_walk_string_end(u_char *p, u_char *last);


ngx_int_t
ngx_http_ai_walk_next(ngx_http_ai_walk_t *w, u_char close)
{
    u_char  *p, *last;

    last = w->last;
    p = ngx_http_ai_walk_space(w->p, last);

    if (p == last) {
        return NGX_ERROR;
    }

    if (*p == close) {
        return NGX_DONE;
    }

    w->comma = w->next ? w->next - 1 : NULL;
    w->n++;

    if (close == '}') {

        if (*p != '"') {
            return NGX_ERROR;
        }

        w->name.data = p + 1;
        p = ngx_http_ai_walk_string_end(p, last);

        if (p == NULL) {
            w->name.len = 0;
            return NGX_ERROR;
        }

        w->name.len = p - 1 - w->name.data;
        p = ngx_http_ai_walk_space(p, last);

        if (p == last || *p != ':') {
            return NGX_ERROR;
        }

        p = ngx_http_ai_walk_space(p + 1, last);
    }

    w->first = p;
    w->end = (p < last) ? ngx_http_ai_walk_skip(p, last) : NULL;

    if (w->end == NULL) {
        return NGX_ERROR;
    }

    p = ngx_http_ai_walk_space(w->end, last);

    if (p == last || (*p != ',' && *p != close)) {
        return NGX_ERROR;
    }

    w->next = (*p == ',') ? p + 1 : NULL;
    w->p = w->next ? w->next : p;

    return NGX_OK;
}


static u_char *
ngx_http_ai_walk_space(u_char *p, u_char *last)
{
    while (p < last
           && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
    {
        p++;
    }

    return p;
}


/* the end of the value at p, NULL if it has none */

static u_char *
ngx_http_ai_walk_skip(u_char *p, u_char *last)
{
    u_char      *start;
    ngx_uint_t   depth;

    if (*p != '{' && *p != '[') {

        if (*p == '"') {
            return ngx_http_ai_walk_string_end(p, last);
        }

        start = p;

        while (p < last && *p > ' ' && *p != ',' && *p != ']' && *p != '}') {
            p++;
        }

        return p > start ? p : NULL;
    }

    depth = 0;

    while (p && p < last) {

        switch (*p) {

        case '{':
        case '[':
            depth++;
            break;

        case '}':
        case ']':
            depth--;
            break;

        case '"':
            p = ngx_http_ai_walk_string_end(p, last);
            continue;

        default:
            break;
        }

        p++;

        if (depth == 0) {
            return p;
        }
    }

    return NULL;
}


static u_char *
ngx_http_ai_walk_string_end(u_char *p, u_char *last)
{
    for (p++; p < last; p++) {
        p += ngx_http_ai_json_text(p, last) - p;

        if (p == last) {
            break;
        }

        if (*p == '"') {
            return p + 1;
        }

        if (*p == '\\') {
            p++;
        }
    }

    return NULL;
}
