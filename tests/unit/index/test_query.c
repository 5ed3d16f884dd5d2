// SPDX-License-Identifier: MIT
/*
 * Queries against a brute-force search with dicom/match.h over everything that was put: random keys at all levels, with values taken from the
 * objects and changed. The seed is fixed; GANTRY_SEED gives another one.
 */
#include "fixture.h"

#include "index/attributes.h"
#include "index/tables.h"

enum { PATIENTS = 24, STUDIES = 60, SERIES = 130, OBJECTS = 420, QUERIES = 3000, TEXT = 4096 };

/* -- chance -- */

static uint64_t chance_state = 0x9E3779B97F4A7C15u;

static uint32_t chance(uint32_t below)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return (uint32_t)(chance_state >> 32) % below;
}

#define PICK(array) ((array)[chance((uint32_t)(sizeof(array) / sizeof *(array)))])

static const char *const names[] = {
    "Doe^Jane",
    "DOE^JOHN^^Dr",
    "doe^jane^^^",
    "M\xc3\xbcller^J\xc3\xb6rg",
    "Muller^Jorg",
    "Yamada^Tarou=\xe5\xb1\xb1\xe7\x94\xb0^\xe5\xa4\xaa\xe9\x83\x8e="
    "\xe3\x82\x84\xe3\x81\xbe\xe3\x81\xa0^\xe3\x81\x9f\xe3\x82\x8d\xe3\x81\x86",
    "=\xe5\xb1\xb1\xe7\x94\xb0^\xe8\x8a\xb1\xe5\xad\x90",
    "\xef\xbe\x94\xef\xbe\x8f\xef\xbe\x80\xef\xbe\x9e^\xef\xbe\x80\xef\xbe\x9b\xef\xbd\xb3",
    "\xea\xb9\x80^\xed\x9d\xac\xec\xa4\x91",
    "O'Brien^\"Pat\"; DROP TABLE patient;--",
    "100%^_x_",
    "a*b?c^[d]",
    "Smith\\Jones^Mary",
    "Smith ^ John",
    "\xef\xbc\xa1lpha^Wide",
    ("Stra\xc3\x9f"
     "e^\xc3\x86sir"),
    "^^^",
    "A\xef\xbc\xbcZ^Backslash",
    "X"};
static const char *const texts[] = {"Head",
                                    "HEAD CT",
                                    "head ct",
                                    "Thorax/Abdomen",
                                    "100%",
                                    "a_b",
                                    "a*b",
                                    "a?b",
                                    "it's",
                                    "\"quoted\"",
                                    "A\\B",
                                    "A\\\\C",
                                    "K\xc3\xb6ln",
                                    "\xe5\xb1\xb1\xe7\x94\xb0",
                                    "x=y",
                                    "  padded  ",
                                    "[a-z]",
                                    "1.2.840",
                                    "Unknown",
                                    "7",
                                    "CT",
                                    "\x7f",
                                    "{}",
                                    ("\xef\xbc\xa8\xef\xbd\x85"
                                     "ad")};
static const char *const dates[] = {"20200102", "20200103", "19991231", "2020.01.05",
                                    "20210304", "2021",     "garbage",  "20200102\\20210304",
                                    "00000000", "20200229", "20201301", "19700101"};
static const char *const times[] = {"101530",   "10",     "1015", "101530.123456",
                                    "23:59:59", "000000", "late", "120000"};
static const char *const numbers[] = {"1", "007", "-3", "2\\5", "12", "+4", "many", "1000000"};
static const char *const codes[] = {"CT", "MR", "US", "ct", "MR\\CT", "Unknown", "LONGMODALITY16CH",
                                    "F",  "M",  "O"};
static const char *const charsets[] = {"ISO_IR 192", "ISO_IR 192", "ISO_IR 100", ""};

static const char *value_for(DcmVr vr)
{
    switch ((int)vr) {
    case DCM_VR_PN:
        return PICK(names);
    case DCM_VR_DA:
        return PICK(dates);
    case DCM_VR_TM:
        return PICK(times);
    case DCM_VR_DT:
        return "20200102101530.000000+0100";
    case DCM_VR_IS:
    case DCM_VR_DS:
        return PICK(numbers);
    case DCM_VR_CS:
        return PICK(codes);
    case DCM_VR_AS:
        return chance(2) ? "042Y" : "003M";
    case DCM_VR_UI:
        return chance(2) ? "1.2.3" : "1.2.840.10008.5.1.4.1.1.2";
    default:
        return PICK(texts);
    }
}

/* -- extended attributes -- */

/* What the base table has without a column, cut short; what it does not have; what lies in sequences, the same in two of them. */
static const IdxExtended extended[] = {
    {DCM_LEVEL_PATIENT, DCM_EthnicGroup, .vr = DCM_VR_SH, .column = "ethnic_group", .chars = 5},
    {DCM_LEVEL_PATIENT, DCM_PatientReligiousPreference, .vr = DCM_VR_LO, .column = "order", .chars = 64},
    {DCM_LEVEL_STUDY, DCM_MedicalAlerts, .vr = DCM_VR_LO, .column = "medical_alerts", .chars = 3},
    {DCM_LEVEL_STUDY, DCM_StudyTime, .vr = DCM_VR_TM, .column = "study_time", .chars = 128},
    {DCM_LEVEL_SERIES, DCM_ScanningSequence, .vr = DCM_VR_CS, .column = "scanning_sequence", .chars = 4},
    {DCM_LEVEL_SERIES, DCM_SliceThickness, .vr = DCM_VR_DS, .column = "slice_thickness", .chars = 128},
    {DCM_LEVEL_SERIES, DCM_AcquisitionMatrix, .vr = DCM_VR_US, .column = "acquisition_matrix", .chars = 1},
    {DCM_LEVEL_SERIES, DCM_PerformingPhysicianName, .vr = DCM_VR_PN, .column = "physician", .chars = 8},
    {DCM_LEVEL_IMAGE, DCM_Rows, .vr = DCM_VR_US, .column = "rows", .chars = 16},
    {DCM_LEVEL_IMAGE, DCM_ImageType, .vr = DCM_VR_CS, .column = "image_type", .chars = 16},
    {DCM_LEVEL_IMAGE, DCM_ImageComments, .vr = DCM_VR_LT, .column = "image_comments"},
    {DCM_LEVEL_IMAGE, DCM_IrradiationEventUID, .vr = DCM_VR_UI, .column = "event", .chars = 512},
    {DCM_LEVEL_IMAGE, DCM_CodeValue, {DCM_ReferencedImageSequence}, 1, DCM_VR_SH, "code_value", 6},
    {DCM_LEVEL_IMAGE, DCM_CodeValue, {DCM_SourceImageSequence}, 1, DCM_VR_SH, "source_code_value", 16},
};
static const IdxAttributes *attributes;

/* -- the world -- */

typedef struct World {
    DcmDataset *object[OBJECTS], *candidate[OBJECTS];
    int part[OBJECTS][DCM_LEVEL_COUNT]; /* which patient, study, series, instance */
} World;

static DcmVr vr_of(DcmTag tag)
{
    Arena *arena = arena_new(0);
    DcmDataset *ds = dcm_dataset_new(arena);
    DcmVr vr = dcm_put(ds, tag, DCM_VR_NONE, (Span){NULL, 0})->vr;
    arena_free(arena);
    return vr;
}

static void put_code_item(DcmDataset *ds, DcmTag tag)
{
    dcm_put_sequence(ds, tag);
    for (uint32_t i = 0; i < 1 + chance(2); i++) {
        DcmDataset *item = dcm_add_item(ds, tag);
        dcm_put_utf8(item, DCM_CodeValue, PICK(texts));
        if (chance(2))
            dcm_put_utf8(item, DCM_CodeMeaning, PICK(texts));
        dcm_put_utf8(item, DCM_ReferencedSOPInstanceUID, value_for(DCM_VR_UI));
    }
}

static void put_some_value(DcmDataset *ds, DcmTag tag)
{
    static const uint8_t hostile[] = {'A', 0, 'B', '\\', 'C', 0};
    DcmVr vr = vr_of(tag);
    uint32_t die = chance(100);
    if (die < 25)
        return;
    if (vr == DCM_VR_SQ)
        put_code_item(ds, tag);
    else if (vr == DCM_VR_US)
        dcm_put_u16(ds, tag, (uint16_t)chance(3));
    else if (die < 30)
        dcm_put(ds, tag, vr, (Span){NULL, 0});
    else if (die < 32 && (vr == DCM_VR_LO || vr == DCM_VR_PN || vr == DCM_VR_SH))
        dcm_put(ds, tag, vr, span_of(hostile, sizeof hostile));
    else if (die < 34 && (vr == DCM_VR_LO || vr == DCM_VR_PN))
        dcm_put(ds, tag, vr,
                SPAN("A\xff\xfe"
                     "B"));
    else if (die < 36 && (vr == DCM_VR_LO || vr == DCM_VR_PN || vr == DCM_VR_SH)) {
        char longer[301];
        memset(longer, 'y', 300);
        longer[300] = 0;
        memcpy(longer, "long", 4);
        dcm_put_utf8(ds, tag, longer);
    } else
        dcm_put_utf8(ds, tag, value_for(vr));
}

/* The attributes of one level of one entity: the same for all objects below it. */
static DcmDataset *entity(Arena *arena, DcmLevel level, const char *charset, const char *key)
{
    DcmDataset *ds = dcm_dataset_new(arena);
    dcm_put_utf8(ds, DCM_SpecificCharacterSet, charset);
    size_t n;
    const IdxAttribute *a = idx_attributes(attributes, level, &n);
    for (size_t i = 0; i < n; i++) {
        bool twice =
            level == DCM_LEVEL_SERIES && (a[i].tag == DCM_ProtocolName || a[i].tag == DCM_InstitutionName);
        if (!a[i].parents && a[i].kind != IDX_LIST && a[i].kind != IDX_COUNT && a[i].kind != IDX_KEY &&
            !twice)
            put_some_value(ds, a[i].tag);
    }
    if (key)
        dcm_put_utf8(ds, dcm_level_unique_key(level), key);
    return ds;
}

static void copy_to(DcmDataset *to, const DcmDataset *from)
{
    for (size_t i = 0; i < from->count; i++)
        if (from->elements[i].tag != DCM_SpecificCharacterSet)
            dcm_copy(to, from, &from->elements[i]);
}

static const char *patient_key(Arena *arena, int i)
{
    static const char *const odd[] = {NULL, "P%", "P_1",  "P*1",          "P?1",
                                      "p1", "P1", "it's", "\xe5\xb1\xb1", "P 1"};
    return i < 10 ? odd[i] : arena_printf(arena, "PID%04d", i);
}

static void make_world(Arena *arena, World *w)
{
    DcmDataset *level[DCM_LEVEL_COUNT][OBJECTS];
    int above[DCM_LEVEL_COUNT][OBJECTS];
    const char *charset[PATIENTS];
    static const int counts[] = {PATIENTS, STUDIES, SERIES, OBJECTS};
    for (int l = 0; l < DCM_LEVEL_COUNT; l++)
        for (int i = 0; i < counts[l]; i++) {
            above[l][i] = l == 0 ? 0 : i < counts[l - 1] ? i : (int)chance((uint32_t)counts[l - 1]);
            int patient = i;
            for (int k = l; k > 0; k--)
                patient = above[k][patient];
            if (l == 0)
                charset[i] = PICK(charsets);
            const char *key = l == 0 ? patient_key(arena, i) : arena_printf(arena, "1.%d.%d", l, i);
            level[l][i] = entity(arena, (DcmLevel)l, charset[patient], key);
        }
    for (int i = 0; i < OBJECTS; i++) {
        int at = i;
        DcmDataset *ds = dcm_dataset_new(arena);
        for (int l = DCM_LEVEL_IMAGE; l >= 0; l--) {
            w->part[i][l] = at;
            if (l == DCM_LEVEL_IMAGE)
                dcm_copy(ds, level[l][at], dcm_find(level[l][at], DCM_SpecificCharacterSet));
            copy_to(ds, level[l][at]);
            at = above[l][at];
        }
        w->object[i] = ds;
    }
}

/* Different values of `tag` in the objects that share part `l` with object `of`, in order, joined by backslash. */
static const char *gather(Arena *arena, const World *w, int of, int l, DcmTag tag)
{
    const char *list = "";
    for (int i = 0; i < OBJECTS; i++) {
        const DcmElement *e = w->part[i][l] == w->part[of][l] ? dcm_find(w->object[i], tag) : NULL;
        Span rest = e ? span_rtrim(e->value) : (Span){NULL, 0}, value;
        bool more = e != NULL;
        while (span_split(&rest, '\\', &value, &more)) {
            Span have, all = span_cstr(list);
            bool more_have = true, there = false;
            value = span_trim(value);
            while (span_split(&all, '\\', &have, &more_have))
                there |= span_eq(have, value);
            if (!there && value.n)
                list = arena_printf(arena, "%s%s%.*s", list, *list ? "\\" : "", SPAN_FMT(value));
        }
    }
    return list;
}

/* How many parts `below` are there in part `l` of object `of`. */
static int count_parts(const World *w, int of, int l, int below)
{
    bool seen[OBJECTS] = {false};
    int n = 0;
    for (int i = 0; i < OBJECTS; i++)
        if (w->part[i][l] == w->part[of][l] && !seen[w->part[i][below]]) {
            seen[w->part[i][below]] = true;
            n++;
        }
    return n;
}

/* Sequences of which only the code values are indexed; that of the first one's first item counts as one of the object. */
static void trim_sequences(const DcmDataset *from, DcmDataset *to)
{
    static const DcmTag sequences[] = {DCM_ReferencedImageSequence, DCM_SourceImageSequence};
    for (size_t i = 0; i < 2; i++) {
        const DcmElement *e = dcm_find(from, sequences[i]), *code;
        if (!e)
            continue;
        dcm_put_sequence(to, sequences[i]);
        for (uint32_t k = 0; k < e->item_count; k++) {
            DcmDataset *item = dcm_add_item(to, sequences[i]);
            if (!(code = dcm_find(e->items[k], DCM_CodeValue)))
                continue;
            dcm_copy(item, e->items[k], code);
            if (i == 0 && k == 0)
                dcm_copy(to, e->items[k], code);
        }
    }
}

/* The object, and what a server computes. */
static void make_candidates(Arena *arena, World *w)
{
    static const struct {
        DcmTag tag;
        DcmLevel of, below;
    } counts[] = {{DCM_NumberOfPatientRelatedStudies, DCM_LEVEL_PATIENT, DCM_LEVEL_STUDY},
                  {DCM_NumberOfPatientRelatedSeries, DCM_LEVEL_PATIENT, DCM_LEVEL_SERIES},
                  {DCM_NumberOfPatientRelatedInstances, DCM_LEVEL_PATIENT, DCM_LEVEL_IMAGE},
                  {DCM_NumberOfStudyRelatedSeries, DCM_LEVEL_STUDY, DCM_LEVEL_SERIES},
                  {DCM_NumberOfStudyRelatedInstances, DCM_LEVEL_STUDY, DCM_LEVEL_IMAGE},
                  {DCM_NumberOfSeriesRelatedInstances, DCM_LEVEL_SERIES, DCM_LEVEL_IMAGE}};
    for (int i = 0; i < OBJECTS; i++) {
        DcmDataset *ds = dcm_dataset_new(arena);
        dcm_put_utf8(ds, DCM_SpecificCharacterSet,
                     dcm_text(arena, w->object[i], DCM_SpecificCharacterSet, 0));
        copy_to(ds, w->object[i]);
        for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
            dcm_put_printf(ds, counts[k].tag, "%d", count_parts(w, i, counts[k].of, counts[k].below));
        dcm_put_utf8(ds, DCM_ModalitiesInStudy, gather(arena, w, i, DCM_LEVEL_STUDY, DCM_Modality));
        dcm_put_utf8(ds, DCM_SOPClassesInStudy, gather(arena, w, i, DCM_LEVEL_STUDY, DCM_SOPClassUID));
        trim_sequences(w->object[i], ds);
        w->candidate[i] = ds;
    }
}

/* -- random keys -- */

static void change_text(char *text, uint32_t how)
{
    size_t n = strlen(text);
    size_t at = n ? chance((uint32_t)n) : 0;
    /* Only between characters. */
    while (at && ((uint8_t)text[at] & 0xC0) == 0x80)
        at--;
    switch (how) {
    case 0:
        snprintf(text + at, TEXT - at, "*");
        break;
    case 1:
        memmove(text + 1, text + at, n - at + 1);
        text[0] = '*';
        break;
    case 2:
        if (n && (uint8_t)text[at] < 0x80)
            text[at] = '?';
        break;
    case 3:
        for (char *p = text; *p; p++)
            if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z'))
                *p ^= 0x20;
        break;
    case 4:
        snprintf(text + n, TEXT - n, "\\other");
        break;
    case 5:
        snprintf(text + at, TEXT - at, n ? "*e*" : "*");
        break;
    case 6:
        snprintf(text + n, TEXT - n, "^");
        break;
    default:
        break;
    }
}

static void range_text(char *text, const char *a, const char *b)
{
    switch (chance(4)) {
    case 0:
        snprintf(text, TEXT, "%s-%s", strcmp(a, b) < 0 ? a : b, strcmp(a, b) < 0 ? b : a);
        break;
    case 1:
        snprintf(text, TEXT, "-%s", b);
        break;
    case 2:
        snprintf(text, TEXT, "%s-", a);
        break;
    default:
        snprintf(text, TEXT, "%s", a);
        break;
    }
}

static void random_key(Arena *arena, const World *w, DcmDataset *keys, DcmTag tag)
{
    const DcmDataset *from = w->candidate[chance(OBJECTS)];
    const DcmElement *e = dcm_find(from, tag);
    DcmVr vr = vr_of(tag);
    char text[TEXT];
    if (vr == DCM_VR_SQ) {
        dcm_put_sequence(keys, tag);
        DcmDataset *item = dcm_add_item(keys, tag);
        const DcmDataset *theirs = e && e->item_count ? e->items[0] : NULL;
        if (theirs && theirs->count)
            dcm_copy(item, theirs, &theirs->elements[chance((uint32_t)theirs->count)]);
        return;
    }
    if (vr == DCM_VR_US) {
        dcm_put_u16(keys, tag, (uint16_t)chance(4));
        return;
    }
    snprintf(text, sizeof text - 64, "%s", e ? dcm_element_text_all(arena, from, e) : value_for(vr));
    if ((vr == DCM_VR_DA || vr == DCM_VR_TM) && chance(2))
        range_text(text, value_for(vr), value_for(vr));
    else if (vr == DCM_VR_UI && chance(2))
        snprintf(text + strlen(text), 64, "\\1.%u.%u", 1 + chance(3), chance(OBJECTS));
    else
        change_text(text, chance(14));
    dcm_put_utf8(keys, tag, text);
}

static DcmTag random_tag(void)
{
    size_t n;
    const IdxAttribute *a = idx_attributes(attributes, (DcmLevel)chance(DCM_LEVEL_COUNT), &n);
    static const DcmTag often[] = {
        DCM_PatientName,           DCM_PatientID,      DCM_StudyDate,        DCM_ModalitiesInStudy,
        DCM_AccessionNumber,       DCM_Modality,       DCM_StudyTime,        DCM_StudyInstanceUID,
        DCM_SeriesInstanceUID,     DCM_SOPInstanceUID, DCM_PatientBirthDate, DCM_StudyDescription,
        DCM_ReferringPhysicianName};
    if (chance(4) == 0)
        return PICK(extended).tag;
    return chance(2) ? PICK(often) : a[chance((uint32_t)n)].tag;
}

/* -- brute force -- */

static bool matches(const World *w, int object, const DcmDataset *keys, DcmLevel level, bool below,
                    const DcmMatchOptions *options)
{
    for (size_t i = 0; i < keys->count; i++) {
        const DcmElement *key = &keys->elements[i];
        const IdxAttribute *a = idx_attribute(attributes, key->tag, level);
        if (a && (a->level > level) == below && !dcm_match_element(keys, key, w->candidate[object], options))
            return false;
    }
    return true;
}

static void brute_force(const World *w, const DcmDataset *keys, DcmLevel level,
                        const DcmMatchOptions *options, bool found[OBJECTS])
{
    memset(found, 0, OBJECTS * sizeof *found);
    for (int i = 0; i < OBJECTS; i++)
        if (!found[w->part[i][level]] && matches(w, i, keys, level, false, options) &&
            matches(w, i, keys, level, true, options))
            found[w->part[i][level]] = true;
}

/* -- comparing -- */

static int part_of_answer(const World *w, Arena *arena, DcmLevel level, const DcmDataset *answer)
{
    DcmTag tag = dcm_level_unique_key(level);
    const char *key = dcm_text_all(arena, answer, tag);
    for (int i = 0; i < OBJECTS; i++) {
        const char *theirs = dcm_text_all(arena, w->object[i], tag);
        if (strcmp(theirs ? theirs : "", key ? key : "") == 0)
            return w->part[i][level];
    }
    return -1;
}

static void describe(const DcmDataset *keys, DcmLevel level, const DcmMatchOptions *o)
{
    Buf out;
    buf_init(&out, 0);
    for (size_t i = 0; i < keys->count; i++) {
        buf_append_cstr(&out, "  ");
        dcm_element_describe(keys, &keys->elements[i], &out);
        buf_append_cstr(&out, "\n");
    }
    print_error("level %s, names %d, accents %d, text %d, combined %d\n%s", dcm_level_name(level),
                o->fold_names, o->fold_accents, o->fold_text, o->combined_datetime, buf_cstr(&out));
    buf_free(&out);
}

static size_t compare(Fixture *f, const World *w, const DcmDataset *keys, DcmLevel level,
                      const DcmMatchOptions *options, uint64_t limit, uint64_t offset, Arena *arena)
{
    bool expected[OBJECTS], got[OBJECTS] = {false};
    size_t n = 0, wanted = 0;
    brute_force(w, keys, level, options, expected);
    for (int i = 0; i < OBJECTS; i++)
        wanted += expected[i];
    IdxQuery query = {.level = level, .keys = keys, .match = *options, .limit = limit, .offset = offset};
    IdxCursor *cursor = idx_query(f->index, &query, &f->err);
    ASSERT_OK(f, cursor);
    for (;; n++) {
        IdxRow row;
        ASSERT_OK(f, idx_next(cursor, arena, &row, &f->err));
        if (!row.attributes)
            break;
        int part = part_of_answer(w, arena, level, row.attributes);
        if (part < 0 || got[part] || !expected[part]) {
            describe(keys, level, options);
            fail_msg("answer %zu is %s", n, part < 0 ? "unknown" : got[part] ? "there twice" : "wrong");
        }
        got[part] = true;
    }
    idx_cursor_free(cursor);
    size_t left = wanted > offset ? wanted - offset : 0;
    size_t should = limit && limit < left ? limit : left;
    if (n != should) {
        describe(keys, level, options);
        fail_msg("%zu answers, %zu expected", n, should);
    }
    return n;
}

static World *world;

static int fill(void **state)
{
    fixture_extended = extended;
    fixture_extended_count = sizeof extended / sizeof *extended;
    if (fixture_setup(state))
        return -1;
    Fixture *f = *state;
    attributes = idx_attributes_of(f->index);
    const char *seed = getenv("GANTRY_SEED");
    if (seed)
        chance_state ^= strtoull(seed, NULL, 0) * 0x2545F4914F6CDD1Du;
    World *w = world = arena_alloc(f->arena, sizeof *w);
    make_world(f->arena, w);
    make_candidates(f->arena, w);
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    for (int i = 0; i < OBJECTS; i++)
        ASSERT_OK(f, put(f, w->object[i]));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    return 0;
}

/* -- tests -- */

static void random_queries_answer_as_brute_force(void **state)
{
    Fixture *f = *state;
    size_t answers = 0, with_answers = 0;
    for (int i = 0; i < QUERIES; i++) {
        Arena *arena = arena_new(0);
        DcmDataset *keys = dcm_dataset_new(arena);
        dcm_put_utf8(keys, DCM_SpecificCharacterSet, PICK(charsets));
        for (uint32_t k = 1 + chance(3); k > 0; k--)
            random_key(arena, world, keys, random_tag());
        DcmMatchOptions options = {.fold_names = chance(2),
                                   .fold_accents = chance(2),
                                   .fold_text = chance(3) == 0,
                                   .combined_datetime = chance(3) == 0};
        uint64_t limit = chance(4) == 0 ? 1 + chance(5) : 0, offset = chance(4) == 0 ? chance(5) : 0;
        size_t n = compare(f, world, keys, (DcmLevel)chance(DCM_LEVEL_COUNT), &options, limit, offset, arena);
        answers += n;
        with_answers += n > 0;
        arena_free(arena);
    }
    print_message("%zu answers, %zu of %d queries had some\n", answers, with_answers, QUERIES);
    assert_true(with_answers > QUERIES / 4);
}

static void pages_follow_each_other(void **state)
{
    Fixture *f = *state;
    for (int level = 0; level < DCM_LEVEL_COUNT; level++) {
        const char *all, *pages = "";
        DcmTag tag = dcm_level_unique_key((DcmLevel)level);
        DcmDataset *keys = object_of(f->arena, DCM_PatientID, "*", 0);
        size_t total = ask(f, (DcmLevel)level, keys, (DcmMatchOptions){0}, tag, &all), seen = 0;
        for (size_t n = 1; n; seen += n) {
            IdxQuery query = {.level = (DcmLevel)level, .keys = keys, .limit = 7, .offset = seen};
            IdxCursor *cursor = idx_query(f->index, &query, &f->err);
            ASSERT_OK(f, cursor);
            for (n = 0;; n++) {
                IdxRow row;
                ASSERT_OK(f, idx_next(cursor, f->arena, &row, &f->err));
                if (!row.attributes)
                    break;
                pages = arena_printf(f->arena, "%s%s%s", pages, *pages ? "|" : "",
                                     dcm_text_all(f->arena, row.attributes, tag));
            }
            idx_cursor_free(cursor);
        }
        assert_int_equal(seen, total);
        assert_string_equal(pages + (*pages == '|'), all + (*all == '|'));
    }
}

/* The answers of a key are those of the universal query, in its order (newest first), without the others. */
static void order_does_not_depend_on_keys(void **state)
{
    Fixture *f = *state;
    static const struct {
        DcmTag tag;
        const char *value;
    } keys[] = {{DCM_PatientName, "A*"},    {DCM_PatientName, "*a*"},
                {DCM_PatientID, "P*"},      {DCM_PatientSex, "F"},
                {DCM_StudyDate, "1900-"},   {DCM_PatientBirthDate, "19000101-20301231"},
                {DCM_InstitutionName, "*"}, {DCM_ModalitiesInStudy, "CT\\MR"}};
    size_t several = 0;
    for (int level = DCM_LEVEL_STUDY; level < DCM_LEVEL_COUNT; level++) {
        const char *all, *some;
        DcmTag tag = dcm_level_unique_key((DcmLevel)level);
        ask(f, (DcmLevel)level, object_of(f->arena, 0), (DcmMatchOptions){0}, tag, &all);
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            size_t n = ask(f, (DcmLevel)level, object_of(f->arena, keys[i].tag, keys[i].value, 0),
                           (DcmMatchOptions){0}, tag, &some);
            Span in = span_cstr(all), out = span_cstr(some), one = {NULL, 0}, answer;
            bool more = true, left = n > 0;
            several += n > 1;
            while (left && span_split(&out, '|', &answer, &left)) {
                while (more && span_split(&in, '|', &one, &more) && !span_eq(one, answer))
                    ;
                if (!span_eq(one, answer))
                    fail_msg("%08X=%s at %d: %.*s is out of order", keys[i].tag, keys[i].value, level,
                             SPAN_FMT(answer));
            }
        }
    }
    assert_true(several > 12);
}

static void everything_comes_back(void **state)
{
    Fixture *f = *state;
    IdxQuery query = {.level = DCM_LEVEL_IMAGE, .keys = object_of(f->arena, 0), .all_attributes = true};
    IdxCursor *cursor = idx_query(f->index, &query, &f->err);
    ASSERT_OK(f, cursor);
    int n = 0;
    for (;; n++) {
        IdxRow row;
        ASSERT_OK(f, idx_next(cursor, f->arena, &row, &f->err));
        if (!row.attributes)
            break;
        const DcmDataset *object =
            world->candidate[part_of_answer(world, f->arena, DCM_LEVEL_IMAGE, row.attributes)];
        for (size_t i = 0; i < object->count; i++) {
            const DcmElement *e = &object->elements[i];
            if (e->tag == DCM_SpecificCharacterSet || e->tag == DCM_CodeValue || !e->value.n ||
                e->vr == DCM_VR_SQ)
                continue;
            const char *ours = dcm_text_all(f->arena, row.attributes, e->tag);
            assert_non_null(ours);
            assert_string_equal(ours, dcm_text_all(f->arena, object, e->tag));
        }
        assert_string_equal(row.stored_charset, dcm_text(f->arena, object, DCM_SpecificCharacterSet, 0));
    }
    idx_cursor_free(cursor);
    assert_int_equal(n, OBJECTS);
}

/* Every key of the standard's tables finds an object that has it, and comes back. */
static void one_standard_key(Fixture *f, DcmLevel level, DcmTag tag, const char *keyword)
{
    const IdxAttribute *a = idx_attribute(attributes, tag, level);
    if (!a || a->level > level)
        fail_msg("%s is not indexed at %s", keyword, dcm_level_name(level));
    for (int i = 0; i < OBJECTS; i++) {
        const DcmDataset *object = world->candidate[i];
        const DcmElement *e = dcm_find(object, tag);
        if (!e || (!e->value.n && !e->item_count) || dcm_match_is_universal(object, e))
            continue;
        DcmDataset *keys = dcm_dataset_new(f->arena);
        dcm_put_utf8(keys, DCM_SpecificCharacterSet, dcm_text(f->arena, object, DCM_SpecificCharacterSet, 0));
        dcm_copy(keys, object, e);
        bool expected[OBJECTS];
        brute_force(world, keys, level, &(DcmMatchOptions){0}, expected);
        if (!expected[world->part[i][level]])
            continue;
        assert_true(compare(f, world, keys, level, &(DcmMatchOptions){0}, 0, 0, f->arena) > 0);
        IdxQuery query = {.level = level, .keys = keys, .limit = 1};
        IdxCursor *cursor = idx_query(f->index, &query, &f->err);
        IdxRow row;
        ASSERT_OK(f, cursor && idx_next(cursor, f->arena, &row, &f->err));
        assert_non_null(row.attributes);
        assert_false(row.unsupported_key);
        const DcmElement *back = dcm_find(row.attributes, tag);
        assert_true(back && (back->value.n || back->item_count));
        idx_cursor_free(cursor);
        return;
    }
    fail_msg("no object of the test has %s", keyword);
}

static void every_key_of_the_standard(void **state)
{
    Fixture *f = *state;
    char path[512], line[1024], level_name[32], hex[16], keyword[128];
    int seen = 0;
    snprintf(path, sizeof path, "%s/../../data/dicom/query_keys.csv", getenv("GANTRY_TEST_DATA"));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        DcmLevel level;
        DcmTag tag;
        if (sscanf(line, "%*[^,],%31[^,],%15[0-9a-f],%127[^,]", level_name, hex, keyword) != 3 ||
            keyword[0] == '>' || !dcm_level_parse(span_cstr(level_name), &level) ||
            !dcm_tag_parse(span_cstr(hex), &tag))
            continue;
        one_standard_key(f, level, tag, keyword);
        seen++;
    }
    fclose(file);
    assert_true(seen > 80);
}

static void unknown_keys_are_said_to_be_unsupported(void **state)
{
    Fixture *f = *state;
    DcmDataset *keys = object_of(f->arena, DCM_FlipAngle, "5", DCM_TAG(0x0009, 0x1001), "x",
                                 DCM_RetrieveAETitle, "", DCM_QueryRetrieveLevel, "IMAGE", 0);
    IdxQuery query = {.level = DCM_LEVEL_IMAGE, .keys = keys, .limit = 1};
    IdxCursor *cursor = idx_query(f->index, &query, &f->err);
    IdxRow row;
    ASSERT_OK(f, cursor && idx_next(cursor, f->arena, &row, &f->err));
    assert_non_null(row.attributes);
    assert_true(row.unsupported_key);
    const DcmElement *e = dcm_find(row.attributes, DCM_FlipAngle);
    assert_true(e && e->value.n == 0);
    assert_string_equal(dcm_text(f->arena, row.attributes, DCM_SpecificCharacterSet, 0), "ISO_IR 192");
    assert_non_null(dcm_find(row.attributes, DCM_StudyInstanceUID));
    assert_null(dcm_find(row.attributes, DCM_QueryRetrieveLevel));
    idx_cursor_free(cursor);
}

static void a_list_too_long_is_refused(void **state)
{
    Fixture *f = *state;
    Buf list;
    buf_init(&list, 0);
    for (int i = 0; i <= 10000; i++)
        buf_printf(&list, "%s1.2.%d", i ? "\\" : "", i);
    DcmDataset *keys = object_of(f->arena, DCM_StudyInstanceUID, buf_cstr(&list), 0);
    buf_free(&list);
    IdxQuery query = {.level = DCM_LEVEL_STUDY, .keys = keys};
    assert_null(idx_query(f->index, &query, &f->err));
    assert_int_equal(f->err.code, ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_queries_answer_as_brute_force),
        cmocka_unit_test(pages_follow_each_other),
        cmocka_unit_test(order_does_not_depend_on_keys),
        cmocka_unit_test(everything_comes_back),
        cmocka_unit_test(every_key_of_the_standard),
        cmocka_unit_test(unknown_keys_are_said_to_be_unsupported),
        cmocka_unit_test(a_list_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, fill, fixture_teardown);
}
