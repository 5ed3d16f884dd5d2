// SPDX-License-Identifier: MIT
/* `manage settings check|show`: are the settings sound, and what is in force from where. */
#include "base/json.h"
#include "cli/cli.h"
#include "cli/tags.h"
#include "cli/tls.h"

#include <stdio.h>
#include <string.h>

typedef struct Args {
    const char *verb;
    bool json;
} Args;

static const Args defaults;
static const Option options[] = {
    {OPT_TEXT, .value = "VERB", .choices = "check show", .at = offsetof(Args, verb),
     .help = "check: say whether the settings can be used. show: print each key, its value and where it "
             "comes from"},
    {OPT_FLAG, .name = "json", .help = "show as JSON", .at = offsetof(Args, json)},
    {OPT_END},
};

static const char *origin_text(const Cli *cli, size_t i)
{
    const SettingsOrigin *origin = &cli->origins[i];
    if (origin->environment)
        return arena_printf(cli->arena, "environment %s", settings_keys[i].env);
    return origin->line ? arena_printf(cli->arena, "app/settings.yml:%d", origin->line) : "fallback";
}

static void show_json(const Cli *cli, Buf *out)
{
    JsonWriter w = json_writer(out);
    json_begin_object(&w);
    for (size_t i = 0; i < settings_key_count; i++) {
        json_key(&w, settings_keys[i].path);
        json_begin_object(&w);
        json_member(&w, "value", settings_value_text(cli->arena, cli->settings, &settings_keys[i]));
        json_member(&w, "origin", origin_text(cli, i));
        json_end_object(&w);
    }
    json_end_object(&w);
    buf_append_cstr(out, "\n");
}

static void print_remark(void *ctx, LogLevel level, const char *text)
{
    size_t *count = ctx;
    ++*count;
    printf("%s\n", text);
}

/* The list of extended tags belongs to the settings. *count grows by what is wrong with it. */
static bool check_tags(const Cli *cli, size_t *count, Err *err)
{
    Tags tags;
    Buf problems;
    buf_init(&problems, 0);
    bool ok = tags_load(cli->arena, cli->folder, &tags, &problems, err);
    *count += ok && problems.n > 0;
    cli_put(stdout, &problems);
    return ok;
}

/* What loading does not see: each value is allowed, but this build cannot do what it says. */
static int check(Cli *cli)
{
    const char *idle[CLI_WITHOUT_EFFECT_MAX];
    Err err = {0};
    if (!cli_check_engines(cli->settings, &err) || !tls_check(cli->settings, &err))
        return cli_fail(cli, "%s", err.text);
    if (cli->logging_problem)
        return EXIT_FAILED; /* it has been told */
    size_t n = cli_settings_without_effect(cli->settings, idle);
    for (size_t i = 0; i < n; i++)
        printf("%s: %s\n", cli->settings->file, idle[i]);
    settings_remarks(cli->arena, cli->settings, cli->origins, print_remark, &n);
    if (!check_tags(cli, &n, &err))
        return cli_fail(cli, "%s", err.text);
    if (!n)
        printf("%s: no problem found\n", cli->settings->file);
    return EXIT_OK;
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    if (!strcmp(a->verb, "check"))
        return check(cli);
    Buf out;
    buf_init(&out, 0);
    if (a->json) {
        show_json(cli, &out);
    } else {
        for (size_t i = 0; i < settings_key_count; i++)
            buf_printf(&out, "%-38s %-44s (%s)\n", settings_keys[i].path,
                       settings_value_text(cli->arena, cli->settings, &settings_keys[i]),
                       origin_text(cli, i));
    }
    cli_put(stdout, &out);
    return EXIT_OK;
}

const Command command_settings = {
    .name = "settings",
    .summary = "check the settings, or show what is in force and where it comes from",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .run = run,
};
