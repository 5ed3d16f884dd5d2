// SPDX-License-Identifier: MIT
/* Actions of px-smdb on service files: storage, swift, CUBE, PACS, telemetry. Listed with their secrets masked. */
#include "cli/px_smdb.h"

#include <string.h>

static PxServiceKind kind_of(const char *verb)
{
    static const struct {
        const char *verb;
        PxServiceKind kind;
    } kinds[] = {{"swift", PX_SERVICE_SWIFT},
                 {"CUBE", PX_SERVICE_CUBE},
                 {"PACS", PX_SERVICE_PACS},
                 {"telemetry", PX_SERVICE_TELEMETRY}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(verb, kinds[i].verb) == 0)
            return kinds[i].kind;
    return PX_SERVICE_STORAGE;
}

static bool set(const Smdb *smdb, PxServiceKind kind, Err *err)
{
    const char *text = smdb->args->action_args;
    if (!*text)
        return true;
    json_t *entries = px_json_read(span_cstr(text), "--actionArgs", err);
    bool ok = entries && px_services_set(smdb->args->log, kind, entries, err);
    json_decref(entries);
    return ok;
}

/* What could not be set does not keep what there is from being shown. */
bool smdb_services(Smdb *smdb, Err *err)
{
    PxServiceKind kind = kind_of(smdb->verb);
    bool ok = set(smdb, kind, err);
    json_t *records = px_services_read(smdb->args->log, kind, ok ? err : NULL);
    json_object_set_new(smdb->result, "status", json_boolean(ok && records));
    if (records)
        json_object_set_new(smdb->result, smdb->verb, px_service_masked(records));
    ok = ok && records;
    json_decref(records);
    return ok;
}
