
/*
 * Listeners, connections, TLS, timers and the event loop.
 */

#include "ai-provider.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>


#define MAX_PORTS  64

uint64_t  now_ms;
int       nkeys;
char     *keys[16];
FILE     *log_file;
spec_t    default_spec;
int       default_spec_set;

static int                     ep = -1;
static volatile sig_atomic_t   quit;
static port_t                 *ports[MAX_PORTS];
static int                     nports;
static conn_t                 *conns;       /* every open connection */
static conn_t                 *closed;      /* freed after this turn */
static conn_t                **heap;
static int                     nheap, capheap;
static SSL_CTX                *tls_ctx;
static char                    rbuf[256 << 10];


static void
die(const char *fmt, ...)
{
    va_list  args;

    fputs("ai-provider: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    exit(2);
}


static void
update_time(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    now_ms = (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}


const char *
http_date(void)
{
    static time_t  last;
    static char    text[40];
    time_t         t;
    struct tm      tm;

    t = time(NULL);

    if (t != last) {
        last = t;
        gmtime_r(&t, &tm);
        strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    }

    return text;
}


/*
 * Timers are a binary heap of connections, each knowing its own place, so
 * that arming and disarming cost O(log n) and an idle turn costs nothing.
 */

static void
heap_put(int i, conn_t *c)
{
    heap[i] = c;
    c->heap = i;
}


static void
heap_up(int i)
{
    conn_t  *c = heap[i];

    while (i > 0 && heap[(i - 1) / 2]->due > c->due) {
        heap_put(i, heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }

    heap_put(i, c);
}


static void
heap_down(int i)
{
    int      k;
    conn_t  *c = heap[i];

    for ( ;; ) {
        k = 2 * i + 1;

        if (k >= nheap) {
            break;
        }

        if (k + 1 < nheap && heap[k + 1]->due < heap[k]->due) {
            k++;
        }

        if (heap[k]->due >= c->due) {
            break;
        }

        heap_put(i, heap[k]);
        i = k;
    }

    heap_put(i, c);
}


void
conn_disarm(conn_t *c)
{
    int      i = c->heap;
    conn_t  *last;

    if (i < 0) {
        return;
    }

    c->heap = -1;
    last = heap[--nheap];

    if (last != c) {
        heap_put(i, last);
        heap_up(i);
        heap_down(last->heap);
    }
}


void
conn_arm(conn_t *c, uint64_t ms)
{
    conn_disarm(c);

    if (nheap == capheap) {
        capheap = capheap ? capheap * 2 : 1024;
        heap = realloc(heap, (size_t) capheap * sizeof(conn_t *));
        if (heap == NULL) {
            abort();
        }
    }

    c->due = now_ms + ms;
    heap_put(nheap, c);
    heap_up(nheap++);
}


static void
conn_watch(conn_t *c, uint32_t events)
{
    struct epoll_event  ev;

    if (c->events == events) {
        return;
    }

    ev.events = events;
    ev.data.ptr = c;
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
    c->events = events;
}


static uint32_t
conn_in_events(conn_t *c)
{
    return c->paused ? EPOLLRDHUP : EPOLLIN;
}


void
conn_log(conn_t *c, const char *outcome)
{
    answer_t         *a = &c->a;
    struct timespec   ts;

    if (log_file == NULL || c->logged || c->admin) {
        return;
    }

    c->logged = 1;
    clock_gettime(CLOCK_REALTIME, &ts);

    fprintf(log_file, "%lld.%03ld %s %s %s status=%d stream=%d body=%llu "
            "events=%d conn_requests=%u outcome=%s model=%s\n",
            (long long) ts.tv_sec, ts.tv_nsec / 1000000, c->port->name,
            a->method, a->uri, a->status, a->stream,
            (unsigned long long) c->body_bytes, a->sent, c->requests, outcome,
            a->model);
}


void
conn_close(conn_t *c, int rst)
{
    struct linger  lg = { 1, 0 };

    if (c->state == ST_CLOSED) {
        return;
    }

    if (rst) {
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg));
    }

    conn_disarm(c);
    close(c->fd);

    if (!c->uncounted) {
        c->port->open--;
    }

    if (c->prev) {
        c->prev->next = c->next;
    } else {
        conns = c->next;
    }

    if (c->next) {
        c->next->prev = c->prev;
    }

    c->fd = -1;
    c->state = ST_CLOSED;
    c->next = closed;
    closed = c;
}


static void
free_closed(void)
{
    conn_t  *c;

    while ((c = closed) != NULL) {
        closed = c->next;
        SSL_free(c->ssl);
        EVP_MD_CTX_free(c->sha);
        buf_free(&c->in);
        buf_free(&c->out);
        buf_free(&c->head);
        buf_free(&c->body);
        buf_free(&c->form);
        buf_free(&c->page);
        free(c);
    }
}


/*
 * Half-close and wait a little for the peer: a plain close() with unread
 * input would turn the FIN into an RST and destroy what was just sent.
 */

void
conn_fin(conn_t *c)
{
    shutdown(c->fd, SHUT_WR);
    c->state = ST_LINGER;
    c->paused = 0;
    conn_watch(c, EPOLLIN);
    conn_arm(c, SIM_LINGER_MS);
}


static void
conn_lost(conn_t *c)
{
    if (c->state == ST_ANSWER) {
        if (!c->admin) {
            c->port->st.aborted++;
        }
        conn_log(c, "aborted");
    }

    conn_close(c, 0);
}


/* -1: would block, -2: failed or closed */

static ssize_t
io_result(conn_t *c, ssize_t n)
{
    if (n > 0) {
        return n;
    }

    if (c->ssl == NULL) {
        return (n < 0 && (errno == EAGAIN || errno == EINTR)) ? -1 : -2;
    }

    switch (SSL_get_error(c->ssl, (int) n)) {

    case SSL_ERROR_WANT_READ:
        c->ssl_want = 0;
        return -1;

    case SSL_ERROR_WANT_WRITE:
        c->ssl_want = 1;
        return -1;

    default:
        return -2;
    }
}


static ssize_t
io_read(conn_t *c, char *p, size_t n)
{
    if (c->ssl) {
        ERR_clear_error();
        return io_result(c, SSL_read(c->ssl, p, (int) n));
    }

    return io_result(c, recv(c->fd, p, n, 0));
}


static ssize_t
io_write(conn_t *c, const char *p, size_t n)
{
    if (c->ssl) {
        ERR_clear_error();
        if (n > 1 << 20) {
            n = 1 << 20;
        }
        return io_result(c, SSL_write(c->ssl, p, (int) n));
    }

    return io_result(c, send(c->fd, p, n, MSG_NOSIGNAL));
}


int
conn_flush(conn_t *c)
{
    size_t   n;
    ssize_t  w;

    if (c->state != ST_ANSWER) {
        return 0;
    }

    while (c->out_off < c->out.len) {
        n = c->out.len - c->out_off;

        if (c->a.sp.bytewise) {
            n = 1;
        }

        w = io_write(c, c->out.p + c->out_off, n);

        if (w == -2) {
            conn_lost(c);
            return 0;
        }

        if (w == -1) {
            conn_watch(c, conn_in_events(c)
                          | ((c->ssl && !c->ssl_want) ? 0 : EPOLLOUT));
            return 0;
        }

        c->out_off += (size_t) w;

        /* one byte a turn: the others are served in between */

        if (c->a.sp.bytewise && c->out_off < c->out.len) {
            conn_watch(c, conn_in_events(c) | EPOLLOUT);
            return 0;
        }
    }

    c->out.len = 0;
    c->out_off = 0;
    conn_watch(c, conn_in_events(c));

    switch (c->after) {

    case AF_MORE:
        return 1;

    case AF_DONE:
        conn_log(c, "done");

        if (!c->admin) {
            c->port->st.completed++;
        }

        if (c->keep) {
            request_done(c);
            return 1;
        }

        if (c->ssl) {
            SSL_shutdown(c->ssl);
        }

        conn_fin(c);
        return 0;

    case AF_CLOSE:

        /* no close_notify: to a TLS client this is a truncation too */

        conn_log(c, "cut");
        conn_fin(c);
        return 0;

    case AF_RESET:
        conn_log(c, "reset");
        conn_close(c, 1);
        return 0;

    case AF_STALL:
        return 0;
    }

    return 0;
}


/* a connection that became idle may already hold the next request */

static void
conn_next(conn_t *c)
{
    if (c->state == ST_HEAD) {
        if (c->paused) {
            c->paused = 0;
            conn_watch(c, EPOLLIN);
        }
        if (c->in.len) {
            request_input(c);
        }
    }
}


static void
on_handshake(conn_t *c)
{
    int  rc;

    ERR_clear_error();
    rc = SSL_accept(c->ssl);

    if (rc == 1) {
        c->state = ST_HEAD;
        conn_disarm(c);
        conn_watch(c, EPOLLIN);
        return;
    }

    if (io_result(c, rc) == -1) {
        conn_watch(c, c->ssl_want ? EPOLLOUT : EPOLLIN);
        return;
    }

    conn_close(c, 0);
}


static void
on_read(conn_t *c)
{
    ssize_t  n;

    do {
        n = io_read(c, rbuf, sizeof(rbuf));

        if (n == -1) {
            return;
        }

        if (n == -2) {
            conn_lost(c);
            return;
        }

        if (c->state == ST_LINGER) {
            continue;
        }

        request_feed(c, rbuf, (size_t) n);

        if (c->state == ST_ANSWER && c->in.len > SIM_MAX_HEAD) {
            c->paused = 1;
            conn_watch(c, (c->events & ~(uint32_t) EPOLLIN) | EPOLLRDHUP);
        }

        /* the TLS layer may hold decrypted bytes epoll knows nothing of */

    } while (c->state != ST_CLOSED && c->ssl && SSL_pending(c->ssl) > 0
             && !c->paused);
}


static void
on_event(conn_t *c, uint32_t ev)
{
    if (c->state == ST_CLOSED) {
        return;
    }

    if (c->state == ST_HANDSHAKE) {
        on_handshake(c);
        return;
    }

    if (c->paused && (ev & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))) {
        conn_lost(c);
        return;
    }

    if (ev & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        on_read(c);
    }

    if (c->state == ST_ANSWER && c->started
        && (c->out_off < c->out.len || (ev & EPOLLOUT)))
    {
        if (conn_flush(c) && c->state == ST_ANSWER && c->heap < 0) {
            answer_pump(c);
        }
    }

    conn_next(c);
}


static void
on_timers(void)
{
    conn_t  *c;

    while (nheap && heap[0]->due <= now_ms) {
        c = heap[0];
        conn_disarm(c);

        if (c->state == ST_ANSWER) {
            answer_timer(c);
            conn_next(c);

        } else {
            conn_close(c, 0);
        }
    }
}


static void
on_accept(port_t *port)
{
    int                 fd, i, on = 1;
    conn_t             *c;
    struct epoll_event  ev;

    for (i = 0; i < 128; i++) {
        fd = accept4(port->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE) {
                usleep(1000);
            }
            return;
        }

        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));

        c = calloc(1, sizeof(conn_t));
        if (c == NULL) {
            close(fd);
            return;
        }

        c->fd = fd;
        c->port = port;
        c->heap = -1;
        c->state = ST_HEAD;

        port->st.connections++;
        port->open++;

        c->next = conns;
        if (conns) {
            conns->prev = c;
        }
        conns = c;

        ev.events = c->events = EPOLLIN;
        ev.data.ptr = c;

        if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) != 0) {
            conn_close(c, 0);
            continue;
        }

        if (port->tls) {
            c->ssl = SSL_new(tls_ctx);
            if (c->ssl == NULL || SSL_set_fd(c->ssl, fd) != 1) {
                conn_close(c, 0);
                continue;
            }
            c->state = ST_HANDSHAKE;
            conn_arm(c, 30000);
        }
    }
}


static void
add_port(const char *arg, int tls, const char *name)
{
    int                      fd, on = 1, rc;
    char                     host[128], *eq, *serv, *p;
    port_t                  *port;
    socklen_t                len;
    struct addrinfo          hints, *ai;
    struct sockaddr_storage  ss;
    struct epoll_event       ev;

    if (nports == MAX_PORTS) {
        die("too many listeners");
    }

    port = calloc(1, sizeof(port_t));
    if (port == NULL) {
        abort();
    }

    snprintf(host, sizeof(host), "%s", arg);

    eq = strchr(host, '=');
    if (eq) {
        *eq++ = '\0';
    }

    snprintf(port->name, sizeof(port->name), "%s",
             eq ? eq : (name ? name : "sim"));

    for (p = port->name; *p; p++) {
        if (strchr("\"\\", *p) || (unsigned char) *p <= ' ') {
            die("invalid name \"%s\"", port->name);
        }
    }

    serv = strrchr(host, ':');
    if (serv) {
        *serv++ = '\0';
        p = host;
        if (*p == '[' && p[strlen(p) - 1] == ']') {
            p[strlen(p) - 1] = '\0';
            p++;
        }

    } else {
        serv = host;
        p = NULL;
    }

    memset(&hints, 0, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;

    rc = getaddrinfo(p ? p : "127.0.0.1", serv, &hints, &ai);
    if (rc != 0) {
        die("cannot resolve \"%s\": %s", arg, gai_strerror(rc));
    }

    fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        die("socket() failed: %s", strerror(errno));
    }

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));

    if (bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, 16384) != 0) {
        die("cannot listen on \"%s\": %s", arg, strerror(errno));
    }

    freeaddrinfo(ai);

    len = sizeof(ss);
    getsockname(fd, (struct sockaddr *) &ss, &len);

    port->fd = fd;
    port->tls = tls;
    ports[nports++] = port;

    /* the low bit of the pointer tells a listener from a connection */

    ev.events = EPOLLIN;
    ev.data.ptr = (char *) port + 1;
    if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) != 0) {
        die("epoll_ctl() failed: %s", strerror(errno));
    }

    if (ss.ss_family == AF_INET6) {
        printf("listening [%s]:%u\n", p ? p : "",
               ntohs(((struct sockaddr_in6 *) &ss)->sin6_port));

    } else {
        printf("listening %s:%u\n", p ? p : "127.0.0.1",
               ntohs(((struct sockaddr_in *) &ss)->sin_port));
    }

    fflush(stdout);
}


static void
init_tls(const char *cert, const char *key)
{
    if (cert == NULL || key == NULL) {
        die("--tls-listen needs --tls-cert and --tls-key");
    }

    tls_ctx = SSL_CTX_new(TLS_server_method());

    if (tls_ctx == NULL
        || SSL_CTX_use_certificate_chain_file(tls_ctx, cert) != 1
        || SSL_CTX_use_PrivateKey_file(tls_ctx, key, SSL_FILETYPE_PEM) != 1)
    {
        die("cannot load certificate \"%s\" or key \"%s\"", cert, key);
    }

    SSL_CTX_set_mode(tls_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE
                              | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                              | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_id_context(tls_ctx, (const unsigned char *) "sim", 3);
}


static void
on_signal(int sig)
{
    (void) sig;
    quit = 1;
}


static void
usage(FILE *f)
{
    fputs("usage: ai-provider --listen ADDR:PORT[=NAME] "
          "[--listen ADDR:PORT[=NAME]]...\n"
          "         [--tls-cert FILE --tls-key FILE "
          "--tls-listen ADDR:PORT[=NAME]]\n"
          "         [--name NAME] [--key SECRET]... [--sim SPEC] "
          "[--log FILE] [--help]\n\n"
          "  --listen      plain HTTP; port 0 takes a free one; a line\n"
          "                \"listening ADDR:PORT\" is printed for each\n"
          "  --tls-listen  the same over TLS\n"
          "  --name        name of the listeners that have none of their own\n"
          "  --key         accept only this credential (repeat for several)\n"
          "  --sim         behaviour when nothing else chooses one\n"
          "  --log         append a line per answered request\n\n", f);
    spec_help(f);
}


static void
loop(void)
{
    int                 i, n, timeout;
    sigset_t            none;
    struct epoll_event  ev[512];

    sigemptyset(&none);

    while (!quit) {
        update_time();
        on_timers();
        free_closed();

        timeout = -1;
        if (nheap) {
            timeout = heap[0]->due > now_ms ? (int) (heap[0]->due - now_ms) : 0;
        }

        n = epoll_pwait(ep, ev, 512, timeout, &none);
        update_time();

        for (i = 0; i < n; i++) {
            if ((uintptr_t) ev[i].data.ptr & 1) {
                on_accept((port_t *) ((char *) ev[i].data.ptr - 1));

            } else {
                on_event(ev[i].data.ptr, ev[i].events);
            }
        }
    }
}


static const char *
option(int argc, char **argv, int *i, const char *name)
{
    if (strcmp(argv[*i], name) != 0) {
        return NULL;
    }

    if (*i + 1 >= argc) {
        die("option \"%s\" needs a value", name);
    }

    return argv[++*i];
}


static void
init_process(void)
{
    sigset_t          set;
    struct rlimit     rl;
    struct sigaction  sa;

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = on_signal;
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    signal(SIGPIPE, SIG_IGN);

    /* signals arrive only inside epoll_pwait(), so none is missed */

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);

    if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
        rl.rlim_cur = rl.rlim_max;
        setrlimit(RLIMIT_NOFILE, &rl);
    }

    ep = epoll_create1(EPOLL_CLOEXEC);
    if (ep < 0) {
        die("epoll_create1() failed: %s", strerror(errno));
    }
}


int
main(int argc, char **argv)
{
    int          i, pass, nlisten = 0;
    char         err[96];
    const char  *v, *name = NULL, *cert = NULL, *key = NULL;

    init_process();
    update_time();

    /* listeners are opened last, whatever the order of the options */

    for (pass = 0; pass < 2; pass++) {
        for (i = 1; i < argc; i++) {

            if ((v = option(argc, argv, &i, "--listen")) != NULL) {
                nlisten++;
                if (pass) {
                    add_port(v, 0, name);
                }

            } else if ((v = option(argc, argv, &i, "--tls-listen")) != NULL) {
                nlisten++;
                if (pass) {
                    if (tls_ctx == NULL) {
                        init_tls(cert, key);
                    }
                    add_port(v, 1, name);
                }

            } else if ((v = option(argc, argv, &i, "--name")) != NULL) {
                name = v;

            } else if ((v = option(argc, argv, &i, "--tls-cert")) != NULL) {
                cert = v;

            } else if ((v = option(argc, argv, &i, "--tls-key")) != NULL) {
                key = v;

            } else if ((v = option(argc, argv, &i, "--key")) != NULL) {
                if (!pass && nkeys < 16) {
                    keys[nkeys++] = (char *) v;
                }

            } else if ((v = option(argc, argv, &i, "--sim")) != NULL) {
                spec_init(&default_spec);
                default_spec_set = 1;
                if (spec_parse(&default_spec, v, strlen(v), err, sizeof(err))
                    != 0)
                {
                    die("--sim: %s", err);
                }

            } else if ((v = option(argc, argv, &i, "--log")) != NULL) {
                if (!pass) {
                    log_file = fopen(v, "a");
                    if (log_file == NULL) {
                        die("cannot open \"%s\": %s", v, strerror(errno));
                    }
                    setvbuf(log_file, NULL, _IOLBF, 0);
                }

            } else if (strcmp(argv[i], "--help") == 0) {
                usage(stdout);
                return 0;

            } else {
                usage(stderr);
                die("unknown option \"%s\"", argv[i]);
            }
        }

        if (nlisten == 0) {
            usage(stderr);
            die("no --listen");
        }
    }

    loop();

    while (conns) {
        conn_close(conns, 0);
    }

    free_closed();

    for (i = 0; i < nports; i++) {
        buf_free(&ports[i]->last_head);
        buf_free(&ports[i]->last_body);
        buf_free(&ports[i]->last_form);
        store_free(ports[i]);
        close(ports[i]->fd);
        free(ports[i]);
    }

    SSL_CTX_free(tls_ctx);
    free(heap);

    if (log_file) {
        fclose(log_file);
    }

    return 0;
}
