// SPDX-License-Identifier: MIT
/* The first byte says which: app/tags.yml, or app/extended_db.yml. What is taken from it the index takes, and what is written of it is read again as the same. */
#include "fuzz.h"

#include "cli/tags.h"
#include "index/attributes.h"
#include "index/extended.h"

#include <stdio.h>
#include <unistd.h>

static void drop(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    unlink(path);
}

static void check_written(Arena *arena, const Tags *tags)
{
    Err err = {0};
    Tags again;
    Buf text, problems;
    buf_init(&text, 0);
    buf_init(&problems, 0);
    tags_write_yaml(tags, &text);
    fuzz_file(TAGS_EXTENDED, buf_span(&text));
    if (!tags_load(arena, fuzz_folder(), &again, &problems, &err) || again.count != tags->count || again.bad)
        fuzz_broken();
    buf_clear(&text);
    tags_write_json(tags, &text);
    buf_free(&text);
    buf_free(&problems);
}

int fuzz_tags(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    Err err = {0};
    Arena *arena = arena_new(0);
    Tags tags;
    Buf problems;
    buf_init(&problems, 0);
    drop(TAGS_EXTENDED);
    fuzz_file(data[0] & 1 ? TAGS_EXTENDED : TAGS_LIST, span_of(data + 1, size - 1));
    if (!tags_load(arena, fuzz_folder(), &tags, &problems, &err)) {
        if (!*err.text)
            fuzz_broken();
    } else {
        if (tags.bad && !problems.n)
            fuzz_broken();
        if (!idx_attributes_make(arena, tags_for_index(arena, &tags), tags.count, &err))
            fuzz_broken();
        if (tags.count)
            check_written(arena, &tags);
    }
    buf_free(&problems);
    arena_free(arena);
    return 0;
}
