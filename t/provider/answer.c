
/*
 * What a provider answers: the next piece of it, faults included, and the
 * head, framing and pacing around the pieces.
 */

#include "ai-provider.h"


static buf_t  scratch;                  /* one event; valid within one call */


const char *
http_reason(int status)
{
    switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 412: return "Precondition Failed";
    case 413: return "Payload Too Large";
    case 415: return "Unsupported Media Type";
    case 422: return "Unprocessable Entity";
    case 424: return "Failed Dependency";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 520: return "Web Server Returned an Unknown Error";
    case 521: return "Web Server Is Down";
    case 522: return "Connection Timed Out";
    case 524: return "A Timeout Occurred";
    case 529: return "Site is overloaded";
    default:  return "Unknown";
    }
}


/* the event that ends a stream, alone */

static void
last_event(answer_t *a, buf_t *b)
{
    a->idx = a->ep == EP_RESPONSES ? 3 : a->ep == EP_TRANSCRIPTIONS ? 0 : 2;
    a->include_usage = 0;
    shape_post_event(a, b);
}


static gen_e
fault_here(answer_t *a, buf_t *b)
{
    spec_t  *sp = &a->sp;

    if (sp->error_after == a->sent) {
        error_event(a, b);
        return GEN_EVENT;
    }

    if (sp->cut == a->sent) {
        return GEN_CUT;
    }

    if (sp->reset_mid == a->sent) {
        return GEN_RESET;
    }

    if (sp->stall == a->sent) {
        return GEN_STALL;
    }

    if (sp->badchunk == a->sent) {
        return GEN_BADCHUNK;
    }

    return GEN_END;
}


static gen_e
next_event(answer_t *a, buf_t *b)
{
    gen_e    g;
    size_t   start = b->len;
    spec_t  *sp = &a->sp;

    switch (a->phase) {

    case PH_PRE:
        if (sp->empty) {
            a->phase = PH_END;
            return GEN_END;
        }

        if (sp->done_only) {
            a->phase = PH_END;
            last_event(a, b);
            return b->len > start ? GEN_EVENT : GEN_END;
        }

        if (sp->error_first) {
            error_event(a, b);
            return GEN_EVENT;
        }

        if (a->idx < shape_npre(a)) {
            shape_pre_event(a, b);
            if (++a->idx == shape_npre(a)) {
                a->phase = PH_CONTENT;
            }
            return GEN_EVENT;
        }

        a->phase = PH_CONTENT;

        /* fall through */

    case PH_CONTENT:
        g = fault_here(a, b);
        if (g != GEN_END) {
            return g;
        }

        if (a->sent < a->words) {
            shape_content_event(a, b);

            if (sp->malformed == a->sent + 1) {

                /* lose the second half of the JSON, keep the blank line */

                b->len = start + (b->len - start) / 2;
                buf_str(b, "\n\n");
            }

            return sp->cut_mid == a->sent++ ? GEN_CUT_MID : GEN_EVENT;
        }

        a->phase = PH_POST;
        a->idx = 0;

        /* fall through */

    case PH_POST:
        if (shape_post_event(a, b)) {
            return GEN_EVENT;
        }

        a->phase = PH_END;
        return GEN_END;

    case PH_DONE_EVENT:                 /* [DONE] after an error */
        a->phase = PH_END;
        buf_str(b, "data: [DONE]\n\n");
        return GEN_EVENT;

    default:
        return GEN_END;
    }
}


static gen_e
next_body(answer_t *a, buf_t *b)
{
    size_t   start = b->len;
    spec_t  *sp = &a->sp;

    if (a->phase == PH_END) {
        return GEN_END;
    }

    a->phase = PH_END;

    if (sp->badchunk >= 0) {
        return GEN_BADCHUNK;
    }

    if (!sp->empty) {
        if (a->special || a->simulated_error || sp->error_first
            || sp->error_after >= 0)
        {
            error_body(a, b);
        } else {
            shape_plain_body(a, b);
        }
    }

    if (sp->malformed >= 0) {
        b->len = start + (b->len - start) / 2;
    }

    if (b->len == start) {
        return GEN_END;
    }

    if (sp->cut >= 0 || sp->cut_mid >= 0 || sp->reset_mid >= 0) {
        return GEN_CUT_MID;
    }

    return sp->stall >= 0 ? GEN_STALL_MID : GEN_EVENT;
}


static void
crlf(buf_t *b, size_t start)
{
    size_t  i, n = 0, j;

    for (i = start; i < b->len; i++) {
        n += b->p[i] == '\n';
    }

    buf_grow(b, n);

    i = b->len;
    j = b->len + n;
    b->len = j;

    while (i > start && i != j) {
        b->p[--j] = b->p[--i];
        if (b->p[i] == '\n') {
            b->p[--j] = '\r';
        }
    }
}


static gen_e
answer_next(answer_t *a, buf_t *b)
{
    gen_e   g;
    size_t  start = b->len;

    if (!a->stream) {
        return next_body(a, b);
    }

    g = next_event(a, b);

    if (a->sp.crlf) {
        crlf(b, start);
    }

    return g;
}


/* ms to wait before the next piece */

static int
answer_wait(const answer_t *a)
{
    int            first;
    const spec_t  *sp = &a->sp;

    if (a->special || (a->phase != PH_PRE && a->phase != PH_CONTENT)) {
        return 0;
    }

    first = sp->slow_first > 0 ? sp->slow_first : 0;

    if (a->phase == PH_PRE && a->idx == 0 && sp->keepalive_comments > 0) {
        if (sp->delay > 0) {
            return sp->delay;
        }
        return first ? (a->stream ? 0 : first) : 3 * sp->keepalive_comments;
    }

    if (!a->stream) {
        return first;
    }

    if (a->phase == PH_PRE) {
        return 0;
    }

    return a->sent ? (sp->gap > 0 ? sp->gap : 0) : first;
}


/* the length all of the answer would have, were it not cut */

static size_t
answer_length(const answer_t *a, buf_t *b)
{
    size_t    len = 0;
    answer_t  dry = *a;

    dry.sp.cut = dry.sp.cut_mid = dry.sp.stall = -1;
    dry.sp.reset_mid = dry.sp.badchunk = -1;

    do {
        b->len = 0;
        if (answer_next(&dry, b) == GEN_END) {
            break;
        }
        len += b->len;
    } while (dry.phase != PH_END);

    return len;
}


static void
put_head(conn_t *c, size_t length)
{
    int          i;
    buf_t       *b = &c->out;
    answer_t    *a = &c->a;
    spec_t      *sp = &a->sp;
    const char  *type;

    type = "application/json";

    if (sp->content_type[0]) {
        type = sp->content_type;

    } else if (a->special || a->simulated_error) {
        type = error_content_type(a);

    } else if (a->type) {
        type = a->type;

    } else if (a->stream) {
        type = "text/event-stream; charset=utf-8";

    } else if (a->ep == EP_SPEECH) {
        type = "audio/mpeg";
    }

    buf_fmt(b, "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\n", a->status,
            http_reason(a->status), http_date(), type);

    if (a->status == 204 || a->status == 304) {
        /* neither length nor body */

    } else if (a->framing == FR_LENGTH) {
        buf_fmt(b, "Content-Length: %zu\r\n", length);

    } else if (a->framing == FR_CHUNKED) {
        buf_str(b, "Transfer-Encoding: chunked\r\n");
    }

    buf_fmt(b, "Connection: %s\r\nServer: cloudflare\r\n"
            "openai-organization: sim-org\r\nopenai-processing-ms: %d\r\n"
            "openai-version: 2020-10-01\r\nx-request-id: req_sim_%lu\r\n"
            "Set-Cookie: __cf=sim%lu; path=/; HttpOnly; Secure\r\n",
            c->keep ? "keep-alive" : "close", sp->delay > 0 ? sp->delay : 1,
            a->id, a->id);

    if (sp->ratelimit[0]) {
        static const char  *names[] = { "remaining", "limit", "reset" };
        const char         *p = sp->ratelimit;

        for (i = 0; i < 3 && *p; i++) {
            buf_fmt(b, "x-ratelimit-%s-requests: %.*s\r\n", names[i],
                    (int) strcspn(p, "/"), p);
            p += strcspn(p, "/");
            p += *p == '/';
        }

    } else {
        buf_str(b, "x-ratelimit-remaining-requests: 999\r\n");
    }

    if (strncmp(sp->retry_after, "date+", 5) == 0) {
        char       date[40];
        time_t     t = time(NULL) + atoi(sp->retry_after + 5);
        struct tm  tm;

        gmtime_r(&t, &tm);
        strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        buf_fmt(b, "Retry-After: %s\r\n", date);

    } else if (sp->retry_after[0]) {
        buf_fmt(b, "Retry-After: %s\r\n", sp->retry_after);
    }

    if (sp->retry_after_ms[0]) {
        buf_fmt(b, "retry-after-ms: %s\r\n", sp->retry_after_ms);
    }

    error_headers(a, b);

    if (a->stream) {
        buf_str(b, "Cache-Control: no-cache\r\n");
    }

    if (sp->bigheader >= 0) {
        buf_str(b, "x-sim-big: ");
        buf_grow(b, (size_t) sp->bigheader);
        memset(b->p + b->len, 'a', (size_t) sp->bigheader);
        b->len += (size_t) sp->bigheader;
        buf_str(b, "\r\n");
    }

    buf_str(b, "\r\n");
}


/* one piece of the body, the part of it that is to be sent */

static void
put_piece(conn_t *c, const char *p, size_t n, size_t part)
{
    if (n == 0) {
        return;
    }

    if (c->a.framing == FR_CHUNKED) {
        buf_fmt(&c->out, "%zx\r\n", n);
    }

    buf_add(&c->out, p, part);

    if (c->a.framing == FR_CHUNKED && part == n) {
        buf_str(&c->out, "\r\n");
    }
}


static void
produce(conn_t *c)
{
    gen_e      g;
    answer_t  *a = &c->a;

    scratch.len = 0;
    g = answer_next(a, &scratch);

    switch (g) {

    case GEN_EVENT:
        put_piece(c, scratch.p, scratch.len, scratch.len);
        return;

    case GEN_END:
        if (a->framing == FR_CHUNKED) {
            buf_str(&c->out, "0\r\n\r\n");
        }
        c->after = AF_DONE;
        return;

    case GEN_CUT_MID:
    case GEN_STALL_MID:
        put_piece(c, scratch.p, scratch.len, scratch.len / 2);
        c->after = g == GEN_STALL_MID ? AF_STALL
                   : (!a->stream && a->sp.reset_mid >= 0) ? AF_RESET
                   : AF_CLOSE;
        return;

    case GEN_CUT:
        c->after = AF_CLOSE;
        return;

    case GEN_STALL:
        c->after = AF_STALL;
        return;

    case GEN_RESET:
        c->after = AF_RESET;
        return;

    case GEN_BADCHUNK:
        buf_str(&c->out, "ZZ not a size\r\ndata: {}\r\n");
        c->after = AF_CLOSE;
        return;
    }
}


/*
 * Produces until there is something to wait for: a timer, the client, or
 * the end.  Pieces produced without a wait between them leave in one write.
 */

void
answer_pump(conn_t *c)
{
    int        ms, ka;
    answer_t  *a = &c->a;

    do {
        while (c->after == AF_MORE && c->out.len - c->out_off < SIM_OUT_HIGH) {
            ms = c->waited ? 0 : answer_wait(a);

            if (ms > 0) {
                c->waited = 1;
                c->wait_until = now_ms + (uint64_t) ms;
                ka = a->sent ? -1 : a->sp.keepalive_comments;
                conn_arm(c, (uint64_t) (ka > 0 && ka < ms ? ka : ms));
                conn_flush(c);
                return;
            }

            c->waited = 0;
            produce(c);
        }

    } while (conn_flush(c) && c->state == ST_ANSWER && c->after == AF_MORE);
}


static void
answer_begin(conn_t *c)
{
    int        error, whole;
    size_t     length = 0;
    answer_t  *a = &c->a;
    spec_t    *sp = &a->sp;

    c->started = 1;

    if (sp->reset) {
        conn_log(c, "reset");
        conn_close(c, 1);
        return;
    }

    if (sp->close) {
        conn_log(c, "close");
        conn_fin(c);
        return;
    }

    if (sp->garbage) {
        buf_str(&c->out, "SSH-2.0-sim_1.0\r\n\x16\x03\x01 not HTTP\r\n\r\n");
        c->after = AF_CLOSE;
        conn_flush(c);
        return;
    }

    error = sp->error_first || sp->error_after >= 0;

    if (!a->special) {
        a->status = 200;

        if (sp->status > 0 && !error) {
            a->status = sp->status;
            a->simulated_error = a->status >= 300;
        }
    }

    if (a->special || a->simulated_error) {
        a->stream = 0;

    } else if (!error) {
        store_answer(c);
    }

    a->phase = PH_PRE;
    if (a->stream && shape_npre(a) == 0 && !sp->empty && !sp->done_only
        && !sp->error_first && sp->keepalive_comments <= 0)
    {
        a->phase = PH_CONTENT;
    }

    a->framing = a->stream ? FR_CHUNKED : FR_LENGTH;

    if (sp->chunked || sp->badchunk >= 0
        || (!a->stream && sp->keepalive_comments > 0))
    {
        a->framing = FR_CHUNKED;
    }

    if (sp->cl) {
        a->framing = FR_LENGTH;
    }

    if (sp->nochunk || (c->http10 && a->framing == FR_CHUNKED)) {
        a->framing = FR_CLOSE;
        c->keep = 0;
    }

    if (a->status == 204 || a->status == 304) {
        a->framing = FR_LENGTH;
        sp->empty = 1;
        a->stream = 0;
    }

    if (!c->admin) {
        c->port->st.by_status[a->status]++;
        c->port->st.streams += a->stream != 0;
    }

    if (sp->cont) {
        buf_str(&c->out, "HTTP/1.1 100 Continue\r\n\r\n"
                "HTTP/1.1 103 Early Hints\r\n"
                "Link: </v1/models>; rel=preload\r\n\r\n");
    }

    if (a->framing == FR_LENGTH) {
        length = answer_length(a, &scratch);
    }

    put_head(c, length);

    if (sp->hang_headers) {
        c->after = AF_STALL;
        conn_flush(c);
        return;
    }

    /* the common case: the body is already there from the measuring */

    whole = !a->stream && a->framing == FR_LENGTH && sp->cut < 0
            && sp->cut_mid < 0 && sp->stall < 0 && sp->reset_mid < 0
            && sp->badchunk < 0 && answer_wait(a) == 0;

    if (whole) {
        buf_add(&c->out, scratch.p, length);
        c->after = AF_DONE;
        conn_flush(c);
        return;
    }

    answer_pump(c);
}


void
answer_start(conn_t *c)
{
    spec_t  *sp = &c->a.sp;

    if (sp->hang) {
        return;
    }

    if (sp->delay > 0 && sp->keepalive_comments <= 0) {
        conn_arm(c, (uint64_t) sp->delay);
        return;
    }

    answer_begin(c);
}


void
answer_timer(conn_t *c)
{
    uint64_t     ms;
    const char  *filler;
    answer_t    *a = &c->a;

    if (!c->started) {
        answer_begin(c);
        return;
    }

    if (c->waited && now_ms < c->wait_until) {

        /* a length was announced: there is no room for comments */

        if (a->framing != FR_LENGTH) {
            filler = !a->stream ? "\n"
                     : a->sp.crlf ? ": keep-alive\r\n\r\n"
                     : ": keep-alive\n\n";
            put_piece(c, filler, strlen(filler), strlen(filler));
        }

        ms = c->wait_until - now_ms;
        if (a->sp.keepalive_comments > 0
            && ms > (uint64_t) a->sp.keepalive_comments)
        {
            ms = (uint64_t) a->sp.keepalive_comments;
        }

        conn_arm(c, ms);
        conn_flush(c);
        return;
    }

    answer_pump(c);
}


void
answer_plain(conn_t *c, int status, const char *type, buf_t *body)
{
    c->started = 1;
    c->after = AF_DONE;
    buf_fmt(&c->out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n"
            "Content-Length: %zu\r\nConnection: %s\r\n\r\n", status,
            http_reason(status), type, body->len,
            c->keep ? "keep-alive" : "close");
    buf_add(&c->out, body->p, body->len);
    conn_flush(c);
}
