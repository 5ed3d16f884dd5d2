// SPDX-License-Identifier: MIT
/*
 * Ingest of a whole DICOM file (PS3.10) that comes as a stream: its file meta information says what follows. The rest is arc_ingest_*.
 */
#ifndef GANTRY_ARCHIVE_FILE_INGEST_H
#define GANTRY_ARCHIVE_FILE_INGEST_H

#include "archive/archive.h"
#include "dicom/part10.h"

typedef struct ArcFileIngest ArcFileIngest;

/* `source` is who sends it (an AE title; NULL = as the file says); `study`: the object must be of this study, else A900; NULL = any. */
ArcFileIngest *arc_file_ingest_new(Archive *archive, const char *source, const char *study);
/* False when the object cannot be taken: go on to abandon. */
bool arc_file_ingest_write(ArcFileIngest *ingest, Span piece, Err *err);
/* As arc_ingest_commit: consumes the ingest in every case. */
bool arc_file_ingest_commit(ArcFileIngest *ingest, ArcStored *out, Err *err);
void arc_file_ingest_abandon(ArcFileIngest *ingest); /* NULL is fine */
/* What the file meta information says of the object; empty strings before it has come. */
const DcmFileMeta *arc_file_ingest_meta(const ArcFileIngest *ingest);

#endif
