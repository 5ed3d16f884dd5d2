// SPDX-License-Identifier: MIT
/* Blocks of memory for bytes on their way to the disk, kept for the next object: memory that was just used is in the caches of the processor, and is nothing the kernel has to find and clear. */
#include "store/store_internal.h"

#include <stdlib.h>

uint8_t *block_take(Store *store)
{
    void *block = NULL;
    pthread_mutex_lock(&store->blocks_lock);
    if (store->spare_blocks)
        block = store->blocks[--store->spare_blocks];
    pthread_mutex_unlock(&store->blocks_lock);
    if (!block && posix_memalign(&block, DISK_BLOCK, BLOCK) != 0)
        abort();
    return block;
}

void block_give(Store *store, uint8_t *block)
{
    if (!block)
        return;
    pthread_mutex_lock(&store->blocks_lock);
    bool kept = store->spare_blocks < SPARE_BLOCKS;
    if (kept)
        store->blocks[store->spare_blocks++] = block;
    pthread_mutex_unlock(&store->blocks_lock);
    if (!kept)
        free(block);
}

void blocks_free(Store *store)
{
    while (store->spare_blocks)
        free(store->blocks[--store->spare_blocks]);
}
