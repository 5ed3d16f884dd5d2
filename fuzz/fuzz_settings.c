// SPDX-License-Identifier: MIT
/* app/settings.yml. Whatever stands there, either it is a problem that is told, or every value is what the table of keys allows. */
#include "fuzz.h"

#include "cli/settings.h"

static void take_remark(void *ctx, LogLevel level, const char *text)
{
    if (!*text || (level != LOG_INFO && level != LOG_WARNING))
        fuzz_broken();
}

static void check_value(const Settings *settings, const SettingsKey *key)
{
    const void *at = (const char *)settings + key->at;
    int64_t number = key->type == SET_INT ? *(const int64_t *)at : key->min;
    double real = key->type == SET_NUMBER ? *(const double *)at : (double)key->min;
    if (number < key->min || (key->type == SET_INT && number > key->max) || !(real >= (double)key->min) ||
        (key->type == SET_NUMBER && !(real <= (double)key->max)))
        fuzz_broken();
    if (key->type == SET_PATH && *(const char *const *)at && **(const char *const *)at &&
        **(const char *const *)at != '/')
        fuzz_broken();
}

int fuzz_settings(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new(0);
    Buf problems;
    buf_init(&problems, 0);
    fuzz_file("app/settings.yml", span_of(data, size));
    SettingsOrigin *origins = arena_alloc(arena, settings_key_count * sizeof *origins);
    const Settings *settings = settings_load(arena, fuzz_folder(), origins, &problems);
    if (!settings && !problems.n)
        fuzz_broken();
    for (size_t i = 0; settings && i < settings_key_count; i++) {
        check_value(settings, &settings_keys[i]);
        if (!settings_value_text(arena, settings, &settings_keys[i]))
            fuzz_broken();
    }
    if (settings)
        settings_remarks(arena, settings, origins, take_remark, NULL);
    buf_free(&problems);
    arena_free(arena);
    return 0;
}
