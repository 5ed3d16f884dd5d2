// SPDX-License-Identifier: MIT
/* Frames as an answer: of "frames" and, for compressed pixel data, of "bulkdata". Only the files of web/ include this. */
#ifndef GANTRY_WEB_FRAMES_H
#define GANTRY_WEB_FRAMES_H

#include "web/dicomweb.h"

/* The media type of compressed frames, PS3.18 table 8.7.3-5: "image/jpeg" … NULL when the syntax has none. */
const char *web_frame_media(const char *transfer_syntax);

/* Answers with frames `numbers` of the object, or all of them when count is 0, in the form that the request accepts. */
void web_answer_frames(HttpExchange *x, const WebService *service, const IdxFile *file,
                       const uint32_t *numbers, size_t count);

#endif
