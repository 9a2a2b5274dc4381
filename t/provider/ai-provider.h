
/*
 * ai-provider, the simulated AI API provider of nginx-ai-route.
 *
 * One process, one thread, one epoll set.  The rooms:
 *
 *   ai-provider.c  listeners, connections, TLS, timers, the event loop
 *   request.c      HTTP request parsing, the /__ pages
 *   answer.c       head, framing, pacing and faults of an answer
 *   shapes.c       bodies and events of each API
 *   transcript.c   those of a transcription
 *   form.c         multipart bodies
 *   store.c        files, batches and responses that are kept
 *   fault.c        the X-Sim grammar
 *   errors.c       the providers' error bodies
 *   util.c         buffers, JSON strings, the scan of a request's JSON
 *
 * A connection is closed by marking it: the struct lives until the end of
 * the event loop's turn, so a caller checks c->state after any call that
 * may write or close.
 */

#ifndef AI_PROVIDER_H
#define AI_PROVIDER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>


#define SIM_MAX_HEAD   (64u << 10)
#define SIM_MAX_BODY   (64ull << 20)
#define SIM_KEEP_BODY  (64u << 10)      /* what /__last shows of a body */
#define SIM_OUT_HIGH   (32u << 10)      /* stop producing above this */
#define SIM_STEPS      16               /* lines of one /__fault script */
#define SIM_LINGER_MS  1000
#define SIM_THINGS     256              /* what a listener keeps, at most */
#define SIM_THINGS_SUM (64u << 20)      /* and its bytes */


typedef struct conn_s  conn_t;

typedef struct {
    char    *p;
    size_t   len;
    size_t   cap;
} buf_t;


typedef enum {
    D_DEFAULT = 0,                      /* by endpoint */
    D_OPENAI,
    D_AZURE,
    D_ANTHROPIC,
    D_GEMINI,
    D_BEDROCK,
    D_MISTRAL,
    D_GROQ,
    D_DEEPSEEK,
    D_XAI,
    D_OPENROUTER,
    D_VLLM,
    D_HTML,
    D_EMPTY
} dialect_e;


/* numbers are -1 when not given, strings are empty */

typedef struct {
    int    words, delay, gap, size, status, slow_first, cut, cut_mid, stall;
    int    reset_mid, error_after, malformed, keepalive_comments, badchunk;
    int    bigheader, times, cached, reasoning, prompt;

    char   usage_off, done_off, nochunk, cl, chunked, reset, reset_early;
    char   close, hang, hang_headers, error_first, empty, done_only;
    char   bytewise, cont, crlf, garbage, ok;

    int    dialect;
    char   code[48], content_type[80], retry_after[48], retry_after_ms[24];
    char   retry_delay[24], ratelimit[64], tier[16];
} spec_t;


typedef enum {
    EP_UNKNOWN = 0,
    EP_CHAT,
    EP_COMPLETIONS,
    EP_EMBEDDINGS,
    EP_RESPONSES,
    EP_MESSAGES,
    EP_IMAGES,
    EP_SPEECH,
    EP_RERANK,
    EP_MODERATIONS,
    EP_TRANSCRIPTIONS,
    EP_FILES,
    EP_FILE,
    EP_FILE_CONTENT,
    EP_BATCHES,
    EP_BATCH,
    EP_RESPONSE,                        /* one that was stored */
    EP_MODELS
} endpoint_e;


typedef enum { FR_LENGTH, FR_CHUNKED, FR_CLOSE } framing_e;

typedef enum { PH_PRE, PH_CONTENT, PH_POST, PH_DONE_EVENT, PH_END } phase_e;

/* what answer_next() left in the buffer, and what is to happen then */

typedef enum {
    GEN_EVENT,                          /* one whole event */
    GEN_END,                            /* nothing: the answer is complete */
    GEN_CUT,                            /* nothing: FIN now */
    GEN_CUT_MID,                        /* an event of which half is sent */
    GEN_STALL,                          /* nothing: silence from now on */
    GEN_STALL_MID,                      /* half an event, then silence */
    GEN_RESET,                          /* nothing: RST now */
    GEN_BADCHUNK                        /* nothing: a broken chunk header */
} gen_e;


/* what a form had; of several files the first */

typedef struct {
    int            files;
    size_t         off, len;            /* of the file, in conn_t.form */
    char           name[128];           /* of the file */
    char           sha1[41];
    char           purpose[32];
    char           format[32];          /* response_format */
} form_t;


/*
 * Everything an answer's bytes depend on.  answer_next() changes only
 * phase, idx, sent and seq, so a copy of the struct replays the answer;
 * that is how a Content-Length is known before the first byte.
 */

typedef struct {
    spec_t         sp;
    endpoint_e     ep;
    framing_e      framing;
    phase_e        phase;
    int            status;
    int            idx, sent, seq;
    int            words;
    long           n;                   /* images asked for */
    char           stream, include_usage, cut_short, simulated_error;
    char           special;             /* 0, or one of SP_* */
    unsigned long  id;
    long           created;
    unsigned long  prompt, cached, completion, reasoning;
    const char    *name;
    char           method[16];
    char           uri[128];            /* for error messages, cut */
    char           model[256];          /* decoded, not escaped */
    char           thing[96];           /* the id in the path */
    char           previous[96];        /* previous_response_id */
    char           nostore;
    form_t         form;
    const char    *type;                /* Content-Type, if not the usual */
    const buf_t   *page;                /* the whole body, if not NULL */
} answer_t;

enum { SP_NONE = 0, SP_BAD_KEY, SP_NO_KEY, SP_NOT_FOUND, SP_METHOD, SP_SIM,
       SP_TOO_LARGE, SP_BAD_REQUEST };


typedef struct {
    unsigned long  requests, models, streams, aborted, connections, completed;
    unsigned long  by_status[1000];
} stats_t;


/* a file, batch or response that can be asked for again */

typedef struct thing_s  thing_t;

struct thing_s {
    thing_t       *next;                /* an older one */
    endpoint_e     ep;                  /* EP_FILE, EP_BATCH or EP_RESPONSE */
    char           id[96];
    buf_t          json, data;
};


typedef struct {
    int            fd;
    int            tls;
    char           name[64];
    long           open;                /* connections, admin ones excluded */
    stats_t        st;

    spec_t         step[SIM_STEPS];     /* the /__fault script */
    int            nstep, cur;

    thing_t       *things;              /* the newest first */

    buf_t          last_head, last_body;
    buf_t          last_form;           /* JSON, empty: it was no form */
    uint64_t       last_bytes;
    unsigned char  last_sha1[20];
    int            last_sha1_set;
    unsigned       last_conn_requests;
    char           last_sni[256];
    int            last_tls, last_reused;
} port_t;


/* incremental scan for a few top-level members of a JSON object */

typedef struct {
    unsigned       depth;
    char           in_string, escape, is_key, want_value, capture, bare;
    char           in_options, done;
    unsigned char  nkey;
    unsigned short nval;
    char           key[40];
    char           val[256];

    char           model[256];
    char           stream, include_usage, nostore;
    long           max_tokens, n;
    char           previous[96], input_file[96], endpoint[64];
} scan_t;


typedef enum {
    ST_HANDSHAKE,
    ST_HEAD,
    ST_BODY,
    ST_ANSWER,
    ST_LINGER,
    ST_CLOSED
} state_e;

typedef enum { AF_MORE, AF_DONE, AF_CLOSE, AF_STALL, AF_RESET } after_e;

struct conn_s {
    int            fd;
    state_e        state;
    after_e        after;               /* when the output is drained */
    port_t        *port;
    SSL           *ssl;
    conn_t        *next, *prev;
    uint32_t       events;              /* what epoll watches */
    uint64_t       due;                 /* ms, meaningful when heap >= 0 */
    int            heap;                /* index in the timer heap, or -1 */
    unsigned       requests;

    char           admin, uncounted, keep, paused, ssl_want;
    char           started, waited, chunked_body, logged;

    buf_t          in, out, head, body;
    buf_t          form;                /* the whole of a multipart body */
    buf_t          page;                /* of a.page */
    char           boundary[80];        /* empty: it is none */
    size_t         out_off;

    uint64_t       body_bytes;          /* read so far */
    uint64_t       body_left;           /* of the length or of the chunk */
    int            chunk_state;
    EVP_MD_CTX    *sha;                 /* only for bodies over the limit */
    scan_t         scan;

    int            has_key, key_ok;
    int            http10, expect, sim_set;
    char           sim_error[96];
    size_t         uri_off, uri_len;    /* in head */
    uint64_t       wait_until;
    answer_t       a;
};


/* ai-provider.c */

extern uint64_t  now_ms;
extern int       nkeys;
extern char     *keys[16];
extern FILE     *log_file;
extern spec_t    default_spec;
extern int       default_spec_set;

void conn_arm(conn_t *c, uint64_t ms);
void conn_disarm(conn_t *c);
int conn_flush(conn_t *c);              /* 1: everything is out */
void conn_close(conn_t *c, int rst);
void conn_fin(conn_t *c);
void conn_log(conn_t *c, const char *outcome);
const char *http_date(void);

/* request.c */

void request_input(conn_t *c);
void request_feed(conn_t *c, const char *p, size_t n);
void request_done(conn_t *c);

/* form.c */

int form_read(conn_t *c);
void form_boundary(conn_t *c, const char *type, size_t n);
void form_report(const answer_t *a, buf_t *b);

/* store.c */

void store_answer(conn_t *c);
void store_free(port_t *port);

/* util.c */

void hex_string(char *dst, const unsigned char *p, size_t n);
void sha1_hex(char *dst, const void *p, size_t n);
void buf_grow(buf_t *b, size_t n);
void buf_add(buf_t *b, const void *p, size_t n);
void buf_str(buf_t *b, const char *s);
void buf_fmt(buf_t *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void buf_json(buf_t *b, const char *s, size_t n);
void buf_free(buf_t *b);
void scan_feed(scan_t *s, const char *p, size_t n);

/* shapes.c */

void shape_plain_body(const answer_t *a, buf_t *b);
void shape_text(const answer_t *a, buf_t *b);   /* a JSON string */
void shape_usage(const answer_t *a, buf_t *b);  /* ,"usage":{...} */
int shape_npre(const answer_t *a);
void shape_pre_event(answer_t *a, buf_t *b);
void shape_content_event(answer_t *a, buf_t *b);
int shape_post_event(answer_t *a, buf_t *b);    /* 0: there are no more */

/* transcript.c */

void transcript_body(const answer_t *a, buf_t *b);
void transcript_event(const answer_t *a, buf_t *b);
int transcript_post(answer_t *a, buf_t *b);

/* answer.c */

const char *http_reason(int status);
void answer_start(conn_t *c);
void answer_timer(conn_t *c);
void answer_pump(conn_t *c);
void answer_plain(conn_t *c, int status, const char *type, buf_t *body);

/* fault.c */

void spec_init(spec_t *sp);
int spec_parse(spec_t *sp, const char *s, size_t n, char *err, size_t errlen);
int spec_from_model(spec_t *sp, const char *model);
void spec_help(FILE *f);

/* errors.c */

dialect_e answer_dialect(const answer_t *a);
void error_body(const answer_t *a, buf_t *b);
void error_event(answer_t *a, buf_t *b);
void error_headers(const answer_t *a, buf_t *b);
const char *error_content_type(const answer_t *a);

#endif
