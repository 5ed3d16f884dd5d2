// SPDX-License-Identifier: MIT
/*
 * Folders of a publishing pass. Each folder is opened once, files are renamed relative to it, and it is synced once at the end.
 *
 * A file is durable only if the names of all folders above it are. A folder that this process has not yet seen durable has its whole chain of
 * parents synced in the same pass, whoever made it; after that its hash is remembered (a direct-mapped table: forgetting
 * costs a sync, never safety).
 */
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *last_part(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

static uint64_t hash_of(const char *path)
{
    return XXH3_64bits(path, strlen(path)) | 1; /* 0 marks a free slot */
}

static bool is_known(Store *store, const char *path)
{
    uint64_t hash = hash_of(path);
    pthread_mutex_lock(&store->known_lock);
    bool known = store->known[hash / 2 % KNOWN_FOLDERS] == hash;
    pthread_mutex_unlock(&store->known_lock);
    return known;
}

static void remember(Store *store, const char *path)
{
    uint64_t hash = hash_of(path);
    pthread_mutex_lock(&store->known_lock);
    store->known[hash / 2 % KNOWN_FOLDERS] = hash;
    pthread_mutex_unlock(&store->known_lock);
}

void folders_forget(Store *store)
{
    pthread_mutex_lock(&store->known_lock);
    memset(store->known, 0, sizeof store->known);
    pthread_mutex_unlock(&store->known_lock);
}

void folders_init(Folders *folders, Store *store)
{
    *folders = (Folders){.store = store};
}

void folders_free(Folders *folders)
{
    for (size_t i = 0; i < folders->count; i++) {
        close(folders->list[i].fd);
        free(folders->list[i].path);
    }
    free(folders->list);
    folders_init(folders, folders->store);
}

/* The newest are the likeliest. */
static int find(const Folders *folders, const char *path)
{
    for (size_t i = folders->count; i-- > 0;)
        if (strcmp(folders->list[i].path, path) == 0)
            return folders->list[i].fd;
    return -1;
}

/* Opens a folder that is there and adds it. Its path names a patient, so the error does not. */
static int add(Folders *folders, const char *path, Err *err)
{
    int fd = find(folders, path);
    if (fd >= 0)
        return fd;
    if (*path)
        fd = file_open_beneath(folders->store->root, path, O_RDONLY | O_DIRECTORY, NULL);
    else
        fd = fcntl(folders->store->root, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        err_errno(err, errno, "cannot open a folder of the archive");
        return -1;
    }
    if (folders->count == folders->capacity) {
        folders->capacity = folders->capacity ? folders->capacity * 2 : 16;
        folders->list = realloc(folders->list, folders->capacity * sizeof *folders->list);
        if (!folders->list)
            abort();
    }
    char *copy = strdup(path);
    if (!copy)
        abort();
    folders->list[folders->count++] = (Folder){copy, fd};
    return fd;
}

/* mkdir -p, with every folder on the way in the list, so that its new entry is synced. */
static int make(Folders *folders, const char *path, Err *err)
{
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    int parent = add(folders, "", err);
    for (char *p = part; parent >= 0; p++) {
        if (*p && *p != '/')
            continue;
        char end = *p;
        *p = 0;
        if (mkdirat(parent, last_part(part), 0750) != 0 && errno != EEXIST) {
            err_errno(err, errno, "cannot create a folder in the archive");
            return -1;
        }
        parent = add(folders, part, err);
        if (!end)
            break;
        *p = end;
    }
    return parent;
}

int folders_of_name(Folders *folders, const char *name, Err *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", name);
    char *slash = strrchr(path, '/');
    if (!slash)
        return add(folders, "", err);
    *slash = 0;
    int fd = find(folders, path);
    if (fd < 0 && is_known(folders->store, path))
        fd = add(folders, path, NULL);
    return fd >= 0 ? fd : make(folders, path, err);
}

bool folders_sync(Folders *folders, Err *err)
{
    if (!sync_folders(folders->store, folders->list, folders->count, err))
        return false;
    for (size_t i = 0; i < folders->count; i++)
        remember(folders->store, folders->list[i].path);
    return true;
}
