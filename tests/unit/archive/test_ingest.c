// SPDX-License-Identifier: MIT
#include "archive/archive_internal.h"
#include "archive/verify_internal.h"
#include "dicom/part10.h"
#include "dicom/scan.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <dirent.h>

#include "archive_fixture.h"

#include "sealed_rows.h"

/* A disk that takes its time, or cannot keep what it took; how often it was asked to keep a temporary file. */
static atomic_bool slow, loses;
static atomic_int syncs;

ssize_t write(int fd, const void *p, size_t n)
{
    if (atomic_load(&slow))
        usleep(50000);
    return syscall(SYS_write, fd, p, n);
}

static int sync_file(int fd, long how)
{
    char link[64], path[200] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    struct stat st;
    bool temporary = readlink(link, path, sizeof path - 1) > 0 && strstr(path, "/temp/") &&
                     fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    atomic_fetch_add(&syncs, temporary);
    if (!temporary || !atomic_load(&loses))
        return (int)syscall(how, fd);
    errno = EIO;
    return -1;
}

int fsync(int fd)
{
    return sync_file(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_file(fd, SYS_fdatasync);
}

/* As it comes where nobody seals, whatever the sizes of what came before its meta information could be written; else it is left to sealing. */
static void test_sha256(void **state)
{
    Spec small = SPEC("1.2.3.4.5"), large = SPEC("1.2.3.4.6"), later = SPEC("1.2.3.4.7");
    large.pixels = 3 << 20;
    settings.sha256_at_once = true;
    reopen_archive();
    assert_int_equal(store_spec(&small), ARC_STORED);
    assert_int_equal(store_spec(&large), ARC_STORED);
    assert_true(is_sealed("1.2.3.4.5"));
    assert_true(is_sealed("1.2.3.4.6"));
    settings.sha256_at_once = false;
    reopen_archive();
    assert_int_equal(store_spec(&later), ARC_STORED);
    assert_false(is_sealed("1.2.3.4.7"));
}

static void test_stored(void **state)
{
    Arena *arena = arena_new(0);
    Err err = {0};
    ArcStored stored;
    IdxFile file;
    Spec spec = SPEC("1.2.3.4.5");
    spec.number = 17;
    assert_true(ingest_spec(&spec, &stored, &err));
    assert_int_equal(stored.outcome, ARC_STORED);
    assert_string_equal(stored.sop_class, CT_CLASS);
    assert_string_equal(stored.sop_instance, "1.2.3.4.5");
    assert_string_equal(stored.series, "1.2.3.4");
    assert_string_equal(stored.study, "1.2.3");
    assert_int_equal(stored.defects, 0);
    assert_true(find_instance(arena, "1.2.3.4.5", &file));
    assert_string_equal(file.path, at("data/P1/1.2.3/1.2.3.4/1.2.3.4.5"));
    assert_string_equal(file.patient_id, "P1");
    assert_string_equal(file.transfer_syntax, DCM_UID_ExplicitVRLittleEndian);
    assert_string_equal(file.storage_method, "FS");
    assert_string_equal(file.source_ae, "MODALITY");
    assert_int_equal(file.size, stored.size);
    assert_int_equal(file.number, 17);
    assert_true(file.begin_us > 0 && file.begin_us <= file.end_us);
    assert_stored_spec(&spec);
    assert_int_equal(count_files("temp"), 2); /* locks only */
    assert_int_equal(arc_ingest_waiting(archive), 0);
    arena_free(arena);
}

/* The file's meta information is ours and names what the data set is. */
static void test_meta(void **state)
{
    Buf file;
    Err err = {0};
    DcmFileMeta meta;
    bool more;
    Spec spec = SPEC("1.2.3.4.5");
    store_spec(&spec);
    buf_init(&file, 0);
    assert_true(file_read_all(at("data/P1/1.2.3/1.2.3.4/1.2.3.4.5"), 1 << 20, &file, &err));
    assert_true(dcm_file_meta_parse(buf_span(&file), false, &meta, &more, &err));
    assert_string_equal(meta.sop_class, CT_CLASS);
    assert_string_equal(meta.sop_instance, "1.2.3.4.5");
    assert_string_equal(meta.transfer_syntax, DCM_UID_ExplicitVRLittleEndian);
    assert_string_equal(meta.source_ae, "MODALITY");
    assert_string_equal(meta.implementation_class, DCM_IMPLEMENTATION_CLASS_UID);
    assert_int_equal(meta.defects, 0);
    buf_free(&file);
}

/* A file that is younger than its row says counts as one that was written to since. */
static void test_row_is_no_older_than_its_file(void **state)
{
    Arena *arena = arena_new(0);
    IdxFile file;
    struct stat st;
    static const size_t pixels[] = {64, 900000};
    for (size_t i = 0; i < 2; i++) {
        Spec spec = SPEC("1.2.3.4.5");
        spec.pixels = pixels[i];
        atomic_store(&slow, true);
        store_spec(&spec);
        atomic_store(&slow, false);
        assert_true(find_instance(arena, "1.2.3.4.5", &file));
        assert_int_equal(stat(file.path, &st), 0);
        assert_false(adoption_is_younger(&file, &st));
    }
    arena_free(arena);
}

static void assert_sound(const Spec *spec)
{
    static const atomic_bool never;
    Arena *arena = arena_new(0);
    IdxFile file;
    Checked seen = {0};
    Pace any = {.bytes_per_second = 0};
    assert_true(find_instance(arena, spec->instance, &file));
    check_file(&file, &any, &never, &seen);
    assert_int_equal(seen.what, ARC_SOUND);
    arena_free(arena);
}

/* An object is synced while it is digested; where objects come again, it is first asked whether it need be. Its digests are the file's either way. */
static void test_synced_once_or_not_at_all(void **state)
{
    Spec first = SPEC("1.2.3.4.5"), second = SPEC("1.2.3.4.6");
    first.pixels = second.pixels = 900000;
    atomic_store(&syncs, 0);
    assert_int_equal(store_spec(&first), ARC_STORED);
    assert_int_equal(atomic_load(&syncs), 1);
    assert_int_equal(store_spec(&first), ARC_SAME); /* as the committer has found */
    assert_int_equal(atomic_load(&syncs), 2);
    assert_true(jobs_come_again(archive));
    assert_int_equal(store_spec(&first), ARC_SAME);
    assert_int_equal(atomic_load(&syncs), 2);
    assert_int_equal(store_spec(&second), ARC_STORED);
    assert_int_equal(atomic_load(&syncs), 3);
    assert_sound(&first);
    assert_sound(&second);
}

static void assert_nothing_left(void)
{
    assert_int_equal(count_files("data"), 1);
    assert_int_equal(count_files("temp"), 2);
    assert_int_equal(count_files("quarantine"), 0);
    assert_int_equal(count_instances(), 1);
    assert_int_equal(arc_ingest_waiting(archive), 0);
}

static void lose(const Spec *spec, int look_early)
{
    Err err = {0};
    atomic_store(&archive->look_early, look_early);
    atomic_store(&loses, true);
    bool ok = ingest_spec(spec, NULL, &err);
    atomic_store(&loses, false);
    assert_false(ok);
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(err.dimse, 0x0110);
    assert_nothing_left();
}

/* What the disk cannot keep leaves nothing, whether it is new or other content of what is there, and whether it is synced before its digests are known or
   after. What is there stays. */
static void test_sync_fails(void **state)
{
    Spec kept = SPEC("1.2.3.4.5"), other = SPEC("1.2.3.4.5"), fresh = SPEC("1.2.3.4.6");
    kept.pixels = other.pixels = fresh.pixels = 900000;
    other.fill = 1;
    assert_int_equal(store_spec(&kept), ARC_STORED);
    for (int look_early = 0; look_early <= 10; look_early += 10) {
        lose(&fresh, look_early);
        lose(&other, look_early);
    }
    assert_sound(&kept);
    assert_stored_spec(&kept);
    assert_int_equal(store_spec(&other), ARC_REPLACED);
    assert_sound(&other);
}

/* A large object that is refused at its end, or given up, while a helper digests it. */
static void test_refused_while_digested(void **state)
{
    Spec kept = SPEC("1.2.3.4.5"), refused = SPEC("1.2.3.4.6");
    Buf bytes;
    refused.pixels = 3 << 20;
    assert_int_equal(store_spec(&kept), ARC_STORED);
    buf_init(&bytes, 0);
    encode(&refused, DCM_UID_ExplicitVRLittleEndian, &bytes);
    ArcIncoming incoming = {.transfer_syntax = DCM_UID_ExplicitVRLittleEndian, .study = "1.9"};
    for (int look_early = 0; look_early <= 10; look_early += 10) {
        Err err = {0};
        atomic_store(&archive->look_early, look_early);
        assert_false(ingest_bytes(&incoming, buf_span(&bytes), bytes.n, NULL, &err));
        assert_int_equal(err.code, ERR_MISMATCH);
        assert_nothing_left();
        ArcIngest *ingest = arc_ingest_begin(archive, &incoming, &err);
        assert_true(arc_ingest_write(ingest, buf_span(&bytes), &err));
        arc_ingest_abandon(ingest);
        assert_nothing_left();
    }
    buf_free(&bytes);
}

/* Pieces of one byte, and of odd sizes around the buffer. */
static void test_pieces(void **state)
{
    static const size_t pieces[] = {1, 7, 16383, 262145, 1 << 22};
    Buf bytes;
    Err err = {0};
    buf_init(&bytes, 0);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        char uid[32];
        Spec spec = SPEC(uid);
        snprintf(uid, sizeof uid, "1.2.3.4.5.%zu", i);
        spec.pixels = pieces[i] == 1 ? 5000 : 900000;
        buf_clear(&bytes);
        encode(&spec, DCM_UID_ExplicitVRLittleEndian, &bytes);
        ArcIncoming incoming = {.transfer_syntax = DCM_UID_ExplicitVRLittleEndian};
        assert_true(ingest_bytes(&incoming, buf_span(&bytes), pieces[i], NULL, &err));
        assert_stored_spec(&spec);
    }
    buf_free(&bytes);
}

static void test_encodings(void **state)
{
    static const char *const syntaxes[] = {DCM_UID_ImplicitVRLittleEndian, DCM_UID_ExplicitVRLittleEndian,
                                           DCM_UID_ExplicitVRBigEndian,
                                           DCM_UID_DeflatedExplicitVRLittleEndian};
    Arena *arena = arena_new(0);
    for (size_t i = 0; i < 4; i++) {
        char uid[32];
        IdxFile file;
        Err err = {0};
        Buf bytes;
        Spec spec = SPEC(uid);
        snprintf(uid, sizeof uid, "1.2.3.4.5.%zu", i);
        buf_init(&bytes, 0);
        encode(&spec, syntaxes[i], &bytes);
        ArcIncoming incoming = {.transfer_syntax = syntaxes[i], .sop_class = CT_CLASS, .sop_instance = uid};
        if (!ingest_bytes(&incoming, buf_span(&bytes), 100, NULL, &err))
            fail_msg("%s: %s", syntaxes[i], err.text);
        assert_true(find_instance(arena, uid, &file));
        assert_string_equal(file.transfer_syntax, syntaxes[i]);
        assert_stored_bytes(&file, buf_span(&bytes));
        buf_free(&bytes);
    }
    arena_free(arena);
}

/* Whatever an identifier is, the object is stored inside the archive, four levels deep. */
static void test_hostile_ids(void **state)
{
    static char kanji[301];
    static const struct {
        const char *patient_id, *charset, *folder;
    } cases[] = {
        {"../../etc", NULL, "%2E.%2F..%2Fetc"},
        {"/etc/passwd", NULL, "%2Fetc%2Fpasswd"},
        {"..", NULL, "%2E."},
        {"", NULL, "%"},
        {NULL, NULL, "%"},
        {".tmp", NULL, "%2Etmp"},
        {"a%2F", NULL, "a%252F"},
        {"\xFF\xFE", NULL, NULL},
        {"a\nb", NULL, NULL},
        {"'; DROP TABLE patient; --", NULL, "'; DROP TABLE patient; --"},
        {kanji, "ISO_IR 192", NULL},
        {"\xC4\xD6\xDC", "ISO_IR 100", "ÄÖÜ"},
    };
    for (int i = 0; i < 100; i++)
        memcpy(kanji + 3 * i, "漢", 4);
    Arena *arena = arena_new(0);
    size_t n = sizeof cases / sizeof *cases;
    for (size_t i = 0; i < n; i++) {
        char uid[32], folder[600];
        IdxFile file;
        Spec spec = SPEC(uid);
        snprintf(uid, sizeof uid, "1.2.3.4.6.%zu", i);
        spec.patient_id = cases[i].patient_id;
        spec.charset = cases[i].charset;
        store_spec(&spec);
        assert_true(find_instance(arena, uid, &file));
        assert_stored_spec(&spec);
        if (cases[i].folder) {
            snprintf(folder, sizeof folder, "data/%s/1.2.3/1.2.3.4/%s", cases[i].folder, uid);
            assert_string_equal(file.path, at(folder));
        }
    }
    assert_int_equal(count_files("data"), n);
    assert_int_equal(count_instances(), n);
    assert_int_equal(count_files(""), n + 2 + count_files("quarantine") +
                                          (access(at("index.sqlite"), F_OK) == 0) +
                                          (access(at("index.sqlite-wal"), F_OK) == 0) +
                                          (access(at("index.sqlite-shm"), F_OK) == 0));
    arena_free(arena);
}

/* UIDs that are none do not lead anywhere either. */
static void test_hostile_uids(void **state)
{
    Spec spec = SPEC("../../../../tmp/evil");
    spec.study = "../..";
    spec.series = "/";
    store_spec(&spec);
    assert_stored_spec(&spec);
    assert_int_equal(count_files("data"), 1);
}

/* Without study or series an object is filed under the next UID it has. */
static void test_stand_ins(void **state)
{
    static const struct {
        const char *study, *series, *filed_study, *filed_series;
    } cases[] = {
        {NULL, "1.2.3.4", "1.2.3.4", "1.2.3.4"}, {"1.2.3", NULL, "1.2.3", "1.2.3"},
        {"1.2.3", "", "1.2.3", "1.2.3"},         {NULL, NULL, "1.2.3.4.5.3", "1.2.3.4.5.3"},
        {"", "", "1.2.3.4.5.4", "1.2.3.4.5.4"},
    };
    Arena *arena = arena_new(0);
    for (int i = 0; i < 5; i++) {
        char uid[32], path[200];
        Err err = {0};
        ArcStored stored;
        IdxFile file;
        Spec spec = SPEC(uid);
        snprintf(uid, sizeof uid, "1.2.3.4.5.%d", i);
        spec.study = cases[i].study;
        spec.series = cases[i].series;
        assert_true(ingest_spec(&spec, &stored, &err));
        assert_string_equal(stored.study, cases[i].filed_study);
        assert_string_equal(stored.series, cases[i].filed_series);
        assert_true(find_instance(arena, uid, &file));
        assert_string_equal(file.study, cases[i].filed_study);
        assert_string_equal(file.series, cases[i].filed_series);
        snprintf(path, sizeof path, "data/P1/%s/%s/%s", file.study, file.series, uid);
        assert_string_equal(file.path, at(path));
        assert_stored_spec(&spec);
    }
    arena_free(arena);
}

static void test_missing_uids(void **state)
{
    for (int i = 0; i < 4; i++) {
        Err err = {0};
        Buf bytes;
        Spec spec = SPEC("1.2.3.4.5");
        static const char long_uid[] =
            "1.23456789012345678901234567890123456789012345678901234567890123456789";
        if (i == 0)
            spec.instance = "";
        if (i == 1)
            spec.series = long_uid;
        if (i == 2)
            spec.instance = NULL;
        if (i == 3)
            spec.study = long_uid;
        buf_init(&bytes, 0);
        encode(&spec, DCM_UID_ExplicitVRLittleEndian, &bytes);
        ArcIncoming incoming = {.transfer_syntax = DCM_UID_ExplicitVRLittleEndian,
                                .sop_class = CT_CLASS,
                                .sop_instance = "1.2.3.4.5",
                                .source_ae = "MODALITY"};
        assert_false(ingest_bytes(&incoming, buf_span(&bytes), 100, NULL, &err));
        assert_int_equal(err.code, ERR_FORMAT);
        assert_int_equal(err.dimse, 0xC000);
        assert_non_null(strstr(err.text, "Instance UID"));
        assert_int_equal(count_files("quarantine"), 2 * (i + 1));
        buf_free(&bytes);
    }
    assert_int_equal(count_files("data"), 0);
    assert_int_equal(count_files("temp"), 2);
    assert_int_equal(count_instances(), 0);
    assert_true(was_noticed("an object from MODALITY went to quarantine"));
}

/* Cut anywhere, the object is refused and kept aside; nothing is half there. */
static void test_truncated(void **state)
{
    Buf bytes;
    Spec spec = SPEC("1.2.3.4.5");
    spec.pixels = 5000;
    buf_init(&bytes, 0);
    encode(&spec, DCM_UID_ExplicitVRLittleEndian, &bytes);
    size_t cuts[] = {1, 7, 9, 30, 100, 200, bytes.n - 5000, bytes.n - 4999, bytes.n - 1}, refused = 0;
    ArcIncoming incoming = {.transfer_syntax = DCM_UID_ExplicitVRLittleEndian,
                            .sop_class = CT_CLASS,
                            .sop_instance = "1.2.3.4.5"};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        Err err = {0};
        assert_false(ingest_bytes(&incoming, span_sub(buf_span(&bytes), 0, cuts[i]), 64, NULL, &err));
        assert_int_equal(err.dimse, 0xC000);
        refused++;
    }
    assert_int_equal(count_files("quarantine"), 2 * refused);
    assert_int_equal(count_files("data"), 0);
    assert_int_equal(count_instances(), 0);
    Err err = {0};
    assert_true(ingest_bytes(&incoming, buf_span(&bytes), 64, NULL, &err));
    buf_free(&bytes);
}

static void test_noise(void **state)
{
    uint8_t noise[4000];
    Err err = {0};
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
    ArcIncoming incoming = {
        .transfer_syntax = DCM_UID_ImplicitVRLittleEndian, .sop_class = CT_CLASS, .sop_instance = "1.2"};
    assert_false(ingest_bytes(&incoming, span_of(noise, sizeof noise), 1000, NULL, &err));
    assert_int_equal(err.dimse, 0xC000);
    assert_int_equal(count_files("quarantine"), 2);
}

static void test_mismatch(void **state)
{
    static const struct {
        const char *sop_class, *sop_instance;
    } announced[] = {{CT_CLASS, "1.2.3.4.6"}, {DCM_UID_MRImageStorage, "1.2.3.4.5"}};
    Buf bytes;
    Spec spec = SPEC("1.2.3.4.5");
    buf_init(&bytes, 0);
    encode(&spec, DCM_UID_ExplicitVRLittleEndian, &bytes);
    for (size_t i = 0; i < 2; i++) {
        Err err = {0};
        ArcIncoming incoming = {.transfer_syntax = DCM_UID_ExplicitVRLittleEndian,
                                .sop_class = announced[i].sop_class,
                                .sop_instance = announced[i].sop_instance};
        assert_false(ingest_bytes(&incoming, buf_span(&bytes), 16, NULL, &err));
        assert_int_equal(err.code, ERR_MISMATCH);
        assert_int_equal(err.dimse, 0xA900);
        settings.check_class = false;
        reopen_archive();
        assert_true(ingest_bytes(&incoming, buf_span(&bytes), 16, NULL, &err));
        settings.check_class = true;
        reopen_archive();
    }
    assert_int_equal(count_files("quarantine"), 0);
    assert_int_equal(count_files("data"), 1); /* under the data set's own UID */
    assert_stored_spec(&spec);
    buf_free(&bytes);
}

static void test_abandoned(void **state)
{
    Err err = {0};
    ArcIncoming incoming = {.transfer_syntax = DCM_UID_ExplicitVRLittleEndian};
    ArcIngest *ingest = arc_ingest_begin(archive, &incoming, &err);
    assert_non_null(ingest);
    assert_true(arc_ingest_write(ingest, SPAN("\x08\0\x16\0UI"), &err));
    arc_ingest_abandon(ingest);
    arc_ingest_abandon(NULL);
    assert_int_equal(count_files("temp"), 2);
    assert_int_equal(count_files("quarantine"), 0);
}

static void test_bad_announcement(void **state)
{
    char uid[80];
    memset(uid, '1', sizeof uid);
    uid[70] = 0;
    const ArcIncoming bad[] = {{.transfer_syntax = NULL},
                               {.transfer_syntax = ""},
                               {.transfer_syntax = uid},
                               {.transfer_syntax = DCM_UID_ImplicitVRLittleEndian, .sop_instance = uid}};
    for (size_t i = 0; i < 4; i++) {
        Err err = {0};
        assert_null(arc_ingest_begin(archive, &bad[i], &err));
        assert_int_not_equal(err.code, ERR_NONE);
    }
}

static void test_no_space(void **state)
{
    struct rlimit old, small = {.rlim_cur = 1 << 20};
    Err err = {0};
    Spec spec = SPEC("1.2.3.4.5");
    spec.pixels = 3 << 20;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    bool ok = ingest_spec(&spec, NULL, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_false(ok);
    assert_int_equal(err.code, ERR_NO_SPACE);
    assert_int_equal(err.dimse, 0xA700);
    assert_int_equal(count_files("data"), 0);
    assert_int_equal(count_files("quarantine"), 0);
    assert_int_equal(count_files("temp"), 2);
    store_spec(&spec); /* and goes on when there is room again */
    assert_stored_spec(&spec);
}

/* A real full disk: what was acknowledged stays whole, the rest is refused, and it goes on when there is room. */
static void test_full_disk(void **state)
{
    static char data[80], temp[80];
    Err err = {0};
    assert_true(file_make_dirs(at("disk"), &err));
    if (mount("tmpfs", at("disk"), "tmpfs", 0, "size=40m") != 0)
        skip(); /* needs root */
    snprintf(data, sizeof data, "%s/disk/data", top);
    snprintf(temp, sizeof temp, "%s/disk/temp", top);
    ArcSettings small = settings;
    small.data_path = data;
    small.temp_path = temp;
    arc_close(archive);
    archive = arc_open(&small, &err);
    assert_non_null(archive);
    char uid[32];
    Spec spec = SPEC(uid);
    spec.pixels = 3 << 20;
    int stored = 0;
    for (bool ok = true; ok && stored < 100; stored += ok) {
        snprintf(uid, sizeof uid, "1.2.3.4.%d", stored);
        ok = ingest_spec(&spec, NULL, &err);
    }
    assert_in_range(stored, 3, 12);
    assert_int_equal(err.dimse, 0xA700);
    spec.pixels = 60 << 20; /* begun while there is room, too large for it */
    assert_int_equal(unlink(at("disk/data/P1/1.2.3/1.2.3.4/1.2.3.4.0")), 0);
    assert_int_equal(unlink(at("disk/data/P1/1.2.3/1.2.3.4/1.2.3.4.1")), 0);
    assert_false(ingest_spec(&spec, NULL, &err));
    assert_int_equal(err.code, ERR_NO_SPACE);
    assert_int_equal(err.dimse, 0xA700);
    spec.pixels = 3 << 20;
    for (int i = 2; i < stored; i++) {
        snprintf(uid, sizeof uid, "1.2.3.4.%d", i);
        assert_stored_spec(&spec);
    }
    snprintf(uid, sizeof uid, "1.2.3.4.0");
    assert_int_equal(store_spec(&spec), ARC_STORED);
    assert_int_equal(count_files("disk/temp"), 2);
    arc_close(archive);
    archive = NULL;
    assert_int_equal(umount(at("disk")), 0);
}

/* An object whose attributes alone are larger than what ingest keeps in memory (contours of a structure set). */
static void test_large_head(void **state)
{
    Arena *arena = arena_new(0);
    DcmDataset *ds = dcm_dataset_new(arena);
    Buf bytes;
    Err err = {0};
    ArcStored stored;
    char *contour = malloc(60000);
    memset(contour, '1', 60000);
    put_raw(ds, DCM_SOPClassUID, DCM_VR_UI, DCM_UID_RTStructureSetStorage);
    put_raw(ds, DCM_SOPInstanceUID, DCM_VR_UI, "1.2.3.9");
    put_raw(ds, DCM_PatientID, DCM_VR_LO, "P9");
    put_raw(ds, DCM_StudyInstanceUID, DCM_VR_UI, "1.2.3");
    put_raw(ds, DCM_SeriesInstanceUID, DCM_VR_UI, "1.2.3.8");
    dcm_put_sequence(ds, DCM_ROIContourSequence);
    for (int i = 0; i < 200; i++)
        dcm_put(dcm_add_item(ds, DCM_ROIContourSequence), DCM_ContourData, DCM_VR_DS,
                span_of(contour, 60000));
    buf_init(&bytes, 0);
    assert_true(dcm_write(&bytes, ds, dcm_transfer_syntax(SPAN(DCM_UID_ImplicitVRLittleEndian)), &err));
    ArcIncoming incoming = {.transfer_syntax = DCM_UID_ImplicitVRLittleEndian};
    if (!ingest_bytes(&incoming, buf_span(&bytes), 1 << 20, &stored, &err))
        fail_msg("%s", err.text);
    assert_true(stored.size > 200 * 60000);
    IdxFile file;
    assert_true(find_instance(arena, "1.2.3.9", &file));
    assert_stored_bytes(&file, buf_span(&bytes));
    buf_free(&bytes);
    free(contour);
    arena_free(arena);
}

static void test_file(void **state)
{
    Arena *arena = arena_new(0);
    Buf bytes;
    Err err = {0};
    ArcStored stored;
    IdxFile file;
    Spec spec = SPEC("1.2.3.4.5");
    buf_init(&bytes, 0);
    encode(&spec, DCM_UID_ImplicitVRLittleEndian, &bytes);
    /* No preamble, no meta: the data set alone. */
    assert_true(file_replace(at("bare"), buf_span(&bytes), 0640, &err));
    if (!arc_ingest_file(archive, at("bare"), "IMPORT", &stored, &err))
        fail_msg("%s", err.text);
    assert_int_equal(stored.outcome, ARC_STORED);
    assert_true(stored.defects & DCM_DEFECT_NO_META);
    assert_true(find_instance(arena, "1.2.3.4.5", &file));
    assert_string_equal(file.transfer_syntax, DCM_UID_ImplicitVRLittleEndian);
    assert_stored_bytes(&file, buf_span(&bytes));
    buf_free(&bytes);
    arena_free(arena);
}

/* What is no object is refused with its path and stays where it is: no quarantine. */
static void test_file_refused(void **state)
{
    Err err = {0};
    Buf bytes, cut;
    Spec spec = SPEC("1.2.3.4.5");
    buf_init(&bytes, 0);
    buf_init(&cut, 0);
    encode(&spec, DCM_UID_ExplicitVRLittleEndian, &bytes);
    assert_true(dcm_file_meta_write(&cut, CT_CLASS, "1.2.3.4.5", DCM_UID_ExplicitVRLittleEndian, NULL, &err));
    buf_append(&cut, bytes.p, bytes.n - 10);
    assert_true(file_replace(at("cut"), buf_span(&cut), 0640, &err));
    assert_true(file_replace(at("text"), SPAN("this is a text file and no image"), 0640, &err));
    assert_true(file_replace(at("empty"), SPAN(""), 0640, &err));
    static const char *const names[] = {"cut", "text", "empty", "absent", "data"};
    for (size_t i = 0; i < 5; i++) {
        assert_false(arc_ingest_file(archive, at(names[i]), NULL, NULL, &err));
        assert_non_null(strstr(err.text, at(names[i])));
    }
    assert_int_equal(count_files("quarantine"), 0);
    assert_int_equal(count_files("data"), 0);
    buf_free(&bytes);
    buf_free(&cut);
}

static int drop_disk(void **state)
{
    umount(at("disk")); /* when the test did not get that far */
    return drop_archive(state);
}

/* The folder for temporary files is gone: no fault of the object's, and no missing instance (0112). */
static void test_our_fault(void **state)
{
    Err err = {0};
    char session[600] = "";
    DIR *dir = opendir(at("temp"));
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
            snprintf(session, sizeof session, "%s/%s", at("temp"), entry->d_name);
    closedir(dir);
    char lock[700];
    snprintf(lock, sizeof lock, "%s/lock", session);
    assert_int_equal(unlink(lock), 0);
    assert_int_equal(rmdir(session), 0);
    Spec spec = SPEC("1.2.3.4.5");
    assert_false(ingest_spec(&spec, NULL, &err));
    assert_int_equal(err.dimse, 0x0110);
}

/* An error goes to the log and to the sender, who may be another than the patient's. */
static void test_errors_name_no_patient(void **state)
{
    Err err = {0};
    assert_true(file_replace(at("data/SECRET-77"), SPAN("in the way"), 0640, &err));
    Spec spec = SPEC("1.2.3.4.5");
    spec.patient_id = "SECRET-77";
    assert_false(ingest_spec(&spec, NULL, &err));
    assert_int_equal(err.dimse, 0x0110);
    assert_null(strstr(err.text, "SECRET"));
    assert_false(was_noticed("SECRET"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_archive, drop_archive)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sha256),
        TEST(test_stored),
        TEST(test_meta),
        TEST(test_row_is_no_older_than_its_file),
        TEST(test_synced_once_or_not_at_all),
        TEST(test_sync_fails),
        TEST(test_refused_while_digested),
        TEST(test_pieces),
        TEST(test_encodings),
        TEST(test_hostile_ids),
        TEST(test_hostile_uids),
        TEST(test_stand_ins),
        TEST(test_missing_uids),
        TEST(test_truncated),
        TEST(test_noise),
        TEST(test_mismatch),
        TEST(test_abandoned),
        TEST(test_bad_announcement),
        TEST(test_no_space),
        TEST(test_our_fault),
        TEST(test_errors_name_no_patient),
        cmocka_unit_test_setup_teardown(test_full_disk, make_archive, drop_disk),
        TEST(test_large_head),
        TEST(test_file),
        TEST(test_file_refused),
    };
    return cmocka_run_group_tests_name("ingest", tests, NULL, NULL);
}
