
/*
 * Growing buffers, JSON strings, and the incremental scan of the JSON body.
 */

#include "ai-provider.h"


void
buf_grow(buf_t *b, size_t n)
{
    size_t  cap;

    if (b->len + n <= b->cap) {
        return;
    }

    for (cap = b->cap ? b->cap : 512; cap < b->len + n; cap *= 2) {
        /* void */
    }

    b->p = realloc(b->p, cap);
    if (b->p == NULL) {
        abort();
    }

    b->cap = cap;
}


void
buf_free(buf_t *b)
{
    free(b->p);
    memset(b, 0, sizeof(buf_t));
}


void
buf_add(buf_t *b, const void *p, size_t n)
{
    if (n) {
        buf_grow(b, n);
        memcpy(b->p + b->len, p, n);
        b->len += n;
    }
}


void
buf_str(buf_t *b, const char *s)
{
    buf_add(b, s, strlen(s));
}


void
buf_fmt(buf_t *b, const char *fmt, ...)
{
    int      n;
    va_list  args;

    buf_grow(b, 256);

    va_start(args, fmt);
    n = vsnprintf(b->p + b->len, b->cap - b->len, fmt, args);
    va_end(args);

    if ((size_t) n >= b->cap - b->len) {
        buf_grow(b, (size_t) n + 1);
        va_start(args, fmt);
        vsnprintf(b->p + b->len, b->cap - b->len, fmt, args);
        va_end(args);
    }

    b->len += (size_t) n;
}


/* 2n digits and a NUL */

void
hex_string(char *dst, const unsigned char *p, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        sprintf(dst + 2 * i, "%02x", p[i]);
    }
}


void
sha1_hex(char *dst, const void *p, size_t n)
{
    unsigned char  sum[20];

    if (EVP_Digest(n ? p : "", n, sum, NULL, EVP_sha1(), NULL) != 1) {
        abort();
    }

    hex_string(dst, sum, sizeof(sum));
}


/* length of the valid UTF-8 sequence at p, or 0 */

static size_t
utf8_len(const unsigned char *p, size_t n)
{
    size_t  i, k;

    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        k = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        k = 3;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        k = 4;
    } else {
        return 0;
    }

    if (k > n || (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)
        || (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
    {
        return 0;
    }

    for (i = 1; i < k; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }

    return k;
}


/* a JSON string with its quotes; what is not UTF-8 becomes U+FFFD */

void
buf_json(buf_t *b, const char *s, size_t n)
{
    size_t                k;
    const unsigned char  *p = (const unsigned char *) s, *end = p + n, *run;

    buf_str(b, "\"");

    while (p < end) {
        for (run = p; p < end && *p >= 0x20 && *p < 0x80 && *p != '"'
                      && *p != '\\'; p++)
        {
            /* void */
        }

        buf_add(b, run, (size_t) (p - run));

        if (p == end) {
            break;
        }

        if (*p == '"' || *p == '\\') {
            buf_fmt(b, "\\%c", *p++);

        } else if (*p < 0x20) {
            buf_fmt(b, "\\u%04x", *p++);

        } else if ((k = utf8_len(p, (size_t) (end - p))) != 0) {
            buf_add(b, p, k);
            p += k;

        } else {
            buf_str(b, "\\ufffd");
            p++;
        }
    }

    buf_str(b, "\"");
}


/*
 * The scan sees every body byte once and stores none but the few values it
 * looks for, so a body of any size costs one pass.  Members are taken only
 * from the top-level object and from "stream_options" in it: a "model"
 * inside a message or a tool schema is not ours.
 */

static void
scan_unescape(char *dst, size_t size, const char *s)
{
    char      hex[5];
    size_t    n = 0;
    unsigned  u;

    while (*s && n + 4 < size) {
        if (*s != '\\') {
            dst[n++] = *s++;
            continue;
        }

        s++;

        if (*s == 'u' && strlen(s) >= 5) {
            memcpy(hex, s + 1, 4);
            hex[4] = '\0';
            u = (unsigned) strtoul(hex, NULL, 16);
            s += 5;

            if (u == 0 || (u >= 0xd800 && u <= 0xdfff)) {
                dst[n++] = '?';

            } else if (u < 0x80) {
                dst[n++] = (char) u;

            } else if (u < 0x800) {
                dst[n++] = (char) (0xc0 | (u >> 6));
                dst[n++] = (char) (0x80 | (u & 0x3f));

            } else {
                dst[n++] = (char) (0xe0 | (u >> 12));
                dst[n++] = (char) (0x80 | ((u >> 6) & 0x3f));
                dst[n++] = (char) (0x80 | (u & 0x3f));
            }

            continue;
        }

        if (*s == '\0') {
            break;
        }

        dst[n++] = *s == 'n' ? '\n' : *s == 't' ? '\t' : *s == 'r' ? '\r' : *s;
        s++;
    }

    dst[n] = '\0';
}


/* what names something that was made before */

static void
scan_reference(scan_t *s)
{
    if (strcmp(s->key, "previous_response_id") == 0) {
        scan_unescape(s->previous, sizeof(s->previous), s->val);

    } else if (strcmp(s->key, "input_file_id") == 0) {
        scan_unescape(s->input_file, sizeof(s->input_file), s->val);

    } else if (strcmp(s->key, "endpoint") == 0) {
        scan_unescape(s->endpoint, sizeof(s->endpoint), s->val);
    }
}


static void
scan_value(scan_t *s, int string)
{
    s->val[s->nval] = '\0';
    s->key[s->nkey] = '\0';
    s->bare = 0;
    s->want_value = 0;

    if (s->depth == 2) {
        if (strcmp(s->key, "include_usage") == 0 && !string) {
            s->include_usage = strcmp(s->val, "true") == 0;
        }
        return;
    }

    if (strcmp(s->key, "model") == 0) {
        if (string) {
            scan_unescape(s->model, sizeof(s->model), s->val);
        }

    } else if (strcmp(s->key, "stream") == 0) {
        s->stream = !string && strcmp(s->val, "true") == 0;

    } else if (strcmp(s->key, "max_tokens") == 0
               || strcmp(s->key, "max_completion_tokens") == 0
               || strcmp(s->key, "max_output_tokens") == 0)
    {
        s->max_tokens = string ? 0 : strtol(s->val, NULL, 10);

    } else if (strcmp(s->key, "n") == 0) {
        s->n = string ? 0 : strtol(s->val, NULL, 10);

    } else if (strcmp(s->key, "store") == 0) {
        s->nostore = !string && strcmp(s->val, "false") == 0;

    } else if (string) {
        scan_reference(s);
    }
}


static void
scan_take(scan_t *s, char ch)
{
    if (!s->capture) {
        return;
    }

    if (s->is_key) {
        if (s->nkey < sizeof(s->key) - 1) {
            s->key[s->nkey++] = ch;
        }

    } else if (s->nval < sizeof(s->val) - 1) {
        s->val[s->nval++] = ch;
    }
}


static void
scan_structure(scan_t *s, char ch)
{
    int  ours = s->depth == 1 || (s->depth == 2 && s->in_options);

    switch (ch) {

    case ' ': case '\t': case '\r': case '\n':
        break;

    case '"':
        s->in_string = 1;
        s->capture = (char) ours;
        s->is_key = !s->want_value;

        if (ours && s->is_key) {
            s->nkey = 0;
        }
        break;

    case ':':
        if (ours) {
            s->want_value = 1;
            s->nval = 0;
        }
        break;

    case ',':
        if (ours) {
            if (s->bare) {
                scan_value(s, 0);
            }
            s->want_value = 0;
        }
        break;

    case '{': case '[':
        if (s->depth == 1) {
            s->key[s->nkey] = '\0';
            s->in_options = ch == '{' && s->want_value
                            && strcmp(s->key, "stream_options") == 0;
        }
        s->want_value = 0;
        s->depth++;
        break;

    case '}': case ']':
        if (ours && s->bare) {
            scan_value(s, 0);
        }
        s->want_value = 0;
        s->depth--;
        s->in_options = s->in_options && s->depth > 1;
        s->done = s->depth == 0;
        break;

    default:
        if (ours && s->want_value) {
            s->bare = 1;
            s->is_key = 0;
            s->capture = 1;
            scan_take(s, ch);
        }
    }
}


void
scan_feed(scan_t *s, const char *p, size_t n)
{
    const char  *end = p + n;

    while (p < end && !s->done) {

        if (s->in_string) {
            if (!s->capture && !s->escape) {
                while (p < end && *p != '"' && *p != '\\') {
                    p++;
                }
                if (p == end) {
                    return;
                }
            }

            if (s->escape) {
                s->escape = 0;
                scan_take(s, *p);

            } else if (*p == '"') {
                s->in_string = 0;
                if (s->capture && !s->is_key) {
                    scan_value(s, 1);
                }

            } else {
                s->escape = *p == '\\';
                scan_take(s, *p);
            }

            p++;
            continue;
        }

        if (s->depth == 0 && *p != '{') {
            if (strchr(" \t\r\n", *p) == NULL || *p == '\0') {
                s->done = 1;            /* not an object: nothing to find */
            }
            p++;
            continue;
        }

        scan_structure(s, *p++);
    }
}
