// SPDX-License-Identifier: MIT
#include "archive/audit_read.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_LIMIT = 1 << 20, PIECE = 64 << 10, LOCK_MS = 5000, LOCK_LOOK_MS = 10 };

typedef struct Part {
    char *name;
    int fd;
    uint64_t size, inode;
} Part;

struct AuditReader {
    Part *parts;
    size_t count, at; /* at: the one that is being read */
    AuditHead head;
    Buf text;        /* what was read of it and not given out */
    size_t given;    /* of text */
    uint64_t read;   /* bytes of the part */
    uint64_t number; /* of the last line */
};

/* -- opening -- */

static bool add_part(AuditReader *r, const char *folder, const char *name, bool must, Err *err)
{
    struct stat st;
    char *path = file_join(folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
    bool ok = fd >= 0 && fstat(fd, &st) == 0;
    if (!ok && (must || errno != ENOENT)) {
        err_errno(err, errno, "cannot read %s", path);
    } else if (ok) {
        r->parts = realloc(r->parts, (r->count + 1) * sizeof *r->parts);
        if (!r->parts)
            abort();
        Part *part = &r->parts[r->count++];
        *part = (Part){strdup(name), fd, (uint64_t)st.st_size, (uint64_t)st.st_ino};
        if (!part->name)
            abort();
    }
    free(path);
    return ok || (!must && errno == ENOENT);
}

static bool add_parts(AuditReader *r, const char *folder, Err *err)
{
    char **names;
    size_t count;
    if (!audit_files(folder, &names, &count, err))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = add_part(r, folder, names[i], true, err);
    audit_files_free(names, count);
    return ok && add_part(r, folder, AUDIT_LINES, false, err);
}

/* Shared with other readers. -1 without err: there is no head. */
static int lock_head(const char *folder, Err *err)
{
    char *path = file_join(folder, AUDIT_HEAD);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    Deadline deadline = deadline_in(LOCK_MS);
    if (fd < 0 && errno != ENOENT)
        err_errno(err, errno, "cannot read %s", path);
    while (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK && !deadline_passed(deadline)) {
            clock_sleep_ms(LOCK_LOOK_MS);
            continue;
        }
        err_set(err, ERR_TIMEOUT, "another process has %s locked for too long", path);
        close(fd);
        fd = -1;
    }
    free(path);
    return fd;
}

AuditReader *audit_reader_open(const char *folder, Err *err)
{
    Err why = {0};
    AuditReader *r = calloc(1, sizeof *r);
    if (!r)
        abort();
    buf_init(&r->text, 2 * LINE_LIMIT);
    int head = lock_head(folder, &why);
    bool ok = !why.code && add_parts(r, folder, &why);
    if (head >= 0) {
        if (!audit_head_read(head, &r->head))
            r->head = (AuditHead){0};
        close(head);
    }
    if (ok && !r->count && !r->head.seq)
        ok = err_set(&why, ERR_NOT_FOUND, "there is no audit trail in %s", folder);
    if (ok)
        return r;
    if (err)
        *err = why;
    audit_reader_close(r);
    return NULL;
}

/* Number in the name of a file that was put aside; audit.jsonl has none. */
static uint64_t first_of(const Part *part)
{
    return strncmp(part->name, AUDIT_PREFIX, strlen(AUDIT_PREFIX)) == 0
               ? strtoull(part->name + strlen(AUDIT_PREFIX), NULL, 10)
               : UINT64_MAX;
}

AuditReader *audit_reader_open_at(const char *folder, uint64_t inode, uint64_t offset, uint64_t seq, Err *err)
{
    AuditReader *r = audit_reader_open(folder, err);
    for (size_t i = 0; r && inode && i < r->count; i++)
        if (r->parts[i].inode == inode && offset <= r->parts[i].size) {
            r->at = i;
            r->read = offset;
            return r;
        }
    while (r && r->at + 1 < r->count && first_of(&r->parts[r->at + 1]) <= seq)
        r->at++;
    return r;
}

void audit_reader_close(AuditReader *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->count; i++) {
        close(r->parts[i].fd);
        free(r->parts[i].name);
    }
    free(r->parts);
    buf_free(&r->text);
    free(r);
}

const AuditHead *audit_reader_head(const AuditReader *r)
{
    return &r->head;
}

/* -- lines -- */

static bool read_piece(AuditReader *r, Err *err)
{
    Part *part = &r->parts[r->at];
    buf_consume(&r->text, r->given);
    r->given = 0;
    uint64_t left = part->size - r->read;
    size_t n = left < PIECE ? (size_t)left : PIECE;
    uint8_t *room = buf_reserve(&r->text, n);
    if (!room || r->text.n > LINE_LIMIT)
        return err_set(err, ERR_LIMIT, "%s:%" PRIu64 ": the line is longer than 1 MiB", part->name,
                       r->number + 1);
    if (!file_read_at(part->fd, r->read, room, n, err))
        return err_wrap(err, "%s", part->name);
    r->text.n += n;
    r->read += n;
    return true;
}

bool audit_reader_next(AuditReader *r, AuditLine *out, Err *err)
{
    for (; r->at < r->count; r->at++, r->read = 0, r->number = 0) {
        const Part *part = &r->parts[r->at];
        for (;;) {
            Span rest = span_sub(buf_span(&r->text), r->given, SIZE_MAX);
            size_t n = span_index(rest, '\n');
            bool ended = n != SIZE_MAX;
            if (!ended && r->read < part->size) {
                if (!read_piece(r, err))
                    return false;
                continue;
            }
            if (!ended && !rest.n)
                break;
            n = ended ? n : rest.n;
            r->given += n + ended;
            *out = (AuditLine){.file = part->name,
                               .number = ++r->number,
                               .text = span_sub(rest, 0, n),
                               .inode = part->inode,
                               .end = r->read - (r->text.n - r->given),
                               .ended = ended};
            return true;
        }
        buf_clear(&r->text);
        r->given = 0;
    }
    *out = (AuditLine){0};
    return false;
}

/* -- is it whole -- */

typedef struct Check {
    const AuditVerify *how;
    AuditVerdict *out;
    const AuditHead *head;
    bool any;             /* there was a line before */
    char last[AUDIT_HEX]; /* its hash */
    bool strange;         /* it was no record … */
    char where[160];      /* … and stands there */
    bool met_head, met_seq;
} Check;

__attribute__((format(printf, 3, 4))) static void say(Check *c, bool problem, const char *format, ...)
{
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    *(problem ? &c->out->problems : &c->out->notes) += 1;
    if (c->how->tell)
        c->how->tell(c->how->ctx, problem, text);
}

static void check_number(Check *c, const AuditLine *line, uint64_t seq)
{
    uint64_t expected = c->out->records  ? c->out->last + 1
                        : c->how->from   ? c->how->from
                        : c->head->first ? c->head->first
                                         : 1;
    if (seq > expected)
        say(c, true, "%s:%" PRIu64 ": records %" PRIu64 " to %" PRIu64 " are missing before this one%s",
            line->file, line->number, expected, seq - 1,
            c->out->records ? "" : " (if they were put elsewhere, say where to begin: --from)");
    else if (seq < expected && c->out->records)
        say(c, true, "%s:%" PRIu64 ": record %" PRIu64 " stands where %" PRIu64 " should", line->file,
            line->number, seq, expected);
}

static void check_link(Check *c, const AuditLine *line, const char *prev)
{
    static const char nothing[] = "0000000000000000000000000000000000000000000000000000000000000000";
    bool linked = c->any ? !strcmp(prev, c->last) : c->out->first != 1 || !strcmp(prev, nothing);
    if (!linked)
        say(c, true, "%s:%" PRIu64 ": what is before this line is not what it was when the line was written",
            line->file, line->number);
    if (c->strange && linked)
        say(c, false, "%s was cut short, by a crash or a full disk", c->where);
    else if (c->strange)
        say(c, true, "%s is no record", c->where);
    c->strange = false;
}

static void check_known(Check *c, const AuditLine *line, uint64_t seq)
{
    if (seq == c->head->seq) {
        c->met_head = true;
        if (strcmp(c->last, c->head->hash) != 0)
            say(c, true, "%s:%" PRIu64 ": the line was changed: its hash is not that of " AUDIT_HEAD,
                line->file, line->number);
    }
    if (c->how->hash && seq == c->how->seq) {
        c->met_seq = true;
        if (strcmp(c->last, c->how->hash) != 0)
            say(c, true, "%s:%" PRIu64 ": record %" PRIu64 " is not the one whose hash was noted", line->file,
                line->number, seq);
    }
}

static void check_line(Check *c, const AuditLine *line)
{
    char prev[AUDIT_HEX];
    uint64_t seq;
    bool record = line->ended && audit_line_begins(line->text, &seq, prev);
    if (record && seq < c->how->from)
        return;
    if (record) {
        check_number(c, line, seq);
        if (!c->out->records++)
            c->out->first = seq;
        c->out->last = seq;
        check_link(c, line, prev);
    } else if (c->strange) {
        say(c, true, "%s is no record", c->where);
    }
    audit_hash(line->text, c->last);
    c->any = true;
    if (record) {
        memcpy(c->out->hash, c->last, sizeof c->last);
        check_known(c, line, seq);
    } else {
        c->strange = true;
        snprintf(c->where, sizeof c->where, "%s:%" PRIu64, line->file, line->number);
    }
}

static void check_end(Check *c, bool ended)
{
    if (c->strange && ended)
        say(c, true, "%s is no record", c->where);
    else if (c->strange)
        say(c, false, "%s is cut short; the next record will say so", c->where);
    if (!c->head->seq)
        say(c, true, "%s is missing or is none: it cannot be told whether records were cut off the end",
            AUDIT_HEAD);
    else if (!c->met_head && c->out->last < c->head->seq)
        say(c, true, "records %" PRIu64 " to %" PRIu64 " were cut off the end", c->out->last + 1,
            c->head->seq);
    else if (!c->met_head)
        say(c, true, "record %" PRIu64 ", which %s names, is missing", c->head->seq, AUDIT_HEAD);
    if (c->how->hash && !c->met_seq)
        say(c, true, "record %" PRIu64 ", whose hash was noted, is missing", c->how->seq);
}

bool audit_verify(const char *folder, const AuditVerify *how, AuditVerdict *out, Err *err)
{
    AuditLine line;
    Err why = {0};
    *out = (AuditVerdict){0};
    AuditReader *reader = audit_reader_open(folder, err);
    if (!reader)
        return false;
    Check check = {.how = how, .out = out, .head = &reader->head};
    bool ended = true;
    out->files = reader->count;
    while (audit_reader_next(reader, &line, &why)) {
        ended = line.ended;
        check_line(&check, &line);
    }
    if (!why.code)
        check_end(&check, ended);
    audit_reader_close(reader);
    if (why.code && err)
        *err = why;
    return !why.code;
}
