// SPDX-License-Identifier: MIT
/* Rows without SHA-256, and how they get it, on both drivers. */
#include "index/unsealed.h"

#include "fixture.h"

enum { ROWS = 5 };

static const uint8_t the_sha256[32] = {0xaa, 0xbb, [31] = 0xcc};

static IdxFile file_number(Fixture *f, int i, DcmDataset **ds)
{
    *ds = object_of(f->arena, DCM_PatientID, "P", DCM_StudyInstanceUID, "1.1", DCM_SeriesInstanceUID, "1.1.1",
                    DCM_SOPInstanceUID, arena_printf(f->arena, "1.1.1.%d", i), 0);
    IdxFile file = file_of(f->arena, *ds);
    memset(file.content, i, sizeof file.content);
    return file;
}

static void put_rows(Fixture *f, int n)
{
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    for (int i = 1; i <= n; i++) {
        DcmDataset *ds;
        IdxFile file = file_number(f, i, &ds);
        ASSERT_OK(f, idx_put(f->index, &file, ds, &f->err));
    }
    ASSERT_OK(f, idx_commit(f->index, &f->err));
}

static size_t list(Fixture *f, int64_t after, size_t limit, IdxUnsealed **out)
{
    size_t n = 99;
    ASSERT_OK(f, idx_unsealed(f->index, f->arena, after, limit, out, &n, &f->err));
    return n;
}

static void seal(Fixture *f, const IdxUnsealed *row)
{
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, idx_seal(f->index, row, the_sha256, &f->err));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
}

static bool is_sealed(Fixture *f, const char *uid)
{
    IdxFile file;
    ASSERT_OK(f, idx_instance(f->index, f->arena, uid, &file, &f->err));
    static const uint8_t none[32];
    if (memcmp(file.sha256, none, sizeof none) == 0)
        return false;
    assert_memory_equal(file.sha256, the_sha256, sizeof the_sha256);
    return true;
}

static void some_at_a_time(void **state)
{
    Fixture *f = *state;
    IdxUnsealed *rows;
    assert_int_equal(list(f, 0, ROWS, &rows), 0);
    put_rows(f, ROWS);
    assert_int_equal(list(f, 0, 3, &rows), 3);
    assert_string_equal(rows[0].file.sop_instance, "1.1.1.1");
    assert_string_equal(rows[2].file.path, "/data/1.1.1.3");
    assert_int_equal(rows[2].file.content[15], 3);
    assert_int_equal(rows[2].file.data_offset, 400);
    assert_true(rows[0].id < rows[1].id && rows[1].id < rows[2].id);
    assert_int_equal(list(f, rows[2].id, 3, &rows), 2);
    assert_string_equal(rows[1].file.sop_instance, "1.1.1.5");
    assert_int_equal(list(f, rows[1].id, 3, &rows), 0);
}

static void sealed(void **state)
{
    Fixture *f = *state;
    IdxUnsealed *rows;
    put_rows(f, ROWS);
    assert_int_equal(list(f, 0, ROWS, &rows), ROWS);
    seal(f, &rows[1]);
    assert_true(is_sealed(f, "1.1.1.2"));
    assert_false(is_sealed(f, "1.1.1.1"));
    assert_int_equal(list(f, 0, ROWS, &rows), ROWS - 1);
    assert_string_equal(rows[1].file.sop_instance, "1.1.1.3");
}

/* Whatever of it is another by now: it was somebody else's bytes that were read. */
static void a_row_that_was_replaced_is_left_alone(void **state)
{
    Fixture *f = *state;
    IdxUnsealed *rows, other;
    put_rows(f, 1);
    assert_int_equal(list(f, 0, 1, &rows), 1);
    other = rows[0];
    other.file.content[0] ^= 1;
    seal(f, &other);
    other = rows[0];
    other.file.size++;
    seal(f, &other);
    other = rows[0];
    other.file.end_us++;
    seal(f, &other);
    other = rows[0];
    other.id++;
    seal(f, &other);
    assert_false(is_sealed(f, "1.1.1.1"));
    DcmDataset *ds;
    IdxFile again = file_number(f, 1, &ds);
    again.content[3] = 77;
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, idx_put(f->index, &again, ds, &f->err));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    seal(f, &rows[0]);
    assert_false(is_sealed(f, "1.1.1.1"));
    assert_int_equal(list(f, 0, 1, &rows), 1);
    assert_int_equal(rows[0].file.content[3], 77);
    seal(f, &rows[0]);
    assert_true(is_sealed(f, "1.1.1.1"));
    again.content[3] = 78; /* replaced: what was sealed is not any more */
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, idx_put(f->index, &again, ds, &f->err));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    assert_false(is_sealed(f, "1.1.1.1"));
}

static void one_that_is_sealed_stays_as_it_is(void **state)
{
    Fixture *f = *state;
    static const uint8_t other[32] = {1};
    IdxUnsealed *rows;
    put_rows(f, 1);
    assert_int_equal(list(f, 0, 1, &rows), 1);
    seal(f, &rows[0]);
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, idx_seal(f->index, &rows[0], other, &f->err));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    assert_true(is_sealed(f, "1.1.1.1"));
}

static void with_the_transaction(void **state)
{
    Fixture *f = *state;
    IdxUnsealed *rows;
    put_rows(f, 1);
    assert_int_equal(list(f, 0, 1, &rows), 1);
    assert_false(idx_seal(f->index, &rows[0], the_sha256, &f->err));
    assert_int_equal(f->err.code, ERR_USAGE);
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    ASSERT_OK(f, idx_seal(f->index, &rows[0], the_sha256, &f->err));
    idx_rollback(f->index);
    assert_false(is_sealed(f, "1.1.1.1"));
}

/* Nothing at all, as in SPHERE's rows, is not a checksum that is still to be taken. */
static void rows_of_sphere_are_not_among_them(void **state)
{
    Fixture *f = *state;
    IdxUnsealed *rows;
    put_rows(f, 2);
    sql_text(f, "UPDATE file_storage_metadata_dicom SET sha256 = NULL WHERE instance_uid = '1.1.1.1'");
    assert_int_equal(list(f, 0, ROWS, &rows), 1);
    assert_string_equal(rows[0].file.sop_instance, "1.1.1.2");
}

/* Made by a program that did not know them. */
static void an_older_index_gets_its_index(void **state)
{
    Fixture *f = *state;
    const char *there = on_postgres(f)
                            ? "SELECT count(*) FROM pg_indexes WHERE schemaname = current_schema() AND "
                              "indexname = 'ix_file_storage_metadata_dicom_unsealed'"
                            : "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND name = "
                              "'ix_file_storage_metadata_dicom_unsealed'";
    IdxUnsealed *rows;
    put_rows(f, 1);
    idx_close(f->index);
    assert_string_equal(sql_text(f, there), "1");
    sql_text(f, "DROP INDEX ix_file_storage_metadata_dicom_unsealed");
    sql_text(f, on_postgres(f) ? "UPDATE schema_version SET version = 6 WHERE version = 7"
                               : "PRAGMA user_version = 6");
    ASSERT_OK(f, fixture_open(f));
    assert_string_equal(sql_text(f, there), "1");
    assert_int_equal(list(f, 0, ROWS, &rows), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(some_at_a_time),
                                       TEST(sealed),
                                       TEST(a_row_that_was_replaced_is_left_alone),
                                       TEST(one_that_is_sealed_stays_as_it_is),
                                       TEST(with_the_transaction),
                                       TEST(rows_of_sphere_are_not_among_them),
                                       TEST(an_older_index_gets_its_index)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
