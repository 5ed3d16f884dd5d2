// SPDX-License-Identifier: MIT
/* How an object is kept by a program that does nothing else: `./dev bench limits`, and the kit's target `bare`. Whatever fails ends the program. */
#ifndef GANTRY_BENCH_LIMITS_KEEP_H
#define GANTRY_BENCH_LIMITS_KEEP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KEEP_ALIGNMENT = 4096 }; /* of an object in memory */

typedef enum KeepStep {
    KEEP_FILES, /* the object is written to a new file (a large one past the cache, as the archive does it), and the file is synced */
    KEEP_NAMES, /* then the file is renamed into a folder, and the folder is synced */
    KEEP_LOGGED, /* then a record is appended to one log and synced, one sync for all who wait, as a database commits */
} KeepStep;

typedef struct Keeper {
    int temp, log; /* a folder, a file */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned long appended, synced;
    bool syncing;
} Keeper;

void must(bool ok, const char *what);
/* Makes TOP/NUMBER-temp and TOP/NUMBER-log. */
void keeper_open(Keeper *keeper, const char *top, int number);
void keeper_close(Keeper *keeper);
/* Makes TOP/NAME. */
int keep_folder(const char *top, const char *name);
/* All steps up to `last`. From any number of threads. */
void keep_object(Keeper *keeper, int folder, const char *name, const uint8_t *object, size_t size,
                 KeepStep last);

#endif
