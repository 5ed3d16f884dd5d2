// SPDX-License-Identifier: MIT
#include "cli/tag_dictionary.h"

#include "base/file.h"
#include "cli/cli.h"
#include "index/index.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 16 << 20, FIELDS = 7, DEFAULT_CHARS = 64 };

typedef struct Line {
    DcmTag tag, mask;
    Span text;
} Line;

struct TagDictionary {
    Line *lines;
    size_t count;
};

Span tag_dictionary_text(void)
{
    for (size_t i = 0; i < cli_template_count; i++)
        if (!strcmp(cli_templates[i].name, TAG_DICTIONARY))
            return span_of(cli_templates[i].bytes, cli_templates[i].n);
    return (Span){NULL, 0};
}

/* "60xx3000": digits, of which the mask has the known ones. */
static bool parse_tag(Span text, DcmTag *tag, DcmTag *mask)
{
    *tag = *mask = 0;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        unsigned digit = c >= '0' && c <= '9'   ? c - (unsigned)'0'
                         : c >= 'A' && c <= 'F' ? c - (unsigned)'A' + 10
                         : c >= 'a' && c <= 'f' ? c - (unsigned)'a' + 10
                                                : 16;
        if (digit == 16 && c != 'x')
            return false;
        *tag = *tag << 4 | (digit & 15);
        *mask = *mask << 4 | (digit == 16 ? 0 : 15);
    }
    *tag &= *mask;
    return text.n == 8;
}

/* Exact tags first, in order; then those with "xx". */
static int in_order(const void *a, const void *b)
{
    const Line *x = a, *y = b;
    bool exact_x = x->mask == UINT32_MAX, exact_y = y->mask == UINT32_MAX;
    if (exact_x != exact_y)
        return exact_x ? -1 : 1;
    return (x->tag > y->tag) - (x->tag < y->tag);
}

static TagDictionary *make(Arena *arena, Span text)
{
    TagDictionary *out = arena_alloc(arena, sizeof *out);
    size_t lines = 1;
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    out->lines = arena_alloc(arena, lines * sizeof *out->lines);
    Span one;
    bool more = true;
    while (span_split(&text, '\n', &one, &more)) {
        Line line = {.text = one};
        if (parse_tag(span_sub(one, 0, span_index(one, ',')), &line.tag, &line.mask))
            out->lines[out->count++] = line;
    }
    qsort(out->lines, out->count, sizeof *out->lines, in_order);
    return out;
}

const TagDictionary *tag_dictionary_load(Arena *arena, const char *folder, Err *err)
{
    Buf text;
    char *path = file_join(folder, TAG_DICTIONARY);
    TagDictionary *out = NULL;
    buf_init(&text, 0);
    if (access(path, F_OK) != 0)
        out = make(arena, tag_dictionary_text());
    else if (file_read_all(path, FILE_MAX, &text, err))
        out = make(arena, arena_span(arena, buf_span(&text)));
    buf_free(&text);
    free(path);
    return out;
}

static const Line *find_line(const TagDictionary *d, DcmTag tag)
{
    Line wanted = {.tag = tag, .mask = UINT32_MAX};
    const Line *found = bsearch(&wanted, d->lines, d->count, sizeof *d->lines, in_order);
    for (size_t i = d->count; !found && i > 0 && d->lines[i - 1].mask != UINT32_MAX; i--)
        if ((tag & d->lines[i - 1].mask) == d->lines[i - 1].tag)
            found = &d->lines[i - 1];
    return found;
}

/* The next field of a line; between double quotes it may have commas. */
static const char *next_field(Arena *arena, Span *rest, bool *more)
{
    Span field = {NULL, 0};
    if (!*more)
        return "";
    if (rest->n && rest->p[0] == '"') {
        size_t end = span_index(span_sub(*rest, 1, rest->n), '"');
        field = span_sub(*rest, 1, end);
        *rest = span_sub(*rest, end == SIZE_MAX ? rest->n : end + 2, rest->n);
        *more = rest->n > 0;
        *rest = span_sub(*rest, 1, rest->n);
    } else {
        span_split(rest, ',', &field, more);
    }
    while (field.n && field.p[field.n - 1] == '\r')
        field.n--;
    return arena_span_cstr(arena, span_trim(field));
}

bool tag_dictionary_find(const TagDictionary *dictionary, Arena *arena, DcmTag tag, TagMeaning *out)
{
    const Line *line = find_line(dictionary, tag);
    if (!line)
        return false;
    const char *field[FIELDS];
    Span rest = line->text;
    bool more = true;
    int64_t chars;
    for (int i = 0; i < FIELDS; i++)
        field[i] = next_field(arena, &rest, &more);
    *out = (TagMeaning){.keyword = field[1], .vr = field[3], .column = field[4]};
    out->text = !strcmp(field[5], "Text");
    if (!out->text)
        out->chars =
            span_to_i64(span_cstr(field[6]), 1, IDX_COLUMN_CHARS_MAX, &chars) ? (int)chars : DEFAULT_CHARS;
    return true;
}
