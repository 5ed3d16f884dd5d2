// SPDX-License-Identifier: MIT
#include "web/retrieve.h"

#include "dicom/uids.h"

#include <string.h>

/* One value of a path, as the list that a selection wants. */
static const char *const *only(HttpExchange *x, const char *name, size_t *count)
{
    const char *value = http_part(x, name);
    *count = value ? 1 : 0;
    const char **list = arena_alloc(http_arena(x), sizeof *list);
    *list = value;
    return list;
}

static bool can_be_uid(HttpExchange *x, const char *name)
{
    const char *value = http_part(x, name);
    if (!value || (*value && strlen(value) <= DCM_UID_MAX && !strpbrk(value, "*?\\")))
        return true;
    http_refuse(x, 400, "the path: \"%.64s\" is no %s UID", value, name);
    return false;
}

bool web_select_path(HttpExchange *x, IdxSelection *out)
{
    if (!can_be_uid(x, "study") || !can_be_uid(x, "series") || !can_be_uid(x, "instance"))
        return false;
    *out = (IdxSelection){0};
    out->studies = only(x, "study", &out->study_count);
    out->series = only(x, "series", &out->series_count);
    out->instances = only(x, "instance", &out->instance_count);
    return true;
}

/* This range takes an offer as it is stored, whatever that is. */
static bool takes_stored(const WebMedia *range, const WebOffer *offer)
{
    const char *syntax = range->transfer_syntax;
    bool anything = !strcmp(range->type, "*/*") && !range->multipart && !*syntax;
    bool archive = !strcmp(offer->type, "application/zip") && !*syntax;
    return anything || archive || !strcmp(syntax, "*");
}

bool web_takes_all(const WebAccept *accept, const WebOffer *offer)
{
    bool all = accept->count == 0;
    for (size_t i = 0; i < accept->count && !all; i++) {
        const WebMedia *range = &accept->media[i];
        all = web_accept_means(range, offer) && (!*range->transfer_syntax || takes_stored(range, offer));
    }
    return all;
}

const char *web_wanted_syntax(const WebAccept *accept, const WebOffer *offer, const char *stored)
{
    if (accept->count == 0)
        return stored;
    const char *found = NULL;
    unsigned quality = 0;
    for (size_t i = 0; i < accept->count; i++) {
        const WebMedia *range = &accept->media[i];
        if (!web_accept_means(range, offer) || (found && range->quality < quality))
            continue;
        const char *syntax = range->transfer_syntax;
        if (takes_stored(range, offer) || !strcmp(syntax, stored))
            return stored;
        if (!*syntax) {
            syntax = DCM_UID_ExplicitVRLittleEndian;
            if (!arc_can_convert(stored, syntax))
                return stored;
        }
        if (!found && arc_can_convert(stored, syntax)) {
            found = !strcmp(syntax, stored) ? stored : syntax;
            quality = range->quality;
        }
    }
    return found;
}

typedef struct Tally {
    uint64_t acceptable, all;
} Tally;

static bool count_acceptable(ArcRetrieve *retrieve, const WebAccept *accept, const WebOffer *offer,
                             WebTakes *takes, Tally *out, Err *err)
{
    *out = (Tally){arc_retrieve_count(retrieve), arc_retrieve_count(retrieve)};
    if (!takes)
        return true;
    *out = (Tally){0};
    IdxFile file;
    bool ok;
    while ((ok = arc_retrieve_next(retrieve, &file, err)) && file.sop_instance) {
        out->all++;
        out->acceptable += takes(accept, offer, file.transfer_syntax);
    }
    arc_retrieve_rewind(retrieve);
    return ok;
}

static bool judge(const Tally *tally, Err *err)
{
    if (tally->all == 0)
        return err_set(err, ERR_NOT_FOUND, "nothing of this study, series or instance is in the archive");
    if (tally->acceptable > 0)
        return true;
    err_set(err, ERR_UNSUPPORTED,
            "none of the %llu objects can be had in a transfer syntax of the Accept header; "
            "transfer-syntax=* takes them as they are stored",
            (unsigned long long)tally->all);
    err->http = 406;
    return false;
}

ArcRetrieve *web_retrieve_open(Archive *archive, const IdxSelection *selection, const WebAccept *accept,
                               const WebOffer *offer, WebTakes *takes, unsigned *status, Err *err)
{
    Tally tally;
    ArcRetrieve *retrieve = arc_retrieve_open(archive, selection, err);
    if (!retrieve)
        return NULL;
    if (!count_acceptable(retrieve, accept, offer, takes, &tally, err) || !judge(&tally, err)) {
        arc_retrieve_close(retrieve);
        return NULL;
    }
    *status = tally.acceptable < tally.all ? 206 : 200;
    return retrieve;
}

void web_object_problem(HttpExchange *x, Err *err)
{
    if (err->code == ERR_FORMAT || err->code == ERR_UNSUPPORTED)
        err->http = 406;
    http_problem(x, err);
}

/* When the database is away, among the files, if the settings say so: as a retrieval finds them. */
bool web_look_up(HttpExchange *x, Archive *archive, const char *instance, IdxFile *out, Err *err)
{
    *out = (IdxFile){0};
    if (!arc_index_is_away(archive, NULL) &&
        (idx_instance(arc_index(archive), http_arena(x), instance, out, err) || err->code == ERR_NOT_FOUND))
        return out->sop_instance != NULL;
    IdxFile file;
    ArcRetrieve *retrieve =
        arc_retrieve_open(archive, &(IdxSelection){.instances = &instance, .instance_count = 1}, err);
    bool found = retrieve && arc_retrieve_next(retrieve, &file, err) &&
                 (file.sop_instance || err_set(err, ERR_NOT_FOUND, "no file has this instance"));
    if (found)
        idx_file_copy(http_arena(x), &file, out);
    arc_retrieve_close(retrieve);
    return found;
}

bool web_find_instance(HttpExchange *x, const WebService *service, IdxFile *out)
{
    IdxSelection selection;
    Err err = {0};
    if (!web_select_path(x, &selection))
        return false;
    const char *instance = selection.instances[0];
    if (!web_look_up(x, service->web->archive, instance, out, &err)) {
        if (err.code == ERR_NOT_FOUND)
            http_refuse(x, 404, "instance %s is not in this archive", instance);
        else
            http_problem(x, &err);
        return false;
    }
    bool here = (!selection.study_count || !strcmp(selection.studies[0], out->study)) &&
                (!selection.series_count || !strcmp(selection.series[0], out->series));
    if (!here)
        http_refuse(x, 404, "instance %s is not in the study and series that the path names", instance);
    return here;
}
