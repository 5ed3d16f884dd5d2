// SPDX-License-Identifier: MIT
/* px/pack: many files at once, what stays and what goes, what follows from a packed object, and what became of each as JSON. */
#include "dicom/part10.h"
#include "px/pack.h"
#include "px/pack_result.h"

#include "base_fixture.h"

enum { FILES = 60 };

typedef struct Seen {
    pthread_mutex_t lock;
    size_t count, stored, same, failed, removed;
    Err last;
    json_t *result, *line;
    atomic_bool stop;
    bool stops;
} Seen;

static Seen seen;

static void look(void *ctx, const PxPacked *packed)
{
    assert_ptr_equal(ctx, &seen);
    json_t *result = px_pack_result(packed, true), *line = px_pack_line(packed);
    pthread_mutex_lock(&seen.lock);
    seen.count++;
    seen.stored += packed->ok && packed->stored.outcome == ARC_STORED;
    seen.same += packed->ok && packed->stored.outcome == ARC_SAME;
    seen.failed += !packed->ok;
    seen.removed += packed->removed;
    seen.last = packed->err;
    json_decref(seen.result);
    json_decref(seen.line);
    seen.result = result;
    seen.line = line;
    if (seen.stops)
        atomic_store(&seen.stop, true);
    pthread_mutex_unlock(&seen.lock);
}

static const char *in_folder(int number)
{
    static char path[FILES][128];
    snprintf(path[number], sizeof path[number], "%s/in/%d.dcm", top, number);
    return path[number];
}

static void write_source(int number, uint8_t fill)
{
    Err err = {0};
    Buf file, bytes;
    char uid[64];
    snprintf(uid, sizeof uid, "1.2.3.4.%d", number + 1);
    Spec spec = SPEC(uid);
    spec.number = number;
    spec.fill = fill;
    spec.series = number % 2 ? "1.2.3.1" : "1.2.3.2";
    buf_init(&file, 0);
    buf_init(&bytes, 0);
    encode(&spec, DCM_UID_ExplicitVRLittleEndian, &bytes);
    assert_true(dcm_file_meta_write(&file, CT_CLASS, uid, DCM_UID_ExplicitVRLittleEndian, "SENDER", &err));
    buf_append_span(&file, buf_span(&bytes));
    assert_true(file_replace(in_folder(number), buf_span(&file), 0640, &err));
    buf_free(&file);
    buf_free(&bytes);
}

static int make_sources(void **state)
{
    if (make_base(state) != 0 || mkdir(at("in"), 0750) != 0)
        return -1;
    seen = (Seen){.lock = PTHREAD_MUTEX_INITIALIZER};
    for (int i = 0; i < FILES; i++)
        write_source(i, 1);
    return 0;
}

static int drop_sources(void **state)
{
    json_decref(seen.result);
    json_decref(seen.line);
    return drop_base(state);
}

static PxPackCounts pack(size_t count, bool cleanup, unsigned jobs)
{
    const char *sources[FILES];
    for (int i = 0; i < FILES; i++)
        sources[i] = in_folder(i);
    PxPack order = {.sources = sources,
                    .count = count,
                    .cleanup = cleanup,
                    .jobs = jobs,
                    .done = look,
                    .ctx = &seen,
                    .stop = &seen.stop};
    PxPackCounts counts;
    Err err = {0};
    if (!px_pack(base, &order, &counts, &err))
        fail_msg("%s", err.text);
    return counts;
}

static void test_many_at_once(void **state)
{
    PxPackCounts counts = pack(FILES, false, 16);
    assert_int_equal(counts.packed, FILES);
    assert_int_equal(counts.failed + counts.left + counts.kept + counts.same, 0);
    assert_int_equal(seen.stored, FILES);
    assert_int_equal(count_files("data/P1"), FILES);
    counts = pack(FILES, true, 0);
    assert_int_equal(counts.same, FILES);
    assert_int_equal(seen.removed, FILES);
    assert_int_equal(count_files("in"), 0);
    assert_int_equal(count_files("data/P1"), FILES);
}

static void test_series_are_noted(void **state)
{
    Err err = {0};
    static const char *const series[] = {"1.2.3.1", "1.2.3.2"};
    pack(4, false, 1);
    for (size_t i = 0; i < 2; i++) {
        json_t *record;
        assert_true(px_record_read(base, PX_TABLE_PACK, series[i], &record, &err));
        assert_true(json_is_true(json_object_get(record, "seriesPack")));
        json_decref(record);
    }
}

static void test_what_cannot_be_packed_stays(void **state)
{
    Err err = {0};
    assert_true(file_replace(in_folder(0), SPAN("no image"), 0640, &err));
    assert_int_equal(unlink(in_folder(1)), 0);
    assert_int_equal(unlink(in_folder(2)), 0);
    assert_int_equal(mkdir(in_folder(2), 0750), 0);
    PxPackCounts counts = pack(4, true, 2);
    assert_int_equal(counts.packed, 1);
    assert_int_equal(counts.failed, 3);
    assert_int_equal(access(in_folder(0), F_OK), 0);
    assert_int_not_equal(access(in_folder(3), F_OK), 0);
    pack(1, true, 1);
    assert_int_equal(seen.last.code, ERR_FORMAT);
    assert_int_equal(strncmp(seen.last.text, in_folder(0), strlen(in_folder(0))), 0);
    assert_true(json_is_false(json_object_get(seen.result, "status")));
    assert_true(json_is_null(json_object_get(seen.line, "dst")));
    assert_string_equal(json_string_value(json_object_get(seen.line, "err")), seen.last.text);
}

/* The same object in two files, and the copy itself named as its source. */
static void test_the_copy_never_goes(void **state)
{
    Err err = {0};
    Arena *arena = arena_new(0);
    PxObject object;
    pack(1, false, 1);
    assert_true(px_base_object(base, arena, "1.2.3.4.1", &object, &err));
    const char *copy = object.path;
    PxPack order = {.sources = &copy, .count = 1, .cleanup = true, .done = look, .ctx = &seen};
    PxPackCounts counts;
    assert_true(px_pack(base, &order, &counts, &err));
    assert_int_equal(counts.kept, 1);
    assert_int_equal(access(copy, F_OK), 0);
    assert_true(json_is_false(json_object_get(json_object_get(seen.result, "cleanup"), "status")));
    assert_int_equal(unlink(in_folder(0)), 0);
    assert_int_equal(symlink(copy, in_folder(0)), 0);
    assert_int_equal(pack(1, true, 1).kept, 1);
    assert_int_equal(access(copy, F_OK), 0);
    arena_free(arena);
}

/* Another last byte; the time it was written is that of before where `unseen`, else a second later. */
static void spoil(const char *path, bool unseen)
{
    struct stat before;
    int fd = open(path, O_RDWR);
    assert_int_equal(fstat(fd, &before), 0);
    char last;
    assert_int_equal(pread(fd, &last, 1, before.st_size - 1), 1);
    last = (char)~last;
    assert_int_equal(pwrite(fd, &last, 1, before.st_size - 1), 1);
    before.st_mtim.tv_sec += !unseen;
    assert_int_equal(futimens(fd, (struct timespec[]){before.st_atim, before.st_mtim}), 0);
    close(fd);
}

/* A disk that rots says nothing: only what is read at the end tells. */
static void test_a_copy_that_differs(void **state)
{
    Err err = {0};
    Arena *arena = arena_new(0);
    PxObject object;
    pack(1, false, 1);
    assert_true(px_base_object(base, arena, "1.2.3.4.1", &object, &err));
    spoil(object.path, true);
    assert_int_equal(pack(1, true, 1).failed, 1);
    assert_int_equal(seen.last.code, ERR_MISMATCH);
    assert_int_equal(access(in_folder(0), F_OK), 0);
    arena_free(arena);
}

/* A copy that somebody wrote to is replaced by its source, which may go then. */
static void test_a_copy_that_was_written_to(void **state)
{
    Err err = {0};
    Arena *arena = arena_new(0);
    PxObject object;
    pack(1, false, 1);
    assert_true(px_base_object(base, arena, "1.2.3.4.1", &object, &err));
    Buf stored, now;
    buf_init(&stored, 0);
    buf_init(&now, 0);
    assert_true(file_read_all(object.path, 1 << 20, &stored, &err));
    spoil(object.path, false);
    assert_int_equal(pack(1, true, 1).failed, 0);
    assert_int_not_equal(access(in_folder(0), F_OK), 0);
    assert_true(px_base_object(base, arena, "1.2.3.4.1", &object, &err));
    assert_true(file_read_all(object.path, 1 << 20, &now, &err));
    assert_true(span_eq(buf_span(&now), buf_span(&stored)));
    buf_free(&stored);
    buf_free(&now);
    arena_free(arena);
}

static void test_replaced(void **state)
{
    pack(1, false, 1);
    write_source(0, 2);
    pack(1, false, 1);
    assert_string_equal(json_string_value(json_object_get(seen.line, "outcome")),
                        arc_outcome_text(ARC_REPLACED));
    assert_int_equal(count_files("data/P1"), 1);
}

static void test_stopped(void **state)
{
    seen.stops = true;
    PxPackCounts counts = pack(FILES, false, 1);
    assert_int_equal(counts.packed, 1);
    assert_int_equal(counts.left, FILES - 1);
}

static void test_nothing(void **state)
{
    assert_int_equal(pack(0, true, 4).packed, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_sources, drop_sources)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_many_at_once),
        TEST(test_series_are_noted),
        TEST(test_what_cannot_be_packed_stays),
        TEST(test_the_copy_never_goes),
        TEST(test_a_copy_that_differs),
        TEST(test_a_copy_that_was_written_to),
        TEST(test_replaced),
        TEST(test_stopped),
        TEST(test_nothing),
    };
    return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
