// SPDX-License-Identifier: MIT
/*
 * `manage move_existing`: asks a peer what it has, compares that with the local index, and moves what is missing here. What is here in part counts
 * as missing, where the peer tells how many images it has (PS3.4 C.6.1.1, the Number of … Related Instances).
 *
 * Below STUDY the peer is asked level by level: not all take relational queries.
 */
#include "base/file.h"
#include "base/textset.h"
#include "cli/moving.h"
#include "cli/output.h"
#include "cli/peer_args.h"
#include "dicom/tags.h"
#include "dicom/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef MoveArgs Args;

static const Args defaults = {.verbosity = -1, .keys.level = "STUDY"};
static const Option options[] = {
    PEER_OPTIONS(Args),
    {OPT_TEXT, "aes", "ae_cstore", "AES", "AE title it is to send to; the peer must know it",
     .required = true, .at = offsetof(Args, destination)},
    KEY_OPTIONS,
    {OPT_TEXT, "fUID", "fileUID", "FILE",
     "file with one key of the level per line, instead of asking the peer",
     .at = offsetof(Args, wanted.list)},
    {OPT_TEXT, "DbUID", "databaseUID", "ID",
     "the studies of a list that 'data index_study' loaded, instead of asking", .bare = "last",
     .at = offsetof(Args, wanted.stored_list)},
    {OPT_BOOL, "rl", "reloadStudy", .bare = "no", .at = offsetof(Args, wanted.reload),
     .help = "yes moves what is here already, too (default no)"},
    {OPT_TEXT, "o", "output", "PATH", "write the keys that are missing here to this file",
     .at = offsetof(Args, output)},
    {OPT_BOOL, "ow", "overwrite", .help = "overwrite that file if it is there",
     .at = offsetof(Args, overwrite)},
    {OPT_FLAG, .name = "json", .help = "print the outcome of each request as JSON on stdout",
     .at = offsetof(Args, json)},
    {OPT_INT, "v", "verbosity", "{0,1,2}", "2 adds blocks for start and end", .max = 2,
     .at = offsetof(Args, verbosity)},
    SECURE_OPTIONS(Args, secure, "cert-key"),
    {OPT_END},
};

static const char *check(const void *args)
{
    const Args *a = args;
    return a->wanted.list || a->wanted.stored_list ? wanted_check(&a->wanted, &a->keys) : NULL;
}

/* -- what the peer has -- */

typedef struct Found {
    MoveKey at;
    bool counted;
    uint64_t instances; /* when counted */
} Found;

typedef struct Survey {
    Arena *arena;
    ScuQuery *query;
    const KeyArgs *given;
    DcmLevel goal;
    Found *found;
    size_t count, capacity;
    /* of the query under way */
    DcmLevel level;
    const char *study, *series;
    TextSet *keys;
} Survey;

static DcmTag count_tag(DcmLevel level)
{
    static const DcmTag tags[DCM_LEVEL_COUNT] = {[DCM_LEVEL_PATIENT] = DCM_NumberOfPatientRelatedInstances,
                                                 [DCM_LEVEL_STUDY] = DCM_NumberOfStudyRelatedInstances,
                                                 [DCM_LEVEL_SERIES] = DCM_NumberOfSeriesRelatedInstances};
    return tags[level];
}

static void add_found(Survey *s, const char *key, const DcmDataset *match)
{
    int64_t count;
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : 256;
        s->found = realloc(s->found, s->capacity * sizeof *s->found);
        if (!s->found)
            abort();
    }
    bool counted = s->level != DCM_LEVEL_IMAGE && dcm_int(match, count_tag(s->level), 0, &count) && count > 0;
    s->found[s->count++] = (Found){
        .at = {key, s->study, s->series}, .counted = counted, .instances = counted ? (uint64_t)count : 0};
}

static bool note_match(void *ctx, const DcmDataset *match)
{
    Survey *s = ctx;
    Arena *scratch = arena_new(0);
    const char *key = dcm_text(scratch, match, dcm_level_unique_key(s->level), 0);
    if (*key && textset_add(s->keys, key) && s->level == s->goal)
        add_found(s, s->keys->items[s->keys->count - 1], match);
    arena_free(scratch);
    return true;
}

/* The keys given on the command line, but those of the levels between as they were found. */
static const DcmDataset *query_keys(Survey *s, Err *err)
{
    KeyArgs keys = *s->given;
    keys.level = dcm_level_name(s->level);
    keys.study = s->study ? s->study : keys.study;
    keys.series = s->series ? s->series : keys.series;
    if (s->level != s->goal) {
        keys.series = s->level == DCM_LEVEL_SERIES ? keys.series : NULL;
        keys.instance = NULL;
    }
    DcmDataset *out = keys_for_find(s->arena, &keys, err);
    if (out && s->level != DCM_LEVEL_IMAGE)
        dcm_put_utf8(out, count_tag(s->level), "");
    return out;
}

static bool ask(Survey *s, DcmLevel level, const char *study, const char *series, TextSet *keys, Err *err)
{
    ScuResult result;
    s->level = level;
    s->study = study;
    s->series = series;
    s->keys = keys;
    const DcmDataset *query = query_keys(s, err);
    bool ok = query && scu_find(s->query, level, query, note_match, s, &result, err);
    s->keys = NULL; /* the caller's, who may end before the survey */
    return ok;
}

static bool survey_series(Survey *s, const char *study, Err *err)
{
    TextSet series = textset_of(s->arena), images = textset_of(s->arena);
    bool ok = ask(s, DCM_LEVEL_SERIES, study, NULL, &series, err);
    for (size_t i = 0; ok && s->goal == DCM_LEVEL_IMAGE && i < series.count; i++)
        ok = ask(s, DCM_LEVEL_IMAGE, study, series.items[i], &images, err);
    textset_free(&series);
    textset_free(&images);
    return ok;
}

static bool survey_all(Survey *s, Err *err)
{
    TextSet keys = textset_of(s->arena);
    DcmLevel first = s->goal == DCM_LEVEL_PATIENT ? DCM_LEVEL_PATIENT : DCM_LEVEL_STUDY;
    bool ok = ask(s, first, NULL, NULL, &keys, err);
    for (size_t i = 0; ok && s->goal > DCM_LEVEL_STUDY && i < keys.count; i++)
        ok = survey_series(s, keys.items[i], err);
    textset_free(&keys);
    return ok;
}

static bool survey(Cli *cli, const Args *a, Survey *s, Err *err)
{
    ScuResult result;
    ScuPeer peer = cli_peer(cli->settings, a->ip, a->port, a->called);
    *s = (Survey){.arena = cli->arena, .given = &a->keys, .goal = keys_level(&a->keys)};
    if (!cli_secure(cli, &a->secure, &peer, err))
        return false;
    s->query = scu_query_open(&peer, SCU_FIND, keys_model(s->goal), NULL, 0, &result, err);
    bool ok = s->query && survey_all(s, err);
    scu_query_close(s->query);
    return ok;
}

/* -- what is missing here -- */

static bool local_instances(Index *index, DcmLevel level, const char *key, uint64_t *out, Err *err)
{
    const char *const *one = &key;
    uint64_t bytes;
    const IdxSelection selections[DCM_LEVEL_COUNT] = {
        [DCM_LEVEL_PATIENT] = {.patient_ids = one, .patient_count = 1},
        [DCM_LEVEL_STUDY] = {.studies = one, .study_count = 1},
        [DCM_LEVEL_SERIES] = {.series = one, .series_count = 1},
        [DCM_LEVEL_IMAGE] = {.instances = one, .instance_count = 1}};
    return idx_select_count(index, &selections[level], out, &bytes, err);
}

static bool drop_local(const Cli *cli, Survey *s, Err *err)
{
    Index *index = cli_open_index(cli->settings, err);
    size_t kept = 0;
    bool ok = index != NULL;
    for (size_t i = 0; ok && i < s->count; i++) {
        uint64_t here = 0;
        ok = local_instances(index, s->goal, s->found[i].at.key, &here, err);
        if (here < (s->found[i].counted ? s->found[i].instances : 1))
            s->found[kept++] = s->found[i];
    }
    idx_close(index);
    s->count = kept;
    return ok;
}

static bool write_missing(const Args *a, const MoveKey *keys, size_t count, Err *err)
{
    if (!a->output)
        return true;
    if (!a->overwrite && access(a->output, F_OK) == 0)
        return err_set(err, ERR_EXISTS, "%s exists already; nothing was moved. Use -ow yes or another name",
                       a->output);
    Buf lines;
    buf_init(&lines, 0);
    for (size_t i = 0; i < count; i++)
        buf_printf(&lines, "%s\n", keys[i].key);
    bool ok = file_replace(a->output, buf_span(&lines), 0640, err);
    buf_free(&lines);
    return ok;
}

static int move_missing(Cli *cli, const Args *a, const MoveKey *keys, size_t count)
{
    Err err = {0};
    return write_missing(a, keys, count, &err) ? moving_run(cli, a, keys, count)
                                               : cli_fail(cli, "%s", err.text);
}

static int move_listed(Cli *cli, const Args *a)
{
    TextList keys;
    Err err = {0};
    if (!wanted_keys(cli, &a->wanted, &a->keys, &keys, &err))
        return cli_fail(cli, "%s", err.text);
    return move_missing(cli, a, moving_keys(cli->arena, &keys), keys.count);
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    Survey s = {0};
    Err err = {0};
    if (a->wanted.list || a->wanted.stored_list)
        return move_listed(cli, a);
    bool ok = survey(cli, a, &s, &err);
    size_t found = s.count;
    ok = ok && (a->wanted.reload || drop_local(cli, &s, &err));
    MoveKey *keys = arena_alloc(cli->arena, (s.count + 1) * sizeof *keys);
    for (size_t i = 0; i < s.count; i++)
        keys[i] = s.found[i].at;
    free(s.found);
    if (!ok)
        return cli_fail(cli, "%s", err.text);
    fprintf(stderr, "find: %zu at the peer; missing here: %zu\n", found, s.count);
    return move_missing(cli, a, keys, s.count);
}

const Command command_move_existing = {
    .name = "move_existing",
    .summary = "ask a peer what it has, and have it send what is missing here",
    .details = "What is here in part is asked for again, where the peer tells how many images it has.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .check = check,
    .run = run,
};
