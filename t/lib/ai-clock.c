
/*
 * Copyright (C) nginx-ai-route contributors
 */


/* LD_PRELOAD: calendar time is ahead by the seconds in the file $AI_CLOCK */


#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>


static const long  *ahead;


static void __attribute__((constructor))
clock_init(void)
{
    int    fd;
    void  *p;

    fd = open(getenv("AI_CLOCK"), O_RDONLY);
    p = mmap(NULL, sizeof(long), PROT_READ, MAP_SHARED, fd, 0);

    if (p == MAP_FAILED) {
        abort();
    }

    ahead = p;
    close(fd);
}


int
clock_gettime(clockid_t id, struct timespec *ts)
{
    int  rc;

    rc = syscall(SYS_clock_gettime, id, ts);

    if (ahead && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        ts->tv_sec += *ahead;
    }

    return rc;
}


int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    struct timespec  ts;

    (void) tz;

    clock_gettime(CLOCK_REALTIME, &ts);

    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;

    return 0;
}


time_t
time(time_t *t)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    if (t) {
        *t = ts.tv_sec;
    }

    return ts.tv_sec;
}
