
/*
 * Copyright (C) nginx-ai-route contributors
 */


#include "ngx_http_ai_usage_scan.h"


#define NGX_HTTP_AI_USAGE_SCAN_SAMPLE  16


/*
 * "line": where in a line of a long event the next byte stands.  0 to 4 is
 * after so many bytes of a line, all of them equal to "data:".
 */

#define NGX_HTTP_AI_USAGE_SCAN_COLON   5       /* after "data:" */
#define NGX_HTTP_AI_USAGE_SCAN_VALUE   6
#define NGX_HTTP_AI_USAGE_SCAN_OTHER   7


static void ngx_http_ai_usage_scan_begin(ngx_http_ai_usage_scan_t *scan);
static void ngx_http_ai_usage_scan_data(ngx_http_ai_usage_doc_t *doc,
    ngx_uint_t *line, const u_char *p, size_t n);
static void ngx_http_ai_usage_scan_piece(ngx_http_ai_usage_scan_t *scan,
    const ngx_http_ai_sse_event_t *ev);
static ngx_uint_t ngx_http_ai_usage_scan_usage(ngx_http_ai_usage_scan_t *scan,
    const ngx_http_ai_sse_event_t *ev, ngx_uint_t nameless);
static void ngx_http_ai_usage_scan_model(ngx_http_ai_usage_scan_t *scan,
    const ngx_http_ai_usage_doc_t *doc);
static void ngx_http_ai_usage_scan_told(ngx_http_ai_usage_scan_t *scan,
    const ngx_http_ai_usage_doc_t *doc);
static void ngx_http_ai_usage_scan_lines(ngx_http_ai_usage_scan_t *scan,
    const u_char *p, size_t n);
static void ngx_http_ai_usage_scan_line(ngx_http_ai_usage_scan_t *scan);
static int64_t ngx_http_ai_usage_scan_guess(
    const ngx_http_ai_usage_scan_t *scan);


void
ngx_http_ai_usage_scan_init(ngx_http_ai_usage_scan_t *scan,
    ngx_http_ai_usage_scan_mode_e mode,
    const ngx_http_ai_provider_t *provider, u_char *carry, size_t size,
    ngx_http_ai_usage_doc_t *doc)
{
    ngx_memzero(scan, sizeof(ngx_http_ai_usage_scan_t));

    scan->mode = mode;
    scan->provider = provider;
    scan->doc = doc;

    if (mode == NGX_HTTP_AI_USAGE_SCAN_SSE) {
        ngx_http_ai_sse_init(&scan->sse, carry, size);
        return;
    }

    ngx_http_ai_usage_doc_init(doc);
}


/*
 * An event that fits the carry is read when it is whole.  Of a longer one the
 * splitter keeps the tail only, so its data is read by the way: from the
 * moment when the carry is full, and nothing of it is lost yet.
 */

ngx_int_t
ngx_http_ai_usage_scan_next(ngx_http_ai_usage_scan_t *scan, u_char **pos,
    u_char *last, ngx_http_ai_sse_event_t *ev)
{
    u_char             *start, *limit;
    ngx_int_t           rc;
    ngx_http_ai_sse_t  *sse;

    sse = &scan->sse;
    start = *pos;

    if (scan->doc == NULL) {
        return ngx_http_ai_sse_next(sse, pos, last, ev);
    }

    if (sse->pending == 0) {

        rc = ngx_http_ai_sse_next(sse, pos, last, ev);

        if (rc == NGX_AGAIN && sse->pending > sse->carry_size) {
            ngx_http_ai_usage_scan_begin(scan);
            ngx_http_ai_usage_scan_data(scan->doc, &scan->line, start,
                                        last - start);
        }

        return rc;
    }

    if (!scan->longer) {

        if (sse->pending > sse->carry_size) {
            /* doc came too late */
            return ngx_http_ai_sse_next(sse, pos, last, ev);
        }

        limit = start + ngx_min((size_t) (last - start),
                                sse->carry_size - sse->pending);

        rc = ngx_http_ai_sse_next(sse, pos, limit, ev);

        if (rc == NGX_OK || *pos == last) {
            return rc;
        }

        ngx_http_ai_usage_scan_begin(scan);
        ngx_http_ai_usage_scan_data(scan->doc, &scan->line, sse->carry,
                                    sse->carry_len);
        start = *pos;
    }

    rc = ngx_http_ai_sse_next(sse, pos, last, ev);

    ngx_http_ai_usage_scan_data(scan->doc, &scan->line, start, *pos - start);

    return rc;
}


static void
ngx_http_ai_usage_scan_begin(ngx_http_ai_usage_scan_t *scan)
{
    scan->longer = 1;
    scan->line = 0;

    ngx_http_ai_usage_doc_init(scan->doc);
}


/* gives the values of an event's data lines to doc */

static void
ngx_http_ai_usage_scan_data(ngx_http_ai_usage_doc_t *doc, ngx_uint_t *line,
    const u_char *p, size_t n)
{
    const u_char  *last, *value;

    static const u_char  field[] = "data:";

    for (last = p + n; p < last; /* void */ ) {

        if (*p == '\n' || *p == '\r') {

            if (*line == NGX_HTTP_AI_USAGE_SCAN_VALUE) {
                /* what joins the lines is white space to JSON */
                (void) ngx_http_ai_usage_doc_feed(doc, p, 1);
            }

            *line = 0;
            p++;
            continue;
        }

        if (*line < NGX_HTTP_AI_USAGE_SCAN_COLON) {
            *line = (*p == field[*line]) ? *line + 1
                                         : NGX_HTTP_AI_USAGE_SCAN_OTHER;
            p++;
            continue;
        }

        if (*line == NGX_HTTP_AI_USAGE_SCAN_COLON) {
            *line = NGX_HTTP_AI_USAGE_SCAN_VALUE;
        }

        for (value = p; p < last && *p != '\n' && *p != '\r'; p++) {
            /* void */
        }

        if (*line == NGX_HTTP_AI_USAGE_SCAN_VALUE) {
            (void) ngx_http_ai_usage_doc_feed(doc, value, p - value);
        }
    }
}


ngx_int_t
ngx_http_ai_usage_scan_event(ngx_http_ai_usage_scan_t *scan,
    const ngx_http_ai_sse_event_t *ev, ngx_http_ai_judgement_t *out)
{
    ngx_uint_t               plain, named;
    ngx_http_ai_judgement_t  judgement;

    plain = scan->content ? ngx_http_ai_classify_plain(ev) : 0;
    named = scan->content || scan->model == NULL || scan->model->len;

    if (plain) {
        scan->kind = NGX_HTTP_AI_EVENT_CONTENT;
        scan->longer = 0;

        if (plain == 2) {
            ngx_http_ai_usage_scan_piece(scan, ev);
        }

        return NGX_OK;
    }

    scan->kind = ngx_http_ai_classify_event(scan->provider, ev, out);

    scan->content |= (scan->kind & NGX_HTTP_AI_EVENT_CONTENT) != 0;
    scan->finish |= (scan->kind & NGX_HTTP_AI_EVENT_FINISH) != 0;
    scan->done |= (scan->kind & NGX_HTTP_AI_EVENT_DONE) != 0;

    if (scan->kind & NGX_HTTP_AI_EVENT_ERROR) {

        if (out == NULL) {
            out = &judgement;
            (void) ngx_http_ai_classify_event(scan->provider, ev, out);
        }

        scan->error = 1;
        scan->verdict = out->verdict;
    }

    if ((scan->kind & NGX_HTTP_AI_EVENT_CONTENT)
        && ngx_http_ai_classify_text(ev) >= 0)
    {
        ngx_http_ai_usage_scan_piece(scan, ev);
    }

    return ngx_http_ai_usage_scan_usage(scan, ev, !named) ? NGX_DECLINED
                                                          : NGX_OK;
}


static void
ngx_http_ai_usage_scan_piece(ngx_http_ai_usage_scan_t *scan,
    const ngx_http_ai_sse_event_t *ev)
{
    scan->pieces++;
    scan->bytes += ev->size;

    if (scan->seen < NGX_HTTP_AI_USAGE_SCAN_SAMPLE
        || scan->seen % NGX_HTTP_AI_USAGE_SCAN_SAMPLE == 0)
    {
        scan->told_text += ngx_http_ai_classify_text(ev);
        scan->told_bytes += ev->size;
    }

    scan->seen++;
}


/*
 * 1: this is the chunk that "include_usage" adds.  nameless: an event that
 * brings no usage may still name the model, which its stream's first ones do.
 */

static ngx_uint_t
ngx_http_ai_usage_scan_usage(ngx_http_ai_usage_scan_t *scan,
    const ngx_http_ai_sse_event_t *ev, ngx_uint_t nameless)
{
    ngx_uint_t               line;
    ngx_http_ai_usage_doc_t  doc;

    if (scan->longer) {
        scan->longer = 0;
        ngx_http_ai_usage_scan_told(scan, scan->doc);
        return 0;
    }

    if ((!nameless
         && !(scan->kind & (NGX_HTTP_AI_EVENT_USAGE|NGX_HTTP_AI_EVENT_DONE
                            |NGX_HTTP_AI_EVENT_ERROR)))
        || ev->data.len == 0 || ev->data.data[0] != '{' || ev->truncated)
    {
        return 0;
    }

    ngx_http_ai_usage_doc_init(&doc);

    if (ev->multi) {
        line = 0;
        ngx_http_ai_usage_scan_data(&doc, &line, ev->raw.data, ev->raw.len);
        ngx_http_ai_usage_scan_told(scan, &doc);
        return 0;
    }

    (void) ngx_http_ai_usage_doc_feed(&doc, ev->data.data, ev->data.len);
    ngx_http_ai_usage_scan_told(scan, &doc);

    return ngx_http_ai_usage_doc_lone(&doc, ev->data.data);
}


static void
ngx_http_ai_usage_scan_model(ngx_http_ai_usage_scan_t *scan,
    const ngx_http_ai_usage_doc_t *doc)
{
    if (scan->model && scan->model->len == 0) {
        scan->model->len = ngx_http_ai_usage_doc_model(doc, scan->model->data);
    }
}


static void
ngx_http_ai_usage_scan_told(ngx_http_ai_usage_scan_t *scan,
    const ngx_http_ai_usage_doc_t *doc)
{
    ngx_http_ai_usage_scan_model(scan, doc);

    if (ngx_http_ai_usage_doc_read(doc, &scan->raw) == NGX_OK) {
        scan->told = 1;
        scan->pieces = 0;
        scan->bytes = 0;
    }
}


void
ngx_http_ai_usage_scan_feed(ngx_http_ai_usage_scan_t *scan, const u_char *p,
    size_t n)
{
    if (scan->mode == NGX_HTTP_AI_USAGE_SCAN_LINES) {
        ngx_http_ai_usage_scan_lines(scan, p, n);
        return;
    }

    (void) ngx_http_ai_usage_doc_feed(scan->doc, p, n);
}


static void
ngx_http_ai_usage_scan_lines(ngx_http_ai_usage_scan_t *scan, const u_char *p,
    size_t n)
{
    off_t                begin;
    const u_char        *last;
    ngx_http_ai_json_t  *js;

    js = &scan->doc->json;
    last = p + n;

    while (!scan->broken) {

        begin = js->offset;

        if (ngx_http_ai_usage_doc_feed(scan->doc, p, last - p) == NGX_OK) {
            return;
        }

        if (js->error != NGX_HTTP_AI_JSON_ETRAILING) {
            scan->broken = 1;
            return;
        }

        /* the scanner stopped at the first byte of the next object */

        p += js->offset - begin;

        ngx_http_ai_usage_scan_line(scan);
        ngx_http_ai_usage_doc_init(scan->doc);
    }
}


/* one JSON object is over: of several Ollama sends one token in each */

static void
ngx_http_ai_usage_scan_line(ngx_http_ai_usage_scan_t *scan)
{
    if (scan->mode == NGX_HTTP_AI_USAGE_SCAN_LINES) {
        scan->pieces += (ngx_http_ai_usage_doc_text(scan->doc) != 0);
    }

    ngx_http_ai_usage_scan_told(scan, scan->doc);
}


ngx_int_t
ngx_http_ai_usage_scan_end(ngx_http_ai_usage_scan_t *scan)
{
    ngx_http_ai_sse_event_t  ev;

    switch (scan->mode) {

    case NGX_HTTP_AI_USAGE_SCAN_OFF:
        return NGX_OK;

    case NGX_HTTP_AI_USAGE_SCAN_SSE:
        if (!scan->ended && ngx_http_ai_sse_end(&scan->sse, &ev) == NGX_OK) {
            /* Gemini's raw JSON error ends with the stream, wire.md A5 */
            (void) ngx_http_ai_usage_scan_event(scan, &ev, NULL);
        }

        scan->ended = 1;

        return scan->finish || scan->done || scan->error ? NGX_OK
                                                         : NGX_DECLINED;

    default:
        if (!scan->ended) {
            scan->broken |= ngx_http_ai_json_end(&scan->doc->json) != NGX_OK;
            ngx_http_ai_usage_scan_line(scan);
        }

        scan->ended = 1;

        return scan->broken ? NGX_DECLINED : NGX_OK;
    }
}


ngx_int_t
ngx_http_ai_usage_scan_tokens(const ngx_http_ai_usage_scan_t *scan,
    int64_t prompt, ngx_http_ai_tokens_t *tokens)
{
    int64_t                   guess;
    ngx_http_ai_tokens_raw_t  raw;

    raw = scan->raw;
    guess = ngx_http_ai_usage_scan_guess(scan);

    if (scan->mode == NGX_HTTP_AI_USAGE_SCAN_JSON && !scan->ended
        && ngx_http_ai_usage_doc_read(scan->doc, &raw) == NGX_OK)
    {
        guess = 0;
    }

    ngx_http_ai_tokens_sum(&raw, tokens);

    if ((tokens->found || tokens->units) && guess == 0) {
        return NGX_OK;
    }

    if (!tokens->found) {
        tokens->input = prompt;
    }

    /* a bill that came before the end is not the whole one */

    tokens->output += guess;
    tokens->reported_nanousd = -1;
    tokens->estimated = 1;

    return NGX_DECLINED;
}


int64_t
ngx_http_ai_usage_scan_items(const ngx_http_ai_usage_scan_t *scan)
{
    return scan->mode == NGX_HTTP_AI_USAGE_SCAN_JSON
           ? ngx_http_ai_usage_doc_items(scan->doc) : -1;
}


int64_t
ngx_http_ai_usage_scan_output(const ngx_http_ai_usage_scan_t *scan)
{
    return scan->raw.value[NGX_HTTP_AI_TOKENS_OUTPUT]
           + scan->raw.value[NGX_HTTP_AI_TOKENS_THOUGHTS]
           + ngx_http_ai_usage_scan_guess(scan);
}


/* tokens since the provider's last figures */

static int64_t
ngx_http_ai_usage_scan_guess(const ngx_http_ai_usage_scan_t *scan)
{
    uint64_t  text;

    if (scan->mode == NGX_HTTP_AI_USAGE_SCAN_JSON) {
        text = scan->told ? 0 : ngx_http_ai_usage_doc_text(scan->doc);

    } else {
        text = scan->told_bytes
               ? scan->bytes * scan->told_text / scan->told_bytes : 0;
    }

    text = (text + NGX_HTTP_AI_USAGE_BYTES_PER_TOKEN - 1)
           / NGX_HTTP_AI_USAGE_BYTES_PER_TOKEN;

    return (int64_t) ngx_max(text, scan->pieces);
}
