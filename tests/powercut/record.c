// SPDX-License-Identifier: MIT
/* The record of events: one file, appended to by all processes under one lock that lies in shared memory and outlives whoever dies with it. */
#include "layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MAGIC = 0x54554350, CHUNK = 1 << 20, NAMES = 2 * (NAME_MAX + 1) };

static int log_fd = -1;
static char
    buffer[sizeof(Event) + NAMES + CHUNK]; /* guarded by the lock: events are made of it by one at a time */

bool record_open(const char *log)
{
    if (!log)
        return true;
    int fd = (int)CALL4(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        return false;
    log_fd =
        fcntl(fd, F_DUPFD_CLOEXEC, 900); /* out of the way of programs that close what they do not know */
    close(fd);
    return log_fd >= 0;
}

void record_lock(void)
{
    if (pthread_mutex_lock(&control->lock) == EOWNERDEAD)
        pthread_mutex_consistent(&control->lock);
}

void record_unlock(void)
{
    pthread_mutex_unlock(&control->lock);
}

static char *append(char *to, const char *name, uint32_t *length)
{
    *length = name ? (uint32_t)strnlen(name, NAME_MAX) : 0;
    if (name)
        memcpy(to, name, *length);
    return to + *length;
}

/* `n` bytes of data stand at the end of the event already when `data` is NULL. */
void record(Event event, const char *name1, const char *name2, const void *data, size_t n)
{
    struct timespec now;
    if (log_fd < 0)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    event.magic = MAGIC;
    event.time_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    char *to = append(buffer + sizeof event, name1, &event.name1);
    to = append(to, name2, &event.name2);
    event.data = (uint32_t)n;
    if (data)
        memcpy(to, data, n);
    memcpy(buffer, &event, sizeof event);
    size_t all = (size_t)(to - buffer) + n;
    if (CALL3(SYS_write, log_fd, buffer, all) != (long)all)
        CALL1(SYS_exit_group, 99); /* a record with holes would prove nothing */
}

void record_refused(const char *what)
{
    record((Event){.type = EVENT_REFUSED}, what, NULL, NULL, 0);
}

void record_written(int fd, uint64_t ino, uint64_t at, uint64_t n)
{
    char *room = buffer + sizeof(Event), link[32];
    int own = -1;
    while (n && log_fd >= 0) {
        long part = n < CHUNK ? (long)n : CHUNK;
        long done = CALL4(SYS_pread64, own < 0 ? fd : own, room, part, at);
        if (done == -EBADF && own < 0) { /* open for writing only */
            snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
            own = (int)CALL4(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
            if (own >= 0)
                continue;
        }
        if (done <= 0) {
            record_refused("a write that cannot be read back");
            break;
        }
        record((Event){.type = EVENT_WRITE, .ino = ino, .at = at}, NULL, NULL, NULL, (size_t)done);
        at += (uint64_t)done;
        n -= (uint64_t)done;
    }
    if (own >= 0)
        CALL1(SYS_close, own);
}
