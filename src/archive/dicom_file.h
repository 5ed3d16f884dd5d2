// SPDX-License-Identifier: MIT
/*
 * An object of the archive as a DICOM file (PS3.10 §7), read as a stream: as it is stored, or with another transfer syntax
 * (then its file meta information is made anew, as it is where what is stored has none). The protocols that hand out files use this; those that hand out data sets use ArcReader.
 */
#ifndef GANTRY_ARCHIVE_DICOM_FILE_H
#define GANTRY_ARCHIVE_DICOM_FILE_H

#include "archive/archive.h"

typedef struct ArcDicomFile ArcDicomFile;

/* transfer_syntax NULL = as stored. Errors as arc_reader_open's. */
ArcDicomFile *arc_dicom_file_open(Archive *archive, const IdxFile *file, const char *transfer_syntax,
                                  Err *err);
/* Up to n bytes; 0 at the end; -1 and err. */
ssize_t arc_dicom_file_read(ArcDicomFile *file, uint8_t *p, size_t n, Err *err);
/* As arc_reader_place: where the file lies when it is given as it is. */
bool arc_dicom_file_place(const ArcDicomFile *file, int *fd, uint64_t *offset, uint64_t *size);
void arc_dicom_file_close(ArcDicomFile *file); /* NULL is fine */

#endif
