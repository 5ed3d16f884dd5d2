// SPDX-License-Identifier: MIT
/* What is worth saying of settings that are sound: keys without a value, and old spellings. */
#include "cli/settings.h"

#include <string.h>

static bool begins(const char *path, const char *section)
{
    return strncmp(path, section, strlen(section)) == 0;
}

/* Does anything look at this key, the others being as they are? */
static bool is_in_use(const Settings *s, const char *path)
{
    bool postgresql = !strcmp(s->db_engine, "postgresql");
    if (!strcmp(path, "db.params.filepath"))
        return !postgresql;
    if (begins(path, "db.params.") || begins(path, "db.engine_pool_"))
        return postgresql;
    if (!strcmp(path, "hdfs.path"))
        return !strcmp(s->storage_method, "HDFS");
    if (begins(path, "hbase."))
        return !strcmp(s->storage_method, "HBASE");
    if (begins(path, "hdfs."))
        return s->hdfs_start_move || !strcmp(path, "hdfs.start_move_hdfs");
    if (begins(path, "api.dicomweb.") && strcmp(path, "api.dicomweb.start") != 0)
        return s->api_start && s->api_dicomweb_start;
    if (begins(path, "api.annotation.") && strcmp(path, "api.annotation.start") != 0)
        return s->api_start && s->api_annotation_start;
    return !begins(path, "api.") || s->api_start || !strcmp(path, "api.start");
}

static const char *remark(Arena *arena, const Settings *settings, size_t i, const SettingsOrigin *origin)
{
    const SettingsKey *key = &settings_keys[i];
    const char *value = settings_value_text(arena, settings, key);
    const char *used = *value ? arena_printf(arena, "%s is used", value) : "an empty value is used";
    if (origin->null_line)
        return arena_printf(arena, "%s:%d: %s: the key has no value; %s", settings->file, origin->null_line,
                            key->path, used);
    return arena_printf(arena, "%s: %s: the key is not there; %s", settings->file, key->path, used);
}

void settings_remarks(Arena *arena, const Settings *settings, const SettingsOrigin *origins,
                      SettingsTell tell, void *ctx)
{
    for (size_t i = 0; i < settings_key_count; i++) {
        const SettingsKey *key = &settings_keys[i];
        const SettingsOrigin *origin = &origins[i];
        bool given = origin->line || origin->environment;
        if (origin->alias)
            tell(ctx, LOG_INFO,
                 arena_printf(arena, "%s:%d: %s: understood; it is spelt %s now", settings->file,
                              origin->line, key->alias, key->path));
        else if (!given && is_in_use(settings, key->path) && (!key->recent || origin->null_line))
            tell(ctx, LOG_WARNING, remark(arena, settings, i, origin));
    }
}
