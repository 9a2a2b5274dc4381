
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What is said to a Redis right after connecting, and what its answers mean:
 * credentials, the database, and whether it is the one that is looked for.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_ai_redis_greet.h"


static void ngx_http_ai_redis_greet_auth(ngx_http_ai_redis_greet_t *greet,
    const ngx_str_t *user, const ngx_str_t *password);
static void ngx_http_ai_redis_greet_say(ngx_http_ai_redis_greet_t *greet,
    ngx_http_ai_redis_greeting_e greeting, const ngx_str_t *args,
    ngx_uint_t n);
static ngx_int_t ngx_http_ai_redis_greet_master(
    ngx_http_ai_redis_greet_t *greet, ngx_http_ai_redis_reply_t *reply,
    u_char *why);
static ngx_int_t ngx_http_ai_redis_greet_wrong(u_char *why, const char *fmt,
    ...);


/*
 * All that is to be said goes at once.  A list and a sentinel may lead to a
 * replica, which ROLE tells even of one that takes writes.
 */

void
ngx_http_ai_redis_greet(ngx_http_ai_redis_greet_t *greet,
    ngx_http_ai_redis_conn_t *conn, ngx_http_ai_redis_nodes_t *nodes)
{
    u_char                           number[NGX_INT_T_LEN];
    ngx_str_t                        args[2];
    const ngx_http_ai_redis_conf_t  *conf;

    conf = conn->conf;

    greet->conn = conn;
    greet->nodes = nodes;
    greet->n = 0;
    greet->answered = 0;

    if (ngx_http_ai_redis_nodes_sentinel(nodes)) {

        ngx_http_ai_redis_greet_auth(greet, &conf->sentinel_user,
                                     &conf->sentinel_password.value);

        ngx_str_set(&args[0], "get-master-addr-by-name");
        args[1] = conf->master;
        ngx_http_ai_redis_greet_say(greet, NGX_HTTP_AI_REDIS_MASTER, args, 2);

    } else {

        ngx_http_ai_redis_greet_auth(greet, &conf->user, &conf->password.value);

        if (conf->database) {
            args[0].data = number;
            args[0].len = ngx_sprintf(number, "%ui", conf->database) - number;
            ngx_http_ai_redis_greet_say(greet, NGX_HTTP_AI_REDIS_SELECT, args,
                                        1);
        }

        if (conf->kind == NGX_HTTP_AI_REDISADDR_SENTINELS
            || (conf->kind == NGX_HTTP_AI_REDISADDR_LIST && conf->nnodes > 1))
        {
            ngx_http_ai_redis_greet_say(greet, NGX_HTTP_AI_REDIS_ROLE, args,
                                        0);
        }
    }
}


static void
ngx_http_ai_redis_greet_auth(ngx_http_ai_redis_greet_t *greet,
    const ngx_str_t *user, const ngx_str_t *password)
{
    ngx_str_t  args[2];

    if (password->len == 0) {
        return;
    }

    if (user->len == 0) {
        ngx_http_ai_redis_greet_say(greet, NGX_HTTP_AI_REDIS_AUTH, password,
                                     1);
        return;
    }

    args[0] = *user;
    args[1] = *password;

    ngx_http_ai_redis_greet_say(greet, NGX_HTTP_AI_REDIS_AUTH, args, 2);
}


/* nothing waits in the connection yet, and greetings are short */

static void
ngx_http_ai_redis_greet_say(ngx_http_ai_redis_greet_t *greet,
    ngx_http_ai_redis_greeting_e greeting, const ngx_str_t *args,
    ngx_uint_t n)
{
    ngx_uint_t                 i;
    ngx_http_ai_resp_t         resp;
    ngx_http_ai_redis_conn_t  *conn;

    static const ngx_str_t  verbs[] = {
        ngx_string("AUTH"),
        ngx_string("SELECT"),
        ngx_string("ROLE"),
        ngx_string("SENTINEL")
    };

    conn = greet->conn;

    ngx_http_ai_resp_init(&resp, conn->last,
                          ngx_http_ai_redis_conn_room(conn));
    ngx_http_ai_resp_command(&resp, 1 + n);
    ngx_http_ai_resp_bulk(&resp, verbs[greeting].data, verbs[greeting].len);

    for (i = 0; i < n; i++) {
        ngx_http_ai_resp_bulk(&resp, args[i].data, args[i].len);
    }

    conn->last += ngx_http_ai_resp_end(&resp);

    greet->said[greet->n++] = greeting;
}


ngx_int_t
ngx_http_ai_redis_greet_answer(ngx_http_ai_redis_greet_t *greet,
    ngx_http_ai_redis_reply_t *reply, u_char *why)
{
    u_char  *p;

    switch (greet->said[greet->answered++]) {

    case NGX_HTTP_AI_REDIS_MASTER:
        return ngx_http_ai_redis_greet_master(greet, reply, why);

    case NGX_HTTP_AI_REDIS_ROLE:

        /* without permission to ask, READONLY will tell */

        if (reply->type == NGX_HTTP_AI_REDIS_ARRAY
            && ngx_strcmp(reply->items[0], "master") != 0)
        {
            return ngx_http_ai_redis_greet_wrong(why, "its role is \"%s\"",
                                                 reply->items[0]);
        }

        break;

    default:

        if (reply->type != NGX_HTTP_AI_REDIS_STATUS) {

            /* the error's code only: its text may repeat the password */

            for (p = reply->text; *p > ' '; p++) { /* void */ }
            *p = '\0';

            return ngx_http_ai_redis_greet_wrong(why,
                                                 "AUTH or SELECT refused: %s",
                                                 reply->text);
        }
    }

    return greet->answered == greet->n ? NGX_OK : NGX_AGAIN;
}


static ngx_int_t
ngx_http_ai_redis_greet_master(ngx_http_ai_redis_greet_t *greet,
    ngx_http_ai_redis_reply_t *reply, u_char *why)
{
    ngx_int_t  port;
    ngx_str_t  host;

    if (reply->type == NGX_HTTP_AI_REDIS_NIL) {
        return ngx_http_ai_redis_greet_wrong(why,
                                    "this sentinel does not know the master");
    }

    if (reply->type != NGX_HTTP_AI_REDIS_ARRAY && reply->text[0]) {
        return ngx_http_ai_redis_greet_wrong(why, "%s", reply->text);
    }

    host.data = reply->items[0];
    host.len = ngx_strlen(host.data);
    port = ngx_atoi(reply->items[1], ngx_strlen(reply->items[1]));

    if (reply->type != NGX_HTTP_AI_REDIS_ARRAY
        || host.len == 0 || port <= 0 || port > 65535
        || ngx_http_ai_redis_nodes_told(greet->nodes, &host, port, 0)
           != NGX_OK)
    {
        return ngx_http_ai_redis_greet_wrong(why,
                                             "unexpected reply of a sentinel");
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_http_ai_redis_greet_wrong(u_char *why, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    *ngx_vslprintf(why, why + NGX_HTTP_AI_REDIS_WHY - 1, fmt, args) = '\0';
    va_end(args);

    return NGX_ERROR;
}
