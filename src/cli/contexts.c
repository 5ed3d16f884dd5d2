// SPDX-License-Identifier: MIT
#include "cli/contexts.h"

#include "base/yaml.h"
#include "dicom/uid.h"

#include <string.h>

static const char *class_uid(const char *text)
{
    for (size_t i = 0; i < dcm_storage_class_count(); i++)
        if (!strcmp(dcm_storage_class_at(i)->keyword, text))
            return dcm_storage_class_at(i)->uid;
    return dcm_uid_valid(span_cstr(text), false) ? text : NULL;
}

static const char *syntax_uid(const char *text)
{
    for (size_t i = 0; i < dcm_transfer_syntax_count(); i++)
        if (!strcmp(dcm_transfer_syntax_at(i)->keyword, text))
            return dcm_transfer_syntax_at(i)->uid;
    return dcm_uid_valid(span_cstr(text), false) ? text : NULL;
}

static bool read_list(Arena *arena, const char *path, const YamlNode *set, const char *key,
                      const char *(*uid_of)(const char *), TextList *out, Err *err)
{
    const YamlNode *list = yaml_get(set, key);
    if (!list || list->kind != YAML_LIST || !list->first)
        return err_set(err, ERR_FORMAT, "%s:%d: %s: a list '%s' with at least one entry is expected", path,
                       set->line, set->key, key);
    size_t n = 0;
    for (const YamlNode *item = list->first; item; item = item->next)
        n++;
    *out = (TextList){arena_alloc(arena, n * sizeof *out->items), 0};
    for (const YamlNode *item = list->first; item; item = item->next) {
        const char *uid = item->kind == YAML_SCALAR ? uid_of(item->text) : NULL;
        if (!uid)
            return err_set(err, ERR_FORMAT, "%s:%d: %s: '%s' is no UID and no keyword of the standard", path,
                           item->line, key, item->kind == YAML_SCALAR ? item->text : "");
        out->items[out->count++] = uid;
    }
    return true;
}

bool contexts_find(Arena *arena, const Settings *settings, const char *name, ContextSet *out, Err *err)
{
    const char *path = arena_printf(arena, "%s/app/contexts.yml", settings->folder);
    const YamlNode *root = yaml_load_file(arena, path, err);
    if (!root)
        return false;
    const YamlNode *set = yaml_get(root, name);
    if (!set)
        return err_set(err, ERR_NOT_FOUND, "%s has no set '%s'", path, name);
    return read_list(arena, path, set, "classes", class_uid, &out->classes, err) &&
           read_list(arena, path, set, "transfer_syntaxes", syntax_uid, &out->syntaxes, err);
}
