// SPDX-License-Identifier: MIT
/* The filling of `./dev bench index` (bench/bulk.h) leaves what ingest would have left: every row, counter, list, term, index and view. */
#include "fixture.h"

#include "../../../bench/bulk.h"
#include "index/internal.h"
#include "index/tables.h"

enum { COUNT = 60, STUDIES = 1000 };

static bool is_number_or_time(const char *name)
{
    static const char *const names[] = {"d8ins", "d8maj", "dt_first_insertion", "dt_completion"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    size_t n = strlen(name);
    return n > 3 && strcmp(name + n - 3, "_id") == 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void append_sorted(Buf *out, char **lines, size_t count)
{
    qsort(lines, count, sizeof *lines, by_text);
    for (size_t i = 0; i < count; i++) {
        buf_append_cstr(out, lines[i]);
        free(lines[i]);
    }
    free(lines);
}

/* The rows of a level, without numbers of rows and the times of now. */
static void rows_of(Fixture *f, DcmLevel level, Buf *out)
{
    size_t columns, count = 0;
    const IdxColumn *column = idx_columns(idx_attributes_of(f->index), f->arena, level, &columns);
    IdxListing *listing = idx_list(f->index, &(IdxListAsk){.level = level, .by = level}, &f->err);
    char **lines = calloc(STUDIES * 20, sizeof *lines);
    ASSERT_OK(f, listing && lines);
    for (bool row = true;;) {
        Buf line;
        ASSERT_OK(f, idx_list_next(listing, &row, &f->err));
        if (!row)
            break;
        buf_init(&line, 0);
        buf_printf(&line, "%d:", (int)level);
        for (size_t i = 0; i < columns; i++) {
            Span value;
            if (is_number_or_time(column[i].name))
                continue;
            buf_printf(&line, " %s=", column[i].name);
            if (idx_list_value(listing, i, &value))
                buf_append_span(&line, value);
        }
        buf_append_cstr(&line, "\n");
        lines[count++] = strdup(buf_cstr(&line));
        buf_free(&line);
    }
    idx_list_close(listing);
    append_sorted(out, lines, count);
}

/* What the database says to a question of one column. */
static void answers(Fixture *f, const char *sql, Buf *out)
{
    Db *db = idx_reader_take(f->index, IDX_ONE_LOOK, &f->err);
    DbStatement *s = db ? db_prepare(db, sql, &f->err) : NULL;
    ASSERT_OK(f, s != NULL);
    for (bool row = true;;) {
        ASSERT_OK(f, db_step(s, &row, &f->err));
        if (!row)
            break;
        buf_append_span(out, db_text(s, 0));
        buf_append_cstr(out, "\n");
    }
    db_done(s);
    idx_reader_give(f->index, db, IDX_ONE_LOOK);
}

static void describe(Fixture *f, Buf *out)
{
    static const char lite[] = "SELECT type || ' ' || coalesce(sql, name) FROM sqlite_schema ORDER BY 1",
                      server[] =
                          "SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() UNION ALL "
                          "SELECT table_name::text FROM information_schema.tables WHERE table_schema = "
                          "current_schema() ORDER BY 1";
    buf_init(out, 0);
    for (int level = 0; level < DCM_LEVEL_COUNT; level++)
        rows_of(f, (DcmLevel)level, out);
    answers(f, on_postgres(f) ? server : lite, out);
    answers(
        f,
        "SELECT attribute || ' ' || value || ' ' || count(*) FROM term GROUP BY attribute, value ORDER BY "
        "attribute, value",
        out);
    answers(
        f,
        "SELECT patients || ' ' || studies || ' ' || series || ' ' || instances || ' ' || size FROM totals",
        out);
    answers(f, "SELECT newest_study || ' ' || count(*) FROM patient GROUP BY newest_study ORDER BY 1", out);
}

static void put_study(Fixture *f, uint32_t number)
{
    CatalogueStudy study = catalogue_study(number, STUDIES);
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    for (unsigned i = 0; i < study.total; i++) {
        IdxFile file;
        const DcmDataset *head = catalogue_object(f->arena, &study, i, &file);
        ASSERT_OK(f, idx_put(f->index, &file, head, &f->err));
    }
    ASSERT_OK(f, idx_commit(f->index, &f->err));
}

static void anew(Fixture *f)
{
    ASSERT_OK(f, idx_drop(f->index, &f->err));
    idx_close(f->index);
    f->index = NULL;
}

/* A filled index takes the next object: numbers of rows go on behind those that are there. */
static void bulk_is_ingest(void **state)
{
    Fixture *f = *state;
    Buf ingested, filled;
    for (uint32_t i = 0; i <= COUNT; i++)
        put_study(f, i);
    describe(f, &ingested);
    anew(f);
    if (f->server) {
        PGconn *db = server_try(f->server);
        PGresult *result = PQexec(db, "ALTER ROLE gantry SUPERUSER");
        assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
        PQclear(result);
        PQfinish(db);
    }
    IdxSettings settings = fixture_settings(f);
    ASSERT_OK(f, bulk_fill(&settings, COUNT, STUDIES, &f->err));
    ASSERT_OK(f, fixture_open(f) != NULL);
    put_study(f, COUNT);
    describe(f, &filled);
    assert_true(ingested.n > 10000);
    assert_string_equal(buf_cstr(&ingested), buf_cstr(&filled));
    buf_free(&ingested);
    buf_free(&filled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bulk_is_ingest, fixture_setup, fixture_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
