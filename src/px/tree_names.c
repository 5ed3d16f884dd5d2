// SPDX-License-Identifier: MIT
/*
 * Names in the tree. pypx puts identifiers into them as they are. What would leave the folder (a slash, "..") or is longer than a file system takes is encoded:
 * percent signs and hex digits for the bytes in question, a hash for what is cut off. An identifier that looks encoded stays as it is, as it would with pypx;
 * records say inside whose they are.
 */
#include "px/tree_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 255, SUFFIX_MAX = 24, HASH_DIGITS = 16 };

static bool is_plain(const char *text, size_t room)
{
    return strlen(text) <= room && !strchr(text, '/') && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

/* FNV-1a */
static uint64_t hash_of(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        hash = (hash ^ *p) * UINT64_C(0x100000001b3);
    return hash;
}

static const char *encoded(Arena *arena, const char *text, size_t room)
{
    Buf out;
    buf_init(&out, 0);
    bool dots = strspn(text, ".") == strlen(text);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '/' || *p == '%' || (dots && *p == '.'))
            buf_printf(&out, "%%%02X", *p);
        else
            buf_u8(&out, *p);
    }
    if (out.n > room) {
        out.n = room - HASH_DIGITS - 1;
        while (out.n && (out.p[out.n] & 0xC0) == 0x80)
            out.n--;
        buf_printf(&out, "-%016" PRIx64, hash_of(text));
    }
    const char *name = arena_span_cstr(arena, buf_span(&out));
    buf_free(&out);
    return name;
}

static const char *safe(Arena *arena, const char *text, size_t longest)
{
    size_t room = longest - SUFFIX_MAX;
    text = text ? text : "";
    return is_plain(text, room) ? text : encoded(arena, text, room);
}

const char *px_tree_name(Arena *arena, PxTreeFile file, const char *first, const char *second)
{
    const char *one = safe(arena, first, NAME_MAX_BYTES);
    const char *two = second ? safe(arena, second, NAME_MAX_BYTES) : NULL;
    switch (file) {
    case PX_TREE_PATIENT:
        return arena_printf(arena, "patientData/%s.json", one);
    case PX_TREE_STUDY:
        return arena_printf(arena, "studyData/%s-meta.json", one);
    case PX_TREE_STUDY_SERIES:
        return two ? arena_printf(arena, "studyData/%s-series/%s-meta.json", one, two)
                   : arena_printf(arena, "studyData/%s-series", one);
    case PX_TREE_SERIES:
        return arena_printf(arena, "seriesData/%s-meta.json", one);
    case PX_TREE_IMAGE:
        return two ? arena_printf(arena, "seriesData/%s-img/%s.json", one, two)
                   : arena_printf(arena, "seriesData/%s-img", one);
    }
    return "";
}

const char *px_tree_table_name(Arena *arena, PxTable table, const char *series)
{
    return arena_printf(arena, "seriesData/%s-%s.json", safe(arena, series, NAME_MAX_BYTES),
                        px_table_name(table));
}

const char *px_tree_image_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}
