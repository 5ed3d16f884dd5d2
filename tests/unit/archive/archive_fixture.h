// SPDX-License-Identifier: MIT
/*
 * An archive in a folder of its own for each test: TOP/data, TOP/temp, TOP/quarantine, TOP/index.sqlite; and objects made on the spot.
 * Include last, it brings cmocka.
 */
#ifndef GANTRY_TESTS_ARCHIVE_FIXTURE_H
#define GANTRY_TESTS_ARCHIVE_FIXTURE_H

#include "archive/archive.h"
#include "base/file.h"
#include "base/metrics.h"
#include "dicom/tags.h"
#include "dicom/uids.h"
#include "dicom/write.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char top[64];
static Archive *archive;
static ArcSettings settings;

static inline const char *at(const char *relative)
{
    static _Thread_local char path[6][5000];
    static _Thread_local int next;
    char *out = path[next++ % 6];
    snprintf(out, sizeof path[0], "%s/%s", top, relative);
    return out;
}

/* As after a write, be it of the same bytes. */
static inline void make_younger(const char *path)
{
    const struct timespec times[] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = time(NULL) + 10}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* The last byte is another one, and the file a little younger. */
static inline void damage(const char *path)
{
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    fseek(file, -1, SEEK_END);
    int last = fgetc(file);
    fseek(file, -1, SEEK_END);
    fputc(last ^ 1, file);
    fclose(file);
    make_younger(path);
}

/* -- what the archive said -- */
static pthread_mutex_t notices_lock = PTHREAD_MUTEX_INITIALIZER;
static char notices[16384];

static inline void take_notice(void *ctx, int level, const char *logger, const char *detail)
{
    pthread_mutex_lock(&notices_lock);
    size_t n = strlen(notices);
    snprintf(notices + n, sizeof notices - n, "%d %s %s\n", level, logger, detail);
    pthread_mutex_unlock(&notices_lock);
}

/* Is it in /metrics? */
static inline bool is_counted(const char *text)
{
    Buf out;
    buf_init(&out, 0);
    metrics_write(&out);
    bool found = strstr(buf_cstr(&out), text) != NULL;
    buf_free(&out);
    return found;
}

static inline bool was_noticed(const char *text)
{
    pthread_mutex_lock(&notices_lock);
    bool found = strstr(notices, text) != NULL;
    pthread_mutex_unlock(&notices_lock);
    return found;
}

static inline void until_noticed(const char *text)
{
    Deadline deadline = deadline_in(60000);
    while (!was_noticed(text)) {
        if (deadline_passed(deadline))
            fail_msg("not said: %s\n%s", text, notices);
        clock_sleep_ms(5);
    }
}

static inline void forget_notices(void)
{
    pthread_mutex_lock(&notices_lock);
    notices[0] = 0;
    pthread_mutex_unlock(&notices_lock);
}

static inline void open_archive(void)
{
    static char data[80], temp[80], quarantine[80], index[80];
    Err err = {0};
    snprintf(data, sizeof data, "%s/data", top);
    snprintf(temp, sizeof temp, "%s/temp", top);
    snprintf(quarantine, sizeof quarantine, "%s/quarantine", top);
    snprintf(index, sizeof index, "%s/index.sqlite", top);
    settings.data_path = data;
    settings.temp_path = temp;
    settings.quarantine_path = quarantine;
    settings.index_path = index;
    settings.notice = take_notice;
    archive = arc_open(&settings, &err);
    if (!archive)
        fail_msg("%s", err.text);
}

static inline void reopen_archive(void)
{
    arc_close(archive);
    open_archive();
}

static inline int make_archive(void **state)
{
    memcpy(top, "/tmp/gantry-archive-XXXXXX", sizeof "/tmp/gantry-archive-XXXXXX");
    if (!mkdtemp(top))
        return -1;
    settings = (ArcSettings){.duplicates = ARC_REPLACE, .check_class = true};
    notices[0] = 0;
    open_archive();
    return 0;
}

static inline int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    return remove(path);
}

static inline int drop_archive(void **state)
{
    arc_close(archive);
    archive = NULL;
    return nftw(top, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static size_t counted;

static inline int count_entry(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    counted += kind == FTW_F && strcmp(path + walk->base, "claims") != 0;
    return 0;
}

/* Regular files below a folder. */
static inline size_t count_files(const char *relative)
{
    counted = 0;
    nftw(at(relative), count_entry, 16, FTW_PHYS);
    return counted;
}

/* -- objects -- */
#define CT_CLASS DCM_UID_CTImageStorage

typedef struct Spec {
    const char *patient_id; /* raw bytes; NULL = absent */
    const char *study, *series, *instance, *sop_class;
    const char *charset;
    size_t pixels; /* bytes */
    uint8_t fill;  /* of the pixels */
    int number;
} Spec;

#define SPEC(i)                                                                                              \
    ((Spec){.patient_id = "P1",                                                                              \
            .study = "1.2.3",                                                                                \
            .series = "1.2.3.4",                                                                             \
            .instance = (i),                                                                                 \
            .sop_class = CT_CLASS,                                                                           \
            .pixels = 64})

static inline void put_raw(DcmDataset *ds, DcmTag tag, DcmVr vr, const char *value)
{
    if (value)
        dcm_put(ds, tag, vr, span_cstr(value));
}

/* The encoded data set, in `out`. */
static inline void encode(const Spec *spec, const char *syntax, Buf *out)
{
    Arena *arena = arena_new(0);
    Err err = {0};
    DcmDataset *ds = dcm_dataset_new(arena);
    put_raw(ds, DCM_SpecificCharacterSet, DCM_VR_CS, spec->charset);
    put_raw(ds, DCM_SOPClassUID, DCM_VR_UI, spec->sop_class);
    put_raw(ds, DCM_SOPInstanceUID, DCM_VR_UI, spec->instance);
    put_raw(ds, DCM_Modality, DCM_VR_CS, "CT");
    put_raw(ds, DCM_PatientName, DCM_VR_PN, "Doe^Jane");
    put_raw(ds, DCM_PatientID, DCM_VR_LO, spec->patient_id);
    put_raw(ds, DCM_StudyInstanceUID, DCM_VR_UI, spec->study);
    put_raw(ds, DCM_SeriesInstanceUID, DCM_VR_UI, spec->series);
    if (spec->number)
        dcm_put_printf(ds, DCM_InstanceNumber, "%d", spec->number);
    uint8_t *pixels = malloc(spec->pixels + 1);
    memset(pixels, spec->fill, spec->pixels);
    dcm_put(ds, DCM_PixelData, DCM_VR_OW, span_of(pixels, spec->pixels));
    free(pixels);
    if (!dcm_write(out, ds, dcm_transfer_syntax(span_cstr(syntax)), &err))
        fail_msg("%s", err.text);
    arena_free(arena);
}

static inline bool ingest_bytes(const ArcIncoming *incoming, Span bytes, size_t piece, ArcStored *out,
                                Err *err)
{
    ArcIngest *ingest = arc_ingest_begin(archive, incoming, err);
    if (!ingest)
        return false;
    for (size_t done = 0; done < bytes.n; done += piece)
        if (!arc_ingest_write(ingest, span_sub(bytes, done, piece), err)) {
            arc_ingest_abandon(ingest);
            return false;
        }
    return arc_ingest_commit(ingest, out, err);
}

/* As a storage service would: announced as what it is, explicit little endian. */
static inline bool ingest_spec(const Spec *spec, ArcStored *out, Err *err)
{
    Buf bytes;
    buf_init(&bytes, 0);
    encode(spec, DCM_UID_ExplicitVRLittleEndian, &bytes);
    ArcIncoming incoming = {.transfer_syntax = DCM_UID_ExplicitVRLittleEndian, .source_ae = "MODALITY"};
    incoming.sop_class = spec->sop_class;
    incoming.sop_instance = spec->instance;
    bool ok = ingest_bytes(&incoming, buf_span(&bytes), 16384, out, err);
    buf_free(&bytes);
    return ok;
}

static inline ArcOutcome store_spec(const Spec *spec)
{
    Err err = {0};
    ArcStored stored = {0};
    if (!ingest_spec(spec, &stored, &err))
        fail_msg("%s", err.text);
    return stored.outcome;
}

/* The index's row of an instance. */
static inline bool find_instance(Arena *arena, const char *instance, IdxFile *file)
{
    Err err = {0};
    return idx_instance(arc_index(archive), arena, instance, file, &err);
}

static inline uint64_t count_instances(void)
{
    IdxTotals totals = {0};
    Err err = {0};
    if (!idx_totals(arc_index(archive), &totals, &err))
        fail_msg("%s", err.text);
    return totals.instances;
}

/* The data set of a stored file is these bytes. */
static inline void assert_stored_bytes(const IdxFile *file, Span bytes)
{
    Buf all;
    Err err = {0};
    buf_init(&all, 0);
    if (!file_read_all(file->path, 1 << 30, &all, &err))
        fail_msg("%s", err.text);
    assert_int_equal(all.n, file->size);
    assert_int_equal(all.n - file->data_offset, bytes.n);
    assert_memory_equal(all.p + file->data_offset, bytes.p, bytes.n);
    buf_free(&all);
}

static inline void assert_stored_spec(const Spec *spec)
{
    Arena *arena = arena_new(0);
    IdxFile file;
    Buf bytes;
    buf_init(&bytes, 0);
    encode(spec, DCM_UID_ExplicitVRLittleEndian, &bytes);
    assert_true(find_instance(arena, spec->instance, &file));
    assert_stored_bytes(&file, buf_span(&bytes));
    buf_free(&bytes);
    arena_free(arena);
}

#endif
