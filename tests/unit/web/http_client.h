// SPDX-License-Identifier: MIT
/* A client that sends bytes as they are and reads whole answers; every wait is bounded. For the tests of the facade. */
#ifndef GANTRY_TEST_HTTP_CLIENT_H
#define GANTRY_TEST_HTTP_CLIENT_H

#include "base/buf.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static inline int client_connect(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(0x7F000001)};
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = 20}, sizeof(struct timeval));
    return fd;
}

static inline void client_send_bytes(int fd, const void *p, size_t n)
{
    const uint8_t *at = p;
    while (n) {
        ssize_t k = send(fd, at, n, MSG_NOSIGNAL);
        if (k <= 0)
            return;
        at += k;
        n -= (size_t)k;
    }
}

static inline void client_send(int fd, const char *text)
{
    client_send_bytes(fd, text, strlen(text));
}

/* Everything until the server closes. */
static inline char *client_read_all(int fd)
{
    Buf in;
    buf_init(&in, 0);
    for (;;) {
        uint8_t *p = buf_reserve(&in, 65536);
        ssize_t n = recv(fd, p, 65536, 0);
        if (n <= 0)
            break;
        in.n += (size_t)n;
    }
    char *text = strdup(buf_cstr(&in));
    buf_free(&in);
    return text;
}

typedef struct Reply {
    unsigned status;
    char *head, *body;
    size_t length;
} Reply;

static inline void reply_free(Reply *reply)
{
    free(reply->head);
    free(reply->body);
    *reply = (Reply){0};
}

/* The value of a header, in a buffer of the function's own; NULL when absent. */
static inline const char *reply_header(const Reply *reply, const char *name)
{
    static _Thread_local char value[1024];
    size_t n = strlen(name);
    for (const char *line = strstr(reply->head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, n) == 0 && line[2 + n] == ':') {
            const char *from = line + 3 + n + strspn(line + 3 + n, " ");
            snprintf(value, sizeof value, "%.*s", (int)strcspn(from, "\r"), from);
            return value;
        }
    }
    return NULL;
}

/* Bytes until `needle` is in, or the end. */
static inline bool read_until(int fd, Buf *in, const char *needle)
{
    while (in->n == 0 || !memmem(in->p, in->n, needle, strlen(needle))) {
        ssize_t n = recv(fd, buf_reserve(in, 1), 1, 0);
        if (n <= 0)
            return false;
        in->n += (size_t)n;
    }
    return true;
}

static inline bool read_exactly(int fd, Buf *in, size_t n)
{
    while (n) {
        ssize_t k = recv(fd, buf_reserve(in, n), n, 0);
        if (k <= 0)
            return false;
        in->n += (size_t)k;
        n -= (size_t)k;
    }
    return true;
}

/* One answer off a connection that stays open; status 0 when none comes. `head_only`: it has no body. */
static inline Reply client_reply(int fd, bool head_only)
{
    Reply reply = {0};
    Buf in;
    buf_init(&in, 0);
    if (!read_until(fd, &in, "\r\n\r\n")) {
        buf_free(&in);
        reply.head = strdup("");
        reply.body = strdup("");
        return reply;
    }
    reply.head = strdup(buf_cstr(&in));
    reply.status = (unsigned)strtoul(reply.head + 9, NULL, 10);
    buf_clear(&in);
    const char *length = reply_header(&reply, "Content-Length");
    if (head_only || reply.status == 204 || reply.status == 304 || reply.status == 100) {
    } else if (length) {
        read_exactly(fd, &in, strtoul(length, NULL, 10));
    } else if (reply_header(&reply, "Transfer-Encoding")) {
        for (;;) {
            Buf size;
            buf_init(&size, 0);
            bool ok = read_until(fd, &size, "\r\n");
            size_t n = ok ? strtoul(buf_cstr(&size), NULL, 16) : 0;
            buf_free(&size);
            ok = ok && read_exactly(fd, &in, n);
            Buf end;
            buf_init(&end, 0);
            ok = read_exactly(fd, &end, 2) && ok;
            buf_free(&end);
            if (!ok || n == 0)
                break;
        }
    }
    reply.length = in.n;
    reply.body = calloc(1, in.n + 1);
    if (in.n)
        memcpy(reply.body, in.p, in.n);
    buf_free(&in);
    return reply;
}

#endif
