/* Preloaded into PostgreSQL, it makes every answer leave NET_DELAY_US microseconds later: a database that is far away. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

ssize_t send(int socket, const void *data, size_t size, int flags) {
    ssize_t (*real)(int, const void *, size_t, int) = (ssize_t (*)(int, const void *, size_t, int))dlsym(RTLD_NEXT, "send");
    const char *us = getenv("NET_DELAY_US");
    if (us != NULL) usleep((useconds_t)atoi(us));
    return real(socket, data, size, flags);
}
