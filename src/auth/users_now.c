// SPDX-License-Identifier: MIT
#include "auth/users_now.h"

#include "base/log.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One reading of the file. */
typedef struct Reading {
    Users users; /* first: what callers hold */
    Arena *arena;
    unsigned references;
} Reading;

struct AuthUsers {
    char *path;
    pthread_mutex_t lock; /* guards what follows */
    Reading *current;
    struct stat seen; /* all 0: no file */
};

static Reading *read_now(const char *path, Err *err)
{
    Reading *r = calloc(1, sizeof *r);
    if (!r)
        abort();
    r->arena = arena_new(0);
    r->references = 1;
    if (users_read(r->arena, path, &r->users, err))
        return r;
    arena_free(r->arena);
    free(r);
    return NULL;
}

static void drop(Reading *r)
{
    if (--r->references > 0)
        return;
    arena_free(r->arena);
    free(r);
}

static struct stat look(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st : (struct stat){0};
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mode == b->st_mode && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

AuthUsers *auth_users_open(const char *path, Err *err)
{
    struct stat seen = look(path);
    Reading *first = read_now(path, err);
    if (!first)
        return NULL;
    AuthUsers *book = calloc(1, sizeof *book);
    if (!book || !(book->path = strdup(path)))
        abort();
    pthread_mutex_init(&book->lock, NULL);
    book->current = first;
    book->seen = seen;
    return book;
}

void auth_users_close(AuthUsers *book)
{
    if (!book)
        return;
    drop(book->current);
    pthread_mutex_destroy(&book->lock);
    free(book->path);
    free(book);
}

/* With the lock held. The look comes before the reading: what changes in between is seen the next time. */
static void refresh(AuthUsers *book)
{
    struct stat now = look(book->path);
    if (same_file(&now, &book->seen))
        return;
    book->seen = now;
    Err err = {0};
    Reading *again = read_now(book->path, &err);
    if (!again) {
        log_error("api_dicomweb", "the users are those of before: %s", err.text);
        return;
    }
    log_info("api_dicomweb", "app/users.yml was read again: %zu users", again->users.count);
    again->users.generation = book->current->users.generation + 1;
    drop(book->current);
    book->current = again;
}

const Users *auth_users_now(AuthUsers *book)
{
    pthread_mutex_lock(&book->lock);
    refresh(book);
    Reading *r = book->current;
    r->references++;
    pthread_mutex_unlock(&book->lock);
    return &r->users;
}

void auth_users_done(AuthUsers *book, const Users *users)
{
    pthread_mutex_lock(&book->lock);
    drop((Reading *)((char *)(uintptr_t)users - offsetof(Reading, users)));
    pthread_mutex_unlock(&book->lock);
}
