// SPDX-License-Identifier: MIT
/* What associations leave in the audit trail. Each function takes an association without one, and does nothing then. */
#ifndef GANTRY_SCP_AUDIT_H
#define GANTRY_SCP_AUDIT_H

#include "scp/retrieve.h"
#include "scp/server_inside.h"

/* A peer that is not admitted. */
void scp_audit_refused(const Connection *c, const char *why);
/* One of a flood of those, of which nothing is told but how many there were `among` those of an address; `login`: its user identity was false. */
void scp_audit_refused_too(const Connection *c, const NetAddress *among, bool login);
/* A peer gave a user identity that was judged; `why` NULL: it is true. */
void scp_audit_login(const Connection *c, const char *why);
/* A request that is not allowed to a peer. */
void scp_audit_denied(const ScpAssociation *a, const char *why);
/* False, and why: the service is to be refused, because the audit is required and cannot be written. */
bool scp_audit_may_serve(const ScpAssociation *a, Err *why);
/* An object of a C-STORE is stored: before its sender hears so. False as above. */
bool scp_audit_stored(ScpAssociation *a, const ArcStored *stored, Err *why);
void scp_audit_not_stored(ScpAssociation *a);
/* A C-FIND, before its final response. False as above. */
bool scp_audit_query(ScpAssociation *a, const ScpIdentifier *id, uint64_t matches, uint16_t status, Err *why);
/* An object of a C-MOVE or C-GET, before it leaves. False as above. */
bool scp_audit_sending(ScpRetrieve *r, const IdxFile *file, Err *why);
void scp_audit_sent(ScpRetrieve *r, const IdxFile *file, bool sent);
/* The request is over; `refused`: before any object was selected, with why. */
void scp_audit_retrieved(ScpRetrieve *r, const Err *refused);
/* The association is over. */
void scp_audit_end(ScpAssociation *a);

#endif
