// SPDX-License-Identifier: MIT
/*
 * Writing one object to a temporary file, in blocks. A large object goes past the kernel's cache:
 * it is written once and as a rule read much later, if ever, so that a copy in the cache
 * would only cost the processor the copying and the finding of memory, and everybody else the place of what they do read. Objects that are smaller, file systems that cannot
 * do so, and archives that do not want it go through the cache: the kernel is then asked early to write out what it has, so that the final sync finds little to do
 * and a large object does not fill memory with dirty pages: at most WINDOW bytes are under way.
 * (Measured on ext4: syncing in each writer's thread beats one syncfs per group at eight writers, and does not wait for other programs' data.)
 */
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIRECT_FROM = 128 << 10 };
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

static void give_block(StorePut *put)
{
    spare_block_give(put->block);
    put->block = NULL;
}

void put_free(StorePut *put)
{
    if (put->fd >= 0)
        close(put->fd);
    XXH3_freeState(put->content);
    give_block(put);
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
    put->block = spare_block_take();
    put->content = XXH3_createState();
    if (!put->content)
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

/* Past the cache or through it, from the next write on. False when the file system cannot. */
static bool set_direct(StorePut *put, bool direct)
{
    int flags = fcntl(put->fd, F_GETFL);
    put->direct = direct && flags >= 0 && fcntl(put->fd, F_SETFL, flags | O_DIRECT) == 0;
    if (!direct)
        fcntl(put->fd, F_SETFL, flags & ~O_DIRECT);
    return put->direct == direct;
}

/* The disk's blocks may be larger than ours, or its file system may not say at once that it cannot: then nobody tries it again. */
static bool give_up_direct(StorePut *put)
{
    put->store->direct = false;
    return set_direct(put, false);
}

static bool write_out(StorePut *put, size_t from, size_t to, Err *err)
{
    while (from < to) {
        ssize_t done = write(put->fd, put->block + from, to - from);
        if (done < 0 && (errno == EINTR || (errno == EINVAL && put->direct && give_up_direct(put))))
            continue;
        if (done <= 0)
            return write_failed(put, done ? errno : ENOSPC, err);
        from += (size_t)done;
        put->written += (size_t)done;
    }
    return true;
}

/* Has the disk begin with the whole pages from `from` to `to` (one that grows would be written twice), and wait when too much is under way. */
static bool start_writing(StorePut *put, uint64_t from, uint64_t to, Err *err)
{
    unsigned how = SYNC_FILE_RANGE_WRITE;
    from -= from % DISK_BLOCK;
    to -= to % DISK_BLOCK;
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

/* Writes what is held. Past the cache only whole blocks of the disk can be written: what is left at an object's end goes through it. (To pad it, and then to cut
   the file, has the file system read that block again.) */
static bool write_block(StorePut *put, Err *err)
{
    uint64_t from = put->written;
    size_t n = put->held, whole = n - n % DISK_BLOCK;
    if (n >= DIRECT_FROM && !put->direct && put->store->direct && !set_direct(put, true))
        put->store->direct = false;
    size_t direct = put->direct ? whole : 0;
    bool ok = write_out(put, 0, direct, err);
    if (put->direct && direct < n)
        set_direct(put, false);
    ok = ok && write_out(put, direct, n, err) &&
         (n < BLOCK || put->direct || start_writing(put, from, from + n, err));
    put->held = 0;
    return ok;
}

bool store_put_write(StorePut *put, Span bytes, Err *err)
{
    if (put->ended || put->failed)
        return err_set(err, ERR_IO, "%s cannot be written any more", put->path);
    put->size += bytes.n;
    XXH3_128bits_update(put->content, bytes.p, bytes.n); /* while they are in the processor's cache */
    while (bytes.n) {
        size_t n = bytes.n < BLOCK - put->held ? bytes.n : BLOCK - put->held;
        if (bytes.p != put->block + put->held)
            memcpy(put->block + put->held, bytes.p, n);
        put->held += n;
        bytes = span_sub(bytes, n, SIZE_MAX);
        if (put->held == BLOCK && !write_block(put, err))
            return false;
    }
    return true;
}

uint8_t *store_put_room(StorePut *put, size_t *n)
{
    *n = BLOCK - put->held;
    return put->block + put->held;
}

void store_put_mark_content(StorePut *put)
{
    XXH3_128bits_reset(put->content);
}

bool store_put_end(StorePut *put, StoreDigest *digest, Err *err)
{
    if (put->ended || put->failed)
        return err_set(err, ERR_IO, "%s cannot be ended", put->path);
    if (put->held && !write_block(put, err))
        return false;
    put->ended = true;
    give_block(put);
    if (digest) {
        XXH128_canonical_t canonical;
        XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(put->content));
        digest->size = put->size;
        memcpy(digest->content, canonical.digest, sizeof digest->content);
    }
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
