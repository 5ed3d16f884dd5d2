// SPDX-License-Identifier: MIT
/*
 * Templates and the names they make. The first byte: what stands for missing attributes; four lines: the templates; the rest: a data set in explicit VR little
 * endian. Whatever they are, a name has four parts that are safe, and is the same when it is made again.
 */
#include "fuzz.h"

#include "base/file.h"
#include "dicom/dataset.h"
#include "dicom/uids.h"
#include "px/pytext.h"
#include "px/template.h"

#include <ctype.h>
#include <string.h>

enum { PARTS = 4, PART_MAX = 200 };

static void check_part(Span part)
{
    if (!part.n || part.n > PART_MAX || part.p[0] == '.')
        fuzz_broken();
    for (size_t i = 0; i < part.n; i++)
        if (part.p[i] >= 0x80 || (!isalnum(part.p[i]) && !strchr("._-", part.p[i])))
            fuzz_broken();
}

static void check_name(const char *name)
{
    Span rest = span_cstr(name), part;
    bool more = true;
    int parts = 0;
    while (span_split(&rest, '/', &part, &more)) {
        check_part(part);
        parts++;
    }
    if (parts != PARTS || !file_is_safe_relative(name))
        fuzz_broken();
}

/* Values as Python shows them are text. */
static void show_values(const DcmDataset *dataset)
{
    Buf text;
    buf_init(&text, 0);
    for (size_t i = 0; i < dataset->count; i++) {
        if (!px_python_text(dataset, &dataset->elements[i], &text) && text.n)
            fuzz_broken();
        if (!span_is_utf8(buf_span(&text)))
            fuzz_broken();
        buf_clear(&text);
    }
    buf_free(&text);
}

static void make_name(const PxTemplates *templates, Span bytes)
{
    static const DcmScanLimits limits = {.max_depth = 20, .max_elements = 20000, .max_taken_value = 1u << 20};
    DcmReadOptions read = {.tolerate_truncated = true, .limits = limits};
    Arena *arena = arena_new(0);
    Err err = {0};
    const DcmDataset *dataset = dcm_dataset_parse(
        arena, bytes, dcm_transfer_syntax(span_cstr(DCM_UID_ExplicitVRLittleEndian)), &read, &err);
    if (dataset)
        show_values(dataset);
    const char *name = dataset ? px_templates_path(templates, arena, dataset, &err) : NULL;
    if (name) {
        check_name(name);
        const char *again = px_templates_path(templates, arena, dataset, &err);
        if (!again || strcmp(name, again) != 0)
            fuzz_broken();
    } else if (!*err.text) {
        fuzz_broken();
    }
    arena_free(arena);
}

int fuzz_template(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    Arena *arena = arena_new(0);
    Span rest = span_of(data + 1, size - 1), line = {0};
    bool more = true;
    const char *texts[PARTS] = {"", "", "", ""};
    for (int i = 0; i < PARTS && span_split(&rest, '\n', &line, &more); i++)
        texts[i] = arena_span_cstr(arena, line);
    Err err = {0};
    PxTemplates *templates = px_templates_parse(&(PxTemplateTexts){texts[0], texts[1], texts[2], texts[3]},
                                                (PxMissing)(data[0] % 4), &err);
    if (templates)
        make_name(templates, more ? rest : (Span){0});
    else if (err.code != ERR_USAGE)
        fuzz_broken();
    px_templates_free(templates);
    arena_free(arena);
    return 0;
}
