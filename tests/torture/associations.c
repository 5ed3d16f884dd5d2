// SPDX-License-Identifier: MIT
/*
 * associations PORT PID COUNT [FIRST] [SEED]: has COUNT conversations (conversation.h) with a DICOM server on loopback, several at once, each from one of many addresses.
 * The server is process PID. Every so often it must answer an echo; each connection must be ended by it when the peer has said everything; what it says must be PDUs; at the end
 * it must have let go of its connections and threads, and its memory must not have grown with their number. Conversation N of a seed can be had again: COUNT 1, FIRST N.
 */
#include "conversation.h"

#include "base/clock.h"
#include "dicom/uids.h"
#include "net/association.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    THREADS = 8,
    PROBE_EVERY = 1000,
    TELL_EVERY = 10000,
    ANSWER_MS = 30,
    LONGEST_MS = 60000,
    LARGEST_PDU = 1 << 20
};
enum { KINDS = 8 }; /* of PDUs, by type; 0 is none */

static struct {
    uint16_t port;
    int pid;
    uint64_t first, count, seed;
    atomic_uint_fast64_t next, done, bytes, said[KINDS];
    atomic_bool failed;
} all;

static void fail(uint64_t number, const char *what)
{
    if (!atomic_exchange(&all.failed, true))
        printf("FAILED at conversation %" PRIu64 " of seed %" PRIu64 ": %s\n", number, all.seed, what);
}

/* -- what the server says -- */

typedef struct Heard {
    uint64_t number; /* of the conversation */
    uint8_t head[NET_PDU_HEADER];
    size_t head_n;
    uint32_t left;
    bool ended;
} Heard;

static void hear(Heard *heard, Span bytes)
{
    while (bytes.n) {
        if (heard->left) {
            size_t n = bytes.n < heard->left ? bytes.n : heard->left;
            heard->left -= (uint32_t)n;
            bytes = span_sub(bytes, n, SIZE_MAX);
            continue;
        }
        heard->head[heard->head_n++] = *bytes.p;
        bytes = span_sub(bytes, 1, SIZE_MAX);
        if (heard->head_n < NET_PDU_HEADER)
            continue;
        NetPduType type;
        heard->head_n = 0;
        if (!net_pdu_header(span_of(heard->head, NET_PDU_HEADER), &type, &heard->left) ||
            heard->left > LARGEST_PDU)
            fail(heard->number, "the server said something that is no PDU");
        else
            atomic_fetch_add(&all.said[type], 1);
    }
}

static void listen_to(int fd, Heard *heard)
{
    uint8_t bytes[16384];
    ssize_t n;
    while ((n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        hear(heard, span_of(bytes, (size_t)n));
    heard->ended = n == 0 || (errno != EAGAIN && errno != EINTR);
}

/* Says all of it, unless the server ends the connection; hears what it says meanwhile. */
static void say(int fd, Span bytes, Heard *heard)
{
    Deadline deadline = deadline_in(LONGEST_MS);
    while (bytes.n && !heard->ended) {
        struct pollfd wait = {.fd = fd, .events = POLLIN | POLLOUT};
        if (poll(&wait, 1, deadline_poll_ms(deadline)) == 0) {
            fail(heard->number, "the server reads no more");
            return;
        }
        if (wait.revents & (POLLIN | POLLERR | POLLHUP))
            listen_to(fd, heard);
        ssize_t n = wait.revents & POLLOUT ? send(fd, bytes.p, bytes.n, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
        if (n > 0)
            bytes = span_sub(bytes, (size_t)n, SIZE_MAX);
        else if (n < 0 && errno != EAGAIN && errno != EINTR)
            return; /* it is over; what the server said last is still to be heard */
    }
}

static void wait_for_answer(int fd, int ms, Heard *heard)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (!heard->ended && poll(&wait, 1, ms) > 0)
        listen_to(fd, heard);
}

/* -- one conversation -- */

static int connect_from(uint64_t number)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in from = {.sin_family = AF_INET},
                       to = {.sin_family = AF_INET, .sin_port = htons(all.port)};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(number % 250));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) || connect(fd, (struct sockaddr *)&to, sizeof to)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void take_leave(int fd, const Conversation *talk, Heard *heard)
{
    if (talk->farewell == LEAVE_HALF_CLOSED) {
        shutdown(fd, SHUT_WR);
        Deadline deadline = deadline_in(LONGEST_MS);
        while (!heard->ended && !deadline_passed(deadline))
            wait_for_answer(fd, 1000, heard);
        if (!heard->ended)
            fail(heard->number, "the server does not end a connection that its peer has ended");
    }
    /* A reset, so that no port waits on either side for stray segments; LEAVE_CLOSED is what most programs do. */
    struct linger reset = {.l_onoff = talk->farewell != LEAVE_CLOSED};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
}

static void converse(uint64_t number, Arena *arena)
{
    static _Thread_local Conversation talk;
    arena_reset(arena);
    conversation_make(&talk, arena, all.seed * 1000003 + number);
    conversation_spoil(&talk);
    int fd = connect_from(number);
    if (fd < 0) {
        fail(number, "the server takes no connection");
        return;
    }
    Heard heard = {.number = number};
    for (size_t i = 0; i < talk.count && !heard.ended; i++) {
        Span pdu = talk.pdus[i];
        for (size_t n = talk.piece ? talk.piece : pdu.n; pdu.n && !heard.ended;
             pdu = span_sub(pdu, n, SIZE_MAX))
            say(fd, span_sub(pdu, 0, n), &heard);
        if (talk.listens)
            wait_for_answer(fd, i == 0 ? ANSWER_MS : 0, &heard);
    }
    take_leave(fd, &talk, &heard);
    atomic_fetch_add(&all.bytes, talk.bytes);
}

/* -- is the server well? -- */

static void probe(uint64_t number)
{
    static const char *const syntaxes[] = {DCM_UID_ImplicitVRLittleEndian};
    static const NetProposal verification = {
        .abstract_syntax = DCM_UID_Verification, .transfer_syntaxes = syntaxes, .transfer_syntax_count = 1};
    NetRequest request = {.host = "127.0.0.1",
                          .port = all.port,
                          .calling_ae = "PROBE",
                          .called_ae = "GANTRY",
                          .proposals = &verification,
                          .proposal_count = 1,
                          .timeouts = {LONGEST_MS, LONGEST_MS, LONGEST_MS, LONGEST_MS, 0, 0}};
    Err err = {0};
    NetCommand answer = {.status = 0xFFFF};
    NetAssociation *a = net_associate(&request, NULL, &err);
    const NetAccepted *context = a ? net_context_for(a, DCM_UID_Verification, NULL, true) : NULL;
    NetCommand echo = {.field = NET_C_ECHO_RQ,
                       .context_id = context ? context->id : 0,
                       .message_id = 1,
                       .sop_class = DCM_UID_Verification};
    if (!context || !net_send(a, &echo, NULL, &err) ||
        net_receive(a, &answer, deadline_in(LONGEST_MS), &err) != NET_GOT_COMMAND || answer.status != 0 ||
        !net_release(a, &err)) {
        fprintf(stderr, "%s\n", err.text);
        fail(number, "no answer to an echo");
    }
    net_association_free(a);
}

static long of_status(const char *name)
{
    char path[64], line[256];
    long value = -1;
    snprintf(path, sizeof path, "/proc/%d/status", all.pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
            value = strtol(line + strlen(name) + 1, NULL, 10);
    if (file)
        fclose(file);
    return value;
}

static long descriptors(void)
{
    char path[64];
    long n = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", all.pid);
    DIR *dir = opendir(path);
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

static void tell(uint64_t done)
{
    printf("%9" PRIu64 " associations, memory %ld MiB, %ld threads, %ld descriptors\n", done,
           of_status("VmRSS") / 1024, of_status("Threads"), descriptors());
    fflush(stdout);
}

static void *work(void *unused)
{
    Arena *arena = arena_new(0);
    uint64_t i;
    while (!atomic_load(&all.failed) && (i = atomic_fetch_add(&all.next, 1)) < all.count) {
        converse(all.first + i, arena);
        uint64_t done = atomic_fetch_add(&all.done, 1) + 1;
        if (done % PROBE_EVERY == 0)
            probe(all.first + i);
        if (done % TELL_EVERY == 0)
            tell(done);
    }
    arena_free(arena);
    return NULL;
}

/* Threads and descriptors come back to what they were, a few apart that a server may have made for good, and the eight connections to the index that it keeps: of the file and its log. */
static void check_rest(long threads, long open)
{
    enum { SLACK = 8, INDEX = 8 * 2 };
    Deadline deadline = deadline_in(LONGEST_MS);
    while ((of_status("Threads") > threads + SLACK || descriptors() > open + SLACK + INDEX) &&
           !deadline_passed(deadline))
        clock_sleep_ms(100);
    if (of_status("Threads") > threads + SLACK)
        fail(all.count, "the server keeps threads of associations that are over");
    if (descriptors() > open + SLACK + INDEX)
        fail(all.count, "the server keeps descriptors of associations that are over");
}

static int report(int64_t began, long memory)
{
    static const char *const names[KINDS] = {
        "",          "A-ASSOCIATE-RQ", "A-ASSOCIATE-AC", "A-ASSOCIATE-RJ",
        "P-DATA-TF", "A-RELEASE-RQ",   "A-RELEASE-RP",   "A-ABORT"};
    double seconds = (double)(clock_ms() - began) / 1000;
    uint64_t done = atomic_load(&all.done);
    printf("%" PRIu64 " associations in %.0f s (%.0f a second), %.1f MB said; the server said:", done,
           seconds, (double)done / seconds, (double)atomic_load(&all.bytes) / 1e6);
    for (int i = 1; i < KINDS; i++)
        if (atomic_load(&all.said[i]))
            printf(" %" PRIuFAST64 " %s", atomic_load(&all.said[i]), names[i]);
    printf("; its memory %ld -> %ld MiB\n", memory / 1024, of_status("VmRSS") / 1024);
    return atomic_load(&all.failed) ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: associations PORT PID COUNT [FIRST] [SEED]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    all.port = (uint16_t)strtoul(argv[1], NULL, 10);
    all.pid = (int)strtol(argv[2], NULL, 10);
    all.count = strtoull(argv[3], NULL, 10);
    all.first = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
    all.seed = argc > 5 ? strtoull(argv[5], NULL, 10) : 1;
    probe(all.first);
    long memory = of_status("VmRSS"), threads = of_status("Threads"), open = descriptors();
    int64_t began = clock_ms();
    pthread_t workers[THREADS];
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&workers[i], NULL, work, NULL) != 0)
            abort();
    for (int i = 0; i < THREADS; i++)
        pthread_join(workers[i], NULL);
    if (!atomic_load(&all.failed)) {
        probe(all.first + all.count);
        check_rest(threads, open);
    }
    return report(began, memory);
}
