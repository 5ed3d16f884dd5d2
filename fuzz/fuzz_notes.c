// SPDX-License-Identifier: MIT
/* Small texts that others write: the first byte says which. The note of an annotation, the answer of a UID server, manifests of trash and backups, services as px-smdb sets them. */
#include "fuzz.h"

#include "archive/annotation_note.h"
#include "archive/backup_manifest.h"
#include "archive/manifest.h"
#include "px/services.h"
#include "web/annotation_uid.h"

#include <stdio.h>
#include <string.h>

static void note(Arena *arena, Span text)
{
    IdxAnnotation first, second;
    Buf written;
    buf_init(&written, 0);
    if (annotation_note_read(arena, text, &first)) {
        annotation_note_write(&first, &written);
        if (!annotation_note_read(arena, buf_span(&written), &second))
            fuzz_broken();
    }
    buf_free(&written);
}

static void uid(Arena *arena, Span text)
{
    char out[DCM_UID_MAX + 1];
    if (web_annotation_uid_read(text, out) && !dcm_uid_valid(span_cstr(out), false))
        fuzz_broken();
}

static void trash(Arena *arena, Span text)
{
    Err err = {0};
    ManifestHead head;
    ManifestEntry entry;
    bool more = true;
    FILE *file = text.n ? fmemopen((void *)(uintptr_t)text.p, text.n, "r") : NULL;
    if (!file)
        return;
    if (manifest_read_head(file, arena, &head, &err))
        while (more && manifest_read(file, arena, &entry, &more, &err))
            if (more && (!entry.path || !entry.sop_instance))
                fuzz_broken();
    fclose(file);
}

static void backup(Arena *arena, Span text)
{
    BackupFiles files;
    fuzz_file(BACKUP_MANIFEST, text);
    if (!backup_files_read(fuzz_folder(), &files))
        return;
    for (size_t i = 0; i < files.count && i < 100; i++)
        if (!backup_files_find(&files, files.files[i].path))
            fuzz_broken();
    backup_files_free(&files);
}

static void services(Arena *arena, Span text)
{
    Err err = {0};
    char log[256];
    snprintf(log, sizeof log, "%s/log", fuzz_folder());
    fuzz_file("services/storage.json", text);
    json_t *all = px_services_read(log, PX_SERVICE_STORAGE, &err);
    if (!all && !*err.text)
        fuzz_broken();
    if (all) {
        json_t *masked = px_service_masked(all);
        px_services_set(log, PX_SERVICE_STORAGE, all, &err);
        px_services_set(log, PX_SERVICE_STORAGE, masked, &err);
        json_decref(masked);
    }
    json_decref(all);
}

int fuzz_notes(const uint8_t *data, size_t size)
{
    static void (*const kinds[])(Arena *, Span) = {note, uid, trash, backup, services};
    if (!size)
        return 0;
    Arena *arena = arena_new(0);
    kinds[data[0] % 5](arena, span_of(data + 1, size - 1));
    arena_free(arena);
    return 0;
}
