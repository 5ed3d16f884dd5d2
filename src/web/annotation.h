// SPDX-License-Identifier: MIT
/* What the files of the annotation API share. Only they and web.c include this. */
#ifndef GANTRY_WEB_ANNOTATION_H
#define GANTRY_WEB_ANNOTATION_H

#include "archive/annotations.h"
#include "base/json.h"
#include "web/web.h"

typedef struct WebAnnotations WebAnnotations;

/* The settings must outlive it. */
WebAnnotations *web_annotations_new(const WebAnnotationSettings *settings, Archive *archive, Err *err);
void web_annotations_free(WebAnnotations *annotations); /* NULL is fine */

/* Their ctx is a WebAnnotations. */
extern const HttpRoute web_annotation_routes[];
extern const size_t web_annotation_route_count;
/* SPHERE's POST /save_annotation/ */
extern const HttpRoute web_annotation_save_routes[];
extern const size_t web_annotation_save_route_count;

const WebAnnotationSettings *web_annotations_settings(const WebAnnotations *annotations);
/* Is there such an instance, series or study? */
bool web_annotation_has_source(WebAnnotations *annotations, DcmLevel level, const char *uid, bool *found,
                               Err *err);
/* Begins one under a UID of the generator. */
ArcAnnotationPut *web_annotation_begin(WebAnnotations *annotations, Err *err);
/* As arc_annotation_commit; strings of *out in the exchange's arena. Says so in the log. */
bool web_annotation_commit(HttpExchange *x, ArcAnnotationPut *put, const IdxAnnotation *what,
                           IdxAnnotation *out, Err *err);
/* The last part of a path or name, without control characters, at most 255 bytes. In the arena. */
const char *web_annotation_name(Arena *arena, const char *name);
/* A media type that is fit to be sent back; application/octet-stream for what is none. In the arena. */
const char *web_annotation_media(Arena *arena, const char *media);
/* The attributes of an annotation as members of an object. */
void web_annotation_members(HttpExchange *x, JsonWriter *w, const IdxAnnotation *annotation);
/* A problem document: 503 while the database is away. */
void web_annotation_problem(HttpExchange *x, Err *err);

#endif
