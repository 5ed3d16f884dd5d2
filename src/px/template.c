// SPDX-License-Identifier: MIT
/* Templates: their presets, and from text to parts. */
#include "px/template_internal.h"

#include "dicom/dict.h"
#include "dicom/tags.h"

#include <stdlib.h>
#include <string.h>

#define ROOT  "%PatientID-%PatientName-%PatientBirthDate"
#define STUDY "%StudyDescription-%AccessionNumber-%StudyDate"
#define IMAGE "%_pad|4,0_InstanceNumber-%SOPInstanceUID.dcm"

const PxTemplateTexts px_templates_classic = {ROOT, STUDY, "%_pad|5,0_SeriesNumber-%SeriesDescription",
                                              IMAGE};
const PxTemplateTexts px_templates_push = {
    ROOT, STUDY "-%PatientAge-%AgeInDays",
    "%_pad|5,0_SeriesNumber-%SeriesDescription-%_md5|7_SeriesInstanceUID", IMAGE};
const PxTemplateTexts px_templates_newest = {ROOT, STUDY, "%SeriesDescription-%_seahash|7_SeriesInstanceUID",
                                             IMAGE};
const PxTemplateTexts px_templates_oxidicom = {
    ROOT, STUDY, "%_pad|5,0_SeriesNumber-%SeriesDescription-%_seahash|7_SeriesInstanceUID", IMAGE};

const PxTemplateTexts *px_templates_named(const char *name)
{
    static const struct {
        const char *name;
        const PxTemplateTexts *texts;
    } sets[] = {{"classic", &px_templates_classic},
                {"push", &px_templates_push},
                {"newest", &px_templates_newest},
                {"oxidicom", &px_templates_oxidicom}};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if (!strcmp(name, sets[i].name))
            return sets[i].texts;
    }
    return NULL;
}

bool px_missing_named(const char *name, PxMissing *out)
{
    static const char *const names[] = {[PX_MISSING_NAME] = "name",
                                        [PX_MISSING_BARE] = "bare",
                                        [PX_MISSING_HASH] = "hash",
                                        [PX_MISSING_REJECT] = "reject"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!strcmp(name, names[i])) {
            *out = (PxMissing)i;
            return true;
        }
    }
    return false;
}

/* -- from text to parts -- */

typedef struct Parser {
    PxTemplates *templates;
    const char *what; /* "root directory" … for err */
    Span all, rest;
    PxTemplate *out;
} Parser;

static bool is_letter_or_digit(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Letters and digits at the start of `s`. */
static Span run_of(Span s)
{
    size_t n = 0;
    while (n < s.n && is_letter_or_digit(s.p[n]))
        n++;
    return span_sub(s, 0, n);
}

static PxSubject subject_of(Span keyword)
{
    if (span_eq_cstr(keyword, "PatientAge"))
        return (PxSubject){SUBJECT_AGE, DCM_PatientAge};
    if (span_eq_cstr(keyword, "AgeInDays"))
        return (PxSubject){.kind = SUBJECT_AGE_IN_DAYS};
    const DcmDictEntry *entry = dcm_dict_keyword(keyword);
    return entry ? (PxSubject){SUBJECT_ELEMENT, entry->tag} : (PxSubject){.kind = SUBJECT_UNKNOWN};
}

/* The longest keyword that is known at the start of `s`, else all letters and digits there. */
static Span keyword_at(Span s, PxSubject *subject)
{
    Span run = run_of(s);
    for (size_t n = run.n; n > 0; n--) {
        *subject = subject_of(span_sub(run, 0, n));
        if (subject->kind != SUBJECT_UNKNOWN)
            return span_sub(run, 0, n);
    }
    *subject = (PxSubject){.kind = SUBJECT_UNKNOWN};
    return run;
}

static bool refuse(const Parser *p, const char *why, Err *err)
{
    return err_set(err, ERR_USAGE, "template of the %s, character %zu: %s", p->what, p->all.n - p->rest.n + 1,
                   why);
}

static PxPart *add(Parser *p, Err *err)
{
    if (p->out->count == TEMPLATE_PARTS_MAX) {
        refuse(p, "too many parts", err);
        return NULL;
    }
    return &p->out->parts[p->out->count++];
}

static bool add_literal(Parser *p, size_t n, Err *err)
{
    PxPart *part = n ? add(p, err) : NULL;
    if (n && !part)
        return false;
    if (part)
        part->text = arena_span_cstr(p->templates->arena, span_sub(p->rest, 0, n));
    p->rest = span_sub(p->rest, n, SIZE_MAX);
    return true;
}

static bool function_named(Span name, PxFunction *out)
{
    static const struct {
        const char *name;
        PxFunction function;
    } known[] = {{"pad", FN_PAD},       {"md5", FN_MD5},     {"seahash", FN_SEAHASH},
                 {"strmsk", FN_STRMSK}, {"nospc", FN_NOSPC}, {"name", FN_NAME}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (span_eq_cstr(name, known[i].name)) {
            *out = known[i].function;
            return true;
        }
    }
    return false;
}

static bool number(Span text, int64_t most, PxPart *part)
{
    int64_t n;
    if (!span_to_i64(text, 1, most, &n))
        return false;
    part->count = (uint32_t)n;
    return true;
}

/* "width,char" */
static bool pad_argument(Parser *p, Span argument, PxPart *part, Err *err)
{
    size_t comma = span_index(argument, ',');
    Span fill = comma == SIZE_MAX ? SPAN("0") : span_sub(argument, comma + 1, SIZE_MAX);
    if (argument.n && !number(span_sub(argument, 0, comma), TEMPLATE_PAD_MAX, part))
        return refuse(p, "pad wants a width from 1 to 200, and after a comma the character", err);
    if (span_utf8_length(fill) != fill.n || !fill.n)
        return refuse(p, "pad wants one character after the comma", err);
    part->fill = arena_span_cstr(p->templates->arena, fill);
    return true;
}

/* pypx writes the first letter of the other keyword small. */
static bool name_argument(Parser *p, Span argument, PxPart *part, Err *err)
{
    part->seed = part->subject;
    if (!argument.n)
        return true;
    char *keyword = arena_span_cstr(p->templates->arena, argument);
    if (*keyword >= 'a' && *keyword <= 'z')
        *keyword -= 'a' - 'A';
    part->seed = subject_of(span_cstr(keyword));
    return part->seed.kind != SUBJECT_UNKNOWN ||
           refuse(p, "the argument of name is no keyword of the DICOM dictionary", err);
}

static bool take_argument(Parser *p, Span argument, PxPart *part, Err *err)
{
    switch (part->function) {
    case FN_PAD:
        return pad_argument(p, argument, part, err);
    case FN_MD5:
        return !argument.n || number(argument, 32, part) || refuse(p, "md5 has 1 to 32 digits", err);
    case FN_SEAHASH:
        return !argument.n || number(argument, 16, part) || refuse(p, "seahash has 1 to 16 digits", err);
    case FN_NAME:
        return name_argument(p, argument, part, err);
    case FN_STRMSK:
        if (!argument.n)
            return refuse(p, "strmsk wants a mask", err);
        break;
    case FN_NOSPC:
    case FN_NONE:
        break;
    }
    part->fill = arena_span_cstr(p->templates->arena, argument);
    return true;
}

/* "_function|argument_Keyword" behind the per cent sign; `*n`: its length. */
static bool take_function(Parser *p, Span s, PxPart *part, size_t *n, Err *err)
{
    Span name = run_of(span_sub(s, 1, SIZE_MAX)), argument = {0};
    if (!function_named(name, &part->function))
        return refuse(p, "there are the functions pad, md5, seahash, strmsk, nospc and name", err);
    *n = 1 + name.n;
    if (*n < s.n && s.p[*n] == '|') {
        argument = span_sub(s, *n + 1, SIZE_MAX);
        size_t end = span_index(argument, '_');
        argument = span_sub(argument, 0, end);
        *n += 1 + argument.n;
    }
    if (*n >= s.n || s.p[*n] != '_')
        return refuse(p, "a function is followed by '_' and a keyword", err);
    Span keyword = keyword_at(span_sub(s, ++*n, SIZE_MAX), &part->subject);
    if (!keyword.n)
        return refuse(p, "a function is followed by '_' and a keyword", err);
    part->keyword = arena_span_cstr(p->templates->arena, keyword);
    *n += keyword.n;
    return take_argument(p, argument, part, err);
}

/* What a per cent sign begins. */
static bool take_tag(Parser *p, Err *err)
{
    Span s = span_sub(p->rest, 1, SIZE_MAX);
    size_t n = 0;
    PxPart found = {0};
    if (s.n && s.p[0] == '_') {
        if (!take_function(p, s, &found, &n, err))
            return false;
    } else {
        Span keyword = keyword_at(s, &found.subject);
        if (!keyword.n)
            return add_literal(p, 1, err);
        found.keyword = arena_span_cstr(p->templates->arena, keyword);
        n = keyword.n;
    }
    if (found.subject.kind == SUBJECT_UNKNOWN && p->templates->missing == PX_MISSING_REJECT)
        return refuse(p, "the keyword is not in the DICOM dictionary", err);
    PxPart *part = add(p, err);
    if (!part)
        return false;
    *part = found;
    p->rest = span_sub(p->rest, 1 + n, SIZE_MAX);
    return true;
}

static bool parse(Parser *p, Err *err)
{
    if (!p->rest.n)
        return err_set(err, ERR_USAGE, "the template of the %s is empty", p->what);
    if (p->rest.n > TEMPLATE_TEXT_MAX)
        return err_set(err, ERR_USAGE, "the template of the %s is longer than %d bytes", p->what,
                       TEMPLATE_TEXT_MAX);
    while (p->rest.n) {
        size_t literal = span_index(p->rest, '%');
        if (!add_literal(p, literal < p->rest.n ? literal : p->rest.n, err))
            return false;
        if (p->rest.n && !take_tag(p, err))
            return false;
    }
    return true;
}

PxTemplates *px_templates_parse(const PxTemplateTexts *texts, PxMissing missing, Err *err)
{
    static const char *const names[] = {"root directory", "study directory", "series directory", "image"};
    const char *const all[] = {texts->root, texts->study, texts->series, texts->image};
    Arena *arena = arena_new(0);
    PxTemplates *templates = arena_alloc(arena, sizeof *templates);
    templates->arena = arena;
    templates->missing = missing;
    for (int i = 0; i < PX_LEVELS; i++) {
        Span text = span_cstr(all[i]);
        Parser parser = {templates, names[i], text, text, &templates->levels[i]};
        if (!parse(&parser, err)) {
            px_templates_free(templates);
            return NULL;
        }
    }
    return templates;
}

void px_templates_free(PxTemplates *templates)
{
    if (templates)
        arena_free(templates->arena);
}

/* -- what they need -- */

static bool wants(const PxSubject *subject, DcmTag tag)
{
    bool of_age = tag == DCM_PatientBirthDate || tag == DCM_StudyDate;
    return (subject->kind == SUBJECT_ELEMENT && subject->tag == tag) ||
           (subject->kind == SUBJECT_AGE && (of_age || tag == DCM_PatientAge)) ||
           (subject->kind == SUBJECT_AGE_IN_DAYS && of_age);
}

static bool names_a_level(DcmTag tag)
{
    return tag == DCM_PatientID || tag == DCM_StudyInstanceUID || tag == DCM_SeriesInstanceUID ||
           tag == DCM_SOPInstanceUID;
}

bool px_templates_want(const PxTemplates *templates, DcmTag tag)
{
    if (tag == DCM_SpecificCharacterSet || (templates->missing == PX_MISSING_HASH && names_a_level(tag)))
        return true;
    for (const PxTemplate *level = templates->levels; level < templates->levels + PX_LEVELS; level++)
        for (const PxPart *part = level->parts; part < level->parts + level->count; part++)
            if (wants(&part->subject, tag) || wants(&part->seed, tag))
                return true;
    return false;
}
