// SPDX-License-Identifier: MIT
/*
 * px/ — find, then do: the verbs of the px tools (px-echo, px-find, px-report, px-move) on the client verbs of scu/.
 *
 * Owns: the documents that the tools hand to each other as JSON (document.h), the query of studies and their series (query.h),
 * reports (report.h), what is done with each series found (then.h), the names of packed objects (template.h), the service files (services.h),
 * requests over HTTP (http_client.h), storages (storage.h, swift.h), what is pushed to them (push.h) or otherwise done with them (directive.h),
 * what CUBE is told of them (register.h, cube.h), how far a series has come (status.h), pypx's tree of JSON records (tree.h).
 *
 * Promises: one process, associations are reused, every wait has a deadline and every answer a bound. Documents have the keys and the text of
 * classic pypx, so that programs written for it read them; `command` says what would have been asked with DCMTK's tools, nothing of it is run.
 * Text of a document is UTF-8. Nothing here writes to a terminal by itself: reports go into a Buf, feedback to the stream it is given.
 */
#ifndef GANTRY_PX_PX_H
#define GANTRY_PX_PX_H

#include "px/base.h"
#include "px/directive.h"
#include "px/document.h"
#include "px/http_client.h"
#include "px/legacy.h"
#include "px/push.h"
#include "px/query.h"
#include "px/register.h"
#include "px/report.h"
#include "px/retrieve.h"
#include "px/services.h"
#include "px/status.h"
#include "px/template.h"
#include "px/then.h"
#include "px/then_retrieve.h"
#include "px/then_status.h"
#include "px/tree.h"

#endif
