
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_redisaddr.h"


static ngx_http_ai_redisaddr_t  addr;
static const char              *wrong;


static ngx_int_t
ngx_http_ai_test_parse(const char *text)
{
    ngx_int_t       rc;
    ngx_str_t       s;
    static u_char  *copy;

    ngx_http_ai_test_note = text;

    /* no byte behind it: the sanitizer sees what reads too far */

    free(copy);

    s.len = strlen(text);
    copy = malloc(s.len ? s.len : 1);
    memcpy(copy, text, s.len);
    s.data = copy;

    wrong = NULL;
    rc = ngx_http_ai_redisaddr_parse(&addr, &s, &wrong);

    t_ok((rc == NGX_ERROR) == (wrong != NULL));

    return rc;
}


static void
ngx_http_ai_test_list(void)
{
    t_eq(ngx_http_ai_test_parse("redis://127.0.0.1"), NGX_OK);
    t_eq(addr.kind, NGX_HTTP_AI_REDISADDR_LIST);
    t_eq(addr.tls, 0);
    t_eq(addr.nnodes, 1);
    t_str(addr.nodes[0].host, "127.0.0.1");
    t_eq(addr.nodes[0].port, 6379);
    t_eq(addr.database, 0);
    t_eq(addr.user.len, 0);

    t_eq(ngx_http_ai_test_parse("rediss://ann@a.test:1,[::1]:2,[fe80::2]/12"),
         NGX_OK);
    t_eq(addr.tls, 1);
    t_str(addr.user, "ann");
    t_eq(addr.nnodes, 3);
    t_str(addr.nodes[0].host, "a.test");
    t_eq(addr.nodes[0].port, 1);
    t_str(addr.nodes[1].host, "::1");
    t_eq(addr.nodes[1].port, 2);
    t_str(addr.nodes[2].host, "fe80::2");
    t_eq(addr.nodes[2].port, 6379);
    t_eq(addr.database, 12);

    t_eq(ngx_http_ai_test_parse("redis://h/"), NGX_OK);
    t_eq(addr.database, 0);
}


static void
ngx_http_ai_test_others(void)
{
    t_eq(ngx_http_ai_test_parse("unix:/run/redis.sock"), NGX_OK);
    t_eq(addr.kind, NGX_HTTP_AI_REDISADDR_UNIX);
    t_str(addr.path, "/run/redis.sock");

    t_eq(ngx_http_ai_test_parse("unix:/run/redis.sock:3"), NGX_OK);
    t_str(addr.path, "/run/redis.sock");
    t_eq(addr.database, 3);

    t_eq(ngx_http_ai_test_parse("unix:/run/a:b"), NGX_OK);
    t_str(addr.path, "/run/a:b");
    t_eq(addr.database, 0);

    t_eq(ngx_http_ai_test_parse("sentinel://a,b:7/mymaster/2"), NGX_OK);
    t_eq(addr.kind, NGX_HTTP_AI_REDISADDR_SENTINELS);
    t_eq(addr.nodes[0].port, 26379);
    t_eq(addr.nodes[1].port, 7);
    t_str(addr.master, "mymaster");
    t_eq(addr.database, 2);

    t_eq(ngx_http_ai_test_parse("cluster://a:1,b:2"), NGX_OK);
    t_eq(addr.kind, NGX_HTTP_AI_REDISADDR_CLUSTER);
    t_eq(addr.nnodes, 2);
}


static void
ngx_http_ai_test_refused(void)
{
    ngx_uint_t  i;

    static const char  *none[] = { "", "redis:", "http://a", "unix", "REDIS://",
        "file:/x", NULL };

    static const char  *bad[] = { "redis://", "redis://:6379", "redis://a:",
        "redis://a:0", "redis://a:65536", "redis://a:6x", "redis://a,,b",
        "redis://a,", "redis://::1", "redis://[::1", "redis://[::1]x",
        "redis://[]", "redis://a/x", "redis://a/1/2", "redis://a/-1",
        "redis://a/99999999999999999999", "redis://u:p@a", "redis://:p@a",
        "redis://@a", "redis://u@p@a", "redis://u/x@a", "unix:", "unix:/",
        "unix:x", "sentinel://a", "sentinel://a/", "sentinel://a/m/x",
        "cluster://a/0", "cluster://a/1",
        "redis://1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", NULL };

    for (i = 0; none[i]; i++) {
        t_eq(ngx_http_ai_test_parse(none[i]), NGX_DECLINED);
    }

    for (i = 0; bad[i]; i++) {
        t_eq(ngx_http_ai_test_parse(bad[i]), NGX_ERROR);
    }

    t_eq(ngx_http_ai_test_parse("redis://u:s3cr3t@a"), NGX_ERROR);
    t_ok(strstr(wrong, "password=env:NAME") != NULL);

    t_eq(ngx_http_ai_test_parse("redis://1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,"
                                "16"), NGX_OK);
    t_eq(addr.nnodes, 16);
}


static void
ngx_http_ai_test_hops(void)
{
    ngx_uint_t                    i;
    ngx_str_t                     s;
    ngx_http_ai_redisaddr_node_t  node;

    static const struct {
        const char  *text;
        ngx_uint_t   hop;
        const char  *host;
        ngx_uint_t   port;
    } cases[] = {
        { "MOVED 3999 127.0.0.1:6381", NGX_HTTP_AI_REDISADDR_MOVED,
          "127.0.0.1", 6381 },
        { "ASK 16383 ::1:7000", NGX_HTTP_AI_REDISADDR_ASK, "::1", 7000 },
        { "MOVED 0 node-2.test:1", NGX_HTTP_AI_REDISADDR_MOVED,
          "node-2.test", 1 },
        { "MOVED 0 :7", NGX_HTTP_AI_REDISADDR_MOVED, "", 7 },
        { "MOVED 0 ?:7", NGX_HTTP_AI_REDISADDR_MOVED, "", 7 },
        { "MOVED", 0, NULL, 0 },
        { "MOVED 1", 0, NULL, 0 },
        { "MOVED x a:1", 0, NULL, 0 },
        { "MOVED 16384 a:1", 0, NULL, 0 },
        { "MOVED 1 a", 0, NULL, 0 },
        { "MOVED 1 a:", 0, NULL, 0 },
        { "MOVED 1 a:0", 0, NULL, 0 },
        { "MOVED 1 a:70000", 0, NULL, 0 },
        { "ASKING 1 a:1", 0, NULL, 0 },
        { "READONLY You can't write", 0, NULL, 0 },
        { "", 0, NULL, 0 },
        { NULL, 0, NULL, 0 }
    };

    for (i = 0; cases[i].text; i++) {
        ngx_http_ai_test_note = cases[i].text;

        s.len = strlen(cases[i].text);
        s.data = (u_char *) cases[i].text;

        t_eq(ngx_http_ai_redisaddr_hop(&s, &node), cases[i].hop);

        if (cases[i].hop) {
            t_str(node.host, cases[i].host);
            t_eq(node.port, cases[i].port);
        }
    }
}


static const ngx_http_ai_test_t  tests[] = {
    { "redis:// and rediss://", ngx_http_ai_test_list },
    { "unix:, sentinel:// and cluster://", ngx_http_ai_test_others },
    { "what is refused", ngx_http_ai_test_refused },
    { "MOVED and ASK", ngx_http_ai_test_hops },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
