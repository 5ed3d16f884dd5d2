// SPDX-License-Identifier: MIT
/* `manage data delete`, `undelete` and `trash`: taking objects out of the archive, with a way back. */
#include "archive/trash.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/auditing.h"
#include "cli/data.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/stopping.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define AUDIT "pacs.audit"

static void show_json(const char *verb, const ArcTrashed *d, bool dry)
{
    Buf out;
    buf_init(&out, 0);
    JsonWriter w = json_writer(&out);
    json_begin_object(&w);
    json_member_int(&w, verb, (int64_t)d->objects);
    json_member_int(&w, "bytes", (int64_t)d->bytes);
    json_member_int(&w, "left", (int64_t)d->left);
    json_member_int(&w, "outside", (int64_t)d->outside);
    json_member(&w, "batch", *d->batch ? d->batch : NULL);
    json_key(&w, "dry_run");
    json_bool(&w, dry);
    json_end_object(&w);
    buf_append_cstr(&out, "\n");
    fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
}

static void step(void *ctx, const ArcTrashed *so_far, const char *sop_instance, const Err *why)
{
    if (why)
        log_warning("pacs.file_dicom", "%s: %s", sop_instance, why->text);
    progress_step(ctx, so_far->objects + so_far->left);
}

/* -- delete -- */

typedef struct DeleteArgs {
    const char *concept, *key, *list, *force, *reason;
    bool dry_run, json;
} DeleteArgs;

static const DeleteArgs delete_defaults;
static const Option delete_options[] = {
    {OPT_TEXT, .value = "concept", .choices = "patient study series instance", .help = "what the key is of",
     .at = offsetof(DeleteArgs, concept)},
    {OPT_TEXT, .value = "key", .help = "Patient ID or UID", .optional = true,
     .at = offsetof(DeleteArgs, key)},
    {OPT_TEXT, "l", "list", "LIST", "file with one key per line", .at = offsetof(DeleteArgs, list)},
    {OPT_FLAG, .name = "dry-run", .help = "say what would go, and do nothing",
     .at = offsetof(DeleteArgs, dry_run)},
    {OPT_TEXT, "f", "force", "BOOL", "yes: without a question; no: do nothing", .bare = "yes",
     .at = offsetof(DeleteArgs, force)},
    {OPT_TEXT, .name = "reason", .value = "TEXT", .help = "noted with the batch in the trash",
     .at = offsetof(DeleteArgs, reason)},
    {OPT_FLAG, .name = "json", .help = "print the outcome as JSON on stdout",
     .at = offsetof(DeleteArgs, json)},
    {OPT_END},
};

static const char *check_delete(const void *args)
{
    const DeleteArgs *a = args;
    Answer answer;
    if (!a->key == !a->list)
        return "a key or -l/--list is needed, not both";
    for (const char *c = a->reason; c && *c; c++)
        if (iscntrl((unsigned char)*c))
            return "argument --reason: one line of text is expected";
    return answer_parse(a->force, &answer) ? NULL : "argument -f/--force: Boolean value expected.";
}

static bool read_keys(const Cli *cli, const DeleteArgs *a, TextList *keys, Err *err)
{
    const char **one = arena_alloc(cli->arena, sizeof *one);
    one[0] = a->key;
    *keys = (TextList){one, 1};
    if (a->list && !cli_read_list(cli->arena, a->list, keys, err))
        return err_wrap(err, "-l");
    for (size_t i = 0; i < keys->count; i++)
        if (strpbrk(keys->items[i], "*?"))
            return err_set(err, ERR_USAGE, "'%.80s': wildcards delete nothing; give the keys themselves",
                           keys->items[i]);
    return keys->count || err_set(err, ERR_NOT_FOUND, "-l: %s has no key", a->list);
}

IdxSelection data_selection(const char *concept, const TextList *keys)
{
    switch (concept_level(concept)) {
    case DCM_LEVEL_PATIENT:
        return (IdxSelection){.patient_ids = keys->items, .patient_count = keys->count};
    case DCM_LEVEL_STUDY:
        return (IdxSelection){.studies = keys->items, .study_count = keys->count};
    case DCM_LEVEL_SERIES:
        return (IdxSelection){.series = keys->items, .series_count = keys->count};
    case DCM_LEVEL_IMAGE:
        break;
    }
    return (IdxSelection){.instances = keys->items, .instance_count = keys->count};
}

/* Patient IDs do not go into the log; the batch's manifest has them. */
static void audit_delete(const Cli *cli, const DeleteArgs *a, const TextList *keys, const ArcTrashed *d,
                         const Err *err)
{
    bool uid = strcmp(a->concept, "patient") != 0, study = !strcmp(a->concept, "study");
    if (!uid || study)
        auditing_is(cli, AUDIT_STUDY_DELETED, 'D');
    for (size_t i = 0; i < keys->count; i++)
        auditing_about(cli,
                       !uid    ? AUDIT_PATIENT
                       : study ? AUDIT_STUDY
                               : AUDIT_FILE,
                       !uid || study ? keys->items[i]
                                     : arena_printf(cli->arena, "%s %s", a->concept, keys->items[i]));
    auditing_detail(cli, "Instances", arena_printf(cli->arena, "%" PRIu64, d->objects));
    auditing_detail(cli, "Batch", *d->batch ? d->batch : NULL);
    auditing_detail(cli, "Reason", a->reason);
    log_info(AUDIT,
             "delete level=%s key=%s keys=%zu objects=%" PRIu64 " bytes=%" PRIu64 " left=%" PRIu64
             " batch=%s user=%s%s%s",
             a->concept, uid ? keys->items[0] : "(in the manifest)", keys->count, d->objects, d->bytes,
             d->left, *d->batch ? d->batch : "-", auditing_user(cli->arena), err ? " error=" : "",
             err ? err->text : "");
}

static int delete_selected(Cli *cli, const DeleteArgs *a, Archive *archive, const TextList *keys,
                           const IdxSelection *selection, uint64_t objects)
{
    Err err = {0};
    ArcTrashed done;
    Progress progress = progress_start("objects", objects, true);
    const char *reason = a->reason ? a->reason : "";
    ArcTrash trash = {.folder = cli->settings->trash_path,
                      .what = arena_printf(cli->arena, "%s %s%s by %s%s%s", a->concept, keys->items[0],
                                           keys->count > 1 ? " and others" : "", auditing_user(cli->arena),
                                           *reason ? ": " : "", reason),
                      .stop = stopping_watch(),
                      .step = step,
                      .ctx = &progress};
    bool ok = arc_delete(archive, &trash, selection, &done, &err);
    progress_end(&progress);
    audit_delete(cli, a, keys, &done, ok ? NULL : &err);
    if (a->json)
        show_json("deleted", &done, false);
    else if (*done.batch)
        printf("%" PRIu64 " objects deleted. To bring them back: data undelete %s\n", done.objects,
               done.batch);
    return ok ? EXIT_OK : cli_fail(cli, "%s", err.text);
}

static int run_delete(Cli *cli, const void *args)
{
    const DeleteArgs *a = args;
    Err err = {0};
    TextList keys;
    Answer answer = ANSWER_NONE;
    uint64_t objects = 0, bytes = 0;
    char size[32];
    answer_parse(a->force, &answer);
    Archive *archive = read_keys(cli, a, &keys, &err) ? cli_open_archive(cli->settings, &err) : NULL;
    IdxSelection selection = archive ? data_selection(a->concept, &keys) : (IdxSelection){0};
    bool ok = archive && idx_select_count(arc_index(archive), &selection, &objects, &bytes, &err);
    if (ok && !objects)
        ok = err_set(&err, ERR_NOT_FOUND, "no such %s in the archive", a->concept);
    int code = EXIT_OK;
    if (!ok) {
        code = cli_fail(cli, "%s", err.text);
    } else if (a->dry_run) {
        auditing_nothing(cli);
        if (a->json)
            show_json("deleted", &(ArcTrashed){.objects = objects, .bytes = bytes}, true);
        else
            printf("%" PRIu64 " objects, %s, would be deleted.\n", objects, pretty_size((double)bytes, size));
    } else {
        const char *question = arena_printf(cli->arena, "Delete %" PRIu64 " objects, %s?", objects,
                                            pretty_size((double)bytes, size));
        Answer given = answer_ask(question, answer);
        if (given == ANSWER_YES)
            code = delete_selected(cli, a, archive, &keys, &selection, objects);
        else if (given == ANSWER_NONE)
            code = cli_fail(cli, "no answer; nothing was deleted. Without a terminal use -f yes");
        else
            printf("Nothing was deleted.\n");
        if (given != ANSWER_YES)
            auditing_nothing(cli);
    }
    arc_close(archive);
    return code;
}

const Command command_data_delete = {
    .name = "delete",
    .summary = "take objects out of the archive, into the trash",
    .details = "The objects are gone from every query at once; 'data undelete' brings them back as they "
               "were. Files that were "
               "indexed in place stay where they are.",
    .options = delete_options,
    .defaults = &delete_defaults,
    .size = sizeof(DeleteArgs),
    .needs_archive = true,
    .check = check_delete,
    .run = run_delete,
};

/* -- undelete -- */

typedef struct UndeleteArgs {
    const char *batch;
    bool json;
} UndeleteArgs;

static const UndeleteArgs undelete_defaults;
static const Option undelete_options[] = {
    {OPT_TEXT, .value = "batch", .help = "as 'data delete' said, or 'data trash' lists",
     .at = offsetof(UndeleteArgs, batch)},
    {OPT_FLAG, .name = "json", .help = "print the outcome as JSON on stdout",
     .at = offsetof(UndeleteArgs, json)},
    {OPT_END},
};

static int run_undelete(Cli *cli, const void *args)
{
    const UndeleteArgs *a = args;
    Err err = {0};
    ArcTrashed done = {0};
    Progress progress = progress_start("objects", 0, true);
    ArcTrash trash = {
        .folder = cli->settings->trash_path, .stop = stopping_watch(), .step = step, .ctx = &progress};
    auditing_about(cli, AUDIT_FILE, arena_printf(cli->arena, "batch %s", a->batch));
    Archive *archive = cli_open_archive(cli->settings, &err);
    bool ok = archive && arc_undelete(archive, &trash, a->batch, &done, &err);
    progress_end(&progress);
    arc_close(archive);
    log_info(AUDIT, "undelete batch=%s objects=%" PRIu64 " left=%" PRIu64 " user=%s%s%s", done.batch,
             done.objects, done.left, auditing_user(cli->arena), ok ? "" : " error=", ok ? "" : err.text);
    if (a->json)
        show_json("restored", &done, false);
    else if (done.objects)
        printf("%" PRIu64 " objects are back.\n", done.objects);
    return ok ? EXIT_OK : cli_fail(cli, "%s", err.text);
}

const Command command_data_undelete = {
    .name = "undelete",
    .summary = "bring back what was deleted",
    .options = undelete_options,
    .defaults = &undelete_defaults,
    .size = sizeof(UndeleteArgs),
    .needs_archive = true,
    .run = run_undelete,
};

/* -- trash -- */

typedef struct TrashArgs {
    const char *purge, *force;
    bool json;
} TrashArgs;

static const TrashArgs trash_defaults;
static const Option trash_options[] = {
    {OPT_TEXT, .name = "purge", .value = "BATCH", .help = "delete this batch, or all, for good",
     .at = offsetof(TrashArgs, purge)},
    {OPT_TEXT, "f", "force", "BOOL", "yes: without a question; no: do nothing", .bare = "yes",
     .at = offsetof(TrashArgs, force)},
    {OPT_FLAG, .name = "json", .help = "print the list as JSON on stdout", .at = offsetof(TrashArgs, json)},
    {OPT_END},
};

static const char *check_trash(const void *args)
{
    Answer answer;
    return answer_parse(((const TrashArgs *)args)->force, &answer)
               ? NULL
               : "argument -f/--force: Boolean value expected.";
}

static void list_batches(const ArcBatch *batches, size_t n, bool json)
{
    Buf out;
    char size[32];
    buf_init(&out, 0);
    JsonWriter w = json_writer(&out);
    if (json)
        json_begin_array(&w);
    for (size_t i = 0; i < n; i++) {
        const ArcBatch *b = &batches[i];
        if (!json) {
            buf_printf(&out, "%s  %" PRIu64 " objects, %s  %s\n", b->name, b->objects,
                       pretty_size((double)b->bytes, size), b->what);
            continue;
        }
        json_begin_object(&w);
        json_member(&w, "batch", b->name);
        json_member(&w, "what", b->what);
        json_member(&w, "when", b->when);
        json_member_int(&w, "objects", (int64_t)b->objects);
        json_member_int(&w, "bytes", (int64_t)b->bytes);
        json_end_object(&w);
    }
    if (json) {
        json_end_array(&w);
        buf_append_cstr(&out, "\n");
    } else if (!n) {
        buf_append_cstr(&out, "The trash is empty.\n");
    }
    fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
}

static bool purge(Cli *cli, const char *wanted, const ArcBatch *batches, size_t n, Err *err)
{
    bool all = !strcmp(wanted, "all"), ok = true, any = all;
    for (size_t i = 0; ok && i < n; i++) {
        if (!all && strcmp(batches[i].name, wanted))
            continue;
        any = true;
        auditing_about(cli, AUDIT_FILE, arena_printf(cli->arena, "batch %s", batches[i].name));
        ok = arc_trash_purge(cli->settings->trash_path, batches[i].name, err);
        log_info(AUDIT, "purge batch=%s objects=%" PRIu64 " user=%s", batches[i].name, batches[i].objects,
                 auditing_user(cli->arena));
    }
    return any ? ok : err_set(err, ERR_NOT_FOUND, "there is no batch %.60s in the trash", wanted);
}

static int run_trash(Cli *cli, const void *args)
{
    const TrashArgs *a = args;
    Err err = {0};
    ArcBatch *batches;
    size_t n;
    Answer answer = ANSWER_NONE;
    answer_parse(a->force, &answer);
    if (!arc_trash_list(cli->arena, cli->settings->trash_path, &batches, &n, &err))
        return cli_fail(cli, "%s", err.text);
    if (!a->purge) {
        auditing_nothing(cli);
        list_batches(batches, n, a->json);
        return EXIT_OK;
    }
    Answer given = answer_ask("Delete for good?", answer);
    if (given == ANSWER_NONE)
        return cli_fail(cli, "no answer; nothing was deleted. Without a terminal use -f yes");
    if (given == ANSWER_NO) {
        printf("Nothing was deleted.\n");
        return EXIT_OK;
    }
    return purge(cli, a->purge, batches, n, &err) ? EXIT_OK : cli_fail(cli, "%s", err.text);
}

const Command command_data_trash = {
    .name = "trash",
    .summary = "list the trash, or empty it",
    .options = trash_options,
    .defaults = &trash_defaults,
    .size = sizeof(TrashArgs),
    .needs_archive = true,
    .check = check_trash,
    .run = run_trash,
};
