// SPDX-License-Identifier: MIT
/* One file against its row: size and checksum. */
#include "archive/verify_internal.h"

#include "archive/sums.h"
#include "base/spare_block.h"
#include "dicom/part10.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { NAP_MS = 50 };

bool pace_wait(Pace *pace, uint64_t bytes, const atomic_bool *stop)
{
    if (!pace->bytes_per_second)
        return !atomic_load(stop);
    pthread_mutex_lock(&pace->lock);
    int64_t now = clock_ns();
    if (pace->next_ns < now)
        pace->next_ns = now;
    pace->next_ns += (int64_t)((double)bytes * 1e9 / (double)pace->bytes_per_second);
    int64_t until = pace->next_ns;
    pthread_mutex_unlock(&pace->lock);
    while (!atomic_load(stop) && (now = clock_ns()) < until) {
        int64_t ms = (until - now) / 1000000 + 1;
        clock_sleep_ms(ms < NAP_MS ? ms : NAP_MS);
    }
    return !atomic_load(stop);
}

static void finding(Checked *out, ArcFinding what, ErrCode code, const char *text)
{
    out->what = what;
    err_set(&out->why, code, "%s", text);
}

/* How a file is read. */
typedef struct Reading {
    bool (*go_on)(void *ctx, uint64_t bytes); /* after each piece */
    void *ctx;
    bool to_seal;
    int fd;
} Reading;

static int open_file(const Reading *r, const char *path)
{
    int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
    int fd = open(path, r->to_seal ? flags | O_DIRECT : flags);
    if (fd < 0 && r->to_seal && errno == EINVAL)
        fd = open(path, flags);
    return fd;
}

/* Not every file system reads every place past the cache. */
static ssize_t read_piece(const Reading *r, uint8_t *block, uint64_t at)
{
    ssize_t n = pread(r->fd, block, SPARE_BLOCK_SIZE, (off_t)at);
    if (n >= 0 || errno != EINVAL || !r->to_seal)
        return n;
    int flags = fcntl(r->fd, F_GETFL);
    if (flags < 0 || !(flags & O_DIRECT) || fcntl(r->fd, F_SETFL, flags & ~O_DIRECT) != 0) {
        errno = EINVAL;
        return -1;
    }
    return pread(r->fd, block, SPARE_BLOCK_SIZE, (off_t)at);
}

static bool agrees(Sums *sums, const IdxFile *row, bool by_sha256, Checked *out)
{
    uint8_t content[sizeof row->content];
    sums_end(sums, out->sha256, content);
    return by_sha256 ? memcmp(out->sha256, row->sha256, sizeof row->sha256) == 0
                     : memcmp(content, row->content, sizeof content) == 0;
}

/* XXH3 is that of the data set; of what stands before it this much is known. */
static bool head_agrees(const IdxFile *row, Span first)
{
    DcmFileMeta meta;
    bool more;
    if (!row->data_offset || row->data_offset > first.n || !row->transfer_syntax)
        return true;
    return dcm_file_meta_parse(first, first.n < row->size, &meta, &more, NULL) &&
           meta.data_offset == row->data_offset && strcmp(meta.transfer_syntax, row->transfer_syntax) == 0;
}

static bool read_file(const Reading *r, const IdxFile *row, Checked *out)
{
    bool by_sha256 = sum_is_set(row->sha256, sizeof row->sha256) && !r->to_seal, going = true, head = true;
    Sums *sums = sums_new(by_sha256 || r->to_seal, !by_sha256, row->data_offset);
    uint8_t *block = spare_block_take();
    ssize_t n = 0;
    while (going && out->bytes < row->size && (n = read_piece(r, block, out->bytes)) > 0) {
        Span piece = span_of(block, (size_t)n);
        head = head && (by_sha256 || out->bytes || head_agrees(row, piece));
        sums_take(sums, piece);
        out->bytes += (uint64_t)n;
        going = r->go_on(r->ctx, (uint64_t)n);
    }
    int failure = n < 0 ? errno : 0;
    spare_block_give(block);
    bool same = agrees(sums, row, by_sha256, out);
    if (failure) {
        out->what = ARC_UNREADABLE;
        err_errno(&out->why, failure, "the file cannot be read to its end");
    } else if (going && (!same || !head || out->bytes != row->size)) {
        finding(out, ARC_DAMAGED, ERR_FORMAT,
                "its bytes are not those that were stored: the checksum differs");
    }
    return going;
}

static bool look(const Reading *r, const IdxFile *row, Checked *out)
{
    bool known = sum_is_set(row->sha256, sizeof row->sha256) || sum_is_set(row->content, sizeof row->content);
    if (fstat(r->fd, &out->file) != 0 || !S_ISREG(out->file.st_mode)) {
        finding(out, ARC_UNREADABLE, ERR_IO, "it is no regular file");
        return true;
    }
    if ((uint64_t)out->file.st_size != row->size) {
        out->what = ARC_WRONG_SIZE;
        err_set(&out->why, ERR_FORMAT, "the file has %llu bytes instead of %llu",
                (unsigned long long)out->file.st_size, (unsigned long long)row->size);
        return true;
    }
    out->without = !known;
    if (!known)
        return true;
    if (r->to_seal)
        return read_file(r, row, out);               /* what is in memory is what people look at: it stays */
    posix_fadvise(r->fd, 0, 0, POSIX_FADV_DONTNEED); /* it is the disk that is asked */
    bool going = read_file(r, row, out);
    posix_fadvise(r->fd, 0, 0, POSIX_FADV_DONTNEED);
    return going;
}

static bool check(Reading *r, const IdxFile *row, Checked *out)
{
    *out = (Checked){0};
    r->fd = open_file(r, row->path);
    if (r->fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        finding(out, ARC_MISSING, ERR_NOT_FOUND, "the file is not there");
        return true;
    }
    if (r->fd < 0) {
        out->what = ARC_UNREADABLE;
        err_errno(&out->why, errno, "the file cannot be opened");
        return true;
    }
    bool going = look(r, row, out);
    close(r->fd);
    return going;
}

typedef struct Paced {
    Pace *pace;
    const atomic_bool *stop;
} Paced;

static bool keep_pace(void *ctx, uint64_t bytes)
{
    const Paced *paced = ctx;
    return pace_wait(paced->pace, bytes, paced->stop);
}

bool check_file(const IdxFile *row, Pace *pace, const atomic_bool *stop, Checked *out)
{
    Paced paced = {pace, stop};
    return check(&(Reading){.go_on = keep_pace, .ctx = &paced}, row, out);
}

bool check_file_to_seal(const IdxFile *row, bool (*go_on)(void *ctx, uint64_t bytes), void *ctx, Checked *out)
{
    return check(&(Reading){.go_on = go_on, .ctx = ctx, .to_seal = true}, row, out);
}

bool checked_is_fresh(const Checked *checked)
{
    const struct timespec *changed = &checked->file.st_ctim;
    return clock_wall_us() - ((int64_t)changed->tv_sec * 1000000 + changed->tv_nsec / 1000) <
           VERIFY_SETTLE_MS * INT64_C(1000);
}
