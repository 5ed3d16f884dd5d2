// SPDX-License-Identifier: MIT
/*
 * web/ — the archive over HTTP: DICOMweb (PS3.18), SPHERE's paths for it, the annotation API, metrics, the description of itself.
 *
 * Adapters around the three verbs: QIDO-RS is `query`, WADO-RS and WADO-URI are `retrieve`, STOW-RS is `ingest`. One file per resource, reading top to
 * bottom as the standard's section does. http.h is the only door to the wire.
 *
 * Promises: whatever comes in, the answer is a status that is true and, when it is an error, a problem document that says what to do; nothing is stored by
 * half; memory does not grow with studies or bodies; no patient's name in the log above debug, no token at all.
 */
#ifndef GANTRY_WEB_WEB_H
#define GANTRY_WEB_WEB_H

#include "archive/audit.h"
#include "archive/frames.h"
#include "base/queue.h"
#include "web/annotation_uid.h"
#include "web/http.h"
#include "web/pages.h"
#include "web/render_cache.h"

typedef struct WebServer WebServer;

/* The annotation API. */
typedef struct WebAnnotationSettings {
    const char *folder; /* where the files go */
    const char *const
        *sources;        /* absolute folders of which POST /save_annotation/ may take files, ended by NULL */
    uint64_t max_size;   /* bytes of one file */
    WebUidSource uids;   /* who makes the UIDs of annotations … */
    const char *uid_url; /* … and where, when it is another server */
} WebAnnotationSettings;

/* An object that came over HTTP has its result. */
typedef struct WebStored {
    const ArcStored *stored; /* NULL: it failed */
    const char *instance;    /* "" = unknown */
    const char *transfer_syntax, *client;
    uint16_t status;  /* as C-STORE would have it */
    const char *what; /* became of it */
    int64_t began_us; /* wall clock */
} WebStored;

typedef struct WebSettings {
    HttpSettings http;
    bool dicomweb;             /* api.dicomweb.start */
    const char *dicomweb_root; /* "/dicom-web"; SPHERE's /qidors and /wadors are served beside it */
    bool decompress_pixels;
    bool allow_delete;
    const char *trash_path;                           /* where what is deleted goes */
    const char *retrieve_ae;                          /* our AE title: (0008,0054) */
    uint64_t query_limit;                             /* most results of one search; 0 = 10,000 */
    bool fold_names;                                  /* names match without regard to case and accents */
    const WebAnnotationSettings *annotations;         /* NULL = off */
    Audit *audit;                                     /* NULL = none */
    void (*stored)(void *ctx, const WebStored *what); /* may be NULL; called from several threads */
    void *stored_ctx;
} WebSettings;

/* Serves in the background. Settings and the archive must outlive it. */
WebServer *web_start(const WebSettings *settings, Archive *archive, Err *err);
uint16_t web_port(const WebServer *server);
void web_stop(WebServer *server, int64_t grace_ms); /* NULL is fine */

/* What the resources' files share. */
typedef struct WebContext {
    const WebSettings *settings;
    Archive *archive;
    ArcFrameCache *frames;
    RenderCache *rendered;
    RenderCache *metadata; /* of series and small studies, as JSON */
    WebPages *pages;
    Pool *committers; /* objects of STOW requests wait there to be durable */
    Pool *helpers;    /* more processors for one long answer; NULL where there is one only */
} WebContext;

#endif
