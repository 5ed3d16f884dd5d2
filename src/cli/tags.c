// SPDX-License-Identifier: MIT
/* Reading tags.yml and extended_db.yml. A wrong entry is a line in the problems, and is left out. */
#include "cli/tags.h"

#include "base/file.h"
#include "base/yaml.h"
#include "cli/tag_dictionary.h"
#include "dicom/dict.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEFAULT_CHARS = 64, ENTRIES_MAX = 4 * IDX_EXTENDED_MAX };

typedef struct Reading {
    Arena *arena;
    const TagDictionary *dictionary; /* NULL until it is needed */
    const char *folder;
    Tags *tags;
    IdxExtended *accepted; /* of tags->list */
    Buf *problems;
} Reading;

static void problem(Reading *r, const YamlNode *node, const char *entry, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void problem(Reading *r, const YamlNode *node, const char *entry, const char *format, ...)
{
    char text[400];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    buf_printf(r->problems, "%s:%d: %.80s: %s\n", r->tags->file, node->line, entry, text);
    r->tags->bad++;
}

/* -- tags -- */

static bool parse_tag(Span text, DcmTag *out)
{
    char hex[9], *end;
    text = span_trim(text);
    if (text.n != 8 || !span_copy(text, hex, sizeof hex) || strspn(hex, "0123456789abcdefABCDEF") != 8)
        return false;
    *out = (DcmTag)strtoul(hex, &end, 16);
    return true;
}

/* "child", "parent,...,child". */
static bool parse_chain(Reading *r, const YamlNode *node, const char *entry, IdxExtended *out)
{
    DcmTag chain[IDX_PARENTS_MAX + 1] = {0};
    size_t n = 0;
    Span rest = span_cstr(entry), one;
    bool more = true;
    while (span_split(&rest, ',', &one, &more)) {
        if (n > IDX_PARENTS_MAX) {
            problem(r, node, entry, "more than %d sequences around it", IDX_PARENTS_MAX);
            return false;
        }
        if (!parse_tag(one, &chain[n++])) {
            problem(r, node, entry,
                    "'%.*s' is no tag; write eight hexadecimal digits as in all_dicom_elements.csv, or "
                    "parent,...,child",
                    (int)(one.n < 40 ? one.n : 40), (const char *)one.p);
            return false;
        }
    }
    out->tag = chain[n - 1];
    out->parent_count = n - 1;
    memcpy(out->parents, chain, (n - 1) * sizeof *chain);
    return true;
}

static bool mean(Reading *r, DcmTag tag, TagMeaning *out)
{
    return tag_dictionary_find(r->dictionary, r->arena, tag, out);
}

/* All around it must be sequences, as far as they are known. */
static bool check_parents(Reading *r, const YamlNode *node, const char *entry, const IdxExtended *one)
{
    TagMeaning meaning;
    for (size_t i = 0; i < one->parent_count; i++) {
        bool known = mean(r, one->parents[i], &meaning);
        if (!known && !DCM_TAG_IS_PRIVATE(one->parents[i])) {
            problem(r, node, entry, "%08X is not in all_dicom_elements.csv; correct it", one->parents[i]);
            return false;
        }
        if (known && strncmp(meaning.vr, "SQ", 2) != 0) {
            problem(r, node, entry, "%08X is no sequence, nothing lies in it; correct it", one->parents[i]);
            return false;
        }
    }
    return true;
}

static DcmVr parse_vr(const char *text)
{
    return strlen(text) >= 2 ? dcm_vr_parse((const uint8_t *)text) : DCM_VR_NONE;
}

/* -- names of columns -- */

static const char *cut_name(Reading *r, const char *name)
{
    return arena_span_cstr(r->arena, span_sub(span_cstr(name), 0, IDX_COLUMN_NAME_MAX));
}

static bool is_taken(Reading *r, const IdxExtended *one)
{
    return idx_column_is_taken(r->accepted, r->tags->count, one);
}

/* "patient_id" → "patient_dcm_id". */
static const char *with_second_word(Reading *r, const char *name)
{
    size_t first = strcspn(name, "_");
    return arena_printf(r->arena, "%.*s_dcm%s", (int)first, name, name + first);
}

/* The column of an attribute that is not said to have one: the name in the table; where that is another's, the name of the sequence
   around it in front, or "dcm" as its second word; in the end the tag behind. */
static const char *choose_column(Reading *r, const IdxExtended *one, const char *name)
{
    TagMeaning parent;
    IdxExtended try = *one;
    const char *base = one->parent_count ? NULL : idx_base_column(one->tag, one->level);
    if (base)
        return base;
    try.column = cut_name(r, name);
    if (!is_taken(r, &try))
        return try.column;
    if (!one->parent_count)
        try.column = cut_name(r, with_second_word(r, name));
    else if (mean(r, one->parents[one->parent_count - 1], &parent))
        try.column = cut_name(r, arena_printf(r->arena, "%s_%s", parent.column, name));
    if (!is_taken(r, &try))
        return try.column;
    DcmTag last = one->parent_count ? one->parents[0] : one->tag;
    return arena_printf(r->arena, "%.54s_%08x", try.column, last);
}

/* -- entries -- */

static void accept(Reading *r, const YamlNode *node, const char *entry, const TagDefinition *one)
{
    Err err = {0};
    size_t n = r->tags->count;
    if (n == ENTRIES_MAX || !idx_extended_check(r->accepted, n, &one->index, &err)) {
        problem(r, node, entry, "%s", n == ENTRIES_MAX ? "too many tags" : err.text);
        return;
    }
    r->accepted[n] = one->index;
    r->tags->list[n] = *one;
    r->tags->count++;
}

static void read_entry(Reading *r, const YamlNode *node, DcmLevel level)
{
    TagDefinition one = {.index = {.level = level}};
    TagMeaning meaning;
    if (node->kind != YAML_SCALAR) {
        problem(r, node, "entry", "is no tag; write - '00101020'");
        return;
    }
    if (!parse_chain(r, node, node->text, &one.index) || !check_parents(r, node, node->text, &one.index))
        return;
    if (!mean(r, one.index.tag, &meaning)) {
        if (DCM_TAG_IS_PRIVATE(one.index.tag))
            problem(r, node, node->text,
                    "private tags have no known value representation; put it into extended_db.yml with "
                    "value_representations and field_name, or into all_dicom_elements.csv");
        else
            problem(r, node, node->text, "is not in all_dicom_elements.csv; correct it");
        return;
    }
    one.keyword = meaning.keyword;
    one.vr = meaning.vr;
    one.index.vr = parse_vr(meaning.vr);
    one.index.chars = meaning.text ? 0 : meaning.chars;
    one.index.column = choose_column(r, &one.index, meaning.column);
    accept(r, node, node->text, &one);
}

static const char *text_of(const YamlNode *map, const char *key)
{
    const YamlNode *node = yaml_get(map, key);
    return node && node->kind == YAML_SCALAR ? node->text : NULL;
}

/* type and size: String of 64 where they are not said. */
static bool read_type(Reading *r, const YamlNode *node, IdxExtended *out)
{
    const char *type = text_of(node, "type"), *size = text_of(node, "size");
    int64_t chars = DEFAULT_CHARS;
    if (type && strcmp(type, "String") && strcmp(type, "Text")) {
        problem(r, node, node->key, "type: %.40s is neither String nor Text", type);
        return false;
    }
    if (size && !span_to_i64(span_cstr(size), 1, IDX_COLUMN_CHARS_MAX, &chars)) {
        problem(r, node, node->key, "size: %.40s is no number from 1 to %d", size, IDX_COLUMN_CHARS_MAX);
        return false;
    }
    out->chars = type && !strcmp(type, "Text") ? 0 : (int)chars;
    return true;
}

/* One tag of extended_db.yml: a map. */
static void read_definition(Reading *r, const YamlNode *node, DcmLevel level)
{
    TagDefinition one = {.index = {.level = level}};
    TagMeaning meaning = {0};
    const char *parents = text_of(node, "parents"), *chain = node->key;
    if (node->kind != YAML_MAP) {
        problem(r, node, node->key, "needs keyword, value_representations, field_name, type, size");
        return;
    }
    if (parents && !strchr(chain, ','))
        chain = arena_printf(r->arena, "%s,%s", parents, node->key);
    if (!parse_chain(r, node, chain, &one.index) || !check_parents(r, node, chain, &one.index) ||
        !read_type(r, node, &one.index))
        return;
    bool known = mean(r, one.index.tag, &meaning);
    const char *vr = text_of(node, "value_representations"), *keyword = text_of(node, "keyword");
    const char *column = text_of(node, "field_name");
    one.vr = vr ? vr : known ? meaning.vr : "";
    one.keyword = keyword ? keyword : known ? meaning.keyword : "";
    one.index.vr = parse_vr(one.vr);
    if (!column && !known) {
        problem(r, node, node->key, "is not in all_dicom_elements.csv; give it a field_name");
        return;
    }
    one.index.column = column ? column : choose_column(r, &one.index, meaning.column);
    accept(r, node, node->key, &one);
}

/* -- files -- */

static bool level_of(const char *key, DcmLevel *out)
{
    static const struct {
        const char *name;
        DcmLevel level;
    } names[] = {{"patient", DCM_LEVEL_PATIENT},
                 {"study", DCM_LEVEL_STUDY},
                 {"series", DCM_LEVEL_SERIES},
                 {"instance", DCM_LEVEL_IMAGE},
                 {"file_storage_metadata_dicom", DCM_LEVEL_IMAGE}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i].name, key)) {
            *out = names[i].level;
            return true;
        }
    return false;
}

typedef void (*ReadOne)(Reading *r, const YamlNode *node, DcmLevel level);

static void read_levels(Reading *r, const YamlNode *root, YamlKind kind, ReadOne read)
{
    DcmLevel level;
    for (const YamlNode *node = root->first; node; node = node->next) {
        if (!level_of(node->key, &level))
            problem(r, node, node->key, "is no level; use patient, study, series, instance");
        else if (node->kind != YAML_NULL && node->kind != kind)
            problem(r, node, node->key,
                    kind == YAML_LIST ? "is no list; write one tag per line: - '00101020'"
                                      : "has no tags with their columns below it");
        else
            for (const YamlNode *one = node->first; one; one = one->next)
                read(r, one, level);
    }
}

static bool read_file(Arena *arena, const char *folder, const char *file, YamlKind kind, ReadOne read,
                      Tags *out, Buf *problems, Err *err)
{
    *out = (Tags){.file = file};
    char *path = file_join(folder, file);
    struct stat st;
    bool absent = stat(path, &st) != 0;
    const YamlNode *root = absent ? NULL : yaml_load_file(arena, path, err);
    free(path);
    if (absent || (root && root->kind == YAML_NULL))
        return true;
    if (root && root->kind != YAML_MAP)
        return err_set(err, ERR_FORMAT, "%s: no levels; use patient, study, series, instance", file);
    const TagDictionary *dictionary = root ? tag_dictionary_load(arena, folder, err) : NULL;
    if (!dictionary)
        return err_wrap(err, "extended tags");
    Reading r = {arena, dictionary, folder, out, NULL, problems};
    out->list = arena_alloc(arena, ENTRIES_MAX * sizeof *out->list);
    r.accepted = arena_alloc(arena, ENTRIES_MAX * sizeof *r.accepted);
    read_levels(&r, root, kind, read);
    return true;
}

bool tags_read_list(Arena *arena, const char *folder, Tags *out, Buf *problems, Err *err)
{
    return read_file(arena, folder, TAGS_LIST, YAML_LIST, read_entry, out, problems, err);
}

static bool modified(const char *folder, const char *file, struct timespec *when)
{
    struct stat st;
    char *path = file_join(folder, file);
    bool there = stat(path, &st) == 0;
    free(path);
    if (there)
        *when = st.st_mtim;
    return there;
}

bool tags_load(Arena *arena, const char *folder, Tags *out, Buf *problems, Err *err)
{
    struct timespec made, listed;
    if (!modified(folder, TAGS_EXTENDED, &made))
        return tags_read_list(arena, folder, out, problems, err);
    if (modified(folder, TAGS_LIST, &listed) && listed.tv_sec > made.tv_sec)
        buf_printf(problems,
                   "%s was changed after %s was made, which counts; 'manage database extend' makes it anew\n",
                   TAGS_LIST, TAGS_EXTENDED);
    return read_file(arena, folder, TAGS_EXTENDED, YAML_MAP, read_definition, out, problems, err);
}

const IdxExtended *tags_for_index(Arena *arena, const Tags *tags)
{
    IdxExtended *list = arena_alloc(arena, (tags->count + 1) * sizeof *list);
    for (size_t i = 0; i < tags->count; i++)
        list[i] = tags->list[i].index;
    return list;
}
