// SPDX-License-Identifier: MIT
/* libFuzzer's entry for the one target FUZZ_TARGET. With FUZZ_SHORT_MEMORY in the environment, memory runs out. */
#include "fuzz.h"

#include <stdlib.h>

int FUZZ_TARGET(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int short_memory = -1;
    if (short_memory < 0)
        short_memory = getenv("FUZZ_SHORT_MEMORY") != NULL;
    return short_memory ? fuzz_with_short_memory(FUZZ_TARGET, data, size) : FUZZ_TARGET(data, size);
}
