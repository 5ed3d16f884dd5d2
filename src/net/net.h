// SPDX-License-Identifier: MIT
/*
 * net/ — PS3.8 PDUs and the upper layer, PS3.7 messages, over TCP or TLS.
 *
 * Owns: PDU encoding and decoding (pure functions over spans), the state machine of PS3.8 §9.2 (fed events and bytes,
 * yields actions; no socket), the blocking Association on top of it, DIMSE commands and streamed data sets.
 *
 * Promises: a deadline on every wait; limits on PDU size, contexts, items; memory of an association does not grow with
 * the objects that pass; TCP_NODELAY, one write per message, quick acknowledgement while receiving.
 */
#ifndef GANTRY_NET_NET_H
#define GANTRY_NET_NET_H

#include "net/association.h"
#include "net/dimse.h"
#include "net/machine.h"
#include "net/pdu.h"
#include "net/stream.h"
#include "net/tls.h"

#endif
