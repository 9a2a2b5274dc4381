
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_test.h"
#include "ngx_http_ai_record.h"
#include "ngx_http_ai_resp.h"


#define NGX_HTTP_AI_TEST_MAX_ARGS  128


/* the bytes of one command, taken apart by rules of its own */

typedef struct {
    ngx_uint_t  n;
    ngx_str_t   args[NGX_HTTP_AI_TEST_MAX_ARGS];
    size_t      len;
} ngx_http_ai_test_command_t;


static const char  *ngx_http_ai_test_names[] = {
    "v", "event_id", "kind", "request_id", "ts_ms", "key_id", "app", "team",
    "env", "class", "endpoint", "stream", "model_requested", "model_served",
    "route", "account", "provider", "status", "outcome", "error_class",
    "attempt", "attempts", "fallback", "trail", "input_tokens",
    "output_tokens", "cache_read_tokens", "cache_write_tokens",
    "reasoning_tokens", "usage_source", "cost_nanousd", "cost_owner",
    "latency_ms", "ttft_ms", "queue_ms", "trace_id", "drill", NULL
};


static const u_char *
ngx_http_ai_test_number(const u_char *p, const u_char *last, u_char type,
    size_t *value)
{
    const u_char  *start;

    if (p == NULL || p == last || *p++ != type) {
        return NULL;
    }

    start = p;

    for (*value = 0; p < last && *p >= '0' && *p <= '9'; p++) {
        *value = *value * 10 + (*p - '0');
    }

    if (p == start || (*start == '0' && p - start > 1)
        || last - p < 2 || p[0] != '\r' || p[1] != '\n')
    {
        return NULL;
    }

    return p + 2;
}


static ngx_int_t
ngx_http_ai_test_parse(ngx_http_ai_test_command_t *cmd, const u_char *buf,
    size_t len)
{
    size_t         i, n;
    const u_char  *p, *last;

    last = buf + len;

    p = ngx_http_ai_test_number(buf, last, '*', &cmd->n);

    if (p == NULL || cmd->n == 0 || cmd->n > NGX_HTTP_AI_TEST_MAX_ARGS) {
        return NGX_ERROR;
    }

    for (i = 0; i < cmd->n; i++) {
        p = ngx_http_ai_test_number(p, last, '$', &n);

        if (p == NULL || (size_t) (last - p) < n + 2
            || p[n] != '\r' || p[n + 1] != '\n')
        {
            return NGX_ERROR;
        }

        cmd->args[i].data = (u_char *) p;
        cmd->args[i].len = n;
        p += n + 2;
    }

    cmd->len = p - buf;

    return NGX_OK;
}


static ngx_str_t *
ngx_http_ai_test_field(ngx_http_ai_test_command_t *cmd, const char *name)
{
    ngx_uint_t  i;

    for (i = 6; i + 1 < cmd->n; i += 2) {
        if (cmd->args[i].len == strlen(name)
            && memcmp(cmd->args[i].data, name, cmd->args[i].len) == 0)
        {
            return &cmd->args[i + 1];
        }
    }

    return NULL;
}


/* every string of the record is s, every integer is n */

static void
ngx_http_ai_test_fill(ngx_http_ai_record_t *rec, const char *s, size_t len,
    int64_t n)
{
    ngx_str_t  v;

    v.data = (u_char *) s;
    v.len = len;

    ngx_http_ai_record_init(rec);

    rec->event_id = rec->kind = rec->request_id = rec->key_id = v;
    rec->app = rec->team = rec->env = rec->ai_class = rec->endpoint = v;
    rec->model_requested = rec->model_served = rec->route = v;
    rec->account = rec->provider = rec->outcome = rec->error_class = v;
    rec->fallback = rec->trail = rec->usage_source = rec->cost_owner = v;
    rec->trace_id = v;

    rec->ts_ms = rec->stream = rec->status = rec->attempt = n;
    rec->attempts = rec->input_tokens = rec->output_tokens = n;
    rec->cache_read_tokens = rec->cache_write_tokens = n;
    rec->reasoning_tokens = rec->cost_nanousd = rec->latency_ms = n;
    rec->ttft_ms = rec->queue_ms = rec->drill = n;
}


static size_t
ngx_http_ai_test_encode(ngx_http_ai_record_t *rec, uint64_t maxlen,
    u_char *buf, size_t size)
{
    ngx_str_t                  stream = ngx_string("ai:usage");
    ngx_http_ai_record_trim_t  trim;

    trim.maxlen = maxlen;
    trim.minid_ms = 0;

    return ngx_http_ai_record_xadd(rec, &stream, &trim, buf, size);
}


static void
ngx_http_ai_test_resp_numbers(void)
{
    u_char                      buf[256];
    size_t                      n;
    ngx_http_ai_test_command_t  cmd;
    ngx_http_ai_resp_t          resp;

    ngx_http_ai_resp_init(&resp, buf, sizeof(buf));
    ngx_http_ai_resp_command(&resp, 6);
    ngx_http_ai_resp_int(&resp, 0);
    ngx_http_ai_resp_int(&resp, -1);
    ngx_http_ai_resp_int(&resp, INT64_MAX);
    ngx_http_ai_resp_int(&resp, INT64_MIN);
    ngx_http_ai_resp_uint(&resp, UINT64_MAX);
    ngx_http_ai_resp_bulk(&resp, NULL, 0);
    n = ngx_http_ai_resp_end(&resp);

    t_eq(ngx_http_ai_test_parse(&cmd, buf, n), NGX_OK);
    t_eq(cmd.len, n);
    t_str(cmd.args[0], "0");
    t_str(cmd.args[1], "-1");
    t_str(cmd.args[2], "9223372036854775807");
    t_str(cmd.args[3], "-9223372036854775808");
    t_str(cmd.args[4], "18446744073709551615");
    t_eq(cmd.args[5].len, 0);
}


/* a wrong count would shift all commands behind it in the pipeline */

static void
ngx_http_ai_test_resp_count(void)
{
    u_char              buf[256];
    ngx_http_ai_resp_t  resp;

    ngx_http_ai_resp_init(&resp, buf, sizeof(buf));
    ngx_http_ai_resp_command(&resp, 2);
    ngx_http_ai_resp_literal(&resp, "PING");
    t_eq(ngx_http_ai_resp_end(&resp), 0);

    ngx_http_ai_resp_literal(&resp, "x");
    t_eq(ngx_http_ai_resp_end(&resp), sizeof("*2\r\n$4\r\nPING\r\n$1\r\nx\r\n")
                                      - 1);

    ngx_http_ai_resp_literal(&resp, "one too many");
    t_eq(ngx_http_ai_resp_end(&resp), 0);

    ngx_http_ai_resp_init(&resp, buf, sizeof(buf));
    ngx_http_ai_resp_command(&resp, 2);
    ngx_http_ai_resp_command(&resp, 2);
    t_eq(ngx_http_ai_resp_end(&resp), 0);
}


static void
ngx_http_ai_test_xadd_all(void)
{
    size_t                      n, i;
    u_char                      buf[NGX_HTTP_AI_RECORD_MAX];
    ngx_http_ai_test_command_t  cmd;
    ngx_http_ai_record_t        rec;

    ngx_http_ai_test_fill(&rec, "x", 1, 7);
    n = ngx_http_ai_test_encode(&rec, 1000000, buf, sizeof(buf));

    t_eq(ngx_http_ai_test_parse(&cmd, buf, n), NGX_OK);
    t_eq(cmd.len, n);
    t_eq(cmd.n, 6 + 2 * 37);
    t_str(cmd.args[0], "XADD");
    t_str(cmd.args[1], "ai:usage");
    t_str(cmd.args[2], "MAXLEN");
    t_str(cmd.args[3], "~");
    t_str(cmd.args[4], "1000000");
    t_str(cmd.args[5], "*");
    t_str(cmd.args[7], "1");

    for (i = 0; ngx_http_ai_test_names[i]; i++) {
        ngx_http_ai_test_note = ngx_http_ai_test_names[i];
        t_str(cmd.args[6 + 2 * i], ngx_http_ai_test_names[i]);

        if (i) {
            t_ok(cmd.args[7 + 2 * i].len == 1
                 && (cmd.args[7 + 2 * i].data[0] == 'x'
                     || cmd.args[7 + 2 * i].data[0] == '7'));
        }
    }
}


static void
ngx_http_ai_test_xadd_minid(void)
{
    u_char                      buf[NGX_HTTP_AI_RECORD_MAX];
    size_t                      n;
    ngx_str_t                   stream = ngx_string("s:3");
    ngx_http_ai_record_t        rec;
    ngx_http_ai_record_trim_t   trim;
    ngx_http_ai_test_command_t  cmd;

    ngx_http_ai_record_init(&rec);
    rec.status = 200;

    trim.maxlen = 0;
    trim.minid_ms = 1795417888000u;

    n = ngx_http_ai_record_xadd(&rec, &stream, &trim, buf, sizeof(buf));

    t_eq(ngx_http_ai_test_parse(&cmd, buf, n), NGX_OK);
    t_eq(cmd.len, n);
    t_eq(cmd.n, 10);
    t_str(cmd.args[0], "XADD");
    t_str(cmd.args[1], "s:3");
    t_str(cmd.args[2], "MINID");
    t_str(cmd.args[3], "~");
    t_str(cmd.args[4], "1795417888000");
    t_str(cmd.args[5], "*");
    t_str(cmd.args[6], "v");
    t_str(cmd.args[8], "status");

    /* both would be a syntax error */

    trim.maxlen = 7;

    n = ngx_http_ai_record_xadd(&rec, &stream, &trim, buf, sizeof(buf));

    t_eq(ngx_http_ai_test_parse(&cmd, buf, n), NGX_OK);
    t_eq(cmd.n, 10);
    t_str(cmd.args[2], "MAXLEN");
    t_str(cmd.args[4], "7");
}


static void
ngx_http_ai_test_shard(void)
{
    char                  id[40];
    ngx_str_t             event_id;
    ngx_uint_t            i, n, shard, min, count[16];

    event_id.len = 0;
    event_id.data = NULL;

    t_eq(ngx_http_ai_record_shard(&event_id, 1), 0);
    t_ok(ngx_http_ai_record_shard(&event_id, 16) < 16);

    ngx_memzero(count, sizeof(count));

    for (i = 0; i < 16000; i++) {
        n = sprintf(id, "%032lx/0", (unsigned long) (i * 2654435761u));
        event_id.data = (u_char *) id;
        event_id.len = n;

        shard = ngx_http_ai_record_shard(&event_id, 16);
        t_ok(shard < 16);
        count[shard % 16]++;

        /* an attempt goes where its request went */

        id[n - 1] = '7';
        t_eq(ngx_http_ai_record_shard(&event_id, 16), shard);
    }

    for (min = 16000, i = 0; i < 16; i++) {
        min = ngx_min(min, count[i]);
    }

    t_ok(min > 900);
}


static void
ngx_http_ai_test_xadd_absent(void)
{
    size_t                      n;
    u_char                      buf[1024];
    ngx_http_ai_test_command_t  cmd;
    ngx_http_ai_record_t        rec;

    ngx_http_ai_record_init(&rec);

    n = ngx_http_ai_test_encode(&rec, 0, buf, sizeof(buf));
    t_mem(buf, n, "*5\r\n$4\r\nXADD\r\n$8\r\nai:usage\r\n$1\r\n*\r\n"
                  "$1\r\nv\r\n$1\r\n1\r\n", 49);

    rec.status = 0;
    rec.cost_nanousd = -5;
    rec.outcome.data = (u_char *) "ok";
    rec.outcome.len = 2;

    n = ngx_http_ai_test_encode(&rec, 1, buf, sizeof(buf));
    t_eq(ngx_http_ai_test_parse(&cmd, buf, n), NGX_OK);
    t_eq(cmd.n, 6 + 2 * 4);
    t_str(*ngx_http_ai_test_field(&cmd, "status"), "0");
    t_str(*ngx_http_ai_test_field(&cmd, "cost_nanousd"), "-5");
    t_str(*ngx_http_ai_test_field(&cmd, "outcome"), "ok");
    t_ok(ngx_http_ai_test_field(&cmd, "attempt") == NULL);
}


/* values that look like protocol must stay values */

static void
ngx_http_ai_test_xadd_hostile(void)
{
    size_t                       n, i;
    u_char                       buf[NGX_HTTP_AI_RECORD_MAX];
    ngx_str_t                   *v;
    ngx_http_ai_test_command_t   cmd;
    ngx_http_ai_record_t         rec;

    static const ngx_str_t  values[] = {
        ngx_string("\r\n*1\r\n$8\r\nFLUSHALL\r\n"),
        ngx_string("\0\0\0"),
        ngx_string("\xff\xfe\xc0\x80"),
        ngx_string("\"\\\n\t{}"),
        ngx_string("$-1\r\n"),
        ngx_string("\xed\xa0\x80"),
        ngx_null_string
    };

    for (i = 0; values[i].len; i++) {
        ngx_http_ai_test_fill(&rec, (char *) values[i].data, values[i].len,
                              INT64_MAX);
        n = ngx_http_ai_test_encode(&rec, UINT64_MAX, buf, sizeof(buf));
        t_eq(ngx_http_ai_test_parse(&cmd, buf, n), NGX_OK);
        t_eq(cmd.len, n);
        t_eq(cmd.n, 80);

        v = ngx_http_ai_test_field(&cmd, "class");
        t_mem(v->data, v->len, values[i].data, values[i].len);

        v = ngx_http_ai_test_field(&cmd, "trace_id");
        t_mem(v->data, v->len, values[i].data, values[i].len);

        t_str(*ngx_http_ai_test_field(&cmd, "drill"), "9223372036854775807");
    }
}


/* one size enough, and every smaller one refused without a byte too far */

static void
ngx_http_ai_test_xadd_sizes(void)
{
    size_t                 n, size;
    u_char                *buf, big[NGX_HTTP_AI_RECORD_MAX];
    ngx_http_ai_record_t   rec;

    ngx_http_ai_test_fill(&rec, "some value", 10, 1234);
    n = ngx_http_ai_test_encode(&rec, 10, big, sizeof(big));

    for (size = 0; size <= n + 1; size++) {
        buf = malloc(size ? size : 1);
        t_eq(ngx_http_ai_test_encode(&rec, 10, buf, size),
             size < n ? 0 : n);
        free(buf);
    }
}


static void
ngx_http_ai_test_xadd_largest(void)
{
    char                        *s;
    u_char                       buf[NGX_HTTP_AI_RECORD_MAX + 8];
    size_t                       n;
    ngx_http_ai_test_command_t   cmd;
    ngx_http_ai_record_t         rec;

    s = malloc(10240);
    memset(s, 'a', 10240);

    ngx_http_ai_test_fill(&rec, s, 10240, INT64_MIN + 1);
    n = ngx_http_ai_test_encode(&rec, UINT64_MAX, buf,
                                sizeof(buf));
    t_ok(n > 0);
    t_eq(ngx_http_ai_test_parse(&cmd, buf, n), NGX_OK);
    t_eq(ngx_http_ai_test_field(&cmd, "trail")->len, NGX_HTTP_AI_RECORD_VALUE);

    free(s);
}


/* the cut falls on every byte of a character of every length */

static void
ngx_http_ai_test_cut(void)
{
    u_char                       buf[NGX_HTTP_AI_RECORD_MAX], s[600];
    size_t                       n, shift, want, i;
    ngx_http_ai_test_command_t   cmd;
    ngx_str_t                   *v;
    ngx_uint_t                   k;
    ngx_http_ai_record_t         rec;

    static const ngx_str_t  chars[] = {
        ngx_string("\xc3\xa9"),
        ngx_string("\xe2\x82\xac"),
        ngx_string("\xf0\x9f\x98\x80")
    };

    for (k = 0; k < 3; k++) {
        for (shift = 0; shift < 4; shift++) {
            memset(s, '-', sizeof(s));

            for (i = shift; i + 4 < sizeof(s); i += chars[k].len) {
                memcpy(s + i, chars[k].data, chars[k].len);
            }

            want = shift + (512 - shift) / chars[k].len * chars[k].len;

            ngx_http_ai_record_init(&rec);
            rec.trail.data = s;
            rec.trail.len = sizeof(s);

            n = ngx_http_ai_test_encode(&rec, 1, buf, sizeof(buf));
            t_eq(ngx_http_ai_test_parse(&cmd, buf, n), NGX_OK);

            v = ngx_http_ai_test_field(&cmd, "trail");
            t_eq(v->len, want);
        }
    }

    /* continuation bytes alone are no characters: cut as bytes */

    memset(s, 0x80, sizeof(s));
    n = ngx_http_ai_test_encode(&rec, 1, buf, sizeof(buf));
    t_eq(ngx_http_ai_test_parse(&cmd, buf, n), NGX_OK);
    t_eq(ngx_http_ai_test_field(&cmd, "trail")->len, 512);

    /* exactly the limit is not cut */

    rec.trail.len = 512;
    memset(s, 0xc3, sizeof(s));
    n = ngx_http_ai_test_encode(&rec, 1, buf, sizeof(buf));
    t_eq(ngx_http_ai_test_parse(&cmd, buf, n), NGX_OK);
    t_eq(ngx_http_ai_test_field(&cmd, "trail")->len, 512);
}


static void
ngx_http_ai_test_json(void)
{
    u_char                buf[4096], *tight;
    size_t                n, size;
    ngx_http_ai_record_t  rec;

    ngx_http_ai_record_init(&rec);

    n = ngx_http_ai_record_json(&rec, buf, sizeof(buf));
    t_mem(buf, n, "{\"v\":1}\n", 8);

    rec.kind.data = (u_char *) "request";
    rec.kind.len = 7;
    rec.trail.data = (u_char *) "a\"\\\n\x01\xff" "b";
    rec.trail.len = 7;
    rec.ts_ms = 1700000000000;
    rec.cost_nanousd = -1;
    rec.drill = 0;

    n = ngx_http_ai_record_json(&rec, buf, sizeof(buf));
    buf[n] = '\0';
    ngx_http_ai_test_note = (char *) buf;

    t_ok(strncmp((char *) buf, "{\"v\":1,\"kind\":\"request\","
                               "\"ts_ms\":1700000000000,\"trail\":\"a\\\"\\\\",
                 55) == 0);
    t_ok(strstr((char *) buf, "\",\"cost_nanousd\":-1,\"drill\":0}\n"));
    t_ok(memchr(buf, '\n', n) == buf + n - 1);
    t_ok(memchr(buf, 0xff, n) == NULL);
    t_ok(memchr(buf, 0x01, n) == NULL);

    for (size = 0; size <= n; size++) {
        tight = malloc(size ? size : 1);
        t_eq(ngx_http_ai_record_json(&rec, tight, size), size < n ? 0 : n);
        free(tight);
    }
}


/* six bytes for one: RECORD_JSON_MAX must hold the worst of all records */

static void
ngx_http_ai_test_json_largest(void)
{
    char                  *s;
    u_char                *buf;
    size_t                 n;
    ngx_http_ai_record_t   rec;

    s = malloc(10240);
    buf = malloc(NGX_HTTP_AI_RECORD_JSON_MAX);

    memset(s, 0x01, 10240);
    ngx_http_ai_test_fill(&rec, s, 10240, INT64_MIN + 1);
    n = ngx_http_ai_record_json(&rec, buf, NGX_HTTP_AI_RECORD_JSON_MAX);
    t_ok(n > 21 * 512 * 6);
    t_ok(buf[n - 1] == '\n' && memchr(buf, '\n', n - 1) == NULL);

    memset(s, 0xff, 10240);
    n = ngx_http_ai_record_json(&rec, buf, NGX_HTTP_AI_RECORD_JSON_MAX);
    t_ok(n > 0);
    t_ok(memchr(buf, 0xff, n) == NULL);

    free(s);
    free(buf);
}


/* what the spool does: into another stream, under another limit */

static void
ngx_http_ai_test_again(void)
{
    size_t                      n, m, k;
    u_char                      buf[NGX_HTTP_AI_RECORD_MAX], *p;
    u_char                      want[NGX_HTTP_AI_RECORD_MAX];
    u_char                      got[NGX_HTTP_AI_RECORD_MAX];
    ngx_str_t                   cmd, pairs, id;
    ngx_uint_t                  i, from, to, nargs;
    ngx_http_ai_record_t        rec;

    static const ngx_str_t  name = ngx_string("event_id");

    static const ngx_str_t  streams[] = {
        ngx_string("ai:usage"), ngx_string("*"), ngx_string("a longer name")
    };

    static const ngx_http_ai_record_trim_t  limits[] = {
        { 0, 0 }, { UINT64_MAX, 0 }, { 0, 1795417888000u }
    };

    ngx_http_ai_test_fill(&rec, "*\r\n$1\r\n*", 9, 7);

    for (i = 0; i < 81; i++) {
        from = i % 9;
        to = i / 9;

        n = ngx_http_ai_record_xadd(&rec, &streams[from % 3],
                                    &limits[from / 3], buf, sizeof(buf));
        m = ngx_http_ai_record_xadd(&rec, &streams[to % 3], &limits[to / 3],
                                    want, sizeof(want));

        cmd.data = ngx_http_ai_test_dup(buf, n);
        cmd.len = n;

        t_eq(ngx_http_ai_record_pairs(&cmd, &pairs, &nargs), NGX_OK);
        t_eq(nargs, 74);

        k = ngx_http_ai_record_again(&pairs, nargs, &streams[to % 3],
                                     &limits[to / 3], got, sizeof(got));
        t_mem(got, k, want, m);
        t_eq(ngx_http_ai_record_again(&pairs, nargs, &streams[to % 3],
                                      &limits[to / 3], got, m - 1), 0);

        ngx_http_ai_record_find(&pairs, nargs, &name, &id);
        t_mem(id.data, id.len, "*\r\n$1\r\n*", 9);
        free(cmd.data);
    }

    /* every part of one, and one with any byte replaced, is read in bounds */

    for (i = 0; i < n; i++) {
        p = ngx_http_ai_test_dup(buf, i);
        cmd.data = p;
        cmd.len = i;
        t_eq(ngx_http_ai_record_pairs(&cmd, &pairs, &nargs), NGX_DECLINED);
        free(p);

        p = ngx_http_ai_test_dup(buf, n);
        p[i] ^= 1 + ngx_http_ai_test_random() % 255;
        cmd.data = p;
        cmd.len = n;

        if (ngx_http_ai_record_pairs(&cmd, &pairs, &nargs) == NGX_OK) {
            t_ok(pairs.data >= p && pairs.data + pairs.len == p + n);
            t_ok(nargs % 2 == 0);

            ngx_http_ai_record_find(&pairs, nargs, &name, &id);
            t_ok(id.len == 0
                 || (id.data >= p && id.data + id.len <= p + n));
        }

        free(p);
    }
}


static void
ngx_http_ai_test_queue_put(ngx_http_ai_resp_queue_t *q, ngx_uint_t i,
    size_t len)
{
    u_char  *p;
    size_t   size;

    p = ngx_http_ai_resp_queue_reserve(q, len, &size);

    t_ok(p != NULL && size >= len);

    if (p) {
        memset(p, (int) (i & 0xff), len);
        ngx_http_ai_resp_queue_commit(q, len, 0);
    }
}


static void
ngx_http_ai_test_queue_order(void)
{
    ngx_str_t                 cmd;
    ngx_uint_t                i;
    ngx_http_ai_resp_queue_t  q;

    t_eq(ngx_http_ai_resp_queue_init(&q, 1024 * 1024, NULL, 0), NGX_OK);
    t_eq(ngx_http_ai_resp_queue_next(&q, &cmd), NGX_DONE);

    for (i = 0; i < 4; i++) {
        ngx_http_ai_test_queue_put(&q, i, 10 + i);
    }

    for (i = 0; i < 4; i++) {
        t_eq(ngx_http_ai_resp_queue_next(&q, &cmd), NGX_OK);
        t_eq(cmd.len, 10 + i);
        t_eq(cmd.data[9], i);
        ngx_http_ai_resp_queue_sent(&q);
    }

    t_eq(ngx_http_ai_resp_queue_next(&q, &cmd), NGX_DONE);
    t_eq(q.inflight, 4);

    /* 0 and 2 are confirmed, 1 is not, 3 is in flight at the loss */

    ngx_http_ai_resp_queue_reply(&q, 1);
    ngx_http_ai_resp_queue_reply(&q, 0);
    ngx_http_ai_resp_queue_reply(&q, 1);
    ngx_http_ai_resp_queue_rewind(&q);

    t_eq(q.n, 2);
    t_eq(q.inflight, 0);

    t_eq(ngx_http_ai_resp_queue_next(&q, &cmd), NGX_OK);
    t_eq(cmd.data[0], 1);
    ngx_http_ai_resp_queue_sent(&q);
    t_eq(ngx_http_ai_resp_queue_next(&q, &cmd), NGX_OK);
    t_eq(cmd.data[0], 3);
    ngx_http_ai_resp_queue_sent(&q);

    ngx_http_ai_resp_queue_reply(&q, 1);
    ngx_http_ai_resp_queue_reply(&q, 1);
    ngx_http_ai_resp_queue_reply(&q, 1);        /* of nothing */
    ngx_http_ai_resp_queue_release(&q);

    t_eq(q.n, 0);
    t_eq(q.nblocks, 1);
    ngx_http_ai_resp_queue_free(&q);
}


static void
ngx_http_ai_test_queue_bound(void)
{
    u_char                    *p;
    size_t                     size;
    ngx_uint_t                 n;
    ngx_http_ai_resp_queue_t   q;

    t_eq(ngx_http_ai_resp_queue_init(&q, 3 * NGX_HTTP_AI_RESP_BLOCK, NULL, 0),
         NGX_OK);
    t_ok(ngx_http_ai_resp_queue_reserve(&q, NGX_HTTP_AI_RESP_COMMAND + 1,
                                        &size)
         == NULL);

    for (n = 0; n < 1000; n++) {
        p = ngx_http_ai_resp_queue_reserve(&q, 1000, &size);

        if (p == NULL) {
            break;
        }

        memset(p, 'x', 1000);
        ngx_http_ai_resp_queue_commit(&q, 1000, 0);
    }

    t_eq(q.nblocks, 3);
    t_eq(n, 3 * ((NGX_HTTP_AI_RESP_BLOCK - 16)
                 / ngx_http_ai_frame_size(1000)));

    ngx_http_ai_resp_queue_free(&q);
}


/* a long random life, against a plain array of who is confirmed */

static void
ngx_http_ai_test_queue_random(void)
{
    ngx_str_t                 cmd;
    ngx_uint_t                step, put, oldest, flight, nsent, i, n;
    ngx_uint_t                sent[4096];
    static u_char             done[200000];
    ngx_http_ai_resp_queue_t  q;

    put = nsent = oldest = flight = 0;
    memset(done, 0, sizeof(done));

    t_eq(ngx_http_ai_resp_queue_init(&q, 1024 * 1024, NULL, 0), NGX_OK);

    for (step = 0; step < 200000; step++) {

        switch (ngx_http_ai_test_random() % 16) {

        case 0: case 1: case 2: case 3: case 4:
            if (q.n < 500) {
                n = 4 + ngx_http_ai_test_random() % 1500;
                ngx_http_ai_test_queue_put(&q, put++, n);
            }
            break;

        case 5: case 6: case 7: case 8: case 9:
            if (nsent - flight < 100
                && ngx_http_ai_resp_queue_next(&q, &cmd) == NGX_OK)
            {
                /* the next that is neither confirmed nor in flight */

                i = (nsent == flight) ? oldest : sent[(nsent - 1) % 4096] + 1;
                if (i < oldest) { i = oldest; }
                while (i < put && done[i]) { i++; }

                t_eq(cmd.data[0], i & 0xff);
                t_eq(cmd.data[cmd.len - 1], i & 0xff);
                sent[nsent++ % 4096] = i;
                ngx_http_ai_resp_queue_sent(&q);
            }
            break;

        case 10: case 11: case 12: case 13:
            if (flight < nsent) {
                i = ngx_http_ai_test_random() % 20 != 0;
                ngx_http_ai_resp_queue_reply(&q, i);
                done[sent[flight++ % 4096]] = (u_char) i;

                if (i == 0) {

                    /* what the connection does: drain, then rewind */

                    while (flight < nsent) {
                        ngx_http_ai_resp_queue_reply(&q, 1);
                        done[sent[flight++ % 4096]] = 1;
                    }

                    ngx_http_ai_resp_queue_rewind(&q);
                    nsent = flight = 0;
                }
            }
            break;

        case 14:
            ngx_http_ai_resp_queue_release(&q);
            break;

        default:
            if (ngx_http_ai_test_random() % 50 == 0) {
                ngx_http_ai_resp_queue_rewind(&q);
                nsent = flight = 0;
            }
        }

        while (oldest < put && done[oldest]) { oldest++; }

        t_eq(q.inflight, nsent - flight);
    }

    for (i = 0, step = 0; i < put; i++) {
        step += !done[i];
    }

    t_ok(put > 10000);
    t_eq(q.n, step);

    ngx_http_ai_resp_queue_free(&q);
}


/* the other form: all fields, none, and bytes that no log may have */

static void
ngx_http_ai_test_audit(void)
{
    size_t                        n, k;
    u_char                        buf[NGX_HTTP_AI_RECORD_JSON_MAX];
    ngx_str_t                     v, *value;
    ngx_uint_t                    i;
    ngx_http_ai_test_command_t    cmd;
    ngx_http_ai_record_audit_t    rec;

    static const ngx_str_t  stream = ngx_string("ai:usage:audit");

    static const char  *names[] = {
        "event_id", "kind", "ts_ms", "action", "object", "account", "model",
        "endpoint", "stream", "class", "fault_id", "result", "status",
        "remote_addr", "request_id"
    };

    static const char  text[] = "action=\"a\\n\\\"\\ufffd\" "
                                "object=\"a\\n\\\"\\ufffd\" ";

    static const ngx_http_ai_record_trim_t  trim = { 1000, 0 };

    ngx_http_ai_record_audit_init(&rec);

    n = ngx_http_ai_record_form_json(&ngx_http_ai_record_audit, &rec, buf,
                                     sizeof(buf));
    t_mem(buf, n, "{\"v\":1}\n", 8);
    t_eq(ngx_http_ai_record_audit_text(&rec, buf, sizeof(buf)) - buf, 0);

    v.data = (u_char *) "a\n\"\xff";
    v.len = 4;

    rec.event_id = rec.kind = rec.action = rec.object = rec.account = v;
    rec.model = rec.endpoint = rec.stream = rec.ai_class = rec.fault_id = v;
    rec.result = rec.remote_addr = rec.request_id = v;
    rec.ts_ms = rec.status = 7;

    n = ngx_http_ai_record_form_xadd(&ngx_http_ai_record_audit, &rec, &stream,
                                     &trim, buf, sizeof(buf));
    t_eq(ngx_http_ai_test_parse(&cmd, buf, n), NGX_OK);
    t_eq(cmd.n, 6 + 2 * 16);
    t_mem(cmd.args[1].data, cmd.args[1].len, "ai:usage:audit", 14);

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        t_mem(cmd.args[8 + 2 * i].data, cmd.args[8 + 2 * i].len, names[i],
              strlen(names[i]));

        value = ngx_http_ai_test_field(&cmd, names[i]);

        if (i == 2 || i == 12) {
            t_mem(value->data, value->len, "7", 1);
        } else {
            t_mem(value->data, value->len, v.data, v.len);
        }
    }

    n = ngx_http_ai_record_form_json(&ngx_http_ai_record_audit, &rec, buf,
                                     sizeof(buf));
    t_ok(n > 0 && buf[n - 1] == '\n');
    t_ok(memchr(buf, '\n', n - 1) == NULL);
    t_ok(memchr(buf, 0xff, n) == NULL);

    n = ngx_http_ai_record_audit_text(&rec, buf, sizeof(buf)) - buf;
    t_ok(n > 0);
    t_mem(buf, sizeof(text) - 1, text, sizeof(text) - 1);
    t_ok(memchr(buf, '\n', n) == NULL);

    /* whatever room there is, it is not left, and no word is half there */

    for (k = 0; k <= n; k++) {
        u_char  *p, *room;

        room = malloc(k ? k : 1);
        p = ngx_http_ai_record_audit_text(&rec, room, k);

        t_ok((size_t) (p - room) <= k);
        t_ok(p == room || p[-1] == '"');
        free(room);
    }

    /* a long one is cut at a whole character */

    ngx_http_ai_record_audit_init(&rec);

    for (i = 0; i < 3000; i += 3) {
        ngx_memcpy(buf + i, "\xe2\x82\xac", 3);
    }

    rec.account.data = buf;
    rec.account.len = 3000;

    n = ngx_http_ai_record_audit_text(&rec, buf + 4096, 4096) - (buf + 4096);
    t_eq(n, sizeof("account=\"\"") - 1 + 126);
}


static void
ngx_http_ai_test_pin(void)
{
    size_t                     n;
    u_char                     buf[512];
    ngx_str_t                  cmd;
    ngx_str_t                  pairs, value;
    ngx_uint_t                 nargs;
    ngx_http_ai_record_pin_t   rec = {
        ngx_string("pin"), ngx_string("0123"), ngx_string("a.test")
    };

    static const ngx_str_t  kind = ngx_string("kind");
    static const ngx_str_t  stream = ngx_string("s:pins");

    static const char  want[] =
        "*14\r\n$4\r\nXADD\r\n$6\r\ns:pins\r\n$6\r\nMAXLEN\r\n"
        "$1\r\n~\r\n$3\r\n100\r\n$1\r\n*\r\n$1\r\nv\r\n$1\r\n1\r\n"
        "$4\r\nkind\r\n$3\r\npin\r\n$2\r\nid\r\n$4\r\n0123\r\n"
        "$7\r\naccount\r\n$6\r\na.test\r\n";

    static const ngx_http_ai_record_trim_t  trim = { 100, 0 };

    n = ngx_http_ai_record_form_xadd(&ngx_http_ai_record_pin, &rec, &stream,
                                     &trim, buf, sizeof(buf));
    t_mem(buf, n, want, sizeof(want) - 1);

    /* what a spool looks at to know whose stream it is for */

    cmd.data = buf;
    cmd.len = n;

    t_eq(ngx_http_ai_record_pairs(&cmd, &pairs, &nargs), NGX_OK);
    t_eq(nargs, 8);

    ngx_http_ai_record_find(&pairs, nargs, &kind, &value);
    t_str(value, "pin");
}


static const ngx_http_ai_test_t  tests[] = {
    { "audit: fields, escapes, room", ngx_http_ai_test_audit },
    { "a pin", ngx_http_ai_test_pin },
    { "resp: numbers and the empty string", ngx_http_ai_test_resp_numbers },
    { "resp: count of arguments", ngx_http_ai_test_resp_count },
    { "xadd: all fields, names and order", ngx_http_ai_test_xadd_all },
    { "xadd: minid", ngx_http_ai_test_xadd_minid },
    { "shards", ngx_http_ai_test_shard },
    { "xadd: absent fields", ngx_http_ai_test_xadd_absent },
    { "xadd: put together anew", ngx_http_ai_test_again },
    { "xadd: hostile values", ngx_http_ai_test_xadd_hostile },
    { "xadd: every buffer size", ngx_http_ai_test_xadd_sizes },
    { "xadd: largest record", ngx_http_ai_test_xadd_largest },
    { "values are cut at a whole character", ngx_http_ai_test_cut },
    { "json: a line", ngx_http_ai_test_json },
    { "json: largest record", ngx_http_ai_test_json_largest },
    { "queue: order, errors, loss", ngx_http_ai_test_queue_order },
    { "queue: bound", ngx_http_ai_test_queue_bound },
    { "queue: random life", ngx_http_ai_test_queue_random },
    { NULL, NULL }
};


int
main(void)
{
    return ngx_http_ai_test_run(tests);
}
