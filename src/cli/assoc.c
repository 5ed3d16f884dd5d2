// SPDX-License-Identifier: MIT
/*
 * `manage assoc TARGET.REQUEST`: a request of app/associations.yml. A request is a command with its options by their long names, so
 * that whatever the command understands can stand there, checked by the command's own table.
 */
#include "base/yaml.h"
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

typedef struct Args {
    const char *request;
} Args;

static const Args defaults;
static const Option options[] = {
    {OPT_TEXT, .value = "target.request", .help = "names in app/associations.yml",
     .at = offsetof(Args, request)},
    {OPT_END},
};

static const char *check(const void *args)
{
    const char *dot = strchr(((const Args *)args)->request, '.');
    return dot && dot[1] && dot != ((const Args *)args)->request ? NULL : "TARGET.REQUEST is expected";
}

static const struct {
    const char *name;
    const Command *command;
} actions[] = {{"scu_cecho", &command_echo},
               {"scu_cfind", &command_find},
               {"scu_cstore", &command_store},
               {"scu_cmove", &command_move},
               {"scu_cget", &command_get}};

static const Command *action_of(const YamlNode *node)
{
    for (size_t i = 0; node && node->text && i < sizeof actions / sizeof *actions; i++)
        if (!strcmp(actions[i].name, node->text))
            return actions[i].command;
    return NULL;
}

enum { MAX_WORDS = 256 };
typedef struct Words {
    Arena *arena;
    const char *path;
    char *items[MAX_WORDS];
    int count;
} Words;

static bool add(Words *words, const YamlNode *at, const char *word, Err *err)
{
    if (words->count == MAX_WORDS)
        return err_set(err, ERR_LIMIT, "%s:%d: more than %d words", words->path, at->line, MAX_WORDS);
    words->items[words->count++] = arena_strdup(words->arena, word);
    return true;
}

static bool add_scalar(Words *words, const YamlNode *map, const char *key, const char *option, Err *err)
{
    const YamlNode *node = yaml_get(map, key);
    if (!node || node->kind != YAML_SCALAR)
        return err_set(err, ERR_FORMAT, "%s:%d: a value for '%s' is expected", words->path, map->line, key);
    return (!option || add(words, node, option, err)) && add(words, node, node->text, err);
}

static const Option *option_named(const Command *command, const char *name)
{
    for (const Option *o = command->options; o->kind; o++)
        if (o->name && !strcmp(o->name, name))
            return o;
    return NULL;
}

static bool add_value(Words *words, const Option *option, const YamlNode *value, Err *err)
{
    bool on;
    if (value->kind != YAML_SCALAR)
        return err_set(err, ERR_FORMAT, "%s:%d: '%s' takes one value", words->path, value->line,
                       option->name);
    if (option->kind != OPT_FLAG)
        return add(words, value, arena_printf(words->arena, "--%s=%s", option->name, value->text), err);
    if (!yaml_bool(value, &on))
        return err_set(err, ERR_FORMAT, "%s:%d: '%s' is yes or no", words->path, value->line, option->name);
    return !on || add(words, value, arena_printf(words->arena, "--%s", option->name), err);
}

static bool add_option(Words *words, const Command *command, const YamlNode *node, Err *err)
{
    if (!strcmp(node->key, "action"))
        return true;
    const Option *option = option_named(command, node->key);
    if (!option)
        return err_set(err, ERR_FORMAT, "%s:%d: '%s' is no option of 'manage %s'", words->path, node->line,
                       node->key, command->name);
    if (node->kind != YAML_LIST)
        return add_value(words, option, node, err);
    bool ok = true;
    for (const YamlNode *item = node->first; ok && item; item = item->next)
        ok = add_value(words, option, item, err);
    return ok;
}

/* The command line of the request. */
static const Command *read_request(const Cli *cli, const char *target, const char *request, Words *words,
                                   Err *err)
{
    const YamlNode *root = yaml_load_file(cli->arena, words->path, err);
    if (!root)
        return NULL;
    const YamlNode *peer = yaml_get(root, target), *asked = yaml_get(yaml_get(peer, "requests"), request);
    if (!peer || !asked) {
        err_set(err, ERR_NOT_FOUND, "%s has no %s '%s'", words->path, peer ? "request" : "target",
                peer ? request : target);
        return NULL;
    }
    const Command *command = action_of(yaml_get(asked, "action"));
    if (!command) {
        err_set(err, ERR_FORMAT,
                "%s:%d: action is expected to be scu_cecho, scu_cfind, scu_cstore, scu_cmove or scu_cget",
                words->path, asked->line);
        return NULL;
    }
    bool ok = add_scalar(words, peer, "ip", NULL, err) && add_scalar(words, peer, "port", NULL, err) &&
              add_scalar(words, peer, "aet", "-aec", err);
    for (const YamlNode *node = asked->first; ok && node; node = node->next)
        ok = add_option(words, command, node, err);
    return ok ? command : NULL;
}

static int run(Cli *cli, const void *args)
{
    const char *text = ((const Args *)args)->request, *dot = strchr(text, '.');
    const char *target = arena_span_cstr(cli->arena, span_of(text, (size_t)(dot - text)));
    Err err = {0};
    Words words = {.arena = cli->arena,
                   .path = arena_printf(cli->arena, "%s/app/associations.yml", cli->folder)};
    const Command *command = read_request(cli, target, dot + 1, &words, &err);
    if (!command)
        return cli_fail(cli, "%s", err.text);
    void *parsed = arena_alloc(cli->arena, command->size + 1);
    Buf problem;
    bool help = false;
    buf_init(&problem, 0);
    bool ok = options_parse(command, words.count, words.items, cli->arena, parsed, &help, &problem) && !help;
    int code =
        ok ? command->run(cli, parsed)
           : cli_fail(cli, "%s: %s: %s", words.path, text, help ? "-h is no value" : buf_cstr(&problem));
    buf_free(&problem);
    return code;
}

const Command command_assoc = {
    .name = "assoc",
    .summary = "run a request of app/associations.yml",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .check = check,
    .run = run,
};
