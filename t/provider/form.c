
/*
 * multipart/form-data: the few fields that an answer depends on, and what
 * came of each file.  The whole body is there; this is no guard of anything,
 * so what clients do not send is refused and not thought about.
 */

#include "ai-provider.h"


typedef struct {
    char         name[64], filename[128];
    int          is_file;
    const char  *p;
    size_t       n;
} part_t;


/* from the Content-Type; another type leaves it empty */

void
form_boundary(conn_t *c, const char *type, size_t n)
{
    size_t       k;
    const char  *p, *end = type + n;

    if (n < 19 || strncasecmp(type, "multipart/form-data", 19) != 0) {
        return;
    }

    p = memmem(type, n, "boundary=", 9);
    if (p == NULL) {
        return;
    }

    p += 9;
    p += p < end && *p == '"';

    for (k = 0; p + k < end && p[k] != '"' && p[k] != ';' && p[k] != ' '; k++) {
        /* void */
    }

    if (k < sizeof(c->boundary) - 4) {
        snprintf(c->boundary, sizeof(c->boundary), "\r\n--%.*s", (int) k, p);
    }
}


/* NAME="VALUE" of a Content-Disposition; 0: there is none */

static int
parameter(const char *p, size_t n, const char *name, char *dst, size_t size)
{
    size_t       k = strlen(name);
    const char  *end = p + n, *q;

    for (q = p; (q = memmem(q, (size_t) (end - q), name, k)) != NULL; q += k) {
        if (q > p && (q[-1] == ' ' || q[-1] == ';')) {
            break;
        }
    }

    if (q == NULL) {
        return 0;
    }

    p = q + k;
    q = memchr(p, '"', (size_t) (end - p));
    k = q ? (size_t) (q - p) : (size_t) (end - p);
    k = k < size ? k : size - 1;
    memcpy(dst, p, k);
    dst[k] = '\0';

    return 1;
}


static int
part_read(part_t *part, const char *p, const char *end)
{
    const char  *body = memmem(p, (size_t) (end - p), "\r\n\r\n", 4), *line;

    if (body == NULL) {
        return -1;
    }

    line = memmem(p, (size_t) (body - p), "form-data", 9);
    if (line == NULL
        || !parameter(line, strcspn(line, "\r"), "name=\"", part->name,
                      sizeof(part->name)))
    {
        return -1;
    }

    part->is_file = parameter(line, strcspn(line, "\r"), "filename=\"",
                              part->filename, sizeof(part->filename));
    part->p = body + 4;
    part->n = (size_t) (end - part->p);

    return 0;
}


static void
copy(char *dst, size_t size, const part_t *part)
{
    snprintf(dst, size, "%.*s", (int) (part->n < size ? part->n : size - 1),
             part->p);
}


static void
take_field(conn_t *c, const part_t *part)
{
    char     text[32];
    form_t  *f = &c->a.form;

    copy(text, sizeof(text), part);

    if (strcmp(part->name, "model") == 0) {
        copy(c->scan.model, sizeof(c->scan.model), part);

    } else if (strcmp(part->name, "stream") == 0) {
        c->scan.stream = strcmp(text, "true") == 0;

    } else if (strcmp(part->name, "n") == 0) {
        c->scan.n = strtol(text, NULL, 10);

    } else if (strcmp(part->name, "purpose") == 0) {
        copy(f->purpose, sizeof(f->purpose), part);

    } else if (strcmp(part->name, "response_format") == 0) {
        copy(f->format, sizeof(f->format), part);
    }
}


/* ["name","value"] of a field, of a file its name, size and SHA-1 */

static void
take_part(conn_t *c, const part_t *part, buf_t *fields, buf_t *files)
{
    char     sha1[41];
    buf_t   *b = part->is_file ? files : fields;
    form_t  *f = &c->a.form;

    buf_str(b, b->len ? ",[" : "[");
    buf_json(b, part->name, strlen(part->name));
    buf_str(b, ",");

    if (!part->is_file) {
        take_field(c, part);
        buf_json(b, part->p, part->n < 1024 ? part->n : 1024);
        buf_str(b, "]");
        return;
    }

    sha1_hex(sha1, part->p, part->n);
    buf_json(b, part->filename, strlen(part->filename));
    buf_fmt(b, ",%zu,\"%s\"]", part->n, sha1);

    if (f->files++ == 0) {
        f->off = (size_t) (part->p - c->form.p);
        f->len = part->n;
        memcpy(f->name, part->filename, sizeof(f->name));
        memcpy(f->sha1, sha1, sizeof(f->sha1));
    }
}


/* -1: it is no form */

int
form_read(conn_t *c)
{
    int          rc = 0;
    buf_t        fields = { NULL, 0, 0 }, files = { NULL, 0, 0 };
    buf_t       *last = &c->port->last_form;
    part_t       part;
    size_t       k = strlen(c->boundary);
    const char  *p = c->form.p, *end = p + c->form.len, *next;

    if (c->form.len < k || memcmp(p, c->boundary + 2, k - 2) != 0) {
        return -1;
    }

    for (p += k - 2; end - p < 2 || memcmp(p, "--", 2) != 0; p = next + k) {
        next = memmem(p, (size_t) (end - p), c->boundary, k);

        if (next == NULL || part_read(&part, p, next) != 0) {
            rc = -1;
            break;
        }

        take_part(c, &part, &fields, &files);
    }

    buf_str(last, "{\"fields\":[");
    buf_add(last, fields.p, fields.len);
    buf_str(last, "],\"files\":[");
    buf_add(last, files.p, files.len);
    buf_str(last, "]}");

    buf_free(&fields);
    buf_free(&files);

    return rc;
}


/* what of it an answer tells: a member that no API has */

void
form_report(const answer_t *a, buf_t *b)
{
    const form_t  *f = &a->form;

    if (f->files == 0) {
        return;
    }

    buf_str(b, ",\"sim_file\":{\"filename\":");
    buf_json(b, f->name, strlen(f->name));
    buf_fmt(b, ",\"bytes\":%zu,\"sha1\":\"%s\",\"files\":%d}", f->len, f->sha1,
            f->files);
}
