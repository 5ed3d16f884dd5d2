// SPDX-License-Identifier: MIT
#include "fuzz.h"

#include "base/file.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

static int drop(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    return remove(path);
}

static void clean(void)
{
    nftw(folder, drop, 16, FTW_DEPTH | FTW_PHYS);
}

static int drop_inside(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    return where->level ? remove(path) : 0;
}

void fuzz_folder_empty(void)
{
    nftw(fuzz_folder(), drop_inside, 16, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_folder(void)
{
    if (!*folder) {
        snprintf(folder, sizeof folder, "%s/gantry-fuzz-XXXXXX",
                 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
        if (!mkdtemp(folder))
            abort();
        atexit(clean);
    }
    return folder;
}

const char *fuzz_file(const char *name, Span content)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    char *slash = strrchr(path, '/');
    *slash = 0;
    bool made = access(path, F_OK) == 0 || file_make_dirs(path, NULL);
    *slash = '/';
    int fd = made ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (fd < 0 || !file_write_all(fd, content.p, content.n, NULL))
        abort();
    close(fd);
    return path;
}

Span fuzz_line(Span *rest)
{
    Span line = {0};
    bool more = rest->n > 0;
    if (!span_split(rest, '\n', &line, &more) || !more)
        *rest = (Span){0};
    return line;
}
