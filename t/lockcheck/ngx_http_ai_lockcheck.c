
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * The lock check, in the manner of nginx-module-vts: "ld --wrap" leads the
 * module's calls of other people's functions through here.  Whoever calls one
 * that is not known to be harmless while the zone is locked, locks twice, or
 * unlocks what is not locked, is reported and ends the process.  A lock that
 * some early return forgot is found at the next such call.
 *
 * t/tools/lockcheck links this in and writes ngx_http_ai_lockcheck.h, a line
 * REFUSED(name) for everything that the module imports and the list there
 * does not allow: what is new is refused until somebody has thought about it.
 *
 * What this cannot see: calls through a pointer (c->send(), ngx_add_event())
 * and within nginx, and macros that call nothing (ngx_post_event()).
 * ngx_add_timer() is inline, too, but its ngx_rbtree_insert() is refused.
 */


#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>


#define NGX_HTTP_AI_LOCKCHECK_US  5000     /* longer is worth a note */


#define ngx_http_ai_lockcheck_caller()  __builtin_return_address(0)


void __real_ngx_shmtx_lock(void *mtx);
uintptr_t __real_ngx_shmtx_trylock(void *mtx);
void __real_ngx_shmtx_unlock(void *mtx);


/* a worker has one thread, so this is the process's */

__attribute__((visibility("hidden"))) int  ngx_http_ai_lockcheck_held;

static void                               *ngx_http_ai_lockcheck_mutex;
static void                               *ngx_http_ai_lockcheck_locker;
static struct timespec                     ngx_http_ai_lockcheck_since;

static unsigned long                       ngx_http_ai_lockcheck_n;
static long                                ngx_http_ai_lockcheck_max_us;
static void                               *ngx_http_ai_lockcheck_max_at;


/* the offset of a call within the file, for addr2line */

static const char *
ngx_http_ai_lockcheck_at(void *caller, char *buf, size_t size)
{
    Dl_info  info;

    if (caller == NULL || dladdr(caller, &info) == 0) {
        return "?";
    }

    snprintf(buf, size, "%s+0x%lx", info.dli_fname,
             (unsigned long) ((char *) caller - (char *) info.dli_fbase - 1));

    return buf;
}


/* workers may have given up root, and their stderr is some error log */

static void
ngx_http_ai_lockcheck_report(const char *line, int len)
{
    int  fd;

    fd = open(NGX_HTTP_AI_LOCKCHECK_REPORT, O_WRONLY|O_APPEND|O_CREAT, 0666);

    if (fd == -1 || write(fd, line, len) != len
        || write(STDERR_FILENO, line, len) != len)
    {
        _exit(98);
    }

    close(fd);
}


__attribute__((visibility("hidden"), noreturn)) void
ngx_http_ai_lockcheck_refuse(const char *what, void *caller)
{
    int   len;
    char  at[512], since[512], line[1200];

    len = snprintf(line, sizeof(line),
                   "lockcheck: VIOLATION: %s at %s, locked at %s\n", what,
                   ngx_http_ai_lockcheck_at(caller, at, sizeof(at)),
                   ngx_http_ai_lockcheck_held
                   ? ngx_http_ai_lockcheck_at(ngx_http_ai_lockcheck_locker,
                                              since, sizeof(since))
                   : "no time");

    ngx_http_ai_lockcheck_held = 0;        /* the report is written, too */
    ngx_http_ai_lockcheck_report(line, len);

    _exit(99);
}


static void
ngx_http_ai_lockcheck_locked(void *mtx, void *caller)
{
    ngx_http_ai_lockcheck_n++;
    ngx_http_ai_lockcheck_held = 1;
    ngx_http_ai_lockcheck_mutex = mtx;
    ngx_http_ai_lockcheck_locker = caller;

    clock_gettime(CLOCK_MONOTONIC, &ngx_http_ai_lockcheck_since);
}


void
__wrap_ngx_shmtx_lock(void *mtx)
{
    if (ngx_http_ai_lockcheck_held) {
        ngx_http_ai_lockcheck_refuse("lock while locked",
                                     ngx_http_ai_lockcheck_caller());
    }

    __real_ngx_shmtx_lock(mtx);
    ngx_http_ai_lockcheck_locked(mtx, ngx_http_ai_lockcheck_caller());
}


uintptr_t
__wrap_ngx_shmtx_trylock(void *mtx)
{
    if (ngx_http_ai_lockcheck_held) {
        ngx_http_ai_lockcheck_refuse("trylock while locked",
                                     ngx_http_ai_lockcheck_caller());
    }

    if (!__real_ngx_shmtx_trylock(mtx)) {
        return 0;
    }

    ngx_http_ai_lockcheck_locked(mtx, ngx_http_ai_lockcheck_caller());

    return 1;
}


void
__wrap_ngx_shmtx_unlock(void *mtx)
{
    long             us;
    struct timespec  now;

    if (!ngx_http_ai_lockcheck_held || ngx_http_ai_lockcheck_mutex != mtx) {
        ngx_http_ai_lockcheck_refuse("unlock of what is not locked",
                                     ngx_http_ai_lockcheck_caller());
    }

    clock_gettime(CLOCK_MONOTONIC, &now);

    us = (now.tv_sec - ngx_http_ai_lockcheck_since.tv_sec) * 1000000
         + (now.tv_nsec - ngx_http_ai_lockcheck_since.tv_nsec) / 1000;

    if (us > ngx_http_ai_lockcheck_max_us) {
        ngx_http_ai_lockcheck_max_us = us;
        ngx_http_ai_lockcheck_max_at = ngx_http_ai_lockcheck_locker;
    }

    ngx_http_ai_lockcheck_held = 0;
    __real_ngx_shmtx_unlock(mtx);
}


/* the sums of a process: how many locks, and the longest, which no test fails
 * for, because any process may be stopped at any time by a busy machine */

__attribute__((destructor)) static void
ngx_http_ai_lockcheck_sums(void)
{
    int   len;
    char  at[512], line[600];

    if (ngx_http_ai_lockcheck_held) {
        ngx_http_ai_lockcheck_refuse("exit while locked", NULL);
    }

    if (ngx_http_ai_lockcheck_n == 0) {
        return;
    }

    len = snprintf(line, sizeof(line), "lockcheck: %s: locks=%lu max_us=%ld "
                   "at %s\n",
                   ngx_http_ai_lockcheck_max_us > NGX_HTTP_AI_LOCKCHECK_US
                   ? "SLOW" : "sums",
                   ngx_http_ai_lockcheck_n, ngx_http_ai_lockcheck_max_us,
                   ngx_http_ai_lockcheck_at(ngx_http_ai_lockcheck_max_at, at,
                                            sizeof(at)));

    ngx_http_ai_lockcheck_report(line, len);
}


/*
 * In C, a function that passes on arguments it does not know cannot be
 * written, in assembler it is a jump.  The stack is that of a call when refuse
 * is reached, hence its top is the caller.
 */

#ifndef __x86_64__
#error the lock check is written for x86-64 only
#endif

#define REFUSED(name)                                                         \
    __asm__(".text\n"                                                         \
            ".globl __wrap_" #name "\n"                                       \
            ".hidden __wrap_" #name "\n"                                      \
            ".type __wrap_" #name ", @function\n"                             \
            "__wrap_" #name ":\n"                                             \
            "    cmpl $0, ngx_http_ai_lockcheck_held(%rip)\n"                 \
            "    jne 1f\n"                                                    \
            "    jmp __real_" #name "@PLT\n"                                  \
            "1:  leaq 2f(%rip), %rdi\n"                                       \
            "    movq (%rsp), %rsi\n"                                         \
            "    jmp ngx_http_ai_lockcheck_refuse\n"                          \
            "2:  .string \"" #name "()\"\n");

#include "ngx_http_ai_lockcheck.h"
