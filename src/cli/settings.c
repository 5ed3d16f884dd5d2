// SPDX-License-Identifier: MIT
/* Reading app/settings.yml and the environment into Settings, by the table of keys. */
#include "cli/settings.h"

#include "base/file.h"
#include "base/log_format.h"
#include "base/yaml.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct Loader {
    Arena *arena;
    Settings *settings;
    SettingsOrigin *origins;
    Buf *problems;
    bool failed;
} Loader;

/* Where a value stands, for problems: a line of the file or an environment variable. */
typedef struct Place {
    int line;
    const char *env;
} Place;

static void problem(Loader *loader, Place place, const char *key, const char *text)
{
    loader->failed = true;
    if (place.env)
        buf_printf(loader->problems, "environment variable %s (%s): %s\n", place.env, key, text);
    else if (place.line)
        buf_printf(loader->problems, "%s:%d: %s: %s\n", loader->settings->file, place.line, key, text);
    else
        buf_printf(loader->problems, "%s: %s: %s\n", loader->settings->file, key, text);
}

/* The word of a blank-separated list that equals `text` in any case, as the list writes it. */
static const char *find_choice(Arena *arena, const char *choices, const char *text)
{
    Span rest = span_cstr(choices), word;
    bool more = true;
    Span wanted = span_trim(span_cstr(text));
    while (span_split(&rest, ' ', &word, &more))
        if (span_eq_nocase(word, wanted))
            return arena_span_cstr(arena, word);
    return NULL;
}

static const char *commas(Arena *arena, const char *choices)
{
    Buf out;
    buf_init(&out, 0);
    for (const char *p = choices; *p; p++)
        buf_append_cstr(&out, *p == ' ' ? ", " : (char[]){*p, 0});
    const char *text = arena_strdup(arena, buf_cstr(&out));
    buf_free(&out);
    return text;
}

const char *settings_allowed_text(Arena *arena, const SettingsKey *key)
{
    switch (key->type) {
    case SET_INT:
        return arena_printf(arena, "a whole number from %" PRId64 " to %" PRId64, key->min, key->max);
    case SET_NUMBER:
        return arena_printf(arena, "a number from %" PRId64 " to %" PRId64, key->min, key->max);
    case SET_BOOL:
        return "yes or no (also true, false, t, f, y, n, 1, 0)";
    case SET_LEVEL:
        return "one of NOTSET, DEBUG, INFO, WARNING, ERROR, CRITICAL";
    case SET_CHOICE:
        return arena_printf(arena, "one of %s", commas(arena, key->choices));
    case SET_LIST:
        return key->choices ? arena_printf(arena, "a list of %s", commas(arena, key->choices))
                            : "a list of texts";
    case SET_PATH:
        return "a path";
    case SET_TEXT:
        break;
    }
    return key->max
               ? arena_printf(arena, "a text of %" PRId64 " to %" PRId64 " characters (ASCII, no backslash)",
                              key->min, key->max)
               : "a text";
}

static void not_allowed(Loader *loader, Place place, const SettingsKey *key, const char *what)
{
    problem(
        loader, place, key->path,
        arena_printf(loader->arena, "%s; allowed is %s", what, settings_allowed_text(loader->arena, key)));
}

static bool set_number(Loader *loader, const SettingsKey *key, const char *text, void *at)
{
    double value;
    if (!span_to_double(span_cstr(text), &value) || value < (double)key->min || value > (double)key->max)
        return false;
    if (key->type == SET_NUMBER) {
        *(double *)at = value;
        return true;
    }
    if (value != floor(value))
        return false;
    *(int64_t *)at = (int64_t)value;
    return true;
}

/* PS3.5 6.2, AE: the default characters but for the backslash. */
static bool is_plain_text(Span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < 0x20 || text.p[i] >= 0x7F || text.p[i] == '\\')
            return false;
    return true;
}

static bool set_text(Loader *loader, const SettingsKey *key, const char *text, void *at)
{
    if (key->max) { /* an AE title */
        Span trimmed = span_trim(span_cstr(text));
        if (trimmed.n < (size_t)key->min || trimmed.n > (size_t)key->max || !is_plain_text(trimmed))
            return false;
        text = arena_span_cstr(loader->arena, trimmed);
    }
    *(const char **)at = arena_strdup(loader->arena, text);
    return true;
}

static void add_item(Loader *loader, TextList *list, const char *item)
{
    const char **items = arena_alloc(loader->arena, (list->count + 1) * sizeof *items);
    if (list->count)
        memcpy(items, list->items, list->count * sizeof *items);
    items[list->count++] = item;
    list->items = items;
}

/* "a, b" */
static bool set_list_text(Loader *loader, const SettingsKey *key, const char *text, void *at)
{
    TextList list = {0};
    Span rest = span_cstr(text), part;
    bool more = true;
    while (span_split(&rest, ',', &part, &more)) {
        const char *item = arena_span_cstr(loader->arena, span_trim(part));
        if (!*item)
            continue;
        if (key->choices && !(item = find_choice(loader->arena, key->choices, item)))
            return false;
        add_item(loader, &list, item);
    }
    *(TextList *)at = list;
    return true;
}

static bool set_path(Loader *loader, const char *text, void *at)
{
    Span path = span_cstr(text);
    while (span_starts(path, SPAN("./")))
        path = span_sub(path, 2, SIZE_MAX);
    while (path.n > 1 && path.p[path.n - 1] == '/')
        path.n--;
    text = arena_span_cstr(loader->arena, path);
    char *joined = *text ? file_join(loader->settings->folder, text) : NULL;
    *(const char **)at = arena_strdup(loader->arena, joined ? joined : "");
    free(joined);
    return true;
}

/* A value given as text: the fallback, the environment, or a YAML scalar. */
static bool set_from_text(Loader *loader, const SettingsKey *key, const char *text)
{
    void *at = (char *)loader->settings + key->at;
    YamlNode scalar = {.kind = YAML_SCALAR, .text = text};
    switch (key->type) {
    case SET_INT:
    case SET_NUMBER:
        return set_number(loader, key, text, at);
    case SET_BOOL:
        return yaml_bool(&scalar, at);
    case SET_TEXT:
        return set_text(loader, key, text, at);
    case SET_PATH:
        return set_path(loader, text, at);
    case SET_LEVEL:
        return log_level_parse(text, at);
    case SET_CHOICE: {
        const char *choice = find_choice(loader->arena, key->choices, text);
        if (choice)
            *(const char **)at = choice;
        return choice != NULL;
    }
    case SET_LIST:
        return set_list_text(loader, key, text, at);
    }
    return false;
}

static const char *shown(Loader *loader, const SettingsKey *key, const char *text)
{
    return key->secret ? "this value" : arena_printf(loader->arena, "'%.60s'", text);
}

static void take_list(Loader *loader, const SettingsKey *key, const YamlNode *node)
{
    TextList list = {0};
    for (const YamlNode *item = node->first; item; item = item->next) {
        Place place = {.line = item->line};
        const char *text = item->kind == YAML_SCALAR ? item->text : NULL;
        if (!text) {
            not_allowed(loader, place, key, "this item is no text");
            return;
        }
        const char *word = key->choices ? find_choice(loader->arena, key->choices, text) : text;
        if (!word) {
            not_allowed(loader, place, key, shown(loader, key, text));
            return;
        }
        add_item(loader, &list, word);
    }
    *(TextList *)((char *)loader->settings + key->at) = list;
}

static const char *last_part(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

static void take_value(Loader *loader, const SettingsKey *key, const YamlNode *node)
{
    SettingsOrigin *origin = &loader->origins[key - settings_keys];
    Place place = {.line = node->line};
    if (origin->line) {
        problem(loader, place, key->path,
                arena_printf(loader->arena, "is here under two spellings (also in line %d); keep one",
                             origin->line));
        return;
    }
    if (node->kind == YAML_NULL) { /* as if it were not there */
        origin->null_line = node->line;
        return;
    }
    origin->line = node->line;
    origin->alias = key->alias && !strcmp(last_part(key->alias), node->key);
    if (node->kind == YAML_LIST && key->type == SET_LIST)
        take_list(loader, key, node);
    else if (node->kind != YAML_SCALAR)
        not_allowed(loader, place, key,
                    node->kind == YAML_MAP ? "a section stands here" : "a list stands here");
    else if (!set_from_text(loader, key, node->text))
        not_allowed(loader, place, key, shown(loader, key, node->text));
}

static const SettingsKey *find_key(const char *path)
{
    for (size_t i = 0; i < settings_key_count; i++)
        if (!strcmp(settings_keys[i].path, path) ||
            (settings_keys[i].alias && !strcmp(settings_keys[i].alias, path)))
            return &settings_keys[i];
    return NULL;
}

static bool is_section(const char *path)
{
    size_t n = strlen(path);
    for (size_t i = 0; i < settings_key_count; i++)
        if (!strncmp(settings_keys[i].path, path, n) && settings_keys[i].path[n] == '.')
            return true;
    return false;
}

/* Edits between two words (Levenshtein), up to 63 characters; case does not count. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64], n = strlen(b);
    if (n > 63)
        return n;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t same = diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
            diagonal = row[j];
            size_t step = (row[j - 1] < row[j] ? row[j - 1] : row[j]) + 1;
            row[j] = same < step ? same : step;
        }
    }
    return row[n];
}

/* The key most like a wrong one; NULL when none is near. One whose last part is the same counts as near. */
static const char *nearest_key(const char *path)
{
    const char *best = NULL;
    size_t least = 4;
    for (size_t i = 0; i < settings_key_count; i++) {
        size_t d = distance(path, settings_keys[i].path);
        if (!strcasecmp(last_part(path), last_part(settings_keys[i].path)))
            d = d < 1 ? d : 1;
        if (d < least) {
            least = d;
            best = settings_keys[i].path;
        }
    }
    return best;
}

/* The sections of the table are at most two deep, so this recursion is too. */
static void take_map(Loader *loader, const char *prefix, const YamlNode *map)
{
    for (const YamlNode *node = map->first; node; node = node->next) {
        const char *path = *prefix ? arena_printf(loader->arena, "%s.%s", prefix, node->key) : node->key;
        const SettingsKey *key = find_key(path);
        Place place = {.line = node->line};
        if (key) {
            take_value(loader, key, node);
        } else if (is_section(path)) {
            if (node->kind == YAML_MAP)
                take_map(loader, path, node);
            else if (node->kind != YAML_NULL)
                problem(loader, place, path,
                        "a section is expected here: keys below it, further to the right");
        } else {
            const char *near = nearest_key(path);
            problem(loader, place, path,
                    near ? arena_printf(loader->arena, "unknown key; is '%s' meant?", near)
                         : "unknown key; 'manage settings show' lists those there are");
        }
    }
}

static void take_fallbacks(Loader *loader)
{
    for (size_t i = 0; i < settings_key_count; i++)
        if (settings_keys[i].fallback)
            set_from_text(loader, &settings_keys[i], settings_keys[i].fallback);
}

static void take_environment(Loader *loader)
{
    for (size_t i = 0; i < settings_key_count; i++) {
        const SettingsKey *key = &settings_keys[i];
        const char *text = key->env ? getenv(key->env) : NULL;
        if (!text)
            continue;
        loader->origins[i].environment = true;
        if (!set_from_text(loader, key, text))
            not_allowed(loader, (Place){.env = key->env}, key, shown(loader, key, text));
    }
}

static void check_mandatory(Loader *loader)
{
    for (size_t i = 0; i < settings_key_count; i++) {
        const SettingsKey *key = &settings_keys[i];
        if (!key->fallback && !loader->origins[i].line && !loader->origins[i].environment)
            not_allowed(loader, (Place){0}, key, "this key must be there");
    }
}

/* PS3.8 leaves small maximum lengths legal, but no useful peer works with them. */
static void check_pdu_size(Loader *loader)
{
    enum { SMALLEST = 4096 };
    if (loader->settings->pdu_size > 0 && loader->settings->pdu_size < SMALLEST)
        problem(loader, (Place){.line = loader->origins[find_key("ae_params.pdu_size") - settings_keys].line},
                "ae_params.pdu_size", "allowed is 0 (the program's own choice), or 4096 and more");
}

/* What the program does not use, as a database's password beside SQLite, is no secret of this archive. */
static bool is_used(const Loader *loader, const SettingsKey *key)
{
    return strncmp(key->path, "db.params.", strlen("db.params.")) != 0 ||
           !strcmp(loader->settings->db_engine, "postgresql");
}

/* From the environment they come without a file. */
static void check_private(Loader *loader)
{
    if (!file_is_for_everybody(loader->settings->file))
        return;
    for (size_t i = 0; i < settings_key_count; i++) {
        const SettingsKey *key = &settings_keys[i];
        const SettingsOrigin *origin = &loader->origins[i];
        const char *text =
            key->secret ? *(const char *const *)((const char *)loader->settings + key->at) : "";
        if (origin->line && !origin->environment && *text && is_used(loader, key))
            problem(loader, (Place){.line = origin->line}, key->path,
                    arena_printf(loader->arena,
                                 "everybody on this machine can read this secret; say: chmod 640 %s%s%s",
                                 loader->settings->file, key->env ? ", or take it out and set " : "",
                                 key->env ? key->env : ""));
    }
}

/* A layout that is none would be noticed only on the day that the default log is needed. */
static void check_layouts(Loader *loader)
{
    const struct {
        const char *key, *text;
    } layouts[] = {{"log.formatter", loader->settings->log_formatter},
                   {"log.formatter_color", loader->settings->log_formatter_color}};
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        Err err = {0};
        if (!log_format_compile(loader->arena, &(LogFormatText){.format = layouts[i].text}, &err))
            problem(loader, (Place){.line = loader->origins[find_key(layouts[i].key) - settings_keys].line},
                    layouts[i].key, err.text);
    }
}

/* Links resolved, as far as it is there already. */
static const char *real_path(Arena *arena, const char *path)
{
    char *real = realpath(path, NULL);
    const char *slash = strrchr(path, '/'), *out = real ? arena_strdup(arena, real) : path;
    free(real);
    if (real || !slash || slash == path)
        return out;
    const char *above = real_path(arena, arena_span_cstr(arena, span_of(path, (size_t)(slash - path))));
    bool adds_nothing = !slash[1] || !strcmp(slash, "/.");
    return adds_nothing ? above : arena_printf(arena, "%s%s", strcmp(above, "/") ? above : "", slash);
}

/* Whatever lies among the objects is taken for one: what was deleted would come back from the trash, and --repair would clear a list away.
   Hidden folders are never walked into. */
static void check_folders(Loader *loader)
{
    static const char *const keys[] = {
        "tmp_path",        "quarantine_path",         "trash_path", "log.path_folder", "audit.path_folder",
        "path_white_list", "api.annotation.path_data"};
    const char *data = real_path(loader->arena, loader->settings->fs_path);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const SettingsKey *key = find_key(keys[i]);
        const SettingsOrigin *origin = &loader->origins[key - settings_keys];
        const char *path =
            real_path(loader->arena, *(const char *const *)((const char *)loader->settings + key->at));
        if (file_lies_in(path, data) && strncmp(path + strlen(data), "/.", 2) != 0)
            problem(loader, (Place){.line = origin->line, .env = origin->environment ? key->env : NULL},
                    key->path, "it lies in the folder of the objects; allowed is a path outside of fs.path");
    }
}

const Settings *settings_load(Arena *arena, const char *folder, SettingsOrigin *origins, Buf *problems)
{
    Settings *settings = arena_alloc(arena, sizeof *settings);
    settings->folder = arena_strdup(arena, folder);
    settings->file = arena_printf(arena, "%s/app/settings.yml", folder);
    Loader loader = {.arena = arena, .settings = settings, .problems = problems};
    loader.origins = origins ? origins : arena_alloc(arena, settings_key_count * sizeof *origins);
    memset(loader.origins, 0, settings_key_count * sizeof *origins);

    Err err = {0};
    const YamlNode *root = yaml_load_file(arena, settings->file, &err);
    if (!root) {
        buf_printf(problems, "%s\n", err.text);
        return NULL;
    }
    take_fallbacks(&loader);
    if (root->kind == YAML_MAP)
        take_map(&loader, "", root);
    else if (root->kind != YAML_NULL)
        problem(&loader, (Place){.line = root->line}, "settings",
                "expected are lines of the form 'key: value'");
    take_environment(&loader);
    check_mandatory(&loader);
    check_pdu_size(&loader);
    if (!loader.failed)
        check_private(&loader);
    if (!loader.failed)
        check_layouts(&loader);
    if (!loader.failed)
        check_folders(&loader);
    return loader.failed ? NULL : settings;
}

static const char *list_text(Arena *arena, const TextList *list)
{
    const char *text = "";
    for (size_t i = 0; i < list->count; i++)
        text = arena_printf(arena, "%s%s%s", text, i ? ", " : "", list->items[i]);
    return text;
}

/* "http://user:word@host/" without user and word. */
static const char *without_credentials(Arena *arena, const char *text)
{
    const char *host = strstr(text, "://");
    if (!host)
        return text;
    host += strlen("://");
    size_t n = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', n);
    return at ? arena_printf(arena, "%.*s********%s", (int)(host - text), text, at) : text;
}

const char *settings_value_text(Arena *arena, const Settings *settings, const SettingsKey *key)
{
    const void *at = (const char *)settings + key->at;
    switch (key->type) {
    case SET_INT:
        return arena_printf(arena, "%" PRId64, *(const int64_t *)at);
    case SET_NUMBER:
        return arena_printf(arena, "%g", *(const double *)at);
    case SET_BOOL:
        return *(const bool *)at ? "true" : "false";
    case SET_LEVEL:
        return log_level_name(*(const LogLevel *)at);
    case SET_LIST:
        return list_text(arena, at);
    case SET_TEXT:
    case SET_PATH:
    case SET_CHOICE:
        break;
    }
    const char *text = *(const char *const *)at;
    return key->secret && *text ? "********" : without_credentials(arena, text);
}

bool settings_list_has(const TextList *list, const char *item)
{
    for (size_t i = 0; i < list->count; i++)
        if (!strcasecmp(list->items[i], item))
            return true;
    return false;
}
