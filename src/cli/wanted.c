// SPDX-License-Identifier: MIT
#include "cli/wanted.h"

#include "base/log.h"

#include <string.h>

enum { NEWEST = 0 };

static bool list_number(const char *text, int64_t *number)
{
    *number = NEWEST;
    return !strcmp(text, "last") || span_to_i64(span_cstr(text), 1, INT32_MAX, number);
}

const char *wanted_check(const WantedArgs *wanted, const KeyArgs *keys)
{
    static const char *const missing[DCM_LEVEL_COUNT] = {
        "a PATIENT request needs -paID or -fUID", "a STUDY request needs -stUID, -fUID or -DbUID",
        "a SERIES request needs -seUID or -fUID", "an IMAGE request needs -inUID or -fUID"};
    int64_t number;
    if (wanted->stored_list && keys_level(keys) != DCM_LEVEL_STUDY)
        return "-DbUID is a list of studies: it goes with -l STUDY";
    if (wanted->stored_list && !list_number(wanted->stored_list, &number))
        return "argument -DbUID/--databaseUID: expected the number of a list, or last";
    return wanted->list || wanted->stored_list || keys_own(keys) ? NULL : missing[keys_level(keys)];
}

ScuPeer wanted_peer(const Settings *settings, const char *host, int64_t port, const char *called_ae)
{
    enum { PATIENCE_MS = 30 * 60 * 1000 };
    ScuPeer peer = cli_peer(settings, host, port, called_ae);
    if (peer.timeouts.dimse_ms >= 0 && peer.timeouts.dimse_ms < PATIENCE_MS)
        peer.timeouts.dimse_ms = PATIENCE_MS;
    return peer;
}

static bool is_local(Index *index, DcmLevel level, const char *const *key, bool *local, Err *err)
{
    IdxSelection selection = {0};
    switch (level) {
    case DCM_LEVEL_PATIENT:
        selection = (IdxSelection){.patient_ids = key, .patient_count = 1};
        break;
    case DCM_LEVEL_STUDY:
        selection = (IdxSelection){.studies = key, .study_count = 1};
        break;
    case DCM_LEVEL_SERIES:
        selection = (IdxSelection){.series = key, .series_count = 1};
        break;
    case DCM_LEVEL_IMAGE:
        selection = (IdxSelection){.instances = key, .instance_count = 1};
        break;
    }
    uint64_t objects = 0, bytes = 0;
    if (!idx_select_count(index, &selection, &objects, &bytes, err))
        return false;
    *local = objects > 0;
    return true;
}

static bool leave_out_local(const Cli *cli, DcmLevel level, TextList *keys, Err *err)
{
    Index *index = cli_open_index(cli->settings, err);
    if (!index)
        return false;
    size_t kept = 0;
    bool ok = true;
    for (size_t i = 0; ok && i < keys->count; i++) {
        bool local = false;
        ok = is_local(index, level, &keys->items[i], &local, err);
        if (ok && !local)
            keys->items[kept++] = keys->items[i];
    }
    idx_close(index);
    if (ok && kept < keys->count)
        log_info("pacs.transaction_dicom", "%zu of %zu keys left out: they are here already",
                 keys->count - kept, keys->count);
    keys->count = kept;
    return ok;
}

static bool read_stored_list(const Cli *cli, const char *name, TextList *out, Err *err)
{
    int64_t number;
    Index *index = cli_open_index(cli->settings, err);
    bool ok = index && list_number(name, &number) &&
              idx_study_list(index, cli->arena, number, &out->items, &out->count, err);
    idx_close(index);
    return ok || err_wrap(err, "-DbUID");
}

bool wanted_keys(const Cli *cli, const WantedArgs *wanted, const KeyArgs *keys, TextList *out, Err *err)
{
    if (!wanted->list && !wanted->stored_list) {
        const char **one = arena_alloc(cli->arena, sizeof *one);
        one[0] = keys_own(keys);
        *out = (TextList){one, 1};
        return true;
    }
    if (!wanted->list && !read_stored_list(cli, wanted->stored_list, out, err))
        return false;
    if (wanted->list && !cli_read_list(cli->arena, wanted->list, out, err))
        return err_wrap(err, "-fUID");
    if (!out->count)
        return err_set(err, ERR_NOT_FOUND, "-fUID: %s has no key", wanted->list);
    return wanted->reload || leave_out_local(cli, keys_level(keys), out, err);
}
