// SPDX-License-Identifier: MIT
/*
 * Publishing a group of objects: first all data durable, then all names, then all folders. Nothing appears under its final name before its bytes
 * are on disk; a group shares the syncs of its folders.
 */
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Members per pass: bounds the folders that are open at a time (up to four new ones per member). */
enum { PASS = 64, TRIES = 3 };

typedef enum Placed { PLACED, PLACED_OVER, NAME_TAKEN, FOLDER_GONE, FAILED } Placed;

/* For file systems without RENAME_NOREPLACE: link refuses to replace everywhere. */
static int move_new(int from, const char *temp, int to, const char *name)
{
    if (renameat2(from, temp, to, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (linkat(from, temp, to, name, 0) != 0)
        return -1;
    unlinkat(from, temp, 0);
    return 0;
}

/* For file systems without RENAME_EXCHANGE: the old object has a name with us before it loses its own. */
static int move_over_linked(int from, const char *temp, int to, const char *name)
{
    char kept[32];
    snprintf(kept, sizeof kept, "0%s", temp); /* no put's */
    if (linkat(to, name, from, kept, 0) != 0)
        return -1;
    if (renameat(from, temp, to, name) == 0)
        return renameat(from, kept, from, temp);
    int reason = errno;
    unlinkat(from, kept, 0);
    errno = reason;
    return -1;
}

/* The old object keeps the temporary name. */
static Placed move_over(int from, const char *temp, int to, const char *name)
{
    int moved = renameat2(from, temp, to, name, RENAME_EXCHANGE);
    if (moved != 0 && (errno == EINVAL || errno == ENOSYS))
        moved = move_over_linked(from, temp, to, name);
    if (moved == 0)
        return PLACED_OVER;
    return errno == ENOENT ? FOLDER_GONE : FAILED;
}

static Placed move(Store *store, const StorePublish *member, int folder)
{
    const char *name = last_part(member->name);
    int temp = store->session.dir;
    if (move_new(temp, member->put->name, folder, name) == 0)
        return PLACED;
    if (errno == ENOENT)
        return FOLDER_GONE;
    if (errno != EEXIST)
        return FAILED;
    return member->replace ? move_over(temp, member->put->name, folder, name) : NAME_TAKEN;
}

/* Renames one member. store_delete may take its folder away at the same moment: then the folder is made again. */
static bool place(Store *store, Folders *folders, StorePublish *member)
{
    for (int i = 0; i < TRIES; i++) {
        int folder = folders_of_name(folders, member->name, &member->err);
        if (folder < 0 && member->err.code != ERR_NOT_FOUND)
            return false;
        Placed placed = folder < 0 ? FOLDER_GONE : move(store, member, folder);
        int reason = errno;
        switch (placed) {
        case PLACED_OVER:
            member->previous = put_displaced(member->put);
            return true;
        case PLACED:
            return true;
        case NAME_TAKEN:
            return err_set(&member->err, ERR_EXISTS, "an object of this name is there already");
        case FAILED:
            return err_errno(&member->err, reason, "cannot rename an object to its final name");
        case FOLDER_GONE:
            if (!folders_sync(folders, &member->err))
                return false;
            folders_free(folders);
            folders_forget(store);
        }
    }
    return err_set(&member->err, ERR_IO, "the folder of an object keeps vanishing");
}

/* Names may not have reached the disk: the member goes back to where it was. */
static void take_back(Store *store, StorePublish *member, const Err *err)
{
    Err ignored;
    Folders folders;
    folders_init(&folders, store);
    int folder = folders_of_name(&folders, member->name, &ignored);
    unsigned how = member->previous ? RENAME_EXCHANGE : RENAME_NOREPLACE;
    if (folder < 0 ||
        renameat2(folder, last_part(member->name), store->session.dir, member->put->name, how) != 0)
        store_leave_unclean(store); /* it stays under its name: the next start sees to it */
    folders_free(&folders);
    if (member->previous)
        put_free(member->previous);
    member->previous = NULL;
    member->ok = false;
    member->err = *err;
}

static bool prepare(StorePublish *member)
{
    member->ok = false;
    member->previous = NULL;
    err_clear(&member->err);
    if (file_is_safe_relative(member->name))
        return true;
    return err_set(&member->err, ERR_REFUSED, "an object's name is not a plain relative path");
}

static bool publish_pass(Store *store, StorePublish *group, size_t n)
{
    Folders folders;
    folders_init(&folders, store);
    Err err;
    err_clear(&err);
    bool all = true;
    for (size_t i = 0; i < n; i++)
        group[i].ok = prepare(&group[i]) && session_make_durable(&store->session, &group[i].err) &&
                      store_put_sync(group[i].put, &group[i].err);
    for (size_t i = 0; i < n; i++)
        group[i].ok = group[i].ok && place(store, &folders, &group[i]);
    bool synced = folders_sync(&folders, &err);
    folders_free(&folders);
    for (size_t i = 0; i < n; i++) {
        if (group[i].ok && !synced)
            take_back(store, &group[i], &err);
        if (group[i].ok) {
            put_free(group[i].put);
            group[i].put = NULL;
        }
        all = all && group[i].ok;
    }
    return all;
}

bool store_publish(Store *store, StorePublish *group, size_t n)
{
    bool all = true;
    for (size_t i = 0; i < n; i++)
        put_start_sync(group[i].put);
    for (size_t at = 0; at < n; at += PASS)
        all = publish_pass(store, group + at, n - at < PASS ? n - at : PASS) && all;
    return all;
}
