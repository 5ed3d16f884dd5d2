// SPDX-License-Identifier: MIT
/*
 * Writing one object to a temporary file: buffered, digested piece by piece while the disk writes. The kernel is asked early to write out what it has, so that the
 * final sync finds little to do and a large object does not fill memory with dirty pages: at most WINDOW bytes
 * are under way. (Measured on ext4: syncing in each writer's thread beats one syncfs per group at eight writers,
 * and does not wait for other programs' data.)
 */
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    BUFFER = 256 << 10,
    DIRECT = 64 << 10, /* pieces of this size are not copied first */
    PAGE = 4 << 10,    /* one that grows is not written out: it would be written twice */
};
static const uint64_t WINDOW = UINT64_C(32) << 20;

static StorePut *put_new(Store *store)
{
    StorePut *put = calloc(1, sizeof *put);
    if (!put)
        abort();
    put->store = store;
    put->fd = -1;
    return put;
}

void put_free(StorePut *put)
{
    if (put->fd >= 0)
        close(put->fd);
    EVP_MD_CTX_free(put->sha);
    XXH3_freeState(put->content);
    free(put->buffer);
    free(put->path);
    free(put);
}

StorePut *put_displaced(const StorePut *put)
{
    StorePut *previous = put_new(put->store);
    snprintf(previous->name, sizeof previous->name, "%s", put->name);
    previous->path = strdup(put->path);
    previous->ended = previous->synced = true;
    if (!previous->path)
        abort();
    return previous;
}

StorePut *store_put_begin(Store *store, Err *err)
{
    StorePut *put = put_new(store);
    uint64_t number = atomic_fetch_add(&store->next_put, 1) + 1;
    snprintf(put->name, sizeof put->name, "%" PRIu64, number);
    put->path = file_join(store->session.path, put->name);
    put->buffer = malloc(BUFFER);
    put->sha = EVP_MD_CTX_new();
    put->content = XXH3_createState();
    if (!put->buffer || !put->sha || !put->content || !EVP_DigestInit_ex(put->sha, store->sha256, NULL))
        abort();
    XXH3_128bits_reset(put->content);
    put->fd = openat(store->session.dir, put->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (put->fd >= 0)
        return put;
    err_errno(err, errno, "cannot create temporary file %s", put->path);
    put_free(put);
    return NULL;
}

/* EFBIG (a limit on file sizes) is a lack of room too. */
static bool write_failed(StorePut *put, int reason, Err *err)
{
    put->failed = true;
    if (reason == EFBIG)
        return err_set(err, ERR_NO_SPACE, "%s has reached the largest file size allowed", put->path);
    return err_errno(err, reason, "cannot write %s", put->path);
}

/* Writes what is held, and then the piece. */
static bool write_out(StorePut *put, Span piece, Err *err)
{
    struct iovec parts[2] = {{put->buffer, put->held}, {(void *)piece.p, piece.n}};
    for (size_t at = put->held ? 0 : 1; at < 2;) {
        ssize_t done = writev(put->fd, parts + at, (int)(2 - at));
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return write_failed(put, done ? errno : ENOSPC, err);
        put->written += (uint64_t)done;
        while (at < 2 && (size_t)done >= parts[at].iov_len)
            done -= (ssize_t)parts[at++].iov_len;
        if (at < 2) {
            parts[at].iov_base = (uint8_t *)parts[at].iov_base + done;
            parts[at].iov_len -= (size_t)done;
        }
    }
    return true;
}

/* Digests bytes that stand at `from`. */
static void digest(StorePut *put, uint64_t from, Span bytes)
{
    EVP_DigestUpdate(put->sha, bytes.p, bytes.n);
    uint64_t skip = put->content_from > from ? put->content_from - from : 0;
    if (skip < bytes.n)
        XXH3_128bits_update(put->content, bytes.p + skip, bytes.n - skip);
}

/* Has the disk begin with the whole pages from `from` to `to`, and wait when too much is under way. */
static bool start_writing(StorePut *put, uint64_t from, uint64_t to, Err *err)
{
    unsigned how = SYNC_FILE_RANGE_WRITE;
    from -= from % PAGE;
    to -= to % PAGE;
    if (from >= WINDOW) {
        sync_file_range(put->fd, (off_t)from, (off_t)(to - from), how);
        how |= SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER;
        from -= WINDOW;
        to -= WINDOW;
    }
    if (sync_file_range(put->fd, (off_t)from, (off_t)(to - from), how) != 0 &&
        (errno == EIO || errno == ENOSPC || errno == EDQUOT))
        return write_failed(put, errno, err);
    return true;
}

/* Writes what is held and a piece behind it; digests them while the disk is at work. What is short, and so an object's end, is left to the sync that follows. */
static bool write_and_digest(StorePut *put, Span piece, Err *err)
{
    uint64_t from = put->written;
    Span held = span_of(put->buffer, put->held);
    size_t n = held.n + piece.n;
    if (n == 0)
        return true;
    if (!write_out(put, piece, err) || (n >= DIRECT && !start_writing(put, from, from + n, err)))
        return false;
    digest(put, from, held);
    digest(put, from + held.n, piece);
    put->held = 0;
    return true;
}

bool store_put_write(StorePut *put, Span bytes, Err *err)
{
    if (put->ended || put->failed)
        return err_set(err, ERR_IO, "%s cannot be written any more", put->path);
    put->size += bytes.n;
    while (bytes.n && bytes.n < DIRECT) {
        size_t n = bytes.n < BUFFER - put->held ? bytes.n : BUFFER - put->held;
        memcpy(put->buffer + put->held, bytes.p, n);
        put->held += n;
        bytes = span_sub(bytes, n, SIZE_MAX);
        if (put->held == BUFFER && !write_and_digest(put, (Span){0}, err))
            return false;
    }
    return bytes.n == 0 || write_and_digest(put, bytes, err);
}

void store_put_mark_content(StorePut *put)
{
    XXH3_128bits_reset(put->content);
    put->content_from = put->size;
}

bool store_put_end(StorePut *put, StoreDigest *out, Err *err)
{
    if (put->ended || put->failed)
        return err_set(err, ERR_IO, "%s cannot be ended", put->path);
    if (!write_and_digest(put, (Span){0}, err))
        return false;
    free(put->buffer);
    put->buffer = NULL;
    put->ended = true;
    unsigned n = 0;
    EVP_DigestFinal_ex(put->sha, put->digest.sha256, &n);
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(put->content));
    memcpy(put->digest.content, canonical.digest, sizeof put->digest.content);
    put->digest.size = put->size;
    if (out)
        *out = put->digest;
    return true;
}

void put_start_sync(StorePut *put)
{
    if (!put->synced && put->fd >= 0)
        sync_file_range(put->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

bool store_put_stamp(StorePut *put, int64_t time_us, Err *err)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                {time_us / 1000000, (long)(time_us % 1000000) * 1000}};
    if (futimens(put->fd, times) != 0)
        return err_errno(err, errno, "cannot set the time of %s", put->path);
    put->stamped = true;
    put->synced = false;
    return true;
}

bool store_put_sync(StorePut *put, Err *err)
{
    if (put->synced)
        return true;
    if (!put->ended || put->failed)
        return err_set(err, ERR_INTERNAL, "%s is not complete", put->path);
    while ((put->stamped ? fsync(put->fd) : fdatasync(put->fd)) != 0)
        if (errno != EINTR)
            return write_failed(put, errno, err);
    put->synced = true;
    return true;
}

void store_put_abandon(StorePut *put)
{
    if (!put)
        return;
    unlinkat(put->store->session.dir, put->name, 0);
    put_free(put);
}

const char *store_put_path(const StorePut *put)
{
    return put->path;
}
