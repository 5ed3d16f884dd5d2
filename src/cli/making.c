// SPDX-License-Identifier: MIT
#include "cli/making.h"

#include "base/file.h"
#include "cli/cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static bool write_template(Arena *arena, int dir, const TemplateFile *file, bool keep, Err *err)
{
    Span content = with_version(arena, file);
    Err why = {0};
    int fd = file_make_dirs_beneath(dir, file->name, &why)
                 ? file_open_beneath(dir, file->name, O_WRONLY | O_CREAT | O_EXCL, &why)
                 : -1;
    if (fd < 0 && why.code == ERR_EXISTS && keep)
        return true;
    bool ok = fd >= 0 && file_write_all(fd, content.p, content.n, &why);
    if (ok && span_starts(content, span_cstr("#!")) && fchmod(fd, 0750) != 0)
        ok = err_errno(&why, errno, "cannot make it executable");
    if (fd >= 0)
        close(fd);
    return ok || err_set(err, why.code, "%s: %s", file->name, why.text);
}

/* The settings, which come first in the list, are written last: a folder that has them is an archive. */
static bool write_templates(Arena *arena, int dir, bool keep, Err *err)
{
    for (size_t i = cli_template_count; i-- > 0;)
        if (!write_template(arena, dir, &cli_templates[i], keep, err))
            return false;
    return true;
}

static bool make_link(int dir, const char *target, const char *name, bool keep, Err *err)
{
    return symlinkat(target, dir, name) == 0 || (errno == EEXIST && keep) ||
           err_errno(err, errno, "cannot make the link %s to %s", name, target);
}

/* DIR/manage is a link to this program: it finds the archive by the folder it was called in. DIR/manage.py is a template. */
static bool write_launcher(int dir, bool keep, Err *err)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return err_errno(err, errno, "cannot tell where this program is (/proc/self/exe)");
    self[n] = 0;
    return make_link(dir, self, "manage", keep, err);
}

bool making_launcher(const char *path, Err *err)
{
    int dir = file_open_dir(path, false, err);
    bool ok = dir >= 0 && write_launcher(dir, true, err);
    if (dir >= 0)
        close(dir);
    return ok;
}

static bool link_environment(int dir, const char *envpath, Err *err)
{
    char *real = realpath(envpath, NULL);
    if (!real)
        return err_errno(err, errno, "-env %s", envpath);
    bool ok = make_link(dir, real, "env_sphere", false, err);
    free(real);
    return ok;
}

static bool fill(Arena *arena, const char *path, const char *envpath, bool keep, Err *err)
{
    int dir = file_open_dir(path, false, err);
    if (dir < 0)
        return false;
    bool ok = write_launcher(dir, keep, err) && (!envpath || link_environment(dir, envpath, err)) &&
              write_templates(arena, dir, keep, err);
    close(dir);
    return ok;
}

static bool make_parents(const char *path, Err *err)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return true;
    char *parents = strndup(path, (size_t)(slash - path));
    bool ok = file_make_dirs(parents, err);
    free(parents);
    return ok;
}

bool making_folder(const char *path, Err *err)
{
    if (!make_parents(path, err))
        return false;
    if (mkdir(path, 0750) == 0)
        return true;
    if (errno == EEXIST)
        return err_set(err, ERR_EXISTS, "%s exists already; choose another folder, or -f to delete it first",
                       path);
    return err_errno(err, errno, "cannot create %s", path);
}

bool making_new(Arena *arena, const char *path, const char *envpath, Err *err)
{
    return fill(arena, path, envpath, false, err);
}

/* What may stand in a folder that is to become an archive: mounted volumes, and what an interrupted making left. */
static bool is_ours(const char *name)
{
    static const char *const names[] = {".",          "..",     "app",        "data",
                                        "log",        "trash",  "quarantine", ".tmp_data",
                                        "lost+found", "manage", "manage.py",  "version_pacs.py"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

static bool check_nothing_else(const char *path, Err *err)
{
    DIR *dir = opendir(path);
    if (!dir)
        return err_errno(err, errno, "%s", path);
    bool ok = true;
    const struct dirent *entry;
    while (ok && (entry = readdir(dir)))
        ok = is_ours(entry->d_name) ||
             err_set(err, ERR_REFUSED,
                     "%s is no archive (it has no app/settings.yml) and not empty (%s is in it); is it the "
                     "right folder, and is its disk mounted?",
                     path, entry->d_name);
    closedir(dir);
    return ok;
}

bool making_missing(Arena *arena, const char *path, bool *made, Err *err)
{
    *made = false;
    const char *settings = arena_printf(arena, "%s/app/settings.yml", path);
    if (access(settings, F_OK) == 0)
        return true;
    if (errno != ENOENT)
        return err_errno(err, errno, "%s", settings);
    if (!file_make_dirs(path, err) || !check_nothing_else(path, err))
        return false;
    *made = true;
    return fill(arena, path, NULL, true, err);
}
