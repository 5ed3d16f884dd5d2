// SPDX-License-Identifier: MIT
/* `sphere-admin DIR`: makes an archive folder. Either all of it is there at the end, or what was there before. */
#include "cli/cli.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
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

/* Is `inner` the folder `outer` or below it? Both absolute. */
static bool is_within(const char *inner, const char *outer)
{
    size_t n = strlen(outer);
    return !strncmp(inner, outer, n) && (inner[n] == 0 || inner[n] == '/' || !strcmp(outer, "/"));
}

/* Folders nobody means to delete: those that hold the home or the current directory. */
static bool check_removable(const char *real, const char *typed, Err *err)
{
    char here[PATH_MAX];
    const char *home = getenv("HOME");
    if ((getcwd(here, sizeof here) && is_within(here, real)) || (home && is_within(home, real)))
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

static Span with_version(Arena *arena, const TemplateFile *file)
{
    static const char mark[] = "@VERSION@";
    Span text = span_of(file->bytes, file->n);
    const uint8_t *at = memmem(text.p, text.n, mark, strlen(mark));
    if (!at)
        return text;
    size_t before = (size_t)(at - text.p);
    Span after = span_sub(text, before + strlen(mark), SIZE_MAX);
    return span_cstr(arena_printf(arena, "%.*s%s%.*s", (int)before, (const char *)text.p, GANTRY_VERSION,
                                  SPAN_FMT(after)));
}

static bool write_templates(Arena *arena, int dir, Err *err)
{
    for (size_t i = 0; i < cli_template_count; i++) {
        const TemplateFile *file = &cli_templates[i];
        Span content = with_version(arena, file);
        if (!file_make_dirs_beneath(dir, file->name, err))
            return false;
        int fd = file_open_beneath(dir, file->name, O_WRONLY | O_CREAT | O_EXCL, err);
        if (fd < 0)
            return false;
        bool ok = file_write_all(fd, content.p, content.n, err);
        if (ok && span_starts(content, span_cstr("#!")) && fchmod(fd, 0750) != 0)
            ok = err_errno(err, errno, "cannot make it executable");
        close(fd);
        if (!ok)
            return err_wrap(err, "%s", file->name);
    }
    return true;
}

static bool make_link(int dir, const char *target, const char *name, Err *err)
{
    return symlinkat(target, dir, name) == 0 ||
           err_errno(err, errno, "cannot make the link %s to %s", name, target);
}

/* DIR/manage is a link to this program: it finds the archive by the folder it was called in. DIR/manage.py is a template. */
static bool write_launcher(int dir, Err *err)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return err_errno(err, errno, "cannot tell where this program is (/proc/self/exe)");
    self[n] = 0;
    return make_link(dir, self, "manage", err);
}

static bool link_environment(int dir, const char *envpath, Err *err)
{
    char *real = realpath(envpath, NULL);
    if (!real)
        return err_errno(err, errno, "-env %s", envpath);
    bool ok = make_link(dir, real, "env_sphere", err);
    free(real);
    return ok;
}

static bool fill(Arena *arena, const char *path, const char *envpath, Err *err)
{
    int dir = file_open_dir(path, false, err);
    if (dir < 0)
        return false;
    bool ok = write_templates(arena, dir, err) && write_launcher(dir, err);
    if (ok && envpath)
        ok = link_environment(dir, envpath, err);
    close(dir);
    return ok;
}

/* Parents are made as needed; the folder itself must not be there yet. */
static bool make_new(Arena *arena, const char *path, Err *err)
{
    const char *slash = strrchr(path, '/');
    if (slash && slash != path &&
        !file_make_dirs(arena_span_cstr(arena, span_of(path, (size_t)(slash - path))), err))
        return false;
    if (mkdir(path, 0750) == 0)
        return true;
    if (errno == EEXIST)
        return err_set(err, ERR_EXISTS, "%s exists already; choose another folder, or -f to delete it first",
                       path);
    return err_errno(err, errno, "cannot create %s", path);
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
    if (!make_new(cli->arena, path, &err))
        return cli_fail(cli, "%s", err.text);
    if (!fill(cli->arena, path, a->envpath, &err)) {
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
