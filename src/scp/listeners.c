// SPDX-License-Identifier: MIT
/*
 * The listeners: who comes in. All threads that have nothing to do wait here, on one epoll, whose waiters the kernel wakes the last first; a listener that has a connection
 * is disarmed until the one who was woken has taken it, so that nobody is woken for nothing. An eventfd that is never read sends everybody away.
 */
#include "scp/server_inside.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* With the lock held. */
static void list(Connection *c)
{
    ScpServer *server = c->server;
    c->next = server->connections;
    if (c->next)
        c->next->previous = c;
    server->connections = c;
    server->connection_count++;
}

/* With the lock held. A flood must not fill the log as well: how many are to be told of now. */
static unsigned turned_away(ScpServer *server)
{
    enum { QUIET_MS = 1000 };
    unsigned n = ++server->turned_away;
    if (!deadline_passed(server->quiet))
        return 0;
    server->turned_away = 0;
    server->quiet = deadline_in(QUIET_MS);
    return n;
}

static Connection *take_connection(ScpServer *server, int fd, bool tls, NetAddress from)
{
    Connection *c = malloc(sizeof *c);
    if (!c)
        abort();
    *c = (Connection){.server = server, .fd = fd, .tls = tls, .from = from};
    places_know(c);
    pthread_mutex_lock(&server->lock);
    c->number = ++server->last_number;
    bool room = places_for_silent(server, &from);
    unsigned told = room ? 0 : turned_away(server);
    if (room)
        list(c);
    pthread_mutex_unlock(&server->lock);
    if (room)
        return c;
    if (told)
        log_warning(SCP_LOG_ACCESS,
                    "%u connections were closed at once, the last one of %s: %u are open that ask for no "
                    "association",
                    told, from.host, 2 * MAX_WAITING);
    close(fd);
    free(c);
    return NULL;
}

/* Waits for others to give some back. */
static void out_of_files(ScpServer *server)
{
    enum { WAIT_MS = 100, QUIET_MS = 10000 };
    Err err = {0};
    err_errno(&err, errno, "cannot accept a connection (the limit of open files is ulimit -n)");
    pthread_mutex_lock(&server->lock);
    bool told = deadline_passed(server->files_quiet);
    if (told)
        server->files_quiet = deadline_in(QUIET_MS);
    pthread_mutex_unlock(&server->lock);
    if (told)
        log_error(SCP_LOG_ACCESS, "%s", err.text);
    clock_sleep_ms(WAIT_MS);
}

static Connection *accept_one(ScpServer *server, int which)
{
    NetAddress from;
    int fd = net_accept_one(server->listeners[which], &from);
    if (fd >= 0)
        return take_connection(server, fd, which == OVER_TLS, from);
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        out_of_files(server);
    return NULL;
}

static bool watch(ScpServer *server, int fd, uint32_t what, int operation)
{
    struct epoll_event event = {.events = EPOLLIN | (what < LISTENERS ? EPOLLONESHOT : 0), .data.u32 = what};
    return epoll_ctl(server->ready, operation, fd, &event) == 0;
}

void *listeners_take(void *ctx, Deadline deadline)
{
    ScpServer *server = ctx;
    struct epoll_event event;
    if (scp_stopping(server) || epoll_wait(server->ready, &event, 1, deadline_poll_ms(deadline)) != 1 ||
        scp_stopping(server))
        return NULL;
    int which = (int)event.data.u32;
    Connection *c = accept_one(server, which);
    watch(server, server->listeners[which], event.data.u32, EPOLL_CTL_MOD);
    return c;
}

void listeners_wake(void *ctx)
{
    ScpServer *server = ctx;
    uint64_t one = 1;
    atomic_store(&server->stopping, true);
    ssize_t written = write(server->wake, &one, sizeof one); /* and is never read */
    (void)written;
}

/* -- start and stop -- */

static bool listen_at(ScpServer *server, int which, uint16_t port, Err *err)
{
    server->listeners[which] = net_listen(server->settings.address, port, err);
    return server->listeners[which] >= 0 && net_listen_for_many(server->listeners[which], err);
}

static bool watch_all(ScpServer *server, Err *err)
{
    server->ready = epoll_create1(EPOLL_CLOEXEC);
    server->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool ok =
        server->ready >= 0 && server->wake >= 0 && watch(server, server->wake, LISTENERS, EPOLL_CTL_ADD);
    for (int i = 0; ok && i < LISTENERS; i++)
        ok = server->listeners[i] < 0 || watch(server, server->listeners[i], (uint32_t)i, EPOLL_CTL_ADD);
    return ok || err_errno(err, errno, "cannot start the DICOM server");
}

bool listeners_open(ScpServer *server, Err *err)
{
    const ScpSettings *s = &server->settings;
    if (s->tls.serve && !listen_at(server, OVER_TLS, s->tls.only ? s->port : s->tls.port, err))
        return false;
    if (!(s->tls.serve && s->tls.only) && !listen_at(server, PLAIN, s->port, err))
        return false;
    return watch_all(server, err);
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void listeners_close(ScpServer *server)
{
    for (int i = 0; i < LISTENERS; i++)
        close_one(&server->listeners[i]);
    close_one(&server->wake);
    close_one(&server->ready);
}
