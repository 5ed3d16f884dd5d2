// SPDX-License-Identifier: MIT
/*
 * Service files: how storage, CUBE, PACS and telemetry are reached, by key. One file per kind in `services` beside the px database, in the shapes that pypx and pfdcm
 * have for them: {"KEY": {…}} and {"services": {"KEY": {"info": {…}}}}. A file keeps its shape, and members that are not ours stay in it.
 *
 * Storage has two files: swift.json of classic pypx and storage.json of the newer one. Both are read, storage.json goes first; a new key goes into the file of the kind
 * that was named. Files are replaced whole with mode 0600, one process after the other.
 *
 * Secrets (passwords, keys, tokens, what follows the first ':' of a login) leave this file only through the records for use; px_service_masked makes what may be shown.
 */
#ifndef GANTRY_PX_SERVICES_H
#define GANTRY_PX_SERVICES_H

#include "base/arena.h"
#include "base/err.h"

#include <jansson.h>
#include <stdint.h>

typedef enum PxServiceKind {
    PX_SERVICE_STORAGE, /* storage.json, then swift.json */
    PX_SERVICE_SWIFT,   /* the same records; a new key goes into swift.json */
    PX_SERVICE_CUBE,
    PX_SERVICE_PACS,
    PX_SERVICE_TELEMETRY,
} PxServiceKind;

/* Folder `name` beside the database, "/base/services" of "/base/log": the real folder's neighbour where there is one. In the arena. */
const char *px_beside_log(Arena *arena, const char *log_path, const char *name);

/* {"KEY": {…}, …}, an empty object when there is no file. NULL and err when a file cannot be used. Caller frees. */
json_t *px_services_read(const char *log_path, PxServiceKind kind, Err *err);
/* The record of one key; NULL and err (ERR_NOT_FOUND names the keys there are). Caller frees. */
json_t *px_service(const char *log_path, PxServiceKind kind, const char *key, Err *err);
/* Puts each record of {"KEY": {…}} into its place, after it was checked as for use. A secret that is masked in it stays what it was. */
bool px_services_set(const char *log_path, PxServiceKind kind, const json_t *entries, Err *err);
/* A copy of any JSON in which each secret reads "***". Never NULL. */
json_t *px_service_masked(const json_t *value);

/* -- records for use; texts in the arena; `what` names the record in err, "service 'local'" -- */

typedef struct PxPacsService {
    const char *aet, *aec, *host;
    uint16_t port;
    const char
        *listener; /* AE title that images are sent to; the same as aet where the record does not say */
} PxPacsService;
/* Members aet, aec, ip or serverIP, port or serverPort, aet_listener. */
bool px_pacs_service(Arena *arena, const json_t *record, const char *what, PxPacsService *out, Err *err);

typedef struct PxCubeService { /* and telemetry */
    const char *url, *username, *password;
    const char *files; /* regFSdir; "" = none */
    const char *ca;    /* PEM file of those who may vouch for the server; "" = the system's */
} PxCubeService;
bool px_cube_service(Arena *arena, const json_t *record, const char *what, PxCubeService *out, Err *err);

typedef struct PxSwiftService {
    const char *url;           /* where to log in: http://HOST:PORT/auth/v1.0, http://HOST:5000/v3 */
    bool keystone;             /* Keystone v3, else auth v1 */
    const char *user, *secret; /* v1: X-Auth-User and X-Auth-Key; v3: name and password */
    const char *project, *user_domain, *project_domain, *region, *interface; /* v3; region "" = any */
    const char *container;
    bool create;      /* make the container when it is missing */
    uint64_t segment; /* larger objects go up in segments of so many bytes */
    const char *ca;   /* PEM file of those who may vouch for the server; "" = the system's */
} PxSwiftService;
typedef enum PxStorageType { PX_STORAGE_SWIFT, PX_STORAGE_FS, PX_STORAGE_PACS } PxStorageType;
typedef struct PxStorageService {
    PxStorageType type;
    PxSwiftService swift;
    const char *path; /* fs */
    PxPacsService pacs;
} PxStorageService;
/*
 * swift: ip, port, login ("user:password"), and what pypx does not have: url instead of ip and port, key (default: behind the last ':' of the login), auth ("1", "3"),
 * user, password, project, domain, user_domain, project_domain, region, interface, container (users), create (true), segment (bytes), ca. https when the port is 443.
 * fs: storepath. pacs: as px_pacs_service.
 */
bool px_storage_service(Arena *arena, const json_t *record, const char *what, PxStorageService *out,
                        Err *err);

#endif
