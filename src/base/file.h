// SPDX-License-Identifier: MIT
/*
 * Safe file helpers. Paths given to file_*_beneath are relative and never leave the folder: ".." and absolute paths
 * are refused, symbolic links are not followed (openat2 RESOLVE_BENEATH where the kernel has it, a checked walk otherwise).
 */
#ifndef GANTRY_BASE_FILE_H
#define GANTRY_BASE_FILE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

/* Opens a folder for use as `dir` below; creates it with its parents when `create`. -1 and err on failure. */
int file_open_dir(const char *path, bool create, Err *err);
/* mkdir -p, mode 0750; the folders above those that are made are fsynced. */
bool file_make_dirs(const char *path, Err *err);
/* mkdir -p of all folders of `relative` (its last part is a file name) below `dir`.
   When a folder was made, its parent is fsynced. */
bool file_make_dirs_beneath(int dir, const char *relative, Err *err);

/* openat that cannot leave `dir`. flags as open(2); mode 0640 on creation. */
int file_open_beneath(int dir, const char *relative, int flags, Err *err);
/* Is this a relative path without empty, "." or ".." parts, at most 4095 bytes, each part at most 255? */
bool file_is_safe_relative(const char *relative);

/* write(2) until everything is out. */
bool file_write_all(int fd, const void *p, size_t n, Err *err);
/* pread(2) until n bytes are there; fails at the end of the file. */
bool file_read_at(int fd, uint64_t offset, void *p, size_t n, Err *err);
/* A whole file of at most `limit` bytes, appended to `out`. */
bool file_read_all(const char *path, size_t limit, Buf *out, Err *err);
/* Writes temp file beside it, fsync, rename over `path`, fsync of the folder. mode of the new file as given. */
bool file_replace(const char *path, Span content, unsigned mode, Err *err);
/* Can every user of this machine read it: it, and each folder that leads to it? False also when it is not there. */
bool file_is_for_everybody(const char *path);
bool file_sync(int fd, const char *name_for_errors, Err *err); /* fsync */

/* The absolute path of `path` seen from folder `base` (not resolved through links). Caller frees. */
char *file_join(const char *base, const char *path);
/* Is `inner` the folder `outer` or below it? Both absolute, links resolved. */
bool file_lies_in(const char *inner, const char *outer);

/*
 * Walks a tree in no particular order; calls `visit` with the path (base + relative) of each regular file.
 * Names that begin with '.' are skipped when `skip_hidden`. Depth is limited to 64. visit returns false to stop.
 * Returns false with err when a folder cannot be read or the visitor stopped with an error set.
 */
typedef bool (*FileVisit)(void *ctx, const char *path, Err *err);
bool file_walk(const char *path, bool skip_hidden, FileVisit visit, void *ctx, Err *err);

#endif
