// SPDX-License-Identifier: MIT
/* A PACS as a storage: C-STORE (PS3.4 B), one association for each lane. An object counts as stored when the peer said success or a warning of its own. */
#include "px/storage_internal.h"

#include "scu/sender.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_MS = 10000, ACSE_MS = 30000, DIMSE_MS = 600000, MAX_FAILURES = 2 };

typedef struct Pacs {
    ScuPeer peer;
} Pacs;

typedef struct Lane {
    ScuSender *sender;
    unsigned
        failures; /* objects one after the other that no association could be had for, or that broke it twice */
} Lane;

static int64_t or_else(int64_t given, int64_t otherwise)
{
    return given ? given : otherwise;
}

static void *pacs_open(const PxStorageSettings *settings, Err *err)
{
    const PxPacsService *s = &settings->service->pacs;
    const NetTimeouts *t = &settings->timeouts;
    Pacs *pacs = malloc(sizeof *pacs);
    if (!pacs)
        abort();
    pacs->peer = (ScuPeer){.host = s->host,
                           .port = s->port,
                           .tls = settings->tls,
                           .identity = settings->identity,
                           .called_ae = s->aec,
                           .calling_ae = s->aet,
                           .timeouts = {.connect_ms = or_else(t->connect_ms, CONNECT_MS),
                                        .acse_ms = or_else(t->acse_ms, ACSE_MS),
                                        .dimse_ms = or_else(t->dimse_ms, DIMSE_MS),
                                        .network_ms = or_else(t->network_ms, DIMSE_MS)}};
    return pacs;
}

static void *pacs_open_lane(void *own)
{
    Lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        abort();
    lane->sender = scu_sender_new(&((Pacs *)own)->peer);
    return lane;
}

static void pacs_close_lane(void *own)
{
    Lane *lane = own;
    scu_sender_free(lane->sender);
    free(lane);
}

static ArcReader *open_parcel(void *ctx, const char *transfer_syntax, Err *err)
{
    const PxParcel *parcel = ctx;
    return arc_reader_open_path(parcel->path, parcel->data_offset, parcel->transfer_syntax, transfer_syntax,
                                err);
}

/* No association, or it broke on the way: it may go over another one. */
static bool is_broken(const ScuResult *result, const Err *err)
{
    return !result->associated && !result->answered && err->code != ERR_UNSUPPORTED &&
           err->code != ERR_FORMAT && err->code != ERR_NOT_FOUND;
}

static bool pacs_put(void *own, Arena *arena, const PxParcel *parcel, PxReceipt *out, bool *unreachable,
                     Err *err)
{
    Lane *lane = own;
    if (!parcel->sop_instance || !*parcel->sop_instance)
        return err_set(err, ERR_FORMAT, "only DICOM objects can be sent to a PACS");
    ScuObject object = {.sop_class = parcel->sop_class,
                        .sop_instance = parcel->sop_instance,
                        .transfer_syntax = parcel->transfer_syntax,
                        .open = open_parcel,
                        .ctx = (void *)parcel};
    ScuResult result = {0};
    Err problem = {0};
    bool ok = scu_sender_send(lane->sender, &object, &result, &problem);
    if (!ok && is_broken(&result, &problem) && scu_sender_context(lane->sender)) {
        result = (ScuResult){0};
        problem = (Err){0};
        ok = scu_sender_send(lane->sender, &object, &result, &problem);
    }
    bool broken = !ok && is_broken(&result, &problem);
    lane->failures = broken ? lane->failures + 1 : 0;
    *unreachable = broken && (lane->failures >= MAX_FAILURES || !scu_sender_context(lane->sender));
    if (!ok && err)
        *err = problem;
    snprintf(out->check, sizeof out->check, "%04X", result.status);
    out->name = arena_strdup(arena, parcel->sop_instance);
    return ok;
}

const PxStorageKind px_storage_pacs = {
    .open = pacs_open,
    .close = free,
    .open_lane = pacs_open_lane,
    .close_lane = pacs_close_lane,
    .put = pacs_put,
};
