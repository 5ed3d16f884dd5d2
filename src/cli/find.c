// SPDX-License-Identifier: MIT
/* `manage find`: what has the peer? */
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/textset.h"
#include "cli/block.h"
#include "cli/keys.h"
#include "cli/peer_args.h"
#include "cli/secure.h"
#include "dicom/json.h"
#include "dicom/tags.h"
#include "dicom/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { RULER = 100 };

typedef struct Args {
    const char *ip, *called, *output;
    int64_t port, verbosity;
    KeyArgs keys;
    bool display, overwrite, json;
    SecureArgs secure;
} Args;

static const Args defaults = {.verbosity = -1, .keys.level = "STUDY"};
static const Option options[] = {
    PEER_OPTIONS(Args),
    KEY_OPTIONS,
    {OPT_LIST, "k", "key", "KEY[=VALUE]",
     "a further key, by tag or keyword, to match or to be returned; may be repeated",
     .at = offsetof(Args, keys.extra)},
    {OPT_TEXT, "o", "output", "PATH", "write the unique keys of the results to this file, one per line",
     .at = offsetof(Args, output)},
    {OPT_BOOL, "d", "display", .help = "print each result", .at = offsetof(Args, display)},
    {OPT_BOOL, "ow", "overwrite", .help = "overwrite the output file if it is there",
     .at = offsetof(Args, overwrite)},
    {OPT_FLAG, .name = "json", .help = "print the results as DICOM JSON on stdout",
     .at = offsetof(Args, json)},
    {OPT_INT, "v", "verbosity", "{0,1,2}", "0 no block, 1 the final one, 2 one for each step", .max = 2,
     .at = offsetof(Args, verbosity)},
    SECURE_OPTIONS(Args, secure, "cert-key"),
    {OPT_END},
};

typedef struct Run {
    const Args *args;
    FILE *text;
    DcmTag own_key;
    TextSet found;
    Buf out; /* of one result */
    JsonWriter json;
    Err err;
} Run;

static bool show_match(void *ctx, const DcmDataset *match)
{
    Run *run = ctx;
    Arena *scratch = arena_new(0);
    const char *key = dcm_text(scratch, match, run->own_key, 0);
    if (*key)
        textset_add(&run->found, key);
    if (run->args->display) {
        Buf lines;
        buf_init(&lines, 0);
        for (size_t i = 0; i < match->count; i++) {
            dcm_element_describe(match, &match->elements[i], &lines);
            buf_append_cstr(&lines, "\n");
        }
        memset(buf_reserve(&lines, RULER), '*', RULER);
        lines.n += RULER;
        buf_append_cstr(&lines, "\n");
        cli_put(run->text, &lines);
    }
    bool ok = true;
    if (run->args->json) {
        ok = dcm_json_write(&run->json, match, NULL, &run->err);
        cli_put(stdout, &run->out);
    }
    arena_free(scratch);
    return ok;
}

static bool exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

/* Another name, in the folder of the first one, until it is free. */
static const char *ask_other_name(const Cli *cli, const char *path, Err *err)
{
    const char *slash = strrchr(path, '/');
    const char *folder = slash ? arena_span_cstr(cli->arena, span_of(path, (size_t)(slash - path + 1))) : "";
    while (exists(path)) {
        fprintf(stderr, "%s: %s exists already (-ow yes overwrites it)\nThe new file name: ", cli->program,
                path);
        char line[512];
        if (!fgets(line, sizeof line, stdin)) {
            fputc('\n', stderr);
            err_set(err, ERR_EXISTS, "%s exists already; nothing was written. Use -ow yes or another name",
                    path);
            return NULL;
        }
        Span name = span_cstr(line);
        while (name.n && (name.p[name.n - 1] == '\n' || name.p[name.n - 1] == '\r'))
            name.n--;
        name = span_trim(name);
        if (name.n)
            path = arena_printf(cli->arena, "%s%.*s", folder, SPAN_FMT(name));
    }
    return path;
}

static bool write_keys(const Cli *cli, const Run *run, Err *err)
{
    const char *path = run->args->output;
    if (!run->found.count)
        return err_set(err, ERR_NOT_FOUND, "no results: %s was not written", path);
    if (!run->args->overwrite) {
        path = ask_other_name(cli, path, err);
        if (!path)
            return false;
    }
    Buf lines;
    buf_init(&lines, 0);
    for (size_t i = 0; i < run->found.count; i++)
        buf_printf(&lines, "%s\n", run->found.items[i]);
    bool ok = file_replace(path, buf_span(&lines), 0640, err);
    buf_free(&lines);
    return ok;
}

static void show_block(Run *run, Block *block, int verbosity)
{
    Buf out;
    buf_init(&out, 0);
    block->now_us = clock_wall_us();
    block_format(block, verbosity, &out);
    cli_put(run->text, &out);
}

static bool query(Cli *cli, Run *run, const DcmDataset *keys, ScuResult *result, Err *err)
{
    DcmLevel level = keys_level(&run->args->keys);
    ScuPeer peer = cli_peer(cli->settings, run->args->ip, run->args->port, run->args->called);
    if (!cli_secure(cli, &run->args->secure, &peer, err))
        return false;
    ScuQuery *query = scu_query_open(&peer, SCU_FIND, keys_model(level), NULL, 0, result, err);
    bool ok = query && scu_find(query, level, keys, show_match, run, result, err);
    scu_query_close(query);
    if (run->err.code)
        *err = run->err;
    return ok && !run->err.code;
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    Err err = {0};
    DcmLevel level = keys_level(&a->keys);
    const DcmDataset *keys = keys_for_find(cli->arena, &a->keys, &err);
    if (!keys)
        return cli_fail(cli, "%s", err.text);
    Run run = {.args = a, .text = a->json ? stderr : stdout, .own_key = dcm_level_unique_key(level)};
    run.found = textset_of(cli->arena);
    buf_init(&run.out, 0);
    run.json = json_writer(&run.out);
    int verbosity = cli_verbosity(cli, a->verbosity);
    Block block = {.service = "SCU",
                   .action = "CFIND",
                   .began_us = clock_wall_us(),
                   .peer_ae = a->called,
                   .own_ae = cli->settings->aet,
                   .data_set = keys,
                   .last_log = "Association requested"};
    keys_show(run.text, cli->arena, level, keys);
    show_block(&run, &block, verbosity);

    ScuResult result = {0};
    if (a->json)
        json_begin_array(&run.json);
    bool ok = query(cli, &run, keys, &result, &err);
    if (a->json) {
        json_end_array(&run.json);
        buf_append_cstr(&run.out, "\n");
        cli_put(stdout, &run.out);
    }
    block.committed = true;
    block.success = ok;
    block.last_log =
        ok ? arena_printf(cli->arena, "Equal number of %s is %" PRIu64, dcm_level_name(level), result.matches)
        : result.associated
            ? err.text
            : arena_printf(cli->arena, "Association rejected, aborted or never connected: %s", err.text);
    show_block(&run, &block, verbosity);
    int code = ok ? EXIT_OK : cli_fail(cli, "%s", err.text);
    if (ok && a->output && !write_keys(cli, &run, &err))
        code = cli_fail(cli, "%s", err.text);
    textset_free(&run.found);
    buf_free(&run.out);
    return code;
}

const Command command_find = {
    .name = "find",
    .summary = "ask a peer what it has (C-FIND)",
    .details = "PATIENT asks in the Patient Root model, the other levels in the Study Root model.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .run = run,
};
