
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Many requests, each with an id of its own, and what became of each: a file
 * with a line per request to be compared with the usage records.  Some are
 * given up by this client on purpose, some are refused by the gateway.
 *
 *     client PORT TOTAL CONCURRENT REPORT [NAME=VALUE]...
 *
 *     key=SECRET    a client key; may be repeated, as the next one
 *     model=NAME
 *     seed=N        of the random numbers, and a part of the ids (1)
 *     abort=N       per mille that this client gives up (40)
 *     refuse=N      per mille that the gateway must refuse (20)
 *     patience=S    seconds after which a request is given up anyway (60)
 *     limit=S       seconds for all (600)
 *     rate=N        requests per second, at most (0: as many as can be)
 *
 * A line of REPORT, with tabs between: id, status (0: none), fate, start, end
 * (milliseconds of Unix time).  The fates:
 *
 *     complete    the answer had the end that its head had announced
 *     cut         the connection was closed or reset within the answer
 *     none        ... before a byte of it, after all of the request was sent
 *     gone        given up by this client within the answer
 *     left        ... before a byte of it, after all of the request was sent
 *     unsent      no connection, or it was closed within the request
 *
 * SIGUSR1: no new requests until SIGUSR2.  SIGTERM: no new ones at all.  Each
 * second a line of counts on standard output, and one at the end.
 */


#define _GNU_SOURCE

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>


#define LIST      16
#define HEAD      8192
#define REQUEST   2048
#define REUSE     50            /* requests on one connection, at most */
#define ID        40


typedef enum {
    COMPLETE = 0,
    CUT,
    NONE,
    GONE,
    LEFT,
    UNSENT,
    FATES
} fate_e;


/* where the answer's reader is */

typedef enum {
    IN_HEAD = 0,
    IN_LENGTH,
    IN_SIZE,
    IN_CHUNK,
    IN_CHUNK_END,
    IN_TRAILER,
    UNTIL_CLOSE,
    AT_END
} reader_e;


typedef struct {
    int            fd;                      /* -1: no connection */
    unsigned       uses;
    unsigned       busy;

    char           id[ID];
    char           request[REQUEST];
    size_t         len;
    size_t         sent;

    int64_t        start;                   /* Unix time, ms */
    int64_t        leave;                   /* ... when to give up */
    unsigned       leave_within;            /* ... at the first byte */

    reader_e       reader;
    unsigned       status;
    unsigned       bytes;                   /* something came */
    unsigned       keep;
    uint64_t       left;                    /* of the body or chunk */
    unsigned       line;                    /* bytes of the trailer's line */
    size_t         nhead;
    char           head[HEAD];
} slot_t;


static const char  *fates[FATES] = { "complete", "cut", "none", "gone",
                                     "left", "unsent" };

static const char  *keys[LIST], *models[LIST];
static unsigned     nkeys, nmodels, port, total, concurrent;
static unsigned     started, finished, strange, counts[FATES];
static unsigned     seed = 1, per_abort = 40, per_refuse = 20, rate;
static int64_t      patience = 60000, limit = 600000;
static uint64_t     rnd_state;
static int          ep;
static FILE        *report;

static volatile sig_atomic_t  paused, ending;


static int64_t
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


/* 0 .. n - 1 */

static unsigned
rnd(unsigned n)
{
    rnd_state ^= rnd_state << 13;
    rnd_state ^= rnd_state >> 7;
    rnd_state ^= rnd_state << 17;

    return (unsigned) ((rnd_state >> 16) % n);
}


static void
on_signal(int sig)
{
    if (sig == SIGTERM) {
        ending = 1;

    } else {
        paused = (sig == SIGUSR1);
    }
}


/*
 * Refused ones differ in why: no key, no such model, no JSON; the list of
 * models is no refusal, but has no body and no attempt either.
 */

static void
make_request(slot_t *s)
{
    char         body[1024];
    int          n;
    unsigned     kind;
    const char  *key, *model;

    key = nkeys ? keys[rnd(nkeys)] : "none";
    model = models[rnd(nmodels)];
    kind = rnd(1000) < per_refuse ? 1 + rnd(4) : 0;

    snprintf(s->id, ID, "e%u-%u", seed, started);

    n = snprintf(body, sizeof(body),
                 "{\"model\":\"%s\"%s,\"max_tokens\":%u,"
                 "\"messages\":[{\"role\":\"user\",\"content\":\"%.*s\"}]%s",
                 kind == 2 ? "no-such-model" : model,
                 rnd(2) ? ",\"stream\":true" : "", 1 + rnd(60),
                 (int) rnd(400),
                 "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmn"
                 "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmn"
                 "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmn"
                 "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmn"
                 "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmn"
                 "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmn"
                 "0123456789abcdefghijklmnopqrstuvwxyz01234567",
                 kind == 3 ? "" : "}");

    if (kind == 4) {
        s->len = (size_t) snprintf(s->request, REQUEST,
                                   "GET /v1/models HTTP/1.1\r\n"
                                   "Host: gateway\r\n"
                                   "Authorization: Bearer %s\r\n"
                                   "X-Request-ID: %s\r\n\r\n", key, s->id);
        return;
    }

    s->len = (size_t) snprintf(s->request, REQUEST,
                               "POST /v1/chat/completions HTTP/1.1\r\n"
                               "Host: gateway\r\n"
                               "Content-Type: application/json\r\n"
                               "Authorization: Bearer %s\r\n"
                               "X-Request-ID: %s\r\n"
                               "Content-Length: %d\r\n\r\n%s",
                               kind == 1 ? "nobody" : key, s->id, n, body);
}


static void
slot_close(slot_t *s)
{
    if (s->fd != -1) {
        close(s->fd);
        s->fd = -1;
    }
}


static void
slot_end(slot_t *s, fate_e fate)
{
    fprintf(report, "%s\t%u\t%s\t%lld\t%lld\n", s->id, s->status, fates[fate],
            (long long) s->start, (long long) now());

    counts[fate]++;
    finished++;
    s->busy = 0;

    if (fate != COMPLETE || !s->keep || s->uses >= REUSE || rnd(8) == 0) {
        slot_close(s);
    }
}


static void
slot_broken(slot_t *s)
{
    slot_close(s);

    slot_end(s, s->sent < s->len ? UNSENT : s->bytes ? CUT : NONE);
}


static int
slot_connect(slot_t *s)
{
    int                 one = 1;
    struct sockaddr_in  addr;
    struct epoll_event  ev;

    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd == -1) {
        return -1;
    }

    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

    memset(&addr, 0, sizeof(addr));
    addr.sin_family = AF_INET;
    addr.sin_port = htons((uint16_t) port);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    if (connect(s->fd, (struct sockaddr *) &addr, sizeof(addr)) == -1
        && errno != EINPROGRESS)
    {
        return -1;
    }

    s->uses = 0;

    ev.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    ev.data.ptr = s;

    return epoll_ctl(ep, EPOLL_CTL_ADD, s->fd, &ev);
}


static void
slot_write(slot_t *s)
{
    ssize_t  n;

    while (s->sent < s->len) {
        n = send(s->fd, s->request + s->sent, s->len - s->sent, MSG_NOSIGNAL);

        if (n == -1) {
            if (errno != EAGAIN && errno != ENOTCONN) {
                slot_broken(s);
            }

            return;
        }

        s->sent += (size_t) n;
    }
}


/* as every client with a pool of connections does before it uses one again */

static void
slot_check(slot_t *s)
{
    char  c;

    if (s->fd != -1
        && (recv(s->fd, &c, 1, MSG_PEEK) != -1 || errno != EAGAIN))
    {
        slot_close(s);
    }
}


static void
slot_start(slot_t *s)
{
    slot_check(s);

    s->busy = 1;
    s->sent = 0;
    s->reader = IN_HEAD;
    s->status = 0;
    s->bytes = 0;
    s->nhead = 0;
    s->keep = 1;

    make_request(s);
    started++;

    s->start = now();
    s->leave = s->start + patience;
    s->leave_within = 0;

    if (rnd(1000) < per_abort) {
        s->leave_within = rnd(2);

        if (!s->leave_within) {
            s->leave = s->start + rnd(rnd(4) ? 30 : 1500);
        }
    }

    if (s->fd == -1 && slot_connect(s) == -1) {
        slot_broken(s);
        return;
    }

    s->uses++;
    slot_write(s);
}


/* what nginx has said of the body; its head is in s->head */

static void
read_head(slot_t *s)
{
    char  *p;

    s->head[s->nhead] = '\0';
    s->status = (unsigned) atoi(s->head + sizeof("HTTP/1.1 ") - 1);
    s->reader = UNTIL_CLOSE;

    p = strcasestr(s->head, "\r\nx-request-id: ");

    /* an answer to somebody else's request would be worse than none */

    if (p == NULL
        || strncmp(p + 16, s->id, strlen(s->id)) != 0
        || p[16 + strlen(s->id)] != '\r')
    {
        strange++;
    }

    if (strcasestr(s->head, "\r\nconnection: close\r\n")) {
        s->keep = 0;
    }

    p = strcasestr(s->head, "\r\ncontent-length: ");

    if (p) {
        s->left = strtoull(p + 18, NULL, 10);
        s->reader = s->left ? IN_LENGTH : AT_END;

    } else if (strcasestr(s->head, "\r\ntransfer-encoding: chunked\r\n")) {
        s->left = 0;
        s->reader = IN_SIZE;
    }
}


/* one byte at a time where the frame is, all of it where the content is */

static void
read_answer(slot_t *s, const char *p, size_t n)
{
    size_t       take;
    const char  *end, *digit;

    static const char  hex[] = "0123456789abcdefABCDEF";

    for (end = p + n; p < end; p++) {

        switch (s->reader) {

        case IN_HEAD:
            if (s->nhead == HEAD - 1) {
                strange++;
                s->reader = UNTIL_CLOSE;
                break;
            }

            s->head[s->nhead++] = *p;

            if (*p == '\n' && s->nhead > 3
                && memcmp(&s->head[s->nhead - 4], "\r\n\r\n", 4) == 0)
            {
                read_head(s);
            }

            break;

        case IN_LENGTH:
        case IN_CHUNK:
            take = (size_t) (end - p);
            take = s->left < take ? (size_t) s->left : take;
            s->left -= take;
            p += take - 1;

            if (s->left == 0) {
                s->reader = s->reader == IN_CHUNK ? IN_CHUNK_END : AT_END;
            }

            break;

        case IN_SIZE:
            digit = strchr(hex, *p);

            if (digit && *digit) {
                take = (size_t) (digit - hex);
                s->left = s->left * 16 + (take > 15 ? take - 6 : take);

            } else if (*p == '\n') {
                s->reader = s->left ? IN_CHUNK : IN_TRAILER;
                s->line = 0;
            }

            break;

        case IN_CHUNK_END:
            if (*p == '\n') {
                s->reader = IN_SIZE;
            }

            break;

        case IN_TRAILER:
            if (*p == '\n') {
                s->reader = s->line ? IN_TRAILER : AT_END;
                s->line = 0;

            } else if (*p != '\r') {
                s->line++;
            }

            break;

        case UNTIL_CLOSE:
            return;

        case AT_END:
            strange++;
            s->keep = 0;
            return;
        }
    }
}


static void
slot_read(slot_t *s)
{
    ssize_t      n;
    static char  buf[65536];

    while (s->fd != -1) {
        n = recv(s->fd, buf, sizeof(buf), 0);

        if (n == -1 && errno == EAGAIN) {
            return;
        }

        if (!s->busy) {
            /* an idle connection: closed, or something nobody asked for */
            strange += (n > 0);
            slot_close(s);
            return;
        }

        if (n == 0 && s->reader == UNTIL_CLOSE && s->bytes) {
            slot_end(s, COMPLETE);
            slot_close(s);
            return;
        }

        if (n <= 0) {
            slot_broken(s);
            return;
        }

        s->bytes = 1;
        read_answer(s, buf, (size_t) n);

        if (s->reader == AT_END) {
            slot_end(s, COMPLETE);
            return;
        }

        if (s->leave_within) {
            slot_end(s, GONE);
            slot_close(s);
            return;
        }
    }
}


/* what has come meanwhile counts first: nginx may have closed already */

static void
slot_leave(slot_t *s)
{
    slot_read(s);

    if (s->busy) {
        slot_end(s, s->sent < s->len ? UNSENT : s->bytes ? GONE : LEFT);
        slot_close(s);
    }
}


static void
slot_event(slot_t *s, uint32_t what)
{
    if (s->fd == -1) {
        return;
    }

    if (s->busy && (what & EPOLLOUT)) {
        slot_write(s);
    }

    if (s->fd != -1 && (what & ~(uint32_t) EPOLLOUT)) {
        slot_read(s);
    }
}


static void
say(const char *word)
{
    unsigned  i;

    printf("%s started=%u finished=%u strange=%u", word, started, finished,
           strange);

    for (i = 0; i < FATES; i++) {
        printf(" %s=%u", fates[i], counts[i]);
    }

    printf("\n");
    fflush(stdout);
}


/* with a rate the time that passes in a pause is not made up for */

static unsigned
may_start(int64_t t)
{
    static double   due;
    static int64_t  last;

    if (paused || ending || started == total) {
        last = t;
        return 0;
    }

    if (rate == 0) {
        return 1;
    }

    due += (double) (t - last) * rate / 1000;
    due = due > 20 || last == 0 ? 20 : due;
    last = t;

    if (due < 1) {
        return 0;
    }

    due--;

    return 1;
}


static void
run(slot_t *slots)
{
    int                 i, n;
    slot_t             *s;
    int64_t             begun, said, t;
    struct epoll_event  ev[256];

    begun = now();
    said = begun;

    for ( ;; ) {
        t = now();

        if (t - said >= 1000) {
            say("AT");
            said = t;
        }

        if (t - begun > limit) {
            ending = 1;
        }

        for (i = 0; i < (int) concurrent; i++) {
            s = &slots[i];

            if (s->busy && t >= s->leave) {
                slot_leave(s);
            }

            if (!s->busy && may_start(t)) {
                slot_start(s);
            }
        }

        if (finished == started && (ending || started == total)) {
            return;
        }

        n = epoll_wait(ep, ev, 256, 3);

        for (i = 0; i < n; i++) {
            slot_event(ev[i].data.ptr, ev[i].events);
        }
    }
}


static unsigned
option(const char *arg)
{
    size_t       i, n;
    const char  *value;

    static const struct {
        const char   *name;
        unsigned     *value;
        int64_t      *seconds;
        const char  **list;
        unsigned     *nlist;
    } options[] = {
        { "key=", NULL, NULL, keys, &nkeys },
        { "model=", NULL, NULL, models, &nmodels },
        { "seed=", &seed, NULL, NULL, NULL },
        { "abort=", &per_abort, NULL, NULL, NULL },
        { "refuse=", &per_refuse, NULL, NULL, NULL },
        { "patience=", NULL, &patience, NULL, NULL },
        { "limit=", NULL, &limit, NULL, NULL },
        { "rate=", &rate, NULL, NULL, NULL },
    };

    for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        n = strlen(options[i].name);

        if (strncmp(arg, options[i].name, n) != 0) {
            continue;
        }

        value = arg + n;

        if (options[i].value) {
            *options[i].value = (unsigned) atoi(value);

        } else if (options[i].seconds) {
            *options[i].seconds = atoll(value) * 1000;

        } else if (*options[i].nlist < LIST) {
            options[i].list[(*options[i].nlist)++] = value;
        }

        return 1;
    }

    return 0;
}


int
main(int argc, char **argv)
{
    int            i;
    slot_t        *slots;
    struct rlimit  rl;

    if (argc < 5) {
        fprintf(stderr, "usage: %s PORT TOTAL CONCURRENT REPORT"
                " [NAME=VALUE]...\n", argv[0]);
        return 2;
    }

    for (i = 5; i < argc; i++) {
        if (!option(argv[i])) {
            fprintf(stderr, "%s: unknown \"%s\"\n", argv[0], argv[i]);
            return 2;
        }
    }

    port = (unsigned) atoi(argv[1]);
    total = (unsigned) atoi(argv[2]);
    concurrent = (unsigned) atoi(argv[3]);
    report = fopen(argv[4], "w");

    if (report == NULL) {
        perror(argv[4]);
        return 1;
    }

    if (nmodels == 0) {
        models[nmodels++] = "m";
    }

    rnd_state = 0x9e3779b97f4a7c15ull * (seed + 1);

    if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
        rl.rlim_cur = rl.rlim_max;
        setrlimit(RLIMIT_NOFILE, &rl);
    }

    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, on_signal);
    signal(SIGTERM, on_signal);

    slots = calloc(concurrent, sizeof(slot_t));
    ep = epoll_create1(EPOLL_CLOEXEC);

    if (slots == NULL || ep == -1) {
        perror("client");
        return 1;
    }

    for (i = 0; i < (int) concurrent; i++) {
        slots[i].fd = -1;
    }

    run(slots);
    say("END");

    if (fclose(report) != 0) {
        perror(argv[4]);
        return 1;
    }

    return 0;
}
