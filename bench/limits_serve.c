// SPDX-License-Identifier: MIT
/*
 * What the clients of a retrieval allow: a server that answers every C-GET, and every GET of HTTP, with 50 times the same object of 527 KB, which was made before and
 * never leaves the processor's cache. It looks up nothing, opens nothing and writes nothing; of what it is sent it reads lengths, context and message IDs.
 * How far a real server stays below it is what finding the objects costs, and fetching them from memory or the disk.
 *
 *   bench_limits_serve PORT HTTP-PORT [FOLDER]      until SIGTERM; a thread for each connection
 *
 * Every presentation context is accepted in its first transfer syntax; objects go out on the last one for CT images. C-ECHO and C-STORE succeed. What is
 * stored is read and dropped; with FOLDER its XXH3 is taken and it is kept there (limits_keep.h) before the response, and never looked at: what the clients of C-STORE allow a
 * server that does nothing but what none can leave out. Each object waits for the response to the one before it; there are no pending responses.
 */
#include "limits_keep.h"

#include "net/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    OBJECTS = 50,
    SIZE = 527164,
    MAX_PDU = 131072,
    LEAST_PDU = 4096,
    HEADER = 6,
    PDV_HEADER = 6,
    MAX_COMMAND = 1024,
    MAX_OBJECT = 1 << 30,
    FIRST_ROOM = 1 << 20,
};
enum { STORE = 1, GET = 0x10, RESPONSE = 0x8000, NO_DATA_SET = 0x0101 };

#define CT_IMAGE "1.2.840.10008.5.1.4.1.1.2"
#define INSTANCE "1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6"

typedef struct Bytes {
    uint8_t *p;
    size_t n;
} Bytes;

/* What a connection keeps: a folder of its own, the object that comes in, and its checksum. */
typedef struct Kept {
    int folder, number;
    unsigned count;
    uint8_t *object;
    size_t n, room;
    XXH128_hash_t sum;
} Kept;

typedef struct Peer {
    int fd;
    Kept *kept; /* NULL = nothing is kept */
    FILE *in;
    uint8_t context; /* on which objects go out */
    uint32_t max_pdu;
    uint16_t next_id;
    Bytes object;      /* all PDUs of a C-STORE-RQ */
    uint8_t *id_there; /* its message ID */
    uint8_t pdu[HEADER + MAX_PDU];
    size_t n;
} Peer;

typedef struct Message {
    uint8_t context;
    uint8_t command[MAX_COMMAND];
    size_t n;
} Message;

static void put(Bytes *b, const void *p, size_t n)
{
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

static uint16_t big16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t big32(const uint8_t *p)
{
    return (uint32_t)big16(p) << 16 | big16(p + 2);
}

static bool send_all(int fd, const void *p, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t sent = send(fd, (const uint8_t *)p + at, n - at, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += (size_t)sent;
    }
    return true;
}

/* -- associations -- */

static void put_item(Bytes *b, unsigned type, const void *p, size_t n)
{
    const uint8_t head[] = {(uint8_t)type, 0, (uint8_t)(n >> 8), (uint8_t)n};
    put(b, head, sizeof head);
    put(b, p, n);
}

/* p: the context's ID, three bytes, then the abstract and the transfer syntaxes, an item each. */
static void accept_context(Peer *peer, Bytes *out, const uint8_t *p, size_t n)
{
    uint8_t item[4 + 4 + 64] = {p[0]};
    size_t abstract = n > 8 ? big16(p + 6) : 0, at = 8 + abstract;
    if (at + 4 > n || at + 4 + big16(p + at + 2) > n || big16(p + at + 2) > 64)
        return;
    if (abstract == strlen(CT_IMAGE) && memcmp(p + 8, CT_IMAGE, abstract) == 0)
        peer->context = p[0];
    memcpy(item + 4, p + at, 4 + big16(p + at + 2));
    put_item(out, 0x21, item, 4 + 4 + big16(p + at + 2));
}

/* Roles are agreed to as they were proposed. */
static void accept_user(Peer *peer, Bytes *out, const uint8_t *p, size_t n)
{
    static const uint8_t most[] = {0, MAX_PDU >> 16, 0, 0};
    uint8_t inside[4096];
    Bytes b = {inside, 0};
    put_item(&b, 0x51, most, sizeof most);
    put_item(&b, 0x52, "1.2.3", 5);
    for (size_t at = 0, size; at + 4 <= n; at += size) {
        size = 4u + big16(p + at + 2);
        if (at + size > n)
            break;
        if (p[at] == 0x51 && size == 8)
            peer->max_pdu = big32(p + at + 4);
        if (p[at] == 0x54 && b.n + size < sizeof inside)
            put(&b, p + at, size);
    }
    put_item(out, 0x50, inside, b.n);
}

static bool accept_association(Peer *peer)
{
    static const uint8_t nothing[32];
    enum { TITLES_AT = 10, ITEMS_AT = 74 };
    uint8_t answer[32768] = {2};
    Bytes out = {answer, HEADER};
    put(&out, (const uint8_t[]){0, 1, 0, 0}, 4);
    put(&out, peer->pdu + TITLES_AT, 32);
    put(&out, nothing, sizeof nothing);
    put_item(&out, 0x10, "1.2.840.10008.3.1.1.1", 21);
    for (size_t at = ITEMS_AT, size; at + 4 <= peer->n; at += size) {
        size = 4u + big16(peer->pdu + at + 2);
        if (at + size > peer->n || out.n + size > sizeof answer / 2)
            break;
        if (peer->pdu[at] == 0x20)
            accept_context(peer, &out, peer->pdu + at + 4, size - 4);
        if (peer->pdu[at] == 0x50)
            accept_user(peer, &out, peer->pdu + at + 4, size - 4);
    }
    answer[4] = (uint8_t)((out.n - HEADER) >> 8);
    answer[5] = (uint8_t)(out.n - HEADER);
    return send_all(peer->fd, answer, out.n);
}

/* -- messages -- */

static void put_element(Bytes *b, unsigned element, const void *p, size_t n)
{
    const uint8_t head[8] = {0, 0, (uint8_t)element, (uint8_t)(element >> 8), (uint8_t)n};
    put(b, head, sizeof head);
    put(b, p, n);
}

static void put_us(Bytes *b, unsigned element, unsigned v)
{
    put_element(b, element, (const uint8_t[]){(uint8_t)v, (uint8_t)(v >> 8)}, 2);
}

/* An element of a command set, or NULL. */
static const uint8_t *element(const Message *m, unsigned wanted, size_t *n)
{
    for (size_t at = 0; at + 8 <= m->n; at += 8 + *n) {
        const uint8_t *p = m->command + at;
        *n = p[4] | (size_t)p[5] << 8;
        if (*n > m->n - at - 8)
            break;
        if ((p[2] | p[3] << 8) == (int)wanted)
            return p + 8;
    }
    return NULL;
}

static unsigned us(const Message *m, unsigned wanted)
{
    size_t n;
    const uint8_t *p = element(m, wanted, &n);
    return p && n == 2 ? p[0] | (unsigned)p[1] << 8 : 0;
}

static void put_pdv_header(Bytes *b, uint8_t context, unsigned control, size_t n)
{
    uint32_t pdu = htonl((uint32_t)(n + PDV_HEADER)), pdv = htonl((uint32_t)(n + 2));
    put(b, (const uint8_t[]){4, 0}, 2);
    put(b, &pdu, 4);
    put(b, &pdv, 4);
    put(b, (const uint8_t[]){context, (uint8_t)control}, 2);
}

static bool take(Peer *peer, void *p, size_t n)
{
    return fread(p, 1, n, peer->in) == n;
}

/* What is no P-DATA is answered here. False: the association is over. */
static bool read_other(Peer *peer, uint32_t n)
{
    if (n > MAX_PDU || !take(peer, peer->pdu + HEADER, n))
        return false;
    peer->n = HEADER + n;
    if (peer->pdu[0] == 5)
        send_all(peer->fd, (const uint8_t[]){6, 0, 0, 0, 0, 4, 0, 0, 0, 0}, 10);
    return peer->pdu[0] == 1 && accept_association(peer);
}

static uint8_t *room_for(Kept *kept, size_t n)
{
    while (kept->n + n > kept->room) {
        void *more = NULL;
        size_t room = kept->room ? 2 * kept->room : FIRST_ROOM;
        must(room <= MAX_OBJECT && posix_memalign(&more, KEEP_ALIGNMENT, room) == 0, "no room for an object");
        if (kept->n)
            memcpy(more, kept->object, kept->n);
        free(kept->object);
        kept->object = more;
        kept->room = room;
    }
    return kept->object + kept->n;
}

static bool read_value(Peer *peer, Message *m, bool command, size_t n)
{
    if (n > MAX_PDU || (command && m->n + n > sizeof m->command))
        return false;
    uint8_t *to = command ? m->command + m->n : peer->kept ? room_for(peer->kept, n) : peer->pdu;
    if (!take(peer, to, n))
        return false;
    m->n += command ? n : 0;
    if (peer->kept && !command)
        peer->kept->n += n;
    return true;
}

static bool read_message(Peer *peer, Message *m)
{
    bool command = false, data = false;
    if (peer->kept)
        peer->kept->n = 0;
    for (m->n = 0; !command || !data;) {
        if (!take(peer, peer->pdu, HEADER))
            return false;
        size_t left = big32(peer->pdu + 2);
        if (peer->pdu[0] != 4) {
            if (!read_other(peer, (uint32_t)left))
                return false;
            continue;
        }
        while (left >= PDV_HEADER) {
            uint8_t pdv[PDV_HEADER];
            if (!take(peer, pdv, sizeof pdv))
                return false;
            size_t size = 4 + (size_t)big32(pdv);
            if (size < PDV_HEADER || size > left || !read_value(peer, m, pdv[5] & 1, size - PDV_HEADER))
                return false;
            left -= size;
            m->context = pdv[4];
            command = command || pdv[5] == 3;
            data = data || pdv[5] == 2 || (pdv[5] == 3 && us(m, 0x800) == NO_DATA_SET);
        }
        if (left)
            return false;
    }
    return true;
}

/* Success, with so many objects sent. */
static bool respond(Peer *peer, const Message *m, unsigned sent)
{
    uint8_t command[MAX_COMMAND], pdu[MAX_COMMAND + 12];
    Bytes b = {command, 0}, out = {pdu, 0};
    size_t n;
    const uint8_t *p;
    put_element(&b, 0, (const uint8_t[4]){0}, 4);
    if ((p = element(m, 2, &n)) && n < 65)
        put_element(&b, 2, p, n);
    put_us(&b, 0x100, us(m, 0x100) | RESPONSE);
    put_us(&b, 0x120, us(m, 0x110));
    put_us(&b, 0x800, NO_DATA_SET);
    put_us(&b, 0x900, 0);
    if ((p = element(m, 0x1000, &n)) && n < 65)
        put_element(&b, 0x1000, p, n);
    for (unsigned counter = 0x1021; sent && counter <= 0x1023; counter++)
        put_us(&b, counter, counter == 0x1021 ? sent : 0);
    command[8] = (uint8_t)(b.n - 12);
    command[9] = (uint8_t)((b.n - 12) >> 8);
    put_pdv_header(&out, m->context, 3, b.n);
    put(&out, command, b.n);
    return send_all(peer->fd, pdu, out.n);
}

/* -- objects -- */

static void make_object(Peer *peer)
{
    uint8_t command[MAX_COMMAND];
    static uint8_t zeros[MAX_PDU];
    size_t most = peer->max_pdu < LEAST_PDU || peer->max_pdu > MAX_PDU ? MAX_PDU : peer->max_pdu;
    most -= PDV_HEADER;
    Bytes b = {command, 0};
    put_element(&b, 0, (const uint8_t[4]){0}, 4);
    put_element(&b, 2, CT_IMAGE "\0", sizeof CT_IMAGE);
    put_us(&b, 0x100, STORE);
    put_us(&b, 0x110, 0);
    size_t id_at = b.n - 2;
    put_us(&b, 0x700, 0);
    put_us(&b, 0x800, 0);
    put_element(&b, 0x1000, INSTANCE, sizeof INSTANCE & ~(size_t)1);
    command[8] = (uint8_t)(b.n - 12);
    peer->object = (Bytes){malloc(2 * SIZE + MAX_COMMAND), 0};
    if (!peer->object.p)
        exit(1);
    put_pdv_header(&peer->object, peer->context, 3, b.n);
    peer->id_there = peer->object.p + peer->object.n + id_at;
    put(&peer->object, command, b.n);
    for (size_t left = SIZE, n; left; left -= n) {
        n = left < most ? left : most;
        put_pdv_header(&peer->object, peer->context, n == left ? 2 : 0, n);
        put(&peer->object, zeros, n);
    }
}

static bool give(Peer *peer, const Message *request)
{
    static _Thread_local Message response;
    if (!peer->object.p)
        make_object(peer);
    for (int i = 0; i < OBJECTS; i++) {
        uint16_t id = ++peer->next_id;
        memcpy(peer->id_there, (const uint8_t[]){(uint8_t)id, (uint8_t)(id >> 8)}, 2);
        if (!send_all(peer->fd, peer->object.p, peer->object.n) || !read_message(peer, &response))
            return false;
    }
    return respond(peer, request, OBJECTS);
}

/* -- what is kept -- */

static struct {
    Keeper keeper;
    const char *top; /* NULL = nothing is kept */
    atomic_int numbers;
} keeping;

static Kept *kept_new(void)
{
    Kept *kept = calloc(1, sizeof *kept);
    must(kept != NULL, "no memory");
    char name[32];
    kept->number = atomic_fetch_add(&keeping.numbers, 1);
    snprintf(name, sizeof name, "%d", kept->number);
    kept->folder = keep_folder(keeping.top, name);
    return kept;
}

static void kept_free(Kept *kept)
{
    if (!kept)
        return;
    close(kept->folder);
    free(kept->object);
    free(kept);
}

static void keep(Kept *kept)
{
    char name[32];
    snprintf(name, sizeof name, "%d-%u", kept->number, kept->count++);
    kept->sum = XXH3_128bits(kept->object, kept->n);
    keep_object(&keeping.keeper, kept->folder, name, kept->object, kept->n, KEEP_LOGGED);
}

static bool serve(Peer *peer, const Message *request)
{
    unsigned command = us(request, 0x100);
    if (command == GET)
        return give(peer, request);
    if (command == STORE && peer->kept)
        keep(peer->kept);
    return respond(peer, request, 0);
}

static void *dicom_main(void *ctx)
{
    static _Thread_local Message request;
    Peer *peer = ctx;
    if (keeping.top)
        peer->kept = kept_new();
    while (read_message(peer, &request) && serve(peer, &request)) {
    }
    kept_free(peer->kept);
    fclose(peer->in);
    free(peer->object.p);
    free(peer);
    return NULL;
}

/* -- over HTTP -- */

/* A chunk for each part; the body is a multipart one for whoever looks into it. */
static bool give_parts(int fd)
{
    static const char head[] =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
        "Content-Type: multipart/related; type=\"application/dicom\"; boundary=B\r\n\r\n",
                      part[] = "\r\n--B\r\nContent-Type: application/dicom\r\n\r\n",
                      end[] = "9\r\n\r\n--B--\r\n\r\n0\r\n\r\n";
    static _Thread_local uint8_t chunk[SIZE + 256];
    char size[24];
    int n = snprintf(size, sizeof size, "%zx\r\n", sizeof part - 1 + SIZE);
    Bytes b = {chunk, 0};
    put(&b, size, (size_t)n);
    put(&b, part, sizeof part - 1);
    b.n += SIZE;
    put(&b, "\r\n", 2);
    bool ok = send_all(fd, head, sizeof head - 1);
    for (int i = 0; ok && i < OBJECTS; i++)
        ok = send_all(fd, chunk, b.n);
    return ok && send_all(fd, end, sizeof end - 1);
}

static void *http_main(void *ctx)
{
    Peer *peer = ctx;
    char line[8192];
    while (fgets(line, sizeof line, peer->in))
        if (strcmp(line, "\r\n") == 0 && !give_parts(peer->fd))
            break;
    fclose(peer->in);
    free(peer);
    return NULL;
}

/* -- connections -- */

typedef struct Service {
    int listener;
    void *(*main)(void *ctx);
} Service;

static void *accept_all(void *ctx)
{
    const Service *service = ctx;
    for (;;) {
        Peer *peer = calloc(1, sizeof *peer);
        pthread_t id;
        if (!peer)
            exit(1);
        peer->fd = accept4(service->listener, NULL, NULL, SOCK_CLOEXEC);
        peer->in = fdopen(peer->fd, "rb");
        if (!peer->in)
            exit(1);
        setvbuf(peer->in, NULL, _IOFBF, 4096); /* what is longer is read to where it goes */
        setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        if (pthread_create(&id, NULL, service->main, peer) != 0)
            exit(1);
        pthread_detach(id);
    }
}

static int listen_on(const char *port)
{
    Err err;
    int fd = net_listen("127.0.0.1", (uint16_t)strtoul(port, NULL, 10), &err);
    if (fd < 0) {
        fprintf(stderr, "bench_limits_serve: %s\n", err.text);
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: bench_limits_serve PORT HTTP-PORT [FOLDER]\n");
        return 2;
    }
    keeping.top = argv[3];
    if (keeping.top)
        keeper_open(&keeping.keeper, keeping.top, 0);
    static Service dicom = {.main = dicom_main}, http = {.main = http_main};
    dicom.listener = listen_on(argv[1]);
    http.listener = listen_on(argv[2]);
    pthread_t id;
    if (pthread_create(&id, NULL, accept_all, &http) != 0)
        return 1;
    accept_all(&dicom);
    return 0;
}
