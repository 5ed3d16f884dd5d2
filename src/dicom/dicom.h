// SPDX-License-Identifier: MIT
/*
 * dicom/ — PS3.5, 3.6, 3.10, 3.18 F, 3.19 A and the matching of PS3.4 C.2.2. Sans-I/O: bytes in, values out.
 *
 * Owns: tags, VRs, the dictionary and UID tables (generated from the CSV tables in data/dicom), the scanner, data sets, Part 10
 * files, values, character sets, JSON and XML, attribute matching.
 *
 * Promises: every byte from outside is read through a bounds-checked Cursor or the scanner; parsing is iterative with
 * limits on depth and counts; nothing is allocated from a length that has not been checked against what is really
 * there; original bytes are kept; a parse works on a prefix of an object.
 */
#ifndef GANTRY_DICOM_DICOM_H
#define GANTRY_DICOM_DICOM_H

#include "dicom/charset.h"
#include "dicom/dataset.h"
#include "dicom/datetime.h"
#include "dicom/dict.h"
#include "dicom/json.h"
#include "dicom/level.h"
#include "dicom/match.h"
#include "dicom/part10.h"
#include "dicom/pn.h"
#include "dicom/recode.h"
#include "dicom/scan.h"
#include "dicom/status.h"
#include "dicom/tag.h"
#include "dicom/tags.h"
#include "dicom/uid.h"
#include "dicom/uids.h"
#include "dicom/value.h"
#include "dicom/vr.h"
#include "dicom/write.h"
#include "dicom/xml.h"

#endif
