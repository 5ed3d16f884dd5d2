// SPDX-License-Identifier: MIT
#include "archive/archive_internal.h"
#include "archive/seal.h"
#include "archive/trash.h"
#include "archive/verify_internal.h"
#include "base/spare_block.h"

#include "archive_fixture.h"
#include "sealed_rows.h"

#include <dirent.h>
#include <stdatomic.h>
#include <sys/syscall.h>

enum { OBJECTS = 70, PATIENCE_MS = 60000, LARGE = 32 << 20, ATTEMPTS = 10 };

#define OBJECT(i) "data/P1/1.2.3/1.2.3.4/1.2.3.4." #i

static const char *uid_of(int i)
{
    static char uid[6][24];
    static int next;
    char *out = uid[next++ % 6];
    snprintf(out, sizeof uid[0], "1.2.3.4.%d", i);
    return out;
}

/* Each time that more of a large object is read. */
static atomic_bool somebody_comes;

ssize_t pread(int fd, void *p, size_t n, off_t offset)
{
    if (atomic_load(&somebody_comes) && n == SPARE_BLOCK_SIZE && offset > 0)
        archive_touch(archive);
    return syscall(SYS_pread64, fd, p, n, offset);
}

static void store_number(int i, size_t pixels)
{
    Spec spec = SPEC(uid_of(i));
    spec.pixels = pixels;
    spec.fill = (uint8_t)i;
    assert_int_equal(store_spec(&spec), ARC_STORED);
}

/* Some of them are read in several pieces. */
static void store_some(int n)
{
    for (int i = 1; i <= n; i++)
        store_number(i, i % 30 == 7 ? 2000001 : 64);
    unseal_rows();
}

static ArcSeal *start(int64_t quiet_ms)
{
    return arc_seal_start(archive, &(ArcSealing){.quiet_ms = quiet_ms, .again_ms = 300});
}

static int count_sealed(int n)
{
    int sealed = 0;
    for (int i = 1; i <= n; i++)
        sealed += is_sealed(uid_of(i));
    return sealed;
}

static void await_sealed(int i)
{
    for (Deadline deadline = deadline_in(PATIENCE_MS); !is_sealed(uid_of(i)); clock_sleep_ms(5))
        if (deadline_passed(deadline))
            fail_msg("object %d is not sealed; %s", i, notices);
}

static int times_noticed(const char *text)
{
    int n = 0;
    pthread_mutex_lock(&notices_lock);
    for (const char *p = notices; (p = strstr(p, text)); p++)
        n++;
    pthread_mutex_unlock(&notices_lock);
    return n;
}

static void test_off(void **state)
{
    assert_null(start(0));
    arc_seal_stop(NULL);
}

static void test_sealed_when_it_is_quiet(void **state)
{
    store_some(OBJECTS);
    assert_int_equal(count_sealed(OBJECTS), 0);
    ArcSeal *seal = start(50);
    await_sealed(OBJECTS);
    arc_seal_stop(seal);
    assert_int_equal(count_sealed(OBJECTS), OBJECTS);
    assert_true(is_counted("gantry_seal_objects_total 70"));
    assert_false(was_noticed("seal:"));
}

/* What comes later has its turn as well; a replacement, whose row is behind the cursor, when the cursor begins again. */
static void test_it_goes_on(void **state)
{
    store_some(3);
    ArcSeal *seal = start(20);
    await_sealed(3);
    store_number(4, 64);
    store_number(5, 64);
    unseal_rows(); /* the first three, too: behind the cursor */
    await_sealed(5);
    await_sealed(1);
    Spec other = SPEC("1.2.3.4.2");
    other.fill = 99;
    assert_int_equal(store_spec(&other), ARC_REPLACED);
    await_sealed(2);
    arc_seal_stop(seal);
    assert_stored_spec(&other);
}

/* -- somebody is there -- */

static ArcIngest *begin_object(void)
{
    Err err = {0};
    ArcIncoming incoming = {.transfer_syntax = DCM_UID_ExplicitVRLittleEndian};
    ArcIngest *ingest = arc_ingest_begin(archive, &incoming, &err);
    assert_non_null(ingest);
    return ingest;
}

/* However long an object takes to come. */
static void test_not_while_an_object_comes(void **state)
{
    store_some(3);
    ArcIngest *ingest = begin_object();
    ArcSeal *seal = start(20);
    clock_sleep_ms(400);
    assert_int_equal(count_sealed(3), 0);
    arc_ingest_abandon(ingest);
    await_sealed(3);
    arc_seal_stop(seal);
}

static void ask(void)
{
    Arena *arena = arena_new(0);
    Err err = {0};
    IdxRow row;
    ArcQuery *query = arc_query_open(
        archive, &(ArcAsk){.model = ARC_STUDY_ROOT, .level = DCM_LEVEL_STUDY, .keys = dcm_dataset_new(arena)},
        &err);
    assert_non_null(query);
    assert_true(arc_query_next(query, arena, &row, &err));
    arc_query_close(query);
    arena_free(arena);
}

static void retrieve(void)
{
    Err err = {0};
    IdxFile file;
    ArcRetrieve *all = arc_retrieve_open(archive, &(IdxSelection){.everything = true}, &err);
    assert_true(all && arc_retrieve_next(all, &file, &err));
    arc_retrieve_close(all);
}

static void read_one(void)
{
    Err err = {0};
    Arena *arena = arena_new(0);
    IdxFile file;
    assert_true(find_instance(arena, uid_of(1), &file));
    ArcReader *reader = arc_reader_open(archive, &file, NULL, &err);
    assert_non_null(reader);
    arc_reader_close(reader);
    arena_free(arena);
}

/* Each of them ends the quiet. */
static void test_who_asks_is_somebody(void **state)
{
    void (*const verbs[])(void) = {ask, retrieve, read_one};
    store_some(2);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        clock_sleep_ms(30);
        assert_true(archive_quiet_ms(archive) >= 25);
        int64_t before = clock_ms();
        verbs[i]();
        assert_true(archive_quiet_ms(archive) <= clock_ms() - before);
    }
    ArcSeal *seal = start(3600000);
    clock_sleep_ms(300);
    arc_seal_stop(seal);
    assert_int_equal(count_sealed(2), 0);
}

/* -- in the middle -- */

static bool has_open(const char *path)
{
    char name[300], target[5000];
    DIR *all = opendir("/proc/self/fd");
    const struct dirent *entry;
    bool found = false;
    while (!found && (entry = readdir(all))) {
        snprintf(name, sizeof name, "/proc/self/fd/%s", entry->d_name);
        ssize_t n = readlink(name, target, sizeof target - 1);
        target[n > 0 ? n : 0] = 0;
        found = strcmp(target, path) == 0;
    }
    closedir(all);
    return found;
}

/* An object comes while a large one is read: the reading ends there, and begins again when it is quiet. The reader may be faster than we look, but
   not each time. */
static void test_stopped_in_the_middle(void **state)
{
    bool stopped = false;
    ArcSeal *seal = start(20);
    for (int i = 1; !stopped && i <= ATTEMPTS; i++) {
        store_number(i, LARGE);
        unseal_rows();
        const char *path = at("data/P1/1.2.3/1.2.3.4/1.2.3.4.");
        char whole[5000];
        snprintf(whole, sizeof whole, "%s%d", path, i);
        for (Deadline deadline = deadline_in(PATIENCE_MS); !has_open(whole) && !is_sealed(uid_of(i));)
            assert_false(deadline_passed(deadline));
        ArcIngest *ingest = begin_object();
        while (has_open(whole))
            clock_sleep_ms(1);
        clock_sleep_ms(100); /* for what may have been read to be committed */
        stopped = !is_sealed(uid_of(i));
        arc_ingest_abandon(ingest);
        await_sealed(i);
    }
    arc_seal_stop(seal);
    assert_true(stopped);
    assert_false(was_noticed("seal:"));
}

static bool twice(void *ctx, uint64_t bytes)
{
    int *left = ctx;
    assert_true(bytes > 0);
    return --*left > 0;
}

/* Whoever says stop is asked after each piece. */
static void test_reading_ends_between_pieces(void **state)
{
    Arena *arena = arena_new(0);
    IdxFile row;
    Checked checked;
    int left = 2;
    store_number(1, LARGE);
    unseal_rows();
    assert_true(find_instance(arena, uid_of(1), &row));
    assert_false(check_file_to_seal(&row, twice, &left, &checked));
    assert_int_equal(checked.what, ARC_SOUND);
    assert_true(checked.bytes > 0 && checked.bytes < LARGE / 8);
    left = 1000;
    assert_true(check_file_to_seal(&row, twice, &left, &checked));
    assert_int_equal(checked.what, ARC_SOUND);
    assert_int_equal(checked.bytes, row.size);
    uint8_t sha[32];
    sha256_of(row.path, sha);
    assert_memory_equal(checked.sha256, sha, sizeof sha);
    arena_free(arena);
}

/* A stop does not wait for the rest of what is read, nor for a suspect. */
static void test_stopped_while_it_reads(void **state)
{
    bool stopped = false;
    for (int i = 1; !stopped && i <= ATTEMPTS; i++) {
        store_number(i, LARGE);
        unseal_rows();
        ArcSeal *seal = start(20);
        clock_sleep_ms(30);
        arc_seal_stop(seal);
        stopped = !is_sealed(uid_of(i));
    }
    assert_true(stopped);
    assert_false(was_noticed("seal:"));
}

/* Somebody comes whenever a large object is read: those behind it are sealed all the same, and it is when nobody does. */
static void test_a_large_one_holds_up_nobody(void **state)
{
    store_number(1, LARGE);
    store_number(2, 64);
    unseal_rows();
    atomic_store(&somebody_comes, true);
    ArcSeal *seal = start(20);
    await_sealed(2);
    assert_false(is_sealed(uid_of(1)));
    atomic_store(&somebody_comes, false);
    await_sealed(1);
    arc_seal_stop(seal);
    assert_false(was_noticed("seal:"));
}

/* -- findings -- */

/* The last digit of its transfer syntax. */
static void damage_head(const char *path)
{
    enum { HEAD = 400 };
    char head[HEAD];
    FILE *file = fopen(path, "r+");
    assert_true(file && fread(head, 1, sizeof head, file) == sizeof head);
    const char *syntax = memmem(head, sizeof head, "\x02\x00\x10\x00UI", 6);
    assert_non_null(syntax);
    long last = syntax - head + 8 + (long)strlen("1.2.840.10008.1.2.1") - 1;
    assert_int_equal(head[last], '1');
    fseek(file, last, SEEK_SET);
    fputc('2', file);
    fclose(file);
}

static void test_findings(void **state)
{
    store_some(40);
    damage_head(at(OBJECT(6)));
    FILE *file = fopen(at(OBJECT(2)), "r+");
    assert_true(file && fseek(file, -3, SEEK_END) == 0);
    fputc('x', file);
    fclose(file);
    assert_int_equal(truncate(at(OBJECT(3)), 100), 0);
    assert_int_equal(unlink(at(OBJECT(4))), 0);
    assert_int_equal(unlink(at(OBJECT(5))), 0);
    assert_int_equal(mkdir(at(OBJECT(5)), 0700), 0);
    ArcSeal *seal = start(20);
    until_noticed("seal: damaged: object 1.2.3.4.2: its bytes are not those that were stored");
    until_noticed("seal: damaged: object 1.2.3.4.6: its bytes are not those that were stored");
    until_noticed("seal: wrong_size: object 1.2.3.4.3: the file has 100 bytes");
    until_noticed("seal: missing: object 1.2.3.4.4");
    until_noticed("seal: unreadable: object 1.2.3.4.5");
    assert_true(is_counted("gantry_seal_findings_total{finding=\"damaged\"} 2"));
    assert_true(is_counted("gantry_seal_findings_total{finding=\"missing\"} 1"));
    /* They are looked at again and again, but told once. */
    store_number(41, 64);
    unseal_rows();
    await_sealed(41);
    clock_sleep_ms(4000);
    arc_seal_stop(seal);
    assert_int_equal(times_noticed("seal: damaged"), 2);
    assert_int_equal(times_noticed("seal: missing"), 1);
    assert_int_equal(times_noticed("see 'data verify'"), 5);
    for (int i = 1; i <= 41; i++)
        if (i < 2 || i > 6)
            assert_true(is_sealed(uid_of(i)));
    assert_int_equal(count_instances(), 41);
}

/* What is deleted, or right again, before it is called a finding is none. */
static void test_gone_meanwhile(void **state)
{
    const char *one = "1.2.3.4.1";
    IdxSelection selection = {.instances = &one, .instance_count = 1};
    char folder[80];
    snprintf(folder, sizeof folder, "%s/trash", top);
    ArcTrash trash = {.folder = folder, .what = "a test"};
    ArcTrashed gone;
    Err err = {0};
    store_some(3);
    assert_int_equal(rename(at(OBJECT(1)), at("one")), 0);
    assert_int_equal(rename(at(OBJECT(2)), at("two")), 0);
    ArcSeal *seal = start(20);
    await_sealed(3);
    assert_int_equal(rename(at("two"), at(OBJECT(2))), 0);
    assert_true(arc_delete(archive, &trash, &selection, &gone, &err));
    await_sealed(2);
    clock_sleep_ms(3000);
    arc_seal_stop(seal);
    assert_false(was_noticed("seal:"));
}

/* Another server's, of the same index: neither read nor missed. */
static void test_files_of_others(void **state)
{
    store_some(3);
    assert_int_equal(rename(at(OBJECT(2)), at("two")), 0);
    sqlite3 *db = open_beside();
    char *sql =
        sqlite3_mprintf("UPDATE file_storage_metadata_dicom SET file_path = CASE instance_uid WHEN "
                        "'1.2.3.4.1' THEN '/elsewhere/1' ELSE %Q END WHERE instance_uid <> '1.2.3.4.3'",
                        at("two"));
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_free(sql);
    sqlite3_close(db);
    ArcSeal *seal = start(20);
    await_sealed(3);
    clock_sleep_ms(3000);
    arc_seal_stop(seal);
    assert_false(is_sealed(uid_of(1)));
    assert_false(is_sealed(uid_of(2)));
    assert_false(was_noticed("seal:"));
}

/* As when its disk is not mounted: one warning, and not one for each object. */
static void test_no_file_at_all(void **state)
{
    store_some(5);
    assert_int_equal(rename(at("data/P1"), at("elsewhere")), 0);
    ArcSeal *seal = start(20);
    until_noticed("is its disk mounted?");
    clock_sleep_ms(3000);
    assert_int_equal(times_noticed("seal:"), 1);
    assert_int_equal(rename(at("elsewhere"), at("data/P1")), 0);
    for (int i = 1; i <= 5; i++)
        await_sealed(i);
    arc_seal_stop(seal);
}

/* Somebody else keeps the index from being written. */
static void test_a_busy_index(void **state)
{
    store_some(3);
    sqlite3 *db = open_beside();
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    ArcSeal *seal = start(20);
    until_noticed("it is tried again");
    assert_int_equal(count_sealed(3), 0);
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    await_sealed(3);
    arc_seal_stop(seal);
    assert_int_equal(times_noticed("seal:"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_archive, drop_archive)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_off),
        TEST(test_sealed_when_it_is_quiet),
        TEST(test_it_goes_on),
        TEST(test_not_while_an_object_comes),
        TEST(test_who_asks_is_somebody),
        TEST(test_stopped_in_the_middle),
        TEST(test_reading_ends_between_pieces),
        TEST(test_stopped_while_it_reads),
        TEST(test_a_large_one_holds_up_nobody),
        TEST(test_findings),
        TEST(test_gone_meanwhile),
        TEST(test_files_of_others),
        TEST(test_no_file_at_all),
        TEST(test_a_busy_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
