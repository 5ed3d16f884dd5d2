// SPDX-License-Identifier: MIT
/*
 * Only the head of a file is read here: its meta group, and the data set as far as the Series Instance UID. Where the two
 * disagree about what the object is, the data set is right: it is what goes over the wire.
 */
#include "cli/outbox.h"

#include "base/file.h"
#include "base/log.h"
#include "dicom/part10.h"
#include "dicom/tags.h"
#include "dicom/value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_READ = 16 << 10, LAST_READ = 8 << 20, MAX_VALUE = 1024 };

void outbox_free(Outbox *box)
{
    free(box->items);
    box->items = NULL;
    box->count = box->capacity = 0;
}

static OutItem *add(Outbox *box)
{
    if (box->count == box->capacity) {
        box->capacity = box->capacity ? box->capacity * 2 : 256;
        box->items = realloc(box->items, box->capacity * sizeof *box->items);
        if (!box->items)
            abort();
    }
    box->items[box->count] = (OutItem){0};
    return &box->items[box->count++];
}

/* Neighbours mostly share class, syntax, study and series: one copy serves them all. */
static const char *share(Outbox *box, const char *text, const char *previous)
{
    if (!text || !*text)
        return NULL;
    return previous && !strcmp(text, previous) ? previous : arena_strdup(box->arena, text);
}

typedef struct Head {
    DcmFileMeta meta;
    char study[65], series[65];
    bool complete; /* all that is wanted was found */
    bool marked;   /* begins as a DICOM file, PS3.10 §7.1 */
} Head;

/* What `bytes`, the beginning of a file, say. False when they are no DICOM. */
static bool read_head(Span bytes, bool is_prefix, Head *head, Err *err)
{
    bool more = false;
    *head = (Head){.marked = span_eq_cstr(span_sub(bytes, 128, 4), "DICM")};
    if (!dcm_file_meta_parse(bytes, is_prefix, &head->meta, &more, err))
        return more && is_prefix;
    Arena *arena = arena_new(0);
    DcmReadOptions options = {
        .stop_before = DCM_SeriesInstanceUID + 1, .max_value = MAX_VALUE, .tolerate_truncated = true};
    const DcmDataset *ds =
        dcm_dataset_parse(arena, span_sub(bytes, (size_t)head->meta.data_offset, SIZE_MAX),
                          dcm_transfer_syntax(span_cstr(head->meta.transfer_syntax)), &options, NULL);
    if (ds) {
        dcm_uid(ds, DCM_StudyInstanceUID, head->study);
        head->complete = dcm_uid(ds, DCM_SeriesInstanceUID, head->series);
        dcm_uid(ds, DCM_SOPClassUID, head->meta.sop_class);
        dcm_uid(ds, DCM_SOPInstanceUID, head->meta.sop_instance);
    }
    arena_free(arena);
    return true;
}

/* Reads on, four times as far each time, until the head is complete. */
static bool read_file_head(int fd, Head *head, Err *err)
{
    Buf bytes;
    buf_init(&bytes, 0);
    bool ok = true, end = false;
    for (size_t want = FIRST_READ; ok && !end && want <= LAST_READ; want *= 4) {
        while (bytes.n < want && !end) {
            uint8_t *room = buf_reserve(&bytes, want - bytes.n);
            ssize_t got = read(fd, room, want - bytes.n);
            if (got < 0 && errno == EINTR)
                continue;
            if (got < 0) {
                ok = err_errno(err, errno, "cannot read");
                break;
            }
            bytes.n += (size_t)got;
            end = got == 0;
        }
        ok = ok && read_head(buf_span(&bytes), !end, head, err);
        if (head->complete)
            break;
    }
    buf_free(&bytes);
    return ok;
}

static void skip(Outbox *box, const char *path, const char *why)
{
    box->skipped++;
    log_warning("pacs.file_dicom", "%s is not a DICOM regular file (%s)", path, why);
}

/* An object that ought to be sent and cannot. */
static void give_up(Outbox *box, const char *path, const char *why)
{
    box->skipped++;
    box->damaged++;
    log_error("pacs.file_dicom", "%s cannot be sent: %s", path, why);
}

static void add_file(Outbox *box, const char *path)
{
    Err err = {0};
    Head head = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        err_errno(&err, errno, "cannot open");
        give_up(box, path, err.text);
        return;
    }
    bool ok = read_file_head(fd, &head, &err);
    close(fd);
    const DcmFileMeta *meta = &head.meta;
    if (!ok && (head.marked || err.code == ERR_IO)) {
        give_up(box, path, err.text);
    } else if (!ok) {
        skip(box, path, err.text);
    } else if (meta->dicomdir) {
        skip(box, path, "it is a DICOMDIR, which is not sent");
    } else if (!*meta->sop_class || !*meta->sop_instance || !*meta->transfer_syntax) {
        skip(box, path, "it lacks a SOP Class UID, SOP Instance UID or transfer syntax");
    } else {
        const OutItem *last = box->count ? &box->items[box->count - 1] : &(OutItem){0};
        OutItem item = {.path = arena_strdup(box->arena, path),
                        .sop_class = share(box, meta->sop_class, last->sop_class),
                        .sop_instance = arena_strdup(box->arena, meta->sop_instance),
                        .syntax = share(box, meta->transfer_syntax, last->syntax),
                        .study = share(box, head.study, last->study),
                        .series = share(box, head.series, last->series),
                        .data_offset = meta->data_offset};
        *add(box) = item;
    }
}

static bool visit(void *ctx, const char *path, Err *err)
{
    add_file(ctx, path);
    return true;
}

bool outbox_add_path(Outbox *box, const char *path, Err *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return err_errno(err, errno, "%s", path);
    if (S_ISDIR(st.st_mode))
        return file_walk(path, true, visit, box, err);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_USAGE, "%s is neither a file nor a folder", path);
    add_file(box, path);
    return true;
}

static IdxSelection selection_of(const char *model, const char *const *uids, size_t count)
{
    if (!strcmp(*uids, "*"))
        return (IdxSelection){.everything = true};
    if (!strcmp(model, "patient"))
        return (IdxSelection){.patient_ids = uids, .patient_count = count};
    if (!strcmp(model, "series"))
        return (IdxSelection){.series = uids, .series_count = count};
    if (!strcmp(model, "instance"))
        return (IdxSelection){.instances = uids, .instance_count = count};
    return (IdxSelection){.studies = uids, .study_count = count};
}

ArcFileScan *outbox_scan(const Settings *settings, const char *model, const TextList *uids, Index **index,
                         Err *err)
{
    ArcFileWish wish = {.data_path = settings->fs_path,
                        .temp_path = settings->tmp_path,
                        .only = selection_of(model, uids->items, uids->count),
                        .at_once = true};
    ArcFileScan *scan = arc_filescan_open(&wish, err);
    if (scan && !arc_filescan_next(scan, index, err)) {
        arc_filescan_close(scan);
        return NULL;
    }
    if (scan && !*index) {
        err_set(err, ERR_NOT_FOUND, "nothing to send: the archive's files have none of the given %s UIDs",
                model);
        arc_filescan_close(scan);
        return NULL;
    }
    return scan;
}

bool outbox_add_indexed(Outbox *box, Index *index, const char *model, const char *uid, size_t *found,
                        Err *err)
{
    IdxSelection selection = selection_of(model, &uid, 1);
    IdxFiles *files = idx_select(index, &selection, err);
    if (!files)
        return false;
    *found = 0;
    Arena *scratch = arena_new(0);
    IdxFile file = {0};
    bool ok;
    while ((ok = idx_files_next(files, scratch, &file, err)) && file.sop_instance) {
        const OutItem *last = box->count ? &box->items[box->count - 1] : &(OutItem){0};
        OutItem item = {.path = arena_strdup(box->arena, file.path),
                        .sop_class = share(box, file.sop_class, last->sop_class),
                        .sop_instance = arena_strdup(box->arena, file.sop_instance),
                        .syntax = share(box, file.transfer_syntax, last->syntax),
                        .study = share(box, file.study, last->study),
                        .series = share(box, file.series, last->series),
                        .data_offset = file.data_offset};
        *add(box) = item;
        ++*found;
        arena_reset(scratch);
    }
    arena_free(scratch);
    idx_files_free(files);
    return ok;
}
