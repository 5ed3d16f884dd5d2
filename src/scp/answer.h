// SPDX-License-Identifier: MIT
/* What C-FIND answers for one match, PS3.4 C.4.1.1.3.2. */
#ifndef GANTRY_SCP_ANSWER_H
#define GANTRY_SCP_ANSWER_H

#include "scp/identifier.h"

/*
 * The match with what every answer has besides: Specific Character Set, Query/Retrieve Level, Retrieve AE Title, Instance Availability. The
 * text is in the first of these that has all its characters: the character set of the request, that of the stored object, Latin-1, UTF-8.
 * Lives in `arena`.
 */
DcmDataset *scp_answer(Arena *arena, const ScpIdentifier *identifier, const IdxRow *row,
                       const char *ae_title);

#endif
