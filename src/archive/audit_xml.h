// SPDX-License-Identifier: MIT
/* A line of the audit trail as the XML message of PS3.15 A.5.1. */
#ifndef GANTRY_ARCHIVE_AUDIT_XML_H
#define GANTRY_ARCHIVE_AUDIT_XML_H

#include "base/buf.h"

/* Appends the message. False when the line is none of ours. */
bool audit_xml_write(Buf *out, Span line);

#endif
