
/*
 * The X-Sim grammar.
 */

#include "ai-provider.h"


typedef enum { T_INT, T_FLAG, T_OFF, T_STR, T_DIALECT } type_e;

typedef struct {
    const char  *name;
    type_e       type;
    size_t       offset;
    int          size;                  /* of a string; else the upper bound */
    int          bare;                  /* value of a bare name, or -1 */
    const char  *help;
} param_t;

#define P_INT(name, field, max, bare, help)                                   \
    { name, T_INT, offsetof(spec_t, field), max, bare, help }
#define P_FLAG(name, field, help)                                             \
    { name, T_FLAG, offsetof(spec_t, field), 0, 0, help }
#define P_STR(name, field, help)                                              \
    { name, T_STR, offsetof(spec_t, field),                                   \
      (int) sizeof(((spec_t *) 0)->field), 0, help }

#define DAY_MS  86400000

static const param_t  params[] = {
    P_INT("words", words, 10000000, -1, "words of the answer (8)"),
    P_INT("delay", delay, DAY_MS, -1, "ms before the first byte"),
    P_INT("gap", gap, DAY_MS, -1, "ms between content events"),
    P_INT("size", size, 64 << 20, -1, "bytes of the text, not streamed"),
    P_INT("prompt", prompt, 2000000000, -1, "prompt tokens to report"),
    P_INT("cached", cached, 2000000000, -1, "cached tokens to report"),
    P_INT("reasoning", reasoning, 2000000000, -1,
          "reasoning tokens to report"),
    { "usage", T_OFF, offsetof(spec_t, usage_off), 0, 0,
      "usage=off: no usage anywhere" },
    { "done", T_OFF, offsetof(spec_t, done_off), 0, 0,
      "done=off: no [DONE] or other last event" },
    P_STR("tier", tier, "service_tier to report"),
    P_STR("content_type", content_type, "Content-Type of the answer"),
    P_FLAG("nochunk", nochunk, "body delimited by the close"),
    P_FLAG("chunked", chunked, "chunked even when not streamed"),
    P_FLAG("cl", cl, "Content-Length even when streamed"),
    P_FLAG("bytewise", bytewise, "one byte per write"),
    P_FLAG("crlf", crlf, "CRLF line ends in the stream"),
    P_FLAG("continue", cont, "a 100 and a 103 before the answer"),
    P_INT("bigheader", bigheader, 1 << 20, -1, "a header of so many bytes"),

    P_INT("status", status, 999, -1, "HTTP status, with its error body"),
    { "dialect", T_DIALECT, offsetof(spec_t, dialect), 0, 0,
      "whose error body" },
    P_STR("code", code, "which variant of the error"),
    P_STR("retry_after", retry_after, "Retry-After; date+N: N s from now"),
    P_STR("retry_after_ms", retry_after_ms, "retry-after-ms"),
    P_STR("retry_delay", retry_delay, "gemini's RetryInfo, as 34.4s"),
    P_STR("ratelimit", ratelimit, "REM/LIMIT/RESET for requests"),

    P_FLAG("reset", reset, "RST instead of an answer"),
    P_FLAG("reset_early", reset_early, "RST after the request's headers"),
    P_FLAG("close", close, "FIN instead of an answer"),
    P_FLAG("hang", hang, "no answer at all"),
    P_FLAG("hang_headers", hang_headers, "headers, then silence"),
    P_INT("slow_first", slow_first, DAY_MS, -1, "ms before the first content"),
    P_INT("cut", cut, 10000000, 0, "FIN after N content events"),
    P_INT("cut_mid", cut_mid, 10000000, 0, "FIN inside event N+1"),
    P_INT("reset_mid", reset_mid, 10000000, 0, "RST after N content events"),
    P_INT("stall", stall, 10000000, 0, "silence after N content events"),
    P_FLAG("error_first", error_first, "200, and an error as first event"),
    P_INT("error_after", error_after, 10000000, 0,
          "200, and an error after N content events"),
    P_INT("malformed", malformed, 10000000, 1, "event N is broken JSON"),
    P_FLAG("empty", empty, "headers and no body"),
    P_FLAG("done_only", done_only, "only the last event"),
    P_INT("keepalive_comments", keepalive_comments, DAY_MS, -1,
          "a comment every N ms before the first token"),
    P_INT("badchunk", badchunk, 10000000, 0,
          "an invalid chunk header after N events"),
    P_FLAG("garbage", garbage, "not HTTP"),
    P_INT("times", times, 1000000000, -1, "in /__fault: for N requests"),
    P_FLAG("ok", ok, "nothing special"),
    { NULL, T_INT, 0, 0, 0, NULL }
};

static const char  *dialects[] = {
    "default", "openai", "azure", "anthropic", "gemini", "bedrock", "mistral",
    "groq", "deepseek", "xai", "openrouter", "vllm", "html", "empty", NULL
};


void
spec_init(spec_t *sp)
{
    const param_t  *p;

    memset(sp, 0, sizeof(spec_t));

    for (p = params; p->name; p++) {
        if (p->type == T_INT) {
            *(int *) ((char *) sp + p->offset) = -1;
        }
    }
}


static int
set_int(const param_t *p, int *dst, const char *v)
{
    long  n;
    char *end;

    if (v == NULL) {
        if (p->bare < 0) {
            return -1;
        }
        *dst = p->bare;
        return 0;
    }

    n = strtol(v, &end, 10);
    if (*v == '\0' || *end != '\0' || n < 0 || n > p->size) {
        return -1;
    }

    *dst = (int) n;

    return 0;
}


static int
set_param(spec_t *sp, const char *name, const char *v)
{
    int             i, on;
    char           *at;
    const param_t  *p;

    for (p = params; p->name && strcmp(p->name, name) != 0; p++) {
        /* void */
    }

    if (p->name == NULL) {

        /* a bare number is a status */

        if (v == NULL && strlen(name) == 3
            && strspn(name, "0123456789") == 3 && name[0] >= '2')
        {
            sp->status = atoi(name);
            return 0;
        }
        return -1;
    }

    at = (char *) sp + p->offset;

    switch (p->type) {

    case T_INT:
        if (set_int(p, (int *) at, v) != 0) {
            return -1;
        }
        return sp->status >= 0 && sp->status < 200 ? -1 : 0;

    case T_FLAG:
    case T_OFF:
        on = v == NULL || strcmp(v, "on") == 0 || strcmp(v, "1") == 0;
        if (!on && strcmp(v, "off") != 0 && strcmp(v, "0") != 0) {
            return -1;
        }
        *at = p->type == T_FLAG ? (char) on : (char) !on;
        return 0;

    case T_STR:
        if (v == NULL || strlen(v) >= (size_t) p->size) {
            return -1;
        }
        memcpy(at, v, strlen(v) + 1);
        return 0;

    case T_DIALECT:
        for (i = 0; v && dialects[i]; i++) {
            if (strcmp(dialects[i], v) == 0) {
                sp->dialect = i;
                return 0;
            }
        }
    }

    return -1;
}


/*
 * name, name=value or name="value, with separators", separated by commas or
 * blanks.  Names that are already set are overridden.
 */

int
spec_parse(spec_t *sp, const char *s, size_t n, char *err, size_t errlen)
{
    int          quoted;
    char         name[32], val[128];
    size_t       k;
    const char  *end = s + n;

#define SEP(ch)  ((ch) == ',' || (ch) == ' ' || (ch) == '\t' || (ch) == '\r'  \
                  || (ch) == '\n')

    for ( ;; ) {
        while (s < end && SEP(*s)) {
            s++;
        }

        if (s == end) {
            return 0;
        }

        for (k = 0; s < end && *s != '=' && !SEP(*s); s++) {
            if (k < sizeof(name) - 1) {
                name[k++] = *s;
            }
        }

        name[k] = '\0';

        if (s == end || *s != '=') {
            if (set_param(sp, name, NULL) != 0) {
                snprintf(err, errlen, "invalid parameter %s", name);
                return -1;
            }
            continue;
        }

        s++;
        quoted = s < end && *s == '"';
        s += quoted;

        for (k = 0; s < end && (quoted ? *s != '"' : !SEP(*s)); s++) {
            if (k == sizeof(val) - 1) {
                snprintf(err, errlen, "too long value of %s", name);
                return -1;
            }
            if ((unsigned char) *s >= ' ') {
                val[k++] = *s;
            }
        }

        val[k] = '\0';
        s += quoted && s < end;

        if (set_param(sp, name, val) != 0) {
            snprintf(err, errlen, "invalid parameter %s=%.40s", name, val);
            return -1;
        }
    }

#undef SEP
}


/* "sim-FAULT" or "anything+sim:FAULT"; other models choose nothing */

int
spec_from_model(spec_t *sp, const char *model)
{
    char         err[96];
    spec_t       tmp;
    const char  *p;

    p = strstr(model, "+sim:");

    if (p) {
        p += 5;

    } else if (strncmp(model, "sim-", 4) == 0) {
        p = model + 4;

    } else {
        return 0;
    }

    spec_init(&tmp);

    if (spec_parse(&tmp, p, strlen(p), err, sizeof(err)) != 0) {
        return 0;
    }

    *sp = tmp;

    return 1;
}


void
spec_help(FILE *f)
{
    const param_t  *p;

    fputs("Behaviour, in the header X-Sim, in the body of POST /__fault, in "
          "--sim, or in\nthe model name (sim-SPEC, NAME+sim:SPEC):\n\n", f);

    for (p = params; p->name; p++) {
        fprintf(f, "  %-19s %s\n", p->name, p->help);
    }
}
