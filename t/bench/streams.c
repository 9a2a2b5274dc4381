
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * Load with streamed answers: TOTAL requests, at most CONCURRENT at a time,
 * each on a connection of its own.  wrk cannot do this: it measures a stream
 * only by its end, and it keeps connections busy one request after another,
 * so that few streams are ever open at once.
 *
 *     streams PORT PATH BODY-FILE TOTAL CONCURRENT [SECONDS]
 *
 * Prints one line: how many streams ended with [DONE], how many did not,
 * events, and the time from request to first event.
 */


#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>


#define DONE      "data: [DONE]"
#define DONE_LEN  (sizeof(DONE) - 1)
#define EVENT     "data:"
#define EVENT_LEN (sizeof(EVENT) - 1)

typedef struct {
    int            fd;
    size_t         sent;
    size_t         tail;                /* bytes kept of the last read */
    double         start;
    unsigned       events;
    unsigned char  ok, done, first;
    char           buf[DONE_LEN];       /* a mark may lie across two reads */
} stream_t;


static char                *request;
static size_t               request_len;
static int                  ep;
static struct sockaddr_in   addr;
static double              *first_ms;
static unsigned             nfirst, started, finished, good, bad;
static unsigned long long   events;


static double
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec * 1000 + (double) ts.tv_nsec / 1e6;
}


static void
stream_start(stream_t *s)
{
    int                 one = 1;
    struct epoll_event  ev;

    memset(s, 0, sizeof(stream_t));

    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0) {
        perror("socket");
        exit(1);
    }

    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

    s->start = now();
    started++;

    if (connect(s->fd, (struct sockaddr *) &addr, sizeof(addr)) == -1
        && errno != EINPROGRESS)
    {
        perror("connect");
        exit(1);
    }

    ev.events = EPOLLIN | EPOLLOUT;
    ev.data.ptr = s;
    epoll_ctl(ep, EPOLL_CTL_ADD, s->fd, &ev);
}


static void
stream_end(stream_t *s)
{
    close(s->fd);
    s->fd = -1;
    finished++;

    if (s->ok && s->done) {
        good++;
        events += s->events;

    } else {
        bad++;
    }
}


/* the marks are looked for in what is new and in a short tail before it */

static void
stream_scan(stream_t *s, char *p, size_t n)
{
    char  *end = p + n, *q, *m;

    for (q = p; (m = memmem(q, (size_t) (end - q), EVENT, EVENT_LEN)) != NULL;
         q = m + EVENT_LEN)
    {
        /* one that lies in the tail as a whole was counted with it */

        if (m + EVENT_LEN <= p + s->tail) {
            continue;
        }

        s->events++;

        if (!s->first) {
            s->first = 1;
            first_ms[nfirst++] = now() - s->start;
        }
    }

    if (memmem(p, n, DONE, DONE_LEN)) {
        s->done = 1;
    }

    s->tail = n < DONE_LEN - 1 ? n : DONE_LEN - 1;
    memcpy(s->buf, end - s->tail, s->tail);
}


static void
stream_read(stream_t *s)
{
    ssize_t      n;
    static char  buf[64 * 1024 + DONE_LEN];

    for ( ;; ) {
        memcpy(buf, s->buf, s->tail);
        n = recv(s->fd, buf + s->tail, sizeof(buf) - s->tail, 0);

        if (n > 0) {
            if (!s->ok) {
                s->ok = n > 12 && memcmp(buf + s->tail, "HTTP/1.1 200", 12) == 0;
            }

            stream_scan(s, buf, s->tail + (size_t) n);

            /* the request said "Connection: close", but why wait for it */

            if (s->done) {
                stream_end(s);
                return;
            }

            continue;
        }

        if (n == -1 && errno == EAGAIN) {
            return;
        }

        stream_end(s);
        return;
    }
}


static void
stream_event(stream_t *s, uint32_t what)
{
    ssize_t             n;
    struct epoll_event  ev;

    if (s->sent < request_len) {
        n = send(s->fd, request + s->sent, request_len - s->sent,
                 MSG_NOSIGNAL);

        if (n > 0) {
            s->sent += (size_t) n;

        } else if (n == -1 && errno != EAGAIN) {
            stream_end(s);
            return;
        }

        if (s->sent == request_len) {
            ev.events = EPOLLIN;
            ev.data.ptr = s;
            epoll_ctl(ep, EPOLL_CTL_MOD, s->fd, &ev);
        }
    }

    if (what & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        stream_read(s);
    }
}


static int
compare(const void *a, const void *b)
{
    double  x = *(const double *) a, y = *(const double *) b;

    return x < y ? -1 : x > y;
}


static void
make_request(const char *path, const char *port, const char *file)
{
    FILE    *f;
    long     size;
    size_t   head;

    f = fopen(file, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0) {
        perror(file);
        exit(1);
    }

    rewind(f);
    request = malloc((size_t) size + 1024);

    if (request == NULL) {
        exit(1);
    }

    head = (size_t) snprintf(request, 1024,
                             "POST %s HTTP/1.1\r\n"
                             "Host: 127.0.0.1:%s\r\n"
                             "Content-Type: application/json\r\n"
                             "Authorization: Bearer sk-client\r\n"
                             "Connection: close\r\n"
                             "Content-Length: %ld\r\n\r\n", path, port, size);

    if (head >= 1024 || fread(request + head, 1, (size_t) size, f)
                        != (size_t) size)
    {
        fprintf(stderr, "cannot make the request\n");
        exit(1);
    }

    fclose(f);
    request_len = head + (size_t) size;
}


int
main(int argc, char **argv)
{
    int                 i, n;
    double              begun, limit;
    unsigned            total, concurrent;
    stream_t           *s, *all;
    struct rlimit       rl;
    struct epoll_event  ev[256];

    if (argc < 6) {
        fprintf(stderr, "usage: %s PORT PATH BODY-FILE TOTAL CONCURRENT"
                " [SECONDS]\n", argv[0]);
        return 2;
    }

    total = (unsigned) atoi(argv[4]);
    concurrent = (unsigned) atoi(argv[5]);
    limit = argc > 6 ? atof(argv[6]) * 1000 : 60000;

    if (total == 0 || concurrent == 0) {
        return 2;
    }

    if (concurrent > total) {
        concurrent = total;
    }

    if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
        rl.rlim_cur = rl.rlim_max;
        setrlimit(RLIMIT_NOFILE, &rl);
    }

    addr.sin_family = AF_INET;
    addr.sin_port = htons((uint16_t) atoi(argv[1]));
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    make_request(argv[2], argv[1], argv[3]);

    all = calloc(concurrent, sizeof(stream_t));
    first_ms = calloc(total, sizeof(double));
    ep = epoll_create1(EPOLL_CLOEXEC);

    if (all == NULL || first_ms == NULL || ep < 0) {
        return 1;
    }

    begun = now();

    for (i = 0; i < (int) concurrent; i++) {
        stream_start(&all[i]);
    }

    while (finished < total && now() - begun < limit) {
        n = epoll_wait(ep, ev, 256, 1000);

        for (i = 0; i < n; i++) {
            s = ev[i].data.ptr;
            stream_event(s, ev[i].events);

            if (s->fd == -1 && started < total) {
                stream_start(s);
            }
        }
    }

    bad += total - finished;
    qsort(first_ms, nfirst, sizeof(double), compare);

    printf("RESULT good=%u bad=%u events=%llu ms=%.0f first_p50=%.1f"
           " first_p99=%.1f\n", good, bad, events, now() - begun,
           nfirst ? first_ms[nfirst / 2] : 0,
           nfirst ? first_ms[nfirst * 99 / 100] : 0);

    return 0;
}
