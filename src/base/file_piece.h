// SPDX-License-Identifier: MIT
/*
 * A piece of a file as memory, for a moment, on its way to a socket. Where one thread does this, the file is mapped: the kernel copies out of the mapping, once. Where several do at the same
 * time, pieces are read into buffers that are still in the processor's cache: each mapping that goes makes all processors forget addresses, and whoever maps meanwhile waits
 * (eight readers of 527 KB objects: a third more objects by reading, one reader: a sixth more by mapping).
 */
#ifndef GANTRY_BASE_FILE_PIECE_H
#define GANTRY_BASE_FILE_PIECE_H

#include "base/err.h"
#include "base/span.h"
#include "base/spare_block.h"

#include <stdbool.h>

enum { FILE_PIECE_READ = SPARE_BLOCK_SIZE, FILE_PIECE_MAPPED = 4 << 20 };

typedef struct FilePiece {
    /* To be given to the kernel alone: a file that is cut while it is mapped is an error there (EFAULT), and would be SIGBUS here. */
    Span bytes;
    void *map; /* NULL = read */
    size_t map_size;
    uint8_t *buffer; /* NULL = mapped */
} FilePiece;

typedef enum FilePieceHow {
    FILE_PIECE_ANYHOW,
    FILE_PIECE_OURS /* the bytes may be looked at: read */
} FilePieceHow;

/*
 * The next of the `left` bytes at `offset`: all of them, or as many whole `unit`s as a piece holds; one, when that is more, which is then mapped whoever else does, unless the bytes are to be
 * looked at. ERR_IO when the file ends before that. From any thread.
 */
bool file_piece_open(FilePiece *piece, int fd, uint64_t offset, uint64_t left, size_t unit, FilePieceHow how,
                     Err *err);
void file_piece_close(FilePiece *piece);

#endif
