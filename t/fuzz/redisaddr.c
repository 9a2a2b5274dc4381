
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * libFuzzer entry: what servers say of each other, and addresses.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -DNGX_HTTP_AI_PURE=1 \
 *         -Isrc/pure -o redisaddr t/fuzz/redisaddr.c -lyajl \
 *         $(find src/pure -name "*.c")
 *
 * Whatever is found is a part of the input, and within its bounds.
 */


#include <stdio.h>
#include <stdlib.h>

#include "ngx_http_ai_redisaddr.h"


static const u_char  *ngx_http_ai_fuzz_data;
static size_t         ngx_http_ai_fuzz_size;


static void
ngx_http_ai_fuzz_part(const ngx_str_t *s)
{
    if (s->len
        && (s->data < ngx_http_ai_fuzz_data
            || s->data + s->len > ngx_http_ai_fuzz_data
                                  + ngx_http_ai_fuzz_size))
    {
        fprintf(stderr, "not a part of the input\n");
        abort();
    }
}


static void
ngx_http_ai_fuzz_node(const ngx_http_ai_redisaddr_node_t *node)
{
    ngx_http_ai_fuzz_part(&node->host);

    if (node->port == 0 || node->port > 65535) {
        fprintf(stderr, "no port\n");
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t                      text;
    ngx_int_t                      rc;
    ngx_uint_t                     i;
    const char                    *wrong;
    ngx_http_ai_redisaddr_t        addr;
    ngx_http_ai_redisaddr_node_t   node;

    ngx_http_ai_fuzz_data = data;
    ngx_http_ai_fuzz_size = size;

    text.data = (u_char *) data;
    text.len = size;

    if (ngx_http_ai_redisaddr_hop(&text, &node)) {
        ngx_http_ai_fuzz_node(&node);
    }

    wrong = NULL;
    rc = ngx_http_ai_redisaddr_parse(&addr, &text, &wrong);

    if ((rc == NGX_ERROR) != (wrong != NULL)) {
        fprintf(stderr, "an error without a reason\n");
        abort();
    }

    if (rc != NGX_OK) {
        return 0;
    }

    ngx_http_ai_fuzz_part(&addr.user);
    ngx_http_ai_fuzz_part(&addr.path);
    ngx_http_ai_fuzz_part(&addr.master);

    for (i = 0; i < addr.nnodes; i++) {
        ngx_http_ai_fuzz_node(&addr.nodes[i]);
    }

    return 0;
}
