// SPDX-License-Identifier: MIT
/* An instance as an image, for "rendered" and WADO-URI. Only the files of web/ include this. */
#ifndef GANTRY_WEB_RENDERED_H
#define GANTRY_WEB_RENDERED_H

#include "web/dicomweb.h"
#include "web/view.h"

/*
 * Answers with frame `number` of the instance as JPEG or PNG, with the stream of a video or the document of an encapsulated PDF, whichever the request accepts; `types` (may be
 * NULL) overrides Accept. `image_only`: no videos and documents.
 */
void web_answer_rendered(HttpExchange *x, const WebService *service, const IdxFile *file, uint32_t number,
                         const WebView *view, const char *types, bool image_only);

#endif
