// SPDX-License-Identifier: MIT
#include "limits_keep.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RECORD = 2 * 4096, DISK_BLOCK = 4096, DIRECT_FROM = 128 << 10, PATH_SIZE = 4096 };

void must(bool ok, const char *what)
{
    if (ok)
        return;
    Err err;
    err_errno(&err, errno, "%s", what);
    fprintf(stderr, "limits: %s\n", err.text);
    exit(1);
}

int keep_folder(const char *top, const char *name)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", top, name);
    must(mkdir(path, 0750) == 0, path);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(fd >= 0, path);
    return fd;
}

void keeper_open(Keeper *keeper, const char *top, int number)
{
    char name[32], path[PATH_SIZE];
    *keeper = (Keeper){0};
    snprintf(name, sizeof name, "%d-temp", number);
    keeper->temp = keep_folder(top, name);
    snprintf(path, sizeof path, "%s/%d-log", top, number);
    keeper->log = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    must(keeper->log >= 0, path);
    pthread_mutex_init(&keeper->lock, NULL);
    pthread_cond_init(&keeper->changed, NULL);
}

void keeper_close(Keeper *keeper)
{
    close(keeper->temp);
    close(keeper->log);
    pthread_cond_destroy(&keeper->changed);
    pthread_mutex_destroy(&keeper->lock);
}

/* Who finds nobody syncing does it for all that has been appended. */
static void append(Keeper *keeper)
{
    static const char record[RECORD];
    pthread_mutex_lock(&keeper->lock);
    must(write(keeper->log, record, RECORD) == RECORD, "cannot write the log");
    unsigned long own = ++keeper->appended;
    while (keeper->synced < own) {
        if (keeper->syncing) {
            pthread_cond_wait(&keeper->changed, &keeper->lock);
            continue;
        }
        unsigned long all = keeper->appended;
        keeper->syncing = true;
        pthread_mutex_unlock(&keeper->lock);
        must(fdatasync(keeper->log) == 0, "cannot sync the log");
        pthread_mutex_lock(&keeper->lock);
        keeper->syncing = false;
        keeper->synced = all;
        pthread_cond_broadcast(&keeper->changed);
    }
    pthread_mutex_unlock(&keeper->lock);
}

static void write_all(int file, const uint8_t *p, size_t n)
{
    for (ssize_t done; n; p += done, n -= (size_t)done) {
        done = write(file, p, n);
        must(done > 0, "cannot write");
    }
}

static void write_object(int file, const uint8_t *object, size_t size)
{
    size_t direct = size < DIRECT_FROM ? 0 : size - size % DISK_BLOCK;
    if (direct && fcntl(file, F_SETFL, O_WRONLY | O_DIRECT) == 0) {
        write_all(file, object, direct);
        must(fcntl(file, F_SETFL, O_WRONLY) == 0, "cannot go on through the cache");
    } else {
        direct = 0;
    }
    write_all(file, object + direct, size - direct);
}

void keep_object(Keeper *keeper, int folder, const char *name, const uint8_t *object, size_t size,
                 KeepStep last)
{
    int file = openat(keeper->temp, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    must(file >= 0, "cannot make a file");
    write_object(file, object, size);
    must(fdatasync(file) == 0, "cannot sync a file");
    close(file);
    if (last >= KEEP_NAMES)
        must(renameat(keeper->temp, name, folder, name) == 0 && fsync(folder) == 0, "cannot sync a folder");
    if (last >= KEEP_LOGGED)
        append(keeper);
}
