// SPDX-License-Identifier: MIT
/* From argv to a command: which name was called, which archive, which settings; usage, help and errors. */
#include "cli/auditing.h"
#include "cli/confining.h"
#include "cli/secure.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const Command *const gantry_commands[] = {&command_admin, &command_manage,     &command_serve,
                                                 &command_load,  &command_completion, NULL};
static const Option no_options[] = {{OPT_END}};
static const Command command_gantry = {
    .name = "gantry",
    .summary = "A PACS: an archive that speaks DICOM, and the tools that move images between archives.",
    .options = no_options,
    .subcommands = gantry_commands,
};

static int usage_error(const Command *command, const char *program, const char *problem)
{
    Buf out;
    buf_init(&out, 0);
    options_usage(command, program, &out);
    buf_printf(&out, "%s: error: %s\n", program, problem);
    cli_put(stderr, &out);
    return EXIT_USAGE;
}

static int show_help(const Command *command, const char *program)
{
    Buf out;
    buf_init(&out, 0);
    options_help(command, program, &out);
    cli_put(stdout, &out);
    return EXIT_OK;
}

/* An INFO line that names the command and DEBUG lines with its arguments, between two rulers of 70 stars. */
static void journal(const Command *command, const void *args)
{
    static const char stars[] = "**********************************************************************";
    log_info("command_event", "command %s", command->name);
    Buf lines;
    buf_init(&lines, 0);
    options_describe(command, args, &lines);
    Span rest = buf_span(&lines), line;
    bool more = true;
    log_debug("command_event", "%s OUTGOING kwargs", stars);
    while (span_split(&rest, '\n', &line, &more))
        if (line.n)
            log_debug("command_event", "%.*s", SPAN_FMT(line));
    log_debug("command_event", "%s END kwargs", stars);
    buf_free(&lines);
}

/* Finds the archive, reads its settings, opens the log. A server becomes its user before it writes anything. */
static bool enter_archive(Cli *cli, bool serves)
{
    Err err = {0};
    cli->folder = cli_find_archive(cli->arena, cli->invoked, &err);
    if (!cli->folder) {
        fprintf(stderr, "%s: %s\n", cli->program, err.text);
        return false;
    }
    Buf problems;
    buf_init(&problems, 0);
    SettingsOrigin *origins = arena_alloc(cli->arena, settings_key_count * sizeof *origins);
    cli->settings = settings_load(cli->arena, cli->folder, origins, &problems);
    cli->origins = origins;
    if (!cli->settings)
        fprintf(stderr, "%s: the settings cannot be used:\n%s", cli->program, buf_cstr(&problems));
    buf_free(&problems);
    if (!cli->settings)
        return false;
    if ((serves && !confining_become(cli->settings, &err)) || !cli_logs_start(cli, !serves, &err)) {
        fprintf(stderr, "%s: %s\n", cli->program, err.text);
        return false;
    }
    return true;
}

static int run(Cli *cli, const Command *command, const void *args)
{
    if (command->needs_archive) {
        if (!enter_archive(cli, command->serves))
            return EXIT_FAILED;
        journal(command, args);
    }
    Err err = {0};
    if (command->needs_archive && !auditing_begin(cli, &err))
        return cli_fail(cli, "%s", err.text);
    int code = command->run(cli, args);
    if (!auditing_end(cli, code == EXIT_OK, &err))
        code = cli_fail(cli, "%s", err.text);
    if (command->serves) /* who looked at what it says may have gone */
        return code;
    bool lost = ferror(stdout) != 0; /* earlier; nobody knows why any more */
    if ((fflush(stdout) != 0 || lost) && code == EXIT_OK) {
        if (lost)
            err_set(&err, ERR_IO, "cannot write the output");
        else
            err_errno(&err, errno, "cannot write the output");
        code = cli_fail(cli, "%s", err.text);
    }
    return code;
}

static int dispatch(Cli *cli, const Command *command, int argc, char *const *argv);

/* Options of a command that has sub-commands stand before the sub-command's name. */
static int dispatch_sub(Cli *cli, const Command *command, int argc, char *const *argv)
{
    int n = 0;
    while (n < argc && argv[n][0] == '-')
        n++;
    if (n == argc || n > 0) {
        Command own = *command;
        own.subcommands = NULL;
        if (n > 0 && own.run)
            return dispatch(cli, &own, n, argv);
        bool help = n > 0 && (!strcmp(argv[0], "-h") || !strcmp(argv[0], "--help"));
        if (help)
            return show_help(command, cli->program);
        return usage_error(command, cli->program,
                           n ? arena_printf(cli->arena, "unrecognized arguments: %s", argv[0])
                             : "a command is required");
    }
    for (const Command *const *sub = command->subcommands; *sub; sub++)
        if (!strcmp((*sub)->name, argv[0])) {
            cli->program = arena_printf(cli->arena, "%s %s", cli->program, argv[0]);
            return dispatch(cli, *sub, argc - 1, argv + 1);
        }
    const char *names = "";
    for (const Command *const *sub = command->subcommands; *sub; sub++)
        names = arena_printf(cli->arena, "%s%s%s", names, *names ? ", " : "", (*sub)->name);
    return usage_error(command, cli->program,
                       arena_printf(cli->arena, "invalid choice: '%.60s' (choose from: %s)", argv[0], names));
}

static int dispatch(Cli *cli, const Command *command, int argc, char *const *argv)
{
    if (command->subcommands)
        return dispatch_sub(cli, command, argc, argv);
    void *args = arena_alloc(cli->arena, command->size + 1);
    Buf problem;
    buf_init(&problem, 0);
    bool help = false;
    int code;
    if (!options_parse(command, argc, argv, cli->arena, args, &help, &problem))
        code = usage_error(command, cli->program, buf_cstr(&problem));
    else if (help)
        code = show_help(command == &command_manage || !strcmp(command->name, "manage") ? &command_manage
                                                                                        : command,
                         cli->program);
    else {
        if (problem.n)
            fprintf(stderr, "%s: warning: %s\n", cli->program, buf_cstr(&problem));
        code = run(cli, command, args);
    }
    buf_free(&problem);
    return code;
}

const Command *const cli_px_commands[] = {
    &command_pacs_qr,   &command_px_do,       &command_px_echo,  &command_px_find,
    &command_px_listen, &command_storescp_sh, &command_px_move,  &command_px_register,
    &command_px_report, &command_px_repack,   &command_px_smdb,  &command_px_status,
    &command_pfstorage, &command_px_push,     &command_px_store, NULL};

static const Command *command_of_name(const char *name)
{
    if (!strcmp(name, "sphere-admin"))
        return &command_admin;
    if (!strcmp(name, "manage") || !strcmp(name, "manage.py"))
        return &command_manage;
    for (const Command *const *px = cli_px_commands; *px; px++)
        if (!strcmp(name, (*px)->name))
            return *px;
    return &command_gantry;
}

/* PX_EXIT=pypx: 0 whatever happened, for scripts that stop at anything else. Not for servers, and not for wrong usage. */
static int exit_code(const Command *command, int code)
{
    const char *how = getenv("PX_EXIT");
    bool px = false;
    for (const Command *const *c = cli_px_commands; *c; c++)
        px = px || command == *c;
    return px && !command->serves && code == EXIT_FAILED && how && !strcmp(how, "pypx") ? EXIT_OK : code;
}

/* Whoever starts us may have closed them: the next files would get their numbers, and what is printed would be written into those. */
static bool open_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return false;
    return true;
}

int cli_main(int argc, char *const *argv)
{
    if (!open_standard_streams())
        return EXIT_FAILED;
    /* A peer or a reader of our output that goes away is an error of a write, not the end of the program. */
    signal(SIGPIPE, SIG_IGN);
    const char *invoked = argc > 0 ? argv[0] : "gantry";
    const char *slash = strrchr(invoked, '/');
    Arena *arena = arena_new(0);
    Cli cli = {.program = slash ? slash + 1 : invoked, .invoked = invoked, .arena = arena};
    const Command *command = command_of_name(cli.program);
    int code = exit_code(command, dispatch(&cli, command, argc > 0 ? argc - 1 : 0, argv + 1));
    cli_secure_end(&cli);
    log_close(); /* its texts are in the arena */
    arena_free(arena);
    return code;
}
