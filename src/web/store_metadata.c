// SPDX-License-Identifier: MIT
/*
 * Metadata and bulk data, PS3.18 §8.6.1.2.2 and §10.5.2: the first part is DICOM JSON (an array of data sets) or XML (one data set, further ones in parts
 * of their own); the others are bulk data, which the metadata names by BulkDataURI: their Content-Location, or cid: and their Content-ID.
 *
 * Bulk data comes in any order, so it waits in one file without a name; metadata is held, within limits. Nothing is stored before the last part has come, and no
 * reference that leads out of the request is followed.
 */
#include "base/file.h"
#include "dicom/json.h"
#include "dicom/tags.h"
#include "dicom/uids.h"
#include "dicom/value.h"
#include "dicom/xml.h"
#include "web/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
    TEXT_MAX = 16 << 20,   /* of all metadata */
    ARENA_MAX = 128 << 20, /* of what it says, and of the parts' names */
    PARTS_MAX = 200000,
    SPACE_STEP = 16 << 20, /* free space is looked at again after so many bytes */
};

#define JSON_TYPE "application/dicom+json"
#define XML_TYPE  "application/dicom+xml"

typedef struct Document {
    struct Document *next;
    DcmDataset *ds; /* NULL when nothing of it could be read */
    const Err *why; /* NULL: it is whole */
} Document;

struct StowMetadata {
    Archive *archive;
    Arena *arena;
    Document *first, **last;
    StowParts bulk;
    size_t capacity;
    uint64_t size, looked; /* of the file; when free space was looked at last */
    Buf text;              /* of the metadata part at hand */
    size_t text_read;      /* in those before it */
    enum { IN_NOTHING, IN_JSON, IN_XML, IN_BULK } in;
    bool has_json, has_xml;
};

StowMetadata *stow_metadata_new(Archive *archive)
{
    StowMetadata *m = calloc(1, sizeof *m);
    if (!m)
        abort();
    m->archive = archive;
    m->arena = arena_new(ARENA_MAX);
    m->last = &m->first;
    m->bulk.fd = -1;
    buf_init(&m->text, TEXT_MAX);
    return m;
}

void stow_metadata_free(StowMetadata *m)
{
    if (!m)
        return;
    if (m->bulk.fd >= 0)
        close(m->bulk.fd);
    free(m->bulk.parts);
    buf_free(&m->text);
    arena_free(m->arena);
    free(m);
}

bool stow_is_metadata(const char *type)
{
    return !strcmp(type, JSON_TYPE) || !strcmp(type, XML_TYPE);
}

/* -- metadata -- */

static bool too_much(Err *err)
{
    return err_set(err, ERR_LIMIT,
                   "the metadata and the names of the parts need more memory than the limit allows");
}

static bool add_document(void *ctx, DcmDataset *ds, const Err *why, Err *err)
{
    StowMetadata *m = ctx;
    Document *d = arena_try(m->arena, sizeof *d);
    Err *copy = why ? arena_try(m->arena, sizeof *copy) : NULL;
    if (!d || (why && !copy) || (why && why->code == ERR_LIMIT))
        return too_much(err);
    if (why)
        *copy = *why;
    *d = (Document){.ds = ds, .why = copy};
    *m->last = d;
    m->last = &d->next;
    return true;
}

/* A document's tree takes ten times the text: there is one of them at a time. */
static pthread_mutex_t reading = PTHREAD_MUTEX_INITIALIZER;

static bool read_documents(StowMetadata *m, Err *err)
{
    Err why = {0};
    DcmDataset *partial;
    Span text = buf_span(&m->text);
    if (m->in == IN_JSON) {
        pthread_mutex_lock(&reading);
        bool ok = dcm_json_read_each(m->arena, text, &(DcmReadEach){add_document, m}, err);
        pthread_mutex_unlock(&reading);
        return ok;
    }
    DcmDataset *ds = dcm_xml_read(m->arena, text, &partial, &why);
    return add_document(m, ds ? ds : partial, ds ? NULL : &why, err);
}

static bool begin_metadata(StowMetadata *m, bool json, Err *err)
{
    if (m->has_json || (json && m->has_xml))
        return err_set(err, ERR_FORMAT,
                       "a second part with metadata; " JSON_TYPE
                       " is one part with an array of data sets, only " XML_TYPE " may be several");
    m->has_json = json;
    m->has_xml = !json;
    m->in = json ? IN_JSON : IN_XML;
    return true;
}

static bool end_metadata(StowMetadata *m, Err *err)
{
    m->text_read += m->text.n;
    bool ok = read_documents(m, err);
    buf_free(&m->text);
    return ok;
}

/* -- bulk data -- */

/* The transfer-syntax parameter of a media type. */
static void read_syntax(const char *parameters, char out[65])
{
    static const char name[] = "transfer-syntax=";
    const char *p = strcasestr(parameters, name);
    p = p ? p + strlen(name) : "";
    p += *p == '"';
    size_t n = strspn(p, "0123456789.");
    if (n <= DCM_UID_MAX)
        memcpy(out, p, n);
}

static bool is_plain(const char *encoding)
{
    static const char *const plain[] = {"", "binary", "8bit", "7bit", "identity"};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (!strcasecmp(plain[i], encoding))
            return true;
    return false;
}

/* The text behind a prefix, in the arena. NULL when that is full. */
static const char *copy_text(StowMetadata *m, const char *prefix, const char *text)
{
    size_t n = strlen(prefix) + strlen(text) + 1;
    char *copy = arena_try(m->arena, n);
    if (copy)
        snprintf(copy, n, "%s%s", prefix, text);
    return copy;
}

static bool grow(StowMetadata *m, Err *err)
{
    if (m->bulk.count < m->capacity)
        return true;
    if (m->bulk.count == PARTS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d parts in one request; send it in several", PARTS_MAX);
    m->capacity = m->capacity ? m->capacity * 2 : 16;
    m->bulk.parts = realloc(m->bulk.parts, m->capacity * sizeof *m->bulk.parts);
    if (!m->bulk.parts)
        abort();
    return true;
}

static bool begin_bulk(StowMetadata *m, const MultipartPart *part, Err *err)
{
    if (!m->has_json && !m->has_xml)
        return err_set(err, ERR_FORMAT, "the first part must be the metadata: " JSON_TYPE " or " XML_TYPE);
    if (m->bulk.fd < 0 && (m->bulk.fd = arc_temporary_file(m->archive, err)) < 0)
        return false;
    if (!grow(m, err))
        return false;
    StowPart *p = &m->bulk.parts[m->bulk.count++];
    bool by_id = !*part->location && *part->id;
    *p = (StowPart){.location = copy_text(m, by_id ? "cid:" : "", by_id ? part->id : part->location),
                    .type = copy_text(m, "", part->type),
                    .offset = m->size};
    if (!p->location || !p->type)
        return too_much(err);
    read_syntax(part->parameters, p->syntax);
    m->in = IN_BULK;
    return true;
}

static bool has_space(StowMetadata *m, Err *err)
{
    if (m->size < m->looked)
        return true;
    m->looked = m->size + SPACE_STEP;
    return arc_has_room(m->archive, err);
}

static bool add_bulk(StowMetadata *m, Span piece, Err *err)
{
    StowPart *p = &m->bulk.parts[m->bulk.count - 1];
    size_t had = p->length < sizeof p->start ? (size_t)p->length : sizeof p->start;
    Span start = span_sub(piece, 0, sizeof p->start - had);
    memcpy(p->start + had, start.p, start.n);
    p->length += piece.n;
    m->size += piece.n;
    return has_space(m, err) && file_write_all(m->bulk.fd, piece.p, piece.n, err);
}

/* -- parts -- */

bool stow_metadata_begin(StowMetadata *m, const MultipartPart *part, Err *err)
{
    if (!is_plain(part->encoding))
        return err_set(err, ERR_FORMAT, "a part is encoded (%.40s); parts must come as they are",
                       part->encoding);
    if (stow_is_metadata(part->type))
        return begin_metadata(m, !strcmp(part->type, JSON_TYPE), err);
    return begin_bulk(m, part, err);
}

bool stow_metadata_data(StowMetadata *m, Span piece, Err *err)
{
    if (!piece.n)
        return true;
    if (m->in == IN_BULK)
        return add_bulk(m, piece, err);
    if (m->text_read + m->text.n + piece.n > TEXT_MAX)
        return err_set(err, ERR_LIMIT, "the metadata is larger than %d MiB; send it in several requests",
                       TEXT_MAX >> 20);
    return buf_append_span(&m->text, piece) || too_much(err);
}

bool stow_metadata_end(StowMetadata *m, Err *err)
{
    bool ok = m->in == IN_BULK || end_metadata(m, err);
    m->in = IN_NOTHING;
    return ok;
}

/* -- objects -- */

/* By location, then as they came. */
static int by_location(const void *a, const void *b)
{
    const StowPart *x = a, *y = b;
    int order = strcmp(x->location, y->location);
    return order ? order : (x->offset > y->offset) - (x->offset < y->offset);
}

/* Whose result it is, as far as the metadata says. */
static bool read_uids(StowObject *o, const DcmDataset *ds)
{
    bool of_class = dcm_uid(ds, DCM_SOPClassUID, o->sop_class);
    bool of_instance = dcm_uid(ds, DCM_SOPInstanceUID, o->sop_instance);
    return of_class && of_instance;
}

static bool store_document(Stow *s, const Document *d, Err *err)
{
    const StowParts *bulk = &s->metadata->bulk;
    if (!stow_begin_object(s, err))
        return false;
    StowObject *o = s->current;
    if (d->ds)
        stow_claim(bulk, d->ds);
    if (d->ds && !read_uids(o, d->ds))
        err_set(&o->err, ERR_FORMAT,
                "the metadata has no usable SOP Class UID (0008,0016) or SOP Instance UID (0008,0018)");
    if (d->why)
        o->err = *d->why;
    if (o->err.code || !stow_encode(bulk, d->ds, o->ingest, &o->err))
        stow_fail_object(o);
    stow_end_object(s);
    return true;
}

/* What no metadata refers to belongs to no object, but its sender believes it stored. Of metadata that could not be read to its end nobody knows. */
static bool report_unused(Stow *s, Err *err)
{
    const StowParts *bulk = &s->metadata->bulk;
    size_t unused = 0;
    for (size_t i = 0; i < bulk->count; i++)
        unused += !bulk->parts[i].used;
    if (!unused)
        return true;
    if (!stow_begin_object(s, err))
        return false;
    err_set(&s->current->err, ERR_FORMAT, "the metadata refers to none of %zu of the %zu parts of bulk data",
            unused, bulk->count);
    stow_fail_object(s->current);
    s->current = NULL;
    return true;
}

bool stow_metadata_store(Stow *s, Err *err)
{
    StowMetadata *m = s->metadata;
    if (!m->has_json && !m->has_xml)
        return err_set(err, ERR_FORMAT, "the request has no metadata in it");
    if (m->bulk.count)
        qsort(m->bulk.parts, m->bulk.count, sizeof *m->bulk.parts, by_location);
    bool whole = true;
    for (const Document *d = m->first; d; d = d->next) {
        whole = whole && !d->why;
        if (!store_document(s, d, err))
            return false;
    }
    return !whole || report_unused(s, err);
}
