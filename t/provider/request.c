
/*
 * HTTP/1.1 request parsing, the /__ pages, and the choice of behaviour for
 * each request.
 */

#include "ai-provider.h"


enum { CH_SIZE, CH_EXT, CH_DATA, CH_DATA_END, CH_TRAILER, CH_TRAILER_LINE };

static unsigned long  request_id;


static const EVP_MD *
sha1(void)
{
    static EVP_MD  *md;

    if (md == NULL) {
        md = EVP_MD_fetch(NULL, "SHA1", NULL);
    }

    return md;
}


/*
 * A request is refused before its body was read: say so, then close, as the
 * rest of the input cannot be made sense of.
 */

static void
refuse(conn_t *c, int special, int status)
{
    c->keep = 0;
    c->in.len = 0;
    spec_init(&c->a.sp);
    c->a.special = (char) special;
    c->a.status = status;
    c->a.ep = EP_UNKNOWN;
    c->a.name = c->port->name;
    c->state = ST_ANSWER;
    answer_start(c);
}


static void
record_last(conn_t *c)
{
    port_t      *port = c->port;
    const char  *sni = NULL;

    port->last_head.len = 0;
    port->last_body.len = 0;
    port->last_form.len = 0;
    buf_add(&port->last_head, c->head.p, c->head.len);
    buf_add(&port->last_body, c->body.p, c->body.len);
    port->last_bytes = c->body_bytes;
    port->last_conn_requests = c->requests;
    port->last_sha1_set = 0;
    port->last_sni[0] = '\0';
    port->last_tls = c->ssl != NULL;
    port->last_reused = 0;

    if (c->sha && EVP_DigestFinal_ex(c->sha, port->last_sha1, NULL) == 1) {
        port->last_sha1_set = 1;
    }

    if (c->ssl) {
        sni = SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name);
        snprintf(port->last_sni, sizeof(port->last_sni), "%s", sni ? sni : "");
        port->last_reused = SSL_session_reused(c->ssl);
    }
}


static void
page_stats(conn_t *c, buf_t *b)
{
    int       i, n = 0;
    port_t   *port = c->port;
    stats_t  *st = &port->st;

    buf_fmt(b, "{\"name\":\"%s\",\"requests\":%lu,\"models\":%lu,"
            "\"streams\":%lu,"
            "\"completed\":%lu,\"aborted\":%lu,\"connections\":%lu,"
            "\"open_connections\":%ld,\"by_status\":{", port->name,
            st->requests, st->models, st->streams, st->completed, st->aborted,
            st->connections, port->open);

    for (i = 0; i < 1000; i++) {
        if (st->by_status[i]) {
            buf_fmt(b, "%s\"%d\":%lu", n++ ? "," : "", i, st->by_status[i]);
        }
    }

    buf_str(b, "}}\n");
}


/* "Name: value" lines of a head, from its second line on */

static const char *
next_header(const char *p, const char *end, const char **name, size_t *nname,
    const char **val, size_t *nval)
{
    const char  *eol, *colon, *v, *ve;

    for ( ;; ) {
        eol = memchr(p, '\n', (size_t) (end - p));

        if (eol == NULL || eol == p || (eol == p + 1 && *p == '\r')) {
            return NULL;
        }

        colon = memchr(p, ':', (size_t) (eol - p));
        if (colon) {
            break;
        }

        p = eol + 1;
    }

    for (v = colon + 1; v < eol && (*v == ' ' || *v == '\t'); v++) {
        /* void */
    }

    for (ve = eol; ve > v && (ve[-1] == '\r' || ve[-1] == ' '); ve--) {
        /* void */
    }

    *name = p;
    *nname = (size_t) (colon - p);
    *val = v;
    *nval = (size_t) (ve - v);

    return eol + 1;
}


static void
page_last(conn_t *c, buf_t *b)
{
    int             n = 0;
    char            hex[41];
    size_t          nname, nval;
    port_t         *port = c->port;
    const char     *p, *end, *sp, *sp2, *name, *val;
    unsigned char  *sha;

    if (port->last_head.len == 0) {
        buf_str(b, "{}\n");
        return;
    }

    p = port->last_head.p;
    end = p + port->last_head.len;
    sp = memchr(p, ' ', port->last_head.len);
    sp2 = memchr(sp + 1, ' ', (size_t) (end - sp - 1));

    buf_str(b, "{\"method\":");
    buf_json(b, p, (size_t) (sp - p));
    buf_str(b, ",\"uri\":");
    buf_json(b, sp + 1, (size_t) (sp2 - sp - 1));
    buf_str(b, ",\"headers\":[");

    p = memchr(p, '\n', port->last_head.len);
    p++;

    while ((p = next_header(p, end, &name, &nname, &val, &nval)) != NULL) {
        buf_str(b, n++ ? ",[" : "[");
        buf_json(b, name, nname);
        buf_str(b, ",");
        buf_json(b, val, nval);
        buf_str(b, "]");
    }

    sha = port->last_sha1;

    if (!port->last_sha1_set) {
        EVP_Digest(port->last_body.p ? port->last_body.p : "",
                   port->last_body.len, sha, NULL, sha1(), NULL);
    }

    hex_string(hex, sha, 20);
    buf_fmt(b, "],\"body_bytes\":%llu,\"body_sha1\":\"%s\",\"body\":",
            (unsigned long long) port->last_bytes, hex);
    buf_json(b, port->last_body.p, port->last_body.len);

    if (port->last_form.len) {
        buf_str(b, ",\"form\":");
        buf_add(b, port->last_form.p, port->last_form.len);
    }

    buf_fmt(b, ",\"tls\":%s,\"tls_session_reused\":%s,\"tls_sni\":",
            port->last_tls ? "true" : "false",
            port->last_reused ? "true" : "false");

    if (port->last_sni[0]) {
        buf_json(b, port->last_sni, strlen(port->last_sni));
    } else {
        buf_str(b, "null");
    }

    buf_fmt(b, ",\"connection_requests\":%u,\"name\":\"%s\"}\n",
            port->last_conn_requests, port->name);
}


/* a script: one line is one step, the last may be open-ended */

static int
set_fault(port_t *port, const char *p, size_t n, char *err, size_t errlen)
{
    int          nstep = 0;
    spec_t       step[SIM_STEPS];
    const char  *eol, *end = p + n, *s;

    while (p < end) {
        eol = memchr(p, '\n', (size_t) (end - p));
        if (eol == NULL) {
            eol = end;
        }

        for (s = p; s < eol && strchr(" ,\t\r", *s); s++) {
            /* void */
        }

        if (s < eol) {
            if (nstep == SIM_STEPS) {
                snprintf(err, errlen, "more than %d steps", SIM_STEPS);
                return -1;
            }

            spec_init(&step[nstep]);

            if (spec_parse(&step[nstep], s, (size_t) (eol - s), err, errlen)
                != 0)
            {
                return -1;
            }

            nstep++;
        }

        p = eol + 1;
    }

    memcpy(port->step, step, (size_t) nstep * sizeof(spec_t));
    port->nstep = nstep;
    port->cur = 0;

    return 0;
}


static void
serve_page(conn_t *c)
{
    int         status = 200, post;
    char        err[96] = "";
    buf_t       b = { NULL, 0, 0 };
    port_t     *port = c->port;
    const char *uri = c->a.uri, *type = "application/json";

    post = strcmp(c->a.method, "POST") == 0;

    if (strcmp(uri, "/__stats") == 0) {
        page_stats(c, &b);

    } else if (strcmp(uri, "/__last") == 0) {
        page_last(c, &b);

    } else if (post && strcmp(uri, "/__reset") == 0) {
        memset(&port->st, 0, sizeof(stats_t));
        port->nstep = 0;
        port->last_head.len = 0;
        buf_str(&b, "{\"ok\":true}\n");

    } else if (post && strcmp(uri, "/__fault") == 0) {
        if (set_fault(port, c->body.p ? c->body.p : "", c->body.len, err,
                      sizeof(err)) != 0)
        {
            status = 400;
            buf_str(&b, "{\"error\":");
            buf_json(&b, err, strlen(err));
            buf_str(&b, "}\n");

        } else {
            buf_fmt(&b, "{\"ok\":true,\"steps\":%d}\n", port->nstep);
        }

    } else {
        status = 404;
        type = "text/plain";
        buf_str(&b, "no such page\n");
    }

    answer_plain(c, status, type, &b);
    buf_free(&b);
}


/*
 * The first row whose path is the end of the request's decides.  A "*" is a
 * segment, which is the id of something that was made before.
 */

typedef struct {
    const char  *path;
    const char  *methods;
    endpoint_e   ep;
    int          streams;
} row_t;

static const row_t  rows[] = {
    { "/chat/completions",     "POST",       EP_CHAT,           1 },
    { "/completions",          "POST",       EP_COMPLETIONS,    1 },
    { "/embeddings",           "POST",       EP_EMBEDDINGS,     0 },
    { "/responses",            "POST",       EP_RESPONSES,      1 },
    { "/responses/*",          "GET DELETE", EP_RESPONSE,       0 },
    { "/messages",             "POST",       EP_MESSAGES,       1 },
    { "/moderations",          "POST",       EP_MODERATIONS,    0 },
    { "/images/generations",   "POST",       EP_IMAGES,         0 },
    { "/images/edits",         "POST",       EP_IMAGES,         0 },
    { "/images/variations",    "POST",       EP_IMAGES,         0 },
    { "/audio/speech",         "POST",       EP_SPEECH,         0 },
    { "/audio/transcriptions", "POST",       EP_TRANSCRIPTIONS, 1 },
    { "/audio/translations",   "POST",       EP_TRANSCRIPTIONS, 0 },
    { "/rerank",               "POST",       EP_RERANK,         0 },
    { "/files",                "GET POST",   EP_FILES,          0 },
    { "/files/*",              "GET DELETE", EP_FILE,           0 },
    { "/files/*/content",      "GET",        EP_FILE_CONTENT,   0 },
    { "/batches",              "GET POST",   EP_BATCHES,        0 },
    { "/batches/*",            "GET",        EP_BATCH,          0 },
    { "/models",               "GET",        EP_MODELS,         0 },
};

static const row_t  no_row = { "", "", EP_UNKNOWN, 0 };


/* from the end of both; the segment of "*" goes into id */

static int
path_ends(const char *uri, size_t n, const char *path, char *id, size_t size)
{
    size_t  k = strlen(path), end;

    while (k) {
        if (path[k - 1] != '*') {
            if (n == 0 || uri[n - 1] != path[k - 1]) {
                return 0;
            }
            n--;
            k--;
            continue;
        }

        for (end = n, k--; n && uri[n - 1] != '/'; n--) {
            /* void */
        }

        if (n == end || end - n >= size) {
            return 0;
        }

        memcpy(id, uri + n, end - n);
        id[end - n] = '\0';
    }

    return 1;
}


static const row_t *
find_row(conn_t *c)
{
    size_t       i, n = c->uri_len;
    const char  *uri = c->head.p + c->uri_off, *q = memchr(uri, '?', n);

    if (q) {
        n = (size_t) (q - uri);
    }

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (path_ends(uri, n, rows[i].path, c->a.thing, sizeof(c->a.thing))) {
            return &rows[i];
        }
    }

    return &no_row;
}


static int
has_method(const row_t *row, const char *method)
{
    const char  *p = strstr(row->methods, method);

    return p && (p[strlen(method)] == ' ' || p[strlen(method)] == '\0');
}


/* X-Sim was read with the head; a script step is spent here */

static void
choose_early(conn_t *c)
{
    spec_t  *step;
    port_t  *port = c->port;

    if (c->sim_set || port->cur >= port->nstep) {
        return;
    }

    step = &port->step[port->cur];
    c->a.sp = *step;
    c->sim_set = 1;

    if (step->times > 0 && --step->times == 0) {
        port->cur++;
    }
}


static void
request_ready(conn_t *c)
{
    int           bad;
    scan_t       *s = &c->scan;
    spec_t       *sp = &c->a.sp;
    answer_t     *a = &c->a;
    const row_t  *row;

    c->state = ST_ANSWER;

    if (c->admin) {
        serve_page(c);
        return;
    }

    c->port->st.requests++;
    record_last(c);
    bad = c->boundary[0] && form_read(c) != 0;

    memcpy(a->model, s->model, sizeof(a->model));

    if (!c->sim_set && !spec_from_model(sp, a->model) && default_spec_set) {
        *sp = default_spec;
    }

    row = find_row(c);
    a->ep = row->ep;
    c->port->st.models += a->ep == EP_MODELS;
    a->id = ++request_id;
    a->created = (long) time(NULL);
    a->name = c->port->name;
    a->include_usage = s->include_usage;
    a->n = s->n > 1 ? s->n > 100 ? 100 : s->n : 1;
    a->stream = s->stream && row->streams;
    a->nostore = s->nostore;
    memcpy(a->previous, s->previous, sizeof(a->previous));
    a->words = sp->words >= 0 ? sp->words : 8;

    if (s->max_tokens > 0 && s->max_tokens < a->words) {
        a->words = (int) s->max_tokens;
        a->cut_short = 1;
    }

    a->prompt = c->body_bytes / 4 ? c->body_bytes / 4 : 1;
    if (sp->prompt >= 0) {
        a->prompt = (unsigned long) sp->prompt;
    }

    a->cached = sp->cached > 0 ? (unsigned long) sp->cached : 0;
    if (a->cached > a->prompt) {
        a->cached = a->prompt;
    }

    a->reasoning = sp->reasoning > 0 ? (unsigned long) sp->reasoning : 0;
    a->completion = (unsigned long) a->words + a->reasoning;

    if (c->sim_error[0]) {
        a->special = SP_SIM;
        a->status = 400;

    } else if (nkeys && !c->key_ok) {
        a->special = c->has_key ? SP_BAD_KEY : SP_NO_KEY;
        a->status = 401;

    } else if (a->ep == EP_UNKNOWN) {
        a->special = SP_NOT_FOUND;
        a->status = 404;

    } else if (!has_method(row, a->method)) {
        a->special = SP_METHOD;
        a->status = 405;

    } else if (bad) {
        a->special = SP_BAD_REQUEST;
        a->status = 400;
    }

    if (a->special) {
        spec_init(sp);
        snprintf(sp->code, sizeof(sp->code), "%.40s", c->sim_error);
    }

    answer_start(c);
}


static int
body_data(conn_t *c, const char *p, size_t n)
{
    size_t  room;

    room = SIM_KEEP_BODY - c->body.len;

    if (n > room && c->sha == NULL) {
        c->sha = EVP_MD_CTX_new();
        if (c->sha == NULL || EVP_DigestInit_ex(c->sha, sha1(), NULL) != 1) {
            abort();
        }
        EVP_DigestUpdate(c->sha, c->body.p, c->body.len);
    }

    if (c->sha) {
        EVP_DigestUpdate(c->sha, p, n);
    }

    buf_add(&c->body, p, n < room ? n : room);

    if (c->boundary[0]) {
        buf_add(&c->form, p, n);
    }

    scan_feed(&c->scan, p, n);
    c->body_bytes += n;

    if (c->body_bytes > SIM_MAX_BODY) {
        refuse(c, SP_TOO_LARGE, 413);
        return -1;
    }

    return 0;
}


static size_t
body_length(conn_t *c, const char *p, size_t n)
{
    if (n > c->body_left) {
        n = (size_t) c->body_left;
    }

    c->body_left -= n;

    if (body_data(c, p, n) == 0 && c->body_left == 0) {
        request_ready(c);
    }

    return n;
}


static int
hex_digit(char ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }

    ch |= 0x20;

    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}


static size_t
body_chunked(conn_t *c, const char *p, size_t len)
{
    int          d;
    size_t       n;
    const char  *start = p, *end = p + len;

    while (p < end && c->state == ST_BODY) {

        switch (c->chunk_state) {

        case CH_SIZE:
            d = hex_digit(*p);

            if (d >= 0 && c->body_left < SIM_MAX_BODY) {
                c->body_left = c->body_left * 16 + (unsigned) d;

            } else if (*p == '\n') {
                c->chunk_state = c->body_left ? CH_DATA : CH_TRAILER;

            } else if (*p == '\r' || *p == ';' || *p == ' ') {
                c->chunk_state = CH_EXT;

            } else {
                refuse(c, SP_BAD_REQUEST, 400);
                break;
            }
            p++;
            break;

        case CH_EXT:
            if (*p++ == '\n') {
                c->chunk_state = c->body_left ? CH_DATA : CH_TRAILER;
            }
            break;

        case CH_DATA:
            n = (size_t) (end - p);
            if (n > c->body_left) {
                n = (size_t) c->body_left;
            }
            c->body_left -= n;
            if (c->body_left == 0) {
                c->chunk_state = CH_DATA_END;
            }
            body_data(c, p, n);
            p += n;
            break;

        case CH_DATA_END:
            if (*p++ == '\n') {
                c->chunk_state = CH_SIZE;
            }
            break;

        case CH_TRAILER:
            if (*p == '\n') {
                p++;
                request_ready(c);
                return (size_t) (p - start);
            }
            if (*p != '\r') {
                c->chunk_state = CH_TRAILER_LINE;
            }
            p++;
            break;

        default: /* CH_TRAILER_LINE */
            if (*p++ == '\n') {
                c->chunk_state = CH_TRAILER;
            }
        }
    }

    return c->state == ST_BODY ? len : (size_t) (p - start);
}


static int
is(const char *s, size_t n, const char *word)
{
    return strlen(word) == n && strncasecmp(s, word, n) == 0;
}


static void
check_key(conn_t *c, const char *p, size_t n)
{
    int  i;

    if (n > 7 && strncasecmp(p, "bearer ", 7) == 0) {
        p += 7;
        n -= 7;
    }

    c->has_key = 1;

    for (i = 0; i < nkeys; i++) {
        if (strlen(keys[i]) == n && memcmp(keys[i], p, n) == 0) {
            c->key_ok = 1;
        }
    }
}


static int
parse_headers(conn_t *c, const char *p, const char *end)
{
    char         num[24];
    size_t       nn, nv;
    const char  *n, *v;

    while ((p = next_header(p, end, &n, &nn, &v, &nv)) != NULL) {

        switch (nn) {

        case 5:
            if (is(n, nn, "x-sim") && !c->sim_error[0]) {
                if (!c->sim_set) {
                    c->sim_set = 1;
                }
                spec_parse(&c->a.sp, v, nv, c->sim_error,
                           sizeof(c->sim_error));
            }
            break;

        case 6:
            if (is(n, nn, "expect") && is(v, nv, "100-continue")) {
                c->expect = 1;
            }
            break;

        case 7:
            if (is(n, nn, "api-key")) {
                check_key(c, v, nv);
            }
            break;

        case 9:
            if (is(n, nn, "x-api-key")) {
                check_key(c, v, nv);
            }
            break;

        case 10:
            if (is(n, nn, "connection")) {
                if (is(v, nv, "close")) {
                    c->keep = 0;
                } else if (is(v, nv, "keep-alive") && c->http10) {
                    c->keep = 1;
                }
            }
            break;

        case 12:
            if (is(n, nn, "content-type")) {
                form_boundary(c, v, nv);
            }
            break;

        case 13:
            if (is(n, nn, "authorization")) {
                check_key(c, v, nv);
            }
            break;

        case 14:
            if (is(n, nn, "content-length")) {
                if (nv == 0 || nv >= sizeof(num)
                    || strspn(v, "0123456789") < nv)
                {
                    return -1;
                }
                memcpy(num, v, nv);
                num[nv] = '\0';
                c->body_left = strtoull(num, NULL, 10);
            }
            break;

        case 17:
            if (is(n, nn, "transfer-encoding")) {
                if (!is(v, nv, "chunked")) {
                    return -1;
                }
                c->chunked_body = 1;
            }
            break;
        }
    }

    return 0;
}


static void
count_connection(conn_t *c)
{
    /* a connection that asks for a /__ page first is not a client's */

    if (c->requests == 1 && c->admin) {
        c->uncounted = 1;
        c->port->st.connections -= c->port->st.connections > 0;
        c->port->open--;
    }
}


static void
parse_head(conn_t *c)
{
    size_t       n;
    const char  *p = c->head.p, *end = p + c->head.len, *sp, *sp2, *eol;

    c->requests++;
    c->logged = c->started = c->waited = 0;
    c->after = AF_MORE;
    c->body.len = 0;
    c->body_bytes = c->body_left = 0;
    c->chunk_state = CH_SIZE;
    c->has_key = c->key_ok = c->expect = c->sim_set = c->chunked_body = 0;
    c->sim_error[0] = '\0';
    memset(&c->scan, 0, offsetof(scan_t, key));
    c->scan.model[0] = '\0';
    c->scan.stream = c->scan.include_usage = c->scan.nostore = 0;
    c->scan.max_tokens = c->scan.n = 0;
    c->scan.previous[0] = c->scan.input_file[0] = c->scan.endpoint[0] = '\0';
    c->boundary[0] = '\0';
    c->form.len = 0;
    memset(&c->a, 0, sizeof(answer_t));
    spec_init(&c->a.sp);

    eol = memchr(p, '\n', c->head.len);
    sp = memchr(p, ' ', (size_t) (eol - p));
    sp2 = sp ? memchr(sp + 1, ' ', (size_t) (eol - sp - 1)) : NULL;

    if (sp2 == NULL || sp - p > 15 || sp2 == sp + 1 || eol - sp2 < 9
        || memcmp(sp2 + 1, "HTTP/1.", 7) != 0)
    {
        c->head.len = 0;
        refuse(c, SP_BAD_REQUEST, 400);
        return;
    }

    memcpy(c->a.method, p, (size_t) (sp - p));
    c->uri_off = (size_t) (sp + 1 - p);
    c->uri_len = (size_t) (sp2 - sp - 1);
    n = c->uri_len < sizeof(c->a.uri) ? c->uri_len : sizeof(c->a.uri) - 1;
    memcpy(c->a.uri, sp + 1, n);
    c->http10 = sp2[8] == '0';
    c->keep = !c->http10 && strcmp(c->a.method, "HEAD") != 0;
    c->admin = strncmp(c->a.uri, "/__", 3) == 0;
    count_connection(c);

    if (parse_headers(c, eol + 1, end) != 0) {
        refuse(c, SP_BAD_REQUEST, 400);
        return;
    }

    if (!c->admin) {
        choose_early(c);

        if (c->a.sp.reset_early) {
            c->port->st.requests++;
            record_last(c);
            conn_log(c, "reset_early");
            conn_close(c, 1);
            return;
        }
    }

    if (!c->chunked_body && c->body_left == 0) {
        request_ready(c);
        return;
    }

    if (!c->chunked_body && c->body_left > SIM_MAX_BODY) {
        refuse(c, SP_TOO_LARGE, 413);
        return;
    }

    if (c->chunked_body) {
        c->body_left = 0;
    }

    c->state = ST_BODY;
}


static void
consume(buf_t *b, size_t n)
{
    b->len -= n;
    memmove(b->p, b->p + n, b->len);
}


static void
send_continue(conn_t *c)
{
    if (c->expect) {
        c->expect = 0;
        buf_str(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");

        /* the flush is allowed to leave it to the final answer */

        c->state = ST_ANSWER;
        conn_flush(c);

        if (c->state == ST_ANSWER) {
            c->state = ST_BODY;
        }
    }
}


void
request_input(conn_t *c)
{
    char    *end;
    size_t   n;

    while (c->in.len && (c->state == ST_HEAD || c->state == ST_BODY)) {

        if (c->state == ST_HEAD) {
            while (c->in.len && (c->in.p[0] == '\r' || c->in.p[0] == '\n')) {
                consume(&c->in, 1);
            }

            end = c->in.len ? memmem(c->in.p, c->in.len, "\r\n\r\n", 4) : NULL;

            if (end == NULL) {
                if (c->in.len > SIM_MAX_HEAD) {
                    c->head.len = 0;
                    memset(&c->a, 0, sizeof(answer_t));
                    refuse(c, SP_BAD_REQUEST, 431);
                }
                return;
            }

            n = (size_t) (end - c->in.p) + 4;
            c->head.len = 0;
            buf_add(&c->head, c->in.p, n);
            consume(&c->in, n);
            parse_head(c);

            if (c->state == ST_BODY && c->in.len == 0) {
                send_continue(c);
            }

            continue;
        }

        n = c->chunked_body ? body_chunked(c, c->in.p, c->in.len)
                            : body_length(c, c->in.p, c->in.len);

        /* a refusal has thrown the input away */

        if (c->state != ST_CLOSED && c->in.len >= n) {
            consume(&c->in, n);
        }
    }
}


void
request_feed(conn_t *c, const char *p, size_t n)
{
    size_t  used;

    /* the rest of a body need not pass through the input buffer */

    if (c->state == ST_BODY && c->in.len == 0) {
        used = c->chunked_body ? body_chunked(c, p, n) : body_length(c, p, n);
        p += used;
        n -= used;
    }

    if (n == 0 || c->state == ST_CLOSED || c->state == ST_LINGER) {
        if (c->state == ST_HEAD && c->in.len) {
            request_input(c);
        }
        return;
    }

    buf_add(&c->in, p, n);
    request_input(c);
}


/* called when an answer is out; must not recurse into request_input() */

void
request_done(conn_t *c)
{
    c->state = ST_HEAD;
    c->started = 0;

    EVP_MD_CTX_free(c->sha);
    c->sha = NULL;

    buf_free(&c->form);
    buf_free(&c->page);

    if (c->body.cap > 8192) {
        buf_free(&c->body);
    }

    if (c->out.cap > 2 * SIM_OUT_HIGH) {
        buf_free(&c->out);
    }

    if (c->in.len == 0 && c->in.cap > 8192) {
        buf_free(&c->in);
    }
}
