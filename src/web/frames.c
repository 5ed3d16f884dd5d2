// SPDX-License-Identifier: MIT
/*
 * Frames, PS3.18 §10.4.1.1.4: as stored where that is acceptable, decoded to explicit VR little endian otherwise. One part for each frame, or a single body when
 * one frame is asked for and no multipart is wanted. One frame is in memory at a time.
 *
 * Each part says its transfer syntax: viewers that are not told guess.
 */
#include "web/frames.h"

#include "archive/frames.h"
#include "dicom/uids.h"
#include "web/multipart.h"
#include "web/retrieve.h"
#include "web/stream.h"
#include "web/video.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_MAX = 100000, OFFERS = 4 };

const char *web_frame_media(const char *uid)
{
    static const struct {
        const char *uid, *media;
    } rows[] = {
        {DCM_UID_JPEGBaseline8Bit, "image/jpeg"},  {DCM_UID_JPEGExtended12Bit, "image/jpeg"},
        {DCM_UID_JPEGLossless, "image/jpeg"},      {DCM_UID_JPEGLosslessSV1, "image/jpeg"},
        {DCM_UID_RLELossless, "image/dicom-rle"},  {DCM_UID_JPEGLSLossless, "image/jls"},
        {DCM_UID_JPEGLSNearLossless, "image/jls"}, {DCM_UID_JPEG2000Lossless, "image/jp2"},
        {DCM_UID_JPEG2000, "image/jp2"},           {DCM_UID_JPEG2000MCLossless, "image/jpx"},
        {DCM_UID_JPEG2000MC, "image/jpx"},         {DCM_UID_HTJ2KLossless, "image/jphc"},
        {DCM_UID_HTJ2KLosslessRPCL, "image/jphc"}, {DCM_UID_HTJ2K, "image/jphc"},
        {DCM_UID_MPEG2MPML, "video/mpeg"},         {DCM_UID_MPEG2MPHL, "video/mpeg"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].uid, uid))
            return rows[i].media;
    const DcmTransferSyntax *syntax = dcm_transfer_syntax(span_cstr(uid));
    return syntax && syntax->video ? "video/mp4" : NULL;
}

/* -- the answer, frame by frame -- */

typedef struct Film {
    ArcFrameCache *cache;
    ArcFrames *frames;
    const uint32_t *numbers; /* in the exchange's arena; NULL: all */
    size_t count, given;
    bool decode, parts;
    const char *headers; /* of each part */
    char boundary[MULTIPART_BOUNDARY_SIZE];
} Film;

static bool produce(void *ctx, Buf *out, bool *ended, Err *err)
{
    Film *film = ctx;
    if (film->given == film->count) {
        *ended = true;
        if (film->parts)
            multipart_write_close(out, film->boundary);
        return true;
    }
    uint32_t number = film->numbers ? film->numbers[film->given] : (uint32_t)film->given + 1;
    if (film->parts)
        multipart_write_head(out, film->boundary, film->given == 0, film->headers);
    film->given++;
    return film->decode ? arc_frame_decode(film->frames, number, out, NULL, err)
                        : arc_frame_read(film->frames, number, out, err);
}

static void free_film(void *ctx)
{
    Film *film = ctx;
    arc_frames_release(film->cache, film->frames);
    free(film);
}

/* -- what is acceptable -- */

typedef struct Choice {
    WebOffer offer;
    const char *syntax;
    bool decode;
} Choice;

static bool is_native(const char *uid)
{
    return !strcmp(uid, DCM_UID_ExplicitVRLittleEndian) || !strcmp(uid, DCM_UID_ImplicitVRLittleEndian);
}

/* Can the frames be had so? Native ones are the same bytes in both little endian syntaxes. */
static bool can_have(const ArcFrames *frames, const char *wanted, Choice *out)
{
    const char *stored = arc_frames_syntax(frames);
    if (!wanted)
        return false;
    bool as_stored = !strcmp(wanted, stored) || (is_native(stored) && is_native(wanted));
    *out = (Choice){.syntax = as_stored ? stored : wanted, .decode = !as_stored};
    return as_stored || (is_native(wanted) && arc_frames_decodable(frames));
}

/* The transfer syntax for an offer; false when none is acceptable. */
static bool choose_syntax(const WebAccept *accept, const WebOffer *offer, const ArcFrames *frames,
                          bool decode, Choice *out)
{
    const char *stored = arc_frames_syntax(frames);
    bool image = strcmp(offer->type, "application/octet-stream") != 0;
    if (accept->count == 0 && decode)
        return can_have(frames, DCM_UID_ExplicitVRLittleEndian, out);
    if (!image || accept->count == 0)
        return can_have(frames, web_wanted_syntax(accept, offer, stored), out);
    for (size_t i = 0; i < accept->count; i++) {
        const char *syntax = accept->media[i].transfer_syntax;
        if (web_accept_means(&accept->media[i], offer) &&
            (!*syntax || !strcmp(syntax, "*") || !strcmp(syntax, stored)))
            return can_have(frames, stored, out);
    }
    return false;
}

static bool choose(HttpExchange *x, const WebService *service, const ArcFrames *frames, bool one, Choice *out)
{
    WebOffer offers[OFFERS];
    size_t count = 0;
    const char *image = web_frame_media(arc_frames_syntax(frames));
    offers[count++] = (WebOffer){"application/octet-stream", true};
    if (image)
        offers[count++] = (WebOffer){image, true};
    if (one)
        offers[count++] = (WebOffer){"application/octet-stream", false};
    if (one && image)
        offers[count++] = (WebOffer){image, false};
    WebAccept accept;
    int chosen;
    if (!web_choose(x, offers, count, &accept, &chosen, NULL))
        return false;
    bool decode = service->sphere && service->web->settings->decompress_pixels;
    if (choose_syntax(&accept, &offers[chosen], frames, decode, out)) {
        out->offer = offers[chosen];
        return true;
    }
    http_refuse(x, 406,
                "the frames are stored in transfer syntax %s%s; transfer-syntax=* takes them as they are",
                arc_frames_syntax(frames),
                arc_frames_decodable(frames) ? " and can be decoded to 1.2.840.10008.1.2.1" : "");
    return false;
}

/* -- the request -- */

static bool all_there(HttpExchange *x, const ArcFrames *frames, const uint32_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] <= arc_frames_format(frames)->frames)
            continue;
        http_refuse(x, 404, "the instance has %u frames; there is no frame %u",
                    arc_frames_format(frames)->frames, numbers[i]);
        return false;
    }
    return true;
}

static const char *part_headers(HttpExchange *x, const Choice *choice)
{
    return arena_printf(http_arena(x), "Content-Type: %s; transfer-syntax=%s\r\n", choice->offer.type,
                        choice->syntax);
}

static const char *single_media(HttpExchange *x, const Choice *choice)
{
    return arena_printf(http_arena(x), "%s; transfer-syntax=%s", choice->offer.type, choice->syntax);
}

static void answer(HttpExchange *x, Film *film, const Choice *choice)
{
    Err err = {0};
    WebStream *stream = web_stream_new(&(WebProducer){produce, free_film, film}, &err);
    if (!stream) {
        web_object_problem(x, &err);
        return;
    }
    web_stream_answer(stream, x, 200,
                      choice->offer.multipart ? web_media(x, &choice->offer, film->boundary)
                                              : single_media(x, choice));
}

/* One frame that lies in the file as it is wanted needs no memory. False when it does not. */
static bool answer_stretch(HttpExchange *x, const IdxFile *file, const ArcFrames *frames, uint32_t number,
                           bool one, const Choice *choice)
{
    uint64_t offset, length;
    if (!one || choice->decode || !arc_frame_place(frames, number, &offset, &length))
        return false;
    if (choice->offer.multipart)
        web_answer_part(x, file, &choice->offer, part_headers(x, choice), offset, length);
    else
        web_answer_bytes(x, file, single_media(x, choice), offset, length);
    return true;
}

void web_answer_frames(HttpExchange *x, const WebService *service, const IdxFile *file,
                       const uint32_t *numbers, size_t count)
{
    Err err = {0};
    Choice choice;
    ArcFrameCache *cache = service->web->frames;
    ArcFrames *frames = arc_frames_get(cache, file, &err);
    if (!frames) {
        web_object_problem(x, &err);
        return;
    }
    size_t all = arc_frames_format(frames)->frames;
    if (!all_there(x, frames, numbers, count) ||
        !choose(x, service, frames, (count ? count : all) == 1, &choice)) {
        arc_frames_release(cache, frames);
        return;
    }
    const char *tag =
        arena_printf(http_arena(x), "%s-%u-%zu%s%s", web_content_tag(x, file), count ? numbers[0] : 0, count,
                     choice.decode ? "d" : "", choice.offer.multipart ? "m" : "");
    if (count <= 1 && http_unchanged(x, tag, 0)) {
        arc_frames_release(cache, frames);
        return;
    }
    if (arc_frames_are_video(frames)) {
        web_send_video(x, file, frames, &choice.offer);
        arc_frames_release(cache, frames);
        return;
    }
    if (answer_stretch(x, file, frames, count ? numbers[0] : 1, (count ? count : all) == 1, &choice)) {
        arc_frames_release(cache, frames);
        return;
    }
    Film *film = calloc(1, sizeof *film);
    if (!film)
        abort();
    *film = (Film){.cache = cache,
                   .frames = frames,
                   .numbers = count ? numbers : NULL,
                   .count = count ? count : all,
                   .decode = choice.decode,
                   .parts = choice.offer.multipart};
    film->headers = part_headers(x, &choice);
    multipart_make_boundary(film->boundary);
    answer(x, film, &choice);
}

/* "1,2,3" */
static const uint32_t *read_list(HttpExchange *x, const char *text, size_t *count, Err *err)
{
    Span rest = span_cstr(text), part;
    size_t most = 1;
    for (const char *p = text; *p; p++)
        most += *p == ',';
    if (most > LIST_MAX)
        return err_set(err, ERR_USAGE, "the path names more than %d frames", LIST_MAX), NULL;
    uint32_t *numbers = arena_alloc(http_arena(x), most * sizeof *numbers);
    *count = 0;
    for (bool more = true; span_split(&rest, ',', &part, &more);) {
        int64_t number;
        if (!span_to_i64(part, 1, INT32_MAX, &number))
            return err_set(err, ERR_USAGE,
                           "the path: \"%.40s\" is no list of frames; they are numbered from 1 and separated "
                           "by commas",
                           text),
                   NULL;
        numbers[(*count)++] = (uint32_t)number;
    }
    return numbers;
}

static void get_frames(HttpExchange *x, void *ctx)
{
    const WebService *service = ctx;
    IdxFile file;
    Err err = {0};
    size_t count;
    const uint32_t *numbers = read_list(x, http_part(x, "frames"), &count, &err);
    if (!numbers)
        http_problem(x, &err);
    else if (web_find_instance(x, service, &file))
        web_answer_frames(x, service, &file, numbers, count);
}

static const char *const parameters[] = {"accept: media types, in place of the Accept header", NULL};
const HttpRoute web_frame_routes[] = {
    {.method = "GET",
     .pattern = "/studies/{study}/series/{series}/instances/{instance}/frames/{frames}",
     .role = USER_READ,
     .handler = {.end = get_frames},
     .summary = "Frames of an instance: one, or a list separated by commas",
     .parameters = parameters,
     .answers = "200 multipart/related; type=\"application/octet-stream\", application/octet-stream; 206; "
                "304; 400; 404; 406"},
};
const size_t web_frame_route_count = sizeof web_frame_routes / sizeof *web_frame_routes;
