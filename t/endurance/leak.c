
/*
 * Copyright (C) nginx-ai-route contributors
 */


/*
 * What "make soak" must find, to be loaded before everything else: an nginx
 * that loses 300 bytes with each recv(), and an open file with each 64th.
 *
 *   cc -shared -fPIC -o build/leak.so t/endurance/leak.c
 *   LD_PRELOAD=$PWD/build/leak.so make soak MINUTES=3
 */


#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>


#define LOST   300
#define OPENS  64


static int  nginx;


/* before nginx writes over its name */

__attribute__((constructor))
static void
whose(void)
{
    nginx = strcmp(program_invocation_short_name, "nginx") == 0;
}


ssize_t
recv(int fd, void *buf, size_t len, int flags)
{
    void             *lost;
    static unsigned   n;
    static ssize_t  (*next)(int, void *, size_t, int);

    if (next == NULL) {
        next = (ssize_t (*)(int, void *, size_t, int)) dlsym(RTLD_NEXT, "recv");
    }

    if (nginx) {

        lost = malloc(LOST);

        if (lost) {
            (void) memset(lost, 'x', LOST);
        }

        if (++n % OPENS == 0) {
            (void) open("/dev/null", O_RDONLY | O_CLOEXEC);
        }
    }

    return next(fd, buf, len, flags);
}
