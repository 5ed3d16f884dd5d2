// SPDX-License-Identifier: MIT
/*
 * Where the frames of an object are (PS3.5 §8.2, A.4), found once and remembered for those who ask next: a viewer fetches frames one by one.
 *
 * Frames are numbered from 1, as in PS3.3. Native frames are little endian. A video is one frame: its stream. An object in big endian or
 * deflated encoding is read as explicit VR little endian. A cache may be used by several threads; ArcFrames are immutable and stay valid until released.
 */
#ifndef GANTRY_ARCHIVE_FRAMES_H
#define GANTRY_ARCHIVE_FRAMES_H

#include "archive/archive.h"
#include "pixel/fragments.h"
#include "pixel/pixel.h"

typedef struct ArcFrames ArcFrames;
typedef struct ArcFrameCache ArcFrameCache;

ArcFrameCache *arc_frame_cache_new(Archive *archive, size_t entries);
void arc_frame_cache_free(ArcFrameCache *cache); /* NULL is fine */

/* ERR_NOT_FOUND when the object has no pixel data (7FE0,0010). Give it back with arc_frames_release. */
ArcFrames *arc_frames_get(ArcFrameCache *cache, const IdxFile *file, Err *err);
void arc_frames_release(ArcFrameCache *cache, ArcFrames *frames); /* NULL is fine */

const PixFormat *arc_frames_format(const ArcFrames *frames);
/* The transfer syntax that arc_frame_read yields: the stored one; explicit VR little endian for all that are native. */
const char *arc_frames_syntax(const ArcFrames *frames);
/* Can arc_frame_decode decode them? */
bool arc_frames_decodable(const ArcFrames *frames);
/* Is the pixel data a video? */
bool arc_frames_are_video(const ArcFrames *frames);
/* Where encapsulated pixel data lies in the data set, in order; 0 of them when it is native. */
const PixFragment *arc_frames_fragments(const ArcFrames *frames, size_t *count);
/* Where in the object's file a frame lies, when arc_frame_read yields just those bytes. False when it does not lie there in one piece, or there is no such frame. */
bool arc_frame_place(const ArcFrames *frames, uint32_t number, uint64_t *offset, uint64_t *length);
/* Appends one frame as it is stored. ERR_NOT_FOUND when there is no such frame. */
bool arc_frame_read(const ArcFrames *frames, uint32_t number, Buf *out, Err *err);
/* Appends one frame decoded to native samples; *format (may be NULL) is what they are then (pix_decode). */
bool arc_frame_decode(const ArcFrames *frames, uint32_t number, Buf *out, PixFormat *format, Err *err);
/* The same, with rows and columns halved up to so many times where that saves work: format->rows and ->columns say it (pix_decode_reduced). */
bool arc_frame_decode_reduced(const ArcFrames *frames, uint32_t number, unsigned halvings, Buf *out,
                              PixFormat *format, Err *err);

#endif
