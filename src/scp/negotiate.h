// SPDX-License-Identifier: MIT
/*
 * What is accepted when an association is negotiated: one table of the service classes, every storage class of PS3.6 besides, and the
 * extended negotiation of PS3.4 B.3.1 and C.5. Pure: no socket, no archive.
 */
#ifndef GANTRY_SCP_NEGOTIATE_H
#define GANTRY_SCP_NEGOTIATE_H

#include "scp/scp.h"

typedef struct ScpClass {
    const char *uid;
    ScpServices service;
    ArcModel model; /* of the query and retrieve classes */
} ScpClass;

/* What service an abstract syntax belongs to; NULL when we have none for it. `unknown_too`: UIDs that PS3.6 does not know are storage. */
const ScpClass *scp_class(Span abstract_syntax, bool unknown_too);

typedef struct ScpNegotiation {
    const ScpSettings *settings;
    unsigned forbidden; /* ScpServices bits that the white list denies this peer */
    unsigned met;       /* … and that it asked for, so far */
    uint8_t answer[8];  /* extended negotiation, until it has been copied */
} ScpNegotiation;

/* NetPolicy.decide with a ScpNegotiation as ctx. */
NetDecision scp_decide(void *negotiation, const NetOffer *offer);

/* What was agreed for a query context, PS3.4 C.5.1.1. */
typedef struct ScpQueryOptions {
    bool relational, combined_datetime, fuzzy_names;
} ScpQueryOptions;
ScpQueryOptions scp_query_options(Span negotiated);

#endif
