// SPDX-License-Identifier: MIT
/*
 * No test: how fast objects are put, in groups of 32, and how long queries take. Arguments: number of instances (10 per study).
 * GANTRY_TEST_ENGINE chooses the driver, as for the tests.
 */
#include "fixture.h"

#include "base/clock.h"

enum { GROUP = 32, PER_STUDY = 10, PER_SERIES = 5, REPEAT = 200 };

static const char *const families[] = {"Doe",    "Smith", "M\xc3\xbcller", "Yamada",
                                       "Garcia", "Rossi", "Novak",         "Kim"};
static const char *const given[] = {"Jane", "John", "Anna", "Taro", "Luis",
                                    "Mia",  "Petr", "Min",  "Zoe",  "Ida"};
static const char *const modalities[] = {"CT", "MR", "US", "CR"};

static DcmDataset *instance(Arena *arena, int n)
{
    int study = n / PER_STUDY, series = n / PER_SERIES, patient = study / 2;
    return object_of(
        arena, DCM_PatientID, arena_printf(arena, "PID%07d", patient), DCM_PatientName,
        arena_printf(arena, "%s%d^%s", families[patient % 8], patient / 80, given[patient % 10]),
        DCM_PatientSex, patient % 2 ? "F" : "M", DCM_PatientBirthDate,
        arena_printf(arena, "19%02d0%d1%d", patient % 100, 1 + patient % 9, patient % 9),
        DCM_StudyInstanceUID, arena_printf(arena, "1.2.826.0.1.3680043.8.498.%d", study), DCM_StudyDate,
        arena_printf(arena, "20%02d%02d%02d", study / 336 % 24, 1 + study / 28 % 12, 1 + study % 28),
        DCM_StudyTime, "101530", DCM_AccessionNumber, arena_printf(arena, "ACC%07d", study),
        DCM_StudyDescription, "HEAD ROUTINE", DCM_StudyID, "1", DCM_ReferringPhysicianName, "House^Gregory",
        DCM_SeriesInstanceUID, arena_printf(arena, "1.2.826.0.1.3680043.8.498.%d.%d", study, series),
        DCM_SeriesNumber, arena_printf(arena, "%d", series % 2), DCM_Modality, modalities[study % 4],
        DCM_SOPClassUID, "1.2.840.10008.5.1.4.1.1.2", DCM_SOPInstanceUID,
        arena_printf(arena, "1.2.826.0.1.3680043.8.498.%d.%d.%d", study, series, n), DCM_InstanceNumber,
        arena_printf(arena, "%d", n % PER_SERIES), DCM_ImageType, "ORIGINAL\\PRIMARY\\AXIAL",
        DCM_AcquisitionDate, "20200101", DCM_ContentDate, "20200101", DCM_AcquisitionTime, "101112", 0);
}

static void fill(Fixture *f, int total)
{
    int64_t start = clock_ns(), part = start, last = 0;
    for (int n = 0; n < total;) {
        ASSERT_OK(f, idx_begin(f->index, &f->err));
        const DcmDataset *group[GROUP];
        const char *uids[GROUP];
        int count = 0;
        for (; count < GROUP && n < total; count++, n++) {
            group[count] = instance(f->arena, n);
            uids[count] = dcm_text(f->arena, group[count], DCM_SOPInstanceUID, 0);
        }
        if (!getenv("GANTRY_MEASURE_UNEXPECTED"))
            ASSERT_OK(f, idx_expect(f->index, uids, (size_t)count, &f->err));
        for (int i = 0; i < count; i++)
            ASSERT_OK(f, put(f, group[i]));
        ASSERT_OK(f, idx_commit(f->index, &f->err));
        arena_reset(f->arena);
        if (n / (total / 5) != last) {
            int64_t now = clock_ns();
            last = n / (total / 5);
            printf("  at %7d: %7.0f puts/s\n", n, total / 5 / ((double)(now - part) / 1e9));
            part = now;
        }
    }
    printf("  overall   %7.0f puts/s\n", total / ((double)(clock_ns() - start) / 1e9));
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void query(Fixture *f, const char *name, DcmLevel level, DcmTag tag, const char *value, uint64_t limit)
{
    int64_t took[REPEAT], start = clock_ns();
    int runs = 0;
    size_t answers = 0;
    for (; runs < REPEAT && (runs < 5 || clock_ns() - start < 3000000000); runs++) {
        int64_t begin = clock_ns();
        IdxQuery q = {.level = level, .keys = object_of(f->arena, tag, value, 0), .limit = limit};
        IdxCursor *cursor = idx_query(f->index, &q, &f->err);
        IdxRow row;
        ASSERT_OK(f, cursor);
        for (answers = 0;; answers++) {
            ASSERT_OK(f, idx_next(cursor, f->arena, &row, &f->err));
            if (!row.attributes)
                break;
        }
        idx_cursor_free(cursor);
        took[runs] = clock_ns() - begin;
        arena_reset(f->arena);
    }
    qsort(took, (size_t)runs, sizeof *took, by_size);
    printf("  %-34s %7zu answers  median %9.3f ms  p95 %9.3f ms\n", name, answers,
           (double)took[runs / 2] / 1e6, (double)took[runs * 95 / 100] / 1e6);
}

static void instances(Fixture *f, int total)
{
    int64_t start = clock_ns();
    for (int i = 0; i < 2000; i++) {
        IdxFile file;
        int n = (int)((int64_t)i * 7919 % total);
        ASSERT_OK(f, idx_instance(f->index, f->arena,
                                  arena_printf(f->arena, "1.2.826.0.1.3680043.8.498.%d.%d.%d", n / PER_STUDY,
                                               n / PER_SERIES, n),
                                  &file, &f->err));
    }
    printf("  idx_instance %.0f us each\n", (double)(clock_ns() - start) / 2000 / 1e3);
}

int main(int argc, char **argv)
{
    int total = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 20000;
    void *state = NULL;
    if (fixture_setup(&state))
        return 1;
    Fixture *f = state;
    fill(f, total);
    instances(f, total);
    query(f, "study by UID", DCM_LEVEL_STUDY, DCM_StudyInstanceUID, "1.2.826.0.1.3680043.8.498.777", 0);
    query(f, "patient ID", DCM_LEVEL_STUDY, DCM_PatientID, "PID0000123", 0);
    query(f, "name prefix", DCM_LEVEL_STUDY, DCM_PatientName, "Doe1*", 0);
    query(f, "name within", DCM_LEVEL_STUDY, DCM_PatientName, "*ane*", 0);
    query(f, "accession number", DCM_LEVEL_STUDY, DCM_AccessionNumber, "ACC0000123", 0);
    query(f, "one day", DCM_LEVEL_STUDY, DCM_StudyDate, "20050607", 0);
    query(f, "one year", DCM_LEVEL_STUDY, DCM_StudyDate, "20050101-20051231", 0);
    query(f, "all studies, first 100", DCM_LEVEL_STUDY, DCM_PatientName, "", 100);
    query(f, "all studies", DCM_LEVEL_STUDY, DCM_PatientName, "", 0);
    query(f, "all patients, first 100", DCM_LEVEL_PATIENT, DCM_PatientName, "", 100);
    query(f, "instances of a study", DCM_LEVEL_IMAGE, DCM_StudyInstanceUID, "1.2.826.0.1.3680043.8.498.777",
          0);
    query(f, "all instances, first 100", DCM_LEVEL_IMAGE, DCM_PatientName, "", 100);
    query(f, "modality MR, first 100", DCM_LEVEL_STUDY, DCM_ModalitiesInStudy, "MR", 100);
    query(f, "series with modality", DCM_LEVEL_SERIES, DCM_Modality, "US", 100);
    return fixture_teardown(&state);
}
