
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_pick.h"


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
