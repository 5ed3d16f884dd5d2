// SPDX-License-Identifier: MIT
/* app/users.yml. What was read is written and read again as the same; no value of it stands in an error. */
#include "fuzz.h"

#include "auth/users.h"

#include <stdio.h>
#include <string.h>

static void check_again(Arena *arena, const Users *users)
{
    char path[256];
    Err err = {0};
    Users again;
    snprintf(path, sizeof path, "%s/again.yml", fuzz_folder());
    if (!users_write(path, users, &err) || !users_read(arena, path, &again, &err) ||
        again.count != users->count)
        fuzz_broken();
    for (size_t i = 0; i < users->count && i < again.count; i++)
        if (strcmp(users->items[i].name, again.items[i].name) != 0 ||
            users->items[i].role != again.items[i].role ||
            users->items[i].token_count != again.items[i].token_count)
            fuzz_broken();
}

int fuzz_users(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new(0);
    Err err = {0};
    Users users;
    bool ok = users_read(arena, fuzz_file("users.yml", span_of(data, size)), &users, &err);
    if (!ok && !*err.text)
        fuzz_broken();
    for (size_t i = 0; ok && i < users.count; i++) {
        if (!users_is_name(users.items[i].name) || users_find(&users, users.items[i].name) != &users.items[i])
            fuzz_broken();
        for (size_t k = 0; k < users.items[i].token_count; k++)
            if (!users_find_token(&users, users.items[i].tokens[k].sha256))
                fuzz_broken();
    }
    if (ok && users.count)
        check_again(arena, &users);
    arena_free(arena);
    return 0;
}
