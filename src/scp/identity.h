// SPDX-License-Identifier: MIT
/*
 * User identity negotiation as acceptor, PS3.7 D.3.3.7: a name, a name and a passcode, a JSON Web Token (or an API token in its place). Whoever gives a passcode or a
 * token is judged as over HTTP, and may as much: `read` is everything but C-STORE. A name alone proves nothing: it is noted, where none is required. Kerberos and SAML
 * are passed over, as by an acceptor that does not know them.
 */
#ifndef GANTRY_SCP_IDENTITY_H
#define GANTRY_SCP_IDENTITY_H

#include "scp/scp.h"

/* Who uses the peer. */
typedef struct ScpIdentity {
    char user[USER_NAME_MAX + 1]; /* "" = nobody was named */
    bool proven;
    UserRole role;     /* when proven */
    unsigned services; /* ScpServices bits that the role allows; every one when there is none */
} ScpIdentity;

/* False: *reject is filled, and `why` says for the log what was wrong, without a secret. */
bool identity_judge(const ScpSettings *settings, const NetAssociate *request, NetAddress from,
                    ScpIdentity *out, NetReject *reject, char why[PEER_WHY]);

#endif
