// SPDX-License-Identifier: MIT
/* `manage data`, and its `index_study`, which loads a list of studies that `move -DbUID` fetches. */
#include "cli/data.h"

#include "base/clock.h"
#include "dicom/datetime.h"
#include "dicom/uid.h"
#include "index/tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct Args {
    const char *list, *day;
} Args;

static const Args defaults;
static const Option options[] = {
    {OPT_TEXT, .value = "list_study_uid", .help = "file with one Study Instance UID per line",
     .at = offsetof(Args, list)},
    {OPT_TEXT, .value = "d_load", .help = "date of the list, YYYY-MM-DD; today without it", .optional = true,
     .at = offsetof(Args, day)},
    {OPT_END},
};

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* "2026-11-21", a day that exists. */
static bool is_day(const char *text)
{
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    char rest;
    if (strlen(text) != 10 || strspn(text, "0123456789-") != 10 ||
        sscanf(text, "%4d-%2d-%2d%c", &year, &month, &day, &rest) != 3 || text[4] != '-' || text[7] != '-')
        return false;
    return year > 0 && month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] &&
           (month != 2 || day < 29 || is_leap(year));
}

static const char *check(const void *args)
{
    const Args *a = args;
    return !a->day || is_day(a->day) ? NULL : "argument d_load: a date YYYY-MM-DD is expected";
}

static bool read_studies(const Cli *cli, const char *path, TextList *out, Err *err)
{
    if (!cli_read_list(cli->arena, path, out, err))
        return false;
    if (!out->count)
        return err_set(err, ERR_NOT_FOUND, "%s has no study", path);
    for (size_t i = 0; i < out->count; i++)
        if (!dcm_uid_valid(span_cstr(out->items[i]), false))
            return err_set(err, ERR_FORMAT, "%s: '%.80s' is no UID; nothing was loaded", path, out->items[i]);
    return true;
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    Err err = {0};
    TextList studies;
    char today[32];
    int64_t number = 0;
    clock_format(clock_wall_us(), false, today);
    today[10] = 0;
    Index *index = read_studies(cli, a->list, &studies, &err) ? cli_open_index(cli->settings, &err) : NULL;
    bool ok = index &&
              idx_study_list_add(index, studies.items, studies.count, a->day ? a->day : today, &number, &err);
    idx_close(index);
    if (!ok)
        return cli_fail(cli, "%s", err.text);
    fprintf(stderr, "List %" PRId64 ": %zu studies.\n", number, studies.count);
    return EXIT_OK;
}

static const Command command_index_study = {
    .name = "index_study",
    .summary = "load a list of studies for 'move -DbUID'",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .check = check,
    .run = run,
};

static const Option no_options[] = {{OPT_END}};
static const Command *const commands[] = {
    &command_data_index,    &command_data_export, &command_index_study, &command_data_delete,
    &command_data_undelete, &command_data_trash,  &command_data_verify, NULL};

const Command command_data = {
    .name = "data",
    .summary = "index, export, verify and delete what is stored",
    .options = no_options,
    .subcommands = commands,
};
