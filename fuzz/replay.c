// SPDX-License-Identifier: MIT
/*
 * replay NAME FOLDER: gives a target every file of a folder, as it is and with memory that runs out at several places. A test for any compiler, and for `./dev coverage`; without
 * a folder the target is given what is always there: nothing.
 */
#include "fuzz.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 1 << 20 };

#define TARGET(name) int fuzz_##name(const uint8_t *data, size_t size);
#include "targets.h"
#undef TARGET

static const struct {
    const char *name;
    FuzzTarget target;
} targets[] = {
#define TARGET(name) {#name, fuzz_##name},
#include "targets.h"
#undef TARGET
};

static void give(FuzzTarget target, Span input)
{
    target(input.p, input.n);
    bool more = true;
    for (long nth = 0, step = 1; more && nth<1000; nth += step, step += nth> 10)
        more = fuzz_nth_fails(target, input.p, input.n, nth, nth & 1);
}

typedef struct Replay {
    FuzzTarget target;
    unsigned inputs;
} Replay;

static bool give_file(void *ctx, const char *path, Err *err)
{
    Replay *replay = ctx;
    Buf input;
    buf_init(&input, LARGEST);
    bool ok = file_read_all(path, LARGEST, &input, err);
    if (ok) {
        /* Of exactly this size, so that a sanitizer sees a read behind the end. */
        uint8_t *exact = malloc(input.n ? input.n : 1);
        if (!exact)
            abort();
        memcpy(exact, buf_cstr(&input), input.n);
        give(replay->target, span_of(exact, input.n));
        free(exact);
        replay->inputs++;
    }
    buf_free(&input);
    return ok;
}

int main(int argc, char **argv)
{
    Err err = {0};
    Replay replay = {0};
    for (size_t i = 0; argc > 1 && i < sizeof targets / sizeof *targets; i++)
        if (!strcmp(targets[i].name, argv[1]))
            replay.target = targets[i].target;
    if (!replay.target) {
        fprintf(stderr, "usage: replay TARGET [FOLDER...]\n");
        return 2;
    }
    replay.target((const uint8_t *)"", 0);
    for (int i = 2; i < argc; i++)
        if (!file_walk(argv[i], false, give_file, &replay, &err)) {
            fprintf(stderr, "%s\n", err.text);
            return 1;
        }
    printf("%u inputs\n", replay.inputs);
    return argc > 2 && !replay.inputs; /* a corpus that is not there shows nothing */
}
