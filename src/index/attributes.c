// SPDX-License-Identifier: MIT
/*
 * Names of columns: SPHERE's own where it has the attribute, else by the rule of its extended tags (the attribute's name in lower case,
 * words joined by '_', "dcm" as second word where the name is taken). Levels as in PS3.4 C.6 and PS3.3 A.1.
 */
#include "index/attributes.h"

#include "dicom/tags.h"

#define ROW(l, keyword, c, t, n, k, s)                                                                       \
    {                                                                                                        \
        .level = DCM_LEVEL_##l, .tag = DCM_##keyword, .column = c, .type = t, .chars = n, .kind = k,         \
        .search = s                                                                                          \
    }
#define KEEP(level, keyword) ROW(level, keyword, NULL, NULL, 0, IDX_KEPT, IDX_SCAN)
#define KEY(level, keyword, column, search)                                                                  \
    ROW(level, keyword, column, "VARCHAR(64) NOT NULL", 64, IDX_KEY, search)
#define TEXT(level, keyword, column, chars, search)                                                          \
    ROW(level, keyword, column, "VARCHAR(" #chars ")", chars, IDX_TEXT, search)
#define MODALITY(level, keyword, column, chars)                                                              \
    ROW(level, keyword, column, "VARCHAR(" #chars ")", chars, IDX_MODALITY, IDX_AMONG)
#define DATE(level, keyword, column, chars, search)                                                          \
    ROW(level, keyword, column, "VARCHAR(" #chars ")", chars, IDX_DATE, search)
#define NUMBER(level, keyword, column) ROW(level, keyword, column, "INTEGER", 0, IDX_INTEGER, IDX_SCAN)
#define LIST(level, keyword, column)   ROW(level, keyword, column, "TEXT", 0, IDX_LIST, IDX_AMONG)
#define COUNT(level, keyword, column)                                                                        \
    ROW(level, keyword, column, "INTEGER NOT NULL DEFAULT 0", 0, IDX_COUNT, IDX_SCAN)

static const IdxAttribute attributes[] = {
    KEEP(PATIENT, ReferencedPatientSequence),
    TEXT(PATIENT, PatientName, "patient_name", 128, IDX_TERM),
    KEY(PATIENT, PatientID, "patient_uid", IDX_TERM),
    KEEP(PATIENT, IssuerOfPatientID),
    KEEP(PATIENT, IssuerOfPatientIDQualifiersSequence),
    DATE(PATIENT, PatientBirthDate, "patient_birth_date", 64, IDX_RANGE),
    KEEP(PATIENT, PatientBirthTime),
    TEXT(PATIENT, PatientSex, "patient_sex", 64, IDX_TERM),
    KEEP(PATIENT, OtherPatientIDs),
    KEEP(PATIENT, OtherPatientNames),
    KEEP(PATIENT, OtherPatientIDsSequence),
    KEEP(PATIENT, PatientBirthName),
    KEEP(PATIENT, PatientMotherBirthName),
    KEEP(PATIENT, EthnicGroup),
    KEEP(PATIENT, PatientSpeciesDescription),
    KEEP(PATIENT, PatientSpeciesCodeSequence),
    KEEP(PATIENT, PatientBreedDescription),
    KEEP(PATIENT, ResponsiblePerson),
    KEEP(PATIENT, ResponsiblePersonRole),
    KEEP(PATIENT, ResponsibleOrganization),
    KEEP(PATIENT, PatientComments),
    KEEP(PATIENT, PatientIdentityRemoved),
    KEEP(PATIENT, DeidentificationMethod),
    COUNT(PATIENT, NumberOfPatientRelatedStudies, "number_of_patient_related_studies"),
    COUNT(PATIENT, NumberOfPatientRelatedSeries, "number_of_patient_related_series"),
    COUNT(PATIENT, NumberOfPatientRelatedInstances, "number_of_patient_related_instances"),

    DATE(STUDY, StudyDate, "date_study", 10, IDX_RANGE),
    TEXT(STUDY, StudyTime, "study_time", 16, IDX_SCAN),
    TEXT(STUDY, AccessionNumber, "accession_number", 256, IDX_TERM),
    KEEP(STUDY, IssuerOfAccessionNumberSequence),
    LIST(STUDY, ModalitiesInStudy, "modalities_in_study"),
    LIST(STUDY, SOPClassesInStudy, "sop_classes_in_study"),
    TEXT(STUDY, InstitutionName, "institution_name", 256, IDX_TERM),
    TEXT(STUDY, ReferringPhysicianName, "referring_physician_s_name", 512, IDX_TERM),
    TEXT(STUDY, StudyDescription, "study_description", 512, IDX_TERM),
    KEEP(STUDY, ProcedureCodeSequence),
    KEEP(STUDY, PhysiciansOfRecord),
    KEEP(STUDY, NameOfPhysiciansReadingStudy),
    KEEP(STUDY, AdmittingDiagnosesDescription),
    KEEP(STUDY, ReferencedStudySequence),
    KEEP(STUDY, PatientAge),
    KEEP(STUDY, PatientSize),
    KEEP(STUDY, PatientWeight),
    KEEP(STUDY, MedicalAlerts),
    KEEP(STUDY, Allergies),
    KEEP(STUDY, Occupation),
    KEEP(STUDY, AdditionalPatientHistory),
    KEEP(STUDY, PregnancyStatus),
    TEXT(STUDY, ProtocolName, "protocol_name", 512, IDX_TERM),
    KEY(STUDY, StudyInstanceUID, "study_uid", IDX_EXACT),
    TEXT(STUDY, StudyID, "study_dcm_id", 64, IDX_TERM),
    KEEP(STUDY, OtherStudyNumbers),
    COUNT(STUDY, NumberOfStudyRelatedSeries, "number_of_study_related_series"),
    COUNT(STUDY, NumberOfStudyRelatedInstances, "number_of_study_related_instances"),
    KEEP(STUDY, RequestingPhysician),
    KEEP(STUDY, RequestingService),
    KEEP(STUDY, RequestedProcedureDescription),
    KEEP(STUDY, StudyComments),
    KEEP(STUDY, AdmissionID),
    KEEP(STUDY, PatientState),

    DATE(SERIES, SeriesDate, "series_date", 256, IDX_RANGE),
    TEXT(SERIES, SeriesTime, "series_time", 16, IDX_SCAN),
    MODALITY(SERIES, Modality, "modality", 10),
    KEEP(SERIES, PresentationIntentType),
    TEXT(SERIES, Manufacturer, "manufacturer", 256, IDX_TERM),
    KEEP(SERIES, InstitutionName),
    KEEP(SERIES, InstitutionAddress),
    TEXT(SERIES, StationName, "station_name", 256, IDX_TERM),
    TEXT(SERIES, SeriesDescription, "series_description", 512, IDX_TERM),
    KEEP(SERIES, SeriesDescriptionCodeSequence),
    KEEP(SERIES, InstitutionalDepartmentName),
    KEEP(SERIES, PerformingPhysicianName),
    KEEP(SERIES, OperatorsName),
    TEXT(SERIES, ManufacturerModelName, "manufacturer_model_name", 256, IDX_TERM),
    KEEP(SERIES, ReferencedPerformedProcedureStepSequence),
    TEXT(SERIES, BodyPartExamined, "body_part_examined", 256, IDX_TERM),
    KEEP(SERIES, DeviceSerialNumber),
    KEEP(SERIES, SoftwareVersions),
    KEEP(SERIES, ProtocolName),
    KEEP(SERIES, PatientPosition),
    KEY(SERIES, SeriesInstanceUID, "series_uid", IDX_EXACT),
    NUMBER(SERIES, SeriesNumber, "series_number"),
    KEEP(SERIES, FrameOfReferenceUID),
    KEEP(SERIES, Laterality),
    COUNT(SERIES, NumberOfSeriesRelatedInstances, "number_of_series_related_instances"),
    KEEP(SERIES, PerformedProcedureStepStartDate),
    KEEP(SERIES, PerformedProcedureStepStartTime),
    KEEP(SERIES, PerformedProcedureStepID),
    KEEP(SERIES, PerformedProcedureStepDescription),
    KEEP(SERIES, PerformedProtocolCodeSequence),
    KEEP(SERIES, RequestAttributesSequence),

    KEEP(IMAGE, ImageType),
    KEEP(IMAGE, InstanceCreationDate),
    KEEP(IMAGE, InstanceCreationTime),
    TEXT(IMAGE, SOPClassUID, "sop_class_uid", 64, IDX_AMONG),
    KEY(IMAGE, SOPInstanceUID, "instance_uid", IDX_EXACT),
    KEEP(IMAGE, RelatedGeneralSOPClassUID),
    KEEP(IMAGE, AcquisitionDate),
    KEEP(IMAGE, ContentDate),
    KEEP(IMAGE, AcquisitionDateTime),
    KEEP(IMAGE, AcquisitionTime),
    KEEP(IMAGE, ContentTime),
    KEEP(IMAGE, AlternateRepresentationSequence),
    KEEP(IMAGE, AcquisitionNumber),
    NUMBER(IMAGE, InstanceNumber, "instance_number"),
    KEEP(IMAGE, ImageComments),
    KEEP(IMAGE, SamplesPerPixel),
    KEEP(IMAGE, PhotometricInterpretation),
    KEEP(IMAGE, NumberOfFrames),
    KEEP(IMAGE, Rows),
    KEEP(IMAGE, Columns),
    KEEP(IMAGE, BitsAllocated),
    KEEP(IMAGE, BurnedInAnnotation),
    KEEP(IMAGE, LossyImageCompression),
    KEEP(IMAGE, ContainerIdentifier),
    KEEP(IMAGE, SpecimenDescriptionSequence),
    KEEP(IMAGE, ConceptNameCodeSequence),
    KEEP(IMAGE, VerifyingObserverSequence),
    KEEP(IMAGE, CompletionFlag),
    KEEP(IMAGE, VerificationFlag),
    KEEP(IMAGE, ContentTemplateSequence),
    KEEP(IMAGE, DocumentTitle),
    KEEP(IMAGE, ContentLabel),
    KEEP(IMAGE, ContentDescription),
    KEEP(IMAGE, PresentationCreationDate),
    KEEP(IMAGE, PresentationCreationTime),
    KEEP(IMAGE, ContentCreatorName),
};
enum { ATTRIBUTE_COUNT = sizeof attributes / sizeof *attributes };

const IdxTable idx_tables[DCM_LEVEL_COUNT] = {
    [DCM_LEVEL_PATIENT] = {"patient", "p", "patient_id", "patient_uid"},
    [DCM_LEVEL_STUDY] = {"study", "s", "study_id", "study_uid"},
    [DCM_LEVEL_SERIES] = {"series", "e", "series_id", "series_uid"},
    [DCM_LEVEL_IMAGE] = {"file_storage_metadata_dicom", "i", "file_storage_metadata_dicom_id",
                         "instance_uid"},
};

const IdxAttributes idx_base_attributes = {.rows = attributes, .count = ATTRIBUTE_COUNT};

/* Index of the first row that is not below (level, tag). */
static size_t lower_bound(const IdxAttributes *set, DcmLevel level, DcmTag tag)
{
    size_t from = 0, to = set->count;
    while (from < to) {
        size_t middle = (from + to) / 2;
        const IdxAttribute *a = &set->rows[middle];
        if (a->level < level || (a->level == level && a->tag < tag))
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

const IdxAttribute *idx_attributes(const IdxAttributes *set, DcmLevel level, size_t *count)
{
    size_t first = lower_bound(set, level, 0);
    *count = lower_bound(set, (DcmLevel)(level + 1), 0) - first;
    return &set->rows[first];
}

const IdxAttribute *idx_attribute_at(const IdxAttributes *set, DcmTag tag, DcmLevel level)
{
    size_t i = lower_bound(set, level, tag);
    bool found = i < set->count && set->rows[i].level == level && set->rows[i].tag == tag;
    return found ? &set->rows[i] : NULL;
}

/* The deepest row at `level` or above of the base table, or of those that were added to it. */
static const IdxAttribute *at_or_above(const IdxAttributes *set, DcmTag tag, DcmLevel level, bool added)
{
    for (int l = (int)level; l >= 0; l--) {
        const IdxAttribute *a = idx_attribute_at(set, tag, (DcmLevel)l);
        if (a && a->added == added)
            return a;
    }
    return NULL;
}

static const IdxAttribute *below(const IdxAttributes *set, DcmTag tag, DcmLevel level, bool added)
{
    for (int l = (int)level + 1; l < DCM_LEVEL_COUNT; l++) {
        const IdxAttribute *a = idx_attribute_at(set, tag, (DcmLevel)l);
        if (a && a->added == added)
            return a;
    }
    return NULL;
}

const IdxAttribute *idx_attribute(const IdxAttributes *set, DcmTag tag, DcmLevel level)
{
    const IdxAttribute *found = at_or_above(set, tag, level, false);
    if (!found && set->extended)
        found = at_or_above(set, tag, level, true);
    if (!found)
        found = below(set, tag, level, false);
    if (!found && set->extended)
        found = below(set, tag, level, true);
    return found;
}
