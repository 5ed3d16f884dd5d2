// SPDX-License-Identifier: MIT
/* `manage monitor`: what is stored, by modality, and how fast it came. */
#include "base/json.h"
#include "cli/output.h"
#include "index/tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct Args {
    const char *display;
    bool json;
} Args;

static const Args defaults = {.display = "key"};
static const Option options[] = {
    {OPT_TEXT, "d", "display_level", "LEVEL", "how much is shown", .choices = "full minimal key",
     .bare = "key", .at = offsetof(Args, display)},
    {OPT_FLAG, .name = "json", .help = "print everything as JSON on stdout", .at = offsetof(Args, json)},
    {OPT_END},
};

static int print_json(Buf *out)
{
    buf_append_cstr(out, "\n");
    fwrite(out->p, 1, out->n, stdout);
    buf_free(out);
    return EXIT_OK;
}

/* -- modality -- */

static void show_modality(const IdxModality *m, const char *display)
{
    char size[32];
    double errors = m->instances ? 100.0 * (double)m->errors / (double)m->instances : 0;
    pretty_size((double)m->bytes, size);
    if (!strcmp(display, "full"))
        printf("%s\t(%" PRIu64 "|%" PRIu64 "|%" PRIu64 "|%" PRIu64 ")\t%.1f%% (%" PRIu64 ")\t %s\n",
               m->modality, m->patients, m->studies, m->series, m->instances, errors, m->errors, size);
    else if (!strcmp(display, "minimal"))
        printf("%s\t%" PRIu64 "\t%.1f%%\t %s\n", m->modality, m->instances, errors, size);
    else
        printf("%s\t%" PRIu64 "\t %s\n", m->modality, m->instances, size);
}

static int modalities_json(const IdxModality *rows, size_t n)
{
    Buf out;
    buf_init(&out, 0);
    JsonWriter w = json_writer(&out);
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(&w);
        json_member(&w, "modality", rows[i].modality);
        json_member_int(&w, "patients", (int64_t)rows[i].patients);
        json_member_int(&w, "studies", (int64_t)rows[i].studies);
        json_member_int(&w, "series", (int64_t)rows[i].series);
        json_member_int(&w, "instances", (int64_t)rows[i].instances);
        json_member_int(&w, "bytes", (int64_t)rows[i].bytes);
        json_member_int(&w, "errors", (int64_t)rows[i].errors);
        json_end_object(&w);
    }
    json_end_array(&w);
    return print_json(&out);
}

static int run_modality(Cli *cli, const void *args)
{
    const Args *a = args;
    Err err = {0};
    IdxModality *rows = NULL;
    size_t n = 0;
    Index *index = cli_open_index(cli->settings, &err);
    bool ok = index && idx_modalities(index, cli->arena, &rows, &n, &err);
    idx_close(index);
    if (!ok)
        return cli_fail(cli, "%s", err.text);
    if (a->json)
        return modalities_json(rows, n);
    if (!n)
        printf("No db entries founded\n");
    for (size_t i = 0; i < n; i++)
        show_modality(&rows[i], a->display);
    return EXIT_OK;
}

/* -- speed -- */

static void json_rate(JsonWriter *w, const char *key, bool known, double value)
{
    json_key(w, key);
    if (known)
        json_double(w, value);
    else
        json_nothing(w);
}

static int speed_json(const IdxSpeed *speed)
{
    Buf out;
    buf_init(&out, 0);
    JsonWriter w = json_writer(&out);
    json_begin_object(&w);
    json_rate(&w, "seconds", speed->any, speed->seconds);
    json_rate(&w, "files_per_second", speed->measurable, speed->files_per_second);
    json_rate(&w, "bytes_per_second", speed->measurable, speed->bytes_per_second);
    json_end_object(&w);
    return print_json(&out);
}

static void show_speed(const IdxSpeed *speed, const char *display)
{
    char size[32], per_second[48] = "n/a", files[32] = "n/a";
    if (speed->measurable) {
        snprintf(per_second, sizeof per_second, "%s/s", pretty_size(speed->bytes_per_second, size));
        snprintf(files, sizeof files, "%.2f", speed->files_per_second);
    }
    if (!strcmp(display, "key")) {
        printf("%s\n", per_second);
        return;
    }
    if (speed->measurable)
        pretty_size(speed->bytes_per_second, per_second);
    printf("file/s \t: %s\nsize/s \t: %s\n", files, per_second);
    if (!strcmp(display, "full"))
        printf("time\t: %.2f s\n", speed->seconds);
}

static int run_speed(Cli *cli, const void *args)
{
    const Args *a = args;
    Err err = {0};
    IdxSpeed speed;
    Index *index = cli_open_index(cli->settings, &err);
    bool ok = index && idx_speed(index, &speed, &err);
    idx_close(index);
    if (!ok)
        return cli_fail(cli, "%s", err.text);
    if (a->json)
        return speed_json(&speed);
    if (speed.any)
        show_speed(&speed, a->display);
    else
        printf("No db entries founded\n");
    return EXIT_OK;
}

static const Command modality = {
    .name = "modality",
    .summary = "what is stored, by modality",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .run = run_modality,
};
static const Command speed = {
    .name = "speed",
    .summary = "how fast the latest 500 objects came",
    .details = "n/a stands where a rate cannot be said, because all came at one moment.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .run = run_speed,
};
static const Option no_options[] = {{OPT_END}};
static const Command *const commands[] = {&modality, &speed, NULL};

const Command command_monitor = {
    .name = "monitor",
    .summary = "figures of the archive",
    .options = no_options,
    .subcommands = commands,
};
