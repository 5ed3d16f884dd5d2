// SPDX-License-Identifier: MIT
/*
 * scu/ — the client verbs: echo, find, move, get, store. Used by the commands, and by C-MOVE for its sub-operations.
 *
 * Promises: every wait has a deadline; associations are reused; a failure says what the peer said. A verb succeeds (returns true) when
 * the peer reported success; a failing DIMSE status makes it return false with err, and the status is in the result.
 * Each call runs on the calling thread; callbacks are called from it.
 */
#ifndef GANTRY_SCU_SCU_H
#define GANTRY_SCU_SCU_H

#include "archive/archive.h"
#include "base/arena.h"
#include "base/err.h"
#include "dicom/dataset.h"
#include "dicom/level.h"
#include "net/association.h"

typedef struct ScuPeer {
    const char *host;
    uint16_t port;
    NetTls *tls;                 /* NULL = plain TCP */
    const NetIdentity *identity; /* NULL = none; outlives every association */
    const char *called_ae, *calling_ae;
    uint32_t max_pdu;
    NetTimeouts timeouts;
    const atomic_bool *cancelled; /* ends every wait when it becomes true; NULL = nobody cancels */
} ScuPeer;

/* What the last response said. */
typedef struct ScuResult {
    bool associated;  /* an association came about */
    bool confirmed;   /* scu_echo: the peer confirmed our user identity */
    bool answered;    /* a (final) response came */
    uint16_t status;  /* of the final response */
    char comment[65]; /* Error Comment of the response */
    bool has_counters;
    uint32_t remaining, completed, failed, warning; /* C-MOVE, C-GET */
    uint64_t matches;                               /* C-FIND */
    NetReject reject;                               /* when the association was rejected */
} ScuResult;

bool scu_echo(const ScuPeer *peer, ScuResult *result, Err *err);

typedef enum ScuModel { SCU_PATIENT_ROOT, SCU_STUDY_ROOT, SCU_PATIENT_STUDY_ONLY } ScuModel;

/* An open association for queries and retrieves, reused for several. */
typedef struct ScuQuery ScuQuery;
typedef enum ScuVerb { SCU_FIND = 1, SCU_MOVE = 2, SCU_GET = 4 } ScuVerb;
/* `verbs`: bits; `storage_classes`: proposed for C-GET in the SCP role, NULL = every storage class that fits into 128 contexts. */
ScuQuery *scu_query_open(const ScuPeer *peer, unsigned verbs, ScuModel model,
                         const char *const *storage_classes, size_t storage_class_count, ScuResult *result,
                         Err *err);
void scu_query_close(ScuQuery *query); /* releases; NULL is fine */

/* One match. The data set lives until the callback returns. Returning false cancels (C-CANCEL) the query. */
typedef bool (*ScuMatch)(void *ctx, const DcmDataset *match);
/* `keys` includes (0008,0052), or it is added for `level`. */
bool scu_find(ScuQuery *query, DcmLevel level, const DcmDataset *keys, ScuMatch match, void *ctx,
              ScuResult *result, Err *err);

/* Every response, pending and final. `identifier` may be NULL (failed UID list in the final one). Returning false cancels. */
typedef bool (*ScuProgress)(void *ctx, const ScuResult *so_far, const DcmDataset *identifier);
bool scu_move(ScuQuery *query, DcmLevel level, const DcmDataset *keys, const char *destination_ae,
              ScuProgress progress, void *ctx, ScuResult *result, Err *err);

/* Where C-GET puts what it receives. begin returns a handle or NULL and err (then the object is refused with err->dimse). */
typedef struct ScuSink {
    void *ctx;
    void *(*begin)(void *ctx, const char *sop_class, const char *sop_instance, const char *transfer_syntax,
                   Err *err);
    bool (*piece)(void *ctx, void *handle, Span bytes, Err *err);
    bool (*end)(void *ctx, void *handle, bool complete, Err *err); /* !complete: drop it */
} ScuSink;
bool scu_get(ScuQuery *query, DcmLevel level, const DcmDataset *keys, const ScuSink *sink,
             ScuProgress progress, void *ctx, ScuResult *result, Err *err);

#endif
