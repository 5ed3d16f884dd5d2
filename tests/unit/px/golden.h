// SPDX-License-Identifier: MIT
/* What pypx 3.6.2 printed (tests/data/px). It shows missing values as sentences, where ours are empty: in its documents and its outputs alike
   these become values like any other, so that the layouts can be compared to the byte. */
#ifndef GANTRY_TEST_PX_GOLDEN_H
#define GANTRY_TEST_PX_GOLDEN_H

#include "base/arena.h"
#include "base/file.h"
#include "px/px.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static inline char *golden_text(Arena *arena, const char *name)
{
    const char *folder = getenv("GANTRY_TEST_DATA");
    assert_non_null(folder);
    Buf text;
    buf_init(&text, 0);
    Err err = {0};
    assert_true(file_read_all(arena_printf(arena, "%s/px/%s", folder, name), 1 << 20, &text, &err));
    char *copy = arena_span_cstr(arena, buf_span(&text));
    buf_free(&text);
    for (char *at = copy; (at = strstr(at, "no value provided")); at++)
        *at = 'N';
    return copy;
}

static inline json_t *golden_document(Arena *arena, const char *name)
{
    Err err = {0};
    json_t *document = px_document_read(span_cstr(golden_text(arena, name)), &err);
    assert_non_null(document);
    return document;
}

/* Without colours, and with drawn frames for those of VT100. */
static inline char *golden_plain(Arena *arena, const char *text, bool keep_colours)
{
    static const char *const letters = "lqwkxmvj", *const drawn[] = {"┌", "─", "┬", "┐", "│", "└", "┴", "┘"};
    Buf out;
    buf_init(&out, 0);
    bool drawing = false;
    while (*text) {
        const char *letter = drawing ? strchr(letters, *text) : NULL;
        if (!strncmp(text, "\x1b(0", 3) || !strncmp(text, "\x1b(B", 3)) {
            drawing = text[2] == '0';
            text += 3;
        } else if (*text == '\x1b' && !keep_colours) {
            text = strchr(text, 'm') + 1;
        } else if (letter) {
            buf_append_cstr(&out, drawn[letter - letters]);
            text++;
        } else {
            buf_u8(&out, (uint8_t)*text++);
        }
    }
    char *copy = arena_span_cstr(arena, buf_span(&out));
    buf_free(&out);
    return copy;
}

#endif
