// SPDX-License-Identifier: MIT
/*
 * What the targets share. A target is `int fuzz_NAME(data, size)` in fuzz_NAME.c; driver.c makes a libFuzzer program of it, replay.c a test that needs no Clang.
 */
#ifndef GANTRY_FUZZ_FUZZ_H
#define GANTRY_FUZZ_FUZZ_H

#include "base/span.h"

typedef int (*FuzzTarget)(const uint8_t *data, size_t size);

/* A promise of the parser does not hold: ends the process, unless memory was made short, when giving up is what is promised. */
void fuzz_broken(void);

/*
 * Memory that runs out (memory.c). House rule: small allocations of our own end the process when they fail; sizes that come from outside are asked for with arena_try, a Buf or, above
 * 256 KiB, malloc, and must be let fail. Of these calls the one that the last two bytes of the input choose fails, or with their highest bit all from that one on.
 */
int fuzz_with_short_memory(FuzzTarget target, const uint8_t *data, size_t size);
/* The same with call `nth`. False when there were not so many. */
bool fuzz_nth_fails(FuzzTarget target, const uint8_t *data, size_t size, long nth, bool all_after);
/* What a target prepares for its inputs has all the memory it wants. */
void fuzz_undisturbed(void (*work)(void));

/* A folder of this process, without disk where there is /dev/shm; gone at the end. For parsers that open their files themselves. */
const char *fuzz_folder(void);
void fuzz_folder_empty(void);
/* Puts a file there, for its owner alone, in place of the one before; its path stays valid until the next call. */
const char *fuzz_file(const char *name, Span content);
/* Bytes up to the first line feed, which go away from `rest`. */
Span fuzz_line(Span *rest);

#endif
