
/*
 * What a listener keeps and gives out again: files, batches, responses.  Of
 * another listener's it knows nothing, as one account knows nothing of what
 * another one has.
 */

#include "ai-provider.h"


static void
thing_free(thing_t *t)
{
    buf_free(&t->json);
    buf_free(&t->data);
    free(t);
}


void
store_free(port_t *port)
{
    thing_t  *t;

    while ((t = port->things) != NULL) {
        port->things = t->next;
        thing_free(t);
    }
}


/* the oldest go when there are too many, or too large ones */

static void
store_trim(port_t *port)
{
    int       n = 0;
    size_t    sum = 0;
    thing_t  *t, **link;

    for (link = &port->things; (t = *link) != NULL; link = &t->next) {
        sum += t->data.len + t->json.len;

        if (n++ && (n > SIM_THINGS || sum > SIM_THINGS_SUM)) {
            break;
        }
    }

    while ((t = *link) != NULL) {
        *link = t->next;
        thing_free(t);
    }
}


static thing_t *
thing_new(conn_t *c, endpoint_e ep, const char *form)
{
    thing_t  *t;

    t = calloc(1, sizeof(thing_t));
    if (t == NULL) {
        abort();
    }

    t->ep = ep;
    snprintf(t->id, sizeof(t->id), form, c->port->name, c->a.id);
    t->next = c->port->things;
    c->port->things = t;

    return t;
}


static thing_t *
find(conn_t *c, endpoint_e ep, const char *id)
{
    thing_t  *t;

    for (t = c->port->things; t; t = t->next) {
        if (t->ep == ep && strcmp(t->id, id) == 0) {
            return t;
        }
    }

    return NULL;
}


static const char *
kind(endpoint_e ep)
{
    return ep == EP_FILE ? "file" : ep == EP_BATCH ? "batch" : "response";
}


/* its answer is an error, with the status that OpenAI's has */

static void
missing(conn_t *c, endpoint_e ep, const char *id, const char *code)
{
    char    text[160];
    buf_t  *b = &c->page;

    c->a.status = code ? 400 : 404;
    c->a.stream = 0;
    c->a.type = NULL;

    snprintf(text, sizeof(text), "No such %s: '%s'", kind(ep), id);

    buf_str(b, "{\"error\":{\"message\":");
    buf_json(b, text, strlen(text));
    buf_str(b, ",\"type\":\"invalid_request_error\",\"param\":");
    buf_str(b, code ? "null,\"code\":" : "\"id\",\"code\":");

    if (code) {
        buf_json(b, code, strlen(code));
    } else {
        buf_str(b, "null");
    }

    buf_str(b, "}}\n");
}


static void
file_json(conn_t *c, thing_t *t, const char *name, const char *purpose)
{
    char    sha1[41];
    buf_t  *b = &t->json;

    sha1_hex(sha1, t->data.p, t->data.len);

    buf_fmt(b, "{\"object\":\"file\",\"id\":\"%s\",\"purpose\":", t->id);
    buf_json(b, purpose, strlen(purpose));
    buf_str(b, ",\"filename\":");
    buf_json(b, name, strlen(name));
    buf_fmt(b, ",\"bytes\":%zu,\"created_at\":%ld,\"expires_at\":null,"
            "\"status\":\"processed\",\"status_details\":null,"
            "\"sim_sha1\":\"%s\"}", t->data.len, c->a.created, sha1);
}


static void
file_upload(conn_t *c)
{
    thing_t  *t;
    form_t   *f = &c->a.form;

    if (f->files == 0) {
        c->a.status = 400;
        buf_str(&c->page, "{\"error\":{\"message\":\"'file' is a required "
                "property\",\"type\":\"invalid_request_error\",\"param\":null,"
                "\"code\":null}}\n");
        return;
    }

    t = thing_new(c, EP_FILE, "file-%s-%lu");
    buf_add(&t->data, c->form.p + f->off, f->len);
    file_json(c, t, f->name, f->purpose);
    buf_add(&c->page, t->json.p, t->json.len);
}


/* an answer for each line of the input */

static void
batch_results(conn_t *c, const thing_t *in, thing_t *out, int *lines)
{
    const char  *p = in->data.p, *end = p + in->data.len;

    for (*lines = 0; p < end; p++) {
        if (*p == '\n' || p + 1 == end) {
            buf_fmt(&out->data, "{\"id\":\"batch_req_%lu_%d\","
                    "\"custom_id\":\"request-%d\",\"response\":"
                    "{\"status_code\":200,\"request_id\":\"req_sim_%lu\","
                    "\"body\":{\"choices\":[]}},\"error\":null}\n", c->a.id,
                    *lines, *lines, c->a.id);
            (*lines)++;
        }
    }
}


static void
batch_json(conn_t *c, buf_t *b, const char *id, const thing_t *out, int lines)
{
    scan_t  *s = &c->scan;

    buf_fmt(b, "{\"id\":\"%s\",\"object\":\"batch\",\"endpoint\":", id);
    buf_json(b, s->endpoint, strlen(s->endpoint));
    buf_str(b, ",\"errors\":null,\"input_file_id\":");
    buf_json(b, s->input_file, strlen(s->input_file));
    buf_fmt(b, ",\"completion_window\":\"24h\",\"status\":\"%s\","
            "\"output_file_id\":%s%s%s,\"error_file_id\":null,"
            "\"created_at\":%ld,\"expires_at\":%ld,\"request_counts\":"
            "{\"total\":%d,\"completed\":%d,\"failed\":0},"
            "\"metadata\":null}",
            out ? "completed" : "validating", out ? "\"" : "",
            out ? out->id : "null", out ? "\"" : "", c->a.created,
            c->a.created + 86400, lines, lines);
}


/* it is done the next time that somebody asks */

static void
batch_make(conn_t *c)
{
    int       lines;
    thing_t  *t, *in, *out;

    in = find(c, EP_FILE, c->scan.input_file);

    if (in == NULL) {
        missing(c, EP_FILE, c->scan.input_file, "invalid_input_file");
        return;
    }

    out = thing_new(c, EP_FILE, "file-%s-%lu");
    batch_results(c, in, out, &lines);
    file_json(c, out, "output.jsonl", "batch_output");

    t = thing_new(c, EP_BATCH, "batch_%s_%lu");
    batch_json(c, &t->json, t->id, out, lines);
    batch_json(c, &c->page, t->id, NULL, 0);
}


static void
list(conn_t *c, endpoint_e ep)
{
    int       n = 0;
    thing_t  *t;

    buf_str(&c->page, "{\"object\":\"list\",\"data\":[");

    for (t = c->port->things; t; t = t->next) {
        if (t->ep == ep) {
            buf_str(&c->page, n++ ? "," : "");
            buf_add(&c->page, t->json.p, t->json.len);
        }
    }

    buf_str(&c->page, "],\"has_more\":false}\n");
}


static void
remove_thing(conn_t *c, endpoint_e ep)
{
    thing_t  *t = find(c, ep, c->a.thing), **link;

    if (t == NULL) {
        missing(c, ep, c->a.thing, NULL);
        return;
    }

    for (link = &c->port->things; *link != t; link = &(*link)->next) {
        /* void */
    }

    *link = t->next;
    buf_fmt(&c->page, "{\"id\":\"%s\",\"object\":\"%s\",\"deleted\":true}\n",
            t->id, kind(ep));
    thing_free(t);
}


static void
give(conn_t *c, endpoint_e ep, int content)
{
    thing_t  *t = find(c, ep, c->a.thing);

    if (t == NULL) {
        missing(c, ep, c->a.thing, NULL);
        return;
    }

    if (content) {
        c->a.type = "application/octet-stream";
    }

    buf_add(&c->page, content ? t->data.p : t->json.p,
            content ? t->data.len : t->json.len);
}


/* the answer is made as ever; what it is made of is kept */

static void
response_keep(conn_t *c)
{
    answer_t  *a = &c->a;

    if (a->previous[0] && find(c, EP_RESPONSE, a->previous) == NULL) {
        missing(c, EP_RESPONSE, a->previous, "previous_response_not_found");
        return;
    }

    if (!a->nostore) {
        shape_plain_body(a, &thing_new(c, EP_RESPONSE, "resp_%s_%lu")->json);
    }
}


/* called once for each answer that is to be a success */

void
store_answer(conn_t *c)
{
    answer_t  *a = &c->a;
    int        get = strcmp(a->method, "GET") == 0;
    int        del = strcmp(a->method, "DELETE") == 0;

    c->page.len = 0;

    switch (a->ep) {

    case EP_RESPONSES:
        response_keep(c);
        break;

    case EP_TRANSCRIPTIONS:
        if (strcmp(a->form.format, "text") == 0 && !a->stream) {
            a->type = "text/plain; charset=utf-8";
        }
        return;

    case EP_FILES:
        get ? list(c, EP_FILE) : file_upload(c);
        break;

    case EP_BATCHES:
        get ? list(c, EP_BATCH) : batch_make(c);
        break;

    case EP_FILE_CONTENT:
        give(c, EP_FILE, 1);
        break;

    case EP_FILE:
    case EP_BATCH:
    case EP_RESPONSE:
        del ? remove_thing(c, a->ep) : give(c, a->ep, 0);
        break;

    default:
        return;
    }

    if (c->page.len || a->ep != EP_RESPONSES) {
        a->page = &c->page;
    }

    store_trim(c->port);
}
