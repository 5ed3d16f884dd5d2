// SPDX-License-Identifier: MIT
/* The document is read in one pass per section: formatters, then handlers, which name them, then loggers, which name those. */
#include "cli/logging_config.h"

#include "base/file.h"
#include "base/log_format.h"
#include "base/yaml.h"
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { MAX_FORMATS = 64, MAX_COLOURS = 8 };

typedef struct NamedFormat {
    const char *name;
    const LogFormat *format;
} NamedFormat;

typedef struct Reader {
    Arena *arena;
    const char *path;
    const LoggingTerms *terms;
    LogPlan *plan;
    const char *handler_names[LOG_MAX_HANDLERS];
    NamedFormat formats[MAX_FORMATS];
    size_t format_count;
    Buf *problems;
    bool failed;
} Reader;

__attribute__((format(printf, 4, 5))) static bool problem(Reader *r, const YamlNode *node, const char *key,
                                                          const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char text[480];
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    r->failed = true;
    return buf_printf(r->problems, "%s:%d: %s: %s\n", r->path, node->line, key, text) && false;
}

static bool is(const char *text, const char *other)
{
    return strcmp(text, other) == 0;
}

static const char *below(const Reader *r, const char *key, const YamlNode *node)
{
    return arena_printf(r->arena, "%s.%s", key, node->key);
}

/* The text of a key; NULL and a problem when it is none. */
static const char *text_of(Reader *r, const char *key, const YamlNode *node)
{
    if (node->kind == YAML_SCALAR)
        return node->text;
    problem(r, node, key, "a text is expected here");
    return NULL;
}

static bool flag_of(Reader *r, const char *key, const YamlNode *node, bool *out)
{
    return (node->kind == YAML_SCALAR && yaml_bool(node, out)) ||
           problem(r, node, key, "allowed is yes or no");
}

static bool number_of(Reader *r, const char *key, const YamlNode *node, int64_t min, int64_t max,
                      int64_t *out)
{
    return (node->kind == YAML_SCALAR && span_to_i64(span_cstr(node->text), min, max, out)) ||
           problem(r, node, key, "allowed is a whole number from %" PRId64 " to %" PRId64, min, max);
}

/* A name, or a number as Python allows. */
static bool level_of(Reader *r, const char *key, const YamlNode *node, int *out)
{
    LogLevel level = LOG_NOTSET;
    int64_t number = 0;
    if (node->kind == YAML_SCALAR && log_level_parse(node->text, &level))
        *out = (int)level;
    else if (node->kind == YAML_SCALAR && !strcasecmp(node->text, "WARN"))
        *out = LOG_WARNING;
    else if (node->kind == YAML_SCALAR && !strcasecmp(node->text, "FATAL"))
        *out = LOG_CRITICAL;
    else if (node->kind == YAML_SCALAR && span_to_i64(span_cstr(node->text), 0, LOG_CRITICAL, &number))
        *out = (int)number;
    else
        return problem(r, node, key,
                       "'%.40s'; allowed is one of NOTSET, DEBUG, INFO, WARNING, ERROR, CRITICAL",
                       node->kind == YAML_SCALAR ? node->text : "this value");
    return true;
}

/* Filters are Python code; a list of none is none. */
static void no_filters(Reader *r, const char *key, const YamlNode *node)
{
    if (node->first || node->kind == YAML_SCALAR)
        problem(r, node, key, "filters are not supported; take this key out");
}

/* -- formatters -- */

static const char *const formatter_classes[] = {"logging.Formatter", "colorlog.ColoredFormatter",
                                                "colorlog.formatter.ColoredFormatter"};

static void take_formatter_class(Reader *r, const char *key, const YamlNode *node, bool *coloured)
{
    const char *name = text_of(r, key, node);
    for (size_t i = 0; name && i < sizeof formatter_classes / sizeof *formatter_classes; i++)
        if (is(name, formatter_classes[i])) {
            *coloured = i > 0;
            return;
        }
    if (name)
        problem(r, node, key,
                "'%.60s' is not known; allowed is logging.Formatter or colorlog.ColoredFormatter", name);
}

static void take_colours(Reader *r, const char *key, const YamlNode *map, LogFormatText *out)
{
    LogColour *colours = arena_alloc(r->arena, MAX_COLOURS * sizeof *colours);
    out->colours = colours;
    if (map->kind != YAML_MAP) {
        problem(r, map, key, "lines of the form 'DEBUG: cyan' are expected here");
        return;
    }
    for (const YamlNode *node = map->first; node; node = node->next) {
        const char *path = below(r, key, node), *names = text_of(r, path, node);
        LogLevel level;
        if (!log_level_parse(node->key, &level) || out->colour_count == MAX_COLOURS)
            problem(r, node, path, "allowed is one of DEBUG, INFO, WARNING, ERROR, CRITICAL");
        else if (names)
            colours[out->colour_count++] = (LogColour){(int)level, names};
    }
}

static void take_formatter_key(Reader *r, const char *key, const YamlNode *node, LogFormatText *out,
                               bool *reset)
{
    bool unused;
    if (is(node->key, "format") || is(node->key, "fmt")) {
        out->format = text_of(r, key, node);
    } else if (is(node->key, "datefmt")) {
        if (node->kind != YAML_NULL)
            out->dates = text_of(r, key, node);
    } else if (is(node->key, "style")) {
        if (node->kind != YAML_SCALAR || !is(node->text, "%"))
            problem(r, node, key, "allowed is '%%'");
    } else if (is(node->key, "class") || is(node->key, "()")) {
        take_formatter_class(r, key, node, &out->coloured);
    } else if (is(node->key, "log_colors")) {
        take_colours(r, key, node, out);
    } else if (is(node->key, "reset")) {
        flag_of(r, key, node, reset);
    } else if (is(node->key, "validate")) {
        flag_of(r, key, node, &unused);
    } else {
        problem(r, node, key,
                "unknown key; allowed are class, (), format, datefmt, style, log_colors, reset");
    }
}

static void take_formatter(Reader *r, const char *key, const YamlNode *map)
{
    LogFormatText text = {0};
    bool reset = true;
    if (map->kind != YAML_MAP) {
        problem(r, map, key, "a section is expected here: keys below it, further to the right");
        return;
    }
    for (const YamlNode *node = map->first; node; node = node->next)
        take_formatter_key(r, below(r, key, node), node, &text, &reset);
    if (text.format && strstr(text.format, "%(log_color)s"))
        text.coloured = true;
    text.coloured = text.coloured && reset;
    const YamlNode *at = yaml_get(map, "format");
    Err err = {0};
    const LogFormat *format = log_format_compile(r->arena, &text, &err);
    if (!format)
        problem(r, at ? at : map, key, "%s", err.text);
    else if (r->format_count < MAX_FORMATS)
        r->formats[r->format_count++] = (NamedFormat){map->key, format};
    else
        problem(r, map, key, "at most %d formatters", MAX_FORMATS);
}

/* -- handlers -- */

typedef enum Kind { STREAM = 1, PLAIN = 2, BY_SIZE = 4, BY_TIME = 8, NOTHING = 16 } Kind;
enum { FILES = PLAIN | BY_SIZE | BY_TIME, EVERY = STREAM | FILES | NOTHING };

static const struct {
    const char *name;
    Kind kind;
} classes[] = {
    {"logging.StreamHandler", STREAM},
    {"logging.FileHandler", PLAIN},
    {"logging.handlers.RotatingFileHandler", BY_SIZE},
    {"logging.handlers.TimedRotatingFileHandler", BY_TIME},
    {"logging.handlers.WatchedFileHandler", PLAIN},
    {"logging.NullHandler", NOTHING},
    {"colorlog.StreamHandler", STREAM},
};

/* One key of a handler. */
typedef void (*TakeKey)(Reader *, const char *key, const YamlNode *, LogHandler *);

static void take_nothing(Reader *r, const char *key, const YamlNode *node, LogHandler *out)
{
}

static void take_level(Reader *r, const char *key, const YamlNode *node, LogHandler *out)
{
    level_of(r, key, node, &out->level);
}

static void take_format(Reader *r, const char *key, const YamlNode *node, LogHandler *out)
{
    const char *name = text_of(r, key, node), *names = "";
    for (size_t i = 0; name && i < r->format_count; i++) {
        if (is(name, r->formats[i].name)) {
            out->format = r->formats[i].format;
            return;
        }
        names = arena_printf(r->arena, "%s%s%s", names, i ? ", " : "", r->formats[i].name);
    }
    if (name)
        problem(r, node, key, "there is no formatter '%.60s'; there are: %s", name, *names ? names : "none");
}

static void take_filters(Reader *r, const char *key, const YamlNode *node, LogHandler *out)
{
    no_filters(r, key, node);
}

static void take_stream(Reader *r, const char *key, const YamlNode *node, LogHandler *out)
{
    const char *name = text_of(r, key, node);
    if (!name)
        return;
    if (is(name, "ext://sys.stdout") || is(name, "stdout"))
        out->to = r->terms->stdout_taken ? LOG_TO_STDERR : LOG_TO_STDOUT;
    else if (!is(name, "ext://sys.stderr") && !is(name, "stderr"))
        problem(r, node, key, "'%.60s'; allowed is ext://sys.stderr or ext://sys.stdout", name);
}

static void take_filename(Reader *r, const char *key, const YamlNode *node, LogHandler *out)
{
    const char *name = text_of(r, key, node);
    if (!name)
        return;
    if (!*name || name[strlen(name) - 1] == '/') {
        problem(r, node, key, "the name of a file is expected here");
        return;
    }
    char *joined = file_join(r->terms->folder, !strncmp(name, "./", 2) ? name + 2 : name);
    out->file.path = arena_strdup(r->arena, joined);
    free(joined);
}

static void take_mode(Reader *r, const char *key, const YamlNode *node, LogHandler *out)
{
    if (node->kind != YAML_SCALAR || !is(node->text, "a"))
        problem(r, node, key, "allowed is a: several processes write to one file");
}

static void take_encoding(Reader *r, const char *key, const YamlNode *node, LogHandler *out)
{
    static const char *const names[] = {"utf8", "utf-8", "utf_8"};
    if (node->kind == YAML_NULL)
        return;
    for (size_t i = 0; node->kind == YAML_SCALAR && i < sizeof names / sizeof *names; i++)
        if (!strcasecmp(node->text, names[i]))
            return;
    problem(r, node, key, "allowed is utf-8");
}

static void take_delay(Reader *r, const char *key, const YamlNode *node, LogHandler *out)
{
    flag_of(r, key, node, &out->file.late);
}

static void take_max_bytes(Reader *r, const char *key, const YamlNode *node, LogHandler *out)
{
    int64_t n = 0;
    if (number_of(r, key, node, 0, INT64_C(1) << 40, &n))
        out->file.max_bytes = (uint64_t)n;
}

static void take_backup_count(Reader *r, const char *key, const YamlNode *node, LogHandler *out)
{
    enum { MOST = 10000 };
    int64_t n = 0;
    if (number_of(r, key, node, 0, MOST, &n))
        out->file.keep = (int)n;
}

static void take_when(Reader *r, const char *key, const YamlNode *node, LogHandler *out)
{
    static const struct {
        const char *name;
        LogTurn turn;
    } words[] = {{"S", LOG_TURN_SECONDS},     {"M", LOG_TURN_MINUTES},         {"H", LOG_TURN_HOURS},
                 {"D", LOG_TURN_DAYS},        {"MIDNIGHT", LOG_TURN_MIDNIGHT}, {"W0", LOG_TURN_MONDAY},
                 {"W1", LOG_TURN_MONDAY + 1}, {"W2", LOG_TURN_MONDAY + 2},     {"W3", LOG_TURN_MONDAY + 3},
                 {"W4", LOG_TURN_MONDAY + 4}, {"W5", LOG_TURN_MONDAY + 5},     {"W6", LOG_TURN_SUNDAY}};
    const char *word = text_of(r, key, node);
    for (size_t i = 0; word && i < sizeof words / sizeof *words; i++)
        if (!strcasecmp(word, words[i].name)) {
            out->file.turn = words[i].turn;
            return;
        }
    if (word)
        problem(r, node, key, "'%.20s'; allowed is S, M, H, D, midnight, or W0 (Monday) to W6", word);
}

static void take_interval(Reader *r, const char *key, const YamlNode *node, LogHandler *out)
{
    enum { MOST = 1000000 };
    int64_t n = 0;
    if (number_of(r, key, node, 1, MOST, &n))
        out->file.interval = (int)n;
}

static void take_utc(Reader *r, const char *key, const YamlNode *node, LogHandler *out)
{
    flag_of(r, key, node, &out->file.utc);
}

static const struct {
    const char *name;
    int kinds; /* of handler that have it */
    TakeKey take;
} handler_keys[] = {
    {"class", EVERY, take_nothing},
    {"()", EVERY, take_nothing},
    {"level", EVERY, take_level},
    {"formatter", EVERY, take_format},
    {"filters", EVERY, take_filters},
    {"stream", STREAM, take_stream},
    {"filename", FILES, take_filename},
    {"mode", FILES, take_mode},
    {"encoding", FILES, take_encoding},
    {"delay", FILES, take_delay},
    {"maxBytes", BY_SIZE, take_max_bytes},
    {"backupCount", BY_SIZE | BY_TIME, take_backup_count},
    {"when", BY_TIME, take_when},
    {"interval", BY_TIME, take_interval},
    {"utc", BY_TIME, take_utc},
};

static const char *allowed_keys(const Reader *r, Kind kind)
{
    const char *names = "";
    for (size_t i = 0; i < sizeof handler_keys / sizeof *handler_keys; i++)
        if (handler_keys[i].kinds & (int)kind)
            names = arena_printf(r->arena, "%s%s%s", names, *names ? ", " : "", handler_keys[i].name);
    return names;
}

static bool kind_of(Reader *r, const char *key, const YamlNode *map, Kind *out)
{
    const YamlNode *node = yaml_get(map, "class");
    if (!node)
        node = yaml_get(map, "()");
    if (!node) {
        bool file = yaml_get(map, "filename");
        bool by_size = yaml_get(map, "maxBytes") || yaml_get(map, "backupCount");
        *out = !file ? STREAM : yaml_get(map, "when") ? BY_TIME : by_size ? BY_SIZE : PLAIN;
        return true;
    }
    const char *path = below(r, key, node), *name = text_of(r, path, node), *names = "";
    for (size_t i = 0; name && i < sizeof classes / sizeof *classes; i++) {
        if (is(name, classes[i].name)) {
            *out = classes[i].kind;
            return true;
        }
        names = arena_printf(r->arena, "%s%s%s", names, i ? ", " : "", classes[i].name);
    }
    return name && problem(r, node, path, "'%.60s' is not known; allowed is one of %s", name, names);
}

static void take_handler_key(Reader *r, const char *key, Kind kind, const YamlNode *node, LogHandler *out)
{
    for (size_t i = 0; i < sizeof handler_keys / sizeof *handler_keys; i++)
        if (is(node->key, handler_keys[i].name) && handler_keys[i].kinds & (int)kind) {
            handler_keys[i].take(r, key, node, out);
            return;
        }
    problem(r, node, key, "unknown key for this class; allowed are %s", allowed_keys(r, kind));
}

static void take_handler(Reader *r, const char *key, const YamlNode *map)
{
    Kind kind = NOTHING;
    if (map->kind != YAML_MAP) {
        problem(r, map, key, "a section is expected here: keys below it, further to the right");
        return;
    }
    if (r->plan->handler_count == LOG_MAX_HANDLERS - LOGGING_OWN_HANDLERS) {
        problem(r, map, key, "at most %d handlers", LOG_MAX_HANDLERS - LOGGING_OWN_HANDLERS);
        return;
    }
    r->handler_names[r->plan->handler_count] = map->key;
    LogHandler *out = &r->plan->handlers[r->plan->handler_count++];
    if (!kind_of(r, key, map, &kind))
        return;
    *out = (LogHandler){.to = kind & FILES      ? LOG_TO_FILE
                              : kind == NOTHING ? LOG_TO_NOTHING
                                                : LOG_TO_STDERR,
                        .file.interval = 1};
    if (kind == BY_TIME)
        out->file.turn = LOG_TURN_HOURS;
    for (const YamlNode *node = map->first; node; node = node->next)
        take_handler_key(r, below(r, key, node), kind, node, out);
    if (kind & FILES && !out->file.path && !yaml_get(map, "filename"))
        problem(r, map, key, "the key filename must be there");
    out->colour = r->terms->colour && ((out->to == LOG_TO_STDERR && cli_colour(STDERR_FILENO)) ||
                                       (out->to == LOG_TO_STDOUT && cli_colour(STDOUT_FILENO)));
}

/* -- loggers -- */

static void take_handler_list(Reader *r, const char *key, const YamlNode *list, LogLogger *out)
{
    if (list->kind != YAML_LIST && list->kind != YAML_NULL)
        problem(r, list, key, "a list of handlers is expected here, as [console]");
    for (const YamlNode *node = list->first; node; node = node->next) {
        const char *name = text_of(r, key, node), *names = "";
        size_t i = 0;
        for (; name && i < r->plan->handler_count && !is(name, r->handler_names[i]); i++)
            names = arena_printf(r->arena, "%s%s%s", names, i ? ", " : "", r->handler_names[i]);
        if (name && i < r->plan->handler_count)
            out->handlers |= UINT32_C(1) << i;
        else if (name)
            problem(r, node, key, "there is no handler '%.60s'; there are: %s", name,
                    *names ? names : "none");
    }
}

static void take_logger(Reader *r, const char *key, const char *name, const YamlNode *map)
{
    bool root = !*name;
    if (map->kind != YAML_MAP) {
        problem(r, map, key, "a section is expected here: keys below it, further to the right");
        return;
    }
    if (r->plan->logger_count == LOG_MAX_LOGGERS - LOGGING_OWN_LOGGERS) {
        problem(r, map, key, "at most %d loggers", LOG_MAX_LOGGERS - LOGGING_OWN_LOGGERS);
        return;
    }
    LogLogger *out = &r->plan->loggers[r->plan->logger_count++];
    *out = (LogLogger){.name = name, .level = root ? LOG_WARNING : LOG_NOTSET, .propagate = true};
    for (const YamlNode *node = map->first; node; node = node->next) {
        const char *path = below(r, key, node);
        if (is(node->key, "level"))
            level_of(r, path, node, &out->level);
        else if (is(node->key, "handlers"))
            take_handler_list(r, path, node, out);
        else if (is(node->key, "propagate") && !root)
            flag_of(r, path, node, &out->propagate);
        else if (is(node->key, "filters"))
            no_filters(r, path, node);
        else
            problem(r, node, path, "unknown key; allowed are level, handlers%s", root ? "" : ", propagate");
    }
}

static void take_named_logger(Reader *r, const char *key, const YamlNode *map)
{
    take_logger(r, key, is(map->key, "root") ? "" : map->key, map);
}

/* -- the document -- */

static void take_section(Reader *r, const YamlNode *section,
                         void (*take)(Reader *, const char *key, const YamlNode *map))
{
    if (!section || section->kind == YAML_NULL)
        return;
    if (section->kind != YAML_MAP) {
        problem(r, section, section->key, "a section is expected here: keys below it, further to the right");
        return;
    }
    for (const YamlNode *map = section->first; map; map = map->next)
        take(r, below(r, section->key, map), map);
}

static void take_top_key(Reader *r, const YamlNode *node, bool *replace)
{
    static const char *const sections[] = {"formatters", "handlers", "loggers", "root"};
    bool incremental = false;
    int64_t version = 0;
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        if (is(node->key, sections[i]))
            return;
    if (is(node->key, "version"))
        number_of(r, node->key, node, 1, 1, &version);
    else if (is(node->key, "disable_existing_loggers"))
        flag_of(r, node->key, node, replace);
    else if (is(node->key, "filters"))
        no_filters(r, node->key, node);
    else if (!is(node->key, "incremental"))
        problem(r, node, node->key,
                "unknown key; allowed are version, disable_existing_loggers, formatters, handlers, loggers, "
                "root");
    else if (flag_of(r, node->key, node, &incremental) && incremental)
        problem(r, node, node->key, "allowed is no");
}

bool logging_config_load(Arena *arena, const char *path, const LoggingTerms *terms, LogPlan *plan,
                         bool *replace, Buf *problems)
{
    Err err = {0};
    const YamlNode *document = yaml_load_file(arena, path, &err);
    if (!document) {
        buf_printf(problems, "%s\n", err.text);
        return false;
    }
    *plan = (LogPlan){0};
    *replace = true;
    Reader *r = arena_alloc(arena, sizeof *r);
    *r = (Reader){.arena = arena, .path = path, .terms = terms, .plan = plan, .problems = problems};
    if (document->kind != YAML_MAP)
        return problem(r, document, "logging",
                       "expected are the keys version, formatters, handlers and loggers");
    if (!yaml_get(document, "version"))
        problem(r, document, "version", "this key must be there; allowed is 1");
    for (const YamlNode *node = document->first; node; node = node->next)
        take_top_key(r, node, replace);
    take_section(r, yaml_get(document, "formatters"), take_formatter);
    take_section(r, yaml_get(document, "handlers"), take_handler);
    take_section(r, yaml_get(document, "loggers"), take_named_logger);
    const YamlNode *root = yaml_get(document, "root");
    if (root)
        take_logger(r, root->key, "", root);
    return !r->failed;
}
