// SPDX-License-Identifier: MIT
#include "catalogue.h"

#include "dicom/tags.h"

#include <stdio.h>
#include <string.h>

enum { YEARS = 20, FIRST_YEAR = 2005, DAYS = YEARS * 365, SCANNERS = 24, FAMILIES = 9600 };

/* -- chance that is the same every time -- */

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xBF58476D1CE4E5B9u;
    x ^= x >> 27;
    x *= 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

static uint64_t chance(uint64_t of, unsigned what, uint64_t below)
{
    return mix(of * 64 + what + 0x9E3779B97F4A7C15u) % below;
}

/* Small numbers come more often. */
static uint64_t uneven(uint64_t of, unsigned what, uint64_t below)
{
    uint64_t a = chance(of, what, 65536), b = chance(of, what + 32, 65536);
    return a * b % (UINT64_C(1) << 32) * below >> 32;
}

#define COUNT(table)          (sizeof(table) / sizeof *(table))
#define PICK(table, of, what) (table)[uneven(of, what, COUNT(table))]

/* -- kinds of study -- */

/* Twenty studies have two hundred objects. */
static const struct Kind {
    const char *modality, *class;
    unsigned instances[CATALOGUE_SERIES];
} kinds[] = {
    {"CT", "1.2.840.10008.5.1.4.1.1.2", {2, 9, 9}},    {"CR", "1.2.840.10008.5.1.4.1.1.1", {2}},
    {"MR", "1.2.840.10008.5.1.4.1.1.4", {3, 5, 4, 4}}, {"US", "1.2.840.10008.5.1.4.1.1.6.1", {7}},
    {"DX", "1.2.840.10008.5.1.4.1.1.1.1", {2}},        {"CT", "1.2.840.10008.5.1.4.1.1.2", {1, 10, 9}},
    {"CR", "1.2.840.10008.5.1.4.1.1.1", {2}},          {"MG", "1.2.840.10008.5.1.4.1.1.1.2", {4}},
    {"CT", "1.2.840.10008.5.1.4.1.1.2", {2, 18}},      {"DX", "1.2.840.10008.5.1.4.1.1.1.1", {1, 1}},
    {"MR", "1.2.840.10008.5.1.4.1.1.4", {4, 4, 4, 4}}, {"US", "1.2.840.10008.5.1.4.1.1.6.1", {7}},
    {"PT", "1.2.840.10008.5.1.4.1.1.128", {5, 5}},     {"CT", "1.2.840.10008.5.1.4.1.1.2", {2, 9, 9}},
    {"CR", "1.2.840.10008.5.1.4.1.1.1", {2}},          {"XA", "1.2.840.10008.5.1.4.1.1.12.1", {3, 2}},
    {"MR", "1.2.840.10008.5.1.4.1.1.4", {2, 6, 4, 4}}, {"US", "1.2.840.10008.5.1.4.1.1.6.1", {3, 4}},
    {"CT", "1.2.840.10008.5.1.4.1.1.2", {1, 7, 6, 6}}, {"DX", "1.2.840.10008.5.1.4.1.1.1.1", {2}},
};

static const char *const descriptions[] = {"CT THORAX ABDOMEN",
                                           "THORAX PA/LAT",
                                           "MRI BRAIN",
                                           "ABDOMEN US",
                                           "CT HEAD",
                                           "KNEE",
                                           "LUMBAR SPINE",
                                           "MAMMOGRAPHY BILAT",
                                           "CT ANGIO AORTA",
                                           "SHOULDER LEFT",
                                           "SHOULDER RIGHT",
                                           "HIP",
                                           "MRI KNEE",
                                           "PET/CT ONCOLOGY",
                                           "CARDIAC MR",
                                           "NECK SOFT TISSUE",
                                           "PELVIS",
                                           "THYROID US",
                                           "CORONARY CTA",
                                           "CEREBRAL ANGIO",
                                           "WRIST",
                                           "FOOT",
                                           "CT SINUS",
                                           "MRI SPINE WHOLE",
                                           "LIVER 3 PHASE",
                                           "RENAL US",
                                           "HAND",
                                           "ANKLE",
                                           "OBSTETRIC US",
                                           "MR ENTEROGRAPHY"};
static const char *const bodies[] = {"CHEST",  "ABDOMEN", "HEAD",     "KNEE",  "LSPINE",
                                     "PELVIS", "BREAST",  "SHOULDER", "NECK",  "HIP",
                                     "FOOT",   "WRIST",   "HEART",    "ANKLE", "HAND"};
static const char *const institutions[] = {"GENERAL HOSPITAL", "CITY CLINIC", "RADIOLOGY NORTH",
                                           "H\xc3\xb4pital Sud"};
static const char *const makers[] = {"SIEMENS", "GE MEDICAL SYSTEMS", "Philips", "CANON", "FUJIFILM"};
static const char *const given[] = {"MARIA",       "JOHN",   "ANNA",          "PETER",  "LUISA",  "THOMAS",
                                    "JANE",        "HANS",   "ELENA",         "KARL",   "SOPHIE", "DAVID",
                                    "Ren\xc3\xa9", "INGRID", "PAUL",          "MEI",    "OLGA",   "AHMED",
                                    "YUKI",        "CARLA",  "J\xc3\xbcrgen", "FATIMA", "IVAN",   "NOOR"};

static void family(uint64_t of, char *out, size_t size)
{
    static const char *const first[] = {"BAR", "MUL", "SCH", "HOF", "ROS", "GAR", "LEH", "NOV", "KOW", "PET",
                                        "DUB", "WEI", "SAN", "TAN", "KIM", "AND", "OST", "VER", "BER", "FIS"};
    static const char *const middle[] = {"A", "LER", "MI", "EN", "SI", "CI", "MAN", "TE", "O",  "RI",
                                         "U", "GER", "NA", "KO", "LI", "SO", "BE",  "TA", "VE", "DI"};
    static const char *const last[] = {"NN", "SEN", "DT",  "SON", "TO",  "NO",  "SKI", "ER",
                                       "EZ", "OVA", "LLI", "RT",  "CK",  "NI",  "AU",  "ET",
                                       "GO", "VIC", "MA",  "STR", "RDT", "HOF", "SSE", "Y\xc3\xb1"};
    uint64_t n = uneven(of, 1, FAMILIES);
    snprintf(out, size, "%s%s%s", first[n % 20], middle[n / 20 % 20], last[n / 400 % 24]);
}

/* -- studies -- */

static void day_text(uint64_t day, char out[12])
{
    static const unsigned lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint64_t year = FIRST_YEAR + day / 365, month = 0, rest = day % 365;
    while (rest >= lengths[month])
        rest -= lengths[month++];
    snprintf(out, 12, "%04u%02u%02u", (unsigned)year % 10000, (unsigned)month + 1, (unsigned)rest + 1);
}

/* Two of five studies are of somebody new; the others of somebody who was here, most likely lately. */
static uint32_t patient_of(uint32_t study)
{
    uint32_t known = study / 5 * 2, in_five = study % 5;
    if (in_five == 0 || in_five == 3)
        return known + (in_five == 3);
    return known ? known - 1 - (uint32_t)uneven(study, 2, known) : 0;
}

static void fill_patient(CatalogueStudy *s)
{
    char name[32];
    uint32_t p = s->patient;
    uint64_t of = p + UINT64_C(1000000007);
    family(of, name, sizeof name);
    snprintf(s->patient_id, sizeof s->patient_id, "P%08u", p * 37 + 1000);
    snprintf(s->name, sizeof s->name, "%s^%s", name, PICK(given, of, 3));
    day_text(chance(of, 4, 80 * 365), s->birth);
    memcpy(s->birth, (char[4]){'1', '9', (char)('2' + chance(of, 5, 8)), (char)('0' + chance(of, 6, 10))}, 4);
    s->sex = chance(of, 7, 2) ? "F" : "M";
}

CatalogueStudy catalogue_study(uint32_t number, uint32_t studies)
{
    CatalogueStudy s = {.number = number, .patient = patient_of(number)};
    const struct Kind *kind = &kinds[number % COUNT(kinds)];
    static const char *const physicians[] = {"HOUSE^GREGORY", "WEBER^EVA",  "COX^PERCIVAL", "GREY^MEREDITH",
                                             "KELSO^BOB",     "TURK^CHRIS", "LOPEZ^ANA",    "ZHANG^WEI"};
    uint64_t per_day = studies / DAYS ? studies / DAYS : 1, day = (uint64_t)number * DAYS / studies;
    if (chance(number, 8, 20) == 0)
        day = chance(number, 9, day + 1);
    unsigned second = (unsigned)(number % per_day * (12 * 3600) / per_day) + 7 * 3600;
    day_text(day, s.date);
    snprintf(s.time, sizeof s.time, "%02u%02u%02u", second / 3600, second / 60 % 60, second % 60);
    snprintf(s.accession, sizeof s.accession, "A%.8s%05u", s.date, number % 100000);
    s.modality = kind->modality;
    s.scanner = (unsigned)(number % COUNT(kinds) + number / COUNT(kinds) % 2 * COUNT(kinds)) % SCANNERS;
    snprintf(s.uid, sizeof s.uid, "1.2.840.113619.2.%u.%s.%s.%u", 100 + s.scanner, s.date,
             s.time[0] == '0' ? s.time + 1 : s.time, number);
    s.description = PICK(descriptions, number, 10);
    s.physician = PICK(physicians, number, 11);
    s.institution = institutions[s.scanner % COUNT(institutions)];
    s.body_part = PICK(bodies, number, 12);
    for (unsigned i = 0; i < CATALOGUE_SERIES; i++) {
        s.instances[i] = kind->instances[i];
        s.series_count += s.instances[i] > 0;
        s.total += s.instances[i];
    }
    fill_patient(&s);
    return s;
}

/* -- objects -- */

const char *catalogue_series_uid(Arena *arena, const CatalogueStudy *s, unsigned series)
{
    return arena_printf(arena, "%s.%u", s->uid, series + 1);
}

const char *catalogue_instance_uid(Arena *arena, const CatalogueStudy *s, unsigned series, unsigned at)
{
    return arena_printf(arena, "%s.%u.%u", s->uid, series + 1, at + 1);
}

const char *catalogue_station(Arena *arena, const CatalogueStudy *s)
{
    return arena_printf(arena, "%s%02u", s->modality, s->scanner);
}

typedef struct Text {
    DcmTag tag;
    const char *text;
} Text;

static void add(DcmDataset *ds, const Text *texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dcm_put_utf8(ds, texts[i].tag, texts[i].text);
}

static void add_study(DcmDataset *ds, Arena *arena, const CatalogueStudy *s)
{
    const Text texts[] = {{DCM_StudyDate, s->date},
                          {DCM_StudyTime, s->time},
                          {DCM_AccessionNumber, s->accession},
                          {DCM_ReferringPhysicianName, s->physician},
                          {DCM_StudyDescription, s->description},
                          {DCM_PatientName, s->name},
                          {DCM_PatientID, s->patient_id},
                          {DCM_PatientBirthDate, s->birth},
                          {DCM_PatientSex, s->sex},
                          {DCM_PatientAge, "054Y"},
                          {DCM_PatientWeight, "72"},
                          {DCM_StudyInstanceUID, s->uid},
                          {DCM_StudyID, arena_printf(arena, "%u", s->number)}};
    add(ds, texts, COUNT(texts));
}

static void add_series(DcmDataset *ds, Arena *arena, const CatalogueStudy *s, unsigned series)
{
    const char *maker = makers[s->scanner % COUNT(makers)];
    const Text texts[] = {
        {DCM_SeriesDate, s->date},
        {DCM_SeriesTime, s->time},
        {DCM_Modality, s->modality},
        {DCM_Manufacturer, maker},
        {DCM_InstitutionName, s->institution},
        {DCM_InstitutionAddress, "1 Main Street"},
        {DCM_StationName, catalogue_station(arena, s)},
        {DCM_SeriesDescription, arena_printf(arena, "%s %u.0 B%u0f", s->body_part, series + 1, 3 + series)},
        {DCM_InstitutionalDepartmentName, "RADIOLOGY"},
        {DCM_OperatorsName, "MTRA"},
        {DCM_ManufacturerModelName, arena_printf(arena, "%.2s-%u", maker, 10 + s->scanner)},
        {DCM_BodyPartExamined, s->body_part},
        {DCM_DeviceSerialNumber, arena_printf(arena, "%u", 43000 + s->scanner)},
        {DCM_SoftwareVersions, "syngo CT 2012B"},
        {DCM_ProtocolName, s->description},
        {DCM_PatientPosition, "HFS"},
        {DCM_SeriesInstanceUID, catalogue_series_uid(arena, s, series)},
        {DCM_SeriesNumber, arena_printf(arena, "%u", series + 1)},
        {DCM_FrameOfReferenceUID, arena_printf(arena, "%s.0", s->uid)},
        {DCM_PerformedProcedureStepStartDate, s->date},
        {DCM_PerformedProcedureStepStartTime, s->time},
        {DCM_PerformedProcedureStepID, s->accession},
        {DCM_PerformedProcedureStepDescription, s->description}};
    add(ds, texts, COUNT(texts));
}

static void add_image(DcmDataset *ds, Arena *arena, const CatalogueStudy *s, const char *uid, unsigned at)
{
    const Text texts[] = {{DCM_ImageType, "ORIGINAL\\PRIMARY\\AXIAL"},
                          {DCM_SOPClassUID, kinds[s->number % COUNT(kinds)].class},
                          {DCM_SOPInstanceUID, uid},
                          {DCM_AcquisitionDate, s->date},
                          {DCM_ContentDate, s->date},
                          {DCM_AcquisitionTime, s->time},
                          {DCM_ContentTime, s->time},
                          {DCM_AcquisitionNumber, "2"},
                          {DCM_InstanceNumber, arena_printf(arena, "%u", at + 1)},
                          {DCM_PhotometricInterpretation, "MONOCHROME2"}};
    add(ds, texts, COUNT(texts));
}

static DcmDataset *object(Arena *arena, const CatalogueStudy *s, unsigned at, bool whole, IdxFile *file)
{
    unsigned series = 0;
    while (at >= s->instances[series])
        at -= s->instances[series++];
    const char *uid = catalogue_instance_uid(arena, s, series, at);
    DcmDataset *ds = dcm_dataset_new(arena);
    dcm_put(ds, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("ISO_IR 192"));
    if (whole) {
        add_study(ds, arena, s);
        add_series(ds, arena, s, series);
    }
    add_image(ds, arena, s, uid, at);
    const char *series_uid = catalogue_series_uid(arena, s, series);
    *file = (IdxFile){
        .sop_instance = uid,
        .sop_class = kinds[s->number % COUNT(kinds)].class,
        .series = series_uid,
        .study = arena_strdup(arena, s->uid),
        .patient_id = arena_strdup(arena, s->patient_id),
        .transfer_syntax = "1.2.840.10008.1.2.1",
        .path = arena_printf(arena, "/srv/archive/data/%s/%s/%s/%s", s->patient_id, s->uid, series_uid, uid),
        .storage_method = "FS",
        .source_ae = catalogue_station(arena, s),
        .size = 527000 + chance(s->number, 13, 4096),
        .data_offset = 360,
        .begin_us = 1700000000000000 + s->number,
        .end_us = 1700000000500000 + s->number};
    memset(file->sha256, (int)(at + 1), sizeof file->sha256);
    memset(file->content, (int)(at + 3), sizeof file->content);
    return ds;
}

DcmDataset *catalogue_object(Arena *arena, const CatalogueStudy *s, unsigned at, IdxFile *file)
{
    return object(arena, s, at, true, file);
}

DcmDataset *catalogue_image(Arena *arena, const CatalogueStudy *s, unsigned at, IdxFile *file)
{
    return object(arena, s, at, false, file);
}
