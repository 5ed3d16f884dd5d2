// SPDX-License-Identifier: MIT
#include "px/directive_internal.h"

#include "px/document.h"

#include <stdlib.h>
#include <string.h>

/* -- arguments -- */

static const char *text_arg(const json_t *args, const char *name)
{
    const char *text = json_string_value(json_object_get(args, name));
    return text ? text : "";
}

static bool check_text_args(const json_t *args, const char *const *names, Err *err)
{
    for (; *names; names++) {
        const json_t *value = json_object_get(args, *names);
        if (value && !json_is_string(value))
            return err_set(err, ERR_USAGE, "'%s' must be text", *names);
    }
    return true;
}

static bool is_set(const json_t *args, const char *name)
{
    return json_is_true(json_object_get(args, name));
}

/* "./SERVICES" and "SERVICES" are one. */
static const char *prefix_of(const char *path)
{
    size_t dots = strspn(path, ".");
    path += dots;
    return dots && *path == '/' ? path + 1 : path;
}

/* -- lists -- */

static bool keep_entry(void *ctx, const PxEntry *entry, Err *err)
{
    enum { ENTRIES_MAX = 10000000 };
    PxEntries *entries = ctx;
    if (!strstr(entry->name, entries->substring))
        return true;
    if (entries->count == ENTRIES_MAX)
        return err_set(err, ERR_LIMIT, "more than %d objects; say more of the path", ENTRIES_MAX);
    if (entries->count == entries->capacity) {
        entries->capacity = entries->capacity ? entries->capacity * 2 : 256;
        entries->items = realloc(entries->items, entries->capacity * sizeof *entries->items);
        if (!entries->items)
            abort();
    }
    PxEntry *kept = &entries->items[entries->count++];
    *kept = *entry;
    kept->name = arena_strdup(entries->arena, entry->name);
    kept->hash = arena_strdup(entries->arena, entry->hash);
    kept->last_modified = arena_strdup(entries->arena, entry->last_modified);
    kept->content_type = arena_strdup(entries->arena, entry->content_type);
    return true;
}

bool px_entries_list(PxStorage *storage, const char *prefix, bool hashes, PxEntries *entries, Err *err)
{
    PxLane *lane = px_lane_open(storage);
    bool ok = px_lane_list(lane, prefix, hashes, keep_entry, entries, err);
    px_lane_close(lane);
    return ok;
}

void px_entries_free(PxEntries *entries)
{
    free(entries->items);
}

/* -- ls -- */

static void put_member(json_t *out, const PxEntry *entry, const char *name)
{
    if (!strcmp(name, "bytes"))
        json_object_set_new(out, name, json_integer((json_int_t)entry->bytes));
    else if (!strcmp(name, "name"))
        json_object_set_new(out, name, px_text(entry->name));
    else if (!strcmp(name, "hash"))
        json_object_set_new(out, name, px_text(entry->hash));
    else if (!strcmp(name, "last_modified"))
        json_object_set_new(out, name, px_text(entry->last_modified));
    else if (!strcmp(name, "content_type"))
        json_object_set_new(out, name, px_text(entry->content_type));
}

static json_t *describe(const PxEntry *entry, const json_t *members)
{
    static const char *const usual[] = {"name", "bytes", "hash", "last_modified"};
    json_t *out = json_object();
    for (size_t i = 0; i < json_array_size(members); i++) {
        const char *name = json_string_value(json_array_get(members, i));
        if (name)
            put_member(out, entry, name);
    }
    for (size_t i = 0; !json_array_size(members) && i < sizeof usual / sizeof *usual; i++)
        put_member(out, entry, usual[i]);
    return out;
}

static bool wants_hash(const json_t *members)
{
    for (size_t i = 0; i < json_array_size(members); i++) {
        const char *name = json_string_value(json_array_get(members, i));
        if (name && !strcmp(name, "hash"))
            return true;
    }
    return !json_array_size(members);
}

static bool do_ls(const PxDirectives *d, const json_t *args, json_t *result, Err *err)
{
    static const char *const names[] = {"path", "substr", NULL};
    PxEntries entries = {.arena = arena_new(0), .substring = text_arg(args, "substr")};
    const json_t *members = json_object_get(args, "retSpec");
    bool ok =
        check_text_args(args, names, err) &&
        (!members || json_is_array(members) ||
         err_set(err, ERR_USAGE, "'retSpec' must be a list of names")) &&
        px_entries_list(d->storage, prefix_of(text_arg(args, "path")), wants_hash(members), &entries, err);
    if (ok) {
        json_t *list = json_array();
        for (size_t i = 0; i < entries.count; i++)
            json_array_append_new(list, describe(&entries.items[i], members));
        json_object_set_new(result, "ls", list);
        ok = entries.count || err_set(err, ERR_NOT_FOUND, "nothing there has such a name");
    } else {
        json_object_set_new(result, "lsError", px_text(err->text));
    }
    px_entries_free(&entries);
    arena_free(entries.arena);
    return ok;
}

/* -- objPut -- */

static bool add_lists(const json_t *local, const json_t *remote, PxPushFiles *files, Err *err)
{
    if (!json_is_array(local) || !json_is_array(remote) || json_array_size(local) != json_array_size(remote))
        return err_set(err, ERR_USAGE, "'fileList' and 'remoteFileList' must be lists of one length");
    for (size_t i = 0; i < json_array_size(local); i++) {
        const char *from = json_string_value(json_array_get(local, i));
        const char *to = json_string_value(json_array_get(remote, i));
        if (!from || !to)
            return err_set(err, ERR_USAGE, "'fileList' and 'remoteFileList' must be lists of names");
        px_push_add_pair(files, from, to);
    }
    return true;
}

/* With mapLocationOver what it names is taken off each path, without it nothing is. */
static void map_paths(PxPushFiles *files, const char *over)
{
    size_t n = strlen(over);
    for (size_t i = 0; i < files->count; i++) {
        PxPushFile *file = &files->items[i];
        file->rest = n && !strncmp(file->path, over, n) ? file->path + n : file->path;
    }
}

static bool gather(const json_t *args, PxPushFiles *files, Err *err)
{
    static const char *const names[] = {"localpath", "toLocation", "mapLocationOver", "DICOMsubstr", NULL};
    const json_t *local = json_object_get(args, "fileList");
    if (!check_text_args(args, names, err))
        return false;
    if (json_array_size(local))
        return add_lists(local, json_object_get(args, "remoteFileList"), files, err);
    if (!*text_arg(args, "localpath"))
        return err_set(err, ERR_USAGE, "objPut needs 'localpath', or 'fileList' and 'remoteFileList'");
    if (!px_push_add_path(files, text_arg(args, "localpath"), text_arg(args, "DICOMsubstr"), err))
        return false;
    map_paths(files, text_arg(args, "mapLocationOver"));
    return true;
}

static bool do_put(const PxDirectives *d, const json_t *args, json_t **result, Err *err)
{
    PxPushFiles files = {.arena = arena_new(0), .hidden = true};
    PxPushTotals totals;
    bool pack = json_object_get(args, "DICOMsubstr") != NULL,
         lists = json_object_get(args, "fileList") != NULL;
    PxPush push = {.storage = d->storage,
                   .names = lists || !pack                  ? PX_PUSH_PLAIN
                            : is_set(args, "packEachDICOM") ? PX_PUSH_EACH_FOLDER
                                                            : PX_PUSH_FIRST,
                   .location = lists ? "" : text_arg(args, "toLocation"),
                   .templates = d->templates,
                   .parallel = d->parallel,
                   .trace = d->trace};
    bool ok = gather(args, &files, err);
    if (ok) {
        json_decref(*result);
        ok = px_push(&push, &files, result, &totals, err);
    } else {
        json_object_set_new(*result, "error", px_text(err->text));
    }
    px_push_files_free(&files);
    arena_free(files.arena);
    return ok;
}

/* -- objPull -- */

static bool do_pull(const PxDirectives *d, const json_t *args, json_t *result, Err *err)
{
    static const char *const names[] = {"fromLocation", "toLocation", "toLocationOver", "substr", NULL};
    const char *to = text_arg(args, "toLocation");
    bool ok = check_text_args(args, names, err);
    if (ok && !*to)
        to = text_arg(args, "toLocationOver");
    if (ok && !*to)
        ok = err_set(err, ERR_USAGE, "objPull needs 'toLocation', the folder that the objects go into");
    ok =
        ok && px_directive_pull(d, text_arg(args, "fromLocation"), to, text_arg(args, "substr"), result, err);
    if (!ok)
        json_object_set_new(result, "error", px_text(err->text));
    return ok;
}

/* -- rmtree -- */

static bool remove_all(const PxDirectives *d, PxEntries *entries, json_t *deleted_list, Err *err)
{
    bool *deleted = calloc(entries->count ? entries->count : 1, sizeof *deleted);
    if (!deleted)
        abort();
    PxLane *lane = px_lane_open(d->storage);
    bool ok = px_lane_delete(lane, entries->items, entries->count, deleted, err);
    for (size_t i = 0; i < entries->count; i++)
        if (deleted[i])
            json_array_append_new(deleted_list, px_text(entries->items[i].name));
    px_lane_close(lane);
    free(deleted);
    return ok;
}

/* Only what lies below the folder, or has the name: "a" must not take "ab/x" along. */
static void keep_tree(PxEntries *entries, const char *path)
{
    size_t n = strlen(path), kept = 0;
    for (size_t i = 0; i < entries->count; i++) {
        char next = entries->items[i].name[n];
        if (path[n - 1] == '/' || next == '/' || !next)
            entries->items[kept++] = entries->items[i];
    }
    entries->count = kept;
}

static bool do_rmtree(const PxDirectives *d, const json_t *args, json_t *result, Err *err)
{
    static const char *const names[] = {"path", "substr", NULL};
    const char *path = prefix_of(text_arg(args, "path"));
    PxEntries entries = {.arena = arena_new(0), .substring = text_arg(args, "substr")};
    json_t *list = json_array();
    bool ok = check_text_args(args, names, err) &&
              (*path || err_set(err, ERR_USAGE, "rmtree needs a 'path'; it does not delete all there is")) &&
              px_entries_list(d->storage, path, false, &entries, err);
    if (ok)
        keep_tree(&entries, path);
    if (ok && !entries.count)
        ok = err_set(err, ERR_NOT_FOUND, "nothing there has such a name");
    if (ok && !d->confirmed && !is_set(args, "confirm"))
        ok = err_set(err, ERR_USAGE,
                     "%zu objects would be deleted; say so with --yes, or \"confirm\": true in the arguments",
                     entries.count);
    ok = ok && remove_all(d, &entries, list, err);
    json_object_set_new(result, "dellist", list);
    if (!ok)
        json_object_set_new(result, "error", px_text(err->text));
    px_entries_free(&entries);
    arena_free(entries.arena);
    return ok;
}

/* -- all -- */

static bool unknown(const PxDirectives *d, const char *action, json_t *result, Err *err)
{
    err_set(err, ERR_USAGE, "Class '%s' does not implement method '%.60s_process'", d->class_name, action);
    json_object_set_new(result, "msg", px_text(err->text));
    return err_set(err, ERR_USAGE, "'%.60s' is no directive; there are ls, objPut, objPull and rmtree",
                   action);
}

bool px_directive(const PxDirectives *d, const json_t *directive, json_t **result, Err *err)
{
    const char *action = json_string_value(json_object_get(directive, "action"));
    const json_t *args = json_object_get(directive, "args");
    Err own = {0};
    *result = json_object();
    json_object_set_new(*result, "status", json_false());
    bool ok;
    if (!action || (args && !json_is_object(args))) {
        ok = err_set(&own, ERR_USAGE, "a directive is {\"action\": \"…\", \"args\": {…}}");
        json_object_set_new(*result, "error", px_text(own.text));
    } else if (!strcmp(action, "ls")) {
        ok = do_ls(d, args, *result, &own);
    } else if (!strcmp(action, "objPut")) {
        ok = do_put(d, args, result, &own);
    } else if (!strcmp(action, "objPull")) {
        ok = do_pull(d, args, *result, &own);
    } else if (!strcmp(action, "rmtree")) {
        ok = do_rmtree(d, args, *result, &own);
    } else {
        ok = unknown(d, action, *result, &own);
    }
    json_object_set_new(*result, "status", json_boolean(ok));
    if (!ok && err)
        *err = own;
    return ok;
}
