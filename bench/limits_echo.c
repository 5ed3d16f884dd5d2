// SPDX-License-Identifier: MIT
/*
 * What the clients of an association benchmark allow: a server that takes A-ASSOCIATE-RQ, C-ECHO-RQ and A-RELEASE-RQ as they come, looks at nothing but the
 * lengths of PDUs and the message ID, and answers with bytes that were made before. A fixed number of threads; each accepts for itself and serves one
 * connection after the other, so that nothing is handed over. What a real server reaches beside it is what the protocol, the log and the rules cost.
 *
 *   bench_limits_echo PORT [THREADS]      until SIGTERM
 *
 * It expects one presentation context with the ID 1 in Implicit VR Little Endian, which is what the kit's client and echoscu propose.
 */
#include "net/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DEFAULT_THREADS = 16, MAX_THREADS = 256, MAX_PDU = 65536, HEADER = 6, TITLES = 32 };

#define VERIFICATION "1.2.840.10008.1.1"

/* -- ready-made answers -- */

typedef struct Bytes {
    uint8_t p[512];
    size_t n;
} Bytes;

static Bytes accept_answer, echo_answer;
static const uint8_t release_answer[] = {6, 0, 0, 0, 0, 4, 0, 0, 0, 0};
enum { TITLES_AT = 10, MESSAGE_ID_AT = 12 + 12 + 8 + 18 + 10 + 8 };

static void put(Bytes *b, const void *p, size_t n)
{
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

static void put_u8(Bytes *b, unsigned v)
{
    b->p[b->n++] = (uint8_t)v;
}

static void put_u16(Bytes *b, unsigned v)
{
    put_u8(b, v >> 8);
    put_u8(b, v & 255);
}

static void put_item(Bytes *b, unsigned type, const void *p, size_t n)
{
    put_u8(b, type);
    put_u8(b, 0);
    put_u16(b, (unsigned)n);
    put(b, p, n);
}

static void end_pdu(Bytes *b)
{
    uint32_t n = htonl((uint32_t)(b->n - HEADER));
    memcpy(b->p + 2, &n, sizeof n);
}

static void make_accept_answer(Bytes *b)
{
    static const char application[] = "1.2.840.10008.3.1.1.1", syntax[] = "1.2.840.10008.1.2",
                      class[] = "1.2.3";
    static const uint8_t head[HEADER + 4] = {2, 0, 0, 0, 0, 0, 0, 1}, nothing[TITLES + 32] = {0},
                                       max_pdu[] = {0, 1, 0, 0};
    static const uint8_t context[] = {1, 0, 0, 0};
    Bytes inside = {.n = 0};
    put(b, head, sizeof head);
    put(b, nothing, sizeof nothing);
    put_item(b, 0x10, application, strlen(application));
    put(&inside, context, sizeof context);
    put_item(&inside, 0x40, syntax, strlen(syntax));
    put_item(b, 0x21, inside.p, inside.n);
    inside.n = 0;
    put_item(&inside, 0x51, max_pdu, sizeof max_pdu);
    put_item(&inside, 0x52, class, strlen(class));
    put_item(b, 0x50, inside.p, inside.n);
    end_pdu(b);
}

/* An element of the command set, little endian. */
static void put_element(Bytes *b, unsigned element, const void *p, size_t n)
{
    const uint8_t head[8] = {0, 0, (uint8_t)element, (uint8_t)(element >> 8), (uint8_t)n};
    put(b, head, sizeof head);
    put(b, p, n);
}

static void make_echo_answer(Bytes *b)
{
    static const uint8_t field[] = {0x30, 0x80}, none[] = {1, 1}, zero[4] = {0};
    static const uint8_t head[12] = {4, [10] = 1, [11] = 3};
    put(b, head, sizeof head);
    put_element(b, 0, zero, 4);
    put_element(b, 2, VERIFICATION, sizeof VERIFICATION);
    put_element(b, 0x100, field, 2);
    put_element(b, 0x120, zero, 2);
    put_element(b, 0x800, none, 2);
    put_element(b, 0x900, zero, 2);
    b->p[20] = (uint8_t)(b->n - 24); /* the group's length */
    b->p[9] = (uint8_t)(b->n - 10);  /* the PDV's length */
    end_pdu(b);
}

/* -- serving -- */

/* One PDU, or 0 when there is none any more. */
static size_t read_pdu(int fd, uint8_t *p)
{
    size_t have = 0, wanted = HEADER;
    while (have < wanted) {
        ssize_t got = recv(fd, p + have, MAX_PDU - have, 0);
        if (got <= 0)
            return 0;
        have += (size_t)got;
        if (have >= HEADER && wanted == HEADER) {
            uint32_t n;
            memcpy(&n, p + 2, sizeof n);
            wanted = HEADER + (size_t)ntohl(n);
            if (wanted > MAX_PDU)
                return 0;
        }
    }
    return have;
}

static bool answer(int fd, const uint8_t *request, size_t n)
{
    uint8_t out[sizeof accept_answer.p];
    const Bytes *ready = request[0] == 1 ? &accept_answer : request[0] == 4 ? &echo_answer : NULL;
    size_t size = ready ? ready->n : sizeof release_answer;
    memcpy(out, ready ? ready->p : release_answer, size);
    if (request[0] == 1 && n >= TITLES_AT + TITLES)
        memcpy(out + TITLES_AT, request + TITLES_AT, TITLES);
    /* Where every client that is meant here has its message ID: behind group length, SOP class and command field. */
    else if (request[0] == 4 && n >= MESSAGE_ID_AT + 2)
        memcpy(out + MESSAGE_ID_AT, request + MESSAGE_ID_AT, 2);
    return send(fd, out, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static void serve(int fd)
{
    static _Thread_local uint8_t pdu[MAX_PDU];
    size_t n;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    while ((n = read_pdu(fd, pdu)) && answer(fd, pdu, n)) {
    }
    close(fd);
}

static void *thread_main(void *ctx)
{
    int listener = *(const int *)ctx;
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            serve(fd);
    }
    return NULL;
}

static int listen_on(uint16_t port)
{
    Err err;
    int fd = net_listen("127.0.0.1", port, &err);
    if (fd < 0) {
        fprintf(stderr, "bench_limits_echo: %s\n", err.text);
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    long port = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    long threads = argc > 2 ? strtol(argv[2], NULL, 10) : DEFAULT_THREADS;
    if (port < 1 || port > 65535 || threads < 1 || threads > MAX_THREADS) {
        fprintf(stderr, "usage: bench_limits_echo PORT [THREADS]\n");
        return 2;
    }
    static int listener;
    listener = listen_on((uint16_t)port);
    make_accept_answer(&accept_answer);
    make_echo_answer(&echo_answer);
    for (long i = 1; i < threads; i++) {
        pthread_t id;
        if (pthread_create(&id, NULL, thread_main, &listener) != 0)
            return 1;
    }
    thread_main(&listener);
    return 0;
}
