// SPDX-License-Identifier: MIT
/*
 * An archive made up, for filling an index without files: the objects that a hospital's scanners send in twenty years, in the order
 * in which they come, ten to a study. The same number always gives the same study. Patients come back, names and
 * descriptions are as uneven as real ones, identifiers grow with time and scanner, one study in twenty is an import
 * from earlier years.
 */
#ifndef GANTRY_BENCH_CATALOGUE_H
#define GANTRY_BENCH_CATALOGUE_H

#include "base/arena.h"
#include "dicom/dataset.h"
#include "index/index.h"

enum { CATALOGUE_PER_STUDY = 10, CATALOGUE_SERIES = 4 };

typedef struct CatalogueStudy {
    uint32_t number, patient;
    char patient_id[16], name[64], birth[12], uid[64], date[12], time[12], accession[20];
    const char *sex, *modality, *description, *physician, *institution, *body_part;
    unsigned scanner, series_count, instances[CATALOGUE_SERIES], total;
} CatalogueStudy;

/* Study `number` of an archive that will have `studies`. */
CatalogueStudy catalogue_study(uint32_t number, uint32_t studies);
/* Its object number `at` (below total): the attributes that ingest keeps, and where the file would be. In the arena. */
DcmDataset *catalogue_object(Arena *arena, const CatalogueStudy *study, unsigned at, IdxFile *file);
/* The same without what it says of study and series. */
DcmDataset *catalogue_image(Arena *arena, const CatalogueStudy *study, unsigned at, IdxFile *file);
/* UIDs of its series and of the objects of a series. In the arena. */
const char *catalogue_series_uid(Arena *arena, const CatalogueStudy *study, unsigned series);
const char *catalogue_instance_uid(Arena *arena, const CatalogueStudy *study, unsigned series, unsigned at);
const char *catalogue_station(Arena *arena, const CatalogueStudy *study);

#endif
