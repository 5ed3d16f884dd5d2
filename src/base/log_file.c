// SPDX-License-Identifier: MIT
/*
 * The lock is flock(2) on the file itself, so it belongs to an inode, not to a name: whoever gets it for a file whose name
 * now leads elsewhere came too late and has nothing to rotate. The name is given away last of all renames, so no
 * process can meet a new file while the old ones are still moving.
 */
#include "base/log_file.h"

#include "base/clock.h"
#include "base/span.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MINUTE = 60, HOUR = 3600, HALF_A_DAY = 43200, DAY = 86400, WEEK = 604800, PATIENCE_MS = 60000 };

struct LogFile {
    LogFileSettings set;
    char *path;
    pthread_mutex_t lock; /* guards what follows */
    int fd;
    struct stat is;        /* of fd, as last seen */
    int64_t turn_at;       /* seconds since 1970; by time only */
    int64_t not_before_ms; /* after a rotation that failed: when to try again */
    uint64_t lost;         /* lines since the last that was written */
    bool torn;             /* the last line has no end */
};

static int64_t now_s(void)
{
    return clock_wall_us() / 1000000;
}

static void broken_down(const LogFileSettings *set, int64_t seconds, struct tm *out)
{
    time_t t = (time_t)seconds;
    if (set->utc)
        gmtime_r(&t, out);
    else
        localtime_r(&t, out);
}

/* Seconds of one period. */
static int64_t period(const LogFileSettings *set)
{
    static const int64_t units[] = {[LOG_TURN_SECONDS] = 1,
                                    [LOG_TURN_MINUTES] = MINUTE,
                                    [LOG_TURN_HOURS] = HOUR,
                                    [LOG_TURN_DAYS] = DAY,
                                    [LOG_TURN_MIDNIGHT] = DAY};
    return set->turn >= LOG_TURN_MONDAY ? WEEK : units[set->turn] * (set->interval > 0 ? set->interval : 1);
}

/* When a file that was begun at `from` is to be put aside. */
static int64_t next_turn(const LogFileSettings *set, int64_t from)
{
    if (set->turn < LOG_TURN_MIDNIGHT)
        return from + period(set);
    struct tm day;
    broken_down(set, from, &day);
    if (set->turn == LOG_TURN_MIDNIGHT) {
        day.tm_mday += set->interval > 0 ? set->interval : 1;
    } else {
        int monday_first = (day.tm_wday + 6) % 7, wanted = (int)(set->turn - LOG_TURN_MONDAY);
        day.tm_mday += (wanted - monday_first + 7) % 7 + 1;
    }
    day.tm_hour = day.tm_min = day.tm_sec = 0;
    day.tm_isdst = -1;
    return (int64_t)(set->utc ? timegm(&day) : mktime(&day));
}

/* "2026-11-21", the period that ends at turn_at; finer where the period is: "2026-11-21_13-05-09". */
static void turn_name(const LogFile *file, char out[32])
{
    static const size_t lengths[] = {[LOG_TURN_SECONDS] = sizeof "YYYY-mm-dd_HH-MM-SS",
                                     [LOG_TURN_MINUTES] = sizeof "YYYY-mm-dd_HH-MM",
                                     [LOG_TURN_HOURS] = sizeof "YYYY-mm-dd_HH"};
    int64_t began = file->turn_at - period(&file->set);
    /* Midday of its first day: a day of 23 or 25 hours changes nothing. */
    if (file->set.turn >= LOG_TURN_MIDNIGHT)
        began += HALF_A_DAY;
    struct tm at;
    broken_down(&file->set, began, &at);
    strftime(out, 32, "%Y-%m-%d_%H-%M-%S", &at);
    out[(file->set.turn < LOG_TURN_DAYS ? lengths[file->set.turn] : sizeof "YYYY-mm-dd") - 1] = 0;
}

/* On failure the file that was open stays open. */
static bool open_name(LogFile *file, Err *err)
{
    int fd = open(file->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    if (fd < 0)
        return err_errno(err, errno, "log: cannot open %s", file->path);
    if (file->fd >= 0)
        close(file->fd);
    file->fd = fd;
    if (fstat(fd, &file->is) != 0)
        file->is = (struct stat){0};
    file->turn_at = next_turn(&file->set, file->is.st_size > 0 ? (int64_t)file->is.st_mtime : now_s());
    return true;
}

static bool is_open_file(const LogFile *file, const struct stat *st)
{
    return st->st_ino == file->is.st_ino && st->st_dev == file->is.st_dev;
}

/* Somebody may have moved the file away. What was open is still good when the name cannot be opened. */
static bool follow_name(LogFile *file, Err *err)
{
    struct stat st;
    if (file->fd >= 0 && stat(file->path, &st) == 0 && is_open_file(file, &st)) {
        file->is = st;
        return true;
    }
    return open_name(file, err) || file->fd >= 0;
}

static void numbered(const LogFile *file, int number, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s.%d", file->path, number);
}

/* path.1 becomes path.2 …, path becomes path.1. The first number that is free ends the chain. */
static bool shift(const LogFile *file)
{
    char from[PATH_MAX], to[PATH_MAX];
    int last = 1;
    for (; last < file->set.keep; last++) {
        numbered(file, last, to);
        if (access(to, F_OK) != 0)
            break;
    }
    for (int i = last; i > 1; i--) {
        numbered(file, i - 1, from);
        numbered(file, i, to);
        if (rename(from, to) != 0)
            return false;
    }
    numbered(file, 1, to);
    return rename(file->path, to) == 0;
}

/* "2026-11-20" looks like "2026-11-21". */
static bool looks_alike(const char *text, const char *sample)
{
    for (; *text && *sample; text++, sample++) {
        bool digit = *sample >= '0' && *sample <= '9';
        if (digit ? *text < '0' || *text > '9' : *text != *sample)
            return false;
    }
    return *text == *sample;
}

/* The files put aside by time beyond those to keep, the oldest first. */
static void drop_oldest(const LogFile *file, const char *sample)
{
    const char *slash = strrchr(file->path, '/');
    char folder[PATH_MAX];
    span_copy(slash ? span_of(file->path, (size_t)(slash - file->path) + 1) : SPAN("."), folder,
              sizeof folder);
    const char *base = slash ? slash + 1 : file->path;
    size_t base_n = strlen(base);
    DIR *dir = opendir(folder);
    if (!dir)
        return;
    for (;;) {
        char oldest[NAME_MAX + 1] = "";
        int count = 0;
        rewinddir(dir);
        for (struct dirent *entry; (entry = readdir(dir));) {
            if (strncmp(entry->d_name, base, base_n) != 0 || entry->d_name[base_n] != '.' ||
                !looks_alike(entry->d_name + base_n + 1, sample))
                continue;
            count++;
            if (!*oldest || strcmp(entry->d_name, oldest) < 0)
                span_copy(span_cstr(entry->d_name), oldest, sizeof oldest);
        }
        if (count <= file->set.keep || unlinkat(dirfd(dir), oldest, 0) != 0)
            break;
    }
    closedir(dir);
}

static bool put_aside_by_time(LogFile *file)
{
    char name[32], to[PATH_MAX];
    turn_name(file, name);
    snprintf(to, sizeof to, "%s.%s", file->path, name);
    /* Nothing is written over: the clock was put back, say. */
    if (access(to, F_OK) == 0 || rename(file->path, to) != 0)
        return false;
    if (file->set.keep > 0)
        drop_oldest(file, name);
    return true;
}

static bool is_due(const LogFile *file, size_t n)
{
    if (!S_ISREG(file->is.st_mode) || clock_ms() < file->not_before_ms)
        return false;
    if (file->set.turn != LOG_TURN_BY_SIZE)
        return now_s() >= file->turn_at;
    uint64_t size = (uint64_t)file->is.st_size;
    return file->set.max_bytes && file->set.keep > 0 && size && size + n > file->set.max_bytes;
}

static void rotate(LogFile *file)
{
    if (flock(file->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return; /* another process is at it */
    struct stat st;
    bool ours = stat(file->path, &st) == 0 && is_open_file(file, &st);
    bool by_size = file->set.turn == LOG_TURN_BY_SIZE;
    if (!ours || (by_size ? shift(file) : put_aside_by_time(file))) {
        if (open_name(file, NULL))
            return; /* the lock went with the old file */
    } else {
        file->not_before_ms = clock_ms() + PATIENCE_MS;
        if (!by_size)
            file->turn_at = next_turn(&file->set, now_s());
    }
    flock(file->fd, LOCK_UN);
}

static bool write_out(LogFile *file, const char *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = write(file->fd, p + done, n - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            file->torn = file->torn || done > 0;
            return false;
        }
        done += (size_t)got;
    }
    return true;
}

/* After an outage: ends the line that was torn and says how many are missing. */
static bool write_gap(LogFile *file)
{
    char note[96] = "";
    int n = file->torn ? snprintf(note, sizeof note, "\n") : 0;
    if (file->lost)
        n += snprintf(note + n, sizeof note - (size_t)n,
                      "(%" PRIu64 " lines are missing here: they could not be written)\n", file->lost);
    if (n == 0)
        return true;
    bool was_torn = file->torn;
    file->torn = false;
    if (write_out(file, note, (size_t)n)) {
        file->lost = 0;
        return true;
    }
    file->torn = file->torn || was_torn;
    return false;
}

bool log_file_write(LogFile *file, const char *line, size_t n, Err *err)
{
    pthread_mutex_lock(&file->lock);
    bool ok = follow_name(file, err);
    if (ok) {
        if (is_due(file, n))
            rotate(file);
        ok = write_gap(file) && write_out(file, line, n);
        if (!ok)
            err_errno(err, errno, "log: cannot write %s", file->path);
    }
    for (size_t i = 0; !ok && i < n; i++)
        file->lost += line[i] == '\n';
    pthread_mutex_unlock(&file->lock);
    return ok;
}

void log_file_reopen(LogFile *file)
{
    pthread_mutex_lock(&file->lock);
    if (file->fd >= 0)
        open_name(file, NULL);
    pthread_mutex_unlock(&file->lock);
}

LogFile *log_file_open(const LogFileSettings *settings, Err *err)
{
    enum { LONGEST_ENDING = 32 };
    if (strlen(settings->path) >= PATH_MAX - LONGEST_ENDING) {
        err_set(err, ERR_LIMIT, "log: the path %.80s... is too long", settings->path);
        return NULL;
    }
    LogFile *file = calloc(1, sizeof *file);
    char *path = strdup(settings->path);
    if (!file || !path) {
        free(file);
        free(path);
        err_set(err, ERR_LIMIT, "log: no memory");
        return NULL;
    }
    file->set = *settings;
    file->set.path = file->path = path;
    file->fd = -1;
    pthread_mutex_init(&file->lock, NULL);
    if (!settings->late && !open_name(file, err)) {
        log_file_close(file);
        return NULL;
    }
    return file;
}

const char *log_file_path(const LogFile *file)
{
    return file->path;
}

void log_file_close(LogFile *file)
{
    if (!file)
        return;
    if (file->fd >= 0)
        close(file->fd);
    pthread_mutex_destroy(&file->lock);
    free(file->path);
    free(file);
}
