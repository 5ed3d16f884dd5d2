// SPDX-License-Identifier: MIT
#include "cli/load_object.h"

#include "dicom/tags.h"
#include "dicom/uids.h"
#include "dicom/write.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What a number is drawn for. */
enum { OF_STUDY = 1, OF_SERIES, OF_OBJECT, OF_PATIENT, OF_PIXELS, OF_UID_HALF = 64 };

/* -- numbers -- */

static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

uint64_t load_random(uint64_t seed, uint64_t what, uint64_t number)
{
    return mix(mix(mix(seed) ^ what) ^ number);
}

/* PS3.5 §B.2: 2.25 and a UUID (version 8, RFC 9562) as a decimal number. */
static void make_uid(uint64_t seed, uint64_t what, uint64_t number, char out[65])
{
    uint64_t high = load_random(seed, what, number), low = load_random(seed, what + OF_UID_HALF, number);
    high = (high & ~(uint64_t)0xF000) | 0x8000;
    low = (low & ~((uint64_t)3 << 62)) | (uint64_t)2 << 62;
    unsigned __int128 value = (unsigned __int128)high << 64 | low;
    char digits[40];
    size_t n = 0;
    for (; value; value /= 10)
        digits[n++] = (char)('0' + (int)(value % 10));
    char *p = out + snprintf(out, 65, "2.25.");
    while (n)
        *p++ = digits[--n];
    *p = 0;
}

/* -- shapes -- */

void load_shape_of(const char *name, LoadShape *shape)
{
    bool cine = !strcmp(name, "multi-frame"), small = !strcmp(name, "small");
    shape->sop_class = cine ? DCM_UID_UltrasoundMultiFrameImageStorage : DCM_UID_CTImageStorage;
    shape->modality = cine ? "US" : "CT";
    shape->columns = cine ? 640 : small ? 64 : 512;
    shape->rows = cine ? 480 : small ? 64 : 512;
    shape->frames = cine ? 60 : 1;
    shape->sample_bytes = cine ? 1 : 2;
}

uint64_t load_pixel_bytes(const LoadShape *shape)
{
    return (uint64_t)shape->columns * shape->rows * shape->frames * shape->sample_bytes;
}

/* A number of up to five digits; *text goes behind it. */
static uint32_t read_count(const char **text)
{
    uint32_t value = 0;
    for (unsigned digits = 0; **text >= '0' && **text <= '9' && digits < 6; digits++)
        value = value * 10 + (uint32_t)(*(*text)++ - '0');
    return value;
}

bool load_shape_size(const char *text, LoadShape *shape)
{
    shape->columns = read_count(&text);
    if (*text++ != 'x')
        return false;
    shape->rows = read_count(&text);
    shape->frames = 1;
    if (*text == 'x') {
        text++;
        shape->frames = read_count(&text);
    }
    bool sizes = shape->columns && shape->columns <= UINT16_MAX && shape->rows && shape->rows <= UINT16_MAX;
    return !*text && sizes && shape->frames && load_pixel_bytes(shape) <= 0xFFFFFFFEu;
}

/* -- pixels -- */

void load_pixels_make(const LoadShape *shape, LoadPixels *pixels)
{
    enum { SPARE = 4096 };
    pixels->frame = (size_t)shape->columns * shape->rows * shape->sample_bytes;
    pixels->spare = SPARE;
    size_t n = pixels->frame + SPARE;
    pixels->bytes = malloc(n + sizeof(uint64_t));
    if (!pixels->bytes)
        abort();
    /* Two bytes are a sample of twelve bits. */
    uint64_t mask = shape->sample_bytes == 2 ? 0x0FFF0FFF0FFF0FFFu : UINT64_MAX;
    for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
        uint64_t some = load_random(shape->seed, OF_PIXELS, i) & mask;
        memcpy(pixels->bytes + i, &some, sizeof some);
    }
}

void load_pixels_free(LoadPixels *pixels)
{
    free(pixels->bytes);
}

/* -- patients and studies -- */

typedef struct Study {
    char name[64], id[32], accession[17], uid[65], date[9];
    const char *sex;
    unsigned birth_year;
} Study;

/* Every third study is of a patient who has been there before. */
static uint64_t patient_of(uint64_t study)
{
    return study - study / 3;
}

static void make_day(uint64_t random, char out[9])
{
    enum { DAYS = 3650 };
    time_t seconds = (time_t)(1451606400 + (int64_t)(random % DAYS) * 86400); /* from 2016-01-01 on */
    struct tm day;
    gmtime_r(&seconds, &day);
    strftime(out, 9, "%Y%m%d", &day);
}

static Study study_of(const LoadShape *shape, uint64_t number)
{
    static const char *const family[] = {"Abel",   "Berg",   "Costa",  "Dubois", "Evans",  "Farkas",
                                         "Garcia", "Haddad", "Ito",    "Jansen", "Kaya",   "Lindqvist",
                                         "Moreau", "Nowak",  "Okafor", "Petrov", "Quispe", "Rossi"};
    static const char *const given[] = {"Ada",  "Bruno", "Chloe", "Dario", "Elif", "Felix", "Greta", "Hugo",
                                        "Ines", "Jonas", "Kira",  "Liam",  "Mina", "Noah",  "Olga",  "Paul"};
    enum { FAMILIES = sizeof family / sizeof *family, GIVEN = sizeof given / sizeof *given };
    uint64_t patient = patient_of(number), r = load_random(shape->seed, OF_PATIENT, patient);
    Study s = {.sex = r >> 40 & 1 ? "M" : "F", .birth_year = 1930 + (unsigned)(r >> 20) % 80};
    snprintf(s.name, sizeof s.name, "Madeup-%s^%s", family[r % FAMILIES], given[(r >> 8) % GIVEN]);
    snprintf(s.id, sizeof s.id, "LOAD-%08" PRIX32 "-%" PRIu64, (uint32_t)mix(shape->seed), patient);
    uint64_t accession = load_random(shape->seed, OF_STUDY, number);
    snprintf(s.accession, sizeof s.accession, "L%014" PRIX64, accession & 0xFFFFFFFFFFFFFF);
    make_uid(shape->seed, OF_STUDY, number, s.uid);
    make_day(accession >> 8, s.date);
    return s;
}

/* -- objects -- */

static void put_identity(DcmDataset *ds, const LoadShape *shape, const Study *s, uint64_t number,
                         const char *instance)
{
    uint64_t series_number = number % shape->per_study / shape->per_series;
    uint64_t in_study = number / shape->per_study;
    char series[65];
    make_uid(shape->seed, OF_SERIES, in_study << 20 | series_number, series);
    dcm_put_utf8(ds, DCM_SOPClassUID, shape->sop_class);
    dcm_put_utf8(ds, DCM_SOPInstanceUID, instance);
    dcm_put_utf8(ds, DCM_StudyInstanceUID, s->uid);
    dcm_put_utf8(ds, DCM_SeriesInstanceUID, series);
    dcm_put_utf8(ds, DCM_StudyDate, s->date);
    dcm_put_utf8(ds, DCM_StudyTime, "101500");
    dcm_put_utf8(ds, DCM_AccessionNumber, s->accession);
    dcm_put_utf8(ds, DCM_StudyID, "LOAD");
    dcm_put_utf8(ds, DCM_Modality, shape->modality);
    dcm_put_utf8(ds, DCM_Manufacturer, "Gantry");
    dcm_put_utf8(ds, DCM_ReferringPhysicianName, "");
    dcm_put_utf8(ds, DCM_StudyDescription, "Load test, made up");
    dcm_put_utf8(ds, DCM_PatientName, s->name);
    dcm_put_utf8(ds, DCM_PatientID, s->id);
    dcm_put_printf(ds, DCM_PatientBirthDate, "%u0615", s->birth_year);
    dcm_put_utf8(ds, DCM_PatientSex, s->sex);
    dcm_put_printf(ds, DCM_SeriesNumber, "%" PRIu64, series_number + 1);
    dcm_put_printf(ds, DCM_InstanceNumber, "%" PRIu64, number % shape->per_series + 1);
}

static void put_image(DcmDataset *ds, const LoadShape *shape)
{
    bool wide = shape->sample_bytes == 2;
    dcm_put_utf8(ds, DCM_ImageType, "ORIGINAL\\PRIMARY\\AXIAL");
    dcm_put_u16(ds, DCM_SamplesPerPixel, 1);
    dcm_put_utf8(ds, DCM_PhotometricInterpretation, "MONOCHROME2");
    dcm_put_u16(ds, DCM_Rows, (uint16_t)shape->rows);
    dcm_put_u16(ds, DCM_Columns, (uint16_t)shape->columns);
    if (shape->frames > 1)
        dcm_put_printf(ds, DCM_NumberOfFrames, "%" PRIu32, shape->frames);
    dcm_put_u16(ds, DCM_BitsAllocated, wide ? 16 : 8);
    dcm_put_u16(ds, DCM_BitsStored, wide ? 12 : 8);
    dcm_put_u16(ds, DCM_HighBit, wide ? 11 : 7);
    dcm_put_u16(ds, DCM_PixelRepresentation, 0);
    dcm_put_utf8(ds, DCM_RescaleIntercept, "-1024");
    dcm_put_utf8(ds, DCM_RescaleSlope, "1");
}

void load_object_make(const LoadShape *shape, const LoadPixels *pixels, uint64_t number, const char *syntax,
                      Arena *arena, LoadObject *object)
{
    arena_reset(arena);
    Study study = study_of(shape, number / shape->per_study);
    make_uid(shape->seed, OF_OBJECT, number, object->sop_instance);
    DcmDataset *ds = dcm_dataset_new(arena);
    put_identity(ds, shape, &study, number, object->sop_instance);
    put_image(ds, shape);
    const DcmTransferSyntax *how = dcm_transfer_syntax(span_cstr(syntax));
    object->pixels = pixels;
    object->pixel_bytes = load_pixel_bytes(shape);
    object->from = load_random(shape->seed, OF_PIXELS, number) % pixels->spare & ~(size_t)1;
    object->at = 0;
    buf_clear(&object->head);
    uint64_t padded = object->pixel_bytes + (object->pixel_bytes & 1);
    dcm_write(&object->head, ds, how, NULL);
    dcm_write_header(&object->head, DCM_PixelData, shape->sample_bytes == 2 ? DCM_VR_OW : DCM_VR_OB,
                     (uint32_t)padded, how);
}

uint64_t load_object_bytes(const LoadObject *object)
{
    return object->head.n + object->pixel_bytes + (object->pixel_bytes & 1);
}

/* Bytes at p from the source at object->at: of the head, of the rest of a frame, or the padding. */
static size_t read_piece(const LoadObject *object, uint8_t *p, size_t n)
{
    if (object->at < object->head.n) {
        size_t left = object->head.n - (size_t)object->at;
        n = n < left ? n : left;
        memcpy(p, object->head.p + object->at, n);
        return n;
    }
    uint64_t pixel = object->at - object->head.n;
    if (pixel >= object->pixel_bytes) {
        *p = 0;
        return 1;
    }
    size_t in_frame = (size_t)(pixel % object->pixels->frame), left = object->pixels->frame - in_frame;
    n = n < left ? n : left;
    memcpy(p, object->pixels->bytes + object->from + in_frame, n);
    return n;
}

ssize_t load_object_read(void *ctx, uint8_t *p, size_t n, Err *err)
{
    LoadObject *object = ctx;
    size_t done = 0;
    while (done < n && object->at < load_object_bytes(object)) {
        size_t got = read_piece(object, p + done, n - done);
        done += got;
        object->at += got;
    }
    return (ssize_t)done;
}

/* -- questions -- */

DcmDataset *load_query(const LoadShape *shape, uint64_t study, unsigned way, Arena *arena, DcmLevel *level)
{
    static const DcmTag wanted[] = {DCM_StudyDate,   DCM_StudyTime,       DCM_AccessionNumber,
                                    DCM_PatientName, DCM_PatientID,       DCM_StudyInstanceUID,
                                    DCM_StudyID,     DCM_StudyDescription};
    Study s = study_of(shape, study);
    DcmDataset *keys = dcm_dataset_new(arena);
    *level = DCM_LEVEL_STUDY;
    if (way == 3) {
        *level = DCM_LEVEL_SERIES;
        dcm_put_utf8(keys, DCM_StudyInstanceUID, s.uid);
        dcm_put_utf8(keys, DCM_SeriesInstanceUID, "");
        dcm_put_utf8(keys, DCM_Modality, "");
        dcm_put_utf8(keys, DCM_SeriesNumber, "");
        return keys;
    }
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        dcm_put_utf8(keys, wanted[i], "");
    if (way == 0)
        dcm_put_utf8(keys, DCM_PatientID, s.id);
    else if (way == 1)
        dcm_put_utf8(keys, DCM_AccessionNumber, s.accession);
    else
        dcm_put_utf8(keys, DCM_StudyInstanceUID, s.uid);
    return keys;
}

DcmDataset *load_retrieve_keys(const LoadShape *shape, uint64_t study, Arena *arena)
{
    Study s = study_of(shape, study);
    DcmDataset *keys = dcm_dataset_new(arena);
    dcm_put_utf8(keys, DCM_StudyInstanceUID, s.uid);
    return keys;
}
