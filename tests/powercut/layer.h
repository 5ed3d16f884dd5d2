// SPDX-License-Identifier: MIT
/*
 * What the two halves of the layer share, and what tests/system/powercut.py writes and reads.
 *
 * POWERCUT_ROOTS   folders, with ':' between them: what happens below is recorded, and spoiled where a rule says so
 * POWERCUT_LOG     the record; each event is one append, so that the order in the file is the order of what happened. May be absent
 * POWERCUT_CONTROL a file of CONTROL_SIZE bytes that all processes share: a lock, and rules that may change at any time
 */
#ifndef GANTRY_TESTS_POWERCUT_LAYER_H
#define GANTRY_TESTS_POWERCUT_LAYER_H

#include "trap.h"

#include <limits.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum { CONTROL_SIZE = 4096, RULES = 16, RULE_PATH = 112 };

typedef enum EventType {
    EVENT_CREATE = 1, /* dir1/name1, ino; flags = mode */
    EVENT_NAMELESS,   /* ino */
    EVENT_SIZE,       /* ino, at = the new size */
    EVENT_WRITE,      /* ino, at, data */
    EVENT_ALLOCATE,   /* ino, at, length; flags = fallocate's mode */
    EVENT_LINK,       /* ino, dir2/name2 */
    EVENT_UNLINK,     /* dir1/name1 */
    EVENT_RENAME,     /* dir1/name1, dir2/name2; flags = renameat2's */
    EVENT_MKDIR,      /* dir1/name1, ino; flags = mode */
    EVENT_RMDIR,      /* dir1/name1 */
    EVENT_SYNC_BEGIN, /* ino, 0 = everything; at = a number of this sync */
    EVENT_SYNC_END,   /* at = that number */
    EVENT_TIME,       /* ino, at = modification time in ns */
    EVENT_REFUSED,    /* the layer cannot follow this: the record is worthless; name1 = what */
    EVENT_MARK = 100, /* by the test: data is its text */
} EventType;

typedef struct Event {
    uint32_t magic, type;
    uint64_t time_ns;
    uint64_t ino, dir1, dir2, at, length;
    uint32_t flags, name1, name2, data; /* lengths of what follows */
} Event;

/* What a rule is about. */
enum { OP_WRITE = 1, OP_SYNC_FILE = 2, OP_SYNC_FOLDER = 4, OP_NAME = 8, OP_CREATE = 16, OP_ALLOCATE = 32 };

typedef struct Rule {
    uint32_t ops;         /* 0 = no rule */
    int32_t error;        /* the call fails with it; 0 = only late */
    uint32_t delay_us;    /* at most; 0 = at once */
    uint32_t one_in;      /* every so many-th, at random; 0 and 1 = each */
    char path[RULE_PATH]; /* a part of the path; "" = every */
} Rule;

typedef struct Control {
    pthread_mutex_t lock; /* at most 256 bytes */
    char pad[256 - sizeof(pthread_mutex_t)];
    uint32_t ready, next_sync;
    uint64_t spoiled; /* calls that a rule failed */
    char pad2[240];
    Rule rules[RULES];
} Control;

_Static_assert(offsetof(Control, rules) == 512 && sizeof(Control) <= CONTROL_SIZE && sizeof(Event) == 72,
               "powercut.py counts on it");

/* -- layer.c -- */
extern Control *control;
/* Is the open file below one of the roots? Its path in `path`. */
bool below_roots(int fd, char path[PATH_MAX]);
/* Waits, and returns -errno when a rule wants the call to fail. */
long spoil(uint32_t op, const char *path);

/* -- record.c -- */
bool record_open(const char *log);
void record_lock(void);
void record_unlock(void);
/* One event, under the lock. Names may be NULL. */
void record(Event event, const char *name1, const char *name2, const void *data, size_t n);
/* EVENT_WRITE of what now stands there, read back. */
void record_written(int fd, uint64_t ino, uint64_t at, uint64_t n);
void record_refused(const char *what);

#endif
