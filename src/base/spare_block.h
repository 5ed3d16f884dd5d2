// SPDX-License-Identifier: MIT
/*
 * Blocks of memory for bytes on their way to the disk or to a socket, kept for the next one who wants one, up to 16: memory that was just used is in the caches of the processor, and is nothing
 * the kernel has to find and clear. From any thread.
 */
#ifndef GANTRY_BASE_SPARE_BLOCK_H
#define GANTRY_BASE_SPARE_BLOCK_H

#include <stdint.h>

enum {
    SPARE_BLOCK_SIZE =
        640 << 10, /* a CT image of 512 x 512 x 16 bits with its header goes out in one write */
    SPARE_BLOCK_ALIGNMENT = 4 << 10
};

/* SPARE_BLOCK_SIZE bytes of any content, at a multiple of the alignment. */
uint8_t *spare_block_take(void);
/* NULL is fine. */
void spare_block_give(uint8_t *block);

#endif
