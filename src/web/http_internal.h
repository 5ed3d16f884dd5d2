// SPDX-License-Identifier: MIT
/* What the files of the facade share. Nobody outside http_*.c includes this. */
#ifndef GANTRY_WEB_HTTP_INTERNAL_H
#define GANTRY_WEB_HTTP_INTERNAL_H

#include "base/clock.h"
#include "web/http.h"
#include "web/http_condition.h"
#include "web/http_forwarded.h"
#include "web/http_url.h"
#include "web/router.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    HEAD_MAX = 32 * 1024,
    HEADERS_MAX = 100,
    BLOCK_SIZE = 256 * 1024,      /* of bodies on their way out */
    SENDFILE_MAX = 1024 * 1024,   /* longer files come in blocks */
    WIRE_MEMORY = 128 * 1024,     /* of a connection: the longest piece of a body on its way in */
    STACK_SIZE = 2 * 1024 * 1024, /* of a connection's thread; the pages are used as they are needed */
    DROP_MAX =
        16 * 1024 * 1024, /* bytes of a body that nobody wants and are read, so that the answer arrives */
    SLOWEST_BYTES_PER_SECOND = 1024, /* of bodies, both ways, over settings.slow_timeout_ms */
    CROWDED_IDLE_MS = 1000,          /* between requests, when nearly all connections are taken */
    WATCH_EVERY_MS = 250
};

/* What a connection is waiting for. */
typedef enum HttpPhase { PHASE_IDLE, PHASE_HEAD, PHASE_BODY, PHASE_ANSWER } HttpPhase;

/* A connection, known from accept to close. Its thread changes the phase; the watchdog reads it and may cut. */
typedef struct HttpConnection {
    struct HttpConnection *next, *previous; /* in the server's list, under its lock */
    int fd;
    char peer[64];
    pthread_mutex_t lock; /* guards what follows */
    HttpPhase phase;
    unsigned long epoch;      /* counts changes of phase */
    bool busy;                /* a handler of ours runs: the client is not to blame for the silence */
    atomic_bool cut;          /* read without the lock, too */
    uint64_t received_before; /* bytes that had come when the phase began */
    /* the watchdog's own */
    unsigned long watched_epoch;
    Deadline deadline; /* of silence or of the head */
    int64_t waited_ms; /* in the window */
    int64_t looked_ms;
    uint64_t window_bytes; /* count at the start of the window */
} HttpConnection;

struct HttpServer {
    HttpSettings settings;
    Arena *arena; /* of the copied settings */
    Router *router;
    struct MHD_Daemon *daemon;
    int listener;
    uint16_t port;
    char *certificate, *key;
    pthread_t watchdog;
    bool watching;
    pthread_mutex_t lock;   /* guards the list and the counts */
    pthread_cond_t changed; /* exchange_count */
    pthread_cond_t wake;    /* the watchdog: to stop */
    HttpConnection *connections;
    unsigned connection_count, exchange_count;
    atomic_bool stopping, cutting;
    int64_t complained_ms; /* when a refused connection was logged last */
    atomic_ulong numbers;
};

typedef enum AnswerKind { ANSWER_MEMORY, ANSWER_SOURCE, ANSWER_FILE } AnswerKind;

typedef struct AnswerHeader {
    const char *name, *value;
    struct AnswerHeader *next;
} AnswerHeader;

/* What a handler has answered; it goes out when the request has been read. */
typedef struct Answer {
    unsigned status; /* 0 = nothing yet */
    AnswerKind kind;
    const char *media;
    AnswerHeader *headers, **last;
    const char *etag;
    int64_t modified;
    Span body; /* memory: in the arena, or in buf */
    Buf buf;
    HttpSource source;
    int64_t length;
    int fd;             /* -1 = none, or handed over */
    Span before, after; /* text around the file, in the arena */
    uint64_t offset;
} Answer;

struct HttpExchange {
    HttpServer *server;
    HttpConnection *connection;
    struct MHD_Connection *wire;
    Arena *arena; /* NULL when the exchange has ended */
    /* The request and the response of libmicrohttpd, which is destroyed after it said that the request is done. */
    unsigned references;
    unsigned long number;
    int64_t began_ns;
    const char *method, *target;
    Url url;
    HttpParameter *headers;
    size_t header_count;
    const RouterEntry *entry;
    Forwarded forwarded;
    const char *user;
    void *state;
    void (*release)(void *state);
    const void *subject;
    bool begun, head_only, old_version;
    uint64_t received, dropped, sent;
    Answer answer;
};

/* http_exchange.c: the life of a request, called by http_server.c. */
HttpExchange *http_exchange_new(HttpServer *server, HttpConnection *connection, struct MHD_Connection *wire,
                                const char *target);
/* The head is there. False: the answer must go out at once, and the connection ends with it. */
bool http_exchange_begin(HttpExchange *x, const char *method, const char *version);
/* False: too much is dropped, the connection ends. */
bool http_exchange_body(HttpExchange *x, Span piece);
void http_exchange_end(HttpExchange *x);
/* Everything the exchange holds goes; the struct when the response has gone too. */
void http_exchange_finish(HttpExchange *x, bool complete);
void http_exchange_unref(HttpExchange *x);

/* http_send.c: the answer as it stands goes to the wire. */
enum MHD_Result http_send(HttpExchange *x);

/* http_direct.c: an answer that is a file between two texts, without TLS; NULL when the file is not there as a whole. */
struct MHD_Response *http_file_between(HttpExchange *x);
/* Stretches of files, past libmicrohttpd. May they be sent so, and sends those that come next. */
bool http_direct_suits(const HttpExchange *x);
bool http_direct_send(HttpExchange *x, Err *err);

/* http_answer.c */
void http_answer_init(HttpExchange *x);
void http_answer_free(HttpExchange *x);

/* http_cors.c: headers of an answer for pages of other origins, and whole preflights. */
void http_cors_headers(HttpExchange *x);
bool http_cors_is_preflight(const HttpExchange *x);
void http_cors_preflight(HttpExchange *x, const char *allow);
/* Adds to Vary. */
void http_vary(HttpExchange *x, const char *name);
/* A header of the answer that replaces those of its name. */
const char *http_answer_header(const HttpExchange *x, const char *name);

/* http_watchdog.c */
void http_phase(HttpConnection *connection, HttpPhase phase);
void http_busy(HttpConnection *connection, bool busy);
bool http_watchdog_start(HttpServer *server, Err *err);
void http_watchdog_stop(HttpServer *server);

#endif
