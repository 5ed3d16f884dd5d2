// SPDX-License-Identifier: MIT
/* Usage, help and bash completion, all from a command's table of options. */
#include "base/span.h"
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

enum { WIDTH = 100, INDENT = 32 };

/* {a,b} for choices, else the value's name; brackets when it may be left out. */
static void value_form(const Option *option, char out[200])
{
    char form[160] = "";
    if (option->choices) {
        snprintf(form, sizeof form, "{%s}", option->choices);
        for (char *p = form; *p; p++)
            if (*p == ' ')
                *p = ',';
    } else {
        snprintf(form, sizeof form, "%s",
                 option->value              ? option->value
                 : option->kind == OPT_BOOL ? "BOOL"
                                            : "VALUE");
    }
    snprintf(out, 200, option->bare ? "[%s]" : "%s", form);
}

static void wrap(Buf *out, size_t *column, size_t indent, const char *word)
{
    size_t n = strlen(word);
    if (*column + 1 + n > WIDTH) {
        buf_printf(out, "\n%*s", (int)indent, "");
        *column = indent;
    } else {
        buf_append_cstr(out, " ");
        *column += 1;
    }
    buf_append_cstr(out, word);
    *column += n;
}

static void usage_word(const Option *o, char word[260])
{
    char value[200] = "";
    value_form(o, value);
    if (!o->brief && !o->name) {
        snprintf(word, 260, o->optional ? "[%s]" : "%s", o->choices ? value : o->value);
        return;
    }
    char spelled[80];
    snprintf(spelled, sizeof spelled, "%s%s", o->brief ? "-" : "--", o->brief ? o->brief : o->name);
    const char *open = o->required ? "" : "[", *close = o->required ? "" : "]";
    if (o->kind == OPT_FLAG)
        snprintf(word, 260, "%s%s%s", open, spelled, close);
    else
        snprintf(word, 260, "%s%s %s%s", open, spelled, value, close);
}

void options_usage(const Command *command, const char *program, Buf *out)
{
    size_t indent = strlen("usage: ") + strlen(program), column = indent;
    buf_printf(out, "usage: %s", program);
    wrap(out, &column, indent + 1, "[-h]");
    /* Required options, the others, then what stands without a dash. */
    for (int pass = 0; pass < 3; pass++)
        for (const Option *o = command->options; o && o->kind; o++) {
            int wanted = !o->brief && !o->name ? 2 : o->required ? 0 : 1;
            char word[260];
            if (wanted != pass)
                continue;
            usage_word(o, word);
            wrap(out, &column, indent + 1, word);
        }
    if (command->subcommands)
        wrap(out, &column, indent + 1, "COMMAND ...");
    buf_append_cstr(out, "\n");
}

/* Left column, then the help text wrapped behind INDENT. */
static void entry(Buf *out, const char *left, const char *text)
{
    size_t n = strlen(left) + 2;
    buf_printf(out, "  %s", left);
    if (n >= INDENT) {
        buf_append_cstr(out, "\n");
        n = 0;
    }
    buf_printf(out, "%*s", (int)(INDENT - n - 1), "");
    size_t column = INDENT - 1;
    Span rest = span_cstr(text), part;
    bool more = true;
    while (span_split(&rest, ' ', &part, &more)) {
        char word[120];
        span_copy(part, word, sizeof word);
        wrap(out, &column, INDENT, word);
    }
    buf_append_cstr(out, "\n");
}

static void option_entry(Buf *out, const Option *o)
{
    char value[200], left[520];
    value_form(o, value);
    if (!o->brief && !o->name)
        snprintf(left, sizeof left, "%s", o->value);
    else
        snprintf(left, sizeof left, "%s%s%s%s%s%s%s", o->brief ? "-" : "", o->brief ? o->brief : "",
                 o->brief && o->name ? ", " : "", o->name ? "--" : "", o->name ? o->name : "",
                 o->kind == OPT_FLAG ? "" : " ", o->kind == OPT_FLAG ? "" : value);
    entry(out, left, o->help);
}

static void group(Buf *out, const Command *command, int which, const char *title)
{
    bool any = which == 2; /* -h is always there */
    for (const Option *o = command->options; o && o->kind; o++)
        any |= (!o->brief && !o->name ? 0 : o->required ? 1 : 2) == which;
    if (!any)
        return;
    buf_printf(out, "\n%s:\n", title);
    if (which == 2)
        entry(out, "-h, --help", "show this help and end");
    for (const Option *o = command->options; o && o->kind; o++)
        if ((!o->brief && !o->name ? 0 : o->required ? 1 : 2) == which)
            option_entry(out, o);
}

void options_help(const Command *command, const char *program, Buf *out)
{
    options_usage(command, program, out);
    buf_printf(out, "\n%s\n", command->summary);
    if (command->details)
        buf_printf(out, "\n%s\n", command->details);
    group(out, command, 0, "positional arguments");
    group(out, command, 1, "required arguments");
    group(out, command, 2, "optional arguments");
    if (!command->subcommands)
        return;
    buf_append_cstr(out, "\ncommands:\n");
    for (const Command *const *sub = command->subcommands; *sub; sub++)
        entry(out, (*sub)->name, (*sub)->summary);
    buf_printf(out, "\n'%s COMMAND -h' says more about each.\n", program);
}

static void completion_words(const Command *command, Buf *out)
{
    for (const Command *const *sub = command->subcommands; sub && *sub; sub++)
        buf_printf(out, "%s ", (*sub)->name);
    for (const Option *o = command->options; o && o->kind; o++) {
        if (o->brief)
            buf_printf(out, "-%s ", o->brief);
        if (o->name)
            buf_printf(out, "--%s ", o->name);
    }
    buf_append_cstr(out, "-h --help");
}

void options_completion(const Command *root, const char *program, Buf *out)
{
    buf_printf(out, "# bash completion of %s: source it, or put it into /etc/bash_completion.d\n", program);
    buf_printf(out, "_gantry_%s() {\n    local words\n    case \"${COMP_WORDS[1]}\" in\n", program);
    for (const Command *const *sub = root->subcommands; sub && *sub; sub++) {
        buf_printf(out, "    %s) words=\"", (*sub)->name);
        completion_words(*sub, out);
        buf_append_cstr(out, "\" ;;\n");
    }
    buf_append_cstr(out, "    *) words=\"");
    completion_words(root, out);
    buf_append_cstr(out, "\" ;;\n    esac\n    [ \"$COMP_CWORD\" -gt 1 ] || words=\"");
    completion_words(root, out);
    buf_append_cstr(out,
                    "\"\n    COMPREPLY=($(compgen -f -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\n");
    buf_printf(out, "complete -o filenames -F _gantry_%s %s %s.py ./%s ./%s.py\n", program, program, program,
               program, program);
}

void options_completion_plain(const Command *const *programs, Buf *out)
{
    buf_append_cstr(out, "_gantry_plain() {\n    local words\n    case \"${COMP_WORDS[0]##*/}\" in\n");
    for (const Command *const *one = programs; *one; one++) {
        buf_printf(out, "    %s) words=\"", (*one)->name);
        completion_words(*one, out);
        buf_append_cstr(out, "\" ;;\n");
    }
    buf_append_cstr(
        out, "    esac\n    COMPREPLY=($(compgen -f -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\n"
             "complete -o filenames -F _gantry_plain");
    for (const Command *const *one = programs; *one; one++)
        buf_printf(out, " %s", (*one)->name);
    buf_append_cstr(out, "\n");
}
