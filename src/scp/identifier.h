// SPDX-License-Identifier: MIT
/* The identifier of a query or retrieve, PS3.4 C.4.1.1.3: read in its context's transfer syntax, its level found. */
#ifndef GANTRY_SCP_IDENTIFIER_H
#define GANTRY_SCP_IDENTIFIER_H

#include "dicom/uid.h"
#include "scp/association.h"

typedef struct ScpIdentifier {
    DcmDataset *keys; /* in a->arena, viewing a->identifier */
    DcmLevel level;
    ArcModel model;
    const NetAccepted *context;
    const DcmTransferSyntax *syntax;
} ScpIdentifier;

/*
 * Reads the data set of the request. False: the association is over (err). Else `why->code` says whether the identifier can be used;
 * why->dimse is the status to answer when it cannot: C000 when it cannot be understood or has no level, A900 when the level is none of the
 * model's.
 */
bool scp_identifier_read(ScpAssociation *a, const NetCommand *request, ScpIdentifier *out, Err *why,
                         Err *err);

/* For the log: "STUDY of Study Root". */
const char *scp_identifier_name(const ScpIdentifier *identifier, char out[64]);

#endif
