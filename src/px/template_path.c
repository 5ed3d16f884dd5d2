// SPDX-License-Identifier: MIT
/* Templates: from an object's attributes to its path (the rules stand in template.h). */
#include "px/template_internal.h"

#include "dicom/tags.h"
#include "px/seahash.h"

#include <inttypes.h>
#include <stdio.h>

enum { COMPONENT_MAX = 200, EXTENSION_MAX = 8, LOST_DIGITS = 10, HASH_DIGITS = 16, MISSING_DIGITS = 7 };

static bool stays(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

static bool is_ascii(Span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] >= 0x80)
            return false;
    }
    return true;
}

static void append_hash(Buf *out, Span of, int digits)
{
    char hex[17];
    snprintf(hex, sizeof hex, "%016" PRIx64, px_seahash(of));
    buf_printf(out, "_%.*s", digits, hex);
}

/* What names the patient, study, series or object a component stands for. A patient without ID is as many as there are studies. */
static void append_missing_hash(PxLevel level, const DcmDataset *dataset, Buf *out)
{
    static const DcmTag tags[] = {DCM_PatientID, DCM_StudyInstanceUID, DCM_SeriesInstanceUID,
                                  DCM_SOPInstanceUID};
    Buf id;
    buf_init(&id, 0);
    if (!template_element(dataset, tags[level], &id) || !id.n)
        template_element(dataset, DCM_StudyInstanceUID, &id);
    char hex[17];
    snprintf(hex, sizeof hex, "%016" PRIx64, px_seahash(buf_span(&id)));
    buf_append(out, hex, MISSING_DIGITS);
    buf_free(&id);
}

static bool append_missing(const PxTemplates *t, PxLevel level, const PxPart *part, const DcmDataset *dataset,
                           Buf *out, Err *err)
{
    switch (t->missing) {
    case PX_MISSING_NAME:
        return buf_printf(out, "_%s", part->keyword);
    case PX_MISSING_BARE:
        return buf_append_cstr(out, part->keyword);
    case PX_MISSING_HASH:
        append_missing_hash(level, dataset, out);
        return true;
    case PX_MISSING_REJECT:
        break;
    }
    return err_set(err, ERR_REFUSED, "the object has no %s, which the template of its name wants",
                   part->keyword);
}

/* The text of a component, before it is made safe. */
static bool expand(const PxTemplates *t, PxLevel level, const DcmDataset *dataset, Buf *out, Err *err)
{
    const PxTemplate *template = &t->levels[level];
    for (const PxPart *part = template->parts; part < template->parts + template->count; part++) {
        size_t before = out->n;
        bool found = true;
        if (!part->keyword)
            buf_append_cstr(out, part->text);
        else if (!template_value(part, dataset, out, &found, err) ||
                 (!found && !append_missing(t, level, part, dataset, out, err)))
            return false;
        Span value = span_sub(buf_span(out), before, SIZE_MAX);
        if (part->keyword && found && !is_ascii(value))
            append_hash(out, value, LOST_DIGITS);
    }
    return true;
}

static void make_safe(Span text, Buf *out)
{
    if (!text.n || text.p[0] == '.')
        buf_u8(out, '_');
    for (size_t i = 0; i < text.n; i++) {
        if (stays(text.p[i]))
            buf_u8(out, text.p[i]);
        else if (i == 0 || stays(text.p[i - 1]))
            buf_u8(out, '_');
    }
}

/* ".dcm" of an image's name; empty when it has none. */
static Span extension_of(Span name)
{
    for (size_t n = 1; n <= EXTENSION_MAX && n < name.n; n++) {
        if (name.p[name.n - n] == '.')
            return span_sub(name, name.n - n, n);
    }
    return (Span){0};
}

static void shorten(PxLevel level, Buf *component)
{
    if (component->n <= COMPONENT_MAX)
        return;
    Span whole = buf_span(component), extension = level == PX_IMAGE ? extension_of(whole) : (Span){0};
    char kept[EXTENSION_MAX + 1];
    span_copy(extension, kept, sizeof kept);
    uint64_t hash = px_seahash(whole);
    component->n = COMPONENT_MAX - HASH_DIGITS - 1 - extension.n;
    buf_printf(component, "_%016" PRIx64 "%s", hash, kept);
}

const char *px_templates_path(const PxTemplates *templates, Arena *arena, const DcmDataset *dataset, Err *err)
{
    Buf text, component, path;
    buf_init(&text, 0);
    buf_init(&component, 0);
    buf_init(&path, 0);
    const char *out = NULL;
    for (PxLevel level = PX_ROOT; level < PX_LEVELS; level++) {
        buf_clear(&text);
        buf_clear(&component);
        if (!expand(templates, level, dataset, &text, err))
            goto done;
        make_safe(buf_span(&text), &component);
        shorten(level, &component);
        if (level)
            buf_u8(&path, '/');
        buf_append_span(&path, buf_span(&component));
    }
    out = arena_span_cstr(arena, buf_span(&path));
done:
    buf_free(&text);
    buf_free(&component);
    buf_free(&path);
    return out;
}
