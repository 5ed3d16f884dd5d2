// SPDX-License-Identifier: MIT
#include "cli/px_poke.h"

#include "base/log.h"
#include "net/stream.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAUSE_MS = 100 };

struct PxPoke {
    int listener, wake;
    pthread_t thread;
};

static void *poke_main(void *ctx)
{
    PxPoke *poke = ctx;
    for (;;) {
        struct pollfd fds[2] = {{.fd = poke->wake, .events = POLLIN},
                                {.fd = poke->listener, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (fds[0].revents)
            return NULL;
        if (!fds[1].revents)
            continue;
        int fd = accept4(poke->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            close(fd);
            log_debug("px.listen", "the service port was touched; the listener runs already");
        } else {
            poll(fds, 1,
                 PAUSE_MS); /* without descriptors the connection goes on waiting, and poll would not */
        }
    }
}

static void poke_free(PxPoke *poke)
{
    if (poke->listener >= 0)
        close(poke->listener);
    if (poke->wake >= 0)
        close(poke->wake);
    free(poke);
}

PxPoke *px_poke_start(const char *address, uint16_t port, Err *err)
{
    PxPoke *poke = calloc(1, sizeof *poke);
    if (!poke)
        abort();
    poke->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    poke->listener = net_listen(address, port, err);
    if (poke->listener >= 0 && pthread_create(&poke->thread, NULL, poke_main, poke) == 0)
        return poke;
    if (poke->listener >= 0)
        err_set(err, ERR_IO, "cannot start a thread");
    err_wrap(err, "service port");
    poke_free(poke);
    return NULL;
}

void px_poke_stop(PxPoke *poke)
{
    if (!poke)
        return;
    eventfd_write(poke->wake, 1);
    pthread_join(poke->thread, NULL);
    poke_free(poke);
}
