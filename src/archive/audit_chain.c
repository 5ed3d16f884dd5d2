// SPDX-License-Identifier: MIT
#include "archive/audit_chain.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_FORMAT "gantry audit 1 %020" PRIu64 " %64s %020" PRIu64 " %020" PRIu64 "\n"
#define NO_HASH     "0000000000000000000000000000000000000000000000000000000000000000"
enum { HEAD_SIZE = 143, TAIL_MAX = 1 << 20, LOCK_LOOK_MS = 10, NUMBER_DIGITS = 12 };

struct AuditChain {
    AuditChainSettings set;
    char *folder, *path;
    int dir, head, fd; /* fd: audit.jsonl, -1 = not open */
    Buf text;          /* what is being written */
};

/* -- lines and heads -- */

void audit_hash(Span line, char out[AUDIT_HEX])
{
    uint8_t digest[AUDIT_HASH];
    SHA256(line.p, line.n, digest);
    span_hex(span_of(digest, sizeof digest), out);
}

bool audit_line_begins(Span line, uint64_t *seq, char prev[AUDIT_HEX])
{
    static const char start[] = "{\"seq\":", middle[] = ",\"prev\":\"";
    int64_t number;
    uint8_t digest[AUDIT_HASH];
    if (!span_starts(line, span_cstr(start)))
        return false;
    line = span_sub(line, strlen(start), SIZE_MAX);
    size_t comma = span_index(line, ',');
    if (comma == SIZE_MAX || comma == 0 || line.p[0] == ' ' || line.p[comma - 1] == ' ' ||
        !span_to_i64(span_sub(line, 0, comma), 1, AUDIT_SEQ_MAX, &number))
        return false;
    line = span_sub(line, comma, SIZE_MAX);
    if (!span_starts(line, span_cstr(middle)) || line.n < strlen(middle) + AUDIT_HEX ||
        line.p[strlen(middle) + AUDIT_HEX - 1] != '"')
        return false;
    span_copy(span_sub(line, strlen(middle), AUDIT_HEX - 1), prev, AUDIT_HEX);
    *seq = (uint64_t)number;
    return span_from_hex(prev, digest, sizeof digest);
}

bool audit_head_read(int fd, AuditHead *out)
{
    char text[HEAD_SIZE + 1] = "";
    AuditHead head;
    uint8_t digest[AUDIT_HASH];
    if (pread(fd, text, HEAD_SIZE, 0) != HEAD_SIZE ||
        sscanf(text, "gantry audit 1 %" SCNu64 " %64s %" SCNu64 " %" SCNu64, &head.seq, head.hash, &head.size,
               &head.first) != 4)
        return false;
    *out = head;
    return head.seq < AUDIT_SEQ_MAX && strlen(head.hash) == AUDIT_HEX - 1 &&
           span_from_hex(head.hash, digest, sizeof digest);
}

static bool write_head(const AuditChain *chain, const AuditHead *head)
{
    char text[HEAD_SIZE + 1];
    snprintf(text, sizeof text, HEAD_FORMAT, head->seq, head->hash, head->size, head->first);
    return pwrite(chain->head, text, HEAD_SIZE, 0) == HEAD_SIZE;
}

/* -- files -- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_put_aside(const char *name)
{
    size_t n = strlen(name), fixed = strlen(AUDIT_PREFIX) + strlen(AUDIT_SUFFIX);
    return n >= fixed + NUMBER_DIGITS && !strncmp(name, AUDIT_PREFIX, strlen(AUDIT_PREFIX)) &&
           !strcmp(name + n - strlen(AUDIT_SUFFIX), AUDIT_SUFFIX) &&
           strspn(name + strlen(AUDIT_PREFIX), "0123456789") == n - fixed;
}

bool audit_files(const char *folder, char ***names, size_t *count, Err *err)
{
    DIR *dir = opendir(folder);
    *names = NULL;
    *count = 0;
    if (!dir)
        return err_errno(err, errno, "cannot read the folder %s", folder);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!is_put_aside(entry->d_name))
            continue;
        *names = realloc(*names, (*count + 1) * sizeof **names);
        if (!*names || !((*names)[(*count)++] = strdup(entry->d_name)))
            abort();
    }
    closedir(dir);
    if (*count)
        qsort(*names, *count, sizeof **names, by_name);
    return true;
}

void audit_files_free(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

/* A command that root runs must leave a folder and files that the server's user can write: they are given to whose the folder above is. */
static void give_folder(const AuditChain *chain)
{
    struct stat own, above;
    if (geteuid() != 0 || fstat(chain->dir, &own) != 0 || own.st_uid != 0 ||
        fstatat(chain->dir, "..", &above, 0) != 0)
        return;
    int given = above.st_uid ? fchown(chain->dir, above.st_uid, above.st_gid) : 0;
    (void)given; /* then the server says that it cannot write */
}

static int open_own(const AuditChain *chain, const char *name, int flags)
{
    int fd = openat(chain->dir, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0640);
    struct stat folder, file;
    if (fd >= 0 && geteuid() == 0 && fstat(chain->dir, &folder) == 0 && fstat(fd, &file) == 0 &&
        file.st_uid != folder.st_uid && file.st_size == 0 && fchown(fd, folder.st_uid, folder.st_gid) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool open_file(AuditChain *chain, Err *err)
{
    struct stat named, ours;
    if (chain->fd >= 0 && fstatat(chain->dir, AUDIT_LINES, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
        fstat(chain->fd, &ours) == 0 && named.st_ino == ours.st_ino && named.st_dev == ours.st_dev)
        return true;
    if (chain->fd >= 0)
        close(chain->fd);
    chain->fd = open_own(chain, AUDIT_LINES, O_RDWR | O_APPEND | O_CREAT);
    if (chain->fd < 0)
        return err_errno(err, errno, "cannot open %s", chain->path);
    return fsync(chain->dir) == 0 || err_errno(err, errno, "cannot sync %s", chain->folder);
}

AuditChain *audit_chain_open(const AuditChainSettings *settings, Err *err)
{
    AuditChain *chain = calloc(1, sizeof *chain);
    if (!chain)
        abort();
    *chain = (AuditChain){.set = *settings,
                          .folder = strdup(settings->folder),
                          .path = file_join(settings->folder, AUDIT_LINES),
                          .head = -1,
                          .fd = -1};
    buf_init(&chain->text, 0);
    chain->dir = file_open_dir(settings->folder, true, err);
    if (chain->dir < 0)
        goto failed;
    give_folder(chain);
    chain->head = open_own(chain, AUDIT_HEAD, O_RDWR | O_CREAT);
    if (chain->head < 0) {
        err_errno(err, errno, "cannot open %s/%s", settings->folder, AUDIT_HEAD);
        goto failed;
    }
    if (open_file(chain, err))
        return chain;
failed:
    audit_chain_close(chain);
    return NULL;
}

void audit_chain_close(AuditChain *chain)
{
    if (!chain)
        return;
    if (chain->fd >= 0)
        close(chain->fd);
    if (chain->head >= 0)
        close(chain->head);
    if (chain->dir >= 0)
        close(chain->dir);
    buf_free(&chain->text);
    free(chain->folder);
    free(chain->path);
    free(chain);
}

static bool lock(const AuditChain *chain, Deadline deadline, Err *err)
{
    while (flock(chain->head, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return err_errno(err, errno, "cannot lock %s/%s", chain->folder, AUDIT_HEAD);
        if (deadline_passed(deadline))
            return err_set(err, ERR_TIMEOUT, "another process has %s/%s locked for too long", chain->folder,
                           AUDIT_HEAD);
        clock_sleep_ms(LOCK_LOOK_MS);
    }
    return true;
}

/* -- where the chain stands -- */

/* The end of a file. */
typedef struct Tail {
    bool any;    /* there is a line that ends */
    bool record; /* … and it is one of ours */
    uint64_t seq;
    char hash[AUDIT_HEX];      /* of the last line that ends */
    bool torn;                 /* behind it there is one that does not */
    char torn_hash[AUDIT_HEX]; /* of that */
} Tail;

static size_t last_line_start(Span text)
{
    while (text.n && text.p[text.n - 1] != '\n')
        text.n--;
    return text.n;
}

static void look_at_tail(Span text, Tail *out)
{
    char prev[AUDIT_HEX];
    size_t end = last_line_start(text);
    out->torn = end < text.n;
    if (out->torn)
        audit_hash(span_sub(text, end, SIZE_MAX), out->torn_hash);
    out->any = end > 0;
    if (!out->any)
        return;
    Span ended = span_sub(text, 0, end - 1);
    Span line = span_sub(ended, last_line_start(ended), SIZE_MAX);
    audit_hash(line, out->hash);
    out->record = audit_line_begins(line, &out->seq, prev);
}

static bool read_tail(int fd, uint64_t size, Tail *out, Err *err)
{
    *out = (Tail){0};
    size_t n = size < TAIL_MAX ? (size_t)size : TAIL_MAX;
    if (n == 0)
        return true;
    uint8_t *bytes = malloc(n);
    if (!bytes)
        return err_set(err, ERR_LIMIT, "no memory for a line of the audit trail");
    bool ok = file_read_at(fd, size - n, bytes, n, err);
    if (ok)
        look_at_tail(span_of(bytes, n), out);
    free(bytes);
    return ok;
}

/* The end of the newest file that was put aside. */
static bool read_newest(const AuditChain *chain, Tail *out, Err *err)
{
    char **names;
    size_t count;
    *out = (Tail){0};
    if (!audit_files(chain->folder, &names, &count, err))
        return false;
    bool ok = true;
    if (count) {
        struct stat st;
        int fd = openat(chain->dir, names[count - 1], O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        ok = (fd >= 0 && fstat(fd, &st) == 0) || err_errno(err, errno, "cannot read %s", names[count - 1]);
        ok = ok && read_tail(fd, (uint64_t)st.st_size, out, err);
        if (fd >= 0)
            close(fd);
    }
    audit_files_free(names, count);
    return ok;
}

/* Is what the files end with what the head says, or something that came behind it? */
static bool goes_on(const Tail *tail, const AuditHead *head)
{
    if (!tail->any)
        return head->seq == 0;
    return tail->record && tail->seq < AUDIT_SEQ_MAX &&
           (tail->seq > head->seq || (tail->seq == head->seq && !strcmp(tail->hash, head->hash)));
}

static void tell(const AuditChain *chain, AuditChainNote note, Buf *notes)
{
    if (chain->set.tell)
        chain->set.tell(chain->set.tell_ctx, note, notes);
}

static bool ends_a_line(int fd, uint64_t size)
{
    char last = '\n';
    return size == 0 || (pread(fd, &last, 1, (off_t)(size - 1)) == 1 && last == '\n');
}

/* Where the next line goes on: `head` becomes what it should be, and `note` has what is to be told. */
static bool find_end(const AuditChain *chain, uint64_t size, AuditHead *head, bool *torn, Buf *note, Err *err)
{
    Tail tail, older;
    bool known = audit_head_read(chain->head, head);
    *torn = false;
    if (known && head->size == size && ends_a_line(chain->fd, size))
        return true;
    if (!known)
        *head = (AuditHead){.hash = NO_HASH, .first = 1};
    if (!read_tail(chain->fd, size, &tail, err) || (!tail.any && !read_newest(chain, &older, err)))
        return false;
    *torn = tail.torn;
    if (!tail.any) {
        tail.any = older.any;
        tail.record = older.record;
        tail.seq = older.seq;
        memcpy(tail.hash, older.hash, sizeof tail.hash);
    }
    if (!goes_on(&tail, head)) {
        tell(chain, AUDIT_CHAIN_CUT, note);
        return true;
    }
    if (tail.any) {
        head->seq = tail.seq;
        memcpy(head->hash, tail.hash, sizeof head->hash);
    }
    if (tail.torn)
        memcpy(head->hash, tail.torn_hash, sizeof head->hash);
    if (!known && (tail.any || tail.torn))
        tell(chain, AUDIT_CHAIN_NO_HEAD, note);
    else if (tail.torn)
        tell(chain, AUDIT_CHAIN_TORN, note);
    return true;
}

/* -- putting aside -- */

static uint64_t first_record(int fd)
{
    char text[128], prev[AUDIT_HEX];
    uint64_t seq = 0;
    ssize_t n = pread(fd, text, sizeof text, 0);
    return n > 0 && audit_line_begins(span_of(text, (size_t)n), &seq, prev) ? seq : 0;
}

/* The oldest go, where the settings say so; the head says from where on the chain is kept. */
static void drop_oldest(const AuditChain *chain, AuditHead *head)
{
    char **names;
    size_t count;
    if (chain->set.keep <= 0 || !audit_files(chain->folder, &names, &count, NULL))
        return;
    for (size_t i = 0; i < count; i++) {
        if (i + (size_t)chain->set.keep < count && unlinkat(chain->dir, names[i], 0) == 0 && i + 1 < count)
            head->first = strtoull(names[i + 1] + strlen(AUDIT_PREFIX), NULL, 10);
    }
    audit_files_free(names, count);
}

/* A file that cannot be put aside (it may be append-only) goes on growing. */
static bool put_aside(AuditChain *chain, AuditHead *head, Err *err)
{
    char name[64];
    uint64_t first = first_record(chain->fd);
    if (!first)
        return true;
    snprintf(name, sizeof name, AUDIT_PREFIX "%0*" PRIu64 AUDIT_SUFFIX, NUMBER_DIGITS, first);
    if (faccessat(chain->dir, name, F_OK, 0) == 0 || renameat(chain->dir, AUDIT_LINES, chain->dir, name) != 0)
        return true;
    head->size = 0;
    write_head(chain, head);
    drop_oldest(chain, head);
    return open_file(chain, err);
}

/* -- appending -- */

static void add_line(AuditChain *chain, AuditHead *head, Span body)
{
    size_t from = chain->text.n;
    buf_printf(&chain->text, "{\"seq\":%" PRIu64 ",\"prev\":\"%s\",", ++head->seq, head->hash);
    buf_append_span(&chain->text, body);
    buf_append_cstr(&chain->text, "}");
    audit_hash(span_sub(buf_span(&chain->text), from, SIZE_MAX), head->hash);
    buf_append_cstr(&chain->text, "\n");
}

/* What was written by half is taken back, as far as the file allows that: nobody else has written meanwhile. */
static bool write_text(AuditChain *chain, uint64_t size, Err *err)
{
    Err why = {0};
    if (chain->text.failed)
        return err_set(err, ERR_LIMIT, "no memory for lines of the audit trail");
    if (file_write_all(chain->fd, chain->text.p, chain->text.n, &why) &&
        (fdatasync(chain->fd) == 0 || err_errno(&why, errno, "cannot sync")))
        return true;
    int taken_back = ftruncate(chain->fd, (off_t)size);
    (void)taken_back; /* then the next one finds a torn line, and says so */
    if (err)
        *err = why;
    return err_wrap(err, "%s", chain->path);
}

static bool append_locked(AuditChain *chain, const Span *bodies, size_t count, Err *err)
{
    struct stat st;
    AuditHead head;
    bool torn, ok = false;
    Buf note;
    buf_init(&note, 0);
    buf_clear(&chain->text);
    if (!open_file(chain, err))
        goto done;
    if (fstat(chain->fd, &st) != 0) {
        err_errno(err, errno, "cannot look at %s", chain->path);
        goto done;
    }
    if (!find_end(chain, (uint64_t)st.st_size, &head, &torn, &note, err))
        goto done;
    if (chain->set.max_bytes && (uint64_t)st.st_size >= chain->set.max_bytes && !torn) {
        if (!put_aside(chain, &head, err) || fstat(chain->fd, &st) != 0)
            goto done;
    }
    if (torn)
        buf_append_cstr(&chain->text, "\n");
    if (note.n)
        add_line(chain, &head, buf_span(&note));
    for (size_t i = 0; i < count; i++)
        add_line(chain, &head, bodies[i]);
    ok = write_text(chain, (uint64_t)st.st_size, err);
    if (ok) {
        head.size = (uint64_t)st.st_size + chain->text.n;
        write_head(chain, &head); /* one that could not be written is behind, which is allowed */
    }
done:
    buf_free(&note);
    return ok;
}

bool audit_chain_append(AuditChain *chain, const Span *bodies, size_t count, Deadline deadline, Err *err)
{
    if (!lock(chain, deadline, err))
        return false;
    bool ok = append_locked(chain, bodies, count, err);
    flock(chain->head, LOCK_UN);
    return ok;
}
