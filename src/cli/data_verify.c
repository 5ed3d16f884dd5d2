// SPDX-License-Identifier: MIT
/* `manage data verify`: files against their checksums, and against the index, both ways. */
#include "archive/verify.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/block.h"
#include "cli/data.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/stopping.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LOGGER "index_data"

typedef struct VerifyArgs {
    const char *concept, *key, *list;
    int64_t rate, jobs;
    bool repair, json;
} VerifyArgs;

static const VerifyArgs verify_defaults;
static const Option verify_options[] = {
    {OPT_TEXT, .value = "concept", .choices = "patient study series instance",
     .help = "what the key is of; without it, everything, and the files of the store that the index lacks",
     .optional = true, .at = offsetof(VerifyArgs, concept)},
    {OPT_TEXT, .value = "key", .help = "Patient ID or UID", .optional = true,
     .at = offsetof(VerifyArgs, key)},
    {OPT_TEXT, "l", "list", "LIST", "file with one key per line", .at = offsetof(VerifyArgs, list)},
    {OPT_FLAG, .name = "repair",
     .help = "index what lacks a row, take out rows whose file is gone, put damaged files into the "
             "quarantine",
     .at = offsetof(VerifyArgs, repair)},
    {OPT_INT, .name = "rate", .value = "MB/s",
     .help = "read no faster than this; without it, as fast as it goes", .min = 1, .max = 1000000,
     .at = offsetof(VerifyArgs, rate)},
    {OPT_INT, "j", "jobs", "N", "files read at one time (thread.number of the settings)", .min = 1, .max = 64,
     .at = offsetof(VerifyArgs, jobs)},
    {OPT_FLAG, .name = "json", .help = "print findings and summary as JSON on stdout",
     .at = offsetof(VerifyArgs, json)},
    {OPT_END},
};

static const char *check_verify(const void *args)
{
    const VerifyArgs *a = args;
    if (!a->concept)
        return a->list ? "-l/--list needs a concept: patient, study, series or instance" : NULL;
    return !a->key == !a->list ? "a key or -l/--list is needed, not both" : NULL;
}

/* -- findings, as they come -- */

typedef struct Show {
    const VerifyArgs *args;
    Progress progress;
    uint64_t shown;
} Show;

static const char *what_was_done(const VerifyArgs *a, const ArcFound *found)
{
    static const char *const done[ARC_FINDINGS] = {[ARC_MISSING] = "row taken out",
                                                   [ARC_WRONG_SIZE] = "moved to quarantine",
                                                   [ARC_DAMAGED] = "moved to quarantine",
                                                   [ARC_UNINDEXED] = "indexed",
                                                   [ARC_MISPLACED] = "indexed where it is"};
    if (found->repaired)
        return done[found->what];
    return a->repair && found->unrepaired ? found->unrepaired->text : NULL;
}

static void show_json(Show *show, const ArcFound *found)
{
    Buf out;
    buf_init(&out, 0);
    JsonWriter w = json_writer(&out);
    buf_append_cstr(&out, show->shown ? ",\n" : "\n");
    json_begin_object(&w);
    json_member(&w, "finding", arc_finding_name(found->what));
    json_member(&w, "sop_instance", *found->sop_instance ? found->sop_instance : NULL);
    json_member(&w, "path", found->path);
    json_member(&w, "why", found->why->text);
    json_key(&w, "repaired");
    json_bool(&w, found->repaired);
    if (found->unrepaired)
        json_member(&w, "not_repaired", found->unrepaired->text);
    if (found->copy)
        json_member(&w, "copy", found->copy);
    json_end_object(&w);
    fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
}

static void show_text(const Show *show, const ArcFound *found)
{
    const char *done = what_was_done(show->args, found);
    printf("%s  %s  %s: %s%s%s\n", arc_finding_name(found->what),
           *found->sop_instance ? found->sop_instance : "-", found->path, found->why->text, done ? "; " : "",
           done ? done : "");
    if (found->copy)
        printf("  a sound copy is in the trash: %s; 'data undelete' brings its batch back\n", found->copy);
}

static void step(void *ctx, const ArcVerified *so_far, const ArcFound *found)
{
    Show *show = ctx;
    show->progress.total = so_far->total;
    if (!found) {
        progress_step(&show->progress, so_far->checked);
        return;
    }
    const char *done = what_was_done(show->args, found);
    log_warning(LOGGER, "verify: %s: object %s: %s%s%s", arc_finding_name(found->what),
                *found->sop_instance ? found->sop_instance : "(unknown)", found->why->text, done ? "; " : "",
                done ? done : "");
    progress_end(&show->progress);
    if (show->args->json)
        show_json(show, found);
    else
        show_text(show, found);
    show->shown++;
}

/* -- the sum -- */

static void sum_json(const ArcVerified *d, int64_t ms, bool whole)
{
    Buf out;
    buf_init(&out, 0);
    JsonWriter w = json_writer(&out);
    json_begin_object(&w);
    json_member_int(&w, "checked", (int64_t)d->checked);
    json_member_int(&w, "files", (int64_t)d->files);
    json_member_int(&w, "bytes_read", (int64_t)d->bytes);
    for (int i = ARC_SOUND + 1; i < ARC_FINDINGS; i++)
        json_member_int(&w, arc_finding_name((ArcFinding)i), (int64_t)d->found[i]);
    json_member_int(&w, "findings", (int64_t)d->findings);
    json_member_int(&w, "repaired", (int64_t)d->repaired);
    json_member_int(&w, "copies", (int64_t)d->copies);
    json_member_int(&w, "waiting", (int64_t)d->waiting);
    json_member_int(&w, "without_checksum", (int64_t)d->without);
    json_key(&w, "complete");
    json_bool(&w, whole);
    json_key(&w, "seconds");
    json_double(&w, (double)ms / 1000);
    json_end_object(&w);
    printf("],\"summary\":");
    fwrite(out.p, 1, out.n, stdout);
    printf("}\n");
    buf_free(&out);
}

static void sum_text(const ArcVerified *d, int64_t ms)
{
    char took[48], size[32];
    block_execution_time(ms, took);
    printf("%s\n---> %" PRIu64 " objects checked, %s read; %" PRIu64
           " files of the store held against the index\n",
           took, d->checked, pretty_size((double)d->bytes, size), d->files);
    for (int i = ARC_SOUND + 1; i < ARC_FINDINGS; i++)
        if (d->found[i])
            printf("---> %" PRIu64 " %s\n", d->found[i], arc_finding_name((ArcFinding)i));
    if (d->copies)
        printf("---> %" PRIu64 " files are other copies of objects that are sound; they stay\n", d->copies);
    if (d->waiting)
        printf("---> %" PRIu64 " files may be objects that wait for the database\n", d->waiting);
    if (d->without)
        printf("---> %" PRIu64 " objects have no checksum: only their size was compared\n", d->without);
    printf("---> %" PRIu64 " findings, %" PRIu64 " repaired\n", d->findings, d->repaired);
}

static bool read_selection(const Cli *cli, const VerifyArgs *a, IdxSelection *out, Err *err)
{
    TextList keys;
    if (!a->concept) {
        *out = (IdxSelection){.everything = true};
        return true;
    }
    const char **one = arena_alloc(cli->arena, sizeof *one);
    one[0] = a->key;
    keys = (TextList){one, 1};
    if (a->list && !cli_read_list(cli->arena, a->list, &keys, err))
        return err_wrap(err, "-l");
    if (!keys.count)
        return err_set(err, ERR_NOT_FOUND, "-l: %s has no key", a->list);
    *out = data_selection(a->concept, &keys);
    return true;
}

static int run_verify(Cli *cli, const void *args)
{
    const VerifyArgs *a = args;
    Err err = {0};
    Show show = {.args = a};
    ArcVerified done = {0};
    ArcVerify wish = {.trash_folder = cli->settings->trash_path,
                      .threads = (size_t)(a->jobs ? a->jobs : cli->settings->thread_number),
                      .bytes_per_second = (uint64_t)a->rate * 1000000,
                      .repair = a->repair,
                      .stop = stopping_watch(),
                      .step = step,
                      .ctx = &show};
    Archive *archive =
        read_selection(cli, a, &wish.selection, &err) ? cli_open_archive(cli->settings, &err) : NULL;
    if (!archive)
        return cli_fail(cli, "%s", err.text);
    int64_t began = clock_ms();
    show.progress = progress_start("objects", 0, true);
    if (a->json)
        printf("{\"findings\":[");
    bool ok = arc_verify(archive, &wish, &done, &err);
    int64_t ms = clock_ms() - began;
    progress_end(&show.progress);
    arc_close(archive);
    if (a->json)
        sum_json(&done, ms, ok);
    else
        sum_text(&done, ms);
    log_info(LOGGER,
             "verify checked=%" PRIu64 " files=%" PRIu64 " bytes=%" PRIu64 " findings=%" PRIu64
             " repaired=%" PRIu64,
             done.checked, done.files, done.bytes, done.findings, done.repaired);
    if (!ok)
        return cli_fail(cli, "%s", err.text);
    if (done.findings)
        return cli_fail(cli, "%" PRIu64 " findings, %" PRIu64 " repaired", done.findings, done.repaired);
    return EXIT_OK;
}

const Command command_data_verify = {
    .name = "verify",
    .summary = "read what is stored again, and compare it with the index",
    .details = "Each file is held against the size and the checksum of its object; without a selection, also "
               "each file of the store against the index. May run while the server runs: what comes or goes "
               "meanwhile is no finding. The exit code is 0 only when nothing was found.",
    .options = verify_options,
    .defaults = &verify_defaults,
    .size = sizeof(VerifyArgs),
    .needs_archive = true,
    .check = check_verify,
    .run = run_verify,
};
