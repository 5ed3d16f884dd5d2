// SPDX-License-Identifier: MIT
#include "base/watch.h"

#include "base/clock.h"

#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { LOOK_ANYWAY_MS = 1000 };

struct Watch {
    int fd; /* -1 = there is none */
    bool blind;
    Deadline look_anyway;
};

Watch *watch_new(void)
{
    Watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        abort();
    watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    watch->blind = true;
    return watch;
}

void watch_free(Watch *watch)
{
    if (!watch)
        return;
    if (watch->fd >= 0)
        close(watch->fd);
    free(watch);
}

/* What it was does not matter. */
static bool something_happened(const Watch *watch)
{
    _Alignas(struct inotify_event) char events[512];
    bool any = false;
    while (read(watch->fd, events, sizeof events) > 0)
        any = true;
    return any;
}

bool watch_is_due(Watch *watch)
{
    bool due = watch->blind || something_happened(watch) || deadline_passed(watch->look_anyway);
    if (!due)
        return false;
    watch->blind = watch->fd < 0;
    watch->look_anyway = deadline_in(LOOK_ANYWAY_MS);
    return true;
}

void watch_path(Watch *watch, const char *path)
{
    static const uint32_t changes = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MODIFY |
                                    IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;
    if (watch->fd < 0 || inotify_add_watch(watch->fd, path, changes) < 0)
        watch->blind = true;
}

void watch_failed(Watch *watch)
{
    watch->blind = true;
}
