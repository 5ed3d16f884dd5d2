// SPDX-License-Identifier: MIT
/* Parsing of command lines by table. Help and completion from the same table are in help.c. */
#include "cli/options.h"

#include "base/span.h"
#include "base/yaml.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct Parser {
    const Command *command;
    int argc;
    char *const *argv;
    int at; /* next word */
    Arena *arena;
    char *args;
    Buf *problem;
    Buf passed_over;    /* by a lenient command */
    size_t positionals; /* met so far */
    bool given[64];     /* options met, by index in the table */
} Parser;

static bool complain(Parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool complain(Parser *p, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    char text[400];
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    buf_append_cstr(p->problem, text);
    return false;
}

/* A word that the table does not know. */
static bool stray(Parser *p, const char *dashes, const char *word)
{
    if (!p->command->lenient)
        return complain(p, "unrecognized arguments: %s%.60s", dashes, word);
    buf_printf(&p->passed_over, " %s%.60s", dashes, word);
    return true;
}

static bool is_positional(const Option *option)
{
    return !option->brief && !option->name;
}

/* "-aec/--ae_called" or the name of a positional. */
static const char *spelling(const Parser *p, const Option *option)
{
    if (is_positional(option))
        return option->value;
    if (!option->name)
        return arena_printf(p->arena, "-%s", option->brief);
    return option->brief ? arena_printf(p->arena, "-%s/--%s", option->brief, option->name)
                         : arena_printf(p->arena, "--%s", option->name);
}

static const char *pick_choice(const Parser *p, const char *choices, const char *word)
{
    Span rest = span_cstr(choices), part;
    bool more = true;
    while (span_split(&rest, ' ', &part, &more))
        if (span_eq_nocase(part, span_cstr(word)))
            return arena_span_cstr(p->arena, part);
    return NULL;
}

static bool store_int(Parser *p, const Option *option, const char *word, void *at)
{
    bool bounded = option->min || option->max;
    int64_t min = bounded ? option->min : INT64_MIN, max = bounded ? option->max : INT64_MAX;
    if (span_to_i64(span_cstr(word), min, max, at))
        return true;
    if (bounded)
        return complain(p, "argument %s: '%.60s' is not a whole number from %" PRId64 " to %" PRId64,
                        spelling(p, option), word, min, max);
    return complain(p, "argument %s: '%.60s' is not a whole number", spelling(p, option), word);
}

/* Only what stands among the words; the fallback of an option does not. */
static void overwrite(const Parser *p, const char *word)
{
    size_t n = strlen(word);
    for (int i = 0; i < p->argc; i++) {
        size_t length = strlen(p->argv[i]);
        if (n && n <= length && p->argv[i] + length - n == word)
            memset(p->argv[i] + length - n, '*', n);
    }
}

static bool store_text(Parser *p, const Option *option, const char *word, const char **at)
{
    if (option->secret) {
        *at = arena_strdup(p->arena, word);
        overwrite(p, word);
        return true;
    }
    const char *text = option->choices ? pick_choice(p, option->choices, word) : word;
    if (!text)
        return complain(p, "argument %s: invalid choice: '%.60s' (choose from: %s)", spelling(p, option),
                        word, option->choices);
    *at = text;
    return true;
}

static bool store_value(Parser *p, const Option *option, const char *word)
{
    void *at = p->args + option->at;
    YamlNode scalar = {.kind = YAML_SCALAR, .text = word};
    switch (option->kind) {
    case OPT_INT:
        return store_int(p, option, word, at);
    case OPT_BOOL:
        return yaml_bool(&scalar, at) ||
               complain(p, "argument %s: Boolean value expected.", spelling(p, option));
    case OPT_LIST: {
        OptionList *list = at;
        if (list->count == OPTION_LIST_MAX)
            return complain(p, "argument %s: more than %d of them", spelling(p, option), OPTION_LIST_MAX);
        list->items[list->count++] = word;
        return true;
    }
    case OPT_TEXT:
        return store_text(p, option, word, at);
    case OPT_FLAG:
    case OPT_END:
        break;
    }
    return false;
}

/* Words that begin with a dash are options, but "-" alone and negative numbers are values, and so is what has a blank where the name of an option would stand. */
static bool looks_like_option(const char *word)
{
    int64_t number;
    return word[0] == '-' && word[1] && word[strcspn(word, "= ")] != ' ' &&
           !span_to_i64(span_cstr(word), INT64_MIN, INT64_MAX, &number);
}

static bool take_option(Parser *p, const Option *option, const char *attached)
{
    p->given[option - p->command->options] = true;
    if (option->kind == OPT_FLAG) {
        *(bool *)(p->args + option->at) = true;
        return !attached || complain(p, "argument %s: takes no value", spelling(p, option));
    }
    if (attached)
        return store_value(p, option, attached);
    if (p->at < p->argc && !looks_like_option(p->argv[p->at]))
        return store_value(p, option, p->argv[p->at++]);
    if (option->bare)
        return store_value(p, option, option->bare);
    return complain(p, "argument %s: expected one argument", spelling(p, option));
}

/* --name, --name=value, --na */
static bool take_long(Parser *p, const char *word)
{
    const char *equals = strchr(word, '=');
    Span name = span_of(word, equals ? (size_t)(equals - word) : strlen(word));
    const Option *found = NULL;
    const char *others = NULL;
    for (const Option *o = p->command->options; o->kind; o++) {
        if (!o->name || !span_starts(span_cstr(o->name), name))
            continue;
        if (span_eq_cstr(name, o->name)) {
            found = o;
            others = NULL;
            break;
        }
        if (found)
            others = arena_printf(p->arena, "%s, --%s", others ? others : spelling(p, found), o->name);
        else
            found = o;
    }
    if (others)
        return complain(p, "ambiguous option: --%.*s could match %s", SPAN_FMT(name), others);
    if (!found)
        return stray(p, "--", word);
    return take_option(p, found, equals ? equals + 1 : NULL);
}

/* -aec, -aec=value, -v2 */
static bool take_brief(Parser *p, const char *word)
{
    const char *equals = strchr(word, '=');
    Span name = span_of(word, equals ? (size_t)(equals - word) : strlen(word));
    for (const Option *o = p->command->options; o->kind; o++)
        if (o->brief && span_eq_cstr(name, o->brief))
            return take_option(p, o, equals ? equals + 1 : NULL);
    for (const Option *o = p->command->options; o->kind; o++)
        if (o->brief && !o->brief[1] && o->kind == OPT_INT && o->brief[0] == word[0])
            return take_option(p, o, word + 1);
    return stray(p, "-", word);
}

static bool take_positional(Parser *p, const char *word)
{
    size_t number = 0;
    for (const Option *o = p->command->options; o->kind; o++)
        if (is_positional(o) && number++ == p->positionals) {
            p->positionals += o->kind != OPT_LIST;
            p->given[o - p->command->options] = true;
            return store_value(p, o, word);
        }
    return stray(p, "", word);
}

static bool check_required(Parser *p)
{
    const char *missing = NULL;
    for (const Option *o = p->command->options; o->kind; o++) {
        bool needed = o->required || (is_positional(o) && !o->optional);
        if (needed && !p->given[o - p->command->options])
            missing = missing ? arena_printf(p->arena, "%s, %s", missing, spelling(p, o)) : spelling(p, o);
    }
    return !missing || complain(p, "the following arguments are required: %s", missing);
}

static bool asks_help(int argc, char *const *argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--"); i++)
        if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help"))
            return true;
    return false;
}

static bool take_words(Parser *p)
{
    bool only_positionals = false;
    while (p->at < p->argc) {
        const char *word = p->argv[p->at++];
        bool ok;
        if (!only_positionals && !strcmp(word, "--")) {
            only_positionals = true;
            continue;
        }
        if (only_positionals || !looks_like_option(word))
            ok = take_positional(p, word);
        else if (word[1] == '-')
            ok = take_long(p, word + 2);
        else
            ok = take_brief(p, word + 1);
        if (!ok)
            return false;
    }
    return true;
}

bool options_parse(const Command *command, int argc, char *const *argv, Arena *arena, void *args, bool *help,
                   Buf *problem)
{
    if (command->size)
        memcpy(args, command->defaults, command->size);
    *help = asks_help(argc, argv);
    if (*help)
        return true;
    Parser p = {
        .command = command, .argc = argc, .argv = argv, .arena = arena, .args = args, .problem = problem};
    buf_init(&p.passed_over, 0);
    bool ok = take_words(&p) && check_required(&p);
    const char *wrong = ok && command->check ? command->check(args) : NULL;
    if (wrong)
        ok = complain(&p, "%s", wrong);
    if (ok && p.passed_over.n)
        buf_printf(problem, "passed over, since there are no such options:%s", buf_cstr(&p.passed_over));
    buf_free(&p.passed_over);
    return ok;
}

static void describe(const Option *option, const void *at, Buf *out)
{
    const char *name = option->name ? option->name : option->brief ? option->brief : option->value;
    switch (option->kind) {
    case OPT_FLAG:
    case OPT_BOOL:
        buf_printf(out, "%s = %s\n", name, *(const bool *)at ? "true" : "false");
        break;
    case OPT_INT:
        buf_printf(out, "%s = %" PRId64 "\n", name, *(const int64_t *)at);
        break;
    case OPT_TEXT: {
        const char *text = *(const char *const *)at;
        buf_printf(out, "%s = %s\n", name, !text ? "(none)" : option->secret && *text ? "********" : text);
        break;
    }
    case OPT_LIST: {
        const OptionList *list = at;
        for (size_t i = 0; i < list->count; i++)
            buf_printf(out, "%s = %s\n", name, list->items[i]);
        break;
    }
    case OPT_END:
        break;
    }
}

void options_describe(const Command *command, const void *args, Buf *out)
{
    for (const Option *o = command->options; o->kind; o++)
        describe(o, (const char *)args + o->at, out);
}
