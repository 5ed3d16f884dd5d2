// SPDX-License-Identifier: MIT
#include "base/spare_block.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

enum { MOST = 16 };

static struct {
    pthread_mutex_t lock; /* guards what follows */
    uint8_t *blocks[MOST];
    size_t count;
} spare = {.lock = PTHREAD_MUTEX_INITIALIZER};

uint8_t *spare_block_take(void)
{
    void *block = NULL;
    pthread_mutex_lock(&spare.lock);
    if (spare.count)
        block = spare.blocks[--spare.count];
    pthread_mutex_unlock(&spare.lock);
    if (!block && posix_memalign(&block, SPARE_BLOCK_ALIGNMENT, SPARE_BLOCK_SIZE) != 0)
        abort();
    return block;
}

void spare_block_give(uint8_t *block)
{
    if (!block)
        return;
    pthread_mutex_lock(&spare.lock);
    bool kept = spare.count < MOST;
    if (kept)
        spare.blocks[spare.count++] = block;
    pthread_mutex_unlock(&spare.lock);
    if (!kept)
        free(block);
}
