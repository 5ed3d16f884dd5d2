// SPDX-License-Identifier: MIT
#include "archive/journal.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define PREFIX "waiting-"
enum { HEADER = 32, DIGEST = 16, LONGEST = 5000, MAX_TRIES = 100, COUNT = 64 << 10 };

struct Journal {
    int fd;
    char *path;
    uint64_t size, read, done; /* bytes: valid ones; given out by journal_next; worked off */
    size_t left, unread;       /* lines behind `done`, behind `read` */
    bool takes;
};

static Journal *journal_of(int fd, char *path)
{
    Journal *journal = calloc(1, sizeof *journal);
    if (!journal)
        abort();
    *journal = (Journal){.fd = fd, .path = path, .size = HEADER, .read = HEADER, .done = HEADER};
    return journal;
}

/* Ours, and still under its name? Whoever had it before may have worked it off and taken it away. */
static bool lock(int fd)
{
    struct stat st;
    return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0;
}

static bool write_header(const Journal *journal)
{
    char text[HEADER + 1];
    snprintf(text, sizeof text, "gantry waiting 1 %014" PRIu64 "\n", journal->done);
    return pwrite(journal->fd, text, HEADER, 0) == HEADER;
}

static bool sync_folder(const char *folder, Err *err)
{
    int dir = file_open_dir(folder, false, err);
    bool ok = dir >= 0 && file_sync(dir, folder, err);
    if (dir >= 0)
        close(dir);
    return ok;
}

Journal *journal_new(const char *folder, Err *err)
{
    int64_t number = clock_wall_us();
    for (int i = 0; i < MAX_TRIES; i++) {
        char name[48];
        snprintf(name, sizeof name, PREFIX "%016" PRId64, number + i);
        char *path = file_join(folder, name);
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
        int reason = errno;
        if (fd >= 0 && lock(fd)) {
            Journal *journal = journal_of(fd, path);
            errno = 0;
            journal->takes =
                (write_header(journal) || err_errno(err, errno ? errno : ENOSPC, "cannot write %s", path)) &&
                sync_folder(folder, err);
            if (journal->takes)
                return journal;
            journal_close(journal);
            return NULL;
        }
        if (fd >= 0)
            close(fd);
        if (fd < 0 && reason != EEXIST) {
            err_errno(err, reason, "cannot create %s", path);
            free(path);
            return NULL;
        }
        free(path);
    }
    err_set(err, ERR_IO, "cannot create a journal of waiting objects in %s", folder);
    return NULL;
}

void journal_close(Journal *journal)
{
    if (!journal)
        return;
    if (!journal->left)
        unlink(journal->path);
    close(journal->fd);
    free(journal->path);
    free(journal);
}

/* -- in -- */

static void append_line(Buf *out, const char *name)
{
    buf_printf(out, "%016" PRIx64 " %s\n", (uint64_t)XXH3_64bits(name, strlen(name)), name);
}

bool journal_append(Journal *journal, const char *const *names, size_t n, Err *err)
{
    Buf lines;
    buf_init(&lines, 0);
    for (size_t i = 0; i < n; i++)
        append_line(&lines, names[i]);
    bool ok = lseek(journal->fd, (off_t)journal->size, SEEK_SET) >= 0 ||
              err_errno(err, errno, "cannot write %s", journal->path);
    ok = ok && file_write_all(journal->fd, lines.p, lines.n, err);
    if (ok && fdatasync(journal->fd) != 0)
        ok = err_errno(err, errno, "cannot sync %s", journal->path);
    if (ok) {
        journal->size += lines.n;
        journal->left += n;
        journal->unread += n;
    } else {
        journal->takes = false;
        (void)!ftruncate(journal->fd, (off_t)journal->size);
    }
    buf_free(&lines);
    return ok;
}

bool journal_takes(const Journal *journal)
{
    return journal->takes;
}

/* -- out -- */

static bool fits(const char *line, const char **name)
{
    char digest[DIGEST + 2];
    if (strlen(line) <= DIGEST + 1 || line[DIGEST] != ' ')
        return false;
    *name = line + DIGEST + 1;
    snprintf(digest, sizeof digest, "%016" PRIx64, (uint64_t)XXH3_64bits(*name, strlen(*name)));
    return memcmp(digest, line, DIGEST) == 0;
}

/* The next line whole, without its end. False where there is none. What is too long for a line is damage, and passed over piece by piece. */
static bool next_line(Journal *journal, char line[LONGEST])
{
    uint64_t rest = journal->size - journal->read;
    ssize_t n = rest ? pread(journal->fd, line, rest < LONGEST ? rest : LONGEST, (off_t)journal->read) : 0;
    char *end = n > 0 ? memchr(line, '\n', (size_t)n) : NULL;
    if (!end && n < LONGEST)
        return false;
    if (!end) {
        journal->read += LONGEST;
        *line = 0;
        return true;
    }
    *end = 0;
    journal->read += (uint64_t)(end - line) + 1;
    journal->unread -= journal->unread > 0;
    return true;
}

bool journal_next(Journal *journal, char *name, size_t size)
{
    char line[LONGEST];
    const char *found;
    while (next_line(journal, line))
        if (fits(line, &found) && strlen(found) < size) {
            memcpy(name, found, strlen(found) + 1);
            return true;
        }
    journal->read = journal->size;
    journal->unread = 0;
    return false;
}

void journal_done(Journal *journal)
{
    journal->done = journal->read;
    journal->left = journal->unread;
    (void)!write_header(journal); /* not durable: else it comes again, which does no harm */
}

void journal_rewind(Journal *journal)
{
    journal->read = journal->done;
    journal->unread = journal->left;
}

size_t journal_left(const Journal *journal)
{
    return journal->left;
}

/* -- what was left behind -- */

static size_t count_lines(const Journal *journal)
{
    static const size_t chunk = COUNT;
    char *bytes = malloc(chunk);
    size_t lines = 0;
    ssize_t n;
    if (!bytes)
        abort();
    for (uint64_t at = journal->done; (n = pread(journal->fd, bytes, chunk, (off_t)at)) > 0;
         at += (uint64_t)n)
        for (ssize_t i = 0; i < n; i++)
            lines += bytes[i] == '\n';
    free(bytes);
    return lines;
}

static void read_state(Journal *journal)
{
    char text[HEADER + 1] = "";
    uint64_t done = 0;
    struct stat st = {0};
    fstat(journal->fd, &st);
    if ((uint64_t)st.st_size > HEADER)
        journal->size = (uint64_t)st.st_size;
    if (pread(journal->fd, text, HEADER, 0) == HEADER &&
        sscanf(text, "gantry waiting 1 %14" SCNu64, &done) == 1 && done >= HEADER && done <= journal->size)
        journal->read = journal->done = done;
    journal->left = journal->unread = count_lines(journal);
}

static Journal *take(const char *folder, const char *name)
{
    char *path = file_join(folder, name);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && lock(fd)) {
        Journal *journal = journal_of(fd, path);
        read_state(journal);
        return journal;
    }
    if (fd >= 0)
        close(fd);
    free(path);
    return NULL;
}

static int is_journal(const struct dirent *entry)
{
    return strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0;
}

Journal *journal_take_over(const char *folder)
{
    struct dirent **names = NULL;
    int n = scandir(folder, &names, is_journal, alphasort);
    Journal *journal = NULL;
    for (int i = 0; i < n; i++) {
        if (!journal)
            journal = take(folder, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    return journal;
}

size_t journal_left_in(const char *folder)
{
    struct dirent **names = NULL;
    int n = scandir(folder, &names, is_journal, alphasort);
    size_t left = 0;
    for (int i = 0; i < n; i++) {
        char *path = file_join(folder, names[i]->d_name);
        Journal journal = {
            .fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), .done = HEADER, .size = HEADER};
        if (journal.fd >= 0) {
            read_state(&journal);
            left += journal.left;
            close(journal.fd);
        }
        free(path);
        free(names[i]);
    }
    free(names);
    return left;
}
