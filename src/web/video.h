// SPDX-License-Identifier: MIT
/* Pixel data that is a video (PS3.18 table 8.7.4-1): its stream as it is stored, which is read while it is sent. Only the files of web/ include this. */
#ifndef GANTRY_WEB_VIDEO_H
#define GANTRY_WEB_VIDEO_H

#include "web/dicomweb.h"

/* Answers with the stream of `frames` (arc_frames_are_video) in the form of the offer: alone, or as the only part of a multipart body. */
void web_send_video(HttpExchange *x, const IdxFile *file, const ArcFrames *frames, const WebOffer *offer);

/* The same in the form that the request accepts; `types` as of web_choose_of. */
void web_answer_video(HttpExchange *x, const IdxFile *file, const ArcFrames *frames, const char *types);

#endif
