// SPDX-License-Identifier: MIT
/* `sphere-admin DIR`: makes an archive folder. Either all of it is there at the end, or what was there before. */
#include "base/file.h"
#include "cli/cli.h"
#include "cli/making.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Args {
    const char *dirpath, *envpath;
    bool force;
} Args;

static const Args defaults;
static const Option options[] = {
    {OPT_TEXT, .value = "dirpath", .help = "folder to create for the new archive, parents included",
     .at = offsetof(Args, dirpath)},
    {OPT_FLAG, "f", "force", .help = "delete the folder first, with all that is in it",
     .at = offsetof(Args, force)},
    {OPT_TEXT, "env", "envpath", "ENVPATH", "make a link env_sphere to this folder in the new archive",
     .at = offsetof(Args, envpath)},
    {OPT_END},
};

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    return remove(path);
}

/* Folders nobody means to delete: those that hold the home or the current directory. */
static bool check_removable(const char *real, const char *typed, Err *err)
{
    char here[PATH_MAX];
    const char *home = getenv("HOME");
    if ((getcwd(here, sizeof here) && file_lies_in(here, real)) || (home && file_lies_in(home, real)))
        return err_set(err, ERR_REFUSED,
                       "-f would delete %s, which holds your home or current directory; not done", typed);
    return true;
}

static bool remove_old(const char *path, Err *err)
{
    enum { OPEN_FOLDERS = 32 };
    char *real = realpath(path, NULL);
    if (!real && errno == ENOENT)
        return true;
    bool ok = real ? check_removable(real, path, err) : err_errno(err, errno, "%s", path);
    if (ok && nftw(real, remove_entry, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0)
        ok = err_errno(err, errno, "cannot delete %s", path);
    free(real);
    return ok;
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    Err err = {0};
    size_t n = strlen(a->dirpath);
    while (n > 1 && a->dirpath[n - 1] == '/')
        n--;
    const char *path = arena_span_cstr(cli->arena, span_of(a->dirpath, n));
    if (!*path)
        return cli_fail(cli, "the folder has no name");
    if (a->force && !remove_old(path, &err))
        return cli_fail(cli, "%s", err.text);
    if (!making_folder(path, &err))
        return cli_fail(cli, "%s", err.text);
    if (!making_new(cli->arena, path, a->envpath, &err)) {
        remove_old(path, NULL);
        return cli_fail(cli, "%s", err.text);
    }
    return EXIT_OK;
}

const Command command_admin = {
    .name = "sphere-admin",
    .summary = "Creates the folder of a new archive.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .run = run,
};
