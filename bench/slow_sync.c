/* Preloaded, it makes fsync and fdatasync take SYNC_DELAY_US microseconds longer: a slower disk on demand. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static void delay(void) {
    const char *us = getenv("SYNC_DELAY_US");
    if (us != NULL) usleep((useconds_t)atoi(us));
}

int fsync(int file) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    delay();
    return real(file);
}

int fdatasync(int file) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    delay();
    return real(file);
}
