// SPDX-License-Identifier: MIT
/* DICOM files, PS3.10 §7: preamble, File Meta Information, data set. */
#ifndef GANTRY_DICOM_PART10_H
#define GANTRY_DICOM_PART10_H

#include "base/buf.h"
#include "dicom/dataset.h"

typedef struct DcmFileMeta {
    char sop_class[65], sop_instance[65], transfer_syntax[65];
    char implementation_class[65], implementation_version[17];
    char source_ae[17];
    uint64_t data_offset; /* first byte of the data set */
    unsigned defects;     /* DCM_DEFECT_NO_PREAMBLE, _NO_META, _PARTIAL_META */
    bool dicomdir;        /* SOP class is Media Storage Directory */
} DcmFileMeta;

/*
 * Reads preamble and meta from the start of a file (`bytes` may be a prefix; 64 KiB is plenty). Files without preamble or
 * meta are recognised by a plausible first element, and the transfer syntax guessed from it.
 * ERR_FORMAT when this is not DICOM. *need_more = true (and false returned) when the prefix is too short to tell.
 */
bool dcm_file_meta_parse(Span bytes, bool is_prefix, DcmFileMeta *out, bool *need_more, Err *err);

/* Appends preamble, "DICM" and group 0002 (version, class, instance, syntax, our implementation, source AE if any). */
bool dcm_file_meta_write(Buf *out, const char *sop_class, const char *sop_instance,
                         const char *transfer_syntax, const char *source_ae, Err *err);

/* A whole file in memory: meta and data set. `out_meta` may be NULL. */
DcmDataset *dcm_file_parse(Arena *arena, Span bytes, const DcmReadOptions *options, DcmFileMeta *out_meta,
                           Err *err);

#endif
