// SPDX-License-Identifier: MIT
/*
 * base/ — the ground floor. Knows nothing of DICOM.
 *
 * Owns: memory (Arena, Buf), bytes (Span, Cursor), errors (Err), the log, the clock and deadlines, safe file helpers,
 * the bounded queue and worker pool, JSON output, the YAML settings reader, what holds for our HTTP requests to others.
 *
 * Promises: running out of memory on a small allocation ends the process (there is nothing sane to do); a length
 * that came from outside is checked before it reaches an allocator; nothing here keeps global state except the log.
 * Functions that can fail take `Err *err` last, return false or NULL, and leave output parameters untouched.
 */
#ifndef GANTRY_BASE_BASE_H
#define GANTRY_BASE_BASE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/span.h"
#include "base/textset.h"

#endif
