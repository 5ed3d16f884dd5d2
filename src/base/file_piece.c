// SPDX-License-Identifier: MIT
#include "base/file_piece.h"

#include "base/file.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- buffers: a spare block, or memory of its own where a unit is larger -- */

static uint8_t *take_buffer(size_t n)
{
    uint8_t *buffer = n <= FILE_PIECE_READ ? spare_block_take() : malloc(n);
    if (!buffer)
        abort();
    return buffer;
}

static void give_buffer(uint8_t *buffer, size_t n)
{
    if (n <= FILE_PIECE_READ)
        spare_block_give(buffer);
    else
        free(buffer);
}

/* -- pieces -- */

enum { MAP_FROM = 64 << 10 };

static atomic_int mapped; /* pieces, at this moment */

static size_t size_of(uint64_t left, size_t unit, size_t most)
{
    size_t whole = unit > most ? unit : most / unit * unit;
    return left < whole ? (size_t)left : whole;
}

static bool too_short(Err *err)
{
    return err_set(err, ERR_IO, "the file has become shorter while it was read");
}

/* Behind the end of a file its last page is mapped too, as zeros: that the file is still as long has to be asked. */
static bool is_whole(int fd, uint64_t end)
{
    struct stat st;
    return fstat(fd, &st) == 0 && (uint64_t)st.st_size >= end;
}

/* False without err: it cannot be mapped. */
static bool map(FilePiece *piece, int fd, uint64_t offset, size_t n, Err *err)
{
    size_t into = (size_t)(offset % (uint64_t)sysconf(_SC_PAGESIZE));
    uint8_t *p = mmap(NULL, into + n, PROT_READ, MAP_SHARED, fd, (off_t)(offset - into));
    if (p == MAP_FAILED)
        return false;
    if (!is_whole(fd, offset + n)) {
        munmap(p, into + n);
        return too_short(err);
    }
    *piece = (FilePiece){.bytes = span_of(p + into, n), .map = p, .map_size = into + n};
    atomic_fetch_add(&mapped, 1);
    return true;
}

static bool fill(FilePiece *piece, int fd, uint64_t offset, size_t n, Err *err)
{
    uint8_t *buffer = take_buffer(n);
    if (!file_read_at(fd, offset, buffer, n, err)) {
        give_buffer(buffer, n);
        return err->code == ERR_FORMAT ? too_short(err) : err_wrap(err, "cannot read the file");
    }
    *piece = (FilePiece){.bytes = span_of(buffer, n), .buffer = buffer};
    return true;
}

/* Nobody else has a mapping, or it would take more memory than one buffer. (That two look at the same moment does no harm.) */
static bool wants_mapping(uint64_t left, size_t unit)
{
    return left >= MAP_FROM &&
           (atomic_load(&mapped) == 0 || (unit > FILE_PIECE_READ && left > FILE_PIECE_READ));
}

bool file_piece_open(FilePiece *piece, int fd, uint64_t offset, uint64_t left, size_t unit, FilePieceHow how,
                     Err *err)
{
    Err why = {0};
    *piece = (FilePiece){0};
    if (how == FILE_PIECE_ANYHOW && wants_mapping(left, unit)) {
        if (map(piece, fd, offset, size_of(left, unit, FILE_PIECE_MAPPED), &why))
            return true;
        if (why.code) {
            *err = why;
            return false;
        }
    }
    return fill(piece, fd, offset, size_of(left, unit, FILE_PIECE_READ), err);
}

void file_piece_close(FilePiece *piece)
{
    if (piece->map) {
        munmap(piece->map, piece->map_size);
        atomic_fetch_sub(&mapped, 1);
    } else if (piece->buffer) {
        give_buffer(piece->buffer, piece->bytes.n);
    }
    *piece = (FilePiece){0};
}
