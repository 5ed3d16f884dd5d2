// SPDX-License-Identifier: MIT
/* One file against its row: size and digest. */
#include "archive/verify_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum { CHUNK = 1 << 20, NAP_MS = 50 };

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

static bool is_set(const uint8_t *digest, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (digest[i])
            return true;
    return false;
}

typedef struct Reading {
    EVP_MD_CTX *sha;       /* NULL: the row has none */
    XXH3_state_t *content; /* in its place */
    uint8_t *chunk;
} Reading;

static void reading_begin(Reading *r, const IdxFile *row)
{
    *r = (Reading){.chunk = malloc(CHUNK)};
    if (is_set(row->sha256, sizeof row->sha256))
        r->sha = EVP_MD_CTX_new();
    else
        r->content = XXH3_createState();
    if (!r->chunk || (!r->sha && !r->content) || (r->sha && !EVP_DigestInit_ex(r->sha, EVP_sha256(), NULL)))
        abort();
    if (r->content)
        XXH3_128bits_reset(r->content);
}

static void reading_end(Reading *r)
{
    EVP_MD_CTX_free(r->sha);
    XXH3_freeState(r->content);
    free(r->chunk);
}

static void reading_take(Reading *r, const IdxFile *row, uint64_t at, size_t n)
{
    size_t skip = at >= row->data_offset      ? 0
                  : row->data_offset - at < n ? (size_t)(row->data_offset - at)
                                              : n;
    if (r->sha)
        EVP_DigestUpdate(r->sha, r->chunk, n);
    else
        XXH3_128bits_update(r->content, r->chunk + skip, n - skip);
}

static bool reading_agrees(Reading *r, const IdxFile *row)
{
    uint8_t sha[EVP_MAX_MD_SIZE];
    XXH128_canonical_t canonical;
    if (r->sha)
        return EVP_DigestFinal_ex(r->sha, sha, NULL) && !memcmp(sha, row->sha256, sizeof row->sha256);
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(r->content));
    return memcmp(canonical.digest, row->content, sizeof row->content) == 0;
}

static void finding(Checked *out, ArcFinding what, ErrCode code, const char *text)
{
    out->what = what;
    err_set(&out->why, code, "%s", text);
}

static bool read_file(int fd, const IdxFile *row, Pace *pace, const atomic_bool *stop, Checked *out)
{
    Reading r;
    ssize_t n = 0;
    bool going = true;
    reading_begin(&r, row);
    while (going && (n = pread(fd, r.chunk, CHUNK, (off_t)out->bytes)) > 0) {
        reading_take(&r, row, out->bytes, (size_t)n);
        out->bytes += (uint64_t)n;
        going = pace_wait(pace, (uint64_t)n, stop);
    }
    if (n < 0) {
        out->what = ARC_UNREADABLE;
        err_errno(&out->why, errno, "the file cannot be read to its end");
    } else if (going && !reading_agrees(&r, row)) {
        finding(out, ARC_DAMAGED, ERR_FORMAT,
                "its bytes are not those that were stored: the checksum differs");
    }
    reading_end(&r);
    return going;
}

static bool look(int fd, const IdxFile *row, Pace *pace, const atomic_bool *stop, Checked *out)
{
    bool known = is_set(row->sha256, sizeof row->sha256) || is_set(row->content, sizeof row->content);
    if (fstat(fd, &out->file) != 0 || !S_ISREG(out->file.st_mode)) {
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
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* it is the disk that is asked */
    bool going = read_file(fd, row, pace, stop, out);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return going;
}

bool check_file(const IdxFile *row, Pace *pace, const atomic_bool *stop, Checked *out)
{
    *out = (Checked){0};
    int fd = open(row->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        finding(out, ARC_MISSING, ERR_NOT_FOUND, "the file is not there");
        return true;
    }
    if (fd < 0) {
        out->what = ARC_UNREADABLE;
        err_errno(&out->why, errno, "the file cannot be opened");
        return true;
    }
    bool going = look(fd, row, pace, stop, out);
    close(fd);
    return going;
}
