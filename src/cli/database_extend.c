// SPDX-License-Identifier: MIT
/* `manage database extend` and `manage database dictionary`: the files of the extended tags. app/main_extended_db.py calls the first one. */
#include "base/file.h"
#include "cli/database.h"
#include "cli/output.h"
#include "cli/tag_dictionary.h"
#include "cli/tags.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct Args {
    const char *force;
} Args;

static const Args defaults;
static const Option options[] = {
    {OPT_TEXT, "f", "force", "BOOL", "yes: overwrite without a question; no: never overwrite", .bare = "yes",
     .at = offsetof(Args, force)},
    {OPT_END},
};

static const char *check(const void *args)
{
    Answer answer;
    return answer_parse(((const Args *)args)->force, &answer)
               ? NULL
               : "argument -f/--force: Boolean value expected.";
}

/* Writes the file; asks before it replaces one. ANSWER_NONE: nobody answered. */
static bool write_file(const char *path, Span content, const Args *a, Answer *answer, Err *err)
{
    *answer = ANSWER_NONE;
    answer_parse(a->force, answer);
    if (access(path, F_OK) != 0) {
        *answer = ANSWER_YES;
    } else if (*answer == ANSWER_NONE) {
        fprintf(stderr, "%s exists.\n", path);
        *answer = answer_ask("Overwrite it?", ANSWER_NONE);
    }
    return *answer != ANSWER_YES || file_replace(path, content, 0640, err);
}

static int ended(Cli *cli, Answer answer, const char *path, const char *done)
{
    if (answer == ANSWER_NONE)
        return cli_fail(cli, "no answer; nothing was written. Without a terminal use -f yes");
    if (answer == ANSWER_NO)
        fprintf(stderr, "%s was not overwritten.\n", path);
    else
        printf("%s\n", done);
    return EXIT_OK;
}

/* -- extend -- */

static int write_both(Cli *cli, const Args *a, const Tags *tags)
{
    Err err = {0};
    Answer answer;
    Buf yaml, json;
    buf_init(&yaml, 0);
    buf_init(&json, 0);
    tags_write_yaml(tags, &yaml);
    tags_write_json(tags, &json);
    char *path = file_join(cli->folder, TAGS_EXTENDED);
    bool ok = write_file(path, buf_span(&yaml), a, &answer, &err) &&
              (answer != ANSWER_YES ||
               file_replace(cli->settings->name_file_copy_extended_db, buf_span(&json), 0640, &err));
    int code = ok ? ended(cli, answer, path,
                          arena_printf(cli->arena,
                                       "%s has %zu tags. 'manage database migrate' fills their "
                                       "columns for what is stored already.",
                                       path, tags->count))
                  : cli_fail(cli, "%s", err.text);
    free(path);
    buf_free(&yaml);
    buf_free(&json);
    return code;
}

static int run_extend(Cli *cli, const void *args)
{
    Err err = {0};
    Tags tags;
    Buf problems;
    buf_init(&problems, 0);
    bool ok = tags_read_list(cli->arena, cli->folder, &tags, &problems, &err);
    cli_put(stderr, &problems);
    if (!ok)
        return cli_fail(cli, "%s", err.text);
    if (!tags.count && !tags.bad) {
        fprintf(stderr, "%s lists no tags; nothing was written.\n", TAGS_LIST);
        return EXIT_OK;
    }
    int code = tags.count ? write_both(cli, args, &tags) : EXIT_OK;
    if (code == EXIT_OK && tags.bad)
        code = cli_fail(cli, "%zu entries of %s were left out, see above", tags.bad, TAGS_LIST);
    return code;
}

const Command command_database_extend = {
    .name = "extend",
    .summary = "make extended_db.yml from tags.yml",
    .details =
        "Not needed for tags.yml to have effect, but to look at the columns and to edit them. Also writes "
        "the same as JSON (name_file_copy_extended_db) for programs that read it. Wrong entries are named "
        "and left out; the exit code is then 1.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .check = check,
    .run = run_extend,
};

/* -- dictionary -- */

static int run_dictionary(Cli *cli, const void *args)
{
    Err err = {0};
    Answer answer;
    char *path = file_join(cli->folder, TAG_DICTIONARY);
    int code = write_file(path, tag_dictionary_text(), args, &answer, &err)
                   ? ended(cli, answer, path, arena_printf(cli->arena, "%s was made anew.", path))
                   : cli_fail(cli, "%s", err.text);
    free(path);
    return code;
}

const Command command_database_dictionary = {
    .name = "dictionary",
    .summary = "make all_dicom_elements.csv anew from the table in this program",
    .details = "The table comes from PS3.6 and PS3.7; nothing is fetched.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .check = check,
    .run = run_dictionary,
};
