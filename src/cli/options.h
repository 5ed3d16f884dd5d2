// SPDX-License-Identifier: MIT
/*
 * Command lines. One table per command drives parsing, help, usage errors and completion.
 *
 * Two spellings per option: a brief one with one dash (-aec X, also of several letters) and a long one with two
 * (--ae_called X, --ae_called=X, and any prefix that only one long option has). A one-letter option may have its value
 * attached (-v2). "--" ends the options. An option with a `bare` value takes the next word unless that begins with a dash.
 *
 * The words of a program can be read by everybody on the machine. A secret among them is copied and then overwritten where it stands; for the moment until then,
 * and in the shell's history, it is seen: the places for secrets are files and the environment.
 */
#ifndef GANTRY_CLI_OPTIONS_H
#define GANTRY_CLI_OPTIONS_H

#include "base/arena.h"
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum OptionKind {
    OPT_END,
    OPT_FLAG, /* bool, no value */
    OPT_TEXT, /* const char * */
    OPT_INT,  /* int64_t */
    OPT_BOOL, /* bool: yes no true false t f y n 1 0 */
    OPT_LIST, /* OptionList: may come again and again */
} OptionKind;

enum { OPTION_LIST_MAX = 64 };
typedef struct OptionList {
    const char *items[OPTION_LIST_MAX];
    size_t count;
} OptionList;

typedef struct Option {
    OptionKind kind;
    const char *brief; /* without dash; NULL = none */
    const char *
        name; /* without dashes; both NULL: a positional argument, in the order of the table (a list: all that follow) */
    const char *value; /* what the value is called in help: "PATH" */
    const char *help;
    size_t at;           /* offset in the command's struct */
    const char *choices; /* blank-separated; comes out as written here */
    const char *bare;    /* value when the option stands without one; NULL = it needs one */
    int64_t min, max;    /* OPT_INT; both 0 = any */
    bool required;
    bool optional; /* positional that may be left out */
    bool
        secret; /* OPT_TEXT: kept from others on this machine as soon as it is read, and out of the journal */
} Option;

struct Cli;
typedef struct Command Command;
struct Command {
    const char *name, *summary;
    const char *details; /* further paragraphs of the help; NULL = none */
    const Option *options;
    const void *defaults; /* the struct before parsing */
    size_t size;          /* of the struct */
    bool needs_archive;   /* runs in an archive folder: settings are loaded before `run` */
    bool serves;          /* until it is stopped; what it prints is for those who look */
    /* What the table cannot say: options that need or exclude each other. NULL = fine, else the reason. */
    const char *(*check)(const void *args);
    bool lenient; /* words that the table does not know are passed over, and named as a warning */
    int (*run)(struct Cli *cli, const void *args);
    const Command *const *subcommands; /* NULL-terminated; instead of run */
};

/* Fills `args` (size bytes, starts as `defaults`) from words. False and one line in `problem` on a usage error; *help = true when
   -h or --help was met (then nothing else counts). True with something in `problem`: what a lenient command passed over. */
bool options_parse(const Command *command, int argc, char *const *argv, Arena *arena, void *args, bool *help,
                   Buf *problem);

/* `program` is the command as typed: "manage find". */
void options_usage(const Command *command, const char *program, Buf *out);
void options_help(const Command *command, const char *program, Buf *out);
/* A bash completion script for `program`, whose commands hang below `root`. */
void options_completion(const Command *root, const char *program, Buf *out);
/* The same for several programs that have no commands; NULL-terminated. */
void options_completion_plain(const Command *const *programs, Buf *out);
/* One option per line, "name = value", for the command journal. */
void options_describe(const Command *command, const void *args, Buf *out);

#endif
