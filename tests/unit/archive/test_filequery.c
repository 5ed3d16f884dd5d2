// SPDX-License-Identifier: MIT
/* Queries on the files against the same queries on the index, over all of tests/data and odd identifiers: the same rows, to the byte. */
#include "archive/archive_internal.h"

#include "dicom/value.h"
#include "index/attributes.h"

#include "archive_fixture.h"

#include "../dicom/real_files.h"

enum { QUERIES = 150, TEXT = 400, ROWS_MAX = 4000, OBJECTS_MAX = 600 };

/* -- the world -- */

static Arena *world;
static const DcmDataset *objects[OBJECTS_MAX];
static size_t object_count;
static uint64_t chance_state = 0x9E3779B97F4A7C15u;

static uint32_t chance(uint32_t n)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return (uint32_t)(chance_state >> 33) % n;
}

static void keep_object(const char *path)
{
    Inspector inspector;
    IdxFile file = {0};
    Arena *arena = arena_new(0);
    Err err;
    if (object_count < OBJECTS_MAX && inspect_head(&inspector, arena, path, 0, &file, &err)) {
        DcmDataset *kept = dcm_dataset_new(world);
        dcm_put(kept, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("ISO_IR 192"));
        for (size_t i = 0; i < inspector.dataset->count; i++)
            if (inspector.dataset->elements[i].tag != DCM_SpecificCharacterSet)
                dcm_copy(kept, inspector.dataset, &inspector.dataset->elements[i]);
        objects[object_count++] = kept;
    }
    inspector_end(&inspector);
    arena_free(arena);
}

/* The clock of a file system ticks too slowly for a test: the next second for each object. */
static void give_time(const char *instance)
{
    static time_t second = 1700000000;
    Arena *arena = arena_new(0);
    IdxFile file;
    assert_true(find_instance(arena, instance, &file));
    second++;
    assert_int_equal(utimensat(AT_FDCWD, file.path, (struct timespec[2]){{second}, {second}}, 0), 0);
    arena_free(arena);
}

static void take_real_file(const char *name, Span bytes, bool readable)
{
    ArcStored stored;
    Err err;
    if (arc_ingest_file(archive, name, NULL, &stored, &err) && stored.outcome == ARC_STORED) {
        give_time(stored.sop_instance);
        keep_object(name);
    }
}

static void store_odd_ones(void)
{
    static const char *const patients[] = {"../../etc/passwd", "/",    "A\\B", "",   NULL, " leads",
                                           ".hidden",          "P%41", "\xC4", "P1", "P2"};
    for (int i = 0; i < 44; i++) {
        char study[40], series[48], instance[56];
        Spec spec = SPEC(instance);
        snprintf(study, sizeof study, "1.9.%d", i % 22);
        snprintf(series, sizeof series, "%s.%d", study, i / 33);
        snprintf(instance, sizeof instance, "%s.%d", series, i);
        spec.patient_id = patients[i % 11];
        spec.study = study;
        spec.series = series;
        spec.number = i;
        store_spec(&spec);
        give_time(instance);
    }
}

/* Names that say nothing: every patient is everywhere. */
static const char *scattered(void *ctx, Arena *arena, const DcmDataset *head, Err *err)
{
    const char *uid = dcm_text(arena, head, DCM_SOPInstanceUID, 0);
    unsigned sum = 0;
    for (const char *p = uid; *p; p++)
        sum += (unsigned)*p * (unsigned)(p - uid + 1);
    return arena_printf(arena, "%u/%u.dcm", sum % 7, sum);
}

static int fill(void **state, const ArcLayout *layout)
{
    if (make_archive(state) != 0)
        return -1;
    settings.layout = *layout;
    /* The index remembers what replaced objects said where the new ones say nothing; the files cannot. */
    settings.duplicates = ARC_KEEP_FIRST;
    reopen_archive();
    world = arena_new(0);
    object_count = 0;
    each_real_file(take_real_file);
    store_odd_ones();
    return object_count > 200 ? 0 : -1;
}

static int setup(void **state)
{
    return fill(state, &(ArcLayout){0});
}

static int setup_scattered(void **state)
{
    return fill(state, &(ArcLayout){.name = scattered});
}

static int teardown(void **state)
{
    arena_free(world);
    return drop_archive(state);
}

/* -- rows -- */

typedef struct Rows {
    Arena *arena;
    Span rows[ROWS_MAX];
    size_t count;
} Rows;

static void add_row(Rows *rows, const IdxRow *row)
{
    Buf bytes;
    Err err = {0};
    buf_init(&bytes, 0);
    assert_true(rows->count < ROWS_MAX);
    buf_printf(&bytes, "%s|%d|", row->stored_charset, row->unsupported_key);
    if (!dcm_write(&bytes, row->attributes, NULL, &err))
        fail_msg("%s", err.text);
    rows->rows[rows->count++] = arena_span(rows->arena, buf_span(&bytes));
    buf_free(&bytes);
}

static int by_bytes(const void *a, const void *b)
{
    const Span *x = a, *y = b;
    int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

static void rows_of_index(const ArcAsk *ask, Rows *rows)
{
    Err err = {0};
    ArcQuery *query = arc_query_open(archive, ask, &err);
    if (!query)
        fail_msg("%s", err.text);
    for (IdxRow row;;) {
        if (!arc_query_next(query, rows->arena, &row, &err))
            fail_msg("%s", err.text);
        if (!row.attributes)
            break;
        add_row(rows, &row);
    }
    arc_query_close(query);
}

static void rows_of_files(const ArcAsk *ask, Rows *rows)
{
    Err err = {0};
    FileQuery *query = filequery_open(archive, ask, &err);
    if (!query)
        fail_msg("%s", err.text);
    for (IdxRow row;;) {
        if (!filequery_next(query, rows->arena, &row, &err))
            fail_msg("%s", err.text);
        if (!row.attributes)
            break;
        add_row(rows, &row);
    }
    filequery_close(query);
}

static void describe(const ArcAsk *ask)
{
    Buf out;
    buf_init(&out, 0);
    for (size_t i = 0; i < ask->keys->count; i++) {
        dcm_element_describe(ask->keys, &ask->keys->elements[i], &out);
        buf_append_cstr(&out, "\n");
    }
    print_error("level %s\n%s", dcm_level_name(ask->level), buf_cstr(&out));
    buf_free(&out);
}

static void show(Arena *arena, const char *from, Span row)
{
    size_t bar = span_index(row, '|');
    const DcmDataset *ds = dcm_dataset_parse(arena, span_sub(row, bar + 3, SIZE_MAX), NULL, NULL, NULL);
    print_error("%s: ", from);
    describe(&(ArcAsk){.keys = ds});
}

static void show_difference(const Rows *indexed, const Rows *filed)
{
    size_t i = 0;
    while (i < indexed->count && i < filed->count && span_eq(indexed->rows[i], filed->rows[i]))
        i++;
    if (i < indexed->count)
        show(indexed->arena, "index", indexed->rows[i]);
    if (i < filed->count)
        show(filed->arena, "files", filed->rows[i]);
}

/* Returns how many rows there are. */
static size_t compare(const ArcAsk *ask)
{
    Arena *arena = arena_new(0);
    Rows *indexed = arena_alloc(arena, sizeof *indexed), *filed = arena_alloc(arena, sizeof *filed);
    indexed->arena = filed->arena = arena;
    rows_of_index(ask, indexed);
    rows_of_files(ask, filed);
    size_t n = indexed->count;
    qsort(indexed->rows, n, sizeof *indexed->rows, by_bytes);
    qsort(filed->rows, filed->count, sizeof *filed->rows, by_bytes);
    bool same = n == filed->count;
    for (size_t i = 0; same && i < n; i++)
        same = span_eq(indexed->rows[i], filed->rows[i]);
    if (!same) {
        describe(ask);
        show_difference(indexed, filed);
        fail_msg("%zu rows of the index, %zu of the files, or others", n, filed->count);
    }
    arena_free(arena);
    return n;
}

/* -- random queries -- */

static void change_text(char *text)
{
    size_t n = strlen(text), at = n ? chance((uint32_t)n) : 0;
    switch (chance(9)) {
    case 0:
        snprintf(text + at, TEXT - at, "*");
        break;
    case 1:
        if (n && (uint8_t)text[at] < 0x80)
            text[at] = '?';
        break;
    case 2:
        for (char *p = text; *p; p++)
            if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z'))
                *p ^= 0x20;
        break;
    case 3:
        snprintf(text + n, TEXT - n, "\\other");
        break;
    case 4:
        *text = 0;
        break;
    default:
        break;
    }
}

static void put_key(DcmDataset *keys, DcmTag tag)
{
    const DcmDataset *from = objects[chance((uint32_t)object_count)];
    const DcmElement *e = dcm_find(from, tag);
    char text[TEXT + 64];
    if (!e || e->skipped || e->vr == DCM_VR_SQ) {
        dcm_put(keys, tag, DCM_VR_NONE, (Span){NULL, 0});
        return;
    }
    Arena *arena = arena_new(0);
    const char *value = dcm_element_text_all(arena, from, e);
    snprintf(text, TEXT, "%s", value ? value : "");
    if (e->vr == DCM_VR_UI && chance(2)) {
        const DcmDataset *other = objects[chance((uint32_t)object_count)];
        const char *more = dcm_text_all(arena, other, tag);
        if (more && *more)
            snprintf(text + strlen(text), 64, "\\%.60s", more);
    } else if (e->vr == DCM_VR_DA && strlen(text) == 8 && chance(2)) {
        char day[9];
        snprintf(day, sizeof day, "%s", text);
        bool before = chance(2);
        snprintf(text, TEXT, "%s%s%s", before ? "-" : "", day, before ? "" : "-");
    } else if (e->vr != DCM_VR_UI) {
        change_text(text);
    }
    if (dcm_vr_info(e->vr)->text)
        dcm_put_utf8(keys, tag, text);
    else
        dcm_copy(keys, from, e);
    arena_free(arena);
}

static DcmTag random_tag(void)
{
    static const DcmTag often[] = {DCM_PatientID,         DCM_PatientName,       DCM_StudyDate,
                                   DCM_StudyInstanceUID,  DCM_SeriesInstanceUID, DCM_SOPInstanceUID,
                                   DCM_ModalitiesInStudy, DCM_Modality,          DCM_StudyDescription};
    size_t n;
    const IdxAttribute *a = idx_attributes(&idx_base_attributes, (DcmLevel)chance(DCM_LEVEL_COUNT), &n);
    return chance(2) ? often[chance(sizeof often / sizeof *often)] : a[chance((uint32_t)n)].tag;
}

static void ask_for_counters(DcmDataset *keys)
{
    static const DcmTag counters[] = {DCM_NumberOfPatientRelatedStudies,
                                      DCM_NumberOfPatientRelatedSeries,
                                      DCM_NumberOfPatientRelatedInstances,
                                      DCM_NumberOfStudyRelatedSeries,
                                      DCM_NumberOfStudyRelatedInstances,
                                      DCM_NumberOfSeriesRelatedInstances,
                                      DCM_ModalitiesInStudy,
                                      DCM_SOPClassesInStudy};
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        if (!dcm_find(keys, counters[i]))
            dcm_put(keys, counters[i], DCM_VR_NONE, (Span){NULL, 0});
}

static void test_random_queries(void **state)
{
    size_t rows = 0, with_rows = 0;
    const char *seed = getenv("GANTRY_SEED");
    if (seed)
        chance_state ^= strtoull(seed, NULL, 0) * 0x2545F4914F6CDD1Du;
    for (int i = 0; i < QUERIES; i++) {
        Arena *arena = arena_new(0);
        DcmDataset *keys = dcm_dataset_new(arena);
        dcm_put(keys, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("ISO_IR 192"));
        for (uint32_t k = 1 + chance(3); k > 0; k--)
            put_key(keys, random_tag());
        if (chance(2))
            ask_for_counters(keys);
        ArcAsk ask = {.level = (DcmLevel)chance(DCM_LEVEL_COUNT),
                      .keys = keys,
                      .match = {.fold_names = chance(2),
                                .fold_accents = chance(2),
                                .fold_text = chance(4) == 0,
                                .combined_datetime = chance(4) == 0}};
        size_t n = compare(&ask);
        rows += n;
        with_rows += n > 0;
        arena_free(arena);
    }
    print_message("%zu rows, %zu of %d queries had some\n", rows, with_rows, QUERIES);
    assert_true(with_rows > QUERIES / 4);
}

/* Each object's own place, from above: with and without the keys of the levels above. */
static void test_each_object_by_its_uids(void **state)
{
    static const DcmTag uids[] = {DCM_PatientID, DCM_StudyInstanceUID, DCM_SeriesInstanceUID};
    for (size_t i = 0; i < object_count; i += 11)
        for (int level = 0; level < DCM_LEVEL_COUNT; level++) {
            Arena *arena = arena_new(0);
            DcmDataset *keys = dcm_dataset_new(arena);
            dcm_put(keys, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("ISO_IR 192"));
            for (int k = chance(3); k < 3; k++) {
                const char *value = dcm_text_all(arena, objects[i], uids[k]);
                dcm_put_utf8(keys, uids[k], value ? value : "");
            }
            ask_for_counters(keys);
            compare(&(ArcAsk){.level = (DcmLevel)level, .keys = keys});
            arena_free(arena);
        }
}

static void test_everything_at_each_level(void **state)
{
    for (int level = 0; level < DCM_LEVEL_COUNT; level++) {
        Arena *arena = arena_new(0);
        ArcAsk ask = {.level = (DcmLevel)level, .keys = dcm_dataset_new(arena), .all_attributes = true};
        assert_true(compare(&ask) > 20);
        arena_free(arena);
    }
}

static void test_limit_and_offset(void **state)
{
    Arena *arena = arena_new(0);
    Rows *all = arena_alloc(arena, sizeof *all), *part = arena_alloc(arena, sizeof *part);
    ArcAsk ask = {.level = DCM_LEVEL_SERIES, .keys = dcm_dataset_new(arena)};
    all->arena = part->arena = arena;
    rows_of_files(&ask, all);
    ask.limit = 5;
    ask.offset = 3;
    rows_of_files(&ask, part);
    assert_int_equal(part->count, 5);
    for (int i = 0; i < 5; i++)
        assert_true(span_eq(part->rows[i], all->rows[i + 3]));
    ask.offset = all->count - 1;
    part->count = 0;
    rows_of_files(&ask, part);
    assert_int_equal(part->count, 1);
    arena_free(arena);
}

/* -- the index is away -- */

static Archive *open_without_index(bool search_in_file)
{
    Err err = {0};
    IdxSettings away = {
        .engine = IDX_POSTGRESQL,
        .postgres = {.host = "127.0.0.1", .port = 1, .database = "d", .schema = "s", .login = "l"},
        .busy_timeout_ms = 1000};
    ArcSettings other = settings;
    other.index = &away;
    other.outlasts_index = true;
    other.search_in_file = search_in_file;
    Archive *out = arc_open(&other, &err);
    if (!out)
        fail_msg("%s", err.text);
    return out;
}

static void test_the_index_is_away(void **state)
{
    Err err = {0};
    IdxRow row;
    IdxFile file;
    Arena *arena = arena_new(0);
    DcmDataset *keys = dcm_dataset_new(arena);
    dcm_put_utf8(keys, DCM_StudyInstanceUID, "1.9.3");
    ArcAsk ask = {.level = DCM_LEVEL_STUDY, .keys = keys};
    const char *study = "1.9.3";
    IdxSelection selection = {.studies = &study, .study_count = 1};
    Archive *alone = open_without_index(true);
    ArcQuery *query = arc_query_open(alone, &ask, &err);
    assert_non_null(query);
    assert_true(arc_query_next(query, arena, &row, &err));
    assert_non_null(row.attributes);
    assert_true(arc_query_next(query, arena, &row, &err));
    assert_null(row.attributes);
    arc_query_close(query);
    ArcRetrieve *retrieve = arc_retrieve_open(alone, &selection, &err);
    assert_non_null(retrieve);
    assert_int_equal(arc_retrieve_count(retrieve), 2);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2; i++) {
            assert_true(arc_retrieve_next(retrieve, &file, &err));
            assert_string_equal(file.study, study);
            assert_memory_not_equal(file.content, (uint8_t[16]){0}, 16); /* HTTP tells versions apart by it */
            ArcReader *reader = arc_reader_open(alone, &file, NULL, &err);
            assert_non_null(reader);
            arc_reader_close(reader);
        }
        assert_true(arc_retrieve_next(retrieve, &file, &err));
        assert_null(file.sop_instance);
        arc_retrieve_rewind(retrieve);
    }
    arc_retrieve_close(retrieve);
    arc_close(alone);
    alone = open_without_index(false);
    assert_null(arc_query_open(alone, &ask, &err));
    assert_int_equal(err.dimse, 0xA700);
    assert_null(arc_retrieve_open(alone, &selection, &err));
    assert_int_equal(err.dimse, 0xA701);
    assert_non_null(strstr(err.text, "search_in_file"));
    arc_close(alone);
    arena_free(arena);
}

/* Its row is gone, its file is not. */
static void test_the_index_answers_when_it_is_there(void **state)
{
    Arena *arena = arena_new(0);
    Err err = {0};
    Index *index;
    Rows *rows = arena_alloc(arena, sizeof *rows);
    DcmDataset *keys = dcm_dataset_new(arena);
    IdxSettings own = {.sqlite_path = at("index.sqlite"), .busy_timeout_ms = 5000};
    settings.search_in_file = true;
    reopen_archive();
    index = idx_open(&own, &err);
    assert_non_null(index);
    assert_true(idx_begin(index, &err) && idx_remove(index, "1.9.7.0.7", &err) && idx_commit(index, &err));
    idx_close(index);
    rows->arena = arena;
    dcm_put_utf8(keys, DCM_SOPInstanceUID, "1.9.7.0.7");
    ArcAsk ask = {.level = DCM_LEVEL_IMAGE, .keys = keys};
    rows_of_index(&ask, rows);
    assert_int_equal(rows->count, 0);
    rows_of_files(&ask, rows);
    assert_int_equal(rows->count, 1);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_queries),
        cmocka_unit_test(test_each_object_by_its_uids),
        cmocka_unit_test(test_everything_at_each_level),
        cmocka_unit_test(test_limit_and_offset),
        cmocka_unit_test(test_the_index_is_away),
        cmocka_unit_test(test_the_index_answers_when_it_is_there),
    };
    static const struct CMUnitTest scattered_tests[] = {
        cmocka_unit_test(test_each_object_by_its_uids),
        cmocka_unit_test(test_everything_at_each_level),
        cmocka_unit_test(test_the_index_is_away),
    };
    return cmocka_run_group_tests_name("filequery", tests, setup, teardown) +
           cmocka_run_group_tests_name("filequery, names that say nothing", scattered_tests, setup_scattered,
                                       teardown);
}
