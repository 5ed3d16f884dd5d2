// SPDX-License-Identifier: MIT
#include "archive/audit_syslog.h"

#include "archive/audit_read.h"
#include "archive/audit_xml.h"
#include "base/cond.h"
#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/lookup.h"
#include "net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    LOOK_MS = 500, /* how often the files are looked at */
    SEND_MS = 10000,
    FIRST_PAUSE_MS = 1000,
    PAUSE_MAX_MS = 60000,
    PRIORITY = 10 * 8 + 5, /* security, notice: PS3.15 A.6 */
    SENT_SIZE = 21,
    UDP_MAX = 65000
};

typedef enum Way { BY_UDP, BY_TCP, BY_TLS } Way;

struct AuditSyslog {
    AuditSyslogSettings set;
    Way way;
    char host[256];
    uint16_t port;
    NetTls *tls;
    NetStream *stream; /* tcp, tls */
    int datagrams;     /* udp; -1 = not open */
    int sent_file;
    uint64_t sent;          /* the last record that was handed over */
    uint64_t inode, offset; /* where its line ends; 0 = not known */
    struct stat seen;       /* of audit.jsonl when all of it had been sent */
    bool failing;
    Buf message, frame;
    pthread_t thread;
    pthread_mutex_t lock; /* guards `stopping` and `give_up` */
    pthread_cond_t wake;
    bool stopping, ended;
    Deadline give_up;
    atomic_bool cut; /* give_up has passed */
};

/* -- the address -- */

static bool parse_address(AuditSyslog *s, const char *text, Err *err)
{
    static const struct {
        const char *start;
        uint16_t port;
    } ways[] = {[BY_UDP] = {"udp://", 514}, [BY_TCP] = {"tcp://", 601}, [BY_TLS] = {"tls://", 6514}};
    for (Way way = BY_UDP; way <= BY_TLS; way++) {
        size_t n = strlen(ways[way].start);
        if (strncmp(text, ways[way].start, n) != 0)
            continue;
        Span rest = span_cstr(text + n), host = rest;
        int64_t port = ways[way].port;
        size_t close = rest.n && rest.p[0] == '[' ? span_index(rest, ']') : 0;
        if (close == SIZE_MAX)
            break;
        const char *colon = strchr(text + n + close, ':');
        if (colon)
            host.n = (size_t)(colon - (text + n));
        if (colon && !span_to_i64(span_cstr(colon + 1), 1, UINT16_MAX, &port))
            break;
        if (close)
            host = span_of(host.p + 1, close - 1);
        if (!host.n || !span_copy(host, s->host, sizeof s->host))
            break;
        s->way = way;
        s->port = (uint16_t)port;
        return true;
    }
    return err_set(
        err, ERR_USAGE,
        "'%.80s' is no address of a syslog server: udp://HOST:514, tcp://HOST:601 or tls://HOST:6514 are",
        text);
}

/* -- messages -- */

/* RFC 5424 §6: one line of header, then the text. */
static bool make_message(AuditSyslog *s, Span line)
{
    char when[32];
    time_t now = time(NULL);
    struct tm at;
    gmtime_r(&now, &at);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &at);
    buf_clear(&s->message);
    buf_printf(&s->message, "<%d>1 %s %s gantry %ld %s - ", PRIORITY, when, s->set.host, (long)getpid(),
               s->set.json ? "GANTRY+JSON" : "DICOM+RFC3881");
    buf_append_cstr(&s->message, "\xEF\xBB\xBF");
    if (s->set.json)
        return buf_append_span(&s->message, line);
    return audit_xml_write(&s->message, line);
}

static bool open_datagrams(AuditSyslog *s, Err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found = NULL;
    char port[8];
    snprintf(port, sizeof port, "%u", s->port);
    int failure = net_look_up(s->host, port, &hints, deadline_in(SEND_MS), &s->cut, &found);
    if (failure)
        return err_set(err, ERR_IO, "%s: %s", s->host, gai_strerror(failure));
    for (const struct addrinfo *a = found; a && s->datagrams < 0; a = a->ai_next) {
        s->datagrams = socket(a->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (s->datagrams >= 0 && connect(s->datagrams, a->ai_addr, a->ai_addrlen) != 0) {
            close(s->datagrams);
            s->datagrams = -1;
        }
    }
    freeaddrinfo(found);
    return s->datagrams >= 0 || err_errno(err, errno, "cannot reach %s", s->host);
}

static bool send_datagram(AuditSyslog *s, Err *err)
{
    if (s->datagrams < 0 && !open_datagrams(s, err))
        return false;
    size_t n = s->message.n < UDP_MAX ? s->message.n : UDP_MAX;
    return send(s->datagrams, s->message.p, n, MSG_NOSIGNAL) == (ssize_t)n ||
           err_errno(err, errno, "cannot send");
}

/* A server says nothing: what can be read is its end. */
static bool is_over(AuditSyslog *s)
{
    uint8_t sink[512];
    return net_stream_readable(s->stream) &&
           net_stream_read(s->stream, sink, sizeof sink, deadline_in(0), NULL) <= 0;
}

static bool send_framed(AuditSyslog *s, Err *err)
{
    if (s->stream && is_over(s)) {
        net_stream_close(s->stream);
        s->stream = NULL;
    }
    if (!s->stream)
        s->stream = net_stream_connect_unless(&s->cut, s->host, s->port, s->tls, deadline_in(SEND_MS), err);
    if (!s->stream)
        return false;
    buf_clear(&s->frame);
    buf_printf(&s->frame, "%zu ", s->message.n);
    struct iovec parts[] = {{s->frame.p, s->frame.n}, {s->message.p, s->message.n}};
    return net_stream_writev(s->stream, parts, 2, deadline_in(SEND_MS), err);
}

static bool send_message(AuditSyslog *s, Err *err)
{
    if (s->way == BY_UDP ? send_datagram(s, err) : send_framed(s, err))
        return true;
    net_stream_close(s->stream);
    s->stream = NULL;
    if (s->datagrams >= 0)
        close(s->datagrams);
    s->datagrams = -1;
    return false;
}

/* -- what is to be sent -- */

static void note_sent(AuditSyslog *s, uint64_t seq)
{
    char text[SENT_SIZE + 1];
    s->sent = seq;
    snprintf(text, sizeof text, "%020" PRIu64 "\n", seq);
    ssize_t written = pwrite(s->sent_file, text, SENT_SIZE, 0);
    (void)written; /* then something is sent twice after the next start */
}

static void tell(AuditSyslog *s, bool ok, const Err *why)
{
    char text[600];
    metric_set(metric_gauge("gantry_audit_syslog_failing", "1: the syslog server cannot be reached.", ""),
               !ok);
    if (s->failing == !ok)
        return;
    s->failing = !ok;
    if (ok)
        snprintf(text, sizeof text, "the syslog server %s takes records of the audit trail again", s->host);
    else
        snprintf(text, sizeof text, "records of the audit trail wait for the syslog server %s: %s", s->host,
                 why->text);
    if (s->set.notice)
        s->set.notice(s->set.notice_ctx, LOG_WARNING, "pacs.audit", text);
}

static bool must_stop(AuditSyslog *s)
{
    pthread_mutex_lock(&s->lock);
    bool stop = s->stopping && deadline_passed(s->give_up);
    pthread_mutex_unlock(&s->lock);
    return stop;
}

/* All lines behind the last one that was sent. False: the server does not take them. */
static bool send_lines(AuditSyslog *s, AuditReader *reader, Err *err)
{
    AuditLine line;
    char prev[AUDIT_HEX];
    uint64_t seq;
    while (!must_stop(s) && audit_reader_next(reader, &line, err)) {
        if (!line.ended || !audit_line_begins(line.text, &seq, prev) || seq <= s->sent)
            continue;
        if (make_message(s, line.text) && !send_message(s, err))
            return false;
        note_sent(s, seq);
        s->inode = line.inode;
        s->offset = line.end;
    }
    return err->code == ERR_NONE;
}

static bool has_changed(const AuditSyslog *s, struct stat *now)
{
    char *path = file_join(s->set.folder, AUDIT_LINES);
    bool there = stat(path, now) == 0;
    free(path);
    return there && (now->st_ino != s->seen.st_ino || now->st_size != s->seen.st_size);
}

/* False and err when it has to be tried again. */
static bool send_new(AuditSyslog *s, Err *err)
{
    struct stat now;
    if (!has_changed(s, &now))
        return true;
    AuditReader *reader = audit_reader_open_at(s->set.folder, s->inode, s->offset, s->sent + 1, err);
    bool ok = reader && send_lines(s, reader, err);
    audit_reader_close(reader);
    if (ok)
        s->seen = now;
    return ok;
}

/* -- the thread -- */

static bool is_stopping(AuditSyslog *s)
{
    pthread_mutex_lock(&s->lock);
    bool stopping = s->stopping;
    pthread_mutex_unlock(&s->lock);
    return stopping;
}

/* False when there is no more time. */
static bool pause_for(AuditSyslog *s, int64_t ms)
{
    pthread_mutex_lock(&s->lock);
    Deadline deadline = deadline_in(ms), soon = deadline_in(LOOK_MS / 5);
    while (cond_wait(&s->wake, &s->lock, s->stopping ? soon : deadline))
        ;
    bool go_on = !s->stopping || !deadline_passed(s->give_up);
    pthread_mutex_unlock(&s->lock);
    return go_on;
}

static void work(AuditSyslog *s)
{
    int64_t pause = FIRST_PAUSE_MS;
    for (;;) {
        Err why = {0};
        bool last = is_stopping(s); /* then nothing more is recorded */
        bool ok = send_new(s, &why);
        tell(s, ok, &why);
        if (ok)
            pause = FIRST_PAUSE_MS;
        else if (pause < PAUSE_MAX_MS)
            pause *= 2;
        if ((ok && last) || !pause_for(s, ok ? LOOK_MS : pause / 2))
            break;
    }
}

static void *send_all(void *ctx)
{
    AuditSyslog *s = ctx;
    work(s);
    pthread_mutex_lock(&s->lock);
    s->ended = true;
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* -- start and end -- */

static bool read_sent(AuditSyslog *s, Err *err)
{
    char *path = file_join(s->set.folder, "audit.sent"), *head_path = file_join(s->set.folder, AUDIT_HEAD);
    char text[SENT_SIZE + 1] = "";
    s->sent_file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    bool ok = s->sent_file >= 0 || err_errno(err, errno, "cannot open %s", path);
    if (ok && pread(s->sent_file, text, SENT_SIZE, 0) == SENT_SIZE) {
        s->sent = strtoull(text, NULL, 10);
    } else if (ok) {
        AuditHead head = {0};
        int fd = open(head_path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && !audit_head_read(fd, &head))
            head.seq = 0;
        if (fd >= 0)
            close(fd);
        note_sent(s, head.seq);
    }
    free(path);
    free(head_path);
    return ok;
}

static void drop(AuditSyslog *s)
{
    net_stream_close(s->stream);
    net_tls_free(s->tls);
    if (s->datagrams >= 0)
        close(s->datagrams);
    if (s->sent_file >= 0)
        close(s->sent_file);
    buf_free(&s->message);
    buf_free(&s->frame);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

AuditSyslog *audit_syslog_start(const AuditSyslogSettings *settings, Err *err)
{
    AuditSyslog *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    *s = (AuditSyslog){.set = *settings, .datagrams = -1, .sent_file = -1};
    buf_init(&s->message, 0);
    buf_init(&s->frame, 0);
    pthread_mutex_init(&s->lock, NULL);
    cond_init(&s->wake);
    if (!parse_address(s, settings->address, err))
        goto failed;
    if (s->way == BY_TLS) {
        s->tls = net_tls_new(&(NetTlsSettings){.certificate = settings->certificate,
                                               .key = settings->key,
                                               .ca = settings->ca,
                                               .verify_peer = true},
                             err);
        if (!s->tls)
            goto failed;
    }
    if (!read_sent(s, err))
        goto failed;
    if (pthread_create(&s->thread, NULL, send_all, s) == 0)
        return s;
    err_set(err, ERR_LIMIT, "no thread could be started for syslog");
failed:
    err_wrap(err, "audit.syslog");
    drop(s);
    return NULL;
}

void audit_syslog_stop(AuditSyslog *s, int64_t grace_ms)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    s->give_up = deadline_in(grace_ms);
    pthread_cond_broadcast(&s->wake);
    while (!s->ended && cond_wait(&s->wake, &s->lock, s->give_up))
        ;
    atomic_store(&s->cut, true);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    drop(s);
}
