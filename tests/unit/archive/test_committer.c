// SPDX-License-Identifier: MIT
#include "archive/archive_internal.h"

#include <glob.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "archive_fixture.h"

static Spec filled(const char *uid, uint8_t fill)
{
    Spec spec = SPEC(uid);
    spec.fill = fill;
    return spec;
}

static void under_policy(ArcDuplicates duplicates)
{
    settings.duplicates = duplicates;
    reopen_archive();
}

static void test_same(void **state)
{
    for (int policy = ARC_KEEP_FIRST; policy <= ARC_REPLACE; policy++) {
        under_policy(policy);
        Spec spec = filled("1.2.3.4.5", 1);
        assert_int_equal(store_spec(&spec), policy == ARC_KEEP_FIRST ? ARC_STORED : ARC_SAME);
        assert_int_equal(store_spec(&spec), ARC_SAME);
    }
    assert_int_equal(count_files("data"), 1);
    assert_int_equal(count_instances(), 1);
    assert_int_equal(count_files("temp"), 2);
}

/* Whether an object is there is asked before it is synced, but only while others that came were. */
static void test_looked_up_early(void **state)
{
    Spec spec = filled("1.2.3.4.5", 1);
    Job there, fresh;
    job_init(&there, JOB_INGEST);
    job_init(&fresh, JOB_INGEST);
    fresh.file.sop_instance = "1.2.3.4.6";
    assert_int_equal(store_spec(&spec), ARC_STORED);
    assert_true(find_instance(there.arena, "1.2.3.4.5", &there.file));
    assert_false(job_is_same(archive, &there));
    assert_int_equal(store_spec(&spec), ARC_SAME); /* as the committer has found */
    assert_true(job_is_same(archive, &there));
    assert_int_equal(store_spec(&spec), ARC_SAME);
    for (int i = 0; i < 1000; i++)
        assert_false(job_is_same(archive, &fresh));
    assert_false(job_is_same(archive, &there));
    job_destroy(&there);
    job_destroy(&fresh);
}

/* Others that are expected and never come hold up nobody for long, and nobody for ever. */
static void test_expected_in_vain(void **state)
{
    enum { LONG_MS = 10000 };
    Spec spec = filled("1.2.3.4.5", 1);
    int64_t began = clock_ms();
    for (int i = 0; i < 100; i++)
        committer_expect(archive->committer);
    assert_int_equal(store_spec(&spec), ARC_STORED);
    assert_true(clock_ms() - began < LONG_MS);
    for (int i = 0; i < 100; i++)
        committer_expect_no_more(archive->committer);
    assert_stored_spec(&spec);
}

static void test_keep_first(void **state)
{
    under_policy(ARC_KEEP_FIRST);
    Spec first = filled("1.2.3.4.5", 1), second = filled("1.2.3.4.5", 2);
    assert_int_equal(store_spec(&first), ARC_STORED);
    assert_int_equal(store_spec(&second), ARC_KEPT_FIRST);
    assert_stored_spec(&first);
    assert_int_equal(count_files("data"), 1);
    assert_true(was_noticed("1.2.3.4.5 came again with other content; the first is kept"));
    assert_false(was_noticed("Doe"));
}

static void test_keep_both(void **state)
{
    under_policy(ARC_KEEP_BOTH);
    Spec first = filled("1.2.3.4.5", 1), second = filled("1.2.3.4.5", 2), third = filled("1.2.3.4.5", 3);
    assert_int_equal(store_spec(&first), ARC_STORED);
    assert_int_equal(store_spec(&second), ARC_KEPT_BOTH);
    assert_int_equal(store_spec(&third), ARC_KEPT_BOTH);
    assert_int_equal(store_spec(&second), ARC_SAME);
    assert_int_equal(store_spec(&first), ARC_SAME);
    assert_stored_spec(&first);
    assert_int_equal(count_files("data"), 3);
    assert_int_equal(count_instances(), 1);
}

static void test_replace(void **state)
{
    Spec first = filled("1.2.3.4.5", 1), second = filled("1.2.3.4.5", 2);
    second.pixels = 128;
    assert_int_equal(store_spec(&first), ARC_STORED);
    assert_int_equal(store_spec(&second), ARC_REPLACED);
    assert_stored_spec(&second);
    assert_int_equal(count_files("data"), 1);
    assert_int_equal(count_files("temp"), 2);
    assert_int_equal(count_instances(), 1);
    assert_true(was_noticed("it was replaced"));
}

/* A replacement that belongs to another patient moves; the old place is left empty. */
static void test_replace_elsewhere(void **state)
{
    Arena *arena = arena_new(0);
    IdxTotals totals = {0};
    Err err = {0};
    Spec first = filled("1.2.3.4.5", 1), second = filled("1.2.3.4.5", 1);
    second.patient_id = "P2";
    second.study = "1.9";
    second.series = "1.9.1";
    store_spec(&first);
    assert_int_equal(store_spec(&second), ARC_REPLACED);
    assert_stored_spec(&second);
    assert_int_equal(count_files("data"), 1);
    assert_int_not_equal(access(at("data/P1"), F_OK), 0);
    assert_int_equal(access(at("data/P2/1.9/1.9.1/1.2.3.4.5"), F_OK), 0);
    assert_true(idx_totals(arc_index(archive), &totals, &err));
    assert_int_equal(totals.instances, 1);
    assert_int_equal(totals.studies, 1);
    arena_free(arena);
}

/* The file was deleted behind the archive's back: the next copy fills the gap. */
static void test_file_was_deleted(void **state)
{
    Spec spec = filled("1.2.3.4.5", 1);
    store_spec(&spec);
    assert_int_equal(unlink(at("data/P1/1.2.3/1.2.3.4/1.2.3.4.5")), 0);
    assert_int_equal(store_spec(&spec), ARC_STORED);
    assert_stored_spec(&spec);
}

/* Somebody wrote into the file: whoever sends the object again has it stored whole, and what lay there stays to be looked at. */
static void test_file_was_damaged(void **state)
{
    static const char name[] = "data/P1/1.2.3/1.2.3.4/1.2.3.4.5";
    Spec spec = filled("1.2.3.4.5", 1);
    for (int policy = ARC_KEEP_FIRST; policy <= ARC_REPLACE; policy++) {
        under_policy(policy);
        store_spec(&spec);
        size_t before = count_files("quarantine");
        make_younger(at(name));
        assert_int_equal(store_spec(&spec), ARC_SAME);
        damage(at(name));
        assert_int_equal(store_spec(&spec), ARC_STORED);
        assert_stored_spec(&spec);
        assert_int_equal(count_files("quarantine"), before + 2);
        assert_int_equal(store_spec(&spec), ARC_SAME);
    }
    assert_int_equal(count_files("data"), 1);
    assert_int_equal(count_instances(), 1);
}

static void cut_short(const char *path)
{
    assert_int_equal(truncate(path, 700), 0);
}

static void write_other(const char *path)
{
    Err err;
    assert_true(file_replace(path, SPAN("no DICOM at all"), 0640, &err));
}

/* As a disk does that loses bits: the file's times say nothing. */
static void damage_silently(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    damage(path);
    assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[]){st.st_atim, st.st_mtim}, 0), 0);
}

static void find_second_file(char *path, size_t n)
{
    glob_t found;
    assert_int_equal(glob(at("data/P1/1.2.3/1.2.3.4/*%+*"), 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    snprintf(path, n, "%s", found.gl_pathv[0]);
    globfree(&found);
}

static void read_whole(const char *path, Buf *out)
{
    Err err;
    buf_init(out, 0);
    assert_true(file_read_all(path, 1 << 20, out, &err));
}

/* The second file of an object has no row: it is read before the same object passes for it. */
static void test_second_file_was_damaged(void **state)
{
    static void (*const harms[])(const char *) = {damage, damage_silently, cut_short, write_other};
    Spec first = filled("1.2.3.4.5", 1), second = filled("1.2.3.4.5", 2);
    under_policy(ARC_KEEP_BOTH);
    assert_int_equal(store_spec(&first), ARC_STORED);
    assert_int_equal(store_spec(&second), ARC_KEPT_BOTH);
    assert_int_equal(store_spec(&second), ARC_SAME);
    char path[300];
    Buf whole, now;
    find_second_file(path, sizeof path);
    read_whole(path, &whole);
    for (size_t i = 0; i < sizeof harms / sizeof *harms; i++) {
        harms[i](path);
        assert_int_equal(store_spec(&second), ARC_KEPT_BOTH);
        read_whole(path, &now);
        assert_int_equal(now.n, whole.n);
        assert_memory_equal(now.p, whole.p, whole.n);
        buf_free(&now);
        assert_int_equal(count_files("quarantine"), 2 * (i + 1));
        assert_int_equal(store_spec(&second), ARC_SAME);
    }
    buf_free(&whole);
    assert_true(was_noticed("the second file of object 1.2.3.4.5 is damaged"));
    assert_stored_spec(&first);
    assert_int_equal(count_files("data"), 2);
    assert_int_equal(count_instances(), 1);
    assert_int_equal(count_files("temp"), 2);
}

/* The same where nothing came again lately, so that the sender has not asked and the committer finds the object. */
static void test_damage_found_late(void **state)
{
    static const char name[] = "data/P1/1.2.3/1.2.3.4/1.2.3.4.5";
    Spec spec = filled("1.2.3.4.5", 1);
    assert_int_equal(store_spec(&spec), ARC_STORED);
    assert_int_equal(atomic_load(&archive->look_early), 0);
    damage(at(name));
    assert_int_equal(store_spec(&spec), ARC_STORED);
    assert_stored_spec(&spec);
    assert_true(atomic_load(&archive->look_early) > 0);
    assert_int_equal(count_files("quarantine"), 2);
    atomic_store(&archive->look_early, 0);
    make_younger(at(name));
    assert_int_equal(store_spec(&spec), ARC_SAME);
    assert_int_equal(count_files("data"), 1);
    assert_int_equal(count_files("temp"), 2);
    assert_int_equal(count_instances(), 1);
}

/* It came again after its sender had asked for it in vain: nobody has looked at its file. */
static void test_damage_after_the_question(void **state)
{
    Spec spec = filled("1.2.3.4.5", 1);
    Job job;
    job_init(&job, JOB_INGEST);
    job.file.sop_instance = "1.2.3.4.5";
    atomic_store(&archive->look_early, 10);
    assert_false(job_is_same(archive, &job));
    assert_int_equal(store_spec(&spec), ARC_STORED);
    damage(at("data/P1/1.2.3/1.2.3.4/1.2.3.4.5"));
    assert_true(find_instance(job.arena, "1.2.3.4.5", &job.file));
    assert_true(committer_run(archive->committer, &job));
    assert_false(job.ok);
    assert_true(job.doubted);
    assert_false(job_is_same(archive, &job));
    assert_true(job.distrusted);
    job_destroy(&job);
}

/* Somebody edited the file, which is another size and well-formed still: that is no other content which came first. */
static void test_file_was_edited(void **state)
{
    static const char name[] = "data/P1/1.2.3/1.2.3.4/1.2.3.4.5";
    static const uint8_t padding[] = {0xFC, 0xFF, 0xFC, 0xFF, 'O', 'B', 0, 0, 2, 0, 0, 0, 0, 0};
    Spec spec = filled("1.2.3.4.5", 1);
    for (int policy = ARC_KEEP_FIRST; policy <= ARC_REPLACE; policy++) {
        under_policy(policy);
        store_spec(&spec);
        size_t before = count_files("quarantine");
        FILE *file = fopen(at(name), "a");
        assert_non_null(file);
        assert_int_equal(fwrite(padding, 1, sizeof padding, file), sizeof padding);
        fclose(file);
        assert_int_equal(store_spec(&spec), ARC_STORED);
        assert_stored_spec(&spec);
        assert_int_equal(count_files("quarantine"), before + 2);
        assert_int_equal(store_spec(&spec), ARC_SAME);
    }
    assert_int_equal(count_files("data"), 1);
    assert_int_equal(count_instances(), 1);
}

static void lose_index(void)
{
    arc_close(archive);
    unlink(at("index.sqlite"));
    unlink(at("index.sqlite-wal"));
    unlink(at("index.sqlite-shm"));
    open_archive();
    assert_int_equal(count_instances(), 0);
}

/* The index was lost, the files are there: the policy still holds. */
static void test_lost_index(void **state)
{
    Spec first = filled("1.2.3.4.5", 1), second = filled("1.2.3.4.5", 2);
    store_spec(&first);
    settings.duplicates = ARC_KEEP_FIRST;
    lose_index();
    assert_int_equal(store_spec(&second), ARC_KEPT_FIRST);
    assert_stored_spec(&first);
    lose_index();
    assert_int_equal(store_spec(&first), ARC_STORED);
    assert_stored_spec(&first);
    settings.duplicates = ARC_REPLACE;
    lose_index();
    assert_int_equal(store_spec(&second), ARC_REPLACED);
    assert_stored_spec(&second);
    assert_int_equal(count_files("data"), 1);
    assert_int_equal(count_files("quarantine"), 0);
}

/* Something else lies under the name: it goes aside, not away. */
static void test_junk_in_place(void **state)
{
    Err err = {0};
    Spec spec = filled("1.2.3.4.5", 1);
    assert_true(file_make_dirs(at("data/P1/1.2.3/1.2.3.4"), &err));
    assert_true(file_replace(at("data/P1/1.2.3/1.2.3.4/1.2.3.4.5"), SPAN("no DICOM at all"), 0640, &err));
    assert_int_equal(store_spec(&spec), ARC_STORED);
    assert_stored_spec(&spec);
    assert_int_equal(count_files("quarantine"), 2);
}

static void sql(const char *text)
{
    sqlite3 *db = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(at("index.sqlite"), &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
    sqlite3_close(db);
}

#define REFUSE                                                                                               \
    "CREATE TRIGGER refuse BEFORE INSERT ON file_storage_metadata_dicom "                                    \
    "BEGIN SELECT RAISE(ABORT, 'refused by the test'); END;"                                                 \
    "CREATE TRIGGER refuse_too BEFORE UPDATE ON file_storage_metadata_dicom "                                \
    "BEGIN SELECT RAISE(ABORT, 'refused by the test'); END;"
#define ALLOW "DROP TRIGGER refuse; DROP TRIGGER refuse_too;"

/* The index refuses: the object is absent, as its sender is told; what it would have replaced is there. */
static void test_index_fails(void **state)
{
    Err err = {0};
    Spec first = filled("1.2.3.4.5", 1), second = filled("1.2.3.4.5", 2), other = filled("1.2.3.4.6", 3);
    store_spec(&first);
    sql(REFUSE);
    assert_false(ingest_spec(&second, NULL, &err));
    assert_int_equal(err.dimse, 0x0110);
    assert_false(ingest_spec(&other, NULL, &err));
    assert_stored_spec(&first);
    assert_int_equal(count_files("data"), 1);
    assert_int_equal(count_files("temp"), 2);
    sql(ALLOW);
    assert_int_equal(store_spec(&second), ARC_REPLACED);
    assert_int_equal(store_spec(&other), ARC_STORED);
    assert_stored_spec(&second);
    assert_stored_spec(&other);
}

/* -- threads -- */
enum { SENDERS = 8, EACH = 40 };

typedef struct Sender {
    pthread_t thread;
    int id;
    size_t stored, same, failed;
} Sender;

/* Own objects, and every tenth one that all of them send. */
static void *send_many(void *ctx)
{
    Sender *sender = ctx;
    for (int i = 0; i < EACH; i++) {
        char uid[64], series[64];
        Err err = {0};
        ArcStored stored = {0};
        bool shared = i % 10 == 0;
        Spec spec = SPEC(uid);
        snprintf(uid, sizeof uid, "1.2.3.%d.%d", shared ? 99 : sender->id, i);
        snprintf(series, sizeof series, "1.2.3.%d", shared ? 99 : sender->id % 4);
        spec.series = series;
        spec.pixels = 2000;
        if (!ingest_spec(&spec, &stored, &err))
            sender->failed++;
        else if (stored.outcome == ARC_SAME)
            sender->same++;
        else
            sender->stored++;
    }
    return NULL;
}

static void test_senders(void **state)
{
    Sender senders[SENDERS] = {0};
    size_t stored = 0, same = 0;
    for (int i = 0; i < SENDERS; i++) {
        senders[i].id = i;
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_many, &senders[i]), 0);
    }
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
        assert_int_equal(senders[i].failed, 0);
        stored += senders[i].stored;
        same += senders[i].same;
    }
    size_t shared = EACH / 10, own = SENDERS * (EACH - shared);
    assert_int_equal(stored, own + shared);
    assert_int_equal(same, (SENDERS - 1) * shared);
    assert_int_equal(count_instances(), own + shared);
    assert_int_equal(count_files("data"), own + shared);
    for (int i = 0; i < SENDERS; i++)
        for (int k = 1; k < EACH; k += 13) {
            char uid[64], series[64];
            Spec spec = SPEC(uid);
            snprintf(uid, sizeof uid, "1.2.3.%d.%d", i, k);
            snprintf(series, sizeof series, "1.2.3.%d", i % 4);
            spec.series = series;
            spec.pixels = 2000;
            assert_stored_spec(&spec);
        }
}

/* Different bytes under one UID at the same moment: one after the other, the last one wins, nothing is torn. */
static void *send_versions(void *ctx)
{
    Sender *sender = ctx;
    for (int i = 0; i < 20; i++) {
        Err err = {0};
        Spec spec = filled("1.2.3.4.5", (uint8_t)(sender->id * 20 + i + 1));
        sender->failed += !ingest_spec(&spec, NULL, &err);
    }
    return NULL;
}

static void test_versions(void **state)
{
    Sender senders[4] = {0};
    for (int i = 0; i < 4; i++) {
        senders[i].id = i;
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_versions, &senders[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(senders[i].thread, NULL);
        assert_int_equal(senders[i].failed, 0);
    }
    Arena *arena = arena_new(0);
    IdxFile file;
    uint8_t last;
    Err err = {0};
    assert_true(find_instance(arena, "1.2.3.4.5", &file));
    int fd = open(file.path, O_RDONLY);
    assert_true(file_read_at(fd, file.size - 1, &last, 1, &err));
    close(fd);
    Spec winner = filled("1.2.3.4.5", last);
    assert_stored_spec(&winner);
    assert_int_equal(store_spec(&winner), ARC_SAME); /* the row's digest is that of the file */
    assert_int_equal(count_files("data"), 1);
    assert_int_equal(count_files("temp"), 2);
    arena_free(arena);
}

/* Versions that belong to different patients: each takes away the file of the one before it, and no other. */
static void *send_movers(void *ctx)
{
    static const char *const patients[] = {"P1", "P2", "P3"};
    Sender *sender = ctx;
    for (int i = 0; i < 20; i++) {
        Err err = {0};
        Spec spec = filled("1.2.3.4.5", (uint8_t)(sender->id * 20 + i + 1));
        spec.patient_id = patients[(sender->id + i) % 3];
        sender->failed += !ingest_spec(&spec, NULL, &err);
    }
    return NULL;
}

static void test_versions_that_move(void **state)
{
    Sender senders[4] = {0};
    for (int i = 0; i < 4; i++) {
        senders[i].id = i;
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_movers, &senders[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(senders[i].thread, NULL);
        assert_int_equal(senders[i].failed, 0);
    }
    Arena *arena = arena_new(0);
    IdxFile file;
    assert_true(find_instance(arena, "1.2.3.4.5", &file));
    assert_int_equal(access(file.path, F_OK), 0);
    assert_int_equal(count_files("data"), 1);
    assert_int_equal(count_files("temp"), 2);
    assert_int_equal(count_instances(), 1);
    arena_free(arena);
}

/* What the adoption has read is replaced before the committer comes to it. */
static void test_adoption_too_late(void **state)
{
    Spec first = filled("1.2.3.4.5", 1), second = filled("1.2.3.4.5", 2);
    second.pixels = 128;
    Inspector inspector;
    Job job;
    Err err = {0};
    assert_int_equal(store_spec(&first), ARC_STORED);
    job_init(&job, JOB_ADOPT);
    assert_true(adoption_read(archive, "P1/1.2.3/1.2.3.4/1.2.3.4.5", &job, &inspector, NULL, &err));
    assert_int_equal(store_spec(&second), ARC_REPLACED);
    assert_true(committer_run(archive->committer, &job));
    assert_true(job.ok);
    assert_stored_spec(&second);
    inspector_end(&inspector);
    job_destroy(&job);
}

/* -- claims -- */

/* Is it somebody's? */
static bool is_claimed(StoreClaims *claims, const char *uid)
{
    uint64_t key = claim_of_object(uid);
    bool is_free = store_claim(claims, key, deadline_in(0), NULL);
    if (is_free)
        store_unclaim(claims, key);
    return !is_free;
}

static Job removals[3];
static atomic_int removed;

static void count_removed(Job *job)
{
    atomic_fetch_add(&removed, job->ok);
}

/* Of an object that is in the archive. */
static void init_removal(Job *job, const char *uid)
{
    job_init(job, JOB_REMOVE);
    assert_true(find_instance(job->arena, uid, &job->file));
}

static void submit_removal(int i, const char *uid)
{
    init_removal(&removals[i], uid);
    removals[i].release = count_removed;
    committer_submit(archive->committer, &removals[i]);
}

/* Two processes that want the same objects in other orders do not wait for each other: what comes first in the order of the claims is claimed first, whatever came in first. */
static void test_claims_have_an_order(void **state)
{
    const char *first = "1.2.3.4.1", *low = "1.2.3.4.2", *high = "1.2.3.4.3";
    Err err = {0};
    if (claim_of_object(low) > claim_of_object(high)) {
        low = "1.2.3.4.3";
        high = "1.2.3.4.2";
    }
    for (int i = 1; i <= 3; i++) {
        char uid[32];
        snprintf(uid, sizeof uid, "1.2.3.4.%d", i);
        store_spec(&SPEC(uid));
    }
    atomic_store(&removed, 0);
    StoreClaims *other = store_claims_open(archive->store, &err);
    assert_true(store_claim(other, claim_of_object(first), deadline_in(0), &err));
    assert_true(store_claim(other, claim_of_object(high), deadline_in(0), &err));
    submit_removal(0, first);
    Deadline deadline = deadline_in(10000);
    while (committer_waiting(archive->committer) && !deadline_passed(deadline))
        clock_sleep_ms(1); /* until it is taken, and waits */
    submit_removal(1, high);
    submit_removal(2, low);
    store_unclaim(other, claim_of_object(first)); /* those two are a group now */
    while (!is_claimed(other, low) && !deadline_passed(deadline))
        clock_sleep_ms(1);
    bool in_order = is_claimed(other, low);
    store_claims_close(other);
    arc_close(archive); /* works them off */
    open_archive();
    for (int i = 0; i < 3; i++)
        job_destroy(&removals[i]);
    assert_true(in_order);
    assert_int_equal(atomic_load(&removed), 3);
    assert_int_equal(count_instances(), 0);
}

static StoreClaims *others;
static bool was_claimed;

static void look_at_claim(Job *job)
{
    was_claimed = is_claimed(others, job->file.sop_instance);
}

/* Who removes its file, too, has the object until that is done. */
static void test_removed_under_a_claim(void **state)
{
    Spec spec = filled("1.2.3.4.5", 1);
    Err err = {0};
    Job job;
    store_spec(&spec);
    others = store_claims_open(archive->store, &err);
    assert_non_null(others);
    init_removal(&job, spec.instance);
    job.removed = look_at_claim;
    assert_true(committer_run(archive->committer, &job));
    assert_true(job.ok);
    assert_int_equal(count_instances(), 0);
    assert_true(was_claimed);
    assert_false(is_claimed(others, spec.instance));
    store_claims_close(others);
    job_destroy(&job);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_archive, drop_archive)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_same),
        TEST(test_looked_up_early),
        TEST(test_expected_in_vain),
        TEST(test_keep_first),
        TEST(test_keep_both),
        TEST(test_replace),
        TEST(test_replace_elsewhere),
        TEST(test_file_was_deleted),
        TEST(test_file_was_damaged),
        TEST(test_second_file_was_damaged),
        TEST(test_damage_found_late),
        TEST(test_damage_after_the_question),
        TEST(test_file_was_edited),
        TEST(test_lost_index),
        TEST(test_junk_in_place),
        TEST(test_index_fails),
        TEST(test_senders),
        TEST(test_versions),
        TEST(test_versions_that_move),
        TEST(test_adoption_too_late),
        TEST(test_claims_have_an_order),
        TEST(test_removed_under_a_claim),
    };
    return cmocka_run_group_tests_name("committer", tests, NULL, NULL);
}
